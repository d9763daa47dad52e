//! One core: completions → shard → submissions. The only hot loop; it decides nothing.

use std::time::Duration;

use shard::{Effect, Effects, Shard};
use units::{Clock, Instant};
use uring::{Event, Packet, Ring};

use crate::clocks;
use crate::mail::{Entry, JOURNAL_BACKLOG_MAX, Mail, Report};
use crate::sockets::Sockets;

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
    pub mail: Mail,
    pub out: Effects,
    /// The last SIP datagram, for whoever must find out why it broke the shard.
    pub last: Vec<u8>,
    pub media_heard: u64,
    pub disk_full: bool,
    pub stop_at: Option<Instant>,
}

impl Pump {
    /// Turns until stopped. The kernel's refusal to wait is the only error.
    pub fn run(&mut self) -> std::io::Result<()> {
        loop {
            self.ring.fall_asleep();
            self.ring.wait(self.sleep())?;
            let clock = clocks::read();
            while let Some(event) = self.ring.event() {
                if let Event::Datagram(packet) = event {
                    self.hear(clock, packet);
                }
            }
            self.read_mail(clock);
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
        if self.mail.waiting() {
            return Duration::ZERO;
        }
        let longest = if self.mail.stuck() || self.stop_at.is_some() { STUCK } else { SLEEP_MAX };
        let now = clocks::read().now;
        self.shard.deadline().map_or(longest, |at| Duration::from_micros(at.micros_since(now)).min(longest))
    }

    fn hear(&mut self, clock: Clock, packet: Packet) {
        if packet.socket == self.sockets.sip {
            self.last.clear();
            self.last.extend_from_slice(self.ring.bytes(&packet));
            self.shard.on_sip(clock, packet.from.into(), self.ring.bytes(&packet), &mut self.out);
            self.ring.release(packet);
            return;
        }
        self.media_heard += 1;
        let started = self.media_heard.is_multiple_of(TIMED).then(clocks::ticks);
        let port = self.sockets.port(packet.socket);
        let forward = self.shard.on_media(clock, port, packet.from, self.ring.bytes(&packet));
        match forward.and_then(|forward| Some((self.sockets.socket(forward.port)?, forward.to))) {
            Some((socket, to)) => self.ring.forward(packet, socket, to),
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
        let mut failed = Vec::new();
        for effect in list.drain(..) {
            match effect {
                Effect::Sip { to, bytes } => {
                    self.ring.send(self.sockets.sip, to.remote, &self.out.bytes[bytes]);
                }
                Effect::OpenPort { port, .. } if self.sockets.open_port(&mut self.ring, port) => {}
                Effect::OpenPort { port, .. } => failed.push(port),
                Effect::ClosePort { port } => self.sockets.close_port(&mut self.ring, port),
                Effect::Journal { ticket, bytes } => {
                    let bytes = self.out.bytes[bytes].to_vec();
                    self.mail.journal.send(Entry::Record { ticket, bytes });
                }
                Effect::Trace { bytes } => self.mail.journal.send(Entry::Trace(self.out.bytes[bytes].to_vec())),
                Effect::Parcel { to, parcel } => self.mail.outlets[usize::from(to.0)].0.send(parcel),
                Effect::Want(want) => self.mail.report(Report::Want { shard: self.number, want }),
            }
        }
        self.out.list = list;
        self.out.bytes.clear();
        self.shard.on_disk_full(self.disk_full || self.mail.journal.backlog() > JOURNAL_BACKLOG_MAX);
        for port in failed {
            self.shard.on_port_failed(clock, port, &mut self.out);
        }
        if !self.out.list.is_empty() {
            self.carry_out(clock);
        }
    }
}
