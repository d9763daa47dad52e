//! The table of checks: what each asks, why, how to mend it. One look serves check, plan, apply and verify.

mod buffers;
mod cards;
mod kernel;
mod limits;
mod memory;
mod others;
mod path;
mod place;
mod processor;

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use Severity::{Fatal, Info, Warn};

use crate::change::{Change, When};
use crate::host::Host;
use crate::wants::{Profile, Wants};

/// How bad it is when a check fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Calls or money are in danger: do not go into production like this.
    Fatal,
    /// It costs quality or headroom.
    Warn,
    /// It costs a little, or only in some places.
    Info,
}

/// What was found, beside what was wanted.
pub struct Found {
    /// What would be right.
    pub want: String,
    /// What is there.
    pub found: String,
    /// Whether that is right; `None` where the question makes no sense.
    pub ok: Option<bool>,
    /// Worse or milder than the check's own severity.
    pub severity: Option<Severity>,
    /// What would make it right; empty when it is, and when only people can do it.
    pub changes: Vec<Change>,
}

impl Found {
    /// Wanted, found, and whether that is right.
    pub fn compared(want: impl Into<String>, found: impl Into<String>, ok: bool) -> Found {
        Found { want: want.into(), found: found.into(), ok: Some(ok), severity: None, changes: Vec::new() }
    }

    /// The question makes no sense here, for this reason.
    pub fn not_applicable(want: impl Into<String>, reason: impl Into<String>) -> Found {
        Found { want: want.into(), found: reason.into(), ok: None, severity: None, changes: Vec::new() }
    }

    /// The kernel does not show it: another kernel, a container, a network namespace.
    fn unseen(want: impl Into<String>) -> Found {
        Found::not_applicable(want, "not visible here")
    }

    fn at(self, severity: Severity) -> Found {
        Found { severity: Some(severity), ..self }
    }

    /// These changes would make it right, if it is not.
    fn with(self, changes: impl IntoIterator<Item = Change>) -> Found {
        let wrong = self.ok == Some(false);
        let changes = changes.into_iter().filter(|change| wrong && change.before.as_ref() != Some(&change.after));
        Found { changes: changes.collect(), ..self }
    }
}

/// What a check may look at.
pub struct Sight<'a> {
    /// The host.
    pub host: &'a Host,
    /// The numbers to compare with.
    pub wants: &'a Wants,
    /// First and last media port.
    pub rtp: (u16, u16),
    /// What kind of host this is meant to be.
    pub profile: Profile,
    /// The network cards that carry calls.
    pub nics: &'a [String],
    /// The card of the service address that moves between nodes.
    pub vip_nic: Option<&'a str>,
    /// The other node.
    pub peer: Option<IpAddr>,
    /// The database.
    pub database: Option<SocketAddr>,
}

impl Sight<'_> {
    /// How many shards will run: as wanted, or one a core.
    fn shards(&self) -> usize {
        match self.wants.shards {
            0 => self.host.cores().len().max(1),
            shards => shards as usize,
        }
    }

    /// Why the kernel has no word about a core's clock or sleep.
    fn no_clock(&self) -> &'static str {
        if self.host.virtual_machine { "the hypervisor decides" } else { "the kernel does not change it here" }
    }

    /// A file of the kernel's with one number that should be this.
    fn exactly(&self, path: &str, want: u64) -> Found {
        match self.host.number(path) {
            Some(value) => {
                let change = Change::kernel(self.host, path, want);
                Found::compared(want.to_string(), value.to_string(), value == want).with([change])
            }
            None => Found::unseen(want.to_string()),
        }
    }

    /// A file of the kernel's with one number that should be this or more.
    fn at_least(&self, path: &str, least: u64) -> Found {
        let want = format!("{least} or more");
        match self.host.number(path) {
            Some(value) => {
                let change = Change::kernel(self.host, path, least);
                Found::compared(want, value.to_string(), value >= least).with([change])
            }
            None => Found::unseen(want),
        }
    }
}

/// One row of the table.
pub struct Check {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it asks, in a line.
    pub asks: &'static str,
    /// Why it matters to a switch.
    pub why: &'static str,
    /// What to do about it.
    pub mend: &'static str,
    /// How bad a failure is in production.
    pub severity: Severity,
    /// How bad it is in a lab.
    pub in_a_lab: Severity,
    look: fn(&Sight) -> Found,
}

/// What one check said.
#[derive(Serialize)]
pub struct Verdict {
    /// The check's name.
    pub check: &'static str,
    /// What would be right.
    pub want: String,
    /// What is there.
    pub found: String,
    /// How bad a failure is.
    pub severity: Severity,
    /// Whether it is right; `None` where the question makes no sense.
    pub ok: Option<bool>,
    /// What would make it right.
    pub changes: Vec<Change>,
}

impl Verdict {
    /// A fatal check failed.
    pub fn is_fatal(&self) -> bool {
        self.failed() && self.severity == Fatal
    }

    /// The check failed.
    pub fn failed(&self) -> bool {
        self.ok == Some(false)
    }

    /// Who can make it right.
    pub fn mended_by(&self) -> &'static str {
        match (self.ok, self.changes.first()) {
            (None, _) => "n/a",
            (Some(true), _) => "-",
            (Some(false), None) => "you",
            (Some(false), Some(change)) if change.when == When::Now => "apply",
            (Some(false), Some(_)) => "persist",
        }
    }
}

impl Check {
    /// Asks the host.
    pub fn ask(&self, sight: &Sight) -> Verdict {
        let Found { want, found, ok, severity, changes } = (self.look)(sight);
        let usual = if sight.profile == Profile::Lab { self.in_a_lab } else { self.severity };
        // In a lab nothing but the lack of io_uring keeps anybody from trying.
        let severity = severity.filter(|_| sight.profile != Profile::Lab).unwrap_or(usual);
        Verdict { check: self.name, want, found, severity, ok, changes }
    }
}

/// Every check, in the order of the report.
pub fn all() -> impl Iterator<Item = &'static Check> {
    let groups = [
        kernel::CHECKS,
        limits::CHECKS,
        buffers::CHECKS,
        cards::CHECKS,
        path::CHECKS,
        processor::CHECKS,
        memory::CHECKS,
        place::CHECKS,
        others::CHECKS,
    ];
    groups.into_iter().flatten()
}

/// The checks of these names, in the order of the report; all of them if none is named. An error names one that nobody knows.
pub fn named(names: &[String]) -> Result<Vec<&'static Check>, String> {
    if let Some(unknown) = names.iter().find(|name| all().all(|check| check.name != name.as_str())) {
        return Err(format!("there is no check `{unknown}`; `tandem-tune explain` lists them"));
    }
    Ok(all().filter(|check| names.is_empty() || names.iter().any(|name| name == check.name)).collect())
}
