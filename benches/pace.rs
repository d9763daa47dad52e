//! What both relay benches share: a peer's steady pace over all ports, and how a relay says how far it is.

use std::net::{SocketAddr, UdpSocket as Peer};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Packets that are measured.
pub const PACKETS: u64 = 200_000;
/// Packets before that.
pub const WARM_UP: u64 = 20_000;
/// Packets every millisecond.
pub const BURST: usize = 80;
const G711_20MS_BYTES: usize = 172;

/// Shared by the relay and its peer.
#[derive(Default)]
pub struct Progress {
    /// Packets of which the relay is rid.
    pub relayed: AtomicU64,
    /// The peer may stop.
    pub over: AtomicBool,
}

/// One turn of a relay's loop.
pub trait Turn {
    /// Waits for packets and relays them.
    fn turn(&mut self, progress: &Progress);
}

/// Sends at a steady pace over all ports until it is over, each port with its own sequence.
pub fn send(peer: &Peer, ports: &[SocketAddr], progress: &Progress) {
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

/// Forgets what comes back until it is over; the socket has a time-out.
pub fn hear(peer: &Peer, progress: &Progress) {
    let mut bytes = [0; 2_048];
    while !progress.over.load(Ordering::Relaxed) {
        let _ = peer.recv_from(&mut bytes);
    }
}

/// Nanoseconds of CPU that a packet costs by this clock, over [`PACKETS`] after the [`WARM_UP`].
pub fn measure(progress: &Progress, turn: &mut dyn Turn, clock: impl Fn() -> u64) -> f64 {
    let mut relay_until = |enough: u64| {
        while progress.relayed.load(Ordering::Relaxed) < enough {
            turn.turn(progress);
        }
        progress.relayed.load(Ordering::Relaxed)
    };
    let first = relay_until(WARM_UP);
    let before = clock();
    let last = relay_until(WARM_UP + PACKETS);
    (clock() - before) as f64 / (last - first) as f64
}

/// CPU time of the calling thread in nanoseconds.
pub fn cpu_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The one in the middle.
pub fn median(mut costs: Vec<f64>) -> f64 {
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}
