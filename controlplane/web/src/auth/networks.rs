//! Networks that a key's requests may come from, and how often a refusal is written down.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ipnet::IpNet;

/// Networks of one list at most.
pub const NETWORKS_MAX: usize = 32;
/// Addresses of one key whose refusal is written down in a window: whoever has a stolen key shall not fill the audit.
const NEWS_MAX: usize = 10;
/// The window.
const NEWS_WINDOW: Duration = Duration::from_secs(60);

/// An allow-list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// `None`: anywhere.
    listed: Option<Arc<[IpNet]>>,
}

impl Networks {
    /// Reads addresses and networks; none at all stand for anywhere. The error is the place of the first that cannot be read, and why.
    pub fn read<T: AsRef<str>>(texts: &[T]) -> Result<Networks, (usize, String)> {
        if texts.len() > NETWORKS_MAX {
            return Err((NETWORKS_MAX, format!("{NETWORKS_MAX} networks at most")));
        }
        let all = texts.iter().enumerate().map(|(place, text)| network(text.as_ref()).map_err(|why| (place, why)));
        let mut all = all.collect::<Result<Vec<IpNet>, _>>()?;
        all.sort_unstable();
        all.dedup();
        Ok(Networks { listed: (!all.is_empty()).then(|| all.into()) })
    }

    /// Reads what [`Networks`] prints. A list that this program cannot read lets nobody in.
    pub fn stored(text: &str) -> Networks {
        let texts: Vec<&str> = text.split_whitespace().collect();
        Networks::read(&texts).unwrap_or_else(|_| Networks { listed: Some(Arc::new([])) })
    }

    /// Whether a request from there is taken. Where nobody knows where it came from, only an empty list takes it.
    pub fn hold(&self, from: Option<IpAddr>) -> bool {
        let Some(listed) = &self.listed else { return true };
        from.is_some_and(|from| listed.iter().any(|network| network.contains(&from.to_canonical())))
    }

    /// Each as JSON has it.
    pub fn texts(&self) -> Vec<String> {
        self.listed.iter().flat_map(|listed| listed.iter().map(shown)).collect()
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts().join(" "))
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let wanted = || format!("{text:?}: an address like 192.0.2.7 or 2001:db8::7, or a network like 192.0.2.0/28, is wanted");
    let Some((address, bits)) = text.split_once('/') else {
        let address: IpAddr = text.parse().map_err(|_| wanted())?;
        return Ok(IpNet::from(address.to_canonical()));
    };
    // `u8` would also take a sign.
    let plain = bits.bytes().all(|byte| byte.is_ascii_digit());
    let bits = bits.parse().ok().filter(|_| plain).ok_or_else(wanted)?;
    let address: IpAddr = address.parse().map_err(|_| wanted())?;
    let network = IpNet::new(address, bits).map_err(|_| wanted())?;
    if network.addr() != network.network() {
        return Err(format!("{text:?} has bits behind its prefix: is {} meant?", network.trunc()));
    }
    Ok(network)
}

fn shown(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() { network.addr().to_string() } else { network.to_string() }
}

/// Refusals that were written down of late, by key.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<HashMap<u32, (Instant, Vec<IpAddr>)>>);

impl Refusals {
    /// Whether this one is to be written down: the first of an address within a minute, of ten addresses at most.
    pub fn is_news(&self, key: u32, from: IpAddr, now: Instant) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (begun, addresses) = told.entry(key).or_insert_with(|| (now, Vec::new()));
        if now.saturating_duration_since(*begun) >= NEWS_WINDOW {
            (*begun, *addresses) = (now, Vec::new());
        }
        let is_news = !addresses.contains(&from) && addresses.len() < NEWS_MAX;
        if is_news {
            addresses.push(from);
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::{Duration, Instant};

    use super::{NETWORKS_MAX, Networks, Refusals};

    #[test]
    fn an_address_is_held_by_its_network_whatever_family_its_socket_has() {
        let rows = [
            ("", "198.51.100.7", true),
            ("192.0.2.0/28", "192.0.2.15", true),
            ("192.0.2.0/28", "192.0.2.16", false),
            ("192.0.2.0/28", "::ffff:192.0.2.3", true),
            ("::ffff:192.0.2.3", "192.0.2.3", true),
            ("192.0.2.3 2001:db8::/32", "2001:db8:ffff::1", true),
            ("192.0.2.3 2001:db8::/32", "2001:db9::1", false),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("written by a later version", "192.0.2.3", false),
        ];
        for (list, from, held) in rows {
            let from: IpAddr = from.parse().expect("an address");
            assert_eq!(Networks::stored(list).hold(Some(from)), held, "{list:?} {from}");
        }
        assert!(Networks::stored("").hold(None) && !Networks::stored("0.0.0.0/0").hold(None));
    }

    #[test]
    fn a_list_is_shown_as_it_is_stored_and_says_what_is_wrong_with_it() {
        let read = Networks::read(&["2001:db8::/32", " 192.0.2.7 ", "192.0.2.7/32"]).expect("they are networks");
        assert_eq!(read.texts(), ["192.0.2.7", "2001:db8::/32"]);
        assert_eq!(Networks::stored(&read.to_string()), read);
        for (wrong, says) in [
            ("192.0.2.7/28", "is 192.0.2.0/28 meant?"),
            ("192.0.2.0/33", "is wanted"),
            ("192.0.2.0/+8", "is wanted"),
            ("host.example", "is wanted"),
            ("", "is wanted"),
        ] {
            let (place, why) = Networks::read(&["192.0.2.7", wrong]).expect_err(wrong);
            assert!(place == 1 && why.contains(says), "{why}");
        }
        assert!(Networks::read(&["192.0.2.7"; NETWORKS_MAX + 1]).is_err());
    }

    #[test]
    fn a_stolen_key_does_not_fill_the_audit() {
        let (refusals, begun) = (Refusals::default(), Instant::now());
        let from = |last| IpAddr::from(Ipv4Addr::new(192, 0, 2, last));
        let told = |key, last, after_s| refusals.is_news(key, from(last), begun + Duration::from_secs(after_s));
        assert!(told(1, 0, 0) && !told(1, 0, 59) && told(1, 1, 59));
        assert_eq!((2..100).filter(|last| told(1, *last, 59)).count(), 8);
        assert!(told(2, 0, 59), "another key has its own");
        assert!(told(1, 0, 60));
    }
}
