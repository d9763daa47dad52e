//! How well routes and trunks do: windows over their last calls, floors, the throttle and the index by which routes are ordered.
//!
//! All of it is values and functions: results of calls and the time go in, and whether a trunk may be called comes out. The home
//! shard of a trunk keeps its [`Standing`]; decisions get what they need of it as an input.

mod floors;
mod formula;
mod standing;
mod throttle;
mod window;

pub use floors::{Shortfall, Trial};
pub use formula::{Fault, Figure, Formula, SCALE};
pub use standing::{Over, Standing, State};
pub use throttle::Throttling;
pub use window::{CALLS_MAX, Result, Sum, Talk, Window};

use snapshot::PLAN_ROUTES_MAX;
use units::EgressTrunkId;

/// What is known of each route of a plan, in the plan's order: an input of the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums(pub [Sum; PLAN_ROUTES_MAX]);

impl Default for Sums {
    /// Nothing is known.
    fn default() -> Sums {
        Sums([Sum::default(); PLAN_ROUTES_MAX])
    }
}

impl Sums {
    /// Asks for each of these routes what is known of it.
    pub fn of(routes: impl Iterator<Item = EgressTrunkId>, known: impl Fn(EgressTrunkId) -> Sum) -> Sums {
        let mut sums = Sums::default();
        sums.0.iter_mut().zip(routes).for_each(|(sum, trunk)| *sum = known(trunk));
        sums
    }
}
