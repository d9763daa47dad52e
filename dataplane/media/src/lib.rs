//! Media without sockets: which packet leaves from which port to whom, and how good each direction was.
//!
//! A call's leg owns one [`Pair`] of ports: RTP on the even one, RTCP on the next. What arrives at one leg's pair leaves from the
//! other leg's pair. Payloads are never looked at, so every codec and SRTP pass;
//! DTLS (RFC 5764) and UDPTL (ITU-T T.38) pass where a description says so. A leg with keys of its own has its media opened and
//! sealed on the way (RFC 3711).
#![no_std]

extern crate alloc;

mod crypt;
mod digits;
mod emodel;
mod format;
mod kernel;
mod latch;
mod ports;
mod quality;
mod relay;
mod report;
mod rtp;
mod said;
pub mod srtp;
mod stay;
mod stream;
mod window;

pub use crypt::Seal;
pub use digits::Digit;
pub use format::{FORMATS_MAX, Format, Sound, Voice};
pub use kernel::{Carried, Path};
pub use ports::{QUARANTINE_MS, REST_MIN_MS};
pub use quality::Quality;
pub use relay::{Change, Dropped, PAIR_BYTES, Pair, Relay, StreamId, Verdict};
pub use said::Said;
pub use stay::{Stay, Stays};
pub use stream::Carries;
