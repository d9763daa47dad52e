//! Messages into bytes. Everything is appended to the caller's buffer; nothing else is allocated.

use alloc::vec::Vec;
use core::fmt::Write as _;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::ops::Range;

use crate::hop::Transport;
use crate::lex;
use crate::message::Message;
use crate::method::Method;
use crate::name::Name;
use crate::uri::Scheme;
use crate::via::Via;

mod reason;
mod refusal;
mod short;

pub use reason::reason_phrase;
pub use refusal::{REFUSAL_BYTES_MAX, refusal, turn_away};
pub use short::shortened;

/// How a header is named when it is printed: a [`Name`] or the text of a header that `Name` does not know.
pub trait Label {
    /// The name on the wire.
    fn label(&self) -> &str;

    /// It is a token.
    fn is_token(&self) -> bool;
}

impl Label for Name {
    fn label(&self) -> &str {
        self.as_str()
    }

    fn is_token(&self) -> bool {
        // All others are: their table looks after that.
        *self != Name::Other
    }
}

impl Label for &str {
    fn label(&self) -> &str {
        self
    }

    fn is_token(&self) -> bool {
        lex::is_token(self.as_bytes())
    }
}

/// One message on its way into a buffer: a first line, then headers, then one of the two `finish`.
#[derive(Debug)]
#[must_use = "a message without its empty line is none: call finish"]
pub struct Printer<'o> {
    out: &'o mut Vec<u8>,
    /// Where the value of the last header begins.
    value_at: usize,
}

impl<'o> Printer<'o> {
    /// Begins a request.
    pub fn request(out: &'o mut Vec<u8>, method: &[u8], uri: &[u8]) -> Printer<'o> {
        clean(out, method);
        out.push(b' ');
        clean(out, uri);
        out.extend_from_slice(b" SIP/2.0\r\n");
        Printer::lines(out)
    }

    /// Begins a response. Status is 100..=699.
    pub fn response(out: &'o mut Vec<u8>, status: u16, reason: &str) -> Printer<'o> {
        debug_assert!((100..=699).contains(&status), "a status has three digits");
        out.extend_from_slice(b"SIP/2.0 ");
        decimal(out, u64::from(status));
        out.push(b' ');
        clean(out, reason.as_bytes());
        out.extend_from_slice(b"\r\n");
        Printer::lines(out)
    }

    /// Begins the response to a request: Via, From, To, Call-ID, CSeq as RFC 3261 §8.2.6 wants them, and Record-Route
    /// where the response can make a dialog. `to_tag` is added when To has none; empty = leave To as it is.
    pub fn reply(
        out: &'o mut Vec<u8>,
        request: &Message<'_>,
        status: u16,
        reason: &str,
        to_tag: &[u8],
        source: SocketAddr,
    ) -> Printer<'o> {
        let via = request.via();
        let answered = Answered {
            method: request.method(),
            via: TopVia::of(&via),
            from: request.header(Name::From).unwrap_or(b""),
            to: request.header(Name::To).unwrap_or(b""),
            to_tagged: request.to().tag().is_some(),
            call_id: request.call_id(),
            cseq: request.header(Name::CSeq).unwrap_or(b""),
            timestamp: request.header(Name::Timestamp).filter(|value| !value.is_empty()),
        };
        answered.print(out, (status, reason), to_tag, source, request.vias().skip(1), request.record_routes())
    }

    /// Begins header lines that belong to no message yet: [`Printer::append`] puts them into one.
    pub fn lines(out: &'o mut Vec<u8>) -> Printer<'o> {
        Printer { out, value_at: 0 }
    }

    /// Where the value of the last header stands.
    pub(crate) fn value(&self) -> Range<usize> {
        self.value_at..self.out.len() - b"\r\n".len()
    }

    /// Header lines that [`Printer::lines`] wrote.
    pub fn append(&mut self, lines: &[u8]) -> &mut Self {
        self.out.extend_from_slice(lines);
        self
    }

    /// One header whose value is the parts put together. CR, LF and NUL are left out of every part.
    pub fn line(&mut self, name: impl Label, parts: &[&[u8]]) -> &mut Self {
        self.name(name);
        for part in parts {
            clean(self.out, part);
        }
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// One header whose value is a number.
    pub fn number(&mut self, name: impl Label, value: u64) -> &mut Self {
        self.name(name);
        decimal(self.out, value);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Our own Via: sent-by, branch, and the wish for `rport` (RFC 3581 §3).
    pub fn via(&mut self, transport: Transport, sent_by: SocketAddr, branch: &[u8]) -> &mut Self {
        self.name(Name::Via);
        self.out.extend_from_slice(b"SIP/2.0/");
        self.out.extend_from_slice(transport.as_bytes());
        self.out.push(b' ');
        write_socket_addr(self.out, sent_by);
        self.out.extend_from_slice(b";branch=");
        clean(self.out, branch);
        self.out.extend_from_slice(b";rport\r\n");
        self
    }

    /// Contact with our own address. A secure one says no transport: it is TLS (RFC 3261 §26.2.2).
    pub fn contact(&mut self, scheme: Scheme, transport: Transport, address: SocketAddr) -> &mut Self {
        self.name(Name::Contact);
        let secure = scheme == Scheme::Sips;
        self.out.extend_from_slice(if secure { b"<sips:" } else { b"<sip:" });
        write_socket_addr(self.out, address);
        self.out.extend_from_slice(if secure { b"" } else { transport.uri_param() });
        self.out.extend_from_slice(b">\r\n");
        self
    }

    /// CSeq.
    pub fn cseq(&mut self, number: u32, method: &[u8]) -> &mut Self {
        self.name(Name::CSeq);
        decimal(self.out, u64::from(number));
        self.out.push(b' ');
        clean(self.out, method);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// A name and address: `"display" <uri>params`. An empty display name is left out; quotes and backslashes in it
    /// are escaped. `params` begins with its semicolon or is empty.
    pub fn address(&mut self, name: impl Label, display: &[u8], uri: &[u8], params: &[u8]) -> &mut Self {
        self.name(name);
        if !display.is_empty() {
            self.out.push(b'"');
            for byte in display.iter().filter(|byte| !is_forbidden(**byte)) {
                if matches!(byte, b'"' | b'\\') {
                    self.out.push(b'\\');
                }
                self.out.push(*byte);
            }
            self.out.extend_from_slice(b"\" ");
        }
        self.out.push(b'<');
        clean(self.out, uri);
        self.out.push(b'>');
        clean(self.out, params);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Ends the message with a body: Content-Type, Content-Length, the empty line, the body.
    pub fn finish(mut self, content_type: &str, body: &[u8]) {
        self.line(Name::ContentType, &[content_type.as_bytes()]);
        self.number(Name::ContentLength, body.len() as u64);
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(body);
    }

    /// Ends a message that has no body.
    pub fn finish_empty(mut self) {
        self.number(Name::ContentLength, 0);
        self.out.extend_from_slice(b"\r\n");
    }

    fn name(&mut self, name: impl Label) {
        assert!(name.is_token(), "a header is named by a token");
        self.out.extend_from_slice(name.label().as_bytes());
        self.out.extend_from_slice(b": ");
        self.value_at = self.out.len();
    }

    /// A header of the request that must come back as it was, but for its folds (RFC 3261 §8.2.6.2).
    fn copy(&mut self, name: Name, value: &[u8]) {
        self.name(name);
        unfold(self.out, value);
        self.out.extend_from_slice(b"\r\n");
    }

    fn to(&mut self, value: &[u8], tag: &[u8]) {
        self.name(Name::To);
        unfold(self.out, value);
        if !tag.is_empty() {
            self.out.extend_from_slice(b";tag=");
            clean(self.out, tag);
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// RFC 3261 §18.2.1 and RFC 3581 §4: what the sender claims to have seen is replaced by what we saw.
    fn top_via(&mut self, via: &TopVia<'_>, source: SocketAddr) {
        self.name(Name::Via);
        match via.as_it_was() {
            Some(text) => unfold(self.out, text),
            None => self.via_anew(via.text),
        }
        let seen = source.ip().to_canonical();
        if via.asks_rport || !is_written(via.sent_by, seen) {
            self.out.extend_from_slice(b";received=");
            write_ip(self.out, seen, false);
        }
        if via.asks_rport {
            self.out.extend_from_slice(b";rport=");
            decimal(self.out, u64::from(source.port()));
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// An element of Via without what it says of its sender's address.
    #[cold]
    fn via_anew(&mut self, text: &[u8]) {
        let semicolon = memchr::memchr(b';', text).unwrap_or(text.len());
        unfold(self.out, lex::trim(&text[..semicolon]));
        let mut list = &text[semicolon..];
        while let Ok(Some(param)) = lex::take_param(&mut list) {
            if !param.name.eq_ignore_ascii_case(b"received") && !param.name.eq_ignore_ascii_case(b"rport") {
                self.out.push(b';');
                unfold(self.out, param.text);
            }
        }
    }
}

/// The topmost Via of a request, as its responses need it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TopVia<'a> {
    /// All of it.
    pub text: &'a [u8],
    /// The host of its sent-by.
    pub sent_by: &'a [u8],
    /// It has `rport`.
    pub asks_rport: bool,
    /// It has `received`.
    pub has_received: bool,
}

impl<'a> TopVia<'a> {
    pub fn of(via: &Via<'a>) -> TopVia<'a> {
        TopVia {
            text: via.text,
            sent_by: via.host,
            asks_rport: via.rport.is_some(),
            has_received: via.received.is_some(),
        }
    }

    /// What of its text needs no look at its parameters: nearly always all of it, but for an `rport` at its end.
    fn as_it_was(&self) -> Option<&'a [u8]> {
        let text = if self.asks_rport { self.text.strip_suffix(b";rport")? } else { self.text };
        // White space around parameters is left out.
        let spaces = memchr::memchr2_iter(b' ', b'\t', text).count();
        (!self.has_received && spaces == 1).then_some(text)
    }
}

/// True if this host is the address. An IPv4 address is written in one way only.
fn is_written(host: &[u8], address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let (text, length) = v4_text(v4);
            host == &text[..length]
        }
        IpAddr::V6(_) => crate::uri::host_address(host) == Some(address),
    }
}

/// What of a request its responses carry, but for the lists of Via and Record-Route.
pub(crate) struct Answered<'a> {
    pub method: Method,
    pub via: TopVia<'a>,
    pub from: &'a [u8],
    pub to: &'a [u8],
    pub to_tagged: bool,
    pub call_id: &'a [u8],
    pub cseq: &'a [u8],
    pub timestamp: Option<&'a [u8]>,
}

impl Answered<'_> {
    /// Begins the response; `vias` are those below the top.
    pub(crate) fn print<'o, 'p>(
        &self,
        out: &'o mut Vec<u8>,
        (status, reason): (u16, &str),
        to_tag: &[u8],
        source: SocketAddr,
        vias: impl Iterator<Item = &'p [u8]>,
        record_routes: impl Iterator<Item = &'p [u8]>,
    ) -> Printer<'o> {
        let mut printer = Printer::response(out, status, reason);
        printer.top_via(&self.via, source);
        vias.for_each(|element| printer.copy(Name::Via, element));
        // RFC 3261 §12.1.1: the route set travels back in every response that makes a dialog.
        if (101..300).contains(&status) && self.method == Method::Invite {
            record_routes.for_each(|element| printer.copy(Name::RecordRoute, element));
        }
        printer.copy(Name::From, self.from);
        printer.to(self.to, if self.to_tagged { b"" } else { to_tag });
        printer.copy(Name::CallId, self.call_id);
        printer.copy(Name::CSeq, self.cseq);
        // RFC 3261 §8.2.6.1: so that the sender may tell how long the way is. We answer at once, so no delay is added.
        if let Some(timestamp) = self.timestamp.filter(|_| status == 100) {
            printer.copy(Name::Timestamp, timestamp);
        }
        printer
    }
}

fn is_forbidden(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0)
}

/// True for nearly every text: no line end, no other control character below CR. Most are short, so they are looked at in place.
#[inline]
fn is_smooth(text: &[u8]) -> bool {
    let (words, tail) = text.as_chunks::<8>();
    words.iter().all(|word| lex::below_14(word) == 0) && tail.iter().all(|byte| *byte > b'\r')
}

/// Appends the text without CR, LF and NUL: whatever was smuggled into a value cannot end its line.
fn clean(out: &mut Vec<u8>, text: &[u8]) {
    if is_smooth(text) {
        out.extend_from_slice(text);
    } else {
        out.extend(text.iter().copied().filter(|byte| !is_forbidden(*byte)));
    }
}

/// Appends a header's value on one line: line ends go, the white space of the fold stays. A NUL stays as well, since a
/// quoted string may hold it (RFC 3261 §25.1, quoted-pair) and a peer compares what it gets back.
pub fn unfold(out: &mut Vec<u8>, value: &[u8]) {
    if is_smooth(value) {
        out.extend_from_slice(value);
    } else {
        out.extend(value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')));
    }
}

/// Appends a number in decimal digits.
pub fn decimal(out: &mut Vec<u8>, mut value: u64) {
    // Most numbers are parts of addresses, statuses and payload types.
    let digit = |of: u64| b'0' + (of % 10) as u8;
    match value {
        0..10 => return out.push(digit(value)),
        10..100 => return out.extend_from_slice(&[digit(value / 10), digit(value)]),
        100..1_000 => return out.extend_from_slice(&[digit(value / 100), digit(value / 10), digit(value)]),
        _ => {}
    }
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = digit(value);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends an IP address; `reference` puts IPv6 into brackets, as URIs and sent-by want it.
pub fn write_ip(out: &mut Vec<u8>, ip: IpAddr, reference: bool) {
    match ip {
        IpAddr::V4(ip) => write_v4(out, ip),
        IpAddr::V6(ip) => {
            let (open, close): (&[u8], &[u8]) = if reference { (b"[", b"]") } else { (b"", b"") };
            out.extend_from_slice(open);
            write!(Text(out), "{ip}").expect("writing into a vector does not fail");
            out.extend_from_slice(close);
        }
    }
}

fn write_v4(out: &mut Vec<u8>, ip: Ipv4Addr) {
    let (text, length) = v4_text(ip);
    out.extend_from_slice(&text[..length]);
}

/// An address as text, and its length.
fn v4_text(ip: Ipv4Addr) -> ([u8; 15], usize) {
    let (mut text, mut length) = ([0; "255.255.255.255".len()], 0);
    let mut put = |byte: u8| {
        text[length] = byte;
        length += 1;
    };
    for (index, octet) in ip.octets().into_iter().enumerate() {
        if index > 0 {
            put(b'.');
        }
        if octet >= 100 {
            put(b'0' + octet / 100);
        }
        if octet >= 10 {
            put(b'0' + octet / 10 % 10);
        }
        put(b'0' + octet % 10);
    }
    (text, length)
}

/// Appends `host:port` with brackets around an IPv6 address.
pub fn write_socket_addr(out: &mut Vec<u8>, address: SocketAddr) {
    write_ip(out, address.ip(), true);
    out.push(b':');
    decimal(out, u64::from(address.port()));
}

/// Appends `sip:user@host:port`; without a user `sip:host:port`. The user must be escaped already.
pub fn write_uri(out: &mut Vec<u8>, user: &[u8], address: SocketAddr) {
    out.extend_from_slice(b"sip:");
    if !user.is_empty() {
        clean(out, user);
        out.push(b'@');
    }
    write_socket_addr(out, address);
}

struct Text<'o>(&'o mut Vec<u8>);

impl core::fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
