//! A request that is kept: its bytes, and where in them stands what its answers, its ACK and its CANCEL need.
//!
//! Reading a message costs more than all that a transaction later does with it, so it is read once. The vector of bytes is the
//! caller's to lend and to take back: a pool of them keeps storing free of allocations.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::ops::Range;

use crate::address::Address;
use crate::dialog::ROUTES_MAX;
use crate::flaw::Flaw;
use crate::hop::Hop;
use crate::lex;
use crate::message::{MESSAGE_BYTES_MAX, Message};
use crate::method::Method;
use crate::name::Name;
use crate::packed::{Reader, put, put_text};
use crate::parse;
use crate::print::{Answered, Printer, TopVia};
use crate::via::Via;

/// How many elements of Via below the top, Record-Route and Route are remembered together. A request with more is read again
/// when they are needed.
const ELEMENTS_MAX: usize = 12;
/// The longest branch that needs no memory of its own once a request is shortened: what has been remembered of it has as much room.
const BRANCH_BYTES_MAX: usize = 48;

/// How a head ends.
const HEAD_END: &[u8] = b"\r\n\r\n";

const _: () = assert!(BRANCH_BYTES_MAX <= size_of::<[Span; ELEMENTS_MAX]>());
const _: () = assert!(MESSAGE_BYTES_MAX <= u16::MAX as usize, "spans have 16 bits");

/// A part of the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    at: u16,
    end: u16,
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Span {
        Span { at: range.start as u16, end: range.end as u16 }
    }
}

impl Span {
    /// Where `part` stands in `text`; empty when it stands somewhere else, as the text of what is absent does.
    fn of(text: &[u8], part: &[u8]) -> Span {
        let at = part.as_ptr().addr().wrapping_sub(text.as_ptr().addr());
        match at.checked_add(part.len()) {
            Some(end) if end <= text.len() => Span { at: at as u16, end: end as u16 },
            _ => Span::default(),
        }
    }
}

/// One request, received or sent. Empty until it is filled.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    bytes: Vec<u8>,
    head: Head,
    beside: Beside,
    /// How many of each there are.
    counts: [u8; 3],
    /// There are more than can be remembered.
    overflows: bool,
}

/// What is remembered beside what stands once.
#[derive(Clone, Copy, Debug)]
enum Beside {
    /// Where the elements of Via below the top, of Record-Route and of Route stand, in this order.
    Elements([Span; ELEMENTS_MAX]),
    /// The branch of a request whose bytes were given back: all that is left of it.
    Branch([u8; BRANCH_BYTES_MAX]),
}

impl Default for Beside {
    fn default() -> Beside {
        Beside::Elements([Span::default(); ELEMENTS_MAX])
    }
}

/// What stands once in every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub method: Method,
    pub uri: Span,
    pub via: Span,
    pub branch: Span,
    pub sent_by: Span,
    pub sent_by_port: Option<u16>,
    pub asks_rport: bool,
    pub has_received: bool,
    pub from: Span,
    pub to: Span,
    pub to_tagged: bool,
    pub call_id: Span,
    pub cseq: Span,
    pub timestamp: Span,
    pub number: u32,
    pub max_forwards: Option<u8>,
}

impl Default for Head {
    fn default() -> Head {
        let none = Span::default();
        Head {
            method: Method::Other,
            uri: none,
            via: none,
            branch: none,
            sent_by: none,
            sent_by_port: None,
            asks_rport: false,
            has_received: false,
            from: none,
            to: none,
            to_tagged: false,
            call_id: none,
            cseq: none,
            timestamp: none,
            number: 0,
            max_forwards: None,
        }
    }
}

/// Where everything stands in a request of ours: whoever printed it knows, and nobody has to read it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks {
    pub(crate) head: Head,
    routes: [Span; ELEMENTS_MAX],
    count: u8,
}

const _: () = assert!(ROUTES_MAX < ELEMENTS_MAX, "one more may stand behind them");

impl Marks {
    /// One more Route.
    pub(crate) fn route(&mut self, value: Range<usize>) {
        self.routes[usize::from(self.count)] = value.into();
        self.count += 1;
    }
}

impl Stored {
    /// An empty one that will write into these bytes.
    #[must_use]
    pub fn with(bytes: Vec<u8>) -> Stored {
        Stored { bytes, ..Stored::default() }
    }

    /// Keeps this request.
    #[must_use]
    pub fn of(request: &Message<'_>) -> Stored {
        let mut stored = Stored::default();
        stored.fill(request);
        stored
    }

    /// Takes over a request that was just printed, without copying it.
    ///
    /// # Errors
    /// The bytes are no message.
    pub fn printed(bytes: Vec<u8>) -> Result<Stored, Flaw> {
        let mut stored = Stored::default();
        if stored.note_printed(&bytes).is_none() {
            return Stored::parsed(bytes);
        }
        debug_assert_eq!(
            Stored::parsed(bytes.clone()).map(|parsed| (parsed.head, parsed.counts)),
            Ok((stored.head, stored.counts))
        );
        stored.bytes = bytes;
        Ok(stored)
    }

    /// Takes over a request that [`crate::dialog::Dialog::request_marked`] began at the beginning of these bytes. What was printed behind that
    /// says nothing of its transaction.
    #[must_use]
    pub fn marked(bytes: Vec<u8>, marks: &Marks) -> Stored {
        let counts = [0, 0, marks.count];
        debug_assert_eq!(
            Stored::parsed(bytes.clone()).map(|parsed| (parsed.head, parsed.counts)),
            Ok((marks.head, counts))
        );
        Stored { bytes, head: marks.head, beside: Beside::Elements(marks.routes), counts, overflows: false }
    }

    fn parsed(mut bytes: Vec<u8>) -> Result<Stored, Flaw> {
        let mut stored = Stored::default();
        let request = parse::message(&bytes)?;
        stored.note(&request);
        let (before, length) = (parse::empty_lines(&bytes), request.text().len());
        bytes.truncate(before + length);
        bytes.drain(..before);
        stored.bytes = bytes;
        Ok(stored)
    }

    /// Keeps a request in place of what was kept before. Allocates only when the bytes of before have no room for it.
    pub fn fill(&mut self, request: &Message<'_>) {
        self.note(request);
        self.bytes.clear();
        self.bytes.extend_from_slice(request.text());
    }

    /// Keeps nothing but the branch, the method and the number: what comes again is known by them, and there is nothing more to answer, to
    /// repeat or to take back. Returns the vector, to be used again.
    pub fn shorten(&mut self) -> Vec<u8> {
        let (branch, mut room) = (self.branch(), [0; BRANCH_BYTES_MAX]);
        let (bytes, beside) = match room.get_mut(..branch.len()) {
            Some(part) => {
                part.copy_from_slice(branch);
                (Vec::new(), Beside::Branch(room))
            }
            None => (branch.to_vec(), Beside::default()),
        };
        let branch = Span { at: 0, end: branch.len() as u16 };
        let Head { method, number, .. } = self.head;
        let head = Head { branch, method, number, ..Head::default() };
        core::mem::replace(self, Stored { bytes, head, beside, ..Stored::default() }).bytes
    }

    /// Appends what its transaction is known by: branch, method, number.
    pub fn pack_branch(&self, out: &mut Vec<u8>) {
        put_text(out, self.branch());
        out.push(self.method() as u8);
        put(out, u64::from(self.number()));
    }

    /// What was appended by [`Stored::pack_branch`]: nothing else is known of the request.
    pub fn unpack_branch(from: &mut Reader<'_>) -> Option<Stored> {
        let (branch, method, number) = (from.text()?, Method::at(from.byte()?), from.small()?);
        let head = Head { branch: (0..branch.len()).into(), method, number, ..Head::default() };
        let mut stored = Stored { bytes: branch.to_vec(), head, ..Stored::default() };
        stored.shorten();
        Some(stored)
    }

    /// Appends a request of ours as far as [`Stored::companion`] needs it: its head up to CSeq and the last Route.
    pub fn pack_head(&self, out: &mut Vec<u8>) {
        let Head { uri, via, from, to, call_id, cseq, .. } = self.head;
        let routes = match &self.beside {
            Beside::Elements(elements) => &elements[..],
            Beside::Branch(_) => &[],
        };
        let last = [uri, via, from, to, call_id, cseq].iter().chain(routes).map(|span| span.end).max();
        let end = last.filter(|_| !self.overflows).map_or(self.text().len(), usize::from);
        put_text(out, &self.text()[..end]);
    }

    /// What was appended by [`Stored::pack_head`].
    pub fn unpack_head(from: &mut Reader<'_>) -> Option<Stored> {
        let head = from.text()?;
        let mut bytes = Vec::with_capacity(head.len() + HEAD_END.len());
        bytes.extend_from_slice(head);
        bytes.extend_from_slice(HEAD_END);
        Stored::printed(bytes).ok()
    }

    /// The vector, to be used again.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The whole request as it came or went.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        match &self.beside {
            Beside::Elements(_) => &self.bytes,
            Beside::Branch(room) => &room[..usize::from(self.head.branch.end)],
        }
    }

    /// The method of CSeq, which is the request's.
    #[must_use]
    pub fn method(&self) -> Method {
        self.head.method
    }

    /// The method as written.
    #[must_use]
    pub fn method_text(&self) -> &[u8] {
        &self.text()[..memchr::memchr(b' ', self.text()).unwrap_or(0)]
    }

    /// The number of CSeq.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.head.number
    }

    /// The branch of the topmost Via; empty when absent.
    #[must_use]
    pub fn branch(&self) -> &[u8] {
        self.part(self.head.branch)
    }

    /// Does the message belong to this request's transaction: same top branch (RFC 3261 §17.1.3, §17.2.3)?
    #[must_use]
    pub fn is_branch_of(&self, message: &Message<'_>) -> bool {
        self.branch() == message.via().branch
    }

    /// Call-ID.
    #[must_use]
    pub fn call_id(&self) -> &[u8] {
        self.part(self.head.call_id)
    }

    /// The Request-URI as written.
    #[must_use]
    pub fn request_uri(&self) -> &[u8] {
        self.part(self.head.uri)
    }

    /// The value of From.
    #[must_use]
    pub fn from(&self) -> &[u8] {
        self.part(self.head.from)
    }

    /// The value of To.
    #[must_use]
    pub fn to(&self) -> &[u8] {
        self.part(self.head.to)
    }

    /// Max-Forwards, if it is there.
    #[must_use]
    pub fn max_forwards(&self) -> Option<u8> {
        self.head.max_forwards
    }

    /// Where an answer goes: back over its connection; else to the port that the request came from if it asked so (RFC 3581 §4),
    /// else to the port that its Via names (RFC 3261 §18.2.2).
    #[must_use]
    pub fn reply_hop(&self, source: Hop) -> Hop {
        if self.head.asks_rport || source.flow.is_some() {
            return source;
        }
        let port = self.head.sent_by_port.unwrap_or(source.transport.default_port());
        source.to(SocketAddr::new(source.remote.ip(), port))
    }

    /// Begins the response to this request, byte for byte as [`Printer::reply`] does.
    pub fn reply<'o>(
        &self,
        out: &'o mut Vec<u8>,
        status: u16,
        reason: &str,
        to_tag: &[u8],
        source: SocketAddr,
    ) -> Printer<'o> {
        if self.overflows {
            let request = parse::message(&self.bytes).expect("only what was read is stored");
            return Printer::reply(out, &request, status, reason, to_tag, source);
        }
        let answered = Answered {
            method: self.head.method,
            via: TopVia {
                text: self.part(self.head.via),
                sent_by: self.part(self.head.sent_by),
                asks_rport: self.head.asks_rport,
                has_received: self.head.has_received,
            },
            from: self.from(),
            to: self.to(),
            to_tagged: self.head.to_tagged,
            call_id: self.call_id(),
            cseq: self.part(self.head.cseq),
            timestamp: Some(self.part(self.head.timestamp)).filter(|value| !value.is_empty()),
        };
        answered.print(out, (status, reason), to_tag, source, self.elements(0), self.elements(1))
    }

    /// Begins an ACK of a refusal (RFC 3261 §17.1.1.3; `to` is the response's) or a CANCEL (§9.1; `to` is our own): it shares
    /// the request's topmost Via, Call-ID, number and route.
    pub fn companion<'o>(&self, out: &'o mut Vec<u8>, method: Method, to: &[u8]) -> Printer<'o> {
        let method = method.as_str().as_bytes();
        let mut printer = Printer::request(out, method, self.request_uri());
        printer.line(Name::Via, &[self.part(self.head.via)]);
        printer.number(Name::MaxForwards, 70);
        printer.line(Name::From, &[self.from()]);
        printer.line(Name::To, &[to]);
        printer.line(Name::CallId, &[self.call_id()]);
        printer.cseq(self.head.number, method);
        let request = self.overflows.then(|| parse::message(&self.bytes).expect("only what was read is stored"));
        let all = request.iter().flat_map(|request| request.routes());
        for route in all.chain(self.elements(2)) {
            printer.line(Name::Route, &[route]);
        }
        printer
    }

    /// The elements of Via below the top (0), Record-Route (1), Route (2); nothing when there are too many of them.
    fn elements(&self, kind: usize) -> impl Iterator<Item = &[u8]> {
        let before: usize = self.counts[..kind].iter().map(|count| usize::from(*count)).sum();
        let count = if self.overflows { 0 } else { usize::from(self.counts[kind]) };
        let elements = match &self.beside {
            Beside::Elements(elements) => &elements[before..][..count],
            Beside::Branch(_) => &[],
        };
        elements.iter().map(|span| self.part(*span))
    }

    fn part(&self, span: Span) -> &[u8] {
        &self.text()[usize::from(span.at)..usize::from(span.end)]
    }

    /// Remembers where everything stands in a request that was just printed: every header has its full name, one space behind its colon
    /// and no fold. `None` for what it takes a whole reading to understand.
    fn note_printed(&mut self, text: &[u8]) -> Option<()> {
        let mut start = text.get(..memchr::memchr(b'\r', text)?)?.splitn(3, |byte| *byte == b' ');
        let (method_text, uri) = (start.next()?, start.next()?);
        let mut head = Head { uri: Span::of(text, uri), ..Head::default() };
        let (mut at, mut count) = (start.next()?.len() + method_text.len() + uri.len() + 4, 0);
        let mut elements = [Span::default(); ELEMENTS_MAX];
        loop {
            let (begin, end) = (at, parse::line_end(text, at).ok()?);
            let line = &text[begin..end];
            if line.is_empty() {
                break;
            }
            if matches!(line[0], b' ' | b'\t') {
                return None;
            }
            at = end + 2;
            let (name, colon) = match Name::before_colon(&text[begin..]) {
                Some(known) => known,
                // Another header, or one of the last bytes.
                None => memchr::memchr(b':', line).map(|colon| (Name::from_bytes(&line[..colon]), colon))?,
            };
            let value = lex::trim(&line[colon + 1..]);
            let span = Span::of(text, value);
            match name {
                Name::Via if head.branch.end > 0 || memchr::memchr(b',', value).is_some() => return None,
                Name::Via => {
                    let via = Via::parse(value).ok()?;
                    (head.via, head.branch) = (Span::of(text, via.text), Span::of(text, via.branch));
                    head.sent_by = Span::of(text, via.host);
                    (head.sent_by_port, head.asks_rport) = (via.port, via.rport.is_some());
                    head.has_received = via.received.is_some();
                }
                Name::From => head.from = span,
                Name::To => (head.to, head.to_tagged) = (span, Address::parse(value).ok()?.tag().is_some()),
                Name::CallId => head.call_id = span,
                Name::CSeq => {
                    let cseq = parse::cseq(value).ok().filter(|cseq| cseq.method_text == method_text)?;
                    (head.cseq, head.number, head.method) = (span, cseq.number, cseq.method);
                }
                Name::MaxForwards => head.max_forwards = Some(lex::number(value, 255)? as u8),
                Name::Route if memchr::memchr(b',', value).is_none() => {
                    *elements.get_mut(count)? = span;
                    count += 1;
                }
                Name::Route | Name::RecordRoute | Name::Timestamp => return None,
                _ => {}
            }
        }
        let whole = [head.via, head.from, head.to, head.call_id, head.cseq].iter().all(|span| span.end > 0);
        (self.head, self.counts, self.beside) = (head, [0, 0, count as u8], Beside::Elements(elements));
        whole.then_some(())
    }

    /// Remembers where everything stands.
    fn note(&mut self, request: &Message<'_>) {
        let text = request.text();
        let (via, cseq) = (request.via(), request.cseq());
        let span = |part: &[u8]| Span::of(text, part);
        let value = |name: Name| span(request.header(name).unwrap_or(b""));
        self.head = Head {
            method: cseq.method,
            uri: span(request.request_uri().unwrap_or(b"")),
            via: span(via.text),
            branch: span(via.branch),
            sent_by: span(via.host),
            sent_by_port: via.port,
            asks_rport: via.rport.is_some(),
            has_received: via.received.is_some(),
            from: value(Name::From),
            to: value(Name::To),
            to_tagged: request.to().tag().is_some(),
            call_id: span(request.call_id()),
            cseq: value(Name::CSeq),
            timestamp: value(Name::Timestamp),
            number: cseq.number,
            max_forwards: request.max_forwards(),
        };
        let mut elements = [Span::default(); ELEMENTS_MAX];
        let mut slots = elements.iter_mut();
        let mut keep = |part: &[u8]| slots.next().map(|slot| *slot = Span::of(text, part)).is_some();
        let vias = count(request.vias().skip(1), &mut keep);
        let record_routes = count(request.record_routes(), &mut keep);
        let routes = count(request.routes(), &mut keep);
        self.overflows = vias.is_none() || record_routes.is_none() || routes.is_none();
        self.counts = [vias, record_routes, routes].map(Option::unwrap_or_default);
        self.beside = Beside::Elements(elements);
    }
}

/// How many parts there are; `None` when one of them could not be kept.
fn count<'a>(parts: impl Iterator<Item = &'a [u8]>, keep: &mut impl FnMut(&[u8]) -> bool) -> Option<u8> {
    let mut count = 0;
    for part in parts {
        if !keep(part) {
            return None;
        }
        count += 1;
    }
    Some(count)
}
