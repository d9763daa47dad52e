//! Alarms: what nodes said that somebody should look at.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::Query;
use crate::page::{self, List};
use crate::problem::Answered;
use crate::services::App;
use crate::value::Time;

/// Which alarms.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AlarmsAsk {
    /// Only those that stand.
    pub standing: Option<bool>,
    /// Rows at most, 1 to 1,000; default 200.
    #[param(minimum = 1, maximum = 1000, default = 200)]
    pub limit: Option<u32>,
}

/// What somebody should look at.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Alarm {
    /// Globally unique.
    pub id: String,
    /// The node's number.
    pub node: u16,
    /// Which, for programs.
    #[schema(example = "journal_failing")]
    pub name: String,
    /// `warn`, or `fail` where calls, money or records are in danger.
    #[schema(example = "fail")]
    pub level: String,
    /// What was so when it was raised.
    pub what: String,
    /// What to do about it.
    pub mend: String,
    /// Since when.
    pub raised_at: Time,
    /// When it was over; absent while it stands.
    pub cleared_at: Option<Time>,
}

/// The paths of alarms.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Lists alarms of all nodes, newest first. What is over is forgotten after 30 days.
#[utoipa::path(get, path = "/api/v1/alarms", tag = "operations", params(AlarmsAsk),
    responses((status = 200, description = "The newest of them.", body = List<Alarm>)))]
async fn list(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Query(ask): Query<AlarmsAsk>,
) -> Answered<Json<List<Alarm>>> {
    let found = app.store.alarms(ask.standing.unwrap_or(false), page::limit(ask.limit)?).await?;
    let show = |row: store::AlarmRow| {
        let store::StandingAlarm { name, level, what, mend } = row.alarm;
        let (raised_at, cleared_at) = (Time(row.raised), row.cleared.map(Time));
        Alarm { id: row.id, node: row.node.0, name, level, what, mend, raised_at, cleared_at }
    };
    Ok(Json(List::whole(found.into_iter().map(show).collect())))
}
