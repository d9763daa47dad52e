//! Network cards: rings, waiting, joining, and what the cloud holds back.

mod queues;

use super::{Change, Check, Found, Info, Sight, Warn};
use crate::ethtool::{self, Part};
use queues::{irq_affinity, irqbalance, queues, rps, rss_hash, xps};

/// Network cards and their queues.
pub const CHECKS: &[Check] = &[
    Check {
        name: "rss-hash",
        asks: "do ports decide over which queue a datagram comes?",
        why: "By default only addresses count: all media of one carrier come over one queue, onto one core.",
        mend: "ethtool -N NIC rx-flow-hash udp4 sdfn (and udp6). Fragments may then overtake each other; Azure's card loses some.",
        severity: Warn,
        in_a_lab: Info,
        look: rss_hash,
    },
    Check {
        name: "queues",
        asks: "has the card a queue for each shard?",
        why: "With fewer queues some shards wait for another core to hand them packets.",
        mend: "ethtool -L NIC combined N",
        severity: Warn,
        in_a_lab: Info,
        look: queues,
    },
    Check {
        name: "irq-affinity",
        asks: "does each queue interrupt a core of its own?",
        why: "Two queues on one core leave another idle, and a queue that wanders loses the core's warm memory.",
        mend: "echo CORE > /proc/irq/N/smp_affinity_list, one core a queue",
        severity: Warn,
        in_a_lab: Info,
        look: irq_affinity,
    },
    Check {
        name: "irqbalance",
        asks: "does irqbalance move interrupts around?",
        why: "It undoes the placement of queues every ten seconds.",
        mend: "systemctl disable --now irqbalance, or IRQBALANCE_BANNED_CPULIST in /etc/default/irqbalance",
        severity: Warn,
        in_a_lab: Info,
        look: irqbalance,
    },
    Check {
        name: "xps",
        asks: "does each core send over a queue of its own?",
        why: "A shared send queue is a lock that two shards take a million times a second.",
        mend: "echo MASK > /sys/class/net/NIC/queues/tx-N/xps_cpus",
        severity: Warn,
        in_a_lab: Info,
        look: xps,
    },
    Check {
        name: "rps",
        asks: "does the kernel leave packets on the core where they came?",
        why: "With a queue for each shard, packet steering (RPS) only adds a hop between cores.",
        mend: "echo 0 > /sys/class/net/NIC/queues/rx-N/rps_cpus",
        severity: Warn,
        in_a_lab: Info,
        look: rps,
    },
    Check {
        name: "rings",
        asks: "are the card's rings as long as they can be?",
        why: "A burst beyond the ring is lost before the kernel sees it; all carriers' bursts come over one card.",
        mend: "ethtool -G NIC rx MOST tx MOST",
        severity: Warn,
        in_a_lab: Info,
        look: rings,
    },
    Check {
        name: "coalescing",
        asks: "does the card tell of packets soon?",
        why: "An adaptive card lets packets wait while traffic is light: jitter that nobody ordered.",
        mend: "ethtool -C NIC adaptive-rx off rx-usecs 25",
        severity: Warn,
        in_a_lab: Info,
        look: coalescing,
    },
    Check {
        name: "offloads",
        asks: "does the card leave datagrams apart?",
        why: "Large receive offload joins packets that must be passed on one by one, and XDP does not run with it.",
        mend: "ethtool -K NIC lro off; ethtool -K NIC rx-gro-hw off",
        severity: Warn,
        in_a_lab: Info,
        look: offloads,
    },
    Check {
        name: "pause",
        asks: "may the card stop the switch port?",
        why: "A pause frame holds up everybody's speech behind one full ring.",
        mend: "ethtool -A NIC rx off tx off",
        severity: Info,
        in_a_lab: Info,
        look: pause,
    },
    Check {
        name: "mtu",
        asks: "does an INVITE with long headers pass unfragmented?",
        why: "Below 1,500 bytes SIP over UDP falls into fragments, which firewalls drop.",
        mend: "ip link set NIC mtu 1500",
        severity: Warn,
        in_a_lab: Warn,
        look: mtu,
    },
    Check {
        name: "allowance",
        asks: "does the cloud hold packets back?",
        why: "A rented machine may send so many packets a second; those beyond are dropped or delayed without any other sign.",
        mend: "Rent a larger machine, or spread calls over more of them.",
        severity: Warn,
        in_a_lab: Warn,
        look: allowance,
    },
];

/// What one card has to say.
struct Card {
    found: String,
    ok: bool,
    changes: Vec<Change>,
}

/// Asks each card; cards with nothing to say are left out.
fn each(sight: &Sight, want: impl Into<String>, mut ask: impl FnMut(&str) -> Result<Card, String>) -> Found {
    if sight.nics.is_empty() {
        return Found::not_applicable(want, "no card with hardware; name one with --nic");
    }
    let (mut found, mut ok, mut changes, mut silent) = (Vec::new(), true, Vec::new(), String::new());
    for nic in sight.nics {
        match ask(nic) {
            Ok(card) => {
                found.push(format!("{nic}: {}", card.found));
                ok &= card.ok;
                changes.extend(card.changes);
            }
            Err(why) => silent = why,
        }
    }
    if found.is_empty() {
        return Found::not_applicable(want, silent);
    }
    Found::compared(want, found.join("; "), ok).with(changes)
}

/// Compares rows of one page with what they should be.
fn rows(sight: &Sight, nic: &str, part: Part, wanted: &[(&str, String)]) -> Result<Card, String> {
    let (mut found, mut changes) = (Vec::new(), Vec::new());
    for (name, want) in wanted {
        let value = ethtool::get(sight.host, nic, part, name)?;
        if value != *want {
            changes.push(Change::card(nic, part, name, &value, want));
        }
        found.push(format!("{name} {value}"));
    }
    Ok(Card { found: found.join(", "), ok: changes.is_empty(), changes })
}

fn rings(sight: &Sight) -> Found {
    each(sight, "as long as they can be", |nic| {
        let most = |name| ethtool::most(sight.host, nic, Part::Rings, name);
        let (Some(rx), Some(tx)) = (most("rx"), most("tx")) else {
            return Err(format!("the driver of {nic} tells nothing of it"));
        };
        rows(sight, nic, Part::Rings, &[("rx", rx.to_string()), ("tx", tx.to_string())])
    })
}

fn coalescing(sight: &Sight) -> Found {
    let most = u64::from(sight.wants.rx_us);
    each(sight, format!("not adaptive, {most} µs or less"), |nic| {
        let usecs = ethtool::get(sight.host, nic, Part::Coalesce, "rx-usecs")?;
        let fine = usecs.parse::<u64>().is_ok_and(|value| value <= most);
        let wanted = if fine { usecs } else { most.to_string() };
        let mut card = rows(sight, nic, Part::Coalesce, &[("rx-usecs", wanted)])?;
        // Some drivers know nothing of adaptation, which is what we want.
        if let Ok(adaptive) = rows(sight, nic, Part::Coalesce, &[("adaptive-rx", "off".into())]) {
            card.found = format!("{}, {}", adaptive.found, card.found);
            card.ok &= adaptive.ok;
            card.changes.splice(0..0, adaptive.changes);
        }
        Ok(card)
    })
}

fn offloads(sight: &Sight) -> Found {
    each(sight, "lro off, rx-gro-hw off", |nic| {
        let mut card = rows(sight, nic, Part::Feature, &[("lro", "off".into())])?;
        if let Ok(joined) = rows(sight, nic, Part::Feature, &[("rx-gro-hw", "off".into())]) {
            card.found = format!("{}, {}", card.found, joined.found);
            card.ok &= joined.ok;
            card.changes.extend(joined.changes);
        }
        // What the driver cannot change is said, not tried.
        card.changes.retain(|change| match &change.target {
            crate::change::Target::Nic { nic, name, .. } => !ethtool::fixed(sight.host, nic, name),
            _ => true,
        });
        Ok(card)
    })
}

fn pause(sight: &Sight) -> Found {
    each(sight, "off", |nic| rows(sight, nic, Part::Pause, &[("rx", "off".into()), ("tx", "off".into())]))
}

fn mtu(sight: &Sight) -> Found {
    each(sight, "1500 or more", |nic| {
        // Raised by a program it could be larger than the way to the next router: people decide.
        let mtu = sight.host.number(&format!("sys/class/net/{nic}/mtu")).ok_or_else(|| format!("there is no {nic}"))?;
        Ok(Card { found: mtu.to_string(), ok: mtu >= 1_500, changes: Vec::new() })
    })
}

fn allowance(sight: &Sight) -> Found {
    let want = "nothing held back";
    let held: Vec<String> = sight.host.rise.held_back.iter().map(|(nic, count)| format!("{nic}: +{count}")).collect();
    if held.is_empty() {
        return Found::not_applicable(want, "no card tells of allowances");
    }
    let found = format!("{} in {} ms", held.join(", "), sight.host.rise.over.as_millis());
    Found::compared(want, found, sight.host.rise.held_back.values().all(|count| *count == 0))
}
