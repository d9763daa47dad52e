use serde_json::json;

use crate::node::Node;

#[tokio::test]
async fn an_import_says_what_would_change_and_then_changes_it() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.make("/api/v1/decks", json!({ "code": "sell" })).await;
    let path = "/api/v1/decks/dck_1/rates:import";
    let first = "prefix,destination,rate\n44,UK,0.01\n4420,London,0.02\n1,USA,0.005\n";
    assert_eq!(admin.upload(path, first).await.expect(200)["applied"], true);
    let second = "prefix,destination,rate\n44,UK,0.012\n4420,London,0.01\n33,France,0.03\n";
    let report = admin.upload(&format!("{path}?dry_run=true"), second).await.expect(200);
    assert_eq!(report["applied"], false);
    let counts = ["new", "increased", "decreased", "unchanged", "closed"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 1, 0, 1]);
    let dearer = report["changes"].as_array().unwrap().iter().find(|change| change["prefix"] == "44").unwrap();
    assert_eq!((dearer["kind"].as_str(), dearer["change_percent"].as_f64()), (Some("increase"), Some(20.0)));
    assert_eq!((dearer["old_per_minute"].as_str(), dearer["new_per_minute"].as_str()), (Some("0.01"), Some("0.012")));
    let rates = admin.get("/api/v1/decks/dck_1/rates").await.expect(200);
    assert_eq!(rates["data"][0]["prefix"], "1", "a dry run changes nothing");
    admin.upload(path, second).await.expect(200);
    let rates = admin.get("/api/v1/decks/dck_1/rates").await.expect(200);
    let prefixes: Vec<_> = rates["data"].as_array().unwrap().iter().map(|rate| rate["prefix"].clone()).collect();
    assert_eq!(prefixes, ["33", "44", "4420"]);
    assert_eq!(admin.get("/api/v1/decks/dck_1").await.expect(200)["rates"], 3);
}

#[tokio::test]
async fn a_file_with_problems_names_row_and_column_and_changes_nothing() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.make("/api/v1/decks", json!({ "code": "sell" })).await;
    let path = "/api/v1/decks/dck_1/rates:import";
    let flawed = "prefix,destination,rate\n44,UK,0.01\n4420,London,cheap\n";
    let report = admin.upload(&format!("{path}?dry_run=true"), flawed).await.expect(200);
    assert_eq!((report["rows"].as_u64(), report["problem_count"].as_u64()), (Some(1), Some(1)));
    assert_eq!((report["problems"][0]["row"].as_u64(), report["problems"][0]["column"].as_u64()), (Some(3), Some(3)));
    let problem = admin.upload(path, flawed).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "3:3");
    admin.upload(path, "prefix,destination,rate\n").await.problem(422, "invalid");
    let rates = admin.get("/api/v1/decks/dck_1/rates").await.expect(200);
    assert_eq!(rates["data"], json!([]));
}

#[tokio::test]
async fn one_rate_is_changed_under_its_etag() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.make("/api/v1/decks", json!({ "code": "sell" })).await;
    let csv = "prefix,destination,rate\n44,UK,0.01\n4420,London,0.02\n*9#,Odd,0.03\n";
    admin.upload("/api/v1/decks/dck_1/rates:import", csv).await.expect(200);
    let rates = admin.get("/api/v1/decks/dck_1/rates?prefix=4420").await.expect(200);
    let id = rates["data"][0]["id"].as_str().unwrap();
    let path = format!("/api/v1/decks/dck_1/rates/{id}");
    let tag = admin.get(&path).await.header("etag").to_owned();
    admin.send("PATCH", &path, json!({ "per_minute": "0.5" })).await.problem(428, "if_match_missing");
    let changed = admin
        .send_if(
            "PATCH",
            &path,
            Some(&tag),
            json!({ "per_minute": "0.025", "first_per_minute": "0.05", "increment_s": 6 }),
        )
        .await;
    let rate = changed.expect(200);
    assert_eq!((rate["per_minute"].as_str(), rate["increment_s"].as_u64()), (Some("0.025"), Some(6)));
    admin.send_if("PATCH", &path, Some(&tag), json!({ "per_minute": "0.03" })).await.problem(412, "changed");
    let tag = changed.header("etag");
    let flaw = admin.send_if("PATCH", &path, Some(tag), json!({ "increment_s": 0 })).await.problem(422, "invalid");
    assert_eq!(flaw["errors"][0]["pointer"], "/increment_s");
    admin.send_if("PATCH", &path, Some(tag), json!({ "per_minute": 0.5 })).await.problem(422, "invalid");
    let odd = admin.get("/api/v1/decks/dck_1/rates?destination=odd").await.expect(200);
    let id = odd["data"][0]["id"].as_str().unwrap().replace('#', "%23");
    assert_eq!(admin.get(&format!("/api/v1/decks/dck_1/rates/{id}")).await.expect(200)["prefix"], "*9#");
    admin.get("/api/v1/decks/dck_1/rates/rat_77_0").await.problem(404, "not_found");
}

#[tokio::test]
async fn rates_go_on_by_cursor_in_order_of_prefix() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.make("/api/v1/decks", json!({ "code": "sell" })).await;
    let mut csv = "prefix,destination,rate\n".to_owned();
    (10..60).for_each(|n| csv.push_str(&format!("{n},Place {},0.0{n}\n", n % 2)));
    admin.upload("/api/v1/decks/dck_1/rates:import", &csv).await.expect(200);
    for (filter, wanted) in [("", 50), ("&destination=PLACE%201", 25), ("&prefix=3", 10)] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/v1/decks/dck_1/rates?limit=7{filter}{cursor}");
            let part = admin.get(&path).await.expect(200);
            seen.extend(
                part["data"].as_array().unwrap().iter().map(|rate| rate["prefix"].as_str().unwrap().to_owned()),
            );
            match part["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), wanted, "{filter}");
        assert!(seen.is_sorted(), "{filter}: {seen:?}");
    }
}
