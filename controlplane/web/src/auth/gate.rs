//! Nothing under `/api/v1` is answered before it is known who asks.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use store::{ApiKey, ApiKeyDraft, User, WebSession};

use super::caller::{Caller, Who};
use super::secret::hash;
use super::{Networks, Role, Scope};
use crate::api::jobs::EXPORT;
use crate::problem::{Answered, Code, Problem};
use crate::repeats;
use crate::services::App;
use crate::value::KeyRef;
use crate::value::Time;

/// Below it stands what users of the role `carrier` may ask for.
pub const PORTAL: &str = "/api/v1/portal/";
/// What they may ask for besides: about their own log-in.
const OWN_LOG_IN: [&str; 6] = [
    LOG_IN,
    "/api/v1/me",
    "/api/v1/me/password",
    "/api/v1/me/second-factor",
    "/api/v1/me/second-factor/remove",
    "/api/v1/me/recovery-codes",
];
/// The cookie that carries a log-in.
pub const COOKIE: &str = "tandem_session";
/// Where callers log in, by POST.
pub const LOG_IN: &str = "/api/v1/sessions";
/// The header that proves that our own page sent a change.
pub const CSRF_HEADER: &str = "x-csrf-token";
/// A caller seen this recently is not looked up again.
const FRESH: Duration = Duration::from_secs(5);
/// While the database is away, a caller seen this recently is still known.
const KNOWN: Duration = Duration::from_secs(15 * 60);
/// Callers remembered at most; beyond, the memory starts anew.
const REMEMBERED_MAX: usize = 1_000;

/// Callers seen of late, by the hash of their secret.
#[derive(Debug, Default)]
pub struct Remembered(Mutex<HashMap<[u8; 32], (Instant, Caller)>>);

impl Remembered {
    fn within(&self, secret: &[u8; 32], age: Duration) -> Option<Caller> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, caller) = seen.get(secret)?;
        let ended = caller.expires.is_some_and(|ends| ends <= Time::now().0);
        (at.elapsed() < age && !ended).then(|| caller.clone())
    }

    fn keep(&self, secret: [u8; 32], caller: &Caller) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED_MAX {
            seen.clear();
        }
        seen.insert(secret, (Instant::now(), caller.clone()));
    }

    /// Looks everybody up again; after users, keys or log-ins changed.
    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Finds out who calls, refuses strangers, whoever asks too much, and changes by cookie that our own page did not send.
pub(crate) async fn gate(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let posts = request.method() == Method::POST;
    if posts && request.uri().path() == LOG_IN {
        return next.run(request).await;
    }
    let from = address_of(&request);
    let caller = match known(&app, request.headers(), request.method(), from).await {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    if caller.is_confined() && !is_for_carriers(&request) {
        return Problem::new(Code::NotAllowed, "users of the role carrier may ask for /api/v1/portal alone")
            .into_response();
    }
    let budget = app.budgets.spend(&caller.actor(), Instant::now());
    request.extensions_mut().insert(caller.clone());
    let mut response = match () {
        () if budget.is_spent => {
            let detail =
                format!("{} requests a minute are answered; the next minute has not begun", budget.requests_max);
            Problem::new(Code::TooMany, detail).into_response()
        }
        // An export finds its job by the key, in the database.
        () if posts && request.uri().path() != EXPORT => repeats::once(&app, &caller, request, next).await,
        () => next.run(request).await,
    };
    budget.tell(response.headers_mut());
    response
}

/// Whether users of the role `carrier` may ask for this at all: by the path that it will be answered by, not by how it is written.
fn is_for_carriers(request: &Request) -> bool {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    path.is_some_and(|path| path.starts_with(PORTAL) || OWN_LOG_IN.contains(&path))
}

/// The address that a request came from.
pub fn address_of(request: &Request) -> Option<IpAddr> {
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>();
    from.map(|from| from.0.ip().to_canonical())
}

async fn known(app: &App, headers: &HeaderMap, method: &Method, from: Option<IpAddr>) -> Answered<Caller> {
    let address = from.map(|from| from.to_string()).unwrap_or_default();
    if let Some(secret) = bearer(headers) {
        return by_key(app, hash(secret), from, address).await;
    }
    let secret = cookie(headers).ok_or_else(|| Problem::new(Code::NotLoggedIn, "this needs a log-in or an API key"))?;
    let caller = by_cookie(app, hash(secret), address).await?;
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let given = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
    match &caller.who {
        // Comparing hashes leaks nothing about the token by its timing.
        Who::User { csrf, .. } if !safe && given.map(hash) != Some(hash(csrf)) => {
            let detail = "a change with a cookie needs the token of GET /api/v1/me in the header x-csrf-token";
            Err(Problem::new(Code::CsrfMissing, detail))
        }
        _ => Ok(caller),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    // RFC 9110 §11.1: the word has no case.
    let (scheme, secret) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| secret.trim_start())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

async fn by_key(app: &App, secret: [u8; 32], from: Option<IpAddr>, address: String) -> Answered<Caller> {
    if let Some(mut caller) = app.remembered.within(&secret, FRESH) {
        caller.address = address;
        return from_there(app, caller, from).await;
    }
    let found = match app.store.api_key_by_hash(&secret).await {
        Err(flaw) if flaw.is_away() => {
            let caller = from_memory(app, &secret, address, flaw)?;
            return from_there(app, caller, from).await;
        }
        other => other?,
    };
    let wrong = || Problem::new(Code::WrongCredentials, "no such API key, or it has ended");
    let key = found.filter(|key| key.revoked.is_none()).ok_or_else(wrong)?;
    if key.draft.expires.is_some_and(|ends| ends <= Time::now().0) {
        return Err(wrong());
    }
    let caller = of_key(&key, address);
    app.remembered.keep(secret, &caller);
    let caller = from_there(app, caller, from).await?;
    let stale = key.last_used.is_none_or(|used| Time::now().0 - used > 60_000_000);
    if stale && let Err(flaw) = app.store.touch_api_key(key.id).await {
        tracing::warn!(%flaw, key = key.id, "a key's last use could not be noted");
    }
    Ok(caller)
}

/// Refuses a key from where it may not be used, whoever has it, and writes that down.
async fn from_there(app: &App, caller: Caller, from: Option<IpAddr>) -> Answered<Caller> {
    let Who::Key { id, networks, .. } = &caller.who else { return Ok(caller) };
    if networks.hold(from) {
        return Ok(caller);
    }
    if from.is_some_and(|from| app.refusals.is_news(*id, from, Instant::now())) {
        let entry = caller.act("wrong_address", KeyRef(*id));
        if let Err(flaw) = app.store.audit(&entry).await {
            tracing::warn!(%flaw, key = id, from = caller.address, "a refused key could not be written down");
        }
    }
    let address = if caller.address.is_empty() { "an unknown address" } else { &caller.address };
    Err(Problem::new(Code::WrongAddress, format!("this key is not for requests from {address}")))
}

fn of_key(key: &ApiKey, address: String) -> Caller {
    let scopes = key.draft.scopes.split_whitespace().filter_map(Scope::parse).collect();
    let ApiKeyDraft { name, created_by, networks, .. } = &key.draft;
    let networks = Networks::stored(networks);
    let who = Who::Key { id: key.id, name: name.clone(), made_by: *created_by, networks };
    Caller { who, scopes, expires: key.draft.expires, address }
}

async fn by_cookie(app: &App, secret: [u8; 32], address: String) -> Answered<Caller> {
    if let Some(mut caller) = app.remembered.within(&secret, FRESH) {
        caller.address = address;
        return Ok(caller);
    }
    let found = match app.store.web_session(&secret).await {
        Err(flaw) if flaw.is_away() => return from_memory(app, &secret, address, flaw),
        other => other?,
    };
    let ended = || Problem::new(Code::NotLoggedIn, "this log-in has ended");
    let (session, user, must_prove) = found.ok_or_else(ended)?;
    let caller = of_user(&session, &user, must_prove, address);
    app.remembered.keep(secret, &caller);
    Ok(caller)
}

/// The caller of a log-in. Who must have a second factor and has none may do nothing but set one up.
pub fn of_user(session: &WebSession, user: &User, must_prove: bool, address: String) -> Caller {
    // A role that this program does not know may do nothing.
    let known = Role::parse(&user.draft.role);
    let role = known.unwrap_or(Role::Viewer);
    let must_prove = must_prove && user.second_factor.is_none();
    let who = Who::User {
        id: user.id,
        name: user.draft.name.clone(),
        role,
        carrier: user.draft.carrier,
        has_password: !user.draft.password_hash.is_empty(),
        has_second_factor: user.second_factor.is_some(),
        must_prove,
        csrf: session.csrf.clone(),
        session: session.secret_hash,
    };
    let may = known.filter(|_| !must_prove && (role == Role::Carrier) == user.draft.carrier.is_some());
    let scopes = may.map_or_else(Vec::new, Role::scopes);
    Caller { who, scopes, expires: Some(session.expires), address }
}

fn from_memory(app: &App, secret: &[u8; 32], address: String, flaw: store::StoreError) -> Answered<Caller> {
    let mut caller = app.remembered.within(secret, KNOWN).ok_or_else(|| Problem::from(flaw))?;
    caller.address = address;
    Ok(caller)
}
