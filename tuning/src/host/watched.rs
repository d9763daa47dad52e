//! Counters that only mean something by how they rise.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Host;

/// What counters did while they were watched.
#[derive(Default)]
pub struct Rise {
    /// How long that was; zero if nobody watched.
    pub over: Duration,
    /// UDP datagrams that the kernel dropped for want of buffer: all, and those of the watch.
    pub udp_drops: Option<(u64, u64)>,
    /// Time that the hypervisor gave to others, in thousandths of all processor time.
    pub stolen: Option<u64>,
    /// Interrupts by their number.
    pub interrupts: BTreeMap<u32, u64>,
    /// By NIC: packets that the cloud held back because an allowance was used up.
    pub held_back: BTreeMap<String, u64>,
}

/// The counters at one moment.
pub struct Counters {
    udp_drops: Option<u64>,
    /// Stolen ticks and all ticks.
    processor: Option<(u64, u64)>,
    interrupts: BTreeMap<u32, u64>,
    held_back: BTreeMap<String, u64>,
}

impl Counters {
    pub fn read(host: &Host) -> Counters {
        let held_back = |nic: String| held_back(host, &nic).map(|count| (nic, count));
        Counters {
            udp_drops: udp_drops(host),
            processor: processor(host),
            interrupts: interrupts(host),
            held_back: host.names("sys/class/net").into_iter().filter_map(held_back).collect(),
        }
    }

    pub fn since(&self, first: &Counters, over: Duration) -> Rise {
        let stolen = self.processor.zip(first.processor).map(|((stolen, all), (stolen_then, all_then))| {
            stolen.saturating_sub(stolen_then) * 1_000 / all.saturating_sub(all_then).max(1)
        });
        Rise {
            over,
            udp_drops: self.udp_drops.zip(first.udp_drops).map(|(last, then)| (last, last.saturating_sub(then))),
            stolen: if over.is_zero() { None } else { stolen },
            interrupts: risen(&self.interrupts, &first.interrupts),
            held_back: risen(&self.held_back, &first.held_back),
        }
    }
}

fn risen<K: Ord + Clone>(last: &BTreeMap<K, u64>, first: &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
    last.iter().map(|(key, count)| (key.clone(), count.saturating_sub(*first.get(key).unwrap_or(&0)))).collect()
}

fn udp_drops(host: &Host) -> Option<u64> {
    let text = host.read("proc/net/snmp")?;
    let mut rows = text.lines().filter_map(|line| line.strip_prefix("Udp:"));
    let (names, values) = (rows.next()?, rows.next()?);
    let column = names.split_whitespace().position(|name| name == "RcvbufErrors")?;
    values.split_whitespace().nth(column)?.parse().ok()
}

/// `proc(5)`: the eighth number of the line `cpu` is stolen time; the guest times after it are contained in the first two.
fn processor(host: &Host) -> Option<(u64, u64)> {
    let text = host.read("proc/stat")?;
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line.split_whitespace().take(8).filter_map(|word| word.parse().ok()).collect();
    Some((*ticks.get(7)?, ticks.iter().sum()))
}

fn interrupts(host: &Host) -> BTreeMap<u32, u64> {
    let text = host.read("proc/interrupts").unwrap_or_default();
    let row = |line: &str| {
        let (number, rest) = line.trim().split_once(':')?;
        let count = rest.split_whitespace().map_while(|word| word.parse::<u64>().ok()).sum();
        Some((number.parse().ok()?, count))
    };
    text.lines().filter_map(row).collect()
}

/// The counters `*_allowance_exceeded` of Amazon's driver, which no other driver has.
fn held_back(host: &Host, nic: &str) -> Option<u64> {
    if !host.path(&format!("sys/class/net/{nic}/device")).exists() {
        return None;
    }
    let text = host.ask("ethtool", &["-S", nic]).ok()?;
    let rows = text.lines().filter_map(|line| line.trim().split_once(':'));
    let counts: Vec<u64> = rows
        .filter(|(name, _)| name.ends_with("_allowance_exceeded"))
        .filter_map(|(_, count)| count.trim().parse().ok())
        .collect();
    if counts.is_empty() { None } else { Some(counts.iter().sum()) }
}
