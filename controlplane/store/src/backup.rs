//! A database as one file, and back: read in one moment while calls go on, the same bytes from either database, so that a backup of SQLite
//! restores into MariaDB. The file ends with a SHA-256 of all before it; nothing is written before that was checked.
//!
//! Items behind the magic, each a letter first: `H` head, `T` a table with its columns, `R` a row, `Z` the sum. Integers are 8 bytes, big
//! endian; text and bytes are a length of 4 bytes and their bytes. The whole is compressed by whoever opens the file.

mod read;

use std::io::Write;

use sha2::{Digest as _, Sha256};

use crate::Store;
use crate::error::{Result, StoreError};
use crate::sql::{Dialect, Row, Tx, args, now};

pub use read::{read_backup, restore};

const MAGIC: &[u8] = b"TANDEM-BACKUP-1\n";
/// What is not in a backup: logins, which would be good again; jobs, whose workers and files belong to where they ran.
const NEVER: [&str; 4] = ["_sqlx_migrations", "web_sessions", "jobs", "job_parts"];
/// What `cdrs` leaves out.
const CDRS: [&str; 2] = ["cdrs", "traces"];

/// What one backup holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backup {
    /// The schema's version.
    pub version: i64,
    /// When it was made, in microseconds.
    pub made: i64,
    /// Tables, with their rows and the SHA-256 of these.
    pub tables: Vec<BackupTable>,
}

/// One table of a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupTable {
    /// Its name.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256 of its columns and rows.
    pub sha256: [u8; 32],
}

/// How a column's values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Int,
    Text,
    Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    name: String,
    kind: Kind,
}

impl Store {
    /// Writes everything, or everything but CDRs and captured calls, as it is in one moment.
    pub async fn backup(&self, with_cdrs: bool, out: &mut (dyn Write + Send)) -> Result<Backup> {
        let mut tx = self.read().await?;
        let version = version(&mut tx).await?;
        let mut sink = Sink { out, all: Sha256::new(), table: Sha256::new() };
        let made = now().micros();
        sink.put(MAGIC)?;
        sink.put(b"H")?;
        sink.int(version)?;
        sink.int(made)?;
        let mut tables = Vec::new();
        for name in tables_of(&mut tx).await? {
            if with_cdrs || !CDRS.contains(&name.as_str()) {
                tables.push(sink.table(&mut tx, name).await?);
            }
        }
        sink.put(b"Z")?;
        let sum = sink.all.clone().finalize();
        sink.out.write_all(&sum).map_err(disk)?;
        Ok(Backup { version, made, tables })
    }
}

fn disk(error: std::io::Error) -> StoreError {
    StoreError::Broken(format!("the backup's file: {error}"))
}

/// Where bytes go: the file, the sum of all, and the sum of the table that is being written.
struct Sink<'a> {
    out: &'a mut (dyn Write + Send),
    all: Sha256,
    table: Sha256,
}

impl Sink<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.all.update(bytes);
        self.table.update(bytes);
        self.out.write_all(bytes).map_err(disk)
    }

    fn int(&mut self, value: i64) -> Result<()> {
        self.put(&value.to_be_bytes())
    }

    fn long(&mut self, bytes: &[u8]) -> Result<()> {
        let length = u32::try_from(bytes.len()).map_err(|_| StoreError::Broken("a value of 4 GiB".into()))?;
        self.put(&length.to_be_bytes())?;
        self.put(bytes)
    }

    async fn table(&mut self, tx: &mut Tx, name: String) -> Result<BackupTable> {
        let columns = columns_of(tx, &name).await?;
        self.table = Sha256::new();
        self.put(b"T")?;
        self.long(name.as_bytes())?;
        self.int(i64::try_from(columns.len()).unwrap_or(0))?;
        for column in &columns {
            self.long(column.name.as_bytes())?;
            self.put(&[column.kind as u8])?;
        }
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let sql = format!("SELECT {} FROM {name} ORDER BY {}", names.join(","), key_of(tx, &name).await?.join(","));
        let mut rows = 0;
        tx.each(sql, args![], |row| {
            rows += 1;
            self.row(&columns, &row)
        })
        .await?;
        Ok(BackupTable { name, rows, sha256: self.table.clone().finalize().into() })
    }

    fn row(&mut self, columns: &[Column], row: &Row) -> Result<()> {
        self.put(b"R")?;
        for Column { name, kind } in columns {
            let value = match kind {
                Kind::Int => row.opt_int(name)?.map(|value| value.to_be_bytes().to_vec()),
                Kind::Text => row.opt_text(name)?.map(String::into_bytes),
                Kind::Bytes => row.opt_bytes(name)?,
            };
            match value {
                None => self.put(&[0])?,
                Some(bytes) if *kind == Kind::Int => {
                    self.put(&[1])?;
                    self.put(&bytes)?;
                }
                Some(bytes) => {
                    self.put(&[1])?;
                    self.long(&bytes)?;
                }
            }
        }
        Ok(())
    }
}

/// The newest migration that ran.
async fn version(tx: &mut Tx) -> Result<i64> {
    let row = tx.row("SELECT MAX(version) AS version FROM _sqlx_migrations", args![]).await?;
    row.map_or(Ok(0), |row| row.int("version"))
}

/// All tables that a backup may hold, by name.
async fn tables_of(tx: &mut Tx) -> Result<Vec<String>> {
    let sql = match tx.dialect() {
        Dialect::Sqlite => {
            "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite%' ORDER BY name"
        }
        Dialect::MySql => {
            "SELECT TABLE_NAME AS name FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA=DATABASE() AND TABLE_TYPE='BASE TABLE' ORDER BY BINARY TABLE_NAME"
        }
    };
    let names: Result<Vec<String>> = tx.rows(sql, args![]).await?.iter().map(|row| row.text("name")).collect();
    Ok(names?.into_iter().filter(|name| !NEVER.contains(&name.as_str())).collect())
}

/// A table's columns by name: both databases have the same ones, though not always in the same order.
async fn columns_of(tx: &mut Tx, table: &str) -> Result<Vec<Column>> {
    let sql = match tx.dialect() {
        Dialect::Sqlite => "SELECT name,LOWER(type) AS kind FROM pragma_table_info(?) ORDER BY name",
        Dialect::MySql => {
            "SELECT COLUMN_NAME AS name,DATA_TYPE AS kind FROM information_schema.COLUMNS \
             WHERE TABLE_SCHEMA=DATABASE() AND TABLE_NAME=? ORDER BY BINARY COLUMN_NAME"
        }
    };
    let mut columns = Vec::new();
    for row in tx.rows(sql, args![table]).await? {
        let kind = match row.text("kind")?.as_str() {
            "integer" | "bigint" | "smallint" => Kind::Int,
            "text" | "varchar" | "longtext" => Kind::Text,
            "blob" | "binary" | "longblob" | "varbinary" => Kind::Bytes,
            other => return Err(StoreError::Broken(format!("table {table} has a column of type {other}"))),
        };
        columns.push(Column { name: row.text("name")?, kind });
    }
    Ok(columns)
}

/// The columns that a table's rows are put in order by: the same on both databases.
async fn key_of(tx: &mut Tx, table: &str) -> Result<Vec<String>> {
    if table == "cdrs" {
        return Ok(vec!["started".into(), "id".into()]);
    }
    let sql = match tx.dialect() {
        Dialect::Sqlite => "SELECT name FROM pragma_table_info(?) WHERE pk>0 ORDER BY pk",
        Dialect::MySql => {
            "SELECT COLUMN_NAME AS name FROM information_schema.STATISTICS \
             WHERE TABLE_SCHEMA=DATABASE() AND TABLE_NAME=? AND INDEX_NAME='PRIMARY' ORDER BY SEQ_IN_INDEX"
        }
    };
    let key: Vec<String> =
        tx.rows(sql, args![table]).await?.iter().map(|row| row.text("name")).collect::<Result<_>>()?;
    if key.is_empty() {
        return Err(StoreError::Broken(format!("table {table} has no primary key")));
    }
    Ok(key)
}
