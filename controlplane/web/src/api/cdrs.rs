//! CDRs: one row a call, one row an attempt.

use axum::Json;
use axum::extract::State;
use cdr::{Priced, Quality};
use serde::{Deserialize, Serialize};
use store::{CdrKey, StoreError};
use units::{AttemptIndex, CallId, Money, WallTime};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::Query;
use crate::names::Names;
use crate::page;
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::value::{
    AccountRef, Amount, CarrierRef, DeckRef, EgressTrunkRef, IngressTrunkRef, Named, Percent, RateHours,
    RateJurisdiction, Time, dialled,
};

/// Digits that a search may look for within numbers at most: a number has no more.
const DIGITS_MAX: usize = 32;

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The originator's side.
    Ingress,
    /// The terminator's side.
    Egress,
    /// The switch: a limit, a timer, an operator.
    Switch,
}

/// Rows of calls or of attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CdrKind {
    /// One row a call.
    #[default]
    Call,
    /// One row a tried route.
    Attempt,
}

/// One side's price and the inputs of its arithmetic.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Price {
    /// What the price counts in, ISO 4217.
    #[schema(example = "USD")]
    pub currency: String,
    /// The price, with tax.
    pub price: Amount,
    /// The tax within it.
    pub tax: Amount,
    /// Tax on top of the price before it, in per cent.
    pub tax_percent: Percent,
    /// Seconds billed.
    pub billed_s: u32,
    /// What the prices of a minute and the fee count in, ISO 4217.
    pub deck_currency: String,
    /// What one unit of that was worth in `currency` when the call was quoted.
    pub exchange: Amount,
    /// Price of sixty seconds.
    pub per_minute: Amount,
    /// Price of sixty seconds within the minimum; absent where it is that of every minute.
    pub first_per_minute: Option<Amount>,
    /// Charged once.
    pub connection_fee: Amount,
    /// Seconds billed at least.
    pub minimum_s: u16,
    /// Length of a billing step.
    pub increment_s: u16,
    /// Billing steps counted from the call's beginning.
    pub steps_from_zero: bool,
    /// Free seconds.
    pub free_s: u16,
    /// Decimals of the price.
    pub decimals: u8,
    /// How many digits of the number the rate matched.
    pub prefix_digits: u8,
    /// At which hours the rate counted.
    pub hours: RateHours,
    /// For calls of which jurisdiction the rate counted.
    pub jurisdiction: RateJurisdiction,
    /// The deck that the rate stood in.
    pub deck: Named<DeckRef>,
}

/// What one direction of media was like.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Media {
    /// RTP packets relayed.
    pub packets: u64,
    /// Those among them that the kernel relayed. It counts doubles as packets out of order and sees no bursts; `mos` takes its losses
    /// as spread evenly.
    pub kernel_packets: u64,
    /// RTP bytes relayed.
    pub bytes: u64,
    /// Packets missing by sequence number.
    pub lost: u32,
    /// Lost of sent, in per cent; absent without packets.
    pub lost_percent: Option<f64>,
    /// Packets that came after one of a higher number.
    pub reordered: u32,
    /// Packets that came more than once.
    pub duplicates: u32,
    /// The share of packets lost within bursts of loss (RFC 3611, Gmin 16), in per cent; absent without bursts.
    pub burst_loss_percent: Option<f64>,
    /// The mean length of such a burst in milliseconds; 0 without bursts.
    pub burst_ms: u32,
    /// Milliseconds from the answer to the first packet; absent if none came or the call was not answered.
    pub first_ms: Option<u32>,
    /// Round trip between the switch and the peer by its RTCP, in microseconds; absent if it told nothing.
    pub rtt_us: Option<u32>,
    /// What it was encrypted with between the switch and the peer, as in `a=crypto`; absent for media in the clear, and for keys that
    /// only passed the switch.
    pub suite: Option<String>,
    /// Packets of strangers, dropped.
    pub strangers: u32,
    /// Interarrival jitter in microseconds.
    pub jitter_us: u32,
    /// Mean opinion score, 1 to 4.5; absent without media.
    pub mos: Option<f64>,
}

/// What became of the wish to record a call: `no` wish, `yes`, with `gaps` (parts are silence: they were lost on the way to the file,
/// or said by a codec that cannot be decoded here); no file because of the `codec`, because no voice came by us (`silent`), or because
/// all was `lost`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recorded {
    /// Nobody wished it.
    No,
    /// All of it.
    Yes,
    /// Parts of it.
    Gaps,
    /// Not decoded.
    Codec,
    /// No voice.
    Silent,
    /// All lost.
    Lost,
}

impl From<cdr::Recorded> for Recorded {
    fn from(recorded: cdr::Recorded) -> Recorded {
        match recorded {
            cdr::Recorded::No => Recorded::No,
            cdr::Recorded::Yes => Recorded::Yes,
            cdr::Recorded::Gaps => Recorded::Gaps,
            cdr::Recorded::Codec => Recorded::Codec,
            cdr::Recorded::Silent => Recorded::Silent,
            cdr::Recorded::Lost => Recorded::Lost,
        }
    }
}

/// What became of a signed identity. Of a call: `no` (its trunk does not look), `missing`, `passed`, `failed`, or `unknown` (its certificate
/// could not be had in time). Of an attempt: `no`, `signed` by us, `relayed` as it came, or `unsigned`: it was to be signed and could not, since its
/// numbers are no telephone numbers, the key is none, or the message was too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Vouched {
    /// Nobody asked.
    No,
    /// None came.
    Missing,
    /// Right.
    Passed,
    /// Wrong.
    Failed,
    /// Not known.
    Unknown,
    /// Ours.
    Signed,
    /// As it came.
    Relayed,
    /// Neither, though asked for.
    Unsigned,
}

impl From<Vouched> for cdr::Vouched {
    fn from(vouched: Vouched) -> cdr::Vouched {
        let same = |known: &cdr::Vouched| Vouched::from(*known) == vouched;
        cdr::Vouched::ALL.iter().copied().find(same).unwrap_or_default()
    }
}

impl From<cdr::Vouched> for Vouched {
    fn from(vouched: cdr::Vouched) -> Vouched {
        match vouched {
            cdr::Vouched::No => Vouched::No,
            cdr::Vouched::Missing => Vouched::Missing,
            cdr::Vouched::Passed => Vouched::Passed,
            cdr::Vouched::Failed => Vouched::Failed,
            cdr::Vouched::Unknown => Vouched::Unknown,
            cdr::Vouched::Signed => Vouched::Signed,
            cdr::Vouched::Relayed => Vouched::Relayed,
            cdr::Vouched::Unsigned => Vouched::Unsigned,
        }
    }
}

/// A finished call, or one of its attempts.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Cdr {
    /// The call: thirty-two hexadecimal digits.
    pub call: String,
    /// 0 for the call itself, 1 and up for its attempts.
    pub attempt: u8,
    /// Call row: how many attempts were made. Attempt row: 1 if it was the last.
    pub attempts: u8,
    /// The snapshot that decided.
    pub revision: u64,
    /// Who sent the call; absent if nobody we know.
    pub originator: Option<Named<CarrierRef>>,
    /// The originator's account.
    pub originator_account: Option<Named<AccountRef>>,
    /// Where it came in.
    pub ingress_trunk: Option<Named<IngressTrunkRef>>,
    /// Who took it.
    pub terminator: Option<Named<CarrierRef>>,
    /// The terminator's account.
    pub terminator_account: Option<Named<AccountRef>>,
    /// Where it went out.
    pub egress_trunk: Option<Named<EgressTrunkRef>>,
    /// The caller as received.
    pub calling: String,
    /// The destination as received, tech prefix included.
    pub called: String,
    /// The destination as routed and rated.
    pub called_routed: String,
    /// The location routing number that the call came with; absent for none.
    pub lrn: Option<String>,
    /// Where the call went, as it was judged by the states of caller and destination.
    pub jurisdiction: RateJurisdiction,
    /// When the INVITE arrived (call) or was sent (attempt).
    pub started_at: Time,
    /// When it was answered.
    pub answered_at: Option<Time>,
    /// When it ended.
    pub ended_at: Time,
    /// Milliseconds from start to the first 18x (post-dial delay).
    pub pdd_ms: Option<u32>,
    /// Milliseconds from answer to end; what the price is computed from.
    pub duration_ms: u64,
    /// The final SIP status; 0 if none.
    pub sip_status: u16,
    /// The release cause.
    pub cause: u16,
    /// The cause in words.
    pub cause_text: String,
    /// Who ended it.
    pub released_by: Party,
    /// What the originator pays.
    pub sell: Option<Price>,
    /// What the terminator is owed.
    pub buy: Option<Price>,
    /// Sell less buy, when both count in the same currency.
    pub margin: Option<Amount>,
    /// The originator's signalling address.
    pub ingress_address: Option<String>,
    /// The terminator's signalling address.
    pub egress_address: Option<String>,
    /// Call-ID header of the ingress leg.
    pub ingress_call_id: String,
    /// Call-ID header of the egress leg.
    pub egress_call_id: String,
    /// First codec of the answer.
    pub codec: String,
    /// Whether it was recorded, and why not.
    pub recorded: Recorded,
    /// What became of its signed identity (STIR/SHAKEN).
    pub identity: Vouched,
    /// What the signed identity attests: `A`, `B` or `C`; absent without one.
    pub attestation: Option<String>,
    /// Why the signed identity is wrong: `malformed`, `unsupported` (algorithm or kind), `stale`, `numbers` (of another call), `certificate` (not
    /// accepted), `unreachable` (its certificate), `signature`; absent where nothing is.
    pub identity_doubt: Option<String>,
    /// The UUID that says where the call began, by its signed identity.
    pub identity_origin: Option<String>,
    /// Media from the originator.
    pub ingress_media: Media,
    /// Media from the terminator.
    pub egress_media: Media,
}

/// Who found the rows of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnsweredBy {
    /// The search engine; the rows were then read from the database.
    SearchEngine,
    /// The database.
    Database,
}

/// A part of the list of CDRs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CdrPage {
    /// The rows, newest first.
    pub data: Vec<Cdr>,
    /// Where the next part starts; absent at the end.
    pub next_cursor: Option<String>,
    /// When this was read.
    pub as_of: Time,
    /// Who found them.
    pub answered_by: AnsweredBy,
    /// Why the search engine was not asked, or what it answered; absent if it found them, or if there is none.
    pub passed: Option<String>,
}

/// Which CDRs. The window is needed: without it the answer is 422.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CdrFilter {
    /// Started at this moment or later.
    #[param(required = true, value_type = String, format = DateTime)]
    pub from: Option<Time>,
    /// Started before this moment.
    #[param(required = true, value_type = String, format = DateTime)]
    pub till: Option<Time>,
    /// Calls (default) or attempts.
    #[serde(default)]
    #[param(inline)]
    pub kind: CdrKind,
    /// The caller starts with these digits.
    pub calling: Option<String>,
    /// The routed destination starts with these digits.
    pub called: Option<String>,
    /// `calling` and `called` are whole numbers, not their beginnings.
    #[serde(default)]
    pub exact: bool,
    /// These digits stand somewhere in the caller's number or in the routed destination. Without a search engine the window has an hour at
    /// most.
    #[param(min_length = 1, max_length = 32)]
    pub digits: Option<String>,
    /// Only of this originator.
    #[param(value_type = Option<String>, pattern = "^car_[0-9]+$")]
    pub originator: Option<CarrierRef>,
    /// Only of this terminator.
    #[param(value_type = Option<String>, pattern = "^car_[0-9]+$")]
    pub terminator: Option<CarrierRef>,
    /// Only of this ingress trunk.
    #[param(value_type = Option<String>, pattern = "^itr_[0-9]+$")]
    pub ingress_trunk: Option<IngressTrunkRef>,
    /// Only of this egress trunk.
    #[param(value_type = Option<String>, pattern = "^etr_[0-9]+$")]
    pub egress_trunk: Option<EgressTrunkRef>,
    /// Only with this cause.
    #[param(maximum = 65535)]
    pub cause: Option<u16>,
    /// Only with this SIP status.
    #[param(maximum = 65535)]
    pub sip_status: Option<u16>,
    /// Only with this result of the signed identity.
    #[param(inline)]
    pub identity: Option<Vouched>,
    /// Only answered, or only not answered.
    pub answered: Option<bool>,
    /// Only this call.
    pub call: Option<String>,
    /// Only with this Call-ID header, of either leg.
    pub sip_call_id: Option<String>,
    /// Rows at most, 1 to 1,000; default 200. The newest come first.
    #[param(minimum = 1, maximum = 1000, default = 200)]
    pub limit: Option<u32>,
    /// `next_cursor` of the part before.
    #[param(min_length = 1)]
    pub cursor: Option<String>,
}

/// The paths of CDRs.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(search))
}

/// Searches CDRs in a window, newest first: by the search engine where it has everything that is asked for, else by the database.
#[utoipa::path(get, path = "/api/v1/cdrs", tag = "cdrs", params(CdrFilter),
    responses((status = 200, description = "A part of the list.", body = CdrPage)))]
async fn search(
    _caller: May<rights::CdrRead>,
    State(app): State<App>,
    Query(filter): Query<CdrFilter>,
) -> Answered<Json<CdrPage>> {
    let limit = page::limit(filter.limit)?;
    let store = app.reports.store();
    let found = app.search.find(&store, &filter.read(limit)?).await.map_err(|error| match error {
        StoreError::Invalid { field: "digits", why } => Problem::invalid("?digits", why),
        other => other.into(),
    })?;
    let names = app.names.read(&store).await?;
    Ok(Json(CdrPage {
        data: found.cdrs.iter().map(|cdr| Cdr::show(cdr, &names)).collect(),
        next_cursor: found.next.map(cursor),
        as_of: Time::now(),
        answered_by: match found.answered_by {
            search::AnsweredBy::Engine => AnsweredBy::SearchEngine,
            search::AnsweredBy::Database => AnsweredBy::Database,
        },
        passed: found.passed,
    }))
}

pub(super) fn cursor((started, id): CdrKey) -> String {
    page::cursor_of(&[&started.micros().to_be_bytes()[..], &id[..]].concat())
}

fn after(cursor: &str) -> Answered<CdrKey> {
    let inside = page::inside_of(cursor)?;
    let (started, id) = inside.split_first_chunk().ok_or_else(page::foreign_cursor)?;
    let id = id.try_into().map_err(|_| page::foreign_cursor())?;
    Ok((WallTime::from_micros(i64::from_be_bytes(*started)), id))
}

impl CdrFilter {
    pub(super) fn read(self, limit: u32) -> Answered<store::CdrFilter> {
        let needed = |name: &str| Problem::invalid(format!("?{name}"), "a window is needed: give from and till");
        let call = match &self.call {
            None => None,
            Some(text) => {
                let wanted = || Problem::invalid("?call", "thirty-two hexadecimal digits are wanted");
                Some(CallId::parse(text).ok_or_else(wanted)?)
            }
        };
        let (from, till) = (self.from.ok_or_else(|| needed("from"))?, self.till.ok_or_else(|| needed("till"))?);
        if till <= from {
            return Err(Problem::invalid("?till", "till must be later than from"));
        }
        let few = |digits: &str| (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if self.digits.as_deref().is_some_and(|digits| !few(digits)) {
            return Err(Problem::invalid("?digits", "1 to 32 digits are wanted"));
        }
        Ok(store::CdrFilter {
            from: from.0,
            till: till.0,
            after: self.cursor.as_deref().map(after).transpose()?,
            limit,
            kind: match self.kind {
                CdrKind::Call => store::CdrKind::Calls,
                CdrKind::Attempt => store::CdrKind::Attempts,
            },
            calling: self.calling.as_deref().map(|calling| dialled(calling).into_owned()),
            called: self.called.as_deref().map(|called| dialled(called).into_owned()),
            exact: self.exact,
            digits: self.digits,
            originator: self.originator.map(|wanted| wanted.0),
            terminator: self.terminator.map(|wanted| wanted.0),
            ingress_trunk: self.ingress_trunk.map(|wanted| wanted.0),
            egress_trunk: self.egress_trunk.map(|wanted| wanted.0),
            cause: self.cause,
            sip_status: self.sip_status,
            identity: self.identity.map(|wanted| cdr::Vouched::from(wanted) as u8),
            answered: self.answered,
            call,
            sip_call_id: self.sip_call_id,
        })
    }
}

impl Cdr {
    pub(crate) fn show(cdr: &cdr::Cdr, names: &Names) -> Cdr {
        let later = |ms: u64| Time(cdr.started + ms.saturating_mul(1_000));
        let whole_call = cdr.attempt == AttemptIndex(0);
        Cdr {
            call: cdr.call.to_string(),
            attempt: cdr.attempt.0,
            attempts: cdr.attempts,
            revision: cdr.revision.0,
            originator: names.maybe_carrier(cdr.originator.0),
            originator_account: names.maybe_account(cdr.originator_account.0),
            ingress_trunk: names.maybe_ingress_trunk(cdr.ingress_trunk.0),
            terminator: names.maybe_carrier(cdr.terminator.0),
            terminator_account: names.maybe_account(cdr.terminator_account.0),
            egress_trunk: names.maybe_egress_trunk(cdr.egress_trunk.0),
            calling: cdr.calling.to_string(),
            called: cdr.called.to_string(),
            called_routed: cdr.called_routed.to_string(),
            lrn: Some(cdr.lrn.to_string()).filter(|lrn| !lrn.is_empty()),
            jurisdiction: cdr.jurisdiction.into(),
            started_at: Time(cdr.started),
            answered_at: cdr.answered_ms.map(|ms| later(u64::from(ms))),
            ended_at: later(cdr.ended_ms),
            pdd_ms: cdr.ringing_ms,
            duration_ms: cdr.duration_ms,
            sip_status: cdr.sip_status,
            cause: cdr.cause.0,
            cause_text: cdr.cause.text().to_owned(),
            released_by: match cdr.released_by {
                cdr::Party::Ingress => Party::Ingress,
                cdr::Party::Egress => Party::Egress,
                cdr::Party::Switch => Party::Switch,
            },
            sell: cdr.sell.as_ref().map(|priced| Price::show(priced, names)),
            buy: cdr.buy.as_ref().map(|priced| Price::show(priced, names)),
            margin: if whole_call { margin(cdr) } else { None },
            ingress_address: cdr.ingress_address.map(|address| address.to_string()),
            egress_address: cdr.egress_address.map(|address| address.to_string()),
            ingress_call_id: cdr.ingress_call_id.clone(),
            egress_call_id: cdr.egress_call_id.clone(),
            codec: cdr.codec.clone(),
            recorded: cdr.recorded.into(),
            identity: cdr.identity.vouched.into(),
            attestation: cdr.identity.attest.map(|attest| attest.word().to_owned()),
            identity_doubt: Some(cdr.identity.doubt.word().to_owned()).filter(|doubt| !doubt.is_empty()),
            identity_origin: Some(cdr.identity.origid_text()).filter(|origin| !origin.is_empty()),
            ingress_media: Media::show(&cdr.ingress_media),
            egress_media: Media::show(&cdr.egress_media),
        }
    }
}

/// Sell less buy; `None` when a side is not priced or they count in different currencies.
pub(crate) fn margin(cdr: &cdr::Cdr) -> Option<Amount> {
    let (sell, buy) = (cdr.sell.as_ref()?, cdr.buy.as_ref()?);
    (sell.terms.currency == buy.terms.currency).then(|| Amount(sell.price - buy.price))
}

impl Price {
    fn show(priced: &Priced, names: &Names) -> Price {
        let terms = &priced.terms;
        Price {
            currency: terms.currency.code(),
            price: Amount(priced.price),
            tax: Amount(priced.tax),
            tax_percent: Percent::from_ppm(terms.tax_ppm),
            billed_s: priced.billed_s,
            deck_currency: terms.deck_currency.code(),
            exchange: Amount(Money::from_nanos(terms.exchange)),
            per_minute: Amount(terms.per_minute),
            first_per_minute: terms.first_per_minute.map(Amount),
            connection_fee: Amount(terms.connection_fee),
            minimum_s: terms.minimum_s,
            increment_s: terms.increment_s,
            steps_from_zero: terms.steps_from_zero,
            free_s: terms.free_s,
            decimals: terms.decimals,
            prefix_digits: terms.prefix_digits,
            hours: terms.class.hours.into(),
            jurisdiction: terms.class.jurisdiction.into(),
            deck: names.deck(terms.deck.0),
        }
    }
}

impl Media {
    pub(crate) fn show(quality: &Quality) -> Media {
        let sent = quality.packets + u64::from(quality.lost);
        let lost = f64::from(quality.lost) * 100.0;
        Media {
            packets: quality.packets,
            kernel_packets: quality.kernel_packets,
            bytes: quality.bytes,
            lost: quality.lost,
            lost_percent: (sent > 0).then(|| (lost / sent as f64 * 1_000.0).round() / 1_000.0),
            suite: quality.suite.map(|suite| suite.name().to_owned()),
            strangers: quality.strangers,
            reordered: quality.reordered,
            duplicates: quality.duplicates,
            burst_loss_percent: (quality.burst_ms > 0).then(|| f64::from(quality.burst_loss_permille) / 10.0),
            burst_ms: quality.burst_ms,
            first_ms: quality.first_ms,
            rtt_us: (quality.rtt_us > 0).then_some(quality.rtt_us),
            jitter_us: quality.jitter_us,
            mos: (quality.mos_x100 > 0).then(|| f64::from(quality.mos_x100) / 100.0),
        }
    }
}
