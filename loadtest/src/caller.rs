//! The originators' end of a call: INVITE, ACK, BYE, CANCEL, with their timers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;

use crate::clock::{MS, SECOND};
use crate::flow::Flow;
use crate::plan::Planned;
use crate::tally::{CallLine, Counters};
use crate::wire::{Dues, GIVE_UP, Kind, LINGER, T1, T2, Who, Wire};
use sim::message::{self, Message, Request};

/// How long a ringing call is waited for.
const PATIENCE: u64 = 200 * SECOND;
/// How much later than the other end should have released before this end does.
const RELEASE_GRACE: u64 = 10 * SECOND;
/// Media of an ended call is still heard this long: what was under way is neither lost nor misrouted.
const MEDIA_LINGER: u64 = 500 * MS;

/// Where a call stands. Ended calls stay a while to answer repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Inviting { heard: bool },
    Cancelling,
    Talking,
    Releasing,
    Ended,
}

struct Caller {
    socket: usize,
    state: State,
    from: String,
    to: String,
    uri: String,
    routes: Vec<String>,
    branch: String,
    resend: String,
    wait: u64,
    dues: Dues,
    flow: Option<Flow>,
    planned: Planned,
    due: u64,
    sent: u64,
    trying: bool,
    ringing: u64,
    answered: u64,
    released: u64,
    line: CallLine,
}

/// All calls of this worker's originators.
#[derive(Default)]
pub struct Callers {
    calls: HashMap<u32, Caller>,
    scratch: String,
    stopping: bool,
}

impl Callers {
    /// Sends the INVITE of a planned call.
    pub fn place(&mut self, wire: &mut Wire, place: u32, socket: usize, due: u64, planned: Planned) {
        let local = wire.address(socket);
        let mut flow = None;
        if planned.media {
            flow = Flow::open(wire, Who::Caller(place), place, local);
        }
        let seed = wire.plan.seed;
        let branch = format!("{place:x}i{seed:x}");
        let call = Caller {
            socket,
            state: State::Inviting { heard: false },
            from: format!("<sip:{}@{local}>;tag=c{place:x}", planned.calling),
            to: format!("<sip:{}@{}>", planned.called, wire.target),
            uri: format!("sip:{}@{}", planned.called, wire.target),
            routes: Vec::new(),
            resend: String::new(),
            wait: T1,
            dues: Dues::default(),
            line: CallLine { place, call_id: format!("{place:08x}-{seed:x}@{}", local.ip()), ..CallLine::default() },
            branch,
            flow,
            planned,
            due,
            sent: 0,
            trying: false,
            ringing: 0,
            answered: 0,
            released: 0,
        };
        self.calls.insert(place, call);
        let call = self.calls.get_mut(&place).expect("just put there");
        call.invite(wire, Who::Caller(place));
    }

    /// A response, or a request within a call.
    pub fn on_message(&mut self, wire: &mut Wire, socket: usize, from: SocketAddr, message: &Message<'_>) {
        let place = message.call_id.split('-').next().and_then(|head| u32::from_str_radix(head, 16).ok());
        let known = place.and_then(|place| self.calls.get_mut(&place)).filter(|c| c.line.call_id == message.call_id);
        let (Some(call), Some(place)) = (known, place) else {
            Counters::one(&wire.board.counters.stray);
            if message.status == 0 && message.method != "ACK" {
                message::response(&mut self.scratch, message, 481, "none", wire.address(socket), "");
                wire.send(socket, from, self.scratch.as_bytes());
            }
            return;
        };
        let who = Who::Caller(place);
        match (message.status, message.method) {
            (0, "ACK") => {}
            (0, _) => call.on_request(wire, who, from, message, &mut self.scratch),
            (100..=199, "INVITE") => call.on_progress(wire, who, message),
            (200..=299, "INVITE") => call.on_answer(wire, who, message, self.stopping),
            (_, "INVITE") => call.on_refusal(wire, who, message),
            (200.., "BYE") if call.state == State::Releasing => {
                let waited = wire.clock.now() - call.released;
                wire.latencies.bye.saturating_record(waited);
                call.end(wire, who, 200, "caller");
            }
            _ => {}
        }
    }

    /// A timer of a call.
    pub fn on_time(&mut self, wire: &mut Wire, place: u32, kind: Kind, due: u64) {
        let Some(call) = self.calls.get_mut(&place) else { return };
        if call.dues[kind as usize] != due {
            return;
        }
        call.dues[kind as usize] = 0;
        let who = Who::Caller(place);
        match kind {
            Kind::Resend => call.again(wire, who),
            Kind::GiveUp if call.state == State::Ended => {
                self.calls.remove(&place);
            }
            Kind::GiveUp => call.give_up(wire, who),
            Kind::Act => call.act(wire, who, self.stopping),
            Kind::Packet => call.packet(wire, due),
        }
    }

    /// Media of a call came.
    pub fn on_media(&mut self, wire: &mut Wire, place: u32) {
        if let Some(flow) = self.calls.get_mut(&place).and_then(|call| call.flow.as_mut()) {
            flow.hear(wire);
        }
    }

    /// Ends every call, two thousand a second, so that the end of a run is no flood.
    pub fn stop(&mut self, wire: &mut Wire) {
        self.stopping = true;
        let now = wire.clock.now();
        let running = self.calls.iter_mut().filter(|(_, call)| call.state != State::Ended);
        for (nth, (place, call)) in running.enumerate() {
            wire.arm(&mut call.dues, Who::Caller(*place), Kind::Act, now + nth as u64 * MS / 2);
        }
    }

    /// Counts what is still there as abandoned.
    pub fn abandon(&mut self, wire: &mut Wire) {
        for (place, call) in self.calls.iter_mut().filter(|(_, call)| call.state != State::Ended) {
            Counters::one(&wire.board.counters.abandoned);
            call.end(wire, Who::Caller(*place), 0, "abandoned");
        }
        for (_, call) in self.calls.drain() {
            if let Some(flow) = call.flow {
                flow.close(wire, wire.clock.now());
            }
        }
    }
}

impl Caller {
    fn invite(&mut self, wire: &mut Wire, who: Who) {
        let local = wire.address(self.socket);
        // Without media the SDP names the discard port: nothing is sent, nothing is expected.
        let media = self.flow.as_ref().map_or(SocketAddr::new(local.ip(), 9), Flow::address);
        let body = message::sdp(media);
        let mut bytes = String::with_capacity(900);
        message::request(&mut bytes, &self.ask("INVITE", local, &self.branch, 1, &body));
        self.sent = wire.clock.now();
        wire.board.note_sent(self.line.place as usize, self.sent);
        wire.send(self.socket, wire.target, bytes.as_bytes());
        let lateness = self.sent.saturating_sub(self.due);
        wire.latencies.lateness.saturating_record(lateness);
        Counters::one(&wire.board.counters.placed);
        if lateness > MS {
            Counters::one(&wire.board.counters.late);
        }
        wire.board.active.fetch_add(1, Relaxed);
        wire.board.calls.fetch_add(1, Relaxed);
        self.resend = bytes;
        wire.arm(&mut self.dues, who, Kind::Resend, self.sent + T1);
        wire.arm(&mut self.dues, who, Kind::GiveUp, self.sent + GIVE_UP);
        if let Some(patience) = self.planned.gives_up {
            wire.arm(&mut self.dues, who, Kind::Act, self.sent + patience.as_nanos() as u64);
        }
    }

    fn ask<'a>(&'a self, method: &'a str, local: SocketAddr, branch: &'a str, cseq: u32, body: &'a str) -> Request<'a> {
        let Caller { uri, from, to, routes, .. } = self;
        Request { method, uri, local, branch, from, to, call_id: &self.line.call_id, cseq, routes, body }
    }

    fn on_progress(&mut self, wire: &mut Wire, who: Who, message: &Message<'_>) {
        let now = wire.clock.now();
        let State::Inviting { ref mut heard } = self.state else { return };
        if !*heard {
            *heard = true;
            wire.arm(&mut self.dues, who, Kind::Resend, 0);
            wire.arm(&mut self.dues, who, Kind::GiveUp, now + PATIENCE);
        }
        if message.status == 100 && !self.trying {
            self.trying = true;
            wire.latencies.trying.saturating_record(now - self.sent);
            wire.latencies.trying_planned.saturating_record(now.saturating_sub(self.due));
        }
        if message.status > 100 && self.ringing == 0 {
            self.ringing = now;
            wire.latencies.ringing.saturating_record(now - self.sent);
            wire.latencies.ringing_planned.saturating_record(now.saturating_sub(self.due));
        }
    }

    fn on_answer(&mut self, wire: &mut Wire, who: Who, message: &Message<'_>, stopping: bool) {
        let now = wire.clock.now();
        if !matches!(self.state, State::Inviting { .. } | State::Cancelling) {
            return self.ack(wire);
        }
        let unwanted = stopping || self.state == State::Cancelling;
        self.state = State::Talking;
        self.answered = now;
        self.to = message.to.into();
        if !message.contact.is_empty() {
            self.uri = message.contact.into();
        }
        self.routes = message.record_routes.iter().rev().map(|route| (*route).to_owned()).collect();
        Counters::one(&wire.board.counters.answered);
        wire.latencies.answer.saturating_record(now - self.sent);
        wire.latencies.answer_planned.saturating_record(now.saturating_sub(self.due));
        self.ack(wire);
        wire.arm(&mut self.dues, who, Kind::Resend, 0);
        wire.arm(&mut self.dues, who, Kind::GiveUp, 0);
        if let (Some(flow), Some(peer)) = (self.flow.as_mut(), message::media_address(message.body)) {
            flow.start(wire, &mut self.dues, peer, now);
        }
        let talks = self.planned.caller_talks.map_or(self.patience(wire), |talks| talks.as_nanos() as u64);
        let act = if unwanted { now } else { now + talks };
        wire.arm(&mut self.dues, who, Kind::Act, act);
    }

    /// How long to wait for the other end's release: its own talking time is drawn there, so the longest one plausible.
    fn patience(&self, wire: &Wire) -> u64 {
        let place = self.line.place as usize;
        let (_, terminator) = wire.board.seen(place);
        let talks = terminator.and_then(|index| match wire.plan.outcome(Some(place), index, 0) {
            crate::plan::Outcome::Answer { talks, .. } => talks,
            _ => None,
        });
        talks.map_or(7_200 * SECOND, |talks| talks.as_nanos() as u64) + RELEASE_GRACE
    }

    fn ack(&mut self, wire: &mut Wire) {
        let local = wire.address(self.socket);
        let mut bytes = String::with_capacity(400);
        let branch = format!("{}a", self.branch);
        message::request(&mut bytes, &self.ask("ACK", local, &branch, 1, ""));
        wire.send(self.socket, wire.target, bytes.as_bytes());
    }

    fn on_refusal(&mut self, wire: &mut Wire, who: Who, message: &Message<'_>) {
        let local = wire.address(self.socket);
        let mut bytes = String::with_capacity(400);
        // RFC 3261 §17.1.1.3: the ACK of a refusal has the INVITE's branch and URI, and the response's To.
        let ask = Request { to: message.to, ..self.ask("ACK", local, &self.branch, 1, "") };
        message::request(&mut bytes, &ask);
        wire.send(self.socket, wire.target, bytes.as_bytes());
        match self.state {
            State::Cancelling if message.status == 487 => self.end(wire, who, 487, "cancelled"),
            State::Inviting { .. } | State::Cancelling => self.end(wire, who, message.status, "refused"),
            State::Talking | State::Releasing | State::Ended => {}
        }
    }

    fn on_request(&mut self, wire: &mut Wire, who: Who, from: SocketAddr, asked: &Message<'_>, out: &mut String) {
        let local = wire.address(self.socket);
        let body = match (asked.method, &self.flow) {
            ("INVITE" | "UPDATE", Some(flow)) => message::sdp(flow.address()),
            ("INVITE" | "UPDATE", None) => message::sdp(SocketAddr::new(local.ip(), 9)),
            _ => String::new(),
        };
        message::response(out, asked, 200, "", local, &body);
        wire.send(self.socket, from, out.as_bytes());
        if asked.method == "BYE" && self.state == State::Talking {
            self.end(wire, who, 200, "callee");
        }
    }

    fn act(&mut self, wire: &mut Wire, who: Who, stopping: bool) {
        match self.state {
            // RFC 3261 §9.1: a CANCEL waits for the first provisional response.
            State::Inviting { heard: false } => {
                let soon = wire.clock.now() + 100 * MS;
                wire.arm(&mut self.dues, who, Kind::Act, soon);
            }
            State::Inviting { heard: true } => self.cancel(wire, who),
            State::Talking => {
                if self.planned.caller_talks.is_none() && !stopping {
                    Counters::one(&wire.board.counters.release_missing);
                }
                self.release(wire, who);
            }
            State::Ended => {
                if let Some(flow) = self.flow.take() {
                    flow.close(wire, self.released);
                }
            }
            State::Cancelling | State::Releasing => {}
        }
    }

    fn cancel(&mut self, wire: &mut Wire, who: Who) {
        let local = wire.address(self.socket);
        let mut bytes = String::with_capacity(400);
        message::request(&mut bytes, &self.ask("CANCEL", local, &self.branch, 1, ""));
        self.state = State::Cancelling;
        self.begin(wire, who, bytes);
    }

    fn release(&mut self, wire: &mut Wire, who: Who) {
        let local = wire.address(self.socket);
        let mut bytes = String::with_capacity(400);
        let branch = format!("{}b", self.branch);
        message::request(&mut bytes, &self.ask("BYE", local, &branch, 2, ""));
        self.state = State::Releasing;
        self.released = wire.clock.now();
        wire.arm(&mut self.dues, who, Kind::Packet, 0);
        self.begin(wire, who, bytes);
    }

    /// Sends a request that is repeated until it is answered.
    fn begin(&mut self, wire: &mut Wire, who: Who, bytes: String) {
        let now = wire.clock.now();
        wire.send(self.socket, wire.target, bytes.as_bytes());
        self.resend = bytes;
        self.wait = T1;
        wire.arm(&mut self.dues, who, Kind::Resend, now + T1);
        wire.arm(&mut self.dues, who, Kind::GiveUp, now + GIVE_UP);
    }

    fn again(&mut self, wire: &mut Wire, who: Who) {
        wire.send(self.socket, wire.target, self.resend.as_bytes());
        Counters::one(&wire.board.counters.resent);
        // RFC 3261 §17.1.1.2: INVITE doubles without bound; §17.1.2.2: others up to T2.
        let most = if matches!(self.state, State::Inviting { .. }) { GIVE_UP } else { T2 };
        self.wait = (self.wait * 2).min(most);
        let due = wire.clock.now() + self.wait;
        wire.arm(&mut self.dues, who, Kind::Resend, due);
    }

    fn give_up(&mut self, wire: &mut Wire, who: Who) {
        match self.state {
            State::Inviting { heard: true } => self.cancel(wire, who),
            State::Inviting { heard: false } | State::Cancelling => self.end(wire, who, 0, "unheard"),
            State::Releasing => {
                Counters::one(&wire.board.counters.bye_unanswered);
                self.end(wire, who, 200, "caller");
            }
            State::Talking | State::Ended => {}
        }
    }

    fn packet(&mut self, wire: &mut Wire, due: u64) {
        if let (State::Talking, Some(flow)) = (self.state, self.flow.as_mut()) {
            let now = wire.clock.now().max(due);
            flow.tick(wire, &mut self.dues, now);
        }
    }

    fn end(&mut self, wire: &mut Wire, who: Who, code: u16, ended_by: &'static str) {
        let now = wire.clock.now();
        self.state = State::Ended;
        // A call's own end is when it sent or received the BYE, not when that was answered.
        if self.released == 0 {
            self.released = now;
        }
        for kind in [Kind::Resend, Kind::Packet] {
            wire.arm(&mut self.dues, who, kind, 0);
        }
        wire.arm(&mut self.dues, who, Kind::Act, now + MEDIA_LINGER);
        wire.arm(&mut self.dues, who, Kind::GiveUp, now + LINGER);
        let counters = &wire.board.counters;
        match ended_by {
            "caller" | "callee" => Counters::one(&counters.completed),
            "cancelled" => Counters::one(&counters.cancelled),
            "refused" => Counters::one(&counters.refused),
            "unheard" => Counters::one(&counters.unheard),
            _ => {}
        }
        *wire.codes.entry(code).or_default() += 1;
        wire.board.active.fetch_sub(1, Relaxed);
        wire.board.calls.fetch_sub(1, Relaxed);
        if wire.lines.is_some() {
            self.report(wire, code, ended_by);
        }
    }

    fn report(&mut self, wire: &Wire, code: u16, ended_by: &'static str) {
        let (attempts, terminator) = wire.board.seen(self.line.place as usize);
        let line = CallLine {
            originator: wire.plan.originators[self.planned.originator].name.clone(),
            calling: std::mem::take(&mut self.planned.calling),
            called: std::mem::take(&mut self.planned.called),
            planned_us: wire.clock.wall_us(self.due),
            sent_us: wire.clock.wall_us(self.sent),
            ringing_us: wire.clock.wall_us(self.ringing),
            answered_us: wire.clock.wall_us(self.answered),
            ended_us: wire.clock.wall_us(self.released),
            code,
            duration_ms: if self.answered > 0 { (self.released - self.answered) / MS } else { 0 },
            ended_by,
            terminator: terminator.map_or(String::new(), |index| wire.plan.terminators[index].name.clone()),
            attempts,
            rtp_received: self.flow.as_ref().map_or(0, Flow::received),
            ..self.line.clone()
        };
        if let Some(lines) = &wire.lines {
            // The writer outlives the workers; if it failed, it says so itself.
            let _ = lines.send(line);
        }
    }
}
