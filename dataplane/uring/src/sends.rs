//! What is on its way out: destination addresses and bytes, kept still until the kernel is done with each send.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::{mem, ptr};

use crate::address::Raw;
use crate::train::Train;

/// A copied message larger than this gives its memory back after the send.
const KEPT_BYTES: usize = 4_096;

/// Datagrams that leave in one call; the kernel takes up to 1,024.
const LEAVING: usize = 64;

/// One send of copied bytes under way.
pub(crate) struct Slot {
    pub(crate) to: Raw,
    pub(crate) copy: Vec<u8>,
    /// What the kernel is told of it if it is several datagrams.
    pub(crate) train: Option<Box<Train>>,
}

impl Slot {
    const EMPTY: Slot = Slot { to: Raw::EMPTY, copy: Vec::new(), train: None };
}

/// All send slots of a ring. The slots never move: the box is allocated once.
pub(crate) struct Sends {
    slots: Box<[Slot]>,
    free: Vec<u32>,
}

impl Sends {
    pub(crate) fn new(count: u32) -> Sends {
        Sends { slots: (0..count).map(|_| Slot::EMPTY).collect(), free: (0..count).rev().collect() }
    }

    pub(crate) fn under_way(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Takes a slot for a copied message.
    pub(crate) fn copy(&mut self, to: SocketAddr, bytes: &[u8]) -> Option<(u32, &mut Slot)> {
        let index = self.free.pop()?;
        let slot = &mut self.slots[index as usize];
        slot.to = Raw::new(to);
        slot.copy.clear();
        slot.copy.extend_from_slice(bytes);
        Some((index, slot))
    }

    /// What is in a slot that was taken.
    pub(crate) fn slot(&mut self, index: u32) -> &mut Slot {
        &mut self.slots[index as usize]
    }

    /// The kernel is done with this slot, and with the train in it.
    pub(crate) fn done(&mut self, index: u32) -> Option<Box<Train>> {
        let slot = &mut self.slots[index as usize];
        if slot.copy.capacity() > KEPT_BYTES {
            slot.copy = Vec::new();
        }
        self.free.push(index);
        slot.train.take()
    }
}

/// Sends of received datagrams that the kernel was not seen to take yet. It carries them out while it takes them, whatever comes of
/// them, because they must not wait (`MSG_DONTWAIT`): once it took all, addresses and buffers are free.
pub(crate) struct Forwards {
    to: Box<[Raw]>,
    /// Class and number of each one's receive buffer.
    pub(crate) buffers: Vec<(u8, u16)>,
}

impl Forwards {
    pub(crate) fn new(count: usize) -> Forwards {
        Forwards { to: vec![Raw::EMPTY; count].into_boxed_slice(), buffers: Vec::with_capacity(count) }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.buffers.len() == self.to.len()
    }

    /// Notes one more, and where it goes; only with room.
    pub(crate) fn put(&mut self, to: SocketAddr, class: u8, buffer: u16) -> &Raw {
        let raw = &mut self.to[self.buffers.len()];
        *raw = Raw::new(to);
        self.buffers.push((class, buffer));
        raw
    }
}

/// Received datagrams that leave by a raw socket when the turn ends, many in one call (sendmmsg(2)), which costs less than an order of the
/// ring for each. The kernel is done with addresses and bytes when the call returns.
pub(crate) struct Leaving {
    /// The raw socket's place in the ring's table.
    pub(crate) socket: u32,
    /// Class and number of each one's receive buffer.
    pub(crate) buffers: Vec<(u8, u16)>,
    to: Box<[Raw]>,
    bytes: Box<[libc::iovec]>,
    heads: Box<[libc::mmsghdr]>,
}

impl Leaving {
    pub(crate) fn new() -> Leaving {
        let mut to = vec![Raw::EMPTY; LEAVING].into_boxed_slice();
        let mut bytes = vec![libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; LEAVING].into_boxed_slice();
        // Neither box moves its content: what the heads point at stays.
        let head = |(to, bytes): (&mut Raw, &mut libc::iovec)| {
            // SAFETY: all zeroes is a valid mmsghdr: no name, no vector, no control data.
            let mut head: libc::mmsghdr = unsafe { mem::zeroed() };
            head.msg_hdr.msg_name = to.pointer().cast_mut().cast();
            head.msg_hdr.msg_iov = bytes;
            head.msg_hdr.msg_iovlen = 1;
            head
        };
        let heads = to.iter_mut().zip(&mut bytes).map(head).collect();
        Leaving { socket: 0, buffers: Vec::with_capacity(LEAVING), to, bytes, heads }
    }

    /// True if one more for this socket has room.
    pub(crate) fn takes(&self, socket: u32) -> bool {
        self.buffers.is_empty() || self.socket == socket && self.buffers.len() < LEAVING
    }

    /// Notes one more; only with room. The bytes are those of the receive buffer, which is ours until it is given back.
    pub(crate) fn put(&mut self, socket: u32, to: SocketAddr, bytes: &[u8], buffer: (u8, u16)) {
        let place = self.buffers.len();
        self.socket = socket;
        self.to[place] = Raw::new(to);
        self.heads[place].msg_hdr.msg_namelen = self.to[place].length();
        self.bytes[place] = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        self.buffers.push(buffer);
    }

    /// Sends all, each at once or never; how many the kernel refused.
    pub(crate) fn send(&mut self, descriptor: &OwnedFd) -> u64 {
        let (mut next, mut refused) = (0, 0);
        while next < self.buffers.len() {
            let heads = &mut self.heads[next..self.buffers.len()];
            let (start, count) = (heads.as_mut_ptr(), heads.len() as u32);
            // SAFETY: each head points to an address and a vector of our boxes, and the vector to a receive buffer that nobody else has
            // while its number stands in `buffers`; the kernel reads all of it before it returns.
            let sent = unsafe { libc::sendmmsg(descriptor.as_raw_fd(), start, count, libc::MSG_DONTWAIT) };
            if sent > 0 {
                next += sent as usize;
            } else if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                (next, refused) = (next + 1, refused + 1);
            }
        }
        refused
    }
}
