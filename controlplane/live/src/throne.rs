//! Who holds what, and what keepers tell of themselves: keepers write these keys, everybody may read them.

use cluster::words::{ADDRESS, KeeperStatus, THRONES, Throne};
use serde::{Deserialize, Serialize};

use crate::wire::Page;

/// A shared address without a database behind it, as a service: `address/NAME`.
pub fn address_service(name: &str) -> String {
    format!("{ADDRESS}{name}")
}

/// A service with who holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// [`cluster::words::DATABASE`] or `address/NAME`.
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
    use cluster::words::AddressStatus;

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
