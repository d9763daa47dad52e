//! Copying to one place: what waits, in the order in which it was finished, batch by batch.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::bucket::Bucket;
use crate::ledger::{Here, Ledger, finished};
use crate::place::Place;
use crate::stop::Stop;
use crate::{Kind, Name, Settings, State, rsync};

/// Files and bytes of one batch at most; a single larger file is a batch.
const BATCH_FILES_MAX: usize = 500;
const BATCH_BYTES_MAX: u64 = 64 << 20;
/// Files in a row that may be refused before the place is blamed instead of them.
const REFUSED_ROW_MAX: usize = 3;
/// How long a refused file is left alone.
const ASIDE: Duration = Duration::from_secs(600);
/// The share of its time that a thread looks at folders: one part of so many.
const LOOK_SHARE: u32 = 20;
/// A folder that changed this recently may have changed again within the same tick of its clock.
const TICK: Duration = Duration::from_secs(1);
/// Characters of a problem that are kept.
const PROBLEM_CHARS: usize = 300;

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The place has confirmed them.
    pub(crate) copied: Vec<Here>,
    /// The place does not want this one, and why.
    pub(crate) refused: Option<(Here, String)>,
    /// The place takes nothing at the moment, and why; or one of many was refused, and it is not known which.
    pub(crate) away: Option<String>,
    /// The batch was too much to tell what is wrong with it.
    pub(crate) smaller: bool,
}

/// One place's thread.
pub(crate) struct Copier {
    data: PathBuf,
    settings: Settings,
    place: Place,
    bucket: Option<Bucket>,
    ledger: Arc<Mutex<Ledger>>,
    state: Arc<Mutex<State>>,
    /// Files that were refused, till when they are left alone.
    aside: BTreeMap<Name, Instant>,
    refused_in_row: usize,
    batch_max: usize,
    pause: Duration,
    /// What waited at the last look, and what the folders' clocks said then.
    waiting: Vec<Here>,
    seen: Option<[SystemTime; 2]>,
}

impl Copier {
    pub(crate) fn new(
        data: &Path,
        settings: &Settings,
        place: Place,
        bucket: Option<Bucket>,
        ledger: Arc<Mutex<Ledger>>,
        state: Arc<Mutex<State>>,
    ) -> Copier {
        Copier {
            data: data.to_owned(),
            settings: settings.clone(),
            place,
            bucket,
            ledger,
            state,
            aside: BTreeMap::new(),
            refused_in_row: 0,
            batch_max: BATCH_FILES_MAX,
            pause: settings.pause,
            waiting: Vec::new(),
            seen: None,
        }
    }

    pub(crate) fn run(mut self, stop: &Stop) {
        let _guest = stop.enter();
        while !stop.ordered() {
            let begun = Instant::now();
            self.look();
            let looked = begun.elapsed() * LOOK_SHARE;
            let batch = self.batch();
            let pause = if batch.is_empty() {
                self.settings.look.max(looked)
            } else {
                let outcome = match (&self.place, &self.bucket) {
                    (Place::Bucket { .. }, Some(bucket)) => bucket.put_all(&self.data, &batch, stop),
                    _ => rsync::copy(&self.data, &self.settings, &self.place, &batch, stop),
                };
                self.note(outcome, stop).max(looked)
            };
            if !stop.pause(pause) {
                return;
            }
        }
    }

    /// Finds what waits. Folders that did not change are not read again.
    fn look(&mut self) {
        let clocks = Kind::ALL.map(|kind| {
            fs::metadata(self.data.join(kind.folder()))
                .and_then(|known| known.modified())
                .unwrap_or(SystemTime::UNIX_EPOCH)
        });
        let settled = clocks.iter().all(|clock| clock.elapsed().is_ok_and(|age| age > TICK));
        if self.seen == Some(clocks) && self.waiting.is_empty() {
            return;
        }
        self.seen = settled.then_some(clocks);
        let mut here = finished(&self.data);
        let names: BTreeSet<Name> = here.iter().map(|file| file.name).collect();
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = self.waiting.iter().filter(|file| !ledger.holds(file) && !names.contains(&file.name)).count();
        if let Err(error) = ledger.forget(&names) {
            tracing::warn!(%error, place = %self.place, "the list of copied files cannot be written anew");
        }
        here.retain(|file| !ledger.holds(file));
        drop(ledger);
        here.sort_by_key(|file| (file.at, file.name));
        self.waiting = here;
        if lost > 0 {
            tracing::warn!(lost, place = %self.place, "files were removed before they were copied");
        }
        self.tell(|state| state.lost += lost as u64);
    }

    /// The oldest that are not aside, as many as fit.
    fn batch(&mut self) -> Vec<Here> {
        let now = Instant::now();
        self.aside.retain(|_, till| *till > now);
        let mut bytes = 0;
        let mut batch = Vec::new();
        for file in self.waiting.iter().filter(|file| !self.aside.contains_key(&file.name)) {
            bytes += file.bytes;
            if batch.len() >= self.batch_max || (bytes > BATCH_BYTES_MAX && !batch.is_empty()) {
                break;
            }
            batch.push(*file);
        }
        batch
    }

    /// Writes down what became of a batch; the pause before the next.
    fn note(&mut self, outcome: Outcome, stop: &Stop) -> Duration {
        let Outcome { copied, refused, mut away, smaller } = outcome;
        if !copied.is_empty() {
            let noted = self.ledger.lock().unwrap_or_else(PoisonError::into_inner).add(&copied);
            if let Err(error) = noted {
                away = Some(format!("{} files were copied and cannot be noted: {error}", copied.len()));
            }
            (self.refused_in_row, self.pause) = (0, self.settings.pause);
            self.batch_max = (self.batch_max * 2).min(BATCH_FILES_MAX);
        }
        if smaller {
            self.batch_max = (self.batch_max / 8).max(1);
        }
        let mut problem = away.clone();
        let failed = u64::from(refused.is_some() || away.is_some());
        if let Some((file, why)) = refused {
            tracing::warn!(file = %file.name, place = %self.place, why, "a file was refused; it is tried again later");
            self.aside.insert(file.name, Instant::now() + ASIDE);
            self.refused_in_row += 1;
            problem.get_or_insert(format!("{}: {why}", file.name));
            if self.refused_in_row >= REFUSED_ROW_MAX {
                self.aside.clear();
                away.get_or_insert(why);
            }
        }
        let done: BTreeSet<Name> = copied.iter().map(|file| file.name).collect();
        self.waiting.retain(|file| !done.contains(&file.name));
        let bytes: u64 = copied.iter().map(|file| file.bytes).sum();
        self.tell(|state| {
            state.copied += copied.len() as u64;
            state.copied_bytes += bytes;
            state.failed += failed;
            if !copied.is_empty() {
                state.reached_us = Some(crate::micros(SystemTime::now()));
            }
            state.problem =
                problem.unwrap_or_default().chars().filter(|c| !c.is_control()).take(PROBLEM_CHARS).collect();
        });
        let Some(why) = away.filter(|_| !stop.ordered()) else { return Duration::ZERO };
        tracing::warn!(place = %self.place, why, waiting = self.waiting.len(), pause = ?self.pause, "files wait");
        let pause = self.pause;
        self.pause = (pause * 2).min(self.settings.pause_max);
        pause
    }

    fn tell(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        state.waiting = self.waiting.len() as u64;
        state.waiting_bytes = self.waiting.iter().map(|file| file.bytes).sum();
        state.oldest_us = self.waiting.first().map(|file| file.at);
        if self.waiting.is_empty() {
            state.problem.clear();
        }
    }
}
