//! In which order groups stand, and where a page goes on: behind a figure and a place, so that groups that come or go move no other.

use std::cmp::{Ordering, Reverse};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{StatisticsFigures, StatisticsFilter, StatisticsRow};
use crate::page;
use crate::problem::Answered;

/// By which figure groups are put in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatisticsSort {
    /// Calls.
    #[default]
    Calls,
    /// What was asked by: period, then names.
    Place,
    /// Attempts.
    Attempts,
    /// Answered calls.
    Answered,
    /// Answer-seizure ratio per call.
    Asr,
    /// Answer-seizure ratio per attempt.
    AttemptAsr,
    /// Network effectiveness ratio per call.
    Ner,
    /// Mean talk time.
    Acd,
    /// Mean time to ringing.
    Pdd,
    /// Talk time.
    Talked,
    /// What originators pay.
    Revenue,
    /// What terminators are owed.
    Cost,
    /// Revenue less cost.
    Margin,
}

/// An order of groups.
pub(super) struct Order {
    sort: StatisticsSort,
    ascending: bool,
    currency: String,
}

/// Where a page ended: the figure, and what tells the group apart.
pub(super) type After = (i64, String);

impl Order {
    pub(super) fn of(filter: &StatisticsFilter, total: &StatisticsFigures) -> Order {
        let greatest = total.money.iter().max_by_key(|sum| sum.revenue.0.max(sum.cost.0));
        let currency = filter.currency.clone().or_else(|| greatest.map(|sum| sum.currency.clone()));
        let ascending = filter.ascending || filter.sort == StatisticsSort::Place;
        Order { sort: filter.sort, ascending, currency: currency.unwrap_or_default() }
    }

    pub(super) fn put(&self, rows: &mut [StatisticsRow]) {
        if self.ascending {
            rows.sort_by_cached_key(|row| self.key(row));
        } else {
            rows.sort_by_cached_key(|row| {
                let (value, place) = self.key(row);
                (Reverse(value), place)
            });
        }
    }

    pub(super) fn is_behind(&self, row: &StatisticsRow, (value, place): &After) -> bool {
        let (mine, my_place) = self.key(row);
        let order = if self.ascending { mine.cmp(value) } else { value.cmp(&mine) };
        order.then_with(|| my_place.cmp(place)) == Ordering::Greater
    }

    pub(super) fn cursor(&self, last: &StatisticsRow) -> String {
        let (value, place) = self.key(last);
        let mut inside = value.to_be_bytes().to_vec();
        inside.extend_from_slice(place.as_bytes());
        page::cursor_of(&inside)
    }

    /// The figure as an integer, absent ones below all others; and the place as text whose order is that of places.
    fn key(&self, row: &StatisticsRow) -> (i64, String) {
        let figures = &row.figures;
        let hundredths = |value: Option<f64>| value.map_or(-1, |value| (value * 100.0).round() as i64);
        let sum = figures.money.iter().find(|sum| sum.currency == self.currency);
        let value = match self.sort {
            StatisticsSort::Place => 0,
            StatisticsSort::Calls => figures.per_call.count,
            StatisticsSort::Attempts => figures.per_attempt.count,
            StatisticsSort::Answered => figures.per_call.answered,
            StatisticsSort::Asr => hundredths(figures.per_call.asr_percent),
            StatisticsSort::AttemptAsr => hundredths(figures.per_attempt.asr_percent),
            StatisticsSort::Ner => hundredths(figures.per_call.ner_percent),
            StatisticsSort::Acd => figures.per_call.acd_ms.unwrap_or(-1),
            StatisticsSort::Pdd => figures.per_call.pdd_ms.unwrap_or(-1),
            StatisticsSort::Talked => figures.talked_ms,
            StatisticsSort::Revenue => sum.map_or(0, |sum| sum.revenue.0.nanos()),
            StatisticsSort::Cost => sum.map_or(0, |sum| sum.cost.0.nanos()),
            StatisticsSort::Margin => sum.map_or(0, |sum| sum.margin.0.nanos()),
        };
        (value, place(row))
    }
}

fn place(row: &StatisticsRow) -> String {
    let mut text = String::new();
    let mut add = |part: Option<String>| text.push_str(&part.unwrap_or_default());
    add(row.period.as_ref().map(|period| format!("{:020}|", period.from.micros())));
    add(row.originator.as_ref().map(|named| format!("{}|{:010}|", named.code, named.id.0)));
    add(row.ingress_trunk.as_ref().map(|named| format!("{}|{:010}|", named.code, named.id.0)));
    add(row.terminator.as_ref().map(|named| format!("{}|{:010}|", named.code, named.id.0)));
    add(row.egress_trunk.as_ref().map(|named| format!("{}|{:010}|", named.code, named.id.0)));
    add(row.country.as_ref().map(|country| format!("{country}|")));
    add(row.prefix.as_ref().map(|prefix| format!("{prefix}|")));
    add(row.cause.map(|cause| format!("{cause:05}")));
    text
}

/// Where the page before ended.
pub(super) fn after(cursor: &str) -> Answered<After> {
    let inside = page::inside_of(cursor)?;
    let (value, place) = inside.split_first_chunk().ok_or_else(page::foreign_cursor)?;
    let place = String::from_utf8(place.to_vec()).map_err(|_| page::foreign_cursor())?;
    Ok((i64::from_be_bytes(*value), place))
}
