//! What changes a host: apply, persist, revert. Each change is journaled before it is made.

use serde::Serialize;

use crate::change::{Change, Target, When};
use crate::checks::Verdict;
use crate::host::Host;
use crate::journal::{Journal, Record, Touched};

/// What became of one change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "why")]
pub enum Outcome {
    /// It would be made, if this were no rehearsal.
    Planned,
    /// The value stands as wanted.
    Done,
    /// The kernel made another value of it.
    Became(String),
    /// Left alone, for this reason.
    Skipped(String),
    /// It could not be made.
    Failed(String),
}

/// A change and what became of it.
#[derive(Serialize)]
pub struct Step {
    /// The check that asked for it.
    pub check: String,
    /// Where.
    pub target: Target,
    /// What stood there.
    pub before: Option<String>,
    /// What was to stand there; `None`: nothing.
    pub after: Option<String>,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Makes changes. `protected` cards are left alone, changes of another time than `when` too.
pub fn make(
    host: &Host,
    journal: &mut Journal,
    planned: &[(&str, Change)],
    protected: &[String],
    when: When,
) -> Vec<Step> {
    let mut steps = Vec::new();
    for (check, change) in planned {
        let outcome = match refusal(change, protected, when) {
            Some(why) => Outcome::Skipped(why),
            None => one(host, journal, check, change).unwrap_or_else(Outcome::Failed),
        };
        let Change { target, before, after, .. } = change.clone();
        steps.push(Step { check: (*check).to_owned(), target, before, after: Some(after), outcome });
    }
    steps
}

/// What `make` would do, without doing it.
pub fn rehearsed(planned: &[(&str, Change)], protected: &[String], when: When) -> Vec<Step> {
    let step = |(check, change): &(&str, Change)| {
        let outcome = refusal(change, protected, when).map_or(Outcome::Planned, Outcome::Skipped);
        let Change { target, before, after, .. } = change.clone();
        Step { check: (*check).to_owned(), target, before, after: Some(after), outcome }
    };
    planned.iter().map(step).collect()
}

fn refusal(change: &Change, protected: &[String], when: When) -> Option<String> {
    if change.when != when {
        return Some("takes effect at the next start: tandem-tune persist".into());
    }
    let nic = change.nic.as_ref().filter(|nic| protected.contains(nic))?;
    Some(format!("{nic} carries an SSH connection: say --yes-nic to touch it"))
}

fn one(host: &Host, journal: &mut Journal, check: &str, change: &Change) -> Result<Outcome, String> {
    let target = &change.target;
    // The value may have moved since it was planned; what is journaled is what is replaced.
    let before = target.value(host);
    if before.as_ref() == Some(&change.after) {
        return Ok(Outcome::Done);
    }
    if before.is_none() && !matches!(target, Target::File(_)) {
        return Err("its value cannot be read, so it could not be put back".into());
    }
    let after = change.after.clone();
    journal.keep(Record::Intent { check: check.to_owned(), target: target.clone(), before, after })?;
    target.set(host, Some(&change.after))?;
    let value = target.value(host);
    if value.as_ref() == Some(&change.after) {
        return Ok(Outcome::Done);
    }
    journal.keep(Record::Became { target: target.clone(), value: value.clone() })?;
    Ok(Outcome::Became(value.unwrap_or_default()))
}

/// What would have to be done, by whom, from what was found.
pub fn planned(verdicts: &[Verdict]) -> Vec<(&'static str, Change)> {
    let changes = |verdict: &Verdict| {
        let check = verdict.check;
        verdict.changes.clone().into_iter().map(move |change| (check, change)).collect::<Vec<_>>()
    };
    verdicts.iter().filter(|verdict| verdict.failed()).flat_map(changes).collect()
}

/// Whether a value that stands somewhere is one of ours, or what stood there before.
fn known(journaled: &Touched, value: &Option<String>) -> bool {
    journaled.original == *value || journaled.ours.contains(value)
}

/// What revert would do: targets with the value that they get back, the last change first.
pub struct Reversal {
    /// What gets its value back.
    pub steps: Vec<(Target, String, Option<String>)>,
    /// What somebody else changed since, with what stands there.
    pub strange: Vec<(Target, Option<String>)>,
}

/// Looks what revert would have to do for these checks; for all if none is named.
pub fn reversal(host: &Host, journal: &Journal, only: &[String]) -> Reversal {
    let mut touched: Vec<_> = journal.touched().into_iter().collect();
    touched.retain(|(_, touched)| only.is_empty() || only.contains(&touched.check));
    touched.sort_by_key(|(_, touched)| std::cmp::Reverse(touched.turn));
    let mut strange = Vec::new();
    for (target, touched) in &touched {
        let value = target.value(host);
        if target.exists(host) && !known(touched, &value) {
            strange.push((target.clone(), value));
        }
    }
    let steps = touched.into_iter().map(|(target, touched)| (target, touched.check, touched.original)).collect();
    Reversal { steps, strange }
}

/// Puts old values back and forgets those that stand again.
pub fn revert(host: &Host, journal: Journal, reversal: Reversal, protected: &[String]) -> Result<Vec<Step>, String> {
    let (mut steps, mut over) = (Vec::new(), Vec::new());
    for (target, check, original) in reversal.steps {
        let before = target.value(host);
        let outcome = back(host, &target, &before, original.as_deref(), protected);
        if matches!(outcome, Outcome::Done) || !target.exists(host) {
            over.push(target.clone());
        }
        steps.push(Step { check, target, before, after: original, outcome });
    }
    journal.forget(&over)?;
    Ok(steps)
}

/// What `revert` would do, without doing it.
pub fn rehearsed_reversal(host: &Host, reversal: Reversal, protected: &[String]) -> Vec<Step> {
    let step = |(target, check, original): (Target, String, Option<String>)| {
        let before = target.value(host);
        let outcome = settled(host, &target, &before, original.as_deref(), protected).unwrap_or(Outcome::Planned);
        Step { check, target, before, after: original, outcome }
    };
    reversal.steps.into_iter().map(step).collect()
}

/// What becomes of a value that is not put back.
fn settled(
    host: &Host,
    target: &Target,
    now: &Option<String>,
    original: Option<&str>,
    protected: &[String],
) -> Option<Outcome> {
    if !target.exists(host) {
        return Some(Outcome::Skipped("it is gone".into()));
    }
    if now.as_deref() == original {
        return Some(Outcome::Done);
    }
    let nic = target.nic().filter(|nic| protected.iter().any(|one| one == nic))?;
    Some(Outcome::Skipped(format!("{nic} carries an SSH connection: say --yes-nic to touch it")))
}

fn back(host: &Host, target: &Target, now: &Option<String>, original: Option<&str>, protected: &[String]) -> Outcome {
    if let Some(outcome) = settled(host, target, now, original, protected) {
        return outcome;
    }
    match target.set(host, original) {
        Err(flaw) => Outcome::Failed(flaw),
        Ok(()) => match target.value(host) {
            value if value.as_deref() == original => Outcome::Done,
            value => Outcome::Became(value.unwrap_or_default()),
        },
    }
}
