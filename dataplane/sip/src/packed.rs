//! Numbers and texts one after the other in one piece of memory: what is kept of things that only have to be remembered.
//!
//! Whoever wrote it reads it again, in the same order and within the same process: it says neither names nor kinds.

use alloc::vec::Vec;
use core::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

use units::Instant;

use crate::hop::{Flow, Hop, Transport};

/// Appends a number: seven bits a byte, the lowest first.
#[inline]
pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a text.
pub fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put(out, text.len() as u64);
    out.extend_from_slice(text);
}

/// Appends a number that may be absent.
pub fn put_option(out: &mut Vec<u8>, value: Option<u64>) {
    put(out, u64::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

/// Appends a moment.
pub fn put_moment(out: &mut Vec<u8>, at: Instant) {
    out.extend_from_slice(&at.micros().to_le_bytes());
}

/// What stands beside the transport in a way's first byte.
const IPV6: u8 = 1 << 2;
const FLOW: u8 = 1 << 3;

/// Appends a way.
pub fn put_hop(out: &mut Vec<u8>, hop: Hop) {
    let Hop { transport, listener, remote, flow } = hop;
    let kind = transport as u8 | if flow.is_some() { FLOW } else { 0 };
    let [high, low] = remote.port().to_be_bytes();
    match remote {
        SocketAddr::V4(v4) => {
            let [a, b, c, d] = v4.ip().octets();
            out.extend_from_slice(&[kind, listener, high, low, a, b, c, d]);
        }
        SocketAddr::V6(v6) => {
            out.extend_from_slice(&[kind | IPV6, listener, high, low]);
            out.extend_from_slice(&v6.ip().octets());
            put(out, u64::from(v6.flowinfo()));
            put(out, u64::from(v6.scope_id()));
        }
    }
    if let Some(Flow(flow)) = flow {
        put(out, flow);
    }
}

/// Reads what was appended. `None` where it ends too early: never, for bytes of ours.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next number.
    pub fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// The next number, of 32 bits.
    pub fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    /// The next number, of 16 bits.
    pub fn port(&mut self) -> Option<u16> {
        u16::try_from(self.number()?).ok()
    }

    /// The next number as a truth.
    pub fn truth(&mut self) -> Option<bool> {
        Some(self.number()? != 0)
    }

    fn bytes<const COUNT: usize>(&mut self) -> Option<[u8; COUNT]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    /// The next moment.
    pub fn moment(&mut self) -> Option<Instant> {
        self.bytes().map(|bytes| Instant::from_micros(u64::from_le_bytes(bytes)))
    }

    /// The next number that may be absent.
    pub fn option(&mut self) -> Option<Option<u64>> {
        Some(if self.truth()? { Some(self.number()?) } else { None })
    }

    /// The next text.
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }

    /// The next way.
    pub fn hop(&mut self) -> Option<Hop> {
        let [kind, listener, high, low] = self.bytes()?;
        let transports = [Transport::Udp, Transport::Tcp, Transport::Tls];
        let transport = *transports.get(usize::from(kind & (IPV6 - 1)))?;
        let port = u16::from_be_bytes([high, low]);
        let remote = match kind & IPV6 {
            0 => SocketAddr::from((self.bytes::<4>()?, port)),
            _ => SocketAddrV6::new(Ipv6Addr::from(self.bytes::<16>()?), port, self.small()?, self.small()?).into(),
        };
        let flow = if kind & FLOW == 0 { None } else { Some(Flow(self.number()?)) };
        Some(Hop { transport, listener, remote, flow })
    }
}
