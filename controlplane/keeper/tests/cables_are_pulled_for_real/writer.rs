//! Somebody who writes through the shared address and remembers what was acknowledged, and somebody who looks who takes writes.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tokio::time::timeout;

use crate::timed;
use crate::world::{PASSWORD, SHARED, World};

/// How long a connection and a row may take before they are tried again, in milliseconds. A busy machine is slow without being gone. Where
/// time is measured, a connection that was lost on the way must not add to it.
fn patience_ms() -> (u64, u64) {
    if timed() { (100, 1_000) } else { (2_000, 4_000) }
}

/// What the writer knows.
#[derive(Default)]
pub struct Told {
    pub acknowledged: BTreeSet<u64>,
    pub last: Option<Instant>,
    /// The longest time without an acknowledgement since it was last set to nothing.
    pub longest: Duration,
}

/// Between two rows: replicas on a busy machine apply as fast as that, and are in sync at last.
const PAUSE: Duration = Duration::from_millis(3);

/// A thread on the third host.
pub struct Writer {
    pub told: Arc<Mutex<Told>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub fn start(world: &World) -> Writer {
        let host = File::open(format!("/run/netns/{}", world.third())).unwrap();
        let told = Arc::new(Mutex::new(Told::default()));
        let ended = Arc::new(AtomicBool::new(false));
        let (theirs, end) = (told.clone(), ended.clone());
        let thread = thread::spawn(move || {
            nix::sched::setns(host, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(write(&theirs, &end));
        });
        Writer { told, ended, thread: Some(thread) }
    }

    /// How many rows are acknowledged.
    pub fn count(&self) -> usize {
        self.told.lock().unwrap().acknowledged.len()
    }

    /// The longest time without an acknowledgement since this was asked last.
    pub fn longest(&self) -> Duration {
        std::mem::take(&mut self.told.lock().unwrap().longest)
    }

    pub fn end(mut self) -> BTreeSet<u64> {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        self.told.lock().unwrap().acknowledged.clone()
    }
}

async fn write(told: &Mutex<Told>, end: &AtomicBool) {
    let options = MySqlConnectOptions::new().host(SHARED).username("tandem").password(PASSWORD).database("tandem");
    let options = options.ssl_mode(MySqlSslMode::Disabled);
    let (connected, written) = patience_ms();
    let (connected, written) = (Duration::from_millis(connected), Duration::from_millis(written));
    let mut next = 0;
    while !end.load(Ordering::Relaxed) {
        let Ok(Ok(mut connection)) = timeout(connected, options.connect()).await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let table = "CREATE TABLE IF NOT EXISTS tandem.rows_written (id BIGINT PRIMARY KEY)";
        let made = timeout(written * 3, sqlx::raw_sql(table).execute(&mut connection)).await;
        if !matches!(made, Ok(Ok(_))) {
            continue;
        }
        while !end.load(Ordering::Relaxed) {
            next += 1;
            let sql = AssertSqlSafe(format!("INSERT INTO tandem.rows_written VALUES ({next})"));
            let done = timeout(written, sqlx::raw_sql(sql).execute(&mut connection)).await;
            if !matches!(done, Ok(Ok(_))) {
                break;
            }
            {
                let mut told = told.lock().unwrap();
                let gap = told.last.replace(Instant::now()).map_or(Duration::ZERO, |last| last.elapsed());
                told.longest = told.longest.max(gap);
                told.acknowledged.insert(next);
            }
            tokio::time::sleep(PAUSE).await;
        }
        let _ = timeout(Duration::from_millis(100), connection.close()).await;
    }
}

/// Looks who takes writes, by the databases' sockets. Sees two that do in the same moment.
pub struct Watcher {
    both: Arc<Mutex<Vec<Duration>>>,
    looks: Arc<Mutex<u64>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    pub fn start(world: &World) -> Watcher {
        let sockets = [world.socket(1), world.socket(2)];
        let both: Arc<Mutex<Vec<Duration>>> = Arc::default();
        let looks: Arc<Mutex<u64>> = Arc::default();
        let ended = Arc::new(AtomicBool::new(false));
        let (theirs, counted, end) = (both.clone(), looks.clone(), ended.clone());
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let began = Instant::now();
                while !end.load(Ordering::Relaxed) {
                    // The first is asked again: it took writes before and after the second did.
                    if writes(&sockets[0]).await && writes(&sockets[1]).await && writes(&sockets[0]).await {
                        theirs.lock().unwrap().push(began.elapsed());
                    }
                    *counted.lock().unwrap() += 1;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        });
        Watcher { both, looks, ended, thread: Some(thread) }
    }

    /// When two took writes, and how often somebody looked.
    pub fn end(mut self) -> (Vec<Duration>, u64) {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        let looks = *self.looks.lock().unwrap();
        (self.both.lock().unwrap().clone(), looks)
    }
}

async fn writes(socket: &PathBuf) -> bool {
    let options = MySqlConnectOptions::new().socket(socket).username("tandem_keeper").password(PASSWORD);
    let options = options.ssl_mode(MySqlSslMode::Disabled);
    let asked = async {
        let mut connection = options.connect().await?;
        let read_only: i64 =
            sqlx::query_scalar("SELECT CAST(@@GLOBAL.read_only AS SIGNED)").fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok::<bool, sqlx::Error>(read_only == 0)
    };
    matches!(timeout(Duration::from_millis(500), asked).await, Ok(Ok(true)))
}
