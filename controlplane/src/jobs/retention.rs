//! Days of CDRs are made ahead, old ones go, and so do old half hours of sums and jobs that ended long ago.

use store::{CDR_DAYS, Go, JobStep, Store, Turn};
use units::WallTime;

use super::{Done, Ended};

/// A day in microseconds.
const DAY: i64 = 86_400_000_000;
/// How long jobs are remembered with their files, in days.
const JOB_DAYS: i64 = 14;

pub(super) async fn run(store: &Store, turn: &Turn) -> Done {
    let now = WallTime::from_micros(jiff::Timestamp::now().as_microsecond());
    let made = store.make_cdr_days(now).await?;
    let mut step = JobStep::default();
    if !made.is_empty() {
        step.line = format!("made {}", made.join(" "));
    }
    let days: Option<i64> = store.setting(CDR_DAYS).await?.and_then(|days| days.parse().ok());
    if let Some(days) = days.filter(|days| *days > 0) {
        let before = WallTime::from_micros((now.micros() - days * DAY).div_euclid(DAY) * DAY);
        loop {
            if store.job_step(turn, &step).await? == Go::Stop {
                return Ok(Ended::Stopped);
            }
            let (gone, more) = store.drop_cdrs(before).await?;
            step = JobStep { done: step.done + gone, ..JobStep::default() };
            if gone > 0 {
                step.line = format!("{gone} records older than {days} days are gone");
            }
            if !more {
                break;
            }
        }
    }
    while store.drop_half_hours(now).await?.1 {}
    while store.forget_jobs(WallTime::from_micros(now.micros() - JOB_DAYS * DAY)).await? > 0 {}
    match store.job_step(turn, &step).await? {
        Go::On => Ok(Ended::Done),
        Go::Stop => Ok(Ended::Stopped),
    }
}
