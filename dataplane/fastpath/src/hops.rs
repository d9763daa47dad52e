//! The ways to peers. Wholesale peers are few, so flows share entries, and a change of one entry moves all its flows at once.

use std::collections::HashMap;
use std::net::IpAddr;

use aya::maps::{Array, MapData};

use crate::links::Links;
use crate::program::Broken;

/// Ways at most; a peer beyond them stays in user space. As in `bpf/relay.c`.
pub const HOPS_MAX: u32 = 4_096;
/// Bytes of `struct hop`.
pub const HOP_BYTES: usize = 20;

/// Names a way in flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HopId(pub u32);

/// One way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Index of the interface; of a VLAN its parent's.
    pub interface: u32,
    /// 802.1Q VLAN, 1 to 4094; 0 for none.
    pub vlan: u16,
    /// The peer's or the router's address of the link.
    pub to: [u8; 6],
    /// Ours.
    pub from: [u8; 6],
}

#[derive(Debug)]
struct Known {
    from: IpAddr,
    to: IpAddr,
    hop: Option<Hop>,
    turn: u32,
}

/// All ways. Looking them up is for whoever may wait for the kernel's answer: see [`Hops::refresh`].
pub struct Hops {
    turns: Array<MapData, u32>,
    entries: Array<MapData, [u8; HOP_BYTES]>,
    by_ends: HashMap<(IpAddr, IpAddr), HopId>,
    known: Vec<Known>,
}

impl Hops {
    pub(crate) fn new(turns: Array<MapData, u32>, entries: Array<MapData, [u8; HOP_BYTES]>) -> Hops {
        Hops { turns, entries, by_ends: HashMap::new(), known: Vec::new() }
    }

    /// Names the way from our address to a peer, without asking the kernel: packets of one that is not known yet go up until it is
    /// [learnt](Hops::learn). True if it is named for the first time. None when the table is full.
    pub fn find(&mut self, from: IpAddr, to: IpAddr) -> Option<(HopId, bool)> {
        if let Some(&id) = self.by_ends.get(&(from, to)) {
            return Some((id, false));
        }
        let id = HopId(self.known.len() as u32);
        (id.0 < HOPS_MAX).then(|| {
            self.known.push(Known { from, to, hop: None, turn: 0 });
            self.by_ends.insert((from, to), id);
            (id, true)
        })
    }

    /// Asks for every way again; to be called about once a second, not oftener than each 100 ms. Returns how many changed.
    pub fn refresh(&mut self, links: &Links) -> Result<u32, Broken> {
        let mut changed = 0;
        for place in 0..self.known.len() {
            let (from, to) = (self.known[place].from, self.known[place].to);
            changed += u32::from(self.learn(place, links.way(from, to)?)?);
        }
        Ok(changed)
    }

    /// From where and to whom a way leads, in the order in which they were named; none beyond the last.
    pub fn ends(&self, place: usize) -> Option<(IpAddr, IpAddr)> {
        self.known.get(place).map(|known| (known.from, known.to))
    }

    /// How the packets of a way go from here on; true if that is a change. A place beyond the last changes nothing.
    pub fn learn(&mut self, place: usize, hop: Option<Hop>) -> Result<bool, Broken> {
        let changed = self.known.get(place).is_some_and(|known| known.hop != hop);
        if changed {
            self.set(HopId(place as u32), hop)?;
        }
        Ok(changed)
    }

    /// Ways that lead somewhere now, and all that are known.
    pub fn tally(&self) -> (usize, usize) {
        (self.known.iter().filter(|known| known.hop.is_some()).count(), self.known.len())
    }

    /// Writes the entry that is not in use and then turns to it: a packet sees the old way or the new one whole.
    fn set(&mut self, id: HopId, hop: Option<Hop>) -> Result<(), Broken> {
        let known = &mut self.known[id.0 as usize];
        let turn = 1 - known.turn;
        self.entries.set(id.0 * 2 + turn, hop.map(bytes).unwrap_or_default(), 0)?;
        self.turns.set(id.0, turn, 0)?;
        (known.turn, known.hop) = (turn, hop);
        Ok(())
    }
}

fn bytes(hop: Hop) -> [u8; HOP_BYTES] {
    let mut out = [0; HOP_BYTES];
    out[..4].copy_from_slice(&hop.interface.to_ne_bytes());
    out[4..6].copy_from_slice(&hop.vlan.to_ne_bytes());
    out[6..12].copy_from_slice(&hop.to);
    out[12..18].copy_from_slice(&hop.from);
    out
}
