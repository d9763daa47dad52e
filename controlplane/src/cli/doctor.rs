//! `tandem doctor`: everything that somebody who helps asks first, in one list, each line with what to do.

mod host;
mod node;
mod together;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::{EXIT_DIFFERENT, Form, Output, Place, shown};
use crate::alarms::Level;
use node::Node;

#[derive(Debug, Args)]
pub struct Arguments {
    /// What kind of host this is meant to be: what tandem-tune wants of it.
    #[arg(long, value_name = "KIND", default_value = "lab", value_parser = ["lab", "vm", "metal", "cloud"])]
    host_profile: String,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: Form,
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    check: &'static str,
    /// How it is.
    state: Level,
    /// What was found.
    found: String,
    /// What to do about it; empty where nothing is to be done.
    mend: String,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Finding {
        Finding { check, state: Level::Ok, found: found.into(), mend: String::new() }
    }

    fn bad(check: &'static str, state: Level, found: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding { check, state, found: found.into(), mend: mend.into() }
    }
}

pub async fn run(arguments: Arguments) -> Result<ExitCode> {
    let Arguments { host_profile, place, form } = arguments;
    let node = Node::look(place.folder()?).await;
    let mut findings = node.services();
    findings.extend(node.versions());
    findings.push(node::database(&place).await);
    let etcd = node.etcd();
    let certificates = host::certificates(&node.words, etcd.as_ref()).await;
    findings.extend(together::findings(etcd).await);
    findings.extend(node.snapshot(&place).await);
    findings.extend(node.journal());
    findings.extend(node.alarms());
    findings.extend(node.trunks());
    findings.push(node.media());
    findings.extend(node.descriptors());
    findings.extend(node.disk());
    findings.extend(certificates);
    findings.extend(host::tuning(&host_profile, node.folder.path()).await);
    match form.output {
        Output::Json => say!("{}", serde_json::to_string_pretty(&findings)?),
        Output::Table => show(&findings),
    }
    Ok(ExitCode::from(code(&findings)))
}

fn show(findings: &[Finding]) {
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    for Finding { check, state, found, mend } in findings {
        say!("{:<4}  {check:<width$}  {}", state.word(), shown(found));
        if !mend.is_empty() {
            say!("      {:<width$}  -> {}", "", shown(mend));
        }
    }
    let count = |state: Level| findings.iter().filter(|finding| finding.state == state).count();
    say!("{} ok, {} to look at, {} failed", count(Level::Ok), count(Level::Warn), count(Level::Fail));
}

/// 0: all is well; 3: something should be looked at; 1: something failed.
fn code(findings: &[Finding]) -> u8 {
    match findings.iter().map(|finding| finding.state).max() {
        None | Some(Level::Ok) => 0,
        Some(Level::Warn) => EXIT_DIFFERENT,
        Some(Level::Fail) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_line_is_the_exit_code() {
        let finding = |state| Finding { check: "x", state, found: String::new(), mend: String::new() };
        let told = |states: &[Level]| code(&states.iter().map(|state| finding(*state)).collect::<Vec<_>>());
        assert_eq!([told(&[]), told(&[Level::Ok]), told(&[Level::Ok, Level::Warn])], [0, 0, 3]);
        assert_eq!(told(&[Level::Fail, Level::Warn, Level::Ok]), 1);
    }
}
