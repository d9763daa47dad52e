//! When an account's balance or spending is worth a word: once for each crossing, and not again before it has gone well back.

use units::Money;

/// Which crossing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    /// The balance fell below the threshold.
    Low,
    /// The balance rose above the threshold.
    High,
    /// Calls of the day have cost as much as they may.
    DayCap,
    /// Calls of the month have cost as much as they may.
    MonthCap,
}

impl Watched {
    /// All of them.
    pub const ALL: [Watched; 4] = [Watched::Low, Watched::High, Watched::DayCap, Watched::MonthCap];

    /// As it is written: `low`, `high`, `day_cap`, `month_cap`.
    pub const fn name(self) -> &'static str {
        match self {
            Watched::Low => "low",
            Watched::High => "high",
            Watched::DayCap => "day_cap",
            Watched::MonthCap => "month_cap",
        }
    }

    /// Whether it stands, given whether it stood: a balance must come back by a tenth of the threshold, one unit of the currency at
    /// least, before it counts as gone.
    pub fn stands(self, stood: bool, value: Money, threshold: Money) -> bool {
        let back = Money::from_nanos((threshold.nanos() / 10).saturating_abs().max(Money::NANOS));
        match (self, stood) {
            (Watched::Low, false) => value < threshold,
            (Watched::Low, true) => value < threshold + back,
            (Watched::High, false) => value > threshold,
            (Watched::High, true) => value > threshold - back,
            // Spending only falls when its period is over.
            (Watched::DayCap | Watched::MonthCap, _) => value >= threshold,
        }
    }
}
