use serde_json::{Value, json};
use snapshot::{Policy, Side};

use crate::node::{Browser, Node};

async fn tagged(admin: &Browser<'_>, path: &str) -> (Value, String) {
    let reply = admin.get(path).await;
    let tag = reply.header("etag").to_owned();
    (reply.expect(200), tag)
}

async fn patch(admin: &Browser<'_>, path: &str, change: Value) -> crate::node::Reply {
    let (_, tag) = tagged(admin, path).await;
    admin.send_if("PATCH", path, Some(&tag), change).await
}

const TRUNK: &str = "/api/v1/egress-trunks/etr_1";

#[tokio::test]
async fn a_policy_is_an_object_of_its_trunk_or_plan() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    assert_eq!(tagged(&admin, TRUNK).await.0["policy"], json!({}), "what is at its default is left out");
    let policy = json!({ "redirects_max": 2, "codecs": { "allow": ["PCMA"], "single": true } });
    let changed = patch(&admin, TRUNK, json!({ "policy": policy })).await.expect(200);
    assert_eq!(changed["policy"], policy);
    patch(&admin, TRUNK, json!({ "cps": 7 })).await.expect(200);
    assert_eq!(tagged(&admin, TRUNK).await.0["policy"], policy, "an absent policy stays");
    let plan = json!({ "rewrite": [{ "field": "calling", "pattern": "^0", "replacement": "44" }] });
    let made = admin.make("/api/v1/plans", json!({ "code": "other", "policy": plan })).await;
    assert_eq!(made["policy"], plan);
    let (_, audit) = ((), admin.get("/api/v1/audit").await.expect(200));
    let entries = audit["data"].as_array().unwrap();
    let act = entries.iter().find(|entry| entry["object"] == "etr_1" && entry["before"]["policy"] == json!({}));
    assert_eq!(act.expect("the change is written down")["after"]["policy"], policy);
    assert_eq!(node.store.model().await.unwrap().egress_trunks[0].policy.redirects_max, 2);
    let emptied = patch(&admin, TRUNK, json!({ "policy": {} })).await.expect(200);
    assert_eq!(emptied["policy"], json!({}));
}

#[tokio::test]
async fn a_wrong_policy_is_refused_at_its_field() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    for (policy, pointer, detail) in [
        (json!({ "redirects_max": 9 }), "/policy/redirects_max", "policy.redirects_max: must be 0 or 1 to 5"),
        (
            json!({ "rewrite": [{ "pattern": "a" }, { "pattern": "(" }] }),
            "/policy/rewrite/1/pattern",
            "policy.rewrite.pattern: ",
        ),
        (
            json!({ "headers": { "add": [{ "name": "Via" }] } }),
            "/policy/headers/add/0/name",
            "policy.headers.add.name: ",
        ),
        (json!({ "headers": { "pass": ["X-A", "To"] } }), "/policy/headers/pass/1", "policy.headers.pass: "),
        (
            json!({ "numbers": { "called_deny": [{ "kind": "regex", "value": "[" }] } }),
            "/policy/numbers/called_deny/0",
            "policy.numbers",
        ),
        (json!({ "early_media": "suppress" }), "/policy/early_media", "policy.early_media: means nothing on this side"),
        (
            json!({ "digest": { "user": "a", "realm": "b" } }),
            "/policy/digest/password",
            "policy.digest.password: is missing",
        ),
        (json!({ "codecs": { "permit": [] } }), "/policy/codecs/permit", "unknown field `permit`"),
        (json!({ "codecs": { "allow": [7] } }), "/policy/codecs/allow/0", "invalid type"),
    ] {
        let problem = patch(&admin, TRUNK, json!({ "policy": policy })).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert!(problem["detail"].as_str().unwrap().starts_with(detail), "{problem}");
    }
}

#[tokio::test]
async fn a_password_goes_in_and_never_comes_out() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    admin.furnish().await;
    let path = "/api/v1/ingress-trunks/itr_1";
    let secret = "Circle Of Life";
    let digest = json!({ "user": "Mufasa", "realm": "testrealm@host.com", "password": secret });
    let told = patch(&admin, path, json!({ "policy": { "digest": digest } })).await;
    let shown = json!({ "digest": { "user": "Mufasa", "realm": "testrealm@host.com" } });
    assert_eq!(told.expect(200)["policy"], shown);
    let kept = async || node.store.model().await.unwrap().ingress_trunks[0].policy.digest.clone().unwrap();
    let hash = kept().await.ha1_md5;
    assert_eq!(hash, "939e7578ed9e3c518a452acee763bce9");
    // What was read can be written back: the hashes stay.
    let (read, _) = tagged(&admin, path).await;
    let change = json!({ "policy": read["policy"], "cps": 3 });
    assert_eq!(patch(&admin, path, change).await.expect(200)["policy"], shown);
    assert_eq!(kept().await.ha1_md5, hash);
    for answer in [admin.get("/api/v1/audit").await, admin.get("/api/v1/ingress-trunks").await] {
        let text = answer.text();
        assert!(answer.status == 200 && text.contains("Mufasa"));
        for hidden in [secret, hash.as_str(), "ha1"] {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }
    }
}

#[tokio::test]
async fn rewrites_can_be_tried_before_they_are_kept() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let rules = json!([
        { "field": "called", "pattern": "^00", "replacement": "+" },
        { "field": "calling", "pattern": "^", "replacement": "1" },
        { "field": "called", "pattern": r"^\+(\d\d)", "replacement": "$1-" },
    ]);
    let ask = |field: &str, text: &str| json!({ "rewrite": rules, "field": field, "text": text });
    let path = "/api/v1/rewrites:try";
    let tried = admin.send("POST", path, ask("called", "0044207")).await.expect(200);
    assert_eq!(tried, json!({ "text": "44-207", "steps": ["+44207", null, "44-207"], "cause": null }));
    let tried = admin.send("POST", path, ask("to", "0044207")).await.expect(200);
    assert_eq!((&tried["text"], &tried["steps"]), (&json!("0044207"), &json!([null, null, null])));
    let bad = json!({ "rewrite": [{ "pattern": "a", "replacement": " b" }], "field": "called", "text": "a1" });
    assert_eq!(admin.send("POST", path, bad).await.expect(200)["cause"], 28);
    let wrong = json!({ "rewrite": [{ "pattern": "a" }, { "pattern": "(?<=a)" }], "field": "called", "text": "1" });
    let problem = admin.send("POST", path, wrong).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/rewrite/1/pattern");
}

/// The document's schemas by name.
fn schemas() -> Value {
    let document: Value = serde_json::from_str(&web::openapi_text()).unwrap();
    document["components"]["schemas"].clone()
}

/// The schema that a property refers to, and the property's description.
fn looked_up<'a>(all: &'a Value, property: &'a Value) -> (&'a Value, String) {
    let parts = property["oneOf"].as_array().into_iter().flatten().chain([property]);
    let refers = parts.filter_map(|part| Some((part["$ref"].as_str()?, part))).next();
    let (schema, told) = match refers {
        Some((name, part)) => (&all[name.rsplit('/').next().unwrap()], part),
        None => (property, property),
    };
    (schema, told["description"].as_str().unwrap_or_default().to_owned())
}

/// A value of this schema that is not the default.
fn another(all: &Value, property: &Value) -> Value {
    let (schema, _) = looked_up(all, property);
    if let Some(values) = schema["enum"].as_array() {
        return values[1].clone();
    }
    match schema["type"].as_str() {
        Some("boolean") => json!(property["default"] == false),
        Some("integer") => json!(400),
        Some("string") => json!("a"),
        Some("array") => json!([another(all, &schema["items"])]),
        _ => {
            let properties = schema["properties"].as_object().unwrap();
            properties.iter().map(|(name, property)| (name.clone(), another(all, property))).collect::<Value>()
        }
    }
}

/// Ingress, egress, plan, as a description says it; `None` if it says nothing of sides.
fn sides(text: &str) -> Option<[bool; 3]> {
    for (start, sides) in [
        ("All: ", [true; 3]),
        ("Both: ", [true, true, false]),
        ("Egress and plan: ", [false, true, true]),
        ("Ingress and carrier: ", [true, false, false]),
        ("Plan: ", [false, false, true]),
    ] {
        if text.starts_with(start) {
            return Some(sides);
        }
    }
    let (ingress, egress) = (text.contains("Ingress: "), text.contains("Egress: "));
    (ingress || egress).then_some([ingress, egress, false])
}

#[test]
fn the_description_of_each_field_says_truly_on_which_sides_it_means_something() {
    let all = schemas();
    let mut rows = Vec::new();
    for (name, property) in all["Policy"]["properties"].as_object().unwrap() {
        let (schema, told) = looked_up(&all, property);
        let wanted = sides(&told).unwrap_or_else(|| panic!("{name} says nothing of sides: {told}"));
        for (field, part) in schema["properties"].as_object().into_iter().flatten() {
            let inner = sides(&looked_up(&all, part).1);
            assert!(inner.is_some() || name != "answers", "{name}.{field} says nothing of sides");
            let value = json!({ name: { field: another(&all, part) } });
            rows.extend(inner.map(|inner| (format!("{name}.{field}"), value, inner)));
        }
        let small = name == "redirects_max" || name == "cps_window_s";
        let value = if small { json!(1) } else { another(&all, property) };
        if schema["properties"].is_null() {
            rows.push((name.clone(), json!({ name: value }), wanted));
        }
    }
    assert!(rows.len() > 25, "{rows:?}");
    for (name, value, wanted) in rows {
        let policy = Policy::from_text(&value.to_string()).unwrap_or_else(|flaw| panic!("{value}: {flaw}"));
        let fits = [Side::Ingress, Side::Egress, Side::Plan]
            .map(|side| !policy.check(side).is_err_and(|flaw| flaw.reason == "means nothing on this side"));
        assert_eq!(fits, wanted, "{name}");
    }
}

#[test]
fn every_field_and_value_of_a_policy_is_described_and_the_example_is_sound() {
    let all = schemas();
    let example = all["Policy"]["example"].to_string();
    Policy::from_text(&example).unwrap().check(Side::Egress).unwrap();
    let mut names = vec!["Policy".to_owned()];
    let mut seen = 0;
    while let Some(name) = names.get(seen).cloned() {
        seen += 1;
        let schema = &all[name.as_str()];
        let told = schema["description"].as_str().unwrap();
        let values = schema["enum"].as_array().map_or(0, Vec::len);
        assert_eq!(told.matches("\n- ").count(), values, "{name}: {told}");
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            assert!(!looked_up(&all, property).1.is_empty(), "{name}.{field} is not described");
            let text = property.to_string();
            let more = text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
            let fresh: Vec<String> =
                more.filter(|name| !names.iter().any(|known| known == name)).map(str::to_owned).collect();
            names.extend(fresh);
        }
    }
    assert!(seen > 15, "{names:?}");
}
