//! `tandem cluster …`: asked of etcd, by the keeper's settings file.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::agent::write_secret;
use crate::panel::{self, PanelSettings};
use crate::settings::{AddressSettings, DatabaseSettings, Driver, EtcdSettings, Pair, Settings, SharedAddress};
use crate::twins::disk;
use crate::twins::swap::SWAP_MAX;
use live::order;

mod drain;
mod keepalived;
mod remote;
mod report;
mod twins;

use report::{at, report};

/// How long an operator waits for an answer of etcd.
const PATIENCE: Duration = Duration::from_secs(5);
/// Exit code: refused, or in conflict with what stands.
const EXIT_REFUSED: u8 = 5;

/// Who holds what in the cluster, and orders to its keepers.
#[derive(Debug, Parser)]
#[command(name = "tandem-cluster", version, arg_required_else_help = true)]
pub struct Cluster {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Writes the first node's settings file, with passwords drawn by chance.
    Init(Box<Init>),
    /// Writes the second node's settings file from the first one's, or that of a replica in another data centre.
    Join(Join),
    /// Who holds the database and each shared address, since when, how far the replica is, which nodes are there.
    Status {
        #[command(flatten)]
        place: Place,
        /// For people or for programs.
        #[arg(short = 'o', long = "output", value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Makes a node's database primary. Writes stop for less than a second, and nothing is lost. With `--remote`: the replica in another
    /// data centre, which may lack acknowledged commits.
    Promote {
        /// The node.
        #[arg(required_unless_present = "remote", value_parser = clap::value_parser!(u16).range(1..))]
        node: Option<u16>,
        #[command(flatten)]
        oath: remote::Oath,
        #[command(flatten)]
        place: Place,
    },
    /// Of two servers without a third: swears that the other one is off, and was since both were last heard together. This one goes on
    /// alone. If the other lives, both may take writes.
    Alone {
        #[command(flatten)]
        place: Place,
        /// Yes, it is off: somebody looked.
        #[arg(long, required = true)]
        other_is_off: bool,
    },
    /// Makes a node's database primary although it may lack acknowledged commits: for the day on which whoever has them will not come back.
    /// Refused while somebody is primary.
    Seize {
        /// The node. Of two servers without a third: this one.
        #[arg(value_parser = clap::value_parser!(u16).range(1..))]
        node: u16,
        #[command(flatten)]
        place: Place,
        /// Yes, what only the lost database has may be lost.
        #[arg(long, required = true)]
        accept_loss: bool,
    },
    /// Lets a node finish its calls and take no more.
    Drain {
        /// The node.
        #[arg(value_parser = clap::value_parser!(u16).range(1..))]
        node: u16,
        /// Lets it take calls again.
        #[arg(long)]
        off: bool,
        /// Waits until no call runs on it, and says how many are left.
        #[arg(long, conflicts_with = "off")]
        wait: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Writes keepalived's settings for the shared addresses that it is to move on this node.
    Keepalived {
        /// The file to write; keepalived.conf has to include it.
        #[arg(long, value_name = "FILE", default_value = "/etc/keepalived/tandem.conf")]
        to: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Forgets a node that is down and will not come back.
    Remove {
        /// The node.
        #[arg(value_parser = clap::value_parser!(u16).range(1..))]
        node: u16,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
struct Place {
    /// The settings file of this node's keeper.
    #[arg(long, value_name = "FILE", env = "TANDEM_KEEPER", default_value = "/etc/tandem/keeper.yaml")]
    settings: PathBuf,
}

impl Place {
    fn settings(&self) -> Result<Settings> {
        Settings::read(&self.settings)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Columns.
    Table,
    /// One JSON value.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Judge {
    /// A majority of etcd's members.
    Etcd,
    /// Exactly two servers without a third.
    Pair,
}

#[derive(Debug, Args)]
struct Init {
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "/etc/tandem/keeper.yaml")]
    settings: PathBuf,
    /// Who decides: etcd, with members on three hosts or more, or the two servers themselves.
    #[arg(long, value_enum, default_value_t = Judge::Etcd)]
    arbiter: Judge,
    /// A member of etcd, such as https://10.0.0.1:2379; once each.
    #[arg(long, value_name = "URL", required_if_eq("arbiter", "etcd"))]
    etcd: Vec<String>,
    #[command(flatten)]
    pair: twins::Twins,
    /// A node and the address of its database, such as 1=10.0.0.1; twice, this node and home first. None: this node has no database.
    #[arg(long, value_name = "NODE=IP", required_unless_present = "shared")]
    database: Vec<String>,
    /// This node's number, where it has no database.
    #[arg(long, value_name = "N", required_unless_present = "database", value_parser = clap::value_parser!(u16).range(1..))]
    node: Option<u16>,
    /// A shared address without a database behind it and the nodes that may have it, the best place first, such as
    /// sip=10.0.0.100/24@eth0:1,2; once each.
    #[arg(long, value_name = "NAME=IP/BITS@INTERFACE:NODES")]
    shared: Vec<String>,
    /// The database's own folder.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/tandem-keeper/database")]
    data: PathBuf,
    /// The database's shared address, such as 10.0.0.100/24@eth0; none if not given.
    #[arg(long, value_name = "IP/BITS@INTERFACE")]
    address: Option<String>,
    /// The system's user that the database runs as.
    #[arg(long, value_name = "USER", default_value = "mysql")]
    system_user: String,
    /// With --arbiter pair: the system's user that this node's control plane runs as. It may ask the keeper, for the pages.
    #[arg(long, value_name = "USER", default_value = "tandem")]
    panel_user: String,
    /// Seconds without a sign of the primary after which the other takes over.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    takeover: u64,
}

#[derive(Debug, Args)]
struct Join {
    /// The first node's settings file, copied here.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "/etc/tandem/keeper.yaml")]
    settings: PathBuf,
    /// This node's number; the other one of the pair of databases if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    node: Option<u16>,
    /// This node has a replica in another data centre, outside of the pair: its number and the address of its database, such as 3=10.9.0.3. From
    /// the file of such a replica that was promoted: this one follows it.
    #[arg(long, value_name = "NODE=IP", conflicts_with = "node")]
    remote: Option<String>,
}

/// Does what the command line says.
pub fn run(cluster: Cluster) -> Result<ExitCode> {
    match cluster.verb {
        Verb::Init(arguments) => init(&arguments),
        Verb::Join(arguments) => join(&arguments),
        Verb::Status { place, output } => {
            let (settings, as_json) = (place.settings()?, output == Output::Json);
            match (&settings.remote, &settings.twins) {
                (Some(remote), _) => remote::show(remote, as_json),
                (None, Some(pair)) => twins::show(pair, as_json),
                (None, None) => report::show(&settings, as_json),
            }
        }
        Verb::Promote { node, oath, place } => {
            let settings = place.settings()?;
            match node {
                None => remote::promote(&settings, oath),
                Some(node) if settings.twins.is_some() => twins::promote(&settings, node),
                Some(node) => promote(&settings, node),
            }
        }
        Verb::Alone { place, other_is_off: _ } => twins::alone(&place.settings()?),
        Verb::Seize { node, place, accept_loss: _ } => {
            let settings = place.settings()?;
            if settings.twins.is_some() { twins::seize(&settings, node) } else { seize(&settings, node) }
        }
        Verb::Drain { node, off, wait, place } => drain::drain(&*place.settings()?.etcd(PATIENCE)?, node, !off, wait),
        Verb::Keepalived { to, place } => {
            let (path, settings) = (std::path::absolute(&place.settings)?, place.settings()?);
            let text = keepalived::text(&settings, &std::env::current_exe()?, &path)?;
            std::fs::write(&to, text).with_context(|| format!("cannot write {}", to.display()))?;
            say!("{} is written; keepalived.conf needs the line: include {}", to.display(), to.display());
            Ok(ExitCode::SUCCESS)
        }
        Verb::Remove { node, place } => remove(&place.settings()?, node),
    }
}

fn init(arguments: &Init) -> Result<ExitCode> {
    let mut nodes = BTreeMap::new();
    let mut first = None;
    for pair in &arguments.database {
        let (node, ip) = pair.split_once('=').with_context(|| format!("{pair} is not NODE=IP"))?;
        let node: u16 = node.parse().with_context(|| format!("{node} is no node's number"))?;
        let twice = nodes.insert(node, ip.parse::<IpAddr>().with_context(|| format!("{ip} is no address"))?);
        ensure!(twice.is_none(), "--database names node {node} twice");
        first.get_or_insert(node);
    }
    let node = arguments.node.or(first).context("which node?")?;
    let usual = DatabaseSettings::of(first.unwrap_or(node));
    let database = match nodes.is_empty() {
        true => None,
        false => Some(DatabaseSettings {
            nodes,
            data: arguments.data.clone(),
            system_user: Some(arguments.system_user.clone()),
            password: secret(),
            user_password: secret(),
            address: arguments.address.as_deref().map(on_interface).transpose()?,
            takeover_s: arguments.takeover,
            // Half of a short take-over: a replica that is slow is struck before the primary's time is over.
            alone_ms: usual.alone_ms.min(arguments.takeover * 500),
            ..usual
        }),
    };
    let addresses = arguments.shared.iter().map(|text| shared(text, arguments.takeover)).collect::<Result<Vec<_>>>()?;
    let twins = match arguments.arbiter {
        Judge::Etcd => None,
        Judge::Pair => Some(arguments.pair.settings(secret())?),
    };
    let etcd = EtcdSettings { members: arguments.etcd.clone(), ..EtcdSettings::default() };
    let panel =
        twins.is_some().then(|| PanelSettings { socket: panel::socket(), user: Some(arguments.panel_user.clone()) });
    let settings = Settings { node, metrics: None, panel, etcd, twins, remote: None, database, addresses };
    settings.check()?;
    if let Some(twins) = &settings.twins {
        disk::found(&twins.folder, node)?;
    }
    write(&settings, &arguments.settings)
}

fn join(arguments: &Join) -> Result<ExitCode> {
    let mut settings = Settings::read(&arguments.from)?;
    if let Some(remote) = &arguments.remote {
        return write(&remote::settings(settings, remote)?, &arguments.settings);
    }
    let other = pair_of(&settings).ok().map(|pair| pair.other().0);
    let node = arguments.node.or(other).context("which node is this? --node says so")?;
    ensure!(node != settings.node, "node {node} is the one whose file this is: each node has a number of its own");
    settings.node = node;
    write(&settings, &arguments.settings)
}

fn write(settings: &Settings, path: &Path) -> Result<ExitCode> {
    ensure!(!path.exists(), "{} is there already", path.display());
    settings.check()?;
    // JSON is YAML too.
    let text = serde_json::to_string_pretty(settings)?;
    write_secret(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    say!("{} is written; next: tandem keeper --settings {}", path.display(), path.display());
    Ok(ExitCode::SUCCESS)
}

fn secret() -> String {
    (0..4).map(|_| format!("{:016x}", rand::random::<u64>())).collect()
}

/// `sip=10.0.0.100/24@eth0:1,2`.
fn shared(text: &str, takeover_s: u64) -> Result<SharedAddress> {
    let parts = text.split_once('=').and_then(|(name, rest)| Some((name, rest.rsplit_once(':')?)));
    let Some((name, (place, nodes))) = parts else { bail!("{text} is not NAME=IP/BITS@INTERFACE:NODES") };
    let place = on_interface(place)?;
    let nodes = nodes.split(',').map(|node| node.parse::<u16>().with_context(|| format!("{node} is no node's number")));
    Ok(SharedAddress { takeover_s, ..SharedAddress::new(name, place, nodes.collect::<Result<_>>()?) })
}

/// `10.0.0.100/24@eth0`.
fn on_interface(text: &str) -> Result<AddressSettings> {
    let parts = text.split_once('@').and_then(|(net, interface)| Some((net.split_once('/')?, interface)));
    let Some(((ip, prefix), interface)) = parts else { bail!("{text} is not IP/BITS@INTERFACE") };
    Ok(AddressSettings {
        ip: ip.parse().with_context(|| format!("{ip} is no address"))?,
        prefix: prefix.parse().with_context(|| format!("{prefix} is no number of bits"))?,
        interface: interface.to_owned(),
        driver: Driver::Agent,
    })
}

fn promote(settings: &Settings, node: u16) -> Result<ExitCode> {
    let pair = pair_of(settings)?;
    ensure!(pair.database.nodes.contains_key(&node), "node {node} has no database of the pair");
    let etcd = settings.etcd(PATIENCE)?;
    let before = report(&etcd)?;
    if before.database.throne.holder == Some(node) && before.database.held {
        say!("node {node} is primary already");
        return Ok(ExitCode::SUCCESS);
    }
    if before.database.throne.sync != Some(node) || !before.database.held {
        eprintln!("tandem: node {node} may lack acknowledged commits: it is not in sync with a living primary");
        return Ok(ExitCode::from(EXIT_REFUSED));
    }
    order::give(&etcd, node)?;
    let late = Instant::now() + SWAP_MAX;
    while Instant::now() < late {
        let throne = report(&etcd)?.database.throne;
        if throne.holder == Some(node) && throne.epoch > before.database.throne.epoch {
            say!("node {node} is primary, epoch {}", throne.epoch);
            return Ok(ExitCode::SUCCESS);
        }
        sleep(Duration::from_millis(50));
    }
    order::take_back(&etcd)?;
    bail!("node {node} did not become primary within {} s; the order is taken back", SWAP_MAX.as_secs())
}

fn seize(settings: &Settings, node: u16) -> Result<ExitCode> {
    let pair = pair_of(settings)?;
    ensure!(pair.database.nodes.contains_key(&node), "node {node} has no database of the pair");
    let etcd = settings.etcd(PATIENCE)?;
    let before = report(&etcd)?.database;
    if before.held {
        eprintln!("tandem: {}", primary_is_there(before.throne.holder));
        return Ok(ExitCode::from(EXIT_REFUSED));
    }
    order::insist(&etcd, node)?;
    let late = Instant::now() + SWAP_MAX;
    while Instant::now() < late {
        let now = report(&etcd)?.database;
        if now.held && now.throne.epoch > before.throne.epoch {
            order::relent(&etcd)?;
            say!("node {} is primary, epoch {}", now.throne.holder.unwrap_or_default(), now.throne.epoch);
            return Ok(ExitCode::SUCCESS);
        }
        sleep(Duration::from_millis(50));
    }
    order::relent(&etcd)?;
    bail!("node {node} did not become primary within {} s: does its keeper run, and its database?", SWAP_MAX.as_secs())
}

fn pair_of(settings: &Settings) -> Result<Pair> {
    let pair = settings.pair().filter(|pair| pair.remote.is_none());
    pair.context("this node's settings know no pair of databases that an arbiter decides about")
}

/// Why nobody may insist.
fn primary_is_there(holder: Option<u16>) -> String {
    let holder = holder.map_or_else(String::new, |node| format!(" {node}"));
    format!("node{holder} is primary: `promote` swaps without loss")
}

fn remove(settings: &Settings, node: u16) -> Result<ExitCode> {
    let etcd = settings.etcd(PATIENCE)?;
    let report = report(&etcd)?;
    let there =
        report.nodes.iter().any(|known| known.number == node) || report.keepers.iter().any(|known| known.node == node);
    let there = there || report.controls.iter().any(|known| known.node == node);
    if there || report.database.throne.holder == Some(node) {
        eprintln!("tandem: node {node} is there or holds the database: drain it, promote the other, stop it first");
        return Ok(ExitCode::from(EXIT_REFUSED));
    }
    if report.drained.contains(&node) {
        live::set_drain(&etcd, node, false)?;
        say!("node {node} is forgotten");
    } else {
        say!("nothing is known of node {node}");
    }
    Ok(ExitCode::SUCCESS)
}
