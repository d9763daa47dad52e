//! SIP, SIPS and TEL addresses: RFC 3261 §19.1, RFC 3966.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str;

use crate::flaw::{Flaw, FlawKind};
use crate::lex;

/// The longest user part that [`Uri::number`] unescapes; longer ones are no number.
pub const NUMBER_BYTES_MAX: usize = 64;

/// The scheme of a URI.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Anything else; host and user are not looked at.
    Other,
}

/// One parsed URI. All texts are as written, still percent-escaped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Uri<'a> {
    /// The scheme.
    pub scheme: Scheme,
    /// The user part without the password, with its own `;parameters`; for `tel:` the subscriber number. Empty when absent.
    pub user: &'a [u8],
    /// Host name, IPv4 address, or IPv6 address without its brackets; empty for `tel:` and other schemes.
    pub host: &'a [u8],
    /// The port, if one is given.
    pub port: Option<u16>,
    /// The parameters, beginning with their semicolon, or empty.
    pub params: &'a [u8],
    /// The headers after the question mark, or empty. Nobody should act on them without need.
    pub headers: &'a [u8],
}

/// A user part with its escapes undone: no NUL, no control character, no escape is left in it.
#[derive(Clone, Copy)]
pub struct Number {
    bytes: [u8; NUMBER_BYTES_MAX],
    length: usize,
}

impl Number {
    const EMPTY: Number = Number { bytes: [0; NUMBER_BYTES_MAX], length: 0 };

    /// The bytes; every one of them is a printable ASCII character other than space, or above 0x7F.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn push(&mut self, byte: u8) -> Option<()> {
        if byte <= b' ' || byte == 0x7F {
            return None;
        }
        *self.bytes.get_mut(self.length)? = byte;
        self.length += 1;
        Some(())
    }
}

impl core::fmt::Debug for Number {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Number({})", self.as_bytes().escape_ascii())
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Number {}

const BAD_URI: Flaw = Flaw::header("bad URI");

impl<'a> Uri<'a> {
    /// Reads a URI that stands alone: no angle brackets, no white space.
    ///
    /// # Errors
    /// No scheme; white space, control characters, quotes or angle brackets anywhere; a host or port that is none.
    pub fn parse(text: &'a [u8]) -> Result<Uri<'a>, Flaw> {
        if !lex::is_uri_text(text) {
            return Err(BAD_URI);
        }
        let colon = memchr::memchr(b':', text).ok_or(BAD_URI)?;
        let (scheme, rest) = (&text[..colon], &text[colon + 1..]);
        if scheme.eq_ignore_ascii_case(b"sip") {
            return sip(Scheme::Sip, rest);
        }
        if scheme.eq_ignore_ascii_case(b"sips") {
            return sip(Scheme::Sips, rest);
        }
        if scheme.eq_ignore_ascii_case(b"tel") {
            return tel(rest);
        }
        // RFC 3986 §3.1: a letter, then letters, digits, plus, minus, dot.
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        if !scheme.first().is_some_and(u8::is_ascii_alphabetic) || !scheme.iter().all(fits) {
            return Err(BAD_URI);
        }
        Ok(Uri { scheme: Scheme::Other, user: b"", host: b"", port: None, params: b"", headers: b"" })
    }

    /// The host as an address, when it is one and not a name.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        host_address(self.host)
    }

    /// The value of a URI parameter: `Some(None)` for a bare name.
    #[must_use]
    pub fn param(&self, name: &[u8]) -> Option<Option<&'a [u8]>> {
        lex::param(self.params, name)
    }

    /// The dialled or calling number: the user part up to its own parameters with the escapes undone; for `tel:` and
    /// `user=phone`, and where [`units::has_separators`] knows a telephone number, without visual separators (RFC 3966 §5.1.1). A
    /// local number whose `phone-context` begins with `+` has that in front; one that names a domain is a number as it was dialled.
    /// `None` when there is no user part, it is longer than [`NUMBER_BYTES_MAX`], or it holds a control character, a space or a
    /// broken escape.
    #[must_use]
    pub fn number(&self) -> Option<Number> {
        let phone = self.scheme == Scheme::Tel || self.param(b"user").flatten() == Some(b"phone");
        let end = memchr::memchr(b';', self.user).unwrap_or(self.user.len());
        let number = unescaped(&self.user[..end], phone)?;
        let separated = !phone && units::has_separators(number.as_bytes());
        let number = if separated { unescaped(number.as_bytes(), true)? } else { number };
        in_context(number, self.number_params(), b"phone-context")
    }

    /// The location routing number of a ported destination (RFC 4694 §4: `rn`, with `+` or with an `rn-context` that is put in front)
    /// without visual separators. It stands beside the number: in `sip:` within the user part, in `tel:` among the parameters.
    /// `None` without one, and where [`Uri::number`] would have none.
    #[must_use]
    pub fn routing_number(&self) -> Option<Number> {
        let params = self.number_params();
        let number = unescaped(lex::param(params, b"rn").flatten()?, true)?;
        in_context(number, params, b"rn-context")
    }

    /// What stands beside the number: in `sip:` within the user part, in `tel:` among the parameters.
    fn number_params(&self) -> &'a [u8] {
        match self.scheme {
            Scheme::Tel => self.params,
            Scheme::Sip | Scheme::Sips => &self.user[memchr::memchr(b';', self.user).unwrap_or(self.user.len())..],
            Scheme::Other => b"",
        }
    }
}

/// RFC 3966 §5.1.5: a local number means something within its context. What is priced is then the number of that context, never a
/// number of some other country that happens to begin alike.
fn in_context(number: Number, params: &[u8], name: &[u8]) -> Option<Number> {
    let global =
        |text: &&[u8]| text.starts_with(b"+") || text.get(..3).is_some_and(|plus| plus.eq_ignore_ascii_case(b"%2B"));
    let context = lex::param(params, name).flatten().filter(global);
    let Some(context) = context.filter(|_| !number.as_bytes().starts_with(b"+")) else { return Some(number) };
    let mut whole = unescaped(context, true)?;
    // RFC 3966 §3: global-number-digits.
    if !whole.as_bytes()[1..].iter().all(u8::is_ascii_digit) {
        return None;
    }
    number.as_bytes().iter().try_for_each(|byte| whole.push(*byte))?;
    Some(whole)
}

/// A text without escapes, and without visual separators (RFC 3966 §5.1.1) if it is a telephone number.
fn unescaped(mut rest: &[u8], phone: bool) -> Option<Number> {
    let mut number = Number::EMPTY;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let byte = if first == b'%' {
            let (high, low) = (*rest.first()?, *rest.get(1)?);
            rest = &rest[2..];
            (char::from(high).to_digit(16)? * 16 + char::from(low).to_digit(16)?) as u8
        } else {
            first
        };
        if !(phone && matches!(byte, b'-' | b'.' | b'(' | b')')) {
            number.push(byte)?;
        }
    }
    (number.length > 0).then_some(number)
}

fn sip(scheme: Scheme, rest: &[u8]) -> Result<Uri<'_>, Flaw> {
    // Most are so short that looking at each byte once is cheaper than a search for each sign.
    let (mut at, mut colon, mut end, mut mark) = (None, None, None, None);
    for (place, byte) in rest.iter().enumerate() {
        match byte {
            // RFC 3261 §25.1: an @ cannot stand unescaped in user, host, parameters or headers, so there is one at most.
            b'@' if at.is_some() || place == 0 => return Err(BAD_URI),
            b'@' => (at, end, mark) = (Some(place), None, None),
            b':' if at.is_none() && colon.is_none() => colon = Some(place),
            b';' if end.is_none() => end = Some(place),
            b'?' if mark.is_none() => (end, mark) = (end.or(Some(place)), Some(place)),
            _ => {}
        }
    }
    let (user, begin) = match at {
        Some(at) => (&rest[..colon.unwrap_or(at)], at + 1),
        None => (&rest[..0], 0),
    };
    let end = end.unwrap_or(rest.len());
    let (host, port) = host_port(&rest[begin..end])?;
    let (params, headers) = match mark {
        Some(mark) => (&rest[end..mark], &rest[mark + 1..]),
        None => (&rest[end..], &rest[..0]),
    };
    Ok(Uri { scheme, user, host, port, params, headers })
}

fn tel(rest: &[u8]) -> Result<Uri<'_>, Flaw> {
    let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
    if end == 0 {
        return Err(BAD_URI);
    }
    let (user, params) = rest.split_at(end);
    Ok(Uri { scheme: Scheme::Tel, user, host: b"", port: None, params, headers: b"" })
}

/// Characters of a host name, an IPv4 address among them.
static HOST: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        table[at] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        at += 1;
    }
    table
};

/// Splits `host[:port]`; the brackets of an IPv6 reference are taken off (RFC 5118 §4.1 to §4.5).
///
/// # Errors
/// An empty or impossible host, an IPv6 address without brackets, a port outside 1..=65535.
pub fn host_port(text: &[u8]) -> Result<(&[u8], Option<u16>), Flaw> {
    const BAD_HOST: Flaw = Flaw::header("bad host");
    let (host, rest) = if let Some(inner) = text.strip_prefix(b"[") {
        let end = memchr::memchr(b']', inner).ok_or(BAD_HOST)?;
        let host = &inner[..end];
        if !host.contains(&b':') || !host.iter().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(byte)) {
            return Err(BAD_HOST);
        }
        (host, &inner[end + 1..])
    } else {
        let end = text.iter().position(|byte| !HOST[usize::from(*byte)]).unwrap_or(text.len());
        if end == 0 {
            return Err(BAD_HOST);
        }
        text.split_at(end)
    };
    // White space around the colon is allowed in Via (RFC 3261 §25.1, COLON).
    let Some((b':', port)) = lex::trim(rest).split_first() else {
        return if rest.is_empty() { Ok((host, None)) } else { Err(BAD_HOST) };
    };
    match lex::number(lex::trim_start(port), u64::from(u16::MAX)) {
        Some(port) if port > 0 => Ok((host, Some(port as u16))),
        _ => Err(Flaw::bad(FlawKind::Header, "bad port")),
    }
}

/// True for a URI that a request may be addressed to: one that can be read, of a scheme that SIP knows.
#[must_use]
pub fn is_addressable(uri: &[u8]) -> bool {
    Uri::parse(uri).is_ok_and(|uri| uri.scheme != Scheme::Other)
}

/// True for a URI that is reached over TLS alone: one of the scheme `sips` (RFC 3261 §26.2.2).
#[must_use]
pub fn is_secure(uri: &[u8]) -> bool {
    uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"sips:"))
}

/// The address that a host text is, when it is one: dotted IPv4, or IPv6 with or without brackets.
#[must_use]
pub fn host_address(host: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(host).ok()?;
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(IpAddr::V4(address));
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}
