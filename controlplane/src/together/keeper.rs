//! This node's keeper, asked at its socket, where two servers decide without a third.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use cluster::{PairReport, PanelAnswer, PanelAsk};
use units::NodeId;
use web::Unpromoted;

/// Bytes of an answer at most.
const ANSWER_MAX: u64 = 1 << 20;
/// How long a report may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a swap may take: the keeper gives up before.
const SWAP_MAX: Duration = Duration::from_secs(30);

/// The way to it.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    socket: PathBuf,
}

impl Keeper {
    /// Asks nobody yet.
    pub(crate) fn new(socket: PathBuf) -> Keeper {
        Keeper { socket }
    }

    /// What it knows of both servers.
    pub(crate) fn report(&self) -> Result<PairReport, String> {
        match self.ask(PanelAsk::Report, PATIENCE)? {
            PanelAnswer::Report(report) => Ok(report),
            PanelAnswer::Refused(why) => Err(why),
            other => Err(format!("it answered {other:?}")),
        }
    }

    /// Makes a node's database primary and waits for it. The result is the epoch.
    pub(crate) fn promote(&self, node: NodeId) -> Result<u64, Unpromoted> {
        match self.ask(PanelAsk::Promote(node.0), SWAP_MAX).map_err(Unpromoted::Away)? {
            PanelAnswer::Promoted(epoch) => Ok(epoch),
            PanelAnswer::Late => Err(Unpromoted::Late),
            PanelAnswer::Refused(why) => Err(Unpromoted::Away(why)),
            other @ PanelAnswer::Report(_) => Err(Unpromoted::Away(format!("it answered {other:?}"))),
        }
    }

    fn ask(&self, ask: PanelAsk, patience: Duration) -> Result<PanelAnswer, String> {
        let asked = || {
            let mut stream = UnixStream::connect(&self.socket)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.set_read_timeout(Some(patience))?;
            let mut question = serde_json::to_vec(&ask).expect("a question is plain data");
            question.push(b'\n');
            stream.write_all(&question)?;
            let mut answer = String::new();
            BufReader::new(stream.take(ANSWER_MAX)).read_line(&mut answer)?;
            Ok::<String, std::io::Error>(answer)
        };
        let answer = asked().map_err(|error| format!("{}: {error}", self.socket.display()))?;
        serde_json::from_str(&answer).map_err(|error| format!("it answers what cannot be read: {error}"))
    }
}
