//! `a=crypto` lines are read within bounds, and replaced by ours with the profile that goes with them.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::net::IpAddr;

use proptest::prelude::*;
use sdp::{Crypt, Crypto, Events, KEY_BYTES_MAX, Profile, Rewrite, mask_keys, parse, rewrite, write_crypto};

const KEY: &str = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

fn read(line: &str) -> Result<(u32, String, bool), u16> {
    let crypto = Crypto::read(line.as_bytes()).map_err(|flaw| flaw.status)?;
    Ok((crypto.tag, String::from_utf8(crypto.suite.to_vec()).unwrap(), crypto.plain))
}

#[test]
fn keys_are_masked_and_nothing_else() {
    let key = &KEY["inline:".len()..];
    let stars = "*".repeat(key.len());
    for told in [
        format!(
            "INVITE sip:1@host SIP/2.0\r\n\r\nv=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}|2^20|1:4;{KEY} WSH=64\r\na=sendrecv\r\n"
        ),
        format!("a=crypto:2 AEAD_AES_128_GCM {KEY}\na=crypto:3 F8_128_HMAC_SHA1_80 INLINE:{key}"),
    ] {
        let mut text = told.clone().into_bytes();
        mask_keys(&mut text);
        assert_eq!(String::from_utf8(text).unwrap(), told.replace(key, &stars));
    }
    let mut plain = format!("a=note:{KEY}\r\nContent-Disposition: inline\r\n").into_bytes();
    let before = plain.clone();
    mask_keys(&mut plain);
    assert_eq!(plain, before);
    mask_keys(&mut []);
}

#[test]
fn lines_as_the_rfc_has_them_are_read() {
    // RFC 4568 §5.1, §6.1 and §9.1, and what peers write.
    for (line, tag, plain) in [
        (format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}"), 1, true),
        (format!("2 AES_CM_128_HMAC_SHA1_80 {KEY}|2^20"), 2, true),
        (format!("3 AES_CM_128_HMAC_SHA1_80 {KEY}|1048576"), 3, true),
        (format!("4 AES_CM_128_HMAC_SHA1_80 {KEY}|2^20|1:4"), 4, false),
        (format!("5 AES_CM_128_HMAC_SHA1_80 {KEY}|1:32"), 5, false),
        (format!("6 F8_128_HMAC_SHA1_80 {KEY}|2^20|1:4;{KEY}|2^20|2:4 FEC_ORDER=FEC_SRTP"), 6, false),
        (format!("7 AES_CM_128_HMAC_SHA1_80 {KEY} WSH=128"), 7, true),
        (format!("8 AES_CM_128_HMAC_SHA1_80 {KEY} WSH=32"), 8, false),
        (format!("9 AES_CM_128_HMAC_SHA1_80 {KEY} KDR=0 -new=1"), 9, true),
        (format!("10 AES_CM_128_HMAC_SHA1_80 {KEY} KDR=6"), 10, false),
        (format!("11 AES_CM_128_HMAC_SHA1_80 {KEY} UNENCRYPTED_SRTCP"), 11, false),
        (format!("12 AES_CM_128_HMAC_SHA1_80 {KEY} UNAUTHENTICATED_SRTP"), 12, false),
    ] {
        let found = read(&line).unwrap();
        assert_eq!((found.0, found.2), (tag, plain), "{line}");
    }
}

#[test]
fn lines_that_are_not_well_formed_are_refused_with_488() {
    for line in [
        "",
        "1",
        "1 AES_CM_128_HMAC_SHA1_80",
        "1 AES_CM_128_HMAC_SHA1_80 inline:",
        "1 AES_CM_128_HMAC_SHA1_80 uri:WVNf",
        "x AES_CM_128_HMAC_SHA1_80 inline:WVNf",
        "1000000000 AES_CM_128_HMAC_SHA1_80 inline:WVNf",
        "1 AES-CM inline:WVNf",
        "1 AES_CM_128_HMAC_SHA1_80 inline:WVNf|2^49",
        "1 AES_CM_128_HMAC_SHA1_80 inline:WVNf|0",
        "1 AES_CM_128_HMAC_SHA1_80 inline:WVNf|2^20|1:0",
        "1 AES_CM_128_HMAC_SHA1_80 inline:WVNf|2^20|1:129",
        "1 AES_CM_128_HMAC_SHA1_80 inline:WVNf|2^20|:4",
        "1 AES_CM_128_HMAC_SHA1_80 inline:WVNf|2^20|1:4|1:4",
        "1 AES_CM_128_HMAC_SHA1_80 inline:WVNf;nothing",
        "1 AES_CM_128_HMAC_SHA1_80 inline:WVNf WSH=many",
    ] {
        assert_eq!(read(line), Err(488), "{line}");
    }
    let long = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{}", "A".repeat(KEY_BYTES_MAX * 2 + 4));
    assert_eq!(read(&long), Err(488));
}

#[test]
fn keys_come_out_as_they_were_written() {
    for length in [1, 28, 30, 44, 46, KEY_BYTES_MAX] {
        let (mut line, key) = (Vec::new(), vec![0xa5; length]);
        write_crypto(&mut line, 7, "AEAD_AES_128_GCM", &key);
        let value = line.strip_prefix(b"a=crypto:").and_then(|line| line.strip_suffix(b"\r\n")).unwrap();
        let mut room = [0; KEY_BYTES_MAX];
        assert_eq!(Crypto::read(value).unwrap().key(&mut room), Ok(&key[..]), "{length} bytes");
    }
    // Some peers leave the padding out.
    let mut room = [0; KEY_BYTES_MAX];
    assert_eq!(Crypto::read(b"1 X inline:pQ").unwrap().key(&mut room), Ok(&[0xa5][..]));
    let mut room = [0; KEY_BYTES_MAX];
    assert_eq!(Crypto::read(b"1 X inline:p*==").unwrap().key(&mut room).map_err(|flaw| flaw.status), Err(488));
}

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=key-mgmt:mikey AQAF\r\n\
    m=audio 4000 RTP/SAVP 8 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:secret\r\na=crypto:2 X inline:secret\r\na=ptime:20\r\n\
    m=video 5000 RTP/SAVPF 96\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:secret\r\na=rtpmap:96 H264/90000\r\n\
    a=fingerprint:sha-1 00\r\na=setup:actpass\r\n";

fn rewritten(crypt: Option<Crypt<'_>>) -> String {
    let order = Rewrite {
        address: IpAddr::from([198, 51, 100, 1]),
        ports: &[20_000, 0],
        session_id: 7,
        version: 1,
        direct: false,
        events: Events::Keep,
        crypt,
    };
    let mut out = Vec::new();
    rewrite(OFFER.as_bytes(), &order, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn our_keys_take_the_place_of_the_writers() {
    let mut lines = Vec::new();
    write_crypto(&mut lines, 3, "AEAD_AES_128_GCM", &[0; 28]);
    for (secure, feedback, proto) in [(true, false, "RTP/SAVP"), (false, true, "RTP/AVPF")] {
        let text = rewritten(Some(Crypt { profile: Profile { secure, feedback }, lines: &lines }));
        assert!(text.contains(&format!("m=audio 20000 {proto} 8 0\r\n")), "{text}");
        assert!(text.contains("a=ptime:20\r\na=crypto:3 AEAD_AES_128_GCM inline:AAAA"), "{text}");
        assert_eq!(text.matches("crypto").count(), 1, "{text}");
        for gone in ["secret", "key-mgmt", "fingerprint", "setup"] {
            assert!(!text.contains(gone), "{gone} in {text}");
        }
        assert!(text.contains("m=video 0 RTP/SAVPF 96\r\n"), "a section that is off stays what it was: {text}");
    }
}

#[test]
fn media_in_the_clear_names_no_keys_and_untouched_media_keeps_them() {
    let text = rewritten(Some(Crypt { profile: Profile::default(), lines: b"" }));
    assert!(text.contains("m=audio 20000 RTP/AVP 8 0\r\n") && !text.contains("crypto"), "{text}");
    let text = rewritten(None);
    assert!(text.contains("RTP/SAVP 8 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:secret\r\n"), "{text}");
}

#[test]
fn too_many_keys_are_a_flaw_of_the_last() {
    let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 8\r\n";
    let text = head.to_owned() + &format!("a=crypto:1 X {KEY}\r\n").repeat(17);
    let media = parse(text.as_bytes()).unwrap().get(0).unwrap();
    assert_eq!(media.cryptos().filter(Result::is_ok).count(), 16);
    assert_eq!(media.cryptos().find_map(Result::err).unwrap().status, 488);
}

proptest! {
    #[test]
    fn no_text_is_too_odd(line in prop::collection::vec(any::<u8>(), 0..120)) {
        let mut room = [0; KEY_BYTES_MAX];
        for value in [line.clone(), [&b"1 AES_CM_128_HMAC_SHA1_80 inline:"[..], &line].concat()] {
            let _ = Crypto::read(&value).and_then(|crypto| crypto.key(&mut room).map(<[u8]>::len));
        }
    }
}
