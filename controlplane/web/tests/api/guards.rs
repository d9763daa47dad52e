//! What one user may not do alone to a deck's prices.

use serde_json::{Value, json};

use crate::node::{Browser, Node};

const PASSWORD: &str = "a long enough password";

/// A deck with three rates, and a template that asks for a second user.
async fn a_guarded_deck(admin: &Browser<'_>) {
    admin.make("/api/v1/decks", json!({ "code": "buy" })).await;
    admin.fill("dck_1", "prefix,destination,rate\n44,UK,0.01\n4420,London,0.02\n1,USA,0.005\n").await;
    let terms = json!({ "increase_percent_max": 20, "closed_percent_max": 50 });
    admin.send("PUT", "/api/v1/decks/dck_1/template", terms).await.expect(200);
}

/// Another user of this role.
async fn another<'a>(node: &'a Node, admin: &Browser<'_>, name: &str, role: &str) -> Browser<'a> {
    admin.make("/api/v1/users", json!({ "name": name, "role": role, "password": PASSWORD })).await;
    node.log_in_as(name, PASSWORD).await
}

async fn seen(browser: &Browser<'_>, import: &str) -> Value {
    let shown = browser.get(&format!("/api/v1/imports/{import}")).await.expect(200);
    json!({ "seen": shown["review"]["seen"] })
}

async fn approve(browser: &Browser<'_>, import: &str) -> crate::node::Reply {
    let seen = seen(browser, import).await;
    browser.send("POST", &format!("/api/v1/imports/{import}/approve"), seen).await
}

async fn apply(browser: &Browser<'_>, import: &str) -> crate::node::Reply {
    browser.send("POST", &format!("/api/v1/imports/{import}/apply"), json!({})).await
}

#[tokio::test]
async fn a_rise_beyond_the_guard_waits_for_somebody_else() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    a_guarded_deck(&admin).await;
    let made = admin.upload("/api/v1/decks/dck_1/imports", "prefix,rate\n44,0.1\n").await.expect(201);
    let guards = json!(["1 prices rise by more than 20 %", "2 of 3 rates close, more than 50 %"]);
    assert_eq!(made["review"]["guards"], guards);
    // What the file's own terms say does not lift the deck's guard.
    admin.send("PUT", "/api/v1/imports/imp_2/terms", json!({})).await.expect(200);
    apply(&admin, "imp_2").await.problem(409, "conflict");
    approve(&admin, "imp_2").await.problem(422, "invalid");
    let (bruno, vera) =
        (another(&node, &admin, "bruno", "operator").await, another(&node, &admin, "vera", "viewer").await);
    approve(&vera, "imp_2").await.problem(403, "not_allowed");
    bruno.send("POST", "/api/v1/imports/imp_2/approve", json!({ "seen": "something" })).await.problem(412, "changed");
    assert_eq!(approve(&bruno, "imp_2").await.expect(200)["approved_by"], "user:bruno");
    // A key acts for the user who made it.
    let key = admin.make("/api/v1/api-keys", json!({ "name": "robot", "scopes": ["read", "rates:write"] })).await;
    let bearer = format!("Bearer {}", key["secret"].as_str().unwrap());
    let body = seen(&bruno, "imp_2").await.to_string();
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let refused = node.send("POST", "/api/v1/imports/imp_2/approve", &headers, body.as_bytes()).await;
    refused.problem(422, "invalid");
    assert_eq!(apply(&admin, "imp_2").await.expect(200)["state"], "applied");
    let audit = admin.get("/api/v1/audit").await.expect(200);
    let told: Vec<_> = audit["data"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    assert!(told.contains(&json!("approve")), "{told:?}");
}

#[tokio::test]
async fn an_approval_holds_for_what_was_seen_and_for_nothing_else() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    a_guarded_deck(&admin).await;
    let bruno = another(&node, &admin, "bruno", "operator").await;
    admin.upload("/api/v1/decks/dck_1/imports", "prefix,rate\n44,0.1\n").await.expect(201);
    approve(&bruno, "imp_2").await.expect(200);
    // The deck changes: the same file would do something else.
    let three = "prefix,rate\n44,0.01\n33,0.02\n49,0.03\n";
    admin.upload("/api/v1/decks/dck_1/imports", three).await.expect(201);
    approve(&bruno, "imp_3").await.expect(200);
    apply(&admin, "imp_3").await.expect(200);
    assert_eq!(admin.get("/api/v1/imports/imp_2").await.expect(200)["approved_by"], Value::Null);
    apply(&admin, "imp_2").await.problem(409, "conflict");
    // The reading changes: whoever changed it cannot approve it.
    approve(&bruno, "imp_2").await.expect(200);
    bruno.send("PUT", "/api/v1/imports/imp_2/terms", json!({ "unit": "second" })).await.expect(200);
    apply(&admin, "imp_2").await.problem(409, "conflict");
    approve(&bruno, "imp_2").await.problem(422, "invalid");
    approve(&admin, "imp_2").await.expect(200);
    apply(&bruno, "imp_2").await.expect(200);
}

#[tokio::test]
async fn nobody_lifts_a_guard_for_themselves() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    a_guarded_deck(&admin).await;
    let (anna, bruno) =
        (another(&node, &admin, "anna", "operator").await, another(&node, &admin, "bruno", "operator").await);
    for _ in 0..2 {
        anna.send("PUT", "/api/v1/decks/dck_1/template", json!({ "semantics": "partial" })).await.expect(200);
    }
    anna.upload("/api/v1/decks/dck_1/imports", "prefix,rate\n44,0.1\n").await.expect(201);
    apply(&anna, "imp_2").await.problem(409, "conflict");
    // Applied by somebody else, or with its template remembered, it is still hers.
    apply(&bruno, "imp_2").await.problem(409, "conflict");
    // For somebody else the template is as it stands.
    bruno.upload("/api/v1/decks/dck_1/imports", "prefix,rate\n44,0.1\n").await.expect(201);
    apply(&bruno, "imp_3").await.expect(200);
}

#[tokio::test]
async fn a_change_of_many_rates_and_of_one_rate_meet_the_same_guard() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    a_guarded_deck(&admin).await;
    let bruno = another(&node, &admin, "bruno", "operator").await;
    let path = "/api/v1/decks/dck_1/rates:change";
    // The price, the fee and the steps: each makes a call dearer. That calls are refused hides nothing.
    for ask in [
        json!({ "add_percent": "30" }),
        json!({ "connection_fee": "0.01" }),
        json!({ "minimum_s": 60, "increment_s": 60 }),
        json!({ "per_minute": "9", "blocked": true }),
    ] {
        let made = admin.make(path, ask.clone()).await;
        assert_eq!(made["review"]["guards"], json!(["3 prices rise by more than 20 %"]), "{ask}");
        apply(&admin, made["id"].as_str().unwrap()).await.problem(409, "conflict");
    }
    approve(&bruno, "imp_2").await.expect(200);
    apply(&admin, "imp_2").await.expect(200);
    // A code below one that is sold takes its calls away from the cheaper price.
    let made =
        admin.upload("/api/v1/decks/dck_1/imports", "prefix,rate\n1,0.0065\n44,0.013\n4420,0.026\n4478,0.5\n").await;
    assert_eq!(made.expect(201)["review"]["guards"], json!(["1 prices rise by more than 20 %"]));
    let rates = admin.get("/api/v1/decks/dck_1/rates?prefix=4420").await.expect(200);
    let rate = format!("/api/v1/decks/dck_1/rates/{}", rates["data"][1]["id"].as_str().unwrap());
    let tag = admin.get(&rate).await.header("etag").to_owned();
    admin.send_if("PATCH", &rate, Some(&tag), json!({ "per_minute": "0.04" })).await.problem(409, "conflict");
    admin.send_if("PATCH", &rate, Some(&tag), json!({ "per_minute": "0.03" })).await.expect(200);
}
