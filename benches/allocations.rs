//! How often memory is asked for: by message, by media packet, and by each step of a whole call through a shard without sockets.
//!
//! `cargo bench -p benches --bench allocations`
//!
//! T7 wants none in steady state. Everything is done many times before it is counted, so that tables and buffers have
//! their size. What the bench itself allocates (the peers' messages) is not counted.

mod counting;
// Shared with the tests of `rating`: a model of trunks and decks.
#[path = "../rating/tests/world.rs"]
mod network;
mod whole_call;

use std::net::SocketAddr;

use benches::{Finding, Limit};
use counting::counted;
use media::srtp::{Context, SEAL_BYTES_MAX, Secret};
use media::{Pair, Relay, Seal, Verdict};
use shard::Transport;
use sip::dialog::Dialog;
use sip::{Printer, Scheme, Stored, parse};
use units::{Instant, Suite};
use whole_call::{ORIGINATOR, SDP, SWITCH, Settings, World, invite};

/// Rounds before the one that is counted.
const WARM_UP: usize = 300;
/// RTP header and 20 ms of G.711.
const PACKET_BYTES: usize = 172;
/// Long enough to be charged for a further slice.
const TALK_MS: u64 = 30_000;

fn main() {
    println!("{:<44}{:>13}", "one message, buffers reused", "allocations");
    let all = messages();
    Finding::alone("T7", "messages read and printed", "allocations", vec![all as f64], Limit::Most(0.0)).say();
    println!("{:<44}{:>13}", "one media packet", "allocations");
    let all = packets();
    Finding::alone("T7", "media packets passed on", "allocations", vec![all as f64], Limit::Most(0.0)).say();
    println!("{:<44}{:>13}", "one call through a shard, by what it hears", "allocations");
    let settings = Settings { trunks: 1, prefixes: 0, trace_percent: 0, count: |work| counted(work).1 };
    let mut world = World::new(&settings);
    let mut steps = Vec::new();
    for number in 0..=WARM_UP as u64 {
        steps = world.call(number, TALK_MS);
        steps.push(world.rest());
    }
    let mut sum = 0;
    for (name, allocations) in &steps {
        row(name, *allocations);
        sum += allocations;
    }
    row("the whole call", sum);
    let verdict = if sum == 0 { "met" } else { "MISSED" };
    Finding::alone("T7", "a call through a shard", "allocations", vec![sum as f64], Limit::Most(0.0)).say();
    println!("target of a message in steady state (T7): 0 allocations: {verdict}");
}

fn row(name: &str, allocations: u64) {
    println!("{name:<44}{allocations:>13}");
}

/// Counts what the work asks for after it was done often.
fn steady(name: &str, mut work: impl FnMut()) -> u64 {
    for _ in 0..WARM_UP {
        work();
    }
    let asked = counted(work).1;
    row(name, asked);
    asked
}

/// Allocations of all of them together.
fn messages() -> u64 {
    let mut all = 0;
    let invite = invite(1);
    let message = parse::message(invite.as_bytes()).expect("our own INVITE is good");
    let source: SocketAddr = ORIGINATOR.parse().expect("an address");
    let own: SocketAddr = SWITCH.parse().expect("an address");
    let dialog = Dialog::received(&message, b"tag");
    let (mut out, mut stored) = (Vec::new(), Stored::default());
    all += steady("parse an INVITE", || drop(parse::message(invite.as_bytes())));
    all += steady("parse its description", || drop(sdp::parse(message.body())));
    for (name, method) in [("print an INVITE", &b"INVITE"[..]), ("print a BYE", b"BYE")] {
        all += steady(name, || {
            out.clear();
            let mut printer = dialog.request(&mut out, method, 1, b"z9hG4bK1", (Transport::Udp, own), 70);
            printer.contact(Scheme::Sip, Transport::Udp, own);
            printer.finish("application/sdp", SDP.as_bytes());
        });
    }
    all += steady("print a 200", || {
        out.clear();
        Printer::reply(&mut out, &message, 200, "OK", b"tag", source).finish("application/sdp", SDP.as_bytes());
    });
    all += steady("keep an INVITE, print its 200 and a CANCEL", || {
        stored.fill(&message);
        out.clear();
        stored.reply(&mut out, 200, "OK", b"tag", source).finish_empty();
        stored.companion(&mut out, sip::Method::Cancel, stored.to()).finish_empty();
    });
    let rewrite = sdp::Rewrite {
        address: own.ip(),
        ports: &[20_000],
        session_id: 1,
        version: 1,
        direct: false,
        events: sdp::Events::Keep,
        crypt: None,
    };
    let filter = sdp::Filter { codecs: "PCMU,telephone-event", single_codec: true, ..sdp::Filter::NONE };
    for (name, filter) in [("rewrite a description", sdp::Filter::NONE), ("rewrite and filter a description", filter)] {
        all += steady(name, || {
            out.clear();
            sdp::rewrite_filtered(SDP.as_bytes(), &rewrite, &filter, &mut out).expect("a codec is left");
        });
    }
    all
}

/// Allocations of a packet that is passed on, as it is and from one key to another.
fn packets() -> u64 {
    let [near, far] = [1, 2].map(|host| SocketAddr::from(([192, 0, 2, host], 4_000)));
    let (now, mut all) = (Instant::default(), 0);
    for (name, crypt) in [("pass it on", false), ("open it and seal it", true)] {
        let key = |seed: u8| {
            let suite = Suite::ALL[0];
            Secret::new(suite, &vec![seed; suite.secret_bytes()]).expect("it has the suite's length")
        };
        let mut relay = Relay::new(20_000, 20_099, 7);
        let [from, to]: [Pair; 2] = [(); 2].map(|()| relay.open(now).expect("a free pair"));
        relay.join(from.id, to.id);
        relay.expect(from.id, near, near);
        relay.expect(to.id, far, far);
        relay.open_with(from.id, crypt.then(|| key(1)));
        relay.seal_with(to.id, if crypt { Seal::With(key(2)) } else { Seal::Plain });
        let (mut peer, mut number) = (Context::new(key(1)), 0_u16);
        all += steady(name, || {
            let mut room = [0xd5; PACKET_BYTES + SEAL_BYTES_MAX];
            room[..2].copy_from_slice(&[0x80, 8]);
            room[2..4].copy_from_slice(&number.to_be_bytes());
            room[4..8].copy_from_slice(&(160 * u32::from(number)).to_be_bytes());
            number += 1;
            let sealed = crypt.then(|| peer.seal(&mut room, PACKET_BYTES).expect("there is room for the tag"));
            let verdict = relay.on_room(now, now, from.rtp_port, near, &mut room, sealed.unwrap_or(PACKET_BYTES));
            assert!(!matches!(verdict, Verdict::Drop(_)), "the packet goes on");
        });
    }
    all
}
