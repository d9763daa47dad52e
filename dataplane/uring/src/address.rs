//! Socket addresses in the kernel's layout, read and written by hand: the packet path converts two of them for every packet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// `sizeof(struct sockaddr_in6)`, the larger of the two.
pub(crate) const BYTES_MAX: usize = 28;
const V4_BYTES: usize = 16;
const V4: u16 = libc::AF_INET as u16;
const V6: u16 = libc::AF_INET6 as u16;

/// An address as `sendto` wants it.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(crate) struct Raw {
    bytes: [u8; BYTES_MAX],
    length: u32,
}

impl Raw {
    pub(crate) const EMPTY: Raw = Raw { bytes: [0; BYTES_MAX], length: 0 };

    pub(crate) fn new(address: SocketAddr) -> Raw {
        let mut bytes = [0; BYTES_MAX];
        bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
        let length = match address {
            SocketAddr::V4(v4) => {
                bytes[0..2].copy_from_slice(&V4.to_ne_bytes());
                bytes[4..8].copy_from_slice(&v4.ip().octets());
                V4_BYTES
            }
            SocketAddr::V6(v6) => {
                bytes[0..2].copy_from_slice(&V6.to_ne_bytes());
                bytes[4..8].copy_from_slice(&v6.flowinfo().to_ne_bytes());
                bytes[8..24].copy_from_slice(&v6.ip().octets());
                bytes[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
                BYTES_MAX
            }
        };
        Raw { bytes, length: length as u32 }
    }

    pub(crate) fn pointer(&self) -> *const libc::sockaddr {
        self.bytes.as_ptr().cast()
    }

    pub(crate) fn length(&self) -> u32 {
        self.length
    }
}

/// Reads what `recvmsg` wrote.
pub(crate) fn read(name: &[u8]) -> Option<SocketAddr> {
    let family = u16::from_ne_bytes([*name.first()?, *name.get(1)?]);
    let port = u16::from_be_bytes([*name.get(2)?, *name.get(3)?]);
    if family == V4 {
        let octets: [u8; 4] = name.get(4..8)?.try_into().ok()?;
        return Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(octets)), port));
    }
    if family == V6 {
        let flow: [u8; 4] = name.get(4..8)?.try_into().ok()?;
        let octets: [u8; 16] = name.get(8..24)?.try_into().ok()?;
        let scope: [u8; 4] = name.get(24..28)?.try_into().ok()?;
        let ip = Ipv6Addr::from(octets);
        return Some(SocketAddrV6::new(ip, port, u32::from_ne_bytes(flow), u32::from_ne_bytes(scope)).into());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_the_kernels_layout() {
        for text in ["127.0.0.1:5060", "[2001:db8::7]:16384", "[fe80::1%3]:9"] {
            let address: SocketAddr = text.parse().unwrap();
            let raw = Raw::new(address);
            assert_eq!(read(&raw.bytes[..raw.length as usize]), Some(address));
        }
    }

    #[test]
    fn a_short_or_foreign_name_is_no_address() {
        let raw = Raw::new("[::1]:1".parse().unwrap());
        assert!((0..BYTES_MAX).all(|length| read(&raw.bytes[..length]).is_none()));
        assert_eq!(read(&[0; BYTES_MAX]), None);
    }
}
