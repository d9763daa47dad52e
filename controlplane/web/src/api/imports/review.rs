//! What an import says and what that means.

use rating::deck::HeadColumn;
use rating::deck::merge::{Line, counts};
use rating::diff;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::changes::{RateChange, RowProblem};
use crate::desk::Look;
use crate::sheets;
use crate::value::{Amount, DeckRef, Named};

/// One column of the file.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SheetColumn {
    /// Its place, from 1.
    pub column: u32,
    /// Its name in the file.
    pub name: String,
    /// What it is read as; absent if it is not read.
    pub means: Option<String>,
}

/// A destination that would be sold below its cost, and is not today.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BrokenMargin {
    /// The destination.
    pub prefix: String,
    /// What people call it.
    pub destination: String,
    /// The deck of the other side of these calls.
    pub deck: Named<DeckRef>,
    /// What a minute would be sold at.
    pub sell_per_minute: Amount,
    /// What a minute would cost.
    pub buy_per_minute: Amount,
}

/// What a file says and what that means.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Review {
    /// Why the file cannot be read at all; then all else is empty.
    pub unreadable: Option<String>,
    /// Its columns.
    pub columns: Vec<SheetColumn>,
    /// Rates read from the file.
    pub rows: u32,
    /// Rates in the deck afterwards, past ones among them.
    pub rates_after: u32,
    /// Prefixes that were not in the deck.
    pub new: u32,
    /// Prefixes that cost more.
    pub increased: u32,
    /// Prefixes that cost less.
    pub decreased: u32,
    /// Prefixes of the same price.
    pub unchanged: u32,
    /// Prefixes that end.
    pub closed: u32,
    /// Prefixes where calls are refused from then on.
    pub blocked: u32,
    /// The first 1,000 cells that could not be taken; their rows are left out.
    pub problems: Vec<RowProblem>,
    /// How many there are.
    pub problem_count: u32,
    /// The first 1,000 cells that were taken and are worth a look.
    pub warnings: Vec<RowProblem>,
    /// How many there are.
    pub warning_count: u32,
    /// Rows whose status marker says something else than our difference.
    pub disagreements: u32,
    /// Increases that begin before the notice period ends.
    pub notice_violations: u32,
    /// Minutes of the last seven days over this deck.
    pub minutes: u64,
    /// What they cost by the rates that stand, in the deck's currency.
    pub cost_before: Amount,
    /// What they would cost by the rates that come.
    pub cost_after: Amount,
    /// Minutes that no rate would cover.
    pub minutes_lost: u64,
    /// The first 1,000 destinations that would be sold below cost, and are not today.
    pub broken: Vec<BrokenMargin>,
    /// How many there are.
    pub broken_count: u32,
    /// Why a second user must approve; empty if nobody must.
    pub guards: Vec<String>,
    /// Stands for all of this; whoever approves says what they have seen with it.
    pub seen: String,
}

impl Look {
    /// One line of it.
    pub(super) fn change(&self, line: &Line) -> RateChange {
        let mut change = RateChange::of(&self.analysis.merged, line);
        if let Some((duration_ms, difference)) = self.analysis.impact.by_prefix.get(&change.prefix) {
            change.minutes = Some(duration_ms / 60_000);
            change.impact = Some(Amount(*difference));
        }
        if self.short_notice(line) {
            change.flags.push("notice".to_owned());
        }
        if line.disagrees.is_some() {
            change.flags.push("marker".to_owned());
        }
        if sheets::rises_too_much(&self.analysis.merged, line, &self.guard) {
            change.flags.push("guard".to_owned());
        }
        change
    }

    /// True for an increase that begins before the notice period after the file's arrival is over.
    fn short_notice(&self, line: &Line) -> bool {
        let notice = i64::from(self.reading.terms().unwrap_or(&self.template).notice_days) * 86_400 * 1_000_000;
        line.kind == diff::ChangeKind::Increase && line.at.micros() < self.kept.created.micros() + notice
    }

    /// All of it.
    pub(super) fn review(&self) -> Review {
        let (sheet, merged) = (&self.analysis.sheet, &self.analysis.merged);
        let counts = counts(&merged.lines);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let count = |fits: &dyn Fn(&Line) -> bool| number(merged.lines.iter().filter(|line| fits(line)).count());
        let impact = &self.analysis.impact;
        let means = |it: &HeadColumn| it.means.map(|column| column.word().to_owned());
        let column = |it: &HeadColumn| SheetColumn { column: it.column, name: it.name.clone(), means: means(it) };
        Review {
            unreadable: None,
            columns: sheet.columns.iter().map(column).collect(),
            rows: number(sheet.rates.len()),
            rates_after: number(merged.rates.len()),
            new: number(counts.new),
            increased: number(counts.increased),
            decreased: number(counts.decreased),
            unchanged: number(counts.unchanged),
            closed: number(counts.closed),
            blocked: number(counts.blocked),
            problems: sheet.problems.iter().map(RowProblem::show).collect(),
            problem_count: number(sheet.problem_count),
            warnings: sheet.warnings.iter().map(RowProblem::show).collect(),
            warning_count: number(sheet.warning_count),
            disagreements: count(&|line| line.disagrees.is_some()),
            notice_violations: count(&|line| self.short_notice(line)),
            minutes: impact.duration_ms / 60_000,
            cost_before: Amount(impact.before),
            cost_after: Amount(impact.after),
            minutes_lost: impact.lost_ms / 60_000,
            broken: self.analysis.broken.iter().map(BrokenMargin::show).collect(),
            broken_count: number(self.analysis.broken_count),
            guards: self.guards(),
            seen: self.analysis.digest.clone(),
        }
    }
}

impl BrokenMargin {
    fn show(broken: &sheets::Broken) -> BrokenMargin {
        BrokenMargin {
            prefix: broken.prefix.clone(),
            destination: broken.destination.clone(),
            deck: Named { id: DeckRef(broken.deck), code: broken.code.clone() },
            sell_per_minute: Amount(broken.sell),
            buy_per_minute: Amount(broken.buy),
        }
    }
}
