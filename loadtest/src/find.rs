//! `tandem-loadtest find-max`: the highest rate that a switch carries within its service levels, found, confirmed and held.

use std::fmt::Write;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use crate::agents::CrewArguments;
use crate::arrivals::Arrivals;
use crate::draw;
use crate::html::{self, Tried};
use crate::load::{Load, Pace};
use crate::pacer::Reins;
use crate::report::{self, Summary};
use crate::run::watch_signals;

/// Times that the rate found must be carried again before it is believed.
const CONFIRMATIONS: u32 = 3;
/// Trials of one search at most: a switch that is never the same twice is not searched for ever.
const TRIALS_MAX: usize = 60;

/// Finds the highest rate within the service levels.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    load: Load,
    #[command(flatten)]
    crew: CrewArguments,
    /// The first rate tried, in calls a second.
    #[arg(long, default_value_t = 50.0)]
    from: f64,
    /// No rate above this is tried.
    #[arg(long, default_value_t = 20_000.0)]
    cps_max: f64,
    /// How long each rate is held.
    #[arg(long, default_value = "10s", value_parser = draw::span, value_name = "SPAN")]
    hold: Duration,
    /// How long 90 % of the rate found is held at the end; six times --hold when absent.
    #[arg(long, value_parser = draw::span, value_name = "SPAN")]
    soak: Option<Duration>,
    /// The search ends when the lowest rate that failed is this close to the highest that did not.
    #[arg(long, default_value = "5%", value_parser = draw::share)]
    resolution: f64,
    /// How calls arrive: constant or poisson.
    #[arg(long, default_value = "constant")]
    arrivals: Arrivals,
    /// A rate is carried only if every call gets a 200 and ends in order, as the benchmark of RFC 7502 wants it; --slo may ask for more.
    #[arg(long)]
    rfc7502: bool,
    /// Writes everything that was tried as JSON.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Writes a page with the knee: one HTML file that needs nothing else.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Arguments {
    /// What is played, and how calls arrive.
    pub fn load(&self) -> (&Load, Arrivals) {
        (&self.load, self.arrivals.clone())
    }
}

/// What a trial is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    Climb,
    Bisect,
    Confirm,
    Soak,
}

/// One rate, held for a while.
#[derive(Clone, Debug, Serialize)]
struct Trial {
    phase: Phase,
    /// Calls a second that were offered.
    cps: f64,
    /// Calls a second that were answered.
    achieved_cps: f64,
    answer_p50_ms: f64,
    answer_p99_ms: f64,
    answer_p999_ms: f64,
    transit_p99_ms: f64,
    /// Why the rate was not carried; empty if it was.
    why: Vec<String>,
    /// The generator could not do it: the switch was not asked.
    generator: bool,
}

/// What a search found.
#[derive(Debug, Serialize)]
struct Found {
    schema: u32,
    command: Vec<String>,
    /// The highest rate that was carried each time; absent if none was.
    best_cps: Option<f64>,
    /// Answered calls a second of the trials that confirmed it, the lowest and the highest.
    confirmed_cps: Option<(f64, f64)>,
    /// What ended the climb was the generator and not the switch.
    limited_by_generator: bool,
    /// No higher rate was to be tried (`--cps-max`): the switch may carry more.
    limited_by_cps_max: bool,
    /// 90 % of it was carried to the end.
    soaked: bool,
    trials: Vec<Trial>,
}

/// Runs it. Exit codes: 0 found and held, 1 the search itself failed, 2 misused, 3 no rate was carried or 90 % of it was not held.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let steady = matches!(arguments.arrivals, Arrivals::Constant | Arrivals::Poisson);
    let asked = arguments.rfc7502 || arguments.load.has_levels();
    let sound = arguments.from > 0.0 && arguments.cps_max >= arguments.from && arguments.resolution >= 0.001;
    let flaw = arguments.load.refusal().or_else(|| match (steady, asked, sound) {
        (false, ..) => Some("find-max holds each rate: --arrivals is constant or poisson".into()),
        (_, false, _) => Some("say what is to be kept: --slo or --rfc7502".into()),
        (.., false) => Some("--from is above 0 and not above --cps-max, --resolution at least 0.1%".into()),
        _ => None,
    });
    if let Some(flaw) = flaw {
        eprintln!("tandem-loadtest: {flaw}");
        return Ok(ExitCode::from(2));
    }
    let reins = Reins::default();
    watch_signals(&reins, false);
    let seed = arguments.load.drawn_seed();
    let mut try_rate = |phase, cps, nth: usize| {
        let span = if phase == Phase::Soak { arguments.soak.unwrap_or(arguments.hold * 6) } else { arguments.hold };
        // Each trial has Call-IDs of its own: a switch may remember those of the trial before.
        let load = arguments.load.seeded(seed.wrapping_add(nth as u64));
        let pace = Pace { arrivals: arguments.arrivals.clone(), cps, span };
        let plan = load.plan(&pace).map_err(anyhow::Error::msg)?;
        let summary = arguments.crew.play(&load, &pace, plan, &reins)?.summary;
        let trial = judge(phase, cps, arguments.rfc7502, &summary);
        eprintln!("{}", row(&trial));
        Ok((!reins.stop.load(Relaxed)).then_some(trial))
    };
    let found = search(arguments, &mut try_rate)?;
    if let Some(path) = &arguments.summary {
        let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        serde_json::to_writer_pretty(BufWriter::new(file), &found).context("cannot write the summary")?;
    }
    if let Some(path) = &arguments.report {
        std::fs::write(path, page(&found)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    say!("{}", told(&found));
    Ok(if found.best_cps.is_some() && found.soaked { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

/// What a trial's summary means.
fn judge(phase: Phase, cps: f64, every_call: bool, summary: &Summary) -> Trial {
    let latency = |name: &str| summary.latencies.get(name).cloned().unwrap_or_default();
    let (answer, counts) = (latency("answer"), &summary.counts);
    let mut why: Vec<String> = summary.faults.iter().chain(&summary.breaches).cloned().collect();
    // A call that was still ringing when its trial ended was cancelled by its own caller: the switch did not fail it.
    let failed = counts.refused + counts.unheard + counts.abandoned;
    if every_call && failed > 0 {
        why.push(format!("{failed} calls were not established"));
    }
    let generator = why.is_empty() && !summary.valid;
    why.extend(summary.invalid.iter().cloned());
    Trial {
        phase,
        cps,
        achieved_cps: counts.answered as f64 / summary.placing_s.max(1e-3),
        answer_p50_ms: answer.p50_ms,
        answer_p99_ms: answer.p99_ms,
        answer_p999_ms: answer.p999_ms,
        transit_p99_ms: latency("transit").p99_ms,
        why,
        generator,
    }
}

/// Climbs by doubling, bisects, confirms, soaks. `try_rate` gives nothing when somebody wants the search to end.
fn search(
    arguments: &Arguments,
    try_rate: &mut dyn FnMut(Phase, f64, usize) -> Result<Option<Trial>>,
) -> Result<Found> {
    let mut trials: Vec<Trial> = Vec::new();
    let (mut good, mut bad) = (0.0_f64, f64::INFINITY);
    let (mut confirmed, mut confirming) = (Vec::new(), 0.0);
    let (mut soaked, mut limited) = (false, false);
    while trials.len() < TRIALS_MAX {
        let narrow = bad / good.max(f64::MIN_POSITIVE) <= 1.0 + arguments.resolution || good >= arguments.cps_max;
        let (phase, cps) = match (good > 0.0, bad.is_finite()) {
            (false, false) => (Phase::Climb, arguments.from.min(arguments.cps_max)),
            // Nothing was carried yet: down to one call a second.
            (false, true) if bad <= 1.0 => break,
            (false, true) => (Phase::Climb, (bad / 2.0).max(1.0)),
            (true, _) if narrow && confirmed.len() < CONFIRMATIONS as usize => (Phase::Confirm, good),
            (true, _) if narrow => (Phase::Soak, good * 0.9),
            (true, false) => (Phase::Climb, (good * 2.0).min(arguments.cps_max)),
            (true, true) => (Phase::Bisect, f64::midpoint(good, bad)),
        };
        if cps.to_bits() != f64::to_bits(confirming) && phase == Phase::Confirm {
            confirming = cps;
            confirmed.clear();
        }
        let Some(trial) = try_rate(phase, cps, trials.len())? else { break };
        let carried = trial.why.is_empty();
        match phase {
            Phase::Climb | Phase::Bisect if carried => good = cps,
            Phase::Climb | Phase::Bisect => (bad, limited) = (cps, trial.generator),
            Phase::Confirm if carried => confirmed.push(trial.achieved_cps),
            // Carried once by luck: the search goes on below.
            Phase::Confirm => {
                (bad, limited) = (cps, trial.generator);
                good = highest_below(&trials, cps);
                confirmed.clear();
            }
            Phase::Soak => soaked = carried,
        }
        trials.push(trial);
        if phase == Phase::Soak {
            break;
        }
    }
    let best_cps = (confirmed.len() == CONFIRMATIONS as usize).then_some(good);
    let least = confirmed.iter().copied().fold(f64::INFINITY, f64::min);
    let most = confirmed.iter().copied().fold(0.0, f64::max);
    Ok(Found {
        schema: report::SCHEMA,
        command: report::command(),
        best_cps,
        confirmed_cps: best_cps.map(|_| (least, most)),
        limited_by_generator: limited,
        limited_by_cps_max: best_cps.is_some_and(|best| best >= arguments.cps_max),
        soaked,
        trials,
    })
}

/// The highest rate below this one that was carried; 0 if none was.
fn highest_below(trials: &[Trial], cps: f64) -> f64 {
    let carried = trials.iter().filter(|trial| trial.why.is_empty() && trial.cps < cps * 0.999);
    carried.map(|trial| trial.cps).fold(0.0, f64::max)
}

fn row(trial: &Trial) -> String {
    let phase = format!("{:?}", trial.phase).to_lowercase();
    let verdict = if trial.why.is_empty() { "carried".to_owned() } else { trial.why.join("; ") };
    let Trial { cps, achieved_cps, answer_p50_ms, answer_p99_ms, answer_p999_ms, transit_p99_ms, .. } = trial;
    format!(
        "{phase:8} {cps:10.1} {achieved_cps:10.1} {answer_p50_ms:10.3} {answer_p99_ms:10.3} {answer_p999_ms:10.3} \
         {transit_p99_ms:10.3}  {verdict}"
    )
}

/// The knee as a page.
fn page(found: &Found) -> String {
    let mut sorted: Vec<&Trial> = found.trials.iter().collect();
    sorted.sort_by(|a, b| a.cps.total_cmp(&b.cps));
    let tried = |trial: &&Trial| Tried {
        offered: trial.cps,
        answered: trial.achieved_cps,
        answer_ms: (trial.answer_p50_ms, trial.answer_p99_ms),
        why: trial.why.join("; "),
    };
    html::knee(&sorted.iter().map(tried).collect::<Vec<_>>(), &told(found), &found.command)
}

/// The knee as a table, and what was found.
fn told(found: &Found) -> String {
    let mut text = format!(
        "{:8} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}\n",
        "", "offered", "answered", "p50 ms", "p99 ms", "p99.9 ms", "transit 99"
    );
    let mut sorted: Vec<&Trial> = found.trials.iter().collect();
    sorted.sort_by(|a, b| a.cps.total_cmp(&b.cps));
    for trial in sorted {
        let _ = writeln!(text, "{}", row(trial));
    }
    match (found.best_cps, found.confirmed_cps) {
        (Some(best), Some((least, most))) => {
            let _ = writeln!(
                text,
                "carried: {best:.1} calls a second, confirmed {CONFIRMATIONS} times with {least:.1} to {most:.1} answered"
            );
            if found.limited_by_cps_max {
                text.push_str("no higher rate was tried (--cps-max): this is not where it ends\n");
            }
            let held = if found.soaked { "held" } else { "NOT held" };
            let _ = writeln!(text, "90 % of it was {held} to the end of the soak");
        }
        _ => text.push_str("no rate was carried each time\n"),
    }
    if found.limited_by_generator {
        text.push_str("what ended the climb was the generator: give it more --threads or another machine\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn trial(phase: Phase, cps: f64, carried: bool) -> Trial {
        let why = if carried { Vec::new() } else { vec!["too slow".to_owned()] };
        let zero = 0.0;
        Trial {
            phase,
            cps,
            achieved_cps: cps,
            answer_p50_ms: zero,
            answer_p99_ms: zero,
            answer_p999_ms: zero,
            transit_p99_ms: zero,
            why,
            generator: false,
        }
    }

    fn found(more: &[&str], carries: impl Fn(Phase, f64, usize) -> bool) -> Found {
        let words = ["find", "--target", "127.0.0.1:5060", "--slo", "refused<1%"];
        let arguments = Program::parse_from(words.iter().chain(more)).arguments;
        search(&arguments, &mut |phase, cps, nth| Ok(Some(trial(phase, cps, carries(phase, cps, nth)))))
            .expect("a search")
    }

    #[test]
    fn a_switch_with_a_sharp_knee_is_found_within_the_resolution_confirmed_thrice_and_soaked() {
        for knee in [3.0, 49.0, 51.0, 1_234.0] {
            let found = found(&["--resolution", "2%"], |_, cps, _| cps <= knee);
            let best = found.best_cps.expect("a rate");
            assert!(best <= knee && best >= knee / 1.03, "{best} for {knee}");
            assert!(found.soaked);
            let of = |phase| found.trials.iter().filter(|trial| trial.phase == phase).count();
            assert_eq!((of(Phase::Confirm), of(Phase::Soak)), (3, 1));
        }
    }

    #[test]
    fn a_rate_that_was_carried_once_by_luck_is_not_believed() {
        // Between 400 and 500 every second trial fails.
        let found =
            found(&[], |phase, cps, nth| cps < 400.0 || (cps < 500.0 && phase != Phase::Confirm && nth % 2 == 0));
        assert!(found.best_cps.is_some_and(|best| best < 400.0 && best > 350.0), "{:?}", found.best_cps);
    }

    #[test]
    fn a_switch_that_carries_nothing_or_everything_ends_the_search() {
        let nothing = found(&[], |_, _, _| false);
        assert_eq!((nothing.best_cps, nothing.soaked), (None, false));
        let everything = found(&["--cps-max", "300"], |_, _, _| true);
        assert_eq!((everything.best_cps, everything.soaked), (Some(300.0), true));
        assert!(told(&everything).contains("not where it ends"));
        let little = found(&["--cps-max", "10"], |_, cps, _| cps <= 10.0);
        assert_eq!(
            (little.best_cps, little.trials[0].cps),
            (Some(10.0), 10.0),
            "the first rate is none above the last"
        );
        assert!(!told(&found(&[], |_, cps, _| cps <= 100.0)).contains("not where it ends"));
        let tired = found(&[], |phase, cps, _| cps <= 100.0 && phase != Phase::Soak);
        assert!(!tired.soaked);
        assert!(told(&tired).contains("NOT held"));
    }
}
