//! Where this node's control plane asks: a socket in the file system, which one user may open. Of two servers without a third it is told
//! what this one knows, and may order a planned swap; with etcd it asks etcd.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, Result};
use cluster::{PanelAnswer, PanelAsk};
use serde::{Deserialize, Serialize};

use crate::agent::hand_to;
use crate::twins::disk;
use crate::twins::swap::{Swap, swap};

/// Who is asked at the same time; more are sent away.
const ASKERS_MAX: usize = 8;
/// Bytes of a question at most.
const QUESTION_MAX: u64 = 256;
/// How long somebody may take to ask, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// A report that is older comes from a keeper that decides no more.
const OLD_MS: i64 = 3_000;

/// The socket and who may open it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PanelSettings {
    /// The socket; its folder is made if it is missing.
    #[serde(default = "socket")]
    pub socket: PathBuf,
    /// The system's user whom the control plane runs as; the keeper's own if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// The socket where nothing else is said.
pub fn socket() -> PathBuf {
    PathBuf::from("/run/tandem-keeper/panel")
}

/// Answers there until the program ends, with what stands in the arbiter's folder.
pub fn start(settings: &PanelSettings, arbiter: PathBuf) -> Result<()> {
    let listener = listen(settings).with_context(|| format!("cannot listen on {}", settings.socket.display()))?;
    let run = move || serve(&listener, &arbiter);
    thread::Builder::new().name("panel".to_owned()).spawn(run)?;
    Ok(())
}

fn listen(settings: &PanelSettings) -> Result<UnixListener> {
    if let Some(folder) = settings.socket.parent().filter(|folder| !folder.exists()) {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    }
    // An earlier keeper left it.
    let _ = fs::remove_file(&settings.socket);
    let listener = UnixListener::bind(&settings.socket)?;
    fs::set_permissions(&settings.socket, fs::Permissions::from_mode(0o600))?;
    if let Some(user) = &settings.user
        && let Err(error) = hand_to(user, &settings.socket)
    {
        tracing::warn!(user, error = error.to_string(), "the control plane of this node cannot ask its keeper");
    }
    Ok(listener)
}

fn serve(listener: &UnixListener, arbiter: &Path) {
    let askers = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming().flatten() {
        if askers.load(Ordering::Relaxed) >= ASKERS_MAX {
            continue;
        }
        askers.fetch_add(1, Ordering::Relaxed);
        let (theirs, folder) = (askers.clone(), arbiter.to_owned());
        let run = move || {
            // Whoever goes before the answer has no use for it.
            let _ = answer(stream, &folder);
            theirs.fetch_sub(1, Ordering::Relaxed);
        };
        if thread::Builder::new().name("asker".to_owned()).spawn(run).is_err() {
            askers.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn answer(stream: UnixStream, arbiter: &Path) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut question = String::new();
    BufReader::new((&stream).take(QUESTION_MAX)).read_line(&mut question)?;
    let answer = match serde_json::from_str(&question) {
        Ok(PanelAsk::Report) => report(arbiter),
        Ok(PanelAsk::Promote(node)) => promote(arbiter, node),
        Err(error) => PanelAnswer::Refused(format!("this is no question: {error}")),
    };
    let mut line = serde_json::to_vec(&answer).expect("an answer is plain data");
    line.push(b'\n');
    (&stream).write_all(&line)
}

fn report(arbiter: &Path) -> PanelAnswer {
    match disk::reported(arbiter) {
        Ok(report) if disk::wall_ms() - report.at_ms <= OLD_MS => PanelAnswer::Report(report),
        Ok(_) => PanelAnswer::Refused("the keeper decides nothing at this moment".to_owned()),
        Err(error) => PanelAnswer::Refused(format!("{error:#}")),
    }
}

fn promote(arbiter: &Path, node: u16) -> PanelAnswer {
    tracing::info!(node, "the control plane orders a planned swap");
    match swap(arbiter, node) {
        Ok(Swap::Done(epoch)) => PanelAnswer::Promoted(epoch),
        Ok(Swap::Already) => PanelAnswer::Refused("it is primary already".to_owned()),
        Ok(Swap::Unready) => PanelAnswer::Refused("it is not in sync with a living primary".to_owned()),
        Ok(Swap::Late) => PanelAnswer::Late,
        Err(error) => PanelAnswer::Refused(format!("{error:#}")),
    }
}
