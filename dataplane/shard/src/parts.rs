//! Limits of a cluster in parts: how much of each limit this node may use, so that all nodes together keep it.
//!
//! Every node tells under its own name what it claims of each limit and what it wants of it, and reads what the others tell. A claim
//! rises only in turn ([`Tell::in_turn`]), against all that others claim at that moment, so the claims' sum never passes the limit. It
//! falls when no shard takes calls beyond what is left, and never below what runs: a limit that moved cannot be used twice. What a node
//! uses is its claim or less, and nothing of it once the claim may have ended without its knowing.

mod split;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;

use hashbrown::HashMap;
use units::mutant::{self, Mutant};
use units::{CarrierId, Instant, NodeId};

use crate::Loaded;
use crate::book::{Holder, Limits};
use split::{Demand, fair};

/// Limits that are dealt out by demand at most; of more of them each node may use an even part.
pub const LIMITS_MAX: usize = 20_000;

/// How long claims stand after their node was last heard, in seconds.
pub const CLAIM_S: u64 = 10;
/// How much earlier a node that is not heard stops using its own, in milliseconds.
const MARGIN_MS: u64 = 1_000;

/// Until when claims surely stand that were renewed by a question which was put at `asked`.
pub fn sure_until(asked: Instant) -> Instant {
    asked.plus_millis(CLAIM_S * 1_000 - MARGIN_MS)
}

/// What of a holder is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Calls at the same time.
    Calls,
    /// New calls within the window of a CPS limit.
    Recent,
}

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Whose it is.
    pub of: Holder,
    /// What it counts.
    pub kind: Kind,
}

/// What a node says about one limit, in calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Nobody else may use this much of it.
    pub claim: u32,
    /// It could use this much, by what its calls needed lately.
    pub want: u32,
}

/// What a node says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// It takes no new calls: others may have what it does not use.
    pub leaving: bool,
    /// Its part of each limit.
    pub parts: BTreeMap<Key, Part>,
}

/// What a node says next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tell {
    /// The word.
    pub word: Word,
    /// A claim rises: it counts only if nobody raised one since the words were read that it was made from.
    pub in_turn: bool,
}

/// What came of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It counts.
    Written,
    /// It does not, and never will: what it was made from is not so any more.
    NotWritten,
    /// It may count, now or later.
    Unknown,
}

/// What calls of one limit use on this node, as a home shard counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// The limit.
    pub key: Key,
    /// Calls that count against it.
    pub used: u32,
    /// Calls refused since the last count although the whole limit is larger than this node's part.
    pub refused: u32,
}

/// What shards may use of limits.
#[derive(Clone, Debug)]
pub struct Parts {
    /// From here on the claims may have ended.
    pub until: Instant,
    /// Nodes that share the limits, this one included; 0: none was ever heard.
    pub nodes: u32,
    /// How many of them come before this one.
    pub rank: u32,
    /// After `until` the node goes on with an even part; otherwise with nothing.
    pub goes_on: bool,
    /// The parts.
    pub of: Arc<HashMap<Key, u32>>,
}

impl Parts {
    /// Calls that this node may have of a limit at this moment.
    pub fn most(&self, now: Instant, key: Key, limit: u32) -> u32 {
        match self.of.get(&key) {
            Some(part) if self.is_sure(now) => limit.min(*part),
            None if self.is_sure(now) => self.even(limit),
            Some(_) | None if self.goes_on => self.even(limit),
            Some(_) | None => 0,
        }
    }

    /// The claims stand.
    pub fn is_sure(&self, now: Instant) -> bool {
        now < self.until || mutant::is(Mutant::ClaimNeverEnds)
    }

    /// What all nodes may use without asking each other.
    fn even(&self, limit: u32) -> u32 {
        let each = limit.checked_div(self.nodes).unwrap_or(0);
        each + u32::from(self.nodes > 0 && self.rank < limit % self.nodes)
    }
}

/// A node's side of sharing: it is told, and says what it claims.
#[derive(Debug)]
pub struct Sharing {
    node: NodeId,
    leaving: bool,
    /// A word of ours may come into force that we do not know of: nothing more may be used before a later one has.
    in_doubt: bool,
    limits: BTreeMap<Key, u32>,
    demands: BTreeMap<Key, Demand>,
    words: BTreeMap<NodeId, Word>,
    /// What shards were last told that they may use.
    ordered: BTreeMap<Key, u32>,
    used: BTreeMap<Key, u32>,
}

impl Sharing {
    /// A node that uses nothing: an earlier life of it may have said something that is on its way.
    pub fn new(node: NodeId) -> Sharing {
        Sharing {
            node,
            leaving: false,
            in_doubt: true,
            limits: BTreeMap::new(),
            demands: BTreeMap::new(),
            words: BTreeMap::new(),
            ordered: BTreeMap::new(),
            used: BTreeMap::new(),
        }
    }

    /// The limits of the snapshot in force.
    pub fn on_limits(&mut self, limits: BTreeMap<Key, u32>) {
        self.demands.retain(|key, _| limits.contains_key(key));
        self.limits = limits;
    }

    /// The node takes no new calls, or takes them again.
    pub fn on_leaving(&mut self, leaving: bool) {
        self.leaving = leaving;
    }

    /// What all nodes say, of one moment; of this node what it said last, if that stands.
    pub fn on_words(&mut self, words: BTreeMap<NodeId, Word>) {
        self.words = words;
    }

    /// What came of the last word.
    pub fn on_told(&mut self, told: Told) {
        self.in_doubt = match told {
            Told::Written => false,
            Told::NotWritten => self.in_doubt,
            Told::Unknown => !mutant::is(Mutant::DoubtIgnored),
        };
    }

    /// Everything claimed may have ended.
    pub fn on_lost(&mut self) {
        self.in_doubt = true;
        self.ordered.clear();
    }

    /// The last word must be told again, whatever it says.
    pub fn is_in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// What nodes say.
    pub fn words(&self) -> &BTreeMap<NodeId, Word> {
        &self.words
    }

    /// How many nodes share, and how many of them come before this one.
    pub fn rank(&self) -> (u32, u32) {
        let others = || self.words.keys().filter(|node| **node != self.node);
        (others().count() as u32 + 1, others().filter(|node| **node < self.node).count() as u32)
    }

    /// What shards may use from here on: what is claimed, less what others should have.
    pub fn order(&mut self) -> BTreeMap<Key, u32> {
        let most = |key: &Key| match self.in_doubt {
            true => self.ordered.get(key).copied().unwrap_or(0),
            false => u32::MAX,
        };
        let part = |(key, limit): (&Key, &u32)| (*key, self.claim(*key).min(self.target(*key, *limit)).min(most(key)));
        self.ordered = self.limits.iter().map(part).collect();
        self.ordered.clone()
    }

    /// What calls use, counted by every shard after it was told the last order.
    pub fn on_used(&mut self, now: Instant, used: &[Used]) {
        let mut all: BTreeMap<Key, (u32, u32)> = BTreeMap::new();
        for Used { key, used, refused } in used {
            let sum = all.entry(*key).or_default();
            *sum = (sum.0.saturating_add(*used), sum.1.saturating_add(*refused));
        }
        for (key, limit) in &self.limits {
            let (used, refused) = all.get(key).copied().unwrap_or_default();
            self.demands.entry(*key).or_default().on_used(now, used.saturating_add(refused), *limit);
        }
        self.used = all.into_iter().map(|(key, (used, _))| (key, used)).collect();
    }

    /// What to say next, from the words that were read before the last order.
    pub fn tell(&self) -> Tell {
        let mut word = Word { leaving: self.leaving, parts: BTreeMap::new() };
        let mut rises = false;
        for (key, limit) in &self.limits {
            let (claim, used) = (self.claim(*key), self.used.get(key).copied().unwrap_or(0));
            let next = self.next_claim(*key, *limit, used);
            rises |= next > claim;
            let want = self.demands.get(key).map_or(0, |demand| demand.want());
            word.parts.insert(*key, Part { claim: next, want });
        }
        Tell { word, in_turn: rises && !mutant::is(Mutant::ClaimsOutOfTurn) }
    }

    fn next_claim(&self, key: Key, limit: u32, used: u32) -> u32 {
        let (claim, target) = (self.claim(key), self.target(key, limit));
        let ordered = self.ordered.get(&key).copied().unwrap_or(0);
        if mutant::is(Mutant::GivenBeforeOrdered) && target < claim {
            return target.max(used).min(claim);
        }
        if ordered < claim {
            let runs = if mutant::is(Mutant::GivenWhileUsed) { 0 } else { used };
            return ordered.max(runs).min(claim);
        }
        let claimed: u64 =
            self.words.values().filter_map(|word| word.parts.get(&key)).map(|part| u64::from(part.claim)).sum();
        let free = u32::try_from(u64::from(limit).saturating_sub(claimed)).unwrap_or(u32::MAX);
        claim + free.min(target.saturating_sub(claim))
    }

    fn claim(&self, key: Key) -> u32 {
        self.words.get(&self.node).and_then(|word| word.parts.get(&key)).map_or(0, |part| part.claim)
    }

    /// What this node should have of a limit, by what all want. All nodes that read the same words find parts that add up to the limit.
    fn target(&self, key: Key, limit: u32) -> u32 {
        if self.leaving {
            return 0;
        }
        if mutant::is(Mutant::NothingGivenBack) && self.claim(key) > 0 {
            return self.claim(key);
        }
        let want = |word: &Word| word.parts.get(&key).map_or(0, |part| part.want);
        let others = self.words.iter().filter(|(node, word)| **node != self.node && !word.leaving);
        let mut wants: BTreeMap<NodeId, u32> = others.map(|(node, word)| (*node, want(word))).collect();
        wants.insert(self.node, self.demands.get(&key).map_or(0, |demand| demand.want()));
        let place = wants.keys().take_while(|node| **node != self.node).count();
        let wants: alloc::vec::Vec<u32> = wants.into_values().collect();
        fair(limit, &wants).get(place).copied().unwrap_or(0)
    }
}

/// Every limit of a snapshot, [`LIMITS_MAX`] at most.
pub fn limits(loaded: &Loaded) -> BTreeMap<Key, u32> {
    let mut found = BTreeMap::new();
    let view = loaded.view();
    let window =
        |limits: snapshot::Limits| Limits { capacity: limits.capacity, cps: limits.cps, window_s: limits.cps_window_s };
    insert(&mut found, Holder::Switch, window(view.limits()));
    let mut originators = BTreeSet::new();
    for trunk in view.ingress_trunks() {
        originators.insert(trunk.carrier());
        let window_s = loaded.policies.ingress(trunk.id()).policy.cps_window_s;
        let limits = Limits { capacity: trunk.capacity(), cps: trunk.cps(), window_s };
        insert(&mut found, Holder::Ingress(trunk.id()), limits);
    }
    for trunk in view.egress_trunks() {
        let window_s = loaded.policies.egress(trunk.id()).policy.cps_window_s;
        let limits = Limits { capacity: trunk.capacity(), cps: trunk.cps(), window_s };
        insert(&mut found, Holder::Egress(trunk.id()), limits);
    }
    for carrier in view.carriers() {
        let (id, of) = (carrier.id(), carrier.limits());
        insert(&mut found, Holder::Originator(id), window(of.ingress));
        insert(&mut found, Holder::Terminator(id), window(of.egress));
        insert(&mut found, Holder::Both(id), Limits { capacity: of.capacity, ..Limits::default() });
        let share = |originator: &CarrierId| Holder::Share { terminator: id, originator: *originator };
        let each = Limits { capacity: of.originator_capacity, ..Limits::default() };
        originators.iter().for_each(|originator| insert(&mut found, share(originator), each));
    }
    found
}

fn insert(found: &mut BTreeMap<Key, u32>, of: Holder, limits: Limits) {
    for (kind, limit) in [(Kind::Calls, limits.capacity), (Kind::Recent, limits.calls_max())] {
        if limit > 0 && found.len() < LIMITS_MAX {
            found.insert(Key { of, kind }, limit);
        }
    }
}
