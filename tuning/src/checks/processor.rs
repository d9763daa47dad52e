//! Cores: their clock, their sleep, their neighbours.

use super::{Change, Check, Found, Info, Sight, Warn};

const CORES: &str = "sys/devices/system/cpu";
const WORKQUEUES: &str = "sys/devices/virtual/workqueue/cpumask";

/// Cores: their clock, their sleep, their neighbours.
pub const CHECKS: &[Check] = &[
    Check {
        name: "governor",
        asks: "do the processors run at full clock?",
        why: "A clock that rises only under load adds its ramp to the latency of the first packets.",
        mend: "cpupower frequency-set -g performance",
        severity: Warn,
        in_a_lab: Warn,
        look: governor,
    },
    Check {
        name: "c-states",
        asks: "do idle cores sleep lightly?",
        why: "Waking from a deep sleep takes up to hundreds of microseconds, for each packet that comes alone.",
        mend: "echo 1 > /sys/devices/system/cpu/cpuN/cpuidle/stateM/disable for every state slower than the wanted latency",
        severity: Warn,
        in_a_lab: Info,
        look: c_states,
    },
    Check {
        name: "turbo",
        asks: "may the processor use its highest clock?",
        why: "Without it a shard does less; with it figures vary with temperature. A switch wants the speed.",
        mend: "echo 0 > /sys/devices/system/cpu/intel_pstate/no_turbo, or echo 1 > /sys/devices/system/cpu/cpufreq/boost",
        severity: Info,
        in_a_lab: Info,
        look: turbo,
    },
    Check {
        name: "smt",
        asks: "has every shard a whole core?",
        why: "Two shards on the two threads of one core share its execution units: each does about 60 % of what it could.",
        mend: "Start with --shards of the number of whole cores, or switch SMT off: echo off > /sys/devices/system/cpu/smt/control",
        severity: Warn,
        in_a_lab: Info,
        look: smt,
    },
    Check {
        name: "steal",
        asks: "does the hypervisor give this machine its time?",
        why: "Stolen time is silence in the middle of speech.",
        mend: "Ask for dedicated cores, or move the machine.",
        severity: Warn,
        in_a_lab: Warn,
        look: steal,
    },
    Check {
        name: "isolation",
        asks: "are cores kept free for shards?",
        why: "Any other task on a shard's core makes all of its calls wait.",
        mend: "A cpuset partition (echo isolated > cpuset.cpus.partition), or isolcpus= nohz_full= rcu_nocbs= on the kernel's command line.",
        severity: Info,
        in_a_lab: Info,
        look: isolation,
    },
    Check {
        name: "workqueues",
        asks: "does the kernel do its chores elsewhere than on isolated cores?",
        why: "Chores of the kernel (workqueues) that nobody bound to a core run on any core of this mask, a shard's among them.",
        mend: "echo MASK > /sys/devices/virtual/workqueue/cpumask, all cores but the isolated ones",
        severity: Info,
        in_a_lab: Info,
        look: workqueues,
    },
    Check {
        name: "stat-interval",
        asks: "how often does the kernel visit each core to count?",
        why: "Each visit interrupts the shard on it.",
        mend: "sysctl -w vm.stat_interval=10",
        severity: Info,
        in_a_lab: Info,
        look: stat_interval,
    },
    Check {
        name: "nmi-watchdog",
        asks: "does the kernel's watchdog interrupt each core?",
        why: "It takes a performance counter and a moment of each core, every few seconds.",
        mend: "sysctl -w kernel.nmi_watchdog=0",
        severity: Info,
        in_a_lab: Info,
        look: nmi_watchdog,
    },
];

fn governor(sight: &Sight) -> Found {
    let want = "performance on every core";
    let path = |core: &usize| format!("{CORES}/cpu{core}/cpufreq/scaling_governor");
    let cores = sight.host.cores();
    let governors: Vec<(String, String)> =
        cores.iter().map(path).filter_map(|path| sight.host.read(&path).map(|governor| (path, governor))).collect();
    if governors.is_empty() {
        return Found::not_applicable(want, sight.no_clock());
    }
    let wrong = governors.iter().filter(|(_, governor)| governor != "performance");
    let changes: Vec<Change> = wrong.map(|(path, _)| Change::kernel(sight.host, path, "performance")).collect();
    let mut names: Vec<&str> = governors.iter().map(|(_, governor)| governor.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    Found::compared(want, names.join(", "), changes.is_empty()).with(changes)
}

fn c_states(sight: &Sight) -> Found {
    let most = u64::from(sight.wants.wake_us);
    let want = format!("awake within {most} µs");
    let (mut seen, mut slowest, mut changes) = (false, 0, Vec::new());
    for core in sight.host.cores() {
        let folder = format!("{CORES}/cpu{core}/cpuidle");
        for state in sight.host.numbered(&folder, "state") {
            let number = |name: &str| sight.host.number(&format!("{folder}/state{state}/{name}"));
            let (Some(latency), Some(disabled)) = (number("latency"), number("disable")) else { continue };
            seen = true;
            if disabled == 0 {
                slowest = slowest.max(latency);
            }
            if disabled == 0 && latency > most {
                changes.push(Change::kernel(sight.host, &format!("{folder}/state{state}/disable"), 1));
            }
        }
    }
    if !seen {
        return Found::not_applicable(want, sight.no_clock());
    }
    Found::compared(want, format!("{slowest} µs"), changes.is_empty()).with(changes)
}

fn turbo(sight: &Sight) -> Found {
    let (intel, other) = ("sys/devices/system/cpu/intel_pstate/no_turbo", "sys/devices/system/cpu/cpufreq/boost");
    match (sight.host.number(intel), sight.host.number(other)) {
        (Some(off), _) => {
            let found = if off == 0 { "on" } else { "off" };
            Found::compared("on", found, off == 0).with([Change::kernel(sight.host, intel, 0)])
        }
        (None, Some(on)) => {
            let found = if on == 1 { "on" } else { "off" };
            Found::compared("on", found, on == 1).with([Change::kernel(sight.host, other, 1)])
        }
        (None, None) => Found::not_applicable("on", sight.no_clock()),
    }
}

fn smt(sight: &Sight) -> Found {
    let cores = sight.host.cores();
    let siblings = |core: &usize| sight.host.read(&format!("{CORES}/cpu{core}/topology/thread_siblings_list"));
    let mut whole: Vec<String> = cores.iter().filter_map(siblings).collect();
    whole.sort();
    whole.dedup();
    let shards = sight.shards();
    let want = format!("a whole core for each of {shards} shards");
    match whole.len() {
        0 => Found::unseen(want),
        count if count == cores.len() => Found::compared(want, "one thread a core", true),
        count => Found::compared(want, format!("{count} whole cores, {} threads", cores.len()), shards <= count),
    }
}

fn steal(sight: &Sight) -> Found {
    let want = format!("below {} %", sight.wants.steal_percent);
    if !sight.host.virtual_machine {
        return Found::not_applicable(want, "no hypervisor");
    }
    match sight.host.rise.stolen {
        Some(share) => {
            let ok = share < u64::from(sight.wants.steal_percent) * 10;
            Found::compared(want, format!("{}.{} %", share / 10, share % 10), ok)
        }
        None => Found::not_applicable(want, "not watched"),
    }
}

fn isolation(sight: &Sight) -> Found {
    let want = "cores of their own";
    let isolated = sight.host.read("sys/devices/system/cpu/isolated").unwrap_or_default();
    if sight.host.container {
        return Found::not_applicable(want, "the host of the container decides");
    }
    let found = if isolated.is_empty() { "none".into() } else { format!("cores {isolated}") };
    Found::compared(want, found, !isolated.is_empty())
}

fn workqueues(sight: &Sight) -> Found {
    let want = "off isolated cores";
    let isolated = listed(&sight.host.read(&format!("{CORES}/isolated")).unwrap_or_default());
    let rest: Vec<usize> = sight.host.cores().into_iter().filter(|core| !isolated.contains(core)).collect();
    if isolated.is_empty() || rest.is_empty() {
        return Found::not_applicable(want, "no core is isolated, or all are");
    }
    let Some(mask) = sight.host.read(WORKQUEUES) else { return Found::unseen(want) };
    let ok = masked(&mask).iter().all(|core| !isolated.contains(core));
    Found::compared(want, format!("mask {mask}"), ok).with([Change::kernel(sight.host, WORKQUEUES, mask_of(&rest))])
}

/// The cores of a list as `1,3-5`.
fn listed(list: &str) -> Vec<usize> {
    let span = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse::<usize>().ok()?..=last.trim().parse().ok()?)
    };
    list.split(',').filter_map(span).flatten().collect()
}

/// The cores of a mask: groups of 32 bits, the highest first.
fn masked(mask: &str) -> Vec<usize> {
    let groups = mask.split(',').rev().map(|group| u32::from_str_radix(group.trim(), 16).unwrap_or(0)).enumerate();
    groups
        .flat_map(|(nth, bits)| (0..32).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| nth * 32 + bit))
        .collect()
}

/// The mask of these cores.
fn mask_of(cores: &[usize]) -> String {
    let groups = cores.iter().max().map_or(1, |most| most / 32 + 1);
    let bits =
        |nth: usize| cores.iter().filter(|core| **core / 32 == nth).fold(0_u32, |bits, core| bits | (1 << (core % 32)));
    let mut text = format!("{:x}", bits(groups - 1));
    (0..groups - 1).rev().for_each(|nth| text.push_str(&format!(",{:08x}", bits(nth))));
    text
}

fn stat_interval(sight: &Sight) -> Found {
    sight.at_least("proc/sys/vm/stat_interval", 10)
}

fn nmi_watchdog(sight: &Sight) -> Found {
    sight.exactly("proc/sys/kernel/nmi_watchdog", 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_of_cores_is_read_and_written_as_the_kernel_does() {
        assert_eq!(listed("1,3-5"), [1, 3, 4, 5]);
        assert_eq!((listed(""), listed("all")), (vec![], vec![]));
        assert_eq!(masked("1,00000002"), [1, 32]);
        for cores in [&[0][..], &[1, 3], &[0, 31, 32, 70]] {
            assert_eq!(masked(&mask_of(cores)), cores);
        }
        assert_eq!(mask_of(&[0, 64]), "1,00000000,00000001");
    }
}
