//! One end of one call's media, on its own socket.

use std::net::SocketAddr;
use std::time::Duration;

use uring::SocketId;

use crate::clock::{MS, SECOND};
use crate::dtmf::{self, Dialled, EVENT_BYTES, Tick};
use crate::quality::{Heard, POOR};
use crate::stamp::{self, PACKET_BYTES, PACKET_NS, Stamp, Stream};
use crate::tally::Counters;
use crate::wire::{Dues, Kind, Who, Wire};

/// The socket, and what went through it.
pub struct Flow {
    socket: SocketId,
    address: SocketAddr,
    peer: SocketAddr,
    stream: Stream,
    place: u32,
    who: Who,
    began: u64,
    /// Share of its packets that it does not send.
    unspoken: f64,
    /// Times of 20 ms in which something was sent, and RTP packets of any kind.
    ticks: u32,
    packets: u32,
    /// The tick in which the plan's digits begin.
    dials_from: Option<u32>,
    dialled: Dialled,
}

impl Flow {
    /// A socket that listens and does not send yet; `None` (and no media) when there are no descriptors left.
    ///
    /// `unspoken` is the share of its packets that are lost on purpose.
    pub fn open(wire: &mut Wire, who: Who, place: u32, at: SocketAddr, unspoken: f64) -> Option<Box<Flow>> {
        let (socket, address) = wire.open_media(who, at.ip()).ok()?;
        let nowhere = SocketAddr::new(at.ip(), 0);
        let spoken = if who.is_caller() { 0 } else { wire.board.rtp_sent(place, true) };
        let stream = Stream::new(spoken);
        let (ticks, packets, dials_from, dialled) = (0, 0, None, Dialled::default());
        let peer = nowhere;
        Some(Box::new(Flow {
            socket,
            address,
            peer,
            stream,
            place,
            who,
            began: 0,
            unspoken,
            ticks,
            packets,
            dials_from,
            dialled,
        }))
    }

    /// The address for our SDP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts sending to where the other side's SDP says.
    pub fn start(&mut self, wire: &mut Wire, dues: &mut Dues, peer: SocketAddr, now: u64) {
        self.peer = peer;
        if self.began == 0 {
            self.began = now;
            wire.arm(dues, self.who, Kind::Packet, now);
        }
    }

    /// Dials the plan's digits so long from now.
    pub fn dial_after(&mut self, after: Duration) {
        self.dials_from = Some(self.ticks + (after.as_nanos() as u64 / PACKET_NS) as u32);
    }

    /// Sends the packets that are due.
    pub fn tick(&mut self, wire: &mut Wire, dues: &mut Dues, now: u64) {
        let mut due = self.began + u64::from(self.ticks) * PACKET_NS;
        // After a stall of ours at most five packets catch up; a real phone would not burst either.
        if now > due + 5 * PACKET_NS {
            self.began += now - due;
            due = now;
        }
        while due <= now {
            let digits = wire.plan.dtmf.as_ref().zip(self.dials_from);
            match digits.map_or(Tick::Speech, |(dtmf, from)| dtmf::tick(&dtmf.digits, from, self.ticks)) {
                Tick::Speech => self.speak(wire),
                event => self.dial(wire, event),
            }
            self.ticks += 1;
            due += PACKET_NS;
        }
        wire.board.note_rtp_sent(self.place, self.who.is_caller(), self.stream.sent);
        wire.arm(dues, self.who, Kind::Packet, due);
    }

    fn speak(&mut self, wire: &mut Wire) {
        let mut packet = [0; PACKET_BYTES];
        let sequence = self.stream.sent;
        let (place, by_caller, agent) = (self.place, self.who.is_caller(), wire.agent);
        let source = match self.who {
            Who::Caller(_) => 0,
            Who::Callee(count) => count,
        };
        let stamp = Stamp { place, by_caller, source, agent, sequence, sent: wire.clock.now() };
        stamp::write(&mut packet, stamp, (self.packets as u16, self.ticks.wrapping_mul(160)));
        if !self.keeps(sequence) && wire.send_media(self.socket, self.peer, &packet) {
            Counters::one(&wire.counters().rtp_sent);
        }
        self.stream.sent += 1;
        self.packets += 1;
    }

    fn dial(&mut self, wire: &mut Wire, tick: Tick) {
        let Tick::Event { event, nth, times } = tick else { return };
        let (mut packet, source) = ([0; EVENT_BYTES], stamp::source(self.place, self.who.is_caller()));
        let begun = (self.ticks - nth).wrapping_mul(160);
        for _ in 0..times {
            dtmf::write(&mut packet, (event, nth), self.packets as u16, begun, source);
            wire.send_media(self.socket, self.peer, &packet);
            self.packets += 1;
        }
        if tick.is_last() {
            Counters::one(&wire.counters().dtmf_sent);
        }
    }

    /// Whether this packet is one of those that are not sent: the same ones each time.
    fn keeps(&self, sequence: u32) -> bool {
        let mixed = ((u64::from(self.place) << 32) | u64::from(sequence)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        self.unspoken > 0.0 && (mixed >> 11) as f64 / (1_u64 << 53) as f64 <= self.unspoken
    }

    /// Reads a packet that came.
    pub fn hear(&mut self, wire: &mut Wire, bytes: &[u8]) {
        if let Some(event) = dtmf::read(bytes, stamp::source(self.place, !self.who.is_caller())) {
            return wire.note_dialled(&mut self.dialled, event);
        }
        let (stamp, now) = (stamp::read(bytes), wire.clock.now());
        if !self.stream.hear(stamp, (self.place, !self.who.is_caller()), (now, wire.agent)) {
            return Counters::one(&wire.counters().rtp_misrouted);
        }
        Counters::one(&wire.counters().rtp_received);
        // Another agent's clock says nothing here.
        if let Some(stamp) = stamp.filter(|stamp| stamp.agent == wire.agent) {
            wire.latencies.rtp_transit.saturating_record(now.saturating_sub(stamp.sent));
        }
    }

    /// Ends it and says what was heard, if there was anything to hear. `ended` is when its call ended.
    pub fn close(self, wire: &mut Wire, ended: u64) -> Option<Heard> {
        wire.close_media(self.socket);
        let (caller, long) = (self.who.is_caller(), self.began > 0 && ended > self.began + SECOND);
        let heard = self.stream.heard(self.place, caller, wire.board.rtp_sent(self.place, !caller));
        let heard = Heard { sent: self.packets, ..heard };
        if !long && heard.received == 0 {
            return None;
        }
        let counters = wire.counters();
        Counters::one(&counters.rtp_ends);
        Counters::add(&counters.rtp_lost, heard.lost);
        Counters::add(&counters.rtp_late, heard.late);
        Counters::add(&counters.rtp_duplicate, heard.duplicate);
        Counters::add(&counters.rtp_unplayable, heard.unplayable);
        Counters::add(&counters.rtp_poor, u32::from(heard.mos < POOR));
        if heard.received == 0 {
            Counters::one(&counters.rtp_silent_ends);
        }
        if wire.board.note_heard(self.place, caller, heard.received > 0) {
            Counters::one(&counters.rtp_one_way);
        }
        wire.latencies.rtp_jitter.saturating_record((heard.jitter_ms * MS as f64) as u64);
        wire.quality.keep(&heard);
        Some(heard)
    }
}
