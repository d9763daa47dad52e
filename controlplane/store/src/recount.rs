//! The sums of a half hour made again from its records: for a database that is older than its sums, and for whoever doubts them.

use units::WallTime;

use crate::Store;
use crate::error::Result;
use crate::search;
use crate::sql::{args, now};
use crate::statistics::kept_from;
use crate::sums::{Key, SLOT, SUMS, Sums, Tally, floor, gone_before};

/// The setting that stands while there are records that were collected before sums were kept.
const TO_COUNT: &str = "sums_to_count";

impl Store {
    /// Whether records wait to be summed that were collected before sums were kept.
    pub async fn sums_to_count(&self) -> Result<bool> {
        Ok(self.setting(TO_COUNT).await?.is_some())
    }

    /// Notes that all of them are summed.
    pub async fn sums_are_counted(&self) -> Result<()> {
        self.set_setting(TO_COUNT, None).await
    }

    /// When the oldest record that is kept began, if there is one.
    pub async fn oldest_cdr(&self) -> Result<Option<WallTime>> {
        let row = self.read().await?.row("SELECT MIN(started) AS oldest FROM cdrs", args![]).await?;
        Ok(row.map(|row| row.opt_int("oldest")).transpose()?.flatten().map(WallTime::from_micros))
    }

    /// Counts the records of the half hour in which `at` lies, and corrects what the sums say of it. Collectors wait meanwhile. What
    /// retention has begun to remove, and half hours that are not kept, are left as they are. Returns how many sums were wrong.
    pub async fn recount(&self, at: WallTime) -> Result<usize> {
        let slot = floor(at.micros(), SLOT);
        let mut tx = self.write().await?;
        // Whoever writes records holds a row of these. On MariaDB it is also before the transaction's view of the data begins.
        let lock = tx.dialect().for_update();
        tx.rows(format!("SELECT node FROM collector_cursors{lock}"), args![]).await?;
        let gone = gone_before(&mut tx).await?;
        if gone.is_some_and(|gone| slot < gone) || slot < kept_from(now().micros()) {
            return Ok(0);
        }
        let mut tally = Tally::default();
        let window = args![slot, slot + SLOT];
        tx.each("SELECT * FROM cdrs WHERE started>=? AND started<?", window.clone(), |row| {
            tally.count(&search::read(&row)?);
            Ok(())
        })
        .await?;
        let columns = SUMS.join(",");
        let sql = format!(
            "SELECT slot,originator,ingress_trunk,terminator,egress_trunk,prefix,cause,currency,node,{columns} \
             FROM sums_by_half_hour WHERE slot>=? AND slot<?"
        );
        for row in tx.rows(sql, window).await? {
            tally.take_away(Key::read(&row)?, &Sums::read(&row)?);
        }
        let wrong = tally.write(&mut tx).await?;
        tx.commit().await?;
        Ok(wrong)
    }
}
