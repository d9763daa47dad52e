//! Invoices: what an account's calls of a period cost, by destination and price, written down once.
//!
//! A call belongs to the period in which it began. Its record may come after the invoice of that period was made: a long call, or a node
//! whose journal waited. Such a call is known by the moment at which it moved money, and stands on the account's next invoice, so that
//! each call is invoiced once.

mod fees;
mod lines;

use units::{Money, WallTime};

use crate::Store;
use crate::accounts::AccountDraft;
use crate::error::{ConflictKind, Result, StoreError};
use crate::ledger;
use crate::numbered;
use crate::settings;
use crate::sql::{Arg, Row, Tx, args, now};
use crate::sums::{self, DAY};

/// A period has so many days at most.
const DAYS_MAX: i64 = 400;
/// Calls that began so long before a period are not looked for among those that came late for another one: 92 days.
const LATE_MAX: i64 = 92 * DAY;
/// Characters of who issues an invoice, of whom it is for, and of a note.
const TEXT_CHARS_MAX: usize = 1_000;
/// The setting that says who issues invoices.
const ISSUER: &str = "invoice_issuer";

pub use fees::Fees;

/// What is to be invoiced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvoiceAsk {
    /// Whose calls.
    pub account: u32,
    /// Calls that began from this moment on,
    pub from: WallTime,
    /// and before this one, which must be over.
    pub till: WallTime,
    /// The zone in which dates are written on it: an IANA name; empty for UTC.
    pub zone: String,
    /// It is a month: the account's fees belong to it.
    pub with_fees: bool,
    /// Name and address of whom it is for; the carrier's name where empty.
    pub addressed_to: String,
    /// What else stands on it.
    pub note: String,
    /// Who makes it.
    pub made_by: String,
}

/// An invoice as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invoice {
    /// Its number: 1, 2, 3 and so on.
    pub number: u32,
    /// When it was made. What moved money later is on another one.
    pub made: WallTime,
    /// When it was declared void; `None` while it counts.
    pub voided: Option<WallTime>,
    /// What was asked for.
    pub ask: InvoiceAsk,
    /// The account's code.
    pub account_code: String,
    /// ISO 4217.
    pub currency: String,
    /// Name, address and whatever the law wants of who issues it.
    pub issued_by: String,
    /// The sums of its lines.
    pub sums: InvoiceSums,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum InvoiceItem {
    /// Calls of the period.
    #[default]
    Calls = 0,
    /// Calls that began in a period that was invoiced before their records came.
    Late = 1,
    /// A fee of the month, or what its calls lack of what they must cost.
    Fee = 2,
}

/// What stands on an invoice: calls of one destination at one price, or a fee.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvoiceLine {
    /// What it is about.
    pub item: InvoiceItem,
    /// What the destination is called; of a fee its text.
    pub destination: String,
    /// By which beginning of the number they were rated.
    pub prefix: String,
    /// The price of a minute, before tax, in `rate_currency`.
    pub per_minute: Money,
    /// What each cost besides.
    pub connection_fee: Money,
    /// What the rate counts in; the amounts are in the account's currency.
    pub rate_currency: String,
    /// Tax on it, in millionths.
    pub tax_ppm: u32,
    /// The sums.
    pub sums: InvoiceSums,
}

/// Sums of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InvoiceSums {
    /// Calls that cost something.
    pub calls: i64,
    /// Seconds that were billed.
    pub billed_s: i64,
    /// What they cost before tax.
    pub net: Money,
    /// Tax.
    pub tax: Money,
}

impl InvoiceSums {
    fn add(&mut self, other: &InvoiceSums) {
        self.calls = self.calls.saturating_add(other.calls);
        self.billed_s = self.billed_s.saturating_add(other.billed_s);
        self.net += other.net;
        self.tax += other.tax;
    }

    /// What is to be paid.
    pub fn total(&self) -> Money {
        self.net + self.tax
    }
}

impl Store {
    /// Who issues invoices, as it is written on them.
    pub async fn invoice_issuer(&self) -> Result<String> {
        Ok(self.setting(ISSUER).await?.unwrap_or_default())
    }

    /// Sets who issues invoices from now on.
    pub async fn set_invoice_issuer(&self, text: &str) -> Result<()> {
        check_text("text", text)?;
        self.set_setting(ISSUER, Some(text)).await
    }

    /// Makes the invoice of a period that is over. A period of which a part was invoiced is refused.
    pub async fn make_invoice(&self, ask: &InvoiceAsk) -> Result<(Invoice, Vec<InvoiceLine>)> {
        check(ask)?;
        let account = self.get::<AccountDraft>(ask.account).await?;
        // Whoever moves the account's money holds its row: what moved before this moment can be read behind it, and nothing is at work.
        let mut tx = self.write().await?;
        ledger::lock(&mut tx, ask.account).await?;
        let made = now();
        tx.commit().await?;
        if ask.till > made {
            return Err(StoreError::invalid("till", "the period must be over"));
        }
        let mut tx = self.read().await?;
        let earlier = standing(&mut tx, ask.account).await?;
        free(&earlier, ask)?;
        sums::still_there(&mut tx, ask.from).await?;
        let mut lines = lines::of(&mut tx, (account.carrier.0, ask.account), &parts(ask, made, &earlier)).await?;
        if ask.with_fees {
            lines.extend(fees::of(&mut tx, ask.account).await?.lines(&lines, &account.currency.code()));
        }
        let carrier = tx.row("SELECT name,code FROM carriers WHERE id=?", args![account.carrier.0]).await?;
        let issued_by = settings::get(&mut tx, ISSUER).await?.unwrap_or_default();
        drop(tx);
        let mut ask = ask.clone();
        if let Some(row) = carrier.filter(|_| ask.addressed_to.trim().is_empty()) {
            let (name, code) = (row.text("name")?, row.text("code")?);
            ask.addressed_to = if name.is_empty() { code } else { name };
        }
        let mut sums = InvoiceSums::default();
        lines.iter().for_each(|line| sums.add(&line.sums));
        let (account_code, currency) = (account.code.clone(), account.currency.code());
        let invoice = Invoice { number: 0, made, voided: None, ask, account_code, currency, issued_by, sums };
        let number = self.keep_invoice(&invoice, &lines, &earlier).await?;
        Ok((Invoice { number, ..invoice }, lines))
    }

    async fn keep_invoice(&self, invoice: &Invoice, lines: &[InvoiceLine], earlier: &[Period]) -> Result<u32> {
        let mut tx = self.write().await?;
        ledger::lock(&mut tx, invoice.ask.account).await?;
        if standing(&mut tx, invoice.ask.account).await? != earlier {
            let why = "another invoice of the account was made or declared void meanwhile: ask again";
            return Err(StoreError::conflict(ConflictKind::Stale, "account", &invoice.account_code, why));
        }
        let number = numbered::next(&mut tx, "invoices").await?;
        tx.insert_many("INSERT INTO", "invoices", &COLUMNS, vec![values(number, invoice)]).await?;
        let rows = lines.iter().enumerate().map(|(place, line)| lines::values(number, place, line));
        tx.insert_many("INSERT INTO", "invoice_lines", &lines::COLUMNS, rows.collect()).await?;
        fees::book(&mut tx, (number, invoice.ask.account), lines, false).await?;
        tx.commit().await?;
        Ok(number)
    }

    /// Invoices, the highest number first; below `before` when given; of one account when given.
    pub async fn invoices(&self, account: Option<u32>, before: Option<u32>, limit: u32) -> Result<Vec<Invoice>> {
        let mut tx = self.read().await?;
        numbered::list(&mut tx, "invoices", account, before, limit).await?.iter().map(invoice).collect()
    }

    /// One of them with its lines.
    pub async fn invoice(&self, number: u32) -> Result<(Invoice, Vec<InvoiceLine>)> {
        let mut tx = self.read().await?;
        let found = one(&mut tx, number).await?;
        Ok((found, lines::stored(&mut tx, number).await?))
    }

    /// Declares the newest invoice of an account void: it stays, and its calls may be invoiced again.
    pub async fn void_invoice(&self, number: u32) -> Result<Invoice> {
        let account = one(&mut self.read().await?, number).await?.ask.account;
        let mut tx = self.write().await?;
        ledger::lock(&mut tx, account).await?;
        let found = one(&mut tx, number).await?;
        // Later ones say what came late by what this one has.
        if standing(&mut tx, account).await?.last().is_none_or(|last| last.number != number) {
            let why = "it is void already, or not the newest of its account: declare the later ones void first";
            return Err(StoreError::conflict(ConflictKind::InUse, "invoice", number, why));
        }
        let at = now();
        tx.run("UPDATE invoices SET voided=? WHERE number=?", args![at, number]).await?;
        let lines = lines::stored(&mut tx, number).await?;
        fees::book(&mut tx, (number, account), &lines, true).await?;
        tx.commit().await?;
        Ok(Invoice { voided: Some(at), ..found })
    }
}

fn check_text(field: &'static str, text: &str) -> Result<()> {
    let is_plain = |c: char| c == '\n' || !c.is_control();
    if text.chars().count() > TEXT_CHARS_MAX || !text.chars().all(is_plain) {
        return Err(StoreError::invalid(field, "1,000 characters at most, no control characters but line feeds"));
    }
    Ok(())
}

fn check(ask: &InvoiceAsk) -> Result<()> {
    check_text("addressed_to", &ask.addressed_to)?;
    check_text("note", &ask.note)?;
    let known = ask.zone.is_empty() || jiff::tz::TimeZone::get(&ask.zone).is_ok();
    if !known || ask.zone.len() > 64 {
        return Err(StoreError::invalid("zone", "a zone as IANA names it is wanted, such as Europe/Paris"));
    }
    let length = ask.till.micros().saturating_sub(ask.from.micros());
    if length <= 0 || length > DAYS_MAX * DAY {
        return Err(StoreError::invalid("till", format!("after `from`, by {DAYS_MAX} days at most")));
    }
    Ok(())
}

/// What an invoice that counts has of the account's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Period {
    number: u32,
    from: WallTime,
    till: WallTime,
    made: WallTime,
}

/// Those of an account that count, in the order in which they were made.
async fn standing(tx: &mut Tx, account: u32) -> Result<Vec<Period>> {
    let sql = "SELECT number,starts,ends,made FROM invoices WHERE account=? AND voided IS NULL ORDER BY number";
    let period = |row: &Row| {
        let (from, till, made) = (row.time("starts")?, row.time("ends")?, row.time("made")?);
        Ok(Period { number: row.num("number")?, from, till, made })
    };
    tx.rows(sql, args![account]).await?.iter().map(period).collect()
}

/// The invoices of an account that count and have a part of that time.
pub(crate) async fn covering(tx: &mut Tx, account: u32, (from, till): (WallTime, WallTime)) -> Result<Vec<u32>> {
    let all = standing(tx, account).await?;
    Ok(all.iter().filter(|other| other.from < till && from < other.till).map(|other| other.number).collect())
}

/// Refuses a period of which a part was invoiced.
fn free(earlier: &[Period], ask: &InvoiceAsk) -> Result<()> {
    match earlier.iter().find(|other| other.from < ask.till && ask.from < other.till) {
        None => Ok(()),
        Some(other) => {
            let why = "it has a part of that time";
            Err(StoreError::conflict(ConflictKind::Exists, "invoice", other.number, why))
        }
    }
}

/// Which calls: those that began from `from` until `till` and moved money from `moved` until `made`, in microseconds.
struct Part {
    from: i64,
    till: i64,
    moved: i64,
    made: i64,
    item: InvoiceItem,
}

/// The period that was asked for, and of those that were invoiced before what came too late for them.
fn parts(ask: &InvoiceAsk, made: WallTime, earlier: &[Period]) -> Vec<Part> {
    let made = made.micros();
    let own = Part { from: ask.from.micros(), till: ask.till.micros(), moved: 0, made, item: InvoiceItem::Calls };
    let last = earlier.iter().map(|other| other.made.micros()).max().unwrap_or(made);
    let late = earlier.iter().map(|other| Part {
        from: other.from.micros().max(ask.from.micros() - LATE_MAX),
        till: other.till.micros(),
        moved: last,
        made,
        item: InvoiceItem::Late,
    });
    std::iter::once(own).chain(late).filter(|part| part.from < part.till).collect()
}

const COLUMNS: [&str; 16] = [
    "number",
    "account",
    "account_code",
    "currency",
    "starts",
    "ends",
    "zone",
    "made",
    "made_by",
    "issued_by",
    "addressed_to",
    "note",
    "calls",
    "billed_s",
    "net",
    "tax",
];

fn values(number: u32, invoice: &Invoice) -> Vec<Arg> {
    let (ask, sums) = (&invoice.ask, &invoice.sums);
    args![
        number,
        ask.account,
        invoice.account_code.as_str(),
        invoice.currency.as_str(),
        ask.from,
        ask.till,
        ask.zone.as_str(),
        invoice.made,
        ask.made_by.chars().take(100).collect::<String>(),
        invoice.issued_by.as_str(),
        ask.addressed_to.as_str(),
        ask.note.as_str(),
        sums.calls,
        sums.billed_s,
        sums.net,
        sums.tax,
    ]
}

fn sums(row: &Row) -> Result<InvoiceSums> {
    let (net, tax) = (row.money("net")?, row.money("tax")?);
    Ok(InvoiceSums { calls: row.int("calls")?, billed_s: row.int("billed_s")?, net, tax })
}

async fn one(tx: &mut Tx, number: u32) -> Result<Invoice> {
    let row = tx.row("SELECT * FROM invoices WHERE number=?", args![number]).await?;
    invoice(&row.ok_or_else(|| StoreError::missing("invoice", number))?)
}

fn invoice(row: &Row) -> Result<Invoice> {
    let ask = InvoiceAsk {
        account: row.num("account")?,
        from: row.time("starts")?,
        till: row.time("ends")?,
        zone: row.text("zone")?,
        with_fees: false,
        addressed_to: row.text("addressed_to")?,
        note: row.text("note")?,
        made_by: row.text("made_by")?,
    };
    Ok(Invoice {
        number: row.num("number")?,
        made: row.time("made")?,
        voided: row.opt_int("voided")?.map(WallTime::from_micros),
        ask,
        account_code: row.text("account_code")?,
        currency: row.text("currency")?,
        issued_by: row.text("issued_by")?,
        sums: sums(row)?,
    })
}
