//! A carrier's file on its way into a deck: from bytes to rows, from rows to what would change, and what that would mean.

mod impact;
mod terms;
mod workbook;
mod written;

use std::sync::{Arc, Mutex, PoisonError};

use rating::deck::Sheet;
use rating::deck::merge::{Dates, Line, Merged, counts, merge};
use rating::diff::ChangeKind;
use sha2::{Digest, Sha256};
use snapshot::Rate;
use units::WallTime;

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
}

/// Reads a file and puts it over the rates of its deck. The sentence says why it cannot be read at all.
pub fn analyse(file: &[u8], terms: &Terms, currency: &str, old: Vec<Rate>, now: WallTime) -> Result<Analysis, String> {
    let mut options = terms.options(now)?;
    options.currency = currency.to_owned();
    let sheet = workbook::read(file, &options)?;
    let dates = Dates {
        now,
        from: options.from,
        increases_from: terms.increases_from.map(|time| time.0),
        decreases_from: terms.decreases_from.map(|time| time.0),
    };
    let merged = merge(old, &sheet, terms.semantics.missing(), &dates);
    Ok(Analysis { sheet, merged, impact: Impact::default(), broken: Vec::new(), broken_count: 0 })
}

/// The SHA-256 of a file in hexadecimal digits.
pub fn sha256(file: &[u8]) -> String {
    Sha256::digest(file).iter().map(|byte| format!("{byte:02x}")).collect()
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

/// True for a price that rises by more per cent than the template lets pass.
pub fn rises_too_much(merged: &Merged, line: &Line, guard: &Terms) -> bool {
    let price = |rates: &[Rate], place: Option<u32>| {
        place.and_then(|place| rates.get(place as usize)).map(|rate| i128::from(rate.per_minute.nanos()))
    };
    let most = i128::from(guard.increase_percent_max);
    match (line.kind, price(&merged.old, line.old), price(&merged.new, line.new)) {
        (ChangeKind::Increase, Some(old), Some(new)) => most > 0 && new * 100 > old * (100 + most),
        _ => false,
    }
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
