use std::io::Write;

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use serde_json::{Value, json};

use crate::node::{Browser, Node};

/// A deck with three rates.
async fn a_deck(admin: &Browser<'_>) {
    admin.make("/api/v1/decks", json!({ "code": "buy" })).await;
    let csv = "prefix,destination,rate\n44,UK,0.01\n4420,London,0.02\n1,USA,0.005\n";
    admin.fill("dck_1", csv).await;
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
    assert_eq!((made["id"].as_str(), made["state"].as_str()), (Some("imp_2"), Some("open")));
    assert_eq!(counts(&made["review"]), [1, 1, 1, 0, 1, 1], "{made}");
    assert_eq!(
        (made["review"]["problem_count"].as_u64(), made["review"]["disagreements"].as_u64()),
        (Some(1), Some(1))
    );
    assert_eq!(made["review"]["notice_violations"], 1);
    let flagged = admin.get("/api/v1/imports/imp_2/changes?flagged=true").await.expect(200);
    assert_eq!(flagged["data"][0]["flags"], json!(["notice", "marker"]), "{flagged}");
    assert_eq!(flagged["data"][0]["examples"], json!(["0.0002", "0.0062", "0.0122"]));
    let terms = json!({ "semantics": "partial", "columns": { "change": "ignored" } });
    let read = admin.send("PUT", "/api/v1/imports/imp_2/terms", terms).await.expect(200);
    assert_eq!((counts(&read["review"]), read["review"]["disagreements"].as_u64()), (vec![1, 1, 1, 0, 0, 1], Some(0)));
    let kept = admin.get("/api/v1/imports/imp_2/file").await;
    assert_eq!(kept.body, file.as_bytes());
    admin.send("POST", "/api/v1/imports/imp_2/apply", json!({})).await.problem(422, "invalid");
    let ask = json!({ "skip_problems": true, "remember": true });
    let done = admin.send("POST", "/api/v1/imports/imp_2/apply", ask).await.expect(200);
    assert_eq!((done["state"].as_str(), done["revision"].as_i64()), (Some("applied"), Some(2)));
    assert_eq!(
        prefixes(&admin).await,
        ["1 0.005", "33 0.00", "44 0.01", "44 0.012", "4420 0.02", "4420 0.01", "45 0.012"]
    );
    assert_eq!(admin.get("/api/v1/decks/dck_1/template").await.expect(200)["semantics"], "partial");
    admin.send("POST", "/api/v1/imports/imp_2/cancel", Value::Null).await.problem(412, "changed");
    let list = admin.get("/api/v1/decks/dck_1/imports").await.expect(200);
    assert_eq!((list["data"][0]["name"].as_str(), list["data"][0]["created_by"].is_string()), (Some("oria.csv"), true));
}

#[tokio::test]
async fn a_file_is_read_however_a_spreadsheet_wrote_its_text() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    a_deck(&admin).await;
    let text = "Préfixe\tprefix\trate\r\nx\t33\t0.1\r\n";
    let utf16 = |order: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(order).collect()
    };
    let latin: Vec<u8> = text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
    let macintosh = text.replace("\r\n", "\r").into_bytes();
    for file in [utf16(u16::to_le_bytes), utf16(u16::to_be_bytes), latin, macintosh, format!("\u{feff}{text}").into()] {
        let made = admin.upload_bytes("/api/v1/decks/dck_1/imports", &file).await.expect(201);
        assert_eq!((counts(&made["review"])[0], made["review"]["problem_count"].as_u64()), (1, Some(0)), "{made}");
    }
    let open = "prefix,rate,name\n44,0.01,\"UK\n4420,0.02,London\n1,0.005,USA\n";
    let made = admin.upload("/api/v1/decks/dck_1/imports", open).await.expect(201);
    assert_eq!(made["review"]["problems"][0]["row"], 2, "{made}");
    assert_eq!(counts(&made["review"]), [0, 0, 0, 0, 0, 0], "nothing read closes nothing: {made}");
    let ask = json!({ "skip_problems": true });
    let path = format!("/api/v1/imports/{}/apply", made["id"].as_str().unwrap());
    admin.send("POST", &path, ask).await.problem(422, "invalid");
    let made = admin.upload_bytes("/api/v1/decks/dck_1/imports", b"PK\x03\x04no workbook").await.expect(201);
    let path = format!("/api/v1/imports/{}/apply", made["id"].as_str().unwrap());
    let told = admin.send("POST", &path, json!({})).await.problem(422, "invalid");
    assert_eq!(told["errors"][0]["message"], made["review"]["unreadable"], "{told}");
}

#[tokio::test]
async fn a_row_that_takes_a_code_away_never_vanishes() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    a_deck(&admin).await;
    admin.send("PUT", "/api/v1/decks/dck_1/template", json!({ "semantics": "partial" })).await.expect(200);
    let file = "code,rate,status\n4420,,Closed\n4478,N/A,\n33,0.1,Closed\n1,0.005,Blocked\n";
    let made = admin.upload("/api/v1/decks/dck_1/imports", file).await.expect(201);
    assert_eq!(counts(&made["review"]), [0, 0, 0, 0, 1, 2], "{made}");
    let told: Vec<_> = made["review"]["warnings"].as_array().unwrap().iter().map(|it| it["message"].clone()).collect();
    assert_eq!(told, ["4420 is closed: its calls go by 44 from then on", "33 is closed and not in the deck"]);
    admin.send("POST", "/api/v1/imports/imp_2/apply", json!({})).await.expect(200);
    node.publish().await;
    // What calls would be told: a blocked code does not fall through to a shorter one.
    let found = admin.get("/api/v1/rates:check?number=4420,4478,33,1").await.expect(200);
    let rows = found["data"].as_array().unwrap().iter();
    let told: Vec<_> = rows.map(|row| (row["prefix"].as_str(), row["blocked"].as_bool().unwrap())).collect();
    assert_eq!(told, [(Some("44"), false), (Some("4478"), true), (None, false), (Some("1"), true)], "{found}");
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
    let changes = admin.get("/api/v1/imports/imp_2/changes?kind=increase").await.expect(200);
    let change = &changes["data"][0];
    assert_eq!((change["new_per_minute"].as_str(), change["row"].as_u64()), (Some("0.30"), Some(4)));
    assert_eq!(change["effective_from"], "2030-03-04T00:00:00.000000Z");
}

// What lies between the cells of a sheet has no size; what is packed has one.
#[tokio::test]
async fn a_workbook_takes_room_by_its_cells_and_not_by_where_they_stand() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    a_deck(&admin).await;
    let mut book = Workbook::new();
    let rates = book.add_worksheet();
    for (row, cells) in (0..).zip([["prefix", "destination", "rate"], ["44", "UK", "0.02"], ["49", "Germany", "0.03"]])
    {
        for (column, cell) in (0..).zip(cells) {
            rates.write_string(row, column, cell).unwrap();
        }
    }
    rates.write_string(1_048_575, 16_383, "left behind").unwrap();
    let path = "/api/v1/decks/dck_1/imports?name=oria.xlsx";
    let made = admin.upload_bytes(path, &book.save_to_buffer().unwrap()).await.expect(201);
    assert_eq!(
        (made["review"]["rows"].as_u64(), made["review"]["problem_count"].as_u64()),
        (Some(2), Some(0)),
        "{made}"
    );
    let mut bomb = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    bomb.start_file("xl/sharedStrings.xml", zip::write::SimpleFileOptions::default()).unwrap();
    for _ in 0..48 {
        bomb.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let made = admin.upload_bytes(path, bomb.finish().unwrap().get_ref()).await.expect(201);
    let told = made["review"]["unreadable"].as_str().unwrap_or_default();
    assert!(told.starts_with("the workbook unpacks to more than 3"), "{made}");
}

#[tokio::test]
async fn a_deck_goes_back_to_a_revision_and_out_as_a_sheet_or_a_notice() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    a_deck(&admin).await;
    admin.fill("dck_1", "prefix,destination,rate\n44,UK,0.02\n4420,London,0.02\n33,France,0.03\n").await;
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
async fn rates_of_a_mask_change_together_once_they_were_looked_at() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    a_deck(&admin).await;
    let path = "/api/v1/decks/dck_1/rates:change";
    let ask = json!({ "destination": "lon%", "add_percent": "2.5", "increment_s": 6 });
    let made = admin.make(path, ask.clone()).await;
    assert_eq!((made["id"].as_str(), counts(&made["review"])), (Some("imp_2"), vec![0, 1, 0, 0, 0, 0]), "{made}");
    assert_eq!((made["change"]["destination"].as_str(), made["terms"].is_null()), (Some("lon%"), true));
    let changes = admin.get("/api/v1/imports/imp_2/changes").await.expect(200);
    assert_eq!(changes["data"][0]["new_per_minute"], "0.0205");
    assert_eq!(prefixes(&admin).await, ["1 0.005", "44 0.01", "4420 0.02"], "nothing changes before it is applied");
    admin.send("PUT", "/api/v1/imports/imp_2/terms", json!({})).await.problem(409, "conflict");
    admin.send("POST", "/api/v1/imports/imp_2/apply", json!({ "remember": true })).await.expect(200);
    assert_eq!(prefixes(&admin).await, ["1 0.005", "44 0.01", "4420 0.02", "4420 0.0205"]);
    for wrong in [json!({ "prefix": "44", "add": "-9" }), json!({ "prefix": "99" }), json!({ "increment_s": 0 })] {
        admin.send("POST", path, wrong).await.problem(422, "invalid");
    }
    assert_eq!(admin.get("/api/v1/decks/dck_1/imports").await.expect(200)["data"].as_array().unwrap().len(), 2);
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
    let several = admin.get("/api/v1/rates:check?number=4420,%2B99&at=2040-01-01T00:00:00Z").await.expect(200);
    let rows = several["data"].as_array().unwrap();
    assert_eq!(
        rows.iter().filter(|row| row["number"] == "4420" && !row["per_minute"].is_null()).count(),
        3,
        "{several}"
    );
    assert!(rows[3..].iter().all(|row| row["number"] == "99" && row["per_minute"].is_null()), "{several}");
    admin.get("/api/v1/rates:check?number=44,nobody!").await.problem(422, "invalid");
}
