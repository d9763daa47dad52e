//! How this machine does: load, cores, memory, disks, clock, and how long it and the programs run. The kernel is asked every few seconds.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use cluster::{DiskStatus, MachineStatus, ProgramStatus, ShardLoad};
use rustix::fs::statvfs;
use tokio::process::Command;
use tokio::sync::watch;

use crate::folder::Folder;

/// Between two looks, but for the first two: shares need a second one.
const LOOK: Duration = Duration::from_secs(5);
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// Between two questions about the clock.
const CLOCK_LOOK: Duration = Duration::from_secs(60);
/// What the kernel counts time in for programs, on every machine that Linux runs on today (USER_HZ).
const TICKS_PER_S: u64 = 100;
/// How long whoever keeps the clock may take for an answer.
const CLOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Looks for as long as somebody listens.
pub fn start(folder: &Folder) -> watch::Receiver<MachineStatus> {
    let (told, heard) = watch::channel(MachineStatus::default());
    let mut eye = Eye::new(Path::new("/proc"), folder);
    tokio::spawn(async move {
        let mut clock: (Option<Instant>, Option<i64>) = (None, None);
        let mut pause = FIRST_LOOK;
        while !told.is_closed() {
            if clock.0.is_none_or(|asked| asked.elapsed() >= CLOCK_LOOK) {
                clock = (Some(Instant::now()), clock_off_us().await);
            }
            let looked = tokio::task::spawn_blocking(move || {
                let seen = eye.look(Instant::now());
                (eye, seen)
            });
            // The runtime ends, and this with it.
            let Ok((back, seen)) = looked.await else { return };
            eye = back;
            told.send_replace(MachineStatus { clock_off_us: clock.1, ..seen });
            tokio::time::sleep(pause).await;
            pause = LOOK;
        }
    });
    heard
}

/// How this machine does over a second from now on.
pub async fn once(folder: &Folder) -> MachineStatus {
    let mut eye = Eye::new(Path::new("/proc"), folder);
    eye.look(Instant::now());
    let ((), clock_off_us) = tokio::join!(tokio::time::sleep(FIRST_LOOK), clock_off_us());
    MachineStatus { clock_off_us, ..eye.look(Instant::now()) }
}

/// What the kernel counted up to one moment.
#[derive(Clone, Debug)]
struct Counted {
    at: Instant,
    /// Ticks of all cores: all, idle ones, those given to others.
    cores: Option<[u64; 3]>,
    shards: BTreeMap<u16, [u64; 2]>,
}

/// Reads what the kernel tells, and remembers the look before for shares.
#[derive(Debug)]
struct Eye {
    proc: PathBuf,
    folder: Folder,
    before: Option<Counted>,
}

impl Eye {
    fn new(proc: &Path, folder: &Folder) -> Eye {
        Eye { proc: proc.to_owned(), folder: folder.clone(), before: None }
    }

    fn read(&self, name: &str) -> String {
        // What the kernel does not tell is left out.
        fs::read_to_string(self.proc.join(name)).unwrap_or_default()
    }

    fn look(&mut self, now: Instant) -> MachineStatus {
        let data = process(&self.folder.data_lock());
        let counted = Counted {
            at: now,
            cores: ticks(&self.read("stat")),
            shards: data.map(|process| threads(&self.proc, process)).unwrap_or_default(),
        };
        let before = self.before.replace(counted.clone());
        let cores = before.as_ref().and_then(|before| shares(before.cores?, counted.cores?));
        let uptime_s = seconds(&self.read("uptime"));
        let (memory_bytes, memory_free_bytes) = memory(&self.read("meminfo"));
        let own = process(&self.folder.control_lock());
        let programs = [("dataplane", data), ("controlplane", own)];
        MachineStatus {
            at: jiff::Timestamp::now().as_microsecond(),
            uptime_s,
            cores: u16::try_from(self.read("stat").lines().filter(|line| is_core(line)).count()).unwrap_or(u16::MAX),
            load_x100: load(&self.read("loadavg")),
            cpu_permille: cores.map(|[busy, _]| busy),
            stolen_permille: cores.map(|[_, stolen]| stolen),
            memory_bytes,
            memory_free_bytes,
            disks: disks(&self.folder),
            programs: programs.into_iter().filter_map(|(name, id)| self.program(name, id?, uptime_s)).collect(),
            shards: before.map(|before| loads(&before, &counted)).unwrap_or_default(),
            clock_off_us: None,
        }
    }

    /// A program that runs. A lock may name one that does not run any more.
    fn program(&self, name: &str, process: u32, uptime_s: u64) -> Option<ProgramStatus> {
        let stat = self.read(&format!("{process}/stat"));
        // The name, in parentheses, may have blanks. starttime is the 22nd field, the 20th behind it.
        let begun: u64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
        let memory = kilobytes(&self.read(&format!("{process}/status")), "VmRSS:").unwrap_or(0);
        Some(ProgramStatus {
            name: name.to_owned(),
            uptime_s: uptime_s.saturating_sub(begun / TICKS_PER_S),
            memory_bytes: memory,
        })
    }
}

/// The process that a lock names.
fn process(lock: &Path) -> Option<u32> {
    fs::read_to_string(lock).ok()?.trim().parse().ok()
}

fn is_core(line: &str) -> bool {
    line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Of /proc/stat: all ticks, idle ones, those that the host gave to others. What guests ran is within user and nice.
fn ticks(stat: &str) -> Option<[u64; 3]> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<u64> = line.split_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
    let [user, nice, system, idle, iowait, irq, softirq, steal] = fields[..] else { return None };
    Some([user + nice + system + idle + iowait + irq + softirq + steal, idle + iowait, steal])
}

/// Thousandths worked and stolen between two looks.
fn shares(before: [u64; 3], now: [u64; 3]) -> Option<[u32; 2]> {
    let [all, idle, stolen] = [0, 1, 2].map(|field| now[field].saturating_sub(before[field]));
    let share = |part: u64| u32::try_from((part * 1_000).checked_div(all)?).ok();
    Some([share(all.saturating_sub(idle + stolen))?, share(stolen)?])
}

/// The first word of /proc/uptime.
fn seconds(uptime: &str) -> u64 {
    uptime.split(['.', ' ']).next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Of /proc/loadavg, whose figures have two decimals.
fn load(loadavg: &str) -> [u32; 3] {
    let mut words = loadavg.split_whitespace().map(|word| word.replace('.', "").parse().unwrap_or(0));
    [(); 3].map(|()| words.next().unwrap_or(0))
}

/// Of /proc/meminfo: all, and what programs may still have, in bytes.
fn memory(meminfo: &str) -> (u64, u64) {
    let field = |name| kilobytes(meminfo, name).unwrap_or(0);
    (field("MemTotal:"), field("MemAvailable:"))
}

/// A figure in kB, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

fn disks(folder: &Folder) -> Vec<DiskStatus> {
    let places = [("data", folder.path().to_owned()), ("journal", folder.journal())];
    let told = places.into_iter().filter_map(|(holds, path)| {
        let room = statvfs(&path).ok()?;
        let used = room.f_blocks.saturating_sub(room.f_bfree);
        let percent = (used.saturating_mul(100)).checked_div(used + room.f_bavail).unwrap_or(0);
        Some(DiskStatus {
            holds: holds.to_owned(),
            bytes: room.f_blocks * room.f_frsize,
            free_bytes: room.f_bavail * room.f_frsize,
            used_percent: u8::try_from(percent).unwrap_or(100),
        })
    });
    told.collect()
}

/// What the kernel counted for the shards of the data plane that works in a folder: nanoseconds on a core, and waiting for one.
pub fn counted(folder: &Folder) -> BTreeMap<u16, [u64; 2]> {
    process(&folder.data_lock()).map(|process| threads(Path::new("/proc"), process)).unwrap_or_default()
}

fn threads(proc: &Path, process: u32) -> BTreeMap<u16, [u64; 2]> {
    let tasks = fs::read_dir(proc.join(format!("{process}/task"))).into_iter().flatten().flatten();
    let row = |task: fs::DirEntry| {
        let name = fs::read_to_string(task.path().join("comm")).ok()?;
        let shard = name.trim().strip_prefix("shard-")?.parse().ok()?;
        let counted = fs::read_to_string(task.path().join("schedstat")).ok()?;
        let mut counted = counted.split_whitespace().map(str::parse);
        Some((shard, [counted.next()?.ok()?, counted.next()?.ok()?]))
    };
    tasks.filter_map(row).collect()
}

fn loads(before: &Counted, now: &Counted) -> Vec<ShardLoad> {
    let ns = now.at.saturating_duration_since(before.at).as_nanos();
    let share = |now: u64, then: u64| {
        let rise = u128::from(now.saturating_sub(then));
        u32::try_from((rise * 1_000).checked_div(ns).unwrap_or(0)).unwrap_or(u32::MAX)
    };
    let both = now.shards.iter().filter_map(|(shard, now)| Some((*shard, now, before.shards.get(shard)?)));
    both.map(|(shard, now, then)| ShardLoad {
        shard,
        cpu_permille: share(now[0], then[0]),
        wait_permille: share(now[1], then[1]),
    })
    .collect()
}

/// How far the clock is off, by chrony; none where it is not there or does not follow anybody.
async fn clock_off_us() -> Option<i64> {
    let mut command = Command::new("chronyc");
    command.args(["-c", "tracking"]).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(CLOCK_PATIENCE, command.output()).await.ok()?.ok()?;
    clock_off(&String::from_utf8_lossy(&output.stdout))
}

/// Of `chronyc -c tracking`: the fifth field is how many seconds the clock is behind, the last one tells whether it follows anybody.
fn clock_off(tracking: &str) -> Option<i64> {
    let fields: Vec<&str> = tracking.trim().split(',').collect();
    let behind: f64 = fields.get(4)?.parse().ok()?;
    let follows = *fields.last()? != "Not synchronised";
    (follows && behind.is_finite()).then(|| -(behind * 1e6).round() as i64)
}

#[cfg(test)]
mod tests;
