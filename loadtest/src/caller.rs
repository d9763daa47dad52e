//! The originators' end of all calls of a worker: a table of calls, and where each message and each timer goes.

mod call;

use std::fmt::Write;
use std::net::SocketAddr;

use crate::clock::MS;
use crate::numbered::ByNumber;
use crate::tally::Counters;
use crate::wire::{Who, Wire};
use call::{Caller, State};
use sim::message::{self, Message};

/// Hexadecimal digits of a call's place that its Call-ID begins with.
const PLACE_DIGITS: usize = 8;

/// All calls of this worker's originators.
#[derive(Default)]
pub struct Callers {
    /// In boxes: the table grows and moves what it holds.
    calls: ByNumber<Box<Caller>>,
    /// Calls that are over; their memory is used again.
    #[expect(clippy::vec_box, reason = "the boxes go back into the table as they are")]
    spare: Vec<Box<Caller>>,
    stopping: bool,
}

impl Callers {
    /// Sends the INVITE of a planned call; `sockets` are those of the originators.
    pub fn place(&mut self, wire: &mut Wire, place: u32, sockets: &[usize], due: u64) {
        let mut call = self.spare.pop().unwrap_or_default();
        call.begin(wire, place, sockets, due);
        call.invite(wire, Who::Caller(place));
        self.calls.insert(place, call);
    }

    /// A response, or a request within a call.
    pub fn on_message(&mut self, wire: &mut Wire, socket: usize, from: SocketAddr, message: &Message<'_>) {
        let place = message.call_id.get(..PLACE_DIGITS).and_then(|head| u32::from_str_radix(head, 16).ok());
        let known = place.and_then(|place| self.calls.get_mut(&place)).filter(|c| c.call_id == message.call_id);
        let (Some(call), Some(place)) = (known, place) else {
            Counters::one(&wire.counters().stray);
            if message.status == 0 && message.method != "ACK" {
                let mut bytes = wire.text();
                message::response(&mut bytes, message, 481, "none", wire.name(socket), "");
                wire.send(socket, from, bytes.as_bytes());
                wire.spare(bytes);
            }
            return;
        };
        call.on_message(wire, Who::Caller(place), from, message, self.stopping);
    }

    /// The timers of a call that are due.
    pub fn on_time(&mut self, wire: &mut Wire, place: u32, popped: u64, now: u64) {
        let Some(call) = self.calls.get_mut(&place) else { return };
        let who = Who::Caller(place);
        while let Some((kind, due)) = call.dues.take(now) {
            if !call.on_time(wire, who, (kind, due), self.stopping) {
                call.settle(wire);
                self.spare.extend(self.calls.remove(&place));
                return;
            }
        }
        wire.file(&mut call.dues, who, popped);
    }

    /// Media of a call came.
    pub fn on_media(&mut self, wire: &mut Wire, place: u32, bytes: &[u8]) {
        if let Some(flow) = self.calls.get_mut(&place).and_then(|call| call.flow.as_mut()) {
            flow.hear(wire, bytes);
        }
    }

    /// Ends every call, two thousand a second, so that the end of a run is no flood.
    pub fn stop(&mut self, wire: &mut Wire) {
        self.stopping = true;
        let now = wire.clock.now();
        let running = self.calls.iter_mut().filter(|(_, call)| call.state != State::Ended);
        for (nth, (place, call)) in running.enumerate() {
            call.act_at(wire, Who::Caller(*place), now + nth as u64 * MS / 2);
        }
    }

    /// Nobody waits for the calls that are still there any more.
    pub fn mark(&self, wire: &Wire) {
        self.calls.values().filter(|call| call.state != State::Ended).for_each(|call| call.mark(wire));
    }

    /// Counts what is still there as abandoned.
    pub fn abandon(&mut self, wire: &mut Wire) {
        for (place, call) in self.calls.iter_mut().filter(|(_, call)| call.state != State::Ended) {
            Counters::one(&wire.counters().abandoned);
            call.end(wire, Who::Caller(*place), 0, "abandoned");
        }
        for (_, mut call) in self.calls.drain() {
            call.settle(wire);
        }
    }
}

/// Writes formatted text over what was there.
fn over(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.clear();
    // Memory takes whatever is written to it.
    let _ = text.write_fmt(what);
}
