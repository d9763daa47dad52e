//! Stories about CDRs by day: parts of the table, what goes when it is old, and by which index a search goes.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/many.rs"]
#[allow(dead_code, reason = "the story of five million records uses the rest")]
mod many;
#[path = "support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use std::path::Path;

use cdr::Cdr;
use sample::{attempt, call, call_id, money, stranger, world};
use sqlx::{AssertSqlSafe, Executor as _};
use store::{Batch, CdrFilter, Cursor, Store};
use units::{NodeId, WallTime};

on_both! {
    every_kind_of_search_goes_by_its_index
    a_whole_number_is_not_the_beginning_of_a_longer_one
    what_was_paid_is_not_paid_again_under_another_start
    old_records_go_and_young_ones_stay
}

const DAY: i64 = 86_400_000_000;
const START: i64 = 1_800_000_000_000_000;

async fn collect(store: &Store, cdrs: &[Cdr], offset: u64) -> u64 {
    let cursor = Cursor { boot: 1, segment: 1, offset };
    let batch = Batch { node: NodeId(1), kind: "journal", folder: "f", cdrs, traces: &[], cursor };
    store.insert_cdrs(batch).await.unwrap().inserted
}

fn window() -> CdrFilter {
    let (from, till) = (WallTime::from_micros(START), WallTime::from_micros(START + DAY));
    CdrFilter { from, till, limit: 100, ..CdrFilter::default() }
}

async fn every_kind_of_search_goes_by_its_index(store: Store) {
    let rows: Vec<Cdr> = (0..300).map(stranger).collect();
    collect(&store, &rows, 1).await;
    let expected: [(&str, CdrFilter); 9] = [
        ("cdrs_calling", CdrFilter { calling: Some("14155550100".into()), exact: true, ..window() }),
        ("cdrs_calling", CdrFilter { calling: Some("1415555".into()), ..window() }),
        ("cdrs_called", CdrFilter { called: Some("+44".into()), ..window() }),
        ("cdrs_originator", CdrFilter { originator: Some(1), ..window() }),
        ("cdrs_terminator", CdrFilter { terminator: Some(1), ..window() }),
        ("cdrs_ingress_trunk", CdrFilter { ingress_trunk: Some(1), originator: Some(1), ..window() }),
        ("cdrs_egress_trunk", CdrFilter { egress_trunk: Some(1), called: Some("44".into()), ..window() }),
        ("cdrs_ingress_call_id", CdrFilter { sip_call_id: Some("abc".into()), ..window() }),
        ("cdrs_egress_call_id", CdrFilter { sip_call_id: Some("abc".into()), ..window() }),
    ];
    for (index, filter) in expected {
        let steps = store.explain_cdr_search(&filter).await.unwrap();
        assert!(steps.iter().any(|step| step.index == index), "{index}: {steps:#?}");
    }
}

async fn a_whole_number_is_not_the_beginning_of_a_longer_one(store: Store) {
    let w = world(&store).await;
    let record = call(w, 1, "1", &[]);
    collect(&store, &[record.clone(), attempt(&record)], 1).await;
    for (calling, found) in [("14155550100", 1), ("+14155550100", 1), ("1415555010", 0)] {
        let filter = CdrFilter { calling: Some(calling.into()), exact: true, ..window() };
        assert_eq!(store.search_cdrs(&filter).await.unwrap().len(), found, "{calling}");
    }
}

async fn what_was_paid_is_not_paid_again_under_another_start(store: Store) {
    let w = world(&store).await;
    store.payment(w.payer, money("10"), "first", "").await.unwrap();
    let record = call(w, 1, "1", &[]);
    assert_eq!(collect(&store, std::slice::from_ref(&record), 1).await, 1);
    let other_day = Cdr { started: WallTime::from_micros(START + 3 * DAY), ..record.clone() };
    assert_eq!(collect(&store, &[record.clone(), other_day], 2).await, 0);
    assert_eq!(store.balance(w.payer).await.unwrap().settled, money("1"));
}

async fn old_records_go_and_young_ones_stay(store: Store) {
    let today = WallTime::from_micros(START);
    store.make_cdr_days(today).await.unwrap();
    assert_eq!(store.make_cdr_days(today).await.unwrap(), Vec::<String>::new(), "made once");
    let at = |day: i64| Cdr { started: WallTime::from_micros(START + day * DAY), ..stranger(day.unsigned_abs()) };
    collect(&store, &[0, 1, 2, 3].map(at), 1).await;
    let cut = WallTime::from_micros((START + 2 * DAY).div_euclid(DAY) * DAY);
    let mut gone = 0;
    loop {
        let (rows, more) = store.drop_cdrs(cut).await.unwrap();
        gone += rows;
        if !more {
            break;
        }
    }
    assert_eq!(gone, 2);
    assert!(store.story(call_id(1)).await.is_err());
    assert!(store.story(call_id(2)).await.is_ok());
    let filter = CdrFilter { till: WallTime::from_micros(START + 9 * DAY), ..window() };
    assert_eq!(store.search_cdrs(&filter).await.unwrap().len(), 2);
}

/// A database as it was before its CDRs were kept by day, with rows of two days, one of the far past and one of the far future.
async fn before_days(url: &str, starts: &[i64]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/mysql");
    let all = sqlx::migrate::Migrator::new(folder).await.unwrap();
    let older: Vec<_> = all.iter().filter(|step| step.version < 15).cloned().collect();
    let older = sqlx::migrate::Migrator { migrations: older.into(), ..sqlx::migrate::Migrator::DEFAULT };
    let pool = sqlx::MySqlPool::connect(url).await.unwrap();
    older.run(&pool).await.unwrap();
    for (place, started) in starts.iter().enumerate() {
        let id = hex(&call_id(place as u64).to_bytes(units::AttemptIndex(0)));
        let sql = format!(
            "INSERT IGNORE INTO cdrs (id,started,calling,called,called_routed) VALUES (x'{id}',{started},'1','2','3')"
        );
        pool.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    pool.close().await;
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_database_of_before_is_parted_by_day_with_all_its_rows() {
    // Which days are made is the clock's: the story is not told over midnight.
    let mut now = jiff::Timestamp::now().as_microsecond();
    while now % DAY > DAY - 180_000_000 {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        now = jiff::Timestamp::now().as_microsecond();
    }
    let url = databases::empty_mariadb().await;
    before_days(&url, &[now, now - DAY, now - DAY, 5, now + 90 * DAY]).await;
    let plan = store::migration_plan(&url).await.unwrap();
    let step = plan.steps.iter().find(|step| step.version == 15).unwrap();
    assert_eq!(step.changes[0].0, "cdrs", "{plan:?}");
    let store = Store::open(&url).await.unwrap();
    let after = store::migration_plan(&url).await.unwrap();
    assert!(after.steps.is_empty() && after.current == after.known);
    let filter = CdrFilter { till: WallTime::from_micros(i64::MAX), limit: 100, ..CdrFilter::default() };
    assert_eq!(store.search_cdrs(&filter).await.unwrap().len(), 5);
    let days = store.cdr_days().await.unwrap();
    let names: Vec<&str> = days.iter().map(|day| day.name.as_str()).collect();
    let today = jiff::Timestamp::from_microsecond(now).unwrap().strftime("d%Y%m%d").to_string();
    assert!(names.contains(&today.as_str()) && names.len() == 5 && names[4] == "later", "{names:?}");
    assert_eq!(store.make_cdr_days(WallTime::from_micros(now)).await.unwrap().len(), 11);
    assert_eq!(store.search_cdrs(&filter).await.unwrap().len(), 5);
}

/// What a page of each kind of search reads does not grow with the window: here a day of 20,000 records. `make test-many` is the same with
/// millions.
#[tokio::test]
async fn a_search_reads_few_of_a_day_s_records() {
    const ROWS: u64 = 20_000;
    let database = databases::mariadb().await;
    let many = many::Many { start: START, spacing: DAY / ROWS as i64, rows: ROWS };
    let pool = sqlx::MySqlPool::connect(&database.url).await.unwrap();
    pool.execute("SET GLOBAL userstat=1").await.unwrap();
    many::fill(&pool, many, "cdrs", 0, ROWS).await;
    let read = "SELECT CAST(COALESCE(SUM(rows_read),0) AS SIGNED) FROM information_schema.table_statistics \
                WHERE table_schema=DATABASE()";
    for (name, index, filter) in many::searches(many, 3) {
        let steps = database.store.explain_cdr_search(&filter).await.unwrap();
        assert!(steps.iter().any(|step| step.index == index), "{name}: {steps:#?}");
        let before: i64 = sqlx::query_scalar(read).fetch_one(&pool).await.unwrap();
        let found = database.store.search_cdrs(&filter).await.unwrap().len();
        let looked_at = sqlx::query_scalar::<_, i64>(read).fetch_one(&pool).await.unwrap() - before;
        assert!(looked_at >= found as i64, "{name}: what is read is counted: {looked_at} for {found}");
        assert!(looked_at <= 500, "{name}: {looked_at} of {ROWS} records read for {found}");
    }
}

async fn mark_as_newer(database: &databases::Database) {
    let sql =
        "INSERT INTO _sqlx_migrations (version,description,success,checksum,execution_time) VALUES (9999,'x',1,'x',0)";
    if let Some(path) = database.url.strip_prefix("sqlite:") {
        let sql = sql.replace("'x',0", "x'00',0");
        sqlx::SqlitePool::connect(path).await.unwrap().execute(AssertSqlSafe(sql)).await.unwrap();
    } else {
        sqlx::MySqlPool::connect(&database.url).await.unwrap().execute(sql).await.unwrap();
    }
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused_with_a_reason() {
    for database in [databases::sqlite().await, databases::mariadb().await] {
        mark_as_newer(&database).await;
        for refused in [
            Store::open(&database.url).await.map(drop).unwrap_err(),
            store::migration_plan(&database.url).await.map(drop).unwrap_err(),
        ] {
            assert!(refused.to_string().contains("newer than this program: it has step 9999"), "{refused}");
        }
    }
}
