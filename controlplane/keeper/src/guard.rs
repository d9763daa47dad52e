//! The guard: a small process between keeper and database that kills the database when the keeper cannot.
//!
//! It starts the database as its own child, which dies with it (`prctl(PR_SET_PDEATHSIG)`, set by setpriv(1)). On its stdin the keeper
//! writes until when the database may live; when that moment passes, or the keeper's end of the pipe closes, the database is killed and
//! the shared address taken down.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{io, thread};

use units::Instant;

use crate::address;
use crate::clock::now;
use crate::settings::AddressSettings;

/// How often the guard looks at clock and child.
const LOOK: Duration = Duration::from_millis(20);
/// No deadline: the database takes no writes.
const FOR_EVER: u64 = u64::MAX;

/// The guard's own life. `words`: the database's program and arguments; none: it guards an address alone.
pub fn run(words: &[String], address: Option<&AddressSettings>) -> ExitCode {
    let mut child = match words.split_first().map(|(program, arguments)| start(program, arguments)).transpose() {
        Ok(child) => child,
        Err(error) => {
            tracing::error!(words = words.first(), error = error.to_string(), "the database cannot be started");
            return ExitCode::FAILURE;
        }
    };
    // A keeper that is gone already is noticed by the reader.
    let _ = writeln!(io::stdout(), "{}", child.as_ref().map_or_else(std::process::id, Child::id));
    let until = Arc::new(AtomicU64::new(FOR_EVER));
    let theirs = until.clone();
    thread::spawn(move || listen(&theirs));
    while child.as_mut().is_none_or(|child| matches!(child.try_wait(), Ok(None))) {
        if now().micros() >= until.load(Ordering::Acquire) {
            if let Some(child) = &mut child {
                // A child that has just died needs no killing.
                let _ = child.kill();
                let _ = child.wait();
            }
            break;
        }
        thread::sleep(LOOK);
    }
    if let Some(address) = address {
        // It may be down already.
        let _ = address::down(address);
    }
    ExitCode::SUCCESS
}

fn start(program: &str, arguments: &[String]) -> io::Result<Child> {
    Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn()
}

/// Takes deadlines until the keeper is gone, which is a deadline too.
fn listen(until: &AtomicU64) {
    for line in io::stdin().lines() {
        let Some(micros) = line.ok().and_then(|line| line.trim().parse().ok()) else { break };
        until.store(micros, Ordering::Release);
    }
    until.store(0, Ordering::Release);
}

/// The keeper's side of a guard.
#[derive(Debug)]
pub struct Guarded {
    stdin: Mutex<Option<ChildStdin>>,
    pid: u32,
    ended: Arc<AtomicBool>,
    until: AtomicU64,
}

/// This program, also where its file was replaced by another version's while it runs: what the kernel runs stays as it is.
fn own_program() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    if own.is_file() { own } else { PathBuf::from("/proc/self/exe") }
}

impl Guarded {
    /// Starts a guard and, by it, the database, whose words go to `log`. `words`: the database's program and arguments; none: it guards
    /// an address alone.
    pub fn start(words: &[String], address: Option<&AddressSettings>, log: Option<&Path>) -> io::Result<Guarded> {
        use std::os::unix::process::CommandExt;
        let log = match log {
            Some(log) => std::fs::OpenOptions::new().create(true).append(true).open(log)?.into(),
            None => Stdio::inherit(),
        };
        let mut command = Command::new(own_program());
        command.arg("guard");
        if let Some(address) = address {
            command.args(["--ip", &address.ip.to_string(), "--prefix", &address.prefix.to_string()]);
            command.args(["--interface", &address.interface]);
        }
        command.arg("--").args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).process_group(0);
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let pid = line.trim().parse().map_err(|_| io::Error::other("the guard did not start the database"))?;
        let ended = Arc::new(AtomicBool::new(false));
        let theirs = ended.clone();
        thread::spawn(move || wait(child, pid, &theirs));
        Ok(Guarded { stdin: Mutex::new(stdin), pid, ended, until: AtomicU64::new(FOR_EVER) })
    }

    /// The database may take writes until then; `None`: it takes none.
    pub fn set_until(&self, until: Option<Instant>) {
        let micros = until.map_or(FOR_EVER, Instant::micros);
        if self.until.swap(micros, Ordering::AcqRel) != micros {
            self.tell(micros);
        }
    }

    /// True if the guard would let it live for this moment as a database that takes writes.
    pub fn may_write(&self) -> bool {
        let until = self.until.load(Ordering::Acquire);
        until != FOR_EVER && now().micros() < until
    }

    /// Kills the database. It is dead when [`Guarded::is_alive`] says so.
    pub fn kill(&self) {
        self.tell(0);
    }

    /// The database's process is there.
    pub fn is_alive(&self) -> bool {
        !self.ended.load(Ordering::Acquire)
    }

    /// The database's process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    fn tell(&self, micros: u64) {
        let mut stdin = self.stdin.lock().expect("nobody panics with the pipe");
        if let Some(pipe) = stdin.as_mut()
            && writeln!(pipe, "{micros}").is_err()
        {
            // A guard that is gone took the database with it.
            *stdin = None;
        }
    }
}

/// Until the guard has ended and the database with it.
fn wait(mut guard: Child, pid: u32, ended: &AtomicBool) {
    // It ended, or was never ours to wait for.
    let _ = guard.wait();
    while lives(pid) {
        thread::sleep(LOOK);
    }
    ended.store(true, Ordering::Release);
}

/// A process that is not only waiting to be buried.
fn lives(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
    !matches!(state, Some('Z' | 'X') | None)
}
