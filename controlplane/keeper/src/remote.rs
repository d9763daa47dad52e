//! A replica in another data centre, carried out: it hears the two databases there, follows the one that the core names, tells how far it is,
//! and takes writes when an operator says so on this node.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cluster::{Local, NotPromoted, Remote, Replica, Role, Source};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use units::NodeId;

use crate::agent::{Agent, Seen, Slot, Wanted};
use crate::clock::now;
use crate::copy;
use crate::hands::Hands;
use crate::server::{Place, Server};
use crate::settings::Pair;
use crate::status::Told;
use crate::twins::disk::wall_ms;

pub mod disk;

use disk::{Heard, Promotion, RemoteReport, SourceReport};

/// Between two looks of the pure core.
const TURN: Duration = Duration::from_millis(100);
/// Between two questions to a database, and two reports.
const HEAR: Duration = Duration::from_millis(500);

/// What metrics tell of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoteView {
    /// Commits that the primary had when it was last heard, and this one has not.
    pub missing: Option<u64>,
    /// When the primary was last heard: seconds since 1970-01-01 UTC.
    pub heard_s: Option<i64>,
    /// It became primary by an operator's command.
    pub promoted: bool,
    /// Databases of the other data centre that take writes, as this one hears.
    pub primaries: u64,
}

/// One remote replica with everything that belongs to it.
struct Keeps<'a> {
    pair: &'a Pair,
    folder: &'a Path,
    core: Remote,
    hands: Hands,
    /// `None`: nobody has asked yet.
    sources: Vec<watch::Receiver<Option<Source>>>,
    gtid: watch::Receiver<String>,
    report: RemoteReport,
    told_at: Option<Instant>,
}

/// Runs until the keeper ends; the database dies with it.
pub fn keep(pair: &Arc<Pair>, folder: &Path, told: Told, ended: &AtomicBool, runtime: &Runtime) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    copy::serve(pair)?;
    let slot = Slot::default();
    let (wanted, wants) = watch::channel(Wanted::default());
    let (sees, seen) = watch::channel(Seen::default());
    // Nobody follows it as long as it follows, and nobody is waited for when it is primary.
    let (_finds, found) = watch::channel(Replica::default());
    runtime.spawn(Agent::new(pair.clone(), slot.clone(), told.clone()).run(wants, found, sees));
    let sources = pair.database.nodes.iter().map(|(node, ip)| {
        let (hears, heard) = watch::channel(None);
        runtime.spawn(hear(pair.clone(), *node, *ip, hears));
        heard
    });
    let (reads, gtid) = watch::channel(String::new());
    runtime.spawn(read_gtid(pair.clone(), reads));
    let promoted = disk::promotion(&pair.database.data);
    // What was heard before a restart is still the last that was heard.
    let report =
        RemoteReport { promoted: promoted.clone(), refused: None, ..disk::reported(folder).unwrap_or_default() };
    let mut keeps = Keeps {
        pair,
        folder,
        core: Remote::new(pair.of_remote(), promoted.is_some()),
        hands: Hands { slot, wanted, berth: None, address_up: false, founds: false, told, remote: true },
        sources: sources.collect(),
        gtid,
        report,
        told_at: None,
    };
    while !ended.load(Ordering::Relaxed) {
        keeps.turn(*seen.borrow());
        sleep(TURN);
    }
    keeps.hands.carry_out(Role::Stopped, false, &Local::default(), false);
    Ok(())
}

impl Keeps<'_> {
    fn turn(&mut self, seen: Seen) {
        let asked: Vec<Option<Source>> = self.sources.iter().map(|source| *source.borrow()).collect();
        let sources: Vec<Source> = asked.iter().copied().flatten().collect();
        let (local, fresh) = self.hands.known(seen);
        let role = self.core.turn(now(), &local, fresh, &sources);
        // Who has asked nobody yet knows of no primary.
        if sources.len() == asked.len() {
            self.take_order(&local);
        }
        self.hands.carry_out(role, false, &local, fresh);
        self.hands.tell(role, false, &local, seen.behind_s);
        if self.told_at.is_none_or(|at| at.elapsed() >= HEAR) {
            self.told_at = Some(Instant::now());
            self.tell(seen.stored, &sources);
        }
    }

    /// An operator's command is carried out once it stands on the disk, or refused.
    fn take_order(&mut self, local: &Local) {
        let Some(order) = disk::ordered(self.folder) else { return };
        if self.core.is_promoted() || self.report.refused.as_ref().is_some_and(|(number, _)| *number == order.number) {
            return;
        }
        let promotion = Promotion {
            at_ms: wall_ms(),
            gtid: self.gtid.borrow().clone(),
            commits: local.position,
            primary: self.report.primary,
        };
        let done = self.core.may_promote(now(), local).map_err(why).and_then(|()| {
            disk::promote(&self.pair.database.data, &promotion).map_err(|error| format!("it cannot be kept: {error}"))
        });
        match done {
            Ok(()) => {
                tracing::warn!(
                    gtid = promotion.gtid,
                    "an operator makes this remote replica primary, whatever it lacks"
                );
                self.core.promoted();
                self.report.promoted = Some(promotion);
            }
            Err(why) => {
                tracing::warn!(why, "this remote replica does not become primary");
                self.report.refused = Some((order.number, why));
                self.told_at = None;
            }
        }
    }

    fn tell(&mut self, stored: u64, sources: &[Source]) {
        let report = &mut self.report;
        let at_ms = wall_ms();
        if !self.core.is_promoted() {
            for source in sources.iter().filter(|source| source.reached && source.writable) {
                report.primary = Some(Heard { node: source.node.0, at_ms, commits: source.position });
            }
        }
        report.keeper = self.hands.told.now();
        let gtid = self.gtid.borrow().clone();
        if !gtid.is_empty() && gtid != report.gtid {
            (report.gtid, report.applied_ms) = (gtid, at_ms);
        }
        report.at_ms = at_ms;
        report.follows = self.core.source().map(|node| node.0);
        if stored > 0 && report.promoted.is_none() {
            report.missing = report.primary.map(|primary| primary.commits.saturating_sub(stored));
        }
        report.sources = sources.iter().map(told).collect();
        self.hands.told.remote(RemoteView {
            missing: report.missing,
            heard_s: report.primary.map(|primary| primary.at_ms / 1_000),
            promoted: report.promoted.is_some(),
            primaries: sources.iter().filter(|source| source.writable).count() as u64,
        });
        if let Err(error) = disk::report(self.folder, report) {
            tracing::warn!(error = error.to_string(), "nobody is told how far this replica is");
        }
    }
}

fn told(source: &Source) -> SourceReport {
    let Source { node, reached, writable, follows, position } = *source;
    SourceReport { node: node.0, reached, writable, follows, commits: position }
}

fn why(why: NotPromoted) -> String {
    match why {
        NotPromoted::PrimaryThere(node) => {
            format!("the database on node {node} answered some seconds ago and takes writes: end its keeper first")
        }
        NotPromoted::NotRunning => "the database on this node does not answer, or is being copied".to_owned(),
    }
}

fn silent(node: u16) -> Source {
    Source { node: NodeId(node), reached: false, writable: false, follows: false, position: 0 }
}

/// Asks a database of the first data centre what it is, again and again.
async fn hear(pair: Arc<Pair>, node: u16, ip: IpAddr, hears: watch::Sender<Option<Source>>) {
    let place = Place::Host(ip, pair.database.port);
    let mut server: Option<Server> = None;
    loop {
        if server.is_none() {
            server = Server::connect(&place, &pair.database.password).await.ok();
        }
        let found = match &mut server {
            Some(server) => ask(server, node).await.ok(),
            None => None,
        };
        if found.is_none() {
            server = None;
        }
        if hears.send(Some(found.unwrap_or_else(|| silent(node)))).is_err() {
            return;
        }
        tokio::time::sleep(HEAR).await;
    }
}

async fn ask(server: &mut Server, node: u16) -> Result<Source> {
    let writable = !server.is_on("read_only").await?;
    let following = server.following().await?.unwrap_or_default();
    let position = server.position().await?;
    let follows = !writable && following.receives && following.applies;
    Ok(Source { node: NodeId(node), reached: true, writable, follows, position })
}

/// Reads the own database's last commit, as MariaDB numbers it.
async fn read_gtid(pair: Arc<Pair>, reads: watch::Sender<String>) {
    let place = Place::Socket(pair.database.data.join("socket"));
    let mut server: Option<Server> = None;
    loop {
        if server.is_none() {
            server = Server::connect(&place, &pair.database.password).await.ok();
        }
        let found = match &mut server {
            Some(server) => server.variable("gtid_binlog_pos").await.ok(),
            None => None,
        };
        match found {
            Some(found) => {
                if reads.send(found).is_err() {
                    return;
                }
            }
            None => server = None,
        }
        tokio::time::sleep(HEAR).await;
    }
}
