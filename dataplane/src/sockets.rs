//! One shard's sockets: one for each listener, one for each media port that a call has, and the connections of SIP peers.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, ensure};
use shard::{Flow, Transport};
use uring::socket::{Options, UdpSocket};
use uring::{Class, Listener, Ring, SocketId};

use crate::ceiling::ALARM_PERCENT;
use crate::listen::{LISTENERS_MAX, Listen};
use crate::settings::PortRange;

/// RFC 4594: signalling CS5, telephony EF, each with its two ECN bits empty.
pub const SIGNAL_TRAFFIC: u8 = 40 << 2;
/// See [`SIGNAL_TRAFFIC`].
pub const MEDIA_TRAFFIC: u8 = 46 << 2;
/// What a socket for signalling wants.
pub const SIGNAL: Options =
    Options { shared: true, receive_bytes: 4 << 20, send_bytes: 4 << 20, traffic_class: SIGNAL_TRAFFIC };
const MEDIA: Options =
    Options { shared: false, receive_bytes: 128 << 10, send_bytes: 128 << 10, traffic_class: MEDIA_TRAFFIC };
/// How often another port is tried where any will do.
const TRIES: usize = 64;

/// Makes sure that nobody else has the listeners' addresses, and finds a port where none is named: the same for all without one. The
/// shards' own sockets share the addresses, which the kernel would let another program of this user do too; a socket that does not
/// share meets every other.
pub fn claim(listens: &[Listen]) -> anyhow::Result<Vec<Listen>> {
    ensure!((1..=LISTENERS_MAX).contains(&listens.len()), "between one and {LISTENERS_MAX} listeners");
    let mut outcome = claim_once(listens);
    // A port that is free for UDP may be taken for TCP.
    let any = listens.iter().any(|listen| listen.bind.port() == 0);
    for _ in 0..TRIES {
        if outcome.is_ok() || !any {
            break;
        }
        outcome = claim_once(listens);
    }
    outcome
}

fn claim_once(listens: &[Listen]) -> anyhow::Result<Vec<Listen>> {
    let (mut port, mut held) = (0, (Vec::new(), Vec::new()));
    let mut claimed = listens.to_vec();
    for listen in &mut claimed {
        let bind = SocketAddr::new(listen.bind.ip(), if listen.bind.port() == 0 { port } else { listen.bind.port() });
        let sentence = || format!("SIP over {:?} on {bind}", listen.transport);
        if listen.transport == Transport::Udp {
            let alone = UdpSocket::bind(bind, &Options { shared: false, ..SIGNAL }).with_context(sentence)?;
            listen.bind = alone.address();
            held.0.push(alone);
        } else {
            let alone = Listener::bind(bind, false, 0).with_context(sentence)?;
            listen.bind = alone.address();
            held.1.push(alone);
        }
        port = listen.bind.port();
    }
    Ok(claimed)
}

/// What a place in the ring's table is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The media port with this number.
    Media(u16),
    /// The UDP socket of this listener.
    Udp(u8),
    /// The TCP socket of this listener.
    Tcp(u8),
    /// This connection.
    Stream(Flow),
}

/// The sockets, found by port, by listener and by place in the ring.
pub struct Sockets {
    /// By listener.
    udp: Vec<Option<SocketId>>,
    media_v4: Option<IpAddr>,
    media_v6: Option<IpAddr>,
    ports: PortRange,
    by_port: Vec<Option<SocketId>>,
    roles: Vec<Role>,
    warned: bool,
    /// Media ports that are open, and how many there can be.
    open: u64,
    open_max: u64,
    /// Too many are open, and somebody was told.
    alarmed: bool,
}

impl Sockets {
    /// Opens the listeners' sockets. Each shard has its own on the same addresses.
    pub fn open(
        ring: &mut Ring,
        listens: &[Listen],
        media: [Option<IpAddr>; 2],
        ports: PortRange,
    ) -> anyhow::Result<Sockets> {
        let [media_v4, media_v6] = media;
        let mut sockets = Sockets {
            udp: Vec::new(),
            media_v4,
            media_v6,
            ports,
            by_port: vec![None; usize::from(ports.high) + 1 - usize::from(ports.low)],
            roles: Vec::new(),
            warned: false,
            open: 0,
            open_max: u64::from(ring.room()).min(u64::from(ports.high) + 1 - u64::from(ports.low)),
            alarmed: false,
        };
        for (place, listen) in listens.iter().enumerate() {
            sockets.listen(ring, place as u8, listen).with_context(|| format!("cannot open SIP on {}", listen.bind))?;
        }
        sockets.warned = false;
        Ok(sockets)
    }

    fn listen(&mut self, ring: &mut Ring, place: u8, listen: &Listen) -> anyhow::Result<()> {
        if listen.transport == Transport::Udp {
            let socket = UdpSocket::bind(listen.bind, &SIGNAL)?;
            let id = ring.add(&socket, Class::Signal)?;
            self.check(&socket, &SIGNAL, "net.core.rmem_max and net.core.wmem_max limit the SIP sockets' buffers");
            self.udp.push(Some(id));
            self.note(id, Role::Udp(place));
        } else {
            let id = ring.add_listener(&Listener::bind(listen.bind, true, SIGNAL_TRAFFIC)?)?;
            self.udp.push(None);
            self.note(id, Role::Tcp(place));
        }
        Ok(())
    }

    /// Opens a media port; false if that failed.
    pub fn open_port(&mut self, ring: &mut Ring, port: u16, ipv6: bool) -> bool {
        let media = if ipv6 { self.media_v6 } else { self.media_v4 };
        let (Some(index), Some(media)) = (self.index(port), media) else { return false };
        let address = SocketAddr::new(media, port);
        let opened = UdpSocket::bind(address, &MEDIA).and_then(|socket| {
            let id = ring.add(&socket, Class::Media)?;
            Ok((socket, id))
        });
        match opened {
            Ok((socket, id)) => {
                self.check(&socket, &MEDIA, "net.core.rmem_max and net.core.wmem_max limit the media sockets' buffers");
                self.by_port[index] = Some(id);
                self.note(id, Role::Media(port));
                self.open += 1;
                self.alarm();
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
            self.open -= 1;
            self.alarm();
        }
    }

    /// Tells the operator once that media ports run out, and again after it was better.
    fn alarm(&mut self) {
        let (open, open_max) = (self.open, self.open_max);
        let percent = open * 100 / open_max.max(1);
        if percent >= ALARM_PERCENT && !self.alarmed {
            tracing::warn!(open, open_max, "media ports or descriptors run out: {ALARM_PERCENT} % are in use");
        }
        self.alarmed = percent >= ALARM_PERCENT || (self.alarmed && percent + 10 > ALARM_PERCENT);
    }

    /// Remembers what a socket is to us.
    pub fn note(&mut self, socket: SocketId, role: Role) {
        let place = socket.place();
        // The filler is never looked up: a place is noted before anything comes from it.
        self.roles.resize(self.roles.len().max(place + 1), Role::Media(0));
        self.roles[place] = role;
    }

    /// What a socket is to us.
    pub fn role(&self, socket: SocketId) -> Role {
        self.roles.get(socket.place()).copied().unwrap_or(Role::Media(0))
    }

    /// The socket of a media port.
    pub fn socket(&self, port: u16) -> Option<SocketId> {
        self.by_port[self.index(port)?]
    }

    /// The UDP socket of a listener.
    pub fn udp(&self, listener: u8) -> Option<SocketId> {
        self.udp.get(usize::from(listener)).copied().flatten()
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
