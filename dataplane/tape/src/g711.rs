//! Samples of ITU-T G.711, as 16 bits: the 13 or 14 bits of the law stand in the upper ones.

use crate::frame::Law;

static ULAW: [i16; 256] = table(Law::U);
static ALAW: [i16; 256] = table(Law::A);

/// The sample that a byte stands for.
pub fn sample(law: Law, byte: u8) -> i16 {
    match law {
        Law::U => ULAW[byte as usize],
        Law::A => ALAW[byte as usize],
    }
}

const fn table(law: Law) -> [i16; 256] {
    let mut samples = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        samples[byte] = match law {
            Law::U => ulaw(byte as u8),
            Law::A => alaw(byte as u8),
        };
        byte += 1;
    }
    samples
}

/// G.711 table 2: all bits are inverted; sign, three bits of the segment, four within it; the decision values lie 33 off.
const fn ulaw(byte: u8) -> i16 {
    let byte = !byte;
    let (segment, step) = ((byte >> 4) & 7, (byte & 15) as i16);
    let size = (((step << 1) + 33) << segment) - 33;
    (if byte & 0x80 == 0 { size } else { -size }) << 2
}

/// G.711 table 1: even bits are inverted; a set sign bit is positive; the first two segments have the same steps.
const fn alaw(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let (segment, step) = ((byte >> 4) & 7, (byte & 15) as i16);
    let size = if segment == 0 { (step << 1) + 1 } else { ((step << 1) + 33) << (segment - 1) };
    (if byte & 0x80 == 0 { -size } else { size }) << 3
}
