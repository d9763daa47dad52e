//! What a process may have: locked memory, descriptors, media ports.

use super::{Change, Check, Fatal, Found, Sight, Warn};

/// Sockets of one call: two legs, RTP and RTCP.
const SOCKETS_PER_CALL: u64 = 4;
/// CAP_IPC_LOCK of capabilities(7): no limit on locked memory.
const CAP_IPC_LOCK: u32 = 14;
const RESERVED: &str = "proc/sys/net/ipv4/ip_local_reserved_ports";

/// What a process may have.
pub const CHECKS: &[Check] = &[
    Check {
        name: "memlock",
        asks: "may the process lock enough memory?",
        why: "Rings and buffers are pinned; at the limit the data plane would start with fewer of them or not at all.",
        mend: "LimitMEMLOCK=infinity in the service's unit, or `ulimit -l unlimited` in the shell that starts it.",
        severity: Fatal,
        in_a_lab: Warn,
        look: memlock,
    },
    Check {
        name: "nofile",
        asks: "are there enough descriptors for the media ports?",
        why: "A call has two legs with RTP and RTCP: four sockets. Out of descriptors, calls are refused.",
        mend: "LimitNOFILE=1048576 in the service's unit, or `ulimit -n` in the shell that starts it.",
        severity: Fatal,
        in_a_lab: Fatal,
        look: nofile,
    },
    Check {
        name: "rtp-range",
        asks: "are there enough media ports?",
        why: "A call needs four ports on one media address; without them it is refused.",
        mend: "Widen --rtp LOW-HIGH, or give the node more media addresses.",
        severity: Fatal,
        in_a_lab: Fatal,
        look: rtp_range,
    },
    Check {
        name: "rtp-reserved",
        asks: "can other sockets steal media ports?",
        why: "The kernel gives ports of ip_local_port_range to any socket that asks for any port; a media port that is taken cannot be opened for a call.",
        mend: "sysctl -w net.ipv4.ip_local_reserved_ports=LOW-HIGH, or choose media ports outside ip_local_port_range.",
        severity: Fatal,
        in_a_lab: Warn,
        look: rtp_reserved,
    },
];

fn memlock(sight: &Sight) -> Found {
    let least = u64::from(sight.wants.memlock_mib) << 20;
    let want = format!("{} MiB or more", sight.wants.memlock_mib);
    if sight.host.capable(CAP_IPC_LOCK) {
        return Found::compared(want, "no limit (CAP_IPC_LOCK)", true);
    }
    match sight.host.limit("Max locked memory") {
        Some(None) => Found::compared(want, "unlimited", true),
        Some(Some(bytes)) => Found::compared(want, format!("{} KiB", bytes >> 10), bytes >= least).with([login(
            sight,
            "memlock",
            "unlimited",
        )]),
        None => Found::not_applicable(want, "/proc/self/limits cannot be read"),
    }
}

fn nofile(sight: &Sight) -> Found {
    let calls = u64::from(sight.wants.calls_max);
    let least = SOCKETS_PER_CALL * calls + u64::from(sight.wants.descriptors_spare);
    let want = format!("{least} or more ({calls} calls)");
    match sight.host.limit("Max open files") {
        Some(None) => Found::compared(want, "unlimited", true),
        Some(Some(files)) => {
            Found::compared(want, files.to_string(), files >= least).with([login(sight, "nofile", "1048576")])
        }
        None => Found::not_applicable(want, "/proc/self/limits cannot be read"),
    }
}

/// A limit for whoever logs in, as `limits.d(5)` has it. Services have theirs in their unit.
fn login(sight: &Sight, name: &str, value: &str) -> Change {
    let text = format!("*    - {name} {value}\nroot - {name} {value}");
    Change::file(sight.host, &format!("etc/security/limits.d/60-tandem-{name}.conf"), &text)
}

fn rtp_range(sight: &Sight) -> Found {
    let (low, high) = sight.rtp;
    let calls = u64::from(sight.wants.calls_max);
    let ports = u64::from(high - low) + 1;
    let want = format!("{} ports or more ({calls} calls)", SOCKETS_PER_CALL * calls);
    Found::compared(want, format!("{ports} ports, {low}-{high}"), ports >= SOCKETS_PER_CALL * calls)
}

fn rtp_reserved(sight: &Sight) -> Found {
    let (low, high) = sight.rtp;
    let want = format!("no other socket gets {low}-{high}");
    let range = sight.host.read("proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let ends: Vec<u16> = range.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [first, last] = ends[..] else {
        return Found::not_applicable(want, "ip_local_port_range cannot be read");
    };
    let (from, to) = (low.max(first), high.min(last));
    if from > to {
        return Found::compared(want, format!("others get {first}-{last}"), true);
    }
    let reserved = sight.host.read(RESERVED).unwrap_or_default();
    if covers(&reserved, from, to) {
        return Found::compared(want, format!("{reserved} are reserved"), true);
    }
    let both = if reserved.is_empty() { format!("{low}-{high}") } else { format!("{reserved},{low}-{high}") };
    Found::compared(want, format!("others may get {from}-{to}"), false)
        .with([Change::kernel(sight.host, RESERVED, both)])
}

/// Whether a list like `100,200-300` has every port of a range.
fn covers(list: &str, from: u16, to: u16) -> bool {
    let mut spans: Vec<(u16, u16)> = list
        .split(',')
        .filter_map(|span| {
            let (first, last) = span.trim().split_once('-').unwrap_or((span.trim(), span.trim()));
            Some((first.parse().ok()?, last.parse().ok()?))
        })
        .collect();
    spans.sort_unstable();
    let mut next = u32::from(from);
    for (first, last) in spans {
        if u32::from(first) <= next {
            next = next.max(u32::from(last) + 1);
        }
    }
    next > u32::from(to)
}
