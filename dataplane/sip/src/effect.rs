//! All that a transaction may ask of the leg around it. The leg keeps the bytes; a transaction keeps time.

/// One order or report of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send the last request (client side) or the last response (server side) again.
    Resend,
    /// Send an ACK for the final response just heard, a refusal (RFC 3261 §17.1.1.3).
    Acknowledge,
    /// A provisional response was heard.
    Provisional,
    /// The first final response that refuses was heard.
    Refused,
    /// A response that accepts was heard; for INVITE each one counts, for the others only the first.
    Accepted,
    /// The ACK of our final response came.
    Acknowledged,
    /// Nothing came within 64·T1: the peer is taken for dead.
    TimedOut,
}

/// The effects of one step of a transaction at most.
const EFFECTS_MAX: usize = 8;

/// Where effects go: a list that needs no memory of its own.
#[derive(Clone, Copy, Debug)]
pub struct Effects {
    list: [Effect; EFFECTS_MAX],
    count: usize,
}

impl Effects {
    /// Nothing.
    #[must_use]
    pub const fn new() -> Effects {
        Effects { list: [Effect::Resend; EFFECTS_MAX], count: 0 }
    }

    /// One more.
    ///
    /// # Panics
    /// A step has more than eight effects, which none has.
    pub fn push(&mut self, effect: Effect) {
        self.list[self.count] = effect;
        self.count += 1;
    }

    /// Nothing again.
    pub fn clear(&mut self) {
        self.count = 0;
    }
}

impl Default for Effects {
    fn default() -> Effects {
        Effects::new()
    }
}

impl Extend<Effect> for Effects {
    fn extend<I: IntoIterator<Item = Effect>>(&mut self, effects: I) {
        effects.into_iter().for_each(|effect| self.push(effect));
    }
}

impl core::ops::Deref for Effects {
    type Target = [Effect];

    fn deref(&self) -> &[Effect] {
        &self.list[..self.count]
    }
}

impl IntoIterator for Effects {
    type Item = Effect;
    type IntoIter = core::iter::Take<core::array::IntoIter<Effect, EFFECTS_MAX>>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter().take(self.count)
    }
}

/// Round-trip estimate over UDP, in milliseconds (RFC 3261 §17.1.1.1).
pub const T1_MS: u64 = 500;
/// Longest interval between repeats, in milliseconds (RFC 3261 §17.1.2.2).
pub const T2_MS: u64 = 4_000;
/// Longest life of a message in the network, in milliseconds (RFC 3261 §17.1.2.2).
pub const T4_MS: u64 = 5_000;
/// How long anything is tried at all: 64·T1, in milliseconds.
pub const GIVE_UP_MS: u64 = 64 * T1_MS;
