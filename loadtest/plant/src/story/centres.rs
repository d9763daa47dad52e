//! Two data centres: the line between them, the end of the first one, and what its core still has then.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use acceptance::until;
use serde_json::Value;

use super::{BOOKS_MAX, Fault, begun, complain, exact, kept, lost, play, settled};
use crate::carriers::{Call, Carriers, Load, now_us};
use crate::layout::Role;
use crate::rows::Rows;
use crate::site::Site;
use crate::table::Row;

/// An operator's command, with both words that say that it is meant.
const OATH: [&str; 4] = ["promote", "--remote", "--others-are-off", "--accept-loss"];
/// Calls and rows that only the first data centre knows when it dies.
const UNHEARD: u64 = 40;

/// Everything between the data centres is cut, and mended when the calls are over: the first one goes on, the second catches up.
pub fn line_is_cut(site: &mut Site) -> Row {
    let mends = |site: &mut Site| {
        site.line(true);
        catches_up(site);
    };
    play(site, Fault::new("the line between the data centres is cut", 12), |site| site.line(false), mends)
}

/// The remote replica has all rows that were there when this was asked.
fn catches_up(site: &Site) {
    let told =
        until(BOOKS_MAX, "the primary tells its rows", || site.sql("SELECT MAX(id), COUNT(*) FROM rows_written"));
    let (last, count) = told.split_once('\t').expect("two columns");
    let sql = format!("SELECT COUNT(*) FROM tandem.rows_written WHERE id<={last}");
    until(BOOKS_MAX, "the remote replica has caught up", || {
        (site.at_database(&site.layout().remote().name, &sql)? == count).then_some(())
    });
}

/// The second data centre hears nothing of the replica that it follows when the whole first one dies: some commits are there alone. An operator
/// promotes, and carriers call through the second one. Returned are the calls of the first one, whose records may lie in its core's journal alone.
pub fn first_centre_dies(site: &mut Site) -> (Row, Vec<Call>) {
    site.until_remote_follows();
    let rows = Rows::start(site.writer());
    let carriers = calls_go_through(site, 12, &rows);
    let unheard = site.layout().with(Role::Sql).nth(1).expect("a pair has two").ip();
    site.hosts().deafen(&site.layout().remote().name, unheard);
    let (calls, count) = (begun(site) + UNHEARD, rows.count() + UNHEARD as usize);
    until(BOOKS_MAX, "calls and rows go on without the other data centre", || {
        (begun(site) > calls && rows.count() > count).then_some(())
    });
    let (broke, broke_us) = (Instant::now(), now_us());
    let cores: Vec<String> = names(site, 1, Role::Core);
    cores.iter().for_each(|core| site.kill_host(core));
    let acknowledged = rows.end();
    let last = databases_die(site);
    let promised = promote(site);
    let mut row = Row { fault: "the first one dies, the other is promoted by command".to_owned(), ..Row::default() };
    let there = site.last_commit(&site.layout().remote().name);
    if there.and_then(|there| last.checked_sub(there)) != Some(promised) {
        row.flaws.push(format!("of {last} commits {there:?} are there, and {promised} were said to be missing"));
    }

    site.move_to_second();
    let again = Rows::start(site.writer());
    until(BOOKS_MAX, "rows are acknowledged in the second data centre", || (again.count() > 0).then_some(()));
    row.rows_outage = broke.elapsed();
    site.all_come_back();
    let first = carriers.calls();
    // Their host was there until now, so that callers were told that nobody listens.
    cores.iter().for_each(|core| site.hosts().cable(core, false));
    let second = calls_through(site, &format!("{}:5060", site.sip()), 6, &mut row);
    row.calls_outage = Duration::from_micros(second.first().map_or(0, |call| call.due() - broke_us));
    exact(site, &second, Duration::ZERO, &mut row);
    kept(site, &again.end(), &mut row);
    lost_as_said(site, &acknowledged, promised, &mut row);
    count_calls(&first, &mut row);
    complain(site, &row);
    (row, first)
}

/// The core of the first data centre comes back, pointed at the database of the second: the records that only its journal has come in, each once,
/// and it carries calls.
pub fn journals_are_handed_over(site: &mut Site, earlier: &[Call]) -> Row {
    let core = names(site, 1, Role::Core).remove(0);
    let breaks = |site: &mut Site| {
        site.hosts().cable(&core, true);
        site.comes_back(&core);
    };
    let mut row = play(site, Fault::new("a core that is left hands over what it journaled", 10), breaks, |_| ());
    let target = format!("{}:5060", site.layout().host(&core).ip());
    let own = calls_through(site, &target, 3, &mut row);
    count_calls(earlier, &mut row);
    exact(site, &[earlier, own.as_slice()].concat(), Duration::ZERO, &mut row);
    row.flaws.extend(settled(|| nothing_is_held(site, &core)).err());
    complain(site, &row);
    row
}

/// No money is held for the life of a core in which its data centre died.
fn nothing_is_held(site: &Site, core: &str) -> Result<(), String> {
    let node = format!("{:04X}", site.layout().host(core).number);
    let sql = format!(
        "SELECT COUNT(*) FROM grants WHERE state=0 AND HEX(id) LIKE '{node}%' AND \
         LEFT(HEX(id), 12) < (SELECT MAX(LEFT(HEX(id), 12)) FROM grants WHERE HEX(id) LIKE '{node}%')"
    );
    match site.sql(&sql).as_deref() {
        Some("0") => Ok(()),
        open => Err(format!("grants of {core}'s earlier life are open: {open:?}")),
    }
}

fn names(site: &Site, centre: u8, role: Role) -> Vec<String> {
    site.layout().at(centre, role).map(|host| host.name.clone()).collect()
}

/// Calls at the usual place, and rows, until both go on.
fn calls_go_through(site: &mut Site, seconds: u32, rows: &Rows) -> Carriers {
    let (name, before, target) = (site.next_run(), begun(site), format!("{}:5060", site.sip()));
    let carriers = Carriers::start(site.hosts(), &site.folder(), &name, &target, Load { cps: 20, seconds });
    until(BOOKS_MAX, "calls go through and rows are acknowledged", || {
        (begun(site) > before + 20 && rows.count() > 20).then_some(())
    });
    carriers
}

/// Calls through one core while nothing breaks: all must be answered.
fn calls_through(site: &mut Site, target: &str, seconds: u32, row: &mut Row) -> Vec<Call> {
    let name = site.next_run();
    let calls = Carriers::start(site.hosts(), &site.folder(), &name, target, Load { cps: 20, seconds }).calls();
    count_calls(&calls, row);
    let failed = calls.iter().filter(|call| call.answered_us.is_none()).count();
    if failed > 0 || calls.is_empty() {
        row.flaws.push(format!("{failed} of {} calls failed at {target}, where nothing was wrong", calls.len()));
    }
    calls
}

fn count_calls(calls: &[Call], row: &mut Row) {
    row.planned += calls.len();
    row.answered += calls.iter().filter(|call| call.answered_us.is_some()).count();
}

/// kill -9 of both databases and everything beside them, as soon as the other data centre has heard of the primary's last commit: what it then says
/// is missing can be counted. Returns the number of that commit.
fn databases_die(site: &mut Site) -> u64 {
    let databases = names(site, 1, Role::Sql);
    let last = until(BOOKS_MAX, "the primary's last commit is heard of", || {
        let last = site.last_commit(&databases[0])?;
        (site.remote_report()?["primary"]["commits"] == last).then_some(last)
    });
    for host in &databases {
        site.kill_host(host);
        site.hosts().cable(host, false);
    }
    last
}

/// An operator reads what is missing, and means it. Returns what was said.
fn promote(site: &Site) -> u64 {
    let promised = until(BOOKS_MAX, "nobody is heard", || {
        let report = site.remote_report()?;
        let is_reached = |source: &Value| source["reached"] != false;
        let silent = !report["sources"].as_array()?.iter().any(is_reached);
        silent.then_some(report["missing"].as_u64()?)
    });
    assert!(promised > 0, "nothing is missing, and nothing can be lost");
    let (done, said) = site.remote_cluster(&["promote", "--remote"]);
    assert!(!done && said.contains(&format!("not here: {promised} of them")), "{said}");
    until(BOOKS_MAX, "an operator's command is carried out", || {
        // It is refused for some seconds after a primary was heard.
        let (done, said) = site.remote_cluster(&OATH);
        assert!(done || said.contains("takes writes: end its keeper first"), "{said}");
        done.then_some(())
    });
    promised
}

/// Each lost row was a commit that was said to be missing; others were records and money.
fn lost_as_said(site: &Site, acknowledged: &BTreeSet<u64>, promised: u64, row: &mut Row) {
    let lost = lost(site, acknowledged);
    row.rows += acknowledged.len();
    row.rows_lost += lost;
    eprintln!("  {} rows acknowledged, {lost} lost; {promised} commits were said to be missing", acknowledged.len());
    if lost as u64 > promised || lost == 0 {
        row.flaws.push(format!("{lost} acknowledged rows are lost, {promised} commits were said to be missing"));
    }
}
