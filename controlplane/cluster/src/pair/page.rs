//! What two servers keep and tell each other.

use units::{Instant, NodeId};

use crate::book::{Ask, Book, Refused};

/// What a server may do with its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Write alone: the other can do nothing until it is told everything.
    Solo,
    /// Write what both have kept.
    Paired,
    /// Copy and follow.
    Joining,
}

/// A server's page: the book, and what it may do with it. It is on the server's disk before anybody hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Raised whenever one goes on alone, and whenever both go on together again.
    pub view: u64,
    /// What this server may do.
    pub standing: Standing,
    /// Who orders the writes while both go on together.
    pub scribe: NodeId,
    /// The book, held or not as it was when it was written.
    pub book: Book,
    /// The number of the ask that this page is the answer to; 0: of none.
    pub cause: u64,
}

impl Page {
    /// The first page of the server that a pair begins with.
    pub fn founded(me: NodeId) -> Page {
        Page { view: 1, standing: Standing::Solo, scribe: me, book: Book::default(), cause: 0 }
    }

    /// The first page of the one that is added, and of one that lost its disk.
    pub fn joining(other: NodeId) -> Page {
        Page { view: 0, standing: Standing::Joining, scribe: other, book: Book::default(), cause: 0 }
    }
}

/// What one server says to the other, several times a second and on every path. Whoever carries it proves that it is the other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Drawn when the sender started.
    pub life: u64,
    /// The sender's clock; each beat has a later one.
    pub stamp: Instant,
    /// Whoever begins a life must repeat this number of the other's: an old beat cannot.
    pub question: u64,
    /// The question of the other that was heard last.
    pub answer: u64,
    /// The other's life, and the newest stamp that was heard of it.
    pub heard: Option<(u64, Instant)>,
    /// A tie-breaker answers the sender.
    pub tied: bool,
    /// The sender's page.
    pub page: Page,
    /// What the sender's keeper asks for, with a number.
    pub ask: Option<(u64, Ask)>,
    /// Why what the other asked for with this number is not written.
    pub refused: Option<(u64, Refused)>,
}
