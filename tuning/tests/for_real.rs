//! A real kernel, changed and put back: sysctls and a virtual cable in a network namespace of the test's own.

#![allow(clippy::print_stderr, reason = "a test that could not run says so")]

use std::process::{Command, Output};

use serde_json::Value;

/// Makes a namespace with one end of a cable whose settings are poor, then runs the program there.
const STAGE: &str = r#"
set -e
export PATH=$PATH:/usr/sbin:/sbin
ip link set lo up
ip link add card0 type veth peer name card1
ethtool -K card0 gro off >/dev/null
echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter
echo '20000 60999' > /proc/sys/net/ipv4/ip_local_port_range
state() { cat /proc/sys/net/ipv4/conf/all/rp_filter /proc/sys/net/ipv4/ip_local_reserved_ports; ethtool -l card0 | tail -n 5; }
tune() {
    verb=$1; shift
    "$TUNE" "$verb" --json --profile vm --journal "$WORK/journal" --set=shards=2 --nic card0 \
        --only rp-filter,rtp-reserved,queues "$@" || echo "exit $?" >&2
}
state > "$WORK/before"
tune apply > "$WORK/apply"
state > "$WORK/changed"
tune verify > "$WORK/verify"
tune revert > "$WORK/revert"
state > "$WORK/after"
"#;

fn unshared(work: &str) -> std::io::Result<Output> {
    Command::new("unshare")
        .args(["--net", "sh", "-c", STAGE])
        .env("TUNE", env!("CARGO_BIN_EXE_tandem-tune"))
        .env("WORK", work)
        .env_remove("SSH_CONNECTION")
        .output()
}

fn possible() -> bool {
    let tried =
        Command::new("unshare").args(["--net", "sh", "-c", "PATH=$PATH:/usr/sbin:/sbin ethtool --version"]).output();
    tried.is_ok_and(|output| output.status.success())
}

#[test]
fn a_kernels_values_are_changed_and_put_back() {
    if !possible() {
        eprintln!("NOT RUN: a network namespace needs root, unshare, iproute2 and ethtool");
        return;
    }
    let work = tempfile::tempdir().expect("a temporary folder can be made");
    let output = unshared(work.path().to_str().expect("a plain name")).expect("unshare starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains("exit "), "{said}");
    let read = |name: &str| std::fs::read_to_string(work.path().join(name)).unwrap_or_default();
    let report = |name: &str| serde_json::from_str::<Value>(&read(name)).expect("a JSON document");
    let applied = report("apply");
    let steps = applied["steps"].as_array().expect("a report has steps");
    assert_eq!(steps.len(), 4, "ports, two kinds of queues, one filter: {applied}");
    assert!(steps.iter().all(|step| step["outcome"] == "done"), "{applied}");
    assert_eq!(read("changed").lines().take(2).collect::<Vec<_>>(), ["2", "10000-29999"]);
    assert!(report("verify")["checks"].as_array().expect("checks").iter().all(|row| row["ok"] == true));
    assert_eq!(read("after"), read("before"), "everything stands as it stood");
}
