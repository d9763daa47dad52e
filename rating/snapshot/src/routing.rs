//! What a plan and each of its routes ask of a call beyond prices: one value each, kept as JSON like a policy.
//!
//! Everything has a default that asks nothing, so that an absent value is an empty one. Unknown names are refused.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use units::Money;

use crate::calendar::Minute;
use crate::policy::{PolicyFlaw, TEXT_MAX, is_default, is_true};

/// Areas of one plan at most.
pub const AREAS_MAX: usize = 32;
/// Prefixes of one area at most.
pub const AREA_PREFIXES_MAX: usize = 500;
/// Tags of one ingress trunk, and tags or areas that one route asks for, at most.
pub const TAGS_MAX: usize = 16;
/// Windows of hours of one route at most.
pub const HOURS_MAX: usize = 32;

/// How a plan chooses among its routes, beyond their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "schema",
    schema(example = json!({
        "near_percent": "5",
        "margin_percent": "2.5",
        "check_called": true,
        "areas": [{ "name": "benelux", "prefixes": ["31", "32", "352"] }],
    }))
)]
#[serde(default, deny_unknown_fields)]
pub struct PlanRules {
    /// Buy prices at most this much above the cheapest of their band count as equal, so that the priority decides among them: a
    /// decimal per minute. Only where the order is least cost; empty for 0.
    #[serde(skip_serializing_if = "is_default")]
    pub near_price: String,
    /// The same in per cent of the band's cheapest price, such as 2.5; where both are given the wider band holds. Empty for 0.
    #[serde(skip_serializing_if = "is_default")]
    pub near_percent: String,
    /// The margin of a minute must be at least this many per cent of its sell price, besides the plan's margin guard; negative allows
    /// a loss. Empty for no such limit.
    #[serde(skip_serializing_if = "is_default")]
    pub margin_percent: String,
    /// Calls to a destination that is no international number (7 to 15 digits behind a country code that is assigned) are refused
    /// with cause 28, after the plan's rewrites.
    #[serde(skip_serializing_if = "is_default")]
    pub check_called: bool,
    /// Areas that routes of this plan may ask for, each a list of prefixes.
    #[serde(skip_serializing_if = "is_default")]
    pub areas: Vec<Area>,
    /// The zone of the clock that `hours` of its routes are meant on, as IANA names it, such as Europe/Paris; empty for UTC.
    #[serde(skip_serializing_if = "is_default")]
    pub zone: String,
}

/// A part of the world's numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Area {
    /// What routes call it.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Digits that its numbers start with, without a plus.
    #[serde(skip_serializing_if = "is_default")]
    pub prefixes: Vec<String>,
}

/// Hours of a week.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Window {
    /// On these days of the week: mon, tue, wed, thu, fri, sat, sun; empty for all.
    #[serde(skip_serializing_if = "is_default")]
    pub days: Vec<String>,
    /// From this time on, such as 08:30; empty for 00:00.
    #[serde(skip_serializing_if = "is_default")]
    pub from: String,
    /// Until just before this time on the same day, such as 18:00; empty for 24:00.
    #[serde(skip_serializing_if = "is_default")]
    pub till: String,
}

impl Window {
    /// Weekdays as bits with Monday in bit 0, and minutes of the day: from the first to just before the second.
    ///
    /// # Errors
    /// What is no day, no time, or ends before it begins.
    pub fn read(&self) -> Result<(u8, u16, u16), PolicyFlaw> {
        const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let wrong = |field, reason: String| Err(PolicyFlaw::new(field, reason));
        let mut days = 0;
        for day in &self.days {
            match DAYS.iter().position(|known| known == day) {
                Some(place) => days |= 1 << place,
                None => return wrong("hours.days", format!("{day:?} is none of mon, tue, wed, thu, fri, sat, sun")),
            }
        }
        let minute = |field, text: &str, empty: u16| match text {
            "" => Ok(empty),
            text => Minute::parse(text)
                .map(Minute::number)
                .ok_or_else(|| PolicyFlaw::new(field, format!("{text:?} is not a time of day such as 08:30"))),
        };
        let (from, till) = (minute("hours.from", &self.from, 0)?, minute("hours.till", &self.till, 24 * 60)?);
        if till <= from {
            return wrong("hours.till", String::from("is not after the beginning: write one window for each day"));
        }
        Ok((if days == 0 { 0x7F } else { days }, from, till))
    }
}

/// When a route may be tried and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(example = json!({ "called_match": "^447", "tags": ["retail"], "stop": true })))]
#[serde(default, deny_unknown_fields)]
pub struct RouteRules {
    /// The route is in use. Default: yes.
    #[serde(skip_serializing_if = "is_true")]
    pub active: bool,
    /// Only destinations that this expression matches; empty for all.
    #[serde(skip_serializing_if = "is_default")]
    pub called_match: String,
    /// No destination that this expression matches; empty for none.
    #[serde(skip_serializing_if = "is_default")]
    pub called_deny: String,
    /// Only callers that this expression matches; empty for all.
    #[serde(skip_serializing_if = "is_default")]
    pub calling_match: String,
    /// No caller that this expression matches; empty for none.
    #[serde(skip_serializing_if = "is_default")]
    pub calling_deny: String,
    /// Only calls of ingress trunks that bear one of these tags; empty for all.
    #[serde(skip_serializing_if = "is_default")]
    pub tags: Vec<String>,
    /// Only destinations in one of these areas of the plan; empty for all.
    #[serde(skip_serializing_if = "is_default")]
    pub called_areas: Vec<String>,
    /// Only callers in one of these areas of the plan; empty for all.
    #[serde(skip_serializing_if = "is_default")]
    pub calling_areas: Vec<String>,
    /// Only at these hours, on the clock of the plan's zone; empty for always. Up to 32.
    #[serde(skip_serializing_if = "is_default")]
    pub hours: Vec<Window>,
    /// Nothing that comes after this route in the order is tried, failover plans included.
    #[serde(skip_serializing_if = "is_default")]
    pub stop: bool,
    /// Where this route's conditions hold and its trunk sells the destination, nothing but exclusive routes is tried, even if this one
    /// cannot be.
    #[serde(skip_serializing_if = "is_default")]
    pub exclusive: bool,
    /// Per cent of calls, drawn by the call's seed, for which this route comes before all others of its plan; 0 for never.
    #[serde(skip_serializing_if = "is_default")]
    pub force_percent: u8,
}

impl Default for RouteRules {
    fn default() -> RouteRules {
        RouteRules {
            active: true,
            called_match: String::new(),
            called_deny: String::new(),
            calling_match: String::new(),
            calling_deny: String::new(),
            tags: Vec::new(),
            called_areas: Vec::new(),
            calling_areas: Vec::new(),
            hours: Vec::new(),
            stop: false,
            exclusive: false,
            force_percent: 0,
        }
    }
}

macro_rules! texts {
    ($($name:ident)*) => {$(
        impl $name {
            /// Its text form; empty where all is at its default.
            #[must_use]
            pub fn to_text(&self) -> String {
                if is_default(self) {
                    return String::new();
                }
                serde_json::to_string(self).expect("rules hold nothing that JSON cannot say")
            }

            /// The rules of a text form.
            ///
            /// # Errors
            /// What is wrong, in words, with line and column.
            pub fn from_text(text: &str) -> Result<$name, PolicyFlaw> {
                if text.is_empty() {
                    return Ok($name::default());
                }
                serde_json::from_str(text).map_err(|error| PolicyFlaw::new("rules", format!("{error}")))
            }
        }
    )*};
}

texts! { PlanRules RouteRules }

impl PlanRules {
    /// Checks what can be said without compiling.
    ///
    /// # Errors
    /// The first field that is wrong, and why.
    pub fn check(&self) -> Result<(), PolicyFlaw> {
        for (field, text) in [("near_price", &self.near_price), ("near_percent", &self.near_percent)] {
            if decimal(field, text)?.is_some_and(|near| near < Money::ZERO) {
                return Err(PolicyFlaw::new(field, "must not be negative"));
            }
        }
        if decimal("margin_percent", &self.margin_percent)?.is_some_and(|least| least > percent(100)) {
            return Err(PolicyFlaw::new("margin_percent", "must be at most 100"));
        }
        if self.areas.len() > AREAS_MAX {
            return Err(PolicyFlaw::new("areas", format!("has more than {AREAS_MAX} entries")));
        }
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte);
        if self.zone.len() > 64 || !self.zone.bytes().all(good) {
            return Err(PolicyFlaw::new("zone", format!("{:?} is no zone such as Europe/Paris", self.zone)));
        }
        for (place, area) in self.areas.iter().enumerate() {
            let twice = self.areas[..place].iter().any(|other| other.name == area.name);
            area.check(twice).map_err(|flaw| flaw.at(place))?;
        }
        Ok(())
    }
}

impl Area {
    fn check(&self, twice: bool) -> Result<(), PolicyFlaw> {
        tag("areas.name", &self.name)?;
        if twice {
            return Err(PolicyFlaw::new("areas.name", format!("{} stands there twice", self.name)));
        }
        if self.prefixes.is_empty() || self.prefixes.len() > AREA_PREFIXES_MAX {
            return Err(PolicyFlaw::new("areas.prefixes", format!("needs 1 to {AREA_PREFIXES_MAX} prefixes")));
        }
        let good =
            |prefix: &String| (1..=15).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_digit());
        match self.prefixes.iter().find(|prefix| !good(prefix)) {
            Some(bad) => Err(PolicyFlaw::new("areas.prefixes", format!("{bad:?} is not 1 to 15 digits"))),
            None => Ok(()),
        }
    }
}

impl RouteRules {
    /// Checks what can be said without compiling; areas must be the plan's.
    ///
    /// # Errors
    /// The first field that is wrong, and why.
    pub fn check(&self, plan: &PlanRules) -> Result<(), PolicyFlaw> {
        let expressions = [
            ("called_match", &self.called_match),
            ("called_deny", &self.called_deny),
            ("calling_match", &self.calling_match),
            ("calling_deny", &self.calling_deny),
        ];
        if let Some((field, _)) = expressions.iter().find(|(_, text)| text.chars().count() > TEXT_MAX) {
            return Err(PolicyFlaw::new(field, format!("must have {TEXT_MAX} characters at most")));
        }
        tags("tags", &self.tags)?;
        for (field, names) in [("called_areas", &self.called_areas), ("calling_areas", &self.calling_areas)] {
            tags(field, names)?;
            let known = |name: &String| plan.areas.iter().any(|area| area.name == *name);
            if let Some(place) = names.iter().position(|name| !known(name)) {
                return Err(PolicyFlaw::new(field, format!("the plan has no area {}", names[place])).at(place));
            }
        }
        if self.hours.len() > HOURS_MAX {
            return Err(PolicyFlaw::new("hours", format!("has more than {HOURS_MAX} entries")));
        }
        for (place, window) in self.hours.iter().enumerate() {
            window.read().map_err(|flaw| flaw.at(place))?;
        }
        if self.force_percent > 100 { Err(PolicyFlaw::new("force_percent", "must be 0 to 100")) } else { Ok(()) }
    }
}

/// A list of tags or names of areas.
pub(crate) fn tags(field: &'static str, names: &[String]) -> Result<(), PolicyFlaw> {
    if names.len() > TAGS_MAX {
        return Err(PolicyFlaw::new(field, format!("has more than {TAGS_MAX} entries")));
    }
    names.iter().enumerate().try_for_each(|(place, name)| tag(field, name).map_err(|flaw| flaw.at(place)))
}

fn tag(field: &'static str, name: &str) -> Result<(), PolicyFlaw> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=32).contains(&name.len()) && name.bytes().all(good) {
        return Ok(());
    }
    Err(PolicyFlaw::new(field, format!("{name:?} is not 1 to 32 letters, digits, '-', '_' or '.'")))
}

/// A decimal with nine digits after the point at most; `None` for an empty text.
///
/// # Errors
/// The field, when its text is none.
pub fn decimal(field: &'static str, text: &str) -> Result<Option<Money>, PolicyFlaw> {
    if text.is_empty() {
        return Ok(None);
    }
    let read = Money::parse(text);
    read.map(Some).ok_or_else(|| PolicyFlaw::new(field, format!("{text:?} is no decimal such as 0.002 or 2.5")))
}

fn percent(whole: i64) -> Money {
    Money::from_nanos(whole * Money::NANOS)
}
