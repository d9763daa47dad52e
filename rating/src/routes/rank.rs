//! In what order are the candidates tried that may be?
//!
//! Plans come in the order of their chain. Within a plan the forced routes come first, then the plan's order decides; what is still equal
//! falls to a number drawn for the route itself, never to the place where the plan lists it. A group stands where its cheapest member
//! would, and its members stay together: those of the deciding node's site first, then by priority, then drawn by weight.

use core::cmp::{Ordering, Reverse};

use snapshot::{Order, PLAN_ROUTES_MAX, View};
use units::Money;

use super::judge::{Judged, Merit};
use super::{Reason, random};
use crate::policy::Policies;
use crate::policy::choice::Choice;

/// Added to the number of a draw, so that draws of different kinds do not share numbers.
const OF_SHARES: u64 = 1 << 48;
const OF_MEMBERS: u64 = 1 << 49;

/// What the place of a candidate depends on, apart from itself.
#[derive(Clone, Copy, Default)]
struct Place {
    /// The price of the cheapest candidate of its route.
    price: Money,
    /// Which band of near-equal prices it stands in, or which draw of shares took it.
    band: u8,
    /// Which draw of its group took it.
    drawn: u8,
    /// The best of its route.
    merit: Merit,
}

/// Fills in the places of all candidates that may be tried, best first, and returns how many. Adds to kept ones the number that gave
/// them their place.
pub fn rank(
    view: &View<'_>,
    policies: &Policies,
    seed: u64,
    seen: &mut [Judged],
    order: &mut [u8; PLAN_ROUTES_MAX],
) -> usize {
    let mut fitting = 0;
    for place in (0..seen.len()).filter(|place| seen[*place].is_kept()) {
        order[fitting] = place as u8;
        fitting += 1;
    }
    // The candidates stand in the order of the chain, those of one plan beside each other.
    let depth_of = |place: u8| seen[usize::from(place)].route.0;
    let mut starts = [0; snapshot::FAILOVER_PLANS_MAX + 1];
    for (depth, start) in starts.iter_mut().enumerate() {
        *start = order[..fitting].partition_point(|place| usize::from(depth_of(*place)) < depth);
    }
    starts[snapshot::FAILOVER_PLANS_MAX] = fitting;
    for pair in starts.windows(2).filter(|pair| pair[0] < pair[1]) {
        let of_plan = &mut order[pair[0]..pair[1]];
        let plan = seen[usize::from(of_plan[0])].candidate.plan;
        let by = view.plan(plan).map(|plan| plan.order()).unwrap_or_default();
        rank_plan(by, policies.choice(plan), seed, seen, of_plan);
    }
    fitting
}

fn rank_plan(by: Order, choice: &Choice, seed: u64, seen: &mut [Judged], order: &mut [u8]) {
    // From here on nothing depends on how the plan lists its routes.
    order.sort_unstable_by_key(|place| (seen[usize::from(*place)].key, seen[usize::from(*place)].candidate.egress));
    let mut places = [Place::default(); PLAN_ROUTES_MAX];
    for run in order.chunk_by(|a, b| seen[usize::from(*a)].route == seen[usize::from(*b)].route) {
        let price = run.iter().map(|place| seen[usize::from(*place)].price()).reduce(Money::min);
        let merit = run.iter().map(|place| seen[usize::from(*place)].merit).max();
        for place in run {
            let place = &mut places[usize::from(*place)];
            (place.price, place.merit) = (price.unwrap_or_default(), merit.unwrap_or_default());
        }
        draw_members(seed, seen, run, &mut places);
    }
    match by {
        Order::Lcr => bands(choice, seen, order, &mut places),
        Order::Percent => shares(seed, seen, order, &mut places),
        Order::Quality => merits(seen, order, &mut places),
        Order::Priority | Order::Weight => {}
    }
    order.sort_unstable_by(|a, b| {
        let (a, b) = (usize::from(*a), usize::from(*b));
        compare(by, seed, (&seen[a], &places[a]), (&seen[b], &places[b]))
    });
}

/// A total order: the last word have the route's key and the trunk, which no two candidates of a plan share.
fn compare(by: Order, seed: u64, (a, of_a): (&Judged, &Place), (b, of_b): (&Judged, &Place)) -> Ordering {
    let key = |judged: &Judged, place: &Place| {
        let (band, weight) = (u16::from(place.band), judged.weight);
        let (priority, price, any) = (Reverse(judged.priority), place.price, Reverse(0));
        match by {
            Order::Lcr => (band, priority, price, any),
            Order::Priority => (0, priority, price, any),
            Order::Weight => (weight, any, price, priority),
            Order::Percent => (band, any, Money::ZERO, any),
            Order::Quality => (band, any, price, priority),
        }
    };
    let route =
        |judged: &Judged, place: &Place| (!judged.forced, key(judged, place), random(seed, judged.key), judged.key);
    let member = |judged: &Judged, place: &Place| {
        (judged.member.far, Reverse(judged.member.priority), place.drawn, judged.candidate.egress)
    };
    route(a, of_a).cmp(&route(b, of_b)).then_with(|| member(a, of_a).cmp(&member(b, of_b)))
}

/// Parts routes by price: a band begins with the cheapest route that is in none yet and holds all that are near enough to it.
fn bands(choice: &Choice, seen: &mut [Judged], order: &mut [u8], places: &mut [Place; PLAN_ROUTES_MAX]) {
    order.sort_unstable_by_key(|place| (places[usize::from(*place)].price, seen[usize::from(*place)].key));
    let mut band = 0;
    let mut limit: Option<Money> = None;
    let mut dearest = None;
    for place in order.iter().map(|place| usize::from(*place)) {
        let price = places[place].price;
        if limit.is_none_or(|limit| price > limit) {
            band += u8::from(limit.is_some());
            dearest = choice.band(price);
            limit = Some(dearest.unwrap_or(price));
        }
        places[place].band = band;
        let reason = &mut seen[place].candidate.reason;
        *reason = reason.or(dearest.map(Reason::Band));
    }
}

/// Parts routes by merit: the best ones are the first band.
fn merits(seen: &mut [Judged], order: &mut [u8], places: &mut [Place; PLAN_ROUTES_MAX]) {
    order.sort_unstable_by_key(|place| Reverse(places[usize::from(*place)].merit.rank()));
    let mut band = 0;
    let mut before = None;
    for place in order.iter().map(|place| usize::from(*place)) {
        let merit = places[place].merit;
        band += u8::from(before.is_some_and(|before| before != merit.rank()));
        before = Some(merit.rank());
        places[place].band = band;
        let reason = match merit {
            Merit::Index(index) => Reason::Index(index),
            Merit::Explored(drawn) => Reason::Explored(drawn),
            Merit::Unknown => Reason::Unknown,
        };
        seen[place].candidate.reason = seen[place].candidate.reason.or(Some(reason));
    }
}

/// Draws one route after the other, each with a chance of its share among those left.
fn shares(seed: u64, seen: &mut [Judged], order: &[u8], places: &mut [Place; PLAN_ROUTES_MAX]) {
    let mut heads = [0; PLAN_ROUTES_MAX];
    let mut count = 0;
    for run in order.chunk_by(|a, b| seen[usize::from(*a)].route == seen[usize::from(*b)].route) {
        heads[count] = run[0];
        count += 1;
    }
    let heads = &mut heads[..count];
    let depth = heads.first().map_or(0, |head| u64::from(seen[usize::from(*head)].route.0));
    draw(seed, OF_SHARES | depth << 8, heads, |place| u64::from(seen[usize::from(place)].percent));
    let mut left: u64 = heads.iter().map(|place| u64::from(seen[usize::from(*place)].percent)).sum();
    for (band, head) in heads.iter().enumerate() {
        let Judged { route, percent, .. } = seen[usize::from(*head)];
        let share = Reason::Share((u64::from(percent) * 100 / left.max(1)).min(100) as u8);
        left -= u64::from(percent);
        for place in order.iter().map(|place| usize::from(*place)) {
            if seen[place].route == route {
                places[place].band = band as u8;
                seen[place].candidate.reason = seen[place].candidate.reason.or(Some(share));
            }
        }
    }
}

/// Draws the members of a group by their weight.
fn draw_members(seed: u64, seen: &[Judged], run: &[u8], places: &mut [Place; PLAN_ROUTES_MAX]) {
    let mut members = [0; PLAN_ROUTES_MAX];
    let members = &mut members[..run.len()];
    members.copy_from_slice(run);
    let key = seen[usize::from(run[0])].key;
    draw(seed, OF_MEMBERS | key << 8, members, |place| u64::from(seen[usize::from(place)].member.weight));
    for (drawn, place) in members.iter().enumerate() {
        places[usize::from(*place)].drawn = drawn as u8;
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
