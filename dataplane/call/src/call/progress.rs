//! Between INVITE and answer: what a terminator says early, and how much of it the originator hears.

use media::Stay;
use sip::{Message, Name};
use snapshot::policy::{EarlyMedia, Reliable, TimerMode};
use units::{Cause, EgressTrunkId};

use crate::bridge::Body;
use crate::call::{Call, Context, State};
use crate::leg::Ways;
use crate::leg::refusal::Refusal;
use crate::leg::reliable::{self, Owed, Progress, names_tag};
use crate::limits::RING_TIMEOUT_S;
use crate::release::Release;

impl Call {
    /// The ingress trunk's policy meets the INVITE: what the originator asks for and may not have is refused.
    pub(super) fn heed_policy(&mut self, ctx: &mut Context<'_>, invite: &Message<'_>) -> Option<Refusal> {
        let policy = &ctx.policies.ingress(self.opening.admission.ingress).policy;
        let after_ms = u64::from(policy.ringing_after_s) * 1_000;
        self.ring_at = (after_ms > 0).then(|| self.started.now.plus_millis(after_ms));
        let leg = &mut self.legs[0];
        let takes = leg.invite_in.as_ref().is_some_and(|invite| invite.takes_reliable);
        let reliable = if takes { policy.reliable } else { Reliable::Off };
        leg.ways = Ways { reliable, timer: policy.session_timer.clone() };
        if let Some(received) = leg.invite_in.as_mut().filter(|_| reliable == Reliable::Off) {
            received.takes_reliable = false;
        }
        if policy.reliable == Reliable::Off && names_tag(invite, Name::Require, reliable::TAG) {
            return Some(Refusal::Unsupported(reliable::TAG));
        }
        let no_timers = policy.session_timer.mode == TimerMode::Off;
        if no_timers && names_tag(invite, Name::Require, crate::leg::refresh::TAG) {
            return Some(Refusal::Unsupported(crate::leg::refresh::TAG));
        }
        leg.shorter_than(invite).map(Refusal::Shorter)
    }

    /// Refuses the INVITE for what it asks of us.
    pub(super) fn refuse_opening(&mut self, ctx: &mut Context<'_>, refusal: Refusal) {
        self.legs[0].refuse_invite(&mut ctx.desk, 0, &refusal);
        let by = cdr::Party::Ingress;
        self.fail(ctx, Release { by, cause: Cause::INTERWORKING, status: refusal.status() });
    }

    /// What the policies of both trunks let the egress leg do.
    pub(super) fn egress_ways(&self, ctx: &Context<'_>, egress: EgressTrunkId) -> Ways {
        let policy = &ctx.policies.egress(egress).policy;
        let early_media = ctx.policies.ingress(self.opening.admission.ingress).policy.early_media;
        let originator = self.legs[0].ways.reliable;
        let crosses = originator == Reliable::Relay && early_media != EarlyMedia::Suppress;
        let reliable = match (policy.reliable, originator) {
            (Reliable::Off, _) | (Reliable::Relay, Reliable::Off) => Reliable::Off,
            (Reliable::Relay, Reliable::Relay | Reliable::Local) if crosses => Reliable::Relay,
            // RFC 3262 §5: a reliable response to an INVITE without offer carries one, and only the originator can answer it.
            (Reliable::Relay | Reliable::Local, _) if !self.offer.is_sdp() => Reliable::Off,
            (Reliable::Relay | Reliable::Local, _) => Reliable::Local,
        };
        Ways { reliable, timer: policy.session_timer.clone() }
    }

    /// Before the answer the originator hears, and is heard, as its policy says.
    pub(super) fn hush_media(&self, ctx: &mut Context<'_>, answered: bool) {
        let early_media = ctx.policies.ingress(self.opening.admission.ingress).policy.early_media;
        let (from_originator, from_terminator) = match early_media {
            _ if answered => (true, true),
            EarlyMedia::Relay => (true, true),
            EarlyMedia::OneWay => (false, true),
            EarlyMedia::Suppress => (false, false),
        };
        for (leg, passes) in [(0, from_originator), (self.current, from_terminator)] {
            if let Some(pair) = self.legs[usize::from(leg)].pair {
                ctx.relay.hush(pair.id, !passes);
                ctx.relay.stay(pair.id, Stay::Setup, !answered);
            }
        }
    }

    /// The terminator said 18x: it is passed on with our tag, Contact and SDP.
    pub(super) fn on_progress(&mut self, ctx: &mut Context<'_>, status: u16, body: Body, owed: Option<Owed>) {
        let now = ctx.desk.clock.now;
        if let State::Trying { .. } = self.state {
            let trunk = self.attempts.last().and_then(|attempt| ctx.view.egress(attempt.candidate.egress));
            let ring_s = trunk.map_or(0, |trunk| trunk.ring_timeout_s());
            let ring_s = if ring_s == 0 { RING_TIMEOUT_S } else { ring_s };
            let give_up_at = now.plus_millis(u64::from(ring_s) * 1_000);
            self.state = State::Ringing { give_up_at: self.answer_by(ctx, give_up_at) };
            if let Some(attempt) = self.attempts.last_mut() {
                attempt.ringing = Some(now);
            }
            self.tell_ringing(ctx);
        }
        if !matches!(self.state, State::Ringing { .. }) {
            return self.acknowledge(ctx, owed);
        }
        if self.ringing.is_none() {
            self.ringing = Some(now);
            self.stages.pdd_us = now.micros_since(self.started.now).min(u64::from(u32::MAX)) as u32;
        }
        self.ring_at = None;
        let body = self.carry(ctx, self.current, 0, &body).unwrap_or_default();
        let early_media = ctx.policies.ingress(self.opening.admission.ingress).policy.early_media;
        let progress = match (early_media, status) {
            (EarlyMedia::Relay | EarlyMedia::OneWay, _) => Progress { status, body, owed },
            (EarlyMedia::Suppress, 183) => Progress { status: 180, body: Body::default(), owed },
            (EarlyMedia::Suppress, _) => Progress { status, body: Body::default(), owed },
        };
        self.tell_progress(ctx, progress);
    }

    /// The terminator said nothing for so long that the originator hears a 180 of our own.
    pub(super) fn ring_on_time(&mut self, ctx: &mut Context<'_>) {
        let now = ctx.desk.clock.now;
        if self.is_setting_up() && self.ring_at.take_if(|at| *at <= now).is_some() {
            self.tell_progress(ctx, Progress { status: 180, body: Body::default(), owed: None });
        }
    }

    fn tell_progress(&mut self, ctx: &mut Context<'_>, progress: Progress) {
        let leg = &mut self.legs[0];
        let wanted = progress.owed.is_some() || leg.ways.reliable == Reliable::Local;
        let owed = leg.send_progress(&mut ctx.desk, 0, progress, wanted);
        self.acknowledge(ctx, owed);
    }

    /// Acknowledges a terminator's response that the originator will not acknowledge.
    fn acknowledge(&mut self, ctx: &mut Context<'_>, owed: Option<Owed>) {
        let Some(owed) = owed else { return };
        self.legs[usize::from(owed.leg)].send_prack(&mut ctx.desk, owed, &Body::default(), None);
    }

    /// The originator acknowledged a reliable response of ours. A description in its PRACK goes where the response came from.
    pub(super) fn on_pracked(&mut self, ctx: &mut Context<'_>, number: u32, body: Body, owed: Option<Owed>) {
        let live = owed.filter(|owed| owed.leg == self.current);
        match (live, body.is_sdp()) {
            (Some(owed), true) => {
                let carried = self.carry(ctx, 0, owed.leg, &body);
                let waits = carried.is_ok().then_some(number);
                let body = carried.unwrap_or_default();
                self.legs[usize::from(owed.leg)].send_prack(&mut ctx.desk, owed, &body, waits);
                if waits.is_none() {
                    self.legs[0].answer_request(&mut ctx.desk, 0, number, 488, &Body::default());
                }
            }
            // Nobody but us sent the response, so the terminator hears of the offer by UPDATE.
            (None, true) => self.pass_update_on(ctx, 0, number, &body),
            (live, false) => {
                self.acknowledge(ctx, live);
                self.legs[0].answer_request(&mut ctx.desk, 0, number, 200, &Body::default());
            }
        }
        let owed = self.legs[0].send_put_off(&mut ctx.desk, 0);
        self.acknowledge(ctx, owed);
        if let State::Answering { journaled: true, .. } = self.state {
            self.on_journaled(ctx);
        }
    }

    /// A reliable response of ours was never acknowledged: RFC 3262 §3 wants the INVITE refused.
    pub(super) fn on_prack_missing(&mut self, ctx: &mut Context<'_>) {
        let release = Release { by: cdr::Party::Ingress, cause: Cause::TIMER_EXPIRED, status: 504 };
        self.end(ctx, release);
    }

    /// The description of our answer: none if the originator has one already, the early one if the terminator gave no other.
    pub(super) fn answer_body(&mut self, body: Body) -> Body {
        let leg = &mut self.legs[0];
        let Some(invite) = &leg.invite_in else { return body };
        match invite.settled {
            Some(version) => {
                // RFC 3261 §13.2.1: the first answer counts; that of another route or branch has to be offered.
                leg.redescribe = version != leg.sdp_version;
                Body::default()
            }
            None if body.is_empty() && invite.offered && !leg.last_sdp.is_empty() => Body::sdp(leg.last_sdp.clone()),
            None => body,
        }
    }
}
