//! Passwords: argon2id, a few at a time, and no more than a few wrong ones a minute from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

/// Wrong tries of one address in a minute, after which it must wait.
const FAILURES_MAX: usize = 10;
/// Over how long failures are counted.
const FAILURES_WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered at most; beyond, the memory starts anew.
const ADDRESSES_MAX: usize = 10_000;
/// Passwords computed at the same time: each takes 19 MiB and a core for tens of milliseconds.
const AT_ONCE: usize = 2;

/// A hash that fits no password: unknown users take as long as known ones.
static NOBODY: LazyLock<String> = LazyLock::new(|| compute(super::secret::Secret::draw().text()));

/// Checks and makes password hashes.
#[derive(Debug)]
pub struct Passwords {
    at_once: Arc<Semaphore>,
    failures: Mutex<HashMap<IpAddr, Vec<Instant>>>,
}

impl Default for Passwords {
    fn default() -> Passwords {
        Passwords { at_once: Arc::new(Semaphore::new(AT_ONCE)), failures: Mutex::default() }
    }
}

impl Passwords {
    /// The hash to store.
    pub async fn make(&self, password: String) -> String {
        self.run(move || compute(&password)).await
    }

    /// Whether a password fits a stored hash; an empty hash fits none, and takes as long.
    pub async fn fits(&self, password: String, stored: String) -> bool {
        self.run(move || {
            let known = !stored.is_empty();
            let text = if known { stored.as_str() } else { NOBODY.as_str() };
            let fits = PasswordHash::new(text)
                .is_ok_and(|kept| Argon2::default().verify_password(password.as_bytes(), &kept).is_ok());
            fits && known
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let _turn = self.at_once.acquire().await.expect("the semaphore is never closed");
        tokio::task::spawn_blocking(work).await.expect("computing a hash does not panic")
    }

    /// True when this address has failed too often of late.
    pub fn is_barred(&self, from: IpAddr) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tries) = failures.get_mut(&from) else { return false };
        tries.retain(|at| at.elapsed() < FAILURES_WINDOW);
        tries.len() >= FAILURES_MAX
    }

    /// Remembers a wrong try.
    pub fn failed(&self, from: IpAddr) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= ADDRESSES_MAX {
            failures.clear();
        }
        failures.entry(from).or_default().push(Instant::now());
    }
}

fn compute(password: &str) -> String {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.expect("argon2 with its default parameters takes any password").to_string()
}
