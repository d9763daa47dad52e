//! Why a model or an image is refused.

use alloc::string::String;
use core::fmt;

use units::DeckId;

/// Why a [`crate::Model`] cannot become a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFlaw {
    /// The kind and code of the object that is wrong: `ingress trunk acme-in`.
    pub object: String,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for ModelFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.problem)
    }
}

impl core::error::Error for ModelFlaw {}

/// Why some bytes are not a snapshot that this program can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFlaw {
    /// Does not start as a snapshot does.
    NotASnapshot,
    /// Written in a format that this program does not read.
    Format(u32),
    /// Shorter or longer than it says.
    Length {
        /// What its header says.
        said: u64,
        /// What is there.
        found: u64,
    },
    /// Some byte is not what was written.
    Checksum,
    /// This deck's rates stand in a file of their own, which is not here.
    Apart(DeckId),
    /// The checksum fits, yet a table points outside or is out of order: whoever wrote it had a mistake.
    Broken {
        /// Which table.
        table: &'static str,
        /// The place in it, from 0.
        index: u64,
    },
}

impl fmt::Display for ImageFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageFlaw::NotASnapshot => f.write_str("not a snapshot"),
            ImageFlaw::Format(format) => write!(f, "snapshot format {format} is not known here"),
            ImageFlaw::Length { said, found } => write!(f, "{found} bytes are there, {said} were written"),
            ImageFlaw::Checksum => f.write_str("the checksum does not fit: the file is damaged"),
            ImageFlaw::Apart(deck) => write!(f, "the rates of deck {deck} are not in it"),
            ImageFlaw::Broken { table, index } => write!(f, "entry {index} of {table} is broken"),
        }
    }
}

impl core::error::Error for ImageFlaw {}
