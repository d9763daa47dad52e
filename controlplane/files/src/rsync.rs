//! Copying by the program `rsync`: to a folder, to a daemon, over ssh. A file has its name there once it is whole.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Settings;
use crate::copy::Outcome;
use crate::ledger::Here;
use crate::place::Place;
use crate::stop::Stop;

/// Seconds that a connection may take and that a transfer may stand still.
const CONNECT_S: u32 = 10;
const SILENT_S: u32 = 30;
/// How long a run may take, whatever it carries; and the bytes a second that are thought to pass at least, without a bound of ours.
const RUN_MIN: Duration = Duration::from_secs(60);
const BYTES_A_SECOND_MIN: u64 = 64 << 10;
/// How often it is asked whether the program has ended.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes of its complaint that are read.
const COMPLAINT_MAX: u64 = 16 << 10;

/// Copies a batch.
pub(crate) fn copy(data: &Path, settings: &Settings, place: &Place, batch: &[Here], stop: &Stop) -> Outcome {
    if let Place::Folder(folder) = place
        && !folder.is_dir()
    {
        // Otherwise rsync would make it, perhaps beneath a disk that is not mounted.
        return away(format!("{} is not there", folder.display()));
    }
    let mut program = Command::new("rsync");
    program.args(arguments(data, settings, place)).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = match program.spawn() {
        Ok(child) => child,
        Err(error) => return away(format!("the program rsync cannot be started: {error}")),
    };
    let told = tell(&mut child, batch);
    let complaint = child.stderr.take().map(|stderr| std::thread::spawn(move || read_some(stderr)));
    let bytes: u64 = batch.iter().map(|file| file.bytes).sum();
    let least = settings.rsync_kbps.map_or(BYTES_A_SECOND_MIN, |kbps| (u64::from(kbps) << 10) / 2).max(1);
    let code = wait(&mut child, Instant::now() + RUN_MIN + Duration::from_secs(bytes / least), stop);
    let complaint = complaint.and_then(|reader| reader.join().ok()).unwrap_or_default();
    let code = match told.and(code) {
        Ok(code) => code,
        Err(error) => return away(error.to_string()),
    };
    judge(data, batch, code, &complaint)
}

/// rsync(1), exit values.
fn judge(data: &Path, batch: &[Here], code: Option<i32>, complaint: &str) -> Outcome {
    let why = || {
        let said = complaint.lines().next().unwrap_or("it said nothing");
        code.map_or(format!("rsync was killed: {said}"), |code| format!("rsync ended with {code}: {said}"))
    };
    match (code, batch) {
        (Some(0), _) => Outcome { copied: batch.to_vec(), ..Outcome::default() },
        // Some files went while it ran; the others arrived.
        (Some(24), _) => {
            let there = |file: &&Here| data.join(file.name.to_string()).exists();
            Outcome { copied: batch.iter().filter(there).copied().collect(), ..Outcome::default() }
        }
        // Some files did not arrive, and it is not said which.
        (Some(23), [file]) => Outcome { refused: Some((*file, why())), ..Outcome::default() },
        (Some(23), _) => Outcome { smaller: true, ..Outcome::default() },
        _ => away(why()),
    }
}

fn away(why: String) -> Outcome {
    Outcome { away: Some(why), ..Outcome::default() }
}

fn arguments(data: &Path, settings: &Settings, place: &Place) -> Vec<OsString> {
    let mut all: Vec<OsString> = ["--times", "--files-from=-", "--no-motd"].map(OsString::from).to_vec();
    all.push(format!("--timeout={SILENT_S}").into());
    if let Some(kbps) = settings.rsync_kbps {
        all.push(format!("--bwlimit={kbps}").into());
    }
    let to = match place {
        Place::Peer(text) => {
            if text.starts_with("rsync://") {
                all.push(format!("--contimeout={CONNECT_S}").into());
                if let Some(secret) = &settings.rsync_secret {
                    let mut option = OsString::from("--password-file=");
                    option.push(secret);
                    all.push(option);
                }
            } else {
                all.push(shell(settings.ssh_file.as_deref()));
            }
            format!("{}/", text.trim_end_matches('/'))
        }
        other => format!("{other}/"),
    };
    all.extend(["--".into(), data.join(".").into_os_string(), to.into()]);
    all
}

/// rsync(1), `--rsh`: words between spaces, those with spaces in single quotes; a quote within them is said twice.
fn shell(file: Option<&Path>) -> OsString {
    let mut words = OsString::from(format!("--rsh=ssh -o BatchMode=yes -o ConnectTimeout={CONNECT_S}"));
    if let Some(file) = file {
        words.push(format!(" -F '{}'", file.display().to_string().replace('\'', "''")));
    }
    words
}

fn tell(child: &mut Child, batch: &[Here]) -> io::Result<()> {
    let mut names = String::new();
    for file in batch {
        // Writing to a string cannot fail.
        let _ = writeln!(names, "{}", file.name);
    }
    match child.stdin.take().map(|mut stdin| stdin.write_all(names.as_bytes())) {
        // One that ended early says why itself.
        Some(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

fn read_some(mut from: impl Read) -> String {
    let mut bytes = Vec::new();
    // What cannot be read is not shown; the rest must be read, or the program would wait for us.
    let _ = from.by_ref().take(COMPLAINT_MAX).read_to_end(&mut bytes);
    let _ = io::copy(&mut from, &mut io::sink());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The program's exit code once it has ended; it is killed when it is late or all ends.
fn wait(child: &mut Child, late: Instant, stop: &Stop) -> io::Result<Option<i32>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code());
        }
        if Instant::now() > late || stop.ordered() {
            child.kill()?;
            return child.wait().map(|status| status.code());
        }
        std::thread::sleep(LOOK);
    }
}
