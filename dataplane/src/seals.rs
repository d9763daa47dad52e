//! What signs and verifies identities of calls: ES256 by aws-lc-rs, in the shard's own thread.
//!
//! A signature draws on the library's own random source, which is why it is no part of a shard.

use std::cell::RefCell;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey};
use shard::stir::{PublicKey, Seals, Signature};

/// Private keys that a thread keeps ready at most: an operator has one or a few.
const READY_MAX: usize = 64;
/// What stands before and behind the number in a private key as RFC 5915 writes it, for the curve P-256 (RFC 5480 §2.1.1.1).
const BEFORE: [u8; 7] = [0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20];
const BEHIND: [u8; 12] = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// What a shard is given.
pub const SEALS: Seals = Seals { sign, verify };

thread_local! {
    /// Reading a key takes longer than signing with it.
    static READY: RefCell<Vec<([u8; 32], EcdsaKeyPair)>> = const { RefCell::new(Vec::new()) };
}

fn sign(number: &[u8; 32], text: &[u8]) -> Option<Signature> {
    READY.with_borrow_mut(|ready| {
        let place = match ready.iter().position(|(known, _)| known == number) {
            Some(place) => place,
            None => {
                let der = [&BEFORE[..], number, &BEHIND].concat();
                let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).ok()?;
                if ready.len() >= READY_MAX {
                    ready.remove(0);
                }
                ready.push((*number, pair));
                ready.len() - 1
            }
        };
        let signature = ready[place].1.sign(&SystemRandom::new(), text).ok()?;
        signature.as_ref().try_into().ok()
    })
}

fn verify(key: &PublicKey, text: &[u8], signature: &Signature) -> bool {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(text, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{sign, verify};

    /// RFC 6979 §A.2.5: the private key and its public one.
    const NUMBER: &str = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
    const POINT: &str = "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6\
                         7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
    /// The signature that RFC 6979 gives of "sample" under SHA-256.
    const PUBLISHED: &str = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
                             f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";

    fn bytes<const N: usize>(digits: &str) -> [u8; N] {
        let pair = |place: usize| u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).expect("hexadecimal");
        std::array::from_fn(pair)
    }

    #[test]
    fn what_we_sign_is_ours_and_what_was_published_is_right() {
        let (number, point) = (bytes(NUMBER), bytes(POINT));
        let signed = sign(&number, b"sample").expect("a key");
        for signature in [signed, sign(&number, b"sample").expect("the same key again"), bytes(PUBLISHED)] {
            assert!(verify(&point, b"sample", &signature));
            assert!(!verify(&point, b"Sample", &signature));
        }
        let mut other = bytes(PUBLISHED);
        other[63] ^= 1;
        assert!(!verify(&point, b"sample", &other) && !verify(&[4; 65], b"sample", &signed));
    }

    #[test]
    fn what_is_no_key_signs_nothing() {
        assert_eq!((sign(&[0; 32], b"sample"), sign(&[0xff; 32], b"sample")), (None, None));
    }
}
