//! `tandem standings`: how well egress trunks do at this moment.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use panel::wire::{Answer, Ask};
use snapshot::View;
use web::api::standings::{LastCalls, Standings};
use web::snapshot_files;

use super::{Form, Output, Place, Watch, moment, table};
use crate::link::ask_once;

/// Prints the egress trunks that are watched by probes, floors or a throttle, and the routes of plans by quality.
pub async fn run(place: &Place, form: Form, watch: Watch) -> Result<ExitCode> {
    let folder = place.folder()?;
    let figures = match ask_once(&folder.socket(), Ask::Figures).await.context("no data plane answers")? {
        Answer::Figures(figures) => figures,
        other => bail!("the data plane gave an odd answer: {other:?}"),
    };
    let current = folder.snapshots().join(format!("{}.snap", figures.revision));
    let snapshot = snapshot_files::read_main(&current).context("the snapshot in force cannot be read")?;
    let told = Standings::of(&figures, &View::open(&snapshot));
    watch.shows();
    if form.output == Output::Json {
        say!("{}", serde_json::to_string_pretty(&told)?);
        return Ok(ExitCode::SUCCESS);
    }
    let trunks = told.trunks.iter().map(|row| {
        let state = format!("{:?}", row.state).to_lowercase();
        let cells = [row.egress_trunk.code.clone(), state, moment(row.since.0)];
        cells.into_iter().chain(last(row.last_calls.as_ref())).chain([row.reason.clone()]).collect()
    });
    table(&["trunk", "state", "since", "calls", "asr", "ner", "acd", "pdd", "why"], &trunks.collect::<Vec<_>>());
    if !told.routes.is_empty() {
        say!();
        let routes = told.routes.iter().map(|row| {
            let index = row.index.map_or(String::new(), |index| format!("{index:.2}"));
            let cells = [row.plan.code.clone(), row.egress_trunk.code.clone(), index];
            cells.into_iter().chain(last(Some(&row.last_calls))).collect()
        });
        table(&["plan", "trunk", "index", "calls", "asr", "ner", "acd", "pdd"], &routes.collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}

/// What the last calls say.
fn last(calls: Option<&LastCalls>) -> [String; 5] {
    let Some(calls) = calls else { return Default::default() };
    [
        calls.calls.to_string(),
        format!("{:.1} %", calls.asr_percent),
        format!("{:.1} %", calls.ner_percent),
        format!("{} s", calls.acd_s),
        format!("{} ms", calls.pdd_ms),
    ]
}
