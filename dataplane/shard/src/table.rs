//! The shard's calls, and how a message finds its own.

use alloc::boxed::Box;
use alloc::vec::Vec;

use call::Call;
use hashbrown::HashMap;
use units::Instant;

use crate::trace::Ladder;

/// A call's place in the table; stale once the call is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallRef {
    slot: u32,
    generation: u32,
}

/// One call and what the shard keeps beside it.
#[derive(Debug)]
pub struct Entry {
    /// The call; `None` only while it is being worked on.
    pub call: Box<Call>,
    /// Its captured messages, if it is among the chosen.
    pub ladder: Option<Ladder>,
    /// When the captured messages are handed over; set once the call is over.
    pub ladder_at: Option<Instant>,
    /// The earliest deadline on file in the wheel.
    pub filed: Option<Instant>,
    keys: Vec<Box<[u8]>>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    entry: Option<Entry>,
}

/// All calls of a shard.
#[derive(Debug, Default)]
pub struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    keys: HashMap<Box<[u8]>, (CallRef, u8)>,
    used: u32,
}

/// The key of a leg whose Call-ID the peer chose: with the peer's tag, since two peers may choose alike.
pub fn foreign_key(call_id: &[u8], tag: &[u8]) -> Box<[u8]> {
    [call_id, b"\0", tag].concat().into_boxed_slice()
}

impl Table {
    /// Calls in the table.
    pub fn len(&self) -> u32 {
        self.used
    }

    /// True without calls.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Puts a call in.
    pub fn insert(&mut self, call: Box<Call>, ladder: Option<Ladder>) -> CallRef {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        let place = &mut self.slots[slot as usize];
        place.entry = Some(Entry { call, ladder, ladder_at: None, filed: None, keys: Vec::new() });
        self.used += 1;
        CallRef { slot, generation: place.generation }
    }

    /// The call, if it is still there.
    pub fn get_mut(&mut self, at: CallRef) -> Option<&mut Entry> {
        let slot = self.slots.get_mut(at.slot as usize).filter(|slot| slot.generation == at.generation)?;
        slot.entry.as_mut()
    }

    /// The call, if it is still there.
    pub fn get(&self, at: CallRef) -> Option<&Entry> {
        let slot = self.slots.get(at.slot as usize).filter(|slot| slot.generation == at.generation)?;
        slot.entry.as_ref()
    }

    /// Takes a call out, with its keys.
    pub fn remove(&mut self, at: CallRef) -> Option<Entry> {
        let slot = self.slots.get_mut(at.slot as usize).filter(|slot| slot.generation == at.generation)?;
        let entry = slot.entry.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(at.slot);
        self.used -= 1;
        for key in &entry.keys {
            self.keys.remove(key);
        }
        Some(entry)
    }

    /// From now on this key finds this leg. False if another call has it.
    pub fn register(&mut self, key: Box<[u8]>, at: CallRef, leg: u8) -> bool {
        if self.keys.contains_key(&key) {
            return false;
        }
        let Some(entry) = self.get_mut(at) else { return false };
        entry.keys.push(key.clone());
        self.keys.insert(key, (at, leg));
        true
    }

    /// Which call's which leg a key belongs to.
    pub fn find(&self, key: &[u8]) -> Option<(CallRef, u8)> {
        self.keys.get(key).copied()
    }

    /// All calls, in order of slot.
    pub fn iter(&self) -> impl Iterator<Item = (CallRef, &Entry)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let at = CallRef { slot: index as u32, generation: slot.generation };
            slot.entry.as_ref().map(|entry| (at, entry))
        })
    }
}
