//! Each target on its seeds and on a fixed number of inputs made from them, the same on every machine. `FUZZ_TIMES=100` makes as
//! many times more, `FUZZ_SEED=2` others, `FUZZ_TARGET=shard` asks one target only.

use std::panic::catch_unwind;
use std::path::PathBuf;

use fuzz::mutate::{Chance, input};
use fuzz::{TARGETS, Target};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Keeps an input that breaks a promise, and says where.
fn keep(target: &Target, bytes: &[u8]) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fuzz").join(target.name);
    std::fs::create_dir_all(&folder).expect("the folder is writable");
    let file = folder.join(format!("broken-{}", bytes.len()));
    std::fs::write(&file, bytes).expect("the folder is writable");
    file
}

fn run(target: &Target) -> Option<String> {
    let seeds = (target.seeds)();
    let mut chance = Chance::new(number("FUZZ_SEED", 1));
    let times = u64::from(target.bounded) * number("FUZZ_TIMES", 1);
    let made = (0..times).map(|_| input(&mut chance, &seeds));
    for bytes in seeds.iter().cloned().chain(made) {
        if catch_unwind(|| (target.run)(&bytes)).is_err() {
            return Some(format!("{}: {}", target.name, keep(target, &bytes).display()));
        }
    }
    println!("{}: {times} inputs", target.name);
    None
}

#[test]
fn no_input_breaks_a_promise() {
    let chosen = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let wanted = TARGETS.iter().filter(|target| chosen.is_empty() || chosen == target.name);
    let broken: Vec<String> = wanted.filter_map(run).collect();
    assert!(broken.is_empty(), "inputs that break a promise:\n{}", broken.join("\n"));
}
