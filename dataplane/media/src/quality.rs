//! How good one direction of media was: loss, order and jitter as RFC 3550 counts them, bursts as RFC 3611 does, and an estimate of
//! what a listener would say.

use units::Instant;

use crate::emodel::{self, Impaired};
use crate::format::{Format, Voice};
use crate::kernel::Below;
use crate::rtp::Header;
use crate::window::{Losses, Window};

/// What one direction of media was like, as received from one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// RTP packets accepted.
    pub packets: u64,
    /// Those among them that the kernel relayed. It counts doubles as packets out of order, and no bursts: where it had packets,
    /// `mos_x100` takes loss as spread evenly.
    pub kernel_packets: u64,
    /// The bytes of all, RTP headers included.
    pub bytes: u64,
    /// Packets missing by sequence number.
    pub lost: u32,
    /// Packets that came after one of a higher number.
    pub reordered: u32,
    /// Packets that came more than once, seen within 64 numbers.
    pub duplicates: u32,
    /// The share of packets lost within bursts (RFC 3611 §4.7.2, Gmin 16), per mille; 0 without bursts.
    pub burst_loss_permille: u16,
    /// The mean length of a burst in milliseconds; 0 without bursts.
    pub burst_ms: u32,
    /// Packets from an address that was not the peer's, dropped.
    pub strangers: u32,
    /// Interarrival jitter in microseconds; 0 for codecs whose clock no description named.
    pub jitter_us: u32,
    /// Round trip between us and the peer by its RTCP (RFC 3550 §6.4.1), in microseconds; 0 if it told nothing.
    pub rtt_us: u32,
    /// When its first packet came.
    pub first: Option<Instant>,
    /// Mean opinion score × 100 by the E-model (ITU-T G.107), 100 to 450; 0 without media. The network's delay is half of both
    /// round trips that are known.
    pub mos_x100: u16,
}

/// RFC 3550 A.1: a jump forward beyond this is another stream, not loss.
const DROPOUT_MAX: u16 = 3_000;
/// RFC 3550 A.1: a step back within this is a late packet.
const MISORDER_MAX: u16 = 100;

/// RFC 3550 A.8: after so many packets the jitter has forgotten where it began.
const JITTER_PACKETS: u64 = 16;

/// The running counts behind [`Quality`]; in order, what every packet touches comes first.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Tally {
    packets: u64,
    bytes: u64,
    jitter_us_x16: u64,
    last: Option<Instant>,
    /// The codec that was heard last.
    voice: Voice,
    run: Option<Run>,
    first: Option<Instant>,
    /// Losses of the sources that went before.
    before: Losses,
    strangers: u32,
    reordered: u32,
    duplicates: u32,
    kernel_packets: u64,
}

/// One source's unbroken run of sequence numbers.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Run {
    source: u32,
    highest: u16,
    /// What follows a jump that may turn out to be another run.
    suspect: Option<u16>,
    transit: Option<Transit>,
    window: Window,
}

/// Arrival minus timestamp of the last packet, in units of the clock.
#[derive(Clone, Copy, Debug)]
struct Transit {
    payload_type: u8,
    ticks: u32,
}

/// Where a sequence number stands in its run.
enum Place {
    Ahead,
    Late {
        twice: bool,
    },
    /// A jump that is not believed yet.
    Astray,
    /// The source began anew.
    Anew,
}

impl Tally {
    pub(crate) fn stranger(&mut self) {
        self.strangers = self.strangers.saturating_add(1);
    }

    pub(crate) fn packet(&mut self, came: Instant, header: &Header, format: Format, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
        if self.packets == 1 {
            self.first = Some(came);
        }
        self.last = Some(came);
        if format.voice != Voice::Mute {
            self.voice = format.voice;
        }
        let place = match &mut self.run {
            Some(run) if run.source == header.source => run.place(header.sequence),
            Some(_) | None => Place::Anew,
        };
        match place {
            Place::Ahead | Place::Astray => {}
            Place::Late { twice: true } => self.duplicates = self.duplicates.saturating_add(1),
            Place::Late { twice: false } => self.reordered = self.reordered.saturating_add(1),
            Place::Anew => self.restart(header),
        }
        if format.voice != Voice::Mute && format.clock_hz > 0 {
            self.jitter(came, header, u64::from(format.clock_hz));
        }
    }

    /// True once an RTP packet came.
    pub(crate) fn has_packets(&self) -> bool {
        self.packets > 0
    }

    /// A packet of a stream that the kernel relays came here: its place in the row is known when the kernel's counts are.
    pub(crate) fn stray(&mut self, came: Instant, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
        self.last = Some(came);
    }

    /// What the kernel relayed joins what came here before and meanwhile.
    pub(crate) fn absorb(&mut self, below: &Below) {
        if !below.is_something() {
            return;
        }
        let carried = &below.carried;
        self.packets += carried.packets;
        self.kernel_packets += carried.packets;
        self.bytes += carried.bytes;
        self.reordered = self.reordered.saturating_add(carried.reordered);
        self.last = self.last.max(carried.last);
        let mut losses = self.losses();
        let known = self.run.and_then(|run| Some((run.source, below.beyond(run.source, run.highest)?)));
        let (source, (lost, highest)) = known.unwrap_or((carried.source, (carried.lost, carried.sequences.1 as u16)));
        losses.scattered(lost);
        self.before = losses;
        self.run = Some(Run { source, highest, window: Window::begun(losses), suspect: None, transit: None });
        if carried.packets >= JITTER_PACKETS && carried.jitter_us > 0 {
            self.jitter_us_x16 = 16 * u64::from(carried.jitter_us);
        }
    }

    /// As it stands, with the round trips to the peer and beyond us.
    pub(crate) fn quality(&self, rtt_us: u32, beyond_us: u32) -> Quality {
        let losses = self.losses();
        let jitter_us = (self.jitter_us_x16 / 16).min(u64::from(u32::MAX)) as u32;
        let (packets, voice) = (self.packets, self.voice);
        let delay_us = (u64::from(rtt_us) + u64::from(beyond_us)) / 2;
        let heard = Impaired {
            packets,
            lost: u64::from(losses.all),
            loss_runs: u64::from(losses.runs),
            jitter_us,
            delay_us,
            voice,
        };
        Quality {
            packets,
            kernel_packets: self.kernel_packets,
            bytes: self.bytes,
            lost: losses.all,
            reordered: self.reordered,
            duplicates: self.duplicates,
            burst_loss_permille: losses.burst_loss_permille(),
            burst_ms: self.burst_ms(&losses),
            strangers: self.strangers,
            jitter_us,
            rtt_us,
            first: self.first,
            mos_x100: emodel::mos_x100(&heard),
        }
    }

    fn losses(&self) -> Losses {
        self.run.map_or(self.before, |run| run.window.settled())
    }

    /// A burst's packets, at the pace at which packets came over all.
    fn burst_ms(&self, losses: &Losses) -> u32 {
        let (Some(first), Some(last)) = (self.first, self.last) else { return 0 };
        let sent = self.packets.saturating_add(u64::from(losses.all)).saturating_sub(1).max(1);
        let pace_us = last.micros_since(first) / sent;
        (losses.burst_packets_x1000().saturating_mul(pace_us) / 1_000_000).min(u64::from(u32::MAX)) as u32
    }

    fn restart(&mut self, header: &Header) {
        self.before = self.losses();
        self.run = Some(Run {
            source: header.source,
            highest: header.sequence,
            window: Window::begun(self.before),
            suspect: None,
            transit: None,
        });
    }

    /// RFC 3550 §6.4.1 and A.8: J += (|D| - J) / 16.
    fn jitter(&mut self, came: Instant, header: &Header, hertz: u64) {
        let Some(run) = &mut self.run else { return };
        let arrival = (came.micros().wrapping_mul(hertz) / 1_000_000) as u32;
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
    /// RFC 3550 A.1 without probation.
    fn place(&mut self, sequence: u16) -> Place {
        let ahead = sequence.wrapping_sub(self.highest);
        let behind = ahead.wrapping_neg();
        let place = match ahead {
            0 => Place::Late { twice: true },
            1..DROPOUT_MAX => {
                self.window.advance(u32::from(ahead));
                self.highest = sequence;
                Place::Ahead
            }
            _ if behind <= MISORDER_MAX => Place::Late { twice: self.window.late(u32::from(behind)) },
            // A jump is believed when the next packet follows it.
            _ => {
                let believed = self.suspect == Some(sequence);
                self.suspect = Some(sequence.wrapping_add(1));
                return if believed { Place::Anew } else { Place::Astray };
            }
        };
        self.suspect = None;
        place
    }
}
