//! What ran over a deck lately: talk time by destination, to say what a change of rates would have cost.

use units::{RateClass, WallTime};

use crate::Store;
use crate::error::{Result, StoreError};
use crate::sql::args;

/// The longest window that is summed up: 31 days, in microseconds.
const WINDOW_MAX: i64 = 31 * 86_400 * 1_000_000;
/// Destinations of one answer at most, those of most talk time.
const ROWS_MAX: u32 = 50_000;
/// Digits of a called number that tell destinations apart.
const DIGITS: u32 = 12;

/// Answered calls to numbers that begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// The first twelve digits of the number that the deck was asked for.
    pub head: String,
    /// The class of the rate that counted: what is known of the calls' own.
    pub class: RateClass,
    /// Answered calls.
    pub calls: u64,
    /// Talking time in milliseconds.
    pub duration_ms: u64,
}

impl Store {
    /// Answered calls of a window that were sold or bought by a deck, those of most talk time first.
    pub async fn traffic(&self, deck: u32, from: WallTime, till: WallTime) -> Result<Vec<Traffic>> {
        if till.micros() - from.micros() > WINDOW_MAX {
            return Err(StoreError::invalid("from", "a window of 31 days at most"));
        }
        // A call's own row tells what it was sold for, the rows of its attempts what it was bought for.
        let sql = format!(
            "SELECT SUBSTR(called_routed,1,{DIGITS}) AS head, \
             COALESCE(CASE WHEN attempt=0 THEN sell_hours ELSE buy_hours END,0) AS hours, \
             COALESCE(CASE WHEN attempt=0 THEN sell_jurisdiction ELSE buy_jurisdiction END,0) AS judged, \
             COUNT(*) AS calls, \
             CAST(SUM(duration_ms) AS SIGNED) AS duration_ms FROM cdrs \
             WHERE started>=? AND started<? AND duration_ms>0 \
             AND ((attempt=0 AND sell_deck=?) OR (attempt>0 AND buy_deck=?)) \
             GROUP BY head, hours, judged ORDER BY duration_ms DESC, head LIMIT {ROWS_MAX}"
        );
        let rows = self.read().await?.rows(sql, args![from, till, deck, deck]).await?;
        let traffic = |row: &crate::sql::Row| {
            let class = crate::rates::class(row.int("hours")?, row.int("judged")?)?;
            let (calls, duration_ms) = (row.num("calls")?, row.num("duration_ms")?);
            Ok(Traffic { head: row.text("head")?, class, calls, duration_ms })
        };
        rows.iter().map(traffic).collect()
    }
}
