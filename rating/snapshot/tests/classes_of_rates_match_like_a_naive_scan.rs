//! Hours and jurisdictions: which rate of a prefix counts, judged by an oracle that looks at every rate and asks jiff for the time.
#![allow(clippy::unwrap_used, reason = "a story that cannot be told fails")]

mod world;

use jiff::civil;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use snapshot::{Calendar, Day, Deck, Minute, Offset, Peak, Rate, View, Weekday, When};
use units::{DeckId, Hours, Jurisdiction, Money, RateClass, WallTime};
use world::{model_of, rate};

const WEEKDAYS: [Weekday; 7] =
    [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];
const ZONES: [&str; 6] =
    ["UTC", "America/New_York", "Europe/London", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"];

/// The class of a moment, from the local date and time that jiff tells.
fn naive_hours(zone: &str, calendar: &Calendar, at: WallTime) -> Hours {
    let local = jiff::Timestamp::from_microsecond(at.micros()).unwrap().to_zoned(TimeZone::get(zone).unwrap());
    let weekday = WEEKDAYS[local.weekday().to_monday_zero_offset() as usize];
    let date = local.date().to_string();
    if calendar.free_weekdays.contains(&weekday) || calendar.free_days.iter().any(|day| day.to_string() == date) {
        return Hours::FreeDay;
    }
    let clock = local.strftime("%H:%M").to_string();
    let in_window =
        |peak: &Peak| peak.days.contains(&weekday) && peak.from.to_string() <= clock && clock < peak.till.to_string();
    if calendar.peak.iter().any(in_window) { Hours::Peak } else { Hours::OffPeak }
}

/// All rules once more, over all rates.
fn naive<'a>(deck: &'a Deck, digits: &str, when: When) -> Option<&'a Rate> {
    let hours = naive_hours(&deck.zone, &deck.calendar, when.at);
    let fits = |rate: &&Rate| {
        let place = match rate.class.jurisdiction {
            Jurisdiction::Any => true,
            named => deck.by_jurisdiction && named == when.jurisdiction,
        };
        let time = match rate.class.hours {
            Hours::Any => true,
            named => named == hours,
        };
        let dated = rate.from <= when.at && rate.till.is_none_or(|till| when.at < till);
        digits.starts_with(&rate.prefix) && dated && place && time
    };
    let names = |rate: &&Rate| {
        let (place, time) = (rate.class.jurisdiction != Jurisdiction::Any, rate.class.hours != Hours::Any);
        (rate.prefix.len(), place, time, rate.from)
    };
    deck.rates.iter().filter(fits).max_by_key(names)
}

/// The offsets of a zone from 2025 to 2028.
fn offsets(zone: &str) -> Vec<Offset> {
    let zone = TimeZone::get(zone).unwrap();
    let start = civil::date(2025, 1, 1).to_zoned(TimeZone::UTC).unwrap().timestamp();
    let end = civil::date(2028, 1, 1).to_zoned(TimeZone::UTC).unwrap().timestamp();
    let of = |from: jiff::Timestamp, ahead: jiff::tz::Offset| Offset {
        from: WallTime::from_micros(from.as_microsecond()),
        ahead_s: ahead.seconds(),
    };
    let changes = zone.following(start).take_while(|change| change.timestamp() < end);
    [of(start, zone.to_offset(start))].into_iter().chain(changes.map(|c| of(c.timestamp(), c.offset()))).collect()
}

fn peaks() -> impl Strategy<Value = Peak> {
    (proptest::sample::subsequence(WEEKDAYS.to_vec(), 1..=7), 0_u16..24, 1_u16..=24, 0_u16..60)
        .prop_map(|(days, from, lasts, minute)| Peak {
            days,
            from: Minute::parse(&format!("{from:02}:{minute:02}")).unwrap(),
            till: Minute::parse(&format!("{:02}:00", (from + lasts).min(24))).unwrap(),
        })
        .prop_filter("it ends after it begins", |peak| peak.from < peak.till)
}

fn calendars() -> impl Strategy<Value = Calendar> {
    let days = proptest::collection::vec((2026_i32..2028, 1_i32..=12, 1_i32..=28), 0..60);
    (proptest::collection::vec(peaks(), 0..4), proptest::sample::subsequence(WEEKDAYS.to_vec(), 0..=2), days).prop_map(
        |(peak, free_weekdays, days)| Calendar {
            peak,
            free_weekdays,
            free_days: days.iter().map(|(y, m, d)| Day::parse(&format!("{y}-{m:02}-{d:02}")).unwrap()).collect(),
        },
    )
}

fn classes() -> impl Strategy<Value = RateClass> {
    (0_u8..4, 0_u8..5).prop_map(|(hours, place)| RateClass {
        hours: Hours::from_code(hours).unwrap(),
        jurisdiction: Jurisdiction::from_code(place).unwrap(),
    })
}

/// Rates whose dates lie in 2026, no two of the same prefix, class and date.
fn rates() -> impl Strategy<Value = Vec<Rate>> {
    let start = moment("2026-01-01T00:00:00Z").micros();
    let month = 30 * 86_400_000_000_i64;
    let one = ("[0-2]{0,4}|[0-2A]{1,3}", classes(), 0_i64..4, proptest::option::of(1_i64..6), 0_i64..1_000);
    let rate = one.prop_map(move |(prefix, class, from, lasts, nanos)| Rate {
        per_minute: Money::from_nanos(nanos),
        from: WallTime::from_micros(start + from * month),
        till: lasts.map(|lasts| WallTime::from_micros(start + (from + lasts) * month)),
        class,
        ..rate(&prefix, "0")
    });
    proptest::collection::vec(rate, 0..120).prop_map(|rates| {
        let mut seen = std::collections::BTreeSet::new();
        rates.into_iter().filter(|rate| seen.insert((rate.prefix.clone(), rate.class, rate.from))).collect()
    })
}

fn moment(text: &str) -> WallTime {
    WallTime::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

fn image_of(deck: &Deck) -> Vec<u8> {
    let mut model = model_of(Vec::new());
    model.decks[0] = Deck { id: DeckId(1), code: "deck".into(), ..deck.clone() };
    let image = model.encode().unwrap();
    View::check(&image).unwrap();
    image
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_deck_the_number_and_the_moment(
        rates in rates(),
        calendar in calendars(),
        zone in proptest::sample::select(ZONES.to_vec()),
        by_jurisdiction in any::<bool>(),
        numbers in proptest::collection::vec("[0-2]{1,6}|[0-2A]{1,5}", 8),
        moments in proptest::collection::vec((0_i64..525_600, 0_u8..5), 12),
    ) {
        let deck = Deck { zone: zone.into(), offsets: offsets(zone), calendar, by_jurisdiction, rates, ..Deck::default() };
        let image = image_of(&deck);
        let view = View::open(&image).deck(DeckId(1)).unwrap();
        prop_assert_eq!(view.zone(), zone);
        for (minute, place) in moments {
            let at = WallTime::from_micros(moment("2026-01-01T00:00:00Z").micros() + minute * 60_000_000);
            prop_assert_eq!(view.hours(at), naive_hours(zone, &deck.calendar, at), "{} at {:?}", zone, at);
            let when = When { at, jurisdiction: Jurisdiction::from_code(place).unwrap() };
            for number in &numbers {
                let expected = naive(&deck, number, when).map(|rate| (rate.per_minute, rate.class, rate.from));
                let found = view.lookup(number.as_bytes(), when).map(|rate| (rate.terms.per_minute, rate.terms.class, rate.from));
                prop_assert_eq!(found, expected, "{} at {:?}", number, when);
            }
        }
    }
}

fn class(hours: Hours, jurisdiction: Jurisdiction) -> RateClass {
    RateClass { hours, jurisdiction }
}

/// New York: peak from 8 to 20 on workdays, Saturdays, Sundays and Christmas are free.
fn new_york(rates: Vec<Rate>) -> Deck {
    let workdays = WEEKDAYS[..5].to_vec();
    let peak =
        vec![Peak { days: workdays, from: Minute::parse("08:00").unwrap(), till: Minute::parse("20:00").unwrap() }];
    let free_days = vec![Day::parse("2026-12-25").unwrap()];
    let calendar = Calendar { peak, free_weekdays: vec![Weekday::Sat, Weekday::Sun], free_days };
    let zone = "America/New_York";
    Deck { zone: zone.into(), offsets: offsets(zone), calendar, by_jurisdiction: true, rates, ..Deck::default() }
}

#[test]
fn a_window_follows_the_zones_clock_through_the_year() {
    let image = image_of(&new_york(Vec::new()));
    let deck = View::open(&image).deck(DeckId(1)).unwrap();
    for (at, hours) in [
        ("2026-01-15T12:59:59Z", Hours::OffPeak),
        ("2026-01-15T13:00:00Z", Hours::Peak),
        ("2026-07-15T11:59:59Z", Hours::OffPeak),
        ("2026-07-15T12:00:00Z", Hours::Peak),
        ("2026-07-15T23:59:59Z", Hours::Peak),
        ("2026-07-16T00:00:00Z", Hours::OffPeak),
        // The Friday of New York ends four hours into the Saturday of UTC.
        ("2026-07-18T03:59:59Z", Hours::OffPeak),
        ("2026-07-18T04:00:00Z", Hours::FreeDay),
        ("2026-12-25T04:59:59Z", Hours::OffPeak),
        ("2026-12-25T15:00:00Z", Hours::FreeDay),
    ] {
        assert_eq!(deck.hours(moment(at)), hours, "{at}");
    }
}

#[test]
fn the_jurisdiction_counts_before_the_hours_and_those_before_the_date() {
    let priced = |prefix: &str, nanos, class, from: &str| Rate {
        per_minute: Money::from_nanos(nanos),
        class,
        from: moment(from),
        ..rate(prefix, "0")
    };
    let (old, fresh) = ("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z");
    let deck = new_york(vec![
        priced("1", 1, RateClass::ANY, old),
        priced("1", 2, RateClass::ANY, fresh),
        priced("1", 3, class(Hours::Peak, Jurisdiction::Any), old),
        priced("1", 4, class(Hours::Any, Jurisdiction::Intra), old),
        priced("1", 5, class(Hours::Peak, Jurisdiction::Intra), old),
        priced("1212", 6, class(Hours::FreeDay, Jurisdiction::Inter), old),
    ]);
    let image = image_of(&deck);
    let view = View::open(&image).deck(DeckId(1)).unwrap();
    let (peak, night, sunday) = ("2026-07-15T15:00:00Z", "2026-07-15T05:00:00Z", "2026-07-19T15:00:00Z");
    for (at, jurisdiction, nanos) in [
        (night, Jurisdiction::Inter, 2),
        ("2026-02-02T05:00:00Z", Jurisdiction::Inter, 1),
        (peak, Jurisdiction::Inter, 3),
        (peak, Jurisdiction::Any, 3),
        (night, Jurisdiction::Intra, 4),
        (peak, Jurisdiction::Intra, 5),
        // Only the longer prefix of another class gives way to the shorter one.
        (sunday, Jurisdiction::Inter, 6),
        (sunday, Jurisdiction::Intra, 4),
        (sunday, Jurisdiction::Indeterminate, 2),
    ] {
        let found = view.lookup(b"12125551234", When { at: moment(at), jurisdiction }).unwrap();
        assert_eq!(found.terms.per_minute, Money::from_nanos(nanos), "{jurisdiction} at {at}");
    }
}

#[test]
fn a_deck_that_does_not_judge_has_no_use_for_jurisdictions() {
    let intra = Rate { class: class(Hours::Any, Jurisdiction::Intra), ..rate("1", "1") };
    let deck = Deck { by_jurisdiction: false, ..new_york(vec![intra]) };
    let image = image_of(&deck);
    let when = When { at: moment("2026-07-15T15:00:00Z"), jurisdiction: Jurisdiction::Intra };
    assert!(View::open(&image).deck(DeckId(1)).unwrap().lookup(b"1212", when).is_none());
}

#[test]
fn two_rates_of_one_prefix_class_and_moment_are_refused() {
    let peak = Rate { class: class(Hours::Peak, Jurisdiction::Any), ..rate("44", "1") };
    assert!(model_of(vec![rate("44", "2"), peak.clone()]).encode().is_ok());
    let flaw = model_of(vec![peak.clone(), rate("44", "2"), peak]).encode().unwrap_err();
    assert_eq!(flaw.problem, "two rates of prefix \"44\" begin at the same moment in one class");
}

#[test]
fn a_calendar_that_means_nothing_is_refused() {
    let refused = |text: &str| Calendar::from_text(text).unwrap_err().to_string();
    assert!(refused(r#"{"free_days":["2026-02-30"]}"#).contains("is not a date"));
    assert!(refused(r#"{"free_days":["1-2-3"]}"#).contains("is not a date"));
    assert!(refused(r#"{"peak":[{"days":["mon"],"from":"25:00","till":"26:00"}]}"#).contains("time of day"));
    assert!(refused(r#"{"peak":[{"days":["mon"],"from":"20:00","till":"08:00"}]}"#).contains("ends before it begins"));
    assert!(refused(r#"{"peak":[{"days":[],"from":"08:00","till":"20:00"}]}"#).contains("has no days"));
    assert!(refused(r#"{"peek":[]}"#).contains("unknown field"));
    let text = r#"{"peak":[{"days":["mon","tue"],"from":"08:00","till":"24:00"}],"free_days":["2028-02-29"]}"#;
    assert_eq!(Calendar::from_text(text).unwrap().to_text(), text);
    assert_eq!(Calendar::default().to_text(), "");
}
