//! Passwords: argon2id, a few at a time; and no more than a few wrong tries from one address, or of one user's codes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

/// Wrong tries of one address in a minute, after which it must wait; of one user's codes in a quarter of an hour.
const FAILURES_MAX: usize = 10;
/// Who fails is remembered at most; beyond, the memory starts anew.
const TRIED_MAX: usize = 10_000;
/// Passwords computed at the same time: each takes 19 MiB and a core for tens of milliseconds.
const AT_ONCE: usize = 2;

/// A hash that fits no password: unknown users take as long as known ones.
static NOBODY: LazyLock<String> = LazyLock::new(|| compute(super::secret::Secret::draw().text()));

/// Of whom wrong tries are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tried {
    /// Passwords and tokens that came from there.
    From(IpAddr),
    /// Codes of this user's second factor, by whoever has the password: a million codes, of which three are good at a time.
    CodeOf(u32),
}

impl Tried {
    /// Over how long failures are counted.
    fn window(self) -> Duration {
        match self {
            Tried::From(_) => Duration::from_secs(60),
            Tried::CodeOf(_) => Duration::from_secs(15 * 60),
        }
    }
}

/// Checks and makes password hashes.
#[derive(Debug)]
pub struct Passwords {
    at_once: Arc<Semaphore>,
    failures: Mutex<HashMap<Tried, Vec<Instant>>>,
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

    /// True when there were too many wrong tries of late.
    pub fn is_barred(&self, tried: Tried) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tries) = failures.get_mut(&tried) else { return false };
        tries.retain(|at| at.elapsed() < tried.window());
        tries.len() >= FAILURES_MAX
    }

    /// Remembers a wrong try.
    pub fn failed(&self, tried: Tried) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= TRIED_MAX {
            failures.clear();
        }
        failures.entry(tried).or_default().push(Instant::now());
    }
}

fn compute(password: &str) -> String {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.expect("argon2 with its default parameters takes any password").to_string()
}
