//! Debian's rtpengine in user space, told of calls by its own protocol (ng: bencode over UDP).

use std::fmt::Write;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cable::{Cable, PEER, SWITCH};
use crate::frames::PEER_PORT;

const CONTROL_PORT: u16 = 2_223;
/// Where its control protocol is asked from.
const ASKING_PORT: u16 = 2_224;
const PORTS: [u16; 2] = [12_000, 27_999];
const PATIENCE: Duration = Duration::from_secs(20);

/// A running rtpengine with its calls.
pub struct Rtpengine {
    child: Child,
    control: UdpSocket,
    /// Its RTP ports, the two of a call one after the other.
    pub ports: Vec<SocketAddr>,
}

impl Rtpengine {
    /// Starts it at the switch's end of the cable and makes so many calls.
    pub fn start(cable: &Cable, calls: usize) -> io::Result<Rtpengine> {
        // Four sockets a call.
        uring::host::open_files_max();
        let spawn = || {
            cable.stand_at_switch();
            let arguments = [
                "--config-file=none".to_owned(),
                "--foreground".to_owned(),
                "--log-stderr".to_owned(),
                "--log-level=2".to_owned(),
                "--table=-1".to_owned(),
                format!("--interface={SWITCH}"),
                format!("--listen-ng={SWITCH}:{CONTROL_PORT}"),
                format!("--port-min={}", PORTS[0]),
                format!("--port-max={}", PORTS[1]),
            ];
            Command::new("rtpengine").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
        };
        let child = std::thread::scope(|scope| scope.spawn(spawn).join().expect("the switch stands"))?;
        let control = cable.peer_socket(ASKING_PORT);
        control.connect((SWITCH, CONTROL_PORT))?;
        control.set_read_timeout(Some(Duration::from_millis(500)))?;
        let mut engine = Rtpengine { child, control, ports: Vec::new() };
        engine.ask("d7:command4:pinge", PATIENCE)?;
        for call in 0..calls {
            engine.call(call)?;
        }
        Ok(engine)
    }

    /// Both peers are the same one here; what comes to one port leaves from the other.
    fn call(&mut self, call: usize) -> io::Result<()> {
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {PEER}\r\ns=-\r\nc=IN IP4 {PEER}\r\nt=0 0\r\nm=audio {PEER_PORT} RTP/AVP 8\r\na=rtcp-mux\r\n"
        );
        let mut ports = [0; 2];
        for (place, command) in ["offer", "answer"].into_iter().enumerate() {
            let mut text = String::from("d");
            let mut pair = |name: &str, value: &str| {
                let _ = write!(text, "{}:{name}{}:{value}", name.len(), value.len());
            };
            pair("call-id", &format!("bench-{call}"));
            pair("command", command);
            pair("from-tag", "one");
            pair("sdp", &sdp);
            if command == "answer" {
                pair("to-tag", "other");
            }
            text.push('e');
            ports[place] = media_port(&self.ask(&text, PATIENCE)?)?;
        }
        let address = |port| SocketAddr::new(SWITCH.parse().expect("an address"), port);
        self.ports.extend(ports.map(address));
        Ok(())
    }

    /// Its answer; the question is said again while none comes.
    fn ask(&mut self, question: &str, patience: Duration) -> io::Result<String> {
        let cookie = format!("{}_{}", self.ports.len(), question.len());
        let (mut bytes, deadline) = (vec![0; 65_536], Instant::now() + patience);
        while Instant::now() < deadline {
            // Refused while it does not listen yet.
            let _ = self.control.send(format!("{cookie} {question}").as_bytes());
            if let Ok(length) = self.control.recv(&mut bytes) {
                let answer = String::from_utf8_lossy(&bytes[..length]);
                if let Some(answer) = answer.strip_prefix(&cookie) {
                    return Ok(answer.trim_start().to_owned());
                }
            } else {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("rtpengine does not answer {question}")))
    }

    /// Its resident memory in bytes.
    pub fn resident(&self) -> u64 {
        resident(self.child.id())
    }

    /// Nanoseconds of CPU that its threads have spent.
    pub fn cpu_nanos(&self) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        tasks.map(|task| crate::spent::spent(&task.path())).sum()
    }
}

impl Drop for Rtpengine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn media_port(answer: &str) -> io::Result<u16> {
    let after = answer.split("m=audio ").nth(1).and_then(|rest| rest.split(' ').next());
    after.and_then(|port| port.parse().ok()).ok_or_else(|| io::Error::other(format!("rtpengine answered {answer}")))
}

/// Resident memory of a process, in bytes (proc_pid_statm(5)).
pub fn resident(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4_096
}
