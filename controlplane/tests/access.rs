//! What somebody on the machine settles: who comes in (`tandem keys`, `tandem users`), who is told, and what carriers are told of their calls
//! (`tandem invoices`, `tandem rerate`, `tandem cdr compare`).
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use std::process::{Command, Output};

use cdr::{Cdr, Priced};
use serde_json::{Value, json};
use snapshot::Rate;
use store::{
    AccountDraft, AccountKind, Batch, CarrierDraft, Cursor, DeckDraft, StandingAlarm, Store, UserDraft, WebhookDraft,
};
use tandem_controlplane::folder::Folder;
use tempfile::TempDir;
use units::{AccountId, CallId, CarrierId, Currency, Money, NodeId, Number, ShardId, Terms, WallTime};
use web::auth::hash;

struct Switch {
    store: Store,
    folder: Folder,
    _temporary: TempDir,
}

impl Switch {
    async fn new() -> Switch {
        let temporary = TempDir::new().unwrap();
        let folder = Folder::open(temporary.path()).unwrap();
        let store = Store::open(&folder.default_database()).await.unwrap();
        Switch { store, folder, _temporary: temporary }
    }

    fn tandem(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command.args(words).env("TANDEM_DATA", self.folder.path()).env_remove("TANDEM_DATABASE").output().unwrap()
    }

    /// What is printed; the command must succeed.
    fn said(&self, words: &[&str]) -> String {
        let output = self.tandem(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.said(&[words, &["-o", "json"]].concat())).unwrap()
    }

    /// The exit code, and what is said about it.
    fn refused(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = self.tandem(words);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_made_bound_and_taken_back_on_the_machine() {
    let switch = Switch::new().await;
    let from = ["--from", "2001:db8::/32", "--from", "192.0.2.7"];
    let create =
        [&["keys", "create", "billing", "--scope", "cdr:read", "--scope", "read"][..], &from, &["--days", "7"]];
    let secret = switch.said(&create.concat());
    let kept = switch.store.api_key_by_hash(&hash(secret.trim())).await.unwrap().expect("the secret is the key's");
    assert_eq!(
        (kept.draft.scopes.as_str(), kept.draft.networks.as_str()),
        ("cdr:read read", "192.0.2.7 2001:db8::/32")
    );
    assert!(kept.draft.expires.unwrap() - kept.created > 6 * 86_400_000_000);
    let listed = switch.json(&["keys", "list"]);
    assert_eq!(listed[0]["networks"], serde_json::json!(["192.0.2.7", "2001:db8::/32"]));
    switch.said(&["keys", "only", "billing"]);
    assert_eq!(switch.json(&["keys", "list"])[0]["networks"], serde_json::json!([]));

    let (code, why) = switch.refused(&["keys", "only", "billing", "--from", "192.0.2.9/28"]);
    assert!(code == Some(2) && why.contains("is 192.0.2.0/28 meant?"), "{code:?} {why}");
    let (code, why) = switch.refused(&["keys", "create", "x", "--scope", "everything"]);
    assert!(code == Some(2) && why.contains("is no scope"), "{code:?} {why}");
    assert_eq!(switch.refused(&["keys", "delete", "biling"]).0, Some(4));
    switch.said(&["keys", "create", "billing", "--scope", "read"]);
    let (code, why) = switch.refused(&["keys", "delete", "billing"]);
    assert!(code == Some(2) && why.contains("say the id"), "{code:?} {why}");
    switch.said(&["keys", "delete", listed[0]["id"].as_str().unwrap()]);
    assert!(switch.store.api_key(kept.id).await.unwrap().revoked.is_some());
    let acts = switch.store.audit_entries(None, None, 10).await.unwrap();
    let acts: Vec<(&str, &str)> = acts.iter().map(|act| (act.actor.as_str(), act.action.as_str())).collect();
    let by = "tandem keys";
    assert_eq!(acts, [(by, "delete"), (by, "create"), (by, "update"), (by, "create")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_second_factor_is_taken_off_on_the_machine() {
    let switch = Switch::new().await;
    let draft = UserDraft { name: "anna".into(), role: "admin".into(), active: true, ..UserDraft::default() };
    let anna = switch.store.create_user(&draft).await.unwrap();
    let off = ["users", "second-factor-off", "anna"];
    assert_eq!(switch.refused(&off).0, Some(4), "there is none");
    switch.store.begin_second_factor(anna.id, &[1; 20]).await.unwrap();
    assert!(switch.store.prove_second_factor(anna.id, 1, &[]).await.unwrap());
    assert!(switch.json(&["users", "list"])[0]["second_factor_since_at"].is_string());
    switch.said(&off);
    assert_eq!(switch.json(&["users", "list"])[0]["second_factor_since_at"], Value::Null);
    assert_eq!(switch.refused(&["users", "second-factor-off", "nobody"]).0, Some(4));
    let act = switch.store.audit_entries(None, None, 1).await.unwrap().remove(0);
    assert_eq!(
        (act.actor.as_str(), act.action.as_str(), act.object.as_str()),
        ("tandem users", "second_factor_off", "usr_1")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alarms_and_what_webhooks_are_to_be_told_are_seen_on_the_machine() {
    let switch = Switch::new().await;
    let (name, url, events) = ("noc".to_owned(), "https://noc.example.net/".to_owned(), "alarm.*".to_owned());
    let draft = WebhookDraft { name, url, events, active: true };
    switch.store.create_webhook(&draft, &store::draw_secret()).await.unwrap();
    let alarm = StandingAlarm {
        name: "drained".into(),
        level: "warn".into(),
        what: "the node is drained".into(),
        mend: "tandem node drain --off".into(),
    };
    switch.store.set_alarms(NodeId(2), &[alarm]).await.unwrap();
    assert_eq!(switch.json(&["alarms"])[0]["node"], 2);
    let told = switch.json(&["webhooks", "deliveries", "noc"]);
    assert_eq!((&told[0]["kind"], &told[0]["state"]), (&"alarm.raised".into(), &"waiting".into()));
    switch.said(&["webhooks", "replay", "whk_1", told[0]["event"].as_str().unwrap()]);
    assert_eq!(switch.refused(&["webhooks", "replay", "noc", "none"]).0, Some(4));
    switch.store.set_alarms(NodeId(2), &[]).await.unwrap();
    assert_eq!(switch.json(&["alarms"]), serde_json::json!([]));
    assert!(switch.json(&["alarms", "--all"])[0]["cleared_at"].is_string());
    assert!(switch.said(&["webhooks", "list"]).contains("https://noc.example.net/"));
}

/// Two calls of 2023-10-01, a minute each, for 0.0124 and 0.02.
async fn with_calls() -> Switch {
    let switch = Switch::new().await;
    let mut edit = switch.store.edit().await.unwrap();
    let carrier = CarrierDraft { code: "acme".into(), name: "Acme Ltd".into(), ..CarrierDraft::default() };
    let carrier = edit.create(&carrier).await.unwrap().id;
    let account = AccountDraft {
        code: "acme-usd".into(),
        carrier: CarrierId(carrier),
        currency: Currency::USD,
        kind: AccountKind::Postpaid,
        credit_limit: None,
        caps: store::Caps::default(),
        netted: false,
        owed_limit: None,
        thresholds: store::Thresholds::default(),
    };
    let account = edit.create(&account).await.unwrap().id;
    edit.commit().await.unwrap();
    let call = |sequence: u64, called: &[u8], nanos: i64| Cdr {
        call: CallId { node: NodeId(1), boot: 1, shard: ShardId(0), sequence },
        originator: CarrierId(carrier),
        originator_account: AccountId(account),
        called_routed: Number::parse(called).unwrap(),
        started: WallTime::from_micros(1_696_118_400_000_000 + sequence as i64 * 60_000_000),
        answered_ms: Some(5_000),
        duration_ms: 60_000,
        sell: Some(Priced {
            terms: Terms { prefix_digits: 2, ..Terms::default() },
            billed_s: 60,
            price: Money::from_nanos(nanos),
            ..Priced::default()
        }),
        ..Cdr::default()
    };
    let cdrs = [call(1, b"442071234567", 12_400_000), call(2, b"493012345", 20_000_000)];
    let cursor = Cursor { boot: 1, segment: 1, offset: 1 };
    let batch = Batch { node: NodeId(1), kind: "journal", folder: "test", cdrs: &cdrs, traces: &[], cursor };
    switch.store.insert_cdrs(batch).await.unwrap();
    switch
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_is_invoiced_and_taken_home() {
    let switch = with_calls().await;
    let made = switch.said(&["invoices", "make", "acme-usd", "--month", "2023-10"]);
    assert_eq!(made.trim(), "invoice 1: 2 calls, 2 lines, 0.0324 USD");
    let again = switch.refused(&["invoices", "make", "acme-usd", "--month", "2023-10"]);
    assert_eq!(again.0, Some(5), "{}", again.1);
    assert_eq!(switch.refused(&["invoices", "make", "acme-usd", "--month", "soon"]).0, Some(2));
    assert!(switch.said(&["invoices", "get", "1"]).contains("Acme Ltd"));
    assert!(switch.tandem(&["invoices", "get", "1", "--format", "pdf"]).stdout.starts_with(b"%PDF-1.4"));
    assert_eq!(switch.said(&["invoices", "get", "1", "--format", "csv"]).lines().count(), 3);
    assert_eq!(switch.said(&["invoices", "void", "1"]).trim(), "invoice 1 is void");
    let listed = switch.json(&["invoices", "list", "--account", "acme-usd"]);
    assert_eq!((&listed[0]["total"], &listed[0]["voided_at"].is_string()), (&json!("0.0324"), &true));
    assert_eq!(switch.refused(&["invoices", "get", "9"]).0, Some(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_a_month_are_priced_once_more_and_the_difference_is_booked_once() {
    let switch = with_calls().await;
    let mut edit = switch.store.edit().await.unwrap();
    let deck = edit.create(&DeckDraft { code: "right".into(), ..DeckDraft::default() }).await.unwrap().id;
    let per_minute = Money::parse("0.01").unwrap();
    let rate = Rate { prefix: "44".into(), per_minute, ..Rate::default() };
    edit.replace_rates(deck, &[rate], "sample").await.unwrap();
    edit.commit().await.unwrap();
    let ask = ["rerate", "report", "acme-usd", "--priced-by", "right", "--why", "the wrong deck"];
    let made = switch.json(&[&ask[..], &["--month", "2023-10"]].concat());
    let sums = &made["rerating"]["sums"];
    assert_eq!((&sums["before"], &sums["after"], &sums["calls"]), (&json!("0.0324"), &json!("0.03"), &json!(2)));
    let kinds: Vec<&Value> = made["lines"].as_array().unwrap().iter().map(|line| &line["kind"]).collect();
    assert_eq!(kinds, ["changed", "unrated"]);
    let days = switch.json(&[&ask[..], &["--from", "2023-10-01", "--till", "2023-11-01"]].concat());
    assert_eq!(days["lines"], made["lines"]);
    assert_eq!(switch.said(&["rerate", "book", "1"]).trim(), "re-rating 1: 0.0024 USD booked on acme-usd");
    for again in ["1", "2"] {
        assert_eq!(switch.refused(&["rerate", "book", again]).0, Some(5), "its calls are corrected already");
    }
    assert_eq!(switch.json(&["rerate", "show", "2"])["booked_before"], json!([1]));
    assert_eq!(switch.said(&["rerate", "undo", "1"]).trim(), "re-rating 1: -0.0024 USD booked on acme-usd");
    assert_eq!(switch.json(&["rerate", "list"]).as_array().unwrap().len(), 2);
    assert_eq!(switch.refused(&["rerate", "report", "acme-usd", "--month", "soon", "--why", "a"]).0, Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_carriers_list_is_compared_with_the_records() {
    let switch = with_calls().await;
    let list = switch.folder.path().join("october.csv");
    let path = list.to_str().unwrap();
    let window = ["--from", "2023-10-01", "--till", "2023-11-01"];
    let compare =
        |more: &[&'static str]| [&["cdr", "compare", path, "--originator", "acme"][..], &window, more].concat();
    let same = "destination,calldate,billsec,price\n442071234567,2023-10-01T00:01:03Z,60,0.0124\n\
                493012345,2023-10-01 00:02:00,60,0.02\n";
    std::fs::write(&list, same).unwrap();
    assert_eq!(switch.json(&compare(&[])), json!([]));
    let other = same.replace("493012345", "4930999").replace(",60,0.0124", ",60,0.0129");
    std::fs::write(&list, other).unwrap();
    let found = switch.tandem(&[&compare(&[])[..], &["-o", "json"]].concat());
    assert_eq!(found.status.code(), Some(3));
    let told: Value = serde_json::from_slice(&found.stdout).unwrap();
    let kinds: Vec<&Value> = told.as_array().unwrap().iter().map(|row| &row["what"]).collect();
    assert_eq!(kinds, ["price", "only_ours", "only_theirs"]);
    assert_eq!(
        String::from_utf8_lossy(&found.stderr).trim(),
        "theirs: 2 calls, 120 s, 0.0329; ours: 2 calls, 120 s, 0.0324; both have 1"
    );
    std::fs::write(&list, "destination,billsec\n").unwrap();
    let (code, why) = switch.refused(&compare(&[]));
    assert!(code == Some(2) && why.contains("no column start"), "{why}");
}
