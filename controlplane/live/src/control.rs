//! What a node's control plane tells the others.

use serde::{Deserialize, Serialize};

/// Below it stand the control planes that are there: `/tandem/control/NODE`, each a [`ControlStatus`] as JSON.
pub const CONTROLS: &str = "/tandem/control/";

/// A control plane's word about its node. Fields that a reader does not know are passed over, those that are missing are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ControlStatus {
    /// Its node.
    pub node: u16,
    /// The availability group: nodes of one may fail together. Empty: none.
    pub group: String,
    /// The member of etcd that runs on this node, as its base address; empty: none.
    pub arbiter: String,
    /// The data plane beside it answers.
    pub data_plane_up: bool,
    /// The data plane takes no new calls.
    pub draining: bool,
    /// Calls that run there.
    pub calls: u32,
    /// Its shards.
    pub shards: Vec<ShardStatus>,
}

/// A shard of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShardStatus {
    /// Its number.
    pub shard: u16,
    /// The snapshot that it decides from.
    pub revision: u64,
    /// Calls in its table.
    pub calls: u32,
}
