//! `tandem replay`: recorded decisions made again on the snapshot of their revision, byte for byte.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use cdr::{Cdr, Priced};
use clap::Args;
use rating::Charge;
use rating::decision::{Decision, FORMAT, decode, format_of};
use rating::replay::{Difference, Repeater, price, same_terms};
use serde::Serialize;
use units::EgressTrunkId;

use super::past::{Library, Past, Window, line};
use super::{EXIT_DIFFERENT, Form, Output, Place, table};

/// Calls between two lines of progress.
const PROGRESS_CALLS: u64 = 100_000;

/// Makes recorded decisions again and compares order, verdicts, rates and prices.
///
/// Each call's decision record holds every input besides the snapshot, so the snapshot file of its revision gives the same answer on any
/// machine. Exit code 0: all the same; 3: something differs, a record cannot be read or a revision is missing, and each is named. A record
/// of another format, written by an earlier or later Tandem, is named by its format.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    window: Window,
    /// Where the snapshot files N.snap are; those of the data folder if not given.
    #[arg(long, value_name = "DIR")]
    snapshots: Option<PathBuf>,
    /// Only write the calls to this file, one JSON object with the record's bytes a line, for a replay elsewhere.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "snapshots"])]
    export: Option<PathBuf>,
    /// Differences that are shown at most; all are counted.
    #[arg(long, value_name = "N", default_value_t = 100)]
    show: usize,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: Form,
}

pub async fn run(arguments: Arguments) -> Result<ExitCode> {
    let mut past = Past::open(&arguments.window, &arguments.place).await?;
    if let Some(path) = &arguments.export {
        return export(&mut past, path).await;
    }
    let folder = match &arguments.snapshots {
        Some(folder) => folder.clone(),
        None => arguments.place.folder()?.snapshots(),
    };
    let began = Instant::now();
    let mut replay = Replay::new(folder, arguments.show);
    loop {
        let page = past.page().await?;
        if page.is_empty() {
            break;
        }
        for cdr in &page {
            replay.look(cdr);
        }
    }
    let Replay { report, .. } = replay;
    eprintln!("tandem: {} calls in {:.1} s", report.calls, began.elapsed().as_secs_f64());
    match arguments.form.output {
        Output::Json => say!("{}", serde_json::to_string_pretty(&report)?),
        Output::Table => report.print(),
    }
    Ok(if report.is_same() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DIFFERENT) })
}

async fn export(past: &mut Past, path: &PathBuf) -> Result<ExitCode> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut file = BufWriter::new(file);
    let mut count = 0_u64;
    loop {
        let page = past.page().await?;
        if page.is_empty() {
            break;
        }
        for cdr in page.iter().filter(|cdr| !cdr.decision.is_empty()) {
            file.write_all(line(cdr)?.as_bytes())?;
            count += 1;
        }
    }
    file.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    eprintln!("tandem: {count} calls written to {}", path.display());
    Ok(ExitCode::SUCCESS)
}

/// What is said of a record that cannot be read.
fn unread(decision: &[u8]) -> Difference {
    let (recorded, repeated) = match format_of(decision) {
        Some(format) if format != FORMAT => {
            (format!("format {format}"), format!("only format {FORMAT} can be replayed"))
        }
        _ => (format!("{} bytes", decision.len()), "cannot be read".to_owned()),
    };
    Difference { input: "decision record".into(), recorded, repeated }
}

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// Calls looked at.
    calls: u64,
    /// Decided again with the same bytes and prices.
    same: u64,
    /// Calls with at least one difference.
    differing: u64,
    /// Calls that were refused before a decision was made.
    undecided: u64,
    /// Calls whose snapshot is not there.
    missing: u64,
    /// Calls whose record this program cannot read.
    unreadable: u64,
    /// The revisions whose snapshots are not there, or not sound.
    missing_revisions: BTreeSet<u64>,
    /// The first differences.
    differences: Vec<Row>,
}

/// One difference of one call.
#[derive(Debug, Serialize)]
struct Row {
    call: String,
    revision: u64,
    input: String,
    recorded: String,
    repeated: String,
}

struct Replay {
    library: Library,
    repeater: Repeater,
    report: Report,
    show: usize,
}

impl Replay {
    fn new(folder: PathBuf, show: usize) -> Replay {
        Replay { library: Library::new(folder), repeater: Repeater::default(), report: Report::default(), show }
    }

    fn look(&mut self, cdr: &Cdr) {
        self.report.calls += 1;
        if self.report.calls.is_multiple_of(PROGRESS_CALLS) {
            eprintln!("tandem: {} calls, {} differ", self.report.calls, self.report.differing);
        }
        if cdr.decision.is_empty() {
            self.report.undecided += 1;
            return;
        }
        let Some(decision) = decode(&cdr.decision) else {
            self.report.unreadable += 1;
            return self.told(cdr, unread(&cdr.decision));
        };
        let found = match self.library.revision(decision.revision.0) {
            Ok(opened) => {
                let (view, policies) = (opened.view(), &opened.policies);
                let mut found = self.repeater.repeat(&view, policies, &cdr.decision, &decision);
                // After a redirection the rate is that of the number that the terminator named.
                let is_redirected = policies.egress(cdr.egress_trunk).policy.redirects_max > 0;
                prices(cdr, &decision, is_redirected, &mut found);
                found
            }
            Err(why) => {
                self.report.missing += 1;
                let (input, recorded) = ("snapshot of the revision".into(), decision.revision.to_string());
                let difference = Difference { input, recorded, repeated: why.clone() };
                if self.report.missing_revisions.insert(decision.revision.0) {
                    self.told(cdr, difference);
                }
                return;
            }
        };
        if found.is_empty() {
            self.report.same += 1;
        } else {
            self.report.differing += 1;
        }
        for difference in found {
            self.told(cdr, difference);
        }
    }

    fn told(&mut self, cdr: &Cdr, difference: Difference) {
        if self.report.differences.len() < self.show {
            let Difference { input, recorded, repeated } = difference;
            let (call, revision) = (cdr.call.to_string(), cdr.revision.0);
            self.report.differences.push(Row { call, revision, input, recorded, repeated });
        }
    }
}

/// The CDR's prices: by the rates of the decision, and by the arithmetic of this program.
fn prices(cdr: &Cdr, decision: &Decision, is_redirected: bool, out: &mut Vec<Difference>) {
    let charged = |priced: &Priced| Charge {
        billed_s: priced.billed_s,
        net: priced.price - priced.tax,
        tax: priced.tax,
        price: priced.price,
    };
    if let Some(sell) = &cdr.sell {
        same_terms("sell rate of the CDR", &decision.ask.called, &decision.ask.sell, &sell.terms, out);
        out.extend(price("sell", &sell.terms, cdr.duration_ms, charged(sell)));
    }
    if let Some(buy) = &cdr.buy {
        if let Some(decided) = bought(decision, cdr.egress_trunk).filter(|_| !is_redirected) {
            same_terms("buy rate of the CDR", &decision.ask.called, &decided, &buy.terms, out);
        }
        out.extend(price("buy", &buy.terms, cdr.duration_ms, charged(buy)));
    }
}

fn bought(decision: &Decision, egress: EgressTrunkId) -> Option<units::Terms> {
    decision.candidates.iter().find(|candidate| candidate.egress == egress)?.buy
}

impl Report {
    fn is_same(&self) -> bool {
        self.differing + self.missing + self.unreadable == 0
    }

    fn print(&self) {
        let rows: Vec<Vec<String>> = self.differences.iter().map(Row::cells).collect();
        if !rows.is_empty() {
            table(&["call", "revision", "differs", "recorded", "repeated"], &rows);
        }
        let Report { calls, same, differing, undecided, missing, unreadable, .. } = self;
        say!(
            "{calls} calls: {same} the same, {differing} differ, {undecided} refused before a decision, \
             {missing} without their snapshot, {unreadable} unreadable"
        );
    }
}

impl Row {
    fn cells(&self) -> Vec<String> {
        vec![
            self.call.clone(),
            self.revision.to_string(),
            self.input.clone(),
            self.recorded.clone(),
            self.repeated.clone(),
        ]
    }
}
