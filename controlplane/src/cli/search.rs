//! `tandem search`: the search engine that CDRs are told to.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::json;

use super::{EXIT_DIFFERENT, Form, Output, Place, Watch, cdr, moment, table};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// How far the engine is. Exit code 3 while it does not answer or there is none.
    Status {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: Form,
        #[command(flatten)]
        watch: Watch,
    },
    /// Lets the engine be told of older CDRs, from a moment on. They wait behind those that come.
    Fill {
        /// Started at or after: a moment, a date (UTC), or a span back from now such as 30d.
        #[arg(long)]
        from: String,
        #[command(flatten)]
        place: Place,
    },
}

pub async fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Status { place, form, watch } => status(&place, form, watch).await,
        Verb::Fill { from, place } => {
            let noted = place.store().await?.index_again(cdr::when(&from)?).await?;
            eprintln!("{noted} records wait for the search engine; `tandem search status` says how many still do");
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn status(place: &Place, form: Form, watch: Watch) -> Result<ExitCode> {
    let (search, store) = (place.search()?, place.store().await?);
    let Some(engine) = search.engine().cloned() else {
        eprintln!("tandem: the database alone searches: this node's control plane has no --search-url");
        if form.output == Output::Json {
            say!("null");
        }
        return Ok(ExitCode::from(EXIT_DIFFERENT));
    };
    let (indexing, waiting) = (store.indexing().await?, store.unindexed().await?);
    let url = engine.url().to_owned();
    let count = tokio::task::spawn_blocking(move || engine.count()).await.context("the question broke")?;
    let (records, problem) = match count {
        Ok(count) => (Some(count), None),
        Err(trouble) => (None, Some(trouble.to_string())),
    };
    let (since, oldest) = (indexing.since.map(moment), indexing.oldest.map(moment));
    let away = problem.is_some();
    watch.shows();
    match form.output {
        Output::Json => {
            let told = json!({
                "url": url, "records": records, "since": since, "waiting": waiting, "oldest_waiting": oldest,
                "problem": problem,
            });
            say!("{}", serde_json::to_string_pretty(&told)?);
        }
        Output::Table => {
            let text = |value: Option<String>| value.unwrap_or_default();
            let records = text(records.map(|records| records.to_string()));
            let row = vec![url, records, text(since), waiting.to_string(), text(oldest), text(problem)];
            table(&["engine", "records", "complete since", "waiting", "oldest waiting", "problem"], &[row]);
        }
    }
    Ok(if away { ExitCode::from(EXIT_DIFFERENT) } else { ExitCode::SUCCESS })
}
