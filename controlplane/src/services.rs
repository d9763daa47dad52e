//! What the web is given: the link, the collector's progress and `apply`, in the web's own terms.

use panel::wire::{Answer, Ask};
use store::Store;
use tokio::sync::watch;
use web::{ApplyMistake, ApplyRefusal, Backlog, Later};

use crate::apply::{self, Action, ApplyError, Files, Input};
use crate::collect::Progress;
use crate::link::Link;
use crate::publish::Publisher;

/// The connection to the data plane, and what the collector knows of its journal.
pub(crate) struct WebLink {
    pub(crate) link: Link,
    pub(crate) progress: watch::Receiver<Progress>,
}

impl web::Link for WebLink {
    fn ask(&self, ask: Ask) -> Later<'_, Result<Answer, web::LinkDown>> {
        Box::pin(async move { self.link.ask(ask).await.map_err(|_| web::LinkDown) })
    }

    fn backlog(&self) -> Backlog {
        let progress = self.progress.borrow();
        Backlog {
            records: progress.backlog_records,
            bytes: progress.backlog_bytes,
            oldest: progress.oldest,
            set_aside: progress.set_aside,
            collected: progress.at,
            away_since: progress.away_since,
        }
    }
}

/// Applies files that came over the API.
pub(crate) struct WebApply {
    pub(crate) store: Store,
    pub(crate) publisher: Publisher,
}

impl web::Apply for WebApply {
    fn apply(
        &self,
        ask: web::api::apply::ApplyAsk,
        actor: String,
    ) -> Later<'_, Result<web::api::apply::ApplyReport, ApplyRefusal>> {
        Box::pin(async move {
            let input = Input { name: ask.name, yaml: ask.yaml, files: Files::Inline(ask.files) };
            let report = apply::apply(&self.store, &input, ask.dry_run, Some(&actor)).await.map_err(refusal)?;
            if report.applied {
                self.publisher.changed();
            }
            Ok(told(report))
        })
    }
}

fn told(report: apply::Report) -> web::api::apply::ApplyReport {
    let changes = report.changes.into_iter().map(|change| web::api::apply::ApplyChange {
        action: match change.action {
            Action::Create => web::api::apply::ApplyAction::Create,
            Action::Update => web::api::apply::ApplyAction::Update,
            Action::Delete => web::api::apply::ApplyAction::Delete,
        },
        kind: change.kind.replace(' ', "_"),
        code: change.code,
        detail: change.detail,
    });
    web::api::apply::ApplyReport { changes: changes.collect(), applied: report.applied }
}

fn refusal(error: ApplyError) -> ApplyRefusal {
    match error {
        ApplyError::Store(error) => ApplyRefusal::Store(error),
        ApplyError::Mistakes(mistakes) => ApplyRefusal::Mistakes(
            mistakes
                .into_iter()
                .map(|m| ApplyMistake { file: m.file, line: m.line, column: m.column, field: m.field, why: m.why })
                .collect(),
        ),
    }
}
