//! One call's story: what was said, what was decided, what it cost.

use axum::Json;
use axum::extract::State;
use files::Kind;
use rating::decision;
use serde::{Deserialize, Serialize};
use store::{CallStory, Store, StoreError};
use units::{CallId, Cause};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::cdrs::{self, Cdr, Media};
use super::simulate::{Candidate, percent};
use super::{kept, recordings};
use crate::auth::{May, rights};
use crate::extract::Key;
use crate::names::{NameBook, Names};
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::value::{Amount, RateHours, RateJurisdiction, Time};

/// Everything that is known of one ended call.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Story {
    /// The call's row.
    pub call: Cdr,
    /// Its attempts, in order.
    pub attempts: Vec<Cdr>,
    /// What happened, in one sentence.
    pub verdict: String,
    /// The captured messages; absent when this call was not captured.
    pub ladder: Option<Ladder>,
    /// Bytes of the call's capture that this node can reach, to be opened at `/api/v1/calls/{id}/pcap`; absent without one.
    pub capture_bytes: Option<u64>,
    /// Seconds of the call's recording that this node can reach, to be heard at `/api/v1/calls/{id}/recording`; absent without one.
    pub recording_s: Option<f64>,
    /// How the route was chosen; absent when the call was refused before.
    pub decision: Option<Decision>,
    /// What the originator pays, step by step.
    pub sell: Option<Arithmetic>,
    /// What the terminator is owed, step by step.
    pub buy: Option<Arithmetic>,
    /// Sell less buy, when both count in the same currency.
    pub margin: Option<Amount>,
    /// Margin over the sell price, in per cent.
    pub margin_percent: Option<f64>,
    /// Microseconds that the call spent in each room of the switch, in order.
    pub stages: Vec<StageTime>,
    /// Media from the originator.
    pub ingress_media: Media,
    /// Media from the terminator.
    pub egress_media: Media,
}

/// The messages of a call in order of time.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Ladder {
    /// When the first came.
    pub started_at: Time,
    /// The messages.
    pub messages: Vec<Message>,
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the switch.
    In,
    /// From the switch.
    Out,
}

/// Which side a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LegSide {
    /// The originator's.
    Ingress,
    /// A terminator's.
    Egress,
}

/// One SIP message.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// When.
    pub at: Time,
    /// Microseconds since the first message.
    pub offset_us: u64,
    /// Which way.
    pub direction: Direction,
    /// Which side.
    pub leg: LegSide,
    /// Which attempt; 0 for the originator's side.
    pub attempt: u8,
    /// Sender's address; `tandem` for the switch.
    pub from: String,
    /// Receiver's address; `tandem` for the switch.
    pub to: String,
    /// The method or status: `INVITE`, `180 Ringing`. Text of a peer: show it as text only.
    pub label: String,
    /// The whole message. Bytes that are not UTF-8 are shown as U+FFFD. Text of a peer: show it as text only.
    pub raw: String,
}

/// How the route was chosen, as the data plane recorded it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// The snapshot that decided.
    pub revision: u64,
    /// The number that breaks ties; the same seed gives the same order.
    pub seed: String,
    /// Candidates that did not fit into the record.
    pub omitted: u8,
    /// Every candidate, kept ones first in the order of trying.
    pub candidates: Vec<Candidate>,
}

/// A price, step by step.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Arithmetic {
    /// ISO 4217.
    #[schema(example = "USD")]
    pub currency: String,
    /// Milliseconds between answer and end.
    pub duration_ms: u64,
    /// Seconds after rounding.
    pub seconds: u64,
    /// Seconds billed after minimum, steps and free seconds.
    pub billed_s: u32,
    /// How many digits of the number the rate matched.
    pub prefix_digits: u8,
    /// At which hours the rate counts.
    pub hours: RateHours,
    /// For calls of which jurisdiction the rate counts.
    pub jurisdiction: RateJurisdiction,
    /// Price of sixty seconds.
    pub per_minute: Amount,
    /// Charged once.
    pub connection_fee: Amount,
    /// The price before tax.
    pub net: Amount,
    /// What tax adds.
    pub tax: Amount,
    /// The price, with tax.
    pub price: Amount,
    /// The steps in words, one a line.
    pub steps: Vec<String>,
    /// The stored price equals what the terms give today.
    pub agrees: bool,
}

/// Microseconds in one room.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StageTime {
    /// `parse`, `admit`, `limits`, `route`, `egress`, `answer` or `pdd`.
    pub stage: String,
    /// How long; 0 where the call never came there.
    pub us: u32,
}

/// How the switch itself is called on a ladder.
const SWITCH: &str = "tandem";
/// Characters of a message's label at most.
const LABEL_CHARS_MAX: usize = 60;

/// The paths of stories.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(story))
}

/// Tells one call's story.
#[utoipa::path(get, path = "/api/v1/cdrs/{call}/story", tag = "cdrs",
    params(("call" = String, Path, description = "Thirty-two hexadecimal digits.")),
    responses((status = 200, description = "The story.", body = Story)))]
async fn story(_caller: May<rights::CdrRead>, State(app): State<App>, Key(id): Key<String>) -> Answered<Json<Story>> {
    let call = CallId::parse(&id).ok_or_else(|| Problem::not_found(format!("call {id}")))?;
    let store = app.reports.store();
    let told = match store.story(call).await {
        // It may have ended just before: a replica is a little behind.
        Err(StoreError::NotFound { .. }) => app.store.story(call).await?,
        told => told?,
    };
    let names = app.names.read(&store).await?;
    let (capture, recording) = (kept::glance(&app, Kind::Capture, call), kept::glance(&app, Kind::Recording, call));
    let (capture, recording) = tokio::join!(capture, recording);
    let mut story = tell(&told, &names)?;
    (story.capture_bytes, story.recording_s) =
        (capture.map(|found| found.bytes), recording.map(|found| recordings::seconds(found.bytes)));
    Ok(Json(story))
}

impl Story {
    /// What the database knows of a call; whether files are kept of it is not looked at.
    pub async fn of(store: &Store, call: CallId) -> Answered<Story> {
        let told = store.story(call).await?;
        let names = NameBook::default().read(store).await?;
        tell(&told, &names)
    }
}

fn tell(told: &CallStory, names: &Names) -> Answered<Story> {
    let whole = told.call.as_ref().ok_or_else(|| {
        Problem::not_found("record of the call yet: only attempts have been collected, ask again in a second")
    })?;
    let decision = decision::decode(&whole.decision).map(|read| Decision::show(&read, names));
    let margin = cdrs::margin(whole);
    let stages = [
        ("parse", whole.stages.parse_us),
        ("admit", whole.stages.admit_us),
        ("limits", whole.stages.limits_us),
        ("route", whole.stages.route_us),
        ("egress", whole.stages.egress_us),
        ("answer", whole.stages.answer_us),
        ("pdd", whole.stages.pdd_us),
    ];
    Ok(Story {
        call: Cdr::show(whole, names),
        attempts: told.attempts.iter().map(|attempt| Cdr::show(attempt, names)).collect(),
        verdict: verdict(whole, &told.attempts, names),
        ladder: told.trace.as_deref().and_then(Ladder::read),
        capture_bytes: None,
        recording_s: None,
        decision,
        sell: whole.sell.as_ref().map(|priced| Arithmetic::stored(priced, whole.duration_ms)),
        buy: whole.buy.as_ref().map(|priced| Arithmetic::stored(priced, whole.duration_ms)),
        margin,
        margin_percent: margin.zip(whole.sell.as_ref()).and_then(|(margin, sell)| percent(margin.0, sell.price)),
        stages: stages.map(|(stage, us)| StageTime { stage: stage.to_owned(), us }).to_vec(),
        ingress_media: Media::show(&whole.ingress_media),
        egress_media: Media::show(&whole.egress_media),
    })
}

/// What happened, in one sentence.
fn verdict(whole: &cdr::Cdr, attempts: &[cdr::Cdr], names: &Names) -> String {
    let by = |cdr: &cdr::Cdr| match cdr.released_by {
        cdr::Party::Ingress => "the originator",
        cdr::Party::Egress => "the terminator",
        cdr::Party::Switch => "the switch",
    };
    let name = |cdr: &cdr::Cdr| names.carrier(cdr.terminator.0).code;
    if whole.answered_ms.is_some() {
        let tries = if whole.attempts > 1 { format!(" on attempt {}", whole.attempts) } else { String::new() };
        let seconds = whole.duration_ms as f64 / 1_000.0;
        return format!(
            "Answered by {}{tries}, talked {seconds:.1} s, released by {}: {}.",
            name(whole),
            by(whole),
            whole.cause
        );
    }
    let failed: Vec<String> = attempts
        .iter()
        .map(|attempt| {
            let said = if attempt.sip_status == 0 { "no answer".to_owned() } else { attempt.sip_status.to_string() };
            format!("{} {said} ({})", name(attempt), attempt.cause)
        })
        .collect();
    let why = if whole.cause == Cause::CALLER_CANCELLED { "Cancelled by the originator" } else { "Not answered" };
    match failed.as_slice() {
        [] => format!("{why}, no route was tried: {}, {} sent by {}.", whole.cause, whole.sip_status, by(whole)),
        tried => format!("{why}: {}; the originator was told {}.", tried.join(", then "), whole.sip_status),
    }
}

impl Decision {
    fn show(read: &decision::Decision, names: &Names) -> Decision {
        Decision {
            revision: read.revision.0,
            seed: read.ask.seed.to_string(),
            omitted: read.omitted,
            candidates: Candidate::show_all(&read.candidates, &read.ask.sell, names, |_| None),
        }
    }
}

impl Ladder {
    /// From what the data plane captured; `None` when it cannot be read.
    fn read(bytes: &[u8]) -> Option<Ladder> {
        let trace = cdr::trace::decode(bytes).ok()?;
        let started = trace.messages.first()?.at;
        Some(Ladder {
            started_at: Time(started),
            messages: trace.messages.iter().map(|message| Message::show(message, started)).collect(),
        })
    }
}

impl Message {
    fn show(message: &cdr::trace::Message, started: units::WallTime) -> Message {
        let raw = String::from_utf8_lossy(&message.bytes).into_owned();
        let (direction, from, to) = match message.inbound {
            true => (Direction::In, message.peer.to_string(), SWITCH.to_owned()),
            false => (Direction::Out, SWITCH.to_owned(), message.peer.to_string()),
        };
        Message {
            at: Time(message.at),
            offset_us: u64::try_from(message.at - started).unwrap_or(0),
            direction,
            leg: if message.leg == 0 { LegSide::Ingress } else { LegSide::Egress },
            attempt: message.leg,
            from,
            to,
            label: label(&raw),
            raw,
        }
    }
}

/// The method of a request, or status and reason of a response.
fn label(raw: &str) -> String {
    let first = raw.lines().next().unwrap_or("");
    let label = match first.strip_prefix("SIP/2.0 ") {
        Some(status) => status,
        None => first.split(' ').next().unwrap_or(""),
    };
    label.chars().take(LABEL_CHARS_MAX).collect()
}
