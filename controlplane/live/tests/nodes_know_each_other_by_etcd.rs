#![allow(clippy::unwrap_used, reason = "a test may end at once")]
//! A real etcd, told and asked.

mod support;

use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use live::{Compare, DOUBLES, DRAINS, Etcd, LiveError, Members, Mirror, NODES, Node, Presence, Write, feed, set_drain};
use support::{Server, until};

#[test]
fn what_was_decided_on_an_older_page_is_not_written() {
    let server = Server::start();
    let etcd = server.ask(server.members());
    let read = etcd.put("/book", b"first", None).unwrap();
    let write =
        |decided_on| etcd.change(&[Compare::WrittenBy("/book", decided_on)], &[Write::Put("/book", b"next", None)]);
    let written = write(read).unwrap().unwrap();
    assert!(written > read);
    assert_eq!(write(read).unwrap(), None);
    let entry = etcd.get("/book").unwrap().unwrap();
    assert_eq!((entry.value.as_slice(), entry.revision, entry.lease), (&b"next"[..], written, None));
    assert!(etcd.delete("/book").unwrap());
    assert_eq!(etcd.get("/book").unwrap(), None);
}

#[test]
fn a_key_goes_with_its_lease_unless_that_is_kept() {
    let server = Server::start();
    let etcd = server.ask(server.members());
    let lease = etcd.grant(5).unwrap();
    etcd.put("/holder", b"1", Some(lease)).unwrap();
    assert_eq!(etcd.get("/holder").unwrap().unwrap().lease, Some(lease));
    assert!(etcd.keep(lease).unwrap());
    let page = etcd.list("/holder").unwrap();
    assert_eq!(page.entries.len(), 1);
    let began = Instant::now();
    assert!(etcd.wait("/", page.revision + 1, Duration::from_secs(120)).unwrap(), "the end of a lease is told");
    assert!(began.elapsed() > Duration::from_secs(2));
    assert_eq!(etcd.get("/holder").unwrap(), None);
    assert!(!etcd.keep(lease).unwrap());
}

/// Fields may be added; what would be read wrongly has another number.
#[test]
fn a_program_that_knows_another_format_than_the_cluster_s_reads_and_writes_nothing() {
    let server = Server::start();
    let first = server.ask(server.members());
    assert_eq!(first.get("/tandem/node/1").unwrap(), None, "who is first says the format");
    let written = first.get("/tandem/format").unwrap().unwrap();
    assert_eq!(written.value, b"1");
    // The nodes are upgraded, and the last one raises it.
    first.put("/tandem/format", b"2", None).unwrap();
    let old = Etcd::new(server.members()).unwrap();
    let asked = [
        old.get("/tandem/node/1").map(drop),
        old.put("/tandem/node/1", b"{}", None).map(drop),
        set_drain(&old, 1, true),
    ];
    for answer in asked {
        let why = answer.unwrap_err().to_string();
        assert_eq!(
            why,
            "etcd refuses: it holds the cluster in format 2, and this program knows format 1: run the version that the other nodes run"
        );
    }
    assert_eq!(first.get("/tandem/node/1").unwrap(), None, "nothing was written");
    first.put("/tandem/format", b"1", None).unwrap();
    assert!(old.get("/tandem/node/1").is_ok(), "it asks again each time");
}

#[test]
fn a_member_that_is_away_is_passed_over() {
    let server = Server::start();
    let mut members = server.members();
    members.urls.insert(0, "http://127.0.0.1:1".to_owned());
    let etcd = server.ask(members);
    assert!(etcd.put("/a", b"1", None).is_ok());
    let alone = Etcd::new(Members { urls: vec!["http://127.0.0.1:1".to_owned()], ..server.members() }).unwrap();
    assert!(matches!(alone.put("/a", b"2", None), Err(LiveError::Away(_))));
}

#[test]
fn certificate_user_and_password_are_asked_for_and_given() {
    let server = Server::start_with_tls();
    let url = server.members().urls[0].clone();
    let ca = server.folder.path().join("ca.pem");
    let open = Members { ca: Some(ca.clone()), ..server.members() };
    server.ask(open.clone());
    for words in [&["user", "add", "root:secret"][..], &["user", "grant-role", "root", "root"], &["auth", "enable"]] {
        let mut order = Command::new("etcdctl");
        order.env("ETCDCTL_API", "3").arg(format!("--endpoints={url}")).arg(format!("--cacert={}", ca.display()));
        let done = order.args(words).output().unwrap();
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
    assert!(matches!(Etcd::new(open.clone()).unwrap().list("/"), Err(LiveError::Refused(_))));
    let user = |password: &str| Some(("root".to_owned(), password.to_owned()));
    assert!(Etcd::new(Members { user: user("wrong"), ..open.clone() }).unwrap().list("/").is_err());
    let etcd = Etcd::new(Members { user: user("secret"), ..open }).unwrap();
    let revision = etcd.put("/a", b"1", None).unwrap();
    assert!(!etcd.wait("/", revision + 1, Duration::from_millis(300)).unwrap());
    let stranger = Etcd::new(Members { ca: None, ..server.members() }).unwrap();
    assert!(stranger.list("/").is_err(), "a certificate that nobody known signed");
}

#[test]
fn renewed_certificates_are_used_without_a_restart() {
    let mut server = Server::start_with_tls();
    let ca = server.folder.path().join("ca.pem");
    let etcd = server.ask(Members { ca: Some(ca.clone()), ..server.members() });
    let before = std::fs::read(&ca).unwrap();
    server.renew();
    assert_ne!(std::fs::read(&ca).unwrap(), before, "another authority");
    until("etcd answers with another certificate", || etcd.list("/").ok());
}

#[test]
fn two_machines_with_one_number_are_told_of_and_one_that_was_started_again_is_not() {
    let server = Server::start();
    let etcd = Arc::new(server.ask(server.members()));
    let node = |calls| Node { number: 7, calls, ..Node::default() };
    let doubled = || etcd.get(&format!("{DOUBLES}7")).unwrap();
    let calls = |number: u32| {
        let told: Node = serde_json::from_slice(&etcd.get(&format!("{NODES}7")).unwrap()?.value).ok()?;
        (told.calls == number).then_some(())
    };
    // It died, and what it told stands there until its lease ends.
    let earlier = etcd.grant(60).unwrap();
    etcd.put(&format!("{NODES}7"), &serde_json::to_vec(&node(1)).unwrap(), Some(earlier)).unwrap();
    let first = Presence::start(etcd.clone(), node(2), 3);
    until("it is there again", || calls(2));
    first.update(|node| node.calls = 3);
    until("it tells more", || calls(3));
    assert_eq!(doubled(), None);
    let _second = Presence::start(etcd.clone(), node(4), 3);
    until("both are told of", doubled);
}

/// It was lost with all members and made anew, or set back to an older state: its revisions begin again.
#[test]
fn whoever_is_told_of_changes_hears_those_of_another_store_too() {
    let mut server = Server::start();
    let etcd = Arc::new(server.ask(server.members()));
    for round in 0..20_u8 {
        etcd.put("/told/first", &[round], None).unwrap();
    }
    let (tells, told) = mpsc::channel();
    feed(etcd.clone(), "/told/", move |page| tells.send(page.unwrap_or_default()).is_ok());
    let hears = |key: &str| {
        until(key, || told.recv_timeout(Duration::from_secs(1)).ok()?.iter().find(|entry| entry.key == key).map(drop));
    };
    hears("/told/first");
    server.empty();
    until("the new store answers", || etcd.put("/told/second", b"1", None).ok());
    hears("/told/second");
}

#[test]
fn a_node_is_seen_with_its_load_until_it_leaves() {
    let server = Server::start();
    let etcd = Arc::new(server.ask(server.members()));
    let mirror = Mirror::start(etcd.clone(), "/tandem/");
    let node =
        Node { number: 7, roles: vec!["core".to_owned()], sip: vec!["[::1]:5060".parse().unwrap()], ..Node::default() };
    let presence = Presence::start(etcd.clone(), node.clone(), 3);
    let seen = || -> Option<Node> {
        mirror.copy().get(&format!("{NODES}7")).map(|text| serde_json::from_slice(text).unwrap())
    };
    assert_eq!(until("the node is seen", seen), node);
    presence.update(|node| node.calls = 12);
    until("its load is seen", || seen().filter(|node| node.calls == 12));
    let drained = || mirror.copy().contains_key(&format!("{DRAINS}7"));
    set_drain(&etcd, 7, true).unwrap();
    set_drain(&etcd, 7, true).unwrap();
    until("it is drained", || drained().then_some(()));
    set_drain(&etcd, 7, false).unwrap();
    until("it is not", || (!drained()).then_some(()));
    drop(presence);
    until("it has left", || seen().is_none().then_some(()));
    drop(server);
    until("etcd is missed", || (!mirror.is_reached()).then_some(()));
    assert!(mirror.version() > 0);
}
