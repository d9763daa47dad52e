//! The text form of policies, and what stands in them on which side.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use snapshot::policy::{Digest, LINES_MAX, Policy, REGEXES_MAX, RESERVED, RULES_MAX, Side, TEXT_MAX};

const SIDES: [Side; 3] = [Side::Ingress, Side::Egress, Side::Plan];

/// Everything that may stand somewhere, with values that are not the defaults.
const FULL: &str = r#"{"transport":"tls","listener":"core","host":"sip.example.net","answer_timeout_s":40,
    "session_timer":{"mode":"on","expires_s":600,"min_s":120,"refresher":"us"},"reliable":"local","early_media":"one_way",
    "ringing_after_s":3,"codecs":{"allow":["PCMA","telephone-event"],"reorder":true,"single":true,"audio_only":true},
    "media":{"direct":true,"silence":"either","timeout_s":30,"dtmf":"info","srtp":"required","srtp_suites":["AEAD_AES_256_GCM"]},
    "identity":{"trusted":true,"calling_from_identity":true,"send":"asserted","diversion":"strip","history_info":"strip",
    "charge_info":"strip"},"rewrite":[{"field":"calling","pattern":"^00","replacement":"+"}],
    "headers":{"pass":["*"],"remove":["X-A"],"add":[{"name":"X-B","value":"1"}]},
    "numbers":{"calling_allow":[{"value":"44"}],"calling_deny":[{"kind":"exact","value":"447"}],
    "called_allow":[{"kind":"regex","value":"^4"}],"called_deny":[{"value":"449"}]},
    "answers":{"statuses":[{"cause":34,"status":503}],"always_503":true,"stop":[486],"next":[404],"busy_is_failure":true,
    "no_answer_is_failure":true,"no_reason":true},"registration":{"user":"we","domain":"example.net","registrar":"192.0.2.1:5060",
    "expires_s":300},"probe":{"interval_s":10,"failures":2},"redirects_max":2,"own_terminators":true,"cps_window_s":5,
    "prices":{"sell_per_minute_max":"0.25","buy_per_minute_max":"0"},
    "stir":{"verify":"require","attest":"numbers","numbers":["44"],"origid":"123e4567-e89b-42d3-a456-426655440000","sign":"always",
    "signer":{"certificate":"https://a.example/b","private_number":"1111111111111111111111111111111111111111111111111111111111111111"},
    "verstat":true},"nodes":[1,2],"nat":false}"#;

fn read(text: &str) -> Policy {
    Policy::from_text(text).unwrap_or_else(|flaw| panic!("{flaw}: {text}"))
}

/// The field and the entry that are refused; `None` if the policy may stand there.
fn refused(text: &str, side: Side) -> Option<(&'static str, Option<usize>)> {
    read(text).check(side).err().map(|flaw| (flaw.field, flaw.place))
}

#[test]
fn the_text_form_comes_back_as_it_went() {
    let full = read(FULL);
    let text = full.to_text();
    assert_eq!(read(&text), full);
    assert_eq!(read(&text).to_text(), text, "writing is stable");
    for field in ["transport", "registration", "nat", "cps_window_s", "charge_info"] {
        assert!(text.contains(field), "{field} is lost: {text}");
    }
}

#[test]
fn nothing_said_is_nothing_written() {
    assert_eq!(Policy::default().to_text(), "");
    assert_eq!(read(""), Policy::default());
    assert_eq!(read("{}"), Policy::default());
    assert!(read(r#"{"nat":true,"rewrite":[],"codecs":{},"transport":"auto"}"#).is_empty());
    assert_eq!(read(r#"{"redirects_max":3}"#).to_text(), r#"{"redirects_max":3}"#);
}

#[test]
fn unknown_names_and_kinds_are_refused_with_their_place() {
    for (text, said, place) in [
        ("{\n  \"codec\": {}\n}", "unknown field `codec`", "line 2 column 9"),
        ("{\"codecs\":\n{\"permit\":[]}}", "unknown field `permit`", "line 2"),
        ("{\"transport\":\"sctp\"}", "unknown variant `sctp`", "line 1"),
        ("{\"redirects_max\":300}", "u8", "line 1"),
        ("{\"nat\":", "EOF", "line 1"),
        ("{} {}", "trailing", "line 1"),
    ] {
        let flaw = Policy::from_text(text).unwrap_err();
        assert!(flaw.reason.contains(said) && flaw.reason.contains(place), "{text}: {flaw}");
    }
}

#[test]
fn every_range_holds_at_its_borders() {
    use Side::{Egress, Ingress};
    for (side, field, text, low, high) in [
        (Ingress, "session_timer.expires_s", r#"{"session_timer":{"expires_s":N}}"#, 90, 86_400),
        (Ingress, "session_timer.min_s", r#"{"session_timer":{"min_s":N}}"#, 90, 86_400),
        (Egress, "redirects_max", r#"{"redirects_max":N}"#, 1, 5),
        (Ingress, "cps_window_s", r#"{"cps_window_s":N}"#, 1, 60),
        (Egress, "probe.interval_s", r#"{"probe":{"interval_s":N}}"#, 5, 3_600),
        (Egress, "probe.failures", r#"{"probe":{"failures":N}}"#, 1, 10),
        (Egress, "registration.expires_s", r#"{"registration":{"user":"a","domain":"b","expires_s":N}}"#, 60, 86_400),
    ] {
        let at = |value: u32| refused(&text.replace('N', &value.to_string()), side);
        assert_eq!([at(0), at(low), at(high)], [None; 3], "{field}");
        assert_eq!(at(high + 1), Some((field, None)));
        assert!(low == 1 || at(low - 1) == Some((field, None)), "{field}");
    }
    for (side, field, text, low, high) in [
        (Ingress, "answers.statuses.status", r#"{"answers":{"statuses":[{"cause":1,"status":N}]}}"#, 400, 699),
        (Ingress, "answers.statuses.cause", r#"{"answers":{"statuses":[{"cause":N,"status":500}]}}"#, 1, 999),
        (Egress, "answers.stop", r#"{"answers":{"stop":[N]}}"#, 300, 699),
        (Side::Plan, "answers.next", r#"{"answers":{"next":[N]}}"#, 300, 699),
    ] {
        let at = |value: u32| refused(&text.replace('N', &value.to_string()), side);
        assert_eq!([at(low), at(high)], [None; 2], "{field}");
        assert_eq!([at(low - 1), at(high + 1)], [Some((field, Some(0))); 2]);
    }
}

#[test]
fn a_refresh_is_not_asked_for_sooner_than_we_take_one() {
    let text = |expires, min| format!(r#"{{"session_timer":{{"expires_s":{expires},"min_s":{min}}}}}"#);
    assert_eq!(refused(&text(120, 120), Side::Egress), None);
    assert_eq!(refused(&text(0, 120), Side::Egress), None);
    assert_eq!(refused(&text(119, 120), Side::Egress), Some(("session_timer.expires_s", None)));
}

#[test]
fn lists_and_texts_have_an_end() {
    let lines = |count: usize, line: &str| vec![line; count].join(",");
    let number = r#"{"value":"44"}"#;
    for (side, field, text, line, most) in [
        (Side::Plan, "numbers.called_deny", r#"{"numbers":{"called_deny":[N]}}"#, number, LINES_MAX),
        (Side::Plan, "rewrite", r#"{"rewrite":[N]}"#, r#"{"pattern":"a"}"#, RULES_MAX),
        (Side::Egress, "headers.pass", r#"{"headers":{"pass":[N]}}"#, r#""X-A""#, RULES_MAX),
        (Side::Egress, "answers.stop", r#"{"answers":{"stop":[N]}}"#, "404", RULES_MAX),
        (
            Side::Plan,
            "numbers.calling_allow",
            r#"{"numbers":{"calling_allow":[N]}}"#,
            r#"{"kind":"regex","value":"a"}"#,
            REGEXES_MAX,
        ),
    ] {
        assert_eq!(refused(&text.replace('N', &lines(most, line)), side), None, "{field}");
        assert_eq!(refused(&text.replace('N', &lines(most + 1, line)), side), Some((field, None)));
    }
    let rule = |pattern: &str| format!(r#"{{"rewrite":[{{"pattern":"a"}},{{"pattern":"{pattern}"}}]}}"#);
    assert_eq!(refused(&rule(&"ä".repeat(TEXT_MAX)), Side::Plan), None, "characters count, not bytes");
    for wrong in [String::new(), "a".repeat(TEXT_MAX + 1), "a\\u0000".to_owned()] {
        assert_eq!(refused(&rule(&wrong), Side::Plan), Some(("rewrite.pattern", Some(1))));
    }
}

#[test]
fn what_means_nothing_on_a_side_is_refused_there() {
    let (ingress, egress, plan) = (0b100, 0b010, 0b001);
    for (text, field, sides) in [
        (r#"{"transport":"udp"}"#, "transport", ingress | egress),
        (r#"{"listener":"a"}"#, "listener", egress),
        (r#"{"host":"a.example"}"#, "host", egress),
        (r#"{"subscriber":"a"}"#, "subscriber", egress),
        (r#"{"answer_timeout_s":9}"#, "answer_timeout_s", egress),
        (r#"{"session_timer":{"mode":"on"}}"#, "session_timer", ingress | egress),
        (r#"{"reliable":"off"}"#, "reliable", ingress | egress),
        (r#"{"early_media":"suppress"}"#, "early_media", ingress),
        (r#"{"ringing_after_s":1}"#, "ringing_after_s", ingress),
        (r#"{"codecs":{"single":true}}"#, "codecs", ingress | egress),
        (r#"{"media":{"direct":true}}"#, "media", ingress | egress),
        (r#"{"media":{"silence":"either"}}"#, "media", ingress | egress),
        (r#"{"media":{"dtmf":"info"}}"#, "media", ingress | egress),
        (r#"{"media":{"srtp":"optional"}}"#, "media", ingress | egress),
        (r#"{"media":{"timeout_s":9}}"#, "media.timeout_s", egress),
        (r#"{"identity":{"trusted":true}}"#, "identity", ingress | egress),
        (r#"{"identity":{"calling_from_identity":true}}"#, "identity.calling_from_identity", ingress),
        (r#"{"identity":{"send":"asserted"}}"#, "identity.send", egress),
        (r#"{"identity":{"diversion":"strip"}}"#, "identity.diversion", egress),
        (r#"{"identity":{"history_info":"strip"}}"#, "identity.history_info", egress),
        (r#"{"identity":{"charge_info":"strip"}}"#, "identity.charge_info", egress),
        (r#"{"rewrite":[{"pattern":"a"}]}"#, "rewrite", ingress | egress | plan),
        (r#"{"headers":{"pass":["*"]}}"#, "headers", egress),
        (r#"{"numbers":{"called_deny":[{"value":"1"}]}}"#, "numbers", ingress | egress | plan),
        (r#"{"answers":{"statuses":[{"cause":1,"status":404}]}}"#, "answers.statuses", ingress),
        (r#"{"answers":{"always_503":true}}"#, "answers.always_503", ingress),
        (r#"{"answers":{"no_reason":true}}"#, "answers.no_reason", ingress),
        (r#"{"answers":{"stop":[404]}}"#, "answers.stop", egress | plan),
        (r#"{"answers":{"next":[404]}}"#, "answers.next", egress | plan),
        (r#"{"answers":{"busy_is_failure":true}}"#, "answers.busy_is_failure", egress),
        (r#"{"answers":{"no_answer_is_failure":true}}"#, "answers.no_answer_is_failure", egress),
        (r#"{"registration":{"user":"a","domain":"b"}}"#, "registration", egress),
        (r#"{"probe":{"interval_s":5}}"#, "probe", egress),
        (r#"{"redirects_max":1}"#, "redirects_max", egress),
        (r#"{"own_terminators":true}"#, "own_terminators", ingress),
        (r#"{"prices":{"sell_per_minute_max":"0.25"}}"#, "prices", ingress),
        (r#"{"cps_window_s":1}"#, "cps_window_s", ingress | egress),
        (r#"{"nodes":[1]}"#, "nodes", ingress | egress),
        (r#"{"nat":false}"#, "nat", ingress | egress),
    ] {
        for (side, bit) in SIDES.into_iter().zip([ingress, egress, plan]) {
            // A plan refuses the part before it looks at the part's fields.
            let part = field.split('.').next().unwrap_or_default();
            let whole = if side == Side::Plan && matches!(part, "identity" | "media") { part } else { field };
            let wanted = (sides & bit == 0).then_some((whole, None));
            assert_eq!(refused(text, side), wanted, "{field} on {side:?}");
        }
    }
}

#[test]
fn headers_that_sip_answers_for_are_reserved() {
    for name in RESERVED {
        let upper = name.to_uppercase();
        for (text, field) in [
            (format!(r#"{{"headers":{{"pass":["X-A","{name}"]}}}}"#), "headers.pass"),
            (format!(r#"{{"headers":{{"remove":["X-A","{upper}"]}}}}"#), "headers.remove"),
            (format!(r#"{{"headers":{{"add":[{{"name":"X-A"}},{{"name":"{name}"}}]}}}}"#), "headers.add.name"),
        ] {
            assert_eq!(refused(&text, Side::Egress), Some((field, Some(1))), "{name}");
        }
    }
    for wrong in ["X A", "", "X:", "ä", "*"] {
        let text = format!(r#"{{"headers":{{"remove":["{wrong}"]}}}}"#);
        // A lone asterisk is a token and so a name like any other.
        let wanted = (wrong != "*").then_some(("headers.remove", Some(0)));
        assert_eq!(refused(&text, Side::Egress), wanted, "{wrong:?}");
    }
    let folded = r#"{"headers":{"add":[{"name":"X-A","value":"1\r\nVia: x"}]}}"#;
    assert_eq!(refused(folded, Side::Egress), Some(("headers.add.value", Some(0))), "no line is smuggled in");
    let added = |count: usize| {
        let one = format!(r#"{{"name":"X-A","value":"{}"}}"#, "x".repeat(189));
        format!(r#"{{"headers":{{"add":[{}]}}}}"#, vec![one; count].join(","))
    };
    assert_eq!(refused(&added(32), Side::Egress), None);
    assert_eq!(refused(&added(33), Side::Egress), Some(("headers.add", None)), "an INVITE has to hold them");
}

#[test]
fn calls_go_to_one_target() {
    assert_eq!(refused(r#"{"host":"a.example","subscriber":"b"}"#, Side::Egress), Some(("subscriber", None)));
    for wrong in ["sip:a", "a b", "a.example:sip", "[::1]"] {
        assert_eq!(refused(&format!(r#"{{"host":"{wrong}"}}"#), Side::Egress), Some(("host", None)), "{wrong}");
    }
    let to = |registrar| format!(r#"{{"registration":{{"user":"a","domain":"b","registrar":"{registrar}"}}}}"#);
    assert_eq!(refused(&to("[2001:db8::1]:5060"), Side::Egress), None);
    assert_eq!(refused(&to("b.example"), Side::Egress), Some(("registration.registrar", None)));
}

#[test]
fn who_signs_has_a_key_and_says_where_its_certificate_is() {
    let number = "0f".repeat(32);
    let signs = |certificate: &str, key: &str, number: &str| {
        format!(
            r#"{{"stir":{{"sign":"missing","signer":{{"certificate":"{certificate}","private_key":"{key}","private_number":"{number}"}}}}}}"#
        )
    };
    let rows = [
        (signs("https://a.example/b.pem", "", &number), None),
        (r#"{"stir":{"sign":"missing"}}"#.to_owned(), Some("stir.signer")),
        (r#"{"stir":{"sign":"relay"}}"#.to_owned(), None),
        (signs("http://a.example/b.pem", "", &number), Some("stir.signer.certificate")),
        (signs("https://a.example/>;b", "", &number), Some("stir.signer.certificate")),
        (signs(&format!("https://{}", "a".repeat(193)), "", &number), Some("stir.signer.certificate")),
        (signs("https://a.example/b", "hush", &number), Some("stir.signer.private_key")),
        (signs("https://a.example/b", "", "0g"), Some("stir.signer.private_number")),
    ];
    for (text, field) in rows {
        assert_eq!(refused(&text, Side::Egress).map(|(field, _)| field), field, "{text}");
    }
    assert_eq!(refused(&signs("https://a.example/b", "", &number), Side::Ingress), Some(("stir.sign", None)));
    let origid = |text: &str| refused(&format!(r#"{{"stir":{{"origid":"{text}"}}}}"#), Side::Ingress);
    assert_eq!(origid("123e4567-E89B-42d3-a456-42665544000f"), None);
    for text in ["1-2", "123e4567-e89b-42d3-a456-42665544000g", "123e4567-e89b42d3-a456-4266-5544000f", &"0".repeat(36)]
    {
        assert_eq!(origid(text), Some(("stir.origid", None)), "{text}");
    }
    assert_eq!(refused(r#"{"stir":{"numbers":["44","+44"]}}"#, Side::Ingress), Some(("stir.numbers", Some(1))));
    assert_eq!(refused(r#"{"stir":{"verify":"report"}}"#, Side::Egress), Some(("stir.verify", None)));
    let told = read(&signs("https://a.example/b", "hush", &number));
    assert!(!told.to_text().contains("hush") && told.to_text().contains(&number), "the number is kept");
    assert!(!format!("{told:?}").contains("0f0f"));
}

#[test]
fn a_password_is_neither_kept_nor_printed() {
    let (md5, sha) = ("0f".repeat(16), "0f".repeat(32));
    let digest = |user: &str, realm: &str, md5: &str, password: &str| {
        let (user, realm) = (user.to_owned(), realm.to_owned());
        let digest = Digest { user, realm, password: password.into(), ha1_md5: md5.into(), ha1_sha256: sha.clone() };
        Policy { digest: Some(digest), ..Policy::default() }
    };
    let field = |policy: &Policy| policy.check(Side::Ingress).err().map(|flaw| flaw.field);
    let good = digest("a", "b.example", &md5, "");
    assert_eq!((field(&good), good.check(Side::Egress)), (None, Ok(())));
    assert_eq!(good.check(Side::Plan).unwrap_err().field, "digest");
    assert_eq!(field(&digest("a", "b", &md5, "hush")), Some("digest.password"));
    assert_eq!(field(&digest("a", "b", "0g", "")), Some("digest.ha1_md5"));
    assert_eq!(field(&digest("a:b", "b", &md5, "")), Some("digest.user"));
    assert_eq!(field(&digest("a", "b\\\"", &md5, "")), Some("digest.realm"));
    assert_eq!(field(&digest("", "b", &md5, "")), Some("digest.user"));
    let told = digest("a", "b", &md5, "hush");
    assert!(!told.to_text().contains("hush"));
    assert!(told.to_text().contains(&md5), "the hashes are kept");
    let printed = format!("{told:?}");
    assert!(!printed.contains("hush") && !printed.contains("0f0f"), "{printed}");
}

#[test]
fn a_carrier_says_what_is_captured_recorded_and_paid_for_trunks_that_say_nothing_of_it() {
    let full: serde_json::Value = serde_json::from_str(FULL).unwrap();
    let more =
        [r#"{"host":"a.example"}"#, r#"{"tags":["a"]}"#, r#"{"quality":{"calls":9}}"#, r#"{"answers":{"next":[404]}}"#];
    let one = |(name, value): (&String, &serde_json::Value)| serde_json::json!({ name: value }).to_string();
    let parts = full.as_object().unwrap().iter().filter(|(name, _)| *name != "prices");
    let parts = parts.map(one).chain(more.map(String::from));
    for text in parts {
        let flaw = read(&text).check_carrier().unwrap_err();
        assert!(text.starts_with(&format!("{{\"{}\"", flaw.field.split('.').next().unwrap())), "{flaw}: {text}");
    }
    let both = r#"{"capture":{"what":"sip","percent":5},"recording":{"percent":7,"called":["44"]}}"#;
    let (carrier, silent) = (read(both), read(r#"{"redirects_max":3}"#));
    assert_eq!(carrier.check_carrier(), Ok(()));
    assert_eq!(read(r#"{"recording":{"percent":101}}"#).check_carrier().unwrap_err().field, "recording.percent");
    let of = |own: &Policy, carrier: &Policy| own.clone().of_carrier(carrier, Side::Egress);
    let inherited = of(&silent, &carrier);
    assert_eq!((&inherited.capture, &inherited.recording), (&carrier.capture, &carrier.recording));
    assert_eq!((inherited.redirects_max, of(&silent, &Policy::default())), (3, silent));
    let own = of(&read(r#"{"recording":{"percent":1}}"#), &carrier);
    assert_eq!((own.recording.percent, own.recording.called.len()), (1, 0), "a trunk's own word holds whole");
    assert_eq!(own.capture, carrier.capture);
}

#[test]
fn prices_hold_where_calls_come_in() {
    let carrier = read(r#"{"prices":{"sell_per_minute_max":"0.25","buy_per_minute_max":"0.2"}}"#);
    assert_eq!(carrier.check_carrier(), Ok(()));
    let plain = Policy::default();
    assert_eq!(plain.clone().of_carrier(&carrier, Side::Ingress).prices, carrier.prices);
    assert_eq!(plain.clone().of_carrier(&carrier, Side::Egress), plain, "a terminator's trunk knows of none");
    let own = read(r#"{"prices":{"buy_per_minute_max":"0"}}"#);
    assert_eq!(own.clone().of_carrier(&carrier, Side::Ingress), own, "a trunk's own word holds whole");
    for (text, field) in [
        (r#"{"prices":{"sell_per_minute_max":"-0.1"}}"#, "prices.sell_per_minute_max"),
        (r#"{"prices":{"sell_per_minute_max":"cheap"}}"#, "prices.sell_per_minute_max"),
        (r#"{"prices":{"buy_per_minute_max":"1e3"}}"#, "prices.buy_per_minute_max"),
    ] {
        assert_eq!(refused(text, Side::Ingress), Some((field, None)), "{text}");
        assert_eq!(read(text).check_carrier().unwrap_err().field, field, "{text}");
    }
}
