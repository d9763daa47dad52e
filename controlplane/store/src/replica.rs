//! Whether what was committed is on a second machine: what the ledger answers must survive the loss of its database.
//!
//! MariaDB's semi-synchronous replication waits at each commit for a replica and, after its timeout, goes on alone. Then the ledger
//! stops answering: whoever switched it on wanted each grant on two machines.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::Store;
use crate::error::{Result, StoreError};
use crate::sql::{Dialect, Tx, args};

/// What stands behind a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replica {
    /// Nothing is asked for: SQLite, or a server without semi-synchronous replication.
    None,
    /// A replica has every commit.
    Acknowledges,
    /// One is asked for, and the server went on without it.
    Silent,
}

/// What all clones of a store know of the replica.
#[derive(Debug, Default)]
pub(crate) struct Standby {
    /// The ledger answers although no replica has what it says.
    alone: AtomicBool,
    /// None acknowledged when the ledger last had something to answer.
    silent: AtomicBool,
}

impl Store {
    /// What stands behind the database's commits at this moment.
    pub async fn replica(&self) -> Result<Replica> {
        state(&mut self.read().await?).await
    }

    /// Lets the ledger answer although no replica has what it says, or not. All clones of this store follow.
    pub fn answer_alone(&self, alone: bool) {
        self.standby.alone.store(alone, Ordering::Relaxed);
    }

    /// True when no replica acknowledged what the ledger last wrote, although one is asked for.
    pub fn replica_is_silent(&self) -> bool {
        self.standby.silent.load(Ordering::Relaxed)
    }

    /// Everything that was committed before is acknowledged, as far as that is asked for.
    pub(crate) async fn acknowledged(&self) -> Result<()> {
        let silent = self.replica().await? == Replica::Silent;
        self.standby.silent.store(silent, Ordering::Relaxed);
        if !silent || self.standby.alone.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(StoreError::Away("no replica acknowledges, so the ledger answers nothing".into()))
    }
}

async fn state(tx: &mut Tx) -> Result<Replica> {
    if tx.dialect() == Dialect::Sqlite {
        return Ok(Replica::None);
    }
    let sql = "SELECT \
        (SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_VARIABLES \
         WHERE VARIABLE_NAME='RPL_SEMI_SYNC_MASTER_ENABLED') AS wanted, \
        (SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS \
         WHERE VARIABLE_NAME='RPL_SEMI_SYNC_MASTER_STATUS') AS met";
    let Some(row) = tx.row(sql, args![]).await? else { return Ok(Replica::None) };
    let is_on = |text: Option<String>| text.is_some_and(|text| text == "ON");
    Ok(match (is_on(row.opt_text("wanted")?), is_on(row.opt_text("met")?)) {
        (false, _) => Replica::None,
        (true, true) => Replica::Acknowledges,
        (true, false) => Replica::Silent,
    })
}
