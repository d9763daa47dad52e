//! A collector hears what every call says and how it sounded; a dead one changes nothing.
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

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use panel::wire::Ask;
use plane::{PATIENCE, Plane};
use read::{collected, counter, datagram};
use talk::{Datagram, Talk, once};
use tempfile::TempDir;

fn start(data: &Path, last: u8, talk: impl FnOnce(SocketAddr) -> Talk, collector: SocketAddr) -> (Plane, Talk) {
    let sip = UdpSocket::bind((format!("127.0.46.{last}"), 0)).unwrap().local_addr().unwrap();
    let talk = talk(sip);
    talk.publish(data, "", "");
    let (sip, collector) = (sip.to_string(), collector.to_string());
    let words = ["--sip", &sip, "--rtp", "45400-45599", "--log", "warn", "--hep", &collector];
    let mut plane = Plane::start(data, &words);
    // Every shard has opened its sockets when it answers.
    plane.ask(Ask::Figures);
    (plane, talk)
}

#[test]
fn a_collector_hears_each_message_with_its_call_and_a_report_of_each_side() {
    let data = TempDir::new().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let (mut plane, mut talk) = start(data.path(), 1, Talk::new, socket.local_addr().unwrap());
    talk.begin(&mut plane, "5");
    talk.speak(&mut plane, 10);
    talk.report(&mut plane);
    talk.end(&mut plane);
    let heard = collected(&mut plane, &socket);
    let of = |kind: u8| heard.iter().filter(move |chunks| chunks[&11] == [kind]);
    let told = |all: Vec<Datagram>| {
        let mut flows: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for (from, to, bytes) in all {
            flows.entry((from, to)).or_default().push(bytes.escape_ascii().to_string());
        }
        flows
    };
    let logged = |wanted: fn(&[u8]) -> bool| told(once(&talk.log).into_iter().filter(|of| wanted(&of.2)).collect());
    assert_eq!(
        told(once(&of(1).map(datagram).collect::<Vec<_>>())),
        logged(|bytes| bytes[0] != 0x80 && bytes[0] != 0x81)
    );
    assert_eq!(told(of(5).map(datagram).collect()), logged(|bytes| bytes[..2] == [0x80, 201]));
    let calls: Vec<_> = heard.iter().map(|chunks| chunks[&17].clone()).collect();
    assert!(calls.iter().all(|call| *call == calls[0] && call.len() == 32), "one call is one correlation");
    for (chunks, name) in of(35).zip(["originator", "terminator"]) {
        let report: serde_json::Value = serde_json::from_slice(&chunks[&15]).unwrap();
        assert_eq!((report["REPORT_NAME"].as_str(), report["TOTAL_PK"].as_u64()), (Some(name), Some(10)), "{report}");
        assert!(report["MOS"].as_f64().unwrap() > 4.0, "{report}");
        assert_eq!((&report["PACKET_LOSS"], &report["EXPECTED_PK"]), (&0.into(), &10.into()), "{report}");
        assert!(!report["RTP_SIP_CALL_ID"].as_str().unwrap().is_empty() && report["REPORT_TS"].is_number(), "{report}");
    }
}

#[test]
fn sngrep_receives_the_messages_of_both_sides() {
    let data = TempDir::new().unwrap();
    let collector = UdpSocket::bind("127.0.46.8:0").unwrap().local_addr().unwrap();
    let file = std::env::temp_dir().join(format!("sngrep-{}.pcap", collector.port()));
    let mut sngrep = Command::new("sngrep")
        .args(["-F", "-N", "-q", "-L", &format!("udp:{collector}"), "-O"])
        .arg(&file)
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("sngrep is installed");
    let deadline = Instant::now() + PATIENCE;
    let port = format!(":{:04X} ", collector.port());
    while !std::fs::read_to_string("/proc/net/udp").unwrap().contains(&port) {
        assert!(Instant::now() < deadline && sngrep.try_wait().unwrap().is_none(), "sngrep listens");
        std::thread::sleep(Duration::from_millis(10));
    }
    let (mut plane, mut talk) = start(data.path(), 2, Talk::new, collector);
    talk.begin(&mut plane, "4");
    talk.end(&mut plane);
    let messages: Vec<String> =
        talk.log.iter().map(|(_, _, bytes)| String::from_utf8(bytes.clone()).unwrap()).collect();
    while counter(&mut plane, "collector_sent") < messages.len() as u64 {
        assert!(Instant::now() < deadline, "all messages are sent");
    }
    let read = || {
        let mut tshark = Command::new("tshark");
        let opened = std::fs::File::open(&file).unwrap();
        tshark.args(["-n", "-r", "-", "-T", "fields", "-e", "udp.payload"]).stdin(opened);
        let text = String::from_utf8(tshark.output().unwrap().stdout).unwrap();
        let bytes = |digits: &str| -> Vec<u8> {
            let digits = digits.replace(':', "");
            (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect()
        };
        text.lines().map(|line| String::from_utf8(bytes(line)).unwrap()).collect::<Vec<_>>()
    };
    // It writes its file out when it ends.
    assert!(Command::new("kill").args(["-TERM", &sngrep.id().to_string()]).status().unwrap().success());
    sngrep.wait().unwrap();
    let mut kept = read();
    let mut wanted = messages;
    // Each once: a machine that is late lets SIP repeat itself.
    for all in [&mut kept, &mut wanted] {
        all.sort();
        all.dedup();
    }
    std::fs::remove_file(&file).unwrap();
    assert_eq!(kept, wanted);
}

#[test]
fn a_dead_collector_costs_its_packets_and_nothing_else() {
    let data = TempDir::new().unwrap();
    let nobody = SocketAddr::from(([127, 0, 46, 9], 9));
    let (mut plane, mut talk) = start(data.path(), 3, Talk::new, nobody);
    for name in ["1", "2", "3"] {
        talk.begin(&mut plane, name);
        talk.speak(&mut plane, 20);
        talk.end(&mut plane);
    }
    let deadline = Instant::now() + PATIENCE;
    while counter(&mut plane, "collector_lost") == 0 {
        assert!(Instant::now() < deadline, "what nobody takes is counted");
    }
}
