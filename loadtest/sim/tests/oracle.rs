//! The oracle must itself be right: its calculator against figures worked out by hand, its ledger against small stories.
#![allow(clippy::unwrap_used)]

use cdr::{Cdr, GrantPart, Priced};
use panel::wire::{Reply, Want};
use sim::ledger::{Ledger, grant_text};
use sim::prices::{Line, line_of, price};
use units::{AccountId, CallId, GrantId, Money};

fn line(per_minute: i64, fee: i64, minimum: u64, increment: u64, free: u64) -> Line {
    Line { prefix: "44", per_minute, first: per_minute, fee, minimum, increment, free, tax_ppm: 0 }
}

#[test]
fn prices_are_those_of_pen_and_paper() {
    for (line, duration_ms, billed, nanos) in [
        (line(12_400_000, 0, 1, 1, 0), 31_000, 31, 6_407_000),
        (line(12_000_000, 0, 30, 6, 0), 30_001, 36, 7_200_000),
        (line(12_000_000, 0, 60, 60, 0), 1, 60, 12_000_000),
        (line(12_000_000, 500_000, 1, 1, 0), 60_000, 60, 12_500_000),
        // Half a millionth goes to the even neighbour.
        (line(30_000, 0, 1, 1, 0), 1_000, 1, 0),
        (line(90_000, 0, 1, 1, 0), 1_000, 1, 2_000),
        // Free seconds hold unless the minimum is larger.
        (line(12_000_000, 0, 1, 1, 5), 5_000, 0, 0),
        (line(12_000_000, 0, 1, 1, 5), 5_001, 6, 1_200_000),
        (line(12_000_000, 0, 30, 6, 5), 3_000, 30, 6_000_000),
        (line(12_000_000, 700_000, 1, 1, 0), 0, 0, 0),
        // 0.01 a call, 0.05 a minute, the first five seconds free, 20 per cent tax.
        (Line { tax_ppm: 200_000, ..line(50_000_000, 10_000_000, 60, 1, 0) }, 61_000, 61, 73_000_000),
        (Line { first: 0, ..line(60_000_000, 0, 5, 1, 0) }, 6_000, 6, 1_000_000),
    ] {
        assert_eq!(price(&line, duration_ms), (billed, nanos), "{line:?} for {duration_ms} ms");
    }
}

#[test]
fn the_longest_prefix_counts() {
    assert_eq!(line_of(1, 1, "442079460000").unwrap().prefix, "4420");
    assert_eq!(line_of(1, 1, "447700900000").unwrap().prefix, "44");
    assert!(line_of(1, 1, "990000").is_none());
}

fn want(ledger: &mut Ledger, sequence: u64, nanos: i64) -> i64 {
    let grant = GrantId { sequence, ..GrantId::default() };
    match ledger.ask(&Want::Grant { grant: grant_text(grant), account: 1, want: nanos, slice: 0 }) {
        Reply::Granted { amount, .. } => amount,
        Reply::Closed { .. } => panic!("a grant is answered by a grant"),
    }
}

fn call(sequence: u64, price: i64, part: i64) -> Cdr {
    let grant = GrantId { sequence: 1, ..GrantId::default() };
    Cdr {
        call: CallId { sequence, ..CallId::default() },
        originator_account: AccountId(1),
        sell: Some(Priced { price: Money::from_nanos(price), ..Priced::default() }),
        grants: vec![GrantPart { grant, amount: Money::from_nanos(part) }],
        ..Cdr::default()
    }
}

#[test]
fn money_is_lent_once_and_a_call_is_booked_once() {
    let mut ledger = Ledger::default();
    ledger.fund(1, 100_000_000);
    assert_eq!([want(&mut ledger, 1, 90_000_000), want(&mut ledger, 1, 90_000_000)], [50_000_000; 2]);
    ledger.post(&call(1, 7_000, 7_000));
    ledger.post(&call(1, 7_000, 7_000));
    assert_eq!((ledger.check(), ledger.open()), (None, 1));
    let grant = grant_text(GrantId { sequence: 1, ..GrantId::default() });
    ledger.ask(&Want::Close { grant, account: 1, used: 7_000 });
    assert_eq!((ledger.check(), ledger.open()), (None, 0));
    assert_eq!(want(&mut ledger, 2, 99_993_000), 49_996_500);
}

#[test]
fn a_grant_that_was_closed_before_it_was_asked_for_is_refused() {
    let mut ledger = Ledger::default();
    ledger.fund(1, 100_000_000);
    let grant = grant_text(GrantId { sequence: 5, ..GrantId::default() });
    ledger.ask(&Want::Close { grant, account: 1, used: 0 });
    assert_eq!(want(&mut ledger, 5, 10_000), 0);
}

#[test]
fn books_that_do_not_add_up_are_noticed() {
    let spoiled: [fn(&mut Ledger); 4] = [
        |ledger| ledger.post(&call(1, 7_000, 6_000)),
        |ledger| ledger.post(&call(1, 60_000_000, 60_000_000)),
        |ledger| ledger.post(&Cdr { originator_account: AccountId(2), ..call(1, 7_000, 7_000) }),
        |ledger| {
            let grant = grant_text(GrantId { sequence: 1, ..GrantId::default() });
            ledger.ask(&Want::Close { grant, account: 1, used: 1 });
        },
    ];
    for (nth, spoil) in spoiled.into_iter().enumerate() {
        let mut ledger = Ledger::default();
        ledger.fund(1, 100_000_000);
        want(&mut ledger, 1, 50_000_000);
        spoil(&mut ledger);
        assert!(ledger.check().is_some(), "spoiled book {nth} went unnoticed");
    }
}
