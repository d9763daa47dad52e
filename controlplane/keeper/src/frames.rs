//! What is said and heard about an address on its network: ARP (RFC 826, 5227) and neighbour discovery (RFC 4861, 4862), as bytes.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A link address.
pub type Link = [u8; 6];

const ARP_REPLY_BYTES: usize = 42;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// An advertisement with its option: type, code, checksum, flags, address, link address.
const ADVERTISEMENT_BYTES: usize = 32;

/// Who has `ip`? `ip` itself: everybody renews what they remember (RFC 5227 §3).
pub fn announcement(own: Link, ip: Ipv4Addr) -> Vec<u8> {
    arp(own, ip, ip)
}

/// Who has `ip`? Asked by nobody: no memory is changed (RFC 5227 §2.1.1).
pub fn probe(own: Link, ip: Ipv4Addr) -> Vec<u8> {
    arp(own, Ipv4Addr::UNSPECIFIED, ip)
}

fn arp(own: Link, from: Ipv4Addr, ip: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(own);
    // EtherType ARP; Ethernet, IPv4, lengths, request.
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, 1]);
    frame.extend(own);
    frame.extend(from.octets());
    frame.extend([0; 6]);
    frame.extend(ip.octets());
    frame
}

/// Who says by this ARP frame that the address is his.
pub fn speaker(frame: &[u8], ip: Ipv4Addr) -> Option<Link> {
    let arp = frame.get(..ARP_REPLY_BYTES)?;
    // Ethernet and IPv4, and he names the address as his own, whether he asks or answers.
    let is_his = arp[12..20] == [0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4] && arp[28..32] == ip.octets();
    is_his.then(|| arp[22..28].try_into().expect("six bytes"))
}

/// An unsolicited advertisement that the address is here (RFC 4861 §7.2.6).
pub fn advertisement(own: Link, ip: Ipv6Addr) -> Vec<u8> {
    // Override is set: what was remembered is replaced. Then option 2, the link address.
    let mut body = vec![ADVERTISEMENT, 0, 0, 0, 0x20, 0, 0, 0];
    body.extend(ip.octets());
    body.extend([2, 1]);
    body.extend(own);
    icmp(own, [0x33, 0x33, 0, 0, 0, 1], (ip, Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)), body)
}

/// Who has `ip`? Asked by nobody, as before an address is taken (RFC 4862 §5.4.2): whoever has it tells everybody.
pub fn solicitation(own: Link, ip: Ipv6Addr) -> Vec<u8> {
    let [.., a, b, c] = ip.octets();
    let to = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
    let mut body = vec![SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    body.extend(ip.octets());
    icmp(own, [0x33, 0x33, 0xff, a, b, c], (Ipv6Addr::UNSPECIFIED, to), body)
}

fn icmp(own: Link, link: Link, (from, to): (Ipv6Addr, Ipv6Addr), mut body: Vec<u8>) -> Vec<u8> {
    let length = body.len() as u8;
    let mut sum = Vec::from(from.octets());
    sum.extend(to.octets());
    sum.extend([0, 0, 0, length, 0, 0, 0, 58]);
    sum.extend(&body);
    let checksum = checksum(&sum);
    body[2..4].copy_from_slice(&checksum.to_be_bytes());
    let mut frame = Vec::from(link);
    frame.extend(own);
    // EtherType IPv6; version 6; next header ICMPv6, hop limit 255.
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, length, 58, 255]);
    frame.extend(from.octets());
    frame.extend(to.octets());
    frame.extend(body);
    frame
}

/// Who says by this ICMPv6 message that the address is his.
pub fn advertiser(message: &[u8], ip: Ipv6Addr) -> Option<Link> {
    let told = message.get(..ADVERTISEMENT_BYTES)?;
    let is_his = told[0] == ADVERTISEMENT && told[8..24] == ip.octets() && told[24..26] == [2, 1];
    is_his.then(|| told[26..32].try_into().expect("six bytes"))
}

/// RFC 1071, of an even number of bytes.
pub fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Link = [2, 0, 0, 0, 0, 1];
    const OTHER: Link = [2, 0, 0, 0, 0, 9];

    #[test]
    fn who_names_an_address_as_his_own_is_found_and_who_asks_for_it_is_not() {
        let ip = Ipv4Addr::new(10, 0, 0, 100);
        assert_eq!(speaker(&announcement(OTHER, ip), ip), Some(OTHER));
        assert_eq!(speaker(&probe(OTHER, ip), ip), None, "somebody else asks before he takes it");
        assert_eq!(speaker(&announcement(OTHER, Ipv4Addr::new(10, 0, 0, 101)), ip), None);
        assert_eq!(speaker(&announcement(OTHER, ip)[..41], ip), None, "a frame that is cut off");
    }

    #[test]
    fn who_advertises_an_address_is_found() {
        let ip: Ipv6Addr = "fd77::200".parse().expect("it is one");
        let told = advertisement(OTHER, ip);
        // Behind the headers of Ethernet and IPv6.
        assert_eq!(advertiser(&told[54..], ip), Some(OTHER));
        assert_eq!(advertiser(&solicitation(OWN, ip)[54..], ip), None);
        assert_eq!(advertiser(&told[54..80], ip), None);
    }

    #[test]
    fn a_solicitation_goes_to_the_address_s_own_group_with_a_sum_that_is_right() {
        let ip: Ipv6Addr = "fd77::1:2345:6789".parse().expect("it is one");
        let told = solicitation(OWN, ip);
        assert_eq!(told[..6], [0x33, 0x33, 0xff, 0x45, 0x67, 0x89]);
        assert_eq!(told[38..54], "ff02::1:ff45:6789".parse::<Ipv6Addr>().expect("it is one").octets());
        let mut sum = told[22..54].to_vec();
        sum.extend([0, 0, 0, 24, 0, 0, 0, 58]);
        sum.extend(&told[54..]);
        assert_eq!(checksum(&sum), 0, "the sum over everything, itself included");
    }
}
