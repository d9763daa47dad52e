//! Notices: accounts whose balance crossed a threshold or whose spending reached a cap, and whether somebody has been told.

use core::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use core::time::Duration;
use std::collections::BTreeSet;

use ::ledger::{Balance, Watched};
use base64ct::{Base64, Encoding};
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde_json::json;
use units::{Money, WallTime};

use crate::Store;
use crate::accounts::{Account, AccountDraft};
use crate::caps;
use crate::error::{Result, StoreError};
use crate::ledger as book;
use crate::object;
use crate::sql::{Row, Tx, args, now};
use crate::webhooks::{self, Event};

/// Tries of one way at most: with the pauses that [`pause_us`] makes, the last one is three days after the first.
const TRIES_MAX: i64 = 23;
/// Pause after the first try, in microseconds; doubled with each.
const PAUSE_US: i64 = 10_000_000;
/// The longest pause.
const PAUSE_MAX_US: i64 = 6 * 3_600_000_000;
/// So long whoever took a try may be about it before another may take it, in microseconds.
const TAKEN_US: i64 = 60_000_000;
/// Due tries that are looked at together.
const DUE_MAX: i64 = 1_000;
/// Whoever must be told by this way has been told.
const DONE: i64 = -1;
/// Too many tries.
const GIVEN_UP: i64 = -2;
/// Rows of one page at most.
const ROWS_MAX: u32 = 1_000;

/// How somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By electronic mail.
    Mail,
    /// By a POST of JSON.
    Url,
}

/// A crossing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Globally unique.
    pub id: String,
    /// Whose balance.
    pub account: u32,
    /// `low`, `high`, `day_cap` or `month_cap`.
    pub kind: String,
    /// When it was seen.
    pub raised: WallTime,
    /// When it was over; `None` while it stands.
    pub cleared: Option<WallTime>,
    /// The balance, or what was spent.
    pub value: Money,
    /// What it crossed.
    pub threshold: Money,
    /// Mail is on its way, after so many tries; `None` when done, given up or not wanted.
    pub mail_tries: Option<u32>,
    /// The same of the POST.
    pub url_tries: Option<u32>,
    /// Why the last try failed, or why it was given up; empty if all is well.
    pub problem: String,
}

impl Way {
    /// As it is written: `mail` or `url`.
    pub const fn name(self) -> &'static str {
        match self {
            Way::Mail => "mail",
            Way::Url => "url",
        }
    }
}

/// A notice that is to be told by one way, taken by whoever asked for it.
#[derive(Clone, Debug)]
pub struct DueNotice {
    /// What.
    pub notice: Notice,
    /// Whose balance.
    pub account: Account,
    /// How.
    pub way: Way,
    /// What a POST is signed with; `None` if no secret was ever drawn.
    pub secret: Option<Vec<u8>>,
}

/// One try to tell somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeTry {
    /// Counts the notice's tries from 1.
    pub number: u32,
    /// `mail` or `url`.
    pub way: String,
    /// When it ended.
    pub at: WallTime,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Why it failed; empty if it did not.
    pub problem: String,
}

/// What became of this program's tries, and what waits.
#[derive(Debug, Default)]
pub struct NoticeFigures {
    /// Tries that succeeded.
    pub sent: AtomicU64,
    /// Tries that failed.
    pub failed: AtomicU64,
    /// Ways of notices that nobody was told by yet and that are tried again.
    pub waiting: AtomicU64,
    /// When the oldest of them was raised, in microseconds; 0 if none waits.
    pub oldest: AtomicI64,
}

impl Store {
    /// Looks at every account that somebody wants to be told of; returns how many notices were raised or cleared.
    pub async fn watch_balances(&self) -> Result<u64> {
        let mut changed = 0;
        for account in self.crossing_accounts().await? {
            // Looked at again with the account's row locked: another control plane may have been quicker.
            let mut tx = self.write().await?;
            if book::lock(&mut tx, account).await?.is_none() {
                continue;
            }
            let stored = object::get::<AccountDraft>(&mut tx, account).await?;
            let standing = standing(&mut tx, Some(account)).await?;
            let spent = caps::spent(&mut tx, account, &stored.caps.zone, now()).await?;
            let crossed = crossings(&stored, &standing, spent);
            changed += crossed.len() as u64;
            for crossing in crossed {
                crossing.write(&mut tx).await?;
            }
            tx.commit().await?;
        }
        Ok(changed)
    }

    /// Accounts whose values and standing notices disagree. This is asked every second: as many questions for all accounts as for one.
    async fn crossing_accounts(&self) -> Result<Vec<u32>> {
        let sql = "SELECT id FROM accounts WHERE notice_low IS NOT NULL OR notice_high IS NOT NULL OR day_cap IS NOT NULL \
                   OR month_cap IS NOT NULL OR id IN (SELECT account FROM notices WHERE cleared IS NULL) ORDER BY id";
        let mut tx = self.read().await?;
        let rows = tx.rows(sql, Vec::new()).await?;
        let watched: BTreeSet<u32> = rows.iter().map(|row| row.num("id")).collect::<Result<_>>()?;
        if watched.is_empty() {
            return Ok(Vec::new());
        }
        let mut accounts = object::all::<AccountDraft>(&mut tx).await?;
        accounts.retain(|account| watched.contains(&account.id));
        let standing = standing(&mut tx, None).await?;
        let spent = caps::spent_by(&mut tx, &accounts, now()).await?;
        let spent = |account: &Account| spent.get(&account.id).copied().unwrap_or_default();
        let crosses = |account: &&Account| !crossings(account, &standing, spent(account)).is_empty();
        let crossing = accounts.iter().filter(crosses);
        Ok(crossing.map(|account| account.id).collect())
    }

    /// Notices, newest first; older than `before` when given.
    pub async fn notices(
        &self,
        account: Option<u32>,
        before: Option<(WallTime, &str)>,
        limit: u32,
    ) -> Result<Vec<Notice>> {
        let (mut sql, mut values) = ("SELECT * FROM notices WHERE 1=1".to_owned(), Vec::new());
        if let Some(account) = account {
            sql.push_str(" AND account=?");
            values.extend(args![account]);
        }
        if let Some((at, id)) = before {
            sql.push_str(" AND (raised<? OR (raised=? AND id<?))");
            values.extend(args![at, at, id]);
        }
        sql.push_str(" ORDER BY raised DESC,id DESC LIMIT ?");
        values.extend(args![limit.clamp(1, ROWS_MAX)]);
        self.read().await?.rows(sql, values).await?.iter().map(notice).collect()
    }

    /// How many notices stand.
    pub async fn standing_notices(&self) -> Result<u64> {
        let row = self.read().await?.row("SELECT COUNT(*) AS n FROM notices WHERE cleared IS NULL", Vec::new()).await?;
        row.map_or(Ok(0), |row| row.num("n"))
    }

    /// Takes tries that are due, the longest due first, as far as `free` says that there is room for one. What was taken and not
    /// reported is due again after a minute.
    pub async fn take_due_notices(&self, mut free: impl FnMut(Way, &Account) -> bool) -> Result<Vec<DueNotice>> {
        let mut taken = Vec::new();
        for way in [Way::Mail, Way::Url] {
            let name = way.name();
            let sql = format!("SELECT * FROM notices WHERE {name}_due<=? ORDER BY {name}_due LIMIT ?");
            let rows = self.read().await?.rows(sql, args![now(), DUE_MAX]).await?;
            for row in rows {
                let notice = notice(&row)?;
                let mut tx = self.write().await?;
                let account = match object::get::<AccountDraft>(&mut tx, notice.account).await {
                    Err(StoreError::NotFound { .. }) => {
                        let sql = "UPDATE notices SET mail_due=NULL,url_due=NULL WHERE id=?";
                        tx.run(sql, args![notice.id.as_str()]).await?;
                        tx.commit().await?;
                        continue;
                    }
                    found => found?,
                };
                if !free(way, &account) {
                    continue;
                }
                let till = WallTime::from_micros(now().micros().saturating_add(TAKEN_US));
                let sql = format!("UPDATE notices SET {name}_due=? WHERE id=? AND {name}_due=?");
                let due = row.time(if way == Way::Mail { "mail_due" } else { "url_due" })?;
                // Another control plane may have been quicker.
                if tx.run(sql, args![till, notice.id.as_str(), due]).await?.rows == 1 {
                    let sql = "SELECT secret FROM notice_secrets WHERE account=?";
                    let secret = tx.row(sql, args![account.id]).await?.map(|row| row.bytes("secret")).transpose()?;
                    tx.commit().await?;
                    taken.push(DueNotice { notice, account, way, secret });
                }
            }
        }
        Ok(taken)
    }

    /// What became of a try that took so long: `None` for success, otherwise why not.
    pub async fn notice_tried(&self, id: &str, way: Way, took: Duration, problem: Option<&str>) -> Result<()> {
        let counted = if problem.is_some() { &self.told.failed } else { &self.told.sent };
        counted.fetch_add(1, Ordering::Relaxed);
        let mut tx = self.write().await?;
        let sql = format!("SELECT * FROM notices WHERE id=?{}", tx.dialect().for_update());
        let Some(row) = tx.row(sql, args![id]).await? else { return Ok(()) };
        let tries = match (row.int(way.name())?, problem) {
            (over @ ..0, _) => over,
            (_, None) => DONE,
            (tries, Some(_)) if tries + 1 >= TRIES_MAX => GIVEN_UP,
            (tries, Some(_)) => tries + 1,
        };
        let due = (tries >= 0).then(|| WallTime::from_micros(now().micros().saturating_add(pause_us(tries))));
        let problem: String = problem.unwrap_or("").chars().filter(|c| !c.is_control()).take(200).collect();
        let name = way.name();
        let sql = format!("UPDATE notices SET {name}=?,{name}_due=?,problem=? WHERE id=?");
        tx.run(sql, args![tries, due, problem.as_str(), id]).await?;
        let last = tx.row("SELECT MAX(number) AS n FROM notice_tries WHERE notice=?", args![id]).await?;
        let number = last.map(|row| row.opt_int("n")).transpose()?.flatten().unwrap_or(0) + 1;
        let took_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
        let sql = "INSERT INTO notice_tries (notice,number,way,at,took_ms,problem) VALUES (?,?,?,?,?,?)";
        tx.run(sql, args![id, number, name, now(), took_ms, problem]).await?;
        tx.commit().await
    }

    /// Every try to tell somebody of a notice, the first one first; 1,000 at most.
    pub async fn notice_tries(&self, id: &str) -> Result<Vec<NoticeTry>> {
        let mut tx = self.read().await?;
        if tx.row("SELECT id FROM notices WHERE id=?", args![id]).await?.is_none() {
            return Err(StoreError::missing("notice", id));
        }
        let sql = "SELECT * FROM notice_tries WHERE notice=? ORDER BY number LIMIT 1000";
        let tried = |row: &Row| {
            Ok(NoticeTry {
                number: row.num("number")?,
                way: row.text("way")?,
                at: row.time("at")?,
                took_ms: row.num("took_ms")?,
                problem: row.text("problem")?,
            })
        };
        tx.rows(sql, args![id]).await?.iter().map(tried).collect()
    }

    /// Tells a notice again, by all ways that its account has by now, as if it had been raised this moment.
    pub async fn replay_notice(&self, id: &str) -> Result<()> {
        let mut tx = self.write().await?;
        let sql = format!("SELECT * FROM notices WHERE id=?{}", tx.dialect().for_update());
        let Some(row) = tx.row(sql, args![id]).await? else { return Err(StoreError::missing("notice", id)) };
        let account = object::get::<AccountDraft>(&mut tx, row.num("account")?).await?;
        let state = |wanted: bool| (if wanted { 0 } else { DONE }, wanted.then(now));
        let (mail, mail_due) = state(!account.thresholds.mail.is_empty());
        let (url, url_due) = state(!account.thresholds.url.is_empty());
        if mail == DONE && url == DONE {
            return Err(StoreError::invalid("account", "it has neither notice_mail nor notice_url"));
        }
        let sql = "UPDATE notices SET mail=?,url=?,mail_due=?,url_due=?,problem='' WHERE id=?";
        tx.run(sql, args![mail, url, mail_due, url_due, id]).await?;
        tx.commit().await
    }

    /// From here on an account's notices are signed with this secret, 24 to 64 bytes.
    pub async fn set_notice_secret(&self, account: u32, secret: &[u8]) -> Result<()> {
        let mut tx = self.write().await?;
        object::get::<AccountDraft>(&mut tx, account).await?;
        tx.run("DELETE FROM notice_secrets WHERE account=?", args![account]).await?;
        let sql = "INSERT INTO notice_secrets (account,secret,made) VALUES (?,?,?)";
        tx.run(sql, args![account, secret.to_vec(), now()]).await?;
        tx.commit().await
    }

    /// Counts what waits.
    pub async fn count_notices(&self) -> Result<()> {
        let sql = "SELECT COUNT(mail_due)+COUNT(url_due) AS n, MIN(raised) AS oldest FROM notices \
                   WHERE mail_due IS NOT NULL OR url_due IS NOT NULL";
        let Some(row) = self.read().await?.row(sql, Vec::new()).await? else { return Ok(()) };
        self.told.waiting.store(row.num("n")?, Ordering::Relaxed);
        self.told.oldest.store(row.opt_int("oldest")?.unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }

    /// What became of this program's tries, and what waits as of the last count.
    pub fn notice_figures(&self) -> &NoticeFigures {
        &self.told
    }
}

/// Draws what notices are signed with.
pub fn draw_secret() -> [u8; 32] {
    let mut bytes = [0; 32];
    OsRng.try_fill_bytes(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A secret as Standard Webhooks writes it.
pub fn secret_text(secret: &[u8]) -> String {
    format!("whsec_{}", Base64::encode_string(secret))
}

/// How long it is until the next try after so many.
fn pause_us(tries: i64) -> i64 {
    (PAUSE_US << (tries.clamp(1, TRIES_MAX) - 1)).min(PAUSE_MAX_US)
}

/// What is to be written of one account.
enum Crossing {
    Raised { account: u32, kind: Watched, value: Money, threshold: Money, mail: bool, url: bool, told: [String; 2] },
    Cleared { id: String },
}

impl Crossing {
    async fn write(self, tx: &mut Tx) -> Result<()> {
        let at = now();
        match self {
            Crossing::Raised { account, kind, value, threshold, mail, url, told: [code, currency] } => {
                let (name, wanted) = (kind.name(), |wanted| if wanted { 0 } else { DONE });
                let (id, due) = (format!("{name}:{account}:{}", at.micros()), |wanted: bool| wanted.then_some(at));
                let sql = "INSERT INTO notices (id,account,kind,raised,value,threshold,mail,url,mail_due,url_due) \
                           VALUES (?,?,?,?,?,?,?,?,?,?)";
                let (mails, urls) = (wanted(mail), wanted(url));
                let values = args![id.as_str(), account, name, at, value, threshold, mails, urls, due(mail), due(url)];
                tx.run(sql, values).await?;
                let body = json!({ "notice": id, "account": code, "currency": currency, "value": value.to_string(),
                    "threshold": threshold.to_string() });
                let event = Event { id, kind: format!("account.{name}"), at, body: body.to_string() };
                webhooks::raise(tx, &event).await
            }
            Crossing::Cleared { id } => {
                tx.run("UPDATE notices SET cleared=? WHERE id=?", args![at, id]).await.map(drop)
            }
        }
    }
}

/// Notices that stand, of one account or of all.
async fn standing(tx: &mut Tx, account: Option<u32>) -> Result<Vec<Notice>> {
    let (wanted, values) = account.map_or(("", Vec::new()), |account| (" AND account=?", args![account]));
    let sql = format!("SELECT * FROM notices WHERE cleared IS NULL{wanted}");
    tx.rows(sql, values).await?.iter().map(notice).collect()
}

/// Where an account's values and its standing notices disagree.
fn crossings(stored: &Account, standing: &[Notice], spent: [Money; 2]) -> Vec<Crossing> {
    let account = stored.id;
    let (mail, url) = (!stored.thresholds.mail.is_empty(), !stored.thresholds.url.is_empty());
    let mut crossed = Vec::new();
    for kind in Watched::ALL {
        let stood = standing.iter().find(|notice| notice.account == account && notice.kind == kind.name());
        let (value, threshold) = watched(stored, kind, spent);
        let stands = threshold.is_some_and(|threshold| kind.stands(stood.is_some(), value, threshold));
        match (stood, threshold) {
            (Some(stood), _) if !stands => crossed.push(Crossing::Cleared { id: stood.id.clone() }),
            (None, Some(threshold)) if stands => {
                let told = [stored.code.clone(), stored.currency.code()];
                crossed.push(Crossing::Raised { account, kind, value, threshold, mail, url, told });
            }
            _ => {}
        }
    }
    crossed
}

/// A value and the threshold that it is held against.
fn watched(stored: &Account, kind: Watched, [day, month]: [Money; 2]) -> (Money, Option<Money>) {
    let Balance { settled, funds, .. } = stored.facts;
    let balance = funds - stored.credit_limit.unwrap_or(Money::ZERO) - settled;
    match kind {
        Watched::Low => (balance, stored.thresholds.low),
        Watched::High => (balance, stored.thresholds.high),
        Watched::DayCap => (day, stored.caps.day),
        Watched::MonthCap => (month, stored.caps.month),
    }
}

fn notice(row: &Row) -> Result<Notice> {
    let tries = |column: &str| Ok::<_, StoreError>(u32::try_from(row.int(column)?).ok());
    Ok(Notice {
        id: row.text("id")?,
        account: row.num("account")?,
        kind: row.text("kind")?,
        raised: row.time("raised")?,
        cleared: row.opt_int("cleared")?.map(WallTime::from_micros),
        value: row.money("value")?,
        threshold: row.money("threshold")?,
        mail_tries: tries("mail")?,
        url_tries: tries("url")?,
        problem: row.text("problem")?,
    })
}
