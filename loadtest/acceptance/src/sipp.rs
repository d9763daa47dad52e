//! SIPp, unmodified, at either side of the switch; or our runner of its scenarios, which must say and hear the same.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::program;

/// What SIPp is to play.
#[derive(Clone, Debug)]
pub enum Scenario {
    /// One that SIPp has built in.
    BuiltIn(&'static str),
    /// One of ours, by its file name.
    Ours(&'static str),
    /// A scenario file that the test has made.
    File(PathBuf),
}

/// Who plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Player {
    /// SIPp as Debian has it.
    Sipp,
    /// `tandem-loadtest sipp`.
    Ours,
}

impl Player {
    /// SIPp, but where `TANDEM_SIPP=ours` asks for our runner.
    pub fn asked() -> Player {
        if std::env::var("TANDEM_SIPP").is_ok_and(|who| who == "ours") { Player::Ours } else { Player::Sipp }
    }

    fn command(self) -> Command {
        match self {
            Player::Sipp => Command::new("sipp"),
            Player::Ours => {
                let mut command = Command::new(program("tandem-loadtest"));
                command.arg("sipp");
                command
            }
        }
    }
}

/// A running SIPp, killed with this value.
#[derive(Debug)]
pub struct Sipp {
    child: Child,
    messages: PathBuf,
    errors: PathBuf,
}

impl Sipp {
    /// Starts SIPp on an address, with more words for its command line. Its files go into the folder.
    pub fn start(folder: &Path, at: SocketAddr, scenario: Scenario, words: &[String]) -> Sipp {
        Sipp::start_as(Player::asked(), folder, at, scenario, words)
    }

    /// The same, played by one or the other.
    pub fn start_as(player: Player, folder: &Path, at: SocketAddr, scenario: Scenario, words: &[String]) -> Sipp {
        let file = |kind: &str| folder.join(format!("sipp-{}-{}-{kind}", at.ip(), at.port()));
        let (messages, errors, screen) = (file("messages"), file("errors"), file("screen"));
        let screen = std::fs::File::create(screen).expect("the folder is writable");
        let mut command = player.command();
        match scenario {
            Scenario::BuiltIn(name) => command.args(["-sn", name]),
            Scenario::File(path) => command.arg("-sf").arg(path),
            Scenario::Ours(name) => {
                command.arg("-sf").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name))
            }
        };
        command
            .args(["-i", &at.ip().to_string(), "-p", &at.port().to_string(), "-nostdin", "-trace_err", "-error_file"])
            .arg(&errors)
            .args(words)
            .arg("-message_file")
            .arg(&messages)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(screen.try_clone().expect("a file can be named twice"))
            .stderr(screen);
        let child = command.spawn().expect("sipp is installed (sip-tester)");
        Sipp { child, messages, errors }
    }

    /// Waits until it has made all its calls.
    ///
    /// # Panics
    /// When a call failed.
    pub fn all_calls_succeed(mut self) {
        let status = self.child.wait().expect("SIPp was started here");
        let errors = std::fs::read_to_string(&self.errors).unwrap_or_default();
        let first: String = errors.lines().take(40).collect::<Vec<_>>().join("\n");
        assert!(status.success(), "SIPp: {status}\n{first}");
    }

    /// Waits until it has ended, and says what went wrong if a call failed.
    pub fn ends(mut self) -> Result<(), String> {
        let status = self.child.wait().expect("SIPp was started here");
        let errors = std::fs::read_to_string(&self.errors).unwrap_or_default();
        if status.success() {
            Ok(())
        } else {
            Err(format!("{status}\n{}", errors.chars().take(2_500).collect::<String>()))
        }
    }

    /// Waits until it has ended, whatever became of its calls, and says which Call-IDs it sent and which were answered (`-trace_msg` must
    /// be on).
    pub fn placed_and_answered(mut self) -> (BTreeSet<String>, BTreeSet<String>) {
        self.child.wait().expect("SIPp was started here");
        let text = std::fs::read_to_string(&self.messages).expect("SIPp writes its messages down");
        let parts = || text.split("\nUDP message ");
        let is_answer = |part: &&str| part.contains("SIP/2.0 200") && part.contains(" INVITE\r\n");
        let answers = parts().filter(|part| part.starts_with("received")).filter(is_answer);
        let sent = parts().filter(|part| part.starts_with("sent"));
        (sent.filter_map(call_id).collect(), answers.filter_map(call_id).collect())
    }

    /// How many messages of this kind it has sent, repeats apart (`-trace_msg` must be on).
    pub fn sent(&self, begins: &str) -> usize {
        let text = std::fs::read_to_string(&self.messages).expect("SIPp writes its messages down");
        let sent = text.split("\nUDP message ").filter(|part| part.starts_with("sent"));
        let of = sent.filter(|part| part.lines().any(|line| line.starts_with(begins)));
        of.filter_map(|part| header(part, "Call-ID:")).collect::<BTreeSet<_>>().len()
    }

    /// How many requests of this method it has received in one call, repeats apart (`-trace_msg` must be on).
    pub fn asked(&self, method: &str) -> usize {
        let text = std::fs::read_to_string(&self.messages).expect("SIPp writes its messages down");
        let received = text.split("\nUDP message ").filter(|part| part.starts_with("received"));
        let of = received.filter(|part| part.lines().any(|line| line.starts_with(&format!("{method} "))));
        of.filter_map(|part| header(part, "CSeq:")).collect::<BTreeSet<_>>().len()
    }

    /// What the newest message that it received says in this header field; `None` if none has it (`-trace_msg` must be on).
    pub fn received(&self, name: &str) -> Option<String> {
        let text = std::fs::read_to_string(&self.messages).expect("SIPp writes its messages down");
        let parts = text.split("\nUDP message ").filter(|part| part.starts_with("received"));
        parts.filter_map(|part| header(part, name)).last()
    }

    /// True while it runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

fn call_id(message: &str) -> Option<String> {
    header(message, "Call-ID:")
}

fn header(message: &str, name: &str) -> Option<String> {
    message.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
}

impl Drop for Sipp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
