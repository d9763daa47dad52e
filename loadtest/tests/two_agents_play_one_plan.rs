//! A controller and two agents on loopback: one plan, one summary, and what happens when one of them is lost.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tandem-loadtest");

/// The first call of a run with seed 7, by its Call-ID.
const ONE_CALL: &str = r#"{"data":[{"ingress_call_id":"00000000-7@127.0.0.1","attempts":0,"answered_at":"2026-03-01T12:00:00Z",
    "duration_ms":100,"sip_status":200,"originator_account":null,"terminator_account":null,"sell":null,"buy":null,
    "ingress_media":{"packets":0,"kernel_packets":0,"lost":0},"egress_media":{"packets":0,"kernel_packets":0,"lost":0}}]}"#;

/// An address on loopback that nobody uses.
fn free() -> String {
    UdpSocket::bind("127.0.7.6:0").unwrap().local_addr().unwrap().to_string()
}

/// An agent that ends with its test.
struct Agent {
    child: Child,
    at: String,
}

impl Agent {
    fn start(token: &Path) -> Agent {
        let mut command = Command::new(PROGRAM);
        command.args(["agent", "--listen", "127.0.0.1:0", "--token-file"]).arg(token).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let at = line.trim().rsplit(' ').next().unwrap().to_owned();
        Agent { child, at }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A run by these agents; `watch` sees each line, and the last one is the summary.
fn run(agents: &[&Agent], token: &Path, more: &[&str], mut watch: impl FnMut(&Value)) -> (Option<i32>, Value) {
    // The one target is a terminator of the first agent, so that half of the calls are between two agents.
    let target = free();
    let who = format!("at={target},ring=1ms,answer=2ms");
    let names: Vec<&str> = agents.iter().map(|agent| agent.at.as_str()).collect();
    let mut command = Command::new(PROGRAM);
    command.args(["run", "--target", &target, "--terminator", &who, "--agents", &names.join(","), "--live-json"]);
    command.args(["--late-max", "10s", "--token-file"]).arg(token).args(more).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut last = Value::Null;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        last = serde_json::from_str(&line.unwrap()).unwrap();
        watch(&last);
    }
    (child.wait().unwrap().code(), last)
}

#[test]
fn what_two_agents_bring_home_is_one_summary_and_without_one_of_them_it_is_invalid() {
    let folder = tempfile::tempdir().unwrap();
    let [token, wrong] = ["token", "wrong"].map(|name| folder.path().join(name));
    std::fs::write(&token, "a token that both sides know\n").unwrap();
    std::fs::write(&wrong, "a token that nobody else knows\n").unwrap();
    let (first, mut second) = (Agent::start(&token), Agent::start(&token));

    let usual = ["--cps", "60", "--for", "1s", "--arrivals", "constant", "--talk", "300ms", "--media", "30%"];
    let lines = folder.path().join("calls");
    let told = [&usual[..], &["--calls-out", lines.to_str().unwrap()]].concat();
    let (code, summary) = run(&[&first, &second], &token, &told, |_| {});
    let count = |name: &str| summary["counts"][name].as_u64().unwrap();
    assert_eq!((code, &summary["valid"]), (Some(0), &Value::Bool(true)), "{summary}");
    assert_eq!((count("placed"), count("completed"), count("attempts")), (60, 60, 60), "{summary}");
    assert_eq!((summary["codes"]["200"].as_u64(), &summary["latencies"]["answer"]["count"]), (Some(60), &60.into()));
    // What lies between two ends is measured where both are at one agent; both of them placed calls.
    assert_eq!(summary["latencies"]["transit"]["count"], 30, "{summary}");
    assert_eq!(["rtp_lost", "rtp_misrouted", "rtp_one_way"].map(count), [0; 3], "{summary}");
    assert!(count("rtp_ends") > 10 && summary["agents"].as_array().unwrap().len() == 2, "{summary}");

    // Each call is one line, although its two ends may be at two agents.
    let lines: Vec<Value> =
        std::fs::read_to_string(lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 60);
    assert!(
        lines.iter().all(|line| line["attempts"] == 1 && line["terminator"] != "" && line["code"] == 200),
        "{lines:?}"
    );
    let whole = lines.iter().filter(|line| !line["caller_heard"].is_null() && !line["callee_heard"].is_null());
    assert!(whole.count() > 5, "{lines:?}");

    assert_eq!(run(&[&first, &second], &wrong, &usual, |_| {}).0, Some(1), "a stranger was heard");

    let endless = ["--cps", "20", "--for", "600s", "--talk", "10ms", "--media", "0%", "--drain", "500ms"];
    let agents = [&first, &Agent { child: Command::new("true").spawn().unwrap(), at: second.at.clone() }];
    let (code, summary) = run(&agents, &token, &endless, |line| {
        if line["counts"]["placed"].as_u64().unwrap_or(0) > 5 {
            let _ = second.child.kill();
        }
    });
    assert_eq!((code, &summary["valid"]), (Some(3), &Value::Bool(false)), "{summary}");
    assert!(summary["invalid"].to_string().contains(&format!("agent {} was lost", second.at)), "{summary}");
}

/// Books that know one call of sixty, placed by one agent and taken by the other.
#[test]
fn what_agents_played_is_compared_with_the_books_and_the_highest_rate_is_found_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "a token that both sides know\n").unwrap();
    let (first, second) = (Agent::start(&token), Agent::start(&token));
    let books = TcpListener::bind("127.0.7.7:0").unwrap();
    let url = format!("http://{}", books.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in books.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut line) = (String::new(), String::new());
            while asked.read_line(&mut line).is_ok_and(|length| length > 2) {
                head.push_str(&std::mem::take(&mut line));
            }
            let body = if head.contains("/cdrs") { ONE_CALL } else { "{\"data\":[]}" };
            let length = body.len();
            write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
        }
    });
    let usual =
        ["--cps", "60", "--for", "1s", "--arrivals", "constant", "--talk", "100ms", "--media", "0%", "--seed", "7"];
    let compare = ["--reconcile", &url, "--key", "secret", "--reconcile-wait", "0s"];
    let (code, summary) = run(&[&first, &second], &token, &[&usual[..], &compare].concat(), |_| {});
    let found = &summary["reconciled"];
    assert_eq!((code, &found["expected"], &found["collected"]), (Some(1), &60.into(), &1.into()), "{summary}");
    // 59 have no CDR, and the one that is there says that no terminator saw its call.
    assert!(
        found["wrong"] == 60 && found["disagreements"].to_string().contains("terminators saw 1 attempts"),
        "{summary}"
    );

    let (found, target) = (folder.path().join("found"), free());
    let who = format!("at={target},ring=1ms,answer=2ms");
    let mut command = Command::new(PROGRAM);
    command.args([
        "find-max",
        "--target",
        &target,
        "--terminator",
        &who,
        "--media",
        "0%",
        "--talk",
        "5ms",
        "--rfc7502",
    ]);
    command.args(["--hold", "300ms", "--soak", "300ms", "--from", "40", "--cps-max", "40", "--late-max", "10s"]);
    command.args(["--agents", &format!("{},{}", first.at, second.at), "--token-file"]).arg(&token).arg("--summary");
    let output = command.arg(&found).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let found: Value = serde_json::from_str(&std::fs::read_to_string(&found).unwrap()).unwrap();
    assert_eq!((&found["best_cps"], &found["soaked"]), (&Value::from(40.0), &Value::Bool(true)), "{found}");
}

/// A program called `ssh` that runs here what it is to run there, and writes down where that would be.
fn fake_ssh(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let text = format!("#!/bin/sh\necho \"$1 $2 $3\" >> {}/hosts\nshift 4\nexec {PROGRAM} \"$@\"\n", folder.display());
    let path = folder.join("ssh");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn agents_are_started_by_ssh_for_a_run_and_end_with_it() {
    let folder = tempfile::tempdir().unwrap();
    fake_ssh(folder.path());
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let target = free();
    let who = format!("at={target},ring=1ms,answer=2ms");
    let mut command = Command::new(PROGRAM);
    command.args(["run", "--target", &target, "--terminator", &who, "--live-json", "--late-max", "10s"]);
    command.args(["--cps", "40", "--for", "1s", "--arrivals", "constant", "--talk", "100ms", "--media", "none"]);
    let output = command.args(["--agents", "ssh:one,ssh:joe@two=127.0.7.9"]).env("PATH", path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let summary: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((output.status.code(), &summary["counts"]["completed"]), (Some(0), &40.into()), "{summary}");
    let agents = summary["agents"].to_string();
    assert!(agents.contains("ssh:one (") && agents.contains("ssh:joe@two ("), "{agents}");
    let mut hosts: Vec<String> =
        std::fs::read_to_string(folder.path().join("hosts")).unwrap().lines().map(str::to_owned).collect();
    hosts.sort();
    assert_eq!(hosts, ["-o BatchMode=yes joe@two", "-o BatchMode=yes one"]);
}
