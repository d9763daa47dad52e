//! Who is registered where, and who was refused: what operators look at when a peer says that it cannot call.

use axum::Json;
use axum::extract::State;
use panel::wire::{Answer, Ask, BindingRow, Peers as Told, RegistrationRow, StrangerRow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::names::Names;
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::value::{EgressTrunkRef, Named, Time};

/// Registrations in both directions, and messages of strangers.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Peers {
    /// The latest messages of strangers, newest first; each shard keeps its last 256.
    pub strangers: Vec<Stranger>,
    /// Where subscribers can be called.
    pub bindings: Vec<Binding>,
    /// How our own registrations with terminators stand.
    pub registrations: Vec<RegistrationStanding>,
    /// When this was read.
    pub as_of: Time,
}

/// Why a message was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StrangerReason {
    /// No trunk has the address that it came from.
    Unknown,
    /// It spoke within the dialog of another peer.
    Intruder,
}

/// A message that nobody whom we know sent.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Stranger {
    /// When.
    pub at: Time,
    /// Address and port that it came from.
    #[schema(example = "198.51.100.66:5060")]
    pub from: String,
    /// The SIP method.
    #[schema(example = "INVITE")]
    pub method: String,
    /// User part of its Request-URI, 32 characters at most; `?` stands for what is not printable.
    pub user: String,
    /// Why it was refused.
    pub reason: StrangerReason,
}

/// One contact of a subscriber (RFC 3261 §10).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Binding {
    /// The address of record.
    #[schema(example = "alice@example.net")]
    pub record: String,
    /// The contact's URI as it was registered.
    pub contact: String,
    /// Address and port that the REGISTER came from: calls go there.
    pub from: String,
    /// When it was last refreshed.
    pub since: Time,
    /// When it ends unless it is refreshed.
    pub until: Time,
    /// The node that heard the REGISTER; this one, or one that shares its registrations by etcd.
    pub node: u16,
    /// Calls from this node get there. Not so where the subscriber is behind a connection (TCP, TLS) to another node.
    pub reached: bool,
}

/// How a registration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationState {
    /// Not yet, or no longer wanted.
    Out,
    /// The peer sends us calls.
    Registered,
    /// The last try failed; the next one comes by itself.
    Failed,
}

/// One of our own registrations with a terminator.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RegistrationStanding {
    /// The egress trunk.
    pub egress_trunk: Named<EgressTrunkRef>,
    /// How it stands.
    pub state: RegistrationState,
    /// When it ends unless it is refreshed; absent unless registered.
    pub until: Option<Time>,
    /// What the peer answered, 408 if nothing; absent unless failed.
    pub status: Option<u16>,
}

/// The path of peers.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read))
}

/// Tells who is registered where, and who was refused, as it stands this moment.
#[utoipa::path(get, path = "/api/v1/peers", tag = "nodes",
    responses((status = 200, description = "All of it.", body = Peers)))]
async fn read(_caller: May<rights::Read>, State(app): State<App>) -> Answered<Json<Peers>> {
    let told = match app.link.ask(Ask::Peers).await? {
        Answer::Peers(told) => *told,
        other => return Err(Problem::internal(format!("the data plane answered {other:?} to a question for peers"))),
    };
    let names = app.names.read(&app.store).await?;
    Ok(Json(Peers::show(told, &names)))
}

impl Peers {
    fn show(told: Told, names: &Names) -> Peers {
        Peers {
            strangers: told.strangers.into_iter().map(Stranger::show).collect(),
            bindings: told.bindings.into_iter().map(Binding::show).collect(),
            registrations: told.registrations.into_iter().map(|row| RegistrationStanding::show(&row, names)).collect(),
            as_of: Time::now(),
        }
    }
}

impl Stranger {
    fn show(row: StrangerRow) -> Stranger {
        let reason = if row.reason == "intruder" { StrangerReason::Intruder } else { StrangerReason::Unknown };
        Stranger { at: Time::from_micros(row.at), from: row.from, method: row.method, user: row.user, reason }
    }
}

impl Binding {
    fn show(row: BindingRow) -> Binding {
        let (since, until) = (Time::from_micros(row.since), Time::from_micros(row.until));
        let BindingRow { record, contact, from, node, reached, .. } = row;
        Binding { record, contact, from, since, until, node, reached }
    }
}

impl RegistrationStanding {
    fn show(row: &RegistrationRow, names: &Names) -> RegistrationStanding {
        let state = match row.state.as_str() {
            "registered" => RegistrationState::Registered,
            "failed" => RegistrationState::Failed,
            _ => RegistrationState::Out,
        };
        let egress_trunk = names.egress_trunk(row.egress_trunk);
        RegistrationStanding { egress_trunk, state, until: row.until.map(Time::from_micros), status: row.status }
    }
}
