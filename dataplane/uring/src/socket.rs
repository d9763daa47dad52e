//! Sockets with the options that a switch wants, and what the kernel granted of them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// What to ask of the kernel for a socket.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Several sockets on one address, so that each shard has its own.
    pub shared: bool,
    /// Receive buffer in bytes; 0 leaves it.
    pub receive_bytes: usize,
    /// Send buffer in bytes; 0 leaves it.
    pub send_bytes: usize,
    /// IPv4 type of service or IPv6 traffic class; 0 leaves it.
    pub traffic_class: u8,
}

/// A bound UDP socket.
#[derive(Debug)]
pub struct UdpSocket {
    socket: Socket,
    address: SocketAddr,
}

impl UdpSocket {
    /// Binds.
    pub fn bind(address: SocketAddr, options: &Options) -> io::Result<UdpSocket> {
        UdpSocket::bind_with(address, options, false)
    }

    /// Binds to an address that this machine need not have yet: a shared one that it may come to hold.
    pub fn bind_early(address: SocketAddr, options: &Options) -> io::Result<UdpSocket> {
        UdpSocket::bind_with(address, options, true)
    }

    fn bind_with(address: SocketAddr, options: &Options, early: bool) -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        match early {
            true if address.is_ipv6() => socket.set_freebind_v6(true)?,
            true => socket.set_freebind_v4(true)?,
            false => {}
        }
        if options.shared {
            socket.set_reuse_port(true)?;
        }
        // What the kernel grants is read back by who opens it; a refusal is not a reason to stay without a socket.
        if options.receive_bytes > 0 {
            let _ = socket.set_recv_buffer_size(options.receive_bytes);
        }
        if options.send_bytes > 0 {
            let _ = socket.set_send_buffer_size(options.send_bytes);
        }
        if address.is_ipv6() {
            // An IPv4 listener on the same port is a listener of its own.
            socket.set_only_v6(true)?;
        }
        mark(&socket, address.is_ipv4(), options.traffic_class);
        socket.bind(&address.into())?;
        // Each call opens four: what is known is not asked for.
        let address = match address.port() {
            0 => socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?,
            _ => address,
        };
        Ok(UdpSocket { socket, address })
    }

    /// A socket of this address's family for what a program of type `sk_lookup` steers to it, to whichever address and port of ours it came:
    /// each datagram tells them. By itself it is reached from this machine alone, so that no port is open that belongs to no call.
    pub fn steered(address: IpAddr, options: &Options) -> io::Result<UdpSocket> {
        let home: IpAddr = if address.is_ipv6() { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let bound = UdpSocket::bind_early(SocketAddr::new(home, 0), options)?;
        let (level, name) = if address.is_ipv6() {
            (libc::IPPROTO_IPV6, libc::IPV6_RECVORIGDSTADDR)
        } else {
            (libc::IPPROTO_IP, libc::IP_RECVORIGDSTADDR)
        };
        // Many ports wait in one buffer. Who may steer may also pass net.core.rmem_max.
        let _ = set(&bound.socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, options.receive_bytes as i32);
        set(&bound.socket, level, name, 1)?;
        Ok(bound)
    }

    /// Where it is bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Usable bytes of the receive and of the send buffer. The kernel doubles what it grants, for its own bookkeeping.
    pub fn granted(&self) -> io::Result<(usize, usize)> {
        Ok((self.socket.recv_buffer_size()? / 2, self.socket.send_buffer_size()? / 2))
    }

    /// The kernel is to note when it received each datagram: [`crate::Ring::arrival`].
    pub fn stamp(&self) -> io::Result<()> {
        set(&self.socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
    }

    /// Datagrams that came as one are to be handed up as one ([`crate::Packet::each`]); for rings [`crate::Ring::with_trains`].
    pub fn take_trains(&self) -> io::Result<()> {
        set(&self.socket, libc::SOL_UDP, libc::UDP_GRO, 1)
    }

    pub(crate) fn descriptor(&self) -> i32 {
        self.socket.as_raw_fd()
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// While it lives, the kernel stamps whatever it receives, for sockets that ask for it ([`UdpSocket::stamp`]). With the first socket that asks
/// it patches its own code, and back with the last that goes: not with every call.
#[derive(Debug)]
pub struct Stamping(#[expect(dead_code, reason = "it is there to be there")] Socket);

impl Stamping {
    /// Begins.
    pub fn begin() -> io::Result<Stamping> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        set(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        Ok(Stamping(socket))
    }
}

/// A socket that takes datagrams with their IP headers (raw(7)); it takes the right `CAP_NET_RAW`, and hears nothing.
#[derive(Debug)]
pub struct RawSocket(Socket);

impl RawSocket {
    /// Opens one of a family, with room for so many bytes on their way.
    pub fn open(ipv6: bool, send_bytes: usize) -> io::Result<RawSocket> {
        let domain = if ipv6 { Domain::IPV6 } else { Domain::IPV4 };
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
        let _ = set(&socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, send_bytes as i32);
        Ok(RawSocket(socket))
    }

    /// Another descriptor of the same socket.
    pub(crate) fn copy(&self) -> io::Result<OwnedFd> {
        Ok(self.0.try_clone()?.into())
    }

    pub(crate) fn descriptor(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

/// Connections that may wait for us to accept them.
const BACKLOG: i32 = 1_024;
/// How long sent bytes may stay unacknowledged before the kernel gives the connection up: 64·T1 of RFC 3261.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(32);

/// A TCP socket that listens.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: SocketAddr,
}

impl Listener {
    /// Binds and listens. With `shared` each shard has its own socket on one address, and the kernel spreads connections over them.
    pub fn bind(address: SocketAddr, shared: bool, traffic_class: u8) -> io::Result<Listener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // Connections of an earlier life that linger in TIME_WAIT must not keep us out.
        socket.set_reuse_address(true)?;
        if shared {
            socket.set_reuse_port(true)?;
        }
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        mark(&socket, address.is_ipv4(), traffic_class);
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let address = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Listener { socket, address })
    }

    /// Where it is bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn descriptor(&self) -> i32 {
        self.socket.as_raw_fd()
    }
}

/// A TCP socket that is to be connected, from an address of ours if one is named.
pub(crate) fn unconnected(from: Option<IpAddr>, to: SocketAddr, traffic_class: u8) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    mark(&socket, to.is_ipv4(), traffic_class);
    stream_options(&socket)?;
    if let Some(from) = from {
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    Ok(socket.into())
}

/// Makes an accepted connection ours, and says who connected.
pub(crate) fn accepted(descriptor: OwnedFd) -> io::Result<(OwnedFd, SocketAddr)> {
    let socket = Socket::from(descriptor);
    stream_options(&socket)?;
    let from = socket.peer_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    Ok((socket.into(), from))
}

fn stream_options(socket: &Socket) -> io::Result<()> {
    // Messages are written whole; waiting for more of them only delays.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))
}

fn set(socket: &Socket, level: i32, name: i32, value: i32) -> io::Result<()> {
    let length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the kernel reads one integer of the length that it is told, and keeps nothing of it.
    let outcome = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn mark(socket: &Socket, v4: bool, traffic_class: u8) {
    if traffic_class != 0 {
        let class = u32::from(traffic_class);
        let _ = if v4 { socket.set_tos_v4(class) } else { socket.set_tclass_v6(class) };
    }
}
