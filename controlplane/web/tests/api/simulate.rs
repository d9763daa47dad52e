use std::sync::atomic::Ordering;

use panel::wire::{PartRow, RoomRow};
use serde_json::json;

use crate::node::Node;

const PATH: &str = "/api/v1/route:simulate";

#[tokio::test]
async fn every_candidate_is_told_with_its_reason() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    let ask = json!({ "ingress_trunk": "acme-in", "called": "442071234567", "talk_ms": 61_200 });
    admin.send("POST", PATH, ask.clone()).await.problem(503, "no_snapshot");
    let revision = node.publish().await;
    let told = admin.send("POST", PATH, ask).await.expect(200);
    assert_eq!(told["revision"], revision);
    assert_eq!((told["source"].as_str(), told["called"].as_str()), (Some("127.0.1.1:5060"), Some("99442071234567")));
    assert_eq!(told["admission"]["called_routed"], "442071234567");
    assert_eq!(told["refusal"], json!(null));
    let [kept, dropped] = told["candidates"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert_eq!((kept["verdict"].as_str(), kept["place"].as_u64()), (Some("kept"), Some(1)));
    assert_eq!(kept["terminator"], json!({ "id": "car_2", "code": "blux" }));
    assert_eq!(kept["called_out"], "00442071234567");
    assert_eq!((kept["margin_per_minute"].as_str(), kept["margin_percent"].as_f64()), (Some("0.0026"), Some(20.97)));
    assert_eq!((dropped["verdict"].as_str(), dropped["cause"].as_u64()), (Some("dropped"), Some(324)));
    assert_eq!(dropped["reason"], "rate margin lower than allowed: the margin of a minute would have to be 0.00");
    // 62 s × 0.0124 / 60 s = 0.0128133…, half-even to six decimals.
    assert_eq!((told["sell"]["price"].as_str(), told["sell"]["billed_s"].as_u64()), (Some("0.012813"), Some(62)));
    assert_eq!(told["sell"]["agrees"], true);
    let steps: Vec<_> = told["sell"]["steps"].as_array().unwrap().iter().map(|step| step.as_str().unwrap()).collect();
    assert_eq!(
        steps,
        [
            "61200 ms talked = 62 s, rounded up",
            "steps of 1 s after 1 s: 62 s billed",
            "62 s × 0.0124 / 60 s = 0.012813333333…",
            "rounded half-even to 6 decimals: 0.012813 USD",
        ]
    );
}

#[tokio::test]
async fn a_refusal_says_at_which_step_and_why() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    node.publish().await;
    let cases = [
        (json!({ "source": "192.0.2.1:5060", "called": "994420" }), "admit", 301),
        (json!({ "source": "127.0.1.1:5060", "called": "4420" }), "admit", 332),
        (json!({ "source": "10.1.1.1:5060", "called": "994420" }), "admit", 333),
        (json!({ "ingress_trunk": "itr_1", "called": "33123" }), "rate", 307),
    ];
    for (ask, step, cause) in cases {
        let told = admin.send("POST", PATH, ask.clone()).await.expect(200);
        let refusal = &told["refusal"];
        assert_eq!((refusal["step"].as_str(), refusal["cause"].as_u64()), (Some(step), Some(cause)), "{ask}");
    }
    admin.send_if("PATCH", "/api/v1/egress-trunks/etr_1", Some("*"), json!({ "active": false })).await.expect(200);
    node.publish().await;
    let told = admin.send("POST", PATH, json!({ "ingress_trunk": "itr_1", "called": "+44-20.1" })).await.expect(200);
    assert_eq!(told["called"], "99+44201", "hyphens and points count no more than in an INVITE");
    let told = admin.send("POST", PATH, json!({ "ingress_trunk": "itr_1", "called": "44201" })).await.expect(200);
    assert_eq!((told["refusal"]["step"].as_str(), told["refusal"]["cause"].as_u64()), (Some("routes"), Some(324)));
    assert_eq!(told["candidates"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_minute_that_costs_too_much_is_told_with_its_ceiling() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    // A minute is sold at 0.0124 and bought at 0.0098 and more.
    let set = async |carrier: &str, trunk: &str| {
        let prices = |most: &str| json!({ "policy": { "prices": { "sell_per_minute_max": most } } });
        admin.send_if("PATCH", "/api/v1/carriers/car_1", Some("*"), prices(carrier)).await.expect(200);
        admin.send_if("PATCH", "/api/v1/ingress-trunks/itr_1", Some("*"), prices(trunk)).await.expect(200);
        node.publish().await;
        admin.send("POST", PATH, json!({ "ingress_trunk": "itr_1", "called": "442071" })).await.expect(200)
    };
    let told = set("0.0123", "").await;
    assert_eq!((told["refusal"]["step"].as_str(), told["refusal"]["cause"].as_u64()), (Some("routes"), Some(340)));
    assert_eq!(told["sell"]["per_minute"], "0.0124", "what it would have cost is told");
    let reason = "a minute costs more than the originator allows: a minute may cost the originator 0.0123 at most";
    assert_eq!(
        (told["candidates"][0]["cause"].as_u64(), told["candidates"][0]["reason"].as_str()),
        (Some(340), Some(reason))
    );
    let told = set("0.0123", "0.0124").await;
    assert_eq!(told["refusal"], json!(null), "the trunk's own word holds");
    let wrong = json!({ "policy": { "prices": { "buy_per_minute_max": "-1" } } });
    let refused = admin.send_if("PATCH", "/api/v1/ingress-trunks/itr_1", Some("*"), wrong).await;
    let problem = refused.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/policy/prices/buy_per_minute_max", "{problem}");
}

#[tokio::test]
async fn a_question_without_a_caller_is_refused() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    node.publish().await;
    for ask in [
        json!({ "called": "4420" }),
        json!({ "called": "4420", "source": "here" }),
        json!({ "called": "4420", "ingress_trunk": "nobody" }),
        json!({ "called": "44 20\r\n", "ingress_trunk": "acme-in" }),
    ] {
        admin.send("POST", PATH, ask).await.problem(422, "invalid");
    }
}

#[tokio::test]
async fn a_damaged_snapshot_is_not_used() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    let revision = node.publish().await;
    let file = node.folder.path().join(format!("snapshots/{revision}.snap"));
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let ask = json!({ "ingress_trunk": "acme-in", "called": "4420" });
    admin.send("POST", PATH, ask).await.problem(500, "internal");
}

#[tokio::test]
async fn what_policies_make_of_the_numbers_is_told_stage_by_stage() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    let put = async |path: &str, policy: serde_json::Value| {
        admin.send_if("PATCH", path, Some("*"), json!({ "policy": policy })).await.expect(200);
    };
    let rule = |field: &str, pattern: &str, replacement: &str| json!({ "field": field, "pattern": pattern, "replacement": replacement });
    put(
        "/api/v1/ingress-trunks/itr_1",
        json!({ "rewrite": [rule("called", "^0", "44"), rule("calling", "^0", "49")] }),
    )
    .await;
    put(
        "/api/v1/plans/pln_1",
        json!({ "rewrite": [rule("calling", "^49", "+49")], "numbers": { "calling_deny": [{ "value": "4966" }] } }),
    )
    .await;
    put(
        "/api/v1/egress-trunks/etr_1",
        json!({ "rewrite": [rule("called", "^0044", "0044#"), rule("calling", r"^\+", "00"), rule("request_uri", "^0044#", "+44")] }),
    )
    .await;
    put("/api/v1/egress-trunks/etr_2", json!({ "numbers": { "called_deny": [{ "value": "44207" }] } })).await;
    admin.send_if("PATCH", "/api/v1/plans/pln_1", Some("*"), json!({ "margin_min": "-1" })).await.expect(200);
    node.publish().await;
    let ask = |calling: &str| json!({ "ingress_trunk": "acme-in", "calling": calling, "called": "02071234567" });
    let told = admin.send("POST", PATH, ask("0305")).await.expect(200);
    let stage = |stage: &str, calling: &str, called: &str| json!({ "stage": stage, "calling": calling, "called": called, "cause": null, "reason": null });
    assert_eq!(
        told["stages"],
        json!([
            stage("arrival", "0305", "02071234567"),
            stage("originator", "49305", "442071234567"),
            stage("plan", "+49305", "442071234567"),
        ])
    );
    assert_eq!(told["admission"]["called_routed"], "442071234567");
    let [kept, dropped] = told["candidates"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert_eq!((&kept["calling_out"], &kept["called_out"]), (&json!("0049305"), &json!("+442071234567")));
    assert_eq!((&dropped["cause"], &dropped["called_out"]), (&json!(325), &json!(null)));

    let told = admin.send("POST", PATH, ask("0665")).await.expect(200);
    assert_eq!((&told["refusal"]["step"], &told["refusal"]["cause"]), (&json!("admit"), &json!(334)));
    let last = told["stages"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["stage"], &last["calling"], &last["cause"]), (&json!("plan"), &json!("49665"), &json!(334)));
    let told = admin.send("POST", PATH, json!({ "source": "192.0.2.1:5060", "called": "994420" })).await.expect(200);
    assert_eq!(told["stages"], json!([]), "nobody's rules were asked");
}

#[tokio::test]
async fn every_row_of_a_file_is_answered_in_its_place() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    let first = node.publish().await;
    const BATCH: &str = "/api/v1/route:simulate-batch";
    let file = "called;ingress_trunk;source;at;talk_ms\n\
        442071234567;acme-in;;;61200\n\
        99442071234567;;127.0.1.1:5060;2099-06-01T00:00:00Z;\n\
        33123;itr_1;;;\n\
        4420;nobody;;;\n\
        4420;acme-in;;tomorrow;\n\
        4420;acme-in;;;\n";
    let reply = admin.upload(&format!("{BATCH}?format=ndjson"), file).await;
    assert_eq!(reply.header("content-type"), "application/x-ndjson");
    let rows: Vec<serde_json::Value> = reply.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> =
        rows.iter().map(|row| (row["row"].as_u64().unwrap(), row["outcome"].as_str().unwrap())).collect();
    let wanted = [(2, "routed"), (3, "routed"), (4, "refused"), (5, "wrong"), (6, "wrong"), (7, "routed")];
    assert_eq!(told, wanted);
    assert_eq!((rows[0]["sell_price"].as_str(), rows[0]["terminator"].as_str()), (Some("0.012813"), Some("blux")));
    assert_eq!((rows[1]["at"].as_str(), rows[2]["cause"].as_u64()), (Some("2099-06-01T00:00:00.000000Z"), Some(307)));
    assert!(rows[3]["reason"].as_str().unwrap().contains("nobody"), "{}", rows[3]);
    assert!(rows[4]["reason"].as_str().unwrap().starts_with("at: \"tomorrow\""), "{}", rows[4]);
    let csv = admin.upload(BATCH, file).await.text();
    assert_eq!((csv.lines().count(), csv.lines().next().unwrap().starts_with("row,called,calling,outcome")), (7, true));
    // What stood before is asked by its revision.
    admin.send_if("PATCH", "/api/v1/egress-trunks/etr_1", Some("*"), json!({ "active": false })).await.expect(200);
    node.publish().await;
    let refused = admin.upload(BATCH, "called,ingress_trunk\n442071234567,acme-in\n").await.text();
    assert!(refused.contains("refused,324"), "{refused}");
    let path = format!("{BATCH}?revision={first}");
    assert!(admin.upload(&path, "called,ingress_trunk\n442071234567,acme-in\n").await.text().contains("routed"));
    for (path, file) in [
        (BATCH, "ingress_trunk\n1\n"),
        (BATCH, "called,colour\n1,red\n"),
        (&format!("{BATCH}?revision=99"), "called\n1\n"),
    ] {
        admin.upload(path, file).await.problem(422, "invalid");
    }
}

#[tokio::test]
async fn limits_and_money_of_this_moment_are_told_beside_the_decision() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    for (path, capacity) in [("ingress-trunks/itr_1", 2), ("egress-trunks/etr_1", 5)] {
        let path = format!("/api/v1/{path}");
        admin.send_if("PATCH", &path, Some("*"), json!({ "capacity": capacity, "cps": 0 })).await.expect(200);
    }
    node.publish().await;
    let room = |of: &str, calls| RoomRow { of: of.into(), id: 1, calls, ..RoomRow::default() };
    *node.link.rooms.lock().unwrap() = vec![room("ingress_trunk", 2), room("egress_trunk", 5)];
    let ask = json!({ "ingress_trunk": "acme-in", "called": "442071234567" });
    let told = admin.send("POST", PATH, ask.clone()).await.expect(200);
    let full = |cause: u16, reason: &str| json!({ "cause": cause, "certain": true, "reason": reason });
    let money =
        "originator minimum balance: a call needs 0.001033 to begin, 0.00 may still be lent, and nodes hold 0.00";
    assert_eq!(told["hurdles"], json!([full(303, "the ingress trunk has 2 of 2 calls"), full(306, money)]));
    assert_eq!(told["candidates"][0]["hurdles"], json!([full(327, "the egress trunk has 5 of 5 calls")]));
    assert_eq!((&told["candidates"][1]["hurdles"], &told["limits_unknown"]), (&json!([]), &json!(null)));
    assert_eq!(told["candidates"][0]["place"], 1, "the decision itself does not depend on it");

    let pay = async |amount: &str| {
        let paid = json!({ "amount": amount, "note": "" });
        admin.send("POST", "/api/v1/accounts/acc_1/payments", paid).await.expect(200);
    };
    pay("0.0005").await;
    let told = admin.send("POST", PATH, ask.clone()).await.expect(200);
    let money =
        "balance too low for a call: a call needs 0.001033 to begin, 0.0005 may still be lent, and nodes hold 0.00";
    assert_eq!(told["hurdles"][1], full(320, money));
    pay("5").await;
    let owed = json!({ "owed_limit": "0.0001" });
    admin.send_if("PATCH", "/api/v1/accounts/acc_2", Some("*"), owed).await.expect(200);
    *node.link.rooms.lock().unwrap() = vec![room("ingress_trunk", 1)];
    let told = admin.send("POST", PATH, ask.clone()).await.expect(200);
    assert_eq!(told["hurdles"], json!([]));
    let hurdle = &told["candidates"][0]["hurdles"][0];
    assert_eq!((&hurdle["cause"], &hurdle["certain"]), (&json!(323), &json!(true)), "{told}");

    node.link.down.store(true, Ordering::SeqCst);
    let told = admin.send("POST", PATH, ask).await.expect(200);
    assert_eq!(told["limits_unknown"], "capacity and CPS: the data plane does not answer");
    let another = json!({ "ingress_trunk": "acme-in", "called": "442071234567", "at": "2099-06-01T00:00:00Z" });
    let told = admin.send("POST", PATH, another).await.expect(200);
    assert_eq!(told["limits_unknown"], "limits and money: asked about another moment");
}

#[tokio::test]
async fn a_file_of_calls_is_told_what_stands_against_each_at_this_moment() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    let paid = json!({ "amount": "5", "note": "" });
    admin.send("POST", "/api/v1/accounts/acc_1/payments", paid).await.expect(200);
    admin.send_if("PATCH", "/api/v1/ingress-trunks/itr_1", Some("*"), json!({ "capacity": 2 })).await.expect(200);
    node.publish().await;
    let room = |calls| RoomRow { of: "ingress_trunk".into(), id: 1, calls, ..RoomRow::default() };
    let file = "called,ingress_trunk,at\n442071234567,acme-in,\n442071234567,acme-in,2099-06-01T00:00:00Z\n";
    let ask = async |query: &str| {
        let text = admin.upload(&format!("/api/v1/route:simulate-batch?format=ndjson{query}"), file).await.text();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<serde_json::Value>>()
    };
    *node.link.rooms.lock().unwrap() = vec![room(1)];
    let rows = ask("").await;
    assert_eq!((&rows[0]["now"], &rows[0]["routes_now"]), (&json!(null), &rows[0]["routes"]));
    assert_eq!(rows[1]["limits_unknown"], "limits and money: asked about another moment");
    *node.link.rooms.lock().unwrap() = vec![room(2)];
    let rows = ask("").await;
    assert_eq!((&rows[0]["outcome"], &rows[0]["now_cause"]), (&json!("routed"), &json!(303)));
    assert_eq!(rows[0]["now"], "303 the ingress trunk has 2 of 2 calls");
    assert_eq!(ask("&live=false").await[0]["limits_unknown"], "limits and money: not asked");
    // Nodes share the limit, and this one has used up its part of it.
    let parts = [1, 2].map(|node| PartRow { node, calls: 1, recent: 0 });
    *node.link.rooms.lock().unwrap() = vec![RoomRow { parts: parts.to_vec(), ..room(1) }];
    let rows = ask("").await;
    let perhaps =
        "perhaps 303 the ingress trunk has 1 of 2 calls, and this node has 1 to itself: others may leave it more";
    assert_eq!((&rows[0]["now"], &rows[0]["now_cause"]), (&json!(perhaps), &json!(null)));
    node.link.down.store(true, Ordering::SeqCst);
    let rows = ask("").await;
    assert_eq!(rows[0]["limits_unknown"], "capacity and CPS: the data plane does not answer");
    assert_eq!((&rows[0]["routes_now"], &rows[0]["now_cause"]), (&json!(null), &json!(null)));
}
