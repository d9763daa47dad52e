//! Calls are recorded sample by sample, as a foreign program hears it, and never wait for it.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

#[path = "../../rating/tests/world.rs"]
mod world;

#[path = "support/plane.rs"]
mod plane;
#[path = "support/read.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod read;
#[path = "support/talk.rs"]
mod talk;

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use cdr::Recorded;
use panel::wire::{Answer, Ask};
use plane::{PATIENCE, Plane};
use read::{A_LAW, PCM, U_LAW, begins, counter, file, record, row, sox, voice};
use talk::Talk;
use tempfile::TempDir;

const ALL: &str = r#"{"recording":{"percent":100}}"#;

/// An address of our own, so that nobody else takes its ports meanwhile.
fn switch(last: u8) -> SocketAddr {
    UdpSocket::bind((format!("127.0.46.{last}"), 0)).unwrap().local_addr().unwrap()
}

fn start(data: &Path, sip: SocketAddr) -> Plane {
    let sip = sip.to_string();
    let mut plane = Plane::start(data, &["--sip", &sip, "--rtp", "45400-45599", "--log", "warn"]);
    // Every shard has opened its sockets when it answers.
    plane.ask(Ask::Figures);
    plane
}

/// The only recording with this ending, once there is one.
fn recording(plane: &mut Plane, data: &Path, ending: &str) -> PathBuf {
    file(plane, &data.join("recordings"), ending)
}

/// What the only call's record says of its recording.
fn recorded(plane: &mut Plane, data: &Path) -> Recorded {
    record(plane, data, "").recorded
}

#[test]
fn a_call_is_recorded_sample_by_sample_also_when_it_changes_its_codec() {
    let (data, switch) = (TempDir::new().unwrap(), switch(1));
    let mut talk = Talk::new(switch);
    talk.codecs = "8 0";
    talk.publish(data.path(), "", ALL);
    let mut plane = start(data.path(), switch);
    talk.begin(&mut plane, "7");
    talk.speak_by(&mut plane, 30, 8, voice);
    talk.speak_by(&mut plane, 30, 0, voice);
    assert_eq!(row(&mut plane).stays, ["record"]);
    talk.end(&mut plane);
    let file = recording(&mut plane, data.path(), ".wav");
    for side in [0, 1] {
        let said = |numbers: std::ops::RangeInclusive<u16>| {
            numbers.flat_map(|number| voice(side, number)).collect::<Vec<u8>>()
        };
        let (begin, half) = (begins(&file, side + 1), 30 * 160);
        let heard = sox(&file, side + 1, &A_LAW);
        assert_eq!(heard[begin..begin + half], said(1..=30), "side {side}");
        let heard = sox(&file, side + 1, &U_LAW);
        // µ-law has two zeros; samples have one.
        let wanted: Vec<u8> = said(31..=60).into_iter().map(|byte| if byte == 0x7F { 0xFF } else { byte }).collect();
        assert_eq!(heard[begin + half..begin + 2 * half], wanted, "side {side}");
    }
    let told = Command::new("soxi").arg(&file).output().unwrap();
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    for line in ["Sample Rate    : 8000", "Precision      : 16-bit"] {
        assert!(told.contains(line), "{told}");
    }
    assert_eq!(recorded(&mut plane, data.path()), Recorded::Yes);
}

#[test]
fn an_operator_begins_and_ends_the_recording_of_a_running_call() {
    let (data, switch) = (TempDir::new().unwrap(), switch(2));
    let mut talk = Talk::new(switch);
    talk.publish(data.path(), "", "");
    let mut plane = start(data.path(), switch);
    talk.begin(&mut plane, "8");
    talk.speak(&mut plane, 5);
    let call = row(&mut plane).call;
    let wish = |on: bool| Ask::Record { call: call.clone(), on };
    assert_eq!(plane.ask(wish(true)), Answer::Done);
    talk.speak_by(&mut plane, 10, 8, voice);
    assert_eq!(row(&mut plane).stays, ["record"]);
    assert_eq!(plane.ask(wish(false)), Answer::Done);
    assert!(row(&mut plane).stays.is_empty());
    talk.speak(&mut plane, 5);
    talk.end(&mut plane);
    assert!(matches!(plane.ask(Ask::Record { call: "77".into(), on: true }), Answer::Refused { .. }));
    let file = recording(&mut plane, data.path(), ".wav");
    for side in [0, 1] {
        let (begin, heard) = (begins(&file, side + 1), sox(&file, side + 1, &A_LAW));
        assert_eq!(heard[begin..begin + 1_600], (6..=15).flat_map(|number| voice(side, number)).collect::<Vec<u8>>());
        assert!(heard.len() < begin + 1_600 + 400, "nothing that was said before or after");
    }
}

#[test]
fn a_killed_recording_is_heard_as_far_as_it_went_before_and_after_a_restart() {
    let (data, switch) = (TempDir::new().unwrap(), switch(3));
    let mut talk = Talk::new(switch);
    talk.publish(data.path(), ALL, "");
    let mut plane = start(data.path(), switch);
    talk.begin(&mut plane, "9");
    // Samples leave for the file by the second, when two are held.
    talk.speak_by(&mut plane, 160, 8, voice);
    let part = recording(&mut plane, data.path(), ".wav.part");
    let deadline = Instant::now() + PATIENCE;
    while std::fs::metadata(&part).unwrap().len() < 32_044 {
        plane.serve();
        assert!(Instant::now() < deadline, "a second is written");
    }
    drop(plane);
    let heard = sox(&part, 1, &A_LAW);
    assert_eq!(heard[..8_000], (1..=50).flat_map(|number| voice(0, number)).collect::<Vec<u8>>());
    let mut plane = start(data.path(), switch);
    let whole = recording(&mut plane, data.path(), ".wav");
    assert_eq!(sox(&whole, 1, &A_LAW), heard);
    assert!(!part.exists());
}

#[test]
fn calls_do_not_wait_for_a_recorder_that_is_held_and_what_is_lost_is_said() {
    let (data, switch) = (TempDir::new().unwrap(), switch(4));
    let mut talk = Talk::new(switch);
    talk.publish(data.path(), r#"{"recording":{"percent":100},"capture":{"what":"full"}}"#, "");
    std::fs::create_dir(data.path().join("captures")).unwrap();
    // The thread looks at what an earlier life left, and is held by it until somebody writes: no slower disk there is.
    let held = data.path().join("captures/held.pcapng.part");
    assert!(Command::new("mkfifo").arg(&held).status().unwrap().success());
    let mut plane = start(data.path(), switch);
    talk.begin(&mut plane, "6");
    // More than the ring holds: each packet is noted three times, 172 bytes and a head.
    talk.speak(&mut plane, 3_400);
    talk.end(&mut plane);
    let lost = counter(&mut plane, "recording_lost");
    assert!(lost > 0, "what does not fit is counted");
    assert_eq!(recorded(&mut plane, data.path()), Recorded::Gaps);
    drop(std::fs::OpenOptions::new().write(true).open(&held).unwrap());
    let file = recording(&mut plane, data.path(), ".wav");
    assert_eq!(counter(&mut plane, "recording_packets") + lost, 6_800, "each packet is in the file or counted");
    assert!(!sox(&file, 1, &PCM).is_empty());
    let _ = std::fs::remove_file(&held);
}

#[test]
fn a_codec_that_cannot_be_decoded_leaves_no_file_and_the_record_says_why() {
    let (data, switch) = (TempDir::new().unwrap(), switch(5));
    let mut talk = Talk::new(switch);
    talk.codecs = "18";
    talk.publish(data.path(), ALL, "");
    let mut plane = start(data.path(), switch);
    talk.begin(&mut plane, "5");
    talk.speak_by(&mut plane, 10, 18, voice);
    talk.end(&mut plane);
    assert_eq!(recorded(&mut plane, data.path()), Recorded::Codec);
    assert!(!data.path().join("recordings").exists());
    assert_eq!(counter(&mut plane, "recording_packets"), 0);
}
