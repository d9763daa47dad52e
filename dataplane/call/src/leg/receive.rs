//! What a leg hears: requests and answers of its peer, and time.

use alloc::vec::Vec;

use sip::effect::Effect;
use sip::invite_server::InviteServer;
use sip::server::Server;
use sip::{Hop, Message, Method, Name};
use units::Cause;

use crate::bridge::{Body, Event, Events};
use crate::effect::{Count, Effect as Order};
use crate::leg::{Desk, InviteIn, Leg, RequestIn};
use crate::limits::{BODY_BYTES_MAX, REQUESTS_PER_LEG_MAX};
use crate::release::Release;

impl Leg {
    /// A request of the peer within this leg's dialog, or about its INVITE (ACK, CANCEL, a repeat).
    pub fn on_request(
        &mut self,
        desk: &mut Desk<'_>,
        index: u8,
        request: &Message<'_>,
        source: Hop,
        events: &mut Events,
    ) {
        match request.method() {
            Method::Invite => self.on_invite(desk, index, request, source, events),
            Method::Ack => self.on_ack(desk, index, request, events),
            Method::Cancel => self.on_cancel(desk, index, request, source, events),
            _ => self.on_other(desk, index, request, source, events),
        }
    }

    fn on_invite(&mut self, desk: &mut Desk<'_>, index: u8, request: &Message<'_>, source: Hop, events: &mut Events) {
        let number = request.cseq().number;
        if let Some(invite) = self.invite_in.as_mut().filter(|invite| same_branch(&invite.request, request)) {
            let mut orders = Vec::new();
            invite.machine.on_repeat(&mut orders);
            return self.resend_invite_answer(desk, index, &orders);
        }
        let refusal = match () {
            // RFC 3261 §12.2.2: an old number.
            () if !self.dialog.in_order(number) => Some(500),
            () if self.gone => Some(481),
            // RFC 3261 §14.2: glare.
            () if self.has_open_invite() => Some(491),
            () => None,
        };
        if let Some(status) = refusal {
            return refuse(desk, index, request, source, status, &self.dialog.local_tag);
        }
        self.dialog.remote_cseq = Some(number);
        self.dialog.refresh(request);
        let request_bytes = request.text().to_vec();
        let machine = InviteServer::new(source.transport.is_reliable());
        self.invite_in = Some(InviteIn { machine, request: request_bytes, source, last: Vec::new() });
        self.answer_invite(desk, index, 100, &Body::default(), None);
        events.push(Event::Offer { body: body_of(request) });
    }

    fn on_ack(&mut self, desk: &mut Desk<'_>, index: u8, request: &Message<'_>, events: &mut Events) {
        let Some(invite) = &mut self.invite_in else { return };
        let mut orders = Vec::new();
        let accepted = invite.machine.awaits_ack();
        invite.machine.on_ack(desk.clock.now, &mut orders);
        if accepted && orders.contains(&Effect::Acknowledged) {
            events.push(Event::Acked { body: body_of(request) });
            self.send_wanted_bye(desk, index);
        }
    }

    fn send_wanted_bye(&mut self, desk: &mut Desk<'_>, index: u8) {
        if let Some(cause) = self.bye_wanted.take() {
            self.send_bye(desk, index, cause);
        }
    }

    fn on_cancel(&mut self, desk: &mut Desk<'_>, index: u8, request: &Message<'_>, source: Hop, events: &mut Events) {
        let pending = self.invite_in.as_ref().filter(|invite| same_branch(&invite.request, request));
        // RFC 3261 §9.2: a CANCEL that matches nothing meets 481; after a final answer it has no effect but its own 200.
        let status = if pending.is_some() { 200 } else { 481 };
        let cancels = pending.is_some_and(|invite| invite.machine.is_pending());
        refuse(desk, index, request, source, status, &self.dialog.local_tag);
        if cancels {
            events.push(Event::Cancelled);
        }
    }

    fn on_other(&mut self, desk: &mut Desk<'_>, index: u8, request: &Message<'_>, source: Hop, events: &mut Events) {
        let number = request.cseq().number;
        if let Some(known) = self.requests_in.iter_mut().find(|known| same_branch(&known.request, request)) {
            let mut orders = Vec::new();
            known.machine.on_repeat(&mut orders);
            if orders.contains(&Effect::Resend) {
                let to = super::send::reply_hop(request, source);
                desk.send(index, to, &known.last);
            }
            return;
        }
        let refusal = match request.method() {
            _ if !self.dialog.in_order(number) => Some(500),
            _ if self.requests_in.len() >= REQUESTS_PER_LEG_MAX => Some(503),
            Method::Refer => Some(403),
            Method::Options => Some(200),
            Method::Bye | Method::Info | Method::Update => None,
            _ => Some(405),
        };
        self.dialog.remote_cseq = self.dialog.remote_cseq.max(Some(number));
        if let Some(status) = refusal {
            return refuse(desk, index, request, source, status, &self.dialog.local_tag);
        }
        let machine = Server::new(desk.clock.now, source.transport.is_reliable());
        let bytes = request.text().to_vec();
        self.requests_in.push(RequestIn { machine, request: bytes, source, number, last: Vec::new() });
        match request.method() {
            Method::Bye => {
                self.gone = true;
                let said = q850(request).filter(|value| (1..=127).contains(value));
                events.push(Event::Bye { cause: said.map_or(Cause::NORMAL, Cause) });
            }
            _ => {
                let (method, body) = (request.cseq().method_text.to_vec(), body_of(request));
                events.push(Event::Request { method, number, body });
            }
        }
    }

    /// An answer of the peer to a request of ours.
    pub fn on_response(&mut self, desk: &mut Desk<'_>, index: u8, response: &Message<'_>, events: &mut Events) {
        match response.method() {
            Method::Invite => self.on_invite_response(desk, index, response, events),
            _ => self.on_other_response(desk, response, events),
        }
    }

    fn on_invite_response(&mut self, desk: &mut Desk<'_>, index: u8, response: &Message<'_>, events: &mut Events) {
        let status = response.status().unwrap_or(0);
        let Some(invite) = self.invite_out.as_mut().filter(|invite| same_branch(&invite.request, response)) else {
            return self.on_past_response(desk, index, response);
        };
        let mut orders = Vec::new();
        let first = invite.machine.is_pending();
        invite.machine.on_response(desk.clock.now, status, &mut orders);
        let (initial, wanted) = (invite.initial, core::mem::take(&mut invite.cancel_wanted));
        for order in orders {
            match order {
                Effect::Provisional => {
                    if wanted {
                        self.send_cancel(desk, index);
                    }
                    if initial && status > 100 {
                        self.learn_early(response);
                        events.push(Event::Progress { status, body: body_of(response) });
                    }
                }
                Effect::Accepted => self.on_accepted(desk, index, response, first, events),
                Effect::Acknowledge => {
                    if let Some(invite) = &self.invite_out {
                        super::send::send_refusal_ack(desk, index, invite.to, &invite.request, response);
                    }
                }
                Effect::Refused if initial => events.push(refusal_of(response)),
                Effect::Refused => {
                    events.push(Event::OfferRefused { status });
                    if matches!(status, 408 | 481) {
                        events.push(Event::Lost);
                    }
                }
                Effect::Resend | Effect::Acknowledged | Effect::TimedOut => {}
            }
        }
    }

    /// A refusal, heard again, of an INVITE that was since sent anew: its ACK was lost.
    fn on_past_response(&mut self, desk: &mut Desk<'_>, index: u8, response: &Message<'_>) {
        let Some(place) = self.past_invites.iter().position(|past| same_branch(&past.request, response)) else {
            return;
        };
        let mut orders = Vec::new();
        let past = &mut self.past_invites[place];
        past.machine.on_response(desk.clock.now, response.status().unwrap_or(0), &mut orders);
        if orders.contains(&Effect::Acknowledge) {
            let (to, request) = (past.to, past.request.clone());
            super::send::send_refusal_ack(desk, index, to, &request, response);
        }
    }

    /// A 2xx to our INVITE: the first one, a repeat, or one of another branch of a fork.
    fn on_accepted(
        &mut self,
        desk: &mut Desk<'_>,
        index: u8,
        response: &Message<'_>,
        first: bool,
        events: &mut Events,
    ) {
        let tag = response.to().tag().unwrap_or(b"");
        let Some(invite) = &mut self.invite_out else { return };
        if first {
            if invite.initial {
                self.dialog.learn(response);
            } else {
                self.dialog.refresh(response);
            }
            let (initial, at_once) = (invite.initial, invite.offered);
            if at_once {
                self.send_ack(desk, index, &Body::default());
            }
            let body = body_of(response);
            events.push(if initial { Event::Answered { body } } else { Event::OfferAccepted { body } });
        } else if tag == self.dialog.remote_tag.as_slice() {
            if !invite.ack.is_empty() {
                let (to, ack) = (invite.to, invite.ack.clone());
                let to = self.next_hop(to);
                desk.send(index, to, &ack);
            }
        } else {
            self.refuse_fork(desk, index, response);
        }
    }

    /// RFC 3261 §13.2.2.4: each further answer of a fork is acknowledged and released.
    fn refuse_fork(&mut self, desk: &mut Desk<'_>, index: u8, response: &Message<'_>) {
        let Some(mut invite) = self.invite_out.take() else { return };
        let mut other = self.clone();
        other.dialog.learn(response);
        other.gone = false;
        let ack = core::mem::take(&mut invite.ack);
        other.invite_out = Some(invite);
        other.send_ack(desk, index, &Body::default());
        other.send_bye(desk, index, Cause::NORMAL);
        self.dialog.local_cseq = other.dialog.local_cseq;
        self.requests_out = other.requests_out;
        self.invite_out = other.invite_out.map(|mut invite| {
            invite.ack = ack;
            invite
        });
    }

    /// An early dialog gives us the peer's tag for nothing but matching; the answer's tag counts in the end.
    fn learn_early(&mut self, response: &Message<'_>) {
        if response.contact().is_some() {
            self.dialog.refresh(response);
        }
    }

    fn on_other_response(&mut self, desk: &mut Desk<'_>, response: &Message<'_>, events: &mut Events) {
        let status = response.status().unwrap_or(0);
        let Some(request) = self.requests_out.iter_mut().find(|request| same_branch(&request.request, response)) else {
            return;
        };
        if request.machine.is_pending() && request.method_is(response) {
            let mut orders = Vec::new();
            request.machine.on_response(desk.clock.now, status, &mut orders);
            let done = orders.iter().any(|order| matches!(order, Effect::Accepted | Effect::Refused));
            if done && matches!(status, 401 | 407) && !request.proven {
                events.push(Event::Unproven { number: request.number, response: response.text().to_vec() });
            } else if let (true, Some(number)) = (done, request.passes_on) {
                events.push(Event::Response { number, status, body: body_of(response) });
                // RFC 3261 §12.2.1.2: the peer has lost the dialog.
                if matches!(status, 408 | 481) {
                    events.push(Event::Lost);
                }
            }
        }
    }

    /// A request of ours could not be sent: for its transaction that is a 503 (RFC 3261 §8.1.3.1).
    pub fn on_unsent(&mut self, request: &Message<'_>, events: &mut Events) {
        const STATUS: u16 = 503;
        if request.method() == Method::Invite {
            let same = |invite: &&mut super::InviteOut| same_branch(&invite.request, request);
            let Some(invite) = self.invite_out.as_mut().filter(same) else { return };
            if invite.machine.is_pending() {
                invite.machine.abandon();
                events.push(match invite.initial {
                    true => Event::Refused(Release::refused(STATUS, None)),
                    false => Event::OfferRefused { status: STATUS },
                });
            }
        } else if let Some(sent) = self.requests_out.iter_mut().find(|sent| same_branch(&sent.request, request))
            && sent.machine.is_pending()
            && sent.method_is(request)
        {
            sent.machine.abandon();
            events.extend(sent.passes_on.map(|number| Event::Response {
                number,
                status: STATUS,
                body: Body::default(),
            }));
        }
        self.sweep();
    }

    /// Time went on: repeats what was not answered, gives up what never will be.
    pub fn on_time(&mut self, desk: &mut Desk<'_>, index: u8, events: &mut Events) {
        self.invite_in_on_time(desk, index, events);
        self.invite_out_on_time(desk, index, events);
        self.requests_in.iter_mut().for_each(|request| request.machine.on_time(desk.clock.now));
        self.past_invites.iter_mut().for_each(|past| past.machine.on_time(desk.clock.now, &mut Vec::new()));
        for request in &mut self.requests_out {
            let mut orders = Vec::new();
            request.machine.on_time(desk.clock.now, &mut orders);
            for order in orders {
                match order {
                    Effect::Resend => {
                        desk.send(index, request.to, &request.request);
                        desk.out.list.push(Order::Count(Count::Resent));
                    }
                    Effect::TimedOut => {
                        if let Some(number) = request.passes_on {
                            events.push(Event::Response { number, status: 408, body: Body::default() });
                            events.push(Event::Lost);
                        }
                    }
                    _ => {}
                }
            }
        }
        self.sweep();
    }

    fn invite_in_on_time(&mut self, desk: &mut Desk<'_>, index: u8, events: &mut Events) {
        let Some(invite) = &mut self.invite_in else { return };
        let mut orders = Vec::new();
        let accepted = invite.machine.awaits_ack();
        invite.machine.on_time(desk.clock.now, &mut orders);
        if accepted && orders.contains(&Effect::TimedOut) {
            events.push(Event::AckMissing);
            self.send_wanted_bye(desk, index);
        }
        self.resend_invite_answer(desk, index, &orders);
    }

    fn invite_out_on_time(&mut self, desk: &mut Desk<'_>, index: u8, events: &mut Events) {
        let Some(invite) = &mut self.invite_out else { return };
        let mut orders = Vec::new();
        invite.machine.on_time(desk.clock.now, &mut orders);
        for order in orders {
            match order {
                Effect::Resend => {
                    desk.send(index, invite.to, &invite.request);
                    desk.out.list.push(Order::Count(Count::Resent));
                }
                Effect::TimedOut if invite.initial => {
                    events.push(Event::Refused(Release::by_switch(Cause::TIMER_EXPIRED)));
                }
                Effect::TimedOut => events.extend([Event::OfferRefused { status: 408 }, Event::Lost]),
                _ => {}
            }
        }
    }

    fn resend_invite_answer(&mut self, desk: &mut Desk<'_>, index: u8, orders: &[Effect]) {
        let Some(invite) = &self.invite_in else { return };
        if orders.contains(&Effect::Resend) && !invite.last.is_empty() {
            let Ok(request) = sip::parse::message(&invite.request) else { return };
            let to = super::send::reply_hop(&request, invite.source);
            desk.send(index, to, &invite.last);
        }
    }
}

impl super::RequestOut {
    /// True if the response speaks of this request's method: a CANCEL shares its INVITE's branch.
    fn method_is(&self, response: &Message<'_>) -> bool {
        self.request.starts_with(response.cseq().method_text)
    }
}

/// What a refusal of our first INVITE means; 401, 407 and redirections may be followed.
fn refusal_of(response: &Message<'_>) -> Event {
    let status = response.status().unwrap_or(0);
    let release = Release::refused(status, q850(response));
    match status {
        300..=302 | 401 | 407 => Event::Detour { release, response: response.text().to_vec() },
        _ => Event::Refused(release),
    }
}

/// True if two messages belong to one transaction: same top branch (RFC 3261 §17.1.3, §17.2.3).
fn same_branch(stored: &[u8], message: &Message<'_>) -> bool {
    sip::parse::message(stored).is_ok_and(|stored| stored.via().branch == message.via().branch)
}

/// Answers a request without keeping a transaction: a repeat is answered again.
pub fn refuse(desk: &mut Desk<'_>, index: u8, request: &Message<'_>, source: Hop, status: u16, tag: &[u8]) {
    let mut answer = Vec::with_capacity(512);
    let phrase = sip::print::reason_phrase(status);
    let mut printer = sip::Printer::reply(&mut answer, request, status, phrase, tag, source.remote);
    // RFC 3261 §11.2, §21.4.6: what we take is told to whom asks, and to whom asked for something else.
    if status == 405 || (status == 200 && request.method() == Method::Options) {
        printer.line("Allow", &[super::send::ALLOW]);
    }
    printer.finish_empty();
    let to = super::send::reply_hop(request, source);
    desk.send(index, to, &answer);
}

/// What of a message's body may be passed on: of several parts the session description.
pub fn body_of(message: &Message<'_>) -> Body {
    let bytes = message.body();
    match message.content_type() {
        Some(kind) if !bytes.is_empty() && bytes.len() <= BODY_BYTES_MAX => match sip::multipart::sdp(kind, bytes) {
            Ok(Some(part)) => Body { kind: b"application/sdp".to_vec(), bytes: part.to_vec() },
            _ => Body { kind: kind.to_vec(), bytes: bytes.to_vec() },
        },
        _ => Body::default(),
    }
}

/// The Q.850 value of a Reason header (RFC 3326 §2).
fn q850(message: &Message<'_>) -> Option<u16> {
    let reason = message.headers(Name::Reason).find(|value| value.starts_with(b"Q.850"))?;
    let cause = reason.split(|b| *b == b';').find_map(|param| param.trim_ascii().strip_prefix(b"cause="))?;
    core::str::from_utf8(cause.trim_ascii()).ok()?.parse().ok()
}
