//! The arbiter: one book, one clock, and messages that may come late.

use cluster::{Ask, Book, Outcome, Write};

/// An ask on its way, or an answer.
pub struct Letter<T> {
    pub at: u64,
    pub node: usize,
    pub number: u64,
    pub text: T,
}

/// Written by one, read by all.
pub struct Arbiter {
    pub book: Book,
    /// When the lease ends, by the arbiter's clock.
    pub ends: u64,
    pub asks: Vec<Letter<Ask>>,
    pub answers: Vec<Letter<Outcome>>,
    pub reads: Vec<Letter<Book>>,
}

impl Arbiter {
    pub fn new() -> Arbiter {
        Arbiter { book: Book::default(), ends: 0, asks: vec![], answers: vec![], reads: vec![] }
    }

    /// Writes an ask; `Err`: refused.
    pub fn write(&mut self, now: u64, lease: u64, ask: Ask) -> Outcome {
        // Who takes has found the lease ended at this version, by the arbiter's word or by its own vigil: it need not be the arbiter's now.
        let found_free = matches!(ask.write, Write::Take(_) | Write::Seize) && ask.version == self.book.version;
        let book = if found_free { self.book.lapsed() } else { self.book };
        match book.write(ask) {
            Ok(book) => {
                self.book = book;
                if ask.write != Write::Leave {
                    self.ends = now + lease;
                }
                Outcome::Written(book)
            }
            Err(why) => Outcome::Refused(why, self.book),
        }
    }

    /// As long as nobody leads the arbiter's members no lease ends, and whoever leads next begins all of them anew.
    pub fn begin_anew(&mut self, now: u64, lease: u64) {
        self.ends = self.ends.max(now + lease);
    }

    /// True when the holder's time ended now.
    pub fn lapse(&mut self, now: u64) -> bool {
        let ended = self.book.held && now >= self.ends;
        if ended {
            self.book = self.book.lapsed();
        }
        ended
    }
}

/// Those that are due, in the order of their arrival.
pub fn due<T>(letters: &mut Vec<Letter<T>>, now: u64) -> Vec<Letter<T>> {
    let mut due: Vec<Letter<T>> = letters.extract_if(.., |letter| letter.at <= now).collect();
    due.sort_by_key(|letter| letter.at);
    due
}
