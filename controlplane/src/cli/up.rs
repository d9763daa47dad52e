//! `tandem up`: the node in the foreground.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use live::EtcdArguments;
use tokio::signal::unix::{SignalKind, signal};

use super::host;
use crate::up::{Node, Options, Place};

/// Where SIP is heard if nobody says where.
const SIP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5_060);

#[derive(Debug, Args)]
pub struct Arguments {
    /// The data folder; made if it is missing.
    #[arg(long, value_name = "DIR", env = "TANDEM_DATA")]
    data: PathBuf,
    /// Where SIP peers reach us over UDP and TCP: 127.0.0.1:5060 if neither this nor a listener is given.
    #[arg(long, value_name = "ADDR:PORT")]
    sip: Option<SocketAddr>,
    /// A listener, up to 16: udp:ADDR:PORT, tcp:ADDR:PORT or tls:ADDR:PORT, IPv6 in brackets, then options after commas:
    /// name=NAME, advertise=IP, and for TLS cert=FILE,key=FILE,ca=FILE,verify=no,mutual=yes.
    #[arg(long, value_name = "TRANSPORT:ADDR:PORT,…")]
    listen: Vec<String>,
    /// Seconds after which a silent TCP or TLS connection of a known peer is closed, 10 to 86400; 600 if not given.
    #[arg(long, value_name = "SECONDS")]
    stream_idle: Option<u32>,
    /// Calls of one caller's number to one destination that may wait for their answer in a shard, of those of the last second; more are a
    /// loop and refused with 482. 250 if not given; 0: no limit.
    #[arg(long, value_name = "N")]
    pair_waiting: Option<u16>,
    /// The name server that trunks' host names are asked of; those of the system if not given.
    #[arg(long, value_name = "ADDR:PORT")]
    dns: Option<SocketAddr>,
    /// Where API and GUI are served.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// sqlite:PATH or mysql://USER:PASSWORD@HOST/NAME; SQLite in the data folder if not given.
    #[arg(long, value_name = "URL", env = "TANDEM_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// A YAML file that is applied before calls are taken.
    #[arg(long, value_name = "FILE")]
    apply: Option<PathBuf>,
    /// Media ports, both included. A call has four; those of a call that ended rest for five seconds, or one where no other is left.
    #[arg(long, value_name = "LOW-HIGH")]
    rtp: Option<String>,
    /// One shard a core if not given.
    #[arg(long, value_name = "N")]
    shards: Option<u16>,
    /// Our media address, once for IPv4 and once for IPv6; the first listener's of the family if not given.
    #[arg(long, value_name = "ADDR")]
    media: Vec<IpAddr>,
    /// The address in our SDP where it is not the one that is bound (behind NAT), once for IPv4 and once for IPv6.
    #[arg(long, value_name = "ADDR")]
    media_advertise: Vec<IpAddr>,
    /// What kind of host this is meant to be. At the start tandem-tune looks at it: in a lab what it lacks is only said; elsewhere
    /// something fatal refuses the start.
    #[arg(long, value_name = "KIND", default_value = "lab", value_parser = ["off", "lab", "vm", "metal", "cloud"])]
    host_profile: String,
    /// Start although something fatal was found on this host.
    #[arg(long)]
    i_know: bool,
    #[command(flatten)]
    relaying: RelayArguments,
    #[command(flatten)]
    tape: TapeArguments,
    #[command(flatten)]
    place: PlaceArguments,
    /// What the planes log: error, warn, info, debug, trace, or a filter by module.
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

/// How media is relayed.
#[derive(Debug, Args)]
struct RelayArguments {
    /// Where established media is relayed: xdp in the driver, tc behind it, off for sockets only, auto (if not given) for the best
    /// that there is.
    #[arg(long, value_name = "MODE", value_parser = ["auto", "xdp", "tc", "off"])]
    fast_path: Option<String>,
    /// An interface that media comes in by, once for each, of a VLAN its parent; that of the media address if not given.
    #[arg(long, value_name = "NAME")]
    fast_path_interface: Vec<String>,
    /// How media ports are heard: shared lets all ports of a shard have one socket, per-port is a socket each, auto (if not given) is
    /// shared where that is allowed, but not on loopback.
    #[arg(long, value_name = "HOW", value_parser = ["auto", "shared", "per-port"])]
    media_sockets: Option<String>,
}

impl RelayArguments {
    /// As the data plane takes them.
    fn words(&self) -> Vec<(&'static str, String)> {
        let rows = [("--fast-path", &self.fast_path), ("--media-sockets", &self.media_sockets)];
        let interfaces = self.fast_path_interface.iter().map(|name| ("--fast-path-interface", name.clone()));
        rows.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).chain(interfaces).collect()
    }
}

/// A node's place in a cluster: see docs/watch-a-cluster.md.
#[derive(Debug, Args)]
#[command(next_help_heading = "In a cluster")]
struct PlaceArguments {
    /// This node's number in the cluster; no other node has it. 1 if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    node: Option<u16>,
    #[command(flatten)]
    etcd: EtcdArguments,
    /// This node's availability group: nodes of one group may fail together, a room or one host's power. Two to four nodes a group, and
    /// as many in each.
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// A replica of the database, as mysql://USER:PASSWORD@HOST/NAME, that searches and reports are read at as long as it is not more than
    /// 10 s behind; the database of this node's own keeper does, whether replica or primary.
    #[arg(long, value_name = "URL", env = "TANDEM_REPLICA", hide_env_values = true)]
    replica: Option<String>,
    /// The socket of this node's keeper, panel.socket in its settings, where two servers decide about their databases without a third: the
    /// pages show what it knows, and a drill goes there.
    #[arg(long, value_name = "FILE")]
    keeper: Option<PathBuf>,
    /// What a node that etcd has not answered for ten seconds may use of limits that nodes share: its part (if not given), or nothing.
    #[arg(long, value_name = "SHARE", value_parser = ["part", "nothing"], requires = "etcd")]
    limits_alone: Option<String>,
    /// A file with the secret, 32 bytes or more, that this node shares with the balancers before it, for a listener with behind=, and with
    /// other nodes, for subscribers' connections.
    #[arg(long, value_name = "FILE")]
    balancer_key: Option<PathBuf>,
}

impl PlaceArguments {
    /// As the planes take it.
    fn place(self) -> Place {
        let node = self.node.map(|node| ("--node", node.to_string()));
        let key = self.balancer_key.map(|file| ("--balancer-key", file.display().to_string()));
        let group = self.group.map(|group| ("--group", group));
        let keeper = self.keeper.map(|socket| ("--keeper", socket.display().to_string()));
        let limits = self.limits_alone.map(|share| ("--limits-alone", share));
        Place {
            both: node.into_iter().chain(self.etcd.words()).collect(),
            data: key.into_iter().chain(limits).collect(),
            control: group.into_iter().chain(keeper).collect(),
            replica: self.replica,
        }
    }
}

/// What is kept of calls.
#[derive(Debug, Args)]
struct TapeArguments {
    /// A collector of Homer's kind that hears SIP, RTCP and media reports of all calls by HEP3 over UDP; nobody if not given.
    #[arg(long, value_name = "ADDR:PORT")]
    hep: Option<SocketAddr>,
    /// Bytes that the capture of one call may have; 64 MiB if not given.
    #[arg(long, value_name = "BYTES")]
    capture_call_bytes: Option<u64>,
    /// Bytes that all captures together may have; the oldest are removed. 10 GiB if not given.
    #[arg(long, value_name = "BYTES")]
    capture_bytes: Option<u64>,
    /// Days after which captures are removed, 1 to 3650; 30 if not given.
    #[arg(long, value_name = "DAYS")]
    capture_days: Option<u32>,
    /// Bytes that the recording of one call may have, 32,000 a second; 1 GiB if not given.
    #[arg(long, value_name = "BYTES")]
    recording_call_bytes: Option<u64>,
    /// Bytes that all recordings together may have; the oldest are removed. 50 GiB if not given.
    #[arg(long, value_name = "BYTES")]
    recording_bytes: Option<u64>,
    /// Days after which recordings are removed, 1 to 3650; 30 if not given.
    #[arg(long, value_name = "DAYS")]
    recording_days: Option<u32>,
}

impl TapeArguments {
    /// As the data plane takes them.
    fn words(&self) -> Vec<(&'static str, String)> {
        let rows = [
            ("--hep", self.hep.map(|to| to.to_string())),
            ("--capture-call-bytes", self.capture_call_bytes.map(|bytes| bytes.to_string())),
            ("--capture-bytes", self.capture_bytes.map(|bytes| bytes.to_string())),
            ("--capture-days", self.capture_days.map(|days| days.to_string())),
            ("--recording-call-bytes", self.recording_call_bytes.map(|bytes| bytes.to_string())),
            ("--recording-bytes", self.recording_bytes.map(|bytes| bytes.to_string())),
            ("--recording-days", self.recording_days.map(|days| days.to_string())),
        ];
        rows.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

pub async fn up(a: Arguments) -> Result<ExitCode> {
    // A mistake in the file is better told before anything starts.
    let input = a.apply.as_deref().map(super::read).transpose()?;
    let mut term = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    host::look(&a.host_profile, a.i_know, &a.data, a.rtp.as_deref(), a.shards).await?;
    let Arguments { data, listen, stream_idle, dns, http, database, rtp, shards, media, media_advertise, log, .. } = a;
    let pair_waiting = a.pair_waiting.map(|calls| ("--pair-waiting", calls.to_string()));
    let more = [a.relaying.words(), a.tape.words(), pair_waiting.into_iter().collect()].concat();
    let sip = a.sip.or_else(|| listen.is_empty().then_some(SIP));
    let reached: Vec<String> =
        sip.iter().map(ToString::to_string).chain(listen.iter().map(|text| place(text))).collect();
    let options = Options {
        sip,
        listen,
        stream_idle,
        dns,
        database,
        rtp,
        shards,
        media,
        media_advertise,
        more,
        place: a.place.place(),
        log,
        host_seen: true,
        ..Options::new(&data, SIP, http)
    };
    let node = tokio::select! {
        node = Node::start(options) => node?,
        _ = term.recv() => return Ok(ExitCode::SUCCESS),
        _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
    };
    if let Some(input) = input {
        match node.apply(&input).await {
            Ok(report) => eprint!("{report}"),
            Err(error) if node.waits() => eprintln!("tandem: {} is not applied: {error:#}", input.name),
            Err(error) => {
                node.stop().await;
                return Err(error);
            }
        }
    }
    say!("tandem is up");
    say!("  SIP   {}", reached.join(" "));
    if node.waits() {
        say!("  GUI   {} when its database answers; {}/run/login has the login then", node.http_url(), data.display());
    } else {
        say!("  GUI   {}", node.login_url());
    }
    say!("  data  {}", data.display());
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    eprintln!("tandem is going down");
    node.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// A listener without its options: some of them name files that are nobody else's business.
fn place(listener: &str) -> String {
    listener.split(',').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::PlaceArguments;

    #[derive(Debug, Parser)]
    struct Up {
        #[command(flatten)]
        place: PlaceArguments,
    }

    /// What both planes, the data plane and the control plane are told for these words, each as a line.
    fn told(words: &[&str]) -> Option<[String; 3]> {
        let place = Up::try_parse_from(["up"].iter().chain(words)).ok()?.place.place();
        let line = |words: &[(&str, String)]| {
            words.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(" ")
        };
        Some([line(&place.both), line(&place.data), line(&place.control)])
    }

    #[test]
    fn each_plane_is_told_what_it_needs_of_a_cluster() {
        let words = [
            "--node=2",
            "--etcd=https://10.0.0.1:2379,https://10.0.0.2:2379",
            "--etcd-login=login",
            "--etcd-ca=ca.pem",
            "--etcd-certificate=own.pem",
            "--etcd-key=key.pem",
            "--group=east",
            "--keeper=/run/tandem-keeper/panel",
            "--limits-alone=nothing",
            "--balancer-key=secret",
            "--replica=mysql://tandem:x@10.0.0.2/tandem",
        ];
        let [both, data, control] = told(&words).expect("it is understood");
        assert_eq!(
            both,
            "--node 2 --etcd https://10.0.0.1:2379,https://10.0.0.2:2379 --etcd-login login --etcd-ca ca.pem \
             --etcd-certificate own.pem --etcd-key key.pem"
        );
        assert_eq!(data, "--balancer-key secret --limits-alone nothing");
        assert_eq!(control, "--group east --keeper /run/tandem-keeper/panel", "the replica's password is no argument");
        assert_eq!(told(&[]), Some(Default::default()), "a node that is alone is told nothing");
        for wrong in [["--node=0"], ["--limits-alone=part"], ["--etcd-login=login"]] {
            assert_eq!(told(&wrong), None, "{wrong:?}");
        }
    }
}
