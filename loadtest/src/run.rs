//! `tandem-loadtest run`: from the command line to the exit code.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::cast::{self, Destinations, Originator, Terminator};
use crate::clock::{Clock, MS, SECOND};
use crate::draw::{self, Spread};
use crate::plan::{Arrivals, Plan, schedule};
use crate::report::{self, Level, Line, Summary};
use crate::tally::{Board, CallLine, Codes, Counts, Latencies};
use crate::worker::{Harvest, Run, Worker};

/// Calls in one plan at most: places are eight digits.
const PLANNED_MAX: f64 = 99_999_999.0;

/// Places calls through a switch and takes them at its other side.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Where INVITEs go.
    #[arg(long, value_name = "ADDRESS:PORT")]
    target: SocketAddr,
    /// Allows a target that is not on this machine.
    #[arg(long)]
    allow_target: bool,
    /// New calls a second.
    #[arg(long, default_value_t = 20.0)]
    cps: f64,
    /// How calls arrive.
    #[arg(long, value_enum, default_value = "poisson")]
    arrivals: Arrivals,
    /// How long calls are placed.
    #[arg(long = "for", default_value = "30s", value_parser = draw::span, value_name = "SPAN")]
    span: Duration,
    /// An originator: name=acme,from=127.0.1.1,callers=1212,weight=3,tech=99. May be repeated.
    #[arg(long = "originator", value_parser = cast::originator, value_name = "KEY=VALUE,…")]
    originators: Vec<Originator>,
    /// A terminator: name=blux,at=127.0.2.1:5060,ring=exp:300ms,answer=exp:2s,progress=183,talk=exp:20s and shares busy, flaky,
    /// unanswered, dead. May be repeated; without any, somebody else takes the calls.
    #[arg(long = "terminator", value_parser = cast::terminator, value_name = "KEY=VALUE,…")]
    terminators: Vec<Terminator>,
    /// Called prefixes with weights, 44207,4930:3, or @FILE with one a line.
    #[arg(long, default_value = "44207", value_parser = Destinations::read)]
    called: Destinations,
    /// Digits of a called number, tech prefix not counted.
    #[arg(long, default_value_t = 12)]
    called_digits: usize,
    /// Talking time: 20s, exp:20s, lognormal:20s/0.8, uniform:1s-3s.
    #[arg(long, default_value = "exp:20s")]
    talk: Spread,
    /// Share of calls that the caller releases.
    #[arg(long, default_value = "70%", value_parser = draw::share)]
    caller_releases: f64,
    /// Share of calls with RTP both ways.
    #[arg(long, default_value = "5%", value_parser = draw::share)]
    media: f64,
    /// Share of callers who give up before the answer.
    #[arg(long, default_value = "0%", value_parser = draw::share)]
    cancel: f64,
    /// When they give up.
    #[arg(long, default_value = "uniform:200ms-3s")]
    cancel_after: Spread,
    /// Repeats the same plan; drawn when absent.
    #[arg(long)]
    seed: Option<u64>,
    /// Threads.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// Calls in progress at most; due calls above it are skipped and counted. 0 for no limit.
    #[arg(long, default_value_t = 0)]
    calls_max: u64,
    /// How long the calls' end is waited for.
    #[arg(long, default_value = "15s", value_parser = draw::span)]
    drain: Duration,
    /// The run is invalid when one call in a hundred was sent later than this after it was due.
    #[arg(long, default_value = "1ms", value_parser = draw::span)]
    late_max: Duration,
    /// Service levels: answer.p99<50ms,refused<1%,rtp_lost<0.1%.
    #[arg(long, default_value = "", value_parser = Levels::read)]
    slo: Levels,
    /// One line of JSON a second on standard output, the summary last.
    #[arg(long)]
    live_json: bool,
    /// Ends the run when standard input is closed: for a parent that may die.
    #[arg(long)]
    until_stdin_closes: bool,
    /// Writes the summary as JSON.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Writes a line of JSON for each call.
    #[arg(long, value_name = "FILE")]
    calls_out: Option<PathBuf>,
}

/// Service levels as an argument.
#[derive(Clone, Debug)]
struct Levels(Vec<Level>);

impl Levels {
    fn read(text: &str) -> Result<Levels, String> {
        report::levels(text).map(Levels)
    }
}

/// Runs it. Exit codes: 0 fine, 1 a fault, 2 misused, 3 a service level not met or the run invalid.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    if !arguments.target.ip().is_loopback() && !arguments.allow_target {
        eprintln!("{} is not on this machine: say --allow-target if you may load it", arguments.target);
        return Ok(ExitCode::from(2));
    }
    let possible = arguments.cps > 0.0 && arguments.cps * arguments.span.as_secs_f64() < PLANNED_MAX;
    if !possible {
        eprintln!("--cps must be above 0, and a plan holds at most {PLANNED_MAX} calls");
        return Ok(ExitCode::from(2));
    }
    let plan = Arc::new(plan(&arguments));
    let (lines, writer) = call_writer(&arguments)?;
    let clock = Clock::start();
    let run = Run {
        clock,
        board: Arc::new(Board::new(plan.due.len())),
        stop: Arc::new(AtomicBool::new(false)),
        lines,
        target: arguments.target,
        base: clock.now() + 100 * MS,
        span: arguments.span,
        drain: arguments.drain,
        calls_max: arguments.calls_max,
        workers: usize::from(arguments.workers),
        plan,
    };
    watch_signals(&run.stop, arguments.until_stdin_closes);
    let workers = (0..run.workers).map(|number| Worker::open(run.clone(), number));
    let workers = workers.collect::<std::io::Result<Vec<_>>>().context("cannot open the sockets of the run")?;
    tell(&arguments, &Line::Ready { planned: run.plan.due.len() as u64 }, "");
    let threads: Vec<_> = workers.into_iter().map(|worker| thread::spawn(move || worker.play())).collect();
    while !threads.iter().all(|thread| thread.is_finished()) {
        live(&arguments, &run, &threads);
    }
    let placing_ns = (clock.now() - run.base).min(run.span.as_nanos() as u64);
    let mut harvests = Vec::new();
    for thread in threads {
        harvests.push(thread.join().map_err(|_| anyhow::anyhow!("a worker panicked"))??);
    }
    let summary = conclude(&arguments, &run, harvests, placing_ns);
    // The writer ends when the last sender is gone.
    drop(run);
    if let Some(writer) = writer {
        writer.join().map_err(|_| anyhow::anyhow!("the writer of calls panicked"))??;
    }
    publish(&arguments, &summary)
}

fn plan(arguments: &Arguments) -> Plan {
    let seed = arguments.seed.unwrap_or_else(rand::random) & 0xFFFF_FFFF;
    let default = || cast::originator("from=127.0.0.1").expect("a valid line");
    Plan {
        seed,
        due: schedule(seed, arguments.arrivals, arguments.cps, arguments.span),
        originators: match arguments.originators.is_empty() {
            true => vec![default()],
            false => arguments.originators.clone(),
        },
        terminators: arguments.terminators.clone(),
        called: arguments.called.clone(),
        called_digits: arguments.called_digits,
        talk: arguments.talk,
        caller_releases: arguments.caller_releases,
        media: arguments.media,
        cancel: arguments.cancel,
        cancel_after: arguments.cancel_after,
    }
}

type Writer = thread::JoinHandle<Result<()>>;

fn call_writer(arguments: &Arguments) -> Result<(Option<std::sync::mpsc::Sender<CallLine>>, Option<Writer>)> {
    let Some(path) = &arguments.calls_out else { return Ok((None, None)) };
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    let (lines, source): (_, Receiver<CallLine>) = channel();
    let writer = thread::spawn(move || {
        let mut out = BufWriter::new(file);
        for line in source {
            serde_json::to_writer(&mut out, &line)?;
            out.write_all(b"\n")?;
        }
        out.flush().context("cannot write the calls")
    });
    Ok((Some(lines), Some(writer)))
}

/// Sets `stop` on SIGINT, SIGTERM, or when the parent goes away.
fn watch_signals(stop: &Arc<AtomicBool>, stdin: bool) {
    let wish = stop.clone();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            std::io::Result::Ok(())
        })?;
        wish.store(true, Relaxed);
        std::io::Result::Ok(())
    });
    if stdin {
        let wish = stop.clone();
        thread::spawn(move || {
            let mut byte = [0];
            while std::io::stdin().read(&mut byte).is_ok_and(|length| length > 0) {}
            wish.store(true, Relaxed);
        });
    }
}

/// Waits a second, or until the workers have finished, and says how it goes.
fn live(arguments: &Arguments, run: &Run, threads: &[thread::JoinHandle<std::io::Result<Harvest>>]) {
    let before = run.board.counters.read().placed;
    let began = run.clock.now();
    while run.clock.now() < began + SECOND && !threads.iter().all(|thread| thread.is_finished()) {
        thread::sleep(Duration::from_millis(20));
    }
    let counts = run.board.counters.read();
    let elapsed = run.clock.now().saturating_sub(run.base);
    let due = run.plan.due.partition_point(|due| *due <= elapsed) as u64;
    let (elapsed_s, calls) = (elapsed as f64 / SECOND as f64, run.board.calls.load(Relaxed));
    let cps = counts.placed - before;
    let text = report::live_text(elapsed_s, due, calls, cps, &counts);
    tell(arguments, &Line::Live { elapsed_s, due, calls, cps, counts: &counts }, &text);
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

fn conclude(arguments: &Arguments, run: &Run, harvests: Vec<Harvest>, placing_ns: u64) -> Summary {
    let mut latencies = Latencies::default();
    let mut codes = Codes::new();
    let mut callees_left = 0;
    for harvest in &harvests {
        latencies.merge(&harvest.latencies);
        harvest.codes.iter().for_each(|(code, count)| *codes.entry(*code).or_default() += count);
        callees_left += harvest.callees_left;
    }
    let counts: Counts = run.board.counters.read();
    let planned = run.plan.due.len() as u64;
    let late = latencies.lateness.value_at_quantile(0.99) > arguments.late_max.as_nanos() as u64;
    Summary {
        schema: 1,
        version: env!("CARGO_PKG_VERSION"),
        command: std::env::args().collect(),
        seed: run.plan.seed,
        machine: machine(),
        placing_s: placing_ns as f64 / SECOND as f64,
        planned,
        unplaced: planned - counts.placed - counts.skipped,
        callees_left,
        codes,
        latencies: latencies.each().into_iter().map(|(name, values)| (name, report::percentiles(values))).collect(),
        valid: !late && counts.skipped == 0,
        faults: report::faults(&counts, callees_left),
        breaches: report::breaches(&arguments.slo.0, &counts, &latencies),
        counts,
    }
}

fn machine() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = thread::available_parallelism().map_or(0, usize::from);
    format!("Linux {}, {cores} cores", kernel.trim())
}

fn publish(arguments: &Arguments, summary: &Summary) -> Result<ExitCode> {
    if let Some(path) = &arguments.summary {
        let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        serde_json::to_writer_pretty(BufWriter::new(file), summary).context("cannot write the summary")?;
    }
    if arguments.live_json {
        tell(arguments, &Line::Summary(summary), "");
    } else {
        println!("\n{}", report::summary_text(summary));
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
