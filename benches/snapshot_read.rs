//! What it costs to know the snapshot in force while ten thousand others come each second: ours against shared pointers.
//!
//! `cargo bench -p benches --bench snapshot_read`
//!
//! A shard owns what it decides from: it looks into its ring once a turn and reads in place. Here it looks before every read, which no
//! shard does, and once every 64, as under load. The yardsticks are an `Arc` that readers clone under a lock of either kind. Counted is
//! the processor time of the reading thread, which a busy machine disturbs less than the clock.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use benches::{Finding, Limit};
use rustix::time::{ClockId, clock_gettime};
use shard::Loaded;

/// Reads of a round.
const READS: u64 = 5_000_000;
/// Interleaved rounds; the median counts.
const ROUNDS: usize = 5;
/// Between two publications.
const PERIOD: Duration = Duration::from_micros(100);
/// Nanoseconds of a read at most (T10).
const NS_MAX: f64 = 2.0;

fn loaded(revision: u64) -> Loaded {
    let model = snapshot::Model { revision: units::Revision(revision), ..sim::prices::model(1) };
    Loaded::new(Arc::new(model.encode().expect("a sound model"))).expect("sound policies")
}

fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Publishes at ten thousand a second until told to stop; how often it did.
fn writer(stop: Arc<AtomicBool>, mut publish: impl FnMut(Loaded) + Send + 'static) -> std::thread::JoinHandle<u64> {
    std::thread::spawn(move || {
        let (one, other) = (loaded(1), loaded(2));
        let (began, mut count) = (Instant::now(), 0_u32);
        while !stop.load(Ordering::Relaxed) {
            publish(if count.is_multiple_of(2) { one.clone() } else { other.clone() });
            count += 1;
            while began.elapsed() < PERIOD * count && !stop.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        }
        u64::from(count)
    })
}

/// Nanoseconds a read, and publications meanwhile.
fn timed(publish: impl FnMut(Loaded) + Send + 'static, mut read: impl FnMut(u64) -> u64) -> (f64, u64) {
    let stop = Arc::new(AtomicBool::new(false));
    let writer = writer(stop.clone(), publish);
    let (began, mut sum) = (cpu_ns(), 0_u64);
    for round in 0..READS {
        sum = sum.wrapping_add(read(round));
    }
    let spent = cpu_ns() - began;
    black_box(sum);
    stop.store(true, Ordering::Relaxed);
    (spent / READS as f64, writer.join().expect("the writer stands"))
}

/// The floor: nobody ever changes it.
fn unchanging() -> (f64, u64) {
    let held = loaded(1);
    timed(drop, move |_| black_box(&held).view().revision().0)
}

/// A shard's way: looks into the ring before each read whose number is a multiple of `EVERY`.
fn ours<const EVERY: u64>() -> (f64, u64) {
    let (mut orders, mut inbox) = rtrb::RingBuffer::<Loaded>::new(4_096);
    let (mut back, mut old) = rtrb::RingBuffer::<Loaded>::new(4_096);
    let mut held = loaded(1);
    let publish = move |loaded| {
        while old.pop().is_ok() {}
        let _ = orders.push(loaded);
    };
    timed(publish, move |round| {
        if round.is_multiple_of(EVERY)
            && let Ok(fresh) = inbox.pop()
        {
            let before = std::mem::replace(&mut held, fresh);
            let _ = back.push(before);
        }
        black_box(&held).view().revision().0
    })
}

fn read_write_lock() -> (f64, u64) {
    let shared = Arc::new(RwLock::new(Arc::new(loaded(1))));
    let own = shared.clone();
    let publish = move |loaded| *shared.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
    timed(publish, move |_| {
        let held = own.read().unwrap_or_else(PoisonError::into_inner).clone();
        held.view().revision().0
    })
}

fn mutex() -> (f64, u64) {
    let shared = Arc::new(Mutex::new(Arc::new(loaded(1))));
    let own = shared.clone();
    let publish = move |loaded| *shared.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
    timed(publish, move |_| {
        let held = own.lock().unwrap_or_else(PoisonError::into_inner).clone();
        held.view().revision().0
    })
}

fn median(rounds: &[(f64, u64)]) -> (f64, u64) {
    let mut sorted = rounds.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    sorted[sorted.len() / 2]
}

/// A way to read, by name; a round gives nanoseconds a read and what was read.
type Way = (&'static str, fn() -> (f64, u64));

fn main() {
    let ways: [Way; 5] = [
        ("ours, the ring looked at every 64 reads", ours::<64>),
        ("ours, the ring looked at every read", ours::<1>),
        ("an Arc in a read-write lock, cloned", read_write_lock),
        ("an Arc in a mutex, cloned", mutex),
        ("one that never changes", unchanging),
    ];
    let mut rounds = vec![Vec::new(); ways.len()];
    for _ in 0..ROUNDS {
        for (place, (_, way)) in ways.iter().enumerate() {
            rounds[place].push(way());
        }
    }
    for (place, (name, _)) in ways.iter().enumerate() {
        let (ns, published) = median(&rounds[place]);
        println!("{name:<42}{ns:8.2} ns a read, {published} publications in {READS} reads");
    }
    let ns = |place: usize| rounds[place].iter().map(|(ns, _)| *ns).collect::<Vec<f64>>();
    let read = Finding::alone("T10", "a read, the ring looked at every 64", "ns", ns(0), Limit::Most(NS_MAX));
    read.beside("one that never changes", &ns(4)).say();
    let met = median(&rounds[0]).0 <= NS_MAX;
    println!("target of a read (T10): <= {NS_MAX} ns: {}", if met { "met" } else { "MISSED" });
}
