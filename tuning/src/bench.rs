//! A short look at what a core of this host can do: datagrams passed on over the loopback interface, and how late it wakes.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

/// Rounds; the median counts.
const ROUNDS: usize = 3;
/// A datagram of G.711 with its RTP header.
const BYTES: usize = 172;
/// How long the relay waits for a datagram before it looks whether its round is over.
const PATIENCE: Duration = Duration::from_millis(20);
/// What a thread asks to sleep when its lateness is measured.
const NAP: Duration = Duration::from_millis(1);

/// Prints packets a second and core, and how late a thread wakes.
pub fn run(round_ms: u32, as_json: bool) -> Result<(), String> {
    let round = Duration::from_millis(u64::from(round_ms));
    let rounds: Result<Vec<f64>, std::io::Error> = (0..ROUNDS).map(|_| relay(round)).collect();
    let mut rounds = rounds.map_err(|flaw| format!("the loopback interface: {flaw}"))?;
    rounds.sort_by(f64::total_cmp);
    let (ns, spread) = (rounds[ROUNDS / 2], rounds[ROUNDS - 1] / rounds[0]);
    let mut naps = naps(round);
    naps.sort();
    let late = |percent: usize| naps[(naps.len() - 1) * percent / 100].as_secs_f64() * 1e6;
    let per_core = 1e9 / ns;
    if as_json {
        let found = json!({ "ns_a_packet": ns, "packets_a_second_and_core": per_core, "spread": spread,
            "late_p50_us": late(50), "late_p99_us": late(99) });
        say!("{found:#}");
        return Ok(());
    }
    say!("one plain socket passes on {per_core:.0} packets a second and core ({ns:.0} ns each, spread {spread:.2})");
    say!("that is about {:.0} G.711 calls a core without the fast path", per_core / 100.0);
    say!("a sleep of {} ms ends late by {:.0} µs (p50), {:.0} µs (p99)", NAP.as_millis(), late(50), late(99));
    Ok(())
}

/// Nanoseconds of the relay's thread for each datagram that it passes on.
fn relay(round: Duration) -> std::io::Result<f64> {
    let (relay, peer) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    relay.set_read_timeout(Some(PATIENCE))?;
    peer.set_nonblocking(true)?;
    let (to, back) = (relay.local_addr()?, peer.local_addr()?);
    let (over, passed) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let relaying = scope.spawn(|| pass_on(&relay, back, &over, &passed));
        send(&peer, to, round);
        over.store(true, Ordering::Relaxed);
        let spent = relaying.join().expect("the relay only reads and writes");
        Ok(spent as f64 / passed.load(Ordering::Relaxed).max(1) as f64)
    })
}

/// Passes on until it is told to stop; nanoseconds of processor time.
fn pass_on(relay: &UdpSocket, back: SocketAddr, over: &AtomicBool, passed: &AtomicU64) -> u64 {
    let (mut bytes, began) = ([0; BYTES], processor_ns());
    while !over.load(Ordering::Relaxed) {
        if let Ok(length) = relay.recv(&mut bytes) {
            // A full buffer at the other end loses the datagram; it was passed on all the same.
            let _ = relay.send_to(&bytes[..length], back);
            passed.fetch_add(1, Ordering::Relaxed);
        }
    }
    processor_ns() - began
}

fn send(peer: &UdpSocket, to: SocketAddr, round: Duration) {
    let (mut bytes, began) = ([0; BYTES], Instant::now());
    while began.elapsed() < round {
        // Lost datagrams are not counted by anybody; what came back only needs to be taken away.
        let _ = peer.send_to(&bytes, to);
        let _ = peer.recv(&mut bytes);
    }
}

fn processor_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// By how much sleeps were too long.
fn naps(round: Duration) -> Vec<Duration> {
    let began = Instant::now();
    let mut late = Vec::new();
    while began.elapsed() < round || late.is_empty() {
        let asleep = Instant::now();
        std::thread::sleep(NAP);
        late.push(asleep.elapsed().saturating_sub(NAP));
    }
    late
}
