//! Which hours of a deck are peak and which days are free, and what class a moment is of.
//!
//! Time zones are facts that change by law, so they are not known here: whoever builds a snapshot resolves the deck's zone into
//! offsets from UTC, and this is arithmetic on them.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};
use units::{Hours, WallTime};

use crate::layout::{CALENDARS, calendar, deck};
use crate::read::{Record, i64_at, section, u8_at, u16_at, u32_at};

/// Offsets of one deck at most: fifty years with two changes each.
pub const OFFSETS_MAX: usize = 100;
/// Peak windows at most.
const PEAKS_MAX: usize = 64;
/// Free days at most.
const DAYS_MAX: usize = 1_000;
const MINUTES: u16 = 24 * 60;
const DAY_S: i64 = 86_400;

/// From a moment on, a zone's clock is so far ahead of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// The moment; before the first one, the first one holds as well.
    pub from: WallTime,
    /// Seconds; below zero behind UTC. A day at most.
    pub ahead_s: i32,
}

impl Offset {
    /// In order of time, not too many, none of more than a day.
    pub(crate) fn are_sound(offsets: &[Offset]) -> bool {
        offsets.len() <= OFFSETS_MAX
            && offsets.windows(2).all(|pair| pair[0].from < pair[1].from)
            && offsets.iter().all(|offset| i64::from(offset.ahead_s).abs() <= DAY_S)
    }
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Weekday {
    /// Monday.
    Mon = 0,
    /// Tuesday.
    Tue = 1,
    /// Wednesday.
    Wed = 2,
    /// Thursday.
    Thu = 3,
    /// Friday.
    Fri = 4,
    /// Saturday.
    Sat = 5,
    /// Sunday.
    Sun = 6,
}

/// The days as bits, Monday in bit 0.
pub(crate) fn weekdays(days: &[Weekday]) -> u8 {
    days.iter().fold(0, |bits, day| bits | 1 << *day as u8)
}

/// A date of the Gregorian calendar, written `2026-12-25`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(value_type = String, example = "2026-12-25"))]
#[serde(try_from = "String", into = "String")]
pub struct Day(i32);

impl Day {
    /// Days since 1970-01-01.
    pub fn number(self) -> i32 {
        self.0
    }

    /// Reads `2026-12-25`; years 1970 to 2999.
    pub fn parse(text: &str) -> Option<Day> {
        let mut parts = text.split('-').map(|part| part.bytes().all(|b| b.is_ascii_digit()).then_some(part));
        let mut part = |digits, all: core::ops::RangeInclusive<i32>| {
            let found = parts.next()??;
            let value = found.parse().ok()?;
            (found.len() == digits && all.contains(&value)).then_some(value)
        };
        let (year, month, day) = (part(4, 1970..=2999)?, part(2, 1..=12)?, part(2, 1..=31)?);
        let found = Day::of(year, month, day);
        // The 30th of February would come out as a day of March.
        (parts.next().is_none() && found.date() == (year, month, day)).then_some(found)
    }

    /// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin with March, so that leap days come last.
    fn of(year: i32, month: i32, day: i32) -> Day {
        let year = if month <= 2 { year - 1 } else { year };
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        Day(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
    }

    fn date(self) -> (i32, i32, i32) {
        let shifted = self.0 + 719_468;
        let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        (era * 400 + year + i32::from(month <= 2), month, day)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl TryFrom<String> for Day {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Day, Self::Error> {
        Day::parse(&text).ok_or("is not a date such as 2026-12-25")
    }
}

impl From<Day> for String {
    fn from(day: Day) -> String {
        day.to_string()
    }
}

/// A minute of the day, written `08:30`; `24:00` ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(value_type = String, example = "08:30"))]
#[serde(try_from = "String", into = "String")]
pub struct Minute(u16);

impl Minute {
    /// Minutes since midnight, 0 to 1,440.
    pub fn number(self) -> u16 {
        self.0
    }

    /// Reads `08:30`.
    pub fn parse(text: &str) -> Option<Minute> {
        let (hours, minutes) = text.split_once(':')?;
        let part = |text: &str| text.parse::<u16>().ok().filter(|_| text.len() == 2 && !text.starts_with('+'));
        let (hours, minutes) = (part(hours)?, part(minutes)?);
        (minutes < 60 && hours * 60 + minutes <= MINUTES).then_some(Minute(hours * 60 + minutes))
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl TryFrom<String> for Minute {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Minute, Self::Error> {
        Minute::parse(&text).ok_or("is not a time of day such as 08:30")
    }
}

impl From<Minute> for String {
    fn from(minute: Minute) -> String {
        minute.to_string()
    }
}

/// One peak window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Peak {
    /// On these days of the week.
    pub days: Vec<Weekday>,
    /// From this minute on.
    pub from: Minute,
    /// Until just before this one, on the same day; `24:00` for the day's end.
    pub till: Minute,
}

/// Which hours are peak and which days are free, on the clock of the deck's zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Calendar {
    /// Peak windows; all other hours are off-peak. Up to 64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peak: Vec<Peak>,
    /// Days of the week that are free, such as `sat` and `sun`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub free_weekdays: Vec<Weekday>,
    /// Dates that are free, such as `2026-12-25`. Up to 1,000.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub free_days: Vec<Day>,
}

/// What a calendar says wrongly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarFlaw(String);

impl fmt::Display for CalendarFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for CalendarFlaw {}

impl Calendar {
    /// Nothing, or the first thing that means nothing.
    ///
    /// # Errors
    /// Too many windows or days; a window without days, or one that ends before it begins.
    pub fn check(&self) -> Result<(), CalendarFlaw> {
        let flaw = |text: String| Err(CalendarFlaw(text));
        if self.peak.len() > PEAKS_MAX || self.free_days.len() > DAYS_MAX {
            return flaw(format!("{PEAKS_MAX} peak windows and {DAYS_MAX} free days at most"));
        }
        match self.peak.iter().find(|peak| peak.days.is_empty() || peak.till <= peak.from) {
            Some(peak) if peak.days.is_empty() => {
                flaw(format!("the window {} to {} has no days", peak.from, peak.till))
            }
            Some(peak) => {
                flaw(format!("the window {} to {} ends before it begins: write one for each day", peak.from, peak.till))
            }
            None => Ok(()),
        }
    }

    /// The JSON form; empty without anything in it.
    pub fn to_text(&self) -> String {
        if *self == Calendar::default() { String::new() } else { serde_json::to_string(self).unwrap_or_default() }
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// No JSON, an unknown name, or what [`Calendar::check`] refuses.
    pub fn from_text(text: &str) -> Result<Calendar, CalendarFlaw> {
        if text.is_empty() {
            return Ok(Calendar::default());
        }
        let calendar: Calendar = serde_json::from_str(text).map_err(|error| CalendarFlaw(error.to_string()))?;
        calendar.check().map(|()| calendar)
    }

    /// The free days in order, each once.
    pub(crate) fn free_days(&self) -> Vec<Day> {
        let mut days = self.free_days.clone();
        days.sort_unstable();
        days.dedup();
        days
    }
}

/// A deck's calendar in place.
pub(crate) struct CalendarView<'a> {
    pub offsets: &'a [[u8; calendar::SIZE]],
    pub free_days: &'a [[u8; calendar::SIZE]],
    pub peaks: &'a [[u8; calendar::SIZE]],
    pub free_weekdays: u8,
}

impl<'a> CalendarView<'a> {
    /// The calendar of a deck's record; `None` if it does not lie within the image.
    pub fn of(record: Record<'a>) -> Option<CalendarView<'a>> {
        let (start, count) = section(record.image, CALENDARS);
        let lines = record.image.get(start..start.checked_add(count as usize * calendar::SIZE)?)?.as_chunks().0;
        let (_, lines) = lines.split_at_checked(record.u32(deck::CALENDAR) as usize)?;
        let (offsets, lines) = lines.split_at_checked(usize::from(record.u16(deck::OFFSET_COUNT)))?;
        let (free_days, lines) = lines.split_at_checked(usize::from(record.u16(deck::DAY_COUNT)))?;
        let (peaks, _) = lines.split_at_checked(usize::from(record.u8(deck::PEAK_COUNT)))?;
        Some(CalendarView { offsets, free_days, peaks, free_weekdays: record.u8(deck::FREE_WEEKDAYS) })
    }

    /// The class of hours that a moment falls into.
    pub fn hours(&self, at: WallTime) -> Hours {
        let local_s = at.micros().div_euclid(1_000_000).saturating_add(self.ahead_s(at));
        let (day, minute) = (local_s.div_euclid(DAY_S), local_s.rem_euclid(DAY_S) / 60);
        // 1970-01-01 was a Thursday.
        let weekday = 1_u8 << (day + 3).rem_euclid(7);
        if self.free_weekdays & weekday != 0 || self.free_days.binary_search_by_key(&day, day_of).is_ok() {
            return Hours::FreeDay;
        }
        let within = |line: &[u8; calendar::SIZE]| {
            let (from, till) = (u16_at(line, calendar::FIRST), u16_at(line, calendar::END));
            u8_at(line, calendar::WEEKDAYS) & weekday != 0 && (i64::from(from)..i64::from(till)).contains(&minute)
        };
        if self.peaks.iter().any(within) { Hours::Peak } else { Hours::OffPeak }
    }

    fn ahead_s(&self, at: WallTime) -> i64 {
        let later = self.offsets.partition_point(|line| i64_at(line, calendar::FROM) <= at.micros());
        self.offsets.get(later.saturating_sub(1)).map_or(0, ahead_of)
    }

    /// In order, and within the ranges of a calendar.
    pub fn is_sound(&self) -> bool {
        let from = |line: &[u8; calendar::SIZE]| i64_at(line, calendar::FROM);
        self.offsets.windows(2).all(|pair| from(&pair[0]) < from(&pair[1]))
            && self.offsets.iter().all(|line| ahead_of(line).abs() <= DAY_S)
            && self.free_days.windows(2).all(|pair| day_of(&pair[0]) < day_of(&pair[1]))
            && self.peaks.iter().all(|line| {
                let (from, till) = (u16_at(line, calendar::FIRST), u16_at(line, calendar::END));
                from < till && till <= MINUTES
            })
    }
}

fn ahead_of(line: &[u8; calendar::SIZE]) -> i64 {
    i64::from(u32_at(line, calendar::AHEAD).cast_signed())
}

fn day_of(line: &[u8; calendar::SIZE]) -> i64 {
    i64::from(u32_at(line, calendar::DAY).cast_signed())
}
