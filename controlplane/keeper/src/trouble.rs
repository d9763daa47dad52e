//! Why a database is not what it must be: its own last words about it, what its keeper could not do for a while, and how full its disk is.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cluster::Process;
use rustix::fs::statvfs;

/// What fails for less is on its way.
const LASTS: Duration = Duration::from_secs(3);
/// Between two looks at the log of a database that does not answer, and at the disk.
const LOOK: Duration = Duration::from_millis(250);
/// Bytes of a log that are read, from its end.
const LOG_MAX: u64 = 64 << 10;
/// Lines that are told, and letters of them.
const LINES_MAX: usize = 3;
const LETTERS_MAX: usize = 400;
/// Words before what is an error in MariaDB's log, and what is one although it is called a warning.
const ERROR: &str = "[ERROR] ";
const FULL: &str = "Disk is full";
/// The last error of many: it says nothing.
const ABORTING: &str = "Aborting";
/// From this share on somebody's write may wait for room, in per cent.
const FULL_PERCENT: u8 = 97;

/// What is known of one database's trouble.
#[derive(Debug)]
pub struct Trouble {
    data: PathBuf,
    log: PathBuf,
    /// Where the log ended when the process was started, or answered last.
    from: u64,
    /// The process has answered since it was started.
    answered: bool,
    /// What the database said before it died.
    words: String,
    failing: Option<Instant>,
    looked: Option<Instant>,
    told: (String, u8),
}

impl Trouble {
    /// None yet, of the database in this folder.
    pub fn of(data: &Path) -> Trouble {
        let (words, told) = (String::new(), (String::new(), 0));
        let log = data.with_extension("log");
        Trouble { data: data.to_owned(), log, from: 0, answered: false, words, failing: None, looked: None, told }
    }

    /// A process is started, whose words go to this file.
    pub fn starts(&mut self) -> &Path {
        (self.from, self.answered) = (self.log.metadata().map_or(0, |log| log.len()), false);
        &self.log
    }

    /// The disk is as good as full.
    pub fn is_full(&self) -> bool {
        self.told.1 >= FULL_PERCENT
    }

    /// `failed`: what the keeper could not do in this moment; empty: nothing. `Some`: what is to be told has changed: why, and how full the
    /// disk is.
    pub fn look(&mut self, failed: &str, process: Process) -> Option<(String, u8)> {
        let failing = (!failed.is_empty()).then(|| *self.failing.get_or_insert_with(Instant::now));
        self.failing = failing;
        let mut disk = self.told.1;
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            self.looked = Some(Instant::now());
            disk = used(&self.data);
            if process == Process::Running {
                // What it says while it answers is not why it does not later.
                self.from = self.log.metadata().map_or(self.from, |log| log.len());
            }
            self.answered |= process == Process::Running;
            let said = errors(&tail(&self.log, self.from), self.answered);
            if !said.is_empty() {
                self.words = said;
            }
        }
        if process == Process::Running {
            self.words.clear();
        }
        let lasts = failing.is_some_and(|since| since.elapsed() >= LASTS);
        let why = if self.words.is_empty() && lasts { shortened(failed) } else { self.words.clone() };
        if (&why, disk) == (&self.told.0, self.told.1) {
            return None;
        }
        if why != self.told.0 && !why.is_empty() {
            tracing::error!(why, log = %self.log.display(), "the database is not what it must be");
        }
        self.told = (why, disk);
        Some(self.told.clone())
    }
}

/// What was written since `from`, or the end of it.
fn tail(log: &Path, from: u64) -> String {
    let read = || {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(length.saturating_sub(LOG_MAX))))?;
        let mut bytes = Vec::new();
        file.take(LOG_MAX).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}

/// The last errors in a server's log without their times; where it wrote none that say more than that it ends, what stands there without a time:
/// of itself on its way down, or of the program that starts it. A server that has `answered` did not fail to start.
fn errors(log: &str, answered: bool) -> String {
    let begins = |line: &str| line.find(ERROR).map(|at| at + ERROR.len()).or_else(|| line.find(FULL));
    let of_server: Vec<&str> = log.lines().filter_map(|line| Some(&line[begins(line)?..])).collect();
    let telling: Vec<&str> = of_server.iter().copied().filter(|line| *line != ABORTING).collect();
    let has_spoken = log.lines().any(|line| line.contains(" ["));
    let tells_otherwise = !answered && (!has_spoken || !of_server.is_empty());
    let is_foreign = |line: &&str| tells_otherwise && !line.trim().is_empty() && !line.contains(" [");
    let foreign: Vec<&str> = log.lines().filter(is_foreign).collect();
    let lines = [telling, foreign, of_server].into_iter().find(|lines| !lines.is_empty()).unwrap_or_default();
    let last: Vec<&str> = lines[lines.len().saturating_sub(LINES_MAX)..].iter().map(|line| line.trim()).collect();
    shortened(&last.join("; "))
}

fn shortened(text: &str) -> String {
    let plain = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    plain.take(LETTERS_MAX).collect()
}

/// How much of the disk under a folder, or under the one that it will be made in, is used: in per cent; 0: not known.
fn used(data: &Path) -> u8 {
    let Some(disk) = data.ancestors().find_map(|folder| statvfs(folder).ok()) else { return 0 };
    // As df(1) counts: what is kept for root is neither used nor free.
    let used = disk.f_blocks.saturating_sub(disk.f_bfree);
    let percent = used.saturating_mul(100).div_ceil((used + disk.f_bavail).max(1));
    u8::try_from(percent).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED: &str =
        "2026-11-22 21:00:00 0 [Note] Starting MariaDB 10.11.6\n2026-11-22 21:00:00 0 [Warning] something\n";
    const REFUSED: &str = "2026-11-22 21:00:01 0 [ERROR] InnoDB: The innodb_system data file 'ibdata1' must be writable\n\
                           2026-11-22 21:00:01 0 [ERROR] Plugin 'InnoDB' init function returned error.\n\
                           2026-11-22 21:00:01 0 [ERROR] Unknown/unsupported storage engine: InnoDB\n\
                           2026-11-22 21:00:01 0 [ERROR] Aborting\n";

    #[test]
    fn the_last_errors_are_told_without_their_times() {
        let told = errors(&(STARTED.to_owned() + REFUSED), false);
        let last = "must be writable; Plugin 'InnoDB' init function returned error.; Unknown/unsupported storage engine: InnoDB";
        assert!(told.starts_with("InnoDB: The") && told.ends_with(last), "{told}");
        let as_root = "mariadbd: Please consult the documentation!\n2026-11-22 21:00:00 0 [ERROR] Aborting\n";
        assert_eq!(errors(as_root, false), "mariadbd: Please consult the documentation!");
        assert_eq!(errors("2026-11-22 21:00:00 0 [ERROR] Aborting\n", false), "Aborting");
        assert_eq!(errors(STARTED, false), "", "a server that was killed did not say why");
        let full =
            "2026-11-22 21:00:00 19 [Warning] mariadbd: Disk is full writing './tandem-bin.000001' (Errcode: 28)";
        assert_eq!(errors(full, true), "Disk is full writing './tandem-bin.000001' (Errcode: 28)");
        let recovers = STARTED.to_owned() + "recovered pages: 0% 49% 100% (0.0 seconds)\n";
        assert_eq!(errors(&recovers, false), "", "it is on its way");
        assert_eq!(errors("Version: '10.11.6-MariaDB'  port: 3306\n", true), "", "it was killed");
        assert_eq!(errors("setpriv: failed to parse reuid\n", false), "setpriv: failed to parse reuid");
        assert_eq!(errors(&format!("{ERROR}{}", "x".repeat(9_999)), true).len(), LETTERS_MAX);
    }

    #[test]
    fn what_a_dead_database_said_stays_until_it_answers() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        std::fs::write(data.with_extension("log"), REFUSED).expect("a file");
        let mut trouble = Trouble::of(&data);
        let why = |trouble: &mut Trouble, failed: &str, process| {
            trouble.looked = None;
            // How full the disk is may change meanwhile.
            let _ = trouble.look(failed, process);
            trouble.told.0.clone()
        };
        let log = trouble.starts().to_owned();
        assert_eq!(why(&mut trouble, "", Process::Silent), "", "what an earlier process said is not this one's");
        std::fs::write(&log, STARTED.to_owned() + REFUSED + REFUSED).expect("a file");
        assert!(why(&mut trouble, "", Process::Dead).ends_with("engine: InnoDB"));
        trouble.starts();
        assert!(
            why(&mut trouble, "", Process::Silent).ends_with("engine: InnoDB"),
            "it stays while the next one starts"
        );
        assert_eq!(why(&mut trouble, "", Process::Running), "");
        assert_eq!(why(&mut trouble, "", Process::Dead), "", "it was said before it answered");
        assert_eq!(why(&mut trouble, "no way", Process::Running), "", "what fails for a moment is on its way");
    }
}
