//! A cell into a moment: the formats that carriers write dates in.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use snapshot::Offset;
use units::WallTime;

/// The clock that a sheet's dates are meant on, unless a date has an offset of its own.
#[derive(Clone, Copy, Debug)]
pub struct Local<'a> {
    /// Minutes ahead of UTC, where there is no zone.
    pub minutes: i32,
    /// How far a zone's clock is ahead of UTC, in order of time; empty for no zone.
    pub zone: &'a [Offset],
}

impl Local<'_> {
    /// Seconds that the clock is ahead of UTC when it shows this time, in microseconds since 1970. Of a time that it shows twice, the
    /// first; a time that it leaps over is one after the leap.
    fn ahead_s(&self, shown: i64) -> i64 {
        let Some(first) = self.zone.first() else { return i64::from(self.minutes) * 60 };
        let utc = |offset: &Offset| shown - i64::from(offset.ahead_s) * MICROS;
        let holds = |place: usize| {
            let at = utc(&self.zone[place]);
            (place == 0 || self.zone[place].from.micros() <= at)
                && self.zone.get(place + 1).is_none_or(|next| at < next.from.micros())
        };
        let leapt = || self.zone.iter().rposition(|offset| offset.from.micros() <= utc(offset) + 86_400 * MICROS);
        let place = (0..self.zone.len()).find(|place| holds(*place));
        let before = |place: usize| self.zone[..place].iter().rfind(|offset| offset.from.micros() <= utc(offset));
        match place {
            Some(place) => i64::from(self.zone[place].ahead_s),
            None => i64::from(leapt().and_then(before).unwrap_or(first).ahead_s),
        }
    }
}

/// What a date's text turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Date {
    /// One moment.
    At(WallTime),
    /// Day and month may be either way round.
    TwoReadings,
    /// No date.
    None,
}

/// Which comes first where both are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateOrder {
    /// 31/12/2026.
    DayFirst,
    /// 12/31/2026.
    MonthFirst,
}

/// Why a date's three numbers are no day.
enum Wrong {
    TwoReadings,
    NoDate,
}

const MICROS: i64 = 1_000_000;
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// `2026-12-31`, `2026/12/31`, `31.12.2026`, `31-12-2026`, `12/31/2026`, `20261231`, `31 Dec 2026`, `Dec 31, 2026` or a spreadsheet's day
/// number; then perhaps a time, then perhaps `Z` or an offset such as `+02:00`.
pub fn moment(cell: &str, local: Local<'_>, order: Option<DateOrder>) -> Date {
    if let Some(serial) = serial(cell) {
        return at(serial * MICROS, None, local);
    }
    let (day, time) = match named(cell) {
        Some((day, time)) => (day, time),
        None => {
            let (date, time) = cell.split_once(['T', ' ']).unwrap_or((cell, ""));
            (numbers(date, order), String::from(time.trim()))
        }
    };
    match day {
        Ok(day) => {
            clock(&time).map_or(Date::None, |(micros, offset)| at(day * 86_400 * MICROS + micros, offset, local))
        }
        Err(Wrong::TwoReadings) => Date::TwoReadings,
        Err(Wrong::NoDate) => Date::None,
    }
}

/// The first date in a sentence such as a sheet's title.
pub fn first_in(text: &str, local: Local<'_>, order: Option<DateOrder>) -> Option<WallTime> {
    let words: Vec<&str> = text.split([' ', ':', ',', ';', '(', ')']).filter(|word| !word.is_empty()).collect();
    let read = |words: &[&str]| match moment(&words.join(" "), local, order) {
        Date::At(at) => Some(at),
        Date::TwoReadings | Date::None => None,
    };
    // A bare number in a sentence is a count or a year, not a spreadsheet's day.
    let marked = |word: &str| word.contains(['-', '/', '.']) || word.len() == 8;
    let single = |place: usize| marked(words[place]).then(|| read(&words[place..=place]))?;
    (0..words.len()).find_map(|place| single(place).or_else(|| read(words.get(place..place + 3)?)))
}

fn at(shown: i64, minutes: Option<i32>, local: Local<'_>) -> Date {
    let ahead_s = minutes.map_or_else(|| local.ahead_s(shown), |minutes| i64::from(minutes) * 60);
    Date::At(WallTime::from_micros(shown - ahead_s * MICROS))
}

/// Seconds since 1970 of a day number as spreadsheets count them: days since 1899-12-30, perhaps with a fraction.
fn serial(cell: &str) -> Option<i64> {
    let (days, fraction) = cell.split_once('.').unwrap_or((cell, ""));
    let days = number(days, 5).filter(|days| (25_569..=109_574).contains(days) && cell.len() >= 5)?;
    if fraction.len() > 15 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let parts: i64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let whole = 10_i128.pow(fraction.len() as u32);
    let seconds = (i128::from(parts) * 86_400 + whole / 2) / whole;
    Some((days - 25_569) * 86_400 + seconds as i64)
}

/// A date whose month is a word: its day since 1970, and the text of the time behind it.
fn named(cell: &str) -> Option<(Result<i64, Wrong>, String)> {
    if !cell.bytes().any(|byte| byte.is_ascii_alphabetic() && byte != b'T' && byte != b'Z') {
        return None;
    }
    let month_of = |word: &str| {
        let word = word.to_ascii_lowercase();
        let place = MONTHS.iter().position(|month| word.len() >= 3 && word.starts_with(month));
        place.filter(|_| word.bytes().all(|byte| byte.is_ascii_lowercase())).map(|place| place as i64 + 1)
    };
    let mut words = cell.split([' ', ',', '-', '/', '.']).filter(|word| !word.is_empty());
    let first = words.next()?;
    let (month, day, year) = match month_of(first) {
        Some(month) => (month, words.next()?, words.next()?),
        None => (month_of(words.next()?)?, first, words.next()?),
    };
    let day = number(day.trim_end_matches(|letter: char| letter.is_ascii_lowercase()), 2)?;
    let rest = cell.rfind(year).map_or("", |place| cell[place + year.len()..].trim());
    let rest = if cell.matches(year).count() > 1 { words.next().unwrap_or("") } else { rest };
    Some((day_of(year_of(year)?, month, day).ok_or(Wrong::NoDate), String::from(rest)))
}

fn year_of(text: &str) -> Option<i64> {
    number(text, 4).map(|year| if text.len() <= 2 { 2_000 + year } else { year })
}

/// Days since 1970-01-01 of a date of three numbers.
fn numbers(date: &str, order: Option<DateOrder>) -> Result<i64, Wrong> {
    if date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()) {
        let part = |range: core::ops::Range<usize>| number(&date[range], 4).unwrap_or(0);
        let whole = day_of(part(0..4), part(4..6), part(6..8)).ok_or(Wrong::NoDate);
        return whole.or_else(|_| either(part(0..2), part(2..4), part(4..8), order));
    }
    let mark = ['-', '/', '.'].into_iter().find(|mark| date.contains(*mark)).ok_or(Wrong::NoDate)?;
    let mut texts = date.split(mark);
    let [Some(first), Some(second), Some(third), None] = [texts.next(), texts.next(), texts.next(), texts.next()]
    else {
        return Err(Wrong::NoDate);
    };
    let read = |text| number(text, 4).ok_or(Wrong::NoDate);
    let (a, b, c) = (read(first)?, read(second)?, read(third)?);
    if first.len() == 4 {
        return day_of(a, b, c).ok_or(Wrong::NoDate);
    }
    if mark == '.' && third.len() == 4 {
        return day_of(c, b, a).ok_or(Wrong::NoDate);
    }
    if third.len() == 4 {
        return either(a, b, c, order);
    }
    // With two digits for the year even the year may stand in front.
    match order {
        Some(DateOrder::DayFirst) => day_of(2_000 + c, b, a).ok_or(Wrong::NoDate),
        Some(DateOrder::MonthFirst) => day_of(2_000 + c, a, b).ok_or(Wrong::NoDate),
        None => Err(Wrong::TwoReadings),
    }
}

/// A day of two numbers that may be day and month or month and day.
fn either(a: i64, b: i64, year: i64, order: Option<DateOrder>) -> Result<i64, Wrong> {
    let (day_first, month_first) = (day_of(year, b, a), day_of(year, a, b));
    match (order, day_first, month_first) {
        (Some(DateOrder::DayFirst), Some(day), _) | (Some(DateOrder::MonthFirst), _, Some(day)) => Ok(day),
        (None, Some(day), None) | (None, None, Some(day)) => Ok(day),
        (None, Some(one), Some(other)) if one == other => Ok(one),
        (None, Some(_), Some(_)) => Err(Wrong::TwoReadings),
        _ => Err(Wrong::NoDate),
    }
}

/// Days since 1970-01-01.
fn day_of(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1970..=2199).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    if day == 0 || day > lengths[month as usize - 1] {
        return None;
    }
    let before: i64 = lengths[..month as usize - 1].iter().sum();
    let leaps = |year: i64| (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    Some((year - 1970) * 365 + leaps(year) - leaps(1970) + before + day - 1)
}

/// Microseconds of the day and minutes ahead of UTC, if they are said. No text is midnight.
fn clock(text: &str) -> Option<(i64, Option<i32>)> {
    let (time, offset) = match text.find(['Z', '+', '-']) {
        Some(place) => (text[..place].trim(), Some(offset(&text[place..])?)),
        None => (text, None),
    };
    if time.is_empty() {
        return Some((0, offset));
    }
    let lower = time.to_ascii_lowercase();
    let (plain, half) =
        match lower.strip_suffix("am").map(|rest| (rest, 0)).or(lower.strip_suffix("pm").map(|rest| (rest, 12))) {
            Some((rest, half)) => (rest.trim(), Some(half)),
            None => (lower.as_str(), None),
        };
    let (plain, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    // Times finer than a microsecond are finer than our clock: no such date.
    let micros = if fraction.is_empty() { 0 } else { number(&format!("{fraction:0<6}"), 6)? };
    let mut parts = plain.split(':').map(|part| number(part, 2));
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    let hour = match half {
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(half) => hour % 12 + half,
        None => hour,
    };
    let fine = parts.next().is_none() && hour < 24 && minute < 60 && second < 60;
    fine.then_some(((hour * 3_600 + minute * 60 + second) * MICROS + micros, offset))
}

/// `Z`, `+02:00`, `-0530` or `+2`.
fn offset(text: &str) -> Option<i32> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some(parts) => parts,
        None if rest.len() == 4 && rest.is_ascii() => rest.split_at(2),
        None => (rest, "0"),
    };
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= i64::from(super::OFFSET_MINUTES_MAX)).then_some(sign * total as i32)
}

/// A plain number of so many digits at most.
fn number(text: &str, digits_max: usize) -> Option<i64> {
    let plain = !text.is_empty() && text.len() <= digits_max && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}
