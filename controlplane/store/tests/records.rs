//! Stories about CDRs, traces and people, each told on SQLite and on MariaDB.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use cdr::Cdr;
use sample::{attempt, call, call_id, money, stranger, world};
use sqlx::Row as _;
use store::{ApiKeyDraft, Batch, CdrFilter, CdrKind, Cursor, Indexing, Side, Store, StoreError, UserDraft, WebSession};
use units::{NodeId, WallTime};

on_both! {
    a_record_comes_back_as_it_was_written
    odd_bytes_of_peers_are_stored_as_text
    the_cursor_moves_with_its_batch
    a_second_data_folder_may_not_write_as_the_same_node
    a_window_is_searched_newest_first_by_pages
    filters_narrow_a_window
    an_engine_is_told_each_record_that_came_after_its_first_word
    an_engine_is_told_older_records_when_that_is_asked_for
    a_window_is_mandatory
    the_overview_sums_by_carrier_and_currency
    a_captured_call_has_its_messages
    people_keys_and_logins_are_kept_by_hash
    a_code_of_a_second_factor_counts_once
}

const START: i64 = 1_800_000_000_000_000;

async fn collect(store: &Store, cdrs: &[Cdr], offset: u64) {
    let cursor = Cursor { boot: 1, segment: 1, offset };
    let batch = Batch { node: NodeId(1), kind: "journal", folder: "f", cdrs, traces: &[], cursor };
    store.insert_cdrs(batch).await.unwrap();
}

fn window() -> CdrFilter {
    CdrFilter {
        from: WallTime::from_micros(START),
        till: WallTime::from_micros(START + 3_600_000_000),
        limit: 100,
        ..CdrFilter::default()
    }
}

async fn a_record_comes_back_as_it_was_written(store: Store) {
    let w = world(&store).await;
    let full = call(w, 1, "0.0122", &[(sample::grant_id(1), "0.01"), (sample::grant_id(2), "0.0022")]);
    let records = [full.clone(), attempt(&full), stranger(2)];
    collect(&store, &records, 100).await;
    let story = store.story(call_id(1)).await.unwrap();
    assert_eq!(story.call.as_ref(), Some(&records[0]));
    assert_eq!(story.attempts, records[1..2]);
    assert_eq!(store.story(call_id(2)).await.unwrap().call.as_ref(), Some(&records[2]));
    assert!(matches!(store.story(call_id(3)).await, Err(StoreError::NotFound { what: "call", .. })));
}

async fn odd_bytes_of_peers_are_stored_as_text(store: Store) {
    let mut odd = stranger(1);
    odd.ingress_call_id = "'; DROP TABLE cdrs; -- \0 <script> 😀 ".repeat(20);
    odd.egress_call_id = "=cmd|' /C calc'!A0".into();
    odd.ended_ms = u64::MAX;
    collect(&store, &[odd], 1).await;
    let back = store.story(call_id(1)).await.unwrap().call.unwrap();
    assert!(back.ingress_call_id.starts_with("'; DROP TABLE cdrs; --   <script> 😀 "));
    assert_eq!(back.ingress_call_id.chars().count(), 255);
    assert_eq!(back.ended_ms, i64::MAX as u64);
}

async fn the_cursor_moves_with_its_batch(store: Store) {
    let node = NodeId(1);
    assert_eq!(store.cursor(node, "journal", "f").await.unwrap(), None);
    collect(&store, &[stranger(1)], 77).await;
    assert_eq!(store.cursor(node, "journal", "f").await.unwrap(), Some(Cursor { boot: 1, segment: 1, offset: 77 }));
    assert_eq!(store.cursor(node, "traces", "f").await.unwrap(), None);
}

async fn a_second_data_folder_may_not_write_as_the_same_node(store: Store) {
    collect(&store, &[stranger(1)], 1).await;
    let batch = Batch {
        node: NodeId(1),
        kind: "journal",
        folder: "another",
        cdrs: &[stranger(2)],
        traces: &[],
        cursor: Cursor::default(),
    };
    assert!(matches!(store.insert_cdrs(batch).await, Err(StoreError::Conflict { what: "node", .. })));
    assert!(store.story(call_id(2)).await.is_err());
}

async fn a_window_is_searched_newest_first_by_pages(store: Store) {
    let records: Vec<Cdr> = (0..700).map(stranger).collect();
    collect(&store, &records, 1).await;
    let (mut filter, mut found) = (window(), Vec::new());
    loop {
        let page = store.search_cdrs(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some((last.started, last.call.to_bytes(last.attempt)));
        found.extend(page);
    }
    let sequences: Vec<u64> = found.iter().map(|cdr| cdr.call.sequence).collect();
    assert_eq!(sequences, (0..700).rev().collect::<Vec<_>>());
}

async fn filters_narrow_a_window(store: Store) {
    let w = world(&store).await;
    let answered = call(w, 1, "1", &[]);
    collect(&store, &[answered.clone(), attempt(&answered), stranger(2)], 1).await;
    let narrowed: [(&str, CdrFilter, usize); 16] = [
        ("calls", window(), 2),
        ("attempts", CdrFilter { kind: CdrKind::Attempts, ..window() }, 1),
        ("all", CdrFilter { kind: CdrKind::All, ..window() }, 3),
        ("calling", CdrFilter { calling: Some("1415".into()), ..window() }, 1),
        ("called", CdrFilter { called: Some("+4420".into()), ..window() }, 1),
        ("not called", CdrFilter { called: Some("4421".into()), ..window() }, 0),
        ("digits", CdrFilter { digits: Some("0712".into()), ..window() }, 1),
        ("no such digits", CdrFilter { digits: Some("0721".into()), ..window() }, 0),
        ("originator", CdrFilter { originator: Some(w.originator), ..window() }, 1),
        ("terminator", CdrFilter { terminator: Some(w.terminator), kind: CdrKind::All, ..window() }, 2),
        ("cause", CdrFilter { cause: Some(301), ..window() }, 1),
        ("status", CdrFilter { sip_status: Some(200), ..window() }, 1),
        ("answered", CdrFilter { answered: Some(false), ..window() }, 1),
        ("call", CdrFilter { call: Some(call_id(1)), kind: CdrKind::All, ..window() }, 2),
        ("Call-ID", CdrFilter { sip_call_id: Some("abc@127.0.1.1".into()), ..window() }, 1),
        ("trunks", CdrFilter { ingress_trunk: Some(w.ingress), egress_trunk: Some(w.egress), ..window() }, 1),
    ];
    for (name, filter, count) in narrowed {
        assert_eq!(store.search_cdrs(&filter).await.unwrap().len(), count, "{name}");
    }
}

async fn an_engine_is_told_each_record_that_came_after_its_first_word(store: Store) {
    collect(&store, &[stranger(1)], 1).await;
    assert_eq!(store.indexing().await.unwrap(), Indexing::default());
    store.keep_indexing().await.unwrap();
    store.keep_indexing().await.unwrap();
    let w = world(&store).await;
    let answered = call(w, 2, "1", &[]);
    collect(&store, &[stranger(1), answered.clone(), attempt(&answered)], 2).await;
    collect(&store, &[stranger(3)], 3).await;
    collect(&store, &[stranger(3)], 4).await;
    assert_eq!(store.unindexed().await.unwrap(), 3, "those that were there already are not told");
    let taken = store.take_unindexed().await.unwrap();
    assert_eq!(taken.cdrs, [answered.clone(), attempt(&answered), stranger(3)]);
    assert!(store.take_unindexed().await.unwrap().rows.is_empty(), "they are somebody's");
    assert!(store.indexing().await.unwrap().oldest.is_some());
    store.not_indexed(&taken.rows).await.unwrap();
    assert_eq!(store.take_unindexed().await.unwrap().rows, taken.rows);
    store.indexed(&taken.rows).await.unwrap();
    assert_eq!((store.unindexed().await.unwrap(), store.indexing().await.unwrap().oldest), (0, None));
}

async fn an_engine_is_told_older_records_when_that_is_asked_for(store: Store) {
    let old = |sequence| Cdr { started: WallTime::from_micros(1_700_000_000_000_000), ..stranger(sequence) };
    collect(&store, &(1..=1_200).map(old).collect::<Vec<Cdr>>(), 1).await;
    let from = WallTime::from_micros(1_600_000_000_000_000);
    assert!(matches!(store.index_again(from).await, Err(StoreError::Invalid { .. })), "there is no engine");
    store.keep_indexing().await.unwrap();
    assert_eq!(store.index_again(from).await.unwrap(), 1_200);
    assert_eq!(store.index_again(from).await.unwrap(), 0, "it has them");
    assert_eq!((store.unindexed().await.unwrap(), store.indexing().await.unwrap().since), (1_200, Some(from)));
    assert_eq!(store.take_unindexed().await.unwrap().cdrs.len(), 1_200);
    // Nobody has told it anything for days: what came meanwhile it lacks.
    store.set_setting("search_till", Some("1")).await.unwrap();
    collect(&store, &[stranger(2_000)], 2).await;
    store.keep_indexing().await.unwrap();
    let indexing = store.indexing().await.unwrap();
    assert!(indexing.since > Some(from) && indexing.since < indexing.till, "{indexing:?}");
    assert_eq!(store.unindexed().await.unwrap(), 1_200);
}

async fn a_window_is_mandatory(store: Store) {
    let refused = store.search_cdrs(&CdrFilter::default()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Invalid { field: "from", .. }), "{refused}");
    let (from, till) = (WallTime::from_micros(0), WallTime::from_micros(START));
    assert!(store.overview(Side::Originator, from, till).await.is_err());
}

async fn the_overview_sums_by_carrier_and_currency(store: Store) {
    let w = world(&store).await;
    let (one, two) = (call(w, 1, "1", &[]), call(w, 2, "0.5", &[]));
    collect(&store, &[one.clone(), attempt(&one), two.clone(), attempt(&two), stranger(3)], 1).await;
    let (from, till) = (window().from, window().till);
    let by_originator = store.overview(Side::Originator, from, till).await.unwrap();
    assert_eq!(by_originator.len(), 2);
    let acme = &by_originator[0];
    assert_eq!((acme.carrier, acme.calls, acme.answered, acme.attempts), (w.originator, 2, 2, 2));
    assert_eq!((acme.revenue, acme.cost, acme.duration_ms), (money("1.5"), money("0.75"), 120_690));
    assert_eq!((acme.pdd_us, acme.pdd_count, acme.currency.as_str()), (240_000, 2, "USD"));
    let by_terminator = store.overview(Side::Terminator, from, till).await.unwrap();
    assert_eq!((by_terminator[0].attempts, by_terminator[0].cost), (2, money("0.75")));
}

async fn a_captured_call_has_its_messages(store: Store) {
    let traces = [(call_id(1), START, vec![0, 159, 255]), (call_id(2), START, vec![1; 100_000])];
    let cursor = Cursor { boot: 1, segment: 1, offset: 9 };
    let batch = Batch { node: NodeId(1), kind: "traces", folder: "f", cdrs: &[], traces: &traces, cursor };
    store.insert_cdrs(batch).await.unwrap();
    store.insert_cdrs(batch).await.unwrap();
    assert_eq!(store.story(call_id(1)).await.unwrap().trace, Some(vec![0, 159, 255]));
    assert_eq!(store.story(call_id(2)).await.unwrap().trace.map(|bytes| bytes.len()), Some(100_000));
}

async fn people_keys_and_logins_are_kept_by_hash(store: Store) {
    let draft = UserDraft {
        name: "anna".into(),
        role: "owner".into(),
        password_hash: "$argon2id$…".into(),
        active: true,
        carrier: None,
    };
    let anna = store.create_user(&draft).await.unwrap();
    assert_eq!(store.user_by_name("anna").await.unwrap(), Some(anna.clone()));
    assert!(matches!(store.create_user(&draft).await, Err(StoreError::Conflict { .. })));
    let key = ApiKeyDraft {
        name: "ci".into(),
        secret_hash: [7; 32],
        scopes: "cdr:read".into(),
        created_by: anna.id,
        expires: None,
        networks: "192.0.2.0/24 2001:db8::7".into(),
    };
    let made = store.create_api_key(&key).await.unwrap();
    assert_eq!(store.api_key(made.id).await.unwrap(), made);
    store.set_api_key_networks(made.id, "").await.unwrap();
    assert_eq!(store.api_key(made.id).await.unwrap().draft.networks, "");
    let long = "192.0.2.7 ".repeat(201);
    assert!(matches!(store.set_api_key_networks(made.id, &long).await, Err(StoreError::Invalid { .. })));
    store.touch_api_key(made.id).await.unwrap();
    store.revoke_api_key(made.id).await.unwrap();
    let gone = store.set_api_key_networks(made.id, "192.0.2.7").await;
    assert!(matches!(gone, Err(StoreError::NotFound { .. })), "{gone:?}");
    let kept = store.api_key_by_hash(&[7; 32]).await.unwrap().unwrap();
    assert!(kept.last_used.is_some() && kept.revoked.is_some());
    assert_eq!(store.api_key_by_hash(&[8; 32]).await.unwrap(), None);

    let far = WallTime::from_micros(i64::MAX / 2);
    let login = WebSession {
        secret_hash: [9; 32],
        user: anna.id,
        csrf: "c".into(),
        created: far,
        expires: far,
        address: "::1".into(),
    };
    store.create_web_session(&login).await.unwrap();
    assert_eq!(store.web_session(&[9; 32]).await.unwrap(), Some((login.clone(), anna.clone(), false)));
    store.update_user(anna.id, &UserDraft { active: false, ..draft }).await.unwrap();
    assert_eq!(store.web_session(&[9; 32]).await.unwrap(), None, "a user that may not log in is not logged in");
    store.delete_web_session(&[9; 32]).await.unwrap();
    store.delete_web_session(&[9; 32]).await.unwrap();
    store.delete_user(anna.id).await.unwrap();
    assert!(matches!(store.delete_user(anna.id).await, Err(StoreError::NotFound { .. })));
}

/// Views are for people with a database shell, so these stories ask as they would: columns as text.
async fn shown(database: &databases::Database, view: &str, columns: &[&str]) -> Vec<Vec<String>> {
    let kind = if database.url.starts_with("sqlite:") { "TEXT" } else { "CHAR" };
    let casts: Vec<String> =
        columns.iter().map(|column| format!("COALESCE(CAST({column} AS {kind}),'-') AS {column}")).collect();
    let sql = sqlx::AssertSqlSafe(format!("SELECT {} FROM {view} ORDER BY 1,2", casts.join(",")));
    if let Some(path) = database.url.strip_prefix("sqlite:") {
        let pool = sqlx::SqlitePool::connect(path).await.unwrap();
        let rows = sqlx::query(sql).fetch_all(&pool).await.unwrap();
        rows.iter().map(|row| columns.iter().map(|column| row.get(*column)).collect()).collect()
    } else {
        let pool = sqlx::MySqlPool::connect(&database.url).await.unwrap();
        let rows = sqlx::query(sql).fetch_all(&pool).await.unwrap();
        rows.iter().map(|row| columns.iter().map(|column| row.get(*column)).collect()).collect()
    }
}

async fn views_are_readable(database: databases::Database) {
    let w = world(&database.store).await;
    database.store.payment(w.payer, money("10"), "first", "").await.unwrap();
    let cut = Cdr { written_off: money("0.5"), ..call(w, 1, "0.012345678", &[]) };
    collect(&database.store, &[cut], 1).await;
    let id = call_id(1).to_string();
    let cdrs =
        shown(&database, "cdrs_readable", &["call_id", "started_utc", "sell_amount", "buy_amount", "released_by"]);
    assert_eq!(cdrs.await, [[id.as_str(), "2027-01-15 08:00:01.000000", "0.012345678", "0.006172839", "ingress"]]);
    let accounts = ["account", "carrier", "kind", "available", "settled", "funds", "owed", "credit_limit", "zone"];
    let accounts = shown(&database, "accounts_readable", &accounts).await;
    let zero = "0.000000000";
    let payer = ["acme-usd", "acme", "prepaid", "9.987654322", "0.012345678", "10.000000000", zero, "-", "UTC"];
    assert_eq!(accounts, [payer, ["oria-usd", "oria", "prepaid", zero, zero, zero, "0.006172839", "-", "UTC"]]);
    let entries = shown(&database, "entries_readable", &["account", "kind", "available", "owed"]).await;
    let [paid, posted, _, owed] = &entries[..] else { panic!("four entries: {entries:?}") };
    assert_eq!(paid, &["acme-usd", "payment", "10.000000000", zero]);
    assert_eq!(posted, &["acme-usd", "post", "-0.012345678", zero]);
    assert_eq!(owed, &["oria-usd", "cost", zero, "0.006172839"]);
    let given_up = shown(&database, "entries_readable", &["kind", "written_off", "call_id", "node"]).await;
    assert!(
        given_up.contains(&["write_off", "0.500000000", &id, &call_id(1).node.to_string()].map(str::to_owned).into())
    );
    let rates = ["deck", "prefix", "per_minute", "first_per_minute", "hours", "jurisdiction", "till_utc"];
    let rates = shown(&database, "rates_readable", &rates).await;
    assert_eq!(rates[1], ["acme-sell", "4420", "0.012000000", "-", "any", "any", "-"]);
    let sums =
        ["day_utc", "originator", "ingress_trunk", "terminator", "prefix", "currency", "calls", "revenue", "cost"];
    let sums = shown(&database, "sums_readable", &sums).await;
    let midnight = ["2027-01-15 00:00:00.000000", "acme", "acme-in", "oria", "44207"].map(str::to_owned);
    assert_eq!(sums.len(), 1, "{sums:?}");
    assert_eq!(sums[0][..5], midnight);
    assert_eq!(sums[0][5..], ["USD", "1", "0.012345678", "0.006172839"]);
}

#[tokio::test]
async fn the_readable_views_of_sqlite_show_codes_decimals_and_dates() {
    views_are_readable(databases::sqlite().await).await;
}

#[tokio::test]
async fn the_readable_views_of_mariadb_show_codes_decimals_and_dates() {
    views_are_readable(databases::mariadb().await).await;
}

async fn a_code_of_a_second_factor_counts_once(store: Store) {
    let draft = UserDraft { name: "anna".into(), role: "operator".into(), active: true, ..UserDraft::default() };
    let anna = store.create_user(&draft).await.unwrap().id;
    assert!(matches!(store.begin_second_factor(anna + 1, &[1; 20]).await, Err(StoreError::NotFound { .. })));
    store.begin_second_factor(anna, &[1; 20]).await.unwrap();
    store.begin_second_factor(anna, &[2; 20]).await.unwrap();
    // It is not in force before it is proved: no code counts, and a log-in wants none.
    assert!(!store.take_step(anna, 100).await.unwrap());
    assert_eq!(store.user(anna).await.unwrap().unwrap().second_factor, None);
    let codes = [[3; 32], [4; 32]];
    assert!(store.prove_second_factor(anna, 100, &codes).await.unwrap());
    assert!(!store.prove_second_factor(anna, 101, &codes).await.unwrap());
    assert!(matches!(store.begin_second_factor(anna, &[5; 20]).await, Err(StoreError::Conflict { .. })));
    let stands = store.second_factor(anna).await.unwrap().unwrap();
    assert_eq!((stands.secret, stands.codes_left, stands.proved.is_some()), (vec![2; 20], 2, true));
    assert!(store.user_by_name("anna").await.unwrap().unwrap().second_factor.is_some());
    for (step, taken) in [(100, false), (99, false), (101, true), (101, false), (103, true), (102, false)] {
        assert_eq!(store.take_step(anna, step).await.unwrap(), taken, "{step}");
    }
    for (code, taken) in [([9; 32], false), ([3; 32], true), ([3; 32], false)] {
        assert_eq!(store.take_recovery_code(anna, &code).await.unwrap(), taken, "{code:?}");
    }
    assert_eq!(store.second_factor(anna).await.unwrap().unwrap().codes_left, 1);
    store.replace_recovery_codes(anna, &[[6; 32]]).await.unwrap();
    assert!(!store.take_recovery_code(anna, &[4; 32]).await.unwrap());
    assert!(store.remove_second_factor(anna).await.unwrap() && !store.remove_second_factor(anna).await.unwrap());
    assert!(!store.take_recovery_code(anna, &[6; 32]).await.unwrap(), "they went with it");
    assert_eq!(store.second_factor(anna).await.unwrap(), None);
    store.set_second_factor_roles(&["operator", "admin"]).await.unwrap();
    assert_eq!(store.second_factor_roles().await.unwrap(), ["operator", "admin"]);
    store.begin_second_factor(anna, &[7; 20]).await.unwrap();
    store.delete_user(anna).await.unwrap();
}
