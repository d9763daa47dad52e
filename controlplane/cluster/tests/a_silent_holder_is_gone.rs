//! Whoever reads the book knows when its holder is gone, even if the arbiter begins the holder's lease anew.

use cluster::{Ask, Book, Vigil, Write};
use units::{Instant, NodeId};

const LEASE_MS: u64 = 3_000;

fn at(ms: u64) -> Instant {
    Instant::from_micros(ms * 1_000)
}

fn held(version: u64) -> Book {
    Book { version, epoch: 1, holder: Some(NodeId(1)), held: true, sync: Some(NodeId(2)), sync_life: 7 }
}

#[test]
fn a_book_that_nobody_writes_is_free_when_the_lease_s_length_has_passed_since_it_was_first_read() {
    let mut vigil = Vigil::new(LEASE_MS);
    let read = [
        // When, which version, and whether its holder is still there.
        (0, 5, true),
        (2_900, 5, true),
        (2_950, 6, true),
        // Read late: when it was written does not matter, for nobody knows that.
        (5_900, 6, true),
        // Overtaken on its way: it neither is gone nor begins the time anew.
        (5_940, 5, true),
        (5_950, 6, false),
        (6_000, 6, false),
        // It wrote after all.
        (6_010, 7, true),
        (9_009, 7, true),
        (9_010, 7, false),
    ];
    for (ms, version, is_held) in read {
        assert_eq!(vigil.judge(at(ms), held(version)).held, is_held, "version {version} at {ms} ms");
    }
}

#[test]
fn who_was_away_for_long_waits_for_the_whole_lease() {
    let mut vigil = Vigil::new(LEASE_MS);
    assert!(vigil.judge(at(0), held(5)).held);
    // The arbiter did not answer for a minute, and the holder wrote meanwhile.
    assert!(vigil.judge(at(60_000), held(9)).held);
    assert!(vigil.judge(at(62_999), held(9)).held);
    assert!(!vigil.judge(at(63_000), held(9)).held);
}

#[test]
fn who_holds_a_book_that_is_free_by_the_clock_is_replaced_and_cannot_renew() {
    let mut vigil = Vigil::new(LEASE_MS);
    vigil.judge(at(0), held(5));
    let book = vigil.judge(at(3_000), held(5));
    assert!(book.write(Ask { by: NodeId(1), version: 5, write: Write::Renew }).is_err(), "its time is over");
    let next = book.write(Ask { by: NodeId(2), version: 5, write: Write::Take(7) }).expect("it has every commit");
    assert_eq!((next.holder, next.held, next.epoch), (Some(NodeId(2)), true, 2));
    assert!(
        next.write(Ask { by: NodeId(1), version: 5, write: Write::Renew }).is_err(),
        "it is too late for the other"
    );
}
