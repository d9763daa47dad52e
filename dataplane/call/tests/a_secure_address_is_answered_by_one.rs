//! `sips` (RFC 3261 §26.2.2): who is reached by a secure address is told one of ours, and nobody else is.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod stage;

use call::{Call, Listener};
use sip::{Hop, Transport};
use snapshot::Policy;
use stage::{OFFER, Stage, invite, line, reply, request, request_of_terminator, sdp, with_lines, with_sdp};

const TERMINATOR: &str = "127.0.0.3:5060";
const SECURE: &str = "Contact: <sips:127.0.0.1:5061>";
const PLAIN: &str = "Contact: <sip:127.0.0.1:5061;transport=tls>";

/// The way of an originator that came over TLS, without its connection.
fn tls() -> Hop {
    Hop { transport: Transport::Tls, listener: 1, remote: "127.0.0.2:5061".parse().unwrap(), flow: None }
}

/// A stage that hears TLS as well.
fn stage(egress: &str) -> Stage {
    let egress = if egress.is_empty() { Policy::default() } else { Policy::from_text(egress).unwrap() };
    let mut stage = Stage::with_policies(Policy::default(), egress);
    let address = "127.0.0.1:5061".parse().unwrap();
    stage.switch.listeners.push(Listener { name: String::new(), transport: Transport::Tls, address });
    stage
}

/// An INVITE with another Request-URI, Contact, and more lines.
fn asking(uri: &str, contact: &str, lines: &str) -> String {
    let invite = invite().replace("INVITE sip:4420123@127.0.0.1 ", &format!("INVITE {uri} "));
    with_lines(&invite.replace("<sip:1000@127.0.0.2:5060>", contact), lines)
}

/// The terminator rings and answers; the originator acknowledges.
fn talk(stage: &mut Stage, invite: &str, way: Hop) -> Call {
    let mut call = stage.begin_by(invite, way);
    let ringing = reply(stage.first(1), 180, None);
    stage.hear(&mut call, 1, &ringing, TERMINATOR);
    let answer = reply(stage.first(1), 200, Some(OFFER));
    stage.hear(&mut call, 1, &answer, TERMINATOR);
    let ack = request("ACK", stage.last_of(0, "SIP/2.0 200 "), 1);
    stage.hear_by(&mut call, 0, &ack, way);
    call
}

#[test]
fn whoever_names_a_secure_address_is_told_one() {
    const SIP: &str = "sip:4420123@127.0.0.1";
    const SIPS: &str = "sips:4420123@127.0.0.1";
    let udp: Hop = "127.0.0.2:5060".parse::<std::net::SocketAddr>().unwrap().into();
    for (uri, contact, lines, way, told) in [
        (SIPS, "<sips:1000@127.0.0.2>", "", tls(), SECURE),
        (SIPS, "<sip:1000@127.0.0.2;transport=tls>", "", tls(), SECURE),
        (SIP, "<SIPS:1000@127.0.0.2>", "", tls(), SECURE),
        (SIP, "<sip:1000@127.0.0.2>", "Record-Route: <sips:127.0.0.2;lr>, <sip:127.0.0.8;lr>\r\n", tls(), SECURE),
        (SIP, "<sip:1000@127.0.0.2>", "Record-Route: <sip:127.0.0.2;lr>, <sips:127.0.0.8;lr>\r\n", tls(), PLAIN),
        (SIP, "<sip:1000@127.0.0.2;transport=tls>", "", tls(), PLAIN),
        (SIP, "<sips:1000@127.0.0.2>", "", udp, "Contact: <sip:127.0.0.1:5060>"),
    ] {
        let mut stage = stage("");
        talk(&mut stage, &asking(uri, contact, lines), way);
        for status in ["SIP/2.0 180 ", "SIP/2.0 200 "] {
            assert_eq!(line(stage.last_of(0, status), "Contact"), told, "{uri} {contact} {lines}");
        }
        assert_eq!(line(stage.first(1), "Contact"), "Contact: <sip:127.0.0.1:5060>", "the other side is another hop");
    }
}

#[test]
fn requests_to_a_secure_address_name_ours_and_go_to_the_port_of_tls() {
    let mut stage = stage("");
    let mut call = talk(&mut stage, &asking("sips:4420123@127.0.0.1", "<sips:1000@127.0.0.2>", ""), tls());
    let offer = with_sdp(&request_of_terminator("INVITE", stage.first(1), 1), &sdp(6100, 2));
    stage.hear(&mut call, 1, &offer, TERMINATOR);
    let passed = stage.last_of(0, "INVITE ");
    assert!(passed.starts_with("INVITE sips:1000@127.0.0.2 SIP/2.0\r\nVia: SIP/2.0/TLS "), "{passed}");
    assert_eq!(line(passed, "Contact"), SECURE);
    let (_, to, _) = stage.sent.last().unwrap();
    assert_eq!(to.to_string(), "127.0.0.2:5061", "RFC 3261 §19.1.2: sips without a port");
}

#[test]
fn a_redirection_to_a_secure_address_is_followed_over_tls_or_not_at_all() {
    for (to, followed) in [
        ("<sips:4420777@127.0.0.9>", Some("127.0.0.9:5061")),
        ("<sips:4420777@127.0.0.9:5071;transport=tcp>", Some("127.0.0.9:5071")),
        ("<sips:4420777@127.0.0.9;transport=udp>", None),
    ] {
        let mut stage = stage(r#"{"redirects_max":1}"#);
        let mut call = stage.begin();
        let moved = reply(stage.first(1), 302, None).replace("<sip:4420123@127.0.0.3:5060>", to);
        stage.hear(&mut call, 1, &moved, TERMINATOR);
        let (leg, went, seen) = stage.sent.last().unwrap().clone();
        match followed {
            Some(at) => {
                assert!(seen.starts_with(&format!("INVITE sips:4420777@{at} SIP/2.0\r\n")), "{seen}");
                assert_eq!((went.to_string().as_str(), line(&seen, "Contact")), (at, SECURE));
            }
            None => assert_eq!(leg, 2, "the next route: {seen}"),
        }
    }
}
