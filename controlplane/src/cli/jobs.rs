//! `tandem jobs`: work that takes longer than an answer may.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;
use store::{Job, JobState};

use super::{ListForm, ListOutput, Misused, Place, RowsForm, moment};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Lists jobs, newest first.
    #[command(alias = "ls")]
    List(List),
    /// Shows one job with its log.
    Show(One),
    /// Ends a job: at once if it waits, with its worker's next batch if it runs.
    Cancel(Act),
    /// Lets a job that failed or was cancelled go on where it stood.
    Retry(Act),
}

#[derive(Debug, Args)]
pub struct List {
    /// Rows at most.
    #[arg(long, default_value_t = 20)]
    limit: u32,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: ListForm,
}

#[derive(Debug, Args)]
pub struct One {
    /// Its id: job_12 or 12.
    job: String,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: ListForm,
}

#[derive(Debug, Args)]
pub struct Act {
    /// Its id: job_12 or 12.
    job: String,
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    form: RowsForm,
}

pub async fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::List(list) => {
            let jobs = list.place.store().await?.jobs(None, list.limit).await?;
            list.form.watch.shows();
            show(&jobs, list.form.once)?;
        }
        Verb::Show(one) => {
            let job = one.place.store().await?.job(id(&one.job)?).await?;
            one.form.watch.shows();
            show(std::slice::from_ref(&job), one.form.once)?;
            if one.form.once.output == ListOutput::Table {
                say!("{}", job.log.trim_end());
            }
        }
        Verb::Cancel(act) => show(&[act.place.store().await?.cancel_job(id(&act.job)?).await?], act.form)?,
        Verb::Retry(act) => show(&[act.place.store().await?.retry_job(id(&act.job)?).await?], act.form)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn id(job: &str) -> Result<i64> {
    let digits = job.strip_prefix("job_").unwrap_or(job);
    Ok(digits.parse().map_err(|_| Misused(format!("{job:?} is no job's id")))?)
}

fn show(jobs: &[Job], form: RowsForm) -> Result<()> {
    let head = ["job", "kind", "state", "done", "tries", "asked for", "by", "worker", "file", "problem"];
    let cells = |job: &Job| {
        vec![
            format!("job_{}", job.id),
            job.asked.kind.clone(),
            state(job).to_owned(),
            job.done.to_string(),
            format!("{}/{}", job.tries, job.asked.tries_max),
            moment(job.created),
            job.asked.actor.clone(),
            job.worker.clone(),
            job.file.clone(),
            job.problem.clone(),
        ]
    };
    form.show(&head, &jobs.iter().map(cells).collect::<Vec<_>>(), || jobs.iter().map(object).collect::<Vec<_>>())
}

fn state(job: &Job) -> &'static str {
    match job.state {
        JobState::Waiting => "waiting",
        JobState::Running if job.cancelling => "cancelling",
        JobState::Running => "running",
        JobState::Done => "done",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
    }
}

fn object(job: &Job) -> serde_json::Value {
    json!({
        "job": format!("job_{}", job.id),
        "kind": job.asked.kind,
        "key": job.asked.key,
        "actor": job.asked.actor,
        "state": state(job),
        "done": job.done,
        "total": job.total,
        "tries": job.tries,
        "tries_max": job.asked.tries_max,
        "worker": job.worker,
        "file": job.file,
        "bytes": job.bytes,
        "problem": job.problem,
        "log": job.log,
        "created": moment(job.created),
        "started": job.started.map(moment),
        "ended": job.ended.map(moment),
    })
}
