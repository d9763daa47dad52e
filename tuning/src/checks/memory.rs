//! Memory: pages that merge, swap, move.

use super::{Change, Check, Found, Info, Sight, Warn};
use crate::change::plain;

const HUGE: &str = "sys/kernel/mm/transparent_hugepage/enabled";
const SWAPPINESS: &str = "proc/sys/vm/swappiness";

/// Memory.
pub const CHECKS: &[Check] = &[
    Check {
        name: "thp",
        asks: "does the kernel merge pages behind the process's back?",
        why: "Transparent huge pages for everyone stall a shard for milliseconds while the kernel compacts memory.",
        mend: "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
        severity: Warn,
        in_a_lab: Warn,
        look: thp,
    },
    Check {
        name: "swappiness",
        asks: "would the kernel rather swap than drop file pages?",
        why: "A shard whose table must come back from disk is late for thousands of packets.",
        mend: "sysctl -w vm.swappiness=10, or swapoff -a",
        severity: Warn,
        in_a_lab: Warn,
        look: swappiness,
    },
    Check {
        name: "numa-balancing",
        asks: "does the kernel move memory between nodes?",
        why: "It unmaps pages to see who uses them; each touch of one is a fault of microseconds.",
        mend: "sysctl -w kernel.numa_balancing=0",
        severity: Warn,
        in_a_lab: Info,
        look: numa_balancing,
    },
    Check {
        name: "numa",
        asks: "are card, cores and memory on one node?",
        why: "A packet that crosses between sockets costs a third more.",
        mend: "Give the data plane cores of the card's node: numactl --cpunodebind=N --membind=N, or CPUAffinity= and NUMAMask= in the unit.",
        severity: Info,
        in_a_lab: Info,
        look: numa,
    },
];

fn thp(sight: &Sight) -> Found {
    let want = "madvise or never";
    let Some(text) = sight.host.read(HUGE) else {
        return Found::not_applicable(want, "not built into this kernel");
    };
    let chosen = plain(&text);
    let ok = matches!(chosen.as_str(), "madvise" | "never");
    Found::compared(want, chosen, ok).with([Change::kernel(sight.host, HUGE, "madvise")])
}

fn swappiness(sight: &Sight) -> Found {
    let most = sight.wants.swappiness;
    let want = format!("{most} or less");
    // The first line of /proc/swaps is the heading.
    if sight.host.read("proc/swaps").is_none_or(|text| text.lines().count() <= 1) {
        return Found::not_applicable(want, "no swap");
    }
    match sight.host.number(SWAPPINESS) {
        Some(value) => {
            let change = Change::kernel(sight.host, SWAPPINESS, most);
            Found::compared(want, value.to_string(), value <= u64::from(most)).with([change])
        }
        None => Found::unseen(want),
    }
}

fn numa_balancing(sight: &Sight) -> Found {
    sight.exactly("proc/sys/kernel/numa_balancing", 0)
}

fn numa(sight: &Sight) -> Found {
    let want = "one node";
    let nodes = sight.host.numbered("sys/devices/system/node", "node").len();
    if nodes <= 1 {
        return Found::compared(want, "one node", true);
    }
    let node = |nic: &String| {
        let number = sight.host.read(&format!("sys/class/net/{nic}/device/numa_node"))?;
        Some(format!("{nic} on node {number}"))
    };
    let cards: Vec<String> = sight.nics.iter().filter_map(node).collect();
    Found::compared(want, format!("{nodes} nodes; {}", cards.join(", ")), false)
}
