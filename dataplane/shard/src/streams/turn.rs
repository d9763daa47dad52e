//! What a shard does with its connections.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::ops::Range;

use sip::stream::Frame;
use sip::{Flaw, Flow, Hop, Message, Transport, dialog, parse};
use units::{Clock, ShardId};

use super::Sent;
use crate::{Effect, Effects, Parcel, Shard, steer};

/// RFC 5626 §4.4.1: the answer to a keep-alive.
const PONG: &[u8] = b"\r\n";

impl Shard {
    /// Somebody connected to a listener. The number of the connection from now on; `None` closes it at once.
    pub fn on_accepted(&mut self, clock: Clock, listener: u8, from: SocketAddr) -> Option<Flow> {
        self.streams.see(clock.now);
        let transport = self.config.listeners.get(usize::from(listener))?.transport;
        let known = self.is_known(clock.now, Hop { transport, listener, remote: from, flow: None });
        // A handshake costs more than a message: who may not speak may not connect either.
        let may = self.guard.ask(clock.now, from.ip(), known).is_ok();
        let flow = if may { self.streams.accept(transport, listener, from, known) } else { None };
        match flow {
            Some(_) => self.counters.streams_accepted += 1,
            None => self.counters.streams_refused += 1,
        }
        flow
    }

    /// A connection that was ordered stands, its TLS handshake included.
    pub fn on_connected(&mut self, clock: Clock, flow: Flow, out: &mut Effects) {
        self.streams.see(clock.now);
        self.counters.streams_connected += 1;
        for waited in self.streams.connected(flow) {
            let bytes = out.append(|store| store.extend_from_slice(&waited));
            out.list.push(Effect::Stream { flow, bytes });
        }
    }

    /// Bytes of a connection came, in order.
    pub fn on_stream(&mut self, clock: Clock, flow: Flow, bytes: &[u8], out: &mut Effects) {
        self.streams.see(clock.now);
        let Some((from, mut input)) = self.streams.take(flow, bytes) else { return };
        let mut taken = 0;
        let flaw = loop {
            match input.framer.next(&input.bytes[taken..]) {
                Ok(Frame::More) => break None,
                Ok(Frame::Skip { length }) => taken += length,
                Ok(Frame::Ping { length }) => {
                    taken += length;
                    let bytes = out.append(|store| store.extend_from_slice(PONG));
                    out.list.push(Effect::Stream { flow, bytes });
                }
                Ok(Frame::Message { length }) => {
                    self.on_sip(clock, from, &input.bytes[taken..taken + length], out);
                    taken += length;
                    if !self.streams.has(flow) {
                        return;
                    }
                }
                Err(flaw) => break Some(flaw),
            }
        };
        match flaw {
            Some(flaw) => self.on_stream_flaw(from, flow, &input.bytes[taken..], flaw, out),
            None if !self.streams.give_back(flow, input, taken) => self.close_stream(flow, out),
            None => {}
        }
    }

    /// RFC 3261 §18.3: where the next message begins cannot be known, so the connection ends.
    fn on_stream_flaw(&mut self, from: Hop, flow: Flow, bytes: &[u8], flaw: Flaw, out: &mut Effects) {
        self.counters.sip_flawed += 1;
        if self.streams.is_known(flow) {
            self.refuse_flawed(from, bytes, flaw.status, flaw.reason, out);
        }
        self.close_stream(flow, out);
    }

    /// The network ended a connection, or it could not be made.
    pub fn on_stream_ended(&mut self, clock: Clock, flow: Flow, out: &mut Effects) {
        self.streams.see(clock.now);
        let Some(waited) = self.streams.remove(flow) else { return };
        self.counters.streams_failed += u64::from(!waited.is_empty());
        for message in waited {
            self.unsent(message, out);
        }
        self.work_inbox(clock, out);
    }

    /// Closes what was silent, slow or never stood.
    pub(crate) fn streams_on_time(&mut self, clock: Clock, out: &mut Effects) {
        self.streams.see(clock.now);
        while let Some(Hop { flow: Some(flow), .. }) = self.streams.expired() {
            self.counters.streams_expired += 1;
            self.close_stream(flow, out);
        }
    }

    fn close_stream(&mut self, flow: Flow, out: &mut Effects) {
        let Some(waited) = self.streams.remove(flow) else { return };
        out.list.push(Effect::CloseStream { flow });
        for message in waited {
            self.unsent(message, out);
        }
    }

    /// Orders that these bytes of the effects be sent.
    pub(crate) fn emit(&mut self, to: Hop, bytes: Range<usize>, out: &mut Effects) {
        if to.transport == Transport::Udp {
            return out.list.push(Effect::Sip { to, bytes });
        }
        if let Some(holder) = to.holder() {
            return self.send_across(to, holder, bytes, out);
        }
        let other = |flow: &Flow| flow.shard() != self.config.shard.0 && flow.shard() < self.config.shards;
        match to.flow.filter(other) {
            Some(flow) => {
                let parcel = Parcel::Send { to, bytes: out.bytes[bytes].to_vec() };
                out.list.push(Effect::Parcel { to: ShardId(flow.shard()), parcel: parcel.into() });
            }
            None => self.send_stream(to, bytes, out),
        }
    }

    /// Sends over a connection of this shard: the hop's, one that leads there, or one that is to be made.
    fn send_stream(&mut self, to: Hop, bytes: Range<usize>, out: &mut Effects) {
        let message = &out.bytes[bytes.clone()];
        match self.streams.send(to, message, || other_way(to, message)) {
            Sent::Now(flow) => {
                let parting = self.parts(flow, message);
                out.list.push(Effect::Stream { flow, bytes });
                if parting {
                    self.close_stream(flow, out);
                }
            }
            Sent::Waits => {}
            Sent::Connects(flow) => {
                let remote = self.streams.connections[&flow].hop.remote;
                let name = if to.transport == Transport::Tls { self.name_at(remote) } else { String::new() };
                out.list.push(Effect::Connect { flow, listener: to.listener, to: remote, name });
            }
            Sent::Refused => {
                let message = message.to_vec();
                self.counters.streams_refused += 1;
                self.unsent(message, out);
            }
        }
    }

    /// The host name of the trunk that is found at this address (RFC 5922 §4: what operators wrote, not what a message says).
    fn name_at(&self, remote: SocketAddr) -> String {
        let Some(loaded) = &self.loaded else { return String::new() };
        let at = |trunk| loaded.view().egress(trunk).is_some_and(|found| found.address().ip() == remote.ip());
        let named = loaded
            .policies
            .egress_trunks()
            .find(|(trunk, rules)| !rules.policy.host.is_empty() && (at(*trunk) || self.ways.has(*trunk, remote.ip())));
        // The port behind a name is no part of what a certificate proves.
        named.and_then(|(_, rules)| rules.policy.host.split(':').next()).unwrap_or_default().into()
    }

    /// A stranger's connection ends with our refusal; an acceptance says that it is none, and a challenge waits for its answer.
    fn parts(&mut self, flow: Flow, message: &[u8]) -> bool {
        let status = message.strip_prefix(b"SIP/2.0 ").and_then(|rest| rest.get(..3));
        match status {
            Some([b'2', ..]) => {
                self.streams.trust(flow);
                false
            }
            Some(b"401" | b"407" | b"423") | None => false,
            Some([first, ..]) => matches!(first, b'3'..=b'6') && !self.streams.is_known(flow),
            Some([]) => false,
        }
    }

    /// Another shard's message for a connection of ours.
    pub(crate) fn on_send_parcel(&mut self, clock: Clock, to: Hop, message: &[u8], out: &mut Effects) {
        self.streams.see(clock.now);
        let bytes = out.append(|store| store.extend_from_slice(message));
        self.send_stream(to, bytes, out);
        self.work_inbox(clock, out);
    }

    /// Tells the owner of the message's call; answers are not missed: their requests are repeated or time out.
    pub(crate) fn unsent(&mut self, message: Vec<u8>, out: &mut Effects) {
        if message.starts_with(b"SIP/2.0 ") {
            return;
        }
        match steer::owner(&message, self.config.shards) {
            Some(owner) if owner != self.config.shard => {
                let parcel = Parcel::Unsent { bytes: message };
                out.list.push(Effect::Parcel { to: owner, parcel: parcel.into() });
            }
            _ => self.unsent.push_back(message),
        }
    }

    /// Lets the calls know which of their requests were not sent. A call that tries another route may come here again, as often
    /// as it has routes.
    pub(crate) fn work_unsent(&mut self, clock: Clock, bytes: &[u8], out: &mut Effects) {
        let Ok(request) = parse::message(bytes) else { return };
        let Some((at, leg)) = self.leg_of_ours(&request) else {
            return self.on_question_unsent(clock, request.call_id(), out);
        };
        self.step(clock, at, out, |call, ctx| call.on_unsent(ctx, leg, &request));
    }

    /// The leg that sent this request: by the Call-ID that we minted, or by the peer's with its tag.
    fn leg_of_ours(&self, request: &Message<'_>) -> Option<(crate::table::CallRef, u8)> {
        let own = request.call_id();
        let tag = request.to().tag().unwrap_or(b"");
        let found = steer::minted(own).and_then(|_| self.table.find_minted(own));
        found.or_else(|| self.table.find_foreign(own, tag))
    }
}

/// Where a message goes when the connection that it was to take is gone. RFC 3261 §18.2.2: a response to the address that its request
/// came from, at the port that its Via names; a request to where its route or target says.
fn other_way(to: Hop, message: &[u8]) -> SocketAddr {
    let default = SocketAddr::new(to.remote.ip(), to.transport.default_port());
    let Ok(message) = parse::message(message) else { return default };
    if !message.is_request() {
        return SocketAddr::new(to.remote.ip(), message.via().port.unwrap_or(to.transport.default_port()));
    }
    message.request_uri().and_then(|uri| dialog::literal_address(uri, to.transport)).unwrap_or(default)
}
