//! What the media of a call takes in memory: what 3,000 calls have more than 1,000, each number of them in a process of its own. What is
//! there without any call, which all share, is said beside it.

use std::net::IpAddr;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use benches::{Finding, Limit, median};

use crate::cable::{Cable, PEER, SWITCH};
use crate::frames::PEER_PORT;
use crate::pace::{Progress, Turn};
use crate::rtpengine::{Rtpengine, resident};
use crate::socket_relay::{self, Sockets};

/// What a process is told that is there only to be looked at.
const WORD: &str = "memory";
const CALLS: [u16; 2] = [1_000, 3_000];
const BYTES_MAX: f64 = 16_384.0;
/// How each is named to the process that makes it, and to people.
const VARIANTS: [(&str, &str); 3] =
    [("shared", "our sockets, shared"), ("own", "our sockets, one a port"), ("rtpengine", "rtpengine")];
/// Packets that wait in the relay's socket at most: none of them is to be lost.
const WAITING: usize = 32;
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes: those of the relay's process that are resident, and those that the kernel has in small pieces, for whomever.
type Held = [f64; 2];

/// Does what [`measure`] started this process for; false if it was started for anything else.
pub fn look() -> bool {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [word, variant, calls] = words.as_slice() else { return false };
    if word != WORD {
        return false;
    }
    let calls: u16 = calls.parse().expect("a number of calls");
    let cable = Cable::lay();
    cable.stand_at_switch();
    let [resident, slab] = match variant.as_str() {
        "rtpengine" => {
            let engine = Rtpengine::start(&cable, calls.into()).expect("rtpengine takes calls");
            [engine.resident(), slab()]
        }
        "own" => ours(&cable, calls, Sockets::Pairs),
        _ => ours(&cable, calls, Sockets::Steered),
    };
    println!("{resident} {slab}");
    true
}

/// Our relay with so many calls, each of whose ports has passed a packet on.
fn ours(cable: &Cable, calls: u16, sockets: Sockets) -> [u64; 2] {
    let peer = cable.peer_socket(PEER_PORT);
    let [own, far] = [SWITCH, PEER].map(|ip| ip.parse::<IpAddr>().expect("an address"));
    let (ports, mut turn) = socket_relay::relay(own, (far, PEER_PORT).into(), 2 * calls, sockets);
    let (progress, mut packet) = (Progress::default(), [0; 172]);
    packet[..2].copy_from_slice(&[0x80, 8]);
    for (place, port) in ports.iter().enumerate() {
        peer.send_to(&packet, port).expect("a packet leaves");
        if (place + 1).is_multiple_of(WAITING) {
            relay(&mut *turn, &progress, place + 1);
        }
    }
    relay(&mut *turn, &progress, ports.len());
    [resident(std::process::id()), slab()]
}

fn relay(turn: &mut dyn Turn, progress: &Progress, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    while progress.relayed.load(Ordering::Relaxed) < count as u64 {
        assert!(Instant::now() < deadline, "of {count} packets {:?} were relayed", progress.relayed);
        turn.turn(progress);
    }
}

/// Bytes that the kernel has in small pieces (proc_meminfo(5)).
fn slab() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Slab:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().map_or(0, |kilobytes| kilobytes << 10)
}

/// Prints a table, and the rows of the table of all targets.
pub fn measure(rounds: u64, with_rtpengine: bool) {
    let [few, many] = CALLS;
    println!("\nmemory of a call's media: what {many} calls have more than {few}, medians of {rounds} rounds");
    println!("{:26}{:>14}{:>20}{:>22}", "", "bytes a call", "and in the kernel", "MiB without a call");
    for (variant, name) in VARIANTS {
        if variant == "rtpengine" && !with_rtpengine {
            continue;
        }
        let held: Vec<[Held; 2]> = (0..rounds).map(|_| CALLS.map(|calls| holding(variant, calls))).collect();
        let slope = |what: usize| -> Vec<f64> {
            held.iter().map(|[some, more]| (more[what] - some[what]) / f64::from(many - few)).collect()
        };
        let middle = |figures: &[f64]| median(figures).unwrap_or(f64::NAN);
        let own = slope(0);
        let shared: Vec<f64> = held.iter().zip(&own).map(|([some, _], each)| some[0] - each * f64::from(few)).collect();
        let (kernel, mib) = (middle(&slope(1)), middle(&shared) / f64::from(1 << 20));
        println!("{name:26}{:14.0}{kernel:20.0}{mib:22.1}", middle(&own));
        if variant != "rtpengine" {
            let what = format!("memory of a call's media, {name}");
            Finding::alone("MEDIA", &what, "bytes", own, Limit::Most(BYTES_MAX)).say();
        }
    }
}

/// What a process of its own has with so many calls.
fn holding(variant: &str, calls: u16) -> Held {
    let own = std::env::current_exe().expect("this program");
    let out = Command::new(own).args([WORD, variant, &calls.to_string()]).output().expect("it starts");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{variant}: {text}{}", String::from_utf8_lossy(&out.stderr));
    let mut figures = text.split_whitespace().map(|word| word.parse().expect("a number of bytes"));
    [(); 2].map(|()| figures.next().expect("two numbers"))
}
