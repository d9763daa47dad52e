//! Overload looks like death, so a primary that is silent keeps its place; but not for ever, or a frozen one would stop all writes.
#![allow(clippy::unwrap_used, reason = "a surprise ends the test")]

use cluster::{Ask, Book, Keeper, Local, Outcome, Process, Replica, Role, Settings, Write};
use units::{Instant, NodeId};

const TURN_MS: u64 = 100;

/// A keeper whose book is written at once.
struct Stage {
    now: Instant,
    keeper: Keeper,
    book: Book,
}

impl Stage {
    fn turn(&mut self, local: &Local) -> (Role, Option<Write>) {
        self.now = self.now.plus_millis(TURN_MS);
        let turn = self.keeper.turn(self.now, local);
        if let Some(ask) = turn.ask {
            self.book = self.book.write(ask).unwrap();
            self.keeper.on_answer(self.now, Outcome::Written(self.book));
        }
        (turn.role, turn.ask.map(|Ask { write, .. }| write))
    }
}

#[test]
fn a_primary_that_answers_nothing_is_killed_when_its_replica_has_everything() {
    let settings = Settings::new(NodeId(0), NodeId(1), NodeId(0));
    let mut stage = Stage { now: Instant::default(), keeper: Keeper::new(settings), book: Book::default() };
    stage.keeper.on_book(stage.now, stage.book);
    let replica = Replica { attached: true, stored: 9, applied: 9 };
    let works =
        Local { process: Process::Running, writable: true, waits: true, position: 9, replica, ..Local::default() };
    stage.turn(&Local::default());
    stage.turn(&Local { writable: false, ..works });
    for _ in 0..20 {
        stage.turn(&works);
    }
    assert_eq!((stage.book.holder, stage.book.sync), (Some(NodeId(0)), Some(NodeId(1))));

    let silent = Local { process: Process::Silent, ..works };
    let mut turns = 0;
    let last = loop {
        let (role, write) = stage.turn(&silent);
        turns += 1;
        if write == Some(Write::Drop) || turns > 2 * settings.silent_ms / TURN_MS {
            break role;
        }
        assert!(matches!(role, Role::Primary { .. }), "it keeps its place for {} ms", turns * TURN_MS);
    };
    assert_eq!((last, stage.book.held), (Role::Stopped, false));
    assert_eq!((turns - 1) * TURN_MS, settings.silent_ms);
}
