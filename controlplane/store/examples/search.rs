//! How fast CDRs are found: `cargo run --release -p store --example search -- mysql://… ROWS`.
//!
//! Fills the database with ROWS records, 3,333,333 a day: what a day of a hundred million in thirty days holds. Then asks for each kind of
//! search many times in windows of 24 hours and prints how long that took; then for statistics over 90 days. A database that has rows already is
//! filled up.

#[path = "../tests/support/many.rs"]
#[allow(dead_code, reason = "the story of five million records uses the rest")]
mod many;
#[path = "../tests/support/whole_days.rs"]
mod whole_days;

use std::time::Instant;

use many::{Many, Times};
use store::Store;

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
    let many = Many { start: whole_days::start(&store, &pool).await, spacing: many::DAY / 3_333_333, rows };
    let began = Instant::now();
    whole_days::fill(&store, &pool, many).await;
    println!("{rows} rows are there after {:.0} s", began.elapsed().as_secs_f64());
    sqlx::raw_sql("ANALYZE TABLE cdrs").execute(&pool).await?;
    for (index, bytes) in whole_days::bytes_a_row(&pool, rows).await {
        println!("{index:<32}{bytes:>10.0} bytes a row");
    }
    let mut times = Times::default();
    for round in 0..ROUNDS {
        for (name, index, filter) in many::searches(many, round) {
            if round == 0 {
                let steps = store.explain_cdr_search(&filter).await?;
                assert!(steps.iter().any(|step| step.index == index), "{name}: {steps:#?}");
            }
            let began = Instant::now();
            store.search_cdrs(&filter).await?;
            times.note(name, began.elapsed());
        }
    }
    times.print(&format!("{rows} rows, windows of 24 h, {ROUNDS} searches of each kind"));
    months(&store, &pool, many.start).await
}

/// Asks for statistics over 90 days of sums, 1,000 rows each half hour.
async fn months(store: &Store, pool: &sqlx::MySqlPool, start: i64) -> Result<(), Box<dyn std::error::Error>> {
    let rows = many::fill_sums(pool, start, DAYS).await;
    let mut times = Times::default();
    for round in 0..10 {
        for (name, ask) in many::questions(start, DAYS, round) {
            let began = Instant::now();
            assert!(!store.statistics(&ask).await?.2.is_empty(), "{name}");
            times.note(name, began.elapsed());
        }
    }
    times.print(&format!("{rows} sums by half hour of {DAYS} days, 10 questions of each kind"));
    Ok(())
}
