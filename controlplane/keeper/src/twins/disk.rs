//! What a server keeps of the arbiter: its page, safely; what `tandem cluster` reads; and orders of operators.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use cluster::{Kept, Page, PairReport};
use serde::{Deserialize, Serialize};
use units::NodeId;

const PAGE: &str = "page.json";
const REPORT: &str = "status.json";
const ORDER: &str = "order.json";
/// Nobody waits longer for an order.
const ORDER_MS: i64 = 30_000;

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

/// Leaves the report for whoever asks.
pub fn report(folder: &Path, report: &PairReport) -> io::Result<()> {
    replace(&folder.join(REPORT), &serde_json::to_vec(report).expect("a report is plain data"))
}

/// The report of this server's keeper.
pub fn reported(folder: &Path) -> Result<PairReport> {
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
