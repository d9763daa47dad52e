//! What one relayed packet costs: the socket relay through io_uring against a bare recvmmsg/sendmmsg loop on one socket.
//!
//! One peer sends G.711-sized packets at a steady pace to all ports of the relay and gets them back, on the loopback interface. Counted is
//! the CPU time of the relay's thread alone, kernel included. Variants take turns; medians over the rounds are compared.
//! `cargo bench -p benches --bench relay_packet [-- ROUNDS]`

mod socket_relay;
mod yardstick_mmsg;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket as Peer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

const PACKETS: u64 = 200_000;
const WARM_UP: u64 = 20_000;
/// Packets every millisecond.
const BURST: usize = 80;
const G711_20MS_BYTES: usize = 172;
/// An address of its own.
const RELAY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));

/// Stops when it has relayed enough; shared by the relay and its peer.
#[derive(Default)]
pub struct Progress {
    relayed: AtomicU64,
    over: AtomicBool,
}

impl Progress {
    fn done(&self) -> bool {
        self.relayed.load(Ordering::Relaxed) >= WARM_UP + PACKETS
    }
}

/// Nanoseconds of CPU a packet of one way to relay.
type Measure = fn(&Progress, Peer) -> f64;

fn main() {
    let rounds = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(5);
    let variants: [(&str, Measure); 3] = [
        ("bare recvmmsg/sendmmsg, one socket", |progress, peer| run(peer, progress, yardstick)),
        ("io_uring, 100 ports", |progress, peer| run(peer, progress, |_, peer| socket_relay::relay(RELAY, peer, 100))),
        ("io_uring, 1,000 ports", |progress, peer| {
            run(peer, progress, |_, peer| socket_relay::relay(RELAY, peer, 1_000))
        }),
    ];
    let mut costs = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        for ((_, variant), costs) in variants.iter().zip(&mut costs) {
            let peer = Peer::bind("127.0.0.1:0").expect("a port for the peer");
            costs.push(variant(&Progress::default(), peer));
        }
    }
    let medians = costs.map(median);
    println!("CPU of the relay's thread a packet, {BURST},000 packets a second, median of {rounds} rounds");
    for ((name, _), cost) in variants.iter().zip(medians) {
        println!("{name:36} {cost:7.0} ns   {:.2} x the bare loop", cost / medians[0]);
    }
    println!(
        "T1: 1,000 ports on loopback at most 1.40 x; between 100 and 1,000 ports: {:.2} x",
        medians[2] / medians[1]
    );
    let met = medians[2] / medians[0] <= 1.40 && medians[2] / medians[1] <= 1.25;
    println!(
        "target <= 1.40 x the bare loop, <= 1.25 x from 100 to 1,000 ports: {}",
        if met { "met" } else { "MISSED" }
    );
}

fn median(mut costs: Vec<f64>) -> f64 {
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}

/// Runs a relay against a peer; nanoseconds a packet.
fn run(
    peer: Peer,
    progress: &Progress,
    relay: impl Fn(&Progress, SocketAddr) -> (Vec<SocketAddr>, Box<dyn Turn>),
) -> f64 {
    let address = peer.local_addr().expect("a bound peer");
    let (ports, mut turn) = relay(progress, address);
    let peer = Arc::new(peer);
    peer.set_read_timeout(Some(Duration::from_millis(200))).expect("a time-out on the peer");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut bytes = [0; 2_048];
            while !progress.over.load(Ordering::Relaxed) {
                let _ = peer.recv_from(&mut bytes);
            }
        });
        scope.spawn(|| send(&peer, &ports, progress));
        while progress.relayed.load(Ordering::Relaxed) < WARM_UP {
            turn.turn(progress);
        }
        let (before, first) = (cpu_nanos(), progress.relayed.load(Ordering::Relaxed));
        while !progress.done() {
            turn.turn(progress);
        }
        let (after, last) = (cpu_nanos(), progress.relayed.load(Ordering::Relaxed));
        progress.over.store(true, Ordering::Relaxed);
        (after - before) as f64 / (last - first) as f64
    })
}

/// A steady pace over all ports, each port with its own sequence.
fn send(peer: &Peer, ports: &[SocketAddr], progress: &Progress) {
    let mut packet = [0; G711_20MS_BYTES];
    packet[0] = 0x80;
    packet[1] = 8;
    let (mut sent, mut next) = (0usize, Instant::now());
    while !progress.over.load(Ordering::Relaxed) {
        for _ in 0..BURST {
            let sequence = (sent / ports.len()) as u16;
            packet[2..4].copy_from_slice(&sequence.to_be_bytes());
            let _ = peer.send_to(&packet, ports[sent % ports.len()]);
            sent += 1;
        }
        next += Duration::from_millis(1);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn cpu_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// One turn of a relay's loop.
pub trait Turn {
    /// Waits for packets and relays them.
    fn turn(&mut self, progress: &Progress);
}

fn yardstick(_: &Progress, peer: SocketAddr) -> (Vec<SocketAddr>, Box<dyn Turn>) {
    let socket = Peer::bind("127.0.0.1:0").expect("a port for the bare loop");
    let address = socket.local_addr().expect("a bound socket");
    (vec![address], Box::new(yardstick_mmsg::Bare::new(socket, peer)))
}
