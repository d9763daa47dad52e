//! Revisions of a deck's rates: each keeps what undoes it, so that any of the last can be read, compared and restored.
//!
//! An undo is a list of rows as the database has them, with the names of their columns: a revision that was kept before a column came
//! still reads, and the column is then at its zero.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use rating::diff::{self, Edits};
use snapshot::Rate;
use units::{Money, WallTime};

use crate::Store;
use crate::error::{Result, StoreError};
use crate::rates::{self, COLUMNS};
use crate::sql::{Arg, Row, Tx, args};

/// Revisions of one deck that can be restored at most.
pub const REVISIONS_KEPT_MAX: i64 = 100;
/// Compressed bytes kept for the revisions of one deck at most; the newest is kept whatever its size.
const BYTES_KEPT_MAX: i64 = 64 << 20;
/// Bytes of one row of the table: MariaDB takes no statement above 16 MB.
pub(crate) const PART_BYTES: usize = 1 << 20;

impl Store {
    /// A deck's rates as they were after this change of them, in order; 0 is before the first.
    pub async fn rates_at(&self, deck: u32, rates_version: i64) -> Result<Vec<Rate>> {
        let mut tx = self.read().await?;
        at(&mut tx, deck, rates_version).await
    }

    /// The oldest change of a deck's rates that can be restored.
    pub async fn oldest_revision(&self, deck: u32) -> Result<i64> {
        let mut tx = self.read().await?;
        let current = crate::object::get::<crate::DeckDraft>(&mut tx, deck).await?.facts.rates_version;
        let sql = "SELECT DISTINCT rates_version FROM deck_revision_parts WHERE deck=? ORDER BY rates_version DESC";
        let mut oldest = current;
        for row in tx.rows(sql, args![deck]).await? {
            if row.int("rates_version")? != oldest {
                break;
            }
            oldest -= 1;
        }
        Ok(oldest)
    }
}

/// The rates after some change, from those that stand and what undoes each change since.
pub(crate) async fn at(tx: &mut Tx, deck: u32, rates_version: i64) -> Result<Vec<Rate>> {
    let current = crate::object::get::<crate::DeckDraft>(tx, deck).await?.facts.rates_version;
    if rates_version < 0 || rates_version > current {
        return Err(StoreError::missing("revision", rates_version));
    }
    let mut rates = rates::every(tx, deck).await?;
    for version in (rates_version + 1..=current).rev() {
        let sql = "SELECT bytes FROM deck_revision_parts WHERE deck=? AND rates_version=? ORDER BY part";
        let parts = tx.rows(sql, args![deck, version]).await?;
        if parts.is_empty() {
            return Err(StoreError::missing("kept revision", rates_version));
        }
        let mut packed = Vec::new();
        for part in &parts {
            packed.extend(part.bytes("bytes")?);
        }
        rates = diff::apply(&rates, &unpack(&packed)?);
    }
    Ok(rates)
}

/// Keeps what undoes a change, and forgets the oldest where they are too many.
pub(crate) async fn keep(tx: &mut Tx, deck: u32, undo: &Edits) -> Result<()> {
    let row = tx.row("SELECT rates_version FROM decks WHERE id=?", args![deck]).await?;
    let version = row.ok_or_else(|| StoreError::missing("deck", deck))?.int("rates_version")?;
    for (part, bytes) in pack(undo)?.chunks(PART_BYTES).enumerate() {
        let sql = "INSERT INTO deck_revision_parts (deck,rates_version,part,bytes) VALUES (?,?,?,?)";
        tx.run(sql, args![deck, version, part as u64, bytes.to_vec()]).await?;
    }
    let sql = "SELECT rates_version,CAST(SUM(LENGTH(bytes)) AS SIGNED) AS size FROM deck_revision_parts WHERE deck=? \
               GROUP BY rates_version ORDER BY rates_version DESC";
    let mut size = 0;
    for (place, row) in (0..).zip(tx.rows(sql, args![deck]).await?) {
        size += row.int("size")?;
        if place > 0 && (place >= REVISIONS_KEPT_MAX || size > BYTES_KEPT_MAX) {
            let sql = "DELETE FROM deck_revision_parts WHERE deck=? AND rates_version<=?";
            tx.run(sql, args![deck, row.int("rates_version")?]).await?;
            break;
        }
    }
    Ok(())
}

fn pack(edits: &Edits) -> Result<Vec<u8>> {
    let mut out = DeflateEncoder::new(Vec::new(), Compression::fast());
    let mut plain = Vec::new();
    text(&mut plain, &COLUMNS.join(","));
    for list in [&edits.gone, &edits.put] {
        number(&mut plain, list.len() as i64);
        for rate in list {
            for value in rates::values(0, rate) {
                put(&mut plain, value);
            }
            if plain.len() > PART_BYTES {
                out.write_all(&plain).map_err(broken)?;
                plain.clear();
            }
        }
    }
    out.write_all(&plain).map_err(broken)?;
    out.finish().map_err(broken)
}

fn unpack(packed: &[u8]) -> Result<Edits> {
    let mut plain = Vec::new();
    DeflateDecoder::new(packed).read_to_end(&mut plain).map_err(broken)?;
    let mut rest = Plain(&plain);
    let columns = rest.text()?;
    let columns: Vec<&str> = columns.split(',').collect();
    let (gone, put) = (rest.rates(&columns)?, rest.rates(&columns)?);
    Ok(Edits { gone, put })
}

fn broken(why: impl core::fmt::Display) -> StoreError {
    StoreError::Broken(format!("a deck's revision: {why}"))
}

fn put(out: &mut Vec<u8>, value: Arg) {
    match value {
        Arg::Int(value) | Arg::OptInt(Some(value)) => {
            out.push(1);
            number(out, value);
        }
        Arg::Text(value) | Arg::OptText(Some(value)) => {
            out.push(2);
            text(out, &value);
        }
        // No column of a rate holds bytes.
        Arg::OptInt(None) | Arg::OptText(None) | Arg::Bytes(_) => out.push(0),
    }
}

fn number(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn text(out: &mut Vec<u8>, value: &str) {
    number(out, value.len() as i64);
    out.extend_from_slice(value.as_bytes());
}

/// What is still to be read.
struct Plain<'a>(&'a [u8]);

impl<'a> Plain<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(|| broken("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<i64> {
        let bytes = self.take(8)?;
        Ok(i64::from_le_bytes(bytes.try_into().map_err(broken)?))
    }

    fn text(&mut self) -> Result<&'a str> {
        let length = usize::try_from(self.number()?).map_err(broken)?;
        core::str::from_utf8(self.take(length)?).map_err(broken)
    }

    fn value(&mut self) -> Result<Arg> {
        Ok(match self.take(1)? {
            [1] => Arg::Int(self.number()?),
            [2] => Arg::Text(self.text()?.to_owned()),
            _ => Arg::OptInt(None),
        })
    }

    fn rates(&mut self, columns: &[&str]) -> Result<Vec<Rate>> {
        let mut rates = Vec::new();
        for _ in 0..self.number()? {
            let mut kept = Kept(Vec::with_capacity(columns.len()));
            for column in columns {
                kept.0.push((*column, self.value()?));
            }
            rates.push(rates::read(&kept)?);
        }
        Ok(rates)
    }
}

/// What a rate is read from: a row of the database, or one that was kept.
pub(crate) trait Fields {
    fn int(&self, name: &str) -> Result<i64>;
    fn opt_int(&self, name: &str) -> Result<Option<i64>>;
    fn text(&self, name: &str) -> Result<String>;

    fn num<T: TryFrom<i64>>(&self, name: &str) -> Result<T> {
        let value = self.int(name)?;
        T::try_from(value).map_err(|_| StoreError::Broken(format!("column {name} holds {value}")))
    }

    fn flag(&self, name: &str) -> Result<bool> {
        Ok(self.int(name)? != 0)
    }

    fn money(&self, name: &str) -> Result<Money> {
        Ok(Money::from_nanos(self.int(name)?))
    }

    fn time(&self, name: &str) -> Result<WallTime> {
        Ok(WallTime::from_micros(self.int(name)?))
    }
}

impl Fields for Row {
    fn int(&self, name: &str) -> Result<i64> {
        Row::int(self, name)
    }

    fn opt_int(&self, name: &str) -> Result<Option<i64>> {
        Row::opt_int(self, name)
    }

    fn text(&self, name: &str) -> Result<String> {
        Row::text(self, name)
    }
}

/// One row as it was kept.
struct Kept<'a>(Vec<(&'a str, Arg)>);

impl Kept<'_> {
    fn value(&self, name: &str) -> Option<&Arg> {
        self.0.iter().find(|(column, _)| *column == name).map(|(_, value)| value)
    }
}

impl Fields for Kept<'_> {
    fn opt_int(&self, name: &str) -> Result<Option<i64>> {
        Ok(if let Some(Arg::Int(value)) = self.value(name) { Some(*value) } else { None })
    }

    fn int(&self, name: &str) -> Result<i64> {
        Ok(self.opt_int(name)?.unwrap_or(0))
    }

    fn text(&self, name: &str) -> Result<String> {
        Ok(if let Some(Arg::Text(value)) = self.value(name) { value.clone() } else { String::new() })
    }
}
