//! Tells a collector of Homer's kind what calls say, by HEP3 over UDP; what cannot be sent is lost and counted.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context;
use tape::hep::{self, Kind, Packet};
use tape::{Note, Over, What};

use super::Figures;

/// The way to the collector.
pub struct Collector {
    socket: UdpSocket,
    agent: u32,
    packet: Vec<u8>,
    figures: Arc<Figures>,
}

impl Collector {
    /// A way to this address; `agent` is our number there.
    pub fn new(to: SocketAddr, agent: u32, figures: Arc<Figures>) -> anyhow::Result<Collector> {
        let any = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let opened = UdpSocket::bind(SocketAddr::new(any, 0)).and_then(|socket| {
            socket.connect(to)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        let socket = opened.with_context(|| format!("cannot reach the collector {to}"))?;
        Ok(Collector { socket, agent, packet: Vec::new(), figures })
    }

    /// Tells it; `own` is our address of what the note carries.
    pub fn on_note(&mut self, note: &Note, own: SocketAddr, carried: &[u8]) {
        let kind = match note.what {
            What::Sip => Kind::Sip,
            What::Media => Kind::Rtcp,
            What::Report => Kind::Quality,
            What::Voice | What::End => return,
        };
        let (from, to) = if note.inbound { (note.peer, own) } else { (own, note.peer) };
        let (stream, correlation) = (note.over != Over::Udp, note.call.to_string());
        let (at, agent, payload) = (note.at, self.agent, carried);
        self.packet.clear();
        let packet = Packet { kind, from, to, stream, at, agent, correlation: &correlation, payload };
        hep::encode(&packet, &mut self.packet);
        // Refused, or no room: nobody waits for a collector.
        let counter = match self.socket.send(&self.packet) {
            Ok(_) => &self.figures.collected,
            Err(_) => &self.figures.collected_lost,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
