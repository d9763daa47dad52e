//! A POST that comes again with the same `idempotency-key` is done once, and answered as it was the first time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::api::imports::FILE_BYTES_MAX;
use crate::auth::Caller;
use crate::problem::{Answered, Code, LINK, Problem, REQUEST_ID};
use crate::services::App;

/// The header by which a caller names what it asks for.
pub(crate) const HEADER: &str = "idempotency-key";
/// Says that an answer was given before.
const REPLAYED: &str = "idempotency-replayed";
/// Characters of a key at most.
pub(crate) const KEY_CHARS_MAX: usize = 100;
/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(24 * 3_600);
/// Bytes of an answer that is kept, at most.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Bytes of all answers that are kept; beyond, the oldest goes.
const ALL_BYTES_MAX: usize = 32 << 20;
/// Answers that are kept; beyond, the oldest goes.
const ANSWERS_MAX: usize = 10_000;

/// Whose key it is, and the key.
type Name = (String, String);

/// Requests with keys. They live in memory only, for answers may hold secrets: a restart forgets them.
#[derive(Debug, Default)]
pub(crate) struct Repeats(Mutex<HashMap<Name, Seen>>);

#[derive(Debug)]
struct Seen {
    at: Instant,
    /// Path, query and body.
    print: [u8; 32],
    told: Told,
}

#[derive(Debug)]
enum Told {
    /// It is under way.
    Nothing,
    /// It was done, and answered so.
    Answer(Answer),
    /// It was done; the answer is too long to be kept.
    TooLong,
}

#[derive(Clone, Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn again(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        *response.headers_mut() = self.headers;
        response.headers_mut().insert(HeaderName::from_static(REPLAYED), HeaderValue::from_static("true"));
        response
    }
}

impl Repeats {
    /// `None` for the first request of this name; otherwise what its repetition hears.
    fn begin(&self, name: &Name, print: [u8; 32], now: Instant) -> Option<Answered<Answer>> {
        let mut all = self.all();
        all.retain(|_, seen| now.saturating_duration_since(seen.at) < KEPT);
        let Some(seen) = all.get(name) else {
            all.insert(name.clone(), Seen { at: now, print, told: Told::Nothing });
            return None;
        };
        let conflict = |detail: &str| Err(Problem::new(Code::Conflict, detail));
        Some(match &seen.told {
            _ if seen.print != print => Err(Problem::invalid(HEADER, "this key came with another request before")),
            Told::Nothing => conflict("the first request with this key is still under way"),
            Told::TooLong => conflict("what came with this key was done; its answer was too long to be kept"),
            Told::Answer(answer) => Ok(answer.clone()),
        })
    }

    /// The request of this name was done.
    fn end(&self, name: &Name, told: Told) {
        let mut all = self.all();
        if let Some(seen) = all.get_mut(name) {
            seen.told = told;
        }
        while all.len() > ANSWERS_MAX || all.values().map(Seen::bytes).sum::<usize>() > ALL_BYTES_MAX {
            let ended = all.iter().filter(|(_, seen)| !matches!(seen.told, Told::Nothing));
            let Some(oldest) = ended.min_by_key(|(_, seen)| seen.at).map(|(name, _)| name.clone()) else { break };
            all.remove(&oldest);
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Name, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn bytes(&self) -> usize {
        match &self.told {
            Told::Answer(answer) => answer.body.len(),
            Told::Nothing | Told::TooLong => 0,
        }
    }
}

/// A request under way. Dropped before it was done, it may come again.
struct Running {
    app: App,
    name: Option<Name>,
}

impl Running {
    /// Keeps a good answer. What was refused or failed may be tried again.
    async fn keep(mut self, response: Response) -> Response {
        let Some(name) = self.name.take_if(|_| response.status().is_success()) else { return response };
        let length = response.body().size_hint().exact().and_then(|length| usize::try_from(length).ok());
        if length.is_none_or(|length| length > ANSWER_BYTES_MAX) {
            self.app.repeats.end(&name, Told::TooLong);
            return response;
        }
        let (parts, body) = response.into_parts();
        match to_bytes(body, ANSWER_BYTES_MAX).await {
            Ok(body) => {
                let answer = Answer { status: parts.status, headers: parts.headers.clone(), body: body.clone() };
                self.app.repeats.end(&name, Told::Answer(answer));
                Response::from_parts(parts, Body::from(body))
            }
            Err(flaw) => {
                self.app.repeats.end(&name, Told::TooLong);
                Problem::internal(flaw).into_response()
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            self.app.repeats.all().remove(&name);
        }
    }
}

/// How the document describes the header.
pub(crate) fn parameter() -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(KEY_CHARS_MAX));
    let text = text.pattern(Some("^[!-~]+$"));
    let what = "A repetition of the same request with the same key within a day is not done again; it hears the first answer, with the header \
                `idempotency-replayed`. 409 while the first is under way, 422 if the key came with another request.";
    let header = ParameterBuilder::new().name(HEADER).parameter_in(ParameterIn::Header).required(Required::False);
    header.description(Some(what)).schema(Some(text)).build()
}

/// The key that came with a request.
pub(crate) fn key_of(headers: &HeaderMap) -> Answered<Option<String>> {
    match headers.get(HEADER).map(|key| key.to_str().unwrap_or_default()) {
        None => Ok(None),
        Some(key) if (1..=KEY_CHARS_MAX).contains(&key.len()) => Ok(Some(key.to_owned())),
        Some(_) => Err(Problem::invalid(HEADER, format!("1 to {KEY_CHARS_MAX} characters of ASCII are wanted"))),
    }
}

/// Answers a POST of this caller: with a key once, and then by heart.
pub(crate) async fn once(app: &App, caller: &Caller, request: Request, next: Next) -> Response {
    let name = match key_of(request.headers()) {
        Ok(Some(key)) => (caller.actor(), key),
        Ok(None) => return next.run(request).await,
        Err(problem) => return problem.into_response(),
    };
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, FILE_BYTES_MAX).await else {
        return Problem::new(Code::TooLarge, "the body is longer than this path accepts, broke off or stood still")
            .into_response();
    };
    match app.repeats.begin(&name, print(&parts, &bytes), Instant::now()) {
        Some(Ok(answer)) => return answer.again(),
        Some(Err(problem)) => return problem.into_response(),
        None => {}
    }
    let running = Running { app: Arc::clone(app), name: Some(name) };
    let work = async move {
        let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
        running.keep(response).await
    };
    // Whoever asked may hang up: what was begun is done all the same, and its answer waits for the repetition.
    let id = REQUEST_ID.try_with(String::clone).unwrap_or_default();
    let done = tokio::spawn(REQUEST_ID.scope(id, LINK.scope(Arc::clone(&app.link), work))).await;
    done.unwrap_or_else(|flaw| Problem::internal(flaw).into_response())
}

fn print(parts: &Parts, body: &[u8]) -> [u8; 32] {
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    Sha256::new().chain_update(target).chain_update(b"\0").chain_update(body).finalize().into()
}
