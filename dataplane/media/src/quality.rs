//! How good one direction of media was: loss and jitter as RFC 3550 counts them, and an estimate of what a listener would say.

use units::Instant;

use crate::rtp::Header;

/// What one direction of media was like, as received from one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// RTP packets accepted.
    pub packets: u64,
    /// Their bytes, RTP headers included.
    pub bytes: u64,
    /// Packets missing by sequence number.
    pub lost: u32,
    /// Packets from an address that was not the peer's, dropped.
    pub strangers: u32,
    /// Interarrival jitter in microseconds; 0 for codecs with a dynamic payload type, whose clock is not known here.
    pub jitter_us: u32,
    /// Mean opinion score × 100, 100 to 450; 0 without media. The network's delay is not known to a relay and counts as none.
    pub mos_x100: u16,
}

/// RFC 3550 A.1: a jump forward beyond this is another stream, not loss.
const DROPOUT_MAX: u16 = 3_000;
/// RFC 3550 A.1: a step back within this is a late packet.
const MISORDER_MAX: u16 = 100;
/// A listener's buffer is taken as one frame and twice the jitter.
const FRAME_US: u64 = 20_000;

/// The running counts behind [`Quality`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    packets: u64,
    bytes: u64,
    strangers: u32,
    /// Expected minus received of the sources that went before.
    lost_before: i64,
    run: Option<Run>,
    payload_type: u8,
    jitter_us_x16: u64,
}

/// One source's unbroken run of sequence numbers.
#[derive(Clone, Copy, Debug)]
struct Run {
    source: u32,
    base: u32,
    highest: u32,
    received: u64,
    /// What follows a jump that may turn out to be another run.
    suspect: Option<u16>,
    transit: Option<Transit>,
}

/// Arrival minus timestamp of the last packet, in units of the clock.
#[derive(Clone, Copy, Debug)]
struct Transit {
    payload_type: u8,
    ticks: u32,
}

impl Tally {
    pub(crate) fn stranger(&mut self) {
        self.strangers = self.strangers.saturating_add(1);
    }

    pub(crate) fn packet(&mut self, now: Instant, header: &Header, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
        if self.packets == 1 {
            self.payload_type = header.payload_type;
        }
        match &mut self.run {
            Some(run) if run.source == header.source => {
                if run.sequence(header.sequence) {
                    self.restart(header);
                }
            }
            Some(_) | None => self.restart(header),
        }
        self.jitter(now, header);
    }

    pub(crate) fn quality(&self) -> Quality {
        let lost = (self.lost_before + self.run.map_or(0, |run| run.lost())).clamp(0, i64::from(u32::MAX));
        let jitter_us = (self.jitter_us_x16 / 16).min(u64::from(u32::MAX)) as u32;
        Quality {
            packets: self.packets,
            bytes: self.bytes,
            lost: lost as u32,
            strangers: self.strangers,
            jitter_us,
            mos_x100: mos_x100(self.packets, lost as u64, jitter_us, self.payload_type),
        }
    }

    fn restart(&mut self, header: &Header) {
        self.lost_before += self.run.map_or(0, |run| run.lost());
        let first = u32::from(header.sequence);
        let source = header.source;
        self.run = Some(Run { source, base: first, highest: first, received: 1, suspect: None, transit: None });
    }

    /// RFC 3550 §6.4.1 and A.8: J += (|D| - J) / 16.
    fn jitter(&mut self, now: Instant, header: &Header) {
        let (Some(run), Some(hertz)) = (&mut self.run, clock_hertz(header.payload_type)) else { return };
        let arrival = (now.micros().wrapping_mul(hertz) / 1_000_000) as u32;
        let ticks = arrival.wrapping_sub(header.timestamp);
        let payload_type = header.payload_type;
        let before = run.transit.replace(Transit { payload_type, ticks });
        let Some(before) = before.filter(|before| before.payload_type == payload_type) else { return };
        let difference = u64::from((ticks.wrapping_sub(before.ticks) as i32).unsigned_abs());
        if difference > hertz {
            // More than a second: the source started its timestamps anew (hold, transfer).
            return;
        }
        let difference_us = difference * 1_000_000 / hertz;
        self.jitter_us_x16 = self.jitter_us_x16 + difference_us - (self.jitter_us_x16 + 8) / 16;
    }
}

impl Run {
    /// RFC 3550 A.1 without probation. True when the source began anew.
    fn sequence(&mut self, sequence: u16) -> bool {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        if ahead < DROPOUT_MAX {
            self.highest = self.highest.wrapping_add(u32::from(ahead));
        } else if ahead <= u16::MAX - MISORDER_MAX {
            // A jump is believed when the next packet follows it.
            let believed = self.suspect == Some(sequence);
            self.suspect = Some(sequence.wrapping_add(1));
            return believed;
        }
        self.suspect = None;
        self.received += 1;
        false
    }

    /// RFC 3550 A.3: expected minus received; duplicates make it negative.
    fn lost(&self) -> i64 {
        i64::from(self.highest.wrapping_sub(self.base)) + 1 - self.received as i64
    }
}

/// RFC 3551 §6: clocks of the static payload types that carry speech or video; dynamic ones are named in SDP only.
fn clock_hertz(payload_type: u8) -> Option<u64> {
    match payload_type {
        0 | 3..=5 | 7..=9 | 12 | 15 | 18 => Some(8_000),
        6 => Some(16_000),
        10 | 11 => Some(44_100),
        16 => Some(11_025),
        17 => Some(22_050),
        14 | 25 | 26 | 28 | 31..=34 => Some(90_000),
        _ => None,
    }
}

/// ITU-T G.113 appendix I: equipment impairment and robustness to loss, each × 1,000. Others count as G.711 with concealment.
fn impairment(payload_type: u8) -> (i64, i64) {
    match payload_type {
        18 => (11_000, 19_000),
        4 => (15_000, 16_100),
        _ => (0, 25_100),
    }
}

/// ITU-T G.107 §7 with its default values: R = 93.2 - Id - Ie,eff, then Annex B from R to MOS. R is kept × 1,000.
fn mos_x100(packets: u64, lost: u64, jitter_us: u32, payload_type: u8) -> u16 {
    if packets == 0 {
        return 0;
    }
    let (equipment, robustness) = impairment(payload_type);
    let loss = (lost.saturating_mul(100_000) / packets.saturating_add(lost)) as i64;
    // G.107 equation 7-29 with BurstR = 1.
    let equipment = equipment + (95_000 - equipment) * loss / (loss + robustness);
    // Id ≈ 0.024 d + 0.11 (d - 177.3) above 177.3 ms: the usual straight-line form of G.107 §7.4, d in ms.
    let delay_us = (FRAME_US + 2 * u64::from(jitter_us)) as i64;
    let delay = delay_us * 24 / 1_000 + (delay_us - 177_300).max(0) * 110 / 1_000;
    let r = (93_200 - delay - equipment).clamp(0, 100_000);
    // G.107 equation B-4: 1 + 0.035 R + R (R - 60) (100 - R) 7·10⁻⁶.
    let cubic = r * (r - 60_000) / 1_000 * (100_000 - r) / 1_000;
    let mos = 100 + (r * 35 * 1_000 + 7 * cubic + 5_000_000) / 10_000_000;
    mos.clamp(100, 450) as u16
}
