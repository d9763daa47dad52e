//! What one relayed packet costs a core, the kernel's receiving included: sockets and the fast path, on a virtual cable.
//!
//! A peer in a network namespace of its own sends G.711-sized packets at a steady pace to all ports of the relay and gets them back.
//! Counted are the relay's thread and the kernel's thread that receives at the switch's end. Variants take turns; medians count.
//! Takes root. `cargo bench -p benches --bench relay_cable [-- ROUNDS]`

mod cable;
mod kernel_relay;
mod pace;
#[allow(dead_code, reason = "memory is another bench's question")]
mod socket_relay;
mod tokio_relay;
mod yardstick_mmsg;

use std::net::{IpAddr, SocketAddr, UdpSocket as Peer};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aya::maps::Array;
use aya::programs::{Xdp, XdpMode};
use benches::{Finding, Limit};
use cable::{Cable, PEER, SWITCH};
use fastpath::Mode;
use kernel_relay::{KernelRelay, listen_in_xdp, meet};
use pace::{BURST, PACKETS, Progress, Turn, WARM_UP, cpu_nanos, measure, median};
use socket_relay::Sockets;

/// RTP ports, two a call: a thousand pairs of them for the socket relays as T1 says.
const PORTS: u16 = 2_000;
/// Those of a hundred and of ten thousand pairs, as T6 says.
const FEW_PORTS: u16 = 200;
const MANY_PORTS: u16 = 20_000;
const PORT_LOW: u16 = 12_000;
const PEER_PORT: u16 = 4_000;

const VARIANTS: usize = 10;

/// Nanoseconds of CPU a packet.
type Measure = fn() -> f64;

fn address(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().expect("an address"), port)
}

fn main() {
    if !nix::unistd::geteuid().is_root() {
        println!("not run: network namespaces take root");
        return;
    }
    let rounds = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(5);
    let variants: [(&str, Measure); VARIANTS] = [
        ("bare recvmmsg/sendmmsg, one socket", || sockets(bare_loop)),
        ("io_uring, 2,000 ports, steered", || ours(PORTS, Sockets::Steered)),
        ("tokio, 2,000 ports", || sockets(|_, peer| tokio_relay::relay(ports(), peer))),
        ("bare program on XDP", bare_program),
        ("fast path on XDP", || fast(Mode::Xdp)),
        ("fast path on tc", || fast(Mode::Tc)),
        ("io_uring, 2,000 ports, a socket each", || ours(PORTS, Sockets::PerPort)),
        ("io_uring, 2,000 ports, connected", || ours(PORTS, Sockets::Connected)),
        ("io_uring, 200 ports, steered", || ours(FEW_PORTS, Sockets::Steered)),
        ("io_uring, 20,000 ports, steered", || ours(MANY_PORTS, Sockets::Steered)),
    ];
    let mut costs = [const { Vec::new() }; VARIANTS];
    for _ in 0..rounds {
        for ((_, variant), costs) in variants.iter().zip(&mut costs) {
            costs.push(std::thread::spawn(*variant).join().expect("the variant runs"));
        }
    }
    let (medians, kept) = (costs.clone().map(median), costs.clone());
    println!("CPU of the switch's end a packet, kernel included, {BURST},000 packets a second, {rounds} rounds");
    for (((name, _), cost), all) in variants.iter().zip(medians).zip(costs) {
        let spread = all.iter().copied().fold(f64::MIN, f64::max) - all.iter().copied().fold(f64::MAX, f64::min);
        println!("{name:38} {cost:7.0} ns (spread {spread:5.0})   {:.2} x the bare loop", cost / medians[0]);
    }
    say(&kept);
    let verdict = |name: &str, ratio: f64, most: f64| {
        println!("{name}: {ratio:.2}, at most {most:.2}: {}", if ratio <= most { "met" } else { "MISSED" });
    };
    verdict("T1 socket relay / bare loop", medians[1] / medians[0], 1.25);
    verdict("T2 socket relay / tokio", medians[1] / medians[2], 0.75);
    verdict("T3 fast path on XDP / bare loop", medians[4] / medians[0], 0.20);
    verdict("T3 fast path on tc / bare loop", medians[5] / medians[0], 0.40);
    verdict("T4 fast path on XDP / bare program", medians[4] / medians[3], 1.5);
    verdict("T6 socket relay, 20,000 ports / 200", medians[9] / medians[8], 1.25);
}

/// The rounds of all variants, as they stand in `main`, against their targets.
fn say(costs: &[Vec<f64>; VARIANTS]) {
    let rows: [(&str, &str, usize, f64, &str, usize); 6] = [
        ("T1", "a packet on a cable, 2,000 ports", 1, 1.25, "bare loop", 0),
        ("T2", "a packet on a cable, 2,000 ports", 1, 0.75, "tokio", 2),
        ("T3", "a packet of the fast path on XDP", 4, 0.20, "bare loop", 0),
        ("T3", "a packet of the fast path on tc", 5, 0.40, "bare loop", 0),
        ("T4", "a packet of the fast path on XDP", 4, 1.5, "bare program", 3),
        ("T6", "a packet on a cable, 20,000 ports against 200", 9, 1.25, "200 ports", 8),
    ];
    for (target, what, ours, most, yardstick, theirs) in rows {
        let finding = Finding::alone(target, what, "ns", costs[ours].clone(), Limit::Ratio(most));
        finding.beside(yardstick, &costs[theirs]).say();
    }
    // A million packets of so many nanoseconds, per cent of a second.
    let share = costs[4].iter().map(|ns| ns * 1e6 / 1e9 * 100.0).collect();
    Finding::alone("T5", "1.0 million packets a second on XDP, computed", "% of a core", share, Limit::Most(60.0))
        .say();
}

fn ports() -> Vec<SocketAddr> {
    (0..PORTS).map(|place| address(SWITCH, PORT_LOW + 2 * place)).collect()
}

fn own() -> IpAddr {
    SWITCH.parse().expect("an address")
}

/// The peer: sends to all ports and forgets what comes back, until the end. Stands on a thread of its own in its namespace.
fn peer(cable: &Cable, ports: Vec<SocketAddr>, progress: &Arc<Progress>) -> [std::thread::JoinHandle<()>; 2] {
    let socket = std::thread::scope(|scope| {
        let open = || {
            cable.stand_at_peer();
            Peer::bind(address(PEER, PEER_PORT)).expect("a port for the peer")
        };
        Arc::new(scope.spawn(open).join().expect("the peer stands"))
    });
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a time-out on the peer");
    let (hearing, heard) = (Arc::clone(&socket), Arc::clone(progress));
    let hear = move || pace::hear(&hearing, &heard);
    let progress = Arc::clone(progress);
    [std::thread::spawn(hear), std::thread::spawn(move || pace::send(&socket, &ports, &progress))]
}

/// Runs a relay over sockets; nanoseconds a packet.
fn sockets(relay: impl Fn(&Progress, SocketAddr) -> (Vec<SocketAddr>, Box<dyn Turn>)) -> f64 {
    let (cable, progress) = (Cable::lay(), Arc::new(Progress::default()));
    cable.stand_at_switch();
    let (ports, mut turn) = relay(&progress, address(PEER, PEER_PORT));
    let threads = peer(&cable, ports, &progress);
    let cost = measure(&progress, &mut *turn, || cpu_nanos() + cable.receiving_nanos());
    end(&progress, threads);
    cost
}

fn ours(ports: u16, how: Sockets) -> f64 {
    sockets(|_, peer| socket_relay::relay(own(), peer, ports, how))
}

fn end(progress: &Progress, threads: [std::thread::JoinHandle<()>; 2]) {
    progress.over.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().expect("the peer ends");
    }
}

fn bare_loop(_: &Progress, peer: SocketAddr) -> (Vec<SocketAddr>, Box<dyn Turn>) {
    let socket = Peer::bind(address(SWITCH, PORT_LOW)).expect("a port for the bare loop");
    (vec![address(SWITCH, PORT_LOW)], Box::new(yardstick_mmsg::Bare::new(socket, peer)))
}

/// Measures what the kernel's thread spends while nobody else relays.
fn in_the_kernel(cable: &Cable, ports: Vec<SocketAddr>, relayed: impl Fn() -> u64) -> f64 {
    let progress = Arc::new(Progress::default());
    let threads = peer(cable, ports, &progress);
    let wait_for = |enough: u64| {
        let begun = Instant::now();
        while relayed() < enough {
            assert!(begun.elapsed() < Duration::from_secs(60), "{} of {enough} packets relayed in a minute", relayed());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait_for(WARM_UP);
    let (before, first) = (cable.receiving_nanos(), relayed());
    wait_for(WARM_UP + PACKETS);
    let cost = (cable.receiving_nanos() - before) as f64 / (relayed() - first) as f64;
    end(&progress, threads);
    cost
}

fn fast(mode: Mode) -> f64 {
    let cable = Cable::lay();
    let kernel = KernelRelay::start(&cable, mode, &ports());
    in_the_kernel(&cable, ports(), || kernel.relayed())
}

fn bare_program() -> f64 {
    let cable = Cable::lay();
    meet(&cable);
    let _listening = listen_in_xdp(&cable);
    let object = std::env::temp_dir().join(format!("tandem-bare-{}.o", std::process::id()));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/bare_relay.c");
    let headers = format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH);
    let built = Command::new("clang")
        .args(["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-I", &headers, "-c", source, "-o"])
        .arg(&object)
        .status();
    assert!(built.is_ok_and(|status| status.success()), "clang compiles the bare program");
    let mut kernel = aya::Ebpf::load_file(&object).expect("the kernel takes the tables");
    std::fs::remove_file(&object).expect("written just now");
    let mut ways: Array<_, [u8; 16]> =
        Array::try_from(kernel.take_map("ways").expect("declared")).expect("an array of sixteen bytes");
    let ports = ports();
    for (place, local) in ports.iter().enumerate() {
        let from = ports[place ^ 1].port();
        ways.set(u32::from(local.port()), way(local.port(), from), 0).expect("written");
    }
    let program: &mut Xdp = kernel.program_mut("bare").expect("declared").try_into().expect("of XDP");
    program.load().expect("the kernel takes the program");
    program.attach("a0", XdpMode::Driver).expect("the interface takes it");
    // Without counters of its own the other end's say what was sent.
    let received = cable.received_by_peer();
    in_the_kernel(&cable, ports, received)
}

/// The bare program's entry: back to the peer from another port.
fn way(local: u16, from: u16) -> [u8; 16] {
    let mut out = [0; 16];
    let octets = |ip: &str| ip.parse::<std::net::Ipv4Addr>().expect("an address").octets();
    out[..4].copy_from_slice(&octets(SWITCH));
    out[4..8].copy_from_slice(&octets(PEER));
    out[8..10].copy_from_slice(&from.to_be_bytes());
    out[10..12].copy_from_slice(&PEER_PORT.to_be_bytes());
    let word = |port: u16| u32::from(u16::from_ne_bytes(port.to_be_bytes()));
    let gone = |port: u16| u32::from(!u16::from_ne_bytes(port.to_be_bytes()));
    // The peer's port stays; ours gives way to its pair's.
    out[12..].copy_from_slice(&(gone(local) + word(from)).to_ne_bytes());
    out
}
