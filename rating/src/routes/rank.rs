//! In what order are the routes tried that may be?

use core::cmp::{Ordering, Reverse};

use snapshot::{Order, PlanRoute};
use units::Money;

use super::{Candidate, random};

/// A candidate that may be tried, with what its place depends on.
#[derive(Clone, Copy, Default)]
pub struct Ranked {
    pub candidate: Candidate,
    pub route: Option<PlanRoute>,
    /// Decides between equals.
    pub tie: u64,
}

impl Ranked {
    fn price(&self) -> Money {
        self.candidate.buy.map_or(Money::ZERO, |terms| terms.per_minute)
    }

    fn priority(&self) -> Reverse<i16> {
        Reverse(self.route.map_or(0, |route| route.priority))
    }

    fn weight(&self) -> u16 {
        self.route.map_or(0, |route| route.weight)
    }

    fn percent(&self) -> u64 {
        self.route.map_or(0, |route| u64::from(route.percent))
    }
}

/// Sorts in place. Equals fall to the higher priority, then to chance.
pub fn rank(order: Order, seed: u64, fits: &mut [Ranked]) {
    let chance = |a: &Ranked, b: &Ranked| (a.tie, a.candidate.egress).cmp(&(b.tie, b.candidate.egress));
    let by = |compare: fn(&Ranked, &Ranked) -> Ordering| move |a: &Ranked, b: &Ranked| compare(a, b).then(chance(a, b));
    match order {
        Order::Lcr => {
            fits.sort_unstable_by(by(|a, b| (a.price(), a.priority()).cmp(&(b.price(), b.priority()))));
        }
        Order::Priority => {
            fits.sort_unstable_by(by(|a, b| (a.priority(), a.price()).cmp(&(b.priority(), b.price()))));
        }
        Order::Weight => fits.sort_unstable_by(by(|a, b| {
            (a.weight(), a.price(), a.priority()).cmp(&(b.weight(), b.price(), b.priority()))
        })),
        Order::Percent => draw(seed, fits),
    }
}

/// Draws one after the other, each with a chance of its share among those left.
fn draw(seed: u64, fits: &mut [Ranked]) {
    for place in 0..fits.len() {
        let shares: u64 = fits[place..].iter().map(Ranked::percent).sum();
        let mut drawn = random(seed, u64::MAX - place as u64) % shares.max(1);
        let winner = fits[place..].iter().position(|ranked| {
            let hit = drawn < ranked.percent();
            drawn = drawn.saturating_sub(ranked.percent());
            hit
        });
        fits[place..=place + winner.unwrap_or(0)].rotate_right(1);
    }
}
