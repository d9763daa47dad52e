//! Wakes the spool thread, at the price of one atomic read while it is awake.

use std::sync::atomic::{AtomicBool, Ordering, fence};

use tokio::sync::Notify;

/// Rung by the shards, heard by the spool.
#[derive(Debug, Default)]
pub struct SpoolBell {
    asleep: AtomicBool,
    notify: Notify,
}

impl SpoolBell {
    /// Call after putting something into a ring that the spool reads.
    pub fn ring(&self) {
        // Pairs with the fence in `fall_asleep`: either the spool sees what was put, or we see it asleep.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.notify.notify_one();
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

    /// Until the bell rings.
    pub async fn rung(&self) {
        self.notify.notified().await;
    }
}
