//! Connection addresses: how they are read, and which of them we never send media to.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str;

use crate::flaw::Flaw;
use crate::line::{take_digits, word};

/// Reads `IN IP4 192.0.2.1` or `IN IP6 2001:db8::1`.
///
/// # Errors
/// Another network, a host name (we do not ask name servers about media), a number of addresses, an address that is none.
pub(crate) fn connection(value: &[u8]) -> Result<IpAddr, Flaw> {
    let mut rest = value;
    let (network, family, text) = (word(&mut rest), word(&mut rest), word(&mut rest));
    if network != b"IN" || !rest.is_empty() {
        return Err(Flaw::broken("bad connection line"));
    }
    // A time to live or a count after the slash is for multicast alone (RFC 8866 §5.7).
    if text.contains(&b'/') {
        return Err(Flaw::refused("multicast connection"));
    }
    let address = match family {
        b"IP4" => dotted(text).map(IpAddr::V4),
        b"IP6" => str::from_utf8(text).ok().and_then(|text| text.parse::<Ipv6Addr>().ok()).map(IpAddr::V6),
        _ => return Err(Flaw::broken("bad connection family")),
    };
    address.ok_or(Flaw::refused("connection is no address"))
}

/// Four decimal octets without needless zeroes, as the standard library reads them, at a fraction of its time.
fn dotted(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut rest = text;
    for (index, octet) in octets.iter_mut().enumerate() {
        if index > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        let before = rest;
        *octet = u8::try_from(take_digits(&mut rest)?).ok()?;
        let digits = before.len() - rest.len();
        if digits > 3 || (digits > 1 && before[0] == b'0') {
            return None;
        }
    }
    rest.is_empty().then_some(Ipv4Addr::from(octets))
}

/// May media never be sent to this address? True for our own addresses, multicast, broadcast, and 0/8 (or `::`).
/// Loopback is not among them: a switch that serves it does so on purpose, and lists it in `own` otherwise.
#[must_use]
pub fn address_refused(address: IpAddr, own: &[IpAddr]) -> bool {
    let address = address.to_canonical();
    if own.iter().any(|own| own.to_canonical() == address) {
        return true;
    }
    match address {
        IpAddr::V4(address) => address.is_multicast() || address.is_broadcast() || address.octets()[0] == 0,
        IpAddr::V6(address) => address.is_multicast() || address.is_unspecified(),
    }
}
