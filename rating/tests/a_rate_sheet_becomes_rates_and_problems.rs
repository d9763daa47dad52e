//! Rate sheets as carriers send them, and the page that compares two decks.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use proptest::prelude::*;
use rating::deck::{Options, PROBLEMS_MAX, read, rows, unclosed};
use rating::diff::{ChangeKind, Counts, counts, diff};
use snapshot::Rate;
use units::{Money, WallTime};
use world::rate;

const DAY: i64 = 86_400_000_000;

/// Reads a sheet without problems.
fn clean(text: &str) -> Vec<Rate> {
    let sheet = read(text, &Options::default());
    assert_eq!((sheet.problems.as_slice(), sheet.problem_count), (&[][..], 0), "{text}");
    sheet.rates
}

/// Row, column and the beginning of the message of each problem.
fn problems(text: &str, expected: &[(u32, u32, &str)]) {
    let found = read(text, &Options::default()).problems;
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, (row, column, message)) in found.iter().zip(expected) {
        assert_eq!((found.row, found.column), (*row, *column), "{found:?}");
        assert!(found.message.starts_with(message), "{:?} should start with {message:?}", found.message);
    }
}

#[test]
fn a_plain_sheet() {
    let found = clean(
        "prefix,destination,rate,connect_fee,increments\n44,United Kingdom,0.008,0,1/1\n4477,UK mobile,0.02,0.1,30/6/3\n",
    );
    let first = Rate { destination: "United Kingdom".into(), ..rate("44", "0.008") };
    let second = Rate {
        destination: "UK mobile".into(),
        connection_fee: Money::parse("0.1").unwrap(),
        minimum_s: 30,
        increment_s: 6,
        free_s: 3,
        ..rate("4477", "0.02")
    };
    assert_eq!(found, [first, second]);
}

#[test]
fn the_names_and_marks_of_other_carriers() {
    let expected = [rate("44", "0.05"), rate("4420", "1234.5")];
    for text in [
        "Code;Price\n44;0,05\n4420;1234,5\n",
        "Rates of ACME\nvalid in January\n\nDial Code\tRate/min\n+44\t0.05\n44 20\t1234.5000000000000",
        "\u{FEFF}\"Prefix\",\"Rate\"\r\n\"44\",\"0,05\"\r\n4420,\"1234,5\"\r\n\r\n",
        "rate|prefix|unknown column\n0.05|44|x\n1234.5|4420|\n",
    ] {
        assert_eq!(clean(text), expected, "{text}");
    }
}

#[test]
fn steps_in_columns_of_their_own() {
    let found = clean("prefix,rate,minimum_s,increment_s,free_s\n1,1,60,6,2\n2,1,,,\n3,1,30,1,0\n");
    let steps: Vec<_> = found.iter().map(|rate| (rate.minimum_s, rate.increment_s, rate.free_s)).collect();
    assert_eq!(steps, [(60, 6, 2), (1, 1, 0), (30, 1, 0)]);
    let one = clean("prefix,rate,billing increment\n1,1,60\n2,1,\n");
    assert_eq!((one[0].minimum_s, one[0].increment_s, one[1].increment_s), (60, 60, 1));
    let all = clean("prefix,rate,increment\n1,1,60/6\n2,1,30/1/3\n3,1,6\n");
    let steps: Vec<_> = all.iter().map(|rate| (rate.minimum_s, rate.increment_s, rate.free_s)).collect();
    assert_eq!(steps, [(60, 6, 0), (30, 1, 3), (1, 6, 0)], "all in the column of the increment, or that alone");
}

#[test]
fn dates_are_read_in_the_sheets_zone() {
    let text = "prefix,rate,effective_from,till\n1,1,1970-01-02,1970-01-03 12:00\n2,1,03.01.1970,\n3,1,1970-01-02T00:00:30Z,\n\
                4,1,1970-01-02 01:00+02:00,\n5,1,,\n6,1,2026-03-01,2028-02-29\n";
    let options = Options { offset_minutes: 60, from: WallTime::from_micros(7), ..Options::default() };
    let sheet = read(text, &options);
    assert_eq!(sheet.problems, []);
    let from: Vec<_> = sheet.rates.iter().map(|rate| rate.from.micros()).collect();
    let hour = DAY / 24;
    assert_eq!(from[..5], [DAY - hour, 2 * DAY - hour, DAY + 30_000_000, DAY - hour, 7]);
    assert_eq!(from[5] + hour, 1_772_323_200_000_000);
    assert_eq!(sheet.rates[0].till, Some(WallTime::from_micros(2 * DAY + 11 * hour)));
    assert_eq!(sheet.rates[5].till.unwrap().micros() + hour, 1_835_395_200_000_000);
}

#[test]
fn each_problem_has_its_row_and_column() {
    problems(
        "prefix,rate,increments,effective_from,blocked\n\
         ,1,1/1,,\n\
         44a,1,1/1,,\n\
         1234567890123456,1,,,\n\
         44,,,,\n\
         44,-1,,,\n\
         44,1.0000000001,,,\n\
         44,\"1,5\",,,\n\
         44,1,1/0,,\n\
         44,1,1/1/1/1,,\n\
         44,1,,01/02/2026,\n\
         44,1,,2026-02-30,\n\
         44,1,,,perhaps\n\
         44,1,,,\n\
         44,2,,,\n",
        &[
            (2, 1, "no prefix"),
            (3, 1, "prefix \"44a\" is not"),
            (4, 1, "prefix \"1234567890123456\""),
            (5, 2, "\"\" is not a price"),
            (6, 2, "\"-1\" is not a price"),
            (7, 2, "\"1.0000000001\" is not a price"),
            (8, 2, "\"1,5\" is not a price"),
            (9, 3, "an increment of 0"),
            (10, 3, "\"1/1/1/1\" is not"),
            (11, 4, "\"01/02/2026\" may be day/month or month/day"),
            (12, 4, "\"2026-02-30\" is not a date"),
            (13, 5, "\"perhaps\" is neither"),
            (15, 1, "prefix 44 begins at the same moment in line 14"),
        ],
    );
    problems("a,b\n1,2\n", &[(1, 0, "no head line")]);
    problems("", &[(1, 0, "no head line")]);
    for (text, line) in [
        ("prefix,rate,destination\n44,1,\"United\nKingdom\"\n49,1,\"Germany\n33,1,France\n34,1,Spain\n", 4),
        ("prefix,rate,destination\n44,1,UK\n49,1, \"a \"\"b\"\" c\n33,1,France\n", 3),
        ("\"prefix,rate\n44,1\n", 1),
        ("prefix,rate,destination\n44,1,5\" pipe\n49,1,\"\n", 3),
    ] {
        problems(text, &[(line, 0, "a quote opens here and is never closed")]);
        assert_eq!(unclosed(text, b','), Some(line), "{text}");
        assert!(read(text, &Options::default()).rates.is_empty(), "{text}");
    }
    // Where a later quote closes it, the row that swallowed others is named by the line on which it begins.
    problems("prefix,rate,destination\n44,1,UK\n49,1,\"a\n33,1,\"\"\n34,1,b\"\n", &[(3, 3, "more than 200")]);
    assert_eq!(unclosed("a,\"b\n\"\"c\",5\"\n\"d\"", b','), None);
    problems("prefix,rate,price\n1,2,3\n", &[(1, 3, "a second column for the rate")]);
    problems("prefix,rate,till\n1,2,1970-01-01\n", &[(2, 3, "ends before")]);
}

#[test]
fn one_row_may_have_several_problems_and_gives_no_rate() {
    let sheet = read("prefix,rate\nx,y\n44,1\n", &Options::default());
    assert_eq!((sheet.problem_count, sheet.rates.len()), (2, 1));
}

#[test]
fn problems_are_counted_beyond_what_is_kept() {
    let text = format!("prefix,rate\n{}", "x,1\n".repeat(PROBLEMS_MAX + 5));
    let sheet = read(&text, &Options::default());
    assert_eq!((sheet.problems.len(), sheet.problem_count), (PROBLEMS_MAX, PROBLEMS_MAX + 5));
}

#[test]
fn a_quoted_cell_may_hold_anything() {
    let found = rows("a,\"b, \"\"c\"\"\nd\",e\nf");
    assert_eq!(found, [(1, vec!["a".to_owned(), "b, \"c\"\nd".into(), "e".into()]), (3, vec!["f".to_owned()])]);
    problems("prefix,rate,destination\n1,1,\"two\nlines\"\n2,x,\n", &[(2, 3, "more than 200"), (4, 2, "\"x\" is not")]);
}

#[test]
fn a_new_deck_is_compared_with_the_old_one_prefix_by_prefix() {
    let old = [rate("1", "1"), rate("2", "1"), rate("3", "1"), rate("4", "1")];
    let new = [rate("4", "1"), rate("3", "1.5"), rate("2", "0.5"), rate("5", "1")];
    let changes = diff(&old, &new);
    let shown: Vec<_> = changes.iter().map(|change| (change.rate().unwrap().prefix.as_str(), change.kind)).collect();
    use ChangeKind::{Closed, Decrease, Increase, New, Unchanged};
    assert_eq!(shown, [("1", Closed), ("2", Decrease), ("3", Increase), ("4", Unchanged), ("5", New)]);
    assert_eq!(changes[1].difference(), Some(-Money::parse("0.5").unwrap()));
    assert_eq!((changes[0].difference(), changes[4].difference()), (None, None));
    assert_eq!(counts(&changes), Counts { new: 1, increased: 1, decreased: 1, unchanged: 1, closed: 1, blocked: 0 });
}

#[test]
fn a_dated_rate_is_compared_with_the_one_that_is_in_force_when_it_begins() {
    let dated = |price, from, till: i64| Rate {
        from: WallTime::from_micros(from),
        till: (till > 0).then_some(WallTime::from_micros(till)),
        ..rate("44", price)
    };
    let old = [dated("1", 10, 0), dated("2", 20, 30)];
    let kinds = |new: &[Rate]| diff(&old, new).iter().map(|change| change.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&[dated("1.5", 15, 0)]), [ChangeKind::Increase]);
    assert_eq!(kinds(&[dated("1.5", 25, 0)]), [ChangeKind::Decrease]);
    assert_eq!(kinds(&[dated("1", 30, 0)]), [ChangeKind::Unchanged]);
    assert_eq!(kinds(&[dated("0.5", 0, 0)]), [ChangeKind::Decrease]);
    assert_eq!(kinds(&[dated("1", 12, 0), dated("3", 40, 0)]), [ChangeKind::Unchanged, ChangeKind::Increase]);
    let expired = [dated("1", 10, 20)];
    assert_eq!(diff(&expired, &[dated("2", 30, 0)])[0].kind, ChangeKind::New);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_reading_panic(head in prop_oneof![Just("prefix,rate,increments,effective_from,till\n"), Just("")], text in "\\PC{0,80}(\n[0-9/+:;,.\"TZ \t-]{0,40}){0,6}") {
        let sheet = read(&format!("{head}{text}"), &Options::default());
        prop_assert!(sheet.problems.len() <= sheet.problem_count);
        for rate in &sheet.rates {
            prop_assert!(rate.per_minute >= Money::ZERO && !rate.prefix.is_empty());
        }
    }

    #[test]
    fn what_is_written_is_read(prices in proptest::collection::btree_map("[0-9A-Z*#]{1,15}", 0_i64..100_000_000_000, 1..40)) {
        let mut text = String::from("prefix,rate\n");
        for (prefix, nanos) in &prices {
            text.push_str(&format!("{prefix},{}\n", Money::from_nanos(*nanos)));
        }
        let found = clean(&text);
        prop_assert!(found.iter().map(|rate| (&rate.prefix, rate.per_minute.nanos())).eq(prices.iter().map(|(prefix, nanos)| (prefix, *nanos))));
    }
}
