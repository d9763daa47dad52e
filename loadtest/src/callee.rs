//! The terminators' end of a call: a farm of user agents with manners of their own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::clock::{MS, SECOND};
use crate::flow::Flow;
use crate::plan::Outcome;
use crate::tally::Counters;
use crate::wire::{Dues, GIVE_UP, Kind, LINGER, T1, T2, Who, Wire};
use sim::message::{self, Message, Request};

/// How long a callee that never answers lets it ring.
const RING_MAX: u64 = 180 * SECOND;
const MEDIA_LINGER: u64 = 500 * MS;

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Got the INVITE; will ring, then answer.
    Alerting {
        rings: bool,
    },
    /// Sent 200, waits for the ACK.
    Answered,
    Talking,
    Releasing,
    /// Sent a refusal, waits for the ACK.
    Refused,
    Ended,
}

struct Callee {
    socket: usize,
    peer: SocketAddr,
    place: Option<u32>,
    state: State,
    outcome: Outcome,
    invite: Vec<u8>,
    branch: String,
    tag: String,
    last: String,
    wait: u64,
    dues: Dues,
    flow: Option<Flow>,
    media_peer: Option<SocketAddr>,
    answered: u64,
    ended: u64,
}

/// All calls of this worker's terminators.
#[derive(Default)]
pub struct Callees {
    calls: HashMap<u32, Callee>,
    names: HashMap<String, u32>,
    count: u32,
    scratch: String,
}

impl Callees {
    /// A request, or the response to a BYE of ours.
    pub fn on_message(
        &mut self,
        wire: &mut Wire,
        (socket, terminator): (usize, usize),
        from: SocketAddr,
        message: &Message<'_>,
        bytes: &[u8],
    ) {
        let Some(&count) = self.names.get(message.call_id) else {
            match (message.status, message.method) {
                (0, "INVITE") => self.take(wire, (socket, terminator), from, message, bytes),
                (0, "OPTIONS") => self.reply(wire, socket, from, message, 200),
                (0, "ACK") => {}
                (0, _) => self.reply(wire, socket, from, message, 481),
                _ => Counters::one(&wire.board.counters.stray),
            }
            return;
        };
        let who = Who::Callee(count);
        let call = self.calls.get_mut(&count).expect("every name has its call");
        match (message.status, message.method) {
            (0, "INVITE") => call.on_invite(wire, from, message, &mut self.scratch),
            (0, "ACK") => call.on_ack(wire, who),
            (0, "CANCEL") => {
                call.on_cancel(wire, who);
                self.reply(wire, socket, from, message, 200);
            }
            (0, "BYE") => {
                call.end(wire, who);
                self.reply(wire, socket, from, message, 200);
            }
            (0, _) => self.reply(wire, socket, from, message, 200),
            (200.., "BYE") => call.end(wire, who),
            _ => {}
        }
    }

    fn reply(&mut self, wire: &Wire, socket: usize, to: SocketAddr, asked: &Message<'_>, status: u16) {
        message::response(&mut self.scratch, asked, status, "none", wire.address(socket), "");
        wire.send(socket, to, self.scratch.as_bytes());
    }

    fn take(
        &mut self,
        wire: &mut Wire,
        (socket, terminator): (usize, usize),
        peer: SocketAddr,
        asked: &Message<'_>,
        bytes: &[u8],
    ) {
        let place = wire.plan.place_of(message::user_of(asked.from).as_bytes());
        self.count += 1;
        let count = self.count;
        let who = Who::Callee(count);
        Counters::one(&wire.board.counters.attempts);
        match place {
            Some(place) => {
                if let Some(sent) = wire.board.note_attempt(place) {
                    wire.latencies.transit.saturating_record(wire.clock.now().saturating_sub(sent));
                }
            }
            None => Counters::one(&wire.board.counters.foreign),
        }
        let outcome = wire.plan.outcome(place, terminator, u64::from(count));
        let mut call = Callee {
            socket,
            peer,
            place: place.map(|place| place as u32),
            state: State::Alerting { rings: false },
            outcome,
            invite: bytes.to_vec(),
            branch: message::branch_of(asked.vias[0]).to_owned(),
            tag: format!("t{terminator:x}x{count:x}"),
            last: String::new(),
            wait: T1,
            dues: Dues::default(),
            flow: None,
            media_peer: message::media_address(asked.body),
            answered: 0,
            ended: 0,
        };
        wire.board.active.fetch_add(1, Relaxed);
        call.begin(wire, who);
        self.names.insert(asked.call_id.to_owned(), count);
        self.calls.insert(count, call);
    }

    /// A timer of a call.
    pub fn on_time(&mut self, wire: &mut Wire, count: u32, kind: Kind, due: u64, terminator_of: &[Option<usize>]) {
        let Some(call) = self.calls.get_mut(&count) else { return };
        if call.dues[kind as usize] != due {
            return;
        }
        let who = Who::Callee(count);
        let frozen = wire.frozen(call.socket);
        if frozen > 0 {
            return wire.arm(&mut call.dues, who, kind, frozen);
        }
        call.dues[kind as usize] = 0;
        match kind {
            Kind::Resend => call.again(wire, who),
            Kind::GiveUp if call.state == State::Ended => {
                let call = self.calls.remove(&count).expect("looked up above");
                if let Some(asked) = message::read(&call.invite) {
                    self.names.remove(asked.call_id);
                }
            }
            Kind::GiveUp => call.give_up(wire, who),
            Kind::Act => call.act(wire, who, terminator_of[call.socket]),
            Kind::Packet => call.packet(wire, due),
        }
    }

    /// Media of a call came.
    pub fn on_media(&mut self, wire: &mut Wire, count: u32) {
        if let Some(flow) = self.calls.get_mut(&count).and_then(|call| call.flow.as_mut()) {
            flow.hear(wire);
        }
    }

    /// Forgets everything; returns how many calls had not ended.
    pub fn abandon(&mut self, wire: &mut Wire) -> u64 {
        self.names.clear();
        let left = self.calls.values().filter(|call| call.state != State::Ended).count();
        for (_, call) in self.calls.drain() {
            if let Some(flow) = call.flow {
                flow.close(wire, wire.clock.now());
            }
        }
        left as u64
    }
}

impl Callee {
    fn begin(&mut self, wire: &mut Wire, who: Who) {
        let now = wire.clock.now();
        match self.outcome {
            Outcome::Silence => self.end(wire, who),
            Outcome::Refuse(status) => self.refuse(wire, who, status),
            Outcome::Ring(ring) | Outcome::Answer { ring, .. } => {
                self.respond(wire, 100, "");
                wire.arm(&mut self.dues, who, Kind::Act, now + nanos(ring));
            }
        }
    }

    fn respond(&mut self, wire: &Wire, status: u16, body: &str) {
        let asked = message::read(&self.invite).expect("the INVITE was read before it was kept");
        let tag = if status == 100 { "" } else { &self.tag };
        message::response(&mut self.last, &asked, status, tag, wire.address(self.socket), body);
        wire.send(self.socket, self.peer, self.last.as_bytes());
    }

    fn on_invite(&mut self, wire: &Wire, from: SocketAddr, asked: &Message<'_>, out: &mut String) {
        if message::branch_of(asked.vias[0]) == self.branch {
            // Silence means silence, to repeats too.
            if !self.last.is_empty() {
                wire.send(self.socket, self.peer, self.last.as_bytes());
            }
            return;
        }
        let local = wire.address(self.socket);
        let body = message::sdp(self.media_address(local));
        message::response(out, asked, 200, &self.tag, local, &body);
        wire.send(self.socket, from, out.as_bytes());
    }

    fn on_ack(&mut self, wire: &mut Wire, who: Who) {
        let now = wire.clock.now();
        match self.state {
            State::Refused => self.end(wire, who),
            State::Answered => {
                self.state = State::Talking;
                wire.latencies.ack.saturating_record(now - self.answered);
                wire.arm(&mut self.dues, who, Kind::Resend, 0);
                wire.arm(&mut self.dues, who, Kind::GiveUp, 0);
                if let Outcome::Answer { talks: Some(talks), .. } = self.outcome {
                    wire.arm(&mut self.dues, who, Kind::Act, self.answered.max(now) + nanos(talks));
                }
                if let (Some(flow), Some(peer)) = (self.flow.as_mut(), self.media_peer) {
                    flow.start(wire, &mut self.dues, peer, now);
                }
            }
            State::Alerting { .. } | State::Talking | State::Releasing | State::Ended => {}
        }
    }

    fn on_cancel(&mut self, wire: &mut Wire, who: Who) {
        if matches!(self.state, State::Alerting { .. }) {
            self.refuse(wire, who, 487);
        }
    }

    fn refuse(&mut self, wire: &mut Wire, who: Who, status: u16) {
        self.respond(wire, status, "");
        self.state = State::Refused;
        self.repeat(wire, who);
    }

    /// Repeats the last message until it is acknowledged or given up.
    fn repeat(&mut self, wire: &mut Wire, who: Who) {
        let now = wire.clock.now();
        self.wait = T1;
        wire.arm(&mut self.dues, who, Kind::Act, 0);
        wire.arm(&mut self.dues, who, Kind::Resend, now + T1);
        wire.arm(&mut self.dues, who, Kind::GiveUp, now + GIVE_UP);
    }

    fn act(&mut self, wire: &mut Wire, who: Who, terminator: Option<usize>) {
        let now = wire.clock.now();
        match (self.state, self.outcome) {
            (State::Alerting { rings: false }, outcome) => {
                self.state = State::Alerting { rings: true };
                let progress = terminator.map_or(180, |index| wire.plan.terminators[index].progress);
                if progress > 0 {
                    self.respond(wire, progress, "");
                }
                let wait = match outcome {
                    Outcome::Answer { answer, .. } => nanos(answer),
                    _ => RING_MAX,
                };
                wire.arm(&mut self.dues, who, Kind::Act, now + wait);
            }
            (State::Alerting { rings: true }, Outcome::Answer { .. }) => self.answer(wire, who, terminator),
            (State::Alerting { rings: true }, _) => self.refuse(wire, who, 480),
            (State::Talking, _) => self.release(wire, who),
            (State::Ended, _) => {
                if let Some(flow) = self.flow.take() {
                    flow.close(wire, self.ended);
                }
            }
            (State::Answered | State::Releasing | State::Refused, _) => {}
        }
    }

    fn answer(&mut self, wire: &mut Wire, who: Who, terminator: Option<usize>) {
        let local = wire.address(self.socket);
        if let Some(place) = self.place {
            if wire.plan.has_media(place as usize) {
                self.flow = Flow::open(wire, who, place, local);
            }
            if let Some(index) = terminator {
                wire.board.note_answer(place as usize, index);
            }
        }
        self.answered = wire.clock.now();
        let body = message::sdp(self.media_address(local));
        self.respond(wire, 200, &body);
        self.state = State::Answered;
        self.repeat(wire, who);
    }

    /// Without media the discard port: nothing is sent, nothing is expected.
    fn media_address(&self, local: SocketAddr) -> SocketAddr {
        self.flow.as_ref().map_or(SocketAddr::new(local.ip(), 9), Flow::address)
    }

    fn release(&mut self, wire: &mut Wire, who: Who) {
        let asked = message::read(&self.invite).expect("the INVITE was read before it was kept");
        let local = wire.address(self.socket);
        let routes: Vec<String> = asked.record_routes.iter().map(|route| (*route).to_owned()).collect();
        let from = format!("{};tag={}", asked.to, self.tag);
        let branch = format!("{}b{}", self.tag, wire.plan.seed);
        let uri = if asked.contact.is_empty() { message::uri_of(asked.from) } else { asked.contact };
        let ask = Request {
            method: "BYE",
            uri,
            local,
            branch: &branch,
            from: &from,
            to: asked.from,
            call_id: asked.call_id,
            cseq: 1,
            routes: &routes,
            body: "",
        };
        let mut bytes = String::with_capacity(400);
        message::request(&mut bytes, &ask);
        wire.send(self.socket, self.peer, bytes.as_bytes());
        self.last = bytes;
        self.state = State::Releasing;
        wire.arm(&mut self.dues, who, Kind::Packet, 0);
        self.repeat(wire, who);
    }

    fn again(&mut self, wire: &mut Wire, who: Who) {
        wire.send(self.socket, self.peer, self.last.as_bytes());
        Counters::one(&wire.board.counters.resent);
        self.wait = (self.wait * 2).min(T2);
        let due = wire.clock.now() + self.wait;
        wire.arm(&mut self.dues, who, Kind::Resend, due);
    }

    fn give_up(&mut self, wire: &mut Wire, who: Who) {
        match self.state {
            // RFC 3261 §13.3.1.4: an answer that is never acknowledged ends in a BYE.
            State::Answered => {
                Counters::one(&wire.board.counters.ack_missing);
                self.release(wire, who);
            }
            State::Releasing => {
                Counters::one(&wire.board.counters.bye_unanswered);
                self.end(wire, who);
            }
            State::Refused => self.end(wire, who),
            State::Alerting { .. } | State::Talking | State::Ended => {}
        }
    }

    fn packet(&mut self, wire: &mut Wire, due: u64) {
        if let (State::Talking, Some(flow)) = (self.state, self.flow.as_mut()) {
            let now = wire.clock.now().max(due);
            flow.tick(wire, &mut self.dues, now);
        }
    }

    fn end(&mut self, wire: &mut Wire, who: Who) {
        if self.state == State::Ended {
            return;
        }
        let now = wire.clock.now();
        self.state = State::Ended;
        self.ended = now;
        for kind in [Kind::Resend, Kind::Packet] {
            wire.arm(&mut self.dues, who, kind, 0);
        }
        wire.arm(&mut self.dues, who, Kind::Act, now + MEDIA_LINGER);
        // An INVITE may be repeated for as long as its transaction lives, to silence above all.
        let keep = if self.outcome == Outcome::Silence { GIVE_UP + LINGER } else { LINGER };
        wire.arm(&mut self.dues, who, Kind::GiveUp, now + keep);
        wire.board.active.fetch_sub(1, Relaxed);
    }
}

fn nanos(span: Duration) -> u64 {
    span.as_nanos() as u64
}
