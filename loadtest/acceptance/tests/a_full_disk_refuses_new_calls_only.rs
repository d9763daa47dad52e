//! The journal's disk is nearly full: new calls are refused with 503, running ones go on, and calls are taken again by themselves.

use std::net::IpAddr;

use acceptance::plane::{CALLED, Plane, free_port, taking};
use acceptance::sipp::{Scenario, Sipp};
use acceptance::{Net, PATIENCE, until};
use snapshot::Policy;

/// Size of the journal's file system.
const DISK_BYTES: usize = 8 << 20;

#[test]
fn new_calls_are_refused_and_running_ones_kept_until_there_is_room() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED: only root may mount a small disk for the journal");
    }
    let net = Net::draw();
    let [sip, terminator] = [1, 3].map(|host| free_port(IpAddr::V4(net.host(host))));
    let words = ["--sip".to_owned(), sip.to_string()];
    let sources = [IpAddr::V4(net.host(2))];
    let plane = Plane::start_with_journal_of(DISK_BYTES, &words, &sources, terminator, Policy::default());
    let _taking = taking(plane.folder(), terminator, "u1");
    let call = |talk_ms: &str| {
        let mut line = vec![sip.to_string()];
        let words = ["-s", CALLED, "-m", "1", "-r", "1", "-d", talk_ms, "-timeout", "180"];
        line.extend(words.map(str::to_owned));
        Sipp::start(plane.folder(), free_port(IpAddr::V4(net.host(2))), Scenario::BuiltIn("uac"), &line)
    };
    call("100").all_calls_succeed();
    let running = call("8000");
    until(PATIENCE, "the long call runs", || (plane.counted("calls_answered") == 2).then_some(()));
    let filler = plane.journal().join("filler");
    std::fs::write(&filler, vec![7; DISK_BYTES * 97 / 100]).expect("the disk has room for it");
    let refusal = until(PATIENCE, "new calls are refused", || call("100").ends().err());
    assert!(refusal.contains("503"), "with 503: {refusal}");
    assert!(plane.counted("calls_turned_away") > 0);
    running.all_calls_succeed();
    std::fs::remove_file(filler).expect("it was written a moment ago");
    until(PATIENCE, "calls are taken again", || call("100").ends().ok());
}
