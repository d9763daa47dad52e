//! How a machine does, for people.

use cluster::{DiskStatus, MachineStatus, ProgramStatus, ShardLoad};

fn machine() -> MachineStatus {
    MachineStatus {
        at: 1,
        uptime_s: 183_000,
        cores: 2,
        load_x100: [52, 105, 1_234],
        cpu_permille: Some(255),
        stolen_permille: Some(7),
        memory_bytes: 8_192_000_000,
        memory_free_bytes: 2_048_000_000,
        disks: vec![DiskStatus { holds: "journal".into(), bytes: 1_000_000, free_bytes: 999, used_percent: 99 }],
        programs: vec![ProgramStatus { name: "dataplane".into(), uptime_s: 119, memory_bytes: 2_097_152 }],
        shards: vec![ShardLoad { shard: 1, cpu_permille: 755, wait_permille: 5 }],
        clock_off_us: Some(-1_500),
    }
}

#[test]
fn every_matter_has_its_figures() {
    let told = machine().told();
    let told: Vec<_> = told.iter().map(|(of, told)| (of.as_str(), told.as_str())).collect();
    assert_eq!(
        told,
        [
            ("machine", "up 2 d, 2 cores"),
            ("load", "0.52 1.05 12.34"),
            ("cores", "25.5 % worked, 0.7 % given to others by the host"),
            ("shard 1", "75.5 % of a core, waited for one 0.5 %"),
            ("memory", "2.0 GB of 8.1 GB free"),
            ("disk, journal", "999 B of 1.0 MB free, 99 % used"),
            ("dataplane", "up 119 s, 2.0 MB"),
            ("clock", "1.500 ms behind"),
        ]
    );
}

#[test]
fn one_line_tells_what_was_read_and_nothing_else() {
    assert_eq!(
        machine().line(),
        "up 2 d, load 0.52 on 2 cores, 25.5 % worked, 2.0 GB free, shard 1 75.5 %, journal disk 99 % used, clock 1.500 ms behind"
    );
    assert_eq!(MachineStatus::default().line(), "");
    let bare = MachineStatus { at: 1, uptime_s: 7_200, clock_off_us: Some(12), ..MachineStatus::default() };
    assert_eq!(bare.line(), "up 2 h, load 0.00 on 0 cores, 0 B free, clock 0.012 ms ahead");
    let alone = MachineStatus { clock_off_us: None, ..bare };
    assert!(alone.line().ends_with(", clock not known: no chrony tells"), "{}", alone.line());
}

#[test]
fn a_word_of_another_version_is_read_as_far_as_it_is_known() {
    let word =
        br#"{"node":3,"machine":{"at":5,"uptime_s":7,"shards":[{"shard":2,"cpu_permille":9,"odd":1}],"fans":4}}"#;
    let sight = cluster::Sight::read([("/tandem/control/3", word.as_slice()), ("/tandem/control/4", br#"{"node":4}"#)]);
    let shards = &sight.nodes[0].machine.shards;
    assert_eq!((sight.nodes[0].machine.uptime_s, shards[0].cpu_permille, shards[0].wait_permille), (7, 9, 0));
    assert_eq!(sight.nodes[1].machine, MachineStatus::default());
}
