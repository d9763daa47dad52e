use std::net::SocketAddr;

use cdr::{Cdr, Party, Priced};
use serde_json::json;
use store::{Batch, Cursor};
use units::{
    AttemptIndex, CallId, CarrierId, Cause, EgressTrunkId, IngressTrunkId, NodeId, Number, PlanId, Revision, ShardId,
    Terms, WallTime,
};

use crate::node::Node;

const STARTED: i64 = 1_767_225_600_000_000;

fn call(sequence: u64) -> CallId {
    CallId { node: NodeId(1), boot: 1, shard: ShardId(0), sequence }
}

fn number(text: &str) -> Number {
    Number::parse(text.as_bytes()).unwrap()
}

fn priced(nanos: i64) -> Priced {
    let terms = Terms { per_minute: units::Money::from_nanos(nanos), ..Terms::default() };
    let charge = rating::charge(&terms, 61_200);
    Priced { terms, billed_s: charge.billed_s, price: charge.price, tax: charge.tax }
}

fn answered(sequence: u64) -> Cdr {
    Cdr {
        call: call(sequence),
        attempts: 2,
        revision: Revision(1),
        originator: CarrierId(1),
        ingress_trunk: IngressTrunkId(1),
        terminator: CarrierId(2),
        egress_trunk: EgressTrunkId(1),
        calling: number("12025550100"),
        called: number("99442071234567"),
        called_routed: number("442071234567"),
        started: WallTime::from_micros(STARTED + sequence as i64 * 1_000_000),
        ringing_ms: Some(2_000),
        answered_ms: Some(5_000),
        ended_ms: 66_200,
        duration_ms: 61_200,
        sip_status: 200,
        cause: Cause::NORMAL,
        released_by: Party::Ingress,
        sell: Some(priced(12_400_000)),
        buy: Some(priced(9_800_000)),
        ingress_call_id: format!("in-{sequence}"),
        codec: "PCMA/8000".into(),
        ..Cdr::default()
    }
}

fn failed(sequence: u64, attempt: u8) -> Cdr {
    Cdr {
        attempt: AttemptIndex(attempt),
        attempts: 0,
        answered_ms: None,
        duration_ms: 0,
        terminator: CarrierId(3),
        egress_trunk: EgressTrunkId(2),
        sip_status: 503,
        cause: Cause::NO_CIRCUIT,
        released_by: Party::Egress,
        sell: None,
        buy: None,
        ..answered(sequence)
    }
}

async fn collect(node: &Node, cdrs: &[Cdr], traces: &[(CallId, i64, Vec<u8>)]) {
    let cursor = Cursor { boot: 1, segment: 1, offset: 1 };
    let batch = Batch { node: NodeId(1), kind: "journal", folder: "test", cdrs, traces, cursor };
    node.store.insert_cdrs(batch).await.unwrap();
}

fn window(rest: &str) -> String {
    format!("/api/v1/cdrs?from=2026-01-01T00:00:00Z&till=2026-01-01T01:00:00Z{rest}")
}

#[tokio::test]
async fn a_search_without_a_window_is_refused() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    for (path, pointer) in [
        ("/api/v1/cdrs".to_owned(), "?from"),
        ("/api/v1/cdrs?from=2026-01-01T00:00:00Z".to_owned(), "?till"),
        ("/api/v1/cdrs?from=2026-01-02T00:00:00Z&till=2026-01-01T00:00:00Z".to_owned(), "?till"),
        ("/api/v1/cdrs?from=yesterday&till=today".to_owned(), "?from"),
        (window("&limit=5000"), "?limit"),
        (window("&call=7"), "?call"),
        (window("&digits=4*2"), "?digits"),
        (window("&digits="), "?digits"),
        ("/api/v1/cdrs?from=2026-01-01T00:00:00Z&till=2026-01-01T01:00:01Z&digits=12".to_owned(), "?digits"),
    ] {
        let problem = admin.get(&path).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{path}: {problem}");
    }
}

#[tokio::test]
async fn cdrs_come_newest_first_by_cursor_and_filter() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    let cdrs: Vec<Cdr> = (1..=7).flat_map(|sequence| [answered(sequence), failed(sequence, 1)]).collect();
    collect(&node, &cdrs, &[]).await;
    let (mut seen, mut path) = (Vec::new(), window("&limit=3"));
    loop {
        let part = admin.get(&path).await.expect(200);
        seen.extend(
            part["data"].as_array().unwrap().iter().map(|row| row["ingress_call_id"].as_str().unwrap().to_owned()),
        );
        match part["next_cursor"].as_str() {
            Some(cursor) => path = window(&format!("&limit=3&cursor={cursor}")),
            None => break,
        }
    }
    assert_eq!(seen, ["in-7", "in-6", "in-5", "in-4", "in-3", "in-2", "in-1"]);
    for (filter, wanted) in [
        ("&answered=false", 0),
        ("&kind=attempt", 7),
        ("&kind=attempt&cause=34", 7),
        ("&originator=car_1", 7),
        ("&terminator=car_3", 0),
        ("&called=4420", 7),
        ("&called=33", 0),
        ("&called=%2B44-20.71", 7),
        ("&called=+4420", 7),
        ("&calling=1-202-555-0100&exact=true", 7),
        ("&digits=712345", 7),
        ("&digits=721345", 0),
        ("&sip_call_id=in-4", 1),
        ("&call=00010000000100000000000000050000", 1),
    ] {
        let found = admin.get(&window(filter)).await.expect(200);
        assert_eq!(found["data"].as_array().unwrap().len(), wanted, "{filter}");
        let told = (&found["answered_by"], &found["passed"]);
        assert_eq!(told, (&json!("database"), &json!("it was told of no record yet")), "{filter}");
    }
    let row = &admin.get(&window("&limit=1")).await.expect(200)["data"][0];
    assert_eq!(row["started_at"], "2026-01-01T00:00:07.000000Z");
    assert_eq!(row["answered_at"], "2026-01-01T00:00:12.000000Z");
    assert_eq!((row["sell"]["price"].as_str(), row["margin"].as_str()), (Some("0.012813"), Some("0.002686")));
    assert_eq!(row["cause_text"], "normal release");
}

#[tokio::test]
async fn a_story_tells_ladder_candidates_and_price() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    node.publish().await;
    let image = std::fs::read(node.folder.path().join("snapshots").join(current(&node))).unwrap();
    let view = snapshot::View::open(&image);
    let mut whole = answered(9);
    whole.decision = decision(&view, whole.called_routed);
    let messages = ladder();
    let mut trace = Vec::new();
    cdr::trace::encode(call(9), &messages, &mut trace);
    collect(&node, &[whole, failed(9, 1)], &[(call(9), STARTED, trace)]).await;
    let story = admin.get(&format!("/api/v1/cdrs/{}/story", call(9))).await.expect(200);
    assert_eq!(story["attempts"].as_array().unwrap().len(), 1);
    let verdict = story["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("Answered by blux on attempt 2, talked 61.2 s"), "{verdict}");
    let told = story["ladder"]["messages"].as_array().unwrap();
    let labels: Vec<_> = told.iter().map(|message| message["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["INVITE", "INVITE", "180 Ringing"]);
    assert_eq!((told[0]["direction"].as_str(), told[0]["to"].as_str()), (Some("in"), Some("tandem")));
    assert_eq!((told[1]["leg"].as_str(), told[1]["to"].as_str()), (Some("egress"), Some("127.0.2.2:5060")));
    assert_eq!(told[2]["offset_us"], 2_000_000);
    assert!(told[0]["raw"].as_str().unwrap().contains("<script>"), "the text is the peer's, whole");
    let candidates = story["decision"]["candidates"].as_array().unwrap();
    assert_eq!((candidates[0]["verdict"].as_str(), candidates[1]["cause"].as_u64()), (Some("kept"), Some(324)));
    assert_eq!((story["sell"]["price"].as_str(), story["sell"]["agrees"].as_bool()), (Some("0.012813"), Some(true)));
    assert_eq!((story["margin"].as_str(), story["margin_percent"].as_f64()), (Some("0.002686"), Some(20.96)));
    admin.get(&format!("/api/v1/cdrs/{}/story", call(10))).await.problem(404, "not_found");
    admin.get("/api/v1/cdrs/9/story").await.problem(404, "not_found");
}

fn current(node: &Node) -> String {
    std::fs::read_to_string(node.folder.path().join("snapshots/current")).unwrap()
}

fn decision(view: &snapshot::View<'_>, called: Number) -> Vec<u8> {
    let at = WallTime::from_micros(i64::MAX / 2);
    let sell = rating::quote(view, units::DeckId(1), &called.into(), at).unwrap();
    let ask = rating::Ask {
        node: NodeId(1),
        ingress: IngressTrunkId(1),
        plan: PlanId(1),
        sell,
        originator: CarrierId(1),
        calling: Number::EMPTY,
        called,
        at,
        seed: 7,
        ..rating::Ask::default()
    };
    let mut routes = rating::Routes::default();
    rating::routes(view, &rating::Policies::default(), &ask, &mut routes).unwrap();
    let mut bytes = Vec::new();
    rating::decision::encode(view.revision(), &ask, &routes, &mut bytes);
    bytes
}

fn ladder() -> Vec<cdr::trace::Message> {
    let message = |ms: i64, leg, inbound, peer: &str, text: &str| cdr::trace::Message {
        at: WallTime::from_micros(STARTED + ms * 1_000),
        leg,
        inbound,
        peer: peer.parse::<SocketAddr>().unwrap(),
        bytes: text.as_bytes().to_vec(),
    };
    let invite = "INVITE sip:99442071234567@127.0.0.1 SIP/2.0\r\nFrom: \"<script>alert(1)</script>\" <sip:1@x>\r\n\r\n";
    vec![
        message(0, 0, true, "127.0.1.1:5060", invite),
        message(1, 1, false, "127.0.2.2:5060", "INVITE sip:00442071234567@127.0.2.2 SIP/2.0\r\n\r\n"),
        message(2_000, 1, true, "127.0.2.2:5060", "SIP/2.0 180 Ringing\r\n\r\n"),
    ]
}

#[tokio::test]
async fn the_window_of_the_overview_is_summed_by_carrier() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    let started = WallTime::from_micros(jiff::Timestamp::now().as_microsecond() - 60_000_000);
    let cdrs = [
        Cdr { started, ..answered(1) },
        Cdr { started, answered_ms: None, sell: None, buy: None, duration_ms: 0, ..answered(2) },
    ];
    collect(&node, &cdrs, &[]).await;
    for _ in 0..9_000 {
        let told = admin.get("/api/v1/overview").await.expect(200);
        let sums = &told["figures"]["sums"];
        if sums["calls"] == 2 {
            assert_eq!((sums["answered"].as_u64(), sums["asr_percent"].as_f64()), (Some(1), Some(50.0)));
            assert_eq!((sums["acd_ms"].as_u64(), sums["talked_ms"].as_u64()), (Some(61_200), Some(61_200)));
            assert_eq!(told["originators"][0]["sums"]["calls"], 2);
            let usd = json!({ "currency": "USD", "revenue": "0.012813", "cost": "0.00", "margin": "0.012813" });
            assert_eq!(sums["money"], json!([usd]), "no attempt was collected, so nothing is owed yet");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the sums never came");
}
