//! Telling the engine of records: the oldest first, each at least once, at the engine's pace and never at the collector's expense.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use store::{CDR_DAYS, Store};
use units::WallTime;

use crate::{Engine, Known, Search, Trouble, Written};

/// How often it is looked for records.
const LOOK: Duration = Duration::from_secs(1);
/// The pause after a try failed; doubled each time.
const RETRY: Duration = Duration::from_secs(1);
/// The longest such pause.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// How often what waits is counted at most.
const COUNT: Duration = Duration::from_secs(2);
/// How often it is said that the engine takes records.
const PROMISE: Duration = Duration::from_secs(60);
/// How often days are removed that the database has no more.
const FORGET: Duration = Duration::from_secs(3_600);
const DAY_US: i64 = 86_400_000_000;

/// How telling the engine goes. What it counts begins with the program's start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Where it is.
    pub url: String,
    /// From this start on it has, or will have, every record; `None`: it was never told any.
    pub since: Option<WallTime>,
    /// Records that it took from this node.
    pub sent: u64,
    /// Records that it refused by themselves; they are found in the database alone.
    pub refused: u64,
    /// Tries that failed; they are repeated.
    pub failed: u64,
    /// Records that wait, of all nodes.
    pub waiting: u64,
    /// When the oldest of them came.
    pub oldest: Option<WallTime>,
    /// When it last took records from this node.
    pub reached: Option<WallTime>,
    /// Why the last try failed; empty if it did not.
    pub problem: String,
}

impl Search {
    /// How telling the engine goes; `None` where there is none.
    pub fn state(&self) -> Option<State> {
        let known = self.engine.as_ref()?;
        Some(known.state.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// What one program tells an engine.
struct Exporter {
    known: Arc<Known>,
    store: Store,
    /// When the engine was last told what fields are, what waits was counted, and old days were removed; `None`: not since a try failed.
    promised: Option<Instant>,
    counted: Option<Instant>,
    forgot: Option<Instant>,
}

pub(crate) async fn run(known: Arc<Known>, store: Store) {
    let mut exporter = Exporter { known, store, promised: None, counted: None, forgot: None };
    let mut pause = RETRY;
    loop {
        let wait = match exporter.step().await {
            Ok(more) => {
                pause = RETRY;
                exporter.tell(|state| state.problem.clear());
                if more { Duration::ZERO } else { LOOK }
            }
            Err(why) => {
                exporter.complain(why);
                let wait = pause;
                pause = (pause * 2).min(RETRY_MAX);
                wait
            }
        };
        if let Err(why) = exporter.count().await {
            tracing::debug!(why, "what waits for the search engine cannot be counted");
        }
        tokio::time::sleep(wait).await;
    }
}

impl Exporter {
    /// Tells one batch; true when there may be more.
    async fn step(&mut self) -> Result<bool, String> {
        if self.promised.is_none() {
            self.ask(|engine| engine.prepare()).await?;
        }
        if self.promised.is_none_or(|at| at.elapsed() > PROMISE) {
            self.store.keep_indexing().await.map_err(|error| error.to_string())?;
            self.promised = Some(Instant::now());
        }
        let batch = self.store.take_unindexed().await.map_err(|error| error.to_string())?;
        if batch.rows.is_empty() {
            self.forget().await?;
            return Ok(false);
        }
        let cdrs = batch.cdrs;
        let written = match self.ask(move |engine| engine.write(&cdrs)).await {
            Ok(written) => written,
            Err(why) => {
                // Otherwise they would be left alone for a minute.
                self.store.not_indexed(&batch.rows).await.map_err(|error| error.to_string())?;
                return Err(why);
            }
        };
        self.store.indexed(&batch.rows).await.map_err(|error| error.to_string())?;
        self.note(&written);
        Ok(true)
    }

    fn note(&self, written: &Written) {
        if written.refused > 0 {
            let (refused, why) = (written.refused, &written.why);
            tracing::warn!(refused, why, "the search engine refused records; the database has them");
        }
        self.tell(|state| {
            state.sent += written.taken;
            state.refused += written.refused;
            state.reached = Some(now());
        });
    }

    /// Removes days from the engine that the database keeps no longer.
    async fn forget(&mut self) -> Result<(), String> {
        if self.forgot.is_some_and(|at| at.elapsed() < FORGET) {
            return Ok(());
        }
        let days = self.store.setting(CDR_DAYS).await.map_err(|error| error.to_string())?;
        if let Some(days) = days.and_then(|days| days.parse().ok()).filter(|days: &i64| *days > 0) {
            let first = now().micros().div_euclid(DAY_US) - days;
            let gone = self.ask(move |engine| engine.forget_before(first)).await?;
            if gone > 0 {
                tracing::info!(gone, days, "old days are gone from the search engine");
            }
        }
        self.forgot = Some(Instant::now());
        Ok(())
    }

    async fn count(&mut self) -> Result<(), String> {
        if self.counted.is_some_and(|at| at.elapsed() < COUNT) {
            return Ok(());
        }
        self.counted = Some(Instant::now());
        let indexing = self.store.indexing().await.map_err(|error| error.to_string())?;
        let waiting = self.store.unindexed().await.map_err(|error| error.to_string())?;
        self.tell(|state| (state.since, state.oldest, state.waiting) = (indexing.since, indexing.oldest, waiting));
        Ok(())
    }

    fn complain(&mut self, why: String) {
        let news = self.tell(|state| {
            state.failed += 1;
            std::mem::replace(&mut state.problem, why.clone()) != why
        });
        if news {
            tracing::warn!(why, "CDRs wait for the search engine");
        }
        // One that was away may have forgotten what fields are.
        self.promised = None;
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, String> {
        let engine = self.known.engine.clone();
        let answer = tokio::task::spawn_blocking(move || question(&engine)).await;
        answer.map_err(|error| error.to_string())?.map_err(|trouble| trouble.to_string())
    }

    fn tell<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.known.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(crate) fn now() -> WallTime {
    WallTime::from_micros(jiff::Timestamp::now().as_microsecond())
}
