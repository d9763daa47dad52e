//! A dialled or calling number as it stands in signalling, after checks.

use core::fmt;

/// The longest number that is carried. E.164 allows 15 digits; tech prefixes and routing numbers make it longer.
pub const NUMBER_BYTES_MAX: usize = 39;

/// A number: up to 39 bytes of `[0-9A-Za-z*#+._-]`, kept inline so that it can be copied without allocation.
///
/// Anything else in a user part never becomes a `Number`: what is refused here cannot reach a header, a log or a CSV.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number {
    length: u8,
    bytes: [u8; NUMBER_BYTES_MAX],
}

/// Why some bytes are not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberFlaw {
    /// Longer than [`NUMBER_BYTES_MAX`].
    TooLong,
    /// Holds a byte outside `[0-9A-Za-z*#+._-]`.
    BadByte(u8),
}

impl Number {
    /// No digits at all: a withheld caller, an empty destination.
    pub const EMPTY: Number = Number { length: 0, bytes: [0; NUMBER_BYTES_MAX] };

    /// Takes the bytes as they are; use [`Number::digits`] for matching.
    pub fn parse(text: &[u8]) -> Result<Number, NumberFlaw> {
        if text.len() > NUMBER_BYTES_MAX {
            return Err(NumberFlaw::TooLong);
        }
        let fits = |b: &u8| b.is_ascii_alphanumeric() || b"*#+._-".contains(b);
        if let Some(bad) = text.iter().find(|b| !fits(b)) {
            return Err(NumberFlaw::BadByte(*bad));
        }
        let mut number = Number::EMPTY;
        number.length = text.len() as u8;
        number.bytes[..text.len()].copy_from_slice(text);
        Ok(number)
    }

    /// The bytes as given.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The bytes as text; always ASCII.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("")
    }

    /// What prefixes are matched against: the number without a leading `+`.
    pub fn digits(&self) -> &[u8] {
        let bytes = self.as_bytes();
        bytes.strip_prefix(b"+").unwrap_or(bytes)
    }

    /// The number without a leading `tech` prefix, if it starts with it.
    pub fn strip_prefix(&self, tech: &[u8]) -> Option<Number> {
        Number::parse(self.as_bytes().strip_prefix(tech)?).ok()
    }

    /// The number with `head` put in front; `None` when it would be too long.
    pub fn with_prefix(&self, head: &[u8]) -> Option<Number> {
        let total = head.len() + self.as_bytes().len();
        if total > NUMBER_BYTES_MAX {
            return None;
        }
        let mut joined = [0; NUMBER_BYTES_MAX];
        joined[..head.len()].copy_from_slice(head);
        joined[head.len()..total].copy_from_slice(self.as_bytes());
        Number::parse(&joined[..total]).ok()
    }

    /// True when there is nothing to match.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

/// Is this a telephone number with visual separators: digits with points and hyphens among them, perhaps behind a `+`?
/// They only help people to read it, also where nothing else says that it is one (RFC 3261 §19.1.1, RFC 3966 §5.1.1):
/// `44-77…` is charged as `4477…`.
pub fn has_separators(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    let is_separator = |byte: &u8| matches!(byte, b'-' | b'.');
    digits.first().is_some_and(u8::is_ascii_digit)
        && digits.iter().all(|byte| byte.is_ascii_digit() || is_separator(byte))
        && digits.iter().any(is_separator)
}

impl Default for Number {
    fn default() -> Number {
        Number::EMPTY
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::has_separators;

    #[test]
    fn digits_with_points_and_hyphens_are_a_number_and_names_are_none() {
        for text in ["44-7700-900123", "+44.20.7183", "4-"] {
            assert!(has_separators(text.as_bytes()), "{text}");
        }
        for text in ["", "+", "447700900123", "-44", "+-44", "a.b-c", "44-77x", "44+77-1", "44 77-1"] {
            assert!(!has_separators(text.as_bytes()), "{text}");
        }
    }
}
