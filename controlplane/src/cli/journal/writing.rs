//! `tandem journal replay`: CDRs of the journal that the database lacks, brought there once.

use std::process::ExitCode;

use anyhow::{Context, Result};
use cdr::{Cdr, Record};
use clap::Args;
use serde::Serialize;
use store::{Batch, Cursor, Store};
use units::NodeId;

use super::examine::examine;
use super::{EXIT_DIFFERENT, Form, Output, Where};
use crate::cli::Place;
use crate::collect::aside::{self, AsideFile};

/// Records that are compared at once.
const BLOCK: usize = 500;
/// The cursor's name: what is brought by hand leaves the collector's own place alone.
const KIND: &str = "replay";

#[derive(Debug, Args)]
pub struct Arguments {
    /// Bring what is missing into the database; without it nothing is changed.
    #[arg(long)]
    write: bool,
    /// Only what the collector set aside, not the segments. Once all of it is in the database, its file is put away.
    #[arg(long)]
    aside: bool,
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    form: Form,
}

impl Arguments {
    /// Where it brings records to.
    pub(in crate::cli) fn changes(&mut self) -> Option<&mut Place> {
        self.write.then_some(&mut self.at.place)
    }
}

/// What was found and done.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// CDRs in the journal.
    cdrs: u64,
    /// Of these, in the database before.
    present: u64,
    /// Not in the database.
    missing: u64,
    /// Of the missing ones, brought there.
    written: u64,
    /// The first missing ones.
    calls: Vec<String>,
    /// Why some were refused.
    refusals: Vec<String>,
    /// Damaged stretches and records that cannot be read.
    faults: u64,
}

pub async fn run(arguments: Arguments) -> Result<ExitCode> {
    let store = arguments.at.place.store().await?;
    let mut replay = Replay {
        store,
        mark: arguments.at.mark()?,
        write: arguments.write,
        node: NodeId(0),
        waiting: Vec::new(),
        report: Report::default(),
    };
    if arguments.aside {
        replay.set_aside(&AsideFile::beside(&arguments.at.journal()?)).await?;
    } else {
        for file in arguments.at.segments()? {
            let mut found = Vec::new();
            let look = examine(&file, &mut |_, record| {
                if let Record::Cdr(cdr) = record {
                    found.push((**cdr).clone());
                }
            })?;
            replay.report.faults += look.faults.len() as u64;
            replay.take(NodeId(look.node.unwrap_or(0)), found).await?;
        }
    }
    let report = replay.report;
    match arguments.form.output {
        Output::Json => say!("{}", serde_json::to_string_pretty(&report)?),
        Output::Table => report.print(),
    }
    let left = report.missing - report.written + report.faults;
    Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DIFFERENT) })
}

struct Replay {
    store: Store,
    mark: String,
    write: bool,
    node: NodeId,
    waiting: Vec<Cdr>,
    report: Report,
}

impl Replay {
    async fn take(&mut self, node: NodeId, cdrs: Vec<Cdr>) -> Result<()> {
        self.node = node;
        for cdr in cdrs {
            self.waiting.push(cdr);
            if self.waiting.len() >= BLOCK {
                self.block().await?;
            }
        }
        self.block().await
    }

    /// What the collector set aside; a file that holds nothing more that is missing is put away.
    async fn set_aside(&mut self, file: &AsideFile) -> Result<()> {
        let all = file.read().with_context(|| format!("cannot read {}", file.path().display()))?;
        for one in &all {
            let record = aside::bytes(&one.record).and_then(|bytes| Record::decode(&bytes).ok());
            match record {
                Some(Record::Cdr(cdr)) => self.take(cdr.call.node, vec![*cdr]).await?,
                _ => self.report.faults += 1,
            }
        }
        let report = &self.report;
        if self.write && report.cdrs > 0 && report.missing == report.written && report.faults == 0 {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let done = file.put_away(i64::try_from(now.as_secs()).unwrap_or(i64::MAX), &all)?;
            eprintln!("tandem: all of it is in the database; put away as {}", done.display());
        }
        Ok(())
    }

    async fn block(&mut self) -> Result<()> {
        let cdrs = std::mem::take(&mut self.waiting);
        let missing = self.store.missing_cdrs(&cdrs).await?;
        self.report.cdrs += cdrs.len() as u64;
        self.report.present += (cdrs.len() - missing.len()) as u64;
        self.report.missing += missing.len() as u64;
        for cdr in missing.iter().take(100 - self.report.calls.len().min(100)) {
            self.report.calls.push(format!("{} attempt {}", cdr.call, cdr.attempt));
        }
        if self.write {
            self.written(&missing).await?;
        }
        Ok(())
    }

    /// Brings all at once, or one by one where one is refused.
    async fn written(&mut self, missing: &[Cdr]) -> Result<()> {
        match self.insert(missing).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_away() => return Err(error.into()),
            Err(_) => {}
        }
        for one in missing {
            match self.insert(std::slice::from_ref(one)).await {
                Ok(()) => {}
                Err(error) if error.is_away() => return Err(error.into()),
                Err(error) => self.report.refusals.push(format!("{} attempt {}: {error}", one.call, one.attempt)),
            }
        }
        Ok(())
    }

    async fn insert(&mut self, cdrs: &[Cdr]) -> store::Result<()> {
        if cdrs.is_empty() {
            return Ok(());
        }
        let (node, folder, cursor) = (self.node, &self.mark, Cursor::default());
        self.store.insert_cdrs(Batch { node, kind: KIND, folder, cdrs, traces: &[], cursor }).await?;
        self.report.written += cdrs.len() as u64;
        Ok(())
    }
}

impl Report {
    fn print(&self) {
        self.calls.iter().for_each(|call| say!("missing: {call}"));
        self.refusals.iter().for_each(|refusal| say!("refused: {refusal}"));
        let Report { cdrs, present, missing, written, faults, .. } = self;
        say!("{cdrs} CDRs: {present} in the database, {missing} missing, {written} written, {faults} faults");
    }
}
