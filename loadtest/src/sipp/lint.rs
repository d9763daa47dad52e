//! `lint`: what of a scenario file is supported, and what is wrong with it.

use std::process::ExitCode;

use super::compile::{Given, compile};

/// Files to look at, and what they may name.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Scenario files.
    #[arg(required = true)]
    files: Vec<String>,
    /// A word that the command line will give (-key), so that it is no fault.
    #[arg(long)]
    key: Vec<String>,
    /// A file of values that the command line will give (-inf).
    #[arg(long)]
    inf: Vec<String>,
    /// Only what is wrong or differs.
    #[arg(long)]
    quiet: bool,
}

/// Prints each element's support level, and each fault with its line and column. 1 if there is one.
pub fn run(arguments: &Arguments) -> ExitCode {
    let keys = arguments.key.iter().map(|key| (key.clone(), key.clone())).collect();
    let given = Given { keys, files: arguments.inf.clone(), payload: None };
    let mut wrong = false;
    for file in &arguments.files {
        let text = match super::text_of(file) {
            Ok(text) => text,
            Err(error) => {
                eprintln!("{error}");
                wrong = true;
                continue;
            }
        };
        let compiled = compile(&text, &given);
        for note in compiled.notes {
            let faulty = compiled.faults.iter().any(|fault| fault.line == note.line);
            match (faulty, note.differs.is_empty()) {
                (true, _) => {}
                (false, true) if arguments.quiet => {}
                (false, true) => say!("{file}:{}: {}: as SIPp", note.line, note.element),
                (false, false) => {
                    say!("{file}:{}: {}: differs: {}", note.line, note.element, note.differs.join("; "))
                }
            }
        }
        for fault in &compiled.faults {
            say!("{file}:{}:{}: refused: {}", fault.line, fault.column, fault.text);
        }
        wrong |= !compiled.faults.is_empty();
    }
    ExitCode::from(u8::from(wrong))
}
