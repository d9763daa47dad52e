//! The data plane as a balancer before other data planes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::{PATIENCE, asked, program, signal, until};

/// A running balancer with its folder; gone with this value.
#[derive(Debug)]
pub struct Balancer {
    folder: tempfile::TempDir,
    child: Child,
    /// Where peers reach it.
    pub at: SocketAddr,
    /// Where cores reach it.
    pub inside: SocketAddr,
}

impl Balancer {
    /// Starts one before these cores.
    pub fn start(at: SocketAddr, inside: SocketAddr, cores: &[SocketAddr]) -> Balancer {
        let folder = tempfile::Builder::new().prefix("tandem-balancer-").tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("key"), [b'k'; 40]).expect("the folder is writable");
        let log = std::fs::File::create(folder.path().join("log")).expect("the folder is writable");
        let cores: Vec<String> = cores.iter().map(ToString::to_string).collect();
        let mut command = Command::new(program("tandem-dataplane"));
        command.args(["--role", "balancer", "--data"]).arg(folder.path()).args(["--cores", &cores.join(",")]);
        command.args(["--listen", &format!("udp:{at}"), "--inside", &inside.to_string(), "--balancer-key"]);
        command.arg(folder.path().join("key"));
        let child = command.stdin(Stdio::null()).stderr(log).spawn().expect("the balancer starts");
        let balancer = Balancer { folder, child, at, inside };
        balancer.ask("\"cores\"");
        balancer
    }

    /// The secret that cores need.
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    /// What it answers to this question.
    pub fn ask(&self, question: &str) -> Value {
        let socket = self.folder.path().join("run/balancer.sock");
        until(PATIENCE, "the balancer answers", || asked(&socket, question))
    }

    /// A core's row: its state and the calls that it was given.
    pub fn core(&self, at: SocketAddr) -> (String, u64) {
        let rows = self.ask("\"cores\"");
        let rows = rows["cores"].as_array().expect("cores are a list");
        let row = rows.iter().find(|row| row["at"] == at.to_string()).expect("the core is known");
        (row["state"].as_str().expect("a word").to_owned(), row["begun"].as_u64().expect("a number"))
    }

    /// Waits until a core is in this state.
    pub fn until_core_is(&self, at: SocketAddr, state: &str) {
        until(PATIENCE, &format!("{at} is {state}"), || (self.core(at).0 == state).then_some(()));
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default());
        }
        signal(self.child.id(), Signal::TERM);
        let _ = self.child.wait();
    }
}
