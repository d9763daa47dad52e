//! A dialog: what two sides must remember to talk about the same call (RFC 3261 §12).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::ops::Range;

use crate::hop::{Hop, Transport};
use crate::message::Message;
use crate::method::Method;
use crate::name::Name;
use crate::packed::{Reader, put, put_option, put_text};
use crate::print::Printer;
use crate::stored::{Head, Marks};
use crate::uri;

/// The longest route set that is kept; a peer that sends more is not taken for one of ours.
pub const ROUTES_MAX: usize = 8;
/// What a dialog keeps of one message at most, in bytes: a message with more is too large, so that none of ours ever is.
pub const DIALOG_BYTES_MAX: usize = 6 << 10;

/// The target of a peer that named none: requests go to where its own came from.
const NOWHERE: &[u8] = b"sip:unnamed.invalid";

/// Texts one after the other in one piece of memory: a dialog has many, and all of them come and go together.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Texts<const COUNT: usize> {
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: [u32; COUNT],
}

impl<const COUNT: usize> Default for Texts<COUNT> {
    fn default() -> Texts<COUNT> {
        Texts { bytes: Vec::new(), ends: [0; COUNT] }
    }
}

impl<const COUNT: usize> Texts<COUNT> {
    fn of(texts: [&[u8]; COUNT]) -> Texts<COUNT> {
        let (mut bytes, mut ends) = (Vec::with_capacity(texts.iter().map(|text| text.len()).sum()), [0; COUNT]);
        for (text, end) in texts.into_iter().zip(&mut ends) {
            bytes.extend_from_slice(text);
            *end = bytes.len() as u32;
        }
        Texts { bytes, ends }
    }

    fn begin(&self, place: usize) -> usize {
        place.checked_sub(1).map_or(0, |before| self.ends[before] as usize)
    }

    fn get(&self, place: usize) -> &[u8] {
        &self.bytes[self.begin(place)..self.ends[place] as usize]
    }

    /// Writes a text in the place of what it was; those behind it are empty then.
    fn write(&mut self, place: usize, write: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.truncate(self.begin(place));
        write(&mut self.bytes);
        self.ends[place..].fill(self.bytes.len() as u32);
    }
}

/// What of a dialog is told to the peer and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The Call-ID header.
    CallId,
    /// Our tag.
    LocalTag,
    /// Our URI, without brackets.
    LocalUri,
    /// Our display name with its quotes, or empty.
    LocalDisplay,
    /// The peer's URI, without brackets.
    RemoteUri,
}

/// How many of them there are.
const TOLD: usize = Told::RemoteUri as usize + 1;

/// Who the peer is and where it is reached, by its own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Tag, target.
    texts: Texts<2>,
    /// Route headers of requests to the peer, in order.
    pub routes: Vec<Vec<u8>>,
}

impl Peer {
    /// A peer without routes.
    #[must_use]
    pub fn of(tag: &[u8], target: &[u8]) -> Peer {
        Peer { texts: Texts::of([tag, target]), routes: Vec::new() }
    }

    /// A peer that said nothing yet, whose texts take over the memory of its target.
    #[must_use]
    pub fn at(target: Vec<u8>) -> Peer {
        let ends = [0, target.len() as u32];
        Peer { texts: Texts { bytes: target, ends }, routes: Vec::new() }
    }

    /// The peer's tag; empty until its first answer with one.
    #[must_use]
    pub fn tag(&self) -> &[u8] {
        self.texts.get(0)
    }

    /// Where requests to the peer are addressed: its Contact.
    #[must_use]
    pub fn target(&self) -> &[u8] {
        self.texts.get(1)
    }

    /// Another tag.
    pub fn set_tag(&mut self, tag: &[u8]) {
        if tag != self.tag() {
            *self = Peer { routes: core::mem::take(&mut self.routes), ..Peer::of(tag, self.target()) };
        }
    }

    /// Another target.
    pub fn set_target(&mut self, target: &[u8]) {
        self.texts.write(1, |out| out.extend_from_slice(target));
    }

    /// Takes tag and target from a response, as far as it has them.
    fn learn(&mut self, response: &Message<'_>) {
        match (response.to().tag(), response.target()) {
            (Some(tag), Some(target)) => {
                self.texts.write(0, |out| out.extend_from_slice(tag));
                self.set_target(target);
            }
            (Some(tag), None) => self.set_tag(tag),
            (None, Some(target)) => self.set_target(target),
            (None, None) => {}
        }
    }

    /// Takes the route set from a response: the last proxy comes first (RFC 3261 §12.1.2).
    pub fn learn_routes(&mut self, response: &Message<'_>) {
        self.routes.clear();
        self.routes.extend(response.record_routes().take(ROUTES_MAX).map(<[u8]>::to_vec));
        self.routes.reverse();
    }

    /// Appends all of it.
    pub fn pack(&self, out: &mut Vec<u8>) {
        let Peer { texts: _, routes } = self;
        [self.tag(), self.target()].into_iter().for_each(|text| put_text(out, text));
        put(out, routes.len() as u64);
        routes.iter().for_each(|route| put_text(out, route));
    }

    /// What was appended by [`Peer::pack`].
    pub fn unpack(from: &mut Reader<'_>) -> Option<Peer> {
        let mut peer = Peer::of(from.text()?, from.text()?);
        for _ in 0..from.number()? {
            peer.routes.push(from.text()?.to_vec());
        }
        Some(peer)
    }

    /// True if the peer is reached at this address: it is there itself, or the first proxy on the way to it.
    #[must_use]
    pub fn is_at(&self, ip: IpAddr) -> bool {
        let there =
            |uri: &[u8]| uri::Uri::parse(uri).ok().and_then(|uri| literal_ip(uri.host)) == Some(ip.to_canonical());
        there(self.target()) || self.routes.first().is_some_and(|first| there(uri_of(first)))
    }
}

/// One side's memory of a dialog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialog {
    told: Texts<TOLD>,
    /// Who the peer is.
    pub peer: Peer,
    /// The number of our last request.
    pub local_cseq: u32,
    /// The number of the peer's last request; `None` before the first.
    pub remote_cseq: Option<u32>,
}

impl Dialog {
    /// One that we open: each text is to be written, in the order of [`Told`]. They have room for so many bytes.
    #[must_use]
    pub fn ours(room: usize) -> Dialog {
        let told = Texts { bytes: Vec::with_capacity(room), ..Texts::default() };
        Dialog { told, ..Dialog::default() }
    }

    /// The dialog that a received INVITE would make (RFC 3261 §12.1.1).
    pub fn received(invite: &Message<'_>, local_tag: &[u8]) -> Dialog {
        let (from, to) = (invite.from(), invite.to());
        // Peers of RFC 2543 name no place; of one that is none nothing is printed.
        let unnamed = || Some(from.uri_text).filter(|uri| uri::is_addressable(uri)).unwrap_or(NOWHERE);
        let target = invite.target().unwrap_or_else(unnamed);
        let mut peer = Peer::of(from.tag().unwrap_or(b""), target);
        peer.routes.extend(invite.record_routes().take(ROUTES_MAX).map(<[u8]>::to_vec));
        let told = Texts::of([invite.call_id(), local_tag, to.uri_text, b"", from.uri_text]);
        Dialog { told, peer, local_cseq: 0, remote_cseq: Some(invite.cseq().number) }
    }

    /// Appends all of it.
    pub fn pack(&self, out: &mut Vec<u8>) {
        let Dialog { told, peer, local_cseq, remote_cseq } = self;
        (0..TOLD).for_each(|place| put_text(out, told.get(place)));
        peer.pack(out);
        put(out, u64::from(*local_cseq));
        put_option(out, remote_cseq.map(u64::from));
    }

    /// What was appended by [`Dialog::pack`].
    pub fn unpack(from: &mut Reader<'_>) -> Option<Dialog> {
        let mut texts: [&[u8]; TOLD] = [b""; TOLD];
        for text in &mut texts {
            *text = from.text()?;
        }
        let (peer, local_cseq) = (Peer::unpack(from)?, from.small()?);
        Some(Dialog {
            told: Texts::of(texts),
            peer,
            local_cseq,
            remote_cseq: from.option()?.map(|number| number as u32),
        })
    }

    /// What the peer is told of this kind.
    #[must_use]
    pub fn told(&self, what: Told) -> &[u8] {
        self.told.get(what as usize)
    }

    /// The Call-ID.
    #[must_use]
    pub fn call_id(&self) -> &[u8] {
        self.told(Told::CallId)
    }

    /// Our tag.
    #[must_use]
    pub fn local_tag(&self) -> &[u8] {
        self.told(Told::LocalTag)
    }

    /// Writes what the peer is told; all that stands behind it in [`Told`] is empty then.
    pub fn write(&mut self, what: Told, write: impl FnOnce(&mut Vec<u8>)) {
        self.told.write(what as usize, write);
    }

    /// True once the peer has a tag: the dialog stands.
    #[must_use]
    pub fn stands(&self) -> bool {
        !self.peer.tag().is_empty()
    }

    /// Takes the peer's tag, target and route set from an answer to our INVITE (RFC 3261 §12.1.2).
    pub fn learn(&mut self, response: &Message<'_>) {
        self.peer.learn(response);
        self.peer.learn_routes(response);
    }

    /// Takes a new target from a re-INVITE or its answer (RFC 3261 §12.2).
    pub fn refresh(&mut self, message: &Message<'_>) {
        if let Some(target) = message.target() {
            self.peer.set_target(target);
        }
    }

    /// True if the peer, or the first proxy on the way to it, is reached by a `sips` address: then ours in Contact is one as well
    /// (RFC 3261 §8.1.1.8, §12.1.1).
    pub fn is_secure(&self) -> bool {
        let first = self.peer.routes.first();
        uri::is_secure(self.peer.target()) || first.is_some_and(|first| uri::is_secure(uri_of(first)))
    }

    /// True if a request with this number may be new: RFC 3261 §12.2.2 wants numbers to rise.
    pub fn in_order(&self, number: u32) -> bool {
        self.remote_cseq.is_none_or(|last| number > last)
    }

    /// Begins a request within the dialog: request line, Via, From, To, Call-ID, CSeq, Max-Forwards, Route.
    pub fn request<'b>(
        &self,
        out: &'b mut Vec<u8>,
        method: &[u8],
        number: u32,
        branch: &[u8],
        via: (Transport, SocketAddr),
        hops: u8,
    ) -> Printer<'b> {
        self.request_marked(out, method, number, branch, via, hops).0
    }

    /// The same, and where everything stands in it, for [`crate::Stored::marked`]; nothing may stand before it.
    pub fn request_marked<'b>(
        &self,
        out: &'b mut Vec<u8>,
        method: &[u8],
        number: u32,
        branch: &[u8],
        via: (Transport, SocketAddr),
        hops: u8,
    ) -> (Printer<'b>, Marks) {
        let Peer { routes, .. } = &self.peer;
        let strict = routes.first().filter(|first| !is_loose(first) && uri::is_addressable(uri_of(first)));
        // RFC 3261 §12.2.1.1: a strict first route becomes the Request-URI and the target goes last.
        let target = strict.map_or(self.peer.target(), |first| uri_of(first));
        let begin = out.len();
        let mut marks = Marks::default();
        let mut printer = Printer::request(out, method, target);
        let head = &mut marks.head;
        let uri = begin + method.len() + 1..printer.value().end - b" SIP/2.0".len();
        (head.method, head.uri) = (Method::from_bytes(method), uri.into());
        printer.via(via.0, via.1, branch);
        mark_via(head, &printer.value(), via, branch.len());
        printer.number(Name::MaxForwards, u64::from(hops));
        head.max_forwards = Some(hops);
        let (display, tag) = (self.told(Told::LocalDisplay), self.peer.tag());
        let gap: &[u8] = if display.is_empty() { b"" } else { b" " };
        printer.line(Name::From, &[display, gap, b"<", self.told(Told::LocalUri), b">;tag=", self.local_tag()]);
        head.from = printer.value().into();
        let tag_name: &[u8] = if tag.is_empty() { b"" } else { b";tag=" };
        printer.line(Name::To, &[b"<", self.told(Told::RemoteUri), b">", tag_name, tag]);
        (head.to, head.to_tagged) = (printer.value().into(), !tag.is_empty());
        printer.line(Name::CallId, &[self.call_id()]);
        head.call_id = printer.value().into();
        printer.cseq(number, method);
        (head.cseq, head.number) = (printer.value().into(), number);
        for route in routes.iter().skip(usize::from(strict.is_some())) {
            printer.line(Name::Route, &[route]);
            marks.route(printer.value());
        }
        if strict.is_some() {
            printer.line(Name::Route, &[b"<", self.peer.target(), b">"]);
            marks.route(printer.value());
        }
        (printer, marks)
    }

    /// Where requests to the peer are sent: the first route's or the target's address, if it is an IP address; else `fallback`.
    /// A connection that the peer opened is kept: its target need not take others (RFC 5923).
    pub fn next_hop(&self, fallback: Hop) -> Hop {
        if fallback.flow.is_some() {
            return fallback;
        }
        let next = self.peer.routes.first().map_or(self.peer.target(), |first| uri_of(first));
        literal_address(next, fallback.transport).map_or(fallback, |address| fallback.to(address))
    }
}

/// How many bytes of a message a dialog would keep: URIs and tags of both sides, Call-ID, Contact and route set.
pub(crate) fn bytes_kept_of(message: &Message<'_>) -> usize {
    let (from, to) = (message.from(), message.to());
    let texts = [from.uri_text, to.uri_text, message.call_id(), message.target().unwrap_or(b"")];
    let tags = [from.tag(), to.tag()].into_iter().flatten();
    let routes = message.record_routes().take(ROUTES_MAX);
    texts.into_iter().chain(tags).chain(routes).map(<[u8]>::len).sum()
}

/// Marks what a Via of ours says, whose value stands there: `SIP/2.0/UDP host:port;branch=…;rport`.
fn mark_via(head: &mut Head, value: &Range<usize>, (transport, sent_by): (Transport, SocketAddr), branch: usize) {
    let port = sent_by.port();
    let digits = 1 + [10, 100, 1_000, 10_000].iter().filter(|least| port >= **least).count();
    let branch_end = value.end - b";rport".len();
    let host_at = value.start + b"SIP/2.0/ ".len() + transport.as_bytes().len();
    let host_end = branch_end - branch - b";branch=".len() - digits - 1;
    // Brackets are no part of a host.
    let bracket = usize::from(sent_by.is_ipv6());
    head.via = value.clone().into();
    head.branch = (branch_end - branch..branch_end).into();
    head.sent_by = (host_at + bracket..host_end - bracket).into();
    (head.sent_by_port, head.asks_rport) = (Some(port), true);
}

/// The address in a URI whose host is an IP address: the transport's own port where none is named. `None` for names.
pub fn literal_address(uri: &[u8], transport: Transport) -> Option<SocketAddr> {
    let uri = uri::Uri::parse(uri).ok()?;
    let ip = literal_ip(uri.host)?;
    Some(SocketAddr::new(ip, uri.port.unwrap_or(transport.default_port())))
}

/// An IP address as it stands in SIP: IPv6 in brackets or bare.
pub fn literal_ip(host: &[u8]) -> Option<IpAddr> {
    let text = core::str::from_utf8(host).ok()?;
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

/// The URI inside a Route element: between its brackets.
fn uri_of(route: &[u8]) -> &[u8] {
    let start = route.iter().position(|b| *b == b'<').map_or(0, |at| at + 1);
    let end = route.iter().position(|b| *b == b'>').unwrap_or(route.len());
    route.get(start..end).unwrap_or(route)
}

/// True if a Route element carries the `lr` parameter (RFC 3261 §19.1.1).
fn is_loose(route: &[u8]) -> bool {
    let named =
        |param: &[u8]| param.split(|b| matches!(b, b'=' | b'?')).next().unwrap_or(b"").eq_ignore_ascii_case(b"lr");
    uri_of(route).split(|b| *b == b';').skip(1).any(named)
}
