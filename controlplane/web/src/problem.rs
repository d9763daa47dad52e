//! Errors as RFC 9457 problem details.

use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::services::Link;

tokio::task_local! {
    /// The id of the request that is being answered; set by `frame`.
    pub(crate) static REQUEST_ID: String;
    /// Who knows what waits for the database; set by `frame`.
    pub(crate) static LINK: Arc<dyn Link>;
}

/// What went wrong with a request.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// What programs branch on.
    pub code: Code,
    /// What is wrong with this request.
    pub detail: String,
    /// Which parts of the request are wrong; empty when it is not about a part.
    pub errors: Vec<Flaw>,
    /// The request's id.
    pub request_id: String,
}

/// What went wrong, for programs (`code`, `errors`) and for people (`title`, `detail`): RFC 9457.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct Details {
    /// Where the code is explained.
    #[serde(rename = "type")]
    #[schema(example = "/api/docs#problem-conflict")]
    pub kind: String,
    /// A few words, the same for every problem of this code.
    pub title: String,
    /// The HTTP status.
    #[schema(example = 409)]
    pub status: u16,
    /// What is wrong with this request.
    pub detail: String,
    /// Stable; what programs branch on.
    pub code: Code,
    /// Which parts of the request are wrong; empty when it is not about a part.
    pub errors: Vec<Flaw>,
    /// The request's id: the same as the header `x-request-id`.
    pub request_id: String,
}

/// One wrong part of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Flaw {
    /// JSON Pointer into the body (`/sources/0/network`), or `?name` for a query parameter.
    pub pointer: String,
    /// What is wrong with it.
    pub message: String,
}

macro_rules! codes {
    ($($(#[$meta:meta])* $name:ident $status:ident $title:literal;)*) => {
        /// Stable names of problems.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $($(#[$meta])* $name,)*
        }

        impl Code {
            fn status(self) -> StatusCode {
                match self {
                    $(Code::$name => StatusCode::$status,)*
                }
            }

            fn title(self) -> &'static str {
                match self {
                    $(Code::$name => $title,)*
                }
            }
        }
    };
}

codes! {
    /// The body is not JSON, or not of the wanted shape.
    Malformed BAD_REQUEST "the request cannot be read";
    /// Nobody has said who they are.
    NotLoggedIn UNAUTHORIZED "log in first";
    /// User and password, token or key are not right.
    WrongCredentials UNAUTHORIZED "wrong credentials";
    /// User and password are right; a code of the second factor is wanted beside them.
    SecondFactorWanted UNAUTHORIZED "a code of the second factor is wanted";
    /// The caller's role must have a second factor, and the caller has none yet.
    SecondFactorMissing FORBIDDEN "a second factor must be set up first";
    /// A cookie came without the header that proves that our own page sent it.
    CsrfMissing FORBIDDEN "the header x-csrf-token is missing or wrong";
    /// The caller lacks the scope.
    NotAllowed FORBIDDEN "not allowed";
    /// The key is good, and not for requests from this address.
    WrongAddress FORBIDDEN "not from this address";
    /// No such object.
    NotFound NOT_FOUND "not found";
    /// The path takes other methods.
    MethodNotAllowed METHOD_NOT_ALLOWED "method not allowed";
    /// A unique value is taken, or another object leans on this one.
    Conflict CONFLICT "conflict";
    /// The object was changed since it was read.
    Changed PRECONDITION_FAILED "changed meanwhile";
    /// The body is of another kind than this path takes.
    MediaType UNSUPPORTED_MEDIA_TYPE "unsupported media type";
    /// Longer than the server accepts.
    TooLarge PAYLOAD_TOO_LARGE "body too large";
    /// A value is out of its range or names nothing.
    Invalid UNPROCESSABLE_ENTITY "a value cannot be accepted";
    /// A change of an object needs the header `if-match`.
    IfMatchMissing PRECONDITION_REQUIRED "the header if-match is missing";
    /// Too many requests, or too many wrong log-ins.
    TooMany TOO_MANY_REQUESTS "too many requests";
    /// Our own broken promise; the log has the reason under the request id.
    Internal INTERNAL_SERVER_ERROR "internal error";
    /// The database does not answer.
    DatabaseAway SERVICE_UNAVAILABLE "the database is away";
    /// The data plane does not answer.
    DataPlaneAway SERVICE_UNAVAILABLE "the data plane is away";
    /// No snapshot has been published.
    NoSnapshot SERVICE_UNAVAILABLE "no snapshot yet";
}

impl Problem {
    /// A problem of this code.
    pub fn new(code: Code, detail: impl Into<String>) -> Problem {
        let request_id = REQUEST_ID.try_with(String::clone).unwrap_or_default();
        Problem { code, detail: detail.into(), errors: Vec::new(), request_id }
    }

    /// A wrong value of one field of the body or of one parameter.
    pub fn invalid(pointer: impl Into<String>, message: impl Into<String>) -> Problem {
        let message = message.into();
        let mut problem = Problem::new(Code::Invalid, message.clone());
        problem.errors.push(Flaw { pointer: pointer.into(), message });
        problem
    }

    /// No such object.
    pub fn not_found(what: impl std::fmt::Display) -> Problem {
        Problem::new(Code::NotFound, format!("there is no {what}"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let name = serde_json::to_value(self.code).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
        let details = Details {
            kind: format!("/api/docs#problem-{name}"),
            title: self.code.title().to_owned(),
            status: status.as_u16(),
            detail: self.detail,
            code: self.code,
            errors: self.errors,
            request_id: self.request_id,
        };
        let mut response = (status, axum::Json(details)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        // RFC 9110 §15.5.2: a 401 names a way in. Browsers ask nobody for a bearer's key by themselves.
        if status == StatusCode::UNAUTHORIZED {
            let way = HeaderValue::from_static("Bearer realm=\"tandem\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, way);
        }
        let retry_after_s = match self.code {
            Code::TooMany => Some("60"),
            Code::DatabaseAway => Some("10"),
            _ => None,
        };
        if let Some(seconds) = retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        response
    }
}

/// What handlers return.
pub type Answered<T> = Result<T, Problem>;

impl From<store::StoreError> for Problem {
    fn from(flaw: store::StoreError) -> Problem {
        use store::{ConflictKind, StoreError};
        let text = flaw.to_string();
        match flaw {
            StoreError::NotFound { .. } => Problem::new(Code::NotFound, text),
            StoreError::Conflict { kind: ConflictKind::Stale, .. } => Problem::new(Code::Changed, text),
            StoreError::Conflict { .. } => Problem::new(Code::Conflict, text),
            StoreError::Invalid { field, why } => {
                let mut problem = Problem::new(Code::Invalid, text);
                problem.errors.push(Flaw { pointer: format!("/{field}"), message: why });
                problem
            }
            StoreError::Policy(flaw) => Problem::of_policy("/policy", &flaw),
            StoreError::Rules { route, flaw } => {
                let at = route.map_or("/rules".to_owned(), |place| format!("/routes/{place}/rules"));
                let mut problem = Problem::new(Code::Invalid, text);
                problem.errors.push(Flaw { pointer: policy_pointer(&at, &flaw), message: flaw.reason });
                problem
            }
            StoreError::Away(why) => Problem::without_database("does not answer", &why),
            StoreError::ReadOnly(why) => Problem::without_database("takes no changes", &why),
            StoreError::Broken(why) => Problem::internal(why),
        }
    }
}

impl Problem {
    /// A wrong field of a policy that stands at this pointer.
    pub(crate) fn of_policy(at: &str, flaw: &snapshot::PolicyFlaw) -> Problem {
        let mut problem = Problem::new(Code::Invalid, format!("policy.{flaw}"));
        problem.errors.push(Flaw { pointer: policy_pointer(at, flaw), message: flaw.reason.clone() });
        problem
    }

    /// The database cannot do what was asked, and so nothing was changed. Says since when, and what waits for it meanwhile.
    fn without_database(state: &str, why: &str) -> Problem {
        tracing::warn!(why, "the database {state}");
        let backlog = LINK.try_with(|link| link.backlog()).unwrap_or_default();
        Problem::new(Code::DatabaseAway, backlog.tell(state))
    }

    /// Our own broken promise: the reason goes to the log, under the request's id.
    pub fn internal(why: impl std::fmt::Display) -> Problem {
        let problem = Problem::new(Code::Internal, "the log has the reason under this request's id");
        tracing::error!(%why, request_id = problem.request_id, "a request could not be answered");
        problem
    }
}

/// `rewrite.pattern` of entry 2 → `/policy/rewrite/2/pattern`: the number stands behind the list.
fn policy_pointer(at: &str, flaw: &snapshot::PolicyFlaw) -> String {
    let parts: Vec<&str> = flaw.field.split('.').collect();
    let list = parts.len() - usize::from(LISTED.contains(&flaw.field));
    let mut pointer = at.to_owned();
    for (depth, part) in parts.iter().enumerate() {
        pointer.push_str(&format!("/{part}"));
        if let Some(place) = flaw.place.filter(|_| depth + 1 == list) {
            pointer.push_str(&format!("/{place}"));
        }
    }
    pointer
}

/// Fields inside the entries of a list; any other field with a place is the list itself.
const LISTED: &[&str] = &[
    "rewrite.pattern",
    "rewrite.replacement",
    "headers.add.name",
    "headers.add.value",
    "answers.statuses.cause",
    "answers.statuses.status",
    "areas.name",
    "areas.prefixes",
    "hours.days",
    "hours.from",
    "hours.till",
];
