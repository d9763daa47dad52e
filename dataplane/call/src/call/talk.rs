//! From answer to goodbye: the bridge, paid time, media.

use cdr::Party;
use media::{Path, Stay};
use snapshot::policy::Silence;
use units::mutant::{self, Mutant};
use units::{Cause, Money};

use crate::bridge::Body;
use crate::call::setup::{micros, quoted};
use crate::call::{Call, Context, State, Talk};
use crate::effect::{Count, Effect, Stage};
use crate::leg::Leg;
use crate::limits::{DURATION_MAX_S, EXTEND_AHEAD_MS, JOURNAL_TIMEOUT_MS, PARTING_MS, SLICE_MS};
use crate::release::Release;

/// How often a running call that could not be extended asks again, in milliseconds: a payment may have come.
const ASK_AGAIN_MS: u64 = 1_000;

impl Call {
    /// The terminator answered. Nothing is passed on before the start record is durable.
    pub(super) fn on_answered(&mut self, ctx: &mut Context<'_>, body: Body, described: bool) {
        if !matches!(self.state, State::Trying { .. } | State::Ringing { .. }) {
            return;
        }
        let now = ctx.desk.clock.now;
        let began_ns = (ctx.ticks)();
        let carried = match described {
            true => self.carry(ctx, self.current, 0, &body).map_err(|_| Release::by_switch(Cause::INCOMPATIBLE)),
            // RFC 3264 §4, RFC 6337 §2.1: an offer is answered, or nobody can be heard.
            false => Err(Release { by: Party::Egress, cause: Cause::UNDESCRIBED, status: 200 }),
        };
        let body = match carried {
            Ok(body) => body,
            Err(release) => {
                // The terminator has answered all the same: it must hear a goodbye.
                self.state = State::Answering { give_up_at: now, body: Body::default(), began_ns, journaled: false };
                self.answered = Some(now);
                return self.end(ctx, release);
            }
        };
        self.answered = Some(now);
        self.paid_ms = self.sell.as_ref().map_or(self.paid_ms, |sell| self.paid_for(sell));
        self.write_start(ctx);
        self.state =
            State::Answering { give_up_at: now.plus_millis(JOURNAL_TIMEOUT_MS), body, began_ns, journaled: false };
        if mutant::is(Mutant::AnsweredBeforeStart) {
            self.on_journaled(ctx);
        }
    }

    /// The start record is durable: the originator hears the answer, and time counts from here.
    pub(super) fn pass_answer_on(&mut self, ctx: &mut Context<'_>, body: Body, began_ns: u64) {
        let now = ctx.desk.clock.now;
        self.answered = Some(now);
        let body = self.answer_body(body);
        self.legs[0].answer_invite(&mut ctx.desk, 0, 200, &body, None);
        self.hush_media(ctx, true);
        self.tell_answered(ctx);
        let spent = (ctx.ticks)() - began_ns;
        self.stages.answer_us = micros(spent);
        ctx.desk.out.list.extend([Effect::Stage(Stage::Answer, spent), Effect::Count(Count::Answered)]);
        let ingress = ctx.view.ingress(self.opening.admission.ingress);
        let limit_s = ingress.as_ref().map_or(0, |trunk| trunk.max_duration_s());
        let limit_s = if limit_s == 0 { DURATION_MAX_S } else { limit_s };
        let end_at = now.plus_millis(u64::from(limit_s) * 1_000);
        self.described_at = now;
        let watched = self.silences(ctx).iter().any(|(_, limit_s)| *limit_s > 0);
        let media_at = watched.then(|| self.media_deadline(ctx).unwrap_or(now.plus_millis(ASK_AGAIN_MS)));
        let mut talk = Talk { paid_until: None, extend_at: None, end_at, media_at };
        self.set_paid(&mut talk);
        self.state = State::Up(talk);
    }

    pub(super) fn set_paid(&self, talk: &mut Talk) {
        let Some(answered) = self.answered else { return };
        talk.paid_until = (!self.is_free()).then(|| answered.plus_millis(self.paid_ms)).filter(|at| *at < talk.end_at);
        let ahead = answered.plus_millis(self.paid_ms.saturating_sub(EXTEND_AHEAD_MS));
        talk.extend_at = talk.paid_until.map(|_| ahead);
    }

    pub(super) fn talk_on_time(&mut self, ctx: &mut Context<'_>) {
        let now = ctx.desk.clock.now;
        let State::Up(mut talk) = self.state else { return };
        let due = |at: Option<units::Instant>| at.is_some_and(|at| at <= now);
        if due(Some(talk.end_at)) {
            return self.end(ctx, Release::by_switch(Cause::MAX_DURATION));
        }
        if due(talk.paid_until) && !mutant::is(Mutant::TalksBeyondPaidTime) {
            return self.end(ctx, self.end_of_money());
        }
        if due(talk.extend_at) {
            talk.extend_at = Some(now.plus_millis(ASK_AGAIN_MS));
            self.ask_for_more(ctx);
        }
        if due(talk.media_at) {
            let deadline = self.media_deadline(ctx);
            talk.media_at = match deadline {
                Some(at) if at <= now => {
                    // The kernel may have heard what we do not know of: its last counts decide.
                    if !self.lift_media(ctx) {
                        return self.end(ctx, Release::by_switch(Cause::MEDIA_TIMEOUT));
                    }
                    Some(now.plus_millis(PARTING_MS))
                }
                Some(_) | None => {
                    self.silence_keeps(ctx, false);
                    Some(deadline.unwrap_or(now.plus_millis(ASK_AGAIN_MS)))
                }
            };
        }
        self.state = State::Up(talk);
    }

    /// Takes media out of the kernel until somebody has spoken whose silence is too long; false if it is not there.
    fn lift_media(&self, ctx: &mut Context<'_>) -> bool {
        let below = self.legs[0].pair.is_some_and(|pair| ctx.relay.path(pair.id) == Path::Kernel);
        if below {
            self.silence_keeps(ctx, true);
        }
        below
    }

    /// Silence keeps media from the kernel, or does not any more. Who speaks would lead it back while the other's silence is judged.
    fn silence_keeps(&self, ctx: &mut Context<'_>, keeps: bool) {
        if let Some(pair) = self.legs[0].pair {
            ctx.relay.stay(pair.id, Stay::Silence, keeps);
        }
    }

    /// Whose silence ends the call, and how long it may last, in seconds: by the ingress trunk and by the egress trunk.
    fn silences(&self, ctx: &Context<'_>) -> [(Silence, u16); 2] {
        let ingress = self.opening.admission.ingress;
        let egress = self.attempts.last().map(|attempt| attempt.candidate.egress).unwrap_or_default();
        let of_egress = &ctx.policies.egress(egress).policy.media;
        let limit_s = ctx.view.ingress(ingress).map_or(0, |trunk| trunk.media_timeout_s());
        [(ctx.policies.ingress(ingress).policy.media.silence, limit_s), (of_egress.silence, of_egress.timeout_s)]
    }

    /// When the silence that there is has lasted too long for one of the trunks; `None` where silence is allowed: by both
    /// trunks, on hold, or because media does not pass us.
    fn media_deadline(&self, ctx: &Context<'_>) -> Option<units::Instant> {
        let (one, other) = (&self.legs[0], &self.legs[usize::from(self.current)]);
        if one.media.is_held() || other.media.is_held() {
            return None;
        }
        let heard = |leg: &Leg| Some(ctx.relay.last_heard(leg.pair?.id).max(Some(self.described_at)));
        let (one, other) = (heard(one)??, heard(other)??);
        let ends = self.silences(ctx).into_iter().filter(|(_, limit_s)| *limit_s > 0).map(|(silence, limit_s)| {
            let since = match silence {
                Silence::Both => one.max(other),
                Silence::Either => one.min(other),
            };
            since.plus_millis(u64::from(limit_s) * 1_000)
        });
        ends.min()
    }

    /// Asks for the next slice of each side that is short of it, once at a time.
    fn ask_for_more(&mut self, ctx: &mut Context<'_>) {
        if let Some((account, want, least)) = self.owed.more(self.paid_ms) {
            self.owed.asking = true;
            ctx.desk.out.list.push(Effect::Reserve { account, want, least });
        }
        let Some(terms) = self.sell.filter(|_| !self.reserving) else { return };
        let held = self.reserved_sum();
        let terms = quoted(&terms);
        let want = rating::reserve(&terms, self.paid_ms + SLICE_MS) - held;
        let least = (rating::reserve(&terms, self.paid_ms + 1_000) - held).max(Money::ZERO);
        if !want.is_positive() {
            return;
        }
        self.reserving = true;
        let account = self.opening.admission.account;
        ctx.desk.out.list.push(Effect::Reserve { account, want: want.max(least), least });
    }

    /// More money came on one side; the call lasts longer when it is there on both.
    pub(super) fn on_extended(&mut self, ctx: &mut Context<'_>) {
        let (State::Up(mut talk), Some(terms)) = (self.state.clone(), self.sell) else { return };
        let paid_ms = self.paid_for(&terms);
        if paid_ms <= self.paid_ms {
            return;
        }
        self.paid_ms = paid_ms;
        self.write_paid(ctx);
        // It may talk on when the journal has it.
        talk.extend_at = None;
        self.state = State::Up(talk);
    }

    /// One of our answers was acknowledged; an ACK with a description answers a delayed offer.
    pub(super) fn on_acked(&mut self, ctx: &mut Context<'_>, leg: u8, body: Body) {
        let other = self.other(leg);
        let waiting = self.legs[usize::from(other)].invite_out.as_ref().filter(|invite| invite.awaits_our_ack());
        let Some(first) = waiting.filter(|_| other != leg).map(|invite| invite.initial) else { return };
        let carried = self.carry(ctx, leg, other, &body).map_err(|_| Cause::INCOMPATIBLE);
        let carried = if body.is_sdp() || !first { carried } else { Err(Cause::UNDESCRIBED) };
        if let (Err(cause), true) = (carried.as_ref(), first) {
            // RFC 3261 §13.2.2.4: who cannot answer the offer acknowledges it all the same, and says BYE.
            return self.end(ctx, Release { by: Party::Ingress, cause: *cause, status: 0 });
        }
        let body = carried.unwrap_or_default();
        self.legs[usize::from(other)].send_ack(&mut ctx.desk, other, &body);
    }

    /// Closes a leg's media ports and keeps what they measured.
    pub(super) fn close_pair(&mut self, ctx: &mut Context<'_>, leg: u8) {
        let Some(pair) = self.legs[usize::from(leg)].pair.take() else { return };
        let mut quality = crate::call::record::quality(&ctx.relay.close(ctx.desk.clock.now, pair.id), self.answered);
        quality.suite = self.suite(leg);
        if leg == 0 {
            self.ingress_media = quality;
        } else {
            self.egress_media = quality;
        }
        ctx.desk.out.list.extend([Effect::ClosePort(pair.rtp_port), Effect::ClosePort(pair.rtp_port + 1)]);
    }
}
