//! Time zones by name: what the law says of their clocks, as offsets from UTC.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use snapshot::{OFFSETS_MAX, Offset};
use units::WallTime;

/// How far back offsets are known, so that calls of the past year can be decided again: 400 days.
const BACK: jiff::SignedDuration = jiff::SignedDuration::from_hours(400 * 24);

/// The offsets of the past 400 days and all later ones, half a century of a zone with two changes a year, in order of time; `None` for a
/// name that is no zone's. UTC, and no name, have none.
pub fn offsets(zone: &str, at: WallTime) -> Option<Vec<Offset>> {
    if zone.is_empty() || zone == "UTC" {
        return Some(Vec::new());
    }
    let zone = TimeZone::get(zone).ok()?;
    let moment = Timestamp::from_microsecond(at.micros()).unwrap_or(Timestamp::UNIX_EPOCH);
    let before = moment.saturating_sub(BACK).unwrap_or(Timestamp::MIN);
    let mut known = vec![offset(before, zone.to_offset(before))];
    known
        .extend(zone.following(before).take(OFFSETS_MAX - 1).map(|change| offset(change.timestamp(), change.offset())));
    Some(known)
}

fn offset(from: Timestamp, offset: jiff::tz::Offset) -> Offset {
    Offset { from: WallTime::from_micros(from.as_microsecond()), ahead_s: offset.seconds() }
}
