//! A keeper's word to everybody, as long as it lives.

use std::sync::{Arc, Mutex};

use cluster::{Book, PairReport};
use live::{AddressStatus, Etcd, KEEPERS, KeeperStatus, Lease, LiveError};

use crate::metrics::{self, Counts, View};
use crate::remote::RemoteView;

/// A keeper that tells nothing for so many seconds is gone.
const LIVES_S: u64 = 5;

/// The word that this keeper's threads put together.
#[derive(Clone, Debug, Default)]
pub struct Told {
    status: Arc<Mutex<KeeperStatus>>,
    book: Arc<Mutex<Option<Book>>>,
    remote: Arc<Mutex<Option<RemoteView>>>,
    /// What is counted for metrics.
    pub counts: Arc<Counts>,
}

impl Told {
    /// Nothing yet.
    pub fn new(node: u16) -> Told {
        let version = live::version().to_owned();
        let status = KeeperStatus { node, version, ..KeeperStatus::default() };
        Told { status: Arc::new(Mutex::new(status)), ..Told::default() }
    }

    /// As it is at this moment.
    pub fn now(&self) -> KeeperStatus {
        self.status.lock().expect("nobody panics with the status").clone()
    }

    /// The database's book, as it is known.
    pub fn book(&self, book: Option<Book>) {
        *self.book.lock().expect("nobody panics with the book") = book;
    }

    /// What is known of a replica in another data centre, by its own keeper.
    pub fn remote(&self, view: RemoteView) {
        *self.remote.lock().expect("nobody panics with the view") = Some(view);
    }

    /// Everything, for whoever gathers metrics, with what two servers without a third know.
    pub fn metrics(&self, pair: Option<&PairReport>) -> String {
        let book = *self.book.lock().expect("nobody panics with the book");
        let remote = *self.remote.lock().expect("nobody panics with the view");
        metrics::text(&View { status: &self.now(), book, remote, counts: &self.counts, pair })
    }

    /// Says what is to be said of the database.
    pub fn database(&self, change: impl FnOnce(&mut KeeperStatus)) {
        let mut status = self.status.lock().expect("nobody panics with the status");
        let before = status.role.clone();
        change(&mut status);
        if status.role != before {
            status.since = jiff::Timestamp::now().as_second();
        }
    }

    /// Says what is to be said of an address; since when is known here.
    pub fn address(&self, mut address: AddressStatus) {
        let mut status = self.status.lock().expect("nobody panics with the status");
        let known = status.addresses.iter_mut().find(|known| known.name == address.name);
        let now = jiff::Timestamp::now();
        (address.since, address.works_since_ms) = (now.as_second(), now.as_millisecond());
        if let Some(known) = &known {
            if (known.here, known.up) == (address.here, address.up) {
                address.since = known.since;
            }
            if known.works == address.works {
                address.works_since_ms = known.works_since_ms;
            }
        }
        match known {
            Some(known) => *known = address,
            None => status.addresses.push(address),
        }
    }
}

/// Writes statuses under one lease.
#[derive(Debug, Default)]
pub struct Teller {
    lease: Option<Lease>,
    told: Option<KeeperStatus>,
}

impl Teller {
    /// Keeps the status alive, and writes it when it changed.
    pub fn tell(&mut self, etcd: &Etcd, status: &KeeperStatus) -> Result<(), LiveError> {
        let lease = match self.lease {
            Some(lease) if etcd.keep(lease)? => lease,
            _ => {
                self.told = None;
                *self.lease.insert(etcd.grant(LIVES_S)?)
            }
        };
        if self.told.as_ref() != Some(status) {
            let text = serde_json::to_vec(status).expect("a status is plain data");
            etcd.put(&format!("{KEEPERS}{}", status.node), &text, Some(lease))?;
            self.told = Some(status.clone());
        }
        Ok(())
    }
}
