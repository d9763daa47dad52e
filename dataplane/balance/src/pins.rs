//! Which core an INVITE went to, until it has its final answer: repeats, its CANCEL and the ACK of its refusal follow it, though
//! cores come and go meanwhile.

use alloc::collections::VecDeque;

use hashbrown::HashMap;
use units::Instant;

use crate::CoreId;

/// INVITEs remembered at most; the oldest are forgotten.
pub const PINS_MAX: usize = 1 << 18;
/// How long a transaction may take without a provisional answer, and what comes after a final one: 64·T1 (RFC 3261 §17.1.1.2).
pub const TRANSACTION_MS: u64 = 32_000;
/// How long a telephone may ring: longer than timer C of a proxy (RFC 3261 §16.6 item 11).
pub const RING_MS: u64 = 240_000;

/// Where an INVITE went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// There.
    pub core: CoreId,
    /// The core said something to it.
    pub answered: bool,
    until: Instant,
}

/// All of them, by the hash of their Call-ID.
#[derive(Debug, Default)]
pub struct Pins {
    by_call: HashMap<u64, Pin>,
    /// When to look whether one is over; one entry for each pin.
    line: VecDeque<(Instant, u64)>,
}

impl Pins {
    /// Where the INVITE of this Call-ID went.
    pub fn get(&self, now: Instant, key: u64) -> Option<Pin> {
        self.by_call.get(&key).copied().filter(|pin| now < pin.until)
    }

    /// It goes there; true if it went elsewhere before.
    pub fn pin(&mut self, now: Instant, key: u64, core: CoreId) -> bool {
        self.sweep(now);
        let until = now.plus_millis(TRANSACTION_MS);
        let before = self.by_call.insert(key, Pin { core, answered: false, until });
        if before.is_none() {
            self.line.push_back((until, key));
        }
        before.is_some_and(|before| before.core != core && now < before.until)
    }

    /// A core answered a request of this Call-ID.
    pub fn heard(&mut self, now: Instant, key: u64, core: CoreId, status: u16) {
        let Some(pin) = self.by_call.get_mut(&key).filter(|pin| pin.core == core) else { return };
        pin.answered = true;
        pin.until = now.plus_millis(if status < 200 { RING_MS } else { TRANSACTION_MS });
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.by_call.len()
    }

    /// True if none is.
    pub fn is_empty(&self) -> bool {
        self.by_call.is_empty()
    }

    /// Forgets what is over, as much as may come in meanwhile, and the oldest where there are too many.
    fn sweep(&mut self, now: Instant) {
        for _ in 0..4 {
            let Some((due, key)) = self.line.front().copied() else { return };
            let full = self.by_call.len() >= PINS_MAX;
            if now < due && !full {
                return;
            }
            self.line.pop_front();
            match self.by_call.get(&key).map(|pin| pin.until).filter(|until| now < *until && !full) {
                // It was prolonged; it waits at the end of the line, which is not in order of time but bounded by it.
                Some(until) => self.line.push_back((until, key)),
                None => drop(self.by_call.remove(&key)),
            }
        }
    }
}
