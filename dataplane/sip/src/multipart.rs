//! The session description out of a body of several parts (RFC 2046 §5.1, RFC 5621).

use crate::flaw::{Flaw, FlawKind};
use crate::lex;

/// Parts that are looked at; a body of more is refused.
pub const PARTS_MAX: usize = 8;
/// RFC 2046 §5.1.1: a boundary has 1 to 70 characters.
const BOUNDARY_BYTES_MAX: usize = 70;

const BAD: Flaw = Flaw::bad(FlawKind::Length, "Bad Multipart Body");
const NOT_OURS: Flaw = Flaw { status: 415, reason: "Unsupported Media Type", kind: FlawKind::Header };

/// The first part of type `application/sdp`. `None` when the Content-Type is no multipart, or no part is one.
///
/// # Errors
/// A boundary that is none or never comes (400); more than [`PARTS_MAX`] parts, or one of another type that the sender says must
/// be understood (`handling=required`, RFC 5621 §3.2): 415.
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
        let (kind, required, bytes) = read(part)?;
        if kind.eq_ignore_ascii_case(b"application/sdp") {
            found = found.or(Some(bytes));
        } else if required {
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

/// Type, whether it must be understood, and bytes of a part; it begins with the end of its delimiter line.
fn read(part: &[u8]) -> Result<(&[u8], bool, &[u8]), Flaw> {
    let head_end = memchr::memmem::find(part, b"\r\n\r\n").ok_or(BAD)?;
    let (mut kind, mut required) = (&b"text/plain"[..], false);
    let mut lines = &part[..head_end];
    while let Some(rest) = lines.strip_prefix(b"\r\n") {
        let end = memchr::memmem::find(rest, b"\r\n").unwrap_or(rest.len());
        let line = &rest[..end];
        lines = &rest[end..];
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (lex::trim(&line[..colon]), lex::trim(&line[colon + 1..]));
        let semicolon = memchr::memchr(b';', value).unwrap_or(value.len());
        if name.eq_ignore_ascii_case(b"Content-Type") {
            kind = lex::trim(&value[..semicolon]);
        } else if name.eq_ignore_ascii_case(b"Content-Disposition") {
            let handling = lex::param(&value[semicolon..], b"handling").flatten();
            required = handling.is_some_and(|handling| handling.eq_ignore_ascii_case(b"required"));
        }
    }
    Ok((kind, required, &part[head_end + 4..]))
}
