//! A listener at an address that comes and goes: the trunk is registered with its peer while the address is here, and only then.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

#[path = "../../rating/tests/world.rs"]
mod world;

#[path = "support/plane.rs"]
mod plane;

use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use panel::wire::{Answer, Ask};
use plane::{PATIENCE, Plane};
use snapshot::policy::Registration;

const SHARED: &str = "192.0.2.7";
const PEER: &str = "192.0.2.9:5060";

fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).status().expect("iproute2 is installed");
    assert!(done.success(), "ip {words}");
}

fn publish(data: &Path) {
    let mut model = world::world();
    world::way_out(&mut model, 2, "0.5");
    let trunk = world::trunk(&mut model, 2);
    trunk.address = PEER.parse().unwrap();
    trunk.policy.listener = "vip".into();
    trunk.policy.registration =
        Some(Registration { user: "switch".into(), domain: "peer.example".into(), ..Registration::default() });
    let folder = data.join("snapshots");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("1.snap"), world::image(&model)).unwrap();
    std::fs::write(folder.join("current"), "1.snap").unwrap();
}

fn state(plane: &mut Plane) -> String {
    let Answer::Peers(peers) = plane.ask(Ask::Peers) else { panic!("peers are told") };
    peers.registrations[0].state.clone()
}

/// Waits for a REGISTER and grants it; where it came from.
fn grant(peer: &UdpSocket) -> String {
    let mut bytes = [0; 4_096];
    let (length, from) = peer.recv_from(&mut bytes).expect("a REGISTER comes");
    let request = String::from_utf8_lossy(&bytes[..length]).into_owned();
    assert!(request.starts_with("REGISTER sip:peer.example "), "{request}");
    let line = |name: &str| request.lines().find(|line| line.starts_with(name)).unwrap();
    let heads = ["Via:", "From:", "Call-ID:", "CSeq:", "Contact:"].map(line).join("\r\n");
    let answer =
        format!("SIP/2.0 200 OK\r\n{heads}\r\n{};tag=p\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n", line("To:"));
    peer.send_to(answer.as_bytes(), from).unwrap();
    from.ip().to_string()
}

fn until(what: &str, mut look: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !look() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_trunk_is_registered_while_the_address_is_here() {
    // This thread and what it starts have a network of their own.
    unshare(CloneFlags::CLONE_NEWNET).expect("this test needs root");
    ip("link set lo up");
    ip("addr add 192.0.2.9/32 dev lo");
    let peer = UdpSocket::bind(PEER).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let data = tempfile::TempDir::new().unwrap();
    publish(data.path());
    let shared = format!("udp:{SHARED}:5060,name=vip,shared=yes");
    let words = ["--listen", &shared, "--listen", "udp:127.0.0.1:5060", "--rtp", "46000-46399", "--log", "warn"];
    let mut plane = Plane::start(data.path(), &words);
    assert_eq!(state(&mut plane), "out");
    ip("addr add 192.0.2.7/32 dev lo");
    assert_eq!(grant(&peer), SHARED);
    until("the registration stands", || state(&mut plane) == "registered");
    ip("addr del 192.0.2.7/32 dev lo");
    until("the address is missed", || state(&mut plane) == "out");
    peer.set_nonblocking(true).unwrap();
    assert!(peer.recv(&mut [0; 4_096]).is_err(), "nothing is said where another machine has the address");
}
