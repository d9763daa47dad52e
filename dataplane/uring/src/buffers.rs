//! A group of equal receive buffers that the kernel takes from by itself (a provided-buffer ring).

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

use crate::pages::Pages;

/// The buffers and the ring of those that the kernel may fill.
pub(crate) struct Buffers {
    group: u16,
    count: u16,
    size: u32,
    /// How many the kernel has.
    lent: u16,
    tail: u16,
    entries: Pages,
    memory: Pages,
}

impl Buffers {
    /// Registers `count` (a power of two) buffers of `size` bytes under a group number.
    pub(crate) fn new(ring: &IoUring, group: u16, count: u16, size: u32) -> io::Result<Buffers> {
        assert!(count.is_power_of_two() && count <= 32_768, "the kernel masks buffer numbers");
        let entries = Pages::new(usize::from(count) * size_of::<BufRingEntry>())?;
        let memory = Pages::new(usize::from(count) * size as usize)?;
        // SAFETY: the entries are page-aligned, large enough for `count`, and outlive the registration: both end with the ring.
        unsafe { ring.submitter().register_buf_ring_with_flags(entries.start() as u64, count, group, 0)? };
        let mut buffers = Buffers { group, count, size, lent: 0, tail: 0, entries, memory };
        (0..count).for_each(|buffer| buffers.put(buffer));
        buffers.publish();
        Ok(buffers)
    }

    pub(crate) fn group(&self) -> u16 {
        self.group
    }

    /// The kernel filled this one and handed it to us.
    pub(crate) fn took(&mut self) {
        self.lent -= 1;
    }

    /// Lends a buffer to the kernel again; it sees it after [`Buffers::publish`].
    pub(crate) fn put(&mut self, buffer: u16) {
        assert!(buffer < self.count && self.lent < self.count, "a buffer is given back once, to its own group");
        let place = usize::from(self.tail & (self.count - 1));
        // SAFETY: `place` lies within the entries; the kernel reads an entry only after the tail passed it, and that place was
        // consumed before, because at most `count` buffers exist and each is lent once.
        let entry = unsafe { &mut *self.entries.start().cast::<BufRingEntry>().add(place) };
        entry.set_addr(self.pointer(buffer) as u64);
        entry.set_len(self.size);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        self.lent += 1;
    }

    /// Shows the kernel all buffers put so far.
    pub(crate) fn publish(&mut self) {
        // SAFETY: the tail lies in the first entry's unused field, aligned to two bytes; the kernel only reads it.
        let tail = unsafe { &*BufRingEntry::tail(self.entries.start().cast()).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }

    /// Bytes of a buffer that we hold.
    pub(crate) fn bytes(&self, buffer: u16, start: usize, length: usize) -> &[u8] {
        assert!(buffer < self.count && start + length <= self.size as usize, "within one buffer");
        // SAFETY: within the memory by the assertion; the kernel does not write to it, because whoever asks holds the buffer's `Packet`.
        unsafe { std::slice::from_raw_parts(self.pointer(buffer).add(start), length) }
    }

    /// A buffer that we hold, from `start` to its end.
    pub(crate) fn room(&mut self, buffer: u16, start: usize) -> &mut [u8] {
        assert!(buffer < self.count && start <= self.size as usize, "within one buffer");
        // SAFETY: within the memory by the assertion; neither the kernel nor anybody else has this buffer, because whoever asks
        // holds its `Packet`, and this borrow of the group keeps every other from being looked at.
        unsafe { std::slice::from_raw_parts_mut(self.pointer(buffer).add(start), self.size as usize - start) }
    }

    fn pointer(&self, buffer: u16) -> *mut u8 {
        // SAFETY: callers pass numbers below `count`, so the offset stays inside the mapping.
        unsafe { self.memory.start().add(usize::from(buffer) * self.size as usize) }
    }
}
