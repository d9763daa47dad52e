#![allow(clippy::unwrap_used, reason = "a test may end at once")]
//! Real databases, a real etcd and real keepers on hosts of their own: processes are killed and frozen, cables pulled.

mod addresses;
mod asker;
mod database;
mod full;
mod keepalived;
mod lost;
mod metrics;
mod mistakes;
mod remote;
mod twins;
mod world;
mod writer;

use std::time::Duration;

/// What takes how long says something on an idle machine only: `make cluster-test` asks for it.
fn timed() -> bool {
    std::env::var_os("CLUSTER_TIMED").is_some()
}

/// Says how long something was not served, and holds it against what is promised.
fn in_time(what: &str, outage: Duration, promised: Duration) {
    eprintln!("{what:<72} {:>6.2} s, {} s promised", outage.as_secs_f64(), promised.as_secs());
    assert!(!timed() || outage <= promised, "{what}: {outage:?}");
}
