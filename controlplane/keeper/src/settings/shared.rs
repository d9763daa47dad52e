//! A shared address without a database behind it.

use std::net::IpAddr;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use units::NodeId;

use super::{AddressSettings, Driver, check_prefix, check_takeover, hold_down_s, takeover_s};
use crate::check::Check;

/// A few readings of the book: all places have seen by then that the address is free.
const STAGGER_MS: u64 = 300;

/// One address that several nodes share, and that one of them has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedAddress {
    /// What operators call it: small letters, digits and `-`. The same on each node.
    pub name: String,
    /// The address.
    pub ip: IpAddr,
    /// Bits of its network.
    pub prefix: u8,
    /// The interface that gets it on this node.
    pub interface: String,
    /// Who puts it there. The same on each node.
    #[serde(default)]
    pub driver: Driver,
    /// The nodes that may have it, the best place first. The same on each node.
    pub nodes: Vec<u16>,
    /// What must answer on this node for the address to be here, as [`Check`] says; without it the keeper's own life is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// Seconds without a sign of the holder after which another takes over, 3 to 600.
    #[serde(default = "takeover_s")]
    pub takeover_s: u64,
    /// Seconds that a better place must work before the address goes there.
    #[serde(default = "hold_down_s")]
    pub hold_down_s: u64,
}

impl SharedAddress {
    /// With the usual times and without a check.
    pub fn new(name: &str, place: AddressSettings, nodes: Vec<u16>) -> SharedAddress {
        let AddressSettings { ip, prefix, interface, driver } = place;
        let (takeover_s, hold_down_s) = (takeover_s(), hold_down_s());
        SharedAddress {
            name: name.to_owned(),
            ip,
            prefix,
            interface,
            driver,
            nodes,
            check: None,
            takeover_s,
            hold_down_s,
        }
    }

    /// Whether these settings can work on this node.
    pub fn check(&self, node: u16) -> Result<()> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ensure!(
            !self.name.is_empty() && self.name.chars().all(plain),
            "a name consists of small letters, digits and -"
        );
        ensure!(self.name != live::DATABASE, "that is the name of the database's address");
        check_prefix(self.ip, self.prefix)?;
        ensure!(self.nodes.contains(&node), "nodes lacks this node, {node}");
        let mut nodes = self.nodes.clone();
        nodes.sort_unstable();
        nodes.dedup();
        ensure!(nodes.len() == self.nodes.len() && nodes[0] > 0, "nodes are 1 to 65535, each once");
        check_takeover(self.takeover_s)
    }

    /// How many nodes are better places than this one.
    pub fn rank(&self, node: u16) -> u16 {
        let rank = self.nodes.iter().position(|other| *other == node);
        u16::try_from(rank.unwrap_or(self.nodes.len())).unwrap_or(u16::MAX)
    }

    /// What the pure core needs.
    pub fn core(&self, node: u16) -> cluster::AddressSettings {
        let usual = cluster::AddressSettings::new(NodeId(node), self.rank(node));
        cluster::AddressSettings {
            takeover_ms: self.takeover_s * 1_000,
            hold_down_ms: self.hold_down_s * 1_000,
            stagger_ms: STAGGER_MS,
            told_ms: crate::status::GONE_MAX.as_millis() as u64,
            ..usual
        }
    }

    /// The address on its interface.
    pub fn place(&self) -> AddressSettings {
        AddressSettings { ip: self.ip, prefix: self.prefix, interface: self.interface.clone(), driver: self.driver }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a surprise ends the test")]
mod tests {
    use super::super::Settings;

    fn read(node: u16, more: &str) -> Result<Settings, String> {
        let text = format!(
            "{{ node: {node}, etcd: {{ members: ['http://10.0.0.1:2379'] }}, addresses: [ {{ name: sip, ip: 10.0.0.100, prefix: 24, \
             interface: eth0, nodes: [2, 1]{more} }} ] }}"
        );
        let settings: Settings = serde_saphyr::from_str(&text).map_err(|error| error.to_string())?;
        settings.check().map_err(|error| format!("{error:#}"))?;
        Ok(settings)
    }

    #[test]
    fn a_node_needs_no_database_to_share_an_address() {
        let settings = read(1, "").unwrap();
        assert!(settings.pair().is_none());
        let core = settings.addresses[0].core(1);
        assert_eq!((core.rank, core.takeover_ms, core.hold_down_ms), (1, 10_000, 60_000));
        assert_eq!(settings.patience().as_millis(), 1_000);
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        for (node, more) in [
            (3, ""),
            (1, ", takeover_s: 2"),
            (1, ", check: 'ping 10.0.0.1'"),
            (1, ", driver: corosync"),
            (1, ", prefixes: 3"),
        ] {
            assert!(read(node, more).is_err(), "node {node}{more}");
        }
    }
}
