//! A controller and two agents on loopback: one plan, one summary, and what happens when one of them is lost.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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
    let text =
        format!("#!/bin/sh\necho \"$1 $2 $3 $4\" >> {}/hosts\nshift 5\nexec {PROGRAM} \"$@\"\n", folder.display());
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
    assert_eq!(hosts, ["-T -o BatchMode=yes joe@two", "-T -o BatchMode=yes one"]);
}

/// An OpenSSH server with keys and a port of its own; gone with this value.
struct Shell {
    folder: tempfile::TempDir,
    at: String,
    daemon: Child,
}

impl Shell {
    fn start() -> Shell {
        let folder = tempfile::Builder::new().prefix("sshd").tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        for name in ["host", "own", "strange"] {
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &file(name)]).status();
            assert!(made.unwrap().success());
        }
        std::fs::copy(file("own.pub"), file("allowed")).unwrap();
        // Below the ports that the kernel gives away, at an address that nobody else uses.
        let at = format!("127.0.7.10:{}", 20_000 + std::process::id() % 10_000);
        let (name, port) = at.split_once(':').unwrap();
        let host = std::fs::read_to_string(file("host.pub")).unwrap();
        std::fs::write(file("hosts"), format!("[{name}]:{port} {host}")).unwrap();
        let keys = format!("HostKey {}\nAuthorizedKeysFile {}", file("host"), file("allowed"));
        let server = format!("ListenAddress {at}\n{keys}\nStrictModes no\nUsePAM no\nPidFile none\n");
        std::fs::write(file("sshd"), server).unwrap();
        let named = format!("Host generator\nHostName {name}\nPort {port}\n");
        let all = format!("Host *\nIdentityFile {}\nUserKnownHostsFile {}\n", file("own"), file("hosts"));
        std::fs::write(file("config"), format!("{named}{all}ConnectionAttempts 60\n")).unwrap();
        std::os::unix::fs::symlink(PROGRAM, file("tandem-loadtest")).unwrap();
        // It wants this folder where nobody can write, and its own name with the whole path.
        let _ = std::fs::create_dir_all("/run/sshd");
        let daemon =
            Command::new("/usr/sbin/sshd").args(["-D", "-e", "-f", &file("sshd")]).stdin(Stdio::null()).spawn();
        Shell { at, daemon: daemon.expect("sshd is installed: apt-get install openssh-server"), folder }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A run by these agents, where ssh is told this.
    fn run(&self, agents: &str, program: &str, told: &[&str], span: &str) -> Command {
        let target = free();
        let mut command = Command::new(PROGRAM);
        command.args(["run", "--target", &target, "--terminator", &format!("at={target},ring=1ms,answer=2ms")]);
        command.args(["--cps", "40", "--for", span, "--arrivals", "constant", "--talk", "100ms", "--media", "none"]);
        command.args(["--late-max", "10s", "--live-json", "--agents", agents, "--agent-program", program]).args(told);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Programs that ssh started and that still run.
    fn agents(&self) -> usize {
        let program = self.file("tandem-loadtest");
        let words = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("cmdline"));
        words.filter(|path| std::fs::read(path).is_ok_and(|words| words.starts_with(program.as_bytes()))).count()
    }

    fn wait_for_agents(&self, count: usize) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.agents() != count {
            assert!(Instant::now() < until, "{} agents, not {count}", self.agents());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

#[test]
#[ignore = "needs sshd: make test-ssh"]
fn openssh_starts_agents_as_its_own_settings_say_and_says_why_not() {
    let shell = Shell::start();
    let (program, config) = (shell.file("tandem-loadtest"), shell.file("config"));
    let by_config = ["--ssh-config", &config];
    let whole = format!("ssh://{}=127.0.7.9", shell.at);
    let output = shell.run(&format!("ssh:generator,{whole}"), &program, &by_config, "1s").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let summary: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((output.status.code(), &summary["counts"]["completed"]), (Some(0), &40.into()), "{summary}");
    let agents = summary["agents"].to_string();
    assert!(agents.contains("ssh:generator (") && agents.contains(&format!("ssh://{} (", shell.at)), "{agents}");
    shell.wait_for_agents(0);

    // The same in words alone, with no file.
    let (port, key, hosts) = (shell.at.rsplit(':').next().unwrap(), shell.file("own"), shell.file("hosts"));
    let said = [format!("Port={port}"), format!("IdentityFile={key}"), format!("UserKnownHostsFile={hosts}")];
    let mut told = vec!["--ssh-config", "none"];
    told.extend(said.iter().flat_map(|option| ["--ssh-option", option]));
    let output = shell.run("ssh:127.0.7.10", &program, &told, "1s").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");

    let strange = format!("IdentityFile={}", shell.file("strange"));
    let alone = ["--ssh-option", &strange, "--ssh-option", "IdentitiesOnly=yes", "--ssh-config", "none"];
    let nowhere = shell.file("nowhere");
    let stories: [(&str, &[&str], &str); 2] = [
        (&program, &[&alone[..], &["--ssh-option", &said[0], "--ssh-option", &said[2]]].concat(), "exit status: 255"),
        (&nowhere, &by_config, "--agent-program"),
    ];
    for (program, told, why) in stories {
        let agent = if told.len() > 2 { "ssh:127.0.7.10" } else { "ssh:generator" };
        let output = shell.run(agent, program, told, "1s").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(why), "{why}: {said}");
    }

    // What was started ends with a controller that is killed, too.
    let mut controller = shell.run("ssh:generator", &program, &by_config, "600s").spawn().unwrap();
    BufReader::new(controller.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    shell.wait_for_agents(1);
    controller.kill().unwrap();
    controller.wait().unwrap();
    shell.wait_for_agents(0);
}
