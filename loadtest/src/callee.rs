//! The terminators' end of all calls of a worker: a farm of user agents with manners of their own.

mod call;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

use crate::numbered::{ByNumber, Numbers};
use crate::tally::Counters;
use crate::wire::{Kind, Who, Wire};
use call::{Callee, State};
use sim::message::{self, Message};

/// A message that came to a terminator.
pub struct Came<'a> {
    /// The socket that heard it.
    pub socket: usize,
    /// Whose socket that is.
    pub terminator: usize,
    /// Who sent it.
    pub from: SocketAddr,
    /// As read.
    pub message: &'a Message<'a>,
}

/// All calls of this worker's terminators.
#[derive(Default)]
pub struct Callees {
    /// In boxes: the table grows and moves what it holds.
    calls: ByNumber<Box<Callee>>,
    /// Calls that are over; their memory is used again.
    #[expect(clippy::vec_box, reason = "the boxes go back into the table as they are")]
    spare: Vec<Box<Callee>>,
    /// By the hash of the Call-ID: a text a call would be memory that comes and goes.
    names: HashMap<u64, u32, Numbers>,
    hash: RandomState,
    count: u32,
}

impl Callees {
    /// A request, or the response to a BYE of ours.
    pub fn on_message(&mut self, wire: &mut Wire, came: &Came<'_>) {
        let Came { socket, from, message, .. } = *came;
        let name = self.hash.hash_one(message.call_id);
        let count = self.names.get(&name).copied();
        let Some((count, call)) = count.and_then(|count| Some((count, self.calls.get_mut(&count)?))) else {
            match (message.status, message.method) {
                (0, "INVITE") => self.take(wire, came, name),
                (0, "OPTIONS") => reply(wire, socket, from, message, 200),
                (0, "ACK") => {}
                (0, _) => reply(wire, socket, from, message, 481),
                _ => Counters::one(&wire.counters().stray),
            }
            return;
        };
        let who = Who::Callee(count);
        call.hear(wire, from, message);
        match (message.status, message.method) {
            (0, "INVITE") => call.on_invite(wire, from, message),
            (0, "ACK") => call.on_ack(wire, who),
            (0, "CANCEL") => {
                call.on_cancel(wire, who);
                call.reply(wire, from, message);
            }
            (0, "INFO") => {
                call.on_info(wire, message);
                call.reply(wire, from, message);
            }
            (0, "BYE") => {
                call.end(wire, who);
                call.reply(wire, from, message);
            }
            (0, _) => call.reply(wire, from, message),
            (200.., "BYE") => call.end(wire, who),
            (200.., "INVITE") => call.on_changed(wire, who, message),
            _ => {}
        }
    }

    /// Whether this INVITE proves the name that its terminator asks for; if not, it is told so.
    fn proved(&self, wire: &mut Wire, came: &Came<'_>, name: u64) -> bool {
        if wire.plan.terminators[came.terminator].auth.is_none() {
            return true;
        }
        let plan = wire.plan.clone();
        let Some(asked) = &plan.terminators[came.terminator].auth else { return true };
        let message = came.message;
        let nonce = format!("{name:016x}");
        let proves = asked.proves(message.authorization, &nonce, message.method);
        if proves {
            Counters::one(&wire.counters().proved);
            return true;
        }
        let mut bytes = wire.text();
        if message.authorization.is_empty() {
            let more = format!(
                "Proxy-Authenticate: Digest realm=\"loadtest\",nonce=\"{nonce}\",algorithm=MD5,qop=\"auth\"\r\n"
            );
            message::response_with(&mut bytes, message, (407, &more), "asked", wire.name(came.socket), "");
        } else {
            Counters::one(&wire.counters().unproved);
            message::response(&mut bytes, message, 403, "asked", wire.name(came.socket), "");
        }
        wire.send(came.socket, came.from, bytes.as_bytes());
        wire.spare(bytes);
        false
    }

    fn take(&mut self, wire: &mut Wire, came: &Came<'_>, name: u64) {
        if !self.proved(wire, came, name) {
            return;
        }
        let place = wire.plan.place_of(message::user_of(came.message.from).as_bytes());
        self.count += 1;
        let count = self.count;
        Counters::one(&wire.counters().attempts);
        match place {
            Some(place) => {
                if let Some(sent) = wire.board.note_attempt(place, came.terminator) {
                    let transit = wire.now.saturating_sub(sent);
                    wire.latencies.transit.saturating_record(transit);
                    wire.transit.record(sent.saturating_sub(wire.base), transit);
                }
            }
            None => Counters::one(&wire.counters().foreign),
        }
        let outcome = wire.plan.outcome(place, came.terminator, u64::from(count));
        let mut call = self.spare.pop().unwrap_or_default();
        call.begin(wire, (count, name), came, (place, outcome));
        self.names.insert(name, count);
        self.calls.insert(count, call);
    }

    /// The timers of a call that are due.
    pub fn on_time(&mut self, wire: &mut Wire, count: u32, popped: u64, now: u64) {
        let Some(call) = self.calls.get_mut(&count) else { return };
        let who = Who::Callee(count);
        let frozen = wire.frozen(call.socket);
        while let Some((kind, due)) = call.dues.take(now) {
            if frozen > now {
                wire.arm(&mut call.dues, who, kind, frozen);
            } else if kind == Kind::GiveUp && call.state == State::Ended {
                let mut call = self.calls.remove(&count).expect("looked up above");
                call.settle(wire, now);
                call.develop(wire);
                self.names.remove(&call.name);
                return self.spare.push(call);
            } else {
                call.on_time(wire, who, (kind, due));
            }
        }
        wire.file(&mut call.dues, who, popped);
    }

    /// Media of a call came.
    pub fn on_media(&mut self, wire: &mut Wire, count: u32, bytes: &[u8]) {
        if let Some(flow) = self.calls.get_mut(&count).and_then(|call| call.flow.as_mut()) {
            flow.hear(wire, bytes);
        }
    }

    /// Forgets everything; returns how many calls had not ended.
    pub fn abandon(&mut self, wire: &mut Wire) -> u64 {
        self.names.clear();
        let left = self.calls.values().filter(|call| call.state != State::Ended).count();
        for (_, mut call) in self.calls.drain() {
            call.settle(wire, wire.clock.now());
            call.develop(wire);
        }
        left as u64
    }
}

fn reply(wire: &mut Wire, socket: usize, to: SocketAddr, asked: &Message<'_>, status: u16) {
    let mut bytes = wire.text();
    message::response(&mut bytes, asked, status, "none", wire.name(socket), "");
    wire.send(socket, to, bytes.as_bytes());
    wire.spare(bytes);
}
