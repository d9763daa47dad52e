//! `tandem node`: what an operator does about a machine.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Subcommand;
use serde_json::json;
use units::NodeId;

use super::{Form, Output, Place, table};

#[derive(Debug, Subcommand)]
pub enum Verb {
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
        Verb::WriteOff { node, fenced, note, place, form } => (node, fenced, note, place, form),
        Verb::Admit { node, place } => {
            let boot = place.store().await?.admit_node(NodeId(node)).await?;
            println!("node {node} is admitted from its next start on; those up to {boot} stay refused");
            return Ok(ExitCode::SUCCESS);
        }
    };
    ensure!(
        fenced,
        "say --fenced when the node is off for good: one that lives on would spend the money a second time"
    );
    let done = place.store().await?.write_off(NodeId(node), &note).await?;
    let cells = done.returned.iter().map(|(account, amount)| [account.to_string(), amount.to_string()]);
    match form.output {
        Output::Json => {
            let returned: Vec<_> =
                cells.map(|[account, amount]| json!({ "account": account, "amount": amount })).collect();
            let all = json!({ "boot": done.boot, "grants": done.grants, "returned": returned });
            println!("{}", serde_json::to_string_pretty(&all)?);
        }
        Output::Table => table(&["account", "returned"], &cells.map(Vec::from).collect::<Vec<_>>()),
    }
    Ok(ExitCode::SUCCESS)
}
