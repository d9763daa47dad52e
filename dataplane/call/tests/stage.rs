//! The shard's part played by the test: room and money are there, the journal writes. Shared by the stories of one call.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]
#![allow(dead_code, missing_docs, reason = "no story needs all of it, and each name says what it is")]

use std::net::SocketAddr;

use call::effect::{Effect, Effects};
use call::{Call, Context, Desk, Listener, Opening, Random, Switch, Ways};
use cdr::{GrantPart, Record};
use media::Relay;
use rating::{Admission, Arrival, Policies};
use sip::{Hop, Transport};
use snapshot::{Account, Carrier, Deck, EgressTrunk, IngressTrunk, Model, Plan, PlanRoute, Policy, Rate, Source, View};
use units::{
    AccountId, CallId, CarrierId, Cause, Clock, Currency, DeckId, EgressTrunkId, GrantId, IngressTrunkId, Instant,
    Money, NodeId, Number, PlanId, Revision, WallTime,
};

pub const CALLER: &str = "127.0.0.2:5060";
pub const OFFER: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";

pub struct Stage {
    pub image: Vec<u8>,
    pub policies: Policies,
    pub ways: Ways,
    /// What signs, and whose keys are known.
    pub keys: call::stir::Keys,
    /// The certificates that calls asked for.
    pub wanted: Vec<String>,
    pub switch: Switch,
    pub random: Random,
    pub relay: Relay,
    routes: rating::Routes,
    pub out: Effects,
    pub now_ms: u64,
    pub sent: Vec<(u8, SocketAddr, String)>,
    pub records: Vec<Record>,
    pub grants: u64,
    /// Purses that have nothing.
    pub empty: Vec<AccountId>,
    /// What went back: whose, how much was reserved, how much of it was used.
    pub settled: Vec<(AccountId, i64, i64)>,
}

impl Stage {
    #[allow(clippy::new_without_default, reason = "a stage is set on purpose")]
    pub fn new() -> Stage {
        Stage::of(&model())
    }

    /// The usual trunks with these policies.
    pub fn with_policies(ingress: Policy, egress: Policy) -> Stage {
        let mut model = model();
        model.ingress_trunks[0].policy = ingress;
        model.egress_trunks[0].policy = egress;
        Stage::of(&model)
    }

    pub fn of(model: &Model) -> Stage {
        let image = model.encode().expect("the model is sound");
        Stage {
            policies: Policies::compile(&View::open(&image)).expect("the policies are sound"),
            image,
            ways: Ways::default(),
            keys: call::stir::Keys::default(),
            wanted: Vec::new(),
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
            routes: rating::Routes::default(),
            out: Effects::default(),
            now_ms: 1_000,
            sent: Vec::new(),
            records: Vec::new(),
            grants: 0,
            empty: Vec::new(),
            settled: Vec::new(),
        }
    }

    pub fn clock(&self) -> Clock {
        Clock {
            now: Instant::from_micros(self.now_ms * 1_000),
            wall: WallTime::from_micros(1_800_000_000_000_000 + self.now_ms as i64 * 1_000),
        }
    }

    pub fn with<T>(&mut self, step: impl FnOnce(&mut Context<'_>) -> T) -> T {
        let clock = self.clock();
        let desk = Desk { clock, switch: &self.switch, random: &mut self.random, out: &mut self.out };
        let mut ctx = Context {
            desk,
            view: View::open(&self.image),
            policies: &self.policies,
            ways: &self.ways,
            keys: &self.keys,
            relay: &mut self.relay,
            routes: &mut self.routes,
            ticks: || 0,
        };
        step(&mut ctx)
    }

    /// Plays the shard: carries out what the call ordered until it orders nothing more.
    pub fn serve(&mut self, call: &mut Call) {
        while !self.out.list.is_empty() {
            let bytes = std::mem::take(&mut self.out.bytes);
            for effect in std::mem::take(&mut self.out.list) {
                match effect {
                    Effect::Send { leg, to, bytes: range } => {
                        self.sent.push((leg, to.remote, String::from_utf8(bytes[range].to_vec()).unwrap()));
                    }
                    Effect::Take { place, .. } => self.with(|ctx| call.on_taken(ctx, place, Ok(()))),
                    Effect::Reserve { account, .. } if self.empty.contains(&account) => {
                        let cause = Cause::TERMINATOR_BALANCE;
                        self.with(|ctx| call.on_reserved(ctx, account, Err(cause)));
                    }
                    Effect::Settle { account, reserved, used } => {
                        let sum = |parts: &[GrantPart]| parts.iter().map(|part| part.amount.nanos()).sum();
                        self.settled.push((account, sum(&reserved), sum(&used)));
                    }
                    Effect::Reserve { account, want, .. } => {
                        self.grants += 1;
                        let grant = GrantId { sequence: self.grants, ..GrantId::default() };
                        self.with(|ctx| call.on_reserved(ctx, account, Ok(vec![GrantPart { grant, amount: want }])));
                    }
                    Effect::Journal { bytes: range, wait } => {
                        self.records.push(Record::decode(&bytes[range]).expect("records can be read"));
                        if wait {
                            self.with(|ctx| call.on_journaled(ctx));
                        }
                    }
                    Effect::Certificate { x5u } => self.wanted.push(x5u),
                    _ => {}
                }
            }
        }
        // What a shard keeps of a call that is over has to do for whatever comes.
        if call.only_remembers().is_some() {
            *call = call.remembered(&mut Vec::new()).recall();
        }
    }

    pub fn begin(&mut self) -> Call {
        self.begin_with(&invite())
    }

    /// A call of 1000 to 4420123, whatever else its INVITE says.
    pub fn begin_with(&mut self, invite: &str) -> Call {
        self.begin_from(invite, CALLER)
    }

    /// The same from another address.
    pub fn begin_from(&mut self, invite: &str, source: &str) -> Call {
        self.begin_by(invite, source.parse::<SocketAddr>().unwrap().into())
    }

    /// The same by another way.
    pub fn begin_by(&mut self, invite: &str, source: Hop) -> Call {
        let message = sip::parse::message(invite.as_bytes()).expect("the INVITE is sound");
        let called = Number::parse(b"4420123").unwrap();
        let lrn = message.request_uri().and_then(|uri| sip::Uri::parse(uri).ok()?.routing_number());
        let arrival = Arrival {
            source: source.remote,
            transport: snapshot::policy::Transport::Udp,
            node: NodeId(1),
            calling: Number::parse(b"1000").unwrap(),
            asserted: None,
            called,
            lrn: lrn.map_or(Number::EMPTY, |lrn| Number::parse(lrn.as_bytes()).unwrap()),
        };
        let mut admission = Admission::default();
        rating::admit(&View::open(&self.image), &self.policies, &arrival, &mut admission).expect("the caller is known");
        let opening = Opening {
            id: CallId { sequence: 1, ..CallId::default() },
            admission,
            calling: Number::parse(b"1000").unwrap(),
            called,
            hops: 70,
            source,
            stages: cdr::Stages::default(),
        };
        let mut call = self.with(|ctx| Call::begin(ctx, opening, &message, Ok(())));
        self.serve(&mut call);
        call
    }

    pub fn hear(&mut self, call: &mut Call, leg: u8, text: &str, from: &str) {
        self.hear_by(call, leg, text, from.parse::<SocketAddr>().unwrap().into());
    }

    /// The same by another way.
    pub fn hear_by(&mut self, call: &mut Call, leg: u8, text: &str, from: Hop) {
        let message = sip::parse::message(text.as_bytes()).expect("the message is sound");
        self.with(|ctx| match message.is_request() {
            true => call.on_request(ctx, leg, &message, from),
            false => call.on_response(ctx, leg, &message),
        });
        self.serve(call);
    }

    /// The last message to a leg.
    pub fn last(&self, leg: u8) -> &str {
        &self.sent.iter().rfind(|(to, _, _)| *to == leg).expect("something was sent").2
    }

    /// The first message to a leg.
    pub fn first(&self, leg: u8) -> &str {
        &self.sent.iter().find(|(to, _, _)| *to == leg).expect("something was sent").2
    }

    pub fn cdrs(&self) -> Vec<&cdr::Cdr> {
        let cdr = |record: &'_ Record| matches!(record, Record::Cdr(_));
        let found = self.records.iter().filter(|record| cdr(record));
        found.filter_map(|record| if let Record::Cdr(cdr) = record { Some(&**cdr) } else { None }).collect()
    }

    pub fn talking_call(&mut self) -> Call {
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

pub fn deck(id: u32, price: i64) -> Deck {
    let rate = Rate {
        prefix: "44".into(),
        destination: "United Kingdom".into(),
        per_minute: Money::from_nanos(price),
        ..Rate::default()
    };
    Deck { id: DeckId(id), code: format!("deck-{id}"), rates: vec![rate], ..Deck::default() }
}

pub fn model() -> Model {
    let carrier = |id: u32| Carrier { id: CarrierId(id), code: format!("carrier-{id}"), ..Carrier::default() };
    let account =
        |id: u32| Account { id: AccountId(id), carrier: CarrierId(id), currency: Currency::USD, ..Account::default() };
    let egress = |id: u32, carrier: u32, deck: u32, address: &str| EgressTrunk {
        id: EgressTrunkId(id),
        code: format!("out-{id}"),
        carrier: CarrierId(carrier),
        account: AccountId(carrier),
        address: address.parse().unwrap(),
        buy_deck: DeckId(deck),
        ..EgressTrunk::default()
    };
    let route = |id: u32| PlanRoute { egress_trunk: EgressTrunkId(id), ..PlanRoute::default() };
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
            plan: PlanId(1),
            sell_deck: DeckId(1),
            ..IngressTrunk::default()
        }],
        egress_trunks: vec![egress(1, 2, 2, "127.0.0.3:5060"), egress(2, 3, 3, "127.0.0.4:5060")],
        decks: vec![deck(1, 60_000_000), deck(2, 30_000_000), deck(3, 45_000_000)],
        plans: vec![Plan {
            id: PlanId(1),
            code: "plan".into(),
            attempts_max: 3,
            routes: vec![route(1), route(2)],
            ..Plan::default()
        }],
        ..Model::default()
    }
}

pub fn invite() -> String {
    format!(
        "INVITE sip:4420123@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKa1\r\n\
         Max-Forwards: 70\r\nFrom: <sip:1000@127.0.0.2>;tag=caller\r\nTo: <sip:4420123@127.0.0.1>\r\n\
         Call-ID: one@127.0.0.2\r\nCSeq: 1 INVITE\r\nContact: <sip:1000@127.0.0.2:5060>\r\n\
         X-Secret: inside\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{OFFER}",
        OFFER.len()
    )
}

pub fn line<'a>(message: &'a str, name: &str) -> &'a str {
    message.lines().find(|line| line.starts_with(&format!("{name}: "))).unwrap_or_default()
}

/// What a terminator answers to our INVITE.
pub fn reply(invite: &str, status: u16, body: Option<&str>) -> String {
    let (via, from, to) = (line(invite, "Via"), line(invite, "From"), line(invite, "To"));
    let (call_id, cseq, body) = (line(invite, "Call-ID"), line(invite, "CSeq"), body.unwrap_or(""));
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let tag = if to.contains(";tag=") { "" } else { ";tag=callee" };
    format!(
        "SIP/2.0 {status} Whatever\r\n{via}\r\n{from}\r\n{to}{tag}\r\n{call_id}\r\n{cseq}\r\n\
         Contact: <sip:4420123@127.0.0.3:5060>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A request of the originator within the dialog that our answer made.
pub fn request(method: &str, answer: &str, number: u32) -> String {
    let (from, to, call_id) = (line(answer, "From"), line(answer, "To"), line(answer, "Call-ID"));
    format!(
        "{method} sip:127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bK{method}{number}\r\n\
         Max-Forwards: 70\r\n{from}\r\n{to}\r\n{call_id}\r\nCSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A request of the terminator within the dialog that its answer to our INVITE made.
pub fn request_of_terminator(method: &str, invite: &str, number: u32) -> String {
    let (from, to, call_id) = (line(invite, "From"), line(invite, "To"), line(invite, "Call-ID"));
    let (from, to) = (from.replacen("From:", "To:", 1), to.replacen("To:", "From:", 1));
    format!(
        "{method} sip:127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.3:5060;branch=z9hG4bK{method}{number}\r\n\
         Max-Forwards: 70\r\n{to};tag=callee\r\n{from}\r\n{call_id}\r\nCSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A message with more header lines.
pub fn with_lines(message: &str, lines: &str) -> String {
    message.replacen("Content-Length:", &format!("{lines}Content-Length:"), 1)
}

/// A message with a description.
pub fn with_sdp(message: &str, sdp: &str) -> String {
    let head = message.split("Content-Length:").next().unwrap_or_default();
    let head = head.replace("Content-Type: application/sdp\r\n", "");
    format!("{head}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len())
}

/// A message without its description.
pub fn without_sdp(message: &str) -> String {
    let head = message.split("Content-Length:").next().unwrap_or_default();
    format!("{}Content-Length: 0\r\n\r\n", head.replace("Content-Type: application/sdp\r\n", ""))
}

/// A description with the port 4000 of the usual one changed, and its version.
pub fn sdp(port: u16, version: u16) -> String {
    OFFER.replace("m=audio 4000", &format!("m=audio {port}")).replace("- 1 1 IN", &format!("- 1 {version} IN"))
}

/// A description that holds.
pub fn hold() -> String {
    format!("{}a=sendonly\r\n", sdp(4000, 2))
}

impl Stage {
    /// Time goes on; the call is woken as often as it wants.
    pub fn wait(&mut self, call: &mut Call, ms: u64) {
        let end = self.now_ms + ms;
        while let Some(at) = call.deadline().map(|at| at.micros().div_ceil(1_000)).filter(|at| *at <= end) {
            self.now_ms = self.now_ms.max(at);
            self.with(|ctx| call.on_time(ctx));
            self.serve(call);
        }
        self.now_ms = end;
    }

    /// How many messages of a leg begin so.
    pub fn count(&self, leg: u8, start: &str) -> usize {
        self.sent.iter().filter(|(to, _, text)| *to == leg && text.starts_with(start)).count()
    }

    /// The last message to a leg that begins so.
    pub fn last_of(&self, leg: u8, start: &str) -> &str {
        let found = self.sent.iter().rfind(|(to, _, text)| *to == leg && text.starts_with(start));
        &found.unwrap_or_else(|| panic!("no {start} was sent to leg {leg}")).2
    }
}
