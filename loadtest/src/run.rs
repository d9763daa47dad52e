//! `tandem-loadtest run`: from the command line to the exit code.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::agents::CrewArguments;
use crate::arrivals::Arrivals;
use crate::draw;
use crate::film;
use crate::html::{self, Around};
use crate::load::{Load, Outcome, Pace, Progress};
use crate::metrics::Metrics;
use crate::observe::{Mark, Observer, Seen, Source};
use crate::pacer::Reins;
use crate::reconcile::{self, Api, Balances, Slack};
use crate::report::{self, Line, Summary};
use crate::screen::Screen;
use crate::tally::CallLine;
use crate::told;
use crate::{hlog, junit, lines, metrics};

/// Places calls through a switch and takes them at its other side.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    load: Load,
    /// New calls a second; with ramp and step the last rate.
    #[arg(long, default_value_t = 20.0)]
    cps: f64,
    /// How calls arrive: constant, poisson, ramp:FROM (a straight line to --cps), step:FROM/STEPS, burst:SPAN (all of its calls at once),
    /// trace:FILE (moments a line, CSV with a column such as started_at, the lines of --calls-out, or a pcap's INVITEs; --cps is not asked).
    #[arg(long, default_value = "poisson")]
    arrivals: Arrivals,
    /// How long calls are placed; 30s, or to the end of a trace. Calls that are in progress then are released.
    #[arg(long = "for", value_parser = draw::span, value_name = "SPAN")]
    span: Option<Duration>,
    /// Shows the run on the whole terminal, with SIPp's keys: + - one call a second more or less, * / ten, p pauses, q ends it in order.
    #[arg(long, conflicts_with = "live_json")]
    screen: bool,
    #[command(flatten)]
    crew: CrewArguments,
    /// One line of JSON a second on standard output, the summary last.
    #[arg(long)]
    live_json: bool,
    /// Ends the run when standard input is closed: for a parent that may die.
    #[arg(long)]
    until_stdin_closes: bool,
    /// Writes the summary as JSON.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Writes everything into this folder: summary.json, report.html (one page that needs nothing else), junit.xml, a .hlog of each latency,
    /// calls.ndjson.zst (a line of JSON for each call), and failures.pcapng. Two such folders can be compared.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Of so many calls that fail, the first ones, --out keeps what both ends said and heard, as failures.pcapng.
    #[arg(long, value_name = "CALLS", default_value_t = 10)]
    pcap_calls: u32,
    /// Writes a line of JSON for each call: when it was due, sent, heard of, ringing, answered and over, and what became of it. Packed (zstd) if
    /// the name ends in .zst.
    #[arg(long, value_name = "FILE")]
    calls_out: Option<PathBuf>,
    /// Tells Prometheus how it goes, at this address: http://ADDRESS:PORT/metrics.
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<SocketAddr>,
    /// Writes the same at the end, for the text file collector of node exporter.
    #[arg(long, value_name = "FILE")]
    metrics_out: Option<PathBuf>,
    /// Asks for metrics once a second: URL, or URL#NAME,NAME to have these as charts. They, and this machine's cores and dropped packets, stand
    /// in the report of --out on one time axis with the calls. May be repeated.
    #[arg(long, value_name = "URL#NAME,…", value_parser = Source::read)]
    observe: Vec<Source>,
    /// A moment that the report's charts show: somebody does something to the switch then. May be repeated.
    #[arg(long, value_name = "NAME@SPAN", value_parser = Mark::read)]
    mark: Vec<Mark>,
    /// Compares every call with the switch's books, asked by its API at this address: CDRs, statuses, durations, prices, and what moved on
    /// the accounts, which nobody else may use meanwhile. A disagreement is a fault.
    #[arg(long, value_name = "URL", requires = "key")]
    reconcile: Option<String>,
    /// An API key that may read CDRs and accounts.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// How far a duration in a CDR may lie from the caller's own.
    #[arg(long, default_value = "250ms", value_parser = draw::span, value_name = "SPAN")]
    reconcile_slack: Duration,
    /// How long the books may take to be complete.
    #[arg(long, default_value = "30s", value_parser = draw::span, value_name = "SPAN")]
    reconcile_wait: Duration,
}

impl Arguments {
    /// What is played, and how calls arrive.
    pub fn load(&self) -> (&Load, Arrivals) {
        (&self.load, self.arrivals.clone())
    }

    /// Calls that are told word for word if they fail.
    pub fn films(&self) -> u32 {
        self.out.as_ref().map_or(0, |_| self.pcap_calls)
    }

    /// The files that calls are written to one by one.
    fn line_files(&self) -> Vec<PathBuf> {
        let kept = self.out.as_ref().map(|folder| folder.join("calls.ndjson.zst"));
        self.calls_out.iter().cloned().chain(kept).collect()
    }

    fn pace(&self) -> Pace {
        let usual = match self.arrivals {
            Arrivals::Trace(_) => Duration::MAX,
            _ => Duration::from_secs(30),
        };
        Pace { arrivals: self.arrivals.clone(), cps: self.cps, span: self.span.unwrap_or(usual) }
    }
}

/// Runs it. Exit codes: 0 fine, 1 a fault, 2 misused, 3 a service level not met or the run invalid.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    // The seed is drawn once, for agents too.
    let load = arguments.load.seeded(arguments.load.drawn_seed()).filmed(arguments.films());
    let plan = match load.refusal().map_or_else(|| load.plan(&arguments.pace()), Err) {
        Ok(plan) => plan,
        Err(flaw) => {
            eprintln!("tandem-loadtest: {flaw}");
            return Ok(ExitCode::from(2));
        }
    };
    let paths = arguments.line_files();
    let wanted = !paths.is_empty() || arguments.reconcile.is_some();
    let crew = arguments.crew.gather(&arguments.pace(), plan.seed, wanted)?;
    let books = arguments.reconcile.as_deref().zip(arguments.key.as_deref()).map(|(url, key)| Api::new(url, key));
    let before = books.as_ref().map(Api::balances).transpose().context("cannot read the switch's accounts")?;
    arguments.out.as_deref().map_or(Ok(()), writable)?;
    let writer = || lines::writer(&paths, books.is_some(), crew.is_some());
    let writer = wanted.then(writer).transpose()?;
    let (lines, writer) = writer.unzip();
    if let Some(path) = &arguments.summary {
        File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    }
    let reins = Reins::default();
    watch_signals(&reins, arguments.until_stdin_closes);
    let planned = plan.due.len() as u64;
    let metrics = arguments.metrics.map(Metrics::open).transpose().context("--metrics cannot listen")?;
    let watched = !arguments.observe.is_empty() || arguments.out.is_some();
    let observer = watched.then(|| Observer::start(&arguments.observe)).transpose()?;
    let (began, mut timeline, mut origin) = (SystemTime::now(), Vec::new(), Instant::now());
    let screen = arguments.screen.then(|| Screen::open(&reins, planned, arguments.cps)).transpose();
    let mut screen = screen.context("--screen needs a terminal")?;
    let mut watch = |progress: Option<&Progress>| {
        if let (Some(progress), true) = (progress, timeline.is_empty()) {
            origin = Instant::now() - Duration::from_secs_f64(progress.elapsed_s);
        }
        timeline.extend(progress.cloned());
        metrics.iter().zip(progress).for_each(|(metrics, progress)| metrics.put(metrics::text(progress)));
        match (&mut screen, progress) {
            // A terminal that went away ends the run by its own means.
            (Some(screen), Some(progress)) => drop(screen.show(progress)),
            (Some(_), None) => {}
            (None, _) => show(arguments, planned, progress),
        }
    };
    let mut outcome = match crew {
        None => load.play(plan, lines, &reins, &mut watch)?,
        Some(crew) => crew.play(&load, &plan, lines, &reins, &mut watch)?,
    };
    drop(screen);
    let seen = observer.map_or(Ok(Seen::default()), |observer| observer.end(origin))?;
    outcome.summary.observed = seen.moved();
    outcome.summary.host = arguments.out.as_ref().and_then(|_| report::host());
    if let (Some(path), Some(last)) = (&arguments.metrics_out, timeline.last()) {
        metrics::write(path, last)?;
    }
    // The writer ends when the last sender is gone.
    let lines = writer.map(|writer| writer.join().map_err(|_| anyhow::anyhow!("the writer of calls panicked"))?);
    let lines = or_fault(lines.transpose(), &mut outcome.summary).flatten();
    if let (Some(books), Some(before), Some(lines)) = (&books, &before, &lines) {
        settle(arguments, (books, before), lines, &mut outcome)?;
    }
    if let Some(folder) = &arguments.out {
        let around = Around { seen, marks: arguments.mark.clone() };
        or_fault(keep(folder, &outcome, &timeline, &around, began), &mut outcome.summary);
    }
    publish(arguments, &outcome.summary)
}

/// What was measured is told, whatever became of its files: a full disk is a fault among others.
fn or_fault<T>(done: Result<T>, summary: &mut Summary) -> Option<T> {
    done.map_err(|error| summary.faults.push(format!("{error:#}"))).ok()
}

/// Compares what both ends saw with the switch's books.
fn settle(
    arguments: &Arguments,
    (books, before): (&Api, &Balances),
    lines: &[CallLine],
    outcome: &mut Outcome,
) -> Result<()> {
    // What an agent took with it cannot be compared.
    if outcome.whole {
        let packets = arguments.load.packets().tail();
        let slack = Slack { duration: arguments.reconcile_slack, packets };
        let found = reconcile::settle(books, before, lines, slack, arguments.reconcile_wait)?;
        if found.wrong > 0 {
            outcome.summary.faults.push(format!("{} disagreements with the switch's books", found.wrong));
        }
        outcome.summary.reconciled = Some(found);
    }
    Ok(())
}

/// A folder that could not be written to is better told before the run than after it.
fn writable(folder: &Path) -> Result<()> {
    let probe = folder.join(".writable");
    let tried = std::fs::create_dir_all(folder).and_then(|()| File::create(&probe));
    tried.and_then(|_| std::fs::remove_file(probe)).with_context(|| format!("cannot write into {}", folder.display()))
}

/// Writes all that a run left behind.
fn keep(folder: &Path, outcome: &Outcome, timeline: &[Progress], around: &Around, began: SystemTime) -> Result<()> {
    let put = |name: &str, bytes: Vec<u8>| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    };
    put("summary.json", serde_json::to_vec_pretty(&outcome.summary).context("cannot write the summary")?)?;
    put("junit.xml", junit::written(&outcome.summary).into_bytes())?;
    put("report.html", html::page(outcome, timeline, around).into_bytes())?;
    put("failures.pcapng", film::capture(&outcome.samples.ends))?;
    hlog::write(folder, &outcome.latencies, began, Duration::from_secs_f64(outcome.summary.placing_s))
}

/// Ends the run in order on SIGINT, SIGTERM, or when the parent goes away; at once when a signal comes again.
pub fn watch_signals(reins: &Reins, stdin: bool) {
    let wish = reins.clone();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
            let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                wish.end();
                if wish.hurries() {
                    return std::io::Result::Ok(());
                }
            }
        })
    });
    if stdin {
        let wish = reins.clone();
        thread::spawn(move || {
            let mut byte = [0];
            while std::io::stdin().read(&mut byte).is_ok_and(|length| length > 0) {}
            wish.stop.store(true, Relaxed);
        });
    }
}

fn show(arguments: &Arguments, planned: u64, progress: Option<&Progress>) {
    let Some(progress) = progress else { return tell(arguments, &Line::Ready { planned }, "") };
    let Progress { elapsed_s, due, calls, cps, ref counts, .. } = *progress;
    let text = told::live_text(elapsed_s, due, calls, cps, counts);
    tell(arguments, &Line::Live { elapsed_s, due, calls, cps, counts }, &text);
}

fn tell(arguments: &Arguments, line: &Line<'_>, text: &str) {
    if arguments.live_json {
        let mut out = std::io::stdout().lock();
        // A reader that went away ends the run by its own means.
        let _ = serde_json::to_writer(&mut out, line);
        let _ = out.write_all(b"\n").and_then(|()| out.flush());
    } else if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    } else if !text.is_empty() {
        eprintln!("{text}");
    }
}

fn publish(arguments: &Arguments, summary: &Summary) -> Result<ExitCode> {
    if let Some(path) = &arguments.summary {
        let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        serde_json::to_writer_pretty(BufWriter::new(file), summary).context("cannot write the summary")?;
    }
    if arguments.live_json {
        tell(arguments, &Line::Summary(summary), "");
    } else {
        say!("\n{}", told::summary_text(summary));
    }
    if summary.counts.placed == 0 && summary.planned > 0 {
        bail!("no call was placed");
    }
    Ok(match (summary.faults.is_empty(), summary.valid && summary.breaches.is_empty()) {
        (false, _) => ExitCode::from(1),
        (true, false) => ExitCode::from(3),
        (true, true) => ExitCode::SUCCESS,
    })
}
