//! Every element that rate sheets are known to have: what is taken, what is a problem, what is worth a look.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use rating::deck::{Column, Dashes, DateOrder, Options, Sheet, Status, StepsOrder, Unit, read};
use units::{Money, WallTime};

/// Reads one row under a head line.
fn row(head: &str, cells: &str, options: &Options) -> Sheet {
    read(&format!("{head}\n{cells}\n"), options)
}

/// The codes of one cell; or the problem with its repair.
fn codes(cell: &str, options: &Options) -> Result<Vec<String>, (String, Option<String>)> {
    let sheet = row("code|rate", &format!("\"{cell}\"|1"), options);
    match sheet.problems.into_iter().next() {
        Some(problem) => Err((problem.message, problem.repair)),
        None => Ok(sheet.rates.into_iter().map(|rate| rate.prefix).collect()),
    }
}

#[test]
fn a_code_cell_is_one_code_a_list_or_ranges() {
    for (cell, wanted) in [
        ("4420", "4420"),
        ("+44-20", "4420"),
        ("+44 (20)", "4420"),
        ("44 20", "4420"),
        ("1-242", "1242"),
        ("91,92", "91 92"),
        ("91; 92 ;93", "91 92 93"),
        ("4420-4423", "4420 4421 4422 4423"),
        ("4420-22", "4420 4421 4422"),
        ("4420 - 4421, 4477", "4420 4421 4477"),
        ("0098-0101", "0098 0099 0100 0101"),
        ("*9#", "*9#"),
        ("TP12", "TP12"),
    ] {
        assert_eq!(codes(cell, &Options::default()).unwrap().join(" "), wanted, "{cell}");
    }
}

#[test]
fn a_damaged_or_doubtful_code_is_a_problem_with_a_repair() {
    for (cell, begins, repair) in [
        ("4.42E+10", "a spreadsheet made", Some("44200000000")),
        ("91.92", "\"91.92\" is a decimal", Some("91,92")),
        ("4420.0", "\"4420.0\" is a decimal", Some("4420")),
        ("44,207", "\"44,207\" may be a list or one code", Some("44;207")),
        ("44-77", "\"44-77\" may be a range or one code", None),
        ("4400000-4499999", "\"4400000-4499999\" stands for more than 10000", None),
        ("44a", "prefix \"44a\"", None),
        ("", "no prefix", None),
    ] {
        let (message, found) = codes(cell, &Options::default()).unwrap_err();
        assert!(message.starts_with(begins), "{cell}: {message}");
        assert_eq!(found.as_deref(), repair, "{cell}");
    }
    let told = |dashes| Options { dashes: Some(dashes), ..Options::default() };
    assert_eq!(codes("44-47", &told(Dashes::Range)).unwrap(), ["44", "45", "46", "47"]);
    assert_eq!(codes("4420-4423", &told(Dashes::Space)).unwrap(), ["44204423"]);
    let many = row("code,rate", "4400-5900,1", &Options { dashes: Some(Dashes::Range), ..Options::default() });
    assert_eq!((many.rates.len(), many.warnings[0].message.as_str()), (1_501, "\"4400-5900\" stands for 1501 codes"));
}

#[test]
fn a_country_column_stands_before_each_code_of_the_row() {
    let text =
        "country code,code,destination,rate\n52,\"33,55-56\",Mexico cities,1\n52,,Mexico,2\n,81,Mexico north,3\n";
    let sheet = read(text, &Options { fill_down: true, ..Options::default() });
    let found: Vec<_> = sheet.rates.iter().map(|rate| rate.prefix.as_str()).collect();
    assert_eq!((found, sheet.problems), (vec!["5233", "5255", "5256", "52", "5281"], vec![]));
    let merged = read("destination,code,rate\nUK,44,1\n,4420,2\n", &Options { fill_down: true, ..Options::default() });
    assert_eq!(merged.rates[1].destination, "UK");
}

#[test]
fn a_leading_zero_that_a_spreadsheet_dropped_is_suspected() {
    let sheet = read("code,rate\n0044,1\n0033,1\n49,1\n", &Options::default());
    assert_eq!((sheet.rates.len(), sheet.warning_count), (3, 1));
    assert_eq!((sheet.warnings[0].row, sheet.warnings[0].repair.as_deref()), (4, Some("049")));
}

#[test]
fn a_price_has_a_currency_a_mark_for_each_column_groups_or_a_power() {
    let dollars = Options { currency: "USD".into(), ..Options::default() };
    for (cell, wanted) in [
        ("$0.012", "0.012"),
        ("0.012 USD", "0.012"),
        ("0.012/min", "0.012"),
        ("1,234.50", "1234.5"),
        ("5E-05", "0.00005"),
        ("1.25E-02", "0.0125"),
        ("0.0120000000000", "0.012"),
    ] {
        let sheet = row("code|rate", &format!("44|{cell}"), &dollars);
        assert_eq!(sheet.problems, [], "{cell}");
        assert_eq!(sheet.rates[0].per_minute, Money::parse(wanted).unwrap(), "{cell}");
    }
    let each = row("code;rate;connect fee", "44;0,012;0.5", &Options::default());
    let nanos = |rate: &snapshot::Rate| (rate.per_minute.nanos(), rate.connection_fee.nanos());
    assert_eq!(nanos(&each.rates[0]), (12_000_000, 500_000_000));
    for cell in ["0.012 €", "EUR 0.012", "-1", "1E-12", "1.5¢"] {
        assert_eq!(row("code|rate", &format!("44|{cell}"), &dollars).problem_count, 1, "{cell}");
    }
}

#[test]
fn a_word_in_the_price_column_is_a_status_and_not_a_free_rate() {
    let text = "code,rate\n1,N/A\n2,Closed\n3,-\n4,Blocked\n5,barred\n6,perhaps\n";
    let sheet = read(text, &Options::default());
    let closed: Vec<_> = sheet.closings.iter().map(|closing| closing.prefix.as_str()).collect();
    assert_eq!(closed, ["2"], "taken off the list");
    let blocked: Vec<_> = sheet.rates.iter().filter(|rate| rate.blocked).map(|rate| rate.prefix.as_str()).collect();
    assert_eq!(blocked, ["1", "3", "4", "5"], "without a price its calls must not go by that of a shorter code");
    assert_eq!((sheet.rates.len(), sheet.problem_count, sheet.held), (4, 1, vec!["6".to_owned()]));
    let free = read("code,rate,status\n1,0,\n2,0,Blocked\n3,0.00,n/a\n", &Options::default());
    assert_eq!((free.rates.len(), free.warning_count, free.warnings[0].row), (3, 1, 2), "{:?}", free.warnings);
}

#[test]
fn a_price_may_be_of_a_second_or_of_a_step() {
    let nanos = |unit, cells: &str| {
        row("code,rate,increments", cells, &Options { unit, ..Options::default() }).rates[0].per_minute
    };
    assert_eq!(nanos(Unit::Second, "44,0.0002,1/1"), Money::parse("0.012").unwrap());
    assert_eq!(nanos(Unit::Increment, "44,0.006,30/30"), Money::parse("0.012").unwrap());
    assert_eq!(nanos(Unit::Increment, "44,0.001,7/7"), Money::from_nanos(8_571_429));
}

#[test]
fn increments_come_in_four_orders_and_an_odd_one_is_told() {
    let orders =
        [StepsOrder::MinimumFirst, StepsOrder::IncrementFirst, StepsOrder::FreeMinimum, StepsOrder::FreeIncrement];
    let cells = ["30/6/3", "6/30/3", "3/30/6", "3/6/30"];
    for (steps_order, cell) in orders.into_iter().zip(cells) {
        let sheet =
            row("code,rate,increments", &format!("44,1,{cell}"), &Options { steps_order, ..Options::default() });
        let rate = &sheet.rates[0];
        assert_eq!((rate.minimum_s, rate.increment_s, rate.free_s), (30, 6, 3), "{cell}");
        assert_eq!(sheet.warnings, []);
    }
    let odd = row("code,rate,increments", "44,1,6/60", &Options::default());
    assert_eq!((odd.rates.len(), odd.warnings[0].column), (1, 3));
    assert!(odd.warnings[0].message.starts_with("6/60: a minimum below the increment"));
    assert_eq!(row("code,rate,increments", "44,1,1+1", &Options::default()).rates[0].increment_s, 1);
}

#[test]
fn dates_have_many_formats_and_two_readings_must_be_confirmed() {
    let day = |cell: &str, date_order| {
        let sheet =
            row("code|rate|effective date", &format!("44|1|{cell}"), &Options { date_order, ..Options::default() });
        sheet.rates.first().map(|rate| rate.from.micros() / 1_000_000)
    };
    let wanted = 1_798_675_200; // 2026-12-31
    for cell in [
        "2026-12-31",
        "2026/12/31",
        "31.12.2026",
        "31-12-2026",
        "31/12/2026",
        "12/31/2026",
        "20261231",
        "31122026",
        "12312026",
        "31-Dec-2026",
        "31 Dec 26",
        "Dec 31, 2026",
        "December 31 2026",
        "31st Dec 2026",
        "46387",
    ] {
        assert_eq!(day(cell, None), Some(wanted), "{cell}");
    }
    for cell in ["46387.75", "2026-12-31 18:00", "31.12.2026 06:00 PM", "31 Dec 2026 18:00", "2026-12-31T20:00+02:00"] {
        assert_eq!(day(cell, None), Some(wanted + 18 * 3_600), "{cell}");
    }
    let (third_of_april, fourth_of_march) = (1_775_174_400, 1_772_582_400);
    for cell in ["03/04/2026", "03-04-2026", "03042026", "03/04/26"] {
        assert_eq!(day(cell, None), None, "{cell}");
        assert_eq!(day(cell, Some(DateOrder::DayFirst)), Some(third_of_april), "{cell}");
        assert_eq!(day(cell, Some(DateOrder::MonthFirst)), Some(fourth_of_march), "{cell}");
    }
    let fine = row("code|rate|effective date", "44|1|2026-12-31T00:00:00.25Z", &Options::default());
    assert_eq!(fine.rates[0].from.micros(), wanted * 1_000_000 + 250_000);
    assert_eq!(day("05/05/2026", None), Some(1_777_939_200), "both readings are one day");
    for cell in ["2026-02-30", "31/31/2026", "soon", "2026", "99999999"] {
        assert_eq!(day(cell, None), None, "{cell}");
    }
}

#[test]
fn a_title_says_when_increases_and_decreases_begin() {
    let text = "ORIA A-Z\n\"Increases effective 27.07.2026, decreases effective 21 Jul 2026\"\n\ncode,rate\n44,1\n";
    let sheet = read(text, &Options::default());
    let day = |moment: Option<WallTime>| moment.map(|moment| moment.micros() / 86_400_000_000);
    assert_eq!((day(sheet.increases_from), day(sheet.decreases_from)), (Some(20_661), Some(20_655)));
    assert_eq!((sheet.rates.len(), sheet.problem_count), (1, 0));
}

#[test]
fn a_status_marker_is_kept_beside_its_rate_or_closes() {
    let text =
        "code,rate,change\n1,1,New\n2,1,I\n3,1,Decrease\n4,1,=\n5,1,Closed\n6,,C\n7,1,Pending\n8,1,Blocked\n9,1,odd\n";
    let sheet = read(text, &Options::default());
    let said: Vec<_> = sheet.marks.iter().map(|mark| mark.status).collect();
    use Status::{Blocked, Decrease, Increase, New, Pending, Unchanged};
    assert_eq!(said, [Some(New), Some(Increase), Some(Decrease), Some(Unchanged), Some(Pending), Some(Blocked), None]);
    assert_eq!((sheet.closings.len(), sheet.rates[5].blocked, sheet.warning_count), (2, true, 1));
}

#[test]
fn a_column_about_money_is_mapped_or_refused_and_never_dropped() {
    let text = "code,rate,attempt fee,remark\n44,1,0.5,x\n";
    let refused = read(text, &Options::default());
    assert_eq!((refused.problem_count, refused.problems[0].column), (1, 3));
    let unread: Vec<_> = refused.columns.iter().filter(|it| it.means.is_none()).map(|it| it.name.as_str()).collect();
    assert_eq!(unread, ["attempt fee", "remark"]);
    let mapped = |column| Options { columns: vec![("Attempt Fee".into(), column)], ..Options::default() };
    assert_eq!(read(text, &mapped(Column::ConnectionFee)).rates[0].connection_fee, Money::parse("0.5").unwrap());
    let ignored = read(text, &mapped(Column::Ignored));
    assert_eq!((ignored.problem_count, ignored.rates[0].connection_fee), (0, Money::ZERO));
}

#[test]
fn a_template_names_columns_that_we_do_not_know_or_only_their_places() {
    let columns =
        vec![("Ziel".into(), Column::Destination), ("Vorwahl".into(), Column::Prefix), ("Preis".into(), Column::Rate)];
    let named = read("Ziel;Vorwahl;Preis\nLondon;4420;0,5\n", &Options { columns, ..Options::default() });
    let columns = vec![("#2".into(), Column::Prefix), ("#3".into(), Column::Rate), ("#1".into(), Column::Destination)];
    let placed = read("London;4420;0,5\n", &Options { columns, ..Options::default() });
    assert_eq!((named.problems.as_slice(), placed.problems.as_slice()), (&[][..], &[][..]));
    assert_eq!((named.rates[0].destination.as_str(), &named.rates), ("London", &placed.rates));
}
