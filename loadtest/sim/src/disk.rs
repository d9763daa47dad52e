//! The journal on a disk that may lose what was not yet synced.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use cdr::Record;
use units::ShardId;

use crate::chance::Chance;

struct Entry {
    shard: ShardId,
    ticket: u64,
    record: Record,
}

/// Records in the order in which they were appended, over all boots.
#[derive(Default)]
pub struct Disk {
    safe: Vec<Record>,
    pending: Vec<Entry>,
}

impl Disk {
    /// Takes a record of a shard.
    pub fn append(&mut self, shard: ShardId, ticket: u64, record: Record) {
        self.pending.push(Entry { shard, ticket, record });
    }

    /// Writes a record of the start-up, before any shard runs.
    pub fn write(&mut self, record: Record) {
        self.safe.push(record);
    }

    /// Something waits for a sync.
    pub fn dirty(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Makes all safe; the highest ticket of each shard, and the records that became safe.
    pub fn sync(&mut self) -> (Vec<(ShardId, u64)>, &[Record]) {
        let mut tickets: Vec<(ShardId, u64)> = Vec::new();
        let first = self.safe.len();
        for entry in self.pending.drain(..) {
            match tickets.iter_mut().find(|(shard, _)| *shard == entry.shard) {
                Some((_, ticket)) => *ticket = entry.ticket,
                None => tickets.push((entry.shard, entry.ticket)),
            }
            self.safe.push(entry.record);
        }
        (tickets, &self.safe[first..])
    }

    /// The process is killed: of what was not synced, some first part of each shard's records is there, for the writer takes from one
    /// shard after the other. Returns what survived of it.
    pub fn kill(&mut self, chance: &mut Chance) -> &[Record] {
        let mut left: BTreeMap<ShardId, u64> = BTreeMap::new();
        for entry in &self.pending {
            *left.entry(entry.shard).or_default() += 1;
        }
        left.values_mut().for_each(|count| *count = chance.below(*count + 1));
        let first = self.safe.len();
        for entry in self.pending.drain(..) {
            if let Some(count) = left.get_mut(&entry.shard).filter(|count| **count > 0) {
                *count -= 1;
                self.safe.push(entry.record);
            }
        }
        &self.safe[first..]
    }

    /// Everything that is safe.
    pub fn records(&self) -> &[Record] {
        &self.safe
    }
}
