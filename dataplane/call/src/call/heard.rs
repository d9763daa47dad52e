//! What a call tells the home shard of a trunk about how its attempt goes.

use cdr::Party;
use rating::Candidate;
use rating::quality::{Over, Result, Standing, Talk};
use snapshot::Order;
use units::Cause;

use crate::call::{Attempt, Call, Context};
use crate::effect::{Effect, News};
use crate::release::Release;

/// Counts as the status of an INVITE that met no answer.
const TIMED_OUT: u16 = 408;
/// Counts as the status of an attempt that the caller, or we for the caller, took back.
const TAKEN_BACK: u16 = 487;

impl Call {
    /// The terminator rings for the first time: a throttled trunk is heard to be well before anybody answers.
    pub(super) fn tell_ringing(&self, ctx: &mut Context<'_>) {
        let Some(attempt) = self.attempts.last() else { return };
        let trunk = attempt.candidate.egress;
        if ctx.policies.egress(trunk).policy.throttle.percent > 0 {
            let (carrier, plan, begun) = (attempt.candidate.carrier, attempt.candidate.plan, attempt.started.now);
            ctx.desk.out.list.push(Effect::Heard { trunk, carrier, plan, begun, news: News::Ringing });
        }
    }

    /// The originator hears the terminator's answer.
    pub(super) fn tell_answered(&self, ctx: &mut Context<'_>) {
        let Some(attempt) = self.attempts.last() else { return };
        let Candidate { egress: trunk, carrier, plan, .. } = attempt.candidate;
        let by_quality = || ctx.view.plan(plan).is_some_and(|plan| plan.order() == Order::Quality);
        if Standing::is_wanted(&ctx.policies.egress(trunk).policy) || by_quality() {
            let heard = attempt.ringing.unwrap_or(ctx.desk.clock.now);
            let pdd_ms = heard.millis_since(attempt.started.now);
            let (begun, rang) = (attempt.started.now, attempt.ringing.is_some());
            let news = News::Answered { pdd_ms, rang };
            ctx.desk.out.list.push(Effect::Heard { trunk, carrier, plan, begun, news });
        }
    }

    /// How the present attempt ended.
    pub(super) fn over(&self, ctx: &Context<'_>, attempt: &Attempt, release: Release) -> Over {
        let begun = attempt.started.now;
        if let Some(answered) = self.answered.filter(|_| self.has_talked()) {
            let talk_ms = ctx.desk.clock.now.millis_since(answered);
            return Over::Talked { begun, talk: Talk { talk_ms, ..Talk::default() } };
        }
        let pdd_ms = attempt.ringing.map(|at| at.millis_since(begun));
        let failed = |status, reached| {
            let result = if reached { Result::Reached } else { Result::Failed };
            Over::Failed { begun, status, result, pdd_ms }
        };
        match (release.by, release.cause) {
            // It rang until we gave up.
            (Party::Egress, cause) if release.status == 0 => failed(TAKEN_BACK, self.reached(ctx, attempt, cause, 0)),
            (Party::Egress, cause) => failed(release.status, self.reached(ctx, attempt, cause, release.status)),
            (Party::Ingress, _) => failed(TAKEN_BACK, true),
            (Party::Switch, Cause::TIMER_EXPIRED | Cause::TRUNK_UNREACHABLE) => failed(TIMED_OUT, pdd_ms.is_some()),
            (Party::Switch, _) => Over::Void,
        }
    }

    /// ITU-T E.425 §3.2: a call that met a busy, absent or unwilling destination was brought there. A trunk's policy may say otherwise.
    fn reached(&self, ctx: &Context<'_>, attempt: &Attempt, cause: Cause, status: u16) -> bool {
        let answers = &ctx.policies.egress(attempt.candidate.egress).policy.answers;
        match cause {
            Cause::BUSY => !answers.busy_is_failure,
            Cause::NO_RESPONSE | Cause::NO_ANSWER | Cause::ABSENT => !answers.no_answer_is_failure,
            // RFC 3261 §21.6.2: the destination declines; 403 comes from a server on the way.
            Cause::REJECTED => status == 603,
            Cause::NORMAL | Cause::NORMAL_UNSPECIFIED => true,
            _ => false,
        }
    }

    /// What is known of the attempt's media once its ports are closed.
    pub(super) fn with_media(&self, over: Over) -> Over {
        let Over::Talked { begun, talk } = over else { return over };
        let media = &self.egress_media;
        let sent = media.packets.saturating_add(u64::from(media.lost)).max(1);
        let loss_permille = (u64::from(media.lost) * 1_000 / sent) as u16;
        Over::Talked { begun, talk: Talk { mos_x100: media.mos_x100, loss_permille, ..talk } }
    }
}
