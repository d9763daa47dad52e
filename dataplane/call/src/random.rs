//! Unpredictable identifiers, drawn from entropy that came in as a value.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A seeded source: the same seed yields the same identifiers.
#[derive(Clone, Debug)]
pub struct Random {
    source: ChaCha8Rng,
}

impl Random {
    /// From 32 bytes of entropy.
    pub fn new(seed: [u8; 32]) -> Random {
        Random { source: ChaCha8Rng::from_seed(seed) }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.source.next_u64()
    }

    /// `head` and sixteen hexadecimal digits: 64 random bits, what tags and branches need to be hard to guess.
    ///
    /// # Panics
    /// The head is longer than eight bytes.
    pub fn token(&mut self, head: &[u8]) -> Token {
        let mut token = Token { bytes: [0; TOKEN_BYTES_MAX], length: head.len() + 16 };
        token.bytes[..head.len()].copy_from_slice(head);
        let bits = self.bits();
        for place in 0..16 {
            token.bytes[head.len() + place] = HEX[(bits >> (60 - place * 4)) as usize & 15];
        }
        token
    }
}

/// Bytes of a token at most.
const TOKEN_BYTES_MAX: usize = 24;

/// An identifier, on the stack.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    bytes: [u8; TOKEN_BYTES_MAX],
    length: usize,
}

impl core::ops::Deref for Token {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
