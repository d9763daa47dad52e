//! A SIP datagram finds its call, begins one, or is refused.

use alloc::vec::Vec;
use core::net::SocketAddr;

use call::leg::send::reply_hop;
use call::{Call, Opening};
use cdr::Stages;
use rating::Arrival;
use sip::dialog::{Dialog, Told};
use sip::peek::Peek;
use sip::print::reason_phrase;
use sip::{Address, Hop, Message, Method, Name, Printer, Transport, Uri, parse};
use snapshot::policy;
use units::{CallId, Cause, Clock, Instant, Number};

use crate::guard::{Load, Looping, Reason, Stranger};
use crate::table::CallRef;
use crate::trace::Ladder;
use crate::{Effects, Shard, context, steer, vet};

/// A refused caller is asked to wait for a time between these, in seconds, so that not all come back at once (RFC 3261 §20.33).
const RETRY_AFTER_S: core::ops::RangeInclusive<u64> = 5..=15;

impl Shard {
    /// Reads a message that is ours to read, and remembers it meanwhile: should it break us, it is known which one did.
    pub(crate) fn hear(&mut self, clock: Clock, from: Hop, bytes: &[u8], out: &mut Effects) {
        if self.guard.is_blocked(bytes) {
            self.counters.sip_blocked += 1;
            return;
        }
        self.reading.extend_from_slice(bytes);
        self.read(clock, from, bytes, out);
        self.reading.clear();
    }

    fn read(&mut self, clock: Clock, from: Hop, bytes: &[u8], out: &mut Effects) {
        // RFC 5626 §3.5.1 keep-alives, and what is too short to be anything.
        if bytes.trim_ascii().len() < 12 {
            return;
        }
        self.counters.sip_received += 1;
        self.streams.see(clock.now);
        self.nodes.see(clock.wall);
        if self.guard.load(clock.now) == Load::Over && self.turn_away(clock, from, bytes, out) {
            return;
        }
        if clock.now < self.fresh_from && self.is_stale(from, bytes) {
            self.counters.sip_overload += 1;
            return;
        }
        let before = (self.config.ticks)();
        match parse::message(bytes) {
            Ok(message) => {
                let spent = (self.config.ticks)() - before;
                if message.is_request() {
                    self.on_request(clock, from, &message, spent, out);
                } else {
                    self.on_response(clock, from, &message, out);
                }
            }
            Err(flaw) => {
                self.counters.sip_flawed += 1;
                if self.is_known(clock.now, from) {
                    self.refuse_flawed(from, bytes, flaw.status, flaw.reason, out);
                }
            }
        }
    }

    /// An INVITE that would begin a call. Of those that waited while the process stood still nobody knows whether a balancer gave them to
    /// another node meanwhile; a sender who still wants one repeats it.
    fn is_stale(&self, from: Hop, bytes: &[u8]) -> bool {
        let peek = (from.transport == Transport::Udp).then(|| Peek::request(bytes)).flatten();
        peek.is_some_and(|peek| {
            let begins = peek.method == b"INVITE" && peek.to_tag.is_none();
            begins && self.leg_of(peek.call_id, Some(peek.from_tag)).is_none()
        })
    }

    /// While the shard is behind, refuses a new call of a known peer without reading it, and drops the ACK of such a refusal: what
    /// they cost, calls lack. False for everything else.
    fn turn_away(&mut self, clock: Clock, from: Hop, bytes: &[u8], out: &mut Effects) -> bool {
        if from.transport != Transport::Udp || !matches!(bytes.first(), Some(b'I' | b'A')) {
            return false;
        }
        let Some(peek) = Peek::request(bytes) else { return false };
        let tag = self.guard.tag(peek.call_id, peek.from_tag);
        match (peek.method, peek.to_tag) {
            (b"ACK", Some(to_tag)) => return to_tag == tag,
            (b"INVITE", None)
                if self.leg_of(peek.call_id, Some(peek.from_tag)).is_none() && self.is_known(clock.now, from) => {}
            _ => return false,
        }
        let (wait_s, start) = (self.retry_after_s(), out.bytes.len());
        if !sip::print::turn_away(bytes, wait_s, from.remote, &tag, &mut out.bytes) {
            return false;
        }
        self.counters.sip_overload += 1;
        self.counters.sip_sent += 1;
        // RFC 3581 §4 and RFC 3261 §18.2.2, as for every answer.
        let port =
            peek.via.rport.map_or(peek.via.port.unwrap_or(Transport::Udp.default_port()), |_| from.remote.port());
        let (to, end) = (from.to(SocketAddr::new(from.remote.ip(), port)), out.bytes.len());
        self.emit(to, start..end, out);
        true
    }

    fn on_request(&mut self, clock: Clock, from: Hop, request: &Message<'_>, parse_ns: u64, out: &mut Effects) {
        let Some((at, leg)) = self.leg_of(request.call_id(), request.from().tag()) else {
            if self.hand_on(from, request.to().tag(), request, out) {
                return;
            }
            return self.on_new_request(clock, from, request, parse_ns, out);
        };
        if !self.is_peer(clock, from, (at, leg), request, out) {
            return;
        }
        let Some(entry) = self.table.get(at) else { return };
        let local_tag = entry.call.dialog(leg).map(|dialog| dialog.local_tag()).unwrap_or(b"");
        let refusal = match request.to().tag() {
            Some(tag) if tag != local_tag => Some(481),
            Some(_) => vet::method_objection(request.method()).or_else(|| vet::objection(request, from.transport)),
            // RFC 3261 §8.2.2.2: the same request by another way.
            None if request.method() == Method::Invite && !entry.call.is_first_invite(request) => Some(482),
            None => None,
        };
        match refusal {
            Some(_) if request.method() == Method::Ack => {}
            Some(status) => self.refuse(from, request, status, out),
            None => self.with_call(clock, at, out, |call, ctx| call.on_request(ctx, leg, request, from)),
        }
    }

    fn on_response(&mut self, clock: Clock, from: Hop, response: &Message<'_>, out: &mut Effects) {
        if response.method() == Method::Register {
            return self.on_registered(clock, from, response, out);
        }
        let Some((at, leg)) = self.leg_of(response.call_id(), response.to().tag()) else {
            if self.hand_on(from, response.from().tag(), response, out) {
                return;
            }
            return self.on_trunk_answered(clock, from, response, out);
        };
        if self.is_peer(clock, from, (at, leg), response, out) {
            self.with_call(clock, at, out, |call, ctx| call.on_response(ctx, leg, response));
        }
    }

    /// Whose leg a message belongs to, by its Call-ID and the peer's tag.
    fn leg_of(&self, call_id: &[u8], peer_tag: Option<&[u8]>) -> Option<(CallRef, u8)> {
        let tag = peer_tag.unwrap_or(b"");
        // With our own tag as the peer's, it is our own request that came round: a dialog of its own (RFC 3261 §16.3).
        match self.own_leg(call_id, |dialog| tag.is_empty() || dialog.local_tag() != tag) {
            Some((at, leg, true)) => Some((at, leg)),
            _ => self.table.find_foreign(call_id, tag),
        }
    }

    /// The leg that we minted this Call-ID for, and what is seen of its dialog.
    fn own_leg<T>(&self, call_id: &[u8], look: impl FnOnce(&Dialog) -> T) -> Option<(CallRef, u8, T)> {
        let (at, leg) = steer::minted(call_id).and_then(|_| self.table.find_minted(call_id))?;
        Some((at, leg, self.table.look(at, leg, look)?))
    }

    /// Identity is the source address: nobody may speak in this dialog but its peer, from where it is known or says that it is reached.
    /// Captures what the peer says.
    fn is_peer(
        &mut self,
        clock: Clock,
        from: Hop,
        (at, leg): (CallRef, u8),
        message: &Message<'_>,
        out: &mut Effects,
    ) -> bool {
        // A rest has no step before it that files it again.
        if self.table.recall(at) {
            self.unfiled.push(at);
        }
        let Some(entry) = self.table.get_mut(at) else { return false };
        if !entry.call.is_heard_from(leg, from.remote.ip()) {
            self.counters.sip_intruders += 1;
            self.guard.note(clock.wall, from.remote, message, Reason::Intruder);
            return false;
        }
        entry.note(clock.wall, (leg, true), from, (message.text(), message.body().len()), out);
        true
    }

    /// A request that belongs to no call.
    fn on_new_request(&mut self, clock: Clock, from: Hop, request: &Message<'_>, parse_ns: u64, out: &mut Effects) {
        let method = request.method();
        if method == Method::Ack {
            return;
        }
        // What another node heard belongs to a call of ours, or to none.
        if from.holder().is_some() {
            return self.refuse(from, request, 481, out);
        }
        if method == Method::Options && self.is_balancer(from) {
            return self.on_balancer_asks(clock, from, request, out);
        }
        // Who is a stranger is not known before the first snapshot. Datagrams are sent again until it is (RFC 3261 §17.1.1.2); over a
        // connection nothing is, and a 503 lets the peer try another node.
        if self.loaded.is_none() {
            self.counters.sip_early += 1;
            if from.transport != Transport::Udp {
                self.refuse(from, request, 503, out);
            }
            return;
        }
        let may_prove = self.may_prove(method);
        if method == Method::Register && may_prove {
            return self.on_register(clock, from, request, out);
        }
        if !may_prove && !self.is_known(clock.now, from) {
            return self.on_stranger(clock, from, request, out);
        }
        let status = match method {
            _ if let Some(status) = vet::method_objection(method) => status,
            _ if request.to().tag().is_some() => 481,
            Method::Cancel | Method::Bye | Method::Update | Method::Info | Method::Prack => 481,
            // Those that could not be turned away unread.
            Method::Invite if self.guard.load(clock.now) == Load::Over => {
                self.counters.sip_overload += 1;
                503
            }
            _ if let Some(status) = vet::objection(request, from.transport) => status,
            Method::Options => 200,
            Method::Invite => match self.objection(clock.now, request) {
                Some(status) => status,
                None => return self.begin(clock, from, request, parse_ns, out),
            },
            _ => 405,
        };
        self.refuse(from, request, status, out);
    }

    /// A request of somebody who is nobody's: one packet that is hardly larger than what came, or none.
    fn on_stranger(&mut self, clock: Clock, from: Hop, request: &Message<'_>, out: &mut Effects) {
        self.counters.sip_strangers += 1;
        self.guard.note(clock.wall, from.remote, request, Reason::Unknown);
        if self.guard.stranger() == Stranger::Silent {
            return;
        }
        // A switch without a way in is being set up. Who calls it now may be known in a moment, or try the next node.
        let ways_in = self.loaded.as_ref().is_some_and(|loaded| loaded.view().ingress_trunks().next().is_some());
        let status = if ways_in || request.method() != Method::Invite { 403 } else { 503 };
        let (tag, to) = (self.guard.tag(request.call_id(), request.via().branch), reply_hop(request, from));
        let start = out.bytes.len();
        Printer::reply(&mut out.bytes, request, status, reason_phrase(status), &tag, from.remote).finish_empty();
        // Whoever forges a source gains nothing by us: 1.2 bytes for one at most.
        if (out.bytes.len() - start) * 10 > request.text().len() * 12 {
            return out.bytes.truncate(start);
        }
        self.counters.sip_sent += 1;
        self.emit(to, start..out.bytes.len(), out);
    }

    /// What stands against an INVITE of somebody we know.
    fn objection(&mut self, now: Instant, invite: &Message<'_>) -> Option<u16> {
        if !self.takes_calls(now) {
            self.counters.calls_turned_away += 1;
            return Some(503);
        }
        if invite.max_forwards() == Some(0) {
            return Some(483);
        }
        self.came_round(invite).then_some(482)
    }

    /// RFC 3261 §16.3 item 4: our own INVITE came back. With the same numbers it would go round for ever; with others it is a
    /// spiral, and a call like any other.
    fn came_round(&mut self, invite: &Message<'_>) -> bool {
        let number = |text: &[u8]| number_of(Uri::parse(text).ok());
        let same = |ours: &[u8], theirs: &[u8]| number(ours) == number(theirs);
        let loops = self.own_leg(invite.call_id(), |dialog| {
            same(invite.request_uri().unwrap_or(b""), dialog.told(Told::RemoteUri))
                && same(invite.from().uri_text, dialog.told(Told::LocalUri))
        });
        let loops = loops.is_some_and(|(_, _, loops)| loops);
        self.counters.loops += u64::from(loops);
        loops
    }

    /// Begins a call.
    fn begin(&mut self, clock: Clock, from: Hop, invite: &Message<'_>, parse_ns: u64, out: &mut Effects) {
        let Some(loaded) = self.loaded.clone() else { return };
        let uri = invite.request_uri().and_then(|uri| Uri::parse(uri).ok());
        let Some(called) = number_of(uri) else { return self.refuse(from, invite, 404, out) };
        let lrn = uri.and_then(|uri| routing_number_of(&uri)).unwrap_or(Number::EMPTY);
        let calling = invite.from().uri().ok().and_then(|uri| number_of(Some(uri))).unwrap_or(Number::EMPTY);
        let before = (self.config.ticks)();
        let arrival = self.arrival(from, invite, calling, (called, lrn));
        let Some((admission, refusal)) = self.admit(clock, from, invite, (&loaded, &arrival), out) else { return };
        let admit_ns = (self.config.ticks)() - before;
        self.stages.parse.record(parse_ns);
        self.stages.admit.record(admit_ns);
        let (refusal, seat) = match refusal {
            Ok(()) => match self.guard.enter_pair(clock.now, &calling, &admission.called) {
                Ok(seat) => (refusal, seat),
                Err(Looping) => {
                    self.counters.loops += 1;
                    (Err(Cause::LOOP_DETECTED), None)
                }
            },
            Err(Cause::ORIGINATOR_NOT_FOUND) => return self.refuse(from, invite, 403, out),
            Err(_) => (refusal, None),
        };
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let id = CallId { node: self.config.node, boot: self.config.boot, shard: self.config.shard, sequence };
        let (parse_us, admit_us) = ((parse_ns / 1_000) as u32, (admit_ns / 1_000) as u32);
        let (ingress, plan) = (admission.ingress, admission.plan);
        let opening = Opening {
            id,
            admission,
            calling,
            called,
            hops: invite.max_forwards().unwrap_or(70),
            source: from,
            stages: Stages { parse_us, admit_us, ..Stages::default() },
        };
        let mut ctx = context(
            clock,
            &loaded,
            (&self.switch, &self.ways, &self.certificates.keys),
            &mut self.random,
            &mut self.relay,
            (&mut self.work, &mut self.routes),
            self.config.ticks,
        );
        let call = Call::begin(&mut ctx, opening, invite, refusal);
        let chosen = sequence % 100 < u64::from(self.config.trace_percent);
        self.counters.calls_begun += 1;
        self.running += 1;
        let at = self.table.insert(call, chosen.then(|| Ladder::new(id)));
        self.begin_tape(at, &loaded, (ingress, plan));
        if let Some(entry) = self.table.get_mut(at) {
            entry.seat = seat;
            entry.note(clock.wall, (0, true), from, (invite.text(), invite.body().len()), out);
        }
        self.table.register_foreign(at, 0);
        self.carry_out(clock, at, out);
        self.after_step(clock, at, out, (false, false));
        self.work_inbox(clock, out);
    }

    /// An INVITE as admission looks at it.
    fn arrival(&self, from: Hop, invite: &Message<'_>, calling: Number, (called, lrn): (Number, Number)) -> Arrival {
        let transport = match from.transport {
            Transport::Udp => policy::Transport::Udp,
            Transport::Tcp => policy::Transport::Tcp,
            Transport::Tls => policy::Transport::Tls,
        };
        let asserted = invite.list(Name::PAssertedIdentity).chain(invite.list(Name::RemotePartyId));
        let mut asserted = asserted.filter_map(|value| number_of(Address::parse(value).ok()?.uri().ok()));
        Arrival {
            source: from.remote,
            transport,
            node: self.config.node,
            calling,
            asserted: asserted.next(),
            called,
            lrn,
        }
    }

    /// True if some ingress trunk or egress trunk has this address, or somebody proved a name from there.
    pub(crate) fn is_known(&self, now: Instant, from: Hop) -> bool {
        if self.is_balancer(from) {
            return true;
        }
        let Some(loaded) = &self.loaded else { return false };
        let address = from.remote.ip().to_canonical();
        if self.came_from.get() == Some(address) || self.egress_addresses.binary_search(&address).is_ok() {
            return true;
        }
        if loaded.view().at_address(address).next().is_some() {
            self.came_from.set(Some(address));
            return true;
        }
        self.identity.proofs.is_proven(now, address)
    }

    /// Answers without keeping anything: one packet for one packet.
    pub(crate) fn refuse(&mut self, from: Hop, request: &Message<'_>, status: u16, out: &mut Effects) {
        self.counters.sip_refused += u64::from(status != 200);
        self.counters.sip_sent += 1;
        let (tag, to) = (self.guard.tag(request.call_id(), request.via().branch), reply_hop(request, from));
        let wait_s = self.retry_after_s();
        let bytes = out.append(|bytes| {
            let mut printer = Printer::reply(bytes, request, status, reason_phrase(status), &tag, from.remote);
            vet::explain(&mut printer, request, status, wait_s);
            printer.finish_empty();
        });
        self.emit(to, bytes, out);
    }

    fn retry_after_s(&mut self) -> u64 {
        RETRY_AFTER_S.start() + self.random.bits() % (RETRY_AFTER_S.end() - RETRY_AFTER_S.start() + 1)
    }

    pub(crate) fn refuse_flawed(
        &mut self,
        from: Hop,
        bytes: &[u8],
        status: u16,
        reason: &'static str,
        out: &mut Effects,
    ) {
        let tag = self.guard.tag(bytes, b"");
        let mut answer = Vec::with_capacity(512);
        if sip::print::refusal(bytes, status, reason, from.remote, &tag, &mut answer) {
            self.send(from, &answer, out);
        }
    }

    pub(crate) fn send(&mut self, to: Hop, message: &[u8], out: &mut Effects) {
        self.counters.sip_sent += 1;
        let bytes = out.append(|bytes| bytes.extend_from_slice(message));
        self.emit(to, bytes, out);
    }
}

/// The number in a URI's user part; `None` if it is not one: such a destination is answered with 404.
fn number_of(uri: Option<Uri<'_>>) -> Option<Number> {
    Number::parse(uri?.number()?.as_bytes()).ok()
}

/// The location routing number beside a URI's number, in international form. Ten digits alone are a number of country code 1: only its
/// carriers leave the context away (RFC 4694 §4 wants one).
fn routing_number_of(uri: &Uri<'_>) -> Option<Number> {
    let number = Number::parse(uri.routing_number()?.as_bytes()).ok()?;
    let bare = number.as_bytes().len() == 10 && number.as_bytes().iter().all(u8::is_ascii_digit);
    if bare { number.with_prefix(b"1") } else { Some(number) }
}
