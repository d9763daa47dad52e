//! What a network card is set to, as the program `ethtool` shows and sets it.

use serde::{Deserialize, Serialize};

use crate::host::Host;

/// One of the pages that `ethtool` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Descriptors of the receive and the send ring: `rx`, `tx`.
    Rings,
    /// Queues: `combined`, or `rx` and `tx`.
    Queues,
    /// How long interrupts wait for company: `adaptive-rx`, `rx-usecs`.
    Coalesce,
    /// What the card does for the kernel: `lro`, `gro`, `rx-gro-hw`.
    Feature,
    /// Pause frames: `rx`, `tx`.
    Pause,
    /// What decides a datagram's queue: `udp4`, `udp6`; letters as in `ethtool(8)`.
    Hash,
}

impl Part {
    fn shows(self) -> &'static str {
        match self {
            Part::Rings => "-g",
            Part::Queues => "-l",
            Part::Coalesce => "-c",
            Part::Feature => "-k",
            Part::Pause => "-a",
            Part::Hash => "-n",
        }
    }

    fn sets(self) -> &'static str {
        match self {
            Part::Rings => "-G",
            Part::Queues => "-L",
            Part::Coalesce => "-C",
            Part::Feature => "-K",
            Part::Pause => "-A",
            Part::Hash => "-N",
        }
    }
}

/// What is set; an error when the driver or the program knows nothing of it.
pub fn get(host: &Host, nic: &str, part: Part, name: &str) -> Result<String, String> {
    let page = page(host, nic, part, name)?;
    let found = match part {
        Part::Rings | Part::Queues => section(&page, "Current hardware settings:", name),
        Part::Hash => hash(&page),
        Part::Coalesce if name == "adaptive-rx" => page
            .lines()
            .find_map(|line| line.strip_prefix("Adaptive RX:")?.split_whitespace().next().map(str::to_owned)),
        Part::Coalesce | Part::Pause | Part::Feature => row(&page, long(part, name)),
    };
    let found = found.filter(|value| value != "n/a");
    found.ok_or_else(|| format!("the driver of {nic} tells nothing of it"))
}

/// The most that a ring or a number of queues can be set to.
pub fn most(host: &Host, nic: &str, part: Part, name: &str) -> Option<u64> {
    section(&page(host, nic, part, name).ok()?, "Pre-set maximums:", name)?.parse().ok()
}

/// Whether a feature can be changed at all.
pub fn fixed(host: &Host, nic: &str, name: &str) -> bool {
    let key = long(Part::Feature, name);
    page(host, nic, Part::Feature, name)
        .is_ok_and(|page| page.lines().any(|line| line.trim().starts_with(key) && line.ends_with("[fixed]")))
}

/// The words after `ethtool` that set it.
pub fn words<'a>(nic: &'a str, part: Part, name: &'a str, value: &'a str) -> Vec<&'a str> {
    match part {
        Part::Hash => vec![part.sets(), nic, "rx-flow-hash", name, value],
        _ => vec![part.sets(), nic, name, value],
    }
}

fn page(host: &Host, nic: &str, part: Part, name: &str) -> Result<String, String> {
    match part {
        Part::Hash => host.ask_once("ethtool", &[part.shows(), nic, "rx-flow-hash", name]),
        _ => host.ask_once("ethtool", &[part.shows(), nic]),
    }
}

/// The name on the page, where it is not the one that sets.
fn long(part: Part, name: &str) -> &str {
    match (part, name) {
        (Part::Feature, "lro") => "large-receive-offload",
        (Part::Feature, "gro") => "generic-receive-offload",
        (Part::Pause, "rx") => "RX",
        (Part::Pause, "tx") => "TX",
        _ => name,
    }
}

fn row(page: &str, key: &str) -> Option<String> {
    let rows = page.lines().filter_map(|line| line.trim().split_once(':'));
    let mut values = rows.filter(|(name, _)| *name == key).map(|(_, value)| value);
    values.next()?.split_whitespace().next().map(str::to_owned)
}

fn section(page: &str, title: &str, key: &str) -> Option<String> {
    let rest = page.split_once(title)?.1;
    let rows = rest.lines().skip(1).take_while(|line| line.split_once(':').is_some_and(|(_, value)| !value.is_empty()));
    let mut values =
        rows.filter_map(|line| line.split_once(':')).filter(|(name, _)| name.trim().eq_ignore_ascii_case(key));
    values.next().map(|(_, value)| value.trim().to_owned())
}

/// The fields as letters, in the order in which `ethtool(8)` writes them.
fn hash(page: &str) -> Option<String> {
    const FIELDS: &[(&str, char)] = &[
        ("L2DA", 'm'),
        ("VLAN tag", 'v'),
        ("L3 proto", 't'),
        ("IP SA", 's'),
        ("IP DA", 'd'),
        ("L4 bytes 0 & 1", 'f'),
        ("L4 bytes 2 & 3", 'n'),
    ];
    if !page.contains("flows use these fields") {
        return None;
    }
    let letters = FIELDS.iter().filter(|(name, _)| page.lines().any(|line| line.starts_with(name)));
    Some(letters.map(|(_, letter)| *letter).collect())
}
