//! Stories about one account, told to the decisions alone.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use std::collections::BTreeMap;

use cdr::GrantPart;
use ledger::{Account, Ask, Balance, Call, Fence, Grant, State, close, grant, post, write_off};
use units::{AccountId, Cause, GrantId, Money};

const OWNER: AccountId = AccountId(7);

fn nanos(amount: i64) -> Money {
    Money::from_nanos(amount)
}

fn id(sequence: u64) -> GrantId {
    GrantId { sequence, ..GrantId::default() }
}

/// One account with its grants, as a database would keep them.
struct Book {
    row: Balance,
    limited: bool,
    day: Option<Money>,
    grants: BTreeMap<GrantId, Grant>,
}

impl Book {
    fn with(funds: i64) -> Book {
        let row = Balance { available: nanos(funds), funds: nanos(funds), ..Balance::default() };
        Book { row, limited: true, day: None, grants: BTreeMap::new() }
    }

    fn lend(&mut self, sequence: u64, want: i64, slice: i64) -> i64 {
        let funds =
            Account { limited: self.limited, available: self.row.available, day: self.day, ..Account::default() };
        let ask = Ask { want: nanos(want), slice: nanos(slice) };
        let known = self.grants.get(&id(sequence));
        let (answer, step) = grant(id(sequence), OWNER, known, &funds, ask, false).unwrap();
        self.take(step);
        answer.amount.nanos()
    }

    fn close(&mut self, sequence: u64, used: i64) {
        let step = close(id(sequence), OWNER, self.grants.get(&id(sequence)), nanos(used)).unwrap();
        self.take(step);
    }

    fn take(&mut self, step: Option<ledger::Step>) {
        let Some(step) = step else { return };
        self.grants.insert(step.grant.id, step.grant);
        self.change(step.change);
    }

    fn post(&mut self, price: i64, parts: &[(u64, i64)]) -> i64 {
        let parts: Vec<GrantPart> =
            parts.iter().map(|(grant, amount)| GrantPart { grant: id(*grant), amount: nanos(*amount) }).collect();
        let posted =
            post(Call { account: OWNER, price: nanos(price), parts: &parts }, false, &mut self.grants).unwrap();
        self.change(posted.change);
        posted.uncovered.nanos()
    }

    fn change(&mut self, change: Balance) {
        self.row += change;
        assert!(self.row.adds_up(), "{:?}", self.row);
        let held = self.grants.values().fold(Money::ZERO, |sum, grant| sum + grant.held());
        assert_eq!(held, self.row.held, "what grants hold is what the row holds");
    }

    /// Available, held, settled.
    fn figures(&self) -> (i64, i64, i64) {
        (self.row.available.nanos(), self.row.held.nanos(), self.row.settled.nanos())
    }
}

#[test]
fn half_is_lent_then_slice_by_slice_then_all() {
    let mut book = Book::with(100_000_000);
    for (sequence, (want, slice, given)) in [
        (1_000_000_000, 10_000_000, 50_000_000),
        (1_000_000_000, 10_000_000, 25_000_000),
        (5_000_000, 5_000_000, 5_000_000),
        (1_000_000_000, 15_000_000, 15_000_000),
        (1_000_000_000, 15_000_000, 5_000_000),
        (1_000_000_000, 15_000_000, 0),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(book.lend(sequence as u64, want, slice), given, "grant {sequence}");
    }
    assert_eq!(book.figures(), (0, 100_000_000, 0));
}

#[test]
fn a_question_is_answered_once_and_a_refusal_stays_one() {
    let mut book = Book::with(0);
    assert_eq!(book.lend(1, 10, 10), 0);
    book.change(Balance { available: nanos(1_000), funds: nanos(1_000), ..Balance::default() });
    assert_eq!([book.lend(1, 10, 10), book.lend(2, 10, 10), book.lend(2, 99, 99)], [0, 10, 10]);
    assert_eq!(book.figures(), (990, 10, 0));
    book.close(3, 0);
    assert_eq!(book.lend(3, 10, 10), 0, "it was given up before it was asked for");
    let other = grant(id(2), AccountId(8), book.grants.get(&id(2)), &Account::default(), Ask::default(), false);
    assert!(other.is_err());
}

#[test]
fn a_close_keeps_what_posts_will_need_and_is_done_once() {
    let mut book = Book::with(1_000);
    book.lend(1, 400, 400);
    assert_eq!(book.post(100, &[(1, 100)]), 0);
    for used in [150, 0, 400] {
        book.close(1, used);
    }
    assert_eq!(book.figures(), (850, 50, 100));
    assert_eq!(book.post(50, &[(1, 50)]), 0);
    assert_eq!(book.figures(), (850, 0, 150));
    assert_eq!(book.post(30, &[(1, 30)]), 30, "nothing of it is left: it comes from what is available");
    assert_eq!(book.figures(), (820, 0, 180));
}

#[test]
fn a_post_takes_nothing_from_another_accounts_grant() {
    let mut book = Book::with(1_000);
    book.lend(1, 400, 400);
    let mut grants = BTreeMap::from([(id(1), Grant { account: AccountId(8), ..book.grants[&id(1)] })]);
    let parts = [GrantPart { grant: id(1), amount: nanos(5) }];
    let call = Call { account: OWNER, price: nanos(5), parts: &parts };
    assert_eq!(post(call, false, &mut grants).unwrap().uncovered, nanos(5));
    assert_eq!(post(call, true, &mut grants), None, "a repetition moves nothing");
    assert_eq!(grants[&id(1)].posted, Money::ZERO);
}

#[test]
fn what_a_lost_node_held_comes_back_when_it_is_written_off_and_nothing_more_is_lent_to_it() {
    let mut book = Book::with(1_000);
    book.lend(1, 400, 400);
    book.post(100, &[(1, 100)]);
    let step = write_off(&book.grants[&id(1)]);
    book.take(step);
    assert_eq!(book.figures(), (900, 0, 100));
    assert_eq!(write_off(&book.grants[&id(1)]), None);
    assert_eq!(book.lend(1, 400, 400), 0);
    book.close(1, 400);
    assert_eq!(book.post(7, &[(1, 7)]), 7, "a late post is taken from what is available, for all to see");
    let funds = Account { limited: true, available: nanos(900), ..Account::default() };
    let ask = Ask { want: nanos(1), slice: nanos(1) };
    let (answer, step) = grant(id(2), OWNER, None, &funds, ask, true).unwrap();
    assert_eq!((answer.amount, step.unwrap().grant.state), (Money::ZERO, State::Refused));
    assert_eq!(answer.cause, Some(Cause::NODE_WRITTEN_OFF));
}

#[test]
fn a_cap_bounds_what_is_lent_whatever_is_available() {
    let mut book = Book { day: Some(nanos(30)), ..Book::with(1_000) };
    assert_eq!(book.lend(1, 400, 40), 30);
    book.day = Some(nanos(-5));
    assert_eq!(book.lend(2, 400, 40), 0);
    let mut postpaid = Book { limited: false, ..Book::with(0) };
    assert_eq!(postpaid.lend(1, 400, 40), 400);
    assert_eq!(postpaid.figures(), (-400, 400, 0));
}

#[test]
fn a_refusal_says_what_stands_against_it() {
    let open = Account { limited: true, available: nanos(50), ..Account::default() };
    let cases = [
        (open, None),
        (Account { available: nanos(0), ..open }, Some(Cause::ORIGINATOR_BALANCE)),
        (Account { available: nanos(0), keeps: true, ..open }, Some(Cause::MINIMUM_KEPT)),
        (Account { day: Some(nanos(0)), ..open }, Some(Cause::DAY_CAP)),
        (Account { month: Some(nanos(-1)), day: Some(nanos(9)), ..open }, Some(Cause::MONTH_CAP)),
        (Account { available: nanos(0), day: Some(nanos(0)), ..open }, Some(Cause::ORIGINATOR_BALANCE)),
        (Account { limited: false, available: nanos(-9), month: Some(nanos(0)), ..open }, Some(Cause::MONTH_CAP)),
    ];
    let ask = Ask { want: nanos(5), slice: nanos(5) };
    for (funds, cause) in cases {
        assert_eq!(grant(id(1), OWNER, None, &funds, ask, false).unwrap().0.cause, cause, "{funds:?}");
        let refused = Grant { account: OWNER, state: State::Refused, ..Grant::default() };
        let again = grant(id(1), OWNER, Some(&refused), &funds, ask, false).unwrap().0;
        assert_eq!(again.amount, Money::ZERO);
        assert_eq!(again.cause, cause.or(Some(Cause::ORIGINATOR_BALANCE)));
    }
}

#[test]
fn what_is_left_and_not_enough_is_told_by_what_leaves_the_least() {
    let open = Account { limited: true, available: nanos(50), ..Account::default() };
    let cases = [
        (open, Cause::BALANCE_TOO_LOW),
        (Account { keeps: true, ..open }, Cause::MINIMUM_KEPT),
        (Account { day: Some(nanos(49)), month: Some(nanos(60)), ..open }, Cause::DAY_CAP),
        (Account { day: Some(nanos(51)), month: Some(nanos(9)), ..open }, Cause::MONTH_CAP),
        (Account { limited: false, available: nanos(-9), day: Some(nanos(1)), ..open }, Cause::DAY_CAP),
        (Account { available: nanos(0), ..open }, Cause::ORIGINATOR_BALANCE),
        (Account { available: nanos(-1), day: Some(nanos(9)), ..open }, Cause::ORIGINATOR_BALANCE),
    ];
    for (funds, cause) in cases {
        assert_eq!(funds.shortage(), cause, "{funds:?}");
    }
}

/// A barred node is lent nothing, however often it starts; one that was admitted again, only from its next start on.
#[test]
fn a_node_that_was_written_off_is_lent_nothing_until_it_is_admitted_and_starts() {
    let (barred, admitted) = (Fence { boot: 3, barred: true }, Fence { boot: 3, barred: false });
    assert_eq!([1, 3, 4, 90].map(|boot| barred.holds(boot)), [true; 4]);
    assert_eq!([1, 3, 4, 90].map(|boot| admitted.holds(boot)), [true, true, false, false]);
    let funds = Account { limited: true, available: nanos(50), ..Account::default() };
    let ask = Ask { want: nanos(5), slice: nanos(5) };
    let (answer, _) = grant(id(1), OWNER, None, &funds, ask, barred.holds(4)).unwrap();
    assert_eq!((answer.amount, answer.cause), (Money::ZERO, Some(Cause::NODE_WRITTEN_OFF)));
}
