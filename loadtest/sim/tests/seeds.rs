//! Every seed must keep every promise.

use std::process::Command;

use sim::{Outcome, Weather};

/// Seeds of a usual run; `SIM_SEEDS=1000` asks for more, `SIM_FIRST=5000` for others.
const SEEDS: u64 = 1_000;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn commit() -> String {
    let output = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    output.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default().trim().to_owned()
}

/// Runs the seeds of a usual run, and tells what they were like.
fn judged(name: &str, answered_min: usize, run: impl Fn(u64) -> Result<Outcome, String>) {
    let first = number("SIM_FIRST", 1);
    let last = first + number("SIM_SEEDS", SEEDS);
    let (mut sum, mut broken) = (Outcome::default(), Vec::new());
    for seed in first..last {
        match run(seed) {
            Ok(outcome) => {
                sum.calls += outcome.calls;
                sum.answered += outcome.answered;
                sum.attempts += outcome.attempts;
            }
            Err(fault) => {
                println!("sim: seed {seed}, {name}, at {}: {fault}", commit());
                println!("rerun: SIM_FIRST={seed} SIM_SEEDS=1 cargo test -p sim --test seeds {name}");
                broken.push(seed);
            }
        }
    }
    let Outcome { calls, answered, attempts, .. } = sum;
    println!("sim: {} seeds, {name}, {calls} calls, {answered} answered, {attempts} attempts", last - first);
    assert!(broken.is_empty(), "{} of {} seeds broke a promise, {name}: {broken:?}", broken.len(), last - first);
    assert!(answered * 100 > calls * answered_min, "too few calls are answered for the runs to mean anything");
}

#[test]
fn no_seed_breaks_a_promise() {
    judged("no_seed_breaks_a_promise", 20, |seed| sim::run(seed, &mut |_, _| {}));
}

/// One datagram in twenty is lost, three in a hundred come twice, one in twenty so late that others overtake it.
#[test]
fn no_seed_breaks_a_promise_while_the_network_loses_doubles_and_reorders() {
    let weather = Weather { lost: 50, doubled: 30, late: 50, late_max: 900_000 };
    judged("while_the_network", 20, |seed| sim::run_in(seed, weather, &mut |_, _| {}));
}

/// One to three nodes, one ledger, little money, and everything that can happen between them.
#[test]
fn no_seed_breaks_a_promise_while_nodes_and_ledger_lose_each_other() {
    judged("while_nodes_and_ledger", 5, |seed| sim::run_torn(seed, &mut |_, _| {}));
}

/// What a call did not use may be lent on only once its record is safe: the mutant that forgets it is found here.
#[test]
fn no_seed_breaks_a_promise_while_calls_contest_the_last_money_of_a_grant() {
    let crashes = (1..=100).filter(|seed| match sim::run_contested(*seed, &mut |_, _| {}) {
        Ok(outcome) => outcome.crashes == 1,
        Err(fault) => panic!("seed {seed}: {fault}"),
    });
    assert!(crashes.count() > 90, "they die in the moment that the story is about");
}

#[test]
fn a_seed_repeats_to_the_byte() {
    let trace = |seed| {
        let mut lines = Vec::new();
        let outcome = sim::run(seed, &mut |at, text| lines.push(format!("{at} {text}")));
        (lines, outcome)
    };
    for seed in [3, 14, 15] {
        let (first, second) = (trace(seed), trace(seed));
        assert!(first == second, "seed {seed} told two stories");
        assert!(first.0.len() > 20);
    }
}
