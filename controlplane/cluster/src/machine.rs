//! What a node's control plane tells of the machine that it runs on.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// How a machine does. Fields that a reader does not know are passed over, those that are missing are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineStatus {
    /// When it was read: microseconds since 1970-01-01 UTC; 0: it never was.
    pub at: i64,
    /// Seconds since the machine's start.
    pub uptime_s: u64,
    /// Cores that it has.
    pub cores: u16,
    /// Threads that ran or waited for a core or a disk, in hundredths: means over 1, 5 and 15 minutes.
    pub load_x100: [u32; 3],
    /// Share of all cores' time that was worked, in thousandths; none: it was looked at once.
    pub cpu_permille: Option<u32>,
    /// Share of all cores' time that the host of a virtual machine gave to others, in thousandths.
    pub stolen_permille: Option<u32>,
    /// Memory that it has.
    pub memory_bytes: u64,
    /// Memory that programs may still have.
    pub memory_free_bytes: u64,
    /// File systems that calls depend on.
    pub disks: Vec<DiskStatus>,
    /// The switch's programs that run.
    pub programs: Vec<ProgramStatus>,
    /// The data plane's shards.
    pub shards: Vec<ShardLoad>,
    /// How far the clock is off, in microseconds, by who keeps it; ahead of the right time if above 0. None: nobody says.
    pub clock_off_us: Option<i64>,
}

/// A file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskStatus {
    /// What is on it: `data` (snapshots, recordings, captures, a database of the folder's own) or `journal`.
    pub holds: String,
    /// Its size.
    pub bytes: u64,
    /// What may still be written.
    pub free_bytes: u64,
    /// Share in use, in per cent, as df tells it: what is kept for root is neither used nor free.
    pub used_percent: u8,
}

/// A program of the switch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgramStatus {
    /// `dataplane` or `controlplane`.
    pub name: String,
    /// Seconds since its start.
    pub uptime_s: u64,
    /// Memory that it holds.
    pub memory_bytes: u64,
}

/// What a shard had of its core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShardLoad {
    /// Its number.
    pub shard: u16,
    /// Share of the time that it ran, in thousandths.
    pub cpu_permille: u32,
    /// Share of the time that it had work and got no core, in thousandths.
    pub wait_permille: u32,
}

impl MachineStatus {
    /// For people: each matter with its figures.
    pub fn told(&self) -> Vec<(String, String)> {
        let [one, five, fifteen] = self.load_x100.map(hundredths);
        let mut told = vec![
            ("machine".to_owned(), format!("up {}, {} cores", span(self.uptime_s), self.cores)),
            ("load".to_owned(), format!("{one} {five} {fifteen}")),
        ];
        if let Some(worked) = self.cpu_permille {
            let stolen = tenths(self.stolen_permille.unwrap_or(0));
            told.push((
                "cores".to_owned(),
                format!("{} % worked, {stolen} % given to others by the host", tenths(worked)),
            ));
        }
        told.extend(self.shards.iter().map(|load| {
            let (ran, waited) = (tenths(load.cpu_permille), tenths(load.wait_permille));
            (format!("shard {}", load.shard), format!("{ran} % of a core, waited for one {waited} %"))
        }));
        let (free, all) = (bytes(self.memory_free_bytes), bytes(self.memory_bytes));
        told.push(("memory".to_owned(), format!("{free} of {all} free")));
        told.extend(self.disks.iter().map(|disk| {
            let (free, all) = (bytes(disk.free_bytes), bytes(disk.bytes));
            (format!("disk, {}", disk.holds), format!("{free} of {all} free, {} % used", disk.used_percent))
        }));
        told.extend(self.programs.iter().map(|program| {
            (program.name.clone(), format!("up {}, {}", span(program.uptime_s), bytes(program.memory_bytes)))
        }));
        told.push(("clock".to_owned(), self.clock()));
        told
    }

    /// The same in one line; empty where it was never read.
    pub fn line(&self) -> String {
        if self.at == 0 {
            return String::new();
        }
        let worked = self.cpu_permille.map_or_else(String::new, |worked| format!(", {} % worked", tenths(worked)));
        let shards = self.shards.iter().map(|load| format!(", shard {} {} %", load.shard, tenths(load.cpu_permille)));
        let disks = self.disks.iter().map(|disk| format!(", {} disk {} % used", disk.holds, disk.used_percent));
        let parts: String = shards.chain(disks).collect();
        let [load, ..] = self.load_x100.map(hundredths);
        let (up, free) = (span(self.uptime_s), bytes(self.memory_free_bytes));
        format!("up {up}, load {load} on {} cores{worked}, {free} free{parts}, clock {}", self.cores, self.clock())
    }

    fn clock(&self) -> String {
        match self.clock_off_us {
            None => "not known: no chrony tells".to_owned(),
            Some(off) => {
                let us = off.unsigned_abs();
                let way = if off < 0 { "behind" } else { "ahead" };
                format!("{}.{:03} ms {way}", us / 1_000, us % 1_000)
            }
        }
    }
}

fn hundredths(figure: u32) -> String {
    format!("{}.{:02}", figure / 100, figure % 100)
}

fn tenths(figure: u32) -> String {
    format!("{}.{}", figure / 10, figure % 10)
}

/// The largest unit of which there are two or more, in whole ones.
fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
    let (length, unit) = units.into_iter().find(|(length, _)| seconds >= length * 2).unwrap_or((1, "s"));
    format!("{} {unit}", seconds / length)
}

/// In the largest unit, with one decimal.
fn bytes(count: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.into_iter().find(|(size, _)| count >= *size) {
        Some((size, unit)) => format!("{}.{} {unit}", count / size, count % size * 10 / size),
        None => format!("{count} B"),
    }
}
