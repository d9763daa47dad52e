//! The connections of SIP peers between the ring and the shard: which socket is whose, and TLS where the listener speaks it.

use std::collections::HashMap;
use std::net::SocketAddr;

use shard::{Flow, Transport};
use units::Clock;
use uring::{Packet, SocketId};

use crate::listen::Listen;
use crate::pump::Pump;
use crate::sockets::{Role, SIGNAL_TRAFFIC};
use crate::tls::{self, Tls};

/// One connection.
struct Line {
    socket: SocketId,
    tls: Option<Box<Tls>>,
}

/// A shard's connections.
pub struct Streams {
    listens: Vec<Listen>,
    keys: tls::Keys,
    lines: HashMap<Flow, Line>,
    /// Bytes between TLS and the shard or the ring; kept for their memory.
    plain: Vec<u8>,
    sealed: Vec<u8>,
}

impl Streams {
    /// None yet.
    pub fn new(listens: Vec<Listen>, keys: tls::Keys) -> Streams {
        Streams { listens, keys, lines: HashMap::new(), plain: Vec::new(), sealed: Vec::new() }
    }

    /// Connections from now on use these keys; those that stand go on with theirs.
    pub fn renew(&mut self, keys: tls::Keys) {
        self.keys = keys;
    }
}

impl Pump {
    /// Somebody connected.
    pub fn accepted(&mut self, clock: Clock, listener: SocketId, socket: SocketId, from: SocketAddr) {
        let Role::Tcp(listener) = self.sockets.role(listener) else { return self.ring.close(socket) };
        let keys = self.streams.keys.of(listener);
        let secure = self.streams.listens[usize::from(listener)].transport == Transport::Tls;
        let tls = keys.and_then(tls::Pair::accept).map(Box::new);
        if secure && tls.is_none() {
            return self.ring.close(socket);
        }
        let Some(flow) = self.shard.on_accepted(clock, listener, from) else { return self.ring.close(socket) };
        self.sockets.note(socket, Role::Stream(flow));
        self.streams.lines.insert(flow, Line { socket, tls });
    }

    /// A connection that the shard ordered; false if that cannot be.
    pub fn connect(&mut self, flow: Flow, listener: u8, to: SocketAddr, name: &str) -> bool {
        let Some(listen) = self.streams.listens.get(usize::from(listener)) else { return false };
        let from = Some(listen.bind.ip()).filter(|ip| !ip.is_unspecified());
        let tls = match listen.transport {
            Transport::Tls => match self.streams.keys.of(listener).and_then(|pair| pair.connect(to.ip(), name)) {
                Some(tls) => Some(Box::new(tls)),
                None => return false,
            },
            Transport::Tcp => None,
            Transport::Udp => return false,
        };
        match self.ring.connect(from, to, SIGNAL_TRAFFIC) {
            Ok(socket) => {
                self.sockets.note(socket, Role::Stream(flow));
                self.streams.lines.insert(flow, Line { socket, tls });
                true
            }
            Err(error) => {
                tracing::debug!(%to, %error, "cannot connect");
                false
            }
        }
    }

    /// A connection that we ordered stands; with TLS the handshake begins.
    pub fn connected(&mut self, clock: Clock, socket: SocketId) {
        let Role::Stream(flow) = self.sockets.role(socket) else { return };
        match self.streams.lines.get(&flow).map(|line| line.tls.is_some()) {
            Some(true) => self.flush_tls(clock, flow),
            Some(false) => self.shard.on_connected(clock, flow, &mut self.out),
            None => {}
        }
    }

    /// A piece of a connection's bytes came.
    pub fn hear_stream(&mut self, clock: Clock, packet: Packet) {
        let Role::Stream(flow) = self.sockets.role(packet.socket) else { return self.ring.release(packet) };
        let line = self.streams.lines.get_mut(&flow);
        match line.map(|line| line.tls.as_mut()) {
            Some(None) => self.shard.on_stream(clock, flow, self.ring.bytes(&packet), &mut self.out),
            Some(Some(tls)) => {
                let mut plain = std::mem::take(&mut self.streams.plain);
                plain.clear();
                let heard = tls.hear(self.ring.bytes(&packet), &mut plain);
                self.heard_tls(clock, flow, heard, &plain);
                self.streams.plain = plain;
            }
            None => {}
        }
        self.ring.release(packet);
    }

    fn heard_tls(&mut self, clock: Clock, flow: Flow, heard: tls::Heard, plain: &[u8]) {
        self.flush_tls(clock, flow);
        if heard.stands && self.streams.lines.contains_key(&flow) {
            self.shard.on_connected(clock, flow, &mut self.out);
        }
        if !plain.is_empty() {
            self.shard.on_stream(clock, flow, plain, &mut self.out);
        }
        if let Some(why) = heard.ended {
            tracing::debug!(flow = flow.0, why, "a TLS connection ended");
            self.lose(clock, flow);
        }
    }

    /// Hands what TLS has to say to the ring.
    fn flush_tls(&mut self, clock: Clock, flow: Flow) {
        let Some(Line { socket, tls: Some(tls) }) = self.streams.lines.get_mut(&flow) else { return };
        self.streams.sealed.clear();
        tls.take(&mut self.streams.sealed);
        let socket = *socket;
        if !self.streams.sealed.is_empty() && !self.ring.send_stream(socket, &self.streams.sealed) {
            self.lose(clock, flow);
        }
    }

    /// Sends over a connection; false if it is gone or its peer does not read.
    pub fn send_stream(&mut self, flow: Flow, bytes: std::ops::Range<usize>) -> bool {
        let bytes = &self.out.bytes[bytes];
        match self.streams.lines.get_mut(&flow) {
            Some(Line { socket, tls: None }) => self.ring.send_stream(*socket, bytes),
            Some(Line { socket, tls: Some(tls) }) => {
                self.streams.sealed.clear();
                tls.say(bytes);
                tls.take(&mut self.streams.sealed);
                self.ring.send_stream(*socket, &self.streams.sealed)
            }
            None => true,
        }
    }

    /// The network ended a connection.
    pub fn stream_ended(&mut self, clock: Clock, socket: SocketId, errno: i32) {
        let Role::Stream(flow) = self.sockets.role(socket) else { return };
        if self.streams.lines.remove(&flow).is_some() {
            tracing::debug!(flow = flow.0, errno, "a connection ended");
            self.shard.on_stream_ended(clock, flow, &mut self.out);
        }
    }

    /// A connection is of no use any more; the shard is told.
    pub fn lose(&mut self, clock: Clock, flow: Flow) {
        self.close_stream(flow);
        self.shard.on_stream_ended(clock, flow, &mut self.out);
    }

    /// Closes a connection once everything is sent.
    pub fn close_stream(&mut self, flow: Flow) {
        let Some(Line { socket, tls }) = self.streams.lines.remove(&flow) else { return };
        if let Some(mut tls) = tls {
            self.streams.sealed.clear();
            tls.part(&mut self.streams.sealed);
            if !self.streams.sealed.is_empty() {
                self.ring.send_stream(socket, &self.streams.sealed);
            }
        }
        self.ring.finish(socket);
    }
}
