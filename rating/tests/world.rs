//! A small network to tell stories in.
#![allow(dead_code, clippy::unwrap_used)] // Each test file uses a part of it.

use rating::{Arrival, Ask};
use snapshot::policy::Transport;
use snapshot::{Account, Carrier, Deck, EgressTrunk, IngressTrunk, Model, Plan, PlanRoute, Rate, Source, View};
use units::{
    AccountId, CarrierId, Currency, DeckId, EgressTrunkId, IngressTrunkId, Jurisdiction, Money, NodeId, Number, PlanId,
    Revision, Terms, WallTime,
};

/// A number.
pub fn number(text: &str) -> Number {
    Number::parse(text.as_bytes()).unwrap()
}

/// A rate from the beginning of time.
pub fn rate(prefix: &str, per_minute: &str) -> Rate {
    Rate { prefix: prefix.into(), per_minute: Money::parse(per_minute).unwrap(), ..Rate::default() }
}

/// A deck in US dollars.
pub fn deck(id: u32, rates: Vec<Rate>) -> Deck {
    let code = format!("deck-{id}");
    Deck { id: DeckId(id), code, rates, ..Deck::default() }
}

/// Carrier 1 sends; it pays from account 1 and buys from deck 1. Ways in are added by [`way_in`], ways out by [`way_out`].
pub fn world() -> Model {
    let mut model = Model { revision: Revision(1), ..Model::default() };
    carrier(&mut model, 1);
    model.decks.push(deck(1, vec![rate("44", "1")]));
    model.plans.push(Plan { id: PlanId(1), code: "plan".into(), routes: Vec::new(), ..Plan::default() });
    model
}

fn carrier(model: &mut Model, id: u32) {
    model.carriers.push(Carrier { id: CarrierId(id), code: format!("carrier-{id}"), ..Carrier::default() });
    model.accounts.push(Account {
        id: AccountId(id),
        carrier: CarrierId(id),
        currency: Currency::USD,
        ..Account::default()
    });
}

/// Adds an ingress trunk of carrier 1: sources such as `10.0.0.0/8` or `10.0.0.1/32:5060`.
pub fn way_in<'a>(model: &'a mut Model, id: u32, sources: &[&str], tech_prefix: &str) -> &'a mut IngressTrunk {
    let source = |text: &&str| {
        let (network, rest) = text.split_once('/').unwrap();
        let (bits, port) = rest.split_once(':').unwrap_or((rest, "0"));
        Source { network: network.parse().unwrap(), bits: bits.parse().unwrap(), port: port.parse().unwrap() }
    };
    model.ingress_trunks.push(IngressTrunk {
        id: IngressTrunkId(id),
        code: format!("in-{id}"),
        carrier: CarrierId(1),
        account: AccountId(1),
        sources: sources.iter().map(source).collect(),
        tech_prefix: tech_prefix.into(),
        plan: PlanId(1),
        sell_deck: DeckId(1),
        capacity: 10 + id,
        cps: 20 + id,
        max_duration_s: 30 + id,
        media_timeout_s: 40 + id as u16,
        ..IngressTrunk::default()
    });
    model.ingress_trunks.last_mut().unwrap()
}

/// Adds carrier, account, deck and egress trunk `id` (2 and up) with a price for `44`, and a route to it.
pub fn way_out<'a>(model: &'a mut Model, id: u32, per_minute: &str) -> &'a mut PlanRoute {
    carrier(model, id);
    model.decks.push(deck(id, vec![rate("44", per_minute)]));
    model.egress_trunks.push(EgressTrunk {
        id: EgressTrunkId(id),
        code: format!("out-{id}"),
        carrier: CarrierId(id),
        account: AccountId(id),
        address: "192.0.2.1:5060".parse().unwrap(),
        buy_deck: DeckId(id),
        ..EgressTrunk::default()
    });
    let routes = &mut model.plans[0].routes;
    routes.push(PlanRoute { egress_trunk: EgressTrunkId(id), ..PlanRoute::default() });
    routes.last_mut().unwrap()
}

/// The trunk of [`way_out`].
pub fn trunk(model: &mut Model, id: u32) -> &mut EgressTrunk {
    model.egress_trunks.iter_mut().find(|trunk| trunk.id.0 == id).unwrap()
}

/// The deck of [`way_out`].
pub fn deck_of(model: &mut Model, id: u32) -> &mut Deck {
    model.decks.iter_mut().find(|deck| deck.id.0 == id).unwrap()
}

/// The checked bytes of a model.
pub fn image(model: &Model) -> Vec<u8> {
    let image = model.encode().unwrap();
    View::check(&image).unwrap();
    image
}

/// A call of carrier 1 to the United Kingdom, sold at 1 a minute.
pub fn ask(seed: u64) -> Ask {
    Ask {
        node: NodeId(1),
        ingress: IngressTrunkId(1),
        plan: PlanId(1),
        sell: Terms { deck: DeckId(1), per_minute: Money::parse("1").unwrap(), ..Terms::default() },
        originator: CarrierId(1),
        calling: number("4930123456"),
        called: number("442071838750"),
        lrn: Number::EMPTY,
        jurisdiction: Jurisdiction::International,
        at: WallTime::from_micros(1_000),
        seed,
        ..Ask::default()
    }
}

/// A call from this address to this number, over UDP at node 1.
pub fn arrival(source: &str, called: &str) -> Arrival {
    Arrival {
        source: source.parse().unwrap(),
        transport: Transport::Udp,
        node: NodeId(1),
        calling: number("4930123456"),
        asserted: None,
        called: number(called),
        lrn: Number::EMPTY,
    }
}
