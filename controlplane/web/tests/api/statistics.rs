//! Statistics: figures of both readings, orders, pages, CSV, and what is refused.

use cdr::{Cdr, Party, Priced};
use serde_json::Value;
use store::{Batch, Cursor};
use units::{
    AttemptIndex, CallId, CarrierId, Cause, Currency, EgressTrunkId, IngressTrunkId, Money, NodeId, Number, ShardId,
    Terms, WallTime,
};

use crate::node::{Browser, Node};

const STARTED: i64 = 1_767_225_600_000_000;

/// A call from the first carrier: tried at the third in vain, answered by the second for a minute, or by nobody.
fn call(sequence: u64, called: &str, answered: bool) -> Vec<Cdr> {
    let money = |nanos: i64, currency: &str| {
        let terms = Terms { currency: Currency::parse(currency).unwrap(), ..Terms::default() };
        Some(Priced { terms, billed_s: 60, price: Money::from_nanos(nanos), ..Priced::default() })
    };
    let whole = Cdr {
        call: CallId { node: NodeId(1), boot: 1, shard: ShardId(0), sequence },
        attempts: 2,
        originator: CarrierId(1),
        ingress_trunk: IngressTrunkId(1),
        terminator: CarrierId(2),
        egress_trunk: EgressTrunkId(1),
        called_routed: Number::parse(called.as_bytes()).unwrap(),
        started: WallTime::from_micros(STARTED + sequence as i64 * 1_000_000),
        ringing_ms: Some(2_000),
        answered_ms: answered.then_some(5_000),
        duration_ms: if answered { 60_000 } else { 0 },
        cause: if answered { Cause::NORMAL } else { Cause::BUSY },
        released_by: Party::Egress,
        sell: money(if answered { 20_000_000 } else { 0 }, "USD"),
        buy: money(if answered { 5_000_000 } else { 0 }, "EUR"),
        ..Cdr::default()
    };
    let refused = Cdr {
        attempt: AttemptIndex(1),
        attempts: 0,
        terminator: CarrierId(3),
        egress_trunk: EgressTrunkId(2),
        ringing_ms: None,
        answered_ms: None,
        duration_ms: 0,
        cause: Cause::NO_CIRCUIT,
        ..whole.clone()
    };
    let last = Cdr { attempt: AttemptIndex(2), attempts: 1, ..whole.clone() };
    vec![refused, last, whole]
}

async fn furnished(node: &Node) -> Browser<'_> {
    let admin = node.log_in().await;
    admin.furnish().await;
    let cdrs = [("442071234567", true), ("442071234568", false), ("12125550100", true), ("12125550101", true)];
    let cdrs: Vec<Cdr> =
        cdrs.iter().enumerate().flat_map(|(place, (called, yes))| call(place as u64 + 1, called, *yes)).collect();
    let cursor = Cursor { boot: 1, segment: 1, offset: 1 };
    let batch = Batch { node: NodeId(1), kind: "journal", folder: "test", cdrs: &cdrs, traces: &[], cursor };
    node.store.insert_cdrs(batch).await.unwrap();
    admin
}

fn path(rest: &str) -> String {
    format!("/api/v1/statistics?from=2026-01-01T00:10:00Z&till=2026-01-01T00:20:00Z{rest}")
}

fn column(told: &Value, pointer: &str) -> Vec<Value> {
    told["data"].as_array().unwrap().iter().map(|row| row.pointer(pointer).cloned().unwrap_or_default()).collect()
}

#[tokio::test]
async fn both_readings_of_a_window_are_told_with_money_by_currency() {
    let node = Node::start().await;
    let admin = furnished(&node).await;
    let told = admin.get(&path("")).await.expect(200);
    assert_eq!(
        (told["from"].as_str(), told["till"].as_str()),
        (Some("2026-01-01T00:00:00.000000Z"), Some("2026-01-01T00:30:00.000000Z"))
    );
    let figures = &told["data"][0]["figures"];
    assert_eq!(figures, &told["total"]);
    let reading = |name: &str| {
        let of = &figures[name];
        ["count", "answered", "asr_percent", "ner_percent", "acd_ms", "pdd_ms"].map(|word| of[word].as_f64().unwrap())
    };
    assert_eq!(reading("per_call"), [4.0, 3.0, 75.0, 100.0, 60_000.0, 2_000.0]);
    assert_eq!(reading("per_attempt"), [8.0, 3.0, 37.5, 50.0, 60_000.0, 2_000.0]);
    assert_eq!((figures["talked_ms"].as_i64(), figures["sell_billed_s"].as_i64()), (Some(180_000), Some(240)));
    let money: Vec<[&str; 4]> = figures["money"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sum| ["currency", "revenue", "cost", "margin"].map(|word| sum[word].as_str().unwrap()))
        .collect();
    assert_eq!(money, [["EUR", "0.00", "0.015", "-0.015"], ["USD", "0.06", "0.00", "0.06"]]);
    assert!(figures["ingress_mos"].is_null());
}

#[tokio::test]
async fn groups_come_in_order_and_by_page_with_the_sums_of_all() {
    let node = Node::start().await;
    let admin = furnished(&node).await;
    let told = admin.get(&path("&by=terminator,cause&sort=attempts")).await.expect(200);
    assert_eq!(column(&told, "/figures/per_attempt/count"), [4, 3, 1]);
    assert_eq!(column(&told, "/cause"), [34, 16, 17]);
    let mut seen = Vec::new();
    let mut next = String::new();
    loop {
        let told = admin.get(&path(&format!("&by=prefix,cause&sort=place&limit=1{next}"))).await.expect(200);
        assert_eq!(told["total"]["per_call"]["count"], 4, "of all pages");
        seen.extend(column(&told, "/prefix"));
        let Some(cursor) = told["next_cursor"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(seen, ["1212", "1212", "44207", "44207", "44207"]);
    let told = admin.get(&path("&by=country&sort=margin&currency=USD&ascending=true")).await.expect(200);
    assert_eq!(column(&told, "/country"), ["44", "1"]);
    let told = admin.get(&path("&by=originator,day&zone=Asia/Kolkata&called=%2B4-4")).await.expect(200);
    assert_eq!(column(&told, "/period/name"), ["2026-01-01"]);
    assert_eq!(column(&told, "/period/from"), ["2025-12-31T18:30:00.000000Z"]);
    assert_eq!(column(&told, "/originator/code"), ["acme"]);
    assert_eq!(column(&told, "/figures/per_call/count"), [2]);
}

#[tokio::test]
async fn all_groups_leave_as_csv() {
    let node = Node::start().await;
    let admin = furnished(&node).await;
    let file = admin.get(&path("&by=country&sort=place").replace("statistics?", "statistics:export?")).await;
    let text = String::from_utf8(file.body).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].starts_with("country,calls,answered,ASR per call %"), "{text}");
    assert!(lines[0].ends_with("revenue EUR,cost EUR,margin EUR,revenue USD,cost USD,margin USD"), "{text}");
    assert!(lines[1].starts_with("1,2,2,100,100,60,2000,4,2,50,50,60,2000,120,"), "{text}");
    assert!(lines[2].ends_with(",0.00,0.005,-0.005,0.02,0.00,0.02"), "{text}");
}

#[tokio::test]
async fn a_question_without_sense_names_its_parameter() {
    let node = Node::start().await;
    let admin = furnished(&node).await;
    for (asked, pointer) in [
        ("/api/v1/statistics".to_owned(), "?from"),
        (path("&by=colour"), "?by"),
        (path("&by=hour,day"), "?by"),
        (path("&zone=Asia/Kathmandu"), "?zone"),
        (path("&called=442071234567"), "?called"),
        (path("&limit=0"), "?limit"),
        (path("&cursor=00"), "?cursor"),
    ] {
        let problem = admin.get(&asked).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{asked}: {problem}");
    }
}
