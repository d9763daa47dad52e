//! While nodes are upgraded one after the other, programs of two versions work with one database.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use sample::{call, world};
use sqlx::Executor as _;
use store::{Batch, CarrierDraft, CdrFilter, Cursor, LaterStep, Store, migration_plan};
use units::{NodeId, WallTime};

/// What a later version may do: a table, columns, an index.
const STEP: LaterStep = LaterStep {
    version: 9_001,
    name: "adds halls",
    sqlite: "CREATE TABLE IF NOT EXISTS halls (id INTEGER NOT NULL PRIMARY KEY) STRICT;
             ALTER TABLE cdrs ADD COLUMN hall INTEGER NOT NULL DEFAULT 0;
             ALTER TABLE carriers ADD COLUMN hall TEXT;",
    mysql: "CREATE TABLE IF NOT EXISTS halls (id BIGINT NOT NULL PRIMARY KEY) ENGINE=InnoDB;
            ALTER TABLE cdrs ADD COLUMN IF NOT EXISTS hall BIGINT NOT NULL DEFAULT 0;
            ALTER TABLE carriers ADD COLUMN IF NOT EXISTS hall VARCHAR(10);
            CREATE INDEX IF NOT EXISTS carriers_hall ON carriers (hall);",
};

async fn collect(store: &Store, node: u16, cdrs: &[cdr::Cdr]) -> u64 {
    let cursor = Cursor { boot: 1, segment: 1, offset: 1 };
    let batch = Batch { node: NodeId(node), kind: "journal", folder: "f", cdrs, traces: &[], cursor };
    store.insert_cdrs(batch).await.unwrap().inserted
}

async fn rename(store: &Store, id: u32, name: &str) {
    let mut edit = store.edit().await.unwrap();
    let stands = edit.get::<CarrierDraft>(id).await.unwrap();
    let draft = CarrierDraft { name: name.into(), ..stands.draft };
    edit.update(id, &draft, Some(stands.version)).await.unwrap();
    edit.commit().await.unwrap();
}

async fn names(store: &Store) -> Vec<String> {
    store.all::<CarrierDraft>().await.unwrap().into_iter().map(|carrier| carrier.draft.name).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_older_program_goes_on_and_comes_back_after_the_newer_added_to_the_tables() {
    for database in [databases::sqlite().await, databases::mariadb().await] {
        let older = &database.store;
        let w = world(older).await;
        assert_eq!(collect(older, 1, &[call(w, 1, "0.02", &[])]).await, 1);
        let newer = Store::open_with(&database.url, &[STEP]).await.unwrap();
        // It has run all the while, or its node was started again: only the newer program knows the step.
        let again = Store::open(&database.url).await.unwrap();
        for (node, store) in [(2, older), (3, &newer), (4, &again)] {
            assert_eq!(collect(store, node, &[call(w, u64::from(node), "0.02", &[])]).await, 1);
            rename(store, w.originator, &format!("named by {node}")).await;
        }
        let filter = CdrFilter { till: WallTime::from_micros(i64::MAX), limit: 100, ..CdrFilter::default() };
        for store in [older, &newer, &again] {
            assert_eq!(store.search_cdrs(&filter).await.unwrap().len(), 4);
            assert!(names(store).await.contains(&"named by 4".to_owned()));
        }
        let plan = migration_plan(&database.url).await.unwrap();
        assert_eq!((plan.later, plan.steps), (vec![(9_001, "adds halls".to_owned())], Vec::new()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_adds_is_begun_again_where_it_broke_off() {
    let database = databases::mariadb().await;
    drop(Store::open_with(&database.url, &[STEP]).await.unwrap());
    let pool = sqlx::MySqlPool::connect(&database.url).await.unwrap();
    // As a primary leaves it that was killed between two of the step's statements.
    pool.execute("UPDATE _sqlx_migrations SET success=0 WHERE version=9001").await.unwrap();
    pool.execute("DROP TABLE halls").await.unwrap();
    drop(Store::open(&database.url).await.expect("it is no step of the older program"));
    let both = [STEP];
    let (one, other) = tokio::join!(Store::open_with(&database.url, &both), Store::open_with(&database.url, &both));
    drop((one.unwrap(), other.unwrap()));
    let halls: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM halls").fetch_one(&pool).await.unwrap();
    let whole = "SELECT COUNT(*) FROM _sqlx_migrations WHERE version=9001 AND success=1";
    assert_eq!((halls, sqlx::query_scalar::<_, i64>(whole).fetch_one(&pool).await.unwrap()), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_does_more_is_not_begun_again() {
    let database = databases::mariadb().await;
    let pool = sqlx::MySqlPool::connect(&database.url).await.unwrap();
    pool.execute("UPDATE _sqlx_migrations SET success=0 WHERE version=40").await.unwrap();
    let refused = Store::open(&database.url).await.map(drop).unwrap_err().to_string();
    assert!(refused.contains("step 40 broke off in the middle"), "{refused}");
    assert!(migration_plan(&database.url).await.unwrap().steps.iter().any(|step| step.version == 40 && !step.adds));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_lacks_a_step_of_ours_and_has_a_later_one_is_refused() {
    for database in [databases::sqlite().await, databases::mariadb().await] {
        drop(Store::open_with(&database.url, &[STEP]).await.unwrap());
        let sql = "DELETE FROM _sqlx_migrations WHERE version=40";
        match database.url.strip_prefix("sqlite:") {
            Some(path) => drop(sqlx::SqlitePool::connect(path).await.unwrap().execute(sql).await.unwrap()),
            None => drop(sqlx::MySqlPool::connect(&database.url).await.unwrap().execute(sql).await.unwrap()),
        }
        let refused = Store::open(&database.url).await.map(drop).unwrap_err().to_string();
        assert!(refused.contains("has step 9001 of a later version, and not step 40"), "{refused}");
    }
}
