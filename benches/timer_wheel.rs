//! What moving a deadline costs with 60,000 of them live: the shard's wheel against `tokio::time::Sleep::reset`.
//!
//! `cargo bench -p benches --bench timer_wheel`
//!
//! A call moves its deadline with nearly every message. The wheel files a deadline that moved nearer and finds a stale one when it
//! comes due, so its turns, a millisecond each, are part of its time; tokio's timers are only moved, never fired.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use benches::{Finding, Limit};
use shard::table::CallRef;
use shard::wheel::Wheel;
use tokio::time::Sleep;

/// Live deadlines.
const LIVE: usize = 60_000;
/// Deadlines moved in a round.
const MOVES: usize = 300_000;
/// Of these, in each simulated millisecond.
const MOVES_PER_MS: usize = 30;
/// Interleaved rounds; the median counts.
const ROUNDS: usize = 7;
/// Ours in terms of tokio's at most (T11).
const RATIO_MAX: f64 = 0.3;

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// From half a second to RFC 3261's timer B, in microseconds.
    fn wait(&mut self) -> u64 {
        500_000 + self.below(31_500_000)
    }
}

/// The wheel, and of each call what the shard keeps: when it is due and when it comes out.
struct Ours {
    wheel: Wheel,
    due: Vec<u64>,
    filed: Vec<u64>,
    micros: u64,
    out: Vec<CallRef>,
    fired: u64,
}

impl Ours {
    fn new(chance: &mut Chance) -> Ours {
        let mut ours = Ours {
            wheel: Wheel::default(),
            due: vec![0; LIVE],
            filed: vec![0; LIVE],
            micros: 0,
            out: Vec::new(),
            fired: 0,
        };
        for call in 0..LIVE {
            ours.file(call, chance.wait());
        }
        ours
    }

    fn file(&mut self, call: usize, due: u64) {
        self.due[call] = due;
        let filed = self.wheel.file(units::Instant::from_micros(due), CallRef::new(call as u32, 0));
        self.filed[call] = filed.micros();
    }

    fn round(&mut self, chance: &mut Chance) -> f64 {
        let began = Instant::now();
        for step in 0..MOVES {
            let (call, due) = (chance.below(LIVE as u64) as usize, self.micros + chance.wait());
            if due < self.filed[call] {
                self.file(call, due);
            } else {
                self.due[call] = due;
            }
            if step % MOVES_PER_MS == 0 {
                self.turn(chance);
            }
        }
        began.elapsed().as_nanos() as f64 / MOVES as f64
    }

    fn turn(&mut self, chance: &mut Chance) {
        self.micros += 1_000;
        let mut out = std::mem::take(&mut self.out);
        self.wheel.turn(units::Instant::from_micros(self.micros), &mut out);
        for at in out.drain(..) {
            let call = at.slot() as usize;
            // The shard's rule: what moved later is filed anew, what is due is done.
            if self.filed[call] > self.micros {
                continue;
            }
            let due = if self.due[call] > self.micros { self.due[call] } else { self.micros + chance.wait() };
            self.fired += u64::from(self.due[call] <= self.micros);
            self.file(call, due);
        }
        self.out = out;
    }
}

struct Tokio {
    sleeps: Vec<Pin<Box<Sleep>>>,
}

impl Tokio {
    fn new(chance: &mut Chance) -> Tokio {
        let mut sleeps: Vec<_> = (0..LIVE)
            .map(|_| Box::pin(tokio::time::sleep(Duration::from_micros(100_000_000 + chance.wait()))))
            .collect();
        let mut context = Context::from_waker(Waker::noop());
        for sleep in &mut sleeps {
            let _ = sleep.as_mut().poll(&mut context);
        }
        Tokio { sleeps }
    }

    fn round(&mut self, chance: &mut Chance) -> f64 {
        let began = Instant::now();
        let now = tokio::time::Instant::now() + Duration::from_secs(100);
        for _ in 0..MOVES {
            let (sleep, due) = (chance.below(LIVE as u64) as usize, now + Duration::from_micros(chance.wait()));
            self.sleeps[sleep].as_mut().reset(due);
        }
        began.elapsed().as_nanos() as f64 / MOVES as f64
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _inside = runtime.enter();
    let mut chance = Chance(3);
    let (mut ours, mut tokio) = (Ours::new(&mut chance), Tokio::new(&mut chance));
    let (mut own, mut other) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        own.push(ours.round(&mut chance));
        other.push(tokio.round(&mut chance));
    }
    assert!(ours.fired > 0, "some deadlines came");
    let moved = Finding::alone("T11", "moving one of 60,000 deadlines", "ns", own.clone(), Limit::Ratio(RATIO_MAX));
    moved.beside("tokio Sleep::reset", &other).say();
    let (own, other) = (median(own), median(other));
    let verdict = if own / other <= RATIO_MAX { "met" } else { "MISSED" };
    println!("moving one of {LIVE} deadlines, median of {ROUNDS} interleaved rounds");
    println!("wheel {own:.1} ns   tokio Sleep::reset {other:.1} ns   ratio {:.2}", own / other);
    println!("target <= {RATIO_MAX} x tokio Sleep::reset: {verdict}");
}
