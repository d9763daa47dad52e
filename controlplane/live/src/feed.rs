//! Every change below a prefix, told once, by a thread.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::etcd::{Etcd, LiveError};
use crate::wire::Entry;

/// A question that waits for changes is asked anew after this long: a member that went silently is noticed by then.
const WAIT: Duration = Duration::from_secs(2);
/// Pause after changes, which lets more of them gather, and after a failure.
const PAUSE: Duration = Duration::from_millis(50);

/// Tells what is below a prefix, then what is written there, page by page, for as long as `tell` says that somebody listens. What is
/// deleted is not told: values that are kept by somebody say themselves how long they hold. A page is empty when etcd answers with
/// nothing new; `None` when it does not answer.
pub fn feed(etcd: Arc<Etcd>, prefix: &str, mut tell: impl FnMut(Option<Vec<Entry>>) -> bool + Send + 'static) {
    let prefix = prefix.to_owned();
    let run = move || {
        let mut seen = 0;
        loop {
            let page = next(&etcd, &prefix, &mut seen);
            if let Err(error) = &page {
                tracing::debug!(prefix, error = error.to_string(), "no news from etcd");
            }
            if !tell(page.ok()) {
                return;
            }
            thread::sleep(PAUSE);
        }
    };
    thread::Builder::new().name("live feed".to_owned()).spawn(run).expect("the system starts threads");
}

/// What was written after the revision that was seen last; waits for it a while.
fn next(etcd: &Etcd, prefix: &str, seen: &mut i64) -> Result<Vec<Entry>, LiveError> {
    if *seen > 0 {
        // Nothing came, or the store is another one, in which this revision is still to come: the page says which.
        etcd.wait(prefix, *seen + 1, WAIT)?;
    }
    let page = etcd.list_since(prefix, *seen + 1)?;
    // A store that is younger than what we saw is another one.
    let another = page.revision < *seen;
    *seen = if another { 0 } else { page.revision };
    Ok(if another { Vec::new() } else { page.entries })
}
