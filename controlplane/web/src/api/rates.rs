//! The rates of a deck: look, change one.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{DeckDraft, RATES_PAGE_MAX, RateAfter};
use units::{RateClass, WallTime};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::desk;
use crate::extract::{Key, Keys, Patch, Query};
use crate::object::{Tagged, if_match, set};
use crate::page::{self, List};
use crate::problem::{Answered, Code, Problem};
use crate::services::App;
use crate::sheets;
use crate::value::{Amount, DeckRef, RateHours, RateJurisdiction, RateRef, Time};

/// Rates looked through for one answer when the name of a destination is searched; then the answer is what was found and a cursor.
const LOOKED_AT_MAX: usize = 50_000;

/// One line of a deck.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Rate {
    /// Its id.
    pub id: RateRef,
    /// What the called number must start with; empty matches all.
    #[schema(example = "4420")]
    pub prefix: String,
    /// At which hours it counts.
    pub hours: RateHours,
    /// For calls of which jurisdiction it counts.
    pub jurisdiction: RateJurisdiction,
    /// What people call the destination.
    pub destination: String,
    /// Price of sixty seconds, in the deck's currency.
    pub per_minute: Amount,
    /// Price of sixty seconds within the minimum; absent where it is that of every minute.
    pub first_per_minute: Option<Amount>,
    /// Charged once for an answered call.
    pub connection_fee: Amount,
    /// Seconds billed at least.
    pub minimum_s: u16,
    /// Length of a billing step.
    pub increment_s: u16,
    /// Free seconds.
    pub free_s: u16,
    /// Valid from this moment on.
    pub effective_from: Time,
    /// Valid until just before this moment; absent for ever.
    pub effective_till: Option<Time>,
    /// Calls there are refused (causes 330 and 331).
    pub blocked: bool,
}

/// Which rates of a deck.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RateFilter {
    /// Rates whose prefix starts with these characters.
    pub prefix: Option<String>,
    /// Rates whose destination's name contains this, capital or small.
    pub destination: Option<String>,
    /// Rows at most, 1 to 1,000; default 200.
    #[param(minimum = 1, maximum = 1000, default = 200)]
    pub limit: Option<u32>,
    /// `next_cursor` of the part before.
    #[param(min_length = 1)]
    pub cursor: Option<String>,
}

/// Changes of a rate; absent fields stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RatePatch {
    /// What people call the destination.
    #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    pub destination: Option<String>,
    /// Price of sixty seconds.
    pub per_minute: Option<Amount>,
    /// Price of sixty seconds within the minimum; null for that of every minute.
    #[serde(default, deserialize_with = "crate::extract::given")]
    #[schema(value_type = Option<Amount>)]
    pub first_per_minute: Option<Option<Amount>>,
    /// Charged once for an answered call.
    pub connection_fee: Option<Amount>,
    /// Seconds billed at least.
    #[schema(maximum = 65535)]
    pub minimum_s: Option<u16>,
    /// Length of a billing step; not 0.
    #[schema(minimum = 1, maximum = 65535)]
    pub increment_s: Option<u16>,
    /// Free seconds.
    #[schema(maximum = 65535)]
    pub free_s: Option<u16>,
    /// Valid until just before this moment; null for ever.
    #[serde(default, deserialize_with = "crate::extract::given")]
    #[schema(value_type = Option<Time>)]
    pub effective_till: Option<Option<Time>>,
    /// Calls there are refused.
    pub blocked: Option<bool>,
}

/// The paths of rates, imports apart.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read, update))
}

/// Lists the rates of a deck in order of prefix, hours, jurisdiction and date.
#[utoipa::path(get, path = "/api/v1/decks/{id}/rates", tag = "decks", params(("id" = DeckRef, Path), RateFilter),
    responses((status = 200, description = "A part of the list; it may be short and still have a next one.", body = List<Rate>)))]
async fn list(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Key(deck): Key<DeckRef>,
    Query(filter): Query<RateFilter>,
) -> Answered<Json<List<Rate>>> {
    Ok(Json(part(&app, deck, &filter).await?))
}

/// A part of a deck's rates.
pub(super) async fn part(app: &App, deck: DeckRef, filter: &RateFilter) -> Answered<List<Rate>> {
    let limit = page::limit(filter.limit)?;
    let prefix = filter.prefix.as_deref().unwrap_or("");
    let wanted = filter.destination.as_deref().unwrap_or("").to_lowercase();
    let mut after = filter.cursor.as_deref().map(after).transpose()?;
    let (mut found, mut looked_at) = (Vec::new(), 0);
    loop {
        let ask = if wanted.is_empty() { limit } else { RATES_PAGE_MAX };
        let rows = app.store.rates(deck.0, prefix, after.as_ref(), ask).await?;
        let more = rows.len() == ask as usize;
        looked_at += rows.len();
        for rate in rows {
            after = Some(RateAfter::rate(&rate));
            if wanted.is_empty() || rate.destination.to_lowercase().contains(&wanted) {
                found.push(Rate::show(&rate));
            }
            if found.len() == limit as usize {
                return Ok(List::part(found, after.as_ref().map(cursor)));
            }
        }
        if !more || looked_at >= LOOKED_AT_MAX {
            return Ok(List::part(found, after.as_ref().filter(|_| more).map(cursor)));
        }
    }
}

/// Reads one rate.
#[utoipa::path(get, path = "/api/v1/decks/{id}/rates/{rate}", tag = "decks",
    params(("id" = DeckRef, Path), ("rate" = RateRef, Path)),
    responses((status = 200, description = "It, with its ETag.", body = Rate)))]
async fn read(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Keys(deck, rate): Keys<DeckRef, RateRef>,
) -> Answered<Tagged<Rate>> {
    let found = Rate::show(&one(&app, deck, &rate).await?);
    Ok(Tagged::found(found.tag(), found))
}

/// Changes a rate. Calls that come after the publication, a moment later, are charged by it; running calls keep their quote.
///
/// 409 where it would rise by more than the deck's template lets one user do.
#[utoipa::path(patch, path = "/api/v1/decks/{id}/rates/{rate}", tag = "decks", request_body = RatePatch,
    params(("id" = DeckRef, Path), ("rate" = RateRef, Path),
        ("if-match" = String, Header, description = "The ETag that was read.")),
    responses((status = 200, description = "It as it stands then.", body = Rate)))]
async fn update(
    caller: May<rights::RatesWrite>,
    State(app): State<App>,
    Keys(deck, key): Keys<DeckRef, RateRef>,
    headers: HeaderMap,
    Patch(patch): Patch<RatePatch>,
) -> Answered<Tagged<Rate>> {
    let expected = if_match(&headers)?;
    let seen = app.store.get::<DeckDraft>(deck.0).await?.facts.rates_version;
    let mut rate = one(&app, deck, &key).await?;
    let before = Rate::show(&rate);
    let changed = || Problem::new(Code::Changed, "the rate was changed since you read it");
    if !expected.admits(&before.tag()) {
        return Err(changed());
    }
    let old = rate.clone();
    patch.patch(&mut rate);
    let guard = desk::guard(&app.store, deck.0, caller.user()).await?;
    if sheets::rises(&old, &rate, &guard) {
        let why = format!(
            "it would rise by more than {} %, which a second user must approve: bring it as a change of many rates",
            guard.increase_percent_max
        );
        return Err(Problem::new(Code::Conflict, why));
    }
    let mut edit = app.store.edit().await?;
    if edit.get::<DeckDraft>(deck.0).await?.facts.rates_version != seen {
        return Err(changed());
    }
    edit.put_rate(deck.0, &rate, &format!("{} changed {}", caller.actor(), rate.prefix)).await?;
    let after = Rate::show(&rate);
    edit.audit(&caller.entry("update", format!("{deck} {key}"), Some(&before), Some(&after))).await?;
    edit.commit().await?;
    app.publish.notify_one();
    Ok(Tagged::found(after.tag(), after))
}

/// The rate of this prefix, class and date.
async fn one(app: &App, deck: DeckRef, rate: &RateRef) -> Answered<snapshot::Rate> {
    // Rates of one prefix and class follow each other by date: the one wanted is the first after the microsecond before it.
    let before = WallTime::from_micros(rate.from.micros().saturating_sub(1));
    let after = RateAfter { prefix: rate.prefix.clone(), class: rate.class, from: before };
    let found = app.store.rates(deck.0, &rate.prefix, Some(&after), 1).await?.into_iter().next();
    let same = found.filter(|found| RateRef::of(found) == *rate);
    same.ok_or_else(|| Problem::not_found(format!("rate {rate} in deck {deck}")))
}

fn cursor(after: &RateAfter) -> String {
    let mut inside = after.from.micros().to_be_bytes().to_vec();
    inside.push(after.class.code());
    inside.extend_from_slice(after.prefix.as_bytes());
    page::cursor_of(&inside)
}

fn after(cursor: &str) -> Answered<RateAfter> {
    let inside = page::inside_of(cursor)?;
    let (from, rest) = inside.split_first_chunk().ok_or_else(page::foreign_cursor)?;
    let (class, prefix) = rest.split_first().ok_or_else(page::foreign_cursor)?;
    let class = RateClass::from_code(*class).ok_or_else(page::foreign_cursor)?;
    let prefix = std::str::from_utf8(prefix).map_err(|_| page::foreign_cursor())?.to_owned();
    Ok(RateAfter { prefix, class, from: WallTime::from_micros(i64::from_be_bytes(*from)) })
}

impl Rate {
    fn show(rate: &snapshot::Rate) -> Rate {
        Rate {
            id: RateRef::of(rate),
            prefix: rate.prefix.clone(),
            hours: rate.class.hours.into(),
            jurisdiction: rate.class.jurisdiction.into(),
            destination: rate.destination.clone(),
            per_minute: Amount(rate.per_minute),
            first_per_minute: rate.first_per_minute.map(Amount),
            connection_fee: Amount(rate.connection_fee),
            minimum_s: rate.minimum_s,
            increment_s: rate.increment_s,
            free_s: rate.free_s,
            effective_from: Time(rate.from),
            effective_till: rate.till.map(Time),
            blocked: rate.blocked,
        }
    }

    /// Rates have no version of their own: the tag is a hash of all that a reader saw.
    fn tag(&self) -> String {
        let seen = serde_json::to_vec(self).unwrap_or_default();
        page::cursor_of(&Sha256::digest(seen)[..12])
    }
}

impl RatePatch {
    fn patch(self, rate: &mut snapshot::Rate) {
        set(&mut rate.destination, self.destination);
        set(&mut rate.per_minute, self.per_minute.map(|price| price.0));
        set(&mut rate.first_per_minute, self.first_per_minute.map(|price| price.map(|price| price.0)));
        set(&mut rate.connection_fee, self.connection_fee.map(|price| price.0));
        set(&mut rate.minimum_s, self.minimum_s);
        set(&mut rate.increment_s, self.increment_s);
        set(&mut rate.free_s, self.free_s);
        set(&mut rate.till, self.effective_till.map(|till| till.map(|till| till.0)));
        set(&mut rate.blocked, self.blocked);
    }
}
