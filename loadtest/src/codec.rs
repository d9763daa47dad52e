//! What packets of media are like: as large as a codec makes them, with so much time in each.

use std::net::SocketAddr;

use clap::ValueEnum;
use sim::message::{self, G711, Offer};

use crate::clock::MS;

/// Bytes of RTP's header.
pub const HEADER_BYTES: usize = 12;
/// Bytes of the largest packet: 30 ms of G.711.
pub const PACKET_BYTES_MAX: usize = HEADER_BYTES + 240;
/// Media at the end of a call that may be on its way when it ends, in milliseconds.
const TAIL_MS: u32 = 200;

/// Whose sizes they are. Nothing is encoded: payloads carry what tells them apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Codec {
    /// 64 kbit/s.
    #[default]
    G711,
    /// 8 kbit/s (G.729A).
    G729,
}

/// The packets of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packets {
    /// Whose.
    pub codec: Codec,
    /// Milliseconds in each: 10, 20 or 30.
    pub ms: u8,
}

/// What nearly everybody sends.
pub const USUAL: Packets = Packets { codec: Codec::G711, ms: 20 };

/// Reads `10`, `20` or `30`.
pub fn ptime(text: &str) -> Result<u8, String> {
    text.parse()
        .ok()
        .filter(|ms| [10, 20, 30].contains(ms))
        .ok_or_else(|| format!("'{text}': a packet holds 10, 20 or 30 ms"))
}

impl Packets {
    /// Bytes of one, with RTP's header.
    pub fn bytes(self) -> usize {
        let in_ten_ms = match self.codec {
            Codec::G711 => 80,
            Codec::G729 => 10,
        };
        HEADER_BYTES + usize::from(self.ms) / 10 * in_ten_ms
    }

    /// Nanoseconds from one to the next.
    pub fn ns(self) -> u64 {
        u64::from(self.ms) * MS
    }

    /// Units of RTP's timestamp in one.
    pub fn units(self) -> u32 {
        u32::from(self.ms) * 8
    }

    /// Packets at the end of a call that may be on their way when it ends.
    pub fn tail(self) -> u32 {
        TAIL_MS / u32::from(self.ms)
    }

    /// RFC 3551 §6.
    pub fn payload_type(self) -> u8 {
        match self.codec {
            Codec::G711 => 8,
            Codec::G729 => 18,
        }
    }

    /// Milliseconds until one is full, with what the codec looks ahead.
    pub fn full_ms(self) -> f64 {
        let ahead = match self.codec {
            Codec::G711 => 0.0,
            Codec::G729 => 5.0,
        };
        f64::from(self.ms) + ahead
    }

    /// G.113 appendix I: what the codec costs (Ie), and how robust it is against loss (Bpl): G.711 that hides its losses; G.729A.
    pub fn impairment(self) -> (f64, f64) {
        match self.codec {
            Codec::G711 => (0.0, 25.1),
            Codec::G729 => (11.0, 19.0),
        }
    }

    /// Writes the description of a stream of them, with telephone events under this payload type.
    pub fn describe(self, out: &mut String, media: SocketAddr, events: Option<u8>) {
        let offer = match self.codec {
            Codec::G711 => Offer { ptime: self.ms, ..G711 },
            Codec::G729 => {
                Offer { formats: "18", lines: "a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\n", ptime: self.ms }
            }
        };
        message::write_sdp_with(out, media, &offer, events);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_have_the_sizes_that_the_codecs_make() {
        let sizes = |codec| [10, 20, 30].map(|ms| Packets { codec, ms }.bytes() - HEADER_BYTES);
        assert_eq!((sizes(Codec::G711), sizes(Codec::G729)), ([80, 160, 240], [10, 20, 30]));
        assert_eq!([10, 20, 30].map(|ms| Packets { ms, ..USUAL }.tail()), [20, 10, 6]);
        assert!(ptime("15").is_err() && ptime("x").is_err() && ptime("30") == Ok(30));
    }

    #[test]
    fn a_description_names_the_codec_and_the_time() {
        let (mut text, media) = (String::new(), "127.0.0.1:6000".parse().expect("an address"));
        Packets { codec: Codec::G729, ms: 30 }.describe(&mut text, media, Some(101));
        let wanted = ["m=audio 6000 RTP/AVP 18 101\r\n", "a=rtpmap:18 G729/8000\r\n", "a=ptime:30\r\n"];
        assert!(wanted.iter().all(|line| text.contains(line)), "{text}");
        USUAL.describe(&mut text, media, None);
        assert_eq!(text, message::sdp(media));
    }
}
