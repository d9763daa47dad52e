//! `tandem cluster …` where two servers decide without a third: asked of the keeper of this server, by the arbiter's folder.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use cluster::{PairReport, PathReport, Sight, Stands, troubles};

use super::EXIT_REFUSED;
use super::drain::losses;
use crate::settings::Settings;
use crate::twins::disk::{self, Wish};
use crate::twins::settings::{FenceSettings, TwinsSettings, folder};
use crate::twins::swap::{SWAP_MAX, Swap, swap};

/// A report that is older comes from a keeper that is gone.
const OLD_MS: i64 = 3_000;

/// What `init` asks for beside what it always does.
#[derive(Debug, Args)]
pub struct Twins {
    /// With `--arbiter pair`: a path between the two servers, such as 1=10.0.0.1,2=10.0.0.2; two or more, on cables of their own.
    #[arg(long, value_name = "NODE=IP,NODE=IP", required_if_eq("arbiter", "pair"))]
    path: Vec<String>,
    /// With `--arbiter pair`: an address that answers a server which is not cut off, such as a gateway: IP (ICMP) or IP:PORT (TCP).
    #[arg(long, value_name = "IP[:PORT]", required_if_eq("arbiter", "pair"))]
    tie_breaker: Vec<String>,
    /// With `--arbiter pair`: the command that turns the other server off, words separated by spaces; the other node's number is put
    /// behind them.
    #[arg(long, value_name = "COMMAND")]
    fence: Option<String>,
    /// With `--arbiter pair`: the folder of this server's page.
    #[arg(long, value_name = "DIR", default_value_os_t = folder())]
    folder: PathBuf,
}

impl Twins {
    /// As they stand in the settings file.
    pub fn settings(&self, secret: String) -> Result<TwinsSettings> {
        let paths = self.path.iter().map(|text| path(text)).collect::<Result<Vec<_>>>()?;
        let fence = self.fence.as_ref().map(|words| FenceSettings {
            command: words.split_whitespace().map(str::to_owned).collect(),
            ..FenceSettings::default()
        });
        let (tie_breakers, folder) = (self.tie_breaker.clone(), self.folder.clone());
        Ok(TwinsSettings { tie_breakers, fence, folder, ..TwinsSettings::new(paths, secret) })
    }
}

fn path(text: &str) -> Result<BTreeMap<u16, IpAddr>> {
    let read = |pair: &str| {
        let (node, ip) = pair.split_once('=')?;
        Some((node.parse().ok()?, ip.parse().ok()?))
    };
    let both: Option<BTreeMap<u16, IpAddr>> = text.split(',').map(read).collect();
    both.with_context(|| format!("{text} is not NODE=IP,NODE=IP"))
}

/// Prints what this server's keeper knows, for people or as JSON.
pub fn show(settings: &TwinsSettings, as_json: bool) -> Result<ExitCode> {
    let report = disk::reported(&settings.folder)?;
    if as_json {
        say!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        say!("{}", table(&report).trim_end());
        let sight = Sight::default().with_pair(report.clone());
        losses(&sight).iter().chain(&troubles(&sight)).for_each(|line| say!("{line}"));
    }
    let old = disk::wall_ms() - report.at_ms > OLD_MS;
    if old {
        eprintln!("tandem: this is what the keeper wrote last: it does not run here");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// For people.
fn table(report: &PairReport) -> String {
    let node = |node: Option<u16>| node.map_or_else(|| "nobody".to_owned(), |node| format!("node {node}"));
    let page = report.page;
    let held = if report.held { "" } else { ", whose time is over: nobody takes writes" };
    let mut lines = vec![
        format!("database  held by {}, epoch {}{held}", node(page.holder), page.epoch),
        format!("          {} has every acknowledged commit as well", node(page.sync)),
    ];
    lines.push(match (page.standing, report.lost) {
        (_, _) if report.split => "arbiter   BOTH SERVERS WENT ON ALONE: empty one of them".to_owned(),
        (Stands::Solo, _) => "arbiter   this server goes on alone".to_owned(),
        (Stands::Paired, false) => "arbiter   both servers decide together".to_owned(),
        (Stands::Paired, true) => "arbiter   the other server is lost".to_owned(),
        (Stands::Joining, _) => "arbiter   this server waits for the other one to tell it everything".to_owned(),
    });
    let heard = |what: &str, path: &PathReport| {
        let ago = path.heard_ms.map_or("never".to_owned(), |ms| format!("{:.1} s ago", ms as f64 / 1_000.0));
        format!("  {what} {:<20} heard {ago}", path.there)
    };
    lines.extend(report.paths.iter().map(|path| heard("path to", path)));
    lines.extend(report.tie_breakers.iter().map(|tie| heard("tie-breaker", tie)));
    if !report.fence.is_empty() {
        lines.push(format!("  fence command: {}", report.fence));
    }
    let primary = report.keepers.iter().find(|keeper| keeper.writable).map(|keeper| keeper.position);
    lines.extend(report.keepers.iter().map(|keeper| super::report::database(keeper, primary)));
    lines.extend(super::report::places(&report.keepers, &[]));
    lines.join("\n") + "\n"
}

/// Makes a node's database primary.
pub fn promote(settings: &Settings, node: u16) -> Result<ExitCode> {
    let (Some(pair), Some(both)) = (&settings.twins, settings.pair()) else { bail!("there is no pair") };
    ensure!(both.database.nodes.contains_key(&node), "node {node} has no database of the pair");
    match swap(&pair.folder, node)? {
        Swap::Already => say!("node {node} is primary already"),
        Swap::Done(epoch) => say!("node {node} is primary, epoch {epoch}"),
        Swap::Unready => {
            eprintln!("tandem: node {node} may lack acknowledged commits: it is not in sync with a living primary");
            return Ok(ExitCode::from(EXIT_REFUSED));
        }
        Swap::Late => {
            bail!("node {node} did not become primary within {} s; the order is taken back", SWAP_MAX.as_secs())
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Swears that the other server is off.
pub fn alone(settings: &Settings) -> Result<ExitCode> {
    let Some(pair) = &settings.twins else { bail!("the arbiter is etcd: a majority of its members decides") };
    disk::order(&pair.folder, Wish::Alone)?;
    let late = Instant::now() + SWAP_MAX;
    while Instant::now() < late {
        let report = disk::reported(&pair.folder)?;
        if report.page.standing == Stands::Solo {
            say!("this server goes on alone");
            return Ok(ExitCode::SUCCESS);
        }
        if !report.lost {
            eprintln!("tandem: the other server is heard: it is not off");
            disk::take_back(&pair.folder);
            return Ok(ExitCode::from(EXIT_REFUSED));
        }
        sleep(Duration::from_millis(50));
    }
    disk::take_back(&pair.folder);
    bail!("the keeper of this server did not take the order")
}

/// Makes this server's database primary, whatever it lacks.
pub fn seize(settings: &Settings, node: u16) -> Result<ExitCode> {
    let (Some(pair), Some(both)) = (&settings.twins, settings.pair()) else { bail!("there is no pair") };
    ensure!(node == both.node, "this is node {}: say it on node {node}", both.node);
    let before = disk::reported(&pair.folder)?;
    if before.held {
        eprintln!("tandem: {}", super::primary_is_there(before.page.holder));
        return Ok(ExitCode::from(EXIT_REFUSED));
    }
    if before.page.standing != Stands::Solo {
        eprintln!("tandem: this server may decide nothing alone: `tandem cluster alone --other-is-off` comes first");
        return Ok(ExitCode::from(EXIT_REFUSED));
    }
    disk::order(&pair.folder, Wish::Insist)?;
    let late = Instant::now() + SWAP_MAX;
    while Instant::now() < late {
        let report = disk::reported(&pair.folder)?;
        if report.held && report.page.epoch > before.page.epoch {
            say!("node {} is primary, epoch {}", report.page.holder.unwrap_or_default(), report.page.epoch);
            return Ok(ExitCode::SUCCESS);
        }
        sleep(Duration::from_millis(50));
    }
    disk::take_back(&pair.folder);
    bail!("node {node} did not become primary within {} s: does its database run?", SWAP_MAX.as_secs())
}
