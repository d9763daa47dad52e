//! Limits of the process, memory, processors.

use super::{Found, Sight};

/// Sockets of one call: two legs, RTP and RTCP.
pub const SOCKETS_PER_CALL: u64 = 4;
/// CAP_IPC_LOCK of capabilities(7): no limit on locked memory.
const CAP_IPC_LOCK: u32 = 14;

pub fn memlock(sight: &Sight) -> Found {
    let least = u64::from(sight.wants.memlock_mib) << 20;
    let want = format!("{} MiB or more", sight.wants.memlock_mib);
    if sight.host.capable(CAP_IPC_LOCK) {
        return Found::compared(want, "no limit (CAP_IPC_LOCK)", true);
    }
    match sight.host.limit("Max locked memory") {
        Some(None) => Found::compared(want, "unlimited", true),
        Some(Some(bytes)) => Found::compared(want, format!("{} KiB", bytes >> 10), bytes >= least),
        None => Found::not_applicable(want, "/proc/self/limits cannot be read"),
    }
}

pub fn nofile(sight: &Sight) -> Found {
    let calls = u64::from(sight.wants.calls_max);
    let least = SOCKETS_PER_CALL * calls + u64::from(sight.wants.descriptors_spare);
    let want = format!("{least} or more ({calls} calls)");
    match sight.host.limit("Max open files") {
        Some(None) => Found::compared(want, "unlimited", true),
        Some(Some(files)) => Found::compared(want, files.to_string(), files >= least),
        None => Found::not_applicable(want, "/proc/self/limits cannot be read"),
    }
}

pub fn governor(sight: &Sight) -> Found {
    let want = "performance on every core";
    let cores = sight.host.names("sys/devices/system/cpu");
    let read = |core: &String| sight.host.read(&format!("sys/devices/system/cpu/{core}/cpufreq/scaling_governor"));
    let mut governors: Vec<String> = cores.iter().filter_map(read).collect();
    governors.sort();
    governors.dedup();
    match governors.as_slice() {
        [] if sight.host.virtual_machine => Found::not_applicable(want, "the hypervisor sets the clock"),
        [] => Found::not_applicable(want, "the kernel does not change the clock here"),
        [one] => Found::compared(want, one.clone(), one == "performance"),
        several => Found::compared(want, several.join(", "), false),
    }
}

pub fn huge_pages(sight: &Sight) -> Found {
    let want = "madvise or never";
    let Some(text) = sight.host.read("sys/kernel/mm/transparent_hugepage/enabled") else {
        return Found::not_applicable(want, "not built into this kernel");
    };
    let chosen =
        text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or(text.as_str(), |(chosen, _)| chosen);
    Found::compared(want, chosen, matches!(chosen, "madvise" | "never"))
}

pub fn swappiness(sight: &Sight) -> Found {
    let want = format!("{} or less", sight.wants.swappiness);
    // The first line of /proc/swaps is the heading.
    if sight.host.read("proc/swaps").is_none_or(|text| text.lines().count() <= 1) {
        return Found::not_applicable(want, "no swap");
    }
    match sight.host.number("proc/sys/vm/swappiness") {
        Some(value) => Found::compared(want, value.to_string(), value <= u64::from(sight.wants.swappiness)),
        None => Found::not_applicable(want, "cannot be read"),
    }
}
