#![allow(clippy::unwrap_used, reason = "a test may end at once")]
//! What two servers without a third say, keep and are told.

use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use cluster::{Ask, Beat, Book, Kept, Page, PairReport, PanelAnswer, PanelAsk, Refused, Standing, Stands, Write};
use keeper::panel::{self, PanelSettings};
use keeper::settings::Settings;
use keeper::twins::settings::Tie;
use keeper::twins::{disk, turn_off, wire};
use live::KeeperStatus;
use units::{Instant, NodeId};

const SECRET: &str = "sixteen letters and more";

fn beat(write: Write) -> Beat {
    let book =
        Book { version: 7, epoch: 3, holder: Some(NodeId(1)), held: true, sync: Some(NodeId(2)), sync_life: u64::MAX };
    Beat {
        life: u64::MAX,
        stamp: Instant::from_micros(12),
        question: 4,
        answer: 5,
        heard: Some((9, Instant::from_micros(0))),
        tied: true,
        page: Page { view: 2, standing: Standing::Paired, scribe: NodeId(2), book, cause: 88 },
        ask: Some((11, Ask { by: NodeId(1), version: 7, write })),
        refused: Some((12, Refused::NotInSync)),
    }
}

#[test]
fn a_beat_is_read_as_it_was_said() {
    let writes = [
        Write::Take(7),
        Write::Renew,
        Write::Sync(None),
        Write::Sync(Some((NodeId(2), u64::MAX))),
        Write::Give(NodeId(2), 8),
        Write::Drop,
        Write::Seize,
        Write::Pass(NodeId(2)),
        Write::Leave,
    ];
    for write in writes {
        let bytes = wire::seal(SECRET, NodeId(1), &beat(write), b"told");
        assert_eq!(wire::open(SECRET, NodeId(1), &bytes), Some((beat(write), &b"told"[..])), "{write:?}");
    }
    let silent = Beat { heard: None, ask: None, refused: None, ..beat(Write::Renew) };
    let bytes = wire::seal(SECRET, NodeId(1), &silent, b"");
    assert_eq!(wire::open(SECRET, NodeId(1), &bytes), Some((silent, &b""[..])));
    assert!(bytes.len() < wire::DATAGRAM_MAX);
}

#[test]
fn what_is_forged_sent_back_or_cut_is_nothing() {
    let bytes = wire::seal(SECRET, NodeId(1), &beat(Write::Take(7)), b"told");
    assert_eq!(wire::open("another secret of many letters", NodeId(1), &bytes), None);
    assert_eq!(wire::open(SECRET, NodeId(2), &bytes), None, "our own beat comes back");
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert_eq!(wire::open(SECRET, NodeId(1), &changed), None, "byte {at}");
        assert_eq!(wire::open(SECRET, NodeId(1), &bytes[..at]), None, "cut at {at}");
    }
}

#[test]
fn a_fence_command_counts_if_it_ends_well_and_in_time() {
    let run = |script: &str, patience| {
        let words = ["sh", "-c", script].map(str::to_owned);
        turn_off(&words, NodeId(2), Duration::from_millis(patience))
    };
    assert!(run("exit $((2 - $0))", 30_000), "it is told the other's number");
    assert!(!run("exit 1", 30_000));
    assert!(!run("sleep 60", 50));
    assert!(!turn_off(&["/no/such/program".to_owned()], NodeId(2), Duration::from_secs(30)));
    assert!(!turn_off(&[], NodeId(2), Duration::from_secs(30)));
}

fn cluster(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tandem-cluster")).args(words).output().unwrap()
}

fn init(settings: &Path, folder: &Path, fence: &str) -> Output {
    let (settings, folder) = (settings.display().to_string(), folder.display().to_string());
    cluster(&[
        "init",
        "--settings",
        &settings,
        "--arbiter=pair",
        "--database=1=10.0.0.1",
        "--database=2=10.0.0.2",
        "--path=1=10.0.0.1,2=10.0.0.2",
        "--path=1=fd00::1,2=fd00::2",
        "--tie-breaker=10.0.0.254",
        "--tie-breaker=10.0.0.253:22",
        "--fence",
        fence,
        "--folder",
        &folder,
    ])
}

#[test]
fn the_first_server_begins_with_a_page_and_the_second_without() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second, pages) = (folder.path().join("1"), folder.path().join("2"), folder.path().join("pages"));
    let out = init(&first, &pages, "/usr/bin/off --now");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let settings = Settings::read(&first).unwrap();
    let twins = settings.twins.unwrap();
    assert_eq!(twins.fence.as_ref().unwrap().command, ["/usr/bin/off", "--now"]);
    let ties = twins.ties().unwrap();
    assert_eq!(ties, [Tie::Echo("10.0.0.254".parse().unwrap()), Tie::Connect("10.0.0.253:22".parse().unwrap())]);
    assert_eq!(disk::page(&twins.folder).unwrap(), Some(Page::founded(NodeId(1))));

    let join = ["join", "--from", first.to_str().unwrap(), "--settings", second.to_str().unwrap()];
    assert!(cluster(&join).status.success());
    let joined = Settings::read(&second).unwrap();
    assert_eq!((joined.node, joined.twins.unwrap().secret), (2, twins.secret));

    let again = init(&folder.path().join("3"), &pages, "off");
    assert!(!again.status.success(), "a page that is there is not thrown away");
}

#[test]
fn keepalived_moves_addresses_of_two_servers_without_etcd_and_the_keeper_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keeper.yaml");
    assert!(init(&file, &folder.path().join("pages"), "off").status.success());
    let text = std::fs::read_to_string(&file).unwrap();
    for (driver, works) in [("keepalived", true), ("agent", false), ("none", false)] {
        let shared = format!(
            r#""addresses": [{{"name": "sip", "ip": "10.0.0.200", "prefix": 24, "interface": "eth0", "nodes": [1, 2], "driver": "{driver}"}}],
               "node": 1,"#
        );
        std::fs::write(&file, text.replace(r#""node": 1,"#, &shared)).unwrap();
        let told = Settings::read(&file).map_err(|error| format!("{error:#}"));
        assert_eq!(told.is_ok(), works, "{driver}: {told:?}");
    }
}

#[test]
fn an_order_stands_until_it_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(disk::ordered(folder.path()), None);
    disk::order(folder.path(), disk::Wish::Primary(2)).unwrap();
    let order = disk::ordered(folder.path()).unwrap();
    assert_eq!(order.wish, disk::Wish::Primary(2));
    let old = disk::Order { at_ms: order.at_ms - 60_000, ..order };
    std::fs::write(folder.path().join("order.json"), serde_json::to_vec(&old).unwrap()).unwrap();
    assert_eq!(disk::ordered(folder.path()), None, "nobody waits for it any more");
    disk::take_back(folder.path());
}

/// What a keeper's socket answers to a line.
fn asked(socket: &Path, line: &str) -> PanelAnswer {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(line.as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    serde_json::from_str(&answer).unwrap()
}

#[test]
fn who_may_open_the_keepers_socket_is_told_what_it_knows_and_orders_a_swap() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, arbiter) = (folder.path().join("run/panel"), folder.path().join("arbiter"));
    std::fs::create_dir(&arbiter).unwrap();
    panel::start(&PanelSettings { socket: socket.clone(), user: None }, arbiter.clone()).unwrap();
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let ask = |ask: PanelAsk| asked(&socket, &(serde_json::to_string(&ask).unwrap() + "\n"));
    assert!(matches!(ask(PanelAsk::Report), PanelAnswer::Refused(_)), "the keeper has said nothing yet");

    let report = |epoch: u64, holder: u16, at_ms: i64| {
        let page = Kept { epoch, holder: Some(holder), sync: Some(3 - holder), ..Kept::default() };
        PairReport { page, at_ms, held: true, ..PairReport::default() }
    };
    let now = report(4, 1, disk::wall_ms());
    disk::report(&arbiter, &now).unwrap();
    assert_eq!(ask(PanelAsk::Report), PanelAnswer::Report(now));
    assert_eq!(ask(PanelAsk::Promote(1)), PanelAnswer::Refused("it is primary already".to_owned()));
    assert!(matches!(ask(PanelAsk::Promote(3)), PanelAnswer::Refused(_)), "it is not in sync");

    let keeper = {
        let arbiter = arbiter.clone();
        std::thread::spawn(move || {
            while disk::ordered(&arbiter).is_none_or(|order| order.wish != disk::Wish::Primary(2)) {
                std::thread::yield_now();
            }
            disk::report(&arbiter, &report(5, 2, disk::wall_ms())).unwrap();
        })
    };
    assert_eq!(ask(PanelAsk::Promote(2)), PanelAnswer::Promoted(5));
    keeper.join().unwrap();
    assert_eq!(disk::ordered(&arbiter), None, "the order is done");

    disk::report(&arbiter, &report(5, 2, disk::wall_ms() - 10_000)).unwrap();
    assert!(matches!(ask(PanelAsk::Report), PanelAnswer::Refused(_)), "it is told by a keeper that is gone");
    for line in ["what?\n".to_owned(), "x".repeat(5_000) + "\n", "\n".to_owned()] {
        assert!(matches!(asked(&socket, &line), PanelAnswer::Refused(_)), "{line}");
    }
}

#[test]
fn status_of_two_servers_says_what_would_happen() {
    let folder = tempfile::tempdir().unwrap();
    let (file, pages) = (folder.path().join("keeper.yaml"), folder.path().join("pages"));
    assert!(init(&file, &pages, "off").status.success());
    let keeper = |node, role: &str| KeeperStatus {
        node,
        role: role.to_owned(),
        process: "running".to_owned(),
        takeover_s: 10,
        ..KeeperStatus::default()
    };
    let page = Kept { standing: Stands::Paired, holder: Some(1), sync: Some(2), ..Kept::default() };
    let keepers = vec![keeper(1, "primary"), keeper(2, "replica")];
    let report = PairReport { page, at_ms: disk::wall_ms(), held: true, keepers, ..PairReport::default() };
    disk::report(&pages, &report).unwrap();
    let out = cluster(&["status", "--settings", file.to_str().unwrap()]);
    let told = String::from_utf8(out.stdout).unwrap();
    for line in [
        "arbiter   both servers decide together",
        "if node 1 lost its power now:\n  node 2 becomes the database's primary after about 10 s",
        "if node 2 lost its power now:\n  the database on node 1 takes no more writes",
    ] {
        assert!(told.contains(line), "{line} in\n{told}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keeper.yaml");
    assert!(init(&file, &folder.path().join("pages"), "off").status.success());
    let text = std::fs::read_to_string(&file).unwrap();
    let wrong = [
        (r#""seconds": 2"#, r#""seconds": 3"#, "a quarter of takeover_s"),
        (r#""10.0.0.254","#, r#""gateway","#, "neither IP nor IP:PORT"),
        (r#""node": 1,"#, r#""node": 1, "metrics": "203.0.113.1:9810","#, "private address"),
        (r#""2": "fd00::2""#, r#""3": "fd00::2""#, "both nodes"),
    ];
    for (what, by, why) in wrong {
        assert!(text.contains(what), "{what}");
        std::fs::write(&file, text.replace(what, by)).unwrap();
        let told = format!("{:#}", Settings::read(&file).unwrap_err());
        assert!(told.contains(why), "{told}");
    }
}
