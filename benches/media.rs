//! Media at equal offered rates through our relays and through others', Debian's rtpengine among them: CPU, delay, loss, memory.
//!
//! A peer in a network namespace of its own sends stamped RTP to 2,000 ports (1,000 calls) and gets it back. It makes and takes packets in the
//! kernel (`frames.rs`), so that every relay gets them as from the driver of a card. Counted are the relay's threads and the kernel's thread that
//! receives at the switch's end, on one core; the peer has the other. Variants take turns; medians count. Takes root and two cores. Memory is
//! counted apart, in processes that hold more and fewer calls.
//! `make bench-media`, or `cargo bench -p benches --bench media [-- ROUNDS [SECONDS]]`

mod cable;
#[allow(dead_code, reason = "the other bench has a program of its own, and counts while it runs")]
mod frames;
#[allow(dead_code, reason = "the other bench counts what the kernel relays")]
mod kernel_relay;
mod media_memory;
#[allow(dead_code, reason = "the other bench uses the rest")]
mod pace;
mod rtpengine;
#[allow(dead_code, reason = "the other bench has every kind of socket")]
mod socket_relay;
#[allow(dead_code, reason = "the other bench asks about its own thread")]
mod spent;
mod tokio_relay;
mod yardstick_mmsg;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use benches::{Finding, Limit, median};
use cable::{Cable, PEER, SWITCH};
use fastpath::Mode;
use frames::{Frames, PEER_PORT};
use kernel_relay::KernelRelay;
use pace::{Progress, Turn};
use rtpengine::Rtpengine;
use socket_relay::Sockets;
use spent::spent;

const CALLS: u16 = 1_000;
/// What waits at one socket that hears for many; a tenth of a second of it at least is not lost there.
const WAITING_BYTES: usize = 16 << 20;
const PORT_LOW: u16 = 12_000;
/// Packets a second of a G.711 call with packets of 20 ms, both directions.
const PACKETS_A_CALL: f64 = 100.0;
const RATES: [u64; 3] = [10_000, 50_000, 100_000];
/// Rates are equal where each is as near to the one that was asked for.
const EQUAL: f64 = 0.02;
/// Delays are judged up to this share of what one core relays.
const LOAD_MAX: f64 = 0.8;
const WARM_UP: Duration = Duration::from_millis(500);
/// Rates that are tried one after the other until one is not clean; between it and the last clean one the interval is halved.
const STEPS: [u64; 10] = [20_000, 40_000, 60_000, 80_000, 100_000, 125_000, 150_000, 175_000, 200_000, 250_000];
const HALVINGS: usize = 3;
/// What else the machine does may spoil a try, of either relay.
const TRIES: usize = 2;
const STEP_TIME: Duration = Duration::from_secs(1);
/// The share of packets that a clean run loses at most; peer and relay have the same cores, and some find a queue full.
const CLEAN: f64 = 0.005;

/// Who relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    Sockets,
    FastXdp,
    FastTc,
    Bare,
    Tokio,
    Rtpengine,
}

const VARIANTS: [(Variant, &str); 6] = [
    (Variant::Sockets, "our sockets"),
    (Variant::FastXdp, "fast path, XDP"),
    (Variant::FastTc, "fast path, tc"),
    (Variant::Bare, "bare mmsg loop"),
    (Variant::Tokio, "tokio"),
    (Variant::Rtpengine, "rtpengine"),
];

/// A relay at work.
enum Relay {
    Thread {
        over: Arc<AtomicBool>,
        task: PathBuf,
        thread: Option<JoinHandle<()>>,
    },
    /// It relays as long as it is there.
    Kernel {
        _program: Box<KernelRelay>,
    },
    Rtpengine(Rtpengine),
}

/// What one run of one variant at one rate showed.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// CPU of the switch's end a packet that came back, in nanoseconds.
    nanos: f64,
    /// Packets a second that the peer managed to send.
    offered: f64,
    /// Of those sent, the share that did not come back.
    lost: f64,
    /// Microseconds that half, 99 % and 99.9 % of the packets did not pass.
    delays: [u64; 3],
    /// Microseconds that 99 % of the packets of a [`frames::WINDOW`] did not pass, in the middle one of the windows and in the worst.
    windows: [u64; 2],
}

fn main() {
    if media_memory::look() {
        return;
    }
    if !nix::unistd::geteuid().is_root() || !Cable::has_cores() {
        println!("NOT RUN: network namespaces take root, and switch and peer a core each");
        return;
    }
    let mut numbers = std::env::args().filter_map(|word| word.parse::<u64>().ok());
    let (rounds, seconds) = (numbers.next().unwrap_or(3), numbers.next().unwrap_or(3));
    let with_rtpengine = std::process::Command::new("rtpengine").arg("--version").output().is_ok();
    if !with_rtpengine {
        println!("!!! NOT RUN beside rtpengine: it is not installed (setup/install --bench)");
    }
    for rate in RATES {
        let mut runs: [Vec<Run>; VARIANTS.len()] = Default::default();
        for _ in 0..rounds {
            for ((variant, _), runs) in VARIANTS.iter().zip(&mut runs) {
                if *variant != Variant::Rtpengine || with_rtpengine {
                    runs.push(run_apart(*variant, rate, Duration::from_secs(seconds), false));
                }
            }
        }
        print(rate, &runs);
        say(rate, &runs);
    }
    if with_rtpengine {
        say_maximum(rounds);
    }
    media_memory::measure(rounds, with_rtpengine);
}

/// How far each of the two comes, in turns.
fn say_maximum(rounds: u64) {
    let [mut ours, mut theirs] = [const { Vec::new() }; 2];
    for _ in 0..rounds {
        ours.push(maximum(Variant::Sockets) as f64);
        theirs.push(maximum(Variant::Rtpengine) as f64);
    }
    let [our, their] = [&ours, &theirs].map(|all| median(all).unwrap_or(f64::NAN));
    println!(
        "\nhighest clean rate (at most {} % lost): ours {our}, rtpengine {their}: {}{}",
        CLEAN * 100.0,
        if our > their { "met" } else { "missed" },
        if our == STEPS[STEPS.len() - 1] as f64 { "; more was not tried" } else { "" }
    );
    let name = "highest clean rate of the socket relay, above rtpengine's";
    Finding::alone("MEDIA", name, "packets/s", ours, Limit::Least(their + 1.0)).beside("rtpengine", &theirs).say();
}

/// The highest rate that was offered and came back.
fn maximum(variant: Variant) -> u64 {
    let once = |rate: u64| {
        let run = run_apart(variant, rate, STEP_TIME, true);
        run.lost <= CLEAN && (run.offered / rate as f64 - 1.0).abs() <= EQUAL
    };
    highest(|rate| (0..TRIES).any(|_| once(rate)))
}

/// The highest rate that is clean, as near as the steps and halvings tell.
fn highest(clean: impl Fn(u64) -> bool) -> u64 {
    let steps = STEPS.iter().take_while(|rate| clean(**rate)).count();
    let mut low = steps.checked_sub(1).map_or(0, |last| STEPS[last]);
    let Some(&(mut high)) = STEPS.get(steps) else { return low };
    for _ in 0..HALVINGS {
        // Whole thousands are near enough.
        let middle = (low + high) / 2 / 1_000 * 1_000;
        match clean(middle) {
            true => low = middle,
            false => high = middle,
        }
    }
    low
}

fn run_apart(variant: Variant, rate: u64, time: Duration, queued: bool) -> Run {
    std::thread::spawn(move || run(variant, rate, time, queued)).join().expect("the variant runs")
}

/// One variant at one rate, on a thread of its own, which stands at the switch from now on.
fn run(variant: Variant, rate: u64, time: Duration, queued: bool) -> Run {
    let cable = Cable::lay();
    if queued {
        cable.queue();
    }
    cable.stand_at_switch();
    let (relay, ports) = start(variant, &cable);
    let summed = matches!(variant, Variant::FastXdp | Variant::FastTc);
    let peer = Frames::start(&cable, &ports, rate, summed);
    std::thread::sleep(WARM_UP);
    let spent = || relay.cpu_nanos() + cable.receiving_nanos();
    let (begun, nanos, made, heard) = (Instant::now(), spent(), peer.made(), peer.heard());
    std::thread::sleep(time);
    let (nanos, made, heard) = (spent() - nanos, peer.made() - made, peer.heard() - heard);
    let offered = made as f64 / begun.elapsed().as_secs_f64();
    let (all, back, windows) = peer.stop();
    let sums = windows.iter().fold(vec![0; windows[0].len()], |sums: Vec<u64>, window| {
        sums.iter().zip(window).map(|(sum, count)| sum + count).collect()
    });
    Run {
        nanos: nanos as f64 / heard.max(1) as f64,
        offered,
        lost: 1.0 - back as f64 / all.max(1) as f64,
        delays: [500, 990, 999].map(|permille| percentile(&sums, permille)),
        windows: middle_and_worst(&windows, rate),
    }
}

/// What 99 % of the packets of a window do not pass: of all windows that were whole once the relay was warm.
fn middle_and_worst(windows: &[Vec<u64>], rate: u64) -> [u64; 2] {
    let warm = (WARM_UP.as_nanos() / frames::WINDOW.as_nanos()) as usize;
    let whole = rate * frames::WINDOW.as_millis() as u64 / 2_000;
    let counted = windows.iter().skip(warm).filter(|window| window.iter().sum::<u64>() >= whole);
    let mut all: Vec<u64> = counted.map(|window| percentile(window, 990)).collect();
    all.sort_unstable();
    [all.get(all.len() / 2), all.last()].map(|found| found.copied().unwrap_or(u64::MAX))
}

/// The delay, in microseconds, that so many of a thousand packets do not pass.
fn percentile(delays: &[u64], permille: u64) -> u64 {
    let all: u64 = delays.iter().sum();
    let mut passed = 0;
    let within = |count: &u64| {
        passed += count;
        passed * 1_000 >= all * permille
    };
    delays.iter().position(within).unwrap_or(0) as u64
}

fn own() -> IpAddr {
    SWITCH.parse().expect("an address")
}

fn start(variant: Variant, cable: &Cable) -> (Relay, Vec<SocketAddr>) {
    let ports: Vec<SocketAddr> = (0..2 * CALLS).map(|place| (own(), PORT_LOW + 2 * place).into()).collect();
    match variant {
        Variant::Sockets => on_a_thread(|peer| socket_relay::relay(own(), peer, 2 * CALLS, Sockets::Steered)),
        Variant::Tokio => on_a_thread(move |peer| tokio_relay::relay(ports, peer)),
        Variant::Bare => on_a_thread(|peer| {
            let socket = UdpSocket::bind((own(), PORT_LOW)).expect("a port for the bare loop");
            rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, WAITING_BYTES).expect("root may");
            (vec![(own(), PORT_LOW).into()], Box::new(yardstick_mmsg::Bare::new(socket, peer)))
        }),
        Variant::FastXdp => (Relay::Kernel { _program: Box::new(KernelRelay::start(cable, Mode::Xdp, &ports)) }, ports),
        Variant::FastTc => (Relay::Kernel { _program: Box::new(KernelRelay::start(cable, Mode::Tc, &ports)) }, ports),
        Variant::Rtpengine => {
            let engine = Rtpengine::start(cable, usize::from(CALLS)).expect("rtpengine takes calls");
            let ports = engine.ports.clone();
            (Relay::Rtpengine(engine), ports)
        }
    }
}

type Made = (Vec<SocketAddr>, Box<dyn Turn>);

/// Runs a relay on a thread of its own, which makes it.
fn on_a_thread(make: impl FnOnce(SocketAddr) -> Made + Send + 'static) -> (Relay, Vec<SocketAddr>) {
    let (over, (tell, told)) = (Arc::new(AtomicBool::new(false)), mpsc::channel());
    let known = Arc::clone(&over);
    let thread = std::thread::spawn(move || {
        let (ports, mut turn) = make((PEER.parse::<IpAddr>().expect("an address"), PEER_PORT).into());
        let task = std::fs::canonicalize("/proc/thread-self").expect("this thread");
        tell.send((ports, task)).expect("somebody waits");
        let progress = Progress::default();
        while !known.load(Ordering::Relaxed) {
            turn.turn(&progress);
        }
    });
    let (ports, task) = told.recv().expect("the relay stands");
    (Relay::Thread { over, task, thread: Some(thread) }, ports)
}

impl Relay {
    /// Nanoseconds of CPU that its own threads have spent.
    fn cpu_nanos(&self) -> u64 {
        match self {
            Relay::Thread { task, .. } => spent(task),
            Relay::Kernel { .. } => 0,
            Relay::Rtpengine(engine) => engine.cpu_nanos(),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Relay::Thread { over, thread, .. } = self {
            over.store(true, Ordering::Relaxed);
            // A relay that broke has said so.
            let _ = thread.take().map(JoinHandle::join);
        }
    }
}

fn each(runs: &[Run], figure: impl Fn(&Run) -> f64) -> Vec<f64> {
    runs.iter().map(figure).collect()
}

fn middle(runs: &[Run], figure: impl Fn(&Run) -> f64) -> f64 {
    median(&each(runs, figure)).unwrap_or(f64::NAN)
}

fn print(rate: u64, all: &[Vec<Run>]) {
    println!("\n{rate} packets a second, medians of {} rounds", all[0].len());
    println!(
        "{:16}{:>8}{:>12}{:>13}{:>9}{:>8}{:>24}{:>22}",
        "", "ns", "x rtpengine", "calls a core", "of it %", "lost %", "delay p50/p99/p99.9 us", "p99 of 250 ms, worst"
    );
    let theirs = all.last().map_or(f64::NAN, |runs| middle(runs, |run| run.nanos));
    for ((_, name), runs) in VARIANTS.iter().zip(all).filter(|(_, runs)| !runs.is_empty()) {
        let nanos = middle(runs, |run| run.nanos);
        let delays = [0, 1, 2].map(|place| middle(runs, |run| run.delays[place] as f64) as u64);
        println!(
            "{name:16}{nanos:8.0}{:12.2}{:13.0}{:9.0}{:8.2}{:>24}{:>22}   (offered {:.0}{})",
            nanos / theirs,
            1e9 / nanos / PACKETS_A_CALL,
            load(rate, runs) * 100.0,
            middle(runs, |run| run.lost * 100.0),
            delays.map(|delay| delay.to_string()).join("/"),
            [0, 1].map(|place| middle(runs, |run| run.windows[place] as f64).to_string()).join(", "),
            middle(runs, |run| run.offered),
            if is_equal(rate, runs) { "" } else { ": NOT EQUAL" },
        );
    }
}

/// The share of one core that this rate takes.
fn load(rate: u64, runs: &[Run]) -> f64 {
    rate as f64 * middle(runs, |run| run.nanos) / 1e9
}

/// Whether what was asked for was offered, in the rounds that count.
fn is_equal(rate: u64, runs: &[Run]) -> bool {
    (middle(runs, |run| run.offered) / rate as f64 - 1.0).abs() <= EQUAL
}

/// The rows of the table of all targets. What was not offered at equal rates is compared with nothing.
fn say(rate: u64, all: &[Vec<Run>; VARIANTS.len()]) {
    if !all.iter().all(|runs| runs.is_empty() || is_equal(rate, runs)) {
        println!("!!! NOT JUDGED: this machine did not offer {rate} packets a second to all of them");
        return;
    }
    let [ours, xdp, tc, bare, _, theirs] = all;
    let what = |what: &str| format!("{what}, {rate} packets a second");
    let nanos = |runs: &[Run]| each(runs, |run| run.nanos);
    if !theirs.is_empty() {
        let sockets = Limit::Ratio(if rate >= 50_000 { 0.9 } else { 1.0 });
        let finding = Finding::alone("MEDIA", &what("CPU of the socket relay"), "ns", nanos(ours), sockets);
        finding.beside("rtpengine", &nanos(theirs)).say();
        for (runs, name) in [(xdp, "CPU of the fast path on XDP"), (tc, "CPU of the fast path on tc")] {
            let finding = Finding::alone("MEDIA", &what(name), "ns", nanos(runs), Limit::Ratio(0.15));
            finding.beside("rtpengine", &nanos(theirs)).say();
        }
    }
    if load(rate, ours) > LOAD_MAX {
        println!("!!! delays are not judged: {rate} packets a second are more than 80 % of what a core relays");
        return;
    }
    // What the cable and the peer themselves add is in both.
    let p99 = |runs: &[Run]| each(runs, |run| run.windows[0] as f64);
    let added = p99(ours).iter().zip(p99(bare)).map(|(ours, bare)| (ours - bare).max(0.0)).collect();
    let name = what("delay that the socket relay adds to a bare loop's, p99 of a quarter of a second");
    Finding::alone("MEDIA", &name, "us", added, Limit::Most(200.0)).say();
}
