//! What the program that starts the web gives to it.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use cluster::{MachineStatus, Sight};
use panel::wire::{Answer, Ask};
use store::{Reports, Store, StoreError};
use tokio::sync::{Notify, watch};
use units::{NodeId, WallTime};

use crate::api::apply::{ApplyAsk, ApplyReport};
use crate::auth::{Budgets, OneTimeTokens, Passwords, Proxies, Refusals, Remembered};
use crate::live::Live;
use crate::names::NameBook;
use crate::repeats::Repeats;
use crate::sheets::LastAnalysis;
use crate::snapshots::Snapshots;
use crate::value::Time;

/// A value that comes later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The data plane did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data plane does not answer")]
pub struct LinkDown;

/// What the collector knows of the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Records written and not yet in the database; `None` while unknown.
    pub records: Option<u64>,
    /// Bytes written and not yet in the database; `None` while unknown.
    pub bytes: Option<u64>,
    /// When the oldest of them ended.
    pub oldest: Option<WallTime>,
    /// Records and damaged stretches that were set aside and wait for a person.
    pub set_aside: u64,
    /// When records last came into the database.
    pub collected: Option<WallTime>,
    /// Since when the database has taken nothing; `None` if it does, or nobody noticed yet.
    pub away_since: Option<WallTime>,
}

impl Backlog {
    /// Why an edit is refused while the database is `state`, what goes on without it, and what waits for it.
    pub(crate) fn tell(&self, state: &str) -> String {
        let moment = |at: Option<WallTime>| at.map(|at| Time(at).to_string());
        let since = moment(self.away_since).map_or(String::new(), |at| format!(" since {at}"));
        let waits = match (self.records, moment(self.oldest)) {
            (None | Some(0), _) => "No call record of this node waits for it".to_owned(),
            (Some(records), None) => format!("{records} call records of this node wait for it"),
            (Some(records), Some(oldest)) => {
                format!("{records} call records of this node wait for it, the oldest of {oldest}")
            }
        };
        format!(
            "the database {state}{since}: nothing was changed; try again when it is back. {waits}; calls and balances go on"
        )
    }
}

/// The connection to the data plane.
pub trait Link: Send + Sync + 'static {
    /// Asks and waits for the answer; the implementation bounds the wait.
    fn ask(&self, ask: Ask) -> Later<'_, Result<Answer, LinkDown>>;

    /// How far the collector is behind.
    fn backlog(&self) -> Backlog;
}

/// A mistake in an applied file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplyMistake {
    /// The file's name.
    pub file: String,
    /// The line, from 1; 0 when it is about the whole file.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// The field: `carriers[2].code`.
    pub field: String,
    /// What is wrong.
    pub why: String,
}

/// Why a file was not applied. Nothing of it was done.
#[derive(Debug)]
pub enum ApplyRefusal {
    /// The file is wrong.
    Mistakes(Vec<ApplyMistake>),
    /// The store refused.
    Store(StoreError),
}

/// Brings the store to what a file says.
pub trait Apply: Send + Sync + 'static {
    /// Compares, and unless it is a dry run, changes everything in one transaction with an audit entry of this actor.
    fn apply(&self, ask: ApplyAsk, actor: String) -> Later<'_, Result<ApplyReport, ApplyRefusal>>;
}

/// Who tells of a cluster and takes orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// A majority of etcd's members.
    #[default]
    Etcd,
    /// The keeper of this node: two servers decide without a third.
    Keeper,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Etcd => "etcd",
            Source::Keeper => "this node's keeper",
        })
    }
}

/// What is known of the cluster.
#[derive(Clone, Debug, Default)]
pub struct ClusterSeen {
    /// As it was told last.
    pub sight: Sight,
    /// Whoever was asked last answered.
    pub reached: bool,
    /// Who did not answer; who decides about the database if all did.
    pub source: Source,
    /// When all answered last; `None`: never.
    pub at: Option<WallTime>,
    /// Why it does not answer; empty if it does.
    pub why: String,
    /// Drained nodes without calls, and since when.
    pub empty: Vec<(NodeId, WallTime)>,
}

/// Why a database was not made primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unpromoted {
    /// The order could not be given.
    Away(String),
    /// It was given and not carried out in time, and is taken back.
    Late,
}

/// The cluster that this node is in.
pub trait Cluster: Send + Sync + 'static {
    /// What is known of it, at once.
    fn seen(&self) -> ClusterSeen;

    /// Drains a node, or ends that. The error says why nobody was told.
    fn drain(&self, node: NodeId, on: bool) -> Later<'_, Result<(), String>>;

    /// Gives the database to a node and waits until it is primary there. The result is the new epoch.
    fn promote(&self, node: NodeId) -> Later<'_, Result<u64, Unpromoted>>;
}

/// What the web needs.
pub struct Services {
    /// The database.
    pub store: Store,
    /// The data plane.
    pub link: Arc<dyn Link>,
    /// The data folder: snapshots are read from it.
    pub data_dir: PathBuf,
    /// Told after each change that the next snapshot must hold.
    pub publish: Arc<Notify>,
    /// Applies files.
    pub apply: Arc<dyn Apply>,
    /// Where recordings and captures are, here and elsewhere.
    pub files: files::Files,
    /// Searches of CDRs.
    pub search: search::Search,
    /// Tokens for the first log-in.
    pub one_time_tokens: Arc<OneTimeTokens>,
    /// This node.
    pub node: NodeId,
    /// Where searches and reports are read.
    pub reports: Reports,
    /// How this machine does.
    pub machine: watch::Receiver<MachineStatus>,
    /// The cluster that it is in, if it is in one.
    pub cluster: Option<Arc<dyn Cluster>>,
    /// Proxies before the server.
    pub proxies: Proxies,
    /// The program's version.
    pub version: String,
}

/// Everything that handlers share.
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) reports: Reports,
    pub(crate) link: Arc<dyn Link>,
    pub(crate) publish: Arc<Notify>,
    pub(crate) apply: Arc<dyn Apply>,
    pub(crate) tokens: Arc<OneTimeTokens>,
    pub(crate) node: NodeId,
    pub(crate) machine: watch::Receiver<MachineStatus>,
    pub(crate) cluster: Option<Arc<dyn Cluster>>,
    pub(crate) version: String,
    pub(crate) passwords: Passwords,
    pub(crate) remembered: Remembered,
    pub(crate) refusals: Refusals,
    pub(crate) budgets: Budgets,
    pub(crate) repeats: Repeats,
    pub(crate) names: NameBook,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) files: files::Files,
    pub(crate) search: search::Search,
    /// Where the data plane writes recordings.
    pub(crate) recordings: PathBuf,
    pub(crate) live: Live,
    pub(crate) analyses: LastAnalysis,
}

/// The handlers' state.
pub(crate) type App = Arc<Inner>;

impl Inner {
    pub(crate) fn new(services: Services) -> Inner {
        Inner {
            names: NameBook::default(),
            snapshots: Arc::new(Snapshots::new(services.data_dir.join("snapshots"))),
            files: services.files,
            search: services.search,
            recordings: services.data_dir.join("recordings"),
            live: Live::default(),
            analyses: LastAnalysis::default(),
            passwords: Passwords::default(),
            remembered: Remembered::default(),
            refusals: Refusals::default(),
            budgets: Budgets::default(),
            repeats: Repeats::default(),
            store: services.store,
            reports: services.reports,
            link: services.link,
            publish: services.publish,
            apply: services.apply,
            tokens: services.one_time_tokens,
            node: services.node,
            machine: services.machine,
            cluster: services.cluster,
            version: services.version,
        }
    }
}
