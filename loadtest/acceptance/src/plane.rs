//! The data plane alone, deciding from a snapshot that the test writes: for stories about transports, in which nobody pays.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use rustix::process::Signal;
use serde_json::Value;
use snapshot::{Account, Carrier, Deck, EgressTrunk, IngressTrunk, Model, Plan, PlanRoute, Policy, Rate, Source};
use units::{AccountId, CarrierId, Currency, DeckId, EgressTrunkId, IngressTrunkId, Money, PlanId, Revision};

use crate::sipp::{Scenario, Sipp};
use crate::{PATIENCE, figures, is_taken, program, signal, until};

/// What SIPp may have open; it wants 50,000 if nobody says otherwise.
const SOCKETS_MAX: &str = "1000";
/// The destination of all calls.
pub const CALLED: &str = "4420790012";

/// A running data plane with its folder; gone with this value.
#[derive(Debug)]
pub struct Plane {
    folder: tempfile::TempDir,
    child: Child,
}

impl Plane {
    /// Starts one that takes calls of these sources and sends them to this terminator.
    pub fn start(words: &[String], sources: &[IpAddr], terminator: SocketAddr, policy: Policy) -> Plane {
        Plane::start_by(Command::new(program("tandem-dataplane")), words, sources, terminator, policy)
    }

    /// The same with a journal on a disk of so many bytes, which only this data plane sees. Needs root.
    pub fn start_with_journal_of(
        bytes: usize,
        words: &[String],
        sources: &[IpAddr],
        terminator: SocketAddr,
        policy: Policy,
    ) -> Plane {
        // The folder is the word after `--data`.
        let script =
            "mkdir -p \"$4/journal\" && mount -t tmpfs -o size=$1 tandem \"$4/journal\" && shift && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh", &bytes.to_string()]).arg(program("tandem-dataplane"));
        Plane::start_by(command, words, sources, terminator, policy)
    }

    /// The journal's folder as the data plane sees it.
    pub fn journal(&self) -> PathBuf {
        let root = format!("/proc/{}/root{}", self.child.id(), self.folder.path().display());
        Path::new(&root).join("journal")
    }

    fn start_by(
        mut command: Command,
        words: &[String],
        sources: &[IpAddr],
        terminator: SocketAddr,
        policy: Policy,
    ) -> Plane {
        let folder = tempfile::Builder::new().prefix("tandem-plane-").tempdir().expect("a temporary folder");
        let snapshots = folder.path().join("snapshots");
        std::fs::create_dir(&snapshots).expect("the folder is writable");
        let image = model(sources, terminator, policy).encode().expect("the model is sound");
        std::fs::write(snapshots.join("1.snap"), image).expect("the folder is writable");
        std::fs::write(snapshots.join("current"), "1.snap\n").expect("the folder is writable");
        let log = std::fs::File::create(folder.path().join("log")).expect("the folder is writable");
        command.arg("--data").arg(folder.path()).args(["--shards", "2", "--log", "debug"]).args(words);
        if !words.iter().any(|word| word == "--rtp") {
            command.args(["--rtp", &media_ports()]);
        }
        let child = command.stdin(Stdio::null()).stderr(log).spawn().expect("the data plane starts");
        let mut plane = Plane { folder, child };
        let socket = plane.folder.path().join("run/dataplane.sock");
        until(PATIENCE, "the data plane answers", || {
            let over = plane.child.try_wait().expect("the data plane was started here");
            assert!(over.is_none(), "the data plane ended: {over:?}");
            figures(&socket)
        });
        plane
    }

    /// What the data plane answers to a question for its figures; every shard has opened its sockets when all have answered.
    fn figures(&self) -> Value {
        let socket = self.folder.path().join("run/dataplane.sock");
        until(PATIENCE, "the data plane answers", || figures(&socket))
    }

    /// What all shards together counted under this name.
    pub fn counted(&self, name: &str) -> u64 {
        let figures = self.figures();
        let value = find(&figures, name).unwrap_or_else(|| panic!("{name} is counted: {figures}"));
        value.as_u64().expect("counters are numbers")
    }

    /// The test's folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().expect("the data plane was started here");
        let _ = self.child.wait();
    }

    /// What the program said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the data plane's log ends with:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
        signal(self.child.id(), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// The value of a name, however deep it lies: under the name, or beside it in a pair.
fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => map.get(name).or_else(|| map.values().find_map(|inner| find(inner, name))),
        Value::Array(list) if list.first().is_some_and(|first| first == name) => list.get(1),
        Value::Array(list) => list.iter().find_map(|inner| find(inner, name)),
        _ => None,
    }
}

/// Media ports that no other plane of this process has, below those that the kernel gives to others.
fn media_ports() -> String {
    static DRAWN: AtomicU16 = AtomicU16::new(0);
    let place = std::process::id() as u16 % 8 + 8 * (DRAWN.fetch_add(1, Ordering::Relaxed) % 8);
    let low = 8_000 + place * 380;
    format!("{low}-{}", low + 379)
}

/// SIPp's built-in `uas` over this transport (`u1`, `t1`, `tn`); it listens when this returns.
pub fn taking(folder: &Path, at: SocketAddr, transport: &str) -> Sipp {
    let words = ["-t", transport, "-max_socket", SOCKETS_MAX].map(String::from);
    let sipp = Sipp::start(folder, at, Scenario::BuiltIn("uas"), &words);
    let protocol = if transport == "u1" { "udp" } else { "tcp" };
    until(PATIENCE, "the terminator listens", || is_taken(protocol, at).then_some(()));
    sipp
}

/// SIPp's built-in `uac`: so many calls of half a second over this transport, all of which must succeed.
pub fn calling(folder: &Path, from: SocketAddr, to: SocketAddr, transport: &str, calls: u32) {
    let calls = calls.to_string();
    let words = ["-s", CALLED, "-t", transport, "-m", &calls, "-l", &calls, "-r", "40", "-d", "500", "-timeout", "180"];
    let mut line = vec![to.to_string()];
    line.extend(words.iter().chain(&["-max_socket", SOCKETS_MAX]).map(ToString::to_string));
    Sipp::start(folder, from, Scenario::BuiltIn("uac"), &line).all_calls_succeed();
}

/// A port of this address that is free for UDP and TCP.
pub fn free_port(ip: IpAddr) -> SocketAddr {
    until(PATIENCE, "a port is free", || {
        let probe = UdpSocket::bind((ip, 0)).ok()?.local_addr().ok()?;
        TcpListener::bind(probe).ok().map(|_| probe)
    })
}

/// An authority's certificate, and a certificate and key for this subject alternative name that it vouches for; all PEM.
pub fn certificates(folder: &Path, san: &str) -> (PathBuf, PathBuf, PathBuf) {
    let file = |name: &str| folder.join(name);
    let make = |name: &str, authority: bool| {
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
        openssl.args(["-subj", &format!("/CN={name}"), "-keyout"]).arg(file(&format!("{name}.key")));
        openssl.arg("-out").arg(file(&format!("{name}.crt")));
        if authority {
            openssl.arg("-CA").arg(file("ca.crt")).arg("-CAkey").arg(file("ca.key"));
            openssl.args([
                "-addext",
                &format!("subjectAltName={san}"),
                "-addext",
                "basicConstraints=critical,CA:FALSE",
            ]);
        }
        assert!(openssl.stderr(Stdio::null()).status().expect("openssl is installed").success());
    };
    make("ca", false);
    make("leaf", true);
    (file("ca.crt"), file("leaf.crt"), file("leaf.key"))
}

fn free_deck() -> Deck {
    let rate = Rate { prefix: "44".into(), per_minute: Money::ZERO, ..Rate::default() };
    Deck { id: DeckId(1), code: "free".into(), rates: vec![rate], ..Deck::default() }
}

fn ingress(sources: &[IpAddr]) -> IngressTrunk {
    let bits = |ip: &IpAddr| if ip.is_ipv4() { 32 } else { 128 };
    IngressTrunk {
        id: IngressTrunkId(1),
        code: "in".into(),
        carrier: CarrierId(1),
        account: AccountId(1),
        sources: sources.iter().map(|ip| Source { network: *ip, bits: bits(ip), port: 0 }).collect(),
        plan: PlanId(1),
        sell_deck: DeckId(1),
        ..IngressTrunk::default()
    }
}

fn egress(address: SocketAddr, policy: Policy) -> EgressTrunk {
    EgressTrunk {
        id: EgressTrunkId(1),
        code: "out".into(),
        carrier: CarrierId(2),
        account: AccountId(2),
        address,
        buy_deck: DeckId(1),
        policy,
        ..EgressTrunk::default()
    }
}

fn model(sources: &[IpAddr], terminator: SocketAddr, policy: Policy) -> Model {
    let carrier = |id: u32| Carrier { id: CarrierId(id), code: format!("carrier-{id}"), ..Carrier::default() };
    let account =
        |id: u32| Account { id: AccountId(id), carrier: CarrierId(id), currency: Currency::USD, ..Account::default() };
    Model {
        revision: Revision(1),
        carriers: vec![carrier(1), carrier(2)],
        accounts: vec![account(1), account(2)],
        ingress_trunks: vec![ingress(sources)],
        egress_trunks: vec![egress(terminator, policy)],
        decks: vec![free_deck()],
        plans: vec![Plan {
            id: PlanId(1),
            code: "plan".into(),
            attempts_max: 1,
            routes: vec![PlanRoute { egress_trunk: EgressTrunkId(1), ..PlanRoute::default() }],
            ..Plan::default()
        }],
        ..Model::default()
    }
}
