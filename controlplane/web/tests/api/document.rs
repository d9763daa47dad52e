use crate::node::Node;

#[test]
fn the_document_in_the_repository_is_the_one_that_the_code_makes() {
    let kept = include_str!("../../openapi.json");
    let made = web::openapi_text();
    let hint = "run: cargo run -p web --example openapi > controlplane/web/openapi.json";
    assert!(kept.trim_end() == made, "openapi.json is not what the code makes; {hint}");
}

#[test]
fn the_document_is_openapi_3_1_and_names_each_operation_once() {
    let document: serde_json::Value = serde_json::from_str(&web::openapi_text()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut ids = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            ids.push(operation["operationId"].as_str().unwrap().to_owned());
            assert!(operation["summary"].is_string(), "{method} {path} says nothing");
            assert!(operation["responses"]["default"].is_object(), "{method} {path} has no problem");
        }
    }
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[test]
fn every_number_without_a_sign_says_how_large_it_may_be() {
    fn look(value: &serde_json::Value, at: &str, seen: &mut u32) {
        if value["format"] == "int32" && value["minimum"].is_number() {
            assert!(value["maximum"].is_number(), "{at}");
        }
        *seen += u32::from(value["maximum"] == u32::MAX);
        let parts = value.as_object().into_iter().flatten().map(|(name, part)| (name.clone(), part));
        let entries = value.as_array().into_iter().flatten().enumerate().map(|(place, part)| (place.to_string(), part));
        parts.chain(entries).for_each(|(name, part)| look(part, &format!("{at}/{name}"), seen));
    }
    let mut seen = 0;
    look(&serde_json::from_str(&web::openapi_text()).unwrap(), "", &mut seen);
    assert!(seen > 50, "capacities and counters have 32 bits: {seen}");
}

#[tokio::test]
async fn the_viewer_and_the_document_are_served_without_a_log_in() {
    let node = Node::start().await;
    let document = node.send("GET", "/api/openapi.json", &[], b"").await.expect(200);
    assert_eq!(document, serde_json::from_str::<serde_json::Value>(&web::openapi_text()).unwrap());
    let viewer = node.send("GET", "/api/docs/", &[], b"").await;
    assert_eq!(viewer.status, 200);
    assert!(viewer.text().contains("swagger-ui"));
    assert!(!viewer.text().contains("<script>"), "no inline script: the policy forbids it");
    let script = node.send("GET", "/api/docs/swagger-ui-bundle.js", &[], b"").await;
    assert!(script.status == 200 && script.body.len() > 100_000);
}

#[tokio::test]
async fn pages_come_with_the_headers_that_keep_browsers_out_of_trouble() {
    let node = Node::start().await;
    for path in ["/", "/calls/0123", "/api/docs/"] {
        let page = node.send("GET", path, &[], b"").await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.header("content-type").starts_with("text/html"), "{path}");
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'self'") && !policy.contains("script-src 'unsafe"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("x-frame-options"), "DENY");
    }
    node.send("GET", "/assets/no-such.js", &[], b"").await.problem(404, "not_found");
    node.send("GET", "/../../etc/passwd", &[], b"").await;
    let refused = node.send("POST", "/calls", &[], b"").await;
    refused.problem(405, "method_not_allowed");
    assert_eq!(refused.header("allow"), "GET, HEAD");
    let refused = node.send("POST", "/healthz", &[], b"").await;
    refused.problem(405, "method_not_allowed");
    assert_eq!(refused.header("allow").to_lowercase().replace(' ', ""), "get,head");
}

#[tokio::test]
async fn answers_are_packed_for_those_who_ask() {
    let node = Node::start().await;
    let packed = node.send("GET", "/api/openapi.json", &[("accept-encoding", "gzip")], b"").await;
    assert_eq!(packed.header("content-encoding"), "gzip");
}

#[test]
fn what_was_written_down_may_be_an_object_or_the_list_of_an_applied_file() {
    let document: serde_json::Value = serde_json::from_str(&web::openapi_text()).unwrap();
    let entry = "/components/schemas/List_AuditEntry/properties/data/items/properties";
    let kind = |field: &str| document.pointer(&format!("{entry}/{field}")).expect("it is described")["type"].clone();
    assert_eq!(kind("before"), serde_json::json!(["object", "null"]));
    assert_eq!(kind("after"), serde_json::Value::Null, "any JSON");
}
