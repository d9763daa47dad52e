//! `tandem cluster …` about a replica in another data centre: asked of the keeper beside it, by its folder.

use std::net::IpAddr;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use cluster::{Sight, troubles};

use super::{EXIT_REFUSED, SWAP_MAX, at};
use crate::remote::disk::{self, Heard, RemoteReport};
use crate::settings::{EtcdSettings, RemoteSettings, Settings, remote_folder};
use crate::twins::disk::wall_ms;

/// A report that is older comes from a keeper that is gone.
const OLD_MS: i64 = 3_000;

/// The words with which an operator makes a remote replica primary.
#[derive(Clone, Copy, Debug, Args)]
pub struct Oath {
    /// Makes the replica in this data centre primary, for the day on which the other data centre is gone. Says first what would be lost, and
    /// does it only with both words below. Said on the replica's own host; there is no way back but a fresh copy.
    #[arg(long, conflicts_with = "node")]
    pub remote: bool,
    /// With `--remote`: yes, the databases of the other data centre are off and stay off: somebody looked.
    #[arg(long, requires = "remote")]
    pub others_are_off: bool,
    /// With `--remote`: yes, what was acknowledged there and is not here may be lost.
    #[arg(long, requires = "remote")]
    pub accept_loss: bool,
}

/// The settings of a remote replica of those who have these settings.
pub fn settings(mut from: Settings, text: &str) -> Result<Settings> {
    let (node, ip) = text.split_once('=').with_context(|| format!("{text} is not NODE=IP"))?;
    let node: u16 = node.parse().with_context(|| format!("{node} is no node's number"))?;
    let ip: IpAddr = ip.parse().with_context(|| format!("{ip} is no address"))?;
    let database = from.database.as_mut().context("whoever has these settings has no database to follow")?;
    if let Some(remote) = from.remote.take() {
        // One that was promoted is all there is to follow.
        database.nodes = [(from.node, remote.ip)].into();
        database.home = from.node;
    }
    database.address = None;
    let remote = Some(RemoteSettings { ip, folder: remote_folder() });
    // Who decides in the first data centre is not asked from here, and its addresses are not here.
    let etcd = EtcdSettings::default();
    Ok(Settings { node, remote, etcd, twins: None, panel: None, addresses: vec![], metrics: None, ..from })
}

/// Prints what this node's keeper knows, for people or as JSON.
pub fn show(remote: &RemoteSettings, as_json: bool) -> Result<ExitCode> {
    let report = disk::reported(&remote.folder)?;
    if as_json {
        say!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        say!("{}", table(&report, wall_ms()).trim_end());
        let sight = Sight { keepers: vec![report.keeper.clone()], ..Sight::default() };
        troubles(&sight).iter().for_each(|line| say!("{line}"));
    }
    if is_old(&report) {
        eprintln!("tandem: this is what the keeper wrote last: it does not run here");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn is_old(report: &RemoteReport) -> bool {
    wall_ms() - report.at_ms > OLD_MS
}

/// For people.
fn table(report: &RemoteReport, now_ms: i64) -> String {
    let keeper = &report.keeper;
    let mut lines = vec![match (&report.promoted, report.follows) {
        (Some(promotion), _) => {
            format!("database  node {}, promoted {} with {}", keeper.node, at(promotion.at_ms / 1_000), promotion.gtid)
        }
        (None, Some(node)) => format!("database  node {}, remote replica, follows node {node}", keeper.node),
        (None, None) => format!("database  node {}, remote replica, follows nobody", keeper.node),
    }];
    lines.push(super::report::database(keeper, report.primary.map(|primary| primary.commits)));
    lines.extend(report.promoted.is_none().then(|| loss(report, now_ms)).into_iter().flatten());
    for source in &report.sources {
        let what = match (source.reached, source.writable, source.follows) {
            (false, _, _) => "does not answer".to_owned(),
            (true, true, _) => format!("takes writes, {} commits", source.commits),
            (true, false, true) => format!("follows, {} commits", source.commits),
            (true, false, false) => format!("follows nobody, {} commits", source.commits),
        };
        lines.push(format!("  there: node {:<5} {what}", source.node));
    }
    if report.promoted.is_some() && report.sources.iter().any(|source| source.writable) {
        lines.push(
            "BOTH DATA CENTRES TAKE WRITES: end the keepers of the first one, and copy it anew from here".to_owned(),
        );
    }
    lines.join("\n") + "\n"
}

/// What is known to be lost if this replica becomes primary.
fn loss(report: &RemoteReport, now_ms: i64) -> Vec<String> {
    let last = format!("  last commit here: {}, come by {}", report.gtid, at(report.applied_ms / 1_000));
    let Some(Heard { node, at_ms, commits }) = report.primary else {
        return vec![last, "  the primary was never heard: nobody knows what is not here".to_owned()];
    };
    let (ago, missing) = ((now_ms - at_ms) as f64 / 1_000.0, report.missing.unwrap_or(commits));
    vec![
        last,
        format!(
            "  the primary, node {node}, was last heard {} ({ago:.1} s ago) with {commits} commits",
            at(at_ms / 1_000)
        ),
        format!("  not here: {missing} of them, and whatever it committed after that"),
    ]
}

/// Makes this node's database primary.
pub fn promote(settings: &Settings, oath: Oath) -> Result<ExitCode> {
    let Some(remote) = &settings.remote else {
        bail!(
            "this node has no replica of another data centre: `promote NODE` swaps, `seize NODE` is for lost databases"
        )
    };
    let before = disk::reported(&remote.folder)?;
    ensure!(!is_old(&before), "the keeper of this node does not run");
    if before.promoted.is_some() {
        say!("node {} is primary already", settings.node);
        return Ok(ExitCode::SUCCESS);
    }
    loss(&before, wall_ms()).iter().for_each(|line| say!("{}", line.trim_start()));
    if !oath.others_are_off || !oath.accept_loss {
        eprintln!("tandem: nothing was done: --others-are-off and --accept-loss say that it is meant");
        return Ok(ExitCode::from(EXIT_REFUSED));
    }
    let order = disk::order(&remote.folder)?;
    let late = Instant::now() + SWAP_MAX;
    while Instant::now() < late {
        let report = disk::reported(&remote.folder)?;
        if let Some((number, why)) = report.refused.filter(|(number, _)| *number == order.number) {
            disk::take_back(&remote.folder);
            eprintln!("tandem: order {number:x} is refused: {why}");
            return Ok(ExitCode::from(EXIT_REFUSED));
        }
        if report.promoted.is_some() && report.keeper.writable {
            disk::take_back(&remote.folder);
            say!("node {} is primary, from {} on; it follows nobody any more", settings.node, report.gtid);
            return Ok(ExitCode::SUCCESS);
        }
        sleep(Duration::from_millis(50));
    }
    disk::take_back(&remote.folder);
    if disk::reported(&remote.folder)?.promoted.is_some() {
        say!("node {} is promoted, and takes writes when it has applied what it received: see `status`", settings.node);
        return Ok(ExitCode::SUCCESS);
    }
    bail!("node {} did not become primary within {} s: see its keeper's log", settings.node, SWAP_MAX.as_secs())
}

#[cfg(test)]
mod tests {
    use live::KeeperStatus;

    use super::*;
    use crate::remote::disk::{Promotion, SourceReport};

    fn report() -> RemoteReport {
        RemoteReport {
            follows: Some(2),
            gtid: "0-1-994".to_owned(),
            primary: Some(Heard { node: 1, at_ms: 1_000, commits: 1_000 }),
            missing: Some(6),
            sources: vec![SourceReport { node: 1, reached: true, writable: true, follows: false, commits: 1_000 }],
            keeper: KeeperStatus { node: 3, role: "remote".to_owned(), position: 994, ..KeeperStatus::default() },
            ..RemoteReport::default()
        }
    }

    #[test]
    fn status_says_what_would_be_lost() {
        let told = table(&report(), 15_000);
        for line in
            ["follows node 2", "(14.0 s ago) with 1000 commits", "not here: 6 of them", "node 1     takes writes"]
        {
            assert!(told.contains(line), "{line} in\n{told}");
        }
    }

    #[test]
    fn two_data_centres_that_take_writes_are_told_loudly() {
        let promoted = Some(Promotion::default());
        let told = table(&RemoteReport { promoted, follows: None, ..report() }, 15_000);
        assert!(told.contains("BOTH DATA CENTRES TAKE WRITES") && !told.contains("not here"), "{told}");
    }

    #[test]
    fn settings_of_a_remote_replica_come_from_the_pair_and_back_from_one_that_was_promoted() {
        let mut database = crate::settings::DatabaseSettings::of(1);
        database.nodes =
            [(1, "10.0.0.1"), (2, "10.0.0.2")].map(|(node, ip)| (node, ip.parse().expect("it is one"))).into();
        (database.password, database.user_password) = ("a".to_owned(), "b".to_owned());
        let etcd = EtcdSettings { members: vec!["http://10.0.0.1:2379".to_owned()], ..EtcdSettings::default() };
        let (remote, twins, addresses) = (None, None, vec![]);
        let database = Some(database);
        let pair = Settings { node: 1, metrics: None, panel: None, etcd, twins, remote, database, addresses };
        let there = settings(pair, "3=10.9.0.3").expect("the pair's settings are whole");
        there.check().expect("they can work");
        let nodes =
            |settings: &Settings| settings.database.as_ref().map(|database| database.nodes.clone()).unwrap_or_default();
        assert_eq!((there.node, nodes(&there).len(), there.etcd.members.len()), (3, 2, 0));
        let back = settings(there, "1=10.0.0.1").expect("a remote replica's settings are whole");
        back.check().expect("they can work");
        let followed: Vec<u16> = nodes(&back).into_keys().collect();
        assert_eq!((back.node, followed), (1, vec![3]));
    }
}
