//! The ledger: what carriers have paid, what nodes hold of it and what calls have used up.
//!
//! Every operation carries a globally unique id and answers a repetition as it answered the first time. For each account
//! `available + held + settled = funds`; each change of a row is also an entry, and entries are never changed.

use units::{AccountId, GrantId, Money, WallTime};

use crate::Store;
use crate::accounts::{AccountDraft, Balance};
use crate::error::{ConflictKind, Result, StoreError};
use crate::object;
use crate::sql::{Arg, Row, Tx, args, now};

/// At or below this much available, a grant takes all of it instead of half: one unit of the currency.
pub const SMALL: Money = Money::from_nanos(Money::NANOS);
/// Entries of one page at most.
const ENTRIES_MAX: u32 = 1_000;

/// A payment as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The unique reference.
    pub reference: String,
    /// Whose account.
    pub account: u32,
    /// How much; negative takes money back.
    pub amount: Money,
    /// When it was booked.
    pub at: WallTime,
    /// Free text.
    pub note: String,
    /// False when the same reference had been booked before and nothing was done.
    pub booked: bool,
}

/// One line of an account's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Globally unique.
    pub id: String,
    /// When.
    pub at: WallTime,
    /// `limit`, `payment`, `grant`, `close`, `post` or `cost`.
    pub kind: String,
    /// What it changed.
    pub change: Balance,
    /// Free text.
    pub note: String,
}

/// A grant that a node has not yet closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenGrant {
    /// Its id.
    pub id: GrantId,
    /// Whose money.
    pub account: AccountId,
    /// How much was lent.
    pub amount: Money,
    /// How much of it has been posted.
    pub posted: Money,
}

const OPEN: i64 = 0;
const CLOSED: i64 = 1;
const REFUSED: i64 = 2;
const TOMBSTONE: i64 = 3;

impl Store {
    /// Lends money of an account to a node: the amount, or zero for a refusal. A known id gets the stored answer, a stored refusal too.
    pub async fn grant(&self, id: GrantId, account: AccountId, want: Money) -> Result<Money> {
        let mut tx = self.write().await?;
        let Some(balance) = lock(&mut tx, account.0).await? else {
            return Err(StoreError::missing("account", account));
        };
        if let Some(row) = find_grant(&mut tx, id).await? {
            // A tombstone or a refusal lends nothing, however often it is asked for.
            return if matches!(row.state, OPEN | CLOSED) { Ok(row.amount) } else { Ok(Money::ZERO) };
        }
        let draft = object::get::<AccountDraft>(&mut tx, account.0).await?;
        let amount = lend(draft.is_limited(), balance.available, want);
        let state = if amount.is_positive() { OPEN } else { REFUSED };
        let at = now();
        let sql = "INSERT INTO grants (id,account,amount,used,posted,state,asked) VALUES (?,?,?,0,0,?,?)";
        tx.run(sql, args![id.to_bytes(), account.0, amount, state, at]).await?;
        if amount.is_positive() {
            let change = Balance { available: -amount, held: amount, ..Balance::default() };
            apply(&mut tx, account.0, change).await?;
            enter(&mut tx, account.0, format!("grant:{}", hex(&id.to_bytes())), "grant", change, "").await?;
        }
        tx.commit().await?;
        Ok(amount)
    }

    /// Takes the unused rest of a grant back. An unknown grant is remembered as closed, so that a late request for it lends nothing.
    ///
    /// Posts of its calls may still be on their way: what `used` covers stays held until they come.
    pub async fn close(&self, id: GrantId, account: AccountId, used: Money) -> Result<()> {
        let mut tx = self.write().await?;
        if lock(&mut tx, account.0).await?.is_none() {
            return Err(StoreError::missing("account", account));
        }
        let at = now();
        let Some(row) = find_grant(&mut tx, id).await? else {
            let sql = "INSERT INTO grants (id,account,amount,used,posted,state,asked,closed) VALUES (?,?,0,0,0,?,?,?)";
            tx.run(sql, args![id.to_bytes(), account.0, TOMBSTONE, at, at]).await?;
            return tx.commit().await;
        };
        if row.state != OPEN {
            return Ok(());
        }
        if row.account != account.0 {
            return Err(StoreError::Broken(format!("grant {} is of account {}", hex(&id.to_bytes()), row.account)));
        }
        // What was posted is used, whatever the node says; more than was lent cannot be used.
        let used = used.max(row.posted).min(row.amount);
        let rest = row.amount - used;
        let sql = "UPDATE grants SET state=?,used=?,closed=? WHERE id=?";
        tx.run(sql, args![CLOSED, used, at, id.to_bytes()]).await?;
        let change = Balance { available: rest, held: -rest, ..Balance::default() };
        apply(&mut tx, account.0, change).await?;
        enter(&mut tx, account.0, format!("close:{}", hex(&id.to_bytes())), "close", change, "").await?;
        tx.commit().await
    }

    /// Books money that a carrier has paid. The same reference again does nothing; with another amount it is refused.
    pub async fn payment(&self, account: u32, amount: Money, reference: &str, note: &str) -> Result<Payment> {
        let mut tx = self.write().await?;
        let payment = pay(&mut tx, account, amount, reference, note).await?;
        tx.commit().await?;
        Ok(payment)
    }

    /// An account's history, newest first; entries older than `before` when given.
    pub async fn entries(&self, account: u32, before: Option<(WallTime, &str)>, limit: u32) -> Result<Vec<Entry>> {
        let mut sql = "SELECT * FROM ledger_entries WHERE account=?".to_owned();
        let mut values = args![account];
        if let Some((at, id)) = before {
            sql.push_str(" AND (at<? OR (at=? AND id<?))");
            values.extend(args![at, at, id]);
        }
        sql.push_str(" ORDER BY at DESC,id DESC LIMIT ?");
        values.push(Arg::from(limit.clamp(1, ENTRIES_MAX)));
        self.read().await?.rows(sql, values).await?.iter().map(entry).collect()
    }

    /// The balance of one account.
    pub async fn balance(&self, account: u32) -> Result<Balance> {
        let row = self.read().await?.row("SELECT * FROM ledger_accounts WHERE account=?", args![account]).await?;
        balance(&row.ok_or_else(|| StoreError::missing("account", account))?)
    }

    /// Grants that a node has not closed, oldest first; 1,000 at most.
    pub async fn open_grants(&self, account: Option<u32>) -> Result<Vec<OpenGrant>> {
        let (wanted, values) = match account {
            Some(account) => (" AND account=?", args![OPEN, account]),
            None => ("", args![OPEN]),
        };
        let sql = format!("SELECT * FROM grants WHERE state=?{wanted} ORDER BY id LIMIT 1000");
        let rows = self.read().await?.rows(sql, values).await?;
        rows.iter().map(|row| grant_row(row).map(|g| g.public())).collect()
    }
}

impl object::Edit {
    /// Books a payment within this transaction; see [`Store::payment`].
    pub async fn payment(&mut self, account: u32, amount: Money, reference: &str, note: &str) -> Result<Payment> {
        pay(&mut self.tx, account, amount, reference, note).await
    }

    /// A payment by its reference.
    pub async fn find_payment(&mut self, reference: &str) -> Result<Option<Payment>> {
        find_payment(&mut self.tx, reference).await
    }
}

impl Store {
    /// A payment by its reference.
    pub async fn find_payment(&self, reference: &str) -> Result<Option<Payment>> {
        find_payment(&mut self.read().await?, reference).await
    }
}

/// How much of `available` a node may have. At 0 or below nothing: a prepaid account at exactly 0 starts no call.
fn lend(limited: bool, available: Money, want: Money) -> Money {
    let want = want.max(Money::ZERO);
    if !limited {
        return want;
    }
    if !available.is_positive() {
        return Money::ZERO;
    }
    let most = if available <= SMALL { available } else { Money::from_nanos(available.nanos() / 2).max(SMALL) };
    want.min(most)
}

async fn pay(tx: &mut Tx, account: u32, amount: Money, reference: &str, note: &str) -> Result<Payment> {
    check_reference(reference)?;
    if amount == Money::ZERO {
        return Err(StoreError::invalid("amount", "must not be 0"));
    }
    if note.chars().count() > 400 {
        return Err(StoreError::invalid("note", "up to 400 characters"));
    }
    if lock(tx, account).await?.is_none() {
        return Err(StoreError::missing("account", account));
    }
    if let Some(known) = find_payment(tx, reference).await? {
        if known.account == account && known.amount == amount {
            return Ok(known);
        }
        let why = format!("it was booked as {} on account {}", known.amount, known.account);
        return Err(StoreError::conflict(ConflictKind::Exists, "payment", reference, &why));
    }
    let change = Balance { available: amount, funds: amount, ..Balance::default() };
    apply(tx, account, change).await?;
    let at = enter(tx, account, payment_id(reference), "payment", change, note).await?;
    Ok(Payment { reference: reference.to_owned(), account, amount, at, note: note.to_owned(), booked: true })
}

fn check_reference(reference: &str) -> Result<()> {
    if reference.is_empty() || reference.len() > 80 || !reference.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(StoreError::invalid("reference", "1 to 80 visible ASCII characters without spaces"));
    }
    Ok(())
}

fn payment_id(reference: &str) -> String {
    format!("payment:{reference}")
}

async fn find_payment(tx: &mut Tx, reference: &str) -> Result<Option<Payment>> {
    let row = tx.row("SELECT * FROM ledger_entries WHERE id=?", args![payment_id(reference)]).await?;
    row.map(|row| {
        Ok(Payment {
            reference: reference.to_owned(),
            account: row.num("account")?,
            amount: row.money("funds")?,
            at: row.time("at")?,
            note: row.text("note")?,
            booked: false,
        })
    })
    .transpose()
}

/// Takes an account's row for this transaction. Transactions that take several do it in order of id, so that they cannot wait for each
/// other in a ring.
pub(crate) async fn lock(tx: &mut Tx, account: u32) -> Result<Option<Balance>> {
    let sql = format!("SELECT * FROM ledger_accounts WHERE account=?{}", tx.dialect().for_update());
    tx.row(sql, args![account]).await?.map(|row| balance(&row)).transpose()
}

/// Adds to an account's row.
pub(crate) async fn apply(tx: &mut Tx, account: u32, change: Balance) -> Result<()> {
    let sql = "UPDATE ledger_accounts SET available=available+?,held=held+?,settled=settled+?,funds=funds+?,owed=owed+? WHERE account=?";
    let Balance { available, held, settled, funds, owed } = change;
    assert!(available + held + settled == funds, "every ledger change keeps available + held + settled = funds");
    tx.run(sql, args![available, held, settled, funds, owed, account]).await?;
    Ok(())
}

/// Columns of an entry, in the order of [`entry_values`].
pub(crate) const ENTRY_COLUMNS: &[&str] =
    &["id", "account", "at", "kind", "available", "held", "settled", "funds", "owed", "note"];

pub(crate) fn entry_values(
    account: u32,
    at: WallTime,
    id: String,
    kind: &str,
    change: Balance,
    note: &str,
) -> Vec<Arg> {
    let Balance { available, held, settled, funds, owed } = change;
    args![id, account, at, kind, available, held, settled, funds, owed, note]
}

async fn enter(tx: &mut Tx, account: u32, id: String, kind: &str, change: Balance, note: &str) -> Result<WallTime> {
    let at = now();
    let row = entry_values(account, at, id, kind, change, note);
    tx.insert_many("INSERT INTO", "ledger_entries", ENTRY_COLUMNS, vec![row]).await?;
    Ok(at)
}

pub(crate) async fn open_account(tx: &mut Tx, account: u32, limit: Money) -> Result<()> {
    let sql = "INSERT INTO ledger_accounts (account,available,held,settled,funds,owed) VALUES (?,0,0,0,0,0)";
    tx.run(sql, args![account]).await?;
    change_limit(tx, account, Money::ZERO, limit, 0).await
}

/// Books a new credit limit: it is part of the funds.
pub(crate) async fn change_limit(tx: &mut Tx, account: u32, old: Money, new: Money, version: i64) -> Result<()> {
    let more = new - old;
    if more == Money::ZERO {
        return Ok(());
    }
    lock(tx, account).await?;
    let change = Balance { available: more, funds: more, ..Balance::default() };
    apply(tx, account, change).await?;
    enter(tx, account, format!("limit:{account}:{version}"), "limit", change, "").await?;
    Ok(())
}

/// True once money has moved: a payment, a grant or a cost.
pub(crate) async fn has_history(tx: &mut Tx, account: u32) -> Result<bool> {
    let entry = "SELECT id FROM ledger_entries WHERE account=? AND kind<>'limit' LIMIT 1";
    Ok(tx.row(entry, args![account]).await?.is_some())
}

pub(crate) async fn drop_account(tx: &mut Tx, account: u32) -> Result<()> {
    tx.run("DELETE FROM ledger_accounts WHERE account=?", args![account]).await?;
    Ok(())
}

pub(crate) fn balance(row: &Row) -> Result<Balance> {
    Ok(Balance {
        available: row.money("available")?,
        held: row.money("held")?,
        settled: row.money("settled")?,
        funds: row.money("funds")?,
        owed: row.money("owed")?,
    })
}

fn entry(row: &Row) -> Result<Entry> {
    Ok(Entry {
        id: row.text("id")?,
        at: row.time("at")?,
        kind: row.text("kind")?,
        change: balance(row)?,
        note: row.text("note")?,
    })
}

/// A row of `grants`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GrantRow {
    pub(crate) id: GrantId,
    pub(crate) account: u32,
    pub(crate) amount: Money,
    pub(crate) used: Money,
    pub(crate) posted: Money,
    pub(crate) state: i64,
}

impl GrantRow {
    /// What is still held for posts of this grant.
    pub(crate) fn held(&self) -> Money {
        match self.state {
            OPEN => self.amount - self.posted,
            CLOSED => self.used - self.posted,
            _ => Money::ZERO,
        }
    }

    fn public(self) -> OpenGrant {
        OpenGrant { id: self.id, account: AccountId(self.account), amount: self.amount, posted: self.posted }
    }
}

async fn find_grant(tx: &mut Tx, id: GrantId) -> Result<Option<GrantRow>> {
    let row = tx.row("SELECT * FROM grants WHERE id=?", args![id.to_bytes()]).await?;
    row.map(|row| grant_row(&row)).transpose()
}

pub(crate) fn grant_row(row: &Row) -> Result<GrantRow> {
    Ok(GrantRow {
        id: GrantId::from_bytes(row.id16("id")?),
        account: row.num("account")?,
        amount: row.money("amount")?,
        used: row.money("used")?,
        posted: row.money("posted")?,
        state: row.int("state")?,
    })
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
