//! What the shards want of the ledger, kept until it is answered.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use panel::wire::{Reply, Want};
use units::mutant::{self, Mutant};

/// A want that was sent this long ago without an answer is sent again, in nanoseconds.
pub const PATIENCE_NANOS: u64 = 2_000_000_000;

/// A grant is asked for once and closed once; the two may be under way together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    grant: String,
    closing: bool,
}

#[derive(Debug)]
struct Kept {
    shard: u16,
    want: Want,
    sent: u64,
}

/// The wants under way.
#[derive(Debug, Default)]
pub struct Wants {
    kept: BTreeMap<Key, Kept>,
}

impl Wants {
    /// A shard wants something; `now` in nanoseconds.
    pub fn add(&mut self, shard: u16, want: Want, now: u64) {
        let key = match &want {
            Want::Grant { grant, .. } => Key { grant: grant.clone(), closing: false },
            Want::Close { grant, .. } => Key { grant: grant.clone(), closing: true },
        };
        self.kept.insert(key, Kept { shard, want, sent: now });
    }

    /// Which shard waits for this reply.
    pub fn shard_for(&self, reply: &Reply) -> Option<u16> {
        Some(self.kept.get(&key_of(reply))?.shard)
    }

    /// The reply came, and the shard that waits has it.
    pub fn settle(&mut self, reply: &Reply) {
        self.kept.remove(&key_of(reply));
    }

    /// A grant waits to be taken back.
    pub fn closing(&self) -> bool {
        self.kept.keys().any(|key| key.closing)
    }

    /// What must be sent again; everything if `now` is zero.
    pub fn due(&mut self, now: u64) -> Vec<Want> {
        if mutant::is(Mutant::NeverAskedAgain) {
            return Vec::new();
        }
        let due = self.kept.values_mut().filter(|kept| now == 0 || now.saturating_sub(kept.sent) >= PATIENCE_NANOS);
        let again = due.map(|kept| {
            kept.sent = now;
            kept.want.clone()
        });
        again.collect()
    }

    /// How many wait for an answer.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

fn key_of(reply: &Reply) -> Key {
    match reply {
        Reply::Granted { grant, .. } => Key { grant: grant.clone(), closing: false },
        Reply::Closed { grant } => Key { grant: grant.clone(), closing: true },
    }
}
