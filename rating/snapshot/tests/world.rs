//! Small models to tell stories with.
#![allow(dead_code, clippy::unwrap_used)] // Each test file uses a part of it.

use snapshot::{Account, Carrier, Deck, EgressTrunk, IngressTrunk, Model, Order, Plan, PlanRoute, Rate, Source};
use units::{AccountId, CarrierId, Currency, DeckId, EgressTrunkId, IngressTrunkId, Money, PlanId, Revision, WallTime};

/// A rate from the beginning of time.
pub fn rate(prefix: &str, per_minute: &str) -> Rate {
    Rate { prefix: prefix.into(), per_minute: Money::parse(per_minute).unwrap(), ..Rate::default() }
}

/// A deck in US dollars.
pub fn deck(id: u32, rates: Vec<Rate>) -> Deck {
    let code = format!("deck-{id}");
    Deck { id: DeckId(id), code, rates, ..Deck::default() }
}

/// Nothing but one deck.
pub fn model_of(rates: Vec<Rate>) -> Model {
    Model { revision: Revision(1), decks: vec![deck(1, rates)], ..Model::default() }
}

/// A source.
pub fn source(network: &str, bits: u8, port: u16) -> Source {
    Source { network: network.parse().unwrap(), bits, port }
}

/// Carrier 1 sends (account 1, deck 1, plan 1), carriers 2 and 3 take (accounts 2 and 3, decks 2 and 3, trunks 2 and 3).
pub fn small() -> Model {
    let carrier =
        |id: u32| Carrier { id: CarrierId(id), code: format!("carrier-{id}"), blocked: id == 3, ..Carrier::default() };
    let account =
        |id: u32| Account { id: AccountId(id), carrier: CarrierId(id), currency: Currency::USD, ..Account::default() };
    let egress = |id: u32| EgressTrunk {
        id: EgressTrunkId(id),
        code: format!("out-{id}"),
        carrier: CarrierId(id),
        account: AccountId(id),
        address: if id == 2 { "192.0.2.2:5060".parse().unwrap() } else { "[2001:db8::3]:5061".parse().unwrap() },
        strip_digits: 2,
        add_prefix: "00".into(),
        buy_deck: DeckId(id),
        capacity: 10 * id,
        cps: id,
        active: id == 2,
        progress_timeout_s: 4,
        ring_timeout_s: 60,
        ..EgressTrunk::default()
    };
    let route = |id: u32| PlanRoute {
        egress_trunk: EgressTrunkId(id),
        priority: -3,
        weight: 7,
        percent: 50,
        ..PlanRoute::default()
    };
    Model {
        revision: Revision(42),
        built: WallTime::from_micros(1_700_000_000_000_000),
        carriers: (1..=3).rev().map(carrier).collect(),
        accounts: (1..=3).map(account).collect(),
        ingress_trunks: vec![IngressTrunk {
            id: IngressTrunkId(9),
            code: "in-9".into(),
            carrier: CarrierId(1),
            account: AccountId(1),
            sources: vec![source("198.51.100.7", 32, 0), source("10.1.2.3", 8, 5062), source("2001:db8::", 32, 0)],
            tech_prefix: "77#".into(),
            plan: PlanId(1),
            sell_deck: DeckId(1),
            capacity: 100,
            cps: 5,
            max_duration_s: 3_600,
            media_timeout_s: 60,
            ..IngressTrunk::default()
        }],
        egress_trunks: vec![egress(3), egress(2)],
        decks: vec![
            deck(1, vec![rate("44", "0.05"), rate("4420", "0.04"), rate("44A", "0.03"), rate("", "1")]),
            deck(2, vec![rate("44", "0.02"), Rate { from: WallTime::from_micros(9), ..rate("44", "0.025") }]),
            deck(3, vec![]),
        ],
        plans: vec![Plan {
            id: PlanId(1),
            code: "plan-1".into(),
            order: Order::Weight,
            margin_min: Money::from_nanos(-5),
            attempts_max: 3,
            setup_timeout_s: 90,
            routes: vec![route(3), route(2)],
            ..Plan::default()
        }],
        ..Model::default()
    }
}
