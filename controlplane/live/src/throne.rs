//! Who holds what, and what keepers tell of themselves: keepers write these keys, everybody may read them.

use serde::{Deserialize, Serialize};

use crate::wire::Page;

/// Below it stands what the arbiter keeps of each service: `/tandem/throne/SERVICE/book`, a [`Throne`] as JSON that stays, and
/// `/tandem/throne/SERVICE/holder`, the holder's number as text, which is there as long as the holder's lease lives.
pub const THRONES: &str = "/tandem/throne/";
/// The pair of databases, as a service.
pub const DATABASE: &str = "database";
/// Below it stands what keepers tell: `/tandem/keeper/NODE`, a [`KeeperStatus`] as JSON, as long as that keeper lives.
pub const KEEPERS: &str = "/tandem/keeper/";

/// A shared address without a database behind it, as a service: `address/NAME`.
pub fn address_service(name: &str) -> String {
    format!("address/{name}")
}

/// Who holds a service, as it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throne {
    /// Raised whenever the service gets a holder. 0: it never had one.
    pub epoch: u64,
    /// The node that holds it, or held it last.
    pub holder: Option<u16>,
    /// Of a database: the node whose copy has every commit that was ever acknowledged, too. None: the holder's alone.
    pub sync: Option<u16>,
    /// Since when it is the holder: seconds since 1970-01-01 UTC.
    pub since: i64,
}

/// A service with who holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// [`DATABASE`] or `address/NAME`.
    pub service: String,
    /// As it is written.
    #[serde(flatten)]
    pub throne: Throne,
    /// The holder's lease lives. If not, nobody has the service at this moment.
    pub held: bool,
}

/// Every service in a page of what stands below [`THRONES`], by name. What cannot be read is another version's and passed over.
pub fn thrones(page: &Page) -> Vec<Held> {
    let services = page.entries.iter().filter_map(|entry| {
        let service = entry.key.strip_prefix(THRONES)?.strip_suffix("/book")?.to_owned();
        let throne = serde_json::from_slice(&entry.value).ok()?;
        let holder = format!("{THRONES}{service}/holder");
        Some(Held { service, throne, held: page.entries.iter().any(|entry| entry.key == holder) })
    });
    services.collect()
}

/// A keeper's word. Fields that a reader does not know are passed over, those that are missing are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeeperStatus {
    /// Its node.
    pub node: u16,
    /// What the database must be: `primary`, `replica`, `standby`, `frozen`, `stopped`, `clone`; empty: there is none on this node.
    pub role: String,
    /// Since when it must be that: seconds since 1970-01-01 UTC.
    pub since: i64,
    /// What the database's process does: `running`, `silent`, `dead`.
    pub process: String,
    /// It takes writes.
    pub writable: bool,
    /// How many commits it has.
    pub position: u64,
    /// Of the primary: how many commits its replica has stored; 0: it has none.
    pub replica_stored: u64,
    /// Of a replica: how many seconds it is behind with applying; none: it does not follow at this moment.
    pub behind_s: Option<u32>,
    /// It has commits that the primary lacks.
    pub diverged: bool,
    /// Seconds without a sign of the primary after which the other takes over; 0: there is no database on this node.
    pub takeover_s: u64,
    /// The shared addresses that this keeper knows; that of the database is called [`DATABASE`].
    pub addresses: Vec<AddressStatus>,
}

/// A shared address, as one node's keeper sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AddressStatus {
    /// What operators call it.
    pub name: String,
    /// The address.
    pub ip: String,
    /// Who moves it: `agent` (the keeper), `keepalived`, `none` (something else).
    pub driver: String,
    /// It belongs here. Where `driver` is `none`, whatever moves it goes by this.
    pub here: bool,
    /// It is on this node's interface.
    pub up: bool,
    /// Since when `here` and `up` say so: seconds since 1970-01-01 UTC.
    pub since: i64,
    /// What is served at it works on this node.
    pub works: bool,
    /// Since when `works` says so: milliseconds since 1970-01-01 UTC.
    pub works_since_ms: i64,
    /// Why it does not work; empty if it does.
    pub why: String,
    /// Seconds without a sign of its holder after which another takes over; 0: it goes where the database is.
    pub takeover_s: u64,
}

/// Of who shares an address with `me`: the best place before it in the list that works, with the life of its service.
pub fn better_place(keepers: &[KeeperStatus], name: &str, nodes: &[u16], me: u16) -> Option<(u16, i64)> {
    let before = nodes.iter().take_while(|node| **node != me);
    let told = |node: u16| {
        let keeper = keepers.iter().find(|keeper| keeper.node == node)?;
        keeper.addresses.iter().find(|address| address.name == name && address.works)
    };
    before.copied().find_map(|node| Some((node, told(node)?.works_since_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Entry;

    #[test]
    fn services_are_read_with_their_holders() {
        let entry = |key: &str, value: &str| Entry {
            key: format!("{THRONES}{key}"),
            value: value.as_bytes().to_vec(),
            revision: 1,
            lease: None,
        };
        let page = Page {
            entries: vec![
                entry("address/sip/book", r#"{"epoch":3,"holder":2,"sync":null,"since":1}"#),
                entry("address/sip/holder", "2"),
                entry("database/book", r#"{"epoch":9,"holder":1,"sync":2,"since":1}"#),
                entry("later/book", "of another form"),
            ],
            revision: 1,
        };
        let found = thrones(&page);
        let told: Vec<(&str, Option<u16>, bool)> =
            found.iter().map(|held| (held.service.as_str(), held.throne.holder, held.held)).collect();
        assert_eq!(told, [("address/sip", Some(2), true), ("database", Some(1), false)]);
    }

    #[test]
    fn the_first_place_that_works_is_the_better_one() {
        let keeper = |node, works| KeeperStatus {
            node,
            addresses: vec![AddressStatus {
                name: "sip".to_owned(),
                works,
                works_since_ms: 7,
                ..AddressStatus::default()
            }],
            ..KeeperStatus::default()
        };
        let keepers = [keeper(1, false), keeper(2, true), keeper(3, true), keeper(4, true)];
        assert_eq!(better_place(&keepers, "sip", &[1, 2, 3, 4], 4), Some((2, 7)));
        assert_eq!(better_place(&keepers, "sip", &[1, 2, 3, 4], 2), None, "the first does not work");
        assert_eq!(better_place(&keepers, "web", &[1, 2, 3, 4], 4), None, "nobody tells of that address");
    }
}
