//! What breaks, each the same wherever it happens.

use std::thread::sleep;
use std::time::Duration;

use super::{Fault, play, settled};
use crate::carriers::{Call, Carriers, Load};
use crate::layout::Role;
use crate::site::{Part, Site, TAKEOVER_S};
use crate::table::Row;

/// How long new calls may be hindered when a core dies.
const CORE_DIES: Duration = Duration::from_secs(3);
/// How long a take-over may take.
const TAKEOVER: Duration = Duration::from_secs(TAKEOVER_S + 2);
/// A BYE that nobody heard while an address moved is sent again after up to T2 (RFC 3261 §17.1.2.2).
const REPEATED: Duration = Duration::from_secs(4);
/// The cause of calls at a node that their trunk is not assigned to.
const WRONG_NODE: u64 = 337;
/// How long something stands still.
const STILL: Duration = Duration::from_secs(5);

/// kill -9 of everything on a core; it comes back when the calls are over.
pub fn core_dies(site: &mut Site, core: &str, seconds: u32) -> Row {
    let fault = Fault { calls_max: CORE_DIES, ..Fault::new("a core dies", seconds) };
    play(site, fault, |site| site.kill_host(core), |site| site.comes_back(core))
}

/// kill -9 of the balancer that has the shared address, which its keeper gives to the other's host and takes back.
pub fn balancer_dies(site: &mut Site, host: &str) -> Row {
    let fault = Fault {
        calls_max: TAKEOVER,
        late: TAKEOVER + REPEATED,
        ..Fault::new("the balancer with the address dies", 12)
    };
    play(site, fault, |site| site.kill(host, Part::Balancer), |site| site.all_come_back())
}

/// kill -9 of everything on the host with the shared address.
pub fn balancer_host_dies(site: &mut Site, host: &str) -> Row {
    let what = "the host with the balancers' address dies";
    let fault = Fault { calls_max: TAKEOVER, late: TAKEOVER + REPEATED, ..Fault::new(what, 14) };
    play(site, fault, |site| site.kill_host(host), |site| site.all_come_back())
}

/// kill -9 of the only core there is, which is started again at once.
pub fn only_core_dies(site: &mut Site, core: &str) -> Row {
    let fault = Fault { calls_max: CORE_DIES, ..Fault::new("the data plane dies and is started again", 10) };
    let breaks = |site: &mut Site| {
        site.kill(core, Part::Data);
        site.comes_back(core);
    };
    play(site, fault, breaks, |_| ())
}

/// A core's data plane stands still for a while.
pub fn core_stands_still(site: &mut Site, core: &str) -> Row {
    let fault = Fault { calls_max: CORE_DIES, late: STILL, ..Fault::new("a core stands still for five seconds", 14) };
    let breaks = |site: &mut Site| {
        site.freeze(core, Part::Data, true);
        // The length of the stillness is the story; nothing is awaited.
        sleep(STILL);
        site.freeze(core, Part::Data, false);
    };
    play(site, fault, breaks, |site| site.until_core_works(core))
}

/// kill -9 of the only database, which comes back when the calls are over.
pub fn only_database_dies(site: &mut Site, host: &str) -> Row {
    let away = Duration::from_secs(30);
    let fault = Fault { rows_max: away, ..Fault::new("the only database dies until the calls are over", 10) };
    play(site, fault, |site| site.kill(host, Part::Database), |site| site.start_host(host))
}

/// kill -9 of the primary's process; it comes home by itself.
pub fn primary_dies(site: &mut Site) -> Row {
    let fault = Fault { rows_max: TAKEOVER, ..Fault::new("the primary database dies", 12) };
    play(site, fault, |site| site.kill_database(&home(site)), |site| site.until_home())
}

/// The primary's cable is pulled, and stays so.
pub fn primary_is_cut_off(site: &mut Site) -> Row {
    let fault = Fault { rows_max: TAKEOVER, ..Fault::new("the primary's cable is pulled", 14) };
    play(site, fault, |site| site.hosts().cable(&home(site), false), |_| ())
}

/// The cable is plugged in again: the database goes home by itself.
pub fn primary_comes_home(site: &mut Site) -> Row {
    let breaks = |site: &mut Site| {
        site.hosts().cable(&home(site), true);
        site.until_home();
    };
    play(site, Fault::new("it is plugged in again: the database goes home", 16), breaks, |_| ())
}

/// The databases do not hear each other; everybody else hears both.
pub fn databases_part(site: &mut Site) -> Row {
    let fault = Fault { rows_max: TAKEOVER, ..Fault::new("the cable between the databases is cut", 12) };
    let breaks = |site: &mut Site| {
        deafen(site, 0, 1);
        deafen(site, 1, 0);
    };
    play(site, fault, breaks, |site| heal(site, 2))
}

/// The primary does not hear the replica, which hears it.
pub fn primary_is_deaf(site: &mut Site) -> Row {
    let fault = Fault { rows_max: TAKEOVER, ..Fault::new("the primary does not hear the replica, which hears it", 12) };
    play(site, fault, |site| deafen(site, 0, 1), |site| heal(site, 1))
}

/// The primary's process stands still: slow is not dead, so nobody takes over.
pub fn primary_stands_still(site: &mut Site) -> Row {
    let fault = Fault { rows_max: STILL, ..Fault::new("the primary's process stands still for five seconds", 14) };
    let breaks = |site: &mut Site| {
        site.freeze_database(&home(site), true);
        // The length of the stillness is the story; nothing is awaited.
        sleep(STILL);
        site.freeze_database(&home(site), false);
    };
    play(site, fault, breaks, |site| site.until_home())
}

/// An operator swaps; the database comes home by itself.
pub fn planned_swap(site: &mut Site) -> Row {
    let other = site.layout().with(Role::Sql).nth(1).expect("a pair has two").number.to_string();
    let breaks = |site: &mut Site| assert!(site.cluster(&["promote", &other]).is_some(), "the other becomes primary");
    play(site, Fault::new("an operator swaps the databases", 12), breaks, |site| site.until_home())
}

/// kill -9 of one of three members of etcd.
pub fn member_dies(site: &mut Site, host: &str) -> Row {
    let fault = Fault::new("a member of etcd dies", 10);
    play(site, fault, |site| site.kill(host, Part::State), |site| site.start_host(host))
}

/// kill -9 of the pages' control plane.
pub fn web_dies(site: &mut Site, host: &str) -> Row {
    let fault = Fault::new("the server of the pages dies", 8);
    play(site, fault, |site| site.kill_host(host), |site| site.start_host(host))
}

/// A whole server of a pair that does everything: cable and processes.
pub fn server_dies(site: &mut Site, host: &str) -> Row {
    let late = TAKEOVER + REPEATED;
    let fault = Fault { calls_max: TAKEOVER, rows_max: TAKEOVER, late, ..Fault::new("a whole server dies", 16) };
    let breaks = |site: &mut Site| {
        site.hosts().cable(host, false);
        site.kill_host(host);
    };
    let mends = |site: &mut Site| {
        site.hosts().cable(host, true);
        site.comes_back(host);
        site.until_home();
    };
    play(site, fault, breaks, mends)
}

/// Calls come to a core that their originator does not belong to: all are refused (337), and nobody pays.
pub fn wrong_node(site: &mut Site, wrong: &str) -> Row {
    let at = format!("{}:5060", site.layout().host(wrong).ip());
    let name = site.next_run();
    let carriers = Carriers::start(site.hosts(), &site.folder(), &name, &at, Load { cps: 20, seconds: 3 });
    let calls = carriers.calls();
    let fault = "calls come to the wrong node".to_owned();
    let mut row = Row { fault, planned: calls.len(), ..Row::default() };
    let refused = settled(|| {
        let records = site.records().ok_or("the records cannot be read")?;
        let fits = |call: &&Call| {
            let mut of = records.iter().filter(|record| record.text("ingress_call_id") == call.call_id);
            call.answered_us.is_none()
                && of.next().is_some_and(|record| record.number("cause") == WRONG_NODE)
                && of.next().is_none()
        };
        let fitting = calls.iter().filter(fits).count();
        if fitting == calls.len() {
            Ok(())
        } else {
            Err(format!("{fitting} of {} calls were refused with 337", calls.len()))
        }
    });
    row.flaws.extend(refused.err());
    row
}

/// The database that is primary while all is well.
fn home(site: &Site) -> String {
    site.layout().with(Role::Sql).next().expect("a layout has a database").name.clone()
}

/// One database of the pair hears nothing of the other.
fn deafen(site: &Site, who: usize, of: usize) {
    let pair: Vec<_> = site.layout().with(Role::Sql).collect();
    site.hosts().deafen(&pair[who].name, pair[of].ip());
}

/// The first so many of the pair hear each other again.
fn heal(site: &Site, count: usize) {
    site.layout().with(Role::Sql).take(count).for_each(|host| site.hosts().heal(&host.name));
    site.until_home();
}
