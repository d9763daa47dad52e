//! The cluster on one page: who holds what and since when, which nodes are there, and what would happen if one of them died.

use axum::Json;
use axum::extract::State;
use cluster::{Sight, Weight, if_lost, may_promote, misplaced, mixed, troubles};
use serde::{Deserialize, Serialize};
use store::ReplicaState;
use units::NodeId;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::machine::Machine;
use crate::auth::{May, rights};
use crate::extract::Body;
use crate::live::Heard;
use crate::problem::{Answered, Code, Problem};
use crate::services::{App, ClusterSeen, Source, Unpromoted};
use crate::value::Time;

mod pair;

pub use pair::{PairPath, PairStanding, PairView};

/// How much of what is shown holds at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClusterState {
    /// This node is in no cluster: nobody takes over from it.
    Alone,
    /// Whoever tells of the cluster answers: etcd, or this node's keeper where two servers decide without a third.
    Live,
    /// It does not answer: this is what was known last.
    Stale,
}

/// How bad something would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nobody notices.
    Harmless,
    /// Something is lost or slower, and what remains does its work.
    Loss,
    /// Something is not done any more.
    Outage,
}

/// One thing that would happen.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Foreseen {
    /// How bad it would be.
    pub severity: Severity,
    /// What would happen, as a sentence without a full stop.
    pub text: String,
}

/// A member of etcd, the cluster's arbiter.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ArbiterMember {
    /// Its address.
    pub url: String,
    /// It answers this node.
    pub reached: bool,
    /// It leads the others.
    pub leads: bool,
    /// The node that it runs on; absent where none says so.
    pub node: Option<u16>,
}

/// Who is primary of the pair of databases.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DatabaseHeld {
    /// The node that is primary, or was last.
    pub holder: Option<u16>,
    /// It is. If not, nobody takes writes.
    pub held: bool,
    /// Raised with every primary.
    pub epoch: u64,
    /// Since when it is primary.
    pub since: Option<Time>,
    /// The replica that has every acknowledged commit and may take over.
    pub sync: Option<u16>,
    /// Commits that this replica has not stored yet; absent when there is none.
    pub lag_commits: Option<u64>,
    /// A swap to this node was ordered and is not done.
    pub ordered: Option<u16>,
}

/// One database of the pair, as its keeper tells.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DatabaseNode {
    /// Its node.
    pub node: u16,
    /// What it must be: `primary`, `replica`, `remote`, `standby`, `frozen`, `stopped`, `clone`.
    pub role: String,
    /// Since when.
    pub since: Option<Time>,
    /// What its process does: `running`, `silent`, `dead`.
    pub process: String,
    /// It takes writes.
    pub writable: bool,
    /// Commits that it has.
    pub commits: u64,
    /// Of a replica: seconds that it is behind.
    pub behind_s: Option<u32>,
    /// It has commits that the primary lacks, and is copied anew.
    pub diverged: bool,
    /// Why it cannot be made primary without losing anything; absent if it can.
    pub refused: Option<String>,
}

/// A node that may have a shared address.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AddressPlace {
    /// The node.
    pub node: u16,
    /// The address is up on it.
    pub up: bool,
    /// What is served at the address works on it.
    pub works: bool,
    /// Why it does not.
    pub why: String,
}

/// A shared address.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AddressHeld {
    /// What operators call it; `database` goes where the primary is.
    pub name: String,
    /// The address; empty when no keeper tells.
    pub ip: String,
    /// Who moves it: `agent`, `keepalived`, `none`.
    pub driver: String,
    /// The node that has it, or had it last.
    pub holder: Option<u16>,
    /// It has it. If not, nobody does.
    pub held: bool,
    /// Raised with every holder.
    pub epoch: u64,
    /// Since when it has it.
    pub since: Option<Time>,
    /// Where it may be.
    pub places: Vec<AddressPlace>,
}

/// A shard of a node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ClusterShard {
    /// Its number.
    pub shard: u16,
    /// The snapshot that it decides from.
    pub revision: u64,
    /// Calls in its table.
    pub calls: u32,
}

/// A node of the cluster.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ClusterNode {
    /// Its number.
    pub id: u16,
    /// It or its keeper was heard of within seconds.
    pub there: bool,
    /// What it does.
    pub roles: Vec<String>,
    /// The version of its programs; of each if they differ; empty if none says one.
    pub version: String,
    /// Its availability group; empty: none.
    pub group: String,
    /// Calls that run on it.
    pub calls: u32,
    /// It goes down, is drained, or finds itself overloaded: new calls are not for it.
    pub leaving: bool,
    /// An operator drains it.
    pub drained: bool,
    /// Since when no call runs on it while it is drained.
    pub empty_since: Option<Time>,
    /// Its shards.
    pub shards: Vec<ClusterShard>,
    /// How its machine does, by its control plane; absent where none tells.
    pub machine: Option<Machine>,
    /// What would happen if it lost its power this moment, the worst first.
    pub if_lost: Vec<Foreseen>,
}

/// Nodes that may fail together.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ClusterGroup {
    /// Its name.
    pub name: String,
    /// Its nodes.
    pub nodes: Vec<u16>,
}

/// Where searches and reports are read.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReadsFrom {
    /// A replica answers; otherwise the database where everything is written.
    pub replica: bool,
    /// Seconds that it is behind; absent when it is not read.
    pub behind_s: Option<u32>,
    /// Why it is not read; empty when it is, or when none is named.
    pub why: String,
}

/// The cluster.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ClusterView {
    /// How much of this holds.
    pub state: ClusterState,
    /// The same in a sentence.
    pub told: String,
    /// When this was known: now, or when it was answered last; absent if it never was.
    pub as_of: Option<Time>,
    /// The node that answers.
    pub this_node: u16,
    /// The newest snapshot that this node published.
    pub published_revision: u64,
    /// The members of etcd, the arbiter; none where there is no etcd.
    pub arbiter: Vec<ArbiterMember>,
    /// The arbiter of two servers without a third; absent where etcd decides about the database.
    pub pair: Option<PairView>,
    /// The pair of databases; absent when none is kept.
    pub database: Option<DatabaseHeld>,
    /// The databases.
    pub databases: Vec<DatabaseNode>,
    /// Where searches and reports are read; more than 10 s behind no replica is.
    pub reads: ReadsFrom,
    /// The shared addresses.
    pub addresses: Vec<AddressHeld>,
    /// The nodes, by number.
    pub nodes: Vec<ClusterNode>,
    /// The availability groups, by name.
    pub groups: Vec<ClusterGroup>,
    /// What somebody should look at.
    pub warnings: Vec<String>,
}

/// Where the database shall be primary.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PromoteAsk {
    /// The node.
    #[schema(maximum = 65535)]
    pub node: u16,
    /// The epoch that was shown: a swap that happened meanwhile is not done a second time.
    pub epoch: u64,
}

/// A swap that is done.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Promoted {
    /// The epoch of the primary that is there.
    pub epoch: u64,
}

/// The paths of the cluster.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(promote))
}

/// Shows who holds what, which nodes are there, and what would happen if one of them died.
#[utoipa::path(get, path = "/api/v1/cluster", tag = "nodes",
    responses((status = 200, description = "What is known.", body = ClusterView)))]
async fn show(_caller: May<rights::Read>, State(app): State<App>) -> Answered<Json<ClusterView>> {
    let view = match app.cluster.as_ref().map(|cluster| cluster.seen()) {
        Some(seen) => ClusterView::of(&seen, &app),
        None => ClusterView::alone(&app),
    };
    Ok(Json(view))
}

/// Makes a replica primary now, as `tandem cluster promote` does: writes stop for less than a second, nothing is lost. The drill of a
/// take-over. When the database's home is elsewhere, it goes back there by itself.
#[utoipa::path(post, path = "/api/v1/cluster/promote", tag = "nodes", request_body = PromoteAsk,
    responses((status = 200, description = "The node is primary.", body = Promoted)))]
async fn promote(
    caller: May<rights::Write>,
    State(app): State<App>,
    Body(ask): Body<PromoteAsk>,
) -> Answered<Json<Promoted>> {
    let Some(cluster) = app.cluster.clone() else {
        return Err(Problem::new(Code::Conflict, "this node is in no cluster"));
    };
    let seen = cluster.seen();
    if !seen.reached {
        let told = format!("{} does not answer: nobody can be ordered anything", seen.source);
        return Err(Problem::new(Code::Conflict, told));
    }
    let epoch = seen.sight.database().map_or(0, |database| database.epoch);
    if epoch != ask.epoch {
        return Err(Problem::new(Code::Changed, format!("the database had another holder meanwhile: epoch {epoch}")));
    }
    if let Err(why) = may_promote(&seen.sight, NodeId(ask.node)) {
        return Err(Problem::new(Code::Conflict, format!("node {}: {why}", ask.node)));
    }
    // Before: while the database changes hands nothing can be written down.
    app.store.audit(&caller.entry("promote", format!("node {}", ask.node), None, Some(&ask))).await?;
    match cluster.promote(NodeId(ask.node)).await {
        Ok(epoch) => Ok(Json(Promoted { epoch })),
        Err(Unpromoted::Away(why)) => {
            Err(Problem::new(Code::Conflict, format!("{} did not take the order: {why}", seen.source)))
        }
        Err(Unpromoted::Late) => {
            Err(Problem::new(Code::Conflict, "it did not become primary in time; the order is taken back"))
        }
    }
}

impl ClusterView {
    fn of(seen: &ClusterSeen, app: &App) -> ClusterView {
        let sight = &seen.sight;
        let (state, told) = match (seen.reached, seen.at) {
            (true, _) => (ClusterState::Live, live(seen)),
            (false, Some(_)) => (ClusterState::Stale, stale(seen)),
            (false, None) => (
                ClusterState::Stale,
                format!("{} has not answered yet: {}.", upper(&seen.source.to_string()), seen.why),
            ),
        };
        ClusterView { state, told, as_of: seen.at.map(Time), ..ClusterView::told(sight, seen, app) }
    }

    /// A switch of one node.
    fn alone(app: &App) -> ClusterView {
        let heard = app.live.heard();
        let figures = heard.as_ref().map(|heard| (*heard.figures).clone()).unwrap_or_default();
        let is_core = heard.as_ref().is_some_and(Heard::is_up);
        let roles = [("core", is_core), ("web", true)].into_iter().filter(|(_, does)| *does);
        let shards = figures.shards.iter().map(|shard| cluster::words::ShardStatus {
            shard: shard.shard,
            revision: shard.revision,
            calls: shard.calls,
        });
        let node = cluster::NodeSight {
            number: app.node.0,
            roles: roles.map(|(role, _)| role.to_owned()).collect(),
            calls: figures.shards.iter().map(|shard| shard.calls).sum(),
            leaving: figures.draining,
            shards: shards.collect(),
            control_version: app.version.clone(),
            machine: app.machine.borrow().clone(),
            ..cluster::NodeSight::default()
        };
        let sight = Sight { nodes: vec![node], ..Sight::default() };
        let told = "This switch is one node: nobody takes over from it. `tandem cluster init` begins a cluster; a control plane is told of \
                    it by --etcd, or by --keeper where two servers decide without a third.";
        let state = ClusterState::Alone;
        let seen = ClusterSeen::default();
        ClusterView { state, told: told.to_owned(), as_of: Some(Time::now()), ..ClusterView::told(&sight, &seen, app) }
    }

    fn told(sight: &Sight, seen: &ClusterSeen, app: &App) -> ClusterView {
        let groups = cluster::groups(sight).into_iter().map(|group| ClusterGroup {
            name: group.name,
            nodes: group.nodes.into_iter().map(|node| node.0).collect(),
        });
        let members = sight.members.iter().map(|member| ArbiterMember {
            url: member.url.clone(),
            reached: member.reached,
            leads: member.leads,
            node: member.node.map(|node| node.0),
        });
        ClusterView {
            state: ClusterState::Live,
            told: String::new(),
            as_of: None,
            this_node: app.node.0,
            published_revision: app.snapshots.revision(),
            arbiter: members.collect(),
            pair: sight.pair.as_ref().map(PairView::of),
            database: sight.database().map(|database| DatabaseHeld::of(database, sight)),
            databases: DatabaseNode::all(sight),
            reads: ReadsFrom::of(app.reports.replica()),
            addresses: AddressHeld::all(sight),
            nodes: sight.known().into_iter().map(|node| ClusterNode::of(node, sight, seen)).collect(),
            groups: groups.collect(),
            warnings: warnings(sight),
        }
    }
}

fn live(seen: &ClusterSeen) -> String {
    let by_keeper = seen.sight.pair.is_some() && seen.sight.members.is_empty();
    let more = "Calls, groups and drains are of this node alone: nodes tell each other of them by etcd.";
    format!("This is so at this moment.{}", if by_keeper { format!(" {more}") } else { String::new() })
}

fn stale(seen: &ClusterSeen) -> String {
    let (source, why) = (upper(&seen.source.to_string()), &seen.why);
    let goes_on = match seen.source {
        Source::Etcd => "each node works on with it, and nothing is taken over without a majority of etcd's members",
        Source::Keeper => "what is so now the other node's page tells, and `tandem cluster status` there",
    };
    format!("{source} does not answer ({why}). This is what was known last; {goes_on}.")
}

/// As a sentence begins. etcd is written small everywhere.
fn upper(text: &str) -> String {
    text.strip_prefix("this").map_or_else(|| text.to_owned(), |rest| format!("This{rest}"))
}

/// What somebody should look at.
fn warnings(sight: &Sight) -> Vec<String> {
    let mut told = sight.pair.as_ref().map(pair::warnings).unwrap_or_default();
    let (reached, of) = (sight.members.iter().filter(|member| member.reached).count(), sight.members.len());
    if reached < of {
        told.push(format!("{reached} of {of} members of the arbiter answer"));
    }
    if of > 0 && of % 2 == 0 {
        told.push(format!("the arbiter has {of} members: an odd number bears as many losses with one member less"));
    }
    for service in sight.services.iter().filter(|service| !service.held) {
        told.push(match service.name.as_str() {
            cluster::words::DATABASE => {
                "nobody holds the database: edits are refused, records wait in journals".to_owned()
            }
            name => format!("nobody has address {name}"),
        });
    }
    if let Some(database) = sight.database().filter(|database| database.held && database.sync.is_none()) {
        let holder = database.holder.map_or(0, |node| node.0);
        told.push(format!("the database on node {holder} has no replica in sync: nobody could take over"));
    }
    told.extend(troubles(sight));
    told.extend(misplaced(sight).iter().map(ToString::to_string));
    told.extend(mixed(sight));
    told
}

/// Seconds since 1970 as keepers write them; 0: not known.
fn moment(seconds: i64) -> Option<Time> {
    (seconds > 0).then(|| Time(units::WallTime::from_micros(seconds.saturating_mul(1_000_000))))
}

impl DatabaseHeld {
    fn of(database: &cluster::Service, sight: &Sight) -> DatabaseHeld {
        DatabaseHeld {
            holder: database.holder.map(|node| node.0),
            held: database.held,
            epoch: database.epoch,
            since: moment(database.since),
            sync: database.sync.map(|node| node.0),
            lag_commits: sight.lag(),
            ordered: sight.ordered.map(|node| node.0),
        }
    }
}

impl DatabaseNode {
    fn all(sight: &Sight) -> Vec<DatabaseNode> {
        let kept = sight.keepers.iter().filter(|keeper| !keeper.role.is_empty());
        kept.map(|keeper| DatabaseNode {
            node: keeper.node,
            role: keeper.role.clone(),
            since: moment(keeper.since),
            process: keeper.process.clone(),
            writable: keeper.writable,
            commits: keeper.position,
            behind_s: keeper.behind_s,
            diverged: keeper.diverged,
            refused: may_promote(sight, NodeId(keeper.node)).err().map(|why| why.to_string()),
        })
        .collect()
    }
}

impl ReadsFrom {
    fn of(state: ReplicaState) -> ReadsFrom {
        let (replica, behind_s, why) = match state {
            ReplicaState::None => (false, None, String::new()),
            ReplicaState::Read(seconds) => (true, Some(seconds), String::new()),
            ReplicaState::Passed(why) => (false, None, why),
        };
        ReadsFrom { replica, behind_s, why }
    }
}

impl AddressHeld {
    fn all(sight: &Sight) -> Vec<AddressHeld> {
        let database = sight.database().filter(|_| sight.address(cluster::words::DATABASE).is_some());
        let services = database.into_iter().chain(sight.addresses());
        services.map(|service| AddressHeld::of(service, sight)).collect()
    }

    fn of(service: &cluster::Service, sight: &Sight) -> AddressHeld {
        let seen = sight.address(&service.name);
        let places = sight.keepers.iter().filter_map(|keeper| {
            let place = keeper.addresses.iter().find(|place| place.name == service.name)?;
            Some(AddressPlace { node: keeper.node, up: place.up, works: place.works, why: place.why.clone() })
        });
        AddressHeld {
            name: service.name.clone(),
            ip: seen.map_or_else(String::new, |address| address.ip.clone()),
            driver: seen.map_or_else(String::new, |address| address.driver.clone()),
            holder: service.holder.map(|node| node.0),
            held: service.held,
            epoch: service.epoch,
            since: moment(service.since),
            places: places.collect(),
        }
    }
}

impl ClusterNode {
    fn of(id: NodeId, sight: &Sight, seen: &ClusterSeen) -> ClusterNode {
        let node = sight.node(id).cloned().unwrap_or_default();
        let shard = |shard: &cluster::words::ShardStatus| ClusterShard {
            shard: shard.shard,
            revision: shard.revision,
            calls: shard.calls,
        };
        let mut roles = node.roles;
        let does_sql = sight.keeper(id).is_some_and(|keeper| !keeper.role.is_empty());
        roles.extend(does_sql.then(|| "sql".to_owned()));
        roles.extend((!node.arbiter.is_empty()).then(|| "state".to_owned()));
        ClusterNode {
            id: id.0,
            there: sight.is_there(id),
            roles,
            version: cluster::version(sight, id),
            group: node.group,
            calls: node.calls,
            leaving: node.leaving,
            drained: sight.is_drained(id),
            empty_since: seen.empty.iter().find(|(known, _)| *known == id).map(|(_, since)| Time(*since)),
            shards: node.shards.iter().map(shard).collect(),
            machine: Machine::of(&node.machine),
            if_lost: if_lost(sight, id).iter().map(Foreseen::of).collect(),
        }
    }
}

impl Foreseen {
    fn of(consequence: &cluster::Consequence) -> Foreseen {
        let severity = match consequence.weight() {
            Weight::Harmless => Severity::Harmless,
            Weight::Loss => Severity::Loss,
            Weight::Outage => Severity::Outage,
        };
        Foreseen { severity, text: consequence.to_string() }
    }
}
