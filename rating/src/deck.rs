//! A carrier's rate sheet: rows of text become clean rates and a list of what could not be taken.
//!
//! Nothing is guessed twice: the separator is the one that makes a head line, the decimal mark is the sheet's, and a cell with two
//! readings is a problem, not a rate. Reading never fails; a sheet with problems is for a human to look at.

mod cells;
mod columns;
mod rows;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use snapshot::{PREFIX_BYTES_MAX, Rate};
use units::{Money, WallTime};

use cells::{Date, decimal, flag, moment, seconds, steps};
use columns::{Column, Head};
pub use rows::rows;

/// Problems kept of one sheet at most; further ones are counted.
pub const PROBLEMS_MAX: usize = 1_000;
/// Minutes of an offset from UTC at most, either way.
pub const OFFSET_MINUTES_MAX: i32 = 14 * 60;
/// Lines before the head line at most: sheets begin with names and dates.
const PREAMBLE_MAX: usize = 20;

/// How a sheet is read where it does not speak for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Minutes that the sheet's dates are ahead of UTC, unless a date has its own offset; −840 to 840.
    pub offset_minutes: i32,
    /// From when rates without a date are valid.
    pub from: WallTime,
    /// Minimum, increment and free seconds of rates without their own.
    pub steps: (u16, u16, u16),
}

impl Default for Options {
    /// Dates in UTC, valid since ever, `1/1/0`.
    fn default() -> Options {
        Options { offset_minutes: 0, from: WallTime::default(), steps: (1, 1, 0) }
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
}

/// What a sheet says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    /// The clean rates, in the order of the sheet.
    pub rates: Vec<Rate>,
    /// The first [`PROBLEMS_MAX`] problems, in the order of the sheet. A row with a problem gives no rate.
    pub problems: Vec<Problem>,
    /// How many problems there are.
    pub problem_count: usize,
}

/// Reads a sheet as text: see [`rows`].
pub fn read(text: &str, options: &Options) -> Sheet {
    read_rows(&rows(text), options)
}

/// Reads a sheet as rows of cells, each with the number of its line.
pub fn read_rows(rows: &[(u32, Vec<String>)], options: &Options) -> Sheet {
    let mut sheet = Sheet::default();
    let found = rows.iter().take(PREAMBLE_MAX).position(|(_, cells)| Head::of(cells).is_some());
    let head = found.and_then(|place| Head::of(&rows[place].1).map(|head| (place, head)));
    let Some((place, head)) = head else {
        sheet.note(rows.first().map_or(1, |row| row.0), 0, "no head line with a prefix and a rate".to_string());
        return sheet;
    };
    for (column, name) in &head.doubled {
        sheet.note(rows[place].0, *column, format!("a second column for {name}"));
    }
    let body = &rows[place + 1..];
    let comma = comma_is_the_mark(body, &head);
    // Prefix and date of each rate that was taken, and where it stood.
    let mut seen: BTreeMap<(String, WallTime), u32> = BTreeMap::new();
    for (line, cells) in body {
        if cells.iter().all(|cell| cell.is_empty()) {
            continue;
        }
        let mut row = Row { head: &head, cells, comma, options, problems: vec![] };
        let rate = row.rate();
        let problems = row.problems;
        if !problems.is_empty() {
            problems.into_iter().for_each(|(column, message)| sheet.note(*line, column, message));
            continue;
        }
        let before = seen.insert((rate.prefix.clone(), rate.from), *line);
        match before {
            Some(before) => {
                seen.insert((rate.prefix.clone(), rate.from), before);
                let column = head.column(Column::Prefix).unwrap_or(0);
                sheet.note(*line, column, format!("prefix {} begins at the same moment in line {before}", rate.prefix));
            }
            None => sheet.rates.push(rate),
        }
    }
    sheet
}

impl Sheet {
    fn note(&mut self, row: u32, column: u32, message: String) {
        self.problem_count += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem { row, column, message });
        }
    }
}

/// True if prices are written with a comma: some cell has one and none has a point.
fn comma_is_the_mark(body: &[(u32, Vec<String>)], head: &Head) -> bool {
    let prices = [Column::Rate, Column::ConnectionFee].into_iter().filter_map(|column| head.place(column));
    let mut commas = false;
    for place in prices {
        for (_, cells) in body {
            let cell = cells.get(place).map_or("", String::as_str);
            if cell.contains('.') {
                return false;
            }
            commas |= cell.contains(',');
        }
    }
    commas
}

/// One row on its way to a rate.
struct Row<'a> {
    head: &'a Head,
    cells: &'a [String],
    comma: bool,
    options: &'a Options,
    problems: Vec<(u32, String)>,
}

impl Row<'_> {
    fn rate(&mut self) -> Rate {
        let (minimum_s, increment_s, free_s) = self.steps();
        let from = self.moment(Column::From).unwrap_or(self.options.from);
        let till = self.moment(Column::Till);
        if till.is_some_and(|till| till <= from) {
            self.wrong(Column::Till, "ends before it begins".to_string());
        }
        Rate {
            prefix: self.prefix(),
            destination: self.destination(),
            per_minute: self.money(Column::Rate, true),
            connection_fee: self.money(Column::ConnectionFee, false),
            minimum_s,
            increment_s,
            free_s,
            from,
            till,
            blocked: self.blocked(),
            ..Rate::default()
        }
    }

    fn cell(&self, column: Column) -> &str {
        self.head.place(column).and_then(|place| self.cells.get(place)).map_or("", String::as_str)
    }

    fn wrong(&mut self, column: Column, message: String) {
        let place = self.head.column(column).unwrap_or(0);
        self.problems.push((place, message));
    }

    fn prefix(&mut self) -> String {
        let cell = self.cell(Column::Prefix);
        let prefix = cell.strip_prefix('+').unwrap_or(cell).replace(' ', "");
        let fits = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase() || byte == b'*' || byte == b'#';
        if prefix.is_empty() {
            self.wrong(Column::Prefix, "no prefix".to_string());
        } else if prefix.len() > PREFIX_BYTES_MAX || !prefix.bytes().all(fits) {
            let message = format!("prefix {cell:?} is not up to {PREFIX_BYTES_MAX} characters of 0-9, A-Z, * and #");
            self.wrong(Column::Prefix, message);
        }
        prefix
    }

    fn destination(&mut self) -> String {
        let cell = self.cell(Column::Destination).to_string();
        if cell.chars().count() > 200 || cell.chars().any(char::is_control) {
            self.wrong(Column::Destination, "more than 200 characters, or control characters".to_string());
        }
        cell
    }

    fn money(&mut self, column: Column, needed: bool) -> Money {
        let cell = self.cell(column);
        if cell.is_empty() && !needed {
            return Money::ZERO;
        }
        match decimal(cell, self.comma) {
            Some(money) => money,
            None => {
                let message = format!("{cell:?} is not a price of 0 or more with up to nine decimals");
                self.wrong(column, message);
                Money::ZERO
            }
        }
    }

    /// `30/6/0` in one column, or each in its own; the own ones win.
    fn steps(&mut self) -> (u16, u16, u16) {
        let (mut minimum, mut increment, mut free) = self.options.steps;
        let cell = self.cell(Column::Steps);
        if !cell.is_empty() {
            match steps(cell) {
                Some((first, next, grace)) => (minimum, increment, free) = (first, next, grace.unwrap_or(free)),
                None => {
                    let message = format!("{cell:?} is not minimum/increment or minimum/increment/free seconds");
                    self.wrong(Column::Steps, message);
                }
            }
        }
        minimum = self.seconds(Column::Minimum, minimum);
        increment = self.seconds(Column::Increment, increment);
        free = self.seconds(Column::Free, free);
        if increment == 0 {
            let column = if self.cell(Column::Increment).is_empty() { Column::Steps } else { Column::Increment };
            self.wrong(column, "an increment of 0 seconds".to_string());
        }
        (minimum, increment, free)
    }

    fn seconds(&mut self, column: Column, otherwise: u16) -> u16 {
        let cell = self.cell(column);
        if cell.is_empty() {
            return otherwise;
        }
        match seconds(cell) {
            Some(seconds) => seconds,
            None => {
                let message = format!("{cell:?} is not 0 to 65535 seconds");
                self.wrong(column, message);
                otherwise
            }
        }
    }

    fn moment(&mut self, column: Column) -> Option<WallTime> {
        let cell = self.cell(column);
        if cell.is_empty() {
            return None;
        }
        let message = match moment(cell, self.options.offset_minutes) {
            Date::At(at) => return Some(at),
            Date::TwoReadings => format!("{cell:?} may be day/month or month/day: write 2026-12-31"),
            Date::None => format!("{cell:?} is not a date such as 2026-12-31 or 2026-12-31 23:00"),
        };
        self.wrong(column, message);
        None
    }

    fn blocked(&mut self) -> bool {
        let cell = self.cell(Column::Blocked);
        match flag(cell) {
            Some(blocked) => blocked,
            None => {
                let message = format!("{cell:?} is neither yes nor no");
                self.wrong(Column::Blocked, message);
                false
            }
        }
    }
}
