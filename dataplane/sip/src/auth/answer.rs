//! Answering a peer's challenge (RFC 3261 §22.2, §22.3).

use alloc::vec::Vec;

use super::challenge::{Challenge, Protection, quote};
use super::hash::{MIXED, Secret, Signed, response};
use super::{HEADERS_MAX, Unfit};
use crate::message::Message;
use crate::name::Name;

/// The request that is sent again with an answer in it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its method.
    pub method: &'a [u8],
    /// Its Request-URI, exactly as it is printed.
    pub uri: &'a [u8],
    /// Something of our own that the peer could not foresee: a token of at least eight characters.
    pub cnonce: &'a [u8],
    /// How often this nonce has been answered, this time included: 1 for the first.
    pub count: u32,
    /// Its body.
    pub body: &'a [u8],
}

/// A challenge, and the header that carries the answer to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Asked<'a> {
    /// `Authorization` after 401, `ProxyAuthorization` after 407.
    pub answer_in: Name,
    /// What is asked.
    pub challenge: Challenge<'a>,
}

/// The challenge in a 401 or 407 for the one realm that we have a secret for; the peer's first that we understand, since
/// it puts what it likes best on top (RFC 8760 §2.4). Other realms get nothing: a challenge must not draw a response that
/// somebody else could use.
///
/// # Errors
/// `Absent` for another status and when nobody asks for that realm; otherwise what is wrong with the last challenge.
pub fn challenge_of<'a>(refusal: &Message<'a>, realm: &str) -> Result<Asked<'a>, Unfit> {
    let (header, answer_in) = match refusal.status() {
        Some(401) => (Name::WwwAuthenticate, Name::Authorization),
        Some(407) => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
        _ => return Err(Unfit::Absent),
    };
    let mut flaw = Unfit::Absent;
    for value in refusal.headers(header).take(HEADERS_MAX) {
        match Challenge::parse(value) {
            Ok(challenge) if challenge.realm.is(realm.as_bytes()) => return Ok(Asked { answer_in, challenge }),
            Ok(_) => {}
            Err(unfit) => flaw = unfit,
        }
    }
    Err(flaw)
}

/// Appends the value of the header that answers a challenge.
///
/// ```
/// # use sip::auth::{Challenge, Request, Secret, answer};
/// let challenge = Challenge::parse(b"Digest realm=\"biloxi.com\", nonce=\"dcd98b\", qop=\"auth\"").expect("a challenge");
/// let secret = Secret::from_password("bob", "biloxi.com", "zanzibar");
/// let request = Request { method: b"INVITE", uri: b"sip:bob@biloxi.com", cnonce: b"0a4f113b", count: 1, body: b"" };
/// let mut value = Vec::new();
/// answer(&mut value, &challenge, &secret, &request);
/// assert!(value.starts_with(b"Digest username=\"bob\", realm=\"biloxi.com\", nonce=\"dcd98b\", uri=\"sip:bob@biloxi.com\""));
/// ```
pub fn answer(out: &mut Vec<u8>, challenge: &Challenge<'_>, secret: &Secret<'_>, request: &Request<'_>) {
    let count = eight_digits(request.count);
    let counted = (challenge.protection != Protection::Plain).then_some((count.as_slice(), request.cnonce));
    let signed = Signed {
        algorithm: challenge.algorithm,
        mixed: challenge.mixed.then_some(request.cnonce),
        nonce: challenge.nonce.raw(),
        count: counted,
        method: request.method,
        uri: request.uri,
        body: (challenge.protection == Protection::Whole).then_some(request.body),
    };
    let response = response(secret, &signed);
    out.extend_from_slice(b"Digest username=");
    quote(out, secret.user.bytes());
    for (name, raw) in [
        (&b", realm=\""[..], challenge.realm.raw()),
        (b", nonce=\"", challenge.nonce.raw()),
        (b", uri=\"", request.uri),
        (b", response=\"", response.as_bytes()),
    ] {
        out.extend_from_slice(name);
        out.extend_from_slice(raw);
        out.push(b'"');
    }
    out.extend_from_slice(b", algorithm=");
    out.extend_from_slice(challenge.algorithm.as_str().as_bytes());
    if challenge.mixed {
        out.extend_from_slice(MIXED);
    }
    if let Some((count, _)) = counted {
        out.extend_from_slice(if signed.body.is_some() { b", qop=auth-int, nc=" } else { b", qop=auth, nc=" });
        out.extend_from_slice(count);
    }
    if counted.is_some() || challenge.mixed {
        out.extend_from_slice(b", cnonce=\"");
        out.extend_from_slice(request.cnonce);
        out.push(b'"');
    }
    if let Some(opaque) = challenge.opaque {
        out.extend_from_slice(b", opaque=\"");
        out.extend_from_slice(opaque.raw());
        out.push(b'"');
    }
}

fn eight_digits(number: u32) -> [u8; 8] {
    core::array::from_fn(|place| b"0123456789abcdef"[(number >> (28 - place * 4)) as usize & 15])
}
