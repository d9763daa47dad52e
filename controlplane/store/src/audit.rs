//! Who changed what: append-only.

use units::WallTime;

use crate::Store;
use crate::error::Result;
use crate::object::Edit;
use crate::sql::{Arg, Row, Tx, args, now};

/// Entries of one page at most.
const PAGE_MAX: u32 = 1_000;

/// One act of a person or a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditEntry {
    /// Given by the store.
    pub id: i64,
    /// Given by the store.
    pub at: WallTime,
    /// Who: `user:anna`, `key:ci`, `apply`.
    pub actor: String,
    /// What: `create`, `update`, `delete`, `login`…
    pub action: String,
    /// To what: `carrier car_12`.
    pub object: String,
    /// JSON before; empty if there was none.
    pub before: String,
    /// JSON after; empty if there is none.
    pub after: String,
    /// The address that it came from.
    pub address: String,
    /// The request's id.
    pub request_id: String,
}

impl Edit {
    /// Writes an act down in the same transaction as the act. Its id and time are the store's.
    pub async fn audit(&mut self, entry: &AuditEntry) -> Result<()> {
        append(&mut self.tx, entry).await
    }
}

impl Store {
    /// Writes down an act that changed no configuration, such as a login.
    pub async fn audit(&self, entry: &AuditEntry) -> Result<()> {
        let mut tx = self.write().await?;
        append(&mut tx, entry).await?;
        tx.commit().await
    }

    /// Acts, newest first; ids below `before` when given; of one object when given.
    pub async fn audit_entries(
        &self,
        before: Option<i64>,
        object: Option<&str>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>> {
        let mut values = args![before.unwrap_or(i64::MAX)];
        let mut wanted = "";
        if let Some(object) = object {
            wanted = " AND object=?";
            values.push(Arg::from(object));
        }
        values.push(Arg::from(limit.clamp(1, PAGE_MAX)));
        let sql = format!("SELECT * FROM audit WHERE id<?{wanted} ORDER BY id DESC LIMIT ?");
        self.read().await?.rows(sql, values).await?.iter().map(read).collect()
    }
}

async fn append(tx: &mut Tx, entry: &AuditEntry) -> Result<()> {
    let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    let values = args![
        now(),
        cut(&entry.actor, 100),
        cut(&entry.action, 64),
        cut(&entry.object, 100),
        entry.before.as_str(),
        entry.after.as_str(),
        cut(&entry.address, 64),
        cut(&entry.request_id, 64)
    ];
    let columns = &["at", "actor", "action", "object", "before_json", "after_json", "address", "request_id"];
    tx.insert_many("INSERT INTO", "audit", columns, vec![values]).await?;
    Ok(())
}

fn read(row: &Row) -> Result<AuditEntry> {
    Ok(AuditEntry {
        id: row.int("id")?,
        at: row.time("at")?,
        actor: row.text("actor")?,
        action: row.text("action")?,
        object: row.text("object")?,
        before: row.text("before_json")?,
        after: row.text("after_json")?,
        address: row.text("address")?,
        request_id: row.text("request_id")?,
    })
}
