//! The ring's connections: what each has left to send, and which orders of it are with the kernel.

use std::net::SocketAddr;

use crate::address::Raw;

/// Bytes that may wait in one connection behind those on their way; more are refused: the peer reads too slowly.
pub const QUEUE_BYTES_MAX: usize = 256 << 10;
/// A connection's send memory above this is given back once it is empty.
const KEPT_BYTES: usize = 16 << 10;

/// Orders with the kernel, as bits of [`Stream::under_way`].
pub(crate) const RECEIVING: u8 = 1;
pub(crate) const SENDING: u8 = 2;
pub(crate) const CONNECTING: u8 = 4;

/// One connection. It lives in a box, and while `under_way` names an order, what that order points to is left alone: the address while
/// connecting, `sending` while sending.
pub(crate) struct Stream {
    pub(crate) peer: SocketAddr,
    pub(crate) to: Raw,
    pub(crate) under_way: u8,
    /// Closes once everything is sent.
    pub(crate) finishing: bool,
    sending: Vec<u8>,
    sent: usize,
    queue: Vec<u8>,
}

impl Stream {
    pub(crate) fn new(peer: SocketAddr) -> Stream {
        let to = Raw::new(peer);
        Stream { peer, to, under_way: 0, finishing: false, sending: Vec::new(), sent: 0, queue: Vec::new() }
    }

    /// Takes bytes to send; false if too many wait already.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> bool {
        if self.finishing || self.queue.len() + bytes.len() > QUEUE_BYTES_MAX {
            return false;
        }
        self.queue.extend_from_slice(bytes);
        true
    }

    /// What is to be ordered next, if nothing is under way and anything is left.
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        if self.under_way & (SENDING | CONNECTING) != 0 {
            return None;
        }
        if self.sent == self.sending.len() {
            self.sent = 0;
            self.sending.clear();
            if self.sending.capacity() > KEPT_BYTES {
                self.sending = Vec::new();
            }
            std::mem::swap(&mut self.sending, &mut self.queue);
        }
        (self.sent < self.sending.len()).then(|| &self.sending[self.sent..])
    }

    /// The kernel took so many of the ordered bytes.
    pub(crate) fn sent(&mut self, count: usize) {
        self.sent += count;
        assert!(self.sent <= self.sending.len(), "the kernel sends no more than it was given");
    }

    /// Nothing waits and nothing is on its way.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.sent == self.sending.len()
    }
}

/// All connections, by place in the ring's table of sockets.
pub(crate) struct Table {
    places: Box<[Option<Box<Stream>>]>,
}

impl Table {
    pub(crate) fn new(count: u32) -> Table {
        Table { places: (0..count).map(|_| None).collect() }
    }

    pub(crate) fn put(&mut self, slot: u32, stream: Stream) {
        self.places[slot as usize] = Some(Box::new(stream));
    }

    pub(crate) fn get(&mut self, slot: u32) -> Option<&mut Stream> {
        self.places[slot as usize].as_deref_mut()
    }

    /// Frees a connection's memory; only with nothing under way.
    pub(crate) fn remove(&mut self, slot: u32) {
        let stream = self.places[slot as usize].take();
        assert!(stream.is_none_or(|stream| stream.under_way == 0), "the kernel still has orders for this connection");
    }
}
