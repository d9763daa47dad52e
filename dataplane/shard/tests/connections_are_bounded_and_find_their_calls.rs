//! Connections of SIP over TCP: who may have how many, for how long, and how messages and answers travel over them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;
use std::sync::Arc;

use shard::streams::{self, PER_ADDRESS_MAX, PER_STRANGER_MAX};
use shard::{Config, Effect, Effects, Listener, Loaded, Parcel, Shard, Target, Transport, guard};
use sip::Flow;
use snapshot::{
    Account, Carrier, Deck, EgressTrunk, IngressTrunk, Model, Order, Plan, PlanRoute, Policy, Rate, Source,
    policy::Transport as Choice,
};
use units::{
    AccountId, CarrierId, Clock, Currency, DeckId, EgressTrunkId, IngressTrunkId, Instant, Money, NodeId, PlanId,
    Revision, ShardId, WallTime,
};

const ORIGINATOR: &str = "127.0.0.2:40000";
const STRANGER: &str = "127.0.9.9:40000";
const TCP: u8 = 1;
const TLS: u8 = 2;

/// What the pump is told, with the bytes.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Datagram(SocketAddr, String),
    Connect(Flow, u8, SocketAddr),
    Secure(Flow, String),
    Stream(Flow, String),
    Close(Flow),
    Parcel(ShardId),
}

struct Story {
    shard: Shard,
    now_ms: u64,
    out: Effects,
    parcels: Vec<Parcel>,
}

impl Story {
    fn new(shards: u16) -> Story {
        Story::over(shards, Choice::Tcp)
    }

    /// The first trunk is reached over this.
    fn over(shards: u16, first: Choice) -> Story {
        let mut story = Story::early(shards);
        let loaded = Loaded::new(Arc::new(model(first).encode().unwrap())).unwrap();
        story.shard.on_snapshot(Clock::default(), loaded, &mut story.out);
        story
    }

    /// Before the first snapshot.
    fn early(shards: u16) -> Story {
        let address = "127.0.0.1:5060".parse().unwrap();
        let listener = |transport| Listener { name: String::new(), transport, address };
        let shard = Shard::new(Config {
            node: NodeId(1),
            boot: 1,
            shard: ShardId(0),
            shards,
            listeners: vec![listener(Transport::Udp), listener(Transport::Tcp), listener(Transport::Tls)],
            media_v4: Some("127.0.0.1".parse().unwrap()),
            media_v6: None,
            port_low: 20_000,
            port_high: 20_199,
            seed: [3; 32],
            node_key: [3; 32],
            behind: Default::default(),
            trace_percent: 0,
            grants: Vec::new(),
            guard: guard::Settings::default(),
            streams: streams::Settings::default(),
            ticks: || 0,
        });
        Story { shard, now_ms: 1_000, out: Effects::default(), parcels: Vec::new() }
    }

    fn clock(&self) -> Clock {
        let wall = WallTime::from_micros(1_800_000_000_000_000 + self.now_ms as i64 * 1_000);
        Clock { now: Instant::from_micros(self.now_ms * 1_000), wall }
    }

    fn accept(&mut self, from: &str) -> Option<Flow> {
        self.shard.on_accepted(self.clock(), TCP, from.parse().unwrap())
    }

    fn hear(&mut self, flow: Flow, text: &str) -> Vec<Told> {
        self.shard.on_stream(self.clock(), flow, text.as_bytes(), &mut self.out);
        self.told()
    }

    /// Lets time pass; deadlines are met as they come.
    fn wait(&mut self, ms: u64) -> Vec<Told> {
        let (end, mut told) = (self.now_ms + ms, Vec::new());
        while let Some(due) = self.shard.deadline().map(|due| due.micros().div_ceil(1_000)).filter(|due| *due <= end) {
            self.now_ms = due.max(self.now_ms);
            self.shard.on_time(self.clock(), &mut self.out);
            told.extend(self.told());
        }
        self.now_ms = end;
        told
    }

    /// What the pump has to do; the journal keeps at once, ports open.
    fn told(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        while !self.out.list.is_empty() {
            let bytes = std::mem::take(&mut self.out.bytes);
            let text = |range: std::ops::Range<usize>| String::from_utf8(bytes[range].to_vec()).unwrap();
            for effect in std::mem::take(&mut self.out.list) {
                match effect {
                    Effect::Sip { to, bytes } => told.push(Told::Datagram(to.remote, text(bytes))),
                    Effect::Connect { flow, listener: TLS, name, .. } => told.push(Told::Secure(flow, name)),
                    Effect::Connect { flow, listener, to, .. } => told.push(Told::Connect(flow, listener, to)),
                    Effect::Stream { flow, bytes } => told.push(Told::Stream(flow, text(bytes))),
                    Effect::CloseStream { flow } => told.push(Told::Close(flow)),
                    Effect::Journal { ticket, .. } => self.shard.on_journaled(self.clock(), ticket, &mut self.out),
                    Effect::Parcel { to, parcel } => {
                        told.push(Told::Parcel(to));
                        self.parcels.push(*parcel);
                    }
                    _ => {}
                }
            }
        }
        told
    }
}

/// A deck without price: the book has no money in these stories.
fn free_deck() -> Deck {
    let rate = Rate { prefix: "44".into(), per_minute: Money::ZERO, ..Rate::default() };
    Deck { id: DeckId(1), code: "free".into(), decimals: 9, rates: vec![rate], ..Deck::default() }
}

/// In these stories a trunk over TLS is found by name.
fn host_of(transport: Choice) -> String {
    if transport == Choice::Tls { "west.example.net".into() } else { String::new() }
}

fn model(first: Choice) -> Model {
    let carrier = |id: u32| Carrier { id: CarrierId(id), code: format!("carrier-{id}"), ..Carrier::default() };
    let account =
        |id: u32| Account { id: AccountId(id), carrier: CarrierId(id), currency: Currency::USD, ..Account::default() };
    let egress = |id: u32, address: &str, transport: Choice| EgressTrunk {
        id: EgressTrunkId(id),
        code: format!("out-{id}"),
        carrier: CarrierId(2),
        account: AccountId(2),
        address: address.parse().unwrap(),
        buy_deck: DeckId(1),
        policy: Policy { transport, host: host_of(transport), ..Policy::default() },
        ..EgressTrunk::default()
    };
    Model {
        revision: Revision(1),
        carriers: vec![carrier(1), carrier(2)],
        accounts: vec![account(1), account(2)],
        ingress_trunks: vec![IngressTrunk {
            id: IngressTrunkId(1),
            code: "in".into(),
            carrier: CarrierId(1),
            account: AccountId(1),
            sources: vec![Source { network: "127.0.0.2".parse().unwrap(), bits: 32, port: 0 }],
            plan: PlanId(1),
            sell_deck: DeckId(1),
            ..IngressTrunk::default()
        }],
        egress_trunks: vec![egress(1, "127.0.0.3:5070", first), egress(2, "127.0.0.4:5060", Choice::Udp)],
        decks: vec![free_deck()],
        plans: vec![Plan {
            id: PlanId(1),
            code: "plan".into(),
            order: Order::Priority,
            attempts_max: 3,
            routes: [1, 2]
                .map(|id| PlanRoute {
                    egress_trunk: EgressTrunkId(id),
                    priority: 9 - id as i16,
                    ..PlanRoute::default()
                })
                .into(),
            ..Plan::default()
        }],
        ..Model::default()
    }
}

fn request(method: &str, call_id: &str, extra: &str, body: &str) -> String {
    format!(
        "{method} sip:4420123@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.2:5061;branch=z9hG4bK{call_id}{method}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:1000@127.0.0.2>;tag=caller\r\nTo: <sip:4420123@127.0.0.1>\r\n\
         Call-ID: {call_id}\r\nCSeq: 1 {method}\r\nContact: <sip:1000@127.0.0.2:5061;transport=tcp>\r\n{extra}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 7000 RTP/AVP 8\r\n";

fn invite(call_id: &str) -> String {
    request("INVITE", call_id, "Content-Type: application/sdp\r\n", SDP)
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
}

/// The answer of a peer to this request.
fn answer(request: &str, status: &str) -> String {
    let copy = ["Via", "From", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", header(request, name))).concat();
    let to = header(request, "To");
    format!(
        "SIP/2.0 {status}\r\n{copy}To: {to};tag=taker\r\nContact: <sip:127.0.0.3:5070>\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn before_the_first_snapshot_a_connected_peer_is_sent_to_another_node() {
    let mut story = Story::early(1);
    let flow = story.accept(ORIGINATOR).unwrap();
    let told = story.hear(flow, &request("OPTIONS", "one", "", ""));
    let [Told::Stream(to, answer), ..] = &told[..] else { panic!("nothing is sent again over TCP: {told:?}") };
    assert_eq!(*to, flow);
    assert!(answer.starts_with("SIP/2.0 503 ") && answer.contains("\r\nRetry-After: "), "{answer}");
}

#[test]
fn a_message_in_pieces_is_answered_once_over_its_connection_and_a_ping_by_a_line_end() {
    let mut story = Story::new(1);
    let flow = story.accept(ORIGINATOR).unwrap();
    let text = request("OPTIONS", "one", "", "");
    let (last, pieces) = text.as_bytes().split_last().unwrap();
    for piece in pieces.chunks(7) {
        assert_eq!(story.hear(flow, std::str::from_utf8(piece).unwrap()), []);
    }
    let told = story.hear(flow, &format!("{}\r\n\r\n", char::from(*last)));
    let [Told::Stream(to, answer), Told::Stream(also, pong)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((*to, *also, pong.as_str()), (flow, flow, "\r\n"));
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    let two = request("OPTIONS", "two", "", "") + &request("OPTIONS", "three", "", "");
    assert_eq!(story.hear(flow, &two).len(), 2, "two messages in one piece");
}

#[test]
fn strangers_get_few_connections_a_refusal_and_the_end() {
    let mut story = Story::new(1);
    let flows: Vec<Flow> = (0..PER_STRANGER_MAX).map(|_| story.accept(STRANGER).unwrap()).collect();
    assert_eq!(story.accept(STRANGER), None);
    assert!(story.accept("127.0.9.8:1").is_some(), "another stranger has connections of his own");
    let told = story.hear(flows[0], &request("OPTIONS", "one", "", ""));
    assert!(
        matches!(&told[..], [Told::Stream(_, text), Told::Close(flow)]
        if text.starts_with("SIP/2.0 403 ") && *flow == flows[0]),
        "{told:?}"
    );
    assert_eq!(story.hear(flows[0], &request("OPTIONS", "two", "", "")), [], "it is gone");
    assert!(story.accept(STRANGER).is_some(), "its place is free");
}

#[test]
fn a_known_peer_gets_more_connections_but_not_endlessly_many() {
    let mut story = Story::new(1);
    for _ in 0..PER_ADDRESS_MAX {
        assert!(story.accept(ORIGINATOR).is_some());
    }
    assert_eq!(story.accept(ORIGINATOR), None);
}

#[test]
fn silence_and_slowness_end_a_connection() {
    let mut story = Story::new(1);
    let stranger = story.accept(STRANGER).unwrap();
    let idle = story.accept(ORIGINATOR).unwrap();
    let slow = story.accept(ORIGINATOR).unwrap();
    assert_eq!(story.hear(slow, "INVITE sip:4420123@127.0.0.1 SIP/2.0\r\n"), []);
    for byte in ["V", "i", "a"] {
        assert_eq!(story.wait(10_000), []);
        story.hear(slow, byte);
    }
    assert_eq!(story.wait(1_999), []);
    assert_eq!(story.wait(1), [Told::Close(slow)], "32 s after the message began");
    assert_eq!(story.wait(27_999), []);
    assert_eq!(story.wait(1), [Told::Close(stranger)], "60 s without a word");
    assert_eq!(story.wait(480_000), []);
    story.hear(idle, "\r\n\r\n");
    assert_eq!(story.wait(599_999), []);
    assert_eq!(story.wait(1), [Told::Close(idle)], "600 s after its last word");
    assert_eq!(story.shard.deadline(), None);
}

#[test]
fn what_cannot_be_cut_into_messages_is_refused_and_closed() {
    let endless = format!("OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nX: {}", "y".repeat(70_000));
    let huge = request("OPTIONS", "one", "", "").replace("Content-Length: 0", "Content-Length: 999999999");
    let negative = request("OPTIONS", "one", "", "").replace("Content-Length: 0", "Content-Length: -5");
    let none = request("OPTIONS", "one", "", "").replace("Content-Length: 0\r\n", "");
    for (text, status) in [(endless, None), (huge, Some("513")), (negative, Some("400")), (none, Some("400"))] {
        let mut story = Story::new(1);
        let flow = story.accept(ORIGINATOR).unwrap();
        let told = story.hear(flow, &text);
        match (&told[..], status) {
            ([Told::Stream(_, answer), Told::Close(_)], Some(status)) => {
                assert!(answer.starts_with(&format!("SIP/2.0 {status} ")), "{answer}");
            }
            ([Told::Close(_)], None) => {}
            other => panic!("{other:?}"),
        }
        let stranger = story.accept(STRANGER).unwrap();
        assert_eq!(story.hear(stranger, &text), [Told::Close(stranger)], "strangers get no word");
    }
}

#[test]
fn a_call_connects_to_its_terminator_and_goes_the_next_way_when_nobody_answers_there() {
    let mut story = Story::new(1);
    let flow = story.accept(ORIGINATOR).unwrap();
    let told = story.hear(flow, &invite("one"));
    let [Told::Stream(back, trying), Told::Connect(out, TCP, to)] = &told[..] else { panic!("{told:?}") };
    assert!(*back == flow && trying.starts_with("SIP/2.0 100 "), "{trying}");
    assert_eq!(to.to_string(), "127.0.0.3:5070");
    // It does not stand within four seconds: the next route, by UDP.
    assert!(story.wait(3_999).is_empty());
    let told = story.wait(1);
    let [Told::Close(closed), Told::Datagram(next, text)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((closed, next.to_string().as_str()), (out, "127.0.0.4:5060"));
    assert!(text.starts_with("INVITE sip:4420123@127.0.0.4"), "{text}");
}

#[test]
fn a_connection_that_is_refused_sends_the_call_on_at_once() {
    let mut story = Story::new(1);
    let flow = story.accept(ORIGINATOR).unwrap();
    let told = story.hear(flow, &invite("one"));
    let Some(Told::Connect(out, ..)) = told.last() else { panic!("{told:?}") };
    story.shard.on_stream_ended(story.clock(), *out, &mut story.out);
    assert!(matches!(&story.told()[..], [Told::Datagram(..)]));
}

#[test]
fn a_connection_that_stands_carries_what_waited_and_every_call_after() {
    let mut story = Story::new(1);
    let flow = story.accept(ORIGINATOR).unwrap();
    let told = story.hear(flow, &invite("one"));
    let Some(Told::Connect(out, ..)) = told.last() else { panic!("{told:?}") };
    let second = story.hear(flow, &invite("two"));
    assert!(matches!(&second[..], [Told::Stream(..)]), "only its 100: the INVITE waits, {second:?}");
    story.shard.on_connected(story.clock(), *out, &mut story.out);
    let told = story.told();
    let [Told::Stream(a, first), Told::Stream(b, _)] = &told[..] else { panic!("{told:?}") };
    assert!(a == out && b == out && first.contains("Via: SIP/2.0/TCP 127.0.0.1:5060"), "{first}");
    assert!(first.contains("transport=tcp"), "{first}");
    let third = story.hear(flow, &invite("three"));
    assert!(matches!(&third[..], [Told::Stream(..), Told::Stream(over, _)] if over == out), "{third:?}");
    // Nothing is repeated over a connection, and the answer finds its way back over the originator's.
    assert_eq!(story.wait(5_000), []);
    let told = story.hear(*out, &answer(first, "180 Ringing"));
    assert!(matches!(&told[..], [Told::Stream(back, text)] if *back == flow && text.starts_with("SIP/2.0 180 ")));
}

#[test]
fn an_answer_whose_connection_is_gone_goes_over_a_new_one_to_the_port_of_its_via() {
    let mut story = Story::new(1);
    let flow = story.accept(ORIGINATOR).unwrap();
    let told = story.hear(flow, &invite("one"));
    let Some(Told::Connect(out, ..)) = told.last() else { panic!("{told:?}") };
    story.shard.on_connected(story.clock(), *out, &mut story.out);
    let Some(Told::Stream(_, sent)) = story.told().pop() else { panic!("the INVITE goes out") };
    story.shard.on_stream_ended(story.clock(), flow, &mut story.out);
    let told = story.hear(*out, &answer(&sent, "180 Ringing"));
    let [Told::Connect(back, TCP, to)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(to.to_string(), "127.0.0.2:5061");
    story.shard.on_connected(story.clock(), *back, &mut story.out);
    let told = story.told();
    assert!(matches!(&told[..], [Told::Stream(_, text)] if text.starts_with("SIP/2.0 180 ")), "{told:?}");
}

#[test]
fn another_shards_connection_is_spoken_to_by_parcel() {
    let mut story = Story::new(2);
    let flow = story.accept(ORIGINATOR).unwrap();
    let steered: Vec<Vec<Told>> =
        (0..8).map(|n| story.hear(flow, &request("OPTIONS", &format!("o{n}"), "", ""))).collect();
    assert!(steered.iter().any(|told| matches!(&told[..], [Told::Parcel(ShardId(1))])), "some calls are the other's");
    let Some(Parcel::Datagram { from, bytes }) = story.parcels.pop() else { panic!("a message was steered") };
    assert_eq!(from.flow, Some(flow));
    // The same message, as if this shard were the other one: the connection is not its own.
    let far = Flow::new(1, 77);
    story.parcels.clear();
    let elsewhere = sip::Hop { flow: Some(far), ..from };
    story.shard.on_parcel(story.clock(), Parcel::Datagram { from: elsewhere, bytes }, &mut story.out);
    assert_eq!(story.told(), [Told::Parcel(ShardId(1))]);
    let Some(Parcel::Send { to, bytes }) = story.parcels.pop() else { panic!("an answer by parcel") };
    assert!(to.flow == Some(far) && bytes.starts_with(b"SIP/2.0 200 "));
    // And what another shard sends by ours goes out.
    let near = sip::Hop { flow: Some(flow), ..from };
    story.shard.on_parcel(story.clock(), Parcel::Send { to: near, bytes }, &mut story.out);
    assert!(matches!(&story.told()[..], [Told::Stream(over, _)] if *over == flow));
}

#[test]
fn a_trunk_that_takes_both_hears_long_requests_over_tcp_and_the_others_by_udp() {
    let long = format!("{SDP}{}", "a=x-filler:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(25));
    let long = request("INVITE", "long", "Content-Type: application/sdp\r\n", &long);
    for (first, text, streams) in
        [(Choice::Auto, invite("short"), false), (Choice::Auto, long.clone(), true), (Choice::Udp, long, false)]
    {
        let mut story = Story::over(1, first);
        let flow = story.accept(ORIGINATOR).unwrap();
        let told = story.hear(flow, &text);
        match told.last() {
            Some(Told::Connect(out, ..)) if streams => {
                story.shard.on_connected(story.clock(), *out, &mut story.out);
                let told = story.told();
                let [Told::Stream(_, sent)] = &told[..] else { panic!("{told:?}") };
                assert!(sent.len() > 1_300 && sent.contains("Via: SIP/2.0/TCP "), "{sent}");
            }
            Some(Told::Datagram(to, sent)) if !streams => {
                assert!(to.port() == 5_070 && sent.contains("Via: SIP/2.0/UDP "), "{sent}");
            }
            other => panic!("{first:?}: {other:?}"),
        }
    }
}

#[test]
fn a_long_request_goes_as_a_datagram_where_nobody_takes_connections() {
    let long = format!("{SDP}{}", "a=x-filler:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(25));
    let mut story = Story::over(1, Choice::Auto);
    let flow = story.accept(ORIGINATOR).unwrap();
    let told = story.hear(flow, &request("INVITE", "long", "Content-Type: application/sdp\r\n", &long));
    let Some(Told::Connect(out, ..)) = told.last() else { panic!("{told:?}") };
    story.shard.on_stream_ended(story.clock(), *out, &mut story.out);
    let told = story.told();
    let [Told::Datagram(to, sent)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(to.port(), 5_070, "the same trunk, not the next route");
    assert!(sent.len() > 1_300 && sent.contains("Via: SIP/2.0/UDP ") && !sent.contains("transport=tcp"), "{sent}");
}

#[test]
fn a_peer_over_tls_must_prove_the_host_of_its_trunk() {
    let mut story = Story::over(1, Choice::Tls);
    let addresses = vec!["127.0.0.3:5061".parse().unwrap()];
    let target = Target { transport: Transport::Tls, addresses, ..Target::default() };
    story.shard.on_targets(EgressTrunkId(1), &[target]);
    let flow = story.accept(ORIGINATOR).unwrap();
    let told = story.hear(flow, &invite("one"));
    assert!(matches!(told.last(), Some(Told::Secure(_, name)) if name == "west.example.net"), "{told:?}");
}
