//! Secrets: random, shown once, kept as hashes.

use rand::TryRngCore;
use sha2::{Digest, Sha256};

/// Thirty-two random bytes as 64 hexadecimal digits.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Draws one from the operating system.
    pub fn draw() -> Secret {
        let mut bytes = [0; 32];
        rand::rngs::OsRng.try_fill_bytes(&mut bytes).expect("the operating system gives random bytes");
        Secret(crate::page::cursor_of(&bytes))
    }

    /// The digits, to be shown once.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// What is kept of a secret. Secrets are 256 random bits, so a fast hash is enough.
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
