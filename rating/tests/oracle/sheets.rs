//! Decks as maps from a prefix to its rates, asked for each head of a number from the longest on.

use std::collections::BTreeMap;

use snapshot::{Deck, Model, Rate, Weekday};
use units::{Hours, Jurisdiction};

use super::Wrong;
use super::price::Quoted;
use super::worlds::Call;

/// All decks of a model.
pub struct Sheets<'a> {
    decks: BTreeMap<u32, (&'a Deck, BTreeMap<&'a str, Vec<&'a Rate>>)>,
}

impl<'a> Sheets<'a> {
    pub fn of(model: &'a Model) -> Sheets<'a> {
        let mut decks = BTreeMap::new();
        for deck in &model.decks {
            let mut prefixes: BTreeMap<&str, Vec<&Rate>> = BTreeMap::new();
            for rate in &deck.rates {
                prefixes.entry(&rate.prefix).or_default().push(rate);
            }
            decks.insert(deck.id.0, (deck, prefixes));
        }
        Sheets { decks }
    }

    /// The rate of the longest prefix that has one in force for such a call; of several the one of its jurisdiction, of its hours, then
    /// the one that began last.
    pub fn find(&self, deck: u32, called: &str, call: &Call, wrong: Wrong) -> Option<Quoted> {
        let (deck, prefixes) = self.decks.get(&deck)?;
        let is_ported = deck.by_lrn && !call.lrn.is_empty() && wrong != Wrong::RoutingNumberForgotten;
        let number = if is_ported { &call.lrn } else { called };
        let number = number.strip_prefix('+').unwrap_or(number);
        let mut heads: Vec<&str> = (0..=number.len().min(15)).rev().map(|length| &number[..length]).collect();
        if wrong == Wrong::ShortestPrefix {
            heads.reverse();
        }
        let (hours, jurisdiction) = (hours(deck, call.at), jurisdiction(call, wrong));
        let in_force = |rate: &&&Rate| {
            let ends = rate.till.map_or(i64::MAX, |till| till.micros());
            let is_before_end = if wrong == Wrong::TillIncluded { call.at <= ends } else { call.at < ends };
            let class = rate.class;
            let place = class.jurisdiction == Jurisdiction::Any
                || (deck.by_jurisdiction && class.jurisdiction == jurisdiction)
                || wrong == Wrong::JurisdictionForgotten;
            let time = class.hours == Hours::Any || class.hours == hours || wrong == Wrong::HoursForgotten;
            rate.from.micros() <= call.at && is_before_end && place && time
        };
        let order = |rate: &&&'a Rate| {
            (rate.class.jurisdiction != Jurisdiction::Any, rate.class.hours != Hours::Any, rate.from)
        };
        let best = |rates: &Vec<&'a Rate>| rates.iter().filter(in_force).max_by_key(order).copied();
        let rate = heads.iter().find_map(|head| prefixes.get(head).and_then(best))?;
        Some(Quoted::of(deck, rate))
    }
}

/// What the clocks of a zone show: weekday from Monday on and minute of the day. The last change that has come holds; before all of them
/// the first.
pub fn clock(changes: &[(i64, i32)], at: i64) -> (i64, i64) {
    let mut ahead = changes.first().map_or(0, |(_, ahead)| *ahead);
    for (from, later) in changes {
        if *from <= at {
            ahead = *later;
        }
    }
    let seconds = at.div_euclid(1_000_000) + i64::from(ahead);
    // The first day of 1970 was a Thursday, three days after a Monday.
    ((seconds.div_euclid(86_400) + 3).rem_euclid(7), seconds.rem_euclid(86_400) / 60)
}

/// By the deck's calendar; worlds have free days of the week and no free dates.
fn hours(deck: &Deck, at: i64) -> Hours {
    let changes: Vec<_> = deck.offsets.iter().map(|offset| (offset.from.micros(), offset.ahead_s)).collect();
    let (weekday, minute) = clock(&changes, at);
    let is_day = |day: &Weekday| *day as i64 == weekday;
    let shown = format!("{:02}:{:02}", minute / 60, minute % 60);
    let mut windows = deck.calendar.peak.iter().filter(|peak| peak.days.iter().any(is_day));
    if deck.calendar.free_weekdays.iter().any(is_day) {
        Hours::FreeDay
    } else if windows.any(|peak| peak.from.to_string() <= shown && shown < peak.till.to_string()) {
        Hours::Peak
    } else {
        Hours::OffPeak
    }
}

/// By the states of caller and destination.
pub fn jurisdiction(call: &Call, wrong: Wrong) -> Jurisdiction {
    let ported = !call.lrn.is_empty() && wrong != Wrong::PortingForgotten;
    let to = if ported { &call.lrn } else { &call.called };
    match (state(&call.calling), state(to)) {
        (_, "abroad") => Jurisdiction::International,
        (from, to) if ["", "abroad"].contains(&from) || to.is_empty() => Jurisdiction::Indeterminate,
        (from, to) if (from == to) != (wrong == Wrong::StatesTurned) => Jurisdiction::Intra,
        _ => Jurisdiction::Inter,
    }
}

/// Of the area codes that calls here use; empty for nobody's place.
fn state(number: &str) -> &'static str {
    let number = number.trim_start_matches('+');
    let Some(rest) = number.strip_prefix('1') else { return if number.is_empty() { "" } else { "abroad" } };
    let is_whole = rest.len() == 10 && rest.bytes().all(|byte| byte.is_ascii_digit());
    if !is_whole || rest.as_bytes()[3] < b'2' {
        return "";
    }
    match &rest[..3] {
        "212" | "718" | "917" => "NY",
        "213" | "415" | "707" | "714" => "CA",
        "202" => "DC",
        "312" => "IL",
        "416" => "abroad",
        "207" => "ME",
        "270" => "KY",
        "720" => "CO",
        "727" => "FL",
        "772" => "FL",
        "702" => "NV",
        "770" => "GA",
        _ => "",
    }
}
