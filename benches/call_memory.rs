//! What a held call costs in memory: calls that were answered and acknowledged, in one shard without sockets.
//!
//! `cargo bench -p benches --bench call_memory`
//!
//! Counted are the bytes that the shard has allocated and not given back, at the moment of the answer and again once the
//! transactions of the set-up are over, less what the empty shard has. Nothing is counted for media: no packet comes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use panel::wire::{Reply, Want};
use shard::guard::Settings;
use shard::{Config, Effect, Effects, Loaded, Shard};
use sim::message::{self, Request};
use sim::prices;
use units::{Clock, Instant, WallTime};

/// Bytes of a held call at most, once its set-up is over.
const BYTES_MAX: usize = 8 << 10;
/// How many calls are held.
const HELD: [usize; 2] = [1_000, 10_000];
/// Longer than the transactions of a set-up: 64·T1 and a little.
const SETTLED_US: u64 = 40_000_000;

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

#[allow(unsafe_code, reason = "a yardstick that counts what the system's allocator is asked")]
// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A shard, the time, and the INVITEs and answers that it sent and nobody took yet.
struct World {
    shard: Shard,
    now: u64,
    out: Effects,
    sent: Vec<(SocketAddr, String)>,
}

impl World {
    fn new() -> World {
        let guard = Settings { pair_per_s: 0, ..Settings::default() };
        let shard = Shard::new(Config { port_low: 2_000, port_high: 65_533, guard, ..sim::plain_config() });
        let mut world = World { shard, now: 1_000_000, out: Effects::default(), sent: Vec::new() };
        let mut model = prices::model(1);
        // Nothing but memory may bound the calls.
        model.egress_trunks.iter_mut().for_each(|trunk| trunk.capacity = 0);
        model.ingress_trunks.iter_mut().for_each(|trunk| (trunk.capacity, trunk.max_duration_s) = (0, 7_200));
        let loaded = Loaded::new(Arc::new(model.encode().expect("a sound model"))).expect("sound policies");
        world.turn(|shard, clock, out| drop(shard.on_snapshot(clock, loaded, out)));
        world
    }

    fn turn(&mut self, act: impl FnOnce(&mut Shard, Clock, &mut Effects)) {
        let wall = WallTime::from_micros(1_700_000_000_000_000 + self.now as i64);
        let clock = Clock { now: Instant::from_micros(self.now), wall };
        act(&mut self.shard, clock, &mut self.out);
        while !self.out.list.is_empty() {
            let (list, bytes) = (std::mem::take(&mut self.out.list), std::mem::take(&mut self.out.bytes));
            for effect in list {
                match effect {
                    Effect::Sip { to, bytes: range } => {
                        self.sent.push((to.remote, String::from_utf8_lossy(&bytes[range]).into_owned()));
                    }
                    Effect::Journal { ticket, .. } => self.shard.on_journaled(clock, ticket, &mut self.out),
                    Effect::Want(Want::Grant { grant, account, want }) => {
                        self.shard.on_reply(clock, Reply::Granted { grant, account, amount: want }, &mut self.out);
                    }
                    Effect::Want(Want::Close { grant, .. }) => {
                        self.shard.on_reply(clock, Reply::Closed { grant }, &mut self.out);
                    }
                    _ => {}
                }
            }
        }
    }

    fn hear(&mut self, from: SocketAddr, text: &str) -> Vec<(SocketAddr, String)> {
        self.turn(|shard, clock, out| shard.on_sip(clock, from.into(), text.as_bytes(), out));
        std::mem::take(&mut self.sent)
    }

    /// One call from INVITE to ACK.
    fn call(&mut self, index: usize) {
        let (local, target) = (prices::originator_address(0), "sip:331555555@127.0.0.1:5060");
        let (from, to) = (format!("<sip:1646{index:08}@{local}>;tag=c{index}"), format!("<{target}>"));
        let (call_id, branch) = (format!("{index}-memory@{local}"), format!("m{index}"));
        let sdp = message::sdp(SocketAddr::new(local.ip(), 4_000));
        let mut text = String::new();
        let ask = Request {
            method: "INVITE",
            uri: target,
            local,
            branch: &branch,
            from: &from,
            to: &to,
            call_id: &call_id,
            cseq: 1,
            routes: &[],
            body: &sdp,
        };
        message::request(&mut text, &ask);
        let sent = self.hear(local, &text);
        let (terminator, invite) = sent.iter().find(|(_, text)| text.starts_with("INVITE")).expect("it is passed on");
        let seen = message::read(invite.as_bytes()).expect("an INVITE");
        let sdp = message::sdp(SocketAddr::new(terminator.ip(), 4_000));
        message::response(&mut text, &seen, 200, "t", *terminator, &sdp);
        let sent = self.hear(*terminator, &text);
        let (_, answer) = sent.iter().find(|(to, _)| *to == local).expect("the answer is passed on");
        let seen = message::read(answer.as_bytes()).expect("an answer");
        let mut ack = String::new();
        let branch = format!("a{index}");
        message::request(&mut ack, &Request { method: "ACK", to: seen.to, branch: &branch, body: "", ..ask });
        self.hear(local, &ack);
        self.now += 1_000;
    }

    fn pass(&mut self, micros: u64) {
        let end = self.now + micros;
        while let Some(due) = self.shard.deadline().map(Instant::micros).filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.turn(|shard, clock, out| shard.on_time(clock, out));
            self.sent.clear();
        }
        self.now = end;
    }
}

/// Bytes a call: just answered, and once its set-up is over.
fn measure(held: usize) -> (usize, usize) {
    let mut world = World::new();
    world.pass(1_000_000);
    let empty = LIVE.load(Ordering::Relaxed);
    let each = |live: usize| live.saturating_sub(empty) / held;
    (0..held).for_each(|index| world.call(index));
    world.sent = Vec::new();
    assert_eq!(world.shard.figures().answered as usize, held, "every call is answered");
    let answered = each(LIVE.load(Ordering::Relaxed));
    world.pass(SETTLED_US);
    assert_eq!(world.shard.figures().answered as usize, held, "every call is held");
    world.sent = Vec::new();
    (answered, each(LIVE.load(Ordering::Relaxed)))
}

fn main() {
    let mut met = true;
    println!("bytes of a call in a shard's memory (`Call` itself has {})", size_of::<call::Call>());
    for held in HELD {
        let (answered, settled) = measure(held);
        met &= settled <= BYTES_MAX;
        println!("{held:>6} calls: {answered} just answered, {settled} held");
    }
    println!("target of a held call: <= {BYTES_MAX} bytes: {}", if met { "met" } else { "MISSED" });
}
