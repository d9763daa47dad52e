//! What the nodes of a cluster know of each other at this moment, in etcd.
//!
//! [`Etcd`] speaks etcd's v3 API as JSON over HTTP (its gRPC gateway) and moves on to the next member when one is away. [`Presence`] keeps
//! a node's own key alive, [`Mirror`] keeps a copy of everything below a prefix, which stays when no member answers: without a majority
//! each node works on with what it knew last. [`feed`] tells each change once instead, where there is much below the prefix. Nothing here knows calls, money or a database.

mod arguments;
mod etcd;
mod feed;
mod mirror;
mod node;
pub mod order;
mod throne;
mod version;
mod way;
mod wire;

pub use arguments::EtcdArguments;
pub use cluster::words::{
    AddressStatus, CONTROLS, ControlStatus, DATABASE, DOUBLES, DRAINS, KEEPERS, KeeperStatus, NODES, ShardStatus,
    THRONES, Throne,
};
pub use etcd::{Etcd, LiveError, MemberState, Members};
pub use feed::feed;
pub use mirror::Mirror;
pub use node::{Behind, Node, Presence, is_drained, set_drain};
pub use throne::{Held, address_service, better_place, thrones};
pub use version::version;
pub use wire::{Compare, Entry, Lease, Page, Write};
