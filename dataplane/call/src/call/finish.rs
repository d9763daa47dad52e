//! The end of a call: final answers, goodbyes, records, everything given back.

use alloc::vec::Vec;

use cdr::Party;
use rating::quality::Over;
use sip::effect::GIVE_UP_MS;
use units::mutant::{self, Mutant};
use units::{Cause, Clock};

use crate::bridge::Body;
use crate::call::{Call, Context, State};
use crate::effect::{Count, Effect};
use crate::leg::InviteOut;
use crate::limits::PARTING_MS;
use crate::release::{Release, Why};

impl Call {
    /// The originator took its INVITE back; the terminator hears why.
    pub(super) fn on_cancelled(&mut self, ctx: &mut Context<'_>, why: Why) {
        if let Some(invite) = self.legs[usize::from(self.current)].invite_out.as_mut() {
            invite.cancelled_for = why;
        }
        let release = Release { by: Party::Ingress, cause: Cause::CALLER_CANCELLED, status: 487 };
        match self.state {
            // The terminator answered, the originator does not know yet: it never will (RFC 3261 §9.2 lets us choose).
            State::Answering { .. } => self.end(ctx, release),
            _ => self.fail(ctx, release),
        }
    }

    /// Nobody answered in time. Where the originator said how long its invitation stands, it hears 487 (RFC 3261 §13.3.1).
    pub(super) fn on_setup_over(&mut self, ctx: &mut Context<'_>) {
        match self.expires {
            true => self.on_cancelled(ctx, Why::default()),
            false => self.fail(ctx, Release::by_switch(Cause::TIMER_EXPIRED)),
        }
    }

    /// One side said goodbye; the other one hears why.
    pub(super) fn on_bye(&mut self, ctx: &mut Context<'_>, leg: u8, why: Why) {
        let (by, other) = if leg == 0 { (Party::Ingress, self.current) } else { (Party::Egress, 0) };
        let cause = why.end();
        match (leg, &self.state) {
            (_, State::Up(_)) | (1.., State::Answering { .. }) => {}
            // RFC 3261 §15: a caller may leave an early dialog by BYE, which is a CANCEL in all but name (§15.1.2: 487).
            (0, _) => return self.on_cancelled(ctx, Why { cause: Some(cause), ..why }),
            // A terminator may not say BYE before its answer; whoever does has given the attempt up.
            (leg, _) => {
                crate::call::answer_byes(&mut self.legs[usize::from(leg)], ctx, leg);
                return self.give_up_attempt(ctx, Release::refused(480, None));
            }
        }
        self.legs[usize::from(other)].bye_status = why.status;
        self.end(ctx, Release { by, cause, status: 200 });
    }

    /// Ends a call that has no answer yet.
    pub(super) fn fail(&mut self, ctx: &mut Context<'_>, release: Release) {
        if self.is_over() {
            return;
        }
        let open = self.current;
        if open != 0 {
            self.legs[usize::from(open)].send_cancel(&mut ctx.desk, open);
            self.close_attempt(ctx, release);
        } else {
            self.free_owed(ctx);
            self.return_egress(ctx);
        }
        let (status, reason) = self.verdict(ctx, &release);
        self.legs[0].answer_invite(&mut ctx.desk, 0, status, &Body::default(), reason);
        ctx.desk.out.list.push(Effect::Count(Count::Failed));
        self.finish(ctx, release, status);
    }

    /// Ends a call in any state; one that is not answered fails.
    pub(super) fn end(&mut self, ctx: &mut Context<'_>, release: Release) {
        if matches!(self.state, State::Parting { .. } | State::Over { .. }) {
            return;
        }
        if self.is_setting_up() {
            return self.fail(ctx, release);
        }
        // Answered by the terminator, but the originator never heard it: nobody pays.
        let heard = self.is_up();
        if !heard {
            self.answered = None;
            let (status, reason) = self.verdict(ctx, &release);
            self.legs[0].answer_invite(&mut ctx.desk, 0, status, &Body::default(), reason);
        }
        self.say_goodbye(ctx, self.current, release.cause);
        if heard {
            self.say_goodbye(ctx, 0, release.cause);
        }
        let Some(pair) = self.legs[0].pair.filter(|pair| heard && ctx.relay.is_below(pair.id)) else {
            return self.settle(ctx, release, heard);
        };
        ctx.relay.lift(pair.id);
        let ended = ctx.desk.clock;
        self.state = State::Parting { release, ended, give_up_at: ended.now.plus_millis(PARTING_MS) };
    }

    /// The kernel's last counts of one of our media ports have come.
    pub fn on_parted(&mut self, ctx: &mut Context<'_>) {
        let State::Parting { release, ended, .. } = self.state else { return };
        if !self.legs[0].pair.is_some_and(|pair| ctx.relay.is_below(pair.id)) {
            self.part(ctx, release, ended);
        }
    }

    /// Settles a call that ended a moment ago: nobody pays for the wait for the kernel.
    pub(super) fn part(&mut self, ctx: &mut Context<'_>, release: Release, ended: Clock) {
        let clock = core::mem::replace(&mut ctx.desk.clock, ended);
        self.settle(ctx, release, true);
        ctx.desk.clock = clock;
    }

    /// What an answered call measured is complete: its records are written, and all that it held is given back.
    pub(super) fn settle(&mut self, ctx: &mut Context<'_>, release: Release, heard: bool) {
        self.write_attempt(ctx, release);
        self.close_pair(ctx, self.current);
        self.return_egress(ctx);
        ctx.desk.out.list.push(Effect::Count(if heard { Count::Finished } else { Count::Failed }));
        let status = if heard { 200 } else { self.verdict(ctx, &release).0 };
        self.finish(ctx, release, status);
    }

    /// Says BYE to a leg that has not said it; an answer that waits for its ACK gets one first.
    fn say_goodbye(&mut self, ctx: &mut Context<'_>, index: u8, cause: Cause) {
        let leg = &mut self.legs[usize::from(index)];
        if leg.invite_out.as_ref().is_some_and(InviteOut::awaits_our_ack) {
            leg.send_last_ack(&mut ctx.desk, index);
        }
        leg.close_dialog(&mut ctx.desk, index);
        leg.send_bye(&mut ctx.desk, index, cause);
    }

    /// Writes the call's record and gives back media, room and money.
    fn finish(&mut self, ctx: &mut Context<'_>, release: Release, status: u16) {
        self.close_pair(ctx, 0);
        let (used, owed) = self.write_call(ctx, release, status);
        if self.ingress_taken {
            self.ingress_taken = false;
            let (place, plan) = (self.way_in(), self.opening.admission.plan);
            ctx.desk.out.list.push(Effect::Return { place, plan, over: Over::Void });
        }
        let reserved = core::mem::take(&mut self.reserved);
        if !reserved.is_empty() {
            let account = self.opening.admission.account;
            ctx.desk.out.list.push(Effect::Settle { account, reserved, used });
        }
        self.settle_owed(ctx, owed);
        let waits_till = Some(ctx.desk.clock.now.plus_millis(GIVE_UP_MS));
        self.state = State::Over { waits_till };
        if mutant::is(Mutant::ByeAnsweredBeforeRecord) {
            self.unjournaled = 1;
            self.on_journaled(ctx);
        }
        // What remains for half a minute knows what comes again; the rest serves calls that begin.
        self.offer = Body::default();
        self.routes = Vec::new();
        self.decision = Vec::new();
        for leg in &mut self.legs {
            (leg.last_sdp, leg.invite_lines) = (Vec::new(), Vec::new());
        }
    }
}
