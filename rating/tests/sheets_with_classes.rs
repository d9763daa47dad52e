//! Sheets whose rows name hours and jurisdictions, and whose dates are meant on the clock of a zone.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use rating::deck::merge::{Dates, Missing, merge};
use rating::deck::{Options, Sheet, read};
use snapshot::{Day, Offset, Rate};
use units::{Hours, Jurisdiction, RateClass, WallTime};
use world::rate;

fn clean(text: &str) -> Sheet {
    let sheet = read(text, &Options::default());
    assert_eq!((&sheet.problems, &sheet.warnings), (&vec![], &vec![]), "{text}");
    sheet
}

/// Prefix, hours, jurisdiction and price of each rate; `blocked` instead of a price.
fn shown(rates: &[Rate]) -> Vec<String> {
    let price = |rate: &Rate| if rate.blocked { "blocked".into() } else { rate.per_minute.to_string() };
    let one = |rate: &Rate| format!("{} {} {} {}", rate.prefix, rate.class.hours, rate.class.jurisdiction, price(rate));
    rates.iter().map(one).collect()
}

#[test]
fn a_north_american_row_is_a_rate_for_each_jurisdiction() {
    let text = "code,duration,increment,interrate,intrarate,ijrate,effective_date\n\
                1212555,6,6,0.0050,0.0100,0.0120,2026-12-01\n1224,6,6,0.004,N/A,,\n1900,6,6,Blocked,Blocked,Blocked,\n";
    let sheet = clean(text);
    let wanted = [
        "1212555 any inter 0.005",
        "1212555 any intra 0.01",
        "1212555 any indeterminate 0.012",
        "1224 any inter 0.004",
        "1224 any intra blocked",
        "1900 any inter blocked",
        "1900 any intra blocked",
        "1900 any indeterminate blocked",
    ];
    let found: Vec<String> = shown(&sheet.rates).iter().map(|line| line.replace("0.0100", "0.01")).collect();
    let plain: Vec<String> = found.iter().map(|line| line.trim_end_matches('0').to_owned()).collect();
    let wanted: Vec<String> = wanted.iter().map(|line| line.trim_end_matches('0').to_owned()).collect();
    assert_eq!(plain, wanted);
    assert!(sheet.rates.iter().all(|rate| (rate.minimum_s, rate.increment_s) == (6, 6)));
    assert_eq!(sheet.marks.iter().filter(|mark| mark.dated).count(), 3);
}

#[test]
fn area_code_and_exchange_come_in_one_column_or_two_with_or_without_the_country() {
    let one = clean("npanxx,inter,intra\n212555,1,2\n1212556,1,2\n2125571,1,2\n");
    let prefixes: Vec<&str> = one.rates.iter().step_by(2).map(|rate| rate.prefix.as_str()).collect();
    assert_eq!(prefixes, ["1212555", "1212556", "12125571"]);
    let two = clean("NPA,NXX,Interstate Rate,Intrastate Rate\n212,555,1,2\n907,,1,2\n");
    let prefixes: Vec<&str> = two.rates.iter().step_by(2).map(|rate| rate.prefix.as_str()).collect();
    assert_eq!(prefixes, ["1212555", "1907"]);
    let wrong = read("npa,nxx,rate\n21,555,1\n", &Options::default());
    assert_eq!(wrong.problems[0].message, "\"21\" is not an area code of three digits");
}

#[test]
fn peak_columns_stand_beside_the_rate_of_all_hours_and_its_steps() {
    let sheet = clean("prefix,rate,peak,off-peak,weekend,increments\n44,0.03,0.05,0.02,0.01,30/6\n49,0.03,,,,\n");
    let wanted =
        ["44 peak any 0.05", "44 off_peak any 0.02", "44 free_day any 0.01", "44 any any 0.03", "49 any any 0.03"];
    assert_eq!(shown(&sheet.rates), wanted);
    assert!(sheet.rates[..4].iter().all(|rate| (rate.minimum_s, rate.increment_s) == (30, 6)));
    let comma = clean("prefix;peak;off peak\n44;0,05;0,02\n");
    assert_eq!(shown(&comma.rates), ["44 peak any 0.05", "44 off_peak any 0.02"]);
}

#[test]
fn a_row_may_name_its_own_class() {
    let sheet = clean(
        "prefix,hours,jurisdiction,rate,inter rate\n1212,peak,,0.05,\n1212,Off-Peak,intra,0.02,\n1212,,,0.03,\n1312,peak,,,0.07\n",
    );
    let wanted = ["1212 peak any 0.05", "1212 off_peak intra 0.02", "1212 any any 0.03", "1312 peak inter 0.07"];
    assert_eq!(shown(&sheet.rates), wanted);
    let twice = read("prefix,hours,rate\n44,peak,1\n44,peak,2\n44,,2\n", &Options::default());
    assert_eq!((twice.rates.len(), twice.problems.len()), (2, 1));
    assert_eq!(twice.problems[0].message, "prefix 44 begins at the same moment in line 2");
    let odd = read("prefix,hours,jurisdiction,rate\n44,night,moon,1\n", &Options::default());
    let told: Vec<&str> = odd.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "\"night\" is none of any, peak, off_peak, free_day",
            "\"moon\" is none of any, inter, intra, indeterminate, international"
        ]
    );
}

#[test]
fn a_class_that_is_closed_leaves_the_others_of_its_code() {
    let now = WallTime::from_micros(1_000_000);
    let peak = RateClass { hours: Hours::Peak, jurisdiction: Jurisdiction::Any };
    let deck = vec![rate("44", "1"), Rate { class: peak, ..rate("44", "2") }];
    let over = |text: &str, missing| {
        let sheet = read(text, &Options { from: now, ..Options::default() });
        let merged = merge(deck.clone(), &sheet, missing, &Dates { now, from: now, ..Dates::default() });
        merged.rates.iter().map(|rate| (rate.class.hours, rate.till.is_some())).collect::<Vec<_>>()
    };
    let both = [(Hours::Any, true), (Hours::Peak, true)];
    assert_eq!(over("prefix,rate,status\n44,,closed\n", Missing::Stays), both, "all classes of a code");
    let one = [(Hours::Any, false), (Hours::Peak, true)];
    assert_eq!(over("prefix,hours,rate,status\n44,peak,,closed\n", Missing::Stays), one);
    assert_eq!(over("prefix,rate\n44,1\n", Missing::Closed), one, "a whole sheet without it");
}

/// Microseconds since 1970 of `2026-01-30T23:00:00Z`.
fn moment(text: &str) -> i64 {
    let (day, time) = text.trim_end_matches(":00Z").split_once('T').unwrap();
    let (hours, minutes) = time.split_once(':').unwrap();
    let minutes = hours.parse::<i64>().unwrap() * 60 + minutes.parse::<i64>().unwrap();
    (i64::from(Day::parse(day).unwrap().number()) * 1_440 + minutes) * 60_000_000
}

#[test]
fn dates_are_read_on_the_clock_of_a_zone_through_its_changes() {
    // Paris in 2026: an hour ahead of UTC, two from 29 March 01:00 UTC to 25 October 01:00 UTC.
    let offset = |from: i64, ahead_s| Offset { from: WallTime::from_micros(from * 1_000_000), ahead_s };
    let zone = vec![offset(0, 3_600), offset(1_774_746_000, 7_200), offset(1_792_890_000, 3_600)];
    let options = Options { zone, ..Options::default() };
    for (shown, utc) in [
        ("2026-01-31", "2026-01-30T23:00:00Z"),
        ("2026-07-01", "2026-06-30T22:00:00Z"),
        ("2026-03-29 01:59", "2026-03-29T00:59:00Z"),
        ("2026-03-29 02:30", "2026-03-29T01:30:00Z"),
        ("2026-03-29 03:00", "2026-03-29T01:00:00Z"),
        ("2026-10-25 02:30", "2026-10-25T00:30:00Z"),
        ("2026-10-25 03:00", "2026-10-25T02:00:00Z"),
        ("2026-07-01 12:00Z", "2026-07-01T12:00:00Z"),
    ] {
        let sheet = read(&format!("prefix,rate,from\n44,1,{shown}\n"), &options);
        let from = sheet.rates[0].from.micros();
        assert_eq!(from, moment(utc), "{shown}");
    }
}
