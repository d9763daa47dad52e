//! Buffers between the wire and a socket.

use super::{Change, Check, Found, Info, Sight, Warn};

/// Bytes of a page, in which `udp_mem` counts.
const PAGE: u64 = 4_096;
const UDP_MEM: &str = "proc/sys/net/ipv4/udp_mem";
const BUSY: [&str; 2] = ["proc/sys/net/core/busy_poll", "proc/sys/net/core/busy_read"];

/// Buffers between the wire and a socket.
pub const CHECKS: &[Check] = &[
    Check {
        name: "rmem-max",
        asks: "may a socket's receive buffer be large enough for a burst?",
        why: "SIP of all carriers of a shard comes in on one socket; a burst beyond its buffer is lost and comes again after 500 ms.",
        mend: "sysctl -w net.core.rmem_max=16777216",
        severity: Warn,
        in_a_lab: Warn,
        look: rmem_max,
    },
    Check {
        name: "wmem-max",
        asks: "may a socket's send buffer be large enough for a burst?",
        why: "What does not fit is refused by the kernel and must be sent again.",
        mend: "sysctl -w net.core.wmem_max=16777216",
        severity: Warn,
        in_a_lab: Warn,
        look: wmem_max,
    },
    Check {
        name: "rmem-default",
        asks: "is a media socket's receive buffer long enough for a pause of its shard?",
        why: "Media sockets keep the kernel's default; at 50 packets a second it holds seconds of speech, unless somebody made it small.",
        mend: "sysctl -w net.core.rmem_default=212992",
        severity: Warn,
        in_a_lab: Info,
        look: rmem_default,
    },
    Check {
        name: "udp-mem",
        asks: "may all UDP sockets together hold enough?",
        why: "Beyond net.ipv4.udp_mem the kernel drops datagrams of every socket, however empty its own buffer is.",
        mend: "Raise the third number of net.ipv4.udp_mem (pages).",
        severity: Warn,
        in_a_lab: Warn,
        look: udp_mem,
    },
    Check {
        name: "rcvbuf-errors",
        asks: "does the kernel drop datagrams at full buffers now?",
        why: "Each of them is a lost piece of speech or a late SIP message.",
        mend: "Raise net.core.rmem_max; look for a core at 100 % (`top`, then 1).",
        severity: Warn,
        in_a_lab: Warn,
        look: rcvbuf_errors,
    },
    Check {
        name: "backlog",
        asks: "may packets queue up for a busy core?",
        why: "What does not fit into net.core.netdev_max_backlog between card and socket is dropped.",
        mend: "sysctl -w net.core.netdev_max_backlog=16384",
        severity: Warn,
        in_a_lab: Info,
        look: backlog,
    },
    Check {
        name: "budget",
        asks: "may the kernel take many packets from the card at a time?",
        why: "Each round ends after net.core.netdev_budget packets; small rounds cost more of them.",
        mend: "sysctl -w net.core.netdev_budget=600",
        severity: Warn,
        in_a_lab: Info,
        look: budget,
    },
    Check {
        name: "busy-poll",
        asks: "does the kernel spin for packets?",
        why: "Our measurements found no gain in busy polling for a relay that is never idle, and it takes time from other shards.",
        mend: "sysctl -w net.core.busy_poll=0 net.core.busy_read=0",
        severity: Info,
        in_a_lab: Info,
        look: busy_poll,
    },
];

fn rmem_max(sight: &Sight) -> Found {
    buffer(sight, "proc/sys/net/core/rmem_max")
}

fn wmem_max(sight: &Sight) -> Found {
    buffer(sight, "proc/sys/net/core/wmem_max")
}

fn buffer(sight: &Sight, path: &str) -> Found {
    let least = u64::from(sight.wants.socket_buffer_mib) << 20;
    match sight.host.number(path) {
        Some(bytes) => {
            let want = format!("{} MiB or more", sight.wants.socket_buffer_mib);
            let change = Change::kernel(sight.host, path, least);
            Found::compared(want, format!("{} KiB", bytes >> 10), bytes >= least).with([change])
        }
        None => Found::unseen(format!("{} MiB or more", sight.wants.socket_buffer_mib)),
    }
}

fn rmem_default(sight: &Sight) -> Found {
    let least = u64::from(sight.wants.rmem_default_kib) << 10;
    sight.at_least("proc/sys/net/core/rmem_default", least)
}

fn udp_mem(sight: &Sight) -> Found {
    let least = u64::from(sight.wants.udp_mem_mib) << 20;
    let want = format!("{} MiB or more", sight.wants.udp_mem_mib);
    let text = sight.host.read(UDP_MEM).unwrap_or_default();
    let pages: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [low, pressure, most] = pages[..] else { return Found::unseen(want) };
    let change = Change::kernel(sight.host, UDP_MEM, format!("{low} {pressure} {}", least / PAGE));
    Found::compared(want, format!("{} MiB", (most * PAGE) >> 20), most * PAGE >= least).with([change])
}

fn rcvbuf_errors(sight: &Sight) -> Found {
    let want = "does not rise";
    match sight.host.rise.udp_drops {
        Some((all, rise)) => {
            Found::compared(want, format!("{all}, +{rise} in {} ms", sight.host.rise.over.as_millis()), rise == 0)
        }
        None => Found::not_applicable(want, "/proc/net/snmp cannot be read"),
    }
}

fn backlog(sight: &Sight) -> Found {
    sight.at_least("proc/sys/net/core/netdev_max_backlog", u64::from(sight.wants.backlog))
}

fn budget(sight: &Sight) -> Found {
    sight.at_least("proc/sys/net/core/netdev_budget", u64::from(sight.wants.budget))
}

fn busy_poll(sight: &Sight) -> Found {
    let want = "0";
    let values: Vec<u64> = BUSY.iter().filter_map(|path| sight.host.number(path)).collect();
    let [poll, read] = values[..] else { return Found::unseen(want) };
    let changes = BUSY.map(|path| Change::kernel(sight.host, path, 0));
    Found::compared(want, format!("poll {poll}, read {read}"), poll == 0 && read == 0).with(changes)
}
