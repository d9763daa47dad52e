//! Captured messages of chosen calls: what the ladder of a call is drawn from.

use alloc::vec::Vec;

use sip::Hop;
use units::WallTime;

/// Messages kept of one call at most; what comes later is counted only.
const MESSAGES_MAX: usize = 64;
/// Bytes kept of one call at most.
const BYTES_MAX: usize = 64 << 10;

/// One call's messages so far.
#[derive(Debug, Default)]
pub struct Ladder {
    /// In the order in which they came and went.
    pub messages: Vec<cdr::trace::Message>,
    /// Which way each of them took.
    pub hops: Vec<Hop>,
    bytes: usize,
}

impl Ladder {
    /// Keeps one message, if there is room; without the keys of its media.
    pub fn note(&mut self, at: WallTime, leg: u8, inbound: bool, hop: Hop, bytes: &[u8]) {
        if self.messages.len() >= MESSAGES_MAX || self.bytes + bytes.len() > BYTES_MAX {
            return;
        }
        self.bytes += bytes.len();
        let mut bytes = bytes.to_vec();
        sdp::mask_keys(&mut bytes);
        self.messages.push(cdr::trace::Message { at, leg, inbound, peer: hop.remote, bytes });
        self.hops.push(hop);
    }
}
