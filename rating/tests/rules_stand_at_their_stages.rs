//! Signalling policies in decisions: lists and rewrites of trunk, plan and egress trunk, nodes, transports, own terminators.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod world;

use rating::{Admission, Arrival, Policies, Routes, Verdict, admit, admit_by, decision, outbound_number, routes};
use snapshot::policy::{Number as Line, NumberKind, Rewrite, RewriteField, Transport};
use snapshot::{Model, Policy, View};
use units::{Cause, EgressTrunkId, IngressTrunkId, NodeId, Revision};
use world::{arrival, ask, image, number, trunk, way_in, way_out, world};

fn prefix(value: &str) -> Line {
    Line { kind: NumberKind::Prefix, value: value.into() }
}

fn rewrite(field: RewriteField, pattern: &str, replacement: &str) -> Rewrite {
    Rewrite { field, pattern: pattern.into(), replacement: replacement.into() }
}

fn admitted(model: &Model, arrival: &Arrival) -> (Result<(), u16>, Admission) {
    let image = image(model);
    let view = View::open(&image);
    let mut admission = Admission::default();
    let found = admit(&view, &Policies::compile(&view).unwrap(), arrival, &mut admission);
    (found.map_err(|cause| cause.0), admission)
}

/// A model whose only trunk at 10.0.0.0/8 has tech prefix `9#`.
fn with_way_in(policy: Policy, plan: Policy) -> Model {
    let mut model = world();
    way_in(&mut model, 1, &["10.0.0.0/8"], "9#").policy = policy;
    model.plans[0].policy = plan;
    model
}

const SOURCE: &str = "10.1.1.1:5060";

#[test]
fn numbers_change_from_tech_prefix_to_trunk_to_plan() {
    let trunk = Policy {
        rewrite: vec![
            rewrite(RewriteField::Called, "^00", ""),
            rewrite(RewriteField::Calling, "^49", "+49"),
            rewrite(RewriteField::DisplayName, ".*", "nobody"),
        ],
        ..Policy::default()
    };
    let plan = Policy {
        rewrite: vec![rewrite(RewriteField::Called, "^44(0?)", "44"), rewrite(RewriteField::Calling, r"^\+", "00")],
        ..Policy::default()
    };
    let (found, admission) = admitted(&with_way_in(trunk, plan), &arrival(SOURCE, "9#0044020718"));
    assert_eq!(found, Ok(()));
    assert_eq!((admission.called.as_str(), admission.calling.as_str()), ("4420718", "004930123456"));
}

#[test]
fn a_stage_asks_its_lists_before_it_rewrites() {
    let deny = |called: &str| Policy {
        numbers: snapshot::policy::Numbers { called_deny: vec![prefix(called)], ..Default::default() },
        rewrite: vec![rewrite(RewriteField::Called, "^00", "")],
        ..Policy::default()
    };
    let check = |trunk: &str, plan: &str| admitted(&with_way_in(deny(trunk), deny(plan)), &arrival(SOURCE, "9#0044"));
    assert_eq!(check("44", "00").0, Ok(()), "the trunk saw 0044, the plan 44");
    assert_eq!(check("00", "1").0, Err(325));
    assert_eq!(check("1", "44").0, Err(325));
    let (_, admission) = check("00", "1");
    assert_eq!((admission.ingress.0, admission.carrier.0), (1, 1), "a refused call is somebody's");
}

#[test]
fn each_list_has_its_cause() {
    let list = |calling_allow: &[&str], calling_deny: &[&str], called_allow: &[&str], called_deny: &[&str]| {
        let lines = |texts: &[&str]| texts.iter().map(|text| prefix(text)).collect();
        let numbers = snapshot::policy::Numbers {
            calling_allow: lines(calling_allow),
            calling_deny: lines(calling_deny),
            called_allow: lines(called_allow),
            called_deny: lines(called_deny),
        };
        Policy { numbers, ..Policy::default() }
    };
    let rows = [
        (list(&["49"], &[], &["44"], &[]), Ok(()), None),
        (list(&["1"], &[], &[], &[]), Err(335), Some(321)),
        (list(&["49"], &["493"], &[], &[]), Err(334), Some(322)),
        (list(&[], &[], &["1"], &[]), Err(326), Some(326)),
        (list(&[], &[], &["44"], &["4420"]), Err(325), Some(325)),
    ];
    for (policy, at_ingress, at_egress) in rows {
        let call = arrival(SOURCE, "9#442071838750");
        assert_eq!(admitted(&with_way_in(policy.clone(), Policy::default()), &call).0, at_ingress);
        assert_eq!(admitted(&with_way_in(Policy::default(), policy.clone()), &call).0, at_ingress);
        let mut model = world();
        way_out(&mut model, 2, "0.5");
        trunk(&mut model, 2).policy = policy;
        assert_eq!(verdicts(&model, 0), [at_egress]);
        assert_eq!(outcome(&model, 0), at_egress.map_or(Ok(()), Err));
    }
}

#[test]
fn a_rewrite_that_leaves_no_number_refuses_the_call() {
    let with = |replacement: &str| {
        let rewrite = vec![rewrite(RewriteField::Called, "^.*$", replacement)];
        admitted(&with_way_in(Policy { rewrite, ..Policy::default() }, Policy::default()), &arrival(SOURCE, "9#44")).0
    };
    assert_eq!((with(""), with("+"), with("a b")), (Err(336), Err(336), Err(28)));
}

#[test]
fn a_trunk_is_chosen_by_transport_and_asked_for_its_nodes() {
    let mut model = world();
    way_in(&mut model, 1, &["10.0.0.0/8"], "");
    way_in(&mut model, 2, &["10.0.0.0/8"], "").policy.transport = Transport::Tls;
    way_in(&mut model, 3, &["10.9.0.0/16"], "").policy.transport = Transport::Tcp;
    way_in(&mut model, 4, &["11.0.0.0/8"], "").policy.nodes = vec![2, 3];
    let by = |transport, source: &str| {
        let (found, admission) = admitted(&model, &Arrival { transport, ..arrival(source, "44") });
        found.map(|()| admission.ingress.0)
    };
    assert_eq!((by(Transport::Udp, SOURCE), by(Transport::Tls, SOURCE)), (Ok(1), Ok(2)));
    assert_eq!((by(Transport::Tcp, "10.9.0.1:1"), by(Transport::Udp, "10.9.0.1:1")), (Ok(3), Ok(1)));
    assert_eq!(by(Transport::Udp, "11.0.0.1:1"), Err(337));
    model.ingress_trunks.remove(0);
    let (found, _) = admitted(&model, &arrival(SOURCE, "44"));
    assert_eq!(found, Err(333), "the address fits, the transport does not");
    let (found, _) = admitted(&model, &Arrival { node: NodeId(3), ..arrival("11.0.0.1:1", "44") });
    assert_eq!(found, Ok(()));
}

#[test]
fn who_is_vouched_for_counts_where_that_is_believed() {
    let calling = |trusted, calling_from_identity| {
        let mut policy = Policy::default();
        (policy.identity.trusted, policy.identity.calling_from_identity) = (trusted, calling_from_identity);
        let call = Arrival { asserted: Some(number("4989")), ..arrival(SOURCE, "9#44") };
        admitted(&with_way_in(policy, Policy::default()), &call).1.calling.as_str().to_owned()
    };
    assert_eq!((calling(true, true), calling(true, false)), ("4989".to_owned(), "4930123456".to_owned()));
    assert_eq!(calling(false, true), "4930123456");
}

#[test]
fn a_trunk_that_is_known_otherwise_has_the_same_rules() {
    let model = with_way_in(Policy { nodes: vec![1], ..Policy::default() }, Policy::default());
    let image = image(&model);
    let view = View::open(&image);
    let policies = Policies::compile(&view).unwrap();
    let to = |trunk, called: &str, node| {
        let call = Arrival { node: NodeId(node), ..arrival("203.0.113.9:1", called) };
        admit_by(&view, &policies, IngressTrunkId(trunk), &call, &mut Admission::default()).map_err(|cause| cause.0)
    };
    assert_eq!(
        (to(1, "9#44", 1), to(1, "44", 1), to(1, "9#44", 2), to(7, "44", 1)),
        (Ok(()), Err(332), Err(337), Err(301))
    );
}

/// The causes of all candidates in the plan's order; `None` for a kept one.
fn verdicts(model: &Model, unreachable: u64) -> Vec<Option<u16>> {
    let mut all: Vec<_> = judged(model, unreachable).1.all().to_vec();
    all.sort_by_key(|candidate| candidate.egress);
    let cause = |verdict| match verdict {
        Verdict::Dropped(cause) => Some(cause.0),
        Verdict::Kept | Verdict::Surplus => None,
    };
    all.iter().map(|candidate| cause(candidate.verdict)).collect()
}

fn outcome(model: &Model, unreachable: u64) -> Result<(), u16> {
    judged(model, unreachable).0.map_err(|cause| cause.0)
}

fn judged(model: &Model, unreachable: u64) -> (Result<(), Cause>, Routes) {
    let image = image(model);
    let view = View::open(&image);
    let mut out = Routes::default();
    let ask = rating::Ask { unreachable, ..ask(1) };
    let found = routes(&view, &Policies::compile(&view).unwrap(), &ask, &mut out);
    (found, out)
}

#[test]
fn a_trunk_that_does_not_answer_is_skipped_and_named() {
    let mut model = world();
    for id in 2..5 {
        way_out(&mut model, id, &format!("0.{id}"));
    }
    let image = image(&model);
    let view = View::open(&image);
    let down = rating::marked(&view, units::PlanId(1), |id| id.0 != 3);
    assert_eq!((down, rating::marked(&view, units::PlanId(9), |_| true)), (0b101, 0));
    assert_eq!((verdicts(&model, down), outcome(&model, down)), (vec![Some(338), None, Some(338)], Ok(())));
    let (_, routes) = judged(&model, down);
    assert!(routes.dropped()[0].buy.is_some(), "what it would have cost is on record");
    assert_eq!(outcome(&model, 0b111), Err(338));
    trunk(&mut model, 2).active = false;
    assert_eq!(verdicts(&model, 0b111), [Some(309), Some(338), Some(338)], "the first reason stands");
}

#[test]
fn own_terminators_are_taken_only_where_the_trunk_says_so() {
    let mut model = world();
    way_in(&mut model, 1, &["10.0.0.0/8"], "");
    way_out(&mut model, 2, "0.5");
    way_out(&mut model, 3, "0.6");
    for id in [2, 3] {
        let own = trunk(&mut model, id);
        (own.carrier, own.account, own.buy_deck) = (units::CarrierId(1), units::AccountId(1), units::DeckId(1));
    }
    assert_eq!((verdicts(&model, 0), outcome(&model, 0)), (vec![Some(339); 2], Err(339)));
    model.ingress_trunks[0].policy.own_terminators = true;
    assert_eq!((verdicts(&model, 0), outcome(&model, 0)), (vec![None; 2], Ok(())));
}

#[test]
fn a_trunk_of_other_nodes_is_no_way_out() {
    let mut model = world();
    way_out(&mut model, 2, "0.5");
    trunk(&mut model, 2).policy.nodes = vec![2];
    assert_eq!((verdicts(&model, 0), outcome(&model, 0)), (vec![Some(337)], Err(310)));
    trunk(&mut model, 2).policy.nodes.push(1);
    assert_eq!(verdicts(&model, 0), [None]);
}

#[test]
fn the_trunks_rewrites_come_after_its_prefixes() {
    let mut model = world();
    way_out(&mut model, 2, "0.5");
    let way = trunk(&mut model, 2);
    (way.strip_digits, way.add_prefix) = (2, "00".into());
    way.policy.rewrite =
        vec![rewrite(RewriteField::Called, "^0020", "+4420"), rewrite(RewriteField::Called, "0$", "$$")];
    let image = image(&model);
    let view = View::open(&image);
    let policies = Policies::compile(&view).unwrap();
    let egress = view.egress(EgressTrunkId(2)).unwrap();
    let sent = |called: &str| outbound_number(&egress, policies.egress(EgressTrunkId(2)), &number(called));
    assert_eq!(sent("44207183").unwrap().as_str(), "+44207183");
    assert_eq!(sent("44207180"), None, "a dollar sign is in no number");
}

#[test]
fn the_record_repeats_what_rules_and_dead_trunks_decided() {
    let mut model = world();
    way_in(&mut model, 1, &["10.0.0.0/8"], "");
    for id in 2..9 {
        way_out(&mut model, id, &format!("0.{id}"));
    }
    trunk(&mut model, 3).policy.numbers.called_deny = vec![prefix("44")];
    trunk(&mut model, 4).policy.nodes = vec![7];
    let image = image(&model);
    let view = View::open(&image);
    let policies = Policies::compile(&view).unwrap();
    let (mut first, mut again) = (Routes::default(), Routes::default());
    let ask = rating::Ask { unreachable: 0b10_0001, ..ask(5) };
    routes(&view, &policies, &ask, &mut first).unwrap();
    let mut bytes = Vec::new();
    decision::encode(Revision(1), &ask, &first, &mut bytes);
    let read = decision::decode(&bytes).unwrap();
    assert_eq!(read.ask, ask);
    routes(&view, &policies, &read.ask, &mut again).unwrap();
    assert_eq!((read.candidates.as_slice(), again.all()), (first.all(), first.all()));
}

/// Two trunks in the call's own plan, one of them again in a failover plan with rules of its own.
fn with_failover(policy: Policy) -> Model {
    let mut model = world();
    way_out(&mut model, 2, "0.2");
    way_out(&mut model, 3, "0.3");
    world::deck_of(&mut model, 2).rates.push(world::rate("99", "0.9"));
    let route = model.plans[0].routes[0].clone();
    let (id, code) = (units::PlanId(2), "second".into());
    model.plans.push(snapshot::Plan { id, code, routes: vec![route], policy, ..snapshot::Plan::default() });
    model.plans[0].failover = Some(id);
    model.plans[0].routes.remove(0);
    model
}

#[test]
fn a_failover_plan_rewrites_the_numbers_in_its_turn() {
    let rewrites = vec![rewrite(RewriteField::Called, "^44", "9944"), rewrite(RewriteField::Calling, "^49", "0049")];
    let model = with_failover(Policy { rewrite: rewrites, ..Policy::default() });
    let (found, routes) = judged(&model, 0);
    assert_eq!((found, routes.kept().len()), (Ok(()), 2));
    let price = |place: usize| routes.kept()[place].buy.map(|buy| buy.per_minute.to_string());
    assert_eq!(
        (price(0), price(1)),
        (Some("0.30".into()), Some("0.90".into())),
        "the rate is that of the number that goes out"
    );
    let image = image(&model);
    let policies = Policies::compile(&View::open(&image)).unwrap();
    let numbers = |plan: u32| {
        let ask = ask(1);
        rating::numbers_of(&policies, (ask.plan, units::PlanId(plan)), (ask.calling, ask.called)).unwrap()
    };
    assert_eq!(numbers(1), (number("4930123456"), number("442071838750")));
    assert_eq!(numbers(2), (number("004930123456"), number("99442071838750")));
    let (mut record, mut again, mut written) = (Vec::new(), Routes::default(), Vec::new());
    decision::encode(Revision(1), &ask(1), &routes, &mut record);
    let read = decision::decode(&record).unwrap();
    rating::routes(&View::open(&image), &policies, &read.ask, &mut again).unwrap();
    decision::encode(Revision(1), &read.ask, &again, &mut written);
    assert_eq!(written, record, "the record is enough to decide again");
}

#[test]
fn a_failover_plan_that_does_not_take_the_numbers_offers_nothing() {
    let deny = |value: &str| Policy {
        numbers: snapshot::policy::Numbers { called_deny: vec![prefix(value)], ..Default::default() },
        ..Policy::default()
    };
    assert_eq!(verdicts(&with_failover(deny("4420")), 0), [Some(325), None]);
    assert_eq!(verdicts(&with_failover(deny("4421")), 0), [None, None]);
    let mut checked =
        with_failover(Policy { rewrite: vec![rewrite(RewriteField::Called, "^44", "999")], ..Policy::default() });
    checked.plans[1].rules.check_called = true;
    assert_eq!(verdicts(&checked, 0), [Some(28), None], "its number check is its own");
}
