//! Networks that a key's requests may come from, proxies that say where they did, and how often a refusal is written down.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
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
    let wanted =
        || format!("{text:?}: an address like 192.0.2.7 or 2001:db8::7, or a network like 192.0.2.0/28, is wanted");
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

/// Proxies before the server, whose word about where a request came from is believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// `None`: there are none.
    trusted: Option<Networks>,
}

/// The header by which a proxy says whom it heard; each adds its own at the end.
const FORWARDED_FOR: &str = "x-forwarded-for";

impl Proxies {
    /// Reads addresses and networks of proxies.
    pub fn read<T: AsRef<str>>(texts: &[T]) -> Result<Proxies, String> {
        let read = Networks::read(texts).map_err(|(_, why)| why)?;
        Ok(Proxies { trusted: (!texts.is_empty()).then_some(read) })
    }

    fn hold(&self, from: IpAddr) -> bool {
        self.trusted.as_ref().is_some_and(|trusted| trusted.hold(Some(from)))
    }

    /// Where a request came from: the last one before our own proxies that these have heard. What stands before that, anybody may have
    /// written. A proxy that says nothing, or no address, is taken for who asks.
    pub fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let all = headers.get_all(FORWARDED_FOR).iter().rev();
        let said = all.flat_map(|value| value.to_str().unwrap_or("?").rsplit(',').map(|text| text.trim().parse().ok()));
        let mut caller = peer.to_canonical();
        for said in said {
            match said {
                Some(said) if self.hold(caller) => caller = IpAddr::to_canonical(&said),
                _ => break,
            }
        }
        caller
    }
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

    use axum::http::{HeaderMap, HeaderValue};

    use super::{FORWARDED_FOR, NETWORKS_MAX, Networks, Proxies, Refusals};

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
    fn a_request_came_from_whom_the_last_proxy_of_ours_heard() {
        let rows: &[(&str, &[&str], &str)] = &[
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:127.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            // What the caller wrote itself stands before what the proxy added.
            ("127.0.0.1", &["192.0.2.9, 198.51.100.7"], "198.51.100.7"),
            ("127.0.0.1", &["192.0.2.9", "2001:db8::7"], "2001:db8::7"),
            ("127.0.0.1", &["198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("127.0.0.1", &["10.0.0.3,10.0.0.2"], "10.0.0.3"),
            ("127.0.0.1", &["198.51.100.7, unknown"], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.7:4711"], "127.0.0.1"),
            // Nobody believes a stranger.
            ("198.51.100.8", &["192.0.2.9"], "198.51.100.8"),
        ];
        let (ours, none) = (Proxies::read(&["127.0.0.1", "10.0.0.0/8"]).expect("networks"), Proxies::default());
        for (peer, said, wanted) in rows {
            let mut headers = HeaderMap::new();
            for value in *said {
                headers.append(FORWARDED_FOR, HeaderValue::from_str(value).expect("a header"));
            }
            let peer: IpAddr = peer.parse().expect("an address");
            assert_eq!(ours.caller(peer, &headers).to_string(), *wanted, "{peer} {said:?}");
            assert_eq!(none.caller(peer, &headers), peer.to_canonical());
        }
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
