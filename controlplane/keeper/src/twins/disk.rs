//! What a server keeps of the arbiter: its page, safely; what `tandem cluster` reads; and orders of operators.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use cluster::{Book, Page, Standing};
use live::KeeperStatus;
use serde::{Deserialize, Serialize};
use units::NodeId;

const PAGE: &str = "page.json";
const REPORT: &str = "status.json";
const ORDER: &str = "order.json";
/// Nobody waits longer for an order.
const ORDER_MS: i64 = 30_000;

/// The page as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// As [`Page::view`].
    pub view: u64,
    /// As [`Page::standing`].
    pub standing: Stands,
    /// As [`Page::scribe`].
    pub scribe: u16,
    /// As [`Book::version`].
    pub version: u64,
    /// As [`Book::epoch`].
    pub epoch: u64,
    /// As [`Book::holder`].
    pub holder: Option<u16>,
    /// As [`Book::held`].
    pub held: bool,
    /// As [`Book::sync`].
    pub sync: Option<u16>,
    /// As [`Book::sync_life`].
    #[serde(default)]
    pub sync_life: u64,
}

/// As [`Standing`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stands {
    /// It goes on alone.
    Solo,
    /// Both go on together.
    Paired,
    /// It waits to be told everything.
    #[default]
    Joining,
}

impl From<Page> for Kept {
    fn from(page: Page) -> Kept {
        let Book { version, epoch, holder, held, sync, sync_life } = page.book;
        let standing = match page.standing {
            Standing::Solo => Stands::Solo,
            Standing::Paired => Stands::Paired,
            Standing::Joining => Stands::Joining,
        };
        let (holder, sync) = (holder.map(|node| node.0), sync.map(|node| node.0));
        Kept { view: page.view, standing, scribe: page.scribe.0, version, epoch, holder, held, sync, sync_life }
    }
}

impl From<Kept> for Page {
    fn from(kept: Kept) -> Page {
        let Kept { view, standing, scribe, version, epoch, holder, held, sync, sync_life } = kept;
        let standing = match standing {
            Stands::Solo => Standing::Solo,
            Stands::Paired => Standing::Paired,
            Stands::Joining => Standing::Joining,
        };
        let book = Book { version, epoch, holder: holder.map(NodeId), held, sync: sync.map(NodeId), sync_life };
        Page { view, standing, scribe: NodeId(scribe), book, cause: 0 }
    }
}

/// Writes the page so that a crash leaves the old one or this one.
pub fn keep(folder: &Path, page: Page) -> io::Result<()> {
    let text = serde_json::to_vec(&Kept::from(page)).expect("a page is plain data");
    let (path, fresh) = (folder.join(PAGE), folder.join("page.new"));
    let mut file = File::create(&fresh)?;
    file.write_all(&text)?;
    file.sync_data()?;
    fs::rename(&fresh, &path)?;
    File::open(folder)?.sync_all()
}

/// The page; `None`: there is none.
pub fn page(folder: &Path) -> Result<Option<Page>> {
    let path = folder.join(PAGE);
    if !path.exists() {
        return Ok(None);
    }
    let kept: Kept =
        serde_json::from_slice(&fs::read(&path)?).with_context(|| format!("{} is damaged", path.display()))?;
    Ok(Some(kept.into()))
}

/// The first page of the server that a pair begins with.
pub fn found(folder: &Path, me: u16) -> Result<()> {
    ensure!(page(folder)?.is_none(), "{} has a page already: this server belongs to a pair", folder.display());
    fs::create_dir_all(folder)?;
    Ok(keep(folder, Page::founded(NodeId(me)))?)
}

/// What an operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wish {
    /// The database is to be primary on this node.
    Primary(u16),
    /// The other server is off, and was since both were last heard together: go on alone.
    Alone,
    /// This server's database must become primary, whatever it lacks.
    Insist,
}

/// An order, taken once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Drawn for it.
    pub number: u64,
    /// When it was given: milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// What is wanted.
    pub wish: Wish,
}

/// Orders something of the keeper of this server.
pub fn order(folder: &Path, wish: Wish) -> Result<()> {
    let text = serde_json::to_vec(&Order { number: rand::random(), at_ms: wall_ms(), wish })?;
    Ok(replace(&folder.join(ORDER), &text)?)
}

/// The order that stands. What is damaged is none, and so is one that somebody gave and did not wait for.
pub fn ordered(folder: &Path) -> Option<Order> {
    let order: Order = serde_json::from_slice(&fs::read(folder.join(ORDER)).ok()?).ok()?;
    (0..ORDER_MS).contains(&(wall_ms() - order.at_ms)).then_some(order)
}

/// Milliseconds since 1970-01-01 UTC.
pub fn wall_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Takes it back. There may be none.
pub fn take_back(folder: &Path) {
    let _ = fs::remove_file(folder.join(ORDER));
}

/// A path between the two servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathReport {
    /// The other's address on it.
    pub there: String,
    /// Milliseconds since the other was heard on it; none: never.
    pub heard_ms: Option<u64>,
}

/// What `tandem cluster status` shows of two servers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TwinsReport {
    /// When it was written: milliseconds since 1970-01-01 UTC. One that is old comes from a keeper that is gone.
    pub at_ms: i64,
    /// This server's page.
    pub page: Kept,
    /// The holder's lease lives, as this server knows.
    pub held: bool,
    /// Nothing comes back from the other.
    pub lost: bool,
    /// Both went on alone: an operator must empty one of them.
    pub split: bool,
    /// The paths.
    pub paths: Vec<PathReport>,
    /// The tie-breakers, as paths.
    pub tie_breakers: Vec<PathReport>,
    /// What became of the last fence command; empty: none was run.
    pub fence: String,
    /// What this server's keeper tells, and what the other's told last.
    pub keepers: Vec<KeeperStatus>,
}

/// Leaves the report for whoever asks.
pub fn report(folder: &Path, report: &TwinsReport) -> io::Result<()> {
    replace(&folder.join(REPORT), &serde_json::to_vec(report).expect("a report is plain data"))
}

/// The report of this server's keeper.
pub fn reported(folder: &Path) -> Result<TwinsReport> {
    let path = folder.join(REPORT);
    let bytes =
        fs::read(&path).with_context(|| format!("cannot read {}: does the keeper run here?", path.display()))?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// Writes a file so that whoever reads finds the old one or this one.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    fs::write(&fresh, bytes)?;
    fs::rename(fresh, path)
}
