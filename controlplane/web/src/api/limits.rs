//! Limits of concurrent calls and of new calls a second, with what calls hold of them this moment.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use panel::wire::{Answer, Ask, PartRow, RoomRow};
use serde::{Deserialize, Serialize};
use snapshot::Limits as Allowed;
use store::{LimitOf, LimitRow};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::Body;
use crate::names::Names;
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::value::{CarrierRef, EgressTrunkRef, IngressTrunkRef, Named, Time};

/// Every limit that is set and everything that calls hold.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Limits {
    /// The switch first, then carriers, then trunks.
    pub data: Vec<Limit>,
    /// When this was read.
    pub as_of: Time,
}

/// What a limit belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// The whole switch: calls that come in (causes 302 and 341).
    Switch,
    /// A carrier: calls that it sends (causes 313 and 427).
    Originator,
    /// A carrier: calls that it takes (causes 328 and 421).
    Terminator,
    /// A carrier: calls in both directions (cause 420).
    Carrier,
    /// A terminator, for the calls of one originator (cause 422).
    Share,
    /// An ingress trunk (causes 303 and 304).
    IngressTrunk,
    /// An egress trunk (causes 327 and 329).
    EgressTrunk,
}

/// A limit and what calls hold of it. A limit of 0 is none.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Limit {
    /// What it belongs to.
    pub kind: LimitKind,
    /// The carrier, if it is one's.
    pub carrier: Option<Named<CarrierRef>>,
    /// The originator of a share.
    pub originator: Option<Named<CarrierRef>>,
    /// The ingress trunk, if it is one's.
    pub ingress_trunk: Option<Named<IngressTrunkRef>>,
    /// The egress trunk, if it is one's.
    pub egress_trunk: Option<Named<EgressTrunkRef>>,
    /// Calls that hold room.
    pub calls: u32,
    /// Concurrent calls at most.
    pub capacity: u32,
    /// New calls within the window.
    pub recent: u32,
    /// New calls a second at most, on average over the window.
    pub cps: u32,
    /// Length of the window in seconds.
    pub cps_window_s: u8,
    /// How much of it each node has to itself at this moment, where nodes share it; empty: this node has all of it. `calls` and `recent`
    /// are of this node.
    pub nodes: Vec<LimitPart>,
}

/// How much of a limit a node has to itself: it moves to where calls need it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitPart {
    /// The node's number.
    pub node: u16,
    /// Concurrent calls.
    pub calls: u32,
    /// New calls within the window.
    pub recent: u32,
}

/// What the whole switch may have: calls that come in, whoever sends them. A limit of 0 is none.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchLimits {
    /// Concurrent calls at most (cause 302), of all nodes that share limits together.
    #[serde(default)]
    pub capacity: u32,
    /// New calls a second at most, on average over the window (cause 341), of all nodes that share limits together.
    #[serde(default)]
    pub cps: u32,
    /// Length of the window in seconds, 1 to 60; 0 for 1.
    #[serde(default)]
    #[schema(maximum = 60)]
    pub cps_window_s: u8,
}

/// The paths of limits.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read, put))
}

/// Lists every limit that is set and everything that calls hold, as it stands this moment.
#[utoipa::path(get, path = "/api/v1/limits", tag = "nodes",
    responses((status = 200, description = "All of them.", body = Limits)))]
async fn list(_caller: May<rights::Read>, State(app): State<App>) -> Answered<Json<Limits>> {
    let rooms = match app.link.ask(Ask::Rooms).await? {
        Answer::Rooms(rooms) => rooms,
        other => return Err(Problem::internal(format!("the data plane answered {other:?} to a question for rooms"))),
    };
    let held: Vec<(LimitOf, u32, u32)> = rooms.iter().filter_map(held).collect();
    let names = app.names.read(&app.store).await?;
    let parts: BTreeMap<LimitOf, &[PartRow]> = rooms.iter().filter_map(parts).collect();
    let parts = |of| parts.get(&of).copied().unwrap_or_default();
    let data = app.store.limits(&held).await?.iter().map(|row| Limit::show(row, parts(row.of), &names)).collect();
    Ok(Json(Limits { data, as_of: Time::now() }))
}

/// Reads what the whole switch may have.
#[utoipa::path(get, path = "/api/v1/limits/switch", tag = "nodes",
    responses((status = 200, description = "As it stands.", body = SwitchLimits)))]
async fn read(_caller: May<rights::Read>, State(app): State<App>) -> Answered<Json<SwitchLimits>> {
    Ok(Json(SwitchLimits::show(app.store.switch_limits().await?)))
}

/// Sets what the whole switch may have.
#[utoipa::path(put, path = "/api/v1/limits/switch", tag = "nodes", request_body = SwitchLimits,
    responses((status = 200, description = "As it stands then.", body = SwitchLimits)))]
async fn put(
    caller: May<rights::Write>,
    State(app): State<App>,
    Body(wanted): Body<SwitchLimits>,
) -> Answered<Json<SwitchLimits>> {
    let SwitchLimits { capacity, cps, cps_window_s } = wanted;
    let mut edit = app.store.edit().await?;
    let before = SwitchLimits::show(edit.switch_limits().await?);
    edit.set_switch_limits(Allowed { capacity, cps, cps_window_s }).await?;
    edit.audit(&caller.entry("update", "limits of the switch".to_owned(), Some(&before), Some(&wanted))).await?;
    edit.commit().await?;
    app.publish.notify_one();
    Ok(Json(wanted))
}

fn held(row: &RoomRow) -> Option<(LimitOf, u32, u32)> {
    Some((LimitOf::told(&row.of, row.id, row.originator)?, row.calls, row.recent))
}

fn parts(row: &RoomRow) -> Option<(LimitOf, &[PartRow])> {
    Some((LimitOf::told(&row.of, row.id, row.originator)?, row.parts.as_slice()))
}

impl SwitchLimits {
    fn show(of: Allowed) -> SwitchLimits {
        SwitchLimits { capacity: of.capacity, cps: of.cps, cps_window_s: of.cps_window_s }
    }
}

impl Limit {
    fn show(row: &LimitRow, parts: &[PartRow], names: &Names) -> Limit {
        let part = |part: &PartRow| LimitPart { node: part.node, calls: part.calls, recent: part.recent };
        let bare = Limit {
            kind: LimitKind::Switch,
            carrier: None,
            originator: None,
            ingress_trunk: None,
            egress_trunk: None,
            calls: row.calls,
            capacity: row.limits.capacity,
            recent: row.recent,
            cps: row.limits.cps,
            cps_window_s: row.limits.cps_window_s.max(1),
            nodes: parts.iter().map(part).collect(),
        };
        let carrier = |id| Some(names.carrier(id));
        match row.of {
            LimitOf::Switch => bare,
            LimitOf::Originator(id) => Limit { kind: LimitKind::Originator, carrier: carrier(id), ..bare },
            LimitOf::Terminator(id) => Limit { kind: LimitKind::Terminator, carrier: carrier(id), ..bare },
            LimitOf::Carrier(id) => Limit { kind: LimitKind::Carrier, carrier: carrier(id), ..bare },
            LimitOf::Share { terminator, originator } => {
                Limit { kind: LimitKind::Share, carrier: carrier(terminator), originator: carrier(originator), ..bare }
            }
            LimitOf::IngressTrunk(id) => {
                Limit { kind: LimitKind::IngressTrunk, ingress_trunk: Some(names.ingress_trunk(id)), ..bare }
            }
            LimitOf::EgressTrunk(id) => {
                Limit { kind: LimitKind::EgressTrunk, egress_trunk: Some(names.egress_trunk(id)), ..bare }
            }
        }
    }
}
