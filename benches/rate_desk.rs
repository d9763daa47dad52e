//! What a million-row rate sheet costs the desk: read, compared with the deck that stands, reported; and that an error in its last row
//! but one is found.
//!
//! `cargo bench -p benches --bench rate_desk` (`ROWS=100000` for fewer)
//!
//! The yardstick splits the same text with the `csv` crate and keeps nothing. Counted is the processor time of the one thread that works.

use std::fmt::Write;
use std::hint::black_box;

use benches::{Finding, Limit};
use rating::deck::{self, Options, Sheet};
use rating::diff;
use rustix::time::{ClockId, clock_gettime};
use units::WallTime;

/// Seconds from the text to the report at most (H11), and how many rows that is for.
const TARGET: (f64, usize) = (5.0, 1_000_000);
/// Rounds; the median counts.
const ROUNDS: usize = 3;
/// Lines of the report.
const SHOWN: usize = 1_000;

fn cpu_s() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn timed<T>(name: &str, work: impl FnOnce() -> T) -> (T, f64) {
    let began = cpu_s();
    let result = work();
    let spent = cpu_s() - began;
    println!("{name:<44}{spent:8.3} s");
    (result, spent)
}

/// A sheet of so many rows as carriers write them; a tenth of the prices are dearer with `raised`.
fn sheet(rows: usize, raised: bool, wrong: Option<usize>) -> String {
    let mut text = String::with_capacity(rows * 64);
    text.push_str("Prefix,Destination,Rate,Connection fee,Billing increments,Effective date,Blocked\n");
    for row in 0..rows {
        let cents = row % 997 + if raised && row % 10 == 0 { 1 } else { 0 };
        let price = if wrong == Some(row) { "ask us".to_owned() } else { format!("0.{cents:04}") };
        let zone = row % 5_000;
        let _ = writeln!(text, "{},\"Destination {zone}, mobile\",{price},0,1/1/0,2026-01-01,no", 10_000_000 + row * 7);
    }
    text
}

fn yardstick(text: &str) -> usize {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    let mut cells = 0;
    while reader.read_record(&mut record).expect("our own text is a table") {
        cells += record.len();
    }
    cells
}

/// What an operator is shown: how many prefixes have which fate, and the first lines of the difference.
fn report(old: &Sheet, new: &Sheet) -> (diff::Counts, Vec<String>) {
    let changes = diff::diff(&old.rates, &new.rates);
    let shown = changes.iter().filter(|change| change.kind != diff::ChangeKind::Unchanged).take(SHOWN);
    let line =
        |change: &diff::Change<'_>| format!("{:?} {:?}", change.rate().map(|rate| &rate.prefix), change.difference());
    (diff::counts(&changes), shown.map(line).collect())
}

fn main() {
    let rows = std::env::var("ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(TARGET.1);
    let options = Options { from: WallTime::from_micros(0), ..Options::default() };
    let old = deck::read(&sheet(rows, false, None), &options);
    assert_eq!((old.rates.len(), old.problem_count), (rows, 0), "{:?}", old.problems.first());
    let text = sheet(rows, true, None);
    println!("{rows} rows, {} MiB", text.len() >> 20);
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (cells, splitting) = timed("the csv crate splits it, keeping nothing", || yardstick(&text));
        black_box(cells);
        let (new, reading) = timed("read: split, every cell understood", || deck::read(&text, &options));
        let ((counts, shown), comparing) = timed("compared with the deck, reported", || report(&old, &new));
        assert_eq!(
            (counts.increased, counts.unchanged, shown.len()),
            (rows.div_ceil(10), rows - rows.div_ceil(10), SHOWN.min(rows.div_ceil(10)))
        );
        ours.push(reading + comparing);
        plain.push(splitting);
    }
    let bound = TARGET.0 * rows as f64 / TARGET.1 as f64;
    let what = format!("{rows} rows read, compared, reported");
    let found = Finding::alone("H11", &what, "s", ours.clone(), Limit::Most(bound)).beside("csv, splitting", &plain);
    found.say();
    let spent = benches::median(&ours).expect("rounds");
    println!("from text to report {spent:.2} s, {:.1} times the splitting alone", found.ratio().expect("rounds"));
    let flawed = deck::read(&sheet(rows, true, Some(rows - 2)), &options);
    let problem = flawed.problems.first().map(|problem| problem.row as usize);
    assert_eq!((flawed.problem_count, problem), (1, Some(rows)), "the line of the last row but one");
    println!("an error in row {} of {rows} is found, and nothing of the sheet is applied", rows - 1);
    println!("target (H11): < {bound:.1} s: {}", if spent < bound { "met" } else { "MISSED" });
}
