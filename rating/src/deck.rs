//! A carrier's rate sheet: rows of text become clean rates and a list of what could not be taken.
//!
//! Nothing is guessed twice: the separator is the one that makes a head line, the decimal mark is the column's, and a cell with two
//! readings is a problem, not a rate. Reading never fails; a sheet with problems is for a human to look at. What a sheet means for the
//! deck that stands is said by [`merge`](merge::merge).

mod cells;
mod codes;
mod columns;
mod dates;
mod join;
pub mod merge;
mod row;
mod rows;
mod seen;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use snapshot::{Offset, Rate};
use units::{RateClass, WallTime};

pub use cells::Status;
pub use codes::{CODES_PER_ROW_MAX, Dashes};
pub use columns::{Column, HeadColumn};
pub use dates::DateOrder;
pub use join::{Table, join};
pub use rows::{rows, unclosed};

use columns::Head;
use dates::Local;
use row::{Row, Said, Word};
use seen::Seen;

/// Problems kept of one sheet at most; further ones are counted.
pub const PROBLEMS_MAX: usize = 1_000;
/// Minutes of an offset from UTC at most, either way.
pub const OFFSET_MINUTES_MAX: i32 = 14 * 60;
/// Rates of one sheet at most.
pub const RATES_MAX: usize = 10_000_000;
/// Lines before the head line at most: sheets begin with names and dates.
const PREAMBLE_MAX: usize = 20;

/// What is said of the line where a quote opens for good.
pub const UNCLOSED: &str = "a quote opens here and is never closed: what follows cannot be told apart";

/// What a price is the price of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Sixty seconds.
    #[default]
    Minute,
    /// One second.
    Second,
    /// The row's increment.
    Increment,
}

/// What the numbers of `30/6/0` are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StepsOrder {
    /// Minimum, increment, free seconds.
    #[default]
    MinimumFirst,
    /// Increment, minimum, free seconds.
    IncrementFirst,
    /// Free seconds, minimum, increment.
    FreeMinimum,
    /// Free seconds, increment, minimum.
    FreeIncrement,
}

impl StepsOrder {
    /// Minimum, increment and free seconds of one to three numbers.
    fn sort(self, [a, b, c]: [u16; 3], count: usize, free: u16) -> (u16, u16, u16) {
        match (self, count) {
            (_, 1) => (a, a, free),
            (StepsOrder::IncrementFirst | StepsOrder::FreeIncrement, 2) => (b, a, free),
            (_, 2) => (a, b, free),
            (StepsOrder::MinimumFirst, _) => (a, b, c),
            (StepsOrder::IncrementFirst, _) => (b, a, c),
            (StepsOrder::FreeMinimum, _) => (b, c, a),
            (StepsOrder::FreeIncrement, _) => (c, b, a),
        }
    }
}

/// How a sheet is read where it does not speak for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Minutes that the sheet's dates are ahead of UTC, unless a date has its own offset or there is a zone; −840 to 840.
    pub offset_minutes: i32,
    /// The clock of the zone that the sheet's dates are meant in, as its offsets in order of time; empty for no zone.
    pub zone: Vec<Offset>,
    /// From when rates without a date are valid.
    pub from: WallTime,
    /// Minimum, increment and free seconds of rates without their own.
    pub steps: (u16, u16, u16),
    /// What the numbers of `30/6/0` are.
    pub steps_order: StepsOrder,
    /// What a price is the price of.
    pub unit: Unit,
    /// Prices have a comma before the decimals; `None` finds out for each column.
    pub decimal_comma: Option<bool>,
    /// Which comes first in 03/04/2026; `None` makes such a date a problem.
    pub date_order: Option<DateOrder>,
    /// What a dash between digits means; `None` makes those with two readings a problem.
    pub dashes: Option<Dashes>,
    /// Names of columns (or their places: `#3`) and what they hold.
    pub columns: Vec<(String, Column)>,
    /// An empty destination or country code means the one above: merged cells.
    pub fill_down: bool,
    /// What prices count in, as three letters; a price that names another currency is a problem. Empty takes all.
    pub currency: String,
}

impl Options {
    fn local(&self) -> Local<'_> {
        Local { minutes: self.offset_minutes, zone: &self.zone }
    }
}

impl Default for Options {
    /// Dates in UTC, valid since ever, `1/1/0`, prices of a minute.
    fn default() -> Options {
        Options {
            offset_minutes: 0,
            zone: vec![],
            from: WallTime::default(),
            steps: (1, 1, 0),
            steps_order: StepsOrder::default(),
            unit: Unit::default(),
            decimal_comma: None,
            date_order: None,
            dashes: None,
            columns: vec![],
            fill_down: false,
            currency: String::new(),
        }
    }
}

/// One cell that could not be taken as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line of the text, from 1; where a quoted cell runs over several, its last.
    pub row: u32,
    /// The column, from 1; 0 for the whole row.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What the cell should perhaps say; a human must look at it.
    pub repair: Option<String>,
}

/// What is known about a rate besides its own fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The line that it comes from.
    pub row: u32,
    /// Its line has a date of its own.
    pub dated: bool,
    /// What the carrier says about it.
    pub status: Option<Status>,
}

/// A code that the sheet says is no longer sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The code.
    pub prefix: String,
    /// Which of its rates; `None` for all.
    pub class: Option<RateClass>,
    /// From when.
    pub at: WallTime,
    /// The line that says so.
    pub row: u32,
}

/// What a sheet says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    /// The clean rates, in the order of the sheet.
    pub rates: Vec<Rate>,
    /// One for each rate.
    pub marks: Vec<Mark>,
    /// Codes that are closed.
    pub closings: Vec<Closing>,
    /// Codes of rows with problems: nothing is known about them.
    pub held: Vec<String>,
    /// The columns, as named in the head line.
    pub columns: Vec<HeadColumn>,
    /// When increases begin, if the title says so.
    pub increases_from: Option<WallTime>,
    /// When decreases begin, if the title says so.
    pub decreases_from: Option<WallTime>,
    /// The first [`PROBLEMS_MAX`] problems, in the order of the sheet. A row with a problem gives no rate.
    pub problems: Vec<Problem>,
    /// How many problems there are.
    pub problem_count: usize,
    /// The first [`PROBLEMS_MAX`] oddities: taken as they stand, worth a look.
    pub warnings: Vec<Problem>,
    /// How many oddities there are.
    pub warning_count: usize,
}

/// Reads a sheet as text: see [`rows`].
pub fn read(text: &str, options: &Options) -> Sheet {
    match rows::split(text) {
        (rows, None) => read_rows(&rows, options),
        (_, Some(line)) => {
            let mut sheet = Sheet::default();
            sheet.note(line, 0, UNCLOSED.to_string());
            sheet
        }
    }
}

/// Reads a sheet as rows of cells, each with the number of its line.
pub fn read_rows<C: AsRef<str>>(rows: &[(u32, Vec<C>)], options: &Options) -> Sheet {
    let mut sheet = Sheet::default();
    let Some((start, head)) = head_of(rows, &options.columns) else {
        sheet.note(rows.first().map_or(1, |row| row.0), 0, "no head line with a prefix and a rate".to_string());
        return sheet;
    };
    sheet.announced(&rows[..start.saturating_sub(1)], options);
    sheet.judge_head(rows.get(start.wrapping_sub(1)).map_or(1, |row| row.0), &head);
    let body = &rows[start..];
    let commas = commas(body, &head, options);
    let mut reader = Reader { head: &head, options, commas, above: Default::default(), seen: Seen::default() };
    for (line, cells) in body {
        if cells.iter().all(|cell| cell.as_ref().is_empty()) {
            continue;
        }
        reader.row(*line, cells, &mut sheet);
        if sheet.rates.len() > RATES_MAX {
            sheet.note(*line, 0, format!("more than {RATES_MAX} rates"));
            break;
        }
    }
    zeros_lost(&mut sheet, &head);
    sheet
}

/// Where the rows of rates begin, and what their columns are.
fn head_of<C: AsRef<str>>(rows: &[(u32, Vec<C>)], mapped: &[(String, Column)]) -> Option<(usize, Head)> {
    let first = rows.iter().take(PREAMBLE_MAX);
    let found = first.enumerate().find_map(|(place, (_, cells))| Some((place + 1, Head::of(cells, mapped)?)));
    // A line of rates under columns that are mapped by place alone looks like a head line too.
    let named = |(place, _): &(usize, Head)| !rows[place - 1].1.iter().any(|cell| begins_with_digit(cell.as_ref()));
    found.filter(named).or_else(|| Head::by_place(mapped).filter(|_| !rows.is_empty()).map(|head| (0, head)))
}

fn begins_with_digit(cell: &str) -> bool {
    cell.bytes().next().is_some_and(|byte| byte.is_ascii_digit())
}

/// What all rows of a sheet share.
struct Reader<'a> {
    head: &'a Head,
    options: &'a Options,
    commas: (bool, bool),
    above: (String, String),
    /// Prefix, class and date of each rate that was taken, and where it stood.
    seen: Seen,
}

impl Reader<'_> {
    fn row<C: AsRef<str>>(&mut self, line: u32, cells: &[C], sheet: &mut Sheet) {
        let above = (self.above.0.as_str(), self.above.1.as_str());
        let (head, commas, options) = (self.head, self.commas, self.options);
        let mut row = Row { head, cells, commas, options, above, problems: vec![], warnings: vec![] };
        let mut prefixes = vec![];
        let said = row.read(&mut prefixes);
        let (problems, warnings) = (row.problems, row.warnings);
        warnings.into_iter().for_each(|word| sheet.warn(line, word));
        if self.options.fill_down {
            let cell = |column| self.head.place(column).and_then(|place| cells.get(place)).map_or("", AsRef::as_ref);
            let keep = |above: &mut String, cell: &str| {
                if !cell.is_empty() {
                    *above = cell.to_string();
                }
            };
            keep(&mut self.above.0, cell(Column::Destination));
            keep(&mut self.above.1, cell(Column::CountryCode));
        }
        if !problems.is_empty() {
            problems.into_iter().for_each(|word| sheet.trouble(line, word));
            sheet.held.extend(prefixes);
            return;
        }
        prefixes.into_iter().for_each(|prefix| self.take(line, prefix, &said, sheet));
    }

    fn take(&mut self, line: u32, prefix: String, said: &Said, sheet: &mut Sheet) {
        let (at, own) = (said.rate.from, said.rate.class);
        if said.closed {
            if self.is_new(&prefix, own, at, line, sheet) {
                let class = self.head.says_class().then_some(own);
                sheet.closings.push(Closing { prefix, class, at, row: line });
            }
            return;
        }
        let mark = Mark { row: line, dated: said.dated, status: said.status };
        for (class, per_minute, blocked) in &said.others {
            if self.is_new(&prefix, *class, at, line, sheet) {
                let rate = said.rate.clone();
                let blocked = rate.blocked || *blocked;
                let (prefix, per_minute, class) = (prefix.clone(), *per_minute, *class);
                sheet.rates.push(Rate { prefix, per_minute, blocked, class, ..rate });
                sheet.marks.push(mark);
            }
        }
        if said.priced && self.is_new(&prefix, own, at, line, sheet) {
            sheet.rates.push(Rate { prefix, ..said.rate.clone() });
            sheet.marks.push(mark);
        }
    }

    /// True unless a rate of this prefix, class and moment came before, which is a problem.
    fn is_new(&mut self, prefix: &str, class: RateClass, at: WallTime, line: u32, sheet: &mut Sheet) -> bool {
        let Some(before) = self.seen.note(prefix, class, at, line) else { return true };
        let column = self.head.codes().and_then(|codes| self.head.column(codes)).unwrap_or(0);
        sheet.note(line, column, format!("prefix {prefix} begins at the same moment in line {before}"));
        false
    }
}

impl Sheet {
    fn note(&mut self, row: u32, column: u32, message: String) {
        self.trouble(row, Word { column, message, repair: None });
    }

    fn trouble(&mut self, row: u32, word: Word) {
        self.problem_count += 1;
        if self.problems.len() < PROBLEMS_MAX {
            let Word { column, message, repair } = word;
            self.problems.push(Problem { row, column, message, repair });
        }
    }

    fn warn(&mut self, row: u32, word: Word) {
        self.warning_count += 1;
        if self.warnings.len() < PROBLEMS_MAX {
            let Word { column, message, repair } = word;
            self.warnings.push(Problem { row, column, message, repair });
        }
    }

    /// Two columns that say the same and columns about money that nobody reads are problems; others that nobody reads are told.
    fn judge_head(&mut self, line: u32, head: &Head) {
        for (column, name) in &head.doubled {
            self.note(line, *column, format!("a second column for {name}"));
        }
        for unread in head.unread_money() {
            let message =
                format!("column {:?} speaks of money and is not read: say what it holds, or ignore it", unread.name);
            self.note(line, unread.column, message);
        }
        self.columns.clone_from(&head.columns);
    }

    /// "Increases from 1 August, decreases from 25 July" above the head line.
    fn announced<C: AsRef<str>>(&mut self, preamble: &[(u32, Vec<C>)], options: &Options) {
        for (_, cells) in preamble {
            let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).filter(|cell| !cell.is_empty()).collect();
            let line = cells.join(" ").to_lowercase();
            let date = |text: &str| dates::first_in(text, options.local(), options.date_order);
            let after = |word: &str, other: &str| {
                let from = &line[line.find(word)?..];
                date(&from[..from.find(other).unwrap_or(from.len())])
            };
            self.increases_from = self.increases_from.or_else(|| after("increase", "decrease"));
            self.decreases_from = self.decreases_from.or_else(|| after("decrease", "increase"));
        }
    }
}

/// Whether prices and fees are written with a comma: some cell of the column has one and none has a point.
fn commas<C: AsRef<str>>(body: &[(u32, Vec<C>)], head: &Head, options: &Options) -> (bool, bool) {
    let comma = |column| match (options.decimal_comma, head.place(column)) {
        (Some(comma), _) => comma,
        (None, None) => false,
        (None, Some(place)) => comma_is_the_mark(body, place),
    };
    let prices = head.prices().map(comma).reduce(|one, other| one || other);
    (prices.unwrap_or(false), comma(Column::ConnectionFee))
}

fn comma_is_the_mark<C: AsRef<str>>(body: &[(u32, Vec<C>)], place: usize) -> bool {
    let mut commas = false;
    for (_, cells) in body {
        let cell = cells.get(place).map_or("", AsRef::as_ref);
        match (cell.rfind('.'), cell.rfind(',')) {
            (Some(point), Some(comma)) => return comma > point,
            (Some(_), None) => return false,
            (None, found) => commas |= found.is_some(),
        }
    }
    commas
}

/// Where most codes begin with 0, those that do not may have lost it to a spreadsheet.
fn zeros_lost(sheet: &mut Sheet, head: &Head) {
    let with = sheet.rates.iter().filter(|rate| rate.prefix.starts_with('0')).count();
    if with * 2 <= sheet.rates.len() {
        return;
    }
    let column = head.codes().and_then(|codes| head.column(codes)).unwrap_or(0);
    let without = sheet.rates.iter().zip(&sheet.marks).filter(|(rate, _)| !rate.prefix.starts_with('0'));
    let words: Vec<(u32, Word)> = without
        .map(|(rate, mark)| {
            let message = format!("{} may have lost the 0 that most codes begin with", rate.prefix);
            (mark.row, Word { column, message, repair: Some(format!("0{}", rate.prefix)) })
        })
        .collect();
    words.into_iter().for_each(|(row, word)| sheet.warn(row, word));
}
