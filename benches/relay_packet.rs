//! What one relayed packet costs: the socket relay through io_uring against a bare recvmmsg/sendmmsg loop on one socket.
//!
//! One peer sends G.711-sized packets at a steady pace to all ports of the relay and gets them back, on the loopback interface. Counted is
//! the CPU time of the relay's thread alone, kernel included. Variants take turns; medians over the rounds are compared.
//! `cargo bench -p benches --bench relay_packet [-- ROUNDS]`

mod pace;
#[allow(dead_code, reason = "on loopback every port has a socket")]
mod socket_relay;
mod yardstick_mmsg;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket as Peer};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use benches::{Finding, Limit};
use pace::{BURST, Progress, Turn, cpu_nanos, measure, median};
use socket_relay::Sockets;

/// An address of its own.
const RELAY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));

/// Nanoseconds of CPU a packet of one way to relay.
type Measure = fn(&Progress, Peer) -> f64;

fn main() {
    let rounds = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(5);
    let variants: [(&str, Measure); 3] = [
        ("bare recvmmsg/sendmmsg, one socket", |progress, peer| run(peer, progress, yardstick)),
        ("io_uring, 100 ports", |progress, peer| ours(peer, progress, 100)),
        ("io_uring, 1,000 ports", |progress, peer| ours(peer, progress, 1_000)),
    ];
    let mut costs = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        for ((_, variant), costs) in variants.iter().zip(&mut costs) {
            let peer = Peer::bind("127.0.0.1:0").expect("a port for the peer");
            costs.push(variant(&Progress::default(), peer));
        }
    }
    let packet = |what: &str, place: usize, most: f64| {
        Finding::alone(if most == 1.25 { "T6" } else { "T1" }, what, "ns", costs[place].clone(), Limit::Ratio(most))
    };
    packet("a packet on loopback, 1,000 ports", 2, 1.40).beside("bare loop", &costs[0]).say();
    packet("a packet on loopback, 1,000 ports against 100", 2, 1.25).beside("100 ports", &costs[1]).say();
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
        scope.spawn(|| pace::hear(&peer, progress));
        scope.spawn(|| pace::send(&peer, &ports, progress));
        let cost = measure(progress, &mut *turn, cpu_nanos);
        progress.over.store(true, Ordering::Relaxed);
        cost
    })
}

/// With a socket a port: sharing takes rights that a plain `make bench` may lack.
fn ours(peer: Peer, progress: &Progress, ports: u16) -> f64 {
    run(peer, progress, |_, peer| socket_relay::relay(RELAY, peer, ports, Sockets::PerPort))
}

fn yardstick(_: &Progress, peer: SocketAddr) -> (Vec<SocketAddr>, Box<dyn Turn>) {
    let socket = Peer::bind("127.0.0.1:0").expect("a port for the bare loop");
    let address = socket.local_addr().expect("a bound socket");
    (vec![address], Box::new(yardstick_mmsg::Bare::new(socket, peer)))
}
