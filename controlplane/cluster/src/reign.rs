//! What a holder knows of its replica: may the database commit alone, must it wait, may the book count on the replica.
//!
//! ```text
//!            replica attached              caught up: Sync(Some) written
//!   Alone ───────────────────▶ Joining ────────────────────────────────▶ Counted
//!     ▲  ◀───────────────────                                              │
//!     │      replica gone       dead, or silent for `alone_ms`: Sync(None) written
//!     └────────────────────────────────────────────────────────────────────┘
//! ```
//! The database waits for the replica before it acknowledges a commit in every state but `Alone`: from before the book counts on the
//! replica until after it ceased to.

use units::{Instant, NodeId};

use crate::broken::{Broken, is};

/// Whether the local database's process lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Process {
    /// There is none.
    #[default]
    Dead,
    /// It answers.
    Running,
    /// It exists and does not answer: it starts, recovers, or is overloaded.
    Silent,
}

/// What the local database says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// Whether it lives.
    pub process: Process,
    /// Of a silent one: how long ago it answered last, or 0 where nobody knows.
    pub silent_ms: u64,
    /// It takes writes.
    pub writable: bool,
    /// Writes are stopped for handing over; none is on its way.
    pub frozen: bool,
    /// A commit is acknowledged only after a replica has it.
    pub waits: bool,
    /// Which life this is: a number that no other process of this database had or will have. 0: there is no process.
    pub life: u64,
    /// How many commits it has.
    pub position: u64,
    /// It receives nothing and has applied everything that it had received: none of it would be lost with the process.
    pub drained: bool,
    /// It has commits that the holder's database lacks: it cannot follow and must be cloned.
    pub diverged: bool,
    /// The other database, as this one's binary log senders see it.
    pub replica: Replica,
}

/// What the holder's database sees of the other one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replica {
    /// It is connected and asks for commits.
    pub attached: bool,
    /// Its host answers that there is no such process.
    pub gone: bool,
    /// As [`Local::life`].
    pub life: u64,
    /// How many commits it has stored.
    pub stored: u64,
    /// How many it has applied too.
    pub applied: u64,
}

/// How far the holder relies on its replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Companion {
    /// Commits are acknowledged alone, and the book says so.
    Alone,
    /// Commits wait for the replica, which does not have all earlier ones yet. `floor`: what it must have, once waiting is on, and in
    /// which life: what another life acknowledged may be lost.
    Joining { floor: Option<(u64, u64)> },
    /// The book counts on it, in this life. `since` then; `heard` when it last took something or had nothing to take; `stored` by then.
    Counted { life: u64, since: Instant, heard: Instant, stored: u64 },
}

/// A holder's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reign {
    pub epoch: u64,
    /// The database may take writes until then; from before the arbiter was asked.
    pub until: Instant,
    pub companion: Companion,
}

impl Reign {
    /// A holder's beginning, with the replica's life if the book counts on it.
    pub fn new(epoch: u64, until: Instant, counted: Option<u64>, now: Instant) -> Reign {
        let companion = counted.map_or(Companion::Alone, |life| Companion::counted(life, now));
        Reign { epoch, until, companion }
    }

    /// The book was written or read anew.
    pub fn on_book(&mut self, counted: Option<u64>, now: Instant) {
        self.companion = match (self.companion, counted) {
            (Companion::Counted { life, .. }, Some(told)) if life == told => return,
            (_, Some(life)) => Companion::counted(life, now),
            (Companion::Joining { .. } | Companion::Alone, None) => return,
            (Companion::Counted { .. }, None) => Companion::Alone,
        };
    }

    /// Looks at the replica. `Some`: this must be written into the book.
    pub fn look(&mut self, now: Instant, local: &Local, other: NodeId, alone_ms: u64) -> Option<Option<(NodeId, u64)>> {
        let replica = local.replica;
        match &mut self.companion {
            Companion::Alone => {
                if replica.attached {
                    self.companion = Companion::Joining { floor: None };
                }
                None
            }
            Companion::Joining { floor: None } if replica.attached && local.waits => {
                // Every commit before this position may have been acknowledged alone; all later ones wait for the replica.
                self.companion = Companion::Joining { floor: Some((local.position, replica.life)) };
                None
            }
            Companion::Joining { floor: Some((_, life)) }
                if replica.attached && *life != replica.life && !is(Broken::JoinedReborn) =>
            {
                self.companion = Companion::Joining { floor: None };
                None
            }
            Companion::Joining { floor } if replica.attached => {
                let caught_up = floor.is_some_and(|(floor, _)| replica.stored >= floor) || is(Broken::RecordedTooSoon);
                caught_up.then_some(Some((other, replica.life)))
            }
            Companion::Joining { .. } => {
                self.companion = Companion::Alone;
                None
            }
            Companion::Counted { life, heard, stored, .. } => {
                let reborn = replica.attached && replica.life != *life && !is(Broken::JoinedReborn);
                if reborn || replica.gone {
                    // It was or will be started again, and will be counted on anew when it has everything.
                    return Some(None);
                }
                // It is not silent while it takes something, or when there is nothing to take; nor while the own database gives nothing.
                let gives_nothing = replica.stored >= local.position || local.process == Process::Silent;
                if replica.attached && (replica.stored > *stored || gives_nothing) {
                    *heard = now;
                }
                *stored = replica.stored;
                (now.millis_since(*heard) >= alone_ms).then_some(None)
            }
        }
    }

    /// A silent replica is about to be struck from the book, and commits would wait until then.
    pub fn waits(&self, now: Instant, alone_ms: u64) -> bool {
        match self.companion {
            Companion::Alone => false,
            Companion::Joining { .. } => true,
            Companion::Counted { heard, .. } => {
                !(is(Broken::AloneUnrecorded) && now.millis_since(heard) >= alone_ms / 2)
            }
        }
    }
}

impl Companion {
    fn counted(life: u64, now: Instant) -> Companion {
        Companion::Counted { life, since: now, heard: now, stored: 0 }
    }
}
