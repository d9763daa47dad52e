//! The book of a home shard: limits from takes and returns, money from grants.

use call::effect::{Place, Trunk};
use cdr::{GrantPart, Record};
use panel::wire::{Reply, Want};
use shard::book::{Allowed, Book, Entry, Holder, Limits, MOMENTS_MAX, Order, grant_of, grant_text};
use shard::table::CallRef;
use units::{
    AccountId, CarrierId, Cause, EgressTrunkId, GrantId, IngressTrunkId, Instant, Money, NodeId, PlanId, ShardId,
};

const HOME: ShardId = ShardId(0);
const ACCOUNT: AccountId = AccountId(4);

fn at(ms: u64) -> Instant {
    Instant::from_micros(ms * 1_000)
}

fn book() -> Book {
    Book::new(NodeId(1), 3, HOME, 1)
}

fn take(book: &mut Book, ms: u64, trunk: Trunk, capacity: u32, cps: u32) -> Result<(), Cause> {
    take_of(book, ms, trunk, Limits { capacity, cps, window_s: 0 })
}

fn place(trunk: Trunk) -> Place {
    Place { trunk, carrier: CarrierId(7), originator: CarrierId(8) }
}

fn take_of(book: &mut Book, ms: u64, trunk: Trunk, limits: Limits) -> Result<(), Cause> {
    take_at(book, ms, place(trunk), Allowed { trunk: limits, ..Allowed::default() })
}

fn take_at(book: &mut Book, ms: u64, place: Place, allowed: Allowed) -> Result<(), Cause> {
    let mut out = Vec::new();
    book.on_entry(at(ms), HOME, Entry::Take { call: CallRef::default(), place, allowed }, &mut out);
    match out.pop() {
        Some(Order::Tell(_, Entry::Taken { taken, .. })) => taken,
        other => panic!("a take is answered at once, not by {other:?}"),
    }
}

fn reserve(book: &mut Book, ms: u64, want: i64, least: i64) -> Vec<Order> {
    let mut out = Vec::new();
    let (want, least) = (Money::from_nanos(want), Money::from_nanos(least));
    book.on_entry(at(ms), HOME, Entry::Reserve { call: CallRef::default(), account: ACCOUNT, want, least }, &mut out);
    out
}

fn grant(book: &mut Book, ms: u64, sequence: u64, amount: i64) -> Vec<Order> {
    answer(book, ms, sequence, (amount, 0))
}

fn answer(book: &mut Book, ms: u64, sequence: u64, (amount, cause): (i64, u16)) -> Vec<Order> {
    let mut out = Vec::new();
    let grant = grant_text(GrantId { node: NodeId(1), boot: 3, sequence });
    book.on_reply(at(ms), &Reply::Granted { grant, account: ACCOUNT.0, amount, cause }, &mut out);
    out
}

fn parts(orders: &[Order]) -> Option<Result<Vec<GrantPart>, Cause>> {
    orders.iter().find_map(|order| match order {
        Order::Tell(_, Entry::Reserved { reserved, .. }) => Some(reserved.clone()),
        _ => None,
    })
}

fn sum(parts: &[GrantPart]) -> i64 {
    parts.iter().map(|part| part.amount.nanos()).sum()
}

#[test]
fn capacity_is_what_is_taken_and_not_returned() {
    let (mut book, trunk) = (book(), Trunk::Egress(EgressTrunkId(2)));
    assert_eq!(take(&mut book, 0, trunk, 2, 0), Ok(()));
    assert_eq!(take(&mut book, 0, trunk, 2, 0), Ok(()));
    assert_eq!(take(&mut book, 0, trunk, 2, 0), Err(Cause::TERMINATOR_CAPACITY));
    book.on_entry(
        at(1),
        HOME,
        Entry::Return { place: place(trunk), plan: PlanId(1), over: rating::quality::Over::Void },
        &mut Vec::new(),
    );
    assert_eq!(take(&mut book, 1, trunk, 2, 0), Ok(()));
    assert_eq!(book.taken(Holder::Egress(EgressTrunkId(2))), 2);
}

#[test]
fn no_second_holds_more_calls_than_the_cps_limit_wherever_it_begins() {
    let (mut book, trunk) = (book(), Trunk::Ingress(IngressTrunkId(2)));
    let mut passed: Vec<u64> = Vec::new();
    for ms in (0..5_000).step_by(7) {
        if take(&mut book, ms, trunk, 0, 10).is_ok() {
            passed.push(ms);
        }
    }
    assert!(passed.windows(11).all(|eleven| eleven[10] - eleven[0] >= 1_000));
    assert!(passed.len() >= 50, "the limit itself is reached");
    assert_eq!(take(&mut book, 4_999, trunk, 0, 10), Err(Cause::ORIGINATOR_CPS));
}

/// Offers a call every `step_ms` for `till_ms`; returns when those that passed came.
fn offered(book: &mut Book, limits: Limits, step_ms: usize, till_ms: u64) -> Vec<u64> {
    let trunk = Trunk::Egress(EgressTrunkId(3));
    (0..till_ms).step_by(step_ms).filter(|ms| take_of(book, *ms, trunk, limits).is_ok()).collect()
}

#[test]
fn a_longer_window_lets_a_burst_through_and_no_more_than_its_sum() {
    let limits = Limits { capacity: 0, cps: 2, window_s: 10 };
    let passed = offered(&mut book(), limits, 13, 60_000);
    assert!(passed[19] < 300, "twenty calls may come at once");
    assert!(passed.windows(21).all(|calls| calls[20] - calls[0] >= 10_000));
    assert!(passed.len() >= 119, "the limit itself is reached: {}", passed.len());
}

#[test]
fn a_window_of_many_calls_is_counted_by_slots_and_never_overrun() {
    let limits = Limits { capacity: 0, cps: MOMENTS_MAX / 60 + 1, window_s: 60 };
    let calls_max = limits.cps as usize * 60;
    let mut book = book();
    let trunk = Trunk::Egress(EgressTrunkId(3));
    let passed: Vec<u64> = (0..150_000)
        .step_by(3)
        .flat_map(|ms| [ms; 2])
        .filter(|ms| take_of(&mut book, *ms, trunk, limits).is_ok())
        .collect();
    assert!(passed.windows(calls_max + 1).all(|calls| calls[calls_max] - calls[0] >= 60_000));
    assert!(passed.len() >= 2 * calls_max + calls_max * 30 / 100, "hardly less than the limit: {}", passed.len());
    assert_eq!(take_of(&mut book, 400_000, trunk, limits), Ok(()), "after a long silence the window is empty");
}

#[test]
fn a_limit_that_grows_or_shrinks_takes_effect_at_once() {
    let mut book = book();
    let trunk = Trunk::Egress(EgressTrunkId(3));
    let mut take = |cps, window_s| take_of(&mut book, 5, trunk, Limits { capacity: 0, cps, window_s });
    assert_eq!((take(1, 1), take(1, 1)), (Ok(()), Err(Cause::TERMINATOR_CPS)));
    assert_eq!((take(1, 2), take(1, 2)), (Ok(()), Err(Cause::TERMINATOR_CPS)));
    assert_eq!((take(9_000, 1), take(1, 1), take(1, 1)), (Ok(()), Ok(()), Err(Cause::TERMINATOR_CPS)));
}

#[test]
fn a_call_waits_for_the_ledger_and_its_question_is_journaled_first() {
    let mut book = book();
    let orders = reserve(&mut book, 0, 100, 10);
    assert!(matches!(
        &orders[..],
        [Order::JournalThenWant(Record::GrantAsked { .. }, Want::Grant { account: 4, want: 102_400, .. })]
    ));
    let orders = grant(&mut book, 5, 0, 102_400);
    assert!(matches!(orders[0], Order::Journal(Record::Granted { .. })), "before it is lent on");
    assert_eq!(sum(&parts(&orders).expect("it is answered").expect("there is money")), 100);
    assert_eq!(book.reserved(ACCOUNT), Money::from_nanos(100));
}

#[test]
fn a_refusal_reaches_those_who_wait_and_stands_for_a_moment() {
    let mut book = book();
    reserve(&mut book, 0, 100, 10);
    assert_eq!(parts(&grant(&mut book, 5, 0, 0)), Some(Err(Cause::ORIGINATOR_BALANCE)));
    let orders = reserve(&mut book, 6, 100, 10);
    assert_eq!(parts(&orders), Some(Err(Cause::ORIGINATOR_BALANCE)), "without asking again");
    let orders = reserve(&mut book, 2_000, 100, 10);
    assert!(matches!(orders[0], Order::JournalThenWant(..)), "later the ledger is asked again");
}

#[test]
fn who_is_refused_hears_what_the_ledger_says_against_it() {
    let mut book = book();
    reserve(&mut book, 0, 100, 10);
    assert_eq!(parts(&answer(&mut book, 5, 0, (0, 423))), Some(Err(Cause::DAY_CAP)));
    assert_eq!(parts(&reserve(&mut book, 6, 100, 10)), Some(Err(Cause::DAY_CAP)), "for as long as the refusal stands");
}

#[test]
fn money_that_is_too_little_for_a_call_is_told_from_none() {
    let mut book = book();
    reserve(&mut book, 0, 100, 60);
    assert_eq!(parts(&grant(&mut book, 5, 0, 50)), None, "it is not enough: the ledger is asked for more");
    assert_eq!(parts(&grant(&mut book, 6, 1, 0)), Some(Err(Cause::BALANCE_TOO_LOW)));
    assert_eq!(parts(&reserve(&mut book, 7, 100, 60)), Some(Err(Cause::BALANCE_TOO_LOW)), "without asking again");
    let cheaper = parts(&reserve(&mut book, 8, 100, 50)).expect("answered").expect("enough for this one");
    assert_eq!(sum(&cheaper), 50);
    assert_eq!(parts(&reserve(&mut book, 9, 100, 60)), Some(Err(Cause::ORIGINATOR_BALANCE)), "calls hold all of it");
}

#[test]
fn a_silent_ledger_delays_nobody_for_more_than_a_second() {
    let mut book = book();
    reserve(&mut book, 0, 100, 10);
    let due = book.deadline().expect("somebody waits");
    let mut out = Vec::new();
    book.on_time(due, &mut out);
    assert_eq!(parts(&out), Some(Err(Cause::TEMPORARY)));
    assert_eq!(parts(&reserve(&mut book, 1_500, 100, 10)), Some(Err(Cause::TEMPORARY)), "at once");
}

#[test]
fn what_calls_reserve_never_exceeds_what_was_granted() {
    let mut book = book();
    reserve(&mut book, 0, 300, 50);
    let first = parts(&grant(&mut book, 1, 0, 500)).expect("answered").expect("money");
    let second = parts(&reserve(&mut book, 2, 300, 50)).expect("answered").expect("the rest is more than the least");
    assert_eq!((sum(&first), sum(&second)), (300, 200));
    assert_eq!(parts(&reserve(&mut book, 3, 300, 50)), None, "nothing is left: it waits for the ledger");
    let used = vec![GrantPart { amount: Money::from_nanos(120), ..first[0] }];
    let mut out = Vec::new();
    book.on_entry(at(4), HOME, Entry::Settle { account: ACCOUNT, reserved: first, used }, &mut out);
    assert_eq!(sum(&parts(&out).expect("served from what came back").expect("money")), 180);
}

#[test]
fn a_used_up_grant_is_closed_with_what_was_used() {
    let mut book = book();
    reserve(&mut book, 0, 100, 100);
    let reserved = parts(&grant(&mut book, 1, 0, 100)).expect("answered").expect("money");
    let (used, mut out) = (reserved.clone(), Vec::new());
    book.on_entry(at(2), HOME, Entry::Settle { account: ACCOUNT, reserved, used }, &mut out);
    assert!(out.iter().any(|order| matches!(
        order,
        Order::JournalThenWant(Record::GrantClosed { .. }, Want::Close { used: 100, account: 4, .. })
    )));
}

#[test]
fn idle_money_goes_back() {
    let mut book = book();
    book.adopt(
        GrantId { node: NodeId(1), boot: 2, sequence: 9 },
        ACCOUNT,
        Money::from_nanos(70),
        Money::from_nanos(20),
    );
    let mut out = Vec::new();
    book.on_time(at(899_999), &mut out);
    assert!(out.is_empty(), "a rest of an hour ago may be all that there is while the ledger is away");
    book.on_time(at(900_000), &mut out);
    assert!(matches!(&out[..], [Order::JournalThenWant(_, Want::Close { used: 20, .. })]));
}

#[test]
fn idle_money_of_a_scarce_account_goes_back_soon() {
    let mut book = book();
    reserve(&mut book, 0, 100, 10);
    let reserved = parts(&grant(&mut book, 1, 0, 102_399)).expect("answered").expect("money");
    let mut out = Vec::new();
    book.on_entry(at(2), HOME, Entry::Settle { account: ACCOUNT, reserved, used: Vec::new() }, &mut out);
    book.on_time(at(30_001), &mut out);
    assert!(out.is_empty(), "{out:?}");
    book.on_time(at(30_002), &mut out);
    assert!(matches!(&out[..], [Order::JournalThenWant(_, Want::Close { used: 0, .. })]));
}

#[test]
fn what_is_asked_for_lasts_twenty_minutes_at_the_pace_of_the_moment() {
    let mut book = book();
    reserve(&mut book, 0, 100_000, 100_000);
    grant(&mut book, 1, 0, 102_400_000);
    // A thousand calls a second, each of which takes 100,000 and gives 40,000 back.
    let mut asked = None;
    for ms in 2..10_100 {
        let orders = reserve(&mut book, ms, 100_000, 100_000);
        let want = orders.iter().find_map(|order| match order {
            Order::JournalThenWant(_, Want::Grant { grant, want, .. }) => Some((grant.clone(), *want)),
            _ => None,
        });
        if let Some((text, want)) = want {
            asked = Some(want);
            let reply = Reply::Granted { grant: text, account: ACCOUNT.0, amount: want, cause: 0 };
            book.on_reply(at(ms), &reply, &mut Vec::new());
        }
        let reserved = parts(&orders).expect("answered").expect("money");
        let used =
            reserved.iter().map(|part| GrantPart { amount: Money::from_nanos(part.amount.nanos() * 6 / 10), ..*part });
        let used = used.collect();
        book.on_entry(at(ms), HOME, Entry::Settle { account: ACCOUNT, reserved, used }, &mut Vec::new());
    }
    let pace = 60_000 * 1_000;
    let asked = asked.expect("what was lent first is used up");
    assert!((pace * 1_190..=pace * 1_210).contains(&asked), "{asked}");
}

#[test]
fn a_grants_name_is_read_as_it_was_written() {
    let grant = GrantId { node: NodeId(7), boot: 8, sequence: 9 };
    assert_eq!(grant_of(&grant_text(grant)), Some(grant));
    assert_eq!(grant_of("zz"), None);
}
