//! Who answers a search: the engine where it has everything that the window asks for, else the database.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use cdr::Cdr;
use store::{CdrFilter, CdrKey, Indexing, Result, SEARCH_ROWS_MAX, Store, StoreError};

use crate::export::now;
use crate::{Known, Search};

/// An engine that was not told of a record for longer, in seconds, is not asked.
pub const BEHIND_MAX_S: i64 = 10;
/// The longest window, in seconds, in which the database looks for digits within numbers: it reads all of it.
pub const DIGITS_WINDOW_MAX_S: i64 = 3_600;
/// How long an engine is not asked after it did not answer.
const PASSED: Duration = Duration::from_secs(10);

/// Who found the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnsweredBy {
    /// The search engine; the records are the database's.
    Engine,
    /// The database.
    Database,
}

/// A page of records.
#[derive(Clone, Debug)]
pub struct Found {
    /// Newest first.
    pub cdrs: Vec<Cdr>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<CdrKey>,
    /// Who found them.
    pub answered_by: AnsweredBy,
    /// Why not the engine; `None` if it did, or if there is none.
    pub passed: Option<String>,
}

/// Why an engine is not asked for a while.
#[derive(Debug)]
pub(crate) struct Passed {
    till: Instant,
    why: String,
}

impl Search {
    /// A page of the records that fit. `store` is where they are read.
    pub async fn find(&self, store: &Store, filter: &CdrFilter) -> Result<Found> {
        let mut filter = filter.clone();
        filter.limit = filter.limit.clamp(1, SEARCH_ROWS_MAX);
        let passed = match &self.engine {
            None => None,
            Some(known) => match by_engine(known, store, &filter).await? {
                Ok(found) => return Ok(found),
                Err(why) => Some(why),
            },
        };
        let seconds = (filter.till - filter.from) / 1_000_000;
        if filter.digits.is_some() && seconds > DIGITS_WINDOW_MAX_S {
            let why = passed.as_deref().unwrap_or("there is none");
            let hour = "without a search engine, digits within numbers are looked for in windows of an hour at most";
            return Err(StoreError::Invalid { field: "digits", why: format!("{hour}: {why}") });
        }
        let cdrs = store.search_cdrs(&filter).await?;
        let full = cdrs.len() == filter.limit as usize;
        let next = cdrs.last().filter(|_| full).map(|last| (last.started, last.call.to_bytes(last.attempt)));
        Ok(Found { cdrs, next, answered_by: AnsweredBy::Database, passed })
    }
}

/// The engine's page, or why it has none.
async fn by_engine(
    known: &Arc<Known>,
    store: &Store,
    filter: &CdrFilter,
) -> Result<std::result::Result<Found, String>> {
    if filter.till <= filter.from {
        let why = "a window is needed: from must be earlier than till".to_owned();
        return Err(StoreError::Invalid { field: "from", why });
    }
    if let Some(why) = known.passed() {
        return Ok(Err(why));
    }
    if let Err(why) = has(&store.indexing().await?, filter) {
        return Ok(Err(why));
    }
    let (asked, wanted) = (known.engine.clone(), filter.clone());
    let answer = tokio::task::spawn_blocking(move || asked.find(&wanted)).await;
    let keys = match answer.map_err(|error| error.to_string()).and_then(|keys| keys.map_err(|t| t.to_string())) {
        Ok(keys) => keys,
        Err(why) => {
            known.pass(&why);
            return Ok(Err(why));
        }
    };
    let next = keys.last().filter(|_| keys.len() == filter.limit as usize).copied();
    let cdrs = store.cdrs_of(&keys).await?;
    Ok(Ok(Found { cdrs, next, answered_by: AnsweredBy::Engine, passed: None }))
}

/// Whether the engine was told of everything that a search asks for.
fn has(indexing: &Indexing, filter: &CdrFilter) -> std::result::Result<(), String> {
    let Some(since) = indexing.since else { return Err("it was told of no record yet".to_owned()) };
    if indexing.till.is_none_or(|till| till < now()) {
        return Err("it has taken no record for days".to_owned());
    }
    if filter.identity.is_some() {
        return Err("it was not told of signed identities".to_owned());
    }
    if filter.from < since {
        let since = jiff::Timestamp::from_microsecond(since.micros()).unwrap_or_default();
        return Err(format!("it has calls from {since:.0} on"));
    }
    match indexing.oldest.map(|oldest| (now() - oldest) / 1_000_000) {
        Some(behind) if behind > BEHIND_MAX_S => Err(format!("it is {behind} s behind")),
        _ => Ok(()),
    }
}

impl Known {
    /// Why it is not asked at this moment.
    fn passed(&self) -> Option<String> {
        let passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.as_ref().filter(|passed| passed.till > Instant::now()).map(|passed| passed.why.clone())
    }

    fn pass(&self, why: &str) {
        let passed = Passed { till: Instant::now() + PASSED, why: why.to_owned() };
        *self.passed.lock().unwrap_or_else(PoisonError::into_inner) = Some(passed);
    }
}
