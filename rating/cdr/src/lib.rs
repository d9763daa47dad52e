//! The bytes of CDRs and of the journal that carries them from the node that made them to the store.
//!
//! A journal is a row of segments; a segment is a header and frames; a frame is a length, a CRC32C, a sequence number and
//! one [`Record`]. A torn tail ends a segment without harming what stands before it.
#![no_std]

extern crate alloc;

mod bytes;
mod crc32c;
mod encoding;
pub mod horizon;
mod identity;
mod record;
pub mod recover;
pub mod segment;
pub mod trace;

pub use crc32c::{Summing, crc32c, sum_on};
pub use encoding::{Glimpse, RecordFlaw};
pub use identity::{Attest, Doubt, Identity, Vouched};
pub use record::{Cdr, GrantPart, Party, Priced, Quality, Record, Recorded, Stages, Start, Texts};
