//! What is written is read; what was damaged is refused; what contradicts itself is never written.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use proptest::prelude::*;
use snapshot::routing::Window;
use snapshot::{
    ExchangeRate, GroupMember, ImageFlaw, Model, Offset, Order, Plan, PlanRoute, PlanRules, Rate, RouteRules,
    TrunkGroup, View,
};
use units::{CarrierId, Currency, DeckId, EgressTrunkId, IngressTrunkId, PlanId, Revision, TrunkGroupId, WallTime};
use world::{rate, small, source};

#[test]
fn every_field_is_read_as_it_was_written() {
    let model = small();
    let image = model.encode().unwrap();
    View::check(&image).unwrap();
    let view = View::open(&image);
    assert_eq!((view.revision(), view.built()), (Revision(42), model.built));
    assert_eq!(view.carriers().map(|carrier| carrier.id().0).collect::<Vec<_>>(), [1, 2, 3]);
    for carrier in &model.carriers {
        let found = view.carrier(carrier.id).unwrap();
        assert_eq!((found.id(), found.code(), found.blocked()), (carrier.id, carrier.code.as_str(), carrier.blocked));
    }
    for account in &model.accounts {
        let found = view.account(account.id).unwrap();
        assert_eq!((found.id(), found.carrier(), found.currency()), (account.id, account.carrier, account.currency));
    }
    ingress_is_the_same(&model, &view);
    egress_is_the_same(&model, &view);
    let (plan, found) = (&model.plans[0], view.plan(PlanId(1)).unwrap());
    assert_eq!((found.id(), found.code(), found.order()), (plan.id, plan.code.as_str(), Order::Weight));
    assert_eq!((found.margin_min(), found.attempts_max(), found.setup_timeout_s()), (plan.margin_min, 3, 90));
    assert_eq!((found.failover(), found.rules()), (None, ""));
    plan_is_the_same(&model);
    assert_eq!(view.decks().map(|deck| (deck.code(), deck.currency())).next(), Some(("deck-1", Currency::USD)));
    assert_eq!(view.plans().count(), 1);
}

/// Routes, groups, rules and failover plans.
fn plan_is_the_same(model: &Model) {
    let mut model = model.clone();
    let near = GroupMember { egress_trunk: EgressTrunkId(3), priority: 5, weight: 9, nodes: vec![1, 4_000] };
    let members = vec![near, GroupMember { egress_trunk: EgressTrunkId(2), ..GroupMember::default() }];
    model.groups = vec![TrunkGroup { id: TrunkGroupId(8), code: "both".into(), members }];
    let rules = RouteRules { called_match: "^44".into(), ..RouteRules::default() };
    let grouped = PlanRoute { group: Some(TrunkGroupId(8)), priority: 6, rules: rules.clone(), ..PlanRoute::default() };
    model.plans[0].routes.push(grouped);
    model.plans[0].rules.check_called = true;
    model.plans[0].failover = Some(PlanId(2));
    model.plans[0].offsets =
        [(-9, -3_600), (70, 7_200)].map(|(at, ahead_s)| Offset { from: WallTime::from_micros(at), ahead_s }).to_vec();
    model.plans.push(Plan { id: PlanId(2), code: "plan-2".into(), ..Plan::default() });
    let image = model.encode().unwrap();
    View::check(&image).unwrap();
    let plan = View::open(&image).plan(PlanId(1)).unwrap();
    assert_eq!(PlanRules::from_text(plan.rules()).unwrap(), model.plans[0].rules);
    assert_eq!(plan.offsets().collect::<Vec<_>>(), model.plans[0].offsets);
    let chain: Vec<_> = View::open(&image).plan_chain(PlanId(1)).map(|plan| plan.id().0).collect();
    assert_eq!((plan.failover(), chain), (Some(PlanId(2)), vec![1, 2]));
    let routes: Vec<_> = plan.routes().collect();
    let shown = routes.iter().map(|r| (r.place(), r.egress_trunk().0, r.group().map(|id| id.0), r.priority()));
    assert_eq!(shown.collect::<Vec<_>>(), [(0, 3, None, -3), (1, 2, None, -3), (2, 3, Some(8), 6), (2, 2, Some(8), 6)]);
    assert_eq!((routes[0].weight(), routes[0].percent(), routes[0].rules()), (7, 50, ""));
    let member = &routes[2];
    let nodes: Vec<u16> = member.nodes().map(|node| node.0).collect();
    assert_eq!((member.member_priority(), member.member_weight(), nodes), (5, 9, vec![1, 4_000]));
    assert_eq!(RouteRules::from_text(member.rules()).unwrap(), rules);
}

fn ingress_is_the_same(model: &Model, view: &View<'_>) {
    let (trunk, found) = (&model.ingress_trunks[0], view.ingress(IngressTrunkId(9)).unwrap());
    assert_eq!((found.id(), found.code(), found.carrier()), (trunk.id, trunk.code.as_str(), trunk.carrier));
    assert_eq!((found.account(), found.plan(), found.sell_deck()), (trunk.account, trunk.plan, trunk.sell_deck));
    assert_eq!((found.tech_prefix(), found.capacity(), found.cps(), found.active()), ("77#", 100, 5, true));
    assert_eq!((found.max_duration_s(), found.media_timeout_s()), (3_600, 60));
    let sources: Vec<_> = found.sources().collect();
    assert_eq!(sources, [source("198.51.100.7", 32, 0), source("10.0.0.0", 8, 5062), source("2001:db8::", 32, 0)]);
    assert_eq!(view.ingress_trunks().count(), 1);
}

fn egress_is_the_same(model: &Model, view: &View<'_>) {
    for trunk in &model.egress_trunks {
        let found = view.egress(trunk.id).unwrap();
        assert_eq!((found.id(), found.code(), found.carrier()), (trunk.id, trunk.code.as_str(), trunk.carrier));
        assert_eq!(
            (found.account(), found.address(), found.buy_deck()),
            (trunk.account, trunk.address, trunk.buy_deck)
        );
        assert_eq!((found.strip_digits(), found.add_prefix()), (2, "00"));
        assert_eq!((found.capacity(), found.cps(), found.active()), (trunk.capacity, trunk.cps, trunk.active));
        assert_eq!((found.progress_timeout_s(), found.ring_timeout_s()), (4, 60));
    }
    assert_eq!(view.egress_trunks().map(|trunk| trunk.id().0).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    assert_eq!(small().encode().unwrap(), small().encode().unwrap());
}

#[test]
fn what_is_not_there_is_not_found() {
    let image = small().encode().unwrap();
    let view = View::open(&image);
    assert!(view.carrier(CarrierId(4)).is_none() && view.deck(DeckId(0)).is_none() && view.plan(PlanId(2)).is_none());
    assert!(view.egress(EgressTrunkId(1)).is_none() && view.ingress(IngressTrunkId(8)).is_none());
}

#[test]
fn an_address_finds_its_trunks() {
    let image = small().encode().unwrap();
    let view = View::open(&image);
    let bits =
        |address: &str| view.at_address(address.parse().unwrap()).map(|(_, source)| source.bits).collect::<Vec<_>>();
    assert_eq!(bits("198.51.100.7"), [32]);
    assert_eq!(bits("198.51.100.8"), [0_u8; 0]);
    assert_eq!(bits("10.200.0.1"), [8]);
    assert_eq!(bits("::ffff:10.200.0.1"), [8]);
    assert_eq!(bits("2001:db8:1::5"), [32]);
    assert_eq!(bits("2001:db9::5"), [0_u8; 0]);
}

#[test]
fn every_flipped_bit_is_noticed() {
    let image = small().encode().unwrap();
    for place in 0..image.len() {
        for bit in 0..8 {
            let mut damaged = image.clone();
            damaged[place] ^= 1 << bit;
            assert!(View::check(&damaged).is_err(), "bit {bit} of byte {place}");
        }
    }
}

#[test]
fn every_cut_and_every_addition_is_noticed() {
    let image = small().encode().unwrap();
    for length in 0..image.len() {
        assert!(View::check(&image[..length]).is_err(), "{length} bytes");
    }
    let longer = [image.as_slice(), &[0]].concat();
    assert!(matches!(View::check(&longer), Err(ImageFlaw::Length { .. })));
}

/// CRC-64/XZ one bit at a time: the oracle, and what a forger would compute.
fn checksum(pieces: [&[u8]; 2]) -> u64 {
    let mut crc = u64::MAX;
    for byte in pieces.concat() {
        crc ^= u64::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xC96C_5795_D787_0F42 } else { crc >> 1 };
        }
    }
    !crc
}

#[test]
fn the_checksum_is_crc_64_xz() {
    assert_eq!(checksum([b"1234", b"56789"]), 0x995D_C9BB_DF19_39FA);
    let image = small().encode().unwrap();
    assert_eq!(image[24..32], checksum([&image[..24], &image[32..]]).to_le_bytes());
}

/// Reads everything that can be read.
fn roam(image: &[u8]) {
    let view = View::open(image);
    let at = WallTime::from_micros(10);
    for trunk in view.ingress_trunks().take(50) {
        let _ = (trunk.code(), trunk.tech_prefix(), trunk.sources().take(50).count());
    }
    for trunk in view.egress_trunks().take(50) {
        let _ = (trunk.code(), trunk.address(), trunk.add_prefix());
    }
    for plan in view.plans().take(50) {
        let _ = (plan.code(), plan.order(), plan.routes().take(50).map(|route| route.nodes().count()).sum::<usize>());
        let _ = view.plan_chain(plan.id()).count();
    }
    for deck in view.decks().take(50) {
        for number in ["", "4", "44", "44201234", "44A99", "9", "ZZZZZZZZZZZZZZZZZZ"] {
            let _ = (deck.lookup(number.as_bytes(), at), deck.index_bytes(), deck.rounding());
        }
    }
    for address in ["198.51.100.7", "10.0.0.1", "::1", "2001:db8::1"] {
        let _ = view.at_address(address.parse().unwrap()).take(50).count();
    }
}

#[test]
fn a_forged_checksum_does_not_make_anything_panic() {
    let image = small().encode().unwrap();
    let mut accepted = 0;
    for place in 0..image.len() {
        for value in [0, 1, 0x7F, 0x80, 0xFF] {
            let mut forged = image.clone();
            forged[place] = value;
            let sum = checksum([&forged[..24], &forged[32..]]);
            forged[24..32].copy_from_slice(&sum.to_le_bytes());
            accepted += u32::from(View::check(&forged).is_ok());
            roam(&forged);
        }
    }
    assert!(accepted > 0, "a changed price is a valid snapshot");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), magic in any::<bool>()) {
        let mut bytes = bytes;
        if magic && bytes.len() > 64 {
            bytes[..12].copy_from_slice(b"TANDSNAP\x01\0\0\0");
            let length = bytes.len() as u64;
            bytes[16..24].copy_from_slice(&length.to_le_bytes());
            let sum = checksum([&bytes[..24], &bytes[32..]]);
            bytes[24..32].copy_from_slice(&sum.to_le_bytes());
        }
        prop_assert!(View::check(&bytes).is_err());
        roam(&bytes);
    }

    #[test]
    fn many_changes_at_once_are_noticed(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), 1_u8..), 1..20),
    ) {
        let image = small().encode().unwrap();
        let mut damaged = image.clone();
        for (place, change) in changes {
            damaged[place.index(image.len())] ^= change;
        }
        prop_assert!(damaged == image || View::check(&damaged).is_err());
    }
}

/// Spoils a good model and expects the refusal to name the object and the problem.
fn refused(spoil: impl FnOnce(&mut Model), expected: &str) {
    let mut model = small();
    spoil(&mut model);
    let flaw = model.encode().expect_err(expected).to_string();
    assert!(flaw.starts_with(expected), "{flaw:?} should start with {expected:?}");
}

#[test]
fn a_contradiction_is_refused_by_name() {
    refused(|model| model.carriers[0].id = CarrierId(2), "carrier carrier-2: another one has the same id");
    refused(|model| model.carriers[0].code = "carrier-1".into(), "carrier carrier-1: another one has the same code");
    refused(|model| model.accounts[0].carrier = CarrierId(7), "account 1: its carrier does not exist");
    refused(|model| model.ingress_trunks[0].carrier = CarrierId(7), "ingress trunk in-9: its carrier does not exist");
    refused(|model| model.ingress_trunks[0].carrier = CarrierId(2), "ingress trunk in-9: its account is another");
    refused(|model| model.ingress_trunks[0].plan = PlanId(7), "ingress trunk in-9: its plan does not exist");
    refused(|model| model.ingress_trunks[0].sell_deck = DeckId(7), "ingress trunk in-9: its deck does not exist");
    refused(|model| model.ingress_trunks[0].sources[1].bits = 33, "ingress trunk in-9: a source has more bits");
    refused(|model| model.ingress_trunks[0].tech_prefix = "7 7".into(), "ingress trunk in-9: its tech prefix");
    refused(|model| model.egress_trunks[0].buy_deck = DeckId(7), "egress trunk out-3: its deck does not exist");
    refused(|model| model.egress_trunks[0].add_prefix = "a@b".into(), "egress trunk out-3: its added prefix");
    refused(|model| model.egress_trunks[0].address.set_port(0), "egress trunk out-3: its port is 0");
    refused(|model| model.plans[0].attempts_max = 17, "plan plan-1: tries 17 routes");
    refused(|model| model.plans[0].attempts_max = 0, "plan plan-1: tries 0 routes");
    refused(|model| model.plans[0].routes[0].percent = 101, "plan plan-1: egress trunk 3 gets more");
    refused(
        |model| model.plans[0].routes[0].egress_trunk = EgressTrunkId(2),
        "plan plan-1: egress trunk 2 stands in it twice",
    );
    refused(
        |model| model.plans[0].routes[0].egress_trunk = EgressTrunkId(5),
        "plan plan-1: egress trunk 5 does not exist",
    );
    refused(|model| model.decks[0].tax_ppm = 1_000_001, "deck deck-1: its tax is above 100 per cent");
    refused(|model| model.decks[0].decimals = 10, "deck deck-1: has more than 9 decimals");
    let route = PlanRoute { egress_trunk: EgressTrunkId(2), ..PlanRoute::default() };
    refused(|model| model.plans[0].routes = vec![route; 65], "plan plan-1: has more than 64 routes");
}

#[test]
fn currencies_must_fit_together() {
    let euro = Currency::parse("EUR").unwrap();
    refused(|model| model.decks[0].currency = euro, "ingress trunk in-9: its account and its deck count in different");
    let both = |model: &mut Model| {
        model.decks[1].currency = euro;
        model.accounts[1].currency = euro;
    };
    refused(both, "ingress trunk in-9: plan plan-1 leads to egress trunk out-2, whose deck deck-2 counts in EUR");
    let (from, value) = (WallTime::from_micros(0), units::Money::from_nanos(1_000_000_000));
    let dollar = ExchangeRate { currency: Currency::USD, from, value };
    let late = ExchangeRate { currency: euro, from: WallTime::from_micros(i64::MAX), value };
    let joined = |rates: &[ExchangeRate]| {
        let rates = rates.to_vec();
        move |model: &mut Model| {
            both(model);
            model.exchange_rates = rates;
        }
    };
    refused(joined(&[dollar, late]), "ingress trunk in-9: plan plan-1 leads to");
    let none = ExchangeRate { value: units::Money::ZERO, ..late };
    refused(joined(&[dollar, none]), "exchange rate of EUR: is not above 0");
    refused(joined(&[dollar, dollar]), "exchange rate of USD: another one begins");
    let mut model = small();
    joined(&[dollar, ExchangeRate { currency: euro, ..dollar }])(&mut model);
    View::check(&model.encode().unwrap()).unwrap();
}

#[test]
fn an_exchange_is_what_was_in_force_rounded_once() {
    let (euro, yen) = (Currency::parse("EUR").unwrap(), Currency::parse("JPY").unwrap());
    let rate = |currency, from, value| ExchangeRate {
        currency,
        from: WallTime::from_micros(from),
        value: units::Money::parse(value).unwrap(),
    };
    let mut model = small();
    model.exchange_rates =
        vec![rate(yen, 5, "0.006"), rate(euro, 0, "1"), rate(Currency::USD, 10, "0.9"), rate(Currency::USD, 0, "0.8")];
    let image = model.encode().unwrap();
    View::check(&image).unwrap();
    let view = View::open(&image);
    let exchange = |from, to, at| view.exchange(from, to, WallTime::from_micros(at));
    assert_eq!(exchange(Currency::USD, euro, 9), Some(800_000_000));
    assert_eq!(exchange(Currency::USD, euro, 10), Some(900_000_000));
    assert_eq!(exchange(euro, Currency::USD, 10), Some(1_111_111_111));
    assert_eq!(exchange(Currency::USD, yen, 10), Some(150_000_000_000));
    assert_eq!((exchange(euro, yen, 4), exchange(euro, Currency::parse("GBP").unwrap(), 9)), (None, None));
    assert_eq!(exchange(yen, yen, -1), Some(1_000_000_000));
}

#[test]
fn a_rate_that_no_call_could_use_is_refused_by_prefix() {
    let spoiled = |change: fn(&mut Rate)| move |model: &mut Model| change(&mut model.decks[0].rates[0]);
    refused(spoiled(|rate| rate.prefix = "44a".into()), "deck deck-1: prefix \"44a\" is not");
    refused(spoiled(|rate| rate.prefix = "1234567890123456".into()), "deck deck-1: prefix \"1234567890123456\" is not");
    refused(spoiled(|rate| rate.till = Some(rate.from)), "deck deck-1: a rate of prefix \"44\" ends before");
    refused(
        spoiled(|rate| rate.per_minute = units::Money::from_nanos(-1)),
        "deck deck-1: the rate of prefix \"44\" is below",
    );
    let below = Some(units::Money::from_nanos(-1));
    let spoil = move |model: &mut Model| model.decks[0].rates[0].first_per_minute = below;
    refused(spoil, "deck deck-1: the rate of prefix \"44\" is below");
    refused(|model| model.decks[0].rates.push(rate("4420", "9")), "deck deck-1: two rates of prefix \"4420\" begin");
}

/// A plan with this id and failover plan.
fn failing_over(id: u32, next: u32) -> Plan {
    Plan { id: PlanId(id), code: format!("plan-{id}"), failover: Some(PlanId(next)), ..Plan::default() }
}

#[test]
fn failover_plans_form_chains_of_three_at_most() {
    let last = |model: &mut Model, id| {
        model.plans.push(Plan { id: PlanId(id), code: format!("plan-{id}"), ..Plan::default() });
    };
    let mut model = small();
    model.plans[0].failover = Some(PlanId(2));
    model.plans.push(failing_over(2, 3));
    last(&mut model, 3);
    model.encode().unwrap();
    let mut longer = model.clone();
    longer.plans[2].failover = Some(PlanId(4));
    last(&mut longer, 4);
    let flaw = longer.encode().unwrap_err().to_string();
    assert_eq!(flaw, "plan plan-1: a chain of more than 3 plans: plan-1 → plan-2 → plan-3 → plan-4");
    let mut longer = model.clone();
    longer.plans.insert(0, failing_over(5, 1));
    let flaw = longer.encode().unwrap_err().to_string();
    assert_eq!(flaw, "plan plan-5: a chain of more than 3 plans: plan-5 → plan-1 → plan-2 → plan-3");
    model.plans[2].failover = Some(PlanId(1));
    let flaw = model.encode().unwrap_err().to_string();
    assert_eq!(flaw, "plan plan-1: its failover plans go round in a circle: plan-1 → plan-2 → plan-3 → plan-1");
    refused(|model| model.plans[0].failover = Some(PlanId(1)), "plan plan-1: its failover plans go round in a circle");
    refused(|model| model.plans[0].failover = Some(PlanId(7)), "plan plan-1: its failover plan 7 does not exist");
}

#[test]
fn rules_and_groups_that_no_call_could_use_are_refused_by_name() {
    let rule = |change: fn(&mut PlanRules)| move |model: &mut Model| change(&mut model.plans[0].rules);
    refused(rule(|r| r.near_price = "x".into()), "plan plan-1: its rules: near_price: \"x\" is no decimal");
    refused(rule(|r| r.near_percent = "-1".into()), "plan plan-1: its rules: near_percent: must not be negative");
    refused(rule(|r| r.margin_percent = "101".into()), "plan plan-1: its rules: margin_percent: must be at most 100");
    let area = |prefix: &str| snapshot::routing::Area { name: "a".into(), prefixes: vec![prefix.into()] };
    let areas = |all: Vec<_>| move |model: &mut Model| model.plans[0].rules.areas = all;
    refused(areas(vec![area("44"), area("1")]), "plan plan-1: its rules: areas.name: entry 2: a stands there twice");
    refused(areas(vec![area("4A")]), "plan plan-1: its rules: areas.prefixes: entry 1: \"4A\" is not 1 to 15 digits");
    let route = |change: fn(&mut RouteRules)| move |model: &mut Model| change(&mut model.plans[0].routes[1].rules);
    let shown = "plan plan-1, egress trunk 2: its rules: ";
    refused(route(|r| r.force_percent = 101), &format!("{shown}force_percent: must be 0 to 100"));
    refused(route(|r| r.called_areas = vec!["b".into()]), &format!("{shown}called_areas: entry 1: the plan has no"));
    refused(
        route(|r| r.hours = vec![Window { from: "25:00".into(), ..Window::default() }]),
        &format!("{shown}hours.from: entry 1"),
    );
    refused(rule(|r| r.zone = "Mars; DROP".into()), "plan plan-1: its rules: zone: \"Mars; DROP\" is no zone");
    refused(route(|r| r.tags = vec!["a b".into()]), &format!("{shown}tags: entry 1: \"a b\" is not 1 to 32"));
    let group = |members: Vec<u32>| {
        move |model: &mut Model| {
            let member = |id: &u32| GroupMember { egress_trunk: EgressTrunkId(*id), ..GroupMember::default() };
            let members = members.iter().map(member).collect();
            model.groups = vec![TrunkGroup { id: TrunkGroupId(1), code: "g".into(), members }];
        }
    };
    refused(group(vec![]), "trunk group g: has 0 members, not 1 to 64");
    refused(group(vec![2, 7]), "trunk group g: egress trunk 7 does not exist");
    refused(group(vec![2, 3, 2]), "trunk group g: egress trunk 2 stands in it twice");
    refused(
        |model| model.plans[0].routes[0].group = Some(TrunkGroupId(4)),
        "plan plan-1: trunk group 4 does not exist",
    );
}
