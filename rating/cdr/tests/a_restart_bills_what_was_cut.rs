//! Stories of earlier lives, and what a start makes of them.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use cdr::recover::{Books, Closing, Crash, OpenGrant, replay};
use cdr::{Cdr, GrantPart, Party, Priced, Record, Start};
use units::{AccountId, AttemptIndex, CallId, Cause, Instant, Money, ShardId, Terms, WallTime};
use world::{call_id, grant_id, part, price};

fn ms(millis: u64) -> Instant {
    Instant::from_micros(millis * 1_000)
}

fn books(records: &[Record]) -> Books {
    replay(records.iter().cloned(), Crash::AtMark, &mut price)
}

fn boot(boot: u32) -> Record {
    Record::Boot { boot, wall: WallTime::from_micros(0) }
}

fn mark(shard: u16, at_ms: u64) -> Record {
    Record::Mark { shard: ShardId(shard), now: ms(at_ms), wall: WallTime::from_micros(0) }
}

fn base(call: CallId) -> Cdr {
    let priced = Some(Priced { terms: Terms::default(), ..Priced::default() });
    Cdr { call, attempts: 2, answered_ms: Some(4_000), ended_ms: 4_000, sell: priced, buy: priced, ..Cdr::default() }
}

/// Answered at 10 s of the boot's clock, on its second attempt.
fn start(call: CallId, reserved: &[GrantPart], paid_ms: u64) -> Record {
    let attempt = Cdr { attempt: AttemptIndex(2), attempts: 1, answered_ms: Some(1_000), sell: None, ..base(call) };
    Record::Start(Box::new(Start {
        call: base(call),
        attempt,
        answered: ms(10_000),
        reserved: reserved.to_vec(),
        owed_reserved: Vec::new(),
        paid_ms,
    }))
}

fn ended(call: CallId, grants: &[GrantPart]) -> Record {
    Record::Cdr(Box::new(Cdr { grants: grants.to_vec(), ..base(call) }))
}

fn granted(grant: u64, nanos: i64) -> Record {
    Record::Granted { grant: grant_id(grant), account: AccountId(7), amount: Money::from_nanos(nanos) }
}

fn open(grant: u64, amount: i64, used: i64) -> OpenGrant {
    let (amount, used) = (Money::from_nanos(amount), Money::from_nanos(used));
    OpenGrant { grant: grant_id(grant), account: AccountId(7), amount, used }
}

/// Expects one call to be cut after so many milliseconds, paid by these parts.
fn cut(records: &[Record], duration_ms: u64, grants: &[GrantPart]) {
    let found = books(records).cut;
    let [attempt, call] = found.as_slice() else { panic!("an attempt and a call, not {found:?}") };
    assert_eq!((attempt.attempt, call.attempt), (AttemptIndex(2), AttemptIndex(0)));
    for record in [attempt, call] {
        assert_eq!(record.duration_ms, duration_ms);
        assert_eq!((record.cause, record.released_by), (Cause::SWITCH_RESTARTED, Party::Switch));
        assert_eq!(record.buy.unwrap().price, Money::from_nanos(duration_ms as i64));
    }
    assert_eq!((attempt.ended_ms, call.ended_ms), (1_000 + duration_ms, 4_000 + duration_ms));
    assert_eq!((attempt.sell, call.sell.unwrap().price), (None, Money::from_nanos(duration_ms as i64)));
    assert_eq!((attempt.grants.as_slice(), call.grants.as_slice()), (&[][..], grants));
}

#[test]
fn a_call_ends_at_the_last_mark_of_its_shard() {
    let call = start(call_id(1), &[part(1, 60_000)], 60_000);
    cut(&[boot(1), call.clone(), mark(0, 11_000), mark(0, 15_500), mark(1, 40_000)], 5_500, &[part(1, 5_500)]);
    // A mark before the answer, or none, says nothing about the call.
    cut(&[boot(1), mark(0, 9_000), call.clone()], 0, &[]);
    cut(&[boot(1), call], 0, &[]);
}

#[test]
fn a_call_is_never_billed_beyond_what_was_paid() {
    let call = start(call_id(1), &[part(1, 3_000)], 3_000);
    cut(&[boot(1), call.clone(), mark(0, 70_000)], 3_000, &[part(1, 3_000)]);
    let more = Record::Paid {
        call: call_id(1),
        reserved: vec![part(1, 3_000), part(2, 9_000)],
        owed_reserved: vec![],
        paid_ms: 12_000,
    };
    cut(&[boot(1), call, more, mark(0, 18_000)], 8_000, &[part(1, 3_000), part(2, 5_000)]);
}

#[test]
fn marks_of_another_life_do_not_count() {
    let call = start(call_id(1), &[part(1, 60_000)], 60_000);
    cut(&[boot(1), call, mark(0, 12_000), boot(2), mark(0, 99_000)], 2_000, &[part(1, 2_000)]);
}

#[test]
fn an_ended_call_is_left_alone() {
    let story = [boot(1), start(call_id(1), &[part(1, 9)], 9), ended(call_id(1), &[part(1, 4)]), mark(0, 99_000)];
    assert_eq!(books(&story), Books::default());
}

#[test]
fn a_call_whose_attempt_is_on_record_agrees_with_it() {
    let attempt = Cdr {
        attempt: AttemptIndex(2),
        duration_ms: 7_700,
        cause: Cause::NORMAL,
        released_by: Party::Egress,
        ..base(call_id(1))
    };
    let failed = Cdr { attempt: AttemptIndex(1), duration_ms: 0, ..base(call_id(1)) };
    let story = [
        boot(1),
        start(call_id(1), &[part(1, 60_000)], 60_000),
        mark(0, 17_000),
        Record::Cdr(Box::new(failed)),
        Record::Cdr(Box::new(attempt)),
    ];
    let found = books(&story).cut;
    let [call] = found.as_slice() else { panic!("the call alone, not {found:?}") };
    assert_eq!((call.attempt, call.duration_ms, call.cause), (AttemptIndex(0), 7_700, Cause::NORMAL));
    assert_eq!((call.released_by, call.grants.as_slice()), (Party::Egress, &[part(1, 7_700)][..]));
}

#[test]
fn a_second_start_owes_nothing_for_calls_that_the_first_billed() {
    let mut story = vec![boot(1), granted(1, 100_000), start(call_id(1), &[part(1, 60_000)], 60_000), mark(0, 12_000)];
    let first = books(&story);
    assert_eq!((first.cut.len(), first.grants.as_slice()), (2, &[open(1, 100_000, 2_000)][..]));
    story.push(boot(2));
    story.extend(first.cut.iter().cloned().map(Box::new).map(Record::Cdr));
    story.extend([granted(1, 100_000), mark(0, 50_000)]);
    let second = books(&story);
    assert_eq!((second.cut.len(), second.grants.as_slice()), (0, &[open(1, 100_000, 2_000)][..]));
}

#[test]
fn what_a_cut_call_cost_is_taken_from_what_its_terminator_may_be_owed() {
    let Record::Start(mut begun) = start(call_id(1), &[part(1, 60_000)], 60_000) else { panic!("it starts") };
    begun.owed_reserved = vec![part(2, 60_000)];
    let (call, reserved) = (call_id(1), vec![part(1, 60_000)]);
    let grown = Record::Paid { call, reserved, owed_reserved: vec![part(2, 3_000), part(3, 60_000)], paid_ms: 60_000 };
    let lent = [granted(1, 100_000), granted(2, 90_000), granted(3, 80_000)];
    let story = [boot(1), Record::Start(begun), grown, mark(0, 15_500)];
    let found = books(&lent.into_iter().chain(story).collect::<Vec<_>>());
    assert_eq!(found.cut[1].owed_grants, [part(2, 3_000), part(3, 2_500)]);
    assert_eq!(found.grants, [open(1, 100_000, 5_500), open(2, 90_000, 3_000), open(3, 80_000, 2_500)]);
}

#[test]
fn a_grant_is_open_until_it_is_closed_and_used_by_every_ended_call() {
    let story = [
        boot(1),
        granted(1, 1_000),
        granted(2, 0),
        granted(3, 500),
        ended(call_id(1), &[part(1, 100), part(3, 50)]),
        ended(call_id(2), &[part(1, 30)]),
        // The same record twice is one call.
        ended(call_id(2), &[part(1, 30)]),
        Record::GrantClosed { grant: grant_id(3), used: Money::from_nanos(50) },
    ];
    assert_eq!(books(&story).grants, [open(1, 1_000, 130)]);
}

#[test]
fn a_question_without_an_answer_is_remembered() {
    let asked = |grant| Record::GrantAsked { grant: grant_id(grant), account: AccountId(7) };
    let closed = Record::GrantClosed { grant: grant_id(4), used: Money::ZERO };
    let story = [asked(1), granted(1, 5), asked(2), granted(2, 0), asked(3), asked(4), closed];
    let found = books(&story);
    let end = |grant, used| Closing { grant: grant_id(grant), account: AccountId(7), used: Money::from_nanos(used) };
    assert_eq!(found.closing, [end(3, 0), end(4, 0)], "the ledger may have lent it, and may not have heard of an end");
    let heard = story.iter().cloned().chain([Record::GrantReturned { grant: grant_id(4) }]).collect::<Vec<_>>();
    assert_eq!(books(&heard).closing, [end(3, 0)]);
    assert_eq!(found.grants, [open(1, 5, 0)]);
}

#[test]
fn calls_of_several_shards_and_lives_are_cut_each_by_its_own_marks() {
    let id = |boot, shard, sequence| CallId { boot, shard: ShardId(shard), ..call_id(sequence) };
    let story = [
        boot(1),
        start(id(1, 0, 1), &[], 60_000),
        start(id(1, 1, 1), &[], 60_000),
        mark(0, 11_000),
        mark(1, 12_000),
        boot(2),
        start(id(2, 0, 1), &[], 60_000),
        mark(0, 13_000),
    ];
    let found: Vec<_> = books(&story).cut.into_iter().filter(|cdr| cdr.attempt.0 == 0).collect();
    let durations: Vec<_> = found.iter().map(|cdr| (cdr.call, cdr.duration_ms)).collect();
    assert_eq!(durations, [(id(1, 0, 1), 1_000), (id(1, 1, 1), 2_000), (id(2, 0, 1), 3_000)]);
}

/// A life that only reads what the one before wrote first must know as much of grants as one that reads everything.
#[test]
fn what_a_life_carries_over_stands_for_all_before_it() {
    let asked = Record::GrantAsked { grant: grant_id(2), account: AccountId(7) };
    let closed = |grant| Record::GrantClosed { grant: grant_id(grant), used: Money::from_nanos(9) };
    let first = [
        granted(1, 1_000),
        granted(3, 9),
        asked,
        ended(call_id(1), &[part(1, 100)]),
        start(call_id(2), &[part(1, 300)], 5),
        closed(3),
    ];
    let carried: Vec<Record> = books(&first).records(2, WallTime::from_micros(0)).collect();
    let later = [ended(call_id(3), &[part(1, 7)])];
    let all: Vec<Record> = first.iter().chain(&carried).chain(&later).cloned().collect();
    let rest: Vec<Record> = carried.iter().chain(&later).cloned().collect();
    assert_eq!(books(&all), books(&rest));
    assert_eq!(books(&rest).grants.len(), 1);
    assert_eq!(books(&rest).grants[0].used.nanos(), books(&first).grants[0].used.nanos() + 7);
    assert_eq!(books(&rest).closing.len(), 2);
}

#[test]
fn a_crash_is_billed_to_the_last_mark_or_to_the_end_of_paid_time() {
    let story = [start(call_id(1), &[part(1, 60_000)], 60_000), mark(0, 30_000)];
    let by_mark = books(&story);
    let by_paid = replay(story.iter().cloned(), Crash::AtPaidTime, &mut price);
    let cost = |books: &Books| books.cut.last().and_then(|cdr| cdr.sell).unwrap().price;
    let lost = by_paid.cut.last().unwrap().sell.unwrap().price - cost(&by_mark);
    assert!(lost.is_positive());
    let written_off = |books: &Books| books.cut.iter().map(|cdr| cdr.written_off).collect::<Vec<_>>();
    assert_eq!(written_off(&by_mark), [Money::ZERO, lost], "on the call's record alone");
    assert_eq!(written_off(&by_paid), [Money::ZERO; 2]);
    assert_eq!(by_paid.cut.last().unwrap().duration_ms, 60_000);
}
