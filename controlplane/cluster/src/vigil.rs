//! When a holder that writes nothing any more is gone, by the clock of whoever looks.
//!
//! The arbiter ends a lease when its time is over, but an arbiter that has just chosen another leader begins every lease anew: a holder that
//! went together with the leading member would be waited for twice. Whoever reads the book need not wait for that. A holder's own time counts
//! from before it asked for its last write, and that write was made before anybody read it: when the lease's length has passed since a
//! version was first read, and the book is written only if it is still of that version, the holder's time is over.

use units::Instant;

use crate::book::Book;
use crate::broken::{Broken, is};

/// One node's watch over one book.
#[derive(Clone, Copy, Debug)]
pub struct Vigil {
    lease_ms: u64,
    /// The latest version that was read, and when that was first.
    seen: Option<(u64, Instant)>,
}

impl Vigil {
    /// `lease_ms`: the lease's length. Nothing was read yet.
    pub const fn new(lease_ms: u64) -> Vigil {
        Vigil { lease_ms, seen: None }
    }

    /// The book as it was read, with its lease ended if nobody wrote for the lease's length. `now`: after it was read.
    pub fn judge(&mut self, now: Instant, book: Book) -> Book {
        let lease_ms = if is(Broken::LapsedTooSoon) { self.lease_ms / 4 } else { self.lease_ms };
        match self.seen {
            Some((version, since)) if version == book.version => {
                if now.millis_since(since) >= lease_ms {
                    book.lapsed()
                } else {
                    book
                }
            }
            // An answer that was overtaken says nothing about this moment.
            Some((version, _)) if version > book.version => book,
            _ => {
                self.seen = Some((book.version, now));
                book
            }
        }
    }
}
