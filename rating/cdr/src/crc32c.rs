//! CRC32C (Castagnoli), eight bytes at a time: finds every burst of up to 32 flipped bits.

/// Castagnoli's polynomial, reflected.
const POLYNOMIAL: u32 = 0x82F6_3B78;

static TABLES: [[u32; 256]; 8] = tables();

/// `TABLES[n][byte]` is what a byte does to the sum when `n` bytes follow it.
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut row = 1;
    while row < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[row - 1][byte];
            tables[row][byte] = (before >> 8) ^ tables[0][(before & 255) as usize];
            byte += 1;
        }
        row += 1;
    }
    tables
}

/// The checksum of several pieces as if they were one.
pub fn crc32c(pieces: &[&[u8]]) -> u32 {
    !pieces.iter().copied().fold(!0, sum_on)
}

/// Goes on with a sum, whose bits are inverted until the end, over more bytes. A processor may have an instruction for that.
pub type Summing = fn(u32, &[u8]) -> u32;

/// The [`Summing`] of any processor.
pub fn sum_on(mut crc: u32, bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mixed = (u64::from(crc) ^ u64::from_le_bytes(*word)).to_le_bytes();
        crc = 0;
        let mut place = 0;
        while place < 8 {
            crc ^= TABLES[7 - place][usize::from(mixed[place])];
            place += 1;
        }
    }
    for byte in rest {
        crc = (crc >> 8) ^ TABLES[0][usize::from(crc as u8 ^ byte)];
    }
    crc
}
