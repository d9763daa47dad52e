//! The oracle must itself be right: its calculator against figures worked out by hand, its sums against small stories.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use cdr::{Cdr, GrantPart, Priced, Record, Start};
use panel::wire::{Reply, Want};
use shard::book::grant_text;
use sim::Ticks;
use sim::bank::Bank;
use sim::prices::{Line, line_of, price};
use sim::sums::Sums;
use units::{AccountId, CallId, GrantId, Money, Number, Revision};

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

const ACCOUNT: AccountId = AccountId(1);

fn grant(sequence: u64) -> GrantId {
    GrantId { sequence, ..GrantId::default() }
}

fn want(bank: &mut Bank, sequence: u64, nanos: i64) -> i64 {
    let want = Want::Grant { grant: grant_text(grant(sequence)), account: 1, want: nanos, slice: 0 };
    match bank.ask(&want) {
        Some(Reply::Granted { amount, .. }) => amount,
        other => panic!("a grant is answered by a grant, not {other:?}"),
    }
}

fn call(sequence: u64, price: i64, part: i64) -> Record {
    Record::Cdr(Box::new(Cdr {
        call: CallId { sequence, ..CallId::default() },
        originator_account: ACCOUNT,
        sell: Some(Priced { price: Money::from_nanos(price), ..Priced::default() }),
        grants: vec![GrantPart { grant: grant(1), amount: Money::from_nanos(part) }],
        ..Cdr::default()
    }))
}

fn funded() -> Bank {
    let mut bank = Bank::default();
    bank.fund(ACCOUNT, 100_000_000);
    bank.acknowledge();
    bank
}

#[test]
fn a_take_over_forgets_what_was_not_acknowledged_and_nothing_else() {
    let mut bank = funded();
    assert_eq!(want(&mut bank, 1, 30_000_000), 30_000_000);
    bank.acknowledge();
    assert_eq!(want(&mut bank, 2, 20_000_000), 20_000_000);
    bank.take_over();
    assert_eq!((bank.lent(grant(1)), bank.lent(grant(2))), (Some(Money::from_nanos(30_000_000)), None));
    assert_eq!(bank.collect(0, &[call(1, 7_000, 7_000), call(1, 7_000, 7_000)], 2), 2);
    assert_eq!(bank.row(ACCOUNT).settled, Money::from_nanos(7_000));
    assert_eq!(bank.faults, Vec::<String>::new());
}

#[test]
fn books_that_do_not_add_up_are_noticed() {
    let spoiled: [fn(&mut Bank) -> usize; 3] = [
        |bank| bank.collect(0, &[call(1, 7_000, 6_000)], 1),
        |bank| bank.collect(0, &[call(1, 60_000_000, 60_000_000)], 1),
        |bank| {
            bank.ask(&Want::Close { grant: grant_text(grant(1)), account: 1, used: 0 });
            bank.collect(0, &[call(1, 7_000, 7_000)], 1)
        },
    ];
    for (nth, spoil) in spoiled.into_iter().enumerate() {
        let mut bank = funded();
        want(&mut bank, 1, 50_000_000);
        assert_eq!(spoil(&mut bank), 1);
        assert_eq!(bank.faults.len(), 1, "spoiled book {nth} went unnoticed");
    }
}

fn start(sequence: u64) -> Record {
    let call = CallId { sequence, ..CallId::default() };
    let call = Cdr {
        call,
        originator_account: ACCOUNT,
        revision: Revision(1),
        called_routed: Number::parse(b"442079460000").unwrap(),
        ingress_call_id: format!("{sequence}-sim"),
        ..Cdr::default()
    };
    Record::Start(Box::new(Start { call, ..Start::default() }))
}

/// 4420 costs 9,000,001 + tax a minute: a minute is begun.
#[test]
fn what_is_delivered_is_counted_whether_or_not_it_is_billed() {
    let end = |price: i64| {
        Record::Cdr(Box::new(Cdr {
            call: CallId { sequence: 1, ..CallId::default() },
            originator_account: ACCOUNT,
            answered_ms: Some(1),
            sell: Some(Priced { price: Money::from_nanos(price), ..Priced::default() }),
            ..Cdr::default()
        }))
    };
    let story = |funds: i64, price: i64| {
        let mut sums = Sums::default();
        sums.fund(ACCOUNT, funds);
        sums.on_record(0, 0, &start(1));
        sums.on_answer(0, "1-sim");
        sums.on_record(50_000_000, 0, &end(price));
        sums.on_safe(50_000_000, &end(price), false)
    };
    assert_eq!(story(10_000_000, 9_693_000), Ok(()));
    assert!(story(9_000_000, 9_693_000).is_err(), "more than the funds");
    assert!(story(10_000_000, 9_000_000).is_err(), "less than what was delivered");
}

#[test]
fn an_answer_without_a_safe_record_is_noticed() {
    let mut sums = Sums::default();
    sums.fund(ACCOUNT, 10_000_000);
    sums.on_record(0, 0, &start(1));
    assert_eq!(
        sums.on_kill(5, 0).and_then(|()| sums.on_restart(0, Ticks::default())),
        Ok(()),
        "nobody heard an answer"
    );
    sums.on_record(0, 0, &start(2));
    sums.on_answer(0, "2-sim");
    assert!(sums.on_kill(5, 0).and_then(|()| sums.on_restart(0, Ticks::default())).is_err());
}
