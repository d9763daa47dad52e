//! Money, numbers, ids and causes: what goes into text or bytes comes out again.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use units::{
    AttemptIndex, CallId, Cause, Currency, GrantId, Instant, Money, NUMBER_BYTES_MAX, NodeId, Number, NumberFlaw,
    Percent, ShardId, WallTime,
};

#[test]
fn per_cents_are_read_and_shown_exactly() {
    for (text, ppm, shown) in [
        ("20", 200_000, "20"),
        ("7.7", 77_000, "7.7"),
        ("-0.0001", -1, "-0.0001"),
        ("0.50", 5_000, "0.5"),
        ("0", 0, "0"),
    ] {
        let percent = Percent::parse(text).unwrap();
        assert_eq!((percent.ppm(), percent.to_string().as_str()), (ppm, shown));
    }
    for text in ["", "-", ".", "1%", "+1", " 1", "1,5", "0.00001", "214749", "--1"] {
        assert_eq!(Percent::parse(text), None, "{text:?}");
    }
}

#[test]
fn money_is_read_and_shown_exactly() {
    for (text, nanos, shown) in [
        ("12", 12_000_000_000, "12.00"),
        ("-0.5", -500_000_000, "-0.50"),
        ("0.000667", 667_000, "0.000667"),
        (".5", 500_000_000, "0.50"),
        ("7.", 7_000_000_000, "7.00"),
        ("0.012345678", 12_345_678, "0.012345678"),
        ("9223372036.854775807", i64::MAX, "9223372036.854775807"),
    ] {
        let money = Money::parse(text).unwrap();
        assert_eq!((money.nanos(), money.to_string().as_str()), (nanos, shown));
        assert_eq!(Money::parse(&money.to_string()), Some(money));
    }
    for text in ["", "-", ".", "1e3", "1,5", "+1", " 1", "0.1234567890", "9223372036.854775808", "1.-5", "--1"] {
        assert_eq!(Money::parse(text), None, "{text:?}");
    }
    assert_eq!(Money::from_nanos(i64::MIN).to_string(), "-9223372036.854775808");
}

#[test]
fn money_stops_at_its_bounds_instead_of_wrapping() {
    let least = Money::from_nanos(i64::MIN);
    let one = Money::from_nanos(1);
    assert_eq!((Money::MAX + one, least - one, -least), (Money::MAX, least, Money::MAX));
    let mut sum = Money::ZERO;
    sum += one;
    sum -= one + one;
    assert_eq!((sum, sum.is_positive(), sum.min(one), sum.max(one)), (-one, false, -one, one));
}

#[test]
fn a_currency_is_three_capital_letters() {
    assert_eq!(Currency::parse("EUR").map(Currency::code).as_deref(), Some("EUR"));
    assert_eq!(Currency::from_bytes(*b"CHF").unwrap().to_string(), "CHF");
    for text in ["", "EU", "EURO", "eur", "E1R"] {
        assert_eq!(Currency::parse(text), None);
    }
    assert_eq!(Currency::from_bytes([0; 3]), None);
}

#[test]
fn a_number_holds_nothing_that_could_do_harm() {
    let number = Number::parse(b"+44*#a.B_c-1").unwrap();
    assert_eq!((number.as_str(), number.digits()), ("+44*#a.B_c-1", b"44*#a.B_c-1".as_slice()));
    for bad in b"@:;<>\"' \r\n\0%/=&,()\x80" {
        assert_eq!(Number::parse(&[b'1', *bad]), Err(NumberFlaw::BadByte(*bad)));
    }
    assert!(Number::parse(&[b'1'; NUMBER_BYTES_MAX]).is_ok());
    assert_eq!(Number::parse(&[b'1'; NUMBER_BYTES_MAX + 1]), Err(NumberFlaw::TooLong));
}

#[test]
fn prefixes_come_off_and_go_on() {
    let number = Number::parse(b"77#442071").unwrap();
    assert_eq!(number.strip_prefix(b"77#").unwrap().as_str(), "442071");
    assert_eq!(number.strip_prefix(b"78"), None);
    assert_eq!(number.with_prefix(b"+").unwrap().as_str(), "+77#442071");
    assert_eq!(number.with_prefix(&[b'1'; NUMBER_BYTES_MAX - 8]), None);
    assert!(Number::default().is_empty() && !number.is_empty());
}

#[test]
fn ids_survive_as_text_and_bytes_and_sort_by_age() {
    let call = |boot, sequence| CallId { node: NodeId(7), boot, shard: ShardId(3), sequence };
    let id = call(2, 0xFFFF_FFFF_FFFF);
    assert_eq!(id.to_string(), "0007000000020003ffffffffffff0000");
    assert_eq!(CallId::parse(&id.to_string()), Some(id));
    assert_eq!(CallId::from_bytes(id.to_bytes(AttemptIndex(9))), (id, AttemptIndex(9)));
    assert!(call(1, 9).to_bytes(AttemptIndex(0)) < call(2, 1).to_bytes(AttemptIndex(0)));
    for text in ["", "0007", "g007000000020003ffffffffffff0000", "0007000000020003ffffffffffff00000"] {
        assert_eq!(CallId::parse(text), None);
    }
    let grant = GrantId { node: NodeId(1), boot: u32::MAX, sequence: u64::MAX };
    assert_eq!(GrantId::from_bytes(grant.to_bytes()), grant);
}

#[test]
fn every_cause_has_a_text_of_its_own_number() {
    assert!(Cause::ALL.is_sorted() && Cause::ALL.len() > 50);
    assert!(Cause::ALL.iter().all(|cause| cause.text() != "unknown cause"));
    assert_eq!(
        (Cause(9_999).text(), Cause::MARGIN_TOO_LOW.to_string().as_str()),
        ("unknown cause", "324 rate margin lower than allowed")
    );
}

#[test]
fn the_clocks_count_in_microseconds_and_never_wrap() {
    let (early, late) = (Instant::from_micros(1_500), Instant::from_micros(4_499));
    assert_eq!((late.millis_since(early), late.micros_since(early), early.millis_since(late)), (2, 2_999, 0));
    assert_eq!(early.plus_millis(u64::MAX).micros(), u64::MAX);
    let wall = WallTime::from_micros(-5) + 10;
    assert_eq!((wall.micros(), wall - WallTime::from_micros(1)), (5, 4));
}
