//! Every seed must keep every promise.

use std::process::Command;

/// Seeds of a usual run; `SIM_SEEDS=1000` asks for more, `SIM_FIRST=5000` for others.
const SEEDS: u64 = 1_000;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn commit() -> String {
    let output = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    output.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default().trim().to_owned()
}

#[test]
fn no_seed_breaks_a_promise() {
    let first = number("SIM_FIRST", 1);
    let last = first + number("SIM_SEEDS", SEEDS);
    let (mut calls, mut answered, mut attempts, mut broken) = (0, 0, 0, Vec::new());
    for seed in first..last {
        match sim::run(seed, &mut |_, _| {}) {
            Ok(outcome) => {
                calls += outcome.calls;
                answered += outcome.answered;
                attempts += outcome.attempts;
            }
            Err(fault) => {
                println!("sim: seed {seed} at {}: {fault}", commit());
                println!("rerun: cargo run -p tandem-loadtest -- sim {seed}");
                broken.push(seed);
            }
        }
    }
    println!("sim: {} seeds, {calls} calls, {answered} answered, {attempts} attempts", last - first);
    assert!(broken.is_empty(), "{} of {} seeds broke a promise: {broken:?}", broken.len(), last - first);
    assert!(answered * 5 > calls, "too few calls are answered for the runs to mean anything");
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
