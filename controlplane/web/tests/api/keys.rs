//! Programs come in by keys, from where their keys say.

use serde_json::{Value, json};

use crate::node::{Browser, Node};

#[tokio::test]
async fn an_api_key_is_shown_once_has_scopes_and_can_be_taken_back() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let made = admin.make("/api/v1/api-keys", json!({ "name": "ci", "scopes": ["read"] })).await;
    let secret = format!("Bearer {}", made["secret"].as_str().unwrap());
    let listed = admin.get("/api/v1/api-keys").await;
    assert!(!listed.text().contains(&secret[7..]));
    let key = [("authorization", secret.as_str()), ("content-type", "application/json")];
    node.send("GET", "/api/v1/carriers", &key, b"").await.expect(200);
    let other_case = secret.replace("Bearer ", "bEARER  ");
    node.send("GET", "/api/v1/carriers", &[("authorization", &other_case)], b"").await.expect(200);
    // A key needs no CSRF token, for no browser sends it by itself; it still needs the scope.
    node.send("POST", "/api/v1/carriers", &key, b"{\"code\":\"acme\"}").await.problem(403, "not_allowed");
    node.send("GET", "/api/v1/audit", &key, b"").await.problem(403, "not_allowed");
    let path = format!("/api/v1/api-keys/{}", made["key"]["id"].as_str().unwrap());
    admin.send("DELETE", &path, json!(null)).await.expect(204);
    node.send("GET", "/api/v1/carriers", &key, b"").await.problem(401, "wrong_credentials");
}

/// Makes a key; the answer is its id and the header that it is sent in.
async fn made(admin: &Browser<'_>, new: Value) -> (String, String) {
    let made = admin.make("/api/v1/api-keys", new).await;
    (made["key"]["id"].as_str().unwrap().to_owned(), format!("Bearer {}", made["secret"].as_str().unwrap()))
}

#[tokio::test]
async fn a_key_is_refused_from_elsewhere_with_the_reason_and_that_is_written_down_once() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let elsewhere = json!(["2001:db8::/32", "192.0.2.7"]);
    let (id, secret) = made(&admin, json!({ "name": "ci", "scopes": ["read"], "networks": elsewhere })).await;
    let ask = async || node.send("GET", "/api/v1/carriers", &[("authorization", secret.as_str())], b"").await;
    for _ in 0..3 {
        let refused = ask().await.problem(403, "wrong_address");
        assert_eq!(refused["detail"], "this key is not for requests from 127.0.0.1");
    }
    let listed = admin.get("/api/v1/api-keys").await.expect(200);
    assert_eq!(listed["data"][0]["networks"], json!(["192.0.2.7", "2001:db8::/32"]));
    assert_eq!(listed["data"][0]["last_used_at"], Value::Null, "a refused request is no use");
    let trail = admin.get(&format!("/api/v1/audit?object={id}")).await.expect(200);
    let refusals: Vec<&Value> =
        trail["data"].as_array().unwrap().iter().filter(|entry| entry["action"] == "wrong_address").collect();
    assert_eq!(refusals.len(), 1, "{trail}");
    assert_eq!((&refusals[0]["actor"], &refusals[0]["address"]), (&json!("key:ci"), &json!("127.0.0.1")));

    let path = format!("/api/v1/api-keys/{id}/networks");
    let here = json!({ "networks": ["127.0.0.0/8"] });
    assert_eq!(admin.send("PUT", &path, here).await.expect(200)["networks"], json!(["127.0.0.0/8"]));
    ask().await.expect(200);
    let used = admin.get("/api/v1/api-keys").await.expect(200);
    assert!(used["data"][0]["last_used_at"].is_string(), "{used}");
    let trail = admin.get(&format!("/api/v1/audit?object={id}")).await.expect(200);
    assert_eq!(trail["data"][0]["before"]["networks"], json!(["192.0.2.7", "2001:db8::/32"]));
    assert_eq!(trail["data"][0]["after"]["networks"], json!(["127.0.0.0/8"]));
    // A remembered caller is asked where it comes from, too.
    admin.send("PUT", &path, json!({ "networks": ["::1"] })).await.expect(200);
    ask().await.problem(403, "wrong_address");
    admin.send("PUT", &path, json!({ "networks": [] })).await.expect(200);
    ask().await.expect(200);
}

#[tokio::test]
async fn a_list_with_a_mistake_is_refused_and_says_which_line_is_wrong() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let (id, secret) = made(&admin, json!({ "name": "ci", "scopes": ["admin"] })).await;
    let path = format!("/api/v1/api-keys/{id}/networks");
    let wrong = json!({ "networks": ["192.0.2.7", "192.0.2.9/28"] });
    let flaw = admin.send("PUT", &path, wrong).await.problem(422, "invalid");
    assert_eq!(flaw["errors"][0]["pointer"], "/networks/1");
    assert!(flaw["detail"].as_str().unwrap().contains("is 192.0.2.0/28 meant?"), "{flaw}");
    let new = json!({ "name": "x", "scopes": ["read"], "networks": vec!["::1"; 33] });
    admin.send("POST", "/api/v1/api-keys", new).await.problem(422, "invalid");
    let key = [("authorization", secret.as_str()), ("content-type", "application/json")];
    node.send("GET", "/api/v1/users", &key, b"").await.expect(200);
    admin.send("DELETE", &format!("/api/v1/api-keys/{id}"), json!(null)).await.expect(204);
    admin.send("PUT", &path, json!({ "networks": [] })).await.problem(404, "not_found");
}

#[tokio::test]
async fn behind_a_proxy_a_request_comes_from_whom_the_proxy_heard() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let only = json!({ "name": "ci", "scopes": ["read"], "networks": ["198.51.100.7"] });
    let (_, secret) = made(&admin, only).await;
    let ask = async |heard: &str| {
        let headers = [("authorization", secret.as_str()), ("x-forwarded-for", heard)];
        node.send("GET", "/api/v1/carriers", &headers, b"").await
    };
    ask("198.51.100.7").await.expect(200);
    let refused = ask("198.51.100.7, 198.51.100.8").await.problem(403, "wrong_address");
    assert_eq!(refused["detail"], "this key is not for requests from 198.51.100.8");
}
