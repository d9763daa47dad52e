//! Captured calls: kept for a while, best effort.

use units::{AttemptIndex, CallId, WallTime};

use crate::error::Result;
use crate::sql::{Arg, Tx, args};

/// Captured calls that are kept; the oldest go first.
const TRACES_MAX: i64 = 20_000;

pub(crate) async fn keep(tx: &mut Tx, traces: &[(CallId, i64, Vec<u8>)]) -> Result<()> {
    if traces.is_empty() {
        return Ok(());
    }
    let rows = traces.iter().map(|(call, started, messages)| -> Vec<Arg> {
        args![call.to_bytes(AttemptIndex(0)), WallTime::from_micros(*started), messages.clone()]
    });
    let ignore = tx.dialect().insert_ignore();
    tx.insert_many(ignore, "traces", &["call_id", "started", "messages"], rows.collect()).await?;
    let oldest = tx.row("SELECT started FROM traces ORDER BY started DESC LIMIT 1 OFFSET ?", args![TRACES_MAX]).await?;
    if let Some(row) = oldest {
        tx.run("DELETE FROM traces WHERE started<=?", args![row.int("started")?]).await?;
    }
    Ok(())
}
