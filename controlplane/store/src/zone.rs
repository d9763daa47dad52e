//! Time zones by name: what the law says of their clocks, as offsets from UTC.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use snapshot::{CLOCK_CHANGES_MAX, ClockChange};
use units::WallTime;

/// The offset of this moment and the later changes that are known, in order of time; `None` for a name that is no zone's. UTC, and no
/// name, have none.
pub(crate) fn offsets(zone: &str, at: WallTime) -> Option<Vec<ClockChange>> {
    if zone.is_empty() {
        return Some(Vec::new());
    }
    let zone = TimeZone::get(zone).ok()?;
    let moment = Timestamp::from_microsecond(at.micros()).unwrap_or(Timestamp::UNIX_EPOCH);
    // A day before, so that a snapshot serves calls that began just before it was built.
    let before = moment - jiff::SignedDuration::from_hours(24);
    let mut known = vec![offset(before, zone.to_offset(before))];
    known.extend(
        zone.following(before).take(CLOCK_CHANGES_MAX - 1).map(|change| offset(change.timestamp(), change.offset())),
    );
    Some(known)
}

fn offset(from: Timestamp, offset: jiff::tz::Offset) -> ClockChange {
    ClockChange { from: WallTime::from_micros(from.as_microsecond()), ahead_s: offset.seconds() }
}
