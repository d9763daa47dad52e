//! Which network cards carry calls, and which one carries the person who asks.

use std::net::IpAddr;

use crate::host::Host;

/// The named NICs, or every one with hardware behind it.
pub fn chosen(host: &Host, named: &[String]) -> Vec<String> {
    if !named.is_empty() {
        return named.to_vec();
    }
    let hardware = |nic: &String| host.exists(&format!("sys/class/net/{nic}/device"));
    host.names("sys/class/net").into_iter().filter(hardware).collect()
}

/// NICs over which somebody is logged in by SSH, and those below them: bonds, bridges and VLANs stand on others.
///
/// `connection` is the environment's SSH_CONNECTION, which `sudo` takes away; so every connection to port 22 counts too.
pub fn in_use(host: &Host, connection: Option<&str>) -> Vec<String> {
    let told = connection.and_then(|text| text.split_whitespace().next()?.parse().ok());
    let mut nics: Vec<String> = told.into_iter().chain(logged_in(host)).filter_map(|peer| route(host, peer)).collect();
    let mut next = 0;
    while next < nics.len() {
        let links = host.names(&format!("sys/class/net/{}", nics[next]));
        nics.extend(links.iter().filter_map(|link| link.strip_prefix("lower_").map(str::to_owned)));
        nics.dedup();
        next += 1;
    }
    nics
}

/// The other ends of established connections to our port 22 (`proc(5)`: state 01).
fn logged_in(host: &Host) -> Vec<IpAddr> {
    let tables = ["proc/net/tcp", "proc/net/tcp6"].map(|path| host.read(path).unwrap_or_default());
    let row = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (local, remote, state) = (words.next()?, words.next()?, words.next()?);
        let here = local.rsplit_once(':').is_some_and(|(_, port)| port == "0016");
        if here && state == "01" { address(remote.split_once(':')?.0) } else { None }
    };
    tables.iter().flat_map(|table| table.lines().filter_map(row).collect::<Vec<_>>()).collect()
}

/// An address as /proc/net/tcp writes it: words of four bytes, each in the order of the processor.
fn address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    match hex.len() {
        8 => Some(IpAddr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for part in 0..4 {
                bytes[part * 4..][..4].copy_from_slice(&word(part * 8)?);
            }
            Some(IpAddr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

/// The NIC on the way to an address: the route with the longest matching prefix.
pub fn route(host: &Host, peer: IpAddr) -> Option<String> {
    hops(host, peer).map(|(nic, _)| nic)
}

/// Whether an address is reached without a router.
pub fn same_wire(host: &Host, peer: IpAddr) -> Option<bool> {
    hops(host, peer).map(|(_, direct)| direct)
}

fn hops(host: &Host, peer: IpAddr) -> Option<(String, bool)> {
    let found = match peer.to_canonical() {
        IpAddr::V4(peer) => {
            let table = host.read("proc/net/route")?;
            let row = |line: &str| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let number = |at: usize| u32::from_str_radix(words.get(at)?, 16).ok();
                let (mask, peer) = (number(7)?, u32::from_ne_bytes(peer.octets()));
                (peer & mask == number(1)?).then(|| (mask.count_ones(), words[0].to_owned(), number(2) == Some(0)))
            };
            table.lines().filter_map(row).max()
        }
        IpAddr::V6(peer) => {
            let table = host.read("proc/net/ipv6_route")?;
            let row = |line: &str| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let to = u128::from_str_radix(words.first()?, 16).ok()?;
                let length = u32::from_str_radix(words.get(1)?, 16).ok()?;
                let shift = 128_u32.checked_sub(length)?;
                let same = (u128::from(peer) ^ to).checked_shr(shift).unwrap_or(0) == 0;
                let direct = words.get(4)?.bytes().all(|byte| byte == b'0');
                same.then(|| (length, words.last().copied().unwrap_or_default().to_owned(), direct))
            };
            table.lines().filter_map(row).max()
        }
    };
    found.map(|(_, nic, direct)| (nic, direct))
}
