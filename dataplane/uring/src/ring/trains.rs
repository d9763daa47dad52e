//! Datagrams that leave together ([`Train`]): one that may be followed by another waits for what is sent next, at most until the turn ends.

use std::net::SocketAddr;

use io_uring::opcode;
use io_uring::types::Fixed;

use super::{Packet, Ring, SEND, copied};
use crate::sockets::SocketId;
use crate::train::{self, Train};

/// Trains whose memory is kept for others: as many as there may be orders in a turn.
const SPARE_MAX: usize = super::SUBMISSIONS as usize;

/// What waits for more, and whether anything does.
#[derive(Default)]
pub(super) struct Trains {
    on: bool,
    waiting: Option<Waiting>,
    #[expect(clippy::vec_box, reason = "the boxes go back into slots as they are")]
    spare: Vec<Box<Train>>,
}

/// A datagram in its slot, or a train that has begun.
#[derive(Clone, Copy)]
struct Waiting {
    socket: SocketId,
    to: SocketAddr,
    index: u32,
}

impl Packet {
    /// How long each datagram is that came as one ([`crate::UdpSocket::take_trains`]); the last may be shorter. The whole length of one that
    /// came alone.
    pub fn each(&self) -> usize {
        usize::from(if self.each == 0 { self.length } else { self.each })
    }

    /// How many datagrams it is.
    pub(super) fn count(&self) -> u64 {
        if self.each == 0 { 1 } else { u64::from(self.length.div_ceil(self.each)) }
    }
}

impl Ring {
    /// Sends datagrams of one length that follow each other from one socket to one address as a train, which costs the kernel much less, in the
    /// order in which they were sent; and leaves room in receive buffers for what divides those that come. Before the first socket is added.
    ///
    /// What waits leaves with the turn's other messages. A kernel or a path that refuses a train gets its datagrams one by one, and no other train.
    pub fn with_trains(mut self) -> Ring {
        self.trains.on = true;
        self.shape.msg_controllen += train::EACH_BYTES;
        self.steered_shape.msg_controllen += train::EACH_BYTES;
        self
    }

    /// Whether the datagram joined what waits; what it cannot join leaves.
    pub(super) fn joined(&mut self, socket: SocketId, to: SocketAddr, bytes: &[u8]) -> bool {
        let Some(waiting) = self.trains.waiting else { return false };
        let joins = (waiting.socket, waiting.to) == (socket, to) && self.join(waiting, bytes);
        if !joins {
            self.depart();
        }
        joins
    }

    fn join(&mut self, Waiting { socket, to, index }: Waiting, bytes: &[u8]) -> bool {
        let slot = self.sends.slot(index);
        if let Some(train) = &mut slot.train {
            return train.join(bytes);
        }
        if bytes.is_empty() || bytes.len() > slot.copy.len() {
            return false;
        }
        let mut train = self.trains.spare.pop().unwrap_or_else(Train::boxed);
        train.begin(socket, to, &slot.copy);
        slot.train.insert(train).join(bytes)
    }

    /// Whether the datagram in this slot waits for others.
    pub(super) fn awaits(&mut self, socket: SocketId, to: SocketAddr, index: u32) -> bool {
        let waits = self.trains.on && (1..=train::EACH_MAX).contains(&self.sends.slot(index).copy.len());
        if waits {
            self.trains.waiting = Some(Waiting { socket, to, index });
        }
        waits
    }

    /// Orders what waits to be sent.
    pub(super) fn depart(&mut self) {
        let Some(Waiting { socket, index, .. }) = self.trains.waiting.take() else { return };
        let slot = self.sends.slot(index);
        let order = match &mut slot.train {
            None => copied(socket, index, slot),
            Some(train) => {
                let head = train.depart(&slot.to);
                opcode::SendMsg::new(Fixed(socket.slot), head).build().user_data(SEND | u64::from(index))
            }
        };
        self.push(&order);
    }

    /// The kernel is done with a slot: how many datagrams it was.
    pub(super) fn left(&mut self, index: u32, result: i32) -> u64 {
        let train = self.sends.done(index);
        let count = train.as_ref().map_or(1, |train| train.count());
        let Some(train) = train else { return count };
        // EINVAL and EMSGSIZE: longer than the path's packets, or a kernel without trains. EIO: a path without checksums.
        let refused = matches!(-result, libc::EINVAL | libc::EMSGSIZE | libc::EIO | libc::EOPNOTSUPP);
        if refused {
            self.trains.on = false;
            train.datagrams().for_each(|datagram| {
                self.send(train.socket, train.to, datagram);
            });
        }
        if self.trains.spare.len() < SPARE_MAX {
            self.trains.spare.push(train);
        }
        if refused { 0 } else { count }
    }
}
