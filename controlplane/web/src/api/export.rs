//! A deck on its way out: the sheet that a carrier gets, or the notice of what changes.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Deserialize;
use store::{Deck, DeckDraft};
use units::WallTime;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::changes::off_the_loop;
use crate::auth::{May, rights};
use crate::extract::{Key, Query};
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::sheets::{self, Format};
use crate::value::{DeckRef, Time};

/// Which sheet.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ExportAsk {
    /// How the file is written; default `csv`.
    #[serde(default)]
    #[param(inline)]
    pub format: Format,
    /// Rates that end before this moment are left out; default now.
    pub at: Option<Time>,
    /// Only what differs from this revision, with a word on each line: an amendment notice.
    pub since_revision: Option<i64>,
    /// Only what differs from the deck as it was at this moment: an amendment notice.
    pub since: Option<Time>,
}

/// The path of exports.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(export))
}

/// Gives a deck as a file: the whole sheet, or with `since` or `since_revision` an amendment notice.
///
/// The columns are those that an import reads: a sheet that goes out comes in again without a word.
#[utoipa::path(get, path = "/api/v1/decks/{id}/rates:export", tag = "decks", params(("id" = DeckRef, Path), ExportAsk),
    responses((status = 200, description = "The file.", body = String, content_type = "text/csv")))]
async fn export(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Key(id): Key<DeckRef>,
    Query(ask): Query<ExportAsk>,
) -> Answered<impl IntoResponse> {
    let deck = app.store.get::<DeckDraft>(id.0).await?;
    let at = ask.at.unwrap_or_else(Time::now).0;
    let rates = app.store.every_rate(id.0).await?;
    let since = match (ask.since_revision, ask.since) {
        (Some(_), Some(_)) => return Err(Problem::invalid("?since", "either a moment or a revision")),
        (Some(revision), None) => Some(app.store.rates_at(id.0, revision).await?),
        (None, Some(moment)) => Some(app.store.rates_at(id.0, revision_at(&app, &deck, moment.0).await?).await?),
        (None, None) => None,
    };
    let code = deck.code.clone();
    let notice = since.is_some();
    let bytes = off_the_loop(move || sheets::written(&rates, since.as_deref(), at, ask.format));
    let bytes = bytes.await?.map_err(|why| Problem::invalid("?format", why))?;
    let (kind, ending) = match ask.format {
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
        Format::Xlsx => ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    };
    let what = if notice { "notice" } else { "rates" };
    let name = format!("attachment; filename=\"{code}-{what}.{ending}\"");
    Ok(([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)], bytes))
}

/// The last revision that was made before a moment; 0 if none was.
async fn revision_at(app: &App, deck: &Deck, moment: WallTime) -> Answered<i64> {
    let revisions = app.store.deck_revisions(deck.id).await?;
    let before = revisions.iter().find(|revision| revision.created <= moment);
    let none = || if revisions.len() < 100 { Some(0) } else { None };
    let found = before.map(|revision| revision.rates_version).or_else(none);
    found.ok_or_else(|| Problem::invalid("?since", "the deck's revisions do not go back so far"))
}
