//! One end of one call's media, on its own socket.

use std::net::SocketAddr;

use uring::SocketId;

use crate::clock::SECOND;
use crate::stamp::{self, PACKET_BYTES, PACKET_NS, Stamp, Stream};
use crate::tally::Counters;
use crate::wire::{Dues, Kind, Who, Wire};

/// The socket, and what went through it.
pub struct Flow {
    socket: SocketId,
    address: SocketAddr,
    stream: Stream,
    place: u32,
    who: Who,
    began: u64,
}

impl Flow {
    /// A socket that listens and does not send yet; `None` (and no media) when there are no descriptors left.
    pub fn open(wire: &mut Wire, who: Who, place: u32, at: SocketAddr) -> Option<Flow> {
        let (socket, address) = wire.open_media(who, at.ip()).ok()?;
        let nowhere = SocketAddr::new(at.ip(), 0);
        Some(Flow { socket, address, stream: Stream::new(nowhere), place, who, began: 0 })
    }

    /// The address for our SDP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts sending to where the other side's SDP says.
    pub fn start(&mut self, wire: &mut Wire, dues: &mut Dues, peer: SocketAddr, now: u64) {
        self.stream.peer = peer;
        if self.began == 0 {
            self.began = now;
            wire.arm(dues, self.who, Kind::Packet, now);
        }
    }

    /// Sends the packets that are due.
    pub fn tick(&mut self, wire: &mut Wire, dues: &mut Dues, now: u64) {
        let mut packet = [0; PACKET_BYTES];
        let mut due = self.began + u64::from(self.stream.sent) * PACKET_NS;
        // After a stall of ours at most five packets catch up; a real phone would not burst either.
        if now > due + 5 * PACKET_NS {
            self.began += now - due;
            due = now;
        }
        while due <= now {
            let by_caller = matches!(self.who, Who::Caller(_));
            let sequence = self.stream.sent;
            stamp::write(&mut packet, Stamp { place: self.place, by_caller, sequence, sent: wire.clock.now() });
            if wire.send_media(self.socket, self.stream.peer, &packet) {
                Counters::one(&wire.counters().rtp_sent);
            }
            self.stream.sent += 1;
            due += PACKET_NS;
        }
        wire.arm(dues, self.who, Kind::Packet, due);
    }

    /// Reads a packet that came.
    pub fn hear(&mut self, wire: &mut Wire, bytes: &[u8]) {
        let by_caller = !matches!(self.who, Who::Caller(_));
        let stamp = stamp::read(bytes);
        if self.stream.hear(stamp, self.place, by_caller) {
            Counters::one(&wire.counters().rtp_received);
            let sent = stamp.map_or(0, |stamp| stamp.sent);
            wire.latencies.rtp_transit.saturating_record(wire.clock.now().saturating_sub(sent));
        } else {
            Counters::one(&wire.counters().rtp_misrouted);
        }
    }

    /// Packets heard that belong to this end.
    pub fn received(&self) -> u32 {
        self.stream.received
    }

    /// Ends it and counts what was missing. `ended` is when its call ended.
    pub fn close(self, wire: &mut Wire, ended: u64) {
        wire.close_media(self.socket);
        let counters = wire.counters();
        Counters::add(&counters.rtp_lost, self.stream.lost());
        Counters::add(&counters.rtp_late, self.stream.late);
        if self.began > 0 && ended > self.began + SECOND && self.stream.received == 0 {
            Counters::one(&counters.rtp_silent_ends);
        }
    }
}
