//! Balances, limits and notices as operators meet them: the sample, and a notice that is told by mail and by POST. On both databases.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "../store/tests/support/databases.rs"]
mod databases;

use std::collections::BTreeMap;
use std::time::Duration;

use snapshot::{CarrierLimits, Limits, View};
use store::{AccountDraft, Delivery, StandingAlarm, Store, WebhookDraft};
use tandem_controlplane::apply::{Files, Input, apply};
use tandem_controlplane::notify::{self, Relay};
use tandem_controlplane::posts::{self, Posts};
use tandem_controlplane::webhooks;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use units::{CarrierId, Money, NodeId, WallTime};

on_both! {
    the_sample_of_all_limits_is_applied_once_and_can_be_published
    a_low_balance_is_told_by_mail_and_by_post
    who_is_slow_delays_nobody_else
    a_webhook_is_told_of_an_alarm_until_it_takes_it_and_of_a_balance
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
async fn take_post(stream: TcpStream) -> String {
    take_post_with(stream, "200 OK").await
}

async fn take_post_with(mut stream: TcpStream, status: &str) -> String {
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
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nlocation: /elsewhere\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
            return told;
        }
    }
}

/// The other servers of these stories are on this machine.
fn here() -> Posts {
    Posts::to(&["127.0.0.0/8".to_owned()]).unwrap()
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
    notify::start(store.clone(), &Relay { url: Some(relay_url), from: "tandem@example.org".into(), posts: here() })
        .unwrap();
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
    assert_eq!(said, posts::signature(&secret, &id, &at, text));
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
    let said = posts::signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "{\"test\": 2432232314}");
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
    notify::start(store.clone(), &Relay { posts: here(), ..Relay::default() }).unwrap();
    let post = async { take_post(hook.accept().await.unwrap().0).await };
    let post = tokio::time::timeout(PATIENCE, post).await.expect("the other one is told");
    assert!(post.contains("webhook-id: low:7:") && !post.contains("webhook-signature"), "{post}");
    let silent = store.notices(Some(1), None, 1).await.unwrap().remove(0);
    assert_eq!((silent.url_tries, silent.problem.as_str()), (Some(0), ""), "nobody has given up the slow one");
}

/// Waits until the newest delivery of the only webhook is as it is wanted.
async fn delivered(store: &Store, wanted: impl Fn(&Delivery) -> bool) -> Delivery {
    let look = async {
        loop {
            let newest = store.deliveries(1, None, 1).await.unwrap().pop();
            if let Some(newest) = newest.filter(&wanted) {
                return newest;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("it becomes so")
}

async fn a_webhook_is_told_of_an_alarm_until_it_takes_it_and_of_a_balance(store: Store) {
    let hook = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, secret) = (format!("http://{}/tandem", hook.local_addr().unwrap()), store::draw_secret());
    let draft = WebhookDraft { name: "noc".into(), url, events: "alarm.raised account.*".into(), active: true };
    store.create_webhook(&draft, &secret).await.unwrap();
    webhooks::start(store.clone(), here());
    let what = "the journal's disk is \"full\"".to_owned();
    let alarm = StandingAlarm {
        name: "journal_disk".into(),
        level: "warn".into(),
        what: what.clone(),
        mend: "make room".into(),
    };
    store.set_alarms(NodeId(7), &[alarm]).await.unwrap();
    let first = async { take_post_with(hook.accept().await.unwrap().0, "302 Found").await };
    let first = tokio::time::timeout(PATIENCE, first).await.expect("it is told");
    let failed = delivered(&store, |told| !told.problem.is_empty()).await;
    assert_eq!((failed.tries, failed.problem.as_str()), (Some(1), "the POST was answered with 302"));
    store.replay_delivery(1, &failed.event.id).await.unwrap();
    let again = async { take_post(hook.accept().await.unwrap().0).await };
    let again = tokio::time::timeout(PATIENCE, again).await.expect("it is told again");
    let told = delivered(&store, |told| told.done).await;
    assert_eq!(store.delivery_tries(1, &told.event.id).await.unwrap().len(), 2);
    let head = |post: &str, name: &str| {
        let line = post.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("{name} is in {post}")).to_owned()
    };
    for post in [&first, &again] {
        let text = post.split("\r\n\r\n").nth(1).unwrap();
        let (id, at) = (head(post, "webhook-id"), head(post, "webhook-timestamp"));
        assert_eq!(head(post, "webhook-signature"), posts::signature(&secret, &id, &at, text));
        assert_eq!(id, told.event.id);
        let body: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!((&body["type"], &body["data"]["node"]), (&"alarm.raised".into(), &7.into()));
        assert_eq!(body["data"]["what"], what.as_str());
    }

    let yaml = "carriers: [{ code: acme }]\naccounts:\n  - { code: acme-usd, carrier: acme, notice_low: \"50\" }\n";
    self::told(&store, yaml).await;
    assert_eq!(store.watch_balances().await.unwrap(), 1);
    let post = async { take_post(hook.accept().await.unwrap().0).await };
    let post = tokio::time::timeout(PATIENCE, post).await.expect("it is told of a balance");
    let body: serde_json::Value = serde_json::from_str(post.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!((&body["type"], &body["data"]["account"]), (&"account.low".into(), &"acme-usd".into()));
    assert_eq!(body["data"]["threshold"], "50.00");

    // A month later: what was told is forgotten, and alarms that are over.
    delivered(&store, |newest| newest.done && newest.event.kind == "account.low").await;
    let in_days = |days: i64| WallTime::from_micros(jiff::Timestamp::now().as_microsecond() + days * 86_400_000_000);
    store.forget_events(in_days(29)).await.unwrap();
    assert_eq!(store.deliveries(1, None, 9).await.unwrap().len(), 2);
    store.forget_events(in_days(31)).await.unwrap();
    assert!(store.deliveries(1, None, 9).await.unwrap().is_empty());
    assert!(store.delivery_tries(1, &told.event.id).await.is_err());
    assert_eq!(store.alarms(false, 9).await.unwrap().len(), 1, "it stands");
    store.set_alarms(NodeId(7), &[]).await.unwrap();
    store.forget_events(in_days(31)).await.unwrap();
    assert!(store.alarms(false, 9).await.unwrap().is_empty());
}
