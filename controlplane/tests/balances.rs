//! Balances, limits and notices as operators meet them: the sample, and a notice that is told by mail and by POST. On both databases.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "../store/tests/support/databases.rs"]
mod databases;

use std::collections::BTreeMap;
use std::time::Duration;

use snapshot::{CarrierLimits, Limits, View};
use store::{AccountDraft, Store};
use tandem_controlplane::apply::{Files, Input, apply};
use tandem_controlplane::notify::{self, Relay};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use units::{CarrierId, Money};

on_both! {
    the_sample_of_all_limits_is_applied_once_and_can_be_published
    a_low_balance_is_told_by_mail_and_by_post
    who_is_slow_delays_nobody_else
}

const SAMPLE: &str = include_str!("../samples/balances.yaml");
/// How long a story waits for what must come.
const PATIENCE: Duration = Duration::from_secs(180);

async fn told(store: &Store, yaml: &str) -> Vec<String> {
    let files = Files::Inline(BTreeMap::new());
    let input = Input { name: "balances.yaml".into(), yaml: yaml.into(), files };
    match apply(store, &input, false, Some("user:anna")).await {
        Ok(report) => report.changes.iter().map(ToString::to_string).collect(),
        Err(error) => panic!("{error}"),
    }
}

async fn the_sample_of_all_limits_is_applied_once_and_can_be_published(store: Store) {
    assert_eq!(told(&store, SAMPLE).await.len(), 6, "the switch, two carriers, two accounts, a payment");
    assert!(told(&store, SAMPLE).await.is_empty(), "a second run changes nothing");
    let image = store.model().await.unwrap().encode().unwrap();
    let view = View::open(&image);
    assert_eq!(view.limits(), Limits { capacity: 5_000, cps: 500, cps_window_s: 2 });
    let limits = view.carrier(CarrierId(1)).unwrap().limits();
    let ingress = Limits { capacity: 300, cps: 30, cps_window_s: 10 };
    let egress = Limits { capacity: 200, cps: 20, cps_window_s: 1 };
    assert_eq!(limits, CarrierLimits { ingress, egress, capacity: 400, originator_capacity: 50 });
    let account = store.by_code::<AccountDraft>("acme-usd").await.unwrap();
    assert_eq!(account.facts.available, Money::parse("2490").unwrap(), "ten of it must stay");
    assert_eq!(account.caps.zone, "Europe/Paris");
    let change = told(&store, &SAMPLE.replace("originator_capacity: 50 ", "originator_capacity: 60 ")).await;
    assert_eq!(change, ["~ carrier acme: originator_capacity 50 → 60"]);
}

/// Takes one mail as a relay does (RFC 5321); its whole text.
async fn take_mail(stream: TcpStream) -> String {
    let mut lines = BufReader::new(stream);
    let (mut mail, mut line, mut in_data) = (String::new(), String::new(), false);
    lines.write_all(b"220 relay.test\r\n").await.unwrap();
    loop {
        line.clear();
        if lines.read_line(&mut line).await.unwrap() == 0 {
            return mail;
        }
        mail.push_str(&line);
        let answer: &[u8] = match (in_data, line.trim_end()) {
            (true, ".") => {
                in_data = false;
                b"250 taken\r\n"
            }
            (true, _) => continue,
            (false, "DATA") => {
                in_data = true;
                b"354 go on\r\n"
            }
            (false, "QUIT") => {
                let _ = lines.write_all(b"221 bye\r\n").await;
                return mail;
            }
            (false, _) => b"250 relay.test\r\n",
        };
        lines.write_all(answer).await.unwrap();
        if !in_data && mail.contains("\r\n.\r\n") {
            return mail;
        }
    }
}

/// Takes one request as a web server does; its head and its body.
async fn take_post(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    let mut bytes = [0; 4_096];
    loop {
        let length = stream.read(&mut bytes).await.unwrap();
        text.extend_from_slice(&bytes[..length]);
        let told = String::from_utf8_lossy(&text).into_owned();
        let whole = told
            .split_once("\r\n\r\n")
            .is_some_and(|(_, body)| serde_json::from_str::<serde_json::Value>(body).is_ok());
        if length == 0 || whole {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
            return told;
        }
    }
}

async fn a_low_balance_is_told_by_mail_and_by_post(store: Store) {
    let (relay, hook) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = format!("http://{}/balance", hook.local_addr().unwrap());
    let yaml = format!(
        "carriers: [{{ code: acme }}]\naccounts:\n  - {{ code: acme-usd, carrier: acme, notice_low: \"50\", notice_url: \"{url}\", \
         notice_mail: \"noc@example.net,billing@example.net\" }}\n"
    );
    told(&store, &yaml).await;
    let secret = store::draw_secret();
    store.set_notice_secret(1, &secret).await.unwrap();
    let relay_url = format!("smtp://{}", relay.local_addr().unwrap());
    notify::start(store.clone(), &Relay { url: Some(relay_url), from: "tandem@example.org".into() }).unwrap();
    let both = async {
        let mail = async { take_mail(relay.accept().await.unwrap().0).await };
        let post = async { take_post(hook.accept().await.unwrap().0).await };
        tokio::join!(mail, post)
    };
    let (mail, post) = tokio::time::timeout(PATIENCE, both).await.expect("somebody is told");
    for line in ["MAIL FROM:<tandem@example.org>", "RCPT TO:<noc@example.net>", "RCPT TO:<billing@example.net>"] {
        assert!(mail.contains(line), "{line} is in {mail}");
    }
    assert!(mail.contains("Subject: Account acme-usd: balance is low"), "{mail}");
    assert!(mail.contains("The balance is 0.00 USD, below 50.00 USD."), "{mail}");
    assert!(post.starts_with("POST /balance HTTP/1.1") && post.contains("webhook-id: low:1:"), "{post}");
    let head = |name: &str| {
        let line = post.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("{name} is in {post}")).to_owned()
    };
    let (id, at, said) = (head("webhook-id"), head("webhook-timestamp"), head("webhook-signature"));
    let text = post.split("\r\n\r\n").nth(1).unwrap();
    assert_eq!(said, notify::signature(&secret, &id, &at, text));
    let body: serde_json::Value = serde_json::from_str(post.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!((&body["type"], &body["data"]["account"]), (&"account.low".into(), &"acme-usd".into()));
    let done = async {
        loop {
            let notice = store.notices(None, None, 1).await.unwrap().remove(0);
            if notice.mail_tries.is_none() && notice.url_tries.is_none() {
                return notice;
            }
            tokio::task::yield_now().await;
        }
    };
    let notice = tokio::time::timeout(PATIENCE, done).await.expect("it is noted that they were told");
    assert_eq!((notice.problem.as_str(), notice.cleared), ("", None));
    assert_eq!(store.notice_tries(&notice.id).await.unwrap().len(), 2);
}

/// The example of the Standard Webhooks specification.
#[test]
fn a_signature_is_the_one_that_standard_webhooks_shows() {
    use base64ct::Encoding;
    let secret = base64ct::Base64::decode_vec("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let said = notify::signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "{\"test\": 2432232314}");
    assert_eq!(said, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

/// One server never answers; notices to another are told all the same.
async fn who_is_slow_delays_nobody_else(store: Store) {
    let (slow, hook) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let mut yaml = "carriers: [{ code: acme }]\naccounts:\n".to_owned();
    for number in 0..7 {
        let to = if number == 6 { &hook } else { &slow }.local_addr().unwrap();
        yaml +=
            &format!("  - {{ code: a{number}, carrier: acme, notice_low: \"50\", notice_url: \"http://{to}/x\" }}\n");
    }
    told(&store, &yaml).await;
    notify::start(store.clone(), &Relay::default()).unwrap();
    let post = async { take_post(hook.accept().await.unwrap().0).await };
    let post = tokio::time::timeout(PATIENCE, post).await.expect("the other one is told");
    assert!(post.contains("webhook-id: low:7:") && !post.contains("webhook-signature"), "{post}");
    let silent = store.notices(Some(1), None, 1).await.unwrap().remove(0);
    assert_eq!((silent.url_tries, silent.problem.as_str()), (Some(0), ""), "nobody has given up the slow one");
}
