//! One end of one call's media, on its own socket or by the kernel.

use std::net::SocketAddr;
use std::time::Duration;

use mill::{Hears, Speaks, Voice};
use uring::SocketId;

use crate::clock::{MS, SECOND};
use crate::codec::{PACKET_BYTES_MAX, Packets};
use crate::dtmf::{self, By, Dialled, EVENT_BYTES, Tick};
use crate::quality::{Heard, POOR};
use crate::stamp::{self, Stamp, Stream};
use crate::tally::Counters;
use crate::wire::{Dues, Kind, Who, Wire};

/// Who sends and hears.
enum Way {
    /// We, by a socket.
    Socket(SocketId),
    /// The kernel, on a port of its own.
    Kernel(Voice),
}

/// The socket, and what went through it.
pub struct Flow {
    way: Way,
    address: SocketAddr,
    peer: SocketAddr,
    stream: Stream,
    place: u32,
    who: Who,
    began: u64,
    /// Share of its packets that it does not send.
    unspoken: f64,
    packets_like: Packets,
    /// Times of a packet in which something was sent, and RTP packets of any kind.
    ticks: u32,
    packets: u32,
    /// The tick in which the plan's digits begin.
    dials_from: Option<u32>,
    dialled: Dialled,
}

impl Flow {
    /// A socket that listens and does not send yet; `None` (and no media) when there are no descriptors left. Where the kernel does it and can,
    /// no socket.
    ///
    /// `unspoken` is the share of its packets that are lost on purpose.
    pub fn open(wire: &mut Wire, who: Who, place: u32, at: SocketAddr, unspoken: f64) -> Option<Box<Flow>> {
        let spoken = if who.is_caller() { 0 } else { wire.board.rtp_sent(place, true) };
        let (way, address) =
            match voice(wire, at, unspoken, &Hears { place, by_caller: !who.is_caller(), skipped: spoken }) {
                Some(voice) => {
                    let address = voice.address();
                    (Way::Kernel(voice), address)
                }
                None => wire.open_media(who, at.ip()).map(|(socket, address)| (Way::Socket(socket), address)).ok()?,
            };
        let nowhere = SocketAddr::new(at.ip(), 0);
        let stream = Stream::new(spoken);
        let (ticks, packets, dials_from, dialled) = (0, 0, None, Dialled::default());
        let peer = nowhere;
        Some(Box::new(Flow {
            way,
            address,
            peer,
            stream,
            packets_like: wire.plan.packets,
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
        let first = self.began == 0;
        if first {
            self.began = now;
        }
        let speaks = Speaks {
            place: self.place,
            by_caller: self.who.is_caller(),
            source: self.source(),
            ssrc: stamp::source(self.place, self.who.is_caller()),
        };
        match (&mut self.way, &wire.mill) {
            (Way::Kernel(voice), Some(mill)) => mill.speak(voice, speaks, peer, now),
            _ if first => wire.arm(dues, self.who, Kind::Packet, now),
            _ => {}
        }
    }

    /// Whether the kernel sends and hears. It cannot tell other ends while it does how much it has sent.
    pub fn is_by_kernel(&self) -> bool {
        matches!(self.way, Way::Kernel(_))
    }

    /// Sends nothing any more. One with a socket sends only when its time comes.
    pub fn rest(&mut self, wire: &Wire) {
        if let (Way::Kernel(voice), Some(mill)) = (&mut self.way, &wire.mill) {
            mill.hush(voice);
        }
    }

    /// Which of the terminators' calls it is.
    fn source(&self) -> u32 {
        match self.who {
            Who::Caller(_) => 0,
            Who::Callee(count) => count,
        }
    }

    /// Dials the plan's digits so long from now.
    pub fn dial_after(&mut self, after: Duration) {
        self.dials_from = Some(self.ticks + (after.as_nanos() as u64 / self.packets_like.ns()) as u32);
    }

    /// Sends the packets that are due.
    pub fn tick(&mut self, wire: &mut Wire, dues: &mut Dues, now: u64) {
        let each = self.packets_like.ns();
        let mut due = self.began + u64::from(self.ticks) * each;
        // After a stall of ours at most five packets catch up; a real phone would not burst either.
        if now > due + 5 * each {
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
            due += each;
        }
        wire.board.note_rtp_sent(self.place, self.who.is_caller(), self.stream.sent);
        wire.arm(dues, self.who, Kind::Packet, due);
    }

    fn speak(&mut self, wire: &mut Wire) {
        let (mut packet, like) = ([0; PACKET_BYTES_MAX], self.packets_like);
        let packet = &mut packet[..like.bytes()];
        let sequence = self.stream.sent;
        let (place, by_caller, agent, source) = (self.place, self.who.is_caller(), wire.agent, self.source());
        let stamp = Stamp { place, by_caller, source, agent, sequence, sent: wire.clock.now() };
        stamp::write(packet, like, stamp, (self.packets as u16, self.ticks.wrapping_mul(like.units())));
        if !self.keeps(sequence) && self.send(wire, packet) {
            Counters::one(&wire.counters().rtp_sent);
        }
        self.stream.sent += 1;
        self.packets += 1;
    }

    /// False if it did not leave.
    fn send(&self, wire: &mut Wire, packet: &[u8]) -> bool {
        matches!(self.way, Way::Socket(socket) if wire.send_media(socket, self.peer, packet))
    }

    fn dial(&mut self, wire: &mut Wire, tick: Tick) {
        let Tick::Event { event, nth, times } = tick else { return };
        let (mut packet, source) = ([0; EVENT_BYTES], stamp::source(self.place, self.who.is_caller()));
        let begun = (self.ticks - nth).wrapping_mul(self.packets_like.units());
        for _ in 0..times {
            dtmf::write(&mut packet, (event, nth), self.packets as u16, begun, source);
            self.send(wire, &packet);
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
        let (now, before) = (wire.now, self.stream.received);
        let stamp = stamp::read(bytes, self.packets_like, self.stream.expected(), now);
        if !self.stream.hear(stamp, (self.place, !self.who.is_caller()), (now, wire.agent)) {
            return Counters::one(&wire.counters().rtp_misrouted);
        }
        Counters::one(&wire.counters().rtp_received);
        if (before, self.stream.received) == (0, 1) && self.began > 0 {
            wire.latencies.rtp_first.saturating_record(now.saturating_sub(self.began));
        }
        // Another agent's clock says nothing here.
        if let Some(stamp) = stamp.filter(|stamp| stamp.agent == wire.agent) {
            wire.latencies.rtp_transit.saturating_record(now.saturating_sub(stamp.sent));
        }
    }

    /// Ends it and says what was heard, if there was anything to hear. `ended` is when its call ended.
    pub fn close(mut self, wire: &mut Wire, ended: u64) -> Option<Heard> {
        match (self.way, &wire.mill) {
            (Way::Socket(socket), _) => wire.close_media(socket),
            (Way::Kernel(voice), Some(mill)) => {
                let mill::Said { sent, heard } = mill.close(voice);
                self.packets = sent;
                self.stream.take_over(&heard);
                let counters = wire.counters();
                Counters::add(&counters.rtp_sent, sent);
                Counters::add(&counters.rtp_by_kernel, sent);
                Counters::add(&counters.rtp_received, heard.packets);
                Counters::add(&counters.rtp_misrouted, heard.misrouted);
            }
            (Way::Kernel(_), None) => {}
        }
        let (caller, long) = (self.who.is_caller(), self.began > 0 && ended > self.began + SECOND);
        let spoken = wire.board.rtp_sent(self.place, !caller);
        let heard = self.stream.heard(self.packets_like, self.place, caller, spoken);
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

/// An end by the kernel, where it is wished and does all that this one is to do.
fn voice(wire: &Wire, at: SocketAddr, unspoken: f64, hears: &Hears) -> Option<Voice> {
    let dials = wire.plan.dtmf.as_ref().is_some_and(|dtmf| dtmf.by == By::Rfc4733);
    let mill = wire.mill.as_ref().filter(|_| !dials && unspoken == 0.0)?;
    mill.listen(at.ip(), hears)
}
