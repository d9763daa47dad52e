//! Stories about plans, groups and what plans ask of a call, each told on SQLite and on MariaDB.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use sample::world;
use snapshot::{GroupMember, PlanRoute, PlanRules, RouteRules};
use store::{ConflictKind, EgressTrunkDraft, GroupDraft, PlanDraft, Store, StoreError};
use units::{EgressTrunkId, PlanId, TrunkGroupId};

on_both! {
    rules_and_groups_are_kept_and_come_into_the_model
    rules_that_calls_could_not_use_are_refused_by_route_and_field
    failover_plans_form_chains_of_three_at_most
    a_chain_leads_to_sixty_four_trunks_at_most
}

/// A plan that goes on to another one.
fn plan(code: &str, failover: Option<u32>) -> PlanDraft {
    PlanDraft { code: code.into(), failover: failover.map(PlanId), ..PlanDraft::default() }
}

async fn make(store: &Store, draft: &PlanDraft) -> Result<u32, StoreError> {
    let mut edit = store.edit().await?;
    let id = edit.create(draft).await?.id;
    edit.commit().await?;
    Ok(id)
}

async fn change(store: &Store, id: u32, change: impl FnOnce(&mut PlanDraft)) -> Result<(), StoreError> {
    let mut edit = store.edit().await?;
    let mut draft = edit.get::<PlanDraft>(id).await?.draft;
    change(&mut draft);
    edit.update(id, &draft, None).await?;
    edit.commit().await
}

async fn group(store: &Store, code: &str, trunks: &[u32]) -> u32 {
    let member = |id: &u32| GroupMember { egress_trunk: EgressTrunkId(*id), ..GroupMember::default() };
    let draft = GroupDraft { code: code.into(), members: trunks.iter().map(member).collect() };
    let mut edit = store.edit().await.unwrap();
    let id = edit.create(&draft).await.unwrap().id;
    edit.commit().await.unwrap();
    id
}

async fn rules_and_groups_are_kept_and_come_into_the_model(store: Store) {
    let w = world(&store).await;
    let near = GroupMember { egress_trunk: EgressTrunkId(w.egress), priority: -2, weight: 70, nodes: vec![1, 65_535] };
    let group = GroupDraft { code: "all".into(), members: vec![near] };
    let mut edit = store.edit().await.unwrap();
    let group_id = edit.create(&group).await.unwrap().id;
    edit.commit().await.unwrap();
    let rules = PlanRules { near_percent: "2.5".into(), check_called: true, ..PlanRules::default() };
    let route = PlanRoute {
        group: Some(TrunkGroupId(group_id)),
        rules: RouteRules { called_match: "^44".into(), stop: true, ..RouteRules::default() },
        ..PlanRoute::default()
    };
    let next = make(&store, &plan("next", None)).await.unwrap();
    change(&store, w.plan, |draft| {
        draft.rules = rules.clone();
        draft.failover = Some(PlanId(next));
        draft.routes.push(route.clone());
    })
    .await
    .unwrap();
    let model = store.model().await.unwrap();
    let found = model.plans.iter().find(|plan| plan.id.0 == w.plan).unwrap();
    assert_eq!((&found.rules, found.failover, &found.routes[1]), (&rules, Some(PlanId(next)), &route));
    assert_eq!((model.groups[0].code.as_str(), &model.groups[0].members), ("all", &group.members));
    model.encode().unwrap();
    let mut edit = store.edit().await.unwrap();
    for refused in [
        edit.delete::<GroupDraft>(group_id, None).await.unwrap_err(),
        edit.delete::<PlanDraft>(next, None).await.unwrap_err(),
        edit.delete::<EgressTrunkDraft>(w.egress, None).await.unwrap_err(),
    ] {
        assert!(matches!(refused, StoreError::Conflict { kind: ConflictKind::InUse, .. }), "{refused}");
    }
}

async fn rules_that_calls_could_not_use_are_refused_by_route_and_field(store: Store) {
    let w = world(&store).await;
    let refused = change(&store, w.plan, |draft| draft.rules.near_price = "-1".into()).await.unwrap_err();
    assert_eq!(refused.to_string(), "rules.near_price: must not be negative");
    let refused = change(&store, w.plan, |draft| draft.routes[0].rules.called_deny = "(".into()).await.unwrap_err();
    assert!(refused.to_string().starts_with("route 1: rules.called_deny: \"(\": regex parse error"), "{refused}");
    let tags = vec!["a".into(), "b c".into()];
    let refused = change(&store, w.plan, |draft| draft.routes[0].rules.tags = tags).await.unwrap_err();
    assert!(refused.to_string().starts_with("route 1: rules.tags: entry 2: \"b c\" is not"), "{refused}");
    let areas = vec!["south".into()];
    let refused = change(&store, w.plan, |draft| draft.routes[0].rules.called_areas = areas).await.unwrap_err();
    assert_eq!(refused.to_string(), "route 1: rules.called_areas: entry 1: the plan has no area south");
    let unknown = PlanRoute { group: Some(TrunkGroupId(9)), ..PlanRoute::default() };
    let refused = change(&store, w.plan, |draft| draft.routes.push(unknown)).await.unwrap_err();
    assert_eq!(refused.to_string(), "routes: there is none with the id 9");
    let mut edit = store.edit().await.unwrap();
    let twice = vec![GroupMember { egress_trunk: EgressTrunkId(w.egress), ..GroupMember::default() }; 2];
    let refused = edit.create(&GroupDraft { code: "twice".into(), members: twice }).await.unwrap_err();
    assert_eq!(refused.to_string(), "members: an egress trunk stands there twice");
    let refused = edit.create(&GroupDraft { code: "none".into(), members: vec![] }).await.unwrap_err();
    assert_eq!(refused.to_string(), "members: 1 to 64 trunks");
}

async fn failover_plans_form_chains_of_three_at_most(store: Store) {
    let third = make(&store, &plan("three", None)).await.unwrap();
    let second = make(&store, &plan("two", Some(third))).await.unwrap();
    let first = make(&store, &plan("one", Some(second))).await.unwrap();
    let refused = make(&store, &plan("zero", Some(first))).await.unwrap_err();
    assert_eq!(refused.to_string(), "failover: a chain of more than 3 plans: zero → one → two → three");
    let fourth = make(&store, &plan("four", None)).await.unwrap();
    let refused = change(&store, third, |draft| draft.failover = Some(PlanId(fourth))).await.unwrap_err();
    assert_eq!(refused.to_string(), "failover: a chain of more than 3 plans: one → two → three → four");
    let refused = change(&store, third, |draft| draft.failover = Some(PlanId(first))).await.unwrap_err();
    assert!(refused.to_string().starts_with("failover: the failover plans go round in a circle: "), "{refused}");
    let refused = change(&store, third, |draft| draft.failover = Some(PlanId(third))).await.unwrap_err();
    assert!(refused.to_string().ends_with("in a circle: three → three"), "{refused}");
    let refused = change(&store, third, |draft| draft.failover = Some(PlanId(99))).await.unwrap_err();
    assert_eq!(refused.to_string(), "failover: there is none with the id 99");
}

async fn a_chain_leads_to_sixty_four_trunks_at_most(store: Store) {
    let w = world(&store).await;
    let mut edit = store.edit().await.unwrap();
    let like = edit.get::<EgressTrunkDraft>(w.egress).await.unwrap().draft;
    let mut trunks = vec![w.egress];
    for number in 2..=63 {
        let draft = EgressTrunkDraft { code: format!("oria-{number}"), ..like.clone() };
        trunks.push(edit.create(&draft).await.unwrap().id);
    }
    edit.commit().await.unwrap();
    let many = group(&store, "many", &trunks).await;
    let route = PlanRoute { group: Some(TrunkGroupId(many)), ..PlanRoute::default() };
    let next = PlanDraft { routes: vec![route], ..plan("next", None) };
    let next = make(&store, &next).await.unwrap();
    change(&store, w.plan, |draft| draft.failover = Some(PlanId(next))).await.unwrap();
    store.model().await.unwrap().encode().unwrap();
    let alone = PlanRoute { egress_trunk: EgressTrunkId(trunks[5]), ..PlanRoute::default() };
    let refused = change(&store, w.plan, |draft| draft.routes.push(alone)).await.unwrap_err();
    assert_eq!(refused.to_string(), "failover: main → next leads to 65 trunks, more than 64");
    let mut edit = store.edit().await.unwrap();
    let last = edit.create(&EgressTrunkDraft { code: "oria-64".into(), ..like }).await.unwrap().id;
    let mut wider = edit.get::<GroupDraft>(many).await.unwrap().draft;
    wider.members.push(GroupMember { egress_trunk: EgressTrunkId(last), ..GroupMember::default() });
    let refused = edit.update(many, &wider, None).await.unwrap_err();
    assert_eq!(refused.to_string(), "members: main → next leads to 65 trunks, more than 64");
}
