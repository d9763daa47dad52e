//! Notices: accounts whose balance crossed a threshold or whose spending reached a cap, and whether somebody has been told.

use ::ledger::{Balance, Watched};
use units::{Money, WallTime};

use crate::Store;
use crate::accounts::{Account, AccountDraft};
use crate::caps;
use crate::error::Result;
use crate::ledger as book;
use crate::object;
use crate::sql::{Row, Tx, args, now};

/// Tries of one way at most; with the pauses doubled from [`PAUSE_US`] on, the last one is a day after the first.
const TRIES_MAX: i64 = 14;
/// Pause after the first try, in microseconds.
const PAUSE_US: i64 = 10_000_000;
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

impl Store {
    /// Looks at every account that somebody wants to be told of; returns how many notices were raised or cleared.
    pub async fn watch_balances(&self) -> Result<u64> {
        let sql = "SELECT id FROM accounts WHERE notice_low IS NOT NULL OR notice_high IS NOT NULL OR day_cap IS NOT NULL \
                   OR month_cap IS NOT NULL OR id IN (SELECT account FROM notices WHERE cleared IS NULL) ORDER BY id";
        let rows = self.read().await?.rows(sql, Vec::new()).await?;
        let mut changed = 0;
        for row in rows {
            let account: u32 = row.num("id")?;
            let mut tx = self.read().await?;
            if crossings(&mut tx, account).await?.is_empty() {
                continue;
            }
            drop(tx);
            // Looked at again with the account's row locked: another control plane may have been quicker.
            let mut tx = self.write().await?;
            if book::lock(&mut tx, account).await?.is_none() {
                continue;
            }
            let crossed = crossings(&mut tx, account).await?;
            changed += crossed.len() as u64;
            for crossing in crossed {
                crossing.write(&mut tx).await?;
            }
            tx.commit().await?;
        }
        Ok(changed)
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

    /// Notices whose next try is due, with the account that they are about; 100 at most.
    pub async fn due_notices(&self) -> Result<Vec<(Notice, Account)>> {
        let mut tx = self.read().await?;
        let sql = "SELECT * FROM notices WHERE due<=? ORDER BY due LIMIT 100";
        let mut due = Vec::new();
        for row in tx.rows(sql, args![now()]).await? {
            let notice = notice(&row)?;
            let account = object::get::<AccountDraft>(&mut tx, notice.account).await?;
            due.push((notice, account));
        }
        Ok(due)
    }

    /// What became of a try: `None` for success, otherwise why not.
    pub async fn notice_tried(&self, id: &str, way: Way, problem: Option<&str>) -> Result<()> {
        let mut tx = self.write().await?;
        let sql = format!("SELECT * FROM notices WHERE id=?{}", tx.dialect().for_update());
        let Some(row) = tx.row(sql, args![id]).await? else { return Ok(()) };
        let (mut mail, mut url) = (row.int("mail")?, row.int("url")?);
        let tries = if way == Way::Mail { &mut mail } else { &mut url };
        *tries = match problem {
            _ if *tries < 0 => *tries,
            None => DONE,
            Some(_) if *tries + 1 >= TRIES_MAX => GIVEN_UP,
            Some(_) => *tries + 1,
        };
        let most = mail.max(url);
        let pause_us = PAUSE_US << (most.clamp(1, TRIES_MAX) - 1);
        let due = (most >= 0).then(|| WallTime::from_micros(now().micros().saturating_add(pause_us)));
        let problem: String = problem.unwrap_or("").chars().filter(|c| !c.is_control()).take(200).collect();
        let sql = "UPDATE notices SET mail=?,url=?,due=?,problem=? WHERE id=?";
        tx.run(sql, args![mail, url, due, problem, id]).await?;
        tx.commit().await
    }
}

/// What is to be written of one account.
enum Crossing {
    Raised { account: u32, kind: Watched, value: Money, threshold: Money, mail: bool, url: bool },
    Cleared { id: String },
}

impl Crossing {
    async fn write(self, tx: &mut Tx) -> Result<()> {
        let at = now();
        match self {
            Crossing::Raised { account, kind, value, threshold, mail, url } => {
                let (name, wanted) = (kind.name(), |wanted| if wanted { 0 } else { DONE });
                let (id, due) = (format!("{name}:{account}:{}", at.micros()), (mail || url).then_some(at));
                let sql = "INSERT INTO notices (id,account,kind,raised,value,threshold,mail,url,due) VALUES (?,?,?,?,?,?,?,?,?)";
                let row = args![id, account, name, at, value, threshold, wanted(mail), wanted(url), due];
                tx.run(sql, row).await.map(drop)
            }
            Crossing::Cleared { id } => {
                tx.run("UPDATE notices SET cleared=? WHERE id=?", args![at, id]).await.map(drop)
            }
        }
    }
}

/// Where an account's values and its standing notices disagree.
async fn crossings(tx: &mut Tx, account: u32) -> Result<Vec<Crossing>> {
    let stored = object::get::<AccountDraft>(tx, account).await?;
    let standing = tx.rows("SELECT * FROM notices WHERE account=? AND cleared IS NULL", args![account]).await?;
    let standing: Vec<Notice> = standing.iter().map(notice).collect::<Result<_>>()?;
    let spent = caps::spent(tx, account, &stored.caps.zone, now()).await?;
    let (mail, url) = (!stored.thresholds.mail.is_empty(), !stored.thresholds.url.is_empty());
    let mut crossed = Vec::new();
    for kind in Watched::ALL {
        let stood = standing.iter().find(|notice| notice.kind == kind.name());
        let (value, threshold) = watched(&stored, kind, spent);
        let stands = threshold.is_some_and(|threshold| kind.stands(stood.is_some(), value, threshold));
        match (stood, threshold) {
            (Some(stood), _) if !stands => crossed.push(Crossing::Cleared { id: stood.id.clone() }),
            (None, Some(threshold)) if stands => {
                crossed.push(Crossing::Raised { account, kind, value, threshold, mail, url });
            }
            _ => {}
        }
    }
    Ok(crossed)
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
    let tries = |column: &str| Ok::<_, crate::StoreError>(u32::try_from(row.int(column)?).ok());
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
