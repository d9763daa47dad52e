//! The keeper's settings file (YAML). It holds passwords: nobody but its owner may read it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use live::{Etcd, Members};
use serde::{Deserialize, Serialize};
use units::NodeId;

mod shared;

pub use shared::SharedAddress;

use crate::metrics::is_private;
use crate::panel::PanelSettings;
use crate::twins::settings::TwinsSettings;

/// The usual time without a sign of a holder after which another takes over.
const TAKEOVER_S: u64 = 10;
/// So long at most a remote replica waits before it follows the replica in the primary's place.
const REMOTE_HOLD_MS: u64 = 5_000;

/// Everything that an operator sets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// This node's number in the cluster, 1 to 65,535.
    pub node: u16,
    /// Where `GET /metrics` is answered, such as `10.0.0.1:9810`: loopback, or an address that only the operator's networks reach. Nowhere
    /// if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<SocketAddr>,
    /// Of two servers without a third: where this node's control plane asks what this keeper knows. Nowhere if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panel: Option<PanelSettings>,
    /// Where etcd is: the arbiter, unless `pair` is set, and what shared addresses need unless keepalived moves them.
    #[serde(default)]
    pub etcd: EtcdSettings,
    /// The arbiter of exactly two servers, in the place of etcd.
    #[serde(default, rename = "pair", skip_serializing_if = "Option::is_none")]
    pub twins: Option<TwinsSettings>,
    /// This node has a replica in another data centre: `database.nodes` are those that it may follow, and its own is none of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteSettings>,
    /// The pair of databases, if this node has one of the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseSettings>,
    /// Shared addresses without a database behind them: of SIP balancers, of the pages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<SharedAddress>,
}

/// One of a pair of databases.
#[derive(Clone, Debug)]
pub struct Pair {
    /// This node.
    pub node: u16,
    /// What is set of both.
    pub database: DatabaseSettings,
    /// Of a replica in another data centre: its own address.
    pub remote: Option<IpAddr>,
}

/// A replica in another data centre, outside of the pair: it follows and acknowledges nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteSettings {
    /// The address of its database.
    pub ip: IpAddr,
    /// Where it leaves what it knows for `tandem cluster`, and finds an operator's command.
    #[serde(default = "remote_folder")]
    pub folder: PathBuf,
}

/// etcd's members and how to log in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EtcdSettings {
    /// Base addresses, such as `https://10.0.0.1:2379`; three or five on different hosts.
    pub members: Vec<String>,
    /// The user, where etcd asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The user's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Who signed the members' certificates (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Our certificate (PEM), where members ask for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// Its key (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

/// A pair of databases, one of them primary.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// The node where the primary is while all is well.
    pub home: u16,
    /// The two nodes and the addresses of their databases.
    pub nodes: BTreeMap<u16, IpAddr>,
    /// The databases' port.
    #[serde(default = "port")]
    pub port: u16,
    /// The port at which a keeper hands the other a copy of its database.
    #[serde(default = "copy_port")]
    pub copy_port: u16,
    /// The database's own folder, made if it is missing. Nobody else may start a server on it.
    pub data: PathBuf,
    /// The system's user that the server runs as; the keeper's own if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_user: Option<String>,
    /// More of mariadbd's arguments, such as `--innodb-buffer-pool-size=4G`.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// The keepers' and replicas' password; the same on both nodes.
    pub password: String,
    /// The switch's database.
    #[serde(default = "name")]
    pub name: String,
    /// The password of the switch's user `tandem`.
    pub user_password: String,
    /// The shared address that is where the primary is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<AddressSettings>,
    /// Seconds without a sign of the primary after which the other takes over, 3 to 600.
    #[serde(default = "takeover_s")]
    pub takeover_s: u64,
    /// Seconds that the home node must be in sync before the primary goes back to it.
    #[serde(default = "hold_down_s")]
    pub hold_down_s: u64,
    /// Milliseconds without an acknowledgement after which the primary goes on without its replica; less than four fifths of the take-over.
    /// Without one whose process is dead it goes on at once.
    #[serde(default = "alone_ms")]
    pub alone_ms: u64,
    /// Milliseconds that writes stop at most for handing over.
    #[serde(default = "freeze_ms")]
    pub freeze_ms: u64,
    /// Seconds that the primary's process may live without an answer before it is killed and the other takes over. Overload looks like
    /// death: too short, and a busy hour moves the database.
    #[serde(default = "silent_s")]
    pub silent_s: u64,
}

impl DatabaseSettings {
    /// Whether this is the address of one of its nodes, or the shared one.
    fn has(&self, ip: IpAddr) -> bool {
        self.nodes.values().any(|own| *own == ip) || self.address.as_ref().is_some_and(|shared| shared.ip == ip)
    }

    /// The usual values, without nodes and passwords.
    pub fn of(home: u16) -> DatabaseSettings {
        DatabaseSettings {
            home,
            nodes: BTreeMap::new(),
            port: port(),
            copy_port: copy_port(),
            data: PathBuf::new(),
            system_user: None,
            arguments: Vec::new(),
            password: String::new(),
            name: name(),
            user_password: String::new(),
            address: None,
            takeover_s: takeover_s(),
            hold_down_s: hold_down_s(),
            alone_ms: alone_ms(),
            freeze_ms: freeze_ms(),
            silent_s: silent_s(),
        }
    }
}

/// A shared address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressSettings {
    /// The address.
    pub ip: IpAddr,
    /// Bits of its network.
    pub prefix: u8,
    /// The interface that gets it.
    pub interface: String,
    /// Who puts it there.
    #[serde(default)]
    pub driver: Driver,
}

/// Who moves a shared address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// This program, by netlink.
    #[default]
    Agent,
    /// keepalived, by VRRP: `tandem cluster keepalived` writes its settings. Not for a database's address.
    Keepalived,
    /// Something else, which looks at `tandem cluster status`: a cloud's load balancer, a script.
    None,
}

impl Driver {
    /// As it stands in the settings file.
    pub fn word(self) -> &'static str {
        match self {
            Driver::Agent => "agent",
            Driver::Keepalived => "keepalived",
            Driver::None => "none",
        }
    }
}

const fn port() -> u16 {
    3_306
}
const fn copy_port() -> u16 {
    4_444
}
/// Where a remote replica leaves what it knows, where nothing else is said.
pub fn remote_folder() -> PathBuf {
    PathBuf::from("/var/lib/tandem-keeper/remote")
}
fn name() -> String {
    "tandem".to_owned()
}
const fn takeover_s() -> u64 {
    TAKEOVER_S
}
const fn hold_down_s() -> u64 {
    60
}
const fn alone_ms() -> u64 {
    5_000
}
const fn freeze_ms() -> u64 {
    1_000
}
const fn silent_s() -> u64 {
    60
}

impl Settings {
    /// Reads the file and checks what it says.
    pub fn read(path: &Path) -> Result<Settings> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let settings: Settings = serde_saphyr::from_str(&text).with_context(|| path.display().to_string())?;
        settings.check().with_context(|| path.display().to_string())?;
        Ok(settings)
    }

    /// Whether these settings can work.
    pub fn check(&self) -> Result<()> {
        ensure!(self.node > 0, "node is 1 to 65535");
        let public = self.metrics.is_some_and(|at| !is_private(at.ip()));
        ensure!(!public, "metrics: only a loopback or private address, for everybody may ask there");
        if let Some(pair) = self.pair() {
            pair.check()?;
        }
        ensure!(
            self.database.is_some() || !self.addresses.is_empty(),
            "neither database nor addresses: nothing to keep"
        );
        if self.remote.is_some() {
            ensure!(self.database.is_some(), "remote follows a database, and there is none in these settings");
            ensure!(self.twins.is_none(), "remote decides nothing: `pair` belongs to the two servers that do");
        }
        if let Some(twins) = &self.twins {
            let pair = self.pair().context("pair decides about a pair of databases, and there is no database")?;
            twins.check([pair.node, pair.other().0], pair.database.takeover_s)?;
        }
        let asks = self.twins.is_none() && self.remote.is_none();
        ensure!(self.twins.is_some() || self.panel.is_none(), "panel: with etcd the control plane asks etcd");
        ensure!(!asks || !self.etcd.members.is_empty(), "etcd.members names nobody");
        for shared in self.addresses.iter().filter(|shared| shared.driver != Driver::Keepalived) {
            let why = "two servers decide about their databases alone: driver: keepalived, or etcd.members";
            ensure!(!self.etcd.members.is_empty(), "addresses, {}: {why}", shared.name);
        }
        let is_url = |member: &&String| ["http://", "https://"].iter().any(|begin| member.starts_with(begin));
        if let Some(member) = self.etcd.members.iter().find(|member| !is_url(member)) {
            bail!("etcd.members: {member} is no address such as https://10.0.0.1:2379");
        }
        for (number, shared) in self.addresses.iter().enumerate() {
            shared.check(self.node).with_context(|| format!("addresses, {}", shared.name))?;
            let of_database = self.database.as_ref().is_some_and(|database| database.has(shared.ip));
            ensure!(!of_database, "addresses, {}: {} is a database's address", shared.name, shared.ip);
            let twice = self.addresses[..number].iter().any(|other| other.name == shared.name || other.ip == shared.ip);
            ensure!(!twice, "addresses, {}: the name or the address is there twice", shared.name);
        }
        Ok(())
    }

    /// This node's part of the pair of databases, if it has one.
    pub fn pair(&self) -> Option<Pair> {
        let remote = self.remote.as_ref().map(|remote| remote.ip);
        Some(Pair { node: self.node, database: self.database.clone()?, remote })
    }

    /// How long a keeper waits for one answer of etcd: it asks often, and may find a member gone.
    pub fn patience(&self) -> Duration {
        let times = self.addresses.iter().map(|shared| shared.takeover_s);
        let shortest = times.chain(self.database.as_ref().map(|database| database.takeover_s)).min();
        Duration::from_millis(shortest.unwrap_or(TAKEOVER_S) * 200).min(Duration::from_secs(1))
    }

    /// A way to etcd, if there is one.
    pub fn etcd_if_any(&self) -> Result<Option<Arc<Etcd>>> {
        let asked = !self.etcd.members.is_empty();
        asked.then(|| self.etcd(self.patience())).transpose()
    }

    /// A way to etcd.
    pub fn etcd(&self, patience: Duration) -> Result<Arc<Etcd>> {
        let etcd = &self.etcd;
        let members = Members {
            urls: etcd.members.clone(),
            user: etcd.user.clone().zip(etcd.password.clone()),
            ca: etcd.ca.clone(),
            certificate: etcd.certificate.clone().zip(etcd.key.clone()),
            patience,
        };
        Ok(Arc::new(Etcd::new(members)?))
    }
}

impl Pair {
    fn check(&self) -> Result<()> {
        let database = &self.database;
        if self.remote.is_some() {
            ensure!((1..=2).contains(&database.nodes.len()), "database.nodes names one or two nodes to follow");
            ensure!(!database.nodes.contains_key(&self.node), "database.nodes names this node: nobody follows itself");
            ensure!(database.address.is_none(), "database.address belongs to the pair: a remote replica has none");
        } else {
            ensure!(database.nodes.len() == 2, "database.nodes names {} nodes; a pair has two", database.nodes.len());
            ensure!(database.nodes.contains_key(&self.node), "database.nodes lacks this node, {}", self.node);
            ensure!(database.nodes.contains_key(&database.home), "database.home is none of database.nodes");
        }
        let ips: BTreeSet<IpAddr> = database.nodes.values().copied().collect();
        ensure!(ips.len() == database.nodes.len(), "database.nodes gives two nodes one address");
        if let Some(shared) = &database.address {
            ensure!(
                !ips.contains(&shared.ip),
                "database.address is a node's own: it would come and go with the primary"
            );
            check_prefix(shared.ip, shared.prefix).context("database.address")?;
        }
        check_takeover(database.takeover_s).context("database.takeover_s")?;
        let reign_ms = database.takeover_s * 800;
        ensure!(
            database.alone_ms < reign_ms,
            "database.alone_ms must be less than {reign_ms}, four fifths of the take-over"
        );
        ensure!((3..=3_600).contains(&database.silent_s), "database.silent_s must be 3 to 3600");
        let plain =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.+".contains(c));
        ensure!(
            plain(&database.password) && plain(&database.user_password),
            "passwords consist of letters, digits and _-.+"
        );
        ensure!(plain(&database.name), "database.name consists of letters, digits and _-.+");
        let by_vrrp = database.address.as_ref().is_some_and(|address| address.driver == Driver::Keepalived);
        ensure!(!by_vrrp, "database.address.driver: keepalived does not know where the primary is");
        Ok(())
    }

    /// What the pure core needs.
    pub fn core(&self) -> cluster::Settings {
        let database = &self.database;
        cluster::Settings {
            me: NodeId(self.node),
            other: self.other(),
            home: NodeId(database.home),
            takeover_ms: database.takeover_s * 1_000,
            hold_down_ms: database.hold_down_s * 1_000,
            alone_ms: database.alone_ms,
            freeze_ms: database.freeze_ms,
            silent_ms: database.silent_s * 1_000,
        }
    }

    /// What the pure core of an arbiter of two servers needs.
    pub fn twins(&self, fence: bool) -> cluster::PairSettings {
        let takeover_ms = self.database.takeover_s * 1_000;
        cluster::PairSettings { me: NodeId(self.node), other: self.other(), takeover_ms, fence }
    }

    /// The address of this node's database.
    pub fn ip(&self) -> IpAddr {
        self.remote.unwrap_or_else(|| self.database.nodes[&self.node])
    }

    /// Where the database listens: at this node's own address, at the shared one, which may be elsewhere, and at home. Other addresses of the
    /// host are none of its business.
    pub fn listens(&self) -> String {
        let shared = self.database.address.as_ref().map(|address| address.ip);
        let mut all = vec![self.ip()];
        for address in shared.into_iter().chain([IpAddr::from([127, 0, 0, 1])]) {
            if !all.contains(&address) {
                all.push(address);
            }
        }
        all.iter().map(ToString::to_string).collect::<Vec<String>>().join(",")
    }

    /// What the pure core of a replica in another data centre needs.
    pub fn of_remote(&self) -> cluster::RemoteSettings {
        // To change whom it follows costs nothing, and while it follows the primary it may get what no successor has.
        let hold_down_ms = (self.database.hold_down_s * 1_000).min(REMOTE_HOLD_MS);
        cluster::RemoteSettings { hold_down_ms, lost_ms: self.database.takeover_s * 1_000 }
    }

    /// The node of the other database.
    pub fn other(&self) -> NodeId {
        let other = self.database.nodes.keys().find(|node| **node != self.node);
        NodeId(*other.expect("a pair was checked to have two nodes"))
    }
}

fn check_prefix(ip: IpAddr, prefix: u8) -> Result<()> {
    let bits = if ip.is_ipv6() { 128 } else { 32 };
    ensure!((1..=bits).contains(&prefix), "prefix is 1 to {bits}");
    Ok(())
}

fn check_takeover(seconds: u64) -> Result<()> {
    ensure!((3..=600).contains(&seconds), "a take-over takes 3 to 600 seconds");
    Ok(())
}
