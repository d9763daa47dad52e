//! A disk that stands still for two seconds: calls that were answered do not notice, whenever it is. A call that is being set up waits: for its
//! question to the ledger, whose record comes first, and for its start to be kept before it is answered.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use sim::Outcome;
use sim::fault::{FLOWS, plain};
use sim::story::{CallStory, CallerManner, MS, SECOND, Story, Strife, Trouble, TroubleKind};

/// How long the call talks: it is paid for in slices of thirty seconds.
const TALK: u64 = 70 * SECOND;
/// How long the disk stands still.
const STILL: u64 = 2 * SECOND;

fn played(from: u64, still: u64) -> Outcome {
    let call = CallStory { at: 0, caller: CallerManner::Releases(TALK), ..FLOWS[0].story(None).calls[0].clone() };
    let slow = Trouble { node: 0, from, till: from + still, kind: TroubleKind::Slow };
    let strife = Strife { troubles: vec![slow], ..Strife::default() };
    let outcome = sim::play(Story { calls: vec![call], strife, ..plain() }, &mut |_, _| {});
    outcome.unwrap_or_else(|why| panic!("{still} µs from {from}: {why}"))
}

#[test]
fn a_call_that_was_answered_talks_on_and_pays_the_same() {
    let undisturbed = played(0, 0);
    assert_eq!((undisturbed.calls, undisturbed.answered), (1, 1));
    assert!(undisturbed.settled.iter().any(|nanos| *nanos > 0), "it costs something");
    for from in (10 * SECOND..TALK).step_by(250 * MS as usize) {
        let outcome = played(from, STILL);
        assert_eq!((outcome.answered, &outcome.settled), (1, &undisturbed.settled), "from {from}");
    }
    // Eight seconds where the next slice is due are too long: what is not in the journal is not talked.
    assert!(played(24 * SECOND, 8 * SECOND).settled < undisturbed.settled);
}

#[test]
fn a_call_that_is_being_set_up_waits_as_long_as_it_may() {
    // The first call of a node has no money there: its question to the ledger is waited for for a second, the record before it included.
    assert_eq!(played(0, 900 * MS).answered, 1);
    assert_eq!(played(0, SECOND).answered, 0, "its caller is refused");
    // From then on only the answer waits.
    for from in (200 * MS..2 * SECOND).step_by(50 * MS as usize) {
        let outcome = played(from, STILL);
        assert_eq!((outcome.answered, outcome.attempts), (1, 1), "from {from}");
    }
    assert_eq!(played(500 * MS, 6 * SECOND).answered, 0, "after four seconds its caller is refused");
}
