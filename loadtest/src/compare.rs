//! `tandem-loadtest compare A B`: what changed from one run to another, and whether it is more than chance.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use hdrhistogram::Histogram;
use serde_json::Value;

use crate::{hlog, html};

/// Standard errors of a 99 % interval.
const ERRORS: f64 = 2.576;
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];
const SHARES: [(&str, &str); 6] = [
    ("refused", "placed"),
    ("unheard", "placed"),
    ("cancelled", "placed"),
    ("rtp_lost", "rtp_sent"),
    ("rtp_late", "rtp_sent"),
    ("rtp_poor", "rtp_ends"),
];

/// How late the generator placed calls: nothing of the switch. What is too much of it makes a run invalid.
const LATENESS: &str = "lateness";
/// The longest name is that of a latency's last percentile.
const NAME_COLUMNS: usize = 26;

/// Compares two runs.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The folder that --out of the earlier run wrote.
    before: PathBuf,
    /// That of the later one.
    after: PathBuf,
    /// Writes a page with the percentiles of both, one over the other: one HTML file that needs nothing else.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// What a difference amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Same,
    Better,
    Worse,
    /// Too few values to tell, or nothing to judge.
    Unknown,
}

/// Runs it. Exit codes: 0 nothing is worse, 1 a file is missing, 3 something is worse by more than chance, or a run was invalid.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let [before, after] = [summary(&arguments.before)?, summary(&arguments.after)?];
    let (mut worse, mut out, mut both) = (0, String::new(), Vec::new());
    for (folder, summary) in [(&arguments.before, &before), (&arguments.after, &after)] {
        if summary["valid"] != Value::Bool(true) {
            let _ = writeln!(out, "INVALID: {}: the generator itself was not what it promised", folder.display());
            worse += 1;
        }
    }
    let _ = writeln!(out, "{:NAME_COLUMNS$} {:>12} {:>12} {:>9}  99 % intervals", "", "before", "after", "change");
    let names =
        before["latencies"].as_object().map(|rows| rows.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    for name in names {
        let paths = [&arguments.before, &arguments.after].map(|folder| folder.join(format!("{name}.hlog")));
        if paths.iter().all(|path| path.exists()) {
            let values = [hlog::read(&paths[0])?, hlog::read(&paths[1])?];
            worse += latencies(&name, &values, &mut out);
            both.push((name, values));
        }
    }
    for (part, whole) in SHARES {
        worse += share(part, counts(&before, part, whole), counts(&after, part, whole), &mut out);
    }
    out.push_str(if worse == 0 { "nothing is worse by more than chance" } else { "WORSE" });
    say!("{out}");
    if let Some(path) = &arguments.report {
        let page = html::compared(&both, &out);
        std::fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(if worse == 0 { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

fn summary(folder: &Path) -> Result<Value> {
    let path = folder.join("summary.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no summary", path.display()))
}

fn counts(summary: &Value, part: &str, whole: &str) -> (f64, f64) {
    let of = |name: &str| summary["counts"][name].as_f64().unwrap_or(0.0);
    (of(part), of(whole))
}

fn latencies(name: &str, [before, after]: &[Histogram<u64>; 2], out: &mut String) -> usize {
    let mut worse = 0;
    let judged = name != LATENESS;
    for (label, quantile) in QUANTILES {
        let at = |values: &Histogram<u64>| values.value_at_quantile(quantile) as f64 / 1e6;
        let (old, new) = (at(before), at(after));
        let intervals = (interval(before, quantile), interval(after, quantile));
        let (verdict, said) = match intervals {
            (Some(old), Some(new)) => {
                (apart(old, new), format!("{:.3} to {:.3} ms, {:.3} to {:.3} ms", old.0, old.1, new.0, new.1))
            }
            _ => (Verdict::Unknown, "too few values".into()),
        };
        let (verdict, said) = if judged { (verdict, said) } else { (Verdict::Unknown, "the generator's own".into()) };
        tell(out, &format!("{name} {label} ms"), (old, new), verdict, &said);
        worse += usize::from(verdict == Verdict::Worse);
    }
    worse
}

/// Where a quantile lies with 99 % confidence, in milliseconds: from the ranks between which it falls, whatever the distribution.
fn interval(values: &Histogram<u64>, quantile: f64) -> Option<(f64, f64)> {
    let count = values.len() as f64;
    let (middle, spread) = (count * quantile, ERRORS * (count * quantile * (1.0 - quantile)).sqrt());
    let (low, high) = (middle - spread, middle + spread);
    let at = |rank: f64| values.value_at_quantile(rank / count) as f64 / 1e6;
    (low >= 1.0 && high <= count).then(|| (at(low), at(high)))
}

fn apart(old: (f64, f64), new: (f64, f64)) -> Verdict {
    match (new.0 > old.1, new.1 < old.0) {
        (true, _) => Verdict::Worse,
        (_, true) => Verdict::Better,
        _ => Verdict::Same,
    }
}

fn share(name: &str, old: (f64, f64), new: (f64, f64), out: &mut String) -> usize {
    if old.1 == 0.0 || new.1 == 0.0 {
        return 0;
    }
    let verdict = shares_apart(old, new);
    let percent = |(part, whole): (f64, f64)| 100.0 * part / whole;
    let of = format!("of {} and {}", old.1, new.1);
    tell(out, &format!("share of {name} %"), (percent(old), percent(new)), verdict, &of);
    usize::from(verdict == Verdict::Worse)
}

/// Two shares by the pooled test of two proportions.
fn shares_apart(old: (f64, f64), new: (f64, f64)) -> Verdict {
    let pooled = (old.0 + new.0) / (old.1 + new.1);
    let error = (pooled * (1.0 - pooled) * (1.0 / old.1 + 1.0 / new.1)).sqrt();
    let difference = new.0 / new.1 - old.0 / old.1;
    match difference {
        _ if error == 0.0 => Verdict::Same,
        _ if difference > ERRORS * error => Verdict::Worse,
        _ if difference < -ERRORS * error => Verdict::Better,
        _ => Verdict::Same,
    }
}

fn tell(out: &mut String, name: &str, (old, new): (f64, f64), verdict: Verdict, said: &str) {
    let change = if old == 0.0 { "–".to_owned() } else { format!("{:+.1} %", 100.0 * (new - old) / old) };
    let word = match verdict {
        Verdict::Same => "same",
        Verdict::Better => "better",
        Verdict::Worse => "WORSE",
        Verdict::Unknown => "",
    };
    // Writing to a text cannot fail.
    let _ = writeln!(out, "{name:NAME_COLUMNS$} {old:12.3} {new:12.3} {change:>9}  {word:6} {said}");
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;
    use crate::draw::{chance, exponential};

    fn drawn(seed: u64, factor: f64, count: usize) -> Histogram<u64> {
        let mut source = chance(seed, 0, "compare");
        let mut values = crate::tally::empty();
        for _ in 0..count {
            values.saturating_record((factor * 1e6 * (1.0 + exponential(&mut source))) as u64);
        }
        values
    }

    fn verdict(old: &Histogram<u64>, new: &Histogram<u64>, quantile: f64) -> Verdict {
        match (interval(old, quantile), interval(new, quantile)) {
            (Some(old), Some(new)) => apart(old, new),
            _ => Verdict::Unknown,
        }
    }

    #[test]
    fn chance_is_no_change_and_a_tenth_slower_is_one() {
        for seed in 0..20 {
            let (old, new, slower) =
                (drawn(seed, 1.0, 5_000), drawn(seed + 100, 1.0, 5_000), drawn(seed + 200, 1.1, 5_000));
            for (_, quantile) in QUANTILES {
                assert!(matches!(verdict(&old, &new, quantile), Verdict::Same | Verdict::Unknown), "seed {seed}");
            }
            let pair = [old.clone(), slower.clone()];
            assert!(latencies("ringing", &pair, &mut String::new()) > 0);
            assert_eq!(latencies(LATENESS, &pair, &mut String::new()), 0);
            assert_eq!(verdict(&old, &slower, 0.5), Verdict::Worse);
            assert_eq!(verdict(&slower, &old, 0.5), Verdict::Better);
        }
        assert_eq!(verdict(&drawn(1, 1.0, 50), &drawn(2, 3.0, 50), 0.999), Verdict::Unknown);
    }

    #[test]
    fn figures_stand_below_each_other() {
        let mut out = String::new();
        latencies("ringing_planned", &[drawn(1, 1.0, 2_000), drawn(2, 1.0, 2_000)], &mut out);
        share("rtp_lost", (1.0, 1_000.0), (2.0, 1_000.0), &mut out);
        let first = NAME_COLUMNS + 13;
        for line in out.lines() {
            let figure = &line[NAME_COLUMNS..first];
            assert!(figure.trim().parse::<f64>().is_ok() && line.as_bytes()[first] == b' ', "{line}");
        }
        assert_eq!(out.lines().count(), QUANTILES.len() + 1);
    }

    #[test]
    fn shares_differ_only_by_more_than_chance() {
        let mut source = chance(5, 0, "shares");
        let mut refused = |share: f64| (0..2_000).filter(|_| source.random::<f64>() < share).count() as f64;
        let (old, same, more) = (refused(0.05), refused(0.05), refused(0.09));
        assert_eq!(shares_apart((old, 2_000.0), (same, 2_000.0)), Verdict::Same);
        assert_eq!(shares_apart((old, 2_000.0), (more, 2_000.0)), Verdict::Worse);
        assert_eq!(shares_apart((0.0, 10.0), (0.0, 10.0)), Verdict::Same);
    }
}
