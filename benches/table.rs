//! One table of every target, from what the benchmarks printed.
//!
//! `bench-table LOG... [--json FILE] [--page FILE]` reads logs with result lines, or a JSON file of an earlier run, prints the table, and
//! writes the results with the machine described. A target that nobody measured is a row too.

use std::path::Path;
use std::process::{Command, ExitCode};

use benches::{Finding, Limit, TARGETS, median};
use serde::{Deserialize, Serialize};

/// Rounds below which a figure is not believed, where its work can differ from round to round.
const ROUNDS_MIN: usize = 3;

/// Where and when something was measured.
#[derive(Serialize, Deserialize)]
struct Machine {
    processor: String,
    cores: usize,
    memory_mib: u64,
    kernel: String,
    /// Over 1, 5 and 15 minutes, when the table was made.
    load: String,
    /// Whole seconds since 1970.
    at_s: u64,
    revision: String,
    /// How the programs were built; the variable BENCH_BUILT says it where it was not for release.
    build: String,
}

#[derive(Serialize, Deserialize)]
struct Run {
    machine: Machine,
    findings: Vec<Finding>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(flaw) => {
            eprintln!("bench-table: {flaw}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let (mut logs, mut json, mut page) = (Vec::new(), None, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--json" => json = words.next(),
            "--page" => page = words.next(),
            _ => logs.push(word),
        }
    }
    let run = gather(&logs)?;
    println!("{}", text(&run));
    if let Some(path) = json {
        write(&path, &serde_json::to_string_pretty(&run).expect("a run is text and numbers"))?;
    }
    if let Some(path) = page {
        write(&path, &markdown(&run))?;
    }
    Ok(())
}

fn write(path: &str, text: &str) -> Result<(), String> {
    std::fs::write(path, format!("{}\n", text.trim_end())).map_err(|flaw| format!("{path}: {flaw}"))
}

fn gather(logs: &[String]) -> Result<Run, String> {
    let mut findings: Vec<Finding> = Vec::new();
    for path in logs {
        let text = std::fs::read_to_string(path).map_err(|flaw| format!("{path}: {flaw}"))?;
        if Path::new(path).extension().is_some_and(|kind| kind == "json") {
            return serde_json::from_str(&text).map_err(|flaw| format!("{path}: {flaw}"));
        }
        findings.extend(text.lines().filter_map(Finding::read));
    }
    if findings.is_empty() {
        return Err("no result line was found; run `make bench` first".into());
    }
    let place = |finding: &Finding| TARGETS.iter().position(|(name, _)| *name == finding.target);
    findings.sort_by_key(|finding| place(finding).unwrap_or(TARGETS.len()));
    Ok(Run { machine: Machine::here(), findings })
}

impl Machine {
    fn here() -> Machine {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let row = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned())).unwrap_or_else(|| "unknown".into())
        };
        let kilobytes = row(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse::<u64>();
        let head = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Machine {
            processor: row(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kilobytes.unwrap_or(0) >> 10,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: read("/proc/loadavg").split_whitespace().take(3).collect::<Vec<_>>().join(" "),
            at_s: now.map_or(0, |since| since.as_secs()),
            revision: head.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).unwrap_or_default(),
            build: std::env::var("BENCH_BUILT").unwrap_or_else(|_| "release".into()),
        }
    }

    /// More wanted to run than there are cores, when the table was made.
    fn busy(&self) -> bool {
        let load = self.load.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
        load.is_some_and(|load| load > self.cores as f64)
    }

    fn sentence(&self) -> String {
        let Machine { processor, cores, memory_mib, kernel, load, revision, build, .. } = self;
        format!(
            "{processor}, {cores} cores, {memory_mib} MiB, Linux {kernel}; load {load}; revision {revision}, built as {build}"
        )
    }
}

/// Target, what, ours, yardstick, ratio, spread, limit, verdict.
fn rows(run: &Run) -> Vec<[String; 8]> {
    let mut rows: Vec<[String; 8]> = Vec::new();
    for finding in &run.findings {
        rows.push(row(finding));
    }
    for (place, (name, what)) in TARGETS.iter().enumerate() {
        if run.findings.iter().all(|finding| finding.target != *name) {
            let after = |row: &[String; 8]| TARGETS.iter().position(|(name, _)| row[0] == *name) < Some(place);
            let at = rows.iter().take_while(|row| after(row)).count();
            let dash = || "-".to_owned();
            rows.insert(at, [(*name).into(), (*what).into(), dash(), dash(), dash(), dash(), dash(), "NOT RUN".into()]);
        }
    }
    rows
}

fn row(finding: &Finding) -> [String; 8] {
    let ours = median(&finding.ours).map_or("-".into(), |ours| format!("{} {}", figure(ours), finding.unit));
    let theirs = median(&finding.theirs).map_or("-".into(), |theirs| {
        format!("{} {}", finding.yardstick.as_deref().unwrap_or("yardstick"), figure(theirs))
    });
    let ratio = finding.ratio().map_or("-".into(), |ratio| format!("{ratio:.2}"));
    let spread = match finding.ours.len() {
        1 => "1 round".into(),
        // Of a median of nothing no share can be told.
        rounds => match finding.spread().filter(|spread| spread.is_finite()) {
            Some(spread) => format!("{spread:.0} %, {rounds} rounds"),
            None => format!("{rounds} rounds"),
        },
    };
    let limit = match finding.limit {
        Limit::Ratio(most) => format!("<= {most} x"),
        Limit::Most(most) => format!("<= {}", figure(most)),
        Limit::Least(least) => format!(">= {}", figure(least)),
    };
    // What is counted is the same in each round; what is timed must have been timed more than once or twice.
    let counted = matches!(finding.unit.as_str(), "allocations" | "bytes" | "calls");
    let verdict = match finding.met() {
        _ if finding.ours.len() < ROUNDS_MIN && !counted => "too few rounds",
        true => "met",
        false => "MISSED",
    };
    [finding.target.clone(), finding.what.clone(), ours, theirs, ratio, spread, limit, verdict.into()]
}

fn figure(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        below if below < 10.0 => format!("{value:.2}"),
        below if below < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

const HEADING: [&str; 8] = ["TARGET", "WHAT", "OURS", "YARDSTICK", "RATIO", "SPREAD", "LIMIT", "VERDICT"];

fn text(run: &Run) -> String {
    let mut rows = rows(run);
    rows.insert(0, HEADING.map(String::from));
    let widths: [usize; 8] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let line = |row: &[String; 8]| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let lines: Vec<String> = rows.iter().map(line).collect();
    format!("{}\n\n{}", lines.join("\n"), run.machine.sentence())
}

fn markdown(run: &Run) -> String {
    let mut page = String::from(
        "# Benchmarks\n\n<!-- Made by `make bench-page` from the last `make bench`; do not edit. -->\n\n\
         Figures of one machine say little about another, and those of a busy one little about itself: ratios of interleaved rounds count.\n\
         Ours and the yardstick take turns; medians are compared; the spread is that of the ratios where there is a yardstick.\n\n",
    );
    page.push_str(&format!("Measured on: {}.\n\n", run.machine.sentence()));
    if run.machine.busy() {
        page.push_str("**The machine was busy with other work meanwhile: none of these times is to be quoted.**\n\n");
    }
    page.push_str(&format!("| {} |\n|{}\n", HEADING.map(title).join(" | "), "---|".repeat(HEADING.len())));
    for row in rows(run) {
        page.push_str(&format!("| {} |\n", row.map(|cell| cell.replace('|', "\\|")).join(" | ")));
    }
    page.push_str(
        "\n## Again\n\n```\nmake bench         # everything; prints the table, results in target/bench.json\n\
         make bench-table   # prints it again\nmake bench-page    # writes this page from it\n\
         cargo bench -p benches --bench sip_parse   # one of them\n```\n\n\
         What each benchmark does stands at the head of its file in `benches/`. Instruction counts, which do not depend on who else\n\
         uses the machine, are kept in `benches/ratchet.txt` and compared by `make ratchet`.\n\n\
         Goals of whole programs have targets of their own, all part of `make bench`: CPU `make bench-kamailio` (the one SIP server of\n\
         Debian 12), CALL and CPS `make bench-calls`, RSS `make bench-memory` (root), 5X `make capacity`, 10K `make capacity-proof`\n\
         (root), SIPP `make bench-loadtest`, HELD `make bench-loadtest-media`.\n\
         CPU, CALL and CPS are the data plane's alone, all of its threads; CPS is computed from the cost at the best rate that was\n\
         carried: what a core would carry that has nothing else to do. Over loopback the kernel receives in the name of who sends.\n",
    );
    page
}

fn title(word: &str) -> String {
    let lower = word.to_lowercase();
    format!("{}{}", &word[..1], &lower[1..])
}
