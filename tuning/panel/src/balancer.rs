//! What an operator may ask a balancer over its Unix socket (`DIR/run/balancer.sock`): one JSON line a question, one an answer.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// The longest question in bytes.
pub const QUESTION_BYTES_MAX: usize = 4_096;

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// The cores.
    Cores,
    /// One more core; it takes calls as soon as it answered.
    Add {
        /// `ADDR:PORT`.
        at: String,
        /// Its share of the calls against those of the others, 1 to 100.
        weight: u8,
    },
    /// Forgets a core; its running calls are not reached any more.
    Remove {
        /// `ADDR:PORT`.
        at: String,
        /// Though it carries calls.
        force: bool,
    },
    /// No new calls to a core, or calls again; what runs on it goes on.
    Drain {
        /// `ADDR:PORT`.
        at: String,
        /// No new calls.
        on: bool,
    },
    /// What was done since the start.
    Metrics,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Done.
    Done,
    /// Not done, and why.
    Refused {
        /// A sentence.
        reason: String,
    },
    /// The cores, in the order that they were added in.
    Cores(Vec<CoreRow>),
    /// What was done, in Prometheus' text format.
    Metrics {
        /// The text.
        text: String,
    },
}

/// A core behind a balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoreRow {
    /// `ADDR:PORT`.
    pub at: String,
    /// Its number in the cluster; `None` before it answered.
    pub node: Option<u16>,
    /// `unknown` before it answered, `up`, `out`, or `draining`.
    pub state: String,
    /// Its share of the calls.
    pub weight: u8,
    /// Calls that it carries.
    pub calls: u64,
    /// Calls that it was given since it was added.
    pub begun: u64,
}
