//! SIP as a load generator needs it: templates out, and a reader that knows a dozen headers. It shares nothing with the switch's own
//! parser and printer, so that the two can disagree.

use alloc::string::String;
use core::fmt::Write;
use core::net::{IpAddr, SocketAddr};

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
}

/// Reads one datagram; `None` when it is not SIP or lacks what every message has.
pub fn read(bytes: &[u8]) -> Option<Message<'_>> {
    let text = core::str::from_utf8(bytes).ok()?;
    let (first, mut rest) = line(text)?;
    let mut message = Message::default();
    let mut words = first.split(' ');
    let first = words.next()?;
    if first == "SIP/2.0" {
        message.status = words.next()?.parse().ok()?;
    } else {
        message.method = first;
        message.uri = words.next()?;
    }
    loop {
        let (header, after) = line(rest)?;
        rest = after;
        if header.is_empty() {
            break;
        }
        // Names are short: a search made for long texts would cost more than it saves.
        if let Some(colon) = header.bytes().position(|byte| byte == b':') {
            keep(&mut message, header[..colon].trim_ascii_end(), header[colon + 1..].trim_ascii());
        }
    }
    message.body = rest;
    let room = message.vias.count.max(message.record_routes.count) <= LINES_MAX;
    let whole = room && !message.vias.is_empty() && !message.call_id.is_empty() && !message.method.is_empty();
    (whole && !message.from.is_empty() && !message.to.is_empty()).then_some(message)
}

/// The text before the next end of line, and what follows that; `None` where no line ends.
fn line(text: &str) -> Option<(&str, &str)> {
    let (line, rest) = text.split_once('\n')?;
    Some((line.strip_suffix('\r')?, rest))
}

fn keep<'a>(message: &mut Message<'a>, name: &str, value: &'a str) {
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
        (b'c', _) if is("cseq") => {
            let (number, method) = value.split_once(' ').unwrap_or((value, ""));
            message.cseq = number.trim().parse().unwrap_or(0);
            if message.status > 0 {
                message.method = method.trim();
            }
        }
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
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        None => value.split(';').next().unwrap_or(value),
    }
}

/// The tag parameter of a From or To; empty when absent.
pub fn tag_of(value: &str) -> &str {
    let parameters = value.rsplit_once('>').map_or(value, |(_, rest)| rest);
    parameters.split(';').find_map(|part| part.trim().strip_prefix("tag=")).unwrap_or("")
}

/// The branch parameter of a Via; empty when absent.
pub fn branch_of(via: &str) -> &str {
    via.split(';').find_map(|part| part.trim().strip_prefix("branch=")).unwrap_or("")
}

/// The user part of the URI in a From or To.
pub fn user_of(value: &str) -> &str {
    let uri = uri_of(value);
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let user = rest.split_once('@').map_or(rest, |(user, _)| user);
    user.split(';').next().unwrap_or(user)
}

/// Where the SDP of a body wants RTP: the first `c=` and the first audio port.
pub fn media_address(body: &str) -> Option<SocketAddr> {
    let mut host = None;
    let mut port = None;
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("c=IN IP4 ").or_else(|| line.strip_prefix("c=IN IP6 ")) {
            host = host.or_else(|| rest.trim().parse().ok());
        } else if let Some(rest) = line.strip_prefix("m=audio ") {
            port = port.or_else(|| rest.split(' ').next()?.parse().ok());
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
    write_sdp_with(out, media, None);
}

/// The same with telephone events (RFC 4733) under this payload type.
pub fn write_sdp_with(out: &mut String, media: SocketAddr, events: Option<u8>) {
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
    out.push_str(" RTP/AVP 8 0");
    if let Some(events) = events {
        // Writing to a text cannot fail.
        let _ = write!(out, " {events}\r\na=rtpmap:{events} telephone-event/8000\r\na=fmtp:{events} 0-15");
    }
    out.push_str("\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n");
}

/// What every request of ours has.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// INVITE, ACK, BYE, CANCEL or INFO.
    pub method: &'a str,
    /// Request-URI.
    pub uri: &'a str,
    /// Where responses are to come: our socket.
    pub local: SocketAddr,
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
    let (mut digits, mut rest, mut at) = ([0; 10], number, 10);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.push_str(core::str::from_utf8(&digits[at..]).expect("digits are ASCII"));
}

/// Writes an address as [`SocketAddr`] shows itself.
fn put_address(out: &mut String, at: SocketAddr) {
    match at {
        SocketAddr::V4(_) => put_ip(out, at.ip()),
        SocketAddr::V6(_) => {
            out.push('[');
            put_ip(out, at.ip());
            out.push(']');
        }
    }
    out.push(':');
    put_number(out, at.port().into());
}

fn put_ip(out: &mut String, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            for (place, octet) in ip.octets().into_iter().enumerate() {
                out.push_str(if place > 0 { "." } else { "" });
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
    put(out, &[method, " ", uri, " SIP/2.0\r\nVia: SIP/2.0/UDP "]);
    put_address(out, *local);
    put(out, &[";branch=z9hG4bK", branch, ";rport\r\n", ask.routes, "Max-Forwards: 70\r\nFrom: ", from]);
    put(out, &["\r\nTo: ", to, "\r\nCall-ID: ", call_id, "\r\nCSeq: "]);
    put_number(out, *cseq);
    put(out, &[" ", method, "\r\n"]);
    if matches!(*method, "INVITE" | "UPDATE") {
        put_contact(out, *local);
        out.push_str("Allow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n");
    }
    finish(out, if *method == "INFO" { "application/dtmf-relay" } else { "application/sdp" }, ask.body);
}

fn put_contact(out: &mut String, local: SocketAddr) {
    out.push_str("Contact: <sip:");
    put_address(out, local);
    out.push_str(">\r\n");
}

/// Writes a response to a request; `tag` is put on To if it has none.
pub fn response(out: &mut String, to: &Message<'_>, status: u16, tag: &str, local: SocketAddr, body: &str) {
    response_with(out, to, (status, ""), tag, local, body);
}

/// Writes a response with more header lines, each with its end of line.
pub fn response_with(
    out: &mut String,
    to: &Message<'_>,
    (status, more): (u16, &str),
    tag: &str,
    local: SocketAddr,
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
pub fn response_by(out: &mut String, echo: &str, (status, more): (u16, &str), local: SocketAddr, body: &str) {
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
