//! What the kernel knows of an interface and of who stands at its other side.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;

use crate::kernel::Unavailable;

/// How long an answer of a neighbour is waited for.
const PATIENCE: Duration = Duration::from_millis(500);
/// Where nobody listens (RFC 863).
const DISCARD: u16 = 9;

/// One interface.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) index: u32,
    pub(crate) link: [u8; 6],
    /// Its addresses of IPv4.
    pub(crate) addresses: Vec<Ipv4Addr>,
}

impl Interface {
    pub(crate) fn find(name: &str) -> Result<Interface, Unavailable> {
        let flaw = |why: &dyn std::error::Error| Unavailable::Interface(name.into(), why.to_string());
        let index = if_nametoindex(name).map_err(|error| flaw(&error))?;
        let (mut link, mut addresses) = (None, Vec::new());
        for entry in getifaddrs().map_err(|error| flaw(&error))?.filter(|entry| entry.interface_name == name) {
            let Some(address) = entry.address else { continue };
            link = link.or(address.as_link_addr().and_then(nix::sys::socket::LinkAddr::addr));
            addresses.extend(address.as_sockaddr_in().map(nix::sys::socket::SockaddrIn::ip));
        }
        let Some(link) = link.filter(|link| *link != [0; 6]) else {
            return Err(Unavailable::Interface(name.into(), "it has no address of Ethernet".into()));
        };
        Ok(Interface { name: name.into(), index, link, addresses })
    }

    /// The link address of a neighbour; who is not known yet is asked first. None if nobody answers: it may be behind a router.
    pub(crate) fn neighbour(&self, from: Ipv4Addr, to: Ipv4Addr) -> io::Result<Option<[u8; 6]>> {
        let until = Instant::now() + PATIENCE;
        let mut asked = false;
        loop {
            // proc(5): the table of the network namespace in which this thread stands.
            let table = std::fs::read_to_string("/proc/thread-self/net/arp")?;
            let found = neighbour_in(&table, &self.name, to);
            if found.is_some() || Instant::now() > until {
                return Ok(found);
            }
            if !asked {
                UdpSocket::bind((from, 0))?.send_to(&[], (to, DISCARD))?;
                asked = true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Address, type, flags, link address, mask, interface.
fn neighbour_in(table: &str, interface: &str, to: Ipv4Addr) -> Option<[u8; 6]> {
    table.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [address, _, _, link, _, name] = words[..] else { return None };
        if name != interface || address.parse() != Ok(to) {
            return None;
        }
        let mut bytes = link.split(':').map(|byte| u8::from_str_radix(byte, 16).ok());
        let found = [(); 6].map(|()| bytes.next().flatten());
        let found = found.map(Option::unwrap_or_default);
        // An answer is still waited for.
        (found != [0; 6]).then_some(found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_is_known_by_its_interface_once_it_has_answered() {
        let table = "IP address       HW type     Flags       HW address            Mask     (interface)\n\
                     192.0.2.1        0x1         0x2         9e:00:7a:01:02:ff     *        peer\n\
                     192.0.2.9        0x1         0x0         00:00:00:00:00:00     *        peer\n";
        let known = |name: &str, to: [u8; 4]| neighbour_in(table, name, to.into());
        assert_eq!(known("peer", [192, 0, 2, 1]), Some([0x9e, 0, 0x7a, 1, 2, 0xff]));
        assert_eq!((known("other", [192, 0, 2, 1]), known("peer", [192, 0, 2, 9])), (None, None));
    }
}
