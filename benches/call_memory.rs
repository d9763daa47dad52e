//! What a held call costs in memory: calls that were answered and acknowledged, in one shard without sockets.
//!
//! `cargo bench -p benches --bench call_memory`
//!
//! Counted are the bytes that the shard has allocated and not given back, at the moment of the answer and again once the
//! transactions of the set-up are over, less what the empty shard has. Nothing is counted for media: no packet comes.

#[allow(dead_code, reason = "another bench uses the rest")]
mod caller;
mod live_bytes;

use std::sync::Arc;

use benches::{Finding, Limit};
use caller::World;
use shard::Loaded;
use sim::prices;

/// Bytes of a held call at most, once its set-up is over.
const BYTES_MAX: usize = 8 << 10;
/// How many calls are held.
const HELD: [usize; 2] = [1_000, 10_000];
/// Longer than the transactions of a set-up: 64·T1 and a little.
const SETTLED_US: u64 = 40_000_000;

/// Bytes a call: just answered, and once its set-up is over.
fn measure(held: usize) -> (usize, usize) {
    let image = caller::model(1).encode().expect("a sound model");
    let mut world = World::new(Loaded::new(Arc::new(image)).expect("sound policies"));
    world.pass(1_000_000);
    let empty = live_bytes::live();
    let each = |live: usize| live.saturating_sub(empty) / held;
    for index in 0..held {
        let sent = world.hear(prices::originator_address(0), &World::invite(index));
        world.answer(index, &sent);
        world.now += 1_000;
    }
    world.sent = Vec::new();
    assert_eq!(world.shard.figures().answered as usize, held, "every call is answered");
    let answered = each(live_bytes::live());
    world.pass(SETTLED_US);
    assert_eq!(world.shard.figures().answered as usize, held, "every call is held");
    world.sent = Vec::new();
    (answered, each(live_bytes::live()))
}

fn main() {
    let mut met = true;
    println!("bytes of a call in a shard's memory (`Call` itself has {})", size_of::<call::Call>());
    for held in HELD {
        let (answered, settled) = measure(held);
        met &= settled <= BYTES_MAX;
        let what = format!("a held call, {held} of them");
        Finding::alone("MEM", &what, "bytes", vec![settled as f64], Limit::Most(BYTES_MAX as f64)).say();
        println!("{held:>6} calls: {answered} just answered, {settled} held");
    }
    println!("target of a held call: <= {BYTES_MAX} bytes: {}", if met { "met" } else { "MISSED" });
}
