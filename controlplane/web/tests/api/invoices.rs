//! Invoices: made once, read, taken home in each form, declared void.

use cdr::{Cdr, Priced};
use serde_json::{Value, json};
use store::{Batch, Cursor};
use units::{AccountId, CallId, CarrierId, DeckId, Money, NodeId, Number, ShardId, Terms, WallTime};

use crate::node::{Browser, Node};

/// 2023-01-01 in UTC.
const STARTED: i64 = 1_672_531_200_000_000;

/// A node with two calls of January: one to London, one elsewhere.
async fn furnished(node: &Node) -> Browser<'_> {
    let admin = node.log_in().await;
    admin.furnish().await;
    let call = |sequence: u64, called: &[u8], nanos: i64| {
        let terms =
            Terms { deck: DeckId(1), prefix_digits: 4, per_minute: Money::from_nanos(nanos), ..Terms::default() };
        Cdr {
            call: CallId { node: NodeId(1), boot: 1, shard: ShardId(0), sequence },
            originator: CarrierId(1),
            originator_account: AccountId(1),
            called_routed: Number::parse(called).unwrap(),
            started: WallTime::from_micros(STARTED + sequence as i64 * 1_000_000),
            answered_ms: Some(5_000),
            duration_ms: 60_000,
            sell: Some(Priced { terms, billed_s: 60, price: Money::from_nanos(nanos), ..Priced::default() }),
            ..Cdr::default()
        }
    };
    let cdrs = [call(1, b"442071234567", 12_400_000), call(2, b"12125550100", 20_000_000)];
    let cursor = Cursor { boot: 1, segment: 1, offset: 1 };
    let batch = Batch { node: NodeId(1), kind: "journal", folder: "test", cdrs: &cdrs, traces: &[], cursor };
    node.store.insert_cdrs(batch).await.unwrap();
    admin
}

#[tokio::test]
async fn a_month_is_invoiced_once_and_taken_home_in_each_form() {
    let node = Node::start().await;
    let admin = furnished(&node).await;
    let issuer = json!({ "text": "Tandem Ltd" });
    admin.send("PUT", "/api/v1/invoice-issuer", issuer.clone()).await.expect(200);
    assert_eq!(admin.get("/api/v1/invoice-issuer").await.expect(200), issuer);
    let new = json!({ "account": "acc_1", "month": "2023-01", "zone": "Europe/Paris", "note": "30 days" });
    let made = admin.make("/api/v1/invoices", new.clone()).await;
    let invoice = &made["invoice"];
    assert_eq!((&invoice["id"], &invoice["account"]["code"]), (&json!("inv_1"), &json!("acme")));
    assert_eq!((&invoice["total"], &invoice["calls"]), (&json!("0.0324"), &json!(2)));
    assert_eq!((&invoice["from"], &invoice["made_by"]), (&json!("2022-12-31T23:00:00.000000Z"), &json!("user:admin")));
    let prefixes: Vec<&Value> = made["lines"].as_array().unwrap().iter().map(|line| &line["prefix"]).collect();
    assert_eq!(prefixes, ["1212", "4420"], "in order of destination");
    assert_eq!(made["lines"][1]["destination"], "UK London");
    assert_eq!(admin.get("/api/v1/invoices/inv_1").await.expect(200), made);
    assert_eq!(admin.get("/api/v1/invoices?account=acc_1").await.expect(200)["data"][0], *invoice);
    assert_eq!(admin.get("/api/v1/invoices?account=acc_2").await.expect(200)["data"], json!([]));
    admin.send("POST", "/api/v1/invoices", new.clone()).await.problem(409, "conflict");
    for (format, kind, begins) in [
        ("html", "text/html; charset=utf-8", "<!doctype html>"),
        ("pdf", "application/pdf", "%PDF-1.4"),
        ("csv", "text/csv; charset=utf-8", "invoice,destination,prefix"),
    ] {
        let file = admin.get(&format!("/api/v1/invoices/inv_1/file?format={format}")).await;
        assert_eq!((file.status, file.header("content-type")), (200, kind));
        assert!(file.text().starts_with(begins) && file.text().contains("UK London"), "{}", file.text());
        assert_eq!(file.header("content-disposition"), format!("attachment; filename=\"invoice-1.{format}\""));
    }
    admin.send("POST", "/api/v1/invoices/inv_1/void", json!(null)).await.expect(200);
    admin.send("POST", "/api/v1/invoices/inv_1/void", json!(null)).await.problem(409, "conflict");
    assert_eq!(admin.make("/api/v1/invoices", new).await["invoice"]["id"], "inv_2");
    let first = admin.get("/api/v1/invoices?limit=1").await.expect(200);
    assert_eq!(first["data"][0]["id"], "inv_2");
    let next = format!("/api/v1/invoices?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    assert!(admin.get(&next).await.expect(200)["data"][0]["voided_at"].is_string());
    let acts = admin.get("/api/v1/audit?object=inv_1").await.expect(200);
    let acts: Vec<&Value> = acts["data"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert_eq!(acts, ["void", "create"]);
}

#[tokio::test]
async fn fees_of_a_month_stand_on_its_invoice() {
    let node = Node::start().await;
    let admin = furnished(&node).await;
    let none = json!({ "monthly_fee": "0.00", "fee_text": null, "monthly_minimum": "0.00", "tax_percent": "0" });
    assert_eq!(admin.get("/api/v1/accounts/acc_1/fees").await.expect(200), none);
    let fees = json!({ "monthly_fee": "10.00", "fee_text": "Port", "monthly_minimum": "1.00", "tax_percent": "20" });
    assert_eq!(admin.send("PUT", "/api/v1/accounts/acc_1/fees", fees.clone()).await.expect(200), fees);
    for (field, value) in [("monthly_fee", "-1"), ("tax_percent", "101"), ("tax_percent", "-1"), ("fee_text", "\u{7}")]
    {
        let mut wrong = fees.clone();
        wrong[field] = json!(value);
        let flaw = admin.send("PUT", "/api/v1/accounts/acc_1/fees", wrong).await.problem(422, "invalid");
        assert_eq!(flaw["errors"][0]["pointer"], format!("/{field}"));
    }
    admin.get("/api/v1/accounts/acc_9/fees").await.problem(404, "not_found");
    let made = admin.make("/api/v1/invoices", json!({ "account": "acc_1", "month": "2023-01" })).await;
    let kinds: Vec<&Value> = made["lines"].as_array().unwrap().iter().map(|line| &line["kind"]).collect();
    assert_eq!(kinds, ["calls", "calls", "fee", "fee"]);
    assert_eq!(made["invoice"]["total"], "13.19352", "calls 0.0324, and 10 and 0.9676 with 20 %");
    let entries = admin.get("/api/v1/accounts/acc_1/entries").await.expect(200);
    assert_eq!(
        (&entries["data"][0]["kind"], &entries["data"][0]["amount"]),
        (&json!("correction"), &json!("-13.16112"))
    );
}

#[tokio::test]
async fn what_cannot_be_invoiced_says_why_and_viewers_only_look() {
    let node = Node::start().await;
    let admin = furnished(&node).await;
    let cases = [
        (json!({ "account": "acc_1" }), "/month"),
        (json!({ "account": "acc_1", "month": "2026-13" }), "/month"),
        (json!({ "account": "acc_1", "month": "2023-01", "from": "2023-01-01T00:00:00Z" }), "/month"),
        (json!({ "account": "acc_1", "month": "9998-01" }), "/till"),
        (json!({ "account": "acc_1", "from": "2023-02-01T00:00:00Z", "till": "2023-01-01T00:00:00Z" }), "/till"),
        (json!({ "account": "acc_1", "month": "2023-01", "note": "\u{1}" }), "/note"),
    ];
    for (body, pointer) in cases {
        let flaw = admin.send("POST", "/api/v1/invoices", body).await.problem(422, "invalid");
        assert_eq!(flaw["errors"][0]["pointer"], pointer, "{flaw}");
    }
    let nobody = json!({ "account": "acc_99", "month": "2023-01" });
    admin.send("POST", "/api/v1/invoices", nobody).await.problem(404, "not_found");
    admin.get("/api/v1/invoices/inv_1/file").await.problem(404, "not_found");
    admin.get("/api/v1/invoices?cursor=00").await.problem(422, "invalid");
    admin
        .make("/api/v1/users", json!({ "name": "vera", "role": "viewer", "password": "a long enough password" }))
        .await;
    let viewer = node.log_in_as("vera", "a long enough password").await;
    viewer.get("/api/v1/invoices").await.expect(200);
    let new = json!({ "account": "acc_1", "month": "2023-01" });
    viewer.send("POST", "/api/v1/invoices", new).await.problem(403, "not_allowed");
}
