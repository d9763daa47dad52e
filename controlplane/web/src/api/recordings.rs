//! Recordings of calls: begun and ended in mid-call, listened to, listed, removed. Whoever does any of it is written down.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use files::{Kind, Name};
use panel::wire::{Answer, Ask};
use serde::{Deserialize, Serialize};
use units::{CallId, WallTime};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::kept;
use crate::auth::{May, rights};
use crate::extract::{self, Key};
use crate::problem::{Answered, Code, Problem};
use crate::services::App;
use crate::value::Time;

/// Recordings that are listed at most.
const LISTED_MAX: usize = 1_000;
/// Bytes of a file before its samples, and of a second of samples (WAV, two voices, 16 bits, 8,000 Hz).
const HEAD_BYTES: u64 = 44;
const SECOND_BYTES: f64 = 32_000.0;

/// What is asked of a running call.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordAsk {
    /// Record from here on; otherwise no longer.
    pub on: bool,
}

/// A recording on this node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Recording {
    /// The call: thirty-two hexadecimal digits.
    pub call: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// How long it is, in seconds.
    pub seconds: f64,
    /// When something was last written to it.
    pub changed_at: Time,
    /// The call is over, and the file is whole.
    pub finished: bool,
}

/// The recordings of this node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Recordings {
    /// The newest, latest first.
    pub data: Vec<Recording>,
}

/// How long a recording of so many bytes is.
pub(super) fn seconds(bytes: u64) -> f64 {
    (bytes.saturating_sub(HEAD_BYTES) as f64 / SECOND_BYTES * 100.0).round() / 100.0
}

/// The paths of recordings.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(record)).routes(routes!(list)).routes(routes!(listen, remove))
}

fn parsed(id: &str) -> Answered<CallId> {
    CallId::parse(id).ok_or_else(|| Problem::not_found(format!("call {id}")))
}

/// Records a running call from here on, or no longer.
#[utoipa::path(post, path = "/api/v1/calls/{id}/record", tag = "calls", request_body = RecordAsk,
    params(("id" = String, Path, description = "Thirty-two hexadecimal digits.")),
    responses((status = 204, description = "The call is being recorded, or no longer.")))]
async fn record(
    caller: May<rights::Recordings>,
    State(app): State<App>,
    Key(id): Key<String>,
    extract::Body(asked): extract::Body<RecordAsk>,
) -> Answered<StatusCode> {
    let call = parsed(&id)?;
    // Whoever can be heard has a right to know who recorded: no entry, no recording.
    app.store.audit(&caller.act(if asked.on { "record" } else { "end_recording" }, call)).await?;
    match app.link.ask(Ask::Record { call: call.to_string(), on: asked.on }).await? {
        Answer::Done => Ok(StatusCode::NO_CONTENT),
        Answer::Refused { reason } => Err(Problem::new(Code::NotFound, reason)),
        other => Err(Problem::internal(format!("the data plane answered {other:?} to a recording"))),
    }
}

/// The recordings of this node; those that are being written among them.
#[utoipa::path(get, path = "/api/v1/recordings", tag = "calls",
    responses((status = 200, description = "The newest, 1,000 at most.", body = Recordings)))]
async fn list(_caller: May<rights::Recordings>, State(app): State<App>) -> Answered<Json<Recordings>> {
    let folder = app.recordings.clone();
    let mut data = tokio::task::spawn_blocking(move || listed(&folder)).await.map_err(Problem::internal)?;
    data.sort_by_key(|recording| std::cmp::Reverse(recording.changed_at.0));
    data.truncate(LISTED_MAX);
    Ok(Json(Recordings { data }))
}

fn listed(folder: &Path) -> Vec<Recording> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| {
        let (name, known) = (entry.file_name().into_string().ok()?, entry.metadata().ok()?);
        let (call, rest) = name.split_once('.')?;
        CallId::parse(call)?;
        let finished = match rest {
            "wav" => true,
            "wav.part" => false,
            _ => return None,
        };
        let changed = known.modified().unwrap_or(SystemTime::UNIX_EPOCH).duration_since(UNIX_EPOCH).unwrap_or_default();
        let changed_at = Time(WallTime::from_micros(changed.as_micros() as i64));
        Some(Recording {
            call: call.to_owned(),
            bytes: known.len(),
            seconds: seconds(known.len()),
            changed_at,
            finished,
        })
    });
    found.collect()
}

/// Gives a call's recording as WAV (the originator left, the terminator right), or the part of it that `range` asks for; of a running
/// call as far as it is written. It is looked for on this node, among files of peers, and where finished files are copied to.
#[utoipa::path(get, path = "/api/v1/calls/{id}/recording", tag = "calls",
    params(("id" = String, Path, description = "Thirty-two hexadecimal digits.")),
    responses((status = 200, description = "The file.", body = String, content_type = "audio/wav"),
        (status = 206, description = "The part that was asked for.", body = String, content_type = "audio/wav")))]
async fn listen(
    caller: May<rights::Recordings>,
    State(app): State<App>,
    Key(id): Key<String>,
    headers: HeaderMap,
) -> Answered<Response> {
    let call = parsed(&id)?;
    let found = kept::find(&app, Kind::Recording, call).await?.ok_or_else(|| missing(call))?;
    app.store.audit(&caller.act("listen", call)).await?;
    let asked =
        headers.get(header::RANGE).and_then(|value| value.to_str().ok()).and_then(|text| part(text, found.bytes));
    let (first, end) = asked.unwrap_or((0, found.bytes));
    let answer = Response::builder()
        .status(if asked.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK })
        .header(header::CONTENT_TYPE, "audio/wav")
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CONTENT_LENGTH, end - first)
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::CONTENT_DISPOSITION, format!("inline; filename=\"{call}.wav\""));
    let answer = match asked {
        Some(_) => answer.header(header::CONTENT_RANGE, format!("bytes {first}-{}/{}", end - 1, found.bytes)),
        None => answer,
    };
    Ok(answer.body(kept::body(found, first, end)).map_err(Problem::internal)?.into_response())
}

/// Removes a call's recording once the call is over: on this node, from its folder of peers' files, and from folders and buckets that
/// files are copied to. A peer of rsync keeps its copy until that is old.
#[utoipa::path(delete, path = "/api/v1/calls/{id}/recording", tag = "calls",
    params(("id" = String, Path, description = "Thirty-two hexadecimal digits.")),
    responses((status = 204, description = "It is removed.")))]
async fn remove(caller: May<rights::Recordings>, State(app): State<App>, Key(id): Key<String>) -> Answered<StatusCode> {
    let call = parsed(&id)?;
    let found = kept::find(&app, Kind::Recording, call).await?.ok_or_else(|| missing(call))?;
    if !found.finished {
        return Err(Problem::new(Code::Conflict, format!("the call {call} is still being recorded")));
    }
    app.store.audit(&caller.act("remove_recording", call)).await?;
    let files = app.files.clone();
    let removed = tokio::task::spawn_blocking(move || files.remove(Name { kind: Kind::Recording, call })).await;
    removed.map_err(Problem::internal)?.map_err(Problem::internal)?;
    Ok(StatusCode::NO_CONTENT)
}

fn missing(call: CallId) -> Problem {
    Problem::not_found(format!("recording of the call {call} that this node can reach"))
}

/// The one part that a header asks for, as first byte and the one behind the last; `None` gives the whole file, as for several parts
/// or none that is there (RFC 9110 §14.2: whoever answers may ignore the header).
fn part(range: &str, bytes: u64) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, end) = match (first, last) {
        ("", last) => (bytes.saturating_sub(last.parse().ok()?), bytes),
        (first, "") => (first.parse().ok()?, bytes),
        (first, last) => (first.parse().ok()?, bytes.min(last.parse::<u64>().ok()?.checked_add(1)?)),
    };
    (first < end).then_some((first, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_what_was_asked_for_or_the_whole() {
        let rows = [
            ("bytes=0-", Some((0, 100))),
            ("bytes=0-0", Some((0, 1))),
            ("bytes=40-59", Some((40, 60))),
            ("bytes=40-500", Some((40, 100))),
            ("bytes=-30", Some((70, 100))),
            ("bytes=-500", Some((0, 100))),
            ("bytes=100-", None),
            ("bytes=5-4", None),
            ("bytes=0-1,5-6", None),
            ("bytes=0-18446744073709551615", None),
            ("samples=0-1", None),
            ("", None),
        ];
        for (range, wanted) in rows {
            assert_eq!(part(range, 100), wanted, "{range}");
        }
    }
}
