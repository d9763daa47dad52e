//! The oracle's callee: RFC 3261's server side of one attempt, in simulated time.

use alloc::format;
use alloc::string::{String, ToString};
use core::net::SocketAddr;

use crate::caller::{GIVE_UP, Out, T1, T2};
use crate::message::{self, Message, Request};
use crate::story::{CalleeManner, SECOND};

/// Where an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Will ring, then answer.
    Alerting {
        /// 180 was sent.
        rings: bool,
    },
    /// 200 sent, ACK missing.
    Answered,
    /// Acknowledged.
    Talking,
    /// BYE sent.
    Releasing,
    /// Refusal sent, ACK missing.
    Refused,
    /// Says nothing, to anything.
    Mute,
    /// Over.
    Ended,
}

/// One terminator's side of one attempt.
#[derive(Clone, Debug)]
pub struct Callee {
    /// Where it stands.
    pub state: State,
    /// Which call of the story.
    pub index: usize,
    /// When it sent its 200.
    pub answered: Option<u64>,
    /// When it sent or received the end.
    pub ended: Option<u64>,
    /// Where its media goes.
    pub media_peer: Option<SocketAddr>,
    /// Its own media address.
    pub media: SocketAddr,
    manner: CalleeManner,
    local: SocketAddr,
    peer: SocketAddr,
    invite: String,
    branch: String,
    tag: String,
    last: String,
    wait: u64,
    resend_at: Option<u64>,
    give_up_at: Option<u64>,
    act_at: Option<u64>,
}

impl Callee {
    /// Takes an INVITE. `invite` is its whole text.
    pub fn take(
        now: u64,
        index: usize,
        manner: CalleeManner,
        (local, peer): (SocketAddr, SocketAddr),
        invite: &str,
        out: &mut Out,
    ) -> Option<Callee> {
        let asked = message::read(invite.as_bytes())?;
        let mut callee = Callee {
            state: State::Alerting { rings: false },
            index,
            answered: None,
            ended: None,
            media_peer: message::media_address(asked.body),
            media: SocketAddr::new(local.ip(), 10_000 + 2 * index as u16),
            manner,
            local,
            peer,
            invite: invite.to_string(),
            branch: message::branch_of(asked.vias[0]).to_string(),
            tag: format!("t{index}x{}", local.port()),
            last: String::new(),
            wait: T1,
            resend_at: None,
            give_up_at: None,
            act_at: None,
        };
        callee.begin(now, out);
        Some(callee)
    }

    /// When it wants to be woken.
    pub fn due(&self) -> Option<u64> {
        [self.resend_at, self.give_up_at, self.act_at].into_iter().flatten().min()
    }

    fn begin(&mut self, now: u64, out: &mut Out) {
        match self.manner {
            CalleeManner::Silent => self.state = State::Mute,
            CalleeManner::Refuses(status) => self.refuse(now, status, out),
            CalleeManner::Answers { ring, .. } => {
                self.respond(100, "", out);
                self.act_at = Some(now + ring);
            }
            CalleeManner::RingsOn | CalleeManner::Vanishes | CalleeManner::FallsSilent => {
                self.respond(100, "", out);
                self.act_at = Some(now + SECOND / 2);
            }
        }
    }

    /// A datagram of this attempt came.
    pub fn on_message(&mut self, now: u64, from: SocketAddr, seen: &Message<'_>, out: &mut Out) {
        if self.state == State::Mute {
            return;
        }
        match (seen.status, seen.method) {
            (0, "INVITE") if message::branch_of(seen.vias[0]) == self.branch => {
                out.push((self.local, self.peer, self.last.clone()));
            }
            (0, "ACK") => self.on_ack(now),
            (0, method) => {
                if method == "CANCEL" && matches!(self.state, State::Alerting { .. }) {
                    self.refuse(now, 487, out);
                }
                if method == "BYE" {
                    self.end(now);
                }
                let body = if method == "INVITE" { message::sdp(self.media) } else { String::new() };
                let mut text = String::new();
                message::response(&mut text, seen, 200, &self.tag, &self.local.to_string(), &body);
                out.push((self.local, from, text));
            }
            (200.., "BYE") => self.end(now),
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
            out.push((self.local, self.peer, self.last.clone()));
            self.wait = (self.wait * 2).min(T2);
            self.resend_at = Some(now + self.wait);
        }
        if self.give_up_at.is_some_and(|at| at <= now) {
            self.give_up_at = None;
            match self.state {
                State::Answered => self.release(now, out),
                State::Refused | State::Releasing => self.end(now),
                State::Alerting { .. } | State::Talking | State::Mute | State::Ended => {}
            }
        }
    }

    fn act(&mut self, now: u64, out: &mut Out) {
        match (self.state, self.manner) {
            (State::Alerting { rings: false }, manner) => {
                self.state = State::Alerting { rings: true };
                self.respond(180, "", out);
                if manner == CalleeManner::FallsSilent {
                    self.state = State::Mute;
                }
                self.act_at = match manner {
                    CalleeManner::Answers { answer, .. } => Some(now + answer),
                    CalleeManner::Vanishes => Some(now + SECOND / 2),
                    _ => None,
                };
            }
            (State::Alerting { rings: true }, _) => {
                let body = message::sdp(self.media);
                self.respond(200, &body, out);
                self.answered = Some(now);
                self.state = if self.manner == CalleeManner::Vanishes { State::Mute } else { State::Answered };
                if self.state == State::Answered {
                    self.repeat(now);
                }
            }
            (State::Talking, _) => self.release(now, out),
            _ => {}
        }
    }

    fn on_ack(&mut self, now: u64) {
        match self.state {
            State::Refused => self.end(now),
            State::Answered => {
                self.state = State::Talking;
                (self.resend_at, self.give_up_at) = (None, None);
                if let CalleeManner::Answers { talks: Some(talks), .. } = self.manner {
                    self.act_at = Some(now + talks);
                }
            }
            State::Alerting { .. } | State::Talking | State::Releasing | State::Mute | State::Ended => {}
        }
    }

    fn respond(&mut self, status: u16, body: &str, out: &mut Out) {
        let Some(asked) = message::read(self.invite.as_bytes()) else { return };
        let tag = if status == 100 { "" } else { &self.tag };
        message::response(&mut self.last, &asked, status, tag, &self.local.to_string(), body);
        out.push((self.local, self.peer, self.last.clone()));
    }

    fn refuse(&mut self, now: u64, status: u16, out: &mut Out) {
        self.respond(status, "", out);
        self.state = State::Refused;
        self.act_at = None;
        self.repeat(now);
    }

    fn repeat(&mut self, now: u64) {
        self.wait = T1;
        self.resend_at = Some(now + T1);
        self.give_up_at = Some(now + GIVE_UP);
    }

    fn release(&mut self, now: u64, out: &mut Out) {
        let Some(asked) = message::read(self.invite.as_bytes()) else { return };
        let from = format!("{};tag={}", asked.to, self.tag);
        let branch = format!("{}b", self.tag);
        let ask = Request {
            method: "BYE",
            uri: asked.contact,
            local: &self.local.to_string(),
            branch: &branch,
            from: &from,
            to: asked.from,
            call_id: asked.call_id,
            cseq: 1,
            routes: "",
            body: "",
        };
        let mut text = String::new();
        message::request(&mut text, &ask);
        out.push((self.local, self.peer, text.clone()));
        self.last = text;
        self.state = State::Releasing;
        self.ended = Some(now);
        self.act_at = None;
        self.repeat(now);
    }

    fn end(&mut self, now: u64) {
        if self.ended.is_none() {
            self.ended = Some(now);
        }
        self.state = State::Ended;
        (self.resend_at, self.give_up_at, self.act_at) = (None, None, None);
    }
}
