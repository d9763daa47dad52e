//! What a leg hears: requests and answers of its peer, and time.

use alloc::vec::Vec;

use sip::effect::{Effect, Effects};
use sip::multipart::Disposition;
use sip::server::Server;
use sip::{Hop, Message, Method, Name};
use snapshot::policy::Reliable;
use units::{Cause, Instant};

use crate::bridge::{Body, Event, Events};
use crate::effect::{Count, Effect as Order};
use crate::leg::refusal::{Refusal, refuse};
use crate::leg::reliable::{Owed, names_tag};
use crate::leg::{Desk, InviteIn, InviteOut, Leg, Offering, RequestIn, StandsFor, stored};
use crate::limits::{BODY_BYTES_MAX, KIND_BYTES_MAX, REPEATS_MAX, REQUESTS_KEPT_MAX, REQUESTS_PER_LEG_MAX};
use crate::release::{Release, Why};

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
        // A peer that connects anew is answered and asked over its last connection: behind NAT there is no other way to it.
        if source.flow.is_some() && source.transport == self.peer.transport {
            self.peer = source;
        }
        match request.method() {
            Method::Invite => self.on_invite(desk, index, request, source, events),
            Method::Ack => self.on_ack(desk, index, request, events),
            Method::Cancel => self.on_cancel(desk, index, request, source, events),
            _ => self.on_other(desk, index, request, source, events),
        }
    }

    fn on_invite(&mut self, desk: &mut Desk<'_>, index: u8, request: &Message<'_>, source: Hop, events: &mut Events) {
        let number = request.cseq().number;
        if let Some(invite) = self.invite_in.as_mut().filter(|invite| invite.request.is_branch_of(request)) {
            let mut orders = Effects::new();
            invite.machine.on_repeat(&mut orders);
            return self.resend_invite_answer(desk, index, &orders);
        }
        if let Some(refusal) = self.reoffer_refusal(desk, request) {
            return refusal.send(desk, index, request, source, self.dialog.local_tag());
        }
        self.dialog.remote_cseq = Some(number);
        self.dialog.refresh(request);
        self.heed_allow(request);
        self.invite_in = Some(InviteIn::new(request, source, desk.out.lend()));
        self.answer_invite(desk, index, 100, &Body::default(), None);
        events.push(Event::Offer { body: body_of(request) });
    }

    /// What stands against a re-INVITE.
    fn reoffer_refusal(&self, desk: &mut Desk<'_>, request: &Message<'_>) -> Option<Refusal> {
        if !self.dialog.in_order(request.cseq().number) {
            // RFC 3261 §12.2.2: an old number.
            return Some(Refusal::Plain(500));
        }
        if self.gone {
            return Some(Refusal::Plain(481));
        }
        // RFC 3261 §14.2: one that comes too soon, and glare.
        if self.invite_in.as_ref().is_some_and(|invite| invite.machine.is_pending()) {
            return Some(Refusal::soon(desk));
        }
        if self.invite_out.as_ref().is_some_and(|invite| invite.machine.is_pending()) {
            return Some(Refusal::Plain(491));
        }
        self.offer_refusal(desk).or_else(|| self.shorter_than(request).map(Refusal::Shorter))
    }

    /// RFC 3311 §5.2: what stands against another offer of the peer.
    fn offer_refusal(&self, desk: &mut Desk<'_>) -> Option<Refusal> {
        match self.open_offer() {
            Offering::Nobody => None,
            Offering::Us => Some(Refusal::Plain(491)),
            Offering::Peer => Some(Refusal::soon(desk)),
        }
    }

    fn on_ack(&mut self, desk: &mut Desk<'_>, index: u8, request: &Message<'_>, events: &mut Events) {
        let Some(invite) = self.invite_in.as_mut().filter(|invite| invite.number() == request.cseq().number) else {
            return;
        };
        let mut orders = Effects::new();
        let accepted = invite.machine.awaits_ack();
        invite.machine.on_ack(desk.clock.now, &mut orders);
        if orders.contains(&Effect::Acknowledged) {
            // Neither is needed any more.
            desk.out.take_back(core::mem::take(&mut invite.last));
            desk.out.take_back(invite.request.shorten());
        }
        if accepted && orders.contains(&Effect::Acknowledged) {
            events.push(Event::Acked { body: body_of(request) });
            self.send_wanted_bye(desk, index);
            self.describe_again(desk, index);
        }
    }

    fn send_wanted_bye(&mut self, desk: &mut Desk<'_>, index: u8) {
        if let Some(cause) = self.bye_wanted.take() {
            self.send_bye(desk, index, cause);
        }
    }

    fn on_cancel(&mut self, desk: &mut Desk<'_>, index: u8, request: &Message<'_>, source: Hop, events: &mut Events) {
        let pending = self.invite_in.as_ref().filter(|invite| invite.request.is_branch_of(request));
        // RFC 3261 §9.2: a CANCEL that matches nothing meets 481; after a final answer it has no effect but its own 200.
        let status = if pending.is_some() { 200 } else { 481 };
        let cancels = pending.is_some_and(|invite| invite.machine.is_pending());
        refuse(desk, index, request, source, status, self.dialog.local_tag());
        if cancels {
            events.push(Event::Cancelled { why: why(request) });
        }
    }

    fn on_other(&mut self, desk: &mut Desk<'_>, index: u8, request: &Message<'_>, source: Hop, events: &mut Events) {
        let number = request.cseq().number;
        if let Some(known) = self.requests_in.iter_mut().find(|known| known.request.is_branch_of(request)) {
            let mut orders = Effects::new();
            known.machine.on_repeat(&mut orders);
            if orders.contains(&Effect::Resend) {
                let to = super::send::reply_hop(request, source);
                desk.send(index, to, &known.last);
            }
            return;
        }
        let cseq = self.remote_cseq_of(request);
        let old = cseq.is_some_and(|last| number <= last);
        *cseq = (*cseq).max(Some(number));
        let refusal = match old {
            true => Some(Refusal::Plain(500)),
            false => self.other_refusal(desk, request),
        };
        if let Some(refusal) = refusal {
            return refusal.send(desk, index, request, source, self.dialog.local_tag());
        }
        let body = body_of(request);
        let event = match request.method() {
            Method::Bye => Some(Event::Bye { why: why(request) }),
            Method::Prack => match self.on_prack(request, number, body) {
                Some(pracked) => Some(pracked),
                // RFC 3262 §3: it names no response of ours that waits.
                None => return refuse(desk, index, request, source, 481, self.dialog.local_tag()),
            },
            Method::Update if !body.is_sdp() => None,
            _ => Some(Event::Request { method: request.cseq().method_text.to_vec(), number, body }),
        };
        self.left |= request.method() == Method::Bye;
        self.gone |= self.left;
        let machine = Server::new(desk.clock.now, source.is_reliable());
        let kept = stored(request, desk.out.lend());
        self.forget_answered();
        // Most calls have one: room for more would be held as long as it is remembered.
        if self.requests_in.capacity() == 0 {
            self.requests_in.reserve_exact(1);
        }
        self.requests_in.push(RequestIn { machine, request: kept, source, number, last: Vec::new() });
        if request.method() == Method::Update {
            self.refresh_target(request);
            self.heed_allow(request);
        }
        match event {
            Some(event) => events.push(event),
            // RFC 4028 §7.4: an UPDATE without description says that the peer lives, and where; the other leg need not know.
            None => self.answer_request(desk, index, number, 200, &Body::default()),
        }
    }

    /// Makes room for another request: of very many the one goes that was answered first.
    fn forget_answered(&mut self) {
        if self.requests_in.len() >= REQUESTS_KEPT_MAX
            && let Some(first) = self.requests_in.iter().position(|request| !request.machine.is_pending())
        {
            self.requests_in.remove(first);
        }
    }

    /// What stands against a request other than INVITE.
    fn other_refusal(&self, desk: &mut Desk<'_>, request: &Message<'_>) -> Option<Refusal> {
        let waiting = self.requests_in.iter().filter(|waiting| waiting.machine.is_pending()).count();
        let full = waiting >= REQUESTS_PER_LEG_MAX;
        match request.method() {
            // Whoever wants to end the call is heard even when there is no room for anything else.
            // RFC 3261 §15.1.2: with the first BYE the dialog ended. One that crosses ours still meets it.
            Method::Bye if self.left => Some(Refusal::Plain(481)),
            Method::Bye if waiting < 2 * REQUESTS_PER_LEG_MAX => None,
            _ if full => Some(Refusal::Plain(503)),
            Method::Update if self.gone => Some(Refusal::Plain(481)),
            // RFC 3311 §5.2: one UPDATE at a time.
            Method::Update if self.requests_in.iter().any(|other| other.is_open(Method::Update)) => {
                Some(Refusal::soon(desk))
            }
            Method::Update => {
                let objection = if has_sdp(request) { self.offer_refusal(desk) } else { None };
                objection.or_else(|| self.shorter_than(request).map(Refusal::Shorter))
            }
            Method::Refer => Some(Refusal::Plain(403)),
            Method::Options => Some(Refusal::Plain(200)),
            Method::Info | Method::Prack => None,
            _ => Some(Refusal::Plain(405)),
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
        let Some(invite) = self.invite_out.as_mut().filter(|invite| invite.request.is_branch_of(response)) else {
            return self.on_past_response(desk, index, response);
        };
        let mut orders = Effects::new();
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
                        self.on_progress(desk, index, response, status, events);
                    }
                }
                Effect::Accepted => self.on_accepted(desk, index, response, first, events),
                Effect::Acknowledge => {
                    if let Some(invite) = &self.invite_out {
                        super::send::send_refusal_ack(desk, index, invite, response);
                    }
                }
                Effect::Refused if status == 422 && !wanted && self.ask_longer(desk, index, response) => {}
                Effect::Refused if initial => events.push(refusal_of(response)),
                Effect::Refused if matches!(status, 401 | 407) && !wanted && self.may_prove_offer() => {
                    events.push(Event::Unproven { number: response.cseq().number, response: response.text().to_vec() });
                }
                Effect::Refused => self.on_reoffer_refused(desk, status, Some(response), events),
                Effect::Resend | Effect::Acknowledged | Effect::TimedOut => {}
            }
        }
    }

    /// A final answer, heard again, to an INVITE after which another one was sent: its ACK was lost.
    fn on_past_response(&mut self, desk: &mut Desk<'_>, index: u8, response: &Message<'_>) {
        let Some(place) = self.past_invites.iter().position(|past| past.request.is_branch_of(response)) else {
            return;
        };
        let mut orders = Effects::new();
        let past = &mut self.past_invites[place];
        past.machine.on_response(desk.clock.now, response.status().unwrap_or(0), &mut orders);
        if orders.contains(&Effect::Acknowledge) {
            super::send::send_refusal_ack(desk, index, past, response);
            return;
        }
        let ours = response.to().tag() == Some(self.dialog.peer.tag()) && !past.ack.is_empty();
        if orders.contains(&Effect::Accepted) && ours {
            let (to, ack) = (past.to, past.ack.clone());
            let to = self.next_hop(to);
            desk.send(index, to, &ack);
        }
    }

    /// A 18x of the terminator: it opens an early dialog, and a reliable one is acknowledged here or by the originator.
    fn on_progress(
        &mut self,
        desk: &mut Desk<'_>,
        index: u8,
        response: &Message<'_>,
        status: u16,
        events: &mut Events,
    ) {
        if status == 199 {
            // RFC 6228: one branch is over; others may still answer.
            return self.part_early(response);
        }
        self.heed_allow(response);
        let early = self.meet_early(response);
        let body = body_of(response);
        if let Some(invite) = &mut self.invite_out {
            invite.described |= body.is_sdp();
        }
        let mut owed = None;
        if self.offers_reliable() && names_tag(response, Name::Require, super::reliable::TAG) {
            let Some(early) = early else { return };
            let Ok(number) = self.take_reliable(response, early) else { return };
            if let Some(invite) = self.invite_out.as_mut().filter(|invite| invite.offered && body.is_sdp()) {
                invite.settled = true;
            }
            let heard = Owed { leg: index, early, number, invite: response.cseq().number };
            match self.ways.reliable {
                Reliable::Relay => owed = Some(heard),
                Reliable::Local | Reliable::Off => self.send_prack(desk, heard, &Body::default(), None),
            }
        }
        events.push(Event::Progress { status, body, owed });
    }

    /// RFC 4028 §7.4: the peer wants a longer interval; our INVITE goes again with it. A refresh sees to that by itself.
    fn ask_longer(&mut self, desk: &mut Desk<'_>, index: u8, refusal: &Message<'_>) -> bool {
        let again =
            |invite: &InviteOut| !invite.cancelled && (invite.initial || invite.stands_for != StandsFor::Refresh);
        let again = self.invite_out.as_ref().is_some_and(again) && self.may_repeat();
        if !again || !self.obey_interval(refusal) {
            return false;
        }
        let Some(target) = self.first_target().filter(|_| self.is_first()) else {
            return self.repeat_offer(desk, index, b"");
        };
        self.repeat_invite(desk, index, self.peer, &target, b"")
    }

    /// True if our refused re-INVITE did not prove yet who we are, and may be sent anew.
    fn may_prove_offer(&self) -> bool {
        let may = |invite: &InviteOut| invite.proof.is_empty() && !invite.cancelled;
        self.invite_out.as_ref().is_some_and(may) && self.may_repeat() && !self.gone
    }

    /// True if our INVITE was not sent anew too often.
    fn may_repeat(&self) -> bool {
        self.invite_out.as_ref().is_some_and(|invite| invite.repeats < REPEATS_MAX)
    }

    /// True if our INVITE is the one that makes the dialog.
    fn is_first(&self) -> bool {
        self.invite_out.as_ref().is_some_and(|invite| invite.initial)
    }

    /// Our re-INVITE was refused for good.
    pub fn on_reoffer_refused(
        &mut self,
        desk: &mut Desk<'_>,
        status: u16,
        response: Option<&Message<'_>>,
        events: &mut Events,
    ) {
        let stands_for = self.invite_out.as_ref().map_or(StandsFor::Invite, |invite| invite.stands_for);
        if stands_for == StandsFor::Refresh {
            return self.on_refresh_refused(desk, (Method::Invite, status), response, events);
        }
        events.push(Event::OfferRefused { status, stands_for });
        if matches!(status, 408 | 481) {
            events.push(Event::Lost);
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
            let body = body_of(response);
            invite.cancel_at = None;
            let (initial, stands_for) = (invite.initial, invite.stands_for);
            // An answer without description leaves nothing for the other leg's ACK to answer.
            let at_once = invite.offered || invite.settled || !body.is_sdp();
            // Where nobody offered anything, nothing is missing.
            let described = body.is_sdp() || invite.settled || invite.described || !invite.offered;
            if initial {
                self.settle_early(response);
                self.dialog.learn(response);
            } else {
                self.dialog.refresh(response);
            }
            self.heed_allow(response);
            self.heed_timer(desk.clock.now, response);
            if at_once {
                self.send_ack(desk, index, &Body::default());
            } else if let Some(invite) = &mut self.invite_out {
                invite.asks.clone_from(&body.bytes);
            }
            events.push(if initial {
                Event::Answered { body, described }
            } else {
                Event::OfferAccepted { body, stands_for }
            });
        } else if tag == self.dialog.peer.tag() {
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
        let (ack, asks) = (core::mem::take(&mut invite.ack), core::mem::take(&mut invite.asks));
        if !invite.offered && !invite.settled {
            invite.asks.clone_from(&body_of(response).bytes);
        }
        other.invite_out = Some(invite);
        other.send_last_ack(desk, index);
        other.send_bye(desk, index, Cause::NORMAL);
        self.dialog.local_cseq = other.dialog.local_cseq;
        self.requests_out = other.requests_out;
        self.invite_out = other.invite_out.map(|mut invite| {
            (invite.ack, invite.asks) = (ack, asks);
            invite
        });
    }

    fn on_other_response(&mut self, desk: &mut Desk<'_>, response: &Message<'_>, events: &mut Events) {
        let status = response.status().unwrap_or(0);
        let Some(request) = self.requests_out.iter_mut().find(|request| request.request.is_branch_of(response)) else {
            return;
        };
        if !request.machine.is_pending() || !request.method_is(response) {
            return;
        }
        let mut orders = Effects::new();
        request.machine.on_response(desk.clock.now, status, &mut orders);
        let (passes_on, update) = (request.passes_on, response.method() == Method::Update);
        if !orders.iter().any(|order| matches!(order, Effect::Accepted | Effect::Refused)) {
            return;
        }
        if matches!(status, 401 | 407) && !request.proven {
            events.push(Event::Unproven { number: request.number, response: response.text().to_vec() });
            return;
        }
        if request.request.method() == Method::Bye {
            desk.out.take_back(request.request.shorten());
        }
        if update && status < 300 {
            self.refresh_target(response);
            self.heed_allow(response);
            if self.is_confirmed() {
                self.heed_timer(desk.clock.now, response);
            }
        }
        match passes_on {
            Some(number) if update && status == 422 => {
                // The interval is between this peer and us; whoever offered may try again.
                self.obey_interval(response);
                events.push(Event::Response { number, status: 500, body: Body::default() });
            }
            Some(number) => {
                events.push(Event::Response { number, status, body: body_of(response) });
                // RFC 3261 §12.2.1.2: the peer has lost the dialog.
                if matches!(status, 408 | 481) && self.dialog.stands() {
                    events.push(Event::Lost);
                }
            }
            None if update && status >= 300 => {
                self.on_refresh_refused(desk, (Method::Update, status), Some(response), events);
            }
            None => {}
        }
    }

    /// A request of ours could not be sent: for its transaction that is a 503 (RFC 3261 §8.1.3.1).
    pub fn on_unsent(&mut self, desk: &mut Desk<'_>, index: u8, request: &Message<'_>, events: &mut Events) {
        const STATUS: u16 = 503;
        if request.method() == Method::Invite {
            let same = |invite: &&mut InviteOut| invite.request.is_branch_of(request);
            let Some(invite) = self.invite_out.as_mut().filter(same) else { return };
            if invite.machine.is_pending() {
                invite.machine.abandon();
                let refused = match invite.initial {
                    true => Event::Refused(Release::refused(STATUS, None)),
                    false => Event::OfferRefused { status: STATUS, stands_for: invite.stands_for },
                };
                if !self.send_as_datagram(desk, index) {
                    events.push(refused);
                }
            }
        } else if let Some(sent) = self.requests_out.iter_mut().find(|sent| sent.request.is_branch_of(request))
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
        self.sweep(desk.out);
    }

    /// Time went on: repeats what was not answered, gives up what never will be.
    pub fn on_time(&mut self, desk: &mut Desk<'_>, index: u8, events: &mut Events) {
        self.invite_in_on_time(desk, index, events);
        self.invite_out_on_time(desk, index, events);
        self.reliable_on_time(desk, index, events);
        self.timer_on_time(desk, index, events);
        self.requests_in.iter_mut().for_each(|request| request.machine.on_time(desk.clock.now));
        self.past_invites.iter_mut().for_each(|past| past.machine.on_time(desk.clock.now, &mut Effects::new()));
        for at in 0..self.requests_out.len() {
            self.request_out_on_time(desk, index, at, events);
        }
        self.sweep(desk.out);
    }

    fn request_out_on_time(&mut self, desk: &mut Desk<'_>, index: u8, at: usize, events: &mut Events) {
        let request = &mut self.requests_out[at];
        let mut orders = Effects::new();
        request.machine.on_time(desk.clock.now, &mut orders);
        if orders.contains(&Effect::Resend) {
            desk.send(index, request.to, request.request.text());
            desk.out.list.push(Order::Count(Count::Resent));
        }
        if !orders.contains(&Effect::TimedOut) {
            return;
        }
        match request.passes_on {
            Some(number) => {
                events.push(Event::Response { number, status: 408, body: Body::default() });
                if self.dialog.stands() {
                    events.push(Event::Lost);
                }
            }
            None if request.request.method() == Method::Update => events.push(Event::Lost),
            None => {}
        }
    }

    fn invite_in_on_time(&mut self, desk: &mut Desk<'_>, index: u8, events: &mut Events) {
        let Some(invite) = &mut self.invite_in else { return };
        let mut orders = Effects::new();
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
        let mut orders = Effects::new();
        invite.machine.on_time(desk.clock.now, &mut orders);
        let initial = invite.initial;
        for order in orders {
            match order {
                Effect::Resend => {
                    desk.send(index, invite.to, invite.request.text());
                    desk.out.list.push(Order::Count(Count::Resent));
                }
                Effect::TimedOut if initial => {
                    events.push(Event::Refused(Release::by_switch(Cause::TIMER_EXPIRED)));
                }
                Effect::TimedOut => return self.on_reoffer_refused(desk, 408, None, events),
                _ => {}
            }
        }
        self.overdue_invite(desk, index);
    }

    /// A re-INVITE that nobody answers is cancelled.
    fn overdue_invite(&mut self, desk: &mut Desk<'_>, index: u8) {
        let due = |at: &mut Instant| *at <= desk.clock.now;
        let overdue = self.invite_out.as_mut().is_some_and(|invite| invite.cancel_at.take_if(due).is_some());
        if overdue {
            self.send_cancel(desk, index);
        }
    }

    fn resend_invite_answer(&mut self, desk: &mut Desk<'_>, index: u8, orders: &[Effect]) {
        let Some(invite) = &self.invite_in else { return };
        if orders.contains(&Effect::Resend) && !invite.last.is_empty() {
            desk.send(index, invite.request.reply_hop(invite.source), &invite.last);
        }
    }
}

impl super::RequestOut {
    /// True if the response speaks of this request's method: a CANCEL shares its INVITE's branch.
    fn method_is(&self, response: &Message<'_>) -> bool {
        self.request.method_text() == response.cseq().method_text
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

/// True if a message has a session description, alone or among several parts.
pub fn has_sdp(message: &Message<'_>) -> bool {
    let (kind, bytes) = (message.content_type().unwrap_or(b""), message.body());
    let fits = (1..=BODY_BYTES_MAX).contains(&bytes.len());
    fits && ((message.is_content_type(b"application/sdp") && !is_aside(message))
        || sip::multipart::sdp(kind, bytes).is_ok_and(|part| part.is_some()))
}

/// True for a description of something else than the call, such as an `early-session` (RFC 3959).
fn is_aside(message: &Message<'_>) -> bool {
    !Disposition::of(message.header(Name::ContentDisposition)).is_main
}

/// What of a message's body may be passed on: of several parts the session description.
pub fn body_of(message: &Message<'_>) -> Body {
    let bytes = message.body();
    match message.content_type() {
        Some(kind) if (1..=BODY_BYTES_MAX).contains(&bytes.len()) && kind.len() <= KIND_BYTES_MAX => {
            match sip::multipart::sdp(kind, bytes) {
                Ok(Some(part)) => Body::sdp(part.to_vec()),
                _ if message.is_content_type(b"application/sdp") && is_aside(message) => Body::default(),
                _ => Body::of(kind, bytes.to_vec()),
            }
        }
        _ => Body::default(),
    }
}

/// What a request's Reason headers say.
fn why(request: &Message<'_>) -> Why {
    let status = reason(request, b"SIP").filter(|status| (100..700).contains(status));
    Why { status, cause: q850(request) }
}

/// The Q.850 cause of a Reason header.
fn q850(message: &Message<'_>) -> Option<Cause> {
    reason(message, b"Q.850").filter(|value| (1..=127).contains(value)).map(Cause)
}

/// The first value of a Reason header in this protocol's terms (RFC 3326 §2).
fn reason(message: &Message<'_>, protocol: &[u8]) -> Option<u16> {
    let mut values = message.list(Name::Reason).filter_map(|reason| {
        let (named, params) = reason.split_at(reason.iter().position(|b| *b == b';')?);
        let fits = named.trim_ascii().eq_ignore_ascii_case(protocol);
        sip::lex::param(params, b"cause").flatten().filter(|_| fits)
    });
    core::str::from_utf8(values.next()?).ok()?.parse().ok()
}
