//! A call that is over, in one small piece of memory: for half a minute its peers may repeat what they said, and hardly any does.

use alloc::boxed::Box;
use alloc::vec::Vec;

use cdr::Stages;
use rating::Admission;
use sip::dialog::Dialog;
use sip::packed::{Reader, put};
use units::{CallId, Clock, Instant, NodeId, Number, ShardId};

use crate::call::{Call, Opening, State};
use crate::leg::Leg;

/// What remains of a call whose record is safe and whose transactions are only remembered.
#[derive(Clone, Debug)]
pub struct Remembered(Box<[u8]>);

impl Call {
    /// When the call may be forgotten, if nothing comes any more but what came before; `None` if anything else may happen yet.
    pub fn only_remembers(&self) -> Option<Instant> {
        let settled = matches!(self.state, State::Over { waits_till: None }) && self.unjournaled == 0;
        if settled && self.legs.iter().all(Leg::only_remembers) { self.deadline() } else { None }
    }

    /// What remains of a call that [`Call::only_remembers`]. `room` is memory to work in.
    pub fn remembered(&self, room: &mut Vec<u8>) -> Remembered {
        room.clear();
        put(room, self.legs.len() as u64);
        self.legs.iter().for_each(|leg| leg.pack(room));
        let CallId { node, boot, shard, sequence } = self.opening.id;
        [u64::from(node.0), u64::from(boot), u64::from(shard.0), sequence].into_iter().for_each(|part| put(room, part));
        put(room, u64::from(self.current));
        Remembered(room.as_slice().into())
    }
}

impl Remembered {
    /// The call again, as far as what comes again concerns it.
    pub fn recall(&self) -> Call {
        self.read().expect("what we wrote can be read")
    }

    /// The leg's Call-ID and tags.
    pub fn dialog(&self, leg: u8) -> Option<Dialog> {
        let mut from = Reader(&self.0);
        let legs = from.number()?;
        (0..legs).map_while(|_| Leg::unpack(&mut from)).nth(usize::from(leg)).map(|leg| leg.dialog)
    }

    fn read(&self) -> Option<Call> {
        let mut from = Reader(&self.0);
        let count = from.number()?;
        let legs: Vec<Leg> = (0..count).map_while(|_| Leg::unpack(&mut from)).collect();
        let (node, boot) = (NodeId(from.port()?), from.small()?);
        let id = CallId { node, boot, shard: ShardId(from.port()?), sequence: from.number()? };
        let opening = Opening {
            id,
            admission: Admission::default(),
            calling: Number::EMPTY,
            called: Number::EMPTY,
            hops: 0,
            source: legs.first()?.peer,
            stages: Stages::default(),
        };
        Some(Call { current: from.byte()?, ..Call::blank(opening, legs, Clock::default()) })
    }
}
