//! Jobs: work that takes longer than an answer may. They are asked for here, done by a worker of any node, and looked at here.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use store::{CDR_DAYS, JobAsk, Store};
use units::{CallId, WallTime};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::cdrs::CdrFilter;
use crate::auth::{Caller, May, Scope, rights};
use crate::extract::{self, Key, Query};
use crate::page::{self, List, Page};
use crate::problem::{Answered, Code, Problem};
use crate::repeats;
use crate::services::App;
use crate::value::{JobRef, Time};

/// Where CDRs are asked for as a file, by POST.
pub(crate) const EXPORT: &str = "/api/v1/cdrs:export";
/// The kind of job that writes CDRs to a file.
pub const CDR_EXPORT: &str = "cdr_export";
/// Days that CDRs may be kept for at most.
const DAYS_MAX: u32 = 3_650;
/// Tries of an export at most.
const EXPORT_TRIES: u32 = 10;

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for a worker, or for its next try.
    Waiting,
    /// A worker has it.
    Running,
    /// Finished.
    Done,
    /// Given up after its last try.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

/// A job as it stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its id.
    pub id: JobRef,
    /// `cdr_export` or `retention`.
    pub kind: String,
    /// Asked for twice under the same key, it is one job.
    pub key: String,
    /// Who asked.
    pub actor: String,
    /// How far it is.
    pub state: JobState,
    /// It is to end; its worker has not seen that yet.
    pub cancelling: bool,
    /// Tries begun.
    pub tries: u32,
    /// Tries at most.
    pub tries_max: u32,
    /// The next try is not before this moment.
    pub next_try_at: Option<Time>,
    /// Which worker has, or had, it last.
    pub worker: String,
    /// Units of work done: rows.
    pub done: u64,
    /// Units of work there are; absent while unknown.
    pub total: Option<u64>,
    /// The last lines that its workers wrote.
    pub log: String,
    /// Why the last try failed.
    pub problem: Option<String>,
    /// The name of the file that it makes.
    pub file: Option<String>,
    /// Bytes of that file so far.
    pub bytes: u64,
    /// When it was asked for.
    pub created_at: Time,
    /// When it was first taken.
    pub started_at: Option<Time>,
    /// When it ended.
    pub ended_at: Option<Time>,
}

/// How long CDRs are kept.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Whole days, 1 to 3,650; null keeps them for good.
    #[schema(minimum = 1, maximum = 3650)]
    pub cdr_days: Option<u32>,
}

/// Which CDRs a job writes, as it stands in the queue: numbers only, so that it means the same to every node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExportAsk {
    from: i64,
    till: i64,
    attempts: bool,
    calling: Option<String>,
    called: Option<String>,
    exact: bool,
    digits: Option<String>,
    originator: Option<u32>,
    terminator: Option<u32>,
    ingress_trunk: Option<u32>,
    egress_trunk: Option<u32>,
    cause: Option<u16>,
    sip_status: Option<u16>,
    #[serde(default)]
    identity: Option<u8>,
    answered: Option<bool>,
    call: Option<String>,
    sip_call_id: Option<String>,
}

/// An export's key: a repetition with the same key is the same job.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IdempotencyKey {
    /// 1 to 100 characters; a repetition with the same key finds the job of the first. Without it each request is a new job.
    #[serde(rename = "idempotency-key")]
    #[allow(dead_code, reason = "the description of a header; it is read from the headers")]
    pub idempotency_key: Option<String>,
}

/// The paths of jobs.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(cancel))
        .routes(routes!(retry))
        .routes(routes!(file))
        .routes(routes!(export))
        .routes(routes!(retention, set_retention))
}

/// Lists jobs, newest first.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", params(Page),
    responses((status = 200, description = "A part of the list.", body = List<Job>)))]
async fn list(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Query(asked): Query<Page>,
) -> Answered<Json<List<Job>>> {
    let limit = page::limit(asked.limit)?;
    let before = match &asked.cursor {
        None => None,
        Some(cursor) => {
            let inside = page::inside_of(cursor)?.try_into().map_err(|_| page::foreign_cursor())?;
            Some(i64::from_be_bytes(inside))
        }
    };
    let found = app.store.jobs(before, limit).await?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|job| page::cursor_of(&job.id.to_be_bytes()));
    Ok(Json(List::part(found.into_iter().map(Job::show).collect(), next)))
}

/// Shows one job.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = JobRef, Path)),
    responses((status = 200, description = "The job.", body = Job)))]
async fn get(_caller: May<rights::Read>, State(app): State<App>, Key(id): Key<JobRef>) -> Answered<Json<Job>> {
    Ok(Json(Job::show(app.store.job(id.0).await?)))
}

/// Cancels a job: at once if it waits, with its worker's next batch if it runs. Whoever asked for it may, and whoever may change configuration.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = JobRef, Path)),
    responses((status = 200, description = "The job.", body = Job)))]
async fn cancel(caller: May<rights::Read>, State(app): State<App>, Key(id): Key<JobRef>) -> Answered<Json<Job>> {
    owned(&app.store, &caller, id).await?;
    let job = app.store.cancel_job(id.0).await?;
    app.store.audit(&caller.act("cancel", id)).await?;
    Ok(Json(Job::show(job)))
}

/// Lets a job that failed or was cancelled go on where it stood.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/retry", tag = "jobs", params(("id" = JobRef, Path)),
    responses((status = 200, description = "The job.", body = Job)))]
async fn retry(caller: May<rights::Read>, State(app): State<App>, Key(id): Key<JobRef>) -> Answered<Json<Job>> {
    owned(&app.store, &caller, id).await?;
    let job = app.store.retry_job(id.0).await?;
    app.store.audit(&caller.act("retry", id)).await?;
    Ok(Json(Job::show(job)))
}

async fn owned(store: &Store, caller: &Caller, id: JobRef) -> Answered<()> {
    if caller.may(Scope::Write) || store.job(id.0).await?.asked.actor == caller.actor() {
        return Ok(());
    }
    Err(Problem::new(Code::NotAllowed, "only whoever asked for a job, or may change configuration, ends or repeats it"))
}

/// Asks for all CDRs of a window as a file: CSV, gzip. `cursor` and `limit` mean nothing here.
#[utoipa::path(post, path = "/api/v1/cdrs:export", tag = "cdrs", params(CdrFilter, IdempotencyKey),
    responses((status = 202, description = "The job that writes it.", body = Job)))]
async fn export(
    caller: May<rights::CdrRead>,
    State(app): State<App>,
    Query(filter): Query<CdrFilter>,
    headers: HeaderMap,
) -> Answered<(StatusCode, Json<Job>)> {
    let filter = CdrFilter { cursor: None, limit: None, ..filter }.read(1)?;
    let key = repeats::key_of(&headers)?.unwrap_or_else(|| crate::auth::Secret::draw().text().to_owned());
    let ask = serde_json::to_string(&ExportAsk::of(&filter)).map_err(Problem::internal)?;
    let key = format!("{CDR_EXPORT}:{}:{key}", caller.actor()).chars().take(160).collect();
    let ask = JobAsk { kind: CDR_EXPORT.into(), key, ask, actor: caller.actor(), tries_max: EXPORT_TRIES };
    let job = app.store.ask_job(&ask).await?;
    app.store.audit(&caller.act("export", JobRef(job.id))).await?;
    Ok((StatusCode::ACCEPTED, Json(Job::show(job))))
}

/// Gives a job's file. A download that broke off goes on with `range: bytes=N-`.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/file", tag = "jobs", params(("id" = JobRef, Path)),
    responses((status = 200, description = "The file.", body = String, content_type = "application/gzip"),
        (status = 206, description = "The rest of the file.", body = String, content_type = "application/gzip")))]
async fn file(
    _caller: May<rights::CdrRead>,
    State(app): State<App>,
    Key(id): Key<JobRef>,
    headers: HeaderMap,
) -> Answered<Response> {
    let job = app.store.job(id.0).await?;
    if job.state != store::JobState::Done || job.file.is_empty() {
        return Err(Problem::not_found(format!("finished file of {id}")));
    }
    let from = headers.get(header::RANGE).and_then(|range| begin(range.to_str().ok()?));
    let from = from.filter(|from| *from < job.bytes);
    let (store, first) = (app.store.clone(), from.unwrap_or(0));
    let parts = stream::try_unfold(first, move |at| {
        let store = store.clone();
        async move {
            let part = store.job_part(id.0, at).await?;
            Ok::<_, store::StoreError>(part.map(|(begins, bytes)| {
                let rest = bytes[(at - begins) as usize..].to_vec();
                (rest, begins + bytes.len() as u64)
            }))
        }
    });
    let mut answer = Response::builder()
        .header(header::CONTENT_TYPE, "application/gzip")
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CONTENT_LENGTH, job.bytes - first)
        .header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", job.file));
    if from.is_some() {
        let range = format!("bytes {first}-{}/{}", job.bytes - 1, job.bytes);
        answer = answer.status(StatusCode::PARTIAL_CONTENT).header(header::CONTENT_RANGE, range);
    }
    Ok(answer.body(Body::from_stream(parts)).map_err(Problem::internal)?.into_response())
}

/// The first byte of `bytes=N-`. Other ranges are answered with the whole file, as RFC 9110 §14.2 allows.
fn begin(range: &str) -> Option<u64> {
    range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

/// Says how long CDRs are kept.
#[utoipa::path(get, path = "/api/v1/retention", tag = "jobs",
    responses((status = 200, description = "Days, or null.", body = Retention)))]
async fn retention(_caller: May<rights::Read>, State(app): State<App>) -> Answered<Json<Retention>> {
    let days = app.store.setting(CDR_DAYS).await?;
    Ok(Json(Retention { cdr_days: days.and_then(|days| days.parse().ok()) }))
}

/// Sets how long CDRs are kept; older ones go within the hour.
#[utoipa::path(put, path = "/api/v1/retention", tag = "jobs", request_body = Retention,
    responses((status = 200, description = "As it is now.", body = Retention)))]
async fn set_retention(
    caller: May<rights::Admin>,
    State(app): State<App>,
    extract::Body(wanted): extract::Body<Retention>,
) -> Answered<Json<Retention>> {
    if wanted.cdr_days.is_some_and(|days| !(1..=DAYS_MAX).contains(&days)) {
        return Err(Problem::invalid("/cdr_days", "1 to 3,650 days, or null"));
    }
    let before = app.store.setting(CDR_DAYS).await?;
    let before = Retention { cdr_days: before.and_then(|days| days.parse().ok()) };
    let after = wanted.cdr_days.map(|days| days.to_string());
    app.store.set_setting(CDR_DAYS, after.as_deref()).await?;
    app.store.audit(&caller.entry("update", "retention", Some(&before), Some(&wanted))).await?;
    Ok(Json(wanted))
}

impl ExportAsk {
    fn of(filter: &store::CdrFilter) -> ExportAsk {
        ExportAsk {
            from: filter.from.micros(),
            till: filter.till.micros(),
            attempts: filter.kind == store::CdrKind::Attempts,
            calling: filter.calling.clone(),
            called: filter.called.clone(),
            exact: filter.exact,
            digits: filter.digits.clone(),
            originator: filter.originator,
            terminator: filter.terminator,
            ingress_trunk: filter.ingress_trunk,
            egress_trunk: filter.egress_trunk,
            cause: filter.cause,
            sip_status: filter.sip_status,
            identity: filter.identity,
            answered: filter.answered,
            call: filter.call.map(|call| call.to_string()),
            sip_call_id: filter.sip_call_id.clone(),
        }
    }

    /// The search that it stands for.
    pub fn filter(self) -> store::CdrFilter {
        store::CdrFilter {
            from: WallTime::from_micros(self.from),
            till: WallTime::from_micros(self.till),
            kind: if self.attempts { store::CdrKind::Attempts } else { store::CdrKind::Calls },
            calling: self.calling,
            called: self.called,
            exact: self.exact,
            digits: self.digits,
            originator: self.originator,
            terminator: self.terminator,
            ingress_trunk: self.ingress_trunk,
            egress_trunk: self.egress_trunk,
            cause: self.cause,
            sip_status: self.sip_status,
            identity: self.identity,
            answered: self.answered,
            call: self.call.as_deref().and_then(CallId::parse),
            sip_call_id: self.sip_call_id,
            ..store::CdrFilter::default()
        }
    }
}

impl Job {
    fn show(job: store::Job) -> Job {
        let some = |text: String| (!text.is_empty()).then_some(text);
        let waiting = job.state == store::JobState::Waiting;
        Job {
            id: JobRef(job.id),
            kind: job.asked.kind,
            key: job.asked.key,
            actor: job.asked.actor,
            state: match job.state {
                store::JobState::Waiting => JobState::Waiting,
                store::JobState::Running => JobState::Running,
                store::JobState::Done => JobState::Done,
                store::JobState::Failed => JobState::Failed,
                store::JobState::Cancelled => JobState::Cancelled,
            },
            cancelling: job.cancelling,
            tries: job.tries,
            tries_max: job.asked.tries_max,
            next_try_at: waiting.then_some(Time(job.due)),
            worker: job.worker,
            done: job.done,
            total: job.total,
            log: job.log,
            problem: some(job.problem),
            file: some(job.file),
            bytes: job.bytes,
            created_at: Time(job.created),
            started_at: job.started.map(Time),
            ended_at: job.ended.map(Time),
        }
    }
}
