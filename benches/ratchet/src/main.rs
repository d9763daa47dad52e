//! How many instructions pure code takes, counted by callgrind, against the numbers kept in a file: they may only fall.
//!
//! `ratchet FILE [--accept] [--tolerance PERCENT]`
//!
//! Unlike times, counts do not depend on who else uses the machine. Each work is counted twice with different numbers of rounds; the
//! difference is what the rounds took, without the program's start. A compiler or a processor with other vector instructions counts
//! differently: then accept, and say so in the commit.

mod work;

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};

use work::{COUNTED, WORKS};

/// The data plane's own.
#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rounds of the two counts: the tables and buffers of a work have their size after the first.
const ROUNDS: [u64; 2] = [200, 1_200];
/// How much worse a count may be, per cent, unless told otherwise.
const TOLERANCE: f64 = 2.0;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, name, rounds] = words.as_slice()
        && flag == "--work"
    {
        return do_work(name, rounds);
    }
    match compare(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(flaw) => {
            eprintln!("ratchet: {flaw}");
            ExitCode::from(2)
        }
    }
}

/// What runs under callgrind.
fn do_work(name: &str, rounds: &str) -> ExitCode {
    let work = WORKS.iter().find(|(known, _)| *known == name);
    let (Some((_, work)), Ok(rounds)) = (work, rounds.parse()) else { return ExitCode::from(2) };
    work(rounds);
    ExitCode::SUCCESS
}

fn compare(words: &[String]) -> Result<bool, String> {
    let (mut path, mut accept, mut tolerance) = (None, false, TOLERANCE);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--accept" => accept = true,
            "--tolerance" => {
                let percent = words.next().and_then(|word| word.parse().ok());
                tolerance = percent.ok_or("--tolerance wants a number of per cent")?;
            }
            _ => path = Some(word),
        }
    }
    let path = path.ok_or("name the file with the kept numbers")?;
    let kept = read(path)?;
    let counted: Vec<(&str, u64)> =
        WORKS.iter().map(|(name, _)| Ok((*name, count(name)?))).collect::<Result<_, String>>()?;
    if accept {
        let lines: Vec<String> = counted.iter().map(|(name, count)| format!("{name} {count}")).collect();
        return std::fs::write(path, lines.join("\n") + "\n").map(|()| true).map_err(|flaw| format!("{path}: {flaw}"));
    }
    Ok(tell(&kept, &counted, tolerance))
}

fn read(path: &str) -> Result<BTreeMap<String, u64>, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(flaw) if flaw.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(flaw) => return Err(format!("{path}: {flaw}")),
    };
    let row = |line: &str| line.split_once(' ').and_then(|(name, count)| Some((name.to_owned(), count.parse().ok()?)));
    text.lines().map(|line| row(line).ok_or_else(|| format!("{path}: `{line}` is no name and number"))).collect()
}

/// Prints each work beside what is kept of it; whether all of them hold.
fn tell(kept: &BTreeMap<String, u64>, counted: &[(&str, u64)], tolerance: f64) -> bool {
    let (mut holds, mut better) = (true, false);
    println!("{:<24}{:>10}{:>10}{:>9}", "INSTRUCTIONS A ROUND", "KEPT", "NOW", "CHANGE");
    for (name, now) in counted {
        let Some(before) = kept.get(*name) else {
            println!("{name:<24}{:>10}{now:>10}{:>9}  not kept yet", "-", "-");
            holds = false;
            continue;
        };
        let change = (*now as f64 / (*before).max(1) as f64 - 1.0) * 100.0;
        let worse = change > tolerance;
        println!("{name:<24}{before:>10}{now:>10}{change:>+8.1}%{}", if worse { "  WORSE" } else { "" });
        holds &= !worse;
        better |= change < -tolerance;
    }
    if !holds {
        println!(
            "More than {tolerance} % worse, or not kept. If it is worth it: make ratchet ACCEPT=1, and say why in the commit."
        );
    } else if better {
        println!("Better: make ratchet ACCEPT=1 keeps it so.");
    }
    holds
}

/// Instructions of one round.
fn count(name: &str) -> Result<u64, String> {
    let [few, many] = ROUNDS;
    let between = run(name, many)?.saturating_sub(run(name, few)?);
    Ok((between + (many - few) / 2) / (many - few))
}

fn run(name: &str, rounds: u64) -> Result<u64, String> {
    let own = std::env::current_exe().map_err(|flaw| flaw.to_string())?;
    // A whole call is more than what is counted of it: its peers are played too.
    let within = (name == "call").then(|| format!("--toggle-collect={COUNTED}"));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(within)
        .arg(own)
        .args(["--work", name, &rounds.to_string()])
        .output()
        .map_err(|flaw| format!("valgrind: {flaw}; setup/install --test brings it"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    collected.filter(|_| output.status.success()).ok_or_else(|| format!("{name} under valgrind: {said}"))
}
