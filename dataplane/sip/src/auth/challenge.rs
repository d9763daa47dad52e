//! WWW-Authenticate and Proxy-Authenticate (RFC 3261 §20.44, §20.27).

use alloc::vec::Vec;

use super::Unfit;
use super::hash::Algorithm;
use super::params::{self, Text, keep};

/// What a server asks of the one who sent a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Challenge<'a> {
    /// Whose passwords hold.
    pub realm: Text<'a>,
    /// What makes the answer good for once.
    pub nonce: Text<'a>,
    /// To be sent back as it is, if it is there.
    pub opaque: Option<Text<'a>>,
    /// The answer was right but its nonce is too old: no reason to ask anyone for another password.
    pub stale: bool,
    /// The hash.
    pub algorithm: Algorithm,
    /// The secret is to be mixed with both nonces: `MD5-sess` and its like (RFC 7616 §3.4.2).
    pub mixed: bool,
    /// What the answer is to protect.
    pub protection: Protection,
}

/// What an answer protects (RFC 7616 §3.3: `qop`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protection {
    /// The manner of RFC 2069, where nothing is offered.
    Plain,
    /// `auth`: method and URI, each nonce counted.
    Auth,
    /// `auth-int`: the body as well; where `auth` is not offered.
    Whole,
}

impl<'a> Challenge<'a> {
    /// Reads the value of one header.
    ///
    /// # Errors
    /// Every [`Unfit`] but `Absent`.
    pub fn parse(value: &'a [u8]) -> Result<Challenge<'a>, Unfit> {
        let (mut realm, mut nonce, mut opaque) = (None, None, None);
        let (mut stale, mut algorithm, mut qop) = (None, None, None);
        params::each(value, |name, text| match name {
            name if name.eq_ignore_ascii_case(b"realm") => keep(&mut realm, text),
            name if name.eq_ignore_ascii_case(b"nonce") => keep(&mut nonce, text),
            name if name.eq_ignore_ascii_case(b"opaque") => keep(&mut opaque, text),
            name if name.eq_ignore_ascii_case(b"stale") => keep(&mut stale, text),
            name if name.eq_ignore_ascii_case(b"algorithm") => keep(&mut algorithm, text),
            name if name.eq_ignore_ascii_case(b"qop") => keep(&mut qop, text),
            _ => Ok(()),
        })?;
        let (algorithm, mixed) = match algorithm {
            None => (Algorithm::default(), false),
            Some(text) => Algorithm::perhaps_mixed(text.raw()).ok_or(Unfit::Algorithm)?,
        };
        let protection = match qop {
            None => Protection::Plain,
            Some(offer) if offers(offer, b"auth") => Protection::Auth,
            Some(offer) if offers(offer, b"auth-int") => Protection::Whole,
            Some(_) => return Err(Unfit::Protection),
        };
        Ok(Challenge {
            realm: realm.ok_or(Unfit::Grammar)?,
            nonce: nonce.filter(|nonce| !nonce.raw().is_empty()).ok_or(Unfit::Grammar)?,
            opaque,
            stale: stale.is_some_and(|text| text.is_word(b"true")),
            algorithm,
            mixed,
            protection,
        })
    }

    /// Appends the value of one header that challenges with `auth`. A realm is any text without control characters. Without an algorithm it
    /// asks for MD5 (RFC 7616 §3.3).
    pub fn write(out: &mut Vec<u8>, realm: &str, nonce: &[u8], algorithm: Option<Algorithm>, stale: bool) {
        out.extend_from_slice(b"Digest realm=");
        quote(out, realm.bytes());
        out.extend_from_slice(b", nonce=\"");
        out.extend_from_slice(nonce);
        out.push(b'"');
        if let Some(algorithm) = algorithm {
            out.extend_from_slice(b", algorithm=");
            out.extend_from_slice(algorithm.as_str().as_bytes());
        }
        out.extend_from_slice(b", qop=\"auth\"");
        if stale {
            out.extend_from_slice(b", stale=true");
        }
    }
}

fn offers(offer: Text<'_>, protection: &[u8]) -> bool {
    offer.raw().split(|byte| *byte == b',').any(|word| word.trim_ascii().eq_ignore_ascii_case(protection))
}

/// Appends a quoted string; quotes and backslashes are escaped.
pub(crate) fn quote(out: &mut Vec<u8>, bytes: impl Iterator<Item = u8>) {
    out.push(b'"');
    for byte in bytes.filter(|byte| !byte.is_ascii_control()) {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}
