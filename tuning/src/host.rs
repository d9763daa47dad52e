//! What can be read of a host without changing it.

mod watched;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use watched::Counters;
pub use watched::Rise;

/// Writes with fdatasync that the disk is asked for; the median counts.
const SYNCS: usize = 15;
/// Bytes of one such write: a few CDRs.
const SYNC_BYTES: usize = 4_096;
/// Where programs are looked for, below the root.
const PROGRAMS: &[&str] = &["usr/sbin", "sbin", "usr/bin", "bin"];

/// What to look at, and how long.
pub struct Scope<'a> {
    /// `/`, or a folder with files as /proc, /sys and /run would show them.
    pub root: &'a Path,
    /// The switch's data folder; need not exist.
    pub data: &'a Path,
    /// How long counters are watched; zero: not at all.
    pub watch: Duration,
    /// Whether the disk may be written to.
    pub write: bool,
}

/// A host, as its files show it.
pub struct Host {
    root: PathBuf,
    /// Where the data folder is or would be: itself, or the nearest folder above it that exists.
    pub disk: PathBuf,
    /// What counters did meanwhile.
    pub rise: Rise,
    /// Free bytes and all bytes of the data folder's file system.
    pub space: Option<(u64, u64)>,
    /// Median time of a small write with fdatasync; why not, if it was not tried.
    pub sync: Result<Duration, String>,
    /// What io_uring can do here, by name.
    pub rings: Result<Vec<(String, bool)>, String>,
    /// Runs under a hypervisor.
    pub virtual_machine: bool,
    /// Runs in a container.
    pub container: bool,
    /// What programs have said, by their words.
    answers: RefCell<BTreeMap<String, Result<String, String>>>,
}

impl Host {
    /// Looks at everything once. Takes at least the time of the watch.
    pub fn look(scope: &Scope) -> Host {
        let started = Instant::now();
        let disk = scope.data.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/")).to_owned();
        let mut host = Host {
            root: scope.root.to_owned(),
            space: space(&disk),
            sync: Err("not tried".into()),
            disk,
            rise: Rise::default(),
            rings: Err("not asked".into()),
            virtual_machine: false,
            container: false,
            answers: RefCell::default(),
        };
        let first = Counters::read(&host);
        if scope.write {
            host.sync = sync_time(&host.disk);
        }
        host.rings = host.ask_rings();
        host.virtual_machine =
            host.read("proc/cpuinfo").is_some_and(|text| words_of(&text, "flags").any(|flag| flag == "hypervisor"));
        host.container =
            host.exists(".dockerenv") || host.exists("run/.containerenv") || host.exists("run/systemd/container");
        std::thread::sleep(scope.watch.saturating_sub(started.elapsed()));
        host.rise = Counters::read(&host).since(&first, scope.watch);
        host
    }

    /// Where a path of this host is.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The text of a file below the root, without white space around it.
    pub fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.path(path)).ok().map(|text| text.trim().to_owned())
    }

    /// A file that holds one number.
    pub fn number(&self, path: &str) -> Option<u64> {
        self.read(path)?.parse().ok()
    }

    /// Whether there is such a file or folder.
    pub fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// The names in a folder, sorted.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Names in a folder that are a word and a number, such as `cpu3`, in the order of the numbers.
    pub fn numbered(&self, folder: &str, word: &str) -> Vec<usize> {
        let mut numbers: Vec<usize> =
            self.names(folder).iter().filter_map(|name| name.strip_prefix(word)?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The cores that are there.
    pub fn cores(&self) -> Vec<usize> {
        self.numbered("sys/devices/system/cpu", "cpu")
    }

    /// The soft limit of a row of `/proc/self/limits`; `None` inside means unlimited.
    pub fn limit(&self, row: &str) -> Option<Option<u64>> {
        let limits = self.read("proc/self/limits")?;
        let soft = limits.lines().find_map(|line| line.strip_prefix(row))?.split_whitespace().next()?.to_owned();
        if soft == "unlimited" { Some(None) } else { soft.parse().ok().map(Some) }
    }

    /// Whether this process has a capability, by its number in `capabilities(7)`.
    pub fn capable(&self, number: u32) -> bool {
        let status = self.read("proc/self/status").unwrap_or_default();
        let held = words_of(&status, "CapEff").next().and_then(|word| u64::from_str_radix(word, 16).ok());
        held.is_some_and(|held| held >> number & 1 == 1)
    }

    /// Whether a program of this name runs.
    pub fn runs(&self, program: &str) -> bool {
        self.names("proc")
            .iter()
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
            .any(|pid| self.read(&format!("proc/{pid}/comm")).is_some_and(|name| name == program))
    }

    /// What a program of the host prints; an error holds what it complains of, or that it is missing.
    pub fn ask(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let found = PROGRAMS.iter().map(|folder| self.path(folder).join(program)).find(|path| path.is_file());
        let path = found.ok_or_else(|| format!("{program} is not installed"))?;
        let output = Command::new(path).args(arguments).output().map_err(|flaw| format!("{program}: {flaw}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(format!("{program}: {}", complaint.lines().next().unwrap_or("failed")))
    }

    /// As [`Host::ask`], but a program is started once for the same question until something is set.
    pub fn ask_once(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let question = format!("{program} {}", arguments.join(" "));
        self.answers.borrow_mut().entry(question).or_insert_with(|| self.ask(program, arguments)).clone()
    }

    /// Something was set: programs may answer otherwise from now on.
    pub fn forget_answers(&self) {
        self.answers.borrow_mut().clear();
    }

    fn ask_rings(&self) -> Result<Vec<(String, bool)>, String> {
        if self.root == Path::new("/") {
            let found = uring::features().map_err(|flaw| format!("no ring: {flaw}"))?;
            return Ok(found.into_iter().map(|(name, able)| (name.to_owned(), able)).collect());
        }
        // Only a kernel can answer; what a made-up host answers stands in a file.
        let text = self.read("answers/io_uring").ok_or("only a running kernel can answer")?;
        let row = |line: &str| line.rsplit_once(' ').map(|(name, able)| (name.to_owned(), able == "yes"));
        Ok(text.lines().filter_map(row).collect())
    }
}

/// The words after `name:` on the first line that begins so.
pub fn words_of<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_once(':')).map_or("", |(_, words)| words).split_whitespace()
}

fn space(folder: &Path) -> Option<(u64, u64)> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some((stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize))
}

fn sync_time(folder: &Path) -> Result<Duration, String> {
    let path = folder.join(format!(".tandem-tune-{}", std::process::id()));
    let tried = measure(&path).map_err(|flaw| format!("{}: {flaw}", folder.display()));
    // Whatever happened, nothing stays behind; a file that was never made cannot be removed.
    let _ = std::fs::remove_file(&path);
    tried
}

fn measure(path: &Path) -> std::io::Result<Duration> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let started = Instant::now();
        file.write_all(&[0; SYNC_BYTES])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    times.sort();
    Ok(times[SYNCS / 2])
}
