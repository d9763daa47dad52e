//! Calls are captured packet by packet, as foreign programs read it, and never wait for it.
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

use panel::wire::{Answer, Ask};
use plane::{PATIENCE, Plane};
use read::{capture, counter, file, is_in_order, same};
use talk::{MEDIA, Talk, packet};
use tempfile::TempDir;

const FULL: &str = r#"{"capture":{"what":"full"}}"#;

/// An address of our own, so that nobody else takes its ports meanwhile.
fn switch(last: u8) -> SocketAddr {
    UdpSocket::bind((format!("127.0.45.{last}"), 0)).unwrap().local_addr().unwrap()
}

fn start(data: &Path, sip: SocketAddr, words: &[&str]) -> Plane {
    let sip = sip.to_string();
    let mut plane = Plane::start(data, &[&["--sip", &sip, "--rtp", "45200-45399", "--log", "warn"], words].concat());
    // Every shard has opened its sockets when it answers.
    plane.ask(Ask::Figures);
    plane
}

/// The only finished capture, once there is one.
fn finished(plane: &mut Plane, data: &Path) -> PathBuf {
    file(plane, &data.join("captures"), ".pcapng")
}

#[test]
fn a_call_is_captured_whole_and_foreign_programs_read_each_packet() {
    let (data, switch) = (TempDir::new().unwrap(), switch(1));
    let mut talk = Talk::new(switch);
    talk.publish(data.path(), FULL, "");
    let mut plane = start(data.path(), switch, &[]);
    talk.begin(&mut plane, "7");
    talk.speak(&mut plane, 40);
    talk.report(&mut plane);
    talk.end(&mut plane);
    let file = finished(&mut plane, data.path());
    let (captured, comments) = capture(&file);
    same(&captured, &talk.log);
    let call = file.file_stem().unwrap().to_string_lossy().into_owned();
    assert!(comments.iter().all(|comment| comment.contains(&call)), "{comments:?}");
    // As root it becomes another user, who may not open the file.
    let opened = std::fs::File::open(&file).unwrap();
    let tcpdump = Command::new("tcpdump").args(["-n", "-q", "-r", "-"]).stdin(opened).output().unwrap();
    let told = String::from_utf8_lossy(&tcpdump.stdout).into_owned();
    let packets = told.lines().filter(|line| line.contains(" IP 127.")).count();
    assert_eq!(packets, captured.len(), "{told}{}", String::from_utf8_lossy(&tcpdump.stderr));
}

#[test]
fn packets_stand_in_order_of_time_though_the_switch_reads_one_side_after_the_other() {
    const PACKETS: u16 = 20;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (data, switch) = (TempDir::new().unwrap(), switch(7));
        let mut talk = Talk::new(switch);
        talk.publish(data.path(), FULL, "");
        let mut plane = start(data.path(), switch, &[]);
        talk.begin(&mut plane, "7");
        talk.speak(&mut plane, 2);
        plane.stand_still(true);
        for number in 3..3 + PACKETS {
            for side in [0, 1] {
                talk.says(MEDIA, side, &packet(number, 8, side as u8, &[0x55; 160]));
            }
        }
        plane.stand_still(false);
        for side in [0, 1] {
            (0..PACKETS).for_each(|_| drop(talk.heard(&mut plane, MEDIA, side)));
        }
        talk.end(&mut plane);
        let file = finished(&mut plane, data.path());
        // A machine that took more than a quarter of a second for that is too late for any order.
        if is_in_order(&file) {
            return same(&capture(&file).0, &talk.log);
        }
        assert!(Instant::now() < deadline, "in order of time");
    }
}

#[test]
fn an_operator_captures_a_running_call_with_its_beginning() {
    let (data, switch) = (TempDir::new().unwrap(), switch(2));
    let mut talk = Talk::new(switch);
    talk.publish(data.path(), "", "");
    let mut plane = start(data.path(), switch, &[]);
    talk.begin(&mut plane, "8");
    let setup = talk.log.len();
    talk.speak(&mut plane, 5);
    let unheard = setup..talk.log.len();
    let Answer::Calls(rows) = plane.ask(Ask::Calls { limit: 1 }) else { panic!("calls are told") };
    let wish = |what: &str| Ask::Capture { call: rows[0].call.clone(), what: what.into() };
    assert!(matches!(plane.ask(wish("loud")), Answer::Refused { .. }));
    assert_eq!(plane.ask(wish("full")), Answer::Done);
    talk.speak(&mut plane, 5);
    talk.end(&mut plane);
    let (captured, _) = capture(&finished(&mut plane, data.path()));
    talk.log.drain(unheard);
    same(&captured, &talk.log);
}

#[test]
fn jitter_is_the_network_s_however_long_packets_wait_for_us() {
    const PACKETS: u16 = 10;
    let (data, switch) = (TempDir::new().unwrap(), switch(6));
    let mut talk = Talk::new(switch);
    talk.publish(data.path(), "", "");
    let mut plane = start(data.path(), switch, &[]);
    talk.begin(&mut plane, "7");
    let deadline = Instant::now() + PATIENCE;
    // The kernel begins to stamp a moment after it was asked to; what it said before is forgotten in time (RFC 3550 A.8).
    loop {
        plane.stand_still(true);
        let longest_us = talk.speak_on_time(PACKETS);
        plane.stand_still(false);
        talk.hear_voice(&mut plane, PACKETS);
        let Answer::Calls(rows) = plane.ask(Ask::Calls { limit: 1 }) else { panic!("calls are told") };
        // A packet is stamped while its sender hands it over; the clock of G.711 ticks every 125 us. What waited differs by 20,000.
        let jitter_us = rows[0].ingress_media.jitter_us;
        if jitter_us <= longest_us + 300 {
            break;
        }
        assert!(Instant::now() < deadline, "{jitter_us} us, where the network had at most {longest_us}");
    }
}

#[test]
fn headers_alone_say_how_long_a_packet_was_and_nothing_of_its_voice() {
    let (data, switch) = (TempDir::new().unwrap(), switch(3));
    let mut talk = Talk::new(switch);
    talk.publish(data.path(), "", r#"{"capture":{"what":"rtp_headers"}}"#);
    let mut plane = start(data.path(), switch, &[]);
    talk.begin(&mut plane, "9");
    talk.speak(&mut plane, 5);
    talk.end(&mut plane);
    let file = finished(&mut plane, data.path());
    let mut tshark = Command::new("tshark");
    tshark.args(["-n", "-d", "udp.port==45200-45399,rtp", "-Y", "rtp.seq", "-T", "fields", "-e", "rtp.seq"]);
    let output = tshark.args(["-e", "frame.len", "-e", "frame.cap_len", "-r"]).arg(&file).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let wanted: Vec<String> = (1..=5).flat_map(|number| vec![format!("{number}\t214\t54"); 4]).collect();
    assert_eq!(lines.lines().collect::<Vec<_>>(), wanted);
    let (sip, _) = capture(&file);
    same(&sip, &talk.log.iter().filter(|(_, _, bytes)| bytes[0] != 0x80).cloned().collect::<Vec<_>>());
}

#[test]
fn calls_do_not_wait_for_a_disk_that_does_not_answer_and_a_torn_file_is_made_whole() {
    let (data, switch) = (TempDir::new().unwrap(), switch(4));
    let mut talk = Talk::new(switch);
    talk.publish(data.path(), FULL, "");
    let (captures, torn) = (data.path().join("captures"), "00010000000100000000000000000100.pcapng");
    std::fs::create_dir(&captures).unwrap();
    // The thread looks at what an earlier life left, and is held by the first of it until somebody writes: no slower disk there is.
    let held = captures.join("held.pcapng.part");
    assert!(Command::new("mkfifo").arg(&held).status().unwrap().success());
    let mut plane = start(data.path(), switch, &[]);
    talk.begin(&mut plane, "6");
    // More than the ring holds: each packet is noted twice, 172 bytes and a head.
    talk.speak(&mut plane, 5_000);
    talk.end(&mut plane);
    let lost = |plane: &mut Plane| counter(plane, "tape_lost");
    assert!(lost(&mut plane) > 0, "what does not fit is counted");
    drop(std::fs::OpenOptions::new().write(true).open(&held).unwrap());
    let file = finished(&mut plane, data.path());
    let (captured, _) = capture(&file);
    // What the switch repeated was perhaps heard by nobody.
    assert!(captured.len() as u64 + lost(&mut plane) >= talk.log.len() as u64, "each packet is in the file or counted");
    drop(plane);
    let whole = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    std::fs::write(captures.join(torn).with_extension("pcapng.part"), &whole[..whole.len() - 7]).unwrap();
    let _ = std::fs::remove_file(&held);
    let mut plane = start(data.path(), switch, &[]);
    let repaired = finished(&mut plane, data.path());
    assert_eq!(repaired.file_name().unwrap(), torn);
    assert_eq!(capture(&repaired).0.len(), captured.len() - 1, "all but the packet that was being written");
}
