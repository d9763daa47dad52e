//! Keys of encrypted media in a description: `a=crypto` (RFC 4568), and the profiles that go with them.

use alloc::vec::Vec;

use base64ct::{Base64, Base64Unpadded, Encoding};

use crate::flaw::Flaw;
use crate::line::{number, take_digits, word};

/// The most `a=crypto` lines of one section.
pub const CRYPTO_MAX: usize = 16;
/// Bytes of a key with its salt at most; a longer one is of no suite that we know.
pub const KEY_BYTES_MAX: usize = 64;
/// RFC 4568 §9.1: a tag has nine digits at most.
const TAG_MAX: u64 = 999_999_999;
/// RFC 3711 §9.2: packets under one key at most, as a power of two.
const LIFETIME_POWER_MAX: u64 = 48;
/// RFC 4568 §9.1: bytes of a key's identifier in packets at most.
const MKI_BYTES_MAX: u64 = 128;
/// RFC 4568 §6.3.7: a smaller window may not be asked for.
const WINDOW_MIN: u64 = 64;

const BAD: Flaw = Flaw::refused("bad crypto attribute");

/// One `a=crypto` line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Crypto<'a> {
    /// By which the answer names it.
    pub tag: u32,
    /// The suite's name.
    pub suite: &'a [u8],
    /// True if it asks for nothing beyond what every peer has: one key, no identifier in packets, everything encrypted and signed.
    pub plain: bool,
    key: &'a [u8],
}

impl<'a> Crypto<'a> {
    /// Reads the value of `a=crypto:` (RFC 4568 §9.1).
    ///
    /// # Errors
    /// What is not well-formed is refused with 488: who offers such keys cannot be spoken with in secret.
    pub fn read(value: &'a [u8]) -> Result<Crypto<'a>, Flaw> {
        let mut rest = value;
        let tag = number(word(&mut rest), TAG_MAX).ok_or(BAD)? as u32;
        let (suite, keys) = (word(&mut rest), word(&mut rest));
        let mut keys = keys.split(|byte| *byte == b';');
        let (key, named) = read_key(keys.next().unwrap_or(b""))?;
        let mut plain = !named;
        for other in keys {
            read_key(other)?;
            plain = false;
        }
        while !rest.is_empty() {
            plain &= is_harmless(word(&mut rest))?;
        }
        let fits = !suite.is_empty() && suite.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        if fits { Ok(Crypto { tag, suite, plain, key }) } else { Err(BAD) }
    }

    /// The key with its salt.
    ///
    /// # Errors
    /// It is not written in base64, or too long.
    pub fn key(&self, room: &'a mut [u8; KEY_BYTES_MAX]) -> Result<&'a [u8], Flaw> {
        let padded = self.key.ends_with(b"=") || self.key.len().is_multiple_of(4);
        let decoded = if padded { Base64::decode(self.key, room) } else { Base64Unpadded::decode(self.key, room) };
        decoded.map_err(|_| BAD)
    }
}

/// Appends a line `a=crypto:` with a key of at most [`KEY_BYTES_MAX`] bytes.
pub fn write_crypto(out: &mut Vec<u8>, tag: u32, suite: &str, key: &[u8]) {
    let mut room = [0; KEY_BYTES_MAX * 2];
    let key = Base64::encode(key, &mut room).expect("a key is shorter than the room");
    out.extend_from_slice(b"a=crypto:");
    crate::rewrite::decimal(out, u64::from(tag));
    for part in [" ", suite, " inline:", key, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Makes the keys of a description, or of a message that carries one, unreadable in place: for copies that people look at.
pub fn mask_keys(text: &mut [u8]) {
    const LINE: &[u8] = b"a=crypto:";
    /// Where its rarest letter stands in it.
    const RARE: usize = 4;
    let mut from = 0;
    // Nearly all messages have none, and many bytes are looked at together for a letter that is rare in them.
    while let Some(found) = memchr::memchr(LINE[RARE], &text[from..]) {
        from += found + 1;
        let Some(begin) = from.checked_sub(RARE + 1).filter(|begin| text[*begin..].starts_with(LINE)) else { continue };
        if begin == 0 || text[begin - 1] == b'\n' {
            let end = memchr::memchr(b'\n', &text[begin..]).map_or(text.len(), |length| begin + length);
            mask_keys_of(&mut text[begin..end]);
            from = end;
        }
    }
}

fn mask_keys_of(line: &mut [u8]) {
    const NAME: &[u8] = b"inline:";
    let mut at = 0;
    while let Some(found) = line[at..].windows(NAME.len()).position(|word| word.eq_ignore_ascii_case(NAME)) {
        at += found + NAME.len();
        let key = line[at..].iter_mut().take_while(|byte| !matches!(byte, b'|' | b';' | b' ' | b'\t' | b'\r'));
        key.for_each(|byte| *byte = b'*');
    }
}

/// `inline:` key, and perhaps `|` lifetime and `|` identifier `:` length. The key, and whether it has an identifier.
fn read_key(text: &[u8]) -> Result<(&[u8], bool), Flaw> {
    let mut parts = text.strip_prefix(b"inline:").ok_or(BAD)?.split(|byte| *byte == b'|');
    let key = parts.next().filter(|key| !key.is_empty() && key.len() <= KEY_BYTES_MAX * 2).ok_or(BAD)?;
    let mut named = false;
    for (place, part) in parts.enumerate() {
        match part.iter().position(|byte| *byte == b':') {
            Some(colon) if !named => {
                let length = number(&part[colon + 1..], MKI_BYTES_MAX).filter(|length| *length > 0);
                let known = part[..colon].iter().all(u8::is_ascii_digit) && colon > 0;
                length.filter(|_| known).ok_or(BAD)?;
                named = true;
            }
            None if place == 0 => lifetime(part)?,
            Some(_) | None => return Err(BAD),
        }
    }
    Ok((key, named))
}

/// Packets that the key is good for: a number, or `2^20`.
fn lifetime(text: &[u8]) -> Result<(), Flaw> {
    let fits = match text.strip_prefix(b"2^") {
        Some(power) => number(power, LIFETIME_POWER_MAX).is_some(),
        None => number(text, 1 << LIFETIME_POWER_MAX).is_some_and(|packets| packets > 0),
    };
    if fits { Ok(()) } else { Err(BAD) }
}

/// True for a session parameter that changes nothing for us; those that begin with a dash may be ignored (RFC 4568 §6.3).
fn is_harmless(parameter: &[u8]) -> Result<bool, Flaw> {
    let after = |name: &[u8]| parameter.strip_prefix(name);
    if let Some(mut size) = after(b"WSH=") {
        return take_digits(&mut size).filter(|_| size.is_empty()).map(|size| size >= WINDOW_MIN).ok_or(BAD);
    }
    Ok(after(b"KDR=").is_some_and(|rate| rate == b"0") || parameter.starts_with(b"-"))
}

/// How a section is carried by RTP over UDP.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Profile {
    /// `SAVP`: with keys of the description (RFC 3711).
    pub secure: bool,
    /// `AVPF`: with feedback (RFC 4585, RFC 5124).
    pub feedback: bool,
}

impl Profile {
    /// The profile of a media line's protocol; `None` for any other.
    #[must_use]
    pub fn of(proto: &[u8]) -> Option<Profile> {
        let all = [(false, false), (false, true), (true, false), (true, true)];
        all.into_iter()
            .map(|(secure, feedback)| Profile { secure, feedback })
            .find(|profile| profile.as_str().as_bytes() == proto)
    }

    /// As in a media line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match (self.secure, self.feedback) {
            (false, false) => "RTP/AVP",
            (false, true) => "RTP/AVPF",
            (true, false) => "RTP/SAVP",
            (true, true) => "RTP/SAVPF",
        }
    }
}
