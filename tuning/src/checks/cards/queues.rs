//! Queues of a card and the cores that they come out on.

use super::{Card, each, rows};
use crate::checks::{Change, Fatal, Found, Sight};
use crate::ethtool::{self, Part};
use crate::wants::Profile;

/// Interrupts below which a share says nothing.
const INTERRUPTS_MIN: u64 = 1_000;

pub fn rss_hash(sight: &Sight) -> Found {
    let want = "udp4 and udp6: sdfn";
    let azure = |nic: &String| {
        let driver = std::fs::read_link(sight.host.path(&format!("sys/class/net/{nic}/device/driver")));
        driver.is_ok_and(|path| path.ends_with("hv_netvsc"))
    };
    if sight.profile == Profile::Cloud && sight.nics.iter().any(azure) {
        return Found::not_applicable(want, "with ports in its hash, Azure's card loses fragments");
    }
    let mut crowded = false;
    let found = each(sight, want, |nic| {
        if sight.host.numbered(&format!("sys/class/net/{nic}/queues"), "rx-").len() < 2 {
            return Err(format!("{nic} has one queue"));
        }
        let mut card = rows(sight, nic, Part::Hash, &[("udp4", "sdfn".into())])?;
        if let Ok(six) = rows(sight, nic, Part::Hash, &[("udp6", "sdfn".into())]) {
            card.found = format!("{}, {}", card.found, six.found);
            card.ok &= six.ok;
            card.changes.extend(six.changes);
        }
        if let Some(percent) = share(sight, nic) {
            card.found = format!("{}; one queue has {percent} %", card.found);
            crowded |= percent > u64::from(sight.wants.queue_percent);
        }
        card.ok &= !crowded;
        Ok(card)
    });
    if crowded { found.at(Fatal) } else { found }
}

/// The busiest queue's part of a card's interrupts, per cent; `None` with one queue, or where too few came.
fn share(sight: &Sight, nic: &str) -> Option<u64> {
    let irqs = interrupts(sight, nic);
    let counts: Vec<u64> = irqs.iter().filter_map(|irq| sight.host.rise.interrupts.get(irq).copied()).collect();
    let all: u64 = counts.iter().sum();
    if counts.len() < 2 || all < INTERRUPTS_MIN { None } else { counts.iter().max().map(|most| most * 100 / all) }
}

pub fn queues(sight: &Sight) -> Found {
    let shards = sight.shards() as u64;
    each(sight, format!("one for each of {shards} shards"), |nic| {
        let together = ethtool::get(sight.host, nic, Part::Queues, "combined").is_ok();
        let names: &[&str] = if together { &["combined"] } else { &["rx", "tx"] };
        let wanted: Vec<(&str, String)> = names
            .iter()
            .map(|name| {
                let most = ethtool::most(sight.host, nic, Part::Queues, name).unwrap_or(1);
                let now = ethtool::get(sight.host, nic, Part::Queues, name).ok().and_then(|text| text.parse().ok());
                // More queues than shards do no harm; fewer than the card has are all that it can do.
                (*name, now.unwrap_or(0).max(shards.min(most)).to_string())
            })
            .collect();
        rows(sight, nic, Part::Queues, &wanted)
    })
}

pub fn irq_affinity(sight: &Sight) -> Found {
    let cores = sight.host.cores();
    each(sight, "each on a core of its own", |nic| {
        let irqs = interrupts(sight, nic);
        if irqs.len() < 2 || cores.len() < 2 {
            return Err(format!("{nic} has one queue, or the host one core"));
        }
        let path = |irq: &u32| format!("proc/irq/{irq}/smp_affinity_list");
        let places: Vec<String> = irqs.iter().map(|irq| sight.host.read(&path(irq)).unwrap_or_default()).collect();
        let mut wrong = Vec::new();
        for (index, (irq, place)) in irqs.iter().zip(&places).enumerate() {
            let core = cores[index % cores.len()];
            if *place != core.to_string() {
                wrong.push(Change::of_nic(sight.host, nic, &path(irq), core));
            }
        }
        Ok(Card { found: places.join(" "), ok: wrong.is_empty(), changes: wrong })
    })
}

/// The interrupts of a card's receiving queues, in the order of the queues.
fn interrupts(sight: &Sight, nic: &str) -> Vec<u32> {
    let hardware = std::fs::read_link(sight.host.path(&format!("sys/class/net/{nic}/device")));
    let hardware = hardware.ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let text = sight.host.read("proc/interrupts").unwrap_or_default();
    let row = |line: &str| {
        let name = line.split_whitespace().last()?;
        let ours = name.contains(nic) || hardware.as_ref().is_some_and(|hardware| name.contains(hardware.as_str()));
        let lower = name.to_lowercase();
        let receives = ["input", "rx", "comp"].iter().any(|word| lower.contains(word));
        if ours && receives { line.trim().split_once(':')?.0.parse().ok() } else { None }
    };
    text.lines().filter_map(row).collect()
}

pub fn irqbalance(sight: &Sight) -> Found {
    let runs = sight.host.runs("irqbalance");
    Found::compared("does not run", if runs { "runs" } else { "does not run" }, !runs)
}

pub fn xps(sight: &Sight) -> Found {
    let cores = sight.host.cores();
    each(sight, "each queue from a core of its own", |nic| {
        let folder = format!("sys/class/net/{nic}/queues");
        let queues = sight.host.numbered(&folder, "tx-");
        if queues.len() < 2 || cores.len() < 2 {
            return Err(format!("{nic} has one send queue, or the host one core"));
        }
        let wanted = |index: usize| bit(cores[index % cores.len()]);
        masks(sight, nic, queues.iter().map(|queue| (format!("{folder}/tx-{queue}/xps_cpus"), wanted(*queue))))
    })
}

pub fn rps(sight: &Sight) -> Found {
    each(sight, "0", |nic| {
        let folder = format!("sys/class/net/{nic}/queues");
        let queues = sight.host.numbered(&folder, "rx-");
        if queues.len() < sight.shards() {
            return Err(format!("{nic} has fewer queues than there are shards: steering may help"));
        }
        masks(sight, nic, queues.iter().map(|queue| (format!("{folder}/rx-{queue}/rps_cpus"), "0".into())))
    })
}

fn masks(sight: &Sight, nic: &str, wanted: impl Iterator<Item = (String, String)>) -> Result<Card, String> {
    let (mut found, mut changes) = (Vec::new(), Vec::new());
    for (path, want) in wanted {
        let mask = sight.host.read(&path).ok_or_else(|| format!("the driver of {nic} tells nothing of it"))?;
        if short(&mask) != short(&want) {
            changes.push(Change::of_nic(sight.host, nic, &path, want));
        }
        found.push(short(&mask));
    }
    Ok(Card { found: found.join(" "), ok: changes.is_empty(), changes })
}

/// A mask with one core, in groups of 32 as the kernel writes it.
fn bit(core: usize) -> String {
    let mut mask = format!("{:x}", 1_u32 << (core % 32));
    (0..core / 32).for_each(|_| mask.push_str(",00000000"));
    mask
}

/// A mask without its leading zeros and commas.
fn short(mask: &str) -> String {
    let digits: String = mask.chars().filter(|digit| *digit != ',').collect();
    let rest = digits.trim_start_matches('0');
    if rest.is_empty() { "0".into() } else { rest.into() }
}
