//! A shared address, put on an interface and taken down by netlink, and told to the neighbours at once.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use crate::settings::AddressSettings;

/// How often neighbours are told, and the time between.
const TOLD_TIMES: u32 = 3;
const TOLD_AGAIN: Duration = Duration::from_millis(100);

/// Puts the address on its interface. True: it was not there before.
pub fn up(address: &AddressSettings) -> io::Result<bool> {
    let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    change(RouteNetlinkMessage::NewAddress(message(address)?), flags, Errno::EEXIST)
}

/// Takes the address down. True: it was there.
pub fn down(address: &AddressSettings) -> io::Result<bool> {
    change(RouteNetlinkMessage::DelAddress(message(address)?), NLM_F_REQUEST | NLM_F_ACK, Errno::EADDRNOTAVAIL)
}

fn message(address: &AddressSettings) -> io::Result<AddressMessage> {
    let mut message = AddressMessage::default();
    message.header.family = if address.ip.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    message.header.prefix_len = address.prefix;
    message.header.index = nix::net::if_::if_nametoindex(address.interface.as_str())?;
    message.attributes = vec![AddressAttribute::Local(address.ip), AddressAttribute::Address(address.ip)];
    if address.ip.is_ipv6() {
        // Whoever had it has it no more: asking around first would cost a second.
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
    Ok(message)
}

/// Tells the kernel. False: it was so already, as `settled` says.
fn change(message: RouteNetlinkMessage, flags: u16, settled: Errno) -> io::Result<bool> {
    let mut netlink = Socket::new(NETLINK_ROUTE)?;
    netlink.bind_auto()?;
    netlink.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    netlink.send(&bytes, 0)?;
    let (answer, _) = netlink.recv_from_full()?;
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer).map_err(io::Error::other)?;
    match answer.payload {
        NetlinkPayload::Error(error) if error.raw_code() == 0 => Ok(true),
        NetlinkPayload::Error(error) if error.raw_code() == -(settled as i32) => Ok(false),
        NetlinkPayload::Error(error) => Err(error.to_io()),
        other => Err(io::Error::other(format!("the kernel answers {other:?}"))),
    }
}

/// True if the address is on its interface.
pub fn is_up(address: &AddressSettings) -> bool {
    let Ok(mut all) = nix::ifaddrs::getifaddrs() else { return false };
    all.any(|entry| {
        let ip = entry.address.as_ref().and_then(|at| match address.ip {
            IpAddr::V4(_) => at.as_sockaddr_in().map(|at| IpAddr::V4(at.ip())),
            IpAddr::V6(_) => at.as_sockaddr_in6().map(|at| IpAddr::V6(at.ip())),
        });
        entry.interface_name == address.interface && ip == Some(address.ip)
    })
}

/// True if the interface is there, up, and its cable carries.
pub fn has_link(interface: &str) -> bool {
    let Ok(mut all) = nix::ifaddrs::getifaddrs() else { return false };
    let carries = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
    all.any(|entry| entry.interface_name == interface && entry.flags.contains(carries))
}

/// Tells the neighbours a few times, by a thread of its own.
pub fn announce(address: &AddressSettings) {
    let address = address.clone();
    thread::spawn(move || {
        for _ in 0..TOLD_TIMES {
            if let Err(error) = tell(&address) {
                tracing::warn!(error = error.to_string(), "the neighbours are not told of the address");
            }
            thread::sleep(TOLD_AGAIN);
        }
    });
}

/// Tells the neighbours once that the address is here: gratuitous ARP (RFC 5227 §3) or an unsolicited neighbour advertisement
/// (RFC 4861 §7.2.6).
fn tell(address: &AddressSettings) -> io::Result<()> {
    let (link, own) = link_of(&address.interface)?;
    let frame = match address.ip {
        IpAddr::V4(ip) => arp(own, ip),
        IpAddr::V6(ip) => advertisement(own, ip),
    };
    let packet = socket(nix::sys::socket::AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
    sendto(packet.as_raw_fd(), &frame, &link, MsgFlags::empty())?;
    Ok(())
}

/// The interface as a packet socket names it, and its link address.
fn link_of(interface: &str) -> io::Result<(LinkAddr, [u8; 6])> {
    let links = nix::ifaddrs::getifaddrs()?.filter(|entry| entry.interface_name == interface);
    let mut links = links.filter_map(|entry| entry.address?.as_link_addr().copied());
    let found = links.find_map(|link| Some((link, link.addr()?)));
    found.ok_or_else(|| io::Error::other(format!("{interface} has no link address")))
}

/// Who has `ip`? `ip` itself: everybody renews what they remember.
fn arp(own: [u8; 6], ip: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(own);
    // EtherType ARP; Ethernet, IPv4, lengths, request.
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, 1]);
    frame.extend(own);
    frame.extend(ip.octets());
    frame.extend([0; 6]);
    frame.extend(ip.octets());
    frame
}

fn advertisement(own: [u8; 6], ip: Ipv6Addr) -> Vec<u8> {
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    // Type 136; override is set: what was remembered is replaced. Then option 2, the link address.
    let mut body = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
    body.extend(ip.octets());
    body.extend([2, 1]);
    body.extend(own);
    let length = body.len();
    let mut sum = Vec::from(ip.octets());
    sum.extend(all_nodes.octets());
    sum.extend([0, 0, 0, length as u8, 0, 0, 0, 58]);
    sum.extend(&body);
    let checksum = checksum(&sum);
    body[2..4].copy_from_slice(&checksum.to_be_bytes());
    let mut frame = vec![0x33, 0x33, 0, 0, 0, 1];
    frame.extend(own);
    // EtherType IPv6; version 6; next header ICMPv6, hop limit 255.
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, length as u8, 58, 255]);
    frame.extend(ip.octets());
    frame.extend(all_nodes.octets());
    frame.extend(body);
    frame
}

/// RFC 1071, of an even number of bytes.
pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}
