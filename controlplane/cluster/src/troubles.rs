//! What is wrong in a cluster although it works on, as sentences: told on the page, by `tandem cluster status` and by `tandem doctor`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::sight::Sight;
use crate::words::{DATABASE, KeeperStatus};

/// Seconds that a replica may be behind: what reads it goes elsewhere then.
const BEHIND_MAX_S: u32 = 10;
/// From this share of a database's disk on somebody should make room, in per cent: a database on a full disk answers nobody who writes.
const DISK_MAX_PERCENT: u8 = 90;

/// What somebody should look at in what keepers say.
pub fn troubles(sight: &Sight) -> Vec<String> {
    let double =
        |node| format!("two machines call themselves node {node}: one of them needs a number that was never used");
    let mut told: Vec<String> = sight.doubled.iter().map(double).collect();
    told.extend(sight.keepers.iter().flat_map(of_keeper));
    told.extend(sight.keepers.iter().flat_map(of_addresses));
    let has = |role: &str| sight.nodes.iter().any(|node| node.roles.iter().any(|known| known == role));
    if (has("web") || has("controller")) && !has("worker") {
        told.push("no node has the role worker: exports, recounts and the end of old records wait".to_owned());
    }
    told
}

fn of_keeper(keeper: &KeeperStatus) -> Vec<String> {
    let node = keeper.node;
    let mut told = Vec::new();
    if !keeper.doubt.is_empty() {
        told.push(format!("node {node}: {}", keeper.doubt));
    }
    if !keeper.why.is_empty() {
        told.push(format!("the database on node {node} is not what it must be: {}", keeper.why));
    }
    if keeper.diverged {
        told.push(format!("the database on node {node} has commits that the primary lacks, and is copied anew"));
    }
    if let Some(behind) = keeper.behind_s.filter(|behind| *behind > BEHIND_MAX_S) {
        told.push(format!("the replica on node {node} is {behind} s behind: the primary is read in its place"));
    }
    if keeper.disk_percent >= DISK_MAX_PERCENT {
        let percent = keeper.disk_percent;
        told.push(format!(
            "the disk under the database on node {node} is {percent} % full: when it is, nothing is written"
        ));
    }
    told
}

fn of_addresses(keeper: &KeeperStatus) -> Vec<String> {
    let contested = keeper.addresses.iter().filter(|address| !address.other.is_empty());
    let told = contested.map(|address| {
        let whose = if address.name == DATABASE { "the database's address" } else { "address" };
        let name = if address.name == DATABASE { String::new() } else { format!(" {}", address.name) };
        format!(
            "{whose}{name}, {}, is on node {}, and {} answers for it as well: find who that is",
            address.ip, keeper.node, address.other
        )
    });
    let stuck = keeper.addresses.iter().filter(|address| address.here && !address.up && !address.why.is_empty());
    let stuck = stuck.filter(|address| address.driver == "agent");
    told.chain(stuck.map(|address| {
        format!("{} belongs on node {} and cannot be put there: {}", address.ip, keeper.node, address.why)
    }))
    .collect()
}
