//! Whole pages of our own, which never move.

use std::io;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Zeroed memory, aligned to a page.
pub(crate) struct Pages {
    start: NonNull<u8>,
    length: usize,
}

impl Pages {
    pub(crate) fn new(length: usize) -> io::Result<Pages> {
        let length = length.next_multiple_of(4_096).max(4_096);
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choosing aliases nothing.
        let start = unsafe {
            mmap_anonymous(std::ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)?
        };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Pages { start, length })
    }

    pub(crate) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours alone and whole; whoever lent it to the kernel ended that before (see `Ring::drop`).
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}
