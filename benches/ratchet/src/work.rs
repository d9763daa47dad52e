//! The pieces of pure code that are counted.

#[path = "../../invite.rs"]
mod invite;
// Shared with the tests of their rooms: records, and a network of trunks and decks.
#[path = "../../../rating/tests/world.rs"]
mod network;
#[path = "../../../rating/cdr/tests/world.rs"]
mod records;
#[path = "../../whole_call.rs"]
mod whole_call;

use std::hint::black_box;
use std::net::SocketAddr;

use cdr::Record;
use media::{Relay, Verdict};
use rating::{Policies, Routes, routes};
use snapshot::View;
use units::Instant;

/// Does it so many times.
type Work = fn(u64);

/// The one function within which the work `call` is counted.
pub const COUNTED: &str = "ratchet::work::counted";

/// Every work, by name.
pub const WORKS: &[(&str, Work)] = &[
    ("sip-parse", sip_parse),
    ("sdp-parse", sdp_parse),
    ("sdp-rewrite", sdp_rewrite),
    ("decision", decision),
    ("media-packet", media_packet),
    ("journal-record", journal_record),
    ("call", call),
];

/// Egress trunks that the decision chooses among.
const TERMINATORS: u32 = 8;
/// RTP header and 20 ms of G.711.
const PACKET_BYTES: usize = 172;
/// How long calls talk.
const TALK_MS: u64 = 500;

fn sip_parse(rounds: u64) {
    let bytes = invite::invite();
    for _ in 0..rounds {
        let message = sip::parse::message(black_box(&bytes)).expect("our own INVITE is good");
        black_box(message.cseq().number);
    }
}

fn body() -> Vec<u8> {
    let bytes = invite::invite();
    sip::parse::message(&bytes).expect("our own INVITE is good").body().to_vec()
}

fn sdp_parse(rounds: u64) {
    let body = body();
    for _ in 0..rounds {
        let description = sdp::parse(black_box(&body)).expect("our own description is good");
        black_box(description.media_count());
    }
}

fn sdp_rewrite(rounds: u64) {
    let (body, mut out) = (body(), Vec::new());
    let rewrite = sdp::Rewrite {
        address: [192, 0, 2, 60].into(),
        ports: &[20_000],
        session_id: 1,
        version: 1,
        direct: false,
        events: sdp::Events::Keep,
        crypt: None,
    };
    for _ in 0..rounds {
        out.clear();
        sdp::rewrite_filtered(black_box(&body), &rewrite, &sdp::Filter::NONE, &mut out).expect("a codec is left");
        black_box(out.len());
    }
}

/// One carrier's call, priced, with eight routes in the order of their prices.
fn decision(rounds: u64) {
    let mut model = network::world();
    for id in 0..TERMINATORS {
        network::way_out(&mut model, id + 2, &format!("0.{}", 9 - id));
    }
    let image = network::image(&model);
    let view = View::open(&image);
    let policies = Policies::compile(&view).expect("there are no policies");
    let mut found = Routes::default();
    for seed in 0..rounds {
        routes(&view, &policies, black_box(&network::ask(seed)), &mut found).expect("all of them are cheap enough");
        black_box(found.kept().len());
    }
}

fn media_packet(rounds: u64) {
    let mut relay = Relay::new(20_000, 20_099, 7);
    let start = Instant::default();
    let legs = [(); 2].map(|()| relay.open(start).expect("a free pair"));
    relay.join(legs[0].id, legs[1].id);
    let peers: [SocketAddr; 2] = [([192, 0, 2, 10], 4_000).into(), ([198, 51, 100, 7], 6_000).into()];
    for (leg, peer) in legs.iter().zip(peers) {
        relay.expect(leg.id, peer, SocketAddr::new(peer.ip(), peer.port() + 1));
    }
    let mut packet = [0; PACKET_BYTES];
    packet[0] = 0x80;
    packet[1] = 8;
    for round in 0..rounds {
        packet[2..4].copy_from_slice(&(round as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&(round as u32 * 160).to_be_bytes());
        let verdict = relay.on_packet(start.plus_millis(round * 20), legs[0].rtp_port, peers[0], black_box(&packet));
        assert!(matches!(verdict, Verdict::Forward { .. }), "the packet goes on");
    }
}

fn journal_record(rounds: u64) {
    let record = Record::Cdr(Box::new(records::full()));
    let mut out = Vec::new();
    for sequence in 0..rounds {
        out.clear();
        cdr::segment::frame(sequence, black_box(&record), &mut out);
        black_box(out.len());
    }
}

/// A whole call through a shard, as `benches/calls` plays them: four trunks, ten thousand prefixes, messages captured, half a second of
/// talk, and the ends of all its transactions. Only what the shard does is counted.
fn call(rounds: u64) {
    let settings = whole_call::Settings { trunks: 4, prefixes: 10_000, trace_percent: 100, count: counted };
    let mut world = whole_call::World::new(&settings);
    for number in 0..rounds {
        black_box(world.call(number, TALK_MS));
    }
    black_box(world.rest());
}

#[inline(never)]
fn counted(work: &mut dyn FnMut()) -> u64 {
    work();
    0
}
