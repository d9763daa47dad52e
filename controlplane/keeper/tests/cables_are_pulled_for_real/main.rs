#![allow(clippy::unwrap_used, reason = "a test may end at once")]
//! Real databases, a real etcd and real keepers on hosts of their own: processes are killed and frozen, cables pulled.

mod addresses;
mod asker;
mod database;
mod world;
mod writer;

use std::time::Duration;

/// A busy machine may be so late.
const SLACK: Duration = Duration::from_secs(5);

fn say(story: &str, outage: Duration) {
    eprintln!("{story:<66} {:>6.2} s", outage.as_secs_f64());
}
