//! One thread of a run: places the calls that are due, plays its share of both ends, never blocks.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Sender;
use std::time::Duration;

use crate::agents::{Part, Takings};
use crate::callee::{Callees, Came};
use crate::caller::Callers;
use crate::clock::{MS, SECOND};
use crate::heat::Heat;
use crate::ladder::Samples;
use crate::pacer::{Reins, Segment};
use crate::plan::Plan;
use crate::quality::Quality;
use crate::tally::{Board, Counters, Latencies, Told};
use crate::wire::{Heard, Who, Whose, Wire};
use sim::message;

/// Longest wait, so that a wish to stop is heard.
const NAP: u64 = 20 * MS;
/// Calls placed before what came is heard: a burst must not fill what the kernel can send at once.
const BATCH: usize = 256;
/// So many calls are looked ahead at.
const RARE: u64 = 16;
/// Steps of one call without any time between them that are done in one turn.
const STEPS: usize = 4;

/// What every worker of a run needs.
#[derive(Clone)]
pub struct Run {
    /// What is to happen.
    pub plan: Arc<Plan>,
    /// What both ends know.
    pub board: Arc<Board>,
    /// The hand on the run.
    pub reins: Reins,
    /// Finished calls.
    pub lines: Option<Sender<Told>>,
    /// Where INVITEs go.
    pub target: SocketAddr,
    /// How long the calls' end is waited for.
    pub drain: Duration,
    /// Callers' calls in progress at most; 0 for no limit.
    pub calls_max: u64,
    /// How many workers this process has.
    pub workers: usize,
    /// Which calls of the plan they play.
    pub part: Part,
    /// Who makes and hears media, where the kernel does.
    pub mill: Option<mill::Hand>,
    /// How long a busy worker gathers.
    pub gather: Duration,
}

impl Run {
    /// Workers of all processes, and which of them this one of ours is.
    fn numbered(&self, number: usize) -> (usize, usize) {
        let Part { agent, agents } = self.part;
        (usize::from(agents) * self.workers, usize::from(agent) * self.workers + number)
    }

    /// Whether this worker of ours plays a terminator.
    fn plays(&self, number: usize, terminator: usize) -> bool {
        let (workers, own) = self.numbered(number);
        match self.plan.terminators[terminator].agent {
            Some(agent) => agent == self.part.agent + 1 && terminator % self.workers == number,
            None => terminator % workers == own,
        }
    }
}

/// What a worker brings home.
pub struct Harvest {
    /// Its latencies.
    pub latencies: Latencies,
    /// From INVITE to ringing, over time.
    pub ringing: Heat,
    /// From the caller's INVITE to the first terminator's, over time.
    pub transit: Heat,
    /// Calls that failed.
    pub samples: Samples,
    /// What ends of calls heard.
    pub quality: Quality,
    /// Calls at its terminators that nobody ended.
    pub callees_left: u64,
    /// Datagrams that the kernel did not take.
    pub unsent: u64,
}

impl Harvest {
    /// Adds it to what the others brought.
    pub fn bring(self, into: &mut Takings) {
        into.latencies.merge(&self.latencies);
        into.ringing.merge(&self.ringing);
        into.transit.merge(&self.transit);
        into.samples.merge(self.samples);
        into.quality.merge(&self.quality);
        into.callees_left += self.callees_left;
        into.counts.unsent += self.unsent;
    }
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
    /// When the first call may be due, on the clock.
    base: u64,
    /// How the plan's time runs, as it was after so many changes.
    segment: Segment,
    changes: u64,
    /// The next call of the plan to be placed, and how far the one after it is.
    next: usize,
    step: usize,
    buffer: Box<[u8]>,
}

/// A terminator that stands still: what it would do waits until the end.
struct Freeze {
    socket: usize,
    from: u64,
    long: u64,
}

impl Worker {
    /// Opens the sockets of the worker with this number. It must play on the thread that opened it.
    pub fn open(run: Run, number: usize) -> io::Result<Worker> {
        let (plan, board) = (run.plan.clone(), run.board.clone());
        let mut wire = Wire::new(run.reins.clock, plan, board, run.lines.clone(), run.target, number)?;
        (wire.agent, wire.mill, wire.gather) = (run.part.agent, run.mill.clone(), run.gather);
        let (mut terminator_of, mut originators, mut freezes) = (Vec::new(), Vec::new(), Vec::new());
        for from in &run.plan.originators {
            originators.push(wire.listen(SocketAddr::new(from.from, 0))?);
            terminator_of.push(None);
        }
        for (index, who) in run.plan.terminators.iter().enumerate() {
            if run.plays(number, index) {
                let socket = wire.listen(who.at);
                let socket = socket.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", who.at)))?;
                let nanos = |span: Duration| span.as_nanos() as u64;
                freezes.extend(who.frozen.map(|(at, long)| Freeze { socket, from: nanos(at), long: nanos(long) }));
                terminator_of.push(Some(index));
            }
        }
        let segment = run.reins.segment();
        let (step, next) = run.numbered(number);
        Ok(Worker {
            segment,
            changes: 0,
            run,
            wire,
            callers: Callers::default(),
            callees: Callees::default(),
            terminator_of,
            originators,
            freezes,
            base: 0,
            next,
            step,
            buffer: vec![0; 65_536].into_boxed_slice(),
        })
    }

    /// Plays until every call has ended. The first call may be due at `base`.
    pub fn play(mut self, base: u64) -> io::Result<Harvest> {
        (self.base, self.wire.base) = (base, base);
        let span = self.run.plan.span.as_nanos() as u64;
        self.segment = self.run.reins.segment();
        let mut give_up = None;
        loop {
            let now = self.wire.tick();
            if self.changes != self.run.reins.changes() {
                (self.changes, self.segment) = (self.run.reins.changes(), self.run.reins.segment());
            }
            // A worker that comes late to the end still owes what was due before it.
            let over = self.next >= self.run.plan.due.len() && now >= self.segment.clock(span);
            if give_up.is_none() && (over || self.run.reins.stop.load(Relaxed)) {
                give_up = Some(now + self.run.drain.as_nanos() as u64);
                self.callers.stop(&mut self.wire);
            }
            if self.run.reins.hurries() {
                give_up = give_up.map(|_| 0);
            }
            if give_up.is_none() {
                self.place_due(now);
            }
            self.freeze(now);
            self.fire_due();
            let idle = self.run.board.active.load(Relaxed) == 0 && !self.run.reins.hold.load(Relaxed);
            if give_up.is_some_and(|at| now > at || idle) {
                break;
            }
            let placing = give_up.is_none();
            self.wire.wait(self.next_moment(now, placing), self.punctual(placing))?;
            // What came has its moment from the kernel; what is to leave has none but this.
            if placing {
                let now = self.wire.tick();
                self.place_due(now);
            }
            self.hear();
        }
        self.callers.mark(&self.wire);
        self.linger()?;
        let callees_left = self.callees.abandon(&mut self.wire);
        self.callers.abandon(&mut self.wire);
        let unsent = self.wire.unsent();
        let Wire { latencies, ringing, transit, samples, quality, .. } = self.wire;
        Ok(Harvest { latencies, ringing, transit, samples, quality, callees_left, unsent })
    }

    /// Media and repeats under way get a moment to arrive.
    fn linger(&mut self) -> io::Result<()> {
        let until = self.wire.tick() + SECOND / 2;
        while self.wire.tick() < until {
            self.wire.wait(self.wire.now + NAP, u64::MAX)?;
            self.hear();
            self.fire_due();
        }
        Ok(())
    }

    fn place_due(&mut self, now: u64) {
        for _ in 0..BATCH {
            let Some(due) = self.run.plan.due.get(self.next).map(|due| self.segment.clock(*due)) else { return };
            if due > now {
                return;
            }
            let full = self.run.calls_max > 0 && self.run.board.calls.load(Relaxed) >= self.run.calls_max;
            if full {
                Counters::one(&self.wire.counters().skipped);
            } else {
                self.callers.place(&mut self.wire, self.next as u32, &self.originators, due);
            }
            self.next += self.step;
        }
    }

    /// Begins and ends what is to stand still.
    fn freeze(&mut self, now: u64) {
        let now = now.saturating_sub(self.base);
        let Worker { freezes, wire, base, .. } = self;
        freezes.retain(|freeze| {
            let till = freeze.from + freeze.long;
            if now >= till {
                wire.freeze(freeze.socket, 0);
            } else if now >= freeze.from {
                wire.freeze(freeze.socket, *base + till);
            }
            now < till
        });
    }

    /// Does what is due, and what comes due by that: who rings for no time answers in the same turn.
    fn fire_due(&mut self) {
        for _ in 0..STEPS {
            let (now, mut idle) = (self.wire.now, true);
            while let Some((popped, who)) = self.wire.pop(now) {
                idle = false;
                match who {
                    Who::Caller(place) => self.callers.on_time(&mut self.wire, place, popped, now),
                    Who::Callee(count) => self.callees.on_time(&mut self.wire, count, popped, now),
                }
            }
            if idle {
                return;
            }
            self.wire.tick();
        }
    }

    fn next_moment(&self, now: u64, placing: bool) -> u64 {
        let mut moment = now + NAP;
        if let Some(due) = self.wire.next_due() {
            moment = moment.min(due);
        }
        match self.run.plan.due.get(self.next) {
            Some(due) if placing => moment.min(self.segment.clock(*due)),
            _ => moment,
        }
    }

    /// The moment of the next call of the plan, where being woken for each costs little: gathering does not delay those.
    fn punctual(&self, placing: bool) -> u64 {
        let due = &self.run.plan.due;
        match due.get(self.next).filter(|_| placing && are_rare(due, (self.next, self.step), self.run.gather)) {
            Some(next) => self.segment.clock(*next),
            None => u64::MAX,
        }
    }

    fn hear(&mut self) {
        while let Some(Heard { whose, from, length }) = self.wire.hear(&mut self.buffer) {
            let bytes = &self.buffer[..length];
            let socket = match whose {
                Whose::Nobody => continue,
                Whose::Media(Who::Caller(place)) => {
                    self.callers.on_media(&mut self.wire, place, bytes);
                    continue;
                }
                Whose::Media(Who::Callee(count)) => {
                    self.callees.on_media(&mut self.wire, count, bytes);
                    continue;
                }
                Whose::Sip(socket) => socket,
            };
            let Some(message) = message::read(bytes) else {
                Counters::one(&self.wire.counters().stray);
                continue;
            };
            match self.terminator_of[socket] {
                None => self.callers.on_message(&mut self.wire, socket, from, &message),
                Some(terminator) => {
                    let came = Came { socket, terminator, from, message: &message };
                    self.callees.on_message(&mut self.wire, &came);
                }
            }
        }
    }
}

/// Whether the calls from this one on, every so many of the plan, are as rare as turns that gather.
fn are_rare(due: &[u64], (next, step): (usize, usize), gather: Duration) -> bool {
    let far = due.get(next + RARE as usize * step);
    far.is_none_or(|far| far - due[next] >= RARE * gather.as_nanos() as u64)
}

/// One run of the tests at a time, since one of them counts allocations.
#[cfg(test)]
pub static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::sync::PoisonError;

    use clap::Parser;

    use super::*;
    use crate::load::{Load, Pace, Progress};

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        load: Load,
    }

    fn load(more: &[&str]) -> Load {
        let free = UdpSocket::bind("127.0.7.3:0").and_then(|socket| socket.local_addr()).expect("an address");
        let who = format!("at={free},ring=2ms,answer=uniform:2ms-5ms,busy=10%");
        let target = free.to_string();
        let words = ["load", "--target", &target, "--terminator", &who, "--media", "0%", "--talk", "10ms"];
        Program::parse_from(words.iter().chain(more)).load
    }

    #[test]
    fn calls_that_are_rare_are_waited_for_to_the_moment() {
        let due = |cps: u64| (0..100).map(|nth| nth * SECOND / cps).collect::<Vec<_>>();
        let gather = Duration::from_micros(500);
        for (cps, next, step, rare) in
            [(2_000, 0, 1, true), (4_000, 0, 1, false), (4_000, 1, 2, true), (4_000, 90, 1, true), (8_000, 1, 2, false)]
        {
            assert_eq!(are_rare(&due(cps), (next, step), gather), rare, "{cps} by {step} from {next}");
        }
    }

    #[test]
    fn a_run_that_is_paused_and_hastened_by_hand_places_its_whole_plan() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let load = load(&["--threads", "2"]);
        let pace = Pace { arrivals: crate::arrivals::Arrivals::Constant, cps: 20.0, span: Duration::from_secs(10) };
        let (plan, reins) = (load.plan(&pace).expect("a plan"), Reins::default());
        let mut speeds = [Some(0.0), None, Some(20.0)].into_iter();
        let mut stood = Vec::new();
        let mut watch = |progress: Option<&Progress>| {
            let Some(progress) = progress else { return };
            stood.push(progress.counts.placed);
            speeds.next().flatten().into_iter().for_each(|speed| reins.pace(speed));
        };
        let summary = load.play(plan, None, &reins, &mut watch).expect("a run").summary;
        assert_eq!((summary.counts.placed, summary.planned, summary.paced_by_hand), (200, 200, 2));
        // What was on its way when it was told to stand is placed a second later; then nothing is.
        assert!(stood[2] == stood[1] && stood[2] < 200, "{stood:?}");
    }

    fn wire() -> Wire {
        let load = load(&[]);
        let pace = Pace { arrivals: crate::arrivals::Arrivals::Constant, cps: 1.0, span: Duration::from_secs(1) };
        let plan = Arc::new(load.plan(&pace).expect("a plan"));
        let board = Arc::new(Board::new(plan.due.len(), false, 1));
        Wire::new(crate::clock::Clock::start(), plan, board, None, load.target, 0).expect("a ring")
    }

    #[test]
    fn messages_that_leave_together_are_heard_one_by_one() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wire = wire();
        let at = "127.0.7.3:0".parse().expect("an address");
        let (speaks, hears) = (wire.listen(at).expect("a socket"), wire.listen(at).expect("another"));
        let said = ["INVITE 1", "INVITE 2", "INVITE 3", "ACK 4", "INVITE 5", "longer 6"].map(str::as_bytes);
        said.iter().for_each(|said| wire.send(speaks, wire.address(hears), said));
        let (mut heard, mut buffer) = (Vec::new(), vec![0; 65_536]);
        while heard.len() < said.len() {
            let soon = wire.tick() + MS;
            wire.wait(soon, u64::MAX).expect("a turn");
            while let Some(Heard { whose, from, length }) = wire.hear(&mut buffer) {
                assert_eq!((whose, from), (Whose::Sip(hears), wire.address(speaks)));
                heard.push(buffer[..length].to_vec());
            }
        }
        assert_eq!(heard, said);
    }

    #[test]
    fn what_came_is_dated_by_the_kernel_however_late_it_is_looked_at() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wire = wire();
        let at = "127.0.7.3:0".parse().expect("an address");
        let socket = wire.listen(at).expect("a socket");
        let peer = UdpSocket::bind(at).expect("another");
        let mut buffer = vec![0; 65_536];
        // The kernel begins to stamp a moment after it was first asked to; until then it says when it was looked at.
        for _ in 0..10_000 {
            let soon = wire.tick() + 1_000;
            wire.wait(soon, u64::MAX).expect("nothing came");
            let before = wire.clock.now();
            peer.send_to(b"x", wire.address(socket)).expect("it is sent");
            let there = wire.clock.now();
            while wire.tick() < there + 2 * MS {
                std::hint::spin_loop();
            }
            wire.wait(there + 20 * MS, u64::MAX).expect("something came");
            assert!(wire.hear(&mut buffer).is_some(), "what was sent on this machine is there");
            if (before..there + MS).contains(&(wire.now + MS / 2)) {
                return;
            }
        }
        panic!("the kernel dated nothing");
    }

    /// Allocations of the whole process, the test's own and that of tests beside it included: a few a second are not ours.
    #[test]
    fn calls_in_a_steady_state_ask_for_no_memory() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let load = load(&[]);
        let pace = Pace { arrivals: crate::arrivals::Arrivals::Constant, cps: 400.0, span: Duration::from_secs(4) };
        let plan = load.plan(&pace).expect("a plan");
        let mut seen: Vec<(u64, usize)> = Vec::with_capacity(64);
        let mut watch = |progress: Option<&Progress>| {
            let placed = progress.map_or(0, |progress| progress.counts.placed);
            seen.push((placed, stats_alloc::INSTRUMENTED_SYSTEM.stats().allocations));
        };
        let outcome = load.play(plan, None, &Reins::default(), &mut watch).expect("a run");
        let summary = outcome.summary;
        assert!(summary.counts.completed > 1_000, "{summary:?}");
        // Past the first second, and in one of those in which no test beside it was busy.
        let mut seconds = seen.windows(2).skip(1).map(|pair| (pair[1].0 - pair[0].0, (pair[1].1 - pair[0].1) as u64));
        let quiet = seconds.any(|(calls, allocations)| calls > 100 && allocations * 4 < calls);
        assert!(quiet, "calls placed and allocations so far, second by second: {seen:?}");
    }
}
