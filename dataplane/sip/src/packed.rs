//! Numbers and texts one after the other in one piece of memory: what is kept of things that only have to be remembered.
//!
//! Whoever wrote it reads it again, in the same order and within the same process: it says neither names nor kinds.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use units::Instant;

use crate::hop::{Flow, Hop, Transport};

/// Appends a number: seven bits a byte, the lowest first.
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

/// Appends a way.
pub fn put_hop(out: &mut Vec<u8>, hop: Hop) {
    let Hop { transport, listener, remote, flow } = hop;
    out.extend([transport as u8, listener]);
    match remote.ip() {
        IpAddr::V4(ip) => put_text(out, &ip.octets()),
        IpAddr::V6(ip) => put_text(out, &ip.octets()),
    }
    put(out, u64::from(remote.port()));
    if let SocketAddr::V6(v6) = remote {
        put(out, u64::from(v6.flowinfo()));
        put(out, u64::from(v6.scope_id()));
    }
    put_option(out, flow.map(|Flow(flow)| flow));
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

    /// The next number as a moment, in microseconds.
    pub fn moment(&mut self) -> Option<Instant> {
        self.number().map(Instant::from_micros)
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
        let transports = [Transport::Udp, Transport::Tcp, Transport::Tls];
        let transport = *transports.get(usize::from(self.byte()?))?;
        let (listener, ip, port) = (self.byte()?, self.text()?, self.port()?);
        let remote = match <[u8; 4]>::try_from(ip) {
            Ok(octets) => SocketAddr::from((octets, port)),
            Err(_) => {
                let ip = Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?);
                SocketAddrV6::new(ip, port, self.small()?, self.small()?).into()
            }
        };
        Some(Hop { transport, listener, remote, flow: self.option()?.map(Flow) })
    }
}
