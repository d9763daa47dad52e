//! The rules of the house, as functions from text to findings.
//!
//! Each rule is pure, so that a test can show it failing on a few lines; `tests/the_tree.rs` then asks every rule about the real tree.

pub mod edges;
pub mod leftovers;
pub mod migrations;
pub mod purity;
pub mod sizes;
pub mod source;
pub mod tree;
pub mod words;

use std::fmt;

/// One file of the tree: where it is and what it says.
#[derive(Clone, Debug)]
pub struct File {
    /// Path from the root of the repository, with `/` between its parts.
    pub path: String,
    /// The whole text.
    pub text: String,
}

impl File {
    /// A file of a story told in a test.
    pub fn new(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether the path ends in one of these extensions.
    pub fn is(&self, extensions: &[&str]) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
    }

    /// Whether the file lies under this folder, or is this file.
    pub fn under(&self, folder: &str) -> bool {
        self.path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || folder.ends_with('/'))
    }
}

/// What a rule has against one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file's path.
    pub path: String,
    /// The line, counted from 1.
    pub line: usize,
    /// A sentence for whoever mends it.
    pub says: String,
}

impl Finding {
    /// A finding at a line of a file, counted from 1.
    pub fn at(file: &File, line: usize, says: String) -> Finding {
        Finding { path: file.path.clone(), line, says }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{}:{}: {}", self.path, self.line, self.says)
    }
}
