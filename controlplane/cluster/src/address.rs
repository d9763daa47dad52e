//! One node's part in keeping one shared address at one node.
//!
//! ```text
//!            lease ended: Seize                     a better place works for `hold_down_ms`
//!   Away ─────────────────────────▶ Here ──────────────────────────────────▶ Leaving
//!     ▲  ◀─────────────────────────┘                                            │
//!     │    time over, another holds, service sick: Drop                         │ address is down: Pass
//!     └─────────────────────────────────────────────────────────────────────────┘
//! ```

use units::{Instant, NodeId};

use crate::book::{Ask, Book, Write};
use crate::broken::{Broken, is};
use crate::keeper::Outcome;

/// What an operator sets. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressSettings {
    /// This node.
    pub me: NodeId,
    /// How many nodes are better places: 0 is the address's home.
    pub rank: u16,
    /// The arbiter's lease.
    pub takeover_ms: u64,
    /// So long must a better place work before the address goes there.
    pub hold_down_ms: u64,
    /// A free address waits so long for each better place that is not known to work.
    pub stagger_ms: u64,
    /// A node that is gone is told of as one that works for so long at most.
    pub told_ms: u64,
}

impl AddressSettings {
    /// The usual times: take-over after 10 s, back after 60 s, a second's grace a place, and a keeper's word that is over after eight.
    pub const fn new(me: NodeId, rank: u16) -> AddressSettings {
        AddressSettings { me, rank, takeover_ms: 10_000, hold_down_ms: 60_000, stagger_ms: 1_000, told_ms: 8_000 }
    }
}

/// What a keeper wants now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressTurn {
    /// The address is up here until this moment, at which a watchdog beside the program takes it down; `None`: it is down.
    pub up: Option<Instant>,
    /// To be sent to the arbiter once, and answered by [`AddressKeeper::on_answer`].
    pub ask: Option<Ask>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Not here. `free`: since when nobody holds it, as far as this node knows.
    Away { free: Option<Instant> },
    /// Up here.
    Here { until: Instant },
    /// Going down here, to be another's.
    Leaving { until: Instant, to: NodeId },
}

/// A better place that works, since when this node knows. A service that failed and works again is in another life.
#[derive(Clone, Copy, Debug)]
struct Better {
    node: NodeId,
    life: u64,
    since: Instant,
}

/// One node's part: see the module.
#[derive(Clone, Debug)]
pub struct AddressKeeper {
    settings: AddressSettings,
    phase: Phase,
    book: Book,
    asked: Option<(Instant, Ask)>,
    /// A write without an answer, by the version that it was decided on.
    unsure: Option<u64>,
    wrote: Instant,
    /// Since when the address is here.
    came: Instant,
    better: Option<Better>,
}

impl AddressKeeper {
    /// A node's beginning. The address must be down when the program starts.
    pub fn new(settings: AddressSettings) -> AddressKeeper {
        AddressKeeper {
            settings,
            phase: Phase::Away { free: None },
            book: Book::default(),
            asked: None,
            unsure: None,
            wrote: Instant::default(),
            came: Instant::default(),
            better: None,
        }
    }

    /// The book was read, or changed and was watched.
    pub fn on_book(&mut self, book: Book) {
        if book.version < self.book.version || (book.version == self.book.version && book.held && !self.book.held) {
            return;
        }
        if self.unsure.is_some_and(|version| book.version > version) {
            self.unsure = None;
        }
        let mine = book.held && book.holder == Some(self.settings.me) && book.epoch == self.book.epoch;
        if !mine && !matches!(self.phase, Phase::Away { .. }) {
            self.phase = Phase::Away { free: None };
        }
        self.book = book;
    }

    /// The arbiter's answer to the last ask.
    pub fn on_answer(&mut self, now: Instant, outcome: Outcome) {
        let Some((asked, ask)) = self.asked.take() else { return };
        match outcome {
            Outcome::Unknown => self.unsure = Some(ask.version),
            Outcome::Refused(_, book) => self.on_book(book),
            Outcome::Written(book) => {
                self.on_book(book);
                self.wrote = now;
                let mine = self.book == book && book.held && book.holder == Some(self.settings.me);
                // As for the database: a fifth is left for taking the address down and for unequal clocks.
                let until = asked.plus_millis(self.settings.takeover_ms - self.settings.takeover_ms / 5);
                match &mut self.phase {
                    Phase::Away { .. } if mine => (self.phase, self.came) = (Phase::Here { until }, now),
                    Phase::Here { until: end } | Phase::Leaving { until: end, .. } if mine => *end = until,
                    Phase::Away { .. } | Phase::Here { .. } | Phase::Leaving { .. } => {}
                }
            }
        }
    }

    /// Looks at the service here and at the best place that is better and works, if there is one, with how often its service has begun
    /// to work. `is_up`: the address is up here.
    pub fn turn(&mut self, now: Instant, works: bool, is_up: bool, better: Option<(NodeId, u64)>) -> AddressTurn {
        self.better = better.map(|(node, life)| match self.better {
            Some(known) if known.node == node && known.life == life => known,
            _ => Better { node, life, since: now },
        });
        let write = match self.phase {
            Phase::Away { free } => self.away(now, works, free),
            Phase::Here { until } => self.here(now, works, until),
            Phase::Leaving { until, to } => self.leave(now, is_up, until, to),
        };
        let ask = write.filter(|_| self.asked.is_none());
        let ask = ask.map(|write| Ask { by: self.settings.me, version: self.book.version, write });
        if let Some(ask) = ask {
            self.asked = Some((now, ask));
        }
        let up = match self.phase {
            Phase::Here { until } => Some(until),
            Phase::Leaving { until, .. } if is(Broken::PassedBeforeDown) => Some(until),
            Phase::Away { .. } | Phase::Leaving { .. } => None,
        };
        AddressTurn { up, ask }
    }

    fn away(&mut self, now: Instant, works: bool, free: Option<Instant>) -> Option<Write> {
        if self.book.held {
            self.phase = Phase::Away { free: None };
            let mine = self.book.holder == Some(self.settings.me);
            return mine.then_some(if works { Write::Renew } else { Write::Drop });
        }
        let since = free.unwrap_or(now);
        self.phase = Phase::Away { free: Some(since) };
        // Better places go first; the arbiter would let one of many win anyway, this only spares the way back.
        let grace = if self.better.is_some() { self.settings.stagger_ms * u64::from(self.settings.rank) } else { 0 };
        (works && now.millis_since(since) >= grace).then_some(Write::Seize)
    }

    fn here(&mut self, now: Instant, works: bool, until: Instant) -> Option<Write> {
        if now >= until && !is(Broken::NoDeadline) {
            self.phase = Phase::Away { free: None };
            return None;
        }
        if self.asked.is_some() {
            return None;
        }
        if !works && !is(Broken::SickStays) {
            self.phase = Phase::Away { free: None };
            return Some(Write::Drop);
        }
        let hold_down = if is(Broken::PassedToFlapping) { 0 } else { self.settings.hold_down_ms };
        // Who lost the address a moment ago may still be told of as one that works: its time begins when the address came here, and it is
        // over only when nobody would be told of it any more if it were gone.
        let due = |better: &Better| {
            let stale = better.since <= self.came && now.millis_since(self.came) < self.settings.told_ms;
            !stale && now.millis_since(better.since.max(self.came)) >= hold_down
        };
        if let Some(better) = self.better.filter(due) {
            self.phase = Phase::Leaving { until, to: better.node };
            return None;
        }
        let due = self.unsure.is_some() || now.millis_since(self.wrote) >= self.settings.takeover_ms / 5;
        due.then_some(Write::Renew)
    }

    fn leave(&mut self, now: Instant, is_up: bool, until: Instant, to: NodeId) -> Option<Write> {
        if now >= until {
            self.phase = Phase::Away { free: None };
            return None;
        }
        let settled = self.asked.is_none() && self.unsure.is_none();
        if settled && self.better.is_none_or(|better| better.node != to) {
            // The better place is gone, and the arbiter did not name it.
            self.phase = Phase::Here { until };
            return None;
        }
        if self.unsure.is_some() {
            return Some(Write::Renew);
        }
        // Down first: in between nobody has it, but never two.
        (!is_up || is(Broken::PassedBeforeDown)).then_some(Write::Pass(to))
    }
}
