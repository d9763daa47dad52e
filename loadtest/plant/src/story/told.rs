//! The topologies and what breaks in each.

use std::time::Duration;

use super::{Fault, play};
use crate::site::{Part, Site};
use crate::table::Row;

/// How long new calls may be hindered when a core dies.
const CORE_DIES: Duration = Duration::from_secs(3);
/// A row is acknowledged at least so often while nothing is wrong with the database.
const USUAL: Duration = Duration::from_secs(1);

/// A topology and what happens to it.
#[derive(Clone, Copy, Debug)]
pub struct Story {
    /// The topology's name.
    pub name: &'static str,
    /// Its hosts.
    pub site: &'static str,
    /// What happens.
    pub tell: fn(&mut Site) -> Vec<Row>,
}

/// All of them.
pub const STORIES: &[Story] = &[Story {
    name: "balanced",
    site: "front: balancer; core1: core; core2: core; data: sql",
    tell: |site| vec![core_dies(site, "core2", 12), database_dies(site, "data")],
}];

/// kill -9 of everything on a core; it comes back when the calls are over.
pub fn core_dies(site: &mut Site, core: &str, seconds: u32) -> Row {
    let fault = Fault { what: "a core dies", seconds, calls_max: CORE_DIES, rows_max: USUAL };
    play(
        site,
        fault,
        |site| site.kill_host(core),
        |site| {
            site.start_host(core);
            site.until_core_works(core);
        },
    )
}

/// kill -9 of the only database, which comes back when the calls are over.
fn database_dies(site: &mut Site, host: &str) -> Row {
    let seconds = 10;
    let away = Duration::from_secs(2 * u64::from(seconds));
    let fault =
        Fault { what: "the only database dies until the calls are over", seconds, calls_max: USUAL, rows_max: away };
    play(site, fault, |site| site.kill(host, Part::Database), |site| site.start_host(host))
}
