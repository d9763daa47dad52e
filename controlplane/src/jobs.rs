//! Workers: they take jobs from the store's queue, whichever node asked for them, and do them batch by batch.
//!
//! Each batch is written together with the place where the next one begins, so a worker that is killed leaves a job that another goes on
//! with. Which kinds there are: `cdr_export`, `recount` and `retention`.

mod export;
mod recount;
mod retention;

use std::time::Duration;

use store::{JobAsk, Store, StoreError, Turn};
use tokio::task::JoinHandle;
use units::NodeId;

/// Workers of one node: a long export must not keep old days from going.
const WORKERS: usize = 2;
/// How often an idle worker looks for a job.
const LOOK: Duration = Duration::from_secs(1);
/// Pause after the database did not answer.
const RETRY: Duration = Duration::from_secs(5);
/// How long a worker that says nothing counts as alive. A batch takes far less.
pub const LOCK: Duration = Duration::from_secs(60);
/// How often it is looked after what is old, in seconds.
const RETENTION_EVERY_S: i64 = 3_600;
/// Tries of a look after what is old.
const RETENTION_TRIES: u32 = 3;
/// Tries of a recount, which goes on where it stood.
const RECOUNT_TRIES: u32 = 100;

/// All kinds that these workers do.
const KINDS: [&str; 3] = [web::api::jobs::CDR_EXPORT, RECOUNT, RETENTION];
const RECOUNT: &str = "recount";
const RETENTION: &str = "retention";

/// How a handler ended without a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// All is done.
    Done,
    /// The job is cancelled or somebody else's.
    Stopped,
}

/// The running workers; dropped, they end where they are and their jobs go on elsewhere or later.
#[derive(Debug)]
pub struct Workers {
    tasks: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Works from now on. A worker that says nothing for `lock` counts as dead: [`LOCK`], or less in tests.
    pub fn start(store: &Store, node: NodeId, lock: Duration) -> Workers {
        let worker = |place: usize| {
            let store = store.clone();
            let name = format!("node {node}, worker {place}");
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(one(&store, &name, lock).await).await;
                }
            })
        };
        let mut tasks: Vec<JoinHandle<()>> = (1..=WORKERS).map(worker).collect();
        tasks.push(tokio::spawn(ask_for_retention(store.clone())));
        tasks.push(tokio::spawn(ask_for_recount(store.clone())));
        Workers { tasks }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Does one job if there is one; the pause before the next look.
async fn one(store: &Store, name: &str, lock: Duration) -> Duration {
    match store.take_job(name, &KINDS, lock).await {
        Ok(Some(turn)) => work(store, &turn).await,
        Ok(None) => LOOK,
        Err(error) => {
            tracing::debug!(%error, "no job can be taken");
            RETRY
        }
    }
}

async fn work(store: &Store, turn: &Turn) -> Duration {
    let done = match turn.job.asked.kind.as_str() {
        RECOUNT => recount::run(store, turn).await,
        RETENTION => retention::run(store, turn).await,
        _ => export::run(store, turn).await,
    };
    let ended = match done {
        Ok(Ended::Stopped) => return Duration::ZERO,
        Ok(Ended::Done) => store.end_job(turn, Ok(())).await,
        Err(error) => {
            tracing::warn!(job = turn.job.id, %error, "a job failed");
            store.end_job(turn, Err(&error.to_string())).await
        }
    };
    match ended {
        Ok(_) => Duration::ZERO,
        // The lock runs out, and the job goes on where it stood.
        Err(_) => RETRY,
    }
}

/// Asks for a look after what is old, each hour once in the whole cluster: the key is the hour.
async fn ask_for_retention(store: Store) {
    loop {
        let hour = jiff::Timestamp::now().as_second().div_euclid(RETENTION_EVERY_S);
        let ask = JobAsk {
            kind: RETENTION.into(),
            key: format!("{RETENTION}:{hour}"),
            ask: "{}".into(),
            actor: "switch".into(),
            tries_max: RETENTION_TRIES,
        };
        if let Err(error) = store.ask_job(&ask).await {
            tracing::debug!(%error, "cannot ask for retention");
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

/// Asks once for the sums of records that were collected before sums were kept.
async fn ask_for_recount(store: Store) {
    let ask = JobAsk {
        kind: RECOUNT.into(),
        key: RECOUNT.into(),
        ask: "{}".into(),
        actor: "switch".into(),
        tries_max: RECOUNT_TRIES,
    };
    loop {
        let asked = match store.sums_to_count().await {
            Ok(false) => return,
            Ok(true) => store.ask_job(&ask).await.map(drop),
            Err(error) => Err(error),
        };
        match asked {
            Ok(()) => return,
            Err(error) => tracing::debug!(%error, "cannot ask for a recount"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// What the store says as the reason of a try that failed.
type Done = Result<Ended, StoreError>;
