//! One shard with an originator and a terminator around it, spoken to in plain text that shares nothing with the engine's parser.
#![allow(dead_code, clippy::unwrap_used)] // Each test file uses a part of it.

#[path = "../../../rating/tests/world.rs"]
pub mod network;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cdr::{Cdr, Record};
use panel::wire::{Reply, Want};
use shard::behind::{Behind, Key};
use shard::guard::Settings;
use shard::{Carried, Change, Config, Effect, Effects, Listener, Loaded, Parcel, Shard, Transport};
use units::{Clock, Instant, Money, NodeId, ShardId, WallTime};

/// Ours.
pub const SWITCH: &str = "127.0.0.1:5060";
/// An address that the ingress trunk has.
pub const ORIGINATOR: &str = "192.0.2.60:5060";
/// The address of the egress trunk.
pub const TERMINATOR: &str = "192.0.2.1:5060";
/// The balancer before the shard.
pub const BALANCER: &str = "10.0.0.254:5070";
/// What it shares with the shard.
pub const SECRET: &[u8] = b"a secret";
/// Nobody's.
pub const STRANGER: &str = "203.0.113.9:5060";
/// A description that anybody may offer.
pub const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.60\r\ns=-\r\nc=IN IP4 192.0.2.60\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

/// A message that the shard sent: to whom, what.
pub type Sent = (SocketAddr, String);

/// The shard, its time, and what it said and wrote.
pub struct World {
    /// The shard.
    pub shard: Shard,
    /// Microseconds since it started; tests may move it.
    pub now_us: u64,
    /// All records so far.
    pub cdrs: Vec<Cdr>,
    /// What the ledger may still lend, in nano-units; `None` for all that is wanted.
    pub funds: Option<i64>,
    /// What it told other shards.
    pub parcels: Vec<(ShardId, Parcel)>,
    /// What it told the kernel, and what that counts of every stream that is parted; without counts it never answers.
    pub changes: Vec<Change>,
    /// See there.
    pub carried: Option<Carried>,
    /// Media ports that are open.
    pub ports: i32,
    /// Captured calls, encoded.
    pub traces: Vec<Vec<u8>>,
    out: Effects,
}

fn loaded() -> Loaded {
    let mut model = network::world();
    model.decks[0].rates = vec![network::rate("", "1")];
    network::way_in(&mut model, 1, &["192.0.2.60/32"], "").cps = 0;
    model.ingress_trunks[0].capacity = 0;
    network::way_out(&mut model, 2, "0.5");
    network::deck_of(&mut model, 2).rates = vec![network::rate("", "0.5")];
    Loaded::new(Arc::new(network::image(&model))).unwrap()
}

impl Default for World {
    fn default() -> World {
        World::new(Settings::default())
    }
}

impl World {
    /// A shard with this guard.
    pub fn new(guard: Settings) -> World {
        let mut world = World::begin(guard, (0, 1));
        world.load(loaded());
        world
    }

    /// A shard without a snapshot, before [`World::load_first`].
    pub fn early() -> World {
        World::begin(Settings::default(), (0, 1))
    }

    /// The first snapshot comes into force.
    pub fn load_first(&mut self) {
        self.load(loaded());
    }

    /// One of several shards with this snapshot; what it says to the others is kept.
    pub fn sharded(loaded: Loaded, shard: u16, shards: u16) -> World {
        let mut world = World::begin(Settings::default(), (shard, shards));
        world.load(loaded);
        world
    }

    /// A shard with this snapshot that captures the messages of every call.
    pub fn traced(loaded: Loaded) -> World {
        let mut world = World::begin_with(Settings::default(), (0, 1), 100);
        world.load(loaded);
        world
    }

    /// Another snapshot comes into force.
    pub fn load(&mut self, loaded: Loaded) {
        let clock = self.clock();
        self.shard.on_snapshot(clock, loaded, &mut self.out);
    }

    /// Another shard says something; what this one sends at once.
    pub fn parcel(&mut self, parcel: Parcel) -> Vec<Sent> {
        let clock = self.clock();
        self.shard.on_parcel(clock, parcel, &mut self.out);
        self.settle()
    }

    fn begin(guard: Settings, place: (u16, u16)) -> World {
        World::begin_with(guard, place, 0)
    }

    fn begin_with(guard: Settings, (shard, shards): (u16, u16), trace_percent: u8) -> World {
        let listener = Listener { name: String::new(), transport: Transport::Udp, address: SWITCH.parse().unwrap() };
        let shard = Shard::new(Config {
            node: NodeId(1),
            boot: 1,
            shard: ShardId(shard),
            shards,
            listeners: vec![listener],
            media_v4: Some(Ipv4Addr::new(198, 51, 100, 5)),
            media_v6: None,
            port_low: 20_000,
            port_high: 39_999,
            seed: [7; 32],
            node_key: [7; 32],
            behind: Behind { key: Some(Key::of(SECRET)), balancers: vec![BALANCER.parse().unwrap()], across: None },
            trace_percent,
            grants: Vec::new(),
            guard,
            streams: shard::streams::Settings::default(),
            ticks: || 0,
        });
        World {
            shard,
            now_us: 1_000_000,
            cdrs: Vec::new(),
            funds: None,
            parcels: Vec::new(),
            changes: Vec::new(),
            carried: None,
            out: Effects::default(),
            ports: 0,
            traces: Vec::new(),
        }
    }

    /// Both clocks.
    pub fn clock(&self) -> Clock {
        let wall = WallTime::from_micros(1_700_000_000_000_000 + self.now_us as i64);
        Clock { now: Instant::from_micros(self.now_us), wall }
    }

    /// The shard hears a datagram; what it says at once.
    pub fn hear(&mut self, from: &str, datagram: &[u8]) -> Vec<Sent> {
        let (clock, from): (Clock, SocketAddr) = (self.clock(), from.parse().unwrap());
        self.shard.on_sip(clock, from.into(), datagram, &mut self.out);
        self.settle()
    }

    /// Time goes on, deadline by deadline; what the shard says meanwhile.
    pub fn pass(&mut self, ms: u64) -> Vec<Sent> {
        let (end, mut sent) = (self.now_us + ms * 1_000, Vec::new());
        while let Some(due) = self.shard.deadline().map(Instant::micros).filter(|due| *due <= end) {
            self.now_us = due.max(self.now_us);
            let clock = self.clock();
            self.shard.on_time(clock, &mut self.out);
            sent.extend(self.settle());
        }
        self.now_us = end;
        sent
    }

    /// Carries out what the shard ordered: the journal keeps, the ledger lends.
    fn settle(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        while !self.out.list.is_empty() {
            let (list, bytes) = (std::mem::take(&mut self.out.list), std::mem::take(&mut self.out.bytes));
            for effect in list {
                self.carry_out(effect, &bytes, &mut sent);
            }
        }
        sent
    }

    fn carry_out(&mut self, effect: Effect, bytes: &[u8], sent: &mut Vec<Sent>) {
        let clock = self.clock();
        match effect {
            Effect::Sip { to, bytes: range } => {
                sent.push((to.remote, String::from_utf8_lossy(&bytes[range]).into_owned()));
            }
            Effect::OpenPort { .. } => self.ports += 1,
            Effect::ClosePort { .. } => self.ports -= 1,
            Effect::Trace { pieces } => self.traces.push(pieces.concat()),
            Effect::Journal { ticket, bytes: range } => {
                if let Record::Cdr(cdr) = Record::decode(&bytes[range]).unwrap() {
                    self.cdrs.push(*cdr);
                }
                self.shard.on_journaled(clock, ticket, &mut self.out);
            }
            Effect::Want(Want::Grant { grant, account, want, .. }) => {
                let amount = self.funds.map_or(want, |funds| want.min(funds));
                self.funds = self.funds.map(|funds| funds - amount);
                self.shard.on_reply(clock, Reply::Granted { grant, account, amount, cause: 0 }, &mut self.out);
            }
            Effect::Want(Want::Close { grant, .. }) => {
                self.shard.on_reply(clock, Reply::Closed { grant }, &mut self.out);
            }
            Effect::Parcel { to, parcel } => self.parcels.push((to, *parcel)),
            Effect::Media(change) => {
                self.changes.push(change);
                if let (Change::Part { port }, Some(carried)) = (change, self.carried) {
                    self.shard.on_parted(clock, port, carried, &mut self.out);
                }
            }
            _ => {}
        }
    }

    /// A counter of the shard.
    pub fn counter(&self, name: &str) -> u64 {
        let mut found = None;
        self.shard.counters(&mut |counter, value| {
            if counter == name {
                found = Some(value);
            }
        });
        found.unwrap_or_else(|| panic!("there is a counter {name}"))
    }

    /// One whole call: the shard passes it on, both sides talk, the caller releases.
    pub fn good_call(&mut self, name: &str) {
        let heard = self.hear(ORIGINATOR, invite(name).as_bytes());
        let passed = find(&heard, TERMINATOR, "INVITE ").unwrap_or_else(|| panic!("{name} is passed on: {heard:#?}"));
        let answered = self.hear(TERMINATOR, reply(&passed, "200 OK", "ours", SDP).as_bytes());
        let answer = find(&answered, ORIGINATOR, "SIP/2.0 200").unwrap_or_else(|| panic!("{name} is answered"));
        assert!(find(&answered, TERMINATOR, "ACK ").is_some(), "{name}: the terminator's answer is acknowledged");
        self.hear(ORIGINATOR, request(&answer, "ACK", 1).as_bytes());
        self.pass(1_000);
        let released = self.hear(ORIGINATOR, request(&answer, "BYE", 2).as_bytes());
        assert!(find(&released, ORIGINATOR, "SIP/2.0 200").is_some(), "{name} is released: {released:#?}");
        let bye = find(&released, TERMINATOR, "BYE ").unwrap_or_else(|| panic!("{name}: the terminator hears of it"));
        self.hear(TERMINATOR, reply(&bye, "200 OK", "", "").as_bytes());
    }

    /// After the longest deadline nothing is left: no call, no port.
    pub fn nothing_is_left(&mut self, name: &str) {
        self.pass(400_000);
        assert_eq!((self.shard.calls_held(), self.ports), (0, 0), "{name}: calls and ports");
        assert_eq!((self.shard.running(), self.shard.figures().answered), (0, 0), "{name}: calls that run");
    }
}

/// An INVITE of the originator's with a Call-ID of its own.
pub fn invite(name: &str) -> String {
    format!(
        "INVITE sip:442071838750@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.60:5060;branch=z9hG4bK{name}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:37060011111@192.0.2.60>;tag=t{name}\r\nTo: <sip:442071838750@127.0.0.1>\r\n\
         Call-ID: {name}@192.0.2.60\r\nCSeq: 1 INVITE\r\nContact: <sip:37060011111@192.0.2.60:5060>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
}

/// The first message to this address that begins like this.
pub fn find(sent: &[Sent], to: &str, start: &str) -> Option<String> {
    let to: SocketAddr = to.parse().unwrap();
    sent.iter().find(|(address, text)| *address == to && text.starts_with(start)).map(|(_, text)| text.clone())
}

/// The status of a response.
pub fn status(text: &str) -> Option<u16> {
    text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

/// The value of a header that we print.
pub fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// The terminator's answer to a request.
pub fn reply(request: &str, status: &str, tag: &str, body: &str) -> String {
    let head = |name: &str| header(request, name).unwrap_or_else(|| panic!("{name} is in {request}"));
    let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    let kind = if body.is_empty() { "" } else { "Contact: <sip:192.0.2.1:5060>\r\nContent-Type: application/sdp\r\n" };
    format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        head("Via"),
        head("From"),
        head("To"),
        head("Call-ID"),
        head("CSeq"),
        body.len()
    )
}

/// The originator's next request in the dialog that this answer made.
pub fn request(answer: &str, method: &str, number: u32) -> String {
    let head = |name: &str| header(answer, name).unwrap_or_else(|| panic!("{name} is in {answer}"));
    // A refusal has no Contact: its ACK goes where the INVITE went.
    let target = header(answer, "Contact")
        .unwrap_or("<sip:442071838750@127.0.0.1>")
        .trim_start_matches('<')
        .split('>')
        .next()
        .unwrap_or_default();
    format!(
        "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.60:5060;branch=z9hG4bK{method}{number}\r\nMax-Forwards: 70\r\n\
         From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n",
        head("From"),
        head("To"),
        head("Call-ID"),
    )
}

/// Money that calls hold.
pub fn reserved(world: &World) -> Money {
    world.shard.book().reserved(units::AccountId(1))
}
