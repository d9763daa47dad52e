//! kill -9 under load, at random moments, of the data plane, the control plane, both, and the database: they come back by themselves,
//! nothing is lost, doubled or made up, and the books are exact.
//!
//! `KILL_ROUNDS` and `KILL_CPS` make it longer and denser, `KILL_SEED` chooses the moments: `make kills`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use acceptance::books::exact;
use acceptance::database::MariaDb;
use acceptance::switch::Switch;
use acceptance::{PATIENCE, number, signal, until};
use rustix::process::Signal;

/// Length of a round in milliseconds; the kill comes in its first half.
const ROUND_MS: u64 = 3_000;

/// SplitMix64: the same moments for the same seed.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}

fn kill_data_plane(switch: &Switch) {
    let killed = switch.data_plane().expect("a data plane runs");
    signal(killed, Signal::KILL);
    until(PATIENCE, "another data plane runs", || switch.data_plane().filter(|pid| *pid != killed));
}

fn kill_control_plane(switch: &Switch) {
    let killed = until(PATIENCE, "a control plane runs", || switch.control_plane());
    signal(killed, Signal::KILL);
    until(PATIENCE, "another control plane runs", || switch.control_plane().filter(|pid| *pid != killed));
}

fn kill(round: u64, switch: &Switch, server: &mut MariaDb) -> &'static str {
    match round % 4 {
        0 => {
            kill_data_plane(switch);
            "data plane"
        }
        1 => {
            kill_control_plane(switch);
            "control plane"
        }
        2 => {
            server.kill();
            server.run();
            "database"
        }
        _ => {
            let control = until(PATIENCE, "a control plane runs", || switch.control_plane());
            signal(control, Signal::KILL);
            kill_data_plane(switch);
            until(PATIENCE, "another control plane runs", || switch.control_plane().filter(|pid| *pid != control));
            "both planes"
        }
    }
}

#[test]
fn every_answered_call_has_one_record_and_its_price_is_charged_once() {
    let (rounds, cps) = (number("KILL_ROUNDS", 4), number("KILL_CPS", 200));
    let seed = number("KILL_SEED", 1);
    eprintln!("{rounds} rounds at {cps} calls a second; KILL_SEED={seed}");
    let mut server = MariaDb::start();
    let switch = Switch::up(Some(server.url()));
    let _terminator = switch.taking(&[]);
    let calls = (rounds * ROUND_MS / 1_000 * cps) as u32;
    // A call that was ringing when its switch died hears nothing more: the caller gives up.
    let timeout = (rounds * ROUND_MS / 1_000 + 40).to_string();
    let words = ["-trace_msg", "-timeout", &timeout, "-recv_timeout", "8000"];
    let caller = switch.calling(calls, cps as u32, 1_500, "4930123456", &words);
    let mut state = seed;
    let began = std::time::Instant::now();
    for round in 0..rounds {
        // The moment is the point of the story; nothing is awaited.
        let due = Duration::from_millis(round * ROUND_MS + 500 + draw(&mut state) % (ROUND_MS / 2));
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        let at = began.elapsed();
        let what = kill(round, &switch, &mut server);
        eprintln!("round {round}: {what} killed at {at:.1?}, back after {:.1?}", began.elapsed() - at);
    }
    let (placed, answered) = caller.placed_and_answered();
    let records = until(PATIENCE, "every answered call has its record", || {
        let records = switch.records()?;
        let have: BTreeSet<&str> =
            records.iter().filter(|record| record.answered()).map(|record| record.text("ingress_call_id")).collect();
        let lost = answered.iter().filter(|call| !have.contains(call.as_str())).count();
        eprintln!("{} records, {lost} answered calls are not among them", records.len());
        (lost == 0).then_some(records)
    });
    let phantoms = records.iter().filter(|record| !placed.contains(record.text("ingress_call_id"))).count();
    assert_eq!(phantoms, 0, "every record is of a call that somebody placed");
    let mut causes = BTreeMap::new();
    for record in records.iter().filter(|record| !record.answered()) {
        *causes.entry(record.number("cause")).or_insert(0) += 1;
    }
    eprintln!("{} calls placed, {} answered; the others' causes: {causes:?}", placed.len(), answered.len());
    assert!(answered.len() * 4 > calls as usize, "most calls went on: {} of {calls} answered", answered.len());
    assert!(
        records.iter().all(|record| record.number("duration_ms") < 30_000),
        "nobody pays for the time after a kill"
    );
    until(PATIENCE, "the API listens", || switch.serves().then_some(()));
    exact(&records);
    switch.charged_as_recorded();
    // The next call finds a whole switch.
    switch.calling(20, 20, 500, "4930123456", &[]).all_calls_succeed();
    switch.collected(records.len() + 20);
    switch.charged_as_recorded();
    let (placed, answered) = (placed.len(), answered.len());
    eprintln!("{placed} calls, {answered} answered, {} records: 0 lost, 0 doubled, 0 made up", records.len());
    eprintln!("{}", switch.journal("verify"));
}
