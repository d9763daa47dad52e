//! Balances of all accounts on one page: what is left, what is lent, what it costs a day, and how long it lasts.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use store::AccountDraft;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::accounts::Account;
use crate::auth::{May, rights};
use crate::extract::Query;
use crate::object::Shown;
use crate::page::{self, List};
use crate::problem::Answered;
use crate::services::App;
use crate::value::Amount;

/// An account and what its calls cost lately.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Spent {
    /// The account.
    pub account: Account,
    /// What calls cost in this day of its zone.
    pub spent_today: Amount,
    /// What calls cost in this month of its zone.
    pub spent_this_month: Amount,
    /// Seconds until what is available is spent at the pace of yesterday and today; absent if it does not run out.
    pub runway_s: Option<u64>,
    /// What its carrier may still be owed, what is lent to nodes apart; absent where nothing limits it.
    pub may_owe: Option<Amount>,
}

/// Which balances.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct BalancesAsk {
    /// Rows at most, 1 to 1,000; default 1,000.
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the part before.
    #[param(min_length = 1)]
    pub cursor: Option<String>,
}

/// The path of balances.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Lists balances with what calls cost lately, in order of account.
#[utoipa::path(get, path = "/api/v1/balances", tag = "accounts", params(BalancesAsk),
    responses((status = 200, description = "A part of the list.", body = List<Spent>)))]
async fn list(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Query(ask): Query<BalancesAsk>,
) -> Answered<Json<List<Spent>>> {
    let limit = page::limit(Some(ask.limit.unwrap_or(page::LIMIT_MAX)))?;
    let after = page::id_of(ask.cursor.as_deref())?;
    let names = app.names.read(&app.store).await?;
    let accounts = app.store.list::<AccountDraft>(store::Page { after, limit, carrier: None }).await?;
    let spending = app.store.spending(&accounts).await?;
    let full = accounts.len() == limit as usize;
    let next = accounts.last().filter(|_| full).map(|last| page::cursor_of(&last.id.to_be_bytes()));
    let data = accounts.iter().zip(spending).map(|(account, spending)| Spent {
        account: Account::show(account, &names),
        spent_today: Amount(spending.day),
        spent_this_month: Amount(spending.month),
        runway_s: spending.runway_s,
        may_owe: spending.may_owe.map(Amount),
    });
    Ok(Json(List::part(data.collect(), next)))
}
