//! Records on their way to a search engine: which are still to be told, noted in the transaction that inserts them.
//!
//! One row notes the keys of a batch. Whoever tells them to the engine removes the row afterwards, so each is told at least once, and the
//! engine knows it by its id. Nothing is noted unless an engine has taken something within the last days, so what waits has a bound; after
//! a longer absence the engine has a gap, and searches before its end go to the database.

use cdr::Cdr;
use units::WallTime;

use crate::Store;
use crate::error::{Result, StoreError};
use crate::search::{self, CdrFilter, CdrKind, SEARCH_ROWS_MAX};
use crate::settings;
use crate::sql::{Arg, Dialect, Tx, args, marks, now};

/// The setting: from this start on, in microseconds since 1970, the engine has every record or will have it.
const SINCE: &str = "search_since";
/// The setting: until this moment records are noted.
const TILL: &str = "search_till";
/// How long records are noted after the engine last took something.
const NOTED_US: i64 = 3 * 86_400_000_000;
/// How far clocks of nodes may differ: a promise holds for calls that start so much later.
const CLOCKS_US: i64 = 60_000_000;
/// How long a row that was taken and not removed is left alone.
const TAKEN_US: i64 = 60_000_000;
/// Rows that are taken at once, and the records after which no further one is.
const ROWS_MAX: u32 = 500;
const RECORDS_MAX: usize = 4_000;
/// Records that are read at once.
const READ_MAX: usize = 500;
/// Bytes of a key: a start and an id.
const KEY_BYTES: usize = 24;

/// A record's place: its start and its sixteen bytes of id.
pub type CdrKey = (WallTime, [u8; 16]);

/// Records that an engine is to be told.
#[derive(Clone, Debug, Default)]
pub struct Unindexed {
    /// The rows, for [`Store::indexed`].
    pub rows: Vec<i64>,
    /// Those of their records that are in the database.
    pub cdrs: Vec<Cdr>,
}

/// How far an engine is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Indexing {
    /// From this start on it has, or will have, every record; `None`: it was never told any.
    pub since: Option<WallTime>,
    /// Until this moment records are noted for it.
    pub till: Option<WallTime>,
    /// When the oldest that waits was noted; `None`: none waits.
    pub oldest: Option<WallTime>,
}

impl Store {
    /// The engine takes records at this moment: those that come are noted for some days from here.
    pub async fn keep_indexing(&self) -> Result<()> {
        let mut tx = self.write().await?;
        let at = now();
        if time(&mut tx, TILL).await?.is_none_or(|till| till < at) {
            put(&mut tx, SINCE, at.micros() + CLOCKS_US).await?;
        }
        put(&mut tx, TILL, at.micros() + NOTED_US).await?;
        tx.commit().await
    }

    /// How far the engine is.
    pub async fn indexing(&self) -> Result<Indexing> {
        let mut tx = self.read().await?;
        let (since, till) = (time(&mut tx, SINCE).await?, time(&mut tx, TILL).await?);
        let row = tx.row("SELECT noted FROM unindexed ORDER BY seq LIMIT 1", args![]).await?;
        Ok(Indexing { since, till, oldest: row.map(|row| row.time("noted")).transpose()? })
    }

    /// How many records wait for the engine.
    pub async fn unindexed(&self) -> Result<u64> {
        let sql = "SELECT CAST(COALESCE(SUM(records),0) AS SIGNED) AS waiting FROM unindexed";
        let row = self.read().await?.row(sql, args![]).await?;
        row.map_or(Ok(0), |row| row.num("waiting"))
    }

    /// Takes the oldest that nobody else has; without rows: none waits. What is not reported within a minute is taken again.
    pub async fn take_unindexed(&self) -> Result<Unindexed> {
        // Locks behind the last row would hold up whoever adds one.
        if self.read().await?.row("SELECT seq FROM unindexed LIMIT 1", args![]).await?.is_none() {
            return Ok(Unindexed::default());
        }
        let mut tx = self.write().await?;
        let at = now();
        let lock = tx.dialect().skip_locked();
        let sql = format!("SELECT seq,cdr_keys FROM unindexed WHERE taken_till<? ORDER BY seq LIMIT ?{lock}");
        let (mut rows, mut keys) = (Vec::new(), Vec::new());
        for row in tx.rows(sql, args![at, ROWS_MAX]).await? {
            if keys.len() < RECORDS_MAX {
                rows.push(row.int("seq")?);
                keys.extend(read_keys(&row.bytes("cdr_keys")?));
            }
        }
        if rows.is_empty() {
            return Ok(Unindexed::default());
        }
        let sql = format!("UPDATE unindexed SET taken_till=? WHERE seq IN ({})", marks(rows.len()));
        let mut values = args![at.micros() + TAKEN_US];
        values.extend(rows.iter().copied().map(Arg::from));
        tx.run(sql, values).await?;
        tx.commit().await?;
        Ok(Unindexed { rows, cdrs: self.cdrs_of(&keys).await? })
    }

    /// The engine has these.
    pub async fn indexed(&self, rows: &[i64]) -> Result<()> {
        self.rows_of("DELETE FROM unindexed", rows).await
    }

    /// The engine did not take these: anybody may try.
    pub async fn not_indexed(&self, rows: &[i64]) -> Result<()> {
        self.rows_of("UPDATE unindexed SET taken_till=0", rows).await
    }

    async fn rows_of(&self, what: &str, rows: &[i64]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut tx = self.write().await?;
        let sql = format!("{what} WHERE seq IN ({})", marks(rows.len()));
        tx.run(sql, rows.iter().copied().map(Arg::from).collect()).await?;
        tx.commit().await
    }

    /// Notes all records that started between `from` and what the engine has anyway, so that it will have everything from there on. The
    /// answer: how many. An engine must have been told something before.
    pub async fn index_again(&self, from: WallTime) -> Result<u64> {
        let Some(till) = self.indexing().await?.since else {
            return Err(StoreError::invalid("from", "no control plane tells a search engine anything (--search-url)"));
        };
        if from >= till {
            return Ok(0);
        }
        let mut filter = CdrFilter { from, till, kind: CdrKind::All, limit: SEARCH_ROWS_MAX, ..CdrFilter::default() };
        let mut noted = 0;
        loop {
            let page = self.search_cdrs(&filter).await?;
            let Some(last) = page.last() else { break };
            filter.after = Some((last.started, last.call.to_bytes(last.attempt)));
            noted += page.len() as u64;
            let mut tx = self.write().await?;
            insert(&mut tx, &page.iter().collect::<Vec<&Cdr>>()).await?;
            tx.commit().await?;
        }
        let mut tx = self.write().await?;
        // After a gap that came meanwhile there is no promise to extend.
        if time(&mut tx, SINCE).await? == Some(till) {
            put(&mut tx, SINCE, from.micros()).await?;
        }
        tx.commit().await?;
        Ok(noted)
    }

    /// The records of these keys, in their order; those that are gone are left out.
    pub async fn cdrs_of(&self, keys: &[CdrKey]) -> Result<Vec<Cdr>> {
        let mut tx = self.read().await?;
        let mut found = Vec::new();
        for block in keys.chunks(READ_MAX) {
            let starts = || block.iter().map(|(started, _)| *started);
            let (Some(first), Some(last)) = (starts().min(), starts().max()) else { continue };
            let index = tx.dialect().by_index(if tx.dialect() == Dialect::MySql { "cdrs_id" } else { "" });
            let wanted = marks(block.len());
            let sql = format!("SELECT * FROM cdrs{index} WHERE started>=? AND started<=? AND id IN ({wanted})");
            let mut values = args![first, last];
            values.extend(block.iter().map(|(_, id)| Arg::from(*id)));
            let rows = tx.rows(sql, values).await?;
            let mut cdrs = rows.iter().map(search::read).collect::<Result<Vec<Cdr>>>()?;
            cdrs.sort_by_cached_key(|cdr| {
                let id = cdr.call.to_bytes(cdr.attempt);
                block.iter().position(|(_, known)| *known == id)
            });
            found.extend(cdrs);
        }
        Ok(found)
    }
}

/// Notes records in the transaction that inserts them, if an engine is to be told.
pub(crate) async fn note(tx: &mut Tx, cdrs: &[&Cdr]) -> Result<()> {
    if cdrs.is_empty() || time(tx, TILL).await?.is_none_or(|till| till < now()) {
        return Ok(());
    }
    insert(tx, cdrs).await
}

async fn insert(tx: &mut Tx, cdrs: &[&Cdr]) -> Result<()> {
    let mut keys = Vec::with_capacity(cdrs.len() * KEY_BYTES);
    for cdr in cdrs {
        keys.extend(cdr.started.micros().to_be_bytes());
        keys.extend(cdr.call.to_bytes(cdr.attempt));
    }
    let sql = "INSERT INTO unindexed (noted,taken_till,records,cdr_keys) VALUES (?,0,?,?)";
    tx.run(sql, args![now(), cdrs.len() as u64, keys]).await.map(drop)
}

async fn time(tx: &mut Tx, name: &str) -> Result<Option<WallTime>> {
    let text = settings::get(tx, name).await?;
    Ok(text.and_then(|text| text.parse().ok()).map(WallTime::from_micros))
}

async fn put(tx: &mut Tx, name: &str, micros: i64) -> Result<()> {
    settings::put(tx, name, &micros.to_string()).await
}

fn read_keys(bytes: &[u8]) -> impl Iterator<Item = CdrKey> {
    bytes.chunks_exact(KEY_BYTES).map(|key| {
        let (mut started, mut id) = ([0; 8], [0; 16]);
        started.copy_from_slice(&key[..8]);
        id.copy_from_slice(&key[8..]);
        (WallTime::from_micros(i64::from_be_bytes(started)), id)
    })
}
