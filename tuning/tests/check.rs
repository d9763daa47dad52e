//! The program against made-up hosts: folders of files as /proc, /sys and /run would show them.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A host with nothing to complain about.
const GOOD: &[(&str, &str)] = &[
    ("proc/sys/kernel/osrelease", "6.1.0-28-amd64\n"),
    ("proc/sys/kernel/io_uring_disabled", "0\n"),
    (
        "proc/self/limits",
        "Limit Soft Hard Units\nMax open files            1048576 1048576 files\nMax locked memory         unlimited unlimited bytes\n",
    ),
    ("proc/self/status", "Name:\tx\nCapEff:\t0000000000000000\n"),
    ("proc/sys/net/ipv4/ip_local_port_range", "40000\t60999\n"),
    ("proc/sys/net/ipv4/ip_local_reserved_ports", "\n"),
    ("proc/sys/net/core/rmem_max", "67108864\n"),
    ("proc/sys/net/core/wmem_max", "67108864\n"),
    ("proc/net/snmp", "Udp: InDatagrams NoPorts RcvbufErrors\nUdp: 9 0 4\n"),
    ("proc/modules", "veth 1 0 - Live\n"),
    ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
    ("proc/swaps", "Filename Type\n/dev/sda2 partition\n"),
    ("proc/sys/vm/swappiness", "10\n"),
    ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
    ("run/chrony/chronyd.pid", "1\n"),
    ("proc/cpuinfo", "processor : 0\nflags : fpu tsc\n"),
];

fn host(changes: &[(&str, Option<&str>)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("every path has a folder")).expect("a folder can be made");
        std::fs::write(path, text).expect("a file can be written");
    };
    GOOD.iter().for_each(|(path, text)| write(path, text));
    for (path, change) in changes {
        match change {
            Some(text) => write(path, text),
            None => std::fs::remove_file(folder.path().join(path)).expect("only what is there is taken away"),
        }
    }
    folder
}

fn tune(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tandem-tune")).args(arguments).output().expect("the program can be started")
}

fn check(root: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    let root = root.to_str().expect("temporary folders have plain names");
    let roomy = ["check", "--json", "--profile", "metal", "--root", root, "--data", root];
    // The machine that runs the test may be full or slow: only the made-up files count.
    let easy = ["--set=watch_ms=0", "--set=disk_free_mib=1", "--set=disk_free_percent=1", "--set=fsync_ms=10000"];
    let output = tune(&[&roomy, &easy[..], arguments].concat());
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), report)
}

fn row<'a>(report: &'a Value, name: &str) -> &'a Value {
    let rows = report["checks"].as_array().expect("a report has checks");
    rows.iter().find(|row| row["check"] == name).unwrap_or_else(|| panic!("no row is called {name}"))
}

/// One change to a good host: which check fails, how badly, with which exit code.
fn fails(path: &str, text: &str, name: &str, severity: &str) {
    let host = host(&[(path, Some(text))]);
    let (code, report) = check(host.path(), &[]);
    assert_eq!(
        (&row(&report, name)["ok"], &row(&report, name)["severity"]),
        (&Value::Bool(false), &severity.into()),
        "{name}"
    );
    assert_eq!(code, Some(if severity == "fatal" { 3 } else { 0 }), "{name}");
    let others = report["checks"].as_array().expect("a report has checks").iter();
    let failed: Vec<&Value> = others.filter(|row| row["ok"] == false && row["check"] != name).collect();
    assert!(failed.is_empty(), "{name} was not alone: {failed:?}");
}

#[test]
fn a_good_host_passes_every_check() {
    let host = host(&[]);
    let (code, report) = check(host.path(), &[]);
    assert_eq!(code, Some(0));
    assert_eq!((report["fatal"].as_u64(), report["warnings"].as_u64()), (Some(0), Some(0)), "{report}");
    assert!(
        report["checks"].as_array().is_some_and(|rows| rows.len() >= 12 && rows.iter().all(|row| row["ok"] == true)),
        "{report}"
    );
}

#[test]
fn each_check_can_fail_alone() {
    let limits = "Max open files 20000 20000 files\nMax locked memory 8388608 8388608 bytes\n";
    fails("proc/sys/kernel/osrelease", "5.15.0-generic\n", "kernel", "fatal");
    fails("proc/sys/kernel/io_uring_disabled", "2\n", "io-uring", "fatal");
    fails("proc/self/limits", &limits.replace("8388608", "unlimited"), "nofile", "fatal");
    fails("proc/self/limits", &limits.replace("20000", "1048576"), "memlock", "fatal");
    fails("proc/sys/net/ipv4/ip_local_port_range", "20000\t60999\n", "rtp-reserved", "fatal");
    fails("proc/sys/net/core/rmem_max", "212992\n", "rmem-max", "warn");
    fails("proc/sys/net/core/wmem_max", "212992\n", "wmem-max", "warn");
    fails("proc/modules", "nf_conntrack_sip 1 0 - Live\n", "conntrack-sip", "warn");
    fails("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n", "governor", "warn");
    fails("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n", "thp", "warn");
    fails("proc/sys/vm/swappiness", "60\n", "swappiness", "warn");
    fails("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n", "clocksource", "warn");
}

#[test]
fn a_clock_that_nobody_keeps_is_fatal_except_in_a_lab_and_no_question_in_a_container() {
    let alone = host(&[("run/chrony/chronyd.pid", None)]);
    let (code, report) = check(alone.path(), &[]);
    assert_eq!((code, &row(&report, "time-sync")["ok"]), (Some(3), &Value::Bool(false)));
    let (code, report) = check(alone.path(), &["--profile", "metal"]);
    assert_eq!((code, report), (Some(2), Value::Null), "a profile is said once");
    let contained = host(&[("run/chrony/chronyd.pid", None), (".dockerenv", Some(""))]);
    let (code, report) = check(contained.path(), &[]);
    assert_eq!((code, &row(&report, "time-sync")["ok"]), (Some(0), &Value::Null));
}

#[test]
fn a_virtual_machine_is_not_blamed_for_its_hypervisor() {
    let governor = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
    let guest = host(&[("proc/cpuinfo", Some("flags : fpu hypervisor tsc\n")), (governor, None)]);
    let (_, report) = check(guest.path(), &[]);
    assert_eq!(report["virtual_machine"], true);
    assert_eq!(row(&report, "governor")["ok"], Value::Null);
    assert_eq!(row(&report, "governor")["found"], "the hypervisor sets the clock");
}

#[test]
fn media_ports_are_counted_and_reserved_ones_are_safe() {
    let taken = ("proc/sys/net/ipv4/ip_local_port_range", Some("32768\t60999\n"));
    for (reserved, safe) in
        [("32768-39999", true), ("20000-30000,30001-39999", true), ("32768-39998", false), ("32769-39999", false)]
    {
        let host = host(&[taken, ("proc/sys/net/ipv4/ip_local_reserved_ports", Some(reserved))]);
        assert_eq!(row(&check(host.path(), &["--rtp", "20000-39999"]).1, "rtp-reserved")["ok"], safe, "{reserved}");
    }
    let host = host(&[]);
    assert_eq!(row(&check(host.path(), &["--rtp", "20000-39998"]).1, "rtp-range")["ok"], false);
    assert_eq!(row(&check(host.path(), &["--rtp", "20000-39999"]).1, "rtp-range")["ok"], true);
}

#[test]
fn a_connection_table_warns_when_used_and_is_fatal_when_nearly_full() {
    let table = |used| {
        [
            ("proc/sys/net/netfilter/nf_conntrack_max", Some("100")),
            ("proc/sys/net/netfilter/nf_conntrack_count", Some(used)),
        ]
    };
    for (used, ok, severity, code) in
        [("0", true, "warn", 0), ("1", false, "warn", 0), ("79", false, "warn", 0), ("80", false, "fatal", 3)]
    {
        let host = host(&table(used));
        let (exit, report) = check(host.path(), &[]);
        let row = row(&report, "conntrack");
        assert_eq!((&row["ok"], &row["severity"], exit), (&ok.into(), &severity.into(), Some(code)), "{used}");
    }
}

#[test]
fn the_table_says_what_the_json_says() {
    let host = host(&[("proc/sys/vm/swappiness", Some("60\n"))]);
    let root = host.path().to_str().expect("temporary folders have plain names");
    let output = tune(&[
        "check",
        "--root",
        root,
        "--data",
        root,
        "--set=watch_ms=0",
        "--set=disk_free_mib=1",
        "--set=disk_free_percent=1",
    ]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let heading: Vec<&str> = text.lines().next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(heading, ["CHECK", "WANT", "FOUND", "SEVERITY", "OK"]);
    assert!(text.lines().any(|line| line.starts_with("swappiness") && line.ends_with("NO")), "{text}");
    assert!(text.contains("tandem-tune explain "), "{text}");
}

#[test]
fn a_command_line_without_sense_is_refused_with_code_2() {
    let senseless: [&[&str]; 6] = [
        &[],
        &["check", "--set=calls_max=0"],
        &["check", "--set=volume=11"],
        &["check", "--set=calls_max"],
        &["check", "--rtp=9-8"],
        &["explain", "luck"],
    ];
    for arguments in senseless {
        assert_eq!(tune(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn every_check_explains_itself() {
    let names = String::from_utf8(tune(&["explain"]).stdout).expect("what the program says is UTF-8");
    assert!(names.lines().count() >= 12);
    for name in names.lines().filter_map(|line| line.split_whitespace().next()) {
        let said = String::from_utf8(tune(&["explain", name]).stdout).expect("what the program says is UTF-8");
        assert!(said.contains("Why: ") && said.contains("Mend: "), "{said}");
    }
}
