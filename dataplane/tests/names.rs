//! A name proved by a foreign program: sipsak and SIPp register a subscriber with the running data plane.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/phone.rs"]
mod phone;
#[path = "support/ports.rs"]
mod ports;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use panel::wire::{Answer, Ask, BindingRow, Frame, Peers};
use ports::free_port;
use snapshot::{Account, Carrier, Deck, IngressTrunk, Model, Plan, Policy};
use tempfile::TempDir;
use units::{AccountId, CarrierId, Currency, DeckId, IngressTrunkId, PlanId, Revision};

const PATIENCE: Duration = Duration::from_secs(180);

struct Plane(Child);

impl Drop for Plane {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Alice, who may come from anywhere.
fn model() -> Model {
    let alice = IngressTrunk {
        id: IngressTrunkId(1),
        code: "alice".into(),
        carrier: CarrierId(1),
        account: AccountId(1),
        plan: PlanId(1),
        sell_deck: DeckId(1),
        policy: Policy { digest: Some(phone::alice()), ..Policy::default() },
        ..IngressTrunk::default()
    };
    Model {
        revision: Revision(1),
        carriers: vec![Carrier { id: CarrierId(1), code: "one".into(), ..Carrier::default() }],
        accounts: vec![Account {
            id: AccountId(1),
            carrier: CarrierId(1),
            currency: Currency::USD,
            ..Account::default()
        }],
        ingress_trunks: vec![alice],
        decks: vec![Deck { id: DeckId(1), code: "deck".into(), ..Deck::default() }],
        plans: vec![Plan { id: PlanId(1), code: "plan".into(), routes: Vec::new(), ..Plan::default() }],
        ..Model::default()
    }
}

fn start(data: &Path, sip: u16) -> Plane {
    std::fs::create_dir_all(data.join("snapshots")).unwrap();
    std::fs::write(data.join("snapshots/1.snap"), model().encode().unwrap()).unwrap();
    std::fs::write(data.join("snapshots/current"), "1.snap\n").unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_tandem-dataplane"))
        .args([
            "--sip",
            &format!("127.0.0.1:{sip}"),
            "--shards",
            "2",
            "--rtp",
            "22000-22399",
            "--log",
            "warn",
            "--data",
        ])
        .arg(data)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let plane = Plane(child);
    let deadline = Instant::now() + PATIENCE;
    let mut control = loop {
        match UnixStream::connect(data.join("run/dataplane.sock")) {
            Ok(stream) => break BufReader::new(stream),
            Err(_) => assert!(Instant::now() < deadline, "the program starts"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    // Every shard has opened its sockets when it answers.
    let ask = serde_json::to_string(&Frame::Ask { id: 1, ask: Ask::Figures }).unwrap();
    control.get_mut().write_all(format!("{ask}\n").as_bytes()).unwrap();
    assert!(control.read_line(&mut String::new()).unwrap() > 0);
    plane
}

/// Who is registered where, as the control plane reads it.
fn peers(data: &Path) -> Peers {
    let mut control = BufReader::new(UnixStream::connect(data.join("run/dataplane.sock")).unwrap());
    let ask = serde_json::to_string(&Frame::Ask { id: 2, ask: Ask::Peers }).unwrap();
    control.get_mut().write_all(format!("{ask}\n").as_bytes()).unwrap();
    let mut line = String::new();
    control.read_line(&mut line).unwrap();
    match serde_json::from_str(&line).unwrap() {
        Frame::Answer { id: 2, answer: Answer::Peers(peers) } => *peers,
        other => panic!("{other:?} is no answer to a question for peers"),
    }
}

fn sipsak(sip: u16, password: &str) -> bool {
    let to = format!("sip:alice@127.0.0.1:{sip}");
    let contact = "sip:alice@127.0.0.1:5099";
    Command::new("sipsak")
        .args(["-U", "-C", contact, "-s", &to, "-u", "alice", "-a", password, "-x", "600"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("sipsak is installed")
        .success()
}

#[test]
fn foreign_programs_register_with_the_right_password_only() {
    let data = TempDir::new().unwrap();
    let sip = free_port();
    let _plane = start(data.path(), sip);
    assert!(sipsak(sip, "wonderland"));
    assert!(!sipsak(sip, "guess"));
    assert!(phone::registers(data.path(), free_port(), sip, "wonderland"));
    assert!(!phone::registers(data.path(), free_port(), sip, "guess"));

    let peers = peers(data.path());
    let records: Vec<&str> = peers.bindings.iter().map(|binding| &*binding.record).collect();
    assert_eq!(records, ["alice@127.0.0.1"; 2], "one contact of each program, told by its home shard alone");
    assert!(peers.bindings.iter().any(|binding| binding.contact == "sip:alice@127.0.0.1:5099"));
    let lasts_ten_minutes = |binding: &BindingRow| (binding.until - binding.since - 600_000_000).abs() < 1_000_000;
    assert!(peers.bindings.iter().all(lasts_ten_minutes));
    assert!(peers.registrations.is_empty() && peers.strangers.is_empty());
}
