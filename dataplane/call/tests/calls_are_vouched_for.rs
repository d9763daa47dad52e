//! STIR/SHAKEN: what a call's signed identity comes to, who is refused for it, and what goes out in its place.
//!
//! Signatures are sums here: what is told is which bytes are signed by whom. The program's own are tested where they are made.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod stage;

use base64ct::{Base64UrlUnpadded, Encoding};
use call::stir::{KEYS_MAX, Keys, Known, PublicKey, Seals, Signature, Told, WANTED_MAX, passport};
use cdr::{Attest, Doubt, Identity, Vouched};
use proptest::prelude::*;
use snapshot::Policy;
use stage::{Stage, invite, line, reply};
use units::{Instant, WallTime};

const X5U: &str = "https://cert.example.org/passport.cer";
const ORIGID: &str = "123e4567-e89b-12d3-a456-426655440000";
/// The second at which calls come on the stage.
const NOW_S: i64 = 1_800_000_001;
const REQUIRE: &str = r#"{"stir":{"verify":"require"}}"#;
const REPORT: &str = r#"{"stir":{"verify":"report"}}"#;

/// An owner's mark behind the sum of what is signed.
fn sum(owner: u8, text: &[u8]) -> Signature {
    let mut signature = [owner; 64];
    let sum = text.iter().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    signature[..8].copy_from_slice(&sum.to_be_bytes());
    signature
}

fn seals() -> Seals {
    Seals {
        sign: |key, text| (key[0] != 0).then(|| sum(key[0], text)),
        verify: |key: &PublicKey, text, signature| sum(key[0], text) == *signature,
    }
}

fn policy(text: &str) -> Policy {
    let policy = Policy::from_text(text).expect("the policy is sound");
    policy.check(snapshot::Side::Ingress).or(policy.check(snapshot::Side::Egress)).expect("it fits a side");
    policy
}

fn signing(sign: &str) -> String {
    format!(
        r#"{{"stir":{{"sign":"{sign}","signer":{{"certificate":"{X5U}","private_number":"{}"}}}}}}"#,
        "11".repeat(32)
    )
}

fn head() -> String {
    format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{X5U}"}}"#)
}

fn claims(dest: &str, iat_s: i64) -> String {
    format!(r#"{{"attest":"A","dest":{{"tn":["{dest}"]}},"iat":{iat_s},"orig":{{"tn":"1000"}},"origid":"{ORIGID}"}}"#)
}

/// A value of Identity, signed by this owner.
fn value(owner: u8, head: &str, claims: &str) -> String {
    let text = [head, claims].map(|part| Base64UrlUnpadded::encode_string(part.as_bytes())).join(".");
    let signature = Base64UrlUnpadded::encode_string(&sum(owner, text.as_bytes()));
    format!("{text}.{signature};info=<{X5U}>;alg=ES256;ppt=shaken")
}

fn good() -> String {
    value(9, &head(), &claims("4420123", NOW_S))
}

fn invite_with(identity: &str) -> String {
    invite().replace("X-Secret: inside\r\n", &format!("X-Secret: inside\r\nIdentity: {identity}\r\n"))
}

/// A stage that knows the certificate of owner 9.
fn stage(ingress: &str, egress: &str) -> Stage {
    let mut stage = Stage::with_policies(policy(ingress), policy(egress));
    stage.keys.seals = seals();
    stage.keys.learn(X5U.into(), Told::Key(Box::new([9; 65])), WallTime::from_micros(i64::MAX));
    stage
}

/// What a call with this value of Identity gets: its final status, 0 if it goes on, and what its record would say.
fn verified(stage: &mut Stage, invite: &str) -> (u16, Identity) {
    let mut call = stage.begin_with(invite);
    let refused = stage.sent.iter().rev().find(|(leg, _, text)| *leg == 0 && !text.starts_with("SIP/2.0 100"));
    let status = refused.map_or(0, |(_, _, text)| text[8..11].parse().unwrap());
    stage.with(|ctx| call.on_operator_release(ctx));
    stage.serve(&mut call);
    let record = stage.cdrs().into_iter().find(|cdr| cdr.attempt.0 == 0).unwrap();
    (status, record.identity)
}

#[test]
fn what_a_call_comes_with_is_judged_and_refused_as_its_trunk_says() {
    let other = |from: &str, to: &str| value(9, &head().replace(from, to), &claims("4420123", NOW_S));
    let rows = [
        ("right", good(), 0, Vouched::Passed, Doubt::None),
        ("another key", value(8, &head(), &claims("4420123", NOW_S)), 438, Vouched::Failed, Doubt::Signature),
        ("changed", good().replacen("eyJhbGciOiJF", "eyJhbGciOiJG", 1), 437, Vouched::Failed, Doubt::Unsupported),
        ("another call's", value(9, &head(), &claims("4420124", NOW_S)), 438, Vouched::Failed, Doubt::Numbers),
        ("old", value(9, &head(), &claims("4420123", NOW_S - 62)), 403, Vouched::Failed, Doubt::Stale),
        ("of the future", value(9, &head(), &claims("4420123", NOW_S + 61)), 403, Vouched::Failed, Doubt::Stale),
        ("just fresh", value(9, &head(), &claims("4420123", NOW_S - 60)), 0, Vouched::Passed, Doubt::None),
        ("another algorithm", other("ES256", "HS256"), 437, Vouched::Failed, Doubt::Unsupported),
        ("another kind", other("shaken", "div"), 437, Vouched::Failed, Doubt::Unsupported),
        ("two addresses", other("example.org", "example.com"), 438, Vouched::Failed, Doubt::Malformed),
        ("compact", format!("..{};info=<{X5U}>;ppt=shaken", "A".repeat(86)), 438, Vouched::Failed, Doubt::Malformed),
        ("nonsense", "nonsense".into(), 438, Vouched::Failed, Doubt::Malformed),
    ];
    for (what, value, status, vouched, doubt) in rows {
        let (got, identity) = verified(&mut stage(REQUIRE, ""), &invite_with(&value));
        assert_eq!((got, identity.vouched, identity.doubt), (status, vouched, doubt), "{what}");
        let (got, reported) = verified(&mut stage(REPORT, ""), &invite_with(&value));
        assert_eq!((got, reported), (0, identity), "{what}: a trunk that reports takes every call");
    }
    let (status, identity) = verified(&mut stage(REQUIRE, ""), &invite());
    assert_eq!((status, identity.vouched), (428, Vouched::Missing));
    let invalid = r#"{"stir":{"verify":"invalid"}}"#;
    assert_eq!(verified(&mut stage(invalid, ""), &invite()).0, 0, "a missing one is not wrong");
    assert_eq!(verified(&mut stage(invalid, ""), &invite_with("nonsense")).0, 438);
    assert_eq!(verified(&mut stage("", ""), &invite_with("nonsense")), (0, Identity::default()), "nobody looks");
}

#[test]
fn what_it_says_is_kept_and_a_right_one_among_others_is_found() {
    let lines = format!("nonsense\r\ny: {}", good());
    let (status, identity) = verified(&mut stage(REQUIRE, ""), &invite_with(&lines));
    assert_eq!((status, identity.attest, identity.origid_text()), (0, Some(Attest::Full), ORIGID.to_owned()));
}

#[test]
fn no_call_waits_for_a_certificate_that_nobody_is_asked_for() {
    for (verify, status) in [(REQUIRE, 436), (REPORT, 0)] {
        let mut stage = stage(verify, "");
        stage.keys = Keys::new(seals());
        let now = stage.clock().now;
        assert!((0..WANTED_MAX).all(|place| stage.keys.want(&format!("https://wanted/{place}"), now)));
        let (got, identity) = verified(&mut stage, &invite_with(&good()));
        assert_eq!((got, identity.vouched, identity.doubt), (status, Vouched::Unknown, Doubt::Unreachable));
        assert!(stage.wanted.is_empty(), "{:?}", stage.wanted);
    }
}

#[test]
fn an_unknown_certificate_is_asked_for_once_and_waited_for() {
    let mut stage = stage(REQUIRE, "");
    stage.keys = Keys::new(seals());
    let mut call = stage.begin_with(&invite_with(&good()));
    assert_eq!((stage.wanted.as_slice(), stage.sent.len()), (&[X5U.to_owned()][..], 1), "100 alone");
    stage.keys.learn(X5U.into(), Told::Key(Box::new([9; 65])), WallTime::from_micros(i64::MAX));
    stage.with(|ctx| call.on_certificate(ctx));
    stage.serve(&mut call);
    assert!(stage.last(1).starts_with("INVITE "), "the call goes on");
    for (told, status, doubt) in
        [(Told::Refused, "SIP/2.0 437", Doubt::Certificate), (Told::Unreachable, "SIP/2.0 436", Doubt::Unreachable)]
    {
        let mut stage = self::stage(REQUIRE, "");
        stage.keys = Keys::new(seals());
        let mut call = stage.begin_with(&invite_with(&good()));
        stage.keys.learn(X5U.into(), told, WallTime::from_micros(i64::MAX));
        stage.with(|ctx| call.on_certificate(ctx));
        stage.serve(&mut call);
        assert!(stage.last(0).starts_with(status), "{}", stage.last(0));
        assert_eq!(stage.cdrs()[0].identity.doubt, doubt);
    }
}

#[test]
fn a_certificate_that_does_not_come_in_two_seconds_is_gone_without() {
    for (ingress, leg, start) in
        [(REQUIRE, 0, "SIP/2.0 436"), (REPORT, 1, "INVITE "), (r#"{"stir":{"verify":"invalid"}}"#, 1, "INVITE ")]
    {
        let mut stage = stage(ingress, "");
        stage.keys = Keys::new(seals());
        let mut call = stage.begin_with(&invite_with(&good()));
        stage.wait(&mut call, 1_990);
        assert_eq!(stage.sent.len(), 1, "100 alone");
        stage.wait(&mut call, 20);
        assert!(stage.last_of(leg, start).starts_with(start));
    }
}

#[test]
fn a_caller_who_leaves_while_a_certificate_is_awaited_is_let_go() {
    let mut stage = stage(REQUIRE, "");
    stage.keys = Keys::default();
    let mut call = stage.begin_with(&invite_with(&good()));
    let cancel = invite().replace("INVITE ", "CANCEL ").replace("1 INVITE", "1 CANCEL");
    let cancel = cancel.replace("CSeq: 1 INVITE", "CSeq: 1 CANCEL");
    stage.hear(&mut call, 0, &cancel, stage::CALLER);
    stage.with(|ctx| call.on_certificate(ctx));
    stage.serve(&mut call);
    assert_eq!(stage.count(0, "SIP/2.0 487"), 1);
    assert!(call.is_over() && call.rooms_held() == 0);
}

#[test]
fn our_own_names_the_numbers_that_go_out_and_what_the_originator_s_trunk_attests() {
    let rows = [
        ("", Attest::Gateway),
        (r#"{"stir":{"attest":"partial"}}"#, Attest::Partial),
        (r#"{"stir":{"attest":"full"}}"#, Attest::Full),
        (r#"{"stir":{"attest":"numbers","numbers":["100"]}}"#, Attest::Full),
        (r#"{"stir":{"attest":"numbers","numbers":["4420"]}}"#, Attest::Partial),
    ];
    for (ingress, attest) in rows {
        let mut stage = stage(ingress, &signing("missing"));
        let mut call = stage.begin();
        let value = line(stage.last(1), "Identity").strip_prefix("Identity: ").expect("it is signed").to_owned();
        let signed = passport::read(value.as_bytes()).expect("what we write can be read");
        assert_eq!(
            (signed.attest, signed.orig.as_str(), signed.dest.join(",")),
            (attest, "1000", "4420123".to_owned())
        );
        assert_eq!((signed.iat_s, signed.x5u), (NOW_S, X5U));
        assert_eq!(sum(0x11, signed.text), signed.signature);
        let refusal = reply(stage.last(1), 486, None);
        stage.hear(&mut call, 1, &refusal, "127.0.0.3:5060");
        let tried = stage.cdrs()[0].identity;
        assert_eq!((tried.vouched, tried.attest, tried.origid), (Vouched::Signed, Some(attest), signed.origid));
    }
}

#[test]
fn its_parts_are_in_the_order_that_signatures_need() {
    let ingress = format!(r#"{{"stir":{{"origid":"{ORIGID}"}}}}"#);
    let mut stage = stage(&ingress, &signing("always"));
    stage.begin();
    let value = line(stage.last(1), "Identity").to_owned();
    let token = value.strip_prefix("Identity: ").and_then(|value| value.split(';').next()).unwrap();
    let parts: Vec<String> = token
        .split('.')
        .take(2)
        .map(|part| String::from_utf8(Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap())
        .collect();
    let said = claims("4420123", NOW_S).replace(r#""attest":"A""#, r#""attest":"C""#);
    assert_eq!(parts, [head(), said]);
}

#[test]
fn prefixes_of_a_trunk_are_no_part_of_a_number_and_another_number_is_told_as_it_goes_out() {
    let rewrite = |field: &str, to: &str| {
        let signer =
            format!(r#""sign":"always","signer":{{"certificate":"{X5U}","private_number":"{}"}}"#, "11".repeat(32));
        format!(r#"{{"stir":{{{signer}}},"rewrite":[{{"field":"{field}","pattern":"^.*$","replacement":"{to}"}}]}}"#)
    };
    for (field, to, orig, dest) in [
        ("called", "9994420123", "1000", "4420123"),
        ("to", "+4420123", "1000", "4420123"),
        ("calling", "001000", "1000", "4420123"),
        ("calling", "4420999", "4420999", "4420123"),
    ] {
        let mut stage = stage("", &rewrite(field, to));
        stage.begin();
        let value = line(stage.last(1), "Identity").strip_prefix("Identity: ").expect(to).to_owned();
        let signed = passport::read(value.as_bytes()).unwrap();
        assert_eq!((signed.orig.as_str(), signed.dest[0].as_str()), (orig, dest), "{field} {to}");
    }
    let mut stage = stage("", &rewrite("calling", "anonymous"));
    assert_eq!(tried(&mut stage), Vouched::Unsigned, "what is no number is not signed for");
    assert!(!stage.last(1).contains("Identity"), "{}", stage.last(1));
    let mut stage = self::stage("", &signing("missing").replace("1111", "0011"));
    assert_eq!(tried(&mut stage), Vouched::Unsigned, "what is no key signs nothing");
    assert_eq!(tried(&mut self::stage("", r#"{"stir":{"sign":"relay"}}"#)), Vouched::No, "nothing was to be signed");
}

/// What the record of an attempt that is refused says of its signed identity.
fn tried(stage: &mut Stage) -> Vouched {
    let mut call = stage.begin();
    let refusal = reply(stage.last(1), 486, None);
    stage.hear(&mut call, 1, &refusal, "127.0.0.3:5060");
    stage.cdrs()[0].identity.vouched
}

#[test]
fn the_one_that_came_goes_on_while_it_names_the_numbers_and_nobody_found_it_wrong() {
    let renamed =
        r#"{"stir":{"sign":"relay"},"rewrite":[{"field":"calling","pattern":"^.*$","replacement":"4420999"}]}"#;
    let wrong = value(8, &head(), &claims("4420123", NOW_S));
    let own = passport::read;
    let owner = |text: &str| {
        let value = line(text, "Identity").strip_prefix("Identity: ")?.to_owned();
        own(value.as_bytes()).ok().map(|signed| signed.signature[63])
    };
    let rows = [
        ("", r#"{"stir":{"sign":"relay"}}"#.to_owned(), good(), Some(9)),
        ("", signing("missing"), good(), Some(9)),
        ("", signing("always"), good(), Some(0x11)),
        ("", renamed.to_owned(), good(), None),
        (REPORT, r#"{"stir":{"sign":"relay"}}"#.to_owned(), wrong.clone(), None),
        (REPORT, signing("missing"), wrong, Some(0x11)),
        ("", "{}".to_owned(), good(), None),
        ("", r#"{"headers":{"pass":["*"]}}"#.to_owned(), good(), Some(9)),
        ("", r#"{"headers":{"pass":["*"],"remove":["Identity"]}}"#.to_owned(), good(), None),
    ];
    for (ingress, egress, value, expected) in rows {
        let full = invite_with(&value);
        for came in [full.replace("\r\nIdentity: ", "\r\ny: "), full] {
            let mut stage = stage(ingress, &egress);
            stage.begin_with(&came);
            assert_eq!(owner(stage.last(1)), expected, "{ingress} {egress}");
            let fields = stage.last(1).lines().filter(|line| line.starts_with("Identity:") || line.starts_with("y:"));
            assert_eq!(fields.count(), usize::from(expected.is_some()), "{ingress} {egress}");
        }
    }
}

#[test]
fn whoever_may_not_know_the_caller_is_not_told_by_a_signature() {
    let private = invite_with(&good()).replace("X-Secret: inside", "Privacy: id");
    for egress in [&signing("always"), &signing("missing"), r#"{"headers":{"pass":["*"]}}"#] {
        let mut stage = stage("", egress);
        stage.begin_with(&private);
        let text = stage.last(1);
        assert!(text.starts_with("INVITE ") && !text.contains("Identity"), "{text}");
    }
}

#[test]
fn the_terminator_is_told_what_was_found_where_its_trunk_wants_it() {
    let tells = r#"{"stir":{"verstat":true}}"#;
    let asserts = r#"{"stir":{"verstat":true},"identity":{"send":"asserted"}}"#;
    let passed = ";verstat=TN-Validation-Passed@";
    let rows = [
        (REPORT, tells, good(), "From", passed),
        (REPORT, asserts, good(), "P-Asserted-Identity", passed),
        (REPORT, tells, "nonsense".to_owned(), "From", ";verstat=TN-Validation-Failed@"),
        ("", tells, good(), "From", "1000@"),
        (REPORT, "", good(), "From", "1000@"),
    ];
    for (ingress, egress, value, header, told) in rows {
        let mut stage = stage(ingress, egress);
        stage.begin_with(&invite_with(&value));
        assert!(
            line(stage.last(1), header).contains(&format!("1000{}", told.trim_start_matches("1000"))),
            "{}",
            stage.last(1)
        );
        assert_eq!(stage.last(1).matches("verstat").count(), usize::from(told.contains("verstat")));
    }
    let mut stage = stage(REPORT, tells);
    stage.begin();
    assert!(line(stage.last(1), "From").contains("1000;verstat=No-TN-Validation@"));
}

#[test]
fn keys_are_bounded_and_end_when_they_were_told_to() {
    let mut keys = Keys::default();
    let at = WallTime::from_micros;
    for place in 0..=KEYS_MAX as i64 {
        keys.learn(format!("https://{place}"), Told::Refused, at(1_000 + place));
    }
    assert_eq!(keys.len(), KEYS_MAX);
    assert_eq!(keys.find("https://0", at(0)), Known::Not, "the one that ends first made room");
    assert_eq!(keys.find("https://1", at(1_000)), Known::Refused);
    assert_eq!(keys.find("https://1", at(1_001)), Known::Not);
    let now = Instant::from_micros(1);
    let asked = (0..1_000).filter(|place| keys.want(&format!("https://wanted/{place}"), now)).count();
    assert_eq!(asked, WANTED_MAX);
    assert!(!keys.want("https://wanted/0", now), "once");
    assert!(keys.has_room("https://wanted/0", now) && !keys.has_room(X5U, now));
    assert!(keys.has_room(X5U, now.plus_millis(2_000)), "they never came");
    assert!(keys.want("https://wanted/0", now.plus_millis(2_001)), "it never came");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is sent is a value: no panic, and nothing passes that was not signed.
    #[test]
    fn strangers_may_write_what_they_like(parts in proptest::collection::vec(piece(), 0..12)) {
        let value = parts.concat();
        if let Ok(signed) = passport::read(value.as_bytes()) {
            prop_assert!(signed.x5u.len() <= passport::X5U_BYTES_MAX && signed.dest.len() <= passport::DEST_MAX);
            prop_assert!(value.contains(signed.x5u));
        }
    }
}

fn piece() -> impl Strategy<Value = String> {
    let deep = format!("{}{}", "[".repeat(900), "]".repeat(900));
    let encoded = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
    prop_oneof![
        Just(".".to_owned()),
        Just(format!("{}.{}", encoded(&head()), encoded(&claims("4420123", NOW_S)))),
        Just(encoded(&head().replace("\"passport\"", &deep))),
        Just(encoded(&claims("4420123", i64::MAX))),
        Just("A".repeat(86)),
        Just(format!(";info=<{X5U}>")),
        Just(";alg=ES256;ppt=\"shaken\"".to_owned()),
        Just(";info=<".to_owned()),
        "[ -~]{0,40}",
        any::<String>(),
    ]
}

#[test]
fn deep_and_long_values_are_refused_without_being_followed() {
    let deep = "[".repeat(1_000);
    for value in [
        value(9, &head().replace("\"passport\"", &deep), "{}"),
        value(9, &head(), &claims("4420123", NOW_S).replace("\"4420123\"", &format!("{}\"1\"", "\"1\",".repeat(40)))),
        "A".repeat(60_000),
        format!("{};info=<{X5U}>;info=<{X5U}>", good().split(';').next().unwrap()),
    ] {
        assert_eq!(passport::read(value.as_bytes()).unwrap_err(), Doubt::Malformed);
    }
}
