//! One message out of the bytes of one datagram. Allocates nothing; every byte sequence gives a message or a flaw.

use crate::address::Address;
use crate::dialog::{self, DIALOG_BYTES_MAX};
use crate::flaw::{Flaw, FlawKind};
use crate::lex;
use crate::message::{CSeq, Fields, HEADERS_MAX, MESSAGE_BYTES_MAX, Message, Place, Start};
use crate::method::Method;
use crate::name::{self, Name};
use crate::uri::{Scheme, Uri};
use crate::via::Via;

const TOO_LARGE: Flaw = Flaw { status: 513, reason: "Message Too Large", kind: FlawKind::Bound };
const TOO_MANY: Flaw = Flaw { status: 513, reason: "Too Many Headers", kind: FlawKind::Bound };
const BAD_START: Flaw = Flaw::bad(FlawKind::StartLine, "Bad Start Line");
const BAD_VERSION: Flaw = Flaw { status: 505, reason: "Version Not Supported", kind: FlawKind::Version };
const BAD_SCHEME: Flaw = Flaw { status: 416, reason: "Unsupported URI Scheme", kind: FlawKind::Scheme };
const BAD_HEADER: Flaw = Flaw::header("Bad Header");
const BAD_LINE_END: Flaw = Flaw::header("Bad Line End");
const BAD_LENGTH: Flaw = Flaw::bad(FlawKind::Length, "Bad Content-Length");

/// RFC 3261 §8.1.1.5: the sequence number is less than 2^31.
const CSEQ_MAX: u64 = (1 << 31) - 1;

/// Reads the message in one datagram, or the one that [`crate::stream::Framer`] cut out of a stream.
///
/// # Errors
/// A flaw with the status that its answer would carry; see [`FlawKind`] for those that get none.
pub fn message(bytes: &[u8]) -> Result<Message<'_>, Flaw> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(TOO_LARGE);
    }
    // RFC 3261 §7.5: empty lines before the start line are ignored.
    let text = &bytes[empty_lines(bytes)..];
    if text.is_empty() {
        return Err(Flaw::bad(FlawKind::KeepAlive, "Keep-Alive"));
    }
    let line_end = line_end(text, 0)?;
    let start = start_line(&text[..line_end])?;
    let mut fields = Fields::EMPTY;
    let head_end = read_fields(text, line_end + 2, &mut fields)?;
    let value = |name: Name| fields.value(text, name);
    let must = |name: Name| value(name).ok_or(missing(name));

    let via = Via::read(must(Name::Via)?)?;
    let from = Address::read(must(Name::From)?)?;
    let to = Address::read(must(Name::To)?)?;
    let call_id = call_id(must(Name::CallId)?)?;
    let cseq = cseq(must(Name::CSeq)?)?;
    let max_forwards = match value(Name::MaxForwards) {
        Some(value) => Some(lex::number(value, 255).ok_or(Flaw::header("Bad Max-Forwards"))? as u8),
        None => None,
    };
    let body = body(text, head_end, value(Name::ContentLength))?;
    check_request(&start, &cseq, &to)?;
    let text = &text[..head_end + body.len()];
    if text.len() > DIALOG_BYTES_MAX {
        return bounded(Message { text, start, fields, via, from, to, call_id, cseq, max_forwards, body });
    }
    Ok(Message { text, start, fields, via, from, to, call_id, cseq, max_forwards, body })
}

/// A long message, if a dialog would not keep too much of it.
#[cold]
#[inline(never)]
fn bounded(message: Message<'_>) -> Result<Message<'_>, Flaw> {
    if dialog::bytes_kept_of(&message) > DIALOG_BYTES_MAX { Err(TOO_LARGE) } else { Ok(message) }
}

/// How many bytes of CRLF stand at the beginning.
pub(crate) fn empty_lines(bytes: &[u8]) -> usize {
    let mut at = 0;
    while bytes[at..].starts_with(b"\r\n") {
        at += 2;
    }
    at
}

/// The index of the CRLF that ends the line at `from`. A CR or LF that stands alone is a flaw: what two parsers may
/// read in two ways is refused.
#[inline(always)]
pub(crate) fn line_end(text: &[u8], from: usize) -> Result<usize, Flaw> {
    let end = lex::line_end(text, from).ok_or(BAD_LINE_END)?;
    if text[end] == b'\r' && text.get(end + 1) == Some(&b'\n') { Ok(end) } else { Err(BAD_LINE_END) }
}

fn start_line(line: &[u8]) -> Result<Start<'_>, Flaw> {
    if let Some(rest) = line.strip_prefix(b"SIP/") {
        return status_line(rest);
    }
    // RFC 3261 §7.1: one space between the three parts, none anywhere else.
    let space = memchr::memchr(b' ', line).ok_or(BAD_START)?;
    let (method_text, rest) = (&line[..space], &line[space + 1..]);
    let space = memchr::memchr(b' ', rest).ok_or(BAD_START)?;
    let (uri, version) = (&rest[..space], &rest[space + 1..]);
    if !lex::is_token(method_text) || uri.is_empty() {
        return Err(BAD_START);
    }
    if version != b"SIP/2.0" && !version.eq_ignore_ascii_case(b"SIP/2.0") {
        return Err(if is_other_version(version) { BAD_VERSION } else { BAD_START });
    }
    Ok(Start::Request { method: Method::from_bytes(method_text), method_text, uri })
}

fn is_other_version(text: &[u8]) -> bool {
    let Some((head, tail)) = text.split_at_checked(4) else { return false };
    head.eq_ignore_ascii_case(b"SIP/") && tail.contains(&b'.') && tail.iter().all(|b| b.is_ascii_digit() || *b == b'.')
}

/// Everything after `SIP/` of a status line; the reason may be empty (RFC 4475 §3.1.1.13).
fn status_line(rest: &[u8]) -> Result<Start<'_>, Flaw> {
    let rest = rest.strip_prefix(b"2.0 ").ok_or(BAD_VERSION)?;
    let (code, reason) = rest.split_at_checked(3).ok_or(BAD_START)?;
    let status = lex::number(code, 699).filter(|status| *status >= 100).ok_or(BAD_START)? as u16;
    match reason.split_first() {
        None => Ok(Start::Response { status, reason }),
        Some((b' ', reason)) => Ok(Start::Response { status, reason }),
        Some(_) => Err(BAD_START),
    }
}

/// One header line with its folds.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub name: Name,
    pub at: usize,
    pub name_end: usize,
    pub value_at: usize,
    pub value_end: usize,
    /// Where the next line begins.
    pub next: usize,
}

/// Reads the header that begins at `at`; `None` at the empty line that ends the headers.
pub(crate) fn header_line(text: &[u8], at: usize) -> Result<Option<Line>, Flaw> {
    read_line(text, at)
}

/// Inlined where every header of every message is read.
#[inline(always)]
fn read_line(text: &[u8], at: usize) -> Result<Option<Line>, Flaw> {
    let mut end = line_end(text, at)?;
    if end == at {
        return Ok(None);
    }
    // RFC 3261 §7.3.1: a line that begins with white space goes on with the one before.
    while matches!(text.get(end + 2), Some(b' ' | b'\t')) {
        end = line_end(text, end + 2)?;
    }
    let (name, name_end, colon) = match Name::before_colon(&text[at..]) {
        Some((name, length)) => (name, at + length, at + length),
        None => odd_name(text, at, end)?,
    };
    let (mut value_at, mut value_end) = (colon + 1, end);
    while value_at < end && lex::is_space(text[value_at]) {
        value_at += 1;
    }
    while value_end > value_at && lex::is_space(text[value_end - 1]) {
        value_end -= 1;
    }
    Ok(Some(Line { name, at, name_end, value_at, value_end, next: end + 2 }))
}

/// A name that we do not know, or one that has white space behind it; its end and its colon.
fn odd_name(text: &[u8], at: usize, end: usize) -> Result<(Name, usize, usize), Flaw> {
    let name_end = lex::token_end(&text[..end], at);
    let mut colon = name_end;
    // RFC 3261 §25.1: HCOLON allows white space before the colon, but no fold.
    while matches!(text[colon], b' ' | b'\t') {
        colon += 1;
    }
    if name_end == at || text[colon] != b':' {
        return Err(BAD_HEADER);
    }
    Ok((Name::from_bytes(&text[at..name_end]), name_end, colon))
}

/// All headers, and where the body begins.
#[inline]
fn read_fields(text: &[u8], mut at: usize, fields: &mut Fields) -> Result<usize, Flaw> {
    let mut last: [Place; name::COUNT] = [0; name::COUNT];
    let mut count = 0;
    while let Some(line) = read_line(text, at)? {
        count += 1;
        if count > HEADERS_MAX {
            return Err(TOO_MANY);
        }
        let before = last[line.name as usize];
        if before != 0 && line.name.once() {
            // RFC 4475 §3.3.8 and §3.3.9; twin lengths are how requests are smuggled.
            return Err(Flaw::bad(FlawKind::Twin, "Header Stands Twice"));
        }
        last[line.name as usize] = count as Place;
        fields.add(line, before);
        at = line.next;
    }
    Ok(at + 2)
}

fn missing(name: Name) -> Flaw {
    let reason = match name {
        Name::Via => "Missing Via",
        Name::From => "Missing From",
        Name::To => "Missing To",
        Name::CallId => "Missing Call-ID",
        _ => "Missing CSeq",
    };
    Flaw::bad(FlawKind::Missing, reason)
}

pub(crate) fn call_id(value: &[u8]) -> Result<&[u8], Flaw> {
    // Without a branch for each byte, so that sixteen are looked at together.
    let bad = value.iter().fold(false, |any, byte| any | (*byte <= b' ') | (*byte == 0x7F));
    if value.is_empty() || bad {
        return Err(Flaw::header("Bad Call-ID"));
    }
    Ok(value)
}

pub(crate) fn cseq(value: &[u8]) -> Result<CSeq<'_>, Flaw> {
    const BAD: Flaw = Flaw::header("Bad CSeq");
    let end = value.iter().position(|byte| lex::is_space(*byte)).ok_or(BAD)?;
    let number = lex::number(&value[..end], CSEQ_MAX).ok_or(BAD)? as u32;
    let method_text = lex::trim_start(&value[end..]);
    if lex::is_token(method_text) {
        Ok(CSeq { number, method: Method::from_bytes(method_text), method_text })
    } else {
        Err(BAD)
    }
}

/// RFC 3261 §18.3: without Content-Length the body reaches to the end of the datagram.
fn body<'a>(text: &'a [u8], head_end: usize, length: Option<&[u8]>) -> Result<&'a [u8], Flaw> {
    let rest = &text[head_end..];
    let Some(length) = length else { return Ok(rest) };
    let length = lex::number(length, u64::from(u32::MAX)).ok_or(BAD_LENGTH)? as usize;
    rest.get(..length).ok_or(Flaw::bad(FlawKind::Length, "Body Shorter Than Content-Length"))
}

/// What the parts of a request must say together.
fn check_request(start: &Start<'_>, cseq: &CSeq<'_>, to: &Address<'_>) -> Result<(), Flaw> {
    let Start::Request { method, method_text, uri } = *start else { return Ok(()) };
    if method_text != cseq.method_text {
        return Err(Flaw::bad(FlawKind::Mismatch, "CSeq Method Mismatch"));
    }
    if Uri::parse(uri)?.scheme == Scheme::Other {
        return Err(BAD_SCHEME);
    }
    // RFC 3261 §10.3 item 5 and RFC 4475 §3.3.11: the address of record is a SIP or SIPS URI.
    if method == Method::Register && !matches!(to.uri()?.scheme, Scheme::Sip | Scheme::Sips) {
        return Err(Flaw::header("Address Of Record Is No SIP URI"));
    }
    Ok(())
}
