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
        if self.rest.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            return None;
        }
        let end = memchr::memchr3(b'\r', b'\n', 0, self.rest).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = match rest {
            [] => rest,
            [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] => rest,
            _ => return Some(Err(BAD_LINE)),
        };
        Some(match line {
            [kind, b'=', value @ ..] if kind.is_ascii_lowercase() => Ok(Line { kind: *kind, value }),
            _ => Err(BAD_LINE),
        })
    }
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
pub fn word<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
    let word = &text[..end];
    *text = text.get(end + 1..).unwrap_or(&[]);
    word
}
