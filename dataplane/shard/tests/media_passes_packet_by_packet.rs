//! What one peer sends is what the other hears, through a whole shard: each packet, in order, unchanged, from the named address
//! alone; what strangers send reaches nobody.

#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use std::net::SocketAddr;

use shard::guard::Settings;
use world::{ORIGINATOR, SDP, TERMINATOR, World, find, invite, reply, request};

/// Two peers talk; the ports of ours that each was told, and where each wants its media.
struct Call {
    world: World,
    ports: [u16; 2],
    peers: [SocketAddr; 2],
}

fn port(message: &str) -> u16 {
    let media = message.lines().find(|line| line.starts_with("m=audio")).expect("there is a description");
    media.split(' ').nth(1).unwrap().parse().unwrap()
}

fn talk(name: &str) -> Call {
    let mut world = World::new(Settings::default());
    let heard = world.hear(ORIGINATOR, invite(name).as_bytes());
    let passed = find(&heard, TERMINATOR, "INVITE ").expect("the call is passed on");
    let theirs = SDP.replace(&format!("m=audio {}", port(SDP)), "m=audio 7000").replace("192.0.2.60", "192.0.2.1");
    let answered = world.hear(TERMINATOR, reply(&passed, "200 OK", "ours", &theirs).as_bytes());
    let answer = find(&answered, ORIGINATOR, "SIP/2.0 200").expect("it is answered");
    world.hear(ORIGINATOR, request(&answer, "ACK", 1).as_bytes());
    let host = |sdp: &str| sdp.lines().find_map(|line| line.strip_prefix("c=IN IP4 ")).unwrap().to_owned();
    let peers =
        [format!("{}:{}", host(SDP), port(SDP)), format!("{}:7000", host(&theirs))].map(|at| at.parse().unwrap());
    Call { world, ports: [port(&answer), port(&passed)], peers }
}

/// The n-th packet of a stream: its own payload type, marker, sequence, time, source and length.
fn packet(number: u32, source: u32) -> Vec<u8> {
    let mut packet = vec![0x80, if number.is_multiple_of(50) { 0x88 } else { 8 }];
    packet.extend((65_500u32.wrapping_add(number) as u16).to_be_bytes());
    packet.extend((u32::MAX - 4_000).wrapping_add(160 * number).to_be_bytes());
    packet.extend(source.to_be_bytes());
    packet.extend((0..160).map(|place| (number.wrapping_mul(7) + place) as u8));
    packet.truncate(if number % 9 == 4 { 14 } else { 172 });
    packet
}

impl Call {
    /// Where a packet from there to our port of this side goes: our port that it leaves from, and to whom.
    fn hear(&mut self, side: usize, from: SocketAddr, bytes: &[u8]) -> Option<(u16, SocketAddr)> {
        let clock = self.world.clock();
        let mut room = bytes.to_vec();
        let forward = self.world.shard.on_media(clock, clock.now, self.ports[side], from, &mut room, bytes.len())?;
        assert_eq!((&room[..], forward.length), (bytes, bytes.len()));
        Some((forward.port, forward.to))
    }
}

#[test]
fn each_packet_leaves_once_in_order_from_the_port_that_its_hearer_was_told() {
    let mut call = talk("exact");
    let mut heard: [Vec<Vec<u8>>; 2] = Default::default();
    for number in 0..500 {
        call.world.now_us += 20_000;
        for side in [0, 1] {
            let (sent, from) = (packet(number, side as u32 + 1), call.peers[side]);
            // The shard is handed the bytes and hands none back: what is sent on is what came.
            let (port, to) = call.hear(side, from, &sent).expect("it is passed on");
            assert_eq!((port, to), (call.ports[1 - side], call.peers[1 - side]));
            heard[1 - side].push(sent);
        }
    }
    for (side, packets) in heard.iter().enumerate() {
        let wanted: Vec<_> = (0..500).map(|number| packet(number, 2 - side as u32)).collect();
        assert_eq!(*packets, wanted);
    }
    assert_eq!(call.world.counter("media_relayed"), 1_000);
    let mut rows = Vec::new();
    call.world.shard.calls(call.world.clock(), 1, &mut rows);
    let media = [rows[0].ingress_media, rows[0].egress_media];
    assert!(media.iter().all(|media| media.packets == 500 && media.lost == 0 && media.mos_x100 > 400), "{media:?}");
}

#[test]
fn strangers_neither_inject_nor_listen() {
    let mut call = talk("strangers");
    for side in [0, 1] {
        let from = call.peers[side];
        call.hear(side, from, &packet(0, 1)).expect("the peer speaks first");
    }
    let neighbour = SocketAddr::new(call.peers[0].ip(), call.peers[0].port() + 2);
    for stranger in ["203.0.113.66:4000".parse().unwrap(), neighbour, call.peers[1]] {
        for number in 0..100 {
            assert_eq!(call.hear(0, stranger, &packet(number, 9)), None, "{stranger} injects");
        }
    }
    // A stranger that sprays ports learns nothing either: no port answers it, then or later.
    let clock = call.world.clock();
    for port in (20_000..40_000).step_by(2) {
        assert!(
            call.world
                .shard
                .on_media(clock, clock.now, port, "203.0.113.66:4000".parse().unwrap(), &mut packet(0, 9), 172)
                .is_none()
        );
    }
    let (to, from) = (call.peers[0], call.peers[1]);
    assert_eq!(call.hear(1, from, &packet(1, 2)).map(|(_, to)| to), Some(to), "media goes where it went");
}
