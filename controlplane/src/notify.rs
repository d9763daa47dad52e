//! Tells whoever wants to know that an account's balance crossed a threshold: by electronic mail over a relay, and by a POST of JSON.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use lettre::message::header::ContentType;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use sha2::Sha256;
use store::{Account, DueNotice, Notice, Store, Way};

/// How often balances are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Tries under way at most, and of one target: a slow one delays nobody else.
const TRIES_AT_ONCE: usize = 32;
const TRIES_OF_TARGET: usize = 4;
/// How long a relay or a web server may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Where mail goes out.
#[derive(Clone, Debug, Default)]
pub struct Relay {
    /// `smtp://HOST:PORT`, `smtps://…`, with `USER:PASSWORD@` and `?tls=required` where wanted; without one no mail is sent.
    pub url: Option<String>,
    /// Whom the mail is from.
    pub from: String,
}

/// Begins to watch balances and to tell of them, for as long as the program runs.
pub fn start(store: Store, relay: &Relay) -> Result<()> {
    let mail = relay.url.as_deref().map(|url| {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url);
        transport.map(|builder| builder.timeout(Some(ANSWER_MAX)).build())
    });
    let mail = mail.transpose().context("--smtp is no smtp:// or smtps:// address")?;
    let teller = Arc::new(Teller { store, mail, from: relay.from.clone(), busy: Mutex::default() });
    tokio::spawn(async move {
        loop {
            if let Err(error) = Arc::clone(&teller).once().await {
                tracing::debug!(%error, "balances cannot be looked at");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    Ok(())
}

struct Teller {
    store: Store,
    mail: Option<AsyncSmtpTransport<Tokio1Executor>>,
    from: String,
    /// Tries under way, by target; an empty one is the relay.
    busy: Mutex<HashMap<String, usize>>,
}

impl Teller {
    /// Looks at balances and begins all tries that are due and that there is room for; nobody waits for them.
    async fn once(self: Arc<Self>) -> store::Result<()> {
        self.store.watch_balances().await?;
        let mut planned = self.busy.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let due = self.store.take_due_notices(|way, account| has_room(&mut planned, target(way, account))).await?;
        for due in due {
            *self
                .busy
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(target(due.way, &due.account))
                .or_default() += 1;
            let teller = Arc::clone(&self);
            tokio::spawn(async move { teller.tell(due).await });
        }
        self.store.count_notices().await
    }

    fn give_room_back(&self, target: &str) {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = busy.get_mut(target) {
            *own -= 1;
            if *own == 0 {
                busy.remove(target);
            }
        }
    }

    async fn tell(&self, due: DueNotice) {
        let DueNotice { notice, account, way, secret } = &due;
        let begun = Instant::now();
        let told = match way {
            Way::Mail => self.mail(notice, account).await,
            Way::Url => post(notice, account, secret.as_deref()).await,
        };
        self.give_room_back(&target(*way, account));
        let problem = told.err().map(|error| format!("{error:#}"));
        if let Some(problem) = &problem {
            tracing::warn!(notice = notice.id, ?way, problem, "nobody could be told of a balance; it is tried again");
        }
        let noted = self.store.notice_tried(&notice.id, *way, begun.elapsed(), problem.as_deref()).await;
        if let Err(error) = noted {
            tracing::debug!(%error, notice = notice.id, "what became of a try could not be written; it is repeated");
        }
    }

    async fn mail(&self, notice: &Notice, account: &Account) -> Result<()> {
        let transport = self.mail.as_ref().context("no relay is set (--smtp)")?;
        let from = self.from.parse().with_context(|| format!("{:?} is no address to send from", self.from))?;
        let mut message = Message::builder().from(from).subject(subject(notice, account)).message_id(None);
        for address in account.thresholds.mail.split(',') {
            let address = address.trim();
            message = message.to(address.parse().with_context(|| format!("{address:?} is no address"))?);
        }
        let message = message.header(ContentType::TEXT_PLAIN).body(text(notice, account))?;
        transport.send(message).await.context("the relay did not take it")?;
        Ok(())
    }
}

fn subject(notice: &Notice, account: &Account) -> String {
    let what = match notice.kind.as_str() {
        "low" => "balance is low",
        "high" => "balance is high",
        "day_cap" => "spending cap of the day is reached",
        _ => "spending cap of the month is reached",
    };
    format!("Account {}: {what}", account.code)
}

fn text(notice: &Notice, account: &Account) -> String {
    let (value, threshold, currency) = (notice.value, notice.threshold, account.currency);
    let line = match notice.kind.as_str() {
        "low" => format!("The balance is {value} {currency}, below {threshold} {currency}."),
        "high" => format!("The balance is {value} {currency}, above {threshold} {currency}."),
        _ => format!(
            "Calls have cost {value} {currency}; {threshold} {currency} are allowed. No call starts before the period is over."
        ),
    };
    format!("{}\n\n{line}\n", subject(notice, account))
}

/// Plans one more try of this target if there is room for it.
fn has_room(planned: &mut HashMap<String, usize>, target: String) -> bool {
    let all: usize = planned.values().sum();
    let own = planned.entry(target).or_default();
    let room = all < TRIES_AT_ONCE && *own < TRIES_OF_TARGET;
    *own += usize::from(room);
    room
}

/// Who is asked: the relay for all mail, and each address that is posted to.
fn target(way: Way, account: &Account) -> String {
    match way {
        Way::Mail => String::new(),
        Way::Url => account.thresholds.url.clone(),
    }
}

/// The headers are those of Standard Webhooks: the id is the same at every try, the moment is that of the try.
async fn post(notice: &Notice, account: &Account, secret: Option<&[u8]>) -> Result<()> {
    let body = serde_json::json!({
        "type": format!("account.{}", notice.kind),
        "timestamp": jiff::Timestamp::from_microsecond(notice.raised.micros()).unwrap_or_default().to_string(),
        "data": {
            "notice": notice.id,
            "account": account.code,
            "currency": account.currency.code(),
            "value": notice.value.to_string(),
            "threshold": notice.threshold.to_string(),
        },
    });
    let (url, id, body) = (account.thresholds.url.clone(), notice.id.clone(), body.to_string());
    let at = jiff::Timestamp::now().as_second().to_string();
    let signature = secret.map(|secret| signature(secret, &id, &at, &body));
    let sent = tokio::task::spawn_blocking(move || {
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder().timeout_global(Some(ANSWER_MAX)).max_redirects(0).build(),
        );
        let request = agent.post(&url).header("content-type", "application/json").header("webhook-id", &id);
        let request = request.header("webhook-timestamp", &at);
        let request = match &signature {
            Some(signature) => request.header("webhook-signature", signature),
            None => request,
        };
        request.send(body).map(drop)
    });
    sent.await?.context("the POST was not taken")
}

/// `v1,` and the HMAC-SHA256 of id, moment and body in base64 (Standard Webhooks 1.0.0, symmetric scheme).
pub fn signature(secret: &[u8], id: &str, at: &str, body: &str) -> String {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret).expect("HMAC takes keys of every length");
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    format!("v1,{}", Base64::encode_string(&mac.finalize().into_bytes()))
}
