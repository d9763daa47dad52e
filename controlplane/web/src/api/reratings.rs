//! Re-ratings: calls of a period priced once more after a deck was corrected, looked at, and booked once.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use store::RerateAsk;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::{Body, Key, Query};
use crate::invoice;
use crate::names::Names;
use crate::page::{self, List};
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::value::{AccountRef, Amount, DeckRef, InvoiceRef, Named, ReratingRef, Time};

/// Which calls are to be priced once more: those of a month, or of `from` and `till`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReratingNew {
    /// Who paid for the calls.
    pub account: AccountRef,
    /// Only calls that were charged by this deck; all when absent.
    pub deck: Option<DeckRef>,
    /// Priced by this deck, instead of the one that each was charged by.
    pub priced_by: Option<DeckRef>,
    /// Calls that began in this month of the account's zone.
    #[schema(example = "2026-10", pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$")]
    pub month: Option<String>,
    /// Calls that began from this moment on.
    pub from: Option<Time>,
    /// Calls that began before this moment; 92 days after `from` at most.
    pub till: Option<Time>,
    /// Why; it stands in the ledger.
    #[schema(min_length = 1, max_length = 200, example = "44 7 was entered with 0.50 instead of 0.05")]
    pub why: String,
}

/// Sums of answered calls; amounts are in the account's currency, with tax.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RerateSums {
    /// Calls.
    pub calls: i64,
    /// How long they were talked.
    pub talked_ms: i64,
    /// What was charged.
    pub before: Amount,
    /// Tax in that.
    pub before_tax: Amount,
    /// What it is by the rates that stand now.
    pub after: Amount,
    /// Tax in that.
    pub after_tax: Amount,
    /// What is to be paid more, or, negative, given back: `after` less `before`.
    pub difference: Amount,
}

/// Calls priced once more, and what became of that.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Rerating {
    /// Its number behind `rrt_`.
    pub id: ReratingRef,
    /// Who paid for the calls.
    pub account: Named<AccountRef>,
    /// ISO 4217.
    #[schema(example = "EUR")]
    pub currency: String,
    /// Only calls that were charged by this deck; absent for all.
    pub deck: Option<Named<DeckRef>>,
    /// Priced by this deck; absent where each was priced by its own.
    pub priced_by: Option<Named<DeckRef>>,
    /// Calls that began from this moment on,
    pub from: Time,
    /// and before this one.
    pub till: Time,
    /// Why.
    pub why: String,
    /// All calls.
    pub sums: RerateSums,
    /// When the calls were looked at: records that came later are not in it.
    pub made_at: Time,
    /// Who asked.
    pub made_by: String,
    /// When the difference was booked; absent while it is not.
    pub booked_at: Option<Time>,
    /// Who booked it.
    pub booked_by: Option<String>,
    /// When it was booked back; absent while it is not.
    pub undone_at: Option<Time>,
    /// Who booked it back.
    pub undone_by: Option<String>,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RerateItem {
    /// Calls that have another price or other terms now.
    Changed,
    /// Calls for which there is no rate now, or one that blocks them: they keep their price.
    Unrated,
    /// All calls that have the terms that they had.
    Same,
}

/// Calls of one destination that had one price and have another.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RerateLine {
    /// What it is about.
    pub kind: RerateItem,
    /// What the deck calls the destination now.
    pub destination: String,
    /// By which beginning of the number they were rated.
    pub prefix_before: String,
    /// By which they are now.
    pub prefix_after: String,
    /// The price of a minute before tax that they were charged, in `rate_currency`.
    pub per_minute_before: Amount,
    /// What it is now.
    pub per_minute_after: Amount,
    /// What the rate counts in.
    pub rate_currency: String,
    /// The sums.
    pub sums: RerateSums,
}

/// A re-rating with its lines.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReratingWhole {
    /// The re-rating.
    pub rerating: Rerating,
    /// Changed ones first, in order of destination; then those without a rate, then the sum of all others.
    pub lines: Vec<RerateLine>,
    /// Invoices that count and have a part of the period: they keep the prices that calls were charged, and so do later ones.
    pub invoices: Vec<InvoiceRef>,
    /// Other re-ratings that are booked and have a part of these calls: while there is one, this one cannot be booked.
    pub booked_before: Vec<ReratingRef>,
}

/// Which re-ratings.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ReratingsAsk {
    /// Only of this account.
    pub account: Option<AccountRef>,
    /// Rows at most, 1 to 1,000; default 200.
    #[param(minimum = 1, maximum = 1000, default = 200)]
    pub limit: Option<u32>,
    /// `next_cursor` of the part before.
    #[param(min_length = 1)]
    pub cursor: Option<String>,
}

/// The paths of re-ratings.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(read)).routes(routes!(book)).routes(routes!(undo))
}

/// Lists re-ratings, the newest first.
#[utoipa::path(get, path = "/api/v1/reratings", tag = "reratings", params(ReratingsAsk),
    responses((status = 200, description = "A part of the list.", body = List<Rerating>)))]
async fn list(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Query(ask): Query<ReratingsAsk>,
) -> Answered<Json<List<Rerating>>> {
    let limit = page::limit(ask.limit)?;
    let before = Some(page::id_of(ask.cursor.as_deref())?).filter(|before| *before != 0);
    let names = app.names.read(&app.store).await?;
    let found = app.store.reratings(ask.account.map(|account| account.0), before, limit).await?;
    let full = found.len() == limit as usize;
    let next = found.last().filter(|_| full).map(|last| page::cursor_of(&last.number.to_be_bytes()));
    Ok(Json(List::part(found.iter().map(|found| Rerating::show(found, &names)).collect(), next)))
}

/// Prices the answered calls of a period once more, by the rates that decks have now for the time of each call, published or not, and keeps
/// the report. No money moves, and no record of a call changes. The exchange rates of that day stay.
#[utoipa::path(post, path = "/api/v1/reratings", tag = "reratings", request_body = ReratingNew,
    responses((status = 201, description = "The report.", body = ReratingWhole)))]
async fn create(
    caller: May<rights::MoneyWrite>,
    State(app): State<App>,
    Body(new): Body<ReratingNew>,
) -> Answered<(StatusCode, Json<ReratingWhole>)> {
    let account = app.store.get::<store::AccountDraft>(new.account.0).await?;
    let ask = new.ask(&account.caps.zone, caller.actor())?;
    let (made, _) = app.store.rerate(&ask).await?;
    let whole = whole(&app, made.number).await?;
    app.store.audit(&caller.entry("create", whole.rerating.id, None, Some(&whole.rerating))).await?;
    Ok((StatusCode::CREATED, Json(whole)))
}

/// Tells a re-rating with its lines.
#[utoipa::path(get, path = "/api/v1/reratings/{id}", tag = "reratings", params(("id" = ReratingRef, Path)),
    responses((status = 200, description = "The report.", body = ReratingWhole)))]
async fn read(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Key(id): Key<ReratingRef>,
) -> Answered<Json<ReratingWhole>> {
    Ok(Json(whole(&app, id.0).await?))
}

/// Books the difference of a report as one correction of the account, with the reference `rerating-N`. Refused with 409 if it was booked
/// already, if another one of the same calls is, or if there is no difference.
#[utoipa::path(post, path = "/api/v1/reratings/{id}/book", tag = "reratings", params(("id" = ReratingRef, Path)),
    responses((status = 200, description = "The re-rating.", body = Rerating)))]
async fn book(
    caller: May<rights::MoneyWrite>,
    State(app): State<App>,
    Key(id): Key<ReratingRef>,
) -> Answered<Json<Rerating>> {
    let booked = app.store.book_rerating(id.0, &caller.actor()).await?;
    app.store.audit(&caller.act("book", id)).await?;
    Ok(Json(Rerating::show(&booked, &*app.names.read(&app.store).await?)))
}

/// Books back what was booked, with the reference `rerating-N-undone`. The report stays, and another one of the calls may be booked.
#[utoipa::path(post, path = "/api/v1/reratings/{id}/undo", tag = "reratings", params(("id" = ReratingRef, Path)),
    responses((status = 200, description = "The re-rating.", body = Rerating)))]
async fn undo(
    caller: May<rights::MoneyWrite>,
    State(app): State<App>,
    Key(id): Key<ReratingRef>,
) -> Answered<Json<Rerating>> {
    let undone = app.store.undo_rerating(id.0, &caller.actor()).await?;
    app.store.audit(&caller.act("undo", id)).await?;
    Ok(Json(Rerating::show(&undone, &*app.names.read(&app.store).await?)))
}

async fn whole(app: &App, number: u32) -> Answered<ReratingWhole> {
    let (found, lines, near) = app.store.rerating(number).await?;
    Ok(ReratingWhole {
        rerating: Rerating::show(&found, &*app.names.read(&app.store).await?),
        lines: lines.iter().map(RerateLine::show).collect(),
        invoices: near.invoices.into_iter().map(InvoiceRef).collect(),
        booked_before: near.booked.into_iter().map(ReratingRef).collect(),
    })
}

impl ReratingNew {
    fn ask(self, zone: &str, made_by: String) -> Answered<RerateAsk> {
        let (from, till) = match (self.month, self.from, self.till) {
            (Some(month), None, None) => invoice::month(&month, zone)
                .ok_or_else(|| Problem::invalid("/month", "a month like 2026-10 is wanted"))?,
            (None, Some(from), Some(till)) => (from.0, till.0),
            _ => return Err(Problem::invalid("/month", "a month, or both `from` and `till`")),
        };
        let (deck, instead) = (self.deck.map(|deck| deck.0), self.priced_by.map(|deck| deck.0));
        Ok(RerateAsk { account: self.account.0, deck, instead, from, till, why: self.why, made_by })
    }
}

impl RerateSums {
    fn show(sums: &store::RerateSums) -> RerateSums {
        let store::RerateSums { calls, talked_ms, before, before_tax, after, after_tax } = *sums;
        RerateSums {
            calls,
            talked_ms,
            before: Amount(before),
            before_tax: Amount(before_tax),
            after: Amount(after),
            after_tax: Amount(after_tax),
            difference: Amount(after - before),
        }
    }
}

impl Rerating {
    fn show(found: &store::Rerating, names: &Names) -> Rerating {
        let ask = &found.ask;
        let mut account = names.account(ask.account);
        if account.code.is_empty() {
            account.code.clone_from(&found.account_code);
        }
        let deck = |id: Option<u32>, code: &String| id.map(|id| Named { id: DeckRef(id), code: code.clone() });
        let at = |act: &Option<store::Act>| act.as_ref().map(|act| Time(act.at));
        let by = |act: &Option<store::Act>| act.as_ref().map(|act| act.by.clone());
        Rerating {
            id: ReratingRef(found.number),
            account,
            currency: found.currency.clone(),
            deck: deck(ask.deck, &found.deck_codes[0]),
            priced_by: deck(ask.instead, &found.deck_codes[1]),
            from: Time(ask.from),
            till: Time(ask.till),
            why: ask.why.clone(),
            sums: RerateSums::show(&found.sums),
            made_at: Time(found.made),
            made_by: ask.made_by.clone(),
            booked_at: at(&found.booked),
            booked_by: by(&found.booked),
            undone_at: at(&found.undone),
            undone_by: by(&found.undone),
        }
    }
}

impl RerateLine {
    fn show(line: &store::RerateLine) -> RerateLine {
        let ([prefix_before, prefix_after], [before, after]) = (line.prefixes.clone(), line.per_minute);
        RerateLine {
            kind: match line.item {
                store::RerateItem::Changed => RerateItem::Changed,
                store::RerateItem::Unrated => RerateItem::Unrated,
                store::RerateItem::Same => RerateItem::Same,
            },
            destination: line.destination.clone(),
            prefix_before,
            prefix_after,
            per_minute_before: Amount(before),
            per_minute_after: Amount(after),
            rate_currency: line.rate_currency.clone(),
            sums: RerateSums::show(&line.sums),
        }
    }
}
