//! Each statement of the collector's transaction fails once, on SQLite and on MariaDB: nothing of the batch is seen, and the next try
//! brings all of it once.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use std::process::Command;

use databases::Database;
use sample::{World, attempt, call, call_id, grant_id, money, world};
use store::{Ask, Balance, Batch, Collected, Cursor, Result, Store};
use units::{AccountId, Money, NodeId};

/// What the transaction writes, in its order.
const STATEMENTS: [(&str, &str); 7] = [
    ("INSERT", "collector_cursors"),
    ("INSERT", "cdrs"),
    ("INSERT", "posts"),
    ("INSERT", "ledger_entries"),
    ("UPDATE", "grants"),
    ("UPDATE", "ledger_accounts"),
    ("UPDATE", "collector_cursors"),
];

/// Speaks to the database beside the store; other threads end the store's transactions meanwhile.
fn tell(database: &Database, sqlite: &str, mariadb: &str) {
    let done = match database.url.strip_prefix("sqlite:") {
        Some(path) => Command::new("sqlite3").args(["-cmd", ".timeout 9000", path, sqlite]).status(),
        None => {
            let place = database.url.strip_prefix("mysql://root@localhost/").unwrap();
            let (name, socket) = place.split_once("?socket=").unwrap();
            Command::new("mariadb").args(["--no-defaults", "-uroot", "-S", socket, name, "-e", mariadb]).status()
        }
    };
    assert!(done.unwrap().success(), "{sqlite}");
}

fn refuse(database: &Database, (event, table): (&str, &str)) {
    let on = format!("CREATE TRIGGER refusing BEFORE {event} ON {table}");
    let sqlite = format!("{on} BEGIN SELECT RAISE(ABORT,'ordered'); END");
    tell(database, &sqlite, &format!("{on} FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT='ordered'"));
}

async fn collect(store: &Store, w: World, nth: u64) -> Result<Collected> {
    let call = call(w, nth, "0.01", &[(grant_id(1), "0.01")]);
    let cdrs = [attempt(&call), call];
    let cursor = Cursor { boot: 1, segment: 1, offset: 100 + nth };
    store.insert_cdrs(Batch { node: NodeId(1), kind: "journal", folder: "f", cdrs: &cdrs, traces: &[], cursor }).await
}

/// All that a batch can be seen by.
async fn seen(store: &Store, w: World, nth: u64) -> (Option<Cursor>, [Balance; 2], usize, bool) {
    let cursor = store.cursor(NodeId(1), "journal", "f").await.unwrap();
    let balances = [store.balance(w.payer).await.unwrap(), store.balance(w.payee).await.unwrap()];
    let entries = store.entries(w.payer, None, 1_000).await.unwrap().len();
    (cursor, balances, entries, store.story(call_id(nth)).await.is_ok_and(|story| story.call.is_some()))
}

async fn whole_or_not_at_all(database: Database) {
    let store = &database.store;
    let w = world(store).await;
    store.payment(w.payer, money("100"), "opening", "").await.unwrap();
    store.grant(grant_id(1), AccountId(w.payer), Ask { want: money("40"), slice: Money::ZERO }).await.unwrap();
    for (nth, statement) in (0..).zip(STATEMENTS) {
        let before = seen(store, w, nth).await;
        refuse(&database, statement);
        let refused = collect(store, w, nth).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("ordered")), "{statement:?} is made");
        assert_eq!(seen(store, w, nth).await, before, "{statement:?} fails: nothing is seen of the batch");
        tell(&database, "DROP TRIGGER refusing", "DROP TRIGGER refusing");
        let done = collect(store, w, nth).await.unwrap();
        assert_eq!((done.inserted, done.posted), (2, 1), "{statement:?}: the next try brings all of it");
        let again = collect(store, w, nth).await.unwrap();
        assert_eq!((again.inserted, again.posted), (0, 0), "{statement:?}: once");
        let (cursor, [payer, _], _, found) = seen(store, w, nth).await;
        assert_eq!((cursor.unwrap().offset, found), (100 + nth, true));
        assert_eq!(payer.settled, money(&format!("0.{:02}", nth + 1)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    whole_or_not_at_all(databases::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_mariadb() {
    whole_or_not_at_all(databases::mariadb().await).await;
}
