//! `tandem cluster status`.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::Result;
use live::{
    AddressStatus, CONTROLS, ControlStatus, DATABASE, DRAINS, Etcd, Held, KEEPERS, KeeperStatus, NODES, Node, THRONES,
    thrones,
};
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
    /// The control planes that are there.
    pub controls: Vec<ControlStatus>,
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
        controls: told(etcd, CONTROLS)?,
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
    // Which of them are gone is what whoever asks in vain needs first.
    let report = report(&etcd).inspect_err(|_| drain::members(&etcd).1.iter().for_each(|line| eprintln!("{line}")))?;
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
    lines.extend(nodes(report));
    lines.into_iter().map(|line| line + "\n").collect()
}

/// The nodes with what they do, those that are drained and not there among them.
fn nodes(report: &Report) -> Vec<String> {
    let told = report.nodes.iter().map(|node| node.number).chain(report.controls.iter().map(|control| control.node));
    let all: BTreeSet<u16> = told.chain(report.drained.iter().copied()).collect();
    let line = |number: &u16| {
        let drained = if report.drained.contains(number) { ", drained" } else { "" };
        let node = report.nodes.iter().find(|node| node.number == *number);
        let control = report.controls.iter().find(|control| control.node == *number);
        let roles = node.map(|node| &node.roles).into_iter().chain(control.map(|control| &control.roles));
        let roles: Vec<&str> = roles.flatten().map(String::as_str).collect();
        let version = node.map(|node| &node.version).or(control.map(|control| &control.version));
        let Some(version) = version else { return format!("node {number:<5}  is not there{drained}") };
        let calls = node.map_or_else(String::new, |node| format!("  {} calls", node.calls));
        let machine = control.map_or_else(String::new, |control| control.machine.line());
        let machine = if machine.is_empty() { machine } else { format!("\n            {machine}") };
        format!("node {number:<5}  {}{calls}{drained}{}{machine}", roles.join(","), of_version(version))
    };
    all.iter().map(line).collect()
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
    let health = match (place.works, place.why.as_str()) {
        (true, "") => "works".to_owned(),
        (true, why) => format!("cannot be moved: {why}"),
        (false, why) => format!("does not work: {why}"),
    };
    let other = if place.other.is_empty() { String::new() } else { format!(", ANSWERED BY {} AS WELL", place.other) };
    format!("  node {node:<5} {here}, {health}{driver}{other}")
}

#[cfg(test)]
mod tests {
    use cluster::MachineStatus;

    use super::*;

    #[test]
    fn nodes_are_told_with_what_both_planes_do_and_whether_they_are_there() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let core = Node { number: 1, roles: words(&["core"]), calls: 7, version: "2".to_owned(), ..Node::default() };
        let control = |node, roles: &[&str]| ControlStatus {
            node,
            roles: words(roles),
            version: "2".to_owned(),
            ..ControlStatus::default()
        };
        let machine = MachineStatus {
            at: 1,
            uptime_s: 7_200,
            cores: 4,
            load_x100: [150, 0, 0],
            clock_off_us: Some(12),
            ..MachineStatus::default()
        };
        let report = Report {
            database: Held::default(),
            addresses: vec![],
            keepers: vec![],
            nodes: vec![core],
            controls: vec![control(1, &["worker"]), ControlStatus { machine, ..control(3, &["web"]) }],
            drained: vec![1, 9],
        };
        let told = [
            "node 1      core,worker  7 calls, drained, version 2",
            "node 3      web, version 2\n            up 2 h, load 1.50 on 4 cores, 0 B free, clock 0.012 ms ahead",
            "node 9      is not there, drained",
        ];
        assert_eq!(nodes(&report), told);
    }
}
