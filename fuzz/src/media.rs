//! RTP and RTCP at the relay: ports, pairs, packets.

use std::net::SocketAddr;

use media::{Pair, Relay, Verdict};
use units::Instant;

use crate::mutate::Chance;
use crate::script::Script;

const PORT_LOW: u16 = 20_000;
const PORT_HIGH: u16 = 20_039;
/// Streams at the same time; more are refused by the relay itself.
const STREAMS_MAX: usize = 32;

/// Rows of events.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut chance = Chance::new(5);
    (0..16).map(|_| (0..400).map(|_| chance.any() as u8).collect()).collect()
}

fn peer(script: &mut Script<'_>) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, script.byte() % 4], 4_000 + u16::from(script.byte() % 4)))
}

/// RTP or RTCP with a plausible head, or anything.
fn packet(script: &mut Script<'_>) -> Vec<u8> {
    let head: &[u8] = match script.below(4) {
        0 => &[0x80, 8],
        1 => &[0x80, 200, 0, 6],
        2 => &[0x90, 0x65],
        _ => &[],
    };
    [head, script.chunk()].concat()
}

/// A packet goes to the other side or nowhere; what was closed is free again.
pub fn relay(bytes: &[u8]) {
    let (mut script, mut relay) = (Script(bytes), Relay::new(PORT_LOW, PORT_HIGH, 7));
    let (mut open, mut micros): (Vec<Pair>, u64) = (Vec::new(), 1);
    while !script.is_over() {
        let now = Instant::from_micros(micros);
        let chosen = open.get(script.below(STREAMS_MAX)).copied();
        match (script.below(8), chosen) {
            (0, _) if open.len() < STREAMS_MAX => open.extend(relay.open(now)),
            (1, Some(pair)) => {
                let other = open[script.below(open.len())];
                if other.id != pair.id {
                    relay.join(pair.id, other.id);
                }
            }
            (2, Some(pair)) => relay.expect(pair.id, peer(&mut script), peer(&mut script)),
            (3, Some(pair)) => {
                let _ = (relay.quality(pair.id), relay.last_heard(pair.id), relay.close(now, pair.id));
                open.retain(|kept| kept.id != pair.id);
            }
            (4, _) => micros += u64::from(script.word()) * 1_000,
            _ => {
                let port = PORT_LOW + u16::from(script.byte() % 44);
                if let Verdict::Forward { port: from, .. } =
                    relay.on_packet(now, port, peer(&mut script), &packet(&mut script))
                {
                    let has = |port: u16| open.iter().any(|pair| pair.rtp_port == port & !1);
                    assert!(has(port) && has(from) && from != port, "from {port} out of {from}: both are open");
                    assert_eq!(port & 1, from & 1, "RTP stays RTP, RTCP stays RTCP");
                }
            }
        }
        assert_eq!(relay.ports_used() as usize, open.len() * 2, "ports are counted");
    }
    for pair in open {
        relay.close(Instant::from_micros(micros), pair.id);
    }
    assert_eq!(relay.ports_used(), 0, "what was closed is free again");
}
