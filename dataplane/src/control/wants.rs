//! What the shards want of the ledger, kept until it is answered.

use std::collections::BTreeMap;

use panel::wire::{Reply, Want};

/// A want that was sent this long ago without an answer is sent again, in nanoseconds.
const PATIENCE_NANOS: u64 = 2_000_000_000;

/// A grant is asked for once and closed once; the two may be under way together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    grant: String,
    closing: bool,
}

struct Kept {
    /// Nobody waits for the answer to a want of an earlier life.
    shard: Option<u16>,
    want: Want,
    sent: u64,
}

/// The wants under way.
#[derive(Default)]
pub struct Wants {
    kept: BTreeMap<Key, Kept>,
}

impl Wants {
    /// A shard wants something; `now` in nanoseconds.
    pub fn add(&mut self, shard: Option<u16>, want: Want, now: u64) {
        let key = match &want {
            Want::Grant { grant, .. } => Key { grant: grant.clone(), closing: false },
            Want::Close { grant, .. } => Key { grant: grant.clone(), closing: true },
        };
        self.kept.insert(key, Kept { shard, want, sent: now });
    }

    /// Which shard waits for this reply.
    pub fn shard_for(&self, reply: &Reply) -> Option<u16> {
        self.kept.get(&key_of(reply))?.shard
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
        let due = self.kept.values_mut().filter(|kept| now == 0 || now.saturating_sub(kept.sent) >= PATIENCE_NANOS);
        let again = due.map(|kept| {
            kept.sent = now;
            kept.want.clone()
        });
        again.collect()
    }
}

fn key_of(reply: &Reply) -> Key {
    match reply {
        Reply::Granted { grant, .. } => Key { grant: grant.clone(), closing: false },
        Reply::Closed { grant } => Key { grant: grant.clone(), closing: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_want_is_repeated_until_its_own_reply_comes() {
        let mut wants = Wants::default();
        let grant = "01".to_owned();
        let want = Want::Grant { grant: grant.clone(), account: 7, want: 100, slice: 0 };
        wants.add(Some(1), want.clone(), 1);
        assert_eq!(wants.due(1_000), []);
        assert_eq!(wants.due(PATIENCE_NANOS + 1), core::slice::from_ref(&want));
        assert_eq!(wants.due(0), [want], "who connects hears everything");
        assert_eq!(wants.shard_for(&Reply::Closed { grant: grant.clone() }), None);
        let reply = Reply::Granted { grant, account: 7, amount: 0 };
        assert_eq!(wants.shard_for(&reply), Some(1));
        wants.settle(&reply);
        assert_eq!(wants.due(0), []);
    }
}
