//! One plan played by several processes: agents that wait to be told, and a controller that splits, starts, watches and adds up.
//!
//! Both sides compute the same plan from the same words and seed; each agent plays every n-th call of it. Frames are JSON behind four bytes of
//! length, and encrypted. Who speaks proves the token (HMAC-SHA-256 over both sides' nonces and their encryption) before anything is read
//! from it.

mod agent;
mod controller;
mod line;
mod ssh;
mod takings;
mod tunnel;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::load::{Load, Outcome, Pace, Progress};
use crate::pacer::Reins;
use crate::plan::Plan;
use crate::profile;
use crate::tally::Told;

pub use agent::{Arguments, run};
pub use controller::Crew;
use ssh::{Place, Way};
pub use takings::Takings;

/// Grows with each change of what is said here.
const PROTOCOL: u32 = 5;
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
    Prepare(Box<Prepare>),
    /// Say what time it is.
    Clock,
    /// Begin so many microseconds from now.
    Begin { after_us: u64 },
    /// From now on the plan runs at this speed.
    Pace(f64),
    /// No call is in progress anywhere: end.
    Finish,
    /// End every call, then end.
    Stop,
}

/// What is to be played, and which part of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Prepare {
    /// The controller's verb and what follows it.
    words: Vec<String>,
    seed: u64,
    part: Part,
    /// Calls a second, and how long they are placed.
    cps: f64,
    span: Duration,
    /// Calls are to be told one by one.
    lines: bool,
}

/// What an agent reports.
#[derive(Debug, Serialize, Deserialize)]
enum Report {
    /// It will not, and why.
    Refused(String),
    /// Sockets are open; what machine this is.
    Ready(String),
    /// Its time of day, as calls will be told: microseconds since 1970 UTC.
    Clock(u64),
    /// Once a second.
    Live(Box<Progress>),
    /// Calls one by one, if they are wanted.
    Calls(Vec<Told>),
    /// The end.
    Done(Box<Takings>),
}

/// Who plays, on the command line: this process, or agents.
#[derive(Args, Clone, Debug)]
pub struct CrewArguments {
    /// Lets these agents (`tandem-loadtest agent`) play it instead of this process, each its share of the calls. Terminators are theirs in turn,
    /// or as agent=N says; what the switch adds is measured where both ends of a call are at one agent. ssh:HOST, as ssh_config names it, or
    /// ssh://USER@HOST:PORT starts one there that ends with the run; behind =ADDRESS stands where its originators' calls come from.
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS:PORT|ssh:HOST,…", conflicts_with = "media_interface")]
    agents: Vec<Place>,
    /// The file with the token that agents ask for; those that are started need none.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    way: Way,
}

impl CrewArguments {
    /// Calls the agents together; nobody where this process plays alone. They read the same words as this process.
    pub fn gather(&self, pace: &Pace, seed: u64, lines: bool) -> Result<Option<Crew>> {
        if self.agents.is_empty() {
            return Ok(None);
        }
        let waiting = self.agents.iter().any(|place| matches!(place, Place::At(_)));
        let token = match &self.token_file {
            Some(path) => token(path)?,
            None if waiting => bail!("--agents ADDRESS:PORT needs --token-file"),
            None => format!("{:032x}", rand::random::<u128>()),
        };
        let words = unspoken(profile::words().into_iter().skip(1));
        let whole = Prepare { words, seed, part: Part::WHOLE, cps: pace.cps, span: pace.span, lines };
        Crew::gather(&self.agents, &self.way, &token, &whole).map(Some)
    }

    /// Plays one load of several, here or at the agents.
    pub fn play(&self, load: &Load, pace: &Pace, plan: Plan, reins: &Reins) -> Result<Outcome> {
        match self.gather(pace, plan.seed, false)? {
            None => load.play(plan, None, reins, &mut |_| {}),
            Some(crew) => crew.play(load, &plan, None, reins, &mut |_| {}),
        }
    }
}

/// The words without what is nobody else's business: where the books are, and the key to them.
fn unspoken(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut told = Vec::new();
    let mut words = words;
    while let Some(word) = words.next() {
        match word.as_str() {
            "--key" | "--reconcile" => drop(words.next()),
            _ if word.starts_with("--key=") || word.starts_with("--reconcile=") => {}
            _ => told.push(word),
        }
    }
    told
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_not_told_the_key_to_the_books() {
        let words =
            ["run", "--key", "secret", "--cps", "5", "--reconcile=http://here", "--key=secret", "--reconcile", "there"];
        assert_eq!(unspoken(words.map(String::from).into_iter()), ["run", "--cps", "5"]);
    }
}
