//! Questions to the kernel about ways: which interface leads to an address, and the link's address of who stands there.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::link::{InfoData, InfoKind, InfoVlan, LinkAttribute, LinkInfo, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use crate::hops::Hop;

/// A netlink socket. Answers come at once, from the kernel of this network namespace.
#[derive(Debug)]
pub struct Links {
    socket: Socket,
}

/// Does this machine have the address?
///
/// # Errors
/// The system does not tell.
pub fn has_address(address: IpAddr) -> io::Result<bool> {
    let is = |known: &nix::sys::socket::SockaddrStorage| ip_of(known) == Some(address);
    Ok(nix::ifaddrs::getifaddrs()?.any(|entry| entry.address.as_ref().is_some_and(is)))
}

impl Links {
    /// Opens the socket in the network namespace of the calling thread.
    pub fn open() -> io::Result<Links> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Links { socket })
    }

    /// How packets from our address get to a peer now; none while its link address, or its router's, is not known, for a local or
    /// unreachable peer, over links without addresses (tunnels), and where the route wraps packets in others.
    pub fn way(&self, from: IpAddr, to: IpAddr) -> io::Result<Option<Hop>> {
        let Some((interface, gateway)) = self.route(from, to)? else { return Ok(None) };
        let Some(link) = self.link(interface)? else { return Ok(None) };
        let Some(neighbour) = self.neighbour(interface, gateway)? else { return Ok(None) };
        Ok(Some(Hop { interface: link.parent, vlan: link.vlan, to: neighbour, from: link.address }))
    }

    /// The interface that packets to this address of ours come in by, of a VLAN its parent; none if no interface of this machine has
    /// the address, or only the loopback one.
    pub fn interface_of(&self, address: IpAddr) -> io::Result<Option<String>> {
        use nix::net::if_::{InterfaceFlags, if_indextoname, if_nametoindex};
        let has = |entry: &nix::ifaddrs::InterfaceAddress| {
            let loopback = entry.flags.contains(InterfaceFlags::IFF_LOOPBACK);
            !loopback && entry.address.as_ref().is_some_and(|known| ip_of(known) == Some(address))
        };
        let Some(entry) = nix::ifaddrs::getifaddrs()?.find(has) else { return Ok(None) };
        let index = if_nametoindex(entry.interface_name.as_str())?;
        let parent = self.link(index)?.map_or(index, |link| link.parent);
        Ok(Some(if_indextoname(parent)?.to_string_lossy().into_owned()))
    }

    /// True for one end of a virtual cable (veth(4)).
    pub fn is_veth(&self, interface: &str) -> io::Result<bool> {
        let index = nix::net::if_::if_nametoindex(interface)?;
        Ok(self.link(index)?.is_some_and(|link| link.is_veth))
    }

    fn route(&self, from: IpAddr, to: IpAddr) -> io::Result<Option<(u32, IpAddr)>> {
        let mut message = RouteMessage::default();
        message.header.address_family = if to.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
        message.header.destination_prefix_length = if to.is_ipv6() { 128 } else { 32 };
        message.header.source_prefix_length = message.header.destination_prefix_length;
        message.attributes =
            vec![RouteAttribute::Destination(RouteAddress::from(to)), RouteAttribute::Source(RouteAddress::from(from))];
        let Some(RouteNetlinkMessage::NewRoute(found)) = self.ask(RouteNetlinkMessage::GetRoute(message), 0)? else {
            return Ok(None);
        };
        if found.header.kind != RouteType::Unicast {
            return Ok(None);
        }
        let (mut interface, mut gateway) = (None, to);
        for attribute in found.attributes {
            match attribute {
                RouteAttribute::Oif(index) => interface = Some(index),
                RouteAttribute::Gateway(RouteAddress::Inet(v4)) => gateway = v4.into(),
                RouteAttribute::Gateway(RouteAddress::Inet6(v6)) => gateway = v6.into(),
                // RFC 8950: the router is known by an address of the other family, and that family's neighbours have its link address.
                RouteAttribute::Via(RouteVia::Inet(v4)) => gateway = v4.into(),
                RouteAttribute::Via(RouteVia::Inet6(v6)) => gateway = v6.into(),
                // What such packets are wrapped in (MPLS, segment routing) is the kernel's to put on.
                RouteAttribute::Via(_) | RouteAttribute::Encap(_) => return Ok(None),
                _ => {}
            }
        }
        Ok(interface.map(|interface| (interface, gateway)))
    }

    fn link(&self, interface: u32) -> io::Result<Option<Link>> {
        let mut message = LinkMessage::default();
        message.header.index = interface;
        let Some(RouteNetlinkMessage::NewLink(found)) = self.ask(RouteNetlinkMessage::GetLink(message), 0)? else {
            return Ok(None);
        };
        let mut link = Link { parent: interface, vlan: 0, address: [0; 6], is_veth: false };
        let mut parent = None;
        for attribute in found.attributes {
            match attribute {
                LinkAttribute::Address(address) => match address.try_into() {
                    Ok(address) => link.address = address,
                    Err(_) => return Ok(None),
                },
                LinkAttribute::Link(index) => parent = Some(index),
                LinkAttribute::LinkInfo(infos) => {
                    link.vlan = infos.iter().find_map(vlan).unwrap_or(link.vlan);
                    link.is_veth = infos.iter().any(|info| matches!(info, LinkInfo::Kind(InfoKind::Veth)));
                }
                _ => {}
            }
        }
        if link.vlan != 0 {
            link.parent = parent.unwrap_or(interface);
        }
        Ok(Some(link))
    }

    fn neighbour(&self, interface: u32, address: IpAddr) -> io::Result<Option<[u8; 6]>> {
        let message = neighbour_message(interface, address);
        let Some(RouteNetlinkMessage::NewNeighbour(found)) = self.ask(RouteNetlinkMessage::GetNeighbour(message), 0)?
        else {
            return Ok(None);
        };
        let usable = matches!(
            found.header.state,
            NeighbourState::Reachable
                | NeighbourState::Stale
                | NeighbourState::Delay
                | NeighbourState::Probe
                | NeighbourState::Permanent
                | NeighbourState::Noarp
        );
        if found.header.state == NeighbourState::Stale {
            self.probe(interface, address)?;
        }
        let address = found.attributes.into_iter().find_map(|attribute| match attribute {
            NeighbourAttribute::LinkLayerAddress(address) => address.try_into().ok(),
            _ => None,
        });
        Ok(address.filter(|_| usable))
    }

    /// Asks the kernel to confirm a neighbour: packets that the fast path sends do not count as use.
    fn probe(&self, interface: u32, address: IpAddr) -> io::Result<()> {
        let mut message = neighbour_message(interface, address);
        message.header.flags = NeighbourFlags::Use;
        self.ask(RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK).map(drop)
    }

    /// One question, one answer; none if the kernel says that there is no such thing.
    fn ask(&self, question: RouteNetlinkMessage, flags: u16) -> io::Result<Option<RouteNetlinkMessage>> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(question));
        message.finalize();
        let mut bytes = vec![0; message.header.length as usize];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        let (answer, _) = self.socket.recv_from_full()?;
        let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer).map_err(io::Error::other)?;
        match answer.payload {
            NetlinkPayload::InnerMessage(message) => Ok(Some(message)),
            NetlinkPayload::Error(error) if error.code.is_none() => Ok(None),
            NetlinkPayload::Error(error) => absent(error.to_io()),
            _ => Ok(None),
        }
    }
}

struct Link {
    parent: u32,
    vlan: u16,
    address: [u8; 6],
    is_veth: bool,
}

/// No route, no neighbour and no interface (ENODEV) are answers, not failures.
fn absent(error: io::Error) -> io::Result<Option<RouteNetlinkMessage>> {
    use io::ErrorKind::{HostUnreachable, NetworkUnreachable, NotFound};
    const NO_SUCH_INTERFACE: i32 = 19;
    let known = matches!(error.kind(), NotFound | NetworkUnreachable | HostUnreachable);
    if known || error.raw_os_error() == Some(NO_SUCH_INTERFACE) { Ok(None) } else { Err(error) }
}

fn ip_of(address: &nix::sys::socket::SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| v4.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| v6.ip().into()))
}

fn vlan(info: &LinkInfo) -> Option<u16> {
    let LinkInfo::Data(InfoData::Vlan(facts)) = info else { return None };
    facts.iter().find_map(|fact| if let InfoVlan::Id(id) = fact { Some(*id) } else { None })
}

fn neighbour_message(interface: u32, address: IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.ifindex = interface;
    let (family, destination) = match address {
        IpAddr::V4(v4) => (AddressFamily::Inet, NeighbourAddress::Inet(v4)),
        IpAddr::V6(v6) => (AddressFamily::Inet6, NeighbourAddress::Inet6(v6)),
    };
    message.header.family = family;
    message.attributes = vec![NeighbourAttribute::Destination(destination)];
    message
}
