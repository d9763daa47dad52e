//! One thread of a run: places the calls that are due, plays its share of both ends, never blocks.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::Sender;
use std::time::Duration;

use crate::callee::Callees;
use crate::caller::Callers;
use crate::clock::{Clock, MS, SECOND};
use crate::plan::Plan;
use crate::tally::{Board, CallLine, Codes, Counters, Latencies};
use crate::wire::{Ready, Who, Wire};
use sim::message;

/// Longest wait, so that a wish to stop is heard.
const NAP: u64 = 20 * MS;
/// Datagrams read from one socket before timers get their turn.
const BATCH: usize = 256;

/// What every worker of a run needs.
#[derive(Clone)]
pub struct Run {
    /// The clock.
    pub clock: Clock,
    /// What is to happen.
    pub plan: Arc<Plan>,
    /// What both ends know.
    pub board: Arc<Board>,
    /// Someone wants the run to end.
    pub stop: Arc<AtomicBool>,
    /// Finished calls.
    pub lines: Option<Sender<CallLine>>,
    /// Where INVITEs go.
    pub target: SocketAddr,
    /// When the first call may be due, on the clock.
    pub base: u64,
    /// How long calls are placed.
    pub span: Duration,
    /// How long the calls' end is waited for.
    pub drain: Duration,
    /// Callers' calls in progress at most; 0 for no limit.
    pub calls_max: u64,
    /// How many workers there are.
    pub workers: usize,
}

/// What a worker brings home.
pub struct Harvest {
    /// Its latencies.
    pub latencies: Latencies,
    /// Final responses to its callers.
    pub codes: Codes,
    /// Calls at its terminators that nobody ended.
    pub callees_left: u64,
}

/// A worker with its sockets open.
pub struct Worker {
    run: Run,
    wire: Wire,
    callers: Callers,
    callees: Callees,
    /// By socket: the terminator it belongs to; none for an originator's.
    terminator_of: Vec<Option<usize>>,
    /// By originator: its socket.
    originators: Vec<usize>,
    /// Terminators that stand still for a while, until that while is over.
    freezes: Vec<Freeze>,
    next: usize,
    buffer: Box<[u8]>,
}

/// A terminator that stands still: what it would do waits until the end.
struct Freeze {
    socket: usize,
    from: u64,
    till: u64,
    begun: bool,
}

impl Worker {
    /// Opens the sockets of the worker with this number.
    pub fn open(run: Run, number: usize) -> io::Result<Worker> {
        let mut wire = Wire::new(run.clock, run.plan.clone(), run.board.clone(), run.lines.clone(), run.target)?;
        let mut terminator_of = Vec::new();
        let mut originators = Vec::new();
        let mut freezes = Vec::new();
        for from in &run.plan.originators {
            originators.push(wire.listen(SocketAddr::new(from.from, 0))?);
            terminator_of.push(None);
        }
        for (index, who) in run.plan.terminators.iter().enumerate() {
            if index % run.workers == number {
                wire.listen(who.at).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", who.at)))?;
                freezes.extend(who.frozen.map(|(at, long)| {
                    let from = run.base + at.as_nanos() as u64;
                    Freeze { socket: terminator_of.len(), from, till: from + long.as_nanos() as u64, begun: false }
                }));
                terminator_of.push(Some(index));
            }
        }
        let (callers, callees) = (Callers::default(), Callees::default());
        let buffer = vec![0; 65_536].into_boxed_slice();
        Ok(Worker { run, wire, callers, callees, terminator_of, originators, freezes, next: number, buffer })
    }

    /// Plays until every call has ended.
    pub fn play(mut self) -> io::Result<Harvest> {
        let end = self.run.base + self.run.span.as_nanos() as u64;
        let mut ready = Vec::new();
        let mut give_up = None;
        loop {
            let now = self.wire.clock.now();
            if give_up.is_none() && (now >= end || self.run.stop.load(Relaxed)) {
                give_up = Some(now + self.run.drain.as_nanos() as u64);
                self.callers.stop(&mut self.wire);
            }
            if give_up.is_none() {
                self.place_due(now);
            }
            self.freeze(now)?;
            self.fire_due(now);
            if give_up.is_some_and(|at| now > at || self.run.board.active.load(Relaxed) == 0) {
                break;
            }
            self.wire.wait(self.next_moment(now, give_up.is_none()), &mut ready)?;
            for what in &ready {
                self.hear(*what);
            }
        }
        self.linger(&mut ready)?;
        let callees_left = self.callees.abandon(&mut self.wire);
        self.callers.abandon(&mut self.wire);
        Ok(Harvest { latencies: self.wire.latencies, codes: self.wire.codes, callees_left })
    }

    /// Media and repeats under way get a moment to arrive.
    fn linger(&mut self, ready: &mut Vec<Ready>) -> io::Result<()> {
        let until = self.wire.clock.now() + SECOND / 2;
        while self.wire.clock.now() < until {
            self.wire.wait(self.wire.clock.now() + NAP, ready)?;
            for what in ready.iter() {
                self.hear(*what);
            }
            self.fire_due(self.wire.clock.now());
        }
        Ok(())
    }

    fn place_due(&mut self, now: u64) {
        while let Some(due) = self.run.plan.due.get(self.next).map(|due| due + self.run.base) {
            if due > now {
                return;
            }
            let full = self.run.calls_max > 0 && self.run.board.calls.load(Relaxed) >= self.run.calls_max;
            if full {
                Counters::one(&self.run.board.counters.skipped);
            } else {
                let planned = self.run.plan.call(self.next);
                let socket = self.originators[planned.originator];
                self.callers.place(&mut self.wire, self.next as u32, socket, due, planned);
            }
            self.next += self.run.workers;
        }
    }

    /// Begins and ends what is to stand still.
    fn freeze(&mut self, now: u64) -> io::Result<()> {
        for freeze in self.freezes.iter_mut().filter(|freeze| !freeze.begun && freeze.from <= now) {
            freeze.begun = true;
            self.wire.freeze(freeze.socket, freeze.till)?;
        }
        while let Some(over) = self.freezes.iter().position(|freeze| freeze.till <= now) {
            let freeze = self.freezes.swap_remove(over);
            self.wire.freeze(freeze.socket, 0)?;
        }
        Ok(())
    }

    fn fire_due(&mut self, now: u64) {
        while let Some((due, who, kind)) = self.wire.pop(now) {
            match who {
                Who::Caller(place) => self.callers.on_time(&mut self.wire, place, kind, due),
                Who::Callee(count) => self.callees.on_time(&mut self.wire, count, kind, due, &self.terminator_of),
            }
        }
    }

    fn next_moment(&self, now: u64, placing: bool) -> u64 {
        let mut moment = now + NAP;
        if let Some(due) = self.wire.next_due() {
            moment = moment.min(due);
        }
        match self.run.plan.due.get(self.next) {
            Some(due) if placing => moment.min(due + self.run.base),
            _ => moment,
        }
    }

    fn hear(&mut self, what: Ready) {
        match what {
            Ready::Media(Who::Caller(place)) => self.callers.on_media(&mut self.wire, place),
            Ready::Media(Who::Callee(count)) => self.callees.on_media(&mut self.wire, count),
            Ready::Sip(socket) => self.hear_sip(socket),
        }
    }

    fn hear_sip(&mut self, socket: usize) {
        for _ in 0..BATCH {
            let Some((length, from)) = self.wire.receive(socket, &mut self.buffer) else { return };
            let bytes = &self.buffer[..length];
            let Some(message) = message::read(bytes) else {
                Counters::one(&self.run.board.counters.stray);
                continue;
            };
            match self.terminator_of[socket] {
                None => self.callers.on_message(&mut self.wire, socket, from, &message),
                Some(index) => self.callees.on_message(&mut self.wire, (socket, index), from, &message, bytes),
            }
        }
    }
}
