//! What is on its way out: destination addresses and bytes, kept still until the kernel reports each send.

use std::net::SocketAddr;

use crate::address::Raw;

/// A copied message larger than this gives its memory back after the send.
const KEPT_BYTES: usize = 4_096;

/// Where a send's bytes live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Copied into the slot.
    Copied,
    /// In a receive buffer: class and number.
    Received { class: usize, buffer: u16 },
}

/// One send under way.
pub(crate) struct Slot {
    pub(crate) to: Raw,
    pub(crate) copy: Vec<u8>,
    pub(crate) source: Source,
}

/// All send slots of a ring. The slots never move: the box is allocated once.
pub(crate) struct Sends {
    slots: Box<[Slot]>,
    free: Vec<u32>,
}

impl Sends {
    pub(crate) fn new(count: u32) -> Sends {
        let slot = |_| Slot { to: Raw::EMPTY, copy: Vec::new(), source: Source::Copied };
        Sends { slots: (0..count).map(slot).collect(), free: (0..count).rev().collect() }
    }

    pub(crate) fn under_way(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Takes a slot for a copied message.
    pub(crate) fn copy(&mut self, to: SocketAddr, bytes: &[u8]) -> Option<(u32, &Slot)> {
        let index = self.free.pop()?;
        let slot = &mut self.slots[index as usize];
        slot.to = Raw::new(to);
        slot.copy.clear();
        slot.copy.extend_from_slice(bytes);
        slot.source = Source::Copied;
        Some((index, slot))
    }

    /// Takes a slot for bytes that stay in their receive buffer.
    pub(crate) fn forward(&mut self, to: SocketAddr, class: usize, buffer: u16) -> Option<(u32, &Slot)> {
        let index = self.free.pop()?;
        let slot = &mut self.slots[index as usize];
        slot.to = Raw::new(to);
        slot.source = Source::Received { class, buffer };
        Some((index, slot))
    }

    /// The kernel is done with this slot.
    pub(crate) fn done(&mut self, index: u32) -> Source {
        let slot = &mut self.slots[index as usize];
        if slot.copy.capacity() > KEPT_BYTES {
            slot.copy = Vec::new();
        }
        self.free.push(index);
        slot.source
    }
}
