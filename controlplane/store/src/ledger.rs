//! The ledger's rows: what carriers have paid, what nodes hold of it and what calls have used up. What is to happen is decided by the
//! crate `ledger`; here rows are locked, read and written.
//!
//! Every operation carries a globally unique id and answers a repetition as it answered the first time. For each account
//! `available + held + settled = funds`; each change of a row is also an entry, and entries are never changed.

pub(crate) mod debts;
mod fence;
mod posts;

pub use fence::WriteOff;
pub(crate) use posts::post;

use std::collections::{BTreeMap, BTreeSet};

use ::ledger::{Account, Answer, Ask, Balance, Flaw, Grant, State, Step};
use units::{AccountId, CallId, Cause, GrantId, Money, NodeId, WallTime};

use crate::Store;
use crate::accounts::AccountDraft;
use crate::caps;
use crate::error::{ConflictKind, Result, StoreError};
use crate::object;
use crate::sql::{Arg, Dialect, Key, Row, Tx, args, listed, marks, now};

/// Entries of one page at most.
const ENTRIES_MAX: u32 = 1_000;

/// A payment as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The unique reference.
    pub reference: String,
    /// What it is.
    pub kind: Booking,
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

/// What money that an operator books is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Booking {
    /// The carrier paid us, or, negative, we paid back.
    #[default]
    Payment,
    /// Something was charged wrongly: a credit note, or, negative, a debit note.
    Correction,
    /// We paid the carrier for calls that it took, or, negative, it paid back.
    Payout,
}

impl Booking {
    /// As it is written in entries.
    pub const fn name(self) -> &'static str {
        match self {
            Booking::Payment => "payment",
            Booking::Correction => "correction",
            Booking::Payout => "payout",
        }
    }

    fn read(text: &str) -> Booking {
        match text {
            "correction" => Booking::Correction,
            "payout" => Booking::Payout,
            _ => Booking::Payment,
        }
    }
}

/// One line of an account's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Globally unique.
    pub id: String,
    /// When.
    pub at: WallTime,
    /// `limit`, `netting`, `payment`, `correction`, `payout`, `grant`, `close`, `post`, `cost` or `write_off`.
    pub kind: String,
    /// What it changed.
    pub change: Balance,
    /// What was given up, if it is a write-off.
    pub written_off: Option<WrittenOff>,
    /// Free text.
    pub note: String,
}

/// Money that was given up: talk that a crash kept from the bill, or what a lost node held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenOff {
    /// How much, in the account's currency: what the talk would have cost at most, or what went back to the account.
    pub amount: Money,
    /// The call that a crash cut; `None` for what a lost node held.
    pub call: Option<CallId>,
    /// The node that crashed or was lost.
    pub node: NodeId,
}

/// What an account, or what its carrier may be owed, would lend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purse {
    /// So much in all; `None` where nothing limits it.
    pub left: Option<Money>,
    /// What nodes hold of it for calls; how much of that is free they know alone.
    pub held: Money,
    /// What a call hears for which it is not enough.
    pub objection: Cause,
}

impl Entry {
    /// What it did to the balance: payments less charges. A credit limit is no money.
    pub fn moved(&self) -> Money {
        if self.kind == "limit" { Money::ZERO } else { self.change.funds - self.change.settled }
    }
}

impl Store {
    /// Lends money of an account to a node, or says why not. A known id gets the stored answer, a stored refusal too.
    pub async fn grant(&self, id: GrantId, account: AccountId, ask: Ask) -> Result<Answer> {
        let mut tx = self.write().await?;
        let Some(balance) = lock(&mut tx, account.0).await? else {
            return Err(StoreError::missing("account", account));
        };
        let known = find_grant(&mut tx, id).await?;
        let funds = funds(&mut tx, account, &balance).await?;
        let fenced = fence::find(&mut tx, id.node).await?.is_some_and(|fence| fence.holds(id.boot));
        let (answer, step) =
            ::ledger::grant(id, account, known.as_ref(), &funds, ask, fenced).map_err(|flaw| foreign(id, flaw))?;
        if let Some(step) = step {
            write(&mut tx, &step, known.is_some(), ("grant", "")).await?;
            tx.commit().await?;
        } else {
            // What follows takes a connection of its own.
            drop(tx);
        }
        self.acknowledged().await?;
        Ok(answer)
    }

    /// What a purse would lend at this moment; `None` if it does not exist.
    pub async fn purse(&self, purse: AccountId) -> Result<Option<Purse>> {
        let mut tx = self.read().await?;
        let (table, number) = place_of(purse.0);
        let sql = format!("SELECT * FROM {table} WHERE account=?");
        let Some(row) = tx.row(sql, args![number]).await? else { return Ok(None) };
        let stands = balance(&row)?;
        let funds = funds(&mut tx, purse, &stands).await?;
        let objection = if purse.is_owed() { Cause::TERMINATOR_BALANCE } else { funds.shortage() };
        Ok(Some(Purse { left: funds.left(), held: stands.held, objection }))
    }

    /// Takes the unused rest of a grant back. An unknown grant is remembered as closed, so that a late request for it lends nothing.
    ///
    /// Posts of its calls may still be on their way: what `used` covers stays held until they come.
    pub async fn close(&self, id: GrantId, account: AccountId, used: Money) -> Result<()> {
        let mut tx = self.write().await?;
        if lock(&mut tx, account.0).await?.is_none() {
            return Err(StoreError::missing("account", account));
        }
        let known = find_grant(&mut tx, id).await?;
        if let Some(step) = ::ledger::close(id, account, known.as_ref(), used).map_err(|flaw| foreign(id, flaw))? {
            write(&mut tx, &step, known.is_some(), ("close", "")).await?;
            tx.commit().await?;
        } else {
            drop(tx);
        }
        self.acknowledged().await
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
        entries(&mut self.read().await?, account, before, limit).await
    }

    /// An account's history, newest first, each entry with the balance after it. `before` is where the part before ended: moment, id, and
    /// the balance before that entry.
    pub async fn statement(
        &self,
        account: u32,
        before: Option<(WallTime, &str, Money)>,
        limit: u32,
    ) -> Result<Vec<(Entry, Money)>> {
        let mut tx = self.read().await?;
        let mut balance = match before {
            Some((_, _, balance)) => balance,
            None => {
                let row = tx.row("SELECT * FROM ledger_accounts WHERE account=?", args![account]).await?;
                let row = row.ok_or_else(|| StoreError::missing("account", account))?;
                let stands = balance(&row)?;
                let draft = object::get::<AccountDraft>(&mut tx, account).await?;
                stands.funds - draft.credit_limit.unwrap_or(Money::ZERO) - stands.settled
            }
        };
        let entries = entries(&mut tx, account, before.map(|(at, id, _)| (at, id)), limit).await?;
        let with_balance = |entry: Entry| {
            let after = balance;
            balance -= entry.moved();
            (entry, after)
        };
        Ok(entries.into_iter().map(with_balance).collect())
    }

    /// The balance of one account, or by the number of [`AccountId::owed`] what its carrier may be owed.
    pub async fn balance(&self, account: u32) -> Result<Balance> {
        let (table, number) = place_of(account);
        let sql = format!("SELECT * FROM {table} WHERE account=?");
        let row = self.read().await?.row(sql, args![number]).await?;
        balance(&row.ok_or_else(|| StoreError::missing("account", account))?)
    }

    /// Grants that nodes have not closed, oldest first; 1,000 at most.
    pub async fn open_grants(&self, account: Option<u32>) -> Result<Vec<Grant>> {
        let (wanted, values) = match account {
            Some(account) => (" AND account=?", args![number(State::Open), account]),
            None => ("", args![number(State::Open)]),
        };
        let sql = format!("SELECT * FROM grants WHERE state=?{wanted} ORDER BY id LIMIT 1000");
        let rows = self.read().await?.rows(sql, values).await?;
        rows.iter().map(grant_row).collect()
    }
}

impl object::Edit {
    /// Books money of any kind within this transaction; see [`Store::payment`].
    pub async fn book(
        &mut self,
        kind: Booking,
        account: u32,
        amount: Money,
        reference: &str,
        note: &str,
    ) -> Result<Payment> {
        book(&mut self.tx, kind, account, amount, reference, note).await
    }

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

/// What the ledger must know of a purse to lend from it.
async fn funds(tx: &mut Tx, purse: AccountId, stands: &Balance) -> Result<Account> {
    let draft = object::get::<AccountDraft>(tx, purse.account().0).await?;
    let available = stands.available;
    if purse.is_owed() {
        return Ok(Account { limited: draft.owed_limit.is_some(), available, ..Account::default() });
    }
    let [day, month] = caps::allowances(tx, purse.0, &draft, stands, now()).await?;
    let keeps = draft.credit_limit.is_some_and(|limit| limit < Money::ZERO);
    Ok(Account { limited: draft.is_limited(), available, keeps, day, month })
}

/// Writes what the ledger decided about one grant, and its entry of this kind with this note.
async fn write(tx: &mut Tx, step: &Step, known: bool, (kind, note): (&str, &str)) -> Result<()> {
    let Step { grant, change } = step;
    let (id, at) = (grant.id.to_bytes(), now());
    let closed = (grant.state != State::Open && grant.state != State::Refused).then_some(at);
    if known {
        let sql = "UPDATE grants SET used=?,state=?,closed=? WHERE id=?";
        tx.run(sql, args![grant.used, number(grant.state), closed, id]).await?;
    } else {
        let sql = "INSERT INTO grants (id,account,amount,used,posted,state,asked,closed) VALUES (?,?,?,?,0,?,?,?)";
        let row = args![id, grant.account.0, grant.amount, grant.used, number(grant.state), at, closed];
        tx.run(sql, row).await?;
    }
    if *change != Balance::default() || kind == "close" && known {
        apply(tx, grant.account.0, *change).await?;
        let lost = WrittenOff { amount: change.available, call: None, node: grant.id.node };
        let written_off = Some(lost).filter(|_| grant.state == State::WrittenOff);
        let row = entry_values(grant.account.0, at, format!("{kind}:{}", hex(&id)), kind, *change, written_off, note);
        tx.insert_many("INSERT INTO", "ledger_entries", ENTRY_COLUMNS, vec![row]).await?;
    }
    Ok(())
}

fn foreign(id: GrantId, flaw: Flaw) -> StoreError {
    StoreError::Broken(format!("grant {} is of account {}", hex(&id.to_bytes()), flaw.account))
}

async fn pay(tx: &mut Tx, account: u32, amount: Money, reference: &str, note: &str) -> Result<Payment> {
    book(tx, Booking::Payment, account, amount, reference, note).await
}

pub(crate) async fn book(
    tx: &mut Tx,
    kind: Booking,
    account: u32,
    amount: Money,
    reference: &str,
    note: &str,
) -> Result<Payment> {
    check_reference(reference)?;
    if amount == Money::ZERO {
        return Err(StoreError::invalid("amount", "must not be 0"));
    }
    if note.chars().count() > 400 {
        return Err(StoreError::invalid("note", "up to 400 characters"));
    }
    let Some(stands) = lock(tx, account).await? else { return Err(StoreError::missing("account", account)) };
    if let Some(known) = find_payment(tx, reference).await? {
        if known.account == account && known.amount == amount && known.kind == kind {
            return Ok(known);
        }
        let why = format!("it was booked as {} of {} on account {}", known.kind.name(), known.amount, known.account);
        return Err(StoreError::conflict(ConflictKind::Exists, "payment", reference, &why));
    }
    let netted = object::get::<AccountDraft>(tx, account).await?.netted;
    let change = match kind {
        Booking::Payment | Booking::Correction => Balance { available: amount, funds: amount, ..Balance::default() },
        Booking::Payout => owe(-amount, netted),
    };
    let sums = [(stands.available, change.available), (stands.funds, change.funds), (stands.owed, change.owed)];
    if sums.iter().any(|(now, more)| now.nanos().checked_add(more.nanos()).is_none()) {
        return Err(StoreError::invalid("amount", "the account cannot count so much"));
    }
    apply(tx, account, change).await?;
    let at = enter(tx, account, payment_id(reference), kind.name(), change, note).await?;
    let more = match kind {
        Booking::Payout => amount,
        Booking::Payment | Booking::Correction if netted => -amount,
        Booking::Payment | Booking::Correction => Money::ZERO,
    };
    debts::may_owe(tx, AccountId(account).owed(), more, (&format!("owed:{reference}"), kind.name())).await?;
    Ok(Payment { reference: reference.to_owned(), kind, account, amount, at, note: note.to_owned(), booked: true })
}

/// We owe a carrier more: where both directions are netted, it may spend that.
pub(crate) fn owe(more: Money, netted: bool) -> Balance {
    let spendable = if netted { more } else { Money::ZERO };
    Balance { owed: more, available: spendable, funds: spendable, ..Balance::default() }
}

/// What we owe begins or ends to count as the carrier's money.
pub(crate) async fn change_netting(tx: &mut Tx, account: u32, netted: bool, version: i64) -> Result<()> {
    let Some(balance) = lock(tx, account).await? else { return Ok(()) };
    let more = if netted { balance.owed } else { -balance.owed };
    let change = Balance { available: more, funds: more, ..Balance::default() };
    apply(tx, account, change).await?;
    enter(tx, account, format!("netting:{account}:{version}"), "netting", change, "").await?;
    Ok(())
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
        let kind = Booking::read(&row.text("kind")?);
        Ok(Payment {
            reference: reference.to_owned(),
            kind,
            account: row.num("account")?,
            amount: if kind == Booking::Payout { -row.money("owed")? } else { row.money("funds")? },
            at: row.time("at")?,
            note: row.text("note")?,
            booked: false,
        })
    })
    .transpose()
}

/// Where the row of a purse stands, and under which number.
fn place_of(purse: u32) -> (&'static str, u32) {
    let purse = AccountId(purse);
    (if purse.is_owed() { "ledger_debts" } else { "ledger_accounts" }, purse.account().0)
}

/// Takes the row of an account, or of what its carrier may be owed, for this transaction. Transactions that take several do it in order of id, so that they cannot wait for each
/// other in a ring.
pub(crate) async fn lock(tx: &mut Tx, account: u32) -> Result<Option<Balance>> {
    let (table, account) = place_of(account);
    let sql = format!("SELECT * FROM {table} WHERE account=?{}", tx.dialect().for_update());
    tx.row(sql, args![account]).await?.map(|row| balance(&row)).transpose()
}

/// Takes the rows of several accounts, and of what their carriers may be owed, for this transaction, in order of id. Returns those that
/// are there.
pub(crate) async fn lock_all(tx: &mut Tx, purses: &BTreeSet<u32>) -> Result<BTreeSet<u32>> {
    let mut found = BTreeSet::new();
    let index = tx.dialect().by_index(if tx.dialect() == Dialect::MySql { "PRIMARY" } else { "" });
    let lock = tx.dialect().for_update();
    // Accounts stand before what is owed, in number and so in order.
    for owed in [false, true] {
        let own: Vec<u32> = purses.iter().copied().filter(|purse| AccountId(*purse).is_owed() == owed).collect();
        for block in own.chunks(512) {
            let (table, _) = place_of(block[0]);
            let wanted = listed(block.iter().map(|purse| Arg::from(place_of(*purse).1)).collect());
            let marks = marks(wanted.len());
            let sql = format!("SELECT account FROM {table}{index} WHERE account IN ({marks}) ORDER BY account{lock}");
            for row in tx.rows(sql, wanted).await? {
                let account = AccountId(row.num("account")?);
                found.insert(if owed { account.owed().0 } else { account.0 });
            }
        }
    }
    Ok(found)
}

/// Adds to the rows of several accounts, and of what their carriers may be owed, which this transaction has taken.
pub(crate) async fn apply_all(tx: &mut Tx, changes: &BTreeMap<u32, Balance>) -> Result<()> {
    for owed in [false, true] {
        let own = changes.iter().filter(|(purse, _)| AccountId(**purse).is_owed() == owed);
        let rows: Vec<Vec<Arg>> = own
            .map(|(purse, change)| {
                assert!(change.adds_up(), "every ledger change keeps available + held + settled = funds");
                let Balance { available, held, settled, funds, owed } = *change;
                args![place_of(*purse).1, available, held, settled, funds, owed]
            })
            .collect();
        let (table, wanted) = (if owed { "ledger_debts" } else { "ledger_accounts" }, rows.len() as u64);
        let columns = &["available", "held", "settled", "funds", "owed"];
        if tx.add_each((table, Key::Number("account")), columns, rows).await? != wanted {
            return Err(StoreError::Broken(format!("rows of {table} are gone although they were locked")));
        }
    }
    Ok(())
}

/// Adds to the row of an account, or of what its carrier may be owed.
pub(crate) async fn apply(tx: &mut Tx, account: u32, change: Balance) -> Result<()> {
    let (table, account) = place_of(account);
    let sql = format!(
        "UPDATE {table} SET available=available+?,held=held+?,settled=settled+?,funds=funds+?,owed=owed+? WHERE account=?"
    );
    let Balance { available, held, settled, funds, owed } = change;
    assert!(change.adds_up(), "every ledger change keeps available + held + settled = funds");
    tx.run(sql, args![available, held, settled, funds, owed, account]).await?;
    Ok(())
}

/// What ids of entries begin with that write off talk of a call; the call follows.
pub(crate) const CUT: &str = "cut:";

/// Columns of an entry, in the order of [`entry_values`].
pub(crate) const ENTRY_COLUMNS: &[&str] =
    &["id", "account", "at", "kind", "available", "held", "settled", "funds", "owed", "written_off", "node", "note"];

pub(crate) fn entry_values(
    account: u32,
    at: WallTime,
    id: String,
    kind: &str,
    change: Balance,
    written_off: Option<WrittenOff>,
    note: &str,
) -> Vec<Arg> {
    let Balance { available, held, settled, funds, owed } = change;
    let amount = written_off.map_or(Money::ZERO, |lost| lost.amount);
    let node = written_off.map(|lost| u32::from(lost.node.0));
    args![id, account, at, kind, available, held, settled, funds, owed, amount, node, note]
}

async fn enter(tx: &mut Tx, account: u32, id: String, kind: &str, change: Balance, note: &str) -> Result<WallTime> {
    let at = now();
    let row = entry_values(account, at, id, kind, change, None, note);
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
    tx.run("DELETE FROM notice_secrets WHERE account=?", args![account]).await?;
    tx.run("DELETE FROM account_fees WHERE account=?", args![account]).await?;
    tx.run("DELETE FROM ledger_debts WHERE account=?", args![account]).await?;
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

async fn entries(tx: &mut Tx, account: u32, before: Option<(WallTime, &str)>, limit: u32) -> Result<Vec<Entry>> {
    let mut sql = "SELECT * FROM ledger_entries WHERE account=?".to_owned();
    let mut values = args![account];
    if let Some((at, id)) = before {
        sql.push_str(" AND (at<? OR (at=? AND id<?))");
        values.extend(args![at, at, id]);
    }
    sql.push_str(" ORDER BY at DESC,id DESC LIMIT ?");
    values.push(Arg::from(limit.clamp(1, ENTRIES_MAX)));
    tx.rows(sql, values).await?.iter().map(entry).collect()
}

fn entry(row: &Row) -> Result<Entry> {
    Ok(Entry {
        id: row.text("id")?,
        at: row.time("at")?,
        kind: row.text("kind")?,
        change: balance(row)?,
        written_off: written_off(row)?,
        note: row.text("note")?,
    })
}

fn written_off(row: &Row) -> Result<Option<WrittenOff>> {
    let Some(node) = row.opt_int("node")? else { return Ok(None) };
    let call = row.text("id")?.strip_prefix(CUT).and_then(CallId::parse);
    let node = NodeId(u16::try_from(node).map_err(|_| StoreError::Broken(format!("an entry names node {node}")))?);
    Ok(Some(WrittenOff { amount: row.money("written_off")?, call, node }))
}

async fn find_grant(tx: &mut Tx, id: GrantId) -> Result<Option<Grant>> {
    let row = tx.row("SELECT * FROM grants WHERE id=?", args![id.to_bytes()]).await?;
    row.map(|row| grant_row(&row)).transpose()
}

pub(crate) fn grant_row(row: &Row) -> Result<Grant> {
    Ok(Grant {
        id: GrantId::from_bytes(row.id16("id")?),
        account: AccountId(row.num("account")?),
        amount: row.money("amount")?,
        used: row.money("used")?,
        posted: row.money("posted")?,
        state: state(row.int("state")?)?,
    })
}

/// How a state is written.
fn number(state: State) -> i64 {
    match state {
        State::Open => 0,
        State::Closed => 1,
        State::Refused => 2,
        State::Tombstone => 3,
        State::WrittenOff => 4,
    }
}

fn state(number: i64) -> Result<State> {
    Ok(match number {
        0 => State::Open,
        1 => State::Closed,
        2 => State::Refused,
        3 => State::Tombstone,
        4 => State::WrittenOff,
        other => return Err(StoreError::Broken(format!("a grant is in state {other}"))),
    })
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
