//! `tandem cluster …`: asked of etcd, by the keeper's settings file.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use live::{DRAINS, Etcd, NODES, Node};
use serde::Serialize;

use crate::agent::write_secret;
use crate::arbiter::{Arbiter, Written};
use crate::order;
use crate::run::SERVICE;
use crate::settings::{AddressSettings, DatabaseSettings, Driver, EtcdSettings, Settings};
use crate::status::{KEEPERS, Status};

/// How long a planned change may take before it is given up.
const SWAP_MAX: Duration = Duration::from_secs(20);
/// How long an operator waits for an answer of etcd.
const PATIENCE: Duration = Duration::from_secs(5);
/// Exit code: refused, or in conflict with what stands.
const EXIT_REFUSED: u8 = 5;

/// Who holds what in the cluster, and orders to its keepers.
#[derive(Debug, Parser)]
#[command(name = "tandem cluster", version, arg_required_else_help = true)]
pub struct Cluster {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Writes the first node's settings file, with passwords drawn by chance.
    Init(Init),
    /// Writes the second node's settings file from the first one's.
    Join(Join),
    /// Who holds the database, since when, how far its replica is, which nodes are there.
    Status {
        #[command(flatten)]
        place: Place,
        /// For people or for programs.
        #[arg(short = 'o', long = "output", value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Makes a node's database primary. Writes stop for less than a second, and nothing is lost.
    Promote {
        /// The node.
        node: u16,
        #[command(flatten)]
        place: Place,
    },
    /// Lets a node finish its calls and take no more.
    Drain {
        /// The node.
        node: u16,
        /// Lets it take calls again.
        #[arg(long)]
        off: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Forgets a node that is down and will not come back.
    Remove {
        /// The node.
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

#[derive(Debug, Args)]
struct Init {
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "/etc/tandem/keeper.yaml")]
    settings: PathBuf,
    /// A member of etcd, such as https://10.0.0.1:2379; once each.
    #[arg(long, value_name = "URL", required = true)]
    etcd: Vec<String>,
    /// A node and the address of its database, such as 1=10.0.0.1; twice, this node and home first.
    #[arg(long, value_name = "NODE=IP", required = true)]
    database: Vec<String>,
    /// The database's own folder.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/tandem/database")]
    data: PathBuf,
    /// The shared address, such as 10.0.0.100/24@eth0; none if not given.
    #[arg(long, value_name = "IP/BITS@INTERFACE")]
    address: Option<String>,
    /// The system's user that the database runs as.
    #[arg(long, value_name = "USER", default_value = "mysql")]
    system_user: String,
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
    /// This node's number; the other one of the pair if not given.
    #[arg(long, value_name = "N")]
    node: Option<u16>,
}

/// Does what the command line says.
pub fn run(cluster: Cluster) -> Result<ExitCode> {
    match cluster.verb {
        Verb::Init(arguments) => init(&arguments),
        Verb::Join(arguments) => join(&arguments),
        Verb::Status { place, output } => status(&place.settings()?, output),
        Verb::Promote { node, place } => promote(&place.settings()?, node),
        Verb::Drain { node, off, place } => {
            live::set_drain(&*place.settings()?.etcd(PATIENCE)?, node, !off)?;
            println!("node {node} {}", if off { "takes calls" } else { "takes no more calls" });
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
        nodes.insert(node, ip.parse::<IpAddr>().with_context(|| format!("{ip} is no address"))?);
        first.get_or_insert(node);
    }
    let node = first.context("which nodes?")?;
    let settings = Settings {
        node,
        etcd: EtcdSettings { members: arguments.etcd.clone(), ..EtcdSettings::default() },
        database: DatabaseSettings {
            nodes,
            data: arguments.data.clone(),
            system_user: Some(arguments.system_user.clone()),
            password: secret(),
            user_password: secret(),
            address: arguments.address.as_deref().map(shared).transpose()?,
            takeover_s: arguments.takeover,
            ..DatabaseSettings::of(node)
        },
    };
    write(&settings, &arguments.settings)
}

fn join(arguments: &Join) -> Result<ExitCode> {
    let mut settings = Settings::read(&arguments.from)?;
    settings.node = arguments.node.unwrap_or_else(|| settings.other().0);
    write(&settings, &arguments.settings)
}

fn write(settings: &Settings, path: &Path) -> Result<ExitCode> {
    ensure!(!path.exists(), "{} is there already", path.display());
    settings.check()?;
    // JSON is YAML too.
    let text = serde_json::to_string_pretty(settings)?;
    write_secret(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{} is written; next: tandem keeper --settings {}", path.display(), path.display());
    Ok(ExitCode::SUCCESS)
}

fn secret() -> String {
    (0..4).map(|_| format!("{:016x}", rand::random::<u64>())).collect()
}

/// `10.0.0.100/24@eth0`.
fn shared(text: &str) -> Result<AddressSettings> {
    let parts = text.split_once('@').and_then(|(net, interface)| Some((net.split_once('/')?, interface)));
    let Some(((ip, prefix), interface)) = parts else { bail!("{text} is not IP/BITS@INTERFACE") };
    Ok(AddressSettings {
        ip: ip.parse().with_context(|| format!("{ip} is no address"))?,
        prefix: prefix.parse().with_context(|| format!("{prefix} is no number of bits"))?,
        interface: interface.to_owned(),
        driver: Driver::Agent,
    })
}

/// Everything that `status` shows.
#[derive(Debug, Serialize)]
struct Report {
    /// Who holds the database.
    book: Written,
    /// The holder's lease lives.
    held: bool,
    /// The keepers that are there.
    keepers: Vec<Status>,
    /// The nodes that are there.
    nodes: Vec<Node>,
    /// The nodes that are drained.
    drained: Vec<u16>,
}

fn report(etcd: &std::sync::Arc<Etcd>) -> Result<Report> {
    let read = Arbiter::new(etcd.clone(), SERVICE, 0).read()?;
    let drained = etcd.list(DRAINS)?.entries;
    let drained = drained.iter().filter_map(|entry| entry.key.strip_prefix(DRAINS)?.parse().ok()).collect();
    Ok(Report {
        book: read.written,
        held: read.book.held,
        keepers: told(etcd, KEEPERS)?,
        nodes: told(etcd, NODES)?,
        drained,
    })
}

/// What stands below a prefix; what cannot be read is another version's and passed over.
fn told<T: serde::de::DeserializeOwned>(etcd: &Etcd, prefix: &str) -> Result<Vec<T>> {
    Ok(etcd.list(prefix)?.entries.iter().filter_map(|entry| serde_json::from_slice(&entry.value).ok()).collect())
}

fn status(settings: &Settings, output: Output) -> Result<ExitCode> {
    let report = report(&settings.etcd(PATIENCE)?)?;
    if output == Output::Json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(ExitCode::SUCCESS);
    }
    let node = |node: Option<u16>| node.map_or_else(|| "nobody".to_owned(), |node| format!("node {node}"));
    let since = jiff::Timestamp::from_second(report.book.since).map_or_else(|_| String::new(), |at| at.to_string());
    let held = if report.held { "" } else { ", whose time is over: nobody takes writes" };
    println!("database  held by {} since {since}, epoch {}{held}", node(report.book.holder), report.book.epoch);
    println!("          {} has every acknowledged commit as well", node(report.book.sync));
    for keeper in &report.keepers {
        let lag = (keeper.replica_stored > 0).then(|| keeper.position.saturating_sub(keeper.replica_stored));
        println!(
            "  node {:<5} {:<8} process {:<8} {} commits{}{}{}",
            keeper.node,
            keeper.role,
            keeper.process,
            keeper.position,
            lag.map_or_else(String::new, |lag| format!(", {lag} of them not at the replica yet")),
            if keeper.diverged { ", has commits that the primary lacks" } else { "" },
            if keeper.address { ", has the shared address" } else { "" },
        );
    }
    for node in &report.nodes {
        let drained = if report.drained.contains(&node.number) { ", drained" } else { "" };
        println!("node {:<5}  {}  {} calls{drained}", node.number, node.roles.join(","), node.calls);
    }
    Ok(ExitCode::SUCCESS)
}

fn promote(settings: &Settings, node: u16) -> Result<ExitCode> {
    ensure!(settings.database.nodes.contains_key(&node), "node {node} has no database of the pair");
    let etcd = settings.etcd(PATIENCE)?;
    let before = report(&etcd)?;
    if before.book.holder == Some(node) && before.held {
        println!("node {node} is primary already");
        return Ok(ExitCode::SUCCESS);
    }
    if before.book.sync != Some(node) || !before.held {
        eprintln!("tandem: node {node} may lack acknowledged commits: it is not in sync with a living primary");
        return Ok(ExitCode::from(EXIT_REFUSED));
    }
    order::give(&etcd, node)?;
    let late = Instant::now() + SWAP_MAX;
    while Instant::now() < late {
        let book = report(&etcd)?.book;
        if book.holder == Some(node) && book.epoch > before.book.epoch {
            println!("node {node} is primary, epoch {}", book.epoch);
            return Ok(ExitCode::SUCCESS);
        }
        sleep(Duration::from_millis(50));
    }
    order::take_back(&etcd)?;
    bail!("node {node} did not become primary within {} s; the order is taken back", SWAP_MAX.as_secs())
}

fn remove(settings: &Settings, node: u16) -> Result<ExitCode> {
    let etcd = settings.etcd(PATIENCE)?;
    let report = report(&etcd)?;
    let there =
        report.nodes.iter().any(|known| known.number == node) || report.keepers.iter().any(|known| known.node == node);
    if there || report.book.holder == Some(node) {
        eprintln!("tandem: node {node} is there or holds the database: drain it, promote the other, stop it first");
        return Ok(ExitCode::from(EXIT_REFUSED));
    }
    live::set_drain(&etcd, node, false)?;
    println!("node {node} is forgotten");
    Ok(ExitCode::SUCCESS)
}
