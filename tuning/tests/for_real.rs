//! A real kernel, changed and put back: what belongs to a network namespace, and a virtual cable's cards, in a namespace of the test's own.
//! What belongs to a whole machine is changed in one of its own by `make tune-machine`.

#![allow(clippy::print_stderr, reason = "a test that could not run says so")]

use std::process::{Command, Output};

use serde_json::Value;

/// Makes a namespace with one end of a cable whose settings are poor, then runs the program there. The cable shows its queues in a
/// /sys of the namespace's own.
const STAGE: &str = r#"
set -e
export PATH=$PATH:/usr/sbin:/sbin
mount -t sysfs sysfs /sys
ip link set lo up
ip link add card0 type veth peer name card1
cd /proc/sys/net/ipv4
queues=/sys/class/net/card0/queues
echo 1 > conf/all/rp_filter
echo 0 > conf/all/arp_ignore
echo 0 > conf/all/arp_announce
echo 0 > ip_nonlocal_bind
echo '20000 60999' > ip_local_port_range
echo 1 > $queues/rx-0/rps_cpus
state() {
    cat conf/all/rp_filter ip_local_reserved_ports conf/all/arp_ignore conf/all/arp_announce ip_nonlocal_bind
    cat $queues/rx-0/rps_cpus $queues/tx-0/xps_cpus
    ethtool -l card0 | tail -n 5
}
tune() {
    verb=$1; only=$2; shift 2
    "$TUNE" "$verb" --json --profile vm --set=shards=2 --nic card0 --vip-nic card0 --only "$only" "$@" || echo "exit $?" >&2
}
journal="--journal $WORK/journal"
all=rp-filter,rtp-reserved,queues,xps,rps,arp,nonlocal-bind
state > "$WORK/before"
tune apply $all $journal > "$WORK/apply"
state > "$WORK/changed"
tune verify $all $journal > "$WORK/verify"
tune revert $all $journal > "$WORK/revert"
state > "$WORK/after"
first=rp-filter,rtp-reserved,queues
tune apply $first $journal --script "$WORK/script"
sh -e "$WORK/script" > "$WORK/said"
tune check $first > "$WORK/scripted"
"#;

fn unshared(work: &str) -> std::io::Result<Output> {
    Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", STAGE])
        .env("TUNE", env!("CARGO_BIN_EXE_tandem-tune"))
        .env("WORK", work)
        .env_remove("SSH_CONNECTION")
        .output()
}

fn possible() -> bool {
    let stage = "PATH=$PATH:/usr/sbin:/sbin ethtool --version && mount -t sysfs sysfs /sys";
    let tried = Command::new("unshare").args(["--net", "--mount", "sh", "-c", stage]).output();
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
    let count = |check: &str| steps.iter().filter(|step| step["check"] == check).count();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // With one core there is nothing to spread sending queues over.
    let sending = if cores > 1 { 2 } else { 0 };
    for (check, changes) in [
        ("rp-filter", 1),
        ("rtp-reserved", 1),
        ("queues", 2),
        ("xps", sending),
        ("rps", 1),
        ("arp", 2),
        ("nonlocal-bind", 1),
    ] {
        assert_eq!(count(check), changes, "{check}: {applied}");
    }
    // The kernel writes a mask with as many digits as it has cores.
    assert!(steps.iter().all(|step| step["outcome"] == "done" || step["check"] == "xps"), "{applied}");
    let changed = read("changed");
    assert_eq!(changed.lines().take(5).collect::<Vec<_>>(), ["2", "10000-29999", "1", "2", "1"]);
    assert!(
        changed.lines().nth(5).is_some_and(|mask| mask.bytes().all(|byte| byte == b'0' || byte == b',')),
        "{changed}"
    );
    let fine = |name: &str| {
        let looked = report(name);
        let rows = looked["checks"].as_array().expect("checks").clone();
        assert!(!rows.is_empty() && rows.iter().all(|row| row["ok"] == true), "{name}: {looked}");
    };
    // On one core `xps` makes no sense, and nothing of it was applied.
    fine("verify");
    assert_eq!(read("after"), read("before"), "everything stands as it stood");
    // The script did the same, without a journal.
    fine("scripted");
}
