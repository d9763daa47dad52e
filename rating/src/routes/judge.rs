//! May this route be tried for this call, and what would it cost?

use snapshot::{Order, PlanRoute, PlanView, Side, View};
use units::Cause;

use super::{Ask, Candidate, Verdict};
use crate::policy::Policies;

/// Looks at one route of the plan; `place` is its position there.
pub fn judge(
    view: &View<'_>,
    policies: &Policies,
    plan: &PlanView<'_>,
    (place, route): (usize, &PlanRoute),
    ask: &Ask,
) -> Candidate {
    let mut candidate = Candidate { egress: route.egress_trunk, ..Candidate::default() };
    let verdict = if plan.order() == Order::Percent && route.percent == 0 {
        Err(Cause::NO_TERMINATOR)
    } else {
        look(view, policies, plan, ask, &mut candidate)
    };
    let verdict = match ask.unreachable & (1 << place) {
        0 => verdict,
        _ => verdict.and(Err(Cause::TRUNK_UNREACHABLE)),
    };
    candidate.verdict = verdict.map_or_else(Verdict::Dropped, |()| Verdict::Kept);
    candidate
}

/// Fills in who and how much, up to the first reason against it.
fn look(
    view: &View<'_>,
    policies: &Policies,
    plan: &PlanView<'_>,
    ask: &Ask,
    candidate: &mut Candidate,
) -> Result<(), Cause> {
    let trunk = view.egress(candidate.egress).ok_or(Cause::NO_TERMINATOR)?;
    let rules = policies.egress(candidate.egress);
    (candidate.carrier, candidate.account) = (trunk.carrier(), trunk.account());
    if !trunk.active() {
        return Err(Cause::INGRESS_TRUNK_INACTIVE);
    }
    if view.carrier(candidate.carrier).is_none_or(|carrier| carrier.blocked()) {
        return Err(Cause::CARRIER_BLOCKED);
    }
    if !rules.serves(ask.node) {
        return Err(Cause::WRONG_NODE);
    }
    if candidate.carrier == ask.originator && !policies.ingress(ask.ingress).policy.own_terminators {
        return Err(Cause::OWN_TERMINATOR);
    }
    let deck = view.deck(trunk.buy_deck()).ok_or(Cause::TERMINATOR_RATE_NOT_FOUND)?;
    let rate = deck.lookup(ask.called.digits(), ask.at).ok_or(Cause::TERMINATOR_RATE_NOT_FOUND)?;
    candidate.buy = Some(rate.terms);
    candidate.margin = ask.sell.per_minute - rate.terms.per_minute;
    if rate.blocked {
        return Err(Cause::BLOCKED_BY_TERMINATOR_DECK);
    }
    if candidate.margin < plan.margin_min() {
        return Err(Cause::MARGIN_TOO_LOW);
    }
    rules.admit_numbers(Side::Egress, &ask.calling, &ask.called)
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
    ];
    let cause = |candidate: &Candidate| match candidate.verdict {
        Verdict::Dropped(cause) if telling.contains(&cause) => Some(cause),
        _ => None,
    };
    let mut causes = dropped.iter().filter_map(cause);
    let first = causes.next().unwrap_or(Cause::NO_TERMINATOR);
    if causes.all(|cause| cause == first) { first } else { Cause::NO_TERMINATOR }
}
