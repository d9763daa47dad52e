//! The shard's calls, and how a message finds its own.

use alloc::boxed::Box;
use alloc::vec::Vec;

use call::Call;
use hashbrown::HashMap;
use snapshot::policy::Captured;
use units::Instant;

use crate::guard::{Seat, fold};
use crate::recordings::Recording;
use crate::trace::Ladder;

/// A call's place in the table; stale once the call is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallRef {
    slot: u32,
    generation: u32,
}

impl CallRef {
    /// The place with this number, as it was given out for the so-manieth time.
    pub const fn new(slot: u32, generation: u32) -> CallRef {
        CallRef { slot, generation }
    }

    /// The place's number.
    pub const fn slot(self) -> u32 {
        self.slot
    }
}

/// One call and what the shard keeps beside it.
#[derive(Debug)]
pub struct Entry {
    /// The call; `None` only while it is being worked on.
    pub call: Box<Call>,
    /// Its captured messages, if it is among the chosen.
    pub ladder: Option<Ladder>,
    /// It is not over. What is asked of running calls alone looks at nothing else of the many that are.
    pub runs: bool,
    /// How much of it goes to tape.
    pub tape: Captured,
    /// How far its recording is.
    pub recording: Recording,
    /// A collector hears of it.
    pub collected: bool,
    /// When the captured messages are handed over and its tape ends; set once the call is over.
    pub ladder_at: Option<Instant>,
    /// The call's deadline as of its last step, or the moment at which its messages are handed over if that is earlier: who comes out of the
    /// wheel before it needs no look at the call.
    pub due: Option<Instant>,
    /// The earliest deadline on file in the wheel.
    pub filed: Option<Instant>,
    /// Its place among the waiting calls of its pair of numbers.
    pub seat: Option<Seat>,
    keys: Keys,
}

/// What a call is found by: its first two legs', and those of further attempts.
#[derive(Debug, Default)]
struct Keys {
    first: [Option<u64>; 2],
    more: Vec<u64>,
}

impl Keys {
    fn push(&mut self, key: u64) {
        match self.first.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(key),
            None => self.more.push(key),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &u64> {
        self.first.iter().flatten().chain(&self.more)
    }
}

impl Entry {
    /// True if somebody waits for the messages of its end.
    pub fn is_watched(&self) -> bool {
        self.ladder.is_some() || self.collected || self.tape != Captured::Off || self.recording.is_begun()
    }
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
    /// By fingerprint: a lookup builds nothing, and what it finds is compared with the dialog.
    keys: HashMap<u64, (CallRef, u8)>,
    seed: u64,
    used: u32,
}

impl Table {
    /// An empty table. The seed must be secret, so that nobody can choose Call-IDs that meet.
    pub fn new(seed: u64) -> Table {
        Table { seed, ..Table::default() }
    }

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
        place.entry = Some(Entry {
            call,
            ladder,
            runs: true,
            tape: Captured::Off,
            recording: Recording::default(),
            collected: false,
            ladder_at: None,
            due: None,
            filed: None,
            seat: None,
            keys: Keys::default(),
        });
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
        for key in entry.keys.iter() {
            self.keys.remove(key);
        }
        Some(entry)
    }

    /// From now on messages with the Call-ID that we minted for this leg find it. False if another call has it.
    pub fn register_minted(&mut self, at: CallRef, leg: u8) -> bool {
        let dialog = self.get(at).and_then(|entry| entry.call.dialog(leg));
        let Some(key) = dialog.map(|dialog| fold(self.seed, dialog.call_id())) else { return false };
        self.register(key, at, leg)
    }

    /// From now on messages with this leg's Call-ID and its peer's tag find it: the peer chose the Call-ID, and two peers may
    /// choose alike. False if another call has both.
    pub fn register_foreign(&mut self, at: CallRef, leg: u8) -> bool {
        let dialog = self.get(at).and_then(|entry| entry.call.dialog(leg));
        let Some(key) = dialog.map(|dialog| self.foreign_key(dialog.call_id(), dialog.peer.tag())) else {
            return false;
        };
        self.register(key, at, leg)
    }

    fn register(&mut self, key: u64, at: CallRef, leg: u8) -> bool {
        if self.keys.contains_key(&key) {
            return false;
        }
        let Some(entry) = self.get_mut(at) else { return false };
        entry.keys.push(key);
        self.keys.insert(key, (at, leg));
        true
    }

    fn foreign_key(&self, call_id: &[u8], tag: &[u8]) -> u64 {
        fold(fold(self.seed, call_id), tag)
    }

    /// The leg that we minted this Call-ID for.
    pub fn find_minted(&self, call_id: &[u8]) -> Option<(CallRef, u8)> {
        let (at, leg) = self.keys.get(&fold(self.seed, call_id)).copied()?;
        (self.get(at)?.call.dialog(leg)?.call_id() == call_id).then_some((at, leg))
    }

    /// The leg whose peer chose this Call-ID and this tag.
    pub fn find_foreign(&self, call_id: &[u8], tag: &[u8]) -> Option<(CallRef, u8)> {
        let (at, leg) = self.keys.get(&self.foreign_key(call_id, tag)).copied()?;
        let dialog = self.get(at)?.call.dialog(leg)?;
        (dialog.call_id() == call_id && dialog.peer.tag() == tag).then_some((at, leg))
    }

    /// All calls, in order of slot.
    pub fn iter(&self) -> impl Iterator<Item = (CallRef, &Entry)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let at = CallRef { slot: index as u32, generation: slot.generation };
            slot.entry.as_ref().map(|entry| (at, entry))
        })
    }
}
