//! A SIP datagram finds its call, begins one, or is refused.

use alloc::boxed::Box;
use alloc::vec::Vec;

use call::leg::send::reply_hop;
use call::{Call, Opening};
use cdr::Stages;
use rating::Admission;
use sip::print::reason_phrase;
use sip::{Hop, Message, Method, Name, Printer, Uri, parse};
use units::{CallId, Cause, Clock, Number};

use crate::table::foreign_key;
use crate::trace::Ladder;
use crate::{CALLS_MAX, Effect, Effects, Shard, context, steer};

/// Seconds that a refused caller is asked to wait (RFC 3261 §20.33).
const RETRY_AFTER_S: &[u8] = b"10";
/// What we take out of a dialog.
const ALLOW: &[u8] = b"INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE";

impl Shard {
    /// Reads a datagram that is ours to read.
    pub(crate) fn hear(&mut self, clock: Clock, from: Hop, bytes: &[u8], out: &mut Effects) {
        // RFC 5626 §3.5.1 keep-alives, and what is too short to be anything.
        if bytes.trim_ascii().len() < 12 {
            return;
        }
        self.counters.sip_received += 1;
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
                if self.is_known(from) {
                    self.refuse_flawed(from, bytes, flaw.status, flaw.reason, out);
                }
            }
        }
    }

    fn on_request(&mut self, clock: Clock, from: Hop, request: &Message<'_>, parse_ns: u64, out: &mut Effects) {
        let own = request.call_id();
        let tag = request.from().tag().unwrap_or(b"");
        let found = steer::minted(own).and_then(|_| self.table.find(own));
        let found = found.or_else(|| self.table.find(&foreign_key(own, tag)));
        let Some((at, leg)) = found else { return self.on_new_request(clock, from, request, parse_ns, out) };
        let Some(entry) = self.table.get_mut(at) else { return };
        // Identity is the source address: nobody else may speak in this dialog.
        if entry.call.peer(leg).is_none_or(|peer| peer.remote.ip() != from.remote.ip()) {
            self.counters.sip_strangers += 1;
            return;
        }
        if let Some(ladder) = &mut entry.ladder {
            ladder.note(clock.wall, leg, true, from.remote, request.text());
        }
        let local_tag = entry.call.dialog(leg).map(|dialog| dialog.local_tag.as_slice()).unwrap_or(b"");
        let to_tag = request.to().tag();
        if to_tag.is_some_and(|to_tag| to_tag != local_tag) {
            if request.method() != Method::Ack {
                self.refuse(from, request, 481, out);
            }
            return;
        }
        // RFC 3261 §8.2.2.2: the same request by another way.
        if to_tag.is_none() && request.method() == Method::Invite && !entry.call.is_first_invite(request) {
            return self.refuse(from, request, 482, out);
        }
        self.with_call(clock, at, out, |call, ctx| call.on_request(ctx, leg, request, from));
    }

    fn on_response(&mut self, clock: Clock, from: Hop, response: &Message<'_>, out: &mut Effects) {
        let own = response.call_id();
        let tag = response.to().tag().unwrap_or(b"");
        let found = steer::minted(own).and_then(|_| self.table.find(own));
        let Some((at, leg)) = found.or_else(|| self.table.find(&foreign_key(own, tag))) else { return };
        let Some(entry) = self.table.get_mut(at) else { return };
        if entry.call.peer(leg).is_none_or(|peer| peer.remote.ip() != from.remote.ip()) {
            self.counters.sip_strangers += 1;
            return;
        }
        if let Some(ladder) = &mut entry.ladder {
            ladder.note(clock.wall, leg, true, from.remote, response.text());
        }
        self.with_call(clock, at, out, |call, ctx| call.on_response(ctx, leg, response));
    }

    /// A request that belongs to no call.
    fn on_new_request(&mut self, clock: Clock, from: Hop, request: &Message<'_>, parse_ns: u64, out: &mut Effects) {
        let status = match request.method() {
            Method::Ack => return,
            _ if !self.is_known(from) => {
                self.counters.sip_strangers += 1;
                403
            }
            _ if request.to().tag().is_some() => 481,
            Method::Cancel | Method::Bye | Method::Update | Method::Info | Method::Prack => 481,
            Method::Options => 200,
            Method::Invite => match self.objection(request) {
                Some(status) => status,
                None => return self.begin(clock, from, request, parse_ns, out),
            },
            Method::Refer => 403,
            _ => 405,
        };
        self.refuse(from, request, status, out);
    }

    /// What stands against an INVITE before anyone asks who sent it.
    fn objection(&mut self, invite: &Message<'_>) -> Option<u16> {
        if self.draining || self.disk_full || self.loaded.is_none() || self.table.len() >= CALLS_MAX {
            self.counters.calls_turned_away += 1;
            return Some(503);
        }
        if invite.max_forwards() == Some(0) {
            return Some(483);
        }
        if invite.header(Name::Require).is_some_and(|value| !value.is_empty()) {
            return Some(420);
        }
        let kind = invite.content_type().unwrap_or(b"");
        let base = kind.split(|b| *b == b';').next().unwrap_or(b"").trim_ascii();
        (!invite.body().is_empty() && !base.eq_ignore_ascii_case(b"application/sdp")).then_some(415)
    }

    /// Begins a call.
    fn begin(&mut self, clock: Clock, from: Hop, invite: &Message<'_>, parse_ns: u64, out: &mut Effects) {
        let Some(loaded) = self.loaded.clone() else { return };
        let view = loaded.view();
        let Some(called) = number_of(invite.request_uri().and_then(|uri| Uri::parse(uri).ok())) else {
            return self.refuse(from, invite, 404, out);
        };
        let calling = invite.from().uri().ok().and_then(|uri| number_of(Some(uri))).unwrap_or(Number::EMPTY);
        let before = (self.config.ticks)();
        let admitted = rating::admit(&view, from.remote, &called);
        let admit_ns = (self.config.ticks)() - before;
        self.stages.parse.record(parse_ns);
        self.stages.admit.record(admit_ns);
        let (admission, refusal) = match admitted {
            Ok(admission) => (admission, Ok(())),
            Err(Cause::ORIGINATOR_NOT_FOUND) => return self.refuse(from, invite, 403, out),
            Err(cause) => (Admission { called, ..Admission::default() }, Err(cause)),
        };
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let id = CallId { node: self.config.node, boot: self.config.boot, shard: self.config.shard, sequence };
        let (parse_us, admit_us) = ((parse_ns / 1_000) as u32, (admit_ns / 1_000) as u32);
        let opening = Opening {
            id,
            admission,
            calling,
            called,
            hops: invite.max_forwards().unwrap_or(70),
            source: from,
            stages: Stages { parse_us, admit_us, ..Stages::default() },
        };
        let mut ctx =
            context(clock, &loaded, &self.switch, &mut self.random, &mut self.relay, &mut self.work, self.config.ticks);
        let call = Call::begin(&mut ctx, opening, invite, refusal);
        let chosen = sequence % 100 < u64::from(self.config.trace_percent);
        let mut ladder = chosen.then(Ladder::default);
        if let Some(ladder) = &mut ladder {
            ladder.note(clock.wall, 0, true, from.remote, invite.text());
        }
        self.counters.calls_begun += 1;
        let at = self.table.insert(Box::new(call), ladder);
        let tag = invite.from().tag().unwrap_or(b"");
        self.table.register(foreign_key(invite.call_id(), tag), at, 0);
        self.carry_out(clock, at, out);
        self.after_step(clock, at, out, (false, false));
        self.work_inbox(clock, out);
    }

    /// True if some ingress trunk or egress trunk has this address.
    fn is_known(&self, from: Hop) -> bool {
        self.loaded.as_ref().is_some_and(|loaded| rating::is_known(&loaded.view(), from.remote))
    }

    /// Answers without keeping anything: one packet for one packet.
    fn refuse(&mut self, from: Hop, request: &Message<'_>, status: u16, out: &mut Effects) {
        self.counters.sip_refused += u64::from(status != 200);
        let tag = self.random.token(b"");
        let mut answer = Vec::with_capacity(512);
        let mut printer = Printer::reply(&mut answer, request, status, reason_phrase(status), &tag, from.remote);
        match status {
            200 | 405 => {
                printer.line("Allow", &[ALLOW]);
            }
            415 => {
                printer.line("Accept", &[b"application/sdp"]);
            }
            420 => {
                printer.line("Unsupported", &[request.header(Name::Require).unwrap_or(b"")]);
            }
            503 => {
                printer.line("Retry-After", &[RETRY_AFTER_S]);
            }
            _ => {}
        }
        printer.finish_empty();
        self.send(reply_hop(request, from), &answer, out);
    }

    fn refuse_flawed(&mut self, from: Hop, bytes: &[u8], status: u16, reason: &'static str, out: &mut Effects) {
        let tag = self.random.token(b"");
        let mut answer = Vec::with_capacity(512);
        if sip::print::refusal(bytes, status, reason, from.remote, &tag, &mut answer) {
            self.send(from, &answer, out);
        }
    }

    fn send(&mut self, to: Hop, message: &[u8], out: &mut Effects) {
        self.counters.sip_sent += 1;
        let bytes = out.append(|bytes| bytes.extend_from_slice(message));
        out.list.push(Effect::Sip { to, bytes });
    }
}

/// The number in a URI's user part; `None` if it is not one: such a destination is answered with 404.
fn number_of(uri: Option<Uri<'_>>) -> Option<Number> {
    Number::parse(uri?.number()?.as_bytes()).ok()
}
