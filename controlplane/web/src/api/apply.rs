//! The whole of a switch in one file.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::Body;
use crate::problem::{Answered, Code, Flaw, Problem};
use crate::services::{App, ApplyMistake, ApplyRefusal};

/// A YAML file and the CSV files that it names.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyAsk {
    /// The file's name, for messages.
    #[serde(default)]
    pub name: String,
    /// The YAML text.
    pub yaml: String,
    /// The text of each file that the YAML names, by the name used there.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Only says what would change.
    #[serde(default)]
    pub dry_run: bool,
}

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApplyAction {
    /// Made.
    Create,
    /// Changed.
    Update,
    /// Removed.
    Delete,
}

/// One difference between the file and the switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApplyChange {
    /// What happens.
    pub action: ApplyAction,
    /// `carrier`, `account`, `payment`, `ingress_trunk`, `egress_trunk`, `deck`, `plan`…
    pub kind: String,
    /// The object's code.
    pub code: String,
    /// In words: which fields, from what to what.
    pub detail: String,
}

/// What was done, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApplyReport {
    /// The changes, in the order of doing; empty when the switch is as the file says.
    pub changes: Vec<ApplyChange>,
    /// They were done.
    pub applied: bool,
}

/// Bytes of a request at most: a YAML file with several decks beside it.
const BODY_MAX: usize = 256 << 20;

/// The paths of applying.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(apply)).layer(DefaultBodyLimit::max(BODY_MAX))
}

/// Brings the switch to what a file says, in one transaction, or says what would change.
///
/// A mistake changes nothing; `errors[].pointer` is `file:line:column field`.
#[utoipa::path(post, path = "/api/v1/apply", tag = "system", request_body = ApplyAsk,
    responses((status = 200, description = "What was done, or would be.", body = ApplyReport)))]
async fn apply(
    caller: May<rights::Admin>,
    State(app): State<App>,
    Body(ask): Body<ApplyAsk>,
) -> Answered<Json<ApplyReport>> {
    let report = app.apply.apply(ask, caller.actor()).await?;
    if report.applied {
        app.publish.notify_one();
    }
    Ok(Json(report))
}

impl From<ApplyRefusal> for Problem {
    fn from(refusal: ApplyRefusal) -> Problem {
        let mistakes = match refusal {
            ApplyRefusal::Store(flaw) => return Problem::from(flaw),
            ApplyRefusal::Mistakes(mistakes) => mistakes,
        };
        let count = mistakes.len();
        let mut problem = Problem::new(Code::Invalid, format!("{count} mistakes in the file; nothing was changed"));
        problem.errors = mistakes.iter().map(ApplyMistake::flaw).collect();
        problem
    }
}

impl ApplyMistake {
    fn flaw(&self) -> Flaw {
        let ApplyMistake { file, line, column, field, why } = self;
        Flaw { pointer: format!("{file}:{line}:{column} {field}"), message: why.clone() }
    }
}
