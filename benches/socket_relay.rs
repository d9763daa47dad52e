//! Our relay over sockets and io_uring, as the data plane runs it, without calls.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fastpath::Steer;
use media::{Relay, Verdict};
use uring::socket::{Options, UdpSocket};
use uring::{Class, Doorbell, Event, Outlet, RawSocket, Ring, Settings, SocketId};

use crate::{Progress, Turn};

const OPTIONS: Options = Options { shared: false, receive_bytes: 4 << 20, send_bytes: 4 << 20, traffic_class: 0 };
/// As the data plane has it: many ports wait in one buffer.
const STEERED: Options = Options { receive_bytes: 16 << 20, ..OPTIONS };
/// Below the range from which the kernel gives ports to others.
const PORT_LOW: u16 = 12_000;

/// How ports are heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sockets {
    /// Each by a socket of its own.
    PerPort,
    /// The same, connected to the peer: a stranger is not even seen.
    Connected,
    /// The same as the first, with the ports for RTCP.
    Pairs,
    /// All by one that datagrams are steered to, and left by a raw one.
    Steered,
    /// The same, where nobody asks the kernel when a packet came.
    Unstamped,
}

struct Uring {
    ring: Ring,
    relay: Relay,
    /// By port, where each has its own.
    socket_of: Vec<Option<SocketId>>,
    port_of: Vec<u16>,
    /// The raw socket, and what steers; as long as this lives.
    raw: Option<(Outlet, Steer)>,
    started: Instant,
}

/// A relay on `ports` RTP ports of an address; what comes to one leaves from its pair for the peer.
pub fn relay(own: IpAddr, peer: SocketAddr, ports: u16, sockets: Sockets) -> (Vec<SocketAddr>, Box<dyn Turn>) {
    let doorbell = Doorbell::new().expect("an event descriptor");
    let ring = Ring::new(&Settings::fitting(), doorbell).expect("an io_uring");
    let stamps = sockets != Sockets::Unstamped;
    let ring = if stamps { ring.with_arrivals() } else { ring };
    let relay = Relay::new(PORT_LOW, PORT_LOW + 2 * ports - 1, 1);
    let (socket_of, started) = (vec![None; 2 * usize::from(ports)], Instant::now());
    let mut uring = Uring { ring, relay, socket_of, port_of: Vec::new(), raw: None, started };
    let mut addresses = Vec::new();
    for _ in 0..ports / 2 {
        let legs = [(); 2].map(|()| uring.relay.open(units::Instant::default()).expect("a free pair"));
        uring.relay.join(legs[0].id, legs[1].id);
        for leg in legs {
            uring.relay.expect(leg.id, peer, peer);
            addresses.push(SocketAddr::new(own, leg.rtp_port));
        }
    }
    match sockets {
        Sockets::Steered | Sockets::Unstamped => uring.steer(own, &addresses, stamps),
        Sockets::PerPort => uring.open(&addresses, None),
        Sockets::Pairs => {
            let pair = |rtp: &SocketAddr| [*rtp, SocketAddr::new(rtp.ip(), rtp.port() + 1)];
            uring.open(&addresses.iter().flat_map(pair).collect::<Vec<_>>(), None);
        }
        Sockets::Connected => uring.open(&addresses, Some(peer)),
    }
    (addresses, Box::new(uring))
}

impl Uring {
    fn open(&mut self, addresses: &[SocketAddr], peer: Option<SocketAddr>) {
        for address in addresses {
            let socket = UdpSocket::bind(*address, &OPTIONS).expect("a media port");
            socket.stamp().expect("the kernel stamps");
            if let Some(peer) = peer {
                let twin = socket.as_fd().try_clone_to_owned().expect("a descriptor");
                std::net::UdpSocket::from(twin).connect(peer).expect("a socket can be connected");
            }
            let id = self.ring.add(&socket, Class::Media).expect("a place in the ring");
            self.socket_of[usize::from(address.port() - PORT_LOW)] = Some(id);
            self.port_of.resize(self.port_of.len().max(id.place() + 1), 0);
            self.port_of[id.place()] = address.port();
        }
    }

    fn steer(&mut self, own: IpAddr, addresses: &[SocketAddr], stamps: bool) {
        let steer = Steer::load([Some(own), None]).expect("the kernel takes the program");
        let mut steering = steer.steering(0).expect("its tables");
        let socket = UdpSocket::steered(own, &STEERED).expect("a socket");
        if stamps {
            socket.stamp().expect("the kernel stamps");
        }
        steering.take(&socket, false).expect("the table takes a socket");
        self.ring.add(&socket, Class::Steered).expect("a place in the ring");
        for address in addresses {
            steering.open(address.port(), false).expect("the table takes a port");
        }
        let raw = RawSocket::open(false, STEERED.send_bytes).expect("a raw socket");
        let socket = self.ring.add_raw(&raw).expect("a place in the ring");
        self.raw = Some((Outlet { socket, from: SocketAddr::new(own, 0), traffic_class: 0 }, steer));
    }
}

impl Turn for Uring {
    fn turn(&mut self, progress: &Progress) {
        self.ring.wait(Duration::from_millis(100)).expect("the ring waits");
        let now = self.started.elapsed().as_micros() as u64;
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that was set");
        let mut relayed = 0;
        while let Some(event) = self.ring.event() {
            let Event::Datagram(packet) = event else { continue };
            let port = if self.raw.is_some() { packet.port } else { self.port_of[packet.socket.place()] };
            let waited = self.ring.arrival(&packet).and_then(|stamp| wall.checked_sub(stamp)).unwrap_or_default();
            let came = units::Instant::from_micros(now.saturating_sub(waited.as_micros() as u64));
            let Verdict::Forward { port, to } = self.relay.on_packet(came, port, packet.from, self.ring.bytes(&packet))
            else {
                self.ring.release(packet);
                continue;
            };
            if let Some((outlet, _)) = &self.raw {
                let outlet = Outlet { from: SocketAddr::new(outlet.from.ip(), port), ..*outlet };
                self.ring.forward_by(packet, &outlet, to);
            } else {
                let socket = self.socket_of[usize::from(port - PORT_LOW)].expect("joined ports are open");
                self.ring.forward(packet, socket, to);
            }
            relayed += 1;
        }
        progress.relayed.fetch_add(relayed, Ordering::Relaxed);
    }
}
