//! What sums say: ratios, means, money by currency, and all of it as CSV.

use serde::{Deserialize, Serialize};
use store::{SumGroup, Sums};
use units::Money;
use utoipa::ToSchema;

use super::{Statistics, StatisticsRow};
use crate::api::overview::MoneySum;
use crate::value::Amount;

/// Calls or attempts, and how they went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Reading {
    /// How many there were.
    pub count: i64,
    /// Of these, answered.
    pub answered: i64,
    /// Answered of all, per cent (answer-seizure ratio, ITU-T E.425 §3.1); absent without any.
    pub asr_percent: Option<f64>,
    /// Those that reached somebody, answered or not, of all, per cent (network effectiveness ratio, ITU-T E.425 §3.2); absent without any.
    pub ner_percent: Option<f64>,
    /// Mean talk time of the answered in milliseconds; absent without answered ones.
    pub acd_ms: Option<i64>,
    /// Mean milliseconds from INVITE to the first 18x, of those that rang; absent without.
    pub pdd_ms: Option<i64>,
}

/// Sums of a group and what follows from them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatisticsFigures {
    /// A call counts once, whatever was tried: the originator's view.
    pub per_call: Reading,
    /// Each try of a route counts: the terminator's view.
    pub per_attempt: Reading,
    /// Talk time of calls in milliseconds.
    pub talked_ms: i64,
    /// Seconds that originators pay for.
    pub sell_billed_s: i64,
    /// Seconds that terminators are owed for.
    pub buy_billed_s: i64,
    /// Packets from originators that were lost, per cent; absent without media.
    pub ingress_loss_percent: Option<f64>,
    /// Packets from terminators that were lost, per cent; absent without media.
    pub egress_loss_percent: Option<f64>,
    /// Mean estimated opinion score of media from originators (ITU-T G.107); absent without media.
    pub ingress_mos: Option<f64>,
    /// Mean estimated opinion score of media from terminators (ITU-T G.107); absent without media.
    pub egress_mos: Option<f64>,
    /// By currency; none where nothing was charged.
    pub money: Vec<MoneySum>,
}

/// Rounded to a hundredth; `None` of nothing.
fn ratio(part: i64, whole: i64, of: f64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 * of * 100.0 / whole as f64).round() / 100.0)
}

fn reading(count: i64, [answered, reached, rung, ring_ms, talk_ms]: [i64; 5]) -> Reading {
    Reading {
        count,
        answered,
        asr_percent: ratio(answered, count, 100.0),
        ner_percent: ratio(reached, count, 100.0),
        acd_ms: talk_ms.checked_div(answered),
        pdd_ms: ring_ms.checked_div(rung),
    }
}

impl StatisticsFigures {
    /// The figures of some groups together.
    pub(super) fn of<'a>(groups: impl IntoIterator<Item = &'a SumGroup>) -> StatisticsFigures {
        let (mut s, mut all) = (Sums::default(), std::collections::BTreeMap::<&str, (i64, i64)>::new());
        for group in groups {
            s.add(&group.sums);
            for (currency, (revenue, cost)) in &group.money {
                let sum = all.entry(currency).or_default();
                *sum = (sum.0.saturating_add(*revenue), sum.1.saturating_add(*cost));
            }
        }
        let money = all.into_iter().map(|(currency, (revenue, cost))| MoneySum {
            currency: currency.to_owned(),
            revenue: Amount(Money::from_nanos(revenue)),
            cost: Amount(Money::from_nanos(cost)),
            margin: Amount(Money::from_nanos(revenue.saturating_sub(cost))),
        });
        let calls = [s.calls_answered, s.calls_reached, s.calls_rung, s.calls_ring_ms, s.talk_ms];
        let tries = [s.attempts_answered, s.attempts_reached, s.attempts_rung, s.attempts_ring_ms, s.attempts_talk_ms];
        StatisticsFigures {
            per_call: reading(s.calls, calls),
            per_attempt: reading(s.attempts, tries),
            talked_ms: s.talk_ms,
            sell_billed_s: s.sell_billed_s,
            buy_billed_s: s.buy_billed_s,
            ingress_loss_percent: ratio(s.ingress_lost, s.ingress_lost + s.ingress_packets, 100.0),
            egress_loss_percent: ratio(s.egress_lost, s.egress_lost + s.egress_packets, 100.0),
            ingress_mos: ratio(s.ingress_mos_x100, s.ingress_mos_calls, 0.01),
            egress_mos: ratio(s.egress_mos_x100, s.egress_mos_calls, 0.01),
            money: money.collect(),
        }
    }
}

impl Statistics {
    /// A head and a line for each group; three columns for each currency.
    pub fn csv(&self) -> Result<Vec<u8>, csv::Error> {
        let currencies: Vec<&str> = self.total.money.iter().map(|sum| sum.currency.as_str()).collect();
        let mut lines = csv::Writer::from_writer(Vec::new());
        let first = self.data.first();
        let mut head: Vec<String> =
            first.map_or(Vec::new(), |row| cells_of_place(row).into_iter().map(|(name, _)| name.to_owned()).collect());
        head.extend(FIGURES.map(str::to_owned));
        for currency in &currencies {
            head.extend(["revenue", "cost", "margin"].map(|word| format!("{word} {currency}")));
        }
        lines.write_record(&head)?;
        for row in &self.data {
            let mut cells: Vec<String> = cells_of_place(row).into_iter().map(|(_, cell)| cell).collect();
            cells.extend(cells_of(&row.figures));
            for currency in &currencies {
                let known = row.figures.money.iter().find(|sum| sum.currency == *currency).cloned();
                let sum = known.unwrap_or_default();
                cells.extend([sum.revenue, sum.cost, sum.margin].map(|amount| amount.to_string()));
            }
            lines.write_record(&cells)?;
        }
        lines.into_inner().map_err(|flaw| csv::Error::from(flaw.into_error()))
    }
}

/// What tells a row apart: name and value, in the order of the dimensions.
pub fn cells_of_place(row: &StatisticsRow) -> Vec<(&'static str, String)> {
    fn code<R: std::fmt::Display>(named: &crate::value::Named<R>) -> String {
        if named.code.is_empty() { named.id.to_string() } else { named.code.clone() }
    }
    let all = [
        ("period", row.period.as_ref().map(|period| period.name.clone())),
        ("originator", row.originator.as_ref().map(code)),
        ("ingress trunk", row.ingress_trunk.as_ref().map(code)),
        ("terminator", row.terminator.as_ref().map(code)),
        ("egress trunk", row.egress_trunk.as_ref().map(code)),
        ("country", row.country.clone()),
        ("prefix", row.prefix.clone()),
        ("cause", row.cause.map(|cause| cause.to_string())),
    ];
    all.into_iter().filter_map(|(name, cell)| Some((name, cell?))).collect()
}

/// The columns of figures in a CSV file.
const FIGURES: [&str; 19] = [
    "calls",
    "answered",
    "ASR per call %",
    "NER per call %",
    "ACD s",
    "PDD ms",
    "attempts",
    "answered attempts",
    "ASR per attempt %",
    "NER per attempt %",
    "ACD per attempt s",
    "PDD per attempt ms",
    "talked s",
    "sell billed s",
    "buy billed s",
    "loss from originators %",
    "loss from terminators %",
    "MOS from originators",
    "MOS from terminators",
];

fn cells_of(figures: &StatisticsFigures) -> [String; 19] {
    let share = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let millis = |value: Option<i64>| value.map_or(String::new(), |value| value.to_string());
    let seconds = |value: Option<i64>| value.map_or(String::new(), |value| (value as f64 / 1_000.0).to_string());
    let reading = |r: &Reading| {
        let (asr, ner) = (share(r.asr_percent), share(r.ner_percent));
        [r.count.to_string(), r.answered.to_string(), asr, ner, seconds(r.acd_ms), millis(r.pdd_ms)]
    };
    let [a, b, c, d, e, f] = reading(&figures.per_call);
    let [g, h, i, j, k, l] = reading(&figures.per_attempt);
    let talked = seconds(Some(figures.talked_ms));
    let (sell, buy) = (figures.sell_billed_s.to_string(), figures.buy_billed_s.to_string());
    let [m, n] = [figures.ingress_loss_percent, figures.egress_loss_percent].map(share);
    let [o, p] = [figures.ingress_mos, figures.egress_mos].map(share);
    [a, b, c, d, e, f, g, h, i, j, k, l, talked, sell, buy, m, n, o, p]
}
