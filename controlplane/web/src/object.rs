//! What the seven kinds of configuration objects have in common over HTTP: list, read, make, change, delete.

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use store::{Object, Stored};

use crate::auth::Caller;
use crate::names::Names;
use crate::page::{self, List, Page};
use crate::problem::{Answered, Code, Problem};
use crate::services::App;

/// A kind of object as the API shows it.
pub(crate) trait Shown: Serialize + Send + Sync + Sized {
    /// What the store keeps.
    type Draft: Object;
    /// From the store's words to the API's.
    fn show(stored: &Stored<Self::Draft>, names: &Names) -> Self;
    /// The id as in JSON.
    fn key(id: u32) -> String;
}

/// An object with its ETag.
pub(crate) struct Tagged<T> {
    status: StatusCode,
    version: String,
    value: T,
}

impl<T> Tagged<T> {
    /// An object as it stands.
    pub(crate) fn found(version: String, value: T) -> Tagged<T> {
        Tagged { status: StatusCode::OK, version, value }
    }
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let tag = [(header::ETAG, format!("\"{}\"", self.version))];
        (self.status, tag, Json(self.value)).into_response()
    }
}

/// What the header `if-match` says: one of the versions that the writer saw is to stand.
pub(crate) enum IfMatch {
    /// `*`: whatever stands.
    Any,
    /// One of these tags.
    OneOf(Vec<String>),
}

impl IfMatch {
    /// The version that must still stand when the change is made, of an object that stands with this one now.
    fn expected(&self, stands: i64) -> Answered<Option<i64>> {
        match self {
            IfMatch::Any => Ok(None),
            tags if tags.admits(&stands.to_string()) => Ok(Some(stands)),
            IfMatch::OneOf(_) => Err(Problem::new(Code::Changed, "it was changed by someone else since you read it")),
        }
    }

    /// Whether an object with this tag may be changed.
    pub(crate) fn admits(&self, tag: &str) -> bool {
        match self {
            IfMatch::Any => true,
            IfMatch::OneOf(tags) => tags.iter().any(|known| known == tag),
        }
    }
}

/// The versions that the writer saw: a change without them could undo somebody else's. RFC 9110 §13.1.1: `*`, or tags with commas
/// between them, in one line or several. A weak tag counts as the strong one that a proxy made it of when it packed the answer.
pub(crate) fn if_match(headers: &HeaderMap) -> Answered<IfMatch> {
    let lines: Vec<&str> = headers.get_all(header::IF_MATCH).iter().filter_map(|line| line.to_str().ok()).collect();
    let text = lines.join(",");
    let tags = tags(&text);
    match tags.as_slice() {
        [] => Err(Problem::new(Code::IfMatchMissing, "send the ETag of the object that you read as if-match")),
        [any] if any == "*" => Ok(IfMatch::Any),
        _ => Ok(IfMatch::OneOf(tags)),
    }
}

/// The tags of a list, without quotes; commas between quotes part nothing.
fn tags(text: &str) -> Vec<String> {
    let (mut tags, mut quoted) = (vec![String::new()], false);
    for letter in text.chars() {
        quoted ^= letter == '"';
        match tags.last_mut() {
            Some(tag) if quoted || letter != ',' => tag.push(letter),
            _ => tags.push(String::new()),
        }
    }
    let given = tags.iter().map(|tag| tag.trim()).filter(|tag| !tag.is_empty());
    given.map(|tag| tag.trim_start_matches("W/").trim_matches('"').to_owned()).collect()
}

/// A page of objects.
pub(crate) async fn list<T: Shown>(app: &App, page: &Page, carrier: Option<u32>) -> Answered<Json<List<T>>> {
    let limit = page::limit(page.limit)?;
    let after = page::id_of(page.cursor.as_deref())?;
    let rows = app.store.list::<T::Draft>(store::Page { after, limit, carrier }).await?;
    let names = app.names.read(&app.store).await?;
    let full = rows.len() == limit as usize;
    let next = rows.last().filter(|_| full).map(|last| page::cursor_of(&last.id.to_be_bytes()));
    Ok(Json(List::part(rows.iter().map(|stored| T::show(stored, &names)).collect(), next)))
}

/// One object.
pub(crate) async fn read<T: Shown>(app: &App, id: u32) -> Answered<Tagged<T>> {
    let stored = app.store.get::<T::Draft>(id).await?;
    tagged(app, StatusCode::OK, &stored).await
}

/// Makes an object, writes it down and asks for publication.
pub(crate) async fn create<T: Shown>(app: &App, caller: &Caller, draft: T::Draft) -> Answered<Tagged<T>> {
    let mut edit = app.store.edit().await?;
    let stored = edit.create(&draft).await?;
    let shown = T::show(&stored, &*app.names.read(&app.store).await?);
    edit.audit(&caller.entry("create", T::key(stored.id), None, Some(&shown))).await?;
    edit.commit().await?;
    app.publish.notify_one();
    tagged(app, StatusCode::CREATED, &stored).await
}

/// Changes an object, writes it down and asks for publication.
pub(crate) async fn update<T: Shown>(
    app: &App,
    caller: &Caller,
    id: u32,
    headers: &HeaderMap,
    patch: impl FnOnce(&mut T::Draft) -> Answered<()> + Send,
) -> Answered<Tagged<T>> {
    let seen = if_match(headers)?;
    let mut edit = app.store.edit().await?;
    let before = edit.get::<T::Draft>(id).await?;
    let expected = seen.expected(before.version)?;
    let mut draft = before.draft.clone();
    patch(&mut draft)?;
    let after = edit.update(id, &draft, expected).await?;
    let names = app.names.read(&app.store).await?;
    let (old, new) = (T::show(&before, &names), T::show(&after, &names));
    edit.audit(&caller.entry("update", T::key(id), Some(&old), Some(&new))).await?;
    edit.commit().await?;
    app.publish.notify_one();
    tagged(app, StatusCode::OK, &after).await
}

/// Deletes an object, writes it down and asks for publication.
pub(crate) async fn delete<T: Shown>(app: &App, caller: &Caller, id: u32, headers: &HeaderMap) -> Answered<StatusCode> {
    let seen = if_match(headers)?;
    let mut edit = app.store.edit().await?;
    let before = edit.get::<T::Draft>(id).await?;
    let expected = seen.expected(before.version)?;
    let old = T::show(&before, &*app.names.read(&app.store).await?);
    edit.delete::<T::Draft>(id, expected).await?;
    edit.audit(&caller.entry("delete", T::key(id), Some(&old), None)).await?;
    edit.commit().await?;
    app.publish.notify_one();
    Ok(StatusCode::NO_CONTENT)
}

async fn tagged<T: Shown>(app: &App, status: StatusCode, stored: &Stored<T::Draft>) -> Answered<Tagged<T>> {
    let names = app.names.read(&app.store).await?;
    Ok(Tagged { status, version: stored.version.to_string(), value: T::show(stored, &names) })
}

/// Puts a given value in place of the old one.
pub(crate) fn set<T>(place: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *place = value;
    }
}
