//! What a carrier sees of itself: its balance, calls, rates, payments and invoices. Nothing here tells of another carrier, of where a call went
//! out, or of what that cost: the shapes have no room for it. [`crate::auth`] lets users of the role `carrier` ask for these paths alone, and each
//! handler takes the carrier from [`Own`], never from what was asked.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use rating::Destination;
use serde::{Deserialize, Serialize};
use store::{AccountDraft, CarrierDraft, IngressTrunkDraft, Stored};
use units::{Number, WallTime};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::accounts::Account;
use super::calls;
use super::cdrs::{self, Cdr, Party};
use super::changes::off_the_loop;
use super::check::RateCheck;
use super::invoices::InvoiceFileAsk;
use super::rates::{self, Rate, RateFilter};
use crate::auth::Own;
use crate::extract::{Key, Query};
use crate::invoice;
use crate::object::Shown;
use crate::page::{self, List, Page};
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::value::{AccountRef, Amount, DeckRef, InvoiceRef, RateHours, RateJurisdiction, Time, dialled};

/// Running calls that are looked through.
const CALLS_MAX: u32 = 20_000;
/// Numbers that are looked up at once at most.
const NUMBERS_MAX: usize = 100;
/// Pages of an account's ledger that are looked through for payments.
const PAGES_MAX: usize = 20;
/// Lines of such a page.
const PAGE: u32 = 1_000;
/// Causes from here on are our own: why we refused may be another carrier's business.
const OWN_CAUSES: u16 = 128;

/// A carrier at one glance.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PortalOverview {
    /// Its short name.
    pub code: String,
    /// The company's name.
    pub name: String,
    /// Calls of its that run on this node.
    pub calls: u32,
    /// Of these, answered.
    pub answered: u32,
    /// Its accounts.
    pub accounts: Vec<PortalAccount>,
    /// Where its calls come in.
    pub trunks: Vec<PortalTrunk>,
}

/// A carrier's money.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PortalAccount {
    /// Its id.
    pub id: AccountRef,
    /// Its short name.
    pub code: String,
    /// ISO 4217.
    pub currency: String,
    /// Payments less charges.
    pub balance: Amount,
    /// What new calls may still use, credit included.
    pub available: Amount,
    /// How far the balance may fall below zero; absent without one.
    pub credit_limit: Option<Amount>,
}

/// A way in, with its limits.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PortalTrunk {
    /// Its short name.
    pub code: String,
    /// Calls that run on it.
    pub calls: u32,
    /// Calls at once at most; absent for no limit of its own.
    pub capacity: Option<u32>,
    /// New calls a second at most; absent for no limit of its own.
    pub cps: Option<u32>,
    /// It takes calls.
    pub active: bool,
}

/// A running call.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PortalCall {
    /// Thirty-two hexadecimal digits.
    pub id: String,
    /// It is answered.
    pub answered: bool,
    /// Where it came in.
    pub trunk: String,
    /// The caller.
    pub calling: String,
    /// The destination.
    pub called: String,
    /// When the INVITE came.
    pub started_at: Time,
    /// Milliseconds since the answer; absent before it.
    pub talking_ms: Option<u64>,
    /// Price of a minute.
    pub per_minute: Amount,
}

/// A call that is over.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PortalCdr {
    /// The call: thirty-two hexadecimal digits.
    pub call: String,
    /// Where it came in.
    pub trunk: String,
    /// The caller.
    pub calling: String,
    /// The destination as received.
    pub called: String,
    /// When the INVITE arrived.
    pub started_at: Time,
    /// When it was answered.
    pub answered_at: Option<Time>,
    /// When it ended.
    pub ended_at: Time,
    /// Milliseconds from the INVITE to the first 18x.
    pub pdd_ms: Option<u32>,
    /// Milliseconds from answer to end.
    pub duration_ms: u64,
    /// The SIP status that was answered; 0 if none.
    pub sip_status: u16,
    /// Why it ended, by ITU-T Q.850; absent where the switch refused it.
    pub cause: Option<u16>,
    /// The carrier ended it.
    pub released_by_you: bool,
    /// Call-ID header.
    pub call_id: String,
    /// What it costs; absent where it costs nothing.
    pub charge: Option<PortalCharge>,
}

/// What a call costs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PortalCharge {
    /// ISO 4217.
    pub currency: String,
    /// The price, with tax.
    pub price: Amount,
    /// The tax within it.
    pub tax: Amount,
    /// Seconds billed.
    pub billed_s: u32,
    /// Price of sixty seconds, in `deck_currency`.
    pub per_minute: Amount,
    /// What the price of a minute counts in.
    pub deck_currency: String,
}

/// A price list of the carrier's.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PortalDeck {
    /// Its id.
    pub id: DeckRef,
    /// ISO 4217.
    pub currency: String,
    /// The trunks whose calls cost what it says.
    pub trunks: Vec<String>,
}

/// What a call to a number costs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PortalRateCheck {
    /// The number that was looked up.
    pub number: String,
    /// The price list.
    pub deck: DeckRef,
    /// ISO 4217.
    pub currency: String,
    /// The prefix that matches; absent without a rate.
    pub prefix: Option<String>,
    /// What people call the destination.
    pub destination: String,
    /// At which hours the rate counts.
    pub hours: Option<RateHours>,
    /// For calls of which jurisdiction the rate counts.
    pub jurisdiction: Option<RateJurisdiction>,
    /// Price of sixty seconds.
    pub per_minute: Option<Amount>,
    /// Charged once for an answered call.
    pub connection_fee: Option<Amount>,
    /// Seconds billed at least, and the step after.
    pub steps: String,
    /// Calls there are refused.
    pub blocked: bool,
}

/// A payment or a correction.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PortalPayment {
    /// When it was booked.
    pub at: Time,
    /// `payment`, `correction` or `payout`.
    pub kind: String,
    /// How much.
    pub amount: Amount,
    /// The balance then.
    pub balance: Amount,
    /// The payer's own number.
    pub reference: String,
}

/// An invoice.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PortalInvoice {
    /// Its number behind `inv_`.
    pub id: InvoiceRef,
    /// ISO 4217.
    pub currency: String,
    /// Calls that began from this moment on,
    pub from: Time,
    /// and before this one.
    pub till: Time,
    /// Calls that cost something.
    pub calls: i64,
    /// Seconds that were billed.
    pub billed_s: i64,
    /// What is to be paid before tax.
    pub net: Amount,
    /// Tax.
    pub tax: Amount,
    /// What is to be paid.
    pub total: Amount,
    /// When it was made.
    pub made_at: Time,
    /// When it was declared void; absent while it counts.
    pub voided_at: Option<Time>,
}

/// Which calls. The window is needed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PortalCdrFilter {
    /// Started at this moment or later.
    #[param(required = true, value_type = String, format = DateTime)]
    pub from: Option<Time>,
    /// Started before this moment.
    #[param(required = true, value_type = String, format = DateTime)]
    pub till: Option<Time>,
    /// The caller starts with these digits.
    pub calling: Option<String>,
    /// The destination starts with these digits.
    pub called: Option<String>,
    /// Only answered, or only not answered.
    pub answered: Option<bool>,
    /// Rows at most, 1 to 1,000; default 200. The newest come first.
    #[param(minimum = 1, maximum = 1000, default = 200)]
    pub limit: Option<u32>,
    /// `next_cursor` of the part before.
    #[param(min_length = 1)]
    pub cursor: Option<String>,
}

/// Which numbers.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PortalCheckAsk {
    /// A number or a prefix, digits only or with `+`; several are separated by commas, 100 at most.
    pub number: String,
}

/// The paths of carriers' users.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(overview))
        .routes(routes!(running))
        .routes(routes!(ended))
        .routes(routes!(decks))
        .routes(routes!(deck_rates))
        .routes(routes!(check))
        .routes(routes!(payments))
        .routes(routes!(invoices))
        .routes(routes!(invoice_file))
}

/// Tells a carrier's user how the carrier stands: balance, running calls, limits.
#[utoipa::path(get, path = "/api/v1/portal/overview", tag = "portal",
    responses((status = 200, description = "As it stands.", body = PortalOverview)))]
async fn overview(Own(own): Own, State(app): State<App>) -> Answered<Json<PortalOverview>> {
    let carrier = app.store.get::<CarrierDraft>(own).await?;
    let names = app.names.read(&app.store).await?;
    let accounts = app.store.all::<AccountDraft>().await?;
    // Without the data plane nobody knows of running calls; the rest stands.
    let rows = calls::rows(&app, CALLS_MAX).await.unwrap_or_default();
    let rows: Vec<_> = rows.into_iter().filter(|row| row.originator == own).collect();
    let count = |fits: &dyn Fn(&&panel::wire::CallRow) -> bool| rows.iter().filter(fits).count() as u32;
    let limit = |limit: u32| (limit > 0).then_some(limit);
    let trunks = trunks(&app, own).await?;
    Ok(Json(PortalOverview {
        code: carrier.code.clone(),
        name: carrier.name.clone(),
        calls: count(&|_| true),
        answered: count(&|row| row.talking_ms.is_some()),
        accounts: accounts
            .iter()
            .filter(|account| account.carrier.0 == own)
            .map(|account| PortalAccount::of(Account::show(account, &names)))
            .collect(),
        trunks: trunks
            .iter()
            .map(|trunk| PortalTrunk {
                code: trunk.code.clone(),
                calls: count(&|row| row.ingress_trunk == trunk.id),
                capacity: limit(trunk.capacity),
                cps: limit(trunk.cps),
                active: trunk.active && !carrier.blocked,
            })
            .collect(),
    }))
}

/// Lists the carrier's running calls on this node, oldest first.
#[utoipa::path(get, path = "/api/v1/portal/calls", tag = "portal",
    responses((status = 200, description = "The calls, 1,000 at most.", body = List<PortalCall>)))]
async fn running(Own(own): Own, State(app): State<App>) -> Answered<Json<List<PortalCall>>> {
    let names = app.names.read(&app.store).await?;
    let rows = calls::rows(&app, CALLS_MAX).await?;
    let own = rows.iter().filter(|row| row.originator == own).take(page::LIMIT_MAX as usize);
    let call = |row: &panel::wire::CallRow| PortalCall {
        id: row.call.clone(),
        answered: row.talking_ms.is_some(),
        trunk: names.ingress_trunk(row.ingress_trunk).code,
        calling: row.calling.clone(),
        called: row.called.clone(),
        started_at: Time::from_micros(row.started),
        talking_ms: row.talking_ms,
        per_minute: Amount(units::Money::from_nanos(row.sell_per_minute)),
    };
    Ok(Json(List::whole(own.map(call).collect())))
}

/// Searches the carrier's calls that are over in a window, newest first.
#[utoipa::path(get, path = "/api/v1/portal/cdrs", tag = "portal", params(PortalCdrFilter),
    responses((status = 200, description = "A part of the list.", body = List<PortalCdr>)))]
async fn ended(
    Own(own): Own,
    State(app): State<App>,
    Query(ask): Query<PortalCdrFilter>,
) -> Answered<Json<List<PortalCdr>>> {
    let PortalCdrFilter { from, till, calling, called, answered, limit, cursor } = ask;
    let limit = page::limit(limit)?;
    let filter = cdrs::CdrFilter { from, till, calling, called, answered, cursor, ..cdrs::CdrFilter::default() };
    let filter = store::CdrFilter { originator: Some(own), ..filter.read(limit)? };
    let store = app.reports.store();
    let found = app.search.find(&store, &filter).await?;
    let names = app.names.read(&store).await?;
    // The filter says the same; what tells a carrier of another one must be wrong twice.
    let mine = found.cdrs.iter().filter(|cdr| cdr.originator.0 == own && cdr.attempt.0 == 0);
    let data = mine.map(|cdr| PortalCdr::of(Cdr::show(cdr, &names))).collect();
    Ok(Json(List::part(data, found.next.map(cdrs::cursor))))
}

/// Lists the carrier's price lists.
#[utoipa::path(get, path = "/api/v1/portal/decks", tag = "portal",
    responses((status = 200, description = "All of them.", body = List<PortalDeck>)))]
async fn decks(Own(own): Own, State(app): State<App>) -> Answered<Json<List<PortalDeck>>> {
    let trunks = trunks(&app, own).await?;
    let mut decks = Vec::new();
    for id in trunks.iter().flat_map(|trunk| sold_by(trunk)).collect::<BTreeSet<u32>>() {
        let deck = app.store.get::<store::DeckDraft>(id).await?;
        let sold = trunks.iter().filter(|trunk| sold_by(trunk).contains(&id));
        let trunks = sold.map(|trunk| trunk.code.clone()).collect();
        decks.push(PortalDeck { id: DeckRef(id), currency: deck.currency.code(), trunks });
    }
    Ok(Json(List::whole(decks)))
}

/// Lists the rates of one of the carrier's price lists.
#[utoipa::path(get, path = "/api/v1/portal/decks/{id}/rates", tag = "portal",
    params(("id" = DeckRef, Path), RateFilter),
    responses((status = 200, description = "A part of the list; it may be short and still have a next one.", body = List<Rate>)))]
async fn deck_rates(
    Own(own): Own,
    State(app): State<App>,
    Key(deck): Key<DeckRef>,
    Query(filter): Query<RateFilter>,
) -> Answered<Json<List<Rate>>> {
    if !trunks(&app, own).await?.iter().any(|trunk| sold_by(trunk).contains(&deck.0)) {
        return Err(Problem::not_found(deck));
    }
    Ok(Json(rates::part(&app, deck, &filter).await?))
}

/// Tells what calls to numbers cost at this moment, by the rates that calls are charged by.
#[utoipa::path(get, path = "/api/v1/portal/rates:check", tag = "portal", params(PortalCheckAsk),
    responses((status = 200, description = "A row a number and price list.", body = List<PortalRateCheck>)))]
async fn check(
    Own(own): Own,
    State(app): State<App>,
    Query(ask): Query<PortalCheckAsk>,
) -> Answered<Json<List<PortalRateCheck>>> {
    let wrong = || Problem::invalid("?number", "1 to 100 numbers or prefixes are wanted, with commas between them");
    let number = |text: &str| Number::parse(dialled(text).trim_start_matches('+').as_bytes());
    let numbers: Vec<Number> = ask.number.split(',').map(number).collect::<Result<_, _>>().map_err(|_| wrong())?;
    if numbers.len() > NUMBERS_MAX {
        return Err(wrong());
    }
    let trunks = trunks(&app, own).await?;
    let own: BTreeSet<u32> = trunks.iter().flat_map(|trunk| sold_by(trunk)).collect();
    let snapshot = app.snapshots.read().await?;
    let view = snapshot.view();
    let now = Time::now().0;
    let rows = numbers.iter().flat_map(|number| {
        let to: Destination = (*number).into();
        let mine = view.decks().filter(|deck| own.contains(&deck.id().0));
        mine.map(|deck| PortalRateCheck::of(RateCheck::of(&to, &deck, &view, now))).collect::<Vec<_>>()
    });
    Ok(Json(List::whole(rows.collect())))
}

/// Lists payments and corrections of one of the carrier's accounts, newest first.
#[utoipa::path(get, path = "/api/v1/portal/accounts/{id}/payments", tag = "portal", params(("id" = AccountRef, Path)),
    responses((status = 200, description = "The newest 1,000 at most.", body = List<PortalPayment>)))]
async fn payments(
    Own(own): Own,
    State(app): State<App>,
    Key(id): Key<AccountRef>,
) -> Answered<Json<List<PortalPayment>>> {
    mine(&app, own, id).await?;
    let (mut found, mut before) = (Vec::new(), None::<(WallTime, String, units::Money)>);
    for _ in 0..PAGES_MAX {
        let from = before.as_ref().map(|(at, id, balance)| (*at, id.as_str(), *balance));
        let part = app.store.statement(id.0, from, PAGE).await?;
        let full = part.len() == PAGE as usize;
        before = part.last().map(|(last, after)| (last.at, last.id.clone(), *after - last.moved()));
        found.extend(part.into_iter().filter_map(PortalPayment::of));
        if !full || found.len() >= page::LIMIT_MAX as usize {
            break;
        }
    }
    found.truncate(page::LIMIT_MAX as usize);
    Ok(Json(List::whole(found)))
}

/// Lists invoices of one of the carrier's accounts, newest first.
#[utoipa::path(get, path = "/api/v1/portal/accounts/{id}/invoices", tag = "portal",
    params(("id" = AccountRef, Path), Page),
    responses((status = 200, description = "A part of the list.", body = List<PortalInvoice>)))]
async fn invoices(
    Own(own): Own,
    State(app): State<App>,
    Key(id): Key<AccountRef>,
    Query(page): Query<Page>,
) -> Answered<Json<List<PortalInvoice>>> {
    mine(&app, own, id).await?;
    let limit = page::limit(page.limit)?;
    let before = Some(page::id_of(page.cursor.as_deref())?).filter(|before| *before != 0);
    let found = app.store.invoices(Some(id.0), before, limit).await?;
    let full = found.len() == limit as usize;
    let next = found.last().filter(|_| full).map(|last| page::cursor_of(&last.number.to_be_bytes()));
    Ok(Json(List::part(found.iter().map(PortalInvoice::of).collect(), next)))
}

/// Gives one of the carrier's invoices as a file: a page to print, a PDF, or CSV.
#[utoipa::path(get, path = "/api/v1/portal/invoices/{id}/file", tag = "portal",
    params(("id" = InvoiceRef, Path), InvoiceFileAsk),
    responses((status = 200, description = "The file.", content(
        (String = "text/html"), (String = "application/pdf"), (String = "text/csv")))))]
async fn invoice_file(
    Own(own): Own,
    State(app): State<App>,
    Key(id): Key<InvoiceRef>,
    Query(ask): Query<InvoiceFileAsk>,
) -> Answered<impl IntoResponse> {
    let (invoice, lines) = app.store.invoice(id.0).await?;
    mine(&app, own, AccountRef(invoice.ask.account)).await.map_err(|_| Problem::not_found(id))?;
    let (ending, kind) = ask.format.kind();
    let name = format!("attachment; filename=\"invoice-{}.{ending}\"", invoice.number);
    let bytes = off_the_loop(move || invoice::written(&invoice, &lines, ask.format)).await?;
    Ok(([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)], bytes))
}

/// The carrier's ways in.
async fn trunks(app: &App, own: u32) -> Answered<Vec<Stored<IngressTrunkDraft>>> {
    let all = app.store.all::<IngressTrunkDraft>().await?;
    Ok(all.into_iter().filter(|trunk| trunk.carrier.0 == own).collect())
}

/// The decks that calls of a trunk are sold by.
fn sold_by(trunk: &IngressTrunkDraft) -> Vec<u32> {
    let ways = trunk.ways.all().into_iter().filter_map(|way| way.sell_deck);
    [trunk.sell_deck].into_iter().chain(trunk.override_deck).chain(ways).map(|deck| deck.0).collect()
}

/// An account of the carrier; another's is not there.
async fn mine(app: &App, own: u32, id: AccountRef) -> Answered<()> {
    let account = app.store.get::<AccountDraft>(id.0).await?;
    if account.carrier.0 == own { Ok(()) } else { Err(Problem::not_found(id)) }
}

impl PortalAccount {
    fn of(account: Account) -> PortalAccount {
        let Account { id, code, currency, balance, available, credit_limit, .. } = account;
        PortalAccount { id, code, currency, balance, available, credit_limit }
    }
}

impl PortalCdr {
    fn of(cdr: Cdr) -> PortalCdr {
        PortalCdr {
            call: cdr.call,
            trunk: cdr.ingress_trunk.map(|trunk| trunk.code).unwrap_or_default(),
            calling: cdr.calling,
            called: cdr.called,
            started_at: cdr.started_at,
            answered_at: cdr.answered_at,
            ended_at: cdr.ended_at,
            pdd_ms: cdr.pdd_ms,
            duration_ms: cdr.duration_ms,
            sip_status: cdr.sip_status,
            cause: Some(cdr.cause).filter(|cause| *cause < OWN_CAUSES),
            released_by_you: cdr.released_by == Party::Ingress,
            call_id: cdr.ingress_call_id,
            charge: cdr.sell.map(|sell| PortalCharge {
                currency: sell.currency,
                price: sell.price,
                tax: sell.tax,
                billed_s: sell.billed_s,
                per_minute: sell.per_minute,
                deck_currency: sell.deck_currency,
            }),
        }
    }
}

impl PortalRateCheck {
    fn of(row: RateCheck) -> PortalRateCheck {
        PortalRateCheck {
            number: row.number,
            deck: row.deck.id,
            currency: row.currency,
            prefix: row.prefix,
            destination: row.destination,
            hours: row.hours,
            jurisdiction: row.jurisdiction,
            per_minute: row.per_minute,
            connection_fee: row.connection_fee,
            steps: row.steps,
            blocked: row.blocked,
        }
    }
}

impl PortalPayment {
    /// Of a line of the ledger; none of what is not the payer's business.
    fn of((entry, balance): (store::Entry, units::Money)) -> Option<PortalPayment> {
        let amount = match entry.kind.as_str() {
            "payment" | "correction" => entry.change.funds,
            "payout" => -entry.change.owed,
            _ => return None,
        };
        let reference = entry.id.split_once(':').map_or("", |(_, reference)| reference).to_owned();
        Some(PortalPayment {
            at: Time(entry.at),
            kind: entry.kind,
            amount: Amount(amount),
            balance: Amount(balance),
            reference,
        })
    }
}

impl PortalInvoice {
    fn of(invoice: &store::Invoice) -> PortalInvoice {
        PortalInvoice {
            id: InvoiceRef(invoice.number),
            currency: invoice.currency.clone(),
            from: Time(invoice.ask.from),
            till: Time(invoice.ask.till),
            calls: invoice.sums.calls,
            billed_s: invoice.sums.billed_s,
            net: Amount(invoice.sums.net),
            tax: Amount(invoice.sums.tax),
            total: Amount(invoice.sums.total()),
            made_at: Time(invoice.made),
            voided_at: invoice.voided.map(Time),
        }
    }
}
