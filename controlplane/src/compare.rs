//! A carrier's list of calls against our records: who has a call that the other has not, and where talk time or price differ.
//!
//! Calls are paired by the called number and the nearest start; clocks differ, so the start itself is shown and not judged.

use std::collections::BTreeMap;

use cdr::Cdr;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use units::{Money, WallTime};

/// Rows of a list at most.
pub const ROWS_MAX: usize = 200_000;

/// One call as either side tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The called number's digits.
    pub called: String,
    /// The caller, for people.
    pub calling: String,
    /// When it began.
    pub started: WallTime,
    /// Seconds of talk, begun ones counted whole.
    pub seconds: u64,
    /// Its price; `None` where the list has none.
    pub price: Option<Money>,
    /// The line of the file, or our call's name.
    pub place: String,
}

/// How far both may be apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// Between the starts of what may be one call, in microseconds.
    pub start_us: i64,
    /// Between talk times, in seconds.
    pub seconds: u64,
    /// Between prices.
    pub price: Money,
    /// Only so many of the last digits of the called number count: prefixes differ between carriers. `None`: all.
    pub last_digits: Option<usize>,
}

/// Who differs how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// They have it, we have not.
    OnlyTheirs,
    /// We have it, they have not.
    OnlyOurs,
    /// The talk times differ.
    Seconds,
    /// The prices differ.
    Price,
}

impl Kind {
    /// As lists show it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::OnlyTheirs => "only_theirs",
            Kind::OnlyOurs => "only_ours",
            Kind::Seconds => "seconds",
            Kind::Price => "price",
        }
    }
}

/// One difference. A pair whose talk time differs has a price that differs too, and is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub kind: Kind,
    /// Their call.
    pub theirs: Option<Told>,
    /// Ours.
    pub ours: Option<Told>,
}

/// What the comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Calls that both have.
    pub paired: usize,
    /// What differs, in the order of time.
    pub differences: Vec<Difference>,
}

/// A call of ours: what the originator pays, or what the terminator is owed.
pub fn ours(cdr: &Cdr, sold: bool) -> Told {
    Told {
        called: digits(cdr.called_routed.as_str()),
        calling: cdr.calling.as_str().to_owned(),
        started: cdr.started,
        seconds: cdr.duration_ms.div_ceil(1_000),
        price: if sold { cdr.sell } else { cdr.buy }.map(|priced| priced.price),
        place: cdr.call.to_string(),
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// What columns are called, in lower case; the first name is ours.
const COLUMNS: [(&str, &[&str]); 6] = [
    ("called", &["called", "destination", "dst", "to", "b_number", "called_number"]),
    ("start", &["start", "started", "start_time", "calldate", "date", "time"]),
    ("seconds", &["seconds", "billsec", "duration", "talk_s", "billed_s"]),
    ("calling", &["calling", "source", "src", "from", "a_number", "calling_number"]),
    ("price", &["price", "amount", "cost", "charge"]),
    ("disposition", &["disposition", "status", "result"]),
];

/// Reads a list: CSV with a header whose columns stand in any order. Calls that were not answered are left out. The sentence says what is
/// wrong, and where.
pub fn read(text: &str, zone: &TimeZone) -> Result<Vec<Told>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let head = text.lines().next().unwrap_or("");
    let separator = [b';', b'\t'].into_iter().find(|byte| head.as_bytes().contains(byte)).unwrap_or(b',');
    if let Some(line) = rating::deck::unclosed(text, separator) {
        return Err(format!("line {line}: {}", rating::deck::UNCLOSED));
    }
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).trim(csv::Trim::All).from_reader(text.as_bytes());
    let head: Vec<String> = reader
        .headers()
        .map_err(|why| why.to_string())?
        .iter()
        .map(|name| name.to_lowercase().replace(' ', "_"))
        .collect();
    let columns = COLUMNS.map(|(_, names)| head.iter().position(|name| names.contains(&name.as_str())));
    if let Some(missing) = (0..3).find(|place| columns[*place].is_none()) {
        let (name, names) = COLUMNS[missing];
        return Err(format!("line 1: no column {name} (or {})", names[1..].join(", ")));
    }
    let mut all = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|why| why.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |place: usize| columns[place].and_then(|column| record.get(column)).unwrap_or("");
        let told = row(&cell, zone).map_err(|why| format!("line {line}: {why}"))?;
        all.extend(told.map(|told| Told { place: format!("line {line}"), ..told }));
        if all.len() > ROWS_MAX {
            return Err(format!("more than {ROWS_MAX} calls: compare a shorter window"));
        }
    }
    Ok(all)
}

/// A row's call; `None` if nobody answered it.
fn row<'a>(cell: &impl Fn(usize) -> &'a str, zone: &TimeZone) -> Result<Option<Told>, String> {
    let seconds = cell(2);
    let seconds = match seconds.parse::<u64>() {
        Ok(seconds) => seconds,
        // `61.4` as some switches write it.
        Err(_) => match Money::parse(seconds).filter(|seconds| *seconds >= Money::ZERO) {
            Some(seconds) => seconds.nanos().unsigned_abs().div_ceil(Money::NANOS.unsigned_abs()),
            None => return Err(format!("{seconds:?} is no number of seconds")),
        },
    };
    let disposition = cell(5).to_lowercase();
    if seconds == 0 || !(disposition.is_empty() || disposition.starts_with("answer")) {
        return Ok(None);
    }
    let called = digits(cell(0));
    if called.is_empty() {
        return Err(format!("{:?} is no called number", cell(0)));
    }
    let price = match cell(4) {
        "" => None,
        text => Some(Money::parse(text).ok_or_else(|| format!("{text:?} is no price such as 0.0124"))?),
    };
    let started = moment(cell(1), zone)?;
    Ok(Some(Told { called, calling: cell(3).to_owned(), started, seconds, price, place: String::new() }))
}

/// A moment with its offset, or a date and time on the clock of the zone.
fn moment(text: &str, zone: &TimeZone) -> Result<WallTime, String> {
    let wrong = || format!("{text:?} is no time such as 2026-10-01 12:00:00 or 2026-10-01T12:00:00Z");
    let moment = match text.parse::<jiff::Timestamp>() {
        Ok(moment) => moment,
        Err(_) => {
            let civil: DateTime = text.replacen(' ', "T", 1).parse().map_err(|_| wrong())?;
            civil.to_zoned(zone.clone()).map_err(|_| wrong())?.timestamp()
        }
    };
    Ok(WallTime::from_micros(moment.as_microsecond()))
}

/// Pairs the calls of both and tells what differs.
pub fn compare(theirs: Vec<Told>, ours: Vec<Told>, tolerance: &Tolerance) -> Compared {
    let key = |told: &Told| match tolerance.last_digits {
        Some(last) => told.called[told.called.len().saturating_sub(last)..].to_owned(),
        None => told.called.clone(),
    };
    let mut left: BTreeMap<String, Vec<Told>> = BTreeMap::new();
    for told in ours {
        left.entry(key(&told)).or_default().push(told);
    }
    let mut found = Compared::default();
    for told in in_time(theirs) {
        let same = left.entry(key(&told)).or_default();
        let apart = |ours: &Told| (ours.started - told.started).abs();
        let nearest = (0..same.len()).min_by_key(|place| apart(&same[*place]));
        match nearest.filter(|place| apart(&same[*place]) <= tolerance.start_us) {
            Some(place) => {
                let ours = same.swap_remove(place);
                found.paired += 1;
                if let Some(kind) = differs(&told, &ours, tolerance) {
                    found.differences.push(Difference { kind, theirs: Some(told), ours: Some(ours) });
                }
            }
            None => found.differences.push(Difference { kind: Kind::OnlyTheirs, theirs: Some(told), ours: None }),
        }
    }
    let lonely = left.into_values().flatten();
    found.differences.extend(lonely.map(|ours| Difference { kind: Kind::OnlyOurs, theirs: None, ours: Some(ours) }));
    let begun =
        |it: &Difference| it.theirs.as_ref().or(it.ours.as_ref()).map(|told| (told.started, told.place.clone()));
    found.differences.sort_by_key(begun);
    found
}

fn in_time(mut all: Vec<Told>) -> Vec<Told> {
    all.sort_by_key(|told| told.started);
    all
}

fn differs(theirs: &Told, ours: &Told, tolerance: &Tolerance) -> Option<Kind> {
    if theirs.seconds.abs_diff(ours.seconds) > tolerance.seconds {
        return Some(Kind::Seconds);
    }
    let apart =
        theirs.price.zip(ours.price).map(|(theirs, ours)| if theirs > ours { theirs - ours } else { ours - theirs });
    apart.filter(|apart| *apart > tolerance.price).map(|_| Kind::Price)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tolerance() -> Tolerance {
        let price = Money::parse("0.0001").expect("a decimal");
        Tolerance { start_us: 60_000_000, seconds: 1, price, last_digits: None }
    }

    fn told(called: &str, at_s: i64, seconds: u64, price: &str) -> Told {
        let (started, price) = (WallTime::from_micros(at_s * 1_000_000), Money::parse(price));
        Told { called: called.into(), started, seconds, price, place: at_s.to_string(), ..Told::default() }
    }

    fn kinds(compared: &Compared) -> Vec<&'static str> {
        compared.differences.iter().map(|it| it.kind.word()).collect()
    }

    #[test]
    fn a_list_is_read_whatever_its_columns_are_called() {
        let zone = TimeZone::get("Europe/Paris").expect("a zone");
        let text = "\u{feff}Calldate;Billsec;Dst;Src;Disposition;Price\n2026-10-01 12:00:00;61;+44 (20) 7123;10;ANSWERED;0,5\n";
        assert_eq!(read(text, &zone).expect_err("a comma"), "line 2: \"0,5\" is no price such as 0.0124");
        let text =
            text.replace("0,5", "0.5") + "2026-10-01T10:00:05Z;0.2;44;x;answered;\n2026-10-01 12:01;9;44;x;BUSY;1\n";
        let all = read(&text, &zone).expect("a list");
        assert_eq!(all.len(), 2, "the busy one is none");
        assert_eq!((all[0].called.as_str(), all[0].seconds, all[0].price), ("44207123", 61, Money::parse("0.5")));
        assert_eq!((all[1].started - all[0].started, all[1].seconds), (5_000_000, 1));
        for (text, why) in [
            ("called,start\n", "line 1: no column seconds (or billsec, duration, talk_s, billed_s)"),
            ("called,start,seconds\n44,soon,1\n", "line 2: \"soon\" is no time"),
            ("called,start,seconds\n44,2026-10-01T00:00:00Z,x\n", "line 2: \"x\" is no number of seconds"),
            ("called,start,seconds\n-,2026-10-01T00:00:00Z,1\n", "line 2: \"-\" is no called number"),
            ("called,start,seconds\n\"44,1,1\n", "line 2"),
        ] {
            let told = read(text, &zone).expect_err(text);
            assert!(told.starts_with(why), "{told}");
        }
    }

    #[test]
    fn calls_are_paired_by_number_and_nearest_start() {
        let theirs =
            vec![told("44", 100, 60, "1"), told("44", 130, 30, "2"), told("49", 5, 10, "1"), told("33", 0, 1, "1")];
        let ours = vec![
            told("44", 128, 30, "2"),
            told("44", 102, 60, "1.00005"),
            told("49", 66, 10, "1"),
            told("1", 7, 3, "1"),
        ];
        let compared = compare(theirs, ours, &tolerance());
        assert_eq!(compared.paired, 2, "61 seconds are too many");
        assert_eq!(kinds(&compared), ["only_theirs", "only_theirs", "only_ours", "only_ours"]);
    }

    #[test]
    fn what_both_have_differs_by_time_or_else_by_price() {
        let rows = [
            ((60, "1"), (61, "1.0001"), None),
            ((60, "1"), (62, "9"), Some("seconds")),
            ((60, "1"), (60, "1.0002"), Some("price")),
            ((60, ""), (60, "7"), None),
        ];
        for ((their_s, their_price), (our_s, our_price), wanted) in rows {
            let theirs = vec![told("44", 0, their_s, their_price)];
            let compared = compare(theirs, vec![told("44", 0, our_s, our_price)], &tolerance());
            assert_eq!(kinds(&compared).first().copied(), wanted, "{their_s} {our_s} {their_price} {our_price}");
        }
    }

    #[test]
    fn prefixes_of_other_carriers_do_not_count_where_the_last_digits_do() {
        let theirs = vec![told("00442071234567", 0, 60, "1")];
        let last = Tolerance { last_digits: Some(9), ..tolerance() };
        assert_eq!(compare(theirs.clone(), vec![told("442071234567", 0, 60, "1")], &last).paired, 1);
        assert_eq!(compare(theirs, vec![told("442071234567", 0, 60, "1")], &tolerance()).paired, 0);
        assert_eq!(compare(vec![told("7", 0, 1, "1")], vec![told("7", 0, 1, "1")], &last).paired, 1, "a short one");
    }
}
