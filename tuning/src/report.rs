//! The verdicts as a table for people and as JSON for programs.

use serde::Serialize;

use crate::checks::{Severity, Verdict};
use crate::host::Host;
use crate::wants::Profile;

#[derive(Serialize)]
struct Report<'a> {
    profile: Profile,
    virtual_machine: bool,
    container: bool,
    fatal: usize,
    warnings: usize,
    checks: &'a [Verdict],
}

/// One document with every verdict.
pub fn json(verdicts: &[Verdict], profile: Profile, host: &Host) -> String {
    let (fatal, warnings) = failed(verdicts);
    let (virtual_machine, container) = (host.virtual_machine, host.container);
    let report = Report { profile, virtual_machine, container, fatal, warnings, checks: verdicts };
    serde_json::to_string_pretty(&report).expect("a report holds nothing but text, numbers and flags")
}

/// CHECK, WANT, FOUND, SEVERITY, OK, and a closing line.
pub fn table(verdicts: &[Verdict], profile: Profile, host: &Host) -> String {
    let mut rows = vec![["CHECK", "WANT", "FOUND", "SEVERITY", "OK"].map(String::from)];
    rows.extend(verdicts.iter().map(|verdict| {
        let severity = if verdict.severity == Severity::Fatal { "fatal" } else { "warn" };
        let ok = verdict.ok.map_or("n/a", |ok| if ok { "yes" } else { "NO" });
        [verdict.check.into(), verdict.want.clone(), verdict.found.clone(), severity.into(), ok.into()]
    }));
    let widths: [usize; 5] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let table: Vec<String> = rows.iter().map(line).collect();
    format!("{}\n\n{}", table.join("\n"), closing(verdicts, profile, host))
}

fn closing(verdicts: &[Verdict], profile: Profile, host: &Host) -> String {
    let (fatal, warnings) = failed(verdicts);
    let kind = match (host.container, host.virtual_machine) {
        (true, _) => ", in a container",
        (false, true) => ", a virtual machine",
        (false, false) => "",
    };
    let profile = format!("{profile:?}").to_lowercase();
    let count = verdicts.len();
    let mut text = format!("{count} checks for profile {profile}{kind}: {fatal} fatal, {warnings} warnings");
    if let Some(first) = verdicts.iter().find(|verdict| verdict.ok == Some(false)) {
        text.push_str(&format!("\nWhy, and how to mend: tandem-tune explain {}", first.check));
    }
    text
}

fn failed(verdicts: &[Verdict]) -> (usize, usize) {
    let failed =
        |severity| verdicts.iter().filter(|verdict| verdict.ok == Some(false) && verdict.severity == severity).count();
    (failed(Severity::Fatal), failed(Severity::Warn))
}
