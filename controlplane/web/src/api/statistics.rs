//! Sums of calls over any window, told apart by up to three dimensions, in both readings: per call and per attempt.

mod figures;
mod order;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use store::{Dimension, StatisticsAsk, Store, StoreError, SumPlace};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{May, rights};
use crate::extract::Query;
use crate::names::{NameBook, Names};
use crate::page;
use crate::problem::{Answered, Problem};
use crate::services::App;
use crate::value::{CarrierRef, EgressTrunkRef, IngressTrunkRef, Named, Time, dialled};

pub use figures::{Reading, StatisticsFigures, cells_of_place};
pub use order::StatisticsSort;

/// An hour, day or month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatisticsPeriod {
    /// `2026-11-21T14:00+01:00`, `2026-11-21` or `2026-11`.
    pub name: String,
    /// Its first moment.
    pub from: Time,
    /// The first moment after it.
    pub till: Time,
}

/// One group: what was asked for by `by` is there, the rest is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatisticsRow {
    /// The hour, day or month in which calls began.
    pub period: Option<StatisticsPeriod>,
    /// Who sent; `car_0` for nobody we know.
    pub originator: Option<Named<CarrierRef>>,
    /// Where calls came in; `itr_0` for nowhere we know.
    pub ingress_trunk: Option<Named<IngressTrunkRef>>,
    /// Who took the call, or was tried last; `car_0` where no route was tried.
    pub terminator: Option<Named<CarrierRef>>,
    /// Where calls went out; `etr_0` where no route was tried.
    pub egress_trunk: Option<Named<EgressTrunkRef>>,
    /// Country code of the number as routed (ITU-T E.164); empty for numbers without one.
    pub country: Option<String>,
    /// Country code and three digits of the number as routed.
    pub prefix: Option<String>,
    /// The release cause.
    pub cause: Option<u16>,
    /// The cause in words.
    pub cause_text: Option<String>,
    /// The sums and what follows from them.
    pub figures: StatisticsFigures,
}

/// A part of the groups, with the sums of all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Statistics {
    /// The groups.
    pub data: Vec<StatisticsRow>,
    /// The sums of all groups, also of those on other pages.
    pub total: StatisticsFigures,
    /// The beginning of the window, a full or half hour.
    pub from: Time,
    /// The end of the window, a full or half hour.
    pub till: Time,
    /// Where the next part starts; absent at the end.
    pub next_cursor: Option<String>,
    /// When this was read.
    pub as_of: Time,
}

/// Which sums. The window is needed: without it the answer is 422.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct StatisticsFilter {
    /// Calls that began in the half hour of this moment or later.
    #[param(required = true, value_type = String, format = DateTime)]
    pub from: Option<Time>,
    /// Calls that began before the end of the half hour in which the moment before this lies.
    #[param(required = true, value_type = String, format = DateTime)]
    pub till: Option<Time>,
    /// By what, at most three words with commas: `originator`, `ingress_trunk`, `terminator`, `egress_trunk`, `country`, `prefix`, `cause`, and one of
    /// `hour`, `day`, `month`. Without it there is one group.
    #[param(example = "originator,country")]
    pub by: Option<String>,
    /// Where days begin: an IANA zone that is whole half hours from UTC; default UTC.
    #[param(example = "Europe/Berlin")]
    pub zone: Option<String>,
    /// In which order, the greatest first; default `calls`. `place` is by name of what was asked by, the least first.
    #[serde(default)]
    #[param(inline)]
    pub sort: StatisticsSort,
    /// The least first.
    #[serde(default)]
    pub ascending: bool,
    /// The currency that `revenue`, `cost` and `margin` are put in order by; default that of the greatest sum.
    pub currency: Option<String>,
    /// Only of this originator.
    #[param(value_type = Option<String>, pattern = "^car_[0-9]+$")]
    pub originator: Option<CarrierRef>,
    /// Only of this ingress trunk.
    #[param(value_type = Option<String>, pattern = "^itr_[0-9]+$")]
    pub ingress_trunk: Option<IngressTrunkRef>,
    /// Only of this terminator.
    #[param(value_type = Option<String>, pattern = "^car_[0-9]+$")]
    pub terminator: Option<CarrierRef>,
    /// Only of this egress trunk.
    #[param(value_type = Option<String>, pattern = "^etr_[0-9]+$")]
    pub egress_trunk: Option<EgressTrunkRef>,
    /// Only numbers that begin with these digits: country code and three at most.
    pub called: Option<String>,
    /// Only with this cause.
    #[param(maximum = 65535)]
    pub cause: Option<u16>,
    /// Groups at most, 1 to 1,000; default 200.
    #[param(minimum = 1, maximum = 1000, default = 200)]
    pub limit: Option<u32>,
    /// `next_cursor` of the part before.
    #[param(min_length = 1)]
    pub cursor: Option<String>,
}

/// The words of `by`.
const WORDS: [(&str, Dimension); 10] = [
    ("originator", Dimension::Originator),
    ("ingress_trunk", Dimension::IngressTrunk),
    ("terminator", Dimension::Terminator),
    ("egress_trunk", Dimension::EgressTrunk),
    ("country", Dimension::Country),
    ("prefix", Dimension::Prefix),
    ("cause", Dimension::Cause),
    ("hour", Dimension::Hour),
    ("day", Dimension::Day),
    ("month", Dimension::Month),
];

/// The paths of statistics.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(statistics)).routes(routes!(export))
}

/// Adds up calls and attempts of a window, told apart by up to three dimensions.
///
/// `per_call` counts a call once, whatever was tried (the originator's view); `per_attempt` counts each try of a route (the terminator's).
#[utoipa::path(get, path = "/api/v1/statistics", tag = "statistics", params(StatisticsFilter),
    responses((status = 200, description = "A part of the groups.", body = Statistics)))]
async fn statistics(
    _caller: May<rights::CdrRead>,
    State(app): State<App>,
    Query(filter): Query<StatisticsFilter>,
) -> Answered<Json<Statistics>> {
    let store = app.reports.store();
    let names = app.names.read(&store).await?;
    read(&store, &names, &filter).await.map(Json)
}

/// Gives all groups as a CSV file, in the order that was asked for.
#[utoipa::path(get, path = "/api/v1/statistics:export", tag = "statistics", params(StatisticsFilter),
    responses((status = 200, description = "The file.", body = String, content_type = "text/csv")))]
async fn export(
    _caller: May<rights::CdrRead>,
    State(app): State<App>,
    Query(filter): Query<StatisticsFilter>,
) -> Answered<impl IntoResponse> {
    let store = app.reports.store();
    let names = app.names.read(&store).await?;
    let all = whole(&store, &names, &filter).await?;
    let bytes = all.csv().map_err(Problem::internal)?;
    let name = "attachment; filename=\"statistics.csv\"";
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CONTENT_DISPOSITION, name)], bytes))
}

/// All groups of a filter, whatever its limit says.
pub async fn all(store: &Store, filter: &StatisticsFilter) -> Answered<Statistics> {
    let names = NameBook::default().read(store).await?;
    whole(store, &names, filter).await
}

async fn read(store: &Store, names: &Names, filter: &StatisticsFilter) -> Answered<Statistics> {
    let limit = page::limit(filter.limit)? as usize;
    let after = filter.cursor.as_deref().map(order::after).transpose()?;
    let mut all = whole(store, names, filter).await?;
    let order = order::Order::of(filter, &all.total);
    if let Some(after) = after {
        all.data.retain(|row| order.is_behind(row, &after));
    }
    if all.data.len() > limit {
        all.data.truncate(limit);
        all.next_cursor = all.data.last().map(|last| order.cursor(last));
    }
    Ok(all)
}

async fn whole(store: &Store, names: &Names, filter: &StatisticsFilter) -> Answered<Statistics> {
    let ask = filter.ask()?;
    let (from, till, groups) = store.statistics(&ask).await.map_err(in_query)?;
    let total = StatisticsFigures::of(groups.iter());
    let data = groups.iter().map(|group| StatisticsRow::show(&group.place, StatisticsFigures::of([group]), names));
    let mut data: Vec<StatisticsRow> = data.collect();
    order::Order::of(filter, &total).put(&mut data);
    Ok(Statistics { data, total, from: Time(from), till: Time(till), next_cursor: None, as_of: Time::now() })
}

/// The fields of the store are parameters here.
fn in_query(flaw: StoreError) -> Problem {
    match flaw {
        StoreError::Invalid { field, why } => Problem::invalid(format!("?{field}"), why),
        other => other.into(),
    }
}

impl StatisticsFilter {
    fn ask(&self) -> Answered<StatisticsAsk> {
        let needed = |name: &str| Problem::invalid(format!("?{name}"), "a window is needed: give from and till");
        let (from, till) = (self.from.ok_or_else(|| needed("from"))?, self.till.ok_or_else(|| needed("till"))?);
        if till <= from {
            return Err(Problem::invalid("?till", "till must be later than from"));
        }
        let words = self.by.iter().flat_map(|by| by.split(',')).map(str::trim).filter(|word| !word.is_empty());
        let known = |word: &str| WORDS.iter().find(|(name, _)| *name == word).map(|(_, dimension)| *dimension);
        let known = words.map(|word| {
            let all: Vec<&str> = WORDS.iter().map(|(name, _)| *name).collect();
            known(word).ok_or_else(|| Problem::invalid("?by", format!("{word:?} is none of {}", all.join(", "))))
        });
        Ok(StatisticsAsk {
            from: from.0,
            till: till.0,
            by: known.collect::<Answered<Vec<Dimension>>>()?,
            zone: self.zone.clone().unwrap_or_default(),
            originator: self.originator.map(|wanted| wanted.0),
            ingress_trunk: self.ingress_trunk.map(|wanted| wanted.0),
            terminator: self.terminator.map(|wanted| wanted.0),
            egress_trunk: self.egress_trunk.map(|wanted| wanted.0),
            called: self.called.as_deref().map(|called| dialled(called).trim_start_matches('+').to_owned()),
            cause: self.cause,
        })
    }
}

impl StatisticsRow {
    fn show(place: &SumPlace, figures: StatisticsFigures, names: &Names) -> StatisticsRow {
        StatisticsRow {
            period: place.period.as_ref().map(|period| StatisticsPeriod {
                name: period.name.clone(),
                from: Time(period.from),
                till: Time(period.till),
            }),
            originator: place.originator.map(|id| names.carrier(id)),
            ingress_trunk: place.ingress_trunk.map(|id| names.ingress_trunk(id)),
            terminator: place.terminator.map(|id| names.carrier(id)),
            egress_trunk: place.egress_trunk.map(|id| names.egress_trunk(id)),
            country: place.country.clone(),
            prefix: place.prefix.clone(),
            cause: place.cause,
            cause_text: place.cause.map(|cause| units::Cause(cause).text().to_owned()),
            figures,
        }
    }
}
