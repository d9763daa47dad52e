//! The program looks at made-up hosts: each check can be right, wrong, and beside the point.

#[path = "made_up/host.rs"]
mod made_up;

use std::path::Path;

use made_up::{host, row, run, tune};
use serde_json::Value;

fn check(root: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    run("check", root, arguments)
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
        report["checks"].as_array().is_some_and(|rows| rows.len() >= 50 && rows.iter().all(|row| row["ok"] != false)),
        "{report}"
    );
    // Nothing here can be asked about another machine, a hypervisor, or which of two ways is faster.
    let beside: Vec<&str> = report["checks"]
        .as_array()
        .expect("a report has checks")
        .iter()
        .filter(|row| row["ok"].is_null())
        .filter_map(|row| row["check"].as_str())
        .collect();
    // The host of this test has no BTF, as a container may not; sockets relay everything then.
    let expected = [
        "fast-path",
        "media-sockets",
        "early-demux",
        "arp",
        "nonlocal-bind",
        "steal",
        "vip-nic",
        "peer-wire",
        "database-latency",
    ];
    assert_eq!(beside, expected);
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
    fails("answers/io_uring", "single_issuer yes\nbuf_ring no\n", "io-uring-features", "fatal");
    fails("proc/sys/net/core/rmem_default", "65536\n", "rmem-default", "warn");
    fails("proc/sys/net/ipv4/udp_mem", "10 20 30\n", "udp-mem", "warn");
    fails("proc/sys/net/core/netdev_max_backlog", "1000\n", "backlog", "warn");
    fails("proc/sys/net/core/netdev_budget", "300\n", "budget", "warn");
    fails("proc/sys/net/core/busy_read", "50\n", "busy-poll", "info");
    fails("proc/sys/net/ipv4/conf/all/rp_filter", "1\n", "rp-filter", "warn");
    fails("sys/devices/system/cpu/cpu0/cpuidle/state1/latency", "200\n", "c-states", "warn");
    fails("sys/devices/system/cpu/intel_pstate/no_turbo", "1\n", "turbo", "info");
    fails("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "0\n", "smt", "warn");
    fails("sys/devices/system/cpu/isolated", "\n", "isolation", "info");
    fails("sys/devices/virtual/workqueue/cpumask", "3\n", "workqueues", "info");
    let rules = r#"{"nftables": [RULES{"chain": {}}]}"#.replace("RULES", &r#"{"rule": {}},"#.repeat(101));
    fails("usr/sbin/rules", &rules, "filter-rules", "info");
    fails("proc/sys/vm/stat_interval", "1\n", "stat-interval", "info");
    fails("proc/sys/kernel/nmi_watchdog", "1\n", "nmi-watchdog", "info");
    fails("proc/sys/kernel/numa_balancing", "1\n", "numa-balancing", "warn");
    fails("sys/devices/system/node/node1/cpulist", "2-3\n", "numa", "info");
    fails("etc/systemd/journald.conf", "[Journal]\n#RateLimitBurst=0\n", "journald", "info");
}

#[test]
fn each_check_of_a_card_can_fail_alone() {
    fails("usr/sbin/cards/eth0/N.udp4", "sd\n", "rss-hash", "warn");
    fails("usr/sbin/cards/eth0/N.udp6", "sd\n", "rss-hash", "warn");
    fails("usr/sbin/cards/eth0/L.combined", "1\n", "queues", "warn");
    fails("proc/irq/41/smp_affinity_list", "0-1\n", "irq-affinity", "warn");
    fails("proc/77/comm", "irqbalance\n", "irqbalance", "warn");
    fails("sys/class/net/eth0/queues/tx-1/xps_cpus", "00000003\n", "xps", "warn");
    fails("sys/class/net/eth0/queues/rx-0/rps_cpus", "3\n", "rps", "warn");
    fails("usr/sbin/cards/eth0/G.rx", "512\n", "rings", "warn");
    fails("usr/sbin/cards/eth0/C.adaptive-rx", "on\n", "coalescing", "warn");
    fails("usr/sbin/cards/eth0/C.rx-usecs", "100\n", "coalescing", "warn");
    fails("usr/sbin/cards/eth0/K.lro", "on\n", "offloads", "warn");
    fails("usr/sbin/cards/eth0/A.rx", "on\n", "pause", "info");
    fails("sys/class/net/eth0/mtu", "1400\n", "mtu", "warn");
}

#[test]
fn a_clock_that_is_off_or_not_kept_is_fatal() {
    let tracking = |fields: &str| format!("#!/bin/sh\necho '{fields}'\n");
    for (fields, ok) in [
        ("A,ntp,4,1,-0.009,0,0,0,0,0,0,0,64,Normal", Value::Bool(true)),
        ("A,ntp,4,1,-0.011,0,0,0,0,0,0,0,64,Normal", Value::Bool(false)),
        ("A,ntp,0,1,0.000,0,0,0,0,0,0,0,64,Not synchronised", Value::Bool(false)),
        ("what is this", Value::Null),
    ] {
        let host = host(&[("usr/bin/chronyc", Some(&tracking(fields)))]);
        let (_, report) = check(host.path(), &[]);
        let row = row(&report, "time-offset");
        assert_eq!((&row["ok"], &row["severity"]), (&ok, &Value::from("fatal")), "{fields}");
    }
}

#[test]
fn a_service_address_asks_for_more() {
    let vip = ["--vip-nic", "eth0", "--peer", "192.0.2.9"];
    let (code, report) = check(host(&[]).path(), &vip);
    for name in ["arp", "nonlocal-bind", "vip-nic", "peer-wire"] {
        assert_eq!(row(&report, name)["ok"], true, "{name}");
    }
    assert_eq!(code, Some(0));
    for (path, text, name) in [
        ("proc/sys/net/ipv4/conf/all/arp_ignore", "0\n", "arp"),
        ("proc/sys/net/ipv4/ip_nonlocal_bind", "0\n", "nonlocal-bind"),
        ("sys/class/net/eth0/operstate", "down\n", "vip-nic"),
    ] {
        assert_eq!(row(&check(host(&[(path, Some(text))]).path(), &vip).1, name)["ok"], false, "{name}");
    }
    let (code, report) = check(host(&[]).path(), &["--peer", "203.0.113.9"]);
    assert_eq!((code, &row(&report, "peer-wire")["ok"]), (Some(3), &Value::Bool(false)), "it is behind a router");
}

#[test]
fn a_near_database_is_fine_and_a_silent_one_is_fatal() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound listener").to_string();
    let far = ["--database", &address, "--set=database_ms=1000", "--only=database-latency"];
    assert_eq!(row(&check(host(&[]).path(), &far).1, "database-latency")["ok"], true);
    drop(listener);
    let (code, report) = check(host(&[]).path(), &far);
    assert_eq!((code, &row(&report, "database-latency")["ok"]), (Some(3), &Value::Bool(false)));
}

#[test]
fn without_its_program_a_question_is_beside_the_point() {
    let bare = host(&[("usr/sbin/ethtool", None), ("usr/bin/chronyc", None), ("usr/sbin/nft", None)]);
    let (code, report) = check(bare.path(), &[]);
    for name in ["rings", "rss-hash", "queues", "coalescing", "offloads", "pause", "time-offset", "filter-rules"] {
        assert_eq!(row(&report, name)["ok"], Value::Null, "{name}");
    }
    assert_eq!(code, Some(0));
}

#[test]
fn only_named_checks_are_asked_and_the_summary_is_one_line() {
    let host = host(&[("proc/sys/vm/swappiness", Some("60\n")), ("proc/sys/kernel/io_uring_disabled", Some("2\n"))]);
    let (code, report) = check(host.path(), &["--only", "swappiness,thp"]);
    assert_eq!((code, report["checks"].as_array().map(Vec::len)), (Some(0), Some(2)));
    let root = host.path().to_str().expect("temporary folders have plain names");
    let easy = ["--set=disk_free_mib=1", "--set=disk_free_percent=1"];
    let output =
        tune(&[&["check", "--summary", "--profile", "vm", "--root", root, "--data", root], &easy[..]].concat());
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "host as vm: 1 fatal (io-uring), 1 warnings; see tandem-tune check --profile vm\n"
    );
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_clock_that_nobody_keeps_is_fatal_except_in_a_lab_and_no_question_in_a_container() {
    let alone = host(&[("run/chrony/chronyd.pid", None)]);
    let (code, report) = check(alone.path(), &[]);
    assert_eq!((code, &row(&report, "time-sync")["ok"]), (Some(3), &Value::Bool(false)));
    assert_eq!(check(alone.path(), &["--profile", "metal"]).0, Some(2), "a profile is said once");
    let contained = host(&[("run/chrony/chronyd.pid", None), (".dockerenv", Some(""))]);
    let (code, report) = check(contained.path(), &[]);
    assert_eq!((code, &row(&report, "time-sync")["ok"]), (Some(0), &Value::Null));
}

#[test]
fn a_virtual_machine_is_not_blamed_for_its_hypervisor() {
    let governor = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
    let other = governor.replace("cpu0", "cpu1");
    let guest = host(&[("proc/cpuinfo", Some("flags : fpu hypervisor tsc\n")), (governor, None), (&other, None)]);
    let (_, report) = check(guest.path(), &[]);
    assert_eq!(report["virtual_machine"], true);
    assert_eq!(row(&report, "governor")["ok"], Value::Null);
    assert_eq!(row(&report, "governor")["found"], "the hypervisor decides");
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
    let senseless: [&[&str]; 9] = [
        &["apply", "--only=luck"],
        &["check", "--only=kernel,luck"],
        &["change"],
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
    assert!(names.lines().count() >= 50);
    for name in names.lines().filter_map(|line| line.split_whitespace().next()) {
        let said = String::from_utf8(tune(&["explain", name]).stdout).expect("what the program says is UTF-8");
        assert!(said.contains("Why: ") && said.contains("Mend: "), "{said}");
    }
    let all: Value = serde_json::from_slice(&tune(&["explain", "--json"]).stdout).expect("JSON");
    assert_eq!(all.as_array().map(Vec::len), Some(names.lines().count()));
    let one: Value = serde_json::from_slice(&tune(&["explain", "io-uring", "--json"]).stdout).expect("JSON");
    assert_eq!((&one[0]["check"], &one[0]["in_a_lab"]), (&"io-uring".into(), &"fatal".into()));
}

#[test]
fn settings_are_told_to_people_and_to_programs() {
    let rows: Value = serde_json::from_slice(&tune(&["settings", "--json"]).stdout).expect("JSON");
    let table = String::from_utf8(tune(&["settings"]).stdout).expect("what the program says is UTF-8");
    for row in rows.as_array().expect("a list") {
        let [name, meaning] = ["setting", "meaning"].map(|field| row[field].as_str().expect("text"));
        assert!(table.contains(&format!("| `{name}` | {meaning} | ")), "{row}");
    }
    assert_eq!(rows.as_array().map(|rows| rows.len() + 2), Some(table.lines().count()));
}

#[test]
fn who_only_looks_leaves_nothing() {
    let host = host(&[]);
    assert_eq!(run("verify", host.path(), &[]).0, Some(1), "nothing was applied here");
    assert!(!host.path().join("var/lib/tandem-tune").exists());
}
