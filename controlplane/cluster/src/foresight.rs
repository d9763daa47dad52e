//! What would happen if a node died this moment, or if the database were given to another: told before an operator does it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use units::NodeId;

use crate::groups::is_core;
use crate::pair::PairReport;
use crate::sight::{Service, Sight};

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Nobody notices.
    Harmless,
    /// Something is lost or slower, and what remains does its work.
    Loss,
    /// Something is not done any more until the node or another comes.
    Outage,
}

/// One thing that would happen. Written out it is a sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// Nothing that the cluster knows of.
    Nothing,
    /// Too few of the arbiter's members would be left: nobody may take over, and the primary's time runs out.
    ArbiterLost {
        /// Members that would be reached.
        left: usize,
        /// Members there are.
        of: usize,
    },
    /// The arbiter would work on with fewer members.
    MembersRemain {
        /// Members that would be reached.
        left: usize,
        /// Members there are.
        of: usize,
    },
    /// Another node's database becomes primary.
    PrimaryMoves {
        /// There.
        to: NodeId,
        /// After so many seconds.
        after_s: u64,
    },
    /// No database becomes primary.
    NoPrimary {
        /// Who would have to come back.
        until: NodeId,
    },
    /// The primary goes on without its replica.
    CommitsAlone {
        /// The primary.
        primary: NodeId,
    },
    /// Of two servers without a third: the primary cannot know whether the other went on, and stops.
    WritesStop {
        /// The primary.
        primary: NodeId,
    },
    /// Of two servers without a third: the primary turns the other off, and goes on without a replica.
    TurnedOff {
        /// The primary.
        by: NodeId,
    },
    /// Calls end.
    CallsLost {
        /// So many.
        calls: u32,
    },
    /// Cores that take calls afterwards.
    CoresRemain {
        /// So many.
        left: usize,
        /// Of so many before.
        of: usize,
    },
    /// No other node does this.
    RoleEnds {
        /// What.
        role: String,
    },
    /// A shared address goes to another node.
    AddressMoves {
        /// Its name.
        name: String,
        /// There.
        to: NodeId,
        /// After so many seconds.
        after_s: u64,
    },
    /// Nobody would have a shared address.
    AddressLost {
        /// Its name.
        name: String,
    },
}

impl Consequence {
    /// How bad it is.
    pub fn weight(&self) -> Weight {
        match self {
            Consequence::Nothing | Consequence::MembersRemain { .. } => Weight::Harmless,
            Consequence::CoresRemain { left: 0, .. } => Weight::Outage,
            Consequence::PrimaryMoves { .. }
            | Consequence::CommitsAlone { .. }
            | Consequence::TurnedOff { .. }
            | Consequence::CallsLost { .. }
            | Consequence::CoresRemain { .. }
            | Consequence::AddressMoves { .. } => Weight::Loss,
            Consequence::ArbiterLost { .. }
            | Consequence::NoPrimary { .. }
            | Consequence::WritesStop { .. }
            | Consequence::RoleEnds { .. }
            | Consequence::AddressLost { .. } => Weight::Outage,
        }
    }
}

impl fmt::Display for Consequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Consequence::Nothing => f.write_str("nothing is lost"),
            Consequence::ArbiterLost { left, of } => write!(
                f,
                "{left} of {of} members of the arbiter remain, no majority: nothing is taken over, and the primary takes no more writes"
            ),
            Consequence::MembersRemain { left, of } => {
                write!(f, "{left} of {of} members of the arbiter remain, enough")
            }
            Consequence::PrimaryMoves { to, after_s } => write!(
                f,
                "node {to} becomes the database's primary after about {after_s} s; until then edits are refused and records wait in journals"
            ),
            Consequence::NoPrimary { until } => write!(
                f,
                "no database becomes primary: edits are refused and records wait in journals until node {until} is back"
            ),
            Consequence::CommitsAlone { primary } => {
                write!(f, "the database on node {primary} goes on alone, without a replica to take over")
            }
            Consequence::WritesStop { primary } => write!(
                f,
                "the database on node {primary} takes no more writes until this node is back, or an operator swears that it is off: \
                 tandem cluster alone"
            ),
            Consequence::TurnedOff { by } => write!(
                f,
                "node {by} turns this one off by the fence command, and its database goes on alone; if the command fails it takes no more \
                 writes"
            ),
            Consequence::CallsLost { calls: 0 } => f.write_str("no call runs on it"),
            Consequence::CallsLost { calls } => write!(f, "calls on it are lost: {calls}"),
            Consequence::CoresRemain { left: 0, .. } => f.write_str("no core remains: no call is carried"),
            Consequence::CoresRemain { left, of } => write!(f, "{left} of {of} cores remain"),
            Consequence::RoleEnds { role } => write!(f, "no other node has the role {role}"),
            Consequence::AddressMoves { name, to, after_s } => {
                write!(f, "address {name} goes to node {to} after about {after_s} s")
            }
            Consequence::AddressLost { name } => write!(f, "nobody takes address {name}"),
        }
    }
}

/// What happens if this node loses its power, the worst first.
pub fn if_lost(sight: &Sight, node: NodeId) -> Vec<Consequence> {
    let mut told = Vec::new();
    let decides = arbiter(sight, node, &mut told);
    if let Some(database) = sight.database() {
        told.extend(of_database(sight, database, node, decides));
    }
    let held = sight.addresses().filter(|address| address.held && address.holder == Some(node));
    for address in held {
        let name = address.name.clone();
        let to = successor(sight, &address.name, node).filter(|_| decides);
        told.push(match to {
            Some(to) => Consequence::AddressMoves { name, to, after_s: sight.address_takeover_s(&address.name) },
            None => Consequence::AddressLost { name },
        });
    }
    of_node(sight, node, &mut told);
    if told.is_empty() {
        told.push(Consequence::Nothing);
    }
    told.sort_by_key(|consequence| core::cmp::Reverse(consequence.weight()));
    told
}

/// Whether a majority of the arbiter's members would be left.
fn arbiter(sight: &Sight, node: NodeId, told: &mut Vec<Consequence>) -> bool {
    let of = sight.members.len();
    let left = sight.members.iter().filter(|member| member.reached && member.node != Some(node)).count();
    let decides = left > of / 2 || of == 0;
    let touched = sight.members.iter().any(|member| member.node == Some(node));
    if touched && !decides {
        told.push(Consequence::ArbiterLost { left, of });
    } else if touched {
        told.push(Consequence::MembersRemain { left, of });
    }
    decides
}

fn of_database(sight: &Sight, database: &Service, node: NodeId, decides: bool) -> Option<Consequence> {
    if !database.held {
        return None;
    }
    let holder = database.holder?;
    let together = sight.pair.as_ref().map(PairReport::is_together);
    if holder == node {
        let heir = database.sync.filter(|heir| *heir != node && decides && together != Some(false));
        let ready = heir.filter(|heir| sight.keeper(*heir).is_some_and(|keeper| keeper.process == "running"));
        return Some(match ready {
            Some(to) => Consequence::PrimaryMoves { to, after_s: sight.takeover_s() },
            None => Consequence::NoPrimary { until: node },
        });
    }
    let counted = database.sync == Some(node) && together != Some(false);
    counted.then_some(match &sight.pair {
        None => Consequence::CommitsAlone { primary: holder },
        Some(pair) if pair.fences => Consequence::TurnedOff { by: holder },
        Some(_) => Consequence::WritesStop { primary: holder },
    })
}

/// Another node whose keeper knows the address and finds that what is served at it works there.
fn successor(sight: &Sight, name: &str, lost: NodeId) -> Option<NodeId> {
    let others = sight.keepers.iter().filter(|keeper| keeper.node != lost.0);
    let mut ready = others.filter(|keeper| keeper.addresses.iter().any(|known| known.name == name && known.works));
    ready.next().map(|keeper| NodeId(keeper.node))
}

fn of_node(sight: &Sight, node: NodeId, told: &mut Vec<Consequence>) {
    let Some(lost) = sight.node(node) else { return };
    for role in &lost.roles {
        let others = sight.nodes.iter().filter(|other| other.number != node.0 && other.roles.contains(role));
        if role == "core" {
            told.push(Consequence::CallsLost { calls: lost.calls });
            if !sight.hears_nodes() {
                continue;
            }
            let takes = |number: u16, leaving: bool| !leaving && !sight.is_drained(NodeId(number));
            let left = others.filter(|other| takes(other.number, other.leaving)).count();
            let of = sight.nodes.iter().filter(|each| is_core(each) && takes(each.number, each.leaving)).count();
            told.push(Consequence::CoresRemain { left, of: of.max(left) });
        } else if others.count() == 0 && sight.hears_nodes() {
            told.push(Consequence::RoleEnds { role: role.clone() });
        }
    }
}

/// Why the database cannot be given to a node without losing anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNow {
    /// The cluster keeps no pair of databases.
    NoDatabase,
    /// The node is primary already.
    IsPrimary,
    /// Nobody is primary.
    NoPrimary,
    /// The node may lack commits that were acknowledged.
    NotInSync,
    /// Of two servers without a third: the other one is not heard.
    OtherLost,
    /// It was ordered, and the order is not carried out yet.
    Ordered,
}

impl fmt::Display for NotNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotNow::NoDatabase => "no pair of databases is kept here",
            NotNow::IsPrimary => "it is primary already",
            NotNow::NoPrimary => "nobody is primary: whoever has every commit takes over by itself",
            NotNow::NotInSync => "it may lack acknowledged commits: it is not in sync",
            NotNow::OtherLost => "the two servers do not hear each other",
            NotNow::Ordered => "another swap is on its way",
        })
    }
}

/// Whether a planned swap to this node would lose nothing.
pub fn may_promote(sight: &Sight, node: NodeId) -> Result<(), NotNow> {
    let database = sight.database().ok_or(NotNow::NoDatabase)?;
    if !database.held {
        return Err(NotNow::NoPrimary);
    }
    if database.holder == Some(node) {
        return Err(NotNow::IsPrimary);
    }
    if database.sync != Some(node) {
        return Err(NotNow::NotInSync);
    }
    if sight.pair.as_ref().is_some_and(|pair| !pair.is_together()) {
        return Err(NotNow::OtherLost);
    }
    if sight.ordered.is_some() { Err(NotNow::Ordered) } else { Ok(()) }
}
