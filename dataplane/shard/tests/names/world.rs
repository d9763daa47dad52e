//! A switch of one or more shards, and phones that talk to it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use shard::behind::{Behind, Key};
use shard::guard::Settings;
use shard::registrar::Change;
use shard::{Config, Effect, Effects, Flow, Hop, Listener, Loaded, Shard, Transport};
use sip::auth::{Request, Secret, answer, challenge_of};
use sip::{Name, parse};
use snapshot::policy::{Digest, Registration};
use snapshot::{
    Account, Carrier, Deck, EgressTrunk, IngressTrunk, Model, Order, Plan, PlanRoute, Policy, Rate, Source,
};
use units::{
    AccountId, CarrierId, Clock, Currency, DeckId, EgressTrunkId, IngressTrunkId, Instant, Money, NodeId, PlanId,
    Revision, ShardId, WallTime,
};

/// Where the switch listens.
pub const SWITCH: &str = "192.0.2.100:5060";
/// Where phones are.
pub const HOME: &str = "198.51.100.7:5062";
/// Another place.
pub const AWAY: &str = "198.51.100.8:5062";
/// The realm of all.
pub const REALM: &str = "voice.example";
/// The peer of the egress trunk.
pub const PEER: &str = "203.0.113.5:5060";

/// What a policy keeps of a password.
pub fn digest(user: &str, password: &str) -> Digest {
    let secret = Secret::from_password(user, REALM, password);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Digest {
        user: user.into(),
        realm: REALM.into(),
        ha1_md5: hex(&secret.ha1_md5),
        ha1_sha256: hex(&secret.ha1_sha256),
        ..Digest::default()
    }
}

fn ingress(id: u32, sources: &[&str], digest: Option<Digest>) -> IngressTrunk {
    let source = |ip: &&str| Source { network: ip.parse().unwrap(), bits: 32, port: 0 };
    IngressTrunk {
        id: IngressTrunkId(id),
        code: format!("in-{id}"),
        carrier: CarrierId(1),
        account: AccountId(1),
        sources: sources.iter().map(source).collect(),
        plan: PlanId(1),
        sell_deck: DeckId(1),
        policy: Policy { digest, ..Policy::default() },
        ..IngressTrunk::default()
    }
}

/// Trunk 1 is alice, 2 is bob; both come from anywhere. Trunk 3 is carol, who comes from 198.51.100.33 alone. The egress trunk
/// registers with its peer.
pub fn model() -> Model {
    let rate = Rate { prefix: "4".into(), per_minute: Money::from_nanos(1_000), ..Rate::default() };
    let deck =
        |id: u32| Deck { id: DeckId(id), code: format!("deck-{id}"), rates: vec![rate.clone()], ..Deck::default() };
    Model {
        revision: Revision(1),
        built: WallTime::from_micros(0),
        carriers: vec![Carrier { id: CarrierId(1), code: "one".into(), ..Carrier::default() }],
        accounts: vec![Account {
            id: AccountId(1),
            carrier: CarrierId(1),
            currency: Currency::USD,
            ..Account::default()
        }],
        ingress_trunks: vec![
            ingress(1, &[], Some(digest("alice", "wonderland"))),
            ingress(2, &[], Some(digest("bob", "builder"))),
            ingress(3, &["198.51.100.33"], Some(digest("carol", "christmas"))),
        ],
        egress_trunks: vec![EgressTrunk {
            id: EgressTrunkId(1),
            code: "out".into(),
            carrier: CarrierId(1),
            account: AccountId(1),
            buy_deck: DeckId(2),
            address: PEER.parse().unwrap(),
            ..EgressTrunk::default()
        }],
        decks: vec![deck(1), deck(2)],
        plans: vec![Plan {
            id: PlanId(1),
            code: "plan".into(),
            order: Order::Priority,
            attempts_max: 3,
            routes: vec![PlanRoute { egress_trunk: EgressTrunkId(1), ..PlanRoute::default() }],
            ..Plan::default()
        }],
        ..Model::default()
    }
}

/// The model whose egress trunk registers as `switch` for 600 seconds.
pub fn registering() -> Model {
    let mut model = model();
    let policy = &mut model.egress_trunks[0].policy;
    policy.digest = Some(digest("switch", "secret"));
    let domain = "peer.example".into();
    policy.registration =
        Some(Registration { user: "switch".into(), domain, registrar: String::new(), expires_s: 600 });
    model
}

/// The place of the TCP listener.
const TCP: u8 = 1;

fn config(node: u16, shard: u16, shards: u16) -> Config {
    let place = format!("192.0.2.{node}:5060").parse().unwrap();
    let listener = |transport| Listener { name: String::new(), transport, address: SWITCH.parse().unwrap() };
    Config {
        node: NodeId(node),
        boot: 1,
        shard: ShardId(shard),
        shards,
        listeners: [Transport::Udp, Transport::Tcp].map(listener).into(),
        media_v4: Some("192.0.2.100".parse().unwrap()),
        media_v6: None,
        port_low: 20_000 + shard * 100,
        port_high: 20_099 + shard * 100,
        seed: [shard as u8 + 1; 32],
        node_key: [9; 32],
        behind: Behind { key: Some(Key::of(&[b'k'; 40])), balancers: Vec::new(), across: Some((0, place)) },
        trace_percent: 0,
        grants: Vec::new(),
        streams: shard::streams::Settings::default(),
        guard: Settings { stranger_per_s: 0, strangers_per_s: 0, ..Settings::default() },
        ticks: || 0,
    }
}

/// The switch.
pub struct World {
    pub shards: Vec<Shard>,
    pub now_ms: u64,
    /// What the other nodes are to be told.
    pub told: Vec<Change>,
    /// What was said over connections.
    pub said: Vec<(Flow, String)>,
    /// Connections that the switch wanted to make.
    pub connects: usize,
}

impl World {
    /// A switch that has this snapshot in force.
    pub fn new(shards: u16, model: &Model) -> World {
        World::of_node(1, shards, model)
    }

    /// One node of several.
    pub fn of_node(node: u16, shards: u16, model: &Model) -> World {
        let shards = (0..shards).map(|shard| Shard::new(config(node, shard, shards))).collect();
        let mut world = World { shards, now_ms: 1_000_000, told: Vec::new(), said: Vec::new(), connects: 0 };
        world.publish(model);
        world
    }

    /// Another snapshot comes into force.
    pub fn publish(&mut self, model: &Model) {
        let loaded = Loaded::new(Arc::new(model.encode().unwrap())).unwrap();
        let (clock, mut out) = (self.clock(), Effects::default());
        self.shards.iter_mut().for_each(|shard| drop(shard.on_snapshot(clock, loaded.clone(), &mut out)));
        assert!(out.list.is_empty(), "a snapshot by itself sends nothing");
    }

    pub fn clock(&self) -> Clock {
        Clock {
            now: Instant::from_micros(self.now_ms * 1_000),
            wall: WallTime::from_micros(self.now_ms as i64 * 1_000),
        }
    }

    /// Gives a message to a shard, and all parcels to whom they are for; what the switch sends comes back.
    pub fn hear_at(&mut self, shard: usize, from: &str, bytes: &[u8]) -> Vec<(SocketAddr, String)> {
        let (clock, mut out) = (self.clock(), Effects::default());
        let hop = Hop::from(from.parse::<SocketAddr>().unwrap());
        self.shards[shard].on_sip(clock, hop, bytes, &mut out);
        self.carry(shard, out)
    }

    /// Somebody connects to a shard over TCP.
    pub fn connect(&mut self, shard: usize, from: &str) -> Flow {
        let clock = self.clock();
        self.shards[shard].on_accepted(clock, TCP, from.parse().unwrap()).unwrap()
    }

    /// What somebody says over a connection; what the switch sends as datagrams comes back.
    pub fn hear_over(&mut self, flow: Flow, text: &str) -> Vec<(SocketAddr, String)> {
        let (clock, shard, mut out) = (self.clock(), usize::from(flow.shard()), Effects::default());
        self.shards[shard].on_stream(clock, flow, text.as_bytes(), &mut out);
        self.carry(shard, out)
    }

    /// What another node's subscribers did becomes known here.
    pub fn learn(&mut self, changes: &[Change]) {
        let clock = self.clock();
        self.shards.iter_mut().for_each(|shard| shard.on_bindings(clock, changes));
    }

    /// Gives a message to the first shard.
    pub fn hear(&mut self, from: &str, text: &str) -> Vec<(SocketAddr, String)> {
        self.hear_at(0, from, text.as_bytes())
    }

    /// Time goes on.
    pub fn wait(&mut self, ms: u64) -> Vec<(SocketAddr, String)> {
        let end_ms = self.now_ms + ms;
        let mut sent = Vec::new();
        loop {
            let due = self.shards.iter().filter_map(Shard::deadline).min().map(|due| due.micros().div_ceil(1_000));
            let Some(due) = due.filter(|due| *due <= end_ms) else { break };
            self.now_ms = self.now_ms.max(due) + u64::from(due <= self.now_ms);
            let clock = self.clock();
            for shard in 0..self.shards.len() {
                let mut out = Effects::default();
                self.shards[shard].on_time(clock, &mut out);
                sent.extend(self.carry(shard, out));
            }
        }
        self.now_ms = self.now_ms.max(end_ms);
        sent
    }

    /// Carries out what a shard ordered, and whatever comes of it; the journal keeps at once.
    fn carry(&mut self, shard: usize, out: Effects) -> Vec<(SocketAddr, String)> {
        let (clock, mut sent, mut all) = (self.clock(), Vec::new(), VecDeque::from([(shard, out)]));
        while let Some((shard, mut out)) = all.pop_front() {
            let text = |bytes: std::ops::Range<usize>| String::from_utf8(out.bytes[bytes].to_vec()).unwrap();
            for effect in out.list.drain(..) {
                let mut next = Effects::default();
                match effect {
                    Effect::Sip { to, bytes } => sent.push((to.remote, text(bytes))),
                    Effect::Stream { flow, bytes } => self.said.push((flow, text(bytes))),
                    Effect::Connect { .. } => self.connects += 1,
                    Effect::Journal { ticket, .. } => {
                        self.shards[shard].on_journaled(clock, ticket, &mut next);
                        all.push_back((shard, next));
                    }
                    Effect::Parcel { to, parcel } => {
                        let to = usize::from(to.0);
                        self.shards[to].on_parcel(clock, *parcel, &mut next);
                        all.push_back((to, next));
                    }
                    Effect::Binding(change) => self.told.push(*change),
                    _ => {}
                }
            }
        }
        sent
    }

    /// The only answer to a message.
    pub fn ask(&mut self, from: &str, text: &str) -> String {
        let mut sent = self.hear(from, text);
        assert_eq!(sent.len(), 1, "one answer to\n{text}\nand not {sent:?}");
        let (to, answer) = sent.remove(0);
        assert_eq!(to, from.parse().unwrap(), "the answer goes back");
        parse::message(answer.as_bytes()).unwrap();
        answer
    }

    /// A counter summed over the shards.
    pub fn counted(&self, wanted: &str) -> u64 {
        let mut sum = 0;
        for shard in &self.shards {
            shard.counters(&mut |name, value| sum += if name == wanted { value } else { 0 });
        }
        sum
    }
}

/// The status of a response.
pub fn status(response: &str) -> u16 {
    parse::message(response.as_bytes()).unwrap().status().unwrap()
}

/// One user and what it sends.
pub struct Phone {
    pub user: &'static str,
    pub password: &'static str,
    pub call_id: String,
    pub cseq: u32,
    branch: u32,
}

impl Phone {
    pub fn new(user: &'static str, password: &'static str) -> Phone {
        Phone { user, password, call_id: format!("{user}-1"), cseq: 0, branch: 0 }
    }

    /// A REGISTER with the next number and these lines in it.
    pub fn register(&mut self, lines: &str) -> String {
        self.request("REGISTER", &format!("sip:{REALM}"), self.user, lines)
    }

    /// A request with the next number; `to` is a user of the realm.
    pub fn request(&mut self, method: &str, uri: &str, to: &str, lines: &str) -> String {
        self.cseq += 1;
        self.branch += 1;
        let (user, call_id, cseq, branch) = (self.user, &self.call_id, self.cseq, self.branch);
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5062;rport;branch=z9hG4bK{call_id}{branch}\r\n\
             Max-Forwards: 70\r\nFrom: \"{user} of the long name\" <sip:{user}@{REALM}>;tag=t{call_id}\r\n\
             To: <sip:{to}@{REALM}>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             User-Agent: a phone that says quite a lot about itself, as phones do, with version and number\r\n\
             Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\n{lines}Content-Length: 0\r\n\r\n"
        )
    }

    /// The header that answers the challenge in a refusal; `place` is which challenge, from the top.
    pub fn proof(&self, refusal: &str, method: &str, uri: &str, count: u32) -> String {
        let message = parse::message(refusal.as_bytes()).unwrap();
        let asked = challenge_of(&message, REALM).unwrap();
        let secret = Secret::from_password(self.user, REALM, self.password);
        let mut value = Vec::new();
        let request = Request { method: method.as_bytes(), uri: uri.as_bytes(), cnonce: b"0a4f113b", count, body: b"" };
        answer(&mut value, &asked.challenge, &secret, &request);
        format!("{}: {}\r\n", Name::as_str(asked.answer_in), String::from_utf8(value).unwrap())
    }

    /// The same for a REGISTER.
    pub fn register_proof(&self, refusal: &str, count: u32) -> String {
        self.proof(refusal, "REGISTER", &format!("sip:{REALM}"), count)
    }

    /// Registers with these lines, proof included; the final answer.
    pub fn registers(&mut self, world: &mut World, from: &str, lines: &str) -> String {
        let refusal = self.register(lines);
        let refusal = world.ask(from, &refusal);
        assert_eq!(status(&refusal), 401, "{refusal}");
        let proof = self.register_proof(&refusal, 1);
        let request = self.register(&format!("{lines}{proof}"));
        world.ask(from, &request)
    }
}

/// The values of Contact in a message.
pub fn contacts(response: &str) -> Vec<String> {
    let message = parse::message(response.as_bytes()).unwrap();
    message.list(Name::Contact).map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
}
