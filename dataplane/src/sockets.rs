//! One shard's sockets: one for each listener, one for each media port that a call has, and the connections of SIP peers.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, ensure};
use fastpath::Steering;
use panel::wire::MEDIA_ALARM_PERCENT;
use shard::{Flow, Transport};
use uring::socket::{Options, UdpSocket};
use uring::{Class, Listener, Outlet, Packet, RawSocket, Ring, SocketId, Stamping};

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
/// What only asks whether a port is free.
const CLAIM: Options = Options { shared: false, receive_bytes: 0, send_bytes: 0, traffic_class: 0 };
/// For all ports of a shard: what comes while the shard is away for a moment waits here.
const STEERED: Options = Options { receive_bytes: 16 << 20, send_bytes: 4 << 20, ..MEDIA };
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
            let alone = bind_udp(bind, listen.shared, &Options { shared: false, ..SIGNAL }).with_context(sentence)?;
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

/// An address that is shared may come later.
fn bind_udp(bind: SocketAddr, shared: bool, options: &Options) -> std::io::Result<UdpSocket> {
    if shared { UdpSocket::bind_early(bind, options) } else { UdpSocket::bind(bind, options) }
}

/// What a place in the ring's table is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The media port with this number.
    Media(u16),
    /// Media ports that share a socket; each datagram names its port.
    Steered,
    /// The UDP socket of this listener.
    Udp(u8),
    /// The TCP socket of this listener.
    Tcp(u8),
    /// This connection.
    Stream(Flow),
}

/// How a media port hears and speaks.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// By a socket of its own.
    Own(SocketId),
    /// By those that the ports of its family share.
    Steered { ipv6: bool },
}

/// What the ports of a shard share.
struct Shared {
    steering: Steering,
    /// The raw sockets, of IPv4 and of IPv6.
    outlets: [Option<Outlet>; 2],
}

/// The sockets, found by port, by listener and by place in the ring.
pub struct Sockets {
    /// By listener.
    udp: Vec<Option<SocketId>>,
    media: [Option<IpAddr>; 2],
    ports: PortRange,
    by_port: Vec<Option<Way>>,
    shared: Option<Shared>,
    /// Media is stamped by the kernel when it comes; where that cannot be, it comes when it is read.
    _stamping: Option<Stamping>,
    roles: Vec<Role>,
    warned: bool,
    /// Media ports that are open, and how many there can be.
    open: u64,
    open_max: u64,
    /// Too many are open, and somebody was told.
    alarmed: bool,
}

impl Sockets {
    /// Opens the listeners' sockets, and those that media ports share if they do. Each shard has its own on the same addresses.
    pub fn open(
        ring: &mut Ring,
        listens: &[Listen],
        media: [Option<IpAddr>; 2],
        ports: PortRange,
        steering: Option<Steering>,
    ) -> anyhow::Result<Sockets> {
        let ports_max = u64::from(ports.high) + 1 - u64::from(ports.low);
        let open_max = if steering.is_some() { ports_max } else { ports_max.min(u64::from(ring.room())) };
        let mut sockets = Sockets {
            udp: Vec::new(),
            media,
            ports,
            shared: None,
            _stamping: Stamping::begin().ok(),
            by_port: vec![None; usize::from(ports.high) + 1 - usize::from(ports.low)],
            roles: Vec::new(),
            warned: false,
            open: 0,
            open_max,
            alarmed: false,
        };
        for (place, listen) in listens.iter().enumerate() {
            sockets.listen(ring, place as u8, listen).with_context(|| format!("cannot open SIP on {}", listen.bind))?;
        }
        if let Some(steering) = steering {
            sockets.share(ring, steering).context("cannot open the socket that media ports share")?;
        }
        sockets.warned = false;
        Ok(sockets)
    }

    fn share(&mut self, ring: &mut Ring, mut steering: Steering) -> anyhow::Result<()> {
        let mut outlets = [None; 2];
        for (address, outlet) in self.media.into_iter().zip(&mut outlets) {
            let Some(address) = address else { continue };
            let socket = UdpSocket::steered(address, &STEERED)?;
            let _ = socket.stamp();
            steering.take(&socket, address.is_ipv6())?;
            let id = ring.add(&socket, Class::Steered)?;
            self.note(id, Role::Steered);
            let raw = RawSocket::open(address.is_ipv6(), STEERED.send_bytes)?;
            let (socket, from) = (ring.add_raw(&raw)?, SocketAddr::new(address, 0));
            *outlet = Some(Outlet { socket, from, traffic_class: MEDIA_TRAFFIC });
        }
        self.shared = Some(Shared { steering, outlets });
        Ok(())
    }

    fn listen(&mut self, ring: &mut Ring, place: u8, listen: &Listen) -> anyhow::Result<()> {
        if listen.transport == Transport::Udp {
            let socket = bind_udp(listen.bind, listen.shared, &SIGNAL)?;
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
        let (Some(index), Some(media)) = (self.index(port), self.media[usize::from(ipv6)]) else { return false };
        let address = SocketAddr::new(media, port);
        match self.open_way(ring, address) {
            Ok(way) => {
                self.by_port[index] = Some(way);
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

    fn open_way(&mut self, ring: &mut Ring, address: SocketAddr) -> anyhow::Result<Way> {
        if let Some(shared) = &mut self.shared {
            // A port that another program has is not ours to take.
            UdpSocket::bind(address, &CLAIM)?;
            shared.steering.open(address.port(), address.is_ipv6())?;
            return Ok(Way::Steered { ipv6: address.is_ipv6() });
        }
        let socket = UdpSocket::bind(address, &MEDIA)?;
        let _ = socket.stamp();
        let id = ring.add(&socket, Class::Media)?;
        self.check(&socket, &MEDIA, "net.core.rmem_max and net.core.wmem_max limit the media sockets' buffers");
        self.note(id, Role::Media(address.port()));
        Ok(Way::Own(id))
    }

    /// Closes a media port.
    pub fn close_port(&mut self, ring: &mut Ring, port: u16) {
        let Some(way) = self.index(port).and_then(|index| self.by_port[index].take()) else { return };
        match (way, &mut self.shared) {
            (Way::Own(id), _) => ring.close(id),
            (Way::Steered { .. }, Some(shared)) => {
                if let Err(error) = shared.steering.close(port) {
                    tracing::error!(%error, port, "the kernel does not let go of a media port");
                }
            }
            (Way::Steered { .. }, None) => {}
        }
        self.open -= 1;
        self.alarm();
    }

    /// Sends a datagram on from a media port as it is; a port that is closed sends nothing.
    pub fn forward(&self, ring: &mut Ring, packet: Packet, port: u16, to: SocketAddr) {
        match self.way(port) {
            Some(Way::Own(socket)) => ring.forward(packet, socket, to),
            Some(Way::Steered { ipv6 }) => match self.outlet(port, ipv6) {
                Some(outlet) => ring.forward_by(packet, &outlet, to),
                None => ring.release(packet),
            },
            None => ring.release(packet),
        }
    }

    /// Sends bytes from a media port; a port that is closed sends nothing.
    pub fn say(&self, ring: &mut Ring, port: u16, to: SocketAddr, bytes: &[u8]) {
        match self.way(port) {
            Some(Way::Own(socket)) => {
                ring.send(socket, to, bytes);
            }
            Some(Way::Steered { ipv6 }) => {
                if let Some(outlet) = self.outlet(port, ipv6) {
                    ring.send_by(&outlet, to, bytes);
                }
            }
            None => {}
        }
    }

    fn outlet(&self, port: u16, ipv6: bool) -> Option<Outlet> {
        let outlet = self.shared.as_ref()?.outlets[usize::from(ipv6)]?;
        Some(Outlet { from: SocketAddr::new(outlet.from.ip(), port), ..outlet })
    }

    /// Tells the operator once that media ports run out, and again after it was better.
    fn alarm(&mut self) {
        let (open, open_max) = (self.open, self.open_max);
        let percent = open * 100 / open_max.max(1);
        if percent >= MEDIA_ALARM_PERCENT && !self.alarmed {
            tracing::warn!(open, open_max, "media ports or descriptors run out: {MEDIA_ALARM_PERCENT} % are in use");
        }
        self.alarmed = percent >= MEDIA_ALARM_PERCENT || (self.alarmed && percent + 10 > MEDIA_ALARM_PERCENT);
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

    fn way(&self, port: u16) -> Option<Way> {
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
