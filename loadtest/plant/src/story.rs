//! Something breaks while calls go through; afterwards the books are compared.

pub mod centres;
pub mod faults;
pub mod public;
mod told;
pub mod upgrade;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use acceptance::switch::PAID;
use acceptance::{number, until};

use crate::books::{balanced, compare, missing};
use crate::carriers::{Call, Carriers, Load, hindered, now_us, outage};
use crate::layout::Role;
use crate::rows::Rows;
use crate::site::Site;
use crate::table::Row;
pub use told::{STORIES, Story};

/// How long books may take to be complete once everything runs.
const BOOKS_MAX: Duration = Duration::from_secs(180);
/// Seconds that a machine on which much else runs may be late; the table says what was seen. `BUSY_S` says another number: where nothing is
/// timed, as in CI, a large one.
const BUSY_S: u64 = 3;
/// How often books are read while they are not complete.
const LOOK: Duration = Duration::from_millis(200);
/// How long calls and rows are hindered at most while nothing is wrong with what they need.
const USUAL: Duration = Duration::from_secs(1);
/// So many hindered calls are told one by one.
const HINDERED_MAX: usize = 8;
/// A call that was due so long before something broke may not have been answered yet.
const SETUP_US: u64 = 1_000_000;

/// What breaks, and what it may cost.
#[derive(Clone, Copy, Debug)]
pub struct Fault<'a> {
    /// What breaks.
    pub what: &'a str,
    /// How long calls are placed, in seconds.
    pub seconds: u32,
    /// How long new calls may be hindered.
    pub calls_max: Duration,
    /// How long no row may be acknowledged.
    pub rows_max: Duration,
    /// How far durations may lie from the callers' own.
    pub late: Duration,
}

impl<'a> Fault<'a> {
    /// One that hinders neither calls nor rows for long.
    pub fn new(what: &'a str, seconds: u32) -> Fault<'a> {
        Fault { what, seconds, calls_max: USUAL, rows_max: USUAL, late: Duration::ZERO }
    }
}

/// How late the machine may be.
fn busy() -> Duration {
    Duration::from_secs(number("BUSY_S", BUSY_S))
}

/// Lets calls go through a site, breaks something, mends it when they are over, and judges.
pub fn play(site: &mut Site, fault: Fault<'_>, breaks: impl FnOnce(&mut Site), mends: impl FnOnce(&mut Site)) -> Row {
    let rows = Rows::start(site.writer());
    let (name, before) = (site.next_run(), begun(site));
    let load = Load { cps: 20, seconds: fault.seconds };
    let carriers = Carriers::start(site.hosts(), &site.folder(), &name, &format!("{}:5060", site.sip()), load);
    until(BOOKS_MAX, "calls go through and rows are acknowledged", || {
        (begun(site) > before + 20 && rows.count() > 20).then_some(())
    });
    rows.longest();
    let broke_us = now_us();
    breaks(site);
    let calls = carriers.calls();
    mends(site);
    let goes_on = rows.count() + 20;
    until(BOOKS_MAX, "rows are acknowledged again", || (rows.count() > goes_on).then_some(()));
    let mut row = Row {
        fault: fault.what.to_owned(),
        calls_outage: outage(&calls, broke_us),
        rows_outage: rows.longest(),
        planned: calls.len(),
        answered: calls.iter().filter(|call| call.answered_us.is_some()).count(),
        ..Row::default()
    };
    hindered(&calls, broke_us).iter().take(HINDERED_MAX).for_each(|call| eprintln!("  {}: {call}", fault.what));
    in_time(&fault, &calls, broke_us, &mut row);
    exact(site, &calls, fault.late + later(), &mut row);
    kept(site, &rows.acknowledged(), &mut row);
    complain(site, &row);
    row
}

/// Says what is wrong at once: a run takes long.
fn complain(site: &Site, row: &Row) {
    if !row.flaws.is_empty() {
        site.tell();
    }
    row.flaws.iter().for_each(|flaw| eprintln!("  !!! {}: {flaw}", row.fault));
}

/// Calls that all cores began since they were started.
fn begun(site: &Site) -> u64 {
    site.layout().with(Role::Core).map(|core| site.begun(&core.name)).sum()
}

/// How much later than usual.
fn later() -> Duration {
    busy().saturating_sub(Duration::from_secs(BUSY_S))
}

fn in_time(fault: &Fault<'_>, calls: &[Call], broke_us: u64, row: &mut Row) {
    let (calls_max, rows_max) = (fault.calls_max + busy(), fault.rows_max + busy());
    let hindered =
        broke_us.saturating_sub(SETUP_US + later().as_micros() as u64)..=broke_us + calls_max.as_micros() as u64;
    let strange: Vec<&Call> =
        calls.iter().filter(|call| call.answered_us.is_none() && !hindered.contains(&call.due())).collect();
    if let Some(first) = strange.first() {
        let after_s = (first.due() as f64 - broke_us as f64) / 1e6;
        row.flaws.push(format!(
            "{} calls failed that nothing hindered, one due {after_s:.2} s after: {first:?}",
            strange.len()
        ));
    }
    for (what, seen, max) in [("new calls", row.calls_outage, calls_max), ("rows", row.rows_outage, rows_max)] {
        if seen > max {
            row.flaws.push(format!("{what} were hindered for {seen:.2?}, more than {max:.2?}"));
        }
    }
}

/// Each answered call one record, prices and balances to the last unit.
fn exact(site: &Site, calls: &[Call], late: Duration, row: &mut Row) {
    let records = settled(|| {
        let records = site.records().ok_or("the records cannot be read")?;
        match missing(calls, &records) {
            0 => Ok(records),
            late => Err(format!("{late} answered calls have no record")),
        }
    });
    let records = records.unwrap_or_else(|flaw| {
        row.flaws.push(flaw);
        site.records().unwrap_or_default()
    });
    let books = compare(calls, &records, late);
    row.cut += books.cut;
    row.records_wrong += books.lost + books.doubled;
    row.flaws.extend(books.flaws);
    let agreed = settled(|| {
        let (records, accounts) = site.records().zip(site.accounts()).ok_or("the books cannot be read")?;
        balanced(&records, PAID, &accounts)
    });
    row.flaws.extend(agreed.err());
}

/// Looks until something is so; after a while, why it is not.
fn settled<T>(mut look: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let late = Instant::now() + BOOKS_MAX;
    loop {
        match look() {
            Err(_) if Instant::now() < late => std::thread::sleep(LOOK),
            found => return found,
        }
    }
}

/// Every acknowledged row is in the database that is primary.
fn kept(site: &Site, acknowledged: &BTreeSet<u64>, row: &mut Row) {
    let lost = lost(site, acknowledged);
    row.rows += acknowledged.len();
    row.rows_lost += lost;
    if lost > 0 {
        row.flaws.push(format!("{lost} of {} acknowledged rows are lost", acknowledged.len()));
    }
}

/// How many of these rows the database that is primary lacks.
fn lost(site: &Site, acknowledged: &BTreeSet<u64>) -> usize {
    let there = until(BOOKS_MAX, "the database tells its rows", || site.sql("SELECT id FROM rows_written"));
    let there: BTreeSet<u64> = there.lines().filter_map(|line| line.trim().parse().ok()).collect();
    acknowledged.difference(&there).count()
}
