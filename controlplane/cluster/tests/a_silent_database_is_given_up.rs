//! Overload looks like death, so a primary that is silent keeps its place; but not for ever, or a frozen one would stop all writes. And a
//! replica that was started again takes nothing over: it may lack what it had only received. One that keeps pace gets the database while
//! somebody writes; one that does not would stop writes in vain.
#![allow(clippy::unwrap_used, reason = "a surprise ends the test")]

use cluster::{Ask, Book, Keeper, Local, Outcome, Process, Replica, Role, Settings, Turn, Write};
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

/// A primary whose replica has everything.
const WORKS: Local = Local {
    process: Process::Running,
    silent_ms: 0,
    writable: true,
    frozen: false,
    waits: true,
    life: 0,
    position: 9,
    drained: false,
    diverged: false,
    replica: Replica { attached: true, gone: false, life: 4, stored: 9, applied: 9 },
};

/// A keeper whose database is primary, and the book counts on its replica.
fn leads(settings: Settings) -> Stage {
    let began = Instant::default().plus_millis(1_000_000);
    let mut stage = Stage { now: began, keeper: Keeper::new(settings), book: Book::default() };
    stage.keeper.on_book(stage.now, stage.book);
    stage.turn(&Local::default());
    stage.turn(&Local { writable: false, position: 0, ..WORKS });
    for _ in 0..20 {
        stage.turn(&WORKS);
    }
    assert_eq!((stage.book.holder, stage.book.sync, stage.book.sync_life), (Some(NodeId(0)), Some(NodeId(1)), 4));
    stage
}

#[test]
fn a_primary_that_answers_nothing_is_killed_when_its_replica_has_everything() {
    let settings = Settings::new(NodeId(0), NodeId(1), NodeId(0));
    let mut stage = leads(settings);
    let silent = Local { process: Process::Silent, ..WORKS };
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

#[test]
fn silence_counts_from_the_last_answer_and_not_from_when_it_was_noticed() {
    let settings = Settings::new(NodeId(0), NodeId(1), NodeId(0));
    let mut stage = leads(settings);
    let silent_ms = settings.silent_ms - TURN_MS;
    let noticed = Local { process: Process::Silent, silent_ms, ..WORKS };
    assert!(matches!(stage.turn(&noticed).0, Role::Primary { .. }), "a turn is left");
    // A later look knows no better.
    let (role, write) = stage.turn(&Local { silent_ms: 0, ..noticed });
    assert_eq!((role, write), (Role::Stopped, Some(Write::Drop)));
}

/// A commit that waits for room on the primary's disk never comes to the replica, which can do nothing about it and takes over at last.
#[test]
fn a_primary_that_gives_nothing_does_not_strike_its_replica() {
    let settings = Settings::new(NodeId(0), NodeId(1), NodeId(0));
    let mut stage = leads(settings);
    let stuck = Local { process: Process::Silent, position: 12, ..WORKS };
    for _ in 0..settings.silent_ms / TURN_MS {
        let (_, write) = stage.turn(&stuck);
        assert!(matches!(write, None | Some(Write::Renew)), "{write:?}");
    }
    assert_eq!(stage.turn(&stuck).1, Some(Write::Drop));
}

#[test]
fn a_dead_replica_is_struck_at_once_and_one_that_is_not_heard_after_a_while() {
    let mut stage = leads(Settings::new(NodeId(0), NodeId(1), NodeId(0)));
    let unheard = Local { position: 12, replica: Replica::default(), ..WORKS };
    assert_eq!(stage.turn(&unheard).1, None, "commits wait: it may only be slow");
    let gone = Local { replica: Replica { gone: true, ..Replica::default() }, ..unheard };
    let (role, write) = stage.turn(&gone);
    assert_eq!(write, Some(Write::Sync(None)));
    assert!(matches!(role, Role::Primary { wait: true, .. }), "nothing is acknowledged alone before that is written");
    assert!(matches!(stage.turn(&gone).0, Role::Primary { wait: false, .. }));
}

/// Ten commits come with every turn; the replica has applied all but the last `behind` of them. Whether writes are stopped for it.
fn is_handed_over(behind: u64) -> bool {
    let mut stage = leads(Settings::new(NodeId(0), NodeId(1), NodeId(0)));
    stage.keeper.hand_over();
    (0..100).any(|turn| {
        let position = WORKS.position + 10 * turn;
        let replica = Replica { stored: position, applied: position.saturating_sub(behind), ..WORKS.replica };
        matches!(stage.turn(&Local { position, replica, ..WORKS }).0, Role::Frozen { .. })
    })
}

#[test]
fn a_primary_that_is_written_to_all_the_time_is_handed_over() {
    assert!(is_handed_over(9), "it is behind by less than what comes between two questions");
    assert!(!is_handed_over(200), "two seconds of commits would have to be applied while nobody writes");
}

/// Who ordered it was told after twenty seconds that it does not happen.
#[test]
fn an_order_that_could_not_be_carried_out_is_not_carried_out_later() {
    for (seconds, is_handed) in [(10, true), (20, false)] {
        let mut stage = leads(Settings::new(NodeId(0), NodeId(1), NodeId(0)));
        stage.keeper.hand_over();
        let far = Local { replica: Replica { applied: 0, ..WORKS.replica }, ..WORKS };
        for _ in 0..seconds * 1_000 / TURN_MS {
            assert!(matches!(stage.turn(&far).0, Role::Primary { .. }), "its replica is far behind");
        }
        let handed = (0..10).any(|_| matches!(stage.turn(&WORKS).0, Role::Frozen { .. }));
        assert_eq!(handed, is_handed, "after {seconds} s");
    }
}

/// The other one holds the database no more, and counted on the first life of this one.
fn orphaned(keeper: &mut Keeper) -> Book {
    let book = Book { version: 3, epoch: 1, holder: Some(NodeId(1)), held: false, sync: Some(NodeId(0)), sync_life: 7 };
    keeper.on_book(Instant::default(), book);
    keeper.turn(Instant::default(), &Local::default());
    book
}

#[test]
fn a_replica_that_was_started_again_takes_over_only_when_an_operator_insists() {
    let mut keeper = Keeper::new(Settings::new(NodeId(0), NodeId(1), NodeId(0)));
    let book = orphaned(&mut keeper);
    let local = Local { process: Process::Running, life: 8, drained: true, ..Local::default() };
    let turn = keeper.turn(Instant::default(), &local);
    assert_eq!((turn.role, turn.ask), (Role::Replica(NodeId(1)), None));
    keeper.insist();
    let received = Local { drained: false, ..local };
    assert_eq!(keeper.turn(Instant::default(), &received), Turn { role: Role::Standby, address: false, ask: None });
    let ask = keeper.turn(Instant::default(), &local).ask.unwrap();
    let seized = book.write(ask).unwrap();
    assert_eq!((ask.write, seized.holder, seized.sync), (Write::Seize, Some(NodeId(0)), None));
}

#[test]
fn nobody_insists_while_somebody_holds_the_database() {
    let mut keeper = Keeper::new(Settings::new(NodeId(0), NodeId(1), NodeId(0)));
    let free = orphaned(&mut keeper);
    let held = Book { version: 4, held: true, ..free };
    keeper.on_book(Instant::default(), held);
    keeper.insist();
    keeper.on_book(Instant::default(), Book { version: 5, held: false, ..free });
    let local = Local { process: Process::Running, life: 8, drained: true, ..Local::default() };
    assert_eq!(keeper.turn(Instant::default(), &local).ask, None);
}

#[test]
fn a_replica_takes_over_when_it_receives_no_more_and_has_applied_everything() {
    let mut keeper = Keeper::new(Settings::new(NodeId(0), NodeId(1), NodeId(0)));
    orphaned(&mut keeper);
    let receives = Local { process: Process::Running, life: 7, ..Local::default() };
    let turn = keeper.turn(Instant::default(), &receives);
    assert_eq!((turn.role, turn.ask), (Role::Standby, None));
    let turn = keeper.turn(Instant::default(), &Local { drained: true, ..receives });
    assert_eq!(turn.ask.map(|ask| ask.write), Some(Write::Take(7)));
}
