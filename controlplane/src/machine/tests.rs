//! A machine made of files.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use std::time::Duration;

use super::*;

const MEMINFO: &str = "MemTotal:        8000000 kB\nMemFree:          100000 kB\nMemAvailable:    2000000 kB\n";

/// Two cores, a data plane with two shards that began 1,000 s after the machine, and a control plane whose name has blanks.
fn proc(root: &Path, stat: &str, shards: [&str; 2]) {
    let files = [
        ("stat", format!("cpu  {stat} 0 0\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n")),
        ("uptime", "90061.52 12345.00\n".to_owned()),
        ("loadavg", "0.52 1.00 12.34 3/400 777\n".to_owned()),
        ("meminfo", MEMINFO.to_owned()),
        ("70/stat", format!("70 (tandem-dataplan) S {} 100000 9 9\n", "1 ".repeat(18).trim_end())),
        ("70/status", "Name:\tx\nVmRSS:\t    2048 kB\n".to_owned()),
        ("71/stat", format!("71 (a ) b) S {} 9006100 9 9\n", "1 ".repeat(18).trim_end())),
        ("70/task/70/comm", "tandem-dataplan\n".to_owned()),
        ("70/task/70/schedstat", "9 9 9\n".to_owned()),
        ("70/task/72/comm", "shard-0\n".to_owned()),
        ("70/task/72/schedstat", shards[0].to_owned()),
        ("70/task/73/comm", "shard-1\n".to_owned()),
        ("70/task/73/schedstat", shards[1].to_owned()),
    ];
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

#[test]
fn a_machine_is_told_with_its_shares_between_two_looks() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::open(&root.path().join("node")).unwrap();
    fs::write(folder.data_lock(), "70\n").unwrap();
    fs::write(folder.control_lock(), "71\n").unwrap();
    let mut eye = Eye::new(root.path(), &folder);
    let begin = Instant::now();
    proc(root.path(), "100 0 100 800 0 0 0 0", ["1000000000 5000000 7", "2000000000 0 7"]);
    let first = eye.look(begin);
    assert_eq!((first.cpu_permille, first.stolen_permille, first.shards.len()), (None, None, 0));
    assert_eq!((first.uptime_s, first.cores, first.load_x100), (90_061, 2, [52, 100, 1_234]));
    assert_eq!((first.memory_bytes, first.memory_free_bytes), (8_192_000_000, 2_048_000_000));
    let programs: Vec<_> = first.programs.iter().map(|it| (it.name.as_str(), it.uptime_s, it.memory_bytes)).collect();
    assert_eq!(programs, [("dataplane", 89_061, 2_097_152), ("controlplane", 0, 0)]);
    let disks: Vec<_> = first.disks.iter().map(|disk| (disk.holds.as_str(), disk.bytes >= disk.free_bytes)).collect();
    assert_eq!(disks, [("data", true), ("journal", true)]);
    // Of 1,000 ticks 600 were idle, 50 waited for a disk, 100 were stolen. Of four seconds shard 0 ran three and waited for one.
    proc(root.path(), "300 0 150 1400 50 0 0 100", ["4000000000 1005000000 8", "2000000000 0 7"]);
    let second = eye.look(begin + Duration::from_secs(4));
    assert_eq!((second.cpu_permille, second.stolen_permille), (Some(250), Some(100)));
    let told: Vec<_> = second.shards.iter().map(|it| (it.shard, it.cpu_permille, it.wait_permille)).collect();
    assert_eq!(told, [(0, 750, 250), (1, 0, 0)]);
    // Both are gone, and the locks still name them.
    fs::remove_dir_all(root.path().join("70")).unwrap();
    fs::remove_dir_all(root.path().join("71")).unwrap();
    let third = eye.look(begin + Duration::from_secs(8));
    assert_eq!((third.programs.len(), third.shards.len()), (0, 0));
}

#[test]
fn what_the_kernel_does_not_tell_is_left_out() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::open(&root.path().join("node")).unwrap();
    let mut eye = Eye::new(&root.path().join("nothing"), &folder);
    let at = Instant::now();
    for _ in 0..2 {
        let seen = eye.look(at);
        assert_eq!((seen.uptime_s, seen.cores, seen.memory_bytes, seen.cpu_permille), (0, 0, 0, None));
        assert!(seen.at > 0 && seen.disks.len() == 2);
    }
    assert_eq!(ticks("cpu  1 2 3\n"), None);
    assert_eq!(shares([5, 5, 5], [5, 5, 5]), None);
    // A counter that goes back, as idle ticks do on some machines, makes no share above the whole.
    assert_eq!(shares([100, 50, 0], [200, 40, 0]), Some([1_000, 0]));
}

#[test]
fn the_clock_is_known_where_somebody_keeps_it() {
    let told = |offset: &str, leap: &str| {
        clock_off(&format!("A9FEA97B,ntp,4,1795.3,{offset},0.1,0.1,-1.2,0,0,0,0,64,{leap}\n"))
    };
    assert_eq!(told("0.000012", "Normal"), Some(-12));
    assert_eq!(told("-1.5", "Insert second"), Some(1_500_000));
    assert_eq!(told("0.000000", "Not synchronised"), None);
    assert_eq!(told("x", "Normal"), None);
    assert_eq!(clock_off("506 Cannot talk to daemon\n"), None);
}
