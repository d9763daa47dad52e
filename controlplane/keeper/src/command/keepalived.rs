//! keepalived's settings for the addresses that it moves instead of the keeper.
//!
//! VRRP knows no majority: two nodes that do not hear each other both have the address. Where that matters, the keeper moves it.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Result, ensure};

use crate::settings::{Driver, Settings, SharedAddress};

/// Of the best place; each place after it has less.
const PRIORITY: u16 = 200;
const PRIORITY_STEP: u16 = 10;

/// Everything of this node. `program`: the keeper's own, which answers whether the service works, by the settings file.
pub fn text(settings: &Settings, program: &Path, file: &Path) -> Result<String> {
    let own: Vec<&SharedAddress> =
        settings.addresses.iter().filter(|shared| shared.driver == Driver::Keepalived).collect();
    ensure!(!own.is_empty(), "no address has driver: keepalived");
    let program = program.with_file_name("tandem-keeper");
    let mut text = format!("# Written by `tandem cluster keepalived` from {}.\n", file.display());
    if own.iter().any(|shared| shared.check.is_some()) {
        // Without it keepalived finds fault with any script that root runs; with it, root runs nothing that others may write to.
        text += "global_defs {\n    enable_script_security\n}\n";
    }
    for shared in own {
        let name = &shared.name;
        let priority = PRIORITY.saturating_sub(shared.rank(settings.node).saturating_mul(PRIORITY_STEP)).max(1);
        if shared.check.is_some() {
            // `fall` as the keeper itself counts.
            writeln!(
                text,
                "vrrp_script tandem_{name} {{\n    script \"{} --settings {} check {name}\"\n    interval 1\n    timeout 2\n    \
                 fall 3\n    rise 1\n    user root\n}}",
                program.display(),
                file.display()
            )?;
        }
        // All places begin as the lower state, so that the election alone decides; the delay is the keeper's hold-down.
        writeln!(
            text,
            "vrrp_instance tandem_{name} {{\n    state BACKUP\n    interface {}\n    virtual_router_id {}\n    priority {priority}\n    \
             advert_int {}\n    preempt_delay {}\n    virtual_ipaddress {{\n        {}/{} dev {}\n    }}",
            shared.interface,
            router(shared),
            advertise_s(shared),
            shared.hold_down_s,
            shared.ip,
            shared.prefix,
            shared.interface
        )?;
        if shared.check.is_some() {
            writeln!(text, "    track_script {{\n        tandem_{name}\n    }}")?;
        }
        text += "}\n";
    }
    Ok(text)
}

/// The address's last byte: one number a network and address, 1 to 255 (RFC 5798 §5.2.3).
fn router(shared: &SharedAddress) -> u8 {
    let last = match shared.ip {
        std::net::IpAddr::V4(ip) => ip.octets()[3],
        std::net::IpAddr::V6(ip) => ip.octets()[15],
    };
    last.max(1)
}

/// Another takes over after three times this and a little (RFC 5798 §6.1).
fn advertise_s(shared: &SharedAddress) -> u64 {
    (shared.takeover_s / 4).max(1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a surprise ends the test")]
mod tests {
    use super::*;

    fn settings(node: u16, driver: &str) -> Settings {
        let text = format!(
            "{{ node: {node}, etcd: {{ members: ['http://10.0.0.1:2379'] }}, addresses: [ {{ name: sip, ip: 10.0.0.100, prefix: 24, \
             interface: eth0, nodes: [1, 2], driver: {driver}, check: 'sip 10.0.0.{node}:5060' }} ] }}"
        );
        let settings: Settings = serde_saphyr::from_str(&text).unwrap();
        settings.check().unwrap();
        settings
    }

    #[test]
    fn the_better_place_wins_the_election() {
        let write = |node| text(&settings(node, "keepalived"), Path::new("/usr/bin/tandem"), Path::new("/etc/k.yaml"));
        let (first, second) = (write(1).unwrap(), write(2).unwrap());
        assert!(first.contains("priority 200\n") && second.contains("priority 190\n"));
        for line in [
            "global_defs {\n    enable_script_security\n}\n",
            "    virtual_router_id 100\n",
            "        10.0.0.100/24 dev eth0\n",
            "    script \"/usr/bin/tandem-keeper --settings /etc/k.yaml check sip\"\n",
            "    track_script {\n        tandem_sip\n    }\n",
        ] {
            assert!(first.contains(line), "{line} is missing in\n{first}");
        }
    }

    #[test]
    fn an_address_that_the_keeper_moves_is_none_of_keepalived_s() {
        assert!(text(&settings(1, "agent"), Path::new("/usr/bin/tandem"), Path::new("/etc/k.yaml")).is_err());
    }
}
