//! One row on its way to rates.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use snapshot::Rate;
use units::{Hours, Jurisdiction, Money, RateClass, WallTime};

use super::cells::{Price, Status, decimal, flag, plain_word, price, seconds, status, steps};
use super::codes::codes;
use super::columns::{Column, Head, OF_CLASSES};
use super::dates::{Date, moment};
use super::{Options, Unit};

/// What is wrong with a cell, or odd about it.
pub struct Word {
    pub column: u32,
    pub message: String,
    pub repair: Option<String>,
}

/// One row of cells, and what has been found about it.
pub struct Row<'a, C> {
    pub head: &'a Head,
    pub cells: &'a [C],
    /// The price and the fee are written with a comma before the decimals.
    pub commas: (bool, bool),
    pub options: &'a Options,
    /// What stands above empty cells of merged columns: destination and country code.
    pub above: (&'a str, &'a str),
    pub problems: Vec<Word>,
    pub warnings: Vec<Word>,
}

/// What a row says.
pub struct Said {
    /// The rate of the row's own class, without its prefix.
    pub rate: Rate,
    /// The row has a price for that, or says something about it that needs none.
    pub priced: bool,
    /// Prices of other classes, and whether calls are refused instead.
    pub others: Vec<(RateClass, Money, bool)>,
    /// The row has a date of its own.
    pub dated: bool,
    /// The carrier's word.
    pub status: Option<Status>,
    /// The codes are no longer sold.
    pub closed: bool,
}

impl<C: AsRef<str>> Row<'_, C> {
    /// Reads the row; its codes go to `prefixes`.
    pub fn read(&mut self, prefixes: &mut Vec<String>) -> Said {
        self.prefixes(prefixes);
        let (minimum_s, increment_s, free_s) = self.steps();
        let dated = self.moment(Column::From);
        let from = dated.unwrap_or(self.options.from);
        let till = self.moment(Column::Till);
        if till.is_some_and(|till| till <= from) {
            self.wrong(Column::Till, "ends before it begins".to_string());
        }
        let status = self.status();
        let class = self.class();
        let others = self.others(class, increment_s);
        let priced = others.is_empty() || !self.cell(Column::Rate).is_empty();
        let (per_minute, marked) = if priced { self.per_minute(increment_s, status) } else { (Money::ZERO, None) };
        let blocked = self.blocked() || marked == Some(Status::Blocked) || status == Some(Status::Blocked);
        let rate = Rate {
            destination: self.destination(),
            per_minute,
            first_per_minute: self.first_per_minute(minimum_s),
            connection_fee: self.connection_fee(),
            minimum_s,
            increment_s,
            free_s,
            from,
            till,
            blocked,
            class,
            ..Rate::default()
        };
        let closed = marked == Some(Status::Closed) || status == Some(Status::Closed);
        Said { rate, priced, others, dated: dated.is_some(), status, closed }
    }

    pub fn cell(&self, column: Column) -> &str {
        self.head.place(column).and_then(|place| self.cells.get(place)).map_or("", AsRef::as_ref)
    }

    fn wrong(&mut self, column: Column, message: String) {
        self.repaired(column, message, None);
    }

    fn repaired(&mut self, column: Column, message: String, repair: Option<String>) {
        let column = self.head.column(column).unwrap_or(0);
        self.problems.push(Word { column, message, repair });
    }

    fn odd(&mut self, column: Column, message: String) {
        let column = self.head.column(column).unwrap_or(0);
        self.warnings.push(Word { column, message, repair: None });
    }

    fn prefixes(&mut self, out: &mut Vec<String>) {
        let own = self.cell(Column::CountryCode);
        let country = if own.is_empty() { self.above.1 } else { own };
        let column = self.head.codes().unwrap_or(Column::Prefix);
        let cell = self.cell(column);
        // No area code begins with 1: what does has its country code already.
        let nanp = if cell.trim_start_matches('+').starts_with('1') { "" } else { "1" };
        let both = if column == Column::Npa { [cell, self.cell(Column::Nxx)].concat() } else { String::new() };
        let found = match column {
            Column::Npa if cell.len() != 3 || self.cell(Column::Nxx).len() > 4 => {
                self.wrong(column, format!("{cell:?} is not an area code of three digits"));
                return;
            }
            Column::Npa => codes("1", &both, self.options.dashes, out),
            Column::NpaNxx => codes(nanp, cell, self.options.dashes, out),
            _ => codes(country, cell, self.options.dashes, out),
        };
        match found {
            Ok(None) => {}
            Ok(Some(warning)) => self.odd(column, warning),
            Err(damage) => {
                out.clear();
                self.repaired(column, damage.message, damage.repair);
            }
        }
    }

    fn destination(&mut self) -> String {
        let own = self.cell(Column::Destination);
        let cell = if own.is_empty() { self.above.0 } else { own }.to_string();
        if cell.chars().count() > 200 || cell.chars().any(char::is_control) {
            self.wrong(Column::Destination, "more than 200 characters, or control characters".to_string());
        }
        cell
    }

    /// Which calls the row is for.
    fn class(&mut self) -> RateClass {
        let hours = match plain_word(self.cell(Column::Hours)).as_str() {
            "" | "any" | "all" | "flat" => Some(Hours::Any),
            "peak" => Some(Hours::Peak),
            "offpeak" => Some(Hours::OffPeak),
            "freeday" | "weekend" | "holiday" => Some(Hours::FreeDay),
            _ => None,
        };
        let jurisdiction = match plain_word(self.cell(Column::Jurisdiction)).as_str() {
            "" | "any" | "all" => Some(Jurisdiction::Any),
            "inter" | "interstate" => Some(Jurisdiction::Inter),
            "intra" | "intrastate" => Some(Jurisdiction::Intra),
            "indeterminate" | "indet" | "ij" => Some(Jurisdiction::Indeterminate),
            "international" => Some(Jurisdiction::International),
            _ => None,
        };
        if hours.is_none() {
            let message = format!("{:?} is none of any, peak, off_peak, free_day", self.cell(Column::Hours));
            self.wrong(Column::Hours, message);
        }
        if jurisdiction.is_none() {
            let cell = self.cell(Column::Jurisdiction);
            let message = format!("{cell:?} is none of any, inter, intra, indeterminate, international");
            self.wrong(Column::Jurisdiction, message);
        }
        RateClass { hours: hours.unwrap_or_default(), jurisdiction: jurisdiction.unwrap_or_default() }
    }

    /// What the columns of one class each say; a closed one says nothing.
    fn others(&mut self, own: RateClass, increment_s: u16) -> Vec<(RateClass, Money, bool)> {
        let mut others = Vec::new();
        for (column, of) in OF_CLASSES {
            let cell = self.cell(column);
            if cell.is_empty() {
                continue;
            }
            let class = RateClass {
                hours: if of.hours == Hours::Any { own.hours } else { of.hours },
                jurisdiction: if of.jurisdiction == Jurisdiction::Any { own.jurisdiction } else { of.jurisdiction },
            };
            match price(cell, self.commas.0, &self.options.currency) {
                Price::Of(money) => others.push((class, self.of_a_minute(money, increment_s), false)),
                Price::Blocked => others.push((class, Money::ZERO, true)),
                Price::Closed => {}
                Price::Foreign | Price::Unreadable => {
                    let message = format!("{cell:?} is not a price of 0 or more with up to nine decimals");
                    self.wrong(column, message);
                }
            }
        }
        others
    }

    /// The price of a minute, and what stood there instead of one.
    fn per_minute(&mut self, increment_s: u16, said: Option<Status>) -> (Money, Option<Status>) {
        let cell = self.cell(Column::Rate);
        let needless = matches!(said, Some(Status::Closed | Status::Blocked));
        if cell.is_empty() && needless {
            return (Money::ZERO, None);
        }
        match price(cell, self.commas.0, &self.options.currency) {
            Price::Of(Money::ZERO) if !needless && flag(self.cell(Column::Blocked)) != Some(true) => {
                self.odd(Column::Rate, "a price of 0: calls there would be free".to_string());
                (Money::ZERO, None)
            }
            Price::Of(money) => (self.of_a_minute(money, increment_s), None),
            Price::Closed => (Money::ZERO, Some(Status::Closed)),
            Price::Blocked => (Money::ZERO, Some(Status::Blocked)),
            Price::Foreign => {
                self.wrong(Column::Rate, format!("{cell:?} is not in {}", self.options.currency));
                (Money::ZERO, None)
            }
            Price::Unreadable => {
                let message = format!("{cell:?} is not a price of 0 or more with up to nine decimals");
                self.wrong(Column::Rate, message);
                (Money::ZERO, None)
            }
        }
    }

    /// The price of a minute of the first interval; an empty cell is none of its own.
    fn first_per_minute(&mut self, minimum_s: u16) -> Option<Money> {
        let cell = self.cell(Column::FirstRate);
        if cell.is_empty() {
            return None;
        }
        match price(cell, self.commas.0, &self.options.currency) {
            Price::Of(money) => Some(self.of_a_minute(money, minimum_s)),
            _ => {
                let message = format!("{cell:?} is not a price of 0 or more with up to nine decimals");
                self.wrong(Column::FirstRate, message);
                None
            }
        }
    }

    /// From the sheet's unit to a minute, rounded to nano-units.
    fn of_a_minute(&mut self, money: Money, increment_s: u16) -> Money {
        let (times, by) = match self.options.unit {
            Unit::Minute => return money,
            Unit::Second => (60, 1),
            Unit::Increment => (60, i128::from(increment_s.max(1))),
        };
        let nanos = (i128::from(money.nanos()) * times * 2 + by) / (by * 2);
        match i64::try_from(nanos) {
            Ok(nanos) => Money::from_nanos(nanos),
            Err(_) => {
                self.wrong(Column::Rate, "more than anyone can pay".to_string());
                Money::ZERO
            }
        }
    }

    fn connection_fee(&mut self) -> Money {
        let cell = self.cell(Column::ConnectionFee);
        if cell.is_empty() || cell == "-" {
            return Money::ZERO;
        }
        if let Some(money) = decimal(cell, self.commas.1) {
            return money;
        }
        if let Price::Of(money) = price(cell, self.commas.1, &self.options.currency) {
            return money;
        }
        let message = format!("{cell:?} is not a price of 0 or more with up to nine decimals");
        self.wrong(Column::ConnectionFee, message);
        Money::ZERO
    }

    /// `30/6/0` in one column, or each in its own; the own ones win. A column called increment may hold either.
    fn steps(&mut self) -> (u16, u16, u16) {
        let (mut minimum, mut increment, mut free) = self.options.steps;
        let all_in_one = seconds(self.cell(Column::Increment)).is_none() && self.cell(Column::Steps).is_empty();
        let column = if all_in_one { Column::Increment } else { Column::Steps };
        let cell = self.cell(column);
        if !cell.is_empty() {
            match steps(cell) {
                Some((found, count)) => (minimum, increment, free) = self.options.steps_order.sort(found, count, free),
                None => {
                    let message = format!("{cell:?} is not minimum/increment or minimum/increment/free seconds");
                    self.wrong(column, message);
                }
            }
        }
        minimum = self.seconds(Column::Minimum, minimum);
        if !all_in_one {
            increment = self.seconds(Column::Increment, increment);
        }
        free = self.seconds(Column::Free, free);
        let column = if self.cell(Column::Increment).is_empty() { Column::Steps } else { Column::Increment };
        if increment == 0 {
            self.wrong(column, "an increment of 0 seconds".to_string());
        } else if minimum > 1 && minimum < increment {
            let message = format!("{minimum}/{increment}: a minimum below the increment may be the wrong way round");
            self.odd(column, message);
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
        let message = match moment(cell, self.options.local(), self.options.date_order) {
            Date::At(at) => return Some(at),
            Date::TwoReadings => {
                format!("{cell:?} may be day/month or month/day: write 2026-12-31, or say which comes first")
            }
            Date::None => format!("{cell:?} is not a date such as 2026-12-31 or 2026-12-31 23:00"),
        };
        self.wrong(column, message);
        None
    }

    fn status(&mut self) -> Option<Status> {
        let cell = self.cell(Column::Status);
        if cell.is_empty() {
            return None;
        }
        let found = status(cell);
        if found.is_none() {
            let message = format!("{cell:?} is none of new, increase, decrease, unchanged, closed, blocked, pending");
            self.odd(Column::Status, message);
        }
        found
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
