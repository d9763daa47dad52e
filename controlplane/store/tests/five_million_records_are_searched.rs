//! Five million records, two thirds of them in one day, as a hundred million a month have it: a page of each kind of search is what one finds
//! who looks at all of them, and the database looks at few.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/many.rs"]
#[allow(dead_code, reason = "the benchmark of searches uses the rest")]
mod many;
#[path = "support/whole_days.rs"]
mod whole_days;

use std::time::Instant;

use many::{DAY, Made, Many, Times};
use store::{CdrFilter, CdrKind, Store};

const ROWS: u64 = 5_000_000;
/// What a day of a hundred million records in thirty days holds.
const ROWS_A_DAY: i64 = 3_333_333;
/// Searches of each kind.
const ROUNDS: u64 = 40;
/// Rounds of which the first two pages are compared with what is there, and what was read is counted.
const CHECKED: u64 = 3;
/// Records that a page of a hundred may cost.
const READ_MAX: i64 = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a minute or two, and 10 GB: make test-many"]
async fn each_kind_of_search_finds_what_is_there_and_reads_little() {
    let database = databases::mariadb().await;
    let pool = sqlx::MySqlPool::connect(&database.url).await.unwrap();
    let start = whole_days::start(&database.store, &pool).await;
    let many = Many { start, spacing: DAY / ROWS_A_DAY, rows: ROWS };
    let form = columns_and_keys(&pool).await;
    let began = Instant::now();
    whole_days::fill(&database.store, &pool, many).await;
    let (took, used) = (began.elapsed().as_secs_f64(), used_s(databases::mariadb_process()));
    println!("{ROWS} records are there after {took:.0} s, of which the database's process worked {used:.0}");
    assert_eq!(columns_and_keys(&pool).await, form, "the table is as the migrations made it");
    sqlx::raw_sql("ANALYZE TABLE cdrs").execute(&pool).await.unwrap();
    for (index, bytes) in whole_days::bytes_a_row(&pool, ROWS).await {
        println!("{index:<32}{bytes:>10.0} bytes a row");
    }
    let there = whole_days::number(&pool, "SELECT COUNT(*) FROM cdrs").await;
    assert_eq!(there, Some(ROWS as i64));
    let that_day = format!("SELECT COUNT(*) FROM cdrs WHERE started>={start} AND started<{}", start + DAY);
    assert!(whole_days::number(&pool, &that_day).await.unwrap() >= ROWS_A_DAY);
    compare(&database.store, &pool, many).await;
    let mut times = Times::default();
    for round in 0..ROUNDS {
        for (name, _, filter) in many::searches(many, round) {
            let began = Instant::now();
            database.store.search_cdrs(&filter).await.unwrap();
            times.note(name, began.elapsed());
        }
    }
    times.print(&format!("{ROWS} records, windows of 24 h, {ROUNDS} searches of each kind"));
}

/// Seconds of processor time that a process has used: other work on the machine changes them less than the clock's.
fn used_s(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // The kernel counts in hundredths here, whatever it ticks in.
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

async fn columns_and_keys(pool: &sqlx::MySqlPool) -> String {
    let form = whole_days::form(pool, "cdrs").await;
    form.split("PARTITION BY").next().unwrap().to_owned()
}

/// Two pages of each kind: what is found, and how many records the database looked at for that.
async fn compare(store: &Store, pool: &sqlx::MySqlPool, many: Many) {
    const READ: &str = "SELECT CAST(COALESCE(SUM(rows_read),0) AS SIGNED) FROM information_schema.table_statistics \
                        WHERE table_schema=DATABASE()";
    sqlx::raw_sql("SET GLOBAL userstat=1").execute(pool).await.unwrap();
    let calls: Vec<Made> = (0..many.rows.div_ceil(2)).map(Made::of).collect();
    let mut found_of_all = std::collections::BTreeMap::<&str, (usize, i64)>::new();
    for (name, index, mut filter) in (0..CHECKED).flat_map(|round| many::searches(many, round)) {
        let steps = store.explain_cdr_search(&filter).await.unwrap();
        assert!(steps.iter().any(|step| step.index == index), "{name}: {steps:#?}");
        // Short numbers are looked for in the newest part of the window first, and a rare one then is among all that begin so.
        let short = filter.called.as_ref().is_some_and(|digits| digits.len() == 3);
        let read_max = if short { ROWS_A_DAY / 150 + READ_MAX } else { READ_MAX };
        for page in 1..=2 {
            let there = look(many, &calls, &filter);
            let before = whole_days::number(pool, READ).await.unwrap();
            let cdrs = store.search_cdrs(&filter).await.unwrap();
            let read = whole_days::number(pool, READ).await.unwrap() - before;
            let found: Vec<_> = cdrs.iter().map(|cdr| (cdr.started.micros(), cdr.call.to_bytes(cdr.attempt))).collect();
            assert_eq!(found, there, "{name}, page {page}: {filter:?}");
            assert!(read >= found.len() as i64, "{name}: what is read is counted: {read} for {}", found.len());
            assert!(read <= read_max, "{name}, page {page}: {read} records read for {}", found.len());
            let sum = found_of_all.entry(name).or_default();
            *sum = (sum.0 + found.len(), sum.1.max(read));
            let Some(last) = cdrs.last() else { break };
            filter.after = Some((last.started, last.call.to_bytes(last.attempt)));
        }
    }
    println!("{:<32}{:>10}{:>16}", "kind", "found", "read at most");
    for (name, (found, read)) in found_of_all {
        println!("{name:<32}{found:>10}{read:>16}");
        assert_eq!(found == 0, name.contains("unknown"), "{name}: {found}");
    }
}

/// A page's starts and ids, newest first, by looking at one call after the other.
fn look(many: Many, calls: &[Made], filter: &CdrFilter) -> Vec<(i64, [u8; 16])> {
    assert_eq!(filter.kind, CdrKind::Calls, "a call's own record is the first of its two");
    let named: Option<usize> =
        filter.sip_call_id.as_ref().map(|header| header.split(['.', '@']).nth(1).unwrap().parse().unwrap());
    let begins = |number: u64, with: &Option<String>| {
        with.as_ref().is_none_or(|digits| {
            let number = number.to_string();
            if filter.exact { number == *digits } else { number.starts_with(digits) }
        })
    };
    let wanted = |call: &usize| {
        let made = &calls[*call];
        named.is_none_or(|named| named == *call)
            && filter.originator.is_none_or(|id| id == made.originator)
            && filter.terminator.is_none_or(|id| id == made.terminator)
            && filter.ingress_trunk.is_none_or(|id| id == made.ingress)
            && filter.egress_trunk.is_none_or(|id| id == made.egress)
            && begins(made.called, &filter.called)
            && begins(made.calling, &filter.calling)
    };
    let spacing = 2 * many.spacing;
    let first_at =
        |moment: i64| (((moment - many.start).max(0) as u64).div_ceil(spacing as u64) as usize).min(calls.len());
    let till = filter.after.map_or(filter.till, |(last, _)| last.min(filter.till));
    let newest_first = (first_at(filter.from.micros())..first_at(till.micros())).rev();
    let page = newest_first.filter(wanted).take(filter.limit as usize);
    page.map(|call| (many.start + call as i64 * spacing, id(call as u64))).collect()
}

/// The id of a call's own record.
fn id(call: u64) -> [u8; 16] {
    let mut id = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    id[8..14].copy_from_slice(&call.to_be_bytes()[2..]);
    id
}
