//! Our relay over sockets and io_uring, as the data plane runs it, without calls.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use media::{Relay, Verdict};
use uring::socket::{Options, UdpSocket};
use uring::{Class, Doorbell, Event, Ring, Settings, SocketId};

use crate::{Progress, Turn};

const OPTIONS: Options = Options { shared: false, receive_bytes: 4 << 20, send_bytes: 4 << 20, traffic_class: 0 };
/// Below the range from which the kernel gives ports to others.
const PORT_LOW: u16 = 12_000;

struct Uring {
    ring: Ring,
    relay: Relay,
    socket_of: Vec<Option<SocketId>>,
    port_of: Vec<u16>,
    started: Instant,
}

/// A relay on `ports` RTP ports of an address; what comes to one leaves from its pair for the peer.
pub fn relay(own: IpAddr, peer: SocketAddr, ports: u16) -> (Vec<SocketAddr>, Box<dyn Turn>) {
    let doorbell = Doorbell::new().expect("an event descriptor");
    let mut ring = Ring::new(&Settings::fitting(), doorbell).expect("an io_uring");
    let mut relay = Relay::new(PORT_LOW, PORT_LOW + 2 * ports - 1, 1);
    let (mut addresses, mut socket_of, mut port_of) = (Vec::new(), vec![None; 2 * usize::from(ports)], Vec::new());
    for _ in 0..ports / 2 {
        let legs = [(); 2].map(|()| relay.open(units::Instant::default()).expect("a free pair"));
        relay.join(legs[0].id, legs[1].id);
        for leg in legs {
            relay.expect(leg.id, peer, peer);
            let address = SocketAddr::new(own, leg.rtp_port);
            let socket = UdpSocket::bind(address, &OPTIONS).expect("a media port");
            let id = ring.add(&socket, Class::Media).expect("a place in the ring");
            socket_of[usize::from(leg.rtp_port - PORT_LOW)] = Some(id);
            port_of.resize(port_of.len().max(id.place() + 1), 0);
            port_of[id.place()] = leg.rtp_port;
            addresses.push(address);
        }
    }
    (addresses, Box::new(Uring { ring, relay, socket_of, port_of, started: Instant::now() }))
}

impl Turn for Uring {
    fn turn(&mut self, progress: &Progress) {
        self.ring.wait(Duration::from_millis(100)).expect("the ring waits");
        let now = units::Instant::from_micros(self.started.elapsed().as_micros() as u64);
        let mut relayed = 0;
        while let Some(event) = self.ring.event() {
            let Event::Datagram(packet) = event else { continue };
            let port = self.port_of[packet.socket.place()];
            let Verdict::Forward { port, to } = self.relay.on_packet(now, port, packet.from, self.ring.bytes(&packet))
            else {
                self.ring.release(packet);
                continue;
            };
            let socket = self.socket_of[usize::from(port - PORT_LOW)].expect("joined ports are open");
            self.ring.forward(packet, socket, to);
            relayed += 1;
        }
        progress.relayed.fetch_add(relayed, Ordering::Relaxed);
    }
}
