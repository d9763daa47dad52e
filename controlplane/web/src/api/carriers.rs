//! Carriers.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use store::{CarrierDraft, Stored};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::{Body, Key, Query};
use crate::names::Names;
use crate::object::{self, Shown, Tagged, set};
use crate::page::{List, Page};
use crate::problem::Answered;
use crate::services::App;
use crate::value::{CarrierRef, Time};

/// A company we connect with.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Carrier {
    /// Its id.
    pub id: CarrierRef,
    /// The short name that operators use, unique.
    #[schema(example = "acme")]
    pub code: String,
    /// The full name.
    #[schema(example = "Acme Telecom Ltd")]
    pub name: String,
    /// Neither sends nor takes calls (cause 311).
    pub blocked: bool,
    /// When it was last changed.
    pub updated_at: Time,
}

/// A carrier to be made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CarrierNew {
    /// The short name, unique: 1 to 64 of `[0-9a-z._-]`.
    pub code: String,
    /// The full name; the code when absent.
    pub name: Option<String>,
    /// Neither sends nor takes calls.
    #[serde(default)]
    pub blocked: bool,
}

/// Changes of a carrier; absent fields stay.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CarrierPatch {
    /// The short name.
    pub code: Option<String>,
    /// The full name.
    pub name: Option<String>,
    /// Neither sends nor takes calls.
    pub blocked: Option<bool>,
}

/// The paths of carriers.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(read, update, delete))
}

/// Lists carriers in order of id.
#[utoipa::path(get, path = "/api/v1/carriers", tag = "carriers", params(Page),
    responses((status = 200, description = "A part of the list.", body = List<Carrier>)))]
async fn list(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Query(page): Query<Page>,
) -> Answered<Json<List<Carrier>>> {
    object::list(&app, &page, None).await
}

/// Reads one carrier.
#[utoipa::path(get, path = "/api/v1/carriers/{id}", tag = "carriers", params(("id" = CarrierRef, Path)),
    responses((status = 200, description = "It, with its ETag.", body = Carrier)))]
async fn read(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Key(id): Key<CarrierRef>,
) -> Answered<Tagged<Carrier>> {
    object::read(&app, id.0).await
}

/// Makes a carrier.
#[utoipa::path(post, path = "/api/v1/carriers", tag = "carriers", request_body = CarrierNew,
    responses((status = 201, description = "It, with its ETag.", body = Carrier)))]
async fn create(
    caller: May<rights::Write>,
    State(app): State<App>,
    Body(new): Body<CarrierNew>,
) -> Answered<Tagged<Carrier>> {
    object::create(&app, &caller, new.draft()?).await
}

/// Changes a carrier.
#[utoipa::path(patch, path = "/api/v1/carriers/{id}", tag = "carriers", request_body = CarrierPatch,
    params(("id" = CarrierRef, Path), ("if-match" = String, Header, description = "The ETag that was read.")),
    responses((status = 200, description = "It as it stands then.", body = Carrier)))]
async fn update(
    caller: May<rights::Write>,
    State(app): State<App>,
    Key(id): Key<CarrierRef>,
    headers: HeaderMap,
    Body(patch): Body<CarrierPatch>,
) -> Answered<Tagged<Carrier>> {
    object::update(&app, &caller, id.0, &headers, |draft| patch.patch(draft)).await
}

/// Deletes a carrier that nothing refers to.
#[utoipa::path(delete, path = "/api/v1/carriers/{id}", tag = "carriers",
    params(("id" = CarrierRef, Path), ("if-match" = String, Header, description = "The ETag that was read.")),
    responses((status = 204, description = "Gone.")))]
async fn delete(
    caller: May<rights::Write>,
    State(app): State<App>,
    Key(id): Key<CarrierRef>,
    headers: HeaderMap,
) -> Answered<StatusCode> {
    object::delete::<Carrier>(&app, &caller, id.0, &headers).await
}

impl Shown for Carrier {
    type Draft = CarrierDraft;

    fn show(stored: &Stored<CarrierDraft>, _names: &Names) -> Carrier {
        Carrier {
            id: CarrierRef(stored.id),
            code: stored.code.clone(),
            name: stored.name.clone(),
            blocked: stored.blocked,
            updated_at: Time(stored.updated),
        }
    }

    fn key(id: u32) -> String {
        CarrierRef(id).to_string()
    }
}

impl CarrierNew {
    fn draft(self) -> Answered<CarrierDraft> {
        Ok(CarrierDraft {
            name: self.name.unwrap_or_else(|| self.code.clone()),
            code: self.code,
            blocked: self.blocked,
        })
    }
}

impl CarrierPatch {
    fn patch(self, draft: &mut CarrierDraft) -> Answered<()> {
        set(&mut draft.code, self.code);
        set(&mut draft.name, self.name);
        set(&mut draft.blocked, self.blocked);
        Ok(())
    }
}
