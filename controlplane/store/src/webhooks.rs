//! Who is told of events by a POST, what they were told, and what they are still to be told.

use core::time::Duration;

use units::WallTime;

use crate::Store;
use crate::error::{ConflictKind, Result, StoreError};
use crate::object::CODE_CHARS_MAX;
use crate::sql::{Arg, Row, Tx, args, now};

/// Tries of a delivery at most: with the pauses that [`pause_us`] makes, the last one is three days after the first.
const TRIES_MAX: i64 = 23;
/// Pause after the first try, in microseconds; doubled with each.
const PAUSE_US: i64 = 10_000_000;
/// The longest pause.
const PAUSE_MAX_US: i64 = 6 * 3_600_000_000;
/// So long whoever took a delivery may be about it before another may take it.
const TAKEN_US: i64 = 60_000_000;
/// Due deliveries that are looked at together.
const DUE_MAX: i64 = 1_000;
/// Webhooks at most.
const WEBHOOKS_MAX: i64 = 100;
/// Characters of an address and of the words of events.
const TEXT_CHARS_MAX: usize = 400;
/// Characters of what went wrong.
const PROBLEM_CHARS_MAX: usize = 200;
/// How long what was told can be looked at and told again: 30 days, in microseconds.
const KEPT_US: i64 = 30 * 86_400_000_000;
/// How many rows a transaction forgets at most.
const FORGOTTEN_AT_ONCE: usize = 1_000;
/// It was told.
const DONE: i64 = -1;
/// Too many tries.
const GIVEN_UP: i64 = -2;

/// What is written about a webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookDraft {
    /// What people call it, unique.
    pub name: String,
    /// Where it is posted to.
    pub url: String,
    /// Of what: kinds such as `alarm.raised`, `alarm.*` or `*`, separated by spaces.
    pub events: String,
    /// It is told.
    pub active: bool,
}

/// A webhook as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: u32,
    /// When it was made.
    pub made: WallTime,
    /// Why it was stopped by us; empty if it was not.
    pub stopped: String,
    /// What is written about it.
    pub draft: WebhookDraft,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Globally unique; the same at every try.
    pub id: String,
    /// What: `alarm.raised`.
    pub kind: String,
    /// When.
    pub at: WallTime,
    /// What is told of it: an object of JSON.
    pub body: String,
}

/// A delivery that is due, taken by whoever asked for it.
#[derive(Clone, Debug)]
pub struct DueDelivery {
    /// What.
    pub event: Event,
    /// To whom.
    pub webhook: Webhook,
    /// What it is signed with.
    pub secret: Vec<u8>,
}

/// How far a delivery is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What.
    pub event: Event,
    /// Tries that failed while it is still to be told; `None` when it was told or given up.
    pub tries: Option<u32>,
    /// It was told.
    pub done: bool,
    /// When it is tried next.
    pub due: Option<WallTime>,
    /// Why the last try failed; empty if it did not.
    pub problem: String,
}

/// One try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryTry {
    /// Counts the tries from 1.
    pub number: u32,
    /// When it ended.
    pub at: WallTime,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Why it failed; empty if it did not.
    pub problem: String,
}

impl Store {
    /// All webhooks.
    pub async fn webhooks(&self) -> Result<Vec<Webhook>> {
        let sql = "SELECT * FROM webhooks ORDER BY id LIMIT ?";
        self.read().await?.rows(sql, args![WEBHOOKS_MAX]).await?.iter().map(webhook).collect()
    }

    /// One of them.
    pub async fn webhook(&self, id: u32) -> Result<Webhook> {
        one(&mut self.read().await?, id).await
    }

    /// Makes one.
    pub async fn create_webhook(&self, draft: &WebhookDraft, secret: &[u8]) -> Result<Webhook> {
        check(draft)?;
        let (mut tx, at) = (self.write().await?, now());
        let counted = tx.row("SELECT COUNT(*) AS n FROM webhooks", Vec::new()).await?;
        if counted.map(|row| row.int("n")).transpose()?.unwrap_or(0) >= WEBHOOKS_MAX {
            let why = format!("there are {WEBHOOKS_MAX} already");
            return Err(StoreError::conflict(ConflictKind::Exists, "webhook", &draft.name, &why));
        }
        let sql = "INSERT INTO webhooks (name,url,events,secret,active,stopped,made) VALUES (?,?,?,?,?,'',?)";
        let WebhookDraft { name, url, events, active } = draft;
        let values = args![name.as_str(), url.as_str(), events.as_str(), secret.to_vec(), *active, at];
        let done = tx.run(sql, values).await?;
        tx.commit().await?;
        let id = u32::try_from(done.id).map_err(|_| StoreError::Broken("ids of webhooks are used up".into()))?;
        Ok(Webhook { id, made: at, stopped: String::new(), draft: draft.clone() })
    }

    /// Replaces what is written about one. What was stopped goes on.
    pub async fn update_webhook(&self, id: u32, draft: &WebhookDraft) -> Result<()> {
        check(draft)?;
        let mut tx = self.write().await?;
        one(&mut tx, id).await?;
        let WebhookDraft { name, url, events, active } = draft;
        let sql = "UPDATE webhooks SET name=?,url=?,events=?,active=?,stopped='' WHERE id=?";
        tx.run(sql, args![name.as_str(), url.as_str(), events.as_str(), *active, id]).await?;
        tx.commit().await
    }

    /// From here on it is signed with this.
    pub async fn set_webhook_secret(&self, id: u32, secret: &[u8]) -> Result<()> {
        let mut tx = self.write().await?;
        one(&mut tx, id).await?;
        tx.run("UPDATE webhooks SET secret=? WHERE id=?", args![secret.to_vec(), id]).await?;
        tx.commit().await
    }

    /// Removes one, with all that it was told and was to be told.
    pub async fn delete_webhook(&self, id: u32) -> Result<()> {
        let mut tx = self.write().await?;
        one(&mut tx, id).await?;
        for table in ["delivery_tries WHERE webhook", "deliveries WHERE webhook", "webhooks WHERE id"] {
            tx.run(format!("DELETE FROM {table}=?"), args![id]).await?;
        }
        tx.commit().await
    }

    /// Tells one webhook of something, whatever it wants to be told of.
    pub async fn tell_webhook(&self, id: u32, event: &Event) -> Result<()> {
        let mut tx = self.write().await?;
        one(&mut tx, id).await?;
        write(&mut tx, event, &[id]).await?;
        tx.commit().await
    }

    /// Takes deliveries that are due, the longest due first, as far as `free` says that there is room for one. What was taken and not
    /// reported is due again after a minute.
    pub async fn take_due_deliveries(&self, mut free: impl FnMut(&str) -> bool) -> Result<Vec<DueDelivery>> {
        let sql = "SELECT d.event,d.webhook,d.due,w.url FROM deliveries d JOIN webhooks w ON w.id=d.webhook \
                   WHERE d.due<=? AND w.active<>0 ORDER BY d.due LIMIT ?";
        let rows = self.read().await?.rows(sql, args![now(), DUE_MAX]).await?;
        let mut taken = Vec::new();
        for row in rows {
            let (event, webhook, due) = (row.text("event")?, row.num::<u32>("webhook")?, row.time("due")?);
            if !free(&row.text("url")?) {
                continue;
            }
            let mut tx = self.write().await?;
            let till = WallTime::from_micros(now().micros().saturating_add(TAKEN_US));
            // Another control plane may have been quicker.
            let found = locked(&mut tx, &event, webhook).await?;
            if found.map(|row| row.opt_int("due")).transpose()?.flatten() == Some(due.micros()) {
                let sql = "UPDATE deliveries SET due=? WHERE event=? AND webhook=?";
                tx.run(sql, args![till, event.as_str(), webhook]).await?;
                taken.extend(whole(&mut tx, &event, webhook).await?);
                tx.commit().await?;
            }
        }
        Ok(taken)
    }

    /// What became of a try that took so long: `None` for success, otherwise why not. `gone`: nobody wants it there any more.
    pub async fn delivery_tried(
        &self,
        due: &DueDelivery,
        took: Duration,
        problem: Option<&str>,
        gone: bool,
    ) -> Result<()> {
        let (event, webhook) = (due.event.id.as_str(), due.webhook.id);
        let mut tx = self.write().await?;
        let Some(row) = locked(&mut tx, event, webhook).await? else { return Ok(()) };
        let tries = match (row.int("tries")?, problem) {
            (over @ ..0, _) => over,
            (_, None) => DONE,
            (tries, Some(_)) if gone || tries + 1 >= TRIES_MAX => GIVEN_UP,
            (tries, Some(_)) => tries + 1,
        };
        let next = (tries >= 0).then(|| WallTime::from_micros(now().micros().saturating_add(pause_us(tries))));
        let problem: String =
            problem.unwrap_or("").chars().filter(|c| !c.is_control()).take(PROBLEM_CHARS_MAX).collect();
        let sql = "UPDATE deliveries SET tries=?,due=?,problem=? WHERE event=? AND webhook=?";
        tx.run(sql, args![tries, next, problem.as_str(), event, webhook]).await?;
        let sql = "SELECT COALESCE(MAX(number),0) AS n FROM delivery_tries WHERE event=? AND webhook=?";
        let last: i64 = tx.row(sql, args![event, webhook]).await?.map(|row| row.int("n")).transpose()?.unwrap_or(0);
        let took_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
        let sql = "INSERT INTO delivery_tries (event,webhook,number,at,took_ms,problem) VALUES (?,?,?,?,?,?)";
        tx.run(sql, args![event, webhook, last + 1, now(), took_ms, problem.as_str()]).await?;
        if gone {
            tx.run("UPDATE webhooks SET active=0,stopped=? WHERE id=?", args![problem, webhook]).await?;
        }
        tx.commit().await
    }

    /// What one was told and is to be told, newest first; older than `before` when given.
    pub async fn deliveries(&self, id: u32, before: Option<(WallTime, &str)>, limit: u32) -> Result<Vec<Delivery>> {
        let mut tx = self.read().await?;
        one(&mut tx, id).await?;
        let (at, event) = before.unwrap_or((WallTime::from_micros(i64::MAX), ""));
        let sql = "SELECT e.*,d.tries,d.due,d.problem FROM deliveries d JOIN events e ON e.id=d.event \
                   WHERE d.webhook=? AND (d.at<? OR (d.at=? AND d.event<?)) ORDER BY d.at DESC,d.event DESC LIMIT ?";
        let values = args![id, at, at, event, limit.clamp(1, 1_000)];
        tx.rows(sql, values).await?.iter().map(delivery).collect()
    }

    /// Every try of a delivery, the first one first; 1,000 at most.
    pub async fn delivery_tries(&self, id: u32, event: &str) -> Result<Vec<DeliveryTry>> {
        let mut tx = self.read().await?;
        if tx.row("SELECT event FROM deliveries WHERE event=? AND webhook=?", args![event, id]).await?.is_none() {
            return Err(StoreError::missing("delivery of", event));
        }
        let sql = "SELECT * FROM delivery_tries WHERE event=? AND webhook=? ORDER BY number LIMIT 1000";
        let tried = |row: &Row| {
            let (number, at) = (row.num("number")?, row.time("at")?);
            Ok(DeliveryTry { number, at, took_ms: row.num("took_ms")?, problem: row.text("problem")? })
        };
        tx.rows(sql, args![event, id]).await?.iter().map(tried).collect()
    }

    /// Tells it again, as if it had happened this moment; its id stays.
    pub async fn replay_delivery(&self, id: u32, event: &str) -> Result<()> {
        let mut tx = self.write().await?;
        if locked(&mut tx, event, id).await?.is_none() {
            return Err(StoreError::missing("delivery of", event));
        }
        let sql = "UPDATE deliveries SET tries=0,due=?,problem='' WHERE event=? AND webhook=?";
        tx.run(sql, args![now(), event, id]).await?;
        tx.commit().await
    }

    /// Forgets what was told long before this moment, and alarms that were over. Each by its key: who goes through a table that others write in locks what
    /// they will need, and they what he comes to.
    pub async fn forget_events(&self, at: WallTime) -> Result<()> {
        let before = WallTime::from_micros(at.micros().saturating_sub(KEPT_US));
        self.forget("delivery_tries", &["event", "webhook", "number"], "at<?", before).await?;
        self.forget("deliveries", &["event", "webhook"], "at<?", before).await?;
        self.forget("events", &["id"], "at<?", before).await?;
        self.forget("alarms", &["id"], "cleared IS NOT NULL AND raised<?", before).await
    }

    async fn forget(&self, table: &str, keys: &[&str], old: &str, before: WallTime) -> Result<()> {
        let find = format!("SELECT {} FROM {table} WHERE {old} LIMIT {FORGOTTEN_AT_ONCE}", keys.join(","));
        let delete = format!("DELETE FROM {table} WHERE {}=?", keys.join("=? AND "));
        loop {
            let rows = self.read().await?.rows(find.as_str(), args![before]).await?;
            let mut tx = self.write().await?;
            for row in &rows {
                let key = |name: &&str| match *name {
                    "webhook" | "number" => Ok(Arg::from(row.int(name)?)),
                    _ => Ok(Arg::from(row.text(name)?)),
                };
                tx.run(delete.as_str(), keys.iter().map(key).collect::<Result<_>>()?).await?;
            }
            tx.commit().await?;
            if rows.len() < FORGOTTEN_AT_ONCE {
                return Ok(());
            }
        }
    }
}

/// Whether somebody who wants to be told of these wants to be told of this.
pub fn wants(events: &str, kind: &str) -> bool {
    events.split_whitespace().any(|word| {
        let begins = word.strip_suffix(".*").is_some_and(|noun| kind.split_once('.').is_some_and(|(of, _)| of == noun));
        word == "*" || word == kind || begins
    })
}

/// Says that something happened, in the transaction in which it did: each webhook that wants to know is told at least once.
pub(crate) async fn raise(tx: &mut Tx, event: &Event) -> Result<()> {
    let rows = tx.rows("SELECT id,events FROM webhooks WHERE active<>0", Vec::new()).await?;
    let mut told = Vec::new();
    for row in rows {
        if wants(&row.text("events")?, &event.kind) {
            told.push(row.num("id")?);
        }
    }
    if told.is_empty() { Ok(()) } else { write(tx, event, &told).await }
}

async fn write(tx: &mut Tx, event: &Event, told: &[u32]) -> Result<()> {
    let ignore = tx.dialect().insert_ignore();
    let Event { id, kind, at, body } = event;
    let sql = format!("{ignore} events (id,kind,at,body) VALUES (?,?,?,?)");
    tx.run(sql, args![id.as_str(), kind.as_str(), *at, body.as_str()]).await?;
    for webhook in told {
        let sql = format!("{ignore} deliveries (event,webhook,at,tries,due,problem) VALUES (?,?,?,0,?,'')");
        tx.run(sql, args![id.as_str(), *webhook, *at, now()]).await?;
    }
    Ok(())
}

/// A delivery that this transaction will change. Everybody who changes one has it by its key first: who came to it by its time met
/// who came by its key, each with what the other waited for.
async fn locked(tx: &mut Tx, event: &str, webhook: u32) -> Result<Option<Row>> {
    let sql = format!("SELECT * FROM deliveries WHERE event=? AND webhook=?{}", tx.dialect().for_update());
    tx.row(sql, args![event, webhook]).await
}

async fn one(tx: &mut Tx, id: u32) -> Result<Webhook> {
    let row = tx.row("SELECT * FROM webhooks WHERE id=?", args![id]).await?;
    row.as_ref().map(webhook).transpose()?.ok_or_else(|| StoreError::missing("webhook", id))
}

async fn whole(tx: &mut Tx, event: &str, id: u32) -> Result<Option<DueDelivery>> {
    let found = tx.row("SELECT * FROM events WHERE id=?", args![event]).await?;
    let row = tx.row("SELECT * FROM webhooks WHERE id=?", args![id]).await?;
    let (Some(found), Some(row)) = (found, row) else { return Ok(None) };
    Ok(Some(DueDelivery { event: self::event(&found)?, webhook: webhook(&row)?, secret: row.bytes("secret")? }))
}

/// How long it is until the next try after so many.
fn pause_us(tries: i64) -> i64 {
    (PAUSE_US << (tries.clamp(1, TRIES_MAX) - 1)).min(PAUSE_MAX_US)
}

fn check(draft: &WebhookDraft) -> Result<()> {
    let plain = |text: &str, most: usize| text.chars().count() <= most && !text.contains(char::is_control);
    if draft.name.is_empty() || !plain(&draft.name, CODE_CHARS_MAX) {
        return Err(StoreError::invalid("name", "1 to 64 characters, no control characters"));
    }
    let is_url = ["http://", "https://"].iter().any(|scheme| draft.url.starts_with(scheme));
    if !is_url || draft.url.contains(' ') || !plain(&draft.url, TEXT_CHARS_MAX) {
        return Err(StoreError::invalid("url", "begins with http:// or https://, 400 characters at most"));
    }
    let is_word = |word: &str| {
        let part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        word == "*" || word.split_once('.').is_some_and(|(noun, verb)| part(noun) && (verb == "*" || part(verb)))
    };
    let known = draft.events.split_whitespace().all(is_word);
    if draft.events.trim().is_empty() || !known || !plain(&draft.events, TEXT_CHARS_MAX) {
        return Err(StoreError::invalid("events", "kinds such as alarm.raised, alarm.* or * are wanted"));
    }
    Ok(())
}

fn webhook(row: &Row) -> Result<Webhook> {
    let draft = WebhookDraft {
        name: row.text("name")?,
        url: row.text("url")?,
        events: row.text("events")?,
        active: row.flag("active")?,
    };
    Ok(Webhook { id: row.num("id")?, made: row.time("made")?, stopped: row.text("stopped")?, draft })
}

fn event(row: &Row) -> Result<Event> {
    Ok(Event { id: row.text("id")?, kind: row.text("kind")?, at: row.time("at")?, body: row.text("body")? })
}

fn delivery(row: &Row) -> Result<Delivery> {
    let tries = row.int("tries")?;
    Ok(Delivery {
        event: event(row)?,
        tries: u32::try_from(tries).ok(),
        done: tries == DONE,
        due: row.opt_int("due")?.map(WallTime::from_micros),
        problem: row.text("problem")?,
    })
}
