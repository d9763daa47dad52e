//! A deck as the file that a carrier gets: the whole sheet, or the notice of what changes.

use rating::diff::{self, Change, ChangeKind};
use rust_xlsxwriter::{Workbook, XlsxError};
use serde::Deserialize;
use snapshot::Rate;
use units::{Hours, Jurisdiction, WallTime};
use utoipa::ToSchema;

use crate::cell::harmless;
use crate::value::Time;

/// Rows that a sheet of a workbook holds, its head among them.
const WORKBOOK_ROWS_MAX: usize = 1 << 20;

/// How a file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Text, cells parted by commas.
    #[default]
    Csv,
    /// A workbook.
    Xlsx,
}

/// A deck as a file; with the rates of another moment, only what differs from those. The sentence says why it cannot be written.
pub fn written(rates: &[Rate], since: Option<&[Rate]>, at: WallTime, format: Format) -> Result<Vec<u8>, String> {
    let lines = match since {
        Some(old) => amendments(old, rates, at),
        None => current(rates, at).map(|rate| row(rate, None)).collect(),
    };
    let mut columns: Vec<usize> = (0..HEAD.len()).collect();
    columns.retain(|column| match HEAD[*column] {
        "status" => since.is_some(),
        // Columns that no line fills are left out: most carriers know of no classes.
        "hours" | "jurisdiction" => lines.iter().any(|line| !line[*column].is_empty()),
        _ => true,
    });
    match format {
        Format::Csv => csv(&lines, &columns).map_err(|why| why.to_string()),
        Format::Xlsx if lines.len() >= WORKBOOK_ROWS_MAX => {
            Err("a workbook holds 1,048,575 rates; ask for csv".to_owned())
        }
        Format::Xlsx => workbook(&lines, &columns).map_err(|why| why.to_string()),
    }
}

/// Rates that are in force at a moment or come later.
fn current(rates: &[Rate], at: WallTime) -> impl Iterator<Item = &Rate> {
    rates.chunk_by(|a, b| diff::by_line(a, b).is_eq()).flat_map(move |line| {
        let open = move |rate: &&Rate| rate.till.is_none_or(|till| at < till);
        let start = line.iter().rposition(|rate| rate.from <= at && open(&rate)).unwrap_or(0);
        line[start..].iter().filter(open)
    })
}

const HEAD: [&str; 12] = [
    "prefix",
    "hours",
    "jurisdiction",
    "destination",
    "rate",
    "first_rate",
    "connection_fee",
    "increments",
    "effective_from",
    "effective_till",
    "blocked",
    "status",
];

/// One line as text.
type Line = [String; HEAD.len()];

fn row(rate: &Rate, status: Option<&str>) -> Line {
    let time = |at: WallTime| if at.micros() == 0 { String::new() } else { Time(at).to_string() };
    [
        rate.prefix.clone(),
        if rate.class.hours == Hours::Any { "" } else { rate.class.hours.word() }.to_owned(),
        if rate.class.jurisdiction == Jurisdiction::Any { "" } else { rate.class.jurisdiction.word() }.to_owned(),
        rate.destination.clone(),
        rate.per_minute.to_string(),
        rate.first_per_minute.map_or(String::new(), |first| first.to_string()),
        rate.connection_fee.to_string(),
        format!("{}/{}/{}", rate.minimum_s, rate.increment_s, rate.free_s),
        time(rate.from),
        rate.till.map_or(String::new(), time),
        if rate.blocked { "yes" } else { "" }.to_owned(),
        status.unwrap_or("").to_owned(),
    ]
}

/// What a carrier must be told: each rate that comes, and each code that ends.
fn amendments(old: &[Rate], new: &[Rate], at: WallTime) -> Vec<Line> {
    let before: Vec<Rate> = current(old, at).cloned().collect();
    let after: Vec<Rate> = current(new, at).cloned().collect();
    let next = |rate: &Rate| after.get(after.partition_point(|other| diff::by_key(other, rate).is_le()));
    let followed = |rate: &Rate| next(rate).is_some_and(|next| diff::by_line(next, rate).is_eq());
    let ended = |rate: &Rate| rate.till.is_some() && !followed(rate);
    let told = |change: &Change<'_>| match (change.kind, change.old, change.new) {
        (_, Some(old), Some(new)) if Rate { from: old.from, ..new.clone() } == *old => None,
        (_, Some(old), Some(new)) if old.till != new.till && ended(new) => Some(ended_line(new)),
        (kind, _, Some(new)) => Some(row(new, Some(word(kind)))),
        (_, Some(old), None) => Some(ended_line(&Rate { till: Some(at), ..old.clone() })),
        (_, None, None) => None,
    };
    diff::diff(&before, &after).iter().filter_map(told).collect()
}

/// A code that ends: the date is the one when it does.
fn ended_line(rate: &Rate) -> Line {
    row(&Rate { from: rate.till.unwrap_or(rate.from), till: None, ..rate.clone() }, Some("closed"))
}

fn word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::New => "new",
        ChangeKind::Increase => "increase",
        ChangeKind::Decrease => "decrease",
        ChangeKind::Unchanged => "unchanged",
        ChangeKind::Closed => "closed",
        ChangeKind::Blocked => "blocked",
    }
}

fn csv(lines: &[Line], columns: &[usize]) -> Result<Vec<u8>, csv::Error> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(columns.iter().map(|column| HEAD[*column]))?;
    for line in lines {
        out.write_record(columns.iter().map(|column| harmless(line[*column].clone())))?;
    }
    out.into_inner().map_err(|error| error.into_error().into())
}

/// All cells are text: a spreadsheet that takes codes for numbers loses digits.
fn workbook(lines: &[Line], columns: &[usize]) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.set_name("Rates")?;
    for (place, column) in (0..).zip(columns) {
        sheet.write_string(0, place, HEAD[*column])?;
    }
    for (at, line) in (1..).zip(lines) {
        for (place, column) in (0..).zip(columns) {
            if !line[*column].is_empty() {
                sheet.write_string(at, place, &line[*column])?;
            }
        }
    }
    book.save_to_buffer()
}
