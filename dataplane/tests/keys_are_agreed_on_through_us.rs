//! DTLS-SRTP passes (RFC 5764): two foreign programs shake hands through our media ports, and what they say to each other arrives.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot set itself up has failed")]

#[path = "../../rating/tests/world.rs"]
mod world;

#[path = "support/plane.rs"]
mod plane;
#[path = "support/talk.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod talk;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use panel::wire::Ask;
use plane::{PATIENCE, Plane};
use talk::Talk;

const KEYS: &str = "a=setup:actpass\r\na=fingerprint:sha-256 3C:77:1E:9B:04:5F\r\n";

/// One end's `openssl`, quiet: what it prints is what the other end said.
struct End {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Drop for End {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl End {
    fn start(folder: &Path, words: &[&str]) -> End {
        let mut command = Command::new("openssl");
        command.args(words).args(["-dtls1_2", "-quiet"]).current_dir(folder);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("openssl starts");
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        End { child, stdin, lines }
    }

    fn says(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    /// Waits for a line that the other end said.
    fn hears(&self, line: &str, plane: &mut Plane) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            plane.serve();
            if self.lines.recv_timeout(Duration::from_millis(10)).is_ok_and(|heard| heard == line) {
                return;
            }
        }
        panic!("{line:?} is heard");
    }
}

fn certificate(folder: &Path) {
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=end",
    ]);
    openssl.args(["-keyout", "key", "-out", "certificate"]).current_dir(folder);
    assert!(openssl.stderr(Stdio::null()).status().expect("openssl is installed").success());
}

/// True once somebody has this port, by proc(5). Who tried to bind it instead would keep it from a program that is about to.
fn is_taken(at: SocketAddr) -> bool {
    let wanted = format!(":{:04X}", at.port());
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    table.lines().any(|line| line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&wanted)))
}

#[test]
fn two_programs_shake_hands_by_dtls_and_hear_each_other() {
    let data = tempfile::tempdir().unwrap();
    certificate(data.path());
    let sip = UdpSocket::bind("127.0.47.1:0").unwrap().local_addr().unwrap();
    let mut talk = Talk::new(sip);
    (talk.profile, talk.more) = ("UDP/TLS/RTP/SAVP", KEYS);
    talk.publish(data.path(), "", "");
    let words = ["--sip", &sip.to_string(), "--rtp", "45400-45499", "--log", "warn"];
    let mut plane = Plane::start(data.path(), &words);
    // Every shard has opened its sockets when it answers.
    plane.ask(Ask::Figures);
    talk.begin(&mut plane, "dtls");
    let offered = talk.log.iter().any(|(from, _, bytes)| {
        let text = String::from_utf8_lossy(bytes);
        *from == sip && text.starts_with("INVITE ") && text.contains(" UDP/TLS/RTP/SAVP ") && text.contains(KEYS)
    });
    assert!(offered, "profile and fingerprint reach the terminator as they were");
    let [(originator, ours), (terminator, _)] = talk.leave_media();
    let accept = terminator.to_string();
    let mut server = End::start(data.path(), &["s_server", "-accept", &accept, "-cert", "certificate", "-key", "key"]);
    let deadline = Instant::now() + PATIENCE;
    while !is_taken(terminator) {
        assert!(Instant::now() < deadline, "the terminator's end listens");
        std::thread::sleep(Duration::from_millis(5));
    }
    let (bind, connect) = (originator.to_string(), ours.to_string());
    let mut caller = End::start(data.path(), &["s_client", "-bind", &bind, "-connect", &connect]);
    caller.says("from the originator");
    server.hears("from the originator", &mut plane);
    server.says("from the terminator");
    caller.hears("from the terminator", &mut plane);
}
