//! What the host lacks is said at the start; in production something fatal refuses it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(180);
const LINE: &str = "host as vm: 1 fatal (nofile), 0 warnings";

/// The program in a folder of its own, beside one that plays tandem-tune and ends with this code.
fn beside(folder: &Path, code: u8) {
    let program = folder.join("tandem-dataplane");
    if std::fs::hard_link(env!("CARGO_BIN_EXE_tandem-dataplane"), &program).is_err() {
        std::fs::copy(env!("CARGO_BIN_EXE_tandem-dataplane"), &program).unwrap();
    }
    let tune = folder.join("tandem-tune");
    std::fs::write(&tune, format!("#!/bin/sh\necho \"$@\" > {}/asked\necho '{LINE}'\nexit {code}\n", folder.display()))
        .unwrap();
    std::fs::set_permissions(tune, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn start(folder: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(folder.join("tandem-dataplane"));
    command.args(["--sip", "127.0.0.1:0", "--shards", "1", "--fast-path", "off", "--data"]).arg(folder.join("data"));
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Whether it comes up; what it said. It is ended.
fn outcome(mut child: Child, folder: &Path) -> (bool, String) {
    let (socket, deadline) = (folder.join("data/run/dataplane.sock"), Instant::now() + PATIENCE);
    let up = loop {
        if child.try_wait().unwrap().is_some() {
            break false;
        }
        if socket.exists() && folder.join("asked").exists() {
            break true;
        }
        assert!(Instant::now() < deadline, "it comes up or ends");
        std::thread::sleep(Duration::from_millis(10));
    };
    // SIGKILL: only what was said until now counts.
    let _ = child.kill();
    child.wait().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (up, said)
}

#[test]
fn something_fatal_refuses_the_start_in_production_unless_the_operator_knows() {
    for (arguments, code, up) in [
        (&["--host-profile", "vm"][..], 3, false),
        (&["--host-profile", "vm", "--i-know"][..], 3, true),
        (&["--host-profile", "vm"][..], 0, true),
        (&[][..], 3, true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        beside(folder.path(), code);
        let (came_up, said) = outcome(start(folder.path(), arguments), folder.path());
        assert_eq!(came_up, up, "{arguments:?} {code}: {said}");
        assert!(said.contains(LINE) || arguments.is_empty(), "{said}");
        let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
        let profile = if arguments.is_empty() { "lab" } else { "vm" };
        assert!(
            asked.starts_with(&format!("check --summary --profile {profile} --rtp 10000-29999 --data ")),
            "{asked}"
        );
    }
}
