//! A controller and two agents on loopback: one plan, one summary, and what happens when one of them is lost.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tandem-loadtest");

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
    let target = UdpSocket::bind("127.0.7.6:0").unwrap().local_addr().unwrap().to_string();
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
    let (code, summary) = run(&[&first, &second], &token, &usual, |_| {});
    let count = |name: &str| summary["counts"][name].as_u64().unwrap();
    assert_eq!((code, &summary["valid"]), (Some(0), &Value::Bool(true)), "{summary}");
    assert_eq!((count("placed"), count("completed"), count("attempts")), (60, 60, 60), "{summary}");
    assert_eq!((summary["codes"]["200"].as_u64(), &summary["latencies"]["answer"]["count"]), (Some(60), &60.into()));
    // What lies between two ends is measured where both are at one agent; both of them placed calls.
    assert_eq!(summary["latencies"]["transit"]["count"], 30, "{summary}");
    assert_eq!(["rtp_lost", "rtp_misrouted", "rtp_one_way"].map(count), [0; 3], "{summary}");
    assert!(count("rtp_ends") > 10 && summary["agents"].as_array().unwrap().len() == 2, "{summary}");

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
