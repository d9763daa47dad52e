//! Jobs: work that takes longer than an answer may, in a table that is a queue. Any node's worker takes the next one; a worker that dies
//! loses its turn when its lock runs out, and another goes on where it stood.

use std::time::Duration;

use units::WallTime;

use crate::Store;
use crate::error::{ConflictKind, Result, StoreError};
use crate::sql::{Arg, Row, Tx, args, marks};

/// Bytes of a job's log that are kept; older lines go first.
const LOG_MAX: usize = 8_192;
/// Bytes of one part of a job's file at most.
pub const JOB_PART_MAX: usize = 4 << 20;
/// Bytes of a job's file at most.
pub const JOB_FILE_MAX: u64 = 8 << 30;
/// Rows of one page of jobs at most.
const PAGE_MAX: u32 = 1_000;
/// Pause before the second try, doubled with each further one, in microseconds.
const PAUSE: i64 = 2_000_000;
/// The longest such pause: ten minutes.
const PAUSE_MAX: i64 = 600_000_000;

/// How far a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobState {
    /// Waits for a worker, or for its next try.
    #[default]
    Waiting,
    /// A worker has it.
    Running,
    /// Finished.
    Done,
    /// Given up after its last try.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

const STATES: [JobState; 5] =
    [JobState::Waiting, JobState::Running, JobState::Done, JobState::Failed, JobState::Cancelled];

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobAsk {
    /// Which kind of work, 1 to 32 characters.
    pub kind: String,
    /// Asked for twice under the same key, it is one job; 1 to 160 characters.
    pub key: String,
    /// What exactly, as the kind understands it.
    pub ask: String,
    /// Who asked, as in the audit.
    pub actor: String,
    /// Tries at most, 1 to 100.
    pub tries_max: u32,
}

/// A job as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: i64,
    /// What was asked for.
    pub asked: JobAsk,
    /// How far it is.
    pub state: JobState,
    /// Somebody wants it to end; the worker has not seen it yet.
    pub cancelling: bool,
    /// Tries begun.
    pub tries: u32,
    /// Waiting: not before. Running: when its worker counts as dead.
    pub due: WallTime,
    /// Who has, or had, it last.
    pub worker: String,
    /// Units of work done.
    pub done: u64,
    /// Units of work there are; `None` while unknown.
    pub total: Option<u64>,
    /// Where the work goes on, as the kind understands it.
    pub place: String,
    /// The last lines that its workers wrote.
    pub log: String,
    /// Why the last try failed; empty if it did not.
    pub problem: String,
    /// The name of the file that it makes; empty if it makes none.
    pub file: String,
    /// Bytes of that file so far.
    pub bytes: u64,
    /// Parts of that file so far.
    pub parts: u32,
    /// When it was asked for.
    pub created: WallTime,
    /// When it was first taken.
    pub started: Option<WallTime>,
    /// When it ended.
    pub ended: Option<WallTime>,
}

/// A job in a worker's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The job as it was taken.
    pub job: Job,
    turn: i64,
    lock: Duration,
}

/// What a worker has done since its last step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobStep {
    /// Units of work done in all.
    pub done: u64,
    /// Units of work there are, if known.
    pub total: Option<u64>,
    /// Where another worker would go on.
    pub place: String,
    /// A line for the log; empty for none.
    pub line: String,
    /// The file's name, if it makes one.
    pub file: String,
    /// The file's next bytes, at most [`JOB_PART_MAX`].
    pub part: Vec<u8>,
}

/// Whether a worker goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// The step is written; go on.
    On,
    /// Nothing was written: the job is cancelled, or another worker has it. Stop.
    Stop,
}

impl Store {
    /// Asks for a job, or finds the one that was asked for under this key.
    pub async fn ask_job(&self, ask: &JobAsk) -> Result<Job> {
        if !(1..=160).contains(&ask.key.len()) || !(1..=32).contains(&ask.kind.len()) {
            return Err(StoreError::invalid("key", "a key of 1 to 160 and a kind of 1 to 32 characters"));
        }
        let mut tx = self.write().await?;
        let now = clock(&mut tx).await?;
        let columns = [
            "kind",
            "job_key",
            "ask",
            "actor",
            "state",
            "cancel",
            "tries",
            "tries_max",
            "due",
            "turn",
            "worker",
            "done",
            "place",
            "log",
            "problem",
            "file",
            "parts",
            "bytes",
            "created",
        ];
        let row = args![
            ask.kind.as_str(),
            ask.key.as_str(),
            ask.ask.as_str(),
            ask.actor.as_str(),
            0_i64,
            0_i64,
            0_i64,
            ask.tries_max.clamp(1, 100),
            now,
            0_i64,
            "",
            0_i64,
            "",
            "",
            "",
            "",
            0_i64,
            0_i64,
            now
        ];
        let ignore = tx.dialect().insert_ignore();
        tx.insert_many(ignore, "jobs", &columns, vec![row]).await?;
        let row =
            tx.row(format!("SELECT * FROM jobs WHERE job_key=?{}", tx.dialect().for_update()), args![ask.key.as_str()]);
        let job = read(&row.await?.ok_or_else(|| StoreError::Broken("a job that was just written is gone".into()))?)?;
        tx.commit().await?;
        if job.asked.kind != ask.kind || job.asked.ask != ask.ask {
            let why = "another job was asked for under this key";
            return Err(StoreError::conflict(ConflictKind::Exists, "job", &ask.key, why));
        }
        Ok(job)
    }

    /// Jobs, newest first; ids below `before` when given.
    pub async fn jobs(&self, before: Option<i64>, limit: u32) -> Result<Vec<Job>> {
        let values = args![before.unwrap_or(i64::MAX), limit.clamp(1, PAGE_MAX)];
        let sql = "SELECT * FROM jobs WHERE id<? ORDER BY id DESC LIMIT ?";
        self.read().await?.rows(sql, values).await?.iter().map(read).collect()
    }

    /// One job.
    pub async fn job(&self, id: i64) -> Result<Job> {
        let row = self.read().await?.row("SELECT * FROM jobs WHERE id=?", args![id]).await?;
        read(&row.ok_or_else(|| StoreError::missing("job", id))?)
    }

    /// Takes the next job of these kinds that is due, or whose worker counts as dead, for `lock`; each step holds it for as long again.
    pub async fn take_job(&self, worker: &str, kinds: &[&str], lock: Duration) -> Result<Option<Turn>> {
        if kinds.is_empty() {
            return Ok(None);
        }
        // Looked at without a lock first: SQLite has one writer, and mostly nothing is due.
        let sql =
            format!("SELECT id FROM jobs WHERE state IN (0,1) AND due<={} LIMIT 1", self.database.dialect().clock());
        if self.read().await?.row(sql, args![]).await?.is_none() {
            return Ok(None);
        }
        loop {
            let mut tx = self.write().await?;
            let now = clock(&mut tx).await?;
            let Some(row) = due(&mut tx, kinds, now).await? else { return Ok(None) };
            let (job, turn) = (read(&row)?, row.int("turn")? + 1);
            if let Some((state, why)) = over(&job) {
                end(&mut tx, job.id, state, why, now).await?;
                tx.commit().await?;
                continue;
            }
            let until = WallTime::from_micros(now.micros().saturating_add(micros(lock)));
            let sql =
                "UPDATE jobs SET state=1,turn=?,tries=tries+1,worker=?,due=?,started=COALESCE(started,?) WHERE id=?";
            tx.run(sql, args![turn, worker, until, now, job.id]).await?;
            tx.commit().await?;
            let job = Job { state: JobState::Running, tries: job.tries + 1, worker: worker.into(), due: until, ..job };
            return Ok(Some(Turn { job, turn, lock }));
        }
    }

    /// Writes down what was done, in one transaction, and holds the job for another while.
    pub async fn job_step(&self, turn: &Turn, step: &JobStep) -> Result<Go> {
        if step.part.len() > JOB_PART_MAX {
            return Err(StoreError::invalid("part", format!("{JOB_PART_MAX} bytes at most")));
        }
        let mut tx = self.write().await?;
        let Some(job) = mine(&mut tx, turn).await? else { return Ok(Go::Stop) };
        let now = clock(&mut tx).await?;
        if job.cancelling {
            end(&mut tx, job.id, JobState::Cancelled, "", now).await?;
            tx.commit().await?;
            return Ok(Go::Stop);
        }
        let bytes = job.bytes + step.part.len() as u64;
        if bytes > JOB_FILE_MAX {
            return Err(StoreError::invalid("part", format!("the file has {JOB_FILE_MAX} bytes at most")));
        }
        let parts = job.parts + u32::from(!step.part.is_empty());
        if !step.part.is_empty() {
            let row = args![job.id, job.parts, job.bytes, step.part.clone()];
            tx.insert_many("INSERT INTO", "job_parts", &["job", "part", "begins", "bytes"], vec![row]).await?;
        }
        let until = WallTime::from_micros(now.micros().saturating_add(micros(turn.lock)));
        let log = logged(&job.log, &step.line, now);
        let sql = "UPDATE jobs SET due=?,done=?,total=?,place=?,log=?,file=?,parts=?,bytes=? WHERE id=?";
        let total = step.total.map(|total| i64::try_from(total).unwrap_or(i64::MAX));
        let file = if step.file.is_empty() { job.file } else { step.file.clone() };
        tx.run(sql, args![until, step.done, total, step.place.as_str(), log, file, parts, bytes, job.id]).await?;
        tx.commit().await?;
        Ok(Go::On)
    }

    /// Ends a turn: done, or failed with a reason; a failed one is tried again later unless that was its last try.
    pub async fn end_job(&self, turn: &Turn, outcome: core::result::Result<(), &str>) -> Result<Go> {
        let mut tx = self.write().await?;
        let Some(job) = mine(&mut tx, turn).await? else { return Ok(Go::Stop) };
        let now = clock(&mut tx).await?;
        match outcome {
            Ok(()) => end(&mut tx, job.id, JobState::Done, "", now).await?,
            Err(_) if job.cancelling => end(&mut tx, job.id, JobState::Cancelled, "", now).await?,
            Err(why) if job.tries >= job.asked.tries_max => end(&mut tx, job.id, JobState::Failed, why, now).await?,
            Err(why) => {
                let pause = PAUSE.saturating_mul(1 << job.tries.saturating_sub(1).min(20)).min(PAUSE_MAX);
                let due = WallTime::from_micros(now.micros() + pause);
                let log = logged(&job.log, why, now);
                let sql = "UPDATE jobs SET state=0,turn=turn+1,due=?,problem=?,log=? WHERE id=?";
                tx.run(sql, args![due, cut(why), log, job.id]).await?;
            }
        }
        tx.commit().await?;
        Ok(Go::On)
    }

    /// Cancels a job: at once if it waits, with its worker's next step if it runs.
    pub async fn cancel_job(&self, id: i64) -> Result<Job> {
        let mut tx = self.write().await?;
        let job = locked(&mut tx, id).await?;
        match job.state {
            JobState::Waiting => {
                let now = clock(&mut tx).await?;
                end(&mut tx, id, JobState::Cancelled, "", now).await?;
            }
            JobState::Running => tx.run("UPDATE jobs SET cancel=1 WHERE id=?", args![id]).await.map(drop)?,
            _ => return Err(ended(id)),
        }
        tx.commit().await?;
        self.job(id).await
    }

    /// Lets a job that failed or was cancelled go on where it stood.
    pub async fn retry_job(&self, id: i64) -> Result<Job> {
        let mut tx = self.write().await?;
        let job = locked(&mut tx, id).await?;
        if !matches!(job.state, JobState::Failed | JobState::Cancelled) {
            let why = "only a job that failed or was cancelled is tried again";
            return Err(StoreError::conflict(ConflictKind::InUse, "job", id, why));
        }
        let now = clock(&mut tx).await?;
        let sql = "UPDATE jobs SET state=0,cancel=0,tries=0,turn=turn+1,due=?,problem='',ended=NULL WHERE id=?";
        tx.run(sql, args![now, id]).await?;
        tx.commit().await?;
        self.job(id).await
    }

    /// The part of a job's file that holds the byte at `offset`: where the part begins, and its bytes. `None` behind the end.
    pub async fn job_part(&self, id: i64, offset: u64) -> Result<Option<(u64, Vec<u8>)>> {
        let sql = "SELECT begins,bytes FROM job_parts WHERE job=? AND begins<=? ORDER BY part DESC LIMIT 1";
        let Some(row) = self.read().await?.row(sql, args![id, offset]).await? else { return Ok(None) };
        let (begins, bytes): (u64, Vec<u8>) = (row.num("begins")?, row.bytes("bytes")?);
        Ok((offset < begins + bytes.len() as u64).then_some((begins, bytes)))
    }

    /// Forgets jobs that ended before `before`, with their files, 100 at most. Returns how many.
    pub async fn forget_jobs(&self, before: WallTime) -> Result<u64> {
        let mut tx = self.write().await?;
        let rows =
            tx.rows("SELECT id FROM jobs WHERE state>=2 AND ended<? ORDER BY id LIMIT 100", args![before]).await?;
        for row in &rows {
            tx.run("DELETE FROM jobs WHERE id=?", args![row.int("id")?]).await?;
        }
        tx.commit().await?;
        Ok(rows.len() as u64)
    }
}

/// The next job that waits and is due, else one whose worker counts as dead; locked.
async fn due(tx: &mut Tx, kinds: &[&str], now: WallTime) -> Result<Option<Row>> {
    for state in [JobState::Waiting, JobState::Running] {
        let sql = format!(
            "SELECT * FROM jobs WHERE state=? AND due<=? AND kind IN ({}) ORDER BY due,id LIMIT 1{}",
            marks(kinds.len()),
            tx.dialect().skip_locked()
        );
        let mut values = args![state as u8, now];
        values.extend(kinds.iter().map(|kind| Arg::from(*kind)));
        if let Some(row) = tx.row(sql, values).await? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// Why a job that is due is not taken again.
fn over(job: &Job) -> Option<(JobState, &'static str)> {
    match job {
        job if job.cancelling => Some((JobState::Cancelled, "")),
        job if job.tries >= job.asked.tries_max => Some((JobState::Failed, "its worker was lost in its last try")),
        _ => None,
    }
}

fn ended(id: i64) -> StoreError {
    StoreError::conflict(ConflictKind::InUse, "job", id, "it has ended")
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// The database's clock: nodes need not agree on the time.
async fn clock(tx: &mut Tx) -> Result<WallTime> {
    let sql = format!("SELECT {} AS now", tx.dialect().clock());
    let row = tx.row(sql, args![]).await?.ok_or_else(|| StoreError::Broken("the database has no clock".into()))?;
    row.time("now")
}

async fn locked(tx: &mut Tx, id: i64) -> Result<Job> {
    let sql = format!("SELECT * FROM jobs WHERE id=?{}", tx.dialect().for_update());
    let row = tx.row(sql, args![id]).await?;
    read(&row.ok_or_else(|| StoreError::missing("job", id))?)
}

/// The job, locked, if this turn is still its turn.
async fn mine(tx: &mut Tx, turn: &Turn) -> Result<Option<Job>> {
    let sql = format!("SELECT * FROM jobs WHERE id=? AND turn=? AND state=1{}", tx.dialect().for_update());
    tx.row(sql, args![turn.job.id, turn.turn]).await?.as_ref().map(read).transpose()
}

async fn end(tx: &mut Tx, id: i64, state: JobState, why: &str, now: WallTime) -> Result<()> {
    let sql = "UPDATE jobs SET state=?,cancel=0,turn=turn+1,problem=?,ended=? WHERE id=?";
    tx.run(sql, args![state as u8, cut(why), now, id]).await.map(drop)
}

fn cut(why: &str) -> String {
    why.chars().take(400).collect()
}

/// A log with one more line, as long as it may be.
fn logged(log: &str, line: &str, at: WallTime) -> String {
    if line.is_empty() {
        return log.to_owned();
    }
    let at = jiff::Timestamp::from_microsecond(at.micros()).map_or_else(|_| String::new(), |at| format!("{at:.0}"));
    let line: String = line.chars().take(1_000).map(|c| if c == '\n' { ' ' } else { c }).collect();
    let mut all = format!("{log}{at} {line}\n");
    while all.len() > LOG_MAX
        && let Some(end) = all.find('\n')
    {
        all.drain(..=end);
    }
    all
}

fn read(row: &Row) -> Result<Job> {
    let state: usize = row.num("state")?;
    Ok(Job {
        id: row.int("id")?,
        asked: JobAsk {
            kind: row.text("kind")?,
            key: row.text("job_key")?,
            ask: row.text("ask")?,
            actor: row.text("actor")?,
            tries_max: row.num("tries_max")?,
        },
        state: *STATES.get(state).ok_or_else(|| StoreError::Broken(format!("a job in state {state}")))?,
        cancelling: row.flag("cancel")?,
        tries: row.num("tries")?,
        due: row.time("due")?,
        worker: row.text("worker")?,
        done: row.num("done")?,
        total: row.opt_num("total")?,
        place: row.text("place")?,
        log: row.text("log")?,
        problem: row.text("problem")?,
        file: row.text("file")?,
        bytes: row.num("bytes")?,
        parts: row.num("parts")?,
        created: row.time("created")?,
        started: row.opt_int("started")?.map(WallTime::from_micros),
        ended: row.opt_int("ended")?.map(WallTime::from_micros),
    })
}
