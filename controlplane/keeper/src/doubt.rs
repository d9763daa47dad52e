//! What a keeper cannot decide: an arbiter that knows less than it did.

use std::time::{Duration, Instant};

use cluster::{Book, Local, Process};

/// An answer that was overtaken by a later one is older too, but not for so long.
const LASTS: Duration = Duration::from_secs(3);
/// Where it is told what to do.
const PAGE: &str = "docs/when-etcd-is-lost.md";

/// Whether the arbiter was set back.
#[derive(Debug)]
pub struct Doubt {
    /// etcd is the arbiter. A server of two that joins the other one is told an older book rightly.
    by_etcd: bool,
    /// Since when it tells an older book than it told before, and that book's epoch.
    older: Option<(Instant, u64)>,
}

impl Doubt {
    /// None yet.
    pub fn new(by_etcd: bool) -> Doubt {
        Doubt { by_etcd, older: None }
    }

    /// The book was read; `known`: the newest one that was.
    pub fn read(&mut self, known: Option<Book>, read: Book) {
        let is_older = self.by_etcd && known.is_some_and(|known| known.version > read.version);
        let since = self.older.map_or_else(Instant::now, |(since, _)| since);
        self.older = is_older.then_some((since, read.epoch));
    }

    /// What an operator has to decide; empty: nothing. `home`: this node's database becomes primary where none ever was.
    pub fn told(&self, book: Option<Book>, home: bool, local: &Local) -> String {
        let Some(book) = book else { return String::new() };
        if let Some((_, epoch)) = self.older.filter(|(since, _)| since.elapsed() >= LASTS) {
            return format!(
                "etcd knows less than before (epoch {epoch} of the database, and it was {}): it was set back to an older state, and this \
                 keeper goes by what it knows until it is started again: {PAGE}",
                book.epoch
            );
        }
        let runs = local.process == Process::Running;
        if home && runs && book.holder.is_none() && local.position > 0 {
            return format!(
                "the arbiter knows of no primary, but this database has {} commits: it lost what it knew. Whoever was primary last \
                 must be it again: {PAGE}",
                local.position
            );
        }
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use units::NodeId;

    use super::*;

    fn book(version: u64, holder: Option<u16>) -> Book {
        Book { version, epoch: version, holder: holder.map(NodeId), held: holder.is_some(), ..Book::default() }
    }

    #[test]
    fn an_empty_book_is_a_doubt_where_there_are_commits() {
        let local = |position| Local { process: Process::Running, position, ..Local::default() };
        let doubt = Doubt::new(true);
        assert!(doubt.told(Some(book(0, None)), true, &local(9)).contains("has 9 commits"));
        for (told, home, position) in [(Some(book(0, None)), true, 0), (Some(book(0, None)), false, 9), (None, true, 9)]
        {
            assert_eq!(doubt.told(told, home, &local(position)), "", "{told:?} {home} {position}");
        }
        assert_eq!(doubt.told(Some(book(3, Some(1))), true, &local(9)), "");
    }

    #[test]
    fn a_book_that_stays_older_is_a_doubt_and_one_that_was_overtaken_is_none() {
        let (known, local) = (Some(book(9, Some(1))), Local::default());
        let mut doubt = Doubt::new(true);
        doubt.read(known, book(8, Some(1)));
        assert_eq!(doubt.told(known, true, &local), "");
        doubt.older = doubt.older.and_then(|(since, epoch)| Some((since.checked_sub(LASTS)?, epoch)));
        doubt.read(known, book(8, Some(1)));
        assert!(doubt.told(known, true, &local).starts_with("etcd knows less"), "{doubt:?}");
        doubt.read(known, book(9, Some(1)));
        assert_eq!(doubt.told(known, true, &local), "");
    }
}
