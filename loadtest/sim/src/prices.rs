//! The price lists of every story, and a second calculator that shares nothing with `rating`.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use snapshot::{Account, Carrier, Deck, EgressTrunk, IngressTrunk, Model, Plan, PlanRoute, Rate, Source};
use units::{AccountId, CarrierId, Currency, DeckId, EgressTrunkId, IngressTrunkId, Money, PlanId, Revision, WallTime};

use crate::story::{ORIGINATORS, TALK_MAX_S, TERMINATORS};

/// The first id of terminators' carriers, accounts and decks; originators' count from 1.
pub const TERMINATOR_BASE: u32 = 11;
/// The sell deck's id.
pub const SELL_DECK: u32 = 1;

/// One line of a price list: prefix, nano-units a minute, fee, minimum, increment, free seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// What the number starts with.
    pub prefix: &'static str,
    /// Price of sixty seconds.
    pub per_minute: i64,
    /// Price of sixty seconds within the minimum.
    pub first: i64,
    /// Charged once.
    pub fee: i64,
    /// Seconds billed at least.
    pub minimum: u64,
    /// Step after the minimum.
    pub increment: u64,
    /// Seconds that cost nothing.
    pub free: u64,
    /// Tax in millionths.
    pub tax_ppm: u32,
}

const fn line(prefix: &'static str, per_minute: i64, fee: i64, steps: (u64, u64, u64)) -> Line {
    let (minimum, increment, free) = steps;
    Line { prefix, per_minute, first: per_minute, fee, minimum, increment, free, tax_ppm: 0 }
}

const SELL: [Line; 4] = [
    line("44", 12_345_678, 0, (1, 1, 0)),
    line("4420", 9_000_001, 0, (60, 60, 0)),
    line("49", 20_000_000, 1_000_000, (30, 6, 0)),
    line("331", 15_555_555, 0, (1, 1, 5)),
];

/// The price list of a deck at a revision: dearer with each.
pub fn lines(deck: u32, revision: u64) -> Vec<Line> {
    let scale = revision as i64;
    // What the first terminator asks in per cent of the sell price; the others a little more; the last loses money on 49.
    let percent = if deck == SELL_DECK { 100 } else { 70 + 10 * i64::from(deck - TERMINATOR_BASE) };
    let mut made: Vec<Line> = SELL.to_vec();
    for line in &mut made {
        line.per_minute = line.per_minute * scale * percent / 100;
        if deck == TERMINATOR_BASE + 2 && line.prefix == "49" {
            line.per_minute *= 3;
        }
        // Germany has a rate of its own for the first interval, and what is sold there a tax.
        line.first = if line.prefix == "49" { line.per_minute * 7 / 5 } else { line.per_minute };
        line.tax_ppm = if deck == SELL_DECK { 77_000 } else { 0 };
    }
    made
}

/// What a call of so many milliseconds costs in nano-units, and the seconds billed, from first principles.
pub fn price(line: &Line, duration_ms: u64) -> (u64, i64) {
    let seconds = duration_ms.div_ceil(1_000);
    if seconds == 0 || (seconds <= line.free && line.minimum <= line.free) {
        return (0, 0);
    }
    let mut billed = line.minimum;
    while billed < seconds {
        billed += line.increment;
    }
    // Nano-units × 60 × 1,000,000, to six decimals of a unit: thousands of nano-units, halves to even.
    let seconds = (0..billed).map(|second| if second < line.minimum { line.first } else { line.per_minute });
    let exact = seconds.map(i128::from).sum::<i128>() + i128::from(line.fee) * 60;
    let exact = exact * (1_000_000 + i128::from(line.tax_ppm));
    let (step, mut rounded) = (60_000_000_000, exact / 60_000_000_000);
    let rest = exact % step;
    if rest * 2 > step || (rest * 2 == step && rounded % 2 == 1) {
        rounded += 1;
    }
    (billed, (rounded * 1_000) as i64)
}

/// The line that a number falls under: the longest prefix, found by trying all.
pub fn line_of(deck: u32, revision: u64, called: &str) -> Option<Line> {
    let all = lines(deck, revision).into_iter().filter(|line| called.starts_with(line.prefix));
    all.max_by_key(|line| line.prefix.len())
}

/// Whether what a carrier may be owed is limited: that of all terminators but the last.
pub fn is_limited(id: u32) -> bool {
    (TERMINATOR_BASE..TERMINATOR_BASE + TERMINATORS as u32 - 1).contains(&id)
}

/// The address that an originator calls from.
pub fn originator_address(index: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 1, 1 + index as u8], 5_060))
}

/// The address that a terminator listens on.
pub fn terminator_address(index: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 2, 1 + index as u8], 5_060))
}

fn deck(id: u32, revision: u64) -> Deck {
    let rate = |line: Line| Rate {
        prefix: line.prefix.to_string(),
        destination: "somewhere".to_string(),
        per_minute: Money::from_nanos(line.per_minute),
        first_per_minute: (line.first != line.per_minute).then(|| Money::from_nanos(line.first)),
        connection_fee: Money::from_nanos(line.fee),
        minimum_s: line.minimum as u16,
        increment_s: line.increment as u16,
        free_s: line.free as u16,
        ..Rate::default()
    };
    Deck {
        id: DeckId(id),
        code: alloc::format!("deck-{id}"),
        tax_ppm: lines(id, revision).first().map_or(0, |line| line.tax_ppm),
        rates: lines(id, revision).into_iter().map(rate).collect(),
        ..Deck::default()
    }
}

fn ingress(index: usize) -> IngressTrunk {
    let id = 1 + index as u32;
    let address: IpAddr = originator_address(index).ip();
    IngressTrunk {
        id: IngressTrunkId(id),
        code: alloc::format!("in-{id}"),
        carrier: CarrierId(id),
        account: AccountId(id),
        sources: vec![Source { network: address, bits: 32, port: 0 }],
        plan: PlanId(1),
        sell_deck: DeckId(SELL_DECK),
        // The second originator meets its capacity now and then.
        capacity: if index == 1 { 5 } else { 0 },
        max_duration_s: TALK_MAX_S,
        ..IngressTrunk::default()
    }
}

fn egress(index: usize) -> EgressTrunk {
    let id = 1 + index as u32;
    let company = TERMINATOR_BASE + index as u32;
    EgressTrunk {
        id: EgressTrunkId(id),
        code: alloc::format!("out-{id}"),
        carrier: CarrierId(company),
        account: AccountId(company),
        address: terminator_address(index),
        buy_deck: DeckId(company),
        capacity: if index == 0 { 6 } else { 0 },
        progress_timeout_s: 3,
        ring_timeout_s: 10,
        ..EgressTrunk::default()
    }
}

/// Everything that the switch is told, at a revision.
pub fn model(revision: u64) -> Model {
    let originators = 1..=ORIGINATORS as u32;
    let companies = originators.chain(TERMINATOR_BASE..TERMINATOR_BASE + TERMINATORS as u32);
    let carriers = companies.clone().map(|id| Carrier {
        id: CarrierId(id),
        code: alloc::format!("carrier-{id}"),
        ..Carrier::default()
    });
    let accounts = companies.map(|id| Account {
        id: AccountId(id),
        carrier: CarrierId(id),
        currency: Currency::USD,
        owed_limited: is_limited(id),
    });
    let buy = (TERMINATOR_BASE..TERMINATOR_BASE + TERMINATORS as u32).map(|id| deck(id, revision));
    let route = |index| PlanRoute { egress_trunk: EgressTrunkId(1 + index), ..PlanRoute::default() };
    Model {
        revision: Revision(revision),
        built: WallTime::from_micros(0),
        carriers: carriers.collect(),
        accounts: accounts.collect(),
        ingress_trunks: (0..ORIGINATORS).map(ingress).collect(),
        egress_trunks: (0..TERMINATORS).map(egress).collect(),
        decks: core::iter::once(deck(SELL_DECK, revision)).chain(buy).collect(),
        plans: vec![Plan {
            id: PlanId(1),
            code: "all".to_string(),
            attempts_max: 3,
            setup_timeout_s: 40,
            routes: (0..TERMINATORS as u32).map(route).collect(),
            ..Plan::default()
        }],
        ..Model::default()
    }
}
