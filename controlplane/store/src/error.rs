//! What can go wrong with a store, and who should do something about it.

use snapshot::PolicyFlaw;
use thiserror::Error;

/// Why an operation was not done. Nothing of it was done.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There is no such object.
    #[error("there is no {what} {key}")]
    NotFound {
        /// The kind of object: `carrier`, `egress trunk`…
        what: &'static str,
        /// Its id or code.
        key: String,
    },
    /// The object was changed meanwhile, is in use, or exists already.
    #[error("{what} {key}: {why}")]
    Conflict {
        /// The kind of object.
        what: &'static str,
        /// Its id or code.
        key: String,
        /// A sentence for the operator.
        why: String,
        /// Which kind of conflict.
        kind: ConflictKind,
    },
    /// A value is not allowed.
    #[error("{field}: {why}")]
    Invalid {
        /// The field's name as in the API and the YAML.
        field: &'static str,
        /// A sentence for the operator.
        why: String,
    },
    /// A signalling policy is not allowed.
    #[error("policy.{0}")]
    Policy(PolicyFlaw),
    /// A rule of a plan or of one of its routes is not allowed.
    #[error("{}rules.{flaw}", route.map_or(String::new(), |place| format!("route {}: ", place + 1)))]
    Rules {
        /// Which route of the plan, from 0; `None` for the plan's own rules.
        route: Option<usize>,
        /// What is wrong.
        flaw: PolicyFlaw,
    },
    /// The database cannot be reached, is full or gave up; the same operation may work later.
    #[error("the database is away: {0}")]
    Away(String),
    /// The database takes no changes: it is a replica, or its primary is being chosen or handed over. The same operation may work later.
    #[error("the database takes no changes: {0}")]
    ReadOnly(String),
    /// The database holds or says something that it should not; a person must look.
    #[error("the database is not as expected: {0}")]
    Broken(String),
}

/// Why a write met resistance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictKind {
    /// The version that the writer saw is no longer the stored one.
    Stale,
    /// Something else refers to the object.
    InUse,
    /// The code, name or reference is taken.
    Exists,
}

/// The result of a store operation.
pub type Result<T> = core::result::Result<T, StoreError>;

impl StoreError {
    /// True when the same operation may work later without anyone changing its input.
    pub fn is_away(&self) -> bool {
        matches!(self, StoreError::Away(_) | StoreError::ReadOnly(_))
    }

    pub(crate) fn invalid(field: &'static str, why: impl Into<String>) -> StoreError {
        StoreError::Invalid { field, why: why.into() }
    }

    pub(crate) fn missing(what: &'static str, key: impl ToString) -> StoreError {
        StoreError::NotFound { what, key: key.to_string() }
    }

    pub(crate) fn conflict(kind: ConflictKind, what: &'static str, key: impl ToString, why: &str) -> StoreError {
        StoreError::Conflict { what, key: key.to_string(), why: why.to_owned(), kind }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> StoreError {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => StoreError::Away(error.to_string()),
            sqlx::Error::Database(cause) => from_database(cause.as_ref(), &error),
            _ => StoreError::Broken(error.to_string()),
        }
    }
}

fn from_database(cause: &dyn sqlx::error::DatabaseError, error: &sqlx::Error) -> StoreError {
    if cause.is_unique_violation() {
        return StoreError::conflict(ConflictKind::Exists, "object", "", "its code or name is taken");
    }
    if cause.is_foreign_key_violation() {
        return StoreError::conflict(
            ConflictKind::InUse,
            "object",
            "",
            "it refers to, or is referred to by, something else",
        );
    }
    let number = cause.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map_or(0, |e| e.number());
    let text = error.to_string();
    // MariaDB: 1021 disk full, 1026 writing failed, 1037 out of memory, 1040 too many connections, 1053 shutdown, 1114 a table's disk is
    // full, 1205 lock wait, 1206 too many locks, 1213 deadlock, 1290 read-only, 1317 interrupted, 1792 read-only transaction, 1836
    // read-only mode, 1927 connection killed. SQLite: 5 busy, 6 locked, 7 out of memory, 8 read-only, 9 interrupted, 10 I/O, 13 full, 14
    // cannot open, 15 locking.
    let of_sqlite = cause.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or(0) & 0xff;
    match (number, of_sqlite) {
        (1290 | 1792 | 1836, _) | (0, 8) => StoreError::ReadOnly(text),
        (0, 5..=10 | 13..=15) => StoreError::Away(text),
        (1021 | 1026 | 1037 | 1040 | 1053 | 1114 | 1205 | 1206 | 1213 | 1317 | 1927, _) => StoreError::Away(text),
        _ => StoreError::Broken(text),
    }
}
