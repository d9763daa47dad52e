//! Calls of every kind, registrations, connections and strangers, over and over: once they are over, nothing of them is held, and each call
//! has one record, rightly priced.
//!
//! Peers answer as chance has it, lose a tenth of the datagrams, and leave their calls and connections to time. All rounds are of the same
//! chance, so that tables that keep room for the most that they held have as much after each; and a round lasts more than a day: what
//! addresses proved is forgotten by then. `MEMORY_ROUNDS=100` plays longer, `MEMORY_SEED` another story.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

#[path = "../live_bytes.rs"]
mod live_bytes;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use cdr::{Cdr, Record};
use panel::wire::{Reply, Want};
use shard::{Config, Effect, Effects, Flow, Listener, Loaded, Shard, Transport};
use sim::message::{self, Request};
use sim::prices::{self, TERMINATOR_BASE};
use sip::auth::{self, Secret};
use snapshot::policy::Digest;
use snapshot::{EgressTrunk, IngressTrunk, Model, Plan, PlanRoute, Policy};
use units::{AccountId, Clock, DeckId, EgressTrunkId, IngressTrunkId, Instant, Money, PlanId, WallTime};

/// Calls of a round.
const CALLS: usize = 300;
/// Rounds after which tables have the size for so many at once.
const WARM: usize = 8;
/// Rounds of a usual run.
const ROUNDS: usize = 24;
/// A whole number of turns of the timer wheel, more than a day.
const ROUND_MS: u64 = 11_000 * 8_192;
/// What happens, happens at multiples of this: a slot of the wheel keeps the room that it once had, and here few of its slots have any.
const STEP_MS: u64 = 256;
/// Bytes by which tables may differ all the same, one of which may double: a call that left fourteen bytes would be found.
const DIFFER_MAX: i64 = 96 << 10;
/// The subscriber's realm.
const REALM: &str = "voice.example";
const STRANGER: &str = "203.0.113.9:5060";
const PHONE: &str = "198.51.100.7:5062";
const POLICIES: [&str; 3] = [
    r#"{"reliable":"relay","session_timer":{"mode":"on","expires_s":90}}"#,
    r#"{"reliable":"local","early_media":"one_way"}"#,
    "",
];

/// The simulator's trunks, some with policies; the third originator's calls go to a subscriber, or over a connection of ours.
fn model() -> Model {
    let mut model = prices::model(1);
    for (trunk, policy) in model.ingress_trunks.iter_mut().zip(POLICIES) {
        (trunk.capacity, trunk.policy) = (0, Policy::from_text(policy).unwrap());
    }
    let secret = Secret::from_password("alice", REALM, "wonderland");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let digest = Digest {
        user: "alice".into(),
        realm: REALM.into(),
        ha1_md5: hex(&secret.ha1_md5),
        ha1_sha256: hex(&secret.ha1_sha256),
        ..Digest::default()
    };
    let first = model.ingress_trunks[0].clone();
    model.ingress_trunks.push(IngressTrunk {
        id: IngressTrunkId(9),
        code: "alice".into(),
        sources: Vec::new(),
        policy: Policy { digest: Some(digest), ..Policy::default() },
        ..first
    });
    for (id, policy) in [(8, r#"{"subscriber":"alice"}"#), (9, r#"{"transport":"tcp"}"#)] {
        let first = model.egress_trunks[0].clone();
        model.egress_trunks.push(EgressTrunk {
            id: EgressTrunkId(id),
            code: format!("out-{id}"),
            buy_deck: DeckId(TERMINATOR_BASE),
            capacity: 0,
            policy: Policy::from_text(policy).unwrap(),
            ..first
        });
    }
    let route = |id| PlanRoute { egress_trunk: EgressTrunkId(id), ..PlanRoute::default() };
    let routes = vec![route(8), route(9)];
    model.plans.push(Plan { id: PlanId(2), code: "ours".into(), routes, ..model.plans[0].clone() });
    model.ingress_trunks[2].plan = PlanId(2);
    model
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }
}

/// By what a peer is spoken to.
#[derive(Clone, Copy)]
enum Way {
    Datagram(SocketAddr),
    Stream(Flow),
}

/// One side of a call that was answered.
struct Side {
    way: Way,
    local: String,
    /// From, To and target of its requests.
    head: [String; 3],
    call_id: String,
    cseq: u32,
}

struct World {
    shard: Shard,
    out: Effects,
    now_ms: u64,
    chance: Chance,
    mail: VecDeque<(Way, String)>,
    sides: Vec<Side>,
    flows: Vec<Flow>,
    ports: Vec<u16>,
    /// Calls, requests and registrations so far: no two have one name.
    named: u32,
    answered: usize,
    /// Of calls, without their attempts.
    records: u64,
}

/// What a call cost both sides, by the calculator that shares nothing with the switch.
fn prices_are_right(cdr: &Cdr) {
    for (deck, priced) in [(prices::SELL_DECK, cdr.sell), (cdr.terminator.0, cdr.buy)] {
        let Some(priced) = priced else { continue };
        let line = prices::line_of(deck, 1, cdr.called_routed.as_str()).unwrap();
        let told = (u64::from(priced.billed_s), priced.price.nanos());
        assert_eq!(told, prices::price(&line, cdr.duration_ms), "deck {deck}, {} ms", cdr.duration_ms);
    }
}

impl World {
    fn new() -> World {
        let listener = |(place, transport): (u16, Transport)| Listener {
            name: String::new(),
            transport,
            address: SocketAddr::from(([127, 0, 0, 1], 5_060 + place)),
        };
        let listeners = [(0, Transport::Udp), (0, Transport::Tcp), (1, Transport::Tls)].map(listener).into();
        let shard = Shard::new(Config { listeners, trace_percent: 100, ..sim::plain_config() });
        let mut world = World {
            shard,
            out: Effects::default(),
            now_ms: 0,
            chance: Chance(1),
            mail: VecDeque::new(),
            sides: Vec::new(),
            flows: Vec::new(),
            ports: Vec::new(),
            named: 0,
            answered: 0,
            records: 0,
        };
        let loaded = Loaded::new(Arc::new(model().encode().unwrap())).unwrap();
        world.turn(|shard, clock, out| drop(shard.on_snapshot(clock, loaded, out)));
        world
    }

    fn clock(&self) -> Clock {
        let wall = WallTime::from_micros(1_700_000_000_000_000 + self.now_ms as i64 * 1_000);
        Clock { now: Instant::from_micros(self.now_ms * 1_000), wall }
    }

    /// One turn and all that comes of it; journal and ledger answer at once.
    fn turn(&mut self, act: impl FnOnce(&mut Shard, Clock, &mut Effects)) {
        let clock = self.clock();
        act(&mut self.shard, clock, &mut self.out);
        while !self.out.list.is_empty() {
            let (list, bytes) = (std::mem::take(&mut self.out.list), std::mem::take(&mut self.out.bytes));
            list.into_iter().for_each(|effect| self.carry_out(clock, effect, &bytes));
        }
    }

    fn carry_out(&mut self, clock: Clock, effect: Effect, bytes: &[u8]) {
        let text = |range: &Range<usize>| String::from_utf8(bytes[range.clone()].to_vec()).unwrap();
        match &effect {
            Effect::Sip { to, bytes: range } if self.chance.below(10) > 0 => {
                self.mail.push_back((Way::Datagram(to.remote), text(range)));
            }
            Effect::Stream { flow, bytes: range } => self.mail.push_back((Way::Stream(*flow), text(range))),
            Effect::Connect { flow, .. } if self.chance.below(4) > 0 => {
                self.flows.push(*flow);
                self.shard.on_connected(clock, *flow, &mut self.out);
            }
            Effect::Connect { flow, .. } => self.shard.on_stream_ended(clock, *flow, &mut self.out),
            Effect::CloseStream { flow } => self.flows.retain(|open| open != flow),
            Effect::OpenPort { port, .. } => self.ports.push(*port),
            Effect::ClosePort { port } => self.ports.retain(|open| open != port),
            Effect::Journal { ticket, bytes: range } => {
                if let Ok(Record::Cdr(cdr)) = Record::decode(&bytes[range.clone()]) {
                    self.records += u64::from(cdr.attempt.0 == 0);
                    prices_are_right(&cdr);
                }
                self.shard.on_journaled(clock, *ticket, &mut self.out);
            }
            Effect::Want(Want::Grant { grant, account, want, .. }) => {
                let reply = Reply::Granted { grant: grant.clone(), account: *account, amount: *want, cause: 0 };
                self.shard.on_reply(clock, reply, &mut self.out);
            }
            Effect::Want(Want::Close { grant, .. }) => {
                self.shard.on_reply(clock, Reply::Closed { grant: grant.clone() }, &mut self.out);
            }
            _ => {}
        }
    }

    /// Somebody says something.
    fn say(&mut self, way: Way, text: &str) {
        match way {
            Way::Datagram(from) => {
                self.turn(|shard, clock, out| shard.on_sip(clock, from.into(), text.as_bytes(), out))
            }
            Way::Stream(flow) => {
                let text = text.replace("SIP/2.0/UDP", "SIP/2.0/TCP");
                self.turn(|shard, clock, out| shard.on_stream(clock, flow, text.as_bytes(), out));
            }
        }
    }

    /// Peers read what they were sent, and what they are sent for that.
    fn settle(&mut self) {
        while let Some((way, text)) = self.mail.pop_front() {
            let Some(seen) = message::read(text.as_bytes()) else { continue };
            match (seen.status, seen.method) {
                (0, "ACK") => {}
                (0, "INVITE") => self.on_invite(way, &seen),
                (0, _) => self.on_request(way, &seen),
                (200.., "INVITE") => self.on_final(way, &seen),
                (100..200, "INVITE") if self.chance.below(12) == 0 => {
                    let uri = message::uri_of(seen.to).to_owned();
                    let cancel = [seen.from, seen.to.split(";tag").next().unwrap(), &uri];
                    let branch = message::branch_of(seen.vias[0]).trim_start_matches("z9hG4bK");
                    self.ask(way, "CANCEL", &cancel, (seen.call_id, seen.cseq, branch), "");
                }
                _ => {}
            }
        }
    }

    fn local(way: Way) -> String {
        match way {
            Way::Datagram(at) => at.to_string(),
            Way::Stream(_) => PHONE.to_string(),
        }
    }

    fn ask(
        &mut self,
        way: Way,
        method: &str,
        [from, to, uri]: &[&str; 3],
        (call_id, cseq, branch): (&str, u32, &str),
        body: &str,
    ) {
        let (mut text, local) = (String::new(), World::local(way));
        let ask = Request { method, uri, local: &local, branch, from, to, call_id, cseq, routes: "", body };
        message::request(&mut text, &ask);
        self.say(way, &text);
    }

    fn answer(&mut self, way: Way, seen: &message::Message<'_>, status: u16, described: bool) {
        let (mut text, local) = (String::new(), World::local(way));
        let sdp = if described { message::sdp("127.0.0.9:4000".parse().unwrap()) } else { String::new() };
        message::response(&mut text, seen, status, "peer", &local, &sdp);
        self.say(way, &text);
    }

    fn on_invite(&mut self, way: Way, seen: &message::Message<'_>) {
        if !message::tag_of(seen.to).is_empty() {
            let status = self.chance.of(&[200, 200, 488, 491, 0]);
            if status > 0 {
                self.answer(way, seen, status, status == 200);
            }
            return;
        }
        for status in [self.chance.of(&[0, 100]), self.chance.of(&[0, 180, 183])] {
            if status > 0 {
                self.answer(way, seen, status, status == 183);
            }
        }
        let status = self.chance.of(&[200, 200, 200, 200, 200, 404, 486, 503, 302, 401, 0]);
        if status > 0 {
            self.answer(way, seen, status, status == 200);
        }
        if status == 200 {
            let head = [format!("{};tag=peer", seen.to), seen.from.to_owned(), seen.contact.to_owned()];
            let (local, call_id) = (World::local(way), seen.call_id.to_owned());
            self.sides.push(Side { way, local, head, call_id, cseq: 1 });
        }
    }

    fn on_request(&mut self, way: Way, seen: &message::Message<'_>) {
        let status = self.chance.of(&[200, 200, 200, 200, 481, 0]);
        if status > 0 {
            self.answer(way, seen, status, false);
        }
        if seen.method == "CANCEL" && status == 200 {
            let mut text = String::new();
            message::response(&mut text, seen, 487, "peer", &World::local(way), "");
            self.say(way, &text.replace(" CANCEL\r\n", " INVITE\r\n"));
        }
    }

    /// An originator's INVITE was answered for good.
    fn on_final(&mut self, way: Way, seen: &message::Message<'_>) {
        if self.chance.below(10) == 0 {
            return;
        }
        let accepted = seen.status < 300;
        let uri = if accepted { seen.contact } else { message::uri_of(seen.to) };
        self.named += 1;
        let own = format!("a{}", self.named);
        let branch =
            if accepted { own.as_str() } else { message::branch_of(seen.vias[0]).trim_start_matches("z9hG4bK") };
        self.ask(way, "ACK", &[seen.from, seen.to, uri], (seen.call_id, seen.cseq, branch), "");
        if accepted && seen.cseq == 1 {
            self.answered += 1;
            let head = [seen.from.to_owned(), seen.to.to_owned(), seen.contact.to_owned()];
            let (local, call_id) = (World::local(way), seen.call_id.to_owned());
            self.sides.push(Side { way, local, head, call_id, cseq: 1 });
        }
    }

    /// Time goes on; nobody answers what is sent meanwhile.
    fn pass(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while let Some(due) = self.shard.deadline().map(|due| due.micros().div_ceil(1_000)).filter(|due| *due <= end) {
            self.now_ms = due.max(self.now_ms);
            self.turn(Shard::on_time);
            self.mail.clear();
        }
        self.now_ms = end;
    }

    /// Another call begins, by a datagram or over a connection.
    fn call(&mut self) {
        self.named += 1;
        let (name, index) = (self.named, self.chance.below(3) as usize);
        let from = prices::originator_address(index);
        let way = match self.chance.below(4) {
            0 => self.connect(from).map_or(Way::Datagram(from), Way::Stream),
            _ => Way::Datagram(from),
        };
        let number = self.chance.of(&["442071838750", "4912345678", "331555555", "7"]);
        let uri = format!("sip:{number}@127.0.0.1");
        let (caller, called) = (format!("<sip:1646{name:07}@{from}>;tag=c{name}"), format!("<{uri}>"));
        let body =
            if self.chance.below(5) > 0 { message::sdp(SocketAddr::new(from.ip(), 4_000)) } else { String::new() };
        let (call_id, branch) = (format!("{name}-walk"), format!("i{name}"));
        self.ask(way, "INVITE", &[&caller, &called, &uri], (&call_id, 1, &branch), &body);
        self.settle();
    }

    fn connect(&mut self, from: SocketAddr) -> Option<Flow> {
        let (clock, listener) = (self.clock(), 1 + self.chance.below(2) as u8);
        let from = SocketAddr::new(from.ip(), 10_000 + self.chance.below(50_000) as u16);
        let flow = self.shard.on_accepted(clock, listener, from)?;
        self.flows.push(flow);
        Some(flow)
    }

    /// Somebody in a call does something: sometimes what nobody should.
    fn act(&mut self) {
        if self.sides.is_empty() {
            return;
        }
        let place = self.chance.below(self.sides.len() as u64) as usize;
        let method = self.chance.of(&["INVITE", "UPDATE", "INFO", "OPTIONS", "BYE", "BYE", "PRACK", "NOTIFY"]);
        self.named += 1;
        let (branch, described) = (format!("r{}", self.named), matches!(method, "INVITE" | "UPDATE"));
        let mut side = self.sides.swap_remove(place);
        side.cseq += 1;
        let body = if described { message::sdp("127.0.0.9:4002".parse().unwrap()) } else { String::new() };
        let [from, to, uri] = &side.head;
        let at = side.local.clone();
        let way = if let Way::Datagram(_) = side.way { Way::Datagram(at.parse().unwrap()) } else { side.way };
        self.ask(way, method, &[from, to, uri], (&side.call_id, side.cseq, &branch), &body);
        self.settle();
        if method != "BYE" {
            self.sides.push(side);
        }
    }

    /// A subscriber registers, by datagrams or over a connection, and may be gone without a word.
    fn register(&mut self) {
        self.named += 1;
        let (name, from) = (self.named, PHONE.parse().unwrap());
        let way = match self.chance.below(2) {
            0 => self.connect(from).map_or(Way::Datagram(from), Way::Stream),
            _ => Way::Datagram(from),
        };
        let expires = self.chance.of(&[0, 60, 3_600]);
        let (uri, mut proof) = (format!("sip:{REALM}"), String::new());
        for cseq in 1..=2 {
            let text = format!(
                "REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {PHONE};rport;branch=z9hG4bKg{name}-{cseq}\r\nMax-Forwards: 70\r\n\
                 From: <sip:alice@{REALM}>;tag=g{name}\r\nTo: <sip:alice@{REALM}>\r\nCall-ID: register-{name}\r\n\
                 CSeq: {cseq} REGISTER\r\nContact: <sip:alice@{PHONE}>\r\nExpires: {expires}\r\n{proof}Content-Length: 0\r\n\r\n"
            );
            self.say(way, &text);
            let Some((_, refusal)) = self.mail.pop_back() else { return };
            let refusal = sip::parse::message(refusal.as_bytes()).unwrap();
            let Ok(asked) = auth::challenge_of(&refusal, REALM) else { return };
            let secret = Secret::from_password("alice", REALM, self.chance.of(&["wonderland", "wonderland", "guess"]));
            let request =
                auth::Request { method: b"REGISTER", uri: uri.as_bytes(), cnonce: b"0a4f113b", count: 1, body: b"" };
            let mut value = Vec::new();
            auth::answer(&mut value, &asked.challenge, &secret, &request);
            proof = format!("Authorization: {}\r\n", String::from_utf8(value).unwrap());
        }
    }

    /// What is nobody's, what is no message, and ends of connections.
    fn disturb(&mut self) {
        self.named += 1;
        let stranger: SocketAddr = STRANGER.parse().unwrap();
        let branch = format!("s{}", self.named);
        let head = ["<sip:x@h>;tag=1", "<sip:y@h>", "sip:y@h"];
        match self.chance.below(5) {
            0 => self.ask(Way::Datagram(stranger), "OPTIONS", &head, (&branch, 1, &branch), ""),
            1 => {
                self.say(Way::Datagram(prices::originator_address(0)), "INVITE sip:1@h SIP/2.0\r\nVia: nothing\r\n\r\n")
            }
            2 => {
                if let Some(flow) = self.connect(stranger) {
                    self.say(Way::Stream(flow), "REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/TCP half of a mess");
                }
            }
            _ if !self.flows.is_empty() => {
                let place = self.chance.below(self.flows.len() as u64) as usize;
                let flow = self.flows.swap_remove(place);
                self.turn(|shard, clock, out| shard.on_stream_ended(clock, flow, out));
            }
            _ => {}
        }
        self.settle();
    }

    /// Some media, from peers and from others.
    fn speak(&mut self) {
        for port in self.ports.clone() {
            let mut room = [0; 172 + media::srtp::SEAL_BYTES_MAX];
            room[..2].copy_from_slice(&[0x80, 8]);
            let from = self.chance.of(&["127.0.0.9:4000", "127.0.0.9:4001", STRANGER]).parse().unwrap();
            self.turn(|shard, clock, _| {
                shard.on_media(clock, clock.now, port, from, &mut room, 172);
            });
        }
    }

    /// Everything once more; at its end nothing is left but what tables keep room for.
    fn round(&mut self, seed: u64) -> i64 {
        self.chance = Chance(seed);
        let end = self.now_ms + ROUND_MS;
        for _ in 0..CALLS {
            self.call();
            for _ in 0..2 {
                self.act();
            }
            match self.chance.below(4) {
                0 => self.register(),
                1 => self.speak(),
                _ => self.disturb(),
            }
            let wait = self.chance.of(&[0, 1, 1, 3, 12]) * STEP_MS;
            self.pass(wait);
        }
        self.pass(end - self.now_ms);
        (self.mail, self.sides, self.flows) = (VecDeque::new(), Vec::new(), Vec::new());
        self.out = Effects::default();
        assert_eq!((self.shard.calls_held(), self.shard.figures().ports_used), (0, 0), "calls and ports");
        assert_eq!((self.ports.len(), self.shard.registrar().all().count()), (0, 0), "sockets and bindings");
        self.ports = Vec::new();
        let book = self.shard.book();
        let reserved = |id: u32| book.reserved(AccountId(id)) + book.reserved(AccountId(id).owed());
        assert!(book.rooms(Instant::default()).is_empty() && (0..30).all(|id| reserved(id) == Money::ZERO));
        let mut begun = 0;
        self.shard.counters(&mut |name, value| begun += if name == "calls_begun" { value } else { 0 });
        assert_eq!(self.records, begun, "each call has one record");
        live_bytes::live() as i64
    }
}

#[test]
fn what_is_over_holds_no_memory() {
    let rounds = std::env::var("MEMORY_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let seed = std::env::var("MEMORY_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(7);
    let mut world = World::new();
    for _ in 1..WARM {
        world.round(seed);
    }
    let mut last = world.round(seed);
    let (before, warm) = (world.answered, last);
    let mut most = 0;
    for _ in 0..rounds {
        last = world.round(seed);
        most = most.max(last - warm);
    }
    let answered = world.answered - before;
    println!("{} calls, {answered} answered: {warm} bytes before, {last} after, at most {most} more", rounds * CALLS);
    assert!(answered > rounds * CALLS / 5, "too few calls are answered for this to mean anything: {answered}");
    assert!(last - warm <= DIFFER_MAX, "{} bytes more after {rounds} rounds of {CALLS} calls", last - warm);
}
