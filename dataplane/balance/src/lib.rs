//! Which core takes a call: the decisions of a SIP balancer, which knows no dialog.
//!
//! To peers a balancer and its cores are one switch at one address; how the two tell each other what only they may know stands in
//! [`sip::behind`]. Messages within a dialog find their core by the tag that it minted. Others go by a hash of their Call-ID over
//! the cores that answer ([`pick`]), so that two balancers with the same cores choose the same one; what an INVITE chose is
//! remembered until it has its final answer ([`pins`]). A core that stops answering is out ([`health`]), and an INVITE
//! of which it said nothing is sent to the next one when its sender repeats it.
#![no_std]

extern crate alloc;

pub mod cores;
mod counters;
pub mod health;
pub mod pick;
pub mod pins;
mod probe;

use alloc::vec::Vec;
use core::net::SocketAddr;

use sip::behind::{self, Key, Way};
use sip::peek::Glance;
use units::Instant;

pub use cores::{Core, CoreId, Cores, Refusal};
pub use counters::Counters;

use pins::Pins;

/// What a peer is asked to wait when no core takes calls, in seconds.
pub const RETRY_AFTER_S: u64 = 2;
/// What is shorter is no message but a keep-alive (RFC 5626 §3.5.1).
const MESSAGE_BYTES_MIN: usize = 12;

/// Where a message goes whose bytes were appended to the room that came with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// To a core, from our inner address.
    Core(SocketAddr),
    /// To a peer, from the address that peers know.
    Peer(SocketAddr),
    /// Nowhere.
    Drop,
}

/// A balancer.
#[derive(Debug)]
pub struct Balancer {
    key: Key,
    /// What cores know us by.
    inside: SocketAddr,
    cores: Cores,
    pins: Pins,
    counters: Counters,
    /// Of the questions to cores: drawn from entropy, so that nobody else answers them.
    chance: u64,
}

impl Balancer {
    /// Without cores. `entropy` makes what only cores may repeat hard to guess.
    pub fn new(key: Key, inside: SocketAddr, entropy: u64) -> Balancer {
        let cores = Cores::new(key.seed());
        Balancer { key, inside, cores, pins: Pins::default(), counters: Counters::default(), chance: entropy }
    }

    /// The cores.
    pub fn cores(&self) -> &Cores {
        &self.cores
    }

    /// The cores, to be added to, drained and removed.
    pub fn cores_mut(&mut self) -> &mut Cores {
        &mut self.cores
    }

    /// What was done since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// INVITEs that are remembered.
    pub fn pinned(&self) -> usize {
        self.pins.len()
    }

    /// A message came to the address that peers know.
    pub fn on_peer(&mut self, now: Instant, from: SocketAddr, message: &[u8], out: &mut Vec<u8>) -> Verdict {
        if message.len() < MESSAGE_BYTES_MIN {
            return Verdict::Drop;
        }
        self.counters.peer_messages += 1;
        let core = match Glance::of(message) {
            Some(Glance { status: Some(_), from_tag, .. }) => self.minted(from_tag),
            Some(request) => self.for_request(now, &request),
            // What cannot be read is refused by a core, always the same one for its sender.
            None if message.starts_with(b"SIP/") => None,
            None => self.cores.pick(pick::hash(self.cores.seed(), &[from.port() as u8])),
        };
        match core.and_then(|id| self.cores.get(id)) {
            Some(core) if behind::wrap(&self.key, Way::Inward, from, message, out) => Verdict::Core(core.at),
            Some(_) => Verdict::Drop,
            None => self.turn_away(from, message, out),
        }
    }

    /// The core that a dialog lives on.
    fn minted(&self, tag: &[u8]) -> Option<CoreId> {
        self.cores.of_node(behind::node_of(&self.key, tag)?)
    }

    fn for_request(&mut self, now: Instant, request: &Glance<'_>) -> Option<CoreId> {
        if let Some(core) = request.to_tag.and_then(|tag| self.minted(tag)) {
            return Some(core);
        }
        let key = pick::hash(self.cores.seed(), request.call_id);
        let is_invite = request.method == b"INVITE";
        if let Some(pin) = self.pins.get(now, key) {
            // Whoever said 100 has the call, though it may be gone with it. Of a core that said nothing and is dead, nothing comes.
            if self.cores.get(pin.core).is_some_and(|core| pin.answered || !is_invite || !core.health.is_dead()) {
                return Some(pin.core);
            }
        }
        let core = self.cores.pick(key)?;
        if is_invite && request.to_tag.is_none() {
            self.counters.retried += u64::from(self.pins.pin(now, key, core));
            self.cores.begun(core);
        }
        Some(core)
    }

    /// RFC 3261 §21.5.4: no core takes calls. While none was ever heard, silence lets the peer repeat itself.
    fn turn_away(&mut self, from: SocketAddr, message: &[u8], out: &mut Vec<u8>) -> Verdict {
        self.counters.lost += 1;
        let tag = pick::hash(self.chance, message).to_be_bytes().map(|byte| b'a' + byte % 26);
        let may = message.starts_with(b"INVITE ") && !self.cores.is_starting();
        if may && sip::print::turn_away(message, RETRY_AFTER_S, from, &tag, out) {
            self.counters.turned_away += 1;
            return Verdict::Peer(from);
        }
        Verdict::Drop
    }

    /// A message came to our inner address; `message` is used up.
    pub fn on_core(&mut self, now: Instant, from: SocketAddr, message: &mut [u8], out: &mut Vec<u8>) -> Verdict {
        let Some(core) = self.cores.at(from) else {
            self.counters.strangers += 1;
            return Verdict::Drop;
        };
        let Some((peer, cut)) = behind::unwrap(&self.key, Way::Outward, message) else {
            self.on_answer(now, core, message);
            return Verdict::Drop;
        };
        self.counters.core_messages += 1;
        let message = &message[cut..];
        if let Some(Glance { status: Some(status), call_id, .. }) = Glance::of(message) {
            self.pins.heard(now, pick::hash(self.cores.seed(), call_id), core, status);
        }
        out.extend_from_slice(message);
        Verdict::Peer(peer)
    }
}
