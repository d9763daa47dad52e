//! Revisions of a deck's rates: every change can be read, compared and undone.

use axum::Json;
use axum::extract::State;
use rating::diff;
use serde::{Deserialize, Serialize};
use store::DeckDraft;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::changes::{ChangeKind, RateChange, off_the_loop};
use crate::auth::{May, rights};
use crate::extract::{Key, Keys, Query};
use crate::page::{self, List};
use crate::problem::Answered;
use crate::services::App;
use crate::value::{DeckRef, Time};

/// One change of a deck's rates.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeckRevision {
    /// Its number within the deck.
    pub revision: i64,
    /// When.
    pub created_at: Time,
    /// Rates in the deck after it.
    pub rates: u64,
    /// Where it came from: a file, a person.
    pub note: String,
    /// The deck can be brought back to it.
    pub restorable: bool,
}

/// Against what a revision is compared.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The revision that it leads to; the deck as it stands if absent.
    pub with: Option<i64>,
    /// Only changes of this kind.
    pub kind: Option<ChangeKind>,
    /// Rows at most, 1 to 1,000; default 200.
    #[param(minimum = 1, maximum = 1000, default = 200)]
    pub limit: Option<u32>,
    /// `next_cursor` of the part before.
    #[param(min_length = 1)]
    pub cursor: Option<String>,
}

/// The paths of revisions.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(compare)).routes(routes!(restore))
}

/// Lists the newest revisions of a deck's rates, 100 at most.
#[utoipa::path(get, path = "/api/v1/decks/{id}/revisions", tag = "decks", params(("id" = DeckRef, Path)),
    responses((status = 200, description = "The list, newest first.", body = List<DeckRevision>)))]
async fn list(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Key(deck): Key<DeckRef>,
) -> Answered<Json<List<DeckRevision>>> {
    let oldest = app.store.oldest_revision(deck.0).await?;
    let revisions = app.store.deck_revisions(deck.0).await?;
    let show = |revision: &store::DeckRevision| DeckRevision {
        revision: revision.rates_version,
        created_at: Time(revision.created),
        rates: revision.rates,
        note: revision.note.clone(),
        restorable: revision.rates_version >= oldest,
    };
    Ok(Json(List::whole(revisions.iter().map(show).collect())))
}

/// Compares a revision with another, or with the deck as it stands: what differs, in order of prefix and date.
#[utoipa::path(get, path = "/api/v1/decks/{id}/revisions/{revision}/changes", tag = "decks",
    params(("id" = DeckRef, Path), ("revision" = i64, Path, description = "0 is before the first."), Comparison),
    responses((status = 200, description = "A part of the list.", body = List<RateChange>)))]
async fn compare(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Keys(deck, revision): Keys<DeckRef, i64>,
    Query(ask): Query<Comparison>,
) -> Answered<Json<List<RateChange>>> {
    let limit = page::limit(ask.limit)? as usize;
    let start = match &ask.cursor {
        None => 0,
        Some(cursor) => {
            let inside = page::inside_of(cursor)?;
            u32::from_be_bytes(inside.try_into().map_err(|_| page::foreign_cursor())?) as usize
        }
    };
    let old = app.store.rates_at(deck.0, revision).await?;
    let new = match ask.with {
        Some(with) => app.store.rates_at(deck.0, with).await?,
        None => app.store.every_rate(deck.0).await?,
    };
    let (mut found, more) = off_the_loop(move || {
        // Rates that stand in both are no difference, whatever they say.
        let edits = diff::edits(&old, &new);
        let changes = diff::diff(&edits.gone, &edits.put);
        let against_old = changes.iter().map(|change| match (change.old, change.new) {
            (None, Some(new)) => {
                diff::Change { old: old.iter().find(|rate| diff::by_key(rate, new).is_eq()), ..*change }
            }
            _ => *change,
        });
        let shown = against_old.map(|change| match change.new {
            Some(new) => diff::Change { kind: diff::kind_of(change.old, new), ..change },
            None => change,
        });
        let wanted = shown.filter(|change| ask.kind.is_none_or(|kind| kind == change.kind.into()));
        let mut found: Vec<RateChange> =
            wanted.skip(start).take(limit + 1).map(|change| RateChange::show(&change)).collect();
        let more = found.len() > limit;
        found.truncate(limit);
        (found, more)
    })
    .await?;
    let next = more.then(|| page::cursor_of(&((start + limit) as u32).to_be_bytes()));
    found.shrink_to_fit();
    Ok(Json(List::part(found, next)))
}

/// Brings a deck's rates back to what they were at a revision. That is a revision of its own, so it can be undone as well.
#[utoipa::path(post, path = "/api/v1/decks/{id}/revisions/{revision}/restore", tag = "decks",
    params(("id" = DeckRef, Path), ("revision" = i64, Path)),
    responses((status = 200, description = "The revision that this made.", body = DeckRevision)))]
async fn restore(
    caller: May<rights::RatesWrite>,
    State(app): State<App>,
    Keys(deck, revision): Keys<DeckRef, i64>,
) -> Answered<Json<DeckRevision>> {
    let mut edit = app.store.edit().await?;
    let note = format!("{} restored revision {revision}", caller.actor());
    let rates = edit.restore_rates(deck.0, revision, &note).await?;
    let version = edit.get::<DeckDraft>(deck.0).await?.facts.rates_version;
    let counts = serde_json::json!({ "restored": revision, "revision": version, "rates": rates });
    edit.audit(&caller.entry("restore", deck, None, Some(&counts))).await?;
    edit.commit().await?;
    app.publish.notify_one();
    Ok(Json(DeckRevision { revision: version, created_at: Time::now(), rates, note, restorable: true }))
}
