//! Ingress trunks.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use snapshot::Policy;
use utoipa::ToSchema;

use std::net::IpAddr;
use store::{IngressTrunkDraft, Stored};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::{Body, Key, Patch, Query};
use crate::names::Names;
use crate::object::{self, Shown, Tagged, set};
use crate::page::{List, Page};
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::value::{AccountRef, CarrierRef, DeckRef, IngressTrunkRef, Named, PlanRef, Time};

/// One address range that calls may come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// An address, or a network with its leading bits.
    #[schema(example = "192.0.2.0/28")]
    pub network: String,
    /// The source port that is required; absent takes any.
    #[schema(maximum = 65535)]
    pub port: Option<u16>,
}

/// A source whose calls another trunk gets.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TakenSource {
    /// The source, as this trunk has it.
    pub source: Source,
    /// The older trunk that has it too.
    pub by: Named<IngressTrunkRef>,
}

/// A plan and a sell deck instead of the trunk's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Way {
    /// Which egress trunks may serve the calls; absent for the trunk's plan.
    pub plan: Option<PlanRef>,
    /// What the calls are sold at; absent for the trunk's deck.
    pub sell_deck: Option<DeckRef>,
}

/// Other plans and sell decks for calls of one United States jurisdiction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ways {
    /// From one state to another.
    pub inter: Way,
    /// Within one state.
    pub intra: Way,
    /// To the United States, and a state is not known.
    pub indeterminate: Way,
}

impl Ways {
    fn show(ways: &snapshot::Ways) -> Ways {
        let show =
            |way: snapshot::Way| Way { plan: way.plan.map(Into::into), sell_deck: way.sell_deck.map(Into::into) };
        let [inter, intra, indeterminate] = ways.all().map(show);
        Ways { inter, intra, indeterminate }
    }

    fn read(&self) -> snapshot::Ways {
        let read =
            |way: &Way| snapshot::Way { plan: way.plan.map(Into::into), sell_deck: way.sell_deck.map(Into::into) };
        snapshot::Ways { inter: read(&self.inter), intra: read(&self.intra), indeterminate: read(&self.indeterminate) }
    }
}

/// How a carrier's calls come in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct IngressTrunk {
    /// Its id.
    pub id: IngressTrunkRef,
    /// The short name that operators use, unique.
    pub code: String,
    /// Whose it is.
    pub carrier: Named<CarrierRef>,
    /// The account that pays.
    pub account: Named<AccountRef>,
    /// Where its calls may come from.
    pub sources: Vec<Source>,
    /// Those of them that it gets no call from: an older trunk has the same one with the same tech prefix and transport.
    pub taken: Vec<TakenSource>,
    /// Digits in front of the called number, removed before routing; empty for none.
    pub tech_prefix: String,
    /// Which egress trunks may serve it.
    pub plan: Named<PlanRef>,
    /// What its calls are sold at.
    pub sell_deck: Named<DeckRef>,
    /// Comes before it wherever it has a rate in force; absent for none.
    pub override_deck: Option<Named<DeckRef>>,
    /// Other plans and sell decks for calls of one United States jurisdiction.
    pub ways: Ways,
    /// Concurrent calls at most; 0 for no limit.
    pub capacity: u32,
    /// New calls a second at most; 0 for no limit.
    pub cps: u32,
    /// Takes calls (otherwise cause 309).
    pub active: bool,
    /// Whole seconds after which an answered call is released; 0 for the switch's default of 7,200.
    pub max_duration_s: u32,
    /// Whole seconds without RTP (RTCP alone is silence) from both sides, or either, as `media.silence` says, after which a call is released
    /// (cause 401); 0 for never.
    pub media_timeout_s: u16,
    /// How signalling goes beyond that; what is at its default is left out.
    pub policy: Policy,
    /// When it was last changed.
    pub updated_at: Time,
}

/// An ingress trunk to be made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IngressTrunkNew {
    /// The short name, unique.
    #[schema(min_length = 1, max_length = 64, pattern = "^[0-9A-Za-z_-][0-9A-Za-z._-]*$")]
    pub code: String,
    /// Whose it is.
    pub carrier: CarrierRef,
    /// The account that pays.
    pub account: AccountRef,
    /// Where its calls may come from.
    #[schema(max_items = 256)]
    pub sources: Vec<Source>,
    /// Digits in front of the called number; default none.
    #[serde(default)]
    #[schema(max_length = 15, pattern = "^[0-9A-Z*#+]*$")]
    pub tech_prefix: String,
    /// Which egress trunks may serve it.
    pub plan: PlanRef,
    /// What its calls are sold at.
    pub sell_deck: DeckRef,
    /// Comes before it wherever it has a rate in force.
    pub override_deck: Option<DeckRef>,
    /// Other plans and sell decks for calls of one United States jurisdiction; default none.
    #[serde(default)]
    pub ways: Ways,
    /// Concurrent calls at most; 0 for no limit.
    #[serde(default)]
    pub capacity: u32,
    /// New calls a second at most; 0 for no limit.
    #[serde(default)]
    pub cps: u32,
    /// Takes calls; default yes.
    pub active: Option<bool>,
    /// Whole seconds after which an answered call is released; 0 for the default.
    #[serde(default)]
    pub max_duration_s: u32,
    /// Whole seconds without RTP (RTCP alone is silence) after which a call is released; 0 for never.
    #[serde(default)]
    #[schema(maximum = 65535)]
    pub media_timeout_s: u16,
    /// How signalling goes beyond that; default a plain SIP peer.
    #[serde(default)]
    pub policy: Policy,
}

/// Changes of an ingress trunk; absent fields stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IngressTrunkPatch {
    /// The short name.
    #[schema(min_length = 1, max_length = 64, pattern = "^[0-9A-Za-z_-][0-9A-Za-z._-]*$")]
    pub code: Option<String>,
    /// The account that pays.
    pub account: Option<AccountRef>,
    /// Where its calls may come from; replaces all.
    #[schema(max_items = 256)]
    pub sources: Option<Vec<Source>>,
    /// Digits in front of the called number.
    #[schema(max_length = 15, pattern = "^[0-9A-Z*#+]*$")]
    pub tech_prefix: Option<String>,
    /// Which egress trunks may serve it.
    pub plan: Option<PlanRef>,
    /// What its calls are sold at.
    pub sell_deck: Option<DeckRef>,
    /// Comes before it wherever it has a rate in force; null for none.
    #[serde(default, deserialize_with = "crate::extract::given")]
    #[schema(value_type = Option<DeckRef>)]
    pub override_deck: Option<Option<DeckRef>>,
    /// Other plans and sell decks for calls of one United States jurisdiction; replaces all of them.
    pub ways: Option<Ways>,
    /// Concurrent calls at most.
    pub capacity: Option<u32>,
    /// New calls a second at most.
    pub cps: Option<u32>,
    /// Takes calls.
    pub active: Option<bool>,
    /// Whole seconds after which an answered call is released.
    pub max_duration_s: Option<u32>,
    /// Whole seconds without RTP (RTCP alone is silence) after which a call is released.
    #[schema(maximum = 65535)]
    pub media_timeout_s: Option<u16>,
    /// How signalling goes beyond that; replaces all of it, but a digest without password keeps the one before.
    pub policy: Option<Policy>,
}

/// The paths of ingress trunks.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(read, update, delete))
}

/// Lists ingress trunks in order of id.
#[utoipa::path(get, path = "/api/v1/ingress-trunks", tag = "ingress-trunks", params(Page),
    responses((status = 200, description = "A part of the list.", body = List<IngressTrunk>)))]
async fn list(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Query(page): Query<Page>,
) -> Answered<Json<List<IngressTrunk>>> {
    object::list(&app, &page, None).await
}

/// Reads one ingress trunk.
#[utoipa::path(get, path = "/api/v1/ingress-trunks/{id}", tag = "ingress-trunks", params(("id" = IngressTrunkRef, Path)),
    responses((status = 200, description = "It, with its ETag.", body = IngressTrunk)))]
async fn read(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Key(id): Key<IngressTrunkRef>,
) -> Answered<Tagged<IngressTrunk>> {
    object::read(&app, id.0).await
}

/// Makes an ingress trunk.
#[utoipa::path(post, path = "/api/v1/ingress-trunks", tag = "ingress-trunks", request_body = IngressTrunkNew,
    responses((status = 201, description = "It, with its ETag.", body = IngressTrunk)))]
async fn create(
    caller: May<rights::Write>,
    State(app): State<App>,
    Body(new): Body<IngressTrunkNew>,
) -> Answered<Tagged<IngressTrunk>> {
    let draft = new.draft()?;
    is_alone(&draft, None, &app.store.all::<IngressTrunkDraft>().await?)?;
    object::create(&app, &caller, draft).await
}

/// Changes an ingress trunk.
#[utoipa::path(patch, path = "/api/v1/ingress-trunks/{id}", tag = "ingress-trunks", request_body = IngressTrunkPatch,
    params(("id" = IngressTrunkRef, Path), ("if-match" = String, Header, description = "The ETag that was read.")),
    responses((status = 200, description = "It as it stands then.", body = IngressTrunk)))]
async fn update(
    caller: May<rights::Write>,
    State(app): State<App>,
    Key(id): Key<IngressTrunkRef>,
    headers: HeaderMap,
    Patch(patch): Patch<IngressTrunkPatch>,
) -> Answered<Tagged<IngressTrunk>> {
    // Whose calls come from where is looked at only when that changes: two trunks that met before can each be changed otherwise.
    let moves =
        patch.sources.is_some() || patch.tech_prefix.is_some() || patch.policy.is_some() || patch.active.is_some();
    let others = if moves { app.store.all::<IngressTrunkDraft>().await? } else { Vec::new() };
    let checked = |draft: &mut IngressTrunkDraft| {
        patch.patch(draft)?;
        is_alone(draft, Some(id.0), &others)
    };
    object::update(&app, &caller, id.0, &headers, checked).await
}

/// Deletes an ingress trunk that nothing refers to.
#[utoipa::path(delete, path = "/api/v1/ingress-trunks/{id}", tag = "ingress-trunks",
    params(("id" = IngressTrunkRef, Path), ("if-match" = String, Header, description = "The ETag that was read.")),
    responses((status = 204, description = "Gone.")))]
async fn delete(
    caller: May<rights::Write>,
    State(app): State<App>,
    Key(id): Key<IngressTrunkRef>,
    headers: HeaderMap,
) -> Answered<StatusCode> {
    object::delete::<IngressTrunk>(&app, &caller, id.0, &headers).await
}

/// Of trunks with one source, tech prefix and transport only the oldest ever gets calls, be it active or not: another one that is to take
/// them is refused.
fn is_alone(draft: &IngressTrunkDraft, id: Option<u32>, others: &[Stored<IngressTrunkDraft>]) -> Answered<()> {
    let alike = |other: &IngressTrunkDraft| {
        other.tech_prefix == draft.tech_prefix && other.policy.transport == draft.policy.transport
    };
    for other in others.iter().filter(|other| draft.active && Some(other.id) != id && alike(other)) {
        let has =
            |source: &snapshot::Source| other.sources.iter().any(|own| store::compared(own) == store::compared(source));
        if let Some(place) = draft.sources.iter().position(has) {
            let why = format!(
                "trunk {} has this source with the same tech prefix and transport: the older of the two gets all calls",
                other.code
            );
            return Err(Problem::invalid(format!("/sources/{place}/network"), why));
        }
    }
    Ok(())
}

impl Shown for IngressTrunk {
    type Draft = IngressTrunkDraft;

    fn show(stored: &Stored<IngressTrunkDraft>, names: &Names) -> IngressTrunk {
        IngressTrunk {
            id: IngressTrunkRef(stored.id),
            code: stored.code.clone(),
            carrier: names.carrier(stored.carrier.0),
            account: names.account(stored.account.0),
            sources: stored.sources.iter().map(Source::show).collect(),
            taken: names.taken(stored.id).iter().map(|(source, by)| TakenSource::show(source, *by, names)).collect(),
            tech_prefix: stored.tech_prefix.clone(),
            plan: names.plan(stored.plan.0),
            sell_deck: names.deck(stored.sell_deck.0),
            override_deck: stored.override_deck.map(|deck| names.deck(deck.0)),
            ways: Ways::show(&stored.ways),
            capacity: stored.capacity,
            cps: stored.cps,
            active: stored.active,
            max_duration_s: stored.max_duration_s,
            media_timeout_s: stored.media_timeout_s,
            policy: store::without_secrets(&stored.policy),
            updated_at: Time(stored.updated),
        }
    }

    fn key(id: u32) -> String {
        IngressTrunkRef(id).to_string()
    }
}

impl TakenSource {
    fn show(source: &snapshot::Source, by: u32, names: &Names) -> TakenSource {
        TakenSource { source: Source::show(source), by: names.ingress_trunk(by) }
    }
}

impl Source {
    fn show(source: &snapshot::Source) -> Source {
        let whole = if source.network.is_ipv4() { 32 } else { 128 };
        let network = match source.bits {
            bits if bits == whole => source.network.to_string(),
            bits => format!("{}/{bits}", source.network),
        };
        Source { network, port: Some(source.port).filter(|port| *port != 0) }
    }

    fn read(&self, place: usize) -> Answered<snapshot::Source> {
        let flaw = || {
            let wanted = "an address like 192.0.2.7 or a network like 192.0.2.0/28 is wanted";
            Problem::invalid(format!("/sources/{place}/network"), wanted)
        };
        let (address, bits) = match self.network.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().map_err(|_| flaw())?)),
            None => (self.network.as_str(), None),
        };
        let network: IpAddr = address.parse().map_err(|_| flaw())?;
        let whole = if network.is_ipv4() { 32 } else { 128 };
        let bits: u8 = bits.unwrap_or(whole);
        if bits > whole {
            return Err(flaw());
        }
        Ok(snapshot::Source { network, bits, port: self.port.unwrap_or(0) })
    }

    fn read_all(sources: &[Source]) -> Answered<Vec<snapshot::Source>> {
        sources.iter().enumerate().map(|(place, source)| source.read(place)).collect()
    }
}

impl IngressTrunkNew {
    fn draft(self) -> Answered<IngressTrunkDraft> {
        Ok(IngressTrunkDraft {
            sources: Source::read_all(&self.sources)?,
            code: self.code,
            carrier: self.carrier.into(),
            account: self.account.into(),
            tech_prefix: self.tech_prefix,
            plan: self.plan.into(),
            sell_deck: self.sell_deck.into(),
            override_deck: self.override_deck.map(Into::into),
            ways: self.ways.read(),
            capacity: self.capacity,
            cps: self.cps,
            active: self.active.unwrap_or(true),
            max_duration_s: self.max_duration_s,
            media_timeout_s: self.media_timeout_s,
            policy: self.policy,
        })
    }
}

impl IngressTrunkPatch {
    fn patch(self, draft: &mut IngressTrunkDraft) -> Answered<()> {
        let sources = self.sources.as_deref().map(Source::read_all).transpose()?;
        set(&mut draft.code, self.code);
        set(&mut draft.account, self.account.map(Into::into));
        set(&mut draft.sources, sources);
        set(&mut draft.tech_prefix, self.tech_prefix);
        set(&mut draft.plan, self.plan.map(Into::into));
        set(&mut draft.sell_deck, self.sell_deck.map(Into::into));
        set(&mut draft.override_deck, self.override_deck.map(|deck| deck.map(Into::into)));
        set(&mut draft.ways, self.ways.map(|ways| ways.read()));
        set(&mut draft.capacity, self.capacity);
        set(&mut draft.cps, self.cps);
        set(&mut draft.active, self.active);
        set(&mut draft.max_duration_s, self.max_duration_s);
        set(&mut draft.media_timeout_s, self.media_timeout_s);
        set(&mut draft.policy, self.policy);
        Ok(())
    }
}
