//! How a deck's sheets are read, and what must not happen unseen: asked once, remembered as the deck's template.

use std::collections::BTreeMap;

use rating::deck::merge::Missing;
use rating::deck::{self, Column, OFFSET_MINUTES_MAX, Options};
use serde::{Deserialize, Serialize};
use units::WallTime;
use utoipa::ToSchema;

use crate::value::Time;

/// What it means that a code is not in the sheet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Semantics {
    /// A–Z: it is closed.
    #[default]
    AToZ,
    /// Full country: closed if the sheet has other codes of its country.
    FullCountry,
    /// Partial: it stays as it is.
    Partial,
}

/// What stands before the decimals of a price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecimalMark {
    /// Found out for each column.
    #[default]
    Auto,
    /// A point.
    Point,
    /// A comma.
    Comma,
}

/// Which comes first in 03/04/2026.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DateOrder {
    /// A date with two readings is a problem.
    #[default]
    Ask,
    /// 31/12/2026.
    DayFirst,
    /// 12/31/2026.
    MonthFirst,
}

/// What a dash between digits of a code means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dashes {
    /// A range where both ends begin alike; otherwise a problem.
    #[default]
    Ask,
    /// `4420-4429` are ten codes.
    Range,
    /// `44-20` is one code.
    Space,
}

/// What a price is the price of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Sixty seconds.
    #[default]
    Minute,
    /// One second.
    Second,
    /// The row's increment.
    Increment,
}

/// What the numbers of `30/6/0` are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepsOrder {
    /// Minimum, increment, free seconds.
    #[default]
    MinimumFirst,
    /// Increment, minimum, free seconds.
    IncrementFirst,
    /// Free seconds, minimum, increment.
    FreeMinimum,
    /// Free seconds, increment, minimum.
    FreeIncrement,
}

/// How sheets are read, and what needs a second look. Everything has a default; a template keeps what was said once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Terms {
    /// What it means that a code is not in the sheet. Guessing wrong loses money: agree it with the carrier.
    pub semantics: Semantics,
    /// What columns hold, by their names or places (`#3`): `prefix`, `country_code`, `npa`, `nxx`, `npanxx`, `destination`, `rate`, `first_rate`,
    /// `inter_rate`, `intra_rate`, `indeterminate_rate`, `peak_rate`, `off_peak_rate`, `free_day_rate`, `hours`, `jurisdiction`,
    /// `connection_fee`, `steps`, `minimum`, `increment`, `free`, `from`, `till`, `status`, `blocked` or `ignored`. Usual names need no word.
    pub columns: BTreeMap<String, String>,
    /// What stands before the decimals of a price.
    pub decimal_mark: DecimalMark,
    /// Which comes first in 03/04/2026.
    pub date_order: DateOrder,
    /// Minutes that the sheet's dates are ahead of UTC, unless a date has its own offset; −840 to 840. Null for the clock of the deck's
    /// zone.
    #[schema(minimum = -840, maximum = 840)]
    pub utc_offset_min: Option<i32>,
    /// What a price is the price of.
    pub unit: Unit,
    /// What the numbers of `30/6/0` are.
    pub steps_order: StepsOrder,
    /// Minimum, increment and free seconds of rates without their own: `1/1/0`.
    #[schema(example = "1/1/0")]
    pub steps: String,
    /// What a dash between digits of a code means.
    pub dashes: Dashes,
    /// An empty destination or country code means the one above, as merged cells do.
    pub fill_down: bool,
    /// From when rates without a date are valid, and missing codes closed; absent for the moment of applying.
    pub from: Option<Time>,
    /// From when increases without a date are valid; absent for what the sheet's title says.
    pub increases_from: Option<Time>,
    /// From when decreases without a date are valid; absent for what the sheet's title says.
    pub decreases_from: Option<Time>,
    /// Days that must lie between a sheet and its increases; earlier ones are listed.
    #[schema(maximum = 65535)]
    pub notice_days: u16,
    /// A price that rises by more per cent needs a second user's approval; 0 for never.
    #[schema(maximum = 65535)]
    pub increase_percent_max: u16,
    /// A sheet that closes more per cent of the deck's codes needs a second user's approval; 0 for never.
    #[schema(maximum = 65535)]
    pub closed_percent_max: u16,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms {
            semantics: Semantics::default(),
            columns: BTreeMap::new(),
            decimal_mark: DecimalMark::default(),
            date_order: DateOrder::default(),
            utc_offset_min: None,
            unit: Unit::default(),
            steps_order: StepsOrder::default(),
            steps: "1/1/0".to_owned(),
            dashes: Dashes::default(),
            fill_down: false,
            from: None,
            increases_from: None,
            decreases_from: None,
            notice_days: 7,
            increase_percent_max: 0,
            closed_percent_max: 0,
        }
    }
}

impl Semantics {
    /// In the words of `rating`.
    pub fn missing(self) -> Missing {
        match self {
            Semantics::AToZ => Missing::Closed,
            Semantics::FullCountry => Missing::ClosedInCountry,
            Semantics::Partial => Missing::Stays,
        }
    }
}

impl Terms {
    /// From the JSON that the store keeps.
    pub fn parse(body: &str) -> Terms {
        serde_json::from_str(body).unwrap_or_default()
    }

    /// As the store keeps it.
    pub fn body(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// With what needs a second user as another template says.
    pub fn guarded_as(self, guard: &Terms) -> Terms {
        let (increase_percent_max, closed_percent_max) = (guard.increase_percent_max, guard.closed_percent_max);
        Terms { increase_percent_max, closed_percent_max, ..self }
    }

    /// With the stricter of two guards each.
    pub fn guarded_too(self, other: &Terms) -> Terms {
        let stricter = |a: u16, b: u16| if a == 0 || b == 0 { a.max(b) } else { a.min(b) };
        let increase_percent_max = stricter(self.increase_percent_max, other.increase_percent_max);
        let closed_percent_max = stricter(self.closed_percent_max, other.closed_percent_max);
        Terms { increase_percent_max, closed_percent_max, ..self }
    }

    /// In the words of `rating`; the sentence says what is wrong.
    pub fn options(&self, now: WallTime) -> Result<Options, String> {
        if self.utc_offset_min.is_some_and(|offset| offset.abs() > OFFSET_MINUTES_MAX) {
            return Err("utc_offset_min: -840 to 840 is wanted".to_owned());
        }
        let known = || Column::words().collect::<Vec<_>>().join(", ");
        let column = |(name, word): (&String, &String)| {
            let found = Column::of_word(word).ok_or_else(|| format!("columns: {word:?} is none of {}", known()))?;
            Ok((name.clone(), found))
        };
        let steps: Result<Vec<u16>, _> = self.steps.split('/').map(str::parse).collect();
        let steps = match steps.as_deref() {
            Ok([minimum, increment, free]) if *increment > 0 => (*minimum, *increment, *free),
            _ => return Err("steps: minimum/increment/free seconds such as 1/1/0 are wanted".to_owned()),
        };
        Ok(Options {
            offset_minutes: self.utc_offset_min.unwrap_or(0),
            zone: Vec::new(),
            from: self.from.map_or(now, |time| time.0),
            steps,
            steps_order: match self.steps_order {
                StepsOrder::MinimumFirst => deck::StepsOrder::MinimumFirst,
                StepsOrder::IncrementFirst => deck::StepsOrder::IncrementFirst,
                StepsOrder::FreeMinimum => deck::StepsOrder::FreeMinimum,
                StepsOrder::FreeIncrement => deck::StepsOrder::FreeIncrement,
            },
            unit: match self.unit {
                Unit::Minute => deck::Unit::Minute,
                Unit::Second => deck::Unit::Second,
                Unit::Increment => deck::Unit::Increment,
            },
            decimal_comma: match self.decimal_mark {
                DecimalMark::Auto => None,
                DecimalMark::Point => Some(false),
                DecimalMark::Comma => Some(true),
            },
            date_order: match self.date_order {
                DateOrder::Ask => None,
                DateOrder::DayFirst => Some(deck::DateOrder::DayFirst),
                DateOrder::MonthFirst => Some(deck::DateOrder::MonthFirst),
            },
            dashes: match self.dashes {
                Dashes::Ask => None,
                Dashes::Range => Some(deck::Dashes::Range),
                Dashes::Space => Some(deck::Dashes::Space),
            },
            columns: self.columns.iter().map(column).collect::<Result<_, String>>()?,
            fill_down: self.fill_down,
            currency: String::new(),
        })
    }
}
