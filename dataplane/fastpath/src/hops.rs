//! The ways to peers. Wholesale peers are few, so flows share entries, and a change of one entry moves all its flows at once.

use std::collections::HashMap;
use std::io;
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

/// All ways, and who keeps them true.
pub struct Hops {
    links: Links,
    turns: Array<MapData, u32>,
    entries: Array<MapData, [u8; HOP_BYTES]>,
    by_ends: HashMap<(IpAddr, IpAddr), HopId>,
    known: Vec<Known>,
}

impl Hops {
    pub(crate) fn new(turns: Array<MapData, u32>, entries: Array<MapData, [u8; HOP_BYTES]>) -> io::Result<Hops> {
        Ok(Hops { links: Links::open()?, turns, entries, by_ends: HashMap::new(), known: Vec::new() })
    }

    /// The way from our address to a peer, looked up when it is asked for the first time. A way that is not known now still has its
    /// id: its packets go up until a later [`Hops::refresh`] finds it. None when the table is full.
    pub fn find(&mut self, from: IpAddr, to: IpAddr) -> Result<Option<HopId>, Broken> {
        if let Some(&id) = self.by_ends.get(&(from, to)) {
            return Ok(Some(id));
        }
        let id = HopId(self.known.len() as u32);
        if id.0 >= HOPS_MAX {
            return Ok(None);
        }
        let hop = self.links.way(from, to)?;
        self.known.push(Known { from, to, hop: None, turn: 0 });
        self.by_ends.insert((from, to), id);
        self.set(id, hop)?;
        Ok(Some(id))
    }

    /// Asks for every way again; to be called about once a second, not oftener than each 100 ms. Returns how many changed.
    pub fn refresh(&mut self) -> Result<u32, Broken> {
        let mut changed = 0;
        for place in 0..self.known.len() {
            changed += u32::from(self.refresh_at(place)?);
        }
        Ok(changed)
    }

    /// Asks for one of the ways again, in the order in which they were found; true if it changed. A place beyond them is none.
    pub fn refresh_at(&mut self, place: usize) -> Result<bool, Broken> {
        let Some(known) = self.known.get(place) else { return Ok(false) };
        let (from, to, before) = (known.from, known.to, known.hop);
        let hop = self.links.way(from, to)?;
        if hop != before {
            self.set(HopId(place as u32), hop)?;
        }
        Ok(hop != before)
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
