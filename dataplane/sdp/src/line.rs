//! Lines of a description and the numbers in them.

use crate::flaw::Flaw;

const BAD_LINE: Flaw = Flaw::broken("bad line in session description");

/// One `x=value` line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Line<'a> {
    /// The letter before the equals sign.
    pub kind: u8,
    /// What follows it, without the line end.
    pub value: &'a [u8],
}

/// The lines of a text; CRLF and a bare LF both end a line (RFC 8866 §5), empty lines at the end are left out.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    rest: &'a [u8],
}

/// Splits a description, or a part of one that begins at a line.
#[must_use]
pub fn lines(text: &[u8]) -> Lines<'_> {
    Lines { rest: text }
}

impl<'a> Lines<'a> {
    /// What was not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line<'a>, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read()
    }
}

impl<'a> Lines<'a> {
    /// The next line. Inlined into the loop of every parse: a line that is handed over by way of memory costs as much as reading it.
    #[inline(always)]
    pub(crate) fn read(&mut self) -> Option<Result<Line<'a>, Flaw>> {
        let end = line_end(self.rest);
        let (line, rest) = self.rest.split_at(end);
        self.rest = match rest {
            [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] => rest,
            [] => rest,
            _ if line.is_empty() && only_line_ends(rest) => return None,
            _ => return Some(Err(BAD_LINE)),
        };
        match line {
            [kind, b'=', value @ ..] if kind.is_ascii_lowercase() => Some(Ok(Line { kind: *kind, value })),
            [] if only_line_ends(self.rest) => None,
            _ => Some(Err(BAD_LINE)),
        }
    }
}

fn only_line_ends(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

/// Where the first CR, LF or NUL stands, or the text's length. Eight bytes are looked at together: those below 14 borrow into
/// their highest bit, the first one of them for certain.
#[inline(always)]
fn line_end(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let ends = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
    let (chunks, tail) = text.as_chunks::<8>();
    let mut at = 0;
    for chunk in chunks {
        let word = u64::from_le_bytes(*chunk);
        let low = word.wrapping_sub(ONES * 14) & !word & (ONES << 7);
        if low != 0 {
            let skipped = (low.trailing_zeros() / 8) as usize;
            if ends(&chunk[skipped]) {
                return at + skipped;
            }
            // Another control character, such as a tab.
            if let Some(found) = chunk.iter().position(ends) {
                return at + found;
            }
        }
        at += 8;
    }
    tail.iter().position(ends).map_or(text.len(), |rest| at + rest)
}

/// A decimal number of at least one digit that is at most `max`.
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

/// Takes the next word off a text whose words are parted by single spaces; empty at its end.
#[inline]
pub fn word<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
    let word = &text[..end];
    *text = text.get(end + 1..).unwrap_or(&[]);
    word
}

/// Takes the digits off the beginning of a text; a value that is too large for a `u64` becomes the largest one. `None` without
/// a digit.
#[inline(always)]
pub(crate) fn take_digits(text: &mut &[u8]) -> Option<u64> {
    let mut value: u64 = 0;
    let mut count = 0;
    for byte in *text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        count += 1;
    }
    let digits = &text[..count];
    *text = &text[count..];
    match count {
        0 => None,
        1..=18 => Some(value),
        _ => Some(number(digits, u64::MAX).unwrap_or(u64::MAX)),
    }
}
