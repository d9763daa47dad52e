//! The database is away for twenty seconds under load: calls do not notice, and the books are exact afterwards.

use std::time::Duration;

use acceptance::books::exact;
use acceptance::database::MariaDb;
use acceptance::switch::Switch;

/// Calls while the database is there, away, and there again.
const CALLS: u32 = 900;
/// A second.
const CPS: u32 = 30;

#[test]
fn frozen_for_ten_seconds_and_dead_for_ten_more() {
    let mut server = MariaDb::start();
    let switch = Switch::up(Some(server.url()));
    let _terminator = switch.taking(&[]);
    let mut caller = switch.calling(CALLS, CPS, 1_000, "4930123456", &[]);
    switch.collected(60);
    server.freeze();
    // The lengths of the outage are what is told here; nothing is awaited.
    std::thread::sleep(Duration::from_secs(10));
    server.kill();
    std::thread::sleep(Duration::from_secs(10));
    assert!(caller.runs(), "calls were placed through all of the outage");
    server.run();
    caller.all_calls_succeed();
    let records = switch.collected(CALLS as usize);
    assert_eq!(records.len(), CALLS as usize);
    assert!(records.iter().all(|record| record.answered()), "every call was answered");
    switch.charged(exact(&records));
}
