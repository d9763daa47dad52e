//! The control plane: everything that may wait. It publishes snapshots, collects CDRs, keeps the ledger and serves operators.
//!
//! The programs `tandem-controlplane` and `tandem` are thin: all they do is here, so that tests can do it too.

/// A line on standard output. Whoever reads it may have gone away, as `head` does: the work goes on, and its exit code stays what it is.
macro_rules! say {
    ($($part:tt)*) => {{
        use std::io::Write as _;
        $crate::said(writeln!(std::io::stdout(), $($part)*));
    }};
}

/// Why standard output first refused something.
static UNSAID: std::sync::OnceLock<std::io::Error> = std::sync::OnceLock::new();

/// Whoever read standard output has gone away.
static UNHEARD: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Remembers that something could not be written; a reader that goes away is no failure.
#[doc(hidden)]
pub fn said(done: std::io::Result<()>) {
    let Err(error) = done else { return };
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        UNHEARD.store(true, std::sync::atomic::Ordering::Relaxed);
    } else {
        let _ = UNSAID.set(error);
    }
}

/// Whether nobody reads standard output any more, or it takes nothing more.
fn is_unheard() -> bool {
    UNHEARD.load(std::sync::atomic::Ordering::Relaxed) || unsaid().is_some()
}

/// Why not all that was said could be written.
fn unsaid() -> Option<&'static std::io::Error> {
    said(std::io::Write::flush(&mut std::io::stdout()));
    UNSAID.get()
}

pub mod alarming;
pub mod alarms;
pub mod apply;
pub mod certificates;
pub mod cli;
pub mod collect;
pub mod compare;
pub mod demo;
pub mod fence;
pub mod files;
pub mod folder;
pub mod inbox;
pub mod jobs;
pub mod link;
pub mod machine;
pub mod notify;
pub mod posts;
pub mod publish;
pub mod run;
pub mod search;
pub mod together;
pub mod up;
pub mod webhooks;

mod disk;
mod grants;
mod services;

#[cfg(test)]
#[path = "../store/tests/support/databases.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod databases;
#[cfg(test)]
#[path = "../store/tests/support/sample.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "other test programs use the rest, and a surprise ends a story")]
mod sample;
