//! In what order are the candidates tried that may be?
//!
//! Plans come in the order of their chain. Within a plan the forced routes come first, then the plan's order decides; what is still equal
//! falls to a number drawn for the route itself, never to the place where the plan lists it. A group stands where its cheapest member
//! would, and its members stay together: those of the deciding node's site first, then by priority, then drawn by weight.

use core::cmp::Reverse;

use snapshot::{Order, PLAN_ROUTES_MAX, View};
use units::Money;

use super::judge::{GROUP, Judged, Merit};
use super::{Candidate, Reason, Work, random};
use crate::policy::Policies;
use crate::policy::choice::Choice;

/// Added to the number of a draw, so that draws of different kinds do not share numbers.
const OF_SHARES: u64 = 1 << 48;
const OF_MEMBERS: u64 = 1 << 49;

/// Where a candidate stands in its plan, as numbers that compare like it: forced, the plan's order; what was drawn for the route and its
/// key; the place in the group. A total order: the last word have the key and the trunk, which no two candidates of a plan share.
type Rank = (u128, u128, u64);

/// Fills in the places of all candidates that may be tried, best first, and returns how many. Adds to kept ones the number that gave
/// them their place.
pub fn rank(
    view: &View<'_>,
    policies: &Policies,
    seed: u64,
    work: &mut Work,
    order: &mut [u8; PLAN_ROUTES_MAX],
) -> usize {
    let mut fitting = 0;
    for (place, _) in work.candidates.iter().enumerate().filter(|(_, candidate)| candidate.is_kept()) {
        order[fitting] = place as u8;
        fitting += 1;
    }
    // The candidates stand in the order of the chain, those of one plan beside each other.
    let mut rest = &mut order[..fitting];
    while let Some(first) = rest.first() {
        let first = usize::from(*first);
        let depth = work.judged[first].route.0;
        let length = rest.partition_point(|place| work.judged[usize::from(*place)].route.0 == depth);
        let (of_plan, others) = rest.split_at_mut(length);
        let plan = work.candidates[first].plan;
        let by = view.plan(plan).map(|plan| plan.order()).unwrap_or_default();
        rank_plan(by, policies.choice(plan), seed, work, of_plan);
        rest = others;
    }
    fitting
}

fn rank_plan(by: Order, choice: &Choice, seed: u64, work: &mut Work, order: &mut [u8]) {
    let Work { judged, candidates, ranks } = work;
    let grouped = order.iter().any(|place| judged[usize::from(*place)].key & GROUP != 0);
    if grouped || by == Order::Percent {
        // From here on nothing depends on how the plan lists its routes.
        order.sort_unstable_by_key(|place| (judged[usize::from(*place)].key, candidates[usize::from(*place)].egress));
    }
    if grouped {
        join_groups(seed, judged, order);
    }
    match by {
        Order::Lcr if choice.has_bands() => bands(choice, judged, candidates, order),
        Order::Percent => shares(seed, judged, candidates, order),
        Order::Quality => merits(judged, candidates, order),
        Order::Lcr | Order::Priority | Order::Weight => {}
    }
    ranks.clear();
    let bands = by != Order::Lcr || choice.has_bands();
    ranks.extend(order.iter().map(|place| {
        let (judged, egress) = (&judged[usize::from(*place)], candidates[usize::from(*place)].egress);
        (rank_of(by, bands, seed, judged, egress.0), *place)
    }));
    ranks.sort_unstable();
    for (slot, (_, place)) in order.iter_mut().zip(ranks.iter()) {
        *slot = *place;
    }
}

fn rank_of(by: Order, bands: bool, seed: u64, judged: &Judged, egress: u32) -> Rank {
    let (band, weight, price) = (u16::from(judged.band), judged.weight, ascending(judged.price));
    let priority = descending(judged.priority);
    let (first, second, price, last) = match by {
        Order::Lcr if bands => (band, priority, price, 0),
        Order::Lcr => (0, 0, price, priority),
        Order::Priority => (0, priority, price, 0),
        Order::Weight => (weight, 0, price, priority),
        Order::Percent => (band, 0, 0, 0),
        Order::Quality => (band, 0, price, priority),
    };
    let front = u128::from(!judged.forced) << 112 | u128::from(first) << 96 | u128::from(second) << 80;
    let route = u128::from(random(seed, judged.key)) << 64 | u128::from(judged.key);
    let far = u64::from(judged.member.far) << 56 | u64::from(descending(judged.member.priority)) << 40;
    let member = far | u64::from(judged.drawn) << 32 | u64::from(egress);
    (front | u128::from(price) << 16 | u128::from(last), route, member)
}

/// A number that grows with the price.
fn ascending(price: Money) -> u64 {
    price.nanos() as u64 ^ 1 << 63
}

/// A number that falls as the priority rises.
fn descending(priority: i16) -> u16 {
    !(priority as u16 ^ 1 << 15)
}

/// A group stands where its best member would; draws the members' places.
fn join_groups(seed: u64, judged: &mut [Judged], order: &[u8]) {
    let route = |judged: &[Judged], place: u8| judged[usize::from(place)].route;
    let mut rest = order;
    while let Some(first) = rest.first() {
        let own = route(judged, *first);
        let length = rest.iter().position(|place| route(judged, *place) != own).unwrap_or(rest.len());
        let (run, others) = rest.split_at(length);
        let price = run.iter().map(|place| judged[usize::from(*place)].price).reduce(Money::min);
        let merit = run.iter().map(|place| judged[usize::from(*place)].merit).max();
        for place in run {
            let judged = &mut judged[usize::from(*place)];
            (judged.price, judged.merit) = (price.unwrap_or_default(), merit.unwrap_or_default());
        }
        draw_members(seed, judged, run);
        rest = others;
    }
}

/// Parts routes by price: a band begins with the cheapest route that is in none yet and holds all that are near enough to it.
fn bands(choice: &Choice, judged: &mut [Judged], candidates: &mut [Candidate], order: &mut [u8]) {
    order.sort_unstable_by_key(|place| (judged[usize::from(*place)].price, judged[usize::from(*place)].key));
    let mut band = 0;
    let mut limit: Option<Money> = None;
    let mut dearest = None;
    for place in order.iter().map(|place| usize::from(*place)) {
        let price = judged[place].price;
        if limit.is_none_or(|limit| price > limit) {
            band += u8::from(limit.is_some());
            dearest = choice.band(price);
            limit = Some(dearest.unwrap_or(price));
        }
        judged[place].band = band;
        let reason = &mut candidates[place].reason;
        *reason = reason.or(dearest.map(Reason::Band));
    }
}

/// Parts routes by merit: the best ones are the first band.
fn merits(judged: &mut [Judged], candidates: &mut [Candidate], order: &mut [u8]) {
    order.sort_unstable_by_key(|place| Reverse(judged[usize::from(*place)].merit.rank()));
    let mut band = 0;
    let mut before = None;
    for place in order.iter().map(|place| usize::from(*place)) {
        let merit = judged[place].merit;
        band += u8::from(before.is_some_and(|before| before != merit.rank()));
        before = Some(merit.rank());
        judged[place].band = band;
        let reason = match merit {
            Merit::Index(index) => Reason::Index(index),
            Merit::Explored(drawn) => Reason::Explored(drawn),
            Merit::Unknown => Reason::Unknown,
        };
        candidates[place].reason = candidates[place].reason.or(Some(reason));
    }
}

/// Draws one route after the other, each with a chance of its share among those left.
fn shares(seed: u64, judged: &mut [Judged], candidates: &mut [Candidate], order: &[u8]) {
    let mut heads = [0; PLAN_ROUTES_MAX];
    let mut count = 0;
    for run in order.chunk_by(|a, b| judged[usize::from(*a)].route == judged[usize::from(*b)].route) {
        heads[count] = run[0];
        count += 1;
    }
    let heads = &mut heads[..count];
    let depth = heads.first().map_or(0, |head| u64::from(judged[usize::from(*head)].route.0));
    draw(seed, OF_SHARES | depth << 8, heads, |place| u64::from(judged[usize::from(place)].percent));
    let mut left: u64 = heads.iter().map(|place| u64::from(judged[usize::from(*place)].percent)).sum();
    for (band, head) in heads.iter().enumerate() {
        let Judged { route, percent, .. } = judged[usize::from(*head)];
        let share = Reason::Share((u64::from(percent) * 100 / left.max(1)).min(100) as u8);
        left -= u64::from(percent);
        for place in order.iter().map(|place| usize::from(*place)) {
            if judged[place].route == route {
                judged[place].band = band as u8;
                candidates[place].reason = candidates[place].reason.or(Some(share));
            }
        }
    }
}

/// Draws the members of a group by their weight.
fn draw_members(seed: u64, judged: &mut [Judged], run: &[u8]) {
    let mut members = [0; PLAN_ROUTES_MAX];
    let members = &mut members[..run.len()];
    members.copy_from_slice(run);
    let key = judged[usize::from(run[0])].key;
    draw(seed, OF_MEMBERS | key << 8, members, |place| u64::from(judged[usize::from(place)].member.weight));
    for (drawn, place) in members.iter().enumerate() {
        judged[usize::from(*place)].drawn = drawn as u8;
    }
}

/// Puts places into a drawn order, each next one with a chance of its weight among those left; without weight comes last.
fn draw(seed: u64, first: u64, places: &mut [u8], weight: impl Fn(u8) -> u64) {
    if places.len() < 2 {
        return;
    }
    for at in 0..places.len() {
        let sum: u64 = places[at..].iter().map(|place| weight(*place)).sum();
        let mut drawn = random(seed, first + at as u64) % sum.max(1);
        let winner = places[at..].iter().position(|place| {
            let hit = drawn < weight(*place);
            drawn = drawn.saturating_sub(weight(*place));
            hit
        });
        places[at..=at + winner.unwrap_or(0)].rotate_right(1);
    }
}
