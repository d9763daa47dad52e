//! Tells whoever wants to know that an account's balance crossed a threshold: by electronic mail over a relay, and by a POST of JSON.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lettre::message::header::ContentType;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use store::{Account, DueNotice, Notice, Store, Way};

use crate::posts::{Posts, Room};

/// How often balances are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a relay may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Where mail goes out.
#[derive(Clone, Debug, Default)]
pub struct Relay {
    /// `smtp://HOST:PORT`, `smtps://…`, with `USER:PASSWORD@` and `?tls=required` where wanted; without one no mail is sent.
    pub url: Option<String>,
    /// Whom the mail is from.
    pub from: String,
    /// Where POSTs may go.
    pub posts: Posts,
}

/// Begins to watch balances and to tell of them, for as long as the program runs.
pub fn start(store: Store, relay: &Relay) -> Result<()> {
    let mail = relay.url.as_deref().map(|url| {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url);
        transport.map(|builder| builder.timeout(Some(ANSWER_MAX)).build())
    });
    let mail = mail.transpose().context("--smtp is no smtp:// or smtps:// address")?;
    let (from, posts) = (relay.from.clone(), relay.posts.clone());
    let teller = Arc::new(Teller { store, mail, from, posts, room: Room::default() });
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
    posts: Posts,
    /// Tries under way, by target; an empty one is the relay.
    room: Room,
}

impl Teller {
    /// Looks at balances and begins all tries that are due and that there is room for; nobody waits for them.
    async fn once(self: Arc<Self>) -> store::Result<()> {
        self.store.watch_balances().await?;
        let mut planned = self.room.plan();
        let due = self.store.take_due_notices(|way, account| planned.has_room(&target(way, account))).await?;
        for due in due {
            self.room.begin(&target(due.way, &due.account));
            let teller = Arc::clone(&self);
            tokio::spawn(async move { teller.tell(due).await });
        }
        self.store.count_notices().await
    }

    async fn tell(&self, due: DueNotice) {
        let DueNotice { notice, account, way, secret } = &due;
        let begun = Instant::now();
        let told = match way {
            Way::Mail => self.mail(notice, account).await,
            Way::Url => {
                let posted =
                    self.posts.post(&account.thresholds.url, &notice.id, said(notice, account), secret.as_deref());
                posted.await.map_err(anyhow::Error::from)
            }
        };
        self.room.end(&target(*way, account));
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

/// Who is asked: the relay for all mail, and each address that is posted to.
fn target(way: Way, account: &Account) -> String {
    match way {
        Way::Mail => String::new(),
        Way::Url => account.thresholds.url.clone(),
    }
}

/// What is posted of a notice.
fn said(notice: &Notice, account: &Account) -> String {
    serde_json::json!({
        "type": format!("account.{}", notice.kind),
        "timestamp": jiff::Timestamp::from_microsecond(notice.raised.micros()).unwrap_or_default().to_string(),
        "data": {
            "notice": notice.id,
            "account": account.code,
            "currency": account.currency.code(),
            "value": notice.value.to_string(),
            "threshold": notice.threshold.to_string(),
        },
    })
    .to_string()
}
