//! The program as an operator meets it: started on an empty folder, asked over its socket, stopped.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/ports.rs"]
mod ports;

use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use cdr::{Cdr, GrantPart, Priced, Record, Start, segment};
use panel::wire::{Answer, Ask, Figures, Frame, Reply, Want};
use ports::free_port;
use snapshot::{Deck, Model, Rate};
use tempfile::TempDir;
use units::{
    AccountId, AttemptIndex, CallId, Cause, GrantId, Instant, Money, NodeId, Revision, ShardId, Terms, WallTime,
};

const PATIENCE: Duration = Duration::from_secs(180);

/// A running data plane and a connection to it.
struct Plane {
    child: Child,
    lines: BufReader<UnixStream>,
    next: u64,
}

impl Drop for Plane {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn poll<T>(mut what: impl FnMut() -> Option<T>, sentence: &str) -> T {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(std::time::Instant::now() < deadline, "{sentence}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn start_plane(data: &Path) -> Plane {
    start_on(data, free_port())
}

fn start_on(data: &Path, sip: u16) -> Plane {
    let child = Command::new(env!("CARGO_BIN_EXE_tandem-dataplane"))
        .args([
            "--sip",
            &format!("127.0.0.1:{sip}"),
            "--shards",
            "2",
            "--rtp",
            "44000-44399",
            "--log",
            "warn",
            "--data",
        ])
        .arg(data)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let socket = data.join("run/dataplane.sock");
    let stream = poll(|| UnixStream::connect(&socket).ok(), "the control socket does not answer");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Plane { child, lines: BufReader::new(stream), next: 1 }
}

impl Plane {
    fn say(&mut self, line: &str) {
        let stream = self.lines.get_mut();
        stream.write_all(line.as_bytes()).unwrap();
        stream.write_all(b"\n").unwrap();
    }

    fn hear(&mut self) -> Frame {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn ask(&mut self, ask: Ask) -> Answer {
        let id = self.next;
        self.next += 1;
        self.say(&serde_json::to_string(&Frame::Ask { id, ask }).unwrap());
        match self.hear() {
            Frame::Answer { id: answered, answer } if answered == id => answer,
            other => panic!("asked {id}, heard {other:?}"),
        }
    }

    fn figures(&mut self) -> Figures {
        match self.ask(Ask::Figures) {
            Answer::Figures(figures) => *figures,
            other => panic!("asked for figures, heard {other:?}"),
        }
    }

    fn terminate(mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        poll(|| self.child.try_wait().unwrap(), "the program does not end")
    }
}

#[test]
fn an_empty_folder_is_enough_to_start_to_be_asked_and_to_stop() {
    let data = TempDir::new().unwrap();
    let mut plane = start_plane(data.path());
    let figures = plane.figures();
    assert_eq!((figures.boot, figures.revision, figures.draining), (1, 0, false));
    assert_eq!(figures.shards.iter().map(|shard| shard.shard).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(figures.shards.iter().map(|shard| shard.ports_max).sum::<u32>(), 400);
    let unsaid: Vec<_> = figures.counters.iter().filter(|(name, _)| figures.meaning(name).is_empty()).collect();
    assert!(figures.counters.len() > 50 && unsaid.is_empty(), "each of the counters says what it counts: {unsaid:?}");
    // A huge page would be kept for a call's few kilobytes (proc_pid_status(5)).
    let status = std::fs::read_to_string(format!("/proc/{}/status", plane.child.id())).expect("it runs");
    assert!(status.lines().any(|line| line.split_whitespace().eq(["THP_enabled:", "0"])), "{status}");
    assert_eq!(plane.ask(Ask::Calls { limit: 10 }), Answer::Calls(Vec::new()));
    assert_eq!(plane.ask(Ask::Drain { on: true }), Answer::Done);
    assert!(plane.figures().draining);
    assert!(plane.terminate().success());
}

#[test]
fn every_start_has_its_own_number() {
    let data = TempDir::new().unwrap();
    for boot in 1..=3 {
        let mut plane = start_plane(data.path());
        assert_eq!(plane.figures().boot, boot);
        if boot == 2 {
            // A plane that is killed leaves its socket and its lock behind.
            plane.child.kill().unwrap();
            plane.child.wait().unwrap();
        } else {
            assert!(plane.terminate().success());
        }
    }
}

#[test]
fn garbage_is_refused_and_the_connection_goes_on() {
    let data = TempDir::new().unwrap();
    let mut plane = start_plane(data.path());
    for garbage in ["", "{", "{\"ask\":{}}", "{\"hello\":7}", "null", "\u{1F4DE}"] {
        plane.say(garbage);
        let heard = plane.hear();
        assert!(matches!(heard, Frame::Answer { id: 0, answer: Answer::Refused { .. } }), "{garbage}: {heard:?}");
    }
    let call = "0".repeat(32);
    assert!(matches!(plane.ask(Ask::Release { call }), Answer::Refused { .. }));
    assert_eq!(plane.figures().boot, 1);
}

#[test]
fn a_damaged_snapshot_is_refused_and_said_so() {
    let data = TempDir::new().unwrap();
    std::fs::create_dir_all(data.path().join("snapshots")).unwrap();
    let path = data.path().join("snapshots/7.snap");
    std::fs::write(&path, b"not a snapshot").unwrap();
    std::fs::write(data.path().join("snapshots/current"), "7.snap\n").unwrap();
    let mut plane = start_plane(data.path());
    assert_eq!(plane.figures().revision, 0);
    for path in [path.display().to_string(), "/nonexistent/9.snap".to_owned()] {
        assert!(matches!(plane.ask(Ask::Load { path: path.clone() }), Answer::Refused { .. }), "{path}");
    }
}

#[test]
fn a_second_data_plane_keeps_out_of_the_folder() {
    let data = TempDir::new().unwrap();
    let mut first = start_plane(data.path());
    let second = Command::new(env!("CARGO_BIN_EXE_tandem-dataplane"))
        .args(["--sip", "127.0.0.1:0", "--log", "off", "--data"])
        .arg(data.path())
        .status()
        .unwrap();
    assert!(!second.success());
    assert_eq!(first.figures().boot, 1);
}

#[test]
fn a_sip_address_that_another_has_is_refused_at_the_start() {
    let data = TempDir::new().unwrap();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let status = Command::new(env!("CARGO_BIN_EXE_tandem-dataplane"))
        .args(["--sip", &format!("127.0.0.1:{port}"), "--log", "off", "--data"])
        .arg(data.path())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
}

/// Writes a segment as an earlier life would have.
fn earlier(data: &Path, boot: u32, records: &[Record]) {
    let folder = data.join("journal");
    std::fs::create_dir_all(&folder).unwrap();
    let mut bytes = Vec::new();
    segment::header(NodeId(1), boot, 1, &mut bytes);
    for (place, record) in records.iter().enumerate() {
        segment::frame(place as u64 + 1, record, &mut bytes);
    }
    // A kill in the middle of a write leaves a torn tail.
    bytes.extend_from_slice(&[200, 0, 0, 0, 1, 2, 3]);
    std::fs::write(folder.join(segment::file_name(boot, 1)), bytes).unwrap();
}

/// All records of one life.
fn records(data: &Path, boot: u32) -> Vec<Record> {
    let path = data.join("journal").join(segment::file_name(boot, 1));
    let bytes = std::fs::read(path).unwrap();
    segment::Reader::new(&bytes).unwrap().map(|entry| entry.unwrap().record).collect()
}

#[test]
fn a_call_that_an_earlier_life_cut_is_billed_once_and_lost_grants_are_closed() {
    let data = TempDir::new().unwrap();
    let call = CallId { node: NodeId(1), boot: 4, shard: ShardId(1), sequence: 9 };
    let terms = Terms { per_minute: Money::from_nanos(60_000_000), ..Terms::default() };
    let sell = Some(Priced { terms, ..Priced::default() });
    let started = Cdr { call, answered_ms: Some(2_000), sell, ..Cdr::default() };
    let attempt = Cdr { attempt: AttemptIndex(1), sell: None, ..started.clone() };
    let (lent, asked) = (grant(1), grant(2));
    let reserved = vec![GrantPart { grant: lent, amount: Money::from_nanos(500_000_000) }];
    let answered = Instant::from_micros(1_000_000);
    let owed_reserved = Vec::new();
    let start = Start { call: started, attempt, answered, reserved, owed_reserved, paid_ms: 60_000 };
    let account = AccountId(3);
    let mark = |now| Record::Mark { shard: ShardId(1), now: Instant::from_micros(now), wall: WallTime::default() };
    let amount = Money::from_nanos(1_000_000_000);
    let past = [
        Record::Boot { boot: 4, wall: WallTime::default() },
        Record::Granted { grant: lent, account, amount },
        Record::Start(Box::new(start)),
        mark(2_000_000),
        mark(11_000_000),
        Record::GrantAsked { grant: asked, account },
    ];
    earlier(data.path(), 4, &past);

    let mut plane = start_plane(data.path());
    assert_eq!(plane.figures().boot, 5, "numbers go on after the journal's, the counter being lost");
    plane.say(r#"{"hello":{"role":"controller"}}"#);
    let text = asked.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(plane.hear(), Frame::Want(Want::Close { grant: text.clone(), account: 3, used: 0 }));
    plane.say(&serde_json::to_string(&Frame::Reply(Reply::Closed { grant: text })).unwrap());
    assert!(plane.terminate().success());

    let written = records(data.path(), 5);
    let cut: Vec<&Cdr> = written.iter().filter_map(cdr_of).collect();
    assert_eq!(cut.iter().map(|cdr| (cdr.call, cdr.attempt.0)).collect::<Vec<_>>(), [(call, 1), (call, 0)]);
    assert!(cut.iter().all(|cdr| cdr.duration_ms == 10_000 && cdr.cause == Cause::SWITCH_RESTARTED));
    assert_eq!(cut[1].sell.unwrap().price, Money::from_nanos(10_000_000));
    let used = Money::from_nanos(10_000_000);
    assert!(written.contains(&Record::GrantCarried { grant: lent, account, amount, used }), "its money is still lent");
    assert!(matches!(written.last(), Some(Record::Boot { boot: 5, .. })));

    assert!(start_plane(data.path()).terminate().success());
    assert!(records(data.path(), 6).iter().all(|record| cdr_of(record).is_none()), "billed once");
}

/// Its starts so far are void for the ledger: what they were lent is back with its account.
#[test]
fn what_a_written_off_node_holds_of_earlier_starts_goes_back_as_soon_as_it_hears_of_it() {
    let data = TempDir::new().unwrap();
    let (account, amount) = (AccountId(3), Money::from_nanos(1_000_000_000));
    let past =
        [Record::Boot { boot: 4, wall: WallTime::default() }, Record::Granted { grant: grant(1), account, amount }];
    earlier(data.path(), 4, &past);
    let mut plane = start_plane(data.path());
    plane.say(r#"{"hello":{"role":"controller"}}"#);
    let ask = Frame::Ask { id: 7, ask: Ask::Fence { boot: 4, barred: true } };
    plane.say(&serde_json::to_string(&ask).unwrap());
    let text = grant(1).to_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let heard = [plane.hear(), plane.hear()];
    assert!(heard.contains(&Frame::Answer { id: 7, answer: Answer::Done }), "{heard:?}");
    assert!(heard.contains(&Frame::Want(Want::Close { grant: text.clone(), account: 3, used: 0 })), "{heard:?}");
    plane.say(&serde_json::to_string(&Frame::Reply(Reply::Closed { grant: text })).unwrap());
    assert!(plane.terminate().success());
    assert!(start_plane(data.path()).terminate().success());
    let carried = |record: &Record| matches!(record, Record::GrantCarried { .. });
    assert!(!records(data.path(), 6).iter().any(carried), "no later start lends from it");
}

fn grant(sequence: u64) -> GrantId {
    GrantId { node: NodeId(1), boot: 4, sequence }
}

fn cdr_of(record: &Record) -> Option<&Cdr> {
    match record {
        Record::Cdr(cdr) => Some(cdr),
        _ => None,
    }
}

#[test]
fn a_sound_snapshot_comes_into_force_and_stays_when_the_next_is_damaged() {
    let data = TempDir::new().unwrap();
    let mut plane = start_plane(data.path());
    let path = data.path().join("snapshots/00000042.snap");
    let mut image = Model { revision: Revision(42), ..Model::default() }.encode().unwrap();
    std::fs::write(&path, &image).unwrap();
    assert_eq!(plane.ask(Ask::Load { path: path.display().to_string() }), Answer::Loaded { revision: 42 });
    let last = image.len() - 1;
    image[last] ^= 1;
    let damaged = data.path().join("snapshots/00000043.snap");
    std::fs::write(&damaged, &image).unwrap();
    assert!(matches!(plane.ask(Ask::Load { path: damaged.display().to_string() }), Answer::Refused { .. }));
    let figures = plane.figures();
    assert_eq!((figures.revision, figures.shards.iter().map(|shard| shard.revision).min()), (42, Some(42)));
    assert!(plane.terminate().success());

    std::fs::write(data.path().join("snapshots/current"), "00000043.snap").unwrap();
    assert_eq!(
        start_plane(data.path()).figures().revision,
        42,
        "the youngest sound file serves when the current is damaged"
    );
}

#[test]
fn a_revision_whose_deck_is_missing_or_damaged_is_refused_by_the_decks_name() {
    let data = TempDir::new().unwrap();
    let mut plane = start_plane(data.path());
    let decks = data.path().join("snapshots/decks");
    std::fs::create_dir_all(&decks).unwrap();
    let mut ask = |revision: u64, price: i64, spoil: fn(&Path)| {
        let rate = Rate { per_minute: Money::from_nanos(price), ..Rate::default() };
        let deck = Deck { code: "wholesale".into(), rates: vec![rate], ..Deck::default() };
        let model = Model { revision: Revision(revision), decks: vec![deck], ..Model::default() };
        let encoded = model.encode_apart().unwrap();
        let path = data.path().join(format!("snapshots/{revision}.snap"));
        std::fs::write(&path, &encoded.main).unwrap();
        let deck = decks.join(encoded.decks[0].mark().to_string());
        if !deck.exists() {
            std::fs::write(&deck, encoded.decks[0].bytes()).unwrap();
        }
        spoil(&deck);
        plane.ask(Ask::Load { path: path.display().to_string() })
    };
    assert_eq!(ask(1, 7, |_| ()), Answer::Loaded { revision: 1 });
    let cut = |deck: &Path| std::fs::OpenOptions::new().write(true).open(deck).unwrap().set_len(512).unwrap();
    let gone = |deck: &Path| std::fs::remove_file(deck).unwrap();
    for (revision, spoil) in [(2, cut as fn(&Path)), (3, gone)] {
        let price = revision as i64;
        let Answer::Refused { reason } = ask(revision, price, spoil) else { panic!("revision {revision} is taken") };
        assert!(reason.contains("the rates of deck wholesale"), "{reason}");
    }
    // What is in force is not read again.
    assert_eq!(ask(4, 7, gone), Answer::Loaded { revision: 4 });
    assert_eq!(plane.figures().revision, 4);
}

#[test]
fn a_message_that_broke_a_shard_once_is_dropped_unread_after_the_next_start() {
    let data = tempfile::tempdir().unwrap();
    let blocked = data.path().join("run/blocked");
    std::fs::create_dir_all(&blocked).unwrap();
    let (us, sip) = (UdpSocket::bind("127.0.0.1:0").unwrap(), free_port());
    let port = us.local_addr().unwrap().port();
    let options = |branch: &str| {
        format!(
            "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:ana@127.0.0.1>;tag=1\r\nTo: <sip:bo@127.0.0.1>\r\nCall-ID: {branch}@127.0.0.1\r\n\
             CSeq: 1 OPTIONS\r\nContact: <sip:ana@127.0.0.1:{port}>\r\nContent-Length: 0\r\n\r\n"
        )
    };
    std::fs::write(blocked.join("kept.datagram"), options("poison")).unwrap();
    // Nobody is a stranger before there is a snapshot.
    let (snapshots, model) = (data.path().join("snapshots"), Model { revision: Revision(1), ..Model::default() });
    std::fs::create_dir(&snapshots).unwrap();
    std::fs::write(snapshots.join("1.snap"), model.encode().unwrap()).unwrap();
    std::fs::write(snapshots.join("current"), "1.snap").unwrap();
    let mut plane = start_on(data.path(), sip);
    us.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut answer = [0; 2_048];
    let ask = || {
        for branch in ["poison", "harmless"] {
            us.send_to(options(branch).as_bytes(), ("127.0.0.1", sip)).unwrap();
        }
        us.recv(&mut answer).ok()
    };
    let length = poll(ask, "a stranger is answered");
    let text = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(text.starts_with("SIP/2.0 403") && text.contains("harmless@"), "only the other one is answered: {text}");
    let dropped = |figures: Figures| figures.counters.iter().any(|(name, value)| name == "sip_blocked" && *value > 0);
    poll(|| dropped(plane.figures()).then_some(()), "the poison is dropped and counted");
}
