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

/// The quality index of each route of a plan, in the plan's order, in millionths: an input of the decision. A route of which too little
/// is known has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indexes([i64; PLAN_ROUTES_MAX]);

/// Stands for no index.
const UNKNOWN: i64 = i64::MIN;

impl Default for Indexes {
    /// Nothing is known.
    fn default() -> Indexes {
        Indexes([UNKNOWN; PLAN_ROUTES_MAX])
    }
}

impl Indexes {
    /// The index of the route at this place.
    pub fn get(&self, place: usize) -> Option<i64> {
        self.0.get(place).copied().filter(|index| *index != UNKNOWN)
    }

    /// Sets the index of the route at this place, if there is such a place.
    pub fn set(&mut self, place: usize, index: i64) {
        if let Some(slot) = self.0.get_mut(place) {
            *slot = index.max(UNKNOWN + 1);
        }
    }

    /// Places and indexes of the routes that have one.
    pub fn known(&self) -> impl Iterator<Item = (usize, i64)> + '_ {
        self.0.iter().copied().enumerate().filter(|(_, index)| *index != UNKNOWN)
    }
}
