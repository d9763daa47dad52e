//! The shard's calls, and how a message finds its own.

use alloc::boxed::Box;
use alloc::vec::Vec;

use call::{Call, Remembered};
use hashbrown::HashMap;
use sip::dialog::Dialog;
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
    /// The call.
    pub call: Call,
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

/// A call that is over, of which only what comes again need be known.
#[derive(Debug)]
struct Rest {
    call: Remembered,
    /// Its captured messages, and when they are handed over.
    ladder: Option<Box<(Instant, Ladder)>>,
    /// When the call is forgotten.
    forget_at: Instant,
    filed: Option<Instant>,
    keys: Keys,
}

impl Rest {
    fn due(&self) -> Instant {
        self.ladder.as_ref().map_or(self.forget_at, |ladder| ladder.0.min(self.forget_at))
    }
}

/// What a call is found by: its first two legs', and those of further attempts.
#[derive(Debug, Default)]
struct Keys {
    first: [u64; 2],
    /// How many there are, `more` included.
    count: u8,
    more: Vec<u64>,
}

const _: () = assert!(call::limits::LEGS_MAX < u8::MAX as usize, "a leg has one key");

impl Keys {
    fn push(&mut self, key: u64) {
        match self.first.get_mut(usize::from(self.count)) {
            Some(place) => *place = key,
            None => self.more.push(key),
        }
        self.count += 1;
    }

    fn iter(&self) -> impl Iterator<Item = &u64> {
        self.first.iter().take(usize::from(self.count)).chain(&self.more)
    }
}

impl Entry {
    /// True if somebody waits for the messages of its end.
    pub fn is_watched(&self) -> bool {
        self.ladder.is_some() || self.is_taped()
    }

    /// When the call may be forgotten, if all that is needed of it until then is what comes again to be known by.
    pub fn rests_till(&self) -> Option<Instant> {
        if self.runs || self.is_taped() || self.seat.is_some() { None } else { self.call.only_remembers() }
    }

    /// True if somebody besides its ladder does.
    fn is_taped(&self) -> bool {
        self.collected || self.tape != Captured::Off || self.recording.is_begun()
    }
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    held: Held,
}

/// What a slot holds. Of a switch that sets up calls for half a minute most slots hold rests.
#[derive(Debug, Default)]
enum Held {
    #[default]
    Nothing,
    Call(Box<Entry>),
    Rest(Rest),
}

/// When something is due of a call.
pub enum Due {
    /// Not before this moment.
    Later(Instant),
    /// Of the call itself.
    Call,
    /// Of what remains of it: these messages are handed over, and it is forgotten if nothing is filed for it any more.
    Rest(Option<Ladder>),
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
    /// Memory to work in.
    room: Vec<u8>,
}

impl Table {
    /// An empty table. The seed must be secret, so that nobody can choose Call-IDs that meet.
    pub fn new(seed: u64) -> Table {
        Table { seed, ..Table::default() }
    }

    /// Calls in the table, rests included.
    pub fn len(&self) -> u32 {
        self.used
    }

    /// True without calls.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Puts a call in.
    pub fn insert(&mut self, call: Call, ladder: Option<Ladder>) -> CallRef {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        let place = &mut self.slots[slot as usize];
        place.held = Held::Call(Box::new(Entry {
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
        }));
        self.used += 1;
        CallRef { slot, generation: place.generation }
    }

    fn held(&self, at: CallRef) -> Option<&Held> {
        let slot = self.slots.get(at.slot as usize).filter(|slot| slot.generation == at.generation)?;
        Some(&slot.held)
    }

    fn held_mut(&mut self, at: CallRef) -> Option<&mut Held> {
        let slot = self.slots.get_mut(at.slot as usize).filter(|slot| slot.generation == at.generation)?;
        Some(&mut slot.held)
    }

    /// The call, if it is still there and more than a rest.
    pub fn get_mut(&mut self, at: CallRef) -> Option<&mut Entry> {
        match self.held_mut(at)? {
            Held::Call(entry) => Some(entry),
            Held::Rest(_) | Held::Nothing => None,
        }
    }

    /// The call, if it is still there and more than a rest.
    pub fn get(&self, at: CallRef) -> Option<&Entry> {
        match self.held(at)? {
            Held::Call(entry) => Some(entry),
            Held::Rest(_) | Held::Nothing => None,
        }
    }

    /// Keeps of a call only what comes again is known by: until then that is all that is needed of it ([`Entry::rests_till`]).
    pub fn lay_to_rest(&mut self, at: CallRef, forget_at: Instant) {
        let mut room = core::mem::take(&mut self.room);
        if let Some(held) = self.held_mut(at)
            && let Held::Call(entry) = held
        {
            let ladder = entry.ladder_at.zip(entry.ladder.take()).map(Box::new);
            let (call, keys) = (entry.call.remembered(&mut room), core::mem::take(&mut entry.keys));
            *held = Held::Rest(Rest { call, ladder, forget_at, filed: entry.filed, keys });
        }
        self.room = room;
    }

    /// A message came for what may be a rest: it is a call again. False if it was one.
    pub fn recall(&mut self, at: CallRef) -> bool {
        let Some(held) = self.held_mut(at) else { return false };
        let Held::Rest(rest) = held else { return false };
        let (ladder_at, ladder) = rest.ladder.take().map(|ladder| *ladder).unzip();
        let entry = Entry {
            call: rest.call.recall(),
            ladder,
            runs: false,
            tape: Captured::Off,
            recording: Recording::default(),
            collected: false,
            ladder_at,
            due: [Some(rest.forget_at), ladder_at].into_iter().flatten().min(),
            filed: rest.filed,
            seat: None,
            keys: core::mem::take(&mut rest.keys),
        };
        *held = Held::Call(Box::new(entry));
        true
    }

    /// What the wheel's word that a call is due means at this moment; `None` if it means nothing, since the call is gone or is on file for later.
    /// Nothing is on file for the call after that, unless it says so by [`Table::filed`].
    pub fn due(&mut self, at: CallRef, now: Instant) -> Option<Due> {
        let held = self.held_mut(at)?;
        let (due, filed) = match held {
            Held::Call(entry) => (entry.due, &mut entry.filed),
            Held::Rest(rest) => (Some(rest.due()), &mut rest.filed),
            Held::Nothing => return None,
        };
        if filed.is_some_and(|filed| filed > now) {
            return None;
        }
        *filed = None;
        // Far away, or later than it was.
        if let Some(due) = due.filter(|due| *due > now) {
            return Some(Due::Later(due));
        }
        match held {
            Held::Rest(rest) => Some(Due::Rest(rest.ladder.take().map(|ladder| ladder.1))),
            Held::Call(_) | Held::Nothing => Some(Due::Call),
        }
    }

    /// Something is on file for a call.
    pub fn filed(&mut self, at: CallRef, moment: Instant) {
        match self.held_mut(at) {
            Some(Held::Call(entry)) => entry.filed = Some(moment),
            Some(Held::Rest(rest)) => rest.filed = Some(moment),
            Some(Held::Nothing) | None => {}
        }
    }

    /// When a rest is forgotten.
    pub fn forget_at(&self, at: CallRef) -> Option<Instant> {
        match self.held(at)? {
            Held::Rest(rest) => Some(rest.forget_at),
            Held::Call(_) | Held::Nothing => None,
        }
    }

    /// Takes a call out, with its keys; `None` if there is no more than a rest of it, which is gone then.
    pub fn remove(&mut self, at: CallRef) -> Option<Box<Entry>> {
        let held = core::mem::take(self.held_mut(at)?);
        let keys = match &held {
            Held::Call(entry) => &entry.keys,
            Held::Rest(rest) => &rest.keys,
            Held::Nothing => return None,
        };
        for key in keys.iter() {
            self.keys.remove(key);
        }
        let slot = &mut self.slots[at.slot as usize];
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(at.slot);
        self.used -= 1;
        match held {
            Held::Call(entry) => Some(entry),
            Held::Rest(_) | Held::Nothing => None,
        }
    }

    /// Looks at the Call-ID and tags of a call's leg, or of what remains of it.
    pub fn look<T>(&self, at: CallRef, leg: u8, look: impl FnOnce(&Dialog) -> T) -> Option<T> {
        match self.held(at)? {
            Held::Call(entry) => entry.call.dialog(leg).map(look),
            Held::Rest(rest) => rest.call.dialog(leg).as_ref().map(look),
            Held::Nothing => None,
        }
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
        self.look(at, leg, |dialog| dialog.call_id() == call_id)?.then_some((at, leg))
    }

    /// The leg whose peer chose this Call-ID and this tag.
    pub fn find_foreign(&self, call_id: &[u8], tag: &[u8]) -> Option<(CallRef, u8)> {
        let (at, leg) = self.keys.get(&self.foreign_key(call_id, tag)).copied()?;
        let found = |dialog: &Dialog| dialog.call_id() == call_id && dialog.peer.tag() == tag;
        self.look(at, leg, found)?.then_some((at, leg))
    }

    /// All calls that are more than rests, in order of slot.
    pub fn iter(&self) -> impl Iterator<Item = (CallRef, &Entry)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| match &slot.held {
            Held::Call(entry) => Some((CallRef { slot: index as u32, generation: slot.generation }, &**entry)),
            Held::Rest(_) | Held::Nothing => None,
        })
    }
}
