//! Nonces that need no memory: they carry when, by which shard and for which address they were made, and a proof of it.
//!
//! ```text
//!  shard (2) · second of issue (4) · chance (6) · proof (12)      24 bytes, 32 characters on the wire
//! ```
//! The proof is the beginning of SHA-256 over the node's key, the first twelve bytes and the address. Any shard of the node
//! knows any shard's nonce; only the one that made it counts its uses, so it alone can say that one was used before.

use core::net::IpAddr;

use sha2::{Digest, Sha256};
use units::Instant;

use super::hash::same;

/// How long a nonce may be used, in milliseconds.
pub const LIFE_MS: u64 = 300_000;
/// Characters of a nonce.
pub const CHARACTERS: usize = 32;

const BYTES: usize = 24;
const CLAIM_BYTES: usize = 12;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What all shards of a node share from one start to the next, drawn anew at each start.
#[derive(Clone, Copy)]
pub struct Key(pub [u8; 32]);

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A nonce of this node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Minted {
    /// The shard that counts its uses.
    pub shard: u16,
    /// When it was made, to the second.
    pub issued: Instant,
    /// Its proof: tells nonces apart.
    pub proof: [u8; 12],
}

impl Minted {
    /// May it still be used?
    #[must_use]
    pub fn is_fresh(&self, now: Instant) -> bool {
        now.millis_since(self.issued) < LIFE_MS
    }
}

/// A nonce for one address; `chance` are 64 random bits, of which 48 are used.
#[must_use]
pub fn mint(key: &Key, shard: u16, now: Instant, source: IpAddr, chance: u64) -> [u8; CHARACTERS] {
    let mut bytes = [0; BYTES];
    bytes[..2].copy_from_slice(&shard.to_be_bytes());
    bytes[2..6].copy_from_slice(&((now.micros() / 1_000_000) as u32).to_be_bytes());
    bytes[6..12].copy_from_slice(&chance.to_be_bytes()[..6]);
    let proof = prove(key, &bytes[..CLAIM_BYTES], source);
    bytes[CLAIM_BYTES..].copy_from_slice(&proof);
    write(&bytes)
}

/// Reads a nonce; `None` if it was not made with this key for this address.
#[must_use]
pub fn read(key: &Key, text: &[u8], source: IpAddr) -> Option<Minted> {
    let bytes = unwrite(text)?;
    let proof = prove(key, &bytes[..CLAIM_BYTES], source);
    if !same(&proof, &bytes[CLAIM_BYTES..]) {
        return None;
    }
    let second = u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]);
    Some(Minted {
        shard: u16::from_be_bytes([bytes[0], bytes[1]]),
        issued: Instant::from_micros(u64::from(second) * 1_000_000),
        proof,
    })
}

fn prove(key: &Key, claim: &[u8], source: IpAddr) -> [u8; 12] {
    let source = match source {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    // The length is always the same and most of the hash stays here, so that nobody can go on from a proof.
    let whole = Sha256::new().chain_update(key.0).chain_update(claim).chain_update(source.octets()).finalize();
    core::array::from_fn(|at| whole[at])
}

/// RFC 4648 §5: six bits a character.
fn write(bytes: &[u8; BYTES]) -> [u8; CHARACTERS] {
    let mut text = [0; CHARACTERS];
    for (four, three) in text.chunks_exact_mut(4).zip(bytes.chunks_exact(3)) {
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for (place, character) in four.iter_mut().enumerate() {
            *character = ALPHABET[(bits >> (18 - place * 6)) as usize & 63];
        }
    }
    text
}

fn unwrite(text: &[u8]) -> Option<[u8; BYTES]> {
    if text.len() != CHARACTERS {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (three, four) in bytes.chunks_exact_mut(3).zip(text.chunks_exact(4)) {
        let mut bits = 0;
        for character in four {
            bits = bits << 6 | ALPHABET.iter().position(|known| known == character)? as u32;
        }
        three.copy_from_slice(&bits.to_be_bytes()[1..]);
    }
    Some(bytes)
}
