//! A group of equal receive buffers that the kernel takes from by itself (a provided-buffer ring).
//!
//! The kernel uses those that it has in order, each as often as any other. So it gets few of them, and again and again the same ones:
//! what it writes and we read stays in the processor's cache. A burst that takes all of them makes them more.

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

use crate::pages::Pages;

/// The kernel has this part of the buffers while nothing needs more of them.
const FEW: u16 = 16;
/// But never fewer, if there are so many.
const FEW_MIN: u16 = 8;
/// Turns after which it is seen that fewer would do.
const TURNS: u16 = 4_096;

/// The buffers and the ring of those that the kernel may fill.
pub(crate) struct Buffers {
    group: u16,
    count: u16,
    size: u32,
    /// How many the kernel has, and how many it is to have when a turn ends.
    lent: u16,
    wanted: u16,
    /// It used up all that it had.
    short: bool,
    /// The most that it took in one of these last turns.
    taken_max: u16,
    turns: u16,
    tail: u16,
    /// Those that nobody has; the one that came back last is on top.
    spare: Vec<u16>,
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
        let spare = (0..count).rev().collect();
        let mut buffers = Buffers {
            group,
            count,
            size,
            lent: 0,
            wanted: few(count),
            short: false,
            taken_max: 0,
            turns: 0,
            tail: 0,
            spare,
            entries,
            memory,
        };
        buffers.fill();
        Ok(buffers)
    }

    pub(crate) fn group(&self) -> u16 {
        self.group
    }

    /// The kernel filled this one and handed it to us.
    pub(crate) fn took(&mut self) {
        self.lent -= 1;
    }

    /// The kernel has used up all that it had: it is to have more, if there are any. False if there are none.
    pub(crate) fn ran_out(&mut self) -> bool {
        self.short = self.wanted < self.count;
        self.short
    }

    /// Takes a buffer back that nobody needs any more.
    pub(crate) fn put(&mut self, buffer: u16) {
        let known = self.spare.len() + usize::from(self.lent);
        assert!(
            buffer < self.count && known < usize::from(self.count),
            "a buffer is given back once, to its own group"
        );
        self.spare.push(buffer);
    }

    /// Lends a buffer to the kernel; it sees it after the tail was stored.
    fn lend(&mut self, buffer: u16) {
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

    /// A turn ends: lends the kernel as many buffers as it is to have.
    pub(crate) fn publish(&mut self) {
        self.weigh();
        self.fill();
    }

    fn fill(&mut self) {
        while self.lent < self.wanted
            && let Some(buffer) = self.spare.pop()
        {
            self.lend(buffer);
        }
        // SAFETY: the tail lies in the first entry's unused field, aligned to two bytes; the kernel only reads it.
        let tail = unsafe { &*BufRingEntry::tail(self.entries.start().cast()).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }

    /// Whether the kernel should have more buffers, or could do with fewer.
    fn weigh(&mut self) {
        self.taken_max = self.taken_max.max(self.wanted.saturating_sub(self.lent));
        self.turns += 1;
        if self.short {
            self.wanted *= 2;
        } else if self.turns < TURNS {
            return;
        } else if self.taken_max < self.wanted / 4 && self.wanted > few(self.count) {
            self.wanted /= 2;
        }
        (self.short, self.turns, self.taken_max) = (false, 0, 0);
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

/// A power of two, as the count is.
fn few(count: u16) -> u16 {
    (count / FEW).max(FEW_MIN).min(count)
}
