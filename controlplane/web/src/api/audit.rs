//! Who changed what.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use panel::wire::{Answer, Ask};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::{Key, Query};
use crate::page::{self, List, Page};
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::snapshot_files::Held;
use crate::value::{AuditRef, Time};

/// One change.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditRef,
    /// When.
    pub at: Time,
    /// The user's name or the key's, as `user:admin` or `key:billing`.
    pub actor: String,
    /// `create`, `update`, `delete`, `payment`, `import`, `apply`, `release`, `drain`, `log_in`, `log_out`…
    pub action: String,
    /// What was changed: `car_12`.
    pub object: String,
    /// The caller's address.
    pub address: String,
    /// The request's id.
    pub request_id: String,
    /// The object before; null when it was made.
    #[schema(value_type = Option<Object>)]
    pub before: Option<serde_json::Value>,
    /// The object after, or the list of what an applied file changed; null when it was deleted.
    pub after: Option<serde_json::Value>,
}

/// One published snapshot.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RevisionRow {
    /// Its number.
    pub revision: u64,
    /// When it was built.
    pub built_at: Time,
    /// Rates in it.
    pub rates: u64,
    /// Bytes of its file; absent when the file is gone.
    pub bytes: Option<u64>,
    /// It is the one in force on the data plane.
    pub in_force: bool,
}

/// Which acts.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AuditFilter {
    /// Only of this object: `car_12`.
    pub object: Option<String>,
    /// Rows at most, 1 to 1,000; default 200. The newest come first.
    #[param(minimum = 1, maximum = 1000, default = 200)]
    pub limit: Option<u32>,
    /// `next_cursor` of the part before.
    #[param(min_length = 1)]
    pub cursor: Option<String>,
}

/// A revision that was put in force again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RestoredRevision {
    /// Its number.
    pub revision: u64,
    /// All shards decide from it; otherwise they will as soon as they can, and the log says what keeps them.
    pub in_force: bool,
}

/// How long the answer waits for the data plane to decide from a restored revision.
const LOADED_WITHIN: Duration = Duration::from_secs(1);
/// How often it is asked meanwhile.
const ASKED_EVERY: Duration = Duration::from_millis(20);

/// The paths of audit and revisions.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(revisions)).routes(routes!(restore))
}

/// Lists who changed what, newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "system", params(AuditFilter),
    responses((status = 200, description = "A part of the list.", body = List<AuditEntry>)))]
async fn list(
    _caller: May<rights::Admin>,
    State(app): State<App>,
    Query(filter): Query<AuditFilter>,
) -> Answered<Json<List<AuditEntry>>> {
    let limit = page::limit(filter.limit)?;
    let before = match &filter.cursor {
        None => None,
        Some(cursor) => {
            let inside = page::inside_of(cursor)?.try_into().map_err(|_| page::foreign_cursor())?;
            Some(i64::from_be_bytes(inside))
        }
    };
    let found = app.store.audit_entries(before, filter.object.as_deref(), limit).await?;
    let full = found.len() == limit as usize;
    let next = found.last().filter(|_| full).map(|last| page::cursor_of(&last.id.to_be_bytes()));
    Ok(Json(List::part(found.into_iter().map(AuditEntry::show).collect(), next)))
}

/// Lists published snapshots, newest first.
#[utoipa::path(get, path = "/api/v1/revisions", tag = "system", params(Page),
    responses((status = 200, description = "The latest ones; there is no next part.", body = List<RevisionRow>)))]
async fn revisions(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Query(asked): Query<Page>,
) -> Answered<Json<List<RevisionRow>>> {
    let found = app.store.revisions(page::limit(asked.limit)?).await?;
    let in_force = app.live.now().revision;
    let show = |row: store::RevisionRow| RevisionRow {
        revision: row.revision.0,
        built_at: Time(row.created),
        rates: row.rates,
        bytes: app.snapshots.size(row.revision.0),
        in_force: row.revision.0 == in_force,
    };
    Ok(Json(List::whole(found.into_iter().map(show).collect())))
}

/// Puts a kept revision of the whole configuration in force on this node, as it was, within a second.
///
/// What operators have entered since stays in the database: the next change of anything is published with all of it and takes this
/// revision's place. Correct what was wrong before that.
#[utoipa::path(post, path = "/api/v1/revisions/{revision}/restore", tag = "system",
    params(("revision" = u64, Path, description = "One with `bytes` in the list: the last ten are kept.")),
    responses((status = 200, description = "What is in force.", body = RestoredRevision)))]
async fn restore(
    caller: May<rights::Write>,
    State(app): State<App>,
    Key(revision): Key<u64>,
) -> Answered<Json<RestoredRevision>> {
    let counter = app.store.changes().await?;
    app.snapshots.hold(Held { revision, counter }).await?;
    let told = |revision: u64| serde_json::json!({ "revision": revision });
    let (before, after) = (told(app.live.now().revision), told(revision));
    app.store.audit(&caller.entry("restore", format!("revision {revision}"), Some(&before), Some(&after))).await?;
    app.publish.notify_one();
    let until = Instant::now() + LOADED_WITHIN;
    loop {
        let in_force = match app.link.ask(Ask::Figures).await? {
            Answer::Figures(figures) => figures.shards.iter().all(|shard| shard.revision == revision),
            other => return Err(Problem::internal(format!("the data plane answered {other:?} to Figures"))),
        };
        if in_force || Instant::now() >= until {
            return Ok(Json(RestoredRevision { revision, in_force }));
        }
        tokio::time::sleep(ASKED_EVERY).await;
    }
}

impl AuditEntry {
    fn show(entry: store::AuditEntry) -> AuditEntry {
        let json = |text: &str| serde_json::from_str(text).ok();
        AuditEntry {
            id: AuditRef(entry.id),
            at: Time(entry.at),
            before: json(&entry.before),
            after: json(&entry.after),
            actor: entry.actor,
            action: entry.action,
            object: entry.object,
            address: entry.address,
            request_id: entry.request_id,
        }
    }
}
