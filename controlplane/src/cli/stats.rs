//! `tandem stats`: sums of calls and attempts, from the database.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use store::{CarrierDraft, EgressTrunkDraft, HALF_HOUR_DAYS, IngressTrunkDraft, Object, SLOT, Store};
use units::WallTime;
use web::api::statistics::{self, Statistics, StatisticsFigures, StatisticsFilter, StatisticsSort, cells_of_place};
use web::problem::Code;
use web::value::{CarrierRef, EgressTrunkRef, IngressTrunkRef, Time};

use super::cdr::when;
use super::{Misused, Place, table};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Adds up calls and attempts of a window, told apart by up to three dimensions.
    Show(Box<Show>),
    /// Makes the sums of a window again from its records, half hour by half hour.
    Recount(Recount),
}

#[derive(Debug, Args)]
pub struct Show {
    /// By what, with commas: originator, ingress_trunk, terminator, egress_trunk, country, prefix, cause, and one of hour, day, month.
    #[arg(long, default_value = "")]
    by: String,
    /// Calls that began at or after: a moment, a date (UTC), or a span back from now such as 1d or 6h. Whole half hours are taken.
    #[arg(long, default_value = "1d")]
    from: String,
    /// Calls that began before; now if not given.
    #[arg(long)]
    till: Option<String>,
    /// Where days begin, as Europe/Berlin; UTC if not given.
    #[arg(long)]
    zone: Option<String>,
    /// In which order, the greatest first.
    #[arg(long, value_enum, default_value_t = Sort::Calls)]
    sort: Sort,
    /// The least first.
    #[arg(long)]
    ascending: bool,
    /// Code of the carrier that sent.
    #[arg(long)]
    originator: Option<String>,
    /// Code of the trunk that calls came in by.
    #[arg(long)]
    ingress_trunk: Option<String>,
    /// Code of the carrier that took, or was tried last.
    #[arg(long)]
    terminator: Option<String>,
    /// Code of the trunk that calls went out by.
    #[arg(long)]
    egress_trunk: Option<String>,
    /// Numbers begin with these digits: country code and three at most.
    #[arg(long)]
    called: Option<String>,
    /// Release cause.
    #[arg(long)]
    cause: Option<u16>,
    /// For people, for programs, or for a spreadsheet.
    #[arg(short = 'o', long = "output", value_enum, default_value_t = Form::Table)]
    output: Form,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub struct Recount {
    /// From the half hour of this moment: a moment, a date (UTC), or a span back from now such as 1d or 6h.
    #[arg(long)]
    from: String,
    /// Till the half hour of this moment; now if not given.
    #[arg(long)]
    till: Option<String>,
    #[command(flatten)]
    pub(super) place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Columns.
    Table,
    /// One JSON value.
    Json,
    /// Lines of a spreadsheet, with all figures.
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    Calls,
    Place,
    Attempts,
    Answered,
    Asr,
    AttemptAsr,
    Ner,
    Acd,
    Pdd,
    Talked,
    Revenue,
    Cost,
    Margin,
}

impl From<Sort> for StatisticsSort {
    fn from(sort: Sort) -> StatisticsSort {
        match sort {
            Sort::Calls => StatisticsSort::Calls,
            Sort::Place => StatisticsSort::Place,
            Sort::Attempts => StatisticsSort::Attempts,
            Sort::Answered => StatisticsSort::Answered,
            Sort::Asr => StatisticsSort::Asr,
            Sort::AttemptAsr => StatisticsSort::AttemptAsr,
            Sort::Ner => StatisticsSort::Ner,
            Sort::Acd => StatisticsSort::Acd,
            Sort::Pdd => StatisticsSort::Pdd,
            Sort::Talked => StatisticsSort::Talked,
            Sort::Revenue => StatisticsSort::Revenue,
            Sort::Cost => StatisticsSort::Cost,
            Sort::Margin => StatisticsSort::Margin,
        }
    }
}

pub async fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Show(show) => self::show(&show).await,
        Verb::Recount(recount) => self::recount(&recount).await,
    }
}

async fn show(show: &Show) -> Result<ExitCode> {
    let store = show.place.store().await?;
    let all = match statistics::all(&store, &filter(show, &store).await?).await {
        Err(problem) if problem.code == Code::Invalid => return Err(Misused(problem.to_string()).into()),
        all => all?,
    };
    match show.output {
        Form::Json => say!("{}", serde_json::to_string_pretty(&all)?),
        Form::Csv => say!("{}", String::from_utf8(all.csv()?)?.trim_end()),
        Form::Table => print_table(&all),
    }
    Ok(ExitCode::SUCCESS)
}

async fn filter(show: &Show, store: &Store) -> Result<StatisticsFilter> {
    Ok(StatisticsFilter {
        from: Some(Time(when(&show.from)?)),
        till: Some(Time(show.till.as_deref().map_or_else(|| when("0s"), when)?)),
        by: Some(show.by.clone()),
        zone: show.zone.clone(),
        sort: show.sort.into(),
        ascending: show.ascending,
        originator: id::<CarrierDraft>(store, &show.originator).await?.map(CarrierRef),
        ingress_trunk: id::<IngressTrunkDraft>(store, &show.ingress_trunk).await?.map(IngressTrunkRef),
        terminator: id::<CarrierDraft>(store, &show.terminator).await?.map(CarrierRef),
        egress_trunk: id::<EgressTrunkDraft>(store, &show.egress_trunk).await?.map(EgressTrunkRef),
        called: show.called.clone(),
        cause: show.cause,
        ..StatisticsFilter::default()
    })
}

async fn id<D: Object>(store: &Store, code: &Option<String>) -> Result<Option<u32>> {
    match code {
        Some(code) => Ok(Some(store.by_code::<D>(code).await?.id)),
        None => Ok(None),
    }
}

fn print_table(all: &Statistics) {
    let mut head: Vec<&str> =
        all.data.first().map_or(Vec::new(), |row| cells_of_place(row).into_iter().map(|(name, _)| name).collect());
    let named = head.len();
    head.extend(["calls", "asr", "ner", "acd", "pdd", "tries", "asr/try", "minutes", "revenue", "cost", "margin"]);
    let row = |row: &statistics::StatisticsRow| {
        let named = cells_of_place(row).into_iter().map(|(_, cell)| cell);
        named.chain(cells(&row.figures)).collect::<Vec<_>>()
    };
    let mut rows: Vec<Vec<String>> = all.data.iter().map(row).collect();
    if all.data.len() > 1 {
        let total = (0..named).map(|place| if place == 0 { "all".to_owned() } else { String::new() });
        rows.push(total.chain(cells(&all.total)).collect());
    }
    table(&head, &rows);
}

fn cells(figures: &StatisticsFigures) -> Vec<String> {
    let share = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1} %"));
    let money = |of: fn(&web::api::overview::MoneySum) -> web::value::Amount| {
        let sums = figures.money.iter().map(|sum| format!("{} {}", of(sum), sum.currency));
        sums.collect::<Vec<_>>().join(" + ")
    };
    let (calls, tries) = (&figures.per_call, &figures.per_attempt);
    vec![
        calls.count.to_string(),
        share(calls.asr_percent),
        share(calls.ner_percent),
        calls.acd_ms.map_or("-".to_owned(), |ms| format!("{:.1} s", ms as f64 / 1_000.0)),
        calls.pdd_ms.map_or("-".to_owned(), |ms| format!("{ms} ms")),
        tries.count.to_string(),
        share(tries.asr_percent),
        format!("{:.1}", figures.talked_ms as f64 / 60_000.0),
        money(|sum| sum.revenue),
        money(|sum| sum.cost),
        money(|sum| sum.margin),
    ]
}

async fn recount(recount: &Recount) -> Result<ExitCode> {
    let store = recount.place.store().await?;
    let (from, till) = (when(&recount.from)?, recount.till.as_deref().map_or_else(|| when("0s"), when)?);
    anyhow::ensure!(
        from < till && till - from <= HALF_HOUR_DAYS * 86_400_000_000,
        "a window is needed: {HALF_HOUR_DAYS} days at most"
    );
    let (mut slot, mut wrong) = (from.micros().div_euclid(SLOT) * SLOT, 0);
    while slot < till.micros() {
        wrong += store.recount(WallTime::from_micros(slot)).await?;
        slot += SLOT;
    }
    say!("{wrong} sums of half hours were wrong and are right now");
    Ok(ExitCode::SUCCESS)
}
