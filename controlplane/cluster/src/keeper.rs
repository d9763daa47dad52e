//! One node's part in keeping one database primary.
//!
//! ```text
//!            lease ended, has everything: Take                  other one is home and ready
//!   Standby ───────────────────────────────────▶ Holding ───────────────────────────────▶ Handing
//!      ▲                                            │  ◀────────────────────────────────     │
//!      │ process is dead                            │        not ready in `freeze_ms`        │ Give written
//!   Falling ◀───────────────────────────────────────┘                                        │
//!      ▲          time over, another holds, process died                                     ▼
//!      └──────────────────────────────────────────────────────────── time over         Standby, as replica
//! ```

use units::{Instant, NodeId};

use crate::book::{Ask, Book, Refused, Write};
use crate::broken::{Broken, is};
use crate::reign::{Companion, Local, Process, Reign};

/// A replica that has applied what was committed so long ago, or up to twice as long, keeps pace. One that has the very last commit is not
/// to be seen while somebody writes: both are asked one after the other.
const PAST_MS: u64 = 200;

/// Whoever orders a swap waits a little longer than this, and is told then that it will not happen: it must not happen later.
const ORDER_MS: u64 = 15_000;

/// What an operator sets. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// This node.
    pub me: NodeId,
    /// The node of the other database.
    pub other: NodeId,
    /// The node where the database lives while all is well: one of the two.
    pub home: NodeId,
    /// After this long without a sign of the holder the other takes over. The arbiter's lease has this length.
    pub takeover_ms: u64,
    /// So long must the home node be in sync before the database goes back to it.
    pub hold_down_ms: u64,
    /// A replica that takes nothing for this long is struck from the book, one whose process is dead at once; commits wait meanwhile.
    pub alone_ms: u64,
    /// Writes stop at most this long for handing over; then they go on here.
    pub freeze_ms: u64,
    /// A database whose process lives is given up when it answered nothing for this long and its replica has everything.
    pub silent_ms: u64,
}

impl Settings {
    /// The usual times: take-over after 10 s, back after 60 s in sync.
    pub const fn new(me: NodeId, other: NodeId, home: NodeId) -> Settings {
        let (takeover_ms, hold_down_ms, alone_ms) = (10_000, 60_000, 5_000);
        Settings { me, other, home, takeover_ms, hold_down_ms, alone_ms, freeze_ms: 1_000, silent_ms: 60_000 }
    }

    /// A fifth of the lease is left for killing the database and for clocks that run unequally fast.
    fn reign_ms(&self) -> u64 {
        self.takeover_ms - self.takeover_ms / 5
    }

    fn renew_ms(&self) -> u64 {
        self.takeover_ms / 5
    }
}

/// What the local database must be. The program makes it so, as often as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// No process: kill -9. A shutdown or `read_only` would commit what waits for the replica.
    Stopped,
    /// Running, read-only, following nobody.
    Standby,
    /// Running, read-only, following the database of this node by GTID, acknowledging what it stores.
    Replica(NodeId),
    /// As `Replica`, from a fresh copy of that database: the own one has commits that were never acknowledged.
    Clone(NodeId),
    /// Everything received is applied, then it takes writes. `wait`: a commit is acknowledged only after the replica has it.
    Primary {
        /// Acknowledge only what the replica has.
        wait: bool,
        /// The moment at which it is killed unless a later one is told before, by a watchdog beside the program.
        until: Instant,
    },
    /// As `Primary`, but writes are stopped. A database that took none before, for it was just started, begins to take none.
    Frozen {
        /// As with `Primary`.
        wait: bool,
        /// As with `Primary`.
        until: Instant,
    },
}

/// What a keeper wants now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// What the database must be.
    pub role: Role,
    /// The database's shared address belongs here.
    pub address: bool,
    /// To be sent to the arbiter once. Every ask must be answered by [`Keeper::on_answer`], at the latest with `Unknown`.
    pub ask: Option<Ask>,
}

/// What became of an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is written; the book after it.
    Written(Book),
    /// It is not, and will not be; the book as it is.
    Refused(Refused, Book),
    /// No answer came. It may have been written, or may still be.
    Unknown,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The process must be seen dead before anything else.
    Falling,
    /// Read-only: follows the holder, or waits to become it.
    Standby,
    /// Takes writes.
    Holding(Reign),
    /// Writes are stopped since then, to hand over. `given`: it was asked for.
    Handing { reign: Reign, since: Instant, given: bool },
}

/// A write without an answer.
#[derive(Clone, Copy, Debug)]
struct Unsure {
    /// What it was decided on: it can no longer happen once the book is newer.
    version: u64,
    /// It said something about the replica.
    of_sync: bool,
}

/// One node's part: see the module.
#[derive(Clone, Debug)]
pub struct Keeper {
    settings: Settings,
    phase: Phase,
    book: Option<Book>,
    asked: Option<(Instant, Ask)>,
    unsure: Option<Unsure>,
    wrote: Instant,
    ordered: bool,
    /// When the order was first looked at.
    ordered_at: Option<Instant>,
    /// The book was told that it must not count on this database.
    left: bool,
    /// An operator wants this database to be primary, although acknowledged commits may be lost.
    insisted: bool,
    /// Since when the process lives and does not answer.
    silent: Option<Instant>,
    /// How many commits the database had: one to two times [`PAST_MS`] ago, and since then, with when that was.
    past: (u64, u64, Instant),
}

impl Keeper {
    /// A node's beginning. The database's process must die with the program that runs the keeper.
    pub fn new(settings: Settings) -> Keeper {
        assert!(
            settings.alone_ms < settings.reign_ms(),
            "a silent replica is struck before the holder's own time is over"
        );
        Keeper {
            settings,
            phase: Phase::Falling,
            book: None,
            asked: None,
            unsure: None,
            wrote: Instant::default(),
            ordered: false,
            ordered_at: None,
            left: false,
            insisted: false,
            silent: None,
            past: (0, 0, Instant::default()),
        }
    }

    /// An operator wants the other database to be primary. An order that cannot be carried out soon lapses.
    pub fn hand_over(&mut self) {
        (self.ordered, self.ordered_at) = (true, None);
    }

    /// An operator insists that this database becomes primary, although it may lack acknowledged commits: whoever has them will not come
    /// back. It does as soon as nobody holds the service; as long as somebody does, nothing is insisted on.
    pub fn insist(&mut self) {
        self.insisted = self.book.is_some_and(|book| !book.held);
    }

    /// The book as last seen.
    pub fn book(&self) -> Option<Book> {
        self.book
    }

    /// The book was read, or changed and was watched. Older ones than the one known change nothing.
    pub fn on_book(&mut self, now: Instant, book: Book) {
        let newer =
            self.book.is_none_or(|known| book.version > known.version || (book.version == known.version && !book.held));
        if !newer {
            return;
        }
        self.book = Some(book);
        self.insisted &= !book.held;
        if self.unsure.is_some_and(|unsure| book.version > unsure.version) {
            self.unsure = None;
        }
        let (Phase::Holding(reign) | Phase::Handing { reign, .. }) = &mut self.phase else { return };
        if book.holder == Some(self.settings.me) && book.epoch == reign.epoch && book.held {
            reign.on_book(book.replica().map(|(_, life)| life), now);
        } else if matches!(self.phase, Phase::Handing { .. }) && book.holder == Some(self.settings.other) {
            // Nothing is on its way in a frozen database: it follows as it is.
            self.phase = Phase::Standby;
        } else {
            self.phase = Phase::Falling;
        }
    }

    /// The arbiter's answer to the last ask.
    pub fn on_answer(&mut self, now: Instant, outcome: Outcome) {
        let Some((asked, ask)) = self.asked.take() else { return };
        match outcome {
            Outcome::Unknown => {
                let of_sync = matches!(ask.write, Write::Sync(_)) || self.unsure.is_some_and(|earlier| earlier.of_sync);
                self.unsure = Some(Unsure { version: ask.version, of_sync });
            }
            Outcome::Refused(_, book) => self.on_book(now, book),
            Outcome::Written(book) => {
                self.on_book(now, book);
                self.left |= ask.write == Write::Leave;
                self.wrote = now;
                let mine = self.book == Some(book) && book.held && book.holder == Some(self.settings.me);
                if mine {
                    self.confirmed(now, asked, book);
                }
            }
        }
    }

    /// The arbiter wrote that this node holds the service.
    fn confirmed(&mut self, now: Instant, asked: Instant, book: Book) {
        let counted_from = if is(Broken::CountedFromAnswer) { now } else { asked };
        let until = counted_from.plus_millis(self.settings.reign_ms());
        match &mut self.phase {
            Phase::Holding(reign) | Phase::Handing { reign, .. } => reign.until = until,
            Phase::Standby => {
                let counted = book.replica().map(|(_, life)| life);
                self.phase = Phase::Holding(Reign::new(book.epoch, until, counted, now));
            }
            Phase::Falling => {}
        }
    }

    /// Looks at the database and says what must be.
    pub fn turn(&mut self, now: Instant, local: &Local) -> Turn {
        self.silent = (local.process == Process::Silent).then(|| {
            // It was asked in vain for a while before it was called silent.
            let answered = Instant::from_micros(now.micros().saturating_sub(local.silent_ms.saturating_mul(1_000)));
            self.silent.map_or(answered, |known| known.min(answered))
        });
        self.left &= local.diverged;
        let ordered_at = self.ordered.then(|| self.ordered_at.unwrap_or(now));
        self.ordered = ordered_at.is_some_and(|since| now.millis_since(since) < ORDER_MS);
        self.ordered_at = ordered_at;
        if now.millis_since(self.past.2) >= PAST_MS {
            self.past = (self.past.1, local.position, now);
        }
        self.judge(now, local);
        let write = match self.phase {
            Phase::Falling => None,
            Phase::Standby => self.claim(local),
            Phase::Holding(_) => self.hold(now, local),
            Phase::Handing { .. } => self.hand(now, local),
        };
        let ask = match (write, self.book, self.asked) {
            (Some(write), Some(book), None) => Some(Ask { by: self.settings.me, version: book.version, write }),
            _ => None,
        };
        if let Some(ask) = ask {
            self.asked = Some((now, ask));
        }
        let address = match self.phase {
            Phase::Holding(_) => local.writable,
            Phase::Handing { .. } => true,
            Phase::Falling | Phase::Standby => false,
        };
        Turn { role: self.role(now, local), address, ask }
    }

    /// What ends a phase by itself.
    fn judge(&mut self, now: Instant, local: &Local) {
        match self.phase {
            Phase::Falling if local.process == Process::Dead => self.phase = Phase::Standby,
            Phase::Standby if local.writable => self.phase = Phase::Falling,
            Phase::Holding(reign) | Phase::Handing { reign, .. } if now >= reign.until && !is(Broken::NoDeadline) => {
                self.phase = Phase::Falling;
            }
            Phase::Falling | Phase::Standby | Phase::Holding(_) | Phase::Handing { .. } => {}
        }
    }

    /// A database that is not primary: may it become so?
    fn claim(&self, local: &Local) -> Option<Write> {
        let book = self.book?;
        let me = Some(self.settings.me);
        if local.process != Process::Running {
            return None;
        }
        // An arbiter that lost what it knew knows of no primary either: then somebody has to look whose commits are the last.
        let founds = book.holder.is_none() && self.settings.home == self.settings.me && local.position == 0;
        if book.held {
            let leaves = self.wants_copy(&book, local) && !self.left;
            return (book.holder == me).then_some(Write::Renew).or_else(|| leaves.then_some(Write::Leave));
        }
        let has_all = self.is_heir(&book, local) || book.holder == me || founds || is(Broken::TakesWithoutSync);
        let insists = self.insisted && local.drained;
        has_all.then_some(Write::Take(local.life)).or_else(|| insists.then_some(Write::Seize))
    }

    /// It cannot follow the holder with what it has, and the book does not count on that.
    fn wants_copy(&self, book: &Book, local: &Local) -> bool {
        let me = Some(self.settings.me);
        // Who takes over may need this copy as long as the book counts on it.
        let counted = book.sync == me && !is(Broken::ClonesWhileCounted);
        local.diverged && book.held && book.holder != me && !counted
    }

    fn may_inherit(&self, book: &Book, local: &Local) -> bool {
        let counted = book.counts_on(self.settings.me, local.life) && !is(Broken::TakesUnapplied);
        counted || (self.insisted && local.process == Process::Running)
    }

    /// A replica that has everything, and none of it in a place that is emptied when it is started again.
    fn is_heir(&self, book: &Book, local: &Local) -> bool {
        book.counts_on(self.settings.me, local.life) && (local.drained || is(Broken::TakesUnapplied))
    }

    /// A database that takes writes: what has the book to say?
    fn hold(&mut self, now: Instant, local: &Local) -> Option<Write> {
        let settings = self.settings;
        let Phase::Holding(reign) = &mut self.phase else { return None };
        // Overload looks like death: a database that is silent keeps its place, but not for ever.
        let silent_ms = if is(Broken::SlowIsDead) { 0 } else { settings.silent_ms };
        let hangs = self.silent.is_some_and(|since| now.millis_since(since) >= silent_ms);
        let dead = local.process == Process::Dead || hangs;
        let counted = matches!(reign.companion, Companion::Counted { .. });
        if dead && counted && self.asked.is_none() && self.unsure.is_none() {
            self.phase = Phase::Falling;
            return Some(Write::Drop);
        }
        if self.asked.is_some() {
            return None;
        }
        if let Some(sync) = reign.look(now, local, settings.other, settings.alone_ms) {
            return Some(Write::Sync(sync));
        }
        if self.may_hand(now, local) {
            if let Phase::Holding(reign) = self.phase {
                self.phase = Phase::Handing { reign, since: now, given: false };
            }
            self.ordered = false;
            return None;
        }
        let due = self.unsure.is_some() || now.millis_since(self.wrote) >= settings.renew_ms();
        due.then_some(Write::Renew)
    }

    /// The other database is ready to become primary, and somebody wants that.
    fn may_hand(&self, now: Instant, local: &Local) -> bool {
        let Phase::Holding(Reign { companion: Companion::Counted { since, .. }, .. }) = self.phase else {
            return false;
        };
        let in_sync = now.millis_since(since) >= self.settings.hold_down_ms || is(Broken::NoHoldDown);
        let homesick = self.settings.home == self.settings.other && in_sync;
        let replica = local.replica;
        // What is left is applied while writes are stopped: that must be little.
        (homesick || self.ordered) && self.unsure.is_none() && replica.attached && replica.applied >= self.past.0
    }

    /// Writes are stopped: give, or go on.
    fn hand(&mut self, now: Instant, local: &Local) -> Option<Write> {
        let Phase::Handing { reign, since, given } = self.phase else { return None };
        let late = now.millis_since(since) >= self.settings.freeze_ms;
        let settled = self.asked.is_none() && self.unsure.is_none();
        if (settled && (given || late)) || (late && is(Broken::ThawedUnsure)) {
            // The hold-down begins anew: whatever made it late may last.
            let companion = match reign.companion {
                Companion::Counted { life, heard, stored, .. } => {
                    Companion::Counted { life, since: now, heard, stored }
                }
                other @ (Companion::Alone | Companion::Joining { .. }) => other,
            };
            self.phase = Phase::Holding(Reign { companion, ..reign });
            return None;
        }
        if self.asked.is_some() {
            return None;
        }
        if self.unsure.is_some() {
            // A later write of ours settles what became of the one without an answer.
            return Some(Write::Renew);
        }
        let ready = local.frozen && local.replica.attached && local.replica.applied >= local.position;
        if !ready && !is(Broken::GivenTooSoon) {
            return None;
        }
        self.phase = Phase::Handing { reign, since, given: true };
        Some(Write::Give(self.settings.other, local.life))
    }

    fn role(&self, now: Instant, local: &Local) -> Role {
        let wait = |reign: &Reign| {
            let recording = matches!(self.asked, Some((_, Ask { write: Write::Sync(_), .. })));
            let recording = recording || self.unsure.is_some_and(|unsure| unsure.of_sync);
            reign.waits(now, self.settings.alone_ms) || (recording && !is(Broken::AloneUnrecorded))
        };
        match &self.phase {
            Phase::Falling => Role::Stopped,
            Phase::Standby => self.follow(local),
            // It stays dead until the other may take over: starting it again may take longer than that.
            Phase::Holding(Reign { companion: Companion::Counted { .. }, .. }) if local.process == Process::Dead => {
                Role::Stopped
            }
            Phase::Holding(reign) => Role::Primary { wait: wait(reign), until: reign.until },
            Phase::Handing { reign, .. } => Role::Frozen { wait: wait(reign), until: reign.until },
        }
    }

    fn follow(&self, local: &Local) -> Role {
        let Some(book) = self.book else { return Role::Standby };
        match book.holder {
            // Nobody holds it and this node may: it receives no more, so that it has applied everything some time.
            Some(_) if !book.held && self.may_inherit(&book, local) => Role::Standby,
            Some(holder) if holder != self.settings.me => {
                let told = self.left || is(Broken::ClonesUnasked) || is(Broken::ClonesWhileCounted);
                if told && self.wants_copy(&book, local) { Role::Clone(holder) } else { Role::Replica(holder) }
            }
            _ => Role::Standby,
        }
    }
}
