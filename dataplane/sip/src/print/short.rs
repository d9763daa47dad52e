//! The same message in fewer bytes.

use alloc::vec::Vec;

use crate::name::Name;

/// A message of ours with the short names of its headers (RFC 3261 §7.3.3), for answers that must not be longer than they need.
#[must_use]
pub fn shortened(message: &[u8]) -> Vec<u8> {
    let mut short = Vec::with_capacity(message.len());
    let mut rest = message;
    while let Some(end) = memchr::memchr(b'\n', rest).map(|at| at + 1) {
        let (line, tail) = rest.split_at(end);
        rest = tail;
        let named = memchr::memchr(b':', line).map(|colon| line.split_at(colon));
        match named.and_then(|(name, value)| Some((Name::from_bytes(name).compact()?, value))) {
            Some((name, value)) => {
                short.extend_from_slice(name.as_bytes());
                short.extend_from_slice(value);
            }
            None => short.extend_from_slice(line),
        }
        // What follows the empty line is the body's.
        if line == b"\r\n" {
            break;
        }
    }
    short.extend_from_slice(rest);
    short
}
