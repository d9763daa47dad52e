//! Many rates of a deck at once: those of a destination, dearer or cheaper from some day on.

use rating::deck::merge::{Line, Merged};
use rating::deck::{Mark, Sheet};
use rating::diff::{self, Edits};
use serde::{Deserialize, Serialize};
use snapshot::Rate;
use units::{Money, WallTime};
use utoipa::ToSchema;

use crate::object::set;
use crate::value::{Amount, Percent, Time};

/// Which rates, and what becomes of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BulkChange {
    /// Destinations that fit this mask: `%` stands for any text, capital and small letters are the same; absent for all.
    #[schema(example = "UK%mobile%")]
    pub destination: Option<String>,
    /// Prefixes that start with these characters; absent for all.
    pub prefix: Option<String>,
    /// From when; absent for now. Rates of later days stay.
    pub effective_from: Option<Time>,
    /// The new price of a minute, that of the minimum too.
    pub per_minute: Option<Amount>,
    /// Put on the price of a minute; may be negative.
    pub add: Option<Amount>,
    /// Per cents put on the price of a minute; may be negative. Rounded to the deck's decimals, halves up.
    pub add_percent: Option<Percent>,
    /// The new connection fee.
    pub connection_fee: Option<Amount>,
    /// Seconds billed at least.
    #[schema(maximum = 65535)]
    pub minimum_s: Option<u16>,
    /// Length of a billing step after the minimum.
    #[schema(minimum = 1, maximum = 65535)]
    pub increment_s: Option<u16>,
    /// Calls there are refused, or no longer.
    pub blocked: Option<bool>,
}

impl BulkChange {
    /// What would change, as if a sheet said it: the rates in force then are followed by others. The sentence says why it cannot be.
    pub(super) fn over(&self, old: Vec<Rate>, decimals: u8, now: WallTime) -> Result<(Sheet, Merged), String> {
        if self.increment_s == Some(0) {
            return Err("increment_s: must be 1 or more".to_owned());
        }
        let mut old = old;
        old.sort_by(diff::by_key);
        let from = self.effective_from.map_or(now, |time| time.0);
        let put = followers(&old, self, from, decimals)?;
        if put.is_empty() {
            return Err("no rate fits, or none would change".to_owned());
        }
        let place =
            |rate: &Rate| old.binary_search_by(|other| diff::by_key(other, rate)).ok().map(|place| place as u32);
        let line = |(new, rate): (u32, &Rate)| {
            let before = in_force(&old, rate, from);
            let kind = diff::kind_of(before, rate);
            Line { kind, old: before.and_then(place), new: Some(new), at: from, row: 0, disagrees: None }
        };
        let lines = (0..).zip(&put).map(line).collect();
        let marks = put.iter().map(|_| Mark { row: 0, dated: true, status: None }).collect();
        let rates = diff::apply(&old, &Edits { gone: Vec::new(), put: put.clone() });
        let sheet = Sheet { rates: put.clone(), marks, ..Sheet::default() };
        Ok((sheet, Merged { old, new: put, rates, lines }))
    }
}

/// The rates that take over at `from` from those that fit.
fn followers(old: &[Rate], ask: &BulkChange, from: WallTime, decimals: u8) -> Result<Vec<Rate>, String> {
    let mask = ask.destination.as_ref().map(|mask| mask.to_lowercase());
    let prefix = ask.prefix.as_deref().unwrap_or("");
    let fits = |rate: &&Rate| {
        rate.prefix.starts_with(prefix) && mask.as_ref().is_none_or(|mask| like(mask, &rate.destination.to_lowercase()))
    };
    let lines = old.chunk_by(|a, b| diff::by_line(a, b).is_eq());
    let current = lines.filter_map(|line| line.iter().rfind(|rate| in_force_at(rate, from)));
    let mut put = Vec::new();
    for rate in current.filter(fits) {
        let mut new = Rate { from, ..rate.clone() };
        new.per_minute = price(rate.per_minute, ask, decimals);
        new.first_per_minute = match ask.per_minute {
            Some(_) => None,
            None => rate.first_per_minute.map(|first| price(first, ask, decimals)),
        };
        set(&mut new.connection_fee, ask.connection_fee.map(|fee| fee.0));
        let least = new.per_minute.min(new.first_per_minute.unwrap_or_default()).min(new.connection_fee);
        if least < Money::ZERO {
            return Err(format!("{} would cost less than nothing", rate.prefix));
        }
        set(&mut new.minimum_s, ask.minimum_s);
        set(&mut new.increment_s, ask.increment_s);
        set(&mut new.blocked, ask.blocked);
        if (Rate { from: rate.from, ..new.clone() }) != *rate {
            put.push(new);
        }
    }
    Ok(put)
}

fn price(old: Money, ask: &BulkChange, decimals: u8) -> Money {
    let price = ask.per_minute.map_or(old, |price| price.0);
    let price = ask.add.map_or(price, |add| price + add.0);
    let Some(percent) = ask.add_percent else { return price };
    let unit = 10_i128.pow(9 - u32::from(decimals.min(9)));
    let nanos = i128::from(price.nanos()) * i128::from(1_000_000 + i64::from(percent.0.ppm()));
    let rounded = (nanos + 500_000 * unit).div_euclid(1_000_000 * unit) * unit;
    Money::from_nanos(i64::try_from(rounded).unwrap_or(i64::MAX))
}

fn in_force_at(rate: &Rate, at: WallTime) -> bool {
    rate.from <= at && rate.till.is_none_or(|till| at < till)
}

fn in_force<'a>(old: &'a [Rate], new: &Rate, at: WallTime) -> Option<&'a Rate> {
    let start = old.partition_point(|rate| diff::by_line(rate, new).is_lt());
    let line = old[start..].iter().take_while(|rate| diff::by_line(rate, new).is_eq());
    line.filter(|rate| in_force_at(rate, at)).last()
}

/// True if a text fits a mask where `%` stands for any text. Looks at each letter once for each `%`.
fn like(mask: &str, text: &str) -> bool {
    let mut parts = mask.split('%');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = mask.split('%').skip(1).last() else { return rest.is_empty() };
    let between = mask.matches('%').count() - 1;
    for part in parts.take(between) {
        let Some(place) = rest.find(part) else { return false };
        rest = &rest[place + part.len()..];
    }
    rest.ends_with(last)
}
