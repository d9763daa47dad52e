//! Who is told of what happens, and alarms.

use std::time::Duration;

use serde_json::{Value, json};
use store::StandingAlarm;
use units::NodeId;

use crate::node::Node;

fn failing() -> StandingAlarm {
    StandingAlarm {
        name: "journal_failing".into(),
        level: "fail".into(),
        what: "the journal cannot be written".into(),
        mend: "make room".into(),
    }
}

#[tokio::test]
async fn a_webhook_shows_its_secret_once_and_what_it_is_to_be_told_and_is_told_again() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let new = json!({ "name": "noc", "url": "https://noc.example.net/tandem", "events": ["alarm.*"] });
    let made = admin.make("/api/v1/webhooks", new.clone()).await;
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && !admin.get("/api/v1/webhooks").await.text().contains(secret));
    admin.send("POST", "/api/v1/webhooks", new).await.problem(409, "conflict");
    for (field, value) in [("url", json!("ftp://x")), ("events", json!(["Alarm"])), ("events", json!([]))] {
        let mut wrong = json!({ "name": "x", "url": "https://x.example", "events": ["*"] });
        wrong[field] = value;
        let flaw = admin.send("POST", "/api/v1/webhooks", wrong).await.problem(422, "invalid");
        assert_eq!(flaw["errors"][0]["pointer"], format!("/{field}"));
    }

    node.store.set_alarms(NodeId(3), &[failing()]).await.unwrap();
    assert_eq!(node.store.set_alarms(NodeId(3), &[failing()]).await.unwrap(), 0, "it stands already");
    node.store.set_alarms(NodeId(3), &[]).await.unwrap();
    let alarms = admin.get("/api/v1/alarms").await.expect(200);
    assert_eq!((&alarms["data"][0]["node"], &alarms["data"][0]["name"]), (&json!(3), &json!("journal_failing")));
    assert!(alarms["data"][0]["cleared_at"].is_string());
    assert_eq!(admin.get("/api/v1/alarms?standing=true").await.expect(200)["data"], json!([]));

    let told = admin.get("/api/v1/webhooks/whk_1/deliveries").await.expect(200);
    let kinds: Vec<&Value> = told["data"].as_array().unwrap().iter().map(|row| &row["kind"]).collect();
    assert_eq!(kinds, ["alarm.cleared", "alarm.raised"]);
    assert_eq!((&told["data"][1]["data"]["node"], &told["data"][1]["state"]), (&json!(3), &json!("waiting")));
    let first = admin.get("/api/v1/webhooks/whk_1/deliveries?limit=1").await.expect(200);
    let next = format!("/api/v1/webhooks/whk_1/deliveries?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(admin.get(&next).await.expect(200)["data"][0], told["data"][1]);

    for due in node.store.take_due_deliveries(|_| true).await.unwrap() {
        let took = Duration::from_millis(7);
        node.store.delivery_tried(&due, took, Some("the POST was answered with 503"), false).await.unwrap();
        node.store.delivery_tried(&due, took, None, false).await.unwrap();
    }
    let event = told["data"][1]["event"].as_str().unwrap();
    let one = format!("/api/v1/webhooks/whk_1/deliveries/{event}");
    let tries = admin.get(&format!("{one}/tries")).await.expect(200);
    let problems: Vec<&Value> = tries["data"].as_array().unwrap().iter().map(|row| &row["problem"]).collect();
    assert_eq!(problems, ["the POST was answered with 503", ""]);
    assert_eq!(node.store.take_due_deliveries(|_| true).await.unwrap().len(), 0);
    admin.send("POST", &format!("{one}/replay"), json!(null)).await.expect(204);
    let again = node.store.take_due_deliveries(|_| true).await.unwrap();
    assert_eq!(again.iter().map(|due| due.event.id.as_str()).collect::<Vec<_>>(), [event]);
    admin.send("POST", "/api/v1/webhooks/whk_1/deliveries/none/replay", json!(null)).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_webhook_that_is_gone_is_stopped_and_goes_on_when_it_is_saved_again() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let new = json!({ "name": "noc", "url": "https://noc.example.net/", "events": ["account.low"] });
    admin.make("/api/v1/webhooks", new.clone()).await;
    admin
        .make("/api/v1/webhooks", json!({ "name": "off", "url": "http://x.example", "events": ["*"], "active": false }))
        .await;
    node.store.set_alarms(NodeId(1), &[failing()]).await.unwrap();
    assert_eq!(node.store.take_due_deliveries(|_| true).await.unwrap().len(), 0, "nobody wants to be told of that");
    admin.send("POST", "/api/v1/webhooks/whk_1/test", json!(null)).await.expect(204);
    let due = node.store.take_due_deliveries(|_| true).await.unwrap().remove(0);
    assert_eq!((due.event.kind.as_str(), due.webhook.draft.name.as_str()), ("webhook.test", "noc"));
    let why = "the POST was answered with 410";
    node.store.delivery_tried(&due, Duration::ZERO, Some(why), true).await.unwrap();
    let row = admin.get("/api/v1/webhooks").await.expect(200)["data"][0].clone();
    assert_eq!((&row["active"], &row["stopped"]), (&json!(false), &json!(why)));
    let told = admin.get("/api/v1/webhooks/whk_1/deliveries").await.expect(200);
    assert_eq!(told["data"][0]["state"], "given_up");

    let saved = admin.send("PUT", "/api/v1/webhooks/whk_1", new).await.expect(200);
    assert_eq!((&saved["active"], &saved["stopped"]), (&json!(true), &json!("")));
    let secret = admin.send("POST", "/api/v1/webhooks/whk_1/secret", json!(null)).await.expect(200);
    assert!(secret["secret"].as_str().unwrap().starts_with("whsec_"));
    admin.send("DELETE", "/api/v1/webhooks/whk_1", json!(null)).await.expect(204);
    admin.get("/api/v1/webhooks/whk_1/deliveries").await.problem(404, "not_found");
    let acts = admin.get("/api/v1/audit?object=whk_1").await.expect(200);
    let acts: Vec<&Value> = acts["data"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert_eq!(acts, ["delete", "webhook_secret", "update", "create"]);
}
