//! Running calls.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use panel::wire::{Answer, Ask, CallRow, MediaRow};
use serde::{Deserialize, Serialize};
use units::{CallId, Money, Suite};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::{Key, Query};
use crate::names::Names;
use crate::page::{self, List};
use crate::problem::{Answered, Code, Problem};
use crate::services::{App, LinkDown};
use crate::value::{Amount, CarrierRef, EgressTrunkRef, IngressTrunkRef, Named, Time};

/// One running call.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Call {
    /// Thirty-two hexadecimal digits; the CDR will carry the same.
    pub id: String,
    /// `admitting`, `routing`, `trying`, `ringing`, `answering`, `up` or `releasing`.
    pub state: String,
    /// Who sent it.
    pub originator: Named<CarrierRef>,
    /// Where it came in.
    pub ingress_trunk: Named<IngressTrunkRef>,
    /// Who takes the present attempt.
    pub terminator: Option<Named<CarrierRef>>,
    /// Where the present attempt went out.
    pub egress_trunk: Option<Named<EgressTrunkRef>>,
    /// The caller.
    pub calling: String,
    /// The destination as routed.
    pub called: String,
    /// Which attempt is under way; 0 before the first.
    pub attempt: u8,
    /// When the INVITE came.
    pub started_at: Time,
    /// Milliseconds since then.
    pub age_ms: u64,
    /// Milliseconds since the answer; absent before it.
    pub talking_ms: Option<u64>,
    /// Sell price of a minute, in the originator's currency.
    pub sell_per_minute: Amount,
    /// Buy price of a minute; 0 before a route is tried.
    pub buy_per_minute: Amount,
    /// First codec of the answer; empty before it.
    pub codec: String,
    /// The shard that owns the call.
    pub shard: u16,
    /// Where its media is relayed this moment: `kernel`, `sockets`, or empty without media.
    pub media_path: String,
    /// Why its media stays in user space: `setup`, `hold`, `crypt`, `record`, `capture`, `digits`, `silence`, `families` (IPv4 and IPv6), `images` (T.38); empty if nothing keeps it there.
    pub stays: Vec<String>,
    /// Media from the originator so far.
    pub ingress_media: LiveMedia,
    /// Media from the terminator so far.
    pub egress_media: LiveMedia,
}

/// What one direction of a running call's media is like so far.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LiveMedia {
    /// RTP packets relayed.
    pub packets: u64,
    /// Those among them that the kernel relayed.
    pub kernel_packets: u64,
    /// Packets missing by sequence number.
    pub lost: u32,
    /// Interarrival jitter in microseconds.
    pub jitter_us: u32,
    /// Round trip between the switch and the peer by its RTCP, in microseconds; absent if it told nothing.
    pub rtt_us: Option<u32>,
    /// Mean opinion score, 1 to 4.5; absent without media.
    pub mos: Option<f64>,
    /// What it is encrypted with between the switch and the peer, as in `a=crypto`; absent for media in the clear.
    pub suite: Option<String>,
}

impl LiveMedia {
    fn show(row: &MediaRow) -> LiveMedia {
        LiveMedia {
            packets: row.packets,
            kernel_packets: row.kernel_packets,
            lost: row.lost,
            jitter_us: row.jitter_us,
            rtt_us: (row.rtt_us > 0).then_some(row.rtt_us),
            mos: (row.mos_x100 > 0).then(|| f64::from(row.mos_x100) / 100.0),
            suite: Suite::from_code(row.suite).map(|suite| suite.name().to_owned()),
        }
    }
}

/// How far a running call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// Waits for room or money.
    Admitting,
    /// Waits for room on its next route.
    Routing,
    /// The INVITE is out; nothing but 100 came.
    Trying,
    /// A 18x came.
    Ringing,
    /// Answered; the start record is being kept.
    Answering,
    /// Both sides talk.
    Up,
    /// Over; its last messages are under way.
    Releasing,
}

impl CallState {
    /// As the data plane says it.
    pub fn word(self) -> &'static str {
        match self {
            CallState::Admitting => "admitting",
            CallState::Routing => "routing",
            CallState::Trying => "trying",
            CallState::Ringing => "ringing",
            CallState::Answering => "answering",
            CallState::Up => "up",
            CallState::Releasing => "releasing",
        }
    }
}

/// Which running calls.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CallFilter {
    /// Rows at most, 1 to 1,000; default 200. The oldest calls come first.
    #[param(minimum = 1, maximum = 1000, default = 200)]
    pub limit: Option<u32>,
    /// Only of this originator.
    #[param(value_type = Option<String>, pattern = "^car_[0-9]+$")]
    pub originator: Option<CarrierRef>,
    /// Only of this terminator.
    #[param(value_type = Option<String>, pattern = "^car_[0-9]+$")]
    pub terminator: Option<CarrierRef>,
    /// Only in this state.
    #[param(inline)]
    pub state: Option<CallState>,
}

/// Rows that are looked through when a filter is given.
const LOOKED_AT_MAX: u32 = 20_000;

/// The paths of running calls.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(release))
}

/// Lists running calls, oldest first, as they stand this moment. There is no cursor: narrow the filter instead.
#[utoipa::path(get, path = "/api/v1/calls", tag = "calls", params(CallFilter),
    responses((status = 200, description = "The calls.", body = List<Call>)))]
async fn list(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Query(filter): Query<CallFilter>,
) -> Answered<Json<List<Call>>> {
    let limit = page::limit(filter.limit)?;
    let narrowed = filter.originator.is_some() || filter.terminator.is_some() || filter.state.is_some();
    let rows = rows(&app, if narrowed { LOOKED_AT_MAX } else { limit }).await?;
    let names = app.names.read(&app.store).await?;
    let now = Time::now();
    let fits = rows.iter().filter(|row| {
        filter.originator.is_none_or(|wanted| wanted.0 == row.originator)
            && filter.terminator.is_none_or(|wanted| wanted.0 == row.terminator)
            && filter.state.is_none_or(|wanted| wanted.word() == row.state)
    });
    let calls = fits.take(limit as usize).map(|row| Call::show(row, &names, now)).collect();
    Ok(Json(List { data: calls, next_cursor: None, as_of: now }))
}

/// Releases a running call (cause 403). It ends a moment later.
#[utoipa::path(delete, path = "/api/v1/calls/{id}", tag = "calls",
    params(("id" = String, Path, description = "Thirty-two hexadecimal digits.")),
    responses((status = 204, description = "The call is being released.")))]
async fn release(
    caller: May<rights::CallsRelease>,
    State(app): State<App>,
    Key(id): Key<String>,
) -> Answered<StatusCode> {
    let call = CallId::parse(&id).ok_or_else(|| Problem::not_found(format!("call {id}")))?;
    match app.link.ask(Ask::Release { call: call.to_string() }).await? {
        Answer::Done => {}
        Answer::Refused { reason } => return Err(Problem::new(Code::NotFound, reason)),
        other => return Err(Problem::internal(format!("the data plane answered {other:?} to a release"))),
    }
    if let Err(flaw) = app.store.audit(&caller.act("release", call)).await {
        // The call is gone whether or not the database is there to hear of it.
        tracing::warn!(%flaw, %call, actor = caller.actor(), "a release could not be written down");
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The running calls as the data plane tells them.
pub(crate) async fn rows(app: &App, limit: u32) -> Answered<Vec<CallRow>> {
    match app.link.ask(Ask::Calls { limit }).await? {
        Answer::Calls(rows) => Ok(rows),
        other => Err(Problem::internal(format!("the data plane answered {other:?} to a question for calls"))),
    }
}

impl From<LinkDown> for Problem {
    fn from(_: LinkDown) -> Problem {
        Problem::new(Code::DataPlaneAway, "the data plane does not answer; it is being started again")
    }
}

impl Call {
    fn show(row: &CallRow, names: &Names, now: Time) -> Call {
        Call {
            id: row.call.clone(),
            state: row.state.clone(),
            originator: names.carrier(row.originator),
            ingress_trunk: names.ingress_trunk(row.ingress_trunk),
            terminator: names.maybe_carrier(row.terminator),
            egress_trunk: names.maybe_egress_trunk(row.egress_trunk),
            calling: row.calling.clone(),
            called: row.called.clone(),
            attempt: row.attempt,
            started_at: Time::from_micros(row.started),
            age_ms: u64::try_from((now.micros() - row.started) / 1_000).unwrap_or(0),
            talking_ms: row.talking_ms,
            sell_per_minute: Amount(Money::from_nanos(row.sell_per_minute)),
            buy_per_minute: Amount(Money::from_nanos(row.buy_per_minute)),
            codec: row.codec.clone(),
            shard: row.shard,
            media_path: row.media_path.clone(),
            stays: row.stays.clone(),
            ingress_media: LiveMedia::show(&row.ingress_media),
            egress_media: LiveMedia::show(&row.egress_media),
        }
    }
}
