//! A core on paper is offered five times what it can do. It goes on doing nearly all that it can, answers the rest in time,
//! and is itself again within a second.

mod world;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shard::guard::{LAG_MAX_MS, Settings};
use world::{ORIGINATOR, SDP, STRANGER, TERMINATOR, World, header, invite, reply, request, status};

/// What a core takes for things, in microseconds.
#[derive(Clone, Copy)]
struct Costs {
    /// A whole call.
    call: u64,
    /// Refusing one, with the ACK that follows.
    refusal: u64,
}

/// A call that talks for three and a half seconds: 350 media packets of 5 µs and 250 µs of signalling; a refusal is three datagrams,
/// the kernel's share included.
const WITH_MEDIA: Costs = Costs { call: 2_000, refusal: 16 };
/// A call without any media, on a core that is eight times slower.
const SIGNALLING: Costs = Costs { call: 2_000, refusal: 128 };

/// How long a terminator thinks, how long a call talks.
const RING_US: u64 = 10_000;
const TALK_US: u64 = 300_000;
const SECOND: u64 = 1_000_000;

/// Calls a second in each of the phases, in per cent of the capacity, and how long a phase lasts.
const PHASES: [(u64, u64); 3] = [(80, SECOND), (500, 4 * SECOND), (60, 2 * SECOND)];

#[derive(Default)]
struct Tally {
    placed: BTreeMap<String, u64>,
    refused: BTreeMap<String, u64>,
    answered: BTreeSet<String>,
    done: Vec<u64>,
    waits: BTreeSet<String>,
    lag_us: u64,
}

/// The network's memory: what is on its way, and what waits at the core.
struct Core {
    world: World,
    on_the_way: BTreeMap<(u64, u64), (&'static str, String)>,
    queue: VecDeque<(u64, &'static str, String)>,
    count: u64,
    costs: Costs,
    tally: Tally,
}

impl Core {
    fn send(&mut self, at: u64, from: &'static str, text: String) {
        self.count += 1;
        self.on_the_way.insert((at, self.count), (from, text));
    }

    /// Works until all is done: one message after the other, each for as long as it costs.
    fn run(&mut self) {
        loop {
            let now = self.world.now_us;
            while self.on_the_way.first_key_value().is_some_and(|((at, _), _)| *at <= now) {
                if let Some(((at, _), (from, text))) = self.on_the_way.pop_first() {
                    self.queue.push_back((at, from, text));
                }
            }
            let Some((came, from, text)) = self.queue.pop_front() else {
                let Some((at, _)) = self.on_the_way.first_key_value().map(|(key, _)| *key) else { return };
                self.world.pass((at - now).div_ceil(1_000));
                continue;
            };
            self.tally.lag_us = self.tally.lag_us.max(now - came);
            self.work(now - came, from, &text);
        }
    }

    fn work(&mut self, lag_us: u64, from: &'static str, text: &str) {
        let clock = self.world.clock();
        self.world.shard.on_load(clock, (lag_us / LAG_MAX_MS) as u32);
        let sent = self.world.hear(from, text.as_bytes());
        let refused = sent.iter().any(|(_, text)| status(text) == Some(503));
        self.world.now_us += match text.split(' ').next() {
            Some("INVITE") if refused => self.costs.refusal * 3 / 4,
            Some("INVITE") => self.costs.call / 2,
            Some("ACK") if !self.tally.answered.contains(call_of(text)) => self.costs.refusal / 4,
            Some("SIP/2.0") if text.contains("CSeq: 1 INVITE") => self.costs.call / 4,
            // ACK, BYE and its answer.
            _ => self.costs.call / 12,
        };
        for (to, text) in sent {
            self.deliver(to == TERMINATOR.parse().expect("an address"), &text);
        }
    }

    /// What the others do about a message of ours.
    fn deliver(&mut self, to_terminator: bool, text: &str) {
        let now = self.world.now_us;
        let (number, call) = (header(text, "CSeq").unwrap_or_default(), call_of(text).to_owned());
        match (to_terminator, status(text), number) {
            (true, None, _) if text.starts_with("INVITE") => {
                self.send(now + RING_US, TERMINATOR, reply(text, "200 OK", "ours", SDP));
            }
            (true, None, _) if text.starts_with("BYE") => {
                self.send(now + 1_000, TERMINATOR, reply(text, "200 OK", "", ""))
            }
            (false, Some(200), "1 INVITE") => {
                self.tally.answered.insert(call);
                self.send(now + 1_000, ORIGINATOR, request(text, "ACK", 1));
                self.send(now + TALK_US, ORIGINATOR, request(text, "BYE", 2));
            }
            (false, Some(200), _) => self.tally.done.push(now),
            (false, Some(503), _) => {
                self.tally.refused.insert(call, now);
                self.tally.waits.insert(header(text, "Retry-After").expect("a 503 says when to come back").to_owned());
                self.send(now + 1_000, ORIGINATOR, request(text, "ACK", 1));
            }
            _ => {}
        }
    }
}

fn call_of(text: &str) -> &str {
    header(text, "Call-ID").unwrap_or_default()
}

/// Runs all phases; the moments at which they end.
fn run(costs: Costs) -> (Core, Vec<u64>) {
    let world = World::new(Settings { pair_waiting_max: 0, ..Settings::default() });
    let (mut at, mut ends) = (world.now_us, Vec::new());
    let (on_the_way, queue) = (BTreeMap::new(), VecDeque::new());
    let mut core = Core { world, on_the_way, queue, count: 0, costs, tally: Tally::default() };
    for (percent, length) in PHASES {
        let end = at + length;
        while at < end {
            let name = format!("c{at}");
            core.tally.placed.insert(format!("{name}@192.0.2.60"), at);
            core.send(at, ORIGINATOR, invite(&name));
            at += costs.call * 100 / percent;
        }
        ends.push(end);
    }
    core.run();
    (core, ends)
}

/// Calls done while overloaded, per cent of what the core could do if it did nothing else.
fn goodput(core: &Core, ends: &[u64]) -> u64 {
    let overload = ends[0] + SECOND..ends[1];
    let done = core.tally.done.iter().filter(|at| overload.contains(at)).count() as u64;
    done * core.costs.call * 100 / (overload.end - overload.start)
}

#[test]
fn five_times_the_load_leaves_nearly_all_of_the_capacity_and_nobody_waits() {
    let (core, ends) = run(WITH_MEDIA);
    let (tally, percent) = (&core.tally, goodput(&core, &ends));
    assert!(percent >= 95, "{percent} % of the calls that were possible");
    assert!(tally.lag_us < 100_000, "nothing waits so long that it is sent again: {} µs", tally.lag_us);

    let answered_or_refused = tally.answered.len() + tally.refused.len();
    assert_eq!(answered_or_refused, tally.placed.len(), "every INVITE gets its answer");
    assert_eq!(tally.done.len(), tally.answered.len(), "whatever belongs to a call goes on");
    let refused_early = tally.refused.values().filter(|at| **at <= ends[0]).count();
    let refused_late = tally.refused.keys().filter(|call| tally.placed[*call] >= ends[1] + SECOND).count();
    assert_eq!((refused_early, refused_late), (0, 0), "full service before, and a second after");
    let waits: Vec<u64> = tally.waits.iter().map(|wait| wait.parse().expect("seconds")).collect();
    assert!(waits.len() > 5 && waits.iter().all(|wait| (5..=15).contains(wait)), "{waits:?}");
}

#[test]
fn without_media_refusals_cost_their_share_and_no_more() {
    let (core, ends) = run(SIGNALLING);
    let percent = goodput(&core, &ends);
    // A refusal costs r = 6.4 % of a call, so (1 - 5 r) / (1 - r) = 72.6 % is all that arithmetic leaves.
    assert!(percent >= 71, "{percent} % of the calls that were possible");
    assert!(core.tally.lag_us < 100_000, "{} µs", core.tally.lag_us);
}

#[test]
fn a_stranger_is_silenced_before_any_peer_is_refused() {
    let mut world = World::default();
    let clock = world.clock();
    world.shard.on_load(clock, 600);
    assert_eq!(world.hear(STRANGER, invite("x").as_bytes()), []);
    world.good_call("peer");
    assert_eq!((world.counter("sip_silenced"), world.counter("sip_overload")), (1, 0));
}

#[test]
fn what_waited_while_the_process_stood_still_begins_no_call() {
    let mut world = World::default();
    let call = world.hear(ORIGINATOR, invite("before").as_bytes());
    assert!(!call.is_empty(), "it begins");
    let clock = world.clock();
    world.shard.on_stood_still(clock);
    assert_eq!(world.hear(ORIGINATOR, invite("stale").as_bytes()), []);
    assert!(!world.hear(ORIGINATOR, invite("before").as_bytes()).is_empty(), "a repeat of what had begun is answered");
    assert_eq!((world.counter("sip_overload"), world.counter("calls_begun")), (1, 1));
    world.pass(200);
    world.good_call("stale");
}
