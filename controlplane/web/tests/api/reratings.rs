//! Re-ratings: a report before and after, booked once, booked back.

use cdr::{Cdr, Priced};
use serde_json::{Value, json};
use snapshot::Rate;
use store::{Batch, Cursor};
use units::{AccountId, CallId, CarrierId, DeckId, Money, NodeId, Number, ShardId, Terms, WallTime};

use crate::node::{Browser, Node};

/// 2023-01-01 in UTC.
const STARTED: i64 = 1_672_531_200_000_000;

/// A node with two minutes to London in January, charged at 0.0124; the deck says 0.01 now.
async fn corrected(node: &Node) -> Browser<'_> {
    let admin = node.log_in().await;
    admin.furnish().await;
    let price = Money::parse("0.0124").unwrap();
    let call = |sequence: u64| {
        let terms = Terms { deck: DeckId(1), prefix_digits: 4, per_minute: price, ..Terms::default() };
        Cdr {
            call: CallId { node: NodeId(1), boot: 1, shard: ShardId(0), sequence },
            originator: CarrierId(1),
            originator_account: AccountId(1),
            called_routed: Number::parse(b"442071234567").unwrap(),
            started: WallTime::from_micros(STARTED + sequence as i64 * 1_000_000),
            answered_ms: Some(5_000),
            duration_ms: 60_000,
            sell: Some(Priced { terms, billed_s: 60, price, ..Priced::default() }),
            ..Cdr::default()
        }
    };
    let cursor = Cursor { boot: 1, segment: 1, offset: 1 };
    let cdrs = [call(1), call(2)];
    let batch = Batch { node: NodeId(1), kind: "journal", folder: "test", cdrs: &cdrs, traces: &[], cursor };
    node.store.insert_cdrs(batch).await.unwrap();
    let per_minute = Money::parse("0.01").unwrap();
    let rate = Rate { prefix: "4420".into(), destination: "UK London".into(), per_minute, ..Rate::default() };
    let mut edit = node.store.edit().await.unwrap();
    edit.replace_rates(1, &[rate], "corrected").await.unwrap();
    edit.commit().await.unwrap();
    admin
}

#[tokio::test]
async fn a_report_is_booked_once_and_may_be_booked_back() {
    let node = Node::start().await;
    let admin = corrected(&node).await;
    let new = json!({ "account": "acc_1", "deck": "dck_1", "month": "2023-01", "why": "0.0124 should have been 0.01" });
    let made = admin.make("/api/v1/reratings", new).await;
    let report = &made["rerating"];
    assert_eq!((&report["id"], &report["account"]["code"]), (&json!("rrt_1"), &json!("acme")));
    assert_eq!((&report["deck"]["code"], &report["made_by"]), (&json!("sell"), &json!("user:admin")));
    let sums = json!({ "calls": 2, "talked_ms": 120_000, "before": "0.0248", "before_tax": "0.00", "after": "0.02",
        "after_tax": "0.00", "difference": "-0.0048" });
    assert_eq!(report["sums"], sums);
    let line = &made["lines"][0];
    assert_eq!((&line["kind"], &line["destination"]), (&json!("changed"), &json!("UK London")));
    assert_eq!((&line["per_minute_before"], &line["per_minute_after"]), (&json!("0.0124"), &json!("0.01")));
    assert_eq!((&made["invoices"], &made["booked_before"]), (&json!([]), &json!([])));
    assert_eq!(admin.get("/api/v1/reratings/rrt_1").await.expect(200), made);
    let funds = async || {
        let account = admin.get("/api/v1/accounts/acc_1").await.expect(200);
        account["funds"].as_str().unwrap().to_owned()
    };
    let before = funds().await;
    let booked = admin.send("POST", "/api/v1/reratings/rrt_1/book", json!(null)).await.expect(200);
    assert_eq!((&booked["booked_by"], booked["undone_at"].is_null()), (&json!("user:admin"), true));
    admin.send("POST", "/api/v1/reratings/rrt_1/book", json!(null)).await.problem(409, "conflict");
    assert_ne!(funds().await, before);
    admin.send("POST", "/api/v1/reratings/rrt_1/undo", json!(null)).await.expect(200);
    admin.send("POST", "/api/v1/reratings/rrt_1/undo", json!(null)).await.problem(409, "conflict");
    assert_eq!(funds().await, before);
    let listed = admin.get("/api/v1/reratings?account=acc_1").await.expect(200);
    assert!(listed["data"][0]["undone_by"] == "user:admin", "{listed}");
    assert_eq!(admin.get("/api/v1/reratings?account=acc_2").await.expect(200)["data"], json!([]));
    let acts = admin.get("/api/v1/audit?object=rrt_1").await.expect(200);
    let acts: Vec<&Value> = acts["data"].as_array().unwrap().iter().map(|act| &act["action"]).collect();
    assert_eq!(acts, ["undo", "book", "create"]);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_with_its_field() {
    let node = Node::start().await;
    let admin = corrected(&node).await;
    for (new, pointer) in [
        (json!({ "account": "acc_1", "month": "2023-13", "why": "a" }), "/month"),
        (json!({ "account": "acc_1", "why": "a" }), "/month"),
        (json!({ "account": "acc_1", "month": "2023-01", "why": "" }), "/why"),
    ] {
        let problem = admin.send("POST", "/api/v1/reratings", new.clone()).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{new}");
    }
    let nobody = json!({ "account": "acc_9", "month": "2023-01", "why": "a" });
    admin.send("POST", "/api/v1/reratings", nobody).await.problem(404, "not_found");
    admin.get("/api/v1/reratings/rrt_9").await.problem(404, "not_found");
}
