//! The pure core's arbiter, as etcd keeps it: two keys a service, changed by transactions that compare what was read.
//!
//! `…/book` says who holds the service, in which epoch, and who has every commit; its revision is the book's version. `…/holder` is there
//! as long as the holder's lease lives.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use cluster::{Ask, Book, Outcome, Refused, Vigil, Write};
use live::{Compare, Entry, Etcd, Lease, LiveError, THRONES, Throne};
use units::NodeId;

use crate::clock::now;

/// A page of the book with what a transaction has to compare.
#[derive(Clone, Copy, Debug, Default)]
pub struct Read {
    /// As the pure core sees it.
    pub book: Book,
    /// As it is written.
    pub written: Throne,
    lease: Option<Lease>,
    holder_revision: i64,
}

/// The book of one service.
#[derive(Clone, Debug)]
pub struct Arbiter {
    etcd: Arc<Etcd>,
    prefix: String,
    lease_s: u64,
    /// etcd waits longer for a holder that went together with etcd's leading member.
    vigil: Arc<Mutex<Vigil>>,
}

impl Arbiter {
    /// `lease_s`: the lease's length in seconds.
    pub fn new(etcd: Arc<Etcd>, service: &str, lease_s: u64) -> Arbiter {
        let vigil = Arc::new(Mutex::new(Vigil::new(lease_s * 1_000)));
        Arbiter { etcd, prefix: format!("{THRONES}{service}/"), lease_s, vigil }
    }

    /// The book as a majority knows it, with its lease ended where nobody wrote for the lease's length.
    pub fn read(&self) -> Result<Read, LiveError> {
        let page = self.etcd.list(&self.prefix)?;
        let find = |name: &str| page.entries.iter().find(|entry| entry.key == self.key(name));
        let holder: Option<&Entry> = find("holder");
        let Some(entry) = find("book") else { return Ok(Read::default()) };
        let written: Throne = serde_json::from_slice(&entry.value)
            .map_err(|error| LiveError::Refused(format!("{} is not ours: {error}", entry.key)))?;
        let book = Book {
            version: entry.revision.unsigned_abs(),
            epoch: written.epoch,
            holder: written.holder.map(NodeId),
            held: holder.is_some(),
            sync: written.sync.map(NodeId),
            sync_life: written.sync_life,
        };
        let book = self.vigil.lock().expect("nobody panics with the vigil").judge(now(), book);
        let lease = holder.and_then(|entry| entry.lease);
        Ok(Read { book, written, lease, holder_revision: holder.map_or(0, |entry| entry.revision) })
    }

    /// Writes what is asked, if the book is still what it was decided on.
    pub fn write(&self, ask: Ask) -> Outcome {
        self.try_write(ask).unwrap_or_else(|error| {
            tracing::warn!(write = ?ask.write, error = error.to_string(), "the arbiter did not answer");
            Outcome::Unknown
        })
    }

    fn try_write(&self, ask: Ask) -> Result<Outcome, LiveError> {
        let read = self.read()?;
        let next = match read.book.write(ask) {
            Ok(next) => next,
            Err(refused) => return Ok(Outcome::Refused(refused, read.book)),
        };
        let reigns = next.epoch != read.book.epoch;
        // The lease begins before the book says so and after the keeper looked at its clock: it ends later than the keeper counts on.
        let lease = match (ask.write, read.lease) {
            (Write::Drop | Write::Leave, _) => None,
            (_, Some(lease)) if !reigns => {
                if !self.etcd.keep(lease)? {
                    return Ok(Outcome::Refused(Refused::NotHolder, read.book.lapsed()));
                }
                Some(lease)
            }
            _ => Some(self.etcd.grant(self.lease_s)?),
        };
        let written = Throne {
            epoch: next.epoch,
            holder: next.holder.map(|node| node.0),
            sync: next.sync.map(|node| node.0),
            sync_life: next.sync_life,
            since: if reigns { jiff::Timestamp::now().as_second() } else { read.written.since },
        };
        let revision = self.put(&read, &next, &written, lease, reigns)?;
        let Some(revision) = revision else {
            if let (Some(lease), true) = (lease, reigns) {
                // Nobody holds by it; else it ends by itself.
                let _ = self.etcd.revoke(lease);
            }
            return Ok(Outcome::Refused(Refused::Stale, self.read()?.book));
        };
        Ok(Outcome::Written(Book { version: revision.unsigned_abs(), ..next }))
    }

    fn put(
        &self,
        read: &Read,
        next: &Book,
        written: &Throne,
        lease: Option<Lease>,
        reigns: bool,
    ) -> Result<Option<i64>, LiveError> {
        let (book, holder) = (self.key("book"), self.key("holder"));
        let text = serde_json::to_vec(written).expect("a book is plain data");
        let name = next.holder.map_or_else(String::new, |node| node.to_string());
        let version = i64::try_from(read.book.version).expect("etcd's revisions are signed");
        let compare = [Compare::WrittenBy(&book, version), Compare::WrittenBy(&holder, read.holder_revision)];
        let mut then = vec![live::Write::Put(&book, &text, None)];
        if !next.held {
            then.push(live::Write::Delete(&holder));
        } else if reigns {
            then.push(live::Write::Put(&holder, name.as_bytes(), lease));
        }
        self.etcd.change(&compare, &then)
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// Reads the book again and again, until nobody wants to know.
pub fn read_on(arbiter: &Arbiter, pause: Duration, wanted: impl Fn(Book) -> bool) {
    loop {
        if let Ok(read) = arbiter.read()
            && !wanted(read.book)
        {
            return;
        }
        thread::sleep(pause);
    }
}

/// Writes what is asked, one after the other, until nobody asks or wants to know.
pub fn write_on(arbiter: &Arbiter, asks: &Receiver<Ask>, wanted: impl Fn(Outcome) -> bool) {
    for ask in asks {
        if !wanted(arbiter.write(ask)) {
            return;
        }
    }
}
