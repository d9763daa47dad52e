//! A whole node gets another build of our programs while calls go through: drained, ended, started, joined again.

use std::time::Instant;

use acceptance::until;

use super::{BOOKS_MAX, Fault, complain, play};
use crate::layout::Role;
use crate::site::{FIRST, Site, next};
use crate::table::Row;

/// How long calls are placed: an upgrade and what must be seen afterwards.
const SECONDS: u32 = 45;

/// Calls, rows and records do not notice. While the other nodes have the first build, both work side by side, with a database that the next
/// one has added to.
pub fn node_is_upgraded(site: &mut Site, host: &str) -> Row {
    let leads = site.layout().with(Role::Sql).next().is_some_and(|home| home.name == host);
    let what = if leads { "the node with the primary is upgraded" } else { "the node with the replica is upgraded" };
    let mut flaws = Vec::new();
    let mut row = play(site, Fault::new(what, SECONDS), |site| upgrade(site, host, &mut flaws), |_| ());
    if row.answered != row.planned || row.cut > 0 {
        flaws.push(format!("of {} calls {} were answered and {} cut", row.planned, row.answered, row.cut));
    }
    row.flaws.extend(flaws);
    complain(site, &row);
    row
}

fn upgrade(site: &mut Site, host: &str, flaws: &mut Vec<String>) {
    let began = Instant::now();
    let at = |what: &str| eprintln!("  {:5.2} s: {host} {what}", began.elapsed().as_secs_f64());
    let number = site.layout().host(host).number.to_string();
    let said = site.cluster_says(&["drain", &number, "--wait"]);
    let told: Vec<&str> = said.lines().filter(|line| line.ends_with(" calls left")).collect();
    if told.len() < 2 || told.last() != Some(&"0 calls left") {
        flaws.push(format!("draining {host} told no progress: {said:?}"));
    }
    let others: Vec<String> = site.layout().hosts().iter().map(|other| other.name.clone()).collect();
    let older: Vec<String> = site.layout().with(Role::Core).map(|core| core.name.clone()).collect();
    let older: Vec<String> = older.into_iter().filter(|core| core != host && site.is_first(core)).collect();
    if site.is_migrated() != older.is_empty() {
        flaws.push(format!("before {host} is upgraded the database is not as the first build knows it"));
    }
    at("is drained");
    site.stop_host(host);
    at("has ended");
    site.install_next(host);
    site.start_host(host);
    site.until_joined();
    at("is joined");
    until(BOOKS_MAX, &format!("{host} has brought the database up to date"), || site.is_migrated().then_some(()));
    at("has brought the database up to date");
    // One that dies now meets a database with a step that it does not know.
    older.iter().for_each(|core| site.begin_control_again(core));
    at("has older ones beside it that were started again");
    until(BOOKS_MAX, &format!("{host} says its new version"), || says(site, host, &next()).then_some(()));
    let side_by_side = others.iter().any(|other| says(site, other, FIRST));
    if site.begun(host) > 0 {
        flaws.push(format!("{host} takes calls although it is drained"));
    }
    site.cluster_says(&["drain", &number, "--off"]);
    until(BOOKS_MAX, &format!("calls go to {host} again"), || (site.begun(host) > 10).then_some(()));
    // The last node to be upgraded has nobody of the first build beside it.
    let beside = if side_by_side { "others the first build" } else { "as all have" };
    eprintln!("  {host} has {}, {beside}; the database its step, and started again beside it: {older:?}", next());
}

/// All of a node's programs that others hear of are of this version.
fn says(site: &Site, host: &str, version: &str) -> bool {
    let number = u64::from(site.layout().host(host).number);
    let told = site.versions();
    let of_host = told.iter().find(|(node, _)| *node == number);
    of_host.is_some_and(|(_, all)| !all.is_empty() && all.iter().all(|said| said == version))
}
