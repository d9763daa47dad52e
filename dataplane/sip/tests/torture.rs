//! The shapes of RFC 4475 and RFC 5118, each written anew, and the verdict of the message layer on them.

use sip::FlawKind::{self, Header, Length, Mismatch, Missing, Scheme, StartLine, Twin, Version};
use sip::{Method, Start, parse};

/// A request that has nothing wrong, with places to put something wrong into.
fn request(line: &str, via: &str, from_to: &str, rest: &str, body: &str) -> Vec<u8> {
    let text = format!("{line}\n{via}\n{from_to}\nCall-ID: one@192.0.2.7\n{rest}\n\n{body}");
    text.replace('\n', "\r\n").into_bytes()
}

const VIA: &str = "Via: SIP/2.0/UDP 192.0.2.7:5070;branch=z9hG4bKcase";
const FROM_TO: &str = "From: <sip:ana@example.com>;tag=1\nTo: <sip:bo@example.net>\nMax-Forwards: 70";
const CSEQ: &str = "CSeq: 1 INVITE\nContent-Length: 0";
const LINE: &str = "INVITE sip:bo@example.net SIP/2.0";

/// A name, then the parts of the request.
type Case = (&'static str, [&'static str; 4]);

const LEGAL: &[Case] = &[
    ("esc01", ["INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0", VIA, FROM_TO, CSEQ]),
    (
        "escnull",
        [
            "REGISTER sip:example.com SIP/2.0",
            VIA,
            "From: sip:null-%00-null@example.com;tag=8\nTo: sip:null-%00-null@example.com",
            "CSeq: 1 REGISTER\nContact: <sip:%00%00@host5.example.com>\nl: 0",
        ],
    ),
    ("esc02", ["RE%47IST%45R sip:registrar.example.com SIP/2.0", VIA, FROM_TO, "CSeq: 29344 RE%47IST%45R\nl: 0"]),
    ("lwsdisp", [LINE, VIA, "From: caller<sip:caller@example.com>;tag=323\nTo: sip:user@example.com", CSEQ]),
    ("semiuri", ["INVITE sip:user;par=u%40example.net@example.com SIP/2.0", VIA, FROM_TO, CSEQ]),
    (
        "transports",
        [
            LINE,
            "Via: SIP/2.0/SCTP t1.example.com;branch=z9hG4bKa\nVia: SIP/2.0/UNKNOWN t2.example.com;branch=z9hG4bKb,SIP/2.0/TLS t3;branch=c",
            FROM_TO,
            CSEQ,
        ],
    ),
    ("badbranch", [LINE, "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK", FROM_TO, CSEQ]),
    (
        "inv2543",
        [
            "INVITE sip:UserB@example.com SIP/2.0",
            "Via: SIP/2.0/UDP iftgw.example.com",
            "From: <sip:+13035551111@ift.example.net;user=phone>\nTo: sip:+16505552222@ss1.example.net;user=phone",
            "CSeq: 56 INVITE",
        ],
    ),
    (
        "badaspec",
        [
            LINE,
            VIA,
            "From: \"Bell, Alexander\" < sip:a@example.com >;tag=43\nTo: \"Watson, T\" < sip:t@example.org >",
            CSEQ,
        ],
    ),
    ("zeromf", [LINE, VIA, "From: <sip:a@example.com>;tag=1\nTo: <sip:b@example.com>\nMax-Forwards: 0", CSEQ]),
    ("invut", [LINE, VIA, FROM_TO, "CSeq: 1 INVITE\nContent-Type: application/unknownformat\nContent-Length: 0"]),
    ("tel", ["INVITE tel:+1-201-555-0123 SIP/2.0", VIA, FROM_TO, CSEQ]),
    (
        "ipv6-good",
        [
            "INVITE sip:bo@[2001:db8::10] SIP/2.0",
            "Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3",
            FROM_TO,
            CSEQ,
        ],
    ),
    ("port-ambiguous", ["INVITE sip:[2001:db8::10:5070] SIP/2.0", VIA, FROM_TO, CSEQ]),
    ("port-unambiguous", ["INVITE sip:[2001:db8::10]:5070 SIP/2.0", VIA, FROM_TO, CSEQ]),
    (
        "received with delim",
        [LINE, "Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111", FROM_TO, CSEQ],
    ),
    (
        "received no delim",
        [LINE, "Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3", FROM_TO, CSEQ],
    ),
    ("ipv4-mapped", [LINE, "Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19", FROM_TO, CSEQ]),
];

/// The same with status and kind of the flaw.
const BROKEN: &[(&str, [&str; 4], u16, FlawKind)] = &[
    ("badinv01", [LINE, "Via: SIP/2.0/UDP 192.0.2.15;;,;,,", FROM_TO, CSEQ], 400, Header),
    ("clerr", [LINE, VIA, FROM_TO, "CSeq: 1 INVITE\nContent-Length: 9999"], 400, Length),
    ("ncl", [LINE, VIA, FROM_TO, "CSeq: 1 INVITE\nContent-Length: -999"], 400, Length),
    ("scalar02 CSeq", [LINE, VIA, FROM_TO, "CSeq: 36893488147419103232 INVITE"], 400, Header),
    ("scalar02 2^31", [LINE, VIA, FROM_TO, "CSeq: 2147483648 INVITE"], 400, Header),
    (
        "scalar02 Max-Forwards",
        [LINE, VIA, "From: <sip:a@b>;tag=1\nTo: <sip:b@c>\nMax-Forwards: 300", CSEQ],
        400,
        Header,
    ),
    ("quotbal", [LINE, VIA, "From: <sip:a@b>;tag=1\nTo: \"Mr. J. User <sip:j.user@example.com>", CSEQ], 400, Header),
    ("ltgtruri", ["INVITE <sip:user@example.com> SIP/2.0", VIA, FROM_TO, CSEQ], 400, Header),
    ("lwsruri", ["INVITE sip:user@example.com; lr SIP/2.0", VIA, FROM_TO, CSEQ], 400, StartLine),
    ("lwsstart", ["INVITE  sip:user@example.com  SIP/2.0", VIA, FROM_TO, CSEQ], 400, StartLine),
    ("trws", ["INVITE sip:user@example.com SIP/2.0  ", VIA, FROM_TO, CSEQ], 400, StartLine),
    ("badvers", ["INVITE sip:bo@example.net SIP/7.0", VIA, FROM_TO, CSEQ], 505, Version),
    ("mismatch01", ["OPTIONS sip:bo@example.net SIP/2.0", VIA, FROM_TO, CSEQ], 400, Mismatch),
    ("mismatch02", ["NEWMETHOD sip:bo@example.net SIP/2.0", VIA, FROM_TO, CSEQ], 400, Mismatch),
    ("insuf", [LINE, VIA, "Max-Forwards: 70", CSEQ], 400, Missing),
    ("no Via", [LINE, "Subject: none", FROM_TO, CSEQ], 400, Missing),
    ("no CSeq", [LINE, VIA, FROM_TO, "Content-Length: 0"], 400, Missing),
    ("multi01 From", [LINE, VIA, FROM_TO, "f: <sip:c@d>;tag=2\nCSeq: 1 INVITE"], 400, Twin),
    ("multi01 CSeq", [LINE, VIA, FROM_TO, "CSeq: 1 INVITE\nCSeq: 2 INVITE"], 400, Twin),
    ("multi01 Call-ID", [LINE, VIA, FROM_TO, "i: two\nCSeq: 1 INVITE"], 400, Twin),
    ("mcl01", [LINE, VIA, FROM_TO, "CSeq: 1 INVITE\nContent-Length: 0\nl: 0"], 400, Twin),
    (
        "unksm2",
        [
            "REGISTER sip:example.com SIP/2.0",
            VIA,
            "From: <http://www.example.com>;tag=3\nTo: isbn:2983792873",
            "CSeq: 1 REGISTER",
        ],
        400,
        Header,
    ),
    (
        "unkscm",
        ["OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0", VIA, FROM_TO, "CSeq: 1 OPTIONS"],
        416,
        Scheme,
    ),
    ("novelsc", ["OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0", VIA, FROM_TO, "CSeq: 1 OPTIONS"], 416, Scheme),
    ("ipv6-bad", ["REGISTER sip:2001:db8::10 SIP/2.0", VIA, FROM_TO, "CSeq: 1 REGISTER"], 400, Header),
    ("bigcode", ["SIP/2.0 4294967301 better not break the receiver", VIA, FROM_TO, CSEQ], 400, StartLine),
    ("space before the first header", ["INVITE sip:bo@example.net SIP/2.0\n folded", VIA, FROM_TO, CSEQ], 400, Header),
    ("header without colon", [LINE, VIA, FROM_TO, "nonsense\nCSeq: 1 INVITE"], 400, Header),
    (
        "two branches",
        [LINE, "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKcase;branch=z9hG4bKother", FROM_TO, CSEQ],
        400,
        Twin,
    ),
    ("empty branch", [LINE, "Via: SIP/2.0/UDP h;branch=", FROM_TO, CSEQ], 400, Header),
    ("branch with a space", [LINE, "Via: SIP/2.0/UDP h;branch=a b", FROM_TO, CSEQ], 400, Header),
    ("two tags", [LINE, VIA, "From: <sip:a@b>;tag=1;tag=2\nTo: <sip:b@c>", CSEQ], 400, Header),
    ("no SIP", ["GET / HTTP/1.1", VIA, FROM_TO, CSEQ], 400, StartLine),
];

fn verdict(bytes: &[u8]) -> Result<(), (u16, FlawKind)> {
    parse::message(bytes).map(|_| ()).map_err(|flaw| (flaw.status, flaw.kind))
}

fn check(name: &str, bytes: &[u8], expected: Result<(), (u16, FlawKind)>) {
    assert_eq!(verdict(bytes), expected, "{name}");
}

#[test]
fn spread_out_and_folded_headers_are_read_as_if_they_were_not() {
    let text = "INVITE sip:bo@example.net;unknown SIP/2.0\nTO :\n sip:bo@example.net ;   tag    = 1918\n\
        from   : \"A. Name \\\"\\\\\\\"\"       <sip:ana@example.com>\n  ;\n  tag = 98asjd8\n\
        MaX-fOrWaRdS: 0068\nCall-ID  : wsinv.1@192.0.2.1\nContent-Length   : 3\ncseq: 0009\n  INVITE\n\
        Via  : SIP  /   2.0\n /UDP\n    192.0.2.2 : 5062;branch=390skdjuw\ns :\nNewFangledHeader:   value\n more\n\
        UnknownHeader: ;;,,;;,;\nv:  SIP  / 2.0  / TCP     spindle.example.com   ;\n  branch  =   z9hG4bK9ik8  ,\n \
        SIP  /    2.0   / UDP  192.168.255.111   ; branch=\n z9hG4bK30239\nm:\"Q \\\"\\\"\" <sip:ana@example.com> ; \
        newparam =\n      newvalue ;\n  secondparam ; q = 0.33\n\nabcdef";
    let bytes = text.replace('\n', "\r\n").into_bytes();
    let message = parse::message(&bytes).expect("folds are legal");
    assert_eq!(message.method(), Method::Invite);
    assert_eq!(message.to().tag(), Some(&b"1918"[..]));
    assert_eq!(message.from().tag(), Some(&b"98asjd8"[..]));
    assert_eq!(message.from().display, br#"A. Name \"\\\""#);
    assert_eq!(message.max_forwards(), Some(68));
    assert_eq!(message.cseq().number, 9);
    assert_eq!(message.call_id(), b"wsinv.1@192.0.2.1");
    assert_eq!(message.body(), b"abc");
    let via = message.via();
    assert_eq!(
        (via.transport, via.host, via.port, via.branch),
        (&b"UDP"[..], &b"192.0.2.2"[..], Some(5062), &b"390skdjuw"[..])
    );
    assert_eq!(message.vias().count(), 3);
    let last = sip::Via::parse(message.vias().last().expect("three")).expect("a good element");
    assert_eq!((last.host, last.branch), (&b"192.168.255.111"[..], &b"z9hG4bK30239"[..]));
    let contact = message.contact().expect("m is Contact");
    assert_eq!(contact.param(b"q"), Some(Some(&b"0.33"[..])));
    assert_eq!(contact.param(b"secondparam"), Some(None));
}

#[test]
fn every_odd_character_that_a_token_may_have_is_taken() {
    let odd = b"!interesting-Method0123456789_*+`.%indeed'~ sip:1_odd.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,\
        weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0\r\nVia: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~\r\n\
        To: \"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7F\" <sip:1_odd.URI~(to-be!sure)@example.com>\r\n\
        From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"\xD1\x80\";tag=_token~1'+`*%!-.\r\n\
        Call-ID: odd.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\r\nCSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~\r\n\
        Max-Forwards: 255\r\nextensionHeader-!.%*+_`'~: \xEF\xBB\xBF\xE5\xA4\xA7\r\nContent-Length: 0\r\n\r\n";
    let message = parse::message(odd).expect("intmeth is legal");
    assert_eq!(message.method(), Method::Other);
    assert_eq!(message.from().tag(), Some(&b"_token~1'+`*%!-."[..]));
    assert!(message.header_named(b"ExtensionHeader-!.%*+_`'~").is_some());
}

#[test]
fn unusual_but_legal_requests_are_accepted() {
    for (name, [line, via, from_to, rest]) in LEGAL {
        check(name, &request(line, via, from_to, rest, ""), Ok(()));
    }
}

#[test]
fn what_rfc_4475_calls_invalid_is_refused_with_its_status() {
    for (name, [line, via, from_to, rest], status, kind) in BROKEN {
        check(name, &request(line, via, from_to, rest, ""), Err((*status, *kind)));
    }
}

#[test]
fn a_bare_line_end_cannot_smuggle_a_header() {
    for end in ["\n", "\r", "\0\n"] {
        let text = request(LINE, VIA, FROM_TO, "Subject: a|Route: <sip:evil>\nCSeq: 1 INVITE", "");
        let bytes = String::from_utf8(text).expect("text").replace('|', end).into_bytes();
        check("bare line end", &bytes, Err((400, Header)));
    }
}

#[test]
fn responses_are_read_with_any_reason() {
    for (line, status, reason) in [
        ("SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять", 200, "= 2**3 * 5**2 но сто девяносто девять"),
        ("SIP/2.0 100 ", 100, ""),
        ("SIP/2.0 100", 100, ""),
        ("SIP/2.0 699 x", 699, "x"),
    ] {
        let bytes = request(line, VIA, FROM_TO, CSEQ, "");
        let message = parse::message(&bytes).expect("a response");
        assert_eq!(message.start(), Start::Response { status, reason: reason.as_bytes() });
        assert_eq!((message.is_request(), message.status(), message.method()), (false, Some(status), Method::Invite));
    }
    for line in ["SIP/2.0 099 x", "SIP/2.0 700 x", "SIP/2.0 20 x", "SIP/2.0 2000", "SIP/2.0 200x"] {
        assert!(parse::message(&request(line, VIA, FROM_TO, CSEQ, "")).is_err(), "{line}");
    }
}

#[test]
fn one_datagram_holds_one_message() {
    let mut bytes = request(LINE, VIA, FROM_TO, "CSeq: 1 INVITE\nContent-Length: 3", "abc");
    let length = bytes.len();
    bytes.extend_from_slice(&request(LINE, VIA, FROM_TO, CSEQ, ""));
    let message = parse::message(&bytes).expect("dblreq");
    assert_eq!((message.body(), message.text().len()), (&b"abc"[..], length));
}

#[test]
fn keep_alives_and_floods_of_headers_have_their_own_verdict() {
    for bytes in [&b""[..], b"\r\n", b"\r\n\r\n"] {
        check("keep-alive", bytes, Err((400, FlawKind::KeepAlive)));
    }
    let many = "X-Pad: 1\n".repeat(96);
    check("too many", &request(LINE, VIA, FROM_TO, &format!("{many}{CSEQ}"), ""), Err((513, FlawKind::Bound)));
    check("too large", &vec![b'x'; 65_536], Err((513, FlawKind::Bound)));
}

#[test]
fn numbers_come_out_of_uris_unescaped_or_not_at_all() {
    let cases: &[(&str, Option<&str>)] = &[
        ("sip:37060011111@example.com", Some("37060011111")),
        ("sip:+37060011111:secret@example.com:5080", Some("+37060011111")),
        ("sip:%2B370;npdi;rn=1@example.com", Some("+370")),
        ("sip:1%00@example.com", None),
        ("sip:1%0d%0aVia:@example.com", None),
        ("sip:1%2@example.com", None),
        ("sip:1%zz@example.com", None),
        ("sip:a%20b@example.com", None),
        ("sip:example.com", None),
        ("tel:+1-(201).555-0123;phone-context=+1", Some("+12015550123")),
        // RFC 3966 §5.1.5: a local number is none of the country that its digits happen to name.
        ("tel:7042;phone-context=+44", Some("+447042")),
        ("tel:863-1234;isub=1;phone-context=+1-914-555", Some("+19145558631234")),
        ("tel:7042;PHONE-CONTEXT=%2b44", Some("+447042")),
        ("sip:7042;phone-context=+44@example.com;user=phone", Some("+447042")),
        ("sip:7042;phone-context=+44@example.com", Some("+447042")),
        ("tel:7042;phone-context=example.com", Some("7042")),
        ("tel:7042;phone-context=+44%zz", None),
        ("tel:7042;phone-context=+44x", None),
        ("sip:7042@example.com;phone-context=+44", Some("7042")),
        ("sip:+1-201@example.com;user=phone", Some("+1201")),
        ("sip:44-7700.900-123@example.com", Some("447700900123")),
        ("sip:+44%2D7700;x=1@example.com", Some("+447700")),
        ("sip:a.b-c@example.com", Some("a.b-c")),
        ("sip:-1@example.com", Some("-1")),
        ("sip:1-a@example.com", Some("1-a")),
        ("sips:%E2%82%AC@example.com", Some("\u{20ac}")),
    ];
    for (text, expected) in cases {
        let uri = sip::Uri::parse(text.as_bytes()).expect(text);
        assert_eq!(uri.number().as_ref().map(|number| number.as_bytes()), expected.map(str::as_bytes), "{text}");
    }
    let long = format!("sip:{}@example.com", "1".repeat(65));
    assert_eq!(sip::Uri::parse(long.as_bytes()).expect("a URI").number(), None);
}

#[test]
fn uris_give_host_port_and_parameters() {
    let uri = sip::Uri::parse(b"sip:bo;x=1:pw@[2001:db8::1]:5070;transport=udp;lr?Subject=hi").expect("a URI");
    assert_eq!((uri.user, uri.host, uri.port), (&b"bo;x=1"[..], &b"2001:db8::1"[..], Some(5070)));
    assert_eq!(uri.address(), "2001:db8::1".parse().ok());
    assert_eq!(
        (uri.param(b"TRANSPORT"), uri.param(b"lr"), uri.param(b"maddr")),
        (Some(Some(&b"udp"[..])), Some(None), None)
    );
    assert_eq!(uri.headers, b"Subject=hi");
    for bad in [
        "",
        "sip:",
        "bo@example.com",
        "sip:@h",
        "sip:a@b@c",
        "sip:h:0",
        "sip:h:65536",
        "sip:h:",
        "sip:[::1",
        "sip:a b@c",
        "tel:",
        "1x:y",
        "sip:[beef]",
    ] {
        assert!(sip::Uri::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}
