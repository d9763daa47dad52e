//! Notices: accounts whose balance crossed a threshold or whose spending reached a cap.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use units::WallTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::{Key, Query};
use crate::names::Names;
use crate::page::{self, List};
use crate::problem::Answered;
use crate::services::App;
use crate::value::{AccountRef, Amount, Named, Time};

/// Which notices.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct NoticesAsk {
    /// Only those of this account.
    pub account: Option<AccountRef>,
    /// Rows at most, 1 to 1,000; default 200.
    #[param(minimum = 1, maximum = 1000, default = 200)]
    pub limit: Option<u32>,
    /// Where the part before ended.
    #[param(min_length = 1)]
    pub cursor: Option<String>,
}

/// A crossing of a threshold.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Notice {
    /// Globally unique.
    pub id: String,
    /// Whose balance.
    pub account: Named<AccountRef>,
    /// `low`, `high`, `day_cap` or `month_cap`.
    #[schema(example = "low")]
    pub kind: String,
    /// When it was seen.
    pub raised_at: Time,
    /// When it was over; absent while it stands.
    pub cleared_at: Option<Time>,
    /// The balance, or what was spent.
    pub value: Amount,
    /// What it crossed.
    pub threshold: Amount,
    /// Somebody is still to be told by mail or POST.
    pub pending: bool,
    /// Why the last try failed; empty if all is well.
    pub problem: String,
}

/// One try to tell somebody of a notice.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NoticeTry {
    /// Counts the notice's tries from 1.
    pub number: u32,
    /// `mail` or `url`.
    #[schema(example = "url")]
    pub way: String,
    /// When it ended.
    pub at: Time,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Why it failed; empty if it did not.
    pub problem: String,
}

/// What was tried.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NoticeTries {
    /// The first one first, 1,000 at most.
    pub data: Vec<NoticeTry>,
}

/// What an account's notices are signed with from now on.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NoticeSecret {
    /// `whsec_` and 32 bytes in base64, as Standard Webhooks wants it. It is shown this once.
    pub secret: String,
}

/// The paths of notices.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(tries))
        .routes(routes!(replay))
        .routes(routes!(draw_secret))
}

/// Lists every try to tell somebody of a notice.
#[utoipa::path(get, path = "/api/v1/notices/{id}/tries", tag = "accounts", params(("id" = String, Path)),
    responses((status = 200, description = "All of them.", body = NoticeTries)))]
async fn tries(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Key(id): Key<String>,
) -> Answered<Json<NoticeTries>> {
    let show = |tried: store::NoticeTry| {
        let store::NoticeTry { number, way, at, took_ms, problem } = tried;
        NoticeTry { number, way, at: Time(at), took_ms, problem }
    };
    Ok(Json(NoticeTries { data: app.store.notice_tries(&id).await?.into_iter().map(show).collect() }))
}

/// Tells a notice again, by mail and POST as its account has them by now.
#[utoipa::path(post, path = "/api/v1/notices/{id}/replay", tag = "accounts", params(("id" = String, Path)),
    responses((status = 204, description = "It is on its way.")))]
async fn replay(caller: May<rights::Write>, State(app): State<App>, Key(id): Key<String>) -> Answered<StatusCode> {
    app.store.replay_notice(&id).await?;
    if let Err(flaw) = app.store.audit(&caller.entry("replay", format!("notice {id}"), None, None::<&()>)).await {
        tracing::warn!(%flaw, actor = caller.actor(), "a replay could not be written down");
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Draws the secret that an account's notices are signed with from now on; the one before counts no more.
#[utoipa::path(post, path = "/api/v1/accounts/{id}/notice-secret", tag = "accounts", params(("id" = AccountRef, Path)),
    responses((status = 200, description = "It, shown this once.", body = NoticeSecret)))]
async fn draw_secret(
    caller: May<rights::Write>,
    State(app): State<App>,
    Key(id): Key<AccountRef>,
) -> Answered<Json<NoticeSecret>> {
    let secret = store::draw_secret();
    app.store.set_notice_secret(id.0, &secret).await?;
    if let Err(flaw) = app.store.audit(&caller.entry("notice_secret", id, None, None::<&()>)).await {
        tracing::warn!(%flaw, actor = caller.actor(), "a new secret could not be written down");
    }
    Ok(Json(NoticeSecret { secret: store::secret_text(&secret) }))
}

/// Lists notices, newest first.
#[utoipa::path(get, path = "/api/v1/notices", tag = "accounts", params(NoticesAsk),
    responses((status = 200, description = "A part of the list.", body = List<Notice>)))]
async fn list(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Query(ask): Query<NoticesAsk>,
) -> Answered<Json<List<Notice>>> {
    let limit = page::limit(ask.limit)?;
    let inside = ask.cursor.as_deref().map(page::inside_of).transpose()?;
    let before = match &inside {
        None => None,
        Some(inside) => {
            let (at, id) = inside.split_first_chunk().ok_or_else(page::foreign_cursor)?;
            let id = std::str::from_utf8(id).map_err(|_| page::foreign_cursor())?;
            Some((WallTime::from_micros(i64::from_be_bytes(*at)), id))
        }
    };
    let found = app.store.notices(ask.account.map(|account| account.0), before, limit).await?;
    let full = found.len() == limit as usize;
    let next = found.last().filter(|_| full).map(|last| {
        let mut inside = last.raised.micros().to_be_bytes().to_vec();
        inside.extend_from_slice(last.id.as_bytes());
        page::cursor_of(&inside)
    });
    let names = app.names.read(&app.store).await?;
    Ok(Json(List::part(found.into_iter().map(|notice| Notice::show(notice, &names)).collect(), next)))
}

impl Notice {
    fn show(notice: store::Notice, names: &Names) -> Notice {
        Notice {
            id: notice.id,
            account: names.account(notice.account),
            kind: notice.kind,
            raised_at: Time(notice.raised),
            cleared_at: notice.cleared.map(Time),
            value: Amount(notice.value),
            threshold: Amount(notice.threshold),
            pending: notice.mail_tries.is_some() || notice.url_tries.is_some(),
            problem: notice.problem,
        }
    }
}
