//! What calls hold of limits, as operators read it.

use alloc::string::ToString;
use alloc::vec::Vec;

use panel::wire::RoomRow;
use units::{CarrierId, Clock, EgressTrunkId, IngressTrunkId};

use crate::Shard;
use crate::book::{Holder, Taken};
use crate::parts::{Parts, Used};

impl Shard {
    /// This home shard's part.
    pub fn rooms(&self, clock: Clock) -> Vec<RoomRow> {
        self.book().rooms(clock.now).into_iter().map(row).collect()
    }

    /// From here on this node has these parts of the limits of a cluster. What calls use of them here, and what they missed since the
    /// last time.
    pub fn on_parts(&mut self, clock: Clock, parts: Parts) -> Vec<Used> {
        self.book.on_parts(clock.now, parts)
    }

    /// Rooms on trunks: those that are taken here, and those that our own calls hold. Nothing but the calls in the table is asked for
    /// the second, so that a room that nobody holds shows.
    pub(crate) fn rooms_audit(&self) -> (u32, u32) {
        let held = self.table.iter().filter(|(_, entry)| entry.runs).map(|(_, entry)| entry.call.rooms_held()).sum();
        (self.book().trunk_rooms(), held)
    }
}

fn row(taken: Taken) -> RoomRow {
    let (of, id, originator) = taken.holder.told();
    let of = of.to_string();
    RoomRow { of, id, originator, calls: taken.calls, recent: taken.recent, ..RoomRow::default() }
}

impl Holder {
    /// As it is told: what it is, an id, and the originator of a share.
    pub fn told(self) -> (&'static str, u32, u32) {
        match self {
            Holder::Switch => ("switch", 0, 0),
            Holder::Originator(id) => ("originator", id.0, 0),
            Holder::Ingress(id) => ("ingress_trunk", id.0, 0),
            Holder::Terminator(id) => ("terminator", id.0, 0),
            Holder::Egress(id) => ("egress_trunk", id.0, 0),
            Holder::Both(id) => ("carrier", id.0, 0),
            Holder::Share { terminator, originator } => ("share", terminator.0, originator.0),
        }
    }

    /// The inverse of [`Holder::told`].
    pub fn of(of: &str, id: u32, originator: u32) -> Option<Holder> {
        Some(match of {
            "switch" => Holder::Switch,
            "originator" => Holder::Originator(CarrierId(id)),
            "ingress_trunk" => Holder::Ingress(IngressTrunkId(id)),
            "terminator" => Holder::Terminator(CarrierId(id)),
            "egress_trunk" => Holder::Egress(EgressTrunkId(id)),
            "carrier" => Holder::Both(CarrierId(id)),
            "share" => Holder::Share { terminator: CarrierId(id), originator: CarrierId(originator) },
            _ => return None,
        })
    }
}
