//! What is printed from a stored request is what is printed from the message itself, without reading it again.

use std::net::SocketAddr;

use sip::dialog::{DIALOG_BYTES_MAX, Dialog, Peer, ROUTES_MAX, Told};
use sip::{Hop, Message, Method, Name, Printer, Stored, Transport, parse};

const SOURCE: &str = "192.0.2.9:4444";

fn request(via: &str, more: &str, to: &str) -> String {
    format!(
        "INVITE sip:bo@example.net SIP/2.0\r\n{via}{more}From: \"Ana\"\r\n <sip:ana@example.com>;tag=1\r\nTo: {to}\r\n\
         Call-ID: c1\r\nCSeq: 7   INVITE\r\nMax-Forwards: 9\r\nContent-Length: 3\r\n\r\nabcdatagram goes on"
    )
}

fn cases() -> Vec<String> {
    let (plain, tagged) = ("<sip:bo@example.net>", "<sip:bo@example.net>;tag=2");
    let many = "Route: <sip:r;lr>, <sip:s;lr>\r\nRecord-Route: <sip:t;lr>\r\n".repeat(12);
    vec![
        request("Via: SIP/2.0/UDP 10.0.0.1:5070;rport;received=9.9.9.9;branch=z9hG4bKtop\r\n", "", plain),
        request("v: SIP/2.0/UDP h;branch=a, SIP/2.0/TCP i;branch=b\r\nVia: SIP/2.0/UDP j\r\n", "", tagged),
        request(
            "Via: SIP/2.0/UDP 192.0.2.9\r\n",
            "Record-Route: <sip:r;lr>,\r\n <sip:s;lr>\r\nRoute: <sip:t;lr>, <sip:u;lr>\r\n",
            plain,
        ),
        request("Via: SIP/2.0/UDP h;branch=a\r\n", &many, plain),
        request("Via: SIP/2.0/UDP h;branch=a\r\n", "Timestamp: 54\r\n", plain),
        request(&"Via: SIP/2.0/UDP h;branch=a\r\n".repeat(40), "", plain),
    ]
}

fn reply(message: &Message<'_>, status: u16) -> Vec<u8> {
    let mut out = b"before".to_vec();
    Printer::reply(&mut out, message, status, "Reason", b"mine", SOURCE.parse().expect("an address")).finish_empty();
    out
}

/// An ACK or CANCEL as it follows from the message.
fn companion(message: &Message<'_>, method: Method) -> Vec<u8> {
    let mut out = Vec::new();
    let mut printer = Printer::request(&mut out, method.as_str().as_bytes(), message.request_uri().expect("a request"));
    printer.line("Via", &[message.via().text]).number("Max-Forwards", 70);
    printer.line("From", &[message.header(Name::From).expect("From")]).line("To", &[b"<sip:x>;tag=y"]);
    printer.line("Call-ID", &[message.call_id()]).cseq(message.cseq().number, method.as_str().as_bytes());
    message.routes().for_each(|route| {
        printer.line("Route", &[route]);
    });
    printer.finish_empty();
    out
}

fn check(stored: &Stored, message: &Message<'_>) {
    assert_eq!(stored.text(), message.text());
    assert_eq!((stored.branch(), stored.call_id()), (message.via().branch, message.call_id()));
    assert_eq!(Some(stored.request_uri()), message.request_uri());
    assert_eq!((Some(stored.from()), Some(stored.to())), (message.header(Name::From), message.header(Name::To)));
    assert_eq!((stored.number(), stored.method()), (message.cseq().number, message.method()));
    assert_eq!(stored.max_forwards(), message.max_forwards());
    assert!(stored.is_branch_of(message));
    for status in [100, 180, 200, 404] {
        let mut out = b"before".to_vec();
        stored.reply(&mut out, status, "Reason", b"mine", SOURCE.parse().expect("an address")).finish_empty();
        assert_eq!(out.escape_ascii().to_string(), reply(message, status).escape_ascii().to_string());
    }
    for method in [Method::Ack, Method::Cancel] {
        let mut out = Vec::new();
        stored.companion(&mut out, method, b"<sip:x>;tag=y").finish_empty();
        assert_eq!(out.escape_ascii().to_string(), companion(message, method).escape_ascii().to_string());
    }
}

#[test]
fn answers_acks_and_cancels_are_the_same_bytes() {
    let mut reused = Stored::with(Vec::with_capacity(8_192));
    let place = reused.text().as_ptr();
    for text in cases() {
        let message = parse::message(text.as_bytes()).expect("a good request");
        reused.fill(&message);
        check(&reused, &message);
        let printed = Stored::printed(format!("\r\n\r\n{text}").into_bytes()).expect("a good request");
        check(&printed, &message);
    }
    let bytes = reused.into_bytes();
    assert_eq!(bytes.as_ptr(), place, "the vector that was lent comes back");
}

#[test]
fn a_request_that_was_shortened_is_known_when_it_comes_again() {
    let long = request(&format!("Via: SIP/2.0/UDP h;branch=z9hG4bK{}\r\n", "7".repeat(60)), "", "<sip:b>");
    for text in cases().into_iter().chain([long]) {
        let message = parse::message(text.as_bytes()).expect("a good request");
        let mut stored = Stored::of(&message);
        let (place, left) = (stored.text().as_ptr(), stored.shorten());
        assert_eq!(left.as_ptr(), place, "its memory is for others");
        assert!(stored.is_branch_of(&message));
        assert_eq!((stored.number(), stored.method()), (message.cseq().number, message.method()));
        assert_eq!(stored.text(), message.via().branch, "nothing else is kept");
    }
}

#[test]
fn answers_go_where_the_request_wants_them() {
    let from = |text: &str| -> Hop { text.parse::<SocketAddr>().expect("an address").into() };
    let stored = |via: &str| Stored::printed(request(via, "", "<sip:b>").into_bytes()).expect("a good request");
    let hop = from("192.0.2.9:4444");
    assert_eq!(stored("Via: SIP/2.0/UDP h:5070;rport\r\n").reply_hop(hop), hop);
    assert_eq!(stored("Via: SIP/2.0/UDP h:5070\r\n").reply_hop(hop), from("192.0.2.9:5070"));
    assert_eq!(stored("Via: SIP/2.0/UDP h\r\n").reply_hop(hop), from("192.0.2.9:5060"));
    let stream = Hop { transport: Transport::Tls, flow: Some(sip::Flow(1)), ..hop };
    assert_eq!(stored("Via: SIP/2.0/TLS h:5070\r\n").reply_hop(stream), stream);
}

#[test]
fn an_empty_one_says_nothing_and_does_no_harm() {
    let (stored, mut out) = (Stored::default(), Vec::new());
    assert_eq!((stored.branch(), stored.call_id(), stored.number()), (&b""[..], &b""[..], 0));
    stored.reply(&mut out, 200, "OK", b"", SOURCE.parse().expect("an address")).finish_empty();
    stored.companion(&mut out, Method::Ack, b"").finish_empty();
    assert!(Stored::printed(b"noise".to_vec()).is_err());
}

/// A dialog whose peer is there, behind these proxies.
fn dialog(target: &str, routes: &[String]) -> Dialog {
    let mut dialog = Dialog::ours(64);
    for (what, text) in [
        (Told::CallId, "c1"),
        (Told::LocalTag, "mine"),
        (Told::LocalUri, "sip:ana@example.com"),
        (Told::LocalDisplay, "\"Ana\""),
        (Told::RemoteUri, "sip:bo@example.net"),
    ] {
        dialog.write(what, |out| out.extend_from_slice(text.as_bytes()));
    }
    dialog.peer = Peer::of(b"theirs", target.as_bytes());
    dialog.peer.routes = routes.iter().map(|route| route.as_bytes().to_vec()).collect();
    dialog
}

#[test]
fn a_request_of_ours_is_marked_as_it_is_read() {
    let loose: Vec<String> = (0..ROUTES_MAX).map(|n| format!("<sip:p{n}.example;lr>")).collect();
    let strict: Vec<String> = loose.iter().map(|route| route.replace(";lr", "")).collect();
    let long = format!("sip:{}@example.net", "b".repeat(DIALOG_BYTES_MAX - 100));
    for (target, routes) in
        [("sip:bo@[2001:db8::7]:5071", &loose[..0]), ("sip:bo@h", &loose), ("sip:bo@h", &strict), (&long, &loose)]
    {
        for own in ["192.0.2.1:5060", "[2001:db8::1]:5060", "[::1]:1", "192.0.2.1:65535", "0.0.0.0:10", "[::]:9999"] {
            for transport in [Transport::Udp, Transport::Tls] {
                let (mut bytes, own) = (Vec::new(), own.parse().expect("an address"));
                let dialog = dialog(target, routes);
                let (printer, marks) = dialog.request_marked(&mut bytes, b"INFO", 2, b"z9hG4bKx", (transport, own), 70);
                printer.finish_empty();
                let stored = Stored::marked(bytes.clone(), &marks);
                check(&stored, &parse::message(&bytes).expect("what we print is a message"));
            }
        }
    }
}

#[test]
fn a_message_of_which_a_dialog_would_keep_too_much_is_too_large() {
    let filler = "X-Long: 1\r\n".repeat(2) + &format!("X-Long: {}\r\n", "x".repeat(3 * DIALOG_BYTES_MAX));
    let read = |more: &str, to: &str| {
        let text = request("Via: SIP/2.0/UDP h;branch=a\r\n", more, to)
            .replace("Length: 3\r\n\r\nabcdatagram goes on", "Length: 0\r\n\r\n");
        parse::message(text.as_bytes()).map(|_| ()).map_err(|flaw| flaw.status)
    };
    assert_eq!(read(&filler, "<sip:bo@h>"), Ok(()), "what is not kept may be long");
    let half = "r".repeat(DIALOG_BYTES_MAX / 2);
    assert_eq!(read(&format!("{filler}Record-Route: <sip:{half};lr>\r\n"), "<sip:bo@h>"), Ok(()));
    for (more, to) in [
        (format!("Record-Route: <sip:{half};lr>\r\nContact: <sip:{half}@h>\r\n"), "<sip:bo@h>".to_owned()),
        (format!("Record-Route: <sip:{half};lr>, <sip:{half};lr>\r\n"), "<sip:bo@h>".to_owned()),
        (format!("Contact: <sip:{half}@h>\r\n"), format!("<sip:bo@h>;tag={half}")),
        (String::new(), format!("<sip:{half}{half}@h>")),
    ] {
        assert_eq!(read(&more, &to), Err(513));
    }
}
