//! Control planes in a cluster, with a real etcd and data planes that are made up.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cluster::{Kept, MachineStatus, PairReport, PanelAnswer, PanelAsk, Sight, Stands, if_lost};
use live::{Etcd, EtcdArguments, order};
use panel::wire::{Answer, Ask, Figures, Frame, ShardFigures};
use store::Store;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio::sync::watch;
use units::{NodeId, WallTime};
use web::{Cluster as _, Source, Unpromoted};

use super::support::{Server, until};
use super::{Cluster, ClusterOptions};
use crate::link::Link;

/// A data plane with two calls that drains when it is told.
async fn answer(listener: UnixListener, draining: Arc<AtomicBool>) {
    let (read, mut write) = listener.accept().await.unwrap().0.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let Frame::Ask { id, ask } = serde_json::from_str(&line).unwrap() else { continue };
        let answer = match ask {
            Ask::Drain { on } => {
                draining.store(on, Ordering::SeqCst);
                Answer::Done
            }
            _ => Answer::Figures(Box::new(Figures {
                draining: draining.load(Ordering::SeqCst),
                shards: vec![ShardFigures { shard: 0, calls: 2, revision: 7, ..ShardFigures::default() }],
                ..Figures::default()
            })),
        };
        let mut line = serde_json::to_vec(&Frame::Answer { id, answer }).unwrap();
        line.push(b'\n');
        write.write_all(&line).await.unwrap();
    }
}

/// The machine of a node, up for as many seconds as its number.
fn machine(number: u16) -> watch::Receiver<MachineStatus> {
    let machine = MachineStatus { at: 9, uptime_s: u64::from(number), ..MachineStatus::default() };
    watch::channel(machine).1
}

/// One node: its view of the cluster, and whether its data plane drains.
async fn node(number: u16, urls: &[String], folder: &Path) -> (Arc<Cluster>, Arc<AtomicBool>) {
    let place = |name: &str| folder.join(format!("{name}{number}"));
    let store = Store::open(&format!("sqlite:{}", place("store").display())).await.unwrap();
    let draining = Arc::new(AtomicBool::new(false));
    tokio::spawn(answer(UnixListener::bind(place("socket")).unwrap(), draining.clone()));
    let link = Link::start(place("socket"), store, Default::default());
    let etcd = EtcdArguments { etcd: urls.to_vec(), ..EtcdArguments::default() };
    let settings = ClusterOptions { etcd, group: format!("group{number}"), ..ClusterOptions::default() };
    (Cluster::start(&settings, NodeId(number), &link, &machine(number)).unwrap().unwrap(), draining)
}

/// A keeper's part in a swap: it takes the order and writes who is primary.
fn keep(etcd: &Etcd) {
    until("the swap is ordered", || order::taken(etcd, 2).then_some(()));
    etcd.put("/tandem/throne/database/book", br#"{"epoch":5,"holder":2,"sync":1,"since":9}"#, None).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_see_each_other_drain_each_other_and_swap() {
    let server = tokio::task::spawn_blocking(Server::start).await.unwrap();
    let etcd = Arc::new(server.ask(server.members()));
    etcd.put("/tandem/throne/database/book", br#"{"epoch":4,"holder":1,"sync":2,"since":9}"#, None).unwrap();
    etcd.put("/tandem/throne/database/holder", b"1", None).unwrap();
    let urls = server.members().urls;
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = node(1, &urls, folder.path()).await;
    let (_second, draining) = node(2, &urls, folder.path()).await;
    let other = || first.seen().sight.node(NodeId(2)).filter(|node| node.calls == 2).cloned();
    let other = until("node 2 is there with its calls", other);
    assert_eq!(
        (other.group.as_str(), other.roles.join(",").as_str(), other.shards[0].revision, other.machine.uptime_s),
        ("group2", "core,web,worker", 7, 2)
    );
    let members = until("etcd's only member leads", || Some(first.seen().sight.members).filter(|all| all[0].leads));
    assert!(members[0].reached && members[0].node.is_some());
    let lost = if_lost(&first.seen().sight, NodeId(2));
    assert!(lost.iter().any(|one| one.to_string() == "1 of 2 cores remain"), "{lost:?}");
    for on in [true, false] {
        first.drain(NodeId(2), on).await.unwrap();
        until("its data plane was told", || (draining.load(Ordering::SeqCst) == on).then_some(()));
        until("the others see it", || (first.seen().sight.is_drained(NodeId(2)) == on).then_some(()));
    }
    let keeper = etcd.clone();
    let keeper = tokio::task::spawn_blocking(move || keep(&keeper));
    assert_eq!(first.promote(NodeId(2)).await, Ok(5));
    keeper.await.unwrap();
    until("the new holder is seen", || first.seen().sight.database().filter(|now| now.epoch == 5).map(drop));
    drop(server);
    let stale = until("etcd is missed", || Some(first.seen()).filter(|seen| !seen.reached));
    assert_eq!(stale.sight.database().unwrap().epoch, 5, "what was known stays");
    assert!(stale.at.is_some() && !stale.why.is_empty());
}

/// A keeper that answers what it is told, until it is dropped.
async fn keep_pair(listener: UnixListener, held: Arc<AtomicBool>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (read, mut write) = stream.into_split();
        let question = BufReader::new(read).lines().next_line().await.unwrap().unwrap();
        let answer = match serde_json::from_str(&question).unwrap() {
            PanelAsk::Report => {
                let page =
                    Kept { holder: Some(1), sync: Some(2), epoch: 4, standing: Stands::Paired, ..Kept::default() };
                PanelAnswer::Report(PairReport { page, held: held.load(Ordering::SeqCst), ..PairReport::default() })
            }
            PanelAsk::Promote(2) => PanelAnswer::Promoted(5),
            PanelAsk::Promote(_) => PanelAnswer::Refused("it is primary already".to_owned()),
        };
        let line = serde_json::to_string(&answer).unwrap() + "\n";
        write.write_all(line.as_bytes()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_etcd_a_node_shows_what_its_keeper_knows_and_orders_swaps_there() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let store = Store::open(&format!("sqlite:{}", place("store").display())).await.unwrap();
    let held = Arc::new(AtomicBool::new(true));
    tokio::spawn(answer(UnixListener::bind(place("socket")).unwrap(), Arc::default()));
    let keeper = tokio::spawn(keep_pair(UnixListener::bind(place("keeper")).unwrap(), held.clone()));
    let link = Link::start(place("socket"), store, Default::default());
    let settings = ClusterOptions { keeper: Some(place("keeper")), ..ClusterOptions::default() };
    let cluster = Cluster::start(&settings, NodeId(1), &link, &machine(1)).unwrap().unwrap();
    let seen = until("the keeper and this node's data plane are seen", || {
        Some(cluster.seen()).filter(|seen| seen.reached && seen.sight.nodes.iter().any(|node| node.calls == 2))
    });
    assert_eq!((seen.source, seen.sight.database().unwrap().holder), (Source::Keeper, Some(NodeId(1))));
    held.store(false, Ordering::SeqCst);
    until("the primary is missed", || (!cluster.seen().sight.database()?.held).then_some(()));
    assert_eq!(cluster.promote(NodeId(2)).await, Ok(5));
    assert_eq!(cluster.promote(NodeId(1)).await, Err(Unpromoted::Away("it is primary already".to_owned())));
    assert_eq!(cluster.drain(NodeId(1), true).await, Ok(()), "this node's data plane is told by who asked");
    assert!(cluster.drain(NodeId(2), true).await.unwrap_err().contains("its own pages"));
    keeper.abort();
    let stale = until("the keeper is missed", || Some(cluster.seen()).filter(|seen| !seen.reached));
    assert!(stale.sight.pair.is_some() && !stale.why.is_empty(), "what was known stays");
}

#[test]
fn a_member_on_this_machine_is_known_by_its_address() {
    for url in ["http://127.0.0.1:2379", "https://127.0.0.1:2379/", "http://[::1]:2379"] {
        assert!(super::is_here(url), "{url}");
    }
    for url in ["http://192.0.2.1:2379", "http://etcd.example:2379", ""] {
        assert!(!super::is_here(url), "{url}");
    }
}

#[test]
fn an_empty_node_is_empty_since_it_was_first_found_so() {
    let told = |calls: &str| {
        let node = format!(r#"{{"node":2,"data_plane_up":true,"calls":{calls}}}"#);
        Sight::read([("/tandem/control/2", node.as_bytes()), ("/tandem/drain/2", b"1".as_slice())])
    };
    let first = WallTime::from_micros(7);
    assert_eq!(super::empty(&told("0"), &[(NodeId(2), first)]), [(NodeId(2), first)]);
    assert_eq!(super::empty(&told("3"), &[(NodeId(2), first)]), []);
}
