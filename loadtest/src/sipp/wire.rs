//! Sockets and connections of a run, and messages cut out of what they bring.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use uring::socket::{Listener, Options};
use uring::{Class, Doorbell, Event, Ring, Settings, SocketId, UdpSocket};

use super::heard;

/// Bytes of one message on a connection at most; a peer that sends more without an end is cut off.
const MESSAGE_BYTES_MAX: usize = 256 << 10;

/// Which way messages of a call go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From this UDP socket.
    Datagrams(SocketId),
    /// On this connection.
    Stream(SocketId),
}

/// What came.
#[derive(Debug)]
pub enum Came {
    /// A message.
    Message {
        /// How.
        way: Way,
        /// From whom.
        from: SocketAddr,
        /// What.
        text: String,
    },
    /// A packet for a media socket.
    Media {
        /// Which.
        socket: SocketId,
        /// From whom.
        from: SocketAddr,
        /// What.
        bytes: Vec<u8>,
    },
    /// A connection ended; true if it never stood.
    Ended(SocketId, bool),
}

struct Stream {
    id: SocketId,
    peer: SocketAddr,
    stands: bool,
    bytes: Vec<u8>,
}

/// Sockets and connections.
pub struct Wire {
    ring: Ring,
    main: Option<(SocketId, SocketAddr)>,
    listener: Option<SocketAddr>,
    /// By place.
    media: HashMap<usize, SocketId>,
    streams: HashMap<usize, Stream>,
    came: VecDeque<Came>,
}

fn bound(at: SocketAddr, bytes: usize) -> io::Result<UdpSocket> {
    UdpSocket::bind(at, &Options { shared: false, receive_bytes: bytes, send_bytes: bytes, traffic_class: 0 })
}

impl Wire {
    /// Without sockets.
    pub fn new() -> io::Result<Wire> {
        let ring = Ring::new(&Settings::fitting(), Doorbell::new()?)?;
        Ok(Wire {
            ring,
            main: None,
            listener: None,
            media: HashMap::new(),
            streams: HashMap::new(),
            came: VecDeque::new(),
        })
    }

    /// Opens the socket that all calls share, and says where it is.
    pub fn open(&mut self, at: SocketAddr, datagrams: bool) -> io::Result<SocketAddr> {
        if !datagrams {
            let listener = Listener::bind(at, false, 0)?;
            self.ring.add_listener(&listener)?;
            self.listener = Some(listener.address());
            return Ok(listener.address());
        }
        let socket = bound(at, 4 << 20)?;
        let id = self.ring.add(&socket, Class::Signal)?;
        self.main = Some((id, socket.address()));
        Ok(socket.address())
    }

    /// The UDP socket that all calls share.
    pub fn shared(&self) -> Option<Way> {
        self.main.map(|(id, _)| Way::Datagrams(id))
    }

    /// Opens a UDP socket for one call, and says its port.
    pub fn open_one(&mut self, ip: IpAddr) -> io::Result<(Way, u16)> {
        let socket = bound(SocketAddr::new(ip, 0), 256 << 10)?;
        let id = self.ring.add(&socket, Class::Signal)?;
        Ok((Way::Datagrams(id), socket.address().port()))
    }

    /// Orders a connection.
    pub fn connect(&mut self, from: IpAddr, to: SocketAddr) -> io::Result<Way> {
        let from = Some(from).filter(|ip| !ip.is_unspecified());
        let id = self.ring.connect(from, to, 0)?;
        self.streams.insert(id.place(), Stream { id, peer: to, stands: false, bytes: Vec::new() });
        Ok(Way::Stream(id))
    }

    /// Opens a media socket.
    pub fn open_media(&mut self, at: SocketAddr) -> io::Result<(SocketId, u16)> {
        let socket = bound(at, 256 << 10)?;
        let id = self.ring.add(&socket, Class::Media)?;
        self.media.insert(id.place(), id);
        Ok((id, socket.address().port()))
    }

    /// Closes what belonged to one call.
    pub fn close_media(&mut self, id: SocketId) {
        self.media.remove(&id.place());
        self.ring.close(id);
    }

    /// Closes a call's own socket or connection.
    pub fn close(&mut self, way: Way) {
        match way {
            Way::Datagrams(id) => self.ring.close(id),
            Way::Stream(id) => {
                self.streams.remove(&id.place());
                self.ring.finish(id);
            }
        }
    }

    /// Sends a message; false if it did not leave.
    pub fn send(&mut self, way: Way, to: SocketAddr, text: &str) -> bool {
        match way {
            Way::Datagrams(id) => self.ring.send(id, to, text.as_bytes()),
            Way::Stream(id) => self.ring.send_stream(id, text.as_bytes()),
        }
    }

    /// Sends a packet of media.
    pub fn send_media(&mut self, id: SocketId, to: SocketAddr, bytes: &[u8]) -> bool {
        self.ring.send(id, to, bytes)
    }

    /// Waits until something comes, no longer than this.
    pub fn wait(&mut self, limit: Duration) -> io::Result<()> {
        let limit = if self.came.is_empty() { limit } else { Duration::ZERO };
        self.ring.wait(limit)
    }

    /// What came next.
    pub fn next(&mut self) -> Option<Came> {
        loop {
            if let Some(came) = self.came.pop_front() {
                return Some(came);
            }
            match self.ring.event()? {
                Event::Datagram(packet) => {
                    let (socket, from) = (packet.socket, packet.from);
                    let bytes = self.ring.bytes(&packet).to_vec();
                    self.ring.release(packet);
                    if self.media.contains_key(&socket.place()) {
                        return Some(Came::Media { socket, from, bytes });
                    }
                    // Four bytes of nothing keep a way through a firewall open (RFC 5626 §3.5.1).
                    if bytes.len() > 4 {
                        return Some(Came::Message { way: Way::Datagrams(socket), from, text: text(bytes) });
                    }
                }
                Event::Bytes(packet) => {
                    let id = packet.socket;
                    if let Some(stream) = self.streams.get_mut(&id.place()) {
                        stream.bytes.extend_from_slice(self.ring.bytes(&packet));
                    }
                    self.ring.release(packet);
                    self.cut(id);
                }
                Event::Accepted { stream: id, from, .. } => {
                    self.streams.insert(id.place(), Stream { id, peer: from, stands: true, bytes: Vec::new() });
                }
                Event::Connected(id) => {
                    if let Some(stream) = self.streams.get_mut(&id.place()) {
                        stream.stands = true;
                    }
                }
                Event::Ended { stream: id, .. } => {
                    let known = self.streams.get(&id.place()).is_some_and(|stream| stream.id == id);
                    if known && let Some(stream) = self.streams.remove(&id.place()) {
                        return Some(Came::Ended(id, !stream.stands));
                    }
                }
                Event::Doorbell => {}
            }
        }
    }

    /// Cuts whole messages off what a connection brought (RFC 3261 §18.3: Content-Length says where each ends).
    fn cut(&mut self, id: SocketId) {
        let Some(stream) = self.streams.get_mut(&id.place()) else { return };
        loop {
            let blank = stream.bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            stream.bytes.drain(..blank);
            let Some(head) = stream.bytes.windows(4).position(|four| four == b"\r\n\r\n") else { break };
            let start = String::from_utf8_lossy(&stream.bytes[..head + 4]);
            let length = heard::value(&start, "Content-Length").and_then(|value| value.parse::<usize>().ok());
            let whole = (head + 4).saturating_add(length.unwrap_or(0));
            if stream.bytes.len() < whole {
                break;
            }
            let bytes = stream.bytes.drain(..whole).collect();
            self.came.push_back(Came::Message { way: Way::Stream(id), from: stream.peer, text: text(bytes) });
        }
        if stream.bytes.len() > MESSAGE_BYTES_MAX {
            self.streams.remove(&id.place());
            self.ring.close(id);
            self.came.push_back(Came::Ended(id, false));
        }
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
