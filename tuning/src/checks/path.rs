//! What stands between the wire and a socket.

use super::{Change, Check, Fatal, Found, Info, Sight, Warn};

const RP_FILTER: &str = "proc/sys/net/ipv4/conf/all/rp_filter";
const ARP_IGNORE: &str = "proc/sys/net/ipv4/conf/all/arp_ignore";
const ARP_ANNOUNCE: &str = "proc/sys/net/ipv4/conf/all/arp_announce";
const NO_VIP: &str = "no service address here (--vip-nic)";

/// What stands between the wire and a socket.
pub const CHECKS: &[Check] = &[
    Check {
        name: "conntrack",
        asks: "does the kernel track each media flow as a connection?",
        why: "Each packet pays for a lookup, and a full table drops the packets of new calls.",
        mend: "Unload nf_conntrack, or exempt SIP and RTP: nft add rule inet raw prerouting udp dport LOW-HIGH notrack.",
        severity: Warn,
        in_a_lab: Warn,
        look: conntrack,
    },
    Check {
        name: "conntrack-sip",
        asks: "does the kernel's SIP helper rewrite messages?",
        why: "nf_conntrack_sip changes addresses inside SIP and SDP behind the switch's back: one-way audio.",
        mend: "rmmod nf_nat_sip nf_conntrack_sip, and blacklist them in /etc/modprobe.d.",
        severity: Warn,
        in_a_lab: Warn,
        look: conntrack_sip,
    },
    Check {
        name: "filter-rules",
        asks: "how many rules of the packet filter are there?",
        why: "Each packet of speech is held against the rules of its way, one after the other, until one takes it.",
        mend: "Put addresses into sets, and take SIP and RTP by the first rule: `nft list ruleset`.",
        severity: Info,
        in_a_lab: Info,
        look: filter_rules,
    },
    Check {
        name: "early-demux",
        asks: "does the kernel look for a datagram's socket before its route?",
        why: "It helps connected media sockets and costs unconnected ones; which of them weighs more differs by machine.",
        mend: "`tandem-tune bench` with net.ipv4.udp_early_demux=1 and =0; keep what is faster.",
        severity: Info,
        in_a_lab: Info,
        look: early_demux,
    },
    Check {
        name: "rp-filter",
        asks: "may answers come over another card than questions leave by?",
        why: "Strict reverse-path filtering silently drops what a carrier sends over another way, and what comes to an address that just moved.",
        mend: "sysctl -w net.ipv4.conf.all.rp_filter=2",
        severity: Warn,
        in_a_lab: Info,
        look: rp_filter,
    },
    Check {
        name: "arp",
        asks: "does only the owner of an address answer for it?",
        why: "With a service address that moves between two machines, both would answer, and calls would go to the wrong one.",
        mend: "sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2",
        severity: Warn,
        in_a_lab: Info,
        look: arp,
    },
    Check {
        name: "nonlocal-bind",
        asks: "can the switch listen on an address that has yet to come?",
        why: "The second machine must be ready on the service address before it takes it over.",
        mend: "sysctl -w net.ipv4.ip_nonlocal_bind=1",
        severity: Warn,
        in_a_lab: Info,
        look: nonlocal_bind,
    },
];

fn conntrack(sight: &Sight) -> Found {
    let want = "not loaded";
    let used = sight.host.number("proc/sys/net/netfilter/nf_conntrack_count");
    let (Some(used), Some(max)) = (used, sight.host.number("proc/sys/net/netfilter/nf_conntrack_max")) else {
        return Found::compared(want, "not loaded", true);
    };
    let percent = used * 100 / max.max(1);
    let found = Found::compared(want, format!("{used} of {max} entries, {percent} %"), false);
    match percent {
        _ if percent >= u64::from(sight.wants.conntrack_percent) => found.at(Fatal),
        // A table that nothing goes through costs nothing.
        0 if used == 0 => Found { ok: Some(true), ..found },
        _ => found,
    }
}

fn conntrack_sip(sight: &Sight) -> Found {
    let modules = sight.host.read("proc/modules").unwrap_or_default();
    let loaded = modules.lines().any(|line| line.starts_with("nf_conntrack_sip ") || line.starts_with("nf_nat_sip "));
    Found::compared("not loaded", if loaded { "loaded" } else { "not loaded" }, !loaded)
}

fn filter_rules(sight: &Sight) -> Found {
    let most = u64::from(sight.wants.filter_rules);
    let want = format!("{most} or fewer");
    // What stands in sets costs one look.
    let told = match sight.host.ask_once("nft", &["-j", "-t", "list", "ruleset"]) {
        Ok(told) => told,
        Err(why) => return Found::not_applicable(want, why),
    };
    let told = serde_json::from_str::<serde_json::Value>(&told).unwrap_or_default();
    let Some(rows) = told["nftables"].as_array() else { return Found::not_applicable(want, "nft speaks otherwise") };
    let rules = rows.iter().filter(|row| row.get("rule").is_some()).count() as u64;
    Found::compared(want, rules.to_string(), rules <= most)
}

fn early_demux(sight: &Sight) -> Found {
    let want = "the faster one here";
    match sight.host.number("proc/sys/net/ipv4/udp_early_demux") {
        Some(value) => Found::not_applicable(want, format!("{value}; `tandem-tune bench` tells")),
        None => Found::unseen(want),
    }
}

fn rp_filter(sight: &Sight) -> Found {
    let want = "0 or 2";
    // ip-sysctl: what counts for a card is the larger of its own value and that of `all`.
    let of_card = |nic: &String| sight.host.number(&format!("proc/sys/net/ipv4/conf/{nic}/rp_filter"));
    let cards: Vec<u64> = sight.nics.iter().filter_map(of_card).collect();
    let Some(all) = sight.host.number(RP_FILTER) else { return Found::unseen(want) };
    let strict = all == 1 || all == 0 && cards.contains(&1);
    let largest = cards.iter().fold(all, |most, value| most.max(*value));
    Found::compared(want, largest.to_string(), !strict).with([Change::kernel(sight.host, RP_FILTER, 2)])
}

fn arp(sight: &Sight) -> Found {
    let want = "arp_ignore 1, arp_announce 2";
    if sight.vip_nic.is_none() {
        return Found::not_applicable(want, NO_VIP);
    }
    let values = [ARP_IGNORE, ARP_ANNOUNCE].map(|path| sight.host.number(path));
    let [Some(ignore), Some(announce)] = values else { return Found::unseen(want) };
    let found = format!("arp_ignore {ignore}, arp_announce {announce}");
    let changes = [Change::kernel(sight.host, ARP_IGNORE, 1), Change::kernel(sight.host, ARP_ANNOUNCE, 2)];
    Found::compared(want, found, ignore >= 1 && announce == 2).with(changes)
}

fn nonlocal_bind(sight: &Sight) -> Found {
    if sight.vip_nic.is_none() {
        return Found::not_applicable("1", NO_VIP);
    }
    sight.exactly("proc/sys/net/ipv4/ip_nonlocal_bind", 1)
}
