//! SIP as a load generator needs it: templates out, and a reader that knows a dozen headers. It shares nothing with the switch's own
//! parser and printer, so that the two can disagree.

use alloc::string::String;
use core::fmt::Write;
use core::net::{IpAddr, SocketAddr};

use crate::text::{before, find, lines, number, split};

/// Lines of one header that a message may have at most; one with more is not read.
const LINES_MAX: usize = 16;

/// The values of a header that may stand on several lines, in their order.
#[derive(Clone, Debug, Default)]
pub struct Lines<'a> {
    list: [&'a str; LINES_MAX],
    count: usize,
}

impl<'a> Lines<'a> {
    fn push(&mut self, value: &'a str) {
        if let Some(place) = self.list.get_mut(self.count) {
            *place = value;
        }
        self.count += 1;
    }
}

impl<'a> core::ops::Deref for Lines<'a> {
    type Target = [&'a str];

    fn deref(&self) -> &[&'a str] {
        &self.list[..self.count.min(LINES_MAX)]
    }
}

/// One datagram, read.
#[derive(Clone, Debug, Default)]
pub struct Message<'a> {
    /// 0 for a request.
    pub status: u16,
    /// The request's method, or that of the CSeq.
    pub method: &'a str,
    /// Every Via line, in order.
    pub vias: Lines<'a>,
    /// From.
    pub from: &'a str,
    /// To.
    pub to: &'a str,
    /// Call-ID.
    pub call_id: &'a str,
    /// CSeq's number.
    pub cseq: u32,
    /// URI of the first Contact.
    pub contact: &'a str,
    /// Every Record-Route line, in order.
    pub record_routes: Lines<'a>,
    /// The request's URI.
    pub uri: &'a str,
    /// The first WWW-Authenticate or Proxy-Authenticate that names MD5, or else the first one.
    pub challenge: &'a str,
    /// Authorization or Proxy-Authorization.
    pub authorization: &'a str,
    /// What follows the empty line.
    pub body: &'a str,
    /// All of it.
    pub text: &'a str,
}

/// Reads one datagram; `None` when it is not SIP or lacks what every message has.
pub fn read(bytes: &[u8]) -> Option<Message<'_>> {
    let text = core::str::from_utf8(bytes).ok()?;
    let (first, mut rest) = line(text)?;
    let mut message = Message { text, ..Message::default() };
    let (first, words) = split(first, b' ').unwrap_or((first, ""));
    if first == "SIP/2.0" {
        message.status = before(words, b' ').parse().ok()?;
    } else {
        message.method = first;
        message.uri = Some(before(words, b' ')).filter(|uri| !uri.is_empty())?;
    }
    loop {
        let (header, after) = line(rest)?;
        rest = after;
        if header.is_empty() {
            break;
        }
        keep(&mut message, header);
    }
    message.body = rest;
    let room = message.vias.count.max(message.record_routes.count) <= LINES_MAX;
    let whole = room && !message.vias.is_empty() && !message.call_id.is_empty() && !message.method.is_empty();
    (whole && !message.from.is_empty() && !message.to.is_empty()).then_some(message)
}

/// The text before the next end of line, and what follows that; `None` where no line ends.
fn line(text: &str) -> Option<(&str, &str)> {
    let end = find(text, b'\n')?;
    let line = text.as_bytes()[..end].last().filter(|byte| **byte == b'\r').map(|_| &text[..end - 1])?;
    Some((line, &text[end + 1..]))
}

/// Keeps a header. Nearly all are spelled as the RFC spells them, and known by a comparison or two.
fn keep<'a>(message: &mut Message<'a>, header: &'a str) {
    let behind = |name: &str| header[name.len()..].trim_ascii();
    match header.as_bytes() {
        [b'V', b'i', b'a', b':', ..] => message.vias.push(behind("Via:")),
        [b'F', b'r', b'o', b'm', b':', ..] => message.from = behind("From:"),
        [b'T', b'o', b':', ..] => message.to = behind("To:"),
        [b'C', b'a', b'l', b'l', b'-', b'I', b'D', b':', ..] => message.call_id = behind("Call-ID:"),
        [b'C', b'S', b'e', b'q', b':', ..] => sequence(message, behind("CSeq:")),
        [b'C', b'o', b'n', b't', b'a', b'c', b't', b':', ..] => contact(message, behind("Contact:")),
        // Nobody asks for them.
        [b'C', b'o', b'n', b't', b'e', b'n', b't', b'-', ..]
        | [b'M', b'a', b'x', b'-', ..]
        | [b'A', b'l', b'l', b'o', b'w', ..] => {}
        // Names are short: a search made for long texts would cost more than it saves.
        bytes => {
            if let Some(colon) = bytes.iter().position(|byte| *byte == b':') {
                keep_other(message, header[..colon].trim_ascii_end(), header[colon + 1..].trim_ascii());
            }
        }
    }
}

fn keep_other<'a>(message: &mut Message<'a>, name: &str, value: &'a str) {
    let Some(first) = name.bytes().next().map(|byte| byte.to_ascii_lowercase()) else { return };
    // The first letter leaves few names to be compared.
    let is = |long: &str| name.eq_ignore_ascii_case(long);
    match (first, name.len()) {
        (b'v', 1) => message.vias.push(value),
        (b'v', _) if is("via") => message.vias.push(value),
        (b'f', 1) => message.from = value,
        (b'f', _) if is("from") => message.from = value,
        (b't', 1) => message.to = value,
        (b't', _) if is("to") => message.to = value,
        (b'i', 1) => message.call_id = value,
        (b'c', _) if is("call-id") => message.call_id = value,
        (b'c', _) if is("cseq") => sequence(message, value),
        (b'm', 1) => contact(message, value),
        (b'c', _) if is("contact") => contact(message, value),
        (b'r', _) if is("record-route") => message.record_routes.push(value),
        (b'w', _) if is("www-authenticate") => challenge(message, value),
        (b'p', _) if is("proxy-authenticate") => challenge(message, value),
        (b'a', _) if is("authorization") => message.authorization = value,
        (b'p', _) if is("proxy-authorization") => message.authorization = value,
        _ => {}
    }
}

fn sequence<'a>(message: &mut Message<'a>, value: &'a str) {
    let (count, method) = split(value, b' ').unwrap_or((value, ""));
    message.cseq = number(count).unwrap_or(0);
    if message.status > 0 {
        message.method = method.trim_ascii();
    }
}

/// The first one counts.
fn contact<'a>(message: &mut Message<'a>, value: &'a str) {
    if message.contact.is_empty() {
        message.contact = uri_of(value);
    }
}

/// The first one that names MD5 counts, or else the first.
fn challenge<'a>(message: &mut Message<'a>, value: &'a str) {
    if message.challenge.is_empty() || (!message.challenge.contains("MD5") && value.contains("MD5")) {
        message.challenge = value;
    }
}

/// What stands between `<` and `>`, or the text up to its parameters.
pub fn uri_of(value: &str) -> &str {
    split(value, b'<').map_or_else(|| before(value, b';'), |(_, rest)| before(rest, b'>'))
}

/// The tag parameter of a From or To; empty when absent.
pub fn tag_of(value: &str) -> &str {
    let end = value.bytes().rposition(|byte| byte == b'>').map_or(0, |end| end + 1);
    parameter(&value[end..], "tag=")
}

/// The branch parameter of a Via; empty when absent.
pub fn branch_of(via: &str) -> &str {
    parameter(via, "branch=")
}

/// What stands behind this beginning of one of the parts that semicolons divide; empty when absent.
fn parameter<'a>(value: &'a str, begins: &str) -> &'a str {
    let mut rest = value;
    loop {
        let (part, more) = split(rest, b';').unwrap_or((rest, ""));
        if let Some(found) = part.trim_ascii().strip_prefix(begins) {
            return found;
        }
        if more.is_empty() {
            return "";
        }
        rest = more;
    }
}

/// The user part of the URI in a From or To.
pub fn user_of(value: &str) -> &str {
    let uri = uri_of(value);
    let rest = split(uri, b':').map_or(uri, |(_, rest)| rest);
    before(before(rest, b'@'), b';')
}

/// Where the SDP of a body wants RTP: the first `c=` and the first audio port.
pub fn media_address(body: &str) -> Option<SocketAddr> {
    let mut host = None;
    let mut port = None;
    for line in lines(body) {
        if let Some(rest) = line.strip_prefix("c=IN IP4 ").or_else(|| line.strip_prefix("c=IN IP6 ")) {
            host = host.or_else(|| rest.trim_ascii().parse().ok());
        } else if let Some(rest) = line.strip_prefix("m=audio ") {
            port = port.or_else(|| before(rest, b' ').parse().ok());
        }
    }
    Some(SocketAddr::new(host?, port?))
}

/// An SDP offer or answer with one G.711 stream.
pub fn sdp(media: SocketAddr) -> String {
    let mut out = String::new();
    write_sdp(&mut out, media);
    out
}

/// Writes the same into memory that is there already.
pub fn write_sdp(out: &mut String, media: SocketAddr) {
    write_sdp_with(out, media, &G711, None);
}

/// What a description offers.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// Payload types.
    pub formats: &'a str,
    /// What is said of them, each line with its end.
    pub lines: &'a str,
    /// Milliseconds in a packet.
    pub ptime: u8,
}

/// Both kinds of G.711 in packets of 20 ms.
pub const G711: Offer<'static> =
    Offer { formats: "8 0", lines: "a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n", ptime: 20 };

/// Writes a description of this, with telephone events (RFC 4733) under this payload type.
pub fn write_sdp_with(out: &mut String, media: SocketAddr, offer: &Offer<'_>, events: Option<u8>) {
    out.clear();
    let (ip, port) = (media.ip(), media.port());
    let family = if media.is_ipv4() { "IP4" } else { "IP6" };
    out.push_str("v=0\r\no=- ");
    put_number(out, port.into());
    put(out, &[" 1 IN ", family, " "]);
    put_ip(out, ip);
    put(out, &["\r\ns=-\r\nc=IN ", family, " "]);
    put_ip(out, ip);
    out.push_str("\r\nt=0 0\r\nm=audio ");
    put_number(out, port.into());
    put(out, &[" RTP/AVP ", offer.formats]);
    if let Some(events) = events {
        // Writing to a text cannot fail.
        let _ = write!(out, " {events}\r\na=rtpmap:{events} telephone-event/8000\r\na=fmtp:{events} 0-15");
    }
    put(out, &["\r\n", offer.lines, "a=ptime:"]);
    put_number(out, offer.ptime.into());
    out.push_str("\r\na=sendrecv\r\n");
}

/// What every request of ours has.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// INVITE, ACK, BYE, CANCEL or INFO.
    pub method: &'a str,
    /// Request-URI.
    pub uri: &'a str,
    /// Where responses are to come: our socket, as a text.
    pub local: &'a str,
    /// The transaction's name, without the cookie.
    pub branch: &'a str,
    /// Whole From value.
    pub from: &'a str,
    /// Whole To value.
    pub to: &'a str,
    /// Call-ID.
    pub call_id: &'a str,
    /// CSeq's number.
    pub cseq: u32,
    /// Route lines as they are to stand in the message, each with its end of line.
    pub routes: &'a str,
    /// SDP, or the digit of an INFO; empty for none.
    pub body: &'a str,
}

/// Writes pieces one after the other: a message has a dozen, and formatting would cost more than all else that is done for it.
fn put(out: &mut String, pieces: &[&str]) {
    pieces.iter().for_each(|piece| out.push_str(piece));
}

fn put_number(out: &mut String, number: u32) {
    if number >= 10 {
        put_number(out, number / 10);
    }
    out.push(char::from(b'0' + (number % 10) as u8));
}

fn put_ip(out: &mut String, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            for (place, octet) in ip.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push('.');
                }
                put_number(out, octet.into());
            }
        }
        IpAddr::V6(ip) => drop(write!(out, "{ip}")),
    }
}

/// Writes a request.
pub fn request(out: &mut String, ask: &Request<'_>) {
    out.clear();
    let Request { method, uri, local, branch, from, to, call_id, cseq, .. } = ask;
    put(
        out,
        &[
            method,
            " ",
            uri,
            " SIP/2.0\r\nVia: SIP/2.0/UDP ",
            local,
            ";branch=z9hG4bK",
            branch,
            ";rport\r\n",
            ask.routes,
            "Max-Forwards: 70\r\nFrom: ",
            from,
        ],
    );
    put(out, &["\r\nTo: ", to, "\r\nCall-ID: ", call_id, "\r\nCSeq: "]);
    put_number(out, *cseq);
    put(out, &[" ", method, "\r\n"]);
    if matches!(*method, "INVITE" | "UPDATE") {
        put_contact(out, local);
        out.push_str("Allow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n");
    }
    finish(out, if *method == "INFO" { "application/dtmf-relay" } else { "application/sdp" }, ask.body);
}

fn put_contact(out: &mut String, local: &str) {
    put(out, &["Contact: <sip:", local, ">\r\n"]);
}

/// Writes a response to a request; `tag` is put on To if it has none.
pub fn response(out: &mut String, to: &Message<'_>, status: u16, tag: &str, local: &str, body: &str) {
    response_with(out, to, (status, ""), tag, local, body);
}

/// Writes a response with more header lines, each with its end of line.
pub fn response_with(
    out: &mut String,
    to: &Message<'_>,
    (status, more): (u16, &str),
    tag: &str,
    local: &str,
    body: &str,
) {
    start(out, status);
    put_echo(out, to, tag);
    if to.method == "INVITE" && (101..300).contains(&status) {
        put_contact(out, local);
    }
    out.push_str(more);
    finish(out, "application/sdp", body);
}

/// What all responses to a request repeat of it, with this tag: a request that gets several is read once.
pub fn echo(out: &mut String, to: &Message<'_>, tag: &str) {
    out.clear();
    put_echo(out, to, tag);
}

/// Writes a response to an INVITE by what it repeats, with more header lines, each with its end of line.
pub fn response_by(out: &mut String, echo: &str, (status, more): (u16, &str), local: &str, body: &str) {
    start(out, status);
    out.push_str(echo);
    if (101..300).contains(&status) {
        put_contact(out, local);
    }
    out.push_str(more);
    finish(out, "application/sdp", body);
}

fn start(out: &mut String, status: u16) {
    out.clear();
    out.push_str("SIP/2.0 ");
    put_number(out, status.into());
    put(out, &[" ", reason(status), "\r\n"]);
}

fn put_echo(out: &mut String, to: &Message<'_>, tag: &str) {
    to.vias.iter().for_each(|via| put(out, &["Via: ", via, "\r\n"]));
    to.record_routes.iter().for_each(|route| put(out, &["Record-Route: ", route, "\r\n"]));
    let named = tag.is_empty() || !tag_of(to.to).is_empty();
    let (own, tag) = if named { ("", "") } else { (";tag=", tag) };
    put(out, &["From: ", to.from, "\r\nTo: ", to.to, own, tag, "\r\nCall-ID: ", to.call_id, "\r\nCSeq: "]);
    put_number(out, to.cseq);
    put(out, &[" ", to.method, "\r\n"]);
}

fn finish(out: &mut String, kind: &str, body: &str) {
    if body.is_empty() {
        return out.push_str("Content-Length: 0\r\n\r\n");
    }
    put(out, &["Content-Type: ", kind, "\r\nContent-Length: "]);
    put_number(out, body.len() as u32);
    put(out, &["\r\n\r\n", body]);
}

fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        302 => "Moved Temporarily",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        407 => "Proxy Authentication Required",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        486 => "Busy Here",
        487 => "Request Terminated",
        503 => "Service Unavailable",
        _ => "Response",
    }
}
