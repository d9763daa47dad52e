//! Rewrites tried on one number, before they are kept.

use axum::Json;
use rating::Rules;
use serde::{Deserialize, Serialize};
use snapshot::policy::{Rewrite, RewriteField};
use snapshot::{Policy, PolicyFlaw, Side};
use units::{Cause, Number};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::Body;
use crate::problem::{Answered, Problem};
use crate::services::App;

/// Characters of the tried text at most.
const TEXT_CHARS_MAX: usize = 128;

/// Rewrites, and a number to try them on.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RewriteTry {
    /// As they stand in a policy.
    pub rewrite: Vec<Rewrite>,
    /// What the text is; rewrites of other fields leave it alone.
    pub field: RewriteField,
    /// A number, or a display name; up to 128 characters.
    #[schema(example = "0044207123456", max_length = 128)]
    pub text: String,
}

/// What became of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RewriteTried {
    /// After all rewrites.
    pub text: String,
    /// After each rewrite; null where it changed nothing.
    pub steps: Vec<Option<String>>,
    /// The cause that a call would be refused with: 28 if no number came out.
    pub cause: Option<u16>,
}

/// The path of the try-out.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(try_out))
}

/// Tries rewrites on a number by the data plane's own code; nothing is kept.
#[utoipa::path(post, path = "/api/v1/rewrites:try", tag = "routing", request_body = RewriteTry,
    responses((status = 200, description = "What became of it.", body = RewriteTried)))]
async fn try_out(_caller: May<rights::Read>, Body(ask): Body<RewriteTry>) -> Answered<Json<RewriteTried>> {
    if ask.text.chars().count() > TEXT_CHARS_MAX {
        return Err(Problem::invalid("/text", format!("{TEXT_CHARS_MAX} characters at most")));
    }
    let flaw = |flaw: PolicyFlaw| Problem::of_policy("", &flaw);
    let policy = |rewrite| Policy { rewrite, ..Policy::default() };
    policy(ask.rewrite.clone()).check(Side::Plan).map_err(flaw)?;
    let mut tried = RewriteTried { text: ask.text, steps: Vec::new(), cause: None };
    for (place, rule) in ask.rewrite.into_iter().enumerate() {
        let rules = Rules::compile(policy(vec![rule])).map_err(|one| flaw(one.at(place)))?;
        let next = rules.rewrite(ask.field, &tried.text);
        tried.text = next.clone().unwrap_or(tried.text);
        tried.steps.push(next);
    }
    let numeric = ask.field != RewriteField::DisplayName && !tried.text.is_empty();
    if numeric && Number::parse(tried.text.as_bytes()).is_err() {
        tried.cause = Some(Cause::INVALID_NUMBER.0);
    }
    Ok(Json(tried))
}
