use serde_json::{Value, json};

use crate::node::Node;

#[tokio::test]
async fn a_number_with_nothing_behind_its_point_is_a_whole_one() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let limits = |capacity: Value| json!({ "capacity": capacity, "cps": 7, "cps_window_s": 1 });
    let send = async |capacity| admin.send("PUT", "/api/v1/limits/switch", limits(capacity)).await;
    assert_eq!(send(json!(46.0)).await.expect(200)["capacity"], 46);
    for wrong in [json!(46.5), json!(-1.0), json!(4_294_967_296.0), json!(1e300), json!("46")] {
        let flaw = send(wrong).await.problem(422, "invalid");
        assert_eq!(flaw["errors"][0]["pointer"], "/capacity");
    }
    admin.make("/api/v1/carriers", json!({ "code": "acme" })).await;
    let body = b"{\"code\":\"p\",\"attempts_max\":3.0,\"routes\":[]}";
    let headers =
        [("cookie", admin.cookie.as_str()), ("x-csrf-token", &admin.csrf), ("content-type", "application/json")];
    let made = node.send("POST", "/api/v1/plans", &headers, body).await.expect(201);
    assert_eq!(made["attempts_max"], 3, "beside a list too");
}

#[tokio::test]
async fn balances_come_in_parts() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    let first = admin.get("/api/v1/balances?limit=2").await.expect(200);
    let next = format!("/api/v1/balances?limit=2&cursor={}", first["next_cursor"].as_str().unwrap());
    let last = admin.get(&next).await.expect(200);
    let codes = |told: &Value| {
        let rows = told["data"].as_array().unwrap().iter();
        rows.map(|row| row["account"]["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((codes(&first), codes(&last)), (vec!["acme".into(), "blux".into()], vec!["oria".to_owned()]));
    assert!(last["next_cursor"].is_null());
    admin.get("/api/v1/balances?limit=0").await.problem(422, "invalid");
}

#[tokio::test]
async fn a_change_needs_the_etag_that_was_read() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.make("/api/v1/carriers", json!({ "code": "acme", "name": "Acme <script>" })).await;
    let read = admin.get("/api/v1/carriers/car_1").await;
    assert_eq!(read.expect(200)["name"], "Acme <script>");
    let tag = read.header("etag").to_owned();
    let path = "/api/v1/carriers/car_1";
    admin.send("PATCH", path, json!({ "name": "A" })).await.problem(428, "if_match_missing");
    let changed = admin.send_if("PATCH", path, Some(&tag), json!({ "name": "A" })).await;
    assert_eq!(changed.expect(200)["name"], "A");
    let recorded = json!({ "policy": { "recording": { "percent": 5 } } });
    let changed = admin.send_if("PATCH", path, Some(changed.header("etag")), recorded).await;
    assert_eq!(changed.expect(200)["policy"], json!({ "recording": { "percent": 5 } }));
    assert_ne!(changed.header("etag"), tag);
    admin.send_if("PATCH", path, Some(&tag), json!({ "name": "B" })).await.problem(412, "changed");
    admin.send_if("DELETE", path, Some(&tag), json!(null)).await.problem(412, "changed");
    admin.send_if("DELETE", path, Some(changed.header("etag")), json!(null)).await.expect(204);
    admin.get(path).await.problem(404, "not_found");
}

// RFC 7396: null takes a field away.
#[tokio::test]
async fn null_is_taken_where_it_means_something_and_refused_elsewhere_as_the_document_says() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    let document = admin.get("/api/openapi.json").await.expect(200);
    let schemas = &document["components"]["schemas"];
    let rate = admin.get("/api/v1/decks/dck_1/rates").await.expect(200)["data"][0]["id"].as_str().unwrap().to_owned();
    let mut refused = 0;
    for (schema, path) in [
        ("CarrierPatch", "/api/v1/carriers/car_1".to_owned()),
        ("AccountPatch", "/api/v1/accounts/acc_1".to_owned()),
        ("IngressTrunkPatch", "/api/v1/ingress-trunks/itr_1".to_owned()),
        ("EgressTrunkPatch", "/api/v1/egress-trunks/etr_1".to_owned()),
        ("PlanPatch", "/api/v1/plans/pln_1".to_owned()),
        ("DeckPatch", "/api/v1/decks/dck_1".to_owned()),
        ("RatePatch", format!("/api/v1/decks/dck_1/rates/{rate}")),
    ] {
        for (name, field) in schemas[schema]["properties"].as_object().unwrap() {
            let told = admin.send_if("PATCH", &path, Some("*"), json!({ (name.as_str()): null })).await;
            if field.to_string().contains("\"null\"") {
                told.expect(200);
            } else {
                assert_eq!(told.problem(422, "invalid")["errors"][0]["pointer"], format!("/{name}"));
                refused += 1;
            }
        }
    }
    assert!(refused > 50, "{refused}");
}

// RFC 9110 §13.1.1.
#[tokio::test]
async fn a_change_may_name_several_etags_or_any() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let path = "/api/v1/carriers/car_1";
    admin.make("/api/v1/carriers", json!({ "code": "acme" })).await;
    let mut tag = admin.get(path).await.header("etag").to_owned();
    for form in ["\"x\", TAG", " , \"a,b\" ,W/TAG,", "*"] {
        let given = form.replace("TAG", &tag);
        let changed = admin.send_if("PATCH", path, Some(&given), json!({ "name": form })).await;
        changed.expect(200);
        tag = changed.header("etag").to_owned();
    }
    let bare = tag.trim_matches('"');
    for form in [format!("\"0\",\"x,{bare},y\""), "\"\"".to_owned(), "\"x\", *".to_owned()] {
        admin.send_if("PATCH", path, Some(&form), json!({ "name": "lost" })).await.problem(412, "changed");
    }
    admin.send_if("DELETE", path, Some(" , "), json!(null)).await.problem(428, "if_match_missing");
    admin.send_if("DELETE", path, Some(&format!("\"x\",{tag}")), json!(null)).await.expect(204);
    admin.send_if("DELETE", path, Some("*"), json!(null)).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_flaw_points_at_the_field() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let cases = [
        ("/api/v1/carriers", json!({ "code": "no spaces please" }), "/code"),
        ("/api/v1/decks", json!({ "code": ".." }), "/code"),
        ("/api/v1/decks", json!({ "code": ".hidden" }), "/code"),
        ("/api/v1/carriers", json!({ "code": "acme", "blocked": "yes" }), "/blocked"),
        ("/api/v1/carriers", json!({ "code": "acme", "colour": "red" }), "/colour"),
        ("/api/v1/carriers", json!({ "code": "acme", "policy": { "tags": ["a"] } }), "/policy/tags"),
        ("/api/v1/accounts", json!({ "code": "a", "carrier": "car_9", "kind": "prepaid" }), "/carrier"),
        ("/api/v1/accounts", json!({ "code": "a", "carrier": "acc_9", "kind": "prepaid" }), "/carrier"),
        ("/api/v1/decks", json!({ "code": "d", "currency": "dollars" }), "/currency"),
        ("/api/v1/decks", json!({ "code": "d", "tax_percent": "101" }), "/tax_percent"),
        ("/api/v1/decks", json!({ "code": "d", "tax_percent": "-1" }), "/tax_percent"),
        (
            "/api/v1/plans",
            json!({ "code": "p", "routes": [{ "egress_trunk": "etr_1", "percent": 300 }] }),
            "/routes/0/percent",
        ),
        ("/api/v1/plans", json!({ "code": "p", "margin_min": 0.5 }), "/margin_min"),
    ];
    for (path, body, pointer) in cases {
        let problem = admin.send("POST", path, body.clone()).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
    }
    admin
        .node
        .send(
            "POST",
            "/api/v1/carriers",
            &[("cookie", &admin.cookie), ("x-csrf-token", &admin.csrf), ("content-type", "application/json")],
            b"{",
        )
        .await
        .problem(400, "malformed");
}

#[tokio::test]
async fn a_code_is_unique_and_what_is_in_use_stays() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    admin.send("POST", "/api/v1/carriers", json!({ "code": "acme" })).await.problem(409, "conflict");
    admin.send_if("DELETE", "/api/v1/decks/dck_1", Some("*"), json!(null)).await.problem(409, "conflict");
}

#[tokio::test]
async fn a_list_goes_on_by_cursor() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    for n in 1..=5 {
        admin.make("/api/v1/carriers", json!({ "code": format!("c{n}") })).await;
    }
    let (mut seen, mut path) = (Vec::new(), "/api/v1/carriers?limit=2".to_owned());
    loop {
        let part = admin.get(&path).await.expect(200);
        assert!(part["as_of"].as_str().unwrap().ends_with('Z'));
        seen.extend(part["data"].as_array().unwrap().iter().map(|row| row["code"].as_str().unwrap().to_owned()));
        match part["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/carriers?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, ["c1", "c2", "c3", "c4", "c5"]);
    for query in ["limit=0", "limit=1001", "cursor=zz", "cursor=00", "colour=red"] {
        admin.get(&format!("/api/v1/carriers?{query}")).await.problem(422, "invalid");
    }
}

#[tokio::test]
async fn a_trunk_comes_back_as_it_was_written() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    let trunk = admin.get("/api/v1/ingress-trunks/itr_1").await.expect(200);
    assert_eq!(trunk["carrier"], json!({ "id": "car_1", "code": "acme" }));
    assert_eq!(trunk["plan"], json!({ "id": "pln_1", "code": "world" }));
    let sources = json!([{ "network": "127.0.1.1", "port": null }, { "network": "10.0.0.0/8", "port": 5070 }]);
    assert_eq!(trunk["sources"], sources);
    let patch = json!({ "sources": [{ "network": "10.0.0.0/33" }] });
    let flaw = admin.send_if("PATCH", "/api/v1/ingress-trunks/itr_1", Some("*"), patch).await.problem(422, "invalid");
    assert_eq!(flaw["errors"][0]["pointer"], "/sources/0/network");
    let plan = admin.get("/api/v1/plans/pln_1").await.expect(200);
    assert_eq!(plan["routes"][1]["egress_trunk"], json!({ "id": "etr_2", "code": "oria" }));
}

#[tokio::test]
async fn a_second_trunk_that_would_never_get_a_call_is_refused() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    let first = admin.get("/api/v1/ingress-trunks/itr_1").await.expect(200);
    let second = |change: Value| {
        let mut trunk = json!({ "code": "second", "carrier": first["carrier"]["id"], "account": first["account"]["id"],
            "plan": first["plan"]["id"], "sell_deck": first["sell_deck"]["id"], "tech_prefix": first["tech_prefix"],
            "sources": [{ "network": "192.0.2.9" }, { "network": "127.0.1.1" }] });
        for (name, value) in change.as_object().unwrap() {
            trunk[name] = value.clone();
        }
        trunk
    };
    let path = "/api/v1/ingress-trunks";
    let flaw = admin.send("POST", path, second(json!({}))).await.problem(422, "invalid");
    assert_eq!(flaw["errors"][0]["pointer"], "/sources/1/network");
    let written_otherwise = json!({ "sources": [{ "network": "10.20.30.40/8", "port": 5070 }] });
    let flaw = admin.send("POST", path, second(written_otherwise)).await.problem(422, "invalid");
    assert_eq!(flaw["errors"][0]["pointer"], "/sources/0/network");
    let apart = json!({ "sources": [{ "network": "127.0.1.1", "port": 5080 }] });
    for (place, change) in [apart, json!({ "tech_prefix": "98" }), json!({ "active": false })].into_iter().enumerate() {
        let mut trunk = second(change);
        trunk["code"] = json!(format!("apart-{place}"));
        admin.make(path, trunk).await;
    }
    let last = format!("{path}/itr_4");
    let taken =
        json!([{ "source": { "network": "127.0.1.1", "port": null }, "by": { "id": "itr_1", "code": first["code"] } }]);
    assert_eq!(admin.get(&last).await.expect(200)["taken"], taken);
    let all = admin.get(path).await.expect(200);
    assert_eq!((&all["data"][0]["taken"], &all["data"][1]["taken"]), (&json!([]), &json!([])));
    admin.send_if("PATCH", &last, Some("*"), json!({ "active": true })).await.problem(422, "invalid");
    admin.send_if("PATCH", &last, Some("*"), json!({ "capacity": 7 })).await.expect(200);
    let moved = json!({ "active": true, "sources": [{ "network": "192.0.2.9" }] });
    admin.send_if("PATCH", &last, Some("*"), moved).await.expect(200);
}

#[tokio::test]
async fn a_payment_is_booked_once_and_moves_the_balance() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    let payment = json!({ "amount": "100.50", "note": "wire", "reference": "inv-1" });
    let first = admin.send("POST", "/api/v1/accounts/acc_1/payments", payment.clone()).await.expect(200);
    assert_eq!((first["booked"].as_bool(), first["account"]["balance"].as_str()), (Some(true), Some("100.50")));
    let again = admin.send("POST", "/api/v1/accounts/acc_1/payments", payment).await.expect(200);
    assert_eq!((again["booked"].as_bool(), again["account"]["available"].as_str()), (Some(false), Some("100.50")));
    let nothing = json!({ "amount": "0" });
    admin.send("POST", "/api/v1/accounts/acc_1/payments", nothing).await.problem(422, "invalid");
    let entries = admin.get("/api/v1/accounts/acc_1/entries").await.expect(200);
    let payments: Vec<_> = entries["data"].as_array().unwrap().iter().filter(|e| e["kind"] == "payment").collect();
    assert_eq!(payments.len(), 1);
    assert_eq!(payments[0]["amount"], "100.50");
}

#[tokio::test]
async fn each_change_asks_for_publication() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.make("/api/v1/carriers", json!({ "code": "acme" })).await;
    let wait = std::time::Duration::from_secs(120);
    tokio::time::timeout(wait, node.publish.notified()).await.expect("the publisher was told");
}

#[tokio::test]
async fn a_body_that_is_no_object_changes_nothing() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.make("/api/v1/carriers", json!({ "code": "acme" })).await;
    let limits = json!({ "capacity": 100, "cps": 10, "cps_window_s": 5 });
    admin.send("PUT", "/api/v1/limits/switch", limits.clone()).await.expect(200);
    for body in [json!([]), json!([null]), json!([7, 7, 7]), json!("x"), json!(1), json!(true)] {
        for (method, path) in [
            ("PUT", "/api/v1/limits/switch"),
            ("PUT", "/api/v1/retention"),
            ("POST", "/api/v1/carriers"),
            ("PATCH", "/api/v1/carriers/car_1"),
        ] {
            let told = admin.send_if(method, path, Some("*"), body.clone()).await.problem(422, "invalid");
            assert_eq!(told["detail"], "the body must be a JSON object in UTF-8", "{method} {path} {body}");
        }
    }
    assert_eq!(admin.get("/api/v1/limits/switch").await.expect(200), limits);
    for (path, body, pointer) in [
        ("/api/v1/carriers", json!({ "code": "a", "policy": [] }), "/policy"),
        ("/api/v1/plans", json!({ "code": "a", "routes": [], "rules": [] }), "/rules"),
        ("/api/v1/plans", json!({ "code": "a", "routes": [["etr_1"]] }), "/routes/0"),
        (
            "/api/v1/plans",
            json!({ "code": "a", "routes": [{ "egress_trunk": "etr_1", "rules": [false] }] }),
            "/routes/0/rules",
        ),
    ] {
        let told = admin.send("POST", path, body).await.problem(422, "invalid");
        assert_eq!(told["errors"][0]["pointer"], pointer, "{told}");
    }
    let told = admin.get("/api/v1/carriers?limit=many").await.problem(422, "invalid");
    assert_eq!(
        (told["detail"].as_str(), told["errors"][0]["pointer"].as_str()),
        (Some("limit: a whole number is wanted"), Some("?limit"))
    );
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_problems_too() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.get("/api/v1/colours").await.problem(404, "not_found");
    admin.get("/api/colours").await.problem(404, "not_found");
    admin.get("/api/v1/carriers/12").await.problem(404, "not_found");
    admin.send("PUT", "/api/v1/carriers", json!({})).await.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn a_file_is_applied_or_its_mistakes_are_named() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let late = admin.send("POST", "/api/v1/apply", json!({ "yaml": "too late" })).await;
    assert_eq!(late.header("retry-after"), "10");
    let why = late.problem(503, "database_away")["detail"].to_string();
    for part in [
        "takes no changes since 2023-11-14T22:14:20",
        "nothing was changed",
        "3 call records of this node wait for it, the oldest of 2023-11-14T22:13:20",
    ] {
        assert!(why.contains(part), "{part} in {why}");
    }
    let done = admin.send("POST", "/api/v1/apply", json!({ "yaml": "good", "dry_run": true })).await.expect(200);
    assert_eq!((done["applied"].as_bool(), done["changes"][0]["code"].as_str()), (Some(false), Some("acme")));
    let bad = json!({ "name": "switch.yaml", "yaml": "bad" });
    let problem = admin.send("POST", "/api/v1/apply", bad).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "switch.yaml:2:9 carriers[0].code");
}

#[tokio::test]
async fn exchange_rates_are_written_listed_and_removed() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let path = "/api/v1/exchange-rates";
    admin.send("PUT", "/api/v1/base-currency", json!({ "currency": "EUR" })).await.expect(200);
    let rate = json!({ "currency": "USD", "value": "0.92", "effective_from": "2026-01-01T00:00:00Z" });
    let made = admin.send("PUT", path, rate).await.expect(200);
    assert_eq!((made["id"].as_str(), made["value"].as_str()), (Some("exr_USD_1767225600000000"), Some("0.92")));
    let all = admin.get(path).await.expect(200);
    assert_eq!((all["base_currency"].as_str(), all["data"].as_array().map(Vec::len)), (Some("EUR"), Some(1)));
    let zero = admin.send("PUT", path, json!({ "currency": "USD", "value": "0" })).await.problem(422, "invalid");
    assert_eq!(zero["errors"][0]["pointer"], "/value");
    admin.send("PUT", path, json!({ "currency": "EUR", "value": "1" })).await.problem(422, "invalid");
    admin.send("PUT", "/api/v1/base-currency", json!({ "currency": "USD" })).await.problem(409, "conflict");
    let one = format!("{path}/exr_USD_1767225600000000");
    admin.send("DELETE", &one, json!(null)).await.expect(204);
    admin.send("DELETE", &one, json!(null)).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_post_with_a_key_is_done_once_and_answered_alike() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let send = async |path: &str, key: &str, body: Value| {
        let headers = [
            ("cookie", admin.cookie.as_str()),
            ("x-csrf-token", &admin.csrf),
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        node.send("POST", path, &headers, body.to_string().as_bytes()).await
    };
    let first = send("/api/v1/carriers", "one", json!({ "code": "acme" })).await;
    let again = send("/api/v1/carriers", "one", json!({ "code": "acme" })).await;
    assert_eq!(first.expect(201), again.expect(201));
    assert_eq!(first.header("etag"), again.header("etag"));
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    assert_ne!(first.header("x-request-id"), again.header("x-request-id"));
    let other = send("/api/v1/carriers", "one", json!({ "code": "blux" })).await;
    assert_eq!(other.problem(422, "invalid")["errors"][0]["pointer"], "idempotency-key");
    send("/api/v1/decks", "one", json!({ "code": "acme" })).await.problem(422, "invalid");
    send("/api/v1/carriers", "", json!({ "code": "blux" })).await.problem(422, "invalid");
    // What was refused is not remembered: it may be set right and sent again.
    send("/api/v1/carriers", "two", json!({ "code": "acme" })).await.problem(409, "conflict");
    send("/api/v1/carriers", "two", json!({ "code": "acme" })).await.problem(409, "conflict");
    send("/api/v1/carriers", "two", json!({ "code": "blux" })).await.expect(201);
    assert_eq!(admin.get("/api/v1/carriers").await.expect(200)["data"].as_array().unwrap().len(), 2);
    // Money remembers the key for ever: the reference is made of it.
    admin.make("/api/v1/accounts", json!({ "code": "acme", "carrier": "car_1", "kind": "prepaid" })).await;
    let paid = json!({ "amount": "10" });
    let first = send("/api/v1/accounts/acc_1/payments", "three", paid.clone()).await.expect(200);
    let again = send("/api/v1/accounts/acc_1/payments", "three", paid.clone()).await.expect(200);
    assert_eq!((first["booked"].as_bool(), &again), (Some(true), &first));
    let named = json!({ "amount": "10", "reference": first["reference"] });
    assert_eq!(send("/api/v1/accounts/acc_1/payments", "four", named).await.expect(200)["booked"], false);
}

#[tokio::test]
async fn two_posts_with_one_key_at_the_same_time_are_one() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let headers = [
        ("cookie", admin.cookie.as_str()),
        ("x-csrf-token", &admin.csrf),
        ("content-type", "application/json"),
        ("idempotency-key", "same"),
    ];
    let body = json!({ "code": "acme" }).to_string();
    let send = || node.send("POST", "/api/v1/carriers", &headers, body.as_bytes());
    let (one, other, third) = tokio::join!(send(), send(), send());
    let mut told = [one.status, other.status, third.status];
    told.sort_unstable();
    assert!(told[0] == 201 && told[1..].iter().all(|status| [201, 409].contains(status)), "{told:?}");
    assert_eq!(admin.get("/api/v1/carriers").await.expect(200)["data"].as_array().unwrap().len(), 1);
    let later = node.send("POST", "/api/v1/carriers", &headers, body.as_bytes()).await;
    assert_eq!((later.status, later.header("idempotency-replayed")), (201, "true"));
}
