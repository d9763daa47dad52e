//! How other threads wake a sleeping ring: an event descriptor that is written only when the ring has said that it sleeps.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use rustix::event::{EventfdFlags, eventfd};

/// Rung by many, heard by one ring. Copies ring the same bell.
#[derive(Clone, Debug)]
pub struct Doorbell {
    bell: Arc<Bell>,
}

#[derive(Debug)]
struct Bell {
    event: OwnedFd,
    asleep: AtomicBool,
}

impl Doorbell {
    /// A bell whose ring is awake.
    pub fn new() -> io::Result<Doorbell> {
        let event = eventfd(0, EventfdFlags::CLOEXEC)?;
        Ok(Doorbell { bell: Arc::new(Bell { event, asleep: AtomicBool::new(false) }) })
    }

    /// Call after putting something where the ring's thread looks for it. A system call only if that thread sleeps.
    pub fn ring(&self) {
        // Pairs with the fence in `fall_asleep`: either the sleeper sees what was put, or we see it asleep.
        fence(Ordering::SeqCst);
        if self.bell.asleep.load(Ordering::Relaxed) && self.bell.asleep.swap(false, Ordering::Relaxed) {
            let _ = rustix::io::write(&self.bell.event, &1u64.to_ne_bytes());
        }
    }

    /// Says that the ring will sleep. Look for work once more after this, before waiting.
    pub(crate) fn fall_asleep(&self) {
        self.bell.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    pub(crate) fn wake_up(&self) {
        self.bell.asleep.store(false, Ordering::Relaxed);
    }

    pub(crate) fn descriptor(&self) -> RawFd {
        self.bell.event.as_raw_fd()
    }
}
