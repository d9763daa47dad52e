//! Descriptions as peers write them, good and bad.

use std::net::{IpAddr, SocketAddr};

use sdp::{Direction, Rewrite, address_refused, parse, rewrite};

const OFFER: &str = "v=0\no=ana 2890844526 2890842807 IN IP4 192.0.2.10\ns=call\nc=IN IP4 192.0.2.10\nt=0 0\na=sendonly\n\
    m=audio 49170 RTP/AVP 8 0 96 101\na=rtpmap:96 opus/48000/2\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\na=ptime:20\na=sendrecv\n\
    m=video 51372 RTP/AVP 99\nc=IN IP6 2001:db8::5\na=rtcp:51400 IN IP6 2001:db8::6\na=rtpmap:99 h264/90000\n\
    m=image 0 udptl t38\n";

fn crlf(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn at(text: &str) -> Option<SocketAddr> {
    Some(text.parse().expect("a socket address"))
}

#[test]
fn rtcp_has_the_family_of_its_rtp() {
    let text = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP6 2001:db8::1\nt=0 0\nm=audio 4000 RTP/AVP 8\n\
                a=rtcp:4009 IN IP4 192.0.2.1\nm=audio 5000 RTP/AVP 8\nc=IN IP4 192.0.2.2\na=rtcp:5009 IN IP4 192.0.2.3\n";
    let bytes = crlf(text);
    let session = parse(&bytes).expect("a good offer");
    assert_eq!(session.rtcp_address(0), at("[2001:db8::1]:4009"), "of an address of the other family its port holds");
    assert_eq!(session.rtcp_address(1), at("192.0.2.3:5009"));
}

#[test]
fn an_offer_tells_where_each_stream_goes() {
    for bytes in [crlf(OFFER), OFFER.as_bytes().to_vec()] {
        let session = parse(&bytes).expect("a good offer");
        assert_eq!((session.origin.session_id, session.origin.version), (2_890_844_526, 2_890_842_807));
        assert_eq!(session.media_count(), 3);
        assert_eq!(session.address(0), at("192.0.2.10:49170"));
        assert_eq!(session.rtcp_address(0), at("192.0.2.10:49171"));
        assert_eq!(session.address(1), at("[2001:db8::5]:51372"));
        assert_eq!(session.rtcp_address(1), at("[2001:db8::6]:51400"));
        assert_eq!((session.address(2), session.rtcp_address(2)), (None, None));
        assert_eq!(session.first_active(), Some(0));
        assert_eq!(session.get(0).map(|media| media.direction), Some(Direction::SendRecv));
        assert_eq!(session.get(1).map(|media| media.direction), Some(Direction::SendOnly));
        assert_eq!(session.codec(0).map(|codec| codec.as_str()), Some("PCMA/8000"));
        let audio = session.get(0).expect("three sections");
        assert_eq!(audio.payload_types().collect::<Vec<_>>(), [8, 0, 96, 101]);
        let opus = audio.rtpmap(96).expect("mapped");
        assert_eq!((opus.name(), opus.clock_hz(), opus.as_str()), (&b"opus"[..], 48_000, "opus/48000/2"));
        assert_eq!((audio.rtpmap(97), audio.rtpmap(99), audio.ptime_ms), (None, None, 20));
        assert_eq!(session.codec(1).map(|codec| codec.as_str()), Some("h264/90000"));
        assert_eq!(session.codec(2), None);
    }
}

#[test]
fn static_payload_types_need_no_map() {
    for (payload_type, name) in
        [(0, "PCMU/8000"), (3, "GSM/8000"), (4, "G723/8000"), (8, "PCMA/8000"), (9, "G722/8000"), (18, "G729/8000")]
    {
        let text = format!("v=0\no=- 1 1 IN IP4 h\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP {payload_type}\n");
        assert_eq!(parse(text.as_bytes()).expect("good").codec(0).map(|codec| codec.as_str()), Some(name));
    }
}

#[test]
fn old_and_later_ways_to_hold_are_seen() {
    let session = |connection: &str, direction: &str| {
        let text = format!("v=0\no=- 1 1 IN IP4 h\nc=IN IP4 {connection}\nm=audio 4000 RTP/AVP 0\na={direction}\n");
        let session = parse(text.as_bytes()).expect("good");
        (session.is_hold(0), session.address(0).is_some())
    };
    assert_eq!(session("192.0.2.1", "sendrecv"), (false, true));
    assert_eq!(session("192.0.2.1", "sendonly"), (true, true));
    assert_eq!(session("192.0.2.1", "inactive"), (true, true));
    assert_eq!(session("192.0.2.1", "recvonly"), (false, true));
    assert_eq!(session("0.0.0.0", "sendrecv"), (true, false));
}

#[test]
fn crafted_descriptions_are_refused() {
    let with = |rest: &str| format!("v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n{rest}");
    let audio = |rest: &str| with(&format!("m=audio 4000 RTP/AVP 0\n{rest}\n"));
    let formats = |count: usize| format!("m=audio 4000 RTP/AVP{}\n", " 0".repeat(count));
    let cases: Vec<(&str, String, u16)> = vec![
        ("empty", String::new(), 400),
        ("no version", "o=- 1 1 IN IP4 h\n".into(), 400),
        ("no origin", "v=0\ns=-\n".into(), 400),
        ("bad origin", "v=0\no=- x 1 IN IP4 h\n".into(), 400),
        ("fmtp without payload type", audio("a=fmtp:"), 400),
        ("fmtp without parameters", audio("a=fmtp:101"), 400),
        ("fmtp of 128", audio("a=fmtp:128 x"), 400),
        ("format above 127", with("m=audio 4000 RTP/AVP 128\n"), 400),
        ("format that is a word", with("m=audio 4000 RTP/SAVP x\n"), 400),
        ("no connection", "v=0\no=- 1 1 IN IP4 h\nm=audio 4000 RTP/AVP 0\n".into(), 400),
        (
            "huge connection",
            format!("v=0\no=- 1 1 IN IP4 h\nc=IN IP4 {}\nm=audio 4000 RTP/AVP 0\n", "1".repeat(8_000)),
            488,
        ),
        ("connection that is a name", audio("c=IN IP4 media.example.com"), 488),
        ("multicast with time to live", audio("c=IN IP4 224.2.1.1/127"), 488),
        ("two connections", audio("c=IN IP4 192.0.2.1\nc=IN IP4 192.0.2.2"), 488),
        ("another network", audio("c=ATM NSAP x"), 400),
        ("17 media lines", with(&formats(1).repeat(17)), 488),
        ("2,500 media lines", with(&formats(1).repeat(2_500)), 488),
        ("65 formats", with(&formats(65)), 488),
        ("no formats", with("m=audio 4000 RTP/AVP\n"), 400),
        ("port above 65535", with("m=audio 65536 RTP/AVP 0\n"), 400),
        ("several ports", with("m=audio 4000/2 RTP/AVP 0\n"), 488),
        ("packetisation time 0", audio("a=ptime:0"), 400),
        ("packetisation time 2^32", audio("a=ptime:4294967296"), 400),
        ("clock 0", audio("a=rtpmap:96 x/0"), 400),
        ("empty clock", audio("a=rtpmap:96 x/"), 400),
        ("rtcp port that is none", audio("a=rtcp:x"), 400),
        ("no line", audio("nonsense"), 400),
        ("NUL", audio("a=x\0y"), 400),
        ("bare CR", audio("a=x\ry"), 400),
        ("empty line inside", audio("\na=x"), 400),
        ("too large", with(&format!("a={}\n", "x".repeat(20_000))), 488),
    ];
    for (name, text, status) in cases {
        assert_eq!(parse(text.as_bytes()).map(|_| ()).map_err(|flaw| flaw.status), Err(status), "{name}");
    }
    for good in [
        &formats(64),
        &formats(1).repeat(16),
        "m=audio 4000 RTP/AVP 0\na=ptime:20.5\na=maxptime:150\n",
        "m=image 5000 udptl t38\na=fmtp:x\n",
    ] {
        assert!(parse(with(good).as_bytes()).is_ok(), "{good}");
    }
}

#[test]
fn a_rewritten_offer_names_us_and_is_else_the_same() {
    let mut out = b"before".to_vec();
    let order = Rewrite {
        address: ip("198.51.100.1"),
        ports: &[20_000, 20_002, 20_004],
        session_id: 7,
        version: 3,
        direct: false,
        events: sdp::Events::Keep,
        crypt: None,
    };
    rewrite(OFFER.as_bytes(), &order, &mut out).expect("a good offer");
    let expected = "beforev=0\no=- 7 3 IN IP4 198.51.100.1\ns=call\nc=IN IP4 198.51.100.1\nt=0 0\na=sendonly\n\
        m=audio 20000 RTP/AVP 8 0 96 101\na=rtpmap:96 opus/48000/2\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\na=ptime:20\na=sendrecv\n\
        m=video 20002 RTP/AVP 99\nc=IN IP4 198.51.100.1\na=rtcp:20003 IN IP4 198.51.100.1\na=rtpmap:99 h264/90000\n\
        m=image 0 udptl t38\n";
    assert_eq!(String::from_utf8(out).expect("text"), expected.replace('\n', "\r\n"));
}

#[test]
fn a_rewritten_offer_leads_nobody_past_us() {
    let text = "v=0\no=ana 1 1 IN IP4 10.9.8.7\ns=-\nc=IN IP4 10.9.8.7\nt=0 0\na=ice-lite\na=rtcp:9\n\
        m=audio 4000 RTP/AVP 0\na=ice-ufrag:x\na=ice-pwd:y\na=candidate:1 1 UDP 1 10.9.8.7 4000 typ host\na=end-of-candidates\n\
        a=rtcp:4000\na=rtcp-mux\na=source-filter: incl IN IP4 * 10.9.8.7\na=altc:1 IP4 10.9.8.7 4000\n";
    let mut out = Vec::new();
    let order = Rewrite {
        address: ip("2001:db8::9"),
        ports: &[30_000],
        session_id: 1,
        version: 1,
        direct: false,
        events: sdp::Events::Keep,
        crypt: None,
    };
    rewrite(text.as_bytes(), &order, &mut out).expect("good");
    let text = String::from_utf8(out).expect("text");
    assert!(!text.contains("10.9.8.7") && !text.contains("ice") && !text.contains("candidate"), "{text}");
    assert!(
        text.contains("c=IN IP6 2001:db8::9\r\n") && text.contains("a=rtcp:30000 IN IP6 2001:db8::9\r\n"),
        "{text}"
    );
}

#[test]
fn a_switched_off_line_and_a_wrong_number_of_ports_are_told_apart() {
    let mut out = Vec::new();
    let order = |ports| Rewrite {
        address: ip("198.51.100.1"),
        ports,
        session_id: 1,
        version: 1,
        direct: false,
        events: sdp::Events::Keep,
        crypt: None,
    };
    rewrite(OFFER.as_bytes(), &order(&[0, 20_002, 0]), &mut out).expect("good");
    let session = parse(&out).expect("our own print");
    assert_eq!((session.address(0), session.first_active()), (None, Some(1)));
    out.clear();
    assert_eq!(rewrite(OFFER.as_bytes(), &order(&[1]), &mut out).map_err(|flaw| flaw.status), Err(488));
    assert!(out.is_empty());
}

#[test]
fn media_is_never_sent_to_ourselves_to_everybody_or_to_nobody() {
    let own = [ip("198.51.100.1"), ip("2001:db8::1")];
    for refused in [
        "198.51.100.1",
        "::ffff:198.51.100.1",
        "2001:db8::1",
        "224.0.0.1",
        "239.255.255.255",
        "255.255.255.255",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "ff02::1",
        "::ffff:224.0.0.1",
    ] {
        assert!(address_refused(ip(refused), &own), "{refused}");
    }
    for fine in ["127.0.0.1", "::1", "192.0.2.1", "10.0.0.1", "2001:db8::2"] {
        assert!(!address_refused(ip(fine), &own), "{fine}");
    }
}
