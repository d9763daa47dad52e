//! Who is heard, and how much: asked before anything is read. All its memory is taken at the start and never grows.

mod buckets;
mod hash;
mod load;
mod pairs;
mod report;

use alloc::vec::Vec;
use core::net::IpAddr;

use sip::Message;
use units::{Instant, Number};

pub use buckets::{PEER_SLOTS, STRANGER_SLOTS};
pub use load::{LAG_MAX_MS, Load};
pub use pairs::{Looping, PAIR_SLOTS, Seat};
pub use report::{REFUSED_MAX, Reason, Refused, USER_BYTES_MAX};

use buckets::Buckets;
use hash::mix;

pub(crate) use hash::fold;
use load::Gauge;
use pairs::Pairs;
use report::Report;

/// What an address that no trunk has gets for a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stranger {
    /// One packet without memory of it (RFC 3261 §8.2.7), never larger than 1.2 times what came.
    #[default]
    Refuse,
    /// Nothing.
    Silent,
}

/// How much is heard. Each limit counts for one shard alone; a rate of 0 is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Messages a second from one unknown IPv4 address or IPv6 /64. Default 10, with a burst of 20.
    pub stranger_per_s: u32,
    /// Messages a second from all unknown addresses together. Default 2,000, with a burst of as many.
    pub strangers_per_s: u32,
    /// Messages a second from one address that some trunk has. Default 20,000, with a burst of as many.
    pub peer_per_s: u32,
    /// What unknown addresses get.
    pub stranger: Stranger,
    /// Calls of one caller to one destination that began within a second and wait for their answer; more are a loop (482, cause 406).
    /// Default 250; 0 is no limit.
    pub pair_waiting_max: u16,
    /// Fingerprints of messages that broke a shard: dropped unread. At most [`BLOCKED_MAX`] count.
    pub blocked: Vec<u64>,
}

/// Digits of a number that is one person's.
const CALLER_DIGITS_MIN: usize = 6;
/// Blocked messages at most.
pub const BLOCKED_MAX: usize = 64;

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            stranger_per_s: 10,
            strangers_per_s: 2_000,
            peer_per_s: 20_000,
            stranger: Stranger::Refuse,
            pair_waiting_max: 250,
            blocked: Vec::new(),
        }
    }
}

/// Why a datagram is dropped unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Its source sends too much.
    Rate,
    /// The shard is busy, and its source is nobody's.
    Busy,
}

/// The fingerprint of a message: the same on every node and in every release.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    fold(0, bytes)
}

/// One shard's guard.
#[derive(Debug)]
pub struct Guard {
    seed: u64,
    strangers: Buckets,
    all_strangers: Buckets,
    peers: Buckets,
    pairs: Pairs,
    gauge: Gauge,
    report: Report,
    blocked: Vec<u64>,
    stranger: Stranger,
}

impl Guard {
    /// An open guard. The seed must be secret, so that nobody can choose addresses that share a place.
    pub fn new(settings: &Settings, seed: u64) -> Guard {
        let mut blocked: Vec<u64> = settings.blocked.iter().copied().take(BLOCKED_MAX).collect();
        blocked.sort_unstable();
        Guard {
            seed,
            strangers: Buckets::new(STRANGER_SLOTS, settings.stranger_per_s, settings.stranger_per_s.saturating_mul(2)),
            all_strangers: Buckets::new(1, settings.strangers_per_s, settings.strangers_per_s),
            peers: Buckets::new(PEER_SLOTS, settings.peer_per_s, settings.peer_per_s),
            pairs: Pairs::new(settings.pair_waiting_max),
            gauge: Gauge::default(),
            report: Report::default(),
            blocked,
            stranger: settings.stranger,
        }
    }

    /// May this datagram be read? `known` says that some trunk has the address.
    ///
    /// # Errors
    /// Why it is dropped.
    pub fn ask(&mut self, now: Instant, from: IpAddr, known: bool) -> Result<(), Silence> {
        let key = mix(self.seed, source_key(from));
        let passes = if known {
            self.peers.take(now, key)
        } else if self.gauge.load(now) > Load::Calm {
            return Err(Silence::Busy);
        } else {
            // One source over its own limit must not use up what all strangers share.
            self.strangers.take(now, key) && self.all_strangers.take(now, 0)
        };
        if passes { Ok(()) } else { Err(Silence::Rate) }
    }

    /// Did a message like this break a shard?
    pub fn is_blocked(&self, message: &[u8]) -> bool {
        !self.blocked.is_empty() && self.blocked.binary_search(&fingerprint(message)).is_ok()
    }

    /// How far behind the shard is, in thousandths of [`LAG_MAX_MS`].
    pub fn on_load(&mut self, now: Instant, permille: u32) {
        self.gauge.on_load(now, permille);
    }

    /// How busy the shard is.
    pub fn load(&self, now: Instant) -> Load {
        self.gauge.load(now)
    }

    /// Counts a call of this pair that begins. A caller whose number is withheld, a word or a few digits stands for many people and
    /// has no pair.
    ///
    /// # Errors
    /// It is one too many.
    pub fn enter_pair(&mut self, now: Instant, calling: &Number, called: &Number) -> Result<Option<Seat>, Looping> {
        let digits = calling.digits();
        if digits.len() < CALLER_DIGITS_MIN || !digits.iter().all(u8::is_ascii_digit) {
            return Ok(None);
        }
        self.pairs.enter(now, fold(fold(self.seed, calling.as_bytes()), called.as_bytes()))
    }

    /// A call that was counted is answered, or over.
    pub fn leave_pair(&mut self, seat: Seat) {
        self.pairs.leave(seat);
    }

    /// The tag of a refusal without memory: the same for a repeat of the request (RFC 3261 §8.2.7).
    pub fn tag(&self, call_id: &[u8], branch: &[u8]) -> [u8; 16] {
        let bits = fold(fold(self.seed, call_id), branch);
        core::array::from_fn(|place| b"0123456789abcdef"[(bits >> (60 - place * 4)) as usize & 15])
    }

    /// What unknown addresses get.
    pub fn stranger(&self) -> Stranger {
        self.stranger
    }

    /// Remembers who was refused.
    pub fn note(&mut self, at: units::WallTime, from: core::net::SocketAddr, message: &Message<'_>, reason: Reason) {
        self.report.note(at, from, message, reason);
    }

    /// The last who were refused, latest first.
    pub fn refused(&self) -> impl Iterator<Item = &Refused> {
        self.report.latest()
    }

    /// Bytes of all tables: what they hold from the first moment to the last.
    pub fn table_bytes(&self) -> usize {
        let buckets = [&self.strangers, &self.all_strangers, &self.peers];
        buckets.into_iter().map(Buckets::bytes).sum::<usize>() + self.pairs.bytes() + self.report.bytes()
    }
}

/// An address as a number; of IPv6 the first 64 bits, since one host may have all the rest.
fn source_key(from: IpAddr) -> u64 {
    match from.to_canonical() {
        IpAddr::V4(address) => u64::from(u32::from(address)),
        IpAddr::V6(address) => (u128::from(address) >> 64) as u64 ^ u64::MAX,
    }
}
