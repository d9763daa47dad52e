//! The session description out of a body of several parts (RFC 2046 §5.1, RFC 5621).

use crate::flaw::{Flaw, FlawKind};
use crate::lex;

/// Parts that are looked at; a body of more is refused.
pub const PARTS_MAX: usize = 8;
/// How deep bodies of several parts stand within each other at most; a deeper one is refused.
pub const DEPTH_MAX: usize = 3;
/// RFC 2046 §5.1.1: a boundary has 1 to 70 characters.
const BOUNDARY_BYTES_MAX: usize = 70;

const BAD: Flaw = Flaw::bad(FlawKind::Length, "Bad Multipart Body");
const NOT_OURS: Flaw = Flaw { status: 415, reason: "Unsupported Media Type", kind: FlawKind::Header };

/// What a body or a part of one is for, by its Content-Disposition (RFC 3261 §20.11).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Disposition {
    /// A session description here is that of the call; `early-session` (RFC 3959), `render` and their like say otherwise.
    pub is_main: bool,
    /// Whoever does not understand it must refuse the message; `None` if nothing was said.
    pub is_required: Option<bool>,
}

impl Disposition {
    /// Of a header's value, if there is that header.
    #[must_use]
    pub fn of(value: Option<&[u8]>) -> Disposition {
        let Some(value) = value else { return Disposition { is_main: true, is_required: None } };
        let (kind, params) = value.split_at(memchr::memchr(b';', value).unwrap_or(value.len()));
        let handling = lex::param(params, b"handling").flatten();
        // RFC 3261 §20.11: required, unless it says otherwise.
        let is_required = Some(!handling.is_some_and(|handling| handling.eq_ignore_ascii_case(b"optional")));
        Disposition { is_main: lex::trim(kind).eq_ignore_ascii_case(b"session"), is_required }
    }
}

/// The part of type `application/sdp` that is of the call: the first one, of alternatives the last (RFC 2046 §5.1.4), also within a part
/// that has parts itself. `None` when the Content-Type is no multipart, or no part is one.
///
/// # Errors
/// A boundary that is none or never comes (400); more than [`PARTS_MAX`] parts or [`DEPTH_MAX`] levels, or another part that must be
/// understood: one with a Content-Disposition that does not say `handling=optional` (RFC 5621 §3.2): 415.
pub fn sdp<'a>(content_type: &[u8], body: &'a [u8]) -> Result<Option<&'a [u8]>, Flaw> {
    let mut left = PARTS_MAX;
    within(content_type, body, DEPTH_MAX, &mut left)
}

/// The same in a body that stands within others: `left` parts are looked at.
fn within<'a>(kind: &[u8], body: &'a [u8], depth: usize, left: &mut usize) -> Result<Option<&'a [u8]>, Flaw> {
    let Some(boundary) = boundary(kind)? else { return Ok(None) };
    let depth = depth.checked_sub(1).ok_or(NOT_OURS)?;
    let alternative = base(kind).eq_ignore_ascii_case(b"multipart/alternative");
    let (_, mut rest) = split(body, boundary).ok_or(BAD)?;
    let mut found = None;
    // RFC 2046 §5.1.1: two hyphens after the boundary end the last part.
    while !rest.starts_with(b"--") {
        *left = left.checked_sub(1).ok_or(NOT_OURS)?;
        let line = memchr::memmem::find(rest, b"\r\n").ok_or(BAD)?;
        let (part, after) = split(&rest[line..], boundary).ok_or(BAD)?;
        rest = after;
        match understood(part, depth, left) {
            Ok(Some(bytes)) if alternative || found.is_none() => found = Some(bytes),
            // An alternative that is not understood is none.
            Err(flaw) if !alternative || flaw.status != NOT_OURS.status => return Err(flaw),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(found)
}

/// The description that one part is, or that stands in it.
fn understood<'a>(part: &'a [u8], depth: usize, left: &mut usize) -> Result<Option<&'a [u8]>, Flaw> {
    let (kind, disposition, bytes) = read(part)?;
    let found = match disposition.is_main {
        true if base(kind).eq_ignore_ascii_case(b"application/sdp") => Some(bytes),
        true => within(kind, bytes, depth, left)?,
        false => None,
    };
    if found.is_none() && disposition.is_required == Some(true) { Err(NOT_OURS) } else { Ok(found) }
}

/// A media type without its parameters.
fn base(kind: &[u8]) -> &[u8] {
    lex::trim(&kind[..memchr::memchr(b';', kind).unwrap_or(kind.len())])
}

/// The boundary of a multipart type; `None` for any other type.
fn boundary(content_type: &[u8]) -> Result<Option<&[u8]>, Flaw> {
    let end = memchr::memchr(b';', content_type).unwrap_or(content_type.len());
    if !base(content_type).get(..10).is_some_and(|head| head.eq_ignore_ascii_case(b"multipart/")) {
        return Ok(None);
    }
    let value = lex::param(&content_type[end..], b"boundary").flatten().ok_or(BAD)?;
    let bare = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
    if bare.is_empty() || bare.len() > BOUNDARY_BYTES_MAX { Err(BAD) } else { Ok(Some(bare)) }
}

/// What stands before the next delimiter line, and what after its boundary. A boundary that only begins with ours is that of parts within a
/// part.
fn split<'a>(text: &'a [u8], boundary: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    memchr::memmem::find_iter(text, boundary).find_map(|at| {
        let head = text[..at].strip_suffix(b"--")?;
        let before = if head.is_empty() { head } else { head.strip_suffix(b"\r\n")? };
        let after = &text[at + boundary.len()..];
        let ends = after.starts_with(b"--") || matches!(after.first(), Some(b' ' | b'\t' | b'\r'));
        ends.then_some((before, after))
    })
}

/// Type, purpose and bytes of a part; it begins with the end of its delimiter line.
fn read(part: &[u8]) -> Result<(&[u8], Disposition, &[u8]), Flaw> {
    let head_end = memchr::memmem::find(part, b"\r\n\r\n").ok_or(BAD)?;
    let (mut kind, mut disposition) = (&b"text/plain"[..], Disposition::of(None));
    let mut lines = &part[..head_end];
    while let Some(rest) = lines.strip_prefix(b"\r\n") {
        let end = memchr::memmem::find(rest, b"\r\n").unwrap_or(rest.len());
        let line = &rest[..end];
        lines = &rest[end..];
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (lex::trim(&line[..colon]), lex::trim(&line[colon + 1..]));
        if name.eq_ignore_ascii_case(b"Content-Type") {
            kind = value;
        } else if name.eq_ignore_ascii_case(b"Content-Disposition") {
            disposition = Disposition::of(Some(value));
        }
    }
    Ok((kind, disposition, &part[head_end + 4..]))
}
