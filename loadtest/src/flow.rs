//! One end of one call's media, on its own socket.

use std::net::{SocketAddr, UdpSocket};

use crate::clock::SECOND;
use crate::stamp::{self, PACKET_BYTES, PACKET_NS, Stamp, Stream};
use crate::tally::Counters;
use crate::wire::{Dues, Kind, Who, Wire};

/// The socket, and what went through it.
pub struct Flow {
    socket: UdpSocket,
    stream: Stream,
    place: u32,
    who: Who,
    began: u64,
}

impl Flow {
    /// A socket that listens and does not send yet; `None` (and no media) when there are no descriptors left.
    pub fn open(wire: &mut Wire, who: Who, place: u32, at: SocketAddr) -> Option<Flow> {
        let socket = wire.open_media(who, at.ip()).ok()?;
        let nowhere = SocketAddr::new(at.ip(), 0);
        Some(Flow { socket, stream: Stream::new(nowhere), place, who, began: 0 })
    }

    /// The address for our SDP.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a bound socket has an address")
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
            if self.socket.send_to(&packet, self.stream.peer).is_ok() {
                Counters::one(&wire.board.counters.rtp_sent);
            }
            self.stream.sent += 1;
            due += PACKET_NS;
        }
        wire.arm(dues, self.who, Kind::Packet, due);
    }

    /// Reads what has come.
    pub fn hear(&mut self, wire: &mut Wire) {
        let mut buffer = [0; 2_048];
        let by_caller = !matches!(self.who, Who::Caller(_));
        while let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
            let stamp = stamp::read(&buffer[..length]);
            if self.stream.hear(stamp, self.place, by_caller) {
                Counters::one(&wire.board.counters.rtp_received);
                let sent = stamp.map_or(0, |stamp| stamp.sent);
                wire.latencies.rtp_transit.saturating_record(wire.clock.now().saturating_sub(sent));
            } else {
                Counters::one(&wire.board.counters.rtp_misrouted);
            }
        }
    }

    /// Packets heard that belong to this end.
    pub fn received(&self) -> u32 {
        self.stream.received
    }

    /// Ends it and counts what was missing. `ended` is when its call ended.
    pub fn close(mut self, wire: &mut Wire, ended: u64) {
        self.hear(wire);
        let counters = &wire.board.counters;
        Counters::add(&counters.rtp_lost, self.stream.lost());
        Counters::add(&counters.rtp_late, self.stream.late);
        if self.began > 0 && ended > self.began + SECOND && self.stream.received == 0 {
            Counters::one(&counters.rtp_silent_ends);
        }
    }
}
