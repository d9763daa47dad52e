//! The answer to a request that is too broken to be a message.

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::{Printer, TopVia, unfold};
use crate::address::Address;
use crate::lex;
use crate::message::{HEADERS_MAX, MESSAGE_BYTES_MAX};
use crate::name::Name;
use crate::parse;
use crate::via::Via;

/// The largest refusal in bytes; a request whose headers would make a larger one gets none.
pub const REFUSAL_BYTES_MAX: usize = 4_096;

/// What a response must carry, as far as it can be found.
#[derive(Default)]
struct Found<'a> {
    from: Option<&'a [u8]>,
    to: Option<&'a [u8]>,
    call_id: Option<&'a [u8]>,
    cseq: Option<&'a [u8]>,
    via_at: usize,
    vias: usize,
}

/// Appends a response to a flawed request when its Via and CSeq can be found at all, with From, To and Call-ID as far as they are
/// there; says whether it did. Never answers a response, an ACK (RFC 3261 §17.1.1.3), or what is no SIP.
pub fn refusal(bytes: &[u8], status: u16, reason: &str, source: SocketAddr, to_tag: &[u8], out: &mut Vec<u8>) -> bool {
    refuse(bytes, (status, reason, None), source, to_tag, out)
}

/// The same for a request that is refused because there is no time to read it: 503, to be tried again after so many seconds.
pub fn turn_away(bytes: &[u8], retry_after_s: u64, source: SocketAddr, to_tag: &[u8], out: &mut Vec<u8>) -> bool {
    refuse(bytes, (503, "Service Unavailable", Some(retry_after_s)), source, to_tag, out)
}

/// Status, reason and Retry-After of a refusal.
type Why<'w> = (u16, &'w str, Option<u64>);

fn refuse(bytes: &[u8], why: Why<'_>, source: SocketAddr, to_tag: &[u8], out: &mut Vec<u8>) -> bool {
    let text = &bytes[parse::empty_lines(bytes)..];
    let Some(head) = request_head(text) else { return false };
    let Some(found) = find(text, head) else { return false };
    let Some(cseq) = found.cseq.filter(|_| found.vias > 0) else { return false };
    let begin = out.len();
    let mut printer = Printer::response(out, why.0, why.1);
    vias(&mut printer, text, found.via_at, source);
    // RFC 4475 §3.3.1: what the request lacks, its refusal lacks as well; Via and CSeq tell the sender which one is meant.
    if let Some(from) = found.from {
        printer.copy(Name::From, from);
    }
    if let Some(to) = found.to {
        let tagged = Address::parse(to).map_or(true, |to| to.tag().is_some());
        printer.to(to, if tagged { b"" } else { to_tag });
    }
    if let Some(call_id) = found.call_id {
        printer.copy(Name::CallId, call_id);
    }
    printer.copy(Name::CSeq, cseq);
    if let Some(seconds) = why.2 {
        printer.number(Name::RetryAfter, seconds);
    }
    printer.finish_empty();
    if out.len() - begin > REFUSAL_BYTES_MAX {
        out.truncate(begin);
        return false;
    }
    true
}

/// Where the headers of a request begin; nothing for a response, an ACK, or a first line that is not SIP's.
fn request_head(text: &[u8]) -> Option<usize> {
    if text.len() > MESSAGE_BYTES_MAX {
        return None;
    }
    let end = parse::line_end(text, 0).ok()?;
    let line = &text[..end];
    let space = memchr::memchr(b' ', line)?;
    let version = lex::trim(line).iter().rposition(|byte| *byte == b' ')?;
    let sip = lex::trim(line).get(version + 1..version + 5)?.eq_ignore_ascii_case(b"SIP/");
    (sip && lex::is_token(&line[..space]) && &line[..space] != b"ACK").then_some(end + 2)
}

/// Looks through the headers as far as they can be read.
fn find(text: &[u8], head: usize) -> Option<Found<'_>> {
    let mut found = Found { via_at: head, ..Found::default() };
    let mut at = head;
    for _ in 0..HEADERS_MAX {
        let Ok(Some(line)) = parse::header_line(text, at) else { break };
        let value = &text[line.value_at..line.value_end];
        match line.name {
            Name::Via => found.vias += 1,
            Name::From => found.from = found.from.or(Some(value)),
            Name::To => found.to = found.to.or(Some(value)),
            Name::CallId => found.call_id = found.call_id.or(parse::call_id(value).ok()),
            // An ACK is not answered, whatever its request line says.
            Name::CSeq if value.ends_with(b"ACK") => return None,
            Name::CSeq => found.cseq = found.cseq.or(Some(value)),
            _ => {}
        }
        at = line.next;
    }
    Some(found)
}

fn vias(printer: &mut Printer<'_>, text: &[u8], head: usize, source: SocketAddr) {
    let mut at = head;
    let mut is_top = true;
    for _ in 0..HEADERS_MAX {
        let Ok(Some(line)) = parse::header_line(text, at) else { break };
        if line.name == Name::Via {
            for element in lex::elements(&text[line.value_at..line.value_end]) {
                match Via::parse(element) {
                    Ok(via) if is_top => printer.top_via(&TopVia::of(&via), source),
                    _ => {
                        printer.name(Name::Via);
                        unfold(printer.out, element);
                        printer.out.extend_from_slice(b"\r\n");
                    }
                }
                is_top = false;
            }
        }
        at = line.next;
    }
}
