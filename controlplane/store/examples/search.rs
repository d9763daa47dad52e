//! How fast CDRs are found: `cargo run --release -p store --example search -- mysql://… ROWS`.
//!
//! Fills the database with ROWS records, 3,333,333 a day: what a day of a hundred million in thirty days holds. Then asks for each kind of
//! search many times in windows of 24 hours and prints how long that took; then for statistics over 90 days. A database that has rows already is
//! filled up.

#[path = "../tests/support/many.rs"]
mod many;

use std::collections::BTreeMap;
use std::time::Instant;

use store::Store;
use units::WallTime;

/// Microseconds between two records.
const SPACING: i64 = many::DAY / 3_333_333;
/// Searches of each kind.
const ROUNDS: u64 = 40;
/// Days of sums.
const DAYS: i64 = 90;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let url = words.next().ok_or("which database?")?;
    let rows: u64 = words.next().unwrap_or_else(|| "1000000".into()).parse()?;
    let store = Store::open(&url).await?;
    let pool = sqlx::MySqlPool::connect(&url).await?;
    store.make_cdr_days(WallTime::from_micros(many::START)).await?;
    let newest: Option<i64> = sqlx::query_scalar("SELECT MAX(started) FROM cdrs").fetch_one(&pool).await?;
    let there = newest.map_or(0, |newest| (newest - many::START) / SPACING + 1) as u64;
    let began = Instant::now();
    let mut first = there;
    while first < rows {
        let till = (first + 200_000).min(rows);
        many::fill(&pool, first, till, SPACING).await;
        first = till;
        let rate = (first - there) as f64 / began.elapsed().as_secs_f64();
        eprintln!("{first} rows, {rate:.0} a second");
    }
    sqlx::raw_sql("ANALYZE TABLE cdrs").execute(&pool).await?;
    let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for round in 0..ROUNDS {
        for (name, index, filter) in many::searches(&pool, rows, SPACING, round).await {
            if round == 0 {
                let steps = store.explain_cdr_search(&filter).await?;
                assert!(steps.iter().any(|step| step.index == index), "{name}: {steps:#?}");
            }
            let began = Instant::now();
            store.search_cdrs(&filter).await?;
            times.entry(name).or_default().push(began.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    print(&format!("{rows} rows, windows of 24 h, {ROUNDS} searches of each kind"), times);
    months(&store, &pool).await
}

/// Asks for statistics over 90 days of sums, 1,000 rows each half hour.
async fn months(store: &Store, pool: &sqlx::MySqlPool) -> Result<(), Box<dyn std::error::Error>> {
    let rows = many::fill_sums(pool, DAYS).await;
    let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for round in 0..10 {
        for (name, ask) in many::questions(DAYS, round) {
            let began = Instant::now();
            assert!(!store.statistics(&ask).await?.2.is_empty(), "{name}");
            times.entry(name).or_default().push(began.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    print(&format!("{rows} sums by half hour of {DAYS} days, 10 questions of each kind"), times);
    Ok(())
}

fn print(head: &str, times: BTreeMap<&str, Vec<f64>>) {
    println!("{head}:");
    println!("{:<32}{:>10}{:>10}{:>10}", "kind", "p50 ms", "p95 ms", "max ms");
    for (name, mut times) in times {
        times.sort_by(f64::total_cmp);
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
        println!("{name:<32}{:>10.1}{:>10.1}{:>10.1}", at(0.5), at(0.95), at(1.0));
    }
}
