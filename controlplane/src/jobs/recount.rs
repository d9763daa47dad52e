//! Records that were collected before sums were kept are summed: half hour by half hour, the oldest first.

use store::{Go, HALF_HOUR_DAYS, JobStep, Store, Turn};
use units::WallTime;

use super::{Done, Ended};

/// Half an hour in microseconds.
const SLOT: i64 = store::SLOT;
/// The oldest record that is summed began so many days ago: half hours before that would not be kept.
const DAYS: i64 = HALF_HOUR_DAYS;

pub(super) async fn run(store: &Store, turn: &Turn) -> Done {
    let now = jiff::Timestamp::now().as_microsecond();
    let oldest = store.oldest_cdr().await?.map_or(now, |oldest| oldest.micros()).max(now - DAYS * 86_400_000_000);
    let first = turn.job.place.parse().unwrap_or(oldest.div_euclid(SLOT) * SLOT);
    let total = Some((now - first).div_euclid(SLOT).unsigned_abs() + 1);
    let (mut slot, mut done) = (first, 0);
    while slot <= now {
        store.recount(WallTime::from_micros(slot)).await?;
        slot += SLOT;
        done += 1;
        let step = JobStep { done, total, place: slot.to_string(), ..JobStep::default() };
        if store.job_step(turn, &step).await? == Go::Stop {
            return Ok(Ended::Stopped);
        }
    }
    store.sums_are_counted().await?;
    Ok(Ended::Done)
}
