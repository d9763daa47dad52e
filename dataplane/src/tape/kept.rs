//! What captures and recordings have in common: where their files go, what is counted of them, and a trouble that is told once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Figures;
use super::folder::Folder;

/// Files of one kind.
pub struct Kept {
    /// Where they go.
    pub folder: Folder,
    /// What is counted.
    pub figures: Arc<Figures>,
    kind: Kind,
    /// Somebody was told that files cannot be written.
    failing: bool,
}

/// How a kind of files differs from the others.
pub struct Kind {
    /// Counts files that are whole.
    pub files: fn(&Figures) -> &AtomicU64,
    /// Counts packets that are in none.
    pub lost: fn(&Figures) -> &AtomicU64,
    /// What is said when files cannot be written.
    pub trouble: &'static str,
}

impl Kept {
    /// None yet.
    pub fn new(folder: Folder, figures: Arc<Figures>, kind: Kind) -> Kept {
        Kept { folder, figures, kind, failing: false }
    }

    /// A packet is in no file.
    pub fn lose(&self) {
        (self.kind.lost)(&self.figures).fetch_add(1, Ordering::Relaxed);
    }

    /// A file was to be written to.
    pub fn fail(&mut self, error: &io::Error) {
        self.lose();
        if !self.failing {
            self.failing = true;
            tracing::warn!(%error, folder = %self.folder.path.display(), "{}", self.kind.trouble);
        }
    }

    /// A file got its final name, or did not: then the next start makes it whole.
    pub fn finished(&mut self, outcome: io::Result<()>) {
        match outcome {
            Ok(()) => {
                self.failing = false;
                (self.kind.files)(&self.figures).fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => self.fail(&error),
        }
    }
}
