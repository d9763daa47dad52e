//! What the kernel relayed of one stream in our place, and how that joins what we measure ourselves.

use units::Instant;

/// Where a stream's packets are relayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Path {
    /// Here, from socket to socket.
    #[default]
    Socket,
    /// In the kernel; what it does not know still comes here.
    Kernel,
    /// Here again; what the kernel counted until then is awaited.
    Leaving,
}

/// What the kernel counted of one stream since it was joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// RTP packets.
    pub packets: u64,
    /// Their bytes, RTP headers included.
    pub bytes: u64,
    /// When the last one came.
    pub last: Option<Instant>,
    /// The last one's source (RFC 3550 §5.1).
    pub source: u32,
    /// How many sources there were, one after the other.
    pub sources: u32,
    /// The sequence numbers of that source's first packet and of its highest, counted on beyond 65,535.
    pub sequences: (u32, u32),
    /// Packets that never came, by sequence numbers.
    pub lost: u32,
    /// Packets that came behind a later one, doubles included.
    pub reordered: u32,
    /// Interarrival jitter (RFC 3550 §6.4.1) in microseconds; 0 if the clock is not known.
    pub jitter_us: u32,
}

/// Of so many packets that come up in one stay the kernel hears that they were passed on; it waits for no more.
const TOLD_FIRST: u32 = 256;
/// Then of one in so many.
const TOLD_OF: u32 = 64;

/// One stay of a stream in the kernel: its counts, and the packets that came up to us meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Below {
    pub(crate) carried: Carried,
    strays: u32,
    /// The highest sequence number among them.
    highest: Option<u16>,
}

impl Below {
    /// A packet of the peer came up all the same.
    pub(crate) fn stray(&mut self, sequence: u16) {
        self.strays = self.strays.saturating_add(1);
        self.highest = match self.highest {
            Some(highest) if ahead(highest, sequence) <= 0 => Some(highest),
            Some(_) | None => Some(sequence),
        };
    }

    /// True if the kernel is to hear that the last packet that came up was passed on.
    pub(crate) fn is_told_of(&self) -> bool {
        self.strays <= TOLD_FIRST || self.strays.is_multiple_of(TOLD_OF)
    }

    /// What was lost since the packet before it, and the highest sequence number then; none without any packet of this source.
    /// A packet counts as lost if neither the kernel nor we had it.
    pub(crate) fn beyond(&self, source: u32, before: u16) -> Option<(u32, u16)> {
        let Carried { sources, sequences: (first, last), lost, .. } = self.carried;
        let (mut span, mut end) = (0, before);
        if sources > 0 {
            if sources > 1 || self.carried.source != source {
                return None;
            }
            span = i64::from(ahead(before, first as u16)) - 1 + i64::from(lost);
            end = last as u16;
        }
        if let Some(highest) = self.highest {
            let rest = ahead(end, highest);
            if rest > 0 {
                span += i64::from(rest);
                end = highest;
            }
        }
        Some(((span - i64::from(self.strays)).clamp(0, i64::from(u32::MAX)) as u32, end))
    }

    /// True if anything was heard.
    pub(crate) fn is_something(&self) -> bool {
        self.carried.packets > 0 || self.strays > 0
    }
}

/// How far a sequence number is ahead of another, within half their range.
fn ahead(of: u16, number: u16) -> i16 {
    number.wrapping_sub(of) as i16
}
