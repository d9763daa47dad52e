//! Prefixes as numbers that sort like text: a prefix stands just before everything that starts with it.
//!
//! A symbol's code is never 0, so that 0 ends a key. Prefixes of `#*0-9` take four bits a symbol and fit in 64 bits; those with
//! letters take six bits and fit in 128. A number matches no prefix beyond its first symbol that neither kind can hold.

use crate::model::PREFIX_BYTES_MAX;

const NARROW_BITS: u32 = 4;
const WIDE_BITS: u32 = 6;

const _: () = assert!(PREFIX_BYTES_MAX * NARROW_BITS as usize <= 64);
const _: () = assert!(PREFIX_BYTES_MAX * WIDE_BITS as usize <= 128);

/// 1 to 12 for `#*0-9`, 13 to 38 for letters, in order of ASCII.
static CODES: [u8; 256] = codes();

const fn codes() -> [u8; 256] {
    let alphabet = b"#*0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut codes = [0; 256];
    let mut place = 0;
    while place < alphabet.len() {
        codes[alphabet[place] as usize] = place as u8 + 1;
        place += 1;
    }
    codes
}

const NARROW_CODES: u8 = 12;

/// True for symbols that a prefix may hold.
pub fn is_symbol(byte: u8) -> bool {
    CODES[usize::from(byte)] != 0
}

/// True for prefixes that need six bits a symbol.
pub fn is_wide(prefix: &[u8]) -> bool {
    prefix.iter().any(|byte| CODES[usize::from(*byte)] > NARROW_CODES)
}

/// The key of as many leading symbols as a narrow prefix can hold.
pub fn narrow(text: &[u8]) -> u64 {
    let mut key = 0;
    let mut shift = 64;
    for byte in text.iter().take(PREFIX_BYTES_MAX) {
        let code = CODES[usize::from(*byte)];
        if code == 0 || code > NARROW_CODES {
            break;
        }
        shift -= NARROW_BITS;
        key |= u64::from(code) << shift;
    }
    key
}

/// The key of as many leading symbols as a wide prefix can hold.
pub fn wide(text: &[u8]) -> u128 {
    let mut key = 0;
    let mut shift = 128;
    for byte in text.iter().take(PREFIX_BYTES_MAX) {
        let code = CODES[usize::from(*byte)];
        if code == 0 {
            break;
        }
        shift -= WIDE_BITS;
        key |= u128::from(code) << shift;
    }
    key
}

/// How keys of one width compare.
pub trait Key: Copy + Ord {
    /// The key of a prefix.
    fn of(prefix: &[u8]) -> Self;
    /// How many symbols stand in it.
    fn symbols(self) -> u32;
    /// `longer` starts with it.
    fn starts(self, longer: Self) -> bool;
}

impl Key for u64 {
    fn of(prefix: &[u8]) -> u64 {
        narrow(prefix)
    }

    fn symbols(self) -> u32 {
        (64 - self.trailing_zeros()).div_ceil(NARROW_BITS)
    }

    fn starts(self, longer: u64) -> bool {
        (self ^ longer).checked_shr(64 - self.symbols() * NARROW_BITS).unwrap_or(0) == 0
    }
}

impl Key for u128 {
    fn of(prefix: &[u8]) -> u128 {
        wide(prefix)
    }

    fn symbols(self) -> u32 {
        (128 - self.trailing_zeros()).div_ceil(WIDE_BITS)
    }

    fn starts(self, longer: u128) -> bool {
        // 128 is no multiple of six: the lowest two bits are never used.
        (self ^ longer).checked_shr(128 - (self.symbols() * WIDE_BITS).min(128)).unwrap_or(0) == 0
    }
}
