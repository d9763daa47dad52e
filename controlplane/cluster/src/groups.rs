//! Availability groups: nodes that may fail together, a room or a host's power. Each node says in which one it is.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use units::NodeId;

use crate::sight::{NodeSight, Sight};

/// Nodes that a group has at least.
pub const GROUP_NODES_MIN: usize = 2;
/// Nodes that a group should have at most.
pub const GROUP_NODES_MAX: usize = 4;

/// A group and who is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its nodes.
    pub nodes: Vec<NodeId>,
}

/// What is wrong with how nodes are placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misplaced {
    /// A group of one: nothing of its group stands in for it.
    Alone {
        /// The group.
        group: String,
    },
    /// A group of more nodes than do any good.
    Crowded {
        /// The group.
        group: String,
        /// Its nodes.
        nodes: usize,
    },
    /// Groups have unequal numbers of nodes.
    Unequal {
        /// The smallest group's nodes.
        least: usize,
        /// The largest group's nodes.
        most: usize,
    },
    /// A node is in no group though others are.
    Ungrouped {
        /// The node.
        node: NodeId,
    },
    /// More than half of the cores are in one group: with it goes most of the capacity.
    Lopsided {
        /// The group.
        group: String,
        /// Its cores.
        cores: usize,
        /// All cores.
        of: usize,
    },
}

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misplaced::Alone { group } => {
                write!(f, "group {group} has one node; each group needs {GROUP_NODES_MIN} at least")
            }
            Misplaced::Crowded { group, nodes } => {
                write!(f, "group {group} has {nodes} nodes; more than {GROUP_NODES_MAX} make it slower, not safer")
            }
            Misplaced::Unequal { least, most } => {
                write!(f, "groups have {least} to {most} nodes; equal ones share the load when a group is lost")
            }
            Misplaced::Ungrouped { node } => write!(f, "node {node} is in no group"),
            Misplaced::Lopsided { group, cores, of } => {
                write!(f, "{cores} of {of} cores are in group {group}: with it goes most of the capacity")
            }
        }
    }
}

/// The groups of the nodes that are there, by name. None when no node names one.
pub fn groups(sight: &Sight) -> Vec<Group> {
    let mut groups: BTreeMap<&str, Vec<NodeId>> = BTreeMap::new();
    for node in sight.nodes.iter().filter(|node| !node.group.is_empty()) {
        groups.entry(&node.group).or_default().push(NodeId(node.number));
    }
    groups.into_iter().map(|(name, nodes)| Group { name: name.into(), nodes }).collect()
}

/// What is wrong with the groups. Without groups nothing is.
pub fn misplaced(sight: &Sight) -> Vec<Misplaced> {
    let groups = groups(sight);
    let mut told = Vec::new();
    if groups.is_empty() {
        return told;
    }
    for Group { name, nodes } in &groups {
        if nodes.len() < GROUP_NODES_MIN {
            told.push(Misplaced::Alone { group: name.clone() });
        }
        if nodes.len() > GROUP_NODES_MAX {
            told.push(Misplaced::Crowded { group: name.clone(), nodes: nodes.len() });
        }
    }
    let sizes = || groups.iter().map(|group| group.nodes.len());
    let (least, most) = (sizes().min().unwrap_or(0), sizes().max().unwrap_or(0));
    if least < most {
        told.push(Misplaced::Unequal { least, most });
    }
    told.extend(lopsided(sight, &groups));
    let ungrouped = sight.nodes.iter().filter(|node| node.group.is_empty());
    told.extend(ungrouped.map(|node| Misplaced::Ungrouped { node: NodeId(node.number) }));
    told
}

fn lopsided(sight: &Sight, groups: &[Group]) -> Option<Misplaced> {
    let of = sight.nodes.iter().filter(|node| is_core(node)).count();
    let in_group = |name: &str| sight.nodes.iter().filter(|node| is_core(node) && node.group == name).count();
    let counted = groups.iter().map(|group| (group, in_group(&group.name)));
    let (group, cores) = counted.max_by_key(|(_, cores)| *cores)?;
    let most = groups.len() > 1 && cores * 2 > of;
    most.then(|| Misplaced::Lopsided { group: group.name.clone(), cores, of })
}

/// The node carries calls.
pub(crate) fn is_core(node: &NodeSight) -> bool {
    node.roles.iter().any(|role| role == "core")
}
