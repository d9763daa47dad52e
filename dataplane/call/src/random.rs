//! Unpredictable identifiers, drawn from entropy that came in as a value.

use media::srtp::Secret;
use rand_chacha::{ChaCha8Rng, ChaCha20Rng};
use rand_core::{RngCore, SeedableRng};
use sip::behind::{self, Key};
use units::{NodeId, SECRET_BYTES_MAX, Suite};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A seeded source: the same seed yields the same identifiers.
#[derive(Clone, Debug)]
pub struct Random {
    source: ChaCha8Rng,
    /// Of a stream of its own: what is told to everybody says nothing about keys.
    secrets: ChaCha20Rng,
    /// Tags name the node, so that a balancer finds it.
    named: Option<(Key, NodeId)>,
}

impl Random {
    /// From 32 bytes of entropy.
    pub fn new(seed: [u8; 32]) -> Random {
        let mut secrets = ChaCha20Rng::from_seed(seed);
        secrets.set_stream(1);
        Random { source: ChaCha8Rng::from_seed(seed), secrets, named: None }
    }

    /// The same, with tags that name this node to whoever has the key.
    #[must_use]
    pub fn naming(self, key: Key, node: NodeId) -> Random {
        Random { named: Some((key, node)), ..self }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.source.next_u64()
    }

    /// A key of this suite, with its salt.
    pub fn secret(&mut self, suite: Suite) -> Secret {
        let mut bytes = [0; SECRET_BYTES_MAX];
        let bytes = &mut bytes[..suite.secret_bytes()];
        self.secrets.fill_bytes(bytes);
        Secret::new(suite, bytes).expect("it was given the suite's length")
    }

    /// A tag of a dialog: 64 random bits, and which node it lives on if that is to be named.
    pub fn tag(&mut self) -> Token {
        let Some((key, node)) = self.named.clone() else { return self.token(b"") };
        let tag = behind::tag(&key, node, self.bits());
        let mut token = Token { bytes: [0; TOKEN_BYTES_MAX], length: tag.len() };
        token.bytes[..tag.len()].copy_from_slice(&tag);
        token
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
const TOKEN_BYTES_MAX: usize = 32;
const _: () = assert!(behind::TAG_BYTES <= TOKEN_BYTES_MAX);

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
