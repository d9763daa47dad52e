//! Whom one port listens to and sends to: the SDP's address when it is heard, once a neighbour of it behind a NAT, nobody else.
//!
//! ```text
//!              expect                own address heard
//!   Deaf ───────────────► Armed ─────────────────────────► Locked
//!                           │                                 ▲
//!                           │ neighbour heard                 │ own address heard
//!                           └────────────► Borrowed ──────────┘
//! ```
//! Every state goes to `Armed` by `expect`, and by nothing else. A neighbour shares the SDP address's /24 (IPv4) or /64 (IPv6): a NAT
//! may have changed its port, or a media gateway its host, but a source from anywhere else is a stranger.

use core::net::{IpAddr, SocketAddr};

/// One direction of trust for one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Latch {
    /// No description named an address: everything is a stranger's.
    Deaf,
    /// A description named an address that was not heard since; `peer` is where packets go meanwhile.
    Armed { named: SocketAddr, peer: SocketAddr },
    /// A neighbour was heard first; the named address still takes over when it speaks.
    Borrowed { named: SocketAddr, peer: SocketAddr },
    /// The named address itself was heard.
    Locked { named: SocketAddr },
}

/// Who spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// Not the peer.
    Stranger,
    /// The peer, as known.
    Known,
    /// The peer, at an address that was not known for certain before.
    Learnt,
}

impl Latch {
    /// A description names this address. A repeated one (a session refresh) keeps sending to the peer that was learnt.
    pub(crate) fn expect(&mut self, named: SocketAddr) {
        if !sendable(named) {
            *self = Latch::Deaf;
            return;
        }
        let peer = match *self {
            Latch::Armed { named: before, peer } | Latch::Borrowed { named: before, peer } if before == named => peer,
            Latch::Deaf | Latch::Armed { .. } | Latch::Borrowed { .. } | Latch::Locked { .. } => named,
        };
        *self = Latch::Armed { named, peer };
    }

    /// True if a packet from here would be the peer's.
    pub(crate) fn knows(&self, from: SocketAddr) -> bool {
        let mut latch = *self;
        latch.hear(from) != Speaker::Stranger
    }

    /// A valid packet came from here.
    #[inline]
    pub(crate) fn hear(&mut self, from: SocketAddr) -> Speaker {
        match *self {
            Latch::Locked { named } if from == named => Speaker::Known,
            Latch::Deaf | Latch::Armed { .. } | Latch::Borrowed { .. } | Latch::Locked { .. } => self.weigh(from),
        }
    }

    fn weigh(&mut self, from: SocketAddr) -> Speaker {
        match *self {
            Latch::Deaf => Speaker::Stranger,
            Latch::Locked { named } => known(from == named),
            Latch::Armed { named, .. } | Latch::Borrowed { named, .. } if from == named => {
                *self = Latch::Locked { named };
                Speaker::Learnt
            }
            Latch::Armed { named, .. } if neighbours(named.ip(), from.ip()) => {
                *self = Latch::Borrowed { named, peer: from };
                Speaker::Learnt
            }
            Latch::Armed { .. } => Speaker::Stranger,
            Latch::Borrowed { peer, .. } => known(from == peer),
        }
    }

    /// The peer that was heard since the last description.
    pub(crate) fn latched(&self) -> Option<SocketAddr> {
        match *self {
            Latch::Deaf | Latch::Armed { .. } => None,
            Latch::Borrowed { peer, .. } => Some(peer),
            Latch::Locked { named } => Some(named),
        }
    }

    /// Where packets for this port's peer go.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        match *self {
            Latch::Deaf => None,
            Latch::Armed { peer, .. } | Latch::Borrowed { peer, .. } => Some(peer),
            Latch::Locked { named } => Some(named),
        }
    }
}

fn known(is_peer: bool) -> Speaker {
    if is_peer { Speaker::Known } else { Speaker::Stranger }
}

/// Same /24 or same /64.
fn neighbours(one: IpAddr, other: IpAddr) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => one.octets()[..3] == other.octets()[..3],
        (IpAddr::V6(one), IpAddr::V6(other)) => one.octets()[..8] == other.octets()[..8],
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// RFC 3264 §5.1: port 0 refuses a stream; RFC 3264 §8.4: address 0.0.0.0 is the old way to hold. Many receivers at once are never a peer.
fn sendable(address: SocketAddr) -> bool {
    let ip = address.ip();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}
