//! What one relayed packet costs a core, the kernel's receiving included: sockets and the fast path, on a virtual cable.
//!
//! A peer in a network namespace of its own sends G.711-sized packets at a steady pace to all ports of the relay and gets them back. It makes
//! them in the kernel, as frames that no buffer of its stack was built for: so the switch's end gets them as from the driver of a card. By a
//! socket they would come as buffers with too little room for XDP, and a cable copies each of those before a program runs: what that makes of
//! the same relays stands beside. Counted are the relay's thread and the kernel's thread that receives at the switch's end; both have one core,
//! the peer the other. Variants take turns; medians count. Last, a million packets a second are relayed for some seconds.
//! Takes root, two cores and clang. `cargo bench -p benches --bench relay_cable [-- ROUNDS [WORDS]]`: only variants whose names have one of the
//! words, or `million`, run then, and nothing is judged.

mod cable;
mod frames;
mod kernel_relay;
#[allow(dead_code, reason = "over loopback one thread's clock is enough")]
mod pace;
#[allow(dead_code, reason = "memory is another bench's question")]
mod socket_relay;
mod spent;
mod tokio_relay;
mod yardstick_mmsg;

use std::net::{IpAddr, SocketAddr, UdpSocket as Peer};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aya::maps::Array;
use aya::programs::{Xdp, XdpMode};
use benches::{Finding, Limit};
use cable::{Cable, PEER, SWITCH};
use fastpath::{FastPath, Mode};
use frames::{Frames, PEER_PORT};
use kernel_relay::{KernelRelay, listen_in_xdp, meet};
use pace::{BURST, PACKETS, Progress, Turn, WARM_UP, measure, median};
use socket_relay::Sockets;
use spent::spent_here;

/// RTP ports, two a call: a thousand pairs of them for the socket relays as T1 says.
const PORTS: u16 = 2_000;
/// Those of a hundred and of ten thousand pairs, as T6 says.
const FEW_PORTS: u16 = 200;
const MANY_PORTS: u16 = 20_000;
const PORT_LOW: u16 = 12_000;
/// Packets a second, by whichever peer.
const RATE: u64 = 1_000 * BURST as u64;
/// Those of ten thousand calls, as T5 says, and for how long.
const FULL_RATE: u64 = 1_000_000;
const FULL_TIME: Duration = Duration::from_secs(3);

const VARIANTS: usize = 15;

/// Nanoseconds of CPU a packet.
type Measure = fn() -> f64;

/// How the peer sends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// As a card would hand it over.
    Frames,
    /// By a socket over the cable.
    Socket,
}

fn address(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().expect("an address"), port)
}

fn main() {
    if !nix::unistd::geteuid().is_root() || !Cable::has_cores() {
        println!("not run: network namespaces take root, and switch and peer a core each");
        return;
    }
    let rounds = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(5);
    let variants: [(&str, Measure); VARIANTS] = [
        ("bare recvmmsg/sendmmsg, one socket", || sockets(By::Frames, bare_loop)),
        ("io_uring, 2,000 ports, steered", || ours(By::Frames, PORTS, Sockets::Steered)),
        ("tokio, 2,000 ports", || sockets(By::Frames, |_, peer| tokio_relay::relay(ports(PORTS), peer))),
        ("bare program on XDP", bare_program),
        ("fast path on XDP", || fast(By::Frames, Mode::Xdp)),
        ("fast path on tc", || fast(By::Frames, Mode::Tc)),
        ("io_uring, 2,000 ports, a socket each", || ours(By::Frames, PORTS, Sockets::PerPort)),
        ("io_uring, 2,000 ports, connected", || ours(By::Frames, PORTS, Sockets::Connected)),
        ("io_uring, 200 ports, steered", || ours(By::Frames, FEW_PORTS, Sockets::Steered)),
        ("io_uring, 20,000 ports, steered", || ours(By::Frames, MANY_PORTS, Sockets::Steered)),
        ("bare loop, peer sends by a socket", || sockets(By::Socket, bare_loop)),
        ("io_uring, steered, peer by a socket", || ours(By::Socket, PORTS, Sockets::Steered)),
        ("fast path on XDP, peer by a socket", || fast(By::Socket, Mode::Xdp)),
        ("fast path on tc, peer by a socket", || fast(By::Socket, Mode::Tc)),
        ("io_uring, steered, without stamps", || ours(By::Frames, PORTS, Sockets::Unstamped)),
    ];
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| word.contains(char::is_alphabetic) && !word.starts_with('-')).collect();
    if !words.is_empty() {
        return only(&variants, &words, rounds);
    }
    let mut costs = [const { Vec::new() }; VARIANTS];
    for _ in 0..rounds {
        for ((_, variant), costs) in variants.iter().zip(&mut costs) {
            costs.push(std::thread::spawn(*variant).join().expect("the variant runs"));
        }
    }
    let (medians, kept) = (costs.clone().map(median), costs.clone());
    println!("CPU of the switch's end a packet, kernel included, {RATE} packets a second, {rounds} rounds");
    for (((name, _), cost), all) in variants.iter().zip(medians).zip(costs) {
        let spread = all.iter().copied().fold(f64::MIN, f64::max) - all.iter().copied().fold(f64::MAX, f64::min);
        println!("{name:38} {cost:7.0} ns (spread {spread:5.0})   {:.2} x the bare loop", cost / medians[0]);
    }
    say(&kept);
    let full: Vec<Full> = (0..rounds).map(|_| std::thread::spawn(full).join().expect("it runs")).collect();
    say_full(&full);
}

/// Runs what is named, for who changes something.
fn only(variants: &[(&str, Measure)], words: &[String], rounds: usize) {
    for _ in 0..rounds {
        for (name, variant) in variants.iter().filter(|(name, _)| words.iter().any(|word| name.contains(word.as_str())))
        {
            println!("{name:38} {:7.0} ns", std::thread::spawn(*variant).join().expect("the variant runs"));
        }
        if words.iter().any(|word| "million".contains(word.as_str())) {
            say_full(&[std::thread::spawn(full).join().expect("it runs")]);
        }
    }
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
}

/// A second of [`FULL_RATE`].
struct Full {
    /// Packets a second that were made.
    offered: f64,
    /// The share of them that did not come back, per cent.
    lost: f64,
    /// Of these, those that the relay had sent: the peer was late to take them.
    lost_behind: f64,
    /// Of the core that relayed them, per cent.
    share: f64,
}

/// As many packets as ten thousand calls have, through the fast path on XDP on one core.
fn full() -> Full {
    let (cable, ports) = (Cable::lay(), ports(MANY_PORTS));
    let kernel = KernelRelay::start(&cable, Mode::Xdp, &ports);
    let frames = Frames::start(&cable, &ports, FULL_RATE, true);
    wait_for(WARM_UP, || frames.heard());
    let (begun, nanos, made) = (Instant::now(), cable.receiving_nanos(), frames.made());
    std::thread::sleep(FULL_TIME);
    let (nanos, made, time) = (cable.receiving_nanos() - nanos, frames.made() - made, begun.elapsed());
    let (all, heard, _) = frames.stop();
    let relayed = kernel.relayed();
    assert!(relayed >= heard, "who relayed them has counted them");
    Full {
        offered: made as f64 / time.as_secs_f64(),
        lost: (all - heard) as f64 / all as f64 * 100.0,
        lost_behind: (relayed - heard) as f64 / all as f64 * 100.0,
        share: nanos as f64 / time.as_nanos() as f64 * 100.0,
    }
}

fn say_full(rounds: &[Full]) {
    let each = |figure: fn(&Full) -> f64| rounds.iter().map(figure).collect::<Vec<_>>();
    let all = [each(|full| full.offered), each(|full| full.lost), each(|full| full.share)];
    let [offered, lost, share] = all.clone().map(median);
    let behind = median(each(|full| full.lost_behind));
    println!(
        "{offered:.0} packets a second of 20,000 flows on XDP: {share:.0} % of one core, {lost:.3} % lost, of all {behind:.3} % behind the relay"
    );
    let rows = [
        ("packets a second, 20,000 flows on XDP", "packets/s", Limit::Least(0.99 * FULL_RATE as f64)),
        ("of these, lost", "%", Limit::Most(0.3)),
        ("what they take", "% of a core", Limit::Most(60.0)),
    ];
    for ((what, unit, limit), figures) in rows.into_iter().zip(all) {
        Finding::alone("T5", what, unit, figures, limit).say();
    }
}

fn ports(count: u16) -> Vec<SocketAddr> {
    (0..count).map(|place| address(SWITCH, PORT_LOW + 2 * place)).collect()
}

fn own() -> IpAddr {
    SWITCH.parse().expect("an address")
}

/// A peer at work, until it is dropped.
enum Speaker {
    Frames(Box<Frames>),
    Socket { progress: Arc<Progress>, threads: Vec<JoinHandle<()>> },
}

impl Speaker {
    /// Sends to all ports at [`RATE`], and takes what comes back.
    fn start(by: By, cable: &Cable, ports: Vec<SocketAddr>, summed: bool) -> Speaker {
        if by == By::Frames {
            return Speaker::Frames(Box::new(Frames::start(cable, &ports, RATE, summed)));
        }
        let (place, socket) = (cable.peer(), Arc::new(cable.peer_socket(PEER_PORT)));
        socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a time-out on the peer");
        let progress = Arc::new(Progress::default());
        let hear = {
            let (place, socket, progress) = (place.clone(), Arc::clone(&socket), Arc::clone(&progress));
            move || {
                place.stand();
                pace::hear(&socket, &progress);
            }
        };
        let known = Arc::clone(&progress);
        let send = move || {
            place.stand();
            pace::send(&socket, &ports, &known);
        };
        Speaker::Socket { progress, threads: vec![std::thread::spawn(hear), std::thread::spawn(send)] }
    }

    /// Packets that came back, where that is counted.
    fn heard(&self) -> u64 {
        match self {
            Speaker::Frames(frames) => frames.heard(),
            Speaker::Socket { .. } => 0,
        }
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        let Speaker::Socket { progress, threads } = self else { return };
        progress.over.store(true, Ordering::Relaxed);
        for thread in threads.drain(..) {
            thread.join().expect("the peer ends");
        }
    }
}

/// Runs a relay over sockets; nanoseconds a packet.
fn sockets(by: By, relay: impl Fn(&Progress, SocketAddr) -> (Vec<SocketAddr>, Box<dyn Turn>)) -> f64 {
    let (cable, progress) = (Cable::lay(), Progress::default());
    cable.stand_at_switch();
    let (ports, mut turn) = relay(&progress, address(PEER, PEER_PORT));
    let _speaker = Speaker::start(by, &cable, ports, false);
    measure(&progress, &mut *turn, || spent_here() + cable.receiving_nanos())
}

fn ours(by: By, ports: u16, how: Sockets) -> f64 {
    sockets(by, |_, peer| socket_relay::relay(own(), peer, ports, how))
}

fn bare_loop(_: &Progress, peer: SocketAddr) -> (Vec<SocketAddr>, Box<dyn Turn>) {
    let socket = Peer::bind(address(SWITCH, PORT_LOW)).expect("a port for the bare loop");
    (vec![address(SWITCH, PORT_LOW)], Box::new(yardstick_mmsg::Bare::new(socket, peer)))
}

fn wait_for(enough: u64, count: impl Fn() -> u64) {
    let begun = Instant::now();
    while count() < enough {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} of {enough} packets relayed in a minute", count());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Measures what the kernel's thread spends while nobody else relays.
fn in_the_kernel(by: By, cable: &Cable, ports: Vec<SocketAddr>, relayed: impl Fn(&Speaker) -> u64) -> f64 {
    let speaker = Speaker::start(by, cable, ports, true);
    let relayed = || relayed(&speaker);
    wait_for(WARM_UP, relayed);
    let (before, first) = (cable.receiving_nanos(), relayed());
    wait_for(WARM_UP + PACKETS, relayed);
    (cable.receiving_nanos() - before) as f64 / (relayed() - first) as f64
}

fn fast(by: By, mode: Mode) -> f64 {
    let cable = Cable::lay();
    let _listening: Option<FastPath> = (by == By::Socket && mode == Mode::Xdp).then(|| listen_in_xdp(&cable));
    let kernel = KernelRelay::start(&cable, mode, &ports(PORTS));
    in_the_kernel(by, &cable, ports(PORTS), |_| kernel.relayed())
}

fn bare_program() -> f64 {
    let cable = Cable::lay();
    meet(&cable);
    let object = frames::compile("bare_relay.c");
    let mut kernel = aya::Ebpf::load_file(&object).expect("the kernel takes the tables");
    std::fs::remove_file(&object).expect("written just now");
    let mut ways: Array<_, [u8; 16]> =
        Array::try_from(kernel.take_map("ways").expect("declared")).expect("an array of sixteen bytes");
    let ports = ports(PORTS);
    for (place, local) in ports.iter().enumerate() {
        let from = ports[place ^ 1].port();
        ways.set(u32::from(local.port()), way(local.port(), from), 0).expect("written");
    }
    let program: &mut Xdp = kernel.program_mut("bare").expect("declared").try_into().expect("of XDP");
    program.load().expect("the kernel takes the program");
    program.attach("a0", XdpMode::Driver).expect("the interface takes it");
    // It has no counters of its own.
    in_the_kernel(By::Frames, &cable, ports, Speaker::heard)
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
