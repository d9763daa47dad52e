//! Many rates of a deck at once: those of a destination, dearer or cheaper from some day on.

use axum::Json;
use axum::extract::State;
use rating::diff::{self, Edits};
use serde::{Deserialize, Serialize};
use snapshot::Rate;
use store::DeckDraft;
use units::{Money, WallTime};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::import::{RateChange, off_the_loop};
use crate::auth::{May, rights};
use crate::extract::{Body, Key};
use crate::object::set;
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::value::{Amount, DeckRef, Time};

/// Lines that the answer shows.
const SHOWN_MAX: usize = 1_000;

/// Which rates, and what becomes of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BulkChange {
    /// Only says what would change.
    pub dry_run: bool,
    /// Destinations that fit this mask: `%` stands for any text, capital and small letters are the same; absent for all.
    #[schema(example = "UK%mobile%")]
    pub destination: Option<String>,
    /// Prefixes that start with these characters; absent for all.
    pub prefix: Option<String>,
    /// From when; absent for now. Rates of later days stay.
    pub effective_from: Option<Time>,
    /// The new price of a minute.
    pub per_minute: Option<Amount>,
    /// Put on the price of a minute; may be negative.
    pub add: Option<Amount>,
    /// Put on the price of a minute, in millionths of it: 25,000 is 2.5 %. May be negative. Rounded to the deck's decimals, halves up.
    pub add_ppm: Option<i64>,
    /// The new connection fee.
    pub connection_fee: Option<Amount>,
    /// Seconds billed at least.
    pub minimum_s: Option<u16>,
    /// Length of a billing step after the minimum.
    pub increment_s: Option<u16>,
    /// Calls there are refused, or no longer.
    pub blocked: Option<bool>,
}

/// What a bulk change did, or would do.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BulkReport {
    /// The deck holds the new rates.
    pub applied: bool,
    /// Rates that change.
    pub changed: u32,
    /// The first 1,000 of them.
    pub changes: Vec<RateChange>,
}

/// The path of bulk changes.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(change))
}

/// Changes all rates of a mask from some moment on, in one transaction: the rates in force then are followed by new ones.
#[utoipa::path(post, path = "/api/v1/decks/{id}/rates:change", tag = "decks", params(("id" = DeckRef, Path)), request_body = BulkChange,
    responses((status = 200, description = "What was done, or would be.", body = BulkReport)))]
async fn change(
    caller: May<rights::RatesWrite>,
    State(app): State<App>,
    Key(id): Key<DeckRef>,
    Body(ask): Body<BulkChange>,
) -> Answered<Json<BulkReport>> {
    let mut edit = app.store.edit().await?;
    let deck = edit.get::<DeckDraft>(id.0).await?;
    let old = edit.every_rate(id.0).await?;
    let (dry_run, told) = (ask.dry_run, serde_json::to_value(&ask).unwrap_or_default());
    let from = ask.effective_from.unwrap_or_else(Time::now).0;
    let (put, rates, changes) = off_the_loop(move || {
        let put = followers(&old, &ask, from, deck.decimals)?;
        let edits = Edits { gone: Vec::new(), put };
        let rates = diff::apply(&old, &edits);
        let shown = edits.put.iter().take(SHOWN_MAX).map(|new| {
            let before = in_force(&old, new, from);
            RateChange::show(&diff::Change { kind: diff::kind_of(before, new), old: before, new: Some(new) })
        });
        let shown: Vec<RateChange> = shown.collect();
        Ok::<_, String>((edits.put, rates, shown))
    })
    .await?
    .map_err(|why| Problem::invalid("/add", why))?;
    let changed = u32::try_from(put.len()).unwrap_or(u32::MAX);
    if dry_run || put.is_empty() {
        return Ok(Json(BulkReport { applied: false, changed, changes }));
    }
    edit.replace_rates(id.0, &rates, &format!("{} changed {changed} rates at once", caller.actor())).await?;
    edit.audit(&caller.entry("bulk", id, None, Some(&told))).await?;
    edit.commit().await?;
    app.publish.notify_one();
    Ok(Json(BulkReport { applied: true, changed, changes }))
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
        if new.per_minute < Money::ZERO {
            return Err(format!("{} would cost less than nothing", rate.prefix));
        }
        set(&mut new.connection_fee, ask.connection_fee.map(|fee| fee.0));
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
    let Some(ppm) = ask.add_ppm else { return price };
    let unit = 10_i128.pow(9 - u32::from(decimals.min(9)));
    let nanos = i128::from(price.nanos()) * i128::from(1_000_000 + ppm.clamp(-1_000_000, 1_000_000_000));
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
