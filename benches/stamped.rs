//! A peer that sends stamped RTP at a steady rate to all ports of a relay, and measures what comes back: how much, and how late.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::cable::{Cable, PEER};

/// The port that every relay sends back to.
pub const PEER_PORT: u16 = 4_000;
const G711_20MS_BYTES: usize = 172;
/// The stamp stands behind the RTP header.
const STAMP: std::ops::Range<usize> = 12..20;
/// Delays up to so many microseconds are told apart.
const DELAY_MAX: usize = 100_000;
/// What waits at one socket that hears for many; a tenth of a second of it at least is not lost there.
pub const WAITING_BYTES: usize = 16 << 20;
const BURSTS_A_SECOND: u64 = 1_000;

/// A peer at work.
pub struct Peer {
    sent: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    sender: JoinHandle<()>,
    hearer: JoinHandle<Vec<u64>>,
}

impl Peer {
    /// Begins to send so many packets a second, to one port after the other.
    pub fn start(cable: &Cable, ports: Vec<SocketAddr>, rate: u64) -> Peer {
        let socket = Arc::new(stand(cable, PEER_PORT));
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
        let (sent, over, epoch) = (Arc::default(), Arc::default(), Instant::now());
        let (hearing, known) = (Arc::clone(&socket), Arc::clone(&over));
        let hearer = std::thread::spawn(move || hear(&hearing, &known, epoch));
        let (count, known) = (Arc::clone(&sent), Arc::clone(&over));
        let sender = std::thread::spawn(move || send(&socket, &ports, rate, (&count, &known), epoch));
        Peer { sent, over, sender, hearer }
    }

    /// Packets sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Stops, and waits for what is on its way: all packets sent, and by microseconds of delay how many had it.
    pub fn stop(self) -> (u64, Vec<u64>) {
        self.over.store(true, Ordering::Relaxed);
        self.sender.join().expect("the sender ends");
        let delays = self.hearer.join().expect("the hearer ends");
        (self.sent.load(Ordering::Relaxed), delays)
    }
}

/// A socket in the peer's namespace.
pub fn stand(cable: &Cable, port: u16) -> UdpSocket {
    let open = || {
        cable.stand_at_peer();
        let socket = UdpSocket::bind((PEER, port)).expect("a port of the peer");
        // What comes back in a burst must find room: a delay that nobody reads is missing among the late ones.
        rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, WAITING_BYTES).expect("root may");
        socket
    };
    std::thread::scope(|scope| scope.spawn(open).join().expect("the peer stands"))
}

/// The delay, in microseconds, that so many of a thousand packets do not pass.
pub fn percentile(delays: &[u64], permille: u64) -> u64 {
    let all: u64 = delays.iter().sum();
    let mut passed = 0;
    let within = |count: &u64| {
        passed += count;
        passed * 1_000 >= all * permille
    };
    delays.iter().position(within).unwrap_or(0) as u64
}

fn send(socket: &UdpSocket, ports: &[SocketAddr], rate: u64, (count, over): (&AtomicU64, &AtomicBool), epoch: Instant) {
    let mut packet = [0; G711_20MS_BYTES];
    packet[0] = 0x80;
    packet[1] = 8;
    let (mut sent, mut next) = (0, Instant::now());
    while !over.load(Ordering::Relaxed) {
        for _ in 0..rate / BURSTS_A_SECOND {
            let sequence = (sent / ports.len()) as u16;
            packet[2..4].copy_from_slice(&sequence.to_be_bytes());
            packet[STAMP].copy_from_slice(&(epoch.elapsed().as_nanos() as u64).to_be_bytes());
            sent += usize::from(socket.send_to(&packet, ports[sent % ports.len()]).is_ok());
        }
        count.store(sent as u64, Ordering::Relaxed);
        next += Duration::from_secs(1) / BURSTS_A_SECOND as u32;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn hear(socket: &UdpSocket, over: &AtomicBool, epoch: Instant) -> Vec<u64> {
    let (mut bytes, mut delays) = ([0; 2_048], vec![0; DELAY_MAX + 1]);
    loop {
        match socket.recv(&mut bytes) {
            Ok(G711_20MS_BYTES) => {
                let stamp = u64::from_be_bytes(bytes[STAMP].try_into().expect("eight bytes"));
                let delay = (epoch.elapsed().as_nanos() as u64).saturating_sub(stamp) / 1_000;
                delays[(delay as usize).min(DELAY_MAX)] += 1;
            }
            Ok(_) => {}
            // Nothing more is on its way.
            Err(_) if over.load(Ordering::Relaxed) => return delays,
            Err(_) => {}
        }
    }
}
