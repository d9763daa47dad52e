//! Messages come out of a stream whole, however it was cut.

use sip::stream::{Frame, Framer};

const HEAD: &str = "MESSAGE sip:b@c SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=b\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\n";

fn frames(bytes: &[u8], step: usize) -> Vec<String> {
    let (mut framer, mut held, mut seen) = (Framer::new(), Vec::new(), Vec::new());
    for piece in bytes.chunks(step) {
        held.extend_from_slice(piece);
        loop {
            let length = match framer.next(&held).expect("a good stream") {
                Frame::More => break,
                Frame::Ping { length } => {
                    seen.push("ping".to_string());
                    length
                }
                Frame::Skip { length } => length,
                Frame::Message { length } => {
                    let message = sip::parse::message(&held[..length]).expect("a good message");
                    seen.push(String::from_utf8(message.body().to_vec()).expect("text"));
                    length
                }
            };
            held.drain(..length);
        }
    }
    assert!(held.is_empty(), "{held:?}");
    assert!(!framer.is_inside());
    seen
}

#[test]
fn a_stream_cut_anywhere_gives_the_same_messages() {
    let text = format!(
        "\r\n\r\n{HEAD}Content-Length: 5\r\n\r\none\r\n{HEAD}l: 0\r\n\r\n{HEAD}Content-Length : 3\r\n\r\ntwo\r\n\r\n"
    );
    for step in 1..text.len() {
        let seen = frames(text.as_bytes(), step);
        assert_eq!(seen, ["ping", "one\r\n", "", "two", "ping"], "cut every {step} bytes");
    }
}

#[test]
fn a_stream_whose_next_message_cannot_be_found_is_a_flaw() {
    let flaw = |text: String| Framer::new().next(text.as_bytes()).expect_err("a flaw").status;
    assert_eq!(flaw(format!("{HEAD}\r\n")), 400);
    assert_eq!(flaw(format!("{HEAD}Content-Length: -5\r\n\r\n")), 400);
    assert_eq!(flaw(format!("{HEAD}Content-Length: 1\r\nl: 1\r\n\r\n")), 400);
    assert_eq!(flaw(format!("{HEAD}Content-Length: 999999999\r\n\r\n")), 513);
    assert_eq!(flaw("x".repeat(70_000)), 513);
}

#[test]
fn slow_headers_are_told_as_inside_a_message() {
    let mut framer = Framer::new();
    assert!(!framer.is_inside());
    assert_eq!(framer.next(b"INVITE sip:a"), Ok(Frame::More));
    assert!(framer.is_inside());
}
