//! A subscriber's connection is at one node, the call to it at another: the node of the call hands its messages to the node of the connection,
//! which hands back what comes.
//!
//! Nothing goes round: what a node hands over goes to a connection, or to a call that is there, and no further. The node of the connection
//! keeps nothing of the call; it is billed and limited where it is.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::ops::Range;

use sip::behind::across::{self, Across, Course};
use sip::behind::node_of;
use sip::print::reason_phrase;
use sip::{Flow, Hop, Message, Method, Printer, Transport, parse};
use units::{Clock, NodeId, ShardId, WallTime};

use crate::{Effect, Effects, Parcel, Shard, steer};

/// Nodes whose places are known at most.
pub const NODES_MAX: usize = 1_024;
/// How old a message of another node may be, or how far its clock ahead, in microseconds.
const FRESH_US: u64 = 10_000_000;

/// Where a node takes what is handed to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The node.
    pub node: NodeId,
    /// Where.
    pub at: SocketAddr,
}

/// The other nodes, by what they said themselves.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    places: BTreeMap<NodeId, SocketAddr>,
    wall: WallTime,
}

impl Nodes {
    /// Every turn that may hand something over tells the time first.
    pub fn see(&mut self, wall: WallTime) {
        self.wall = wall;
    }

    /// True if that is news.
    pub fn learn(&mut self, Place { node, at }: Place) -> bool {
        let known = self.places.get(&node).copied();
        if known == Some(at) || (known.is_none() && self.places.len() >= NODES_MAX) {
            return false;
        }
        self.places.insert(node, at);
        true
    }

    /// Is some node there?
    pub fn are_at(&self, at: SocketAddr) -> bool {
        self.places.values().any(|place| *place == at)
    }
}

impl Shard {
    /// Does another node say this, or somebody in its name?
    pub(crate) fn is_of_node(&self, from: Hop, bytes: &[u8]) -> bool {
        self.config.behind.across.is_some() && from.transport == Transport::Udp && across::is_marked(bytes)
    }

    /// Another node hands something over.
    pub(crate) fn on_node(&mut self, clock: Clock, bytes: &[u8], out: &mut Effects) {
        self.nodes.see(clock.wall);
        let own = self.config.node;
        let is_ours = |across: &Across| across.to == own && across.from != own;
        let is_fresh = |across: &Across| (clock.wall - across.at).unsigned_abs() <= FRESH_US;
        let found = self.config.behind.key.as_ref().and_then(|key| across::read(key, bytes));
        let Some((across, message)) = found.filter(|(across, _)| is_ours(across) && is_fresh(across)) else {
            self.counters.across_refused += 1;
            return;
        };
        // Not where it came from, which anybody may choose who sends a message again.
        let place = Place { node: across.from, at: across.place };
        if self.nodes.learn(place) {
            self.tell_others(out, || Parcel::Node(place));
        }
        match across.course {
            Course::Over => self.carry_over(clock, across, &message, out),
            Course::Heard => self.on_heard(clock, across, message, out),
        }
    }

    /// Sends another node's message over the connection that it is for, or says that there is none.
    pub(crate) fn carry_over(&mut self, clock: Clock, across: Across, message: &[u8], out: &mut Effects) {
        self.nodes.see(clock.wall);
        if across.shard != self.config.shard && across.shard.0 < self.config.shards {
            let parcel = Parcel::Over { across, bytes: message.to_vec() };
            return out.list.push(Effect::Parcel { to: across.shard, parcel: parcel.into() });
        }
        let own = across.shard == self.config.shard;
        let listeners = self.config.listeners.len();
        match self.streams.made_by(across.transport, listeners, across.peer).filter(|_| own) {
            Some(flow) => {
                self.counters.across_carried += 1;
                let bytes = out.append(|store| store.extend_from_slice(message));
                out.list.push(Effect::Stream { flow, bytes });
            }
            None => self.say_gone(across, message, out),
        }
    }

    /// The peer of a connection that is gone cannot be reached: its node hears that at once.
    fn say_gone(&mut self, across: Across, message: &[u8], out: &mut Effects) {
        self.counters.across_refused += 1;
        let Ok(request) = parse::message(message) else { return };
        if !request.is_request() || request.method() == Method::Ack {
            return;
        }
        let tag = self.guard.tag(request.call_id(), request.via().branch);
        let mut answer = Vec::with_capacity(512);
        Printer::reply(&mut answer, &request, 480, reason_phrase(480), &tag, across.peer).finish_empty();
        self.hand(Course::Heard, across.from, (across.shard, across.transport, across.peer), &answer, out);
    }

    /// A node tells what it heard over its connection: as if it had been heard here.
    fn on_heard(&mut self, clock: Clock, across: Across, message: Vec<u8>, out: &mut Effects) {
        let Some(hop) = self.switch.hop(across.transport, "", across.peer) else { return };
        let from = Hop { flow: Some(Flow::elsewhere(across.from, across.shard)), ..hop };
        match steer::owner(&message, self.config.shards) {
            Some(owner) if owner != self.config.shard => {
                self.counters.sip_steered += 1;
                let parcel = Parcel::Datagram { from, bytes: message };
                out.list.push(Effect::Parcel { to: owner, parcel: parcel.into() });
            }
            _ => self.hear(clock, from, &message, out),
        }
    }

    /// Hands a message that belongs to no call here, and came over a connection, to the node that minted `tag`. False if there is none.
    pub(crate) fn hand_on(&mut self, from: Hop, tag: Option<&[u8]>, message: &Message<'_>, out: &mut Effects) -> bool {
        let (Some(flow), None, false) = (from.flow, from.holder(), self.nodes.places.is_empty()) else { return false };
        let minted = self.config.behind.key.as_ref().zip(tag).and_then(|(key, tag)| node_of(key, tag));
        let Some(to) = minted.filter(|node| *node != self.config.node) else { return false };
        let wire = (ShardId(flow.shard()), from.transport, from.remote);
        let handed = self.hand(Course::Heard, to, wire, message.text(), out);
        self.counters.across_heard += u64::from(handed);
        handed
    }

    /// Sends a message of a call of ours by the node that holds the connection.
    pub(crate) fn send_across(
        &mut self,
        to: Hop,
        (node, shard): (NodeId, ShardId),
        bytes: Range<usize>,
        out: &mut Effects,
    ) {
        let message = out.bytes[bytes].to_vec();
        if !self.hand(Course::Over, node, (shard, to.transport, to.remote), &message, out) {
            self.unsent(message, out);
        }
    }

    /// Hands another node a message of a connection: of the shard that has it, what it speaks, its other end. False if nobody knows where
    /// the node is.
    fn hand(
        &self,
        course: Course,
        to: NodeId,
        (shard, transport, peer): (ShardId, Transport, SocketAddr),
        message: &[u8],
        out: &mut Effects,
    ) -> bool {
        let (Some(key), Some((listener, place))) = (&self.config.behind.key, self.config.behind.across) else {
            return false;
        };
        let Some(remote) = self.nodes.places.get(&to) else { return false };
        let across = Across { course, from: self.config.node, to, shard, transport, at: self.nodes.wall, place, peer };
        let start = out.bytes.len();
        let marked = across::mark(key, &across, message, &mut out.bytes);
        if marked {
            out.list.push(Effect::Sip { to: Hop::udp(listener, *remote), bytes: start..out.bytes.len() });
        }
        marked
    }
}
