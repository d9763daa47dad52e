//! Prefixes as numbers: symbols packed from the top, so that a shorter prefix is a mask away.
//!
//! A symbol's code is never 0, so that 0 ends a key and keys of different lengths differ. Prefixes of `#*0-9` take four bits a
//! symbol and fit in 64 bits; those with letters take six bits and fit in 128. A number matches no prefix beyond its first symbol
//! that neither kind can hold.

use alloc::string::String;

use crate::model::PREFIX_BYTES_MAX;

const NARROW_BITS: u32 = 4;
const WIDE_BITS: u32 = 6;

const _: () = assert!(PREFIX_BYTES_MAX == 15, "a set of prefix lengths has 16 bits");
const _: () = assert!(PREFIX_BYTES_MAX * WIDE_BITS as usize <= 128);

/// 1 to 12 for `#*0-9`, 13 to 38 for letters, in order of ASCII.
static CODES: [u8; 256] = codes();

const ALPHABET: &[u8] = b"#*0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

const fn codes() -> [u8; 256] {
    let mut codes = [0; 256];
    let mut place = 0;
    while place < ALPHABET.len() {
        codes[ALPHABET[place] as usize] = place as u8 + 1;
        place += 1;
    }
    codes
}

/// Codes up to this one fit in four bits.
const NARROW_CODES: u8 = 12;
/// The code of `0`.
const ZERO: u64 = 3;

/// True for symbols that a prefix may hold.
pub fn is_symbol(byte: u8) -> bool {
    CODES[usize::from(byte)] != 0
}

/// True for prefixes that need six bits a symbol.
pub fn is_wide(prefix: &[u8]) -> bool {
    prefix.iter().any(|byte| CODES[usize::from(*byte)] > NARROW_CODES)
}

/// The key of as many leading symbols as a narrow prefix can hold, and how many they are.
pub fn narrow(text: &[u8]) -> (u64, u32) {
    let text = &text[..text.len().min(PREFIX_BYTES_MAX)];
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk())
        && let (Some(first), Some(last)) = (eight_digits(*first), eight_digits(*last))
    {
        // Where they overlap, both say the same.
        let symbols = text.len() as u32;
        return (first << 32 | last << (64 - NARROW_BITS * symbols), symbols);
    }
    let mut key = 0;
    let mut symbols = 0;
    for byte in text {
        let code = CODES[usize::from(*byte)];
        if code == 0 || code > NARROW_CODES {
            break;
        }
        symbols += 1;
        key |= u64::from(code) << (64 - NARROW_BITS * symbols);
    }
    (key, symbols)
}

/// The codes of eight digits in 32 bits, all eight at once; `None` if one of them is no digit.
fn eight_digits(text: [u8; 8]) -> Option<u64> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let values = u64::from_be_bytes(text) ^ (EACH * 0x30);
    // Bit 7 of a byte is set if its value is above 9.
    if (values | values.wrapping_add(EACH * 0x76)) & (EACH * 0x80) != 0 {
        return None;
    }
    let codes = values + EACH * ZERO;
    let pairs = (codes | codes >> 4) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs | pairs >> 8) & 0x0000_FFFF_0000_FFFF;
    Some((fours | fours >> 16) & 0xFFFF_FFFF)
}

/// The first so many symbols of a narrow key.
pub fn narrow_head(key: u64, symbols: u32) -> u64 {
    key & u64::MAX.checked_shl(64 - NARROW_BITS * symbols).unwrap_or(0)
}

/// How many symbols a narrow key has.
pub fn narrow_symbols(key: u64) -> u32 {
    (64 - key.trailing_zeros()).div_ceil(NARROW_BITS)
}

/// True for keys that some prefix has: codes of four bits, then zeros only.
pub fn is_narrow_key(key: u64) -> bool {
    let symbols = narrow_symbols(key);
    let code = |place: u32| key >> (60 - NARROW_BITS * place) & 15;
    symbols <= PREFIX_BYTES_MAX as u32 && (0..symbols).all(|place| (1..=u64::from(NARROW_CODES)).contains(&code(place)))
}

/// The prefix of a narrow key.
pub fn narrow_text(key: u64) -> String {
    text((0..narrow_symbols(key)).map(|place| (key >> (60 - NARROW_BITS * place) & 15) as usize))
}

/// The prefix of a wide key.
pub fn wide_text(key: u128) -> String {
    let codes = (0..PREFIX_BYTES_MAX as u32).map(|place| (key >> (122 - WIDE_BITS * place) & 63) as usize);
    text(codes.take_while(|code| *code > 0))
}

fn text(codes: impl Iterator<Item = usize>) -> String {
    codes.filter_map(|code| ALPHABET.get(code.checked_sub(1)?)).map(|byte| char::from(*byte)).collect()
}

/// The key of as many leading symbols as a wide prefix can hold, and how many they are.
pub fn wide(text: &[u8]) -> (u128, u32) {
    let mut key = 0;
    let mut symbols = 0;
    for byte in text.iter().take(PREFIX_BYTES_MAX) {
        let code = CODES[usize::from(*byte)];
        if code == 0 {
            break;
        }
        symbols += 1;
        key |= u128::from(code) << (128 - WIDE_BITS * symbols);
    }
    (key, symbols)
}

/// The first so many symbols of a wide key.
pub fn wide_head(key: u128, symbols: u32) -> u128 {
    key & u128::MAX.checked_shl(128 - WIDE_BITS * symbols).unwrap_or(0)
}

/// Where a key belongs among so many buckets: 64 × 64 bits multiplied and folded, then scaled down.
pub fn home(key: u64, buckets: u32) -> u32 {
    let product = u128::from(key ^ 0x9E37_79B9_7F4A_7C15) * 0xD6E8_FEB8_6659_FD93;
    let mixed = (product >> 64) as u64 ^ product as u64;
    ((u128::from(mixed) * u128::from(buckets)) >> 64) as u32
}
