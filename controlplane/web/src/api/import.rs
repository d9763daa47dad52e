//! A whole deck from a file: say what would change, then change it.

use axum::Json;
use axum::extract::{DefaultBodyLimit, Request, State};
use rating::deck::merge::{Line, Merged};
use rating::deck::{self, Options, Sheet};
use rating::diff;
use serde::{Deserialize, Serialize};
use store::DeckDraft;
use units::Terms;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::simulate::percent;
use crate::auth::{May, rights};
use crate::extract::{self, Key, Query};
use crate::problem::{Answered, Code, Flaw, Problem};
use crate::services::App;
use crate::value::{Amount, DeckRef, Time};

/// How an import is read.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ImportAsk {
    /// Only says what would change.
    #[serde(default)]
    pub dry_run: bool,
    /// Hours that the sheet's dates are ahead of UTC; default 0.
    #[param(minimum = -14, maximum = 14)]
    pub utc_offset_h: Option<i32>,
}

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

/// What an import did, or would do.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportReport {
    /// The deck holds the file's rates now.
    pub applied: bool,
    /// Rates read from the file.
    pub rows: u32,
    /// Prefixes that were not in the deck.
    pub new: u32,
    /// Prefixes that cost more.
    pub increased: u32,
    /// Prefixes that cost less.
    pub decreased: u32,
    /// Prefixes of the same price.
    pub unchanged: u32,
    /// Prefixes that vanish.
    pub closed: u32,
    /// Prefixes where calls are refused from then on.
    pub blocked: u32,
    /// The first 1,000 lines that are not `unchanged`.
    pub changes: Vec<RateChange>,
    /// There are more than `changes` shows.
    pub changes_cut: bool,
    /// The first 1,000 cells that could not be taken. Any problem keeps the file from being applied.
    pub problems: Vec<RowProblem>,
    /// How many problems there are.
    pub problem_count: u32,
}

/// Bytes of a file at most: a few million rates.
pub(super) const FILE_BYTES_MAX: usize = 256 << 20;
/// Lines of the difference, and problems, that a report shows.
const SHOWN_MAX: usize = 1_000;

/// The paths of imports.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(import)).layer(DefaultBodyLimit::max(FILE_BYTES_MAX))
}

/// Replaces all rates of a deck by those of a CSV file, or says what would change.
///
/// Rates without a date are valid from now on. A file with problems is not applied: the answer is 422, and `errors[].pointer` is
/// `row:column`.
#[utoipa::path(post, path = "/api/v1/decks/{id}/rates:import", tag = "decks", params(("id" = DeckRef, Path), ImportAsk),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, description = "What was done, or would be.", body = ImportReport)))]
async fn import(
    caller: May<rights::RatesWrite>,
    State(app): State<App>,
    Key(id): Key<DeckRef>,
    Query(ask): Query<ImportAsk>,
    request: Request,
) -> Answered<Json<ImportReport>> {
    let hours = ask.utc_offset_h.unwrap_or(0);
    if !(-14..=14).contains(&hours) {
        return Err(Problem::invalid("?utc_offset_h", "-14 to 14 is wanted"));
    }
    let bytes = extract::bytes(request, &app).await?;
    let text = String::from_utf8(bytes.into()).map_err(|_| Problem::invalid("", "the file is not UTF-8 text"))?;
    app.store.get::<DeckDraft>(id.0).await?;
    let options = Options { offset_minutes: hours * 60, from: Time::now().0, ..Options::default() };
    let sheet = off_the_loop(move || deck::read(&text, &options)).await?;
    if !ask.dry_run {
        refuse_flawed(&sheet)?;
    }
    let mut edit = app.store.edit().await?;
    let old = edit.every_rate(id.0).await?;
    let (sheet, mut report) = off_the_loop(move || {
        let report = ImportReport::of(&old, &sheet);
        (sheet, report)
    })
    .await?;
    if ask.dry_run {
        return Ok(Json(report));
    }
    edit.replace_rates(id.0, &sheet.rates, &format!("{} imported a file", caller.actor())).await?;
    let counts = report.counts();
    edit.audit(&caller.entry("import", id, None, Some(&counts))).await?;
    edit.commit().await?;
    app.publish.notify_one();
    report.applied = true;
    Ok(Json(report))
}

/// Runs work that takes a core for long beside the event loop.
pub(super) async fn off_the_loop<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Answered<T> {
    tokio::task::spawn_blocking(work).await.map_err(Problem::internal)
}

pub(super) fn refuse_flawed(sheet: &Sheet) -> Answered<()> {
    if sheet.problem_count > 0 {
        let count = sheet.problem_count;
        let mut problem = Problem::new(Code::Invalid, format!("{count} problems in the file; nothing was changed"));
        problem.errors = sheet.problems.iter().map(flaw).collect();
        return Err(problem);
    }
    if sheet.rates.is_empty() {
        return Err(Problem::invalid("", "the file holds no rate; nothing was changed"));
    }
    Ok(())
}

fn flaw(problem: &deck::Problem) -> Flaw {
    Flaw { pointer: format!("{}:{}", problem.row, problem.column), message: problem.message.clone() }
}

impl ImportReport {
    fn of(old: &[snapshot::Rate], sheet: &Sheet) -> ImportReport {
        let changes = diff::diff(old, &sheet.rates);
        let counts = diff::counts(&changes);
        let mut shown = changes.iter().filter(|change| change.kind != diff::ChangeKind::Unchanged);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        ImportReport {
            applied: false,
            rows: number(sheet.rates.len()),
            new: number(counts.new),
            increased: number(counts.increased),
            decreased: number(counts.decreased),
            unchanged: number(counts.unchanged),
            closed: number(counts.closed),
            blocked: number(counts.blocked),
            changes: shown.by_ref().take(SHOWN_MAX).map(RateChange::show).collect(),
            changes_cut: shown.next().is_some(),
            problems: sheet.problems.iter().take(SHOWN_MAX).map(RowProblem::show).collect(),
            problem_count: number(sheet.problem_count),
        }
    }

    /// What the audit keeps: the numbers, not the lines.
    fn counts(&self) -> serde_json::Value {
        serde_json::json!({
            "rows": self.rows, "new": self.new, "increased": self.increased, "decreased": self.decreased,
            "unchanged": self.unchanged, "closed": self.closed, "blocked": self.blocked,
        })
    }
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
        RateChange {
            prefix: rate.map(|rate| rate.prefix.clone()).unwrap_or_default(),
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
    let terms = Terms {
        per_minute: rate.per_minute,
        first_per_minute: rate.first_per_minute,
        connection_fee: rate.connection_fee,
        minimum_s: rate.minimum_s,
        increment_s: rate.increment_s,
        free_s: rate.free_s,
        ..Terms::default()
    };
    [1_000, 31_000, 61_000].into_iter().map(|ms| Amount(rating::charge(&terms, ms).price)).collect()
}
