//! From INVITE to answer: room, money, routes, attempts.

use alloc::vec::Vec;

use cdr::GrantPart;
use rating::quality::Over;
use rating::{Ask, Candidate, Today};
use sip::{Message, Name};
use snapshot::policy::{Dtmf, Srtp};
use units::mutant::{self, Mutant};
use units::{AccountId, Cause, Money, Number, PlanId, Terms};

use crate::bridge::Body;
use crate::call::outbound::Caller;
use crate::call::{Attempt, Call, Context, State};
use crate::effect::{Count, Effect, Place, Stage, Trunk};
use crate::leg::Leg;
use crate::leg::receive::body_of;
use crate::limits::{ATTEMPTS_MAX, BOOK_TIMEOUT_MS, PROGRESS_TIMEOUT_S, SETUP_TIMEOUT_S, SLICE_MS};
use crate::release::Release;

/// The terms that a reserve is computed by: those that the price is computed by.
pub(super) fn quoted(terms: &Terms) -> Terms {
    match mutant::is(Mutant::ReservedByAnotherRevision) {
        true => Terms { per_minute: Money::from_nanos(terms.per_minute.nanos() / 2), ..*terms },
        false => *terms,
    }
}

impl Call {
    /// Looks the sell rate up and asks for room.
    pub(super) fn enter(&mut self, ctx: &mut Context<'_>, invite: &Message<'_>) {
        // RFC 3261 §20.11: another body than a description came this far only if its sender calls it optional.
        self.offer = Some(body_of(invite)).filter(Body::is_sdp).unwrap_or_default();
        self.caller = Caller::of(invite);
        if let Some(refusal) = self.heed_policy(ctx, invite) {
            return self.refuse_opening(ctx, refusal);
        }
        let admission = &self.opening.admission;
        let payer = (admission.ingress, admission.account);
        let (deck, to) = (admission.sell_deck, admission.destination());
        match rating::sell(&ctx.view, payer, deck, &to, self.started.wall) {
            Ok(terms) => self.sell = Some(terms),
            Err(cause) => return self.fail(ctx, Release::by_switch(cause)),
        }
        let plan = ctx.view.plan(admission.plan);
        self.attempts_max = plan.as_ref().map_or(1, |plan| plan.attempts_max()).clamp(1, ATTEMPTS_MAX as u8);
        let setup_s = plan.map_or(0, |plan| plan.setup_timeout_s());
        let setup_s = if setup_s == 0 { SETUP_TIMEOUT_S } else { setup_s };
        // RFC 3261 §13.3.1: an invitation may say how long it stands.
        let stands_s = invite.number(Name::Expires, u64::from(u32::MAX)).ok().flatten();
        self.expires = stands_s.is_some_and(|stands_s| stands_s < u64::from(setup_s));
        let setup_s = stands_s.unwrap_or(u64::MAX).min(u64::from(setup_s));
        self.setup_at = self.started.now.plus_millis(setup_s * 1_000);
        self.state = State::Taking { give_up_at: ctx.desk.clock.now.plus_millis(BOOK_TIMEOUT_MS) };
        let (place, capacity, cps) = (self.way_in(), admission.capacity, admission.cps);
        ctx.desk.out.list.push(Effect::Take { place, capacity, cps });
    }

    /// Where the call holds room while it lasts.
    pub(super) fn way_in(&self) -> Place {
        let admission = &self.opening.admission;
        let (trunk, carrier) = (Trunk::Ingress(admission.ingress), admission.carrier);
        Place { trunk, carrier, originator: carrier }
    }

    /// Where an attempt by this route holds room.
    fn way_out(&self, route: &Candidate) -> Place {
        let originator = self.opening.admission.carrier;
        Place { trunk: Trunk::Egress(route.egress), carrier: route.carrier, originator }
    }

    /// The home shard of a place decided.
    pub fn on_taken(&mut self, ctx: &mut Context<'_>, place: Place, taken: Result<(), Cause>) {
        let plan = self.opening.admission.plan;
        match (&self.state, place.trunk, taken) {
            (State::Taking { .. }, Trunk::Ingress(_), Ok(())) => {
                self.ingress_taken = true;
                self.vouch(ctx);
            }
            (State::Taking { .. }, Trunk::Ingress(_), Err(cause)) => self.fail(ctx, Release::by_switch(cause)),
            (State::TakingEgress { .. }, Trunk::Egress(id), taken) if self.is_next(id) => match taken {
                Ok(()) => self.reserve_owed(ctx),
                Err(cause) => {
                    self.last_refusal = Some(Release::by_switch(cause));
                    self.next_route += 1;
                    self.advance(ctx);
                }
            },
            // The answer came too late: what was taken goes straight back.
            (_, _, Ok(())) => ctx.desk.out.list.push(Effect::Return { place, plan, over: Over::Void }),
            (_, _, Err(_)) => {}
        }
    }

    fn is_next(&self, id: units::EgressTrunkId) -> bool {
        self.routes.get(self.next_route).is_some_and(|route| route.egress == id)
    }

    pub(super) fn reserve_first(&mut self, ctx: &mut Context<'_>) {
        let Some(terms) = self.sell.as_ref().map(quoted) else { return };
        let (least, least_ms) = rating::first_slice(&terms);
        let want = rating::reserve(&terms, least_ms.max(SLICE_MS)).max(least);
        if want == Money::ZERO || mutant::is(Mutant::AnsweredWithoutReserve) {
            return self.route(ctx);
        }
        self.state = State::Reserving { give_up_at: ctx.desk.clock.now.plus_millis(BOOK_TIMEOUT_MS) };
        self.reserving = true;
        let account = self.opening.admission.account;
        ctx.desk.out.list.push(Effect::Reserve { account, want, least });
    }

    /// However long it talks, it costs nobody anything that is limited.
    pub(super) fn is_free(&self) -> bool {
        let costs = |terms: &Terms| rating::paid_ms(terms, Money::ZERO) != u64::MAX;
        let owes = self.owed.purse.is_some() && self.owed.terms.as_ref().is_some_and(costs);
        !owes && !self.sell.as_ref().is_some_and(costs)
    }

    /// Milliseconds of talk that both reserves pay for.
    pub(super) fn paid_for(&self, terms: &Terms) -> u64 {
        let paid_ms = match mutant::is(Mutant::AnsweredWithoutReserve) {
            true => SLICE_MS,
            false => rating::paid_ms(&quoted(terms), self.reserved_sum()),
        };
        paid_ms.min(self.owed.paid_ms())
    }

    /// The home shard of an account decided; parts are what was reserved in addition.
    pub fn on_reserved(&mut self, ctx: &mut Context<'_>, account: AccountId, reserved: Result<Vec<GrantPart>, Cause>) {
        if account.is_owed() {
            return self.on_owed(ctx, account, reserved);
        }
        self.reserving = false;
        match (&self.state, reserved) {
            (State::Reserving { .. }, Ok(parts)) => {
                add(&mut self.reserved, parts);
                self.route(ctx);
            }
            (State::Reserving { .. }, Err(cause)) => self.fail(ctx, Release::by_switch(cause)),
            (State::Up(_), Ok(parts)) => {
                add(&mut self.reserved, parts);
                self.on_extended(ctx);
            }
            (_, Ok(parts)) => {
                let account = self.opening.admission.account;
                ctx.desk.out.list.push(Effect::Settle { account, reserved: parts, used: Vec::new() });
            }
            (_, Err(_)) => {}
        }
    }

    fn route(&mut self, ctx: &mut Context<'_>) {
        let Some(sell) = self.sell else { return };
        self.paid_ms = self.paid_for(&sell);
        let before = (ctx.ticks)();
        self.stages.limits_us = micros(before - self.began_ns);
        ctx.desk.out.list.push(Effect::Stage(Stage::Limits, before - self.began_ns));
        let admission = &self.opening.admission;
        let ask = Ask {
            node: self.opening.id.node,
            ingress: admission.ingress,
            plan: admission.plan,
            sell,
            originator: admission.carrier,
            calling: admission.calling,
            called: admission.called,
            lrn: admission.lrn,
            jurisdiction: admission.jurisdiction,
            at: self.started.wall,
            seed: self.seed,
            ..Ask::default()
        };
        let ask = self.of_the_day(ctx, ask);
        let found = rating::routes(&ctx.view, ctx.policies, &ask, ctx.routes);
        let after = (ctx.ticks)();
        self.stages.route_us = micros(after - before);
        ctx.desk.out.list.push(Effect::Stage(Stage::Route, after - before));
        rating::decision::encode(self.revision, &ask, ctx.routes, &mut self.decision);
        self.routes = ctx.routes.kept().to_vec();
        self.began_ns = after;
        match found {
            Ok(()) => self.advance(ctx),
            Err(cause) => self.fail(ctx, Release::by_switch(cause)),
        }
    }

    /// Adds what the day knows of the plan's trunks.
    fn of_the_day(&self, ctx: &mut Context<'_>, ask: Ask) -> Ask {
        let ways = ctx.ways;
        let today = |trunk| Today { unreachable: ways.is_down(trunk), shut: ways.shut(trunk) };
        let known = |plan, trunk| ways.sum(plan, trunk);
        rating::on_this_day(&ctx.view, ctx.policies, ask, ctx.routes, (today, known))
    }

    /// The caller and the destination for an attempt by this plan: a failover plan rewrites in its turn.
    ///
    /// # Errors
    /// Why the plan does not take the call.
    pub(super) fn numbers_by(&self, ctx: &Context<'_>, plan: PlanId) -> Result<(Number, Number), Cause> {
        let admission = &self.opening.admission;
        rating::numbers_of(ctx.policies, (admission.plan, plan), (admission.calling, admission.called))
    }

    /// Tries the next route, or ends the call with the last refusal.
    pub(super) fn advance(&mut self, ctx: &mut Context<'_>) {
        let tried = self.attempts.len();
        let next = self.routes.get(self.next_route).filter(|_| tried < usize::from(self.attempts_max));
        let next = next.and_then(|route| Some((self.way_out(route), ctx.view.egress(route.egress)?)));
        let Some((place, egress)) = next else {
            let release = self.last_refusal.unwrap_or(Release::by_switch(Cause::NO_TERMINATOR));
            return self.fail(ctx, release);
        };
        self.state = State::TakingEgress { give_up_at: ctx.desk.clock.now.plus_millis(BOOK_TIMEOUT_MS) };
        let (capacity, cps) = (egress.capacity(), egress.cps());
        ctx.desk.out.list.push(Effect::Take { place, capacity, cps });
    }

    /// Room was taken: opens media and sends the INVITE.
    pub(super) fn attempt(&mut self, ctx: &mut Context<'_>, candidate: Candidate) {
        let egress = ctx.view.egress(candidate.egress);
        let numbers = egress.as_ref().and_then(|egress| {
            let (calling, called) = self.numbers_by(ctx, candidate.plan).ok()?;
            Some((calling, rating::outbound_number(egress, ctx.policies.egress(candidate.egress), &called)?))
        });
        let (Some(egress), Some(numbers)) = (egress, numbers) else {
            self.free_owed(ctx);
            self.return_egress(ctx);
            return self.advance(ctx);
        };
        let progress_s = or_default(egress.progress_timeout_s(), PROGRESS_TIMEOUT_S);
        let policy = &ctx.policies.egress(candidate.egress).policy;
        let mut places = ctx.ways.places(&ctx.view, ctx.policies, candidate.egress, self.seed);
        let Some((hop, when_large)) = self.next_hop(ctx, candidate.egress, &mut places) else {
            return self.skip(ctx, Cause::TRUNK_UNREACHABLE);
        };
        let (dialog, mut lines) = match self.outbound(ctx, candidate.egress, hop, &numbers) {
            Ok(outbound) => outbound,
            Err(cause) => return self.skip(ctx, cause),
        };
        let identity = self.vouched_for(ctx, candidate.egress, &numbers, &mut lines);
        let mut leg = Leg::new(dialog, hop, &mut ctx.desk);
        leg.invite_lines = lines;
        leg.nat = policy.nat;
        leg.ways = self.egress_ways(ctx, candidate.egress);
        leg.when_large = when_large;
        if !self.open_media(ctx, &mut leg) {
            return self.fail(ctx, Release::by_switch(Cause::NO_RESOURCES));
        }
        let index = self.legs.len() as u8;
        self.legs.push(leg);
        self.current = index;
        self.hush_media(ctx, false);
        let offer = core::mem::take(&mut self.offer);
        let carried = self.carry(ctx, 0, index, &offer);
        self.offer = offer;
        let body = match carried {
            Ok(body) => body,
            Err(sdp::Flaw::NOTHING_LEFT) => {
                self.close_pair(ctx, index);
                self.current = 0;
                return self.skip(ctx, Cause::CODECS_NOT_ALLOWED);
            }
            Err(_) => return self.fail(ctx, Release::by_switch(Cause::INCOMPATIBLE)),
        };
        ctx.desk.out.list.push(Effect::Register { leg: index });
        let hops = self.opening.hops.saturating_sub(1);
        let leg = &mut self.legs[usize::from(index)];
        leg.send_invite(&mut ctx.desk, index, &body, hops);
        let started = ctx.desk.clock;
        self.attempts.reserve_exact(1);
        self.attempts.push(Attempt {
            leg: index,
            candidate,
            started,
            ringing: None,
            address: hop.remote,
            challenges: 0,
            redirects: 0,
            contacts: Vec::new(),
            places,
            hurry_at: Call::hurry_at(started.now, &places),
            identity,
            written: false,
        });
        let progress_at = started.now.plus_millis(u64::from(progress_s) * 1_000);
        self.state = State::Trying { progress_at: self.answer_by(ctx, progress_at) };
        self.count_attempt(ctx);
    }

    /// Measures how long the first INVITE took to leave, and counts each.
    fn count_attempt(&mut self, ctx: &mut Context<'_>) {
        let spent = (ctx.ticks)() - self.began_ns;
        if self.attempts.len() == 1 {
            self.stages.egress_us = micros(spent);
            ctx.desk.out.list.push(Effect::Stage(Stage::Egress, spent));
        }
        ctx.desk.out.list.push(Effect::Count(Count::Attempt));
    }

    /// The route cannot be tried: its room goes back, the next one's turn.
    pub(super) fn skip(&mut self, ctx: &mut Context<'_>, cause: Cause) {
        self.last_refusal = Some(Release::by_switch(cause));
        self.free_owed(ctx);
        self.return_egress(ctx);
        self.advance(ctx);
    }

    pub(super) fn open_media(&mut self, ctx: &mut Context<'_>, leg: &mut Leg) -> bool {
        let now = ctx.desk.clock.now;
        if self.is_direct(ctx) {
            self.close_pair(ctx, 0);
            return true;
        }
        if self.legs[0].pair.is_none() {
            self.legs[0].media_ipv6 = self.offered_ipv6(ctx);
            self.legs[0].pair = open_pair(ctx, now, self.legs[0].media_ipv6);
        }
        leg.pair = open_pair(ctx, now, leg.media_ipv6);
        match (self.legs[0].pair, leg.pair) {
            (Some(ingress), Some(egress)) => {
                ctx.relay.join(ingress.id, egress.id);
                true
            }
            _ => {
                self.close_pair(ctx, 0);
                if let Some(pair) = leg.pair.take() {
                    ctx.relay.close(now, pair.id);
                    ctx.desk.out.list.extend([Effect::ClosePort(pair.rtp_port), Effect::ClosePort(pair.rtp_port + 1)]);
                }
                false
            }
        }
    }

    /// True if both trunks let media go past us, and neither wants anything done to it.
    fn is_direct(&self, ctx: &Context<'_>) -> bool {
        let direct = |rules: &rating::Rules| {
            let media = &rules.policy.media;
            media.direct && media.dtmf == Dtmf::Pass && media.srtp == Srtp::Pass
        };
        let egress = self.egress_taken.as_ref().map(|candidate| ctx.policies.egress(candidate.egress));
        egress.is_some_and(direct) && direct(ctx.policies.ingress(self.opening.admission.ingress))
    }

    /// A deadline of the present attempt, or the earlier one by which its trunk must have answered.
    pub(super) fn answer_by(&self, ctx: &Context<'_>, deadline: units::Instant) -> units::Instant {
        let Some(attempt) = self.attempts.last() else { return deadline };
        match ctx.policies.egress(attempt.candidate.egress).policy.answer_timeout_s {
            0 => deadline,
            limit_s => deadline.min(attempt.started.now.plus_millis(u64::from(limit_s) * 1_000)),
        }
    }

    /// The attempt failed: next route, or the end.
    pub(super) fn on_refused(&mut self, ctx: &mut Context<'_>, release: Release) {
        if !self.is_setting_up() {
            return;
        }
        // RFC 3263 §4.3: a server that cannot be reached or has no room leaves the call to the next one of its trunk.
        let trying = matches!(self.state, State::Trying { .. }) && release.by == cdr::Party::Egress;
        if trying && release.status == 503 && self.next_place(ctx) {
            return;
        }
        if self.next_contact_after(ctx, &release) {
            return;
        }
        self.report_silence(ctx, &release);
        let goes_on = self.hunts_on(ctx, &release);
        self.close_attempt(ctx, release);
        self.last_refusal = Some(release);
        if goes_on { self.advance(ctx) } else { self.fail(ctx, release) }
    }

    /// We gave the attempt up: it is cancelled, and its leg goes on alone until the terminator has heard.
    pub(super) fn give_up_attempt(&mut self, ctx: &mut Context<'_>, release: Release) {
        let index = self.current;
        self.legs[usize::from(index)].send_cancel(&mut ctx.desk, index);
        self.on_refused(ctx, release);
    }

    /// Writes the attempt's record and gives back what it held.
    pub(super) fn close_attempt(&mut self, ctx: &mut Context<'_>, release: Release) {
        self.write_attempt(ctx, release);
        self.close_pair(ctx, self.current);
        self.free_owed(ctx);
        self.return_egress(ctx);
        self.current = 0;
    }

    pub(super) fn return_egress(&mut self, ctx: &mut Context<'_>) {
        if let Some(candidate) = self.egress_taken.take() {
            let over = core::mem::take(&mut self.over);
            let over = self.with_media(over);
            let (place, plan) = (self.way_out(&candidate), candidate.plan);
            ctx.desk.out.list.push(Effect::Return { place, plan, over });
        }
    }
}

/// A media port and its neighbour for RTCP, on our address of the peer's family.
fn open_pair(ctx: &mut Context<'_>, now: units::Instant, ipv6: bool) -> Option<media::Pair> {
    ctx.desk.switch.media_address(ipv6)?;
    let pair = ctx.relay.open(now)?;
    let open = |port| Effect::OpenPort { port, ipv6 };
    ctx.desk.out.list.extend([open(pair.rtp_port), open(pair.rtp_port + 1)]);
    Some(pair)
}

/// Adds what was reserved to what was before. What comes of the same grant as the last of that is one part with it: a long call has few.
pub(super) fn add(reserved: &mut Vec<GrantPart>, parts: Vec<GrantPart>) {
    if reserved.is_empty() {
        *reserved = parts;
        return;
    }
    for part in parts {
        match reserved.last_mut().filter(|last| last.grant == part.grant) {
            Some(last) => last.amount += part.amount,
            None => reserved.push(part),
        }
    }
}

/// Takes a price from reserved parts in order; the rest of each stays free.
pub(super) fn used_of(reserved: &[GrantPart], price: Money) -> Vec<GrantPart> {
    let mut open = price;
    let mut used: Vec<GrantPart> = Vec::new();
    for part in reserved {
        let amount = part.amount.min(open);
        open -= amount;
        if !amount.is_positive() {
            continue;
        }
        match used.iter_mut().find(|known| known.grant == part.grant) {
            Some(known) => known.amount += amount,
            None => used.push(GrantPart { grant: part.grant, amount }),
        }
    }
    debug_assert!(!open.is_positive(), "a price never exceeds its reserve");
    used
}

fn or_default(value: u16, default: u16) -> u16 {
    if value == 0 { default } else { value }
}

/// Nanoseconds to microseconds, for a record.
pub(super) fn micros(nanos: u64) -> u32 {
    (nanos / 1_000).min(u64::from(u32::MAX)) as u32
}
