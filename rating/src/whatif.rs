//! Recorded calls decided again under a draft: who would have taken them, and for how much.
//!
//! The day is taken as it was: the numbers as they were routed, the trunks that could not be reached, those that were tried in vain, and
//! how long each call was talked. What the draft changes is the rest: plans, rates, trunks. A call costs no memory of its own.

use alloc::vec::Vec;

use snapshot::{Seek, View};
use units::{
    CarrierId, Cause, Currency, EgressTrunkId, IngressTrunkId, Jurisdiction, Money, NodeId, Number, PlanId, Terms,
    WallTime,
};

use crate::charge::charge;
use crate::decision::Decision;
use crate::destination::Destination;
use crate::margin::sell;
use crate::policy::Policies;
use crate::quality::Indexes;
use crate::routes::{Ask, Routes, Verdict, marked, routes};

/// Calls that `tandem whatif` decides together: enough to share cache lines where they are dense, few enough to be held.
pub const BATCH: usize = 16_384;

/// A recorded call, read once: what is left of the inputs of its decision where a draft says plan, sell rate and bits of trunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PastCall {
    /// The destination, as it was routed.
    pub called: Number,
    calling: Number,
    lrn: Number,
    ingress: IngressTrunkId,
    originator: CarrierId,
    plan: PlanId,
    node: NodeId,
    jurisdiction: Jurisdiction,
    at: WallTime,
    seed: u64,
    /// Milliseconds talked; `None` if nobody answered.
    talked_ms: Option<u64>,
    /// Trunks in [`Past`]'s list that could not be reached: first and behind the last.
    down: (u32, u32),
    /// Trunks that were tried before the one that answered, likewise; all of them where none did.
    failed: (u32, u32),
    /// Its place among those that knew of quality.
    indexes: Option<u32>,
}

impl PastCall {
    fn destination(&self) -> Destination {
        Destination { called: self.called, lrn: self.lrn, jurisdiction: self.jurisdiction }
    }

    /// Begins to look for the sell rate.
    fn approach(&self, view: &View<'_>, go_on: impl Fn(&Seek<'_, '_>)) {
        let deck = view.ingress(self.ingress).and_then(|ingress| view.deck(ingress.way(self.jurisdiction).1));
        if let Some(deck) = deck {
            go_on(&self.destination().keys().seek(deck));
        }
    }
}

/// Recorded calls in one piece of memory.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// The calls.
    pub calls: Vec<PastCall>,
    trunks: Vec<EgressTrunkId>,
    /// Few plans order by quality.
    indexes: Vec<Indexes>,
}

impl Past {
    /// Forgets all calls and keeps the memory.
    pub fn clear(&mut self) {
        self.calls.clear();
        self.trunks.clear();
        self.indexes.clear();
    }

    /// Adds a call by its decision record; `answered_by` is the trunk that took it, `talked_ms` how long.
    pub fn add(&mut self, decision: &Decision, answered_by: EgressTrunkId, talked_ms: Option<u64>) {
        // What the day had shut stays shut, whatever for.
        let of_the_day = [Cause::TRUNK_UNREACHABLE, Cause::TRUNK_RESTS, Cause::TRUNK_THROTTLED];
        let is_shut = |verdict| matches!(verdict, Verdict::Dropped(cause) if of_the_day.contains(&cause));
        let down = decision.candidates.iter().filter(|candidate| is_shut(candidate.verdict));
        let down = self.list(down.map(|candidate| candidate.egress));
        let kept = decision.candidates.iter().filter(|candidate| candidate.verdict == Verdict::Kept);
        // An unanswered call says nothing of how another order would have ended.
        let kept = kept.map(|candidate| candidate.egress).filter(|_| talked_ms.is_some());
        let failed = self.list(kept.take_while(|egress| *egress != answered_by));
        self.add_refused(decision.ask);
        if let Some(call) = self.calls.last_mut() {
            (call.talked_ms, call.down, call.failed) = (talked_ms, down, failed);
        }
    }

    /// Adds a call that was refused before its routes were judged.
    pub fn add_refused(&mut self, ask: Ask) {
        let Ask { called, calling, lrn, ingress, originator, plan, node, jurisdiction, at, seed, .. } = ask;
        let indexes = (ask.indexes != Indexes::default()).then(|| {
            self.indexes.push(ask.indexes);
            self.indexes.len() as u32 - 1
        });
        let call = PastCall {
            called,
            calling,
            lrn,
            ingress,
            originator,
            plan,
            node,
            jurisdiction,
            at,
            seed,
            indexes,
            ..PastCall::default()
        };
        self.calls.push(call);
    }

    fn list(&mut self, trunks: impl Iterator<Item = EgressTrunkId>) -> (u32, u32) {
        let first = self.trunks.len() as u32;
        self.trunks.extend(trunks);
        (first, self.trunks.len() as u32)
    }

    fn trunks(&self, (first, end): (u32, u32)) -> &[EgressTrunkId] {
        &self.trunks[first as usize..end as usize]
    }
}

/// What the draft makes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nobody would have been asked to take it.
    Blocked(Cause),
    /// All routes are trunks that refused it on that day.
    Failed,
    /// This terminator would have been the one.
    Taken {
        /// The trunk.
        egress: EgressTrunkId,
        /// The terminator.
        carrier: CarrierId,
        /// What the originator pays before tax, zero if nobody answered.
        revenue: Money,
        /// What `revenue` counts in.
        currency: Currency,
        /// What the terminator gets before tax, zero if nobody answered.
        cost: Money,
        /// What `cost` counts in.
        cost_currency: Currency,
    },
}

/// Decides recorded calls under a draft.
#[derive(Clone, Debug, Default)]
pub struct WhatIf {
    routes: Routes,
    /// The beginning of each call's number, and which call it is.
    order: Vec<(u64, u32)>,
}

impl WhatIf {
    /// What would have become of all of these calls, in their order; `fates` is emptied first. Neighbours on the number line find
    /// their rates in the same cache lines where the calls are dense enough.
    pub fn decide_all(&mut self, view: &View<'_>, policies: &Policies, past: &Past, fates: &mut Vec<Fate>) {
        let mut order = core::mem::take(&mut self.order);
        order.clear();
        let head = |call: &PastCall| {
            let digits = call.called.digits();
            let mut head = [0; 8];
            head[..digits.len().min(8)].copy_from_slice(&digits[..digits.len().min(8)]);
            u64::from_be_bytes(head)
        };
        order.extend(past.calls.iter().zip(0..).map(|(call, place)| (head(call), place)));
        order.sort_unstable();
        fates.clear();
        fates.resize(past.calls.len(), Fate::Failed);
        let call = |turn: usize| order.get(turn).map(|(_, place)| &past.calls[*place as usize]);
        for (turn, (_, place)) in order.iter().enumerate() {
            // What the next calls will wait for first is asked for now.
            if let Some(call) = call(turn + 2) {
                call.approach(view, |_| {});
            }
            if let Some(call) = call(turn + 1) {
                call.approach(view, |seek| seek.reach());
            }
            let place = *place as usize;
            fates[place] = self.decide(view, policies, past, &past.calls[place]);
        }
        self.order = order;
    }

    /// What would have become of this call. Allocates nothing.
    pub fn decide(&mut self, view: &View<'_>, policies: &Policies, past: &Past, call: &PastCall) -> Fate {
        let Some(ingress) = view.ingress(call.ingress) else { return Fate::Blocked(Cause::ORIGINATOR_NOT_FOUND) };
        if !ingress.active() {
            return Fate::Blocked(Cause::INGRESS_TRUNK_INACTIVE);
        }
        let payer = (ingress.id(), ingress.account());
        let (plan, sell_deck) = ingress.way(call.jurisdiction);
        let sell = match sell(view, payer, sell_deck, &call.destination(), call.at) {
            Ok(sell) => sell,
            Err(cause) => return Fate::Blocked(cause),
        };
        let down = past.trunks(call.down);
        let bits = if down.is_empty() { 0 } else { marked(view, plan, |trunk| down.contains(&trunk)) };
        // Places of a plan mean nothing in another one; in a changed plan the indexes stand by place.
        let known = call.indexes.filter(|_| plan == call.plan).and_then(|place| past.indexes.get(place as usize));
        let ask = Ask {
            node: call.node,
            ingress: call.ingress,
            plan,
            sell,
            originator: call.originator,
            calling: call.calling,
            called: call.called,
            lrn: call.lrn,
            jurisdiction: call.jurisdiction,
            at: call.at,
            seed: call.seed,
            unreachable: bits,
            resting: 0,
            throttled: 0,
            indexes: known.copied().unwrap_or_default(),
        };
        if let Err(cause) = routes(view, policies, &ask, &mut self.routes) {
            return Fate::Blocked(cause);
        }
        let attempts = view.plan(plan).map_or(0, |plan| usize::from(plan.attempts_max()));
        let failed = past.trunks(call.failed);
        let tried = self.routes.kept().iter().take(attempts);
        let Some(best) = tried.into_iter().find(|candidate| !failed.contains(&candidate.egress)) else {
            return Fate::Failed;
        };
        let price = |terms: &Terms| call.talked_ms.map_or(Money::ZERO, |ms| charge(terms, ms).net);
        let (cost, cost_currency) = best.buy.map_or((Money::ZERO, sell.currency), |buy| (price(&buy), buy.currency));
        let (revenue, currency) = (price(&sell), sell.currency);
        Fate::Taken { egress: best.egress, carrier: best.carrier, revenue, currency, cost, cost_currency }
    }
}
