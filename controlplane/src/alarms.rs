//! What the data plane's figures say that somebody should look at, and what to do about it.

use panel::wire::{Figures, JOURNAL_FULL_PERCENT, MEDIA_ALARM_PERCENT};
use serde::Serialize;

/// From this share of the journal's file system on an operator is told, in per cent.
const DISK_ALARM_PERCENT: u8 = 80;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Somebody should look.
    Warn,
    /// Calls, money or records are in danger.
    Fail,
}

impl Level {
    /// As lists show it.
    pub fn word(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "fail",
        }
    }
}

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// Which, for programs: the same for as long as it stands.
    pub name: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What is so.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

impl Alarm {
    /// An alarm of this name.
    pub fn new(name: &'static str, level: Level, what: impl Into<String>, mend: &str) -> Alarm {
        Alarm { name, level, what: what.into(), mend: mend.to_owned() }
    }
}

/// What stands out in the figures, the worst first. With figures of a while ago, what has happened since then too.
pub fn of(figures: &Figures, before: Option<&Figures>) -> Vec<Alarm> {
    let mut found = states(figures);
    let before = before.filter(|before| before.boot == figures.boot);
    let risen = |name: &str| counter(figures, name).saturating_sub(before.map_or(0, |before| counter(before, name)));
    let panics = counter(figures, "panics");
    if panics > 0 {
        found.push(Alarm::new(
            "panics",
            Level::Warn,
            format!("{panics} panics survived since the start"),
            "each dropped a message: send the data plane's log to the makers",
        ));
    }
    if before.is_some() {
        for (name, what, mend) in [
            (
                "sip_overload",
                "new calls refused because a shard is behind",
                "see CPU and wait of the shards; give the node fewer calls",
            ),
            (
                "calls_turned_away",
                "calls refused because the switch is full, draining or its disk is",
                "see limits: tandem limits",
            ),
            ("recording_lost", "packets of recordings were not written", "the disk is slower than what is recorded"),
        ] {
            let times = risen(name);
            if times > 0 {
                found.push(Alarm::new(name, Level::Warn, format!("{times} × {what}"), mend));
            }
        }
    }
    found.sort_by_key(|alarm| std::cmp::Reverse(alarm.level));
    found
}

/// What is so at this moment, as the figures say it.
pub fn states(figures: &Figures) -> Vec<Alarm> {
    let mut found = Vec::new();
    if figures.revision == 0 {
        found.push(Alarm::new(
            "no_snapshot",
            Level::Fail,
            "no snapshot is in force: calls are refused",
            "start the control plane; see its log",
        ));
    }
    let others: Vec<u16> =
        figures.shards.iter().filter(|shard| shard.revision != figures.revision).map(|shard| shard.shard).collect();
    if !others.is_empty() {
        let what = format!("shards {others:?} do not decide from revision {}", figures.revision);
        found.push(Alarm::new(
            "shards_apart",
            Level::Warn,
            what,
            "wait a second; if it stays, see the data plane's log",
        ));
    }
    if figures.journal_failing {
        found.push(Alarm::new(
            "journal_failing",
            Level::Fail,
            "the journal cannot be written: new calls are refused",
            "make room on its disk",
        ));
    } else if figures.journal_disk_percent >= DISK_ALARM_PERCENT {
        // Two names, since an alarm that stands says what was so when it was raised.
        let percent = figures.journal_disk_percent;
        let (name, level, then) = match percent >= JOURNAL_FULL_PERCENT {
            true => ("journal_full", Level::Fail, "new calls are refused".to_owned()),
            false => ("journal_disk", Level::Warn, format!("from {JOURNAL_FULL_PERCENT} % on new calls are refused")),
        };
        let what = format!("the journal's disk is {percent} % full: {then}");
        found.push(Alarm::new(name, level, what, "make room: recordings, captures, other programs' files"));
    }
    if figures.draining {
        let what = "the node is drained: new calls are refused";
        found.push(Alarm::new("drained", Level::Warn, what, "tandem node drain --off"));
    }
    let media = figures.media_percent();
    if media >= MEDIA_ALARM_PERCENT {
        let by = &figures.media_sockets.calls_max_by;
        found.push(Alarm::new(
            "media",
            Level::Warn,
            format!("{media} % of the possible calls with media: {by} run out"),
            "see tandem-tune check",
        ));
    }
    if figures.sharing.nodes > 0 && !figures.sharing.sure {
        let what = "etcd is silent: limits go by --limits-alone";
        found.push(Alarm::new("etcd_silent", Level::Warn, what, "see tandem cluster status"));
    }
    found
}

/// The value of a counter by its name; 0 from a data plane that does not know it.
pub fn counter(figures: &Figures, name: &str) -> u64 {
    figures.counters.iter().find(|(known, _)| known == name).map_or(0, |(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use panel::wire::ShardFigures;

    use super::*;

    fn healthy() -> Figures {
        let shard = |shard| ShardFigures { shard, revision: 7, ..ShardFigures::default() };
        Figures { boot: 1, revision: 7, shards: vec![shard(0), shard(1)], ..Figures::default() }
    }

    #[test]
    fn a_healthy_node_raises_nothing_and_each_trouble_its_own() {
        assert_eq!(of(&healthy(), None), []);
        let with = |change: &dyn Fn(&mut Figures)| {
            let mut figures = healthy();
            change(&mut figures);
            of(&figures, Some(&healthy())).iter().map(|alarm| (alarm.level, alarm.what.clone())).collect::<Vec<_>>()
        };
        let told = with(&|figures| figures.journal_failing = true);
        assert_eq!(told, [(Level::Fail, "the journal cannot be written: new calls are refused".to_owned())]);
        let told = with(&|figures| figures.journal_disk_percent = 94);
        let what = "the journal's disk is 94 % full: from 95 % on new calls are refused";
        assert_eq!(told, [(Level::Warn, what.to_owned())]);
        let told = with(&|figures| figures.journal_disk_percent = 95);
        assert_eq!(told, [(Level::Fail, "the journal's disk is 95 % full: new calls are refused".to_owned())]);
        let told = with(&|figures| figures.shards[1].revision = 6);
        assert_eq!(told, [(Level::Warn, "shards [1] do not decide from revision 7".to_owned())]);
        let told = with(&|figures| figures.counters.push(("sip_overload".into(), 3)));
        assert_eq!(told, [(Level::Warn, "3 × new calls refused because a shard is behind".to_owned())]);
        // The worst comes first.
        let told = with(&|figures| (figures.draining, figures.revision) = (true, 0));
        assert_eq!(told.first().map(|(level, _)| *level), Some(Level::Fail));
    }
}
