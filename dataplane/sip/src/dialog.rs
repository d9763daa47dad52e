//! A dialog: what two sides must remember to talk about the same call (RFC 3261 §12).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::hop::{Hop, Transport};
use crate::message::Message;
use crate::print::Printer;
use crate::uri;

/// The longest route set that is kept; a peer that sends more is not taken for one of ours.
pub const ROUTES_MAX: usize = 8;

/// The target of a peer that named none: requests go to where its own came from.
const NOWHERE: &[u8] = b"sip:unnamed.invalid";

/// One side's memory of a dialog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialog {
    /// The Call-ID header.
    pub call_id: Vec<u8>,
    /// Our tag.
    pub local_tag: Vec<u8>,
    /// The peer's tag; empty until its first answer with one.
    pub remote_tag: Vec<u8>,
    /// Our URI, without brackets.
    pub local_uri: Vec<u8>,
    /// Our display name with its quotes, or empty.
    pub local_display: Vec<u8>,
    /// The peer's URI, without brackets.
    pub remote_uri: Vec<u8>,
    /// Where requests to the peer are addressed: its Contact.
    pub target: Vec<u8>,
    /// Route headers of requests to the peer, in order.
    pub routes: Vec<Vec<u8>>,
    /// The number of our last request.
    pub local_cseq: u32,
    /// The number of the peer's last request; `None` before the first.
    pub remote_cseq: Option<u32>,
}

impl Dialog {
    /// The dialog that a received INVITE would make (RFC 3261 §12.1.1).
    pub fn received(invite: &Message<'_>, local_tag: &[u8]) -> Dialog {
        let (from, to) = (invite.from(), invite.to());
        Dialog {
            call_id: invite.call_id().to_vec(),
            local_tag: local_tag.to_vec(),
            remote_tag: from.tag().unwrap_or(b"").to_vec(),
            local_uri: to.uri_text.to_vec(),
            local_display: Vec::new(),
            remote_uri: from.uri_text.to_vec(),
            // Peers of RFC 2543 name no place; of one that is none nothing is printed.
            target: invite
                .target()
                .or(Some(from.uri_text).filter(|uri| uri::is_addressable(uri)))
                .unwrap_or(NOWHERE)
                .to_vec(),
            routes: invite.record_routes().take(ROUTES_MAX).map(<[u8]>::to_vec).collect(),
            local_cseq: 0,
            remote_cseq: Some(invite.cseq().number),
        }
    }

    /// Takes the peer's tag, target and route set from an answer to our INVITE (RFC 3261 §12.1.2).
    pub fn learn(&mut self, response: &Message<'_>) {
        if let Some(tag) = response.to().tag() {
            self.remote_tag = tag.to_vec();
        }
        self.refresh(response);
        let mut routes: Vec<Vec<u8>> = response.record_routes().take(ROUTES_MAX).map(<[u8]>::to_vec).collect();
        routes.reverse();
        self.routes = routes;
    }

    /// Takes a new target from a re-INVITE or its answer (RFC 3261 §12.2).
    pub fn refresh(&mut self, message: &Message<'_>) {
        if let Some(target) = message.target() {
            self.target = target.to_vec();
        }
    }

    /// True if the peer, or the first proxy on the way to it, is reached by a `sips` address: then ours in Contact is one as well
    /// (RFC 3261 §8.1.1.8, §12.1.1).
    pub fn is_secure(&self) -> bool {
        uri::is_secure(&self.target) || self.routes.first().is_some_and(|first| uri::is_secure(uri_of(first)))
    }

    /// True if a request with this number may be new: RFC 3261 §12.2.2 wants numbers to rise.
    pub fn in_order(&self, number: u32) -> bool {
        self.remote_cseq.is_none_or(|last| number > last)
    }

    /// True if the peer says that it is reached at this address.
    pub fn names(&self, ip: IpAddr) -> bool {
        names(&self.target, &self.routes, ip)
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
        let strict = self.routes.first().filter(|first| !is_loose(first) && uri::is_addressable(uri_of(first)));
        // RFC 3261 §12.2.1.1: a strict first route becomes the Request-URI and the target goes last.
        let target = strict.map_or(self.target.as_slice(), |first| uri_of(first));
        let mut printer = Printer::request(out, method, target);
        printer.via(via.0, via.1, branch);
        printer.number("Max-Forwards", u64::from(hops));
        let gap: &[u8] = if self.local_display.is_empty() { b"" } else { b" " };
        printer.line("From", &[&self.local_display, gap, b"<", &self.local_uri, b">;tag=", &self.local_tag]);
        let tag_name: &[u8] = if self.remote_tag.is_empty() { b"" } else { b";tag=" };
        printer.line("To", &[b"<", &self.remote_uri, b">", tag_name, &self.remote_tag]);
        printer.line("Call-ID", &[&self.call_id]);
        printer.cseq(number, method);
        for route in self.routes.iter().skip(usize::from(strict.is_some())) {
            printer.line("Route", &[route]);
        }
        if strict.is_some() {
            printer.line("Route", &[b"<", &self.target, b">"]);
        }
        printer
    }

    /// Where requests to the peer are sent: the first route's or the target's address, if it is an IP address; else `fallback`.
    /// A connection that the peer opened is kept: its target need not take others (RFC 5923).
    pub fn next_hop(&self, fallback: Hop) -> Hop {
        if fallback.flow.is_some() {
            return fallback;
        }
        let next = self.routes.first().map_or(self.target.as_slice(), |first| uri_of(first));
        literal_address(next, fallback.transport).map_or(fallback, |address| fallback.to(address))
    }
}

/// True if a peer with this Contact and this route set is reached at this address: it is there itself, or the first proxy on the way to it.
pub fn names(target: &[u8], routes: &[Vec<u8>], ip: IpAddr) -> bool {
    let there = |uri: &[u8]| uri::Uri::parse(uri).ok().and_then(|uri| literal_ip(uri.host)) == Some(ip.to_canonical());
    there(target) || routes.first().is_some_and(|first| there(uri_of(first)))
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
