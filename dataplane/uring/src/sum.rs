//! Checksums by the processor's own instruction.

/// Goes on with a CRC32C, whose bits are inverted until the end, over more bytes; none where the processor has no instruction for it.
pub fn crc32c() -> Option<fn(u32, &[u8]) -> u32> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("sse4.2") {
        return Some(x86::crc32c);
    }
    None
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u64};

    pub(super) fn crc32c(sum: u32, bytes: &[u8]) -> u32 {
        // SAFETY: this is handed out only where the processor was seen to have the instruction.
        unsafe { by_instruction(sum, bytes) }
    }

    #[target_feature(enable = "sse4.2")]
    fn by_instruction(sum: u32, bytes: &[u8]) -> u32 {
        let (words, rest) = bytes.as_chunks::<8>();
        let sum = words.iter().fold(u64::from(sum), |sum, word| _mm_crc32_u64(sum, u64::from_le_bytes(*word)));
        rest.iter().fold(sum as u32, |sum, byte| _mm_crc32_u8(sum, *byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720 §B.4, and every length up to some words, bit by bit.
    #[test]
    fn the_instruction_sums_as_the_definition_says() {
        let Some(crc32c) = crc32c() else { return };
        assert_eq!(!crc32c(!0, b"123456789"), 0xE306_9283);
        let bytes: Vec<u8> = (0..100_u8).map(|byte| byte.wrapping_mul(167)).collect();
        for length in 0..bytes.len() {
            for cut in [0, length / 3, length] {
                let (first, second) = bytes[..length].split_at(cut);
                assert_eq!(
                    crc32c(crc32c(!0, first), second),
                    bit_by_bit(&bytes[..length]),
                    "{length} bytes, cut at {cut}"
                );
            }
        }
    }

    fn bit_by_bit(bytes: &[u8]) -> u32 {
        bytes.iter().fold(!0, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0x82F6_3B78 } else { sum >> 1 })
        })
    }
}
