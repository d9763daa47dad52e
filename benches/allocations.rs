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

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use benches::{Finding, Limit};
use counting::counted;
use media::srtp::{Context, SEAL_BYTES_MAX, Secret};
use media::{Pair, Relay, Seal, Verdict};
use panel::wire::{Reply, Want};
use shard::{Config, Effect, Effects, Hop, Listener, Loaded, Shard, Transport};
use sip::dialog::Dialog;
use sip::{Printer, Scheme, Stored, parse};
use units::{Clock, Instant, NodeId, ShardId, Suite, WallTime};

/// Rounds before the one that is counted.
const WARM_UP: usize = 300;
/// RTP header and 20 ms of G.711.
const PACKET_BYTES: usize = 172;
const SWITCH: &str = "127.0.0.1:5060";
const ORIGINATOR: &str = "192.0.2.60:5060";
const TERMINATOR: &str = "192.0.2.1:5060";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.60\r\ns=-\r\nc=IN IP4 192.0.2.60\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0 101\r\n\
    a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n";

fn main() {
    println!("{:<44}{:>13}", "one message, buffers reused", "allocations");
    let all = messages();
    Finding::alone("T7", "messages read and printed", "allocations", vec![all as f64], Limit::Most(0.0)).say();
    println!("{:<44}{:>13}", "one media packet", "allocations");
    let all = packets();
    Finding::alone("T7", "media packets passed on", "allocations", vec![all as f64], Limit::Most(0.0)).say();
    println!("{:<44}{:>13}", "one call through a shard, by what it hears", "allocations");
    let mut world = World::new();
    for number in 0..WARM_UP {
        world.call(number);
    }
    let steps = world.call(WARM_UP);
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
        stored.companion(&mut out, sip::Method::Cancel, stored.to());
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
            let verdict = relay.on_room(now, from.rtp_port, near, &mut room, sealed.unwrap_or(PACKET_BYTES));
            assert!(!matches!(verdict, Verdict::Drop(_)), "the packet goes on");
        });
    }
    all
}

/// One shard whose journal and ledger answer at once.
struct World {
    shard: Shard,
    now_us: u64,
    out: Effects,
    /// What the shard sent during a step.
    sent: Vec<(SocketAddr, String)>,
    /// Allocations of the step.
    allocations: u64,
}

impl World {
    fn new() -> World {
        let listener =
            Listener { name: String::new(), transport: Transport::Udp, address: SWITCH.parse().expect("an address") };
        let shard = Shard::new(Config {
            node: NodeId(1),
            boot: 1,
            shard: ShardId(0),
            shards: 1,
            listeners: vec![listener],
            media_v4: Some(Ipv4Addr::new(198, 51, 100, 5)),
            media_v6: None,
            port_low: 20_000,
            port_high: 20_399,
            seed: [7; 32],
            node_key: [7; 32],
            behind: Default::default(),
            trace_percent: 0,
            grants: Vec::new(),
            guard: shard::guard::Settings::default(),
            streams: shard::streams::Settings::default(),
            ticks: || 0,
        });
        let (out, sent) = (Effects::default(), Vec::new());
        let mut world = World { shard, now_us: 1_000_000, out, sent, allocations: 0 };
        world.shard.on_snapshot(clock(world.now_us), loaded(), &mut world.out);
        world
    }

    /// One call from INVITE to the end of its last transaction; allocations of the shard in each step.
    fn call(&mut self, number: usize) -> Vec<(&'static str, u64)> {
        let mut steps = Vec::new();
        steps.push(("INVITE", self.hear(ORIGINATOR, &invite(number))));
        let passed = self.find(TERMINATOR, "INVITE ");
        steps.push(("180", self.hear(TERMINATOR, &reply(&passed, "180 Ringing", "x", ""))));
        steps.push(("200 of the INVITE", self.hear(TERMINATOR, &reply(&passed, "200 OK", "x", SDP))));
        let answer = self.find(ORIGINATOR, "SIP/2.0 200");
        steps.push(("ACK", self.hear(ORIGINATOR, &request(&answer, "ACK", 1))));
        steps.push(("30 seconds", self.pass(30_000)));
        steps.push(("BYE", self.hear(ORIGINATOR, &request(&answer, "BYE", 2))));
        let bye = self.find(TERMINATOR, "BYE ");
        steps.push(("200 of the BYE", self.hear(TERMINATOR, &reply(&bye, "200 OK", "", ""))));
        steps.push(("the end of its transactions", self.pass(70_000)));
        assert_eq!(self.shard.calls_held(), 0, "the call is over");
        steps
    }

    fn hear(&mut self, from: &str, text: &str) -> u64 {
        self.sent.clear();
        self.allocations = 0;
        let from: Hop = from.parse::<SocketAddr>().expect("an address").into();
        self.count(|shard, clock, out| shard.on_sip(clock, from, text.as_bytes(), out));
        self.settle();
        self.allocations
    }

    fn pass(&mut self, ms: u64) -> u64 {
        self.sent.clear();
        self.allocations = 0;
        let end = self.now_us + ms * 1_000;
        while let Some(due) = self.shard.deadline().map(Instant::micros).filter(|due| *due <= end) {
            self.now_us = due.max(self.now_us);
            self.count(|shard, clock, out| shard.on_time(clock, out));
            self.settle();
        }
        self.now_us = end;
        self.allocations
    }

    fn count(&mut self, work: impl FnOnce(&mut Shard, Clock, &mut Effects)) {
        let clock = clock(self.now_us);
        let ((), allocations) = counted(|| work(&mut self.shard, clock, &mut self.out));
        self.allocations += allocations;
    }

    /// Carries out what was ordered, as the pump does: two stores take turns.
    fn settle(&mut self) {
        let mut spare = Effects::default();
        while !self.out.list.is_empty() {
            spare.clear();
            spare.list.reserve(self.out.list.capacity());
            spare.bytes.reserve(self.out.bytes.capacity());
            core::mem::swap(&mut spare, &mut self.out);
            for effect in spare.list.drain(..) {
                match effect {
                    Effect::Sip { to, bytes } => {
                        self.sent.push((to.remote, String::from_utf8_lossy(&spare.bytes[bytes]).into_owned()));
                    }
                    Effect::Journal { ticket, .. } => {
                        self.count(|shard, clock, out| shard.on_journaled(clock, ticket, out));
                    }
                    Effect::Want(Want::Grant { grant, account, want, .. }) => {
                        let reply = Reply::Granted { grant, account, amount: want, cause: 0 };
                        self.count(|shard, clock, out| shard.on_reply(clock, reply, out));
                    }
                    Effect::Want(Want::Close { grant, .. }) => {
                        self.count(|shard, clock, out| shard.on_reply(clock, Reply::Closed { grant }, out));
                    }
                    _ => {}
                }
            }
        }
        self.out.clear();
    }

    fn find(&self, to: &str, start: &str) -> String {
        let to: SocketAddr = to.parse().expect("an address");
        let found = self.sent.iter().find(|(address, text)| *address == to && text.starts_with(start));
        found.unwrap_or_else(|| panic!("{start} goes to {to}: {:?}", self.sent)).1.clone()
    }
}

fn clock(now_us: u64) -> Clock {
    let wall = WallTime::from_micros(1_700_000_000_000_000 + now_us as i64);
    Clock { now: Instant::from_micros(now_us), wall }
}

fn loaded() -> Loaded {
    let mut model = network::world();
    model.decks[0].rates = vec![network::rate("", "1")];
    network::way_in(&mut model, 1, &["192.0.2.60/32"], "").cps = 0;
    model.ingress_trunks[0].capacity = 0;
    network::way_out(&mut model, 2, "0.5");
    network::deck_of(&mut model, 2).rates = vec![network::rate("", "0.5")];
    Loaded::new(Arc::new(network::image(&model))).expect("a sound model")
}

fn invite(number: usize) -> String {
    format!(
        "INVITE sip:442071838750@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.60:5060;branch=z9hG4bK{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:37060011111@192.0.2.60>;tag=t{number}\r\nTo: <sip:442071838750@127.0.0.1>\r\n\
         Call-ID: {number}@192.0.2.60\r\nCSeq: 1 INVITE\r\nContact: <sip:37060011111@192.0.2.60:5060>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
}

fn header<'a>(text: &'a str, name: &str) -> &'a str {
    let mut lines = text.lines().take_while(|line| !line.is_empty());
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_else(|| panic!("{name} is in {text}"))
}

fn reply(request: &str, status: &str, tag: &str, body: &str) -> String {
    let head = |name: &str| header(request, name);
    let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         Contact: <sip:192.0.2.1:5060>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        head("Via"),
        head("From"),
        head("To"),
        head("Call-ID"),
        head("CSeq"),
        body.len()
    )
}

fn request(answer: &str, method: &str, number: u32) -> String {
    let head = |name: &str| header(answer, name);
    let target = head("Contact").trim_start_matches('<').split('>').next().unwrap_or_default();
    format!(
        "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.60:5060;branch=z9hG4bK{method}{number}\r\nMax-Forwards: 70\r\n\
         From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n",
        head("From"),
        head("To"),
        head("Call-ID"),
    )
}
