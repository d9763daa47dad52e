//! Latencies of the data plane by stage, since its start.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::Key;
use crate::live::Heard;
use crate::problem::{Answered, Code, Problem};
use crate::services::App;
use crate::value::Time;

/// A point of a percentile curve.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct CurvePoint {
    /// The percentile, 0 to 100.
    pub percentile: f64,
    /// Values at or below this many nanoseconds.
    pub ns: u64,
}

/// One stage's distribution. There is no mean, on purpose.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StageLatency {
    /// `parse`, `admit`, `limits`, `route`, `egress`, `answer` or `relay`.
    pub stage: String,
    /// Values counted.
    pub count: u64,
    /// Nanoseconds, within 3 %.
    pub p50_ns: u64,
    /// Nanoseconds.
    pub p90_ns: u64,
    /// Nanoseconds.
    pub p99_ns: u64,
    /// Nanoseconds.
    pub p99_9_ns: u64,
    /// Nanoseconds.
    pub p99_99_ns: u64,
    /// Nanoseconds.
    pub max_ns: u64,
    /// The curve, from the median outwards.
    pub curve: Vec<CurvePoint>,
}

/// All stages.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Latencies {
    /// When the data plane was asked.
    pub as_of: Time,
    /// Seconds since its start, over which the values were counted.
    pub uptime_s: u64,
    /// In the order of a call's way.
    pub stages: Vec<StageLatency>,
}

/// The percentiles of a curve: evenly on the scale of nines.
const CURVE: [f64; 19] = [
    0.0, 10.0, 25.0, 50.0, 75.0, 80.0, 85.0, 90.0, 92.5, 95.0, 97.5, 98.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.999,
    100.0,
];
/// The longest latency that is told apart: 100 seconds in nanoseconds.
const HIGH_NS: u64 = 100_000_000_000;

/// The paths of latencies.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(log))
}

/// Tells the percentiles of every stage.
#[utoipa::path(get, path = "/api/v1/latency", tag = "latency",
    responses((status = 200, description = "All stages, in the order of a call's way.", body = Latencies)))]
async fn list(_caller: May<rights::Read>, State(app): State<App>) -> Answered<Json<Latencies>> {
    let heard = heard(&app)?;
    let stages = heard.figures.stages.iter().map(|(stage, buckets)| StageLatency::of(stage, buckets)).collect();
    Ok(Json(Latencies { as_of: heard.wall, uptime_s: heard.figures.uptime_s, stages }))
}

/// A stage's distribution in HdrHistogram's V2 interval log, for its plotters and for merging.
#[utoipa::path(get, path = "/api/v1/latency/{stage}", tag = "latency",
    params(("stage" = String, Path, description = "The stage's name with `.hlog`.", example = "route.hlog")),
    responses((status = 200, description = "The log; values in nanoseconds.", body = String, content_type = "text/plain")))]
async fn log(_caller: May<rights::Read>, State(app): State<App>, Key(file): Key<String>) -> Answered<Response> {
    let gone = || Problem::not_found(format!("latency log {file}"));
    let stage = file.strip_suffix(".hlog").ok_or_else(gone)?;
    let heard = heard(&app)?;
    let (_, buckets) = heard.figures.stages.iter().find(|(name, _)| name == stage).ok_or_else(gone)?;
    let text = hlog(stage, buckets, &heard).map_err(Problem::internal)?;
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{stage}.hlog\"")),
    ];
    Ok((headers, text).into_response())
}

fn heard(app: &App) -> Answered<Heard> {
    app.live.heard().ok_or_else(|| Problem::new(Code::DataPlaneAway, "the data plane has not answered yet"))
}

fn hlog(stage: &str, buckets: &[(u64, u64)], heard: &Heard) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let lasted = Duration::from_secs(heard.figures.uptime_s);
    let at = SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(heard.wall.micros()).unwrap_or(0));
    let started = at.checked_sub(lasted).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("Tandem: nanoseconds, within 3 %, since the start of the data plane")
        .with_start_time(started)
        .with_base_time(started)
        .with_max_value_divisor(1_000_000.0)
        .begin_log_with(&mut text, &mut serializer)
        .map_err(|flaw| flaw.to_string())?;
    let tag = Tag::new(stage);
    log.write_histogram(&distribution(buckets), Duration::ZERO, lasted, tag).map_err(|flaw| format!("{flaw:?}"))?;
    drop(log);
    Ok(text)
}

fn distribution(buckets: &[(u64, u64)]) -> Histogram<u64> {
    let mut counted = Histogram::new_with_bounds(1, HIGH_NS, 3).expect("the bounds are constants that fit");
    for (upper, count) in buckets {
        counted.saturating_record_n(*upper, *count);
    }
    counted
}

impl StageLatency {
    fn of(stage: &str, buckets: &[(u64, u64)]) -> StageLatency {
        let counted = distribution(buckets);
        let at = |percentile: f64| counted.value_at_percentile(percentile);
        let curve = if counted.is_empty() { &[][..] } else { &CURVE[..] };
        StageLatency {
            stage: stage.to_owned(),
            count: counted.len(),
            p50_ns: at(50.0),
            p90_ns: at(90.0),
            p99_ns: at(99.0),
            p99_9_ns: at(99.9),
            p99_99_ns: at(99.99),
            max_ns: counted.max(),
            curve: curve.iter().map(|percentile| CurvePoint { percentile: *percentile, ns: at(*percentile) }).collect(),
        }
    }
}
