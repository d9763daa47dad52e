//! Nodes and their shards.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use panel::wire::{Answer, Ask, MEDIA_ALARM_PERCENT};
use serde::{Deserialize, Serialize};
use units::NodeId;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::machine::Machine;
use crate::auth::{May, rights};
use crate::extract::{Body, Key};
use crate::live::Heard;
use crate::page::List;
use crate::problem::{Answered, Code, Problem};
use crate::services::App;
use crate::value::{AccountRef, Amount, Time};

/// One shard.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NodeShard {
    /// Its number.
    pub shard: u16,
    /// Calls in its table.
    pub calls: u32,
    /// Of these, answered.
    pub answered: u32,
    /// Media ports in use.
    pub ports_used: u32,
    /// Media ports that it has.
    pub ports_max: u32,
    /// The snapshot that it decides from.
    pub revision: u64,
}

/// The journal between the data plane and the database.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Journal {
    /// Records written since the data plane's start.
    pub records: u64,
    /// Bytes written since the data plane's start.
    pub bytes: u64,
    /// Share of its file system in use, per cent.
    pub disk_percent: u8,
    /// Records not yet in the database; absent when unknown.
    pub backlog_records: Option<u64>,
    /// Bytes not yet in the database; absent when unknown.
    pub backlog_bytes: Option<u64>,
    /// When the oldest record that is not yet in the database ended; absent when none waits.
    pub backlog_oldest_at: Option<Time>,
    /// Records that the database refused and damaged stretches: in a file beside the segments until a person looks.
    pub set_aside: u64,
    /// The journal cannot be written: calls wait for it, and new ones are refused with 503.
    pub failing: bool,
    /// When records last came into the database.
    pub collected_at: Option<Time>,
}

/// A named counter.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Counter {
    /// Its name.
    pub name: String,
    /// Its value since the data plane's start.
    pub value: u64,
    /// What it counts; empty where the data plane does not say.
    pub meaning: String,
}

/// Whether the kernel relays established media in the data plane's place.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FastPath {
    /// `xdp`, `tc`, `xdp and tc`, `off` where sockets relay everything, or empty if it is not known.
    pub tier: String,
    /// Why it is off; empty if it is not.
    pub why: String,
    /// The interfaces, each with how packets are met there.
    pub interfaces: Vec<String>,
    /// Packets relayed in the kernel since the data plane's start.
    pub relayed: u64,
}

/// How media ports are heard, and how many calls with media that allows.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MediaSockets {
    /// All ports of a shard share one socket; otherwise each has its own.
    pub shared: bool,
    /// Why they do not share; empty if they do.
    pub why: String,
    /// Calls with media at most, as computed at the start; 0 if it is not known.
    pub calls_max: u64,
    /// What ends first: media ports, descriptors or memory.
    pub calls_max_by: String,
    /// How much of that is in use, in per cent.
    pub used_percent: u64,
    /// That is 80 per cent or more: media ports, descriptors or memory run out.
    pub alarm: bool,
}

/// A machine.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// Its number.
    pub id: u16,
    /// The program's version.
    pub version: String,
    /// The data plane answered within the last two seconds.
    pub data_plane_up: bool,
    /// When it last answered.
    pub last_seen_at: Option<Time>,
    /// How often its data plane has started.
    pub boot: u32,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// The newest published snapshot; 0 for none.
    pub published_revision: u64,
    /// The snapshot in force; 0 for none.
    pub revision: u64,
    /// New calls are refused.
    pub draining: bool,
    /// It was written off and nobody has admitted it again: it is lent nothing. False while the database is away.
    pub barred: bool,
    /// The database answers.
    pub database_up: bool,
    /// Its shards.
    pub shards: Vec<NodeShard>,
    /// Its journal.
    pub journal: Journal,
    /// Where it relays established media.
    pub fast_path: FastPath,
    /// How its sockets hear media.
    pub media_sockets: MediaSockets,
    /// How its machine does; absent until it was looked at.
    pub machine: Option<Machine>,
    /// What it counted.
    pub counters: Vec<Counter>,
}

/// Take new calls, or refuse them.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DrainAsk {
    /// Refuse (cause 404).
    pub on: bool,
}

/// Give a node up.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteOffAsk {
    /// The node cannot carry calls any more, and will not come back with its old data folder. What it would spend then is spent twice.
    pub fenced: bool,
    /// Why, for people.
    pub note: String,
}

/// Admit a written-off node again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdmitAsk {
    /// Why, for people.
    pub note: String,
}

/// A node that was admitted again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Admitted {
    /// Starts of the node's data plane up to this one stay refused: start it anew.
    pub boot: u32,
}

/// What came back to one account.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Returned {
    /// The account.
    pub account: AccountRef,
    /// How much, in its currency.
    pub amount: Amount,
}

/// What a node's end gave back.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WrittenOff {
    /// Starts of the node's data plane up to this one are lent nothing more.
    pub boot: u32,
    /// Grants that held something.
    pub grants: u32,
    /// By account.
    pub returned: Vec<Returned>,
}

/// The paths of nodes.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(drain)).routes(routes!(write_off)).routes(routes!(admit))
}

/// Lists the nodes.
#[utoipa::path(get, path = "/api/v1/nodes", tag = "nodes",
    responses((status = 200, description = "All of them.", body = List<Node>)))]
async fn list(_caller: May<rights::Read>, State(app): State<App>) -> Answered<Json<List<Node>>> {
    let database_up = app.store.changes().await.is_ok();
    let fence = app.store.node_fence(app.node).await.ok().flatten();
    let barred = fence.is_some_and(|fence| fence.barred);
    Ok(Json(List::whole(vec![node(&app, database_up, barred)])))
}

fn node(app: &App, database_up: bool, barred: bool) -> Node {
    let heard = app.live.heard();
    let backlog = app.link.backlog();
    let figures = heard.as_ref().map(|heard| (*heard.figures).clone()).unwrap_or_default();
    let media_percent = figures.media_percent();
    let counter = |(name, value): &(String, u64)| Counter {
        name: name.clone(),
        value: *value,
        meaning: figures.meaning(name).to_owned(),
    };
    let counters = figures.counters.iter().map(counter).collect();
    Node {
        id: app.node.0,
        version: app.version.clone(),
        data_plane_up: heard.as_ref().is_some_and(Heard::is_up),
        last_seen_at: heard.as_ref().map(|heard| heard.wall),
        boot: figures.boot,
        uptime_s: figures.uptime_s,
        published_revision: app.snapshots.revision(),
        revision: figures.revision,
        draining: figures.draining,
        barred,
        database_up,
        shards: figures
            .shards
            .iter()
            .map(|shard| NodeShard {
                shard: shard.shard,
                calls: shard.calls,
                answered: shard.answered,
                ports_used: shard.ports_used,
                ports_max: shard.ports_max,
                revision: shard.revision,
            })
            .collect(),
        journal: Journal {
            records: figures.journal_records,
            bytes: figures.journal_bytes,
            disk_percent: figures.journal_disk_percent,
            backlog_records: backlog.records,
            backlog_bytes: backlog.bytes,
            backlog_oldest_at: backlog.oldest.map(Time),
            set_aside: backlog.set_aside,
            failing: figures.journal_failing,
            collected_at: backlog.collected.map(Time),
        },
        fast_path: FastPath {
            tier: figures.fast_path.tier,
            why: figures.fast_path.why,
            interfaces: figures.fast_path.interfaces,
            relayed: figures.fast_path.relayed,
        },
        media_sockets: MediaSockets {
            shared: figures.media_sockets.shared,
            why: figures.media_sockets.why,
            calls_max: figures.media_sockets.calls_max,
            calls_max_by: figures.media_sockets.calls_max_by,
            used_percent: media_percent,
            alarm: media_percent >= MEDIA_ALARM_PERCENT,
        },
        machine: Machine::here(app),
        counters,
    }
}

/// Makes a node refuse new calls, or take them again. Running calls go on: `/api/v1/cluster` says how many, and since when none. Another
/// node is told by etcd, and hears it when it is there; without etcd each node is drained by its own API.
#[utoipa::path(post, path = "/api/v1/nodes/{id}/drain", tag = "nodes", request_body = DrainAsk,
    params(("id" = u16, Path)), responses((status = 204, description = "Done.")))]
async fn drain(
    caller: May<rights::Write>,
    State(app): State<App>,
    Key(id): Key<u16>,
    Body(ask): Body<DrainAsk>,
) -> Answered<StatusCode> {
    let here = id == app.node.0;
    match &app.cluster {
        Some(cluster) if here || cluster.seen().sight.known().contains(&NodeId(id)) => {
            let told = cluster.drain(NodeId(id), ask.on).await;
            // This node is drained even while nobody else can be told.
            told.or_else(|why| if here { Ok(()) } else { Err(Problem::new(Code::Conflict, why)) })?;
        }
        None if here => {}
        _ => return Err(Problem::not_found(format!("node {id}"))),
    }
    if here {
        match app.link.ask(Ask::Drain { on: ask.on }).await? {
            Answer::Done => {}
            Answer::Refused { reason } => return Err(Problem::new(Code::Conflict, reason)),
            other => return Err(Problem::internal(format!("the data plane answered {other:?} to a drain"))),
        }
    }
    if let Err(flaw) = app.store.audit(&caller.entry("drain", format!("node {id}"), None, Some(&ask))).await {
        tracing::warn!(%flaw, actor = caller.actor(), "a drain could not be written down");
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Gives what a lost node held back to the accounts, and bars it: should it come back with its old folder, it may use nothing until it
/// is admitted again. Records of its calls that turn up
/// later are paid from what is available then.
#[utoipa::path(post, path = "/api/v1/nodes/{id}/write-off", tag = "nodes", request_body = WriteOffAsk,
    params(("id" = u16, Path)), responses((status = 200, description = "What came back.", body = WrittenOff)))]
async fn write_off(
    caller: May<rights::MoneyWrite>,
    State(app): State<App>,
    Key(id): Key<u16>,
    Body(ask): Body<WriteOffAsk>,
) -> Answered<Json<WrittenOff>> {
    if !ask.fenced {
        return Err(Problem::invalid("/fenced", "a node that lives on would spend the money a second time"));
    }
    if id == app.node.0 && app.live.heard().as_ref().is_some_and(Heard::is_up) {
        return Err(Problem::new(Code::Conflict, format!("node {id} is alive: its data plane answers")));
    }
    let done = app.store.write_off(NodeId(id), &ask.note).await?;
    if let Err(flaw) = app.store.audit(&caller.entry("write_off", format!("node {id}"), None, Some(&ask))).await {
        tracing::warn!(%flaw, actor = caller.actor(), "a write-off could not be written down");
    }
    let returned = done
        .returned
        .into_iter()
        .map(|(account, amount)| Returned { account: AccountRef(account.0), amount: Amount(amount) });
    Ok(Json(WrittenOff { boot: done.boot, grants: done.grants, returned: returned.collect() }))
}

/// Admits a node again that was written off: from the next start of its data plane on it is lent money.
#[utoipa::path(post, path = "/api/v1/nodes/{id}/admit", tag = "nodes", request_body = AdmitAsk,
    params(("id" = u16, Path)), responses((status = 200, description = "Admitted from its next start on.", body = Admitted)))]
async fn admit(
    caller: May<rights::MoneyWrite>,
    State(app): State<App>,
    Key(id): Key<u16>,
    Body(ask): Body<AdmitAsk>,
) -> Answered<Json<Admitted>> {
    let boot = app.store.admit_node(NodeId(id)).await?;
    if let Err(flaw) = app.store.audit(&caller.entry("admit", format!("node {id}"), None, Some(&ask))).await {
        tracing::warn!(%flaw, actor = caller.actor(), "an admission could not be written down");
    }
    Ok(Json(Admitted { boot }))
}
