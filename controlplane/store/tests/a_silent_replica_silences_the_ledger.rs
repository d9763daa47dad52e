//! What the ledger answers must survive its database: a server that is told to wait for a replica and goes on alone lends nothing.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use sample::{grant_id, money, world};
use store::{Ask, Replica, ReplicaState, Reports, StoreError};
use units::{AccountId, Money};

fn order(url: &str, sql: &str) {
    let socket = url.split_once("socket=").unwrap().1;
    let done = std::process::Command::new("mariadb")
        .args(["--no-defaults", "-uroot", &format!("-S{socket}"), "-e", sql])
        .status();
    assert!(done.unwrap().success(), "{sql}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_wait_for_the_replica_that_was_asked_for() {
    let database = databases::mariadb().await;
    let store = &database.store;
    let account = AccountId(world(store).await.payer);
    store.payment(account.0, money("10"), "opening", "").await.unwrap();
    assert_eq!(store.replica().await.unwrap(), Replica::None);
    let ask = Ask { want: money("1"), slice: money("1") };
    assert_eq!(store.grant(grant_id(1), account, ask).await.unwrap().amount, money("1"));
    // No replica is there: the first commit waits for a moment, then the server goes on alone.
    order(&database.url, "SET GLOBAL rpl_semi_sync_master_timeout=20, GLOBAL rpl_semi_sync_master_enabled=1");
    assert!(matches!(store.grant(grant_id(2), account, ask).await, Err(StoreError::Away(_))));
    assert_eq!(store.replica().await.unwrap(), Replica::Silent);
    assert!(
        matches!(store.grant(grant_id(1), account, ask).await, Err(StoreError::Away(_))),
        "nor what it said before"
    );
    assert!(matches!(store.close(grant_id(1), account, Money::ZERO).await, Err(StoreError::Away(_))));
    store.answer_alone(true);
    assert_eq!(
        store.grant(grant_id(2), account, ask).await.unwrap().amount,
        money("1"),
        "as it was written the first time"
    );
    store.answer_alone(false);
    order(&database.url, "SET GLOBAL rpl_semi_sync_master_enabled=0");
    assert_eq!(store.grant(grant_id(3), account, ask).await.unwrap().amount, money("1"));

    // The same server as one that pages are read from: it takes writes, then none, then follows one that is not there.
    let reports = Reports::new(store.clone(), Some(database.url.clone()));
    let look = async |sql: &str| {
        order(&database.url, sql);
        reports.look().await;
        reports.replica()
    };
    assert_eq!(look("SELECT 1").await, ReplicaState::Read(0));
    let passed = |why: &str| ReplicaState::Passed(why.to_owned());
    assert_eq!(look("SET GLOBAL read_only=1").await, passed("it follows nobody and takes no writes"));
    let follow = "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1, MASTER_USER='nobody'; START SLAVE";
    assert_eq!(look(follow).await, passed("it does not receive what the primary writes"));
    assert_eq!(look("STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only=0").await, ReplicaState::Read(0));
}
