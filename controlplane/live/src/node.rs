//! What a node tells the others of itself.

use std::net::SocketAddr;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use cluster::words::{DOUBLES, DRAINS, NODES};
use serde::{Deserialize, Serialize};

use crate::etcd::{Etcd, LiveError};
use crate::wire::{Compare, Lease, Write};

/// For so many seconds it is told that two programs have one number, and it is told anew after so long.
const DOUBLED_S: u64 = 15;
const DOUBLED_AGAIN: Duration = Duration::from_secs(5);

/// A node that is there. Fields that a reader does not know are passed over, those that are missing are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Its number, 1 to 65,535.
    pub number: u16,
    /// What it does: `core`, `balancer`, `web`, `controller`, `sql` and others.
    pub roles: Vec<String>,
    /// Where it hears SIP over UDP.
    pub sip: Vec<SocketAddr>,
    /// Where it hears balancers.
    pub behind: Vec<Behind>,
    /// Calls that run on it.
    pub calls: u32,
    /// Calls that may run on it; 0: not known.
    pub calls_max: u32,
    /// It takes no calls that are not there yet: it goes down, or finds itself overloaded.
    pub leaving: bool,
    /// Which version of the program it is; empty: it is from before that was told.
    pub version: String,
}

/// A listener that balancers stand before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// Where it is.
    pub at: SocketAddr,
    /// Whom it hears.
    pub balancers: Vec<SocketAddr>,
}

/// Keeps a word about a node alive by a thread, and removes it when dropped. When etcd is away it comes back with it.
#[derive(Debug)]
pub struct Presence<T = Node> {
    word: Arc<Mutex<T>>,
    nudge: Option<Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl Presence<Node> {
    /// Tells of the node. It is taken for gone when nothing was heard of it for so many seconds, two at least.
    pub fn start(etcd: Arc<Etcd>, node: Node, seconds: u64) -> Presence {
        Presence::at(etcd, format!("{NODES}{}", node.number), node, seconds)
    }
}

impl<T: Clone + PartialEq + Serialize + Send + 'static> Presence<T> {
    /// Tells a word under a key of its own. It is gone when nothing was told for so many seconds, two at least.
    pub fn at(etcd: Arc<Etcd>, key: String, word: T, seconds: u64) -> Presence<T> {
        let word = Arc::new(Mutex::new(word));
        let (nudge, nudged) = mpsc::channel();
        let theirs = word.clone();
        let run = move || {
            let mut teller = Teller { etcd, key, word: theirs, seconds, lease: None, told: None, doubled: None };
            let mut failed = String::new();
            loop {
                let why = teller.tell().err().map_or_else(String::new, |error| error.to_string());
                if !why.is_empty() {
                    teller.told = None;
                    if why != failed {
                        tracing::warn!(error = why, "the other nodes are not told of this one");
                    }
                }
                failed = why;
                match nudged.recv_timeout(Duration::from_secs(seconds) / 5) {
                    Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            if let Some(lease) = teller.lease {
                // Who cannot say goodbye is missed when the lease ends.
                let _ = teller.etcd.revoke(lease);
            }
        };
        let keeper = thread::Builder::new().name("live presence".to_owned()).spawn(run);
        Presence { word, nudge: Some(nudge), keeper: Some(keeper.expect("the system starts threads")) }
    }

    /// Changes what is told: at once if it is another than before.
    pub fn update(&self, change: impl FnOnce(&mut T)) {
        let mut word = self.word.lock().expect("nobody panics with the word");
        let before = word.clone();
        change(&mut word);
        if *word != before
            && let Some(nudge) = &self.nudge
        {
            // The thread lives as long as this sender.
            let _ = nudge.send(());
        }
    }
}

impl<T> Drop for Presence<T> {
    fn drop(&mut self) {
        drop(self.nudge.take());
        if let Some(keeper) = self.keeper.take() {
            // A keeper that panicked has no lease to give back.
            let _ = keeper.join();
        }
    }
}

struct Teller<T> {
    etcd: Arc<Etcd>,
    key: String,
    word: Arc<Mutex<T>>,
    seconds: u64,
    lease: Option<Lease>,
    told: Option<T>,
    /// When it was last told that somebody else tells under the same key.
    doubled: Option<Instant>,
}

impl<T: Clone + PartialEq + Serialize> Teller<T> {
    fn tell(&mut self) -> Result<(), LiveError> {
        let lease = match self.lease {
            Some(lease) if self.etcd.keep(lease)? => {
                self.look_for_another(lease)?;
                lease
            }
            _ => {
                self.told = None;
                let lease = self.etcd.grant(self.seconds)?;
                *self.lease.insert(lease)
            }
        };
        let word = self.word.lock().expect("nobody panics with the word").clone();
        if self.told.as_ref() != Some(&word) {
            let text = serde_json::to_vec(&word).expect("a word is plain data");
            self.etcd.put(&self.key, &text, Some(lease))?;
            self.told = Some(word);
        }
        Ok(())
    }

    /// Whoever writes under this key after it was written here is another program with the same number. Everybody is told of that for a while.
    fn look_for_another(&mut self, own: Lease) -> Result<(), LiveError> {
        let stands = self.etcd.get(&self.key)?;
        let is_theirs = self.told.is_some() && stands.is_some_and(|entry| entry.lease != Some(own));
        if !is_theirs || self.doubled.is_some_and(|told| told.elapsed() < DOUBLED_AGAIN) {
            return Ok(());
        }
        if self.doubled.replace(Instant::now()).is_none() {
            tracing::error!(key = self.key, "another program has this number: each node needs one of its own");
        }
        self.told = None;
        let number = self.key.rsplit('/').next().unwrap_or_default();
        let lease = self.etcd.grant(DOUBLED_S)?;
        self.etcd.put(&format!("{DOUBLES}{number}"), b"1", Some(lease)).map(drop)
    }
}

/// Whether a node is drained.
pub fn is_drained(etcd: &Etcd, node: u16) -> Result<bool, LiveError> {
    Ok(etcd.get(&format!("{DRAINS}{node}"))?.is_some())
}

/// Drains a node, or ends that: whoever places calls looks at [`DRAINS`].
pub fn set_drain(etcd: &Etcd, node: u16, on: bool) -> Result<(), LiveError> {
    let key = format!("{DRAINS}{node}");
    let (compare, write) = if on {
        (Compare::WrittenBy(&key, 0), Write::Put(&key, b"1", None))
    } else {
        (Compare::Present(&key), Write::Delete(&key))
    };
    // Nothing is written if it is so already.
    etcd.change(&[compare], &[write]).map(drop)
}
