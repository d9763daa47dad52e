//! A carrier's user sees what is its carrier's, and nothing else: every operation of the document is tried.

use cdr::{Cdr, Party, Priced};
use panel::wire::CallRow;
use serde_json::{Value, json};
use store::{Batch, Cursor};
use units::{
    AccountId, CallId, CarrierId, Cause, DeckId, EgressTrunkId, IngressTrunkId, Money, NodeId, Number, ShardId, Terms,
    WallTime,
};

use crate::node::{Browser, Node};

/// 2023-01-01 in UTC.
const STARTED: i64 = 1_672_531_200_000_000;
const PASSWORD: &str = "a long enough password";
/// Within these stands what acme must never read: other carriers and their trunks, decks, numbers and prices, and what our own calls cost.
const SECRETS: [&str; 8] =
    ["blux", "oria", "0.0098", "0.02\"", "0.0777", "447777000111", "10.9.9.9", "internal remark"];

fn priced(nanos: i64) -> Priced {
    let terms = Terms { deck: DeckId(1), prefix_digits: 4, per_minute: Money::from_nanos(nanos), ..Terms::default() };
    Priced { terms, billed_s: 60, price: Money::from_nanos(nanos), ..Priced::default() }
}

fn call(sequence: u64, originator: u32, called: &str) -> Cdr {
    Cdr {
        call: CallId { node: NodeId(1), boot: 1, shard: ShardId(0), sequence },
        originator: CarrierId(originator),
        originator_account: AccountId(originator),
        ingress_trunk: IngressTrunkId(1),
        terminator: CarrierId(3),
        terminator_account: AccountId(3),
        egress_trunk: EgressTrunkId(1),
        egress_address: Some("10.9.9.9:5060".parse().unwrap()),
        egress_call_id: "oria-leg".into(),
        calling: Number::parse(b"12025550100").unwrap(),
        called: Number::parse(called.as_bytes()).unwrap(),
        called_routed: Number::parse(called.as_bytes()).unwrap(),
        started: WallTime::from_micros(STARTED + sequence as i64 * 1_000_000),
        answered_ms: Some(5_000),
        ended_ms: 65_000,
        duration_ms: 60_000,
        sip_status: 200,
        cause: Cause::NORMAL,
        released_by: Party::Ingress,
        sell: Some(priced(12_400_000)),
        buy: Some(priced(9_800_000)),
        ..Cdr::default()
    }
}

fn running(call: &str, originator: u32, called: &str) -> CallRow {
    CallRow {
        call: call.into(),
        state: "up".into(),
        ingress_trunk: originator,
        originator,
        egress_trunk: 1,
        terminator: 3,
        called: called.into(),
        talking_ms: Some(9),
        sell_per_minute: 12_400_000,
        buy_per_minute: 9_800_000,
        ..CallRow::default()
    }
}

/// A node with calls, payments and invoices of acme and of blux, and a user of acme's.
async fn furnished(node: &Node) -> (Browser<'_>, Browser<'_>) {
    let admin = node.log_in().await;
    admin.furnish().await;
    admin.make("/api/v1/decks", json!({ "code": "blux-sell" })).await;
    admin.fill("dck_4", "prefix,destination,rate\n4420,UK London,0.0777\n").await;
    let trunk = json!({ "code": "blux-in", "carrier": "car_2", "account": "acc_2", "plan": "pln_1", "sell_deck": "dck_4",
        "sources": [{ "network": "127.0.9.1" }] });
    admin.make("/api/v1/ingress-trunks", trunk).await;
    let failed = Cdr { cause: Cause(323), sip_status: 503, sell: None, buy: None, ..call(2, 1, "442071234568") };
    let cdrs = [call(1, 1, "442071234567"), failed, call(3, 2, "447777000111")];
    let cursor = Cursor { boot: 1, segment: 1, offset: 1 };
    let batch = Batch { node: NodeId(1), kind: "journal", folder: "test", cdrs: &cdrs, traces: &[], cursor };
    node.store.insert_cdrs(batch).await.unwrap();
    *node.link.calls.lock().unwrap() =
        vec![running(&"1".repeat(32), 1, "4420"), running(&"2".repeat(32), 2, "447777000111")];
    for account in ["acc_1", "acc_2"] {
        let payment = json!({ "amount": "100", "reference": format!("bank-{account}"), "note": "internal remark" });
        admin.send("POST", &format!("/api/v1/accounts/{account}/payments"), payment).await.expect(200);
        admin.make("/api/v1/invoices", json!({ "account": account, "month": "2023-01" })).await;
    }
    let user = json!({ "name": "anna@acme", "role": "carrier", "carrier": "car_1", "password": PASSWORD });
    let made = admin.make("/api/v1/users", user).await;
    assert_eq!((&made["role"], &made["carrier"]), (&json!("carrier"), &json!("car_1")));
    node.publish().await;
    let anna = node.log_in_as("anna@acme", PASSWORD).await;
    (admin, anna)
}

/// A path with ids in the place of its parameters.
fn filled(path: &str, carrier: u32) -> String {
    let account = format!("acc_{carrier}");
    let words = path.split('/').map(|word| match word {
        "{id}" if path.contains("/accounts/") => account.clone(),
        "{id}" if path.contains("/decks/") => format!("dck_{}", if carrier == 1 { 1 } else { 4 }),
        "{id}" if path.contains("/invoices/") => format!("inv_{carrier}"),
        "{id}" if path.contains("/carriers/") => format!("car_{carrier}"),
        word if word.starts_with('{') => "1".to_owned(),
        word => word.to_owned(),
    });
    words.collect::<Vec<_>>().join("/")
}

fn asked(path: &str) -> &'static str {
    match path {
        "/api/v1/portal/cdrs" => "?from=2023-01-01T00:00:00Z&till=2023-02-01T00:00:00Z",
        "/api/v1/portal/rates:check" => "?number=442071234567,1212",
        _ => "",
    }
}

#[tokio::test]
async fn every_operation_but_its_own_is_refused_to_a_carrier_s_user() {
    let node = Node::start().await;
    let (_, anna) = furnished(&node).await;
    let document: Value = serde_json::from_str(&web::openapi_text()).unwrap();
    let (mut refused, mut served) = (0, 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        let open = !path.starts_with("/api/v1/") || path == "/api/v1/sessions" || path.starts_with("/api/v1/me");
        for method in item.as_object().unwrap().keys().filter(|_| !open) {
            let at = format!("{}{}", filled(path, 1), asked(path));
            let reply = anna.send(&method.to_uppercase(), &at, Value::Null).await;
            if path.starts_with("/api/v1/portal/") {
                assert_eq!(reply.status, 200, "{method} {at}: {}", reply.text());
                let told = reply.text();
                let leak = SECRETS.into_iter().find(|secret| told.contains(secret));
                assert_eq!(leak, None, "{method} {at} tells {told}");
                served += 1;
            } else {
                reply.problem(403, "not_allowed");
                refused += 1;
            }
        }
    }
    assert!(served >= 9 && refused > 120, "{served} served, {refused} refused");
}

#[tokio::test]
async fn what_is_another_carrier_s_is_not_there() {
    let node = Node::start().await;
    let (_, anna) = furnished(&node).await;
    for path in ["accounts/{id}/payments", "accounts/{id}/invoices", "invoices/{id}/file", "decks/{id}/rates"] {
        let path = format!("/api/v1/portal/{path}");
        assert_eq!(anna.get(&filled(&path, 1)).await.status, 200, "{path}");
        anna.get(&filled(&path, 2)).await.problem(404, "not_found");
    }
    // What buys is nobody's price list.
    anna.get("/api/v1/portal/decks/dck_2/rates").await.problem(404, "not_found");
    for odd in ["/api/v1/portal/../cdrs", "/api/v1/portal/%2e%2e/carriers", "/api/v1/portal/overview/../../carriers"] {
        let reply = anna.get(odd).await;
        assert!(!reply.text().contains("blux") && reply.status != 500, "{odd}: {}", reply.text());
    }
    // A filter by another carrier is no filter that it has.
    let window = "from=2023-01-01T00:00:00Z&till=2023-02-01T00:00:00Z";
    anna.get(&format!("/api/v1/portal/cdrs?{window}&originator=car_2")).await.problem(422, "invalid");
}

#[tokio::test]
async fn a_carrier_s_user_sees_its_calls_balance_rates_payments_and_invoices() {
    let node = Node::start().await;
    let (_, anna) = furnished(&node).await;
    let seen = async |path: &str| anna.get(&format!("/api/v1/portal/{path}")).await.expect(200);
    let me = anna.get("/api/v1/me").await.expect(200);
    assert_eq!((&me["role"], &me["carrier"], &me["scopes"]), (&json!("carrier"), &json!("car_1"), &json!([])));
    let overview = seen("overview").await;
    assert_eq!((&overview["code"], &overview["calls"], &overview["answered"]), (&json!("acme"), &json!(1), &json!(1)));
    let account = json!({ "id": "acc_1", "code": "acme", "currency": "USD", "balance": "99.9876",
        "available": "99.9876",
        "credit_limit": null });
    assert_eq!(overview["accounts"], json!([account]));
    assert_eq!(overview["trunks"][0]["code"], "acme-in");
    let calls = seen("calls").await;
    assert_eq!((calls["data"].as_array().unwrap().len(), &calls["data"][0]["per_minute"]), (1, &json!("0.0124")));
    let cdrs = seen("cdrs?from=2023-01-01T00:00:00Z&till=2023-02-01T00:00:00Z").await;
    let rows = cdrs["data"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (&rows[0]["cause"], &rows[0]["sip_status"], &rows[0]["charge"]),
        (&Value::Null, &json!(503), &Value::Null)
    );
    assert_eq!((&rows[1]["cause"], &rows[1]["charge"]["price"]), (&json!(16), &json!("0.0124")));
    let decks = seen("decks").await;
    assert_eq!(decks["data"], json!([{ "id": "dck_1", "currency": "USD", "trunks": ["acme-in"] }]));
    assert_eq!(seen("decks/dck_1/rates").await["data"][0]["per_minute"], "0.0124");
    let check = seen("rates:check?number=%2B442071234567").await;
    assert_eq!((check["data"].as_array().unwrap().len(), &check["data"][0]["per_minute"]), (1, &json!("0.0124")));
    let payments = seen("accounts/acc_1/payments").await;
    assert_eq!(
        (&payments["data"][0]["amount"], &payments["data"][0]["reference"]),
        (&json!("100.00"), &json!("bank-acc_1"))
    );
    let invoices = seen("accounts/acc_1/invoices").await;
    assert_eq!((&invoices["data"][0]["id"], &invoices["data"][0]["total"]), (&json!("inv_1"), &json!("0.0124")));
    let file = anna.get("/api/v1/portal/invoices/inv_1/file?format=pdf").await;
    assert!(file.status == 200 && file.text().starts_with("%PDF"), "{}", file.status);
}

#[tokio::test]
async fn a_role_and_its_carrier_belong_together_and_end_together() {
    let node = Node::start().await;
    let (admin, anna) = furnished(&node).await;
    let user =
        |role: &str, carrier: Value| json!({ "name": "x", "role": role, "carrier": carrier, "password": PASSWORD });
    for (role, carrier) in [("carrier", Value::Null), ("viewer", json!("car_1")), ("admin", json!("car_1"))] {
        let problem = admin.send("POST", "/api/v1/users", user(role, carrier)).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/carrier");
    }
    admin.send("POST", "/api/v1/users", user("carrier", json!("car_99"))).await.problem(404, "not_found");
    // Without its carrier a user is nobody.
    admin.make("/api/v1/carriers", json!({ "code": "gone" })).await;
    let of_gone = json!({ "name": "gone", "role": "carrier", "carrier": "car_4", "password": PASSWORD });
    admin.make("/api/v1/users", of_gone).await;
    let gone = node.log_in_as("gone", PASSWORD).await;
    gone.get("/api/v1/portal/overview").await.expect(200);
    admin.send_if("DELETE", "/api/v1/carriers/car_4", Some("*"), Value::Null).await.expect(204);
    assert!(!node.store.user_by_name("gone").await.unwrap().unwrap().draft.active);
    let again = json!({ "user": "gone", "password": PASSWORD }).to_string();
    node.send("POST", "/api/v1/sessions", crate::node::JSON, again.as_bytes()).await.problem(401, "wrong_credentials");
    // Operators have pages of their own.
    admin.get("/api/v1/portal/overview").await.problem(403, "not_allowed");
    // Its own password is the user's.
    let new = json!({ "current": PASSWORD, "password": "another long password" });
    anna.send("PUT", "/api/v1/me/password", new).await.expect(204);
    let again = node.log_in_as("anna@acme", "another long password").await;
    again.get("/api/v1/portal/overview").await.expect(200);
    // Who must have a second factor sees nothing before.
    admin.send("PUT", "/api/v1/second-factor-roles", json!({ "roles": ["carrier"] })).await.expect(200);
    let bare = node.log_in_as("anna@acme", "another long password").await;
    bare.get("/api/v1/portal/overview").await.problem(403, "second_factor_missing");
    bare.get("/api/v1/me/second-factor").await.expect(200);
    let stored = node.store.user_by_name("anna@acme").await.unwrap().unwrap();
    admin.send("DELETE", &format!("/api/v1/users/usr_{}", stored.id), Value::Null).await.expect(204);
    again.get("/api/v1/portal/overview").await.problem(401, "not_logged_in");
}
