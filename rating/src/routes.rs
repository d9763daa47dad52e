//! Which carriers could take a call, in what order, and why the others could not.

mod judge;
mod rank;
mod reason;

use snapshot::policy::RewriteField;
use snapshot::{Order, PLAN_ROUTES_MAX, PlanView, RouteView, View};
use units::{
    AccountId, CarrierId, Cause, DeckId, EgressTrunkId, IngressTrunkId, Jurisdiction, Money, NodeId, Number, PlanId,
    Terms, WallTime,
};

use crate::destination::Destination;
use crate::policy::{Policies, Rules};
use crate::quality::{Indexes, Sum};
use judge::{Judged, judge, refusal};
use rank::rank;
pub use reason::Reason;

/// Routes kept for one call at most.
pub const ROUTES_MAX: usize = snapshot::ATTEMPTS_MAX;

/// What the order of routes depends on, besides the snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// The node that decides.
    pub node: NodeId,
    /// Where the call came in.
    pub ingress: IngressTrunkId,
    /// The ingress trunk's plan.
    pub plan: PlanId,
    /// What the call is sold at.
    pub sell: Terms,
    /// Who sent it.
    pub originator: CarrierId,
    /// The caller, as admitted.
    pub calling: Number,
    /// The destination, as admitted: without the tech prefix, after the rewrites of trunk and plan.
    pub called: Number,
    /// Its location routing number; empty for none.
    pub lrn: Number,
    /// Where the call goes, as admission judged it.
    pub jurisdiction: Jurisdiction,
    /// When the call came.
    pub at: WallTime,
    /// Decides between equals; kept in the decision record.
    pub seed: u64,
    /// Candidates whose trunks cannot be reached at this moment: bit n is the n-th candidate of the plan and its failover plans, members of
    /// groups counted one by one. See [`marked`].
    pub unreachable: u64,
    /// Routes whose trunks rest below a floor of their quality, as bits.
    pub resting: u64,
    /// Routes whose trunks are throttled, as bits.
    pub throttled: u64,
    /// What the quality of each route was worth, where the plan's order is by quality. See [`indexes`].
    pub indexes: Indexes,
}

const _: () = assert!(PLAN_ROUTES_MAX <= u64::BITS as usize);

impl Ask {
    /// Where the call goes.
    pub fn destination(&self) -> Destination {
        Destination { called: self.called, lrn: self.lrn, jurisdiction: self.jurisdiction }
    }
}

/// What became of a candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// May be tried.
    #[default]
    Kept,
    /// Could be tried, but [`ROUTES_MAX`] better ones are.
    Surplus,
    /// Must not be tried.
    Dropped(Cause),
}

/// One route of the plan, judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// The trunk.
    pub egress: EgressTrunkId,
    /// The terminator.
    pub carrier: CarrierId,
    /// The terminator's account.
    pub account: AccountId,
    /// What it costs; `None` when no rate was found or looked for.
    pub buy: Option<Terms>,
    /// Sell minus buy price of a minute; zero without a rate.
    pub margin: Money,
    /// Kept, or why not.
    pub verdict: Verdict,
    /// The number that decided, where one did.
    pub reason: Option<Reason>,
    /// The plan that it stands in: the call's own or a failover plan.
    pub plan: PlanId,
}

/// All candidates of a call: the kept ones first, in the order to try them, then the others as the plan lists them.
#[derive(Clone, Debug)]
pub struct Routes {
    all: [Candidate; PLAN_ROUTES_MAX],
    kept: usize,
    length: usize,
}

impl Default for Routes {
    fn default() -> Routes {
        Routes { all: [Candidate::default(); PLAN_ROUTES_MAX], kept: 0, length: 0 }
    }
}

impl Routes {
    /// Those to try, best first; 16 at most.
    pub fn kept(&self) -> &[Candidate] {
        &self.all[..self.kept]
    }

    /// Those not to try.
    pub fn dropped(&self) -> &[Candidate] {
        &self.all[self.kept..self.length]
    }

    /// Kept and dropped ones.
    pub fn all(&self) -> &[Candidate] {
        &self.all[..self.length]
    }
}

/// The sell rate of a destination.
pub fn quote(view: &View<'_>, deck: DeckId, to: &Destination, at: WallTime) -> Result<Terms, Cause> {
    let found = view.deck(deck).and_then(|deck| to.rate(&deck, at));
    let rate = found.ok_or(Cause::ORIGINATOR_RATE_NOT_FOUND)?;
    if rate.blocked { Err(Cause::BLOCKED_BY_ORIGINATOR_DECK) } else { Ok(rate.terms) }
}

/// Judges every route of the plan and its failover plans and sorts those that may be tried. Fills `out` and allocates nothing.
///
/// Without a kept route the answer is the one cause that stopped every carrier who could have taken the call, or else 310.
pub fn routes(view: &View<'_>, policies: &Policies, ask: &Ask, out: &mut Routes) -> Result<(), Cause> {
    (out.kept, out.length) = (0, 0);
    view.plan(ask.plan).ok_or(Cause::PLAN_NOT_FOUND)?;
    let mut seen = [Judged::default(); PLAN_ROUTES_MAX];
    for (place, (plan, route)) in candidates(view, ask.plan).enumerate() {
        seen[place] = judge(view, policies, (&plan, &route), ask, place);
        out.length = place + 1;
    }
    let seen = &mut seen[..out.length];
    heed_exclusive(seen);
    let mut order = [0; PLAN_ROUTES_MAX];
    let fitting = rank(view, policies, ask.seed, seen, &mut order);
    out.kept = settle(seen, &order[..fitting]);
    let kept = order[..fitting].iter().map(|place| usize::from(*place)).filter(|place| seen[*place].is_kept());
    let dropped = (0..out.length).filter(|place| !seen[*place].is_kept());
    for (slot, place) in out.all.iter_mut().zip(kept.chain(dropped)) {
        *slot = seen[place].candidate;
    }
    for surplus in out.all[..out.kept].iter_mut().skip(ROUTES_MAX) {
        surplus.verdict = Verdict::Surplus;
    }
    out.kept = out.kept.min(ROUTES_MAX);
    if out.kept > 0 { Ok(()) } else { Err(refusal(out.dropped())) }
}

/// Every candidate of a plan and its failover plans, in their order; their places are the bits of [`Ask::unreachable`].
fn candidates<'a>(view: &View<'a>, plan: PlanId) -> impl Iterator<Item = (PlanView<'a>, RouteView<'a>)> {
    let all = view.plan_chain(plan).flat_map(|plan| plan.routes().map(move |route| (plan, route)));
    all.take(PLAN_ROUTES_MAX)
}

/// Where an exclusive route matched, the others may not be tried.
fn heed_exclusive(seen: &mut [Judged]) {
    if seen.iter().any(|judged| judged.exclusive) {
        for judged in seen.iter_mut().filter(|judged| !judged.exclusive && judged.is_kept()) {
            judged.drop_for(Reason::Exclusive);
        }
    }
}

/// Goes through the order and takes out what stands in it twice or behind a stop. Returns how many are left.
fn settle(seen: &mut [Judged], order: &[u8]) -> usize {
    let mut left = 0;
    let mut stopped_by = None;
    for (at, place) in order.iter().enumerate() {
        let Judged { candidate, route, .. } = seen[usize::from(*place)];
        let earlier = order[..at].iter().map(|place| &seen[usize::from(*place)]);
        let twice = earlier.into_iter().any(|judged| judged.is_kept() && judged.candidate.egress == candidate.egress);
        let judged = &mut seen[usize::from(*place)];
        if stopped_by.is_some_and(|stop| stop != route) {
            judged.drop_for(Reason::Stopped);
        } else if twice {
            judged.drop_for(Reason::Twice);
        } else {
            left += 1;
            stopped_by = stopped_by.or(judged.stop.then_some(route));
        }
    }
    left
}

/// The candidates of a plan of whose trunks something is true, for [`Ask::unreachable`] and its like.
pub fn marked(view: &View<'_>, plan: PlanId, is: impl Fn(EgressTrunkId) -> bool) -> u64 {
    let all = candidates(view, plan).enumerate();
    let hits = all.filter(|(_, (_, route))| is(route.egress_trunk()));
    hits.fold(0, |bits, (place, _)| bits | 1 << place)
}

/// The quality indexes for [`Ask::indexes`], of what is known of each trunk's calls by a plan; none where a plan's order does not ask for
/// them. Allocates nothing.
pub fn indexes(
    view: &View<'_>,
    policies: &Policies,
    ask: &Ask,
    known: impl Fn(PlanId, EgressTrunkId) -> Sum,
) -> Indexes {
    let mut indexes = Indexes::default();
    let all = candidates(view, ask.plan).enumerate();
    for (place, (plan, route)) in all.filter(|(_, (plan, _))| plan.order() == Order::Quality) {
        let (rules, sum) = (policies.plan(plan.id()), known(plan.id(), route.egress_trunk()));
        if sum.calls < rules.policy.quality.calls_min() {
            continue;
        }
        let price = match rules.formula.asks_price() {
            true => judge(view, policies, (&plan, &route), ask, place).price(),
            false => Money::ZERO,
        };
        indexes.set(place, rules.formula.value(&sum, price.nanos()));
    }
    indexes
}

/// The number as this trunk wants it: digits off, prefix on, then the trunk's rewrites of the called number. `None` when it would be
/// empty, too long or no number.
pub fn outbound_number(egress: &snapshot::EgressView<'_>, rules: &Rules, called: &Number) -> Option<Number> {
    let rest = called.as_bytes().get(usize::from(egress.strip_digits())..)?;
    let number = Number::parse(rest).ok()?.with_prefix(egress.add_prefix().as_bytes())?;
    let number = rules.rewrite_number(RewriteField::Called, number).ok()?;
    (!number.digits().is_empty()).then_some(number)
}

/// SplitMix64's output for the `place`-th draw of a seed: the same on every node.
pub fn random(seed: u64, place: u64) -> u64 {
    let mut mixed = seed.wrapping_add(place.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
