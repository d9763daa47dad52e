//! Whole calls through one shard without sockets, whose journal and ledger answer at once. What the shard does is handed to whoever counts;
//! what its peers do is not.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use panel::wire::{Reply, Want};
use shard::{Config, Effect, Effects, Hop, Listener, Loaded, Shard, Transport};
use units::{Clock, Instant, NodeId, ShardId, WallTime};

use super::network;

/// Ours.
pub const SWITCH: &str = "127.0.0.1:5060";
/// Where calls come from.
pub const ORIGINATOR: &str = "192.0.2.60:5060";
/// Where they go.
const TERMINATOR: &str = "192.0.2.1:5060";
/// What both peers describe.
pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.60\r\ns=-\r\nc=IN IP4 192.0.2.60\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0 101\r\n\
    a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n";
/// How long it rings, in milliseconds, and how long the transactions of a call take to end.
const RING_MS: u64 = 20;
const REST_MS: u64 = 70_000;

/// Does the work and says what it counted.
pub type Count = fn(&mut dyn FnMut()) -> u64;

/// How a world is.
pub struct Settings {
    /// Egress trunks of one price that every call may take.
    pub trunks: u32,
    /// Prefixes in each deck, besides that of the country.
    pub prefixes: u32,
    /// Of so many calls in a hundred the messages are captured.
    pub trace_percent: u8,
    /// Who counts.
    pub count: Count,
}

/// One shard.
pub struct World {
    shard: Shard,
    now_us: u64,
    out: Effects,
    count: Count,
    /// What the shard sent during a step.
    sent: Vec<(SocketAddr, String)>,
    /// What was counted in the step.
    counted: u64,
}

impl World {
    pub fn new(settings: &Settings) -> World {
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
            trace_percent: settings.trace_percent,
            grants: Vec::new(),
            guard: shard::guard::Settings { pair_waiting_max: 0, ..Default::default() },
            streams: shard::streams::Settings::default(),
            ticks: || 0,
        });
        let (out, sent) = (Effects::default(), Vec::new());
        let mut world = World { shard, now_us: 1_000_000, out, count: settings.count, sent, counted: 0 };
        world.shard.on_snapshot(clock(world.now_us), loaded(settings), &mut world.out);
        world
    }

    /// One call from INVITE to the last answer; what was counted in each step.
    pub fn call(&mut self, number: u64, talk_ms: u64) -> Vec<(&'static str, u64)> {
        let mut steps = Vec::new();
        steps.push(("INVITE", self.hear(ORIGINATOR, &invite(number))));
        let passed = self.find(TERMINATOR, "INVITE ");
        steps.push(("180", self.hear(TERMINATOR, &reply(&passed, "180 Ringing", "x", ""))));
        steps.push(("ringing", self.pass(RING_MS)));
        steps.push(("200 of the INVITE", self.hear(TERMINATOR, &reply(&passed, "200 OK", "x", SDP))));
        let answer = self.find(ORIGINATOR, "SIP/2.0 200");
        steps.push(("ACK", self.hear(ORIGINATOR, &request(&answer, "ACK", 1))));
        steps.push(("talk", self.pass(talk_ms)));
        steps.push(("BYE", self.hear(ORIGINATOR, &request(&answer, "BYE", 2))));
        let bye = self.find(TERMINATOR, "BYE ");
        steps.push(("200 of the BYE", self.hear(TERMINATOR, &reply(&bye, "200 OK", "", ""))));
        steps
    }

    /// All transactions end.
    pub fn rest(&mut self) -> (&'static str, u64) {
        let counted = self.pass(REST_MS);
        assert_eq!(self.shard.calls_held(), 0, "every call is over");
        ("the end of its transactions", counted)
    }

    fn hear(&mut self, from: &str, text: &str) -> u64 {
        self.sent.clear();
        self.counted = 0;
        let from: Hop = from.parse::<SocketAddr>().expect("an address").into();
        self.turn(|shard, clock, out| shard.on_sip(clock, from, text.as_bytes(), out));
        self.settle();
        self.counted
    }

    fn pass(&mut self, ms: u64) -> u64 {
        self.sent.clear();
        self.counted = 0;
        let end = self.now_us + ms * 1_000;
        while let Some(due) = self.shard.deadline().map(Instant::micros).filter(|due| *due <= end) {
            self.now_us = due.max(self.now_us);
            self.turn(|shard, clock, out| shard.on_time(clock, out));
            self.settle();
        }
        self.now_us = end;
        self.counted
    }

    fn turn(&mut self, work: impl FnOnce(&mut Shard, Clock, &mut Effects)) {
        let (clock, mut work) = (clock(self.now_us), Some(work));
        let (shard, out) = (&mut self.shard, &mut self.out);
        self.counted += (self.count)(&mut || {
            if let Some(work) = work.take() {
                work(shard, clock, out);
            }
        });
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
                        self.turn(|shard, clock, out| shard.on_journaled(clock, ticket, out));
                    }
                    Effect::Want(Want::Grant { grant, account, want, .. }) => {
                        let reply = Reply::Granted { grant, account, amount: want, cause: 0 };
                        self.turn(|shard, clock, out| shard.on_reply(clock, reply, out));
                    }
                    Effect::Want(Want::Close { grant, .. }) => {
                        self.turn(|shard, clock, out| shard.on_reply(clock, Reply::Closed { grant }, out));
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

fn loaded(settings: &Settings) -> Loaded {
    let mut model = network::world();
    let rates = |price: &str| {
        let prefixes = (0..settings.prefixes).map(|number| network::rate(&format!("44{number:04}"), price));
        core::iter::once(network::rate("", price)).chain(prefixes).collect::<Vec<_>>()
    };
    model.decks[0].rates = rates("1");
    network::way_in(&mut model, 1, &["192.0.2.60/32"], "").cps = 0;
    model.ingress_trunks[0].capacity = 0;
    for id in 2..settings.trunks + 2 {
        network::way_out(&mut model, id, "0.5");
        network::deck_of(&mut model, id).rates = rates("0.5");
    }
    Loaded::new(Arc::new(network::image(&model))).expect("a sound model")
}

/// The originator's INVITE.
pub fn invite(number: u64) -> String {
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
