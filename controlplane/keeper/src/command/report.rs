//! `tandem cluster status`.

use std::process::ExitCode;

use anyhow::Result;
use live::{AddressStatus, DATABASE, DRAINS, Etcd, Held, KEEPERS, KeeperStatus, NODES, Node, THRONES, thrones};
use serde::Serialize;

use super::{PATIENCE, drain};
use crate::settings::Settings;

/// Everything that `status` shows.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Who holds the database; nobody if there is none.
    pub database: Held,
    /// Who holds each shared address that keepers move or watch over.
    pub addresses: Vec<Held>,
    /// The keepers that are there.
    pub keepers: Vec<KeeperStatus>,
    /// The nodes that are there.
    pub nodes: Vec<Node>,
    /// The nodes that are drained.
    pub drained: Vec<u16>,
}

/// Asks etcd for all of it.
pub fn report(etcd: &Etcd) -> Result<Report> {
    let (databases, addresses) =
        thrones(&etcd.list(THRONES)?).into_iter().partition::<Vec<_>, _>(|held| held.service == DATABASE);
    let drained = etcd.list(DRAINS)?.entries;
    let drained = drained.iter().filter_map(|entry| entry.key.strip_prefix(DRAINS)?.parse().ok()).collect();
    Ok(Report {
        database: databases.into_iter().next().unwrap_or_default(),
        addresses,
        keepers: told(etcd, KEEPERS)?,
        nodes: told(etcd, NODES)?,
        drained,
    })
}

/// What stands below a prefix; what cannot be read is another version's and passed over.
fn told<T: serde::de::DeserializeOwned>(etcd: &Etcd, prefix: &str) -> Result<Vec<T>> {
    Ok(etcd.list(prefix)?.entries.iter().filter_map(|entry| serde_json::from_slice(&entry.value).ok()).collect())
}

/// Prints it, for people or as JSON.
pub fn show(settings: &Settings, as_json: bool) -> Result<ExitCode> {
    let etcd = settings.etcd(PATIENCE)?;
    let report = report(&etcd)?;
    if as_json {
        say!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        say!("{}", table(&report).trim_end());
        drain::foresight(&etcd)?.iter().for_each(|line| say!("{line}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// For people.
pub fn table(report: &Report) -> String {
    let mut lines = Vec::new();
    if report.database.throne.holder.is_some() {
        lines.push(service(DATABASE, &report.database));
        lines.push(match report.database.throne.sync {
            Some(node) => format!("          node {node} has every acknowledged commit as well"),
            None => "          nobody else has every acknowledged commit".to_owned(),
        });
    }
    if report.database.throne.holder.is_none() && report.keepers.is_empty() && report.nodes.is_empty() {
        lines.push("nobody: no keeper and no node has told this etcd of itself".to_owned());
    }
    let primary = report.keepers.iter().find(|keeper| keeper.writable).map(|keeper| keeper.position);
    lines
        .extend(report.keepers.iter().filter(|keeper| !keeper.role.is_empty()).map(|keeper| database(keeper, primary)));
    lines.extend(places(&report.keepers, &report.addresses));
    for node in &report.nodes {
        let drained = if report.drained.contains(&node.number) { ", drained" } else { "" };
        let version = of_version(&node.version);
        lines.push(format!(
            "node {:<5}  {}  {} calls{drained}{version}",
            node.number,
            node.roles.join(","),
            node.calls
        ));
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// A version, behind something else.
fn of_version(version: &str) -> String {
    if version.is_empty() { String::new() } else { format!(", version {version}") }
}

/// A moment, for people.
pub fn at(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |at| at.to_string())
}

fn service(title: &str, held: &Held) -> String {
    let throne = &held.throne;
    let holder = throne.holder.map_or_else(|| "nobody".to_owned(), |node| format!("node {node}"));
    let over = if held.held { "" } else { ", whose time is over: nobody has it" };
    format!("{title:<9} held by {holder} since {}, epoch {}{over}", at(throne.since), throne.epoch)
}

pub fn database(keeper: &KeeperStatus, primary: Option<u64>) -> String {
    let mut line = format!(
        "  node {:<5} {:<8} since {}, process {}, {} commits",
        keeper.node,
        keeper.role,
        at(keeper.since),
        keeper.process,
        keeper.position
    );
    if keeper.replica_stored > 0 {
        let left = keeper.position.saturating_sub(keeper.replica_stored);
        line += &format!(", {left} of them not at the replica yet");
    }
    if keeper.role == "replica" || keeper.role == "remote" {
        let missing = primary
            .map_or_else(String::new, |primary| format!(", {} to apply", primary.saturating_sub(keeper.position)));
        line += &missing;
        line +=
            &keeper.behind_s.map_or_else(|| ", does not follow".to_owned(), |behind| format!(", {behind} s behind"));
    }
    if keeper.diverged {
        line += ", has commits that the primary lacks";
    }
    line + &of_version(&keeper.version)
}

/// The shared addresses, and where they are: as the arbiter holds them, and as keepers see them.
pub fn places(keepers: &[KeeperStatus], thrones: &[Held]) -> Vec<String> {
    let mut lines = Vec::new();
    for name in names(keepers, thrones) {
        let held = thrones.iter().find(|held| held.service == live::address_service(name));
        let title = format!("address {name}");
        lines.push(match held {
            Some(held) => service(&title, held),
            None => format!("{title:<9} is where the keepers see it"),
        });
        lines.extend(keepers.iter().filter_map(|keeper| {
            let place = keeper.addresses.iter().find(|address| address.name == name)?;
            Some(address(keeper.node, place))
        }));
    }
    lines
}

/// Every address that somebody knows, each once: the database's first.
fn names<'a>(keepers: &'a [KeeperStatus], thrones: &'a [Held]) -> Vec<&'a str> {
    let told = keepers.iter().flat_map(|keeper| keeper.addresses.iter().map(|address| address.name.as_str()));
    let held = thrones.iter().filter_map(|held| held.service.split_once('/').map(|(_, name)| name));
    let mut names: Vec<&str> = told.chain(held).collect();
    names.sort_unstable_by_key(|name| (*name != DATABASE, *name));
    names.dedup();
    names
}

fn address(node: u16, place: &AddressStatus) -> String {
    let since = at(place.since);
    let here = match (place.up, place.here) {
        (true, _) => format!("{} is here since {since}", place.ip),
        (false, true) => format!("{} belongs here since {since}", place.ip),
        (false, false) => "stands by".to_owned(),
    };
    let driver = if place.driver == "agent" { String::new() } else { format!(", moved by {}", place.driver) };
    let health = if place.works { "works".to_owned() } else { format!("does not work: {}", place.why) };
    format!("  node {node:<5} {here}, {health}{driver}")
}
