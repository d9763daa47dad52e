//! One call at its terminator: it rings, answers or refuses, talks and releases as its outcome says.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::Came;
use crate::clock::{MS, SECOND};
use crate::dtmf::{self, Dialled, Event};
use crate::film::{End, Film};
use crate::flow::Flow;
use crate::numbered::{hex, put};
use crate::plan::Outcome;
use crate::tally::{Counters, Told};
use crate::wire::{BRIEF, Dues, GIVE_UP, Kind, LINGER, T1, T2, Who, Wire, together};
use sim::message::{self, Message, Request};

/// How long a callee that never answers lets it ring.
const RING_MAX: u64 = 180 * SECOND;
const MEDIA_LINGER: u64 = 500 * MS;
/// From the 183 to the first packet of early media.
const EARLY: u64 = 40 * MS;

/// Where a call stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
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
    #[default]
    Ended,
}

/// One call. It is used again for others.
#[derive(Default)]
pub struct Callee {
    pub state: State,
    pub dues: Dues,
    pub flow: Option<Box<Flow>>,
    /// The hash of its Call-ID.
    pub name: u64,
    pub socket: usize,
    terminator: usize,
    peer: Option<SocketAddr>,
    place: Option<u32>,
    outcome: Outcome,
    invite: String,
    film: Film,
    /// What responses repeat of it.
    echo: String,
    branch: String,
    tag: String,
    last: String,
    /// CSeq of the last request of ours; a re-INVITE of ours waits for its response.
    cseq: u32,
    changing: bool,
    wait: u64,
    media_peer: Option<SocketAddr>,
    dialled: Dialled,
    answered: u64,
    ended: u64,
}

impl Callee {
    /// Becomes the call of this INVITE, and does the first thing about it.
    pub fn begin(
        &mut self,
        wire: &mut Wire,
        (count, name): (u32, u64),
        came: &Came<'_>,
        (place, outcome): (Option<usize>, Outcome),
    ) {
        let Came { socket, terminator, from: peer, message: asked } = *came;
        (self.name, self.socket, self.terminator, self.peer) = (name, socket, terminator, Some(peer));
        self.place = place.map(|place| place as u32);
        self.state = State::Alerting { rings: false };
        self.outcome = outcome;
        self.film.begin();
        self.hear(wire, peer, asked);
        self.invite = wire.text();
        self.invite.push_str(asked.text);
        self.branch.clear();
        self.branch.push_str(message::branch_of(asked.vias[0]));
        self.tag.clear();
        let mut digits = [[0_u8; 16]; 2];
        let [first, second] = &mut digits;
        put(&mut self.tag, &["t", hex(terminator as u64, 1, first), "x", hex(count.into(), 1, second)]);
        (self.echo, self.last) = (wire.text(), wire.text());
        message::echo(&mut self.echo, asked, &self.tag);
        self.wait = T1;
        self.dues = Dues::default();
        (self.flow, self.dialled) = (None, Dialled::default());
        let media = place.filter(|place| wire.plan.has_media(*place));
        self.media_peer = media.and_then(|_| message::media_address(asked.body));
        (self.answered, self.ended, self.cseq, self.changing) = (0, 0, 0, false);
        wire.board.active.fetch_add(1, Relaxed);
        let (who, now) = (Who::Callee(count), wire.now);
        let delay = wire.plan.delay(place, terminator, u64::from(count));
        match outcome {
            Outcome::Silence => self.end(wire, who),
            Outcome::Refuse(status) if delay.is_zero() => self.refuse(wire, who, status),
            Outcome::Refuse(_) => wire.arm(&mut self.dues, who, Kind::Act, now + nanos(delay)),
            Outcome::Ring(ring) | Outcome::Answer { ring, .. } => {
                if delay.is_zero() && wire.plan.terminators[terminator].trying {
                    message::response(&mut self.last, asked, 100, "", wire.name(socket), "");
                    self.send_last(wire);
                }
                wire.arm(&mut self.dues, who, Kind::Act, now + nanos(delay + ring));
            }
        }
    }

    fn send(&mut self, wire: &mut Wire, text: &str) {
        if let Some(peer) = self.peer {
            self.say(wire, peer, text);
        }
    }

    fn send_last(&mut self, wire: &mut Wire) {
        let last = std::mem::take(&mut self.last);
        self.send(wire, &last);
        self.last = last;
    }

    fn say(&mut self, wire: &mut Wire, to: SocketAddr, text: &str) {
        if wire.films {
            self.film.note(wire.clock.now(), true, to, text);
        }
        wire.send(self.socket, to, text.as_bytes());
    }

    /// Keeps a message that came, if that is wished.
    pub fn hear(&mut self, wire: &Wire, from: SocketAddr, message: &Message<'_>) {
        if wire.films {
            self.film.note(wire.now, false, from, message.text);
        }
    }

    /// Responds to another request than an INVITE.
    pub fn reply(&mut self, wire: &mut Wire, from: SocketAddr, asked: &Message<'_>) {
        let mut bytes = wire.text();
        message::response(&mut bytes, asked, 200, "none", wire.name(self.socket), "");
        self.say(wire, from, &bytes);
        wire.spare(bytes);
    }

    /// Tells what it said and heard, if its call is one of those that are told so. Nothing more will come.
    pub fn develop(&self, wire: &mut Wire) {
        if let Some(place) = self.place.filter(|place| wire.board.reel.has(*place)) {
            let datagrams = self.film.developed(&wire.clock, wire.address(self.socket));
            wire.samples.ends.push(End { place, told: None, datagrams });
        }
    }

    fn respond(&mut self, wire: &mut Wire, status: u16, body: &str) {
        let mut more = wire.text();
        let terminator = &wire.plan.terminators[self.terminator];
        if status == 302 {
            let _ = write!(more, "Contact: <sip:{}>\r\n", terminator.moved_to.unwrap_or(terminator.at));
        }
        if let (200, Some(timer)) = (status, terminator.timer) {
            // RFC 4028 §9: a UAS that refreshes needs nothing of the other side.
            let _ = write!(more, "Session-Expires: {};refresher=uas\r\n", timer.as_secs().max(90));
        }
        message::response_by(&mut self.last, &self.echo, (status, &more), wire.name(self.socket), body);
        wire.spare(more);
        self.send_last(wire);
    }

    /// The INVITE again, or another one within the call.
    pub fn on_invite(&mut self, wire: &mut Wire, from: SocketAddr, asked: &Message<'_>) {
        if message::branch_of(asked.vias[0]) == self.branch {
            // Silence means silence, to repeats too.
            if !self.last.is_empty() && self.cseq == 0 {
                self.send_last(wire);
            }
            return;
        }
        let (mut body, mut bytes) = (wire.text(), wire.text());
        wire.describe(&mut body, self.socket, self.media_address());
        message::response(&mut bytes, asked, 200, &self.tag, wire.name(self.socket), &body);
        self.say(wire, from, &bytes);
        wire.spare(body);
        wire.spare(bytes);
    }

    pub fn on_ack(&mut self, wire: &mut Wire, who: Who) {
        let now = wire.now;
        match self.state {
            State::Refused => self.end(wire, who),
            State::Answered => {
                self.state = State::Talking;
                wire.latencies.ack.saturating_record(now.saturating_sub(self.answered));
                wire.arm(&mut self.dues, who, Kind::Resend, 0);
                wire.arm(&mut self.dues, who, Kind::GiveUp, 0);
                if let Outcome::Answer { talks: Some(talks), .. } = self.outcome {
                    wire.arm(&mut self.dues, who, Kind::Act, together(self.answered.max(now) + nanos(talks), MS));
                }
                if let (Some(flow), Some(peer)) = (self.flow.as_mut(), self.media_peer) {
                    flow.start(wire, &mut self.dues, peer, now);
                }
                self.change_later(wire, who);
            }
            State::Alerting { .. } | State::Talking | State::Releasing | State::Ended => {}
        }
    }

    /// A digit as INFO; a repeat of it is the same digit.
    pub fn on_info(&mut self, wire: &mut Wire, asked: &Message<'_>) {
        if let Some(digit) = dtmf::of_info(asked.body) {
            wire.note_dialled(&mut self.dialled, Event { digit, end: true, begun: asked.cseq });
        }
    }

    pub fn on_cancel(&mut self, wire: &mut Wire, who: Who) {
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
        let now = wire.now;
        self.wait = T1;
        wire.arm(&mut self.dues, who, Kind::Act, 0);
        wire.arm(&mut self.dues, who, Kind::Resend, now + T1);
        wire.arm(&mut self.dues, who, Kind::GiveUp, now + GIVE_UP);
    }

    /// A timer that was due.
    pub fn on_time(&mut self, wire: &mut Wire, who: Who, (kind, due): (Kind, u64)) {
        match kind {
            Kind::Resend => self.again(wire, who),
            Kind::GiveUp => self.give_up(wire, who),
            Kind::Act => self.act(wire, who),
            Kind::Packet => self.packet(wire, due),
            Kind::Change => self.change(wire, who),
        }
    }

    fn act(&mut self, wire: &mut Wire, who: Who) {
        let now = wire.now;
        match (self.state, self.outcome) {
            (State::Alerting { rings: false }, Outcome::Refuse(status)) => self.refuse(wire, who, status),
            (State::Alerting { rings: false }, outcome) => {
                self.state = State::Alerting { rings: true };
                self.progress(wire, who, now);
                let wait = match outcome {
                    Outcome::Answer { answer, .. } => nanos(answer),
                    _ => RING_MAX,
                };
                wire.arm(&mut self.dues, who, Kind::Act, now + wait);
            }
            (State::Alerting { rings: true }, Outcome::Answer { .. }) => self.answer(wire, who),
            (State::Alerting { rings: true }, _) => self.refuse(wire, who, 480),
            (State::Talking, _) => self.release(wire, who),
            (State::Ended, _) => self.settle(wire, self.ended),
            (State::Answered | State::Releasing | State::Refused, _) => {}
        }
    }

    /// Opens the media of a call of the plan.
    fn listen(&mut self, wire: &mut Wire, who: Who) {
        let Some(place) = self.place else { return };
        let (local, unspoken) = (wire.address(self.socket), wire.plan.unspoken(place as usize, self.terminator));
        self.flow = Flow::open(wire, who, place, local, unspoken);
    }

    /// Closes the media of a call that ended at this moment, if it is still open.
    pub fn settle(&mut self, wire: &mut Wire, ended: u64) {
        let heard = self.flow.take().and_then(|flow| flow.close(wire, ended));
        if let (Some(lines), Some(heard)) = (&wire.lines, heard) {
            // The writer outlives the workers; if it failed, it says so itself.
            let _ = lines.send(Told::Callee(heard));
        }
    }

    /// Rings, with media before the answer if the call has such.
    fn progress(&mut self, wire: &mut Wire, who: Who, now: u64) {
        let place = self.place.map(|place| place as usize);
        let early = place.is_some_and(|place| wire.plan.has_media(place) && wire.plan.is_early(place, self.terminator));
        let progress = wire.plan.terminators[self.terminator].progress;
        if !early {
            return if progress > 0 {
                self.respond(wire, progress, "")
            };
        }
        self.listen(wire, who);
        let mut body = wire.text();
        wire.describe(&mut body, self.socket, self.media_address());
        self.respond(wire, 183, &body);
        wire.spare(body);
        if let (Some(flow), Some(peer)) = (self.flow.as_mut(), self.media_peer) {
            // The first packet must not overtake the response that lets it through.
            flow.start(wire, &mut self.dues, peer, now + EARLY);
        }
    }

    fn answer(&mut self, wire: &mut Wire, who: Who) {
        if let Some(place) = self.place {
            if self.flow.is_none() && wire.plan.has_media(place as usize) {
                self.listen(wire, who);
            }
            wire.board.note_answer(place as usize, self.terminator, wire.clock.now());
        }
        self.answered = wire.now;
        let mut body = wire.text();
        wire.describe(&mut body, self.socket, self.media_address());
        self.respond(wire, 200, &body);
        wire.spare(body);
        self.state = State::Answered;
        self.repeat(wire, who);
    }

    fn media_address(&self) -> Option<SocketAddr> {
        self.flow.as_ref().map(|flow| flow.address())
    }

    /// Writes a request within the call. `mark` tells its transaction from others.
    fn request(&self, wire: &mut Wire, method: &str, mark: char, cseq: u32, body: &str) -> String {
        let (mut from, mut branch, mut routes) = (wire.text(), wire.text(), wire.text());
        let mut bytes = wire.text();
        let asked = message::read(self.invite.as_bytes()).expect("the INVITE was read before it was kept");
        // Writing to a text cannot fail.
        put(&mut from, &[asked.to, ";tag=", &self.tag]);
        let _ = write!(branch, "{}{mark}{cseq}x{}", self.tag, wire.plan.seed);
        for route in asked.record_routes.iter() {
            put(&mut routes, &["Route: ", route, "\r\n"]);
        }
        let uri = if asked.contact.is_empty() { message::uri_of(asked.from) } else { asked.contact };
        let (call_id, to) = (asked.call_id, asked.from);
        let (branch_of, from_of, routes_of) = (branch.as_str(), from.as_str(), routes.as_str());
        let ask = Request {
            method,
            uri,
            local: wire.name(self.socket),
            branch: branch_of,
            from: from_of,
            to,
            call_id,
            cseq,
            routes: routes_of,
            body,
        };
        message::request(&mut bytes, &ask);
        [from, branch, routes].into_iter().for_each(|text| wire.spare(text));
        bytes
    }

    fn release(&mut self, wire: &mut Wire, who: Who) {
        self.cseq += 1;
        let bytes = self.request(wire, "BYE", 'b', self.cseq, "");
        self.send(wire, &bytes);
        wire.spare(std::mem::replace(&mut self.last, bytes));
        self.state = State::Releasing;
        self.flow.iter_mut().for_each(|flow| flow.rest(wire));
        for kind in [Kind::Packet, Kind::Change] {
            wire.arm(&mut self.dues, who, kind, 0);
        }
        self.repeat(wire, who);
    }

    fn change_later(&mut self, wire: &mut Wire, who: Who) {
        if let Some(span) = wire.plan.terminators[self.terminator].refreshes() {
            let due = wire.now + nanos(span);
            wire.arm(&mut self.dues, who, Kind::Change, due);
        }
    }

    /// Offers the same media again (RFC 3261 §14.1).
    fn change(&mut self, wire: &mut Wire, who: Who) {
        if self.state != State::Talking || self.changing {
            return;
        }
        (self.cseq, self.changing) = (self.cseq + 1, true);
        let mut body = wire.text();
        wire.describe(&mut body, self.socket, self.media_address());
        let bytes = self.request(wire, "INVITE", 'v', self.cseq, &body);
        wire.spare(body);
        self.send(wire, &bytes);
        wire.spare(std::mem::replace(&mut self.last, bytes));
        let now = wire.now;
        self.wait = T1;
        wire.arm(&mut self.dues, who, Kind::Resend, now + T1);
        wire.arm(&mut self.dues, who, Kind::GiveUp, now + GIVE_UP);
    }

    /// A final response to a re-INVITE of ours.
    pub fn on_changed(&mut self, wire: &mut Wire, who: Who, message: &Message<'_>) {
        // An ended call has given its INVITE back.
        if self.state == State::Ended {
            return;
        }
        let agreed = message.status < 300;
        // RFC 3261 §17.1.1.3: the ACK of a refusal belongs to the transaction, that of a 200 is one of its own.
        let bytes = self.request(wire, "ACK", if agreed { 'k' } else { 'v' }, message.cseq, "");
        self.send(wire, &bytes);
        wire.spare(bytes);
        if !self.changing || message.cseq != self.cseq || self.state != State::Talking {
            return;
        }
        self.changing = false;
        let counters = wire.counters();
        Counters::one(if agreed { &counters.refreshed } else { &counters.unrefreshed });
        wire.arm(&mut self.dues, who, Kind::Resend, 0);
        wire.arm(&mut self.dues, who, Kind::GiveUp, 0);
        self.change_later(wire, who);
    }

    fn again(&mut self, wire: &mut Wire, who: Who) {
        self.send_last(wire);
        Counters::one(&wire.counters().resent);
        self.wait = (self.wait * 2).min(T2);
        let due = wire.now + self.wait;
        wire.arm(&mut self.dues, who, Kind::Resend, due);
    }

    fn give_up(&mut self, wire: &mut Wire, who: Who) {
        match self.state {
            // RFC 3261 §13.3.1.4: an answer that is never acknowledged ends in a BYE.
            State::Answered => {
                Counters::one(&wire.counters().ack_missing);
                self.release(wire, who);
            }
            State::Releasing => {
                Counters::one(&wire.counters().bye_unanswered);
                self.end(wire, who);
            }
            State::Refused => self.end(wire, who),
            State::Talking if self.changing => {
                self.changing = false;
                wire.arm(&mut self.dues, who, Kind::Resend, 0);
                Counters::one(&wire.counters().unrefreshed);
            }
            State::Alerting { .. } | State::Talking | State::Ended => {}
        }
    }

    fn packet(&mut self, wire: &mut Wire, due: u64) {
        let speaks = matches!(self.state, State::Alerting { .. } | State::Answered | State::Talking);
        if let (true, Some(flow)) = (speaks, self.flow.as_mut()) {
            let now = wire.now.max(due);
            flow.tick(wire, &mut self.dues, now);
        }
    }

    /// The call is over.
    pub fn end(&mut self, wire: &mut Wire, who: Who) {
        if self.state == State::Ended {
            return;
        }
        let (now, released) = (wire.now, self.state == State::Releasing);
        self.state = State::Ended;
        self.ended = now;
        self.flow.iter_mut().for_each(|flow| flow.rest(wire));
        for text in [&mut self.invite, &mut self.echo, &mut self.last] {
            wire.spare(std::mem::take(text));
        }
        for kind in [Kind::Resend, Kind::Packet, Kind::Change] {
            wire.arm(&mut self.dues, who, kind, 0);
        }
        wire.arm(&mut self.dues, who, Kind::Act, if self.flow.is_some() { now + MEDIA_LINGER } else { 0 });
        // An INVITE may be repeated for as long as its transaction lives, to silence above all.
        let keep = match (self.outcome, released) {
            (Outcome::Silence, _) => GIVE_UP + LINGER,
            (_, true) => BRIEF,
            (_, false) => LINGER,
        };
        wire.arm(&mut self.dues, who, Kind::GiveUp, now + keep);
        wire.board.active.fetch_sub(1, Relaxed);
    }
}

fn nanos(span: Duration) -> u64 {
    span.as_nanos() as u64
}
