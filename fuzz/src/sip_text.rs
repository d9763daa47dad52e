//! SIP as text: messages, connections, addresses.

use std::net::SocketAddr;

use sip::print::refusal;
use sip::stream::{Frame, Framer};
use sip::{Address, Message, Name, Printer, Uri, parse};

/// The messages of RFC 4475 and RFC 5118, and some of our own.
pub fn messages() -> Vec<Vec<u8>> {
    let files = [
        include_str!("../../dataplane/shard/tests/torture/rfc4475.txt"),
        include_str!("../../dataplane/shard/tests/torture/rfc5118.txt"),
    ];
    let own = ["INVITE", "BYE"].map(|method| request(method).into_bytes());
    let cut = files
        .iter()
        .flat_map(|file| file.split("\n=== ").skip(1))
        .filter_map(|part| part.split_once("\n"))
        .map(|(_, text)| text.replace('\n', "\r\n").into_bytes());
    cut.chain(own).chain([ANSWER.as_bytes().to_vec()]).collect()
}

fn request(method: &str) -> String {
    format!(
        "{method} sip:442079460000@127.0.0.1;user=phone SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport, \
         SIP/2.0/TCP [2001:db8::1];branch=z9hG4bK0\r\nMax-Forwards: 70\r\nFrom: \"A \\\"b\\\" ü\" <sip:1646@192.0.2.1>;tag=a\r\n\
         To: <sip:442079460000@127.0.0.1>\r\nCall-ID: 1@192.0.2.1\r\nCSeq: 1 {method}\r\nContact: <sip:1646@192.0.2.1;lr>;q=0.5\r\n\
         Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nReason: Q.850;cause=16\r\nSubject: a\r\n b\r\nContent-Type: application/sdp\r\n\
         Content-Length: 5\r\n\r\nv=0\r\n"
    )
}

const ANSWER: &str = "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx;received=192.0.2.1;rport=5060\r\n\
    f: <sip:1646@192.0.2.1>;tag=a\r\nt: <tel:+44-20;phone-context=+1>;tag=b\r\ni: 1@192.0.2.1\r\nCSeq: 1 INVITE\r\n\
    m: <sip:c@[::1]:5070;transport=tcp>\r\nl: 0\r\n\r\n";

/// What is accepted can be asked for everything; what we print about it is accepted too.
pub fn message(bytes: &[u8]) {
    let source = SocketAddr::from(([192, 0, 2, 1], 5_060));
    let mut out = Vec::new();
    match parse::message(bytes) {
        Ok(message) => {
            asked_for_everything(&message);
            if message.is_request() {
                Printer::reply(&mut out, &message, 486, "Busy Here", b"tag", source).finish_empty();
                let answer = parse::message(&out);
                assert!(answer.is_ok(), "our own answer: {answer:?}\n{}", String::from_utf8_lossy(&out));
            }
        }
        Err(flaw) => {
            if refusal(bytes, flaw.status, flaw.reason, source, b"tag", &mut out) {
                assert!(out.starts_with(b"SIP/2.0 ") && out.ends_with(b"\r\n\r\n"), "a refusal is a response");
                assert!(out.len() <= bytes.len() + 1_024, "a refusal is not much longer than what it refuses");
            }
        }
    }
}

fn asked_for_everything(message: &Message<'_>) {
    let _ = (message.start(), message.method(), message.status(), message.call_id(), message.cseq(), message.via());
    let _ = (message.from().tag(), message.to().tag(), message.from().uri().ok(), message.to().uri().ok());
    let _ = (message.contact().map(|contact| contact.uri().ok().and_then(|uri| uri.number())), message.max_forwards());
    let _ = (message.content_type(), message.contact_is_star(), message.number(Name::Expires, u64::MAX).ok());
    let _ = message.request_uri().and_then(|uri| Uri::parse(uri).ok()).and_then(|uri| uri.number());
    assert!(message.vias().count() >= 1, "a message has a Via");
    let counted = message.routes().count() + message.record_routes().count() + message.list(Name::Require).count();
    assert!(counted <= message.text().len(), "lists end");
    message.all().for_each(|(label, _, value)| assert!(label.len() + value.len() <= message.text().len()));
    assert!(message.body().len() <= message.text().len(), "a body is within its message");
    let kind = message.content_type().unwrap_or(b"");
    if let Ok(Some(part)) = sip::multipart::sdp(kind, message.body()) {
        assert!(part.len() <= message.body().len(), "a part is within its body");
    }
}

/// Connections: whole messages, keep-alives, a first byte that says how they are cut.
pub fn streams() -> Vec<Vec<u8>> {
    let (first, second) = (request("INVITE"), request("BYE"));
    let several = [b"\x07".as_slice(), first.as_bytes(), b"\r\n\r\n", second.as_bytes(), ANSWER.as_bytes()];
    vec![several.concat(), [b"\x01\r\n".as_slice(), ANSWER.as_bytes()].concat()]
}

/// The same messages come out whether the bytes come at once or in pieces.
pub fn stream(bytes: &[u8]) {
    let Some((step, bytes)) = bytes.split_first() else { return };
    let whole = framed(bytes, bytes.len().max(1));
    let pieces = framed(bytes, 1 + usize::from(*step));
    assert_eq!(whole, pieces, "how the bytes are cut changes nothing");
}

/// The lengths of a connection's messages, and whether a flaw ended it, when its bytes come `step` at a time.
fn framed(bytes: &[u8], step: usize) -> (Vec<usize>, bool) {
    let (mut framer, mut messages, mut taken) = (Framer::new(), Vec::new(), 0);
    for end in (step..bytes.len() + step).step_by(step) {
        loop {
            let waiting = &bytes[taken..end.min(bytes.len())];
            let length = match framer.next(waiting) {
                Ok(Frame::More) => break,
                // CRLF CRLF is one ping or two empty lines, as it comes: only messages count.
                Ok(Frame::Ping { length } | Frame::Skip { length }) => length,
                Ok(Frame::Message { length }) => {
                    messages.push(length);
                    length
                }
                Err(_) => return (messages, true),
            };
            assert!(length > 0 && length <= waiting.len(), "a frame has bytes and no more than there are");
            taken += length;
        }
    }
    (messages, false)
}

/// URIs and name-addresses.
pub fn addresses() -> Vec<Vec<u8>> {
    let texts = [
        "sip:alice;day=tue@atlanta.com:5060;transport=tcp?to=sip:bob%40biloxi.com",
        "<sip:+44-20-7946;phone-context=x@[2001:db8::9:1]:5060;user=phone>;tag=1;x=\"a;b\"",
        "\"Wat \\\"son\\\", J\" <tel:+1-201-555-0123;ext=5>;tag=a48s",
        "sips:1.2.3.4",
        "tel:7042;phone-context=example.com",
        "Anonymous <sip:anonymous@anonymous.invalid>",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

/// Parts of a URI are parts of the whole.
pub fn address(bytes: &[u8]) {
    if let Ok(uri) = Uri::parse(bytes) {
        let _ = (uri.address(), uri.number(), uri.param(b"lr"), uri.param(b"transport"));
    }
    if let Ok(address) = Address::parse(bytes) {
        let _ = (address.tag(), address.param(b"tag"), address.uri().map(|uri| uri.number()).ok());
    }
    if let Ok((host, _)) = sip::uri::host_port(bytes) {
        assert!(host.len() <= bytes.len());
        let _ = sip::uri::host_address(host);
    }
}
