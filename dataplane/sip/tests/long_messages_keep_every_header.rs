//! A message has more headers than the table that moves with it: those beyond are found all the same.

use sip::{Name, parse};

/// A request with that many headers in all; the last ones are those that every message must have.
fn request(headers: usize) -> String {
    let rest = [
        "Via: SIP/2.0/UDP low",
        "To: <sip:b@c>",
        "Call-ID: c",
        "CSeq: 1 OPTIONS",
        "From: <sip:a@b>;tag=1",
        "Reason: last",
    ];
    let filler =
        |at: usize| if at.is_multiple_of(2) { format!("X-{at}: {at}\r\n") } else { format!("Reason: {at}\r\n") };
    let more: String = (0..headers - rest.len()).map(filler).collect();
    format!("OPTIONS sip:b@c SIP/2.0\r\n{more}{}\r\n\r\nbody", rest.join("\r\n"))
}

#[test]
fn headers_are_found_wherever_they_stand() {
    for count in [6, 31, 32, 33, 38, 64, 96] {
        let text = request(count);
        let message = parse::message(text.as_bytes()).expect("not too many headers");
        let lines: Vec<&str> = text.lines().skip(1).take_while(|line| !line.is_empty()).collect();
        let read: Vec<String> = message
            .all()
            .map(|(name, _, value)| format!("{}: {}", name.escape_ascii(), value.escape_ascii()))
            .collect();
        assert_eq!(read, lines);
        let reasons: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("Reason: ")).collect();
        assert!(message.headers(Name::Reason).eq(reasons.iter().map(|reason| reason.as_bytes())), "{count}");
        assert_eq!(
            (message.call_id(), message.via().host, message.from().tag()),
            (&b"c"[..], &b"low"[..], Some(&b"1"[..]))
        );
        assert_eq!(message.header(Name::Subject), None);
        if count > 6 {
            let last = (count - 7) & !1;
            assert_eq!(message.header_named(format!("x-{last}").as_bytes()), Some(last.to_string().as_bytes()));
        }
    }
}

#[test]
fn twins_are_found_wherever_they_stand() {
    for count in [10, 32, 33, 34, 90] {
        let twice = request(count).replace("Reason: last", "Reason: last\r\nTo: <sip:b@c>");
        assert_eq!(parse::message(twice.as_bytes()).map_err(|flaw| flaw.reason).err(), Some("Header Stands Twice"));
        let first = request(count).replacen("SIP/2.0\r\n", "SIP/2.0\r\nt: <sip:b@c>\r\n", 1);
        assert_eq!(parse::message(first.as_bytes()).map_err(|flaw| flaw.reason).err(), Some("Header Stands Twice"));
    }
    assert_eq!(parse::message(request(97).as_bytes()).map_err(|flaw| flaw.status).err(), Some(513));
}
