//! Wakes the spool thread, at the price of one atomic read while it is awake.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread::Thread;

/// Rung by the shards, heard by the spool.
#[derive(Debug, Default)]
pub struct SpoolBell {
    asleep: AtomicBool,
    sleeper: OnceLock<Thread>,
}

impl SpoolBell {
    /// From now on the calling thread is the one that hears.
    pub fn listen(&self) {
        self.sleeper.get_or_init(std::thread::current);
    }

    /// Call after putting something into a ring that the spool reads.
    pub fn ring(&self) {
        // Pairs with the fence in `fall_asleep`: either the spool sees what was put, or we see it asleep.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed)
            && self.asleep.swap(false, Ordering::Relaxed)
            && let Some(sleeper) = self.sleeper.get()
        {
            sleeper.unpark();
        }
    }

    /// The spool will wait; it looks once more after this.
    pub fn fall_asleep(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The spool looks by itself again.
    pub fn wake_up(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }
}
