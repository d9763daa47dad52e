//! What was found and done, as tables for people, as JSON for programs, as a script for later.

use panel::settings::Setting;
use serde::Serialize;
use serde_json::{Value, json};

use crate::act::{Outcome, Step};
use crate::change::{Change, When};
use crate::checks::{Check, Severity, Verdict};
use crate::host::Host;
use crate::wants::Profile;

#[derive(Serialize)]
struct Report<'a> {
    profile: Profile,
    virtual_machine: bool,
    container: bool,
    fatal: usize,
    warnings: usize,
    notes: usize,
    checks: &'a [Verdict],
}

/// One document with every verdict.
pub fn json(verdicts: &[Verdict], profile: Profile, host: &Host) -> String {
    let [fatal, warnings, notes] = failed(verdicts);
    let (virtual_machine, container) = (host.virtual_machine, host.container);
    pretty(&Report { profile, virtual_machine, container, fatal, warnings, notes, checks: verdicts })
}

fn pretty(document: &impl Serialize) -> String {
    serde_json::to_string_pretty(document).expect("a report holds nothing but text, numbers and flags")
}

/// CHECK, WANT, FOUND, SEVERITY, OK, and a closing line.
pub fn table(verdicts: &[Verdict], profile: Profile, host: &Host) -> String {
    let row = |verdict: &Verdict| {
        let ok = verdict.ok.map_or("n/a", |ok| if ok { "yes" } else { "NO" });
        [verdict.check.into(), verdict.want.clone(), verdict.found.clone(), word(verdict.severity).into(), ok.into()]
    };
    let rows = verdicts.iter().map(row);
    format!("{}\n\n{}", columns(["CHECK", "WANT", "FOUND", "SEVERITY", "OK"], rows), closing(verdicts, profile, host))
}

/// What checks ask, why, and how to mend what they find.
pub fn explained(checks: &[&Check]) -> String {
    let row = |check: &&Check| {
        let (severity, in_a_lab) = (check.severity, check.in_a_lab);
        json!({ "check": check.name, "asks": check.asks, "why": check.why, "mend": check.mend, "severity": severity, "in_a_lab": in_a_lab })
    };
    pretty(&checks.iter().map(row).collect::<Vec<_>>())
}

/// What --set takes.
pub fn settings(table: &[Setting]) -> String {
    let row = |setting: &Setting| {
        let Setting { name, doc, default, range } = setting;
        json!({ "setting": name, "meaning": doc.trim().replace('\n', " "), "default": default, "range": range })
    };
    pretty(&table.iter().map(row).collect::<Vec<_>>())
}

/// One line about the host.
pub fn summary(verdicts: &[Verdict], profile: Profile) -> String {
    let [fatal, warnings, _] = failed(verdicts);
    let profile = format!("{profile:?}").to_lowercase();
    let names: Vec<&str> = verdicts.iter().filter(|verdict| verdict.is_fatal()).map(|verdict| verdict.check).collect();
    let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    format!("host as {profile}: {fatal} fatal{names}, {warnings} warnings; see tandem-tune check --profile {profile}")
}

/// Every check: SUPPORTED here, SEVERITY, MENDED BY, and what it asks or why it makes no sense.
pub fn list(checks: &[&Check], verdicts: &[Verdict], as_json: bool) -> String {
    let supported = |verdict: &Verdict| verdict.ok.is_some();
    if as_json {
        let row = |(check, verdict): (&&Check, &Verdict)| {
            let reason = if supported(verdict) { Value::Null } else { verdict.found.clone().into() };
            json!({ "check": check.name, "asks": check.asks, "severity": verdict.severity, "supported": supported(verdict),
                "mended_by": verdict.mended_by(), "reason": reason })
        };
        return pretty(&checks.iter().zip(verdicts).map(row).collect::<Vec<Value>>());
    }
    let row = |(check, verdict): (&&Check, &Verdict)| {
        let yes = if supported(verdict) { "yes" } else { "no" };
        let reason = if supported(verdict) { check.asks.to_owned() } else { verdict.found.clone() };
        [check.name.into(), yes.into(), word(verdict.severity).into(), verdict.mended_by().into(), reason]
    };
    columns(["CHECK", "SUPPORTED", "SEVERITY", "MENDED BY", "REASON"], checks.iter().zip(verdicts).map(row))
}

/// CHECK, WHERE, BEFORE, AFTER, WHEN with its risk.
pub fn plan(planned: &[(&str, Change)], as_json: bool) -> String {
    if as_json {
        let row = |(check, change): &(&str, Change)| {
            json!({ "check": check, "where": change.target.to_string(), "target": change.target, "before": change.before,
                "after": change.after, "when": change.when, "nic": change.nic, "risk": change.risk })
        };
        return pretty(&json!({ "changes": planned.iter().map(row).collect::<Vec<Value>>() }));
    }
    if planned.is_empty() {
        return "nothing to change".into();
    }
    let row = |(check, change): &(&str, Change)| {
        let when = match (change.when, change.risk) {
            (When::NextStart, _) => "next start, by persist".to_owned(),
            (When::Now, "none") => "now".to_owned(),
            (When::Now, risk) => format!("now; {risk}"),
        };
        [
            (*check).to_owned(),
            change.target.to_string(),
            short(change.before.as_deref()),
            short(Some(&change.after)),
            when,
        ]
    };
    columns(["CHECK", "WHERE", "BEFORE", "AFTER", "WHEN"], planned.iter().map(row))
}

/// CHECK, WHERE, BEFORE, AFTER, OUTCOME, and what is still wrong.
pub fn steps(steps: &[Step], verdicts: &[Verdict], as_json: bool) -> String {
    let wrong: Vec<&str> = verdicts.iter().filter(|verdict| verdict.failed()).map(|verdict| verdict.check).collect();
    if as_json {
        return pretty(&json!({ "steps": steps, "still_wrong": wrong }));
    }
    let row = |step: &Step| {
        let outcome = match &step.outcome {
            Outcome::Planned => "would be set".to_owned(),
            Outcome::Done => "done".to_owned(),
            Outcome::Became(value) => format!("became {value}"),
            Outcome::Skipped(why) => format!("left alone: {why}"),
            Outcome::Failed(why) => format!("FAILED: {why}"),
        };
        let (before, after) = (short(step.before.as_deref()), short(step.after.as_deref()));
        [step.check.clone(), step.target.to_string(), before, after, outcome]
    };
    let mut text = match steps {
        [] => "nothing to change".to_owned(),
        _ => columns(["CHECK", "WHERE", "BEFORE", "AFTER", "OUTCOME"], steps.iter().map(row)),
    };
    if !wrong.is_empty() {
        text.push_str(&format!("\n\nstill wrong: {}", wrong.join(", ")));
    }
    text
}

/// A shell script that makes the changes.
pub fn script(planned: &[(&str, Change)], protected: &[String]) -> String {
    let mut text = String::from(
        "#!/bin/sh\n# What tandem-tune would change, with the values that it found. It keeps no journal.\nset -eu\n",
    );
    for (check, change) in planned {
        let held = change.nic.as_ref().is_some_and(|nic| protected.contains(nic));
        let found = short(change.before.as_deref());
        let line = change.target.script(&change.after);
        match (change.when, held) {
            (When::NextStart, _) => text.push_str(&format!("# {check}: only persist can do it\n")),
            (When::Now, true) => {
                text.push_str(&format!("# {check}: an SSH connection comes over this card\n# {line}\n"))
            }
            (When::Now, false) => text.push_str(&format!("# {check}: found {found}\n{line}\n")),
        }
    }
    text
}

/// A value that fits into a column.
fn short(value: Option<&str>) -> String {
    match value {
        None => "(nothing)".into(),
        Some("") => "(empty)".into(),
        Some(text) if text.contains('\n') => format!("{} lines", text.lines().count()),
        Some(text) => text.to_owned(),
    }
}

fn columns<const N: usize>(heading: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(heading.map(String::from)).chain(rows).collect();
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn closing(verdicts: &[Verdict], profile: Profile, host: &Host) -> String {
    let [fatal, warnings, notes] = failed(verdicts);
    let kind = match (host.container, host.virtual_machine) {
        (true, _) => ", in a container",
        (false, true) => ", a virtual machine",
        (false, false) => "",
    };
    let profile = format!("{profile:?}").to_lowercase();
    let count = verdicts.len();
    let mut text =
        format!("{count} checks for profile {profile}{kind}: {fatal} fatal, {warnings} warnings, {notes} notes");
    if let Some(first) = verdicts.iter().find(|verdict| verdict.failed()) {
        text.push_str(&format!("\nWhy, and how to mend: tandem-tune explain {}", first.check));
    }
    text
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Fatal => "fatal",
        Severity::Warn => "warn",
        Severity::Info => "info",
    }
}

/// Failed checks that are fatal, warnings, notes.
fn failed(verdicts: &[Verdict]) -> [usize; 3] {
    [Severity::Fatal, Severity::Warn, Severity::Info]
        .map(|severity| verdicts.iter().filter(|verdict| verdict.failed() && verdict.severity == severity).count())
}
