//! `tandem revision`: published snapshots of the whole configuration, and an older one in force again.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Subcommand;
use panel::wire::{Answer, Ask};
use store::AuditEntry;
use web::snapshot_files::{self, Held};

use super::{EXIT_DIFFERENT, EXIT_NOT_FOUND, ListForm, Listing, Place, moment};
use crate::link::ask_once;

/// Revisions that are listed.
const LISTED_MAX: u32 = 20;
/// How often the data plane is asked whether it decides from the revision, and how long.
const ASKED_EVERY: Duration = Duration::from_millis(50);
const ASKED_MAX: u32 = 60;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Published snapshots, newest first, and which of them this node keeps.
    #[command(alias = "ls")]
    List(Listing),
    /// Puts a kept revision in force on this node within a second, until the next change of anything is published.
    Restore {
        /// Its number.
        revision: u64,
        #[command(flatten)]
        place: Place,
    },
}

pub async fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::List(Listing { place, form }) => list(&place, form).await,
        Verb::Restore { revision, place } => restore(revision, &place).await,
    }
}

async fn list(place: &Place, form: ListForm) -> Result<ExitCode> {
    let snapshots = place.folder()?.snapshots();
    let rows = place.store().await?.revisions(LISTED_MAX).await?;
    let is_kept = |revision: u64| snapshots.join(format!("{revision}.snap")).exists();
    let shown = |row: &store::RevisionRow| {
        serde_json::json!({ "revision": row.revision.0, "built_at": moment(row.created), "rates": row.rates,
            "kept": is_kept(row.revision.0) })
    };
    let cells = |row: &store::RevisionRow| {
        let kept = if is_kept(row.revision.0) { "yes" } else { "no" };
        vec![row.revision.0.to_string(), moment(row.created), row.rates.to_string(), kept.to_owned()]
    };
    let lines: Vec<Vec<String>> = rows.iter().map(cells).collect();
    form.show(&["revision", "built", "rates", "kept"], &lines, || rows.iter().map(shown).collect::<Vec<_>>())?;
    Ok(ExitCode::SUCCESS)
}

async fn restore(revision: u64, place: &Place) -> Result<ExitCode> {
    let (folder, store) = (place.folder()?, place.store().await?);
    let held = Held { revision, counter: store.changes().await? };
    if let Err(flaw) = snapshot_files::hold(&folder.snapshots(), held) {
        eprintln!("tandem: revision {revision}: {flaw}");
        return Ok(ExitCode::from(EXIT_NOT_FOUND));
    }
    let (actor, action) = ("cli".to_owned(), "restore".to_owned());
    let object = format!("revision {revision}");
    store.audit(&AuditEntry { actor, action, object, ..AuditEntry::default() }).await?;
    for _ in 0..ASKED_MAX {
        let answer = ask_once(&folder.socket(), Ask::Figures).await.context("no data plane answers")?;
        if matches!(answer, Answer::Figures(figures) if figures.shards.iter().all(|shard| shard.revision == revision)) {
            eprintln!("tandem: calls are decided from revision {revision} until the next change");
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(ASKED_EVERY).await;
    }
    eprintln!("tandem: revision {revision} is asked for, and the data plane does not decide from it yet");
    Ok(ExitCode::from(EXIT_DIFFERENT))
}
