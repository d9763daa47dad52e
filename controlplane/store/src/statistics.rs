//! Questions to the sums: grouped by up to three dimensions over any window of whole half hours, with days as a zone has them.
//!
//! Whole days of UTC come from the sums by day where the answer does not ask how they were within; the rest from half hours.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use units::WallTime;

use crate::Store;
use crate::error::{Result, StoreError};
use crate::sql::{Arg, Row, Tx, args};
use crate::sums::{self, DAY, SLOT, SUMS, Sums, area};

/// Dimensions of one question at most.
pub const DIMENSIONS_MAX: usize = 3;
/// Groups of one answer at most.
pub const GROUPS_MAX: usize = 100_000;
/// Half hours are kept for so many days; days are kept for good.
pub const HALF_HOUR_DAYS: i64 = 400;
/// The longest window in days: ten years.
const WINDOW_DAYS_MAX: i64 = 3_660;
/// An hour in microseconds.
const HOUR: i64 = 3_600_000_000;
/// Rows that one transaction removes at most.
const REMOVED_MAX: i64 = 5_000;

/// By what sums are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    /// Carrier that sent the call.
    Originator,
    /// Where it came in.
    IngressTrunk,
    /// Carrier that took it, or was tried last.
    Terminator,
    /// Where it went out.
    EgressTrunk,
    /// Country code of the number as routed.
    Country,
    /// Country code and three digits.
    Prefix,
    /// Why it ended.
    Cause,
    /// Hour, counted from full hours of the zone.
    Hour,
    /// Day of the zone.
    Day,
    /// Month of the zone.
    Month,
}

/// Which sums. The window is half open and mandatory; everything else narrows it.
#[derive(Clone, Debug, Default)]
pub struct StatisticsAsk {
    /// From the half hour in which this lies.
    pub from: WallTime,
    /// To the end of the half hour in which the moment before this lies.
    pub till: WallTime,
    /// By what, [`DIMENSIONS_MAX`] at most.
    pub by: Vec<Dimension>,
    /// Where days begin: an IANA name; empty for UTC.
    pub zone: String,
    /// Only of this originator.
    pub originator: Option<u32>,
    /// Only of this ingress trunk.
    pub ingress_trunk: Option<u32>,
    /// Only of this terminator.
    pub terminator: Option<u32>,
    /// Only of this egress trunk.
    pub egress_trunk: Option<u32>,
    /// Only numbers that begin so: as many digits as sums are kept by, at most.
    pub called: Option<String>,
    /// Only with this cause.
    pub cause: Option<u16>,
}

/// An hour, day or month.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SumPeriod {
    /// Its first moment.
    pub from: WallTime,
    /// The first moment after it.
    pub till: WallTime,
    /// `2026-11-21T14:00+01:00`, `2026-11-21` or `2026-11`.
    pub name: String,
}

/// What a group has in common; `None` where nobody asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SumPlace {
    /// An hour, day or month.
    pub period: Option<SumPeriod>,
    /// Carrier that sent; 0 for nobody we know.
    pub originator: Option<u32>,
    /// Where calls came in; 0 for nowhere we know.
    pub ingress_trunk: Option<u32>,
    /// Carrier that took; 0 where no route was tried.
    pub terminator: Option<u32>,
    /// Where calls went out; 0 where no route was tried.
    pub egress_trunk: Option<u32>,
    /// Country code; empty for numbers without one.
    pub country: Option<String>,
    /// Country code and three digits.
    pub prefix: Option<String>,
    /// Why calls ended.
    pub cause: Option<u16>,
}

/// The sums of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SumGroup {
    /// What it has in common.
    pub place: SumPlace,
    /// Its sums; `revenue` and `cost` are 0 here.
    pub sums: Sums,
    /// Revenue and cost by currency, in nano-units.
    pub money: BTreeMap<String, (i64, i64)>,
}

impl Store {
    /// Groups of a window with the window as it was taken, whole half hours. In the order of their places.
    pub async fn statistics(&self, ask: &StatisticsAsk) -> Result<(WallTime, WallTime, Vec<SumGroup>)> {
        let question = Question::of(ask)?;
        let mut tx = self.read().await?;
        let mut groups: BTreeMap<SumPlace, SumGroup> = BTreeMap::new();
        for (table, from, till) in question.spans() {
            let (sql, values) = question.statement(table, from, till);
            let rows = tx.rows(sql, values).await?;
            if rows.len() > GROUPS_MAX {
                return Err(too_many());
            }
            for row in rows {
                question.fold(&row, &mut groups)?;
            }
        }
        if groups.len() > GROUPS_MAX {
            return Err(too_many());
        }
        let groups = groups.into_values().filter(|group| group.sums != Sums::default() || !group.money.is_empty());
        Ok((WallTime::from_micros(question.from), WallTime::from_micros(question.till), groups.collect()))
    }

    /// Removes half hours that began before what is kept, one batch of rows. Returns how many went, and whether there may be more.
    pub async fn drop_half_hours(&self, now: WallTime) -> Result<(u64, bool)> {
        let before = kept_from(now.micros());
        let mut tx = self.write().await?;
        let gone = forget(&mut tx, before).await?;
        tx.commit().await?;
        Ok((gone, gone >= REMOVED_MAX.unsigned_abs()))
    }
}

/// The first half hour that is kept.
pub(crate) fn kept_from(now: i64) -> i64 {
    sums::floor(now, DAY) - HALF_HOUR_DAYS * DAY
}

async fn forget(tx: &mut Tx, before: i64) -> Result<u64> {
    // Whole spans up to the one in which the batch is full: rows have no short key.
    let sql = "SELECT slot FROM sums_by_half_hour WHERE slot<? ORDER BY slot LIMIT 1";
    let mut gone = 0;
    while gone < REMOVED_MAX.unsigned_abs() {
        let Some(row) = tx.row(sql, args![before]).await? else { break };
        gone += tx.run("DELETE FROM sums_by_half_hour WHERE slot=?", args![row.int("slot")?]).await?.rows;
    }
    Ok(gone)
}

fn too_many() -> StoreError {
    StoreError::invalid("by", format!("more than {GROUPS_MAX} groups: ask for a shorter window or fewer dimensions"))
}

/// A question that makes sense.
struct Question<'a> {
    ask: &'a StatisticsAsk,
    /// Whole half hours.
    from: i64,
    till: i64,
    zone: TimeZone,
    /// What is ahead of UTC from when on, in microseconds; the first counts before it too.
    ahead: Vec<(i64, i64)>,
}

impl<'a> Question<'a> {
    fn of(ask: &'a StatisticsAsk) -> Result<Question<'a>> {
        let (from, till) = (sums::floor(ask.from.micros(), SLOT), ceiling(ask.till.micros()));
        if ask.till <= ask.from || till.saturating_sub(from) > WINDOW_DAYS_MAX * DAY {
            return Err(StoreError::invalid("from", format!("a window is needed: {WINDOW_DAYS_MAX} days at most")));
        }
        let periods = ask.by.iter().filter(|by| matches!(by, Dimension::Hour | Dimension::Day | Dimension::Month));
        let twice = (1..ask.by.len()).any(|place| ask.by[place..].contains(&ask.by[place - 1]));
        if ask.by.len() > DIMENSIONS_MAX || periods.count() > 1 || twice {
            let why = "three different dimensions at most, and one of hour, day and month";
            return Err(StoreError::invalid("by", why));
        }
        if let Some(called) = &ask.called
            && area(called).1 != called
        {
            return Err(StoreError::invalid("called", "sums are kept by country code and three digits"));
        }
        let wrong = || StoreError::invalid("zone", "an IANA zone whose clocks are whole half hours from UTC is wanted");
        let zone = match ask.zone.as_str() {
            "" | "UTC" => TimeZone::UTC,
            name => TimeZone::get(name).map_err(|_| wrong())?,
        };
        let ahead = ahead(&zone, from, till);
        if ahead.iter().any(|(_, ahead)| ahead % SLOT != 0) {
            return Err(wrong());
        }
        Ok(Question { ask, from, till, zone, ahead })
    }

    fn asks(&self, dimension: Dimension) -> bool {
        self.ask.by.contains(&dimension)
    }

    /// Which table says what of the window.
    fn spans(&self) -> Vec<(&'static str, i64, i64)> {
        let [(half_hours, _), (days, _)] = sums::TABLES;
        let other_days = self.ahead.iter().any(|(_, ahead)| *ahead != 0);
        let by_day = self.asks(Dimension::Day) || self.asks(Dimension::Month);
        let (first, last) = (sums::floor(self.from + DAY - 1, DAY), sums::floor(self.till, DAY));
        if self.asks(Dimension::Hour) || (by_day && other_days) || first >= last {
            return vec![(half_hours, self.from, self.till)];
        }
        let all = [(half_hours, self.from, first), (days, first, last), (half_hours, last, self.till)];
        all.into_iter().filter(|(_, from, till)| from < till).collect()
    }

    /// The local beginning of a row's hour or day, in microseconds of a clock that shows the zone's time.
    fn period(&self) -> Option<String> {
        let span = if self.asks(Dimension::Hour) { HOUR } else { DAY };
        if !self.ask.by.iter().any(|by| matches!(by, Dimension::Hour | Dimension::Day | Dimension::Month)) {
            return None;
        }
        let (_, first) = self.ahead[0];
        let changes = self.ahead.iter().skip(1).rev().map(|(from, ahead)| format!("WHEN slot>={from} THEN {ahead} "));
        let ahead = match self.ahead.len() {
            1 => first.to_string(),
            _ => format!("CASE {}ELSE {first} END", changes.collect::<String>()),
        };
        // An hour stays a moment of UTC: a clock that is put back shows one hour twice.
        let back = if span == HOUR { "0".to_owned() } else { ahead.clone() };
        Some(format!("slot+({back})-(slot+({ahead}))%{span} AS period"))
    }

    fn statement(&self, table: &str, from: i64, till: i64) -> (String, Vec<Arg>) {
        let mut shown: Vec<String> = self.period().into_iter().collect();
        let mut names: Vec<&str> = shown.iter().map(|_| "period").collect();
        for (dimension, column) in COLUMNS {
            if self.asks(dimension) && !names.contains(&column) {
                shown.push(column.to_owned());
                names.push(column);
            }
        }
        names.push("currency");
        shown.push("currency".to_owned());
        shown.extend(SUMS.iter().map(|sum| format!("CAST(SUM({sum}) AS SIGNED) AS {sum}")));
        let mut wanted = vec!["slot>=? AND slot<?".to_owned()];
        let mut values = args![from, till];
        let ask = self.ask;
        let same = [
            ("originator", ask.originator),
            ("ingress_trunk", ask.ingress_trunk),
            ("terminator", ask.terminator),
            ("egress_trunk", ask.egress_trunk),
            ("cause", ask.cause.map(u32::from)),
        ];
        for (column, value) in same {
            if let Some(value) = value {
                wanted.push(format!("{column}=?"));
                values.push(Arg::from(value));
            }
        }
        if let Some(called) = &ask.called {
            let start = called.trim_start_matches('+');
            wanted.push("prefix>=? AND prefix<?".into());
            values.extend(args![start, format!("{start}~")]);
        }
        let sql = format!(
            "SELECT {} FROM {table} WHERE {} GROUP BY {} LIMIT {}",
            shown.join(","),
            wanted.join(" AND "),
            names.join(","),
            GROUPS_MAX + 1
        );
        (sql, values)
    }

    fn fold(&self, row: &Row, groups: &mut BTreeMap<SumPlace, SumGroup>) -> Result<()> {
        let place = self.place(row)?;
        let group = groups.entry(place.clone()).or_insert_with(|| SumGroup { place, ..SumGroup::default() });
        let mut sums = Sums::read(row)?;
        let currency = row.text("currency")?;
        let (revenue, cost) = (std::mem::take(&mut sums.revenue), std::mem::take(&mut sums.cost));
        group.sums.add(&sums);
        if revenue != 0 || cost != 0 {
            let money = group.money.entry(currency).or_default();
            *money = (money.0.saturating_add(revenue), money.1.saturating_add(cost));
        }
        Ok(())
    }

    fn place(&self, row: &Row) -> Result<SumPlace> {
        let number = |dimension, column: &str| self.asks(dimension).then(|| row.num::<u32>(column)).transpose();
        let prefix = match self.asks(Dimension::Prefix) || self.asks(Dimension::Country) {
            true => row.text("prefix")?,
            false => String::new(),
        };
        Ok(SumPlace {
            period: self.period_of(row)?,
            originator: number(Dimension::Originator, "originator")?,
            ingress_trunk: number(Dimension::IngressTrunk, "ingress_trunk")?,
            terminator: number(Dimension::Terminator, "terminator")?,
            egress_trunk: number(Dimension::EgressTrunk, "egress_trunk")?,
            country: self.asks(Dimension::Country).then(|| area(&prefix).0.to_owned()),
            prefix: self.asks(Dimension::Prefix).then(|| prefix.clone()),
            cause: self.asks(Dimension::Cause).then(|| row.num("cause")).transpose()?,
        })
    }

    fn period_of(&self, row: &Row) -> Result<Option<SumPeriod>> {
        let moment = |micros| Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
        if self.asks(Dimension::Hour) {
            let from = row.int("period")?;
            let name = moment(from).to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M%:z").to_string();
            let till = WallTime::from_micros(from + HOUR);
            return Ok(Some(SumPeriod { from: WallTime::from_micros(from), till, name }));
        }
        let by_month = self.asks(Dimension::Month);
        if !by_month && !self.asks(Dimension::Day) {
            return Ok(None);
        }
        let day = moment(row.int("period")?).to_zoned(TimeZone::UTC).date();
        let (first, next) = match by_month {
            true => (day.first_of_month(), day.last_of_month().tomorrow()),
            false => (day, day.tomorrow()),
        };
        let name = day.strftime(if by_month { "%Y-%m" } else { "%Y-%m-%d" }).to_string();
        Ok(Some(SumPeriod { from: self.begins(first), till: self.begins(next.unwrap_or(day)), name }))
    }

    /// The first moment of a day of the zone.
    fn begins(&self, day: Date) -> WallTime {
        let begins = day.to_zoned(self.zone.clone()).map_or(Timestamp::UNIX_EPOCH, |begins| begins.timestamp());
        WallTime::from_micros(begins.as_microsecond())
    }
}

/// Where the dimensions stand; a country is the beginning of a prefix.
const COLUMNS: [(Dimension, &str); 7] = [
    (Dimension::Originator, "originator"),
    (Dimension::IngressTrunk, "ingress_trunk"),
    (Dimension::Terminator, "terminator"),
    (Dimension::EgressTrunk, "egress_trunk"),
    (Dimension::Country, "prefix"),
    (Dimension::Prefix, "prefix"),
    (Dimension::Cause, "cause"),
];

fn ceiling(micros: i64) -> i64 {
    sums::floor(micros.saturating_add(SLOT - 1), SLOT)
}

/// What a zone is ahead of UTC within a window.
fn ahead(zone: &TimeZone, from: i64, till: i64) -> Vec<(i64, i64)> {
    let moment = Timestamp::from_microsecond(from).unwrap_or(Timestamp::UNIX_EPOCH);
    let micros = |offset: jiff::tz::Offset| i64::from(offset.seconds()) * 1_000_000;
    let mut all = vec![(from, micros(zone.to_offset(moment)))];
    for change in zone.following(moment) {
        let at = change.timestamp().as_microsecond();
        if at >= till {
            break;
        }
        all.push((at, micros(change.offset())));
    }
    all
}
