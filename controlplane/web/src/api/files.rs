//! How recordings and captures leave this node.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use units::WallTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::page::List;
use crate::problem::Answered;
use crate::services::App;
use crate::value::Time;

/// A place that finished recordings and captures are copied to. What it counts begins with the control plane's start.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FilePlace {
    /// The place, as it was set: a folder, a peer of rsync, a bucket of S3.
    pub to: String,
    /// Files copied.
    pub copied: u64,
    /// Bytes of them.
    pub copied_bytes: u64,
    /// Tries that failed; they are repeated.
    pub failed: u64,
    /// Files that were removed here before they were copied.
    pub lost: u64,
    /// Files that wait.
    pub waiting: u64,
    /// Bytes of them.
    pub waiting_bytes: u64,
    /// When the oldest of them was finished; absent when none waits.
    pub oldest_at: Option<Time>,
    /// When the place last took something.
    pub reached_at: Option<Time>,
    /// Why the last try failed; absent if it did not.
    pub problem: Option<String>,
}

impl From<files::State> for FilePlace {
    fn from(state: files::State) -> FilePlace {
        let time = |us: Option<i64>| us.map(|us| Time(WallTime::from_micros(us)));
        FilePlace {
            to: state.to,
            copied: state.copied,
            copied_bytes: state.copied_bytes,
            failed: state.failed,
            lost: state.lost,
            waiting: state.waiting,
            waiting_bytes: state.waiting_bytes,
            oldest_at: time(state.oldest_us),
            reached_at: time(state.reached_us),
            problem: Some(state.problem).filter(|problem| !problem.is_empty()),
        }
    }
}

/// The path of files.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Lists the places that this node's finished recordings and captures are copied to; none: they stay here.
#[utoipa::path(get, path = "/api/v1/files", tag = "nodes",
    responses((status = 200, description = "All of them.", body = List<FilePlace>)))]
async fn list(_caller: May<rights::Read>, State(app): State<App>) -> Answered<Json<List<FilePlace>>> {
    Ok(Json(List::whole(app.files.states().into_iter().map(FilePlace::from).collect())))
}
