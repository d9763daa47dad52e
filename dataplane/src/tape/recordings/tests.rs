use std::net::SocketAddr;

use tape::{Law, Over, Sinks};
use units::{NodeId, ShardId};

use super::*;
use crate::disk::faults::{Faults, disarm};

fn call(sequence: u64) -> CallId {
    CallId { node: NodeId(1), boot: 1, shard: ShardId(0), sequence }
}

fn note(what: What, sequence: u64, packet: u32) -> Note {
    Note {
        what,
        sinks: Sinks::RECORDING,
        call: call(sequence),
        leg: 0,
        inbound: true,
        over: Over::Udp,
        listener: 0,
        port: 20_000,
        at: WallTime::from_micros(i64::from(packet) * 20_000),
        peer: SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), 0),
        length: 0,
    }
}

fn say(all: &mut Recordings, sequence: u64, packets: std::ops::Range<u32>) {
    for packet in packets {
        let mut bytes = Vec::new();
        let voice = [packet as u8; 160];
        Frame { law: Law::A, source: 1, timestamp: packet * 160, voice: &voice }.encode(&mut bytes);
        all.on_note(&note(What::Voice, sequence, packet), &bytes);
    }
}

fn end(all: &mut Recordings, sequence: u64) {
    all.on_note(&note(What::End, sequence, 0), b"");
}

fn recordings(path: &Path, call_bytes_max: u64) -> Recordings {
    let folder = Folder { path: path.to_owned(), bytes_max: 10 << 20, age_max: Duration::from_secs(86_400) };
    Recordings::new(folder, call_bytes_max, Arc::default())
}

/// The left voice of a file by packets: the byte that each repeats; a head that tells of another length is a surprise.
fn heard(path: &Path, sequence: u64) -> Vec<Option<u8>> {
    let bytes = fs::read(path.join(format!("{}.wav", call(sequence)))).unwrap();
    assert_eq!(bytes[..44], wav::head(wav::moments(bytes.len() as u64)));
    let byte = |sample: i16| (0..=255).find(|byte| g711::sample(Law::A, *byte) == sample);
    bytes[44..].chunks(640).map(|packet| byte(i16::from_le_bytes([packet[0], packet[1]]))).collect()
}

#[test]
fn whatever_touch_of_the_disk_fails_the_file_is_sound_and_the_next_call_is_recorded() {
    let mut met = 0;
    for first in 0.. {
        let data = tempfile::tempdir().unwrap();
        let (mut all, faults) = (recordings(data.path(), 1 << 20), Faults::from(first, 1));
        faults.arm();
        say(&mut all, 1, 1..250);
        end(&mut all, 1);
        disarm();
        say(&mut all, 2, 1..3);
        end(&mut all, 2);
        assert_eq!(heard(data.path(), 2), [Some(1), Some(2)], "touch {first}");
        let lost = all.kept.figures.frames_lost.load(Ordering::Relaxed);
        if faults.struck() == 0 {
            assert_eq!(
                (lost, heard(data.path(), 1)),
                (0, (1..250).map(|byte| Some(byte as u8)).collect()),
                "a sound disk"
            );
            break;
        }
        met += 1;
        assert!(lost > 0, "touch {first}: a loss is counted");
        drop(all);
        recordings(data.path(), 1 << 20).repair();
        // What is there is right, and in its place: a failed write left silence, not a shift.
        let known = heard(data.path(), 1);
        let fits = |(place, byte): (usize, &Option<u8>)| byte.is_none_or(|byte| usize::from(byte) == place + 1);
        assert!(known.len() >= 100, "touch {first}: {}", known.len());
        assert!(first == 0 || known.iter().enumerate().all(fits), "touch {first}: {known:?}");
    }
    assert!(met >= 6, "{met} touches of the disk");
}

#[test]
fn a_recording_ends_at_its_bound_and_what_comes_later_is_counted() {
    let data = tempfile::tempdir().unwrap();
    let mut all = recordings(data.path(), 100_000);
    say(&mut all, 1, 0..300);
    end(&mut all, 1);
    // 44 bytes, and 640 a packet.
    assert_eq!(heard(data.path(), 1).len(), 156);
    assert_eq!(all.kept.figures.frames_lost.load(Ordering::Relaxed), 300 - 156);
}

#[test]
fn a_cut_file_is_kept_to_its_last_whole_moment() {
    let data = tempfile::tempdir().unwrap();
    let part = data.path().join(format!("{}.wav.part", call(1)));
    fs::write(&part, [&wav::head(0)[..], &[7; 643]].concat()).unwrap();
    fs::write(data.path().join(format!("{}.wav.part", call(2))), b"RIF").unwrap();
    recordings(data.path(), 1 << 20).repair();
    assert_eq!(heard(data.path(), 1).len(), 1);
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 1, "what holds nothing is removed");
}
