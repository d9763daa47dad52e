//! Weighted rendezvous hashing: every core has a score for a Call-ID, the best takes it. When a core goes, only its own calls move.

/// FNV-1a from a seed, mixed: the same on every balancer and in every release.
#[must_use]
pub fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let each = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325 ^ seed, each))
}

/// What a core of this weight bids for a key, as a cost: the least wins. With weights alike it is a plain hash.
///
/// A uniform `u` in 0..1 gives −log2(u)/weight; the least of them is a core's with the odds of its weight.
#[must_use]
pub fn cost(key: u64, core: u64, weight: u8) -> u64 {
    let exponential = (64 << 32) - log2(mix(key ^ core) | 1);
    exponential / u64::from(weight.max(1))
}

/// Binary logarithm with 32 bits behind the point.
fn log2(value: u64) -> u64 {
    let whole = u64::from(63 - value.leading_zeros());
    // The mantissa in 1..2 with 63 bits behind the point; squaring it moves the next bit of the logarithm before the point.
    let mut mantissa = value << value.leading_zeros();
    let mut fraction = 0;
    for _ in 0..32 {
        let square = (u128::from(mantissa) * u128::from(mantissa)) >> 63;
        let carry = (square >> 64) as u64;
        mantissa = (square >> carry) as u64;
        fraction = fraction << 1 | carry;
    }
    whole << 32 | fraction
}

/// The last step of SplitMix64 (Steele, Lea, Flood 2014): each bit depends on each.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
