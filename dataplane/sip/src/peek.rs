//! What can be known of a message without reading all of it: enough to turn it away cheaply when there is no time for more.

use crate::address::Address;
use crate::name::Name;
use crate::parse;
use crate::via::Via;

/// What names a request's call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Peek<'a> {
    /// The method as written.
    pub method: &'a [u8],
    /// The topmost Via: where the answer goes.
    pub via: Via<'a>,
    /// Call-ID.
    pub call_id: &'a [u8],
    /// The tag of From; empty when absent.
    pub from_tag: &'a [u8],
    /// The tag of To.
    pub to_tag: Option<&'a [u8]>,
}

impl<'a> Peek<'a> {
    /// Looks at a request as far as its Via, From, To and Call-ID. `None` for a response, and when something stands in the way: then the
    /// whole has to be read.
    #[must_use]
    pub fn request(bytes: &'a [u8]) -> Option<Peek<'a>> {
        let line_end = parse::line_end(bytes, 0).ok()?;
        let (method, rest) = bytes.split_at(memchr::memchr(b' ', &bytes[..line_end])?);
        if method.starts_with(b"SIP/") || !rest[..line_end - method.len()].ends_with(b" SIP/2.0") {
            return None;
        }
        let (mut via, mut from, mut to, mut call_id, mut at) = (None, None, None, None, line_end + 2);
        while via.is_none() || from.is_none() || to.is_none() || call_id.is_none() {
            let line = parse::header_line(bytes, at).ok()??;
            let value = &bytes[line.value_at..line.value_end];
            match line.name {
                Name::Via if via.is_none() => via = Some(Via::parse(value).ok()?),
                Name::From => from = Some(value),
                Name::To => to = Some(value),
                Name::CallId => call_id = Some(parse::call_id(value).ok()?),
                _ => {}
            }
            at = line.next;
        }
        let from_tag = Address::parse(from?).ok()?.tag().unwrap_or(b"");
        Some(Peek { method, via: via?, call_id: call_id?, from_tag, to_tag: Address::parse(to?).ok()?.tag() })
    }
}

/// What names the dialog of a message of either kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Glance<'a> {
    /// The status of a response; `None` for a request.
    pub status: Option<u16>,
    /// The method of a request as written; empty for a response.
    pub method: &'a [u8],
    /// Call-ID.
    pub call_id: &'a [u8],
    /// The tag of From; empty when absent.
    pub from_tag: &'a [u8],
    /// The tag of To.
    pub to_tag: Option<&'a [u8]>,
}

impl<'a> Glance<'a> {
    /// Looks at a message as far as its From, To and Call-ID. `None` if one of them cannot be found or read.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Option<Glance<'a>> {
        let bytes = &bytes[parse::empty_lines(bytes)..];
        let line_end = parse::line_end(bytes, 0).ok()?;
        let (method, rest) = bytes[..line_end].split_at(memchr::memchr(b' ', &bytes[..line_end])?);
        let status = match method {
            b"SIP/2.0" => Some(crate::lex::number(rest.get(1..4)?, 699)? as u16),
            _ => None,
        };
        let (mut from, mut to, mut call_id, mut at) = (None, None, None, line_end + 2);
        while from.is_none() || to.is_none() || call_id.is_none() {
            let line = parse::header_line(bytes, at).ok()??;
            let value = &bytes[line.value_at..line.value_end];
            match line.name {
                Name::From => from = Some(value),
                Name::To => to = Some(value),
                Name::CallId => call_id = Some(parse::call_id(value).ok()?),
                _ => {}
            }
            at = line.next;
        }
        Some(Glance {
            status,
            method: if status.is_some() { b"" } else { method },
            call_id: call_id?,
            from_tag: Address::parse(from?).ok()?.tag().unwrap_or(b""),
            to_tag: Address::parse(to?).ok()?.tag(),
        })
    }
}
