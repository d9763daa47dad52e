//! `tandem-loadtest overload`: half to five times what a switch is said to carry. What it answers must not fall when more is asked of it.

use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::agents::CrewArguments;
use crate::arrivals::Arrivals;
use crate::draw;
use crate::load::{Load, Pace};
use crate::pacer::Reins;
use crate::report::Summary;
use crate::run::watch_signals;

/// Times the capacity.
const FACTORS: [f64; 6] = [0.5, 1.0, 1.5, 2.0, 3.0, 5.0];
/// What must be left of the answers at capacity when more is offered.
const GOODPUT_MIN: f64 = 0.95;

/// Offers half to five times a capacity, step by step.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    load: Load,
    #[command(flatten)]
    crew: CrewArguments,
    /// Calls a second that the switch carries, as find-max says.
    #[arg(long)]
    capacity: f64,
    /// How long each step is held.
    #[arg(long, default_value = "10s", value_parser = draw::span, value_name = "SPAN")]
    hold: Duration,
}

impl Arguments {
    /// What is played, and how calls arrive.
    pub fn load(&self) -> (&Load, Arrivals) {
        (&self.load, Arrivals::Poisson)
    }
}

/// One step's figures.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    factor: f64,
    offered_cps: f64,
    answered_cps: f64,
    /// Calls that were established.
    answered: u64,
    /// Answered calls that did not end as they should.
    spoilt: u64,
    valid: bool,
}

/// Runs it. Exit codes: 0 the answers held, 1 it failed, 2 misused, 3 they fell, an established call was spoilt, or the generator was late.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let flaw = arguments.load.refusal();
    if let Some(flaw) = flaw.or((arguments.capacity <= 0.0).then(|| "--capacity is above 0".into())) {
        eprintln!("tandem-loadtest: {flaw}");
        return Ok(ExitCode::from(2));
    }
    let reins = Reins::default();
    watch_signals(&reins, false);
    let seed = arguments.load.drawn_seed();
    let mut steps = Vec::new();
    say!(
        "{:>6} {:>10} {:>10} {:>10} {:>8} {:>10}  codes",
        "factor",
        "offered",
        "answered",
        "p99 ms",
        "spoilt",
        "generator"
    );
    for (nth, factor) in FACTORS.into_iter().enumerate() {
        let load = arguments.load.seeded(seed.wrapping_add(nth as u64));
        let pace = Pace { arrivals: Arrivals::Poisson, cps: arguments.capacity * factor, span: arguments.hold };
        let plan = load.plan(&pace).map_err(anyhow::Error::msg)?;
        let summary = arguments.crew.play(&load, &pace, plan, &reins)?.summary;
        if reins.stop.load(Relaxed) {
            break;
        }
        let step = step(factor, &summary);
        tell(step, &summary);
        steps.push(step);
    }
    verdicts(&steps).iter().for_each(|line| say!("{line}"));
    let flaws = judge(&steps);
    flaws.iter().for_each(|flaw| say!("BREACH: {flaw}"));
    Ok(if flaws.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

fn step(factor: f64, summary: &Summary) -> Step {
    let (counts, seconds) = (&summary.counts, summary.placing_s.max(1e-3));
    let spoilt =
        counts.answered - counts.completed + counts.release_missing + counts.bye_unanswered + counts.ack_missing;
    let (offered_cps, answered_cps) = (counts.placed as f64 / seconds, counts.answered as f64 / seconds);
    let (answered, spoilt) = (counts.answered, spoilt + summary.callees_left);
    Step { factor, offered_cps, answered_cps, answered, spoilt, valid: summary.valid }
}

fn tell(step: Step, summary: &Summary) {
    let Step { factor, offered_cps, answered_cps, spoilt, valid, .. } = step;
    let p99_ms = summary.latencies.get("answer").map_or(0.0, |row| row.p99_ms);
    let codes: Vec<String> = summary.codes.iter().map(|(code, count)| format!("{code}: {count}")).collect();
    let generator = if valid { "in time" } else { "LATE" };
    let codes = codes.join("  ");
    say!("{factor:6.1} {offered_cps:10.1} {answered_cps:10.1} {p99_ms:10.3} {spoilt:8} {generator:>10}  {codes}");
}

/// Answers a second at capacity.
fn at_capacity(steps: &[Step]) -> f64 {
    steps.iter().find(|step| step.factor == 1.0).map_or(0.0, |step| step.answered_cps)
}

/// The two goals, each with what came of it.
fn verdicts(steps: &[Step]) -> Vec<String> {
    let word = |met: bool| if met { "met" } else { "MISSED" };
    let (at_capacity, mut lines) = (at_capacity(steps), Vec::new());
    if let Some(last) = steps.last().filter(|last| last.factor > 1.0 && at_capacity > 0.0) {
        let (share, factor) = (last.answered_cps / at_capacity, last.factor);
        lines.push(format!(
            "answers at {factor} times the capacity: {:.1} % of those at capacity, goal {:.0} %: {}",
            100.0 * share,
            100.0 * GOODPUT_MIN,
            word(share >= GOODPUT_MIN)
        ));
    }
    let answered: u64 = steps.iter().map(|step| step.answered).sum();
    let spoilt: u64 = steps.iter().map(|step| step.spoilt).sum();
    let kept = answered.saturating_sub(spoilt);
    lines.push(format!("established calls kept: {kept} of {answered}, goal all of them: {}", word(spoilt == 0)));
    lines
}

/// What is wrong with these steps.
fn judge(steps: &[Step]) -> Vec<String> {
    let mut found = Vec::new();
    let at_capacity = at_capacity(steps);
    if steps.len() < FACTORS.len() {
        found.push("it was ended before the last step".into());
    }
    for step in steps {
        if step.factor > 1.0 && step.answered_cps < at_capacity * GOODPUT_MIN {
            let (percent, factor) = (100.0 * step.answered_cps / at_capacity, step.factor);
            found.push(format!("at {factor} times the capacity {percent:.1} % of the answers at capacity were left"));
        }
        if step.spoilt > 0 {
            found.push(format!(
                "at {} times the capacity {} answered calls did not end as they should",
                step.factor, step.spoilt
            ));
        }
        if !step.valid {
            found.push(format!("at {} times the capacity the generator itself was late", step.factor));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(answers: impl Fn(f64) -> f64) -> Vec<Step> {
        let step = |factor| {
            let answered_cps = answers(factor);
            Step { factor, offered_cps: factor, answered_cps, answered: 10, spoilt: 0, valid: true }
        };
        FACTORS.into_iter().map(step).collect()
    }

    #[test]
    fn answers_that_hold_are_told_from_answers_that_fall() {
        assert_eq!(judge(&steps(|factor| factor.min(1.0))), [""; 0]);
        assert_eq!(judge(&steps(|factor| factor.min(1.0) - if factor > 2.5 { 0.06 } else { 0.0 })).len(), 2);
        let mut odd = steps(|factor| factor.min(1.0));
        (odd[3].spoilt, odd[4].valid) = (1, false);
        assert_eq!(judge(&odd).len(), 2);
        assert_eq!(judge(&odd[..2]).len(), 1);
    }

    #[test]
    fn each_goal_is_told_with_its_verdict() {
        let mut told = steps(|factor| factor.min(1.0));
        let lines = verdicts(&told);
        assert!(lines[0].starts_with("answers at 5 times the capacity: 100.0 %") && lines[0].ends_with(": met"));
        assert_eq!(lines[1], "established calls kept: 60 of 60, goal all of them: met");
        (told[5].answered_cps, told[5].spoilt) = (0.94, 3);
        let lines = verdicts(&told);
        assert!(lines[0].contains("94.0 % of those at capacity, goal 95 %: MISSED"), "{lines:?}");
        assert_eq!(lines[1], "established calls kept: 57 of 60, goal all of them: MISSED");
        assert_eq!(verdicts(&told[..2]).len(), 1, "who never came to more than the capacity says nothing of it");
    }
}
