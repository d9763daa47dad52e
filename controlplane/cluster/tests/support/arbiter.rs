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
        match self.book.write(ask) {
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
