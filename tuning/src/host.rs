//! What can be read of a host without changing it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Writes with fdatasync that the disk is asked for; the median counts.
const SYNCS: usize = 15;
/// Bytes of one such write: a few CDRs.
const SYNC_BYTES: usize = 4_096;

/// A host, as its files show it.
pub struct Host {
    root: PathBuf,
    /// Where the data folder is or would be: itself, or the nearest folder above it that exists.
    pub disk: PathBuf,
    /// UDP datagrams that the kernel dropped for want of buffer: at first, and a while later.
    pub receive_drops: Option<(u64, u64)>,
    /// How long the two readings lie apart.
    pub watched: Duration,
    /// Free bytes and all bytes of the data folder's file system.
    pub space: Option<(u64, u64)>,
    /// Median time of a small write with fdatasync; why not, if it could not be tried.
    pub sync: Result<Duration, String>,
    /// Runs under a hypervisor.
    pub virtual_machine: bool,
    /// Runs in a container.
    pub container: bool,
}

impl Host {
    /// Looks at everything once. Takes at least `watch`.
    pub fn look(root: &Path, data: &Path, watch: Duration) -> Host {
        let started = Instant::now();
        let disk = data.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/")).to_owned();
        let (space, sync) = (space(&disk), sync_time(&disk));
        let mut host = Host {
            root: root.to_owned(),
            disk,
            receive_drops: None,
            watched: watch,
            space,
            sync,
            virtual_machine: false,
            container: false,
        };
        let first = host.udp_drops();
        std::thread::sleep(watch.saturating_sub(started.elapsed()));
        host.receive_drops = first.zip(host.udp_drops());
        host.virtual_machine =
            host.read("proc/cpuinfo").is_some_and(|text| words_of(&text, "flags").any(|flag| flag == "hypervisor"));
        host.container =
            host.exists(".dockerenv") || host.exists("run/.containerenv") || host.exists("run/systemd/container");
        host
    }

    /// The text of a file below the root, without white space around it.
    pub fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(path)).ok().map(|text| text.trim().to_owned())
    }

    /// A file that holds one number.
    pub fn number(&self, path: &str) -> Option<u64> {
        self.read(path)?.parse().ok()
    }

    /// Whether there is such a file or folder.
    pub fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// The names in a folder, sorted.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.join(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
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

    fn udp_drops(&self) -> Option<u64> {
        let text = self.read("proc/net/snmp")?;
        let mut rows = text.lines().filter_map(|line| line.strip_prefix("Udp:"));
        let (names, values) = (rows.next()?, rows.next()?);
        let column = names.split_whitespace().position(|name| name == "RcvbufErrors")?;
        values.split_whitespace().nth(column)?.parse().ok()
    }
}

/// The words after `name:` on the first line that begins so.
fn words_of<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
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
