//! The head of a WAV file (RIFF, format 1): two voices side by side, 16 bits a sample, 8,000 samples a second.

/// Samples of each voice in a second.
pub const RATE_HZ: u32 = 8_000;
/// Bytes of a file before its samples.
pub const HEAD_BYTES: usize = 44;
/// Bytes of one moment: a sample of each voice.
pub const MOMENT_BYTES: usize = 4;
/// Bytes of a file at most that its head can tell of.
pub const FILE_BYTES_MAX: u64 = u32::MAX as u64;

/// The head of a file with so many moments; of one that is too long, as many as it can tell of.
pub fn head(moments: u64) -> [u8; HEAD_BYTES] {
    let most = (FILE_BYTES_MAX - HEAD_BYTES as u64) / MOMENT_BYTES as u64;
    let bytes = (moments.min(most) * MOMENT_BYTES as u64) as u32;
    let mut head = [0; HEAD_BYTES];
    let parts: [&[u8]; 13] = [
        b"RIFF",
        &(bytes + HEAD_BYTES as u32 - 8).to_le_bytes(),
        b"WAVEfmt ",
        &16_u32.to_le_bytes(),
        // PCM, two voices.
        &1_u16.to_le_bytes(),
        &2_u16.to_le_bytes(),
        &RATE_HZ.to_le_bytes(),
        &(RATE_HZ * MOMENT_BYTES as u32).to_le_bytes(),
        &(MOMENT_BYTES as u16).to_le_bytes(),
        &16_u16.to_le_bytes(),
        b"data",
        &bytes.to_le_bytes(),
        &[],
    ];
    let mut at = 0;
    for part in parts {
        head[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    head
}

/// Whole moments of a file of so many bytes.
pub fn moments(file_bytes: u64) -> u64 {
    file_bytes.saturating_sub(HEAD_BYTES as u64) / MOMENT_BYTES as u64
}

/// Where a moment stands in its file, in bytes.
pub fn offset(moment: u64) -> u64 {
    HEAD_BYTES as u64 + moment * MOMENT_BYTES as u64
}
