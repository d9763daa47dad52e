//! What somebody said whose call is recorded: the last packet of voice that was passed on, in the clear.

use alloc::vec::Vec;

use crate::format::{Format, Sound, Voice};
use crate::rtp::Header;

/// Bytes of one packet's voice that are kept at most: more than a second of G.711.
const PAYLOAD_BYTES_MAX: usize = 8_192;

/// One packet of voice.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// The RTP port of ours that heard it.
    pub port: u16,
    /// How it becomes samples.
    pub sound: Sound,
    /// Who said it (RFC 3550 §5.1, SSRC).
    pub source: u32,
    /// When, by its source's clock.
    pub timestamp: u32,
    /// The voice; of a codec that we have no decoder for, nothing.
    pub payload: Vec<u8>,
    fresh: bool,
}

impl Said {
    /// Keeps a packet in place of the last one. Events and comfort noise are no voice. Allocates until it has met the longest one.
    pub(crate) fn keep(&mut self, port: u16, header: &Header, format: Format, bytes: &[u8]) {
        if format.voice == Voice::Mute {
            return;
        }
        self.payload.clear();
        if format.sound != Sound::Unknown {
            self.payload.extend_from_slice(voice(header, bytes));
        }
        let (sound, source, timestamp) = (format.sound, header.source, header.timestamp);
        (self.port, self.sound, self.source, self.timestamp, self.fresh) = (port, sound, source, timestamp, true);
    }

    /// The packet, if it was not taken yet.
    pub(crate) fn take(&mut self) -> Option<&Said> {
        core::mem::take(&mut self.fresh).then_some(self)
    }
}

/// What lies between header and padding (RFC 3550 §5.1: the last byte counts the padding).
fn voice<'a>(header: &Header, bytes: &'a [u8]) -> &'a [u8] {
    let voice = &bytes[usize::from(header.length)..];
    let padding = if bytes[0] & 0x20 == 0 { 0 } else { voice.last().map_or(0, |count| usize::from(*count)) };
    &voice[..voice.len().saturating_sub(padding).min(PAYLOAD_BYTES_MAX)]
}
