//! Egress trunks.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use snapshot::Policy;
use utoipa::ToSchema;

use std::net::SocketAddr;
use store::{EgressTrunkDraft, Stored};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::{Body, Key, Patch, Query};
use crate::names::Names;
use crate::object::{self, Shown, Tagged, set};
use crate::page::{List, Page};
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::value::{AccountRef, CarrierRef, DeckRef, EgressTrunkRef, Named, Time};

/// How calls go out to a carrier.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EgressTrunk {
    /// Its id.
    pub id: EgressTrunkRef,
    /// The short name that operators use, unique.
    pub code: String,
    /// Whose it is.
    pub carrier: Named<CarrierRef>,
    /// The account that is credited.
    pub account: Named<AccountRef>,
    /// Where INVITEs are sent: address and port.
    #[schema(example = "192.0.2.7:5060")]
    pub address: String,
    /// Digits removed from the front of the called number before `add_prefix`.
    pub strip_digits: u8,
    /// Put in front of the called number; empty for none.
    pub add_prefix: String,
    /// What its calls cost us.
    pub buy_deck: Named<DeckRef>,
    /// Comes before it wherever it has a rate in force; absent for none.
    pub override_deck: Option<Named<DeckRef>>,
    /// Concurrent calls at most; 0 for no limit.
    pub capacity: u32,
    /// New calls a second at most; 0 for no limit.
    pub cps: u32,
    /// Takes calls; inactive trunks are dropped from routes.
    pub active: bool,
    /// Whole seconds from INVITE to the first 18x or 200 before the next route is tried; 0 for the default of 8.
    pub progress_timeout_s: u16,
    /// Whole seconds from the first 18x to the answer; 0 for the default of 120.
    pub ring_timeout_s: u16,
    /// How signalling goes beyond that; what is at its default is left out.
    pub policy: Policy,
    /// When it was last changed.
    pub updated_at: Time,
}

/// An egress trunk to be made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EgressTrunkNew {
    /// The short name, unique.
    #[schema(min_length = 1, max_length = 64, pattern = "^[0-9A-Za-z_-][0-9A-Za-z._-]*$")]
    pub code: String,
    /// Whose it is.
    pub carrier: CarrierRef,
    /// The account that is credited.
    pub account: AccountRef,
    /// Where INVITEs are sent: address and port.
    pub address: String,
    /// Digits removed from the front of the called number.
    #[serde(default)]
    #[schema(maximum = 39)]
    pub strip_digits: u8,
    /// Put in front of the called number.
    #[serde(default)]
    #[schema(max_length = 15, pattern = "^[0-9A-Z*#+]*$")]
    pub add_prefix: String,
    /// What its calls cost us.
    pub buy_deck: DeckRef,
    /// Comes before it wherever it has a rate in force.
    pub override_deck: Option<DeckRef>,
    /// Concurrent calls at most; 0 for no limit.
    #[serde(default)]
    pub capacity: u32,
    /// New calls a second at most; 0 for no limit.
    #[serde(default)]
    pub cps: u32,
    /// Takes calls; default yes.
    pub active: Option<bool>,
    /// Whole seconds to the first 18x or 200; 0 for the default.
    #[serde(default)]
    #[schema(maximum = 65535)]
    pub progress_timeout_s: u16,
    /// Whole seconds from the first 18x to the answer; 0 for the default.
    #[serde(default)]
    #[schema(maximum = 65535)]
    pub ring_timeout_s: u16,
    /// How signalling goes beyond that; default a plain SIP peer.
    #[serde(default)]
    pub policy: Policy,
}

/// Changes of an egress trunk; absent fields stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EgressTrunkPatch {
    /// The short name.
    #[schema(min_length = 1, max_length = 64, pattern = "^[0-9A-Za-z_-][0-9A-Za-z._-]*$")]
    pub code: Option<String>,
    /// The account that is credited.
    pub account: Option<AccountRef>,
    /// Where INVITEs are sent.
    pub address: Option<String>,
    /// Digits removed from the front of the called number.
    #[schema(maximum = 39)]
    pub strip_digits: Option<u8>,
    /// Put in front of the called number.
    #[schema(max_length = 15, pattern = "^[0-9A-Z*#+]*$")]
    pub add_prefix: Option<String>,
    /// What its calls cost us.
    pub buy_deck: Option<DeckRef>,
    /// Comes before it wherever it has a rate in force; null for none.
    #[serde(default, deserialize_with = "crate::extract::given")]
    #[schema(value_type = Option<DeckRef>)]
    pub override_deck: Option<Option<DeckRef>>,
    /// Concurrent calls at most.
    pub capacity: Option<u32>,
    /// New calls a second at most.
    pub cps: Option<u32>,
    /// Takes calls.
    pub active: Option<bool>,
    /// Whole seconds to the first 18x or 200.
    #[schema(maximum = 65535)]
    pub progress_timeout_s: Option<u16>,
    /// Whole seconds from the first 18x to the answer.
    #[schema(maximum = 65535)]
    pub ring_timeout_s: Option<u16>,
    /// How signalling goes beyond that; replaces all of it, but a digest without password keeps the one before.
    pub policy: Option<Policy>,
}

/// The paths of egress trunks.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(read, update, delete))
}

/// Lists egress trunks in order of id.
#[utoipa::path(get, path = "/api/v1/egress-trunks", tag = "egress-trunks", params(Page),
    responses((status = 200, description = "A part of the list.", body = List<EgressTrunk>)))]
async fn list(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Query(page): Query<Page>,
) -> Answered<Json<List<EgressTrunk>>> {
    object::list(&app, &page, None).await
}

/// Reads one egress trunk.
#[utoipa::path(get, path = "/api/v1/egress-trunks/{id}", tag = "egress-trunks", params(("id" = EgressTrunkRef, Path)),
    responses((status = 200, description = "It, with its ETag.", body = EgressTrunk)))]
async fn read(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Key(id): Key<EgressTrunkRef>,
) -> Answered<Tagged<EgressTrunk>> {
    object::read(&app, id.0).await
}

/// Makes an egress trunk.
#[utoipa::path(post, path = "/api/v1/egress-trunks", tag = "egress-trunks", request_body = EgressTrunkNew,
    responses((status = 201, description = "It, with its ETag.", body = EgressTrunk)))]
async fn create(
    caller: May<rights::Write>,
    State(app): State<App>,
    Body(new): Body<EgressTrunkNew>,
) -> Answered<Tagged<EgressTrunk>> {
    object::create(&app, &caller, new.draft()?).await
}

/// Changes an egress trunk.
#[utoipa::path(patch, path = "/api/v1/egress-trunks/{id}", tag = "egress-trunks", request_body = EgressTrunkPatch,
    params(("id" = EgressTrunkRef, Path), ("if-match" = String, Header, description = "The ETag that was read.")),
    responses((status = 200, description = "It as it stands then.", body = EgressTrunk)))]
async fn update(
    caller: May<rights::Write>,
    State(app): State<App>,
    Key(id): Key<EgressTrunkRef>,
    headers: HeaderMap,
    Patch(patch): Patch<EgressTrunkPatch>,
) -> Answered<Tagged<EgressTrunk>> {
    object::update(&app, &caller, id.0, &headers, |draft| patch.patch(draft)).await
}

/// Deletes an egress trunk that nothing refers to.
#[utoipa::path(delete, path = "/api/v1/egress-trunks/{id}", tag = "egress-trunks",
    params(("id" = EgressTrunkRef, Path), ("if-match" = String, Header, description = "The ETag that was read.")),
    responses((status = 204, description = "Gone.")))]
async fn delete(
    caller: May<rights::Write>,
    State(app): State<App>,
    Key(id): Key<EgressTrunkRef>,
    headers: HeaderMap,
) -> Answered<StatusCode> {
    object::delete::<EgressTrunk>(&app, &caller, id.0, &headers).await
}

impl Shown for EgressTrunk {
    type Draft = EgressTrunkDraft;

    fn show(stored: &Stored<EgressTrunkDraft>, names: &Names) -> EgressTrunk {
        EgressTrunk {
            id: EgressTrunkRef(stored.id),
            code: stored.code.clone(),
            carrier: names.carrier(stored.carrier.0),
            account: names.account(stored.account.0),
            address: stored.address.to_string(),
            strip_digits: stored.strip_digits,
            add_prefix: stored.add_prefix.clone(),
            buy_deck: names.deck(stored.buy_deck.0),
            override_deck: stored.override_deck.map(|deck| names.deck(deck.0)),
            capacity: stored.capacity,
            cps: stored.cps,
            active: stored.active,
            progress_timeout_s: stored.progress_timeout_s,
            ring_timeout_s: stored.ring_timeout_s,
            policy: store::without_secrets(&stored.policy),
            updated_at: Time(stored.updated),
        }
    }

    fn key(id: u32) -> String {
        EgressTrunkRef(id).to_string()
    }
}

fn address(text: &str) -> Answered<SocketAddr> {
    text.parse().map_err(|_| Problem::invalid("/address", "an address and port like 192.0.2.7:5060 are wanted"))
}

impl EgressTrunkNew {
    fn draft(self) -> Answered<EgressTrunkDraft> {
        Ok(EgressTrunkDraft {
            address: address(&self.address)?,
            code: self.code,
            carrier: self.carrier.into(),
            account: self.account.into(),
            strip_digits: self.strip_digits,
            add_prefix: self.add_prefix,
            buy_deck: self.buy_deck.into(),
            override_deck: self.override_deck.map(Into::into),
            capacity: self.capacity,
            cps: self.cps,
            active: self.active.unwrap_or(true),
            progress_timeout_s: self.progress_timeout_s,
            ring_timeout_s: self.ring_timeout_s,
            policy: self.policy,
        })
    }
}

impl EgressTrunkPatch {
    fn patch(self, draft: &mut EgressTrunkDraft) -> Answered<()> {
        let given = self.address.as_deref().map(address).transpose()?;
        set(&mut draft.code, self.code);
        set(&mut draft.account, self.account.map(Into::into));
        set(&mut draft.address, given);
        set(&mut draft.strip_digits, self.strip_digits);
        set(&mut draft.add_prefix, self.add_prefix);
        set(&mut draft.buy_deck, self.buy_deck.map(Into::into));
        set(&mut draft.override_deck, self.override_deck.map(|deck| deck.map(Into::into)));
        set(&mut draft.capacity, self.capacity);
        set(&mut draft.cps, self.cps);
        set(&mut draft.active, self.active);
        set(&mut draft.progress_timeout_s, self.progress_timeout_s);
        set(&mut draft.ring_timeout_s, self.ring_timeout_s);
        set(&mut draft.policy, self.policy);
        Ok(())
    }
}
