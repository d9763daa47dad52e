//! Plans, trunk groups and rules over HTTP, and what the simulator says of them.

use serde_json::{Value, json};

use crate::node::{Browser, Node, Reply};

const PLAN: &str = "/api/v1/plans/pln_1";
const SIMULATE: &str = "/api/v1/route:simulate";

async fn patch(admin: &Browser<'_>, change: Value) -> Reply {
    admin.send_if("PATCH", PLAN, Some("*"), change).await
}

#[tokio::test]
async fn a_route_leads_to_a_group_under_rules_and_the_plan_to_another() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    let members = json!([{ "egress_trunk": "etr_1", "nodes": [1] }, { "egress_trunk": "etr_2", "weight": 7 }]);
    let group = admin.make("/api/v1/trunk-groups", json!({ "code": "both", "members": members })).await;
    assert_eq!(group["members"][0]["egress_trunk"]["code"], "blux");
    assert_eq!((group["members"][0]["weight"].as_u64(), group["members"][1]["weight"].as_u64()), (Some(1), Some(7)));
    admin.make("/api/v1/plans", json!({ "code": "next" })).await;
    let rules = json!({ "called_match": "^44", "stop": true });
    let change = json!({
        "failover": "pln_2",
        "rules": { "near_percent": "2.5", "areas": [{ "name": "uk", "prefixes": ["44"] }] },
        "routes": [{ "trunk_group": "grp_1", "priority": 3, "rules": rules }],
    });
    let plan = patch(&admin, change).await.expect(200);
    assert_eq!(
        (plan["failover"]["code"].as_str(), plan["rules"]["near_percent"].as_str()),
        (Some("next"), Some("2.5"))
    );
    let route = &plan["routes"][0];
    assert_eq!((route["trunk_group"]["code"].as_str(), &route["egress_trunk"]), (Some("both"), &Value::Null));
    assert_eq!(route["rules"], rules, "what is at its default is left out");
    let stays = patch(&admin, json!({ "attempts_max": 2 })).await.expect(200);
    assert_eq!((&stays["failover"], &stays["rules"]), (&plan["failover"], &plan["rules"]), "absent fields stay");
    assert_eq!(patch(&admin, json!({ "failover": null })).await.expect(200)["failover"], Value::Null);
    admin.send_if("DELETE", "/api/v1/trunk-groups/grp_1", Some("*"), json!({})).await.problem(409, "conflict");
}

#[tokio::test]
async fn what_calls_could_not_use_is_refused_at_its_field() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    admin.make("/api/v1/plans", json!({ "code": "next", "failover": "pln_1" })).await;
    let route =
        |rules: Value| json!({ "routes": [{ "egress_trunk": "etr_2" }, { "egress_trunk": "etr_1", "rules": rules }] });
    for (change, pointer, detail) in [
        (json!({ "rules": { "near_price": "x" } }), "/rules/near_price", "rules.near_price: \"x\" is no decimal"),
        (
            json!({ "rules": { "areas": [{ "name": "a", "prefixes": ["4x"] }] } }),
            "/rules/areas/0/prefixes",
            "rules.areas.prefixes: entry 1",
        ),
        (route(json!({ "called_deny": "(" })), "/routes/1/rules/called_deny", "route 2: rules.called_deny: "),
        (route(json!({ "called_areas": ["x"] })), "/routes/1/rules/called_areas/0", "route 2: rules.called_areas: "),
        (route(json!({ "force_percent": 101 })), "/routes/1/rules/force_percent", "route 2: rules.force_percent: "),
        (json!({ "routes": [{ "priority": 1 }] }), "/routes/0", "give either egress_trunk or trunk_group"),
        (json!({ "failover": "pln_2" }), "/failover", "failover: the failover plans go round in a circle: world"),
        (json!({ "failover": "pln_9" }), "/failover", "failover: there is none with the id 9"),
    ] {
        let problem = patch(&admin, change).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert!(problem["detail"].as_str().unwrap().starts_with(detail), "{problem}");
    }
    let empty = json!({ "code": "none", "members": [] });
    let problem = admin.send("POST", "/api/v1/trunk-groups", empty).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/members");
}

#[tokio::test]
async fn the_simulator_says_which_number_decided() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    admin
        .make("/api/v1/plans", json!({ "code": "next", "margin_min": "-1", "routes": [{ "egress_trunk": "etr_2" }] }))
        .await;
    let rules = json!({ "near_price": "0.001", "margin_percent": "10" });
    patch(&admin, json!({ "rules": rules, "failover": "pln_2" })).await.expect(200);
    node.publish().await;
    let ask = json!({ "ingress_trunk": "acme-in", "called": "442071234567" });
    let told = admin.send("POST", SIMULATE, ask.clone()).await.expect(200);
    let [first, second, dropped] = told["candidates"].as_array().unwrap().as_slice() else { panic!("{told}") };
    let of = |candidate: &Value| {
        ["because", "limit"].map(|name| candidate[name].as_str().unwrap_or_default().to_owned()).join(" ")
    };
    assert_eq!((of(first), of(second), of(dropped)), ("band 0.0108".into(), " ".into(), "margin 0.00124".into()));
    assert_eq!((&first["plan"]["code"], &second["plan"]["code"]), (&json!("world"), &json!("next")));
    assert_eq!(first["reason"], "may be tried: in the band of prices up to 0.0108");
    assert_eq!(dropped["reason"], "rate margin lower than allowed: the margin of a minute would have to be 0.00124");
    let routes = json!([{ "egress_trunk": "etr_1", "percent": 80 }, { "egress_trunk": "etr_2", "rules": { "called_match": "^1" } }]);
    patch(&admin, json!({ "order": "percent", "failover": null, "routes": routes })).await.expect(200);
    node.publish().await;
    let told = admin.send("POST", SIMULATE, ask).await.expect(200);
    let [first, dropped] = told["candidates"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert_eq!((first["because"].as_str(), first["drawn_percent"].as_u64()), (Some("share"), Some(100)));
    assert_eq!((dropped["because"].as_str(), dropped["cause"].as_u64()), (Some("called_match"), Some(310)));
}
