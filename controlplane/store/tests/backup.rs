//! Stories about backups: from either database into either, byte by byte.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use cdr::Cdr;
use databases::Database;
use sample::{attempt, call, money, stranger, world};
use store::{Backup, Batch, Cursor, Store, StoreError, read_backup, restore};
use units::NodeId;

/// A database with something in most tables.
async fn filled(store: &Store) {
    let w = world(store).await;
    store.payment(w.payer, money("10"), "first", "").await.unwrap();
    let record = call(w, 1, "1", &[]);
    let mut cdrs: Vec<Cdr> = (2..600).map(stranger).collect();
    cdrs.extend([record.clone(), attempt(&record)]);
    let traces = [(sample::call_id(1), 5, vec![0, 159, 255])];
    let cursor = Cursor { boot: 1, segment: 1, offset: 9 };
    let batch = Batch { node: NodeId(1), kind: "journal", folder: "f", cdrs: &cdrs, traces: &traces, cursor };
    store.insert_cdrs(batch).await.unwrap();
}

async fn written(store: &Store, with_cdrs: bool) -> (Vec<u8>, Backup) {
    let mut file = Vec::new();
    let backup = store.backup(with_cdrs, &mut file).await.unwrap();
    assert_eq!(read_backup(&mut &file[..]).unwrap(), backup, "what is read is what was written");
    (file, backup)
}

async fn goes_over(from: Database, into: Database) {
    filled(&from.store).await;
    let (file, backup) = written(&from.store, true).await;
    let rows = |name: &str| backup.tables.iter().find(|table| table.name == name).unwrap().rows;
    assert_eq!((rows("cdrs"), rows("carriers"), rows("traces")), (600, 2, 1));
    restore(&into.url, false, || Ok(&file[..])).await.unwrap();
    let (_, again) = written(&into.store, true).await;
    assert_eq!(again.tables, backup.tables, "every table, byte by byte");

    let refused = restore(&into.url, false, || Ok(&file[..])).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "not over what is there: {refused}");
    restore(&into.url, true, || Ok(&file[..])).await.unwrap();
    assert_eq!(written(&into.store, true).await.1.tables, backup.tables);
    let (_, lean) = written(&into.store, false).await;
    assert!(lean.tables.len() + 2 == backup.tables.len(), "without CDRs and captured calls");
}

#[tokio::test]
async fn a_backup_of_sqlite_restores_into_sqlite() {
    goes_over(databases::sqlite().await, databases::sqlite().await).await;
}

#[tokio::test]
async fn a_backup_of_mariadb_restores_into_mariadb() {
    goes_over(databases::mariadb().await, databases::mariadb().await).await;
}

#[tokio::test]
async fn a_backup_of_sqlite_restores_into_mariadb() {
    goes_over(databases::sqlite().await, databases::mariadb().await).await;
}

#[tokio::test]
async fn a_damaged_backup_writes_nothing() {
    let (from, into) = (databases::sqlite().await, databases::sqlite().await);
    filled(&from.store).await;
    let (file, _) = written(&from.store, true).await;
    let (_, before) = written(&into.store, true).await;
    for place in (0..file.len()).step_by(file.len() / 97) {
        let mut damaged = file.clone();
        damaged[place] ^= 0x40;
        assert!(restore(&into.url, true, || Ok(&damaged[..])).await.is_err(), "byte {place}");
    }
    assert!(restore(&into.url, true, || Ok(&file[..file.len() - 1])).await.is_err());
    assert_eq!(written(&into.store, true).await.1.tables, before.tables);
}
