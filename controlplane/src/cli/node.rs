//! `tandem node`: what an operator does about a machine.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Subcommand;
use panel::wire::{Answer, Ask};
use serde_json::json;
use units::NodeId;
use web::api::machine::Machine;

use super::{EXIT_DIFFERENT, Form, ListForm, Misused, Output, Place, table};
use crate::link::ask_once;
use crate::machine;

/// Between two looks at what is left.
const LOOK: Duration = Duration::from_millis(500);
/// A node that drains takes calls until its balancers know: so long it must have none before nobody waits for more.
const EMPTY: Duration = Duration::from_secs(3);

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// How this machine does, over a second: load, cores and shards, memory, disks, clock, and how long it and the programs run. Exit code 3:
    /// no data plane runs. All nodes of a cluster: `tandem cluster status`.
    Status {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: ListForm,
    },
    /// Lets the node on this machine finish its calls and take no more. Another node of a cluster: `tandem cluster drain N`.
    Drain {
        /// Lets it take calls again.
        #[arg(long)]
        off: bool,
        /// Waits until no call ran on it for three seconds, and says how many are left: its balancers must hear of it first.
        #[arg(long, conflicts_with = "off")]
        wait: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Gives the money that a lost node held back to its accounts.
    WriteOff {
        /// The node's number.
        #[arg(value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        node: u16,
        /// The node cannot carry calls any more and will not come back with its old data folder: what it would spend then is
        /// spent twice.
        #[arg(long)]
        fenced: bool,
        /// Why, for people.
        #[arg(long, value_name = "TEXT")]
        note: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: Form,
    },
    /// Admits a node again that was written off: it is lent money from the next start of its data plane on.
    Admit {
        /// The node's number.
        #[arg(value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        node: u16,
        #[command(flatten)]
        place: Place,
    },
}

pub async fn run(verb: Verb) -> Result<ExitCode> {
    let (node, fenced, note, place, form) = match verb {
        Verb::Status { place, form } => return status(&place, form).await,
        Verb::Drain { off, wait, place } => return drain(!off, wait, &place).await,
        Verb::WriteOff { node, fenced, note, place, form } => (node, fenced, note, place, form),
        Verb::Admit { node, place } => {
            let boot = place.store().await?.admit_node(NodeId(node)).await?;
            say!("node {node} is admitted from its next start on; those up to {boot} stay refused");
            return Ok(ExitCode::SUCCESS);
        }
    };
    if !fenced {
        let why = "say --fenced when the node is off for good: one that lives on would spend the money a second time";
        return Err(Misused(why.to_owned()).into());
    }
    let done = place.store().await?.write_off(NodeId(node), &note).await?;
    let cells = done.returned.iter().map(|(account, amount)| [account.to_string(), amount.to_string()]);
    match form.output {
        Output::Json => {
            let returned: Vec<_> =
                cells.map(|[account, amount]| json!({ "account": account, "amount": amount })).collect();
            let all = json!({ "boot": done.boot, "grants": done.grants, "returned": returned });
            say!("{}", serde_json::to_string_pretty(&all)?);
        }
        Output::Table => table(&["account", "returned"], &cells.map(Vec::from).collect::<Vec<_>>()),
    }
    Ok(ExitCode::SUCCESS)
}

async fn status(place: &Place, form: ListForm) -> Result<ExitCode> {
    let seen = machine::once(&place.folder()?).await;
    let rows: Vec<_> = seen.told().into_iter().map(|(of, told)| vec![of, told]).collect();
    form.show(&["of", "told"], &rows, || Machine::of(&seen))?;
    let runs = seen.programs.iter().any(|program| program.name == "dataplane");
    Ok(if runs { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DIFFERENT) })
}

async fn drain(on: bool, wait: bool, place: &Place) -> Result<ExitCode> {
    let socket = place.folder()?.socket();
    let answer = ask_once(&socket, Ask::Drain { on }).await.context("no data plane answers")?;
    ensure!(answer == Answer::Done, "the data plane answered {answer:?} to a drain");
    eprintln!("tandem: new calls are {}", if on { "refused" } else { "taken" });
    if wait {
        emptied(&socket).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells how many calls are left until none comes any more.
async fn emptied(socket: &Path) -> Result<()> {
    let (mut told, mut empty) = (None, None);
    loop {
        let Answer::Figures(figures) = ask_once(socket, Ask::Figures).await? else { bail!("no figures came") };
        let calls: u32 = figures.shards.iter().map(|shard| shard.calls).sum();
        if told.replace(calls) != Some(calls) {
            eprintln!("tandem: {calls} calls left");
        }
        empty = if calls == 0 { empty.or_else(|| Some(Instant::now())) } else { None };
        if empty.is_some_and(|since| since.elapsed() >= EMPTY) {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}
