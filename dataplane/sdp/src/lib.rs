//! Session descriptions (RFC 8866) as far as a relay must know them: where media goes, and how to send it elsewhere.
#![no_std]

extern crate alloc;

pub mod address;
pub mod codec;
pub mod crypto;
pub mod filter;
pub mod flaw;
pub mod line;
pub mod media;
pub mod parse;
pub mod rewrite;

pub use address::address_refused;
pub use codec::Codec;
pub use crypto::{CRYPTO_MAX, Crypto, KEY_BYTES_MAX, Profile, mask_keys, write_crypto};
pub use filter::{Filter, Order};
pub use flaw::Flaw;
pub use media::{CarriedBy, Direction, Maps, Media};
pub use parse::{FORMATS_MAX, MEDIA_MAX, Session, parse};
pub use rewrite::{Crypt, Events, Rewrite, declined, fitted, rewrite, rewrite_filtered, rewrite_parsed};
