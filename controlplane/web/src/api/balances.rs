//! Balances of all accounts on one page: what is left, what is lent, what it costs a day, and how long it lasts.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use store::AccountDraft;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::accounts::Account;
use crate::auth::{May, rights};
use crate::object::Shown;
use crate::problem::Answered;
use crate::services::App;
use crate::value::{Amount, Time};

/// Accounts at most.
const ACCOUNTS_MAX: usize = 1_000;

/// All balances.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Balances {
    /// In order of account, 1,000 at most.
    pub data: Vec<Spent>,
    /// When this was read.
    pub as_of: Time,
}

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

/// The path of balances.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Lists all balances with what calls cost lately.
#[utoipa::path(get, path = "/api/v1/balances", tag = "accounts",
    responses((status = 200, description = "All of them.", body = Balances)))]
async fn list(_caller: May<rights::Read>, State(app): State<App>) -> Answered<Json<Balances>> {
    let names = app.names.read(&app.store).await?;
    let mut accounts = app.store.all::<AccountDraft>().await?;
    accounts.truncate(ACCOUNTS_MAX);
    let spending = app.store.spending(&accounts).await?;
    let data = accounts.iter().zip(spending).map(|(account, spending)| Spent {
        account: Account::show(account, &names),
        spent_today: Amount(spending.day),
        spent_this_month: Amount(spending.month),
        runway_s: spending.runway_s,
        may_owe: spending.may_owe.map(Amount),
    });
    let data = data.collect();
    Ok(Json(Balances { data, as_of: Time::now() }))
}
