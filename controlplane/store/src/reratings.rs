//! Re-ratings: calls of a period priced once more after a deck was corrected, and the difference booked once.
//!
//! A report is kept as it was made, and what is booked is what was reported: nobody books what nobody saw. Records of calls never change.

mod calls;
mod rows;

use units::{Money, WallTime};

use crate::Store;
use crate::accounts::AccountDraft;
use crate::decks::DeckDraft;
use crate::error::{ConflictKind, Result, StoreError};
use crate::invoices;
use crate::ledger::{self, Booking};
use crate::numbered;
use crate::object;
use crate::sql::{Tx, args, now};
use crate::sums::{self, DAY};
use rows::{COLUMNS, LINE_COLUMNS, line_values, one, rerating, stored, values};

/// A period has so many days at most.
const DAYS_MAX: i64 = 92;
/// Characters of why it was done.
const WHY_CHARS_MAX: usize = 200;

/// What is to be priced once more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RerateAsk {
    /// Who paid for the calls.
    pub account: u32,
    /// Only calls that were charged by this deck.
    pub deck: Option<u32>,
    /// Priced by this deck instead of the one that each was charged by.
    pub instead: Option<u32>,
    /// Calls that began from this moment on,
    pub from: WallTime,
    /// and before this one.
    pub till: WallTime,
    /// Why; it stands in the ledger.
    pub why: String,
    /// Who asks.
    pub made_by: String,
}

/// Who did something when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// When.
    pub at: WallTime,
    /// Who.
    pub by: String,
}

/// A report, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rerating {
    /// Its number: 1, 2, 3 and so on.
    pub number: u32,
    /// When the calls were looked at. Those whose records came later are not in it.
    pub made: WallTime,
    /// What was asked for.
    pub ask: RerateAsk,
    /// The account's code.
    pub account_code: String,
    /// The codes of `deck` and `instead`; empty for none.
    pub deck_codes: [String; 2],
    /// ISO 4217; all amounts count in it.
    pub currency: String,
    /// The sums of its lines.
    pub sums: RerateSums,
    /// When the difference was booked.
    pub booked: Option<Act>,
    /// When it was booked back.
    pub undone: Option<Act>,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum RerateItem {
    /// Calls that cost something else now, or have other terms.
    #[default]
    Changed = 0,
    /// Calls for which there is no rate now, or one that blocks them: they keep their price.
    Unrated = 1,
    /// All calls that have the terms that they had.
    Same = 2,
}

/// Calls of one destination that had one price and have another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RerateLine {
    /// What it is about.
    pub item: RerateItem,
    /// What the deck calls the destination now.
    pub destination: String,
    /// By which beginnings of the number they were rated, and are now.
    pub prefixes: [String; 2],
    /// The price of a minute before tax as charged and now, in `rate_currency`.
    pub per_minute: [Money; 2],
    /// What the rate now counts in.
    pub rate_currency: String,
    /// The sums.
    pub sums: RerateSums,
}

/// Sums of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RerateSums {
    /// Answered calls.
    pub calls: i64,
    /// How long they were talked.
    pub talked_ms: i64,
    /// What was charged, with tax.
    pub before: Money,
    /// Tax in that.
    pub before_tax: Money,
    /// What it would be now, with tax.
    pub after: Money,
    /// Tax in that.
    pub after_tax: Money,
}

impl RerateSums {
    fn add(&mut self, other: &RerateSums) {
        self.calls = self.calls.saturating_add(other.calls);
        self.talked_ms = self.talked_ms.saturating_add(other.talked_ms);
        self.before += other.before;
        self.before_tax += other.before_tax;
        self.after += other.after;
        self.after_tax += other.after_tax;
    }

    /// What the account is to get back; negative where it paid too little.
    pub fn back(&self) -> Money {
        self.before - self.after
    }
}

/// What else there is of the period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RerateNear {
    /// Invoices that count and have a part of it.
    pub invoices: Vec<u32>,
    /// Other re-ratings that are booked and have a part of its calls.
    pub booked: Vec<u32>,
}

impl Store {
    /// Prices the calls of a period once more and keeps the report. No money moves.
    pub async fn rerate(&self, ask: &RerateAsk) -> Result<(Rerating, Vec<RerateLine>)> {
        check(ask)?;
        let mut tx = self.read().await?;
        let account = object::get::<AccountDraft>(&mut tx, ask.account).await?;
        sums::still_there(&mut tx, ask.from).await?;
        let made = now();
        let mut deck_codes = [String::new(), String::new()];
        for (code, deck) in deck_codes.iter_mut().zip([ask.deck, ask.instead]) {
            if let Some(deck) = deck {
                *code = object::get::<DeckDraft>(&mut tx, deck).await?.draft.code;
            }
        }
        let lines = calls::priced(&mut tx, account.carrier.0, ask).await?;
        drop(tx);
        let mut sums = RerateSums::default();
        lines.iter().for_each(|line| sums.add(&line.sums));
        let (account_code, currency) = (account.code.clone(), account.currency.code());
        let ask = ask.clone();
        let report = Rerating { made, ask, account_code, deck_codes, currency, sums, ..Rerating::default() };
        let number = self.keep_rerating(&report, &lines).await?;
        Ok((Rerating { number, ..report }, lines))
    }

    async fn keep_rerating(&self, report: &Rerating, lines: &[RerateLine]) -> Result<u32> {
        let mut tx = self.write().await?;
        // Whoever else makes one of this account waits here.
        ledger::lock(&mut tx, report.ask.account).await?;
        let number = numbered::next(&mut tx, "reratings").await?;
        tx.insert_many("INSERT INTO", "reratings", &COLUMNS, vec![values(number, report)]).await?;
        let rows = lines.iter().enumerate().map(|(place, line)| line_values(number, place, line));
        tx.insert_many("INSERT INTO", "rerating_lines", &LINE_COLUMNS, rows.collect()).await?;
        tx.commit().await?;
        Ok(number)
    }

    /// Reports, the highest number first; below `before` when given; of one account when given.
    pub async fn reratings(&self, account: Option<u32>, before: Option<u32>, limit: u32) -> Result<Vec<Rerating>> {
        let mut tx = self.read().await?;
        numbered::list(&mut tx, "reratings", account, before, limit).await?.iter().map(rerating).collect()
    }

    /// One of them with its lines, and what else there is of its period.
    pub async fn rerating(&self, number: u32) -> Result<(Rerating, Vec<RerateLine>, RerateNear)> {
        let mut tx = self.read().await?;
        let found = one(&mut tx, number).await?;
        let near = near(&mut tx, &found).await?;
        Ok((found, stored(&mut tx, number).await?, near))
    }

    /// Books the difference of a report as one correction of the account. Only once, and not beside another of the same calls.
    pub async fn book_rerating(&self, number: u32, by: &str) -> Result<Rerating> {
        let (mut tx, found) = self.to_change(number).await?;
        if found.booked.is_some() {
            return Err(refused(number, ConflictKind::Exists, "it was booked already"));
        }
        if let Some(other) = near(&mut tx, &found).await?.booked.first() {
            let why =
                format!("re-rating {other} of the same calls is booked: undo that first, and make another report");
            return Err(refused(number, ConflictKind::Exists, &why));
        }
        let (reference, note) = (format!("rerating-{number}"), note(&found, "re-rating"));
        let (account, back) = (found.ask.account, found.sums.back());
        if back == Money::ZERO {
            return Err(refused(number, ConflictKind::InUse, "nothing to book: the calls cost what was charged"));
        }
        ledger::book(&mut tx, Booking::Correction, account, back, &reference, &note).await?;
        let booked = Act { at: now(), by: by.to_owned() };
        let sql = "UPDATE reratings SET booked=?,booked_by=? WHERE number=?";
        tx.run(sql, args![booked.at, rows::short(by), number]).await?;
        tx.commit().await?;
        Ok(Rerating { booked: Some(booked), ..found })
    }

    /// Books back what was booked. The report stays, and another one of the calls may be booked.
    pub async fn undo_rerating(&self, number: u32, by: &str) -> Result<Rerating> {
        let (mut tx, found) = self.to_change(number).await?;
        if found.booked.is_none() || found.undone.is_some() {
            return Err(refused(number, ConflictKind::InUse, "it is not booked"));
        }
        let (reference, note) = (format!("rerating-{number}-undone"), note(&found, "undone re-rating"));
        let back = Money::ZERO - found.sums.back();
        ledger::book(&mut tx, Booking::Correction, found.ask.account, back, &reference, &note).await?;
        let undone = Act { at: now(), by: by.to_owned() };
        let sql = "UPDATE reratings SET undone=?,undone_by=? WHERE number=?";
        tx.run(sql, args![undone.at, rows::short(by), number]).await?;
        tx.commit().await?;
        Ok(Rerating { undone: Some(undone), ..found })
    }

    /// A report as it stands while nobody else may book of its account.
    async fn to_change(&self, number: u32) -> Result<(Tx, Rerating)> {
        let account = one(&mut self.read().await?, number).await?.ask.account;
        let mut tx = self.write().await?;
        ledger::lock(&mut tx, account).await?;
        let found = one(&mut tx, number).await?;
        Ok((tx, found))
    }
}

fn refused(number: u32, kind: ConflictKind, why: &str) -> StoreError {
    StoreError::conflict(kind, "re-rating", number, why)
}

/// What the ledger says of a booking.
fn note(found: &Rerating, what: &str) -> String {
    let day = |at: WallTime| jiff::Timestamp::from_microsecond(at.micros()).map_or(String::new(), |at| at.to_string());
    let ask = &found.ask;
    format!("{what} {} of calls {} to {}: {}", found.number, day(ask.from), day(ask.till), ask.why)
}

fn check(ask: &RerateAsk) -> Result<()> {
    if ask.why.chars().count() > WHY_CHARS_MAX || ask.why.trim().is_empty() || ask.why.contains(char::is_control) {
        return Err(StoreError::invalid("why", format!("1 to {WHY_CHARS_MAX} characters, none of them a control")));
    }
    let length = ask.till.micros().saturating_sub(ask.from.micros());
    if length <= 0 || length > DAYS_MAX * DAY {
        return Err(StoreError::invalid("till", format!("after `from`, by {DAYS_MAX} days at most")));
    }
    Ok(())
}

/// Booked re-ratings have the same calls where the time is the same, and not each has a deck of its own.
async fn near(tx: &mut Tx, of: &Rerating) -> Result<RerateNear> {
    let ask = &of.ask;
    let sql = "SELECT number FROM reratings WHERE account=? AND number<>? AND booked IS NOT NULL AND undone IS NULL \
               AND starts<? AND ends>? AND (deck IS NULL OR ?=0 OR deck=?) ORDER BY number";
    let deck = ask.deck.unwrap_or(0);
    let rows = tx.rows(sql, args![ask.account, of.number, ask.till, ask.from, deck, deck]).await?;
    let booked = rows.iter().map(|row| row.num("number")).collect::<Result<_>>()?;
    Ok(RerateNear { invoices: invoices::covering(tx, ask.account, (ask.from, ask.till)).await?, booked })
}
