//! One call at its originator: INVITE, ACK, BYE, CANCEL, with their timers.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;

use super::{PLACE_DIGITS, over};
use crate::clock::{MS, SECOND};
use crate::dtmf::{self, By};
use crate::film::{End, Film};
use crate::flow::Flow;
use crate::ladder::{self, Sample, Step, Way, Word};
use crate::numbered::{hex, put};
use crate::plan::{Outcome, Planned};
use crate::quality::Heard;
use crate::tally::{CallLine, Counters, Told};
use crate::wire::{BRIEF, Dues, GIVE_UP, Kind, LINGER, T1, T2, Who, Wire, together};
use sim::message::{self, Message, Request};

/// How long a ringing call is waited for.
const PATIENCE: u64 = 200 * SECOND;
/// How much later than the other end should have released before this end does.
const RELEASE_GRACE: u64 = 10 * SECOND;
/// Media of an ended call is still heard this long: what was under way is neither lost nor misrouted.
/// From one digit to the next.
const DIGIT_PAUSE: u64 = 100 * MS;
/// The other end closes before this one, whose line tells of both.
const MEDIA_LINGER: u64 = 600 * MS;

/// Where a call stands. Ended calls stay a while to answer repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    Inviting {
        heard: bool,
    },
    Cancelling,
    Talking,
    Releasing,
    #[default]
    Ended,
}

/// One call. It is used again for others, so that a run of any length stays in the memory of its busiest moment.
#[derive(Default)]
pub struct Caller {
    pub state: State,
    pub call_id: String,
    pub dues: Dues,
    pub flow: Option<Box<Flow>>,
    place: u32,
    socket: usize,
    from: String,
    to: String,
    uri: String,
    routes: String,
    branch: String,
    /// CSeq of the INVITE: 1, or 2 after a challenge.
    cseq: u32,
    /// Digits that were sent as INFO.
    dialled: u32,
    resend: String,
    wait: u64,
    /// While it is in progress.
    ladder: Option<u32>,
    film: Film,
    planned: Planned,
    due: u64,
    sent: u64,
    trying: u64,
    ringing: u64,
    answered: u64,
    released: u64,
    /// Its final status, and how it ended.
    ended: (u16, &'static str),
}

impl Caller {
    /// Becomes the call of this place in the plan.
    pub fn begin(&mut self, wire: &mut Wire, place: u32, sockets: &[usize], due: u64) {
        wire.plan.call(place as usize, &mut self.planned);
        let socket = sockets[self.planned.originator];
        let (local, seed) = (wire.address(socket), wire.plan.seed);
        self.make_room();
        self.flow = if self.planned.media { Flow::open(wire, Who::Caller(place), place, local, 0.0) } else { None };
        self.state = State::Inviting { heard: false };
        (self.place, self.socket, self.due, self.wait) = (place, socket, due, T1);
        (self.cseq, self.dialled) = (1, 0);
        (self.sent, self.trying, self.ringing, self.answered, self.released) = (0, 0, 0, 0, 0);
        self.dues = Dues::default();
        self.routes.clear();
        self.ladder = Some(wire.ladders.take());
        self.film.begin();
        self.name(wire, seed);
    }

    /// What tells this call from all others, and who calls whom.
    fn name(&mut self, wire: &Wire, seed: u64) {
        let [local, host] = wire.names(self.socket);
        let mut digits = [[0_u8; 16]; 3];
        let [first, second, third] = &mut digits;
        let place = u64::from(self.place);
        let (place, short, seed) = (hex(place, PLACE_DIGITS, first), hex(place, 1, second), hex(seed, 1, third));
        let (target, Planned { calling, called, .. }) = (wire.target_name.as_str(), &self.planned);
        put(&mut self.call_id, &[place, "-", seed, "@", host]);
        put(&mut self.branch, &[short, "i", seed]);
        put(&mut self.from, &["<sip:", calling, "@", local, ">;tag=c", short]);
        put(&mut self.to, &["<sip:", called, "@", target, ">"]);
        put(&mut self.uri, &["sip:", called, "@", target]);
    }

    /// Texts that grow by halves cost more than the call.
    fn make_room(&mut self) {
        let Caller { call_id, from, to, uri, branch, .. } = self;
        for (text, room) in [(call_id, 48), (from, 64), (to, 80), (uri, 48), (branch, 24)] {
            text.clear();
            text.reserve(room);
        }
    }

    /// Sends the INVITE.
    pub fn invite(&mut self, wire: &mut Wire, who: Who) {
        self.sent = wire.clock.now();
        wire.board.note_sent(self.place as usize, self.sent);
        self.offer(wire, who);
        let lateness = self.sent.saturating_sub(self.due);
        wire.latencies.lateness.saturating_record(lateness);
        Counters::one(&wire.counters().placed);
        if lateness > MS {
            Counters::one(&wire.counters().late);
        }
        wire.board.active.fetch_add(1, Relaxed);
        wire.board.calls.fetch_add(1, Relaxed);
        if let Some(patience) = self.planned.gives_up {
            wire.arm(&mut self.dues, who, Kind::Act, self.sent + patience.as_nanos() as u64);
        }
    }

    fn offer(&mut self, wire: &mut Wire, who: Who) {
        let (mut body, mut bytes) = (wire.text(), wire.text());
        wire.describe(&mut body, self.socket, self.media_address());
        message::request(&mut bytes, &self.ask("INVITE", wire.name(self.socket), &self.branch, self.cseq, &body));
        wire.spare(body);
        self.insist(wire, who, "INVITE", bytes);
    }

    /// Offers the call again with an answer to the challenge; false if it has none.
    fn prove(&mut self, wire: &mut Wire, who: Who, message: &Message<'_>) -> bool {
        let plan = wire.plan.clone();
        let name = plan.originators[self.planned.originator].auth.as_ref().filter(|_| self.cseq == 1);
        let Some(value) = name.and_then(|name| name.answer(message.challenge, "INVITE", &self.uri)) else {
            return false;
        };
        let header = if message.status == 401 { "Authorization" } else { "Proxy-Authorization" };
        // The header stands where the routes of the call will stand once it has any.
        over(&mut self.routes, format_args!("{header}: {value}\r\n"));
        self.branch.push('p');
        self.cseq = 2;
        self.state = State::Inviting { heard: false };
        self.offer(wire, who);
        true
    }

    fn media_address(&self) -> Option<SocketAddr> {
        self.flow.as_ref().map(|flow| flow.address())
    }

    fn ask<'a>(&'a self, method: &'a str, local: &'a str, branch: &'a str, cseq: u32, body: &'a str) -> Request<'a> {
        let Caller { uri, from, to, routes, call_id, .. } = self;
        Request { method, uri, local, branch, from, to, call_id, cseq, routes, body }
    }

    /// A response, or a request of the other side.
    pub fn on_message(&mut self, wire: &mut Wire, who: Who, from: SocketAddr, message: &Message<'_>, stopping: bool) {
        self.note(wire, false, message.status, ladder::method(message.method));
        if wire.films {
            self.film.note(wire.now, false, from, message.text);
        }
        match (message.status, message.method) {
            (0, "ACK") => {}
            (0, _) => self.on_request(wire, who, from, message),
            (100..=199, "INVITE") => self.on_progress(wire, who, message),
            (200..=299, "INVITE") => self.on_answer(wire, who, message, stopping),
            (_, "INVITE") => self.on_refusal(wire, who, message),
            (200.., "INFO") => self.on_dialled(wire, who, message.cseq),
            (200.., "BYE") if self.state == State::Releasing => {
                let waited = wire.now.saturating_sub(self.released);
                wire.latencies.bye.saturating_record(waited);
                self.end(wire, who, 200, "caller");
            }
            _ => {}
        }
    }

    fn note(&mut self, wire: &mut Wire, out: bool, status: u16, method: &'static str) {
        if let Some(ladder) = self.ladder {
            let after_ns = wire.now.saturating_sub(self.due);
            wire.ladders.of(ladder).note(Step { after_ns, out, status, method });
        }
    }

    /// A timer that was due; false when the call may be forgotten.
    pub fn on_time(&mut self, wire: &mut Wire, who: Who, (kind, due): (Kind, u64), stopping: bool) -> bool {
        match kind {
            Kind::Resend => self.again(wire, who),
            Kind::GiveUp if self.state == State::Ended => return false,
            Kind::GiveUp => self.give_up(wire, who),
            Kind::Act => self.act(wire, who, stopping),
            Kind::Packet => self.packet(wire, due),
            Kind::Change => self.dial(wire, who),
        }
        true
    }

    /// Makes the script go on at this moment.
    pub fn act_at(&mut self, wire: &mut Wire, who: Who, due: u64) {
        wire.arm(&mut self.dues, who, Kind::Act, due);
    }

    fn on_progress(&mut self, wire: &mut Wire, who: Who, message: &Message<'_>) {
        let now = wire.now;
        let State::Inviting { ref mut heard } = self.state else { return };
        if !*heard {
            *heard = true;
            wire.arm(&mut self.dues, who, Kind::Resend, 0);
            wire.arm(&mut self.dues, who, Kind::GiveUp, now + PATIENCE);
        }
        if message.status == 100 && self.trying == 0 {
            self.trying = now;
            wire.latencies.trying.saturating_record(now.saturating_sub(self.sent));
            wire.latencies.trying_planned.saturating_record(now.saturating_sub(self.due));
        }
        if message.status > 100 && self.ringing == 0 {
            self.ringing = now;
            wire.latencies.ringing.saturating_record(now.saturating_sub(self.sent));
            wire.note_ringing(self.due, now.saturating_sub(self.due));
            wire.latencies.ringing_planned.saturating_record(now.saturating_sub(self.due));
        }
        // Early media goes both ways, as a phone would have it.
        let early = self.flow.as_mut().filter(|flow| !flow.is_by_kernel());
        if let Some(flow) = early
            && let Some(peer) = message::media_address(message.body)
        {
            flow.start(wire, &mut self.dues, peer, now);
        }
    }

    fn on_answer(&mut self, wire: &mut Wire, who: Who, message: &Message<'_>, stopping: bool) {
        let now = wire.now;
        if !matches!(self.state, State::Inviting { .. } | State::Cancelling) {
            return self.ack(wire);
        }
        let unwanted = stopping || self.state == State::Cancelling;
        self.state = State::Talking;
        self.answered = now;
        message.to.clone_into(&mut self.to);
        if !message.contact.is_empty() {
            message.contact.clone_into(&mut self.uri);
        }
        self.routes.clear();
        // RFC 3261 §12.1.2: the caller's route set is the response's, in reverse order.
        for route in message.record_routes.iter().rev() {
            put(&mut self.routes, &["Route: ", route, "\r\n"]);
        }
        Counters::one(&wire.counters().answered);
        wire.latencies.answer.saturating_record(now.saturating_sub(self.sent));
        wire.latencies.answer_planned.saturating_record(now.saturating_sub(self.due));
        if let Some(sent) = wire.board.answer_sent(self.place as usize) {
            wire.latencies.transit_back.saturating_record(now.saturating_sub(sent));
        }
        self.ack(wire);
        wire.arm(&mut self.dues, who, Kind::Resend, 0);
        wire.arm(&mut self.dues, who, Kind::GiveUp, 0);
        if let Some(flow) = self.flow.as_mut()
            && let Some(peer) = message::media_address(message.body)
        {
            flow.start(wire, &mut self.dues, peer, now);
        }
        self.dial_later(wire, who, now);
        let talks = self.planned.caller_talks.map_or_else(|| self.patience(wire), |talks| talks.as_nanos() as u64);
        self.act_at(wire, who, if unwanted { now } else { together(now + talks, MS) });
    }

    /// Dials the plan's digits when their moment comes.
    fn dial_later(&mut self, wire: &mut Wire, who: Who, now: u64) {
        let Some((after, by)) = wire.plan.dtmf.as_ref().map(|dtmf| (dtmf.after, dtmf.by)) else { return };
        match (by, self.flow.as_mut()) {
            (By::Info, _) => wire.arm(&mut self.dues, who, Kind::Change, now + after.as_nanos() as u64),
            (By::Rfc4733, Some(flow)) => flow.dial_after(after),
            (By::Rfc4733, None) => {}
        }
    }

    /// Sends the next digit as INFO.
    fn dial(&mut self, wire: &mut Wire, who: Who) {
        let digits = wire.plan.dtmf.as_ref().map_or(&[][..], |dtmf| &dtmf.digits);
        let Some(digit) = digits.get(self.dialled as usize).copied() else { return };
        if self.state != State::Talking {
            return;
        }
        self.dialled += 1;
        let (mut branch, mut body, mut bytes) = (wire.text(), wire.text(), wire.text());
        over(&mut branch, format_args!("{}f{}", self.branch, self.dialled));
        over(&mut body, format_args!("Signal={}\r\nDuration=120\r\n", dtmf::letter(digit)));
        message::request(
            &mut bytes,
            &self.ask("INFO", wire.name(self.socket), &branch, self.cseq + self.dialled, &body),
        );
        wire.spare(branch);
        wire.spare(body);
        Counters::one(&wire.counters().dtmf_sent);
        self.insist(wire, who, "INFO", bytes);
    }

    /// A digit was taken, or refused: the next one follows.
    fn on_dialled(&mut self, wire: &mut Wire, who: Who, cseq: u32) {
        if self.state == State::Talking && cseq == self.cseq + self.dialled {
            let next = wire.now + DIGIT_PAUSE;
            for (kind, due) in [(Kind::Resend, 0), (Kind::GiveUp, 0), (Kind::Change, next)] {
                wire.arm(&mut self.dues, who, kind, due);
            }
        }
    }

    /// How long to wait for the other end's release: its own talking time is drawn there, so the longest one plausible.
    fn patience(&self, wire: &Wire) -> u64 {
        let place = self.place as usize;
        let (_, terminator) = wire.board.seen(place);
        let talks = terminator.and_then(|index| match wire.plan.outcome(Some(place), index, 0) {
            Outcome::Answer { talks, .. } => talks,
            _ => None,
        });
        talks.map_or(7_200 * SECOND, |talks| talks.as_nanos() as u64) + RELEASE_GRACE
    }

    fn say(&mut self, wire: &mut Wire, text: &str) {
        let to = wire.target;
        self.say_to(wire, to, text);
    }

    fn say_to(&mut self, wire: &mut Wire, to: SocketAddr, text: &str) {
        if wire.films {
            self.film.note(wire.clock.now(), true, to, text);
        }
        wire.send(self.socket, to, text.as_bytes());
    }

    fn ack(&mut self, wire: &mut Wire) {
        self.note(wire, true, 0, "ACK");
        let (mut branch, mut bytes) = (wire.text(), wire.text());
        put(&mut branch, &[&self.branch, "a"]);
        message::request(&mut bytes, &self.ask("ACK", wire.name(self.socket), &branch, self.cseq, ""));
        self.say(wire, &bytes);
        wire.spare(branch);
        wire.spare(bytes);
    }

    fn on_refusal(&mut self, wire: &mut Wire, who: Who, message: &Message<'_>) {
        self.ack_refusal(wire, message);
        if message.cseq != self.cseq {
            // The challenge again: its acknowledgement was lost.
            return;
        }
        match self.state {
            State::Cancelling if message.status == 487 => self.end(wire, who, 487, "cancelled"),
            State::Inviting { .. } | State::Cancelling => {
                // RFC 3261 §22.2: a challenge is answered, once.
                let asked = self.state != State::Cancelling && matches!(message.status, 401 | 407);
                if !asked || !self.prove(wire, who, message) {
                    self.end(wire, who, message.status, "refused");
                }
            }
            State::Talking | State::Releasing | State::Ended => {}
        }
    }

    fn ack_refusal(&mut self, wire: &mut Wire, message: &Message<'_>) {
        self.note(wire, true, 0, "ACK");
        let mut bytes = wire.text();
        let branch = if message.cseq == self.cseq { &self.branch } else { self.branch.trim_end_matches('p') };
        // RFC 3261 §17.1.1.3: the ACK of a refusal has the INVITE's branch and URI, and the response's To.
        let ask = Request { to: message.to, ..self.ask("ACK", wire.name(self.socket), branch, message.cseq, "") };
        message::request(&mut bytes, &ask);
        self.say(wire, &bytes);
        wire.spare(bytes);
    }

    fn on_request(&mut self, wire: &mut Wire, who: Who, from: SocketAddr, asked: &Message<'_>) {
        let (mut body, mut bytes) = (wire.text(), wire.text());
        if matches!(asked.method, "INVITE" | "UPDATE") {
            wire.describe(&mut body, self.socket, self.media_address());
        }
        self.note(wire, true, 200, ladder::method(asked.method));
        message::response(&mut bytes, asked, 200, "", wire.name(self.socket), &body);
        self.say_to(wire, from, &bytes);
        wire.spare(body);
        wire.spare(bytes);
        if asked.method == "BYE" && self.state == State::Talking {
            self.end(wire, who, 200, "callee");
        }
    }

    fn act(&mut self, wire: &mut Wire, who: Who, stopping: bool) {
        match self.state {
            // RFC 3261 §9.1: a CANCEL waits for the first provisional response.
            State::Inviting { heard: false } => {
                let soon = wire.now + 100 * MS;
                self.act_at(wire, who, soon);
            }
            State::Inviting { heard: true } => self.cancel(wire, who),
            State::Talking => {
                if self.planned.caller_talks.is_none() && !stopping {
                    Counters::one(&wire.counters().release_missing);
                }
                self.release(wire, who);
            }
            State::Ended => self.settle(wire),
            State::Cancelling | State::Releasing => {}
        }
    }

    fn cancel(&mut self, wire: &mut Wire, who: Who) {
        let mut bytes = wire.text();
        message::request(&mut bytes, &self.ask("CANCEL", wire.name(self.socket), &self.branch, self.cseq, ""));
        self.state = State::Cancelling;
        self.insist(wire, who, "CANCEL", bytes);
    }

    fn release(&mut self, wire: &mut Wire, who: Who) {
        let (mut branch, mut bytes) = (wire.text(), wire.text());
        put(&mut branch, &[&self.branch, "b"]);
        message::request(
            &mut bytes,
            &self.ask("BYE", wire.name(self.socket), &branch, self.cseq + self.dialled + 1, ""),
        );
        wire.spare(branch);
        self.state = State::Releasing;
        self.released = wire.now;
        self.flow.iter_mut().for_each(|flow| flow.rest(wire));
        for kind in [Kind::Packet, Kind::Change] {
            wire.arm(&mut self.dues, who, kind, 0);
        }
        self.insist(wire, who, "BYE", bytes);
    }

    /// Sends a request that is repeated until it is answered.
    fn insist(&mut self, wire: &mut Wire, who: Who, method: &'static str, bytes: String) {
        let now = wire.now;
        self.note(wire, true, 0, method);
        self.say(wire, &bytes);
        wire.spare(std::mem::replace(&mut self.resend, bytes));
        self.wait = T1;
        wire.arm(&mut self.dues, who, Kind::Resend, now + T1);
        wire.arm(&mut self.dues, who, Kind::GiveUp, now + GIVE_UP);
    }

    fn again(&mut self, wire: &mut Wire, who: Who) {
        self.note(wire, true, 0, ladder::method(self.resend.split(' ').next().unwrap_or("")));
        let resend = std::mem::take(&mut self.resend);
        self.say(wire, &resend);
        self.resend = resend;
        Counters::one(&wire.counters().resent);
        // RFC 3261 §17.1.1.2: INVITE doubles without bound; §17.1.2.2: others up to T2.
        let most = if matches!(self.state, State::Inviting { .. }) { GIVE_UP } else { T2 };
        self.wait = (self.wait * 2).min(most);
        let due = wire.now + self.wait;
        wire.arm(&mut self.dues, who, Kind::Resend, due);
    }

    fn give_up(&mut self, wire: &mut Wire, who: Who) {
        match self.state {
            State::Inviting { heard: true } => self.cancel(wire, who),
            State::Inviting { heard: false } | State::Cancelling => self.end(wire, who, 0, "unheard"),
            State::Releasing => {
                Counters::one(&wire.counters().bye_unanswered);
                self.end(wire, who, 200, "caller");
            }
            // A digit that nobody took.
            State::Talking => wire.arm(&mut self.dues, who, Kind::Resend, 0),
            State::Ended => {}
        }
    }

    fn packet(&mut self, wire: &mut Wire, due: u64) {
        if let (State::Talking | State::Inviting { .. }, Some(flow)) = (self.state, self.flow.as_mut()) {
            let now = wire.now.max(due);
            flow.tick(wire, &mut self.dues, now);
        }
    }

    /// The call is over, with this final status, because of this.
    pub fn end(&mut self, wire: &mut Wire, who: Who, code: u16, ended_by: &'static str) {
        let now = wire.now;
        self.state = State::Ended;
        self.flow.iter_mut().for_each(|flow| flow.rest(wire));
        wire.spare(std::mem::take(&mut self.resend));
        // A call's own end is when it sent or received the BYE, not when that was answered.
        if self.released == 0 {
            self.released = now;
        }
        for kind in [Kind::Resend, Kind::Packet, Kind::Change] {
            wire.arm(&mut self.dues, who, kind, 0);
        }
        self.act_at(wire, who, if self.flow.is_some() { now + MEDIA_LINGER } else { 0 });
        let keep = if ended_by == "caller" { BRIEF } else { LINGER };
        wire.arm(&mut self.dues, who, Kind::GiveUp, now + keep);
        let counters = wire.counters();
        match ended_by {
            "caller" | "callee" => Counters::one(&counters.completed),
            "cancelled" => Counters::one(&counters.cancelled),
            "refused" => Counters::one(&counters.refused),
            "unheard" => Counters::one(&counters.unheard),
            _ => {}
        }
        wire.note_code(code);
        wire.board.active.fetch_sub(1, Relaxed);
        wire.board.calls.fetch_sub(1, Relaxed);
        let ladder = self.ladder.take();
        let failed = !matches!(ended_by, "caller" | "callee" | "cancelled");
        if failed {
            let terminator = wire.board.tried(self.place as usize);
            let way = Way { code, ended_by, heard: self.heard(), originator: self.planned.originator, terminator };
            wire.samples.note(way, 1);
        }
        if failed && wire.samples.wants(code, ended_by) {
            let (attempts, _) = wire.board.seen(self.place as usize);
            let (call_id, called) = (self.call_id.clone(), self.planned.called.clone());
            let steps = ladder.map_or_else(Vec::new, |ladder| wire.ladders.of(ladder).steps().to_vec());
            wire.samples.calls.push(Sample { code, ended_by, call_id, called, attempts, steps });
        }
        if failed && wire.board.reel.wants(self.place) {
            let datagrams = self.film.developed(&wire.clock, wire.address(self.socket));
            wire.samples.ends.push(End { place: self.place, told: Some(format!("{code}, {ended_by}")), datagrams });
        }
        ladder.into_iter().for_each(|ladder| wire.ladders.give_back(ladder));
        self.ended = (code, ended_by);
        if self.flow.is_none() {
            self.report(wire, None);
        }
    }

    /// It will not end well: its callee is to be told of too, wherever that is.
    pub fn mark(&self, wire: &Wire) {
        wire.board.reel.wants(self.place);
    }

    /// What it had heard of the other side.
    fn heard(&self) -> Word {
        match (self.answered > 0, self.ringing > 0, self.trying > 0) {
            (true, ..) => "answer",
            (_, true, _) => "ringing",
            (.., true) => "trying",
            _ => "nothing",
        }
    }

    /// Closes the media of an ended call, if it is still open, and tells of the call.
    pub fn settle(&mut self, wire: &mut Wire) {
        if let Some(flow) = self.flow.take() {
            let heard = flow.close(wire, self.released);
            self.report(wire, heard);
        }
    }

    fn report(&self, wire: &Wire, caller_heard: Option<Heard>) {
        let Some(lines) = &wire.lines else { return };
        let (attempts, terminator) = wire.board.seen(self.place as usize);
        let line = CallLine {
            place: self.place,
            call_id: self.call_id.clone(),
            originator: wire.plan.originators[self.planned.originator].name.clone(),
            calling: self.planned.calling.clone(),
            called: self.planned.called.clone(),
            planned_us: wire.clock.wall_us(self.due),
            sent_us: wire.clock.wall_us(self.sent),
            trying_us: wire.clock.wall_us(self.trying),
            ringing_us: wire.clock.wall_us(self.ringing),
            answered_us: wire.clock.wall_us(self.answered),
            ended_us: wire.clock.wall_us(self.released),
            code: self.ended.0,
            duration_ms: if self.answered > 0 { self.released.saturating_sub(self.answered) / MS } else { 0 },
            ended_by: self.ended.1,
            terminator: terminator.map_or(String::new(), |index| wire.plan.terminators[index].name.clone()),
            attempts,
            rtp_received: caller_heard.as_ref().map_or(0, |heard| heard.received),
            caller_heard,
            callee_heard: None,
        };
        // The writer outlives the workers; if it failed, it says so itself.
        let _ = lines.send(Told::Call(Box::new(line)));
    }
}
