use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use web::auth::Budgets;

use crate::node::{JSON, Node, Reply};

#[tokio::test]
async fn every_path_under_the_api_asks_who_you_are() {
    let node = Node::start().await;
    let document: serde_json::Value = serde_json::from_str(&web::openapi_text()).unwrap();
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        if !path.starts_with("/api/v1/") {
            continue;
        }
        for method in item.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
            if (path.as_str(), method.as_str()) == ("/api/v1/sessions", "POST") {
                continue;
            }
            let path = path
                .replace("{id}", "car_1")
                .replace("{rate}", "rat_1_0")
                .replace("{call}", "0")
                .replace("{event}", "e");
            node.send(&method, &path, JSON, b"{}").await.problem(401, "not_logged_in");
            asked += 1;
        }
    }
    assert!(asked > 50, "only {asked} operations were found");
}

#[tokio::test]
async fn a_one_time_token_works_once_and_makes_the_first_administrator() {
    let node = Node::start().await;
    let body = json!({ "token": node.tokens.issue() }).to_string();
    let first = node.send("POST", "/api/v1/sessions", JSON, body.as_bytes()).await;
    let me = first.expect(200);
    assert_eq!((me["name"].as_str(), me["role"].as_str()), (Some("admin"), Some("admin")));
    assert_eq!(me["has_password"], false);
    let cookie = first.header("set-cookie");
    for wanted in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(wanted), "{cookie}");
    }
    let again = node.send("POST", "/api/v1/sessions", JSON, body.as_bytes()).await;
    again.problem(401, "wrong_credentials");
}

#[tokio::test]
async fn a_user_logs_in_by_password_and_out_again() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let new = json!({ "name": "anna", "role": "viewer", "password": "short" });
    let flaw = admin.send("POST", "/api/v1/users", new).await.problem(422, "invalid");
    assert_eq!(flaw["errors"][0]["pointer"], "/password");
    admin.make("/api/v1/users", json!({ "name": "anna", "role": "viewer", "password": "long enough" })).await;
    let wrong = json!({ "user": "anna", "password": "wrong enough" }).to_string();
    node.send("POST", "/api/v1/sessions", JSON, wrong.as_bytes()).await.problem(401, "wrong_credentials");
    let right = json!({ "user": "anna", "password": "long enough" }).to_string();
    let reply = node.send("POST", "/api/v1/sessions", JSON, right.as_bytes()).await;
    let csrf = reply.expect(200)["csrf_token"].as_str().unwrap().to_owned();
    let cookie = reply.header("set-cookie").split(';').next().unwrap().to_owned();
    let both = [("cookie", cookie.as_str()), ("x-csrf-token", &csrf), ("content-type", "application/json")];
    node.send("GET", "/api/v1/carriers", &both, b"").await.expect(200);
    let refused = node.send("POST", "/api/v1/carriers", &both, b"{\"code\":\"acme\"}").await;
    assert!(refused.problem(403, "not_allowed")["detail"].as_str().unwrap().contains("write"));
    node.send("DELETE", "/api/v1/sessions", &both, b"").await.expect(204);
    node.send("GET", "/api/v1/carriers", &both, b"").await.problem(401, "not_logged_in");
}

#[tokio::test]
async fn a_change_by_cookie_needs_the_csrf_token() {
    let node = Node::start().await;
    let browser = node.log_in().await;
    let body = b"{\"code\":\"acme\"}";
    let bare = [("cookie", browser.cookie.as_str()), ("content-type", "application/json")];
    node.send("POST", "/api/v1/carriers", &bare, body).await.problem(403, "csrf_missing");
    let wrong = [bare[0], bare[1], ("x-csrf-token", "0000")];
    node.send("POST", "/api/v1/carriers", &wrong, body).await.problem(403, "csrf_missing");
    let right = [bare[0], bare[1], ("x-csrf-token", browser.csrf.as_str())];
    node.send("POST", "/api/v1/carriers", &right, body).await.expect(201);
}

#[tokio::test]
async fn a_form_of_another_site_is_not_taken_for_json() {
    let node = Node::start().await;
    let body = json!({ "token": node.tokens.issue() }).to_string();
    let plain = [("content-type", "text/plain")];
    node.send("POST", "/api/v1/sessions", &plain, body.as_bytes()).await.problem(415, "media_type");
    // Names of media types have no case (RFC 9110 §8.3.1).
    let loud = [("content-type", "Application/JSON; charset=utf-8")];
    assert_ne!(node.send("POST", "/api/v1/sessions", &loud, body.as_bytes()).await.status, 415);
}

#[tokio::test]
async fn after_ten_wrong_passwords_an_address_must_wait() {
    let node = Node::start().await;
    let body = json!({ "token": "guess" }).to_string();
    for _ in 0..10 {
        node.send("POST", "/api/v1/sessions", JSON, body.as_bytes()).await.problem(401, "wrong_credentials");
    }
    let barred = node.send("POST", "/api/v1/sessions", JSON, body.as_bytes()).await;
    barred.problem(429, "too_many");
    assert_eq!(barred.header("retry-after"), "60");
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.send("DELETE", "/api/v1/users/usr_1", json!(null)).await.problem(409, "conflict");
}

#[tokio::test]
async fn changes_are_written_down_with_who_and_what() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.make("/api/v1/carriers", json!({ "code": "acme" })).await;
    admin.send_if("PATCH", "/api/v1/carriers/car_1", Some("*"), json!({ "blocked": true })).await.expect(200);
    let entries = admin.get("/api/v1/audit?object=car_1").await.expect(200);
    let newest = &entries["data"][0];
    assert_eq!((newest["action"].as_str(), newest["actor"].as_str()), (Some("update"), Some("user:admin")));
    assert_eq!(newest["before"]["blocked"], false);
    assert_eq!(newest["after"]["blocked"], true);
    assert_eq!(newest["address"], "127.0.0.1");
    assert_eq!(entries["data"][1]["action"], "create");
}

#[tokio::test]
async fn every_answer_says_how_many_requests_are_left() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let left = |reply: &Reply| -> u32 {
        assert_eq!(reply.header("ratelimit-policy"), "\"requests\";q=60000;w=60");
        let told = reply.header("ratelimit").strip_prefix("\"requests\";r=").and_then(|rest| rest.split_once(";t="));
        let (left, ends_s) = told.expect("what is left, and until when");
        assert!((1..=60).contains(&ends_s.parse().unwrap()), "{ends_s}");
        left.parse().unwrap()
    };
    let first = left(&admin.get("/api/v1/carriers").await);
    assert_eq!(left(&admin.get("/api/v1/carriers/car_9").await), first - 1, "a refusal counts");
    let stranger = node.send("GET", "/api/v1/carriers", &[], b"").await;
    assert_eq!(stranger.header("ratelimit"), "", "who is unknown is told nothing");
}

#[test]
fn whoever_asks_too_much_waits_for_the_next_minute_and_nobody_else_does() {
    let (budgets, begun) = (Budgets::of(2), Instant::now());
    let asked = |caller: &str, after_ms: u64| {
        let budget = budgets.spend(caller, begun + Duration::from_millis(after_ms));
        (budget.left, budget.ends_s, budget.is_spent)
    };
    assert_eq!(asked("key:a", 0), (1, 60, false));
    assert_eq!(asked("key:a", 1_500), (0, 59, false));
    assert_eq!(asked("key:a", 58_000), (0, 2, true));
    assert_eq!(asked("key:b", 58_000), (1, 60, false));
    assert_eq!(asked("key:a", 60_000), (1, 60, false));
    let mut headers = HeaderMap::new();
    Budgets::of(0).spend("key:a", begun).tell(&mut headers);
    assert_eq!(headers["retry-after"], "60");
    assert_eq!(headers["ratelimit"], "\"requests\";r=0;t=60");
}

#[tokio::test]
async fn a_request_says_once_which_host_it_means() {
    let node = Node::start().await;
    for (hosts, status) in [("", "400"), ("host: a\r\nhost: b\r\n", "400"), ("host: a\r\n", "200")] {
        let mut stream = TcpStream::connect(node.address).await.unwrap();
        let request = format!("GET /healthz HTTP/1.1\r\nconnection: close\r\n{hosts}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{hosts:?}: {said}");
    }
}
