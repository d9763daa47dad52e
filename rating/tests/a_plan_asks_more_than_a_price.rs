//! Rules of plans and routes: bands, margins in per cent, conditions, exclusive and forced routes, groups, failover plans.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use proptest::prelude::*;
use rating::{Admission, Policies, Reason, Routes, Verdict, admit, is_international, routes};
use snapshot::routing::{Area, Window};
use snapshot::{GroupMember, Model, Offset, Order, Plan, PlanRoute, RouteRules, TrunkGroup, View};
use units::{Cause, EgressTrunkId, Money, NodeId, PlanId, TrunkGroupId, WallTime};
use world::{arrival, ask, image, number, trunk, way_in, way_out, world};

fn judged_for(model: &Model, ask: &rating::Ask) -> Routes {
    let image = image(model);
    let view = View::open(&image);
    let policies = Policies::compile(&view).unwrap();
    let mut out = Routes::default();
    let _ = routes(&view, &policies, ask, &mut out);
    out
}

fn kept_for(model: &Model, ask: &rating::Ask) -> Vec<u32> {
    judged_for(model, ask).kept().iter().map(|candidate| candidate.egress.0).collect()
}

fn kept(model: &Model, seed: u64) -> Vec<u32> {
    kept_for(model, &ask(seed))
}

/// The dropped ones with their cause and reason.
fn dropped(model: &Model, seed: u64) -> Vec<(u32, u16, Option<Reason>)> {
    let cause = |verdict| match verdict {
        Verdict::Dropped(cause) => cause.0,
        other => panic!("dropped, not {other:?}"),
    };
    let routes = judged_for(model, &ask(seed));
    routes.dropped().iter().map(|c| (c.egress.0, cause(c.verdict), c.reason)).collect()
}

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

fn rules(change: impl FnOnce(&mut RouteRules)) -> RouteRules {
    let mut rules = RouteRules::default();
    change(&mut rules);
    rules
}

/// Trunks at these prices and priorities, from trunk 2 on.
fn priced(rows: &[(&str, i16)]) -> Model {
    let mut model = world();
    for (place, (price, priority)) in rows.iter().enumerate() {
        way_out(&mut model, place as u32 + 2, price).priority = *priority;
    }
    model
}

#[test]
fn near_prices_count_as_equal_and_the_priority_decides() {
    let mut model = priced(&[("0.100", 0), ("0.102", 9), ("0.103", 5), ("0.104", 9), ("0.106", 1)]);
    assert_eq!(kept(&model, 1), [2, 3, 4, 5, 6]);
    model.plans[0].rules.near_price = "0.003".into();
    assert_eq!(kept(&model, 1), [3, 4, 2, 5, 6], "0.104 begins a band of its own, which 0.106 belongs to");
    let bands: Vec<_> = judged_for(&model, &ask(1)).kept().iter().map(|candidate| candidate.reason).collect();
    let (first, second) = (Some(Reason::Band(money("0.103"))), Some(Reason::Band(money("0.107"))));
    assert_eq!(bands, [first, first, first, second, second]);
    model.plans[0].rules.near_percent = "6".into();
    assert_eq!(kept(&model, 1), [3, 5, 4, 6, 2], "the wider of both holds: 0.106");
    model.plans[0].order = Order::Priority;
    assert_eq!(kept(&model, 1), [3, 5, 4, 6, 2], "the other orders know no band");
}

#[test]
fn a_margin_in_per_cent_holds_besides_the_guard() {
    let mut model = priced(&[("0.949", 0), ("0.95", 0), ("0.95", 0), ("0.96", 0)]);
    model.decks[3].rates[0].per_minute = Money::from_nanos(950_000_001);
    model.plans[0].rules.margin_percent = "5".into();
    assert_eq!(kept(&model, 1), [2, 3]);
    let least = Some(Reason::Margin(money("0.05")));
    assert_eq!(dropped(&model, 1), [(4, 324, least), (5, 324, least)]);
    model.plans[0].margin_min = money("0.051");
    assert_eq!(kept(&model, 1), [2], "the guard asks for more");
    (model.plans[0].margin_min, model.plans[0].rules.margin_percent) = (money("-9"), "-5".into());
    model.decks[4].rates[0].per_minute = money("1.06");
    model.decks[3].rates[0].per_minute = money("1.05");
    assert_eq!(kept(&model, 1), [2, 3, 4], "a loss of five per cent is allowed, of six is not");
}

/// What it is called, the condition, and the reason that it gives.
type Row = (&'static str, fn(&mut RouteRules), Reason);

#[test]
fn each_condition_keeps_its_route_from_other_calls() {
    let rows: [Row; 8] = [
        ("inactive", |r| r.active = false, Reason::Inactive),
        ("tag", |r| r.tags = vec!["retail".into(), "other".into()], Reason::NoTag),
        ("called area", |r| r.called_areas = vec!["north".into()], Reason::CalledArea),
        ("calling area", |r| r.calling_areas = vec!["north".into()], Reason::CallingArea),
        ("called", |r| r.called_match = "^4479".into(), Reason::CalledMatch),
        ("called deny", |r| r.called_deny = "^4420.*0$".into(), Reason::CalledDeny),
        ("calling", |r| r.calling_match = "^$".into(), Reason::CallingMatch),
        ("calling deny", |r| r.calling_deny = "^49".into(), Reason::CallingDeny),
    ];
    for (name, change, reason) in rows {
        let mut model = priced(&[("0.5", 0), ("0.6", 0)]);
        way_in(&mut model, 1, &["10.0.0.0/8"], "").policy.tags = vec!["wholesale".into()];
        model.plans[0].rules.areas = vec![Area { name: "north".into(), prefixes: vec!["45".into(), "46".into()] }];
        model.plans[0].routes[0].rules = rules(change);
        assert_eq!(kept(&model, 1), [3], "{name}");
        assert_eq!(dropped(&model, 1), [(2, 310, Some(reason))], "{name}");
    }
}

#[test]
fn conditions_that_hold_keep_the_route() {
    let mut model = priced(&[("0.5", 0)]);
    way_in(&mut model, 1, &["10.0.0.0/8"], "").policy.tags = vec!["a".into(), "retail".into()];
    model.plans[0].rules.areas = vec![
        Area { name: "uk".into(), prefixes: vec!["44".into(), "4420718".into()] },
        Area { name: "de".into(), prefixes: vec!["49".into()] },
    ];
    model.plans[0].routes[0].rules = rules(|r| {
        r.tags = vec!["retail".into()];
        (r.called_areas, r.calling_areas) = (vec!["de".into(), "uk".into()], vec!["de".into()]);
        (r.called_match, r.called_deny) = ("^44[0-9]+$".into(), "^449".into());
        (r.calling_match, r.calling_deny) = ("^4930".into(), "anonymous".into());
    });
    assert_eq!(kept(&model, 1), [2]);
}

#[test]
fn a_route_may_keep_to_hours_on_the_clock_of_the_plans_zone() {
    let mut model = priced(&[("0.5", 0)]);
    let window = |days: &[&str], from: &str, till: &str| Window {
        days: days.iter().map(|day| (*day).to_owned()).collect(),
        from: from.into(),
        till: till.into(),
    };
    let hours = vec![window(&["mon", "fri"], "08:30", "18:00"), window(&["sun"], "", "")];
    model.plans[0].routes[0].rules.hours = hours;
    // 2026-11-20 is a Friday; seconds since 1970 of its midnight, UTC.
    let midnight = 1_795_132_800_i64;
    let open = |model: &Model, day: i64, minute: i64| {
        let at = WallTime::from_micros((midnight + day * 86_400 + minute * 60) * 1_000_000);
        kept_for(model, &rating::Ask { at, ..ask(1) }).len() == 1
    };
    let told: Vec<_> = [(0, 509), (0, 510), (0, 1_079), (0, 1_080), (1, 600), (2, 0), (2, 1_439), (3, 510), (4, 600)]
        .map(|(day, minute)| open(&model, day, minute))
        .to_vec();
    assert_eq!(told, [false, true, true, false, false, true, true, true, false]);
    assert_eq!(dropped(&model, 1), [(2, 310, Some(Reason::Hours))], "1970-01-01 was a Thursday");
    let change = WallTime::from_micros((midnight + 12 * 3_600) * 1_000_000);
    let offset = |from, ahead_s| Offset { from, ahead_s };
    model.plans[0].offsets = vec![offset(WallTime::from_micros(0), 3_600), offset(change, 7_200)];
    let told = [(0, 449), (0, 450), (0, 959), (0, 960)].map(|(day, minute)| open(&model, day, minute));
    assert_eq!(told, [false, true, true, false], "an hour ahead before noon, two after");
    model.plans[0].routes[0].rules.hours[0].till = "08:00".into();
    let flaw = model.encode().unwrap_err().to_string();
    assert!(flaw.contains("its rules: hours.till: entry 1: is not after the beginning"), "{flaw}");
}

#[test]
fn an_expression_that_is_none_is_refused_with_its_route() {
    let mut model = priced(&[("0.5", 0), ("0.6", 0)]);
    model.plans[0].routes[1].rules.called_match = "^(44".into();
    let image = image(&model);
    let flaw = Policies::compile(&View::open(&image)).unwrap_err().to_string();
    assert!(flaw.starts_with("plan plan, route 2: its rules: called_match: \"^(44\": regex parse error"), "{flaw}");
}

#[test]
fn nothing_is_tried_behind_a_stop() {
    let mut model = priced(&[("0.5", 0), ("0.6", 0), ("0.7", 0)]);
    model.plans[0].routes[1].rules.stop = true;
    model.plans[0].failover = Some(PlanId(2));
    let routes = vec![PlanRoute { egress_trunk: EgressTrunkId(4), ..PlanRoute::default() }];
    model.plans.push(Plan { id: PlanId(2), code: "next".into(), routes, ..Plan::default() });
    assert_eq!(kept(&model, 1), [2, 3]);
    let stopped = Some(Reason::Stopped);
    assert_eq!(dropped(&model, 1), [(4, 310, stopped), (4, 310, stopped)], "failover plans come after it, too");
    trunk(&mut model, 3).active = false;
    assert_eq!(kept(&model, 1), [2, 4], "a route that is not tried stops nothing");
}

#[test]
fn an_exclusive_route_leaves_nothing_to_others() {
    let mut model = priced(&[("0.5", 0), ("0.6", 0), ("0.7", 0)]);
    for place in [1, 2] {
        model.plans[0].routes[place].rules.exclusive = true;
    }
    assert_eq!(kept(&model, 1), [3, 4]);
    assert_eq!(dropped(&model, 1), [(2, 310, Some(Reason::Exclusive))]);
    let unreachable = rating::Ask { unreachable: 0b110, ..ask(1) };
    assert_eq!(kept_for(&model, &unreachable), [0; 0], "even if it cannot be tried itself");
    for place in [1, 2] {
        model.plans[0].routes[place].rules.called_match = "^7".into();
    }
    assert_eq!(kept(&model, 1), [2], "it claims only calls that it matches");
    model.plans[0].routes[1].rules.called_match = String::new();
    world::deck_of(&mut model, 3).rates.clear();
    assert_eq!(kept(&model, 1), [2], "and whose destination it sells");
}

#[test]
fn a_forced_route_comes_first_as_often_as_it_should() {
    let mut model = priced(&[("0.1", 0), ("0.2", 0), ("0.9", 0)]);
    model.plans[0].routes[2].rules.force_percent = 25;
    let firsts = (0..2_000).filter(|seed| kept(&model, *seed)[0] == 4).count();
    assert!((420..580).contains(&firsts), "{firsts} of 2,000 should be near 500");
    let orders: std::collections::BTreeSet<_> = (0..200).map(|seed| kept(&model, seed)).collect();
    assert_eq!(orders.into_iter().collect::<Vec<_>>(), [[2, 3, 4], [4, 2, 3]]);
    model.plans[0].routes[2].rules.force_percent = 100;
    let first = judged_for(&model, &ask(5)).kept()[0];
    assert!(matches!((first.egress.0, first.reason), (4, Some(Reason::Forced(0..100)))));
}

/// Trunks 2 to 5 in a group, beside trunk 6 alone.
fn grouped(members: Vec<GroupMember>) -> Model {
    let mut model = priced(&[("0.5", 0), ("0.2", 0), ("0.6", 0), ("0.7", 0), ("0.3", 0)]);
    model.groups = vec![TrunkGroup { id: TrunkGroupId(7), code: "g".into(), members }];
    let group = PlanRoute { group: Some(TrunkGroupId(7)), ..PlanRoute::default() };
    model.plans[0].routes = vec![model.plans[0].routes[4].clone(), group];
    model
}

fn member(id: u32) -> GroupMember {
    GroupMember { egress_trunk: EgressTrunkId(id), ..GroupMember::default() }
}

#[test]
fn a_group_stands_where_its_cheapest_member_would_and_stays_together() {
    let of = |id, priority| GroupMember { priority, ..member(id) };
    let mut model = grouped(vec![of(2, 1), of(3, 1), of(4, 9), of(5, 0)]);
    let orders: std::collections::BTreeSet<_> = (0..50).map(|seed| kept(&model, seed)).collect();
    assert_eq!(orders.into_iter().collect::<Vec<_>>(), [[4, 2, 3, 5, 6], [4, 3, 2, 5, 6]]);
    world::deck_of(&mut model, 3).rates[0].per_minute = money("0.4");
    assert_eq!(kept(&model, 1)[0], 6, "the group is dearer than the trunk");
    model.plans[0].margin_min = money("0.45");
    assert_eq!(kept(&model, 1), [6, 2, 3], "of its members only those that leave the margin are tried");
}

#[test]
fn members_share_by_weight_and_those_of_the_nodes_site_come_first() {
    let of = |id, weight, nodes: &[u16]| GroupMember { weight, nodes: nodes.to_vec(), ..member(id) };
    let mut model = grouped(vec![of(2, 75, &[]), of(3, 25, &[]), of(4, 0, &[])]);
    let firsts = (0..2_000).filter(|seed| kept(&model, *seed)[0] == 2).count();
    assert!((1_420..1_580).contains(&firsts), "{firsts} of 2,000 should be near 1,500");
    assert!((0..100).all(|seed| kept(&model, seed)[2] == 4), "without weight it comes last");
    model.groups[0].members = vec![of(2, 1, &[8, 9]), of(3, 1, &[1]), of(4, 1, &[1, 9])];
    for (node, first) in [(1, [3, 4]), (9, [2, 4])] {
        let asks = (0..50).map(|seed| rating::Ask { node: NodeId(node), ..ask(seed) });
        let orders: Vec<Vec<u32>> = asks.map(|ask| kept_for(&model, &ask)).collect();
        assert!(orders.iter().all(|order| first.contains(&order[0]) && first.contains(&order[1])), "{orders:?}");
    }
}

/// Plan 1 fails over to plan 2 and that to plan 3.
fn chained() -> Model {
    let mut model = priced(&[("0.5", 0), ("0.2", 0), ("0.6", 0), ("0.1", 0)]);
    let routes = core::mem::take(&mut model.plans[0].routes);
    let plan = |id: u32, routes: &[PlanRoute], failover: Option<u32>| Plan {
        id: PlanId(id),
        code: format!("plan-{id}"),
        routes: routes.to_vec(),
        failover: failover.map(PlanId),
        ..Plan::default()
    };
    model.plans = vec![plan(1, &routes[..2], Some(2)), plan(2, &routes[1..3], Some(3)), plan(3, &routes[3..], None)];
    model
}

#[test]
fn failover_plans_are_asked_in_order_of_the_chain() {
    let mut model = chained();
    assert_eq!(kept(&model, 1), [3, 2, 4, 5], "0.1 of the last plan comes last");
    let routes = judged_for(&model, &ask(1));
    assert_eq!(routes.kept().iter().map(|candidate| candidate.plan.0).collect::<Vec<_>>(), [1, 1, 2, 3]);
    assert_eq!(dropped(&model, 1), [(3, 310, Some(Reason::Twice))], "a trunk is tried once");
    model.plans[0].margin_min = money("2");
    assert_eq!(kept(&model, 1), [3, 4, 5], "each plan has its own margin");
    let image = image(&model);
    let view = View::open(&image);
    let down = rating::marked(&view, PlanId(1), |trunk| trunk.0 == 3);
    assert_eq!(down, 0b110, "the second route of the first plan and the first of the next");
    assert_eq!(kept_for(&model, &rating::Ask { unreachable: down, ..ask(1) }), [4, 5]);
}

#[test]
fn a_plan_may_ask_for_numbers_that_could_be_anyones() {
    let mut model = world();
    way_in(&mut model, 1, &["10.0.0.0/8"], "");
    model.plans[0].rules.check_called = true;
    let image = image(&model);
    let view = View::open(&image);
    let policies = Policies::compile(&view).unwrap();
    let asked = |called| admit(&view, &policies, &arrival("10.0.0.1:5060", called), &mut Admission::default());
    assert_eq!(asked("442071838750"), Ok(()));
    assert_eq!(asked("+442071838750"), Ok(()));
    for wrong in ["44207", "4420718387501234", "2107183875", "0442071838750", "44A7183875"] {
        assert_eq!(asked(wrong), Err(Cause::INVALID_NUMBER), "{wrong}");
    }
    let known = ["12125551234", "79161234567", "35212345678", "8835100012345", "99412345678"];
    assert!(known.iter().all(|known| is_international(&number(known))));
    assert!(["21012345678", "9991234567", "6711234567"].iter().all(|wrong| !is_international(&number(wrong))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// The order depends on what routes are, not on how the plan lists them.
    #[test]
    fn the_order_does_not_depend_on_the_list(
        rows in proptest::collection::vec((0_u32..5, -1_i16..2, 0_u16..2, 1_u8..50, 0_u8..30), 2..12),
        turn in 0_usize..12,
        order in 0_u8..4,
        near in 0_u8..3,
        seed in any::<u64>(),
    ) {
        let mut model = world();
        for (place, (price, priority, weight, percent, force)) in rows.iter().enumerate() {
            let route = way_out(&mut model, place as u32 + 2, &format!("0.{price}5"));
            (route.priority, route.weight, route.percent) = (*priority, *weight, *percent);
            route.rules.force_percent = *force;
        }
        let members = [2, 3].map(|id| GroupMember { weight: 3, ..member(id) }).to_vec();
        model.groups = vec![TrunkGroup { id: TrunkGroupId(1), code: "g".into(), members }];
        let first = &mut model.plans[0].routes[0];
        first.group = Some(TrunkGroupId(1));
        model.plans[0].routes.remove(1);
        model.plans[0].order = Order::from_code(order).unwrap();
        model.plans[0].rules.near_price = format!("0.{near}");
        let listed = kept(&model, seed);
        let length = model.plans[0].routes.len();
        model.plans[0].routes.rotate_left(turn % length);
        prop_assert_eq!(&kept(&model, seed), &listed);
        model.plans[0].routes.reverse();
        model.groups[0].members.reverse();
        prop_assert_eq!(&kept(&model, seed), &listed);
        prop_assert_eq!(listed.len(), rows.len());
    }
}
