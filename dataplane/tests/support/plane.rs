//! The data plane over its control socket, with a controller that lends whatever is asked for.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use panel::wire::{Answer, Ask, Frame, Reply, Want};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// A running data plane.
pub struct Plane {
    child: Child,
    lines: BufReader<UnixStream>,
    /// What came of the next line.
    line: String,
}

impl Drop for Plane {
    fn drop(&mut self) {
        // SIGKILL: nothing is said to anybody.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Plane {
    /// Starts one on this folder with two shards.
    pub fn start(data: &Path, arguments: &[&str]) -> Plane {
        let spawn = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tandem-dataplane"));
            command.args(["--shards", "2", "--data"]).arg(data).args(arguments).stdin(Stdio::null()).spawn().unwrap()
        };
        let (mut child, deadline) = (spawn(), Instant::now() + PATIENCE);
        let stream = loop {
            if let Ok(stream) = UnixStream::connect(data.join("run/dataplane.sock")) {
                break stream;
            }
            assert!(Instant::now() < deadline, "the control socket answers");
            // The kernel closes the ring's sockets some time after a kill; until then the address is taken.
            if child.try_wait().unwrap().is_some() {
                child = spawn();
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let mut plane = Plane { child, lines: BufReader::new(stream), line: String::new() };
        plane.say(&Frame::Hello { role: "controller".into() });
        plane
    }

    /// Lets it stand still, or go on.
    #[allow(dead_code, reason = "not every test stops it")]
    pub fn stand_still(&self, still: bool) {
        let signal = if still { "-STOP" } else { "-CONT" };
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    fn say(&mut self, frame: &Frame) {
        let line = serde_json::to_string(frame).unwrap() + "\n";
        self.lines.get_mut().write_all(line.as_bytes()).unwrap();
    }

    /// Lends what is wanted; the next answer to a question, if one came.
    pub fn serve(&mut self) -> Option<Answer> {
        self.lines.read_line(&mut self.line).ok()?;
        match serde_json::from_str(&std::mem::take(&mut self.line)).unwrap() {
            Frame::Want(Want::Grant { grant, account, want, .. }) => {
                self.say(&Frame::Reply(Reply::Granted { grant, account, amount: want, cause: 0 }));
                None
            }
            Frame::Answer { answer, .. } => Some(answer),
            _ => None,
        }
    }

    /// What it answers to a question.
    pub fn ask(&mut self, ask: Ask) -> Answer {
        self.say(&Frame::Ask { id: 9, ask });
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(answer) = self.serve() {
                return answer;
            }
        }
        panic!("a question is answered");
    }
}
