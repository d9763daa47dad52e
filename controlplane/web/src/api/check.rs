//! All decks side by side for a number or several: who is cheapest, who dearest.

use axum::Json;
use axum::extract::State;
use rating::Destination;
use serde::{Deserialize, Serialize};
use snapshot::{DeckView, View};
use units::{Money, Number, WallTime};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::Query;
use crate::page::List;
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::value::{Amount, DeckRef, Named, RateHours, RateJurisdiction, Time};

/// Numbers that are looked up at once at most.
const NUMBERS_MAX: usize = 100;

/// Which numbers, when.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CheckAsk {
    /// A number or a prefix, digits only or with `+`; several are separated by commas, 100 at most.
    pub number: String,
    /// The moment; default now.
    pub at: Option<Time>,
    /// The caller, by whose state the call is judged; default not judged, so that only rates of any jurisdiction fit.
    pub calling: Option<String>,
    /// The location routing number, which decks by it are asked for; default none.
    pub lrn: Option<String>,
}

/// What one deck says about a number.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RateCheck {
    /// The number that was looked up.
    pub number: String,
    /// The deck.
    pub deck: Named<DeckRef>,
    /// What its prices count in.
    pub currency: String,
    /// It sells to ingress trunks.
    pub sells: bool,
    /// It buys for egress trunks.
    pub buys: bool,
    /// The prefix that matches; absent without a rate.
    pub prefix: Option<String>,
    /// At which hours the rate counts; absent without a rate.
    pub hours: Option<RateHours>,
    /// For calls of which jurisdiction the rate counts; absent without a rate.
    pub jurisdiction: Option<RateJurisdiction>,
    /// What people call the destination.
    pub destination: String,
    /// Price of sixty seconds.
    pub per_minute: Option<Amount>,
    /// Charged once for an answered call.
    pub connection_fee: Option<Amount>,
    /// Seconds billed at least, and the step after.
    pub steps: String,
    /// Calls there are refused.
    pub blocked: bool,
    /// No deck of this currency that buys (or, for one that only sells, that sells) is cheaper.
    pub cheapest: bool,
    /// No such deck is dearer, and one is cheaper.
    pub dearest: bool,
}

/// The path of rate checks.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(check))
}

/// Looks numbers up in every deck of the newest snapshot: the same bytes that calls are rated by.
#[utoipa::path(get, path = "/api/v1/rates:check", tag = "decks", params(CheckAsk),
    responses((status = 200, description = "One row a number and deck, in the order asked and in order of code.", body = List<RateCheck>)))]
async fn check(
    _caller: May<rights::Read>,
    State(app): State<App>,
    Query(ask): Query<CheckAsk>,
) -> Answered<Json<List<RateCheck>>> {
    let wrong = || Problem::invalid("?number", "1 to 100 numbers or prefixes are wanted, with commas between them");
    let number = |text: &str| Number::parse(crate::value::dialled(text).trim_start_matches('+').as_bytes());
    let numbers: Result<Vec<Number>, _> = ask.number.split(',').map(number).collect();
    let numbers = numbers.map_err(|_| wrong())?;
    if numbers.len() > NUMBERS_MAX {
        return Err(wrong());
    }
    let lrn = number(ask.lrn.as_deref().unwrap_or(""));
    let lrn = lrn.map_err(|_| Problem::invalid("?lrn", "a number is wanted"))?;
    let calling = ask.calling.as_deref().map(number).transpose();
    let calling = calling.map_err(|_| Problem::invalid("?calling", "a number is wanted"))?;
    let at = ask.at.unwrap_or_else(Time::now).0;
    let snapshot = app.snapshots.read().await?;
    let view = snapshot.view();
    let rows = numbers.iter().flat_map(|number| {
        let to = match &calling {
            None => Destination { lrn, ..(*number).into() },
            Some(calling) => Destination::judged(calling, *number, lrn),
        };
        let mut rows: Vec<RateCheck> = view.decks().map(|deck| RateCheck::of(&to, &deck, &view, at)).collect();
        mark(&mut rows);
        rows.sort_by(|a, b| a.deck.code.cmp(&b.deck.code));
        rows
    });
    Ok(Json(List::whole(rows.collect())))
}

impl RateCheck {
    pub(super) fn of(to: &Destination, deck: &DeckView<'_>, view: &View<'_>, at: WallTime) -> RateCheck {
        let found = to.rate(deck, at);
        let text = |number: &Number| String::from_utf8_lossy(number.digits()).into_owned();
        let asked = text(to.asked(deck));
        RateCheck {
            number: text(&to.called),
            deck: Named { id: deck.id().into(), code: deck.code().to_owned() },
            currency: deck.currency().code(),
            sells: view.ingress_trunks().any(|trunk| trunk.sell_deck() == deck.id()),
            buys: view.egress_trunks().any(|trunk| trunk.buy_deck() == deck.id()),
            prefix: found.map(|rate| asked.chars().take(usize::from(rate.prefix_digits)).collect()),
            hours: found.map(|rate| rate.terms.class.hours.into()),
            jurisdiction: found.map(|rate| rate.terms.class.jurisdiction.into()),
            destination: found.map_or(String::new(), |rate| rate.destination().to_owned()),
            per_minute: found.map(|rate| Amount(rate.terms.per_minute)),
            connection_fee: found.map(|rate| Amount(rate.terms.connection_fee)),
            steps: found.map_or(String::new(), |rate| format!("{}/{}", rate.terms.minimum_s, rate.terms.increment_s)),
            blocked: found.is_some_and(|rate| rate.blocked),
            cheapest: false,
            dearest: false,
        }
    }
}

/// Marks the cheapest and the dearest among decks of one currency and side.
fn mark(rows: &mut [RateCheck]) {
    let side = |row: &RateCheck| (row.currency.clone(), row.buys);
    let prices: Vec<_> = rows.iter().map(|row| (side(row), row.per_minute.filter(|_| !row.blocked))).collect();
    for row in rows.iter_mut() {
        let Some(price) = row.per_minute.filter(|_| !row.blocked) else { continue };
        let others = prices.iter().filter(|(other, _)| *other == side(row)).filter_map(|(_, price)| *price);
        let all: Vec<Money> = others.map(|price| price.0).collect();
        row.cheapest = all.iter().all(|other| price.0 <= *other);
        row.dearest = all.iter().all(|other| price.0 >= *other) && !row.cheapest;
    }
}
