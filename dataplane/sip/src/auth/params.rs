//! The `name=value` list after `Digest` (RFC 3261 §25.1, digest-cln and dig-resp).

use super::{PARAMS_MAX, Unfit, VALUE_BYTES_MAX};
use crate::lex;

/// A value: a token, or what stands between the quotes of a quoted string.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Text<'a> {
    raw: &'a [u8],
}

impl<'a> Text<'a> {
    /// As it stands on the wire, escapes kept, without the quotes: what is hashed and what is sent back.
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        self.raw
    }

    /// The meant bytes: escapes undone.
    pub fn bytes(self) -> impl Iterator<Item = u8> + 'a {
        let mut rest = self.raw.iter().copied();
        core::iter::from_fn(move || match rest.next() {
            Some(b'\\') => rest.next(),
            other => other,
        })
    }

    /// Does it mean exactly this?
    #[must_use]
    pub fn is(self, wanted: &[u8]) -> bool {
        self.bytes().eq(wanted.iter().copied())
    }

    /// Is it this word, in any case?
    pub(crate) fn is_word(self, wanted: &[u8]) -> bool {
        self.raw.eq_ignore_ascii_case(wanted)
    }
}

/// Hands each parameter of a Digest value to `take`, in order.
pub(crate) fn each<'a>(
    value: &'a [u8],
    mut take: impl FnMut(&'a [u8], Text<'a>) -> Result<(), Unfit>,
) -> Result<(), Unfit> {
    let mut rest = list(value)?;
    for _ in 0..=PARAMS_MAX {
        // RFC 7230 §7: empty elements of a list are passed over.
        while let [b',' | b' ' | b'\t' | b'\r' | b'\n', tail @ ..] = rest {
            rest = tail;
        }
        if rest.is_empty() {
            return Ok(());
        }
        let (name, text, tail) = one(rest)?;
        take(name, text)?;
        rest = tail;
    }
    Err(Unfit::TooLarge)
}

/// What follows the scheme.
fn list(value: &[u8]) -> Result<&[u8], Unfit> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(Unfit::TooLarge);
    }
    let value = lex::trim(value);
    let (scheme, rest) = value.split_at(lex::token_end(value, 0));
    if !scheme.eq_ignore_ascii_case(b"Digest") {
        return Err(Unfit::Scheme);
    }
    if rest.first().is_some_and(|byte| lex::is_space(*byte)) { Ok(rest) } else { Err(Unfit::Grammar) }
}

/// Takes `name=value` off the front.
fn one(rest: &[u8]) -> Result<(&[u8], Text<'_>, &[u8]), Unfit> {
    let (name, rest) = rest.split_at(lex::token_end(rest, 0));
    let rest = lex::trim_start(lex::trim_start(rest).strip_prefix(b"=").ok_or(Unfit::Grammar)?);
    let (raw, rest) = if rest.first() == Some(&b'"') {
        let end = lex::quoted_end(rest).ok_or(Unfit::Grammar)?;
        (&rest[1..end - 1], &rest[end..])
    } else {
        let end = lex::token_end(rest, 0);
        if end == 0 {
            return Err(Unfit::Grammar);
        }
        rest.split_at(end)
    };
    let rest = lex::trim_start(rest);
    let ends = rest.first().is_none_or(|byte| *byte == b',');
    // What cannot be printed again within one line is refused, so that no reader takes it for another line.
    if name.is_empty() || !ends || raw.iter().any(u8::is_ascii_control) {
        return Err(Unfit::Grammar);
    }
    Ok((name, Text { raw }, rest))
}

/// Keeps a parameter that may stand once.
pub(crate) fn keep<'a>(slot: &mut Option<Text<'a>>, text: Text<'a>) -> Result<(), Unfit> {
    if slot.replace(text).is_some() { Err(Unfit::Grammar) } else { Ok(()) }
}
