//! Who changed what.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::Query;
use crate::page::{self, List, Page};
use crate::problem::Answered;
use crate::services::App;
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
    /// The object after; null when it was deleted.
    #[schema(value_type = Option<Object>)]
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
    pub cursor: Option<String>,
}

/// The paths of audit and revisions.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(revisions))
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
