//! Log-ins that want a code beside the password.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::node::{Browser, JSON, Node, Reply};

const PASSWORD: &str = "long enough";

/// An authenticator of our own: RFC 6238 by its text, and base32 by RFC 4648.
struct Authenticator(Vec<u8>);

impl Authenticator {
    fn told(base32: &str) -> Authenticator {
        let (mut bits, mut held, mut secret) = (0_u32, 0, Vec::new());
        for digit in base32.bytes() {
            let value = if digit.is_ascii_uppercase() { digit - b'A' } else { digit - b'2' + 26 };
            bits = (bits << 5) | u32::from(value);
            held += 5;
            if held >= 8 {
                held -= 8;
                secret.push((bits >> held) as u8);
            }
        }
        Authenticator(secret)
    }

    fn code_of(&self, step: u64) -> String {
        let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(&self.0).unwrap();
        mac.update(&step.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let from = usize::from(hash[19] & 15);
        let number = u32::from_be_bytes(hash[from..from + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }

    fn step() -> u64 {
        let now = web::value::Time::now();
        u64::try_from(now.micros() / 1_000_000).unwrap() / 30
    }
}

async fn log_in(node: &Node, body: Value) -> Reply {
    node.send("POST", "/api/v1/sessions", JSON, body.to_string().as_bytes()).await
}

fn by_password(code: Option<&str>) -> Value {
    json!({ "user": "anna", "password": PASSWORD, "code": code })
}

/// Sets a second factor up; the answer is the authenticator, the step whose code was used, and the recovery codes.
async fn enrol(browser: &Browser<'_>, ask: Value) -> (Authenticator, u64, Vec<String>) {
    let begun = browser.send("POST", "/api/v1/me/second-factor", ask).await.expect(200);
    assert!(begun["qr_svg"].as_str().unwrap().contains("<svg"));
    let authenticator = Authenticator::told(begun["secret"].as_str().unwrap());
    let step = Authenticator::step();
    let code = json!({ "code": authenticator.code_of(step) });
    let codes = browser.send("PUT", "/api/v1/me/second-factor", code).await.expect(200);
    let codes = codes["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned());
    (authenticator, step, codes.collect())
}

async fn with_anna(node: &Node) -> Browser<'_> {
    let admin = node.log_in().await;
    admin.make("/api/v1/users", json!({ "name": "anna", "role": "operator", "password": PASSWORD })).await;
    node.log_in_as("anna", PASSWORD).await
}

#[tokio::test]
async fn a_log_in_wants_a_code_beside_the_password_and_each_code_counts_once() {
    let node = Node::start().await;
    let anna = with_anna(&node).await;
    let wrong = json!({ "password": "not the password" });
    let flaw = anna.send("POST", "/api/v1/me/second-factor", wrong).await.problem(422, "invalid");
    assert_eq!(flaw["errors"][0]["pointer"], "/password");
    let (authenticator, step, recovery) = enrol(&anna, json!({ "password": PASSWORD })).await;
    assert_eq!(recovery.len(), 10);
    assert_eq!(anna.get("/api/v1/me").await.expect(200)["has_second_factor"], true);

    log_in(&node, by_password(None)).await.problem(401, "second_factor_wanted");
    let proving = authenticator.code_of(step);
    log_in(&node, by_password(Some(&proving))).await.problem(401, "wrong_credentials");
    // A code of the step that is about to come counts too.
    let next = authenticator.code_of((step + 1).max(Authenticator::step()));
    log_in(&node, by_password(Some(&next))).await.expect(200);
    log_in(&node, by_password(Some(&next))).await.problem(401, "wrong_credentials");
    // Without the right password a right code says nothing.
    let wrong = json!({ "user": "anna", "password": "wrong enough", "code": recovery[0] });
    log_in(&node, wrong).await.problem(401, "wrong_credentials");
    log_in(&node, by_password(Some(&recovery[0].to_uppercase().replace('-', " ")))).await.expect(200);
    log_in(&node, by_password(Some(&recovery[0]))).await.problem(401, "wrong_credentials");
    assert_eq!(anna.get("/api/v1/me/second-factor").await.expect(200)["recovery_codes_left"], 9);

    let renewed = anna.send("POST", "/api/v1/me/recovery-codes", json!({ "code": recovery[1] })).await.expect(200);
    assert_eq!(renewed["recovery_codes"].as_array().unwrap().len(), 10);
    log_in(&node, by_password(Some(&recovery[2]))).await.problem(401, "wrong_credentials");
    let off = |code: &str| anna.send("POST", "/api/v1/me/second-factor/remove", json!({ "code": code }));
    off("not a code").await.problem(422, "invalid");
    off(renewed["recovery_codes"][0].as_str().unwrap()).await.expect(204);
    log_in(&node, by_password(None)).await.expect(200);
}

#[tokio::test]
async fn whoever_guesses_codes_must_wait_and_an_administrator_may_take_a_lost_one_off() {
    let node = Node::start().await;
    let anna = with_anna(&node).await;
    let (_, _, recovery) = enrol(&anna, json!({ "password": PASSWORD })).await;
    let off = |code: &str| anna.send("POST", "/api/v1/me/second-factor/remove", json!({ "code": code }));
    // By browser, so that the address is not what must wait.
    for _ in 0..10 {
        off("not a code").await.problem(422, "invalid");
    }
    off(&recovery[0]).await.problem(429, "too_many");
    log_in(&node, by_password(Some(&recovery[0]))).await.problem(429, "too_many");

    let admin = node.log_in().await;
    let users = admin.get("/api/v1/users").await.expect(200);
    let row = users["data"].as_array().unwrap().iter().find(|user| user["name"] == "anna").unwrap();
    assert_eq!(row["has_second_factor"], true);
    let id = row["id"].as_str().unwrap();
    let path = format!("/api/v1/users/{id}/second-factor");
    admin.send("DELETE", "/api/v1/users/usr_1/second-factor", json!(null)).await.problem(409, "conflict");
    admin.send("DELETE", &path, json!(null)).await.expect(204);
    admin.send("DELETE", &path, json!(null)).await.problem(404, "not_found");
    log_in(&node, by_password(None)).await.expect(200);
    let trail = admin.get(&format!("/api/v1/audit?object={id}")).await.expect(200);
    let acts: Vec<(&str, &str)> = trail["data"].as_array().unwrap().iter().map(acted).collect();
    assert!(acts.contains(&("user:admin", "second_factor_off")), "{trail}");
    assert!(acts.contains(&("user:anna", "second_factor_on")), "{trail}");
    assert_eq!(acts.iter().filter(|act| **act == ("user:anna", "wrong_code")).count(), 10, "{trail}");
}

fn acted(entry: &Value) -> (&str, &str) {
    (entry["actor"].as_str().unwrap(), entry["action"].as_str().unwrap())
}

#[tokio::test]
async fn who_must_have_a_second_factor_may_do_nothing_before_and_the_one_time_token_is_the_way_back() {
    let node = Node::start().await;
    let admin = node.log_in().await;
    let anna = with_anna(&node).await;
    let roles = json!({ "roles": ["operator", "admin"] });
    let own_first = admin.send("PUT", "/api/v1/second-factor-roles", roles.clone()).await;
    own_first.problem(409, "conflict");
    enrol(&admin, json!({})).await;
    admin.send("PUT", "/api/v1/second-factor-roles", roles.clone()).await.expect(200);
    assert_eq!(admin.get("/api/v1/second-factor-roles").await.expect(200)["roles"], json!(["admin", "operator"]));

    anna.get("/api/v1/carriers").await.problem(403, "second_factor_missing");
    let refused = anna.send("POST", "/api/v1/carriers", json!({ "code": "acme" })).await;
    refused.problem(403, "second_factor_missing");
    let me = anna.get("/api/v1/me").await.expect(200);
    assert_eq!((&me["must_have_second_factor"], &me["scopes"]), (&json!(true), &json!([])));
    let (_, _, recovery) = enrol(&anna, json!({ "password": PASSWORD })).await;
    anna.get("/api/v1/carriers").await.expect(200);
    let off = json!({ "code": recovery[0] });
    anna.send("POST", "/api/v1/me/second-factor/remove", off).await.problem(409, "conflict");
    // Whoever may read the data folder needs no authenticator: the token alone logs the administrator in, who has one.
    node.log_in().await.get("/api/v1/users").await.expect(200);
}
