//! The oracle's caller: its side of one call by RFC 3261, with its timers, in simulated time.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::message::{self, Message, Request};
use crate::story::{CallStory, CallerManner, MS, SECOND};

/// RFC 3261 §17: T1 and T2 in microseconds, and when a transaction is given up.
pub const T1: u64 = 500 * MS;
/// The longest wait between repeats.
pub const T2: u64 = 4 * SECOND;
/// Timers B, F, H.
pub const GIVE_UP: u64 = 64 * T1;
/// How long a ringing call is waited for.
const PATIENCE: u64 = 240 * SECOND;
/// A call without any sign of its other end is released after this.
const TALK_PATIENCE: u64 = 200 * SECOND;

/// Datagrams to send: from, to, text.
pub type Out = Vec<(SocketAddr, SocketAddr, String)>;

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not sent yet.
    Idle,
    /// INVITE sent; whether a response came.
    Inviting {
        /// A provisional response came.
        heard: bool,
    },
    /// CANCEL sent.
    Cancelling,
    /// Answered and acknowledged.
    Talking,
    /// BYE sent.
    Releasing,
    /// Gone without a word.
    Vanished,
    /// Over.
    Ended,
}

/// One caller's side of one call.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Where it stands.
    pub state: State,
    /// Its Call-ID.
    pub call_id: String,
    /// When the 200 came.
    pub answered: Option<u64>,
    /// When it sent or received the end, and the final status; 0 if none came.
    pub ended: Option<(u64, u16)>,
    /// Anything came from the switch.
    pub heard: bool,
    /// A BYE came although this caller had acknowledged no answer.
    pub released_early: bool,
    /// Its own BYE was answered with 200.
    pub release_answered: bool,
    /// Where its media goes, once answered.
    pub media_peer: Option<SocketAddr>,
    /// Its own media address.
    pub media: SocketAddr,
    local: SocketAddr,
    target: SocketAddr,
    manner: CallerManner,
    from: String,
    to: String,
    uri: String,
    resend: String,
    wait: u64,
    resend_at: Option<u64>,
    give_up_at: Option<u64>,
    act_at: Option<u64>,
    reoffered: bool,
    sequence: u32,
}

impl Caller {
    /// A caller that has not called yet.
    pub fn new(index: usize, story: &CallStory, local: SocketAddr, target: SocketAddr) -> Caller {
        Caller {
            state: State::Idle,
            call_id: format!("{index}-sim"),
            answered: None,
            ended: None,
            heard: false,
            released_early: false,
            release_answered: false,
            media_peer: None,
            media: SocketAddr::new(local.ip(), 10_000 + 2 * index as u16),
            local,
            target,
            manner: story.caller,
            from: format!("<sip:{}@{local}>;tag=c{index}", story.calling),
            to: format!("<sip:{}@{target}>", story.called),
            uri: format!("sip:{}@{target}", story.called),
            resend: String::new(),
            wait: T1,
            resend_at: None,
            give_up_at: None,
            act_at: None,
            reoffered: false,
            sequence: 1,
        }
    }

    /// When it wants to be woken.
    pub fn due(&self) -> Option<u64> {
        [self.resend_at, self.give_up_at, self.act_at].into_iter().flatten().min()
    }

    /// Sends the INVITE.
    pub fn start(&mut self, now: u64, out: &mut Out) {
        self.state = State::Inviting { heard: false };
        let body = message::sdp(self.media);
        self.ask(now, "INVITE", "i", &body, out);
        self.act_at = match self.manner {
            CallerManner::Cancels(after) => Some(now + after),
            _ => None,
        };
    }

    /// A datagram of this call came.
    pub fn on_message(&mut self, now: u64, from: SocketAddr, seen: &Message<'_>, out: &mut Out) {
        self.heard = true;
        if self.state == State::Vanished {
            return;
        }
        match (seen.status, seen.method) {
            (0, "ACK") => {}
            (0, _) => self.on_request(now, from, seen, out),
            (100..=199, "INVITE") => self.on_progress(now),
            (200..=299, "INVITE") => self.on_answer(now, seen, out),
            (_, "INVITE") => self.on_refusal(now, seen, out),
            (200.., "BYE") if self.state == State::Releasing => {
                self.release_answered = seen.status == 200;
                self.end(now, 200);
            }
            _ => {}
        }
    }

    /// A timer.
    pub fn on_time(&mut self, now: u64, out: &mut Out) {
        if self.act_at.is_some_and(|at| at <= now) {
            self.act_at = None;
            self.act(now, out);
        }
        if self.resend_at.is_some_and(|at| at <= now) {
            out.push((self.local, self.target, self.resend.clone()));
            let most = if matches!(self.state, State::Inviting { .. }) { GIVE_UP } else { T2 };
            self.wait = (self.wait * 2).min(most);
            self.resend_at = Some(now + self.wait);
        }
        if self.give_up_at.is_some_and(|at| at <= now) {
            self.give_up_at = None;
            match self.state {
                State::Inviting { heard: true } => self.cancel(now, out),
                State::Inviting { heard: false } | State::Cancelling => self.end(now, 0),
                State::Releasing => self.end(now, 200),
                State::Idle | State::Talking | State::Vanished | State::Ended => {}
            }
        }
    }

    fn act(&mut self, now: u64, out: &mut Out) {
        match (self.state, self.manner) {
            (State::Inviting { heard: false }, _) => self.act_at = Some(now + 50 * MS),
            (State::Inviting { heard: true }, _) => self.cancel(now, out),
            (State::Talking, CallerManner::Reoffers(talks) | CallerManner::Updates(talks)) if !self.reoffered => {
                self.reoffered = true;
                self.sequence += 1;
                let updates = matches!(self.manner, CallerManner::Updates(_));
                let (method, mark) = if updates { ("UPDATE", "u") } else { ("INVITE", "i") };
                let body = message::sdp(self.media);
                let text = self.text(method, &format!("{mark}{}", self.sequence), &body);
                out.push((self.local, self.target, text));
                self.act_at = Some(now + talks / 2);
            }
            (State::Talking, _) => self.release(now, out),
            _ => {}
        }
    }

    fn text(&self, method: &str, suffix: &str, body: &str) -> String {
        let mut text = String::new();
        let branch = format!("{}{suffix}", self.call_id);
        let Caller { uri, local, from, to, call_id, .. } = self;
        let ask = Request {
            method,
            uri,
            local: &local.to_string(),
            branch: &branch,
            from,
            to,
            call_id,
            cseq: self.sequence,
            routes: "",
            body,
        };
        message::request(&mut text, &ask);
        text
    }

    /// Sends a request that is repeated until it is answered.
    fn ask(&mut self, now: u64, method: &str, suffix: &str, body: &str, out: &mut Out) {
        self.resend = self.text(method, suffix, body);
        out.push((self.local, self.target, self.resend.clone()));
        self.wait = T1;
        self.resend_at = Some(now + T1);
        self.give_up_at = Some(now + GIVE_UP);
    }

    fn cancel(&mut self, now: u64, out: &mut Out) {
        self.state = State::Cancelling;
        self.ask(now, "CANCEL", "i", "", out);
    }

    fn release(&mut self, now: u64, out: &mut Out) {
        self.state = State::Releasing;
        self.sequence += 1;
        self.ended = Some((now, 200));
        self.ask(now, "BYE", "b", "", out);
    }

    fn on_progress(&mut self, now: u64) {
        if self.state == (State::Inviting { heard: false }) {
            self.state = State::Inviting { heard: true };
            self.resend_at = None;
            self.give_up_at = Some(now + PATIENCE);
        }
    }

    fn on_answer(&mut self, now: u64, seen: &Message<'_>, out: &mut Out) {
        let first = matches!(self.state, State::Inviting { .. } | State::Cancelling);
        if first && self.manner == CallerManner::NeverAcknowledges {
            self.answered = Some(now);
            self.vanish();
            return;
        }
        if first {
            let unwanted = self.state == State::Cancelling;
            self.state = State::Talking;
            self.answered = Some(now);
            self.to = seen.to.to_string();
            self.uri = seen.contact.to_string();
            self.media_peer = message::media_address(seen.body);
            self.resend_at = None;
            self.give_up_at = None;
            self.act_at = Some(now + if unwanted { 0 } else { self.talks() });
        }
        // RFC 3261 §13.2.2.4: every 200 is acknowledged anew, under the INVITE's own number.
        let number = core::mem::replace(&mut self.sequence, seen.cseq);
        let text = self.text("ACK", &format!("a{}", seen.cseq), "");
        self.sequence = number;
        out.push((self.local, self.target, text));
        if first && self.manner == CallerManner::Vanishes {
            self.vanish();
        }
    }

    fn talks(&self) -> u64 {
        match self.manner {
            CallerManner::Releases(talks) => talks,
            CallerManner::Reoffers(talks) | CallerManner::Updates(talks) => talks / 2,
            CallerManner::Waits | CallerManner::Cancels(_) => TALK_PATIENCE,
            CallerManner::Vanishes | CallerManner::NeverAcknowledges => TALK_PATIENCE,
        }
    }

    fn vanish(&mut self) {
        self.state = State::Vanished;
        (self.resend_at, self.give_up_at, self.act_at) = (None, None, None);
    }

    fn on_refusal(&mut self, now: u64, seen: &Message<'_>, out: &mut Out) {
        if seen.cseq != 1 {
            return;
        }
        let to = core::mem::replace(&mut self.to, seen.to.to_string());
        let number = core::mem::replace(&mut self.sequence, seen.cseq);
        let text = self.text("ACK", "i", "");
        self.sequence = number;
        self.to = to;
        out.push((self.local, self.target, text));
        if matches!(self.state, State::Inviting { .. } | State::Cancelling) {
            self.end(now, seen.status);
        }
    }

    fn on_request(&mut self, now: u64, from: SocketAddr, asked: &Message<'_>, out: &mut Out) {
        let body = if asked.method == "INVITE" { message::sdp(self.media) } else { String::new() };
        let mut text = String::new();
        message::response(&mut text, asked, 200, "", &self.local.to_string(), &body);
        out.push((self.local, from, text));
        if asked.method == "BYE" && matches!(self.state, State::Inviting { .. }) {
            self.released_early = true;
        }
        if asked.method == "BYE" && matches!(self.state, State::Talking | State::Releasing) {
            self.end(now, 200);
        }
    }

    fn end(&mut self, now: u64, code: u16) {
        if self.ended.is_none() {
            self.ended = Some((now, code));
        }
        self.state = State::Ended;
        (self.resend_at, self.give_up_at, self.act_at) = (None, None, None);
    }
}
