//! `tandem limits`: every limit that is set, with what calls hold of it this moment, and how nodes share it.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use panel::wire::{Answer, Ask, PartRow, RoomRow};
use store::{CarrierDraft, EgressTrunkDraft, IngressTrunkDraft, LimitOf, LimitRow, Object, Store};

use super::{ListForm, Place};
use crate::link::ask_once;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: ListForm,
}

pub async fn run(arguments: Arguments) -> Result<ExitCode> {
    let folder = arguments.place.folder()?;
    let answer = ask_once(&folder.socket(), Ask::Rooms).await;
    let answer = answer.with_context(|| format!("no data plane answers in {}", folder.path().display()))?;
    let Answer::Rooms(rooms) = answer else { bail!("the data plane gave an odd answer: {answer:?}") };
    let held =
        rooms.iter().filter_map(|row| Some((LimitOf::told(&row.of, row.id, row.originator)?, row.calls, row.recent)));
    let store = arguments.place.store().await?;
    let rows = store.limits(&held.collect::<Vec<_>>()).await?;
    let parts = |row: &RoomRow| Some((LimitOf::told(&row.of, row.id, row.originator)?, row.parts.clone()));
    let parts: BTreeMap<LimitOf, Vec<PartRow>> = rooms.iter().filter_map(parts).collect();
    let parts = |row: &LimitRow| parts.get(&row.of).map_or(&[][..], Vec::as_slice);
    let names = Names::of(&store).await?;
    let head = ["of", "name", "calls", "capacity", "new", "cps", "window", "nodes"];
    let shown: Vec<Vec<String>> = rows.iter().map(|row| cells(row, parts(row), &names)).collect();
    let object = |row: &LimitRow| json(row, parts(row), &names);
    arguments.form.show(&head, &shown, || rows.iter().map(object).collect::<Vec<serde_json::Value>>())?;
    Ok(ExitCode::SUCCESS)
}

struct Names {
    carriers: BTreeMap<u32, String>,
    ingress: BTreeMap<u32, String>,
    egress: BTreeMap<u32, String>,
}

impl Names {
    async fn of(store: &Store) -> Result<Names> {
        Ok(Names {
            carriers: codes::<CarrierDraft>(store).await?,
            ingress: codes::<IngressTrunkDraft>(store).await?,
            egress: codes::<EgressTrunkDraft>(store).await?,
        })
    }

    /// What the limit belongs to, and its code.
    fn told(&self, of: LimitOf) -> (&'static str, String) {
        let code = |codes: &BTreeMap<u32, String>, id: u32| codes.get(&id).cloned().unwrap_or_else(|| id.to_string());
        match of {
            LimitOf::Switch => ("switch", String::new()),
            LimitOf::Originator(id) => ("originator", code(&self.carriers, id)),
            LimitOf::Terminator(id) => ("terminator", code(&self.carriers, id)),
            LimitOf::Carrier(id) => ("carrier", code(&self.carriers, id)),
            LimitOf::Share { terminator, originator } => {
                ("share", format!("{} of {}", code(&self.carriers, originator), code(&self.carriers, terminator)))
            }
            LimitOf::IngressTrunk(id) => ("ingress trunk", code(&self.ingress, id)),
            LimitOf::EgressTrunk(id) => ("egress trunk", code(&self.egress, id)),
        }
    }
}

async fn codes<D: Object>(store: &Store) -> Result<BTreeMap<u32, String>> {
    let all = store.all::<D>().await?;
    Ok(all.into_iter().map(|object| (object.id, object.draft.code().to_owned())).collect())
}

fn cells(row: &LimitRow, parts: &[PartRow], names: &Names) -> Vec<String> {
    let (of, name) = names.told(row.of);
    let limit = |limit: u32| if limit == 0 { "-".to_owned() } else { limit.to_string() };
    let window = if row.limits.cps == 0 { String::new() } else { format!("{} s", row.limits.cps_window_s.max(1)) };
    let (calls, recent) = (row.calls.to_string(), row.recent.to_string());
    let nodes = parts.iter().map(|part| told(row, part)).collect::<Vec<_>>().join(", ");
    vec![of.to_owned(), name, calls, limit(row.limits.capacity), recent, limit(row.limits.cps), window, nodes]
}

/// What a node has of a limit: `node 2: 5 calls, 10 new`.
fn told(row: &LimitRow, part: &PartRow) -> String {
    let calls = (row.limits.capacity > 0).then(|| format!("{} calls", part.calls));
    let recent = (row.limits.cps > 0).then(|| format!("{} new", part.recent));
    format!("node {}: {}", part.node, [calls, recent].into_iter().flatten().collect::<Vec<_>>().join(" and "))
}

fn json(row: &LimitRow, parts: &[PartRow], names: &Names) -> serde_json::Value {
    let (of, name) = names.told(row.of);
    serde_json::json!({
        "of": of,
        "name": name,
        "calls": row.calls,
        "capacity": row.limits.capacity,
        "recent": row.recent,
        "cps": row.limits.cps,
        "cps_window_s": row.limits.cps_window_s.max(1),
        "nodes": parts,
    })
}
