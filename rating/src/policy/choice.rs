//! The rules of a plan and of its routes, compiled: bands, margins, areas, conditions.

use alloc::string::String;
use alloc::vec::Vec;

use regex::Regex;
use snapshot::routing::{Area, Window, decimal};
use snapshot::{Offset, PlanRules, PolicyFlaw, RouteRules};
use units::{Money, Number, WallTime};

use super::rules::regex;
use crate::routes::Reason;

/// Nano-units in a hundred per cent.
const WHOLE: i128 = 100 * Money::NANOS as i128;

/// How one plan chooses, ready for use.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Destinations must be international numbers.
    pub check_called: bool,
    near_price: Money,
    /// In nano-units of a per cent.
    near_percent: Money,
    margin_percent: Option<Money>,
    /// Of the zone in which hours are meant, in order of time.
    offsets: Vec<Offset>,
    routes: Vec<Conditions>,
}

/// When one route may be tried, ready for use.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// As they were written.
    pub rules: RouteRules,
    called_match: Option<Regex>,
    called_deny: Option<Regex>,
    calling_match: Option<Regex>,
    calling_deny: Option<Regex>,
    called_prefixes: Vec<String>,
    calling_prefixes: Vec<String>,
    /// Weekdays as bits, first minute, minute behind the last.
    hours: Vec<(u8, u16, u16)>,
}

/// What conditions look at.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The caller, as admitted.
    pub calling: &'a Number,
    /// The destination, as admitted.
    pub called: &'a Number,
    /// The tags of the ingress trunk.
    pub tags: &'a [String],
    /// When it came.
    pub at: WallTime,
}

impl Choice {
    /// Compiles a plan's rules and those of its routes, in the plan's order.
    ///
    /// # Errors
    /// The first field that is wrong, and the place of its route where it is a route's.
    pub fn compile(
        rules: &PlanRules,
        routes: impl IntoIterator<Item = RouteRules>,
    ) -> Result<Choice, (Option<usize>, PolicyFlaw)> {
        let whole = |flaw| (None, flaw);
        rules.check().map_err(whole)?;
        let amount = |field, text: &str| decimal(field, text).map_err(whole);
        let routes = routes.into_iter().enumerate();
        let routes = routes.map(|(place, route)| {
            route.check(rules).and_then(|()| Conditions::compile(route, rules)).map_err(|flaw| (Some(place), flaw))
        });
        Ok(Choice {
            offsets: Vec::new(),
            check_called: rules.check_called,
            near_price: amount("near_price", &rules.near_price)?.unwrap_or_default(),
            near_percent: amount("near_percent", &rules.near_percent)?.unwrap_or_default(),
            margin_percent: amount("margin_percent", &rules.margin_percent)?,
            routes: routes.collect::<Result<_, _>>()?,
        })
    }

    /// The same on the clock of a zone with these offsets, in order of time.
    #[must_use]
    pub fn on_clock(self, offsets: Vec<Offset>) -> Choice {
        Choice { offsets, ..self }
    }

    /// Whether the route at this place may serve such a call.
    ///
    /// # Errors
    /// The first of its conditions that does not hold.
    pub fn admit(&self, place: usize, call: &Call<'_>) -> Result<(), Reason> {
        let Some(conditions) = self.routes.get(place) else { return Ok(()) };
        conditions.admit(call)?;
        let (weekday, minute) = self.local(call.at);
        let within = |(days, from, till): &(u8, u16, u16)| days & weekday != 0 && (*from..*till).contains(&minute);
        let open = conditions.hours.is_empty() || conditions.hours.iter().any(within);
        if open { Ok(()) } else { Err(Reason::Hours) }
    }

    /// The weekday as a bit with Monday in bit 0, and the minute of the day, on the plan's clock.
    fn local(&self, at: WallTime) -> (u8, u16) {
        let later = self.offsets.partition_point(|offset| offset.from <= at);
        let ahead_s = self.offsets.get(later.saturating_sub(1)).map_or(0, |offset| i64::from(offset.ahead_s));
        let local_s = at.micros().div_euclid(1_000_000).saturating_add(ahead_s);
        // 1970-01-01 was a Thursday.
        let weekday = (local_s.div_euclid(86_400) + 3).rem_euclid(7);
        (1 << weekday, (local_s.rem_euclid(86_400) / 60) as u16)
    }

    /// The conditions of the route at this place; `None` where it has none.
    pub fn route(&self, place: usize) -> Option<&Conditions> {
        self.routes.get(place)
    }

    /// Prices that are near enough count as equal.
    pub fn has_bands(&self) -> bool {
        self.near_price.max(self.near_percent) > Money::ZERO
    }

    /// The dearest price of the band whose cheapest price is this; `None` where only equal prices are equal.
    pub fn band(&self, cheapest: Money) -> Option<Money> {
        let share = i128::from(cheapest.nanos()) * i128::from(self.near_percent.nanos()) / WHOLE;
        let share = Money::from_nanos(i64::try_from(share).unwrap_or(i64::MAX));
        let width = self.near_price.max(share);
        self.has_bands().then(|| cheapest + width)
    }

    /// The least margin of a minute that is sold at this price: the plan's guard, or the share if that asks for more.
    pub fn least_margin(&self, guard: Money, sell: Money) -> Money {
        let Some(percent) = self.margin_percent else { return guard };
        // Rounded up: a margin below the share must not pass.
        let share = (i128::from(sell.nanos()) * i128::from(percent.nanos())).div_euclid(WHOLE)
            + i128::from((i128::from(sell.nanos()) * i128::from(percent.nanos())).rem_euclid(WHOLE) != 0);
        guard.max(Money::from_nanos(i64::try_from(share).unwrap_or(i64::MAX)))
    }
}

impl Conditions {
    fn compile(rules: RouteRules, plan: &PlanRules) -> Result<Conditions, PolicyFlaw> {
        let expression = |field, text: &str| match text {
            "" => Ok(None),
            text => regex(field, text).map(Some),
        };
        let areas = |names: &[String]| {
            let wanted = plan.areas.iter().filter(|area: &&Area| names.contains(&area.name));
            let mut prefixes: Vec<String> = wanted.flat_map(|area| area.prefixes.iter().cloned()).collect();
            prefixes.sort_unstable();
            prefixes
        };
        Ok(Conditions {
            called_match: expression("called_match", &rules.called_match)?,
            called_deny: expression("called_deny", &rules.called_deny)?,
            calling_match: expression("calling_match", &rules.calling_match)?,
            calling_deny: expression("calling_deny", &rules.calling_deny)?,
            called_prefixes: areas(&rules.called_areas),
            calling_prefixes: areas(&rules.calling_areas),
            hours: rules.hours.iter().map(Window::read).collect::<Result<_, _>>()?,
            rules,
        })
    }

    /// All but the hours.
    fn admit(&self, call: &Call<'_>) -> Result<(), Reason> {
        let (called, calling) = (call.called.as_str(), call.calling.as_str());
        let misses = |wanted: &Option<Regex>, text: &str| wanted.as_ref().is_some_and(|regex| !regex.is_match(text));
        let hits = |denied: &Option<Regex>, text: &str| denied.as_ref().is_some_and(|regex| regex.is_match(text));
        let outside = |prefixes: &[String], number: &Number| !prefixes.is_empty() && !begins(prefixes, number);
        let tagless = !self.rules.tags.is_empty() && !self.rules.tags.iter().any(|tag| call.tags.contains(tag));
        if !self.rules.active {
            Err(Reason::Inactive)
        } else if tagless {
            Err(Reason::NoTag)
        } else if outside(&self.called_prefixes, call.called) {
            Err(Reason::CalledArea)
        } else if outside(&self.calling_prefixes, call.calling) {
            Err(Reason::CallingArea)
        } else if misses(&self.called_match, called) {
            Err(Reason::CalledMatch)
        } else if hits(&self.called_deny, called) {
            Err(Reason::CalledDeny)
        } else if misses(&self.calling_match, calling) {
            Err(Reason::CallingMatch)
        } else if hits(&self.calling_deny, calling) {
            Err(Reason::CallingDeny)
        } else {
            Ok(())
        }
    }
}

/// True if the number starts with one of these sorted prefixes.
fn begins(prefixes: &[String], number: &Number) -> bool {
    let digits = number.digits();
    let has = |length: usize| prefixes.binary_search_by(|prefix| prefix.as_bytes().cmp(&digits[..length])).is_ok();
    (1..=digits.len().min(15)).any(has)
}
