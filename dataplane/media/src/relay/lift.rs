//! Which streams the kernel relays in our place. Both directions of a call are joined there once both have latched, and parted as soon
//! as one of them needs us; every packet that the kernel does not know comes to us as before.
//!
//! When a stream is joined, packets of it may still be on their way through us. So the kernel lets packets up until it hears that the last
//! one of them was passed on ([`Change::Passed`]), and begins with the next: none overtakes another.
//!
//! ```text
//!            both latched, a packet was passed on                 a latch, a reason, the end
//!   Socket ───────────────────────────────────────► Kernel ─────────────────────────────────► Leaving
//!     ▲  ▲                                             │                                           │
//!     │  └──────────────── not taken ──────────────────┘                                           │
//!     └─────────────────────────────── the kernel's last counts are here ──────────────────────────┘
//! ```

use core::net::SocketAddr;

use crate::kernel::{Carried, Path};
use crate::relay::{Relay, StreamId};
use crate::rtp::Packet;
use crate::stream::{Carries, Stream};

/// What is to change in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Relay what comes to `port` from `peer`: from `from_port` to `to`. Answered by [`Relay::on_unjoined`] if that cannot be done.
    Join {
        /// The RTP port of ours that hears the peer.
        port: u16,
        /// Who may send.
        peer: SocketAddr,
        /// The RTP port of ours that the other peer hears.
        from_port: u16,
        /// The other peer.
        to: SocketAddr,
        /// The clock of the timestamps; 0 if it is not known.
        clock_hz: u32,
        /// The payload types that may pass, a bit each.
        types: u128,
    },
    /// Know that we have passed on this packet, which came to `port` while the kernel has its stream. True once it has left.
    Passed {
        /// The RTP port.
        port: u16,
        /// Its number (RFC 3550 §5.1),
        sequence: u16,
        /// its timestamp
        timestamp: u32,
        /// and its source.
        source: u32,
    },
    /// Let everything that comes to this port up again. Answered by [`Relay::on_parted`].
    Part {
        /// The RTP port.
        port: u16,
    },
}

impl Relay {
    /// From now on the kernel may take streams over, or may not.
    pub fn use_kernel(&mut self, may: bool) {
        self.kernel = may;
    }

    /// The next change that the kernel must be told of, in order.
    pub fn change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// True if a change waits for [`Relay::change`].
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Where this stream's packets are relayed.
    pub fn path(&self, id: StreamId) -> Path {
        self.stream(id).map_or(Path::Socket, |stream| stream.path)
    }

    /// Streams that were ready for the kernel and stayed here because one peer's media comes by IPv4, the other's by IPv6; each as often as it
    /// was ready.
    pub fn between_families(&self) -> u64 {
        self.between_families
    }

    /// True while the kernel has counts that we do not know, of this stream or of its other half.
    pub fn is_below(&self, id: StreamId) -> bool {
        let Some(stream) = self.stream(id) else { return false };
        let half = stream.joined.and_then(|pair| self.streams[usize::from(pair)].as_ref());
        stream.path != Path::Socket || half.is_some_and(|half| half.path != Path::Socket)
    }

    /// Both directions come back to user space until the next packet.
    pub fn lift(&mut self, id: StreamId) {
        if self.stream(id).is_some() {
            self.raise(id.pair);
        }
    }

    /// The kernel goes on relaying what comes to this port, and counted this much since it began.
    pub fn on_carried(&mut self, port: u16, carried: Carried) {
        if let Some(stream) = self.lifted(port).filter(|stream| stream.path == Path::Kernel) {
            stream.below.carried = carried;
        }
    }

    /// The kernel has stopped to relay what comes to this port; these are its last counts.
    pub fn on_parted(&mut self, port: u16, carried: Carried) {
        if let Some(stream) = self.lifted(port).filter(|stream| stream.path == Path::Leaving) {
            stream.below.carried = carried;
            stream.land();
        }
    }

    /// The kernel could not take over what comes to this port: it is tried again when something has changed.
    pub fn on_unjoined(&mut self, port: u16) {
        let Some(pair) = self.pair_of(port) else { return };
        if let Some(stream) = self.lifted(port).filter(|stream| stream.path == Path::Kernel) {
            stream.land();
            self.raise(pair);
            self.review_later(pair, false);
        }
    }

    fn lifted(&mut self, port: u16) -> Option<&mut Stream> {
        let pair = self.pair_of(port)?;
        self.streams[usize::from(pair)].as_mut()
    }

    /// Something about a stream has changed: the kernel lets go of its call, and the next packet decides anew.
    pub(super) fn touch(&mut self, pair: u16) {
        if self.kernel {
            self.raise(pair);
            self.review_later(pair, true);
        }
    }

    fn halves(&self, pair: u16) -> [Option<u16>; 2] {
        let stream = self.streams[usize::from(pair)].as_ref();
        [Some(pair), stream.and_then(|stream| stream.joined)]
    }

    fn review_later(&mut self, pair: u16, later: bool) {
        for pair in self.halves(pair).into_iter().flatten() {
            if let Some(stream) = &mut self.streams[usize::from(pair)] {
                stream.review = later;
            }
        }
    }

    fn raise(&mut self, pair: u16) {
        for pair in self.halves(pair).into_iter().flatten() {
            let Some(stream) = &mut self.streams[usize::from(pair)] else { continue };
            if stream.path == Path::Kernel {
                stream.path = Path::Leaving;
                stream.review = true;
                self.changes.push_back(Change::Part { port: self.port_low + 2 * pair });
            }
        }
    }

    /// A packet that came to this pair is passed on: its peer may have moved, or be ready for the kernel, or the kernel waits for it.
    pub(super) fn follow(&mut self, pair: u16, packet: &Packet) {
        let Some(stream) = &mut self.streams[usize::from(pair)] else { return };
        if core::mem::take(&mut stream.moved) {
            self.touch(pair);
        }
        self.tell(pair, packet);
        let here = self.streams[usize::from(pair)].as_ref();
        if here.is_some_and(|stream| stream.review && stream.path == Path::Socket) {
            self.review(pair);
        }
    }

    /// Says that a packet was passed on that the kernel let up. Where it lets up all for long, the way to the peer is not known: then only
    /// now and then.
    fn tell(&mut self, pair: u16, packet: &Packet) {
        let stream = self.streams[usize::from(pair)].as_ref();
        let below = stream.filter(|stream| stream.path == Path::Kernel).map(|stream| &stream.below);
        let (Some(below), Packet::Rtp(header)) = (below, packet) else { return };
        if below.is_told_of() {
            let (port, sequence) = (self.port_low + 2 * pair, header.sequence);
            let (timestamp, source) = (header.timestamp, header.source);
            self.changes.push_back(Change::Passed { port, sequence, timestamp, source });
        }
    }

    /// Both directions may be ready for the kernel now.
    #[cold]
    fn review(&mut self, pair: u16) {
        let [Some(one), Some(other)] = self.halves(pair) else { return };
        if let Some(stream) = &mut self.streams[usize::from(one)] {
            stream.review = false;
        }
        let (Some(there), Some(back)) = (self.passage(one, other), self.passage(other, one)) else { return };
        if matches!(there, Change::Join { peer, to, .. } if peer.is_ipv4() != to.is_ipv4()) {
            self.between_families += 2;
            return self.review_later(pair, false);
        }
        for (pair, change) in [(one, there), (other, back)] {
            if let Some(stream) = &mut self.streams[usize::from(pair)] {
                (stream.path, stream.review) = (Path::Kernel, false);
                self.changes.push_back(change);
            }
        }
    }

    /// The way of one direction, if it is settled and nothing keeps it here.
    fn passage(&self, from: u16, to: u16) -> Option<Change> {
        let [here, there] = [from, to].map(|pair| self.streams[usize::from(pair)].as_ref());
        let (here, there) = (here?, there?);
        let plain = here.carries != Carries::Datagrams
            && !here.hushed
            && !here.mute
            && here.stays.is_empty()
            && here.tally.has_packets();
        if !plain || here.path != Path::Socket || there.joined != Some(from) {
            return None;
        }
        let (peer, to_peer) = (here.rtp.latched()?, there.rtp.latched()?);
        Some(Change::Join {
            port: self.port_low + 2 * from,
            peer,
            from_port: self.port_low + 2 * to,
            to: to_peer,
            clock_hz: here.formats.clock_hz(),
            types: here.types(),
        })
    }
}
