//! The figures of the moment.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use store::{OverviewRow, Side};
use tokio::sync::watch;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::calls;
use super::machine::NodeMachine;
use crate::auth::{May, rights};
use crate::live;
use crate::names::Names;
use crate::problem::Answered;
use crate::services::App;
use crate::value::{Amount, CarrierRef, Named, Time};

/// Sums of one currency.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MoneySum {
    /// ISO 4217.
    #[schema(example = "USD")]
    pub currency: String,
    /// What originators are charged.
    pub revenue: Amount,
    /// What terminators are owed.
    pub cost: Amount,
    /// Revenue less cost.
    pub margin: Amount,
}

/// Sums over the window's ended calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sums {
    /// Calls (originator's view) or attempts (terminator's view).
    pub calls: u64,
    /// Of these, answered.
    pub answered: u64,
    /// Answered over calls, in per cent; absent without calls.
    pub asr_percent: Option<f64>,
    /// Mean duration of answered calls in milliseconds; absent without.
    pub acd_ms: Option<u64>,
    /// Mean milliseconds to the first 18x; absent without.
    pub pdd_ms: Option<u64>,
    /// Talked milliseconds.
    pub talked_ms: u64,
    /// By currency.
    pub money: Vec<MoneySum>,
}

/// One carrier's part.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CarrierSums {
    /// Who.
    pub carrier: Named<CarrierRef>,
    /// Running calls.
    pub running: u32,
    /// The sums.
    pub sums: Sums,
}

/// The figures that change every second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Figures {
    /// When they were read.
    pub at: Time,
    /// The data plane answered within the last two seconds. When it did not, its figures are the last known.
    pub data_plane_up: bool,
    /// Milliseconds since the data plane last answered; absent when it never did.
    pub age_ms: Option<u64>,
    /// The snapshot in force; 0 for none.
    pub revision: u64,
    /// The node is drained: new calls are refused.
    pub draining: bool,
    /// Why new calls are refused, in words, whatever the reason; absent while they are taken.
    #[schema(example = "the journal's disk is 96 % full")]
    pub refuses: Option<String>,
    /// Running calls.
    pub calls: u32,
    /// Of these, answered.
    pub answered: u32,
    /// New INVITEs in the last second.
    pub cps: f64,
    /// Answers in the last second.
    pub answers_per_second: f64,
    /// Journal records not yet in the database; absent when unknown.
    pub backlog_records: Option<u64>,
    /// Share of the journal's file system in use, per cent.
    pub journal_disk_percent: u8,
    /// Length of the window of `sums` in seconds.
    pub window_s: u32,
    /// Sums over the calls that started in the window and have ended; at most a few seconds old. Absent while the database is away.
    pub sums: Option<Sums>,
    /// When the sums were read.
    pub sums_at: Option<Time>,
}

/// One second of the past.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Point {
    /// When.
    pub at: Time,
    /// Running calls.
    pub calls: u32,
    /// Of these, answered.
    pub answered: u32,
    /// New INVITEs in that second.
    pub cps: f64,
    /// Answered over calls in the window up to then, in per cent.
    pub asr_percent: Option<f64>,
}

/// The landing page.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Overview {
    /// The figures of this second; the same as the event `overview` of `/api/v1/events`.
    pub figures: Figures,
    /// How the nodes' machines do, by node: every node of the cluster whose control plane tells.
    pub machines: Vec<NodeMachine>,
    /// The last ten minutes at most, oldest first, one point a second.
    pub series: Vec<Point>,
    /// By who sent: busiest first, at most 50.
    pub originators: Vec<CarrierSums>,
    /// By who took: busiest first, at most 50. Counts attempts.
    pub terminators: Vec<CarrierSums>,
}

/// Carriers of one side at most.
const CARRIERS_MAX: usize = 50;
/// Running calls that are looked through to count them by carrier.
const CALLS_MAX: u32 = 20_000;
/// Without a figure for so long a comment keeps the stream open.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The paths of the overview.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(overview)).routes(routes!(events))
}

/// Tells the figures of the moment, the last ten minutes, and the busiest carriers.
#[utoipa::path(get, path = "/api/v1/overview", tag = "overview",
    responses((status = 200, description = "The landing page.", body = Overview)))]
async fn overview(_caller: May<rights::Read>, State(app): State<App>) -> Answered<Json<Overview>> {
    let names = app.names.read(&app.store).await?;
    let (mut sending, mut taking) = (HashMap::new(), HashMap::new());
    // Without the data plane the sums still stand; nobody has running calls that we know of.
    for row in calls::rows(&app, CALLS_MAX).await.unwrap_or_default() {
        *sending.entry(row.originator).or_default() += 1;
        *taking.entry(row.terminator).or_default() += 1;
    }
    let summed = app.live.summed();
    let (originators, terminators) = summed
        .as_ref()
        .map_or((&[][..], &[][..]), |summed| (summed.originators.as_slice(), summed.terminators.as_slice()));
    Ok(Json(Overview {
        figures: (*app.live.now()).clone(),
        machines: NodeMachine::all(&app),
        series: app.live.series(),
        originators: carriers(originators, Side::Originator, &sending, &names),
        terminators: carriers(terminators, Side::Terminator, &taking, &names),
    }))
}

fn carriers(rows: &[OverviewRow], side: Side, running: &HashMap<u32, u32>, names: &Names) -> Vec<CarrierSums> {
    let mut known = live::by_carrier(rows, side);
    for carrier in running.keys() {
        if !known.iter().any(|(summed, _)| summed == carrier) {
            known.push((*carrier, Sums::default()));
        }
    }
    let somebody = known.into_iter().filter(|(carrier, _)| *carrier != 0);
    let mut all: Vec<CarrierSums> = somebody
        .map(|(carrier, sums)| CarrierSums {
            carrier: names.carrier(carrier),
            running: running.get(&carrier).copied().unwrap_or(0),
            sums,
        })
        .collect();
    all.sort_by_key(|sums| (std::cmp::Reverse((sums.sums.calls, sums.running)), sums.carrier.id));
    all.truncate(CARRIERS_MAX);
    all
}

/// Streams the figures once a second as server-sent events of type `overview`, whose data is `Figures`.
#[utoipa::path(get, path = "/api/v1/events", tag = "overview",
    responses((status = 200, description = "An endless stream.", body = Figures, content_type = "text/event-stream")))]
async fn events(
    _caller: May<rights::Read>,
    State(app): State<App>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut figures = app.live.follow();
    // The present figures go out at once, the next ones as they come.
    figures.mark_changed();
    Sse::new(stream::unfold(figures, next)).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}

type Following = watch::Receiver<Arc<Figures>>;

async fn next(mut figures: Following) -> Option<(Result<Event, Infallible>, Following)> {
    figures.changed().await.ok()?;
    let present = Arc::clone(&figures.borrow_and_update());
    let event = Event::default().event("overview").id(present.at.micros().to_string());
    let event = event.json_data(&*present).unwrap_or_default();
    Some((Ok(event), figures))
}
