//! The cluster that this node is in: what etcd says of it is looked at once a second, what this node has to say is told, and a drain that
//! an operator ordered anywhere is carried out here. Where two servers decide about their databases without a third, this node's keeper is
//! asked what both know.

mod keeper;

use std::net::{IpAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cluster::{MachineStatus, Member, Sight};
use live::{CONTROLS, ControlStatus, DRAINS, Etcd, EtcdArguments, LiveError, Presence, ShardStatus, order};
use panel::wire::{Answer, Ask};
use tokio::sync::watch;
use units::{NodeId, WallTime};
use web::{ClusterSeen, Later, Source, Unpromoted};

use crate::link::Link;
use keeper::Keeper;

/// Between two looks, and between two words of this node.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks at every member of etcd.
const LOOK_AT_MEMBERS: Duration = Duration::from_secs(5);
/// How long a question to one member may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// A control plane that tells nothing for so many seconds is gone.
const LIVES_S: u64 = 5;
/// How long a planned swap may take before it is given up.
const SWAP_MAX: Duration = Duration::from_secs(20);
/// Between two looks whether the swap is done.
const SWAP_LOOK: Duration = Duration::from_millis(50);

/// What a control plane does beside what it does for its own data plane, to which it gives snapshots and from which it takes records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ControlRole {
    /// Serves the API and the pages.
    Web,
    /// Does jobs from the queue in the database, whichever node asked for them: exports, recounts, retention; takes sheets that are dropped into
    /// its folder, and sends mail.
    Worker,
    /// Nothing more.
    Controller,
}

/// Where etcd is, and this node's place among the others.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ClusterOptions {
    /// Where etcd is.
    #[command(flatten)]
    pub etcd: EtcdArguments,
    /// This node's availability group: nodes of one group may fail together, a room or one host's power. Two to four nodes a group, and
    /// as many in each.
    #[arg(long, value_name = "NAME", default_value = "")]
    pub group: String,
    /// The socket of this node's keeper, panel.socket in its settings, where two servers decide about their databases without a third: the
    /// pages show what it knows, and a drill goes there.
    #[arg(long, value_name = "FILE")]
    pub keeper: Option<PathBuf>,
    /// What this control plane does for the whole switch, beside the work for its own data plane. One of all nodes at least must be a worker.
    #[arg(
        long, value_name = "ROLE,…", value_enum, value_delimiter = ',',
        default_values_t = [ControlRole::Web, ControlRole::Worker]
    )]
    pub roles: Vec<ControlRole>,
}

impl ClusterOptions {
    /// Whether this control plane does that.
    pub fn does(&self, role: ControlRole) -> bool {
        self.roles.is_empty() || self.roles.contains(&role)
    }

    /// Its roles, as the other nodes are told.
    fn told(&self) -> Vec<String> {
        let all = [(ControlRole::Web, "web"), (ControlRole::Worker, "worker")];
        let told: Vec<_> =
            all.into_iter().filter(|(role, _)| self.does(*role)).map(|(_, word)| word.to_owned()).collect();
        if told.is_empty() { vec!["controller".to_owned()] } else { told }
    }
}

/// The cluster, as this node sees it. At least one of etcd and keeper is there.
pub(crate) struct Cluster {
    etcd: Option<Arc<Etcd>>,
    keeper: Option<Keeper>,
    node: NodeId,
    seen: Mutex<ClusterSeen>,
    /// What this node says of itself.
    own: Mutex<ControlStatus>,
    drained: watch::Sender<bool>,
}

impl Cluster {
    /// Begins to look and to tell, for as long as the program runs; `None` if neither a member of etcd nor a keeper is named.
    pub(crate) fn start(
        settings: &ClusterOptions,
        node: NodeId,
        link: &Link,
        machine: &watch::Receiver<MachineStatus>,
    ) -> Result<Option<Arc<Cluster>>> {
        let (etcd, keeper) = (settings.etcd.open(PATIENCE)?, settings.keeper.clone().map(Keeper::new));
        if etcd.is_none() && keeper.is_none() {
            return Ok(None);
        }
        let own = ControlStatus {
            node: node.0,
            version: live::version().to_owned(),
            group: settings.group.clone(),
            roles: settings.told(),
            arbiter: settings.etcd.etcd.iter().find(|url| is_here(url)).cloned().unwrap_or_default(),
            ..ControlStatus::default()
        };
        let (drained, drains) = watch::channel(false);
        let (seen, word) = (Mutex::default(), own.clone());
        let cluster = Arc::new(Cluster { etcd: etcd.clone(), keeper, node, seen, own: Mutex::new(own), drained });
        let theirs = cluster.clone();
        let look = thread::Builder::new().name("cluster".to_owned()).spawn(move || theirs.look_for_ever());
        look.context("the system starts no thread")?;
        let presence = etcd.map(|etcd| Presence::at(etcd, format!("{CONTROLS}{}", node.0), word, LIVES_S));
        if presence.is_some() {
            tokio::spawn(heed(drains, link.clone()));
        }
        tokio::spawn(tell(presence, cluster.clone(), link.clone(), machine.clone()));
        Ok(Some(cluster))
    }

    fn look_for_ever(&self) {
        let mut members: (Option<Instant>, Vec<Member>) = (None, Vec::new());
        loop {
            let looked = self.look();
            if let Some(etcd) = &self.etcd
                && members.0.is_none_or(|at| at.elapsed() >= LOOK_AT_MEMBERS)
            {
                members = (Some(Instant::now()), ask_members(etcd));
            }
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let (source, why) = looked.as_ref().err().cloned().unwrap_or((self.source(), String::new()));
            let reached = looked.is_ok();
            if seen.reached != reached || (seen.at.is_none() && seen.why.is_empty()) {
                tracing::info!(reached, why, "{source}");
            }
            (seen.reached, seen.source, seen.why) = (reached, source, why);
            if let Ok(sight) = looked {
                seen.sight = sight;
                seen.at = Some(now());
                seen.empty = empty(&seen.sight, &seen.empty);
            }
            seen.sight.members.clone_from(&members.1);
            placed(&mut seen.sight);
            drop(seen);
            thread::sleep(LOOK);
        }
    }

    /// Who decides about the database.
    fn source(&self) -> Source {
        if self.keeper.is_some() { Source::Keeper } else { Source::Etcd }
    }

    /// Everything but the members; else who did not answer, and why.
    fn look(&self) -> Result<Sight, (Source, String)> {
        let sight = match &self.etcd {
            Some(etcd) => look(etcd).map_err(|error| (Source::Etcd, error.to_string()))?,
            None => self.alone(),
        };
        let now = sight.is_drained(self.node);
        self.drained.send_if_modified(|drained| std::mem::replace(drained, now) != *drained);
        match &self.keeper {
            Some(keeper) => Ok(sight.with_pair(keeper.report().map_err(|why| (Source::Keeper, why))?)),
            None => Ok(sight),
        }
    }

    /// Without etcd a node hears of no other but by its keeper.
    fn alone(&self) -> Sight {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let word = serde_json::to_vec(&own).expect("a word is plain data");
        let (key, drain) = (format!("{CONTROLS}{}", own.node), format!("{DRAINS}{}", own.node));
        let drained = own.draining.then_some((drain.as_str(), b"1".as_slice()));
        Sight::read([(key.as_str(), word.as_slice())].into_iter().chain(drained))
    }

    fn now(&self) -> ClusterSeen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl web::Cluster for Cluster {
    fn seen(&self) -> ClusterSeen {
        self.now()
    }

    fn drain(&self, node: NodeId, on: bool) -> Later<'_, Result<(), String>> {
        let Some(etcd) = self.etcd.clone() else {
            let here = node == self.node;
            let why = "nodes tell each other by etcd, and there is none: drain it on its own pages";
            return Box::pin(async move { if here { Ok(()) } else { Err(why.to_owned()) } });
        };
        Box::pin(async move { asked(move || live::set_drain(&etcd, node.0, on)).await })
    }

    fn promote(&self, node: NodeId) -> Later<'_, Result<u64, Unpromoted>> {
        if let Some(keeper) = self.keeper.clone() {
            let ask = tokio::task::spawn_blocking(move || keeper.promote(node));
            return Box::pin(async move { ask.await.map_err(|error| Unpromoted::Away(error.to_string()))? });
        }
        let Some(etcd) = self.etcd.clone() else {
            return Box::pin(async { Err(Unpromoted::Away("nobody is named".to_owned())) });
        };
        let before = self.now().sight.database().map_or(0, |database| database.epoch);
        Box::pin(async move {
            let giving = etcd.clone();
            asked(move || order::give(&giving, node.0)).await.map_err(Unpromoted::Away)?;
            let late = Instant::now() + SWAP_MAX;
            while Instant::now() < late {
                let looking = etcd.clone();
                // A look that fails says nothing; the next one may.
                let seen = asked(move || look(&looking)).await.unwrap_or_default();
                let done = seen.database().filter(|now| now.holder == Some(node) && now.epoch > before);
                if let Some(database) = done {
                    return Ok(database.epoch);
                }
                tokio::time::sleep(SWAP_LOOK).await;
            }
            asked(move || order::take_back(&etcd)).await.map_err(Unpromoted::Away)?;
            Err(Unpromoted::Late)
        })
    }
}

/// Asks etcd where it may block.
async fn asked<T: Send + 'static>(ask: impl FnOnce() -> Result<T, LiveError> + Send + 'static) -> Result<T, String> {
    let answer = tokio::task::spawn_blocking(ask).await;
    answer.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

/// Everything but the members.
fn look(etcd: &Etcd) -> Result<Sight, LiveError> {
    let entries = etcd.list_all(&cluster::sight::READ)?;
    Ok(Sight::read(entries.iter().map(|entry| (entry.key.as_str(), entry.value.as_slice()))))
}

fn ask_members(etcd: &Etcd) -> Vec<Member> {
    let asked = etcd.members().into_iter();
    asked.map(|member| Member { url: member.url, reached: member.reached, leads: member.leads, node: None }).collect()
}

/// Says of each member on which node it runs, where that node's control plane told.
fn placed(sight: &mut Sight) {
    for member in &mut sight.members {
        let node = sight.nodes.iter().find(|node| node.arbiter == member.url);
        member.node = node.map(|node| NodeId(node.number));
    }
}

/// Drained nodes on which no call runs, each since it was first found so.
fn empty(sight: &Sight, before: &[(NodeId, WallTime)]) -> Vec<(NodeId, WallTime)> {
    let drained = sight.drained.iter().filter(|node| sight.node(**node).is_some_and(|node| node.calls == 0));
    let since = |node: &NodeId| before.iter().find(|(known, _)| known == node).map_or_else(now, |(_, since)| *since);
    drained.map(|node| (*node, since(node))).collect()
}

fn now() -> WallTime {
    WallTime::from_micros(jiff::Timestamp::now().as_microsecond())
}

/// The host in a member's address is one of this machine's: a socket can be bound to it.
fn is_here(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    address.is_some_and(|address| UdpSocket::bind((address, 0)).is_ok())
}

/// Keeps once a second what the data plane and the kernel say, and tells it the others.
async fn tell(
    presence: Option<Presence<ControlStatus>>,
    cluster: Arc<Cluster>,
    link: Link,
    machine: watch::Receiver<MachineStatus>,
) {
    loop {
        let figures = match link.ask(Ask::Figures).await {
            Ok(Answer::Figures(figures)) => Some(figures),
            _ => None,
        };
        let mut own = cluster.own.lock().unwrap_or_else(PoisonError::into_inner).clone();
        own.machine.clone_from(&machine.borrow());
        own.data_plane_up = figures.is_some();
        if let Some(figures) = figures {
            own.draining = figures.draining;
            own.calls = figures.shards.iter().map(|shard| shard.calls).sum();
            let shard = |shard: &panel::wire::ShardFigures| ShardStatus {
                shard: shard.shard,
                revision: shard.revision,
                calls: shard.calls,
            };
            own.shards = figures.shards.iter().map(shard).collect();
        }
        cluster.own.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&own);
        if let Some(presence) = &presence {
            presence.update(|word| *word = own);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Carries a drain out, and its end, at each connection to the data plane anew.
async fn heed(mut drains: watch::Receiver<bool>, link: Link) {
    let mut connections = link.connections();
    let mut told: Option<(u64, bool)> = None;
    loop {
        let (connection, on) = (*connections.borrow_and_update(), *drains.borrow_and_update());
        // A data plane that is drained by its own page is not disturbed: only what changed is said.
        let news = told.map_or(on, |(last, was)| was != on || (on && last != connection));
        if link.is_up() && (!news || matches!(link.ask(Ask::Drain { on }).await, Ok(Answer::Done))) {
            told = Some((connection, on));
        }
        let ended = tokio::select! {
            changed = drains.changed() => changed.is_err(),
            changed = connections.changed() => changed.is_err(),
            () = tokio::time::sleep(LOOK) => false,
        };
        if ended {
            return;
        }
    }
}

#[cfg(test)]
#[path = "../live/tests/support/mod.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "other test programs use the rest, and a surprise ends a story")]
mod support;
#[cfg(test)]
mod tests;
