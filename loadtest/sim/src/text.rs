//! Texts cut at single bytes: a message of SIP is cut in fifty places, and searches made for long texts cost more than all else.

/// Bytes that are looked at together: one or two registers of any processor of today.
const BLOCK: usize = 32;
const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Where this ASCII byte stands first.
#[inline]
pub fn find(text: &str, wanted: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let lacks = |block: &&[u8; BLOCK]| !block.iter().fold(false, |found, byte| found | (*byte == wanted));
    let skipped = blocks.iter().take_while(lacks).count() * BLOCK;
    let (words, rest) = bytes[skipped..].as_chunks::<8>();
    let mask = u64::from(wanted).wrapping_mul(LOW);
    for (nth, word) in words.iter().enumerate() {
        // A byte that is wanted becomes zero, and only what is zero or stands behind one borrows from its highest bit.
        let other = u64::from_le_bytes(*word) ^ mask;
        let hit = other.wrapping_sub(LOW) & !other & HIGH;
        if hit != 0 {
            return Some(skipped + nth * 8 + (hit.trailing_zeros() / 8) as usize);
        }
    }
    rest.iter().position(|byte| *byte == wanted).map(|place| skipped + words.len() * 8 + place)
}

/// What stands before this ASCII byte, and what behind it.
#[inline]
pub fn split(text: &str, at: u8) -> Option<(&str, &str)> {
    find(text, at).map(|place| (&text[..place], &text[place + 1..]))
}

/// What stands before this ASCII byte; all of it where there is none.
#[inline]
pub fn before(text: &str, end: u8) -> &str {
    find(text, end).map_or(text, |place| &text[..place])
}

/// Its lines, without their ends.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, more) = split(rest, b'\n').unwrap_or((rest, ""));
        rest = more;
        Some(line.strip_suffix("\r").unwrap_or(line))
    })
}

/// A decimal number, with blanks around it or not.
pub fn number(text: &str) -> Option<u32> {
    text.trim_ascii().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_found_where_the_standard_library_finds_it() {
        let text = "\u{80}\u{ff}ab;c\nd\u{2028};;\u{10ffff}ef gh ij\0 kl;".repeat(3);
        for from in (0..text.len()).filter(|from| text.is_char_boundary(*from)) {
            for wanted in 0..128_u8 {
                let rest = &text[from..];
                assert_eq!(find(rest, wanted), rest.find(char::from(wanted)), "{wanted} from {from}");
                assert_eq!(split(rest, wanted), rest.split_once(char::from(wanted)));
            }
            assert!(lines(&text[from..]).eq(text[from..].lines()));
        }
    }
}
