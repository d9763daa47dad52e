//! Digest: the vectors of the RFCs, both sides of an exchange, and junk.
#![allow(clippy::unwrap_used, reason = "a story that goes wrong must fail loudly")]

use std::net::IpAddr;

use proptest::prelude::*;
use sip::auth::nonce::{self, Key, LIFE_MS};
use sip::auth::{
    Algorithm, Challenge, Credentials, Protection, Request, Secret, Unfit, answer, challenge_of, credentials_of,
};
use sip::{Name, parse};
use units::Instant;

const MUFASA: &str = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
    opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
const HTTP_AUTH: &str = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
    nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
const BOB: &str = "Digest realm=\"biloxi.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";

struct Vector {
    source: &'static str,
    challenge: String,
    secret: Secret<'static>,
    method: &'static str,
    uri: &'static str,
    cnonce: &'static str,
    response: &'static str,
}

fn vectors() -> Vec<Vector> {
    let mufasa = Secret::from_password("Mufasa", "testrealm@host.com", "Circle Of Life");
    let tight = Secret::from_password("Mufasa", "testrealm@host.com", "CircleOfLife");
    let http = Secret::from_password("Mufasa", "http-auth@example.org", "Circle of Life");
    let bob = Secret::from_password("bob", "biloxi.com", "zanzibar");
    let row = |source, challenge: String, secret, (method, uri), cnonce, response| Vector {
        source,
        challenge,
        secret,
        method,
        uri,
        cnonce,
        response,
    };
    let (get, dir) = (("GET", "/dir/index.html"), "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");
    let invite = ("INVITE", "sip:bob@biloxi.com");
    vec![
        row(
            "RFC 2617 §3.5",
            format!("{MUFASA}, qop=\"auth,auth-int\""),
            mufasa,
            get,
            "0a4f113b",
            "6629fae49393a05397450978507c4ef1",
        ),
        row("RFC 2069 §2.4, erratum 749", MUFASA.into(), tight, get, "", "1949323746fe6a43ef61f9606e7febea"),
        row(
            "RFC 7616 §3.9.1",
            format!("{HTTP_AUTH}, algorithm=MD5"),
            http,
            get,
            dir,
            "8ca523f5e9506fed4657c9700eebdbec",
        ),
        row(
            "RFC 7616 §3.9.1",
            format!("{HTTP_AUTH}, algorithm=SHA-256"),
            http,
            get,
            dir,
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
        row("SIP without qop", BOB.into(), bob, invite, "", "bf57e4e0d0bffc0fbaedce64d59add5e"),
        row(
            "SIP with qop",
            format!("{BOB}, qop=\"auth,auth-int\""),
            bob,
            invite,
            "0a4f113b",
            "89eb0059246c02b2f6ee02c7961d5ea3",
        ),
    ]
}

fn signed(vector: &Vector) -> String {
    let challenge = Challenge::parse(vector.challenge.as_bytes()).unwrap();
    let request = Request {
        method: vector.method.as_bytes(),
        uri: vector.uri.as_bytes(),
        cnonce: vector.cnonce.as_bytes(),
        count: 1,
        body: b"v=0\r\n",
    };
    let mut value = Vec::new();
    answer(&mut value, &challenge, &vector.secret, &request);
    String::from_utf8(value).unwrap()
}

#[test]
fn the_published_responses_come_out() {
    for vector in vectors() {
        let value = signed(&vector);
        let wanted = format!("response=\"{}\"", vector.response);
        assert!(value.contains(&wanted), "{}: {value}", vector.source);
    }
}

/// The responses are those of Python's hashlib; the body is one of five bytes.
#[test]
fn nonces_and_bodies_are_signed_where_nothing_else_is_offered() {
    let bob = Secret::from_password("bob", "biloxi.com", "zanzibar");
    for (asks, response, says) in [
        ("qop=\"auth-int\"", "77226bb823dc077c1ad3537415667bae", "algorithm=MD5, qop=auth-int, nc="),
        ("qop=\"AUTH-INT, other\"", "77226bb823dc077c1ad3537415667bae", "algorithm=MD5, qop=auth-int, nc="),
        ("qop=auth,algorithm=MD5-sess", "e4e4ea61d186d07a92c9e1f6919902e9", "algorithm=MD5-sess, qop=auth, nc="),
        ("qop=\"auth-int\",algorithm=md5-SESS", "8527c9ab1b4eed3fd75491f811944e26", "algorithm=MD5-sess, qop=auth-int"),
        ("algorithm=MD5-sess", "fff17611bcbbf00c9116a2c922dea8e1", "algorithm=MD5-sess, cnonce=\"0a4f113b\""),
        (
            "qop=\"auth-int\",algorithm=SHA-256",
            "554a9ffe79ce71c3cb6c9630deddd2787d8033f895e5cdef6a73c8e84ed4c979",
            "algorithm=SHA-256, qop=auth-int, nc=",
        ),
        (
            "qop=\"auth,auth-int\",algorithm=SHA-256-sess",
            "5da59c9ca40954be9d5063a15a174066c8251be2c10cf47c144c366dc7daf792",
            "algorithm=SHA-256-sess, qop=auth, nc=",
        ),
    ] {
        let challenge = format!("{BOB}, {asks}");
        let (source, uri, cnonce) = ("hashlib", "sip:bob@biloxi.com", "0a4f113b");
        let value = signed(&Vector { source, challenge, secret: bob, method: "INVITE", uri, cnonce, response });
        assert!(value.contains(&format!("response=\"{response}\"")) && value.contains(says), "{asks}: {value}");
        assert!(!asks.contains("qop") || value.contains("cnonce=\"0a4f113b\""), "{value}");
        assert!(asks.contains("qop") || !value.contains("nc="), "{value}");
    }
}

#[test]
fn what_one_side_signs_the_other_side_believes_and_nothing_else() {
    for vector in vectors() {
        let value = signed(&vector);
        let credentials = Credentials::parse(value.as_bytes()).unwrap();
        let other = Secret::from_password(vector.secret.user, vector.secret.realm, "another");
        assert!(credentials.user.is(vector.secret.user.as_bytes()));
        assert!(credentials.uri.is(vector.uri.as_bytes()));
        assert_eq!(credentials.count(), (!vector.cnonce.is_empty()).then_some(1));
        assert!(credentials.fits(&vector.secret, vector.method.as_bytes()), "{}", vector.source);
        assert!(!credentials.fits(&other, vector.method.as_bytes()));
        assert!(!credentials.fits(&vector.secret, b"REGISTER"));
        let upper = value.replace(vector.response, &vector.response.to_uppercase());
        assert!(Credentials::parse(upper.as_bytes()).unwrap().fits(&vector.secret, vector.method.as_bytes()));
    }
}

#[test]
fn a_name_with_quotes_in_it_goes_and_comes_whole() {
    let secret = Secret::from_password("o\"ne\\", "r\"s", "p");
    let mut text = Vec::new();
    Challenge::write(&mut text, secret.realm, b"n", Some(Algorithm::Sha256), true);
    assert_eq!(text, br#"Digest realm="r\"s", nonce="n", algorithm=SHA-256, qop="auth", stale=true"#);
    let challenge = Challenge::parse(&text).unwrap();
    assert!(challenge.realm.is(b"r\"s") && challenge.stale && challenge.protection == Protection::Auth);
    let mut unnamed = Vec::new();
    Challenge::write(&mut unnamed, secret.realm, b"n", None, false);
    assert_eq!(unnamed, br#"Digest realm="r\"s", nonce="n", qop="auth""#);
    assert_eq!(Challenge::parse(&unnamed).unwrap().algorithm, Algorithm::Md5);
    let mut value = Vec::new();
    let request = Request { method: b"REGISTER", uri: b"sip:r", cnonce: b"abcdefgh", count: 0x1F, body: b"" };
    answer(&mut value, &challenge, &secret, &request);
    let credentials = Credentials::parse(&value).unwrap();
    assert!(credentials.user.is(b"o\"ne\\") && credentials.realm.is(b"r\"s"));
    assert_eq!(credentials.count(), Some(0x1F));
    assert!(credentials.fits(&secret, b"REGISTER"));
    assert!(!format!("{secret:?}").contains("ha1"));
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (md5, sha256) = (hex(&secret.ha1_md5), hex(&secret.ha1_sha256));
    assert_eq!(Secret::from_hex(secret.user, secret.realm, &md5, &sha256), Some(secret));
    assert_eq!(Secret::from_hex(secret.user, secret.realm, &sha256, &md5), None);
}

#[test]
fn what_cannot_be_used_is_named() {
    let rows: &[(&str, Unfit)] = &[
        ("Basic realm=\"r\"", Unfit::Scheme),
        ("NoOneKnowsThisScheme opaque-data=here", Unfit::Scheme),
        ("", Unfit::Scheme),
        ("Digest", Unfit::Grammar),
        ("Digest realm=\"r\"", Unfit::Grammar),
        ("Digest realm=\"r\", nonce=", Unfit::Grammar),
        ("Digest realm=\"r, nonce=\"n\"", Unfit::Grammar),
        ("Digest realm=\"r\", nonce=\"n\" qop=\"auth\"", Unfit::Grammar),
        ("Digest realm=\"r\", nonce=\"n\", nonce=\"m\"", Unfit::Grammar),
        ("Digest realm=\"r\", nonce=\"n\r\n m\"", Unfit::Grammar),
        ("Digest realm=\"r\", nonce=\"n\", =\"m\"", Unfit::Grammar),
        ("Digest realm=\"r\", nonce=\"n\", algorithm=-sess", Unfit::Algorithm),
        ("Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256-sess", Unfit::Algorithm),
        ("Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256", Unfit::Algorithm),
        ("Digest realm=\"r\", nonce=\"n\", qop=\"auth-conf\"", Unfit::Protection),
    ];
    for (value, unfit) in rows {
        assert_eq!(Challenge::parse(value.as_bytes()), Err(*unfit), "{value}");
    }
    let many: String = (0..30).map(|index| format!("x{index}=1,")).collect();
    assert_eq!(Challenge::parse(format!("Digest {many}").as_bytes()), Err(Unfit::TooLarge));
    assert_eq!(Challenge::parse(format!("Digest realm=\"{}\"", "x".repeat(4_000)).as_bytes()), Err(Unfit::TooLarge));
    assert!(Challenge::parse(b"digest  nonce = \"n\"\r\n ,, realm=r,algorithm=\"md5\" , unknown=\"\\\"\"").is_ok());
}

#[test]
fn credentials_that_lack_something_are_refused() {
    let good = "Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:r\", \
        response=\"0123456789abcdef0123456789abcdef\", qop=auth, nc=00000001, cnonce=\"c\"";
    assert!(Credentials::parse(good.as_bytes()).is_ok());
    let rows: &[(&str, &str, Unfit)] = &[
        ("username=\"u\", ", "", Unfit::Grammar),
        ("username=\"u\"", "username=\"\"", Unfit::Grammar),
        ("username=\"u\"", "username*=UTF-8''u", Unfit::Grammar),
        ("nonce=\"n\", ", "", Unfit::Grammar),
        ("uri=\"sip:r\", ", "", Unfit::Grammar),
        ("abcdef\"", "abcde\"", Unfit::Grammar),
        ("abcdef\"", "abcdeg\"", Unfit::Grammar),
        ("qop=auth", "algorithm=SHA-256, qop=auth", Unfit::Grammar),
        ("qop=auth", "algorithm=MD5-sess, qop=auth", Unfit::Algorithm),
        ("qop=auth", "qop=auth-int", Unfit::Protection),
        ("qop=auth, ", "", Unfit::Grammar),
        ("nc=00000001, ", "", Unfit::Grammar),
        ("nc=00000001", "nc=1", Unfit::Grammar),
        ("nc=00000001", "nc=+0000001", Unfit::Grammar),
        ("nc=00000001", "nc=ffffffffff", Unfit::Grammar),
        (", cnonce=\"c\"", "", Unfit::Grammar),
        ("cnonce=\"c\"", "cnonce=\"\"", Unfit::Grammar),
    ];
    for (part, instead, unfit) in rows {
        let value = good.replace(part, instead);
        assert_ne!(value, good, "{part} stands in the good one");
        assert_eq!(Credentials::parse(value.as_bytes()), Err(*unfit), "{value}");
    }
}

fn message(first: &str, headers: &str) -> Vec<u8> {
    format!(
        "{first}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nFrom: <sip:a@r>;tag=1\r\nTo: <sip:a@r>\r\n\
         Call-ID: c\r\nCSeq: 1 REGISTER\r\n{headers}Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

#[test]
fn only_the_configured_realm_draws_an_answer_and_the_first_that_we_understand() {
    let headers = "WWW-Authenticate: Digest realm=\"other\", nonce=\"o\"\r\n\
        WWW-Authenticate: Digest realm=\"r\", nonce=\"x\", algorithm=SHA-512-256\r\n\
        WWW-Authenticate: Digest realm=\"r\", nonce=\"s\", algorithm=SHA-256\r\n\
        WWW-Authenticate: Digest realm=\"r\", nonce=\"m\"\r\n";
    let bytes = message("SIP/2.0 401 Unauthorized", headers);
    let refusal = parse::message(&bytes).unwrap();
    let asked = challenge_of(&refusal, "r").unwrap();
    assert_eq!((asked.answer_in, asked.challenge.algorithm), (Name::Authorization, Algorithm::Sha256));
    assert!(asked.challenge.nonce.is(b"s"));
    assert_eq!(challenge_of(&refusal, "stranger"), Err(Unfit::Algorithm));
    let bytes = message("SIP/2.0 407 Proxy Authentication Required", headers);
    assert_eq!(challenge_of(&parse::message(&bytes).unwrap(), "r"), Err(Unfit::Absent));
    let bytes = message("SIP/2.0 407 Proxy Authentication Required", &headers.replace("WWW", "Proxy"));
    let answer_in = challenge_of(&parse::message(&bytes).unwrap(), "r").unwrap().answer_in;
    assert_eq!(answer_in, Name::ProxyAuthorization);
}

#[test]
fn credentials_for_other_realms_are_passed_over() {
    let one = |realm: &str| {
        format!(
            "Authorization: Digest username=\"{realm}\", realm=\"{realm}\", nonce=\"n\", uri=\"sip:r\", \
             response=\"0123456789abcdef0123456789abcdef\"\r\n"
        )
    };
    let headers = format!("{}Authorization: Basic eDp5\r\n{}", one("other"), one("r"));
    let bytes = message("REGISTER sip:r SIP/2.0", &headers);
    let request = parse::message(&bytes).unwrap();
    assert!(credentials_of(&request, Name::Authorization, "r").unwrap().user.is(b"r"));
    assert_eq!(credentials_of(&request, Name::Authorization, "s"), Err(Unfit::Absent));
    assert_eq!(credentials_of(&request, Name::ProxyAuthorization, "r"), Err(Unfit::Absent));
}

#[test]
fn a_nonce_is_good_for_its_node_its_address_and_its_time() {
    let (key, other) = (Key([7; 32]), Key([8; 32]));
    let (here, there): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
    let now = Instant::from_micros(1_234_567_890);
    let text = nonce::mint(&key, 5, now, here, 0x0123_4567_89AB_CDEF);
    let minted = nonce::read(&key, &text, here).unwrap();
    assert_eq!((minted.shard, minted.issued), (5, Instant::from_micros(1_234_000_000)));
    assert!(minted.is_fresh(now) && minted.is_fresh(minted.issued.plus_millis(LIFE_MS - 1)));
    assert!(!minted.is_fresh(minted.issued.plus_millis(LIFE_MS)));
    assert_eq!(nonce::read(&other, &text, here), None);
    assert_eq!(nonce::read(&key, &text, there), None);
    assert_eq!(nonce::read(&key, &text[..31], here), None);
    assert_eq!(nonce::read(&key, b"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"", here), None);
    for place in 0..text.len() {
        let mut changed = text;
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        assert_eq!(nonce::read(&key, &changed, here), None, "character {place}");
    }
    assert_ne!(text, nonce::mint(&key, 5, now, here, 0x0123_4567_89AC_CDEF));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn junk_does_no_harm(
        cuts in prop::collection::vec((0_usize..400, any::<u8>()), 0..4),
        length in 0_usize..400,
        is_answer in any::<bool>(),
    ) {
        let mut value = if is_answer { signed(&vectors()[2]) } else { vectors()[2].challenge.clone() }.into_bytes();
        for (at, byte) in cuts {
            if let Some(slot) = value.get_mut(at) {
                *slot = byte;
            }
        }
        value.truncate(length);
        let secret = Secret::from_password("u", "r", "p");
        if let Ok(credentials) = Credentials::parse(&value) {
            let _ = (credentials.fits(&secret, b"REGISTER"), credentials.user.bytes().count());
            let _ = nonce::read(&Key([0; 32]), credentials.nonce.raw(), IpAddr::from([127, 0, 0, 1]));
        }
        if let Ok(challenge) = Challenge::parse(&value) {
            let mut out = Vec::new();
            let request = Request { method: b"INVITE", uri: b"sip:x", cnonce: b"c", count: 1, body: b"v=0" };
            answer(&mut out, &challenge, &secret, &request);
            // As the one who asks we take neither.
            let foreign = challenge.mixed || challenge.protection == Protection::Whole;
            prop_assert_eq!(Credentials::parse(&out).is_ok(), !foreign, "{}", out.escape_ascii());
        }
    }
}
