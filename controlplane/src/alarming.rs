//! Watches the node and says in the database what somebody should look at, so that those are told who want to be.

use std::collections::BTreeMap;
use std::time::Duration;

use panel::wire::{Answer, Ask};
use store::{AlarmRow, StandingAlarm, Store};
use tokio::sync::watch;
use units::{NodeId, WallTime};
use web::value::Time;

use crate::alarms::{self, Alarm, Level};
use crate::collect::Progress;
use crate::link::Link;

/// How often the node is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many looks in a row must find it before it is raised: a restart or a new snapshot is no alarm.
const RAISED_AFTER: u32 = 5;
/// So many in a row must not find it before it is over.
const CLEARED_AFTER: u32 = 10;
/// The data plane may start for so long.
const AWAY_AFTER: u32 = 15;
/// Records wait for the database for so long before it is an alarm, in microseconds.
const WAITS_MAX_US: i64 = 5 * 60_000_000;

/// Begins to watch, for as long as the program runs.
pub fn start(store: Store, link: Link, node: NodeId, progress: watch::Receiver<Progress>) {
    tokio::spawn(async move {
        let mut steady = loop {
            match store.standing_alarms(node).await {
                Ok(rows) => break Steady::from(rows),
                Err(error) => tracing::debug!(%error, "alarms that stand cannot be read"),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        loop {
            let known = progress.borrow().clone();
            let seen = seen(&link, &known).await;
            let standing: Vec<StandingAlarm> = steady.look(seen).cloned().collect();
            if let Err(error) = store.set_alarms(node, &standing).await {
                tracing::debug!(%error, "alarms cannot be written");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
}

async fn seen(link: &Link, progress: &Progress) -> Vec<Alarm> {
    let mut seen = match link.ask(Ask::Figures).await {
        Ok(Answer::Figures(figures)) => alarms::states(&figures),
        _ => vec![Alarm::new("data_plane_away", Level::Fail, "the data plane does not answer", "see its log")],
    };
    seen.extend(of_records(progress, Time::now().0));
    seen
}

/// What the collector's progress says.
fn of_records(progress: &Progress, now: WallTime) -> Vec<Alarm> {
    let mut found = Vec::new();
    if progress.set_aside > 0 {
        let what = format!("{} records or stretches of the journal were set aside", progress.set_aside);
        found.push(Alarm::new("records_aside", Level::Fail, what, "tandem journal replay --aside --write"));
    }
    if progress.oldest.is_some_and(|oldest| now - oldest > WAITS_MAX_US) {
        let what = "records have waited for the database for five minutes";
        found.push(Alarm::new("records_wait", Level::Warn, what, "tandem journal ls; see the control plane's log"));
    }
    found
}

/// What stands, without what comes and goes.
#[derive(Debug, Default)]
struct Steady {
    all: BTreeMap<String, Told>,
}

#[derive(Debug)]
struct Told {
    alarm: StandingAlarm,
    stands: bool,
    /// Looks in a row that say otherwise.
    against: u32,
}

impl From<Vec<AlarmRow>> for Steady {
    fn from(rows: Vec<AlarmRow>) -> Steady {
        let told = |row: AlarmRow| (row.alarm.name.clone(), Told { alarm: row.alarm, stands: true, against: 0 });
        Steady { all: rows.into_iter().map(told).collect() }
    }
}

impl Steady {
    /// Takes what one look has found; what stands after it.
    fn look(&mut self, seen: Vec<Alarm>) -> impl Iterator<Item = &StandingAlarm> {
        for told in self.all.values_mut() {
            let is_seen = seen.iter().any(|alarm| alarm.name == told.alarm.name);
            told.against = if is_seen == told.stands { 0 } else { told.against + 1 };
        }
        for alarm in seen {
            let Alarm { name, level, what, mend } = alarm;
            let alarm = StandingAlarm { name: name.to_owned(), level: level.word().to_owned(), what, mend };
            // What is said when it is raised is what it was then.
            let new = Told { alarm: alarm.clone(), stands: false, against: 1 };
            let told = self.all.entry(name.to_owned()).or_insert(new);
            if !told.stands {
                told.alarm = alarm;
            }
        }
        self.all.retain(|name, told| {
            let needed = match (told.stands, name.as_str()) {
                (true, _) => CLEARED_AFTER,
                (false, "data_plane_away") => AWAY_AFTER,
                (false, _) => RAISED_AFTER,
            };
            if told.against < needed {
                // One that is not raised yet is forgotten when a look does not find it.
                return told.stands || told.against > 0;
            }
            told.against = 0;
            told.stands = !told.stands;
            told.stands
        });
        self.all.values().filter(|told| told.stands).map(|told| &told.alarm)
    }
}

#[cfg(test)]
mod tests {
    use units::{NodeId, WallTime};

    use super::*;

    fn journal() -> Alarm {
        Alarm::new("journal_failing", Level::Fail, "the journal cannot be written", "make room")
    }

    /// So many looks that find this; how many alarms stand after each.
    fn looks(steady: &mut Steady, times: u32, seen: &[Alarm]) -> Vec<usize> {
        (0..times).map(|_| steady.look(seen.to_vec()).count()).collect()
    }

    #[test]
    fn what_comes_and_goes_is_no_alarm_and_what_stays_is_one() {
        let mut steady = Steady::default();
        assert_eq!(looks(&mut steady, 4, &[journal()]), [0; 4]);
        assert_eq!(looks(&mut steady, 1, &[]), [0]);
        assert_eq!(looks(&mut steady, 5, &[journal()]), [0, 0, 0, 0, 1]);
        // It is over only after it was not seen for a while.
        assert_eq!(looks(&mut steady, 9, &[]), [1; 9]);
        assert_eq!(looks(&mut steady, 1, &[journal()]), [1]);
        assert_eq!(looks(&mut steady, 10, &[]), [1, 1, 1, 1, 1, 1, 1, 1, 1, 0]);
        assert_eq!(looks(&mut steady, 5, &[journal()]), [0, 0, 0, 0, 1], "and comes again");
        let away = [Alarm::new("data_plane_away", Level::Fail, "it is silent", "see its log")];
        assert_eq!(looks(&mut steady, 15, &away).last(), Some(&1), "the other is over, this one stands");
    }

    #[test]
    fn what_stood_before_a_restart_stands_until_it_is_seen_to_be_over() {
        let Alarm { name, level, what, mend } = journal();
        let alarm = StandingAlarm { name: name.into(), level: level.word().into(), what, mend };
        let raised = WallTime::from_micros(1);
        let row = AlarmRow { id: "alarm:1:journal_failing:1".into(), node: NodeId(1), alarm, raised, cleared: None };
        let mut steady = Steady::from(vec![row]);
        assert_eq!(looks(&mut steady, 1, &[]), [1]);
        assert_eq!(looks(&mut steady, 20, &[journal()]), [1; 20]);
        assert_eq!(looks(&mut steady, 10, &[]).last(), Some(&0));
    }

    #[test]
    fn records_that_wait_or_were_set_aside_are_alarms() {
        let names = |progress: &Progress, now_s: i64| -> Vec<&str> {
            let now = WallTime::from_micros(now_s * 1_000_000);
            of_records(progress, now).iter().map(|alarm| alarm.name).collect()
        };
        let waits = Progress { oldest: Some(WallTime::from_micros(0)), ..Progress::default() };
        assert_eq!((names(&waits, 300).len(), names(&waits, 301)), (0, vec!["records_wait"]));
        assert_eq!(names(&Progress { set_aside: 1, ..Progress::default() }, 0), ["records_aside"]);
    }
}
