//! A carrier's file on its way into a deck: kept as it came, read as its template says, looked at, approved, applied or cancelled.

use std::sync::Arc;

use axum::Json;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use store::{Deck, DeckDraft, Import as Kept, ImportDraft, ImportState};
use units::WallTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::import::{ChangeKind, FILE_BYTES_MAX, RateChange, RowProblem, off_the_loop, refuse_flawed};
use crate::auth::{May, rights};
use crate::extract::{self, Body, Key, Query};
use crate::page::{self, List};
use crate::problem::{Answered, Code, Problem};
use crate::services::App;
use crate::sheets::{self, Analysis, Key as Which, Opposite, Terms};
use crate::value::{Amount, DeckRef, ImportRef, Named, Time};

/// The window of the traffic that changes are measured by: seven days, in microseconds.
const WEEK: i64 = 7 * 86_400 * 1_000_000;
/// Decks of the other side that margins are looked at with.
const OPPOSITES_MAX: usize = 8;

/// How an import ended, if it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportPhase {
    /// Somebody is looking at it.
    Open,
    /// Its rates are in the deck.
    Applied,
    /// It changes nothing.
    Cancelled,
}

/// A file on its way into a deck.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Import {
    /// Its id.
    pub id: ImportRef,
    /// The deck.
    pub deck: Named<DeckRef>,
    /// The file's name.
    pub name: String,
    /// Bytes of the file.
    pub size: u64,
    /// SHA-256 of the file in hexadecimal digits.
    pub sha256: String,
    /// When it came.
    pub created_at: Time,
    /// Who brought it.
    pub created_by: String,
    /// Where it stands.
    pub state: ImportPhase,
    /// Who else has approved it.
    pub approved_by: Option<String>,
    /// When it was applied or cancelled.
    pub settled_at: Option<Time>,
    /// The revision of the deck that it made.
    pub revision: Option<i64>,
    /// How it is read.
    pub terms: Terms,
    /// What it says and what that means; only where one open import was asked for.
    pub review: Option<Review>,
}

/// One column of the file.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SheetColumn {
    /// Its place, from 1.
    pub column: u32,
    /// Its name in the file.
    pub name: String,
    /// What it is read as; absent if it is not read.
    pub means: Option<String>,
}

/// A destination that would be sold below its cost, and is not today.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BrokenMargin {
    /// The destination.
    pub prefix: String,
    /// What people call it.
    pub destination: String,
    /// The deck of the other side of these calls.
    pub deck: Named<DeckRef>,
    /// What a minute would be sold at.
    pub sell_per_minute: Amount,
    /// What a minute would cost.
    pub buy_per_minute: Amount,
}

/// What a file says and what that means.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Review {
    /// Why the file cannot be read at all; then all else is empty.
    pub unreadable: Option<String>,
    /// Its columns.
    pub columns: Vec<SheetColumn>,
    /// Rates read from the file.
    pub rows: u32,
    /// Rates in the deck afterwards, past ones among them.
    pub rates_after: u32,
    /// Prefixes that were not in the deck.
    pub new: u32,
    /// Prefixes that cost more.
    pub increased: u32,
    /// Prefixes that cost less.
    pub decreased: u32,
    /// Prefixes of the same price.
    pub unchanged: u32,
    /// Prefixes that end.
    pub closed: u32,
    /// Prefixes where calls are refused from then on.
    pub blocked: u32,
    /// The first 1,000 cells that could not be taken; their rows are left out.
    pub problems: Vec<RowProblem>,
    /// How many there are.
    pub problem_count: u32,
    /// The first 1,000 cells that were taken and are worth a look.
    pub warnings: Vec<RowProblem>,
    /// How many there are.
    pub warning_count: u32,
    /// Rows whose status marker says something else than our difference.
    pub disagreements: u32,
    /// Increases that begin before the notice period ends.
    pub notice_violations: u32,
    /// Minutes of the last seven days over this deck.
    pub minutes: u64,
    /// What they cost by the rates that stand, in the deck's currency.
    pub cost_before: Amount,
    /// What they would cost by the rates that come.
    pub cost_after: Amount,
    /// Minutes that no rate would cover.
    pub minutes_lost: u64,
    /// The first 1,000 destinations that would be sold below cost, and are not today.
    pub broken: Vec<BrokenMargin>,
    /// How many there are.
    pub broken_count: u32,
    /// Why a second user must approve; empty if nobody must.
    pub guards: Vec<String>,
}

/// The file's name.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ImportName {
    /// The file's name, for people.
    pub name: Option<String>,
}

/// Which changes of an import.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ChangeFilter {
    /// Only changes of this kind.
    pub kind: Option<ChangeKind>,
    /// Only changes that begin before the notice period ends, or whose marker says something else, or whose margin rises above the guard.
    #[serde(default)]
    pub flagged: bool,
    /// Only prefixes that start with these characters.
    pub prefix: Option<String>,
    /// Rows at most, 1 to 1,000; default 200.
    #[param(minimum = 1, maximum = 1000, default = 200)]
    pub limit: Option<u32>,
    /// `next_cursor` of the part before.
    pub cursor: Option<String>,
}

/// How an import is applied.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApplyImport {
    /// Rows with problems are left out, and codes named there stay as they are. Without this they keep the file from being applied.
    pub skip_problems: bool,
    /// How the file was read becomes the deck's template, dates apart.
    pub remember: bool,
}

/// The paths of imports and templates.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read))
        .routes(routes!(reread))
        .routes(routes!(changes))
        .routes(routes!(file))
        .routes(routes!(approve))
        .routes(routes!(apply))
        .routes(routes!(cancel))
        .routes(routes!(template, set_template))
        .layer(DefaultBodyLimit::max(FILE_BYTES_MAX))
}

/// Lists the newest imports of a deck, 100 at most.
#[utoipa::path(get, path = "/api/v1/decks/{id}/imports", tag = "imports", params(("id" = DeckRef, Path)),
    responses((status = 200, description = "The list, newest first.", body = List<Import>)))]
async fn list(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Key(deck): Key<DeckRef>,
) -> Answered<Json<List<Import>>> {
    let deck = app.store.get::<DeckDraft>(deck.0).await?;
    let kept = app.store.imports(deck.id).await?;
    Ok(Json(List::whole(kept.iter().map(|kept| Import::show(kept, &deck)).collect())))
}

/// Keeps a file as it is, CSV or a workbook (XLSX, XLS, ODS), and reads it as the deck's template says. Nothing of the deck changes.
#[utoipa::path(post, path = "/api/v1/decks/{id}/imports", tag = "imports", params(("id" = DeckRef, Path), ImportName),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, description = "It, with its review.", body = Import)))]
async fn create(
    caller: May<rights::RatesWrite>,
    State(app): State<App>,
    Key(deck): Key<DeckRef>,
    Query(ask): Query<ImportName>,
    request: Request,
) -> Answered<(StatusCode, Json<Import>)> {
    let bytes = extract::bytes(request, &app).await?;
    if bytes.is_empty() {
        return Err(Problem::invalid("", "the file is empty"));
    }
    let terms = terms_of(&app, deck.0).await?;
    let draft = ImportDraft {
        deck: deck.0,
        name: ask.name.unwrap_or_else(|| "rates".to_owned()),
        sha256: sheets::sha256(&bytes),
        made_by: caller.user(),
        actor: caller.actor(),
        body: terms.body(),
    };
    let mut edit = app.store.edit().await?;
    edit.get::<DeckDraft>(deck.0).await?;
    let id = edit.add_import(&draft, &bytes).await?;
    edit.audit(&caller.act("upload", format!("{deck} {}", ImportRef(id)))).await?;
    edit.commit().await?;
    Ok((StatusCode::CREATED, Json(shown(&app, id).await?)))
}

/// Reads an import, with its review while it is open.
#[utoipa::path(get, path = "/api/v1/imports/{id}", tag = "imports", params(("id" = ImportRef, Path)),
    responses((status = 200, description = "It.", body = Import)))]
async fn read(_caller: May<rights::Read>, State(app): State<App>, Key(id): Key<ImportRef>) -> Answered<Json<Import>> {
    shown(&app, id.0).await.map(Json)
}

/// Reads the file in another way. An approval that was given is taken back.
#[utoipa::path(put, path = "/api/v1/imports/{id}/terms", tag = "imports", params(("id" = ImportRef, Path)), request_body = Terms,
    responses((status = 200, description = "It, with its new review.", body = Import)))]
async fn reread(
    caller: May<rights::RatesWrite>,
    State(app): State<App>,
    Key(id): Key<ImportRef>,
    Body(terms): Body<Terms>,
) -> Answered<Json<Import>> {
    terms.options(WallTime::default()).map_err(|why| Problem::invalid("", why))?;
    let mut edit = app.store.edit().await?;
    edit.reread_import(id.0, &terms.body()).await?;
    edit.audit(&caller.act("reread", id)).await?;
    edit.commit().await?;
    shown(&app, id.0).await.map(Json)
}

/// Lists what an open import would change, in order of prefix and date.
#[utoipa::path(get, path = "/api/v1/imports/{id}/changes", tag = "imports", params(("id" = ImportRef, Path), ChangeFilter),
    responses((status = 200, description = "A part of the list.", body = List<RateChange>)))]
async fn changes(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Key(id): Key<ImportRef>,
    Query(filter): Query<ChangeFilter>,
) -> Answered<Json<List<RateChange>>> {
    let limit = page::limit(filter.limit)? as usize;
    let start = match &filter.cursor {
        None => 0,
        Some(cursor) => {
            let inside = page::inside_of(cursor)?;
            u32::from_be_bytes(inside.try_into().map_err(|_| page::foreign_cursor())?) as usize
        }
    };
    let look = Look::at(&app, id.0).await?;
    let lines = look.analysis.merged.lines.iter().enumerate().skip(start);
    let all = lines.map(|(place, line)| (place, look.change(line)));
    let fits = |change: &RateChange| {
        filter.kind.is_none_or(|kind| kind == change.kind)
            && (!filter.flagged || !change.flags.is_empty())
            && filter.prefix.as_ref().is_none_or(|prefix| change.prefix.starts_with(prefix.as_str()))
    };
    let mut found: Vec<_> = all.filter(|(_, change)| fits(change)).take(limit + 1).collect();
    let next = (found.len() > limit).then(|| found.pop()).flatten();
    let next = next.map(|(place, _)| page::cursor_of(&(place as u32).to_be_bytes()));
    Ok(Json(List::part(found.into_iter().map(|(_, change)| change).collect(), next)))
}

/// The file of an import, byte by byte as it came.
#[utoipa::path(get, path = "/api/v1/imports/{id}/file", tag = "imports", params(("id" = ImportRef, Path)),
    responses((status = 200, description = "The file.", body = Vec<u8>, content_type = "application/octet-stream")))]
async fn file(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Key(id): Key<ImportRef>,
) -> Answered<impl IntoResponse> {
    app.store.import(id.0).await?;
    let bytes = app.store.import_file(id.0).await?;
    let head = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CONTENT_DISPOSITION, "attachment")];
    Ok((head, bytes))
}

/// Approves an open import that somebody else brought.
#[utoipa::path(post, path = "/api/v1/imports/{id}/approve", tag = "imports", params(("id" = ImportRef, Path)),
    responses((status = 200, description = "It.", body = Import)))]
async fn approve(
    caller: May<rights::RatesWrite>,
    State(app): State<App>,
    Key(id): Key<ImportRef>,
) -> Answered<Json<Import>> {
    let mut edit = app.store.edit().await?;
    edit.approve_import(id.0, caller.user(), &caller.actor()).await?;
    edit.audit(&caller.act("approve", id)).await?;
    edit.commit().await?;
    shown(&app, id.0).await.map(Json)
}

/// Puts an open import into its deck: all in one transaction, each rate from its own moment on.
///
/// 422 with problems in the file, 409 while a second user's approval is missing, 412 if the deck changed meanwhile.
#[utoipa::path(post, path = "/api/v1/imports/{id}/apply", tag = "imports", params(("id" = ImportRef, Path)),
    request_body = ApplyImport, responses((status = 200, description = "It.", body = Import)))]
async fn apply(
    caller: May<rights::RatesWrite>,
    State(app): State<App>,
    Key(id): Key<ImportRef>,
    Body(ask): Body<ApplyImport>,
) -> Answered<Json<Import>> {
    let look = Look::at(&app, id.0).await?;
    let sheet = &look.analysis.sheet;
    if !ask.skip_problems {
        refuse_flawed(sheet)?;
    } else if sheet.rates.is_empty() && sheet.closings.is_empty() {
        return Err(Problem::invalid("", "the file holds no rate; nothing was changed"));
    }
    let guards = sheets::guards(&look.analysis.merged, &look.guard);
    if !guards.is_empty() && !is_approved(&look.kept, &look.deck) {
        let why = format!("a second user must approve it first: {}", guards.join("; "));
        return Err(Problem::new(Code::Conflict, why));
    }
    let mut edit = app.store.edit().await?;
    let is_seen = edit.open_import(id.0).await? == look.kept;
    if !is_seen || edit.get::<DeckDraft>(look.deck.id).await?.facts.rates_version != look.deck.facts.rates_version {
        return Err(Problem::new(
            Code::Changed,
            "the deck or the import was changed meanwhile: look at the import again",
        ));
    }
    let note = format!("{} imported {} ({id})", caller.actor(), look.kept.draft.name);
    edit.replace_rates(look.deck.id, &look.analysis.merged.rates, &note).await?;
    let revision = edit.get::<DeckDraft>(look.deck.id).await?.facts.rates_version;
    edit.settle_import(id.0, ImportState::Applied, revision).await?;
    if ask.remember {
        let kept = Terms { from: None, increases_from: None, decreases_from: None, ..look.terms.clone() };
        let kept = kept.guarded_as(&look.guard);
        if kept != look.guard {
            edit.set_deck_template(look.deck.id, &caller.actor(), &kept.body()).await?;
        }
    }
    let counts = look.review();
    let counts = serde_json::json!({
        "import": id, "new": counts.new, "increased": counts.increased, "decreased": counts.decreased,
        "unchanged": counts.unchanged, "closed": counts.closed, "blocked": counts.blocked, "skipped": counts.problem_count,
    });
    edit.audit(&caller.entry("import", DeckRef(look.deck.id), None, Some(&counts))).await?;
    edit.commit().await?;
    app.publish.notify_one();
    shown(&app, id.0).await.map(Json)
}

/// Ends an open import without a change.
#[utoipa::path(post, path = "/api/v1/imports/{id}/cancel", tag = "imports", params(("id" = ImportRef, Path)),
    responses((status = 200, description = "It.", body = Import)))]
async fn cancel(
    caller: May<rights::RatesWrite>,
    State(app): State<App>,
    Key(id): Key<ImportRef>,
) -> Answered<Json<Import>> {
    let mut edit = app.store.edit().await?;
    edit.settle_import(id.0, ImportState::Cancelled, 0).await?;
    edit.audit(&caller.act("cancel", id)).await?;
    edit.commit().await?;
    shown(&app, id.0).await.map(Json)
}

/// How the sheets of a deck are read.
#[utoipa::path(get, path = "/api/v1/decks/{id}/template", tag = "imports", params(("id" = DeckRef, Path)),
    responses((status = 200, description = "What was said last, or defaults.", body = Terms)))]
async fn template(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Key(deck): Key<DeckRef>,
) -> Answered<Json<Terms>> {
    app.store.get::<DeckDraft>(deck.0).await?;
    terms_of(&app, deck.0).await.map(Json)
}

/// Says how the sheets of a deck are read from now on, and what needs a second user. Earlier versions are kept.
#[utoipa::path(put, path = "/api/v1/decks/{id}/template", tag = "imports", params(("id" = DeckRef, Path)), request_body = Terms,
    responses((status = 200, description = "It as it stands then.", body = Terms)))]
async fn set_template(
    caller: May<rights::RatesWrite>,
    State(app): State<App>,
    Key(deck): Key<DeckRef>,
    Body(terms): Body<Terms>,
) -> Answered<Json<Terms>> {
    terms.options(WallTime::default()).map_err(|why| Problem::invalid("", why))?;
    let before = terms_of(&app, deck.0).await?;
    let mut edit = app.store.edit().await?;
    edit.set_deck_template(deck.0, &caller.actor(), &terms.body()).await?;
    edit.audit(&caller.entry("template", deck, Some(&before), Some(&terms))).await?;
    edit.commit().await?;
    Ok(Json(terms))
}

async fn terms_of(app: &App, deck: u32) -> Answered<Terms> {
    Ok(app.store.deck_template(deck).await?.map_or_else(Terms::default, |kept| Terms::parse(&kept.body)))
}

async fn shown(app: &App, id: u32) -> Answered<Import> {
    let kept = app.store.import(id).await?;
    if kept.state != ImportState::Open {
        let deck = app.store.get::<DeckDraft>(kept.draft.deck).await?;
        return Ok(Import::show(&kept, &deck));
    }
    match Look::at(app, id).await {
        Ok(look) => Ok(Import { review: Some(look.review()), ..Import::show(&look.kept, &look.deck) }),
        // A file that cannot be read at all is shown with the reason, so that its terms can be changed.
        Err(problem) if problem.code == Code::Invalid => {
            let deck = app.store.get::<DeckDraft>(kept.draft.deck).await?;
            let review = Review { unreadable: Some(problem.detail), ..Review::default() };
            Ok(Import { review: Some(review), ..Import::show(&kept, &deck) })
        }
        Err(problem) => Err(problem),
    }
}

impl Import {
    fn show(kept: &Kept, deck: &Deck) -> Import {
        Import {
            id: ImportRef(kept.id),
            deck: Named { id: DeckRef(deck.id), code: deck.code.clone() },
            name: kept.draft.name.clone(),
            size: kept.size,
            sha256: kept.draft.sha256.clone(),
            created_at: Time(kept.created),
            created_by: kept.draft.actor.clone(),
            state: match kept.state {
                ImportState::Open => ImportPhase::Open,
                ImportState::Applied => ImportPhase::Applied,
                ImportState::Cancelled => ImportPhase::Cancelled,
            },
            approved_by: is_approved(kept, deck).then(|| kept.approver.clone()),
            settled_at: kept.settled.map(Time),
            revision: (kept.state == ImportState::Applied).then_some(kept.rates_version),
            terms: Terms::parse(&kept.draft.body),
            review: None,
        }
    }
}

/// An approval holds for the deck that was seen: once it has changed, the import would do something else.
fn is_approved(kept: &Kept, deck: &Deck) -> bool {
    kept.approved_by != 0 && (kept.state != ImportState::Open || kept.rates_version == deck.facts.rates_version)
}

/// An open import, read and put over its deck.
struct Look {
    kept: Kept,
    deck: Deck,
    terms: Terms,
    /// The deck's template: what needs a second user is not for the file's terms to say.
    guard: Terms,
    analysis: Arc<Analysis>,
}

impl Look {
    async fn at(app: &App, id: u32) -> Answered<Look> {
        let kept = app.store.import(id).await?;
        if kept.state != ImportState::Open {
            return Err(Problem::new(Code::Conflict, "the import was applied or cancelled before"));
        }
        // Looking takes no lock. Should the deck change between its version and its rates, then `apply` finds another version.
        let deck = app.store.get::<DeckDraft>(kept.draft.deck).await?;
        let terms = Terms::parse(&kept.draft.body);
        let guard = terms_of(app, deck.id).await?;
        let which = Which { import: id, body: kept.draft.body.clone(), rates_version: deck.facts.rates_version };
        if let Some(analysis) = app.analyses.get(&which) {
            return Ok(Look { kept, deck, terms, guard, analysis });
        }
        let old = app.store.every_rate(deck.id).await?;
        let file = app.store.import_file(id).await?;
        let now = Time::now().0;
        let week_ago = WallTime::from_micros(now.micros() - WEEK);
        let traffic = app.store.traffic(deck.id, week_ago, now).await?;
        let (sells, others) = opposites(app, &deck).await?;
        let (reading, currency) = (terms.clone(), deck.currency.code());
        let analysis = off_the_loop(move || {
            let mut analysis = sheets::analyse(&file, &reading, &currency, old, now)?;
            analysis.impact = sheets::impact(&analysis.merged, &traffic, now);
            (analysis.broken, analysis.broken_count) = sheets::broken(&analysis.merged, sells, &others, now);
            Ok(Arc::new(analysis))
        });
        let analysis = analysis.await?.map_err(|why: String| Problem::new(Code::Invalid, why))?;
        app.analyses.keep(which, &analysis);
        Ok(Look { kept, deck, terms, guard, analysis })
    }

    fn change(&self, line: &rating::deck::merge::Line) -> RateChange {
        let mut change = RateChange::of(&self.analysis.merged, line);
        if let Some((duration_ms, difference)) = self.analysis.impact.by_prefix.get(&change.prefix) {
            change.minutes = Some(duration_ms / 60_000);
            change.impact = Some(Amount(*difference));
        }
        if self.short_notice(line) {
            change.flags.push("notice".to_owned());
        }
        if line.disagrees.is_some() {
            change.flags.push("marker".to_owned());
        }
        if sheets::rises_too_much(&self.analysis.merged, line, &self.guard) {
            change.flags.push("guard".to_owned());
        }
        change
    }

    /// True for an increase that begins before the notice period after the file's arrival is over.
    fn short_notice(&self, line: &rating::deck::merge::Line) -> bool {
        let notice = i64::from(self.terms.notice_days) * 86_400 * 1_000_000;
        line.kind == rating::diff::ChangeKind::Increase && line.at.micros() < self.kept.created.micros() + notice
    }

    fn review(&self) -> Review {
        let (sheet, merged) = (&self.analysis.sheet, &self.analysis.merged);
        let counts = rating::deck::merge::counts(&merged.lines);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let count = |fits: &dyn Fn(&rating::deck::merge::Line) -> bool| {
            number(merged.lines.iter().filter(|line| fits(line)).count())
        };
        let impact = &self.analysis.impact;
        let means = |it: &rating::deck::HeadColumn| it.means.map(|column| column.word().to_owned());
        let column =
            |it: &rating::deck::HeadColumn| SheetColumn { column: it.column, name: it.name.clone(), means: means(it) };
        Review {
            unreadable: None,
            columns: sheet.columns.iter().map(column).collect(),
            rows: number(sheet.rates.len()),
            rates_after: number(merged.rates.len()),
            new: number(counts.new),
            increased: number(counts.increased),
            decreased: number(counts.decreased),
            unchanged: number(counts.unchanged),
            closed: number(counts.closed),
            blocked: number(counts.blocked),
            problems: sheet.problems.iter().map(RowProblem::show).collect(),
            problem_count: number(sheet.problem_count),
            warnings: sheet.warnings.iter().map(RowProblem::show).collect(),
            warning_count: number(sheet.warning_count),
            disagreements: count(&|line| line.disagrees.is_some()),
            notice_violations: count(&|line| self.short_notice(line)),
            minutes: impact.duration_ms / 60_000,
            cost_before: Amount(impact.before),
            cost_after: Amount(impact.after),
            minutes_lost: impact.lost_ms / 60_000,
            broken: self.analysis.broken.iter().map(BrokenMargin::show).collect(),
            broken_count: number(self.analysis.broken_count),
            guards: sheets::guards(merged, &self.guard),
        }
    }
}

impl BrokenMargin {
    fn show(broken: &sheets::Broken) -> BrokenMargin {
        BrokenMargin {
            prefix: broken.prefix.clone(),
            destination: broken.destination.clone(),
            deck: Named { id: DeckRef(broken.deck), code: broken.code.clone() },
            sell_per_minute: Amount(broken.sell),
            buy_per_minute: Amount(broken.buy),
        }
    }
}

/// Whether a deck is sold by, and the decks on the other side of the calls of its trunks, in its currency.
async fn opposites(app: &App, deck: &Deck) -> Answered<(bool, Vec<Opposite>)> {
    let egress = app.store.all::<store::EgressTrunkDraft>().await?;
    let ingress = app.store.all::<store::IngressTrunkDraft>().await?;
    let plans = app.store.all::<store::PlanDraft>().await?;
    let sells = ingress.iter().any(|trunk| trunk.sell_deck.0 == deck.id);
    let mut decks = std::collections::BTreeSet::new();
    for plan in &plans {
        let buys = plan.routes.iter().filter_map(|route| egress.iter().find(|trunk| trunk.id == route.egress_trunk.0));
        let buys: Vec<u32> = buys.map(|trunk| trunk.buy_deck.0).collect();
        let sold: Vec<u32> =
            ingress.iter().filter(|trunk| trunk.plan.0 == plan.id).map(|trunk| trunk.sell_deck.0).collect();
        if sells && sold.contains(&deck.id) {
            decks.extend(&buys);
        }
        if !sells && buys.contains(&deck.id) {
            decks.extend(&sold);
        }
    }
    let mut others = Vec::new();
    for id in decks.into_iter().filter(|id| *id != deck.id).take(OPPOSITES_MAX) {
        let other = app.store.get::<DeckDraft>(id).await?;
        if other.currency == deck.currency {
            let rates = Arc::new(app.store.every_rate(id).await?);
            others.push(Opposite { deck: id, code: other.code.clone(), rates });
        }
    }
    Ok((sells, others))
}
