//! One cell into one value.

use alloc::string::String;

use units::{Money, WallTime};

/// What a date's text turned out to be.
pub enum Date {
    At(WallTime),
    TwoReadings,
    None,
}

/// A price of 0 or more with up to nine decimals; `comma` says which mark stands before the decimals.
pub fn decimal(cell: &str, comma: bool) -> Option<Money> {
    let (mark, other) = if comma { (',', '.') } else { ('.', ',') };
    if cell.contains(other) || cell.starts_with('-') {
        return None;
    }
    let text: String = cell.chars().map(|letter| if letter == mark { '.' } else { letter }).collect();
    // Spreadsheets like to print more zeros than anyone can pay.
    let text = match text.split_once('.') {
        Some((_, fraction)) if fraction.len() > 9 => text.trim_end_matches('0'),
        _ => text.as_str(),
    };
    Money::parse(text)
}

/// Whole seconds.
pub fn seconds(cell: &str) -> Option<u16> {
    cell.bytes().all(|byte| byte.is_ascii_digit()).then(|| cell.parse().ok())?
}

/// `30/6`, `30/6/0`, or one number for both minimum and increment.
pub fn steps(cell: &str) -> Option<(u16, u16, Option<u16>)> {
    let mut parts = cell.split(['/', '-', '+']).map(|part| seconds(part.trim()).filter(|_| !part.trim().is_empty()));
    let minimum = parts.next()??;
    let increment = parts.next().unwrap_or(Some(minimum))?;
    let free = match parts.next() {
        Some(free) => Some(free?),
        None => None,
    };
    parts.next().is_none().then_some((minimum, increment, free))
}

/// An empty cell is a no.
pub fn flag(cell: &str) -> Option<bool> {
    match cell.to_ascii_lowercase().as_str() {
        "" | "0" | "no" | "n" | "false" => Some(false),
        "1" | "yes" | "y" | "true" | "x" | "blocked" => Some(true),
        _ => None,
    }
}

/// `2026-12-31`, `2026/12/31` or `31.12.2026`, then perhaps a time, then perhaps `Z` or an offset such as `+02:00`.
pub fn moment(cell: &str, offset_minutes: i32) -> Date {
    let (date, time) = match cell.split_once(['T', ' ']) {
        Some((date, time)) => (date, time.trim()),
        None => (cell, ""),
    };
    let slashes = date.split('/').count() == 3;
    if slashes && date.split('/').next().is_some_and(|first| first.len() < 4) {
        return Date::TwoReadings;
    }
    let at = days(date).and_then(|days| {
        let (seconds, offset) = clock(time, offset_minutes)?;
        Some(WallTime::from_micros((days * 86_400 + seconds - i64::from(offset) * 60) * 1_000_000))
    });
    at.map_or(Date::None, Date::At)
}

/// Days since 1970-01-01.
fn days(date: &str) -> Option<i64> {
    let mark = ['-', '/', '.'].into_iter().find(|mark| date.contains(*mark))?;
    let mut parts = date.split(mark).map(|part| number(part, 4));
    let (first, month, last) = (parts.next()??, parts.next()??, parts.next()??);
    let (year, day) = if mark == '.' { (last, first) } else { (first, last) };
    if parts.next().is_some() || !(1970..=2199).contains(&year) || !(1..=12).contains(&month) {
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

/// Seconds of the day and minutes ahead of UTC. No text is midnight.
fn clock(text: &str, offset_minutes: i32) -> Option<(i64, i32)> {
    let (time, offset) = match text.find(['Z', '+', '-']) {
        Some(place) => (text[..place].trim(), offset(&text[place..])?),
        None => (text, offset_minutes),
    };
    if time.is_empty() {
        return Some((0, offset));
    }
    let mut parts = time.split(':').map(|part| number(part, 2));
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    let fine = parts.next().is_none() && hour < 24 && minute < 60 && second < 60;
    fine.then_some((hour * 3_600 + minute * 60 + second, offset))
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
