//! Keyed mixing: cheap, and of no use to somebody who does not know the seed.

/// One round of a 64-bit finalizer over two words.
pub fn mix(seed: u64, word: u64) -> u64 {
    let mut bits = (seed ^ word).wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// The bytes, eight at a time, then their number.
pub fn fold(seed: u64, bytes: &[u8]) -> u64 {
    let whole = bytes.chunks(8).fold(seed, |state, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(state, u64::from_le_bytes(word))
    });
    mix(whole, bytes.len() as u64)
}
