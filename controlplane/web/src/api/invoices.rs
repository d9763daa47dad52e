//! Invoices: what an account's calls of a period cost, made once, looked at and taken home as a file.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use store::{Fees, InvoiceAsk, InvoiceSums};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::changes::off_the_loop;
use crate::auth::{May, rights};
use crate::extract::{Body, Key, Query};
use crate::invoice::{self, InvoiceForm};
use crate::names::Names;
use crate::page::{self, List};
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::value::{AccountRef, Amount, InvoiceRef, Named, Percent, Time};

/// What is to be invoiced: a month, or `from` and `till`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvoiceNew {
    /// Whose calls.
    pub account: AccountRef,
    /// A month of the zone; it must be over. The account's fees of a month stand on such an invoice alone.
    #[schema(example = "2026-10", pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$")]
    pub month: Option<String>,
    /// Calls that began from this moment on.
    pub from: Option<Time>,
    /// Calls that began before this moment, which must be over; 400 days after `from` at most.
    pub till: Option<Time>,
    /// In which months begin and dates are written, as IANA names it; the account's own when absent.
    #[schema(example = "Europe/Paris", max_length = 64)]
    pub zone: Option<String>,
    /// Name and address of whom it is for, with line feeds; the carrier's name when absent.
    #[schema(max_length = 1000)]
    pub addressed_to: Option<String>,
    /// What else stands on it, such as when it is to be paid.
    #[schema(max_length = 1000)]
    pub note: Option<String>,
}

/// An invoice. It never changes, but that it may be declared void.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Invoice {
    /// Its number behind `inv_`: 1, 2, 3 and so on, none left out.
    pub id: InvoiceRef,
    /// Whose calls.
    pub account: Named<AccountRef>,
    /// ISO 4217.
    #[schema(example = "EUR")]
    pub currency: String,
    /// Calls that began from this moment on,
    pub from: Time,
    /// and before this one.
    pub till: Time,
    /// In which dates are written on it.
    pub zone: String,
    /// Who issues it.
    pub issued_by: String,
    /// Whom it is for.
    pub addressed_to: String,
    /// What else stands on it.
    pub note: String,
    /// Calls that cost something.
    pub calls: i64,
    /// Seconds that were billed.
    pub billed_s: i64,
    /// What they cost before tax.
    pub net: Amount,
    /// Tax.
    pub tax: Amount,
    /// What is to be paid.
    pub total: Amount,
    /// When it was made.
    pub made_at: Time,
    /// Who made it.
    pub made_by: String,
    /// When it was declared void; absent while it counts.
    pub voided_at: Option<Time>,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceItem {
    /// Calls of the period.
    Calls,
    /// Calls that began in a period whose invoice was made before their records came.
    Late,
    /// A fee of the month, or what its calls lack of what they must cost.
    Fee,
}

/// Calls of one destination at one price, or a fee.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InvoiceLine {
    /// What it is about.
    pub kind: InvoiceItem,
    /// What the destination was called when the invoice was made; of a fee its text.
    pub destination: String,
    /// By which beginning of the number they were rated.
    pub prefix: String,
    /// The price of a minute before tax, in `rate_currency`.
    pub per_minute: Amount,
    /// What each call cost besides, in `rate_currency`.
    pub connection_fee: Amount,
    /// What the rate counts in.
    pub rate_currency: String,
    /// Tax on it.
    pub tax_percent: Percent,
    /// Calls.
    pub calls: i64,
    /// Seconds that were billed.
    pub billed_s: i64,
    /// What they cost before tax, in the account's currency.
    pub net: Amount,
    /// Tax.
    pub tax: Amount,
    /// Both.
    pub total: Amount,
}

/// An invoice with what stands on it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InvoiceWhole {
    /// The invoice.
    pub invoice: Invoice,
    /// Its lines, in order of destination; those of periods before last.
    pub lines: Vec<InvoiceLine>,
}

/// What an account is charged for a month besides its calls. Amounts are before tax, in the account's currency.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountFees {
    /// Charged for each month that is invoiced; 0 for nothing.
    pub monthly_fee: Amount,
    /// What the fee is called on invoices; `Monthly fee` when absent.
    #[schema(max_length = 200)]
    pub fee_text: Option<String>,
    /// The calls of a month cost so much at least; 0 for nothing.
    pub monthly_minimum: Amount,
    /// Tax on both, 0 to 100.
    pub tax_percent: Percent,
}

/// Who issues invoices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvoiceIssuer {
    /// Name, address, tax number, bank: as it stands on invoices, with line feeds. Invoices that were made keep what stood then.
    #[schema(max_length = 1000)]
    pub text: String,
}

/// Which invoices.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct InvoicesAsk {
    /// Only of this account.
    pub account: Option<AccountRef>,
    /// Rows at most, 1 to 1,000; default 200.
    #[param(minimum = 1, maximum = 1000, default = 200)]
    pub limit: Option<u32>,
    /// `next_cursor` of the part before.
    #[param(min_length = 1)]
    pub cursor: Option<String>,
}

/// In which form.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct InvoiceFileAsk {
    /// How the file is written; default `html`.
    #[serde(default)]
    #[param(inline)]
    pub format: InvoiceForm,
}

/// The paths of invoices.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read))
        .routes(routes!(export))
        .routes(routes!(void))
        .routes(routes!(issuer, set_issuer))
        .routes(routes!(fees, set_fees))
}

/// Lists invoices, the newest first.
#[utoipa::path(get, path = "/api/v1/invoices", tag = "invoices", params(InvoicesAsk),
    responses((status = 200, description = "A part of the list.", body = List<Invoice>)))]
async fn list(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Query(ask): Query<InvoicesAsk>,
) -> Answered<Json<List<Invoice>>> {
    let limit = page::limit(ask.limit)?;
    let before = Some(page::id_of(ask.cursor.as_deref())?).filter(|before| *before != 0);
    let names = app.names.read(&app.store).await?;
    let found = app.store.invoices(ask.account.map(|account| account.0), before, limit).await?;
    let full = found.len() == limit as usize;
    let next = found.last().filter(|_| full).map(|last| page::cursor_of(&last.number.to_be_bytes()));
    Ok(Json(List::part(found.iter().map(|found| Invoice::show(found, &names)).collect(), next)))
}

/// Makes the invoice of a period that is over. A call belongs to the period in which it began, and is invoiced once: one whose record came
/// after the invoice of its period was made stands on the account's next one. A period of which a part was invoiced is refused with 409.
#[utoipa::path(post, path = "/api/v1/invoices", tag = "invoices", request_body = InvoiceNew,
    responses((status = 201, description = "The invoice.", body = InvoiceWhole)))]
async fn create(
    caller: May<rights::MoneyWrite>,
    State(app): State<App>,
    Body(new): Body<InvoiceNew>,
) -> Answered<(StatusCode, Json<InvoiceWhole>)> {
    let account = app.store.get::<store::AccountDraft>(new.account.0).await?;
    let ask = new.ask(&account.caps.zone, caller.actor())?;
    let (invoice, lines) = app.store.make_invoice(&ask).await?;
    let whole = InvoiceWhole::show(&invoice, &lines, &*app.names.read(&app.store).await?);
    app.store.audit(&caller.entry("create", whole.invoice.id, None, Some(&whole.invoice))).await?;
    Ok((StatusCode::CREATED, Json(whole)))
}

/// Tells an invoice with its lines.
#[utoipa::path(get, path = "/api/v1/invoices/{id}", tag = "invoices", params(("id" = InvoiceRef, Path)),
    responses((status = 200, description = "The invoice.", body = InvoiceWhole)))]
async fn read(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Key(id): Key<InvoiceRef>,
) -> Answered<Json<InvoiceWhole>> {
    let (invoice, lines) = app.store.invoice(id.0).await?;
    Ok(Json(InvoiceWhole::show(&invoice, &lines, &*app.names.read(&app.store).await?)))
}

/// Gives an invoice as a file: a page to print, a PDF, or CSV.
#[utoipa::path(get, path = "/api/v1/invoices/{id}/file", tag = "invoices",
    params(("id" = InvoiceRef, Path), InvoiceFileAsk),
    responses((status = 200, description = "The file.", content(
        (String = "text/html"), (String = "application/pdf"), (String = "text/csv")))))]
async fn export(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Key(id): Key<InvoiceRef>,
    Query(ask): Query<InvoiceFileAsk>,
) -> Answered<impl IntoResponse> {
    let (invoice, lines) = app.store.invoice(id.0).await?;
    let (ending, kind) = ask.format.kind();
    let name = format!("attachment; filename=\"invoice-{}.{ending}\"", invoice.number);
    let bytes = off_the_loop(move || invoice::written(&invoice, &lines, ask.format)).await?;
    Ok(([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)], bytes))
}

/// Declares an invoice void: it stays in the list, and its calls may be invoiced again. Only the newest of an account can be.
#[utoipa::path(post, path = "/api/v1/invoices/{id}/void", tag = "invoices", params(("id" = InvoiceRef, Path)),
    responses((status = 200, description = "The invoice.", body = Invoice)))]
async fn void(
    caller: May<rights::MoneyWrite>,
    State(app): State<App>,
    Key(id): Key<InvoiceRef>,
) -> Answered<Json<Invoice>> {
    let voided = app.store.void_invoice(id.0).await?;
    app.store.audit(&caller.act("void", id)).await?;
    Ok(Json(Invoice::show(&voided, &*app.names.read(&app.store).await?)))
}

/// Tells who issues invoices.
#[utoipa::path(get, path = "/api/v1/invoice-issuer", tag = "invoices",
    responses((status = 200, description = "As it stands on invoices.", body = InvoiceIssuer)))]
async fn issuer(_caller: May<rights::Read>, State(app): State<App>) -> Answered<Json<InvoiceIssuer>> {
    Ok(Json(InvoiceIssuer { text: app.store.invoice_issuer().await? }))
}

/// Sets who issues invoices from now on.
#[utoipa::path(put, path = "/api/v1/invoice-issuer", tag = "invoices", request_body = InvoiceIssuer,
    responses((status = 200, description = "As it stands on invoices from now on.", body = InvoiceIssuer)))]
async fn set_issuer(
    caller: May<rights::MoneyWrite>,
    State(app): State<App>,
    Body(new): Body<InvoiceIssuer>,
) -> Answered<Json<InvoiceIssuer>> {
    let before = InvoiceIssuer { text: app.store.invoice_issuer().await? };
    app.store.set_invoice_issuer(&new.text).await?;
    app.store.audit(&caller.entry("update", "invoice_issuer", Some(&before), Some(&new))).await?;
    Ok(Json(new))
}

/// Tells what an account is charged for a month besides its calls.
#[utoipa::path(get, path = "/api/v1/accounts/{id}/fees", tag = "invoices", params(("id" = AccountRef, Path)),
    responses((status = 200, description = "As they stand.", body = AccountFees)))]
async fn fees(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Key(id): Key<AccountRef>,
) -> Answered<Json<AccountFees>> {
    Ok(Json(AccountFees::show(app.store.fees(id.0).await?)))
}

/// Sets what an account is charged for a month besides its calls. It is booked as a correction when the invoice of a month is made, and back
/// when that is declared void.
#[utoipa::path(put, path = "/api/v1/accounts/{id}/fees", tag = "invoices", params(("id" = AccountRef, Path)),
    request_body = AccountFees, responses((status = 200, description = "As they stand.", body = AccountFees)))]
async fn set_fees(
    caller: May<rights::MoneyWrite>,
    State(app): State<App>,
    Key(id): Key<AccountRef>,
    Body(new): Body<AccountFees>,
) -> Answered<Json<AccountFees>> {
    let before = AccountFees::show(app.store.fees(id.0).await?);
    let tax_ppm = u32::try_from(new.tax_percent.0.ppm()).unwrap_or(u32::MAX);
    let fees = Fees {
        monthly_fee: new.monthly_fee.0,
        fee_text: new.fee_text.unwrap_or_default(),
        monthly_minimum: new.monthly_minimum.0,
        tax_ppm,
    };
    app.store.set_fees(id.0, &fees).await?;
    let after = AccountFees::show(fees);
    app.store.audit(&caller.entry("fees", id, Some(&before), Some(&after))).await?;
    Ok(Json(after))
}

impl AccountFees {
    fn show(fees: Fees) -> AccountFees {
        let Fees { monthly_fee, fee_text, monthly_minimum, tax_ppm } = fees;
        AccountFees {
            monthly_fee: Amount(monthly_fee),
            fee_text: Some(fee_text).filter(|text| !text.is_empty()),
            monthly_minimum: Amount(monthly_minimum),
            tax_percent: Percent::from_ppm(tax_ppm),
        }
    }
}

impl InvoiceNew {
    fn ask(self, own_zone: &str, made_by: String) -> Answered<InvoiceAsk> {
        let zone = self.zone.unwrap_or_else(|| own_zone.to_owned());
        let with_fees = self.month.is_some();
        let (from, till) = match (self.month, self.from, self.till) {
            (Some(month), None, None) => invoice::month(&month, &zone).ok_or_else(|| {
                Problem::invalid("/month", "a month like 2026-10 of a zone as IANA names it is wanted")
            })?,
            (None, Some(from), Some(till)) => (from.0, till.0),
            _ => return Err(Problem::invalid("/month", "a month, or both `from` and `till`")),
        };
        Ok(InvoiceAsk {
            account: self.account.0,
            from,
            till,
            zone,
            with_fees,
            addressed_to: self.addressed_to.unwrap_or_default(),
            note: self.note.unwrap_or_default(),
            made_by,
        })
    }
}

impl Invoice {
    fn show(invoice: &store::Invoice, names: &Names) -> Invoice {
        let (ask, InvoiceSums { calls, billed_s, net, tax }) = (&invoice.ask, invoice.sums);
        let mut account = names.account(ask.account);
        if account.code.is_empty() {
            account.code.clone_from(&invoice.account_code);
        }
        Invoice {
            id: InvoiceRef(invoice.number),
            account,
            currency: invoice.currency.clone(),
            from: Time(ask.from),
            till: Time(ask.till),
            zone: ask.zone.clone(),
            issued_by: invoice.issued_by.clone(),
            addressed_to: ask.addressed_to.clone(),
            note: ask.note.clone(),
            calls,
            billed_s,
            net: Amount(net),
            tax: Amount(tax),
            total: Amount(invoice.sums.total()),
            made_at: Time(invoice.made),
            made_by: ask.made_by.clone(),
            voided_at: invoice.voided.map(Time),
        }
    }
}

impl InvoiceLine {
    fn show(line: &store::InvoiceLine) -> InvoiceLine {
        let InvoiceSums { calls, billed_s, net, tax } = line.sums;
        InvoiceLine {
            kind: match line.item {
                store::InvoiceItem::Calls => InvoiceItem::Calls,
                store::InvoiceItem::Late => InvoiceItem::Late,
                store::InvoiceItem::Fee => InvoiceItem::Fee,
            },
            destination: line.destination.clone(),
            prefix: line.prefix.clone(),
            per_minute: Amount(line.per_minute),
            connection_fee: Amount(line.connection_fee),
            rate_currency: line.rate_currency.clone(),
            tax_percent: Percent::from_ppm(line.tax_ppm),
            calls,
            billed_s,
            net: Amount(net),
            tax: Amount(tax),
            total: Amount(line.sums.total()),
        }
    }
}

impl InvoiceWhole {
    fn show(invoice: &store::Invoice, lines: &[store::InvoiceLine], names: &Names) -> InvoiceWhole {
        let lines = lines.iter().map(InvoiceLine::show).collect();
        InvoiceWhole { invoice: Invoice::show(invoice, names), lines }
    }
}
