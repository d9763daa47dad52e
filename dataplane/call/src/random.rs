//! Unpredictable identifiers, drawn from entropy that came in as a value.

use alloc::vec::Vec;
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
    pub fn token(&mut self, head: &[u8]) -> Vec<u8> {
        let mut token = Vec::with_capacity(head.len() + 16);
        token.extend_from_slice(head);
        let bits = self.bits();
        token.extend((0..16).map(|place| HEX[(bits >> (60 - place * 4)) as usize & 15]));
        token
    }
}
