//! Which versions a cluster runs: while its nodes are upgraded one after the other, two of them.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use units::NodeId;

use crate::sight::Sight;

/// A node's programs, each with its version. Programs that say none are left out.
fn programs(sight: &Sight, node: NodeId) -> Vec<(&'static str, &str)> {
    let told = sight.node(node);
    let keeper = sight.keeper(node).map(|keeper| keeper.version.as_str());
    let all = [
        ("data plane", told.map(|node| node.version.as_str())),
        ("control plane", told.map(|node| node.control_version.as_str())),
        ("keeper", keeper),
    ];
    all.into_iter().filter_map(|(name, version)| Some((name, version.filter(|text| !text.is_empty())?))).collect()
}

/// The version of a node's programs; of each if they differ; empty if none says one.
pub fn version(sight: &Sight, node: NodeId) -> String {
    let programs = programs(sight, node);
    match programs.first() {
        None => String::new(),
        Some((_, first)) if programs.iter().all(|(_, version)| version == first) => first.to_string(),
        Some(_) => {
            programs.iter().map(|(name, version)| format!("{name} {version}")).collect::<Vec<String>>().join(", ")
        }
    }
}

/// Which nodes run which version, in a sentence, if not all run the same.
pub fn mixed(sight: &Sight) -> Option<String> {
    let mut nodes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for node in sight.known() {
        for (_, version) in programs(sight, node) {
            let known = nodes.entry(version).or_default();
            if known.last() != Some(&node.to_string()) {
                known.push(node.to_string());
            }
        }
    }
    let told = nodes.iter().map(|(version, nodes)| format!("{version} on {}", nodes.join(", ")));
    (nodes.len() > 1).then(|| format!("nodes run different versions: {}", told.collect::<Vec<String>>().join("; ")))
}
