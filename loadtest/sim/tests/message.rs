//! What the oracle's templates write, its reader reads.

use std::net::SocketAddr;

use sim::message::{Request, branch_of, media_address, read, request, response, sdp, tag_of, user_of};

#[test]
fn what_is_written_is_read_back() {
    let local = "127.0.1.1:40000";
    let body = sdp("127.0.1.1:41000".parse().expect("an address"));
    let ask = Request {
        method: "INVITE",
        uri: "sip:4420@127.0.0.1:5060",
        local,
        branch: "7",
        from: "\"x\" <sip:1646@127.0.1.1>;tag=abc",
        to: "<sip:4420@127.0.0.1>",
        call_id: "7-1",
        cseq: 1,
        routes: "",
        body: &body,
    };
    let mut bytes = String::new();
    request(&mut bytes, &ask);
    let seen = read(bytes.as_bytes()).expect("our own request");
    assert_eq!((seen.method, seen.call_id, seen.cseq, seen.status), ("INVITE", "7-1", 1, 0));
    assert_eq!((user_of(seen.from), tag_of(seen.from), branch_of(seen.vias[0])), ("1646", "abc", "z9hG4bK7"));
    assert_eq!(media_address(seen.body), Some("127.0.1.1:41000".parse().expect("an address")));
    let mut answer = String::new();
    response(&mut answer, &seen, 200, "t2", local, "");
    let back = read(answer.as_bytes()).expect("our own response");
    assert_eq!((back.status, back.method, tag_of(back.to), back.contact), (200, "INVITE", "t2", "sip:127.0.1.1:40000"));
}

#[test]
fn numbers_and_addresses_are_written_as_everybody_writes_them() {
    for at in ["127.0.1.1:5060", "10.255.0.9:65535", "[::1]:5060", "[2001:db8::7]:1"] {
        let local: SocketAddr = at.parse().expect("an address");
        for cseq in [0, 7, 10, 4_294_967_295] {
            let (uri, call_id) = ("sip:a@b", "c");
            let body = sdp(local);
            let ask = Request {
                method: "INVITE",
                uri,
                local: at,
                branch: "7",
                from: "<sip:x@y>",
                to: "<sip:a@b>",
                call_id,
                cseq,
                routes: "",
                body: &body,
            };
            let mut bytes = String::new();
            request(&mut bytes, &ask);
            for wanted in [
                format!("Via: SIP/2.0/UDP {at};branch"),
                format!("CSeq: {cseq} INVITE\r\n"),
                format!("Contact: <sip:{at}>\r\n"),
                format!("Content-Length: {}\r\n\r\nv=0", body.len()),
                format!("c=IN IP{} {}\r\n", if local.is_ipv4() { 4 } else { 6 }, local.ip()),
            ] {
                assert!(bytes.contains(&wanted), "{wanted} in {bytes}");
            }
        }
    }
}

#[test]
fn rubbish_is_not_read() {
    for bytes in [&b""[..], b"\r\n\r\n", b"SIP/2.0 x\r\n\r\n", b"INVITE\r\n\r\n", b"\xff\xfe\r\n\r\n"] {
        assert!(read(bytes).is_none());
    }
}
