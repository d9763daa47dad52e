//! Several nodes with one carrier's limits, and a store of their words: questions and answers are late, lost or done without anybody
//! hearing of it, nodes die, come back and are cut off. Everything from a seed.

use std::collections::{BTreeMap, VecDeque};

use call::effect::{Place, Trunk};
use rating::quality::Over;
use shard::book::{Allowed, Book, Entry, Holder, Limits, Order};
use shard::parts::{CLAIM_S, Key, Kind, Parts, Sharing, Told, Used, Word, sure_until};
use shard::table::CallRef;
use units::{CarrierId, IngressTrunkId, Instant, NodeId, PlanId, ShardId};

const TICK_MS: u64 = 50;
const HEALED_MS: u64 = 20_000;
/// From here on all of the limit must be found in use at some moment.
const CALM_MS: u64 = 45_000;
const END_MS: u64 = 90_000;
/// A question without an answer is given up.
const PATIENCE_MS: u64 = 2_000;
const CARRIER: CarrierId = CarrierId(7);

/// Chance from a seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What a word was made from, and under which life's name it is written.
#[derive(Clone)]
struct Write {
    node: u16,
    lease: u64,
    own: u64,
    turn: Option<u64>,
    word: Word,
}

/// What a question found.
#[derive(Clone)]
struct Page {
    lease: u64,
    own: u64,
    turn: u64,
    words: BTreeMap<NodeId, Word>,
}

/// The store, as etcd keeps it.
#[derive(Default)]
struct Store {
    revision: u64,
    turn: u64,
    granted: u64,
    words: BTreeMap<u16, (u64, u64, Word)>,
    leases: BTreeMap<u64, u64>,
}

impl Store {
    fn expire(&mut self, ms: u64) {
        self.leases.retain(|_, until| *until > ms);
        let leases = &self.leases;
        self.words.retain(|_, (_, lease, _)| leases.contains_key(lease));
    }

    fn read(&mut self, ms: u64, node: u16, lease: u64) -> Page {
        let lease = if self.leases.contains_key(&lease) { lease } else { self.granted + 1 };
        self.granted = self.granted.max(lease);
        self.leases.insert(lease, ms + CLAIM_S * 1_000);
        let words = self.words.iter().map(|(node, (_, _, word))| (NodeId(*node), word.clone())).collect();
        let own = self.words.get(&node).map_or(0, |(revision, _, _)| *revision);
        Page { lease, own, turn: self.turn, words }
    }

    fn write(&mut self, write: &Write) -> bool {
        let own = self.words.get(&write.node).map_or(0, |(revision, _, _)| *revision);
        let stands = own == write.own && write.turn.is_none_or(|turn| turn == self.turn);
        if !stands || !self.leases.contains_key(&write.lease) {
            return false;
        }
        self.revision += 1;
        if write.turn.is_some() {
            self.turn = self.revision;
        }
        self.words.insert(write.node, (self.revision, write.lease, write.word.clone()));
        true
    }
}

/// Where a node is in its round.
enum Step {
    Idle {
        until: u64,
    },
    /// A question is at the store, or lost on its way there or back: the answer comes then, if it comes.
    Asked {
        asked: u64,
        answer: Option<(u64, Page)>,
    },
    /// The shards hear of it then.
    Ordered {
        at: u64,
        parts: Parts,
    },
    Telling {
        asked: u64,
        answer: Option<(u64, bool)>,
    },
}

struct Site {
    node: u16,
    is_up: bool,
    sharing: Sharing,
    book: Book,
    calls: u32,
    step: Step,
    page: Option<Page>,
    lease: u64,
    until: Instant,
    parts: Parts,
    /// Its claims ended while calls ran that are counted against nobody's claim since.
    was_lost: bool,
    wanted: u32,
    cut_until: u64,
    back_at: u64,
    leaves_until: u64,
}

impl Site {
    fn new(node: u16, limits: &BTreeMap<Key, u32>) -> Site {
        let mut sharing = Sharing::new(NodeId(node));
        sharing.on_limits(limits.clone());
        // Before it heard anything it may use nothing.
        let nothing =
            Parts { until: Instant::default(), nodes: 0, rank: 0, goes_on: false, of: std::sync::Arc::default() };
        let mut book = Book::new(NodeId(node), 1, ShardId(0), 1);
        book.on_parts(Instant::default(), nothing.clone());
        Site {
            node,
            is_up: true,
            sharing,
            book,
            calls: 0,
            step: Step::Idle { until: 0 },
            page: None,
            lease: 0,
            until: Instant::default(),
            parts: nothing,
            was_lost: false,
            wanted: 0,
            cut_until: 0,
            back_at: 0,
            leaves_until: 0,
        }
    }
}

pub struct World {
    chance: Chance,
    /// Words often come late.
    is_slow: bool,
    ms: u64,
    allowed: Allowed,
    limits: BTreeMap<Key, u32>,
    store: Store,
    sites: Vec<Site>,
    /// Words that reach the store later, by when.
    late: Vec<(u64, Write)>,
    /// When calls were taken, within the last second.
    recent: VecDeque<u64>,
}

fn key(kind: Kind) -> Key {
    Key { of: Holder::Originator(CARRIER), kind }
}

fn place() -> Place {
    Place { trunk: Trunk::Ingress(IngressTrunkId(1)), carrier: CARRIER, originator: CARRIER }
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut chance = Chance(seed);
        let (calls, cps) = (1 + chance.below(16) as u32, 1 + chance.below(10) as u32);
        let limits = BTreeMap::from([(key(Kind::Calls), calls), (key(Kind::Recent), cps)]);
        let carrier = Limits { capacity: calls, cps, window_s: 1 };
        let sites = (1..=2 + chance.below(3) as u16).map(|node| Site::new(node, &limits)).collect();
        let allowed = Allowed { carrier, ..Allowed::default() };
        let is_slow = chance.percent(40);
        World {
            chance,
            is_slow,
            ms: 0,
            allowed,
            limits,
            store: Store::default(),
            sites,
            late: Vec::new(),
            recent: VecDeque::new(),
        }
    }

    /// Plays the story; why it is not what limits promise.
    pub fn play(mut self) -> Result<(), String> {
        while self.ms < END_MS {
            self.ms += TICK_MS;
            self.keep_store();
            for place in 0..self.sites.len() {
                self.trouble(place);
                if self.sites[place].is_up {
                    self.step(place);
                    self.call(place);
                }
            }
            self.check().map_err(|why| format!("{} ms: {why}", self.ms))?;
            if self.ms > CALM_MS && self.check_end().is_ok() {
                return Ok(());
            }
        }
        self.check_end()
    }

    fn keep_store(&mut self) {
        self.store.expire(self.ms);
        let due = self.late.iter().position(|(at, _)| *at <= self.ms);
        if let Some(due) = due {
            let (_, write) = self.late.swap_remove(due);
            self.store.write(&write);
        }
        let (ms, leases) = (self.ms, &self.store.leases);
        for site in self.sites.iter_mut().filter(|site| site.lease > 0 && !leases.contains_key(&site.lease)) {
            site.was_lost |= site.calls > 0;
        }
        self.recent.retain(|at| ms - at < 1_000);
    }

    /// Nodes die and come back, are cut off, leave, and are wanted more or less.
    fn trouble(&mut self, place: usize) {
        let (ms, healed, last) = (self.ms, self.ms >= HEALED_MS, self.sites.len() - 1);
        let (chance, limits, site) = (&mut self.chance, &self.limits, &mut self.sites[place]);
        if !site.is_up && ms >= site.back_at {
            let (node, wanted) = (site.node, site.wanted);
            *site = Site { wanted, ..Site::new(node, limits) };
        }
        let calls = limits[&key(Kind::Calls)];
        if healed {
            // Whoever is last in the row gets all calls from here on.
            site.wanted = if place == last { calls * 2 } else { 0 };
            (site.cut_until, site.leaves_until) = (0, 0);
            return;
        }
        match chance.below(4_000) {
            0..4 => (site.is_up, site.back_at) = (false, ms + 1_000 + chance.below(14_000)),
            4..12 => site.cut_until = ms + 100 + chance.below(14_000),
            12..18 => site.leaves_until = ms + chance.below(6_000),
            18..80 => site.wanted = chance.below(u64::from(calls) * 3 / 2 + 1) as u32,
            _ => {}
        }
    }

    /// How long one way takes, or that the message is lost.
    fn way(&mut self, place: usize) -> Option<u64> {
        let lost = self.ms < self.sites[place].cut_until || self.ms < HEALED_MS && self.chance.percent(3);
        let late = self.ms < HEALED_MS && self.chance.percent(5);
        let ms = if late { self.chance.below(6_000) } else { self.chance.below(60) };
        (!lost).then_some(ms)
    }

    fn step(&mut self, place: usize) {
        let (ms, now) = (self.ms, Instant::from_micros(self.ms * 1_000));
        let leaving = ms < self.sites[place].leaves_until;
        match std::mem::replace(&mut self.sites[place].step, Step::Idle { until: ms + 250 }) {
            Step::Idle { until } if ms >= until => {
                self.sites[place].sharing.on_leaving(leaving);
                // What is asked is answered as it was when the question reached the store: here at once, the answer is what comes late.
                let answer = self.way(place).map(|way| {
                    let site = &self.sites[place];
                    (ms + way, self.store.read(ms, site.node, site.lease))
                });
                self.sites[place].step = Step::Asked { asked: ms, answer };
            }
            Step::Asked { asked, answer: Some((at, page)) } if ms >= at && at - asked < PATIENCE_MS => {
                self.on_page(place, asked, page);
            }
            Step::Ordered { at, parts } if ms >= at => {
                let used = self.sites[place].book.on_parts(now, parts.clone());
                self.sites[place].parts = parts;
                self.tell(place, &used);
            }
            Step::Telling { asked, answer: Some((at, done)) } if ms >= at && at - asked < PATIENCE_MS => {
                let told = if done { Told::Written } else { Told::NotWritten };
                self.sites[place].sharing.on_told(told);
            }
            Step::Asked { asked, .. } if ms - asked >= PATIENCE_MS => {}
            Step::Telling { asked, .. } if ms - asked >= PATIENCE_MS => {
                self.sites[place].sharing.on_told(Told::Unknown)
            }
            waiting => self.sites[place].step = waiting,
        }
    }

    fn on_page(&mut self, place: usize, asked: u64, page: Page) {
        let site = &mut self.sites[place];
        if page.lease != site.lease {
            site.sharing.on_lost();
            site.lease = page.lease;
        }
        site.until = sure_until(Instant::from_micros(asked * 1_000));
        site.sharing.on_words(page.words.clone());
        let (nodes, rank) = site.sharing.rank();
        let of = site.sharing.order().into_iter().collect::<Vec<_>>();
        let parts =
            Parts { until: site.until, nodes, rank, goes_on: false, of: std::sync::Arc::new(of.into_iter().collect()) };
        site.page = Some(page);
        let at = self.ms + self.chance.below(if self.chance.0.is_multiple_of(20) { 1_500 } else { 60 });
        self.sites[place].step = Step::Ordered { at, parts };
    }

    fn tell(&mut self, place: usize, used: &[Used]) {
        let now = Instant::from_micros(self.ms * 1_000);
        let site = &mut self.sites[place];
        site.sharing.on_used(now, used);
        let tell = site.sharing.tell();
        let Some(page) = site.page.take() else { return };
        // As the program does: what stands already is not said again.
        if page.words.get(&NodeId(site.node)) == Some(&tell.word) && !site.sharing.is_in_doubt() {
            return;
        }
        let turn = tell.in_turn.then_some(page.turn);
        let write = Write { node: site.node, lease: site.lease, own: page.own, turn, word: tell.word };
        // Done soon after it was given up, where that is the fashion.
        let is_slow = self.is_slow && self.ms < HEALED_MS && self.chance.percent(25);
        let slow = if is_slow { PATIENCE_MS + self.chance.below(2_000) } else { 0 };
        let answer = match (self.way(place), self.way(place)) {
            (None, _) => None,
            (Some(there), _) if there >= 200 || slow > 0 => {
                let there = there + slow;
                self.late.push((self.ms + there, write));
                None
            }
            (Some(_), back) => {
                let done = self.store.write(&write);
                back.map(|back| (self.ms + back, done))
            }
        };
        self.sites[place].step = Step::Telling { asked: self.ms, answer };
    }

    /// Calls come and go.
    fn call(&mut self, index: usize) {
        let (now, site) = (Instant::from_micros(self.ms * 1_000), &mut self.sites[index]);
        let mut out = Vec::new();
        let ends = if site.calls > site.wanted { 10 } else { u64::from(self.ms < HEALED_MS) };
        if site.calls > 0 && self.chance.percent(ends) {
            let over = Entry::Return { place: place(), plan: PlanId(1), over: Over::Void };
            site.book.on_entry(now, ShardId(0), over, &mut out);
            site.calls -= 1;
            site.was_lost &= site.calls > 0;
        }
        if site.calls < site.wanted && self.ms >= site.leaves_until {
            out.clear();
            let take = Entry::Take { call: CallRef::default(), place: place(), allowed: self.allowed };
            site.book.on_entry(now, ShardId(0), take, &mut out);
            let taken = matches!(out.pop(), Some(Order::Tell(_, Entry::Taken { taken: Ok(()), .. })));
            if taken {
                site.calls += 1;
                self.recent.push_back(self.ms);
            }
        }
    }

    /// What nodes may use now, or use of what they have claimed, is never more than the limit.
    fn check(&self) -> Result<(), String> {
        let now = Instant::from_micros(self.ms * 1_000);
        for (key, limit) in &self.limits {
            let held = |site: &Site| {
                let most = site.parts.most(now, *key, *limit);
                let runs = if key.kind == Kind::Calls && !site.was_lost { site.calls } else { 0 };
                most.max(runs)
            };
            let all: Vec<u32> = self.sites.iter().filter(|site| site.is_up).map(held).collect();
            if all.iter().sum::<u32>() > *limit {
                return Err(format!("{:?}: {all:?} of {limit}", key.kind));
            }
        }
        let pace = self.limits[&key(Kind::Recent)] as usize;
        if self.recent.len() > pace {
            Err(format!("{} of {pace} calls in a second", self.recent.len()))
        } else {
            Ok(())
        }
    }

    /// Long after the last fault one node alone has calls: it has the whole limit, and nothing is lost.
    fn check_end(&self) -> Result<(), String> {
        let claims = |kind| {
            let claim = |(_, _, word): &(u64, u64, Word)| word.parts.get(&key(kind)).map_or(0, |part| part.claim);
            self.store.words.values().map(claim).collect::<Vec<u32>>()
        };
        for kind in [Kind::Calls, Kind::Recent] {
            if claims(kind).iter().sum::<u32>() != self.limits[&key(kind)] {
                return Err(format!("in the end {kind:?}: {:?} of {}", claims(kind), self.limits[&key(kind)]));
            }
        }
        let (calls, limit) = (self.sites.last().map_or(0, |site| site.calls), self.limits[&key(Kind::Calls)]);
        let uses_all = claims(Kind::Calls).last() == Some(&limit) && calls == limit;
        if uses_all { Ok(()) } else { Err(format!("in the end {calls} calls, {:?} of {limit}", claims(Kind::Calls))) }
    }
}
