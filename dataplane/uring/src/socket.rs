//! UDP sockets with the options that a switch wants, and what the kernel granted of them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use socket2::{Domain, Protocol, Socket, Type};

/// What to ask of the kernel for a socket.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Several sockets on one address, so that each shard has its own.
    pub shared: bool,
    /// Receive buffer in bytes.
    pub receive_bytes: usize,
    /// Send buffer in bytes.
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
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if options.shared {
            socket.set_reuse_port(true)?;
        }
        // What the kernel grants is read back by who opens it; a refusal is not a reason to stay without a socket.
        let _ = socket.set_recv_buffer_size(options.receive_bytes);
        let _ = socket.set_send_buffer_size(options.send_bytes);
        if options.traffic_class != 0 {
            let class = u32::from(options.traffic_class);
            let _ = if address.is_ipv4() { socket.set_tos_v4(class) } else { socket.set_tclass_v6(class) };
        }
        socket.bind(&address.into())?;
        let address = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(UdpSocket { socket, address })
    }

    /// Where it is bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Usable bytes of the receive and of the send buffer. The kernel doubles what it grants, for its own bookkeeping.
    pub fn granted(&self) -> io::Result<(usize, usize)> {
        Ok((self.socket.recv_buffer_size()? / 2, self.socket.send_buffer_size()? / 2))
    }

    pub(crate) fn descriptor(&self) -> i32 {
        self.socket.as_raw_fd()
    }
}
