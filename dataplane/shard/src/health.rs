//! Which egress trunks live: OPTIONS that ask them, and INVITEs that nobody answered.
//!
//! The home shard of a trunk asks it, out of dialog, at its policy's interval: all addresses of the trunk in turn, until one answers.
//! Any answer is a sign of life (404 and 501 too: somebody is there), save 408 and 503, by which a peer or a proxy before it says that
//! it cannot serve. After so many failures in a row as the policy says the trunk is down: all shards are told, routes skip it with cause
//! 338, and the first answer brings it back. An INVITE without any answer counts as a failure too; trunks that are not asked are
//! never taken for down, since nothing would bring them back.

mod asking;

use alloc::vec::Vec;

use call::ways::Places;
use sip::client::Client;
use sip::effect::{Effects as Orders, GIVE_UP_MS};
use sip::{Hop, Message};
use units::{Clock, EgressTrunkId, Instant, WallTime};

/// Failures in a row where a policy does not say.
pub const FAILURES_MAX: u8 = 3;
/// Statuses that are no sign of life.
const LIFELESS: [u16; 2] = [408, 503];

/// What shards tell each other about trunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Home shard to all: the trunk is down since then, or answers again.
    Down {
        /// The trunk.
        trunk: EgressTrunkId,
        /// Since when; `None` for a trunk that answers.
        since: Option<WallTime>,
    },
    /// Any shard to the home shard: an INVITE met no answer of any kind.
    Silent {
        /// The trunk.
        trunk: EgressTrunkId,
        /// When the INVITE was sent.
        since: Instant,
    },
}

/// One OPTIONS that is out.
#[derive(Debug)]
pub struct Question {
    /// Its transaction.
    pub machine: Client,
    /// Its Call-ID and the branch of its Via.
    pub names: [Vec<u8>; 2],
    /// As it was sent.
    pub request: Vec<u8>,
    /// Where to.
    pub to: Hop,
    /// When its place has failed.
    pub give_up_at: Instant,
    /// Places that are asked if this one does not answer.
    pub places: Places,
}

/// One trunk that lives here and is asked.
#[derive(Debug)]
pub struct Probe {
    /// The trunk.
    pub trunk: EgressTrunkId,
    interval_ms: u64,
    failures_max: u8,
    failures: u8,
    /// Down or up since then.
    pub since: WallTime,
    /// It does not answer.
    pub down: bool,
    heard_at: Instant,
    next_at: Instant,
    /// How long one place may take, in milliseconds.
    pub patience_ms: u64,
    /// What is out.
    pub question: Option<Question>,
}

impl Probe {
    /// A trunk that counts as alive until it fails; `chance` spreads the first questions over the interval.
    pub fn new(clock: Clock, trunk: EgressTrunkId, (interval_s, failures_max): (u16, u8), chance: u64) -> Probe {
        let mut probe = Probe {
            trunk,
            interval_ms: 0,
            failures_max: 0,
            failures: 0,
            since: clock.wall,
            down: false,
            heard_at: clock.now,
            next_at: clock.now,
            patience_ms: 0,
            question: None,
        };
        probe.set(interval_s, failures_max);
        probe.next_at = clock.now.plus_millis(chance % probe.interval_ms);
        probe
    }

    /// What another snapshot wants.
    pub fn set(&mut self, interval_s: u16, failures_max: u8) {
        self.interval_ms = u64::from(interval_s.max(1)) * 1_000;
        self.failures_max = if failures_max == 0 { FAILURES_MAX } else { failures_max };
    }

    /// Failures in a row.
    pub fn failures(&self) -> u8 {
        self.failures
    }

    /// When something is due; `asking` is false while no questions may be asked.
    pub fn deadline(&self, asking: bool) -> Option<Instant> {
        match &self.question {
            Some(question) => question.machine.deadline().into_iter().chain([question.give_up_at]).min(),
            None => asking.then_some(self.next_at),
        }
    }

    /// True if it is time to ask.
    pub fn is_due(&self, now: Instant) -> bool {
        self.question.is_none() && self.next_at <= now
    }

    /// Fixes when it is asked next: after its interval, up to a tenth early or late.
    pub fn schedule(&mut self, now: Instant, chance: u64) {
        let spread = self.interval_ms / 5;
        self.next_at = now.plus_millis(self.interval_ms - spread / 2 + chance % spread.max(1));
    }

    /// How long one place may take when `count` are to be asked, in milliseconds: all fit before the next question.
    pub fn patience_for(&self, count: u64) -> u64 {
        (self.interval_ms * 4 / 5).min(GIVE_UP_MS) / count.max(1)
    }

    /// A response to the question. What it says of the trunk, if it says something: alive or not.
    pub fn on_response(&mut self, now: Instant, from: Hop, response: &Message<'_>) -> Option<bool> {
        let asked = self.question.as_mut()?;
        let [call_id, branch] = &asked.names;
        let ours = asked.to.remote.ip() == from.remote.ip()
            && (response.call_id(), response.via().branch) == (call_id.as_slice(), branch.as_slice());
        let status = response.status().filter(|_| ours)?;
        asked.machine.on_response(now, status, &mut Orders::new());
        if LIFELESS.contains(&status) {
            return Some(false);
        }
        self.question = None;
        self.heard_at = now;
        Some(true)
    }

    /// It answered; true if that is news.
    pub fn revive(&mut self, wall: WallTime) -> bool {
        self.failures = 0;
        let news = core::mem::replace(&mut self.down, false);
        if news {
            self.since = wall;
        }
        news
    }

    /// One more failure; true if the trunk is down from this moment on.
    pub fn fail(&mut self, wall: WallTime) -> bool {
        self.failures = self.failures.saturating_add(1);
        let news = !self.down && self.failures >= self.failures_max;
        if news {
            (self.down, self.since) = (true, wall);
        }
        news
    }

    /// True if nothing was heard of the trunk since then.
    pub fn is_silent_since(&self, since: Instant) -> bool {
        self.heard_at < since
    }
}
