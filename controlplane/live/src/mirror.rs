//! A copy of everything below a prefix, kept by a thread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::etcd::{Etcd, LiveError};

/// A question that waits for changes is asked anew after this long: a member that went silently is noticed by then.
const WAIT: Duration = Duration::from_secs(2);
/// Pause after a failure.
const PAUSE: Duration = Duration::from_millis(200);

/// Values by key.
type Copied = BTreeMap<String, Vec<u8>>;

/// The last copy that could be had. It stays as it is while no member answers.
#[derive(Debug)]
pub struct Mirror {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    copy: Mutex<Arc<Copied>>,
    version: AtomicU64,
    reached: AtomicBool,
    ended: AtomicBool,
}

impl Mirror {
    /// Begins to copy, and goes on until the mirror is dropped.
    pub fn start(etcd: Arc<Etcd>, prefix: &str) -> Mirror {
        let shared = Arc::new(Shared::default());
        let (theirs, prefix) = (shared.clone(), prefix.to_owned());
        let run = move || follow(&etcd, &prefix, &theirs);
        thread::Builder::new().name("live mirror".to_owned()).spawn(run).expect("the system starts threads");
        Mirror { shared }
    }

    /// What was read last.
    pub fn copy(&self) -> Arc<BTreeMap<String, Vec<u8>>> {
        self.shared.copy.lock().expect("nobody panics with the copy").clone()
    }

    /// Rises whenever the copy changed: cheap to look at. 0: nothing was read yet.
    pub fn version(&self) -> u64 {
        self.shared.version.load(Ordering::Acquire)
    }

    /// etcd answered the last question.
    pub fn is_reached(&self) -> bool {
        self.shared.reached.load(Ordering::Relaxed)
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
    }
}

fn follow(etcd: &Etcd, prefix: &str, shared: &Shared) {
    while !shared.ended.load(Ordering::Relaxed) {
        let round = read(etcd, prefix, shared);
        if shared.reached.swap(round.is_ok(), Ordering::Relaxed) != round.is_ok() {
            match &round {
                Ok(()) => tracing::info!(prefix, "etcd answers"),
                Err(error) => tracing::warn!(prefix, error = error.to_string(), "working on with the last copy"),
            }
        }
        if round.is_err() {
            thread::sleep(PAUSE);
        }
    }
}

/// Reads everything, then waits for a change.
fn read(etcd: &Etcd, prefix: &str, shared: &Shared) -> Result<(), LiveError> {
    let page = etcd.list(prefix)?;
    let found: Copied = page.entries.into_iter().map(|entry| (entry.key, entry.value)).collect();
    let mut copy = shared.copy.lock().expect("nobody panics with the copy");
    if **copy != found || shared.version.load(Ordering::Relaxed) == 0 {
        *copy = Arc::new(found);
        shared.version.fetch_add(1, Ordering::Release);
    }
    drop(copy);
    shared.reached.store(true, Ordering::Relaxed);
    loop {
        let changed = etcd.wait(prefix, page.revision + 1, WAIT)?;
        if changed || shared.ended.load(Ordering::Relaxed) {
            return Ok(());
        }
    }
}
