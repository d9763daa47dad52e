//! What a terminator may be owed is reserved before its INVITE goes out, and free again when it was not earned.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod stage;

use cdr::Record;
use stage::{CALLER, Stage, model, reply, request};
use units::{AccountId, Cause};

const FIRST: AccountId = AccountId(2).owed();
const SECOND: AccountId = AccountId(3).owed();
/// A slice of thirty seconds at 0.03 and at 0.045 a minute.
const SLICES: [i64; 2] = [15_000_000, 22_500_000];

/// Both terminators have a limit.
fn limited() -> Stage {
    let mut model = model();
    model.accounts.iter_mut().skip(1).for_each(|account| account.owed_limited = true);
    Stage::of(&model)
}

#[test]
fn a_terminator_that_may_be_owed_nothing_more_is_skipped_without_an_attempt() {
    let mut stage = limited();
    stage.empty.push(FIRST);
    let call = stage.begin();
    assert!(stage.last(1).starts_with("INVITE sip:4420123@127.0.0.4:5060"), "the next route");
    assert!(!call.is_over() && stage.cdrs().is_empty());
}

#[test]
fn where_all_are_used_up_the_call_ends_with_a_cause_of_its_own() {
    let mut stage = limited();
    stage.empty.extend([FIRST, SECOND]);
    let call = stage.begin();
    assert!(call.is_over() && stage.last(0).starts_with("SIP/2.0 503 "));
    let cdrs = stage.cdrs();
    assert_eq!((cdrs.len(), cdrs[0].cause), (1, Cause::TERMINATOR_BALANCE));
    assert_eq!(call.rooms_held(), 0);
}

#[test]
fn what_a_failed_attempt_reserved_is_free_before_the_next_one_reserves() {
    let mut stage = limited();
    let mut call = stage.begin();
    assert!(stage.settled.is_empty());
    let refusal = reply(stage.last(1), 503, None);
    stage.hear(&mut call, 1, &refusal, "127.0.0.3:5060");
    assert_eq!(stage.settled, [(FIRST, SLICES[0], 0)]);
    let busy = reply(stage.last(2), 486, None);
    stage.hear(&mut call, 2, &busy, "127.0.0.4:5060");
    assert_eq!(stage.settled[1], (SECOND, SLICES[1], 0));
    assert!(call.is_over());
}

#[test]
fn what_a_terminator_earned_is_used_and_stands_in_the_records() {
    let mut stage = limited();
    let mut call = stage.talking_call();
    assert!(matches!(&stage.records[0], Record::Start(start) if start.owed_reserved[0].amount.nanos() == SLICES[0]));
    let grown = |record: &Record| matches!(record, Record::Paid { owed_reserved, .. } if owed_reserved.len() > 1);
    assert!(stage.records.iter().any(grown), "both reserves grow");
    let answer = stage.sent.iter().find(|(_, _, text)| text.starts_with("SIP/2.0 200")).unwrap().2.clone();
    stage.hear(&mut call, 0, &request("BYE", &answer, 2), CALLER);
    let cdr = stage.cdrs().pop().unwrap();
    let cost = cdr.buy.unwrap().price.nanos();
    assert_eq!(cdr.owed_grants.iter().map(|part| part.amount.nanos()).sum::<i64>(), cost);
    let (_, reserved, used) = *stage.settled.iter().find(|(account, ..)| *account == FIRST).unwrap();
    assert!(used == cost && reserved > used && cost > 0);
}

#[test]
fn a_call_ends_when_its_terminator_may_earn_no_more() {
    let mut stage = limited();
    let mut call = stage.begin();
    let answer = reply(stage.last(1), 200, Some(stage::OFFER));
    stage.hear(&mut call, 1, &answer, "127.0.0.3:5060");
    stage.empty.push(FIRST);
    let ack = request("ACK", stage.last(0), 1);
    stage.hear(&mut call, 0, &ack, CALLER);
    for _ in 0..80 {
        stage.now_ms += 500;
        stage.with(|ctx| call.on_time(ctx));
        stage.serve(&mut call);
    }
    let cdr = stage.cdrs().pop().unwrap();
    assert_eq!((cdr.cause, cdr.duration_ms), (Cause::TERMINATOR_BALANCE, 30_000));
    assert_eq!(cdr.buy.unwrap().price.nanos(), SLICES[0], "to the last unit");
}
