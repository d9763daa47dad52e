//! What is printed can be read again, and nothing printed can break out of its line.

use std::net::SocketAddr;

use sip::{Flaw, Method, Name, Printer, Start, parse, print};

fn source(text: &str) -> SocketAddr {
    text.parse().expect("a socket address")
}

const INVITE: &[u8] = b"INVITE sip:bo@example.net SIP/2.0\r\n\
    Via: SIP/2.0/UDP 10.0.0.1:5070;rport;received=9.9.9.9;branch=z9hG4bKtop, SIP/2.0/TCP p;branch=z9hG4bKlow\r\n\
    v: SIP/2.0/UDP q;branch=z9hG4bKlast\r\nRecord-Route: <sip:r1;lr>, <sip:r2;lr>\r\n\
    From: \"Ana\"\r\n <sip:ana@example.com>;tag=1\r\nTo: <sip:bo@example.net>\r\nCall-ID: c1\r\nCSeq: 7 INVITE\r\n\
    Timestamp: 54.25\r\nContent-Length: 0\r\n\r\n";

fn reply(status: u16, from: &str) -> String {
    let invite = parse::message(INVITE).expect("a good INVITE");
    let mut out = Vec::new();
    Printer::reply(&mut out, &invite, status, print::reason_phrase(status), b"mine", source(from)).finish_empty();
    String::from_utf8(out).expect("text")
}

#[test]
fn a_reply_carries_what_was_seen_and_not_what_was_claimed() {
    let expected = "SIP/2.0 180 Ringing\r\n\
        Via: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKtop;received=192.0.2.9;rport=4444\r\n\
        Via: SIP/2.0/TCP p;branch=z9hG4bKlow\r\nVia: SIP/2.0/UDP q;branch=z9hG4bKlast\r\n\
        Record-Route: <sip:r1;lr>\r\nRecord-Route: <sip:r2;lr>\r\n\
        From: \"Ana\" <sip:ana@example.com>;tag=1\r\nTo: <sip:bo@example.net>;tag=mine\r\nCall-ID: c1\r\nCSeq: 7 INVITE\r\n\
        Content-Length: 0\r\n\r\n";
    assert_eq!(reply(180, "192.0.2.9:4444"), expected);
}

#[test]
fn a_message_in_short_names_is_the_same_message() {
    let long = reply(180, "192.0.2.9:4444") + "To: the body's\r\n";
    let short = String::from_utf8(print::shortened(long.as_bytes())).expect("text");
    let expected = "SIP/2.0 180 Ringing\r\n\
        v: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKtop;received=192.0.2.9;rport=4444\r\n\
        v: SIP/2.0/TCP p;branch=z9hG4bKlow\r\nv: SIP/2.0/UDP q;branch=z9hG4bKlast\r\n\
        Record-Route: <sip:r1;lr>\r\nRecord-Route: <sip:r2;lr>\r\n\
        f: \"Ana\" <sip:ana@example.com>;tag=1\r\nt: <sip:bo@example.net>;tag=mine\r\ni: c1\r\nCSeq: 7 INVITE\r\n\
        l: 0\r\n\r\nTo: the body's\r\n";
    assert_eq!(short, expected);
    for text in ["", "no line", "INVITE sip:a@b SIP/2.0\r\n"] {
        assert_eq!(print::shortened(text.as_bytes()), text.as_bytes());
    }
}

#[test]
fn record_route_comes_back_only_where_a_dialog_can_begin() {
    for (status, expected) in [(100, 0), (180, 2), (200, 2), (299, 2), (302, 0), (486, 0)] {
        assert_eq!(reply(status, "192.0.2.9:4444").matches("Record-Route").count(), expected, "{status}");
    }
}

#[test]
fn a_100_tells_its_reader_when_the_request_was_sent() {
    for (status, expected) in [(100, 1), (180, 0), (200, 0), (404, 0)] {
        assert_eq!(reply(status, "192.0.2.9:4444").matches("Timestamp: 54.25\r\n").count(), expected, "{status}");
    }
}

#[test]
fn addresses_of_both_families_stand_in_via_and_uri_as_the_grammar_wants() {
    assert!(reply(200, "[2001:db8::1]:9").contains(";received=2001:db8::1;rport=9\r\n"));
    assert!(reply(200, "[::ffff:192.0.2.1]:9").contains(";received=192.0.2.1;rport=9\r\n"));
    let mut out = Vec::new();
    print::write_uri(&mut out, b"+370", source("[2001:db8::1]:5060"));
    print::write_uri(&mut out, b"", source("192.0.2.1:5070"));
    assert_eq!(out, b"sip:+370@[2001:db8::1]:5060sip:192.0.2.1:5070");
}

#[test]
fn sent_by_that_tells_the_truth_gets_no_received() {
    let bytes = b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=b\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:h>;tag=theirs\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n";
    let options = parse::message(bytes).expect("a good OPTIONS");
    let mut out = Vec::new();
    Printer::reply(&mut out, &options, 200, "OK", b"mine", source("192.0.2.1:5060")).finish_empty();
    let text = String::from_utf8(out).expect("text");
    assert!(text.contains("Via: SIP/2.0/UDP 192.0.2.1;branch=b\r\n"), "{text}");
    assert!(text.contains("To: <sip:h>;tag=theirs\r\n"), "{text}");
}

#[test]
fn nothing_in_a_value_can_end_its_line() {
    let mut out = Vec::new();
    let mut printer = Printer::request(&mut out, b"INVITE", b"sip:a\r\n@b");
    printer.line("X-Note", &[b"one\r\nInjected: yes", b"\0two\n"]);
    printer.address(Name::From, b"A \"q\" \\ \r\nb", b"sip:a@b\r\n", b";tag=1\n");
    printer.cseq(1, b"INVITE");
    printer.finish("application/sdp", b"v=0\r\n");
    let expected = "INVITE sip:a@b SIP/2.0\r\nX-Note: oneInjected: yestwo\r\nFrom: \"A \\\"q\\\" \\\\ b\" <sip:a@b>;tag=1\r\n\
        CSeq: 1 INVITE\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n";
    assert_eq!(String::from_utf8(out).expect("text"), expected);
}

#[test]
fn a_printed_request_reads_back_as_itself() {
    let mut out = b"bytes of another message".to_vec();
    let begin = out.len();
    let mut printer = Printer::request(&mut out, b"UPDATE", b"sip:bo@192.0.2.1:5070");
    printer.line(Name::Via, &[b"SIP/2.0/UDP 192.0.2.2:5060;branch=", b"z9hG4bKx", b";rport"]);
    printer.number(Name::MaxForwards, 69);
    printer.address(Name::From, b"say \"hi\"", b"sip:ana@192.0.2.2", b";tag=t1");
    printer.address(Name::To, b"", b"sip:bo@192.0.2.1", b";tag=t2");
    printer.line(Name::CallId, &[b"abc"]);
    printer.cseq(2_147_483_647, b"UPDATE");
    printer.finish("application/sdp", b"v=0\r\n");
    let message = parse::message(&out[begin..]).expect("our own print");
    assert_eq!(
        message.start(),
        Start::Request { method: Method::Update, method_text: b"UPDATE", uri: b"sip:bo@192.0.2.1:5070" }
    );
    assert_eq!((message.via().branch, message.via().rport), (&b"z9hG4bKx"[..], Some(None)));
    assert_eq!((message.from().tag(), message.to().tag()), (Some(&b"t1"[..]), Some(&b"t2"[..])));
    assert_eq!(message.from().display, br#"say \"hi\""#);
    assert_eq!(
        (message.cseq().number, message.max_forwards(), message.body()),
        (2_147_483_647, Some(69), &b"v=0\r\n"[..])
    );
    assert!(message.is_content_type(b"application/SDP"));
}

fn refused(bytes: &[u8]) -> Option<String> {
    let Flaw { status, reason, .. } = parse::message(bytes).expect_err("a flaw");
    let mut out = b"before".to_vec();
    let said = print::refusal(bytes, status, reason, source("192.0.2.9:4444"), b"mine", &mut out);
    assert!(said || out == b"before", "no answer leaves no bytes");
    said.then(|| String::from_utf8(out[6..].to_vec()).expect("text"))
}

const HEAD: &str = "Via: SIP/2.0/UDP h;branch=b;rport\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: c\r\n";

#[test]
fn a_flawed_request_is_answered_when_its_headers_can_be_found() {
    let text =
        refused(format!("INVITE sip:b@c SIP/7.0\r\n{HEAD}CSeq: 1 INVITE\r\n\r\n").as_bytes()).expect("an answer");
    assert_eq!(
        text,
        "SIP/2.0 505 Version Not Supported\r\nVia: SIP/2.0/UDP h;branch=b;received=192.0.2.9;rport=4444\r\n\
         From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>;tag=mine\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    );
    for (line, rest) in [
        ("INVITE sip:b@c SIP/2.0", "CSeq: 1 INVITE\r\nContent-Length: -1\r\n\r\n"),
        ("INVITE  sip:b@c SIP/2.0", "CSeq: 1 INVITE\r\n\r\n"),
        ("OPTIONS x:y SIP/2.0", "CSeq: 1 OPTIONS\r\n\r\n"),
        ("OPTIONS sip:b@c SIP/2.0", "CSeq: 1 INVITE\r\nbroken\r\n\r\n"),
    ] {
        assert!(refused(format!("{line}\r\n{HEAD}{rest}").as_bytes()).is_some(), "{line} {rest}");
    }
}

#[test]
fn what_must_not_be_answered_gets_silence() {
    for text in [
        format!("SIP/2.0 4294967301 no\r\n{HEAD}CSeq: 1 INVITE\r\n\r\n"),
        format!("ACK sip:b@c SIP/7.0\r\n{HEAD}CSeq: 1 ACK\r\n\r\n"),
        format!("INVITE sip:b@c SIP/2.0\r\n{HEAD}CSeq: 1 ACK\r\n\r\n"),
        "GET / HTTP/1.1\r\nVia: x\r\nFrom: x\r\nTo: x\r\nCall-ID: x\r\nCSeq: 1 GET\r\n\r\n".to_string(),
        "INVITE sip:b@c SIP/7.0\r\nVia: SIP/2.0/UDP h\r\nTo: <sip:b@c>\r\nCall-ID: c\r\n\r\n".to_string(),
        "INVITE sip:b@c SIP/7.0\r\nTo: <sip:b@c>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n".to_string(),
        "\r\n\r\n".to_string(),
        "noise".to_string(),
    ] {
        assert_eq!(refused(text.as_bytes()), None, "{text}");
    }
}
