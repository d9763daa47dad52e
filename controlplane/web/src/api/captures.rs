//! Captures of calls: begun in mid-call, opened from a running call or its CDR.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use files::Kind;
use panel::wire::{Answer, Ask};
use serde::{Deserialize, Serialize};
use units::CallId;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::kept;
use crate::auth::{May, rights};
use crate::extract::{self, Key};
use crate::problem::{Answered, Code, Problem};
use crate::services::App;

/// How much of a call is captured; each includes what stands before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaptureDepth {
    /// SIP of both sides.
    Sip,
    /// The headers of media packets, and RTCP.
    RtpHeaders,
    /// Whole media packets: who may open the file can hear the call.
    #[default]
    Full,
}

impl CaptureDepth {
    fn word(self) -> &'static str {
        match self {
            CaptureDepth::Sip => "sip",
            CaptureDepth::RtpHeaders => "rtp_headers",
            CaptureDepth::Full => "full",
        }
    }
}

/// What is asked of a running call.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CaptureAsk {
    /// How much of it.
    pub what: CaptureDepth,
}

/// The paths of captures.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(begin)).routes(routes!(open))
}

/// Captures a running call from here on, with the messages of its beginning that are still known.
#[utoipa::path(post, path = "/api/v1/calls/{id}/capture", tag = "calls", request_body = CaptureAsk,
    params(("id" = String, Path, description = "Thirty-two hexadecimal digits.")),
    responses((status = 204, description = "The call is being captured.")))]
async fn begin(
    caller: May<rights::CallsOpen>,
    State(app): State<App>,
    Key(id): Key<String>,
    extract::Body(asked): extract::Body<CaptureAsk>,
) -> Answered<StatusCode> {
    let call = CallId::parse(&id).ok_or_else(|| Problem::not_found(format!("call {id}")))?;
    // Whoever can be heard has a right to know who listened: no entry, no capture.
    app.store.audit(&caller.act("capture", call)).await?;
    match app.link.ask(Ask::Capture { call: call.to_string(), what: asked.what.word().into() }).await? {
        Answer::Done => Ok(StatusCode::NO_CONTENT),
        Answer::Refused { reason } => Err(Problem::new(Code::NotFound, reason)),
        other => Err(Problem::internal(format!("the data plane answered {other:?} to a capture"))),
    }
}

/// Gives a call's capture as pcapng; of a running call as far as it is written. It is looked for on this node, among files of
/// peers, and where finished files are copied to.
#[utoipa::path(get, path = "/api/v1/calls/{id}/pcap", tag = "calls",
    params(("id" = String, Path, description = "Thirty-two hexadecimal digits.")),
    responses((status = 200, description = "The file.", body = String, content_type = "application/x-pcapng")))]
async fn open(caller: May<rights::CallsOpen>, State(app): State<App>, Key(id): Key<String>) -> Answered<Response> {
    let call = CallId::parse(&id).ok_or_else(|| Problem::not_found(format!("call {id}")))?;
    let missing = || Problem::not_found(format!("capture of the call {call} that this node can reach"));
    let found = kept::find(&app, Kind::Capture, call).await?.ok_or_else(missing)?;
    app.store.audit(&caller.act("open_capture", call)).await?;
    // No more than was there: what is written meanwhile may be half a packet.
    let bytes = found.bytes;
    let answer = Response::builder()
        .header(header::CONTENT_TYPE, "application/x-pcapng")
        .header(header::CONTENT_LENGTH, bytes)
        .header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{call}.pcapng\""));
    Ok(answer.body(kept::body(found, 0, bytes)).map_err(Problem::internal)?.into_response())
}
