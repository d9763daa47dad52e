//! Routing without a call: the data plane's own code on the data plane's own snapshot.

pub mod hurdles;

use std::net::SocketAddr;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use panel::wire::Figures;
use rating::policy::{Stage, stages};
use rating::{Policies, Routes};
use serde::{Deserialize, Serialize};
use snapshot::policy::{RewriteField, Transport};
use snapshot::{IngressView, Side, View};
use units::{AccountId, Cause, Money, NodeId, Number, Terms};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::hurdles::{Hurdle, Moment};
use super::standings::{broken, of_the_moment};
use super::story::Arithmetic;
use crate::auth::{May, rights};
use crate::extract::Body;
use crate::names::Names;
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::value::{
    AccountRef, Amount, CarrierRef, DeckRef, EgressTrunkRef, IngressTrunkRef, Named, PlanRef, RateHours,
    RateJurisdiction, Time,
};

/// A call that might come.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulateAsk {
    /// The ingress trunk, by id (`itr_1`) or code; its first address and tech prefix are used. Either this or `source` is needed.
    pub ingress_trunk: Option<String>,
    /// The address and port that the INVITE would come from.
    #[schema(example = "127.0.1.1:5060")]
    pub source: Option<String>,
    /// The caller; may be empty.
    #[serde(default)]
    pub calling: String,
    /// The destination: with tech prefix when `source` is given, without when `ingress_trunk` is.
    #[schema(example = "442071234567")]
    pub called: String,
    /// The location routing number that the call would come with; a trunk that does not take those of its calls ignores it.
    #[serde(default)]
    #[schema(example = "13125550000")]
    pub lrn: String,
    /// At what time; now when absent.
    pub at: Option<Time>,
    /// Breaks ties; 0 when absent.
    pub seed: Option<u64>,
    /// Whether to heed what is known at this moment: trunks that do not answer, rest or are throttled, quality indexes, limits and money.
    /// Yes when absent, unless `at` is another time.
    pub live: Option<bool>,
    /// Price a call of this many milliseconds; 60,000 when absent.
    pub talk_ms: Option<u64>,
    /// Decide from this revision; the newest when absent. A node keeps the files of the last ten.
    pub revision: Option<u64>,
}

/// Whether a candidate would be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It would be tried, in its place.
    Kept,
    /// It would not; `cause` says why.
    Dropped,
}

/// One candidate route.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Candidate {
    /// Its place in the order of trying, from 1; absent when dropped.
    pub place: Option<u8>,
    /// The trunk.
    pub egress_trunk: Named<EgressTrunkRef>,
    /// The carrier.
    pub terminator: Named<CarrierRef>,
    /// The plan that it stands in: the call's own or a failover plan.
    pub plan: Named<PlanRef>,
    /// Buy price of a minute; absent without a rate.
    pub buy_per_minute: Option<Amount>,
    /// What the buy rate counts in.
    pub currency: Option<String>,
    /// At which hours the buy rate counts; absent without a rate.
    pub hours: Option<RateHours>,
    /// For calls of which jurisdiction the buy rate counts; absent without a rate.
    pub jurisdiction: Option<RateJurisdiction>,
    /// How many digits of the number the buy rate matched.
    pub prefix_digits: Option<u8>,
    /// Sell less buy price of a minute, before tax and in the currency of the originator's account; absent without a rate.
    pub margin_per_minute: Option<Amount>,
    /// Margin over the sell price of a minute, in per cent.
    pub margin_percent: Option<f64>,
    /// Its quality index, where the plan's order is by quality and enough calls are known.
    pub index: Option<f64>,
    /// Kept or dropped.
    pub verdict: Verdict,
    /// Why it was dropped, as a cause.
    pub cause: Option<u16>,
    /// Why, in words, with numbers.
    pub reason: String,
    /// Why, for programs: what of the plan stood against it or gave it its place, such as `margin`, `called_match`, `band`, `share`.
    pub because: Option<String>,
    /// The least margin (`margin`) or the dearest price (`band`) that decided.
    pub limit: Option<Amount>,
    /// The share that it was drawn with (`share`), or the number that was drawn (`forced`), in per cent.
    pub drawn_percent: Option<u8>,
    /// The number that would be sent; absent when dropped, or unknown for a past call.
    pub called_out: Option<String>,
    /// The caller that would be sent; absent as `called_out` is.
    pub calling_out: Option<String>,
    /// What of limits and of what the terminator may be owed would make the call pass over it at this moment; empty where `limits_unknown`
    /// of the simulation says so.
    #[serde(default)]
    pub hurdles: Vec<Hurdle>,
    /// Whose purse lends for it, and what the call needs of it to begin.
    #[serde(skip)]
    owes: Option<(AccountId, Money)>,
}

/// Whose rules were applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// Nobody's: as the call came.
    Arrival,
    /// The ingress trunk's.
    Originator,
    /// The plan's.
    Plan,
}

/// A call's numbers after one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NumberStage {
    /// Whose rules.
    pub stage: StageName,
    /// The caller.
    pub calling: String,
    /// The destination.
    pub called: String,
    /// The cause that this stage refuses the call with; absent if it does not.
    pub cause: Option<u16>,
    /// The same in words.
    pub reason: Option<String>,
}

/// How the caller was recognised.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Admission {
    /// The trunk.
    pub ingress_trunk: Named<IngressTrunkRef>,
    /// The originator.
    pub originator: Named<CarrierRef>,
    /// The account that would pay.
    pub account: Named<AccountRef>,
    /// The plan.
    pub plan: Named<PlanRef>,
    /// The deck that it is sold from.
    pub sell_deck: Named<DeckRef>,
    /// The destination without tech prefix.
    pub called_routed: String,
    /// The location routing number that decks by it are asked for; absent for none.
    pub lrn: Option<String>,
    /// Where the call goes, by the states of caller and destination.
    pub jurisdiction: RateJurisdiction,
    /// The state of the caller, `NY`; absent outside of the United States and where it is not known.
    pub calling_state: Option<String>,
    /// The state of the destination, likewise.
    pub called_state: Option<String>,
    /// What the calendar of the sell deck makes of the moment.
    pub hours: RateHours,
}

/// Why the call would be refused.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    /// The cause.
    pub cause: u16,
    /// In words.
    pub text: String,
    /// `admit`, `rate` or `routes`.
    pub step: String,
}

/// What would happen to the call.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Simulation {
    /// The snapshot that was asked.
    pub revision: u64,
    /// The moment whose rates were used.
    pub at: Time,
    /// The address that the call would come from.
    pub source: String,
    /// The destination as dialled.
    pub called: String,
    /// The numbers as they came without the tech prefix, then as the rules of the ingress trunk and of the plan leave them; empty if no
    /// trunk was found.
    pub stages: Vec<NumberStage>,
    /// Who it would be; absent when refused before.
    pub admission: Option<Admission>,
    /// Why it would be refused; absent when a route is left.
    pub refusal: Option<Refusal>,
    /// The sell price of the asked duration.
    pub sell: Option<Arithmetic>,
    /// The buy price of the asked duration at the first kept candidate.
    pub buy: Option<Arithmetic>,
    /// Every candidate, kept ones first in the order of trying.
    pub candidates: Vec<Candidate>,
    /// What of limits, balance and caps of the originator would refuse the call at this moment.
    #[serde(default)]
    pub hurdles: Vec<Hurdle>,
    /// Which limits and purses could not be looked at, and why; absent if all were.
    pub limits_unknown: Option<String>,
    /// Microseconds that the decision took here.
    pub elapsed_us: u64,
    /// What the call needs of its account to begin.
    #[serde(skip)]
    least: Money,
}

/// The source port that is assumed where a trunk takes any.
const PORT_ASSUMED: u16 = 5060;
/// The duration that is priced when none is asked.
const TALK_MS: u64 = 60_000;
/// Why limits and money were not looked at.
pub const ANOTHER_MOMENT: &str = "limits and money: asked about another moment";
/// The same where that was wanted.
pub const NOT_ASKED: &str = "limits and money: not asked";

impl SimulateAsk {
    /// Whether what stands at this moment is heeded.
    fn is_live(&self) -> bool {
        self.live.unwrap_or(self.at.is_none())
    }
}

/// The paths of the simulator.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(simulate))
}

/// Decides about a call that does not take place: every candidate with its reason, and the price.
///
/// Limits, balances and caps are of this moment: what stands against the call or a route of it now is told beside the decision, which does not
/// depend on it.
#[utoipa::path(post, path = "/api/v1/route:simulate", tag = "routing", request_body = SimulateAsk,
    responses((status = 200, description = "What would happen.", body = Simulation)))]
async fn simulate(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Body(ask): Body<SimulateAsk>,
) -> Answered<Json<Simulation>> {
    let snapshot = app.snapshots.of(ask.revision).await?;
    let names = app.names.read(&app.store).await?;
    let policies = Policies::compile(&snapshot.view()).map_err(Problem::internal)?;
    let mut moment = if ask.is_live() { Some(Moment::of(&app).await) } else { None };
    let view = snapshot.view();
    Ok(Json(decide_now(&view, &policies, app.node, &names, &ask, moment.as_mut()).await?))
}

/// What the data plane would decide, and what stands against it at this moment, unless that is not asked.
pub(super) async fn decide_now(
    view: &View<'_>,
    policies: &Policies,
    node: NodeId,
    names: &Names,
    ask: &SimulateAsk,
    moment: Option<&mut Moment>,
) -> Answered<Simulation> {
    let moment = moment.filter(|_| ask.is_live());
    let mut told = decide(view, policies, node, names, ask, moment.as_ref().and_then(|moment| moment.day()))?;
    match moment {
        Some(moment) => told.meet(view, policies, moment).await,
        None if ask.at.is_some() => told.limits_unknown = Some(ANOTHER_MOMENT.to_owned()),
        None => told.limits_unknown = Some(NOT_ASKED.to_owned()),
    }
    Ok(told)
}

/// What the data plane would decide.
fn decide(
    view: &View<'_>,
    policies: &Policies,
    node: NodeId,
    names: &Names,
    ask: &SimulateAsk,
    day: Option<&Figures>,
) -> Answered<Simulation> {
    let (calling, lrn) = (number("/calling", &ask.calling)?, number("/lrn", &ask.lrn)?);
    let (source, called) = caller(view, ask)?;
    let at = ask.at.unwrap_or_else(Time::now);
    let mut told = Simulation::begun(view, at, source, &called);
    let talk_ms = ask.talk_ms.unwrap_or(TALK_MS);
    let mut routes = Routes::default();
    let started = Instant::now();
    let arrival = rating::Arrival { source, transport: Transport::Auto, node, calling, asserted: None, called, lrn };
    let mut admitted = rating::Admission::default();
    let entered = rating::admit(view, policies, &arrival, &mut admitted);
    told.elapsed_us = micros(started);
    told.stages = NumberStage::show_all(view, policies, &arrival, &admitted, entered);
    if let Err(cause) = entered {
        return Ok(refused(told, cause, "admit"));
    }
    told.admission = Some(Admission::show(&admitted, names, view, at));
    let started = Instant::now();
    let payer = (admitted.ingress, admitted.account);
    let sell = match rating::sell(view, payer, admitted.sell_deck, &admitted.destination(), at.0) {
        Ok(sell) => sell,
        Err(cause) => return Ok(refused(told, cause, "rate")),
    };
    let question = rating::Ask {
        node,
        ingress: admitted.ingress,
        plan: admitted.plan,
        sell,
        originator: admitted.carrier,
        calling: admitted.calling,
        called: admitted.called,
        lrn: admitted.lrn,
        jurisdiction: admitted.jurisdiction,
        at: at.0,
        seed: ask.seed.unwrap_or(0),
        ..rating::Ask::default()
    };
    let question = day.map_or(question, |day| of_the_moment(day, view, policies, question));
    let judged = rating::routes(view, policies, &question, &mut routes);
    told.elapsed_us += micros(started);
    told.sell = Some(Arithmetic::of(&sell, talk_ms));
    let out = |candidate: &rating::Candidate| sent(view, policies, &admitted, candidate);
    told.least = rating::first_slice(&sell).0;
    told.candidates = Candidate::show_all(routes.all(), &sell, names, out);
    for (candidate, told) in routes.all().iter().zip(&mut told.candidates) {
        let account = view.egress(candidate.egress).map(|trunk| trunk.account());
        told.owes = account.zip(candidate.buy.map(|terms| rating::first_slice(&terms).0));
    }
    told.explain(day);
    told.buy = routes.kept().first().and_then(|best| best.buy).map(|terms| Arithmetic::of(&terms, talk_ms));
    match judged {
        Ok(()) => Ok(told),
        Err(cause) => Ok(Simulation { refusal: Some(Refusal::of(cause, "routes")), ..told }),
    }
}

/// The caller and the destination that a trunk would be sent, in From and Request-URI.
fn sent(
    view: &View<'_>,
    policies: &Policies,
    admitted: &rating::Admission,
    candidate: &rating::Candidate,
) -> Option<(String, String)> {
    let (egress, rules) = (view.egress(candidate.egress)?, policies.egress(candidate.egress));
    let (plans, numbers) = ((admitted.plan, candidate.plan), (admitted.calling, admitted.called));
    let (calling, called) = rating::numbers_of(policies, plans, numbers).ok()?;
    let calling = rules.rewrite_number(RewriteField::Calling, calling).ok()?;
    let called = rating::outbound_number(&egress, rules, &called)?;
    let called = rules.rewrite_number(RewriteField::RequestUri, called).ok()?;
    Some((calling.to_string(), called.to_string()))
}

fn refused(told: Simulation, cause: Cause, step: &str) -> Simulation {
    Simulation { refusal: Some(Refusal::of(cause, step)), ..told }
}

fn micros(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Where the call would come from, and the number as it would be dialled.
fn caller(view: &View<'_>, ask: &SimulateAsk) -> Answered<(SocketAddr, Number)> {
    let called = number("/called", &ask.called)?;
    match (&ask.source, &ask.ingress_trunk) {
        (Some(source), None) => {
            let wanted = || Problem::invalid("/source", "an address and port like 192.0.2.7:5060 are wanted");
            Ok((source.parse().map_err(|_| wanted())?, called))
        }
        (None, Some(key)) => {
            let trunk = trunk(view, key)?;
            let first = trunk.sources().next();
            let first =
                first.ok_or_else(|| Problem::invalid("/ingress_trunk", "the trunk takes calls from nowhere"))?;
            let port = if first.port == 0 { PORT_ASSUMED } else { first.port };
            let dialled = called.with_prefix(trunk.tech_prefix().as_bytes());
            let dialled = dialled.ok_or_else(|| Problem::invalid("/called", "too long with the tech prefix"))?;
            Ok((SocketAddr::new(first.network, port), dialled))
        }
        _ => Err(Problem::invalid("/source", "give either source or ingress_trunk")),
    }
}

/// A trunk of the snapshot, by id or code.
fn trunk<'a>(view: &View<'a>, key: &str) -> Answered<IngressView<'a>> {
    let id = key.parse::<IngressTrunkRef>().ok();
    let found = view.ingress_trunks().find(|trunk| id.map_or(trunk.code() == key, |id| trunk.id().0 == id.0));
    found.ok_or_else(|| Problem::invalid("/ingress_trunk", format!("the snapshot has no ingress trunk {key}")))
}

fn number(field: &str, text: &str) -> Answered<Number> {
    let wanted = "up to 39 characters of 0-9, A-Z, a-z and *#+._- are wanted";
    Number::parse(crate::value::dialled(text).as_bytes()).map_err(|_| Problem::invalid(field, wanted))
}

impl Simulation {
    /// Nothing but the question.
    fn begun(view: &View<'_>, at: Time, source: SocketAddr, called: &Number) -> Simulation {
        Simulation {
            revision: view.revision().0,
            at,
            source: source.to_string(),
            called: called.to_string(),
            stages: Vec::new(),
            admission: None,
            refusal: None,
            sell: None,
            buy: None,
            candidates: Vec::new(),
            hurdles: Vec::new(),
            limits_unknown: None,
            elapsed_us: 0,
            least: Money::ZERO,
        }
    }

    /// Adds which floor makes a trunk rest.
    fn explain(&mut self, day: Option<&Figures>) {
        let rests = Some(Cause::TRUNK_RESTS.0);
        for candidate in self.candidates.iter_mut().filter(|candidate| candidate.cause == rests) {
            if let Some(broken) = day.and_then(|day| broken(day, candidate.egress_trunk.id.0)) {
                candidate.reason = format!("rests: {broken}");
            }
        }
    }
}

impl Refusal {
    fn of(cause: Cause, step: &str) -> Refusal {
        Refusal { cause: cause.0, text: cause.text().to_owned(), step: step.to_owned() }
    }
}

impl Admission {
    fn show(admitted: &rating::Admission, names: &Names, view: &View<'_>, at: Time) -> Admission {
        let to = if admitted.lrn.is_empty() { &admitted.called } else { &admitted.lrn };
        let state = |number: &Number| rating::state_of(number).map(str::to_owned);
        let deck = view.deck(admitted.sell_deck);
        Admission {
            ingress_trunk: names.ingress_trunk(admitted.ingress.0),
            originator: names.carrier(admitted.carrier.0),
            account: names.account(admitted.account.0),
            plan: names.plan(admitted.plan.0),
            sell_deck: names.deck(admitted.sell_deck.0),
            called_routed: admitted.called.to_string(),
            lrn: Some(admitted.lrn.to_string()).filter(|lrn| !lrn.is_empty()),
            jurisdiction: admitted.jurisdiction.into(),
            calling_state: state(&admitted.calling),
            called_state: state(to),
            hours: deck.map_or(RateHours::Any, |deck| deck.hours(at.0).into()),
        }
    }
}

impl NumberStage {
    /// What the stages did to a call that came to a trunk; nothing if it was refused for another reason than theirs.
    fn show_all(
        view: &View<'_>,
        policies: &Policies,
        arrival: &rating::Arrival,
        admitted: &rating::Admission,
        entered: Result<(), Cause>,
    ) -> Vec<NumberStage> {
        let Some(trunk) = view.ingress(admitted.ingress) else { return Vec::new() };
        let called = arrival.called.strip_prefix(trunk.tech_prefix().as_bytes()).unwrap_or(Number::EMPTY);
        let stages = stages(policies, admitted.ingress, admitted.plan, arrival.calling, called);
        if stages.last().and_then(|last| last.refusal) != entered.err() {
            return Vec::new();
        }
        let show = |stage: &Stage| NumberStage {
            stage: match stage.side {
                None => StageName::Arrival,
                Some(Side::Ingress) => StageName::Originator,
                Some(Side::Plan | Side::Egress) => StageName::Plan,
            },
            calling: stage.calling.to_string(),
            called: stage.called.to_string(),
            cause: stage.refusal.map(|cause| cause.0),
            reason: stage.refusal.map(|cause| cause.text().to_owned()),
        };
        stages.iter().map(show).collect()
    }
}

impl Candidate {
    /// Candidates as judged, kept ones first; `out` says which caller and which destination would be sent to a trunk.
    pub(crate) fn show_all(
        all: &[rating::Candidate],
        sell: &Terms,
        names: &Names,
        out: impl Fn(&rating::Candidate) -> Option<(String, String)>,
    ) -> Vec<Candidate> {
        let show =
            |(place, candidate): (usize, &rating::Candidate)| Candidate::show(candidate, place, sell, names, &out);
        all.iter().enumerate().map(show).collect()
    }

    fn show(
        candidate: &rating::Candidate,
        place: usize,
        sell: &Terms,
        names: &Names,
        out: &impl Fn(&rating::Candidate) -> Option<(String, String)>,
    ) -> Candidate {
        let kept = candidate.verdict == rating::Verdict::Kept;
        let (cause, reason) = match candidate.verdict {
            rating::Verdict::Kept => (None, "may be tried".to_owned()),
            rating::Verdict::Surplus => (None, format!("{} better routes are tried before", rating::ROUTES_MAX)),
            rating::Verdict::Dropped(cause) => (Some(cause.0), cause.text().to_owned()),
        };
        let because = candidate.reason;
        let reason = because.map_or(reason.clone(), |because| format!("{reason}: {because}"));
        let (calling_out, called_out) = if kept { out(candidate) } else { None }.unzip();
        Candidate {
            place: kept.then(|| u8::try_from(place + 1).unwrap_or(u8::MAX)),
            egress_trunk: names.egress_trunk(candidate.egress.0),
            terminator: names.carrier(candidate.carrier.0),
            plan: names.plan(candidate.plan.0),
            buy_per_minute: candidate.buy.map(|terms| Amount(terms.per_minute)),
            currency: candidate.buy.map(|terms| terms.deck_currency.code()),
            hours: candidate.buy.map(|terms| terms.class.hours.into()),
            jurisdiction: candidate.buy.map(|terms| terms.class.jurisdiction.into()),
            prefix_digits: candidate.buy.map(|terms| terms.prefix_digits),
            margin_per_minute: candidate.buy.map(|_| Amount(candidate.margin)),
            margin_percent: candidate.buy.and_then(|_| percent(candidate.margin, rating::minute(sell))),
            index: match candidate.reason {
                Some(rating::Reason::Index(index)) => Some(index as f64 / rating::quality::SCALE as f64),
                _ => None,
            },
            verdict: if kept { Verdict::Kept } else { Verdict::Dropped },
            cause,
            reason,
            because: because.map(|because| because.word().to_owned()),
            limit: because.and_then(rating::Reason::money).map(Amount),
            drawn_percent: because.and_then(rating::Reason::percent),
            called_out,
            calling_out,
            hurdles: Vec::new(),
            owes: None,
        }
    }
}

/// Part of a whole in per cent, to a hundredth; `None` of nothing.
pub(crate) fn percent(part: Money, whole: Money) -> Option<f64> {
    let share = part.nanos() as f64 / whole.nanos() as f64;
    (whole != Money::ZERO).then(|| (share * 10_000.0).round() / 100.0)
}
