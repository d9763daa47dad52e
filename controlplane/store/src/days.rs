//! CDRs by day: MariaDB keeps a part of the table for each, made ahead and dropped when it is old; SQLite deletes old rows in batches.

use units::WallTime;

use crate::Store;
use crate::error::{Result, StoreError};
use crate::settings;
use crate::sql::{Dialect, Tx, args};
use crate::sums::{DAY, GONE_BEFORE, floor, gone_before};

/// The setting that says how many days CDRs are kept for; not set, they are kept for good.
pub const CDR_DAYS: &str = "cdr_days";
/// Days that are made ahead: so long may nobody look after the table.
const DAYS_AHEAD: i64 = 14;
/// Days made in one change of the table at most.
const MADE_MAX: i64 = 64;
/// Rows that one transaction deletes at most.
const DELETED_MAX: i64 = 2_000;
/// How long a change of the table waits for those who read it, in seconds; then it is tried again later.
const LOCK_WAIT_S: u32 = 10;

/// A part of the table of CDRs: those that start before `till` and not in an earlier part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CdrDay {
    /// Its name in the database: `d20261121`, or `later`.
    pub name: String,
    /// The first moment after it; `None` for the last part.
    pub till: Option<WallTime>,
    /// Rows, as the database estimates them.
    pub rows: u64,
}

impl Store {
    /// The parts of the table of CDRs, oldest first. Empty on SQLite.
    pub async fn cdr_days(&self) -> Result<Vec<CdrDay>> {
        let mut tx = self.read().await?;
        if tx.dialect() == Dialect::Sqlite {
            return Ok(Vec::new());
        }
        days(&mut tx).await
    }

    /// Makes parts for the two weeks from `now` on. Returns the names of those that were not there. Nothing to do on SQLite.
    pub async fn make_cdr_days(&self, now: WallTime) -> Result<Vec<String>> {
        let mut tx = self.read().await?;
        if tx.dialect() == Dialect::Sqlite {
            return Ok(Vec::new());
        }
        let last = days(&mut tx).await?.into_iter().filter_map(|day| day.till).max();
        let today = now.micros().div_euclid(DAY);
        let until = today + DAYS_AHEAD;
        let first = last.map_or(today, |last| last.micros().div_euclid(DAY)).max(until - MADE_MAX);
        let made: Vec<i64> = (first..until).collect();
        if made.is_empty() {
            return Ok(Vec::new());
        }
        let part = |day: &i64| format!("PARTITION {} VALUES LESS THAN ({})", name(*day), (day + 1) * DAY);
        let parts: Vec<String> = made.iter().map(part).collect();
        let sql = format!(
            "ALTER TABLE cdrs REORGANIZE PARTITION later INTO ({},PARTITION later VALUES LESS THAN MAXVALUE)",
            parts.join(",")
        );
        alter(&mut tx, &sql).await?;
        Ok(made.into_iter().map(name).collect())
    }

    /// Removes CDRs that started before `before`: whole parts on MariaDB, one batch of rows on SQLite. Returns what went, and whether
    /// there may be more.
    pub async fn drop_cdrs(&self, before: WallTime) -> Result<(u64, bool)> {
        self.note_gone(before).await?;
        let mut tx = self.write().await?;
        if tx.dialect() == Dialect::Sqlite {
            let sql = "DELETE FROM cdrs WHERE id IN (SELECT id FROM cdrs WHERE started<? ORDER BY started LIMIT ?)";
            let gone = tx.run(sql, args![before, DELETED_MAX]).await?.rows;
            tx.commit().await?;
            return Ok((gone, gone == DELETED_MAX.unsigned_abs()));
        }
        let old: Vec<CdrDay> =
            days(&mut tx).await?.into_iter().filter(|day| day.till.is_some_and(|till| till <= before)).collect();
        let Some(day) = old.first() else { return Ok((0, false)) };
        let sql = format!("SELECT COUNT(*) AS gone FROM cdrs PARTITION ({})", day.name);
        let gone = tx.row(sql, args![]).await?.map_or(Ok(0), |row| row.num("gone"))?;
        alter(&mut tx, &format!("ALTER TABLE cdrs DROP PARTITION {}", day.name)).await?;
        Ok((gone, old.len() > 1))
    }

    /// Remembers what is about to go, so that a record that comes back is not counted again.
    async fn note_gone(&self, before: WallTime) -> Result<()> {
        let mut tx = self.write().await?;
        let before = match tx.dialect() {
            Dialect::Sqlite => before.micros(),
            Dialect::MySql => floor(before.micros(), DAY),
        };
        let known = gone_before(&mut tx).await?;
        if known.is_none_or(|known| known < before) {
            settings::put(&mut tx, GONE_BEFORE, &before.to_string()).await?;
        }
        tx.commit().await
    }
}

/// `d20261121`.
fn name(day: i64) -> String {
    let date = jiff::Timestamp::from_second(day * 86_400).map(|at| at.strftime("%Y%m%d").to_string());
    format!("d{}", date.unwrap_or_else(|_| day.to_string()))
}

async fn days(tx: &mut Tx) -> Result<Vec<CdrDay>> {
    let sql = "SELECT PARTITION_NAME AS name, PARTITION_DESCRIPTION AS till, CAST(TABLE_ROWS AS SIGNED) AS many \
               FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA=DATABASE() AND TABLE_NAME='cdrs' \
               AND PARTITION_NAME IS NOT NULL ORDER BY PARTITION_ORDINAL_POSITION";
    let mut found = Vec::new();
    for row in tx.rows(sql, args![]).await? {
        let till = row.text("till")?;
        let till = match till.parse() {
            Ok(till) => Some(WallTime::from_micros(till)),
            Err(_) if till == "MAXVALUE" => None,
            Err(_) => return Err(StoreError::Broken(format!("a part of cdrs ends at {till:?}"))),
        };
        found.push(CdrDay { name: row.text("name")?, till, rows: row.num("many")? });
    }
    Ok(found)
}

/// Changes the table of CDRs, or says that it is busy. Calls' records wait in the journal meanwhile.
async fn alter(tx: &mut Tx, sql: &str) -> Result<()> {
    // A part that another node made or dropped in the same moment is no mistake of this one: the next look finds it.
    let sql = format!("SET STATEMENT lock_wait_timeout={LOCK_WAIT_S} FOR {sql}");
    tx.run(sql, args![]).await.map(drop).map_err(|error| match error {
        StoreError::Broken(why) => StoreError::Away(format!("the days of cdrs: {why}")),
        other => other,
    })
}
