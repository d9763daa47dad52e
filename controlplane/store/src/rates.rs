//! The rates of a deck: read by pages, replaced as a whole, or changed one by one.

use std::collections::HashMap;
use std::sync::Mutex;

use rating::diff::{self, Edits};
use snapshot::{Deck, DeckImage, Packer, Rate};
use units::{Hours, Jurisdiction, Money, RateClass, WallTime};

use crate::Store;
use crate::derived;
use crate::error::{Result, StoreError};
use crate::object::{self, Edit};
use crate::revisions::{self, Fields};
use crate::sql::{Arg, Tx, args, now};

/// Rates of one page at most.
pub const RATES_PAGE_MAX: u32 = 1_000;
/// Rates of one deck at most.
const RATES_MAX: usize = 10_000_000;
/// A deck is written anew unless so many times fewer of its rates change.
const REWRITE_AT: usize = 10;

pub(crate) const COLUMNS: &[&str] = &[
    "deck",
    "prefix",
    "hours",
    "jurisdiction",
    "valid_from",
    "valid_till",
    "destination",
    "per_minute",
    "first_per_minute",
    "connection_fee",
    "minimum_s",
    "increment_s",
    "free_s",
    "blocked",
];

/// Rates as last packed, by deck, with the version that they had: a snapshot re-reads only the decks that changed.
pub(crate) type Shelf = Mutex<Shelved>;

pub(crate) type Shelved = HashMap<u32, (i64, DeckImage)>;

/// Where a page of rates ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateAfter {
    /// The last prefix seen.
    pub prefix: String,
    /// Which calls that rate is for.
    pub class: RateClass,
    /// Its date.
    pub from: WallTime,
}

/// Refuses a rate that no call could use. The field is named as in the YAML and the API.
pub fn check_rate(rate: &Rate) -> Result<()> {
    let fits = |b: u8| b.is_ascii_digit() || b.is_ascii_uppercase() || b == b'*' || b == b'#';
    if rate.prefix.len() > 15 || !rate.prefix.bytes().all(fits) {
        return Err(StoreError::invalid("prefix", "up to 15 characters of 0-9, A-Z, '*' and '#'"));
    }
    if rate.destination.chars().count() > 200 || rate.destination.chars().any(char::is_control) {
        return Err(StoreError::invalid("destination", "up to 200 characters, no control characters"));
    }
    if rate.per_minute.nanos() < 0 {
        return Err(StoreError::invalid("rate", "must be 0 or more"));
    }
    if rate.first_per_minute.is_some_and(|first| first < Money::ZERO) {
        return Err(StoreError::invalid("first_per_minute", "must be 0 or more"));
    }
    if rate.connection_fee.nanos() < 0 {
        return Err(StoreError::invalid("connection_fee", "must be 0 or more"));
    }
    if rate.increment_s == 0 {
        return Err(StoreError::invalid("increment_s", "must be 1 or more"));
    }
    match rate.till {
        Some(till) if till <= rate.from => Err(StoreError::invalid("till", "must be later than from")),
        _ => Ok(()),
    }
}

impl RateAfter {
    /// Goes on behind this rate.
    pub fn rate(rate: &Rate) -> RateAfter {
        RateAfter { prefix: rate.prefix.clone(), class: rate.class, from: rate.from }
    }

    fn is_before(&self, rate: &Rate) -> bool {
        (rate.prefix.as_str(), rate.class, rate.from) > (self.prefix.as_str(), self.class, self.from)
    }
}

impl Store {
    /// Rates of a deck in order of prefix, class and date; those that start with `prefix`, from just after `after`.
    pub async fn rates(&self, deck: u32, prefix: &str, after: Option<&RateAfter>, limit: u32) -> Result<Vec<Rate>> {
        let mut tx = self.read().await?;
        if let Some(rule) = object::get::<crate::DeckDraft>(&mut tx, deck).await?.draft.derived {
            let later = |rate: &Rate| after.is_none_or(|after| after.is_before(rate));
            let all = derived::rates(&mut tx, &rule).await?.into_iter();
            let wanted = all.filter(|rate| rate.prefix.starts_with(prefix) && later(rate));
            return Ok(wanted.take(limit.clamp(1, RATES_PAGE_MAX) as usize).collect());
        }
        let mut sql = "SELECT * FROM rates WHERE deck=?".to_owned();
        let mut values = args![deck];
        if !prefix.is_empty() {
            // '~' sorts after every character that a prefix may hold.
            sql.push_str(" AND prefix>=? AND prefix<?");
            values.extend(args![prefix, format!("{prefix}~")]);
        }
        if let Some(after) = after {
            // The first condition is the one that finds its place in the key.
            sql.push_str(" AND prefix>=? AND (prefix,hours,jurisdiction,valid_from)>(?,?,?,?)");
            values.extend(args![after.prefix.as_str(), after.prefix.as_str()]);
            values.extend(class_values(after.class));
            values.push(Arg::from(after.from));
        }
        sql.push_str(" ORDER BY prefix,hours,jurisdiction,valid_from LIMIT ?");
        values.push(Arg::from(limit.clamp(1, RATES_PAGE_MAX)));
        tx.rows(sql, values).await?.iter().map(read).collect()
    }
}

impl Store {
    /// All rates of a deck in order of prefix, class and date.
    pub async fn every_rate(&self, deck: u32) -> Result<Vec<Rate>> {
        every(&mut self.read().await?, deck).await
    }
}

impl Edit {
    /// All rates of a deck in order of prefix, class and date, as this transaction sees them.
    pub async fn every_rate(&mut self, deck: u32) -> Result<Vec<Rate>> {
        every(&mut self.tx, deck).await
    }

    /// Replaces all rates of a deck. Two rates with the same prefix, class and date are refused. Returns how many stand.
    pub async fn replace_rates(&mut self, deck: u32, rates: &[Rate], note: &str) -> Result<u64> {
        lock(&mut self.tx, deck).await?;
        if rates.len() > RATES_MAX {
            return Err(StoreError::invalid("rates", format!("{RATES_MAX} at most")));
        }
        for rate in rates {
            check_rate(rate)?;
        }
        let before = every(&mut self.tx, deck).await?;
        let (edits, undo) = (diff::edits(&before, rates), diff::edits(rates, &before));
        if (edits.gone.len() + edits.put.len()).saturating_mul(REWRITE_AT) < rates.len() {
            self.change(deck, &edits).await?;
        } else {
            self.tx.run("DELETE FROM rates WHERE deck=?", args![deck]).await?;
            self.insert(deck, rates).await?;
        }
        self.touched = true;
        step(&mut self.tx, deck, rates.len() as u64, note, &undo).await?;
        Ok(rates.len() as u64)
    }

    /// Brings the rates of a deck to what they were after an earlier change, which is a change of its own. Returns how many stand.
    pub async fn restore_rates(&mut self, deck: u32, rates_version: i64, note: &str) -> Result<u64> {
        let rates = revisions::at(&mut self.tx, deck, rates_version).await?;
        self.replace_rates(deck, &rates, note).await
    }

    async fn change(&mut self, deck: u32, edits: &Edits) -> Result<()> {
        for rate in edits.gone.iter().chain(&edits.put) {
            remove(&mut self.tx, deck, &rate.prefix, rate.class, rate.from).await?;
        }
        self.insert(deck, &edits.put).await
    }

    async fn insert(&mut self, deck: u32, rates: &[Rate]) -> Result<()> {
        for block in rates.chunks(10_000) {
            let rows = block.iter().map(|rate| values(deck, rate)).collect();
            self.tx.insert_many("INSERT INTO", "rates", COLUMNS, rows).await.map_err(doubled)?;
        }
        Ok(())
    }

    /// Writes one rate over the one with the same prefix, class and date, or beside the others.
    pub async fn put_rate(&mut self, deck: u32, rate: &Rate, note: &str) -> Result<()> {
        lock(&mut self.tx, deck).await?;
        check_rate(rate)?;
        let mut count = deck_count(&mut self.tx, deck).await?;
        let before = one(&mut self.tx, deck, &rate.prefix, rate.class, rate.from).await?;
        let undo = diff::edits(core::slice::from_ref(rate), before.as_slice());
        let gone = remove(&mut self.tx, deck, &rate.prefix, rate.class, rate.from).await?;
        count = count.saturating_sub(gone) + 1;
        self.tx.insert_many("INSERT INTO", "rates", COLUMNS, vec![values(deck, rate)]).await?;
        self.touched = true;
        step(&mut self.tx, deck, count, note, &undo).await
    }

    /// Removes one rate.
    pub async fn delete_rate(
        &mut self,
        deck: u32,
        prefix: &str,
        class: RateClass,
        from: WallTime,
        note: &str,
    ) -> Result<()> {
        lock(&mut self.tx, deck).await?;
        let count = deck_count(&mut self.tx, deck).await?;
        let undo = Edits { put: one(&mut self.tx, deck, prefix, class, from).await?, ..Edits::default() };
        let gone = remove(&mut self.tx, deck, prefix, class, from).await?;
        if gone == 0 {
            return Err(StoreError::missing("rate", prefix));
        }
        self.touched = true;
        step(&mut self.tx, deck, count.saturating_sub(gone), note, &undo).await
    }
}

/// Packs the rates of a deck at its present version, unless the shelf has them. A deck with a rate that cannot be packed gets all its
/// rates as they are: whoever encodes it is told which.
pub(crate) async fn pack(tx: &mut Tx, shelf: &Shelf, deck: &mut Deck, version: i64) -> Result<()> {
    if let Some((kept, image)) = lock_shelf(shelf).get(&deck.id.0)
        && *kept == version
    {
        deck.packed = Some(image.clone());
        return Ok(());
    }
    let mut packer = Some(Packer::new(&deck.code));
    tx.each(EVERY, args![deck.id.0], |row| {
        let rate = read(&row)?;
        if packer.as_mut().is_some_and(|packer| packer.add(&rate).is_err()) {
            packer = None;
        }
        Ok(())
    })
    .await?;
    // Sorting and writing a large deck takes seconds.
    let finish = tokio::task::spawn_blocking(move || packer.and_then(|packer| packer.finish().ok()));
    match finish.await.map_err(|error| StoreError::Broken(error.to_string()))? {
        Some(image) => {
            lock_shelf(shelf).insert(deck.id.0, (version, image.clone()));
            deck.packed = Some(image);
        }
        None => deck.rates = every(tx, deck.id.0).await?,
    }
    Ok(())
}

/// Forgets the rates of decks that are gone.
pub(crate) fn tidy_shelf(shelf: &Shelf, decks: &[u32]) {
    lock_shelf(shelf).retain(|deck, _| decks.contains(deck));
}

pub(crate) fn lock_shelf(shelf: &Shelf) -> std::sync::MutexGuard<'_, Shelved> {
    // A panic while the map was held cannot leave it half changed: entries are inserted whole.
    shelf.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What tells one rate of the database from all others.
const KEY: &str = "deck=? AND prefix=? AND hours=? AND jurisdiction=? AND valid_from=?";

fn key(deck: u32, prefix: &str, class: RateClass, from: WallTime) -> Vec<Arg> {
    let mut key = args![deck, prefix];
    key.extend(class_values(class));
    key.push(Arg::from(from));
    key
}

fn class_values(class: RateClass) -> Vec<Arg> {
    args![class.hours as u8, class.jurisdiction as u8]
}

/// The rates of this prefix, class and date: one, or none.
async fn one(tx: &mut Tx, deck: u32, prefix: &str, class: RateClass, from: WallTime) -> Result<Vec<Rate>> {
    let sql = format!("SELECT * FROM rates WHERE {KEY}");
    tx.rows(sql, key(deck, prefix, class, from)).await?.iter().map(read).collect()
}

/// Removes those; returns how many there were.
async fn remove(tx: &mut Tx, deck: u32, prefix: &str, class: RateClass, from: WallTime) -> Result<u64> {
    Ok(tx.run(format!("DELETE FROM rates WHERE {KEY}"), key(deck, prefix, class, from)).await?.rows)
}

const EVERY: &str = "SELECT * FROM rates WHERE deck=? ORDER BY prefix,hours,jurisdiction,valid_from";

pub(crate) async fn every(tx: &mut Tx, deck: u32) -> Result<Vec<Rate>> {
    let mut rates = Vec::new();
    tx.each(EVERY, args![deck], |row| {
        rates.push(read(&row)?);
        Ok(())
    })
    .await?;
    Ok(rates)
}

async fn lock(tx: &mut Tx, deck: u32) -> Result<()> {
    let sql = format!("SELECT derive_from FROM decks WHERE id=?{}", tx.dialect().for_update());
    let row = tx.row(sql, args![deck]).await?.ok_or_else(|| StoreError::missing("deck", deck))?;
    match row.text("derive_from")?.as_str() {
        "" => Ok(()),
        _ => Err(StoreError::invalid("rates", "are computed from other decks")),
    }
}

async fn deck_count(tx: &mut Tx, deck: u32) -> Result<u64> {
    Ok(object::get::<crate::DeckDraft>(tx, deck).await?.facts.rates)
}

async fn step(tx: &mut Tx, deck: u32, rates: u64, note: &str, undo: &Edits) -> Result<()> {
    tx.run("UPDATE decks SET rates_version=rates_version+1 WHERE id=?", args![deck]).await?;
    let note: String = note.chars().take(400).collect();
    let sql = "INSERT INTO deck_revisions (deck,rates_version,created,rates,note) \
               SELECT id,rates_version,?,?,? FROM decks WHERE id=?";
    tx.run(sql, args![now(), rates, note, deck]).await?;
    revisions::keep(tx, deck, undo).await
}

fn doubled(error: StoreError) -> StoreError {
    match error {
        StoreError::Conflict { .. } => StoreError::invalid("rates", "two rates have the same prefix, class and date"),
        other => other,
    }
}

pub(crate) fn values(deck: u32, rate: &Rate) -> Vec<Arg> {
    args![
        deck,
        rate.prefix.as_str(),
        rate.class.hours as u8,
        rate.class.jurisdiction as u8,
        rate.from,
        rate.till,
        rate.destination.as_str(),
        rate.per_minute,
        rate.first_per_minute,
        rate.connection_fee,
        rate.minimum_s,
        rate.increment_s,
        rate.free_s,
        rate.blocked
    ]
}

pub(crate) fn read(row: &impl Fields) -> Result<Rate> {
    Ok(Rate {
        prefix: row.text("prefix")?,
        destination: row.text("destination")?,
        per_minute: row.money("per_minute")?,
        first_per_minute: row.opt_int("first_per_minute")?.map(Money::from_nanos),
        connection_fee: row.money("connection_fee")?,
        minimum_s: row.num("minimum_s")?,
        increment_s: row.num("increment_s")?,
        free_s: row.num("free_s")?,
        from: row.time("valid_from")?,
        till: row.opt_int("valid_till")?.map(WallTime::from_micros),
        blocked: row.flag("blocked")?,
        class: class(row.int("hours")?, row.int("jurisdiction")?)?,
    })
}

/// The class of two columns.
pub(crate) fn class(hours: i64, jurisdiction: i64) -> Result<RateClass> {
    let broken = || StoreError::Broken(format!("columns hours and jurisdiction hold {hours} and {jurisdiction}"));
    let hours_of = |code: i64| Hours::from_code(u8::try_from(code).ok()?);
    let jurisdiction_of = |code: i64| Jurisdiction::from_code(u8::try_from(code).ok()?);
    match (hours_of(hours), jurisdiction_of(jurisdiction)) {
        (Some(hours), Some(jurisdiction)) => Ok(RateClass { hours, jurisdiction }),
        _ => Err(broken()),
    }
}
