//! Carriers.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use snapshot::{Limits, Policy};
use store::{CarrierDraft, Stored};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::{Body, Key, Patch, Query};
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
    /// What it may have over all its trunks.
    #[serde(flatten)]
    pub limits: CarrierLimits,
    /// Captures and recordings of calls by those of its trunks that say nothing of them; nothing else means something here.
    pub policy: Policy,
    /// When it was last changed.
    pub updated_at: Time,
}

/// What a carrier may have over all its trunks; a limit of 0 is none.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CarrierLimits {
    /// Concurrent calls in both directions at most (cause 420).
    pub capacity: u32,
    /// Concurrent calls that it takes of any one originator at most (cause 422).
    pub originator_capacity: u32,
    /// Concurrent calls that it sends at most (cause 313).
    pub ingress_capacity: u32,
    /// New calls a second that it sends at most, on average over the window (cause 427).
    pub ingress_cps: u32,
    /// Length of that window in seconds, 1 to 60; 0 for 1.
    #[schema(maximum = 60)]
    pub ingress_cps_window_s: u8,
    /// Concurrent calls that it takes at most (cause 328).
    pub egress_capacity: u32,
    /// New calls a second that it takes at most, on average over the window (cause 421).
    pub egress_cps: u32,
    /// Length of that window in seconds, 1 to 60; 0 for 1.
    #[schema(maximum = 60)]
    pub egress_cps_window_s: u8,
}

/// A carrier to be made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CarrierNew {
    /// The short name, unique: 1 to 64 of `[0-9A-Za-z._-]`, the first no point.
    #[schema(min_length = 1, max_length = 64, pattern = "^[0-9A-Za-z_-][0-9A-Za-z._-]*$")]
    pub code: String,
    /// The full name; the code when absent.
    #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    pub name: Option<String>,
    /// Neither sends nor takes calls.
    #[serde(default)]
    pub blocked: bool,
    /// Concurrent calls in both directions at most; 0 for no limit.
    #[serde(default)]
    pub capacity: u32,
    /// Concurrent calls that it takes of any one originator at most; 0 for no limit.
    #[serde(default)]
    pub originator_capacity: u32,
    /// Concurrent calls that it sends at most; 0 for no limit.
    #[serde(default)]
    pub ingress_capacity: u32,
    /// New calls a second that it sends at most; 0 for no limit.
    #[serde(default)]
    pub ingress_cps: u32,
    /// Length of that window in seconds, 1 to 60; 0 for 1.
    #[serde(default)]
    #[schema(maximum = 60)]
    pub ingress_cps_window_s: u8,
    /// Concurrent calls that it takes at most; 0 for no limit.
    #[serde(default)]
    pub egress_capacity: u32,
    /// New calls a second that it takes at most; 0 for no limit.
    #[serde(default)]
    pub egress_cps: u32,
    /// Length of that window in seconds, 1 to 60; 0 for 1.
    #[serde(default)]
    #[schema(maximum = 60)]
    pub egress_cps_window_s: u8,
    /// Captures and recordings of calls by those of its trunks that say nothing of them; nothing else means something here.
    #[serde(default)]
    pub policy: Policy,
}

/// Changes of a carrier; absent fields stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CarrierPatch {
    /// The short name.
    #[schema(min_length = 1, max_length = 64, pattern = "^[0-9A-Za-z_-][0-9A-Za-z._-]*$")]
    pub code: Option<String>,
    /// The full name.
    #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    pub name: Option<String>,
    /// Neither sends nor takes calls.
    pub blocked: Option<bool>,
    /// Concurrent calls in both directions at most; 0 for no limit.
    pub capacity: Option<u32>,
    /// Concurrent calls that it takes of any one originator at most; 0 for no limit.
    pub originator_capacity: Option<u32>,
    /// Concurrent calls that it sends at most; 0 for no limit.
    pub ingress_capacity: Option<u32>,
    /// New calls a second that it sends at most; 0 for no limit.
    pub ingress_cps: Option<u32>,
    /// Length of that window in seconds, 1 to 60; 0 for 1.
    #[schema(maximum = 60)]
    pub ingress_cps_window_s: Option<u8>,
    /// Concurrent calls that it takes at most; 0 for no limit.
    pub egress_capacity: Option<u32>,
    /// New calls a second that it takes at most; 0 for no limit.
    pub egress_cps: Option<u32>,
    /// Length of that window in seconds, 1 to 60; 0 for 1.
    #[schema(maximum = 60)]
    pub egress_cps_window_s: Option<u8>,
    /// Captures and recordings of calls by those of its trunks that say nothing of them.
    pub policy: Option<Policy>,
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
    Patch(patch): Patch<CarrierPatch>,
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
            limits: CarrierLimits::show(stored.limits),
            policy: stored.policy.clone(),
            updated_at: Time(stored.updated),
        }
    }

    fn key(id: u32) -> String {
        CarrierRef(id).to_string()
    }
}

impl CarrierLimits {
    fn show(of: snapshot::CarrierLimits) -> CarrierLimits {
        CarrierLimits {
            capacity: of.capacity,
            originator_capacity: of.originator_capacity,
            ingress_capacity: of.ingress.capacity,
            ingress_cps: of.ingress.cps,
            ingress_cps_window_s: of.ingress.cps_window_s,
            egress_capacity: of.egress.capacity,
            egress_cps: of.egress.cps,
            egress_cps_window_s: of.egress.cps_window_s,
        }
    }
}

impl CarrierNew {
    fn draft(self) -> Answered<CarrierDraft> {
        Ok(CarrierDraft {
            name: self.name.unwrap_or_else(|| self.code.clone()),
            code: self.code,
            blocked: self.blocked,
            limits: snapshot::CarrierLimits {
                ingress: Limits {
                    capacity: self.ingress_capacity,
                    cps: self.ingress_cps,
                    cps_window_s: self.ingress_cps_window_s,
                },
                egress: Limits {
                    capacity: self.egress_capacity,
                    cps: self.egress_cps,
                    cps_window_s: self.egress_cps_window_s,
                },
                capacity: self.capacity,
                originator_capacity: self.originator_capacity,
            },
            policy: self.policy,
        })
    }
}

impl CarrierPatch {
    fn patch(self, draft: &mut CarrierDraft) -> Answered<()> {
        set(&mut draft.code, self.code);
        set(&mut draft.name, self.name);
        set(&mut draft.blocked, self.blocked);
        set(&mut draft.policy, self.policy);
        let limits = &mut draft.limits;
        set(&mut limits.capacity, self.capacity);
        set(&mut limits.originator_capacity, self.originator_capacity);
        set(&mut limits.ingress.capacity, self.ingress_capacity);
        set(&mut limits.ingress.cps, self.ingress_cps);
        set(&mut limits.ingress.cps_window_s, self.ingress_cps_window_s);
        set(&mut limits.egress.capacity, self.egress_capacity);
        set(&mut limits.egress.cps, self.egress_cps);
        set(&mut limits.egress.cps_window_s, self.egress_cps_window_s);
        Ok(())
    }
}
