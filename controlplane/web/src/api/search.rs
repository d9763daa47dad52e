//! The search engine that CDRs are told to, and how that goes.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::page::List;
use crate::problem::Answered;
use crate::services::App;
use crate::value::Time;

/// A search engine that this node tells of CDRs. What it counts begins with the control plane's start.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SearchEngine {
    /// Its address.
    pub url: String,
    /// It has, or will have, every call that started at this moment or later; earlier ones the database finds. Absent before its first word.
    pub since_at: Option<Time>,
    /// Records that it took from this node.
    pub sent: u64,
    /// Records that it refused by themselves: only the database finds them.
    pub refused: u64,
    /// Tries that failed; they are repeated.
    pub failed: u64,
    /// Records that wait, of all nodes.
    pub waiting: u64,
    /// When the oldest of them came; absent when none waits.
    pub oldest_at: Option<Time>,
    /// When it last took records from this node.
    pub reached_at: Option<Time>,
    /// Why the last try failed; absent if it did not.
    pub problem: Option<String>,
}

impl From<search::State> for SearchEngine {
    fn from(state: search::State) -> SearchEngine {
        SearchEngine {
            url: state.url,
            since_at: state.since.map(Time),
            sent: state.sent,
            refused: state.refused,
            failed: state.failed,
            waiting: state.waiting,
            oldest_at: state.oldest.map(Time),
            reached_at: state.reached.map(Time),
            problem: Some(state.problem).filter(|problem| !problem.is_empty()),
        }
    }
}

/// The path of search engines.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Lists the search engine that this node tells of CDRs; none: the database alone searches.
#[utoipa::path(get, path = "/api/v1/search-engines", tag = "nodes",
    responses((status = 200, description = "All of them.", body = List<SearchEngine>)))]
async fn list(_caller: May<rights::Read>, State(app): State<App>) -> Answered<Json<List<SearchEngine>>> {
    Ok(Json(List::whole(app.search.state().into_iter().map(SearchEngine::from).collect())))
}
