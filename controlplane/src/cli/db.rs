//! `tandem db`: the database brought up to date, written into a file, and brought back.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::json;
use store::{Backup, MigrationPlan, Store, migration_plan, read_backup, restore};

use super::{Form, Output, Place, is_missing, table, which};
use crate::folder::Folder;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Brings the tables up to date; the node does that too when it starts.
    Migrate(Migrate),
    /// Writes everything into a file, as it is in one moment, while calls go on.
    Backup(Save),
    /// Writes a backup into a database of either kind. The control plane must not run.
    Restore(Restore),
    /// Reads a backup to its end and checks its sum.
    Verify(Check),
}

#[derive(Debug, Args)]
pub struct Migrate {
    /// Only says what would run and which tables would be locked meanwhile.
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: Form,
}

impl Migrate {
    /// Where it changes tables.
    pub(super) fn changes(&mut self) -> Option<&mut Place> {
        (!self.plan).then_some(&mut self.place)
    }
}

#[derive(Debug, Args)]
pub struct Save {
    /// The file; it must not exist.
    file: PathBuf,
    /// Leaves CDRs and captured calls out.
    #[arg(long)]
    without_cdrs: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub struct Restore {
    /// The file.
    file: PathBuf,
    /// Removes what is in the database's tables first. Without it a database that is not empty is refused.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    pub(super) place: Place,
}

#[derive(Debug, Args)]
pub struct Check {
    /// The file.
    file: PathBuf,
}

pub async fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Migrate(migrate) => bring_up_to_date(migrate).await?,
        Verb::Backup(save) => backup(save).await?,
        Verb::Restore(wanted) => {
            let url = wanted.place.url()?;
            let _own = stopped(&wanted.place, &url)?;
            let open = || Ok(GzDecoder::new(BufReader::new(File::open(&wanted.file)?)));
            told(&restore(&url, wanted.replace, open).await?, "restored");
        }
        Verb::Verify(Check { file }) => {
            let opened = File::open(&file).with_context(|| format!("cannot read {}", file.display()))?;
            told(&read_backup(&mut GzDecoder::new(BufReader::new(opened)))?, "whole");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn bring_up_to_date(migrate: Migrate) -> Result<()> {
    anyhow::ensure!(!is_missing(&migrate.place.url()?), "there is no such database: a node makes it when it starts");
    let plan = migration_plan(&migrate.place.url()?).await?;
    let wanted = !migrate.plan && !plan.steps.is_empty();
    if migrate.form.output == Output::Table {
        show(&plan);
    }
    if wanted {
        Store::open(&migrate.place.url()?).await?;
    }
    match migrate.form.output {
        Output::Json => say!("{}", serde_json::to_string_pretty(&object(&plan, wanted))?),
        Output::Table if wanted => say!("done"),
        Output::Table => {}
    }
    Ok(())
}

/// The plan for people.
fn show(plan: &MigrationPlan) {
    say!("step {} of {}", plan.current, plan.known);
    let rows: Vec<Vec<String>> = plan
        .steps
        .iter()
        .map(|step| {
            let locks = step.changes.iter().map(|(table, rows, bytes)| match bytes {
                0 => format!("{table} ({rows} rows)"),
                _ => format!("{table} (about {rows} rows, {} MiB)", bytes >> 20),
            });
            let locks: Vec<String> = locks.collect();
            let beside = if step.adds { "yes" } else { "no" };
            let (number, makes) = (step.version.to_string(), step.makes.join(" "));
            vec![number, step.name.clone(), makes, locks.join(", "), beside.to_owned()]
        })
        .collect();
    match rows.is_empty() {
        true => say!("nothing is to be done"),
        false => table(&["step", "what", "makes", "changes and locks", "older programs go on"], &rows),
    }
    for (step, name) in &plan.later {
        say!("step {step} ({name}) is of a later version; it only adds, so this program works with it");
    }
}

/// The plan for programs.
fn object(plan: &MigrationPlan, done: bool) -> serde_json::Value {
    let changes = |changes: &[(String, u64, u64)]| -> Vec<_> {
        changes.iter().map(|(table, rows, bytes)| json!({ "table": table, "rows": rows, "bytes": bytes })).collect()
    };
    let steps = plan.steps.iter().map(|step| {
        json!({ "step": step.version, "what": step.name, "makes": step.makes, "changes": changes(&step.changes), "adds": step.adds })
    });
    let later = plan.later.iter().map(|(step, name)| json!({ "step": step, "what": name })).collect::<Vec<_>>();
    json!({ "current": plan.current, "known": plan.known, "steps": steps.collect::<Vec<_>>(), "later": later, "done": done })
}

/// Holds the folder of the node on this machine that works with this database: nothing is put under a control plane that runs.
fn stopped(place: &Place, url: &str) -> Result<Option<File>> {
    // A database that is named may be that of any node here.
    let folders = place.data.as_ref().map_or_else(which::nodes, |path| [path.clone()].into());
    for folder in folders.iter().filter(|path| Folder::may_be(path)).filter_map(|path| Folder::open(path).ok()) {
        let noted = std::fs::read_to_string(folder.database()).unwrap_or_default();
        if noted.trim() == url || folder.default_database() == url {
            let own = folder.own().map(Some);
            return own.context("its control plane is running: stop the node before its database is replaced");
        }
    }
    Ok(None)
}

async fn backup(save: Save) -> Result<()> {
    let store = save.place.store().await?;
    // Hashes of passwords and addresses of trunks are in it: it is its owner's alone.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&save.file);
    let file = file.with_context(|| format!("cannot make {}", save.file.display()))?;
    let made = written(&store, !save.without_cdrs, file).await;
    if made.is_err() {
        // Half a backup is none, and would be in the way of the next one.
        let _ = std::fs::remove_file(&save.file);
    }
    told(&made?, "written");
    Ok(())
}

async fn written(store: &Store, with_cdrs: bool, file: File) -> Result<Backup> {
    let mut packed = GzEncoder::new(BufWriter::new(file), Compression::default());
    let made = store.backup(with_cdrs, &mut packed).await?;
    let mut file = packed.finish().context("cannot write the file")?;
    file.flush().context("cannot write the file")?;
    file.get_ref().sync_all().context("cannot write the file")?;
    Ok(made)
}

fn told(backup: &Backup, verb: &str) {
    let rows: u64 = backup.tables.iter().map(|table| table.rows).sum();
    say!("{verb}: {rows} rows of {} tables, schema {}", backup.tables.len(), backup.version);
}

#[cfg(test)]
mod tests {
    use store::MigrationStep;

    use super::*;

    #[test]
    fn a_plan_is_told_to_programs() {
        let step = MigrationStep {
            version: 41,
            name: "rooms".into(),
            changes: vec![("cdrs".into(), 7, 1 << 20)],
            makes: vec!["rooms".into()],
            adds: true,
        };
        let plan = MigrationPlan { current: 40, known: 41, steps: vec![step], later: vec![(42, "adds halls".into())] };
        let told = object(&plan, false);
        let changes = json!([{ "table": "cdrs", "rows": 7, "bytes": 1 << 20 }]);
        let steps = json!([{ "step": 41, "what": "rooms", "makes": ["rooms"], "changes": changes, "adds": true }]);
        let later = json!([{ "step": 42, "what": "adds halls" }]);
        assert_eq!(told, json!({ "current": 40, "known": 41, "steps": steps, "later": later, "done": false }));
    }
}
