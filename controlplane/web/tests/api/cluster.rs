//! The cluster's page, a planned swap, and nodes that are drained from another one's pages.

use std::sync::{Arc, Mutex};

use cluster::{Kept, Member, PairReport, PathReport, Sight, Stands};
use serde_json::{Value, json};
use units::{NodeId, WallTime};
use web::{Cluster, ClusterSeen, Later, Source, Unpromoted};

use crate::node::{Browser, Node};

/// Two nodes with a database each, as etcd tells of them.
const KEYS: &[(&str, &str)] = &[
    ("/tandem/throne/database/book", r#"{"epoch":4,"holder":1,"sync":2,"since":1700000000}"#),
    ("/tandem/throne/database/holder", "1"),
    (
        "/tandem/keeper/1",
        r#"{"node":1,"role":"primary","process":"running","writable":true,"position":100,"replica_stored":98,
            "addresses":[{"name":"database","ip":"10.0.0.100","driver":"agent","up":true,"works":true}]}"#,
    ),
    ("/tandem/keeper/2", r#"{"node":2,"role":"replica","process":"running","position":98,"behind_s":0}"#),
    (
        "/tandem/control/1",
        r#"{"node":1,"group":"east","data_plane_up":true,"calls":312,"shards":[{"shard":0,"revision":7,"calls":312}],
            "machine":{"at":1,"uptime_s":77}}"#,
    ),
    (
        "/tandem/control/2",
        r#"{"node":2,"group":"west","data_plane_up":true,"calls":0,"machine":{"at":1700000000000000,"uptime_s":88}}"#,
    ),
    ("/tandem/drain/2", "1"),
];

/// A cluster made of values.
#[derive(Default)]
struct Told {
    seen: Mutex<ClusterSeen>,
    drained: Mutex<Vec<(u16, bool)>>,
    promoted: Mutex<Vec<u16>>,
}

impl Cluster for Told {
    fn seen(&self) -> ClusterSeen {
        self.seen.lock().unwrap().clone()
    }

    fn drain(&self, node: NodeId, on: bool) -> Later<'_, Result<(), String>> {
        self.drained.lock().unwrap().push((node.0, on));
        Box::pin(async { Ok(()) })
    }

    fn promote(&self, node: NodeId) -> Later<'_, Result<u64, Unpromoted>> {
        let mut promoted = self.promoted.lock().unwrap();
        promoted.push(node.0);
        let first = promoted.len() == 1;
        Box::pin(async move { if first { Ok(5) } else { Err(Unpromoted::Late) } })
    }
}

async fn a_cluster() -> (Arc<Told>, Node) {
    let sight = Sight::read(KEYS.iter().map(|(key, value)| (*key, value.as_bytes())));
    let member = Member { url: "http://10.0.0.1:2379".into(), reached: true, leads: true, node: Some(NodeId(1)) };
    let seen = ClusterSeen {
        sight: Sight { members: vec![member], ..sight },
        reached: true,
        at: Some(WallTime::from_micros(1_700_000_100_000_000)),
        empty: vec![(NodeId(2), WallTime::from_micros(1_700_000_050_000_000))],
        ..ClusterSeen::default()
    };
    let told = Arc::new(Told { seen: Mutex::new(seen), ..Told::default() });
    let node = Node::start_in(Some(told.clone())).await;
    (told, node)
}

async fn seen(browser: &Browser<'_>) -> Value {
    browser.get("/api/v1/cluster").await.expect(200)
}

#[tokio::test]
async fn a_switch_of_one_node_says_that_nobody_takes_over() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let told = seen(&admin).await;
    assert_eq!((&told["state"], &told["database"], &told["arbiter"]), (&json!("alone"), &Value::Null, &json!([])));
    assert!(told["told"].as_str().unwrap().contains("tandem cluster init"), "{told}");
    assert_eq!(told["reads"], json!({ "replica": false, "behind_s": null, "why": "" }));
    let lost: Vec<&str> =
        told["nodes"][0]["if_lost"].as_array().unwrap().iter().map(|one| one["text"].as_str().unwrap()).collect();
    assert!(lost.contains(&"no other node has the role web"), "{lost:?}");
    admin.send("POST", "/api/v1/cluster/promote", json!({ "node": 1, "epoch": 0 })).await.problem(409, "conflict");
}

#[tokio::test]
async fn who_holds_what_is_shown_with_what_would_happen() {
    let (told, node) = a_cluster().await;
    let admin = node.log_in().await;
    let shown = seen(&admin).await;
    assert_eq!(shown["state"], "live");
    assert_eq!(shown["arbiter"][0]["node"], 1);
    let database = json!({ "holder": 1, "held": true, "epoch": 4, "since": "2023-11-14T22:13:20.000000Z", "sync": 2,
        "lag_commits": 2, "ordered": null });
    assert_eq!(shown["database"], database);
    assert_eq!(shown["databases"][0]["refused"], "it is primary already");
    assert_eq!(shown["databases"][1]["refused"], Value::Null);
    assert_eq!(shown["addresses"][0]["ip"], "10.0.0.100");
    let (first, second) = (&shown["nodes"][0], &shown["nodes"][1]);
    assert_eq!(
        (&first["roles"], &first["calls"], &first["shards"][0]["revision"]),
        (&json!(["core", "web", "worker", "sql"]), &json!(312), &json!(7))
    );
    assert_eq!((&second["drained"], &second["empty_since"]), (&json!(true), &json!("2023-11-14T22:14:10.000000Z")));
    assert_eq!((&first["machine"]["uptime_s"], &second["machine"]["uptime_s"]), (&json!(77), &json!(88)));
    let overview = admin.get("/api/v1/overview").await.expect(200);
    assert_eq!(
        (&overview["machines"][0]["node"], &overview["machines"][0]["machine"]),
        (&json!(2), &second["machine"])
    );
    assert_eq!(first["if_lost"][0]["severity"], "outage");
    let warnings = shown["warnings"].to_string();
    assert!(warnings.contains("group east has one node"), "{warnings}");
    // etcd goes: what was known stays, and says so.
    {
        let mut gone = told.seen.lock().unwrap();
        (gone.reached, gone.why) = (false, "no member of etcd is reached".into());
    }
    let stale = seen(&admin).await;
    assert_eq!(
        (&stale["state"], &stale["as_of"], &stale["database"]),
        (&json!("stale"), &shown["as_of"], &shown["database"])
    );
    assert!(stale["told"].as_str().unwrap().contains("no member of etcd is reached"), "{stale}");
    admin.send("POST", "/api/v1/cluster/promote", json!({ "node": 2, "epoch": 4 })).await.problem(409, "conflict");
}

#[tokio::test]
async fn a_drill_is_done_once_and_written_down() {
    let (told, node) = a_cluster().await;
    let admin = node.log_in().await;
    let ask =
        |to: u16, epoch: u64| admin.send("POST", "/api/v1/cluster/promote", json!({ "node": to, "epoch": epoch }));
    ask(2, 3).await.problem(412, "changed");
    ask(1, 4).await.problem(409, "conflict");
    assert!(told.promoted.lock().unwrap().is_empty());
    assert_eq!(ask(2, 4).await.expect(200)["epoch"], 5);
    ask(2, 4).await.problem(409, "conflict");
    let audit = admin.get("/api/v1/audit").await.expect(200);
    let entry = audit["data"].as_array().unwrap().iter().find(|entry| entry["action"] == "promote").unwrap().clone();
    assert_eq!((&entry["object"], &entry["actor"]), (&json!("node 2"), &json!("user:admin")));
    admin
        .make("/api/v1/users", json!({ "name": "vera", "role": "viewer", "password": "a long enough password" }))
        .await;
    let vera = node.log_in_as("vera", "a long enough password").await;
    let ask = json!({ "node": 2, "epoch": 4 });
    vera.send("POST", "/api/v1/cluster/promote", ask).await.problem(403, "not_allowed");
    seen(&vera).await;
}

#[tokio::test]
async fn another_node_is_drained_by_etcd() {
    let (told, node) = a_cluster().await;
    let admin = node.log_in().await;
    admin.send("POST", "/api/v1/nodes/2/drain", json!({ "on": false })).await.expect(204);
    admin.send("POST", "/api/v1/nodes/1/drain", json!({ "on": true })).await.expect(204);
    admin.send("POST", "/api/v1/nodes/9/drain", json!({ "on": true })).await.problem(404, "not_found");
    assert_eq!(*told.drained.lock().unwrap(), [(2, false), (1, true)]);
    let asked = node.link.asked.lock().unwrap().clone();
    let drains = asked.iter().filter(|ask| matches!(ask, panel::wire::Ask::Drain { .. })).count();
    assert_eq!(drains, 1, "only this node's data plane is asked here");
}

/// Two servers that decide without a third, as the keeper of node 1 tells of them.
async fn two_servers() -> (Arc<Told>, Node) {
    let keeper = |text: &str| serde_json::from_str(text).unwrap();
    let path = |there: &str, heard_ms| PathReport { there: there.into(), heard_ms };
    let pair = PairReport {
        page: Kept { standing: Stands::Paired, epoch: 4, holder: Some(1), sync: Some(2), ..Kept::default() },
        held: true,
        paths: vec![path("10.0.0.2", Some(40)), path("10.9.0.2", None)],
        tie_breakers: vec![path("10.0.0.254", Some(120))],
        silent_ms: 3_000,
        keepers: vec![
            keeper(
                r#"{"node":1,"role":"primary","since":1700000000,"process":"running","writable":true,"position":100}"#,
            ),
            keeper(r#"{"node":2,"role":"replica","process":"running","position":98,"behind_s":0}"#),
        ],
        ..PairReport::default()
    };
    let own = br#"{"node":1,"data_plane_up":true,"calls":312}"#.as_slice();
    let sight = Sight::read([("/tandem/control/1", own)]).with_pair(pair);
    let at = Some(WallTime::from_micros(1_700_000_100_000_000));
    let seen = ClusterSeen { sight, reached: true, source: Source::Keeper, at, ..ClusterSeen::default() };
    let told = Arc::new(Told { seen: Mutex::new(seen), ..Told::default() });
    let node = Node::start_in(Some(told.clone())).await;
    (told, node)
}

#[tokio::test]
async fn two_servers_without_a_third_are_shown_by_their_keeper_and_swapped_by_it() {
    let (told, node) = two_servers().await;
    let admin = node.log_in().await;
    let shown = seen(&admin).await;
    assert_eq!((&shown["state"], &shown["arbiter"]), (&json!("live"), &json!([])));
    assert_eq!(
        (&shown["database"]["holder"], &shown["database"]["since"], &shown["database"]["sync"]),
        (&json!(1), &json!("2023-11-14T22:13:20.000000Z"), &json!(2))
    );
    let pair = &shown["pair"];
    assert_eq!((&pair["standing"], &pair["lost"], &pair["fences"]), (&json!("paired"), &json!(false), &json!(false)));
    assert_eq!(pair["paths"][0], json!({ "to": "10.0.0.2", "heard_ms": 40, "silent": false }));
    assert_eq!(pair["paths"][1], json!({ "to": "10.9.0.2", "heard_ms": null, "silent": true }));
    assert_eq!(shown["warnings"], json!(["path 10.9.0.2 is not heard"]));
    let stops = shown["nodes"][1]["if_lost"][0]["text"].as_str().unwrap();
    assert!(stops.contains("takes no more writes until this node is back"), "{stops}");
    let drill = || admin.send("POST", "/api/v1/cluster/promote", json!({ "node": 2, "epoch": 4 }));
    assert_eq!(drill().await.expect(200)["epoch"], 5);
    {
        let mut gone = told.seen.lock().unwrap();
        (gone.reached, gone.why) = (false, "no such file".into());
    }
    let stale = seen(&admin).await;
    assert_eq!((&stale["state"], &stale["pair"]), (&json!("stale"), pair));
    assert!(
        stale["told"].as_str().unwrap().starts_with("This node's keeper does not answer (no such file)"),
        "{stale}"
    );
    drill().await.problem(409, "conflict");
    assert_eq!(*told.promoted.lock().unwrap(), [2]);
}
