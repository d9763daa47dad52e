//! All paths, what lies around them, and the document that describes them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate as _};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder, SecurityRequirement};
use utoipa::{OpenApi as _, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;

use crate::api;
use crate::auth::{self, Secret};
use crate::gui;
use crate::problem::{Code, Details, LINK, Problem, REQUEST_ID};
use crate::repeats;
use crate::services::{App, Inner, Services};
use crate::{nulls, ranges};

/// Bytes of a request at most, where a path does not say otherwise.
const BODY_MAX: usize = 1 << 20;
/// Files that are compressed already, and whose length is said.
const PACKED: NotForContentType = NotForContentType::const_new("application/gzip");
/// What a page may load and do: everything from here, no inline script. The component library writes styles inline.
const CSP: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; \
                   base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

/// The document's head.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Tandem",
        description = "The API of a Tandem switch. Errors are RFC 9457 problem details; lists are `{data, next_cursor, as_of}`; money is a \
            decimal string beside its currency; times are RFC 3339 in UTC. Changes of objects need the ETag that was read in `if-match`. \
            A browser logs in at `/api/v1/sessions` and sends `x-csrf-token` with every change; a program sends `authorization: Bearer KEY`. \
            A POST with an `idempotency-key` is done once, however often it is sent. Whoever is known may ask 60,000 times a minute: `ratelimit` says \
            what is left, 429 and `retry-after` when to go on.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Details))
)]
struct Head;

/// Paths that need a caller, and those that do not.
fn paths() -> (OpenApiRouter<App>, OpenApiRouter<App>) {
    let guarded = OpenApiRouter::new()
        .merge(api::access::routes())
        .merge(api::keys::routes())
        .merge(api::overview::routes())
        .merge(api::calls::routes())
        .merge(api::captures::routes())
        .merge(api::cdrs::routes())
        .merge(api::jobs::routes())
        .merge(api::story::routes())
        .merge(api::carriers::routes())
        .merge(api::cluster::routes())
        .merge(api::accounts::routes())
        .merge(api::ingress_trunks::routes())
        .merge(api::egress_trunks::routes())
        .merge(api::decks::routes())
        .merge(api::rates::routes())
        .merge(api::exchange_rates::routes())
        .merge(api::files::routes())
        .merge(api::imports::routes())
        .merge(api::invoices::routes())
        .merge(api::reratings::routes())
        .merge(api::revisions::routes())
        .merge(api::export::routes())
        .merge(api::check::routes())
        .merge(api::plans::routes())
        .merge(api::portal::routes())
        .merge(api::recordings::routes())
        .merge(api::trunk_groups::routes())
        .merge(api::rewrites::routes())
        .merge(api::search::routes())
        .merge(api::second_factor::routes())
        .merge(api::simulate::routes())
        .merge(api::batch::routes())
        .merge(api::latency::routes())
        .merge(api::nodes::routes())
        .merge(api::balances::routes())
        .merge(api::notices::routes())
        .merge(api::peers::routes())
        .merge(api::limits::routes())
        .merge(api::standings::routes())
        .merge(api::statistics::routes())
        .merge(api::audit::routes())
        .merge(api::alarms::routes())
        .merge(api::webhooks::routes())
        .merge(api::apply::routes());
    (guarded, api::ops::routes())
}

/// The OpenAPI 3.1 document of all paths.
pub fn openapi() -> OpenApi {
    let (guarded, open) = paths();
    let (_, document) = OpenApiRouter::with_openapi(Head::openapi()).merge(guarded).merge(open).split_for_parts();
    finished(document)
}

/// The document as it stands in the repository, without its last line feed.
pub fn openapi_text() -> String {
    openapi().to_pretty_json().expect("a document of strings and numbers becomes JSON")
}

/// Adds to every path what all have in common: who may ask, and how errors look.
fn finished(mut document: OpenApi) -> OpenApi {
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let components = document.components.get_or_insert_default();
    let cookie = ApiKey::Cookie(ApiKeyValue::with_description(auth::COOKIE, "Set by POST /api/v1/sessions."));
    components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
    components.add_security_scheme("key", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let either = ["cookie", "key"].map(|name| SecurityRequirement::new::<_, [&str; 0], &str>(name, []));
    document.security = Some(either.to_vec());
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name(Details::name()))).build();
    let problem =
        ResponseBuilder::new().description("What is wrong.").content("application/problem+json", problem).build();
    for (path, item) in &mut document.paths.paths {
        let operations = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("delete", &mut item.delete),
            ("patch", &mut item.patch),
        ];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            if method == "post" && ![auth::LOG_IN, api::jobs::EXPORT].contains(&path.as_str()) {
                operation.parameters.get_or_insert_default().push(repeats::parameter());
            }
            operation.operation_id = Some(operation_id(method, path));
            operation.responses.responses.insert("default".to_owned(), RefOr::T(problem.clone()));
        }
    }
    ranges::say(&mut document);
    nulls::say(&mut document);
    document
}

/// A name that no other operation has: `get_decks_id_rates`.
fn operation_id(method: &str, path: &str) -> String {
    let words = path.trim_start_matches("/api/v1").split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    format!("{method}_{}", words.join("_"))
}

/// The whole server, with what handlers share.
pub(crate) fn router(services: Services) -> (Router, App) {
    let app: App = Arc::new(Inner::new(services));
    let (guarded, open) = paths();
    let (guarded, _) = guarded.split_for_parts();
    let (open, _) = open.split_for_parts();
    let docs = SwaggerUi::new("/api/docs").url("/api/openapi.json", openapi());
    let guarded = guarded.route_layer(middleware::from_fn_with_state(Arc::clone(&app), auth::gate));
    let all = Router::new()
        .merge(guarded)
        .merge(open)
        .with_state(Arc::clone(&app))
        .merge(docs)
        .method_not_allowed_fallback(wrong_method)
        .fallback(gui::page)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(CompressionLayer::new().compress_when(DefaultPredicate::new().and(PACKED)))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), frame));
    (all, app)
}

/// The path is right, the method is not.
pub(crate) async fn wrong_method() -> Problem {
    Problem::new(Code::MethodNotAllowed, "this path takes other methods; see /api/docs")
}

/// Gives each request an id and each answer the headers that keep browsers out of trouble.
async fn frame(State(app): State<App>, request: Request, next: Next) -> Response {
    let api = request.uri().path().starts_with("/api/v1/");
    let id = Secret::draw().text()[..16].to_owned();
    let shown = HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("?"));
    let answered = async {
        match request.headers().get_all(header::HOST).iter().count() {
            0 | 2.. if request.version() == Version::HTTP_11 => {
                Problem::new(Code::Malformed, "a request has one Host header (RFC 9112 §3.2)").into_response()
            }
            _ => next.run(request).await,
        }
    };
    let answered = LINK.scope(Arc::clone(&app.link), answered);
    let mut response = REQUEST_ID.scope(id, answered).await;
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("x-request-id"), shown);
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if api {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
