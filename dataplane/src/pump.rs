//! One core: completions → shard → submissions. The only hot loop; it decides nothing.

use std::time::Duration;

use shard::{Effect, Effects, Forward, Hop, Shard};
use units::{Clock, Instant};
use uring::{Event, Packet, Ring};

use crate::clocks;
use crate::fast::Lane;
use crate::gate::Gate;
use crate::gather::Gather;
use crate::lag::Lag;
use crate::mail::{Entry, JOURNAL_BACKLOG_MAX, Mail, Report};
use crate::sockets::{Role, Sockets};
use crate::streams::Streams;

/// The longest sleep; whatever comes wakes us earlier.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// How soon to try again when another thread's ring was full.
const STUCK: Duration = Duration::from_millis(1);
/// One media packet of this many is timed.
const TIMED: u64 = 64;

/// One core's thread.
pub struct Pump {
    pub number: u16,
    pub ring: Ring,
    pub shard: Shard,
    pub sockets: Sockets,
    pub lane: Option<Lane>,
    pub gate: Gate,
    pub streams: Streams,
    pub mail: Mail,
    pub out: Effects,
    pub media_heard: u64,
    pub lag: Lag,
    pub disk_full: bool,
    pub stop_at: Option<Instant>,
}

impl Pump {
    /// Turns until stopped. The kernel's refusal to wait is the only error.
    pub fn run(&mut self) -> std::io::Result<()> {
        let (mut gather, mut turned) = (Gather::default(), Instant::default());
        loop {
            let window = gather.window(turned, self.media_heard);
            let window = if self.ring.gathers() { window } else { Duration::ZERO };
            // What the journal keeps meanwhile is looked for when the window is over: nobody needs to say so.
            let looks = !window.is_zero() && self.mail.awaits_journal();
            if !looks {
                self.ring.fall_asleep();
            }
            let limit = match self.sleep() {
                Duration::ZERO => Duration::ZERO,
                _ if looks => window,
                limit => limit.max(window),
            };
            self.ring.wait_gathering(limit, window)?;
            if let Some(lane) = &mut self.lane {
                lane.tell();
            }
            let clock = clocks::read();
            turned = clock.now;
            if self.lag.stood_still(clock.now) {
                self.shard.on_stood_still(clock);
            }
            let permille = self.lag.turn(clock.now, self.ring.tally().starved);
            self.shard.on_load(clock, permille);
            while let Some(event) = self.ring.event() {
                match event {
                    Event::Datagram(packet) => self.hear(clock, packet),
                    Event::Bytes(packet) => self.hear_stream(clock, packet),
                    Event::Accepted { listener, stream, from } => self.accepted(clock, listener, stream, from),
                    Event::Connected(stream) => self.connected(clock, stream),
                    Event::Ended { stream, errno } => self.stream_ended(clock, stream, errno),
                    Event::Doorbell => {}
                }
            }
            self.read_mail(clock);
            if let Some(lane) = &mut self.lane {
                lane.look(clock.now, |port, carried| self.shard.on_carried(port, carried));
            }
            if self.shard.deadline().is_some_and(|deadline| deadline <= clock.now) {
                self.shard.on_time(clock, &mut self.out);
            }
            self.carry_out(clock);
            self.mail.flush();
            if self.stop_at.is_some_and(|at| at <= clock.now || self.shard.figures().calls == 0) && !self.mail.stuck() {
                // The last messages are orders in the ring; this hands them to the kernel.
                return self.ring.wait(Duration::ZERO);
            }
        }
    }

    fn sleep(&self) -> Duration {
        if self.mail.waiting() || self.lane.as_ref().is_some_and(Lane::tells) {
            return Duration::ZERO;
        }
        let longest = if self.mail.stuck() || self.stop_at.is_some() { STUCK } else { SLEEP_MAX };
        let now = clocks::read().now;
        let lane = self.lane.as_ref().and_then(Lane::deadline);
        let deadline = [self.shard.deadline(), lane].into_iter().flatten().min();
        deadline.map_or(longest, |at| Duration::from_micros(at.micros_since(now)).min(longest))
    }

    fn hear(&mut self, clock: Clock, mut packet: Packet) {
        let port = match self.sockets.role(packet.socket) {
            Role::Media(port) => port,
            Role::Steered => packet.port,
            Role::Udp(listener) => {
                let (from, (room, length)) = (packet.from, self.ring.room_of(&mut packet));
                if let Some((from, message)) = self.gate.hear(listener, from, &mut room[..length]) {
                    self.shard.on_sip(clock, Hop::udp(listener, from), message, &mut self.out);
                }
                return self.ring.release(packet);
            }
            Role::Tcp(_) | Role::Stream(_) => return self.ring.release(packet),
        };
        self.media_heard += 1;
        let started = self.media_heard.is_multiple_of(TIMED).then(clocks::ticks);
        let came = self.ring.arrival(&packet).map_or(clock, |stamp| clocks::at(clock, stamp));
        let taping = self.shard.is_taping();
        if taping {
            self.shard.tape_heard(came, (port, packet.from), self.ring.bytes(&packet), &mut self.out);
        }
        let (from, (room, length)) = (packet.from, self.ring.room_of(&mut packet));
        let forward = self.shard.on_media(clock, came.now, port, from, room, length);
        self.shard.record_said(came, &mut self.out);
        if let Some(forward) = forward.as_ref().filter(|_| taping) {
            self.shard.tape_said(clock, forward, room, &mut self.out);
        }
        match forward {
            Some(Forward { port, to, length, instead: None }) => {
                self.ring.resize(&mut packet, length);
                self.sockets.forward(&mut self.ring, packet, port, to);
            }
            Some(Forward { port, to, instead: Some(bytes), .. }) => {
                self.sockets.say(&mut self.ring, port, to, &bytes);
                self.ring.release(packet);
            }
            None => self.ring.release(packet),
        }
        if let Some(started) = started {
            self.shard.record_relay(clocks::ticks() - started);
        }
    }

    fn read_mail(&mut self, clock: Clock) {
        while let Ok(order) = self.mail.orders.pop() {
            self.obey(clock, order);
        }
        for from in 0..self.mail.parcels.len() {
            while let Ok(parcel) = self.mail.parcels[from].pop() {
                self.shard.on_parcel(clock, *parcel, &mut self.out);
            }
        }
        if let Some(ticket) = self.mail.kept() {
            self.shard.on_journaled(clock, ticket, &mut self.out);
        }
    }

    /// Carries out what the shard ordered, and what it orders when that fails.
    fn carry_out(&mut self, clock: Clock) {
        let mut list = std::mem::take(&mut self.out.list);
        let (mut failed, mut lost, mut moved) = (Vec::new(), Vec::new(), Vec::new());
        for effect in list.drain(..) {
            match effect {
                Effect::Sip { to, bytes } => {
                    let said = self.gate.say(to, &self.out.bytes[bytes]);
                    if let (Some(socket), Some((to, bytes))) = (self.sockets.udp(to.listener), said) {
                        self.ring.send(socket, to, bytes);
                    }
                }
                Effect::Connect { flow, listener, to, name } if self.connect(flow, listener, to, &name) => {}
                Effect::Connect { flow, .. } => lost.push(flow),
                Effect::Stream { flow, bytes } if self.send_stream(flow, bytes.clone()) => {}
                Effect::Stream { flow, .. } => lost.push(flow),
                Effect::CloseStream { flow } => self.close_stream(flow),
                Effect::OpenPort { port, ipv6 } if self.sockets.open_port(&mut self.ring, port, ipv6) => {}
                Effect::OpenPort { port, .. } => failed.push(port),
                Effect::ClosePort { port } => self.sockets.close_port(&mut self.ring, port),
                Effect::Media(change) => {
                    moved.extend(self.lane.as_mut().and_then(|lane| lane.change(clock.now, change)))
                }
                Effect::Journal { ticket, bytes } => self.mail.keep(ticket, &self.out.bytes[bytes]),
                Effect::Trace { pieces } => self.mail.journal.send(Entry::Trace(pieces)),
                Effect::Tape { bytes, last } => {
                    self.mail.tape.send(&self.out.bytes[bytes], last);
                }
                Effect::Voice { bytes, .. } if self.mail.tape.send(&self.out.bytes[bytes.clone()], false) => {}
                Effect::Voice { call, .. } => self.shard.on_unrecorded(call),
                Effect::Parcel { to, parcel } => self.mail.outlets[usize::from(to.0)].0.send(parcel),
                Effect::Binding(change) => self.mail.report(Report::Binding(change)),
                Effect::Fetch { x5u } => self.mail.report(Report::Fetch { shard: self.number, x5u }),
                Effect::Want(want) => self.mail.report(Report::Want { shard: self.number, want }),
            }
        }
        self.out.list = list;
        self.out.bytes.clear();
        self.shard.on_disk_full(self.disk_full || self.mail.unkept() > JOURNAL_BACKLOG_MAX);
        for port in failed {
            self.shard.on_port_failed(clock, port, &mut self.out);
        }
        for flow in lost {
            self.lose(clock, flow);
        }
        for (port, carried) in moved {
            match carried {
                Some(carried) => self.shard.on_parted(clock, port, carried, &mut self.out),
                None => self.shard.on_unjoined(port),
            }
        }
        if !self.out.list.is_empty() {
            self.carry_out(clock);
        }
    }
}
