//! A disk that takes nothing for a while: calls that run go on, new ones are refused before anybody is tried, and all is well again by
//! itself. Clocks that run apart change none of it.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use sim::fault::{FLOWS, plain};
use sim::story::{CallStory, CallerManner, Crash, MS, SECOND, Story, Strife, Trouble, TroubleKind};

/// Calls of eight seconds, one every two: the disk is full from the fourth second to the tenth, and it is known a second later.
fn story(drift: i64, crash: Option<Crash>) -> Story {
    let plainly = FLOWS[0].story(None).calls[0].clone();
    let call = |index: u64| CallStory {
        at: 2 * SECOND * index,
        calling: format!("1646{index:08}"),
        called: format!("331{index:08}"),
        caller: CallerManner::Releases(8 * SECOND),
        ..plainly.clone()
    };
    let full = Trouble { node: 0, from: 4 * SECOND + 500 * MS, till: 10 * SECOND, kind: TroubleKind::Full };
    let strife = Strife { troubles: vec![full], drift: [drift; 3], ..Strife::default() };
    Story { calls: (0..10).map(call).collect(), strife, crash, away: 50 * MS, ..plain() }
}

#[test]
fn calls_that_run_go_on_and_new_ones_are_refused_until_there_is_room() {
    for drift in [0, 1_000, -1_000] {
        let outcome = sim::play(story(drift, None), &mut |_, _| {}).unwrap();
        // Those of the sixth, eighth and tenth second meet a disk that is known to be full. The answer of the one before them waits for
        // its start record, in vain for so long that its caller is refused.
        assert_eq!((outcome.calls, outcome.attempts, outcome.answered), (10, 7, 6), "drift {drift}");
    }
}

#[test]
fn a_node_may_die_while_its_disk_is_full() {
    for moment in (4..12).map(|second| second * SECOND) {
        let outcome = sim::play(story(0, Some(Crash::At(moment))), &mut |_, _| {});
        let outcome = outcome.unwrap_or_else(|why| panic!("killed at {moment}: {why}"));
        assert_eq!(outcome.crashes, 1);
    }
}
