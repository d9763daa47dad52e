//! The way of a message: from or to whom, over what, by which of our listeners and connections.

use core::net::SocketAddr;

use units::{NodeId, ShardId};

/// What carries messages (RFC 3261 §18).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams: repeats make up for losses.
    #[default]
    Udp,
    /// A stream.
    Tcp,
    /// A stream within TLS.
    Tls,
}

impl Transport {
    /// As in Via (RFC 3261 §20.42).
    #[must_use]
    pub const fn as_bytes(self) -> &'static [u8] {
        match self {
            Transport::Udp => b"UDP",
            Transport::Tcp => b"TCP",
            Transport::Tls => b"TLS",
        }
    }

    /// The `transport` parameter of a URI that names us, with its semicolon; nothing for UDP, which is the default.
    #[must_use]
    pub const fn uri_param(self) -> &'static [u8] {
        match self {
            Transport::Udp => b"",
            Transport::Tcp => b";transport=tcp",
            Transport::Tls => b";transport=tls",
        }
    }

    /// The transport of this name in any case.
    #[must_use]
    pub fn from_bytes(text: &[u8]) -> Option<Transport> {
        let all = [Transport::Udp, Transport::Tcp, Transport::Tls];
        all.into_iter().find(|transport| transport.as_bytes().eq_ignore_ascii_case(text))
    }

    /// True if the transport repeats lost messages by itself.
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Transport::Udp)
    }

    /// The port where none is named: 5060, with TLS 5061 (RFC 3261 §18.1.1).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5_060,
            Transport::Tls => 5_061,
        }
    }
}

/// Stands for the shard of connections of other nodes; no node has so many.
const ELSEWHERE: u16 = u16::MAX;

/// One connection of this node since its start; the upper 16 bits are the number of the shard that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow(pub u64);

impl Flow {
    /// The connection with this place in this shard's row of connections; below 2^48.
    #[must_use]
    pub const fn new(shard: u16, sequence: u64) -> Flow {
        Flow(((shard as u64) << 48) | (sequence & ((1 << 48) - 1)))
    }

    /// Any connection that a shard of another node holds.
    #[must_use]
    pub const fn elsewhere(node: NodeId, shard: ShardId) -> Flow {
        Flow::new(ELSEWHERE, ((node.0 as u64) << 16) | shard.0 as u64)
    }

    /// The shard that holds the connection.
    #[must_use]
    pub const fn shard(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// The other node and its shard that hold the connection, if it is none of this node.
    #[must_use]
    pub const fn holder(self) -> Option<(NodeId, ShardId)> {
        if self.shard() == ELSEWHERE { Some((NodeId((self.0 >> 16) as u16), ShardId(self.0 as u16))) } else { None }
    }
}

/// Where a message came from, or where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hop {
    /// Over what.
    pub transport: Transport,
    /// By which of our listeners: its place in the list of the settings.
    pub listener: u8,
    /// The peer's address.
    pub remote: SocketAddr,
    /// The connection that it came over; a message that goes out prefers it.
    pub flow: Option<Flow>,
}

impl Hop {
    /// A hop of UDP by this listener.
    #[must_use]
    pub const fn udp(listener: u8, remote: SocketAddr) -> Hop {
        Hop { transport: Transport::Udp, listener, remote, flow: None }
    }

    /// True if nothing that goes this way needs to be repeated. Between two nodes it is a datagram, whatever the connection beyond speaks.
    #[must_use]
    pub fn is_reliable(self) -> bool {
        self.transport.is_reliable() && self.holder().is_none()
    }

    /// The other node and its shard that hold the connection, if it is none of this node.
    #[must_use]
    pub fn holder(self) -> Option<(NodeId, ShardId)> {
        self.flow.and_then(Flow::holder)
    }

    /// The same way to another address; a connection leads to one address only.
    #[must_use]
    pub fn to(self, remote: SocketAddr) -> Hop {
        Hop { remote, flow: self.flow.filter(|_| remote == self.remote), ..self }
    }
}

/// By UDP and our first listener.
impl From<SocketAddr> for Hop {
    fn from(remote: SocketAddr) -> Hop {
        Hop::udp(0, remote)
    }
}
