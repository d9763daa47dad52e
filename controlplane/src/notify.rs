//! Tells whoever wants to know that an account's balance crossed a threshold: by electronic mail over a relay, and by a POST of JSON.

use std::time::Duration;

use anyhow::{Context, Result};
use lettre::message::header::ContentType;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use store::{Account, Notice, Store, Way};

/// How often balances are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
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
    let teller = Teller { store, mail, from: relay.from.clone() };
    tokio::spawn(async move {
        loop {
            if let Err(error) = teller.once().await {
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
}

impl Teller {
    async fn once(&self) -> store::Result<()> {
        self.store.watch_balances().await?;
        for (notice, account) in self.store.due_notices().await? {
            if notice.mail_tries.is_some() {
                let told = self.mail(&notice, &account).await;
                self.note(&notice, Way::Mail, told).await?;
            }
            if notice.url_tries.is_some() {
                let told = post(&notice, &account).await;
                self.note(&notice, Way::Url, told).await?;
            }
        }
        Ok(())
    }

    async fn note(&self, notice: &Notice, way: Way, told: Result<()>) -> store::Result<()> {
        let problem = told.err().map(|error| format!("{error:#}"));
        if let Some(problem) = &problem {
            tracing::warn!(notice = notice.id, ?way, problem, "nobody could be told of a balance; it is tried again");
        }
        self.store.notice_tried(&notice.id, way, problem.as_deref()).await
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

/// The headers are those of Standard Webhooks, without a signature: id and moment, the same at every try.
async fn post(notice: &Notice, account: &Account) -> Result<()> {
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
    let (url, id) = (account.thresholds.url.clone(), notice.id.clone());
    let at = (notice.raised.micros() / 1_000_000).to_string();
    let sent = tokio::task::spawn_blocking(move || {
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder().timeout_global(Some(ANSWER_MAX)).max_redirects(0).build(),
        );
        let request = agent.post(&url).header("content-type", "application/json").header("webhook-id", &id);
        request.header("webhook-timestamp", &at).send(body.to_string()).map(drop)
    });
    sent.await?.context("the POST was not taken")
}
