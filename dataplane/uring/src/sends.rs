//! What is on its way out: destination addresses and bytes, kept still until the kernel is done with each send.

use std::net::SocketAddr;

use crate::address::Raw;

/// A copied message larger than this gives its memory back after the send.
const KEPT_BYTES: usize = 4_096;

/// One send of copied bytes under way.
pub(crate) struct Slot {
    pub(crate) to: Raw,
    pub(crate) copy: Vec<u8>,
}

/// All send slots of a ring. The slots never move: the box is allocated once.
pub(crate) struct Sends {
    slots: Box<[Slot]>,
    free: Vec<u32>,
}

impl Sends {
    pub(crate) fn new(count: u32) -> Sends {
        let slot = |_| Slot { to: Raw::EMPTY, copy: Vec::new() };
        Sends { slots: (0..count).map(slot).collect(), free: (0..count).rev().collect() }
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

    /// The kernel is done with this slot.
    pub(crate) fn done(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        if slot.copy.capacity() > KEPT_BYTES {
            slot.copy = Vec::new();
        }
        self.free.push(index);
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
