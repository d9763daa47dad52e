//! Round trips by RTCP: a sender report that we passed on to a peer comes back in that peer's report blocks (RFC 3550 §6.4.1).

use units::Instant;

/// Round trips beyond this are not believed, in microseconds.
const RTT_US_MAX: u64 = 10_000_000;
/// Packets of one compound that are looked at.
const PACKETS_MAX: usize = 4;
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const BLOCK_BYTES: usize = 24;

/// What was passed on to a peer, and what it said of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Echo {
    /// The middle of the last sender report's NTP time, and when it left us.
    sent: Option<(u32, Instant)>,
    pub(crate) rtt_us: u32,
}

impl Echo {
    /// A compound is passed on to the peer.
    pub(crate) fn told(&mut self, now: Instant, bytes: &[u8]) {
        let report = packets(bytes).find(|(kind, _)| *kind == SENDER_REPORT);
        if let Some(middle) = report.and_then(|(_, packet)| word(packet, 10)) {
            self.sent = Some((middle, now));
        }
    }

    /// A compound came from the peer.
    pub(crate) fn heard(&mut self, now: Instant, bytes: &[u8]) {
        let Some((middle, sent)) = self.sent else { return };
        let since_us = now.micros_since(sent);
        for (kind, packet) in packets(bytes) {
            let blocks = match kind {
                SENDER_REPORT => packet.get(28..),
                RECEIVER_REPORT => packet.get(8..),
                _ => None,
            };
            for block in blocks.unwrap_or(&[]).chunks_exact(BLOCK_BYTES) {
                // The delay since it was heard is told in units of 1/65,536 s.
                let (Some(last), Some(delay)) = (word(block, 16), word(block, 20)) else { continue };
                let delay_us = u64::from(delay) * 1_000_000 / 65_536;
                let rtt_us = since_us.checked_sub(delay_us).filter(|rtt_us| *rtt_us <= RTT_US_MAX);
                if let Some(rtt_us) = rtt_us.filter(|_| last == middle) {
                    self.rtt_us = rtt_us.max(1) as u32;
                }
            }
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The packets of a compound, each with its kind.
fn packets(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes;
    let next = move || {
        let (kind, words) = (*rest.get(1)?, u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]));
        let (packet, after) = rest.split_at_checked(4 * (usize::from(words) + 1))?;
        rest = after;
        Some((kind, packet))
    };
    core::iter::from_fn(next).take(PACKETS_MAX)
}
