//! Ports for ends of calls: no socket has them, so they lie below those that the kernel gives to sockets.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;

/// The first, even as RTP wants it (RFC 3550 §11).
const LOWEST: u16 = 6_000;
/// The first that Linux gives away on its own (ip_local_port_range).
const ABOVE: u16 = 32_768;

/// Even ports by address; one that was given back is used last.
#[derive(Debug, Default)]
pub(crate) struct Ports(HashMap<Ipv4Addr, Range>);

#[derive(Debug)]
struct Range {
    next: u16,
    back: VecDeque<u16>,
}

impl Ports {
    /// One that nobody has; none when all are in use.
    pub(crate) fn take(&mut self, address: Ipv4Addr) -> Option<u16> {
        let range = self.0.entry(address).or_insert(Range { next: LOWEST, back: VecDeque::new() });
        if range.next >= ABOVE {
            return range.back.pop_front();
        }
        range.next += 2;
        Some(range.next - 2)
    }

    pub(crate) fn give_back(&mut self, address: Ipv4Addr, port: u16) {
        if let Some(range) = self.0.get_mut(&address) {
            range.back.push_back(port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_a_port_of_its_own_until_there_are_none() {
        let (mut ports, here) = (Ports::default(), Ipv4Addr::LOCALHOST);
        let all: Vec<u16> = std::iter::from_fn(|| ports.take(here)).collect();
        assert!(all.len() > 13_000 && all.windows(2).all(|pair| pair[0] + 2 == pair[1] && pair[0] % 2 == 0));
        assert!(ports.take([127, 0, 0, 2].into()).is_some());
        ports.give_back(here, all[7]);
        assert_eq!((ports.take(here), ports.take(here)), (Some(all[7]), None));
    }
}
