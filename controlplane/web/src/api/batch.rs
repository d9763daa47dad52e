//! Many calls that do not take place: a row of a CSV each, simulated one by one, and a row of CSV or NDJSON about each.

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use rating::Policies;
use serde::{Deserialize, Serialize};
use snapshot::{Snapshot, View};
use store::Store;
use units::NodeId;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::simulate::hurdles::{Hurdle, Moment};
use super::simulate::{SimulateAsk, Simulation, Verdict, decide_now};
use crate::auth::{May, rights};
use crate::extract::{self, Query};
use crate::names::{NameBook, Names};
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::value::{Amount, RateHours, RateJurisdiction, Time};

/// Calls in one file at most.
pub const ROWS_MAX: usize = 100_000;
/// Bytes of a file at most.
const FILE_BYTES_MAX: usize = 16 << 20;

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchForm {
    /// A header and a line for each row.
    #[default]
    Csv,
    /// A JSON object for each row.
    Ndjson,
}

/// How a file is simulated.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct BatchAsk {
    /// `csv` or `ndjson`; `csv` when absent.
    #[param(inline)]
    pub format: Option<BatchForm>,
    /// The revision to decide from; the newest when absent.
    pub revision: Option<u64>,
    /// Whether to heed what is known at this moment, as in `route:simulate`. Yes when absent, but not for rows with `at`.
    pub live: Option<bool>,
}

/// A row of the file: one call.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    called: String,
    #[serde(default)]
    calling: String,
    #[serde(default)]
    lrn: String,
    #[serde(default, alias = "trunk")]
    ingress_trunk: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    at: String,
    #[serde(default)]
    seed: String,
    #[serde(default)]
    talk_ms: String,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BatchOutcome {
    /// A route is left.
    Routed,
    /// The call would be refused with `cause`.
    Refused,
    /// The row cannot be read; `reason` says why.
    Wrong,
}

/// What would happen to the call of one row.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BatchRow {
    /// The file's line, the header being 1.
    pub row: u64,
    /// The destination as it stands in the file.
    pub called: String,
    /// The caller as it stands in the file.
    pub calling: String,
    /// What became of it.
    pub outcome: BatchOutcome,
    /// Why it would be refused.
    pub cause: Option<u16>,
    /// The same in words, or what is wrong with the row.
    pub reason: Option<String>,
    /// The ingress trunk.
    pub ingress_trunk: Option<String>,
    /// The originator.
    pub originator: Option<String>,
    /// The destination without tech prefix, after rewrites.
    pub called_routed: Option<String>,
    /// Where the call goes, by the states of caller and destination.
    pub jurisdiction: Option<RateJurisdiction>,
    /// The moment whose rates were used.
    pub at: Option<Time>,
    /// At which hours the sell rate counts.
    pub sell_hours: Option<RateHours>,
    /// For calls of which jurisdiction the sell rate counts.
    pub sell_jurisdiction: Option<RateJurisdiction>,
    /// What the prices count in.
    pub currency: Option<String>,
    /// Sell price of the asked duration.
    pub sell_price: Option<Amount>,
    /// Buy price of the asked duration at the first route.
    pub buy_price: Option<Amount>,
    /// Sell less buy price of a minute at the first route.
    pub margin_per_minute: Option<Amount>,
    /// The first route's terminator.
    pub terminator: Option<String>,
    /// The number that would be sent to the first route.
    pub called_out: Option<String>,
    /// The egress trunks in the order of trying, separated by spaces.
    pub routes: String,
    /// The snapshot that was asked.
    pub revision: u64,
    /// What would surely keep the call, or all its routes, from going on at this moment, as a cause: capacity, CPS, money. Each row is
    /// judged alone.
    pub now_cause: Option<u16>,
    /// All that stands against the call or one of its routes at this moment, in words.
    pub now: Option<String>,
    /// The egress trunks of `routes` against which nothing is sure to stand at this moment; absent where that was not looked at.
    pub routes_now: Option<String>,
    /// Which limits and purses could not be looked at, and why; absent if all were.
    pub limits_unknown: Option<String>,
}

/// The paths of batches.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(simulate_batch)).layer(DefaultBodyLimit::max(FILE_BYTES_MAX))
}

/// Simulates every row of a CSV file.
///
/// Columns: `called`, and `ingress_trunk` (id or code) or `source` (address:port); `calling`, `lrn`, `at` (RFC 3339), `seed` and `talk_ms`
/// may be left out. 100,000 rows at most. A row that cannot be read says so in its place and stops nothing. What limits and money say at this
/// moment stands beside the decision (`now_cause`, `now`, `routes_now`), as if each row were the only call.
#[utoipa::path(post, path = "/api/v1/route:simulate-batch", tag = "routing", params(BatchAsk),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, description = "A line for each row, in its order.", content(
        (String = "text/csv"), (BatchRow = "application/x-ndjson")))))]
async fn simulate_batch(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Query(ask): Query<BatchAsk>,
    request: Request,
) -> Answered<Response> {
    let bytes = extract::bytes(request, &app).await?;
    let snapshot = app.snapshots.of(ask.revision).await?;
    let names = app.names.read(&app.store).await?;
    let (node, form) = (app.node, ask.format.unwrap_or_default());
    let moment = if ask.live == Some(false) { None } else { Some(Moment::of(&app).await) };
    let text = String::from_utf8(bytes.into()).map_err(|_| Problem::invalid("", "the file is not UTF-8 text"))?;
    let runtime = tokio::runtime::Handle::current();
    let told = tokio::task::spawn_blocking(move || {
        let asked = Asked { view: snapshot.view(), node, names: &names, live: ask.live, moment };
        runtime.block_on(asked.rows(&text, form))
    });
    // A thread beside the event loop does not know the request's id.
    let known = |flaw: Problem| Problem { errors: flaw.errors, ..Problem::new(flaw.code, flaw.detail) };
    let told = told.await.map_err(Problem::internal)?.map_err(known)?;
    let kind = match form {
        BatchForm::Csv => "text/csv; charset=utf-8",
        BatchForm::Ndjson => "application/x-ndjson",
    };
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], told).into_response())
}

/// The same for the command line: every row of a CSV, decided from this snapshot, at this moment if one is given; `live` as in [`BatchAsk`].
///
/// # Errors
/// What is wrong with the file as a whole, or with the database.
pub async fn simulate_csv(
    store: &Store,
    snapshot: &Snapshot,
    node: NodeId,
    (text, form): (&str, BatchForm),
    (live, moment): (Option<bool>, Option<Moment>),
) -> Result<String, Problem> {
    let names = NameBook::default().read(store).await?;
    let names = names.with(&snapshot.view());
    Asked { view: snapshot.view(), node, names: &names, live, moment }.rows(text, form).await
}

/// What all rows are asked of.
struct Asked<'a> {
    view: View<'a>,
    node: NodeId,
    names: &'a Names,
    live: Option<bool>,
    moment: Option<Moment>,
}

impl Asked<'_> {
    async fn rows(mut self, text: &str, form: BatchForm) -> Answered<String> {
        let policies = Policies::compile(&self.view).map_err(Problem::internal)?;
        let head = text.lines().next().unwrap_or("");
        let separator = if head.contains(';') { b';' } else { b',' };
        if let Some(line) = rating::deck::unclosed(text, separator) {
            return Err(Problem::invalid(format!("{line}:0"), rating::deck::UNCLOSED));
        }
        let mut reader =
            csv::ReaderBuilder::new().delimiter(separator).trim(csv::Trim::All).from_reader(text.as_bytes());
        let columns = reader.headers().map_err(|flaw| Problem::invalid("1:0", flaw.to_string()))?.clone();
        known(&columns)?;
        let mut out = Writer::new(form);
        for (place, record) in reader.records().enumerate() {
            if place >= ROWS_MAX {
                return Err(Problem::invalid("", format!("the file has more than {ROWS_MAX} rows")));
            }
            let line = record.as_ref().ok().and_then(|record| record.position()).map(|at| at.line());
            let row = line.unwrap_or(place as u64 + 2);
            let read = record.and_then(|record| record.deserialize::<Row>(Some(&columns)));
            out.row(&match read {
                Ok(asked) => self.answer(&policies, row, &asked).await,
                Err(why) => wrong(&self.view, row, &Row::default(), why.to_string()),
            })?;
        }
        out.end()
    }

    async fn answer(&mut self, policies: &Policies, row: u64, asked: &Row) -> BatchRow {
        let told = match asked.question() {
            Ok(ask) => {
                let ask = SimulateAsk { live: self.live, ..ask };
                decide_now(&self.view, policies, self.node, self.names, &ask, self.moment.as_mut()).await.map_err(
                    |problem| match problem.errors.first() {
                        Some(flaw) => format!("{}: {}", flaw.pointer.trim_start_matches('/'), flaw.message),
                        None => problem.detail,
                    },
                )
            }
            Err(why) => Err(why),
        };
        match told {
            Ok(told) => told_of(row, asked, &told),
            Err(why) => wrong(&self.view, row, asked, why),
        }
    }
}

/// The header: every column is one that we know, and `called` is there.
fn known(columns: &csv::StringRecord) -> Answered<()> {
    const COLUMNS: [&str; 9] =
        ["called", "calling", "lrn", "ingress_trunk", "trunk", "source", "at", "seed", "talk_ms"];
    let place = |name: &str| columns.iter().position(|column| column == name).map_or(0, |place| place + 1);
    if let Some(odd) = columns.iter().find(|column| !COLUMNS.contains(column)) {
        let message = format!("column {odd:?} is not one of {}", COLUMNS.join(", "));
        return Err(Problem::invalid(format!("1:{}", place(odd)), message));
    }
    if place("called") == 0 { Err(Problem::invalid("1:0", "the column called is missing")) } else { Ok(()) }
}

impl Row {
    fn question(&self) -> Result<SimulateAsk, String> {
        let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let number = |name: &str, text: &str| match text {
            "" => Ok(None),
            text => text.parse::<u64>().map(Some).map_err(|_| format!("{name}: {text:?} is no whole number")),
        };
        let at = match self.at.as_str() {
            "" => None,
            text => {
                let read = serde_json::from_value(serde_json::Value::String(text.to_owned()));
                Some(read.map_err(|_| format!("at: {text:?} is no moment such as 2026-01-31T12:00:00Z"))?)
            }
        };
        Ok(SimulateAsk {
            ingress_trunk: given(&self.ingress_trunk),
            source: given(&self.source),
            calling: self.calling.clone(),
            called: self.called.clone(),
            lrn: self.lrn.clone(),
            at,
            seed: number("seed", &self.seed)?,
            talk_ms: number("talk_ms", &self.talk_ms)?,
            ..SimulateAsk::default()
        })
    }
}

fn told_of(row: u64, asked: &Row, told: &Simulation) -> BatchRow {
    let kept: Vec<_> = told.candidates.iter().filter(|candidate| candidate.verdict == Verdict::Kept).collect();
    let best = kept.first();
    let now = Now::of(told);
    BatchRow {
        outcome: if told.refusal.is_some() { BatchOutcome::Refused } else { BatchOutcome::Routed },
        cause: told.refusal.as_ref().map(|refusal| refusal.cause),
        reason: told.refusal.as_ref().map(|refusal| refusal.text.clone()),
        ingress_trunk: told.admission.as_ref().map(|admission| admission.ingress_trunk.code.clone()),
        originator: told.admission.as_ref().map(|admission| admission.originator.code.clone()),
        called_routed: told.admission.as_ref().map(|admission| admission.called_routed.clone()),
        jurisdiction: told.admission.as_ref().map(|admission| admission.jurisdiction),
        at: Some(told.at),
        sell_hours: told.sell.as_ref().map(|sell| sell.hours),
        sell_jurisdiction: told.sell.as_ref().map(|sell| sell.jurisdiction),
        currency: told.sell.as_ref().map(|sell| sell.currency.clone()),
        sell_price: told.sell.as_ref().map(|sell| sell.price),
        buy_price: told.buy.as_ref().map(|buy| buy.price),
        margin_per_minute: best.and_then(|best| best.margin_per_minute),
        terminator: best.map(|best| best.terminator.code.clone()),
        called_out: best.and_then(|best| best.called_out.clone()),
        routes: kept.iter().map(|candidate| candidate.egress_trunk.code.as_str()).collect::<Vec<_>>().join(" "),
        now_cause: now.cause,
        now: now.words,
        routes_now: now.routes,
        limits_unknown: told.limits_unknown.clone(),
        ..BatchRow::of(row, asked, told.revision)
    }
}

/// What stands against a call at this moment, in a row's words.
struct Now {
    cause: Option<u16>,
    words: Option<String>,
    routes: Option<String>,
}

impl Now {
    fn of(told: &Simulation) -> Now {
        let words = |whose: &str, hurdle: &Hurdle| {
            let may = if hurdle.certain { "" } else { "perhaps " };
            format!("{whose}{may}{} {}", hurdle.cause, hurdle.reason)
        };
        let mut all: Vec<String> = told.hurdles.iter().map(|hurdle| words("", hurdle)).collect();
        let kept = || told.candidates.iter().filter(|candidate| candidate.verdict == Verdict::Kept);
        for candidate in kept() {
            let whose = format!("{}: ", candidate.egress_trunk.code);
            all.extend(candidate.hurdles.iter().map(|hurdle| words(&whose, hurdle)));
        }
        let free: Vec<&str> = kept()
            .filter(|candidate| candidate.hurdles.iter().all(|hurdle| !hurdle.certain))
            .map(|candidate| candidate.egress_trunk.code.as_str())
            .collect();
        Now {
            cause: told.refusal_now().map(|hurdle| hurdle.cause),
            words: Some(all.join("; ")).filter(|words| !words.is_empty()),
            routes: told.limits_unknown.is_none().then(|| free.join(" ")),
        }
    }
}

fn wrong(view: &View<'_>, row: u64, asked: &Row, why: String) -> BatchRow {
    BatchRow { reason: Some(why), ..BatchRow::of(row, asked, view.revision().0) }
}

impl BatchRow {
    /// A row about which nothing is known yet.
    fn of(row: u64, asked: &Row, revision: u64) -> BatchRow {
        BatchRow {
            row,
            called: asked.called.clone(),
            calling: asked.calling.clone(),
            outcome: BatchOutcome::Wrong,
            cause: None,
            reason: None,
            ingress_trunk: None,
            originator: None,
            called_routed: None,
            jurisdiction: None,
            at: None,
            sell_hours: None,
            sell_jurisdiction: None,
            currency: None,
            sell_price: None,
            buy_price: None,
            margin_per_minute: None,
            terminator: None,
            called_out: None,
            routes: String::new(),
            revision,
            now_cause: None,
            now: None,
            routes_now: None,
            limits_unknown: None,
        }
    }
}

/// Rows on their way out.
enum Writer {
    Csv(Box<csv::Writer<Vec<u8>>>),
    Ndjson(Vec<u8>),
}

impl Writer {
    fn new(form: BatchForm) -> Writer {
        match form {
            BatchForm::Csv => Writer::Csv(Box::new(csv::Writer::from_writer(Vec::new()))),
            BatchForm::Ndjson => Writer::Ndjson(Vec::new()),
        }
    }

    fn row(&mut self, row: &BatchRow) -> Answered<()> {
        match self {
            Writer::Csv(out) => out.serialize(row).map_err(Problem::internal),
            Writer::Ndjson(out) => {
                serde_json::to_writer(&mut *out, row).map_err(Problem::internal)?;
                out.push(b'\n');
                Ok(())
            }
        }
    }

    fn end(self) -> Answered<String> {
        let bytes = match self {
            Writer::Csv(out) => out.into_inner().map_err(Problem::internal)?,
            Writer::Ndjson(out) => out,
        };
        String::from_utf8(bytes).map_err(Problem::internal)
    }
}
