//! Accounts and payments.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use axum::http::header;
use axum::response::IntoResponse;
use store::{AccountDraft, Balance, Caps, Stored, Thresholds};
use units::{Currency, Money, WallTime};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, Secret, hash, rights};
use crate::cell::harmless;
use crate::extract::{Body, Key, Patch, Query};
use crate::names::Names;
use crate::object::{self, Shown, Tagged, set};
use crate::page::{self, List, Page};
use crate::problem::{Answered, Problem};
use crate::repeats;
use crate::services::App;
use crate::value::{AccountRef, Amount, CarrierRef, Named, Time};

/// Whether calls may be made on credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// Money first.
    Prepaid,
    /// Up to the credit limit.
    Postpaid,
}

/// A carrier's money. `available + held + settled = funds`, and `funds = paid + credit_limit`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// Its id.
    pub id: AccountRef,
    /// The short name that operators use, unique.
    pub code: String,
    /// Whose it is.
    pub carrier: Named<CarrierRef>,
    /// ISO 4217.
    #[schema(example = "USD")]
    pub currency: String,
    /// Prepaid or postpaid.
    pub kind: AccountKind,
    /// How far the balance may fall below zero; absent: not at all (prepaid) or without limit (postpaid). Below 0: so much must stay.
    pub credit_limit: Option<Amount>,
    /// The zone in which its days and months begin, as IANA names it; empty for UTC.
    #[schema(example = "Europe/Paris")]
    pub zone: String,
    /// What calls may cost in a day of that zone.
    pub day_cap: Option<Amount>,
    /// What calls may cost in a month of that zone.
    pub month_cap: Option<Amount>,
    /// What we owe the carrier counts as its money: one balance for both directions.
    pub netted: bool,
    /// What the carrier may be owed for calls that it takes, 0 if it is paid in advance; it bounds the balance where that is netted.
    /// Routes to it are skipped beyond that with cause 323. Absent for no limit.
    pub owed_limit: Option<Amount>,
    /// Somebody is told when the balance falls below this.
    pub notice_low: Option<Amount>,
    /// Somebody is told when the balance rises above this.
    pub notice_high: Option<Amount>,
    /// Addresses of electronic mail with commas between.
    pub notice_mail: String,
    /// Where notices are posted to as JSON.
    pub notice_url: String,
    /// Payments less charges: what the carrier would get back today. Held money counts as still there.
    pub balance: Amount,
    /// What new calls may still use, credit limit included.
    pub available: Amount,
    /// Lent to nodes for running calls.
    pub held: Amount,
    /// Charged for ended calls.
    pub settled: Amount,
    /// Payments plus credit limit.
    pub funds: Amount,
    /// What we owe the carrier for calls that it took, less what we paid for them; part of the balance only where it is netted.
    pub owed: Amount,
    /// When it was last changed, balances apart.
    pub updated_at: Time,
}

/// An account to be made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountNew {
    /// The short name, unique.
    #[schema(min_length = 1, max_length = 64, pattern = "^[0-9A-Za-z_-][0-9A-Za-z._-]*$")]
    pub code: String,
    /// Whose it is.
    pub carrier: CarrierRef,
    /// ISO 4217; default `USD`. It can never be changed.
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: Option<String>,
    /// Prepaid or postpaid.
    pub kind: AccountKind,
    /// How far the balance may fall below zero; absent: not at all (prepaid) or without limit (postpaid). Below 0: so much must stay.
    pub credit_limit: Option<Amount>,
    /// The zone in which its days and months begin, as IANA names it; UTC when absent.
    pub zone: Option<String>,
    /// What calls may cost in a day of that zone, above 0; absent for no cap.
    pub day_cap: Option<Amount>,
    /// What calls may cost in a month of that zone, above 0; absent for no cap.
    pub month_cap: Option<Amount>,
    /// What we owe the carrier counts as its money: one balance for both directions.
    #[serde(default)]
    pub netted: bool,
    /// What the carrier may be owed for calls that it takes, 0 or more; absent for no limit.
    pub owed_limit: Option<Amount>,
    /// Somebody is told when the balance falls below this.
    pub notice_low: Option<Amount>,
    /// Somebody is told when the balance rises above this.
    pub notice_high: Option<Amount>,
    /// Addresses of electronic mail with commas between.
    #[schema(max_length = 400)]
    pub notice_mail: Option<String>,
    /// Where notices are posted to as JSON, `http://` or `https://`.
    #[schema(max_length = 400)]
    pub notice_url: Option<String>,
}

/// Changes of an account; absent fields stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountPatch {
    /// The short name.
    #[schema(min_length = 1, max_length = 64, pattern = "^[0-9A-Za-z_-][0-9A-Za-z._-]*$")]
    pub code: Option<String>,
    /// Prepaid or postpaid.
    pub kind: Option<AccountKind>,
    /// How far the balance may fall below zero; null takes the limit away.
    #[serde(default, deserialize_with = "crate::extract::given")]
    #[schema(value_type = Option<Amount>)]
    pub credit_limit: Option<Option<Amount>>,
    /// The zone in which its days and months begin; empty for UTC.
    pub zone: Option<String>,
    /// What calls may cost in a day of that zone; null takes the cap away.
    #[serde(default, deserialize_with = "crate::extract::given")]
    #[schema(value_type = Option<Amount>)]
    pub day_cap: Option<Option<Amount>>,
    /// What calls may cost in a month of that zone; null takes the cap away.
    #[serde(default, deserialize_with = "crate::extract::given")]
    #[schema(value_type = Option<Amount>)]
    pub month_cap: Option<Option<Amount>>,
    /// What we owe the carrier counts as its money.
    pub netted: Option<bool>,
    /// What the carrier may be owed for calls that it takes; null takes the limit away.
    #[serde(default, deserialize_with = "crate::extract::given")]
    #[schema(value_type = Option<Amount>)]
    pub owed_limit: Option<Option<Amount>>,
    /// Somebody is told when the balance falls below this; null for nobody.
    #[serde(default, deserialize_with = "crate::extract::given")]
    #[schema(value_type = Option<Amount>)]
    pub notice_low: Option<Option<Amount>>,
    /// Somebody is told when the balance rises above this; null for nobody.
    #[serde(default, deserialize_with = "crate::extract::given")]
    #[schema(value_type = Option<Amount>)]
    pub notice_high: Option<Option<Amount>>,
    /// Addresses of electronic mail with commas between; empty for none.
    #[schema(max_length = 400)]
    pub notice_mail: Option<String>,
    /// Where notices are posted to as JSON; empty for nowhere.
    #[schema(max_length = 400)]
    pub notice_url: Option<String>,
}

/// What booked money is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Booking {
    /// The carrier paid us, or, negative, we paid back.
    #[default]
    Payment,
    /// A credit note, or, negative, a debit note.
    Correction,
    /// We paid the carrier for calls that it took, or, negative, it paid back.
    Payout,
}

/// Money that came in (or, negative, went back).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PaymentNew {
    /// What it is; a payment when absent.
    #[serde(default)]
    pub kind: Booking,
    /// How much, in the account's currency; not 0.
    pub amount: Amount,
    /// ISO 4217; when given, it must be the account's.
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: Option<String>,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 400)]
    pub note: String,
    /// The payer's own number: a second payment of this account with the same reference changes nothing.
    #[schema(min_length = 1, max_length = 80, pattern = "^[!-~]+$")]
    pub reference: Option<String>,
}

/// What a ledger entry changed, part by part.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BalanceChange {
    /// What new calls may use.
    pub available: Amount,
    /// Lent to nodes.
    pub held: Amount,
    /// Charged for ended calls.
    pub settled: Amount,
    /// Payments plus credit limit.
    pub funds: Amount,
    /// What we owe the carrier.
    pub owed: Amount,
}

/// One line of an account's ledger.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Globally unique.
    pub id: String,
    /// When.
    pub at: Time,
    /// `limit`, `netting`, `payment`, `correction`, `payout`, `grant`, `close`, `post` (a call's price), `cost` (what we owe for a call)
    /// or `write_off` (talk that a crash kept from the bill, or what a lost node held).
    #[schema(example = "payment")]
    pub kind: String,
    /// How much, in the account's currency: payments and returns are positive, charges and loans negative, debts of ours positive.
    /// Zero for talk that is written off: nothing moves.
    pub amount: Amount,
    /// The balance after it: payments less charges.
    pub balance: Amount,
    /// What it changed.
    pub change: BalanceChange,
    /// What was given up, on a `write_off`.
    pub written_off: Option<GivenUp>,
    /// Who or what caused it.
    pub note: String,
}

/// Money that was given up.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GivenUp {
    /// How much: what the talk would have cost at most, or what went back to the account from a lost node.
    pub amount: Amount,
    /// The call that a crash cut; absent for what a lost node held.
    pub call: Option<String>,
    /// The node that crashed or was lost.
    pub node: u16,
}

/// A payment as booked.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PaymentMade {
    /// The unique reference.
    pub reference: String,
    /// How much.
    pub amount: Amount,
    /// When it was booked.
    pub booked_at: Time,
    /// False when the same reference had been booked before and nothing was done.
    pub booked: bool,
    /// The account after it.
    pub account: Account,
}

/// Entries that are read at once for a file, and how often: 100,000 lines.
const STATEMENT_PAGE: u32 = 1_000;
const STATEMENT_PAGES_MAX: u32 = 100;

/// The paths of accounts.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, update, delete))
        .routes(routes!(entries))
        .routes(routes!(export))
        .routes(routes!(pay))
}

/// Lists accounts in order of id.
#[utoipa::path(get, path = "/api/v1/accounts", tag = "accounts", params(Page),
    responses((status = 200, description = "A part of the list.", body = List<Account>)))]
async fn list(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Query(page): Query<Page>,
) -> Answered<Json<List<Account>>> {
    object::list(&app, &page, None).await
}

/// Reads one account.
#[utoipa::path(get, path = "/api/v1/accounts/{id}", tag = "accounts", params(("id" = AccountRef, Path)),
    responses((status = 200, description = "It, with its ETag.", body = Account)))]
async fn read(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Key(id): Key<AccountRef>,
) -> Answered<Tagged<Account>> {
    object::read(&app, id.0).await
}

/// Makes an account.
#[utoipa::path(post, path = "/api/v1/accounts", tag = "accounts", request_body = AccountNew,
    responses((status = 201, description = "It, with its ETag.", body = Account)))]
async fn create(
    caller: May<rights::Write>,
    State(app): State<App>,
    Body(new): Body<AccountNew>,
) -> Answered<Tagged<Account>> {
    object::create(&app, &caller, new.draft()?).await
}

/// Changes an account.
#[utoipa::path(patch, path = "/api/v1/accounts/{id}", tag = "accounts", request_body = AccountPatch,
    params(("id" = AccountRef, Path), ("if-match" = String, Header, description = "The ETag that was read.")),
    responses((status = 200, description = "It as it stands then.", body = Account)))]
async fn update(
    caller: May<rights::Write>,
    State(app): State<App>,
    Key(id): Key<AccountRef>,
    headers: HeaderMap,
    Patch(patch): Patch<AccountPatch>,
) -> Answered<Tagged<Account>> {
    object::update(&app, &caller, id.0, &headers, |draft| patch.patch(draft)).await
}

/// Deletes an account that nothing refers to.
#[utoipa::path(delete, path = "/api/v1/accounts/{id}", tag = "accounts",
    params(("id" = AccountRef, Path), ("if-match" = String, Header, description = "The ETag that was read.")),
    responses((status = 204, description = "Gone.")))]
async fn delete(
    caller: May<rights::Write>,
    State(app): State<App>,
    Key(id): Key<AccountRef>,
    headers: HeaderMap,
) -> Answered<StatusCode> {
    object::delete::<Account>(&app, &caller, id.0, &headers).await
}

impl Shown for Account {
    type Draft = AccountDraft;

    fn show(stored: &Stored<AccountDraft>, names: &Names) -> Account {
        let Balance { available, held, settled, funds, owed } = stored.facts;
        let credit = stored.credit_limit.unwrap_or_default();
        Account {
            id: AccountRef(stored.id),
            code: stored.code.clone(),
            carrier: names.carrier(stored.carrier.0),
            currency: stored.currency.code(),
            kind: stored.kind.into(),
            credit_limit: stored.credit_limit.map(Amount),
            zone: stored.caps.zone.clone(),
            day_cap: stored.caps.day.map(Amount),
            month_cap: stored.caps.month.map(Amount),
            netted: stored.netted,
            owed_limit: stored.owed_limit.map(Amount),
            notice_low: stored.thresholds.low.map(Amount),
            notice_high: stored.thresholds.high.map(Amount),
            notice_mail: stored.thresholds.mail.clone(),
            notice_url: stored.thresholds.url.clone(),
            balance: Amount(funds - credit - settled),
            available: Amount(available),
            held: Amount(held),
            settled: Amount(settled),
            funds: Amount(funds),
            owed: Amount(owed),
            updated_at: Time(stored.updated),
        }
    }

    fn key(id: u32) -> String {
        AccountRef(id).to_string()
    }
}

impl From<store::AccountKind> for AccountKind {
    fn from(kind: store::AccountKind) -> AccountKind {
        match kind {
            store::AccountKind::Prepaid => AccountKind::Prepaid,
            store::AccountKind::Postpaid => AccountKind::Postpaid,
        }
    }
}

impl From<AccountKind> for store::AccountKind {
    fn from(kind: AccountKind) -> store::AccountKind {
        match kind {
            AccountKind::Prepaid => store::AccountKind::Prepaid,
            AccountKind::Postpaid => store::AccountKind::Postpaid,
        }
    }
}

impl From<Booking> for store::Booking {
    fn from(kind: Booking) -> store::Booking {
        match kind {
            Booking::Payment => store::Booking::Payment,
            Booking::Correction => store::Booking::Correction,
            Booking::Payout => store::Booking::Payout,
        }
    }
}

impl AccountNew {
    fn draft(self) -> Answered<AccountDraft> {
        Ok(AccountDraft {
            code: self.code,
            carrier: self.carrier.into(),
            currency: currency(self.currency.as_deref())?,
            kind: self.kind.into(),
            credit_limit: self.credit_limit.map(|limit| limit.0),
            caps: Caps {
                zone: self.zone.unwrap_or_default(),
                day: self.day_cap.map(|cap| cap.0),
                month: self.month_cap.map(|cap| cap.0),
            },
            netted: self.netted,
            owed_limit: self.owed_limit.map(|limit| limit.0),
            thresholds: Thresholds {
                low: self.notice_low.map(|low| low.0),
                high: self.notice_high.map(|high| high.0),
                mail: self.notice_mail.unwrap_or_default(),
                url: self.notice_url.unwrap_or_default(),
            },
        })
    }
}

impl AccountPatch {
    fn patch(self, draft: &mut AccountDraft) -> Answered<()> {
        set(&mut draft.code, self.code);
        set(&mut draft.kind, self.kind.map(Into::into));
        let amount = |given: Option<Option<Amount>>| given.map(|amount| amount.map(|amount| amount.0));
        set(&mut draft.credit_limit, amount(self.credit_limit));
        set(&mut draft.caps.zone, self.zone);
        set(&mut draft.caps.day, amount(self.day_cap));
        set(&mut draft.caps.month, amount(self.month_cap));
        set(&mut draft.netted, self.netted);
        set(&mut draft.owed_limit, amount(self.owed_limit));
        set(&mut draft.thresholds.low, amount(self.notice_low));
        set(&mut draft.thresholds.high, amount(self.notice_high));
        set(&mut draft.thresholds.mail, self.notice_mail);
        set(&mut draft.thresholds.url, self.notice_url);
        Ok(())
    }
}

/// US dollars where none is named.
pub(crate) fn currency(text: Option<&str>) -> Answered<Currency> {
    let text = text.unwrap_or("USD");
    Currency::parse(text).ok_or_else(|| Problem::invalid("/currency", "three capital letters of ISO 4217 are wanted"))
}

/// Lists an account's ledger, newest first.
#[utoipa::path(get, path = "/api/v1/accounts/{id}/entries", tag = "accounts", params(("id" = AccountRef, Path), Page),
    responses((status = 200, description = "A part of the list.", body = List<Entry>)))]
async fn entries(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Key(id): Key<AccountRef>,
    Query(page): Query<Page>,
) -> Answered<Json<List<Entry>>> {
    let limit = page::limit(page.limit)?;
    let inside = page.cursor.as_deref().map(page::inside_of).transpose()?;
    let before = match &inside {
        None => None,
        Some(inside) => {
            let (at, rest) = inside.split_first_chunk().ok_or_else(page::foreign_cursor)?;
            let (balance, id) = rest.split_first_chunk().ok_or_else(page::foreign_cursor)?;
            let id = std::str::from_utf8(id).map_err(|_| page::foreign_cursor())?;
            let balance = Money::from_nanos(i64::from_be_bytes(*balance));
            Some((WallTime::from_micros(i64::from_be_bytes(*at)), id, balance))
        }
    };
    app.store.get::<AccountDraft>(id.0).await?;
    let found = app.store.statement(id.0, before, limit).await?;
    let full = found.len() == limit as usize;
    let next = found.last().filter(|_| full).map(|(last, after)| {
        let mut inside = last.at.micros().to_be_bytes().to_vec();
        inside.extend_from_slice(&(*after - last.moved()).nanos().to_be_bytes());
        inside.extend_from_slice(last.id.as_bytes());
        page::cursor_of(&inside)
    });
    Ok(Json(List::part(found.into_iter().map(Entry::show).collect(), next)))
}

/// Gives an account's ledger as CSV, newest first, up to 100,000 lines.
#[utoipa::path(get, path = "/api/v1/accounts/{id}/entries:export", tag = "accounts", params(("id" = AccountRef, Path)),
    responses((status = 200, description = "The file.", body = String, content_type = "text/csv")))]
async fn export(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Key(id): Key<AccountRef>,
) -> Answered<impl IntoResponse> {
    let account = app.store.get::<AccountDraft>(id.0).await?;
    let mut lines = csv::Writer::from_writer(Vec::new());
    let broken = |error: csv::Error| Problem::internal(format!("a line of a statement cannot be written: {error}"));
    let head = ["at", "kind", "amount", "balance", "currency", "reference", "note", "written_off", "call", "node"];
    lines.write_record(head).map_err(broken)?;
    let mut before: Option<(WallTime, String, Money)> = None;
    for _ in 0..STATEMENT_PAGES_MAX {
        let from = before.as_ref().map(|(at, id, balance)| (*at, id.as_str(), *balance));
        let part = app.store.statement(id.0, from, STATEMENT_PAGE).await?;
        let Some((last, after)) = part.last() else { break };
        before = Some((last.at, last.id.clone(), *after - last.moved()));
        let full = part.len() == STATEMENT_PAGE as usize;
        for line in part.into_iter().map(Entry::show) {
            let (_, reference) = line.id.split_once(':').unwrap_or(("", &line.id));
            let cells = [line.at.to_string(), line.kind, line.amount.0.to_string(), line.balance.0.to_string()];
            let more = [account.currency.code(), harmless(reference.to_owned()), harmless(line.note)];
            let lost =
                line.written_off.map(|lost| (lost.amount.0.to_string(), lost.call.unwrap_or_default(), lost.node));
            let lost = lost.map_or_else(Default::default, |(amount, call, node)| [amount, call, node.to_string()]);
            lines.write_record(cells.iter().chain(&more).chain(&lost)).map_err(broken)?;
        }
        if !full {
            break;
        }
    }
    let bytes = lines.into_inner().map_err(|error| Problem::internal(format!("a statement is not whole: {error}")))?;
    let name = format!("attachment; filename=\"{}-entries.csv\"", account.code);
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)], bytes))
}

/// Books a payment.
#[utoipa::path(post, path = "/api/v1/accounts/{id}/payments", tag = "accounts", params(("id" = AccountRef, Path)),
    request_body = PaymentNew, responses((status = 200, description = "As booked.", body = PaymentMade)))]
async fn pay(
    caller: May<rights::MoneyWrite>,
    State(app): State<App>,
    Key(id): Key<AccountRef>,
    headers: HeaderMap,
    Body(new): Body<PaymentNew>,
) -> Answered<Json<PaymentMade>> {
    if new.amount.0 == units::Money::ZERO {
        return Err(Problem::invalid("/amount", "a payment of nothing is none"));
    }
    // The books remember a key for ever, the web only until it is started again.
    let named = repeats::key_of(&headers)?.map(|key| page::cursor_of(&hash(&format!("{}:{key}", caller.actor()))));
    let named = named.unwrap_or_else(|| Secret::draw().text().to_owned());
    let reference = new.reference.clone().unwrap_or_else(|| named[..32].to_owned());
    let mut edit = app.store.edit().await?;
    let stands = edit.get::<AccountDraft>(id.0).await?;
    if new.currency.as_ref().is_some_and(|currency| *currency != stands.currency.code()) {
        return Err(Problem::invalid("/currency", format!("the account counts in {}", stands.currency)));
    }
    let paid = edit.book(new.kind.into(), id.0, new.amount.0, &reference, &new.note).await?;
    if paid.booked {
        edit.audit(&caller.entry("payment", id, None, Some(&new))).await?;
    }
    edit.commit().await?;
    let account = app.store.get::<AccountDraft>(id.0).await?;
    Ok(Json(PaymentMade {
        reference: paid.reference,
        amount: Amount(paid.amount),
        booked_at: Time(paid.at),
        booked: paid.booked,
        account: Account::show(&account, &*app.names.read(&app.store).await?),
    }))
}

impl Entry {
    fn show((entry, after): (store::Entry, Money)) -> Entry {
        let Balance { available, held, settled, funds, owed } = entry.change;
        let amount = match entry.kind.as_str() {
            "payment" | "correction" | "limit" | "netting" => funds,
            "grant" | "close" => available,
            "cost" => owed,
            "payout" => -owed,
            _ => -settled,
        };
        Entry {
            id: entry.id,
            at: Time(entry.at),
            kind: entry.kind,
            amount: Amount(amount),
            balance: Amount(after),
            change: BalanceChange {
                available: Amount(available),
                held: Amount(held),
                settled: Amount(settled),
                funds: Amount(funds),
                owed: Amount(owed),
            },
            written_off: entry.written_off.map(|lost| GivenUp {
                amount: Amount(lost.amount),
                call: lost.call.map(|call| call.to_string()),
                node: lost.node.0,
            }),
            note: entry.note,
        }
    }
}
