//! CDRs in a search engine that speaks Elasticsearch's protocol: told in bulk, an index for each day, found by parts of numbers.
//!
//! The engine is an index and nothing more: it answers with keys, and the database with the records, so what an operator sees is what was
//! booked. Where the engine lacks something, is late or does not answer, the database searches, and the answer says so.

mod document;
mod engine;
mod export;
mod find;
mod query;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use store::Store;

pub use engine::{Engine, Trouble, Written};
pub use export::State;
pub use find::{AnsweredBy, BEHIND_MAX_S, DIGITS_WINDOW_MAX_S, Found};

/// Where the engine is and who asks it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Its address, `http[s]://HOST[:PORT]`.
    pub url: String,
    /// A file with `USER:PASSWORD`, or with a whole `authorization` header such as `ApiKey …`; nobody is named if `None`.
    pub secret: Option<PathBuf>,
    /// A PEM file with the authority behind its certificate, where it is none of the web's.
    pub ca: Option<PathBuf>,
    /// What the names of its indexes begin with, as in `tandem-cdrs-2026.11.22`.
    pub prefix: String,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { url: String::new(), secret: None, ca: None, prefix: "tandem-cdrs".to_owned() }
    }
}

/// Searches of CDRs, by an engine where there is one. Cheap to clone; all clones know the same.
#[derive(Clone, Debug, Default)]
pub struct Search {
    engine: Option<Arc<Known>>,
}

/// An engine and what is known of it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) engine: Engine,
    /// How telling it goes.
    pub(crate) state: Mutex<State>,
    /// Until when it is not asked, and why.
    pub(crate) passed: Mutex<Option<find::Passed>>,
}

impl Search {
    /// Asks this engine and tells it nothing.
    pub fn reader(engine: Engine) -> Search {
        let state = State { url: engine.url().to_owned(), ..State::default() };
        Search { engine: Some(Arc::new(Known { engine, state: Mutex::new(state), passed: Mutex::default() })) }
    }

    /// Asks this engine, and tells it of all records that come, for as long as the runtime lives.
    pub fn start(engine: Engine, store: Store) -> Search {
        let search = Search::reader(engine);
        if let Some(known) = &search.engine {
            tokio::spawn(export::run(Arc::clone(known), store));
        }
        search
    }

    /// The engine; `None`: the database alone searches.
    pub fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref().map(|known| &known.engine)
    }
}
