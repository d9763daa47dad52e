//! Accounts: carriers' money. The balance is the ledger's; see `ledger`.

use ::ledger::Balance;
use units::{CarrierId, Currency, Money};

use crate::error::{ConflictKind, Result, StoreError};
use crate::exchange::joined;
use crate::ledger;
use crate::object::{self, Object, Stored};
use crate::sql::{Arg, Row, Tx, args};

/// What happens when an account has nothing available.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum AccountKind {
    /// No call starts.
    #[default]
    Prepaid = 0,
    /// Calls go on until the credit limit, or for ever without one.
    Postpaid = 1,
}

/// What an operator writes about an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountDraft {
    /// The unique short name.
    pub code: String,
    /// Whose money it is.
    pub carrier: CarrierId,
    /// What it counts in.
    pub currency: Currency,
    /// Prepaid or postpaid.
    pub kind: AccountKind,
    /// What may be spent beyond the payments; below 0 so much of them must stay. `None`: nothing for prepaid, no limit for postpaid.
    pub credit_limit: Option<Money>,
    /// What calls may cost within a day and a month.
    pub caps: Caps,
    /// What we owe the carrier for calls that it took counts as its money: one balance for both directions.
    pub netted: bool,
    /// What the carrier may be owed for calls that it takes, less what we paid; 0 if we pay in advance. Where both directions are netted it
    /// bounds the balance. `None` for no limit.
    pub owed_limit: Option<Money>,
    /// When somebody is to be told.
    pub thresholds: Thresholds,
}

/// What an account's calls may cost within a day and a month.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// The zone of its clock as IANA names it; empty for UTC.
    pub zone: String,
    /// Above 0.
    pub day: Option<Money>,
    /// Above 0.
    pub month: Option<Money>,
}

/// When and how somebody is told of an account's balance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thresholds {
    /// When the balance falls below this.
    pub low: Option<Money>,
    /// When the balance rises above this.
    pub high: Option<Money>,
    /// Addresses of electronic mail with commas between; empty for none.
    pub mail: String,
    /// Where a notice is posted to as JSON, `http://` or `https://`; empty for nowhere.
    pub url: String,
}

/// An account as stored, its balance with it.
pub type Account = Stored<AccountDraft>;

impl AccountDraft {
    /// True when the account can run out of money.
    pub fn is_limited(&self) -> bool {
        self.kind == AccountKind::Prepaid || self.credit_limit.is_some()
    }

    fn limit(&self) -> Money {
        self.credit_limit.unwrap_or(Money::ZERO)
    }
}

impl Thresholds {
    fn check(&self) -> Result<()> {
        if self.low.zip(self.high).is_some_and(|(low, high)| low >= high) {
            return Err(StoreError::invalid("notice_high", "must be above notice_low"));
        }
        let plain = |text: &str| text.len() <= 400 && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        let is_address = |address: &str| {
            address.trim().split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
        };
        if !plain(&self.mail) || (!self.mail.is_empty() && !self.mail.split(',').all(is_address)) {
            return Err(StoreError::invalid("notice_mail", "addresses with commas between, 400 characters at most"));
        }
        let is_url = ["http://", "https://"].iter().any(|scheme| self.url.starts_with(scheme));
        if !plain(&self.url) || self.url.contains(' ') || !(self.url.is_empty() || is_url) {
            return Err(StoreError::invalid("notice_url", "begins with http:// or https://, 400 characters at most"));
        }
        Ok(())
    }
}

impl Object for AccountDraft {
    type Facts = Balance;
    const WHAT: &'static str = "account";
    const TABLE: &'static str = "accounts";
    const COLUMNS: &'static [&'static str] = &[
        "code",
        "carrier",
        "currency",
        "kind",
        "credit_limit",
        "zone",
        "day_cap",
        "month_cap",
        "netted",
        "owed_limit",
        "notice_low",
        "notice_high",
        "notice_mail",
        "notice_url",
    ];
    const OF_CARRIER: bool = true;

    fn code(&self) -> &str {
        &self.code
    }

    fn check(&self) -> Result<()> {
        let Caps { zone, day, month } = &self.caps;
        if !zone.is_empty() && jiff::tz::TimeZone::get(zone).is_err() {
            return Err(StoreError::invalid("zone", "is no time zone such as Europe/Paris"));
        }
        for (field, cap) in [("day_cap", day), ("month_cap", month)] {
            if cap.is_some_and(|cap| !cap.is_positive()) {
                return Err(StoreError::invalid(field, "must be above 0; leave it out for no cap"));
            }
        }
        if self.owed_limit.is_some_and(|limit| limit < Money::ZERO) {
            return Err(StoreError::invalid("owed_limit", "must be 0 or more; leave it out for no limit"));
        }
        self.thresholds.check()
    }

    fn args(&self) -> Vec<Arg> {
        let (caps, thresholds) = (&self.caps, &self.thresholds);
        args![
            self.code.as_str(),
            self.carrier.0,
            self.currency.as_str(),
            self.kind as u8,
            self.credit_limit,
            caps.zone.as_str(),
            caps.day,
            caps.month,
            self.netted,
            self.owed_limit,
            thresholds.low,
            thresholds.high,
            thresholds.mail.as_str(),
            thresholds.url.as_str()
        ]
    }

    fn read(row: &Row) -> Result<AccountDraft> {
        let kind = if row.int("kind")? == 0 { AccountKind::Prepaid } else { AccountKind::Postpaid };
        Ok(AccountDraft {
            code: row.text("code")?,
            carrier: CarrierId(row.num("carrier")?),
            currency: currency(row, "currency")?,
            kind,
            credit_limit: row.opt_int("credit_limit")?.map(Money::from_nanos),
            caps: Caps {
                zone: row.text("zone")?,
                day: row.opt_int("day_cap")?.map(Money::from_nanos),
                month: row.opt_int("month_cap")?.map(Money::from_nanos),
            },
            netted: row.flag("netted")?,
            owed_limit: row.opt_int("owed_limit")?.map(Money::from_nanos),
            thresholds: Thresholds {
                low: row.opt_int("notice_low")?.map(Money::from_nanos),
                high: row.opt_int("notice_high")?.map(Money::from_nanos),
                mail: row.text("notice_mail")?,
                url: row.text("notice_url")?,
            },
        })
    }

    async fn check_links(&self, tx: &mut Tx) -> Result<()> {
        exists(tx, "carriers", "carrier", self.carrier.0).await
    }

    async fn complete(tx: &mut Tx, found: &mut [Account]) -> Result<()> {
        let (Some(first), Some(last)) = (found.first(), found.last()) else { return Ok(()) };
        let sql = "SELECT * FROM ledger_accounts WHERE account BETWEEN ? AND ? ORDER BY account";
        for row in tx.rows(sql, args![first.id, last.id]).await? {
            let id: u32 = row.num("account")?;
            if let Ok(place) = found.binary_search_by_key(&id, |account| account.id) {
                found[place].facts = ledger::balance(&row)?;
            }
        }
        Ok(())
    }

    async fn save_more(&self, tx: &mut Tx, id: u32, old: Option<&Account>) -> Result<()> {
        let Some(old) = old else {
            ledger::open_account(tx, id, self.limit()).await?;
            return ledger::debts::change(tx, id, None, self, 0).await;
        };
        if old.currency != self.currency && ledger::has_history(tx, id).await? {
            return Err(StoreError::invalid("currency", "cannot change once money has moved"));
        }
        if old.netted != self.netted {
            ledger::change_netting(tx, id, self.netted, old.version).await?;
        }
        ledger::change_limit(tx, id, old.limit(), self.limit(), old.version).await?;
        ledger::debts::change(tx, id, Some(old), self, old.version).await
    }

    async fn before_delete(tx: &mut Tx, id: u32) -> Result<()> {
        if ledger::has_history(tx, id).await? {
            let why = "money has moved on it, and its history is kept";
            return Err(StoreError::conflict(ConflictKind::InUse, "account", id, why));
        }
        ledger::drop_account(tx, id).await
    }
}

/// Refuses a reference to something that is not there, by the name of the referring field.
pub(crate) async fn exists(tx: &mut Tx, table: &str, field: &'static str, id: u32) -> Result<()> {
    match tx.row(format!("SELECT id FROM {table} WHERE id=?"), args![id]).await? {
        Some(_) => Ok(()),
        None => Err(StoreError::invalid(field, format!("there is none with the id {id}"))),
    }
}

/// Refuses a trunk's account that is another carrier's, or a deck in a currency that nothing joins with the account's.
pub(crate) async fn fits(tx: &mut Tx, carrier: u32, account: u32, deck: u32, deck_field: &'static str) -> Result<()> {
    exists(tx, "carriers", "carrier", carrier).await?;
    exists(tx, "accounts", "account", account).await?;
    exists(tx, "decks", deck_field, deck).await?;
    let account: Account = object::get(tx, account).await?;
    if account.carrier.0 != carrier {
        return Err(StoreError::invalid("account", "belongs to another carrier"));
    }
    let deck: crate::Deck = object::get(tx, deck).await?;
    if !joined(tx, deck.currency, account.currency).await? {
        let (theirs, ours) = (deck.currency, account.currency);
        let why = format!("counts in {theirs}, the account in {ours}, and no exchange rates join the two");
        return Err(StoreError::invalid(deck_field, why));
    }
    Ok(())
}

pub(crate) fn currency(row: &Row, column: &str) -> Result<Currency> {
    let text = row.text(column)?;
    Currency::parse(&text).ok_or_else(|| StoreError::Broken(format!("column {column} holds {text:?}")))
}
