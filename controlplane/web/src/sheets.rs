//! A carrier's file, or a change of many rates, on its way into a deck: what it says, what would change, and what that would mean.

mod bulk;
mod impact;
mod terms;
mod workbook;
mod written;

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use rating::deck::merge::{Dates, Line, Merged, Missing, counts, merge};
use rating::deck::{Closing, PROBLEMS_MAX, Problem, Sheet};
use rating::diff;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use snapshot::Rate;
use store::DeckDraft;
use units::{Jurisdiction, Money, RateClass, WallTime};

pub use bulk::BulkChange;
pub use impact::{Broken, Impact, Opposite, broken, impact};
pub use terms::{Dashes, DateOrder, DecimalMark, Semantics, StepsOrder, Terms, Unit};
pub use written::{Format, written};

/// A file that was read and put over its deck.
pub struct Analysis {
    /// What the file says.
    pub sheet: Sheet,
    /// What that means for the deck.
    pub merged: Merged,
    /// What last week's calls would have cost.
    pub impact: Impact,
    /// Destinations that would be sold below cost.
    pub broken: Vec<Broken>,
    /// How many those are.
    pub broken_count: usize,
    /// Stands for all that would be changed in the deck: another reading, another deck or another day's kinds have another one.
    pub digest: String,
}

/// Where the changes come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// From a file, read like this.
    Sheet(Terms),
    /// From the deck itself.
    Change(BulkChange),
}

#[derive(Serialize, Deserialize)]
struct Changed {
    change: BulkChange,
}

impl Reading {
    /// From the JSON that the store keeps.
    pub fn parse(body: &str) -> Reading {
        serde_json::from_str(body)
            .map_or_else(|_| Reading::Sheet(Terms::parse(body)), |it: Changed| Reading::Change(it.change))
    }

    /// As the store keeps it.
    pub fn body(&self) -> String {
        match self {
            Reading::Sheet(terms) => terms.body(),
            Reading::Change(change) => serde_json::to_string(&Changed { change: change.clone() }).unwrap_or_default(),
        }
    }

    /// How the file is read; `None` without one.
    pub fn terms(&self) -> Option<&Terms> {
        if let Reading::Sheet(terms) = self { Some(terms) } else { None }
    }
}

/// Puts changes over the rates of their deck. The sentence says why that cannot be done at all.
pub fn analyse(
    file: &[u8],
    reading: &Reading,
    deck: &DeckDraft,
    old: Vec<Rate>,
    now: WallTime,
) -> Result<Analysis, String> {
    let (sheet, merged) = match reading {
        Reading::Sheet(terms) => read(file, terms, deck, old, now)?,
        Reading::Change(change) => change.over(old, deck.decimals, now)?,
    };
    let digest = digest(&merged, now);
    Ok(Analysis { sheet, merged, impact: Impact::default(), broken: Vec::new(), broken_count: 0, digest })
}

fn read(
    file: &[u8],
    terms: &Terms,
    deck: &DeckDraft,
    old: Vec<Rate>,
    now: WallTime,
) -> Result<(Sheet, Merged), String> {
    let mut options = terms.options(now)?;
    options.currency = deck.currency.code();
    if terms.utc_offset_min.is_none() {
        options.zone = store::offsets(&deck.zone, now).unwrap_or_default();
    }
    let mut sheet = workbook::read(file, &options)?;
    if !deck.by_jurisdiction && sheet.rates.iter().any(|rate| rate.class.jurisdiction != Jurisdiction::Any) {
        let message = "rates of a jurisdiction do not count: the deck is not by jurisdiction".to_owned();
        sheet.warnings.insert(0, Problem { row: 0, column: 0, message, repair: None });
        sheet.warning_count += 1;
    }
    let dates = Dates {
        now,
        from: options.from,
        increases_from: terms.increases_from.map(|time| time.0),
        decreases_from: terms.decreases_from.map(|time| time.0),
    };
    // A sheet that holds nothing does not say that everything is closed; it cannot be applied either.
    let is_empty = sheet.rates.is_empty() && sheet.closings.is_empty();
    let missing = if is_empty { Missing::Stays } else { terms.semantics.missing() };
    let merged = merge(old, &sheet, missing, &dates);
    let told: Vec<_> = sheet.closings.iter().filter_map(|closing| closed(closing, &merged)).collect();
    sheet.warning_count += told.len();
    let room = PROBLEMS_MAX.saturating_sub(sheet.warnings.len());
    sheet.warnings.extend(told.into_iter().take(room));
    Ok((sheet, merged))
}

/// What a code that is taken off the list leaves behind, where somebody should know: nothing, as it was not there, or another price.
fn closed(closing: &Closing, merged: &Merged) -> Option<Problem> {
    let place = merged.old.partition_point(|rate| rate.prefix < closing.prefix);
    let known = merged.old.get(place).is_some_and(|rate| rate.prefix == closing.prefix);
    let shorter = diff::longest(&merged.rates, &closing.prefix, closing.at, closing.class.unwrap_or(RateClass::ANY));
    let message = match shorter.filter(|rate| rate.prefix != closing.prefix) {
        Some(rate) => format!("{} is closed: its calls go by {} from then on", closing.prefix, rate.prefix),
        None if known => return None,
        None => format!("{} is closed and not in the deck", closing.prefix),
    };
    Some(Problem { row: closing.row, column: 0, message, repair: None })
}

/// Text into a hash, without the text.
struct Hashed(Sha256);

impl Write for Hashed {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

/// The SHA-256 of what would be changed. What would happen "now" is the same at any moment.
fn digest(merged: &Merged, now: WallTime) -> String {
    let edits = diff::edits(&merged.old, &merged.rates);
    let timeless = |rate: &Rate| {
        let now_is_none = |at: WallTime| if at == now { WallTime::default() } else { at };
        Rate { from: now_is_none(rate.from), till: rate.till.map(now_is_none), ..rate.clone() }
    };
    let mut out = Hashed(Sha256::new());
    for rate in edits.gone.iter().chain(&edits.put) {
        write!(out, "{:?}", timeless(rate)).expect("hashing text does not fail");
    }
    hex(&out.0.finalize())
}

/// The SHA-256 of a file in hexadecimal digits.
pub fn sha256(file: &[u8]) -> String {
    hex(&Sha256::digest(file))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a call of so many milliseconds costs by a rate, fee included.
pub fn cost(rate: &Rate, duration_ms: u64) -> Money {
    let terms = units::Terms {
        per_minute: rate.per_minute,
        first_per_minute: rate.first_per_minute,
        connection_fee: rate.connection_fee,
        minimum_s: rate.minimum_s,
        increment_s: rate.increment_s,
        free_s: rate.free_s,
        ..units::Terms::default()
    };
    rating::charge(&terms, duration_ms).price
}

/// Why a second user must look at changes before they are made; empty if nobody must.
pub fn guards(merged: &Merged, guard: &Terms) -> Vec<String> {
    let mut guards = Vec::new();
    let above = merged.lines.iter().filter(|line| rises_too_much(merged, line, guard)).count();
    if above > 0 {
        guards.push(format!("{above} prices rise by more than {} %", guard.increase_percent_max));
    }
    let closed = counts(&merged.lines).closed;
    let most = usize::from(guard.closed_percent_max);
    if most > 0 && closed * 100 > most * merged.old.len() {
        guards.push(format!("{closed} of {} rates close, more than {most} %", merged.old.len()));
    }
    guards
}

/// True for a line whose price rises by more per cent than the template lets pass. A code that comes new is compared with the shorter one
/// that its calls went by.
pub fn rises_too_much(merged: &Merged, line: &Line, guard: &Terms) -> bool {
    let Some(new) = line.new.and_then(|place| merged.new.get(place as usize)) else { return false };
    let own = line.old.and_then(|place| merged.old.get(place as usize));
    guard.increase_percent_max > 0
        && own
            .or_else(|| diff::longest(&merged.old, &new.prefix, line.at, new.class))
            .is_some_and(|old| rises(old, new, guard))
}

/// True where a minute, or a call of 31 or 61 seconds with fee and steps, costs more than the template lets pass. That calls are refused
/// there makes no difference: it could be lifted later.
pub fn rises(old: &Rate, new: &Rate, guard: &Terms) -> bool {
    let most = i128::from(guard.increase_percent_max);
    let above = |old: Money, new: Money| i128::from(new.nanos()) * 100 > i128::from(old.nanos()) * (100 + most);
    most > 0
        && (above(old.per_minute, new.per_minute)
            || [31_000, 61_000].into_iter().any(|duration_ms| above(cost(old, duration_ms), cost(new, duration_ms))))
}

/// What an analysis depends on: the import, its reading, and the deck's rates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The import.
    pub import: u32,
    /// How it is read.
    pub body: String,
    /// The change of the deck's rates that it is put over.
    pub rates_version: i64,
    /// Which ten minutes it was in: what is valid from now on must not begin days ago.
    pub ten_minutes: i64,
}

/// The analysis that was asked for last: its pages are looked at one after the other.
#[derive(Default)]
pub struct LastAnalysis(Mutex<Option<(Key, Arc<Analysis>)>>);

impl LastAnalysis {
    /// The analysis, if it is the last one.
    pub fn get(&self, key: &Key) -> Option<Arc<Analysis>> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(kept, _)| kept == key).map(|(_, analysis)| Arc::clone(analysis))
    }

    /// Keeps an analysis instead of the one before.
    pub fn keep(&self, key: Key, analysis: &Arc<Analysis>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((key, Arc::clone(analysis)));
    }
}
