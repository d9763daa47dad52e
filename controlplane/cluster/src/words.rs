//! What nodes write into etcd about the cluster: keys, and the JSON below them. [`crate::Sight`] reads them all.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::machine::MachineStatus;

/// The number of the form in which everything below `/tandem/` is written, as text. Whoever knows another one neither reads nor writes there:
/// fields may be added under the same number, but none may change its meaning.
pub const FORMAT: &str = "/tandem/format";
/// The form that this program knows.
pub const FORMAT_KNOWN: u32 = 1;
/// Below it stands what the arbiter keeps of each service: `/tandem/throne/SERVICE/book`, a [`Throne`] as JSON that stays, and
/// `/tandem/throne/SERVICE/holder`, the holder's number as text, which is there as long as the holder's lease lives.
pub const THRONES: &str = "/tandem/throne/";
/// Below it stands what keepers tell: `/tandem/keeper/NODE`, a [`KeeperStatus`] as JSON, as long as that keeper lives.
pub const KEEPERS: &str = "/tandem/keeper/";
/// Below it stand the nodes that are there: `/tandem/node/NODE`, each with what its data plane says, as JSON.
pub const NODES: &str = "/tandem/node/";
/// Below it stand the control planes that are there: `/tandem/control/NODE`, each a [`ControlStatus`] as JSON.
pub const CONTROLS: &str = "/tandem/control/";
/// Below it stand the nodes that an operator drains: `/tandem/drain/NODE`. The key alone counts.
pub const DRAINS: &str = "/tandem/drain/";
/// Below it stand numbers that two programs of a kind have at once: `/tandem/double/NODE`, for some seconds. The key alone counts.
pub const DOUBLES: &str = "/tandem/double/";
/// The node that an operator wants the database on, until it is given.
pub const ORDER: &str = "/tandem/order/database";
/// Where an operator insists: the node whose database must become primary, whatever it lacks, until it takes the order.
pub const INSIST: &str = "/tandem/order/insist";
/// The pair of databases, as a service; also the name of the address that is where it is primary.
pub const DATABASE: &str = "database";
/// Before the name of a service that is a shared address without a database.
pub const ADDRESS: &str = "address/";

/// Who holds a service, as it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Throne {
    /// Raised whenever the service gets a holder. 0: it never had one.
    pub epoch: u64,
    /// The node that holds it, or held it last.
    pub holder: Option<u16>,
    /// Of a database: the node whose copy has every commit that was ever acknowledged, too. None: the holder's alone.
    pub sync: Option<u16>,
    /// The life of that copy's server: one that was started again since may lack some of them. 0: not known.
    pub sync_life: u64,
    /// Since when it is the holder: seconds since 1970-01-01 UTC.
    pub since: i64,
}

/// A keeper's word. Fields that a reader does not know are passed over, those that are missing are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeeperStatus {
    /// Its node.
    pub node: u16,
    /// Which version of the program it is; empty: it is from before that was told.
    pub version: String,
    /// What the database must be: `primary`, `replica`, `remote` (a replica in another data centre), `standby`, `frozen`, `stopped`, `clone`; empty:
    /// there is none on this node.
    pub role: String,
    /// Since when it must be that: seconds since 1970-01-01 UTC.
    pub since: i64,
    /// What the database's process does: `running`, `silent`, `dead`.
    pub process: String,
    /// It takes writes.
    pub writable: bool,
    /// How many commits it has.
    pub position: u64,
    /// Of the primary: how many commits its replica has stored; 0: it has none.
    pub replica_stored: u64,
    /// Of a replica: how many seconds it is behind with applying; none: it does not follow at this moment.
    pub behind_s: Option<u32>,
    /// It has commits that the primary lacks.
    pub diverged: bool,
    /// Why the database is not what it must be, in its own words where it has any; empty: it is, or it is on its way.
    pub why: String,
    /// What the keeper cannot decide, and what an operator has to do; empty: nothing.
    pub doubt: String,
    /// How much of the disk under the database is used, in per cent; 0: not known.
    pub disk_percent: u8,
    /// Seconds without a sign of the primary after which the other takes over; 0: there is no database on this node.
    pub takeover_s: u64,
    /// The shared addresses that this keeper knows; that of the database is called [`DATABASE`].
    pub addresses: Vec<AddressStatus>,
}

/// A shared address, as one node's keeper sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AddressStatus {
    /// What operators call it.
    pub name: String,
    /// The address.
    pub ip: String,
    /// Who moves it: `agent` (the keeper), `keepalived`, `none` (something else).
    pub driver: String,
    /// It belongs here. Where `driver` is `none`, whatever moves it goes by this.
    pub here: bool,
    /// It is on this node's interface.
    pub up: bool,
    /// Since when `here` and `up` say so: seconds since 1970-01-01 UTC.
    pub since: i64,
    /// What is served at it works on this node.
    pub works: bool,
    /// Since when `works` says so: milliseconds since 1970-01-01 UTC.
    pub works_since_ms: i64,
    /// Why it does not work, or cannot be moved; empty if it does.
    pub why: String,
    /// The link address of somebody else who answers for it while it is here; empty: nobody does.
    pub other: String,
    /// Seconds without a sign of its holder after which another takes over; 0: it goes where the database is.
    pub takeover_s: u64,
}

/// A control plane's word about its node. Fields that a reader does not know are passed over, those that are missing are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ControlStatus {
    /// Its node.
    pub node: u16,
    /// Which version of the program it is; empty: it is from before that was told.
    pub version: String,
    /// The availability group: nodes of one may fail together. Empty: none.
    pub group: String,
    /// What it does for the whole switch: `web`, `worker`; `controller`: its own node's work in any case. Empty: it is from before that was
    /// told, and does all.
    pub roles: Vec<String>,
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
    /// How its machine does.
    pub machine: MachineStatus,
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
