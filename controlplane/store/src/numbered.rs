//! What an account has with numbers 1, 2, 3 and so on: invoices and re-ratings.

use crate::error::{Result, StoreError};
use crate::sql::{Arg, Row, Tx, args};

/// The number of the next row of a table. None is left out: whoever else makes one waits at the last row until this transaction is over.
pub(crate) async fn next(tx: &mut Tx, table: &str) -> Result<u32> {
    let sql = format!("SELECT number FROM {table} ORDER BY number DESC LIMIT 1{}", tx.dialect().for_update());
    let last: u32 = tx.row(sql, Vec::new()).await?.map(|row| row.num("number")).transpose()?.unwrap_or(0);
    last.checked_add(1).ok_or_else(|| StoreError::Broken(format!("numbers of {table} are used up")))
}

/// Rows of a table, the highest number first, 1 to 1,000 of them; below `before` when given; of one account when given.
pub(crate) async fn list(
    tx: &mut Tx,
    table: &str,
    account: Option<u32>,
    before: Option<u32>,
    limit: u32,
) -> Result<Vec<Row>> {
    let mut values = args![before.unwrap_or(u32::MAX)];
    let mut wanted = "";
    if let Some(account) = account {
        wanted = " AND account=?";
        values.push(Arg::from(account));
    }
    values.push(Arg::from(limit.clamp(1, 1_000)));
    tx.rows(format!("SELECT * FROM {table} WHERE number<?{wanted} ORDER BY number DESC LIMIT ?"), values).await
}
