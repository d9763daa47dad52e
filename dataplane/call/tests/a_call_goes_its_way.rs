//! One call through the B2BUA, with the shard's part played by the test: room and money are there, the journal writes.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

use std::net::SocketAddr;

use call::effect::{Effect, Effects};
use call::{Call, Context, Desk, Listener, Opening, Random, Switch};
use cdr::{GrantPart, Record};
use media::Relay;
use rating::Policies;
use sip::{Hop, Transport};
use snapshot::{
    Account, Carrier, Deck, EgressTrunk, IngressTrunk, Model, Order, Plan, PlanRoute, Policy, Rate, Source, View,
};
use units::{
    AccountId, CallId, CarrierId, Cause, Clock, Currency, DeckId, EgressTrunkId, GrantId, IngressTrunkId, Instant,
    Money, Number, PlanId, Revision, Rounding, WallTime,
};

const CALLER: &str = "127.0.0.2:5060";
const OFFER: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

struct Stage {
    image: Vec<u8>,
    policies: Policies,
    switch: Switch,
    random: Random,
    relay: Relay,
    out: Effects,
    now_ms: u64,
    sent: Vec<(u8, SocketAddr, String)>,
    records: Vec<Record>,
    grants: u64,
}

impl Stage {
    fn new() -> Stage {
        let image = model().encode().expect("the model is sound");
        Stage {
            policies: Policies::compile(&View::open(&image)).expect("the policies are sound"),
            image,
            switch: Switch {
                listeners: vec![Listener {
                    name: String::new(),
                    transport: Transport::Udp,
                    address: "127.0.0.1:5060".parse().unwrap(),
                }],
                media_v4: Some("127.0.0.1".parse().unwrap()),
                media_v6: None,
                shard_mark: b"-tdm0000".to_vec(),
            },
            random: Random::new([7; 32]),
            relay: Relay::new(20_000, 20_099, 1),
            out: Effects::default(),
            now_ms: 1_000,
            sent: Vec::new(),
            records: Vec::new(),
            grants: 0,
        }
    }

    fn clock(&self) -> Clock {
        Clock {
            now: Instant::from_micros(self.now_ms * 1_000),
            wall: WallTime::from_micros(1_800_000_000_000_000 + self.now_ms as i64 * 1_000),
        }
    }

    fn with<T>(&mut self, step: impl FnOnce(&mut Context<'_>) -> T) -> T {
        let clock = self.clock();
        let desk = Desk { clock, switch: &self.switch, random: &mut self.random, out: &mut self.out };
        let mut ctx = Context {
            desk,
            view: View::open(&self.image),
            policies: &self.policies,
            relay: &mut self.relay,
            ticks: || 0,
        };
        step(&mut ctx)
    }

    /// Plays the shard: carries out what the call ordered until it orders nothing more.
    fn serve(&mut self, call: &mut Call) {
        while !self.out.list.is_empty() {
            let bytes = std::mem::take(&mut self.out.bytes);
            for effect in std::mem::take(&mut self.out.list) {
                match effect {
                    Effect::Send { leg, to, bytes: range } => {
                        self.sent.push((leg, to.remote, String::from_utf8(bytes[range].to_vec()).unwrap()));
                    }
                    Effect::Take { trunk, .. } => self.with(|ctx| call.on_taken(ctx, trunk, Ok(()))),
                    Effect::Reserve { want, .. } => {
                        self.grants += 1;
                        let grant = GrantId { sequence: self.grants, ..GrantId::default() };
                        self.with(|ctx| call.on_reserved(ctx, Ok(vec![GrantPart { grant, amount: want }])));
                    }
                    Effect::Journal { bytes: range, wait } => {
                        self.records.push(Record::decode(&bytes[range]).expect("records can be read"));
                        if wait {
                            self.with(|ctx| call.on_journaled(ctx));
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn begin(&mut self) -> Call {
        let invite = invite();
        let message = sip::parse::message(invite.as_bytes()).expect("the INVITE is sound");
        let called = Number::parse(b"4420123").unwrap();
        let source: SocketAddr = CALLER.parse().unwrap();
        let admission = rating::admit(&View::open(&self.image), source, &called).expect("the caller is known");
        let opening = Opening {
            id: CallId { sequence: 1, ..CallId::default() },
            admission,
            calling: Number::parse(b"1000").unwrap(),
            called,
            hops: 70,
            source: source.into(),
            stages: cdr::Stages::default(),
        };
        let mut call = self.with(|ctx| Call::begin(ctx, opening, &message, Ok(())));
        self.serve(&mut call);
        call
    }

    fn hear(&mut self, call: &mut Call, leg: u8, text: &str, from: &str) {
        let message = sip::parse::message(text.as_bytes()).expect("the message is sound");
        let from: Hop = from.parse::<SocketAddr>().unwrap().into();
        self.with(|ctx| match message.is_request() {
            true => call.on_request(ctx, leg, &message, from),
            false => call.on_response(ctx, leg, &message),
        });
        self.serve(call);
    }

    /// The last message to a leg.
    fn last(&self, leg: u8) -> &str {
        &self.sent.iter().rfind(|(to, _, _)| *to == leg).expect("something was sent").2
    }

    fn cdrs(&self) -> Vec<&cdr::Cdr> {
        let cdr = |record: &'_ Record| matches!(record, Record::Cdr(_));
        let found = self.records.iter().filter(|record| cdr(record));
        found.filter_map(|record| if let Record::Cdr(cdr) = record { Some(&**cdr) } else { None }).collect()
    }

    fn talking_call(&mut self) -> Call {
        let mut call = self.begin();
        let answer = reply(self.last(1), 200, Some(OFFER));
        self.hear(&mut call, 1, &answer, "127.0.0.3:5060");
        let ack = request("ACK", self.last(0), 1);
        self.hear(&mut call, 0, &ack, CALLER);
        for _ in 0..80 {
            self.now_ms += 500;
            self.with(|ctx| call.on_time(ctx));
            self.serve(&mut call);
        }
        call
    }
}

fn deck(id: u32, price: i64) -> Deck {
    let rate = Rate {
        prefix: "44".into(),
        destination: "United Kingdom".into(),
        per_minute: Money::from_nanos(price),
        connection_fee: Money::ZERO,
        minimum_s: 1,
        increment_s: 1,
        free_s: 0,
        from: WallTime::from_micros(0),
        till: None,
        blocked: false,
    };
    Deck {
        id: DeckId(id),
        code: format!("deck-{id}"),
        currency: Currency::USD,
        decimals: 6,
        rounding: Rounding::Ceil,
        rates: vec![rate],
    }
}

fn model() -> Model {
    let carrier = |id: u32| Carrier { id: CarrierId(id), code: format!("carrier-{id}"), blocked: false };
    let account = |id: u32| Account { id: AccountId(id), carrier: CarrierId(id), currency: Currency::USD };
    let egress = |id: u32, carrier: u32, deck: u32, address: &str| EgressTrunk {
        id: EgressTrunkId(id),
        code: format!("out-{id}"),
        carrier: CarrierId(carrier),
        account: AccountId(carrier),
        address: address.parse().unwrap(),
        strip_digits: 0,
        add_prefix: String::new(),
        buy_deck: DeckId(deck),
        capacity: 0,
        cps: 0,
        active: true,
        progress_timeout_s: 0,
        ring_timeout_s: 0,
        policy: Policy::default(),
    };
    let route = |id: u32| PlanRoute { egress_trunk: EgressTrunkId(id), priority: 0, weight: 0, percent: 0 };
    Model {
        revision: Revision(5),
        built: WallTime::from_micros(1),
        carriers: vec![carrier(1), carrier(2), carrier(3)],
        accounts: vec![account(1), account(2), account(3)],
        ingress_trunks: vec![IngressTrunk {
            id: IngressTrunkId(1),
            code: "in-1".into(),
            carrier: CarrierId(1),
            account: AccountId(1),
            sources: vec![Source { network: "127.0.0.2".parse().unwrap(), bits: 32, port: 0 }],
            tech_prefix: String::new(),
            plan: PlanId(1),
            sell_deck: DeckId(1),
            capacity: 0,
            cps: 0,
            active: true,
            max_duration_s: 0,
            media_timeout_s: 0,
            policy: Policy::default(),
        }],
        egress_trunks: vec![egress(1, 2, 2, "127.0.0.3:5060"), egress(2, 3, 3, "127.0.0.4:5060")],
        decks: vec![deck(1, 60_000_000), deck(2, 30_000_000), deck(3, 45_000_000)],
        plans: vec![Plan {
            id: PlanId(1),
            code: "plan".into(),
            order: Order::Lcr,
            margin_min: Money::ZERO,
            attempts_max: 3,
            setup_timeout_s: 0,
            policy: Policy::default(),
            routes: vec![route(1), route(2)],
        }],
    }
}

fn invite() -> String {
    format!(
        "INVITE sip:4420123@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKa1\r\n\
         Max-Forwards: 70\r\nFrom: <sip:1000@127.0.0.2>;tag=caller\r\nTo: <sip:4420123@127.0.0.1>\r\n\
         Call-ID: one@127.0.0.2\r\nCSeq: 1 INVITE\r\nContact: <sip:1000@127.0.0.2:5060>\r\n\
         X-Secret: inside\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{OFFER}",
        OFFER.len()
    )
}

fn line<'a>(message: &'a str, name: &str) -> &'a str {
    message.lines().find(|line| line.starts_with(&format!("{name}: "))).unwrap_or_default()
}

/// What a terminator answers to our INVITE.
fn reply(invite: &str, status: u16, body: Option<&str>) -> String {
    let (via, from, to) = (line(invite, "Via"), line(invite, "From"), line(invite, "To"));
    let (call_id, cseq, body) = (line(invite, "Call-ID"), line(invite, "CSeq"), body.unwrap_or(""));
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "SIP/2.0 {status} Whatever\r\n{via}\r\n{from}\r\n{to};tag=callee\r\n{call_id}\r\n{cseq}\r\n\
         Contact: <sip:4420123@127.0.0.3:5060>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A request of the originator within the dialog that our answer made.
fn request(method: &str, answer: &str, number: u32) -> String {
    let (from, to, call_id) = (line(answer, "From"), line(answer, "To"), line(answer, "Call-ID"));
    format!(
        "{method} sip:127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bK{method}{number}\r\n\
         Max-Forwards: 70\r\n{from}\r\n{to}\r\n{call_id}\r\nCSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn the_egress_invite_shows_nothing_of_the_ingress_leg_but_the_numbers() {
    let mut stage = Stage::new();
    stage.begin();
    let (_, to, egress) = stage.sent.iter().find(|(leg, _, _)| *leg == 1).expect("a route was tried");
    assert_eq!(to.to_string(), "127.0.0.3:5060", "the cheapest first");
    assert!(egress.starts_with("INVITE sip:4420123@127.0.0.3:5060 SIP/2.0\r\n"));
    for secret in ["127.0.0.2", "one@", "z9hG4bKa1", "caller", "X-Secret", "4000"] {
        assert!(!egress.contains(secret), "{secret} leaked into\n{egress}");
    }
}

#[test]
fn a_refused_route_leads_to_the_next_and_each_try_has_its_record() {
    let mut stage = Stage::new();
    let mut call = stage.begin();
    let refusal = reply(stage.last(1), 503, None);
    stage.hear(&mut call, 1, &refusal, "127.0.0.3:5060");
    assert!(stage.sent.iter().any(|(leg, _, text)| *leg == 1 && text.starts_with("ACK ")));
    assert!(stage.last(2).starts_with("INVITE sip:4420123@127.0.0.4:5060"));
    let busy = reply(stage.last(2), 486, None);
    stage.hear(&mut call, 2, &busy, "127.0.0.4:5060");
    assert!(stage.last(0).starts_with("SIP/2.0 486 "));
    let cdrs = stage.cdrs();
    let told: Vec<_> = cdrs.iter().map(|cdr| (cdr.attempt.0, cdr.sip_status, cdr.cause)).collect();
    assert_eq!(told, [(1, 503, Cause::NO_CIRCUIT), (2, 486, Cause::BUSY), (0, 486, Cause::BUSY)]);
    assert!(call.is_over());
}

#[test]
fn an_answer_is_journaled_before_it_is_passed_on_and_a_bye_before_it_is_answered() {
    let mut stage = Stage::new();
    let mut call = stage.talking_call();
    assert!(matches!(&stage.records[0], Record::Start(start) if start.paid_ms >= 30_000));
    assert!(stage.records.iter().any(|record| matches!(record, Record::Paid { .. })), "the reserve was extended");
    let answer = stage.sent.iter().find(|(_, _, text)| text.starts_with("SIP/2.0 200")).unwrap().2.clone();
    stage.hear(&mut call, 0, &request("BYE", &answer, 2), CALLER);
    assert!(stage.last(0).starts_with("SIP/2.0 200 "));
    assert!(stage.last(1).starts_with("BYE sip:4420123@127.0.0.3:5060"));
    let cdrs = stage.cdrs();
    assert_eq!(cdrs.len(), 2);
    assert_eq!(cdrs[0].duration_ms, cdrs[1].duration_ms);
    let seconds = cdrs[1].duration_ms.div_ceil(1_000);
    let sell = cdrs[1].sell.expect("the call has a price");
    assert_eq!(sell.price, Money::from_nanos(seconds as i64 * 1_000_000), "0.06 a minute is 0.001 a second");
    let used = cdrs[1].grants.iter().fold(Money::ZERO, |sum, part| sum + part.amount);
    assert_eq!(used, sell.price, "the price came from the grants");
}

#[test]
fn a_cancelled_call_is_cancelled_on_the_other_side_once_that_was_heard() {
    let mut stage = Stage::new();
    let mut call = stage.begin();
    let cancel = invite().replace("INVITE sip:", "CANCEL sip:").replace("1 INVITE", "1 CANCEL");
    stage.hear(&mut call, 0, &cancel, CALLER);
    assert!(stage.last(0).starts_with("SIP/2.0 487 "));
    assert!(stage.last(1).starts_with("INVITE "), "RFC 3261 §9.1: no CANCEL before a 1xx");
    let trying = reply(stage.last(1), 100, None);
    stage.hear(&mut call, 1, &trying, "127.0.0.3:5060");
    assert!(stage.last(1).starts_with("CANCEL "));
    assert_eq!(stage.cdrs().last().map(|cdr| cdr.cause), Some(Cause::CALLER_CANCELLED));
}

#[test]
fn a_stable_call_survives_as_bytes() {
    let mut stage = Stage::new();
    let call = stage.talking_call();
    assert!(call.is_stable(), "no transaction is open after the ACK and its time");
    let bytes = call.export(stage.clock()).expect("the call is stable");
    assert!(bytes.len() < 2_048, "{} bytes", bytes.len());
    let ports = Call::exported_ports(&bytes).expect("the bytes are whole");
    let now = stage.clock().now;
    let mut relay = Relay::new(20_000, 20_099, 1);
    let opened: Vec<_> = (0..50).map_while(|_| relay.open(now)).collect();
    let at = |port: u16| *opened.iter().find(|pair| pair.rtp_port == port).expect("all ports are open");
    let (ingress, egress) = (at(ports.0), at(ports.1));
    let mut again = Call::import(&bytes, ingress, egress).expect("what was written can be read");
    assert!(again.export(stage.clock()).as_ref() == Some(&bytes), "nothing was lost on the way");
    assert_eq!(again.deadline(), call.deadline());
    stage.relay = relay;
    let answer = stage.sent.iter().find(|(_, _, text)| text.starts_with("SIP/2.0 200")).unwrap().2.clone();
    stage.hear(&mut again, 0, &request("BYE", &answer, 2), CALLER);
    assert_eq!(stage.cdrs().len(), 2, "the call that came back is billed once, whole");
    for length in 0..bytes.len() {
        assert!(Call::import(&bytes[..length], ingress, egress).is_err());
    }
}
