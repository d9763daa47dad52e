//! What each verb does: looks, and hands what was found to those who print or act.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::act::{self, Outcome, Step};
use crate::arguments::{Keep, Look};
use crate::change::{Change, When};
use crate::checks::{self, Check, Sight, Verdict};
use crate::host::{Host, Scope};
use crate::journal::Journal;
use crate::wants::Wants;
use crate::{lasting, nics, report};

/// Looks of one apply: a change of queues makes room for changes of their interrupts.
const PASSES_MAX: usize = 4;

/// Why a verb does not end well.
pub enum Flaw {
    /// Something fatal was found; it is already said.
    Fatal,
    /// Something could not be done; it is already said.
    Incomplete,
    /// It could not be done at all.
    Failed(String),
    /// The command line makes no sense.
    Usage(String),
    /// Somebody else changed a value since.
    Strange(String),
}

/// How closely to look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Care {
    /// Watches counters and tries the disk.
    Full,
    /// Only reads.
    Quick,
}

/// A look at the host.
struct Seen {
    host: Host,
    verdicts: Vec<Verdict>,
}

fn look(asked: &Look, checks: &[&Check], care: Care) -> Result<Seen, Flaw> {
    let mut wants = Wants::of(asked.profile);
    for word in &asked.settings {
        let taken = word.split_once('=').ok_or_else(|| format!("`{word}` is not NAME=VALUE"));
        let taken = taken.and_then(|(name, text)| wants.set(name, text).map_err(|refusal| refusal.to_string()));
        taken.map_err(|flaw| Flaw::Usage(format!("--set: {flaw}")))?;
    }
    let watch = if care == Care::Full { Duration::from_millis(u64::from(wants.watch_ms)) } else { Duration::ZERO };
    let scope = Scope { root: &asked.root, data: &asked.data, watch, write: care == Care::Full };
    let host = Host::look(&scope);
    let nics = nics::chosen(&host, &asked.nic);
    let sight = Sight {
        host: &host,
        wants: &wants,
        rtp: asked.rtp,
        profile: asked.profile,
        nics: &nics,
        vip_nic: asked.vip_nic.as_deref(),
        peer: asked.peer,
        database: asked.database,
    };
    let verdicts = checks.iter().map(|check| check.ask(&sight)).collect();
    Ok(Seen { host, verdicts })
}

fn named(names: &[String]) -> Result<Vec<&'static Check>, Flaw> {
    checks::named(names).map_err(Flaw::Usage)
}

fn fatal(verdicts: &[Verdict]) -> Result<(), Flaw> {
    if verdicts.iter().any(Verdict::is_fatal) { Err(Flaw::Fatal) } else { Ok(()) }
}

/// Cards that must not be touched.
fn protected(host: &Host, keep: &Keep) -> Vec<String> {
    if keep.yes_nic { Vec::new() } else { nics::in_use(host, std::env::var("SSH_CONNECTION").ok().as_deref()) }
}

fn open(asked: &Look, keep: &Keep) -> Result<Journal, Flaw> {
    Journal::open(&place(asked, &keep.journal)).map_err(Flaw::Failed)
}

/// The journal of a made-up host lies below its root.
fn place(asked: &Look, journal: &Path) -> std::path::PathBuf {
    asked.root.join(journal.strip_prefix("/").unwrap_or(journal))
}

pub fn check(asked: &Look, summary: bool) -> Result<(), Flaw> {
    let care = if summary { Care::Quick } else { Care::Full };
    let seen = look(asked, &named(&asked.only)?, care)?;
    let text = match (summary, asked.json) {
        (true, _) => report::summary(&seen.verdicts, asked.profile),
        (false, true) => report::json(&seen.verdicts, asked.profile, &seen.host),
        (false, false) => report::table(&seen.verdicts, asked.profile, &seen.host),
    };
    say!("{text}");
    fatal(&seen.verdicts)
}

pub fn list(asked: &Look) -> Result<(), Flaw> {
    let checks = named(&asked.only)?;
    let seen = look(asked, &checks, Care::Quick)?;
    say!("{}", report::list(&checks, &seen.verdicts, asked.json));
    Ok(())
}

pub fn plan(asked: &Look) -> Result<(), Flaw> {
    let seen = look(asked, &named(&asked.only)?, Care::Quick)?;
    say!("{}", report::plan(&act::planned(&seen.verdicts), asked.json));
    Ok(())
}

pub fn script(asked: &Look, keep: &Keep, path: &Path) -> Result<(), Flaw> {
    let seen = look(asked, &named(&asked.only)?, Care::Quick)?;
    let text = report::script(&act::planned(&seen.verdicts), &protected(&seen.host, keep));
    std::fs::write(path, text).map_err(|flaw| Flaw::Failed(format!("{}: {flaw}", path.display())))
}

/// What apply would do first: changes that only show after these (interrupts of queues) come with them.
pub fn rehearse(asked: &Look, keep: &Keep) -> Result<(), Flaw> {
    let seen = look(asked, &named(&asked.only)?, Care::Quick)?;
    let steps = act::rehearsed(&act::planned(&seen.verdicts), &protected(&seen.host, keep), When::Now);
    say!("{}", report::steps(&steps, &[], asked.json));
    Ok(())
}

pub fn apply(asked: &Look, keep: &Keep) -> Result<(), Flaw> {
    let checks = named(&asked.only)?;
    let mut journal = open(asked, keep)?;
    let mut seen = look(asked, &checks, Care::Quick)?;
    let mut steps: Vec<Step> = Vec::new();
    for _ in 0..PASSES_MAX {
        let mut planned = act::planned(&seen.verdicts);
        planned.retain(|(_, change)| steps.iter().all(|step| step.target != change.target));
        if planned.is_empty() {
            break;
        }
        steps.extend(act::make(&seen.host, &mut journal, &planned, &protected(&seen.host, keep), When::Now));
        seen = look(asked, &checks, Care::Quick)?;
    }
    say!("{}", report::steps(&steps, &seen.verdicts, asked.json));
    whole(&steps)?;
    fatal(&seen.verdicts)
}

fn whole(steps: &[Step]) -> Result<(), Flaw> {
    let failed = steps.iter().any(|step| matches!(step.outcome, Outcome::Failed(_)));
    if failed { Err(Flaw::Incomplete) } else { Ok(()) }
}

pub fn verify(asked: &Look, keep: &Keep) -> Result<(), Flaw> {
    known(&asked.only)?;
    // Whoever only looks makes no journal.
    let there = place(asked, &keep.journal).try_exists().unwrap_or(true);
    let touched = if there { open(asked, keep)?.touched() } else { BTreeMap::new() };
    let mut names: Vec<String> = touched.values().map(|touched| touched.check.clone()).collect();
    names.retain(|name| asked.only.is_empty() || asked.only.contains(name));
    if names.is_empty() {
        let path = place(asked, &keep.journal);
        return Err(Flaw::Failed(format!("nothing was applied here: {} names no such check", path.display())));
    }
    // Values are held against what apply had set, too: with another profile than then a look alone would miss that they are gone.
    let gone = |host: &Host| -> Vec<String> {
        let asked_for = touched.iter().filter(|(_, touched)| names.contains(&touched.check));
        let moved = asked_for.filter_map(|(target, touched)| {
            let (now, ours) = (target.value(host), touched.ours.last()?);
            let told = |value: &Option<String>| value.clone().unwrap_or_else(|| "gone".into());
            (now != *ours).then(|| format!("{target} is {}, and was set to {}", told(&now), told(ours)))
        });
        moved.collect()
    };
    // What persist wrote belongs to no check.
    let checks: Vec<String> = names.iter().filter(|name| *name != lasting::CHECK).cloned().collect();
    let checks = if checks.is_empty() { Vec::new() } else { named(&checks)? };
    let seen = look(asked, &checks, Care::Quick)?;
    let text = if asked.json { report::json } else { report::table };
    say!("{}", text(&seen.verdicts, asked.profile, &seen.host));
    let gone = gone(&seen.host);
    gone.iter().for_each(|line| eprintln!("tandem-tune: {line}"));
    if !gone.is_empty() || seen.verdicts.iter().any(Verdict::failed) { Err(Flaw::Fatal) } else { Ok(()) }
}

/// Refuses names that are no check's; files that persist wrote have a name, too.
fn known(only: &[String]) -> Result<(), Flaw> {
    let checks: Vec<String> = only.iter().filter(|name| *name != lasting::CHECK).cloned().collect();
    named(&checks).map(drop)
}

pub fn persist(asked: &Look, keep: &Keep) -> Result<(), Flaw> {
    let mut journal = open(asked, keep)?;
    let seen = look(asked, &named(&asked.only)?, Care::Quick)?;
    let mut planned: Vec<(&str, Change)> = act::planned(&seen.verdicts);
    planned.retain(|(_, change)| change.when == When::NextStart);
    planned.extend(lasting::files(&seen.host, &journal.touched()).into_iter().map(|change| (lasting::CHECK, change)));
    let steps = act::make(&seen.host, &mut journal, &planned, &[], When::NextStart);
    say!("{}", report::steps(&steps, &[], asked.json));
    if steps.iter().any(|step| step.target == lasting::unit()) && !asked.json {
        say!("Cards are set again at each start after: systemctl enable {}", lasting::UNIT);
    }
    whole(&steps)
}

pub fn revert(asked: &Look, keep: &Keep, force: bool, dry_run: bool) -> Result<(), Flaw> {
    known(&asked.only)?;
    // Whoever only looks makes no journal.
    if dry_run && !place(asked, &keep.journal).try_exists().unwrap_or(true) {
        say!("{}", report::steps(&[], &[], asked.json));
        return Ok(());
    }
    let journal = open(asked, keep)?;
    let host = look(asked, &[], Care::Quick)?.host;
    let reversal = act::reversal(&host, &journal, &asked.only);
    if !force && !reversal.strange.is_empty() {
        let row = |(target, value): &(_, Option<String>)| format!("{target} is {}", value.as_deref().unwrap_or("gone"));
        let strange: Vec<String> = reversal.strange.iter().map(row).collect();
        let strange = strange.join("; ");
        return Err(Flaw::Strange(format!(
            "somebody else changed it since: {strange}. Nothing was put back; --force does it"
        )));
    }
    if dry_run {
        let steps = act::rehearsed_reversal(&host, reversal, &protected(&host, keep));
        say!("{}", report::steps(&steps, &[], asked.json));
        return Ok(());
    }
    let steps = act::revert(&host, journal, reversal, &protected(&host, keep)).map_err(Flaw::Failed)?;
    say!("{}", report::steps(&steps, &[], asked.json));
    whole(&steps)
}

pub fn explain(name: Option<&str>, as_json: bool) -> Result<(), Flaw> {
    if as_json {
        let checks = named(&name.map(str::to_owned).into_iter().collect::<Vec<_>>())?;
        say!("{}", report::explained(&checks));
        return Ok(());
    }
    let Some(name) = name else {
        checks::all().for_each(|check| say!("{:<20} {}", check.name, check.asks));
        return Ok(());
    };
    for check in named(&[name.to_owned()])? {
        say!("{}: {}\n\nWhy: {}\n\nMend: {}", check.name, check.asks, check.why, check.mend);
    }
    Ok(())
}
