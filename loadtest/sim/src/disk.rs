//! The journal on a disk that may lose what was not yet synced.

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

    /// The process is killed: of what was not synced, some first part is there. Returns what survived of it.
    pub fn kill(&mut self, chance: &mut Chance) -> &[Record] {
        let kept = chance.below(self.pending.len() as u64 + 1) as usize;
        let first = self.safe.len();
        self.safe.extend(self.pending.drain(..).take(kept).map(|entry| entry.record));
        self.pending.clear();
        &self.safe[first..]
    }

    /// Everything that is safe.
    pub fn records(&self) -> &[Record] {
        &self.safe
    }
}
