//! One line of what changes in a deck, and one cell that could not be taken.

use rating::deck;
use rating::deck::merge::{Line, Merged};
use rating::diff;
use serde::{Deserialize, Serialize};
use units::RateClass;
use utoipa::ToSchema;

use super::simulate::percent;
use crate::problem::{Answered, Problem};
use crate::sheets;
use crate::value::{Amount, RateHours, RateJurisdiction, Time};

/// What happens to a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The prefix was not in the deck.
    New,
    /// Costs more than before.
    Increase,
    /// Costs less than before.
    Decrease,
    /// Same price; steps, name or dates may differ.
    Unchanged,
    /// The prefix is in the deck and not in the file.
    Closed,
    /// Calls there are refused from then on.
    Blocked,
}

/// One line of the difference between a deck and a file.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RateChange {
    /// The prefix.
    pub prefix: String,
    /// At which hours the rate counts.
    pub hours: RateHours,
    /// For calls of which jurisdiction the rate counts.
    pub jurisdiction: RateJurisdiction,
    /// What people call the destination.
    pub destination: String,
    /// What happens.
    pub kind: ChangeKind,
    /// Price of a minute in the deck.
    pub old_per_minute: Option<Amount>,
    /// Price of a minute in the file.
    pub new_per_minute: Option<Amount>,
    /// New price over old, less one, in per cent; absent without both.
    pub change_percent: Option<f64>,
    /// From when it is so.
    pub effective_from: Option<Time>,
    /// The file's line; absent for a prefix that is missing there.
    pub row: Option<u32>,
    /// What the carrier's marker says, if that is not what happens.
    pub marker: Option<String>,
    /// Minutes of the last seven days.
    pub minutes: Option<u64>,
    /// What those would cost more.
    pub impact: Option<Amount>,
    /// What calls of 1, 31 and 61 seconds would cost, fee included.
    pub examples: Vec<Amount>,
    /// `notice`: an increase before its notice period ends; `marker`: the carrier says something else; `guard`: a second user must look.
    pub flags: Vec<String>,
}

/// One cell that could not be taken as it is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RowProblem {
    /// The file's line, from 1.
    pub row: u32,
    /// The file's column, from 1; 0 for the whole row.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What the cell should perhaps say.
    pub repair: Option<String>,
}

/// Runs work that takes a core for long beside the event loop.
pub(crate) async fn off_the_loop<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Answered<T> {
    tokio::task::spawn_blocking(work).await.map_err(Problem::internal)
}

impl RowProblem {
    pub(super) fn show(problem: &deck::Problem) -> RowProblem {
        RowProblem {
            row: problem.row,
            column: problem.column,
            message: problem.message.clone(),
            repair: problem.repair.clone(),
        }
    }
}

impl From<diff::ChangeKind> for ChangeKind {
    fn from(kind: diff::ChangeKind) -> ChangeKind {
        match kind {
            diff::ChangeKind::New => ChangeKind::New,
            diff::ChangeKind::Increase => ChangeKind::Increase,
            diff::ChangeKind::Decrease => ChangeKind::Decrease,
            diff::ChangeKind::Unchanged => ChangeKind::Unchanged,
            diff::ChangeKind::Closed => ChangeKind::Closed,
            diff::ChangeKind::Blocked => ChangeKind::Blocked,
        }
    }
}

impl RateChange {
    pub(super) fn show(change: &diff::Change<'_>) -> RateChange {
        let rate = change.rate();
        let class = rate.map_or(RateClass::ANY, |rate| rate.class);
        RateChange {
            prefix: rate.map(|rate| rate.prefix.clone()).unwrap_or_default(),
            hours: class.hours.into(),
            jurisdiction: class.jurisdiction.into(),
            destination: rate.map(|rate| rate.destination.clone()).unwrap_or_default(),
            kind: change.kind.into(),
            old_per_minute: change.old.map(|rate| Amount(rate.per_minute)),
            new_per_minute: change.new.map(|rate| Amount(rate.per_minute)),
            change_percent: change
                .difference()
                .zip(change.old)
                .and_then(|(difference, old)| percent(difference, old.per_minute)),
            effective_from: change.new.map(|rate| Time(rate.from)),
            row: None,
            marker: None,
            minutes: None,
            impact: None,
            examples: change.new.map(examples).unwrap_or_default(),
            flags: Vec::new(),
        }
    }

    /// A line of a deck and a sheet that were put together.
    pub(super) fn of(merged: &Merged, line: &Line) -> RateChange {
        let old = line.old.and_then(|place| merged.old.get(place as usize));
        let new = line.new.and_then(|place| merged.new.get(place as usize));
        RateChange {
            effective_from: Some(Time(line.at)),
            row: (line.row > 0).then_some(line.row),
            marker: line.disagrees.map(|said| format!("{said:?}").to_lowercase()),
            ..RateChange::show(&diff::Change { kind: line.kind, old, new })
        }
    }
}

/// What calls of 1, 31 and 61 seconds cost: wrong increments show here first.
fn examples(rate: &snapshot::Rate) -> Vec<Amount> {
    [1_000, 31_000, 61_000].into_iter().map(|ms| Amount(sheets::cost(rate, ms))).collect()
}
