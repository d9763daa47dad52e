//! What handing work from one shard's thread to another costs under load: a ring of `rtrb` and a doorbell that is rung only for a
//! sleeper, against `crossbeam-channel`.
//!
//! `cargo bench -p benches --bench handover`
//!
//! The sender works in turns of some parcels, as a shard does; the receiver takes all that is there, then sleeps, in the ring's own
//! wait or in the channel's `recv`. Counted is the processor time of both threads, which a busy machine disturbs less than the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use benches::{Finding, Limit};
use rustix::time::{ClockId, clock_gettime};
use uring::{Doorbell, Ring, Settings};

/// Parcels of a round.
const PARCELS: u64 = 1_000_000;
/// Parcels of one turn of the sender.
const TURN: u64 = 64;
/// Slots of either queue.
const SLOTS: usize = 4_096;
/// Interleaved rounds; the median counts.
const ROUNDS: usize = 5;
/// Ours in terms of the channel's at most (T12).
const RATIO_MAX: f64 = 0.5;

/// What crosses: as large as the box that a real parcel is in, which either queue would have to carry.
type Parcel = u64;

fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// What a receiver does with a parcel: checks that none was lost or overtaken.
struct Order(u64);

impl Order {
    fn take(&mut self, parcel: Parcel) {
        assert_eq!(parcel, self.0, "parcels come in order");
        self.0 += 1;
    }
}

/// Wake-ups and drained batches of the rings' rounds.
#[derive(Default)]
struct Wakes {
    wakes: AtomicU64,
    batches: AtomicU64,
}

fn through_ring(wakes: &Arc<Wakes>) -> f64 {
    let bell = Doorbell::new().expect("an event descriptor");
    let (mut send, mut receive) = rtrb::RingBuffer::<Parcel>::new(SLOTS);
    let ready = Arc::new(AtomicBool::new(false));
    let (heard, told, counts) = (bell.clone(), ready.clone(), wakes.clone());
    let receiver = thread::spawn(move || {
        let mut ring = Ring::new(&Settings::fitting(), heard).expect("an io_uring");
        told.store(true, Ordering::Release);
        let mut order = Order(0);
        while order.0 < PARCELS {
            let before = order.0;
            while let Ok(parcel) = receive.pop() {
                order.take(parcel);
            }
            counts.batches.fetch_add(u64::from(order.0 > before), Ordering::Relaxed);
            ring.fall_asleep();
            let limit = if receive.is_empty() && order.0 < PARCELS { Duration::from_secs(1) } else { Duration::ZERO };
            ring.wait(limit).expect("the ring waits");
            while ring.event().is_some() {}
            // A round begins asleep, before anything was sent.
            counts.wakes.fetch_add(u64::from(!limit.is_zero() && order.0 > 0), Ordering::Relaxed);
        }
    });
    until(&ready);
    let began = cpu_ns();
    for turn in 0..PARCELS / TURN {
        for number in turn * TURN..(turn + 1) * TURN {
            let mut parcel = number;
            while let Err(rtrb::PushError::Full(back)) = send.push(parcel) {
                parcel = back;
                bell.ring();
                thread::yield_now();
            }
        }
        bell.ring();
    }
    receiver.join().expect("the receiver ends");
    (cpu_ns() - began) / PARCELS as f64
}

fn through_channel() -> f64 {
    let (send, receive) = crossbeam_channel::bounded::<Parcel>(SLOTS);
    let ready = Arc::new(AtomicBool::new(false));
    let told = ready.clone();
    let receiver = thread::spawn(move || {
        told.store(true, Ordering::Release);
        let mut order = Order(0);
        while order.0 < PARCELS {
            let first = receive.recv().expect("the sender lives");
            order.take(first);
            receive.try_iter().for_each(|parcel| order.take(parcel));
        }
    });
    until(&ready);
    let began = cpu_ns();
    (0..PARCELS).for_each(|number| send.send(number).expect("the receiver lives"));
    receiver.join().expect("the receiver ends");
    (cpu_ns() - began) / PARCELS as f64
}

fn until(ready: &AtomicBool) {
    while !ready.load(Ordering::Acquire) {
        thread::yield_now();
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn main() {
    let wakes = Arc::new(Wakes::default());
    let (mut own, mut other) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        own.push(through_ring(&wakes));
        other.push(through_channel());
    }
    let crossed = Finding::alone("T12", "a parcel from shard to shard", "ns", own.clone(), Limit::Ratio(RATIO_MAX));
    crossed.beside("crossbeam-channel", &other).say();
    let (own, other) = (median(own), median(other));
    let (woken, batches) = (wakes.wakes.load(Ordering::Relaxed), wakes.batches.load(Ordering::Relaxed));
    let verdict = if own / other <= RATIO_MAX && woken <= batches { "met" } else { "MISSED" };
    println!("{PARCELS} parcels from one thread to another, processor time, median of {ROUNDS} interleaved rounds");
    println!("ring and doorbell {own:.1} ns   crossbeam-channel {other:.1} ns   ratio {:.2}", own / other);
    let each = vec![woken as f64 / batches.max(1) as f64; ROUNDS];
    Finding::alone("T12", "wake-ups of a drained batch, all rounds together", "", each, Limit::Most(1.0)).say();
    println!("wake-ups {woken}, drained batches {batches}");
    println!("target <= {RATIO_MAX} x crossbeam-channel, at most one wake-up a batch: {verdict}");
}
