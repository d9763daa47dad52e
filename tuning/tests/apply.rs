//! Changing made-up hosts: planned, applied, verified, made to last, put back, whatever happens in between.

#[path = "made_up/host.rs"]
mod made_up;

use std::path::Path;

use made_up::{host, row, run, tune};
use serde_json::Value;

/// Values that a host in need of care has, and the checks that complain.
const POOR: &[(&str, &str, &str)] = &[
    ("proc/sys/kernel/io_uring_disabled", "2", "io-uring"),
    ("proc/sys/net/ipv4/ip_local_port_range", "20000\t60999", "rtp-reserved"),
    ("proc/sys/net/core/rmem_max", "212992", "rmem-max"),
    ("proc/sys/net/core/wmem_max", "212992", "wmem-max"),
    ("proc/sys/net/core/rmem_default", "1024", "rmem-default"),
    ("proc/sys/net/ipv4/udp_mem", "10 20 30", "udp-mem"),
    ("proc/sys/net/core/netdev_max_backlog", "1000", "backlog"),
    ("proc/sys/net/core/netdev_budget", "300", "budget"),
    ("proc/sys/net/core/busy_poll", "50", "busy-poll"),
    ("usr/sbin/cards/eth0/N.udp4", "sd", "rss-hash"),
    ("usr/sbin/cards/eth0/L.combined", "1", "queues"),
    ("proc/irq/41/smp_affinity_list", "0-1", "irq-affinity"),
    ("sys/class/net/eth0/queues/tx-1/xps_cpus", "3", "xps"),
    ("sys/class/net/eth0/queues/rx-0/rps_cpus", "3", "rps"),
    ("usr/sbin/cards/eth0/G.rx", "512", "rings"),
    ("usr/sbin/cards/eth0/C.adaptive-rx", "on", "coalescing"),
    ("usr/sbin/cards/eth0/K.lro", "on", "offloads"),
    ("usr/sbin/cards/eth0/A.tx", "on", "pause"),
    ("proc/sys/net/ipv4/conf/all/rp_filter", "1", "rp-filter"),
    ("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave", "governor"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state1/latency", "200", "c-states"),
    ("sys/devices/system/cpu/intel_pstate/no_turbo", "1", "turbo"),
    ("sys/devices/virtual/workqueue/cpumask", "3", "workqueues"),
    ("proc/sys/vm/stat_interval", "1", "stat-interval"),
    ("proc/sys/kernel/nmi_watchdog", "1", "nmi-watchdog"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never", "thp"),
    ("proc/sys/vm/swappiness", "60", "swappiness"),
    ("proc/sys/kernel/numa_balancing", "1", "numa-balancing"),
];

fn poor() -> tempfile::TempDir {
    let changes: Vec<(&str, Option<&str>)> = POOR.iter().map(|(path, text, _)| (*path, Some(*text))).collect();
    host(&changes)
}

fn text(root: &Path, path: &str) -> String {
    std::fs::read_to_string(root.join(path)).unwrap_or_default().trim().to_owned()
}

/// Everything that an operator could have set, before and after.
fn state(root: &Path) -> Vec<String> {
    POOR.iter().map(|(path, ..)| text(root, path)).collect()
}

fn outcomes(report: &Value) -> Vec<(&str, &str)> {
    let steps = report["steps"].as_array().expect("a report has steps").iter();
    steps.map(|step| (step["check"].as_str().unwrap_or(""), step["outcome"].as_str().unwrap_or(""))).collect()
}

#[test]
fn every_value_is_planned_applied_verified_and_put_back_exactly() {
    let host = poor();
    let before = state(host.path());
    let (code, plan) = run("plan", host.path(), &[]);
    assert_eq!(code, Some(0));
    let planned: Vec<&str> =
        plan["changes"].as_array().expect("a plan").iter().filter_map(|row| row["check"].as_str()).collect();
    for (_, _, name) in POOR {
        assert!(planned.contains(name), "{name} is planned: {planned:?}");
    }
    assert_eq!(state(host.path()), before, "a plan changes nothing");

    let (code, applied) = run("apply", host.path(), &[]);
    assert_eq!((code, &applied["still_wrong"]), (Some(0), &Value::Array(Vec::new())), "{applied}");
    assert!(outcomes(&applied).iter().all(|(_, outcome)| *outcome == "done"), "{applied}");
    assert_eq!(text(host.path(), "proc/sys/net/core/rmem_max"), "16777216");
    assert_eq!(text(host.path(), "usr/sbin/cards/eth0/G.rx"), "4096");
    let (code, verified) = run("verify", host.path(), &[]);
    assert_eq!((code, verified["fatal"].as_u64(), verified["warnings"].as_u64()), (Some(0), Some(0), Some(0)));

    let (code, again) = run("apply", host.path(), &[]);
    assert_eq!((code, outcomes(&again)), (Some(0), Vec::new()), "a second time there is nothing to do");

    assert_eq!(run("revert", host.path(), &[]).0, Some(0));
    let after: Vec<String> = state(host.path());
    let plain: Vec<String> = before.iter().map(|text| text.replace('\t', " ")).collect();
    let after: Vec<String> = after.iter().map(|text| text.replace('\t', " ")).collect();
    // Of `[always] madvise never` the kernel takes and gives the chosen word.
    let expected: Vec<String> = plain.iter().map(|text| text.replace("[always] madvise never", "always")).collect();
    assert_eq!(after, expected);
    assert_eq!(run("verify", host.path(), &[]).0, Some(1), "there is nothing left to verify");
}

#[test]
fn a_rehearsal_says_what_would_be_done_and_does_nothing() {
    let host = poor();
    let before = state(host.path());
    assert_eq!(outcomes(&run("revert", host.path(), &["--dry-run"]).1), [], "there is nothing to put back");
    let (code, rehearsed) = run("apply", host.path(), &["--dry-run"]);
    assert_eq!((code, state(host.path())), (Some(0), before.clone()), "{rehearsed}");
    assert!(!host.path().join("var/lib/tandem-tune/journal").exists(), "a rehearsal keeps no journal");
    let would = outcomes(&rehearsed);
    assert!(would.len() >= POOR.len() && would.iter().all(|(_, outcome)| *outcome == "planned"), "{rehearsed}");

    run("apply", host.path(), &[]);
    let tuned = state(host.path());
    let (code, rehearsed) = run("revert", host.path(), &["--dry-run", "--only=swappiness"]);
    assert_eq!((code, outcomes(&rehearsed)), (Some(0), vec![("swappiness", "planned")]), "{rehearsed}");
    assert_eq!((&rehearsed["steps"][0]["after"], state(host.path())), (&"60".into(), tuned), "{rehearsed}");
    assert_eq!(run("revert", host.path(), &[]).0, Some(0), "what a rehearsal told of can still be done");
}

#[test]
fn what_goes_wrong_again_is_found_by_verify() {
    let host = poor();
    run("apply", host.path(), &["--only=swappiness,thp"]);
    assert_eq!(text(host.path(), "proc/sys/net/core/rmem_max"), "212992", "only what is named is changed");
    std::fs::write(host.path().join("proc/sys/vm/swappiness"), "60").expect("a file can be written");
    let (code, report) = run("verify", host.path(), &[]);
    assert_eq!((code, report["checks"].as_array().map(Vec::len)), (Some(3), Some(2)));
    assert_eq!((&row(&report, "swappiness")["ok"], &row(&report, "thp")["ok"]), (&false.into(), &true.into()));
    // Good enough in itself, and yet not what was set.
    std::fs::write(host.path().join("proc/sys/vm/swappiness"), "9").expect("a file can be written");
    let (code, report) = run("verify", host.path(), &[]);
    assert_eq!((code, &row(&report, "swappiness")["ok"]), (Some(3), &true.into()));
    assert_eq!(["verify", "revert"].map(|verb| run(verb, host.path(), &["--only=nothing"]).0), [Some(2); 2]);
}

#[test]
fn a_value_that_somebody_else_changed_is_not_overwritten_unless_forced() {
    let host = poor();
    run("apply", host.path(), &["--only=swappiness,backlog"]);
    std::fs::write(host.path().join("proc/sys/vm/swappiness"), "33").expect("a file can be written");
    let (code, said) = run("revert", host.path(), &[]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.as_str().is_some_and(|words| words.contains("/proc/sys/vm/swappiness is 33")), "{said}");
    assert_eq!(text(host.path(), "proc/sys/net/core/netdev_max_backlog"), "16384", "nothing at all was put back");
    assert_eq!(run("revert", host.path(), &["--only=backlog"]).0, Some(0), "the other one can be");
    assert_eq!(text(host.path(), "proc/sys/net/core/netdev_max_backlog"), "1000");
    assert_eq!(run("revert", host.path(), &["--force"]).0, Some(0));
    assert_eq!(text(host.path(), "proc/sys/vm/swappiness"), "60");
}

#[test]
fn a_crash_in_the_middle_of_apply_loses_no_old_value() {
    let host = poor();
    run("apply", host.path(), &["--only=swappiness"]);
    // The next change was journaled and not made; the one after it was being written down.
    let journal = host.path().join("var/lib/tandem-tune/journal");
    let mut lines = std::fs::read_to_string(&journal).expect("a journal");
    lines.push_str(concat!(
        r#"{"record":"intent","check":"backlog","target":{"kernel":"proc/sys/net/core/netdev_max_backlog"},"#,
        r#""before":"1000","after":"16384"}"#,
        "\n",
        r#"{"record":"intent","check":"thp","target":{"ker"#
    ));
    std::fs::write(&journal, lines).expect("a file can be written");
    assert_eq!(run("apply", host.path(), &["--only=budget"]).0, Some(0), "the torn line is no hindrance");
    assert_eq!(run("revert", host.path(), &[]).0, Some(0));
    for (path, value) in [
        ("proc/sys/vm/swappiness", "60"),
        ("proc/sys/net/core/netdev_max_backlog", "1000"),
        ("proc/sys/net/core/netdev_budget", "300"),
    ] {
        assert_eq!(text(host.path(), path), value, "{path}");
    }
    assert!(!journal.exists(), "everything was put back");
}

#[test]
fn killed_between_two_values_it_puts_the_first_one_back() {
    let host = poor();
    let before = state(host.path());
    // Setting the ring's length ends the program that asked for it, as SIGKILL does at any moment.
    let deadly = r#"-G) echo "$4" >"$at/G.$3"; kill -9 $PPID ;;"#;
    let program = include_str!("made_up/ethtool.sh");
    let path = host.path().join("usr/sbin/ethtool");
    std::fs::write(&path, program.replace("-N) echo", &format!("{deadly}\n-N) echo"))).expect("a file can be written");
    assert_eq!(run("apply", host.path(), &["--only=backlog,rings,swappiness"]).0, None, "it was killed");
    assert_eq!(text(host.path(), "proc/sys/net/core/netdev_max_backlog"), "16384");
    assert_eq!(text(host.path(), "proc/sys/vm/swappiness"), "60", "it came no further");
    std::fs::write(&path, program).expect("a file can be written");
    assert_eq!(run("revert", host.path(), &[]).0, Some(0));
    assert_eq!(state(host.path()), before);
}

#[test]
fn a_journal_that_is_not_understood_is_left_alone() {
    let host = poor();
    let journal = host.path().join("var/lib/tandem-tune/journal");
    std::fs::create_dir_all(journal.parent().expect("a folder")).expect("a folder can be made");
    for unknown in ["{\"record\":\"wish\"}\n", "luck\n"] {
        std::fs::write(&journal, unknown).expect("a file can be written");
        for verb in ["apply", "revert", "verify", "persist"] {
            assert_eq!(run(verb, host.path(), &[]).0, Some(1), "{verb}");
        }
        assert_eq!(std::fs::read_to_string(&journal).expect("a journal"), unknown);
    }
    assert_eq!(text(host.path(), "proc/sys/vm/swappiness"), "60");
}

#[test]
fn the_card_of_an_ssh_connection_is_touched_only_when_told() {
    // Established, from 192.0.2.77 to our port 22.
    let tcp = "sl local rem st\n 0: 050200C0:0016 4D0200C0:D431 01\n";
    let small = [("usr/sbin/cards/eth0/G.rx", Some("512")), ("proc/net/tcp", Some(tcp))];
    let host = host(&small);
    let (code, report) = run("apply", host.path(), &[]);
    assert_eq!((code, outcomes(&report)), (Some(0), vec![("rings", "skipped")]), "{report}");
    assert_eq!(text(host.path(), "usr/sbin/cards/eth0/G.rx"), "512");
    assert_eq!(run("apply", host.path(), &["--yes-nic"]).0, Some(0));
    assert_eq!(text(host.path(), "usr/sbin/cards/eth0/G.rx"), "4096");
    assert_eq!(outcomes(&run("revert", host.path(), &[]).1), [("rings", "skipped")], "nor is it put back");
    assert_eq!(run("revert", host.path(), &["--yes-nic"]).0, Some(0));
    assert_eq!(text(host.path(), "usr/sbin/cards/eth0/G.rx"), "512");
}

#[test]
fn a_card_below_the_one_of_an_ssh_connection_is_safe_too() {
    let route = "Iface Destination Gateway Flags RefCnt Use Metric Mask\nbond0 00000000 010200C0 3 0 0 0 00000000\n";
    let tcp = "sl local rem st\n 0: 050200C0:0016 4D0200C0:D431 01\n";
    let host = host(&[
        ("usr/sbin/cards/eth0/G.rx", Some("512")),
        ("proc/net/tcp", Some(tcp)),
        ("proc/net/route", Some(route)),
        ("sys/class/net/bond0/lower_eth0", Some("")),
    ]);
    assert_eq!(outcomes(&run("apply", host.path(), &[]).1), [("rings", "skipped")]);
}

#[test]
fn what_was_applied_can_be_made_to_last_and_undone() {
    let limits = "Max open files 20000 20000 files\nMax locked memory unlimited unlimited bytes\n";
    let host = host(&[
        ("proc/sys/vm/swappiness", Some("60")),
        ("usr/sbin/cards/eth0/G.rx", Some("512")),
        ("sys/kernel/mm/transparent_hugepage/enabled", Some("[always] madvise never")),
        ("proc/self/limits", Some(limits)),
    ]);
    assert_eq!(run("apply", host.path(), &[]).0, Some(3), "descriptors are still too few");
    assert_eq!(run("persist", host.path(), &[]).0, Some(0));
    let files = [
        ("etc/sysctl.d/60-tandem.conf", "vm.swappiness = 10"),
        ("etc/tmpfiles.d/60-tandem.conf", "w /sys/kernel/mm/transparent_hugepage/enabled - - - - madvise"),
        ("etc/systemd/system/tandem-cards.service", "ExecStart=-/usr/sbin/ethtool -G eth0 rx 4096"),
        ("etc/security/limits.d/60-tandem-nofile.conf", "root - nofile 1048576"),
    ];
    for (path, line) in files {
        assert!(text(host.path(), path).lines().any(|found| found == line), "{path}: {}", text(host.path(), path));
    }
    let journal = text(host.path(), "var/lib/tandem-tune/journal");
    run("persist", host.path(), &["--only=swappiness"]);
    assert_eq!(text(host.path(), "var/lib/tandem-tune/journal"), journal, "a second time there is nothing to write");
    assert_eq!(run("revert", host.path(), &[]).0, Some(0));
    for (path, _) in files {
        assert!(!host.path().join(path).exists(), "{path} is gone");
    }
}

#[test]
fn somebody_elses_file_is_never_replaced() {
    let theirs = "etc/sysctl.d/60-tandem.conf";
    let host = host(&[("proc/sys/vm/swappiness", Some("60")), (theirs, Some("vm.swappiness = 30\n"))]);
    run("apply", host.path(), &[]);
    let (code, report) = run("persist", host.path(), &[]);
    assert_eq!((code, outcomes(&report)), (Some(1), vec![("persist", "failed")]), "{report}");
    assert_eq!(text(host.path(), theirs), "vm.swappiness = 30");
}

#[test]
fn a_script_does_the_same_later() {
    let host = poor();
    let before = state(host.path());
    let (root, out) = (host.path().to_str().expect("a plain name"), host.path().join("out.sh"));
    let script = out.to_str().expect("a plain name");
    let output = tune(&["apply", "--profile=metal", "--root", root, "--data", root, "--script", script]);
    assert_eq!((output.status.code(), state(host.path())), (Some(0), before), "nothing is changed");
    let lines = std::fs::read_to_string(&out).expect("a script");
    for line in ["printf '%s\\n' 10 > /proc/sys/vm/swappiness", "ethtool -G eth0 rx 4096"] {
        assert!(lines.lines().any(|found| found == line), "{line} in {lines}");
    }
    let sound = std::process::Command::new("sh").arg("-n").arg(&out).status().expect("a shell");
    assert!(sound.success());
}

#[test]
fn a_value_that_cannot_be_set_is_told_and_the_rest_is_done() {
    let host = poor();
    // This driver says yes and changes nothing: a program that fails when told to set.
    let stubborn = include_str!("made_up/ethtool.sh").replace("-G | -L", "-L");
    std::fs::write(host.path().join("usr/sbin/ethtool"), stubborn).expect("a file can be written");
    let (code, report) = run("apply", host.path(), &["--only=rings,swappiness"]);
    assert_eq!((code, outcomes(&report)), (Some(1), vec![("rings", "failed"), ("swappiness", "done")]), "{report}");
    assert_eq!(report["still_wrong"], serde_json::json!(["rings"]));
    assert_eq!(run("revert", host.path(), &[]).0, Some(0), "a change that was not made needs no way back");
}
