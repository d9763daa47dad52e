//! Changes of many rates on their way into a deck: kept as they came, looked at, approved, applied or cancelled.

pub mod review;

use axum::Json;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use store::{Deck, DeckDraft, Import as Kept, ImportState};
use units::WallTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::review::Review;
use super::changes::{ChangeKind, RateChange, off_the_loop};
use crate::auth::{May, rights};
use crate::desk::{self, ApplyImport, Doer, Look};
use crate::extract::{self, Body, Key, Query};
use crate::page::{self, List};
use crate::problem::{Answered, Code, Problem};
use crate::services::App;
use crate::sheets::{self, BulkChange, Reading, Terms};
use crate::value::{DeckRef, ImportRef, Named, Time};

/// Bytes of a file at most: a few million rates.
pub(crate) const FILE_BYTES_MAX: usize = 256 << 20;

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

/// A file, or a change of many rates, on its way into a deck.
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
    /// Who else has approved it. An approval holds for what was seen: an open import that would do something else has none.
    pub approved_by: Option<String>,
    /// When it was applied or cancelled.
    pub settled_at: Option<Time>,
    /// The revision of the deck that it made.
    pub revision: Option<i64>,
    /// How the file is read; absent for a change of many rates.
    pub terms: Option<Terms>,
    /// The change of many rates; absent for a file.
    pub change: Option<BulkChange>,
    /// What it says and what that means; only where one open import was asked for.
    pub review: Option<Review>,
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
    #[param(min_length = 1)]
    pub cursor: Option<String>,
}

/// Who approves what.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveImport {
    /// `seen` of the review that was looked at.
    pub seen: String,
}

/// The paths of imports and templates.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(change))
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
    request_body(content = String, content_type = "application/octet-stream"),
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
    let reading = Reading::Sheet(desk::template(&app.store, deck.0).await?);
    let name = ask.name.as_deref().unwrap_or("rates");
    let id = desk::bring(&app.store, &Doer::from(&*caller), deck.0, name, &bytes, &reading).await?;
    Ok((StatusCode::CREATED, Json(shown(&app, id).await?)))
}

/// Changes all rates of a mask from some moment on: the rates in force then are followed by others. What comes of it is an import like that
/// of a file: nothing of the deck changes before it is applied, and the same guards ask for a second user.
#[utoipa::path(post, path = "/api/v1/decks/{id}/rates:change", tag = "imports", params(("id" = DeckRef, Path)), request_body = BulkChange,
    responses((status = 201, description = "It, with its review.", body = Import)))]
async fn change(
    caller: May<rights::RatesWrite>,
    State(app): State<App>,
    Key(id): Key<DeckRef>,
    Body(ask): Body<BulkChange>,
) -> Answered<(StatusCode, Json<Import>)> {
    let deck = app.store.get::<DeckDraft>(id.0).await?;
    let reading = Reading::Change(ask);
    let file = reading.body();
    // What cannot be done at all is refused, not kept.
    let (old, draft, tried) = (app.store.every_rate(id.0).await?, deck.draft.clone(), reading.clone());
    let tried = off_the_loop(move || sheets::analyse(b"", &tried, &draft, old, Time::now().0).map(drop)).await?;
    tried.map_err(|why| Problem::invalid("", why))?;
    let id =
        desk::bring(&app.store, &Doer::from(&*caller), id.0, "change of many rates", file.as_bytes(), &reading).await?;
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
    desk::reread(&app.store, &Doer::from(&*caller), id.0, &terms).await?;
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
    let look = Look::at(&app.store, &app.analyses, id.0).await?;
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
    responses((status = 200, description = "The file.", body = String, content_type = "application/octet-stream")))]
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

/// Approves an open import that somebody else brought, and whose reading somebody else has said.
#[utoipa::path(post, path = "/api/v1/imports/{id}/approve", tag = "imports", params(("id" = ImportRef, Path)),
    request_body = ApproveImport, responses((status = 200, description = "It.", body = Import)))]
async fn approve(
    caller: May<rights::RatesWrite>,
    State(app): State<App>,
    Key(id): Key<ImportRef>,
    Body(ask): Body<ApproveImport>,
) -> Answered<Json<Import>> {
    desk::approve(&app.store, &app.analyses, &Doer::from(&*caller), id.0, &ask.seen).await?;
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
    desk::apply(&app.store, &app.analyses, &Doer::from(&*caller), id.0, ask).await?;
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
    desk::cancel(&app.store, &Doer::from(&*caller), id.0).await?;
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
    desk::template(&app.store, deck.0).await.map(Json)
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
    let before = desk::template(&app.store, deck.0).await?;
    let mut edit = app.store.edit().await?;
    edit.set_deck_template(deck.0, caller.user(), &caller.actor(), &terms.body()).await?;
    edit.audit(&caller.entry("template", deck, Some(&before), Some(&terms))).await?;
    edit.commit().await?;
    Ok(Json(terms))
}

async fn shown(app: &App, id: u32) -> Answered<Import> {
    let kept = app.store.import(id).await?;
    if kept.state != ImportState::Open {
        let deck = app.store.get::<DeckDraft>(kept.draft.deck).await?;
        return Ok(Import::show(&kept, &deck));
    }
    match Look::at(&app.store, &app.analyses, id).await {
        Ok(look) => Ok(Import {
            review: Some(look.review()),
            approved_by: look.is_approved().then(|| look.kept.approver.clone()),
            ..Import::show(&look.kept, &look.deck)
        }),
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
        let (terms, change) = match Reading::parse(&kept.draft.body) {
            Reading::Sheet(terms) => (Some(terms), None),
            Reading::Change(change) => (None, Some(change)),
        };
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
            approved_by: (kept.approved_by != 0).then(|| kept.approver.clone()),
            settled_at: kept.settled.map(Time),
            revision: (kept.state == ImportState::Applied).then_some(kept.rates_version),
            terms,
            change,
            review: None,
        }
    }
}
