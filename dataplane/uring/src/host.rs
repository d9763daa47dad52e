//! The host's cores, pages and disks.

use std::fs::File;
use std::io;
use std::path::Path;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores that this process may use.
pub fn cores() -> Vec<usize> {
    let allowed = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    if cores.is_empty() { vec![0] } else { cores }
}

/// Keeps the calling thread on one core.
pub fn pin(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// Gives this process memory in pages of the usual size, whatever its allocator asks for. A huge page is cleared whole before its first byte is
/// used, and stays whole as long as one byte of it is.
pub fn no_huge_pages() -> io::Result<()> {
    Ok(rustix::thread::disable_transparent_huge_pages(true)?)
}

/// The option `purge_delay` of mimalloc's table, which the bindings do not name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

// A table of another length may have it elsewhere.
const _: () = assert!(libmimalloc_sys::_mi_option_last == 47);

/// How long pages that were freed stay with this process before the kernel has them back, in milliseconds, if its allocator is mimalloc: what
/// calls free others take a moment later, and a page that is had anew is cleared first. The environment's `MIMALLOC_PURGE_DELAY` goes first.
pub fn keep_freed_pages(millis: u32) {
    // SAFETY: it takes two numbers and stores the second in a table of the library's own.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, millis.into()) }
}

/// How long freed pages stay, in milliseconds.
pub fn freed_pages_kept() -> i64 {
    // SAFETY: it reads a number of a table of the library's own.
    unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) }
}

/// How full the file system of this path is for an ordinary user, per cent.
pub fn disk_percent(path: &Path) -> io::Result<u8> {
    let disk = rustix::fs::statvfs(path)?;
    let used = disk.f_blocks.saturating_sub(disk.f_bfree);
    let usable = used + disk.f_bavail;
    Ok((used * 100).div_ceil(usable.max(1)).min(100) as u8)
}

/// Thirty-two random bytes from the kernel.
pub fn entropy() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    let mut filled = 0;
    while filled < seed.len() {
        filled += rustix::rand::getrandom(&mut seed[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(seed)
}

/// How many files this process may open. The soft limit is raised to the hard one first.
pub fn open_files_max() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(1 << 20)
}

/// A file's bytes, mapped read-only and shared with the page cache.
///
/// The file must not be changed while it is mapped: a file cut short under a mapping ends the process at the next read. Snapshot files
/// are written under another name, renamed, and never touched again.
#[derive(Debug)]
pub struct Mapped {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the pages are only ever read.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Maps a whole file. An empty file is refused.
    pub fn open(path: &Path) -> io::Result<Mapped> {
        let file = File::open(path)?;
        let length = usize::try_from(file.metadata()?.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        if length == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty"));
        }
        // SAFETY: a fresh private mapping at an address of the kernel's choosing aliases nothing of ours.
        let start = unsafe { mmap(std::ptr::null_mut(), length, ProtFlags::READ, MapFlags::PRIVATE, &file, 0)? };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Mapped { start, length })
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the mapping is `length` bytes long, lives as long as we do, and nobody writes to it.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: ours alone, whole, and nothing borrowed from it outlives us.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}
