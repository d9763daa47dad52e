use std::time::Duration;

use serde_json::json;
use store::JobStep;

use crate::node::Node;

const EXPORT: &str = "/api/v1/cdrs:export?from=2026-01-01T00:00:00Z&till=2026-01-02T00:00:00Z&called=44";

#[tokio::test]
async fn an_export_is_asked_for_once_and_its_file_is_given_from_any_byte() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.send("POST", "/api/v1/cdrs:export", json!(null)).await.problem(422, "invalid");
    let headers = [("cookie", admin.cookie.as_str()), ("x-csrf-token", &admin.csrf), ("idempotency-key", "march")];
    let first = node.send("POST", EXPORT, &headers, b"").await.expect(202);
    let again = node.send("POST", EXPORT, &headers, b"").await.expect(202);
    assert_eq!((&first["id"], first["state"].as_str()), (&again["id"], Some("waiting")));
    node.send("POST", &EXPORT.replace("44", "49"), &headers, b"").await.problem(409, "conflict");
    let other = admin.send("POST", EXPORT, json!(null)).await.expect(202);
    assert_ne!(first["id"], other["id"], "without a key each request is a job");

    let path = format!("/api/v1/jobs/{}", first["id"].as_str().unwrap());
    admin.get(&format!("{path}/file")).await.problem(404, "not_found");
    let turn = node.store.take_job("w", &["cdr_export"], Duration::from_secs(60)).await.unwrap().unwrap();
    for part in [&b"abcd"[..], b"efg"] {
        let step = JobStep { done: 7, part: part.to_vec(), file: "cdrs.csv.gz".into(), ..JobStep::default() };
        node.store.job_step(&turn, &step).await.unwrap();
    }
    node.store.end_job(&turn, Ok(())).await.unwrap();
    let told = admin.get(&path).await.expect(200);
    assert_eq!(
        (told["state"].as_str(), told["bytes"].as_u64(), told["done"].as_u64()),
        (Some("done"), Some(7), Some(7))
    );
    let whole = admin.get(&format!("{path}/file")).await;
    assert_eq!((whole.status, whole.text().as_str(), whole.header("content-length")), (200, "abcdefg", "7"));
    let range = [("cookie", admin.cookie.as_str()), ("range", "bytes=2-"), ("accept-encoding", "gzip")];
    let rest = node.send("GET", &format!("{path}/file"), &range, b"").await;
    assert_eq!((rest.status, rest.text().as_str(), rest.header("content-range")), (206, "cdefg", "bytes 2-6/7"));
}

#[tokio::test]
async fn jobs_are_listed_cancelled_and_tried_again() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let job = admin.send("POST", EXPORT, json!(null)).await.expect(202);
    let path = format!("/api/v1/jobs/{}", job["id"].as_str().unwrap());
    assert_eq!(admin.get("/api/v1/jobs").await.expect(200)["data"].as_array().unwrap().len(), 1);
    admin.send("POST", &format!("{path}/retry"), json!(null)).await.problem(409, "conflict");
    assert_eq!(admin.send("POST", &format!("{path}/cancel"), json!(null)).await.expect(200)["state"], "cancelled");
    admin.send("POST", &format!("{path}/cancel"), json!(null)).await.problem(409, "conflict");
    assert_eq!(admin.send("POST", &format!("{path}/retry"), json!(null)).await.expect(200)["state"], "waiting");
    admin.get("/api/v1/jobs/job_99").await.problem(404, "not_found");
}

#[tokio::test]
async fn how_long_cdrs_are_kept_is_a_setting() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    assert_eq!(admin.get("/api/v1/retention").await.expect(200), json!({ "cdr_days": null }));
    admin.send("PUT", "/api/v1/retention", json!({ "cdr_days": 0 })).await.problem(422, "invalid");
    admin.send("PUT", "/api/v1/retention", json!({ "cdr_days": 90 })).await.expect(200);
    assert_eq!(admin.get("/api/v1/retention").await.expect(200), json!({ "cdr_days": 90 }));
    admin.send("PUT", "/api/v1/retention", json!({ "cdr_days": null })).await.expect(200);
    assert_eq!(admin.get("/api/v1/retention").await.expect(200), json!({ "cdr_days": null }));
    let audit = admin.get("/api/v1/audit?object=retention").await.expect(200);
    let told = [&audit["data"][0]["before"], &audit["data"][0]["after"]];
    assert_eq!(
        told,
        [&json!({ "cdr_days": 90 }), &json!({ "cdr_days": null })],
        "states are objects, as the document says"
    );
}
