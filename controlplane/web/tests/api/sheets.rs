use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use serde_json::{Value, json};

use crate::node::{Browser, Node};

/// A deck with three rates.
async fn a_deck(admin: &Browser<'_>) {
    admin.make("/api/v1/decks", json!({ "code": "buy" })).await;
    let csv = "prefix,destination,rate\n44,UK,0.01\n4420,London,0.02\n1,USA,0.005\n";
    admin.upload("/api/v1/decks/dck_1/rates:import", csv).await.expect(200);
}

fn counts(review: &Value) -> Vec<u64> {
    let names = ["new", "increased", "decreased", "unchanged", "closed", "blocked"];
    names.map(|name| review[name].as_u64().unwrap()).to_vec()
}

async fn prefixes(admin: &Browser<'_>) -> Vec<String> {
    let rates = admin.get("/api/v1/decks/dck_1/rates").await.expect(200);
    let open = rates["data"].as_array().unwrap().iter().filter(|rate| rate["effective_till"].is_null());
    open.map(|rate| format!("{} {}", rate["prefix"].as_str().unwrap(), rate["per_minute"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_file_waits_is_read_again_and_then_applied() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    a_deck(&admin).await;
    let file =
        "code,name,rate,change\n\"44,45\",UK,0.012,New\n4420,London,0.01,Decrease\n33,France,N/A,\n49,Germany,cheap,\n";
    let made = admin.upload("/api/v1/decks/dck_1/imports?name=oria.csv", file).await.expect(201);
    assert_eq!((made["id"].as_str(), made["state"].as_str()), (Some("imp_1"), Some("open")));
    assert_eq!(counts(&made["review"]), [1, 1, 1, 0, 1, 0], "{made}");
    assert_eq!(
        (made["review"]["problem_count"].as_u64(), made["review"]["disagreements"].as_u64()),
        (Some(1), Some(1))
    );
    assert_eq!(made["review"]["notice_violations"], 1);
    let flagged = admin.get("/api/v1/imports/imp_1/changes?flagged=true").await.expect(200);
    assert_eq!(flagged["data"][0]["flags"], json!(["notice", "marker"]), "{flagged}");
    assert_eq!(flagged["data"][0]["examples"], json!(["0.0002", "0.0062", "0.0122"]));
    let terms = json!({ "semantics": "partial", "columns": { "change": "ignored" } });
    let read = admin.send("PUT", "/api/v1/imports/imp_1/terms", terms).await.expect(200);
    assert_eq!((counts(&read["review"]), read["review"]["disagreements"].as_u64()), (vec![1, 1, 1, 0, 0, 0], Some(0)));
    let kept = admin.get("/api/v1/imports/imp_1/file").await;
    assert_eq!(kept.body, file.as_bytes());
    admin.send("POST", "/api/v1/imports/imp_1/apply", json!({})).await.problem(422, "invalid");
    let ask = json!({ "skip_problems": true, "remember": true });
    let done = admin.send("POST", "/api/v1/imports/imp_1/apply", ask).await.expect(200);
    assert_eq!((done["state"].as_str(), done["revision"].as_i64()), (Some("applied"), Some(2)));
    assert_eq!(prefixes(&admin).await, ["1 0.005", "44 0.01", "44 0.012", "4420 0.02", "4420 0.01", "45 0.012"]);
    assert_eq!(admin.get("/api/v1/decks/dck_1/template").await.expect(200)["semantics"], "partial");
    admin.send("POST", "/api/v1/imports/imp_1/cancel", Value::Null).await.problem(412, "changed");
    let list = admin.get("/api/v1/decks/dck_1/imports").await.expect(200);
    assert_eq!((list["data"][0]["name"].as_str(), list["data"][0]["created_by"].is_string()), (Some("oria.csv"), true));
}

#[tokio::test]
async fn a_rise_beyond_the_guard_waits_for_somebody_else() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    a_deck(&admin).await;
    let terms = json!({ "increase_percent_max": 20, "closed_percent_max": 50 });
    admin.send("PUT", "/api/v1/decks/dck_1/template", terms).await.expect(200);
    let made = admin.upload("/api/v1/decks/dck_1/imports", "prefix,rate\n44,0.1\n").await.expect(201);
    let guards = json!(["1 prices rise by more than 20 %", "2 of 3 rates close, more than 50 %"]);
    assert_eq!(made["review"]["guards"], guards);
    // What the file's own terms say does not lift the deck's guard.
    admin.send("PUT", "/api/v1/imports/imp_1/terms", json!({})).await.expect(200);
    admin.send("POST", "/api/v1/imports/imp_1/apply", json!({})).await.problem(409, "conflict");
    admin.send("POST", "/api/v1/imports/imp_1/approve", Value::Null).await.problem(422, "invalid");
    let new = json!({ "name": "bruno", "role": "admin", "password": "a long enough password" });
    admin.make("/api/v1/users", new).await;
    let bruno = node.log_in_as("bruno", "a long enough password").await;
    let seen = bruno.send("POST", "/api/v1/imports/imp_1/approve", Value::Null).await.expect(200);
    assert_eq!(seen["approved_by"], "user:bruno");
    // What was approved was seen over the deck as it stood.
    let three = "prefix,rate\n44,0.01\n33,0.02\n49,0.03\n";
    admin.upload("/api/v1/decks/dck_1/rates:import", three).await.expect(200);
    assert_eq!(admin.get("/api/v1/imports/imp_1").await.expect(200)["approved_by"], Value::Null);
    admin.send("POST", "/api/v1/imports/imp_1/apply", json!({})).await.problem(409, "conflict");
    bruno.send("POST", "/api/v1/imports/imp_1/approve", Value::Null).await.expect(200);
    admin.send("POST", "/api/v1/imports/imp_1/apply", json!({})).await.expect(200);
    assert_eq!(prefixes(&admin).await, ["44 0.01", "44 0.10"]);
}

#[tokio::test]
async fn a_workbook_with_rates_and_codes_on_two_sheets_is_joined() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    a_deck(&admin).await;
    let mut book = Workbook::new();
    let rates = book.add_worksheet();
    rates.set_name("Rates").unwrap();
    rates.merge_range(0, 0, 0, 3, "ORIA A-Z", &Format::new()).unwrap();
    for (place, name) in (0..).zip(["Destination", "Rate", "Increments", "Effective Date"]) {
        rates.write_string(2, place, name).unwrap();
    }
    let date = Format::new().set_num_format("dd/mm/yyyy");
    for (row, name, price) in [(3, "United Kingdom", 0.1 + 0.2), (4, "Germany - Mobile", 0.05)] {
        rates.write_string(row, 0, name).unwrap();
        rates.write_number(row, 1, price).unwrap();
        rates.write_string(row, 2, "60/60").unwrap();
        rates.write_datetime_with_format(row, 3, ExcelDateTime::from_ymd(2030, 3, 4).unwrap(), &date).unwrap();
    }
    let codes = book.add_worksheet();
    codes.set_name("Codes").unwrap();
    for (row, (name, code)) in
        (0..).zip([("Country", "Code"), ("United Kingdom", "44"), ("germany mobile", "4915-4917")])
    {
        codes.write_string(row, 0, name).unwrap();
        codes.write_string(row, 1, code).unwrap();
    }
    let made = admin.upload_bytes("/api/v1/decks/dck_1/imports?name=oria.xlsx", &book.save_to_buffer().unwrap()).await;
    let made = made.expect(201);
    assert_eq!(
        (made["review"]["problem_count"].as_u64(), counts(&made["review"])),
        (Some(0), vec![3, 1, 0, 0, 2, 0]),
        "{made}"
    );
    let changes = admin.get("/api/v1/imports/imp_1/changes?kind=increase").await.expect(200);
    let change = &changes["data"][0];
    assert_eq!((change["new_per_minute"].as_str(), change["row"].as_u64()), (Some("0.30"), Some(4)));
    assert_eq!(change["effective_from"], "2030-03-04T00:00:00.000000Z");
}

#[tokio::test]
async fn a_deck_goes_back_to_a_revision_and_out_as_a_sheet_or_a_notice() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    a_deck(&admin).await;
    admin
        .upload(
            "/api/v1/decks/dck_1/rates:import",
            "prefix,destination,rate\n44,UK,0.02\n4420,London,0.02\n33,France,0.03\n",
        )
        .await
        .expect(200);
    let revisions = admin.get("/api/v1/decks/dck_1/revisions").await.expect(200);
    assert_eq!(
        (revisions["data"][0]["revision"].as_i64(), revisions["data"][1]["restorable"].as_bool()),
        (Some(2), Some(true))
    );
    let changes = admin.get("/api/v1/decks/dck_1/revisions/1/changes").await.expect(200);
    assert!(changes["data"].as_array().unwrap().len() >= 3, "{changes}");
    let notice = admin.get("/api/v1/decks/dck_1/rates:export?since_revision=1").await;
    let notice = String::from_utf8(notice.body).unwrap();
    let told: Vec<_> = notice.lines().skip(1).map(|line| line.split(',').next_back().unwrap()).collect();
    assert_eq!(told, ["closed", "new", "increase"], "{notice}");
    let restored = admin.send("POST", "/api/v1/decks/dck_1/revisions/1/restore", Value::Null).await.expect(200);
    assert_eq!((restored["revision"].as_i64(), restored["rates"].as_u64()), (Some(3), Some(3)));
    assert_eq!(prefixes(&admin).await, ["1 0.005", "44 0.01", "4420 0.02"]);
    let sheet = admin.get("/api/v1/decks/dck_1/rates:export?format=xlsx").await;
    let back = admin.upload_bytes("/api/v1/decks/dck_1/imports", &sheet.body).await.expect(201);
    assert_eq!(counts(&back["review"]), [0, 0, 0, 3, 0, 0], "what goes out comes in again: {back}");
    admin.send("POST", "/api/v1/decks/dck_1/revisions/9/restore", Value::Null).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_dearer_purchase_lists_what_would_be_sold_below_cost() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    let rates = admin.get("/api/v1/decks/dck_1/rates").await.expect(200);
    let sold = rates["data"][0]["prefix"].as_str().unwrap();
    let made = admin.upload("/api/v1/decks/dck_2/imports", &format!("prefix,rate\n{sold},9\n")).await.expect(201);
    let broken = &made["review"]["broken"];
    assert_eq!((broken[0]["prefix"].as_str(), broken[0]["deck"]["id"].as_str()), (Some(sold), Some("dck_1")), "{made}");
}

#[tokio::test]
async fn rates_of_a_mask_change_together_and_the_dry_run_says_which() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    a_deck(&admin).await;
    let ask = |dry_run: bool| json!({ "dry_run": dry_run, "destination": "lon%", "add_ppm": 25_000, "increment_s": 6 });
    let path = "/api/v1/decks/dck_1/rates:change";
    let told = admin.send("POST", path, ask(true)).await.expect(200);
    assert_eq!((told["applied"].as_bool(), told["changed"].as_u64()), (Some(false), Some(1)));
    assert_eq!(told["changes"][0]["new_per_minute"], "0.0205");
    admin.send("POST", path, ask(false)).await.expect(200);
    assert_eq!(prefixes(&admin).await, ["1 0.005", "44 0.01", "4420 0.02", "4420 0.0205"]);
    admin.send("POST", path, json!({ "prefix": "44", "add": "-9" })).await.problem(422, "invalid");
}

#[tokio::test]
async fn a_number_is_looked_up_in_all_decks_side_by_side() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    node.publish().await;
    let found = admin.get("/api/v1/rates:check?number=%2B442071234567").await.expect(200);
    let rows = found["data"].as_array().unwrap();
    assert_eq!(rows.len(), 3, "{found}");
    let bought: Vec<_> = rows.iter().filter(|row| row["buys"] == true).collect();
    assert_eq!(bought.iter().filter(|row| row["cheapest"] == true).count(), 1, "{found}");
    assert!(bought.iter().any(|row| row["dearest"] == true), "{found}");
}
