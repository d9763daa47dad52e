//! `plant`: builds each topology, lets calls go through it while something breaks, and prints what came of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use plant::hosts::obstacle;
use plant::story::{STORIES, Story};
use plant::table::{Row, page, text};

/// Whole switches of several hosts while things break. Takes root; `TANDEM_BIN_DIR` names the folder of our programs.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only these topologies.
    names: Vec<String>,
    /// Writes the page with the table.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(why) = obstacle() {
        anyhow::bail!("no hosts can be made here: {why}");
    }
    let wanted = |story: &&Story| arguments.names.is_empty() || arguments.names.iter().any(|name| name == story.name);
    let rows: Vec<Row> = STORIES.iter().filter(wanted).flat_map(tell).collect();
    println!("{}", text(&rows));
    if let Some(path) = &arguments.page {
        std::fs::write(path, page(STORIES, &rows)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let sound = !rows.is_empty() && rows.iter().all(|row| row.flaws.is_empty());
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A story that breaks off is a row with a flaw: the others are told all the same.
fn tell(story: &Story) -> Vec<Row> {
    let began = Instant::now();
    eprintln!("{}: {}", story.name, story.site);
    let told = catch_unwind(AssertUnwindSafe(|| (story.tell)(&mut (story.build)(story.site))));
    let mut rows = told.unwrap_or_else(|_| {
        let flaws = vec!["the story broke off".to_owned()];
        vec![Row { fault: "it broke off".to_owned(), flaws, ..Row::default() }]
    });
    rows.iter_mut().for_each(|row| row.topology = story.name.to_owned());
    eprintln!("{}: {} faults in {:.0?}", story.name, rows.len(), began.elapsed());
    rows
}
