//! The shard keeps the standing of the trunks that live with it, and tells the other shards what follows from it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use panel::wire::{RouteFigures, StandingFigures, SumFigures};
use rating::quality::Sum;
use snapshot::Order;
use units::Clock;

use crate::book::home;
use crate::standings::{Route, Watched, Word, is_watched};
use crate::{Effects, Parcel, Shard};

impl Shard {
    /// Another snapshot: what is watched here, and what is still true of the others.
    pub(crate) fn watch_standings(&mut self, clock: Clock, out: &mut Effects) {
        let Some(loaded) = self.loaded.clone() else { return };
        let (view, policies) = (loaded.view(), &loaded.policies);
        let (own, shards) = (self.config.shard, self.config.shards);
        let is_home = |trunk| view.egress(trunk).is_some_and(|trunk| home(trunk.carrier().0, shards) == own);
        self.standings.set(clock, &view, policies, is_home);
        self.ways.retain_standing(
            |trunk| is_watched(&view, policies, trunk),
            |plan, _| view.plan(plan).is_some_and(|plan| plan.order() == Order::Quality),
        );
        self.tell_standings(out);
    }

    /// Time went on.
    pub(crate) fn weigh_trunks(&mut self, clock: Clock, out: &mut Effects) {
        if self.standings.deadline().is_some_and(|at| at <= clock.now) {
            self.standings.on_time(clock);
            self.tell_standings(out);
        }
    }

    /// Tells all shards what changed.
    pub(crate) fn tell_standings(&mut self, out: &mut Effects) {
        while let Some(word) = self.standings.word() {
            if let Word::Shut { cause: Some(_), .. } = word {
                self.counters.trunks_shut += 1;
            }
            self.tell_others(out, || Parcel::Standing(word));
            self.on_standing(word);
        }
    }

    /// What the home shard of a trunk says of it.
    pub(crate) fn on_standing(&mut self, word: Word) {
        match word {
            Word::Shut { trunk, cause } => self.ways.set_shut(trunk, cause),
            Word::Sum { plan, trunk, sum } => self.ways.set_sum(plan, trunk, sum),
        }
    }

    /// The trunks that are watched here.
    pub(crate) fn standing_figures(&self) -> Vec<StandingFigures> {
        let row = |watched: &Watched| {
            let (state, since) = watched.standing.state();
            StandingFigures {
                egress_trunk: watched.trunk.0,
                state: state.name().to_string(),
                since: since.micros(),
                reason: watched.standing.broken().map_or(String::new(), |broken| broken.to_string()),
                sum: figures(&watched.standing.sum()),
            }
        };
        self.standings.trunks().iter().map(row).collect()
    }

    /// The routes that are watched here.
    pub(crate) fn route_figures(&self) -> Vec<RouteFigures> {
        let row = |route: &Route| RouteFigures {
            plan: route.plan.0,
            egress_trunk: route.trunk.0,
            sum: figures(&route.sum()),
        };
        self.standings.routes().iter().map(row).collect()
    }
}

fn figures(sum: &Sum) -> SumFigures {
    SumFigures {
        calls: sum.calls,
        answered: sum.answered,
        reached: sum.reached,
        talks: sum.talks,
        short: sum.short,
        acd_s: sum.acd_s,
        pdd_ms: sum.pdd_ms,
        mos_x100: sum.mos_x100,
        loss_permille: sum.loss_permille,
    }
}
