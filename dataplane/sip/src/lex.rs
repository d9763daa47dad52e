//! Small readers that the grammar of headers is made of: tokens, lists, parameters, numbers, quotes.

use crate::flaw::Flaw;

/// Characters of a token (RFC 3261 §25.1).
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        table[at] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        at += 1;
    }
    table
};

/// Is this a token of at least one character?
#[must_use]
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| TOKEN[*byte as usize])
}

/// Is this a text that can name something: not empty, no white space, control character, quote, comma or bracket? Tags
/// and branches should be tokens, and peers that put `=`, `/` or `@` into them are common and harmless.
#[must_use]
pub fn is_plain(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| PLAIN[usize::from(*byte)])
}

/// See [`is_plain`].
static PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        table[at] = byte > b' ' && !matches!(byte, b'"' | b',' | b'<' | b'>' | b';' | 0x7F);
        at += 1;
    }
    table
};

/// May these bytes stand in a URI at all: no white space, control character, quote or angle bracket? Looks at every
/// byte without a branch, so that it is done sixteen at a time.
#[inline]
#[must_use]
pub fn is_uri_text(text: &[u8]) -> bool {
    let bad = |byte: u8| u8::from(byte <= b' ' || byte == b'"' || byte == b'<' || byte == b'>' || byte == 0x7F);
    text.iter().fold(0, |any, byte| any | bad(*byte)) == 0
}

/// Linear white space; line ends count because a folded value keeps its folds.
#[inline]
#[must_use]
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Where the first CR or LF from `from` on stands. Sixteen bytes are looked at together.
#[inline(always)]
pub(crate) fn line_end(text: &[u8], from: usize) -> Option<usize> {
    let (chunks, tail) = text.get(from..)?.as_chunks::<16>();
    let mut at = from;
    for chunk in chunks {
        let (low, high) = (below_14(chunk.first_chunk::<8>()?), below_14(chunk.last_chunk::<8>()?));
        if low | high != 0 {
            let skipped = if low != 0 { low.trailing_zeros() / 8 } else { 8 + high.trailing_zeros() / 8 } as usize;
            if matches!(chunk[skipped], b'\r' | b'\n') {
                return Some(at + skipped);
            }
            // Another control character, such as a tab.
            if let Some(found) = chunk.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
                return Some(at + found);
            }
        }
        at += 16;
    }
    tail.iter().position(|byte| matches!(byte, b'\r' | b'\n')).map(|rest| at + rest)
}

/// The highest bit of each byte that is below 14: it borrows into that bit. Those above the first one may be wrong.
#[inline(always)]
pub(crate) fn below_14(bytes: &[u8; 8]) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let word = u64::from_le_bytes(*bytes);
    word.wrapping_sub(ONES * 14) & !word & (ONES << 7)
}

/// The text without linear white space at both ends.
#[inline]
#[must_use]
pub fn trim(text: &[u8]) -> &[u8] {
    trim_end(trim_start(text))
}

/// The text without linear white space at its beginning.
#[inline]
#[must_use]
pub fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if !is_space(*first) {
            break;
        }
        text = rest;
    }
    text
}

#[inline]
fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., last] = text {
        if !is_space(*last) {
            break;
        }
        text = rest;
    }
    text
}

/// A decimal number of at least one digit that is at most `max`; leading zeroes are allowed, signs are not.
#[must_use]
pub fn number(text: &[u8], max: u64) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    let mut bad = false;
    // Eighteen digits cannot overflow, so that only what follows them has to be watched.
    let (short, long) = text.split_at(text.len().min(18));
    for byte in short {
        let digit = byte.wrapping_sub(b'0');
        bad |= digit > 9;
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    for byte in long {
        let digit = byte.wrapping_sub(b'0');
        bad |= digit > 9;
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    (!bad && value <= max).then_some(value)
}

/// Where the quoted string that begins at `text[0]` ends: the index after its closing quote.
#[must_use]
pub fn quoted_end(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// The index of the first `wanted` outside quotes and angle brackets, or the text's length; an open quote is a flaw.
pub fn find_bare(text: &[u8], wanted: u8) -> Result<usize, Flaw> {
    let mut at = 0;
    let mut inside_angles = false;
    while at < text.len() {
        match text[at] {
            b'"' => at += quoted_end(&text[at..]).ok_or(Flaw::header("open quote"))? - 1,
            b'<' => inside_angles = true,
            b'>' => inside_angles = false,
            byte if byte == wanted && !inside_angles => return Ok(at),
            _ => {}
        }
        at += 1;
    }
    Ok(text.len())
}

/// The elements of a comma list, trimmed, empty ones left out. An open quote ends the list with all that is left.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a [u8],
}

/// Splits a header's value at its commas.
#[must_use]
pub fn elements(value: &[u8]) -> Elements<'_> {
    Elements { rest: value }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            // Most have no comma: only one makes it necessary to look where the quotes are.
            let end = match memchr::memchr(b',', self.rest) {
                Some(_) => find_bare(self.rest, b',').unwrap_or(self.rest.len()),
                None => self.rest.len(),
            };
            let element = trim(&self.rest[..end]);
            self.rest = self.rest.get(end + 1..).unwrap_or(&[]);
            if !element.is_empty() {
                return Some(element);
            }
        }
        None
    }
}

/// One `name` or `name=value` of a parameter list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Param<'a> {
    /// The name, trimmed; compare without regard to case.
    pub name: &'a [u8],
    /// The value, trimmed, quotes kept; nothing for a bare name.
    pub value: Option<&'a [u8]>,
    /// The whole as it was written, without its semicolon, trimmed.
    pub text: &'a [u8],
}

/// Takes the first parameter off a list that begins with `;`. Nothing is left → `None`.
///
/// # Errors
/// A list that does not begin with a semicolon, an empty parameter, an open quote, a name that is no token.
#[inline(always)]
pub fn take_param<'a>(list: &mut &'a [u8]) -> Result<Option<Param<'a>>, Flaw> {
    match list.split_first() {
        None => Ok(None),
        Some((b';', text)) => match plain_param(text, list) {
            Some(param) => Ok(Some(param)),
            None => odd_param(list),
        },
        Some(_) => odd_param(list),
    }
}

/// A parameter with white space, quotes, or something else than a token in it.
fn odd_param<'a>(list: &mut &'a [u8]) -> Result<Option<Param<'a>>, Flaw> {
    let text = trim_start(list);
    let Some((b';', text)) = text.split_first() else {
        *list = &[];
        return if text.is_empty() { Ok(None) } else { Err(Flaw::header("parameter without semicolon")) };
    };
    if let Some(param) = plain_param(text, list) {
        return Ok(Some(param));
    }
    let mut at = 0;
    let mut equals = None;
    while at < text.len() && text[at] != b';' {
        match text[at] {
            b'"' => at += quoted_end(&text[at..]).ok_or(Flaw::header("open quote"))?,
            b'=' if equals.is_none() => {
                equals = Some(at);
                at += 1;
            }
            _ => at += 1,
        }
    }
    *list = &text[at..];
    let whole = trim(&text[..at]);
    let (name, value) = match equals {
        Some(equals) => (trim(&text[..equals]), Some(trim(&text[equals + 1..at]))),
        None => (whole, None),
    };
    if is_token(name) { Ok(Some(Param { name, value, text: whole })) } else { Err(Flaw::header("bad parameter")) }
}

/// The usual case at full speed: a token, or two with an equals sign between, and then the next semicolon or the end.
#[inline(always)]
fn plain_param<'a>(text: &'a [u8], list: &mut &'a [u8]) -> Option<Param<'a>> {
    let name_end = token_end(text, 0);
    let (end, value) = match text.get(name_end) {
        Some(b'=') => {
            let end = token_end(text, name_end + 1);
            (end, Some(&text[name_end + 1..end]))
        }
        _ => (name_end, None),
    };
    if name_end == 0 || text.get(end).is_some_and(|byte| *byte != b';') {
        return None;
    }
    *list = &text[end..];
    Some(Param { name: &text[..name_end], value, text: &text[..end] })
}

/// The index of the first byte from `at` on that is no token character.
#[inline]
#[must_use]
pub fn token_end(text: &[u8], mut at: usize) -> usize {
    while at < text.len() && TOKEN[text[at] as usize] {
        at += 1;
    }
    at
}

/// The value of the first parameter of that name: `Some(None)` for a bare name. A broken list ends the search.
#[must_use]
pub fn param<'a>(mut list: &'a [u8], name: &[u8]) -> Option<Option<&'a [u8]>> {
    while let Ok(Some(param)) = take_param(&mut list) {
        if param.name.eq_ignore_ascii_case(name) {
            return Some(param.value);
        }
    }
    None
}
