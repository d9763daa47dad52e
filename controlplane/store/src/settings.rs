//! Named values that outlive a program: text by name.

use crate::Store;
use crate::error::{Result, StoreError};
use crate::sql::{Tx, args};

impl Store {
    /// A setting's value; `None` if it was never set.
    pub async fn setting(&self, name: &str) -> Result<Option<String>> {
        get(&mut self.read().await?, name).await
    }

    /// Sets a value; `None` removes it.
    pub async fn set_setting(&self, name: &str, value: Option<&str>) -> Result<()> {
        if name.is_empty() || name.len() > 64 {
            return Err(StoreError::invalid("name", "1 to 64 characters"));
        }
        let mut tx = self.write().await?;
        match value {
            Some(value) => put(&mut tx, name, value).await?,
            None => tx.run("DELETE FROM settings WHERE name=?", args![name]).await.map(drop)?,
        }
        tx.commit().await
    }
}

pub(crate) async fn put(tx: &mut Tx, name: &str, value: &str) -> Result<()> {
    tx.run("DELETE FROM settings WHERE name=?", args![name]).await?;
    tx.run("INSERT INTO settings (name,value) VALUES (?,?)", args![name, value]).await.map(drop)
}

pub(crate) async fn get(tx: &mut Tx, name: &str) -> Result<Option<String>> {
    let row = tx.row("SELECT value FROM settings WHERE name=?", args![name]).await?;
    row.map(|row| row.text("value")).transpose()
}
