//! The last strangers: what an operator looks at when somebody complains, or attacks.

use alloc::vec::Vec;
use core::net::SocketAddr;

use sip::{Message, Method, Uri};
use units::WallTime;

/// Entries kept; older ones go.
pub const REFUSED_MAX: usize = 256;
/// Bytes kept of the user part of the Request-URI.
pub const USER_BYTES_MAX: usize = 32;

/// Why somebody was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No trunk has the address.
    Unknown,
    /// A message within a dialog that is another peer's.
    Intruder,
}

/// One refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// When.
    pub at: WallTime,
    /// Who sent it.
    pub from: SocketAddr,
    /// The method; of a response that of its CSeq.
    pub method: Method,
    /// Why.
    pub reason: Reason,
    user: [u8; USER_BYTES_MAX],
    user_bytes: u8,
}

impl Refused {
    /// The user part of the Request-URI, cut at [`USER_BYTES_MAX`]; what is not printable ASCII reads `?`. Empty for responses.
    pub fn user(&self) -> &str {
        core::str::from_utf8(&self.user[..usize::from(self.user_bytes)]).unwrap_or("")
    }
}

/// The last [`REFUSED_MAX`] refusals.
#[derive(Debug)]
pub struct Report {
    ring: Vec<Refused>,
    next: usize,
}

impl Default for Report {
    fn default() -> Report {
        Report { ring: Vec::with_capacity(REFUSED_MAX), next: 0 }
    }
}

impl Report {
    /// Keeps one, forgets the oldest.
    pub fn note(&mut self, at: WallTime, from: SocketAddr, message: &Message<'_>, reason: Reason) {
        let uri = message.request_uri().and_then(|uri| Uri::parse(uri).ok());
        let text = uri.map_or(&b""[..], |uri| uri.user);
        let (mut user, length) = ([0; USER_BYTES_MAX], text.len().min(USER_BYTES_MAX));
        for (kept, byte) in user.iter_mut().zip(text) {
            *kept = if byte.is_ascii_graphic() { *byte } else { b'?' };
        }
        let refused = Refused { at, from, method: message.method(), reason, user, user_bytes: length as u8 };
        match self.ring.get_mut(self.next) {
            Some(oldest) => *oldest = refused,
            None => self.ring.push(refused),
        }
        self.next = (self.next + 1) % REFUSED_MAX;
    }

    /// The latest first.
    pub fn latest(&self) -> impl Iterator<Item = &Refused> {
        let (newer, older) = self.ring.split_at(self.next.min(self.ring.len()));
        newer.iter().rev().chain(older.iter().rev())
    }

    /// Bytes of the ring.
    pub fn bytes(&self) -> usize {
        self.ring.capacity() * size_of::<Refused>()
    }
}
