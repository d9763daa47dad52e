//! The pages of the operator's console, built into the program.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::page::cursor_of;
use crate::problem::Problem;

/// What `npm run build` made; empty when it was not run before the program was built.
#[derive(RustEmbed)]
#[folder = "$TANDEM_PAGES"]
struct Pages;

/// Shown instead of the console by a program that was built without it.
const ABSENT: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Tandem</title></head><body>\
<h1>Tandem runs</h1><p>This program was built without the operator's console. Build it with \
<code>npm ci &amp;&amp; npm run build</code> in <code>controlplane/web/gui</code>, then build the program again.</p>\
<p>The API is here: <a href=\"/api/docs\">/api/docs</a>.</p></body></html>";

/// Serves a page, or the application for every path that is its own.
pub(crate) async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path == "api" || path.starts_with("api/") {
        return Problem::not_found(format!("path /{path}")).into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        let mut refused = crate::router::wrong_method().await.into_response();
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    if let Some(file) = Pages::get(path) {
        return whole(path, &file, &headers);
    }
    // A file that is not there is a mistake; any other path is a place within the application.
    if path.rsplit('/').next().is_some_and(|name| name.contains('.')) {
        return Problem::not_found(format!("path /{path}")).into_response();
    }
    match Pages::get("index.html") {
        Some(file) => whole("index.html", &file, &headers),
        None => Html(ABSENT).into_response(),
    }
}

fn whole(path: &str, file: &EmbeddedFile, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", cursor_of(&file.metadata.sha256_hash()[..16]));
    // The names of built assets hold a hash of their content, so they never change.
    let keep = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let fresh = known.is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag));
    let common = [(header::ETAG, tag), (header::CACHE_CONTROL, keep.to_owned())];
    if fresh {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let kind = [(header::CONTENT_TYPE, file.metadata.mimetype().to_owned())];
    (common, kind, file.data.clone().into_owned()).into_response()
}
