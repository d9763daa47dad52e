//! What the day knows of trunks, and an older day in force again.

use panel::wire::{Figures, ShardFigures, StandingFigures, SumFigures, TrunkFigures};
use serde_json::json;

use crate::node::Node;

/// The data plane has been heard with these figures.
async fn hear(node: &Node, figures: Figures) {
    *node.link.figures.lock().unwrap() = figures;
}

#[tokio::test]
async fn a_trunk_that_rests_is_told_with_its_reason_and_its_last_calls() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    node.publish().await;
    let sum = SumFigures { calls: 40, answered: 4, reached: 10, acd_s: 7, ..SumFigures::default() };
    let rests = StandingFigures {
        egress_trunk: 1,
        state: "resting".into(),
        since: 1_800_000_000_000_000,
        reason: "asr 10.0 % is below 30 %".into(),
        sum,
    };
    let probed = TrunkFigures { egress_trunk: 2, up: false, since: 1_800_000_000_000_000, failures: 3 };
    let shard = ShardFigures { standings: vec![rests], trunks: vec![probed], ..ShardFigures::default() };
    hear(&node, Figures { shards: vec![shard], ..Figures::default() }).await;
    let told = loop {
        let told = admin.get("/api/v1/standings").await.expect(200);
        if !told["trunks"].as_array().unwrap().is_empty() {
            break told;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let [rests, down] = told["trunks"].as_array().unwrap().as_slice() else { panic!("two trunks: {told}") };
    assert_eq!((rests["egress_trunk"]["code"].as_str(), rests["state"].as_str()), (Some("blux"), Some("resting")));
    assert_eq!(rests["reason"], "asr 10.0 % is below 30 %");
    assert_eq!(
        (rests["last_calls"]["calls"].as_u64(), rests["last_calls"]["asr_percent"].as_f64()),
        (Some(40), Some(10.0))
    );
    assert_eq!((down["egress_trunk"]["code"].as_str(), down["state"].as_str()), (Some("oria"), Some("unreachable")));
    assert!(down["last_calls"].is_null());
    assert_eq!(told["routes"], json!([]));
}

#[tokio::test]
async fn a_kept_revision_is_asked_for_and_written_down() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    let first = node.publish().await;
    admin.make("/api/v1/carriers", json!({ "code": "third" })).await;
    let second = node.publish().await;
    assert!(second > first);
    let shard = ShardFigures { revision: first, ..ShardFigures::default() };
    hear(&node, Figures { shards: vec![shard], ..Figures::default() }).await;
    let path = |revision: u64| format!("/api/v1/revisions/{revision}/restore");
    let done = admin.send("POST", &path(first), serde_json::Value::Null).await.expect(200);
    assert_eq!(done, json!({ "revision": first, "in_force": true }));
    let held = web::snapshot_files::held(&node.folder.path().join("snapshots")).unwrap();
    assert_eq!((held.revision, held.counter), (first, node.store.changes().await.unwrap()));
    let audit = admin.get("/api/v1/audit").await.expect(200);
    assert_eq!(
        (audit["data"][0]["action"].as_str(), audit["data"][0]["after"]["revision"].as_u64()),
        (Some("restore"), Some(first))
    );
    admin.send("POST", &path(second + 7), serde_json::Value::Null).await.problem(404, "not_found");
    admin
        .make("/api/v1/users", json!({ "name": "vera", "role": "viewer", "password": "a long enough password" }))
        .await;
    let vera = node.log_in_as("vera", "a long enough password").await;
    vera.send("POST", &path(second), serde_json::Value::Null).await.problem(403, "not_allowed");
}
