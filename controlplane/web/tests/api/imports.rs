use serde_json::json;

use crate::node::Node;

#[tokio::test]
async fn a_file_with_problems_names_row_and_column_and_changes_nothing() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.make("/api/v1/decks", json!({ "code": "sell" })).await;
    let path = "/api/v1/decks/dck_1/imports";
    let flawed = "prefix,destination,rate\n44,UK,0.01\n4420,London,cheap\n";
    let review = admin.upload(path, flawed).await.expect(201)["review"].clone();
    assert_eq!((review["rows"].as_u64(), review["problem_count"].as_u64()), (Some(1), Some(1)));
    assert_eq!((review["problems"][0]["row"].as_u64(), review["problems"][0]["column"].as_u64()), (Some(3), Some(3)));
    let problem = admin.send("POST", "/api/v1/imports/imp_1/apply", json!({})).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "3:3");
    admin.upload(path, "prefix,destination,rate\n").await.expect(201);
    admin.send("POST", "/api/v1/imports/imp_2/apply", json!({})).await.problem(422, "invalid");
    let rates = admin.get("/api/v1/decks/dck_1/rates").await.expect(200);
    assert_eq!(rates["data"], json!([]));
    // There is one way in: the one that asks a guard.
    admin.upload("/api/v1/decks/dck_1/rates:import", flawed).await.problem(404, "not_found");
}

#[tokio::test]
async fn one_rate_is_changed_under_its_etag() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.make("/api/v1/decks", json!({ "code": "sell" })).await;
    let csv = "prefix,destination,rate\n44,UK,0.01\n4420,London,0.02\n*9#,Odd,0.03\n";
    admin.fill("dck_1", csv).await;
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
    let several = format!("\"other\", {tag}");
    let same = admin.send_if("PATCH", &path, Some(&several), json!({ "increment_s": 6 })).await;
    assert_eq!((same.expect(200)["increment_s"].as_u64(), same.header("etag")), (Some(6), tag));
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
    admin.fill("dck_1", &csv).await;
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
