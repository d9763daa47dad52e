//! Exchange rates: what currencies are worth in the base currency.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use units::Currency;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::{Body, Key};
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::value::{Amount, ExchangeRef, Time};

/// All exchange rates.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExchangeRates {
    /// What the values count in, ISO 4217; it is worth 1.
    #[schema(example = "EUR")]
    pub base_currency: String,
    /// By currency and date.
    pub data: Vec<ExchangeRate>,
}

/// What one unit of a currency is worth, from a moment on until the next one of the same currency.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExchangeRate {
    /// Its id.
    pub id: ExchangeRef,
    /// ISO 4217.
    #[schema(example = "USD")]
    pub currency: String,
    /// Units of the base currency; at most nine digits after the point.
    pub value: Amount,
    /// Valid from this moment on.
    pub effective_from: Time,
}

/// An exchange rate to be written.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExchangeRatePut {
    /// ISO 4217; not the base currency.
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: String,
    /// Units of the base currency, above 0 and up to 1,000,000.
    pub value: Amount,
    /// Valid from this moment on; now when absent. One of the same currency and moment is replaced.
    pub effective_from: Option<Time>,
}

/// The base currency.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BaseCurrency {
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    pub currency: String,
}

/// The paths of exchange rates.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, put)).routes(routes!(delete)).routes(routes!(put_base))
}

/// Lists all exchange rates and the base currency.
#[utoipa::path(get, path = "/api/v1/exchange-rates", tag = "decks",
    responses((status = 200, description = "All of them.", body = ExchangeRates)))]
async fn list(_caller: May<rights::Read>, State(app): State<App>) -> Answered<Json<ExchangeRates>> {
    let rates = app.store.exchange_rates().await?;
    let base_currency = app.store.base_currency().await?.code();
    Ok(Json(ExchangeRates { base_currency, data: rates.iter().map(ExchangeRate::show).collect() }))
}

/// Writes an exchange rate. Calls that come from then on are priced by it; running calls keep their quote.
#[utoipa::path(put, path = "/api/v1/exchange-rates", tag = "decks", request_body = ExchangeRatePut,
    responses((status = 200, description = "It as it stands.", body = ExchangeRate)))]
async fn put(
    caller: May<rights::RatesWrite>,
    State(app): State<App>,
    Body(new): Body<ExchangeRatePut>,
) -> Answered<Json<ExchangeRate>> {
    let rate = snapshot::ExchangeRate {
        currency: read("/currency", &new.currency)?,
        from: new.effective_from.unwrap_or_else(Time::now).0,
        value: new.value.0,
    };
    let mut edit = app.store.edit().await?;
    let stand = edit.exchange_rates().await?;
    let before = stand.iter().find(|stands| (stands.currency, stands.from) == (rate.currency, rate.from));
    edit.put_exchange_rate(&rate).await?;
    let (before, after) = (before.map(ExchangeRate::show), ExchangeRate::show(&rate));
    let object = format!("exchange rate {}", after.id);
    edit.audit(&caller.entry("update", object, before.as_ref(), Some(&after))).await?;
    edit.commit().await?;
    app.publish.notify_one();
    Ok(Json(after))
}

/// Removes an exchange rate that no trunk needs.
#[utoipa::path(delete, path = "/api/v1/exchange-rates/{id}", tag = "decks", params(("id" = ExchangeRef, Path)),
    responses((status = 204, description = "Gone.")))]
async fn delete(
    caller: May<rights::RatesWrite>,
    State(app): State<App>,
    Key(id): Key<ExchangeRef>,
) -> Answered<StatusCode> {
    let mut edit = app.store.edit().await?;
    edit.delete_exchange_rate(id.currency, id.from).await?;
    let gone: Option<&ExchangeRate> = None;
    edit.audit(&caller.entry("delete", format!("exchange rate {id}"), gone, gone)).await?;
    edit.commit().await?;
    app.publish.notify_one();
    Ok(StatusCode::NO_CONTENT)
}

/// Names the base currency, as long as there are no exchange rates.
#[utoipa::path(put, path = "/api/v1/base-currency", tag = "decks", request_body = BaseCurrency,
    responses((status = 200, description = "It as it stands.", body = BaseCurrency)))]
async fn put_base(
    caller: May<rights::RatesWrite>,
    State(app): State<App>,
    Body(base): Body<BaseCurrency>,
) -> Answered<Json<BaseCurrency>> {
    let mut edit = app.store.edit().await?;
    let before = BaseCurrency { currency: edit.base_currency().await?.code() };
    edit.set_base_currency(read("/currency", &base.currency)?).await?;
    edit.audit(&caller.entry("update", "base currency".to_owned(), Some(&before), Some(&base))).await?;
    edit.commit().await?;
    Ok(Json(base))
}

fn read(field: &str, text: &str) -> Answered<Currency> {
    Currency::parse(text).ok_or_else(|| Problem::invalid(field, "three capital letters are wanted"))
}

impl ExchangeRate {
    fn show(rate: &snapshot::ExchangeRate) -> ExchangeRate {
        ExchangeRate {
            id: ExchangeRef { currency: rate.currency, from: rate.from },
            currency: rate.currency.code(),
            value: Amount(rate.value),
            effective_from: Time(rate.from),
        }
    }
}
