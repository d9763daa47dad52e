//! Days of many records at once. A day is made beside the table of CDRs, without indexes; they are made from sorted keys when all is there,
//! and the day takes its place in the table, which MariaDB refuses unless both have the same form.

use futures_util::StreamExt as _;
use sqlx::{AssertSqlSafe, MySqlPool};
use store::Store;
use units::WallTime;

use crate::many::{self, DAY, Many};

/// Days that are made at once: one for each of the two cores that whoever measures here has.
const AT_ONCE: usize = 2;

/// The first moment of the first day that the table has a part for, or of the first record if it has some.
pub async fn start(store: &Store, pool: &MySqlPool) -> i64 {
    let first: Option<i64> = number(pool, "SELECT MIN(started) FROM cdrs").await;
    let days = store.cdr_days().await.expect("MariaDB tells its days");
    let end = days.first().and_then(|day| day.till).expect("the migrations make days");
    first.unwrap_or(end.micros() - DAY)
}

/// Makes what is missing of `many`, which begin with a day. A day that was begun row by row is gone on with in that way.
pub async fn fill(store: &Store, pool: &MySqlPool, many: Many) {
    assert_eq!(many.start.rem_euclid(DAY), 0, "the first record starts with its day");
    let first_of = |day: i64| ((day * DAY) as u64).div_ceil(many.spacing as u64).min(many.rows);
    let days = (many.rows * many.spacing as u64).div_ceil(DAY as u64) as i64;
    store.make_cdr_days(WallTime::from_micros(many.start + days * DAY)).await.expect("MariaDB makes days");
    let parts = store.cdr_days().await.expect("MariaDB tells its days");
    futures_util::stream::iter(0..days)
        .for_each_concurrent(AT_ONCE, |day| {
            let till = WallTime::from_micros(many.start + (day + 1) * DAY);
            let part = parts.iter().find(|part| part.till == Some(till)).expect("the day was made");
            fill_day(pool, many, &part.name, first_of(day), first_of(day + 1))
        })
        .await;
}

async fn fill_day(pool: &MySqlPool, many: Many, part: &str, from: u64, till: u64) {
    let newest = format!("SELECT MAX(started) FROM cdrs PARTITION ({part}) WHERE started>={}", many.start);
    match number(pool, &newest).await {
        Some(newest) => {
            let next = ((newest - many.start) / many.spacing + 1) as u64;
            many::fill(pool, many, "cdrs", next, till).await;
        }
        None => whole_day(pool, many, part, from, till).await,
    }
}

async fn whole_day(pool: &MySqlPool, many: Many, part: &str, from: u64, till: u64) {
    let beside = format!("made_{part}");
    let run = async |sql: String| {
        let mut connection = pool.acquire().await.expect("MariaDB takes a connection");
        sqlx::raw_sql("SET SESSION sql_log_bin=0")
            .execute(&mut *connection)
            .await
            .expect("root may leave the log alone");
        let done = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut *connection).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    };
    run(format!("DROP TABLE IF EXISTS {beside}")).await;
    run(format!("CREATE TABLE {beside} LIKE cdrs")).await;
    run(format!("ALTER TABLE {beside} REMOVE PARTITIONING")).await;
    let form = form(pool, &beside).await;
    let indexes: Vec<&str> = form.lines().map(str::trim).filter(|line| line.starts_with("KEY `")).collect();
    let gone: Vec<String> =
        indexes.iter().filter_map(|index| Some(format!("DROP INDEX `{}`", index.split('`').nth(1)?))).collect();
    run(format!("ALTER TABLE {beside} {}", gone.join(","))).await;
    let half = from + (till - from) / 2;
    tokio::join!(many::fill(pool, many, &beside, from, half), many::fill(pool, many, &beside, half, till));
    let back: Vec<String> = indexes.iter().map(|index| format!("ADD {}", index.trim_end_matches(','))).collect();
    run(format!("ALTER TABLE {beside} {}, ALGORITHM=INPLACE, LOCK=SHARED", back.join(","))).await;
    run(format!("ALTER TABLE cdrs EXCHANGE PARTITION {part} WITH TABLE {beside}")).await;
    run(format!("DROP TABLE {beside}")).await;
}

/// What makes a table: its columns, keys and parts.
pub async fn form(pool: &MySqlPool, table: &str) -> String {
    let sql = AssertSqlSafe(format!("SHOW CREATE TABLE {table}"));
    let (_, form): (String, String) = sqlx::query_as(sql).fetch_one(pool).await.expect("MariaDB shows a table");
    form
}

/// What a question for one number says.
pub async fn number(pool: &MySqlPool, sql: &str) -> Option<i64> {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(pool).await.expect("MariaDB answers")
}

/// Bytes of a record in the table and in each of its indexes, the largest first.
pub async fn bytes_a_row(pool: &MySqlPool, rows: u64) -> Vec<(String, f64)> {
    let sql = "SELECT index_name,CAST(SUM(stat_value)*@@innodb_page_size AS SIGNED) AS bytes FROM mysql.innodb_index_stats \
               WHERE database_name=DATABASE() AND table_name LIKE 'cdrs#P#%' AND stat_name='size' GROUP BY 1 ORDER BY 2 DESC";
    let sizes: Vec<(String, i64)> = sqlx::query_as(sql).fetch_all(pool).await.expect("MariaDB tells sizes");
    sizes.into_iter().map(|(name, bytes)| (name, bytes as f64 / rows as f64)).collect()
}
