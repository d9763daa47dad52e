//! A call that goes on to the failover plan: one cap on attempts, each attempt's record with its trunk.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod stage;

use snapshot::{GroupMember, Model, Plan, PlanRoute, TrunkGroup};
use stage::{Stage, model, reply};
use units::{EgressTrunkId, Money, PlanId, TrunkGroupId};

/// Trunk 1 in the call's own plan, trunk 2 as a group of one in the failover plan, which allows a loss.
fn chained(attempts_max: u8) -> Model {
    let mut model = model();
    let routes = vec![PlanRoute { group: Some(TrunkGroupId(1)), ..PlanRoute::default() }];
    let margin_min = Money::from_nanos(-1_000_000_000);
    model.plans[0].routes.truncate(1);
    (model.plans[0].attempts_max, model.plans[0].failover) = (attempts_max, Some(PlanId(2)));
    model.plans.push(Plan { id: PlanId(2), code: "next".into(), margin_min, routes, ..Plan::default() });
    let members = vec![GroupMember { egress_trunk: EgressTrunkId(2), ..GroupMember::default() }];
    model.groups = vec![TrunkGroup { id: TrunkGroupId(1), code: "one".into(), members }];
    model.decks[2].rates[0].per_minute = Money::from_nanos(90_000_000);
    model
}

#[test]
fn a_refused_plan_leads_to_the_next_one() {
    let mut stage = Stage::of(&chained(3));
    let mut call = stage.begin();
    stage.hear(&mut call, 1, &reply(stage.last(1), 503, None), "127.0.0.3:5060");
    assert!(stage.last(2).starts_with("INVITE sip:4420123@127.0.0.4:5060"));
    stage.hear(&mut call, 2, &reply(stage.last(2), 486, None), "127.0.0.4:5060");
    assert!(call.is_over());
    let cdrs = stage.cdrs();
    let decision = rating::decision::decode(&cdrs.last().unwrap().decision).unwrap();
    let told: Vec<_> = decision.candidates.iter().map(|one| (one.egress.0, one.plan.0, one.margin.nanos())).collect();
    assert_eq!(told, [(1, 1, 30_000_000), (2, 2, -30_000_000)], "the record says which plan each stands in");
}

#[test]
fn the_first_plans_cap_holds_for_the_whole_chain() {
    let mut stage = Stage::of(&chained(1));
    let mut call = stage.begin();
    stage.hear(&mut call, 1, &reply(stage.last(1), 503, None), "127.0.0.3:5060");
    assert!(call.is_over() && stage.cdrs().len() == 2, "one attempt and the call");
}
