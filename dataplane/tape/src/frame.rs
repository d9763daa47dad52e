//! One packet of a recorded voice, as a note carries it.

use alloc::vec::Vec;

/// Bytes before the voice.
const HEAD_BYTES: usize = 9;

/// How bytes stand for samples (ITU-T G.711).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Law {
    /// µ-law.
    U = 0,
    /// A-law.
    A = 1,
}

/// One packet of voice: a sample a byte, 8,000 of them a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// How its bytes stand for samples.
    pub law: Law,
    /// Who says it (RFC 3550 §5.1, SSRC).
    pub source: u32,
    /// The first sample's place by the source's clock, in samples.
    pub timestamp: u32,
    /// The samples.
    pub voice: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Appends the frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.law as u8);
        out.extend_from_slice(&self.source.to_le_bytes());
        out.extend_from_slice(&self.timestamp.to_le_bytes());
        out.extend_from_slice(self.voice);
    }

    /// Bytes of the encoded frame.
    pub fn encoded_bytes(&self) -> usize {
        HEAD_BYTES + self.voice.len()
    }

    /// Reads a frame; `None` if it is none.
    pub fn decode(bytes: &'a [u8]) -> Option<Frame<'a>> {
        let law = match bytes.first()? {
            0 => Law::U,
            1 => Law::A,
            _ => return None,
        };
        let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        Some(Frame { law, source: number(1)?, timestamp: number(5)?, voice: &bytes[HEAD_BYTES..] })
    }
}
