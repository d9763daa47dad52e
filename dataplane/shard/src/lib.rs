//! One core's whole brain: datagrams, parcels and time in; effects out.
#![no_std]

extern crate alloc;

pub mod book;
pub mod effect;
pub mod parcel;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use panel::metrics::Histogram;
use panel::wire::{CallRow, Reply, ShardFigures};
use units::{CallId, Clock, Instant, NodeId, ShardId};

pub use effect::{Effect, Effects};
pub use parcel::Parcel;

/// The bytes of a snapshot, wherever they are kept (a mapped file, a vector). They must have passed `snapshot::View::check`.
pub type Image = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Who a shard is and what it may use.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node.
    pub node: NodeId,
    /// How often this node's data plane has started.
    pub boot: u32,
    /// This shard.
    pub shard: ShardId,
    /// How many shards the node has.
    pub shards: u16,
    /// The address that SIP peers know us by: Via, Contact.
    pub sip_address: SocketAddr,
    /// The address in our SDP.
    pub media_address: core::net::IpAddr,
    /// First media port of this shard; even.
    pub port_low: u16,
    /// Last media port of this shard, included.
    pub port_high: u16,
    /// Entropy of this start; tags, branches and ports are drawn from it.
    pub seed: [u8; 32],
    /// Calls captured for their ladder, per cent.
    pub trace_percent: u8,
    /// Grants that survived a restart: id, account, amount, used.
    pub grants: Vec<(units::GrantId, units::AccountId, units::Money, units::Money)>,
}

/// What a call's media packet needs next: send the same bytes from `port` to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The local port to send from.
    pub port: u16,
    /// Where to.
    pub to: SocketAddr,
}

/// One core's brain.
pub struct Shard {
    config: Config,
}

impl Shard {
    /// A shard without snapshot: it refuses calls until `on_snapshot`.
    pub fn new(config: Config) -> Shard {
        Shard { config }
    }

    /// A SIP datagram came to this shard's socket.
    pub fn on_sip(&mut self, _clock: Clock, _from: SocketAddr, _bytes: &[u8], _out: &mut Effects) {}

    /// A datagram came to an open media port. Allocates nothing.
    pub fn on_media(&mut self, _clock: Clock, _port: u16, _from: SocketAddr, _bytes: &[u8]) -> Option<Forward> {
        None
    }

    /// Another shard handed something over.
    pub fn on_parcel(&mut self, _clock: Clock, _parcel: Parcel, _out: &mut Effects) {}

    /// All journal records up to and with this ticket are durable.
    pub fn on_journaled(&mut self, _clock: Clock, _ticket: u64, _out: &mut Effects) {}

    /// The pump could not open a media port.
    pub fn on_port_failed(&mut self, _clock: Clock, _port: u16, _out: &mut Effects) {}

    /// The journal's disk is nearly full (refuse new calls) or has room again.
    pub fn on_disk_full(&mut self, _full: bool) {}

    /// The ledger answered a want.
    pub fn on_reply(&mut self, _clock: Clock, _reply: Reply, _out: &mut Effects) {}

    /// Swap to a checked snapshot.
    pub fn on_snapshot(&mut self, _clock: Clock, _image: Image, _out: &mut Effects) {}

    /// Release a call by an operator's wish; false if this shard does not have it.
    pub fn on_release(&mut self, _clock: Clock, _call: CallId, _out: &mut Effects) -> bool {
        false
    }

    /// Refuse new calls or take them again.
    pub fn on_drain(&mut self, _on: bool) {}

    /// The deadline has come.
    pub fn on_time(&mut self, _clock: Clock, _out: &mut Effects) {}

    /// When `on_time` must be called at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// The running calls, oldest first.
    pub fn calls(&self, _clock: Clock, _limit: usize, _rows: &mut Vec<CallRow>) {}

    /// Gauges.
    pub fn figures(&self) -> ShardFigures {
        ShardFigures { shard: self.config.shard.0, ..ShardFigures::default() }
    }

    /// Counters since the start: name and value.
    pub fn counters(&self, _each: &mut dyn FnMut(&'static str, u64)) {}

    /// Latency distributions since the start, by stage: parse, admit, limits, route, egress, answer, relay.
    pub fn stages(&self, _each: &mut dyn FnMut(&'static str, &Histogram)) {}
}
