//! Where searches and reports are read: at a replica as long as it is not far behind, else where everything is written.

use std::sync::{Arc, Mutex, PoisonError};

use crate::Store;
use crate::error::Result;
use crate::sql::{Database, Dialect, Row, args};

/// A replica that is further behind, in seconds, is not read.
pub const BEHIND_MAX_S: u32 = 10;

/// What is known of the replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicaState {
    /// None was named.
    None,
    /// It answers, and is so many seconds behind, [`BEHIND_MAX_S`] at most.
    Read(u32),
    /// It is not read, and why.
    Passed(String),
}

/// Reads of pages and reports. Cheap to clone; all clones know the same.
#[derive(Clone)]
pub struct Reports {
    primary: Store,
    replica: Option<Arc<Replica>>,
}

struct Replica {
    url: String,
    found: Mutex<(Option<Store>, ReplicaState)>,
}

impl core::fmt::Debug for Reports {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Reports")
    }
}

impl Reports {
    /// Reads where everything is written, until [`Reports::look`] finds that a replica named by this URL is not far behind.
    pub fn new(primary: Store, replica: Option<String>) -> Reports {
        let passed = || ReplicaState::Passed("it was not asked yet".to_owned());
        let replica = replica.map(|url| Arc::new(Replica { url, found: Mutex::new((None, passed())) }));
        Reports { primary, replica }
    }

    /// The database to read from this moment.
    pub fn store(&self) -> Store {
        match self.found() {
            Some((Some(store), ReplicaState::Read(_))) => store,
            _ => self.primary.clone(),
        }
    }

    /// What is known of the replica.
    pub fn replica(&self) -> ReplicaState {
        self.found().map_or(ReplicaState::None, |(_, state)| state)
    }

    /// Asks the replica how far it is. To be called every second or so.
    pub async fn look(&self) {
        let Some(replica) = &self.replica else { return };
        let known = self.found().and_then(|(store, _)| store);
        let found = match replica.ask(known).await {
            Ok((store, state)) => (Some(store), state),
            Err(error) => (None, ReplicaState::Passed(error.to_string())),
        };
        *replica.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }

    fn found(&self) -> Option<(Option<Store>, ReplicaState)> {
        let replica = self.replica.as_ref()?;
        Some(replica.found.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Replica {
    async fn ask(&self, known: Option<Store>) -> Result<(Store, ReplicaState)> {
        let store = match known {
            Some(store) => store,
            None => Store::of(Database::connect(&self.url, false).await?),
        };
        let state = state(&store).await?;
        Ok((store, state))
    }
}

/// How far this database is behind the one that it follows. One that takes writes follows nobody and has everything.
async fn state(store: &Store) -> Result<ReplicaState> {
    let mut tx = store.read().await?;
    if tx.dialect() == Dialect::Sqlite {
        return Ok(ReplicaState::Read(0));
    }
    let following = tx.row("SHOW SLAVE STATUS", args![]).await?;
    let read_only = tx.row("SELECT @@GLOBAL.read_only AS it", args![]).await?;
    let read_only = read_only.map_or(Ok(false), |row| row.flag("it"))?;
    Ok(match following {
        Some(row) => behind(&row)?,
        None if read_only => ReplicaState::Passed("it follows nobody and takes no writes".to_owned()),
        None => ReplicaState::Read(0),
    })
}

fn behind(row: &Row) -> Result<ReplicaState> {
    for (thread, does) in [("Slave_IO_Running", "receive"), ("Slave_SQL_Running", "apply")] {
        if row.opt_text(thread)?.as_deref() != Some("Yes") {
            return Ok(ReplicaState::Passed(format!("it does not {does} what the primary writes")));
        }
    }
    Ok(match row.opt_num::<u32>("Seconds_Behind_Master")? {
        Some(seconds) if seconds <= BEHIND_MAX_S => ReplicaState::Read(seconds),
        Some(seconds) => ReplicaState::Passed(format!("it is {seconds} s behind")),
        None => ReplicaState::Passed("it does not say how far it is behind".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A SQLite file is no replica of another, so what was read tells from where.
    #[tokio::test]
    async fn reports_are_read_at_the_replica_once_it_was_found() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
        let primary = Store::open(&url("primary")).await.expect("SQLite opens");
        let copy = Store::open(&url("copy")).await.expect("SQLite opens");
        copy.audit(&crate::AuditEntry::default()).await.expect("SQLite writes");
        let reports = Reports::new(primary.clone(), Some(url("copy")));
        let entries = async || reports.store().audit_entries(None, None, 9).await.expect("SQLite reads").len();
        assert_eq!((entries().await, matches!(reports.replica(), ReplicaState::Passed(_))), (0, true));
        reports.look().await;
        assert_eq!((entries().await, reports.replica()), (1, ReplicaState::Read(0)));
        let nowhere = Reports::new(primary.clone(), Some(url("missing/folder")));
        nowhere.look().await;
        assert!(matches!(nowhere.replica(), ReplicaState::Passed(_)));
        assert_eq!(Reports::new(primary, None).replica(), ReplicaState::None);
    }
}
