//! What a leg says: requests, answers, acknowledgements.

use alloc::vec::Vec;
use core::net::SocketAddr;

use sip::client::Client;
use sip::invite_client::InviteClient;
use sip::print::reason_phrase;
use sip::{Hop, Marks, Message, Method, Name, Printer, Stored, Transport, parse};
use units::Cause;

use crate::bridge::Body;
use crate::leg::receive::body_of;
use crate::leg::refresh::Asked;
use crate::leg::refusal::Refusal;
use crate::leg::{Desk, InviteOut, Leg, RequestIn, RequestOut, StandsFor};
use crate::limits::{PAST_INVITES_MAX, REOFFER_TIMEOUT_MS};
use crate::release::{Why, q850_of_cause};

/// The magic cookie of RFC 3261 §8.1.1.7.
const BRANCH_HEAD: &[u8] = b"z9hG4bK";
/// What of a request stays when it is sent anew.
const REPEATED: [Name; 7] =
    [Name::Contact, Name::Allow, Name::Supported, Name::SessionExpires, Name::MinSe, Name::RAck, Name::Reason];
/// The longest request that is sent as a datagram to a trunk that takes TCP as well: a path of 1,500 bytes less 200 (RFC 3261 §18.1.1).
const DATAGRAM_BYTES_MAX: usize = 1_300;
/// The bodies that we read (RFC 3261 §20.1).
pub(super) const ACCEPT: &[u8] = b"application/sdp, multipart/mixed";
/// What we take in a request (RFC 3261 §20.5).
pub(super) const ALLOW: &[u8] = b"INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK";

impl Leg {
    /// Sends an INVITE: the first one, or a re-INVITE within the dialog. `hops` is its Max-Forwards.
    pub fn send_invite(&mut self, desk: &mut Desk<'_>, index: u8, body: &Body, hops: u8) {
        self.send_invite_with(desk, index, body, hops, b"");
    }

    /// The same with a header line that proves who we are, if it is not empty.
    pub(super) fn send_invite_with(&mut self, desk: &mut Desk<'_>, index: u8, body: &Body, hops: u8, proof: &[u8]) {
        let initial = !self.dialog.stands();
        self.dialog.local_cseq += 1;
        let branch = desk.random.token(BRANCH_HEAD);
        let mut to = if initial { self.peer } else { self.next_hop(self.peer) };
        let room = desk.out.lend();
        let (mut request, mut marks) = self.print_invite(desk.switch.sent_by(to), &branch, body, (hops, proof), room);
        // RFC 3261 §18.1.1: what may not fit into a datagram goes over TCP, if the trunk takes both.
        if let Some(stream) = self.when_large.filter(|_| initial && request.len() > DATAGRAM_BYTES_MAX) {
            self.as_datagram = Some(to);
            self.peer = stream;
            to = stream;
            (request, marks) = self.print_invite(desk.switch.sent_by(to), &branch, body, (hops, proof), request);
        }
        desk.send(index, to, &request);
        self.remember_answered();
        self.invite_out = Some(InviteOut {
            machine: InviteClient::new(desk.clock.now, to.is_reliable()),
            request: Stored::marked(request, &marks),
            to,
            proof: proof.to_vec(),
            repeats: 0,
            ack: Vec::new(),
            asks: Vec::new(),
            cancel_wanted: false,
            cancelled_for: Why::default(),
            cancelled: false,
            initial,
            offered: body.is_sdp(),
            settled: false,
            described: false,
            stands_for: StandsFor::Invite,
            cancel_at: (!initial).then(|| desk.clock.now.plus_millis(REOFFER_TIMEOUT_MS)),
        });
    }

    /// Another INVITE takes the place of an answered one, whose answer comes again as long as its ACK was lost (RFC 3261 §13.2.2.4,
    /// §17.1.1.2).
    fn remember_answered(&mut self) {
        if let Some(before) = self.invite_out.take_if(|invite| !invite.machine.is_pending()) {
            if self.past_invites.len() >= PAST_INVITES_MAX {
                self.past_invites.remove(0);
            }
            self.past_invites.push(before);
        }
    }

    /// An INVITE in this memory, and where everything stands in it.
    fn print_invite(
        &self,
        own: (Transport, SocketAddr),
        branch: &[u8],
        body: &Body,
        (hops, proof): (u8, &[u8]),
        mut request: Vec<u8>,
    ) -> (Vec<u8>, Marks) {
        request.clear();
        request.reserve(1_024);
        let number = self.dialog.local_cseq;
        let (mut printer, marks) = self.dialog.request_marked(&mut request, b"INVITE", number, branch, own, hops);
        printer.contact(self.scheme(own.0, self.dialog.peer.target()), own.0, own.1);
        printer.line(Name::Allow, &[ALLOW]);
        let initial = !self.dialog.stands();
        self.write_extensions(&mut printer, initial);
        if initial {
            printer.append(&self.invite_lines);
        }
        printer.append(proof);
        finish(printer, body);
        (request, marks)
    }

    /// Answers the peer's INVITE. A 2xx or 18x carries `body`; a refusal carries the cause in a Reason header.
    pub fn answer_invite(&mut self, desk: &mut Desk<'_>, index: u8, status: u16, body: &Body, cause: Option<Cause>) {
        self.answer_invite_as(desk, index, status, body, cause, None);
    }

    /// As [`Leg::answer_invite`]; a provisional response with a number is reliable (RFC 3262 §3).
    pub(super) fn answer_invite_as(
        &mut self,
        desk: &mut Desk<'_>,
        index: u8,
        status: u16,
        body: &Body,
        cause: Option<Cause>,
        reliable: Option<u32>,
    ) {
        let Some(mut invite) = self.invite_in.take_if(|invite| invite.machine.is_pending()) else { return };
        let accepted = (200..300).contains(&status);
        let agreed = if accepted { self.agree_timer(desk.clock.now, invite.asked) } else { None };
        let request = &invite.request;
        let mut last = core::mem::take(&mut invite.last);
        if last.capacity() == 0 {
            last = desk.out.lend();
        }
        last.clear();
        last.reserve(1_024);
        let tag: &[u8] = if status == 100 { b"" } else { self.dialog.local_tag() };
        let mut printer = request.reply(&mut last, status, reason_phrase(status), tag, invite.source.remote);
        if (101..300).contains(&status) {
            let own = desk.switch.sent_by(invite.source);
            printer.contact(self.scheme(own.0, request.request_uri()), own.0, own.1);
            printer.line(Name::Allow, &[ALLOW]);
        }
        if (200..300).contains(&status) {
            self.write_supported(&mut printer, self.offers_reliable());
        }
        if let Some(number) = reliable {
            printer.line(Name::Require, &[super::reliable::TAG]).number(Name::RSeq, u64::from(number));
        }
        if let Some(agreed) = agreed {
            agreed.write(&mut printer);
        }
        if let Some(cause) = cause.filter(|_| status >= 300) {
            write_reason(&mut printer, cause);
        }
        finish(printer, body);
        let to = request.reply_hop(invite.source);
        desk.send(index, to, &last);
        invite.last = last;
        invite.told |= (101..200).contains(&status);
        if status >= 200 {
            invite.machine.on_final_sent(desk.clock.now, status);
            invite.reliably.rest();
        }
        self.invite_in = Some(invite);
    }

    /// Refuses the peer's INVITE with a status that owes its reader a header: 420 or 422.
    pub fn refuse_invite(&mut self, desk: &mut Desk<'_>, index: u8, refusal: &Refusal) {
        let Some(invite) = self.invite_in.as_mut().filter(|invite| invite.machine.is_pending()) else { return };
        let Ok(request) = parse::message(invite.request.text()) else { return };
        let start = desk.out.bytes.len();
        refusal.send(desk, index, &request, invite.source, self.dialog.local_tag());
        invite.last = desk.out.bytes[start..].to_vec();
        invite.machine.on_final_sent(desk.clock.now, refusal.status());
    }

    /// Answers another request of the peer, by its number.
    pub fn answer_request(&mut self, desk: &mut Desk<'_>, index: u8, number: u32, status: u16, body: &Body) {
        let waits = |request: &RequestIn| request.number == number && request.machine.is_pending();
        let Some(at) = self.requests_in.iter().position(waits) else { return };
        let request = core::mem::take(&mut self.requests_in[at].request);
        let updated = request.method() == Method::Update && (200..300).contains(&status);
        let confirmed = if updated && self.is_confirmed() { parse::message(request.text()).ok() } else { None };
        let agreed = confirmed.and_then(|request| self.agree_timer(desk.clock.now, Asked::by(&request)));
        let scheme = self.scheme(self.requests_in[at].source.transport, request.request_uri());
        let waiting = &mut self.requests_in[at];
        let mut last = desk.out.lend();
        last.reserve(512);
        let tag = self.dialog.local_tag();
        let mut printer = request.reply(&mut last, status, reason_phrase(status), tag, waiting.source.remote);
        if status == 405 || updated {
            printer.line(Name::Allow, &[ALLOW]);
        }
        if updated {
            let own = desk.switch.sent_by(waiting.source);
            printer.contact(scheme, own.0, own.1);
        }
        if let Some(agreed) = agreed {
            agreed.write(&mut printer);
        }
        finish(printer, body);
        desk.send(index, request.reply_hop(waiting.source), &last);
        waiting.last = last;
        waiting.machine.on_final_sent(desk.clock.now);
        waiting.request = request;
        if waiting.request.method() == Method::Bye {
            desk.out.take_back(waiting.request.shorten());
        }
        // RFC 3311 §5.2: what answers an UPDATE takes the place of what an earlier reliable response said.
        let (described, version) = ((200..300).contains(&status) && body.is_sdp(), self.sdp_version);
        if let Some(settled) = self.invite_in.as_mut().and_then(|invite| invite.settled.as_mut()).filter(|_| described)
        {
            *settled = version;
        }
    }

    /// Sends a request within the dialog, or within the early dialog that spoke last; `passes_on` is the number of the request on
    /// the other leg that it stands for.
    pub fn send_request(
        &mut self,
        desk: &mut Desk<'_>,
        index: u8,
        method: &[u8],
        body: &Body,
        passes_on: Option<u32>,
        cause: Option<Cause>,
    ) {
        let early = if self.dialog.stands() { usize::MAX } else { self.early_at };
        self.swap_early(early);
        let status = self.bye_status;
        self.send_request_with(desk, index, method, body, passes_on, |printer| {
            if let Some(cause) = cause {
                write_reason(printer, cause);
                write_status(printer, status);
            }
        });
        self.swap_early(early);
    }

    pub(super) fn send_request_with(
        &mut self,
        desk: &mut Desk<'_>,
        index: u8,
        method: &[u8],
        body: &Body,
        passes_on: Option<u32>,
        add: impl FnOnce(&mut Printer<'_>),
    ) {
        self.dialog.local_cseq += 1;
        let number = self.dialog.local_cseq;
        let branch = desk.random.token(BRANCH_HEAD);
        let mut request = desk.out.lend();
        request.reserve(512);
        let to = self.next_hop(self.peer);
        let own = desk.switch.sent_by(to);
        let (mut printer, marks) = self.dialog.request_marked(&mut request, method, number, &branch, own, HOPS);
        if method == b"UPDATE" {
            printer.contact(self.scheme(own.0, b""), own.0, own.1);
            printer.line(Name::Allow, &[ALLOW]);
            self.write_extensions(&mut printer, false);
        }
        add(&mut printer);
        finish(printer, body);
        desk.send(index, to, &request);
        let machine = Client::new(desk.clock.now, to.is_reliable());
        let request = Stored::marked(request, &marks);
        // As for those of the peer.
        if self.requests_out.capacity() == 0 {
            self.requests_out.reserve_exact(1);
        }
        self.requests_out.push(RequestOut { machine, request, to, number, passes_on, proven: false });
    }

    /// Sends a refused request of this number anew with a header line that proves who we are (RFC 3261 §22.2). False if there is
    /// none to be sent anew.
    pub fn repeat_request(&mut self, desk: &mut Desk<'_>, index: u8, number: u32, line: &[u8]) -> bool {
        let wanted =
            |request: &RequestOut| request.number == number && !request.proven && !request.machine.is_pending();
        let Some(place) = self.requests_out.iter().position(wanted) else { return false };
        let past = &self.requests_out[place];
        let (passes_on, to, text) = (past.passes_on, past.to, past.request.text().to_vec());
        let Ok(refused) = parse::message(&text) else { return false };
        // Before the answer it goes to the branch of a fork that refused it.
        let unanswered = !self.dialog.stands();
        let (tag, mut all) = (refused.to().tag().filter(|_| unanswered), self.early.iter());
        let early = tag.and_then(|tag| all.position(|early| early.peer.tag() == tag)).unwrap_or(usize::MAX);
        self.swap_early(early);
        self.dialog.local_cseq += 1;
        let number = self.dialog.local_cseq;
        let branch = desk.random.token(BRANCH_HEAD);
        let method = refused.cseq().method_text;
        let mut request = Vec::with_capacity(text.len() + line.len() + 64);
        let mut printer = self.dialog.request(&mut request, method, number, &branch, desk.switch.sent_by(to), HOPS);
        for name in REPEATED {
            for value in refused.headers(name) {
                printer.line(name, &[value]);
            }
        }
        printer.append(line);
        let kind = refused.content_type().unwrap_or(b"");
        finish(printer, &Body::of(kind, refused.body().to_vec()));
        self.swap_early(early);
        desk.send(index, to, &request);
        let machine = Client::new(desk.clock.now, to.is_reliable());
        self.requests_out.push(RequestOut { machine, request: printed(request), to, number, passes_on, proven: true });
        true
    }

    /// A request of ours as it was sent.
    pub fn sent_as(&self, number: u32) -> Option<&Stored> {
        self.requests_out.iter().find(|request| request.number == number).map(|sent| &sent.request)
    }

    /// Ends what is open in the dialog when it ends: RFC 3261 §15.1.2 answers pending requests with 487, and an answer to our
    /// own re-INVITE is awaited no longer than its peer may take to give it.
    pub fn close_dialog(&mut self, desk: &mut Desk<'_>, index: u8) {
        self.answer_invite(desk, index, 487, &Body::default(), None);
        let open = |request: &&RequestIn| request.machine.is_pending() && request.request.method() != Method::Bye;
        while let Some(number) = self.requests_in.iter().find(open).map(|request| request.number) {
            self.answer_request(desk, index, number, 487, &Body::default());
        }
        if let Some(invite) = &mut self.invite_out {
            invite.machine.bound(desk.clock.now);
        }
    }

    /// Says BYE, once. While our answer has no ACK, the BYE waits for it (RFC 3261 §15).
    pub fn send_bye(&mut self, desk: &mut Desk<'_>, index: u8, cause: Cause) {
        if self.invite_in.as_ref().is_some_and(|invite| invite.machine.awaits_ack()) {
            self.bye_wanted = Some(cause);
        } else if !self.gone {
            self.gone = true;
            self.send_request(desk, index, b"BYE", &Body::default(), None, Some(cause));
        }
    }

    /// Acknowledges the 2xx of our INVITE; with a body it answers a delayed offer.
    pub fn send_ack(&mut self, desk: &mut Desk<'_>, index: u8, body: &Body) {
        let Some(invite) = &self.invite_out else { return };
        let to = self.next_hop(invite.to);
        let Some(invite) = &mut self.invite_out else { return };
        let branch = desk.random.token(BRANCH_HEAD);
        // RFC 3261 §13.2.2.4: the ACK of a 2xx has the INVITE's number and credentials, and a branch of its own.
        let (number, own, start) = (invite.request.number(), desk.switch.sent_by(to), desk.out.bytes.len());
        let mut printer = self.dialog.request(&mut desk.out.bytes, b"ACK", number, &branch, own, HOPS);
        printer.append(&invite.proof);
        finish(printer, body);
        (invite.ack, invite.asks) = (desk.out.bytes[start..].to_vec(), Vec::new());
        desk.send_from(index, to, start);
        if invite.machine.is_accepted() {
            desk.out.take_back(invite.request.shorten());
        }
    }

    /// Acknowledges the 2xx of an INVITE whose call is over. An offer in it is declined (RFC 3261 §13.2.2.4).
    pub fn send_last_ack(&mut self, desk: &mut Desk<'_>, index: u8) {
        let Some(invite) = &self.invite_out else { return };
        let own = desk.switch.media_address(self.media_ipv6).unwrap_or(desk.switch.sent_by(invite.to).1.ip());
        let answer = sdp::declined(&invite.asks, own, (self.sdp_session, self.sdp_version + 1));
        self.send_ack(desk, index, &answer.map_or_else(Body::default, Body::sdp));
    }

    /// Sends our first INVITE anew after its refusal: to `target` by `hop`, with a header line that proves who we are, if it is not empty
    /// (RFC 3261 §8.1.3.4, §22.2). False if there is none to be sent anew.
    pub fn repeat_invite(&mut self, desk: &mut Desk<'_>, index: u8, hop: Hop, target: &[u8], proof: &[u8]) -> bool {
        let Some(past) = self.invite_out.take_if(|invite| invite.initial && !invite.machine.is_pending()) else {
            return false;
        };
        let Ok(request) = parse::message(past.request.text()) else { return false };
        let kind = request.content_type().unwrap_or(b"");
        let body = Body::of(kind, request.body().to_vec());
        let hops = request.max_forwards().unwrap_or(HOPS);
        let repeats = past.repeats + 1;
        self.past_invites.push(past);
        self.peer = hop;
        self.dialog.peer.set_target(target);
        self.send_invite_with(desk, index, &body, hops, proof);
        if let Some(invite) = &mut self.invite_out {
            invite.repeats = repeats;
        }
        true
    }

    /// Sends our re-INVITE anew after its refusal, with a header line that proves who we are, if it is not empty. False if there is none to be
    /// sent anew.
    pub fn repeat_offer(&mut self, desk: &mut Desk<'_>, index: u8, proof: &[u8]) -> bool {
        let Some(past) = self.invite_out.take() else { return false };
        let (stands_for, repeats) = (past.stands_for, past.repeats + 1);
        let body = parse::message(past.request.text()).map(|request| body_of(&request)).unwrap_or_default();
        self.past_invites.push(past);
        self.send_invite_with(desk, index, &body, HOPS, proof);
        if let Some(invite) = &mut self.invite_out {
            (invite.stands_for, invite.repeats) = (stands_for, repeats);
        }
        true
    }

    /// RFC 3261 §18.1.1: where no connection can be made, an INVITE that is too long for a datagram goes as one after all.
    pub(super) fn send_as_datagram(&mut self, desk: &mut Desk<'_>, index: u8) -> bool {
        let wanted = self.invite_out.as_ref().is_some_and(|invite| invite.initial && !invite.cancel_wanted);
        let Some(hop) = self.as_datagram.take().filter(|_| wanted) else { return false };
        let Some(target) = self.first_target() else { return false };
        self.when_large = None;
        self.repeat_invite(desk, index, hop, &target, b"")
    }

    /// Takes our INVITE back: at once if it was heard, else after the first 1xx (RFC 3261 §9.1).
    pub fn send_cancel(&mut self, desk: &mut Desk<'_>, index: u8) {
        let Some(invite) = &mut self.invite_out else { return };
        if invite.cancelled || !invite.machine.is_pending() {
            return;
        }
        if !invite.machine.may_cancel() {
            invite.cancel_wanted = true;
            return;
        }
        invite.cancelled = true;
        invite.machine.bound(desk.clock.now);
        let mut cancel = Vec::with_capacity(512);
        let mut printer = invite.request.companion(&mut cancel, Method::Cancel, invite.request.to());
        invite.cancelled_for.write(&mut printer);
        printer.finish_empty();
        let (to, number) = (invite.to, invite.request.number());
        desk.send(index, to, &cancel);
        let machine = Client::new(desk.clock.now, to.is_reliable());
        self.requests_out.push(RequestOut {
            machine,
            request: printed(cancel),
            to,
            number,
            passes_on: None,
            proven: false,
        });
    }
}

/// Max-Forwards of requests that we start ourselves (RFC 3261 §8.1.1.6).
pub const HOPS: u8 = 70;

/// Where an answer goes: back to the port that the request came from if it asked so (RFC 3581 §4), else to the port that its
/// Via names (RFC 3261 §18.2.2). Over a stream it goes back over the connection.
pub fn reply_hop(request: &Message<'_>, source: Hop) -> Hop {
    let via = request.via();
    match via.rport {
        _ if source.flow.is_some() => source,
        Some(_) => source,
        None => source.to(SocketAddr::new(source.remote.ip(), via.port.unwrap_or(source.transport.default_port()))),
    }
}

/// Acknowledges a refusal of an INVITE of ours, within its transaction (RFC 3261 §17.1.1.3: the To of the response, all else of
/// the request).
pub fn send_refusal_ack(desk: &mut Desk<'_>, index: u8, invite: &InviteOut, response: &Message<'_>) {
    let mut ack = Vec::with_capacity(512);
    invite.request.companion(&mut ack, Method::Ack, response.header(Name::To).unwrap_or(b"")).finish_empty();
    desk.send(index, invite.to, &ack);
}

/// A request of ours, as it is kept.
fn printed(request: Vec<u8>) -> Stored {
    Stored::printed(request).expect("what we print is a message")
}

/// RFC 3326: why, in Q.850's terms.
fn write_reason(printer: &mut Printer<'_>, cause: Cause) {
    let mut digits = [0; 5];
    let text = decimal(q850_of_cause(cause), &mut digits);
    printer.line(Name::Reason, &[b"Q.850;cause=", text, b";text=\"", cause.text().as_bytes(), b"\""]);
}

/// RFC 3326: why, by a SIP status.
fn write_status(printer: &mut Printer<'_>, status: Option<u16>) {
    let Some(status) = status else { return };
    let mut digits = [0; 5];
    // RFC 3326 §3.1: phones that rang in vain because of it do not call that a missed call.
    let text = if status == 200 { "Call completed elsewhere" } else { reason_phrase(status) };
    printer.line(Name::Reason, &[b"SIP;cause=", decimal(status, &mut digits), b";text=\"", text.as_bytes(), b"\""]);
}

impl Why {
    /// A CANCEL's Reason: its values, in our words.
    fn write(self, printer: &mut Printer<'_>) {
        write_status(printer, self.status);
        if let Some(cause) = self.cause {
            write_reason(printer, cause);
        }
    }
}

fn decimal(mut value: u16, digits: &mut [u8; 5]) -> &[u8] {
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return &digits[start..];
        }
    }
}

fn finish(printer: Printer<'_>, body: &Body) {
    match core::str::from_utf8(&body.kind) {
        Ok(kind) if !body.is_empty() => printer.finish(kind, &body.bytes),
        _ => printer.finish_empty(),
    }
}
