//! The session description out of a body of several parts (RFC 2046 §5.1, RFC 5621).

use crate::flaw::{Flaw, FlawKind};
use crate::lex;

/// Parts that are looked at; a body of more is refused.
pub const PARTS_MAX: usize = 8;
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

/// The first part of type `application/sdp` that is of the call. `None` when the Content-Type is no multipart, or no part is one.
///
/// # Errors
/// A boundary that is none or never comes (400); more than [`PARTS_MAX`] parts, or another one that must be understood: one with a
/// Content-Disposition that does not say `handling=optional` (RFC 5621 §3.2): 415.
pub fn sdp<'a>(content_type: &[u8], body: &'a [u8]) -> Result<Option<&'a [u8]>, Flaw> {
    let Some(boundary) = boundary(content_type)? else { return Ok(None) };
    let (_, mut rest) = split(body, boundary).ok_or(BAD)?;
    let mut found = None;
    for _ in 0..=PARTS_MAX {
        // RFC 2046 §5.1.1: two hyphens after the boundary end the last part.
        if rest.starts_with(b"--") {
            return Ok(found);
        }
        let line = memchr::memmem::find(rest, b"\r\n").ok_or(BAD)?;
        let (part, after) = split(&rest[line..], boundary).ok_or(BAD)?;
        rest = after;
        let (kind, disposition, bytes) = read(part)?;
        if kind.eq_ignore_ascii_case(b"application/sdp") && disposition.is_main {
            found = found.or(Some(bytes));
        } else if disposition.is_required == Some(true) {
            return Err(NOT_OURS);
        }
    }
    Err(NOT_OURS)
}

/// The boundary of a multipart type; `None` for any other type.
fn boundary(content_type: &[u8]) -> Result<Option<&[u8]>, Flaw> {
    let end = memchr::memchr(b';', content_type).unwrap_or(content_type.len());
    let base = lex::trim(&content_type[..end]);
    if !base.get(..10).is_some_and(|head| head.eq_ignore_ascii_case(b"multipart/")) {
        return Ok(None);
    }
    let value = lex::param(&content_type[end..], b"boundary").flatten().ok_or(BAD)?;
    let bare = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
    if bare.is_empty() || bare.len() > BOUNDARY_BYTES_MAX { Err(BAD) } else { Ok(Some(bare)) }
}

/// What stands before the next delimiter line, and what after its boundary.
fn split<'a>(text: &'a [u8], boundary: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    memchr::memmem::find_iter(text, boundary).find_map(|at| {
        let head = text[..at].strip_suffix(b"--")?;
        let before = if head.is_empty() { head } else { head.strip_suffix(b"\r\n")? };
        Some((before, &text[at + boundary.len()..]))
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
            kind = lex::trim(&value[..memchr::memchr(b';', value).unwrap_or(value.len())]);
        } else if name.eq_ignore_ascii_case(b"Content-Disposition") {
            disposition = Disposition::of(Some(value));
        }
    }
    Ok((kind, disposition, &part[head_end + 4..]))
}
