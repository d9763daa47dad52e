//! Tables by numbers of our own making, which nobody else can choose so that they collide; and how numbers are written without formatting.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Things by a call's place in the plan, or by a count.
pub type ByNumber<T> = HashMap<u32, T, Numbers>;
/// How such a table spreads its numbers.
pub type Numbers = BuildHasherDefault<Spread>;

/// One multiplication by the golden ratio: neighbours fall far apart, and the high bits are as good as the low ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

/// Writes pieces one after the other behind what is there.
pub fn put(text: &mut String, pieces: &[&str]) {
    pieces.iter().for_each(|piece| text.push_str(piece));
}

/// A number in hexadecimal, with at least so many digits, in this memory.
pub fn hex(number: u64, least: usize, digits: &mut [u8]) -> &str {
    let (mut rest, mut at) = (number, digits.len());
    while rest > 0 || digits.len() - at < least {
        at -= 1;
        digits[at] = b"0123456789abcdef"[(rest & 15) as usize];
        rest >>= 4;
    }
    std::str::from_utf8(&digits[at..]).expect("digits are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_hexadecimal_as_everybody_writes_them() {
        for number in [0, 1, 15, 16, 0xABCD, u64::from(u32::MAX)] {
            let mut digits = [0; 16];
            assert_eq!(hex(number, 1, &mut digits), format!("{number:x}"));
            assert_eq!(hex(number, 8, &mut digits), format!("{number:08x}"));
        }
    }
}
