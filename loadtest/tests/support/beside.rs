//! Runs of SIPp and of ours, side by side, from folders of their own.
#![allow(dead_code, reason = "each test uses a part")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub const OURS: &str = env!("CARGO_BIN_EXE_tandem-loadtest");

/// On a machine with other work to do, half a second is no sign of loss.
pub const PATIENT: (&str, &str) = ("retrans=\"500\"", "retrans=\"2000\"");
/// A caller is more patient than its callee: that one repeats its 200 first. An INVITE that comes again to who has answered it makes SIPp's `uas`,
/// and ours, ring again, and to SIPp's `uac` a ring after the answer is an error.
pub const MORE_PATIENT: (&str, &str) = ("retrans=\"500\"", "retrans=\"20000\"");
/// Who has ended remembers the call for longer than a caller takes to ask again.
pub const LONG_MEMORY: (&str, &str) = ("milliseconds=\"4000\"", "milliseconds=\"300000\"");
/// SIPp's buffers are of 64 kB, fifty calls' messages: who is not looked at for a tenth of a second loses some.
pub const BUFFERS: [&str; 2] = ["-buff_size", "4194304"];

/// Calls go to the first field of a file.
pub const FIELD: (&str, &str) = ("INVITE sip:[service]", "INVITE sip:[field0]");

/// A program that ends with this value.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// With these words, at 127.0.0.1 where they name no address.
pub fn command(program: &str, folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    if program == OURS {
        command.arg("sipp");
    }
    command.args(words).arg("-nostdin").current_dir(folder);
    if !words.contains(&"-i") {
        command.args(["-i", "127.0.0.1"]);
    }
    command
}

pub fn start(program: &str, folder: &Path, words: &[&str]) -> Running {
    let child =
        command(program, folder, words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Running(child.unwrap_or_else(|error| panic!("{program} (sip-tester): {error}")))
}

pub fn finish(program: &str, folder: &Path, words: &[&str]) -> Output {
    command(program, folder, words).stdin(Stdio::null()).output().unwrap()
}

pub fn succeeds(program: &str, folder: &Path, words: &[&str]) {
    let output = finish(program, folder, words);
    let errors = std::fs::read_to_string(folder.join("errors")).unwrap_or_default();
    let told = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {words:?}: {}\n{}\n{}\n{errors}", output.status, told.0, told.1);
}

/// Waits until a port is taken: who was started listens.
pub fn listens(port: u16, tcp: bool) {
    listens_by(port, if tcp { "tcp" } else { "udp" });
}

/// The same of a table of proc(5). Who tried to bind the port instead would keep it from a program that is about to.
pub fn listens_by(port: u16, table: &str) {
    let until = Instant::now() + Duration::from_secs(180);
    let wanted = format!(":{port:04X}");
    let here = |line: &str| line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&wanted));
    while !std::fs::read_to_string(format!("/proc/net/{table}")).unwrap().lines().any(here) {
        assert!(Instant::now() < until, "nobody listens on {port}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Writes one of SIPp's own scenarios into the folder, with some of its words changed.
pub fn sipps(folder: &Path, name: &str, changes: &[(&str, &str)]) -> String {
    built_in("sipp", folder, name, changes)
}

/// The same of what either program has built in.
pub fn built_in(program: &str, folder: &Path, name: &str, changes: &[(&str, &str)]) -> String {
    let mut command = Command::new(program);
    if program == OURS {
        command.arg("sipp");
    }
    let output = command.args(["-sd", name]).output().expect("sipp is installed (sip-tester)");
    let mut text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let begin = text.find("<?xml").unwrap_or_else(|| panic!("{name}: {text}"));
    text.drain(..begin);
    for (from, to) in changes {
        assert!(text.contains(from), "{name} has {from}");
        text = text.replace(from, to);
    }
    let file = if program == OURS { format!("our_{name}.xml") } else { format!("{name}.xml") };
    std::fs::write(folder.join(&file), text).unwrap();
    file
}

pub fn lint(folder: &Path, file: &str) -> (bool, String) {
    let output = Command::new(OURS).args(["lint", file]).current_dir(folder).output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

/// The last line of a statistics file, by column.
pub fn last_row(path: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path).unwrap();
    let split = |line: &str| line.split(';').map(str::to_owned).collect::<Vec<_>>();
    let (head, last) = (split(text.lines().next().unwrap()), split(text.lines().last().unwrap()));
    assert_eq!(head.len(), last.len(), "{text}");
    head.into_iter().zip(last).collect()
}

/// A step that says this request.
pub fn asks(method: &str, cseq: impl std::fmt::Display, attributes: &str) -> String {
    format!(
        "<send {attributes}><![CDATA[\n\n{method} sip:x@[remote_ip]:[remote_port] SIP/2.0\n\
         Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\nFrom: <sip:a@b>;tag=[call_number]\nTo: <sip:x@y>[peer_tag_param]\n\
         Call-ID: [call_id]\nCSeq: {cseq} {method}\nContact: <sip:a@[local_ip]:[local_port]>\nMax-Forwards: 70\nContent-Length: 0\n\n]]></send>\n"
    )
}

/// A step that says 200 to the request that came last.
pub fn agrees(tag: &str) -> String {
    format!(
        "<send><![CDATA[\n\nSIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]{tag}\n[last_Call-ID:]\n[last_CSeq:]\n\
         Contact: <sip:x@[local_ip]:[local_port]>\nContent-Length: 0\n\n]]></send>\n"
    )
}
