//! Who holds room where: one call is counted at its trunk, at the trunk's carrier and at the switch, all or none.
//!
//! A count is the takes less the returns of calls that live, so it is what is held by construction: a crash forgets the calls and the
//! counts together.

use alloc::vec::Vec;

use call::effect::{Place, Trunk};
use hashbrown::HashMap;
use units::{CarrierId, Cause, EgressTrunkId, IngressTrunkId, Instant};

use crate::book::room::{Full, Limits, Most, Room};
use crate::parts::{Key, Kind, Parts, Used};

/// What room may belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// The whole switch: calls that came in.
    Switch,
    /// A carrier: calls that it sent, by whatever trunk.
    Originator(CarrierId),
    /// An ingress trunk.
    Ingress(IngressTrunkId),
    /// A carrier: calls that it takes, by whatever trunk.
    Terminator(CarrierId),
    /// An egress trunk.
    Egress(EgressTrunkId),
    /// A carrier: calls that it sent and calls that it takes.
    Both(CarrierId),
    /// A carrier as one originator finds it: calls of that originator that it takes.
    Share {
        /// Who takes them.
        terminator: CarrierId,
        /// Who sent them.
        originator: CarrierId,
    },
}

/// What is allowed at a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// On the trunk.
    pub trunk: Limits,
    /// At the trunk's carrier in the role that it plays for the call.
    pub carrier: Limits,
    /// At the carrier in both roles.
    pub both: u32,
    /// At the carrier for one originator.
    pub share: u32,
}

/// What one holder has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The holder.
    pub holder: Holder,
    /// Calls that hold room.
    pub calls: u32,
    /// New calls within the window of its CPS limit; 0 if it has none.
    pub recent: u32,
}

/// All rooms of a home shard.
#[derive(Debug, Default)]
pub struct Rooms {
    rooms: HashMap<Holder, Room>,
    /// What of the limits is this node's; `None`: all of them.
    parts: Option<Parts>,
    /// Calls refused since the last count although the limit is larger than our part.
    short: HashMap<Key, u32>,
}

impl Rooms {
    /// Takes one call's room at the switch.
    pub fn enter(&mut self, now: Instant, limits: Limits) -> Result<(), Cause> {
        self.take_all(now, &[(Holder::Switch, limits)])
    }

    /// Gives it back.
    pub fn leave(&mut self) {
        self.give_back(Holder::Switch);
    }

    /// Takes one call's room at a place, or says which limit stands against it; then nothing is taken.
    pub fn take(&mut self, now: Instant, place: Place, allowed: &Allowed) -> Result<(), Cause> {
        let Allowed { trunk, carrier, both, share } = *allowed;
        let calls = |capacity| Limits { capacity, ..Limits::default() };
        let Holders { trunk: one, carrier: two, both: three, share: four } = holders(place);
        match four {
            None => self.take_all(now, &[(one, trunk), (two, carrier), (three, calls(both))]),
            Some(four) => {
                self.take_all(now, &[(one, trunk), (two, carrier), (three, calls(both)), (four, calls(share))])
            }
        }
    }

    fn take_all(&mut self, now: Instant, wanted: &[(Holder, Limits)]) -> Result<(), Cause> {
        for (holder, limits) in wanted {
            let most = self.most(now, *holder, *limits);
            let full = self.rooms.entry(*holder).or_default().objection(now, *limits, most);
            if let Some(full) = full {
                self.miss(*holder, full, *limits, most);
                return Err(cause(*holder, full));
            }
        }
        for (holder, limits) in wanted {
            self.rooms.entry(*holder).or_default().take(now, *limits);
        }
        Ok(())
    }

    /// How much of a holder's limits is this node's.
    fn most(&self, now: Instant, of: Holder, limits: Limits) -> Most {
        let part = |kind, limit| match &self.parts {
            Some(parts) if limit > 0 => parts.most(now, Key { of, kind }, limit),
            Some(_) | None => limit,
        };
        Most { calls: part(Kind::Calls, limits.capacity), recent: part(Kind::Recent, limits.calls_max()) }
    }

    /// Notes a call that another node's part would have had room for.
    fn miss(&mut self, of: Holder, full: Full, limits: Limits, most: Most) {
        let (kind, short) = match full {
            Full::Capacity => (Kind::Calls, most.calls < limits.capacity),
            Full::Cps => (Kind::Recent, most.recent < limits.calls_max()),
        };
        if short {
            *self.short.entry(Key { of, kind }).or_default() += 1;
        }
    }

    /// From here on this node has these parts of the limits. What calls use of them, and what they missed since the last time.
    pub fn on_parts(&mut self, now: Instant, parts: Parts) -> Vec<Used> {
        let counted = |(of, room): (&Holder, &Room)| {
            [(Kind::Calls, room.taken()), (Kind::Recent, room.recent(now))]
                .map(|(kind, used)| (Key { of: *of, kind }, used))
        };
        let is_shared = |key: &Key| parts.of.contains_key(key);
        let in_use = self.rooms.iter().flat_map(counted).filter(|(key, used)| *used > 0 && is_shared(key));
        let mut all: Vec<Used> = in_use.map(|(key, used)| Used { key, used, refused: 0 }).collect();
        let missed = self.short.drain().filter(|(key, _)| is_shared(key));
        all.extend(missed.map(|(key, refused)| Used { key, used: 0, refused }));
        all.sort_unstable_by_key(|used| (used.key, used.refused));
        self.parts = Some(parts);
        all
    }

    /// One call gives back what it took at a place.
    pub fn put_back(&mut self, place: Place) {
        let Holders { trunk, carrier, both, share } = holders(place);
        [Some(trunk), Some(carrier), Some(both), share].into_iter().flatten().for_each(|holder| self.give_back(holder));
    }

    fn give_back(&mut self, holder: Holder) {
        let Some(room) = self.rooms.get_mut(&holder) else { return };
        room.give_back();
        if room.is_idle() {
            self.rooms.remove(&holder);
        }
    }

    /// Calls that hold room.
    pub fn calls(&self, holder: Holder) -> u32 {
        self.rooms.get(&holder).map_or(0, Room::taken)
    }

    /// Rooms on trunks that are taken.
    pub fn on_trunks(&self) -> u32 {
        let on_trunk = |holder: &Holder| matches!(holder, Holder::Ingress(_) | Holder::Egress(_));
        self.rooms.iter().filter(|(holder, _)| on_trunk(holder)).map(|(_, room)| room.taken()).sum()
    }

    /// Everything that is taken, in order of holder.
    pub fn all(&self, now: Instant) -> Vec<Taken> {
        let row = |(holder, room): (&Holder, &Room)| {
            let (calls, recent) = (room.taken(), room.recent(now));
            (calls + recent > 0).then_some(Taken { holder: *holder, calls, recent })
        };
        let mut all: Vec<Taken> = self.rooms.iter().filter_map(row).collect();
        all.sort_unstable_by_key(|taken| taken.holder);
        all
    }
}

/// Who holds room at a place.
struct Holders {
    trunk: Holder,
    carrier: Holder,
    both: Holder,
    share: Option<Holder>,
}

fn holders(place: Place) -> Holders {
    let (carrier, originator) = (place.carrier, place.originator);
    let both = Holder::Both(carrier);
    match place.trunk {
        Trunk::Ingress(id) => {
            Holders { trunk: Holder::Ingress(id), carrier: Holder::Originator(carrier), both, share: None }
        }
        Trunk::Egress(id) => {
            let share = Some(Holder::Share { terminator: carrier, originator });
            Holders { trunk: Holder::Egress(id), carrier: Holder::Terminator(carrier), both, share }
        }
    }
}

/// The cause that a refusal is known by.
fn cause(holder: Holder, full: Full) -> Cause {
    match (holder, full) {
        (Holder::Switch, Full::Capacity) => Cause::GLOBAL_CAPACITY,
        (Holder::Switch, Full::Cps) => Cause::GLOBAL_CPS,
        (Holder::Ingress(_), Full::Capacity) => Cause::ORIGINATOR_CAPACITY,
        (Holder::Ingress(_), Full::Cps) => Cause::ORIGINATOR_CPS,
        (Holder::Originator(_), Full::Capacity) => Cause::ORIGINATOR_CARRIER_CAPACITY,
        (Holder::Originator(_), Full::Cps) => Cause::ORIGINATOR_CARRIER_CPS,
        (Holder::Egress(_), Full::Capacity) => Cause::TERMINATOR_CAPACITY,
        (Holder::Egress(_), Full::Cps) => Cause::TERMINATOR_CPS,
        (Holder::Terminator(_), Full::Capacity) => Cause::TERMINATOR_CARRIER_CAPACITY,
        (Holder::Terminator(_), Full::Cps) => Cause::TERMINATOR_CARRIER_CPS,
        (Holder::Both(_), Full::Capacity | Full::Cps) => Cause::CARRIER_CAPACITY,
        (Holder::Share { .. }, Full::Capacity | Full::Cps) => Cause::TERMINATOR_SHARE,
    }
}
