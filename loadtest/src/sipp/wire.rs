//! Sockets and connections of a run, and messages cut out of what they bring.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use uring::socket::{Listener, Options};
use uring::{Class, Doorbell, Event, Packet, Ring, Settings, SocketId, UdpSocket};

use super::heard;
use super::seal::{Keys, Seal};

/// Bytes of one message on a connection at most; a peer that sends more without an end is cut off.
const MESSAGE_BYTES_MAX: usize = 256 << 10;

/// What ends a command on its connection, as SIPp has it.
pub const COMMAND_END: char = '\u{1b}';
/// How long a program that plays the same calls may take to be reached.
const COMMANDS_WAIT: Duration = Duration::from_secs(10);

/// Which way messages of a call go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From this UDP socket.
    Datagrams(SocketId),
    /// On this connection.
    Stream(SocketId),
    /// None: its own was closed, or it has nobody to speak to.
    None,
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
    /// A command of another program that plays the same calls.
    Command(String),
    /// Such a program connected.
    Joined(SocketId),
    /// Or is gone.
    Parted,
    /// A connection ended.
    Ended {
        /// Which.
        stream: SocketId,
        /// It was never made.
        never_stood: bool,
        /// What TLS has against it.
        why: Option<String>,
    },
}

struct Stream {
    id: SocketId,
    peer: SocketAddr,
    stands: bool,
    seal: Option<Seal>,
    /// It carries commands, not messages.
    commands: bool,
    /// What came and is no whole message yet, plain.
    bytes: Vec<u8>,
}

impl Stream {
    /// It is over.
    fn ended(&self) -> Came {
        match self.commands {
            true => Came::Parted,
            false => Came::Ended { stream: self.id, never_stood: !self.stands, why: None },
        }
    }
}

/// Sockets and connections.
pub struct Wire {
    ring: Ring,
    main: Option<(SocketId, SocketAddr)>,
    listener: Option<SocketAddr>,
    /// Where other programs connect that play the same calls.
    commanded: Option<SocketId>,
    /// By place.
    media: HashMap<usize, SocketId>,
    streams: HashMap<usize, Stream>,
    came: VecDeque<Came>,
    /// Connections are sealed with these.
    keys: Option<Keys>,
    sealed: Vec<u8>,
}

fn bound(at: SocketAddr, bytes: usize) -> io::Result<UdpSocket> {
    UdpSocket::bind(at, &Options { shared: false, receive_bytes: bytes, send_bytes: bytes, traffic_class: 0 })
}

impl Wire {
    /// Without sockets. With keys, connections speak TLS.
    pub fn new(keys: Option<Keys>) -> io::Result<Wire> {
        let ring = Ring::new(&Settings::fitting(), Doorbell::new()?)?;
        Ok(Wire {
            ring,
            main: None,
            listener: None,
            commanded: None,
            media: HashMap::new(),
            streams: HashMap::new(),
            came: VecDeque::new(),
            keys,
            sealed: Vec::new(),
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

    /// Opens a UDP socket beside the one that all calls share, and says its port.
    pub fn open_one(&mut self, at: SocketAddr) -> io::Result<(Way, u16)> {
        let socket = bound(at, 256 << 10)?;
        let id = self.ring.add(&socket, Class::Signal)?;
        Ok((Way::Datagrams(id), socket.address().port()))
    }

    /// Orders a connection.
    pub fn connect(&mut self, from: IpAddr, to: SocketAddr) -> io::Result<Way> {
        let from = Some(from).filter(|ip| !ip.is_unspecified());
        let id = self.ring.connect(from, to, 0)?;
        let seal = self.keys.as_ref().and_then(|keys| keys.connect(to.ip()));
        let stream = Stream { id, peer: to, stands: false, seal, commands: false, bytes: Vec::new() };
        self.streams.insert(id.place(), stream);
        // A greeting waits for the connection.
        self.send_stream(id, b"");
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
            Way::None => {}
            Way::Datagrams(id) => self.ring.close(id),
            Way::Stream(id) => {
                if let Some(seal) = self.seal(id) {
                    seal.part();
                    self.send_stream(id, b"");
                }
                self.streams.remove(&id.place());
                self.ring.finish(id);
            }
        }
    }

    /// Sends a message; false if it did not leave.
    pub fn send(&mut self, way: Way, to: SocketAddr, text: &str) -> bool {
        match way {
            Way::None => false,
            Way::Datagrams(id) => self.ring.send(id, to, text.as_bytes()),
            Way::Stream(id) => self.send_stream(id, text.as_bytes()),
        }
    }

    fn seal(&mut self, id: SocketId) -> Option<&mut Seal> {
        self.streams.get_mut(&id.place())?.seal.as_mut()
    }

    /// Sends on a connection, and what its seal has to say besides.
    fn send_stream(&mut self, id: SocketId, plain: &[u8]) -> bool {
        let mut sealed = std::mem::take(&mut self.sealed);
        let bytes = match self.seal(id) {
            None => plain,
            Some(seal) => {
                seal.say(plain);
                sealed.clear();
                seal.take(&mut sealed);
                &sealed
            }
        };
        let sent = bytes.is_empty() || self.ring.send_stream(id, bytes);
        self.sealed = sealed;
        sent
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
            let event = self.ring.event()?;
            self.happened(event);
        }
    }

    /// What an event brings goes behind what came before.
    fn happened(&mut self, event: Event) {
        match event {
            Event::Datagram(packet) => {
                let (socket, from) = (packet.socket, packet.from);
                let bytes = self.ring.bytes(&packet).to_vec();
                self.ring.release(packet);
                if self.media.contains_key(&socket.place()) {
                    self.came.push_back(Came::Media { socket, from, bytes });
                } else if bytes.len() > 4 {
                    // Four bytes of nothing keep a way through a firewall open (RFC 5626 §3.5.1).
                    self.came.push_back(Came::Message { way: Way::Datagrams(socket), from, text: text(bytes) });
                }
            }
            Event::Bytes(packet) => self.hear(packet),
            Event::Accepted { listener, stream: id, from } => {
                let commands = self.commanded == Some(listener);
                let seal = self.keys.as_ref().filter(|_| !commands).and_then(Keys::accept);
                if seal.is_none() && self.keys.is_some() && !commands {
                    // Without a certificate we call, and take no calls.
                    return self.ring.close(id);
                }
                let stream = Stream { id, peer: from, stands: true, seal, commands, bytes: Vec::new() };
                self.streams.insert(id.place(), stream);
                self.came.extend(commands.then_some(Came::Joined(id)));
            }
            Event::Connected(id) => {
                if let Some(stream) = self.streams.get_mut(&id.place()) {
                    stream.stands = stream.seal.is_none();
                }
            }
            Event::Ended { stream: id, .. } => {
                let known = self.streams.get(&id.place()).is_some_and(|stream| stream.id == id);
                if known && let Some(stream) = self.streams.remove(&id.place()) {
                    self.came.push_back(stream.ended());
                }
            }
            Event::Doorbell => {}
        }
    }

    /// Takes connections of other programs that play the same calls.
    pub fn listen_for_commands(&mut self, at: SocketAddr) -> io::Result<()> {
        self.commanded = Some(self.ring.add_listener(&Listener::bind(at, false, 0)?)?);
        Ok(())
    }

    /// Connects to such a program, and waits until it is heard of.
    pub fn connect_for_commands(&mut self, to: SocketAddr) -> io::Result<SocketId> {
        let id = self.ring.connect(None, to, 0)?;
        let stream = Stream { id, peer: to, stands: false, seal: None, commands: true, bytes: Vec::new() };
        self.streams.insert(id.place(), stream);
        let until = Instant::now() + COMMANDS_WAIT;
        loop {
            match self.streams.get(&id.place()) {
                Some(stream) if stream.stands => return Ok(id),
                Some(_) if Instant::now() < until => {}
                Some(_) | None => return Err(io::ErrorKind::ConnectionRefused.into()),
            }
            self.ring.wait(Duration::from_millis(20))?;
            while let Some(event) = self.ring.event() {
                self.happened(event);
            }
        }
    }

    /// Bytes came on a connection.
    fn hear(&mut self, packet: Packet) {
        let id = packet.socket;
        let mut wrong = None;
        if let Some(stream) = self.streams.get_mut(&id.place()) {
            let bytes = self.ring.bytes(&packet);
            match &mut stream.seal {
                None => stream.bytes.extend_from_slice(bytes),
                Some(seal) => {
                    wrong = seal.hear(bytes, &mut stream.bytes).err();
                    stream.stands |= seal.stands();
                }
            }
        }
        self.ring.release(packet);
        self.send_stream(id, b"");
        self.cut(id);
        if wrong.is_some()
            && let Some(stream) = self.streams.remove(&id.place())
        {
            self.ring.finish(id);
            self.came.push_back(Came::Ended { stream: id, never_stood: !stream.stands, why: wrong });
        }
    }

    /// Cuts whole messages off what a connection brought (RFC 3261 §18.3: Content-Length says where each ends).
    fn cut(&mut self, id: SocketId) {
        let Some(stream) = self.streams.get_mut(&id.place()) else { return };
        while stream.commands {
            let Some(end) = stream.bytes.iter().position(|byte| *byte == COMMAND_END as u8) else { break };
            let rest = stream.bytes.split_off(end + 1);
            let mut bytes = std::mem::replace(&mut stream.bytes, rest);
            bytes.truncate(end);
            self.came.push_back(Came::Command(text(bytes)));
        }
        while !stream.commands {
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
            let ended = stream.ended();
            self.streams.remove(&id.place());
            self.ring.close(id);
            self.came.push_back(ended);
        }
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
