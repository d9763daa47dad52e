//! kill -9 of the data plane under load: it comes back by itself, and the books are exact.

use std::collections::BTreeSet;
use std::time::Duration;

use acceptance::books::exact;
use acceptance::switch::Switch;
use acceptance::{signal, until};
use rustix::process::Signal;

/// Calls that are placed around the kill.
const CALLS: u32 = 300;
/// Calls placed before it.
const BEFORE: usize = 100;

#[test]
fn every_answered_call_has_one_record_and_its_price_is_charged_once() {
    let switch = Switch::up(None);
    let _terminator = switch.taking(&[]);
    // A call that was ringing when its switch died hears nothing more: the caller gives up.
    let words = ["-trace_msg", "-timeout", "25", "-recv_timeout", "10000"];
    let caller = switch.calling(CALLS, 50, 1_500, "4930123456", &words);
    // Some calls have ended, dozens are talking, and more are coming.
    until(Duration::from_secs(30), "a third of the calls has ended", || {
        switch.records().filter(|records| records.len() >= BEFORE)
    });
    let killed = switch.data_plane().expect("a data plane runs");
    signal(killed, Signal::KILL);
    until(Duration::from_secs(20), "another data plane runs", || switch.data_plane().filter(|pid| *pid != killed));
    let answered = caller.answered();
    assert!(answered.len() > BEFORE + 50, "calls went on after the kill: {} answered", answered.len());
    let records = until(Duration::from_secs(45), "every answered call has its record", || {
        let records = switch.records()?;
        let have: BTreeSet<&str> =
            records.iter().filter(|record| record.answered()).map(|record| record.text("ingress_call_id")).collect();
        answered.iter().all(|call| have.contains(call.as_str())).then_some(records)
    });
    assert!(
        records.iter().all(|record| record.number("duration_ms") < 30_000),
        "nobody pays for the time after a kill"
    );
    switch.charged(exact(&records));
    // The next call finds a whole switch.
    switch.calling(20, 20, 500, "4930123456", &[]).all_calls_succeed();
    let records = switch.collected(records.len() + 20);
    switch.charged(exact(&records));
}
