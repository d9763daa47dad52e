//! What stands in messages: descriptions and proofs of identity.

use std::net::IpAddr;

use sdp::{Events, Filter, Rewrite};
use sip::auth::{Challenge, Credentials, Protection, Request, Secret, Unfit, answer, nonce};

/// Descriptions: plain, held, with several sections, with everything that we leave out.
pub fn descriptions() -> Vec<Vec<u8>> {
    let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.60\r\ns=-\r\nc=IN IP4 192.0.2.60\r\nt=0 0\r\n";
    let voice = "m=audio 4000 RTP/AVP 8 0 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
        a=fmtp:101 0-15\r\na=ptime:20\r\na=rtcp:4005 IN IP4 192.0.2.61\r\na=sendonly\r\na=candidate:1 1 UDP 1 192.0.2.1 9 typ host\r\n";
    let more =
        "m=video 4002/2 RTP/SAVPF 96\r\nc=IN IP6 2001:db8::1\r\na=rtpmap:96 H264/90000\r\nm=image 0 udptl t38\r\n";
    let hold = "m=audio 4000 RTP/AVP 8\r\nc=IN IP4 0.0.0.0\r\n";
    [voice, more, hold]
        .iter()
        .flat_map(|media| [format!("{head}{media}"), format!("{head}{voice}{media}")])
        .map(String::into_bytes)
        .collect()
}

/// A rewritten description is a description with as many sections and our addresses only.
pub fn description(bytes: &[u8]) {
    let Ok(read) = sdp::parse(bytes) else { return };
    let count = read.media_count();
    for index in 0..count + 1 {
        let _ = (read.get(index), read.address(index), read.rtcp_address(index), read.codec(index));
        let _ = (read.is_hold(index), read.direction(index));
    }
    let address = IpAddr::from([198, 51, 100, 5]);
    let ports: Vec<u16> = (0..count).map(|index| 20_000 + 2 * index as u16).collect();
    let rewrite =
        Rewrite { address, ports: &ports, session_id: 7, version: 1, direct: false, events: Events::Keep, crypt: None };
    let chosen = Filter { codecs: "PCMA, telephone-event", single_codec: true, audio_only: true, ..Filter::NONE };
    for filter in [Filter::NONE, chosen] {
        let mut out = Vec::new();
        if sdp::rewrite_filtered(bytes, &rewrite, &filter, &mut out).is_err() {
            assert!(out.is_empty(), "what is refused leaves nothing behind");
            continue;
        }
        let ours = sdp::parse(&out).unwrap_or_else(|flaw| panic!("{flaw:?}: {}", String::from_utf8_lossy(&out)));
        assert_eq!(ours.media_count(), count, "sections stay in their places");
        for index in 0..count {
            let media = ours.get(index).expect("a section that was counted");
            let place = ours.address(index);
            assert!(media.port == 0 || place.is_none_or(|place| place.ip() == address), "media comes to us: {place:?}");
        }
    }
}

const REALM: &str = "switch.example";

/// Challenges and answers of both algorithms.
pub fn digests() -> Vec<Vec<u8>> {
    let texts = [
        "Digest realm=\"switch.example\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", algorithm=MD5, qop=\"auth\"",
        "Digest realm=\"switch.example\", nonce=\"x\", algorithm=SHA-256, qop=\"auth,auth-int\", opaque=\"\\\"o\", stale=true",
        "Digest username=\"bob\", realm=\"switch.example\", nonce=\"n\", uri=\"sip:b@c\", qop=auth, nc=00000001, \
         cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", opaque=\"\", algorithm=MD5",
        "Digest realm=\"a\",nonce=\"b\"",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

/// Whatever a challenge says, our answer to it can be read and fits the secret that it was made with.
pub fn digest(bytes: &[u8]) {
    let secret = Secret::from_password("bob", REALM, "zanzibar");
    if let Ok(credentials) = Credentials::parse(bytes) {
        let _ = (credentials.count(), credentials.fits(&secret, b"INVITE"));
    }
    let key = nonce::Key([3; 32]);
    assert!(nonce::read(&key, bytes, IpAddr::from([192, 0, 2, 1])).is_none(), "nobody guesses a nonce of ours");
    let Ok(challenge) = Challenge::parse(bytes) else { return };
    let realm: Vec<u8> = challenge.realm.bytes().collect();
    let Ok(realm) = std::str::from_utf8(&realm) else { return };
    let secret = Secret::from_password("bob", realm, "zanzibar");
    let request = Request { method: b"INVITE", uri: b"sip:b@c", cnonce: b"0a4f113b", count: 1, body: b"v=0" };
    let mut out = Vec::new();
    answer(&mut out, &challenge, &secret, &request);
    match Credentials::parse(&out) {
        Ok(credentials) => assert!(credentials.fits(&secret, b"INVITE"), "{}", String::from_utf8_lossy(&out)),
        // Nobody of ours asks for these.
        Err(Unfit::Algorithm) => assert!(challenge.mixed),
        Err(Unfit::Protection) => assert!(challenge.protection == Protection::Whole),
        // A challenge may be so long that no answer to it would be read.
        Err(unfit) => assert!(out.len() > 1_024, "{unfit:?}: {}", String::from_utf8_lossy(&out)),
    }
}
