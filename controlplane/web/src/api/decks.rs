//! Rate decks.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::accounts::currency;
use snapshot::Calendar;
use store::{DeckDraft, Stored};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::{Body, Key, Patch, Query};
use crate::names::Names;
use crate::object::{self, Shown, Tagged, set};
use crate::page::{List, Page};
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::value::{Amount, DeckRef, Percent, Time};

/// How call milliseconds become seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// Up.
    #[default]
    Ceil,
    /// To the nearest, halves up.
    Round,
    /// Down.
    Floor,
}

/// Which of several prices counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Take {
    /// The highest.
    #[default]
    Max,
    /// The lowest.
    Min,
}

/// How a deck is computed from others, whenever a snapshot is built: for each prefix of any of them the highest or lowest of their longest
/// matches, plus per cents of it, plus a fixed amount. A deck that is blocked there does not count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// The decks, 1 to 64, in the same currency.
    pub from: Vec<DeckRef>,
    /// Which of their prices counts.
    #[serde(default)]
    pub take: Take,
    /// Added to the price of a minute; may be below zero.
    #[serde(default)]
    pub add_fixed: Amount,
    /// Added to all prices, per cents of them.
    #[serde(default)]
    pub add_percent: Percent,
    /// The price of a minute at least.
    #[serde(default)]
    pub floor_per_minute: Amount,
    /// Seconds billed at least.
    #[schema(maximum = 65535)]
    pub minimum_s: u16,
    /// Length of a billing step; not 0.
    #[schema(minimum = 1, maximum = 65535)]
    pub increment_s: u16,
    /// Free seconds.
    #[serde(default)]
    #[schema(maximum = 65535)]
    pub free_s: u16,
}

impl Derived {
    fn show(rule: &rating::derive::Derived) -> Derived {
        Derived {
            from: rule.from.iter().map(|deck| DeckRef(deck.0)).collect(),
            take: if rule.take == rating::derive::Take::Max { Take::Max } else { Take::Min },
            add_fixed: Amount(rule.add_fixed),
            add_percent: Percent(rule.add),
            floor_per_minute: Amount(rule.floor_per_minute),
            minimum_s: rule.minimum_s,
            increment_s: rule.increment_s,
            free_s: rule.free_s,
        }
    }

    fn rule(self) -> rating::derive::Derived {
        rating::derive::Derived {
            from: self.from.into_iter().map(Into::into).collect(),
            take: if self.take == Take::Max { rating::derive::Take::Max } else { rating::derive::Take::Min },
            add_fixed: self.add_fixed.0,
            add: self.add_percent.0,
            floor_per_minute: self.floor_per_minute.0,
            minimum_s: self.minimum_s,
            increment_s: self.increment_s,
            free_s: self.free_s,
        }
    }
}

/// A price list of one carrier, one side.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Deck {
    /// Its id.
    pub id: DeckRef,
    /// The short name that operators use, unique.
    pub code: String,
    /// What people call it.
    pub name: String,
    /// What its prices count in. It can never be changed.
    #[schema(example = "USD")]
    pub currency: String,
    /// Decimals of a price, 0 to 9.
    pub decimals: u8,
    /// Milliseconds to seconds.
    pub rounding: Rounding,
    /// Billing steps count from the call's beginning; otherwise from the end of the minimum.
    pub steps_from_zero: bool,
    /// Tax on top of the price; 0 to 100.
    pub tax_percent: Percent,
    /// The zone of its clock as IANA names it: its calendar and the dates of its sheets are meant there.
    #[schema(example = "Europe/Paris")]
    pub zone: String,
    /// Which hours are peak and which days are free, for rates of some hours.
    pub calendar: Calendar,
    /// Rates of one United States jurisdiction count; otherwise only those of any.
    pub by_jurisdiction: bool,
    /// Looked up by the location routing number of a call that has one; otherwise by the dialled number.
    pub by_lrn: bool,
    /// How its rates are computed; absent for a deck with rates of its own.
    pub derived: Option<Derived>,
    /// How many rates it holds, computed ones apart.
    pub rates: u64,
    /// When it was last changed, rates apart.
    pub updated_at: Time,
}

/// A deck to be made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeckNew {
    /// The short name, unique.
    #[schema(min_length = 1, max_length = 64, pattern = "^[0-9A-Za-z_-][0-9A-Za-z._-]*$")]
    pub code: String,
    /// What people call it; the code when absent.
    #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    pub name: Option<String>,
    /// ISO 4217; default `USD`.
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: Option<String>,
    /// Decimals of a price, 0 to 9; default 6.
    #[schema(maximum = 9)]
    pub decimals: Option<u8>,
    /// Milliseconds to seconds; default up.
    #[serde(default)]
    pub rounding: Rounding,
    /// Billing steps count from the call's beginning; default from the end of the minimum.
    #[serde(default)]
    pub steps_from_zero: bool,
    /// Tax on top of the price, 0 to 100; default none.
    #[serde(default)]
    pub tax_percent: Percent,
    /// The zone of its clock as IANA names it; default `UTC`.
    pub zone: Option<String>,
    /// Which hours are peak and which days are free; default none, so that all hours are off-peak.
    #[serde(default)]
    pub calendar: Calendar,
    /// Rates of one United States jurisdiction count; default only those of any.
    #[serde(default)]
    pub by_jurisdiction: bool,
    /// Looked up by the location routing number of a call that has one; default by the dialled number.
    #[serde(default)]
    pub by_lrn: bool,
    /// How its rates are computed; absent for rates of its own.
    pub derived: Option<Derived>,
}

/// Changes of a deck; absent fields stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeckPatch {
    /// The short name.
    #[schema(min_length = 1, max_length = 64, pattern = "^[0-9A-Za-z_-][0-9A-Za-z._-]*$")]
    pub code: Option<String>,
    /// What people call it.
    #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    pub name: Option<String>,
    /// Decimals of a price, 0 to 9.
    #[schema(maximum = 9)]
    pub decimals: Option<u8>,
    /// Milliseconds to seconds.
    pub rounding: Option<Rounding>,
    /// Billing steps count from the call's beginning.
    pub steps_from_zero: Option<bool>,
    /// Tax on top of the price, 0 to 100.
    pub tax_percent: Option<Percent>,
    /// The zone of its clock as IANA names it.
    pub zone: Option<String>,
    /// Which hours are peak and which days are free; replaces all of it.
    pub calendar: Option<Calendar>,
    /// Rates of one United States jurisdiction count.
    pub by_jurisdiction: Option<bool>,
    /// Looked up by the location routing number of a call that has one.
    pub by_lrn: Option<bool>,
    /// How its rates are computed; null for rates of its own.
    #[serde(default, deserialize_with = "crate::extract::given")]
    #[schema(value_type = Option<Derived>)]
    pub derived: Option<Option<Derived>>,
}

/// The paths of decks.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(read, update, delete))
}

/// Lists decks in order of id.
#[utoipa::path(get, path = "/api/v1/decks", tag = "decks", params(Page),
    responses((status = 200, description = "A part of the list.", body = List<Deck>)))]
async fn list(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Query(page): Query<Page>,
) -> Answered<Json<List<Deck>>> {
    object::list(&app, &page, None).await
}

/// Reads one deck.
#[utoipa::path(get, path = "/api/v1/decks/{id}", tag = "decks", params(("id" = DeckRef, Path)),
    responses((status = 200, description = "It, with its ETag.", body = Deck)))]
async fn read(_caller: May<rights::Read>, State(app): State<App>, Key(id): Key<DeckRef>) -> Answered<Tagged<Deck>> {
    object::read(&app, id.0).await
}

/// Makes a deck.
#[utoipa::path(post, path = "/api/v1/decks", tag = "decks", request_body = DeckNew,
    responses((status = 201, description = "It, with its ETag.", body = Deck)))]
async fn create(
    caller: May<rights::Write>,
    State(app): State<App>,
    Body(new): Body<DeckNew>,
) -> Answered<Tagged<Deck>> {
    object::create(&app, &caller, new.draft()?).await
}

/// Changes a deck.
#[utoipa::path(patch, path = "/api/v1/decks/{id}", tag = "decks", request_body = DeckPatch,
    params(("id" = DeckRef, Path), ("if-match" = String, Header, description = "The ETag that was read.")),
    responses((status = 200, description = "It as it stands then.", body = Deck)))]
async fn update(
    caller: May<rights::Write>,
    State(app): State<App>,
    Key(id): Key<DeckRef>,
    headers: HeaderMap,
    Patch(patch): Patch<DeckPatch>,
) -> Answered<Tagged<Deck>> {
    object::update(&app, &caller, id.0, &headers, |draft| patch.patch(draft)).await
}

/// Deletes a deck that nothing refers to.
#[utoipa::path(delete, path = "/api/v1/decks/{id}", tag = "decks",
    params(("id" = DeckRef, Path), ("if-match" = String, Header, description = "The ETag that was read.")),
    responses((status = 204, description = "Gone.")))]
async fn delete(
    caller: May<rights::Write>,
    State(app): State<App>,
    Key(id): Key<DeckRef>,
    headers: HeaderMap,
) -> Answered<StatusCode> {
    object::delete::<Deck>(&app, &caller, id.0, &headers).await
}

impl Shown for Deck {
    type Draft = DeckDraft;

    fn show(stored: &Stored<DeckDraft>, _names: &Names) -> Deck {
        Deck {
            id: DeckRef(stored.id),
            code: stored.code.clone(),
            name: stored.name.clone(),
            currency: stored.currency.code(),
            decimals: stored.decimals,
            rounding: stored.rounding.into(),
            steps_from_zero: stored.steps_from_zero,
            tax_percent: Percent::from_ppm(stored.tax_ppm),
            zone: stored.zone.clone(),
            calendar: stored.calendar.clone(),
            by_jurisdiction: stored.by_jurisdiction,
            by_lrn: stored.by_lrn,
            derived: stored.derived.as_ref().map(Derived::show),
            rates: stored.facts.rates,
            updated_at: Time(stored.updated),
        }
    }

    fn key(id: u32) -> String {
        DeckRef(id).to_string()
    }
}

impl From<units::Rounding> for Rounding {
    fn from(rounding: units::Rounding) -> Rounding {
        match rounding {
            units::Rounding::Ceil => Rounding::Ceil,
            units::Rounding::Round => Rounding::Round,
            units::Rounding::Floor => Rounding::Floor,
        }
    }
}

impl From<Rounding> for units::Rounding {
    fn from(rounding: Rounding) -> units::Rounding {
        match rounding {
            Rounding::Ceil => units::Rounding::Ceil,
            Rounding::Round => units::Rounding::Round,
            Rounding::Floor => units::Rounding::Floor,
        }
    }
}

/// In millionths; the store refuses more than 100 per cent.
fn tax(percent: Percent) -> Answered<u32> {
    u32::try_from(percent.0.ppm()).map_err(|_| Problem::invalid("/tax_percent", "0 to 100 per cent"))
}

impl DeckNew {
    fn draft(self) -> Answered<DeckDraft> {
        Ok(DeckDraft {
            name: self.name.unwrap_or_else(|| self.code.clone()),
            code: self.code,
            currency: currency(self.currency.as_deref())?,
            decimals: self.decimals.unwrap_or(6),
            rounding: self.rounding.into(),
            steps_from_zero: self.steps_from_zero,
            tax_ppm: tax(self.tax_percent)?,
            zone: self.zone.unwrap_or_else(|| "UTC".to_owned()),
            calendar: self.calendar,
            by_jurisdiction: self.by_jurisdiction,
            by_lrn: self.by_lrn,
            derived: self.derived.map(Derived::rule),
        })
    }
}

impl DeckPatch {
    fn patch(self, draft: &mut DeckDraft) -> Answered<()> {
        set(&mut draft.code, self.code);
        set(&mut draft.name, self.name);
        set(&mut draft.decimals, self.decimals);
        set(&mut draft.rounding, self.rounding.map(Into::into));
        set(&mut draft.steps_from_zero, self.steps_from_zero);
        set(&mut draft.zone, self.zone);
        set(&mut draft.calendar, self.calendar);
        set(&mut draft.by_jurisdiction, self.by_jurisdiction);
        set(&mut draft.by_lrn, self.by_lrn);
        set(&mut draft.derived, self.derived.map(|derived| derived.map(Derived::rule)));
        set(&mut draft.tax_ppm, self.tax_percent.map(tax).transpose()?);
        Ok(())
    }
}
