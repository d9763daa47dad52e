//! What stands in etcd about a cluster at one moment, or what two servers without a third tell: who holds what, which keepers and nodes
//! are there.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use units::NodeId;

use crate::machine::MachineStatus;
use crate::pair::PairReport;
use crate::words::{
    ADDRESS, AddressStatus, CONTROLS, ControlStatus, DATABASE, DOUBLES, DRAINS, KEEPERS, KeeperStatus, NODES, ORDER,
    ShardStatus, THRONES, Throne,
};

/// Below these stands everything that a [`Sight`] is read from.
pub const READ: [&str; 7] = [THRONES, KEEPERS, NODES, CONTROLS, DRAINS, DOUBLES, ORDER];
/// The take-over of a keeper that does not tell its own, in seconds.
const TAKEOVER_S: u64 = 10;

/// Something that one node holds at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// [`DATABASE`], or an address's name as operators call it.
    pub name: String,
    /// Raised whenever it gets a holder.
    pub epoch: u64,
    /// Who holds it, or held it last.
    pub holder: Option<NodeId>,
    /// The holder's lease lives.
    pub held: bool,
    /// Of the database: who has every acknowledged commit as well.
    pub sync: Option<NodeId>,
    /// Since when it is the holder, in seconds since 1970-01-01 UTC; 0: not known.
    pub since: i64,
}

/// What a node's data plane and its control plane say of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct NodeSight {
    /// Its number.
    pub number: u16,
    /// What it does: `core`, `balancer`, `web` and others.
    pub roles: Vec<String>,
    /// Its availability group; empty: none.
    pub group: String,
    /// Calls that run on it.
    pub calls: u32,
    /// Calls that may run on it; 0: not known.
    pub calls_max: u32,
    /// It goes down, or finds itself overloaded.
    pub leaving: bool,
    /// The member of the arbiter that runs on it, as its base address; empty: none.
    pub arbiter: String,
    /// Its shards.
    pub shards: Vec<ShardStatus>,
    /// The version of its data plane; empty: not told.
    pub version: String,
    /// That of its control plane.
    pub control_version: String,
    /// How its machine does.
    pub machine: MachineStatus,
}

/// A member of the arbiter, as the one who looks found it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Its base address.
    pub url: String,
    /// It answers.
    pub reached: bool,
    /// It leads the others.
    pub leads: bool,
    /// The node that it runs on, where an address says so.
    pub node: Option<NodeId>,
}

/// Everything that is known of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// What is held, the database first, then addresses by name.
    pub services: Vec<Service>,
    /// The keepers that are there.
    pub keepers: Vec<KeeperStatus>,
    /// The nodes that are there.
    pub nodes: Vec<NodeSight>,
    /// The nodes that are drained.
    pub drained: Vec<NodeId>,
    /// Numbers that two programs of a kind have at once.
    pub doubled: Vec<NodeId>,
    /// The node that the database was ordered to and has not reached.
    pub ordered: Option<NodeId>,
    /// The arbiter's members.
    pub members: Vec<Member>,
    /// Where two servers decide about the database without a third: what one of them tells.
    pub pair: Option<PairReport>,
}

impl Sight {
    /// Reads keys and values. What cannot be read is another version's and passed over. Members are not among them.
    pub fn read<'a>(entries: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Sight {
        let mut sight = Sight::default();
        let mut services: BTreeMap<String, Service> = BTreeMap::new();
        let mut controls: Vec<ControlStatus> = Vec::new();
        for (key, value) in entries {
            if let Some(rest) = key.strip_prefix(THRONES) {
                let Some((name, part)) = rest.rsplit_once('/') else { continue };
                let service = services.entry(name.to_owned()).or_default();
                service.read(part, value);
            } else if key.starts_with(KEEPERS) {
                sight.keepers.extend(told(value));
            } else if key.starts_with(NODES) {
                sight.nodes.extend(told(value));
            } else if key.starts_with(CONTROLS) {
                controls.extend(told(value));
            } else if let Some(node) = key.strip_prefix(DRAINS) {
                sight.drained.extend(node.parse().map(NodeId));
            } else if let Some(node) = key.strip_prefix(DOUBLES) {
                sight.doubled.extend(node.parse().map(NodeId));
            } else if key == ORDER {
                sight.ordered = core::str::from_utf8(value).ok().and_then(|node| node.parse().ok()).map(NodeId);
            }
        }
        controls.into_iter().for_each(|control| sight.add(control));
        sight.nodes.sort_by_key(|node: &NodeSight| node.number);
        sight.keepers.sort_by_key(|keeper: &KeeperStatus| keeper.node);
        sight.drained.sort();
        let named = |(name, service): (String, Service)| Service {
            name: name.strip_prefix(ADDRESS).map_or_else(|| name.clone(), ToOwned::to_owned),
            ..service
        };
        sight.services = services.into_iter().map(named).collect();
        sight.add_unheld();
        sight.services.sort_by(|a, b| (a.name != DATABASE, &a.name).cmp(&(b.name != DATABASE, &b.name)));
        sight
    }

    /// Adds what a control plane says to what its data plane says itself, which is fresher.
    fn add(&mut self, control: ControlStatus) {
        let ControlStatus {
            node: number,
            version,
            group,
            roles,
            arbiter,
            data_plane_up,
            draining,
            calls,
            shards,
            machine,
        } = control;
        let known = self.nodes.iter().position(|node| node.number == number);
        let place = known.unwrap_or_else(|| {
            let core = if data_plane_up { vec!["core".to_owned()] } else { Vec::new() };
            self.nodes.push(NodeSight { number, roles: core, calls, leaving: draining, ..NodeSight::default() });
            self.nodes.len() - 1
        });
        let node = &mut self.nodes[place];
        let all = || ["web", "worker"].map(str::to_owned).into();
        node.roles.extend(if roles.is_empty() { all() } else { roles });
        node.leaving |= draining;
        (node.group, node.arbiter, node.shards, node.control_version) = (group, arbiter, shards, version);
        node.machine = machine;
    }

    /// Adds addresses that somebody else than a keeper moves: whoever has one up is its holder.
    fn add_unheld(&mut self) {
        for keeper in &self.keepers {
            for AddressStatus { name, up, .. } in keeper.addresses.iter().filter(|address| address.name != DATABASE) {
                let holder = up.then_some(NodeId(keeper.node));
                match self.services.iter_mut().find(|service| service.name == *name) {
                    Some(known) if known.epoch == 0 && holder.is_some() => (known.holder, known.held) = (holder, true),
                    Some(_) => {}
                    None => {
                        let held = holder.is_some();
                        self.services.push(Service { name: name.clone(), holder, held, ..Service::default() });
                    }
                }
            }
        }
    }

    /// Adds how the arbiter's members were found, each with the node that says it runs there.
    pub fn with_members(mut self, members: impl IntoIterator<Item = Member>) -> Sight {
        let node = |url: &str| self.nodes.iter().find(|node| node.arbiter == url).map(|node| NodeId(node.number));
        self.members = members.into_iter().map(|member| Member { node: node(&member.url), ..member }).collect();
        self
    }

    /// Adds what one of two servers without a third tells: who holds the database, and what both keepers say.
    pub fn with_pair(mut self, pair: PairReport) -> Sight {
        for keeper in pair.keepers.iter().filter(|keeper| keeper.node != 0) {
            self.keepers.retain(|known| known.node != keeper.node);
            self.keepers.push(keeper.clone());
        }
        self.keepers.sort_by_key(|keeper: &KeeperStatus| keeper.node);
        let (holder, sync) = (pair.page.holder.map(NodeId), pair.page.sync.map(NodeId));
        let leads = |keeper: &&KeeperStatus| {
            Some(keeper.node) == pair.page.holder && matches!(keeper.role.as_str(), "primary" | "frozen")
        };
        let since = self.keepers.iter().find(leads).map_or(0, |keeper| keeper.since);
        let (name, epoch, held) = (DATABASE.to_owned(), pair.page.epoch, pair.held && holder.is_some());
        self.services.retain(|service| service.name != DATABASE);
        self.services.insert(0, Service { name, epoch, holder, held, sync, since });
        self.pair = Some(pair);
        self
    }

    /// The database, if the cluster keeps one.
    pub fn database(&self) -> Option<&Service> {
        self.services.iter().find(|service| service.name == DATABASE)
    }

    /// The shared addresses.
    pub fn addresses(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(|service| service.name != DATABASE)
    }

    /// A keeper's word.
    pub fn keeper(&self, node: NodeId) -> Option<&KeeperStatus> {
        self.keepers.iter().find(|keeper| keeper.node == node.0)
    }

    /// A node's word.
    pub fn node(&self, node: NodeId) -> Option<&NodeSight> {
        self.nodes.iter().find(|known| known.number == node.0)
    }

    /// Every node that anything is known of, by number.
    pub fn known(&self) -> Vec<NodeId> {
        let holders = self.services.iter().flat_map(|service| [service.holder, service.sync]).flatten();
        let told = self.nodes.iter().map(|node| node.number).chain(self.keepers.iter().map(|keeper| keeper.node));
        let mut known: Vec<NodeId> = told.map(NodeId).chain(holders).chain(self.drained.iter().copied()).collect();
        known.sort();
        known.dedup();
        known
    }

    /// The node's keeper or the node itself is there.
    pub fn is_there(&self, node: NodeId) -> bool {
        self.keeper(node).is_some() || self.node(node).is_some()
    }

    /// Nodes are heard of as such. Two servers without a third and without etcd know of each other's databases alone.
    pub(crate) fn hears_nodes(&self) -> bool {
        self.pair.is_none() || !self.members.is_empty()
    }

    /// An operator drains the node.
    pub fn is_drained(&self, node: NodeId) -> bool {
        self.drained.contains(&node)
    }

    /// Commits that the primary has and its replica has not stored; `None`: there is no primary, or it knows of no replica.
    pub fn lag(&self) -> Option<u64> {
        let primary = self.keepers.iter().find(|keeper| keeper.role == "primary" || keeper.role == "frozen")?;
        (primary.replica_stored > 0).then(|| primary.position.saturating_sub(primary.replica_stored))
    }

    /// An address as some keeper sees it, if one tells of it: the one that has it up first.
    pub fn address(&self, name: &str) -> Option<&AddressStatus> {
        let told = || self.keepers.iter().flat_map(|keeper| &keeper.addresses).filter(|address| address.name == name);
        told().find(|address| address.up).or_else(|| told().next())
    }

    /// The seconds after which another node takes over the database.
    pub(crate) fn takeover_s(&self) -> u64 {
        let told = self.keepers.iter().map(|keeper| keeper.takeover_s).find(|seconds| *seconds > 0);
        told.unwrap_or(TAKEOVER_S)
    }

    /// The seconds after which another node takes over an address.
    pub(crate) fn address_takeover_s(&self, name: &str) -> u64 {
        let told = self.address(name).map(|address| address.takeover_s).filter(|seconds| *seconds > 0);
        told.unwrap_or(TAKEOVER_S)
    }
}

impl Service {
    fn read(&mut self, part: &str, value: &[u8]) {
        match part {
            "holder" => self.held = true,
            "book" => {
                let written: Throne = told(value).unwrap_or_default();
                self.epoch = written.epoch;
                self.holder = written.holder.map(NodeId);
                self.sync = written.sync.map(NodeId);
                self.since = written.since;
            }
            _ => {}
        }
    }
}

fn told<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
    serde_json::from_slice(value).ok()
}
