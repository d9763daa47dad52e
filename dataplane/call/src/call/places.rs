//! Where an attempt tries its trunk: one address after the other, until one says something (RFC 3263 §4.3).

use sip::{Hop, Transport};
use snapshot::policy;
use units::{Cause, EgressTrunkId, Instant};

use crate::call::{Call, Context, State};
use crate::effect::Effect;
use crate::leg::Leg;
use crate::limits::{PLACE_TIMEOUT_MS, TARGETS_MAX};
use crate::release::Release;
use crate::ways::Places;

impl Call {
    /// The way to the next of these places that one of our listeners can reach, and the way of what is too long for a datagram if
    /// the trunk takes both: that is a trunk with an address of its own whose policy leaves the transport open.
    pub(super) fn next_hop(
        &self,
        ctx: &Context<'_>,
        trunk: EgressTrunkId,
        places: &mut Places,
    ) -> Option<(Hop, Option<Hop>)> {
        let rules = ctx.policies.egress(trunk);
        let by = |transport, address| ctx.desk.switch.hop(transport, &rules.policy.listener, address);
        let hop = core::iter::from_fn(|| places.take())
            .find_map(|place| Some(Hop { flow: place.flow, ..by(place.transport, place.address)? }))?;
        let takes_both = rules.policy.transport == policy::Transport::Auto && !rules.is_looked_up();
        Some((hop, takes_both.then(|| by(Transport::Tcp, hop.remote)).flatten()))
    }

    /// When a silent place is left for the next one, if there is a next one.
    pub(super) fn hurry_at(now: Instant, places: &Places) -> Option<Instant> {
        places.peek().map(|_| now.plus_millis(PLACE_TIMEOUT_MS))
    }

    /// When [`Call::hurry`] is due.
    pub(super) fn hurry_deadline(&self) -> Option<Instant> {
        self.attempts.last().filter(|_| matches!(self.state, State::Trying { .. }))?.hurry_at
    }

    /// Time went on while an INVITE is out: a place that said nothing is left for the next one.
    pub(super) fn hurry(&mut self, ctx: &mut Context<'_>) {
        let now = ctx.desk.clock.now;
        let due = |attempt: &super::Attempt| attempt.hurry_at.is_some_and(|at| at <= now);
        if !matches!(self.state, State::Trying { .. }) || !self.attempts.last().is_some_and(due) {
            return;
        }
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.hurry_at = None;
        }
        if self.is_unheard() {
            self.next_place(ctx);
        }
    }

    /// True if nothing at all came back to the INVITE that is out.
    pub(super) fn is_unheard(&self) -> bool {
        let leg = self.legs.get(usize::from(self.current)).filter(|_| self.current != 0);
        leg.and_then(|leg| leg.invite_out.as_ref()).is_none_or(|invite| !invite.machine.was_heard())
    }

    /// The attempt ends: if its last place said nothing, whoever watches the trunk should know.
    pub(super) fn report_silence(&self, ctx: &mut Context<'_>, release: &Release) {
        let expired = release.by == cdr::Party::Switch && release.cause == Cause::TIMER_EXPIRED;
        let Some(attempt) = self.attempts.last().filter(|_| expired && self.is_unheard()) else { return };
        let (trunk, since) = (attempt.candidate.egress, attempt.started.now);
        ctx.desk.out.list.push(Effect::Silent { trunk, since });
    }

    /// Sends the INVITE of this attempt to its next place; false if there is none.
    pub(super) fn next_place(&mut self, ctx: &mut Context<'_>) -> bool {
        let Some((candidate, mut places)) = self.attempts.last().map(|attempt| (attempt.candidate, attempt.places))
        else {
            return false;
        };
        (0..TARGETS_MAX).any(|_| {
            let Some((hop, _)) = self.next_hop(ctx, candidate.egress, &mut places) else { return false };
            if let Some(attempt) = self.attempts.last_mut() {
                attempt.places = places;
            }
            self.move_to(ctx, hop).is_some()
        })
    }

    fn move_to(&mut self, ctx: &mut Context<'_>, hop: Hop) -> Option<()> {
        let rating::Candidate { egress: trunk, plan, .. } = self.attempts.last()?.candidate;
        let rules = ctx.policies.egress(trunk);
        let (calling, called) = self.numbers_by(ctx, plan).ok()?;
        let called = rating::outbound_number(&ctx.view.egress(trunk)?, rules, &called)?;
        let (dialog, lines) = self.outbound(ctx, trunk, hop, &(calling, called)).ok()?;
        let mut leg = Leg::new(dialog, hop, &mut ctx.desk);
        (leg.invite_lines, leg.nat, leg.ways) = (lines, rules.policy.nat, self.egress_ways(ctx, trunk));
        let (old, index) = (self.current, u8::try_from(self.legs.len()).ok()?);
        // The place that is left may still speak: its leg goes on alone, without media.
        self.legs[usize::from(old)].send_cancel(&mut ctx.desk, old);
        if self.legs[usize::from(old)].peer.remote.is_ipv6() == hop.remote.is_ipv6() {
            leg.pair = self.legs[usize::from(old)].pair.take();
        } else {
            self.close_pair(ctx, old);
        }
        if leg.pair.is_none() && !self.open_media(ctx, &mut leg) {
            return None;
        }
        self.legs.push(leg);
        self.current = index;
        self.hush_media(ctx, false);
        let offer = self.offer.clone();
        let body = self.carry(ctx, 0, index, &offer).ok()?;
        ctx.desk.out.list.push(Effect::Register { leg: index });
        let hops = self.opening.hops.saturating_sub(1);
        let leg = &mut self.legs[usize::from(index)];
        leg.send_invite(&mut ctx.desk, index, &body, hops);
        let attempt = self.attempts.last_mut()?;
        (attempt.leg, attempt.address) = (index, hop.remote);
        attempt.hurry_at = Call::hurry_at(ctx.desk.clock.now, &attempt.places);
        Some(())
    }
}
