//! The bundled load test as a child process, and the lines that it writes.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// How long the load test may take to release its calls.
const END_PATIENCE: Duration = Duration::from_secs(60);

/// What the load test counts.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Counts {
    /// Calls sent.
    pub placed: u64,
    /// Calls that got a 200.
    pub answered: u64,
    /// Calls that ended with a refusal.
    pub refused: u64,
    /// Calls without final response.
    pub unheard: u64,
    /// RTP packets sent.
    pub rtp_sent: u64,
    /// RTP packets received at the right end.
    pub rtp_received: u64,
    /// RTP packets received at a wrong one.
    pub rtp_misrouted: u64,
}

/// One line of its standard output.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    /// It is about to begin.
    Ready {},
    /// Once a second.
    Live {
        /// Calls in progress.
        calls: u64,
        /// Calls placed in the last second.
        cps: u64,
        /// Everything counted.
        counts: Counts,
    },
    /// At the end.
    Summary {
        /// Calls that were to be placed.
        planned: u64,
        /// Of these, left out because the run was ended early.
        unplaced: u64,
        /// Everything counted.
        counts: Counts,
        /// What must never happen and did.
        faults: Vec<String>,
    },
}

/// A running load test.
pub struct Load {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Load {
    /// Starts it with these arguments; it ends when this value is dropped.
    pub fn start(program: &Path, arguments: &[String]) -> Result<Load> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Its own process group: Ctrl-C reaches us, and we end it in good order.
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let stdout = child.stdout.take().context("the load test has no standard output")?;
        Ok(Load { stdin: child.stdin.take(), lines: BufReader::new(stdout).lines(), child })
    }

    /// Its next line; `None` when it has ended. May be dropped and called again.
    pub async fn next(&mut self) -> Result<Option<Line>> {
        match self.lines.next_line().await? {
            Some(line) => serde_json::from_str(&line).map(Some).context("the load test said something unknown"),
            None => Ok(None),
        }
    }

    /// Asks it to release its calls and end.
    pub fn ask_to_end(&mut self) {
        self.stdin = None;
    }

    /// Waits for its end and returns its last line.
    pub async fn end(mut self) -> Result<Option<Line>> {
        self.ask_to_end();
        let mut last = None;
        let reading = async {
            while let Some(line) = self.next().await? {
                last = Some(line);
            }
            self.child.wait().await.context("cannot wait for the load test")
        };
        tokio::time::timeout(END_PATIENCE, reading).await.context("the load test does not end")??;
        Ok(last)
    }
}
