//! What machines ask: alive, ready, metrics, version.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::live::Heard;
use crate::metrics;
use crate::services::App;

/// Whether calls can be taken.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// The data plane answers and has a snapshot.
    pub ready: bool,
    /// The data plane answers.
    pub data_plane_up: bool,
    /// The database answers.
    pub database_up: bool,
    /// The snapshot in force; 0 for none.
    pub revision: u64,
}

/// What runs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// The product.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The paths that machines ask, without a key.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(metrics_text))
        .routes(routes!(version))
}

/// Alive: the program answers.
#[utoipa::path(get, path = "/healthz", tag = "operations", security(()),
    responses((status = 200, description = "Alive.", body = String, content_type = "text/plain")))]
async fn healthz() -> &'static str {
    "ok\n"
}

/// Ready: calls can be taken.
#[utoipa::path(get, path = "/readyz", tag = "operations", security(()),
    responses((status = 200, description = "Ready.", body = Readiness), (status = 503, description = "Not ready.", body = Readiness)))]
async fn readyz(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let heard = app.live.heard().filter(Heard::is_up);
    let revision = heard.as_ref().map_or(0, |heard| heard.figures.revision);
    let draining = heard.as_ref().is_some_and(|heard| heard.figures.draining);
    let readiness = Readiness {
        ready: revision > 0 && !draining,
        data_plane_up: heard.is_some(),
        // Calls go on without the database, so it is told and not asked for.
        database_up: app.store.changes().await.is_ok(),
        revision,
    };
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

/// Metrics in Prometheus's text format.
#[utoipa::path(get, path = "/metrics", tag = "operations", security(()),
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain")))]
async fn metrics_text(State(app): State<App>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, metrics::text(&app)).into_response()
}

/// What runs.
#[utoipa::path(get, path = "/version", tag = "operations", security(()),
    responses((status = 200, description = "Product and version.", body = Version)))]
async fn version(State(app): State<App>) -> Json<Version> {
    Json(Version { name: "tandem".to_owned(), version: app.version.clone() })
}
