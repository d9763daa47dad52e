//! How well egress trunks do at this moment, and which of them rest or are throttled.

use axum::Json;
use axum::extract::State;
use panel::wire::{Figures, RouteFigures, ShardFigures, StandingFigures, SumFigures};
use rating::Policies;
use rating::quality::{SCALE, Sum};
use serde::{Deserialize, Serialize};
use snapshot::View;
use units::{Cause, EgressTrunkId, PlanId};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::live::Heard;
use crate::names::Names;
use crate::problem::Answered;
use crate::services::App;
use crate::value::{EgressTrunkRef, Named, PlanRef, Time};

/// What an egress trunk may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrunkState {
    /// Takes calls.
    Open,
    /// Does not answer: gets none (cause 338).
    Unreachable,
    /// Refuses too much: gets hardly any (cause 411).
    Throttled,
    /// Below a floor of its quality: gets none (cause 410).
    Resting,
    /// Shows with test calls that it is well again; others go elsewhere (cause 410).
    Testing,
}

/// What the last calls say.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LastCalls {
    /// How many there are, 200 at most.
    pub calls: u8,
    /// Answered ones, per cent.
    pub asr_percent: f64,
    /// Those that reached somebody, answered or not, per cent.
    pub ner_percent: f64,
    /// Average talk time in seconds.
    pub acd_s: u16,
    /// Short ones among the answered, per cent.
    pub short_percent: f64,
    /// Average time from INVITE to ringing in milliseconds.
    pub pdd_ms: u16,
    /// Average estimated mean opinion score; absent without media.
    pub mos: Option<f64>,
    /// Average share of lost packets, per cent.
    pub loss_percent: f64,
}

/// Where one egress trunk stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TrunkStanding {
    /// The trunk.
    pub egress_trunk: Named<EgressTrunkRef>,
    /// What it may do.
    pub state: TrunkState,
    /// Since when.
    pub since: Time,
    /// The floor that is broken, in words; empty if none is.
    pub reason: String,
    /// What its last calls say; absent if only probes watch it.
    pub last_calls: Option<LastCalls>,
}

/// How well one route of a plan by quality does.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RouteStanding {
    /// The plan.
    pub plan: Named<PlanRef>,
    /// The trunk.
    pub egress_trunk: Named<EgressTrunkRef>,
    /// Its index by the plan's formula; absent while too little is known, and if the formula asks for the price, which depends on the call.
    pub index: Option<f64>,
    /// What its last calls by this plan say.
    pub last_calls: LastCalls,
}

/// What the day knows of egress trunks.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Standings {
    /// The trunks that are watched: by probes, floors or a throttle.
    pub trunks: Vec<TrunkStanding>,
    /// The routes of all plans by quality.
    pub routes: Vec<RouteStanding>,
}

/// The paths of standings.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Tells how well the watched egress trunks and the routes of plans by quality do, as the data plane said a second ago at most.
#[utoipa::path(get, path = "/api/v1/standings", tag = "routing",
    responses((status = 200, description = "All of them; none while the data plane is away.", body = Standings)))]
async fn list(_caller: May<rights::Read>, State(app): State<App>) -> Answered<Json<Standings>> {
    let Some(heard) = app.live.heard().filter(Heard::is_up) else {
        return Ok(Json(Standings { trunks: Vec::new(), routes: Vec::new() }));
    };
    let snapshot = app.snapshots.read().await?;
    let names = app.names.read(&app.store).await?;
    let policies = Policies::compile(&snapshot.view()).unwrap_or_default();
    Ok(Json(Standings::show(&heard.figures, &policies, &names)))
}

impl Standings {
    /// What the data plane says, with the names of the snapshot that it decides from.
    pub fn of(figures: &Figures, view: &View<'_>) -> Standings {
        let policies = Policies::compile(view).unwrap_or_default();
        Standings::show(figures, &policies, &Names::default().with(view))
    }

    /// The trunks alone, for which no policy is compiled.
    pub fn trunks_of(figures: &Figures, view: &View<'_>) -> Vec<TrunkStanding> {
        trunks(figures, &Names::default().with(view))
    }

    fn show(figures: &Figures, policies: &Policies, names: &Names) -> Standings {
        let all = figures.shards.iter().flat_map(|shard| &shard.routes);
        let mut routes: Vec<RouteStanding> = all.map(|route| RouteStanding::show(route, policies, names)).collect();
        routes.sort_by(|one, other| {
            (&one.plan.code, &one.egress_trunk.code).cmp(&(&other.plan.code, &other.egress_trunk.code))
        });
        Standings { trunks: trunks(figures, names), routes }
    }
}

fn trunks(figures: &Figures, names: &Names) -> Vec<TrunkStanding> {
    let mut trunks: Vec<TrunkStanding> = figures.shards.iter().flat_map(|shard| of_shard(shard, names)).collect();
    trunks.sort_by(|one, other| one.egress_trunk.code.cmp(&other.egress_trunk.code));
    trunks
}

/// Watched trunks of one shard: those with floors or a throttle, and those that only probes watch.
fn of_shard(shard: &ShardFigures, names: &Names) -> Vec<TrunkStanding> {
    let down = |id| shard.trunks.iter().find(|probe| probe.egress_trunk == id && !probe.up);
    let judged = shard.standings.iter().map(|standing| {
        let probe = down(standing.egress_trunk);
        TrunkStanding {
            egress_trunk: names.egress_trunk(standing.egress_trunk),
            state: probe.map_or_else(|| state(standing), |_| TrunkState::Unreachable),
            since: time(probe.map_or(standing.since, |probe| probe.since)),
            reason: standing.reason.clone(),
            last_calls: Some(LastCalls::show(&standing.sum)),
        }
    });
    let is_judged = |id| shard.standings.iter().any(|standing| standing.egress_trunk == id);
    let probed = shard.trunks.iter().filter(|probe| !is_judged(probe.egress_trunk)).map(|probe| TrunkStanding {
        egress_trunk: names.egress_trunk(probe.egress_trunk),
        state: if probe.up { TrunkState::Open } else { TrunkState::Unreachable },
        since: time(probe.since),
        reason: String::new(),
        last_calls: None,
    });
    judged.chain(probed).collect()
}

fn state(standing: &StandingFigures) -> TrunkState {
    match standing.state.as_str() {
        "throttled" => TrunkState::Throttled,
        "resting" => TrunkState::Resting,
        "testing" => TrunkState::Testing,
        _ => TrunkState::Open,
    }
}

fn time(micros: i64) -> Time {
    Time(units::WallTime::from_micros(micros))
}

/// Rounded to a hundredth.
fn percent(part: u8, whole: u8) -> f64 {
    (f64::from(part) * 10_000.0 / f64::from(whole.max(1))).round() / 100.0
}

impl LastCalls {
    fn show(sum: &SumFigures) -> LastCalls {
        LastCalls {
            calls: sum.calls,
            asr_percent: percent(sum.answered, sum.calls),
            ner_percent: percent(sum.reached, sum.calls),
            acd_s: sum.acd_s,
            short_percent: percent(sum.short, sum.talks),
            pdd_ms: sum.pdd_ms,
            mos: (sum.mos_x100 > 0).then(|| f64::from(sum.mos_x100) / 100.0),
            loss_percent: f64::from(sum.loss_permille) / 10.0,
        }
    }
}

impl RouteStanding {
    fn show(route: &RouteFigures, policies: &Policies, names: &Names) -> RouteStanding {
        let rules = policies.plan(PlanId(route.plan));
        let known = route.sum.calls >= rules.policy.quality.calls_min() && !rules.formula.asks_price();
        let index = known.then(|| rules.formula.value(&sum_of(&route.sum), 0) as f64 / SCALE as f64);
        RouteStanding {
            plan: names.plan(route.plan),
            egress_trunk: names.egress_trunk(route.egress_trunk),
            index,
            last_calls: LastCalls::show(&route.sum),
        }
    }
}

fn sum_of(figures: &SumFigures) -> Sum {
    Sum {
        calls: figures.calls,
        answered: figures.answered,
        reached: figures.reached,
        talks: figures.talks,
        short: figures.short,
        acd_s: figures.acd_s,
        pdd_ms: figures.pdd_ms,
        mos_x100: figures.mos_x100,
        loss_permille: figures.loss_permille,
    }
}

/// What the data plane knows at this moment as inputs of a decision by this plan, for the simulator.
pub fn of_the_moment(figures: &Figures, view: &View<'_>, policies: &Policies, ask: rating::Ask) -> rating::Ask {
    let mut probes = figures.shards.iter().flat_map(|shard| &shard.trunks).filter(|probe| !probe.up);
    let down: Vec<u32> = probes.by_ref().map(|probe| probe.egress_trunk).collect();
    let today = |trunk: EgressTrunkId| {
        let all = figures.shards.iter().flat_map(|shard| &shard.standings);
        let mut causes = all.filter(|standing| standing.egress_trunk == trunk.0).map(cause_of);
        rating::Today { unreachable: down.contains(&trunk.0), shut: causes.find_map(|cause| cause) }
    };
    let known = |plan: PlanId, trunk: EgressTrunkId| {
        let mut all = figures.shards.iter().flat_map(|shard| &shard.routes);
        let route = all.find(|route| (route.plan, route.egress_trunk) == (plan.0, trunk.0));
        route.map_or(Sum::default(), |route| sum_of(&route.sum))
    };
    rating::on_this_day(view, policies, ask, &mut rating::Routes::default(), (today, known))
}

/// The floor that makes a trunk rest.
pub fn broken(figures: &Figures, trunk: u32) -> Option<&str> {
    let mut all = figures.shards.iter().flat_map(|shard| &shard.standings);
    all.find(|standing| standing.egress_trunk == trunk && !standing.reason.is_empty())
        .map(|found| found.reason.as_str())
}

fn cause_of(standing: &StandingFigures) -> Option<Cause> {
    match state(standing) {
        TrunkState::Resting | TrunkState::Testing => Some(Cause::TRUNK_RESTS),
        TrunkState::Throttled => Some(Cause::TRUNK_THROTTLED),
        TrunkState::Open | TrunkState::Unreachable => None,
    }
}

/// Says in the log which trunks changed their standing between two readings.
pub(crate) fn log_changes(before: &Figures, now: &Figures) {
    let all = |figures: &Figures| -> Vec<StandingFigures> {
        figures.shards.iter().flat_map(|shard| shard.standings.clone()).collect()
    };
    let known = all(before);
    for standing in all(now) {
        let then = known.iter().find(|known| known.egress_trunk == standing.egress_trunk);
        let (trunk, reason, calls) = (standing.egress_trunk, &standing.reason, standing.sum.calls);
        match then.map(|then| then.state.as_str()) {
            Some(from) if from != standing.state => {
                tracing::warn!(trunk, from, to = %standing.state, reason, calls, "an egress trunk changed its standing");
            }
            _ => {}
        }
    }
}
