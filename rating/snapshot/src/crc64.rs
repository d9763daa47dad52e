//! CRC-64/XZ, eight bytes at a time: finds every burst of up to 64 flipped bits, and anything else but for one chance in 2⁶⁴.

/// ECMA-182's polynomial, reflected.
const POLYNOMIAL: u64 = 0xC96C_5795_D787_0F42;

static TABLES: [[u64; 256]; 8] = tables();

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
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
pub fn crc64(pieces: &[&[u8]]) -> u64 {
    !pieces.iter().fold(!0, |crc, piece| update(crc, piece))
}

fn update(mut crc: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mixed = (crc ^ u64::from_le_bytes(*word)).to_le_bytes();
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
