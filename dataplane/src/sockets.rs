//! One shard's sockets: one for SIP, and one for each media port that a call has.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use uring::socket::{Options, UdpSocket};
use uring::{Class, Ring, SocketId};

use crate::settings::PortRange;

/// RFC 4594: signalling CS5, telephony EF, each with its two ECN bits empty.
const SIGNAL_TRAFFIC: u8 = 40 << 2;
const MEDIA_TRAFFIC: u8 = 46 << 2;
const SIGNAL: Options =
    Options { shared: true, receive_bytes: 4 << 20, send_bytes: 4 << 20, traffic_class: SIGNAL_TRAFFIC };
const MEDIA: Options =
    Options { shared: false, receive_bytes: 128 << 10, send_bytes: 128 << 10, traffic_class: MEDIA_TRAFFIC };

/// Makes sure that nobody else has the SIP address, and finds a port if none is named. The shards' own sockets share the address, which
/// the kernel would let another program of this user do too; a socket that does not share meets every other.
pub fn claim(sip: SocketAddr) -> anyhow::Result<SocketAddr> {
    let alone = UdpSocket::bind(sip, &Options { shared: false, ..SIGNAL }).with_context(|| format!("SIP on {sip}"))?;
    Ok(alone.address())
}

/// The sockets, found by port and by place in the ring.
pub struct Sockets {
    /// The shard's SIP socket.
    pub sip: SocketId,
    media_address: IpAddr,
    ports: PortRange,
    by_port: Vec<Option<SocketId>>,
    port_of_place: Vec<u16>,
    warned: bool,
}

impl Sockets {
    /// Opens the SIP socket. Each shard has its own on the same address.
    pub fn open(ring: &mut Ring, sip: SocketAddr, media_address: IpAddr, ports: PortRange) -> anyhow::Result<Sockets> {
        let socket = UdpSocket::bind(sip, &SIGNAL).with_context(|| format!("cannot open SIP on {sip}"))?;
        let mut sockets = Sockets {
            sip: ring.add(&socket, Class::Signal)?,
            media_address,
            ports,
            by_port: vec![None; usize::from(ports.high) + 1 - usize::from(ports.low)],
            port_of_place: Vec::new(),
            warned: false,
        };
        sockets.check(&socket, &SIGNAL, "net.core.rmem_max and net.core.wmem_max limit the SIP socket's buffers");
        sockets.warned = false;
        Ok(sockets)
    }

    /// Opens a media port; false if that failed.
    pub fn open_port(&mut self, ring: &mut Ring, port: u16) -> bool {
        let Some(index) = self.index(port) else { return false };
        let address = SocketAddr::new(self.media_address, port);
        let opened = UdpSocket::bind(address, &MEDIA).and_then(|socket| {
            let id = ring.add(&socket, Class::Media)?;
            Ok((socket, id))
        });
        match opened {
            Ok((socket, id)) => {
                self.check(&socket, &MEDIA, "net.core.rmem_max and net.core.wmem_max limit the media sockets' buffers");
                self.by_port[index] = Some(id);
                self.port_of_place.resize(self.port_of_place.len().max(id.place() + 1), 0);
                self.port_of_place[id.place()] = port;
                true
            }
            Err(error) => {
                tracing::warn!(%address, %error, "cannot open a media port");
                false
            }
        }
    }

    /// Closes a media port.
    pub fn close_port(&mut self, ring: &mut Ring, port: u16) {
        if let Some(id) = self.index(port).and_then(|index| self.by_port[index].take()) {
            ring.close(id);
        }
    }

    /// The media port behind a socket.
    pub fn port(&self, socket: SocketId) -> u16 {
        self.port_of_place.get(socket.place()).copied().unwrap_or(0)
    }

    /// The socket of a media port.
    pub fn socket(&self, port: u16) -> Option<SocketId> {
        self.by_port[self.index(port)?]
    }

    fn index(&self, port: u16) -> Option<usize> {
        (self.ports.low..=self.ports.high).contains(&port).then(|| usize::from(port - self.ports.low))
    }

    fn check(&mut self, socket: &UdpSocket, wanted: &Options, sentence: &str) {
        if self.warned {
            return;
        }
        self.warned = true;
        if let Ok((receive, send)) = socket.granted()
            && (receive < wanted.receive_bytes || send < wanted.send_bytes)
        {
            tracing::warn!(wanted = wanted.receive_bytes, receive, send, "{sentence}");
        }
    }
}
