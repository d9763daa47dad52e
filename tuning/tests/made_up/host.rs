//! Made-up hosts: folders of files as /proc, /sys and /run would show them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A host with nothing to complain about.
const GOOD: &[(&str, &str)] = &[
    ("proc/sys/kernel/osrelease", "6.1.0-28-amd64\n"),
    ("proc/sys/kernel/io_uring_disabled", "0\n"),
    ("answers/io_uring", "single_issuer yes\nbuf_ring yes\n"),
    (
        "proc/self/limits",
        "Limit Soft Hard Units\nMax open files            1048576 1048576 files\nMax locked memory         unlimited unlimited bytes\n",
    ),
    ("proc/self/status", "Name:\tx\nCapEff:\t0000000000000000\n"),
    ("proc/1/comm", "systemd\n"),
    ("proc/sys/net/ipv4/ip_local_port_range", "40000\t60999\n"),
    ("proc/sys/net/ipv4/ip_local_reserved_ports", "\n"),
    ("proc/sys/net/core/rmem_max", "67108864\n"),
    ("proc/sys/net/core/wmem_max", "67108864\n"),
    ("proc/sys/net/core/rmem_default", "212992\n"),
    ("proc/sys/net/ipv4/udp_mem", "10000\t20000\t100000\n"),
    ("proc/sys/net/core/netdev_max_backlog", "16384\n"),
    ("proc/sys/net/core/netdev_budget", "600\n"),
    ("proc/sys/net/core/busy_poll", "0\n"),
    ("proc/sys/net/core/busy_read", "0\n"),
    ("proc/sys/net/ipv4/conf/all/rp_filter", "2\n"),
    ("proc/sys/net/ipv4/conf/all/arp_ignore", "1\n"),
    ("proc/sys/net/ipv4/conf/all/arp_announce", "2\n"),
    ("proc/sys/net/ipv4/ip_nonlocal_bind", "1\n"),
    ("proc/sys/net/ipv4/udp_early_demux", "1\n"),
    ("proc/net/snmp", "Udp: InDatagrams NoPorts RcvbufErrors\nUdp: 9 0 4\n"),
    (
        "proc/net/route",
        "Iface Destination Gateway Flags RefCnt Use Metric Mask\neth0 000200C0 00000000 1 0 0 0 00FFFFFF\neth0 00000000 010200C0 3 0 0 0 00000000\n",
    ),
    ("proc/net/tcp", "  sl  local_address rem_address   st\n   0: 050200C0:1F90 4D0200C0:D431 01\n"),
    ("proc/modules", "veth 1 0 - Live\n"),
    ("proc/stat", "cpu  100 0 0 900 0 0 0 0 0 0\n"),
    ("proc/interrupts", "      CPU0 CPU1\n 40: 5 0 PCI-MSI 1-edge eth0-TxRx-0\n 41: 0 5 PCI-MSI 2-edge eth0-TxRx-1\n"),
    ("proc/irq/40/smp_affinity_list", "0\n"),
    ("proc/irq/41/smp_affinity_list", "1\n"),
    ("sys/class/net/eth0/device/numa_node", "0\n"),
    ("sys/class/net/eth0/operstate", "up\n"),
    ("sys/class/net/eth0/mtu", "1500\n"),
    ("sys/class/net/eth0/queues/rx-0/rps_cpus", "00000000\n"),
    ("sys/class/net/eth0/queues/rx-1/rps_cpus", "00000000\n"),
    ("sys/class/net/eth0/queues/tx-0/xps_cpus", "00000001\n"),
    ("sys/class/net/eth0/queues/tx-1/xps_cpus", "00000002\n"),
    ("sys/class/net/lo/mtu", "65536\n"),
    ("usr/sbin/cards/eth0/there", ""),
    ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"),
    ("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state1/latency", "2\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state1/disable", "0\n"),
    ("sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0\n"),
    ("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "1\n"),
    ("sys/devices/system/cpu/intel_pstate/no_turbo", "0\n"),
    ("sys/devices/system/cpu/isolated", "1\n"),
    ("sys/devices/virtual/workqueue/cpumask", "1\n"),
    ("usr/sbin/rules", r#"{"nftables": [{"metainfo": {}}, {"table": {}}, {"rule": {"handle": 4}}]}"#),
    ("sys/devices/system/node/node0/cpulist", "0-1\n"),
    ("proc/sys/vm/stat_interval", "10\n"),
    ("proc/sys/kernel/nmi_watchdog", "0\n"),
    ("proc/sys/kernel/numa_balancing", "0\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
    ("proc/swaps", "Filename Type\n/dev/sda2 partition\n"),
    ("proc/sys/vm/swappiness", "10\n"),
    ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
    ("run/chrony/chronyd.pid", "1\n"),
    ("run/systemd/journal/socket", ""),
    ("etc/systemd/journald.conf", "[Journal]\nRateLimitBurst=100000\n"),
    ("proc/cpuinfo", "processor : 0\nflags : fpu tsc\n"),
];

/// Programs of the made-up host.
const PROGRAMS: &[(&str, &str)] = &[
    ("usr/sbin/ethtool", include_str!("ethtool.sh")),
    ("usr/sbin/nft", "#!/bin/sh\ncat \"$(dirname \"$0\")/rules\"\n"),
    ("usr/bin/chronyc", "#!/bin/sh\necho 'A9FEA97B,ntp,4,1,0.000012,0.1,0.1,-1.2,0,0,0,0,64,Normal'\n"),
];

/// A good host with some files changed, or taken away where nothing is given.
pub fn host(changes: &[(&str, Option<&str>)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("every path has a folder")).expect("a folder can be made");
        std::fs::write(&path, text).expect("a file can be written");
        path
    };
    GOOD.iter().for_each(|(path, text)| drop(file(path, text)));
    for (path, text) in PROGRAMS {
        let path = file(path, text);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a file can be made a program");
    }
    for (path, change) in changes {
        match change {
            Some(text) => drop(file(path, text)),
            None => std::fs::remove_file(folder.path().join(path)).expect("only what is there is taken away"),
        }
    }
    folder
}

/// Runs the program.
pub fn tune(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_tandem-tune");
    Command::new(program).args(arguments).env_remove("SSH_CONNECTION").output().expect("the program can be started")
}

/// Runs a verb against a made-up host; the exit code and the JSON document.
pub fn run(verb: &str, root: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    let root = root.to_str().expect("temporary folders have plain names");
    let roomy = [verb, "--json", "--profile", "metal", "--root", root, "--data", root];
    // The machine that runs the test may be full or slow: only the made-up files count.
    let easy = ["--set=watch_ms=0", "--set=disk_free_mib=1", "--set=disk_free_percent=1", "--set=fsync_ms=10000"];
    let output = tune(&[&roomy, &easy[..], arguments].concat());
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&output.stderr).into_owned()));
    (output.status.code(), report)
}

/// The row of a check in a report.
pub fn row<'a>(report: &'a Value, name: &str) -> &'a Value {
    let rows = report["checks"].as_array().expect("a report has checks");
    rows.iter().find(|row| row["check"] == name).unwrap_or_else(|| panic!("no row is called {name}"))
}
