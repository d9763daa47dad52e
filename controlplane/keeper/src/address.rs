//! A shared address, put on an interface and taken down by netlink.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::net::if_::InterfaceFlags;

use crate::settings::AddressSettings;

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
