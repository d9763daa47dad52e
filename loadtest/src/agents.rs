//! One plan played by several processes: agents that wait to be told, and a controller that splits, starts, watches and adds up.
//!
//! Both sides compute the same plan from the same words and seed; each agent plays every n-th call of it. Frames are JSON behind four bytes of
//! length, and encrypted. Who speaks proves the token (HMAC-SHA-256 over both sides' nonces and their encryption) before anything is read
//! from it.

mod agent;
mod controller;
mod line;
mod takings;
mod tunnel;

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::load::Progress;

pub use agent::{Arguments, run};
pub use controller::Crew;
pub use takings::Takings;

/// Grows with each change of what is said here.
const PROTOCOL: u32 = 2;
/// Bytes that a token has at least.
const TOKEN_MIN: usize = 16;

/// Which calls of a plan are played here: every `agents`-th, from this one on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// From 0.
    pub agent: u8,
    /// How many there are.
    pub agents: u8,
}

impl Part {
    /// All of it.
    pub const WHOLE: Part = Part { agent: 0, agents: 1 };
}

/// What each side says first.
#[derive(Debug, Serialize, Deserialize)]
struct Greeting {
    /// Of the program.
    version: String,
    /// [`PROTOCOL`].
    protocol: u32,
    /// Random, never used again.
    nonce: String,
}

/// What a controller tells.
#[derive(Debug, Serialize, Deserialize)]
enum Order {
    /// Get ready for this part of the plan that these words and this seed make.
    Prepare { words: Vec<String>, seed: u64, part: Part },
    /// Begin so many microseconds from now.
    Begin { after_us: u64 },
    /// No call is in progress anywhere: end.
    Finish,
    /// End every call, then end.
    Stop,
}

/// What an agent reports.
#[derive(Debug, Serialize, Deserialize)]
enum Report {
    /// It will not, and why.
    Refused(String),
    /// Sockets are open; what machine this is.
    Ready(String),
    /// Once a second.
    Live(Box<Progress>),
    /// The end.
    Done(Box<Takings>),
}

/// Reads the token that controller and agents have in common.
pub fn token(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the token in {}", path.display()))?;
    let token = text.trim();
    if token.len() < TOKEN_MIN {
        bail!("the token in {} has less than {TOKEN_MIN} bytes", path.display());
    }
    Ok(token.to_owned())
}
