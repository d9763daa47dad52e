//! Which carriers could take a call, in what order, and why the others could not.

mod judge;
mod rank;
mod reason;

use alloc::vec::Vec;

use snapshot::policy::RewriteField;
use snapshot::{Order, PLAN_ROUTES_MAX, PlanView, RouteView, View};
use units::{
    AccountId, CarrierId, Cause, DeckId, EgressTrunkId, IngressTrunkId, Jurisdiction, Money, NodeId, Number, PlanId,
    Terms, WallTime,
};

use crate::destination::Destination;
use crate::policy::{Policies, Rules};
use crate::quality::{Indexes, Sum};
pub use judge::numbers_of;
use judge::{Judge, Judged, refusal};
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

    /// Why the candidate with this bit is not tried that day.
    fn shut(&self, place: usize) -> Option<Cause> {
        let is = |places: u64| places >> place & 1 != 0;
        if is(self.unreachable) {
            Some(Cause::TRUNK_UNREACHABLE)
        } else if is(self.resting) {
            Some(Cause::TRUNK_RESTS)
        } else {
            is(self.throttled).then_some(Cause::TRUNK_THROTTLED)
        }
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

impl Candidate {
    /// True while nothing stands against it.
    fn is_kept(&self) -> bool {
        self.verdict == Verdict::Kept
    }

    /// Takes it out for a reason that is the plan's own.
    fn drop_for(&mut self, reason: Reason) {
        (self.verdict, self.reason) = (Verdict::Dropped(Cause::NO_TERMINATOR), Some(reason));
    }
}

/// All candidates of a call: the kept ones first, in the order to try them, then the others as the plan lists them. Whoever decides many
/// calls keeps one, whose memory serves for all of them.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    all: Vec<Candidate>,
    kept: usize,
    work: Work,
}

/// What a decision is made in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    /// As the plans list them.
    candidates: Vec<Candidate>,
    /// What their places depend on.
    judged: Vec<Judged>,
    ranks: Vec<((u128, u128, u64), u8)>,
}

impl Work {
    fn clear(&mut self) {
        self.candidates.clear();
        self.judged.clear();
    }
}

impl Routes {
    /// Those to try, best first; 16 at most.
    pub fn kept(&self) -> &[Candidate] {
        &self.all[..self.kept]
    }

    /// Those not to try.
    pub fn dropped(&self) -> &[Candidate] {
        &self.all[self.kept..]
    }

    /// Kept and dropped ones.
    pub fn all(&self) -> &[Candidate] {
        &self.all
    }
}

/// The sell rate of a destination.
pub fn quote(view: &View<'_>, deck: DeckId, to: &Destination, at: WallTime) -> Result<Terms, Cause> {
    let found = view.deck(deck).and_then(|deck| to.rate(&deck, at));
    let rate = found.ok_or(Cause::ORIGINATOR_RATE_NOT_FOUND)?;
    if rate.blocked { Err(Cause::BLOCKED_BY_ORIGINATOR_DECK) } else { Ok(rate.terms) }
}

/// Judges every route of the plan and its failover plans and sorts those that may be tried. Fills `out`; allocates nothing once that has the
/// size for the largest plan.
///
/// Without a kept route the answer is the one cause that stopped every carrier who could have taken the call, or else 310.
pub fn routes(view: &View<'_>, policies: &Policies, ask: &Ask, out: &mut Routes) -> Result<(), Cause> {
    let Routes { all, kept, work } = out;
    *kept = 0;
    all.clear();
    work.clear();
    view.plan(ask.plan).ok_or(Cause::PLAN_NOT_FOUND)?;
    for (depth, plan) in view.plan_chain(ask.plan).enumerate() {
        Judge::new((view, policies), ask, (depth, &plan)).all(work);
    }
    heed_exclusive(work);
    let mut order = [0; PLAN_ROUTES_MAX];
    let fitting = rank(view, policies, ask.seed, work, &mut order);
    settle(work, &order[..fitting]);
    let tried = order[..fitting].iter().map(|place| &work.candidates[usize::from(*place)]);
    all.extend(tried.filter(|candidate| candidate.is_kept()).copied());
    *kept = all.len().min(ROUTES_MAX);
    for surplus in all.iter_mut().skip(ROUTES_MAX) {
        surplus.verdict = Verdict::Surplus;
    }
    all.extend(work.candidates.iter().filter(|candidate| !candidate.is_kept()).copied());
    if *kept > 0 { Ok(()) } else { Err(refusal(all)) }
}

/// Where an exclusive route matched, the others may not be tried.
fn heed_exclusive(work: &mut Work) {
    if work.judged.iter().any(|judged| judged.exclusive) {
        let all = work.judged.iter().zip(&mut work.candidates);
        for (_, candidate) in all.filter(|(judged, candidate)| !judged.exclusive && candidate.is_kept()) {
            candidate.drop_for(Reason::Exclusive);
        }
    }
}

/// Goes through the order and takes out what stands in it twice or behind a stop.
fn settle(work: &mut Work, order: &[u8]) {
    let mut stopped_by = None;
    // Of each trunk before, one bit: most trunks stand in an order once.
    let mut met = 0_u64;
    for (at, place) in order.iter().enumerate() {
        let (Judged { route, stop, .. }, egress) =
            (work.judged[usize::from(*place)], work.candidates[usize::from(*place)].egress);
        let bit = 1 << (egress.0 % u64::BITS);
        let mut earlier = order[..at].iter().map(|place| &work.candidates[usize::from(*place)]);
        let twice = met & bit != 0 && earlier.any(|other| other.is_kept() && other.egress == egress);
        met |= bit;
        let candidate = &mut work.candidates[usize::from(*place)];
        if stopped_by.is_some_and(|stop| stop != route) {
            candidate.drop_for(Reason::Stopped);
        } else if twice {
            candidate.drop_for(Reason::Twice);
        } else {
            stopped_by = stopped_by.or(stop.then_some(route));
        }
    }
}

/// Every candidate of a plan and its failover plans, in their order; their places are the bits of [`Ask::unreachable`].
fn candidates<'a>(view: &View<'a>, plan: PlanId) -> impl Iterator<Item = (PlanView<'a>, RouteView<'a>)> {
    let all = view.plan_chain(plan).flat_map(|plan| plan.routes().map(move |route| (plan, route)));
    all.take(PLAN_ROUTES_MAX)
}

/// The candidates of a plan of whose trunks something is true, for [`Ask::unreachable`] and its like.
pub fn marked(view: &View<'_>, plan: PlanId, is: impl Fn(EgressTrunkId) -> bool) -> u64 {
    let all = candidates(view, plan).enumerate();
    let hits = all.filter(|(_, (_, route))| is(route.egress_trunk()));
    hits.fold(0, |bits, (place, _)| bits | 1 << place)
}

/// What the day knows of a trunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Today {
    /// It cannot be reached at this moment.
    pub unreachable: bool,
    /// It rests below a floor of its quality (cause 410), or is throttled (411).
    pub shut: Option<Cause>,
}

/// The question with what the day knows of the plan's trunks: whether calls may go to them, and what the last calls of a trunk by a plan were worth
/// where the plan's order asks for that. Goes through the plan once; `scratch` lends its memory.
pub fn on_this_day(
    view: &View<'_>,
    policies: &Policies,
    mut ask: Ask,
    scratch: &mut Routes,
    (today, known): (impl Fn(EgressTrunkId) -> Today, impl Fn(PlanId, EgressTrunkId) -> Sum),
) -> Ask {
    let mut place = 0;
    scratch.work.clear();
    for (depth, plan) in view.plan_chain(ask.plan).enumerate() {
        let first = place;
        for route in plan.routes().take(PLAN_ROUTES_MAX - place) {
            let Today { unreachable, shut } = today(route.egress_trunk());
            let bit = |is: bool| u64::from(is) << place;
            ask.unreachable |= bit(unreachable);
            ask.resting |= bit(shut == Some(Cause::TRUNK_RESTS));
            ask.throttled |= bit(shut == Some(Cause::TRUNK_THROTTLED));
            place += 1;
        }
        if plan.order() != Order::Quality {
            continue;
        }
        let rules = policies.plan(plan.id());
        let asks_price = rules.formula.asks_price();
        if asks_price {
            scratch.work.clear();
            Judge::new((view, policies), &ask, (depth, &plan)).all(&mut scratch.work);
        }
        let prices = scratch.work.judged.iter().map(|judged| judged.price.nanos());
        let prices = prices.filter(|_| asks_price).chain(core::iter::repeat(0));
        for (place, (route, price)) in (first..place).zip(plan.routes().zip(prices)) {
            let sum = known(plan.id(), route.egress_trunk());
            if sum.calls >= rules.policy.quality.calls_min() {
                ask.indexes.set(place, rules.formula.value(&sum, price));
            }
        }
    }
    ask
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
