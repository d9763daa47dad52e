//! What encryption costs a media packet: the relay without sockets, in the clear, opening, and sealing, by suite.
//!
//! A packet of G.711 (160 bytes of voice) goes through `media::Relay` from one leg to the other; nanoseconds a packet, median over the
//! rounds. `cargo bench -p benches --bench srtp_packet [-- ROUNDS]`

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Instant;

use media::srtp::{Context, SEAL_BYTES_MAX, Secret};
use media::{Pair, Relay, Seal, Verdict};
use units::Suite;

/// Packets of one round; each has a number of its own, and all are made before the clock starts.
const PACKETS: u32 = 50_000;
const PACKET_BYTES: usize = 172;
const ROOM_BYTES: usize = PACKET_BYTES + SEAL_BYTES_MAX;

type Room = ([u8; ROOM_BYTES], usize);

fn main() {
    let rounds = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(5_usize);
    let clear = median(rounds, || through(None, None));
    println!("{:<26}{:>10}{:>10}{:>16}", "one packet of G.711", "opened", "sealed", "both, by clear");
    println!("{:<26}{clear:>7.0} ns{clear:>7.0} ns", "in the clear");
    for suite in Suite::ALL {
        let opened = median(rounds, || through(Some(suite), None));
        let sealed = median(rounds, || through(None, Some(suite)));
        let both = (opened + sealed - clear) / clear;
        println!("{:<26}{opened:>7.0} ns{sealed:>7.0} ns{both:>14.1} x", suite.name());
    }
}

fn median(rounds: usize, mut round: impl FnMut() -> f64) -> f64 {
    let mut all: Vec<f64> = (0..rounds.max(1)).map(|_| round()).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn secret(suite: Suite, seed: u8) -> Secret {
    Secret::new(suite, &vec![seed; suite.secret_bytes()]).expect("it has the suite's length")
}

/// Nanoseconds a packet from a leg that encrypts so to a leg that wants it so.
fn through(opens: Option<Suite>, seals: Option<Suite>) -> f64 {
    let mut relay = Relay::new(20_000, 20_099, 7);
    let now = units::Instant::default();
    let [from, to]: [Pair; 2] = [(); 2].map(|()| relay.open(now).expect("a free pair"));
    let (near, far) = (SocketAddr::from(([192, 0, 2, 1], 4_000)), SocketAddr::from(([192, 0, 2, 2], 4_000)));
    relay.join(from.id, to.id);
    relay.expect(from.id, near, near);
    relay.expect(to.id, far, far);
    relay.open_with(from.id, opens.map(|suite| secret(suite, 1)));
    relay.seal_with(to.id, seals.map_or(Seal::Plain, |suite| Seal::With(secret(suite, 2))));
    let mut peer = opens.map(|suite| Context::new(secret(suite, 1)));
    let mut rooms: Vec<Room> = (0..PACKETS).map(|number| packet(number, &mut peer)).collect();
    let begun = Instant::now();
    for (room, length) in &mut rooms {
        let verdict = relay.on_room(now, now, from.rtp_port, near, room, *length);
        assert!(!matches!(black_box(verdict), Verdict::Drop(_)), "every packet goes on");
    }
    begun.elapsed().as_nanos() as f64 / f64::from(PACKETS)
}

/// The n-th packet as the peer sends it.
fn packet(number: u32, peer: &mut Option<Context>) -> Room {
    let mut room = [0xd5; ROOM_BYTES];
    room[..2].copy_from_slice(&[0x80, 8]);
    room[2..4].copy_from_slice(&(number as u16).to_be_bytes());
    room[4..8].copy_from_slice(&(number * 160).to_be_bytes());
    room[8..12].copy_from_slice(&7_u32.to_be_bytes());
    let length = peer.as_mut().map_or(PACKET_BYTES, |peer| {
        peer.seal(&mut room, PACKET_BYTES).expect("there is room, and each number comes once")
    });
    (room, length)
}
