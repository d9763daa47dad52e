use std::time::SystemTime;

use tape::Sinks;
use units::{NodeId, ShardId, WallTime};

use super::*;
use crate::disk::faults::{Faults, disarm};

fn call(sequence: u64) -> CallId {
    CallId { node: NodeId(1), boot: 1, shard: ShardId(0), sequence }
}

fn note(what: What, sequence: u64) -> Note {
    Note {
        what,
        sinks: Sinks::CAPTURE,
        call: call(sequence),
        leg: 0,
        inbound: true,
        over: Over::Udp,
        listener: 0,
        port: 0,
        at: WallTime::from_micros(1_700_000_000_000_000),
        peer: "192.0.2.1:5060".parse().unwrap(),
        length: 3,
    }
}

fn own() -> SocketAddr {
    "192.0.2.9:5060".parse().unwrap()
}

fn captures(path: &Path, call_bytes_max: u64) -> Captures {
    let mut head = Vec::new();
    pcapng::section("test", &mut head);
    pcapng::interface("udp", "", &mut head);
    let folder = Folder { path: path.to_owned(), bytes_max: 10_000, age_max: Duration::from_secs(86_400) };
    Captures::new(folder, (head, 0), call_bytes_max, Arc::default())
}

/// The finished files: name and bytes.
fn files(path: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn whatever_touch_of_the_disk_fails_the_next_call_is_captured_and_each_finished_file_is_whole() {
    let mut met = 0;
    for first in 0.. {
        let data = tempfile::tempdir().unwrap();
        let (mut all, faults) = (captures(data.path(), 1 << 20), Faults::from(first, 1));
        faults.arm();
        for _ in 0..2 {
            all.on_note(&note(What::Sip, 1), own(), b"one");
            all.flush(Instant::now());
        }
        all.on_note(&note(What::End, 1), own(), b"");
        disarm();
        all.on_note(&note(What::Sip, 2), own(), b"two");
        all.on_note(&note(What::End, 2), own(), b"");
        let found = files(data.path());
        let finished: Vec<_> = found.iter().filter(|(name, _)| !name.ends_with(".part")).collect();
        assert!(finished.iter().any(|(name, _)| *name == format!("{}.pcapng", call(2))), "touch {first}: {found:?}");
        for (name, bytes) in finished {
            assert_eq!(pcapng::whole(bytes), bytes.len(), "touch {first}: {name}");
        }
        if faults.struck() == 0 {
            assert_eq!(all.kept.figures.packets_lost.load(Ordering::Relaxed), 0, "a sound disk");
            break;
        }
        met += 1;
        assert!(all.kept.figures.packets_lost.load(Ordering::Relaxed) > 0, "touch {first}: a loss is counted");
    }
    assert!(met >= 4, "{met} touches of the disk");
}

/// The dates of a file's packets in nanoseconds, in its order (draft-ietf-opsawg-pcapng §4.3).
fn dates(file: &[u8]) -> Vec<i64> {
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let (mut at, mut dates) = (0, Vec::new());
    while at < file.len() {
        if word(at) == 6 {
            dates.push(i64::from(word(at + 12)) << 32 | i64::from(word(at + 16)));
        }
        at += word(at + 4) as usize;
    }
    dates
}

#[test]
fn packets_stand_in_order_of_time_however_they_came_within_a_quarter_of_a_second() {
    const SECOND: i64 = 1_700_000_000_000_000;
    let data = tempfile::tempdir().unwrap();
    let mut all = captures(data.path(), 1 << 20);
    // Nobody is silent at this moment, however slow the machine is.
    let begun = Instant::now();
    for millis in [40, 20, 60, 260, 250, 45, 700, 460, 300, 100, 700] {
        all.on_note(&Note { at: WallTime::from_micros(SECOND + millis * 1_000), ..note(What::Sip, 1) }, own(), b"one");
        all.flush(begun);
    }
    all.on_note(&note(What::End, 1), own(), b"");
    let [(_, bytes)] = &files(data.path())[..] else { panic!("one file") };
    let millis: Vec<i64> = dates(bytes).into_iter().map(|at| at / 1_000_000 - SECOND / 1_000).collect();
    // What is later than that stands where it came.
    assert_eq!(millis, [20, 40, 45, 60, 250, 260, 300, 100, 460, 700, 700]);
}

#[test]
fn a_capture_ends_at_its_bound_and_what_comes_later_is_counted() {
    let data = tempfile::tempdir().unwrap();
    let mut all = captures(data.path(), 1_000);
    for _ in 0..100 {
        all.on_note(&note(What::Sip, 1), own(), &[7; 100]);
        all.flush(Instant::now());
    }
    all.on_note(&note(What::End, 1), own(), b"");
    let [(_, bytes)] = &files(data.path())[..] else { panic!("one file") };
    assert!(bytes.len() <= 1_000 && pcapng::whole(bytes) == bytes.len(), "{}", bytes.len());
    let figures = &all.kept.figures;
    let (kept, lost) = (figures.packets.load(Ordering::Relaxed), figures.packets_lost.load(Ordering::Relaxed));
    assert!(kept > 0 && kept + lost == 100, "{kept} and {lost}");
}

#[test]
fn the_oldest_files_go_until_the_rest_is_young_and_small_enough() {
    let data = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    // Hours ago, bytes.
    for (hours, bytes) in [(30, 10), (20, 6_000), (10, 5_000), (1, 4_000)] {
        let path = data.path().join(format!("{hours:02}.pcapng"));
        fs::write(&path, vec![0; bytes]).unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(now - Duration::from_secs(hours * 3_600))
            .unwrap();
    }
    fs::write(data.path().join("00.pcapng.part"), vec![0; 20_000]).unwrap();
    captures(data.path(), 1_000).keep_up();
    let names: Vec<_> = files(data.path()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["00.pcapng.part", "01.pcapng", "10.pcapng"], "what is being written stays");
}
