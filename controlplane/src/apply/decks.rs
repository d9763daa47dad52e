//! Decks and their rates, inline or from a CSV file with the same column names.

use rating::derive::{Derived, Take};
use rating::diff::by_key;
use serde::Deserialize;
use serde_saphyr::Spanned;
use snapshot::{Calendar, Rate};
use units::{Currency, Hours, Jurisdiction, Money, Percent, RateClass, WallTime};

use super::Files;
use super::Mistake;
use super::read::{Place, Reader, Text, any, currency, flag, moment_of, money, number};
use super::text::{Deck, each, rounding};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeckText {
    code: Text,
    name: Text,
    currency: Text,
    decimals: Text,
    rounding: Text,
    steps_from_zero: Text,
    tax_percent: Text,
    zone: Text,
    calendar: Option<Spanned<Calendar>>,
    by_jurisdiction: Text,
    by_lrn: Text,
    derived: Option<Spanned<DerivedText>>,
    csv: Text,
    rates: Vec<Spanned<RateText>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DerivedText {
    from: Vec<String>,
    take: Text,
    add_fixed: Text,
    add_percent: Text,
    floor_per_minute: Text,
    increments: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RateText {
    prefix: Text,
    hours: Text,
    jurisdiction: Text,
    destination: Text,
    rate: Text,
    first_per_minute: Text,
    connection_fee: Text,
    increments: Text,
    from: Text,
    till: Text,
    blocked: Text,
}

/// Columns that a CSV may have; `prefix` and `rate` must be there.
const COLUMNS: [&str; 11] = [
    "prefix",
    "hours",
    "jurisdiction",
    "destination",
    "rate",
    "first_per_minute",
    "connection_fee",
    "increments",
    "from",
    "till",
    "blocked",
];

pub fn deck(r: &mut Reader, p: &mut Place, t: &DeckText, files: &Files) -> Option<Deck> {
    let code = r.must(p, "code", &t.code, any);
    let name = r.or(p, "name", &t.name, String::new(), any);
    let currency = r.or(p, "currency", &t.currency, Currency::USD, currency);
    let decimals = r.or(p, "decimals", &t.decimals, 6, number);
    let rounding = r.or(p, "rounding", &t.rounding, Default::default(), rounding);
    let steps_from_zero = r.or(p, "steps_from_zero", &t.steps_from_zero, false, flag);
    let tax_ppm = r.or(p, "tax_percent", &t.tax_percent, 0, tax);
    let zone = r.or(p, "zone", &t.zone, "UTC".to_owned(), any);
    let calendar = t.calendar.as_ref().map_or_else(Calendar::default, |calendar| {
        p.fields.insert("calendar", super::read::point(&calendar.referenced));
        calendar.value.clone()
    });
    let by_jurisdiction = r.or(p, "by_jurisdiction", &t.by_jurisdiction, false, flag);
    let by_lrn = r.or(p, "by_lrn", &t.by_lrn, false, flag);
    let file = r.may(p, "csv", &t.csv, any)?;
    let (rates, source) = match file {
        Some(_) if !t.rates.is_empty() => {
            r.wrong(p, "csv", "a deck has either a CSV file or rates, not both");
            return None;
        }
        Some(file) => (from_csv(r, p, &file, files, zone.as_deref()?)?, file),
        None => {
            let list = format!("{}.rates", p.path);
            let zone = zone.as_deref()?;
            let rates = each(r, &list, &t.rates, |r, p, t| rate(r, p, t, zone));
            (in_order(r, rates)?, "inline".to_owned())
        }
    };
    let draft = store::DeckDraft {
        code: code?,
        name: name?,
        currency: currency?,
        decimals: decimals?,
        rounding: rounding?,
        steps_from_zero: steps_from_zero?,
        tax_ppm: tax_ppm?,
        zone: zone?,
        calendar,
        by_jurisdiction: by_jurisdiction?,
        by_lrn: by_lrn?,
        derived: None,
    };
    let derived = match &t.derived {
        Some(_) if !rates.is_empty() => {
            r.wrong(p, "rates", "are computed from other decks");
            return None;
        }
        Some(text) => Some(derived(r, p, text)?),
        None => None,
    };
    Some(Deck { draft, derived, rates, source })
}

/// How a deck is computed; the decks that it is computed from are codes, which stand beside it.
fn derived(r: &mut Reader, p: &mut Place, t: &Spanned<DerivedText>) -> Option<(Vec<String>, Derived)> {
    p.fields.insert("derived", super::read::point(&t.referenced));
    let t = &t.value;
    let take = r.or(p, "take", &t.take, Take::Max, |text| match text {
        "max" => Ok(Take::Max),
        "min" => Ok(Take::Min),
        _ => Err("is neither max nor min".into()),
    });
    let add_fixed = r.or(p, "add_fixed", &t.add_fixed, Money::ZERO, money);
    let add = r.or(p, "add_percent", &t.add_percent, Percent::default(), |text| {
        Percent::parse(text).ok_or_else(|| "is not per cents such as 20 or -7.7 (four decimals at most)".into())
    });
    let floor_per_minute = r.or(p, "floor_per_minute", &t.floor_per_minute, Money::ZERO, money);
    let (minimum_s, increment_s, free_s) = r.or(p, "increments", &t.increments, (1, 1, 0), increments)?;
    let (take, add_fixed, add, floor_per_minute) = (take?, add_fixed?, add?, floor_per_minute?);
    let from = Vec::new();
    let rule = Derived { from, take, add_fixed, add, floor_per_minute, minimum_s, increment_s, free_s };
    Some((t.from.clone(), rule))
}

/// A rate; dates without a time are meant on the clock of the deck's zone, as those of sheets are.
fn rate(r: &mut Reader, p: &mut Place, t: &RateText, zone: &str) -> Option<Rate> {
    let moment = |text: &str| moment_of(zone, text);
    let prefix = r.or(p, "prefix", &t.prefix, String::new(), any);
    let destination = r.or(p, "destination", &t.destination, String::new(), any);
    let hours = r.or(p, "hours", &t.hours, Hours::Any, |text| word(text, Hours::of_word, Hours::ALL));
    let jurisdiction = r.or(p, "jurisdiction", &t.jurisdiction, Jurisdiction::Any, |text| {
        word(text, Jurisdiction::of_word, Jurisdiction::ALL)
    });
    let blocked = r.or(p, "blocked", &t.blocked, false, flag);
    let per_minute = match (&t.rate, blocked) {
        // A blocked destination needs no price.
        (None, Some(true)) => Some(Money::ZERO),
        _ => r.must(p, "rate", &t.rate, money),
    };
    let first_per_minute = r.may(p, "first_per_minute", &t.first_per_minute, money);
    let connection_fee = r.or(p, "connection_fee", &t.connection_fee, Money::ZERO, money);
    let increments = r.or(p, "increments", &t.increments, (1, 1, 0), increments);
    let from = r.or(p, "from", &t.from, WallTime::from_micros(0), moment);
    let till = r.may(p, "till", &t.till, moment);
    let (minimum_s, increment_s, free_s) = increments?;
    let rate = Rate {
        prefix: prefix?,
        destination: destination?,
        per_minute: per_minute?,
        first_per_minute: first_per_minute?,
        connection_fee: connection_fee?,
        minimum_s,
        increment_s,
        free_s,
        from: from?,
        till: till?,
        blocked: blocked?,
        class: RateClass { hours: hours?, jurisdiction: jurisdiction? },
    };
    match store::check_rate(&rate) {
        Ok(()) => Some(rate),
        Err(store::StoreError::Invalid { field, why }) => {
            r.wrong(p, if field == "increment_s" { "increments" } else { field }, why);
            None
        }
        Err(other) => {
            r.wrong(p, "", other.to_string());
            None
        }
    }
}

/// One of a few words.
fn word<T: ToString>(text: &str, of_word: fn(&str) -> Option<T>, all: &[T]) -> Result<T, String> {
    let known = || all.iter().map(T::to_string).collect::<Vec<_>>().join(", ");
    of_word(text).ok_or_else(|| format!("is none of {}", known()))
}

/// Per cents from 0 to 100, in millionths.
fn tax(text: &str) -> Result<u32, String> {
    let ppm = Percent::parse(text).and_then(|percent| u32::try_from(percent.ppm()).ok());
    ppm.ok_or_else(|| "is not per cents such as 20 or 7.7 (four decimals at most)".into())
}

/// `30/6/0` or `30/6`: seconds billed at least, step, free seconds.
fn increments(text: &str) -> Result<(u16, u16, u16), String> {
    let help = "is not minimum/increment such as 1/1, 60/60 or 30/6/0";
    let parts: Vec<u16> = text.split('/').map(str::parse).collect::<Result<_, _>>().map_err(|_| help)?;
    match parts[..] {
        [minimum, increment] => Ok((minimum, increment, 0)),
        [minimum, increment, free] => Ok((minimum, increment, free)),
        _ => Err(help.into()),
    }
}

fn from_csv(r: &mut Reader, p: &Place, name: &str, files: &Files, zone: &str) -> Option<Vec<Rate>> {
    let text = files.text(name).map_err(|why| r.wrong(p, "csv", why)).ok()?;
    rates_of_csv(name, &text, zone).map_err(|mut mistakes| r.mistakes.append(&mut mistakes)).ok()
}

/// The rates of a CSV with the columns of a deck, sorted; or every mistake in it. Its dates are meant on the clock of the zone.
///
/// # Errors
/// The mistakes, each with its line and column.
pub fn rates_of_csv(name: &str, text: &str, zone: &str) -> Result<Vec<Rate>, Vec<Mistake>> {
    let mut own = Reader::new(name);
    let rates = rows(&mut own, text, zone);
    let rates = in_order(&mut own, rates);
    match rates {
        Some(rates) if own.mistakes.is_empty() => Ok(rates),
        _ => Err(own.mistakes),
    }
}

fn rows(r: &mut Reader, text: &str, zone: &str) -> Vec<(Place, Rate)> {
    if let Some(at) = rating::deck::unclosed(text, b',') {
        r.wrong(&line(at.into()), "", rating::deck::UNCLOSED);
        return Vec::new();
    }
    let mut lines = csv::ReaderBuilder::new().flexible(false).trim(csv::Trim::All).from_reader(text.as_bytes());
    let head = match lines.headers() {
        Ok(head) => head.clone(),
        Err(error) => {
            r.wrong(&line(1), "", error.to_string());
            return Vec::new();
        }
    };
    for name in &head {
        if !COLUMNS.contains(&name) {
            r.wrong(&line(1), "", format!("column {name:?} is none of {}", COLUMNS.join(", ")));
        }
    }
    if !head.iter().any(|name| name == "prefix") {
        r.wrong(&line(1), "", "column prefix is missing");
    }
    if !r.mistakes.is_empty() {
        return Vec::new();
    }
    let mut rates = Vec::new();
    for row in lines.records() {
        match row {
            Ok(row) => {
                let mut place = line(row.position().map_or(0, csv::Position::line));
                if let Some(found) = rate(r, &mut place, &cells(&head, &row), zone) {
                    rates.push((place, found));
                }
            }
            Err(error) => {
                let at = error.position().map_or(0, csv::Position::line);
                r.wrong(&line(at), "", error.to_string());
            }
        }
        if r.mistakes.len() >= super::MISTAKES_MAX {
            break;
        }
    }
    rates
}

/// A row's cells as if they had been written in YAML; an empty cell is not there.
fn cells(head: &csv::StringRecord, row: &csv::StringRecord) -> RateText {
    let cell = |name: &str| -> Text {
        let place = head.iter().position(|column| column == name)?;
        let text = row.get(place).filter(|text| !text.is_empty())?;
        Some(Spanned {
            value: text.to_owned(),
            referenced: serde_saphyr::Location::UNKNOWN,
            defined: serde_saphyr::Location::UNKNOWN,
        })
    };
    RateText {
        prefix: cell("prefix"),
        hours: cell("hours"),
        jurisdiction: cell("jurisdiction"),
        destination: cell("destination"),
        rate: cell("rate"),
        first_per_minute: cell("first_per_minute"),
        connection_fee: cell("connection_fee"),
        increments: cell("increments"),
        from: cell("from"),
        till: cell("till"),
        blocked: cell("blocked"),
    }
}

fn line(number: u64) -> Place {
    Place { path: "row".into(), at: (number, 1), ..Place::default() }
}

/// Sorts rates by prefix, class and date; two of the same are a mistake.
fn in_order(r: &mut Reader, mut rates: Vec<(Place, Rate)>) -> Option<Vec<Rate>> {
    rates.sort_by(|(_, a), (_, b)| by_key(a, b));
    let mut sound = true;
    for pair in rates.windows(2) {
        let ((_, first), (place, second)) = (&pair[0], &pair[1]);
        if by_key(first, second).is_eq() {
            let (prefix, RateClass { hours, jurisdiction }) = (&second.prefix, second.class);
            let class =
                if second.class == RateClass::ANY { String::new() } else { format!(" ({hours}, {jurisdiction})") };
            r.wrong(place, "prefix", format!("{prefix:?}{class} stands in the deck twice with the same date"));
            sound = false;
        }
    }
    sound.then(|| rates.into_iter().map(|(_, rate)| rate).collect())
}
