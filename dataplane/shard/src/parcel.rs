//! What shards of one node hand each other: they share no memory.

use alloc::vec::Vec;

use sip::Hop;
use sip::behind::across::Across;
use units::ShardId;

/// One thing handed from shard to shard, over a single-producer single-consumer ring, in order.
#[derive(Debug)]
pub enum Parcel {
    /// A SIP message that arrived at the wrong shard.
    Datagram {
        /// Who sent it, how.
        from: Hop,
        /// What.
        bytes: Vec<u8>,
    },
    /// A SIP message for a connection of that shard.
    Send {
        /// Where to; its flow names the connection.
        to: Hop,
        /// What.
        bytes: Vec<u8>,
    },
    /// Another node's message for a connection of that shard.
    Over {
        /// Which connection, and whose message.
        across: Across,
        /// What.
        bytes: Vec<u8>,
    },
    /// Where another node takes what is handed to it.
    Node(crate::across::Place),
    /// A request of a call of that shard for which no connection could be made.
    Unsent {
        /// What.
        bytes: Vec<u8>,
    },
    /// A question about a limit or an account to its home shard, or the answer.
    Book {
        /// Who sent it.
        from: ShardId,
        /// The entry.
        entry: crate::book::Entry,
    },
    /// A binding of a subscriber changed at its home shard.
    Binding(crate::registrar::Change),
    /// Somebody proved a name, or failed to.
    Proof(crate::proof::News),
    /// Whether an egress trunk answers.
    Trunk(crate::health::Word),
    /// How well an egress trunk does.
    Standing(crate::standings::Word),
}
