//! What a remote replica keeps: that it was promoted, in its database's folder; what it knows, for `tandem cluster`; an operator's command.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use live::KeeperStatus;
use serde::{Deserialize, Serialize};

use crate::twins::disk::{replace, wall_ms};

/// In the database's folder, so that it is gone when a fresh copy takes the folder's place.
const PROMOTED: &str = "promoted";
const REPORT: &str = "status.json";
const ORDER: &str = "promote.json";
/// Nobody waits longer for an order.
const ORDER_MS: i64 = 30_000;

/// When and with what it became primary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// Milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// Its last commit, as MariaDB numbers it.
    pub gtid: String,
    /// How many commits it had.
    pub commits: u64,
    /// The primary of the first data centre, as last heard.
    pub primary: Option<Heard>,
}

/// A primary, as last heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// Its node.
    pub node: u16,
    /// When: milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// How many commits it had.
    pub commits: u64,
}

/// A database that may be followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceReport {
    /// Its node.
    pub node: u16,
    /// It answers.
    pub reached: bool,
    /// It takes writes.
    pub writable: bool,
    /// It follows another one.
    pub follows: bool,
    /// How many commits it has.
    pub commits: u64,
}

/// What `tandem cluster status` shows of a remote replica.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RemoteReport {
    /// When it was written: milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// Whom it follows.
    pub follows: Option<u16>,
    /// Its last commit, as MariaDB numbers it.
    pub gtid: String,
    /// When the number of its commits rose last: milliseconds since 1970-01-01 UTC.
    pub applied_ms: i64,
    /// The primary of the first data centre, as last heard.
    pub primary: Option<Heard>,
    /// Commits that the primary had when it was last heard, and this one has not received.
    pub missing: Option<u64>,
    /// It became primary by an operator's command.
    pub promoted: Option<Promotion>,
    /// What it may follow.
    pub sources: Vec<SourceReport>,
    /// The order that was refused last, and why.
    pub refused: Option<(u64, String)>,
    /// What its keeper tells.
    pub keeper: KeeperStatus,
}

/// An operator's command, taken once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Drawn for it.
    pub number: u64,
    /// When it was given: milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
}

/// The promotion that stands in a database's folder. One that cannot be read is one all the same: nothing may follow by mistake.
pub fn promotion(data: &Path) -> Option<Promotion> {
    let path = data.join(PROMOTED);
    let stands = path.try_exists().unwrap_or(true);
    stands.then(|| fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

/// Writes it so that it survives whatever comes next.
pub fn promote(data: &Path, promotion: &Promotion) -> io::Result<()> {
    let mut file = File::create(data.join(PROMOTED))?;
    file.write_all(&serde_json::to_vec(promotion).expect("a promotion is plain data"))?;
    file.sync_all()?;
    File::open(data)?.sync_all()
}

/// The database belongs to a pair, whose arbiter decides. There may be none.
pub fn forget(data: &Path) {
    let _ = fs::remove_file(data.join(PROMOTED));
}

/// Orders it of the keeper of this node.
pub fn order(folder: &Path) -> Result<Order> {
    let order = Order { number: rand::random(), at_ms: wall_ms() };
    replace(&folder.join(ORDER), &serde_json::to_vec(&order)?)?;
    Ok(order)
}

/// The order that stands. What is damaged is none, and so is one that somebody gave and did not wait for.
pub fn ordered(folder: &Path) -> Option<Order> {
    let order: Order = serde_json::from_slice(&fs::read(folder.join(ORDER)).ok()?).ok()?;
    (0..ORDER_MS).contains(&(wall_ms() - order.at_ms)).then_some(order)
}

/// Takes it back. There may be none.
pub fn take_back(folder: &Path) {
    let _ = fs::remove_file(folder.join(ORDER));
}

/// Leaves the report for whoever asks.
pub fn report(folder: &Path, report: &RemoteReport) -> io::Result<()> {
    replace(&folder.join(REPORT), &serde_json::to_vec(report).expect("a report is plain data"))
}

/// The report of this node's keeper.
pub fn reported(folder: &Path) -> Result<RemoteReport> {
    let path = folder.join(REPORT);
    let bytes =
        fs::read(&path).with_context(|| format!("cannot read {}: does the keeper run here?", path.display()))?;
    Ok(serde_json::from_slice(&bytes)?)
}
