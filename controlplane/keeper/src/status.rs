//! A keeper's word to everybody, as long as it lives, and the host that its number belongs to meanwhile.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use cluster::{Book, PairReport};
use live::{AddressStatus, Compare, Etcd, KEEPERS, KeeperStatus, Lease, LiveError, Write};

use crate::metrics::{self, Counts, View};
use crate::remote::RemoteView;

/// A keeper that tells nothing for so many seconds is gone.
const LIVES_S: u64 = 5;
/// Below it stands on which host a number's keeper runs.
const HOSTS: &str = "/tandem/host/";
/// Somebody else's word is over by then if he is gone, and its end known.
pub const GONE_MAX: Duration = Duration::from_secs(LIVES_S + 3);
/// Between two looks whether he is.
const LOOK: Duration = Duration::from_millis(250);

/// This host, or the part of it that has a network of its own.
fn host() -> String {
    let id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let network = std::fs::read_link("/proc/self/ns/net").unwrap_or_default();
    format!("{} {}", id.trim(), network.display())
}

/// Takes a number for this host, for as long as the lease is kept. Two keepers of one number would both hold what is the number's: the second one is
/// refused. One that was started again here goes on at once, one on another host when the first is gone. `None`: etcd does not
/// answer, and nothing is known.
pub fn take_number(etcd: &Etcd, node: u16) -> Result<Option<Lease>> {
    let (key, own, late) = (format!("{HOSTS}{node}"), host(), Instant::now() + GONE_MAX);
    let Ok(lease) = etcd.grant(LIVES_S) else { return Ok(None) };
    loop {
        let Ok(stands) = etcd.get(&key) else { return Ok(None) };
        let theirs = stands.as_ref().is_some_and(|stands| stands.value != own.as_bytes());
        let free = [Compare::WrittenBy(&key, stands.map_or(0, |stands| stands.revision))];
        if !theirs && matches!(etcd.change(&free, &[Write::Put(&key, own.as_bytes(), Some(lease))]), Ok(Some(_))) {
            return Ok(Some(lease));
        }
        if Instant::now() >= late {
            bail!(
                "another host's keeper is node {node} and lives: `tandem cluster join --from FILE --node N` gives this one a number of its own"
            );
        }
        let _ = etcd.keep(lease);
        std::thread::sleep(LOOK);
    }
}

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

    /// Says what the keeper cannot decide; empty: nothing.
    pub fn doubt(&self, doubt: String) {
        let mut status = self.status.lock().expect("nobody panics with the status");
        if status.doubt != doubt {
            if !doubt.is_empty() {
                tracing::error!(doubt, "an operator has to decide");
            }
            status.doubt = doubt;
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
    /// One that keeps a number as well.
    pub fn with(lease: Option<Lease>) -> Teller {
        Teller { lease, told: None }
    }

    /// Keeps the status alive, and writes it when it changed.
    pub fn tell(&mut self, etcd: &Etcd, status: &KeeperStatus) -> Result<(), LiveError> {
        let lease = match self.lease {
            Some(lease) if etcd.keep(lease)? => lease,
            _ => {
                self.told = None;
                let lease = etcd.grant(LIVES_S)?;
                etcd.put(&format!("{HOSTS}{}", status.node), host().as_bytes(), Some(lease))?;
                *self.lease.insert(lease)
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
