//! What calls hold of limits, as operators read it.

use alloc::string::ToString;
use alloc::vec::Vec;

use panel::wire::RoomRow;
use units::Clock;

use crate::Shard;
use crate::book::{Holder, Taken};

impl Shard {
    /// This home shard's part.
    pub fn rooms(&self, clock: Clock) -> Vec<RoomRow> {
        self.book().rooms(clock.now).into_iter().map(row).collect()
    }

    /// Rooms on trunks: those that are taken here, and those that our own calls hold. Nothing but the calls in the table is asked for
    /// the second, so that a room that nobody holds shows.
    pub(crate) fn rooms_audit(&self) -> (u32, u32) {
        let held = self.table.iter().map(|(_, entry)| entry.call.rooms_held()).sum();
        (self.book().trunk_rooms(), held)
    }
}

fn row(taken: Taken) -> RoomRow {
    let (of, id, originator) = match taken.holder {
        Holder::Switch => ("switch", 0, 0),
        Holder::Originator(id) => ("originator", id.0, 0),
        Holder::Ingress(id) => ("ingress_trunk", id.0, 0),
        Holder::Terminator(id) => ("terminator", id.0, 0),
        Holder::Egress(id) => ("egress_trunk", id.0, 0),
        Holder::Both(id) => ("carrier", id.0, 0),
        Holder::Share { terminator, originator } => ("share", terminator.0, originator.0),
    };
    RoomRow { of: of.to_string(), id, originator, calls: taken.calls, recent: taken.recent }
}
