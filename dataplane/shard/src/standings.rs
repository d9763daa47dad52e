//! How well the trunks that live here do, and whether they may be called.
//!
//! The home shard of a trunk hears of every attempt on it: each take of room, what comes before the answer, and the return of the room
//! with how it ended. It alone lets test calls through, so their bounds are exact. All shards are told when calls may go to a trunk and
//! when not, at once, and what the last calls of a route say, at most every quarter of a second.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use call::effect::{News, Place, Trunk};
use rating::Policies;
use rating::quality::{Over, Result, Standing, Sum, Window};
use snapshot::{Order, View};
use units::{Cause, Clock, EgressTrunkId, Instant, PlanId};

use crate::book::Entry;

/// How long what a route's calls say may wait to be told, in milliseconds.
const TELL_MS: u64 = 250;
/// How often routes without calls are looked for, in milliseconds.
const SWEEP_MS: u64 = 10_000;

/// What shards tell each other about how well trunks do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Home shard to all: no call may go to the trunk for this cause, or calls may again.
    Shut {
        /// The trunk.
        trunk: EgressTrunkId,
        /// Why not.
        cause: Option<Cause>,
    },
    /// Home shard to all: what the last calls of a trunk by a plan say.
    Sum {
        /// The plan.
        plan: PlanId,
        /// The trunk.
        trunk: EgressTrunkId,
        /// What they say.
        sum: Sum,
    },
}

/// One trunk that lives here.
#[derive(Debug)]
pub struct Watched {
    /// The trunk.
    pub trunk: EgressTrunkId,
    /// Where it stands.
    pub standing: Standing,
    /// What all shards were told.
    shut: Option<Cause>,
}

/// One route of a plan whose order is by quality, to a trunk that lives here.
#[derive(Debug)]
pub struct Route {
    /// The plan.
    pub plan: PlanId,
    /// The trunk.
    pub trunk: EgressTrunkId,
    window: Window,
    forget_ms: u64,
    told: bool,
}

impl Route {
    /// What its last calls say.
    pub fn sum(&self) -> Sum {
        self.window.sum()
    }
}

/// All that this home shard keeps, sorted.
#[derive(Debug, Default)]
pub struct Standings {
    trunks: Vec<Watched>,
    routes: Vec<Route>,
    /// No trunk changes by itself before.
    trunks_at: Option<Instant>,
    tell_at: Option<Instant>,
    sweep_at: Option<Instant>,
    words: VecDeque<Word>,
}

impl Standings {
    /// Another snapshot: what is watched here. What did not change keeps its memory.
    pub fn set(&mut self, clock: Clock, view: &View<'_>, policies: &Policies, is_home: impl Fn(EgressTrunkId) -> bool) {
        let mut before = core::mem::take(&mut self.trunks).into_iter().peekable();
        // Both come in order of id.
        for (trunk, rules) in policies.egress_trunks() {
            if !is_watched(view, policies, trunk) || !is_home(trunk) {
                continue;
            }
            while before.next_if(|watched| watched.trunk < trunk).is_some() {}
            let known = before.next_if(|watched| watched.trunk == trunk);
            let mut watched =
                known.unwrap_or_else(|| Watched { trunk, standing: Standing::new(clock, &rules.policy), shut: None });
            watched.standing.set(clock, &rules.policy);
            self.trunks.push(watched);
        }
        self.set_routes(view, policies, is_home);
        self.sweep_at = (!self.routes.is_empty()).then(|| clock.now.plus_millis(SWEEP_MS));
        (0..self.trunks.len()).for_each(|place| self.tell(clock, place));
    }

    /// Old and new routes are sorted, so that both are walked through once: this is a shard's turn, and plans may be many.
    fn set_routes(&mut self, view: &View<'_>, policies: &Policies, is_home: impl Fn(EgressTrunkId) -> bool) {
        let mut before = core::mem::take(&mut self.routes).into_iter().peekable();
        let mut trunks: Vec<EgressTrunkId> = Vec::new();
        // Plans come in order of id.
        for plan in view.plans().filter(|plan| plan.order() == Order::Quality) {
            let quality = &policies.plan(plan.id()).policy.quality;
            trunks.clear();
            trunks.extend(plan.routes().map(|route| route.egress_trunk()).filter(|trunk| is_home(*trunk)));
            trunks.sort_unstable();
            // A trunk may stand in a plan by itself and in a group.
            trunks.dedup();
            for trunk in &trunks {
                let key = (plan.id(), *trunk);
                while before.next_if(|route| (route.plan, route.trunk) < key).is_some() {}
                let known = before.next_if(|route| (route.plan, route.trunk) == key).map(|route| route.window);
                let known = known.filter(|window| window.is(quality.calls(), quality.short_s()));
                self.routes.push(Route {
                    plan: key.0,
                    trunk: key.1,
                    window: known.unwrap_or_else(|| Window::new(quality.calls(), quality.short_s())),
                    forget_ms: u64::from(quality.forget_s()) * 1_000,
                    told: false,
                });
            }
        }
        self.tell_at = (!self.routes.is_empty()).then(Instant::default);
    }

    /// Why a call may not have room on this trunk.
    pub fn refusal(&self, now: Instant, trunk: EgressTrunkId) -> Option<Cause> {
        self.trunks[self.place(trunk)?].standing.refusal(now)
    }

    /// A call has room on this trunk: its INVITE goes out.
    pub fn on_begun(&mut self, clock: Clock, trunk: EgressTrunkId) {
        self.change(clock, trunk, |standing| standing.on_begun(clock.now));
    }

    /// What a call said of its attempt.
    pub fn on_entry(&mut self, clock: Clock, entry: &Entry) {
        match *entry {
            Entry::Return { place: Place { trunk: Trunk::Egress(trunk), .. }, plan, over } => {
                self.change(clock, trunk, |standing| standing.on_over(clock, over));
                self.count(clock, (plan, trunk), |window| match over {
                    Over::Failed { result, pdd_ms, .. } => window.count(clock.now, result, pdd_ms),
                    Over::Talked { talk, .. } => window.talked(talk),
                    Over::Void => {}
                });
            }
            Entry::Heard { trunk, begun, news: News::Ringing, .. } => {
                self.change(clock, trunk, |standing| standing.on_ringing(clock, begun));
            }
            Entry::Heard { trunk, plan, begun, news: News::Answered { pdd_ms, rang }, .. } => {
                self.change(clock, trunk, |standing| standing.on_answered(clock, begun, pdd_ms, rang));
                self.count(clock, (plan, trunk), |window| window.count(clock.now, Result::Answered, Some(pdd_ms)));
            }
            _ => {}
        }
    }

    /// Time went on.
    pub fn on_time(&mut self, clock: Clock) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= clock.now);
        if due(self.trunks_at) {
            self.trunks_at = None;
            for place in 0..self.trunks.len() {
                self.trunks[place].standing.on_time(clock);
                self.tell(clock, place);
            }
        }
        if due(self.sweep_at) {
            self.sweep_at = Some(clock.now.plus_millis(SWEEP_MS));
            for route in &mut self.routes {
                let age_ms = clock.now.millis_since(route.window.heard_at());
                if !route.window.is_empty() && age_ms >= route.forget_ms {
                    route.window.clear();
                    route.told = false;
                    self.tell_at = Some(clock.now);
                }
            }
        }
        if due(self.tell_at) {
            self.tell_at = None;
            for route in self.routes.iter_mut().filter(|route| !route.told) {
                route.told = true;
                self.words.push_back(Word::Sum { plan: route.plan, trunk: route.trunk, sum: route.window.sum() });
            }
        }
    }

    /// When [`Standings::on_time`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        [self.trunks_at, self.tell_at, self.sweep_at].into_iter().flatten().min()
    }

    /// What all shards, this one too, must be told; in order.
    pub fn word(&mut self) -> Option<Word> {
        self.words.pop_front()
    }

    /// The trunks that are watched here, by id.
    pub fn trunks(&self) -> &[Watched] {
        &self.trunks
    }

    /// The routes that are watched here, by plan and trunk.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    fn place(&self, trunk: EgressTrunkId) -> Option<usize> {
        self.trunks.binary_search_by_key(&trunk, |watched| watched.trunk).ok()
    }

    fn change(&mut self, clock: Clock, trunk: EgressTrunkId, step: impl FnOnce(&mut Standing)) {
        let Some(place) = self.place(trunk) else { return };
        step(&mut self.trunks[place].standing);
        self.tell(clock, place);
    }

    fn count(&mut self, clock: Clock, route: (PlanId, EgressTrunkId), step: impl FnOnce(&mut Window)) {
        let Ok(place) = self.routes.binary_search_by_key(&route, |known| (known.plan, known.trunk)) else { return };
        step(&mut self.routes[place].window);
        self.routes[place].told = false;
        self.tell_at.get_or_insert(clock.now.plus_millis(TELL_MS));
    }

    /// Tells all shards if calls may go to the trunk, should they believe otherwise, and files when that changes by itself.
    fn tell(&mut self, clock: Clock, place: usize) {
        let watched = &mut self.trunks[place];
        let cause = watched.standing.refusal(clock.now);
        if cause != watched.shut {
            watched.shut = cause;
            self.words.push_back(Word::Shut { trunk: watched.trunk, cause });
        }
        let at = watched.standing.deadline(clock.now);
        self.trunks_at = [self.trunks_at, at].into_iter().flatten().min();
    }
}

/// True if a snapshot wants a trunk's standing to be kept.
pub fn is_watched(view: &View<'_>, policies: &Policies, trunk: EgressTrunkId) -> bool {
    let is_active = view.egress(trunk).is_some_and(|trunk| trunk.active());
    is_active && Standing::is_wanted(&policies.egress(trunk).policy)
}
