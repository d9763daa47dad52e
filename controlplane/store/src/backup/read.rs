//! A backup's file on its way back: checked whole, then written.

use std::io::Read;

use sha2::{Digest as _, Sha256};

use super::{Backup, BackupTable, Column, Kind, MAGIC, columns_of, disk, tables_of, version};
use crate::error::{ConflictKind, Result, StoreError};
use crate::sql::{Arg, Database, Dialect, Tx, args};

/// Bytes of one value at most.
const VALUE_MAX: u32 = 64 << 20;
/// Columns of a table at most.
const COLUMNS_MAX: i64 = 512;
/// Tables that have a row in a database that nobody has used yet.
const FRESH: [&str; 1] = ["changes"];
/// Rows of one statement.
const BLOCK: usize = 256;
/// Rows of one transaction on MariaDB; SQLite restores in one.
const TRANSACTION: u64 = 50_000;

/// Reads a backup to its end and checks its sum: what it holds.
pub fn read_backup(file: &mut dyn Read) -> Result<Backup> {
    let mut source = Source::open(file)?;
    while source.next()?.is_some() {}
    Ok(source.backup)
}

/// Writes a backup into the database at `url`, whose tables must be empty, or are emptied if `replace` says so. `open` opens the file; it is
/// read twice, the first time only to check it.
pub async fn restore<R: Read>(
    url: &str,
    replace: bool,
    mut open: impl FnMut() -> std::io::Result<R>,
) -> Result<Backup> {
    let checked = read_backup(&mut open().map_err(disk)?)?;
    let database = Database::open_unlinked(url).await?;
    let mut tx = database.write().await?;
    let known = version(&mut tx).await?;
    if known != checked.version {
        let why = format!(
            "the backup is of schema {}, the database of {known}: use the program that made it",
            checked.version
        );
        return Err(StoreError::invalid("backup", why));
    }
    let tables = tables_of(&mut tx).await?;
    for table in &tables {
        empty(&mut tx, table, replace).await?;
    }
    let mut file = open().map_err(disk)?;
    let mut source = Source::open(&mut file)?;
    let (mut block, mut written): (Vec<Vec<Arg>>, u64) = (Vec::new(), 0);
    let mut into: Option<(String, Vec<Column>)> = None;
    loop {
        let item = source.next()?;
        if !matches!(item, Some(Item::Row(_))) || block.len() == BLOCK {
            if let Some((table, columns)) = &into {
                written += block.len() as u64;
                let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
                tx.insert_many("INSERT INTO", table, &names, std::mem::take(&mut block)).await?;
            }
            if written >= TRANSACTION && tx.dialect() == Dialect::MySql {
                tx.commit().await?;
                (tx, written) = (database.write().await?, 0);
            }
        }
        match item {
            None => break,
            Some(Item::Row(row)) => block.push(row),
            Some(Item::Table(name, columns)) => {
                if columns_of(&mut tx, &name).await? != columns || !tables.contains(&name) {
                    return Err(StoreError::invalid("backup", format!("table {name} is another here")));
                }
                into = Some((name, columns));
            }
        }
    }
    if source.backup != checked {
        return Err(StoreError::invalid("backup", "the file changed while it was read"));
    }
    tx.commit().await?;
    database.close().await;
    Ok(checked)
}

async fn empty(tx: &mut Tx, table: &str, replace: bool) -> Result<()> {
    if replace || FRESH.contains(&table) {
        return tx.run(format!("DELETE FROM {table}"), args![]).await.map(drop);
    }
    match tx.row(format!("SELECT 1 AS one FROM {table} LIMIT 1"), args![]).await? {
        None => Ok(()),
        Some(_) => {
            let why = "the database is not empty; --replace removes what is there";
            Err(StoreError::conflict(ConflictKind::Exists, "table", table, why))
        }
    }
}

enum Item {
    Table(String, Vec<Column>),
    Row(Vec<Arg>),
}

struct Source<'a> {
    file: &'a mut dyn Read,
    all: Sha256,
    table: Sha256,
    columns: Vec<Column>,
    backup: Backup,
}

fn odd(why: &str) -> StoreError {
    StoreError::invalid("backup", why)
}

impl<'a> Source<'a> {
    fn open(file: &'a mut dyn Read) -> Result<Source<'a>> {
        let mut source =
            Source { file, all: Sha256::new(), table: Sha256::new(), columns: Vec::new(), backup: Backup::default() };
        let mut magic = [0; MAGIC.len()];
        source.fill(&mut magic)?;
        if magic != MAGIC || source.byte()? != b'H' {
            return Err(odd("this is no backup of ours"));
        }
        source.backup.version = source.int()?;
        source.backup.made = source.int()?;
        Ok(source)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.file.read_exact(bytes).map_err(|_| odd("the file ends too early or cannot be read"))?;
        self.all.update(&*bytes);
        self.table.update(&*bytes);
        Ok(())
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.fill(&mut byte)?;
        Ok(byte[0])
    }

    fn int(&mut self) -> Result<i64> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(i64::from_be_bytes(bytes))
    }

    fn long(&mut self) -> Result<Vec<u8>> {
        let mut length = [0; 4];
        self.fill(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length > VALUE_MAX {
            return Err(odd("a value is longer than any of ours"));
        }
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<String> {
        String::from_utf8(self.long()?).map_err(|_| odd("a text is not UTF-8"))
    }

    /// The next table or row; `None` behind the last, when the sum is right.
    fn next(&mut self) -> Result<Option<Item>> {
        // The sum of a table ends before the letter of what follows it; that letter is taken out again below.
        let before = self.table.clone();
        match self.byte()? {
            b'R' if !self.columns.is_empty() => self.row().map(Some),
            b'T' => {
                self.close(before);
                self.table = Sha256::new();
                self.table.update(b"T");
                self.head().map(Some)
            }
            b'Z' => {
                self.close(before);
                let expected: [u8; 32] = self.all.clone().finalize().into();
                let mut sum = [0; 32];
                self.file.read_exact(&mut sum).map_err(|_| odd("the file ends too early"))?;
                if sum != expected {
                    return Err(odd("the sum is wrong: the file was damaged"));
                }
                Ok(None)
            }
            _ => Err(odd("the file was damaged")),
        }
    }

    fn close(&mut self, sum: Sha256) {
        if let Some(table) = self.backup.tables.last_mut() {
            table.sha256 = sum.finalize().into();
        }
    }

    fn head(&mut self) -> Result<Item> {
        let name = self.text()?;
        let count = self.int()?;
        if !(1..=COLUMNS_MAX).contains(&count) {
            return Err(odd("a table has an odd number of columns"));
        }
        self.columns.clear();
        for _ in 0..count {
            let name = self.text()?;
            let kind = match self.byte()? {
                0 => Kind::Int,
                1 => Kind::Text,
                2 => Kind::Bytes,
                _ => return Err(odd("a column is of no kind of ours")),
            };
            self.columns.push(Column { name, kind });
        }
        self.backup.tables.push(BackupTable { name: name.clone(), ..BackupTable::default() });
        Ok(Item::Table(name, self.columns.clone()))
    }

    fn row(&mut self) -> Result<Item> {
        let mut row = Vec::with_capacity(self.columns.len());
        for place in 0..self.columns.len() {
            let there = self.byte()? == 1;
            row.push(match self.columns[place].kind {
                Kind::Int if there => Arg::Int(self.int()?),
                Kind::Text if there => Arg::Text(self.text()?),
                Kind::Bytes if there => Arg::Bytes(self.long()?),
                Kind::Int => Arg::OptInt(None),
                _ => Arg::OptText(None),
            });
        }
        if let Some(table) = self.backup.tables.last_mut() {
            table.rows += 1;
        }
        Ok(Item::Row(row))
    }
}
