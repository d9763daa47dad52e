//! Ports, buffers and what stands between the wire and a socket.

use super::resources::SOCKETS_PER_CALL;
use super::{Found, Severity, Sight};

pub fn rtp_range(sight: &Sight) -> Found {
    let (low, high) = sight.rtp;
    let calls = u64::from(sight.wants.calls_max);
    let ports = u64::from(high - low) + 1;
    let want = format!("{} ports or more ({calls} calls)", SOCKETS_PER_CALL * calls);
    Found::compared(want, format!("{ports} ports, {low}-{high}"), ports >= SOCKETS_PER_CALL * calls)
}

pub fn rtp_reserved(sight: &Sight) -> Found {
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
    let reserved = sight.host.read("proc/sys/net/ipv4/ip_local_reserved_ports").unwrap_or_default();
    if covers(&reserved, from, to) {
        return Found::compared(want, format!("{reserved} are reserved"), true);
    }
    Found::compared(want, format!("others may get {from}-{to}"), false)
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

pub fn rmem_max(sight: &Sight) -> Found {
    buffer(sight, "proc/sys/net/core/rmem_max")
}

pub fn wmem_max(sight: &Sight) -> Found {
    buffer(sight, "proc/sys/net/core/wmem_max")
}

fn buffer(sight: &Sight, path: &str) -> Found {
    let least = u64::from(sight.wants.socket_buffer_mib) << 20;
    let want = format!("{} MiB or more", sight.wants.socket_buffer_mib);
    match sight.host.number(path) {
        Some(bytes) => Found::compared(want, format!("{} KiB", bytes >> 10), bytes >= least),
        None => Found::not_applicable(want, "not visible in this network namespace"),
    }
}

pub fn receive_drops(sight: &Sight) -> Found {
    let want = "does not rise";
    match sight.host.receive_drops {
        Some((first, last)) => {
            let rise = last.saturating_sub(first);
            Found::compared(want, format!("{last}, +{rise} in {} ms", sight.host.watched.as_millis()), rise == 0)
        }
        None => Found::not_applicable(want, "/proc/net/snmp cannot be read"),
    }
}

pub fn conntrack(sight: &Sight) -> Found {
    let want = "not loaded";
    let used = sight.host.number("proc/sys/net/netfilter/nf_conntrack_count");
    let (Some(used), Some(max)) = (used, sight.host.number("proc/sys/net/netfilter/nf_conntrack_max")) else {
        return Found::compared(want, "not loaded", true);
    };
    let percent = used * 100 / max.max(1);
    let found = Found::compared(want, format!("{used} of {max} entries, {percent} %"), false);
    match percent {
        _ if percent >= u64::from(sight.wants.conntrack_percent) => found.at(Severity::Fatal),
        // A table that nothing goes through costs nothing.
        0 if used == 0 => Found { ok: Some(true), ..found },
        _ => found,
    }
}

pub fn conntrack_sip(sight: &Sight) -> Found {
    let modules = sight.host.read("proc/modules").unwrap_or_default();
    let loaded = modules.lines().any(|line| line.starts_with("nf_conntrack_sip ") || line.starts_with("nf_nat_sip "));
    Found::compared("not loaded", if loaded { "loaded" } else { "not loaded" }, !loaded)
}
