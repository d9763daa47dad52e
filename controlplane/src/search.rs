//! The search engine that CDRs are told to: the program's options, and what the command line reads of them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use search::{Engine, Search, Settings};
use store::Store;

use crate::disk::replace;
use crate::folder::Folder;

/// Where the engine is.
#[derive(Clone, Debug, Default, Args)]
pub struct SearchOptions {
    /// A search engine that speaks Elasticsearch's protocol (Elasticsearch, OpenSearch), http[s]://HOST[:PORT]: it is told every CDR and
    /// finds them. The database alone does if not given.
    #[arg(long, value_name = "URL", env = "TANDEM_SEARCH_URL")]
    pub search_url: Option<String>,
    /// A file with USER:PASSWORD or `ApiKey KEY` for that engine, readable by its owner alone.
    #[arg(long, value_name = "FILE", env = "TANDEM_SEARCH_SECRET")]
    pub search_secret: Option<PathBuf>,
    /// A PEM file with the authority behind that engine's certificate, where it is none of the web's.
    #[arg(long, value_name = "FILE", env = "TANDEM_SEARCH_CA")]
    pub search_ca: Option<PathBuf>,
    /// What the names of its indexes begin with; a day is PREFIX-2026.11.22.
    #[arg(long, value_name = "PREFIX", env = "TANDEM_SEARCH_PREFIX", default_value = "tandem-cdrs")]
    pub search_prefix: String,
}

impl SearchOptions {
    fn settings(&self) -> Result<Option<Settings>> {
        let Some(url) = self.search_url.clone() else { return Ok(None) };
        let whole = |path: &Option<PathBuf>| path.as_deref().map(std::path::absolute).transpose();
        let (secret, ca) = (whole(&self.search_secret)?, whole(&self.search_ca)?);
        Ok(Some(Settings { url, secret, ca, prefix: self.search_prefix.clone() }))
    }
}

/// Tells the engine of CDRs from here on, if one is named, and the command line where it is.
pub fn start(folder: &Folder, options: &SearchOptions, store: &Store) -> Result<Search> {
    let settings = options.settings()?;
    replace(&folder.search(), serde_json::to_string(&settings)?.as_bytes()).context("cannot write run/search")?;
    let Some(settings) = settings else { return Ok(Search::default()) };
    let engine = Engine::new(&settings).context("the search engine cannot be used (--search-url)")?;
    Ok(Search::start(engine, store.clone()))
}

/// Searches as the folder's control plane does, without it.
pub fn reader(folder: &Folder) -> Result<Search> {
    Ok(settings(&folder.search())
        .map(|settings| Engine::new(&settings))
        .transpose()?
        .map(Search::reader)
        .unwrap_or_default())
}

fn settings(path: &Path) -> Option<Settings> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?
}
