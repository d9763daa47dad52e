//! What trunks and plans say about signalling, and what the other side then sees.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod stage;

use snapshot::Policy;
use stage::{CALLER, OFFER, Stage, invite, line, model, reply};
use units::Cause;

const TERMINATOR: &str = "127.0.0.3:5060";

fn policy(text: &str) -> Policy {
    Policy::from_text(text).expect("the policy is sound")
}

/// The usual INVITE with more header lines.
fn invite_with(lines: &str) -> String {
    invite().replace("X-Secret: inside\r\n", &format!("X-Secret: inside\r\n{lines}"))
}

/// The first egress INVITE of a call.
fn egress_invite(ingress: &str, egress: &str, invite: &str) -> String {
    let mut stage = Stage::with_policies(policy(ingress), policy(egress));
    stage.begin_with(invite);
    stage.last(1).to_owned()
}

#[test]
fn a_display_name_is_passed_on_and_cannot_break_out_of_its_quotes() {
    let from = "From: \"A \\\"B\\\" \\\\ ü\" <sip:1000@127.0.0.2>;tag=caller";
    let seen = egress_invite("", "", &invite().replace("From: <sip:1000@127.0.0.2>;tag=caller", from));
    assert!(line(&seen, "From").starts_with("From: \"A \\\"B\\\" \\\\ ü\" <sip:1000@127.0.0.1:5060>;tag="), "{seen}");
}

#[test]
fn an_untrusted_terminator_does_not_learn_a_caller_who_asks_for_privacy() {
    let asks = invite_with("Privacy: id\r\nP-Asserted-Identity: <sip:4420999@127.0.0.2>\r\n");
    let trusting = r#"{"identity":{"trusted":true}}"#;
    let seen = egress_invite(trusting, r#"{"identity":{"send":"asserted"}}"#, &asks);
    assert!(line(&seen, "From").starts_with("From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag="), "{seen}");
    assert!(!seen.contains("4420999") && !seen.contains("P-Asserted-Identity") && !seen.contains("1000@"), "{seen}");
    let seen = egress_invite(trusting, r#"{"identity":{"send":"asserted","trusted":true}}"#, &asks);
    assert_eq!(line(&seen, "P-Asserted-Identity"), "P-Asserted-Identity: <sip:4420999@127.0.0.1:5060>");
    assert_eq!(line(&seen, "Privacy"), "Privacy: id");
}

#[test]
fn an_identity_is_believed_of_trusted_originators_only() {
    let claims = invite_with("P-Asserted-Identity: \"X\" <sip:4420999@127.0.0.2>\r\n");
    let seen = egress_invite("", r#"{"identity":{"send":"asserted"}}"#, &claims);
    assert_eq!(line(&seen, "P-Asserted-Identity"), "P-Asserted-Identity: <sip:1000@127.0.0.1:5060>");
    let remote = r#"{"identity":{"send":"remote_party"}}"#;
    let seen = egress_invite(r#"{"identity":{"trusted":true}}"#, remote, &claims);
    let told = "Remote-Party-ID: <sip:4420999@127.0.0.1:5060>;party=calling;screen=yes;privacy=off";
    assert_eq!(line(&seen, "Remote-Party-ID"), told);
}

#[test]
fn diversions_cross_with_our_host_unless_they_are_stripped() {
    let diverted = invite_with(
        "Diversion: <sip:4420555@10.9.9.9>;reason=user-busy;counter=1;evil=\"x\"\r\n\
         History-Info: <sip:4420666@10.9.9.9;cause=302>;index=1.1\r\nP-Charge-Info: <sip:77@10.9.9.9>\r\n",
    );
    let seen = egress_invite("", "", &diverted);
    assert_eq!(line(&seen, "Diversion"), "Diversion: <sip:4420555@127.0.0.1:5060>;reason=user-busy;counter=1");
    assert_eq!(line(&seen, "History-Info"), "History-Info: <sip:4420666@127.0.0.1:5060;cause=302>;index=1.1");
    assert_eq!(line(&seen, "P-Charge-Info"), "P-Charge-Info: <sip:77@127.0.0.1:5060>");
    assert!(!seen.contains("10.9.9.9") && !seen.contains("evil"));
    let strip = r#"{"identity":{"diversion":"strip","history_info":"strip","charge_info":"strip"}}"#;
    let seen = egress_invite("", strip, &diverted);
    assert!(!seen.contains("Diversion") && !seen.contains("History-Info") && !seen.contains("P-Charge-Info"));
}

#[test]
fn numbers_and_names_are_rewritten_one_by_one_at_the_trunk() {
    let egress = r##"{"rewrite":[
        {"field":"calling","pattern":"^1(.*)$","replacement":"+49${1}"},
        {"field":"display_name","pattern":"^.*$","replacement":"Desk"},
        {"field":"request_uri","pattern":"^44","replacement":"0044"},
        {"field":"to","pattern":"^(44)(2)","replacement":"$2#$1"}]}"##;
    let seen = egress_invite("", egress, &invite());
    assert!(seen.starts_with("INVITE sip:004420123@127.0.0.3:5060 SIP/2.0\r\n"), "{seen}");
    assert!(line(&seen, "From").starts_with("From: \"Desk\" <sip:+49000@127.0.0.1:5060>;tag="), "{seen}");
    assert_eq!(line(&seen, "To"), "To: <sip:2%23440123@127.0.0.3:5060>");
}

#[test]
fn listed_headers_cross_and_own_ones_are_added() {
    let asked = invite_with("X-Account: 7\r\nUser-Agent: pbx\r\nX-Other: 1\r\n");
    let egress = r#"{"headers":{"pass":["x-account"],"add":[{"name":"X-Switch","value":"tandem"}]}}"#;
    let seen = egress_invite("", egress, &asked);
    assert_eq!((line(&seen, "X-Account"), line(&seen, "X-Switch")), ("X-Account: 7", "X-Switch: tandem"));
    assert!(!seen.contains("X-Other") && !seen.contains("X-Secret") && !seen.contains("pbx"));
    let all = r#"{"headers":{"pass":["*"],"remove":["X-Secret"]}}"#;
    let seen = egress_invite("", all, &asked);
    assert!(seen.contains("X-Other: 1") && seen.contains("User-Agent: pbx") && !seen.contains("X-Secret"), "{seen}");
    assert!(!seen.contains("one@127.0.0.2") && !seen.contains("z9hG4bKa1"), "what SIP reserves never crosses");
}

#[test]
fn headers_that_would_make_an_invite_too_large_stay_behind() {
    let all = r#"{"headers":{"pass":["*"]}}"#;
    let long = |bytes: usize| "x".repeat(bytes);
    let seen = egress_invite("", all, &invite_with(&format!("X-{}: 1\r\nX-One: 1\r\n", long(60_000))));
    assert!(seen.contains("X-One: 1") && seen.len() < 4_096, "a name counts as its value does: {}", seen.len());
    let seen = egress_invite("", all, &invite_with(&format!("X-Two: {}\r\nX-One: 1\r\n", long(60_000))));
    assert!(seen.contains("X-One: 1") && seen.len() < 4_096, "{}", seen.len());
    let many: String = (10..40).map(|nth| format!("X-{nth}: {}\r\n", long(1_000))).collect();
    let seen = egress_invite("", all, &invite_with(&many));
    assert!(seen.contains("X-25: ") && !seen.contains("X-26: "), "16 KiB of 30 cross");
    let diverted = format!("Diversion: <sip:4420555@10.9.9.9>;reason={}\r\n", long(2_000));
    assert!(!egress_invite("", "", &invite_with(&diverted)).contains("Diversion"));
}

#[test]
fn only_codecs_that_both_trunks_allow_are_offered() {
    let offer = OFFER.replace("RTP/AVP 8", "RTP/AVP 18 8 0 101") + "a=rtpmap:101 telephone-event/8000\r\n";
    let asked = invite()
        .replace(OFFER, &offer)
        .replace(&format!("Content-Length: {}", OFFER.len()), &format!("Content-Length: {}", offer.len()));
    let ingress = r#"{"codecs":{"allow":["PCMA","PCMU","telephone-event"]}}"#;
    let egress = r#"{"codecs":{"allow":["PCMU","PCMA","G729"],"reorder":true}}"#;
    let seen = egress_invite(ingress, egress, &asked);
    assert!(seen.contains(" RTP/AVP 0 8\r\n"), "{seen}");
    let mut stage = Stage::with_policies(policy(ingress), policy(r#"{"codecs":{"allow":["G729"]}}"#));
    let call = stage.begin_with(&asked);
    assert!(stage.last(2).starts_with("INVITE sip:4420123@127.0.0.4"), "the next trunk takes what the first does not");
    assert!(!call.is_over());
    let mut stage = Stage::with_policies(policy(r#"{"codecs":{"allow":["opus"]}}"#), Policy::default());
    stage.begin_with(&asked);
    assert!(stage.last(0).starts_with("SIP/2.0 488 "));
    assert_eq!(stage.cdrs().last().map(|cdr| cdr.cause), Some(Cause::CODECS_NOT_ALLOWED));
}

#[test]
fn a_challenge_of_the_right_realm_is_answered_once_and_no_other() {
    let egress = format!(
        r#"{{"digest":{{"user":"acme","realm":"carrier","ha1_md5":"{}","ha1_sha256":"{}"}}}}"#,
        "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    );
    let challenge = |realm: &str, invite: &str| {
        let asks =
            format!("Proxy-Authenticate: Digest realm=\"{realm}\", nonce=\"abc\", qop=\"auth\", algorithm=MD5\r\n");
        reply(invite, 407, None).replace("Contact:", &format!("{asks}Contact:"))
    };
    let mut stage = Stage::with_policies(Policy::default(), policy(&egress));
    let mut call = stage.begin();
    let first = stage.last(1).to_owned();
    stage.hear(&mut call, 1, &challenge("carrier", &first), TERMINATOR);
    let second = stage.last(1).to_owned();
    assert!(second.starts_with("INVITE sip:4420123@127.0.0.3:5060"), "{second}");
    assert!(line(&second, "Proxy-Authorization").contains("username=\"acme\", realm=\"carrier\", nonce=\"abc\""));
    assert_eq!(line(&second, "CSeq"), "CSeq: 2 INVITE");
    assert_eq!((line(&second, "Call-ID"), line(&second, "From")), (line(&first, "Call-ID"), line(&first, "From")));
    assert!(second.contains("m=audio"), "the offer goes along");
    assert!(stage.sent.iter().any(|(leg, _, text)| *leg == 1 && text.starts_with("ACK ")));
    // The refusal comes once more: its ACK was lost.
    let acks = |stage: &Stage| stage.sent.iter().filter(|(_, _, text)| text.starts_with("ACK ")).count();
    let before = acks(&stage);
    stage.hear(&mut call, 1, &challenge("carrier", &first), TERMINATOR);
    assert_eq!(acks(&stage), before + 1);
    let answer = reply(&second, 200, Some(OFFER));
    stage.hear(&mut call, 1, &answer, TERMINATOR);
    assert!(stage.last(0).starts_with("SIP/2.0 200 "));
    let proof = line(&second, "Proxy-Authorization");
    assert_eq!(line(stage.last_of(1, "ACK "), "Proxy-Authorization"), proof, "RFC 3261 §13.2.2.4");
    let mut stage = Stage::with_policies(Policy::default(), policy(&egress));
    let mut call = stage.begin();
    let asked = challenge("elsewhere", stage.last(1));
    stage.hear(&mut call, 1, &asked, TERMINATOR);
    assert!(stage.last(2).starts_with("INVITE "), "the next route");
    assert!(!stage.sent.iter().any(|(_, _, text)| text.contains("Authorization")), "no digest for a stranger's realm");
}

#[test]
fn a_redirection_is_followed_as_often_as_the_trunk_allows() {
    let moved = |invite: &str, to: &str| {
        reply(invite, 302, None).replace("Contact: <sip:4420123@127.0.0.3:5060>", &format!("Contact: {to}"))
    };
    let mut stage = Stage::with_policies(Policy::default(), policy(r#"{"redirects_max":1}"#));
    let mut call = stage.begin();
    let asked = moved(stage.last(1), "<sip:carrier.example>, <sip:4420777@127.0.0.9:5070>");
    stage.hear(&mut call, 1, &asked, TERMINATOR);
    let (_, to, seen) = stage.sent.last().unwrap().clone();
    assert!(seen.starts_with("INVITE sip:4420777@127.0.0.9:5070 SIP/2.0\r\n"), "{seen}");
    assert_eq!(to.to_string(), "127.0.0.9:5070");
    let asked = moved(&seen, "<sip:4420888@127.0.0.10:5070>");
    stage.hear(&mut call, 1, &asked, "127.0.0.9:5070");
    assert!(stage.last(2).starts_with("INVITE sip:4420123@127.0.0.4:5060"), "a second one is a refusal");
    let told: Vec<_> = stage.cdrs().iter().map(|cdr| (cdr.sip_status, cdr.cause)).collect();
    assert_eq!(told, [(302, Cause::INTERWORKING)]);
    // A number without a price is not called.
    let mut stage = Stage::with_policies(Policy::default(), policy(r#"{"redirects_max":1}"#));
    let mut call = stage.begin();
    let asked = moved(stage.last(1), "<sip:99123@127.0.0.9:5070>");
    stage.hear(&mut call, 1, &asked, TERMINATOR);
    assert!(stage.last(2).starts_with("INVITE "));
    assert!(!stage.sent.iter().any(|(_, _, text)| text.contains("99123")));
}

/// A redirection to three places; what each place says, and where the call went.
fn led_astray(egress: &str, contacts: &str, says: &[u16]) -> (Vec<String>, bool) {
    let mut stage = Stage::with_policies(Policy::default(), policy(egress));
    let mut call = stage.begin();
    let moved = reply(stage.last(1), 302, None)
        .replace("Contact: <sip:4420123@127.0.0.3:5060>\r\n", &format!("Contact: {contacts}\r\n"));
    stage.hear(&mut call, 1, &moved, TERMINATOR);
    for status in says {
        let (to, invite) = (stage.sent.last().unwrap().1, stage.last_of(1, "INVITE ").to_owned());
        stage.hear(&mut call, 1, &reply(&invite, *status, None), &to.to_string());
    }
    let asked = |(leg, to, text): &(u8, std::net::SocketAddr, String)| {
        (*leg == 1 && text.starts_with("INVITE ")).then(|| to.to_string())
    };
    (stage.sent.iter().filter_map(asked).skip(1).collect(), stage.count(2, "INVITE ") == 1)
}

#[test]
fn the_places_of_a_redirection_are_tried_one_after_the_other_the_best_first() {
    const THREE: &str = "<sip:44@127.0.0.7>;q=0.1, <sip:44@127.0.0.8>;q=0.75;x, \"q=1\" <sip:44@127.0.0.9;q=0>";
    let places = |last: &[u8]| last.iter().map(|host| format!("127.0.0.{host}:5060")).collect::<Vec<_>>();
    for (egress, says, tried, next_route) in [
        (r#"{"redirects_max":1}"#, &[][..], &[9][..], false),
        (r#"{"redirects_max":1}"#, &[486, 480], &[9, 8, 7], false),
        (r#"{"redirects_max":1}"#, &[503, 500, 500], &[9, 8, 7], true),
        (r#"{"redirects_max":1}"#, &[603], &[9], true),
        (r#"{"redirects_max":1,"answers":{"stop":[486]}}"#, &[486], &[9], false),
        (r#"{"redirects_max":0}"#, &[], &[], true),
    ] {
        assert_eq!(led_astray(egress, THREE, says), (places(tried), next_route), "{egress} {says:?}");
    }
    let odd =
        "<sip:44@127.0.0.7>;q=2, <sip:44@127.0.0.8>;q=0.1234, <sip:44@127.0.0.9>;q=.5, <sip:44@127.0.0.10>;q=0.001";
    assert_eq!(led_astray(r#"{"redirects_max":1}"#, odd, &[]).0, places(&[10]), "a q-value that is none comes last");
}

#[test]
fn a_trunk_says_which_answers_end_the_hunt_and_which_do_not() {
    for (egress, status, hunts) in [
        ("", 486, false),
        (r#"{"answers":{"busy_is_failure":true}}"#, 486, true),
        ("", 503, true),
        (r#"{"answers":{"stop":[503]}}"#, 503, false),
        (r#"{"answers":{"next":[404]}}"#, 404, true),
        ("", 404, false),
    ] {
        let mut stage = Stage::with_policies(Policy::default(), policy(egress));
        let mut call = stage.begin();
        let refusal = reply(stage.last(1), status, None);
        stage.hear(&mut call, 1, &refusal, TERMINATOR);
        assert_eq!(!call.is_over(), hunts, "{egress} {status}");
    }
}

#[test]
fn an_ingress_trunk_chooses_its_statuses() {
    let refused = |ingress: &str, status: u16| {
        let mut stage = Stage::with_policies(policy(ingress), policy(r#"{"answers":{"stop":[503,486]}}"#));
        let mut call = stage.begin();
        let refusal = reply(stage.last(1), status, None);
        stage.hear(&mut call, 1, &refusal, TERMINATOR);
        stage.last(0).to_owned()
    };
    let mapped = r#"{"answers":{"statuses":[{"cause":17,"status":600}],"no_reason":true}}"#;
    let seen = refused(mapped, 486);
    assert!(seen.starts_with("SIP/2.0 600 ") && !seen.contains("Reason:"), "{seen}");
    let seen = refused("", 486);
    assert!(seen.starts_with("SIP/2.0 486 ") && seen.contains("Reason: Q.850;cause=17;"), "{seen}");
    let mut model = model();
    model.decks[0].rates[0].blocked = true;
    model.ingress_trunks[0].policy = policy(r#"{"answers":{"always_503":true}}"#);
    let mut stage = Stage::of(&model);
    stage.begin();
    assert!(stage.last(0).starts_with("SIP/2.0 503 "), "M4's way");
}

#[test]
fn requests_go_to_where_a_peer_behind_nat_speaks_from() {
    let hidden = invite().replace("Contact: <sip:1000@127.0.0.2:5060>", "Contact: <sip:1000@10.1.2.3:5060>");
    let mut model = model();
    model.ingress_trunks[0].sources[0].network = "198.51.100.7".parse().unwrap();
    let mut stage = Stage::of(&model);
    let mut call = stage.begin_from(&hidden, "198.51.100.7:1024");
    let answer = reply(stage.last(1), 200, Some(OFFER));
    stage.hear(&mut call, 1, &answer, TERMINATOR);
    let ack = stage::request("ACK", stage.last(0), 1);
    stage.hear(&mut call, 0, &ack, "198.51.100.7:1024");
    let bye = stage::request_of_terminator("BYE", stage.first(1), 1);
    stage.hear(&mut call, 1, &bye, TERMINATOR);
    let (_, to, text) = stage.sent.iter().rfind(|(_, _, text)| text.starts_with("BYE ")).unwrap();
    assert!(text.starts_with("BYE sip:1000@10.1.2.3:5060"), "{text}");
    assert_eq!(to.to_string(), "198.51.100.7:1024");
}

#[test]
fn an_attempt_that_is_not_answered_in_its_time_leads_to_the_next_route() {
    let mut stage = Stage::with_policies(
        Policy::default(),
        policy(r#"{"answer_timeout_s":12,"answers":{"no_answer_is_failure":true}}"#),
    );
    let mut call = stage.begin();
    stage.now_ms += 5_000;
    let ringing = reply(stage.last(1), 180, None);
    stage.hear(&mut call, 1, &ringing, TERMINATOR);
    stage.now_ms += 6_900;
    stage.with(|ctx| call.on_time(ctx));
    stage.serve(&mut call);
    assert_eq!(call.legs(), 2);
    stage.now_ms += 200;
    stage.with(|ctx| call.on_time(ctx));
    stage.serve(&mut call);
    assert!(stage.last(1).starts_with("CANCEL ") && stage.last(2).starts_with("INVITE "));
    assert_eq!(stage.cdrs().last().map(|cdr| cdr.cause), Some(Cause::NO_ANSWER));
}

#[test]
fn a_challenged_bye_is_proven_too() {
    let egress = format!(
        r#"{{"digest":{{"user":"acme","realm":"carrier","ha1_md5":"{}","ha1_sha256":"{}"}}}}"#,
        "0".repeat(32),
        "0".repeat(64)
    );
    let mut stage = Stage::with_policies(Policy::default(), policy(&egress));
    let mut call = stage.talking_call();
    let bye = stage::request("BYE", stage.last(0), 2);
    stage.hear(&mut call, 0, &bye, CALLER);
    let sent = stage.last(1).to_owned();
    assert!(sent.starts_with("BYE "), "{sent}");
    let asks = "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n2\"\r\n";
    let refusal = reply(&sent, 401, None).replace(";tag=callee;tag=callee", ";tag=callee");
    stage.hear(&mut call, 1, &refusal.replace("Contact:", &format!("{asks}Contact:")), TERMINATOR);
    let again = stage.last(1);
    assert!(again.starts_with("BYE ") && line(again, "Authorization").contains("nonce=\"n2\""), "{again}");
    assert_ne!(line(again, "CSeq"), line(&sent, "CSeq"));
}

#[test]
fn a_challenged_change_is_proven_once_and_crosses() {
    let egress = format!(
        r#"{{"digest":{{"user":"acme","realm":"carrier","ha1_md5":"{}","ha1_sha256":"{}"}}}}"#,
        "0".repeat(32),
        "0".repeat(64)
    );
    let asks = "Proxy-Authenticate: Digest realm=\"carrier\", nonce=\"n3\", qop=\"auth-int\"\r\n";
    for (egress, proves) in [(egress.as_str(), true), ("", false)] {
        let mut stage = Stage::with_policies(Policy::default(), policy(egress));
        let mut call = stage.talking_call();
        let change = stage::with_sdp(&stage::request("INVITE", stage.last(0), 2), &stage::hold());
        stage.hear(&mut call, 0, &change, CALLER);
        let sent = stage.last(1).to_owned();
        let refusal = reply(&sent, 407, None).replace("Contact:", &format!("{asks}Contact:"));
        stage.hear(&mut call, 1, &refusal, TERMINATOR);
        let again = stage.last_of(1, "INVITE ").to_owned();
        if !proves {
            assert!(stage.last(0).starts_with("SIP/2.0 488 "), "{}", stage.last(0));
            continue;
        }
        assert!(
            line(&again, "Proxy-Authorization").contains("nonce=\"n3\"") && again.contains("qop=auth-int"),
            "{again}"
        );
        assert!(again.contains("a=sendonly") && line(&again, "CSeq") != line(&sent, "CSeq"), "the offer goes along");
        stage.hear(&mut call, 1, &reply(&again, 200, Some(OFFER)), TERMINATOR);
        assert!(stage.last(0).starts_with("SIP/2.0 200 "), "{}", stage.last(0));
        assert_eq!(line(stage.last_of(1, "ACK "), "Proxy-Authorization"), line(&again, "Proxy-Authorization"));
        // It is not proven a second time.
        let change = change.replace("2 INVITE", "3 INVITE").replace("INVITE2", "INVITE3");
        stage.hear(&mut call, 0, &stage::request("ACK", stage.last(0), 2), CALLER);
        stage.hear(&mut call, 0, &change, CALLER);
        for _ in 0..2 {
            let refusal = reply(stage.last_of(1, "INVITE "), 407, None);
            stage.hear(&mut call, 1, &refusal.replace("Contact:", &format!("{asks}Contact:")), TERMINATOR);
        }
        assert!(stage.last(0).starts_with("SIP/2.0 488 "), "{}", stage.last(0));
        assert!(call.is_up());
    }
}

#[test]
fn a_caller_says_why_it_cancels_and_the_terminator_hears_it() {
    for (said, heard) in [
        (
            "Reason: SIP;cause=200;text=\"Call completed elsewhere\"",
            vec!["SIP;cause=200;text=\"Call completed elsewhere\""],
        ),
        ("Reason: sip ;cause=600", vec!["SIP;cause=600;text=\"Busy Everywhere\""]),
        (
            "Reason: SIP;cause=200, Q.850;cause=26",
            vec!["SIP;cause=200;text=\"Call completed elsewhere\"", "Q.850;cause=26;"],
        ),
        ("Reason: Q.850;cause=999, SIP;cause=7, FOO;cause=1", vec![]),
        ("X: y", vec![]),
    ] {
        for early in [false, true] {
            let mut stage = Stage::new();
            let mut call = stage.begin();
            let cancel =
                stage::without_sdp(&invite()).replace("INVITE sip:", "CANCEL sip:").replace("1 INVITE", "1 CANCEL");
            let cancel = stage::with_lines(&cancel, &format!("{said}\r\n"));
            let trying = reply(stage.last(1), 180, None);
            if early {
                stage.hear(&mut call, 1, &trying, TERMINATOR);
            }
            stage.hear(&mut call, 0, &cancel, CALLER);
            if !early {
                stage.hear(&mut call, 1, &trying, TERMINATOR);
            }
            let seen: Vec<_> =
                stage.last_of(1, "CANCEL ").lines().filter_map(|line| line.strip_prefix("Reason: ")).collect();
            assert_eq!(seen.len(), heard.len(), "{said}: {seen:?}");
            assert!(seen.iter().zip(&heard).all(|(seen, heard)| seen.starts_with(heard)), "{said}: {seen:?}");
        }
    }
}

#[test]
fn the_reasons_of_a_bye_reach_the_other_side_and_the_record() {
    const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";
    for (said, heard, cause) in [
        ("X: y", vec!["Q.850;cause=16;"], Cause::NORMAL),
        ("Reason: Q.850;cause=38;text=\"down\"", vec!["Q.850;cause=38;"], Cause::NETWORK_DOWN),
        ("Reason: SIP;cause=200, Q.850;cause=38", vec!["Q.850;cause=38;", ELSEWHERE], Cause::NETWORK_DOWN),
        ("Reason: SIP;cause=200\r\nReason: FOO;cause=1", vec!["Q.850;cause=16;", ELSEWHERE], Cause::NORMAL),
        ("Reason: SIP;cause=503", vec!["Q.850;cause=34;", "SIP;cause=503;text=\"Service Un"], Cause::NO_CIRCUIT),
        ("Reason: SIP;cause=99, Q.850;cause=0", vec!["Q.850;cause=16;"], Cause::NORMAL),
    ] {
        for leg in [0, 1] {
            let mut stage = Stage::new();
            let mut call = stage.talking_call();
            let bye = match leg {
                0 => stage::request("BYE", stage.last(0), 2),
                leg => stage::request_of_terminator("BYE", stage.first(leg), 2),
            };
            let bye = stage::with_lines(&bye, &format!("{said}\r\n"));
            stage.hear(&mut call, leg, &bye, if leg == 0 { CALLER } else { TERMINATOR });
            let told = stage.last_of(1 - leg, "BYE ");
            let seen: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("Reason: ")).collect();
            assert_eq!(seen.len(), heard.len(), "{said}: {seen:?}");
            assert!(seen.iter().zip(&heard).all(|(seen, heard)| seen.starts_with(heard)), "{said}: {seen:?}");
            assert_eq!(stage.cdrs().last().map(|cdr| cdr.cause), Some(cause), "{said}");
        }
    }
}

#[test]
fn a_routing_number_crosses_from_those_who_are_believed_to_those_who_want_it() {
    let (accept, send) = (r#"{"portability":{"accept":true}}"#, r#"{"portability":{"send":true}}"#);
    let ported = invite().replacen("sip:4420123@", "sip:4420123;npdi;rn=+13125550000@", 1);
    let first_line = |ingress, egress| egress_invite(ingress, egress, &ported).lines().next().unwrap().to_owned();
    assert!(first_line(accept, send).starts_with("INVITE sip:4420123;npdi;rn=+13125550000@127.0.0.3"));
    assert!(first_line(accept, "").starts_with("INVITE sip:4420123@127.0.0.3"));
    assert!(first_line("", send).starts_with("INVITE sip:4420123@127.0.0.3"));
}
