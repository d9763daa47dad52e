//! May this candidate be tried for this call, and what would it cost?

use snapshot::{Order, PlanView, RouteView, Side, View};
use units::{Cause, Money, NodeId};

use super::{Ask, Candidate, Reason, Verdict, random};
use crate::margin::{asked, in_account, margin, minute};
use crate::policy::Policies;
use crate::policy::choice::{Call, Conditions};

/// A candidate with what its place in the order depends on.
#[derive(Clone, Copy, Default)]
pub struct Judged {
    pub candidate: Candidate,
    /// The sell price of a minute.
    pub sell: Money,
    /// Which route it is: its plan's place in the chain and its own in the plan. Members of a group have the same.
    pub route: (u8, u8),
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
#[derive(Clone, Copy, Default)]
pub struct Member {
    /// It stands at another site than the deciding node.
    pub far: bool,
    pub priority: i16,
    pub weight: u16,
}

impl Judged {
    /// True while nothing stands against it.
    pub fn is_kept(&self) -> bool {
        self.candidate.verdict == Verdict::Kept
    }

    /// Takes it out for a reason that is the plan's own.
    pub fn drop_for(&mut self, reason: Reason) {
        (self.candidate.verdict, self.candidate.reason) = (Verdict::Dropped(Cause::NO_TERMINATOR), Some(reason));
    }

    /// The buy price of a minute, in the originator's currency.
    pub fn price(&self) -> Money {
        self.candidate.buy.map_or(Money::ZERO, |_| self.sell - self.candidate.margin)
    }
}

/// Set in the key of a group, so that groups and trunks are not mixed up.
const GROUP: u64 = 1 << 32;
/// Added to a route's key for the draw that forces it.
const FORCE: u64 = 1 << 40;

/// Added to a route's key for the draw that lets an unknown route be tried first.
const EXPLORE: u64 = 1 << 41;

/// Looks at one candidate; `place` is its bit in [`Ask::unreachable`].
pub fn judge(
    view: &View<'_>,
    policies: &Policies,
    (plan, route): (&PlanView<'_>, &RouteView<'_>),
    ask: &Ask,
    place: usize,
) -> Judged {
    let mut judged = Judged {
        candidate: Candidate { egress: route.egress_trunk(), plan: plan.id(), ..Candidate::default() },
        sell: minute(&ask.sell),
        key: route.group().map_or(u64::from(route.egress_trunk().0), |group| GROUP | u64::from(group.0)),
        priority: route.priority(),
        weight: route.weight(),
        percent: route.percent(),
        member: member(route, ask.node),
        route: (depth(view, plan, ask), route.place() as u8),
        ..Judged::default()
    };
    if plan.order() == Order::Quality {
        judged.merit = merit(policies, plan, ask, (place, judged.key));
    }
    let choice = policies.choice(plan.id());
    let conditions = choice.route(route.place());
    let tags = &policies.ingress(ask.ingress).policy.tags;
    let call = Call { calling: &ask.calling, called: &ask.called, tags, at: ask.at };
    let stands = choice.admit(route.place(), &call);
    let verdict = match stands {
        Err(reason) => Err((Cause::NO_TERMINATOR, Some(reason))),
        Ok(()) if plan.order() == Order::Percent && route.percent() == 0 => {
            Err((Cause::NO_TERMINATOR, Some(Reason::NoShare)))
        }
        Ok(()) => look(view, policies, plan, ask, &mut judged.candidate),
    };
    let of_the_day = [
        (ask.unreachable, Cause::TRUNK_UNREACHABLE),
        (ask.resting, Cause::TRUNK_RESTS),
        (ask.throttled, Cause::TRUNK_THROTTLED),
    ];
    let shut = of_the_day.iter().find(|(places, _)| places & (1 << place) != 0);
    let verdict = verdict.and(shut.map_or(Ok(()), |(_, cause)| Err((*cause, None))));
    if let Err((cause, reason)) = verdict {
        (judged.candidate.verdict, judged.candidate.reason) = (Verdict::Dropped(cause), reason);
    }
    if let (Some(conditions), Ok(())) = (conditions, stands) {
        follow(conditions, ask.seed, &mut judged);
    }
    judged
}

/// Those with an index stand by it, the unknown ones after them, save for the share of calls that explore.
fn merit(policies: &Policies, plan: &PlanView<'_>, ask: &Ask, (place, key): (usize, u64)) -> Merit {
    let drawn = (random(ask.seed, EXPLORE | key) % 100) as u8;
    match ask.indexes.get(place) {
        Some(index) => Merit::Index(index),
        None if drawn < policies.plan(plan.id()).policy.quality.explore_percent() => Merit::Explored(drawn),
        None => Merit::Unknown,
    }
}

/// What follows from a route whose conditions hold.
fn follow(conditions: &Conditions, seed: u64, judged: &mut Judged) {
    let rules = &conditions.rules;
    judged.stop = rules.stop;
    judged.exclusive = rules.exclusive && judged.candidate.buy.is_some();
    let drawn = (random(seed, FORCE | judged.key) % 100) as u8;
    judged.forced = drawn < rules.force_percent;
    if judged.forced && judged.is_kept() {
        judged.candidate.reason = Some(Reason::Forced(drawn));
    }
}

fn member(route: &RouteView<'_>, node: NodeId) -> Member {
    let far = route.group().is_some() && !route.nodes().any(|near| near == node);
    Member { far, priority: route.member_priority(), weight: route.member_weight() }
}

fn depth(view: &View<'_>, plan: &PlanView<'_>, ask: &Ask) -> u8 {
    if plan.id() == ask.plan {
        return 0;
    }
    view.plan_chain(ask.plan).take_while(|other| other.id() != plan.id()).count() as u8
}

/// Fills in who and how much, up to the first reason against it.
fn look(
    view: &View<'_>,
    policies: &Policies,
    plan: &PlanView<'_>,
    ask: &Ask,
    candidate: &mut Candidate,
) -> Result<(), (Cause, Option<Reason>)> {
    let trunk = view.egress(candidate.egress).ok_or((Cause::NO_TERMINATOR, None))?;
    let rules = policies.egress(candidate.egress);
    (candidate.carrier, candidate.account) = (trunk.carrier(), trunk.account());
    if !trunk.active() {
        return Err((Cause::INGRESS_TRUNK_INACTIVE, None));
    }
    if view.carrier(candidate.carrier).is_none_or(|carrier| carrier.blocked()) {
        return Err((Cause::CARRIER_BLOCKED, None));
    }
    if !rules.serves(ask.node) {
        return Err((Cause::WRONG_NODE, None));
    }
    if candidate.carrier == ask.originator && !policies.ingress(ask.ingress).policy.own_terminators {
        return Err((Cause::OWN_TERMINATOR, None));
    }
    let unknown = (Cause::TERMINATOR_RATE_NOT_FOUND, None);
    let rate = asked(view, &trunk, &ask.destination(), ask.at).ok_or(unknown)?;
    let buy = in_account(view, rate.terms, candidate.account, ask.at).ok_or(unknown)?;
    candidate.margin = margin(view, &ask.sell, &buy, ask.at).ok_or(unknown)?;
    candidate.buy = Some(buy);
    if rate.blocked {
        return Err((Cause::BLOCKED_BY_TERMINATOR_DECK, None));
    }
    let least = policies.choice(plan.id()).least_margin(plan.margin_min(), minute(&ask.sell));
    if candidate.margin < least {
        return Err((Cause::MARGIN_TOO_LOW, Some(Reason::Margin(least))));
    }
    rules.admit_numbers(Side::Egress, &ask.calling, &ask.called).map_err(|cause| (cause, None))
}

/// What stopped everyone who sells the destination and may take the call; 310 when that was not one thing.
pub fn refusal(dropped: &[Candidate]) -> Cause {
    let telling = [
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
