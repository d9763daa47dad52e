//! Stories about plans, groups and rules in `tandem apply`, each told on SQLite and on MariaDB.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "../store/tests/support/databases.rs"]
mod databases;
#[path = "support/files.rs"]
mod files;

use files::{mistaken, run, told};
use rating::Policies;
use serde_json::Value;
use snapshot::View;
use store::Store;
use tandem_controlplane::apply::ApplyError;

on_both! {
    the_sample_of_all_rules_is_applied_once_and_can_be_published
    a_change_of_rules_and_groups_is_told_field_by_field
    a_mistake_in_a_rule_names_its_route_and_changes_nothing
    plans_may_stand_in_the_file_before_those_that_they_fail_over_to
}

const SAMPLE: &str = include_str!("../samples/routing.yaml");

async fn the_sample_of_all_rules_is_applied_once_and_can_be_published(store: Store) {
    assert_eq!(told(&store, SAMPLE).await.len(), 19);
    assert!(told(&store, SAMPLE).await.is_empty(), "a second run changes nothing");
    let model = store.model().await.unwrap();
    let image = model.encode().unwrap();
    let view = View::open(&image);
    let policies = Policies::compile(&view).unwrap();
    let world = model.plans.iter().find(|plan| plan.code == "world").unwrap();
    assert!(policies.choice(world.id).check_called);
    let chain: Vec<_> = view.plan_chain(world.id).map(|plan| plan.code()).collect();
    assert_eq!(chain, ["world", "last"]);
    assert_eq!(view.plan(world.id).unwrap().routes().count(), 3, "the group has two members");
    assert_eq!(model.ingress_trunks[0].policy.tags, ["retail"]);
    let clock: std::collections::BTreeSet<_> = world.offsets.iter().map(|offset| offset.ahead_s).collect();
    assert_eq!(clock.into_iter().collect::<Vec<_>>(), [0, 3_600], "winter and summer in London");
}

async fn a_change_of_rules_and_groups_is_told_field_by_field(store: Store) {
    told(&store, SAMPLE).await;
    let yaml = SAMPLE.replace("near_percent: \"3\"", "near_percent: \"4\"").replace("weight: 30", "weight: 40");
    assert_eq!(
        told(&store, &yaml).await,
        [
            "~ trunk group oria: members oria-1 (priority 0, weight 70, near 1), oria-2 (priority 0, weight 30, near 2) → \
             oria-1 (priority 0, weight 70, near 1), oria-2 (priority 0, weight 40, near 2)",
            "~ plan world: rules.near_percent \"3\" → \"4\"",
        ]
    );
    let alone = yaml.replace("    failover: last               #", "    #");
    assert_eq!(told(&store, &alone).await, ["~ plan world: failover last → (none)"]);
}

async fn a_mistake_in_a_rule_names_its_route_and_changes_nothing(store: Store) {
    for mistake in [
        ["\"^449\"", "\"^(449\"", "called_match", "plans[0].routes[0].rules.called_deny", "regex parse error"],
        [
            "called_areas: [london]",
            "called_areas: [paris]",
            "called_match",
            "plans[0].routes[0].rules.called_areas (entry 1)",
            "no area paris",
        ],
        [
            "near_price: \"0.0001\"",
            "near_price: \"-1\"",
            "margin_percent",
            "plans[0].rules.near_price",
            "must not be negative",
        ],
        ["failover: last ", "failover: lost ", "failover: lost", "plans[0].failover", "there is no plan lost"],
        [
            "- trunk_group: oria",
            "- trunk_group: aria",
            "trunk_group: aria",
            "plans[0].routes[0].trunk_group",
            "there is no trunk group aria",
        ],
        ["- egress_trunk: blux-1", "- priority: 1", "- priority: 1", "plans[0].routes[1]", "not exactly one of"],
        [
            "Europe/London",
            "Europe/Londinium",
            "margin_percent",
            "plans[0].rules.zone",
            "is no zone such as Europe/Paris",
        ],
        [
            "days: [sat]",
            "days: [satt]",
            "called_match",
            "plans[0].routes[0].rules.hours.days (entry 2)",
            "\"satt\" is none of mon, tue",
        ],
        ["force_percent", "forced", "forced", "", "unknown field"],
    ] {
        mistaken(&store, SAMPLE, mistake).await;
    }
}

async fn plans_may_stand_in_the_file_before_those_that_they_fail_over_to(store: Store) {
    let plans = |c: &str| {
        format!("plans:\n  - {{ code: a, failover: b }}\n  - {{ code: b, failover: c }}\n  - {{ code: c{c} }}\n")
    };
    assert_eq!(told(&store, &plans("")).await, ["+ plan c", "+ plan b", "+ plan a"]);
    let Err(ApplyError::Mistakes(found)) = run(&store, &plans(", failover: a")).await else { panic!("a circle") };
    assert!(found[0].why.contains("go round in a circle: "), "{}", found[0]);
    let longer = format!("{}  - {{ code: z, failover: a }}\n", plans(""));
    let Err(ApplyError::Mistakes(found)) = run(&store, &longer).await else { panic!("four in a row") };
    assert_eq!((found[0].line, found[0].field.as_str()), (5, "plans[3].failover"));
    assert_eq!(found[0].why, "a chain of more than 3 plans: z → a → b → c");
    // What was referred to before has a name too, whether or not the file mentions it.
    let short = "plans:\n  - { code: a, failover: c }\n  - { code: c }\n";
    assert_eq!(told(&store, short).await, ["~ plan a: failover b → c"]);
}

#[test]
fn the_sample_mentions_every_field_of_the_rules() {
    let document: Value = serde_json::from_str(&web::openapi_text()).unwrap();
    for name in ["PlanRules", "RouteRules", "Area", "Window", "GroupMemberNew"] {
        for field in document["components"]["schemas"][name]["properties"].as_object().unwrap().keys() {
            assert!(SAMPLE.contains(&format!("{field}:")), "{name}.{field} is not in the sample");
        }
    }
}
