//! May these candidates be tried for this call, and what would they cost?
//!
//! The candidates of one plan are judged together: first all that costs no waiting, then their rates, asked of all decks at once.

use snapshot::{Order, PlanView, RouteView, Seek, Side, View};
use units::{Cause, Money, NodeId, Number, PlanId};

use super::{Ask, Candidate, Reason, Verdict, Work, random};
use crate::admit::plan_stage;
use crate::destination::{Destination, Keys};
use crate::margin::{dearest, in_account, is_too_dear, margin, minute};
use crate::policy::choice::{Call, Choice, Conditions};
use crate::policy::{Policies, Rules};

/// What the place of a candidate in the order depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Judged {
    /// The buy price of a minute in the originator's currency: in the end that of the cheapest candidate of its route.
    pub price: Money,
    /// Which route it is: its plan's place in the chain and its own in the plan. Members of a group have the same.
    pub route: (u8, u8),
    /// Which band of near-equal prices it stands in, or which draw of shares took it.
    pub band: u8,
    /// Which draw of its group took it.
    pub drawn: u8,
    /// Names the route wherever it stands in its plan: the group, or else the trunk.
    pub key: u64,
    pub priority: i16,
    pub weight: u16,
    pub percent: u8,
    /// The route comes before all others of its plan.
    pub forced: bool,
    /// Hunting ends after the route.
    pub stop: bool,
    /// An exclusive route whose conditions hold and whose trunk sells the destination.
    pub exclusive: bool,
    pub member: Member,
    /// In the end the best of its route.
    pub merit: Merit,
}

/// What the place in an order by quality depends on, worst first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Merit {
    /// Too little is known.
    #[default]
    Unknown,
    /// Its index in millionths.
    Index(i64),
    /// Too little is known, and this call finds out; the number below the plan's per cent that was drawn.
    Explored(u8),
}

impl Merit {
    /// What is compared: all that are explored are equal.
    pub fn rank(self) -> (u8, i64) {
        match self {
            Merit::Unknown => (0, 0),
            Merit::Index(index) => (1, index),
            Merit::Explored(_) => (2, 0),
        }
    }
}

/// What the place in a group depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Member {
    /// It stands at another site than the deciding node.
    pub far: bool,
    pub priority: i16,
    pub weight: u16,
}

/// Set in the key of a group, so that groups and trunks are not mixed up.
pub const GROUP: u64 = 1 << 32;
/// Added to a route's key for the draw that forces it.
const FORCE: u64 = 1 << 40;
/// Added to a route's key for the draw that lets an unknown route be tried first.
const EXPLORE: u64 = 1 << 41;
/// Candidates whose rates are looked up together.
const TOGETHER: usize = 16;

type Stop = (Cause, Option<Reason>);

/// A plan that is being judged for a call.
pub struct Judge<'a, 'v> {
    view: &'a View<'v>,
    policies: &'a Policies,
    ask: &'a Ask,
    plan: &'a PlanView<'v>,
    /// Its place in the chain.
    depth: u8,
    choice: &'a Choice,
    originator: &'a Rules,
    order: Order,
    explore_percent: u8,
    /// The sell price of a minute, and the margin that must be left of it.
    sell: Money,
    margin: Money,
    /// What stands against the call whoever takes it.
    too_dear: Option<Stop>,
    /// The caller and where the call goes after the plan's stage, or why the plan does not take it.
    numbers: Result<Number, Cause>,
    to: Destination,
}

/// One candidate on the way.
#[derive(Clone, Copy)]
struct Begun<'a, 'v> {
    /// The conditions of its route hold.
    holds: bool,
    found: Result<Rates<'a, 'v>, Stop>,
}

/// A trunk that may be asked for its price, and the lookups in its decks.
#[derive(Clone, Copy)]
struct Rates<'a, 'v> {
    rules: &'a Rules,
    over: Option<Seek<'v, 'a>>,
    own: Option<Seek<'v, 'a>>,
}

impl<'a, 'v> Judge<'a, 'v> {
    pub fn new(
        (view, policies): (&'a View<'v>, &'a Policies),
        ask: &'a Ask,
        (depth, plan): (usize, &'a PlanView<'v>),
    ) -> Judge<'a, 'v> {
        let (choice, sell) = (policies.choice(plan.id()), minute(&ask.sell));
        let numbers = numbers_of(policies, (ask.plan, plan.id()), (ask.calling, ask.called));
        let called = numbers.map_or(ask.called, |(_, called)| called);
        let originator = policies.ingress(ask.ingress);
        let passed = originator.ceilings.sell.filter(|most| dearest(&ask.sell) > *most);
        Judge {
            view,
            policies,
            ask,
            plan,
            depth: depth as u8,
            choice,
            originator,
            too_dear: passed.map(|most| (Cause::ORIGINATOR_PRICE, Some(Reason::SellCeiling(most)))),
            order: plan.order(),
            explore_percent: policies.plan(plan.id()).policy.quality.explore_percent(),
            sell,
            margin: choice.least_margin(plan.margin_min(), sell),
            numbers: numbers.map(|(calling, _)| calling),
            to: Destination { called, ..ask.destination() },
        }
    }

    /// Judges the plan's candidates, as many as there is room for.
    pub fn all(&'a self, work: &mut Work) {
        let keys = self.to.keys();
        let mut routes = self.plan.routes().take(snapshot::PLAN_ROUTES_MAX - work.judged.len());
        let mut begun = [None; TOGETHER];
        loop {
            let first = work.judged.len();
            for (slot, route) in begun.iter_mut().zip(routes.by_ref()) {
                *slot = Some(self.begin(&route, &keys, work));
            }
            let begun = &begun[..work.judged.len() - first];
            let seeks = begun.iter().flatten().filter_map(|begun| begun.found.ok());
            seeks.flat_map(|rates| [rates.over, rates.own]).flatten().for_each(|seek| seek.reach());
            for (at, begun) in begun.iter().flatten().enumerate() {
                self.end(begun, first + at, work);
            }
            if begun.len() < TOGETHER {
                return;
            }
        }
    }

    /// Adds a candidate, with everything that costs no waiting.
    fn begin(&'a self, route: &RouteView<'v>, keys: &Keys<'a>, work: &mut Work) -> Begun<'a, 'v> {
        let key = route.group().map_or(u64::from(route.egress_trunk().0), |group| GROUP | u64::from(group.0));
        let mut judged = Judged {
            key,
            priority: route.priority(),
            weight: route.weight(),
            percent: route.percent(),
            member: member(route, self.ask.node),
            route: (self.depth, route.place() as u8),
            ..Judged::default()
        };
        if self.order == Order::Quality {
            judged.merit = self.merit(work.judged.len(), key);
        }
        let mut candidate = Candidate { egress: route.egress_trunk(), plan: self.plan.id(), ..Candidate::default() };
        let stands = self.stands(route);
        let found = match stands {
            Ok(()) if self.order == Order::Percent && judged.percent == 0 => {
                Err((Cause::NO_TERMINATOR, Some(Reason::NoShare)))
            }
            Ok(()) => self.seek(keys, &mut candidate).map_err(|cause| (cause, None)),
            Err(stop) => Err(stop),
        };
        work.judged.push(judged);
        work.candidates.push(candidate);
        Begun { holds: stands.is_ok(), found }
    }

    /// Whether the originator pays so much, the plan takes the numbers and the route's conditions hold.
    fn stands(&self, route: &RouteView<'_>) -> Result<(), Stop> {
        self.too_dear.map_or(Ok(()), Err)?;
        let calling = self.numbers.as_ref().map_err(|cause| (*cause, None))?;
        if self.choice.route(route.place()).is_none() {
            return Ok(());
        }
        let tags = &self.originator.policy.tags;
        let call = Call { calling, called: &self.to.called, tags, at: self.ask.at };
        self.choice.admit(route.place(), &call).map_err(|reason| (Cause::NO_TERMINATOR, Some(reason)))
    }

    /// Fills in who it is, and begins the lookups of its rate.
    fn seek(&'a self, keys: &Keys<'a>, candidate: &mut Candidate) -> Result<Rates<'a, 'v>, Cause> {
        let trunk = self.view.egress(candidate.egress).ok_or(Cause::NO_TERMINATOR)?;
        let rules = self.policies.egress(candidate.egress);
        (candidate.carrier, candidate.account) = (trunk.carrier(), trunk.account());
        if !trunk.active() {
            return Err(Cause::INGRESS_TRUNK_INACTIVE);
        }
        if self.view.carrier(candidate.carrier).is_none_or(|carrier| carrier.blocked()) {
            return Err(Cause::CARRIER_BLOCKED);
        }
        if !rules.serves(self.ask.node) {
            return Err(Cause::WRONG_NODE);
        }
        if candidate.carrier == self.ask.originator && !self.originator.policy.own_terminators {
            return Err(Cause::OWN_TERMINATOR);
        }
        let seek = |deck| self.view.deck(deck).map(|deck| keys.seek(deck));
        Ok(Rates { rules, over: trunk.override_deck().and_then(seek), own: seek(trunk.buy_deck()) })
    }

    /// What the rates say, the day, and the route.
    fn end(&self, begun: &Begun<'a, 'v>, place: usize, work: &mut Work) {
        let (judged, candidate) = (&mut work.judged[place], &mut work.candidates[place]);
        let found = match &begun.found {
            Ok(rates) => self.price(rates, candidate),
            Err(stop) => Err(*stop),
        };
        let today = self.ask.shut(place).map_or(Ok(()), |cause| Err((cause, None)));
        if let Err((cause, reason)) = found.and(today) {
            (candidate.verdict, candidate.reason) = (Verdict::Dropped(cause), reason);
        }
        if candidate.buy.is_some() {
            judged.price = self.sell - candidate.margin;
        }
        let conditions = self.choice.route(usize::from(judged.route.1)).filter(|_| begun.holds);
        if let Some(conditions) = conditions {
            follow(conditions, self.ask.seed, judged, candidate);
        }
    }

    /// Fills in how much, up to the first reason against it.
    fn price(&self, rates: &Rates<'_, 'v>, candidate: &mut Candidate) -> Result<(), Stop> {
        let (ask, when) = (self.ask, self.to.when(self.ask.at));
        let find = |seek: Option<Seek<'v, '_>>| seek.and_then(|seek| seek.find(when));
        let unknown = (Cause::TERMINATOR_RATE_NOT_FOUND, None);
        let rate = find(rates.over).or_else(|| find(rates.own)).ok_or(unknown)?;
        let buy = in_account(self.view, rate.terms, candidate.account, ask.at).ok_or(unknown)?;
        candidate.margin = margin(self.view, &ask.sell, &buy, ask.at).ok_or(unknown)?;
        candidate.buy = Some(buy);
        if rate.blocked {
            return Err((Cause::BLOCKED_BY_TERMINATOR_DECK, None));
        }
        let most = self.originator.ceilings.buy;
        if is_too_dear(self.view, most, &buy, ask.sell.currency, ask.at) {
            return Err((Cause::TERMINATOR_PRICE, most.map(Reason::BuyCeiling)));
        }
        if candidate.margin < self.margin {
            return Err((Cause::MARGIN_TOO_LOW, Some(Reason::Margin(self.margin))));
        }
        let calling = self.numbers.as_ref().map_err(|cause| (*cause, None))?;
        rates.rules.admit_numbers(Side::Egress, calling, &self.to.called).map_err(|cause| (cause, None))
    }

    /// Those with an index stand by it, the unknown ones after them, save for the share of calls that explore.
    fn merit(&self, place: usize, key: u64) -> Merit {
        let drawn = (random(self.ask.seed, EXPLORE | key) % 100) as u8;
        match self.ask.indexes.get(place) {
            Some(index) => Merit::Index(index),
            None if drawn < self.explore_percent => Merit::Explored(drawn),
            None => Merit::Unknown,
        }
    }
}

/// What follows from a route whose conditions hold.
fn follow(conditions: &Conditions, seed: u64, judged: &mut Judged, candidate: &mut Candidate) {
    let rules = &conditions.rules;
    judged.stop = rules.stop;
    judged.exclusive = rules.exclusive && candidate.buy.is_some();
    let drawn = (random(seed, FORCE | judged.key) % 100) as u8;
    judged.forced = drawn < rules.force_percent;
    if judged.forced && candidate.is_kept() {
        candidate.reason = Some(Reason::Forced(drawn));
    }
}

fn member(route: &RouteView<'_>, node: NodeId) -> Member {
    let far = route.group().is_some() && !route.nodes().any(|near| near == node);
    Member { far, priority: route.member_priority(), weight: route.member_weight() }
}

/// The caller and the destination as a plan of the chain leaves them: those of the call's own plan are in the decision record, and a failover plan's
/// lists, rewrites and number check look at them in its turn.
///
/// # Errors
/// Why the failover plan does not take the call.
pub fn numbers_of(
    policies: &Policies,
    (own, plan): (PlanId, PlanId),
    (mut calling, mut called): (Number, Number),
) -> Result<(Number, Number), Cause> {
    if plan != own {
        plan_stage(policies, plan, &mut calling, &mut called)?;
    }
    Ok((calling, called))
}

/// What stopped everyone who sells the destination and may take the call; 310 when that was not one thing.
pub fn refusal(dropped: &[Candidate]) -> Cause {
    let telling = [
        Cause::ORIGINATOR_PRICE,
        Cause::TERMINATOR_PRICE,
        Cause::MARGIN_TOO_LOW,
        Cause::BLOCKED_BY_TERMINATOR_DECK,
        Cause::OWN_TERMINATOR,
        Cause::CALLING_NOT_ACCEPTED,
        Cause::CALLING_REFUSED,
        Cause::CALLED_DENIED,
        Cause::CALLED_NOT_ALLOWED,
        Cause::TRUNK_UNREACHABLE,
        Cause::TRUNK_RESTS,
        Cause::TRUNK_THROTTLED,
    ];
    let cause = |candidate: &Candidate| match candidate.verdict {
        Verdict::Dropped(cause) if telling.contains(&cause) => Some(cause),
        _ => None,
    };
    let mut causes = dropped.iter().filter_map(cause);
    let first = causes.next().unwrap_or(Cause::NO_TERMINATOR);
    if causes.all(|cause| cause == first) { first } else { Cause::NO_TERMINATOR }
}
